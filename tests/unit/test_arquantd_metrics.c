// SPDX-License-Identifier: BSD-2-Clause
/* The text format, and that the table of metrics leaves no counter out. */
#include "userspace/arquantd/exposition.h"
#include "userspace/arquantd/metrics.h"

#include <criterion/criterion.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static struct arq_exposition out;

static void reset(void)
{
	free(out.text);
	out = (struct arq_exposition){0};
}

/* What was written since the last call. */
static void expect(const char *text)
{
	cr_assert(!out.failed);
	cr_expect(out.length == strlen(text) && memcmp(out.text, text, out.length) == 0,
		  "written: %.*swanted: %s", (int)out.length, out.text, text);
	reset();
}

TestSuite(exposition, .fini = reset);

Test(exposition, begins_with_help_and_type)
{
	arq_exposition_begin(&out, "a_total", "counter", "What \"it\" is,\nand a \\.");
	expect("# HELP a_total What \"it\" is,\\nand a \\\\.\n# TYPE a_total counter\n");
}

Test(exposition, escapes_what_labels_say)
{
	const struct arq_label labels[] = {
		{"route", "~/a\\.b\"\n"}, {"pool", "\xc3\xbc"}, {NULL, NULL}, {"never", "seen"}};
	arq_exposition_integer(&out, "a", labels, 4, UINT64_MAX);
	expect("a{route=\"~/a\\\\.b\\\"\\n\",pool=\"\xc3\xbc\"} 18446744073709551615\n");
	arq_exposition_integer(&out, "a", labels + 2, 2, 0);
	expect("a 0\n");
	arq_exposition_integer(&out, "a", NULL, 0, 7);
	expect("a 7\n");
}

Test(exposition, writes_seconds_exactly)
{
	static const struct {
		uint64_t ns;
		const char *text;
	} cases[] = {
		{0, "s 0\n"},
		{1, "s 0.000000001\n"},
		{2500000, "s 0.0025\n"},
		{1000000000, "s 1\n"},
		{10000000000, "s 10\n"},
		{UINT64_MAX, "s 18446744073.709551615\n"},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		arq_exposition_seconds(&out, "s", NULL, 0, cases[i].ns);
		expect(cases[i].text);
	}
}

Test(exposition, sums_a_histogram_up)
{
	const struct arq_label label = {"pool", "p"};
	struct arq_histogram histogram = {0};
	arq_histogram_observe(&histogram, 0);
	arq_histogram_observe(&histogram, 100000); /* bounds belong to what is below */
	arq_histogram_observe(&histogram, 100001);
	arq_histogram_observe(&histogram, 10000000001);
	arq_exposition_histogram(&out, "h", &label, 1, &histogram);
	expect("h_bucket{pool=\"p\",le=\"0.0001\"} 2\nh_bucket{pool=\"p\",le=\"0.00025\"} 3\n"
	       "h_bucket{pool=\"p\",le=\"0.0005\"} 3\nh_bucket{pool=\"p\",le=\"0.001\"} 3\n"
	       "h_bucket{pool=\"p\",le=\"0.0025\"} 3\nh_bucket{pool=\"p\",le=\"0.005\"} 3\n"
	       "h_bucket{pool=\"p\",le=\"0.01\"} 3\nh_bucket{pool=\"p\",le=\"0.025\"} 3\n"
	       "h_bucket{pool=\"p\",le=\"0.05\"} 3\nh_bucket{pool=\"p\",le=\"0.1\"} 3\n"
	       "h_bucket{pool=\"p\",le=\"0.25\"} 3\nh_bucket{pool=\"p\",le=\"0.5\"} 3\n"
	       "h_bucket{pool=\"p\",le=\"1\"} 3\nh_bucket{pool=\"p\",le=\"2.5\"} 3\n"
	       "h_bucket{pool=\"p\",le=\"5\"} 3\nh_bucket{pool=\"p\",le=\"10\"} 3\n"
	       "h_bucket{pool=\"p\",le=\"+Inf\"} 4\nh_sum{pool=\"p\"} 10.000200002\n"
	       "h_count{pool=\"p\"} 4\n");
}

Test(exposition, grows_with_what_is_written)
{
	char help[5000];
	memset(help, '\\', sizeof(help) - 1);
	help[sizeof(help) - 1] = '\0';
	for (size_t i = 0; i < 100; i++)
		arq_exposition_begin(&out, "a", "gauge", help);
	cr_assert(!out.failed);
	cr_assert_eq(out.length, 100 * (strlen("# HELP a \n# TYPE a gauge\n") + 2 * 4999));
	cr_assert_eq(memcmp(out.text + out.length - 6, "gauge\n", 6), 0);
}

/* --- the table ----------------------------------------------------------------------------------
 */

Test(metrics, expose_every_counter)
{
#define CHECK(room, name)                                                           \
	cr_expect(arq_metrics_has(offsetof(struct arq_worker_counters, room.name)), \
		  #room "." #name " is no metric: add it to userspace/arquantd/metrics.c");
#define QUIC(name, meaning)  CHECK(quic, name)
#define HTTP3(name, meaning) CHECK(h3, name)
#define PROXY(name, meaning) CHECK(proxy, name)
	ARQ_QUIC_COUNTERS(QUIC)
	ARQ_H3_COUNTERS(HTTP3)
	ARQ_PROXY_COUNTERS(PROXY)
	for (size_t i = 0; i < sizeof(struct arq_io_counters); i += sizeof(uint64_t))
		cr_expect(arq_metrics_has(offsetof(struct arq_worker_counters, io) + i),
			  "the counter of io at %zu is no metric", i);
}

static bool is_name(const char *name)
{
	if (strncmp(name, "arquant_", 8) != 0 && strncmp(name, "process_", 8) != 0)
		return false;
	for (; *name; name++) {
		if (!islower((unsigned char)*name) && !isdigit((unsigned char)*name) &&
		    *name != '_')
			return false;
	}
	return true;
}

/* https://prometheus.io/docs/practices/naming/ */
Test(metrics, are_listed_with_names_as_prometheus_wants_them)
{
	char *text = NULL, *rest = NULL;
	size_t length, count = 0;
	FILE *file = open_memstream(&text, &length);
	arq_metrics_list(file);
	fclose(file);
	for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		char *name = strsep(&line, "\t"), *type = strsep(&line, "\t");
		cr_expect(is_name(name), "%s", name);
		bool total = strlen(name) > 6 && strcmp(name + strlen(name) - 6, "_total") == 0;
		cr_expect_eq(total, strcmp(type, "counter") == 0, "%s is a %s", name, type);
		cr_expect_not_null(strsep(&line, "\t"));
		cr_expect(line && strlen(line) > 5, "%s has no meaning", name);
		count++;
	}
	cr_expect_geq(count, 60);
	free(text);
}
