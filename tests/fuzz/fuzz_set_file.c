// SPDX-License-Identifier: BSD-2-Clause
/*
 * Any bytes as a file of prefixes. What is accepted are prefixes, and they say the same when they
 * are written out and read again; what is refused leaves the set as it was.
 */
#include "userspace/common/set_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
	if (!holds)
		abort();
}

static void check_entry(const struct arq_set *set, const struct arq_set_entry *entry)
{
	struct arq_set again = {0};
	struct arq_error error = {0};
	char prefix[ARQ_PREFIX_TEXT_MAX];
	char line[ARQ_PREFIX_TEXT_MAX + ARQ_SET_TAG_MAX + 32];

	check(arq_prefix_valid(&entry->prefix));
	check(entry->tag < set->tags_size);
	int length = snprintf(line, sizeof(line), "%s #tag=%s",
			      arq_prefix_format(&entry->prefix, prefix), set->tags + entry->tag);
	check(length > 0 && (size_t)length < sizeof(line));
	check(arq_set_parse(&again, "again", line, (size_t)length, NULL, &error) == 0);
	check(again.count == 1);
	check(memcmp(&again.entries[0].prefix, &entry->prefix, sizeof(entry->prefix)) == 0);
	check(strcmp(again.tags + again.entries[0].tag, set->tags + entry->tag) == 0);
	free(again.entries);
	free(again.tags);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arq_set set = {0};
	struct arq_error error = {0};
	char *text = malloc(size ? size : 1); /* of exactly this size, for the sanitizer */

	memcpy(text, data, size);
	int status = arq_set_parse(&set, "list", text, size, NULL, &error);
	check(status == 0 ? !error.text[0] : error.text[0] && set.count == 0);
	for (size_t i = 0; i < set.count; i++)
		check_entry(&set, &set.entries[i]);
	free(set.entries);
	free(set.tags);
	free(text);
	return 0;
}
