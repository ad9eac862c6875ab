// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/arquantd/metrics.h"

#include "userspace/arquantd/exposition.h"
#include "userspace/common/clock.h"
#include "userspace/proxy/member.h"
#include "userspace/proxy/tally.h"

#include <gnutls/gnutls.h>
#include <inttypes.h>
#include <nghttp3/nghttp3.h>
#include <ngtcp2/ngtcp2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define LENGTH(list) (sizeof(list) / sizeof((list)[0]))

/* What all workers say, as of one moment of each. */
struct reading {
	const struct arq_metrics_source *source;
	struct arq_worker_counters *counters; /* of each worker */
	bool *there; /* it has not ended */
	struct arq_tally *tally; /* of all */
	struct arq_tally *pools; /* the same by pool alone */
	uint64_t now; /* ns, CLOCK_MONOTONIC */
};

struct metric;

/* Writes the samples of a metric. */
typedef void write_function(struct arq_exposition *out, const struct metric *metric,
			    const struct reading *reading);

/* A counter of a worker, and the labels that tell it from others of the metric. */
struct counter {
	size_t offset; /* in struct arq_worker_counters */
	struct arq_label labels[2];
};

struct metric {
	const char *name;
	const char *type;
	const char *labels; /* names, for people; NULL: none */
	const char *help;
	write_function *write;
	const struct counter *counters; /* for write_workers */
	size_t count;
};

/* --- of workers ---------------------------------------------------------------------------------
 */

static void write_workers(struct arq_exposition *out, const struct metric *metric,
			  const struct reading *reading)
{
	for (uint16_t worker = 0; worker < reading->source->workers_count; worker++) {
		char number[8];
		if (!reading->there[worker])
			continue;
		snprintf(number, sizeof(number), "%u", worker);
		for (size_t i = 0; i < metric->count; i++) {
			const struct counter *counter = &metric->counters[i];
			const struct arq_label labels[] = {
				{"worker", number}, counter->labels[0], counter->labels[1]};
			const char *all = (const char *)&reading->counters[worker];
			uint64_t value;
			memcpy(&value, all + counter->offset, sizeof(value));
			arq_exposition_integer(out, metric->name, labels, LENGTH(labels), value);
		}
	}
}

static void write_rtt(struct arq_exposition *out, const struct metric *metric,
		      const struct reading *reading)
{
	struct arq_histogram sum = {0};
	for (uint16_t i = 0; i < reading->source->workers_count; i++) {
		if (reading->there[i])
			arq_histogram_add(&sum, &reading->counters[i].quic.rtt);
	}
	arq_exposition_histogram(out, metric->name, NULL, 0, &sum);
}

#define AT(field) offsetof(struct arq_worker_counters, field)

/* A metric's counters: each a field, and up to two pairs of label and value. */
#define COUNTERS(name, ...) static const struct counter name[] = {__VA_ARGS__}

#define L(name, value)      \
	{                   \
		name, value \
	}

COUNTERS(io_received, {AT(io.rx_packets), {{0}}});
COUNTERS(io_received_bytes, {AT(io.rx_bytes), {{0}}});
COUNTERS(io_sent, {AT(io.tx_packets), {{0}}});
COUNTERS(io_sent_bytes, {AT(io.tx_bytes), {{0}}});
COUNTERS(io_dropped, {AT(io.rx_malformed), {L("direction", "receive"), L("reason", "malformed")}},
	 {AT(io.rx_checksum), {L("direction", "receive"), L("reason", "checksum")}},
	 {AT(io.rx_ring_full), {L("direction", "receive"), L("reason", "ring_full")}},
	 {AT(io.tx_no_neighbour), {L("direction", "send"), L("reason", "no_neighbour")}},
	 {AT(io.tx_failed), {L("direction", "send"), L("reason", "refused")}});
COUNTERS(io_no_slot, {AT(io.tx_no_slot), {{0}}});
COUNTERS(io_buffers, {AT(xsk.rx_lent), {L("io", "xsk"), L("state", "receive_lent")}},
	 {AT(xsk.rx_kernel), {L("io", "xsk"), L("state", "receive_kernel")}},
	 {AT(xsk.tx_free), {L("io", "xsk"), L("state", "send_free")}},
	 {AT(xsk.tx_open), {L("io", "xsk"), L("state", "send_open")}},
	 {AT(xsk.tx_queued), {L("io", "xsk"), L("state", "send_queued")}},
	 {AT(udp.rx_lent), {L("io", "udp"), L("state", "receive_lent")}},
	 {AT(udp.rx_kernel), {L("io", "udp"), L("state", "receive_kernel")}},
	 {AT(udp.tx_free), {L("io", "udp"), L("state", "send_free")}},
	 {AT(udp.tx_open), {L("io", "udp"), L("state", "send_open")}},
	 {AT(udp.tx_queued), {L("io", "udp"), L("state", "send_queued")}});
COUNTERS(handover_given, {AT(quic.foreign), {{0}}});
COUNTERS(handover_taken, {AT(inbox.accepted), {{0}}});
COUNTERS(handover_lost, {AT(inbox.refused), {L("reason", "inbox_full")}},
	 {AT(no_owner), {L("reason", "no_owner")}}, {AT(no_io), {L("reason", "no_socket")}},
	 {AT(quic.dropped_foreign), {L("reason", "no_way")}});
