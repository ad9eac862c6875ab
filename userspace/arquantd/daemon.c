// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/arquantd/daemon.h"

#include "userspace/arquantd/access_log.h"
#include "userspace/arquantd/binding.h"
#include "userspace/arquantd/control.h"
#include "userspace/arquantd/exporter.h"
#include "userspace/arquantd/exposition.h"
#include "userspace/arquantd/generation.h"
#include "userspace/arquantd/metrics.h"
#include "userspace/arquantd/privileges.h"
#include "userspace/arquantd/reload.h"
#include "userspace/arquantd/resolver.h"
#include "userspace/arquantd/sandbox.h"
#include "userspace/arquantd/secret.h"
#include "userspace/arquantd/status.h"
#include "userspace/arquantd/worker.h"
#include "userspace/common/clock.h"
#include "userspace/common/log.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <systemd/sd-daemon.h>
#include <time.h>
#include <unistd.h>

/* Packets that wait for a worker: more than two batches of each of some others at once. About
 * 1.6 MiB for each worker, and only with several. */
#define INBOX_CAPACITY 1024

struct daemon {
	struct arq_generation *generation; /* in force */
	/* A reference to the first one: bindings borrow its configuration as long as we run. */
	struct arq_proxy_shared *first;
	const struct arq_config_gateway *gateway; /* of the first one */
	struct arq_bindings bindings;
	struct arq_generation_secrets secrets;
	struct arq_worker_shared shared;
	struct arq_worker **workers;
	struct arq_resolver *resolver;
	struct arq_control *control; /* NULL: there is none */
	struct arq_exporter *exporter; /* NULL: nobody may ask for metrics */
	struct arq_metrics_reloads reloads;
	double started; /* seconds since 1970 */
	int signals; /* signalfd */
	unsigned int ends; /* signals to end that came */
};

/* --- before anything outside changes ---------------------------------------------------------- */

/* Everything that neither needs sockets nor changes anything outside. */
static int prepare(struct daemon *daemon, struct arq_config *config, struct arq_error *error)
{
	*daemon = (struct daemon){.signals = -1, .shared.ended = -1};
	int code =
		arq_secret_make(config->gateway.static_secret_file, daemon->secrets.secret, error);
	if (code == 0)
		code = arq_secret_connection_ids(&config->gateway.connection_ids,
						 &daemon->shared.cids, error);
	if (code != 0) {
		arq_config_destroy(config);
		return arq_error_set(error, code, "%s", strerror(-code));
	}
	code = arq_generation_create(config, NULL, &daemon->secrets, NULL, &daemon->generation,
				     error);
	if (code != 0)
		return code;
	daemon->first = arq_proxy_shared_get(daemon->generation->proxy);
	daemon->gateway = &daemon->generation->config->gateway;
	memcpy(daemon->shared.secret, daemon->secrets.secret, sizeof(daemon->shared.secret));
	return arq_resolver_create(&daemon->resolver);
}

static void discard(struct daemon *daemon)
{
	struct arq_worker_shared *shared = &daemon->shared;
	arq_control_close(daemon->control);
	arq_exporter_close(daemon->exporter);
	arq_resolver_destroy(daemon->resolver);
	for (uint16_t i = 0; daemon->workers && i < shared->workers; i++)
		arq_worker_destroy(daemon->workers[i]);
	free(daemon->workers);
	arq_access_log_destroy(shared->access_log);
	arq_offenders_close(shared->offenders);
	arq_quic_sources_destroy(shared->sources);
	for (uint16_t i = 0; shared->inboxes && i < shared->workers; i++)
		arq_handover_destroy(shared->inboxes[i]);
	free(shared->inboxes);
	if (shared->ended >= 0)
		close(shared->ended);
	if (daemon->signals >= 0)
		close(daemon->signals);
	arq_bindings_close(&daemon->bindings);
	arq_generation_destroy(daemon->generation);
	arq_proxy_shared_put(daemon->first);
	arq_quic_replay_put(daemon->secrets.replay);
}

int arq_daemon_check(struct arq_config *config, struct arq_error *error)
{
	struct daemon daemon;
	int code = prepare(&daemon, config, error);
	discard(&daemon);
	return code;
}

/* --- reload ----------------------------------------------------------------------------------- */

/* sd_notify(3): the time lets systemd tell this reload from one that it asked for later. */
static void notify_reloading(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%llu\nSTATUS=Reloading",
		   (unsigned long long)now.tv_sec * 1000000ull +
			   (unsigned long long)now.tv_nsec / 1000ull);
}

