// SPDX-License-Identifier: BSD-2-Clause
#include "progs/program.h"

#include <arquant/packet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define VALUE_BYTES (sizeof(struct arq_counters) * ARQ_MAX_CPUS)

struct arq_counters_view {
	const struct arq_counters *cpus;
	size_t cpu_count;
	bool waits; /* the sampler's: no counters of parsing, but `wait` */
};

/* The counters are summed up as an array of words. */
_Static_assert(sizeof(struct arq_counters) % sizeof(uint64_t) == 0, "words only");

static int map_counters(int map, struct arq_counters_view *view)
{
	struct bpf_map_info info = {0};
	uint32_t size = sizeof(info);

	int status = bpf_map_get_info_by_fd(map, &info, &size);
	if (status)
		return status;
	if (info.type != BPF_MAP_TYPE_ARRAY || info.value_size != VALUE_BYTES)
		return -EINVAL;
	int cpus = libbpf_num_possible_cpus();
	if (cpus < 0)
		return cpus;
	void *memory = mmap(NULL, VALUE_BYTES, PROT_READ, MAP_SHARED, map, 0);
	if (memory == MAP_FAILED)
		return -errno;
	view->cpus = memory;
	view->cpu_count = cpus < ARQ_MAX_CPUS ? (size_t)cpus : ARQ_MAX_CPUS;
	return 0;
}

int arq_counters_open_map(int map, enum arq_program_id part, struct arq_counters_view **view,
			  struct arq_error *error)
{
	*view = calloc(1, sizeof(**view));
	int status = *view ? map_counters(map, *view) : -ENOMEM;
	if (status == 0) {
		(*view)->waits = part == ARQ_PROGRAM_SAMPLER;
		return 0;
	}
	free(*view);
	*view = NULL;
	return arq_error_set(error, status,
			     "cannot map counters: %s; if the program is of another version, load "
			     "it again",
			     strerror(-status));
}

int arq_counters_open(const char *pin_directory, enum arq_program_id program,
		      enum arq_program_id part, struct arq_counters_view **view,
		      struct arq_error *error)
{
	char name[32] = "counters";

	*view = NULL;
	if (part != program)
		snprintf(name, sizeof(name), "counters_%s", arq_program_name(part));
	int map = arq_program_map_open(program, pin_directory, name, error);
	if (map < 0)
		return map;
	int status = arq_counters_open_map(map, part, view, error);
	close(map);
	return status;
}

void arq_counters_read_cpu(const struct arq_counters_view *view, uint32_t cpu,
			   struct arq_counters *counters)
{
	uint64_t *values = (uint64_t *)counters;

	memset(counters, 0, sizeof(*counters));
	if (cpu >= view->cpu_count)
		return;
	const uint64_t *words = (const uint64_t *)&view->cpus[cpu];
	for (size_t i = 0; i < sizeof(*counters) / sizeof(*words); i++)
		values[i] = __atomic_load_n(&words[i], __ATOMIC_RELAXED);
	if (view->waits)
		memset(&counters->wait, 0, sizeof(counters->wait));
}

void arq_counters_read(const struct arq_counters_view *view, struct arq_counters *sum)
{
	uint64_t *total = (uint64_t *)sum;
	struct arq_counters one;

	memset(sum, 0, sizeof(*sum));
	for (uint32_t cpu = 0; cpu < view->cpu_count; cpu++) {
		const uint64_t *words = (const uint64_t *)&one;
		arq_counters_read_cpu(view, cpu, &one);
		for (size_t i = 0; i < sizeof(*sum) / sizeof(*words); i++)
			total[i] += words[i];
	}
}

void arq_counters_close(struct arq_counters_view *view)
{
	if (!view)
		return;
	munmap((void *)(uintptr_t)view->cpus, VALUE_BYTES);
	free(view);
}
