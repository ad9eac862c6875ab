// SPDX-License-Identifier: BSD-2-Clause
/* Files of prefixes: what the lines mean, what is refused and where, and how long a million takes.
 */
#include "userspace/common/set_file.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static int parse(struct arq_set *set, const char *text, struct arq_error *error)
{
	return arq_set_parse(set, "list", text, strlen(text), NULL, error);
}

static void free_set(struct arq_set *set)
{
	free(set->entries);
	free(set->tags);
}

Test(set_file, reads_prefixes_tags_and_times)
{
	struct arq_set set = {0};
	struct arq_error error = {0};
	char text[ARQ_PREFIX_TEXT_MAX];

	cr_assert_eq(parse(&set,
			   "# a list\n"
			   "\n"
			   "192.0.2.0/24\n"
			   "  198.51.100.7\tscanner   # seen twice\r\n"
			   "2001:db8::/32 until=2026-12-31T23:59:59Z\n"
			   "203.0.113.0/24 spam until=@1798761599 #tag=other\n"
			   "203.0.113.9#tag=spam or so\n"
			   "::1 until=1970-01-02",
			   &error),
		     0, "%s", error.text);
	static const struct {
		const char *prefix, *tag;
		uint32_t expires;
	} wanted[] = {
		{"192.0.2.0/24", "", 0},           {"198.51.100.7/32", "scanner", 0},
		{"2001:db8::/32", "", 1798761599}, {"203.0.113.0/24", "spam", 1798761599},
		{"203.0.113.9/32", "spam", 0},     {"::1/128", "", 86400},
	};
	cr_assert_eq(set.count, sizeof(wanted) / sizeof(wanted[0]));
	for (size_t i = 0; i < set.count; i++) {
		cr_assert_str_eq(arq_prefix_format(&set.entries[i].prefix, text), wanted[i].prefix);
		cr_assert_str_eq(set.tags + set.entries[i].tag, wanted[i].tag);
		cr_assert_eq(set.entries[i].expires, wanted[i].expires);
	}
	cr_assert_eq(set.entries[3].tag, set.entries[4].tag);
	free_set(&set);
}

Test(set_file, refuses_bad_lines_with_their_position_and_keeps_the_set)
{
	static const struct {
		const char *text, *where;
	} bad[] = {
		{"10.0.0.0/8\n10.1.2.3/8\n", "list:2:1: "},
		{"\n\n  10.0.0\n", "list:3:3: "},
		{"10.0.0.0/33", "list:1:1: "},
		{"010.0.0.0/8", "list:1:1: "},
		{"10.0.0.0/08", "list:1:1: "},
		{"10.0.0.0/", "list:1:1: "},
		{"2001:db8::1/64", "list:1:1: "},
		{"1.2.3.4 a b", "list:1:11: "},
		{"1.2.3.4 until=yesterday", "list:1:9: "},
		{"1.2.3.4 until=2026-06-31", "list:1:9: "},
		{"1.2.3.4 until=2026-06-30T12:00:00", "list:1:9: "},
		{"1.2.3.4 until=@", "list:1:9: "},
		{"1.2.3.4 until=@99999999999", "list:1:9: "},
		{"1.2.3.4 until=@1 until=@2", "list:1:18: "},
		{"1.2.3.4 until=", "list:1:9: "},
		{"1.2.3.4 a\033[2J", "list:1:10: "},
		{"1.2.3.4 "
		 "0123456789012345678901234567890123456789012345678901234567890123",
		 "list:1:9: "},
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct arq_set set = {0};
		struct arq_error error = {0};
		cr_assert_eq(parse(&set, "192.0.2.1 kept", &error), 0);
		cr_assert_lt(parse(&set, bad[i].text, &error), 0, "%s", bad[i].text);
		cr_assert_eq(strncmp(error.text, bad[i].where, strlen(bad[i].where)), 0,
			     "'%s' for '%s'", error.text, bad[i].text);
		cr_assert_eq(set.count, 1);
		cr_assert_str_eq(set.tags + set.entries[0].tag, "kept");
		free_set(&set);
	}
}