static int reload(struct daemon *daemon, struct arq_error *error)
{
	if (daemon->ends)
		return arq_error_set(error, -ESHUTDOWN, "arquantd is ending; it reloads nothing");
	const struct arq_reload_parts parts = {
		.secrets = &daemon->secrets,
		.resolver = daemon->resolver,
		.workers = daemon->workers,
		.workers_count = daemon->shared.workers,
	};
	notify_reloading();
	int code = arq_reload(&daemon->generation, &parts, error);
	if (code == 0)
		arq_log(ARQ_LOG_INFO, "reloaded %s: generation %u",
			daemon->generation->config->path, daemon->generation->number);
	else
		arq_log(ARQ_LOG_ERROR, "reload refused, generation %u stays in force: %s",
			daemon->generation->number, error->text);
	daemon->reloads.done += code == 0;
	daemon->reloads.refused += code != 0;
	daemon->reloads.last_refused = code != 0;
	sd_notifyf(0, "READY=1\nSTATUS=Serving, generation %u%s", daemon->generation->number,
		   code ? "; the last reload was refused" : "");
	return code;
}

static struct json_object *answer_reload(struct daemon *daemon)
{
	struct arq_error error = {0};
	if (reload(daemon, &error) != 0)
		return arq_control_error(error.text);
	struct json_object *answer = json_object_new_object();
	json_object_object_add(answer, "ok", json_object_new_boolean(true));
	json_object_object_add(answer, "generation",
			       json_object_new_int64(daemon->generation->number));
	return answer;
}

static struct json_object *answer_status(struct daemon *daemon)
{
	const struct arq_status_source source = {
		.generation = daemon->generation,
		.bindings = &daemon->bindings,
		.workers = daemon->workers,
		.workers_count = daemon->shared.workers,
		.access_log = daemon->shared.access_log,
		.resolver = daemon->resolver,
		.draining = daemon->ends > 0,
	};
	struct json_object *answer = json_object_new_object();
	json_object_object_add(answer, "ok", json_object_new_boolean(true));
	json_object_object_add(answer, "status", arq_status_read(&source));
	return answer;
}

static struct json_object *answer_drain(struct daemon *daemon, struct json_object *request,
					bool drain)
{
	struct json_object *target = NULL, *answer;
	if (!json_object_object_get_ex(request, "target", &target) ||
	    !json_object_is_type(target, json_type_string))
		return arq_control_error("a \"target\" is missing");
	const char *address = json_object_get_string(target);
	if (arq_status_drain(daemon->generation, address, drain) == 0)
		return arq_control_error("no pool has a target of that address or name; write it "
					 "with its port ('arquant gateway status --json')");
	arq_log(ARQ_LOG_INFO, "target %s: %s", address,
		drain ? "drained, it gets no new requests" : "gets requests again");
	answer = json_object_new_object();
	json_object_object_add(answer, "ok", json_object_new_boolean(true));
	return answer;
}

static struct json_object *answer(void *user, const char *command, struct json_object *request)
{
	if (strcmp(command, "reload") == 0)
		return answer_reload(user);
	if (strcmp(command, "status") == 0)
		return answer_status(user);
	if (strcmp(command, "drain") == 0 || strcmp(command, "undrain") == 0)
		return answer_drain(user, request, command[0] == 'd');
	return arq_control_error("this arquantd does not know that command");
}

/* The default's directory is only there for who runs as a service; who names one wants it. */
static int open_control(struct daemon *daemon, struct arq_error *error)
{
	const struct arq_config_admin *admin = &daemon->gateway->admin;
	const struct passwd *user = daemon->gateway->user ? getpwnam(daemon->gateway->user) : NULL;
	const struct arq_control_options options = {
		.path = admin->control,
		.group = user ? user->pw_gid : (gid_t)-1,
		.answer = answer,
		.user = daemon,
	};
	struct arq_error why = {0};
	int code = arq_control_open(&options, &daemon->control, &why);
	if (code != 0 && admin->control_named)
		return arq_error_set(error, code, "%s", why.text);
	if (code != 0)
		arq_log(ARQ_LOG_INFO, "no control socket (SIGHUP reloads all the same): %s",
			why.text);
	return 0;
}

/* --- names of targets ------------------------------------------------------------------------- */

