// SPDX-License-Identifier: BSD-2-Clause
#include "tests/bench/xdp_programs.h"

#include "tests/bench/xdp_packets.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PROGRAMS_MAX 64

/* Where Debian's libxdp puts the objects of xdp-tools. */
#define XDP_FILTER_DIRECTORY "/usr/lib/x86_64-linux-gnu/bpf/"

/* xdp-filter's flag of an entry that matches the source. */
#define XDP_FILTER_SOURCE 1

static struct arq_program *programs[PROGRAMS_MAX];
static struct bpf_object *objects[PROGRAMS_MAX];
static size_t program_count, object_count;

static void *complain(const char *what, int code)
{
	fprintf(stderr, "bench: %s: %s\n", what, strerror(-code));
	return NULL;
}

struct bpf_object *bench_load_ours(enum arq_program_id id,
				   const struct arq_program_options *options)
{
	struct arq_error error = {0};

	if (program_count == PROGRAMS_MAX)
		return complain("too many programs", -ENOSPC);
	int code = arq_program_open(id, options, NULL, NULL, &programs[program_count], &error);
	if (code)
		return complain(error.text, code);
	struct bpf_object *object = arq_program_object(programs[program_count++]);
	code = bpf_object__load(object);
	return code ? complain("cannot load a program of ours", code) : object;
}

static struct bpf_object *open_object(const char *path)
{
	struct bpf_object *object =
		object_count < PROGRAMS_MAX ? bpf_object__open_file(path, NULL) : NULL;

	if (!object)
		return complain(path, -errno);
	objects[object_count++] = object;
	return object;
}

struct bpf_object *bench_load_object(const char *path)
{
	struct bpf_object *object = open_object(path);
	int code = object ? bpf_object__load(object) : 0;

	return code ? complain(path, code) : object;
}

int bench_program(const struct bpf_object *object, const char *function)
{
	return bpf_program__fd(bpf_object__find_program_by_name(object, function));
}

static int fill_filter(const struct bpf_object *object, uint32_t addresses)
{
	int cpus = libbpf_num_possible_cpus();
	int map = bpf_object__find_map_fd_by_name(object, "filter_ipv4");

	if (map < 0 || cpus < 0)
		return 0;
	uint64_t *values = calloc((size_t)cpus, sizeof(*values));
	if (!values)
		return -ENOMEM;
	for (int cpu = 0; cpu < cpus; cpu++)
		values[cpu] = XDP_FILTER_SOURCE;
	int code = 0;
	for (uint32_t i = 0; i < addresses && code == 0; i++) {
		uint8_t key[4];
		bench_put(key, 0x7f000000 | i * 1021, 4);
		code = bpf_map_update_elem(map, key, values, BPF_ANY);
	}
	free(values);
	return code;
}

int bench_load_filter(const char *name, uint32_t addresses)
{
	char path[128];
	struct bpf_map *map;

	snprintf(path, sizeof(path), XDP_FILTER_DIRECTORY "%s.o", name);
	if (access(path, R_OK)) {
		printf("%s is not installed; its row is left out\n", path);
		return -ENOENT;
	}
	struct bpf_object *object = open_object(path);
	if (!object)
		return -EIO;
	/* It would pin its maps, beside those of an xdp-filter that runs. */
	bpf_object__for_each_map(map, object) bpf_map__set_pin_path(map, NULL);
	struct bpf_program *program = bpf_object__next_program(object, NULL);
	bpf_program__set_flags(program, BPF_F_XDP_HAS_FRAGS);
	int code = bpf_object__load(object);
	if (code == 0)
		code = fill_filter(object, addresses);
	if (code)
		complain(path, code);
	return code ? code : bpf_program__fd(program);
}

void bench_programs_close(void)
{
	while (program_count > 0)
		arq_program_close(programs[--program_count]);
	while (object_count > 0)
		bpf_object__close(objects[--object_count]);
}
