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
 * At 64 bytes the target is met; at 1250 bytes some runs reach it and some do not. The loop's time
 * there is for the most part the twenty cache lines that another CPU wrote (supposed, not shown).
 * Tried: prefetching into L2 instead of L1, and other distances, without effect beyond the noise;
 * the whole next packet, which shortens the loop by a tenth and does not raise the rate. What
 * helped: prefetching the headers, writing out the header sums, zeroing the path without a string
 * instruction (all seen at 64 bytes), and the wide checksum.
 *
 * A round counts only when it had the CPUs to itself: when the loop ran all the time, and no
 * process ran user code on the generator's CPU (the generator's own work is all in the kernel).
 * Others are repeated, up to a limit; on a busy machine the bench says so rather than guess.
 */
#include "userspace/io/checksum.h"
#include "userspace/io/frame.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>
#include <xdp/xsk.h>

#define FRAMES     8192
#define HALF       (FRAMES / 2)
#define FRAME_SIZE 2048
#define AREA_SIZE  ((size_t)FRAMES * FRAME_SIZE)
#define TARGET     0.90

#define ROUNDS_MAX 100

/* Rounds may be repeated so many times as often as asked for, and lose this part to others. */
#define REPEAT      30
#define DISTURBANCE 0.05
#define WARM_UP_NS  200000000ull

/*
 * Packets of one test run. Setting up and taking down a run costs some 20 ms (RCU), which is to
 * vanish; a signal ends it before its time.
 */
#define RUN_PACKETS (1 << 24)

enum generator_state {
	GENERATE,
	PAUSE,
	FINISH,
};

struct setting {
	uint64_t round_ns;
	unsigned int rounds;
	bool strict;
	const char *object;
};

struct generator {
	pthread_t thread;
	int program;
	uint32_t ifindex;
	uint8_t frame[FRAME_SIZE];
	uint32_t length;
	_Atomic enum generator_state state;
	_Atomic bool halted; /* it has seen that it is to pause, or to finish */
	_Atomic int error;
};

/* What a round gave. */
struct result {
	double rate; /* packets per second */
	double cost_ns; /* of a packet, from a full ring */
	bool disturbed; /* other processes had a part of the CPUs */
};

/* A loop that is measured. */
struct contender {
	const char *name;
	void *(*open)(int map);
	uint32_t (*poll)(void *self); /* packets taken, 0 for none */
	void (*close)(void *self);
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
	fprintf(stderr, "bench_xsk: %s: %s\n", what, strerror(code));
	exit(1);
}

static void run(const char *command)
{
	if (system(command) != 0) {
		fprintf(stderr, "bench_xsk: failed: %s\n", command);
		exit(1);
	}
}

static void pin(int cpu)
{
	cpu_set_t set;
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set) < 0)
		fail("two CPUs are needed", errno);
}

/* --- the bare loop ---------------------------------------------------------------------------- */

struct bare {
	struct xsk_ring_cons rx;
	struct xsk_ring_prod fill;
	struct xsk_ring_prod tx;
	struct xsk_ring_cons completion;
	struct xsk_umem *umem;
	struct xsk_socket *socket;
	void *area;
	uint64_t bytes;
};

static void bare_fill(struct bare *bare)
{
	uint32_t index = 0;
	if (xsk_ring_prod__reserve(&bare->fill, HALF, &index) != HALF)
		fail("fill ring", ENOBUFS);
	for (uint32_t i = 0; i < HALF; i++)
		*xsk_ring_prod__fill_addr(&bare->fill, index + i) = (uint64_t)i * FRAME_SIZE;
	xsk_ring_prod__submit(&bare->fill, HALF);
}

