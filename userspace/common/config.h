/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The configuration: one YAML file, read whole or refused whole.
 *
 * arq_config_load() reads the file against a schema, checks every cross reference, fills in the
 * defaults, and returns a tree that nobody changes any more: threads may share it. The tree owns
 * all it points to; arq_config_destroy() frees it. Pointers are NULL and counts 0 where something
 * optional is absent and has no default. File names are absolute, or relative to the working
 * directory when the configuration's own name was; those in the file are relative to it.
 *
 * An error is one line, "FILE:LINE:COLUMN: FIELD: what is wrong; what to do". Unknown keys are
 * errors: an option that is accepted and does nothing is a lie. YAML anchors and aliases are
 * refused (they are how a small file becomes a large one). Where a list is expected, one value
 * alone stands for a list of one; and where the entries of a list are mappings of which only one
 * key is required, that key's value alone stands for the mapping.
 *
 * No privileges needed beyond reading the file. Certificates, keys and lists of prefixes are named
 * in it but read by who uses them.
 */
#ifndef ARQUANT_COMMON_CONFIG_H
#define ARQUANT_COMMON_CONFIG_H

#include "userspace/common/address.h"
#include "userspace/common/config_route.h"
#include "userspace/common/error.h"
#include "userspace/common/rule.h"

#include <arquant/guards.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where the commands look when they are told no other file. */
#define ARQ_CONFIG_PATH "/etc/arquant/arquant.yaml"

/* --- interfaces ------------------------------------------------------------------------------- */

enum arq_config_mode {
	ARQ_CONFIG_MODE_AUTO, /* native where the driver has it, else generic */
	ARQ_CONFIG_MODE_NATIVE,
	ARQ_CONFIG_MODE_GENERIC,
};

/* A program in the chain of an interface. */
struct arq_config_program {
	uint32_t id; /* enum arq_program_id */
	uint32_t priority; /* libxdp's run priority, low runs first; the program's own by default */
	uint32_t chain_actions; /* bits, 1 << enum xdp_action; XDP_PASS by default */
};

struct arq_config_interface {
	char *name;
	enum arq_config_mode mode;
	uint32_t programs; /* bits, 1 << enum arq_program_id; all three by default, never none */
	struct arq_config_program *chain; /* the same, one by one, as the file has them */
	uint32_t chain_count; /* 0 with the default */
};

/* --- firewall --------------------------------------------------------------------------------- */

enum arq_config_action {
	ARQ_CONFIG_PASS,
	ARQ_CONFIG_DROP,
};

enum arq_config_fragments {
	ARQ_CONFIG_FRAGMENTS_PASS,
	ARQ_CONFIG_FRAGMENTS_DROP,
	ARQ_CONFIG_FRAGMENTS_TOO_BIG, /* dropped, and answered with packet too big */
};

struct arq_config_set; /* as written; config_firewall.h */
struct arq_config_rule;
struct arq_config_too_big; /* as written; config_firewall_guards.h */
struct arq_config_quic;
struct arq_config_knock;

struct arq_config_firewall {
	enum arq_config_action malformed; /* packets whose headers lie; DROP by default */
	/*
	 * Rules, sets and the default action, complete but for one thing: a set with a file has no
	 * entries yet, they are read by who compiles the rules.
	 */
	struct arq_ruleset ruleset;
	enum arq_rule_action default_action;
	struct arq_config_set *sets;
	uint32_t sets_count;
	struct arq_config_rule *rules;
	uint32_t rules_count;
	/* What comes before the rules, complete; never NULL. */
	struct arq_guards *guards;
	enum arq_config_action ipv4_options;
	enum arq_config_action evil_bit;
	enum arq_config_fragments fragments;
	struct arq_config_too_big *packet_too_big;
	struct arq_config_quic *quic;
	struct arq_config_knock *knocks;
	uint32_t knocks_count;
};

/* --- sampler ---------------------------------------------------------------------------------- */

/* Of `arquant sampler export`. */
struct arq_config_sflow {
	char **collectors; /* as written */
	uint32_t collectors_count; /* 0: none */
	union arq_address *addresses; /* the same, parsed */
	char *agent_text; /* as written */
	union arq_address agent; /* family AF_UNSPEC: the address that goes to the collectors */
	char *counters_text; /* as written */
	uint64_t counters_ns; /* between the counters of an interface */
};

