/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A route as the configuration has it: which requests it is for, what becomes of them, and what is
 * changed on the way, for one route and for all. Part of the configuration's tree; see config.h for
 * who owns what. The first route that matches in file order wins.
 */
#ifndef ARQUANT_COMMON_CONFIG_ROUTE_H
#define ARQUANT_COMMON_CONFIG_ROUTE_H

#include <stdbool.h>
#include <stdint.h>

struct arq_config_pool;

/* Of a header field or a query parameter; without value, prefix and regex: it is there. */
struct arq_config_condition {
	char *name; /* of a header field: lower case */
	char *value; /* exactly this */
	char *prefix; /* begins with this */
	char *regex; /* matches this as a whole */
};

struct arq_config_share {
	char *pool_name; /* as written */
	const struct arq_config_pool *pool;
	uint32_t weight; /* at least 1 */
};

struct arq_config_response {
	uint16_t status; /* 200 to 599 */
	char *body; /* "" when absent */
	char *content_type; /* "text/plain; charset=utf-8" when absent */
};

/*
 * What a path becomes: `path` in its place, `prefix` in the place of the route's own, or the first
 * match of `regex` replaced; at most one of the three. The query stays.
 */
struct arq_config_rewrite {
	char *host; /* the authority, with port if it is to have one */
	char *path;
	char *prefix;
	char *regex;
	char *replace; /* NULL without `regex` */
};

struct arq_config_redirect {
	uint16_t status; /* 301, 302, 303, 307 or 308 */
	char *scheme; /* NULL: the request's */
	struct arq_config_rewrite to;
};

struct arq_config_header {
	char *name; /* lower case */
	char *value;
};

/* Applied in this order. */
struct arq_config_headers {
	char **remove; /* lower case */
	uint32_t remove_count;
	struct arq_config_header *set; /* instead of all lines of the name */
	uint32_t set_count;
	struct arq_config_header *add;
	uint32_t add_count;
};

/* What the gateway does with a field that names a request, see fields.h. */
enum arq_config_mark {
	ARQ_CONFIG_MARK_PASS, /* nothing: it goes on, or is not there */
	ARQ_CONFIG_MARK_KEEP, /* goes on when it is well-formed; else one is made */
	ARQ_CONFIG_MARK_MAKE, /* always a new one */
};

/* What every message that goes on is given, whatever its route. */
struct arq_config_forwarding {
	char *via; /* our name in Via; "arquant" when absent */
	bool via_is_ours; /* it was given, so a Via with it was written here */
	bool x_forwarded; /* X-Forwarded-For, -Proto and -Host */
	bool forwarded; /* RFC 7239 */
	enum arq_config_mark request_id; /* X-Request-Id */
	enum arq_config_mark traceparent; /* W3C Trace Context */
	char *alt_svc; /* of final responses; NULL: as the upstream says */
};

/* Of a duration: as the pool says. */
#define ARQ_CONFIG_AS_POOL UINT64_MAX

/* In the place of the pool's, see struct arq_config_timeouts. */
struct arq_config_route_timeouts {
	char *try;
	uint64_t try_ns;
	char *response;
	uint64_t response_ns;
	char *stall;
	uint64_t stall_ns;
};

struct arq_config_route_retries {
	uint32_t attempts; /* in the place of the pool's; 0: as the pool says */
};

struct arq_config_route_limits {
	uint32_t body; /* bytes of a request's body; 0: no limit */
	char *rate; /* of one client's requests, as written; NULL: no limit */
	uint64_t interval_ns; /* between two of them */
	uint32_t burst; /* of them at once; at least 1 */
};

/* Which requests that came as 0-RTT go on; the others are answered by 425 (RFC 8470). */
enum arq_config_early {
	ARQ_CONFIG_EARLY_SAFE, /* of methods that change nothing: RFC 9110, section 9.2.1 */
	ARQ_CONFIG_EARLY_ALL,
	ARQ_CONFIG_EARLY_NONE,
};

struct arq_config_route {
	/* What metrics and logs call it; host and path as written when absent. Not always unique.
	 */
	char *name;

	/* When: all of these. */
	char **listeners; /* names; none: any */
	uint32_t listeners_count;
	uint64_t listeners_mask; /* the same, bit i for listener i; all bits without names */
	char *server_name; /* as `host`, of the SNI */
	char *alpn; /* raw streams of connections with it; NULL: requests of HTTP/3 */
	char *host; /* lower case; NULL: any. "*.example.com" any one or more labels before it */
	char *path; /* NULL: any. The final '*' of a prefix is cut off */
	bool path_is_prefix;
	char *path_regex; /* of the whole path */
	char **methods; /* none: any */
	uint32_t methods_count;
	struct arq_config_condition *headers;
	uint32_t headers_count;
	struct arq_config_condition *query;
	uint32_t query_count;

	/* What: one of these. */
	char *pool_name; /* as written */
	const struct arq_config_pool *pool;
	struct arq_config_share *split;
	uint32_t split_count;
	struct arq_config_response *respond;
	struct arq_config_redirect *redirect;

	/* How, with a pool. */
	struct arq_config_rewrite *rewrite;
	struct arq_config_headers request_headers;
	struct arq_config_headers response_headers; /* with `respond` and `redirect`, too */
	struct arq_config_route_timeouts timeouts;
	struct arq_config_route_retries retries;
	enum arq_config_early early_data;
	struct arq_config_route_limits limits; /* the rate with `respond` and `redirect`, too */
};

#endif