COUNTERS(quic_received, {AT(quic.packets_received), {{0}}});
COUNTERS(quic_established, {AT(quic.packets_established), {{0}}});
COUNTERS(quic_sent, {AT(quic.packets_sent), {{0}}});
COUNTERS(quic_dropped, {AT(quic.dropped_malformed), {L("reason", "malformed")}},
	 {AT(quic.dropped_initial_size), {L("reason", "initial_size")}},
	 {AT(quic.dropped_version_size), {L("reason", "version_size")}},
	 {AT(quic.dropped_unknown), {L("reason", "unknown_connection")}},
	 {AT(quic.dropped_limit), {L("reason", "limit")}},
	 {AT(quic.refused_source), {L("reason", "source")}},
	 {AT(quic.dropped_busy), {L("reason", "busy")}},
	 {AT(quic.dropped_no_listener), {L("reason", "no_listener")}},
	 {AT(quic.dropped_no_slot), {L("reason", "no_slot")}},
	 {AT(quic.dropped_closing), {L("reason", "closing")}});
COUNTERS(quic_opened, {AT(quic.accepted), {L("role", "server")}},
	 {AT(quic.connects), {L("role", "client")}});
COUNTERS(quic_connections, {AT(quic.connections), {{0}}});
COUNTERS(quic_half_open, {AT(quic.half_open), {{0}}});
COUNTERS(quic_closing, {AT(quic.closing), {{0}}});
COUNTERS(quic_closed, {AT(quic.closed_local), {L("cause", "local")}},
	 {AT(quic.closed_peer), {L("cause", "peer")}}, {AT(quic.closed_idle), {L("cause", "idle")}},
	 {AT(quic.closed_silent), {L("cause", "silent")}},
	 {AT(quic.closed_reset), {L("cause", "stateless_reset")}});
COUNTERS(quic_abuse, {AT(quic.closed_abuse), {{0}}});
COUNTERS(quic_reaped, {AT(quic.closed_memory), {{0}}});
COUNTERS(quic_handshakes, {AT(quic.handshakes_completed), {L("result", "completed")}},
	 {AT(quic.handshakes_failed_tls), {L("result", "tls")}},
	 {AT(quic.handshakes_failed_timeout), {L("result", "timeout")}},
	 {AT(quic.handshakes_failed_other), {L("result", "other")}});
COUNTERS(quic_resumed, {AT(quic.handshakes_resumed), {{0}}});
COUNTERS(quic_early, {AT(quic.early_data_accepted), {{0}}});
COUNTERS(quic_tickets, {AT(quic.tickets_sent), {{0}}});
COUNTERS(quic_retries, {AT(quic.retry_sent), {{0}}});
COUNTERS(quic_tokens, {AT(quic.retry_accepted), {L("result", "retry")}},
	 {AT(quic.token_accepted), {L("result", "new_token")}},
	 {AT(quic.token_invalid), {L("result", "invalid")}});
COUNTERS(quic_versions, {AT(quic.version_negotiation_sent), {{0}}});
COUNTERS(quic_resets, {AT(quic.stateless_reset_sent), {{0}}});
COUNTERS(quic_repeated, {AT(quic.close_repeated), {{0}}});
COUNTERS(quic_stalled, {AT(quic.output_stalled), {{0}}});
COUNTERS(quic_migrated, {AT(quic.paths_migrated), {{0}}});
COUNTERS(quic_congestion, {AT(quic.congestion_events), {{0}}});
COUNTERS(quic_memory, {AT(quic.memory), {{0}}});
COUNTERS(quic_memory_peak, {AT(quic.memory_peak), {{0}}});
COUNTERS(h3_opened, {AT(h3.sessions_server), {L("role", "server")}},
	 {AT(h3.sessions_client), {L("role", "client")}});
COUNTERS(h3_sessions, {AT(h3.sessions), {{0}}});
COUNTERS(h3_streams, {AT(h3.streams), {{0}}});
COUNTERS(h3_requests, {AT(h3.requests_received), {L("role", "server")}},
	 {AT(h3.requests_sent), {L("role", "client")}});
COUNTERS(h3_responses, {AT(h3.responses_sent), {L("role", "server")}},
	 {AT(h3.responses_received), {L("role", "client")}});
COUNTERS(h3_refused, {AT(h3.messages_malformed), {L("reason", "malformed")}},
	 {AT(h3.sections_too_large), {L("reason", "section_too_large")}},
	 {AT(h3.requests_rejected), {L("reason", "rejected")}});
COUNTERS(h3_abandoned, {AT(h3.streams_reset_by_peer), {L("frame", "reset_stream")}},
	 {AT(h3.streams_stopped_by_peer), {L("frame", "stop_sending")}});
COUNTERS(h3_errors, {AT(h3.protocol_errors), {{0}}});
COUNTERS(h3_received, {AT(h3.body_received), {{0}}});
COUNTERS(h3_sent, {AT(h3.body_sent), {{0}}});
COUNTERS(h3_short, {AT(h3.write_short), {{0}}});
COUNTERS(h3_slabs, {AT(h3.slabs), {L("state", "used")}},
	 {AT(h3.slabs_spare), {L("state", "spare")}});
