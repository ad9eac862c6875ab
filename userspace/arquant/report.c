// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/arquant/report.h"

#include "dispatcher/chain.h"
#include "dispatcher/pins.h"
#include "progs/program.h"

#include <errno.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* "2026-11-21 01:02:03 +0000", and longer where years or zones need it. */
#define TIME_TEXT_MAX 40

static const enum arq_program_id parts[] = {
	ARQ_PROGRAM_FIREWALL,
	ARQ_PROGRAM_SAMPLER,
	ARQ_PROGRAM_REDIRECT,
};

#define PARTS (sizeof(parts) / sizeof(parts[0]))

/* An interface, and the counters of our programs there by enum arq_program_id. */
struct entry {
	struct arq_chain chain;
	bool present[ARQ_PROGRAM_COUNT]; /* in a slot, or a part of the bundle that is */
	bool missing[ARQ_PROGRAM_COUNT]; /* pinned, and in no slot: somebody took it out */
	bool has_counters[ARQ_PROGRAM_COUNT];
	struct arq_counters counters[ARQ_PROGRAM_COUNT];
};

struct arq_report {
	size_t count;
	struct entry *entries;
};

struct arq_report *arq_report_create(void)
{
	return calloc(1, sizeof(struct arq_report));
}

void arq_report_destroy(struct arq_report *report)
{
	if (!report)
		return;
	free(report->entries);
	free(report);
}

/* --- reading ---------------------------------------------------------------------------------- */

/*
 * Counters that cannot be read are shown as "-": the table of slots is worth more than an error,
 * and the usual cause is that the program goes away just now.
 */
static void read_counters(struct entry *entry, const char *directory, enum arq_program_id program,
			  enum arq_program_id part)
{
	struct arq_counters_view *view;
	struct arq_error ignored = {0};

	entry->present[part] = true;
	if (arq_counters_open(directory, program, part, &view, &ignored))
		return;
	arq_counters_read(view, &entry->counters[part]);
	arq_counters_close(view);
	entry->has_counters[part] = true;
}

static void read_own(struct entry *entry, const char *directory)
{
	for (unsigned int i = 0; i < entry->chain.slots_count; i++) {
		int program = entry->chain.slots[i].program;
		if (program < 0 || entry->present[program])
			continue;
		read_counters(entry, directory, (enum arq_program_id)program,
			      (enum arq_program_id)program);
		for (size_t part = 0; program == ARQ_PROGRAM_BUNDLE && part < PARTS; part++)
			read_counters(entry, directory, ARQ_PROGRAM_BUNDLE, parts[part]);
	}
	for (uint32_t id = 0; id < ARQ_PROGRAM_COUNT; id++)
		entry->missing[id] = !entry->present[id] &&
				     arq_program_pinned((enum arq_program_id)id, directory);
}

static int add(struct arq_report *report, const char *interface, bool only_used,
	       struct arq_error *error)
{
	struct entry *entries =
		reallocarray(report->entries, report->count + 1, sizeof(*report->entries));
	if (!entries)
		return arq_error_set(error, -ENOMEM, "out of memory");
	report->entries = entries;

	struct entry *entry = &entries[report->count];
	char directory[PATH_MAX];
	memset(entry, 0, sizeof(*entry));
	int code = arq_chain_read(interface, &entry->chain, error);
	if (code)
		return code;
	if (only_used && entry->chain.kind == ARQ_CHAIN_NONE)
		return 0;
	code = arq_pins_path(directory, entry->chain.ifindex);
	if (code)
		return arq_error_set(error, code, "%s: cannot name its pins: %s", interface,
				     strerror(-code));
	read_own(entry, directory);
	report->count++;
	return 0;
}

int arq_report_add(struct arq_report *report, const char *interface, struct arq_error *error)
{
	return add(report, interface, false, error);
}

int arq_report_add_if_used(struct arq_report *report, const char *interface,
			   struct arq_error *error)
{
	return add(report, interface, true, error);
}

/* --- for people ------------------------------------------------------------------------------- */

static void format_time(char text[TIME_TEXT_MAX], time_t time)
{
	struct tm local;

	if (!localtime_r(&time, &local) ||
	    strftime(text, TIME_TEXT_MAX, "%Y-%m-%d %H:%M:%S %z", &local) == 0)
		snprintf(text, TIME_TEXT_MAX, "?");
}

