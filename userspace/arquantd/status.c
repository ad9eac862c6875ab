// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/arquantd/status.h"

#include "userspace/common/clock.h"
#include "userspace/proxy/member.h"
#include "userspace/proxy/tally.h"

#include <string.h>

static void add(struct json_object *object, const char *key, uint64_t value)
{
	json_object_object_add(object, key, json_object_new_uint64(value));
}

/* Counters of a room, by the list that the room has of them. */
#define ADD(name, meaning) add(object, #name, counters->name);

static struct json_object *quic(const struct arq_quic_counters *counters)
{
	struct json_object *object = json_object_new_object();
	ARQ_QUIC_COUNTERS(ADD)
	add(object, "connections", counters->connections);
	add(object, "half_open", counters->half_open);
	add(object, "closing", counters->closing);
	add(object, "memory", counters->memory);
	add(object, "memory_peak", counters->memory_peak);
	return object;
}

static struct json_object *http3(const struct arq_h3_counters *counters)
{
	struct json_object *object = json_object_new_object();
	ARQ_H3_COUNTERS(ADD)
	add(object, "sessions", counters->sessions);
	add(object, "streams", counters->streams);
	add(object, "slabs", counters->slabs);
	add(object, "memory", counters->memory);
	return object;
}

static struct json_object *proxy(const struct arq_proxy_counters *counters)
{
	struct json_object *object = json_object_new_object();
	ARQ_PROXY_COUNTERS(ADD)
	add(object, "exchanges", counters->exchanges);
	return object;
}

static struct json_object *io(const struct arq_io_counters *counters)
{
	struct json_object *object = json_object_new_object();
	add(object, "rx_packets", counters->rx_packets);
	add(object, "rx_bytes", counters->rx_bytes);
	add(object, "rx_malformed", counters->rx_malformed);
	add(object, "rx_checksum", counters->rx_checksum);
	add(object, "rx_ring_full", counters->rx_ring_full);
	add(object, "tx_packets", counters->tx_packets);
	add(object, "tx_bytes", counters->tx_bytes);
	add(object, "tx_no_slot", counters->tx_no_slot);
	add(object, "tx_no_neighbour", counters->tx_no_neighbour);
	add(object, "tx_failed", counters->tx_failed);
	return object;
}

static struct json_object *handover(const struct arq_worker_counters *counters)
{
	struct json_object *object = json_object_new_object();
	add(object, "accepted", counters->inbox.accepted);
	add(object, "refused", counters->inbox.refused);
	add(object, "no_owner", counters->no_owner);
	add(object, "no_io", counters->no_io);
	return object;
}

static struct json_object *worker(const struct arq_worker_counters *counters, uint16_t index)
{
	struct json_object *object = json_object_new_object();
	add(object, "worker", index);
	json_object_object_add(object, "io", io(&counters->io));
	json_object_object_add(object, "handover", handover(counters));
	json_object_object_add(object, "quic", quic(&counters->quic));
	json_object_object_add(object, "http3", http3(&counters->h3));
	json_object_object_add(object, "proxy", proxy(&counters->proxy));
	return object;
}

static struct json_object *listeners(const struct arq_status_source *source)
{
	const struct arq_config_gateway *gateway = &source->generation->config->gateway;
	struct json_object *list = json_object_new_array();
	for (uint32_t i = 0; i < gateway->listeners_count; i++) {
		const struct arq_binding *binding =
			&source->bindings->list[source->bindings->of_listener[i]];
		struct json_object *object = json_object_new_object();
		json_object_object_add(object, "name",
				       json_object_new_string(gateway->listeners[i].name));
		json_object_object_add(object, "address",
				       json_object_new_string(gateway->listeners[i].address_text));
		json_object_object_add(object, "io",
				       json_object_new_string(binding->xsk ? "xsk" : "udp"));
		if (binding->xsk)
			json_object_object_add(object, "interface",
					       json_object_new_string(binding->interface));
		add(object, "workers", binding->workers);
		json_object_array_add(list, object);
	}
	return list;
}

static struct json_object *target(const struct arq_members *members, size_t i, uint64_t now,
				  struct arq_tally *tally, const char *pool)
{
	struct json_object *object = json_object_new_object();
	struct arq_member_status status;
	arq_member_status(members, i, now, &status);
	const struct arq_tally_load *load =
		arq_tally_load(tally, pool, status.configured, status.address);
	json_object_object_add(object, "address", json_object_new_string(status.address));
	json_object_object_add(object, "configured", json_object_new_string(status.configured));
	json_object_object_add(object, "usable",
			       json_object_new_boolean(arq_member_usable(members, i, now)));
	json_object_object_add(object, "healthy", json_object_new_boolean(status.healthy));
	json_object_object_add(object, "drained", json_object_new_boolean(status.drained));
	add(object, "ejected_ms", status.ejected_for / 1000000);
	add(object, "failures", status.failures);
	add(object, "ejections", status.ejections);
	add(object, "active", load->active);
	add(object, "waiting", load->waiting);
	add(object, "connections", load->connections);
	return object;
}

static struct json_object *pools(const struct arq_generation *generation, uint64_t now,
				 struct arq_tally *tally)
{
	const struct arq_config_gateway *gateway = &generation->config->gateway;
	struct json_object *list = json_object_new_array();
	for (uint32_t i = 0; i < gateway->pools_count; i++) {
		const struct arq_members *members = arq_proxy_shared_members(generation->proxy, i);
		struct json_object *object = json_object_new_object();
		struct json_object *targets = json_object_new_array();
		for (size_t j = 0; j < arq_members_count(members); j++)
			json_object_array_add(
				targets, target(members, j, now, tally, gateway->pools[i].name));
		json_object_object_add(object, "name",
				       json_object_new_string(gateway->pools[i].name));
		json_object_object_add(object, "targets", targets);
		json_object_array_add(list, object);
	}
	return list;
}

