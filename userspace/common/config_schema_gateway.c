// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/common/config.h"
#include "userspace/common/config_schema.h"

#include <net/if.h>

/*
 * How much of each there may be. Names are compared with all others, and a worker keeps its pools'
 * and routes' state in arrays: the bounds keep both cheap. Raise them where somebody needs more.
 */
#define LISTENERS_MAX    64
#define CERTIFICATES_MAX 256
#define POOLS_MAX        1024
#define TARGETS_MAX      256
#define ROUTES_MAX       4096
#define ALPNS_MAX        16

#define RESOLVERS_MAX 8

#define TARGET_MAX_LENGTH (HOST_MAX_LENGTH + 6) /* with a port */

#define USER_NAME_MAX 32 /* useradd(8) */

#define SOCKET_MAX_LENGTH 107 /* unix(7) */

static const cyaml_strval_t ios[] = {
	{"auto", ARQ_CONFIG_IO_AUTO},
	{"xsk", ARQ_CONFIG_IO_XSK},
	{"udp", ARQ_CONFIG_IO_UDP},
};

static const cyaml_strval_t copy_modes[] = {
	{"auto", ARQ_CONFIG_COPY_AUTO},
	{"copy", ARQ_CONFIG_COPY},
	{"zero-copy", ARQ_CONFIG_ZERO_COPY},
};

static const cyaml_strval_t policies[] = {
	{"least-requests", ARQ_CONFIG_LEAST_REQUESTS},
	{"round-robin", ARQ_CONFIG_ROUND_ROBIN},
	{"random", ARQ_CONFIG_RANDOM},
	{"consistent-hash", ARQ_CONFIG_CONSISTENT_HASH},
};

static const cyaml_strval_t forwards[] = {
	{"streams", ARQ_CONFIG_FORWARD_STREAMS},
	{"connections", ARQ_CONFIG_FORWARD_CONNECTIONS},
};

static const cyaml_schema_field_t certificate_fields[] = {
	STRING("certificate", REQUIRED, struct arq_config_certificate, certificate, 1,
	       FILE_MAX_LENGTH),
	STRING("key", REQUIRED, struct arq_config_certificate, key, 1, FILE_MAX_LENGTH),
	CYAML_FIELD_END,
};

static const cyaml_schema_value_t certificate_entry = {
	CYAML_VALUE_MAPPING(REQUIRED, struct arq_config_certificate, certificate_fields),
};

static const cyaml_strval_t client_certificates_modes[] = {
	{"off", ARQ_CONFIG_CLIENT_CERTIFICATES_OFF},
	{"optional", ARQ_CONFIG_CLIENT_CERTIFICATES_OPTIONAL},
	{"required", ARQ_CONFIG_CLIENT_CERTIFICATES_REQUIRED},
};

static const cyaml_schema_field_t client_certificates_fields[] = {
	WORD("mode", struct arq_config_client_certificates, mode, client_certificates_modes),
	STRING("ca", OPTIONAL, struct arq_config_client_certificates, ca, 1, FILE_MAX_LENGTH),
	CYAML_FIELD_END,
};

static const cyaml_schema_value_t alpn_name = {
	CYAML_VALUE_STRING(POINTER, char *, 1, ALPN_MAX_LENGTH),
};

static const cyaml_schema_field_t listener_fields[] = {
	STRING("name", REQUIRED, struct arq_config_listener, name, 1, NAME_MAX_LENGTH),
	STRING("address", REQUIRED, struct arq_config_listener, address_text, 1,
	       ADDRESS_MAX_LENGTH),
	WORD("io", struct arq_config_listener, io, ios),
	STRING("interface", OPTIONAL, struct arq_config_listener, interface, 1, IFNAMSIZ - 1),
	WORD("copy_mode", struct arq_config_listener, copy_mode, copy_modes),
	LIST("certificates", REQUIRED, struct arq_config_listener, certificates, &certificate_entry,
	     1, CERTIFICATES_MAX),
	CYAML_FIELD_MAPPING("client_certificates", OPTIONAL, struct arq_config_listener,
			    client_certificates, client_certificates_fields),
	CYAML_FIELD_BOOL("early_data", OPTIONAL, struct arq_config_listener, early_data),
	LIST("alpn", OPTIONAL, struct arq_config_listener, alpn, &alpn_name, 1, ALPNS_MAX),
	CYAML_FIELD_END,
};

