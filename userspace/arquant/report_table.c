// SPDX-License-Identifier: BSD-2-Clause
/* A report for people. */
#include "userspace/arquant/report_entry.h"

#include "progs/program.h"
#include "userspace/arquant/grid.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

/* "2026-11-21 01:02:03", and longer where years need it. */
#define TIME_TEXT_MAX 40

/* "aborted,drop,pass,tx,redirect" */
#define ACTIONS_TEXT_MAX 40

/* Cells before those of the actions. */
#define ABOUT_COLUMNS 8

static void print_head(const struct arq_report_entry *entry, FILE *stream)
{
	const struct arq_chain *chain = &entry->chain;

	fprintf(stream, "%s: ", chain->interface);
	switch (chain->kind) {
	case ARQ_CHAIN_NONE:
		fprintf(stream, "no XDP program\n");
		break;
	case ARQ_CHAIN_SINGLE:
		fprintf(stream, "one program alone, mode %s%s\n", arq_chain_mode_name(chain),
			chain->unreadable ? " (a libxdp dispatcher whose pins cannot be read)"
					  : "");
		break;
	case ARQ_CHAIN_DISPATCHER:
		fprintf(stream, "libxdp dispatcher %" PRIu32 ", protocol ", chain->id);
		fprintf(stream, entry->protocol ? "%u" : "unknown", entry->protocol);
		fprintf(stream, ", mode %s, multi-buffer %s\n", arq_chain_mode_name(chain),
			chain->frags ? "yes" : "no");
		break;
	}
}

/* --- the table -------------------------------------------------------------------------------- */

static void add_titles(struct arq_grid *grid)
{
	static const char *const titles[ABOUT_COLUMNS] = {"SLOT", "PRIO",   "ID",         "NAME",
							  "TAG",  "LOADED", "NEXT AFTER", "OWNER"};

	for (size_t i = 0; i < ABOUT_COLUMNS; i++)
		arq_grid_add(grid, "%s", titles[i]);
	arq_grid_add_actions(grid);
}

static void add_text(struct arq_grid *grid, const char *text, unsigned int times)
{
	for (unsigned int i = 0; i < times; i++)
		arq_grid_add(grid, "%s", text);
}

static void add_counters(struct arq_grid *grid, const struct arq_report_entry *entry, int program)
{
	if (program < 0 || !entry->has_counters[program]) {
		add_text(grid, "-", ARQ_ACTIONS);
		return;
	}
	for (uint32_t action = 0; action < ARQ_ACTIONS; action++)
		arq_grid_add(grid, "%llu", entry->counters[program].actions[action]);
}

/* A row below the counters: packets a second. */
static void add_rates(struct arq_grid *grid, const struct arq_report *report,
		      const struct arq_report_entry *entry, int program)
{
	const struct arq_counters *before = arq_report_before(report, entry, program);
	if (!before)
		return;

	add_text(grid, "", ABOUT_COLUMNS - 1);
	add_text(grid, "/s", 1);
	for (uint32_t action = 0; action < ARQ_ACTIONS; action++)
		arq_grid_add_rate(grid, (double)(entry->counters[program].actions[action] -
						 before->actions[action]) /
						arq_report_seconds(report));
}

static void add_tag(struct arq_grid *grid, const struct arq_chain_slot *slot)
{
	char tag[2 * BPF_TAG_SIZE + 1];

	for (size_t i = 0; i < BPF_TAG_SIZE; i++)
		snprintf(tag + 2 * i, 3, "%02x", slot->tag[i]);
	arq_grid_add(grid, "%s", tag);
}

static void add_load_time(struct arq_grid *grid, time_t time)
{
	char text[TIME_TEXT_MAX];
	struct tm local;

	if (!localtime_r(&time, &local) ||
	    strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &local) == 0)
		snprintf(text, sizeof(text), "?");
	arq_grid_add(grid, "%s", text);
}

static void add_chain_actions(struct arq_grid *grid, const struct arq_chain_slot *slot)
{
	char text[ACTIONS_TEXT_MAX] = "";

	for (uint32_t action = 0; action <= XDP_REDIRECT; action++) {
		if (slot->chain_actions & 1u << action)
			snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s",
				 text[0] ? "," : "", arq_action_name(action));
	}
	arq_grid_add(grid, "%s", text[0] ? text : "none");
}

