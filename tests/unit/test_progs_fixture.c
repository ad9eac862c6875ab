// SPDX-License-Identifier: BSD-2-Clause
#include "tests/unit/test_progs_fixture.h"

#include <arquant/tunables.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <unistd.h>

/* Mounted over in the test's own mount namespace only. */
#define BPF_MOUNT "/sys/fs/bpf"

/* Room for all samples of a test but the one that wants it full. */
#define RING_BYTES (1 << 24)

static int cpu;

const char *fixture_begin(void)
{
	cpu_set_t set;

	if (geteuid() != 0)
		cr_skip_test("needs root");
	cpu = sched_getcpu();
	cr_assert_geq(cpu, 0);
	CPU_ZERO(&set);
	CPU_SET((size_t)cpu, &set);
	cr_assert_eq(sched_setaffinity(0, sizeof(set), &set), 0);
	cr_assert_eq(unshare(CLONE_NEWNS), 0);
	cr_assert_eq(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	cr_assert_eq(mount("bpf", BPF_MOUNT, "bpf", 0, NULL), 0, "%s", strerror(errno));
	return BPF_MOUNT;
}

int fixture_map(const struct fixture *fixture, const char *name)
{
	int map = bpf_object__find_map_fd_by_name(arq_program_object(fixture->program), name);
	cr_assert_geq(map, 0, "no map '%s'", name);
	return map;
}

static void *map_memory(const struct fixture *fixture, const char *name, size_t size, int protect)
{
	void *memory = mmap(NULL, size, protect, MAP_SHARED, fixture_map(fixture, name), 0);
	cr_assert_neq(memory, MAP_FAILED, "map '%s': %s", name, strerror(errno));
	return memory;
}

void fixture_read_samples(struct fixture *fixture, uint32_t ring_bytes)
{
	const uint32_t slot = 0;

	if (fixture->ring >= 0)
		close(fixture->ring);
	fixture->ring =
		bpf_map_create(BPF_MAP_TYPE_RINGBUF, "test_samples", 0, 0, ring_bytes, NULL);
	cr_assert_geq(fixture->ring, 0);
	cr_assert_eq(bpf_map_update_elem(fixture_map(fixture, "readers"), &slot, &fixture->ring,
					 BPF_ANY),
		     0);
}

void fixture_load(struct fixture *fixture, enum arq_program_id id,
		  const struct arq_program_options *options, const char *pin_directory,
		  const char *packet_pin)
{
	struct arq_error error = {0};

	memset(fixture, 0, sizeof(*fixture));
	int status =
		arq_program_open(id, options, pin_directory, packet_pin, &fixture->program, &error);
	cr_assert_eq(status, 0, "%s", error.text);
	struct bpf_object *object = arq_program_object(fixture->program);
	cr_assert_eq(bpf_object__load(object), 0);
	struct bpf_program *program =
		bpf_object__find_program_by_name(object, arq_program_function(id));
	cr_assert_not_null(program);
	fixture->descriptor = bpf_program__fd(program);
	status = arq_counters_open_map(fixture_map(fixture, ".bss.counters"), id,
				       &fixture->counters, &error);
	cr_assert_eq(status, 0, "%s", error.text);
	fixture->tunables = map_memory(fixture, ".data.arq_tunables", sizeof(struct arq_tunables),
				       PROT_READ | PROT_WRITE);
	fixture->ring = -1;
	if (bpf_object__find_map_fd_by_name(object, "readers") >= 0)
		fixture_read_samples(fixture, RING_BYTES);
	if (id != ARQ_PROGRAM_SAMPLER)
		fixture->packet =
			(struct arq_packet *)map_memory(fixture, ".bss.arq_packet",
							sizeof(struct arq_packet) * ARQ_MAX_CPUS,
							PROT_READ | PROT_WRITE) +
			cpu;
}

void fixture_unload(struct fixture *fixture)
{
	if (fixture->packet)
		munmap(fixture->packet - cpu, sizeof(struct arq_packet) * ARQ_MAX_CPUS);
	if (fixture->ring >= 0)
		close(fixture->ring);
	munmap(fixture->tunables, sizeof(struct arq_tunables));
	arq_counters_close(fixture->counters);
	arq_program_close(fixture->program);
}

uint32_t fixture_run(const struct fixture *fixture, const void *bytes, size_t length,
		     uint32_t repeat)
{
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = bytes, .data_size_in = (uint32_t)length,
		    .repeat = (int)repeat);

	int status = bpf_prog_test_run_opts(fixture->descriptor, &options);
	cr_assert_eq(status, 0, "test run of %zu bytes: %s", length, strerror(-status));
	return options.retval;
}

int fixture_run_split(const struct fixture *fixture, const void *bytes, size_t length,
		      uint32_t linear)
{
	struct xdp_md context = {.data_end = linear};
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = bytes, .data_size_in = (uint32_t)length,
		    .ctx_in = &context, .ctx_size_in = sizeof(context));

	int status = bpf_prog_test_run_opts(fixture->descriptor, &options);
	return status ? status : (int)options.retval;
}

struct arq_counters fixture_counters(const struct fixture *fixture)
{
	struct arq_counters counters;

	arq_counters_read(fixture->counters, &counters);
	return counters;
}

struct collector {
	struct stored_sample *samples;
	size_t capacity;
	size_t count;
};

static int collect(void *context, void *data, size_t size)
{
	struct collector *collector = context;

	cr_assert(size >= sizeof(struct arq_sample) && size <= sizeof(struct stored_sample));
	if (collector->count < collector->capacity)
		memcpy(&collector->samples[collector->count], data, size);
	collector->count++;
	return 0;
}

size_t fixture_samples(const struct fixture *fixture, struct stored_sample *samples,
		       size_t capacity)
{
	struct collector collector = {samples, capacity, 0};

	struct ring_buffer *ring = ring_buffer__new(fixture->ring, collect, &collector, NULL);
	cr_assert_not_null(ring);
	cr_assert_geq(ring_buffer__consume(ring), 0);
	ring_buffer__free(ring);
	return collector.count;
}
