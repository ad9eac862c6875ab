// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/arquant/command.h"

#include "dispatcher/chain.h"
#include "dispatcher/doctor.h"
#include "userspace/arquant/json.h"
#include "userspace/arquant/options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char help[] =
	"Usage: arquant doctor [IFACE...] [OPTION...]\n"
	"\n"
	"Says what will work here and what will not: of the machine, and of the interfaces named\n"
	"or, without a name, of those that run an XDP program. Each line tells what was found;\n"
	"below one that is not ok, what is needed and what to do. Changes nothing, unless told to\n"
	"clean. Exit status: 0 nothing failed (warnings are no failures), 1 something did.\n"
	"\n"
	"      --clean    first remove pins of ours that nothing uses; those of others stay\n"
	"  -j, --json     print it as JSON (keys: doctor.schema.json)\n"
	"  -v, --verbose  after a failure, show what libbpf and libxdp said\n"
	"  -h, --help     print this\n";

struct options {
	bool clean;
	bool json;
};

struct subject {
	char name[IF_NAMESIZE]; /* "": the machine */
	struct arq_diagnosis diagnosis;
};

struct report {
	struct subject *subjects;
	size_t count;
	size_t totals[ARQ_FINDING_FAILED + 1]; /* findings by state */
	size_t removed; /* interfaces whose stale pins are gone */
};

/* --- looking ---------------------------------------------------------------------------------- */

static int add(struct report *report, const char *name, struct arq_error *error)
{
	struct subject *subjects =
		reallocarray(report->subjects, report->count + 1, sizeof(*report->subjects));
	if (!subjects)
		return arq_error_set(error, -ENOMEM, "out of memory");
	report->subjects = subjects;
	struct subject *subject = &subjects[report->count];
	memset(subject, 0, sizeof(*subject));

	int code = 0;
	if (name) {
		snprintf(subject->name, sizeof(subject->name), "%s", name);
		code = arq_doctor_interface(name, &subject->diagnosis, error);
	} else {
		arq_doctor_machine(&subject->diagnosis);
	}
	if (code)
		return code;
	for (unsigned int i = 0; i < subject->diagnosis.count; i++)
		report->totals[subject->diagnosis.findings[i].state]++;
	report->count++;
	return 0;
}

/* Interfaces that run an XDP program; one that goes away meanwhile is no error. */
static int add_used(struct report *report, struct arq_error *error)
{
	struct arq_error ignored = {0};
	struct arq_chain chain;
	int code = 0;

	struct if_nameindex *all = if_nameindex();
	if (!all)
		return arq_error_set(error, -errno, "cannot list the interfaces: %s",
				     strerror(errno));
	for (struct if_nameindex *one = all; code == 0 && one->if_index; one++) {
		arq_error_clear(&ignored);
		if (arq_chain_read(one->if_name, &chain, &ignored) || chain.kind == ARQ_CHAIN_NONE)
			continue;
		code = add(report, one->if_name, error);
		if (code == -ENODEV) {
			arq_error_clear(error);
			code = 0;
		}
	}
	if_freenameindex(all);
	return code;
}

static int examine(struct report *report, const struct options *options, char *const *names,
		   size_t count, struct arq_error *error)
{
	int code = options->clean ? arq_doctor_clean(&report->removed, error) : 0;

	if (code == 0)
		code = add(report, NULL, error);
	for (size_t i = 0; code == 0 && i < count; i++)
		code = add(report, names[i], error);
	return code == 0 && count == 0 ? add_used(report, error) : code;
}

/* --- for people ------------------------------------------------------------------------------- */

static void print_finding(const struct arq_finding *finding, FILE *stream)
{
	fprintf(stream, "  %-7s  %-20s %s\n", arq_finding_state_name(finding->state),
		finding->check, finding->found);
	if (finding->state == ARQ_FINDING_OK)
		return;
	fprintf(stream, "%31s needed: %s\n", "", finding->needed);
	if (finding->advice[0])
		fprintf(stream, "%31s to do: %s\n", "", finding->advice);
}

