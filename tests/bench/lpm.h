/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Keys of the tries in lpm.bpf.c, as the kernel wants them: bits, then the address. */
#ifndef ARQUANT_TESTS_BENCH_LPM_H
#define ARQUANT_TESTS_BENCH_LPM_H

#include <linux/types.h>

#define BENCH_LPM_MAX 1000000

struct bench_lpm_v4 {
	__u32 length;
	__be32 address;
};

struct bench_lpm_v6 {
	__u32 length;
	__u8 address[16];
};

#endif