/* The kernel frees the queue of the round before some time after its socket is closed. */
static void *bare_open(int map)
{
	const struct xsk_umem_config umem = {
		.fill_size = HALF, .comp_size = HALF, .frame_size = FRAME_SIZE};
	const struct xsk_socket_config socket = {.rx_size = HALF,
						 .tx_size = HALF,
						 .libxdp_flags =
							 XSK_LIBXDP_FLAGS__INHIBIT_PROG_LOAD,
						 .bind_flags = XDP_USE_NEED_WAKEUP | XDP_COPY};
	const uint32_t queue = 0;
	struct bare *bare = calloc(1, sizeof(*bare));

	bare->area =
		mmap(NULL, AREA_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	madvise(bare->area, AREA_SIZE, MADV_HUGEPAGE);
	int code = -EBUSY;
	for (int attempt = 0; attempt < 100 && code == -EBUSY; attempt++) {
		memset(&bare->fill, 0, sizeof(bare->fill));
		memset(&bare->completion, 0, sizeof(bare->completion));
		code = xsk_umem__create(&bare->umem, bare->area, AREA_SIZE, &bare->fill,
					&bare->completion, &umem);
		if (code < 0)
			fail("UMEM", -code);
		bare_fill(bare);
		code = xsk_socket__create(&bare->socket, "receiver", queue, bare->umem, &bare->rx,
					  &bare->tx, &socket);
		if (code == -EBUSY) {
			xsk_umem__delete(bare->umem);
			usleep(10000);
		}
	}
	int fd = code == 0 ? xsk_socket__fd(bare->socket) : -1;
	if (code < 0 || bpf_map_update_elem(map, &queue, &fd, BPF_ANY) < 0)
		fail("AF_XDP socket", code ? -code : errno);
	return bare;
}

static uint32_t bare_poll(void *self)
{
	struct bare *bare = self;
	uint32_t rx, fill;
	uint32_t count = xsk_ring_cons__peek(&bare->rx, ARQ_IO_BATCH, &rx);
	if (count == 0)
		return 0;
	while (xsk_ring_prod__reserve(&bare->fill, count, &fill) != count)
		;
	for (uint32_t i = 0; i < count; i++) {
		const struct xdp_desc *desc = xsk_ring_cons__rx_desc(&bare->rx, rx + i);
		bare->bytes += desc->len;
		*xsk_ring_prod__fill_addr(&bare->fill, fill + i) = desc->addr;
	}
	xsk_ring_prod__submit(&bare->fill, count);
	xsk_ring_cons__release(&bare->rx, count);
	return count;
}

static void bare_close(void *self)
{
	struct bare *bare = self;
	xsk_socket__delete(bare->socket);
	xsk_umem__delete(bare->umem);
	munmap(bare->area, AREA_SIZE);
	free(bare);
}

/* --- the I/O layer ---------------------------------------------------------------------------- */

struct ours {
	struct arq_io *io;
	uint64_t bytes;
	struct arq_rx_packet packets[ARQ_IO_BATCH];
};

static void *ours_open(int map)
{
	const struct arq_io_xsk_options options = {.interface = "receiver",
						   .frames = FRAMES,
						   .copy_mode = ARQ_XSK_COPY,
						   .xsks_map_fd = map};
	struct arq_error error = {0};
	struct ours *ours = calloc(1, sizeof(*ours));
	if (arq_io_xsk_create(&options, &ours->io, &error) < 0) {
		fprintf(stderr, "bench_xsk: %s\n", error.text);
		exit(1);
	}
	return ours;
}

static uint32_t ours_poll(void *self)
{
	struct ours *ours = self;
	int count = arq_io_receive(ours->io, ours->packets, ARQ_IO_BATCH);
	if (count < 0)
		fail("receive", -count);
	for (int i = 0; i < count; i++)
		ours->bytes += ours->packets[i].length;
	arq_io_release(ours->io, ours->packets, (size_t)count);
	return (uint32_t)count;
}

static void ours_close(void *self)
{
	struct ours *ours = self;
	struct arq_io_counters counters;
	arq_io_counters_read(ours->io, &counters);
	if (counters.rx_malformed || counters.rx_checksum)
		fail("packets were refused: the figures are worthless", EBADMSG);
	arq_io_destroy(ours->io);
	free(ours);
}

static const struct contender contenders[2] = {
	{"bare libxdp loop", bare_open, bare_poll, bare_close},
	{"arq_io", ours_open, ours_poll, ours_close},
};

/* --- the generator ---------------------------------------------------------------------------- */

static void *generate(void *argument)
{
	struct generator *generator = argument;
	struct xdp_md context = {.data_end = generator->length,
				 .ingress_ifindex = generator->ifindex};
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = generator->frame,
		    .data_size_in = generator->length, .ctx_in = &context,
		    .ctx_size_in = sizeof(context), .repeat = RUN_PACKETS, .batch_size = 64,
		    .flags = BPF_F_TEST_XDP_LIVE_FRAMES);

	pin(0);
	for (;;) {
		enum generator_state state = atomic_load(&generator->state);
		atomic_store(&generator->halted, state != GENERATE);
		if (state == FINISH)
			return NULL;
		if (state == PAUSE) {
			usleep(100);
			continue;
		}
		int code = bpf_prog_test_run_opts(generator->program, &options);
		if (code < 0 && code != -EINTR) {
			atomic_store(&generator->error, -code);
			return NULL;
		}
	}
}

