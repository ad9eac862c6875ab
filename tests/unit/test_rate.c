// SPDX-License-Identifier: BSD-2-Clause
/* GCRA: the numbers it is made from, and its exactness when CPUs share it. */
#include "userspace/common/rate.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define SECOND  1000000000ULL
#define SOURCES 8

/* The loaded program and its variables, found by name. */
struct object {
	struct bpf_object *object;
	int program;
	void *memory;
	const struct btf *types;
};

/* Address of a variable of the program. */
static void *variable(const struct object *object, const char *name)
{
	const struct btf *types = object->types;
	const struct btf_type *section = btf__type_by_id(
		types, (uint32_t)btf__find_by_name_kind(types, ".bss", BTF_KIND_DATASEC));

	cr_assert_not_null(section);
	const struct btf_var_secinfo *entries = btf_var_secinfos(section);
	for (int i = 0; i < btf_vlen(section); i++) {
		const struct btf_type *type = btf__type_by_id(types, entries[i].type);
		if (strcmp(btf__name_by_offset(types, type->name_off), name) == 0)
			return (char *)object->memory + entries[i].offset;
	}
	cr_assert_fail("no variable '%s'", name);
	return NULL;
}

static uint64_t *number(const struct object *object, const char *name)
{
	return variable(object, name);
}

static void load(struct object *object)
{
	size_t size = 0;

	if (geteuid() != 0)
		cr_skip_test("needs root");
	object->object = bpf_object__open_file(ARQ_TEST_BPF "/test_rate.bpf.o", NULL);
	cr_assert_not_null(object->object);
	cr_assert_eq(bpf_object__load(object->object), 0);
	object->program = bpf_program__fd(bpf_object__find_program_by_name(object->object, "take"));
	object->types = bpf_object__btf(object->object);
	struct bpf_map *map = bpf_object__find_map_by_name(object->object, ".bss");
	cr_assert_not_null(map);
	cr_assert_not_null(bpf_map__initial_value(map, &size));
	object->memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(map), 0);
	cr_assert_neq(object->memory, MAP_FAILED);
}

static void set_rate(const struct object *object, uint64_t packets, uint64_t period, uint32_t burst)
{
	struct arq_rate rate;

	cr_assert_eq(arq_rate_make(&rate, packets, period, burst), 0);
	memcpy(variable(object, "rate"), &rate, sizeof(rate));
}

static uint32_t run(const struct object *object, uint32_t repeat)
{
	static const unsigned char frame[64];
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = frame, .data_size_in = sizeof(frame),
		    .repeat = (int)repeat);

	cr_assert_eq(bpf_prog_test_run_opts(object->program, &options), 0);
	return options.retval;
}

Test(rate, is_made_of_numbers_in_range)
{
	struct arq_rate rate;

	cr_assert_eq(arq_rate_make(&rate, 200, SECOND, 1), 0);
	cr_assert_eq(rate.interval_ns16, 5000000 << ARQ_RATE_SHIFT);
	cr_assert_eq(rate.tolerance_ns16, 0);
	cr_assert_eq(arq_rate_make(&rate, 3, SECOND, 10), 0);
	cr_assert_eq(rate.interval_ns16, 5333333334ULL, "rounded up");
	cr_assert_eq(rate.tolerance_ns16, 9 * 5333333334ULL);
	cr_assert_eq(arq_rate_make(&rate, 1, 3600 * SECOND, 1), 0);
	cr_assert_eq(arq_rate_make(&rate, 160000000, SECOND, 1), 0);
	cr_assert_eq(arq_rate_make(&rate, 170000000, SECOND, 1), -ERANGE);
	cr_assert_eq(arq_rate_make(&rate, 1, 3600 * SECOND, UINT32_MAX), -ERANGE);
	cr_assert_eq(arq_rate_make(&rate, 1, UINT64_MAX, 1), -ERANGE);
	cr_assert_eq(arq_rate_make(&rate, 0, SECOND, 1), -EINVAL);
	cr_assert_eq(arq_rate_make(&rate, 1, 0, 1), -EINVAL);
	cr_assert_eq(arq_rate_make(&rate, 1, SECOND, 0), -EINVAL);
}

/* A burst at once, then one for each interval; time unused fills the burst again, not more. */
Test(rate, passes_a_burst_and_then_the_rate)
{
	struct object object;

	load(&object);
	set_rate(&object, 1000, SECOND, 5);
	*number(&object, "clock_ns") = 77 * SECOND;
	for (int i = 0; i < 8 * SOURCES; i++)
		cr_assert_eq(run(&object, 1), (uint32_t)(i < 5 * SOURCES ? XDP_PASS : XDP_DROP));
	*number(&object, "clock_ns") += 999999;
	cr_assert_eq(run(&object, SOURCES), XDP_DROP);
	*number(&object, "clock_ns") += 1;
	cr_assert_eq(run(&object, SOURCES), XDP_PASS, "an interval later, one");
	cr_assert_eq(run(&object, SOURCES), XDP_DROP, "and no other");
	*number(&object, "clock_ns") += 3600 * SECOND;
	for (int i = 0; i < 8 * SOURCES; i++)
		cr_assert_eq(run(&object, 1), (uint32_t)(i < 5 * SOURCES ? XDP_PASS : XDP_DROP));
	*number(&object, "clock_ns") -= 1800 * SECOND;
	cr_assert_eq(run(&object, SOURCES), XDP_DROP, "a clock that lags gives nothing away");
	bpf_object__close(object.object);
}

struct offer {
	const struct object *object;
	size_t cpu;
	uint32_t packets;
};

static void *offer(void *context)
{
	const struct offer *offer = context;
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(offer->cpu, &set);
	cr_assert_eq(sched_setaffinity(0, sizeof(set), &set), 0);
	run(offer->object, offer->packets);
	return NULL;
}

/* 10 seconds by the packets' clock, 8 sources, each at ten times its rate, from two CPUs at once.
 */
Test(rate, is_exact_when_two_cpus_take_from_it)
{
	const uint64_t rate = 10000, burst = 100, seconds = 10, packets = 10 * rate * SOURCES;
	struct object object;
	cpu_set_t set;

	load(&object);
	set_rate(&object, rate, SECOND, burst);
	*number(&object, "clock_ns") = SECOND;
	*number(&object, "step_ns") = SECOND / packets;
	cr_assert_eq(sched_getaffinity(0, sizeof(set), &set), 0);
	if (CPU_COUNT(&set) < 2)
		cr_skip_test("needs two CPUs");
	struct offer offers[2];
	pthread_t threads[2];
	size_t cpu = 0;
	for (size_t i = 0; i < 2; i++, cpu++) {
		while (!CPU_ISSET(cpu, &set))
			cpu++;
		offers[i] = (struct offer){&object, cpu, packets * seconds / 2};
		cr_assert_eq(pthread_create(&threads[i], NULL, offer, &offers[i]), 0);
	}
	for (size_t i = 0; i < 2; i++)
		cr_assert_eq(pthread_join(threads[i], NULL), 0);

	cr_assert_eq(*number(&object, "offered"), packets * seconds);
	for (size_t i = 0; i < SOURCES; i++) {
		uint64_t passed = number(&object, "passed")[i];
		cr_assert_leq(passed, rate * seconds + burst, "source %zu", i);
		cr_assert_geq(passed, (rate * seconds + burst) * 999 / 1000, "source %zu: %lu", i,
			      passed);
	}
	bpf_object__close(object.object);
}
