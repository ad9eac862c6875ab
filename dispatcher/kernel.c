// SPDX-License-Identifier: BSD-2-Clause
#include "dispatcher/kernel.h"

#include "probe.skel.h"

#include <arquant/packet.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <cap-ng.h>
#include <errno.h>
#include <linux/magic.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>

/* The kernel's own "not supported", which no libc knows: bpf_link_create without trampolines. */
#define KERNEL_ENOTSUPP 524

static bool may(unsigned int capability)
{
	return capng_have_capability(CAPNG_EFFECTIVE, capability);
}

int arq_kernel_check_privileges(struct arq_error *error)
{
	capng_clear(CAPNG_SELECT_ALL);
	if (capng_get_caps_process() == 0 && may(CAP_SYS_ADMIN) && may(CAP_NET_ADMIN))
		return 0;
	return arq_error_set(error, -EPERM,
			     "no privileges for XDP programs; run as root, or with the "
			     "capabilities CAP_NET_ADMIN and CAP_SYS_ADMIN");
}

int arq_kernel_check_map_privileges(struct arq_error *error)
{
	capng_clear(CAPNG_SELECT_ALL);
	if (capng_get_caps_process() == 0 && (may(CAP_BPF) || may(CAP_SYS_ADMIN)))
		return 0;
	return arq_error_set(error, -EPERM,
			     "no privileges for the maps of XDP programs; run as root, or with the "
			     "capability CAP_BPF");
}

bool arq_kernel_interrupted(void)
{
	sigset_t pending;

	return sigpending(&pending) == 0 &&
	       (sigismember(&pending, SIGINT) == 1 || sigismember(&pending, SIGTERM) == 1 ||
		sigismember(&pending, SIGHUP) == 1);
}

int arq_kernel_check_cpus(struct arq_error *error)
{
	int cpus = libbpf_num_possible_cpus();

	if (cpus < 0)
		return arq_error_set(error, cpus, "cannot count the possible CPUs: %s",
				     strerror(-cpus));
	if (cpus > ARQ_MAX_CPUS)
		return arq_error_set(error, -E2BIG,
				     "this machine has %d possible CPUs and the programs serve at "
				     "most %d; boot with possible_cpus=%d or fewer",
				     cpus, ARQ_MAX_CPUS, ARQ_MAX_CPUS);
	return 0;
}

const char *arq_kernel_bpffs(void)
{
	const char *directory = secure_getenv("LIBXDP_BPFFS");

	return directory ? directory : "/sys/fs/bpf";
}

int arq_kernel_check_bpffs(struct arq_error *error)
{
	const char *directory = arq_kernel_bpffs();
	struct statfs status;

	if (statfs(directory, &status) == 0 && (unsigned long)status.f_type == BPF_FS_MAGIC) {
		if (!(status.f_flags & ST_RDONLY))
			return 0;
		return arq_error_set(error, -EROFS,
				     "the BPF file system at %s is mounted read-only, and the "
				     "programs' maps are kept there; 'mount -o remount,rw %s'",
				     directory, directory);
	}
	return arq_error_set(error, -ENOENT,
			     "no BPF file system at %s, where the programs' maps are kept; mount "
			     "it with 'mount -t bpf bpf %s'",
			     directory, directory);
}

/* The XDP program with the stub; NULL with errno when even that does not load. */
static struct probe_bpf *load_target(void)
{
	struct probe_bpf *target = probe_bpf__open();
	if (!target)
		return NULL;
	bpf_program__set_autoload(target->progs.arq_probe_ext, false);
	int code = probe_bpf__load(target);
	if (code == 0)
		return target;
	probe_bpf__destroy(target);
	errno = -code;
	return NULL;
}

/* Loads and attaches the replacement. Returns 0 or what the kernel said. */
static int replace_stub(struct probe_bpf *target)
{
	struct probe_bpf *probe = probe_bpf__open();
	if (!probe)
		return -errno;

	bpf_program__set_autoload(probe->progs.arq_probe, false);
	int code = bpf_program__set_attach_target(probe->progs.arq_probe_ext,
						  bpf_program__fd(target->progs.arq_probe),
						  "arq_probe_stub");
	if (code == 0)
		code = probe_bpf__load(probe);
	if (code == 0) {
		/* Attached by target, as libxdp does it: this is what came with 5.10. */
		struct bpf_link *link =
			bpf_program__attach_freplace(probe->progs.arq_probe_ext, 0, NULL);
		code = link ? 0 : -errno;
		bpf_link__destroy(link);
	}
	probe_bpf__destroy(probe);
	return code;
}

int arq_kernel_probe_ext(enum arq_kernel_ext *ext, struct arq_error *error)
{
	struct probe_bpf *target = load_target();
	if (!target)
		return arq_error_set(error, -errno, "the kernel does not load XDP programs: %s",
				     strerror(errno));

	int code = replace_stub(target);
	probe_bpf__destroy(target);
	switch (-code) {
	case 0:
		*ext = ARQ_KERNEL_EXT_ALLOWED;
		return 0;
	case EPERM:
	case EACCES:
		*ext = ARQ_KERNEL_EXT_REFUSED;
		return 0;
	case EINVAL:
	case E2BIG:
	case EOPNOTSUPP:
	case KERNEL_ENOTSUPP:
		*ext = ARQ_KERNEL_EXT_UNSUPPORTED;
		return 0;
	default:
		return arq_error_set(error, code,
				     "cannot find out whether the kernel allows programs of type "
				     "EXT: %s",
				     strerror(-code));
	}
}
