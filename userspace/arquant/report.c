// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/arquant/report.h"

#include "dispatcher/pins.h"
#include "dispatcher/protocol.h"
#include "progs/program.h"
#include "userspace/arquant/loop.h"
#include "userspace/arquant/report_entry.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

const enum arq_program_id arq_report_parts[ARQ_REPORT_PARTS] = {
	ARQ_PROGRAM_FIREWALL,
	ARQ_PROGRAM_SAMPLER,
	ARQ_PROGRAM_REDIRECT,
};

struct arq_report *arq_report_create(void)
{
	struct arq_report *report = calloc(1, sizeof(*report));

	if (report)
		report->read_ns = arq_loop_now_ns();
	return report;
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
static void read_counters(struct arq_report_entry *entry, const char *directory,
			  enum arq_program_id program, enum arq_program_id part)
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

static void read_own(struct arq_report_entry *entry, const char *directory)
{
	for (unsigned int i = 0; i < entry->chain.slots_count; i++) {
		int program = entry->chain.slots[i].program;
		if (program < 0 || entry->present[program])
			continue;
		read_counters(entry, directory, (enum arq_program_id)program,
			      (enum arq_program_id)program);
		for (size_t part = 0; program == ARQ_PROGRAM_BUNDLE && part < ARQ_REPORT_PARTS;
		     part++)
			read_counters(entry, directory, ARQ_PROGRAM_BUNDLE, arq_report_parts[part]);
	}
	for (uint32_t id = 0; id < ARQ_PROGRAM_COUNT; id++)
		entry->missing[id] = !entry->present[id] &&
				     arq_program_pinned((enum arq_program_id)id, directory);
}

static int add(struct arq_report *report, const char *interface, bool only_used,
	       struct arq_error *error)
{
	struct arq_report_entry *entries =
		reallocarray(report->entries, report->count + 1, sizeof(*report->entries));
	if (!entries)
		return arq_error_set(error, -ENOMEM, "out of memory");
	report->entries = entries;

	struct arq_report_entry *entry = &entries[report->count];
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
	if (entry->chain.kind == ARQ_CHAIN_DISPATCHER)
		entry->protocol = arq_dispatcher_protocol(entry->chain.id);
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

/* --- rates ------------------------------------------------------------------------------------ */

void arq_report_compare(struct arq_report *report, const struct arq_report *before)
{
	report->before = before;
}

double arq_report_seconds(const struct arq_report *report)
{
	return report->before ? (double)(report->read_ns - report->before->read_ns) / 1e9 : 0;
}

static const struct arq_report_entry *find_entry(const struct arq_report *report,
						 unsigned int ifindex)
{
	for (size_t i = 0; i < report->count; i++) {
		if (report->entries[i].chain.ifindex == ifindex)
			return &report->entries[i];
	}
	return NULL;
}

const struct arq_counters *arq_report_before(const struct arq_report *report,
					     const struct arq_report_entry *entry, int program)
{
	const struct arq_report_entry *before =
		report->before ? find_entry(report->before, entry->chain.ifindex) : NULL;

	if (!before || program < 0 || !before->has_counters[program] ||
	    !entry->has_counters[program])
		return NULL;
	/* Words only, as progs/counters.c sees to it. */
	const __u64 *now = (const __u64 *)&entry->counters[program];
	const __u64 *then = (const __u64 *)&before->counters[program];
	for (size_t i = 0; i < sizeof(struct arq_counters) / sizeof(*now); i++) {
		if (now[i] < then[i])
			return NULL;
	}
	return &before->counters[program];
}