static void print_table(const struct report *report, const struct options *options, FILE *stream)
{
	if (options->clean)
		fprintf(stream, "removed stale pins of %zu interface%s\n\n", report->removed,
			report->removed == 1 ? "" : "s");
	for (size_t i = 0; i < report->count; i++) {
		const struct subject *subject = &report->subjects[i];
		fprintf(stream, "%s\n", subject->name[0] ? subject->name : "this machine");
		for (unsigned int j = 0; j < subject->diagnosis.count; j++)
			print_finding(&subject->diagnosis.findings[j], stream);
		fputc('\n', stream);
	}
	fprintf(stream, "%zu ok, %zu warning%s, %zu failed\n", report->totals[ARQ_FINDING_OK],
		report->totals[ARQ_FINDING_WARNING],
		report->totals[ARQ_FINDING_WARNING] == 1 ? "" : "s",
		report->totals[ARQ_FINDING_FAILED]);
}

/* --- for programs ----------------------------------------------------------------------------- */

static struct json_object *json_findings(const struct arq_diagnosis *diagnosis)
{
	struct json_object *array = json_object_new_array();

	for (unsigned int i = 0; i < diagnosis->count; i++) {
		const struct arq_finding *finding = &diagnosis->findings[i];
		struct json_object *object = json_object_new_object();
		arq_json_add_text(object, "check", finding->check);
		arq_json_add_text(object, "state", arq_finding_state_name(finding->state));
		arq_json_add_text(object, "found", finding->found);
		arq_json_add_text(object, "needed", finding->needed);
		if (finding->advice[0])
			arq_json_add_text(object, "advice", finding->advice);
		json_object_array_add(array, object);
	}
	return array;
}

static void print_json(const struct report *report, const struct options *options, FILE *stream)
{
	struct json_object *document = json_object_new_object();
	struct json_object *interfaces = json_object_new_array();

	for (size_t i = 0; i < report->count; i++) {
		const struct subject *subject = &report->subjects[i];
		struct json_object *findings = json_findings(&subject->diagnosis);
		if (!subject->name[0]) {
			json_object_object_add(document, "machine", findings);
			continue;
		}
		struct json_object *object = json_object_new_object();
		arq_json_add_text(object, "interface", subject->name);
		json_object_object_add(object, "checks", findings);
		json_object_array_add(interfaces, object);
	}
	json_object_object_add(document, "interfaces", interfaces);
	for (int state = ARQ_FINDING_OK; state <= ARQ_FINDING_FAILED; state++)
		arq_json_add_number(document, arq_finding_state_name((enum arq_finding_state)state),
				    report->totals[state]);
	if (options->clean)
		arq_json_add_number(document, "removed", report->removed);
	arq_json_print(document, false, stream);
}

int arq_command_doctor(int argc, char **argv)
{
	struct options options = {0};
	const struct arq_option own[] = {
		{.name = "clean", .flag = &options.clean},
		{.name = "json", .letter = 'j', .flag = &options.json},
		ARQ_OPTION_VERBOSE,
		{0},
	};
	struct arq_options read = {.verb = "doctor", .help = help, .own = own};
	struct arq_error error = {0};
	struct report report = {0};
	int code;

	if (!arq_options_read(&read, argc, argv, &code))
		return code;
	code = examine(&report, &options, read.names, read.names_count, &error);
	if (code == 0 && options.json)
		print_json(&report, &options, stdout);
	else if (code == 0)
		print_table(&report, &options, stdout);
	free(report.subjects);
	if (code)
		return arq_command_fail("doctor", &error);
	code = arq_command_finish("doctor");
	return code == 0 && report.totals[ARQ_FINDING_FAILED] > 0 ? ARQ_EXIT_FAILED : code;
}