static void print_head(const struct entry *entry, FILE *stream)
{
	const struct arq_chain *chain = &entry->chain;

	switch (chain->kind) {
	case ARQ_CHAIN_NONE:
		fprintf(stream, "%s: no XDP program\n", chain->interface);
		return;
	case ARQ_CHAIN_SINGLE:
		fprintf(stream, "%s: one program alone, mode %s%s\n", chain->interface,
			arq_chain_mode_name(chain),
			chain->unreadable ? " (a libxdp dispatcher whose pins cannot be read)"
					  : "");
		break;
	case ARQ_CHAIN_DISPATCHER:
		fprintf(stream, "%s: libxdp dispatcher %" PRIu32 ", mode %s, multi-buffer %s\n",
			chain->interface, chain->id, arq_chain_mode_name(chain),
			chain->frags ? "yes" : "no");
		break;
	}
	fprintf(stream, "SLOT PRIO       ID %-16s %-25s OWNER  ", "NAME", "LOAD TIME");
	static const char *const titles[ARQ_ACTIONS] = {"ABORTED", "DROP",     "PASS",
							"TX",      "REDIRECT", "INVALID"};
	for (uint32_t action = 0; action < ARQ_ACTIONS; action++)
		fprintf(stream, " %12s", titles[action]);
	fputc('\n', stream);
}

static void print_actions(const struct entry *entry, int program, FILE *stream)
{
	for (uint32_t action = 0; action < ARQ_ACTIONS; action++) {
		if (program >= 0 && entry->has_counters[program])
			fprintf(stream, " %12llu", entry->counters[program].actions[action]);
		else
			fprintf(stream, " %12s", "-");
	}
	fputc('\n', stream);
}

static void print_parts(const struct entry *entry, FILE *stream)
{
	for (size_t i = 0; i < PARTS; i++) {
		fprintf(stream, "   +    -        - %-16s %-25s own    ",
			arq_program_function(parts[i]), "-");
		print_actions(entry, parts[i], stream);
	}
}

static void print_slot(const struct entry *entry, unsigned int number, FILE *stream)
{
	const struct arq_chain_slot *slot = &entry->chain.slots[number];
	char load_time[TIME_TEXT_MAX];

	format_time(load_time, slot->load_time);
	fprintf(stream, "%4u ", number);
	if (entry->chain.kind == ARQ_CHAIN_DISPATCHER)
		fprintf(stream, "%4u ", slot->priority);
	else
		fprintf(stream, "%4s ", "-");
	fprintf(stream, "%8" PRIu32 " %-16s %-25s %-7s", slot->id, slot->name, load_time,
		slot->program < 0 ? "foreign" : "own");
	print_actions(entry, slot->program, stream);
	if (slot->program == ARQ_PROGRAM_BUNDLE)
		print_parts(entry, stream);
}

static void print_empty(const struct entry *entry, unsigned int number, FILE *stream)
{
	fprintf(stream, "%4u    -        - %-16s %-25s -      ", number, "-", "-");
	print_actions(entry, -1, stream);
}

static void print_reasons(const struct entry *entry, uint32_t id, FILE *stream)
{
	const struct arq_counters *counters = &entry->counters[id];

	if (!entry->has_counters[id])
		return;
	if (counters->parsed || counters->reused)
		fprintf(stream, "%s: packets parsed %llu, metadata reused %llu\n",
			arq_program_function((enum arq_program_id)id), counters->parsed,
			counters->reused);
	if (counters->sampled)
		fprintf(stream, "%s: samples taken %llu, of which lost %llu\n",
			arq_program_function((enum arq_program_id)id), counters->sampled,
			counters->sample_lost);
	for (uint32_t reason = 1; reason < ARQ_REASON_MAX; reason++) {
		if (counters->reasons[reason])
			fprintf(stream, "%s: %s %llu (%s)\n",
				arq_program_function((enum arq_program_id)id),
				arq_reason_name(reason), counters->reasons[reason],
				arq_reason_meaning(reason));
	}
}

static void print_missing(const struct entry *entry, FILE *stream)
{
	for (uint32_t id = 0; id < ARQ_PROGRAM_COUNT; id++) {
		if (entry->missing[id])
			fprintf(stream,
				"%s: was loaded here and is in no slot; 'arquant load %s' loads "
				"the chain again, 'arquant unload --all' clears up\n",
				arq_program_function((enum arq_program_id)id),
				entry->chain.interface);
	}
}

static void print_entry(const struct entry *entry, FILE *stream)
{
	unsigned int slots = entry->chain.kind == ARQ_CHAIN_DISPATCHER ? ARQ_CHAIN_SLOTS : 1;

	print_head(entry, stream);
	for (unsigned int i = 0; entry->chain.kind != ARQ_CHAIN_NONE && i < slots; i++) {
		if (i < entry->chain.slots_count)
			print_slot(entry, i, stream);
		else
			print_empty(entry, i, stream);
	}
	for (uint32_t id = 0; id < ARQ_PROGRAM_COUNT; id++)
		print_reasons(entry, id, stream);
	print_missing(entry, stream);
}

void arq_report_print_table(const struct arq_report *report, FILE *stream)
{
	if (report->count == 0)
		fprintf(stream, "no interface runs an XDP program\n");
	for (size_t i = 0; i < report->count; i++) {
		if (i > 0)
			fputc('\n', stream);
		print_entry(&report->entries[i], stream);
	}
}

