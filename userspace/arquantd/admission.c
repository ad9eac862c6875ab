// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/arquantd/admission.h"

/* Less than the server's part of one handshake, some dozens of Retry packets. */
#define SLICE 200000

/* Some Retry packets: as long as a few packets of an established connection take. */
#define SHORT_SLICE 20000

/* Round trips in a data centre, and the time in which a receiver answers, are shorter. */
#define MOMENT 1000000

void arq_admission_grant(struct arq_admission *admission, uint64_t now, uint64_t others_ns,
			 bool established)
{
	if (established)
		admission->heard = now;
	if (!established || admission->share >= 100) {
		admission->credit = now - admission->heard < MOMENT ? SHORT_SLICE : SLICE;
		return;
	}
	admission->credit += (int64_t)(others_ns * admission->share / (100 - admission->share));
	if (admission->credit > SLICE)
		admission->credit = SLICE;
}

void arq_admission_rest(struct arq_admission *admission)
{
	admission->credit = SLICE;
}
