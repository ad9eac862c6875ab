// SPDX-License-Identifier: BSD-2-Clause
/*
 * What the I/O layer costs on an AF_XDP socket: packets per second that arq_io_receive and
 * arq_io_release take from it, beside a bare libxdp loop (peek, count, refill, release) that looks
 * at nothing. The I/O layer parses each frame, verifies its checksums and fills in its path; it is
 * to reach 90 % of the bare loop all the same.
 *
 * A veth pair in a network namespace of its own; a generator by BPF_PROG_TEST_RUN with live frames
 * on CPU 0, where the kernel's half of receiving runs as well (XDP program, copy into the UMEM);
 * the loop on CPU 1, polling. Both loops alternate round by round, with the same program, queue,
 * UMEM and batch sizes; the table gives medians.
 *
 * "ns/packet" is another measure, of the loop alone: the generator fills the ring, stops, and the
 * loop empties it. That tells what is left to the rest of a worker when the kernel's half is the
 * bottleneck, as in copy mode it is.
 *
 * Where the two CPUs are decides more than the loops do. A line that one CPU wrote and the other
 * read is fetched twice: by the reader, and by the writer when the frame comes round again. Between
 * cores of one last-level cache that is cheap; across two it slows the kernel's half, whoever
 * reads, and only a loop that looks at nothing is spared: with a line taking 170 ns, reading a
 * single one of each packet cost a fifth of the rate. Virtual CPUs are moved between the two by
 * their host at any time. So the bench times a line's way between its CPUs before and after each
 * round, and the target is asked of the rounds with a shared cache; the others have lines of their
 * own in the table, and a third loop beside them that adds up each packet's bytes and does nothing
 * else: what any reader pays.
 *
 * What helped: prefetching the headers, writing out the header sums, zeroing the path without a
 * string instruction (all seen at 64 bytes), and the wide checksum. Tried without effect:
 * prefetching into L2 instead of L1, other distances, more than the first line.
 *
 * A round counts only when it had the CPUs to itself: when the loop ran all the time, and no
 * process ran user code on the generator's CPU (the generator's own work is all in the kernel).
 * Others are repeated, up to a limit; on a busy machine, or one whose CPUs never share a cache, the
 * bench says so rather than guess.
 */
#include "tests/bench/generator.h"
#include "tests/bench/xsk_loops.h"
#include "userspace/io/checksum.h"
#include "userspace/io/frame.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#define BENCH  "bench_xsk"
#define TARGET 0.90

#define ROUNDS_MAX 100

/* A line's way within one last-level cache takes less, between two more. */
#define SHARED_CACHE_NS 60

/* Rounds may be repeated so many times as often as asked for, and lose this part to others. */
#define REPEAT      30
#define DISTURBANCE 0.05
#define WARM_UP_NS  100000000ull
#define LOOK_AGAIN  50000 /* microseconds, while the CPUs are apart and enough is known of that */

/* Where the two CPUs are. */
enum place {
	PLACE_SHARED, /* on one last-level cache */
	PLACE_APART,
	PLACES,
};

struct setting {
	uint64_t round_ns;
	unsigned int rounds;
	bool strict;
	const char *object;
};

/* What a loop's share of a round gave. */
struct result {
	double rate; /* packets per second */
	double cost_ns; /* of a packet, from a full ring */
	bool disturbed; /* other processes had a part of the CPUs */
};

/* The undisturbed rounds in one place. */
struct rounds {
	double rates[XSK_LOOPS][ROUNDS_MAX];
	double costs[XSK_LOOPS][ROUNDS_MAX];
	double ratios[XSK_LOOPS][ROUNDS_MAX]; /* to the bare loop of the same round */
	double line_ns[ROUNDS_MAX];
	unsigned int count;
};

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec now;
	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static uint64_t now_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

static void fail(const char *what, int code)
{
	fprintf(stderr, BENCH ": %s: %s\n", what, strerror(code));
	exit(1);
}

static void run(const char *command)
{
	if (system(command) != 0) {
		fprintf(stderr, BENCH ": failed: %s\n", command);
		exit(1);
	}
}

/* A UDP datagram as a client would send it, with right checksums. */
static void make_frame(struct generator *generator, uint32_t payload)
{
	struct arq_path path = {.link_length = 14,
				.link = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x08, 0x00}};
	uint8_t buffer[ARQ_FRAME_HEADERS_MAX + ARQ_IO_PAYLOAD_MAX];

	arq_address_parse(&path.local, "192.0.2.2:50000");
	arq_address_parse(&path.remote, "192.0.2.1:443");
	for (uint32_t i = 0; i < payload; i++)
		buffer[ARQ_FRAME_HEADERS_MAX + i] = (uint8_t)(i * 37);
	uint32_t headers = arq_frame_prepend(buffer + ARQ_FRAME_HEADERS_MAX, payload, &path, 0);
	generator->length = headers + payload;
	memcpy(generator->frame, buffer + ARQ_FRAME_HEADERS_MAX - headers, generator->length);
}

