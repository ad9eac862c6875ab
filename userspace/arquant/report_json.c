// SPDX-License-Identifier: BSD-2-Clause
/* A report for programs; status.schema.json describes every key. */
#include "userspace/arquant/report_entry.h"

#include "progs/program.h"
#include "userspace/arquant/json.h"

static void add_rates(struct json_object *object, const struct arq_report *report,
		      const struct arq_report_entry *entry, int program)
{
	const struct arq_counters *counters = &entry->counters[program];
	const struct arq_counters *before = arq_report_before(report, entry, program);
	double seconds = arq_report_seconds(report);
	if (!before)
		return;

	arq_json_add_rates(object, "rates", counters->actions, before->actions, seconds);
	struct json_object *reasons = json_object_new_object();
	for (uint32_t reason = 1; reason < ARQ_REASON_MAX; reason++) {
		if (counters->reasons[reason])
			arq_json_add_real(
				reasons, arq_reason_name(reason),
				(double)(counters->reasons[reason] - before->reasons[reason]) /
					seconds);
	}
	json_object_object_add(object, "reason_rates", reasons);
}

static void add_counters(struct json_object *object, const struct arq_report *report,
			 const struct arq_report_entry *entry, int program)
{
	if (program < 0 || !entry->has_counters[program])
		return;

	const struct arq_counters *counters = &entry->counters[program];
	arq_json_add_actions(object, "actions", counters->actions);
	arq_json_add_number(object, "parsed", counters->parsed);
	arq_json_add_number(object, "reused", counters->reused);
	arq_json_add_number(object, "sampled", counters->sampled);
	arq_json_add_number(object, "samples_lost", counters->sample_lost);

	struct json_object *reasons = json_object_new_object();
	for (uint32_t reason = 1; reason < ARQ_REASON_MAX; reason++) {
		if (counters->reasons[reason])
			arq_json_add_number(reasons, arq_reason_name(reason),
					    counters->reasons[reason]);
	}
	json_object_object_add(object, "reasons", reasons);
	add_rates(object, report, entry, program);
}

static struct json_object *json_parts(const struct arq_report *report,
				      const struct arq_report_entry *entry)
{
	struct json_object *array = json_object_new_array();

	for (size_t i = 0; i < ARQ_REPORT_PARTS; i++) {
		struct json_object *part = json_object_new_object();
		arq_json_add_text(part, "program", arq_program_name(arq_report_parts[i]));
		add_counters(part, report, entry, arq_report_parts[i]);
		json_object_array_add(array, part);
	}
	return array;
}

static struct json_object *json_chain_actions(const struct arq_chain_slot *slot)
{
	struct json_object *array = json_object_new_array();

	for (uint32_t action = 0; action <= XDP_REDIRECT; action++) {
		if (slot->chain_actions & 1u << action)
			json_object_array_add(array,
					      json_object_new_string(arq_action_name(action)));
	}
	return array;
}

static void add_identity(struct json_object *object, const struct arq_chain_slot *slot)
{
	char tag[2 * BPF_TAG_SIZE + 1];

	arq_json_add_number(object, "id", slot->id);
	arq_json_add_text(object, "name", slot->name);
	for (size_t i = 0; i < BPF_TAG_SIZE; i++)
		snprintf(tag + 2 * i, 3, "%02x", slot->tag[i]);
	arq_json_add_text(object, "tag", tag);
	arq_json_add_time(object, "load_time", slot->load_time, -1);
}

static struct json_object *json_slot(const struct arq_report *report,
				     const struct arq_report_entry *entry, unsigned int number)
{
	const struct arq_chain_slot *slot = &entry->chain.slots[number];
	struct json_object *object = json_object_new_object();

	arq_json_add_number(object, "slot", number);
	add_identity(object, slot);
	if (entry->chain.kind == ARQ_CHAIN_DISPATCHER) {
		arq_json_add_number(object, "priority", slot->priority);
		json_object_object_add(object, "chain_actions", json_chain_actions(slot));
	}
	arq_json_add_text(object, "owner", slot->program < 0 ? "foreign" : "own");
	if (slot->program >= 0)
		arq_json_add_text(object, "program", arq_program_name((uint32_t)slot->program));
	add_counters(object, report, entry, slot->program);
	if (slot->program == ARQ_PROGRAM_BUNDLE)
		json_object_object_add(object, "parts", json_parts(report, entry));
	return object;
}

static void add_attachment(struct json_object *object, const struct arq_report_entry *entry)
{
	static const char *const kinds[] = {"none", "single", "dispatcher"};
	const struct arq_chain *chain = &entry->chain;

	arq_json_add_text(object, "attachment", kinds[chain->kind]);
	arq_json_add_text(object, "mode", arq_chain_mode_name(chain));
	if (chain->kind != ARQ_CHAIN_DISPATCHER)
		return;
	arq_json_add_number(object, "dispatcher", chain->id);
	if (entry->protocol)
		arq_json_add_number(object, "protocol", entry->protocol);
	arq_json_add_bool(object, "multi_buffer", chain->frags);
}

static struct json_object *json_entry(const struct arq_report *report,
				      const struct arq_report_entry *entry)
{
	const struct arq_chain *chain = &entry->chain;
	struct json_object *object = json_object_new_object();

	arq_json_add_text(object, "interface", chain->interface);
	arq_json_add_number(object, "ifindex", chain->ifindex);
	add_attachment(object, entry);

	struct json_object *slots = json_object_new_array();
	for (unsigned int i = 0; i < chain->slots_count; i++)
		json_object_array_add(slots, json_slot(report, entry, i));
	json_object_object_add(object, "slots", slots);

	struct json_object *missing = json_object_new_array();
	for (uint32_t id = 0; id < ARQ_PROGRAM_COUNT; id++) {
		if (entry->missing[id])
			json_object_array_add(missing,
					      json_object_new_string(arq_program_name(id)));
	}
	json_object_object_add(object, "missing", missing);
	return object;
}

static void print(const struct arq_report *report, bool line, FILE *stream)
{
	struct json_object *document = json_object_new_object();
	struct json_object *interfaces = json_object_new_array();

	arq_json_add_now(document);
	if (report->before)
		arq_json_add_real(document, "seconds", arq_report_seconds(report));
	for (size_t i = 0; i < report->count; i++)
		json_object_array_add(interfaces, json_entry(report, &report->entries[i]));
	json_object_object_add(document, "interfaces", interfaces);
	arq_json_print(document, line, stream);
}

void arq_report_print_json(const struct arq_report *report, FILE *stream)
{
	print(report, false, stream);
}

void arq_report_print_json_line(const struct arq_report *report, FILE *stream)
{
	print(report, true, stream);
}
