/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a program says beside its counters when it is run by a trace.
 *
 * A trace (progs/replica.h) runs private copies of the programs of a chain, with private copies of
 * what they write to, so that the live ones and their counters stay as they are. The copy is the
 * same code with one constant changed: `arq_tracing` in section `.rodata.trace` is true. It then
 * leaves in `arq_trace`, section `.bss.trace`, what counters do not tell.
 */
#ifndef ARQUANT_TRACE_H
#define ARQUANT_TRACE_H

#include <linux/types.h>

struct arq_trace {
	__u32 rule; /* of the last verdict that named one, counted from 1; 0: none */
	__u32 reserved;
};

#endif
