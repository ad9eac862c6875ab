// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/arquantd/worker.h"

#include "userspace/arquantd/admission.h"
#include "userspace/common/clock.h"
#include "userspace/common/log.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

/* Packets of connections taken from one io before the others and the output have their turn:
 * enough to keep up with a burst, few enough that acknowledgements are not late. */
#define PACKETS_PER_ROUND (4 * ARQ_IO_BATCH)

/* Batches, whatever is in them: as many as an AF_XDP socket's ring holds. What is for no connection
 * is put aside or dropped in a fraction of a microsecond, and must not stay in the way of what is.
 */
#define BATCHES_PER_ROUND 64

/* Newcomers that wait: what comes in a burst of some hundred clients, while one after the other is
 * served. 1.6 KiB each. */
#define NEWCOMERS_WAITING 1024

#define EVENTS_MAX 32

/* Half-open connections, each with a TLS session: bounds what a flood of Initials costs. */
#define HALF_OPEN_MAX 4096

/* What an epoll event is about: an io of the table, or the inbox. */
#define EVENT_INBOX UINT32_MAX

/* Something that the main thread has a worker do between two rounds. */
struct call {
	int (*function)(struct arq_worker *worker, void *argument);
	void *argument;
	int result;
};

/* In the place of a call: the thread has ended. */
static struct call not_running;

struct arq_worker {
	const struct arq_worker_shared *shared;
	const struct arq_generation *generation; /* in force */
	const struct arq_generation *next; /* made ready, with its view */
	struct arq_view *next_view;
	uint16_t index;
	struct arq_quic_endpoint *endpoint;
	struct arq_proxy *proxy;
	struct arq_quic_listener **listeners;
	struct arq_io **ios; /* of each binding, NULL where we have none; then upstream v4, v6 */
	size_t io_count;
	int epoll;
	bool *handed; /* other workers that we pushed packets to in this round */
	uint64_t no_owner; /* packets whose CID names a worker that does not exist */
	uint64_t no_io; /* packets handed to us of a binding that we have no io of */

	pthread_t thread;
	bool started;
	_Atomic int command; /* enum arq_worker_command */
	struct call *_Atomic call; /* of the main thread, waiting */
	sem_t called; /* it is done */
	_Atomic uint64_t rounds; /* of its loop */
	uint64_t rounds_checked; /* the main thread's: as many there were at the last check */
	bool checked;
	int result;
	uint64_t now;
	uint64_t asleep_from; /* end of the last round */
	uint64_t admitted_at; /* end of its part for newcomers */
	uint64_t established; /* packets of established connections, at the last one */
	struct arq_admission admission;
	bool draining;
	uint64_t deadline; /* while draining */
};

/* --- one round -------------------------------------------------------------------------------- */

static int take_from_io(struct arq_worker *worker, struct arq_io *io)
{
	struct arq_rx_packet packets[ARQ_IO_BATCH];
	size_t owned = 0;
	for (int i = 0; i < BATCHES_PER_ROUND && owned < PACKETS_PER_ROUND; i++) {
		int count = arq_io_receive(io, packets, ARQ_IO_BATCH);
		if (count <= 0)
			return count;
		owned +=
			arq_quic_receive(worker->endpoint, io, packets, (size_t)count, worker->now);
		arq_io_release(io, packets, (size_t)count);
	}
	return 0; /* epoll is level-triggered: what is left wakes us again */
}

/* Packets in a row of the same binding go to the endpoint together. */
static void take_handed(struct arq_worker *worker, const struct arq_rx_packet *packets,
			const uint32_t *tags, size_t count)
{
	for (size_t begin = 0, end; begin < count; begin = end) {
		for (end = begin + 1; end < count && tags[end] == tags[begin];)
			end++;
		struct arq_io *io = tags[begin] < worker->shared->bindings->count
					    ? worker->ios[tags[begin]]
					    : NULL;
		if (io)
			arq_quic_receive(worker->endpoint, io, packets + begin, end - begin,
					 worker->now);
		else
			worker->no_io += end - begin;
	}
}

