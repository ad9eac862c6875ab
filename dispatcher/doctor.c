// SPDX-License-Identifier: BSD-2-Clause
/* Findings about the machine; doctor_interface.c has those about an interface. */
#include "dispatcher/doctor.h"

#include "dispatcher/chain.h"
#include "dispatcher/kernel.h"
#include "dispatcher/owner.h"
#include "dispatcher/pins.h"
#include "dispatcher/sweep.h"
#include "dispatcher/watch.h"

#include <bpf/bpf.h>
#include <cap-ng.h>
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <linux/bpf.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <unistd.h>
#include <xdp/libxdp.h>

#define KERNEL_BTF "/sys/kernel/btf/vmlinux"

/* The oldest that the suite is tested on. */
#define KERNEL_MAJOR 6
#define KERNEL_MINOR 1

/* Of one AF_XDP socket of arquantd, one for each queue: 8192 frames of 2 KiB. */
#define UMEM_MIB 16

const char *arq_finding_state_name(enum arq_finding_state state)
{
	static const char *const names[] = {"ok", "warning", "failed"};

	return names[state];
}

struct arq_finding *arq_finding_add(struct arq_diagnosis *diagnosis, const char *check,
				    const char *needed)
{
	/* The list is written down in this room: too long a one shows in the first test. */
	unsigned int last = ARQ_FINDINGS_MAX - 1;
	unsigned int index = diagnosis->count < last ? diagnosis->count++ : last;
	struct arq_finding *finding = &diagnosis->findings[index];

	memset(finding, 0, sizeof(*finding));
	finding->check = check;
	finding->needed = needed;
	return finding;
}

void arq_finding_say(struct arq_finding *finding, enum arq_finding_state state, const char *format,
		     ...)
{
	va_list arguments;

	finding->state = state;
	va_start(arguments, format);
	vsnprintf(finding->found, sizeof(finding->found), format, arguments);
	va_end(arguments);
}

void arq_finding_advise(struct arq_finding *finding, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(finding->advice, sizeof(finding->advice), format, arguments);
	va_end(arguments);
}

/* --- the kernel ------------------------------------------------------------------------------- */

static void check_kernel(struct arq_diagnosis *diagnosis)
{
	struct arq_finding *finding = arq_finding_add(diagnosis, "kernel", "6.1 or newer");
	struct utsname name;
	unsigned int major = 0, minor = 0;

	if (uname(&name) || sscanf(name.release, "%u.%u", &major, &minor) != 2) {
		arq_finding_say(finding, ARQ_FINDING_WARNING, "unknown");
		return;
	}
	bool old = major < KERNEL_MAJOR || (major == KERNEL_MAJOR && minor < KERNEL_MINOR);
	arq_finding_say(finding, old ? ARQ_FINDING_WARNING : ARQ_FINDING_OK, "%s", name.release);
	if (old)
		arq_finding_advise(finding, "nobody tested that kernel; take a newer one");
}

static void check_capabilities(struct arq_diagnosis *diagnosis)
{
	static const struct {
		unsigned int capability;
		const char *name;
		bool load; /* or only arquantd, or covered by CAP_SYS_ADMIN */
	} wanted[] = {
		{CAP_NET_ADMIN, "CAP_NET_ADMIN", true},
		{CAP_SYS_ADMIN, "CAP_SYS_ADMIN", true},
		{CAP_BPF, "CAP_BPF", false},
		{CAP_PERFMON, "CAP_PERFMON", false},
		{CAP_NET_RAW, "CAP_NET_RAW", false},
	};
	struct arq_finding *finding = arq_finding_add(
		diagnosis, "capabilities",
		"CAP_NET_ADMIN, CAP_SYS_ADMIN; for AF_XDP sockets CAP_NET_RAW, CAP_BPF");
	char missing[96] = "";
	enum arq_finding_state state = ARQ_FINDING_OK;

	capng_clear(CAPNG_SELECT_ALL);
	int known = capng_get_caps_process();
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		if (known == 0 && capng_have_capability(CAPNG_EFFECTIVE, wanted[i].capability))
			continue;
		size_t length = strlen(missing);
		snprintf(missing + length, sizeof(missing) - length, " %s", wanted[i].name);
		if (wanted[i].load)
			state = ARQ_FINDING_FAILED;
		else if (state == ARQ_FINDING_OK)
			state = ARQ_FINDING_WARNING;
	}
	if (state == ARQ_FINDING_OK) {
		arq_finding_say(finding, state, "all");
		return;
	}
	arq_finding_say(finding, state, "missing:%s", missing);
	arq_finding_advise(finding, "run as root, or give the process these capabilities");
}

