/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What both halves of a trace's dispatcher know. */
#ifndef ARQUANT_DISPATCHER_TRACE_BPF_H
#define ARQUANT_DISPATCHER_TRACE_BPF_H

#include <linux/types.h>

#define ARQ_TRACE_SLOTS 10 /* as many as libxdp's dispatcher has */

/* A verdict after which the next slot always runs (libxdp: XDP_DISPATCHER_RETVAL). */
#define ARQ_TRACE_NEXT 31

#define ARQ_TRACE_NOT_REACHED (-1)

struct arq_trace_verdicts {
	__s32 slots[ARQ_TRACE_SLOTS]; /* enum xdp_action; ARQ_TRACE_NEXT: left out */
};

#endif
