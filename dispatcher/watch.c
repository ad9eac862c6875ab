// SPDX-License-Identifier: BSD-2-Clause
#include "dispatcher/watch.h"

#include "dispatcher/watch.bpf.h"
#include "watch.skel.h"

#include <arquant/packet.h>

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The kernel's own "not supported", which no libc knows: no trampolines on this architecture. */
#define KERNEL_ENOTSUPP 524

/* Names of functions in BTF. The kernel's limit (KSYM_NAME_LEN) and its final zero. */
#define FUNCTION_MAX 512

/* Runs of the probe: enough for a mean, over in a millisecond, and a second in an emulator. */
#define PROBE_WARM_UP 1000
#define PROBE_RUNS    10000

struct arq_slot_watch {
	struct watch_bpf *programs;
	size_t cpu_count;
};

/* --- the program to watch --------------------------------------------------------------------- */

/* The name of the function that the program begins with; the kernel keeps 15 characters of it. */
static int read_function(uint32_t btf_id, uint32_t type_id, char name[FUNCTION_MAX])
{
	struct btf *btf = btf__load_from_kernel_by_id(btf_id);
	if (!btf)
		return -errno;

	const struct btf_type *type = btf__type_by_id(btf, type_id);
	const char *text = type ? btf__name_by_offset(btf, type->name_off) : NULL;
	int code = text && text[0] && strlen(text) < FUNCTION_MAX ? 0 : -ENOENT;
	if (code == 0)
		snprintf(name, FUNCTION_MAX, "%s", text);
	btf__free(btf);
	return code;
}

/* Returns 0, or a negative errno: -ENOENT when the program does not tell its types. */
static int find_function(int program, char name[FUNCTION_MAX])
{
	struct bpf_func_info first = {0};
	struct bpf_prog_info info = {.nr_func_info = 1,
				     .func_info_rec_size = sizeof(first),
				     .func_info = (uintptr_t)&first};
	__u32 length = sizeof(info);

	if (bpf_obj_get_info_by_fd(program, &info, &length))
		return -errno;
	if (!info.btf_id || !info.nr_func_info)
		return -ENOENT;
	return read_function(info.btf_id, first.type_id, name);
}

/* --- attaching -------------------------------------------------------------------------------- */

static int load(struct watch_bpf *self, int target, const char *function, uint32_t one_in)
{
	bpf_program__set_autoload(self->progs.arq_slot_nothing, false);
	bpf_program__set_autoload(self->progs.arq_slot_entry, one_in > 0);
	self->rodata->arq_slot_one_in = one_in ? one_in : 1;
	int code = bpf_program__set_attach_target(self->progs.arq_slot_exit, target, function);
	if (code == 0 && one_in)
		code = bpf_program__set_attach_target(self->progs.arq_slot_entry, target, function);
	return code ? code : watch_bpf__load(self);
}

/* The exit first: it must not find a time that it does not belong to. */
static int attach(struct watch_bpf *self, uint32_t one_in)
{
	self->links.arq_slot_exit = bpf_program__attach(self->progs.arq_slot_exit);
	if (!self->links.arq_slot_exit)
		return -errno;
	if (!one_in)
		return 0;
	self->links.arq_slot_entry = bpf_program__attach(self->progs.arq_slot_entry);
	return self->links.arq_slot_entry ? 0 : -errno;
}

static int open_watch(int target, const char *function, uint32_t one_in,
		      struct arq_slot_watch **watch)
{
	int cpus = libbpf_num_possible_cpus();
	if (cpus < 0)
		return cpus;
	*watch = calloc(1, sizeof(**watch));
	if (!*watch)
		return -ENOMEM;

	(*watch)->cpu_count = cpus < ARQ_MAX_CPUS ? (size_t)cpus : ARQ_MAX_CPUS;
	(*watch)->programs = watch_bpf__open();
	int code = (*watch)->programs ? load((*watch)->programs, target, function, one_in) : -errno;
	if (code == 0)
		code = attach((*watch)->programs, one_in);
	if (code == 0)
		return 0;
	arq_slot_watch_close(*watch);
	*watch = NULL;
	return code;
}

int arq_slot_watch_open(uint32_t program, uint32_t one_in, struct arq_slot_watch **watch,
			struct arq_error *error)
{
	char function[FUNCTION_MAX];