COUNTERS(h3_slabs_peak, {AT(h3.slabs_peak), {{0}}});
COUNTERS(h3_memory, {AT(h3.memory), {{0}}});
COUNTERS(proxy_begun, {AT(proxy.requests), {{0}}});
COUNTERS(proxy_exchanges, {AT(proxy.exchanges), {{0}}});
COUNTERS(proxy_direct, {AT(proxy.direct), {{0}}});
COUNTERS(proxy_sessions, {AT(proxy.sessions), {{0}}});
COUNTERS(proxy_failed, {AT(proxy.client_resets), {L("cause", "client")}},
	 {AT(proxy.upstream_resets), {L("cause", "upstream")}},
	 {AT(proxy.timeouts), {L("cause", "timeout")}});
COUNTERS(proxy_upstream, {AT(proxy.upstream_requests), {{0}}});
COUNTERS(proxy_retries, {AT(proxy.retries), {{0}}});
COUNTERS(proxy_connects, {AT(proxy.upstream_connects), {L("result", "begun")}},
	 {AT(proxy.upstream_failed), {L("result", "failed")}});
COUNTERS(raw_connections, {AT(proxy.raw_connections), {{0}}});
COUNTERS(raw_streams, {AT(proxy.raw_streams), {{0}}});
COUNTERS(raw_broken, {AT(proxy.raw_broken), {{0}}});

/* --- of requests --------------------------------------------------------------------------------
 */

static const char *const classes[ARQ_TALLY_CLASSES] = {
	[ARQ_TALLY_2XX] = "2xx", [ARQ_TALLY_3XX] = "3xx",          [ARQ_TALLY_4XX] = "4xx",
	[ARQ_TALLY_5XX] = "5xx", [ARQ_TALLY_NO_RESPONSE] = "none",
};

static void write_requests(struct arq_exposition *out, const struct metric *metric,
			   const struct reading *reading)
{
	const struct arq_tally_requests *row;
	for (size_t i = 0; (row = arq_tally_requests_at(reading->tally, i)); i++) {
		for (size_t class = 0; class < ARQ_TALLY_CLASSES; class ++) {
			const struct arq_label labels[] = {
				{"listener", row->row.names[0]},
				{"route", row->row.names[1]},
				{"pool", row->row.names[2]},
				{"code", classes[class]},
			};
			if (row->ended[class] > 0)
				arq_exposition_integer(out, metric->name, labels, LENGTH(labels),
						       row->ended[class]);
		}
	}
}

static void write_bodies(struct arq_exposition *out, const struct metric *metric,
			 const struct reading *reading)
{
	const struct arq_tally_requests *row;
	for (size_t i = 0; (row = arq_tally_requests_at(reading->tally, i)); i++) {
		struct arq_label labels[] = {
			{"listener", row->row.names[0]},
			{"route", row->row.names[1]},
			{"pool", row->row.names[2]},
			{"direction", "received"},
		};
		if (row->received + row->sent == 0)
			continue;
		arq_exposition_integer(out, metric->name, labels, LENGTH(labels), row->received);
		labels[3].value = "sent";
		arq_exposition_integer(out, metric->name, labels, LENGTH(labels), row->sent);
	}
}

static void write_durations(struct arq_exposition *out, const struct metric *metric,
			    const struct reading *reading)
{
	const struct arq_tally_requests *row;
	for (size_t i = 0; (row = arq_tally_requests_at(reading->pools, i)); i++) {
		const struct arq_label label = {"pool", row->row.names[2]};
		arq_exposition_histogram(out, metric->name, &label, 1, &row->duration);
	}
}

/* --- of targets ---------------------------------------------------------------------------------
 */

static void write_answers(struct arq_exposition *out, const struct metric *metric,
			  const struct reading *reading)
{
	const struct arq_tally_target *row;
	for (size_t i = 0; (row = arq_tally_target_at(reading->pools, i)); i++) {
		const struct arq_label label = {"pool", row->row.names[0]};
		arq_exposition_histogram(out, metric->name, &label, 1, &row->answer);
	}
}

/* One number of each target's row. */
static void write_row(struct arq_exposition *out, const char *name,
		      const struct arq_tally_target *row, const struct arq_label *more,
		      uint64_t value)
{
	const struct arq_label labels[] = {
		{"pool", row->row.names[0]},
		{"target", row->row.names[1]},
		more ? *more : (struct arq_label){0},
	};
	arq_exposition_integer(out, name, labels, LENGTH(labels), value);
}

#define WRITE_TARGETS(function, field)                                                  \
	static void function(struct arq_exposition *out, const struct metric *metric,   \
			     const struct reading *reading)                             \
	{                                                                               \
		const struct arq_tally_target *row;                                     \
		for (size_t i = 0; (row = arq_tally_target_at(reading->tally, i)); i++) \
			write_row(out, metric->name, row, NULL, row->field);            \
	}

WRITE_TARGETS(write_target_requests, requests)
WRITE_TARGETS(write_target_retries, retries)
WRITE_TARGETS(write_target_connects, connects)
WRITE_TARGETS(write_target_connects_failed, connects_failed)

#define WRITE_LOADS(function, field)                                                        \
	static void function(struct arq_exposition *out, const struct metric *metric,       \
			     const struct reading *reading)                                 \
	{                                                                                   \
		const struct arq_tally_load *row;                                           \
		for (size_t i = 0; (row = arq_tally_load_at(reading->tally, i)); i++) {     \
			const struct arq_label labels[] = {{"pool", row->row.names[0]},     \
							   {"target", row->row.names[1]},   \
							   {"address", row->row.names[2]}}; \
			arq_exposition_integer(out, metric->name, labels, LENGTH(labels),   \
					       row->field);                                 \
		}                                                                           \
	}

