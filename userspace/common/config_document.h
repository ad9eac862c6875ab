/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A YAML file as a tree whose every node knows its line and column, checked against a schema.
 *
 * libcyaml fills the structures, but where it refuses a value it names a place nearby and says
 * little about what would be right. So the document is read by libyaml first and held against the
 * same schema tables; what passes is handed to libcyaml to store. Later checks, of what a schema
 * cannot say, find their positions in the tree by the field's path ("gateway.pools[2].name").
 *
 * Internal to the configuration.
 */
#ifndef ARQUANT_COMMON_CONFIG_DOCUMENT_H
#define ARQUANT_COMMON_CONFIG_DOCUMENT_H

#include "userspace/common/error.h"

#include <cyaml/cyaml.h>
#include <stdbool.h>
#include <stddef.h>
#include <yaml.h>

/* The longest path of a field: five levels of keys and indices, and an unknown key of the file. */
#define ARQ_FIELD_MAX 192

struct arq_document {
	const char *path; /* of the file, for messages; borrowed */
	yaml_document_t yaml;
};

/*
 * Parses `size` bytes of YAML. Refuses anchors, aliases, tags, a second document, deep nesting and
 * too many values. Returns 0, or a negative errno with the reason; only after 0 must the document
 * be released.
 */
int arq_document_parse(struct arq_document *document, const char *path, const char *text,
		       size_t size, struct arq_error *error);

void arq_document_release(struct arq_document *document);

/* Holds the tree against the schema: keys, types, words, lengths, counts. Returns 0 or -EINVAL. */
int arq_document_check(struct arq_document *document, const cyaml_schema_value_t *schema,
		       struct arq_error *error);

/*
 * Stores a checked document as the schema says in a new structure, which arq_document_free frees.
 * Returns 0 or a negative errno with the reason.
 */
int arq_document_store(struct arq_document *document, const cyaml_schema_value_t *schema,
		       void **data, struct arq_error *error);

void arq_document_free(const cyaml_schema_value_t *schema, void *data);

/* The path of a field, printf-like: arq_field("gateway.pools[%u].name", i). */
struct arq_field {
	char text[ARQ_FIELD_MAX];
};

struct arq_field arq_field(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Whether the file has the field. */
bool arq_document_has(struct arq_document *document, struct arq_field field);

/* The line of a field, counted from 1 (its nearest parent's, if it is not in the file). */
uint32_t arq_document_line(struct arq_document *document, struct arq_field field);

/*
 * Reports an error in a field (at its nearest parent's place, if it is not in the file). Returns
 * -EINVAL.
 */
int arq_document_fail(struct arq_document *document, struct arq_error *error,
		      struct arq_field field, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/*
 * Are two structures of that schema the same, as a file that says just that? Compared is what the
 * schema knows; of what the checks add, only what does not follow from it could be missed.
 */
bool arq_document_same(const cyaml_schema_value_t *schema, const void *a, const void *b);

#endif
