/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A generation: one state of the configuration file with all that was read and compiled for it.
 * The first is made at the start, another at each reload; all of it is read only. Main thread,
 * but for the part that workers share and count (struct arq_proxy_shared): as long as a request or
 * an upstream connection needs it, the configuration stays, also after the generation was
 * destroyed.
 */
#ifndef ARQUANT_ARQUANTD_GENERATION_H
#define ARQUANT_ARQUANTD_GENERATION_H

#include "userspace/common/config.h"
#include "userspace/common/error.h"
#include "userspace/proxy/proxy.h"
#include "userspace/quic/quic.h"

#include <stdint.h>

/* What generations come and go with. */
struct arq_generation_secrets {
	uint8_t secret[ARQ_QUIC_SECRET_LENGTH];
	struct arq_quic_replay *replay; /* a reference; NULL: no listener took early data yet */
};

struct arq_generation {
	uint32_t number; /* 1 is that of the start */
	const struct arq_config *config;
	struct arq_proxy_shared *proxy;
	struct arq_quic_tls **tls; /* of each listener */
};

/*
 * Reads the files that the configuration names and compiles it. `config` is taken over, also when
 * this fails. `previous` is the generation in force, or NULL: what it has unchanged is used on.
 * `names` knows the addresses of names; NULL: nobody does yet.
 * Returns 0 and *generation, or a negative errno with the reason in `error`.
 */
int arq_generation_create(struct arq_config *config, const struct arq_generation *previous,
			  struct arq_generation_secrets *secrets,
			  const struct arq_proxy_names *names, struct arq_generation **generation,
			  struct arq_error *error);

/* NULL is allowed. */
void arq_generation_destroy(struct arq_generation *generation);

/*
 * May `next` take the place of `now` while the daemon runs? Returns 0, or -EBUSY with the field
 * that only a restart can change in `error`.
 */
int arq_generation_check_change(const struct arq_generation *now, const struct arq_generation *next,
				struct arq_error *error);

#endif