static void take_from_inbox(struct arq_worker *worker)
{
	struct arq_handover *inbox = worker->shared->inboxes[worker->index];
	struct arq_rx_packet packets[ARQ_IO_BATCH];
	uint32_t tags[ARQ_IO_BATCH];
	arq_handover_acknowledge(inbox);
	size_t count;
	int batches = 0;
	while ((count = arq_handover_pop(inbox, packets, tags, ARQ_IO_BATCH)) > 0) {
		take_handed(worker, packets, tags, count);
		arq_handover_release(inbox, count);
		if (++batches == PACKETS_PER_ROUND / ARQ_IO_BATCH) {
			arq_handover_wake(inbox); /* ours: go on in the next round */
			break;
		}
	}
}

/* The binding that an io is of, or the count of all: it goes to upstreams. */
static uint32_t binding_of(const struct arq_worker *worker, const struct arq_io *io)
{
	uint32_t binding = 0;
	while (binding < worker->shared->bindings->count && worker->ios[binding] != io)
		binding++;
	return binding;
}

/* The endpoint met a packet of another worker's connection. */
static void hand_over(void *user, uint16_t owner, struct arq_io *io,
		      const struct arq_rx_packet *packet)
{
	struct arq_worker *worker = user;
	uint32_t tag = binding_of(worker, io);
	/* What comes from an upstream is ours, whatever its connection id says. */
	if (owner >= worker->shared->workers || tag == worker->shared->bindings->count) {
		worker->no_owner++;
		return;
	}
	arq_handover_push(worker->shared->inboxes[owner], packet, tag);
	worker->handed[owner] = true;
}

static void tell_offender(void *user, struct arq_io *io, const union arq_address *remote)
{
	struct arq_worker *worker = user;
	arq_offenders_tell(worker->shared->offenders, binding_of(worker, io), remote);
}

static void wake_handed(struct arq_worker *worker)
{
	for (uint16_t i = 0; i < worker->shared->workers; i++) {
		if (worker->handed[i])
			arq_handover_wake(worker->shared->inboxes[i]);
		worker->handed[i] = false;
	}
}

static const struct arq_config_gateway *gateway_of(const struct arq_worker *worker)
{
	return &worker->generation->config->gateway;
}

static void answer_call(struct arq_worker *worker, struct call *leave)
{
	struct call *call = atomic_load_explicit(&worker->call, memory_order_relaxed);
	if (!call && !leave)
		return;
	call = atomic_exchange_explicit(&worker->call, leave, memory_order_acq_rel);
	if (!call)
		return;
	call->result = leave ? -ESHUTDOWN : call->function(worker, call->argument);
	sem_post(&worker->called);
}

static void obey(struct arq_worker *worker)
{
	int command = atomic_load_explicit(&worker->command, memory_order_acquire);
	answer_call(worker, NULL);
	if (command >= ARQ_WORKER_DRAIN && !worker->draining) {
		worker->draining = true;
		worker->deadline = worker->now + gateway_of(worker)->limits.drain_timeout_ns;
		for (uint32_t i = 0; i < gateway_of(worker)->listeners_count; i++)
			arq_quic_listener_stop(worker->listeners[i]);
		arq_proxy_drain(worker->proxy);
	}
	if (command >= ARQ_WORKER_STOP)
		worker->deadline = worker->now;
}

static int handle(struct arq_worker *worker, const struct epoll_event *event)
{
	if (event->data.u32 == EVENT_INBOX) {
		take_from_inbox(worker);
		return 0;
	}
	struct arq_io *io = worker->ios[event->data.u32];
	int code = take_from_io(worker, io);
	if (code < 0)
		arq_log(ARQ_LOG_ERROR, "worker %u: %s socket: %s", worker->index, arq_io_kind(io),
			strerror(-code));
	return code;
}

static uint64_t next_expiry(const struct arq_worker *worker)
{
	uint64_t expiry = arq_quic_expiry(worker->endpoint);
	uint64_t proxy = arq_proxy_expiry(worker->proxy);
	if (proxy < expiry)
		expiry = proxy;
	if (worker->draining && worker->deadline < expiry)
		expiry = worker->deadline;
	return expiry;
}