static void check_bpffs(struct arq_diagnosis *diagnosis)
{
	struct arq_finding *finding =
		arq_finding_add(diagnosis, "bpffs", "a BPF file system, writable");
	const char *directory = arq_kernel_bpffs();
	struct arq_error error = {0};
	struct statvfs status;

	int code = arq_kernel_check_bpffs(&error);
	if (code == -ENOENT) {
		arq_finding_say(finding, ARQ_FINDING_FAILED, "none at %s", directory);
		arq_finding_advise(finding,
				   "'mount -t bpf bpf %s'; LIBXDP_BPFFS names another "
				   "place",
				   directory);
		return;
	}
	if (code == -EROFS || (statvfs(directory, &status) == 0 && status.f_flag & ST_RDONLY)) {
		arq_finding_say(finding, ARQ_FINDING_FAILED, "%s is mounted read-only", directory);
		arq_finding_advise(finding, "'mount -o remount,rw %s'", directory);
		return;
	}
	if (access(directory, W_OK)) {
		arq_finding_say(finding, ARQ_FINDING_WARNING, "%s, not writable for this user",
				directory);
		arq_finding_advise(finding, "run as root");
		return;
	}
	arq_finding_say(finding, ARQ_FINDING_OK, "%s", directory);
}

static void check_btf(struct arq_diagnosis *diagnosis)
{
	struct arq_finding *finding = arq_finding_add(diagnosis, "kernel BTF",
						      "types of the kernel, for EXT and TRACING");

	if (access(KERNEL_BTF, R_OK) == 0) {
		arq_finding_say(finding, ARQ_FINDING_OK, KERNEL_BTF);
		return;
	}
	arq_finding_say(finding, ARQ_FINDING_WARNING, "no %s", KERNEL_BTF);
	arq_finding_advise(finding, "take a kernel with CONFIG_DEBUG_INFO_BTF, as Debian's are");
}

/* Loads a program, and looks if it was compiled. Returns 1 or 0, or a negative errno. */
static int try_jit(void)
{
	/* r0 = XDP_PASS; exit */
	const struct bpf_insn program[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = XDP_PASS},
		{.code = BPF_JMP | BPF_EXIT},
	};
	struct bpf_prog_info info = {0};
	__u32 length = sizeof(info);

	int loaded = bpf_prog_load(BPF_PROG_TYPE_XDP, "arq_doctor", "GPL", program,
				   sizeof(program) / sizeof(program[0]), NULL);
	if (loaded < 0)
		return loaded;
	int code = bpf_prog_get_info_by_fd(loaded, &info, &length);
	close(loaded);
	return code ? code : info.jited_prog_len > 0;
}

/*
 * Programs of type EXT replace functions of compiled programs only. Tried, as the setting shows in
 * the first network namespace alone.
 */
static void check_jit(struct arq_diagnosis *diagnosis)
{
	struct arq_finding *finding = arq_finding_add(diagnosis, "BPF JIT", "on");

	int on = try_jit();
	if (on > 0) {
		arq_finding_say(finding, ARQ_FINDING_OK, "on");
	} else if (on == 0) {
		arq_finding_say(finding, ARQ_FINDING_FAILED,
				"off: programs are interpreted, and cannot be chained");
		arq_finding_advise(finding, "'sysctl net.core.bpf_jit_enable=1'");
	} else {
		arq_finding_say(finding, ARQ_FINDING_WARNING, "unknown: no program loads: %s",
				strerror(-on));
		arq_finding_advise(finding, "run as root");
	}
}

