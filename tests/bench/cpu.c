// SPDX-License-Identifier: BSD-2-Clause
#include "tests/bench/cpu.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>

static uint64_t thread_time(int pid, const char *tid)
{
	char path[64 + NAME_MAX];
	uint64_t ns = 0;

	snprintf(path, sizeof(path), "/proc/%d/task/%s/schedstat", pid, tid);
	FILE *file = fopen(path, "re");
	if (!file)
		return 0; /* it ended in between */
	if (fscanf(file, "%" SCNu64, &ns) != 1)
		ns = 0;
	fclose(file);
	return ns;
}

int cpu_time(int pid, uint64_t *ns)
{
	char path[64];
	struct dirent *entry;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	DIR *tasks = opendir(path);
	if (!tasks)
		return -ESRCH;
	*ns = 0;
	while ((entry = readdir(tasks))) {
		if (entry->d_name[0] != '.')
			*ns += thread_time(pid, entry->d_name);
	}
	closedir(tasks);
	return 0;
}
