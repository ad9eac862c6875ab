// SPDX-License-Identifier: BSD-2-Clause
#include "test_command_lab.h"

#include "dispatcher/kernel.h"
#include "dispatcher/messages.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <linux/if_link.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define NOBODY 65534

void lab_shell(const char *command)
{
	cr_assert_eq(system(command), 0, "%s", command);
}

void lab_enter(void)
{
	if (geteuid() != 0)
		cr_skip_test("needs root");
	cr_assert_eq(unshare(CLONE_NEWNET | CLONE_NEWNS), 0);
	cr_assert_eq(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	cr_assert_eq(mount("bpf", "/sys/fs/bpf", "bpf", 0, "mode=0700"), 0);
	/* No router solicitations among the packets that are counted. */
	lab_shell("echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6");
	lab_first_pair();
	arq_messages_capture();
}

void lab_first_pair(void)
{
	lab_shell("ip link add arq0 type veth peer name arq1 && ip link set arq0 up && "
		  "ip link set arq1 up");
}

void lab_second_pair(void)
{
	lab_shell("ip link add arq2 type veth peer name arq3 && ip link set arq2 up && "
		  "ip link set arq3 up");
}

static void become(enum lab_as as)
{
	sigset_t interrupt;

	if (as == LAB_AS_NOBODY && (setgid(NOBODY) || setuid(NOBODY)))
		_exit(126);
	if (as == LAB_AS_INTERRUPTED) {
		sigemptyset(&interrupt);
		sigaddset(&interrupt, SIGINT);
		sigprocmask(SIG_BLOCK, &interrupt, NULL);
		raise(SIGINT); /* stays pending across exec */
	}
}

/* Reads both pipes until both are closed. */
static void collect(struct lab_result *result, int output, int error)
{
	struct pollfd polled[] = {{output, POLLIN, 0}, {error, POLLIN, 0}};
	char *texts[] = {result->output, result->error};
	size_t rooms[] = {sizeof(result->output) - 1, sizeof(result->error) - 1};
	int open_count = 2;

	while (open_count > 0 && poll(polled, 2, -1) > 0) {
		for (int i = 0; i < 2; i++) {
			if (!polled[i].revents)
				continue;
			ssize_t got = read(polled[i].fd, texts[i], rooms[i]);
			if (got <= 0) {
				close(polled[i].fd);
				polled[i].fd = -1;
				open_count--;
				continue;
			}
			texts[i] += got;
			rooms[i] -= (size_t)got;
		}
	}
}

const struct lab_result *lab_run_as(enum lab_as as, const char *const *arguments)
{
	static struct lab_result result;
	const char *argv[16] = {"arquant"};
	int output[2], error[2], status;

	memset(&result, 0, sizeof(result));
	for (size_t i = 0; arguments[i]; i++)
		argv[i + 1] = arguments[i];
	cr_assert_eq(pipe(output), 0);
	cr_assert_eq(pipe(error), 0);
	pid_t child = fork();
	cr_assert_geq(child, 0);
	if (child == 0) {
		dup2(output[1], STDOUT_FILENO);
		dup2(error[1], STDERR_FILENO);
		close(output[0]);
		close(error[0]);
		/* Opened before: whoever we become may not see the directory (root's own home). */
		int command = open(ARQ_TEST_COMMAND, O_RDONLY | O_CLOEXEC);
		become(as);
		fexecve(command, (char *const *)argv, environ);
		_exit(127);
	}
	close(output[1]);
	close(error[1]);
	collect(&result, output[0], error[0]);
	cr_assert_eq(waitpid(child, &status, 0), child);
	result.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	return &result;
}

char *lab_config(const char *text)
{
	char *path = strdup("/tmp/arquant-test-XXXXXX");
	int fd = mkstemp(path);
	cr_assert_geq(fd, 0);
	cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	fchmod(fd, 0644);
	close(fd);
	return path;
}

void lab_forget(char *path)
{
	if (path)
		unlink(path);
	free(path);
}

void lab_assert_failed(const struct lab_result *result, const char *const *words)
{
	size_t length = strlen(result->error);

	cr_assert_eq(result->status, 1, "status %d: %s", result->status, result->error);
	cr_assert_str_empty(result->output);
	cr_assert_gt(length, 0, "no line on stderr");
	cr_assert_eq(strchr(result->error, '\n') - result->error, (ptrdiff_t)length - 1,
		     "not one line: %s", result->error);
	for (size_t i = 0; words[i]; i++)
		cr_assert_not_null(strstr(result->error, words[i]), "no '%s' in: %s", words[i],
				   result->error);
}

static unsigned int pins;

static int count_pin(const char *path, const struct stat *status, int flag, struct FTW *walk)
{
	(void)status, (void)flag;
	/* The kernel's own progs.debug and maps.debug; pins have no dots. */
	pins += walk->level > 0 && !strchr(path + walk->base, '.');
	return 0;
}

unsigned int lab_count_pins(void)
{
	pins = 0;
	cr_assert_eq(nftw("/sys/fs/bpf", count_pin, 8, FTW_PHYS), 0);
	return pins;
}

struct json_object *lab_status(const char *interface)
{
	struct json_object *interfaces;

	const struct lab_result *result = lab_run("status", "--json", interface);
	cr_assert_eq(result->status, 0, "%s", result->error);
	cr_assert_str_empty(result->error);
	struct json_object *document = json_tokener_parse(result->output);
	cr_assert_not_null(document, "no JSON: %s", result->output);
	cr_assert(json_object_object_get_ex(document, "interfaces", &interfaces));
	cr_assert_eq(json_object_array_length(interfaces), 1);
	struct json_object *one = json_object_get(json_object_array_get_idx(interfaces, 0));
	json_object_put(document);
	return one;
}

int64_t lab_number_at(struct json_object *object, const char *const *keys)
{
	for (size_t i = 0; keys[i]; i++)
		cr_assert(json_object_object_get_ex(object, keys[i], &object), "no '%s'", keys[i]);
	return json_object_get_int64(object);
}

const char *lab_text(struct json_object *object, const char *key)
{
	struct json_object *value;

	cr_assert(json_object_object_get_ex(object, key, &value), "no '%s'", key);
	return json_object_get_string(value);
}

struct json_object *lab_slot(struct json_object *interface, size_t index)
{
	struct json_object *slots;

	cr_assert(json_object_object_get_ex(interface, "slots", &slots));
	cr_assert_lt(index, json_object_array_length(slots));
	return json_object_array_get_idx(slots, index);
}

bool lab_kernel_chains(void)
{
	enum arq_kernel_ext ext;
	struct arq_error error = {0};

	cr_assert_eq(arq_kernel_probe_ext(&ext, &error), 0, "%s", error.text);
	return ext == ARQ_KERNEL_EXT_ALLOWED;
}

uint32_t lab_attach_foreign(const char *interface)
{
	struct bpf_object *object = bpf_object__open_file(ARQ_TEST_BPF "/probe.bpf.o", NULL);
	cr_assert_not_null(object);
	bpf_program__set_autoload(bpf_object__find_program_by_name(object, "arq_probe_ext"), false);
	cr_assert_eq(bpf_object__load(object), 0);
	int program = bpf_program__fd(bpf_object__find_program_by_name(object, "arq_probe"));
	cr_assert_eq(bpf_xdp_attach((int)if_nametoindex(interface), program,
				    XDP_FLAGS_UPDATE_IF_NOEXIST, NULL),
		     0);
	bpf_object__close(object);
	return lab_attached(interface);
}

uint32_t lab_attached(const char *interface)
{
	uint32_t id = 0;

	cr_assert_eq(bpf_xdp_query_id((int)if_nametoindex(interface), 0, &id), 0);
	return id;
}

size_t lab_map_ids(uint32_t program, uint32_t ids[LAB_IDS_MAX])
{
	struct bpf_prog_info info = {.nr_map_ids = LAB_IDS_MAX, .map_ids = (uintptr_t)ids};
	__u32 length = sizeof(info);

	int fd = bpf_prog_get_fd_by_id(program);
	cr_assert_geq(fd, 0);
	cr_assert_eq(bpf_obj_get_info_by_fd(fd, &info, &length), 0);
	close(fd);
	return info.nr_map_ids;
}

static bool is_gone(int fd)
{
	if (fd >= 0)
		close(fd);
	return fd < 0 && errno == ENOENT;
}

void lab_assert_gone(const uint32_t *programs, size_t programs_count, const uint32_t *maps,
		     size_t maps_count)
{
	static const struct timespec pause = {.tv_nsec = 10000000};
	bool gone = false;

	/* Nothing tells when an RCU grace period and the work behind it are over: ask, for up to a
	 * minute. */
	for (int turn = 0; turn < 6000 && !gone; turn++) {
		gone = true;
		for (size_t i = 0; i < programs_count; i++)
			gone &= is_gone(bpf_prog_get_fd_by_id(programs[i]));
		for (size_t i = 0; i < maps_count; i++)
			gone &= is_gone(bpf_map_get_fd_by_id(maps[i]));
		if (!gone)
			nanosleep(&pause, NULL);
	}
	cr_assert(gone, "programs or maps are left");
}

void lab_send_udp(const char *source, uint16_t port, unsigned int count)
{
	struct {
		struct ether_header ethernet;
		struct iphdr ip;
		struct udphdr udp;
		uint8_t payload[32];
	} __attribute__((packed)) frame = {
		.ethernet = {.ether_dhost = {255, 255, 255, 255, 255, 255},
			     .ether_type = htons(ETHERTYPE_IP)},
		.ip = {.version = 4, .ihl = 5, .ttl = 64, .protocol = IPPROTO_UDP},
	};
	frame.ip.tot_len = htons(sizeof(frame) - sizeof(frame.ethernet));
	inet_pton(AF_INET, source, &frame.ip.saddr);
	inet_pton(AF_INET, "192.0.2.1", &frame.ip.daddr);
	frame.udp.dest = htons(port);
	frame.udp.source = htons(40000);
	frame.udp.len = htons(sizeof(frame.udp) + sizeof(frame.payload));

	struct sockaddr_ll link = {.sll_family = AF_PACKET,
				   .sll_ifindex = (int)if_nametoindex("arq1")};
	int fd = socket(AF_PACKET, SOCK_RAW, 0);
	cr_assert_geq(fd, 0);
	for (unsigned int i = 0; i < count; i++)
		cr_assert_eq(sendto(fd, &frame, sizeof(frame), 0, (struct sockaddr *)&link,
				    sizeof(link)),
			     (ssize_t)sizeof(frame));
	close(fd);
}