	*watch = NULL;
	int target = bpf_prog_get_fd_by_id(program);
	if (target < 0)
		return arq_error_set(error, target, "there is no program with id %u any more",
				     program);
	int code = find_function(target, function);
	if (code == -ENOENT)
		arq_error_set(error, code = -EINVAL,
			      "program %u cannot be watched: it was built without BTF types; build "
			      "it with clang -g",
			      program);
	else if (code == 0)
		code = open_watch(target, function, one_in, watch);
	close(target);
	/* The first text stays. */
	return code ? arq_error_set(error, code, "program %u cannot be watched: %s", program,
				    strerror(-code))
		    : 0;
}

void arq_slot_watch_close(struct arq_slot_watch *watch)
{
	if (!watch)
		return;
	watch_bpf__destroy(watch->programs);
	free(watch);
}

/* --- reading ---------------------------------------------------------------------------------- */

static uint64_t load_word(const __u64 *word)
{
	return __atomic_load_n(word, __ATOMIC_RELAXED);
}

void arq_slot_watch_read(const struct arq_slot_watch *watch, struct arq_slot_counts *sum)
{
	const struct arq_slot_cpu *cpus = watch->programs->bss_slot->arq_slot_cpus;

	memset(sum, 0, sizeof(*sum));
	for (size_t cpu = 0; cpu < watch->cpu_count; cpu++) {
		for (uint32_t action = 0; action < ARQ_ACTIONS; action++)
			sum->actions[action] += load_word(&cpus[cpu].actions[action]);
		sum->timed += load_word(&cpus[cpu].timed);
		sum->timed_ns += load_word(&cpus[cpu].timed_ns);
	}
}

/* --- the probe -------------------------------------------------------------------------------- */

static int run_probe(int program, unsigned int runs)
{
	static uint8_t frame[64];
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = frame, .data_size_in = sizeof(frame),
		    .repeat = (int)runs);

	return bpf_prog_test_run_opts(program, &options);
}

static int measure(int program, const struct arq_slot_watch *watch, double *overhead_ns)
{
	struct arq_slot_counts before, after;

	int code = run_probe(program, PROBE_WARM_UP);
	arq_slot_watch_read(watch, &before);
	if (code == 0)
		code = run_probe(program, PROBE_RUNS);
	arq_slot_watch_read(watch, &after);
	if (code)
		return code;
	/* A watch that sees nothing would show zeros for everything. */
	if (after.actions[XDP_PASS] - before.actions[XDP_PASS] != PROBE_RUNS ||
	    after.timed == before.timed)
		return -EOPNOTSUPP;
	*overhead_ns =
		(double)(after.timed_ns - before.timed_ns) / (double)(after.timed - before.timed);
	return 0;
}

/* Loads the program that does nothing. Returns it, or NULL with errno. */
static struct watch_bpf *load_nothing(void)
{
	struct watch_bpf *self = watch_bpf__open();
	if (!self)
		return NULL;
	bpf_program__set_autoload(self->progs.arq_slot_entry, false);
	bpf_program__set_autoload(self->progs.arq_slot_exit, false);
	int code = watch_bpf__load(self);
	if (code == 0)
		return self;
	watch_bpf__destroy(self);
	errno = -code;
	return NULL;
}

static int explain(int code, struct arq_error *error)
{
	switch (-code) {
	case 0:
		return 0;
	case EPERM:
	case EACCES:
		return arq_error_set(error, -EPERM,
				     "the kernel refuses programs of type TRACING, so nothing can "
				     "be watched; run a kernel that is not locked down, or see our "
				     "own programs' counters by 'arquant status --watch'");
	case EINVAL:
	case E2BIG:
	case EOPNOTSUPP:
	case KERNEL_ENOTSUPP:
		return arq_error_set(error, -EOPNOTSUPP,
				     "the kernel cannot trace XDP programs; it needs the BPF JIT "
				     "(sysctl net.core.bpf_jit_enable=1) and BPF trampolines, or "
				     "see our own programs' counters by 'arquant status --watch'");
	default:
		return arq_error_set(error, code,
				     "cannot find out whether the kernel traces XDP programs: %s",
				     strerror(-code));
	}
}

int arq_slot_watch_probe(double *overhead_ns, struct arq_error *error)
{
	struct arq_slot_watch *watch = NULL;
	struct watch_bpf *self = load_nothing();

	if (!self)
		return arq_error_set(error, -errno, "the kernel does not load XDP programs: %s",
				     strerror(errno));
	int program = bpf_program__fd(self->progs.arq_slot_nothing);
	int code = open_watch(program, "arq_slot_nothing", 1, &watch);
	if (code == 0)
		code = measure(program, watch, overhead_ns);
	arq_slot_watch_close(watch);
	watch_bpf__destroy(self);
	return explain(code, error);
}
