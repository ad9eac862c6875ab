// SPDX-License-Identifier: BSD-2-Clause
/* Newcomers get their share of the time, whatever they cost. */
#include "userspace/arquantd/admission.h"

#include <criterion/criterion.h>

#define MICROSECOND 1000ull

/* Rounds with `others` ns of others' work, and newcomers without end who cost `each`. Returns what
 * percent of the time they got. */
static double share_of(struct arq_admission *admission, uint64_t others, uint64_t each)
{
	uint64_t all = 0, newcomers = 0;

	for (int round = 0; round < 20000; round++) {
		arq_admission_grant(admission, all + newcomers, others, true);
		while (arq_admission_allows(admission)) {
			arq_admission_spend(admission, each);
			newcomers += each;
		}
		all += others;
	}
	return 100.0 * (double)newcomers / (double)(all + newcomers);
}

Test(admission, is_a_share_of_the_time)
{
	static const uint64_t costs[] = {MICROSECOND, 3 * MICROSECOND, 300 * MICROSECOND};
	static const uint64_t rounds[] = {5 * MICROSECOND, 100 * MICROSECOND, 900 * MICROSECOND};

	for (size_t i = 0; i < 9; i++) {
		struct arq_admission ten = {.share = 10}, half = {.share = 50};
		double got = share_of(&ten, rounds[i % 3], costs[i / 3]);

		cr_expect_float_eq(got, 10, 0.3, "%f", got);
		/* Of long rounds no more than a slice is kept. */
		if (rounds[i % 3] < 200 * MICROSECOND) {
			got = share_of(&half, rounds[i % 3], costs[i / 3]);
			cr_expect_float_eq(got, 50, 0.5, "%f", got);
		}
	}
}

static uint64_t slice(struct arq_admission *admission, uint64_t now, bool established)
{
	uint64_t spent = 0;

	arq_admission_grant(admission, now, MICROSECOND, established);
	for (; arq_admission_allows(admission); spent += MICROSECOND)
		arq_admission_spend(admission, MICROSECOND);
	return spent;
}

/* In a round in which nobody else wants anything, what was taken in advance is forgiven. */
Test(admission, leaves_no_time_unused)
{
	struct arq_admission admission = {.share = 10};
	uint64_t now = 1000000 * MICROSECOND;

	cr_assert_eq(slice(&admission, now, false), 200 * MICROSECOND);
	arq_admission_spend(&admission, 5000 * MICROSECOND);
	cr_assert_eq(slice(&admission, now, true), 0);
	cr_assert_eq(slice(&admission, now, false), 20 * MICROSECOND, "something just came");
	now += 2000 * MICROSECOND;
	cr_assert_eq(slice(&admission, now, false), 200 * MICROSECOND);
	arq_admission_spend(&admission, 5000 * MICROSECOND);
	arq_admission_rest(&admission);
	cr_assert_geq(slice(&admission, now, true), 200 * MICROSECOND);
	admission.share = 100;
	cr_assert_gt(slice(&admission, now, true), 0, "all of the time");
}
