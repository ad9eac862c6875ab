// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/proxy/route.h"

#include "userspace/proxy/condition.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define NONE UINT32_MAX

/* Longer names are no hosts (RFC 1035, section 2.3.4), and match none. */
#define HOST_MAX 255

struct route {
	struct arq_route public;
	struct arq_regex *path_regex;
	struct arq_condition *conditions; /* of headers, then of the query */
	uint32_t next; /* with the same host and path; NONE: none */
};

/* Routes with the same host and path, in file order. */
struct group {
	const char *text; /* of the path; borrowed */
	uint32_t length;
	uint32_t host; /* index */
	bool prefix;
	uint32_t first, last; /* routes */
	uint32_t next; /* in the hash chain */
};

struct host {
	const char *text; /* "" for any host, with its leading dot for a suffix; borrowed */
	uint32_t length;
	uint32_t next; /* in the hash chain */
	uint32_t first, last; /* routes without a path */
	uint16_t *prefixes; /* their lengths, each once, ascending */
	uint32_t prefix_count;
};

struct arq_route_table {
	struct route *routes;
	struct group *groups;
	struct host *hosts;
	uint32_t *host_chains, *group_chains; /* by hash */
	uint32_t count, group_count, host_count;
	uint32_t mask; /* of both chains */
	uint32_t raw_first, raw_last; /* routes with an ALPN name */
	bool server_names; /* some route goes by what the handshake asked for */
};

/* --- hashing: the keys are the configuration's, so nobody can choose them to collide ------------
 */

#define HASH_BEGIN 0x811c9dc5u

static uint32_t hash_more(uint32_t hash, const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++)
		hash = (hash ^ (uint8_t)text[i]) * 0x01000193u;
	return hash;
}

static uint32_t hash_group(uint32_t hash, uint32_t host, bool prefix)
{
	return (hash ^ (host << 1 | prefix)) * 0x9e3779b1u >> 7;
}

static struct host *find_host(const struct arq_route_table *table, const char *text, size_t length)
{
	uint32_t i = table->host_chains[hash_more(HASH_BEGIN, text, length) & table->mask];
	while (i != NONE && (table->hosts[i].length != length ||
			     memcmp(table->hosts[i].text, text, length) != 0))
		i = table->hosts[i].next;
	return i == NONE ? NULL : &table->hosts[i];
}

/* `hash`: of the text. */
static struct group *find_group(const struct arq_route_table *table, uint32_t host, bool prefix,
				const char *text, size_t length, uint32_t hash)
{
	uint32_t i = table->group_chains[hash_group(hash, host, prefix) & table->mask];
	while (i != NONE) {
		struct group *group = &table->groups[i];
		if (group->length == length && group->host == host && group->prefix == prefix &&
		    memcmp(group->text, text, length) == 0)
			return group;
		i = group->next;
	}
	return NULL;
}

/* --- building --------------------------------------------------------------------------------- */

static struct host *add_host(struct arq_route_table *table, const char *pattern)
{
	const char *text = pattern ? pattern + (pattern[0] == '*') : "";
	size_t length = strlen(text);
	struct host *host = find_host(table, text, length);
	if (host)
		return host;
	uint32_t *chain = &table->host_chains[hash_more(HASH_BEGIN, text, length) & table->mask];
	host = &table->hosts[table->host_count];
	*host = (struct host){text, (uint32_t)length, *chain, NONE, NONE, NULL, 0};
	*chain = table->host_count++;
	return host;
}

static int add_prefix_length(struct host *host, size_t length)
{
	uint32_t at = 0;
	while (at < host->prefix_count && host->prefixes[at] < length)
		at++;
	if (at < host->prefix_count && host->prefixes[at] == length)
		return 0;
	uint16_t *grown =
		reallocarray(host->prefixes, host->prefix_count + 1, sizeof(*host->prefixes));
	if (!grown)
		return -ENOMEM;
	memmove(&grown[at + 1], &grown[at], (host->prefix_count - at) * sizeof(*grown));
	grown[at] = (uint16_t)length;
	host->prefixes = grown;
	host->prefix_count++;
	return 0;
}

static void append(struct arq_route_table *table, uint32_t *first, uint32_t *last, uint32_t route)
{
	if (*first == NONE)
		*first = route;
	else
		table->routes[*last].next = route;
	*last = route;
}

