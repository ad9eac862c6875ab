/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a schema cannot say: addresses, durations, ranges, unique names, references between parts of
 * the file; and the defaults. Internal to the configuration.
 */
#ifndef ARQUANT_COMMON_CONFIG_CHECK_H
#define ARQUANT_COMMON_CONFIG_CHECK_H

#include "userspace/common/config.h"
#include "userspace/common/config_document.h"

struct arq_config_check {
	struct arq_document *document;
	struct arq_config *config;
	struct arq_error *error;
};

/* Each completes its part of the configuration. Returns 0, or a negative errno with the reason. */
int arq_config_check_interfaces(const struct arq_config_check *check);
int arq_config_check_firewall(const struct arq_config_check *check);
int arq_config_check_sampler(const struct arq_config_check *check);
int arq_config_check_gateway(const struct arq_config_check *check);

/* Of the gateway, entry `i` of its list; pools before routes, which refer to them. */
int arq_config_check_listener(const struct arq_config_check *check, uint32_t i);
int arq_config_check_pool(const struct arq_config_check *check, uint32_t i);
int arq_config_check_pool_health(const struct arq_config_check *check, uint32_t i); /* of it */
int arq_config_check_pool_limits(const struct arq_config_check *check, uint32_t i); /* of it */
int arq_config_check_route(const struct arq_config_check *check, uint32_t i);

/* Where names of targets are asked for. */
int arq_config_check_resolver(const struct arq_config_check *check);

/* Frees what checks added that the schema does not know. */
void arq_config_gateway_clear(struct arq_config_gateway *gateway);

/* What of these is about other protocols than HTTP/3; routes when all of them were checked. */
int arq_config_check_listener_alpn(const struct arq_config_check *check, uint32_t i);
int arq_config_check_pool_alpn(const struct arq_config_check *check, uint32_t i);
int arq_config_check_route_alpn(const struct arq_config_check *check, uint32_t i);
int arq_config_check_alpns_routed(const struct arq_config_check *check);

/* What all forwarded messages are given. */
int arq_config_check_forwarding(const struct arq_config_check *check);

/* Of a route, what becomes of its requests; after the conditions. */
int arq_config_check_route_action(const struct arq_config_check *check, uint32_t i);

/* And how much, how long and how often. */
int arq_config_check_route_limits(const struct arq_config_check *check, uint32_t i);

/* --- what several parts check ----------------------------------------------------------------- */

/* A name that can stand in outputs and references: letters, digits, '-', '_' and '.'. */
int arq_config_check_name(const struct arq_config_check *check, struct arq_field field,
			  const char *name);

/* Reports that a name is taken already, by the field `first`. Returns -EINVAL. */
int arq_config_name_twice(const struct arq_config_check *check, struct arq_field field,
			  const char *name, struct arq_field first);

/* A name that an interface can have. */
int arq_config_check_interface_name(const struct arq_config_check *check, struct arq_field field,
				    const char *name);

/* A number between two bounds; an absent one gets its default. */
int arq_config_check_number(const struct arq_config_check *check, struct arq_field field,
			    uint32_t *number, uint32_t absent, uint32_t min, uint32_t max);

/* Makes the name of a file relative to the configuration file; NULL stays NULL. */
int arq_config_resolve(const struct arq_config_check *check, char **file);

/* An absent text (NULL) becomes a copy of the default. */
int arq_config_set_default(const struct arq_config_check *check, char **text, const char *absent);

/* An address with port. */
int arq_config_check_address(const struct arq_config_check *check, struct arq_field field,
			     const char *text, union arq_address *address);

/* A duration between two bounds, all in ns; an absent text (NULL) leaves it as it is. */
int arq_config_check_duration(const struct arq_config_check *check, struct arq_field field,
			      const char *text, uint64_t *duration, uint64_t min, uint64_t max);

/* Letters, digits, '-' and '_' in labels of 1 to 63: what DNS names of hosts look like. */
bool arq_config_is_host(const char *text);

/* The name of a host, or absent (NULL). */
int arq_config_check_host(const struct arq_config_check *check, struct arq_field field,
			  const char *name);

/* An absolute path without query, or absent (NULL). */
int arq_config_check_path(const struct arq_config_check *check, struct arq_field field,
			  const char *path);

/*
 * A regular expression, or absent (NULL). With `must_match`, the only text that it will ever be
 * held against, one that does not match it is an error.
 */
int arq_config_check_regex(const struct arq_config_check *check, struct arq_field field,
			   const char *pattern, const char *must_match);

/* RFC 9110, section 5.6.2: what names of fields and methods are made of. */
bool arq_config_is_token(const char *text);

/* The name of a header field; becomes lower case. */
int arq_config_check_header_name(const struct arq_config_check *check, struct arq_field field,
				 char *name);

/* What a header field can say, or absent (NULL). */
int arq_config_check_header_value(const struct arq_config_check *check, struct arq_field field,
				  const char *value);

/* ASCII letters only. */
void arq_config_to_lower(char *text);

/* Returns -ENOMEM with its message. */
int arq_config_no_memory(const struct arq_config_check *check);

#endif