/* Milliseconds of epoll_wait would be too coarse for pacing. */
static int wait_events(struct arq_worker *worker, struct epoll_event *events)
{
	uint64_t expiry = next_expiry(worker);
	uint64_t now = worker->asleep_from = arq_clock_now();
	if (expiry == UINT64_MAX)
		return epoll_pwait2(worker->epoll, events, EVENTS_MAX, NULL, NULL);
	uint64_t wait = expiry > now ? expiry - now : 0;
	struct timespec timeout = {
		.tv_sec = (time_t)(wait / 1000000000u),
		.tv_nsec = (long)(wait % 1000000000u),
	};
	return epoll_pwait2(worker->epoll, events, EVENTS_MAX, &timeout, NULL);
}

/* Newcomers' part of the round, after everybody else's packets were taken in. */
static void admit(struct arq_worker *worker)
{
	struct arq_admission *admission = &worker->admission;
	uint64_t established = arq_quic_established_packets(worker->endpoint);
	if (!arq_quic_waiting(worker->endpoint)) {
		arq_admission_rest(admission);
		worker->established = established;
		return;
	}
	uint64_t now = arq_clock_now();
	/* What sent at the end of the last round, and received in this one. */
	uint64_t others = worker->asleep_from - worker->admitted_at + now - worker->now;
	arq_admission_grant(admission, now, others, established != worker->established);
	worker->established = established;
	while (arq_admission_allows(admission) && arq_quic_admit(worker->endpoint, worker->now)) {
		uint64_t before = now;
		now = arq_clock_now();
		arq_admission_spend(admission, now - before);
	}
	worker->admitted_at = now;
}

static int serve_round(struct arq_worker *worker)
{
	struct epoll_event events[EVENTS_MAX];
	int code = 0;
	int count = wait_events(worker, events);
	if (count < 0 && errno != EINTR)
		return -errno;

	atomic_fetch_add_explicit(&worker->rounds, 1, memory_order_relaxed);
	worker->now = arq_clock_now();
	arq_proxy_run(worker->proxy, worker->now);
	for (int i = 0; i < count && code >= 0; i++)
		code = handle(worker, &events[i]);
	obey(worker);
	admit(worker);
	arq_quic_run(worker->endpoint, worker->now);
	wake_handed(worker);
	return code < 0 ? code : 0;
}

static bool finished(const struct arq_worker *worker)
{
	return worker->draining &&
	       (arq_quic_connections(worker->endpoint) == 0 || worker->now >= worker->deadline);
}

/* Says goodbye on whatever is still open, and frees the connections. */
static void finish(struct arq_worker *worker)
{
	worker->now = arq_clock_now();
	arq_proxy_run(worker->proxy, worker->now);
	arq_proxy_close(worker->proxy);
	arq_quic_run(worker->endpoint, worker->now);
	arq_quic_endpoint_destroy(worker->endpoint);
	worker->endpoint = NULL;
}

static void *run(void *argument)
{
	struct arq_worker *worker = argument;
	do {
		worker->result = serve_round(worker);
	} while (worker->result == 0 && !finished(worker));
	answer_call(worker, &not_running);

	uint64_t one = 1;
	ssize_t ignored = write(worker->shared->ended, &one, sizeof(one));
	(void)ignored;
	return NULL;
}

/* --- calls of the main thread ----------------------------------------------------------------- */

/* In the worker's thread if it runs, else here; -ESHUTDOWN when it has ended. */
static int do_call(struct arq_worker *worker, int (*function)(struct arq_worker *, void *),
		   void *argument)
{
	struct call call = {.function = function, .argument = argument};
	struct call *expected = NULL;
	if (!worker->started)
		return function(worker, argument);
	if (!atomic_compare_exchange_strong(&worker->call, &expected, &call))
		return -ESHUTDOWN;
	arq_handover_wake(worker->shared->inboxes[worker->index]);
	while (sem_wait(&worker->called) < 0 && errno == EINTR)
		;
	return call.result;
}