WRITE_LOADS(write_target_active, active)
WRITE_LOADS(write_target_waiting, waiting)
WRITE_LOADS(write_target_connections, connections)

static void write_target_failures(struct arq_exposition *out, const struct metric *metric,
				  const struct reading *reading)
{
	const struct arq_tally_target *row;
	for (size_t i = 0; (row = arq_tally_target_at(reading->tally, i)); i++) {
		write_row(out, metric->name, row, &(struct arq_label)L("kind", "error"),
			  row->errors);
		write_row(out, metric->name, row, &(struct arq_label)L("kind", "broken"),
			  row->broken);
		write_row(out, metric->name, row, &(struct arq_label)L("kind", "late"), row->late);
	}
}

/* Something of the state of each target of the configuration. */
static void
write_states(struct arq_exposition *out, const struct metric *metric, const struct reading *reading,
	     uint64_t (*value)(const struct arq_members *members, size_t i, uint64_t now))
{
	const struct arq_generation *generation = reading->source->generation;
	for (uint32_t i = 0; i < generation->config->gateway.pools_count; i++) {
		const struct arq_members *members = arq_proxy_shared_members(generation->proxy, i);
		for (size_t j = 0; j < arq_members_count(members); j++) {
			struct arq_member_status status;
			arq_member_status(members, j, reading->now, &status);
			const struct arq_label labels[] = {
				{"pool", generation->config->gateway.pools[i].name},
				{"target", status.configured},
				{"address", status.address},
			};
			arq_exposition_integer(out, metric->name, labels, LENGTH(labels),
					       value(members, j, reading->now));
		}
	}
}

static uint64_t is_usable(const struct arq_members *members, size_t i, uint64_t now)
{
	return arq_member_usable(members, i, now);
}

static uint64_t is_healthy(const struct arq_members *members, size_t i, uint64_t now)
{
	struct arq_member_status status;
	arq_member_status(members, i, now, &status);
	return status.healthy;
}

static uint64_t is_drained(const struct arq_members *members, size_t i, uint64_t now)
{
	(void)now;
	return arq_member_drained(members, i);
}

static uint64_t is_ejected(const struct arq_members *members, size_t i, uint64_t now)
{
	struct arq_member_status status;
	arq_member_status(members, i, now, &status);
	return status.ejected_for > 0;
}

static uint64_t ejections(const struct arq_members *members, size_t i, uint64_t now)
{
	struct arq_member_status status;
	arq_member_status(members, i, now, &status);
	return status.ejections;
}

#define WRITE_STATES(function, value)                                                 \
	static void function(struct arq_exposition *out, const struct metric *metric, \
			     const struct reading *reading)                           \
	{                                                                             \
		write_states(out, metric, reading, value);                            \
	}

WRITE_STATES(write_usable, is_usable)
WRITE_STATES(write_healthy, is_healthy)
WRITE_STATES(write_drained, is_drained)
WRITE_STATES(write_ejected, is_ejected)
WRITE_STATES(write_ejections, ejections)

/* --- of the daemon
 * -------------------------------------------------------------------------------- */

static void write_build(struct arq_exposition *out, const struct metric *metric,
			const struct reading *reading)
{
	(void)reading;
	const struct arq_label labels[] = {
		{"version", ARQUANT_VERSION},
		{"ngtcp2", ngtcp2_version(0)->version_str},
		{"nghttp3", nghttp3_version(0)->version_str},
		{"gnutls", gnutls_check_version(NULL)},
	};
	arq_exposition_integer(out, metric->name, labels, LENGTH(labels), 1);
}

static void write_generation(struct arq_exposition *out, const struct metric *metric,
			     const struct reading *reading)
{
	arq_exposition_integer(out, metric->name, NULL, 0, reading->source->generation->number);
}

static void write_reloads(struct arq_exposition *out, const struct metric *metric,
			  const struct reading *reading)
{
	const struct arq_metrics_reloads *reloads = &reading->source->reloads;
	const struct arq_label done = {"result", "done"}, refused = {"result", "refused"};
	arq_exposition_integer(out, metric->name, &done, 1, reloads->done);
	arq_exposition_integer(out, metric->name, &refused, 1, reloads->refused);
}

static void write_reload_successful(struct arq_exposition *out, const struct metric *metric,
				    const struct reading *reading)
{
	arq_exposition_integer(out, metric->name, NULL, 0, !reading->source->reloads.last_refused);
}

static void write_access_log(struct arq_exposition *out, const struct metric *metric,
			     const struct reading *reading)
{
	struct arq_access_log_counters counters;
	if (!reading->source->access_log)
		return;
	arq_access_log_read(reading->source->access_log, &counters);
	const struct arq_label labels[] = {
		{"result", "written"}, {"result", "lost_full"}, {"result", "lost_failed"}};
	arq_exposition_integer(out, metric->name, &labels[0], 1, counters.written);
	arq_exposition_integer(out, metric->name, &labels[1], 1, counters.lost_full);
	arq_exposition_integer(out, metric->name, &labels[2], 1, counters.lost_failed);
}