/* Where addresses have changed, pools get other targets. */
static void refresh(struct daemon *daemon)
{
	int changed = arq_proxy_shared_refresh(daemon->generation->proxy,
					       arq_resolver_names(daemon->resolver));
	int code = changed < 0 ? changed : 0;
	for (uint16_t i = 0; changed != 0 && i < daemon->shared.workers; i++) {
		int one = arq_worker_refresh(daemon->workers[i]);
		if (one != 0 && one != -ESHUTDOWN)
			code = one;
	}
	if (code != 0)
		arq_log(ARQ_LOG_ERROR, "some pools keep the former addresses of names: %s",
			strerror(-code));
}

/* A name that nobody knows is no reason not to start: its targets come later. */
static int begin_names(struct daemon *daemon, struct arq_error *error)
{
	int code = arq_resolver_configure(daemon->resolver, daemon->gateway,
					  arq_worker_families(daemon->workers[0]), error);
	if (code != 0)
		return code;
	arq_resolver_settle(daemon->resolver, ARQ_RELOAD_NAMES_PATIENCE);
	if (arq_resolver_serve(daemon->resolver))
		refresh(daemon);
	return 0;
}

/* --- metrics ---------------------------------------------------------------------------------- */

static char *metrics_text(void *user, size_t *length)
{
	const struct daemon *daemon = user;
	const struct arq_metrics_source source = {
		.generation = daemon->generation,
		.workers = daemon->workers,
		.workers_count = daemon->shared.workers,
		.access_log = daemon->shared.access_log,
		.offenders = daemon->shared.offenders,
		.resolver = daemon->resolver,
		.reloads = daemon->reloads,
		.draining = daemon->ends > 0,
		.started = daemon->started,
	};
	return arq_metrics_text(&source, length);
}

static int open_exporter(struct daemon *daemon, struct arq_error *error)
{
	const struct arq_exporter_options options = {
		.address = daemon->gateway->admin.metrics,
		.text = metrics_text,
		.type = ARQ_EXPOSITION_TYPE,
		.user = daemon,
	};
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	daemon->started = (double)now.tv_sec + (double)now.tv_nsec / 1e9;
	if (!daemon->gateway->admin.metrics_text)
		return 0;
	return arq_exporter_open(&options, &daemon->exporter, error);
}

/* --- start ------------------------------------------------------------------------------------ */

static int create_workers(struct daemon *daemon, struct arq_error *error)
{
	struct arq_worker_shared *shared = &daemon->shared;
	shared->generation = daemon->generation;
	shared->bindings = &daemon->bindings;
	shared->workers = (uint16_t)daemon->bindings.workers;
	shared->inboxes = calloc(shared->workers, sizeof(struct arq_handover *));
	daemon->workers = calloc(shared->workers, sizeof(struct arq_worker *));
	if (!shared->inboxes || !daemon->workers)
		return -ENOMEM;

	int code = arq_offenders_open(&daemon->bindings, daemon->gateway->limits.block_abuse_ns > 0,
				      &shared->offenders);
	if (code == 0)
		code = arq_quic_sources_create(&shared->sources);
	if (code == 0 && daemon->gateway->access_log.file)
		code = arq_access_log_create(daemon->gateway->access_log.file, shared->workers,
					     &shared->access_log);
	/* A worker alone gets no packets of others; its inbox is there for commands. */
	uint32_t capacity = shared->workers > 1 ? INBOX_CAPACITY : 2;
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
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGUSR1);
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
	if (code == 0)
		code = open_control(daemon, error);
	if (code == 0)
		code = open_exporter(daemon, error);
	if (code == 0 && daemon->gateway->user)
		code = arq_privileges_drop(daemon->gateway->user, error);
	if (code == 0)
		code = arq_sandbox_enter(error);
	if (code == 0 && daemon->shared.access_log)
		code = arq_access_log_start(daemon->shared.access_log, error);
	if (code == 0)
		code = begin_names(daemon, error);
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

static void on_end(struct daemon *daemon)
{
	if (++daemon->ends == 1) {
		arq_log(ARQ_LOG_INFO, "draining, %.1f s at most",
			(double)daemon->generation->config->gateway.limits.drain_timeout_ns / 1e9);
		sd_notify(0, "STOPPING=1\nSTATUS=Draining");
		tell_all(daemon, ARQ_WORKER_DRAIN);
	} else {
		arq_log(ARQ_LOG_INFO, "second signal: ending now");
		tell_all(daemon, ARQ_WORKER_STOP);
	}
}