static int call_prepare(struct arq_worker *worker, void *argument)
{
	worker->next = argument;
	return arq_proxy_prepare(worker->proxy, worker->next->proxy, &worker->next_view);
}

static void update_listeners(struct arq_worker *worker)
{
	struct arq_quic_listener_options options = {0};
	for (uint32_t i = 0; i < gateway_of(worker)->listeners_count; i++) {
		arq_proxy_listener(worker->proxy, i, &options);
		arq_quic_listener_update(worker->listeners[i], worker->generation->tls[i],
					 &options.transport);
	}
}

static void set_limits(struct arq_worker *worker);

static int call_switch(struct arq_worker *worker, void *argument)
{
	(void)argument;
	arq_proxy_switch(worker->proxy, worker->next_view);
	worker->next_view = NULL;
	worker->generation = worker->next;
	update_listeners(worker);
	set_limits(worker);
	return 0;
}

static int call_refresh(struct arq_worker *worker, void *argument)
{
	(void)argument;
	int code = arq_proxy_refresh(worker->proxy);
	set_limits(worker);
	return code;
}

static int call_discard(struct arq_worker *worker, void *argument)
{
	(void)argument;
	arq_proxy_discard(worker->next_view);
	worker->next_view = NULL;
	return 0;
}

static bool has_targets(const struct arq_config_gateway *gateway, sa_family_t family);

int arq_worker_prepare(struct arq_worker *worker, const struct arq_generation *next,
		       struct arq_error *error)
{
	struct arq_io **upstream = &worker->ios[worker->shared->bindings->count];
	const struct arq_config_gateway *gateway = &next->config->gateway;
	if ((!upstream[0] && has_targets(gateway, AF_INET)) ||
	    (!upstream[1] && has_targets(gateway, AF_INET6)))
		return arq_error_set(error, -EAFNOSUPPORT,
				     "gateway.pools has targets of an address family that this "
				     "host did not have when arquantd started; restart it");
	int code = do_call(worker, call_prepare, (void *)(uintptr_t)next);
	return code ? arq_error_set(error, code, "worker %u: %s", worker->index, strerror(-code))
		    : 0;
}

void arq_worker_switch(struct arq_worker *worker)
{
	do_call(worker, call_switch, NULL);
}

void arq_worker_discard(struct arq_worker *worker)
{
	do_call(worker, call_discard, NULL);
}

int arq_worker_refresh(struct arq_worker *worker)
{
	return do_call(worker, call_refresh, NULL);
}

unsigned int arq_worker_families(const struct arq_worker *worker)
{
	struct arq_io *const *upstream = &worker->ios[worker->shared->bindings->count];
	return (upstream[0] ? 1u << AF_INET : 0) | (upstream[1] ? 1u << AF_INET6 : 0);
}

/* --- life ------------------------------------------------------------------------------------- */

static int open_bindings(struct arq_worker *worker, struct arq_error *error)
{
	const struct arq_bindings *bindings = worker->shared->bindings;
	for (size_t i = 0; i < bindings->count; i++) {
		if (worker->index >= bindings->list[i].workers)
			continue;
		int code =
			arq_binding_open(&bindings->list[i], worker->index, &worker->ios[i], error);
		if (code != 0)
			return code;
	}
	return 0;
}

static bool has_targets(const struct arq_config_gateway *gateway, sa_family_t family)
{
	for (uint32_t i = 0; i < gateway->pools_count; i++) {
		for (uint32_t j = 0; j < gateway->pools[i].targets_count; j++) {
			if (gateway->pools[i].targets[j].address.sa.sa_family == family)
				return true;
		}
	}
	return false;
}

/* A reload may bring targets of the other family: both are there, as far as the host has them. */
static int open_upstream(struct arq_worker *worker, sa_family_t family, struct arq_io **io,
			 struct arq_error *error)
{
	struct arq_io_udp_options options = {.bind.sa.sa_family = family, .offload = true};
	struct arq_error why = {0};
	int code = arq_io_udp_create(&options, io, &why);
	if (code == 0 || !has_targets(gateway_of(worker), family))
		return 0;
	return arq_error_set(error, code, "socket for upstreams: %s", why.text);
}