static void write_offenders(struct arq_exposition *out, const struct metric *metric,
			    const struct reading *reading)
{
	static const struct arq_label results[] = {
		{"result", "blocked"}, {"result", "refused"}, {"result", "lost"}};
	if (!reading->source->offenders)
		return;
	const struct arq_offenders_counters counters =
		arq_offenders_read(reading->source->offenders);
	arq_exposition_integer(out, metric->name, &results[0], 1, counters.blocked);
	arq_exposition_integer(out, metric->name, &results[1], 1, counters.refused);
	arq_exposition_integer(out, metric->name, &results[2], 1, counters.lost);
}

static void write_questions(struct arq_exposition *out, const struct metric *metric,
			    const struct reading *reading)
{
	static const struct arq_label results[] = {{"result", "asked"}, {"result", "failed"}};
	const struct arq_resolver_counters counters = arq_resolver_read(reading->source->resolver);
	arq_exposition_integer(out, metric->name, &results[0], 1, counters.questions);
	arq_exposition_integer(out, metric->name, &results[1], 1, counters.failures);
}

static void write_name_changes(struct arq_exposition *out, const struct metric *metric,
			       const struct reading *reading)
{
	arq_exposition_integer(out, metric->name, NULL, 0,
			       arq_resolver_read(reading->source->resolver).changes);
}

/* Something of each name of the configuration. */
static void write_names(struct arq_exposition *out, const struct metric *metric,
			const struct reading *reading,
			uint64_t (*value)(const struct arq_resolver_name *name))
{
	const struct arq_resolver_name *name;
	for (size_t i = 0; (name = arq_resolver_at(reading->source->resolver, i)); i++)
		arq_exposition_integer(out, metric->name, &(struct arq_label){"name", name->text},
				       1, value(name));
}

static uint64_t address_count(const struct arq_resolver_name *name)
{
	return name->count;
}

static uint64_t is_failing(const struct arq_resolver_name *name)
{
	return name->failures > 0;
}

static void write_name_addresses(struct arq_exposition *out, const struct metric *metric,
				 const struct reading *reading)
{
	write_names(out, metric, reading, address_count);
}

static void write_name_failing(struct arq_exposition *out, const struct metric *metric,
			       const struct reading *reading)
{
	write_names(out, metric, reading, is_failing);
}

static void write_name_age(struct arq_exposition *out, const struct metric *metric,
			   const struct reading *reading)
{
	const struct arq_resolver_name *name;
	for (size_t i = 0; (name = arq_resolver_at(reading->source->resolver, i)); i++) {
		if (name->answered)
			arq_exposition_seconds(out, metric->name,
					       &(struct arq_label){"name", name->text}, 1,
					       reading->now - name->answered);
	}
}

static void write_draining(struct arq_exposition *out, const struct metric *metric,
			   const struct reading *reading)
{
	arq_exposition_integer(out, metric->name, NULL, 0, reading->source->draining);
}

static uint64_t microseconds(const struct timeval *time)
{
	return (uint64_t)time->tv_sec * 1000000u + (uint64_t)time->tv_usec;
}

static void write_cpu(struct arq_exposition *out, const struct metric *metric,
		      const struct reading *reading)
{
	struct rusage usage;
	(void)reading;
	getrusage(RUSAGE_SELF, &usage);
	arq_exposition_seconds(out, metric->name, NULL, 0,
			       (microseconds(&usage.ru_utime) + microseconds(&usage.ru_stime)) *
				       1000u);
}

static void write_resident(struct arq_exposition *out, const struct metric *metric,
			   const struct reading *reading)
{
	uint64_t size, resident;
	FILE *file = fopen("/proc/self/statm", "re");
	(void)reading;
	if (!file)
		return;
	if (fscanf(file, "%" SCNu64 " %" SCNu64, &size, &resident) == 2)
		arq_exposition_integer(out, metric->name, NULL, 0,
				       resident * (uint64_t)sysconf(_SC_PAGESIZE));
	fclose(file);
}

static void write_started(struct arq_exposition *out, const struct metric *metric,
			  const struct reading *reading)
{
	arq_exposition_seconds(out, metric->name, NULL, 0,
			       (uint64_t)(reading->source->started * 1e9));
}

/* --- the table ----------------------------------------------------------------------------------
 */

#define WORKERS(name, type, labels, help, counters)                                 \
	{                                                                           \
		name, type, labels, help, write_workers, counters, LENGTH(counters) \
	}

#define OTHER(name, type, labels, help, write)           \
	{                                                \
		name, type, labels, help, write, NULL, 0 \
	}

