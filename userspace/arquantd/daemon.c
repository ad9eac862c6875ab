// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/arquantd/daemon.h"

#include "userspace/arquantd/binding.h"
#include "userspace/arquantd/credentials.h"
#include "userspace/arquantd/privileges.h"
#include "userspace/arquantd/sandbox.h"
#include "userspace/arquantd/secret.h"
#include "userspace/arquantd/worker.h"
#include "userspace/common/log.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

/* Packets that wait for a worker: more than two batches of each of some others at once. About
 * 1.6 MiB for each worker, and only with several. */
#define INBOX_CAPACITY 1024

struct daemon {
	const struct arq_config_gateway *gateway;
	struct arq_bindings bindings;
	struct arq_proxy_shared *proxy;
	struct arq_quic_replay *replay; /* NULL: no listener takes early data */
	struct arq_worker_shared shared;
	struct arq_worker **workers;
	int signals; /* signalfd */
};

/* --- what the workers share ------------------------------------------------------------------- */

static int create_tls(struct daemon *daemon, struct arq_error *error)
{
	const struct arq_config_gateway *gateway = daemon->gateway;
	daemon->shared.tls = calloc(gateway->listeners_count, sizeof(struct arq_quic_tls *));
	if (!daemon->shared.tls)
		return -ENOMEM;
	int code = 0;
	for (uint32_t i = 0; code == 0 && i < gateway->listeners_count; i++)
		code = arq_credentials_create(&gateway->listeners[i], daemon->shared.secret,
					      &daemon->replay, &daemon->shared.tls[i], error);
	return code;
}

/* Everything that neither needs sockets nor changes anything outside. */
static int prepare(struct daemon *daemon, const struct arq_config *config, struct arq_error *error)
{
	*daemon = (struct daemon){.gateway = &config->gateway, .signals = -1, .shared.ended = -1};
	if (config->gateway.listeners_count == 0)
		return arq_error_set(error, -EINVAL, "%s: nothing to serve; add gateway.listeners",
				     config->path);
	int code =
		arq_secret_make(daemon->gateway->static_secret_file, daemon->shared.secret, error);
	if (code == 0)
		code = arq_secret_connection_ids(&daemon->gateway->connection_ids,
						 &daemon->shared.cids, error);
	if (code == 0)
		code = create_tls(daemon, error);
	if (code == 0)
		code = arq_proxy_shared_create(daemon->gateway, NULL, &daemon->proxy, error);
	return code ? arq_error_set(error, code, "%s", strerror(-code)) : 0;
}

static void discard(struct daemon *daemon)
{
	struct arq_worker_shared *shared = &daemon->shared;
	for (uint16_t i = 0; daemon->workers && i < shared->workers; i++)
		arq_worker_destroy(daemon->workers[i]);
	free(daemon->workers);
	for (uint16_t i = 0; shared->inboxes && i < shared->workers; i++)
		arq_handover_destroy(shared->inboxes[i]);
	free(shared->inboxes);
	for (uint32_t i = 0; shared->tls && i < daemon->gateway->listeners_count; i++)
		arq_quic_tls_put(shared->tls[i]);
	free(shared->tls);
	arq_quic_replay_put(daemon->replay);
	if (shared->ended >= 0)
		close(shared->ended);
	if (daemon->signals >= 0)
		close(daemon->signals);
	arq_bindings_close(&daemon->bindings);
	arq_proxy_shared_put(daemon->proxy);
}

int arq_daemon_check(const struct arq_config *config, struct arq_error *error)
{
	struct daemon daemon;
	int code = prepare(&daemon, config, error);
	discard(&daemon);
	return code;
}

/* --- start ------------------------------------------------------------------------------------ */

static int create_workers(struct daemon *daemon, struct arq_error *error)
{
	struct arq_worker_shared *shared = &daemon->shared;
	shared->gateway = daemon->gateway;
	shared->bindings = &daemon->bindings;
	shared->proxy = daemon->proxy;
	shared->workers = (uint16_t)daemon->bindings.workers;
	shared->inboxes = calloc(shared->workers, sizeof(struct arq_handover *));
	daemon->workers = calloc(shared->workers, sizeof(struct arq_worker *));
	if (!shared->inboxes || !daemon->workers)
		return -ENOMEM;

	/* A worker alone gets no packets of others; its inbox is there for commands. */
	uint32_t capacity = shared->workers > 1 ? INBOX_CAPACITY : 2;
	int code = 0;
	for (uint16_t i = 0; code == 0 && i < shared->workers; i++)
		code = arq_handover_create(capacity, &shared->inboxes[i]);
	for (uint16_t i = 0; code == 0 && i < shared->workers; i++)
		code = arq_worker_create(shared, i, &daemon->workers[i], error);
	return code;
}

/* The threads inherit the mask: signals come to the main thread, as something to read. */
static int catch_signals(struct daemon *daemon)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	signal(SIGPIPE, SIG_IGN);
	int code = pthread_sigmask(SIG_BLOCK, &set, NULL);
	if (code != 0)
		return -code;
	daemon->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	daemon->shared.ended = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return daemon->signals < 0 || daemon->shared.ended < 0 ? -errno : 0;
}