struct arq_config_sampler {
	uint32_t one_in; /* 1 to UINT32_MAX */
	uint32_t drops_one_in; /* the same for dropped packets; one_in by default */
	uint32_t snaplen; /* 14 to ARQ_SNAPLEN_MAX */
	struct arq_config_sflow sflow;
};

/* Octets of a server id that the configuration can give. */
#define ARQ_CONFIG_SERVER_ID_MAX 13

/* --- gateway ---------------------------------------------------------------------------------- */

enum arq_config_io {
	ARQ_CONFIG_IO_AUTO, /* AF_XDP where the interface carries the redirect, else UDP sockets */
	ARQ_CONFIG_IO_XSK,
	ARQ_CONFIG_IO_UDP,
};

/* As enum arq_xsk_copy_mode in io.h. */
enum arq_config_copy_mode {
	ARQ_CONFIG_COPY_AUTO,
	ARQ_CONFIG_COPY,
	ARQ_CONFIG_ZERO_COPY,
};

struct arq_config_certificate {
	char *certificate; /* PEM file, chain included */
	char *key; /* PEM file */
};

enum arq_config_client_certificates_mode {
	ARQ_CONFIG_CLIENT_CERTIFICATES_OFF, /* none is asked for */
	ARQ_CONFIG_CLIENT_CERTIFICATES_OPTIONAL, /* one that is shown must be good */
	ARQ_CONFIG_CLIENT_CERTIFICATES_REQUIRED,
};

struct arq_config_client_certificates {
	enum arq_config_client_certificates_mode mode;
	char *ca; /* PEM file; NULL with OFF */
};

struct arq_config_listener {
	char *name;
	char *address_text; /* as written */
	union arq_address address;
	enum arq_config_io io;
	char *interface; /* for AF_XDP; NULL: the one that has the address */
	enum arq_config_copy_mode copy_mode;
	struct arq_config_certificate *certificates; /* at least one; the first is the default */
	uint32_t certificates_count;
	struct arq_config_client_certificates client_certificates;
	bool early_data; /* 0-RTT is taken */
	char **alpn; /* offered, by preference; never none */
	uint32_t alpn_count;
};

enum arq_config_policy {
	ARQ_CONFIG_LEAST_REQUESTS,
	ARQ_CONFIG_ROUND_ROBIN,
	ARQ_CONFIG_RANDOM,
	ARQ_CONFIG_CONSISTENT_HASH,
};

/* What of a client's connection with raw streams goes to one target. */
enum arq_config_forward {
	ARQ_CONFIG_FORWARD_STREAMS, /* each stream, on connections that clients share */
	ARQ_CONFIG_FORWARD_CONNECTIONS, /* all of it, on a connection of its own */
};

/* What consistent-hash goes by. */
enum arq_config_hash {
	ARQ_CONFIG_HASH_CLIENT, /* its address */
	ARQ_CONFIG_HASH_HEADER,
	ARQ_CONFIG_HASH_COOKIE,
};

/* Addresses that a name may have: beyond, a client that is no balancer is the wrong one to ask. */
#define ARQ_CONFIG_NAME_ADDRESSES_MAX 64

struct arq_config_target {
	char *address_text; /* as written */
	union arq_address address; /* family AF_UNSPEC with a name */
	char *host; /* the name, lower case; NULL: the address is given */
	in_port_t port; /* with a name */
	uint32_t weight; /* 1 to 1000 */
	bool backup; /* gets requests only when no other can be used */
	char *server_name; /* for SNI and verification; never NULL when the pool verifies and has
			      one */
};

struct arq_config_tls {
	bool verify; /* the target's certificate chain and name */
	char *ca; /* PEM file; NULL: the system's */
	char *certificate; /* PEM files that we show to targets that ask; NULL: none */
	char *key;
	char *server_name; /* for targets that have none of their own */
};

/* Active checks of a pool's targets. */
struct arq_config_health {
	char *path; /* of the request; NULL: just a handshake */
	char *host; /* NULL: the name that the certificate is checked for */
	char *status; /* as written */
	uint16_t status_first, status_last; /* what passes; 200 to 299 by default */
	char *interval;
	uint64_t interval_ns; /* from the beginning of one to the beginning of the next */
	char *timeout;
	uint64_t timeout_ns;
	uint32_t unhealthy; /* failures in a row that take a target out */
	uint32_t healthy; /* passes in a row that put it back */
};

/* What requests find out of a target. */
struct arq_config_ejection {
	uint32_t failures; /* in a row that eject a target; 0: never */
	uint32_t max_percent; /* of the pool's targets that may be ejected at a time */
	char *time;
	uint64_t time_ns; /* of the first ejection; each one after another doubles it */
	char *max_time;
	uint64_t max_time_ns;
};