/* --- disturbance ------------------------------------------------------------------------------ */

/* A moment in the life of both CPUs. */
struct moment {
	uint64_t wall_ns;
	uint64_t loop_ns; /* that this thread has run */
	uint64_t user_ns; /* that CPU 0 has spent in user code, anybody's */
};

static struct moment moment_now(void)
{
	unsigned long long user = 0, nice = 0;
	FILE *file = fopen("/proc/stat", "re");
	for (char line[512]; file && fgets(line, sizeof(line), file);) {
		if (sscanf(line, "cpu0 %llu %llu", &user, &nice) == 2)
			break;
	}
	if (file)
		fclose(file);
	return (struct moment){
		.wall_ns = now_ns(),
		.loop_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID),
		.user_ns = (user + nice) * 1000000000ull / (uint64_t)sysconf(_SC_CLK_TCK),
	};
}

static bool was_disturbed(const struct moment *from, const struct moment *to)
{
	double wall = (double)(to->wall_ns - from->wall_ns);
	double loop = (double)(to->loop_ns - from->loop_ns);
	double user = (double)(to->user_ns - from->user_ns);
	return loop < (1 - DISTURBANCE) * wall || user > DISTURBANCE * wall;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return x < y ? -1 : x > y;
}

static double median(double *values, unsigned int count)
{
	qsort(values, count, sizeof(*values), compare);
	return count % 2 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
}

/* --- measuring -------------------------------------------------------------------------------- */

static uint64_t poll_until(const struct xsk_loop *loop, void *self, uint64_t end)
{
	uint64_t packets = 0;
	while (now_ns() < end) {
		/* Not each call looks at the clock. */
		for (int i = 0; i < 16; i++)
			packets += loop->poll(self);
	}
	return packets;
}

/*
 * Nanoseconds of CPU time, which no other process disturbs, for each packet of a ring that the
 * generator has filled and left.
 */
static double drain(const struct xsk_loop *loop, void *self, struct generator *generator)
{
	usleep(20000); /* at a million packets a second the ring is full after four */
	generator_pause(generator);
	uint64_t packets = 0, start = clock_ns(CLOCK_THREAD_CPUTIME_ID);
	for (uint32_t count; (count = loop->poll(self)) > 0;)
		packets += count;
	uint64_t end = clock_ns(CLOCK_THREAD_CPUTIME_ID);
	return packets ? (double)(end - start) / (double)packets : 0;
}

static struct result measure(const struct xsk_loop *loop, const struct setting *setting,
			     struct generator *generator, int map)
{
	struct result result;
	void *self = loop->open(map);

	generator_resume(generator);
	poll_until(loop, self, now_ns() + WARM_UP_NS);
	struct moment start = moment_now();
	uint64_t packets = poll_until(loop, self, start.wall_ns + setting->round_ns);
	struct moment end = moment_now();
	result.rate = (double)packets * 1e9 / (double)(end.wall_ns - start.wall_ns);
	result.disturbed = was_disturbed(&start, &end);
	generator_check(generator);
	result.cost_ns = drain(loop, self, generator);
	loop->close(self);
	return result;
}

static enum place place_of(double line_ns)
{
	return line_ns < SHARED_CACHE_NS ? PLACE_SHARED : PLACE_APART;
}

/*
 * Each loop once, another one first in every round: a drift meets all alike. Returns false when
 * other processes disturbed it, or the CPUs moved meanwhile.
 */
static bool measure_round(struct rounds *rounds, double line_ns, const struct setting *setting,
			  struct generator *generator, int map)
{
	unsigned int n = rounds->count;

	for (unsigned int turn = 0; turn < XSK_LOOPS; turn++) {
		unsigned int which = (turn + n) % XSK_LOOPS;
		struct result result = measure(&xsk_loops[which], setting, generator, map);
		if (result.disturbed || place_of(generator_line_ns(generator)) != place_of(line_ns))
			return false;
		rounds->rates[which][n] = result.rate;
		rounds->costs[which][n] = result.cost_ns;
	}
	for (unsigned int which = 0; which < XSK_LOOPS; which++)
		rounds->ratios[which][n] =
			rounds->rates[which][n] / rounds->rates[XSK_LOOP_BARE][n];
	rounds->line_ns[n] = line_ns;
	rounds->count++;
	return true;
}