static void add_slot(struct arq_grid *grid, const struct arq_report *report,
		     const struct arq_report_entry *entry, unsigned int number)
{
	const struct arq_chain_slot *slot = &entry->chain.slots[number];
	bool chained = entry->chain.kind == ARQ_CHAIN_DISPATCHER;

	arq_grid_add(grid, "%u", number);
	arq_grid_add(grid, chained ? "%u" : "-", slot->priority);
	arq_grid_add(grid, "%" PRIu32, slot->id);
	arq_grid_add(grid, "%s", slot->name);
	add_tag(grid, slot);
	add_load_time(grid, slot->load_time);
	if (chained)
		add_chain_actions(grid, slot);
	else
		add_text(grid, "-", 1);
	add_text(grid, slot->program < 0 ? "foreign" : "own", 1);
	add_counters(grid, entry, slot->program);
	add_rates(grid, report, entry, slot->program);
	for (size_t i = 0; slot->program == ARQ_PROGRAM_BUNDLE && i < ARQ_REPORT_PARTS; i++) {
		const int part = arq_report_parts[i];
		add_text(grid, "+", 1);
		add_text(grid, "-", 2);
		add_text(grid, arq_program_function(arq_report_parts[i]), 1);
		add_text(grid, "-", 3);
		add_text(grid, "own", 1);
		add_counters(grid, entry, part);
		add_rates(grid, report, entry, part);
	}
}

static void print_slots(const struct arq_report *report, const struct arq_report_entry *entry,
			FILE *stream)
{
	static struct arq_grid grid;
	unsigned int slots = entry->chain.kind == ARQ_CHAIN_DISPATCHER ? ARQ_CHAIN_SLOTS : 1;

	arq_grid_begin(&grid, ">>><<<<<>>>>>>");
	add_titles(&grid);
	for (unsigned int i = 0; i < slots; i++) {
		if (i < entry->chain.slots_count) {
			add_slot(&grid, report, entry, i);
			continue;
		}
		arq_grid_add(&grid, "%u", i);
		add_text(&grid, "-", ABOUT_COLUMNS - 1 + ARQ_ACTIONS);
	}
	arq_grid_print(&grid, stream);
}

/* --- below the table -------------------------------------------------------------------------- */

static void print_reasons(const struct arq_report *report, const struct arq_report_entry *entry,
			  uint32_t id, FILE *stream)
{
	const struct arq_counters *counters = &entry->counters[id];
	const struct arq_counters *before = arq_report_before(report, entry, (int)id);
	const char *function = arq_program_function((enum arq_program_id)id);

	if (!entry->has_counters[id])
		return;
	if (counters->parsed || counters->reused)
		fprintf(stream, "%s: packets parsed %llu, metadata reused %llu\n", function,
			counters->parsed, counters->reused);
	if (counters->sampled)
		fprintf(stream, "%s: samples taken %llu, of which lost %llu\n", function,
			counters->sampled, counters->sample_lost);
	for (uint32_t reason = 1; reason < ARQ_REASON_MAX; reason++) {
		if (!counters->reasons[reason])
			continue;
		fprintf(stream, "%s: %s %llu", function, arq_reason_name(reason),
			counters->reasons[reason]);
		if (before)
			fprintf(stream, ", %.1f/s",
				(double)(counters->reasons[reason] - before->reasons[reason]) /
					arq_report_seconds(report));
		fprintf(stream, " (%s)\n", arq_reason_meaning(reason));
	}
}

static void print_missing(const struct arq_report_entry *entry, FILE *stream)
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

void arq_report_print_table(const struct arq_report *report, FILE *stream)
{
	if (report->count == 0)
		fprintf(stream, "no interface runs an XDP program\n");
	for (size_t i = 0; i < report->count; i++) {
		const struct arq_report_entry *entry = &report->entries[i];
		if (i > 0)
			fputc('\n', stream);
		print_head(entry, stream);
		if (entry->chain.kind != ARQ_CHAIN_NONE)
			print_slots(report, entry, stream);
		for (uint32_t id = 0; id < ARQ_PROGRAM_COUNT; id++)
			print_reasons(report, entry, id, stream);
		print_missing(entry, stream);
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