/* The worker's share of limits.max_connections, rounded up. */
static uint32_t own_connections(const struct arq_worker *worker)
{
	uint32_t all = gateway_of(worker)->limits.max_connections;
	return all / worker->shared->workers + (all % worker->shared->workers != 0);
}

static const enum arq_quic_retry retries[] = {
	[ARQ_CONFIG_RETRY_AUTO] = ARQ_QUIC_RETRY_AUTO,
	[ARQ_CONFIG_RETRY_ALWAYS] = ARQ_QUIC_RETRY_ALWAYS,
	[ARQ_CONFIG_RETRY_NEVER] = ARQ_QUIC_RETRY_NEVER,
};

static int create_endpoint(struct arq_worker *worker, struct arq_error *error)
{
	const struct arq_worker_shared *shared = worker->shared;
	uint32_t own = own_connections(worker);
	struct arq_quic_endpoint_options options;

	arq_quic_endpoint_options_default(&options);
	options.worker = worker->index;
	options.workers = shared->workers;
	memcpy(options.secret, shared->secret, sizeof(options.secret));
	options.cids = shared->cids;
	options.retry = retries[gateway_of(worker)->transport.retry];
	options.retry_threshold = gateway_of(worker)->transport.retry_threshold;
	options.max_half_open = own < HALF_OPEN_MAX ? own : HALF_OPEN_MAX;
	options.sources = shared->sources;
	options.waiting = NEWCOMERS_WAITING;
	options.foreign_packet = hand_over;
	options.abused = shared->offenders ? tell_offender : NULL;
	options.user = worker;
	return arq_quic_endpoint_create(&options, &worker->endpoint, error);
}

/*
 * The worker's part of what a reload may change. The pools' connections come on top: clients must
 * not be able to shut us off upstream.
 */
static void set_limits(struct arq_worker *worker)
{
	const struct arq_config_limits *limits = &gateway_of(worker)->limits;

	arq_quic_endpoint_set_max_connections(
		worker->endpoint,
		own_connections(worker) + arq_proxy_upstream_connections(worker->proxy));
	arq_quic_endpoint_set_max_memory(worker->endpoint, ((uint64_t)limits->memory_mib << 20) /
								   worker->shared->workers);
	arq_quic_endpoint_set_max_per_source(worker->endpoint, limits->per_source);
	worker->admission.share = limits->newcomers;
}

static int create_listeners(struct arq_worker *worker, struct arq_error *error)
{
	const struct arq_config_gateway *gateway = gateway_of(worker);
	struct arq_quic_listener_options options = {0};

	for (uint32_t i = 0; i < gateway->listeners_count; i++) {
		arq_proxy_listener(worker->proxy, i, &options);
		options.address = gateway->listeners[i].address;
		options.tls = worker->generation->tls[i];
		int code =
			arq_quic_listen(worker->endpoint, &options, &worker->listeners[i], error);
		if (code != 0)
			return arq_error_prefix(error, code, "listener %s",
						gateway->listeners[i].name);
	}
	return 0;
}

static int watch(struct arq_worker *worker)
{
	worker->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (worker->epoll < 0)
		return -errno;
	struct epoll_event event = {.events = EPOLLIN, .data.u32 = EVENT_INBOX};
	if (epoll_ctl(worker->epoll, EPOLL_CTL_ADD,
		      arq_handover_fd(worker->shared->inboxes[worker->index]), &event) < 0)
		return -errno;
	for (size_t i = 0; i < worker->io_count; i++) {
		event.data.u32 = (uint32_t)i;
		if (worker->ios[i] &&
		    epoll_ctl(worker->epoll, EPOLL_CTL_ADD, arq_io_fd(worker->ios[i]), &event) < 0)
			return -errno;
	}
	return 0;
}