/* The fuzzer's search, for a moment: bytes changed, taken out and doubled at random. */
Test(set_file, keeps_its_word_for_any_bytes)
{
	static const char model[] = "192.0.2.0/24 tag until=2026-12-31T23:59:59Z # comment\n"
				    "2001:db8::/32\tuntil=@1798761599 #tag=other\n203.0.113.9\n";
	static const char bytes[] = "0123456789abcf:./#=@ \t\n\r-TZx";
	uint64_t random = 88172645463325252u;
	unsigned int accepted = 0;

	for (int run = 0; run < 50000; run++) {
		struct arq_set set = {0};
		struct arq_error error = {0};
		size_t size = sizeof(model) - 1;
		char *text = malloc(size);
		cr_assert_not_null(text);
		memcpy(text, model, size);
		for (int change = run % 4; change >= 0; change--) {
			random ^= random << 13;
			random ^= random >> 7;
			random ^= random << 17;
			size_t at = random % size;
			if (random >> 20 & 1)
				text[at] = bytes[(random >> 32) % (sizeof(bytes) - 1)];
			else
				size = at + 1;
		}
		int status = arq_set_parse(&set, "list", text, size, NULL, &error);
		cr_assert(status == 0 ? !error.text[0] : error.text[0] && set.count == 0);
		for (size_t i = 0; i < set.count; i++) {
			cr_assert(arq_prefix_valid(&set.entries[i].prefix));
			cr_assert_lt(set.entries[i].tag, set.tags_size);
		}
		accepted += status == 0;
		free_set(&set);
		free(text);
	}
	cr_assert_gt(accepted, 1000);
}

static void count_report(void *context, size_t done, size_t all)
{
	unsigned int *reports = context;

	cr_assert_leq(done, all);
	(*reports)++;
}

/* Takes about 0.1 s; twenty times as much says that something is wrong, on a busy machine, too. */
Test(set_file, reads_a_million_lines_soon)
{
	char path[] = "/tmp/arquant-set-XXXXXX";
	unsigned int reports = 0;
	struct arq_set_progress progress = {count_report, &reports};
	struct arq_set set = {0};
	struct arq_error error = {0};
	struct timespec begin, end;

	FILE *file = fdopen(mkstemp(path), "w");
	cr_assert_not_null(file);
	for (uint32_t i = 0; i < 1000000; i++) {
		uint32_t address = i * 2654435761u;
		fprintf(file, "%u.%u.%u.%u/32 tag%u\n", address >> 24, address >> 16 & 255,
			address >> 8 & 255, address & 255, i % 7);
	}
	fclose(file);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &begin);
	cr_assert_eq(arq_set_read_file(&set, path, &progress, &error), 0, "%s", error.text);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &end);
	unlink(path);
	cr_assert_eq(set.count, 1000000);
	cr_assert_gt(reports, 10);
	/* Each thread that parses a part has tags of its own. */
	cr_assert_lt(set.tags_size, 200);
	for (uint32_t i = 0; i < 1000000; i++) {
		uint32_t address;
		memcpy(&address, set.entries[i].prefix.address, sizeof(address));
		cr_assert_eq(ntohl(address), i * 2654435761u, "entry %u", i);
		cr_assert_eq(set.tags[set.entries[i].tag + 3], (char)('0' + i % 7), "entry %u", i);
	}
	cr_assert_lt((double)(end.tv_sec - begin.tv_sec) + (end.tv_nsec - begin.tv_nsec) / 1e9,
		     2.0);
	cr_log_info("%.3f s", (double)(end.tv_sec - begin.tv_sec) +
				      (double)(end.tv_nsec - begin.tv_nsec) / 1e9);
	free_set(&set);
}

/* Long enough for several threads, and bad in the part of the last one. */
Test(set_file, refuses_a_long_text_with_the_position_and_keeps_the_set)
{
	static const char line[] = "192.0.2.1 first\n", bad[] = "192.0.2.1/33\n";
	const size_t lines = 500000;
	struct arq_set set = {0};
	struct arq_error error = {0};

	cr_assert_eq(parse(&set, "198.51.100.7 kept", &error), 0, "%s", error.text);
	char *text = malloc(lines * (sizeof(line) - 1) + sizeof(bad));
	cr_assert_not_null(text);
	for (size_t i = 0; i < lines; i++)
		memcpy(text + i * (sizeof(line) - 1), line, sizeof(line));
	memcpy(text + lines * (sizeof(line) - 1), bad, sizeof(bad));
	cr_assert_lt(parse(&set, text, &error), 0);
	cr_assert_not_null(strstr(error.text, "list:500001:"), "%s", error.text);
	cr_assert_eq(set.count, 1);
	cr_assert_str_eq(set.tags + set.entries[0].tag, "kept");

	error = (struct arq_error){0};
	text[lines * (sizeof(line) - 1)] = '\0';
	cr_assert_eq(parse(&set, text, &error), 0, "%s", error.text);
	cr_assert_eq(set.count, lines + 1);
	cr_assert_str_eq(set.tags + set.entries[0].tag, "kept");
	cr_assert_str_eq(set.tags + set.entries[lines].tag, "first");
	free(text);
	free_set(&set);
}

Test(set_file, says_which_file_is_missing)
{
	struct arq_set set = {0};
	struct arq_error error = {0};

	cr_assert_eq(arq_set_read_file(&set, "/nowhere/list.txt", NULL, &error), -ENOENT);
	cr_assert_not_null(strstr(error.text, "/nowhere/list.txt"));
}