void arq_report_print_summary(const struct arq_report *report, FILE *stream)
{
	for (size_t i = 0; i < report->count; i++) {
		const struct arq_chain *chain = &report->entries[i].chain;
		const char *separator = "";
		fprintf(stream, "%s: loaded ", chain->interface);
		for (unsigned int slot = 0; slot < chain->slots_count; slot++) {
			if (chain->slots[slot].program < 0)
				continue;
			fprintf(stream, "%s%s", separator,
				arq_program_name((uint32_t)chain->slots[slot].program));
			separator = ", ";
		}
		fprintf(stream, " (%s, mode %s)\n",
			chain->kind == ARQ_CHAIN_DISPATCHER ? "in a libxdp dispatcher" : "alone",
			arq_chain_mode_name(chain));
	}
}

/* --- for programs ----------------------------------------------------------------------------- */

static void add_number(struct json_object *object, const char *key, uint64_t value)
{
	json_object_object_add(object, key, json_object_new_uint64(value));
}

static void add_text(struct json_object *object, const char *key, const char *value)
{
	json_object_object_add(object, key, json_object_new_string(value));
}

static void add_counters(struct json_object *object, const struct entry *entry, int program)
{
	if (program < 0 || !entry->has_counters[program])
		return;

	const struct arq_counters *counters = &entry->counters[program];
	struct json_object *actions = json_object_new_object();
	for (uint32_t action = 0; action < ARQ_ACTIONS; action++)
		add_number(actions, arq_action_name(action), counters->actions[action]);
	json_object_object_add(object, "actions", actions);
	add_number(object, "parsed", counters->parsed);
	add_number(object, "reused", counters->reused);
	add_number(object, "sampled", counters->sampled);
	add_number(object, "samples_lost", counters->sample_lost);

	struct json_object *reasons = json_object_new_object();
	for (uint32_t reason = 1; reason < ARQ_REASON_MAX; reason++) {
		if (counters->reasons[reason])
			add_number(reasons, arq_reason_name(reason), counters->reasons[reason]);
	}
	json_object_object_add(object, "reasons", reasons);
}

static struct json_object *json_parts(const struct entry *entry)
{
	struct json_object *array = json_object_new_array();

	for (size_t i = 0; i < PARTS; i++) {
		struct json_object *part = json_object_new_object();
		add_text(part, "program", arq_program_name(parts[i]));
		add_counters(part, entry, parts[i]);
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
	char text[TIME_TEXT_MAX], tag[2 * BPF_TAG_SIZE + 1];
	struct tm utc;

	add_number(object, "id", slot->id);
	add_text(object, "name", slot->name);
	for (size_t i = 0; i < BPF_TAG_SIZE; i++)
		snprintf(tag + 2 * i, 3, "%02x", slot->tag[i]);
	add_text(object, "tag", tag);
	if (gmtime_r(&slot->load_time, &utc) &&
	    strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &utc))
		add_text(object, "load_time", text);
}

static struct json_object *json_slot(const struct entry *entry, unsigned int number)
{
	const struct arq_chain_slot *slot = &entry->chain.slots[number];
	struct json_object *object = json_object_new_object();

	add_number(object, "slot", number);
	add_identity(object, slot);
	if (entry->chain.kind == ARQ_CHAIN_DISPATCHER) {
		add_number(object, "priority", slot->priority);
		json_object_object_add(object, "chain_actions", json_chain_actions(slot));
	}
	add_text(object, "owner", slot->program < 0 ? "foreign" : "own");
	if (slot->program >= 0)
		add_text(object, "program", arq_program_name((uint32_t)slot->program));
	add_counters(object, entry, slot->program);
	if (slot->program == ARQ_PROGRAM_BUNDLE)
		json_object_object_add(object, "parts", json_parts(entry));
	return object;
}

static struct json_object *json_entry(const struct entry *entry)
{
	static const char *const kinds[] = {"none", "single", "dispatcher"};
	const struct arq_chain *chain = &entry->chain;
	struct json_object *object = json_object_new_object();

	add_text(object, "interface", chain->interface);
	add_number(object, "ifindex", chain->ifindex);
	add_text(object, "attachment", kinds[chain->kind]);
	add_text(object, "mode", arq_chain_mode_name(chain));
	if (chain->kind == ARQ_CHAIN_DISPATCHER) {
		add_number(object, "dispatcher", chain->id);
		json_object_object_add(object, "multi_buffer",
				       json_object_new_boolean(chain->frags));
	}

	struct json_object *slots = json_object_new_array();
	for (unsigned int i = 0; i < chain->slots_count; i++)
		json_object_array_add(slots, json_slot(entry, i));
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

void arq_report_print_json(const struct arq_report *report, FILE *stream)
{
	struct json_object *document = json_object_new_object();
	struct json_object *interfaces = json_object_new_array();

	for (size_t i = 0; i < report->count; i++)
		json_object_array_add(interfaces, json_entry(&report->entries[i]));
	json_object_object_add(document, "interfaces", interfaces);
	fprintf(stream, "%s\n",
		json_object_to_json_string_ext(document, JSON_C_TO_STRING_PRETTY |
								 JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(document);
}
