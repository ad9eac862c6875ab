// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/proxy/alarm.h"

#include <stddef.h>

static void hang(struct arq_alarm **link, struct arq_alarm *alarm)
{
	*link = alarm;
	if (alarm)
		alarm->link = link;
}

/* One heap of two, without siblings; either may be NULL. */
static struct arq_alarm *meld(struct arq_alarm *a, struct arq_alarm *b)
{
	if (!a || !b)
		return a ? a : b;
	if (b->at < a->at) {
		struct arq_alarm *swap = a;
		a = b;
		b = swap;
	}
	hang(&b->next, a->child);
	hang(&a->child, b);
	return a;
}

/* One heap of a list of siblings: pairs from the left, then all together from the right. */
static struct arq_alarm *merge(struct arq_alarm *siblings)
{
	struct arq_alarm *pairs = NULL, *all = NULL;

	while (siblings) {
		struct arq_alarm *a = siblings, *b = a->next;
		siblings = b ? b->next : NULL;
		a->next = NULL;
		if (b)
			b->next = NULL;
		struct arq_alarm *pair = meld(a, b);
		pair->next = pairs;
		pairs = pair;
	}
	while (pairs) {
		struct arq_alarm *pair = pairs;
		pairs = pair->next;
		pair->next = NULL;
		all = meld(all, pair);
	}
	return all;
}

void arq_alarm_clear(struct arq_alarms *alarms, struct arq_alarm *alarm)
{
	if (!alarm->link)
		return;
	struct arq_alarm *below = merge(alarm->child);
	hang(alarm->link, alarm->next);
	alarm->link = NULL;
	alarm->child = alarm->next = NULL;
	hang(&alarms->first, meld(alarms->first, below));
}

void arq_alarm_set(struct arq_alarms *alarms, struct arq_alarm *alarm, uint64_t at)
{
	arq_alarm_clear(alarms, alarm);
	if (at == ARQ_ALARM_NEVER)
		return;
	alarm->at = at;
	hang(&alarms->first, meld(alarms->first, alarm));
}

void arq_alarms_run(struct arq_alarms *alarms, uint64_t now)
{
	struct arq_alarm *alarm;
	while ((alarm = alarms->first) && alarm->at <= now) {
		arq_alarm_clear(alarms, alarm);
		alarm->ring(alarm);
	}
}

uint64_t arq_alarms_next(const struct arq_alarms *alarms)
{
	return alarms->first ? alarms->first->at : ARQ_ALARM_NEVER;
}