/* What requests of routes of this name came to, for all listeners and pools. */
static struct json_object *route(const struct arq_tally *tally, const char *name)
{
	static const char *const keys[ARQ_TALLY_CLASSES] = {"2xx", "3xx", "4xx", "5xx", "none"};
	struct json_object *object = json_object_new_object();
	struct json_object *responses = json_object_new_object();
	uint64_t ended[ARQ_TALLY_CLASSES] = {0}, all = 0;
	const struct arq_tally_requests *row;

	for (size_t i = 0; (row = arq_tally_requests_at(tally, i)); i++) {
		for (size_t j = 0; j < ARQ_TALLY_CLASSES && !strcmp(row->row.names[1], name); j++)
			ended[j] += row->ended[j];
	}
	for (size_t j = 0; j < ARQ_TALLY_CLASSES; j++) {
		add(responses, keys[j], ended[j]);
		all += ended[j];
	}
	json_object_object_add(object, "name", json_object_new_string(name));
	add(object, "requests", all);
	json_object_object_add(object, "responses", responses);
	return object;
}

/* In order; routes of one name are one. */
static struct json_object *routes(const struct arq_config_gateway *gateway,
				  const struct arq_tally *tally)
{
	struct json_object *list = json_object_new_array();
	for (uint32_t i = 0; i < gateway->routes_count; i++) {
		uint32_t first = 0;
		while (strcmp(gateway->routes[first].name, gateway->routes[i].name) != 0)
			first++;
		if (first == i)
			json_object_array_add(list, route(tally, gateway->routes[i].name));
	}
	return list;
}

static struct json_object *addresses(const struct arq_resolver_name *name)
{
	struct json_object *list = json_object_new_array();
	for (size_t i = 0; i < name->count; i++) {
		char text[ARQ_ADDRESS_TEXT_MAX];
		json_object_array_add(list, json_object_new_string(arq_address_format_host(
						    &name->addresses[i], text)));
	}
	return list;
}

static struct json_object *name(const struct arq_resolver_name *one, uint64_t now)
{
	struct json_object *object = json_object_new_object();
	bool waits = one->due != UINT64_MAX && one->due > now;
	json_object_object_add(object, "name", json_object_new_string(one->text));
	json_object_object_add(object, "addresses", addresses(one));
	add(object, "left_out", one->left_out);
	json_object_object_add(
		object, "age_ms",
		one->answered ? json_object_new_uint64((now - one->answered) / 1000000) : NULL);
	add(object, "ttl_ms", one->ttl_ns / 1000000);
	add(object, "next_ms", waits ? (one->due - now) / 1000000 : 0);
	add(object, "failures", one->failures);
	json_object_object_add(object, "error",
			       one->reason[0] ? json_object_new_string(one->reason) : NULL);
	return object;
}

static struct json_object *names(const struct arq_resolver *resolver, uint64_t now)
{
	struct json_object *list = json_object_new_array();
	const struct arq_resolver_name *one;
	for (size_t i = 0; (one = arq_resolver_at(resolver, i)); i++)
		json_object_array_add(list, name(one, now));
	return list;
}

static struct json_object *access_log(const struct arq_status_source *source)
{
	struct json_object *object = json_object_new_object();
	struct arq_access_log_counters counters;
	arq_access_log_read(source->access_log, &counters);
	add(object, "written", counters.written);
	add(object, "lost_full", counters.lost_full);
	add(object, "lost_failed", counters.lost_failed);
	return object;
}

size_t arq_status_drain(const struct arq_generation *generation, const char *address, bool drain)
{
	size_t found = 0;
	for (uint32_t i = 0; i < generation->config->gateway.pools_count; i++)
		found += arq_members_drain(arq_proxy_shared_members(generation->proxy, i), address,
					   drain, arq_clock_now());
	return found;
}

/* All workers' together; NULL for want of memory. */
static struct arq_tally *read_tally(const struct arq_status_source *source)
{
	struct arq_tally *tally;
	if (arq_tally_create(&tally) != 0)
		return NULL;
	for (uint16_t i = 0; i < source->workers_count; i++)
		arq_worker_tally_read(source->workers[i], tally);
	return tally;
}

struct json_object *arq_status_read(const struct arq_status_source *source)
{
	struct arq_tally *tally = read_tally(source);
	if (!tally)
		return NULL;
	struct json_object *object = json_object_new_object();
	struct json_object *workers = json_object_new_array();
	json_object_object_add(object, "version", json_object_new_string(ARQUANT_VERSION));
	add(object, "generation", source->generation->number);
	json_object_object_add(object, "config",
			       json_object_new_string(source->generation->config->path));
	json_object_object_add(object, "draining", json_object_new_boolean(source->draining));
	json_object_object_add(object, "listeners", listeners(source));
	json_object_object_add(object, "routes",
			       routes(&source->generation->config->gateway, tally));
	json_object_object_add(object, "pools", pools(source->generation, arq_clock_now(), tally));
	arq_tally_destroy(tally);
	json_object_object_add(object, "names", names(source->resolver, arq_clock_now()));
	for (uint16_t i = 0; i < source->workers_count; i++) {
		struct arq_worker_counters counters;
		if (arq_worker_counters_read(source->workers[i], &counters) == 0)
			json_object_array_add(workers, worker(&counters, i));
	}
	json_object_object_add(object, "workers", workers);
	if (source->access_log)
		json_object_object_add(object, "access_log", access_log(source));
	return object;
}
