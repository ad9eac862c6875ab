/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The live variables of a program, see arquant/tunables.h. */
#ifndef ARQUANT_PROGS_LIB_TUNABLES_H
#define ARQUANT_PROGS_LIB_TUNABLES_H

#include <arquant/tunables.h>
#include <bpf/bpf_helpers.h>
#include <linux/bpf.h>

/* Safe until told otherwise: trust nothing that is found, and take no samples. */
volatile struct arq_tunables arq_tunables SEC(".data.arq_tunables") = {
	.first = 1,
	.snaplen = ARQ_SNAPLEN_DEFAULT,
};

#endif
