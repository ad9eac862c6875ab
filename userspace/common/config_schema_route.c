// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/common/config.h"
#include "userspace/common/config_schema.h"

#define BODY_MAX         65536 /* a direct response is a sentence, not a site */
#define CONTENT_TYPE_MAX 256
#define METHOD_MAX       32
#define REGEX_MAX        1024
#define AUTHORITY_MAX    (HOST_MAX_LENGTH + 6) /* with a port */

/* What one route asks for and changes: each is looked at for each request that comes so far. */
#define LISTENERS_MAX 64
#define METHODS_MAX   32
#define MATCHES_MAX   16
#define CHANGES_MAX   16 /* of each kind; ARQ_FIELDS_ADDED has room for twice as many */
#define POOLS_MAX     64

#define RATE_MAX 32 /* two numbers and units */

static const cyaml_schema_value_t listener_name = {
	CYAML_VALUE_STRING(POINTER, char *, 1, NAME_MAX_LENGTH),
};

static const cyaml_schema_value_t method = {
	CYAML_VALUE_STRING(POINTER, char *, 1, METHOD_MAX),
};

static const cyaml_schema_field_t match_fields[] = {
	STRING("name", REQUIRED, struct arq_config_condition, name, 1, HEADER_NAME_MAX),
	STRING("value", OPTIONAL, struct arq_config_condition, value, 0, HEADER_VALUE_MAX),
	STRING("prefix", OPTIONAL, struct arq_config_condition, prefix, 1, HEADER_VALUE_MAX),
	STRING("regex", OPTIONAL, struct arq_config_condition, regex, 1, REGEX_MAX),
	CYAML_FIELD_END,
};

static const cyaml_schema_value_t match_entry = {
	CYAML_VALUE_MAPPING(REQUIRED, struct arq_config_condition, match_fields),
};

static const cyaml_schema_field_t share_fields[] = {
	STRING("pool", REQUIRED, struct arq_config_share, pool_name, 1, NAME_MAX_LENGTH),
	CYAML_FIELD_UINT("weight", OPTIONAL, struct arq_config_share, weight),
	CYAML_FIELD_END,
};

static const cyaml_schema_value_t share_entry = {
	CYAML_VALUE_MAPPING(REQUIRED, struct arq_config_share, share_fields),
};

static const cyaml_schema_field_t response_fields[] = {
	CYAML_FIELD_UINT("status", REQUIRED, struct arq_config_response, status),
	STRING("body", OPTIONAL, struct arq_config_response, body, 0, BODY_MAX),
	STRING("content_type", OPTIONAL, struct arq_config_response, content_type, 1,
	       CONTENT_TYPE_MAX),
	CYAML_FIELD_END,
};

#define REWRITE_FIELDS(structure, member)                                              \
	STRING("host", OPTIONAL, structure, member host, 1, AUTHORITY_MAX),            \
		STRING("path", OPTIONAL, structure, member path, 1, URI_PATH_MAX),     \
		STRING("prefix", OPTIONAL, structure, member prefix, 1, URI_PATH_MAX), \
		STRING("regex", OPTIONAL, structure, member regex, 1, REGEX_MAX),      \
		STRING("replace", OPTIONAL, structure, member replace, 0, URI_PATH_MAX)

