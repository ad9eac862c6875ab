// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/arquant/gateway.h"

#include "userspace/arquant/command.h"
#include "userspace/arquant/grid.h"
#include "userspace/arquant/json.h"
#include "userspace/arquant/options.h"
#include "userspace/common/config.h"

#include <inttypes.h>
#include <stdio.h>

#define VERB "gateway status"

static const char help[] =
	"Usage: arquant gateway status [OPTION...]\n"
	"\n"
	"Shows the arquantd that runs: generation of its configuration, listeners, routes with\n"
	"their requests, targets of pools with health and load, names of targets with the age of\n"
	"their answer, and for each worker connections, requests, packets and memory. All "
	"counters\n"
	"are in the JSON.\n"
	"\n" ARQ_GATEWAY_PLACE_HELP "  -j, --json         print JSON, as /usr/share/arquant/"
	"gateway-status.schema.json says\n"
	"  -h, --help         print this\n";

static struct json_object *get(struct json_object *object, const char *key)
{
	struct json_object *value = NULL;
	json_object_object_get_ex(object, key, &value);
	return value;
}

static const char *text(struct json_object *object, const char *key)
{
	const char *value = json_object_get_string(get(object, key));
	return value ? value : "";
}

/* A counter of a worker's room. */
static uint64_t count(struct json_object *worker, const char *room, const char *key)
{
	return json_object_get_uint64(get(get(worker, room), key));
}

static void print_listeners(struct json_object *list)
{
	static struct arq_grid grid;

	arq_grid_begin(&grid, "<<<<>");
	arq_grid_add(&grid, "LISTENER");
	arq_grid_add(&grid, "ADDRESS");
	arq_grid_add(&grid, "IO");
	arq_grid_add(&grid, "INTERFACE");
	arq_grid_add(&grid, "WORKERS");
	for (size_t i = 0; list && i < json_object_array_length(list); i++) {
		struct json_object *one = json_object_array_get_idx(list, i);
		arq_grid_add(&grid, "%s", text(one, "name"));
		arq_grid_add(&grid, "%s", text(one, "address"));
		arq_grid_add(&grid, "%s", text(one, "io"));
		arq_grid_add(&grid, "%s", text(one, "interface"));
		arq_grid_add(&grid, "%s", text(one, "workers"));
	}
	arq_grid_print(&grid, stdout);
}

static void print_routes(struct json_object *list)
{
	printf("%-40s %12s %10s %10s\n", "ROUTE", "REQUESTS", "4XX", "5XX");
	for (size_t i = 0; list && i < json_object_array_length(list); i++) {
		struct json_object *one = json_object_array_get_idx(list, i);
		struct json_object *responses = get(one, "responses");
		printf("%-40s %12s %10s %10s\n", text(one, "name"), text(one, "requests"),
		       text(responses, "4xx"), text(responses, "5xx"));
	}
}

static const char *state(struct json_object *target)
{
	if (json_object_get_boolean(get(target, "drained")))
		return "drained";
	if (!json_object_get_boolean(get(target, "healthy")))
		return "unhealthy";
	return json_object_get_boolean(get(target, "usable")) ? "ok" : "ejected";
}

static void print_pools(struct json_object *list)
{
	printf("%-24s %-24s %-9s %6s %7s %11s\n", "POOL", "TARGET", "STATE", "ACTIVE", "WAITING",
	       "CONNECTIONS");
	for (size_t i = 0; list && i < json_object_array_length(list); i++) {
		struct json_object *pool = json_object_array_get_idx(list, i);
		struct json_object *targets = get(pool, "targets");
		for (size_t j = 0; targets && j < json_object_array_length(targets); j++) {
			struct json_object *one = json_object_array_get_idx(targets, j);
			printf("%-24s %-24s %-9s %6s %7s %11s\n", text(pool, "name"),
			       text(one, "address"), state(one), text(one, "active"),
			       text(one, "waiting"), text(one, "connections"));
		}
	}
}