/* Puts a route where a look-up will find it. */
static int place(struct arq_route_table *table, uint32_t i)
{
	const struct arq_config_route *config = table->routes[i].public.config;
	if (config->alpn) {
		append(table, &table->raw_first, &table->raw_last, i);
		return 0;
	}
	struct host *host = add_host(table, config->host);
	uint32_t index = (uint32_t)(host - table->hosts);

	/* Any path at all: also that of OPTIONS, an asterisk. */
	if (!config->path || (config->path_is_prefix && strcmp(config->path, "/") == 0)) {
		append(table, &host->first, &host->last, i);
		return 0;
	}
	size_t length = strlen(config->path);
	uint32_t hash = hash_more(HASH_BEGIN, config->path, length);
	struct group *group =
		find_group(table, index, config->path_is_prefix, config->path, length, hash);
	if (!group) {
		uint32_t *chain =
			&table->group_chains[hash_group(hash, index, config->path_is_prefix) &
					     table->mask];
		group = &table->groups[table->group_count];
		*group = (struct group){
			config->path, (uint32_t)length, index, config->path_is_prefix, NONE, NONE,
			*chain};
		*chain = table->group_count++;
	}
	append(table, &group->first, &group->last, i);
	return config->path_is_prefix ? add_prefix_length(host, length) : 0;
}

static int compile(struct route *route, const struct arq_config_route *config,
		   struct arq_error *error)
{
	size_t conditions = config->headers_count + config->query_count;
	const struct arq_config_rewrite *rewrite =
		config->redirect ? &config->redirect->to : config->rewrite;
	int code = 0;

	*route = (struct route){.public.config = config, .next = NONE};
	route->conditions = calloc(conditions + 1, sizeof(*route->conditions));
	if (!route->conditions)
		return arq_error_set(error, -ENOMEM, "out of memory");
	if (config->path_regex)
		code = arq_regex_create(config->path_regex, true, &route->path_regex, error);
	if (code == 0 && rewrite && rewrite->regex)
		code = arq_regex_create(rewrite->regex, false, &route->public.rewrite, error);
	if (code == 0)
		code = arq_conditions_compile(config->headers, config->headers_count,
					      route->conditions, error);
	if (code == 0)
		code = arq_conditions_compile(config->query, config->query_count,
					      route->conditions + config->headers_count, error);
	return code;
}

static struct arq_route_table *allocate(size_t count)
{
	struct arq_route_table *made = calloc(1, sizeof(*made));
	if (!made)
		return NULL;
	size_t chains = 1;
	while (chains < 2 * count)
		chains *= 2;
	made->mask = (uint32_t)chains - 1;
	made->raw_first = made->raw_last = NONE;
	made->routes = calloc(count + 1, sizeof(*made->routes));
	made->groups = calloc(count + 1, sizeof(*made->groups));
	made->hosts = calloc(count + 1, sizeof(*made->hosts));
	made->host_chains = malloc(chains * sizeof(*made->host_chains));
	made->group_chains = malloc(chains * sizeof(*made->group_chains));
	if (!made->routes || !made->groups || !made->hosts || !made->host_chains ||
	    !made->group_chains) {
		arq_route_table_destroy(made);
		return NULL;
	}
	memset(made->host_chains, 0xff, chains * sizeof(*made->host_chains));
	memset(made->group_chains, 0xff, chains * sizeof(*made->group_chains));
	return made;
}

int arq_route_table_create(const struct arq_config_route *routes, size_t count,
			   struct arq_route_table **table, struct arq_error *error)
{
	struct arq_route_table *made = allocate(count);
	if (!made)
		return arq_error_set(error, -ENOMEM, "out of memory");
	for (uint32_t i = 0; i < count; i++) {
		made->count = i + 1;
		made->server_names |= routes[i].server_name != NULL;
		int code = compile(&made->routes[i], &routes[i], error);
		if (code == 0)
			code = place(made, i);
		if (code != 0) {
			arq_route_table_destroy(made);
			return arq_error_prefix(error, code, "route %u", i);
		}
	}
	*table = made;
	return 0;
}

