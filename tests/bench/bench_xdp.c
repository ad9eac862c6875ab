// SPDX-License-Identifier: BSD-2-Clause
/*
 * What the XDP programs cost: ns per packet over 4096 rotating different packets, beside the bare
 * XDP_PASS and xdp-filter's objects, in one run.
 *
 * A test run (BPF_PROG_TEST_RUN) repeats one packet, which flatters every cache and every trie. So
 * what runs is a wrapper that copies the next packet of a table over the frame and tail-calls the
 * program under test; that works for foreign objects, too, and needs no kernel that allows
 * extension programs. A row's ns include test run, copy and tail call; "over bare" is the
 * difference to the wrapper calling a program that is nothing but XDP_PASS, taken run by run (both
 * run one after the other), and its median is what targets are measured by.
 *
 * The wrapper takes the time each time it has gone through the table; one rotation is one value of
 * min, median and p99. (The time that a test run reports is in whole ns, and the time of the whole
 * system call is mostly the kernel's preparation.) The runs of all rows are interleaved, so that a
 * disturbance of the machine hits all alike. The process is bound to one CPU. All programs are made
 * frags-capable, as a program array wants them alike; that changes nothing for a frame in one
 * buffer.
 *
 * Programs of ours run first in their chain (they parse), with all switches of a real policy. A
 * redirect to a socket is decided, counted and returned, but test runs do not carry it out.
 */
#include "tests/bench/xdp.h"
#include "tests/bench/xdp_rows.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/utsname.h>
#include <unistd.h>

/* Ends with the packet that takes the last time. */
#define RUN_PACKETS (BENCH_ROTATIONS * BENCH_PACKETS + 1)

#define RUNS_DEFAULT 50
#define RUNS_MAX     10000

struct wrapper {
	struct bpf_object *object;
	int rotate;
	int pass;
	int under_test;
	struct bench_packet *packets;
	struct bench_state *state;
};

struct measure {
	double *ns; /* of each rotation, per packet */
	double *over; /* of each run, the median above that of the bare program just before */
};

static int fail(const char *what, int code)
{
	fprintf(stderr, "bench_xdp: %s: %s%s\n", what, strerror(-code),
		code == -EPERM ? "; run as root" : "");
	return code;
}

static void *map_memory(struct bpf_object *object, const char *name, size_t size)
{
	int map = bpf_object__find_map_fd_by_name(object, name);
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, map, 0);

	return memory == MAP_FAILED ? NULL : memory;
}

static int wrapper_open(struct wrapper *wrapper, const char *path)
{
	wrapper->object = bpf_object__open_file(path, NULL);
	if (!wrapper->object)
		return fail(path, -errno);
	int status = bpf_object__load(wrapper->object);
	if (status)
		return fail("cannot load the wrapper", status);
	wrapper->rotate =
		bpf_program__fd(bpf_object__find_program_by_name(wrapper->object, "bench_rotate"));
	wrapper->pass =
		bpf_program__fd(bpf_object__find_program_by_name(wrapper->object, "bench_pass"));
	wrapper->under_test = bpf_object__find_map_fd_by_name(wrapper->object, "under_test");
	wrapper->packets = map_memory(wrapper->object, ".bss.packets",
				      sizeof(*wrapper->packets) * BENCH_PACKETS);
	wrapper->state = map_memory(wrapper->object, ".bss.state", sizeof(*wrapper->state));
	return wrapper->packets && wrapper->state ? 0 : fail("cannot map the packets", -errno);
}

static int compare_numbers(const void *left, const void *right)
{
	double a = *(const double *)left;
	double b = *(const double *)right;

	return a < b ? -1 : a > b;
}

/* One run of a program. Writes ns per packet of each rotation, sorted. Returns 0 or a negative
 * errno.
 */
static int run_once(const struct wrapper *wrapper, int program, uint32_t wanted,
		    double ns[BENCH_ROTATIONS])
{
	const uint8_t frame[BENCH_BYTES] = {0};
	uint32_t zero = 0;
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = frame, .data_size_in = sizeof(frame),
		    .repeat = RUN_PACKETS);

	int status = bpf_map_update_elem(wrapper->under_test, &zero, &program, BPF_ANY);
	if (status)
		return fail("cannot enter a program", status);
	memset(wrapper->state, 0, sizeof(*wrapper->state));
	status = bpf_prog_test_run_opts(wrapper->rotate, &options);
	if (status)
		return fail("test run", status);
	if (options.retval != wanted) {
		fprintf(stderr, "bench_xdp: the program returned %u instead of %u\n",
			options.retval, wanted);
		return -EINVAL;
	}
	for (int i = 0; i < BENCH_ROTATIONS; i++)
		ns[i] = (double)(wrapper->state->times[i + 1] - wrapper->state->times[i]) /
			BENCH_PACKETS;
	qsort(ns, BENCH_ROTATIONS, sizeof(*ns), compare_numbers);
	return 0;
}

static int run_all(const struct wrapper *wrapper, const struct bench_row *rows, size_t count,
		   struct measure *measures, unsigned int runs)
{
	double bare[BENCH_ROTATIONS] = {0};

