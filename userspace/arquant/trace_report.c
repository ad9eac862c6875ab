// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/arquant/trace_report.h"

#include "dispatcher/trace.bpf.h"
#include "progs/sampler/summary.h"
#include "userspace/arquant/json.h"

#include <inttypes.h>
#include <string.h>

/* "invalid 4294967295" */
#define ACTION_TEXT_MAX 24

static const enum arq_program_id parts[] = {
	ARQ_PROGRAM_FIREWALL,
	ARQ_PROGRAM_SAMPLER,
	ARQ_PROGRAM_REDIRECT,
};

#define PARTS (sizeof(parts) / sizeof(parts[0]))

static const struct arq_chain *chain_of(const struct arq_trace_report *report)
{
	return arq_trace_chain(report->run);
}

static uint32_t known_action(uint32_t action)
{
	return action < ARQ_ACTION_INVALID ? action : ARQ_ACTION_INVALID;
}

/* The verdict that says why: of our program itself, or of the part of the bundle that decided. */
static const struct arq_replica_verdict *reason_of(const struct arq_trace_slot *slot)
{
	for (size_t i = 0; i < PARTS; i++) {
		const struct arq_replica_verdict *part = &slot->parts[parts[i]];
		if (part->ran && (part->reason || part->rule))
			return part;
	}
	return &slot->own;
}

static bool has_foreign(const struct arq_trace_report *report,
			const struct arq_trace_result *result)
{
	const struct arq_chain *chain = chain_of(report);

	for (unsigned int i = 0; i < chain->slots_count; i++) {
		bool ran = !result || (result->slots[i].reached && !result->slots[i].skipped);
		if (chain->slots[i].program < 0 && ran)
			return true;
	}
	return false;
}

/* --- for people ------------------------------------------------------------------------------- */

static void print_reason(const struct arq_trace_report *report,
			 const struct arq_replica_verdict *verdict, FILE *stream)
{
	/* "rule" alone says no more than the rule does. */
	bool says = verdict->reason && !(verdict->rule && verdict->reason == ARQ_REASON_RULE);

	if (says)
		fprintf(stream, "%s", arq_reason_name(verdict->reason));
	if (verdict->rule)
		fprintf(stream, "%srule %u \"%s\"", says ? ", " : "", verdict->rule,
			arq_rule_name(&report->rules, verdict->rule));
	if (!says && !verdict->rule)
		fputc('-', stream);
}

static const char *slot_action(const struct arq_trace_slot *slot)
{
	if (!slot->reached)
		return "not reached";
	if (slot->skipped)
		return "left out";
	return arq_action_name(known_action(slot->action));
}

static void print_slot(const struct arq_trace_report *report, unsigned int number,
		       const struct arq_trace_slot *slot, FILE *stream)
{
	const struct arq_chain *chain = chain_of(report);
	const struct arq_chain_slot *live = &chain->slots[number];
	char priority[12] = "-";

	if (chain->kind == ARQ_CHAIN_DISPATCHER)
		snprintf(priority, sizeof(priority), "%u", live->priority);
	fprintf(stream, "%4u %4s %8u %-16s %-8s %-12s ", number, priority, live->id, live->name,
		live->program < 0 ? "foreign" : "own", slot_action(slot));
	print_reason(report, reason_of(slot), stream);
	fputc('\n', stream);
	for (size_t i = 0; i < PARTS; i++) {
		const struct arq_replica_verdict *part = &slot->parts[parts[i]];
		if (!part->ran)
			continue;
		fprintf(stream, "%18s   %-14s %-8s %-12s ", "", arq_program_name(parts[i]), "",
			arq_action_name(part->action));
		print_reason(report, part, stream);
		fputc('\n', stream);
	}
}

static void print_packet(const struct arq_trace_seen *seen, FILE *stream)
{
	char summary[ARQ_SUMMARY_MAX];

	if (seen->number)
		fprintf(stream, "#%" PRIu64 " ", seen->number);
	fprintf(stream, "%s, %zu bytes", arq_packet_summary(seen->frame, seen->length, summary),
		seen->length);
	if (seen->captured < seen->length)
		fprintf(stream, " (%zu captured, the rest taken as zero)", seen->captured);
}

static void print_verdict(const struct arq_trace_report *report, const struct arq_trace_seen *seen,
			  FILE *stream)
{
	const struct arq_trace_result *result = seen->result;

	fprintf(stream, "%s", arq_action_name(known_action(result->action)));
	if (result->slot < 0) {
		fprintf(stream, ", every slot let it go on");
	} else {
		const struct arq_chain_slot *live = &chain_of(report)->slots[result->slot];
		const struct arq_replica_verdict *why = reason_of(&result->slots[result->slot]);
		fprintf(stream, " by slot %d, %s", result->slot, live->name);
		if (why->reason || why->rule) {
			fprintf(stream, ": ");
			print_reason(report, why, stream);
		}
	}
	if (result->rewritten)
		fprintf(stream, "; the packet was rewritten");
	fputc('\n', stream);
}

static void count(struct arq_trace_report *report, const struct arq_trace_seen *seen)
{
	report->actions[known_action(seen->result->action)]++;
}

