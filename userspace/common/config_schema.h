/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The schema of the configuration file: which keys there are, of which type, into which member.
 * Internal to the configuration.
 */
#ifndef ARQUANT_COMMON_CONFIG_SCHEMA_H
#define ARQUANT_COMMON_CONFIG_SCHEMA_H

#include "userspace/common/address.h"
#include "userspace/common/prefix.h"

#include <cyaml/cyaml.h>
#include <limits.h>

/* Of a whole file: a pointer to struct arq_config. */
extern const cyaml_schema_value_t arq_config_schema;

/* Of the mapping under `gateway`. */
extern const cyaml_schema_field_t arq_config_gateway_fields[];

/* Of one under `gateway.pools`. */
extern const cyaml_schema_field_t arq_config_pool_fields[];

/* Of an entry of the list `gateway.routes`. */
extern const cyaml_schema_value_t arq_config_route_entry;

/* Of the mapping `gateway.forwarding`. */
extern const cyaml_schema_field_t arq_config_forwarding_fields[];

/* --- what the schema is written with ---------------------------------------------------------- */

#define NAME_MAX_LENGTH    63
#define HEADER_NAME_MAX    128
#define FILE_MAX_LENGTH    (PATH_MAX - 1)
#define DURATION_MAX       24
#define HOST_MAX_LENGTH    253 /* of a DNS name in text */
#define HEADER_VALUE_MAX   1024
#define URI_PATH_MAX       1024
#define ALPN_MAX_LENGTH    255 /* RFC 7301, section 3.1 */
#define ADDRESS_MAX_LENGTH (ARQ_ADDRESS_TEXT_MAX - 1)

#define OPTIONAL CYAML_FLAG_OPTIONAL
#define REQUIRED CYAML_FLAG_DEFAULT
#define POINTER  CYAML_FLAG_POINTER
#define STRICT   CYAML_FLAG_STRICT

#define STRING(key, flags, structure, member, min, max) \
	CYAML_FIELD_STRING_PTR(key, flags, structure, member, min, max)
#define WORD(key, structure, member, words) \
	CYAML_FIELD_ENUM(key, OPTIONAL | STRICT, structure, member, words, CYAML_ARRAY_LEN(words))
#define LIST(key, flags, structure, member, entry, min, max) \
	CYAML_FIELD_SEQUENCE(key, (flags) | POINTER, structure, member, entry, min, max)

#endif