static void print_names(struct json_object *list)
{
	if (!list || json_object_array_length(list) == 0)
		return;
	printf("\n%-24s %9s %9s %8s  %s\n", "NAME", "ADDRESSES", "AGE", "NEXT", "LAST QUESTION");
	for (size_t i = 0; i < json_object_array_length(list); i++) {
		struct json_object *one = json_object_array_get_idx(list, i);
		const char *error = text(one, "error");
		char age[24] = "never";
		if (get(one, "age_ms"))
			snprintf(age, sizeof(age), "%.1f s",
				 (double)json_object_get_int64(get(one, "age_ms")) / 1e3);
		printf("%-24s %9zu %9s %6.1f s  %s\n", text(one, "name"),
		       json_object_array_length(get(one, "addresses")), age,
		       (double)json_object_get_int64(get(one, "next_ms")) / 1e3,
		       error[0] ? error : "answered");
	}
}

static void print_workers(struct json_object *list)
{
	static const struct {
		const char *title, *room, *key;
	} columns[] = {
		{"CONNECTIONS", "quic", "connections"},
		{"HANDSHAKES", "quic", "handshakes_completed"},
		{"REQUESTS", "proxy", "requests"},
		{"IN PROGRESS", "proxy", "exchanges"},
		{"RETRIES", "proxy", "retries"},
		{"RX PACKETS", "io", "rx_packets"},
		{"TX PACKETS", "io", "tx_packets"},
		{"MEMORY", "quic", "memory"},
	};
	static struct arq_grid grid;

	arq_grid_begin(&grid, ">>>>>>>>>");
	arq_grid_add(&grid, "WORKER");
	for (size_t i = 0; i < sizeof(columns) / sizeof(columns[0]); i++)
		arq_grid_add(&grid, "%s", columns[i].title);
	for (size_t i = 0; list && i < json_object_array_length(list); i++) {
		struct json_object *one = json_object_array_get_idx(list, i);
		arq_grid_add(&grid, "%s", text(one, "worker"));
		for (size_t j = 0; j < sizeof(columns) / sizeof(columns[0]); j++)
			arq_grid_add(&grid, "%" PRIu64,
				     count(one, columns[j].room, columns[j].key));
	}
	arq_grid_print(&grid, stdout);
}

static int print(struct json_object *answer, bool as_json)
{
	struct json_object *status = get(answer, "status");

	if (as_json) {
		arq_json_print(json_object_get(status), false, stdout);
	} else {
		printf("arquantd %s, generation %s of %s%s\n\n", text(status, "version"),
		       text(status, "generation"), text(status, "config"),
		       json_object_get_boolean(get(status, "draining")) ? ", draining" : "");
		print_listeners(get(status, "listeners"));
		printf("\n");
		print_routes(get(status, "routes"));
		printf("\n");
		print_pools(get(status, "pools"));
		print_names(get(status, "names"));
		printf("\n");
		print_workers(get(status, "workers"));
	}
	json_object_put(answer);
	return arq_command_finish(VERB);
}

int arq_gateway_status(int argc, char **argv)
{
	struct arq_gateway_place place = {0};
	bool as_json = false;
	const struct arq_option own[] = {
		ARQ_GATEWAY_PLACE_OPTIONS(&place),
		{.name = "json", .letter = 'j', .flag = &as_json},
		{0},
	};
	struct arq_options read = {.verb = VERB, .help = help, .own = own};
	struct json_object *answer = NULL;
	struct arq_error error = {0};
	int code;

	if (!arq_options_read(&read, argc, argv, &code))
		return code;
	if (read.names_count > 0)
		return arq_command_usage(VERB, "'%.40s' is too much", read.names[0]);
	if (arq_gateway_ask(&place, "status", NULL, &answer, &error) != 0)
		return arq_command_fail(VERB, &error);
	return print(answer, as_json);
}
