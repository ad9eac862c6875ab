/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the running kernel and this process can do, found out by trying.
 *
 * libxdp chains programs by replacing stub functions of its dispatcher (BPF_PROG_TYPE_EXT,
 * "freplace"). Where the kernel refuses that, libxdp attaches a single program directly and says
 * nothing; we ask first, so that we can say it. The probes load tiny programs and leave nothing
 * behind. They need the privileges they ask about; one thread, nothing kept between calls.
 */
#ifndef ARQUANT_DISPATCHER_KERNEL_H
#define ARQUANT_DISPATCHER_KERNEL_H

#include "userspace/common/error.h"

#include <stdbool.h>
#include <stddef.h>

enum arq_kernel_ext {
	ARQ_KERNEL_EXT_ALLOWED,
	ARQ_KERNEL_EXT_REFUSED, /* EPERM to a privileged process: the kernel is locked down */
	ARQ_KERNEL_EXT_UNSUPPORTED, /* too old, or not built for this architecture */
};

/*
 * Tries to replace a function of an XDP program by a program of type EXT. Returns 0 and the answer,
 * or a negative errno when the question could not be asked (no privileges, no plain XDP either);
 * `error` then says why.
 */
int arq_kernel_probe_ext(enum arq_kernel_ext *ext, struct arq_error *error);

/*
 * Effective CAP_NET_ADMIN (attach to an interface) and CAP_SYS_ADMIN (look programs and maps up by
 * id, which CAP_BPF does not allow). Returns 0 or -EPERM with what to do in `error`.
 */
int arq_kernel_check_privileges(struct arq_error *error);

/*
 * The same for who makes maps, and opens those that are pinned, but no programs: readers of
 * samples. Returns 0, or -EPERM with what is missing.
 */
int arq_kernel_check_map_privileges(struct arq_error *error);

/*
 * Has somebody asked this process to stop: is SIGINT, SIGTERM or SIGHUP pending? (Who changes
 * something blocks them, and looks here between its steps.)
 */
bool arq_kernel_interrupted(void);

/*
 * The per-CPU tables of the programs have ARQ_MAX_CPUS elements. Returns 0, or -E2BIG with the
 * reason in `error` on a machine with more possible CPUs.
 */
int arq_kernel_check_cpus(struct arq_error *error);

/*
 * Where the BPF file system is expected: what LIBXDP_BPFFS names (libxdp follows it too, and both
 * must look at the same place), else /sys/fs/bpf. Static storage, never NULL.
 */
const char *arq_kernel_bpffs(void);

/*
 * Returns 0, or with what to do in `error` -ENOENT when no BPF file system is mounted there, -EROFS
 * when it is, but read-only.
 */
int arq_kernel_check_bpffs(struct arq_error *error);

#endif