static const struct metric metrics[] = {
	OTHER("arquant_build_info", "gauge", "version, ngtcp2, nghttp3, gnutls",
	      "Always 1; the labels say what runs.", write_build),
	OTHER("arquant_config_generation", "gauge", NULL,
	      "The configuration in force: 1 after the start, one more with each reload.",
	      write_generation),
	OTHER("arquant_config_reloads_total", "counter", "result", "Reloads, done or refused.",
	      write_reloads),
	OTHER("arquant_config_last_reload_successful", "gauge", NULL,
	      "0 when the last reload was refused.", write_reload_successful),
	OTHER("arquant_draining", "gauge", NULL,
	      "1 when arquantd was told to end and finishes what is open.", write_draining),

	OTHER("arquant_access_log_records_total", "counter", "result",
	      "Requests for the access log: written, lost because its buffer was full, lost "
	      "because "
	      "the file did not take them. Without a log there are none.",
	      write_access_log),

	OTHER("arquant_offenders_total", "counter", "result",
	      "Sources that abused a connection: blocked in the firewall, refused by it, lost "
	      "because too many came at a time. Without gateway.limits.block_abuse none is.",
	      write_offenders),

	OTHER("arquant_requests_total", "counter", "listener, route, pool, code",
	      "Requests that are over, by class of status; code none: ended without a response.",
	      write_requests),
	OTHER("arquant_request_body_bytes_total", "counter", "listener, route, pool, direction",
	      "Bytes of bodies received from clients and sent to them, of requests that are over.",
	      write_bodies),
	OTHER("arquant_request_duration_seconds", "histogram", "pool",
	      "From a request's header section to the end of its stream; pool none: our own "
	      "answers, which are not timed.",
	      write_durations),
	WORKERS("arquant_requests_begun_total", "counter", "worker",
		"Requests of clients whose header section came.", proxy_begun),
	WORKERS("arquant_requests_active", "gauge", "worker",
		"Requests under way to an upstream or waiting for one.", proxy_exchanges),
	WORKERS("arquant_own_responses_total", "counter", "worker",
		"Responses that arquantd made by itself: respond, redirect, errors.", proxy_direct),
	WORKERS("arquant_request_failures_total", "counter", "worker, cause",
		"Requests that the client abandoned, that failed at an upstream (each try), or "
		"that took too long.",
		proxy_failed),
	WORKERS("arquant_client_sessions_total", "counter", "worker",
		"HTTP/3 connections of clients.", proxy_sessions),

	OTHER("arquant_upstream_response_seconds", "histogram", "pool",
	      "From giving a request to a target to its response's header section.", write_answers),
	WORKERS("arquant_upstream_requests_total", "counter", "worker",
		"Requests sent to upstreams, retries included.", proxy_upstream),
	WORKERS("arquant_upstream_retries_total", "counter", "worker",
		"Requests sent to an upstream a second time.", proxy_retries),
	WORKERS("arquant_upstream_connects_total", "counter", "worker, result",
		"Connections to upstreams begun, and those of them that never became usable.",
		proxy_connects),
	WORKERS("arquant_raw_connections_total", "counter", "worker",
		"Connections of clients with raw streams.", raw_connections),
	WORKERS("arquant_raw_streams_total", "counter", "worker",
		"Raw streams that clients, or targets of their own, opened.", raw_streams),
	WORKERS("arquant_raw_streams_broken_total", "counter", "worker",
		"Raw streams that found no target, or lost theirs.", raw_broken),
	OTHER("arquant_target_requests_total", "counter", "pool, target",
	      "Requests given to a target, retries included.", write_target_requests),
	OTHER("arquant_target_retries_total", "counter", "pool, target",
	      "Of these, retries of what failed before.", write_target_retries),
	OTHER("arquant_target_failures_total", "counter", "pool, target, kind",
	      "Requests that failed at a target: status 5xx (error), reset or lost (broken), no "
	      "answer in time (late).",
	      write_target_failures),
	OTHER("arquant_target_connects_total", "counter", "pool, target",
	      "Connections to a target begun.", write_target_connects),
	OTHER("arquant_target_connects_failed_total", "counter", "pool, target",
	      "Connections to a target that could not be made.", write_target_connects_failed),
	OTHER("arquant_target_requests_active", "gauge", "pool, target, address",
	      "Requests that a target has or that wait for it.", write_target_active),
	OTHER("arquant_target_requests_waiting", "gauge", "pool, target, address",
	      "Of these, those that wait for a connection with room.", write_target_waiting),
	OTHER("arquant_target_connections", "gauge", "pool, target, address",
	      "Connections to a target, being made and ending ones included.",
	      write_target_connections),
	OTHER("arquant_target_usable", "gauge", "pool, target, address",
	      "1 when a target is healthy and neither drained nor ejected.", write_usable),
	OTHER("arquant_target_healthy", "gauge", "pool, target, address",
	      "0 when a target's checks fail; 1 without any.", write_healthy),
	OTHER("arquant_target_drained", "gauge", "pool, target, address",
	      "1 when an operator drained a target.", write_drained),
	OTHER("arquant_target_ejected", "gauge", "pool, target, address",
	      "1 while a target is ejected for failures in a row.", write_ejected),
	OTHER("arquant_target_ejections_total", "counter", "pool, target, address",
	      "Times a target was ejected.", write_ejections),

	OTHER("arquant_names_questions_total", "counter", "result",
	      "Questions to name servers for addresses of targets, a family of a name each; "
	      "failed: of these, without an answer.",
	      write_questions),
	OTHER("arquant_names_changes_total", "counter", NULL,
	      "Times the addresses of a name changed.", write_name_changes),
	OTHER("arquant_name_addresses", "gauge", "name",
	      "Addresses of a target's name, each a target.", write_name_addresses),
	OTHER("arquant_name_answer_age_seconds", "gauge", "name",
	      "Since name servers last said them; none before the first time.", write_name_age),
	OTHER("arquant_name_failing", "gauge", "name",
	      "1 when the last question failed or found nothing; its addresses are those of "
	      "before.",
	      write_name_failing),

	WORKERS("arquant_quic_connections", "gauge", "worker",
		"QUIC connections of both roles, in handshake or established.", quic_connections),
	WORKERS("arquant_quic_connections_half_open", "gauge", "worker",
		"Of these, clients' in handshake.", quic_half_open),
	WORKERS("arquant_quic_connections_closing", "gauge", "worker",
		"Connections that ended, of which a packet and ids are kept for three probe "
		"timeouts.",
		quic_closing),
	WORKERS("arquant_quic_connections_opened_total", "counter", "worker, role",
		"Connections begun: by clients (server), to upstreams (client).", quic_opened),
	WORKERS("arquant_quic_connections_closed_total", "counter", "worker, cause",
		"Connections that ended after the handshake.", quic_closed),
	WORKERS("arquant_quic_connections_abusive_total", "counter", "worker",
		"Connections closed for frames beyond a budget.", quic_abuse),
	WORKERS("arquant_quic_memory_closed_total", "counter", "worker",
		"Connections closed as memory was short, also in handshake.", quic_reaped),
	WORKERS("arquant_quic_handshakes_total", "counter", "worker, result",
		"Handshakes of both roles that ended, by how.", quic_handshakes),
	WORKERS("arquant_quic_handshakes_resumed_total", "counter", "worker",
		"Handshakes completed with a session ticket.", quic_resumed),
	WORKERS("arquant_quic_early_data_accepted_total", "counter", "worker",
		"Handshakes of clients whose 0-RTT was taken.", quic_early),
	WORKERS("arquant_quic_tickets_sent_total", "counter", "worker",
		"Session tickets given to clients.", quic_tickets),
	WORKERS("arquant_quic_retries_sent_total", "counter", "worker",
		"Retry packets sent, for clients to prove their address.", quic_retries),
	WORKERS("arquant_quic_tokens_total", "counter", "worker, result",
		"Tokens that clients showed: of a Retry, of NEW_TOKEN, or wrong or too old.",
		quic_tokens),
	WORKERS("arquant_quic_version_negotiations_sent_total", "counter", "worker",
		"Version Negotiation packets sent.", quic_versions),
	WORKERS("arquant_quic_stateless_resets_sent_total", "counter", "worker",
		"Stateless resets sent.", quic_resets),
	WORKERS("arquant_quic_closes_repeated_total", "counter", "worker",
		"Packets for ended connections answered by their CONNECTION_CLOSE.", quic_repeated),
	WORKERS("arquant_quic_datagrams_received_total", "counter", "worker",
		"Datagrams given to QUIC.", quic_received),
	WORKERS("arquant_quic_datagrams_established_total", "counter", "worker",
		"Datagrams received, of connections past their handshake.", quic_established),
	WORKERS("arquant_quic_datagrams_sent_total", "counter", "worker",
		"Datagrams that QUIC sent.", quic_sent),
	WORKERS("arquant_quic_datagrams_dropped_total", "counter", "worker, reason",
		"Datagrams that QUIC dropped.", quic_dropped),
	WORKERS("arquant_quic_congestion_events_total", "counter", "worker",
		"Times loss or congestion marks narrowed a connection's window; with bbr also "
		"when it probes.",
		quic_congestion),
	OTHER("arquant_quic_rtt_seconds", "histogram", NULL,
	      "Round trips of clients' connections, smoothed, when the handshake was complete.",
	      write_rtt),
	WORKERS("arquant_quic_paths_migrated_total", "counter", "worker",
		"Times a connection moved to another address or port.", quic_migrated),
	WORKERS("arquant_quic_output_stalled_total", "counter", "worker",
		"Times a connection had something to send and there was no free slot.",
		quic_stalled),
	WORKERS("arquant_quic_memory_bytes", "gauge", "worker",
		"Memory of QUIC connections; divided by arquant_quic_connections, of one. Not "
		"counted: keys and TLS of handshakes, which are GnuTLS's.",
		quic_memory),
	WORKERS("arquant_quic_memory_peak_bytes", "gauge", "worker", "The most it has been.",
		quic_memory_peak),

	WORKERS("arquant_http3_sessions", "gauge", "worker", "HTTP/3 connections of both roles.",
		h3_sessions),
	WORKERS("arquant_http3_streams", "gauge", "worker", "Requests open, of both roles.",
		h3_streams),
	WORKERS("arquant_http3_sessions_total", "counter", "worker, role",
		"HTTP/3 connections: of clients (server), to upstreams (client).", h3_opened),
	WORKERS("arquant_http3_requests_total", "counter", "worker, role",
		"Requests received (server) and sent (client), checks of targets included.",
		h3_requests),
	WORKERS("arquant_http3_responses_total", "counter", "worker, role",
		"Final responses sent (server) and received (client).", h3_responses),
	WORKERS("arquant_http3_messages_refused_total", "counter", "worker, reason",
		"Messages that broke RFC 9114, had a field section over the limit, or that "
		"nobody took.",
		h3_refused),
	WORKERS("arquant_http3_streams_abandoned_total", "counter", "worker, frame",
		"Messages that the peer reset, and ours that it wanted no more of.", h3_abandoned),
	WORKERS("arquant_http3_protocol_errors_total", "counter", "worker",
		"Connections closed because the peer broke HTTP/3.", h3_errors),
	WORKERS("arquant_http3_body_received_bytes_total", "counter", "worker",
		"Bytes of bodies received, from both sides.", h3_received),
	WORKERS("arquant_http3_body_sent_bytes_total", "counter", "worker",
		"Bytes of bodies sent and acknowledged, to both sides.", h3_sent),
	WORKERS("arquant_http3_writes_short_total", "counter", "worker",
		"Writes that did not fit a stream's send buffer.", h3_short),
	WORKERS("arquant_http3_buffers", "gauge", "worker, state",
		"Buffers of 2 or 16 KiB for bodies on their way, in use and spare.", h3_slabs),
	WORKERS("arquant_http3_buffers_peak", "gauge", "worker", "The most that were in use.",
		h3_slabs_peak),
	WORKERS("arquant_http3_memory_bytes", "gauge", "worker",
		"Memory of HTTP/3's state, without these buffers.", h3_memory),

	WORKERS("arquant_io_packets_received_total", "counter", "worker", "UDP datagrams received.",
		io_received),
	WORKERS("arquant_io_bytes_received_total", "counter", "worker", "Bytes of their payload.",
		io_received_bytes),
	WORKERS("arquant_io_packets_sent_total", "counter", "worker",
		"UDP datagrams handed to the kernel.", io_sent),
	WORKERS("arquant_io_bytes_sent_total", "counter", "worker", "Bytes of their payload.",
		io_sent_bytes),
	WORKERS("arquant_io_packets_dropped_total", "counter", "worker, direction, reason",
		"Packets dropped before QUIC saw them, or after it sent them.", io_dropped),
	WORKERS("arquant_io_no_slot_total", "counter", "worker",
		"Times there was no free buffer to send from.", io_no_slot),
	WORKERS("arquant_io_buffers", "gauge", "worker, io, state",
		"Packet buffers of AF_XDP and UDP sockets by where they are; their sum is "
		"constant.",
		io_buffers),
	WORKERS("arquant_handover_given_total", "counter", "worker",
		"Packets that belonged to another worker and were given to it.", handover_given),
	WORKERS("arquant_handover_taken_total", "counter", "worker",
		"Packets taken over from other workers.", handover_taken),
	WORKERS("arquant_handover_lost_total", "counter", "worker, reason",
		"Packets lost on the way from worker to worker.", handover_lost),

	OTHER("process_cpu_seconds_total", "counter", NULL, "CPU time of arquantd.", write_cpu),
	OTHER("process_resident_memory_bytes", "gauge", NULL, "Memory of arquantd.",
	      write_resident),
	OTHER("process_start_time_seconds", "gauge", NULL,
	      "When arquantd started, seconds since 1970.", write_started),
};