/* --- what the kernel allows ------------------------------------------------------------------- */

static void check_ext(struct arq_diagnosis *diagnosis)
{
	struct arq_finding *finding =
		arq_finding_add(diagnosis, "EXT", "programs of type EXT, for chains");
	struct arq_error error = {0};
	enum arq_kernel_ext ext;

	if (arq_kernel_probe_ext(&ext, &error)) {
		arq_finding_say(finding, ARQ_FINDING_WARNING, "unknown: %s", error.text);
		arq_finding_advise(finding, "run as root");
		return;
	}
	if (ext == ARQ_KERNEL_EXT_ALLOWED) {
		arq_finding_say(finding, ARQ_FINDING_OK, "allowed");
		return;
	}
	arq_finding_say(finding, ARQ_FINDING_WARNING,
			ext == ARQ_KERNEL_EXT_REFUSED
				? "refused (EPERM): programs cannot be chained"
				: "not supported: programs cannot be chained");
	arq_finding_advise(finding, "load with '--bundle', which is one program alone, or take a "
				    "kernel that is not locked down");
}

static void check_tracing(struct arq_diagnosis *diagnosis)
{
	struct arq_finding *finding =
		arq_finding_add(diagnosis, "TRACING", "programs of type TRACING, for monitor");
	struct arq_error error = {0};
	double unused;

	switch (arq_slot_watch_probe(&unused, &error)) {
	case 0:
		arq_finding_say(finding, ARQ_FINDING_OK, "allowed");
		return;
	case -EPERM:
		arq_finding_say(finding, ARQ_FINDING_WARNING,
				"refused (EPERM): nothing can be watched");
		arq_finding_advise(finding,
				   "see our own programs' counters by 'arquant status --watch', or "
				   "take a kernel that is not locked down");
		return;
	default:
		/* Which says what to do as well. */
		arq_finding_say(finding, ARQ_FINDING_WARNING, "%s", error.text);
	}
}

static void check_cpus(struct arq_diagnosis *diagnosis)
{
	struct arq_finding *finding =
		arq_finding_add(diagnosis, "CPUs", "no more than the programs serve");
	struct arq_error error = {0};

	if (arq_kernel_check_cpus(&error))
		arq_finding_say(finding, ARQ_FINDING_FAILED, "%s", error.text);
	else
		arq_finding_say(finding, ARQ_FINDING_OK, "%ld", sysconf(_SC_NPROCESSORS_CONF));
}

/* From 5.11 on maps and programs count as memory of the control group; sockets still do not. */
static void check_memlock(struct arq_diagnosis *diagnosis)
{
	struct arq_finding *finding = arq_finding_add(diagnosis, "locked memory",
						      "16 MiB for each queue that arquantd serves");
	struct rlimit limit;

	capng_clear(CAPNG_SELECT_ALL);
	if (capng_get_caps_process() == 0 && capng_have_capability(CAPNG_EFFECTIVE, CAP_IPC_LOCK)) {
		arq_finding_say(finding, ARQ_FINDING_OK, "not limited (CAP_IPC_LOCK)");
		return;
	}
	if (getrlimit(RLIMIT_MEMLOCK, &limit)) {
		arq_finding_say(finding, ARQ_FINDING_WARNING, "unknown: %s", strerror(errno));
		return;
	}
	if (limit.rlim_cur == RLIM_INFINITY) {
		arq_finding_say(finding, ARQ_FINDING_OK, "not limited");
		return;
	}
	unsigned long long mib = (unsigned long long)limit.rlim_cur >> 20;
	bool small = mib < UMEM_MIB;
	arq_finding_say(finding, small ? ARQ_FINDING_WARNING : ARQ_FINDING_OK, "%llu MiB", mib);
	if (small)
		arq_finding_advise(finding, "'ulimit -l unlimited', or LimitMEMLOCK=infinity in "
					    "the unit that starts it");
}

