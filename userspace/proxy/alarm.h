/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Things to do at a time, of one worker: a pairing heap over nanoseconds, intrusive, so that
 * setting one never fails and costs no memory. Setting is O(1); taking out is O(log n) amortized.
 * The time is the worker's, CLOCK_MONOTONIC as everywhere.
 */
#ifndef ARQUANT_PROXY_ALARM_H
#define ARQUANT_PROXY_ALARM_H

#include <stdint.h>

#define ARQ_ALARM_NEVER UINT64_MAX

/* Part of whatever wants to be called; zero it, and set `ring`, before the first use. */
struct arq_alarm {
	/* Called once when the time has come; the alarm is not set then, and may be set again. */
	void (*ring)(struct arq_alarm *alarm);

	/* The heap's own. */
	uint64_t at;
	struct arq_alarm *child, *next;
	struct arq_alarm **link; /* what points to us; NULL: not set */
};

/* All of a worker; zero it before the first use. */
struct arq_alarms {
	struct arq_alarm *first;
};

/* Sets or moves it; ARQ_ALARM_NEVER clears it. */
void arq_alarm_set(struct arq_alarms *alarms, struct arq_alarm *alarm, uint64_t at);

/* It shall not ring. One that is not set is no error. */
void arq_alarm_clear(struct arq_alarms *alarms, struct arq_alarm *alarm);

/* Rings all whose time is `now` or before; also those set meanwhile. */
void arq_alarms_run(struct arq_alarms *alarms, uint64_t now);

/* When the next one rings, ARQ_ALARM_NEVER when none is set. */
uint64_t arq_alarms_next(const struct arq_alarms *alarms);

#endif