/* Of one worker to one target. */
struct arq_config_connections {
	uint32_t max;
	uint32_t streams; /* on each at most; 0: as many as the target allows */
	bool preconnect; /* one is always there */
	char *connect_timeout;
	uint64_t connect_timeout_ns;
	char *idle_timeout;
	uint64_t idle_timeout_ns; /* a silent one is closed; 0: as gateway.limits says */
	char *keep_alive;
	uint64_t keep_alive_ns; /* of silence after which a PING goes out; 0: never */
	char *silence;
	uint64_t silence_ns; /* while it owes an acknowledgement; then it is lost; 0: never */
	char *max_age;
	uint64_t max_age_ns; /* then it gets nothing new, up to a tenth sooner; 0: no limit */
};

/* 0: no limit, but for `wait`. */
struct arq_config_timeouts {
	char *wait;
	uint64_t wait_ns; /* for a stream on a connection */
	char *try;
	uint64_t try_ns; /* from a stream to the response's header section */
	char *response;
	uint64_t response_ns; /* the same from the request on, all tries and waiting together */
	char *stall;
	uint64_t stall_ns; /* of a response under way in which nothing moves */
};

struct arq_config_retries {
	uint32_t attempts; /* targets that a request goes to or waits for, at most */
	uint32_t budget; /* percent of a worker's requests to the pool that may be retries */
	uint32_t min; /* retries at a time that are allowed whatever the budget says */
};

/* What one worker asks of one target. */
struct arq_config_pool_limits {
	uint32_t waiting; /* requests in its queue */
	uint32_t requests; /* that it has and that wait; 0: no limit */
};

struct arq_config_pool {
	char *name;
	char *alpn; /* of connections to the targets; never NULL */
	enum arq_config_forward forward; /* with another alpn than h3 */
	uint32_t reset_code; /* of streams that an end of ours breaks off, with another than h3 */
	struct arq_config_target *targets; /* at least one */
	uint32_t targets_count;
	enum arq_config_policy policy;
	char *hash; /* as written; NULL: the client */
	enum arq_config_hash hash_by;
	const char *hash_name; /* of the header or cookie; points into `hash` */
	char *slow_start;
	uint64_t
		slow_start_ns; /* in which a target that came back gets to its weight; 0: at once */
	uint32_t panic_threshold; /* percent of usable targets under which all are used; 0: never */
	struct arq_config_health *health; /* NULL: no checks */
	struct arq_config_ejection ejection;
	struct arq_config_connections connections;
	struct arq_config_timeouts timeouts;
	struct arq_config_retries retries;
	struct arq_config_pool_limits limits;
	struct arq_config_tls tls;
};

struct arq_config_limits {
	uint32_t max_connections; /* of the daemon, all workers together */
	uint32_t per_source; /* connections that a client may have; 0: no limit */
	uint32_t memory_mib; /* of connections' QUIC state, all workers together; 0: no limit */
	uint32_t newcomers; /* percent of a worker's time while others have work */
	uint32_t header_size; /* bytes of a request's or response's header section */
	uint64_t idle_timeout_ns; /* QUIC max_idle_timeout */
	uint64_t drain_timeout_ns; /* what SIGTERM waits for open requests at most */
	uint64_t block_abuse_ns; /* how long who abuses a connection is blocked; 0: not at all */
	char *idle_timeout_text; /* as written */
	char *drain_timeout_text;
	char *block_abuse_text;
};

/* draft-ietf-quic-load-balancers; the worker's number is added to the server id in two octets. */
struct arq_config_connection_ids {
	uint32_t config_id; /* 0 to 6 */
	uint32_t nonce_length; /* octets */
	char *server_id_text; /* as written; NULL: none */
	uint8_t server_id[ARQ_CONFIG_SERVER_ID_MAX];
	uint32_t server_id_length;
	char *key_file; /* 32 hexadecimal digits; NULL: not encrypted */
};

enum arq_config_family {
	ARQ_CONFIG_FAMILY_ANY,
	ARQ_CONFIG_FAMILY_IPV4,
	ARQ_CONFIG_FAMILY_IPV6,
};