static const cyaml_schema_value_t listener_entry = {
	CYAML_VALUE_MAPPING(REQUIRED, struct arq_config_listener, listener_fields),
};

static const cyaml_schema_field_t target_fields[] = {
	STRING("address", REQUIRED, struct arq_config_target, address_text, 1, TARGET_MAX_LENGTH),
	CYAML_FIELD_UINT("weight", OPTIONAL, struct arq_config_target, weight),
	CYAML_FIELD_BOOL("backup", OPTIONAL, struct arq_config_target, backup),
	STRING("server_name", OPTIONAL, struct arq_config_target, server_name, 1, HOST_MAX_LENGTH),
	CYAML_FIELD_END,
};

static const cyaml_schema_value_t target_entry = {
	CYAML_VALUE_MAPPING(REQUIRED, struct arq_config_target, target_fields),
};

static const cyaml_schema_field_t tls_fields[] = {
	CYAML_FIELD_BOOL("verify", OPTIONAL, struct arq_config_tls, verify),
	STRING("ca", OPTIONAL, struct arq_config_tls, ca, 1, FILE_MAX_LENGTH),
	STRING("certificate", OPTIONAL, struct arq_config_tls, certificate, 1, FILE_MAX_LENGTH),
	STRING("key", OPTIONAL, struct arq_config_tls, key, 1, FILE_MAX_LENGTH),
	STRING("server_name", OPTIONAL, struct arq_config_tls, server_name, 1, HOST_MAX_LENGTH),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t health_fields[] = {
	STRING("path", OPTIONAL, struct arq_config_health, path, 1, URI_PATH_MAX),
	STRING("host", OPTIONAL, struct arq_config_health, host, 1, HOST_MAX_LENGTH),
	STRING("status", OPTIONAL, struct arq_config_health, status, 1, DURATION_MAX),
	STRING("interval", OPTIONAL, struct arq_config_health, interval, 1, DURATION_MAX),
	STRING("timeout", OPTIONAL, struct arq_config_health, timeout, 1, DURATION_MAX),
	CYAML_FIELD_UINT("unhealthy", OPTIONAL, struct arq_config_health, unhealthy),
	CYAML_FIELD_UINT("healthy", OPTIONAL, struct arq_config_health, healthy),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t ejection_fields[] = {
	CYAML_FIELD_UINT("failures", OPTIONAL, struct arq_config_ejection, failures),
	CYAML_FIELD_UINT("max_percent", OPTIONAL, struct arq_config_ejection, max_percent),
	STRING("time", OPTIONAL, struct arq_config_ejection, time, 1, DURATION_MAX),
	STRING("max_time", OPTIONAL, struct arq_config_ejection, max_time, 1, DURATION_MAX),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t connections_fields[] = {
	CYAML_FIELD_UINT("max", OPTIONAL, struct arq_config_connections, max),
	CYAML_FIELD_UINT("streams", OPTIONAL, struct arq_config_connections, streams),
	CYAML_FIELD_BOOL("preconnect", OPTIONAL, struct arq_config_connections, preconnect),
	STRING("connect_timeout", OPTIONAL, struct arq_config_connections, connect_timeout, 1,
	       DURATION_MAX),
	STRING("idle_timeout", OPTIONAL, struct arq_config_connections, idle_timeout, 1,
	       DURATION_MAX),
	STRING("keep_alive", OPTIONAL, struct arq_config_connections, keep_alive, 1, DURATION_MAX),
	STRING("silence", OPTIONAL, struct arq_config_connections, silence, 1, DURATION_MAX),
	STRING("max_age", OPTIONAL, struct arq_config_connections, max_age, 1, DURATION_MAX),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t timeouts_fields[] = {
	STRING("wait", OPTIONAL, struct arq_config_timeouts, wait, 1, DURATION_MAX),
	STRING("try", OPTIONAL, struct arq_config_timeouts, try, 1, DURATION_MAX),
	STRING("response", OPTIONAL, struct arq_config_timeouts, response, 1, DURATION_MAX),
	STRING("stall", OPTIONAL, struct arq_config_timeouts, stall, 1, DURATION_MAX),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t retries_fields[] = {
	CYAML_FIELD_UINT("attempts", OPTIONAL, struct arq_config_retries, attempts),
	CYAML_FIELD_UINT("budget", OPTIONAL, struct arq_config_retries, budget),
	CYAML_FIELD_UINT("min", OPTIONAL, struct arq_config_retries, min),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t pool_limits_fields[] = {
	CYAML_FIELD_UINT("waiting", OPTIONAL, struct arq_config_pool_limits, waiting),
	CYAML_FIELD_UINT("requests", OPTIONAL, struct arq_config_pool_limits, requests),
	CYAML_FIELD_END,
};

const cyaml_schema_field_t arq_config_pool_fields[] = {
	STRING("name", REQUIRED, struct arq_config_pool, name, 1, NAME_MAX_LENGTH),
	STRING("alpn", OPTIONAL, struct arq_config_pool, alpn, 1, ALPN_MAX_LENGTH),
	WORD("forward", struct arq_config_pool, forward, forwards),
	CYAML_FIELD_UINT("reset_code", OPTIONAL, struct arq_config_pool, reset_code),
	LIST("targets", REQUIRED, struct arq_config_pool, targets, &target_entry, 1, TARGETS_MAX),
	WORD("policy", struct arq_config_pool, policy, policies),
	STRING("hash", OPTIONAL, struct arq_config_pool, hash, 1, HEADER_VALUE_MAX),
	STRING("slow_start", OPTIONAL, struct arq_config_pool, slow_start, 1, DURATION_MAX),
	CYAML_FIELD_UINT("panic_threshold", OPTIONAL, struct arq_config_pool, panic_threshold),
	CYAML_FIELD_MAPPING_PTR("health", OPTIONAL, struct arq_config_pool, health, health_fields),
	CYAML_FIELD_MAPPING("ejection", OPTIONAL, struct arq_config_pool, ejection,
			    ejection_fields),
	CYAML_FIELD_MAPPING("connections", OPTIONAL, struct arq_config_pool, connections,
			    connections_fields),
	CYAML_FIELD_MAPPING("timeouts", OPTIONAL, struct arq_config_pool, timeouts,
			    timeouts_fields),
	CYAML_FIELD_MAPPING("retries", OPTIONAL, struct arq_config_pool, retries, retries_fields),
	CYAML_FIELD_MAPPING("limits", OPTIONAL, struct arq_config_pool, limits, pool_limits_fields),
	CYAML_FIELD_MAPPING("tls", OPTIONAL, struct arq_config_pool, tls, tls_fields),
	CYAML_FIELD_END,
};

static const cyaml_schema_value_t pool_entry = {
	CYAML_VALUE_MAPPING(REQUIRED, struct arq_config_pool, arq_config_pool_fields),
};

static const cyaml_schema_field_t limits_fields[] = {
	CYAML_FIELD_UINT("max_connections", OPTIONAL, struct arq_config_limits, max_connections),
	CYAML_FIELD_UINT("per_source", OPTIONAL, struct arq_config_limits, per_source),
	CYAML_FIELD_UINT("memory", OPTIONAL, struct arq_config_limits, memory_mib),
	CYAML_FIELD_UINT("newcomers", OPTIONAL, struct arq_config_limits, newcomers),
	CYAML_FIELD_UINT("header_size", OPTIONAL, struct arq_config_limits, header_size),
	STRING("idle_timeout", OPTIONAL, struct arq_config_limits, idle_timeout_text, 1,
	       DURATION_MAX),
	STRING("drain_timeout", OPTIONAL, struct arq_config_limits, drain_timeout_text, 1,
	       DURATION_MAX),
	STRING("block_abuse", OPTIONAL, struct arq_config_limits, block_abuse_text, 1,
	       DURATION_MAX),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t connection_ids_fields[] = {
	CYAML_FIELD_UINT("config_id", OPTIONAL, struct arq_config_connection_ids, config_id),
	STRING("server_id", OPTIONAL, struct arq_config_connection_ids, server_id_text, 1,
	       2 * ARQ_CONFIG_SERVER_ID_MAX),
	CYAML_FIELD_UINT("nonce_length", OPTIONAL, struct arq_config_connection_ids, nonce_length),
	STRING("key_file", OPTIONAL, struct arq_config_connection_ids, key_file, 1,
	       FILE_MAX_LENGTH),
	CYAML_FIELD_END,
};

static const cyaml_strval_t retries[] = {
	{"auto", ARQ_CONFIG_RETRY_AUTO},
	{"always", ARQ_CONFIG_RETRY_ALWAYS},
	{"never", ARQ_CONFIG_RETRY_NEVER},
};

static const cyaml_strval_t congestion_controls[] = {
	{"cubic", ARQ_CONFIG_CUBIC},
	{"bbr", ARQ_CONFIG_BBR},
};

static const cyaml_schema_field_t transport_fields[] = {
	WORD("retry", struct arq_config_transport, retry, retries),
	CYAML_FIELD_UINT("retry_threshold", OPTIONAL, struct arq_config_transport, retry_threshold),
	WORD("congestion_control", struct arq_config_transport, congestion_control,
	     congestion_controls),
	CYAML_FIELD_END,
};

static const cyaml_strval_t families[] = {
	{"any", ARQ_CONFIG_FAMILY_ANY},
	{"ipv4", ARQ_CONFIG_FAMILY_IPV4},
	{"ipv6", ARQ_CONFIG_FAMILY_IPV6},
};

static const cyaml_schema_value_t resolver_server = {
	CYAML_VALUE_STRING(POINTER, char *, 1, ADDRESS_MAX_LENGTH),
};

static const cyaml_schema_field_t resolver_fields[] = {
	LIST("servers", OPTIONAL, struct arq_config_resolver, servers, &resolver_server, 1,
	     RESOLVERS_MAX),
	WORD("family", struct arq_config_resolver, family, families),
	CYAML_FIELD_UINT("attempts", OPTIONAL, struct arq_config_resolver, attempts),
	STRING("timeout", OPTIONAL, struct arq_config_resolver, timeout, 1, DURATION_MAX),
	STRING("min_interval", OPTIONAL, struct arq_config_resolver, min_interval, 1, DURATION_MAX),
	STRING("max_interval", OPTIONAL, struct arq_config_resolver, max_interval, 1, DURATION_MAX),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t admin_fields[] = {
	STRING("control", OPTIONAL, struct arq_config_admin, control, 1, SOCKET_MAX_LENGTH),
	STRING("metrics", OPTIONAL, struct arq_config_admin, metrics_text, 1, ADDRESS_MAX_LENGTH),
	CYAML_FIELD_END,
};

static const cyaml_schema_value_t logged_header = {
	CYAML_VALUE_STRING(POINTER, char *, 1, HEADER_NAME_MAX),
};

static const cyaml_schema_field_t access_log_fields[] = {
	STRING("file", REQUIRED, struct arq_config_access_log, file, 1, FILE_MAX_LENGTH),
	LIST("request_headers", OPTIONAL, struct arq_config_access_log, request_headers,
	     &logged_header, 0, ARQ_CONFIG_LOG_HEADERS_MAX),
	CYAML_FIELD_END,
};

const cyaml_schema_field_t arq_config_gateway_fields[] = {
	CYAML_FIELD_UINT("workers", OPTIONAL, struct arq_config_gateway, workers),
	STRING("user", OPTIONAL, struct arq_config_gateway, user, 1, USER_NAME_MAX),
	STRING("static_secret_file", OPTIONAL, struct arq_config_gateway, static_secret_file, 1,
	       FILE_MAX_LENGTH),
	CYAML_FIELD_MAPPING("connection_ids", OPTIONAL, struct arq_config_gateway, connection_ids,
			    connection_ids_fields),
	CYAML_FIELD_MAPPING("transport", OPTIONAL, struct arq_config_gateway, transport,
			    transport_fields),
	LIST("listeners", REQUIRED, struct arq_config_gateway, listeners, &listener_entry, 1,
	     LISTENERS_MAX),
	LIST("pools", OPTIONAL, struct arq_config_gateway, pools, &pool_entry, 0, POOLS_MAX),
	CYAML_FIELD_MAPPING("resolver", OPTIONAL, struct arq_config_gateway, resolver,
			    resolver_fields),
	LIST("routes", REQUIRED, struct arq_config_gateway, routes, &arq_config_route_entry, 1,
	     ROUTES_MAX),
	CYAML_FIELD_MAPPING("forwarding", OPTIONAL, struct arq_config_gateway, forwarding,
			    arq_config_forwarding_fields),
	CYAML_FIELD_MAPPING("limits", OPTIONAL, struct arq_config_gateway, limits, limits_fields),
	CYAML_FIELD_MAPPING("access_log", OPTIONAL, struct arq_config_gateway, access_log,
			    access_log_fields),
	CYAML_FIELD_MAPPING("admin", OPTIONAL, struct arq_config_gateway, admin, admin_fields),
	CYAML_FIELD_END,
};