/*
 * Rounds until there are enough with a shared cache. Returns how many were thrown away, or waited
 * for in vain.
 */
static unsigned int measure_rounds(struct rounds rounds[PLACES], const struct setting *setting,
				   struct generator *generator, int map)
{
	unsigned int disturbed = 0;

	while (rounds[PLACE_SHARED].count < setting->rounds &&
	       disturbed < setting->rounds * REPEAT) {
		double line_ns = generator_line_ns(generator);
		struct rounds *here = &rounds[place_of(line_ns)];
		if (here->count == setting->rounds) {
			usleep(LOOK_AGAIN);
			disturbed++;
		} else if (!measure_round(here, line_ns, setting, generator, map)) {
			disturbed++;
		}
	}
	return disturbed;
}

/* --- the table -------------------------------------------------------------------------------- */

static void print_rounds(uint32_t payload, enum place place, struct rounds *rounds)
{
	if (rounds->count == 0)
		return;
	for (unsigned int which = 0; which < XSK_LOOPS; which++) {
		double rate = median(rounds->rates[which], rounds->count);
		printf("%7u  %-6s %7.0f  %-16s %8.0f %8.0f %8.0f %9.1f  %5.1f %%\n", payload,
		       place == PLACE_SHARED ? "shared" : "apart",
		       median(rounds->line_ns, rounds->count), xsk_loops[which].name, rate / 1e3,
		       rounds->rates[which][0] / 1e3, rounds->rates[which][rounds->count - 1] / 1e3,
		       median(rounds->costs[which], rounds->count),
		       100 * median(rounds->ratios[which], rounds->count));
	}
}

/* Returns the ratio with a shared cache, 0 when there was no such round. */
static double bench_payload(uint32_t payload, const struct setting *setting,
			    struct generator *generator, int map)
{
	static struct rounds rounds[PLACES];

	memset(rounds, 0, sizeof(rounds));
	make_frame(generator, payload);
	generator_start(generator);
	unsigned int disturbed = measure_rounds(rounds, setting, generator, map);
	generator_finish(generator);
	for (unsigned int place = 0; place < PLACES; place++)
		print_rounds(payload, place, &rounds[place]);
	printf("%7u  rounds: %u with a shared cache, %u apart, %u disturbed\n", payload,
	       rounds[PLACE_SHARED].count, rounds[PLACE_APART].count, disturbed);
	const struct rounds *shared = &rounds[PLACE_SHARED];
	return shared->count ? median(rounds[PLACE_SHARED].ratios[XSK_LOOP_OURS], shared->count)
			     : 0;
}

/* --- the checksum alone ---------------------------------------------------------------------- */

static uint64_t word_by_word(uint64_t sum, const void *start, size_t length)
{
	const uint8_t *data = start;
	for (; length >= 2; length -= 2, data += 2) {
		uint16_t word;
		memcpy(&word, data, 2);
		sum += word;
	}
	return length ? sum + *data : sum;
}

static uint64_t add_with_carry(uint64_t sum, const void *start, size_t length)
{
	const uint8_t *data = start;
	for (; length >= 8; length -= 8, data += 8) {
		uint64_t word;
		memcpy(&word, data, 8);
		sum += word;
		sum += sum < word;
	}
	uint64_t rest = 0;
	memcpy(&rest, data, length);
	sum += rest;
	return sum + (sum < rest);
}

static void bench_checksum(void)
{
	static const struct {
		const char *name;
		uint64_t (*add)(uint64_t sum, const void *data, size_t length);
	} ways[] = {
		{"16-bit words", word_by_word},
		{"64-bit with carry", add_with_carry},
		{"arq_checksum_add", arq_checksum_add},
	};
	static const size_t lengths[] = {20, 72, 128, 256, 512, 1258, 1480};
	static uint8_t data[2048] = {1, 2, 3};
	const int repeat = 200000;

	printf("%-18s", "ns for bytes");
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++)
		printf("%8zu", lengths[i]);
	printf("\n");
	for (size_t way = 0; way < sizeof(ways) / sizeof(ways[0]); way++) {
		printf("%-18s", ways[way].name);
		for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
			uint64_t start = clock_ns(CLOCK_THREAD_CPUTIME_ID);
			for (int n = 0; n < repeat; n++) {
				uint64_t sum = ways[way].add(0, data + 2, lengths[i]);
				/* Each sum waits for the one before, and none is left out. */
				data[0] = (uint8_t)sum;
				__asm__ volatile("" : : "r"(sum) : "memory");
			}
			printf("%8.1f",
			       (double)(clock_ns(CLOCK_THREAD_CPUTIME_ID) - start) / repeat);
		}
		printf("\n");
	}
}

