// SPDX-License-Identifier: BSD-2-Clause
#include "dispatcher/record.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

static int record_path(char path[PATH_MAX], const char *directory)
{
	int length = snprintf(path, PATH_MAX, "%s/" ARQ_PIN_CHAIN, directory);

	return length < 0 || length >= PATH_MAX ? -ENAMETOOLONG : 0;
}

int arq_record_read(const char *directory, struct arq_record *record)
{
	const uint32_t only = 0;
	char path[PATH_MAX];

	int code = record_path(path, directory);
	if (code)
		return code;
	int map = bpf_obj_get(path);
	if (map < 0)
		return map;
	code = bpf_map_lookup_elem(map, &only, record);
	close(map);
	return code;
}

/* Filled before it is pinned: nobody sees an empty one. */
static int create(const char *path, const struct arq_record *record)
{
	const uint32_t only = 0;

	int map = bpf_map_create(BPF_MAP_TYPE_ARRAY, "arq_chain", sizeof(only), sizeof(*record), 1,
				 NULL);
	if (map < 0)
		return map;
	int code = bpf_map_update_elem(map, &only, record, BPF_ANY);
	if (code == 0)
		code = bpf_obj_pin(map, path);
	close(map);
	return code;
}

int arq_record_write(const char *directory, const struct arq_record *record)
{
	const uint32_t only = 0;
	char path[PATH_MAX];

	int code = record_path(path, directory);
	if (code)
		return code;
	int map = bpf_obj_get(path);
	if (map == -ENOENT)
		return create(path, record);
	if (map < 0)
		return map;
	code = bpf_map_update_elem(map, &only, record, BPF_ANY);
	close(map);
	return code;
}

bool arq_record_has(const struct arq_record *record, uint32_t id)
{
	for (int program = 0; program < ARQ_RECORD_PROGRAMS; program++) {
		if (record->ids[program] == id && id)
			return true;
	}
	return false;
}
