/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Active checks of a pool's target, as `health` of its configuration asks: a request by HTTP/3, or
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

#include <stdbool.h>

struct arq_pool_target;
struct arq_check;

/* Begins at once. Of a target whose pool has `health`. Returns 0 and *check, or -ENOMEM. */
int arq_check_create(struct arq_pool_target *target, struct arq_check **check);

/* Ends its connection; the target is not checked any more. */
void arq_check_stop(struct arq_check *check);

/* It has a connection, perhaps one that ends. */
bool arq_check_connected(const struct arq_check *check);

/* Its connection must be gone. NULL is allowed. */
void arq_check_destroy(struct arq_check *check);

#endif