/* Whom targets that are names are asked of, and how often. */
struct arq_config_resolver {
	char **servers; /* as written */
	uint32_t servers_count; /* 0: those of /etc/resolv.conf */
	union arq_address *addresses; /* the same, parsed */
	enum arq_config_family family; /* of addresses that are asked for */
	uint32_t attempts; /* questions to each server */
	char *timeout;
	uint64_t timeout_ns; /* for an answer */
	char *min_interval;
	uint64_t min_interval_ns; /* a name is asked for no sooner, whatever its TTL, */
	char *max_interval;
	uint64_t max_interval_ns; /* and no later */
};

enum arq_config_retry {
	ARQ_CONFIG_RETRY_AUTO, /* when many handshakes are under way */
	ARQ_CONFIG_RETRY_ALWAYS,
	ARQ_CONFIG_RETRY_NEVER,
};

enum arq_config_congestion_control {
	ARQ_CONFIG_CUBIC,
	ARQ_CONFIG_BBR,
};

/* Of clients' connections. */
struct arq_config_transport {
	enum arq_config_retry retry;
	uint32_t retry_threshold; /* handshakes under way, in a worker, from which AUTO acts */
	enum arq_config_congestion_control congestion_control;
};

#define ARQ_CONFIG_LOG_HEADERS_MAX 8

/* A line of JSON for each request. */
struct arq_config_access_log {
	char *file; /* NULL: no log */
	char **request_headers; /* names, lower case, whose values are logged */
	uint32_t request_headers_count;
};

struct arq_config_admin {
	char *control; /* the control socket; never NULL */
	bool control_named; /* the file names it: it must be there */
	char *metrics_text; /* as written; NULL: no metrics */
	union arq_address metrics; /* TCP, where they are asked for */
};

struct arq_config_gateway {
	uint32_t workers; /* for UDP sockets; AF_XDP has one worker for each receive queue */
	char *user; /* to run as after start; NULL: stay who we are */
	char *static_secret_file; /* at least 32 bytes; NULL: random at start */
	struct arq_config_connection_ids connection_ids;
	struct arq_config_transport transport;
	struct arq_config_listener *listeners; /* none: no gateway is configured */
	uint32_t listeners_count;
	struct arq_config_pool *pools;
	uint32_t pools_count;
	struct arq_config_resolver resolver;
	struct arq_config_route *routes;
	uint32_t routes_count;
	struct arq_config_forwarding forwarding;
	struct arq_config_limits limits;
	struct arq_config_access_log access_log;
	struct arq_config_admin admin;
};

struct arq_config {
	struct arq_config_interface *interfaces;
	uint32_t interfaces_count;
	struct arq_config_firewall firewall;
	struct arq_config_sampler sampler;
	struct arq_config_gateway gateway;
	char *path; /* of the file it was read from */
};

/*
 * Reads, checks and completes the configuration in `path`. Returns 0 and *config, or a negative
 * errno with *config NULL and the reason in `error`: -EINVAL when the content is wrong, else what
 * reading it gave.
 */
int arq_config_load(const char *path, struct arq_config **config, struct arq_error *error);

/* The same for `size` bytes of text; `path` is what messages call it, and where its files are. */
int arq_config_parse(const char *path, const char *text, size_t size, struct arq_config **config,
		     struct arq_error *error);

/* Whether an ALPN name means HTTP/3, which has requests; all others have raw streams. */
bool arq_config_is_h3(const char *alpn);

/* Some of its targets are names, which have addresses that may change. */
bool arq_config_has_names(const struct arq_config_pool *pool);

/* Nothing that the file can say of a pool differs. False also when memory ran out. */
bool arq_config_same_pool(const struct arq_config_pool *a, const struct arq_config_pool *b);

/* Frees it and all it points to; NULL is fine. */
void arq_config_destroy(struct arq_config *config);

/* Parses an IP address alone, "192.0.2.1" or "2001:db8::1"; port 0. Returns 0 or -EINVAL. */
int arq_config_parse_host(const char *text, union arq_address *address);

/*
 * Parses a duration: a whole number and its unit, "250us", "500ms", "30s", "2m", "1h".
 * Returns 0, -EINVAL when it is none, or -ERANGE beyond a hundred years.
 */
int arq_duration_parse(const char *text, uint64_t *nanoseconds);

/*
 * Parses a rate: packets in a time, "100/s", "30/m", "5/h", "2/10s". Both numbers are at least 1.
 * Returns 0, -EINVAL when it is none, or -ERANGE: more than a thousand million packets, or a time
 * over a day.
 */
int arq_rate_parse(const char *text, uint64_t *packets, uint64_t *period_ns);

#endif