void arq_route_table_destroy(struct arq_route_table *table)
{
	if (!table)
		return;
	for (uint32_t i = 0; i < table->count; i++) {
		struct route *route = &table->routes[i];
		const struct arq_config_route *config = route->public.config;
		if (route->conditions)
			arq_conditions_clear(route->conditions,
					     config->headers_count + config->query_count);
		free(route->conditions);
		arq_regex_destroy(route->path_regex);
		arq_regex_destroy(route->public.rewrite);
	}
	for (uint32_t i = 0; i < table->host_count; i++)
		free(table->hosts[i].prefixes);
	free(table->routes);
	free(table->groups);
	free(table->hosts);
	free(table->host_chains);
	free(table->group_chains);
	free(table);
}

/* --- looking up ------------------------------------------------------------------------------- */

struct lookup {
	const struct arq_route_table *table;
	struct arq_regex_scratch *scratch;
	const struct arq_route_request *request;
	struct arq_h3_text path, query;
	char server_name[HOST_MAX];
	size_t server_name_length;
	uint32_t best; /* NONE, or the first that matches so far */
	uint32_t gave_up; /* NONE, or the first whose expression gave up */
	uint32_t steps;
};

static bool method_matches(const struct arq_config_route *config, struct arq_h3_text method)
{
	for (uint32_t i = 0; i < config->methods_count; i++) {
		if (strlen(config->methods[i]) == method.length &&
		    memcmp(config->methods[i], method.data, method.length) == 0)
			return true;
	}
	return config->methods_count == 0;
}

/* Host and path were found by the index already. */
static enum arq_regex_result conditions_hold(const struct lookup *lookup, const struct route *route)
{
	const struct arq_config_route *config = route->public.config;
	const struct arq_h3_request *message = lookup->request->message;
	enum arq_regex_result result = ARQ_REGEX_MATCH;

	if (!(config->listeners_mask >> lookup->request->listener & 1) ||
	    !arq_condition_host(config->server_name, lookup->server_name,
				lookup->server_name_length) ||
	    !method_matches(config, message->method))
		return ARQ_REGEX_NO_MATCH;
	if (config->headers_count)
		result = arq_conditions_fields(route->conditions, config->headers_count,
					       lookup->scratch, message->fields,
					       message->field_count);
	if (result == ARQ_REGEX_MATCH && config->query_count)
		result = arq_conditions_query(route->conditions + config->headers_count,
					      config->query_count, lookup->scratch, lookup->query);
	if (result == ARQ_REGEX_MATCH && route->path_regex)
		result = arq_regex_match(route->path_regex, lookup->scratch, lookup->path.data,
					 lookup->path.length);
	return result;
}

/* Only routes that stand before what was found so far are worth a look. */
static void walk(struct lookup *lookup, uint32_t first)
{
	for (uint32_t i = first; i < lookup->best; i = lookup->table->routes[i].next) {
		lookup->steps++;
		switch (conditions_hold(lookup, &lookup->table->routes[i])) {
		case ARQ_REGEX_MATCH:
			lookup->best = i;
			return;
		case ARQ_REGEX_NO_MATCH:
			break;
		case ARQ_REGEX_GAVE_UP:
			if (i < lookup->gave_up)
				lookup->gave_up = i;
			return;
		}
	}
}

/* What is exact comes before prefixes, and these before the rest, which costs the most to match. */
static void walk_host(struct lookup *lookup, const struct host *host)
{
	const struct arq_route_table *table = lookup->table;
	uint32_t index = (uint32_t)(host - table->hosts);
	const char *path = lookup->path.data;
	size_t length = lookup->path.length;
	const struct group *group =
		find_group(table, index, false, path, length, hash_more(HASH_BEGIN, path, length));
	if (group)
		walk(lookup, group->first);

	uint32_t hash = HASH_BEGIN;
	size_t hashed = 0;
	for (uint32_t i = 0; i < host->prefix_count && host->prefixes[i] <= length; i++) {
		hash = hash_more(hash, path + hashed, host->prefixes[i] - hashed);
		hashed = host->prefixes[i];
		group = find_group(table, index, true, path, hashed, hash);
		if (group)
			walk(lookup, group->first);
	}
	walk(lookup, host->first);
}

/* Cuts the port and one final dot; the brackets of an IPv6 address stay, as in the rule. */
static size_t host_length(const char *authority, size_t length)
{
	if (length == 0)
		return 0;
	if (authority[0] == '[') {
		const char *bracket = memchr(authority, ']', length);
		return bracket ? (size_t)(bracket - authority) + 1 : length;
	}
	const char *colon = memchr(authority, ':', length);
	if (colon)
		length = (size_t)(colon - authority);
	if (length && authority[length - 1] == '.')
		length--;
	return length;
}

