/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A worker: one thread with an endpoint, a proxy and sockets of its own. Workers share read-only
 * configuration and credentials, and hand each other the packets that arrive at the wrong one
 * (handover.h).
 *
 * Created by the main thread, so that everything that may fail has failed before a thread runs.
 * Once started, the worker's insides are its thread's until it was joined; the main thread sends
 * commands, which take effect within one round of the loop, or has a call done between two rounds
 * and waits for it. So nothing that the main thread wants to know or change costs a packet a lock.
 */
#ifndef ARQUANT_ARQUANTD_WORKER_H
#define ARQUANT_ARQUANTD_WORKER_H

#include "userspace/arquantd/access_log.h"
#include "userspace/arquantd/binding.h"
#include "userspace/arquantd/generation.h"
#include "userspace/arquantd/handover.h"
#include "userspace/arquantd/offenders.h"
#include "userspace/proxy/proxy.h"
#include "userspace/quic/quic.h"

#include <stdbool.h>
#include <stdint.h>

struct arq_worker;

/* What all workers of a daemon share; borrowed, read only. */
struct arq_worker_shared {
	const struct arq_generation *generation; /* to begin with */
	const struct arq_bindings *bindings;
	struct arq_handover **inboxes; /* of each worker */
	uint16_t workers;
	uint8_t secret[ARQ_QUIC_SECRET_LENGTH];
	struct arq_quic_cid_options cids;
	struct arq_access_log *access_log; /* NULL: there is none */
	struct arq_quic_sources *sources; /* clients' connections */
	struct arq_offenders *offenders; /* NULL: nobody blocks them */
	int ended; /* eventfd that a worker adds 1 to when its thread ends */
};

enum arq_worker_command {
	ARQ_WORKER_SERVE, /* what it does from the start */
	ARQ_WORKER_DRAIN, /* end when the open requests are done, or drain_timeout has passed */
	ARQ_WORKER_STOP, /* end now */
};

/*
 * Makes worker `index` with all its sockets. Returns 0 and *worker, or a negative errno with the
 * reason in `error`.
 */
int arq_worker_create(const struct arq_worker_shared *shared, uint16_t index,
		      struct arq_worker **worker, struct arq_error *error);

/* Starts the thread. Returns 0 or a negative errno. */
int arq_worker_start(struct arq_worker *worker);

/* Gives a command; a worker only ever goes on to a later one. */
void arq_worker_tell(struct arq_worker *worker, enum arq_worker_command command);

/*
 * Another generation takes the place of the one in force: first every worker makes ready for it,
 * which may fail and changes nothing, then all switch or all discard. Each call returns when the
 * worker has done it; both generations must live until then. A request keeps the configuration
 * that it began with. arq_worker_prepare returns 0, or a negative errno with the reason in `error`:
 * -ESHUTDOWN when the worker has ended.
 */
int arq_worker_prepare(struct arq_worker *worker, const struct arq_generation *next,
		       struct arq_error *error);
void arq_worker_switch(struct arq_worker *worker);
void arq_worker_discard(struct arq_worker *worker);

/*
 * Its pools take over the targets that the generation in force has now (arq_proxy_refresh). Returns
 * 0, -ENOMEM when some could not, or -ESHUTDOWN.
 */
int arq_worker_refresh(struct arq_worker *worker);

/* The families that it can reach targets of: bits, 1 << AF_INET and 1 << AF_INET6. */
unsigned int arq_worker_families(const struct arq_worker *worker);

/*
 * Is the worker alive? True when it has gone round its loop since the call before; wakes it, so
 * that an idle one does until the next. The first call is always true.
 */
bool arq_worker_check(struct arq_worker *worker);

/* Waits for the thread, if it was started. Returns 0, or the negative errno that ended it. */
int arq_worker_join(struct arq_worker *worker);

/* As struct arq_io_buffers, the sum over sockets of a kind. */
struct arq_worker_buffers {
	uint64_t rx_lent, rx_kernel;
	uint64_t tx_free, tx_open, tx_queued;
};

/* All that a worker counts; of io the sum over its sockets. */
struct arq_worker_counters {
	struct arq_io_counters io;
	struct arq_quic_counters quic;
	struct arq_h3_counters h3;
	struct arq_proxy_counters proxy;
	struct arq_handover_counters inbox;
	uint64_t no_owner; /* packets whose connection id names a worker that does not exist */
	uint64_t no_io; /* packets handed to it of a binding that it has no io of */
	struct arq_worker_buffers xsk; /* of its AF_XDP sockets */
	struct arq_worker_buffers udp; /* of its UDP sockets */
};

/* As of one moment between two rounds. Returns 0, or -ESHUTDOWN when the worker has ended. */
int arq_worker_counters_read(struct arq_worker *worker, struct arq_worker_counters *counters);

/* Adds what its requests and targets came to. Returns as above. */
int arq_worker_tally_read(struct arq_worker *worker, struct arq_tally *sum);

/* Writes one line with its counters to the log; not while the thread runs. */
void arq_worker_report(struct arq_worker *worker);

/* Not while the thread runs. NULL is allowed. */
void arq_worker_destroy(struct arq_worker *worker);

#endif
