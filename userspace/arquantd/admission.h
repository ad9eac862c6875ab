/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How much time a worker gives to newcomers: to packets that may begin a connection, which anybody
 * can send as many of as a link carries. While established connections have work, it is a share of
 * the time, whatever comes; what a long piece of work (the server's part of a handshake) takes
 * beyond it is made up for by later rounds. In a round in which nothing came for them, newcomers
 * get a slice, short enough that who comes next does not notice: so no time is left unused. It is
 * shorter still when something came a moment ago, as what follows will not be long.
 *
 * Plain numbers; the caller has the clock.
 */
#ifndef ARQUANT_ARQUANTD_ADMISSION_H
#define ARQUANT_ARQUANTD_ADMISSION_H

#include <stdbool.h>
#include <stdint.h>

struct arq_admission {
	uint32_t share; /* percent of the time, 1 to 100 */
	int64_t credit; /* ns; below 0: taken in advance */
	uint64_t heard; /* ns: when something last came for established connections */
};

/*
 * At the beginning of a round's part for newcomers, `now` ns: `others_ns` were spent on others
 * since the last, and `established` is whether something came for established connections.
 */
void arq_admission_grant(struct arq_admission *admission, uint64_t now, uint64_t others_ns,
			 bool established);

/* Nobody waits: nothing is owed either way. */
void arq_admission_rest(struct arq_admission *admission);

static inline bool arq_admission_allows(const struct arq_admission *admission)
{
	return admission->credit > 0;
}

static inline void arq_admission_spend(struct arq_admission *admission, uint64_t ns)
{
	admission->credit -= (int64_t)ns;
}

#endif