	for (unsigned int run = 0; run < runs; run++) {
		for (size_t i = 0; i < count; i++) {
			double *ns = measures[i].ns + (size_t)run * BENCH_ROTATIONS;
			bench_packets(wrapper->packets, rows[i].packets);
			int status = run_once(wrapper, wrapper->pass, XDP_PASS, bare);
			if (status == 0)
				status = run_once(wrapper, rows[i].program, rows[i].action, ns);
			if (status) {
				fprintf(stderr, "bench_xdp: row '%s'\n", rows[i].name);
				return status;
			}
			measures[i].over[run] = ns[BENCH_ROTATIONS / 2] - bare[BENCH_ROTATIONS / 2];
		}
	}
	return 0;
}

/* Value at a share of sorted numbers: 0 the least, 0.5 the median. */
static double quantile(const double *sorted, size_t count, double share)
{
	return sorted[(size_t)(share * (double)(count - 1) + 0.5)];
}

/* Returns how many targets are missed. */
static int print_rows(const struct bench_row *rows, size_t count, struct measure *measures,
		      unsigned int runs)
{
	size_t rotations = (size_t)runs * BENCH_ROTATIONS;
	int missed = 0;

	printf("%-40s %7s %7s %7s %10s  %s\n", "ns per packet", "min", "median", "p99", "over bare",
	       "target");
	for (size_t i = 0; i < count; i++) {
		double *ns = measures[i].ns;
		qsort(ns, rotations, sizeof(*ns), compare_numbers);
		qsort(measures[i].over, runs, sizeof(*ns), compare_numbers);
		double over = quantile(measures[i].over, runs, 0.5);
		printf("%-40s %7.1f %7.1f %7.1f %10.1f", rows[i].name, ns[0],
		       quantile(ns, rotations, 0.5), quantile(ns, rotations, 0.99), over);
		if (rows[i].target > 0) {
			bool met = over <= rows[i].target;
			missed += !met;
			printf("  %.0f: %s", rows[i].target, met ? "met" : "missed");
		}
		printf("\n");
	}
	return missed;
}

/* xdp-filter's objects have sections that libbpf remarks on; errors are ours to tell. */
static int stay_silent(enum libbpf_print_level level, const char *format, va_list arguments)
{
	return level == LIBBPF_WARN ? vfprintf(stderr, format, arguments) : 0;
}

static int bind_cpu(void)
{
	cpu_set_t set;

	int cpu = sched_getcpu();
	if (cpu < 0)
		return fail("which CPU", -errno);
	CPU_ZERO(&set);
	CPU_SET((size_t)cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		return fail("cannot bind to a CPU", -errno);
	return cpu;
}

static void free_measures(struct measure *measures)
{
	for (size_t i = 0; i < BENCH_ROWS_MAX; i++) {
		free(measures[i].ns);
		free(measures[i].over);
	}
}

/* Returns how many targets are missed, or a negative errno after a message. */
static int measure_rows(const struct wrapper *wrapper, int cpu, unsigned int runs)
{
	struct bench_row rows[BENCH_ROWS_MAX];
	struct measure measures[BENCH_ROWS_MAX] = {0};
	struct utsname host;

	int count = bench_rows_open(rows, wrapper->pass);
	int status = count < 0 ? count : 0;
	for (int i = 0; i < count && status == 0; i++) {
		measures[i].ns = calloc((size_t)runs * BENCH_ROTATIONS, sizeof(double));
		measures[i].over = calloc(runs, sizeof(double));
		if (!measures[i].ns || !measures[i].over)
			status = fail("no memory", -ENOMEM);
	}
	uname(&host);
	printf("Linux %s, CPU %d; %d different packets of %d bytes, %u rotations of them\n\n",
	       host.release, cpu, BENCH_PACKETS, BENCH_BYTES, runs * BENCH_ROTATIONS);
	if (status == 0)
		status = run_all(wrapper, rows, (size_t)count, measures, runs);
	if (status == 0)
		status = print_rows(rows, (size_t)count, measures, runs);
	free_measures(measures);
	bench_rows_close();
	return status;
}

static int bench(const char *object, unsigned int runs)
{
	struct wrapper wrapper = {0};

	int cpu = bind_cpu();
	int status = cpu < 0 ? cpu : wrapper_open(&wrapper, object);
	if (status == 0)
		status = measure_rows(&wrapper, cpu, runs);
	if (wrapper.packets)
		munmap(wrapper.packets, sizeof(*wrapper.packets) * BENCH_PACKETS);
	if (wrapper.state)
		munmap(wrapper.state, sizeof(*wrapper.state));
	bpf_object__close(wrapper.object);
	return status;
}

int main(int argc, char **argv)
{
	unsigned long runs = RUNS_DEFAULT;
	const char *object = NULL;
	bool strict = false;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--strict") == 0)
			strict = true;
		else if (strcmp(argv[i], "--runs") == 0 && i + 1 < argc)
			runs = strtoul(argv[++i], NULL, 10);
		else
			object = argv[i];
	}
	if (!object || runs == 0 || runs > RUNS_MAX) {
		fprintf(stderr, "usage: bench_xdp [--runs N] [--strict] OBJECT\n");
		return 2;
	}
	libbpf_set_print(stay_silent);
	int missed = bench(object, (unsigned int)runs);
	if (missed < 0)
		return 1;
	return strict && missed ? 1 : 0;
}