/* Returns the length; 0 for what is too long to be a host. */
static size_t lower_host(const char *text, size_t length, char out[HOST_MAX])
{
	length = host_length(text, length);
	if (length > HOST_MAX)
		return 0;
	for (size_t i = 0; i < length; i++)
		out[i] = (char)tolower((unsigned char)text[i]);
	return length;
}

/* The host itself, each suffix that begins with a dot behind something, and any host. */
static void walk_hosts(struct lookup *lookup, const char *name, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		/* A rule's suffix ".a" must not be found by a host that is called so. */
		if (i == 0 ? name[0] == '.' : name[i] != '.')
			continue;
		const struct host *host = find_host(lookup->table, name + i, length - i);
		if (host)
			walk_host(lookup, host);
	}
	const struct host *any = find_host(lookup->table, "", 0);
	if (any)
		walk_host(lookup, any);
}

/*
 * Whether a connection made for the request's own host would lead to another route, which goes by
 * that name: browsers put requests for all hosts of a certificate on one connection.
 */
static bool is_misdirected(const struct lookup *found, const char *name, size_t length)
{
	const struct arq_route_table *table = found->table;
	struct lookup other = *found;

	if (!table->server_names || length == 0 ||
	    (length == found->server_name_length && memcmp(name, found->server_name, length) == 0))
		return false;
	memcpy(other.server_name, name, length);
	other.server_name_length = length;
	other.best = other.gave_up = NONE;
	walk_hosts(&other, name, length);
	return other.best != NONE && other.best != found->best &&
	       table->routes[other.best].public.config->server_name;
}

int arq_route_table_find(const struct arq_route_table *table, struct arq_regex_scratch *scratch,
			 const struct arq_route_request *request, struct arq_route_match *match)
{
	const struct arq_h3_request *message = request->message;
	struct lookup lookup = {
		.table = table,
		.scratch = scratch,
		.request = request,
		.path = message->path,
		.best = NONE,
		.gave_up = NONE,
	};
	char name[HOST_MAX];
	size_t length = lower_host(message->authority.data, message->authority.length, name);
	const char *query =
		message->path.length ? memchr(message->path.data, '?', message->path.length) : NULL;

	if (!lookup.path.data)
		lookup.path.data = "";
	if (query) {
		lookup.path.length = (size_t)(query - message->path.data);
		lookup.query = (struct arq_h3_text){query + 1,
						    message->path.length - lookup.path.length - 1};
	}
	lookup.server_name_length =
		lower_host(request->server_name, strlen(request->server_name), lookup.server_name);
	walk_hosts(&lookup, name, length);

	match->steps = lookup.steps;
	match->route = lookup.best == NONE ? NULL : &table->routes[lookup.best].public;
	if (lookup.gave_up < lookup.best)
		return -E2BIG;
	if (is_misdirected(&lookup, name, length))
		return -EXDEV;
	return match->route ? 0 : -ENOENT;
}

const struct arq_route *arq_route_table_find_raw(const struct arq_route_table *table,
						 const char *alpn, const char *server_name,
						 uint32_t listener)
{
	char name[HOST_MAX];
	size_t length = lower_host(server_name, strlen(server_name), name);

	for (uint32_t i = table->raw_first; i != NONE; i = table->routes[i].next) {
		const struct arq_config_route *config = table->routes[i].public.config;
		if (strcmp(config->alpn, alpn) == 0 && config->listeners_mask >> listener & 1 &&
		    arq_condition_host(config->server_name, name, length))
			return &table->routes[i].public;
	}
	return NULL;
}

/* --- the pool --------------------------------------------------------------------------------- */

const struct arq_config_pool *arq_route_pool(const struct arq_route *route, uint32_t draw)
{
	const struct arq_config_route *config = route->config;
	uint64_t sum = 0, point;

	if (config->split_count == 0)
		return config->pool;
	for (uint32_t i = 0; i < config->split_count; i++)
		sum += config->split[i].weight;
	point = sum * draw >> 32;
	for (uint32_t i = 0; i + 1 < config->split_count; i++) {
		if (point < config->split[i].weight)
			return config->split[i].pool;
		point -= config->split[i].weight;
	}
	return config->split[config->split_count - 1].pool;
}