static void check_generator(struct generator *generator)
{
	int code = atomic_load(&generator->error);
	if (code)
		fail("BPF_PROG_TEST_RUN with live frames (kernel 5.18 or newer)", code);
}

/* Interrupts the run under way; again, in case the signal came just before it began. */
static void halt_generator(struct generator *generator, enum generator_state wanted)
{
	atomic_store(&generator->state, wanted);
	while (!atomic_load(&generator->halted)) {
		check_generator(generator);
		pthread_kill(generator->thread, SIGUSR1);
		usleep(1000);
	}
}

static void interrupt(int signal)
{
	(void)signal;
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

static struct moment now(void)
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

/* --- measuring -------------------------------------------------------------------------------- */

static uint64_t poll_until(const struct contender *contender, void *self, uint64_t end)
{
	uint64_t packets = 0;
	while (now_ns() < end) {
		/* Not each call looks at the clock. */
		for (int i = 0; i < 16; i++)
			packets += contender->poll(self);
	}
	return packets;
}

/*
 * Nanoseconds of CPU time, which no other process disturbs, for each packet of a ring that the
 * generator has filled and left.
 */
static double drain(const struct contender *contender, void *self, struct generator *generator)
{
	usleep(20000); /* at a million packets a second the ring is full after four */
	halt_generator(generator, PAUSE);
	uint64_t packets = 0, start = clock_ns(CLOCK_THREAD_CPUTIME_ID);
	for (uint32_t count; (count = contender->poll(self)) > 0;)
		packets += count;
	uint64_t end = clock_ns(CLOCK_THREAD_CPUTIME_ID);
	return packets ? (double)(end - start) / (double)packets : 0;
}

static struct result measure(const struct contender *contender, const struct setting *setting,
			     struct generator *generator, int map)
{
	struct result result;
	void *self = contender->open(map);

	atomic_store(&generator->halted, false);
	atomic_store(&generator->state, GENERATE);
	poll_until(contender, self, now_ns() + WARM_UP_NS);
	struct moment start = now();
	uint64_t packets = poll_until(contender, self, start.wall_ns + setting->round_ns);
	struct moment end = now();
	result.rate = (double)packets * 1e9 / (double)(end.wall_ns - start.wall_ns);
	result.disturbed = was_disturbed(&start, &end);
	check_generator(generator);
	result.cost_ns = drain(contender, self, generator);
	contender->close(self);
	return result;
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

/* The undisturbed rounds of both loops. */
struct rounds {
	double rates[2][ROUNDS_MAX];
	double costs[2][ROUNDS_MAX];
	double ratios[ROUNDS_MAX];
	unsigned int count;
	unsigned int disturbed;
};

/* Both loops once, the bare one first in every other round: a drift meets both alike. */
static void measure_round(struct rounds *rounds, const struct setting *setting,
			  struct generator *generator, int map)
{
	struct result results[2];

	for (unsigned int turn = 0; turn < 2; turn++) {
		unsigned int which = (turn + rounds->count) % 2;
		results[which] = measure(&contenders[which], setting, generator, map);
		if (results[which].disturbed) {
			rounds->disturbed++;
			return;
		}
	}
	for (unsigned int which = 0; which < 2; which++) {
		rounds->rates[which][rounds->count] = results[which].rate;
		rounds->costs[which][rounds->count] = results[which].cost_ns;
	}
	rounds->ratios[rounds->count++] = results[1].rate / results[0].rate;
}

/* Two lines of the table. Returns the median of the rounds' ratios. */
static double print_rounds(uint32_t payload, struct rounds *rounds)
{
	double ratio = median(rounds->ratios, rounds->count);
	for (int which = 0; which < 2; which++) {
		double rate = median(rounds->rates[which], rounds->count);
		printf("%7u  %-17s %9.0f %9.0f %9.0f %10.1f", payload, contenders[which].name,
		       rate / 1e3, rounds->rates[which][0] / 1e3,
		       rounds->rates[which][rounds->count - 1] / 1e3,
		       median(rounds->costs[which], rounds->count));
		if (which == 1)
			printf("  %5.1f %%  (%u rounds, %u disturbed)", 100 * ratio, rounds->count,
			       rounds->disturbed);
		printf("\n");
	}
	return ratio;
}

/* Returns the ratio, 0 when the machine was too busy for a single round. */
static double bench_payload(uint32_t payload, const struct setting *setting,
			    struct generator *generator, int map)
{
	static struct rounds rounds;

	memset(&rounds, 0, sizeof(rounds));
	make_frame(generator, payload);
	atomic_store(&generator->state, PAUSE);
	int code = pthread_create(&generator->thread, NULL, generate, generator);
	if (code)
		fail("thread", code);
	while (rounds.count < setting->rounds && rounds.disturbed < setting->rounds * REPEAT)
		measure_round(&rounds, setting, generator, map);
	halt_generator(generator, FINISH);
	pthread_join(generator->thread, NULL);
	if (rounds.count > 0)
		return print_rounds(payload, &rounds);
	printf("%7u  the machine is busy: all of %u rounds were disturbed\n", payload,
	       rounds.disturbed);
	return 0;
}

/* --- the checksum alone ----------------------------------------------------------------------- */

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
static int load_programs(const char *path, struct generator *generator)
{
	struct bpf_object *object = bpf_object__open_file(path, NULL);
	if (!object || bpf_object__load(object) < 0)
		fail(path, errno);
	int receive = bpf_program__fd(bpf_object__find_program_by_name(object, "receive"));
	int code =
		bpf_xdp_attach((int)if_nametoindex("receiver"), receive, XDP_FLAGS_DRV_MODE, NULL);
	if (code < 0)
		fail("native XDP on veth", -code);
	generator->program = bpf_program__fd(bpf_object__find_program_by_name(object, "transmit"));
	generator->ifindex = if_nametoindex("generator");
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
	       "%u alternating rounds of %.1f s each\n\n",
	       cpu, name.release, FRAMES, FRAME_SIZE, ARQ_IO_BATCH, setting->rounds,
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
	struct setting setting = {.round_ns = 1000000000, .rounds = 7};
	struct generator generator = {.state = PAUSE};
	const struct sigaction action = {.sa_handler = interrupt}; /* without SA_RESTART */
	bool measured = true, met = true;

	pin(1);
	if (count == 2 && strcmp(arguments[1], "--checksum") == 0) {
		bench_checksum();
		return 0;
	}
	parse_arguments(count, arguments, &setting);
	sigaction(SIGUSR1, &action, NULL);
	make_link();
	int map = load_programs(setting.object, &generator);
	print_setting(&setting);
	printf("payload  loop               1000/s med       min       max  ns/packet   ratio\n");
	for (size_t i = 0; i < sizeof(payloads) / sizeof(payloads[0]); i++) {
		double ratio = bench_payload(payloads[i], &setting, &generator, map);
		measured &= ratio > 0;
		met &= ratio >= TARGET;
	}
	printf("\ntarget: at least %.0f %% of the bare loop: %s\n", TARGET * 100,
	       !measured ? "not measured, the machine is busy"
	       : met     ? "met"
			 : "missed");
	return setting.strict && !met ? 1 : 0;
}