void arq_trace_print_table(struct arq_trace_report *report, const struct arq_trace_seen *seen,
			   FILE *stream)
{
	const struct arq_chain *chain = chain_of(report);

	count(report, seen);
	fprintf(stream, "%s: ", chain->interface);
	print_packet(seen, stream);
	fprintf(stream, "\nSLOT PRIO       ID %-16s %-8s %-12s REASON\n", "NAME", "OWNER",
		"VERDICT");
	for (unsigned int i = 0; i < chain->slots_count; i++)
		print_slot(report, i, &seen->result->slots[i], stream);
	fprintf(stream, "verdict: ");
	print_verdict(report, seen, stream);
	/* What the reason of the slot that decided means, in words. */
	if (seen->result->slot >= 0) {
		uint32_t reason = reason_of(&seen->result->slots[seen->result->slot])->reason;
		if (reason)
			fprintf(stream, "%s: %s\n", arq_reason_name(reason),
				arq_reason_meaning(reason));
	}
	if (has_foreign(report, seen->result))
		fprintf(stream, "note: programs of others cannot be copied: those that the packet "
				"reached count it\n      where they count packets; "
				"'--skip-foreign' leaves them out\n");
}

void arq_trace_print_line(struct arq_trace_report *report, const struct arq_trace_seen *seen,
			  FILE *stream)
{
	count(report, seen);
	print_packet(seen, stream);
	fprintf(stream, ": ");
	print_verdict(report, seen, stream);
}

void arq_trace_print_end(const struct arq_trace_report *report, FILE *stream)
{
	uint64_t packets = 0;

	for (uint32_t action = 0; action < ARQ_ACTIONS; action++)
		packets += report->actions[action];
	fprintf(stream, "%s: %" PRIu64 " packet%s", chain_of(report)->interface, packets,
		packets == 1 ? "" : "s");
	for (uint32_t action = 0; action < ARQ_ACTIONS; action++) {
		if (report->actions[action])
			fprintf(stream, ", %s %" PRIu64, arq_action_name(action),
				report->actions[action]);
	}
	fputc('\n', stream);
	if (!report->skip_foreign && has_foreign(report, NULL))
		fprintf(stream, "note: programs of others cannot be copied: those that packets "
				"reached count them\n      where they count packets; "
				"'--skip-foreign' leaves them out\n");
}

/* --- for programs ----------------------------------------------------------------------------- */

static void add_reason(struct json_object *object, const struct arq_trace_report *report,
		       const struct arq_replica_verdict *verdict)
{
	arq_json_add_text(object, "reason", arq_reason_name(verdict->reason));
	if (!verdict->rule)
		return;
	arq_json_add_number(object, "rule", verdict->rule);
	arq_json_add_text(object, "rule_name", arq_rule_name(&report->rules, verdict->rule));
}

static struct json_object *json_parts(const struct arq_trace_report *report,
				      const struct arq_trace_slot *slot)
{
	struct json_object *array = json_object_new_array();

	for (size_t i = 0; i < PARTS; i++) {
		const struct arq_replica_verdict *part = &slot->parts[parts[i]];
		if (!part->ran)
			continue;
		struct json_object *object = json_object_new_object();
		arq_json_add_text(object, "program", arq_program_name(parts[i]));
		arq_json_add_text(object, "action", arq_action_name(part->action));
		add_reason(object, report, part);
		json_object_array_add(array, object);
	}
	return array;
}

static struct json_object *json_slot(const struct arq_trace_report *report, unsigned int number,
				     const struct arq_trace_slot *slot)
{
	const struct arq_chain *chain = chain_of(report);
	const struct arq_chain_slot *live = &chain->slots[number];
	struct json_object *object = json_object_new_object();

	arq_json_add_number(object, "slot", number);
	arq_json_add_number(object, "id", live->id);
	arq_json_add_text(object, "name", live->name);
	if (chain->kind == ARQ_CHAIN_DISPATCHER)
		arq_json_add_number(object, "priority", live->priority);
	arq_json_add_text(object, "owner", live->program < 0 ? "foreign" : "own");
	arq_json_add_bool(object, "reached", slot->reached && !slot->skipped);
	if (slot->skipped)
		arq_json_add_bool(object, "skipped", true);
	if (slot->reached && !slot->skipped)
		arq_json_add_text(object, "action", arq_action_name(known_action(slot->action)));
	if (live->program < 0)
		return object;
	arq_json_add_text(object, "program", arq_program_name((uint32_t)live->program));
	if (!slot->reached)
		return object;
	add_reason(object, report, reason_of(slot));
	if (live->program == ARQ_PROGRAM_BUNDLE)
		json_object_object_add(object, "parts", json_parts(report, slot));
	return object;
}

void arq_trace_print_json(struct arq_trace_report *report, const struct arq_trace_seen *seen,
			  FILE *stream)
{
	const struct arq_chain *chain = chain_of(report);
	const struct arq_trace_result *result = seen->result;
	struct json_object *object = json_object_new_object();
	struct json_object *slots = json_object_new_array();
	char summary[ARQ_SUMMARY_MAX];

	count(report, seen);
	arq_json_add_text(object, "interface", chain->interface);
	if (chain->kind == ARQ_CHAIN_DISPATCHER)
		arq_json_add_number(object, "dispatcher", chain->id);
	if (seen->number)
		arq_json_add_number(object, "packet", seen->number);
	arq_json_add_text(object, "summary",
			  arq_packet_summary(seen->frame, seen->length, summary));
	arq_json_add_number(object, "length", seen->length);
	arq_json_add_number(object, "captured", seen->captured);
	arq_json_add_text(object, "action", arq_action_name(known_action(result->action)));
	if (result->slot >= 0)
		arq_json_add_number(object, "slot", (uint64_t)result->slot);
	arq_json_add_bool(object, "rewritten", result->rewritten);
	arq_json_add_bool(object, "foreign_ran", has_foreign(report, result));
	for (unsigned int i = 0; i < chain->slots_count; i++)
		json_object_array_add(slots, json_slot(report, i, &result->slots[i]));
	json_object_object_add(object, "slots", slots);
	arq_json_print(object, true, stream);
}