static int create_parts(struct arq_worker *worker, struct arq_error *error)
{
	struct arq_io **upstream = &worker->ios[worker->shared->bindings->count];
	int code = open_bindings(worker, error);
	if (code == 0)
		code = open_upstream(worker, AF_INET, &upstream[0], error);
	if (code == 0)
		code = open_upstream(worker, AF_INET6, &upstream[1], error);
	if (code == 0)
		code = create_endpoint(worker, error);
	if (code == 0) {
		struct arq_proxy_options options = {
			.shared = worker->generation->proxy,
			.endpoint = worker->endpoint,
			.upstream_v4 = upstream[0],
			.upstream_v6 = upstream[1],
			.checks = worker->index == 0,
		};
		if (worker->shared->access_log)
			options.sink =
				arq_access_log_sink(worker->shared->access_log, worker->index);
		code = arq_proxy_create(&options, &worker->proxy);
	}
	if (code == 0) {
		set_limits(worker);
		code = create_listeners(worker, error);
	}
	if (code == 0)
		code = watch(worker);
	return code;
}

int arq_worker_create(const struct arq_worker_shared *shared, uint16_t index,
		      struct arq_worker **worker, struct arq_error *error)
{
	struct arq_worker *made = calloc(1, sizeof(*made));
	if (!made)
		return arq_error_set(error, -ENOMEM, "worker %u: out of memory", index);
	made->shared = shared;
	made->generation = shared->generation;
	made->index = index;
	sem_init(&made->called, 0, 0);
	made->epoll = -1;
	made->io_count = shared->bindings->count + 2;
	made->ios = calloc(made->io_count, sizeof(struct arq_io *));
	made->listeners =
		calloc(gateway_of(made)->listeners_count, sizeof(struct arq_quic_listener *));
	made->handed = calloc(shared->workers, sizeof(*made->handed));

	int code = -ENOMEM;
	if (made->ios && made->listeners && made->handed)
		code = create_parts(made, error);
	if (code != 0) {
		arq_worker_destroy(made);
		return arq_error_set(error, code, "worker %u: %s", index, strerror(-code));
	}
	*worker = made;
	return 0;
}

void arq_worker_destroy(struct arq_worker *worker)
{
	if (!worker)
		return;
	arq_proxy_discard(worker->next_view);
	if (worker->endpoint && worker->proxy)
		finish(worker);
	if (worker->endpoint)
		arq_quic_endpoint_destroy(worker->endpoint);
	arq_proxy_destroy(worker->proxy);
	for (size_t i = 0; worker->ios && i < worker->io_count; i++) {
		if (worker->ios[i])
			arq_io_destroy(worker->ios[i]);
	}
	if (worker->epoll >= 0)
		close(worker->epoll);
	sem_destroy(&worker->called);
	free(worker->handed);
	free(worker->listeners);
	free(worker->ios);
	free(worker);
}

int arq_worker_start(struct arq_worker *worker)
{
	int code = pthread_create(&worker->thread, NULL, run, worker);
	if (code != 0)
		return -code;
	char name[16]; /* what the kernel keeps of a thread's name */
	snprintf(name, sizeof(name), "worker-%u", worker->index);
	pthread_setname_np(worker->thread, name);
	worker->started = true;
	return 0;
}

void arq_worker_tell(struct arq_worker *worker, enum arq_worker_command command)
{
	atomic_store_explicit(&worker->command, (int)command, memory_order_release);
	arq_handover_wake(worker->shared->inboxes[worker->index]);
}

bool arq_worker_check(struct arq_worker *worker)
{
	uint64_t rounds = atomic_load_explicit(&worker->rounds, memory_order_relaxed);
	bool alive = !worker->checked || rounds != worker->rounds_checked;
	worker->checked = true;
	worker->rounds_checked = rounds;
	arq_handover_wake(worker->shared->inboxes[worker->index]);
	return alive;
}

int arq_worker_join(struct arq_worker *worker)
{
	if (!worker->started)
		return 0;
	pthread_join(worker->thread, NULL);
	worker->started = false;
	return worker->result;
}