void arq_metrics_list(FILE *out)
{
	for (size_t i = 0; i < LENGTH(metrics); i++)
		fprintf(out, "%s\t%s\t%s\t%s\n", metrics[i].name, metrics[i].type,
			metrics[i].labels ? metrics[i].labels : "-", metrics[i].help);
}

bool arq_metrics_has(size_t offset)
{
	for (size_t i = 0; i < LENGTH(metrics); i++) {
		for (size_t j = 0; j < metrics[i].count; j++) {
			if (metrics[i].counters[j].offset == offset)
				return true;
		}
	}
	return false;
}

/* --- reading ------------------------------------------------------------------------------------
 */

static void reading_free(struct reading *reading)
{
	free(reading->counters);
	free(reading->there);
	arq_tally_destroy(reading->tally);
	arq_tally_destroy(reading->pools);
}

/* Histograms only by pool: a series for each bound is too much for every route and target. */
static void sum_pools(struct reading *reading)
{
	const struct arq_tally_requests *requests;
	const struct arq_tally_target *target;
	for (size_t i = 0; (requests = arq_tally_requests_at(reading->tally, i)); i++)
		arq_histogram_add(
			&arq_tally_requests(reading->pools, "", "", requests->row.names[2])
				 ->duration,
			&requests->duration);
	for (size_t i = 0; (target = arq_tally_target_at(reading->tally, i)); i++)
		arq_histogram_add(
			&arq_tally_target(reading->pools, target->row.names[0], "")->answer,
			&target->answer);
}