/* --- setting up ------------------------------------------------------------------------------- */

static void make_link(void)
{
	if (unshare(CLONE_NEWNET) < 0)
		fail("network namespace (run as root)", errno);
	/* The interfaces carry nothing but the bench's packets. */
	run("echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6");
	run("ip link add generator numrxqueues 1 numtxqueues 1 type veth "
	    "peer name receiver numrxqueues 1 numtxqueues 1");
	run("ip link set generator up");
	run("ip link set receiver up");
}

/* Returns the XSKMAP. */
static int load_program(const char *path)
{
	struct bpf_object *object = bpf_object__open_file(path, NULL);
	if (!object || bpf_object__load(object) < 0)
		fail(path, errno);
	int receive = bpf_program__fd(bpf_object__find_program_by_name(object, "receive"));
	int code =
		bpf_xdp_attach((int)if_nametoindex("receiver"), receive, XDP_FLAGS_DRV_MODE, NULL);
	if (code < 0)
		fail("native XDP on veth", -code);
	return bpf_object__find_map_fd_by_name(object, "xsks");
}

static void print_setting(const struct setting *setting)
{
	struct utsname name;
	char cpu[128] = "unknown CPU";
	FILE *info = fopen("/proc/cpuinfo", "re");
	for (char line[256]; info && fgets(line, sizeof(line), info);) {
		if (sscanf(line, "model name : %127[^\n]", cpu) == 1)
			break;
	}
	if (info)
		fclose(info);
	uname(&name);
	printf("xsk: %s, Linux %s; veth, native XDP, copy mode, need_wakeup, polling;\n"
	       "UMEM %d frames of %d bytes, batches of %d; generator on CPU 0, loop on CPU 1;\n"
	       "%u alternating rounds of %.1f s each; line: ns of a cache line's way between "
	       "them\n\n",
	       cpu, name.release, XSK_FRAMES, XSK_FRAME_SIZE, ARQ_IO_BATCH, setting->rounds,
	       (double)setting->round_ns / 1e9);
}

static void usage(void)
{
	fprintf(stderr, "usage: bench_xsk [--rounds N] [--seconds S] [--strict] OBJECT\n"
			"       bench_xsk --checksum\n");
	exit(2);
}

static void parse_arguments(int count, char **arguments, struct setting *setting)
{
	for (int i = 1; i < count; i++) {
		if (strcmp(arguments[i], "--strict") == 0)
			setting->strict = true;
		else if (strcmp(arguments[i], "--rounds") == 0 && i + 1 < count)
			setting->rounds = (unsigned int)strtoul(arguments[++i], NULL, 10);
		else if (strcmp(arguments[i], "--seconds") == 0 && i + 1 < count)
			setting->round_ns = (uint64_t)(strtod(arguments[++i], NULL) * 1e9);
		else if (arguments[i][0] != '-' && !setting->object)
			setting->object = arguments[i];
		else
			usage();
	}
	if (!setting->object || setting->rounds < 1 || setting->rounds > ROUNDS_MAX ||
	    setting->round_ns < 10000000)
		usage();
}

int main(int count, char **arguments)
{
	static const uint32_t payloads[] = {64, 1250};
	struct setting setting = {.round_ns = 300000000, .rounds = 15};
	static struct generator generator;
	bool measured = true, met = true;

	generator_bind_cpu(BENCH, 1);
	if (count == 2 && strcmp(arguments[1], "--checksum") == 0) {
		bench_checksum();
		return 0;
	}
	parse_arguments(count, arguments, &setting);
	make_link();
	generator_init(&generator, BENCH, "generator");
	int map = load_program(setting.object);
	print_setting(&setting);
	printf("payload  caches line ns  loop             1000/s m      min      max ns/packet   "
	       "ratio\n");
	for (size_t i = 0; i < sizeof(payloads) / sizeof(payloads[0]); i++) {
		double ratio = bench_payload(payloads[i], &setting, &generator, map);
		measured &= ratio > 0;
		met &= ratio >= TARGET;
	}
	printf("\ntarget: arq_io at least %.0f %% of the bare loop, with a shared cache: %s\n",
	       TARGET * 100,
	       !measured ? "not measured, the machine is busy or its CPUs share none"
	       : met     ? "met"
			 : "missed");
	return setting.strict && !met ? 1 : 0;
}