static void take_signals(struct daemon *daemon)
{
	struct signalfd_siginfo info;
	while (read(daemon->signals, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		struct arq_error error = {0};
		if (info.ssi_signo == SIGHUP)
			reload(daemon, &error);
		else if (info.ssi_signo != SIGUSR1)
			on_end(daemon);
		else if (daemon->shared.access_log)
			arq_access_log_reopen(daemon->shared.access_log);
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

static uint64_t clock_ms(void)
{
	return arq_clock_now() / 1000000u;
}

/* When the watchdog wants to be fed: by the clock, for others may wake us all the time. */
struct watchdog {
	uint64_t interval; /* ms between two meals, a third of its patience; 0: there is none */
	uint64_t due;
};

static struct watchdog watchdog_begin(void)
{
	uint64_t patience_us = 0;
	if (sd_watchdog_enabled(0, &patience_us) <= 0)
		return (struct watchdog){0};
	uint64_t interval = patience_us / 1000 / 3;
	return (struct watchdog){interval, clock_ms() + interval};
}

static void watchdog_run(struct watchdog *watchdog, struct daemon *daemon)
{
	uint64_t now = clock_ms();
	if (watchdog->interval == 0 || now < watchdog->due)
		return;
	watchdog->due = now + watchdog->interval;
	feed_watchdog(daemon);
}

/* Milliseconds until there is something to do without an event; -1: never. */
static int patience(const struct daemon *daemon, const struct watchdog *watchdog)
{
	int timeout = daemon->exporter ? arq_exporter_timeout(daemon->exporter) : -1;
	int names = arq_resolver_timeout(daemon->resolver);
	if (names >= 0 && (timeout < 0 || names < timeout))
		timeout = names;
	if (watchdog->interval == 0)
		return timeout;
	uint64_t now = clock_ms(), left = watchdog->due > now ? watchdog->due - now : 0;
	return timeout >= 0 && (uint64_t)timeout < left ? timeout
	       : left < INT_MAX                         ? (int)left
							: INT_MAX;
}

/* Adds to those that have ended. */
static void take_ends(struct daemon *daemon, uint64_t *ended)
{
	uint64_t more = 0;
	if (read(daemon->shared.ended, &more, sizeof(more)) != (ssize_t)sizeof(more))
		return;
	*ended += more;
	/* One that ended unasked failed; the others cannot do its work. */
	if (daemon->ends == 0)
		tell_all(daemon, ARQ_WORKER_STOP);
}

/* Waits for signals, for who asks something, and for the workers to end. */
static void attend(struct daemon *daemon)
{
	struct arq_offenders *offenders = daemon->shared.offenders;
	/* poll(2) passes over a descriptor below 0. */
	struct pollfd waiting[] = {
		{.fd = daemon->signals, .events = POLLIN},
		{.fd = daemon->shared.ended, .events = POLLIN},
		{.fd = daemon->control ? arq_control_fd(daemon->control) : -1, .events = POLLIN},
		{.fd = daemon->exporter ? arq_exporter_fd(daemon->exporter) : -1, .events = POLLIN},
		{.fd = arq_offenders_fd(offenders), .events = POLLIN},
		{.fd = arq_resolver_fd(daemon->resolver), .events = POLLIN},
	};
	struct watchdog watchdog = watchdog_begin();
	uint64_t ended = 0;
	while (ended < daemon->shared.workers) {
		int ready = poll(waiting, sizeof(waiting) / sizeof(waiting[0]),
				 patience(daemon, &watchdog));
		if (ready < 0 && errno != EINTR)
			break;
		watchdog_run(&watchdog, daemon);
		take_signals(daemon);
		if (waiting[2].revents)
			arq_control_serve(daemon->control);
		/* Also without an event: some that it waits for come by the clock. */
		if (daemon->exporter)
			arq_exporter_serve(daemon->exporter);
		if (waiting[4].revents)
			arq_offenders_serve(
				offenders,
				daemon->generation->config->gateway.limits.block_abuse_ns);
		/* Last: what came before may have changed whom it asks for. */
		if (arq_resolver_serve(daemon->resolver))
			refresh(daemon);
		take_ends(daemon, &ended);
	}
}

int arq_daemon_run(struct arq_config *config, struct arq_error *error)
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
	arq_reload_warn_unreadable(daemon.generation->config);
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
