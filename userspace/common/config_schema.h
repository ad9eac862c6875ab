/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The schema of the configuration file: which keys there are, of which type, into which member.
 * Internal to the configuration.
 */
#ifndef ARQUANT_COMMON_CONFIG_SCHEMA_H
#define ARQUANT_COMMON_CONFIG_SCHEMA_H

#include <cyaml/cyaml.h>

/* Of a whole file: a pointer to struct arq_config. */
extern const cyaml_schema_value_t arq_config_schema;

#endif