/* --- libxdp ----------------------------------------------------------------------------------- */

static void check_libxdp(struct arq_diagnosis *diagnosis)
{
	struct arq_finding *finding = arq_finding_add(diagnosis, "libxdp", "1.3 or newer");
	char path[PATH_MAX] = "";
	Dl_info where;

	/* The library has no function that tells; the name of its file does. */
	if (dladdr((void *)(uintptr_t)xdp_program__close, &where) && where.dli_fname &&
	    !realpath(where.dli_fname, path))
		path[0] = '\0';
	const char *slash = strrchr(path, '/');
	arq_finding_say(finding, ARQ_FINDING_OK, "%.100s, built with " ARQ_LIBXDP_VERSION,
			slash ? slash + 1 : "linked in");
}

/* --- pins that nothing uses ------------------------------------------------------------------- */

static bool is_stale(const char *directory, unsigned int ifindex, bool here)
{
	struct arq_error ignored = {0};
	struct arq_chain chain = {0};
	struct arq_owner owner;
	char name[IF_NAMESIZE];

	arq_owner_read(&owner, directory);
	if (here && if_indextoname(ifindex, name))
		return arq_chain_read(name, &chain, &ignored) == 0 &&
		       arq_chain_count_own(&chain) == 0;
	return !arq_owner_in_use(&owner);
}

static int visit_stale(const char *directory, unsigned int ifindex, bool here, void *context)
{
	size_t *count = context;

	*count += is_stale(directory, ifindex, here);
	return 0;
}

static void check_pins(struct arq_diagnosis *diagnosis)
{
	struct arq_finding *finding =
		arq_finding_add(diagnosis, "stale pins", "none of ours that nothing uses");
	struct arq_error ignored = {0};
	size_t count = 0;

	if (arq_kernel_check_privileges(&ignored) || arq_kernel_check_bpffs(&ignored) ||
	    arq_pins_walk(visit_stale, &count)) {
		arq_finding_say(finding, ARQ_FINDING_WARNING, "unknown: they cannot be read");
		return;
	}
	if (count == 0) {
		arq_finding_say(finding, ARQ_FINDING_OK, "none");
		return;
	}
	arq_finding_say(finding, ARQ_FINDING_WARNING, "of %zu interface%s, below %s/" ARQ_PIN_ROOT,
			count, count == 1 ? "" : "s", arq_kernel_bpffs());
	arq_finding_advise(finding, "'arquant doctor --clean' removes them");
}

int arq_doctor_clean(size_t *removed, struct arq_error *error)
{
	size_t before = 0, after = 0;

	*removed = 0;
	int code = arq_kernel_check_privileges(error);
	if (code == 0)
		code = arq_kernel_check_bpffs(error);
	if (code)
		return code;
	int lock = arq_pins_lock(error);
	if (lock < 0)
		return lock;
	/* Counted with the lock: what another process is about to load is not stale. */
	code = arq_pins_walk(visit_stale, &before);
	if (code == 0 && before > 0)
		arq_sweep(true);
	if (code == 0)
		code = arq_pins_walk(visit_stale, &after);
	arq_pins_unlock(lock);
	if (code)
		return arq_error_set(error, code, "cannot read our pins: %s", strerror(-code));
	*removed = before - after;
	if (after > 0)
		return arq_error_set(
			error, -EBUSY,
			"pins of %zu interfaces cannot be removed from %s/" ARQ_PIN_ROOT
			"; is it writable?",
			after, arq_kernel_bpffs());
	return 0;
}

void arq_doctor_machine(struct arq_diagnosis *diagnosis)
{
	check_kernel(diagnosis);
	check_capabilities(diagnosis);
	check_bpffs(diagnosis);
	check_btf(diagnosis);
	check_jit(diagnosis);
	check_ext(diagnosis);
	check_tracing(diagnosis);
	check_cpus(diagnosis);
	check_memlock(diagnosis);
	check_libxdp(diagnosis);
	check_pins(diagnosis);
}
