/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Active checks of a pool's targets, as `health` of its configuration asks: a request by HTTP/3, or
 * just a handshake, every so often. So many that fail in a row take a target out of the choice, so
 * many that pass put it back.
 *
 * One worker of the daemon runs them, on its own endpoint: a thread of their own would need a
 * second loop, endpoint and socket for a few packets a second, and a worker never is so busy that
 * an answer within the timeout is missed while requests are served in time. Checks have
 * connections of their own, so that neither MAX_STREAMS nor a full queue of requests fails them.
 */
#ifndef ARQUANT_PROXY_CHECK_H
#define ARQUANT_PROXY_CHECK_H

#include "userspace/proxy/pool.h"

struct arq_checks;

/* Begins at once. Of a pool with `health`. Returns 0 and *checks, or -ENOMEM. */
int arq_checks_create(struct arq_pool *pool, struct arq_checks **checks);

/* Ends all connections; nothing is checked any more. */
void arq_checks_stop(struct arq_checks *checks);

/* Connections that it has. */
uint32_t arq_checks_connections(const struct arq_checks *checks);

/* All connections must be gone. NULL is allowed. */
void arq_checks_destroy(struct arq_checks *checks);

#endif