static const cyaml_schema_field_t rewrite_fields[] = {
	REWRITE_FIELDS(struct arq_config_rewrite, ),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t redirect_fields[] = {
	CYAML_FIELD_UINT("status", OPTIONAL, struct arq_config_redirect, status),
	STRING("scheme", OPTIONAL, struct arq_config_redirect, scheme, 1, METHOD_MAX),
	REWRITE_FIELDS(struct arq_config_redirect, to.),
	CYAML_FIELD_END,
};

static const cyaml_schema_value_t header_name = {
	CYAML_VALUE_STRING(POINTER, char *, 1, HEADER_NAME_MAX),
};

static const cyaml_schema_field_t header_fields[] = {
	STRING("name", REQUIRED, struct arq_config_header, name, 1, HEADER_NAME_MAX),
	STRING("value", REQUIRED, struct arq_config_header, value, 0, HEADER_VALUE_MAX),
	CYAML_FIELD_END,
};

static const cyaml_schema_value_t header_entry = {
	CYAML_VALUE_MAPPING(REQUIRED, struct arq_config_header, header_fields),
};

static const cyaml_schema_field_t headers_fields[] = {
	LIST("remove", OPTIONAL, struct arq_config_headers, remove, &header_name, 1, CHANGES_MAX),
	LIST("set", OPTIONAL, struct arq_config_headers, set, &header_entry, 1, CHANGES_MAX),
	LIST("add", OPTIONAL, struct arq_config_headers, add, &header_entry, 1, CHANGES_MAX),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t timeouts_fields[] = {
	STRING("try", OPTIONAL, struct arq_config_route_timeouts, try, 1, DURATION_MAX),
	STRING("response", OPTIONAL, struct arq_config_route_timeouts, response, 1, DURATION_MAX),
	STRING("stall", OPTIONAL, struct arq_config_route_timeouts, stall, 1, DURATION_MAX),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t retries_fields[] = {
	CYAML_FIELD_UINT("attempts", OPTIONAL, struct arq_config_route_retries, attempts),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t limits_fields[] = {
	CYAML_FIELD_UINT("body", OPTIONAL, struct arq_config_route_limits, body),
	STRING("rate", OPTIONAL, struct arq_config_route_limits, rate, 1, RATE_MAX),
	CYAML_FIELD_UINT("burst", OPTIONAL, struct arq_config_route_limits, burst),
	CYAML_FIELD_END,
};

static const cyaml_strval_t early_words[] = {
	{"safe", ARQ_CONFIG_EARLY_SAFE},
	{"all", ARQ_CONFIG_EARLY_ALL},
	{"none", ARQ_CONFIG_EARLY_NONE},
};

static const cyaml_schema_field_t route_fields[] = {
	STRING("name", OPTIONAL, struct arq_config_route, name, 1, NAME_MAX_LENGTH),
	LIST("listeners", OPTIONAL, struct arq_config_route, listeners, &listener_name, 1,
	     LISTENERS_MAX),
	STRING("server_name", OPTIONAL, struct arq_config_route, server_name, 1, HOST_MAX_LENGTH),
	STRING("alpn", OPTIONAL, struct arq_config_route, alpn, 1, ALPN_MAX_LENGTH),
	STRING("host", OPTIONAL, struct arq_config_route, host, 1, HOST_MAX_LENGTH),
	STRING("path", OPTIONAL, struct arq_config_route, path, 1, URI_PATH_MAX),
	STRING("path_regex", OPTIONAL, struct arq_config_route, path_regex, 1, REGEX_MAX),
	LIST("methods", OPTIONAL, struct arq_config_route, methods, &method, 1, METHODS_MAX),
	LIST("headers", OPTIONAL, struct arq_config_route, headers, &match_entry, 1, MATCHES_MAX),
	LIST("query", OPTIONAL, struct arq_config_route, query, &match_entry, 1, MATCHES_MAX),
	STRING("pool", OPTIONAL, struct arq_config_route, pool_name, 1, NAME_MAX_LENGTH),
	LIST("split", OPTIONAL, struct arq_config_route, split, &share_entry, 1, POOLS_MAX),
	CYAML_FIELD_MAPPING_PTR("respond", OPTIONAL, struct arq_config_route, respond,
				response_fields),
	CYAML_FIELD_MAPPING_PTR("redirect", OPTIONAL, struct arq_config_route, redirect,
				redirect_fields),
	CYAML_FIELD_MAPPING_PTR("rewrite", OPTIONAL, struct arq_config_route, rewrite,
				rewrite_fields),
	CYAML_FIELD_MAPPING("request_headers", OPTIONAL, struct arq_config_route, request_headers,
			    headers_fields),
	CYAML_FIELD_MAPPING("response_headers", OPTIONAL, struct arq_config_route, response_headers,
			    headers_fields),
	CYAML_FIELD_MAPPING("timeouts", OPTIONAL, struct arq_config_route, timeouts,
			    timeouts_fields),
	CYAML_FIELD_MAPPING("retries", OPTIONAL, struct arq_config_route, retries, retries_fields),
	WORD("early_data", struct arq_config_route, early_data, early_words),
	CYAML_FIELD_MAPPING("limits", OPTIONAL, struct arq_config_route, limits, limits_fields),
	CYAML_FIELD_END,
};

const cyaml_schema_value_t arq_config_route_entry = {
	CYAML_VALUE_MAPPING(REQUIRED, struct arq_config_route, route_fields),
};

static const cyaml_strval_t marks[] = {
	{"pass", ARQ_CONFIG_MARK_PASS},
	{"keep", ARQ_CONFIG_MARK_KEEP},
	{"make", ARQ_CONFIG_MARK_MAKE},
};

const cyaml_schema_field_t arq_config_forwarding_fields[] = {
	STRING("via", OPTIONAL, struct arq_config_forwarding, via, 1, NAME_MAX_LENGTH),
	CYAML_FIELD_BOOL("x_forwarded", OPTIONAL, struct arq_config_forwarding, x_forwarded),
	CYAML_FIELD_BOOL("forwarded", OPTIONAL, struct arq_config_forwarding, forwarded),
	WORD("request_id", struct arq_config_forwarding, request_id, marks),
	WORD("traceparent", struct arq_config_forwarding, traceparent, marks),
	STRING("alt_svc", OPTIONAL, struct arq_config_forwarding, alt_svc, 1, HEADER_VALUE_MAX),
	CYAML_FIELD_END,
};