static void add_counters(struct arq_io_counters *sum, struct arq_io *io)
{
	struct arq_io_counters one;
	arq_io_counters_read(io, &one);
	sum->rx_packets += one.rx_packets;
	sum->rx_bytes += one.rx_bytes;
	sum->rx_malformed += one.rx_malformed;
	sum->rx_checksum += one.rx_checksum;
	sum->rx_ring_full += one.rx_ring_full;
	sum->tx_packets += one.tx_packets;
	sum->tx_bytes += one.tx_bytes;
	sum->tx_no_slot += one.tx_no_slot;
	sum->tx_no_neighbour += one.tx_no_neighbour;
	sum->tx_failed += one.tx_failed;
}

static void add_buffers(struct arq_worker_buffers *sum, const struct arq_io *io)
{
	struct arq_io_buffers one;
	arq_io_buffers_read(io, &one);
	sum->rx_lent += one.rx_lent;
	sum->rx_kernel += one.rx_kernel;
	sum->tx_free += one.tx_free;
	sum->tx_open += one.tx_open;
	sum->tx_queued += one.tx_queued;
}

static void add_io(struct arq_worker_counters *counters, struct arq_io *io)
{
	add_counters(&counters->io, io);
	add_buffers(strcmp(arq_io_kind(io), "xsk") == 0 ? &counters->xsk : &counters->udp, io);
}

static int call_counters(struct arq_worker *worker, void *argument)
{
	struct arq_worker_counters *counters = argument;
	*counters =
		(struct arq_worker_counters){.no_owner = worker->no_owner, .no_io = worker->no_io};
	for (size_t i = 0; i < worker->io_count; i++) {
		if (worker->ios[i])
			add_io(counters, worker->ios[i]);
	}
	arq_quic_counters_read(worker->endpoint, &counters->quic);
	arq_proxy_h3_counters_read(worker->proxy, &counters->h3);
	arq_proxy_counters_read(worker->proxy, &counters->proxy);
	arq_handover_counters_read(worker->shared->inboxes[worker->index], &counters->inbox);
	return 0;
}

int arq_worker_counters_read(struct arq_worker *worker, struct arq_worker_counters *counters)
{
	return do_call(worker, call_counters, counters);
}

static int call_tally(struct arq_worker *worker, void *argument)
{
	arq_proxy_tally_read(worker->proxy, argument);
	return 0;
}

int arq_worker_tally_read(struct arq_worker *worker, struct arq_tally *sum)
{
	return do_call(worker, call_tally, sum);
}

void arq_worker_report(struct arq_worker *worker)
{
	struct arq_worker_counters all;
	arq_worker_counters_read(worker, &all);
	const struct arq_io_counters io = all.io;
	const struct arq_quic_counters quic = all.quic;
	const struct arq_proxy_counters proxy = all.proxy;
	const struct arq_handover_counters inbox = all.inbox;
	arq_log(ARQ_LOG_INFO,
		"worker %u: rx %" PRIu64 " (bad %" PRIu64 ", ring full %" PRIu64 "), tx %" PRIu64
		" (failed %" PRIu64 "), handed over %" PRIu64 ", taken over %" PRIu64
		" (lost %" PRIu64 "), no listener %" PRIu64 ", connections %" PRIu64
		", requests %" PRIu64 ", own answers %" PRIu64 ", upstream connections %" PRIu64
		" (failed %" PRIu64 "), upstream requests %" PRIu64 ", retries %" PRIu64
		", resets by client %" PRIu64 ", by upstream %" PRIu64 ", timeouts %" PRIu64,
		worker->index, io.rx_packets, io.rx_malformed + io.rx_checksum, io.rx_ring_full,
		io.tx_packets, io.tx_failed + io.tx_no_neighbour, quic.foreign, inbox.accepted,
		inbox.refused + worker->no_owner + worker->no_io, quic.dropped_no_listener,
		quic.accepted, proxy.requests, proxy.direct, proxy.upstream_connects,
		proxy.upstream_failed, proxy.upstream_requests, proxy.retries, proxy.client_resets,
		proxy.upstream_resets, proxy.timeouts);
}