static void tell_all(struct daemon *daemon, enum arq_worker_command command)
{
	for (uint16_t i = 0; i < daemon->shared.workers; i++)
		arq_worker_tell(daemon->workers[i], command);
}

static int join_all(struct daemon *daemon)
{
	int result = 0;
	for (uint16_t i = 0; i < daemon->shared.workers; i++) {
		int code = arq_worker_join(daemon->workers[i]);
		if (code != 0 && result == 0)
			result = code;
	}
	return result;
}

static int start_workers(struct daemon *daemon)
{
	for (uint16_t i = 0; i < daemon->shared.workers; i++) {
		int code = arq_worker_start(daemon->workers[i]);
		if (code != 0) {
			tell_all(daemon, ARQ_WORKER_STOP);
			join_all(daemon);
			return code;
		}
	}
	return 0;
}

/*
 * Packets are steered to us last: before that, whatever fails leaves the machine as it was. (The
 * sockets are in the redirect's map already, but without a service nothing is sent to them.)
 */
static int start(struct daemon *daemon, struct arq_error *error)
{
	int code = catch_signals(daemon);
	if (code == 0)
		code = arq_bindings_plan(daemon->gateway, &daemon->bindings, error);
	if (code == 0)
		code = create_workers(daemon, error);
	if (code == 0 && daemon->gateway->user)
		code = arq_privileges_drop(daemon->gateway->user, error);
	if (code == 0)
		code = arq_sandbox_enter(error);
	if (code == 0)
		code = start_workers(daemon);
	if (code == 0) {
		code = arq_bindings_register(&daemon->bindings, error);
		if (code != 0) {
			tell_all(daemon, ARQ_WORKER_STOP);
			join_all(daemon);
		}
	}
	return code ? arq_error_set(error, code, "%s", strerror(-code)) : 0;
}

/* --- until the end ---------------------------------------------------------------------------- */

static bool take_signal(struct daemon *daemon)
{
	struct signalfd_siginfo info;
	return read(daemon->signals, &info, sizeof(info)) == (ssize_t)sizeof(info);
}

static void on_signal(struct daemon *daemon, int number)
{
	if (number == 1) {
		arq_log(ARQ_LOG_INFO, "draining, %.1f s at most",
			(double)daemon->gateway->limits.drain_timeout_ns / 1e9);
		sd_notify(0, "STOPPING=1\nSTATUS=Draining");
		tell_all(daemon, ARQ_WORKER_DRAIN);
	} else {
		arq_log(ARQ_LOG_INFO, "second signal: ending now");
		tell_all(daemon, ARQ_WORKER_STOP);
	}
}

/* Tells systemd that we live, unless a worker hangs: then it is to restart us. */
static void feed_watchdog(struct daemon *daemon)
{
	bool alive = true;
	for (uint16_t i = 0; i < daemon->shared.workers; i++) {
		if (!arq_worker_check(daemon->workers[i])) {
			arq_log(ARQ_LOG_ERROR, "worker %u does not go round its loop any more", i);
			alive = false;
		}
	}
	if (alive)
		sd_notify(0, "WATCHDOG=1");
}

/* Milliseconds between two meals of the watchdog: a third of its patience; -1 without one. */
static int watchdog_interval(void)
{
	uint64_t patience_us = 0;
	if (sd_watchdog_enabled(0, &patience_us) <= 0)
		return -1;
	uint64_t interval = patience_us / 1000 / 3;
	return interval < INT_MAX ? (int)interval : INT_MAX;
}

/* Waits for signals, and for the workers to end. */
static void attend(struct daemon *daemon)
{
	struct pollfd waiting[] = {{.fd = daemon->signals, .events = POLLIN},
				   {.fd = daemon->shared.ended, .events = POLLIN}};
	const int interval = watchdog_interval();
	uint64_t ended = 0;
	int signals = 0;
	while (ended < daemon->shared.workers) {
		int ready = poll(waiting, 2, interval);
		if (ready < 0 && errno != EINTR)
			break;
		if (interval >= 0 && ready == 0)
			feed_watchdog(daemon);
		while (take_signal(daemon))
			on_signal(daemon, ++signals);
		uint64_t more = 0;
		if (read(daemon->shared.ended, &more, sizeof(more)) != (ssize_t)sizeof(more))
			continue;
		ended += more;
		/* One that ended unasked failed; the others cannot do its work. */
		if (signals == 0)
			tell_all(daemon, ARQ_WORKER_STOP);
	}
}

int arq_daemon_run(const struct arq_config *config, struct arq_error *error)
{
	struct daemon daemon;
	int code = prepare(&daemon, config, error);
	if (code == 0)
		code = start(&daemon, error);
	if (code != 0) {
		discard(&daemon);
		return code;
	}
	arq_bindings_log(&daemon.bindings);
	arq_log(ARQ_LOG_INFO, "arquantd " ARQUANT_VERSION " serves with %u workers",
		daemon.shared.workers);
	sd_notify(0, "READY=1\nSTATUS=Serving");

	attend(&daemon);
	code = join_all(&daemon);
	for (uint16_t i = 0; i < daemon.shared.workers; i++)
		arq_worker_report(daemon.workers[i]);
	discard(&daemon);
	return code ? arq_error_set(error, code, "a worker ended: %s", strerror(-code)) : 0;
}