static bool read_all(struct reading *reading, const struct arq_metrics_source *source)
{
	*reading = (struct reading){.source = source, .now = arq_clock_now()};
	reading->counters = calloc(source->workers_count, sizeof(*reading->counters));
	reading->there = calloc(source->workers_count, sizeof(*reading->there));
	if (!reading->counters || !reading->there || arq_tally_create(&reading->tally) != 0 ||
	    arq_tally_create(&reading->pools) != 0)
		return false;
	for (uint16_t i = 0; i < source->workers_count; i++)
		reading->there[i] =
			arq_worker_counters_read(source->workers[i], &reading->counters[i]) == 0 &&
			arq_worker_tally_read(source->workers[i], reading->tally) == 0;
	sum_pools(reading);
	return true;
}

char *arq_metrics_text(const struct arq_metrics_source *source, size_t *length)
{
	struct arq_exposition out = {0};
	struct reading reading;
	if (read_all(&reading, source)) {
		for (size_t i = 0; i < LENGTH(metrics); i++) {
			arq_exposition_begin(&out, metrics[i].name, metrics[i].type,
					     metrics[i].help);
			metrics[i].write(&out, &metrics[i], &reading);
		}
	}
	reading_free(&reading);
	if (out.failed) {
		free(out.text);
		return NULL;
	}
	*length = out.length;
	return out.text;
}
