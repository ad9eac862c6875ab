// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/common/config_document.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The schema is seven levels deep; more than this is no configuration but an attack on a stack. */
#define DEPTH_MAX 16

/* Values in a file: about 100 bytes each in libyaml's tree. Long lists belong into files. */
#define NODES_MAX 200000

/* --- errors ----------------------------------------------------------------------------------- */

__attribute__((format(printf, 5, 0))) static int fail_at(struct arq_document *document,
							 struct arq_error *error, yaml_mark_t mark,
							 const char *field, const char *format,
							 va_list arguments)
{
	char message[sizeof(error->text)];

	vsnprintf(message, sizeof(message), format, arguments);
	return arq_error_set(error, -EINVAL, "%s:%zu:%zu: %s: %s", document->path, mark.line + 1,
			     mark.column + 1, field, message);
}

__attribute__((format(printf, 5, 6))) static int fail_mark(struct arq_document *document,
							   struct arq_error *error,
							   yaml_mark_t mark, const char *field,
							   const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	int code = fail_at(document, error, mark, field, format, arguments);
	va_end(arguments);
	return code;
}

/* --- parse ------------------------------------------------------------------------------------ */

struct guard {
	struct arq_document *document;
	struct arq_error *error;
	size_t depth;
	size_t nodes;
	size_t documents;
};

static int parser_failed(struct arq_document *document, const yaml_parser_t *parser,
			 struct arq_error *error)
{
	if (parser->error == YAML_MEMORY_ERROR)
		return arq_error_set(error, -ENOMEM, "%s: out of memory", document->path);

	yaml_mark_t mark = parser->problem_mark;
	if (parser->error == YAML_READER_ERROR)
		return arq_error_set(error, -EINVAL,
				     "%s:1:1: yaml: %s at byte %zu; save the file as plain UTF-8",
				     document->path, parser->problem, parser->problem_offset);
	return fail_mark(document, error, mark, "yaml",
			 "%s%s%s; check the indentation, quotes and brackets here and above",
			 parser->context ? parser->context : "", parser->context ? ", " : "",
			 parser->problem ? parser->problem : "not understood");
}

static int guard_node(struct guard *guard, const yaml_event_t *event, const yaml_char_t *anchor,
		      const yaml_char_t *tag)
{
	if (anchor)
		return fail_mark(guard->document, guard->error, event->start_mark, "yaml",
				 "anchor '&%s' is not taken; write the value where it is used",
				 (const char *)anchor);
	if (tag)
		return fail_mark(guard->document, guard->error, event->start_mark, "yaml",
				 "tag '%s' is not taken; remove it", (const char *)tag);
	if (++guard->nodes > NODES_MAX)
		return fail_mark(guard->document, guard->error, event->start_mark, "yaml",
				 "more than %d values; put long lists into files of their own",
				 NODES_MAX);
	return 0;
}

static int guard_nest(struct guard *guard, const yaml_event_t *event)
{
	if (++guard->depth > DEPTH_MAX)
		return fail_mark(guard->document, guard->error, event->start_mark, "yaml",
				 "nested more than %d deep; check the brackets", DEPTH_MAX);
	return 0;
}

static int guard_event(struct guard *guard, const yaml_event_t *event)
{
	int code;

	switch (event->type) {
	case YAML_DOCUMENT_START_EVENT:
		if (++guard->documents > 1)
			return fail_mark(guard->document, guard->error, event->start_mark, "yaml",
					 "a second document begins; keep one, without '---'");
		return 0;
	case YAML_ALIAS_EVENT:
		return fail_mark(guard->document, guard->error, event->start_mark, "yaml",
				 "alias '*%s' is not taken; write the value out, or quote it",
				 (const char *)event->data.alias.anchor);
	case YAML_SCALAR_EVENT:
		return guard_node(guard, event, event->data.scalar.anchor, event->data.scalar.tag);
	case YAML_SEQUENCE_START_EVENT:
		code = guard_node(guard, event, event->data.sequence_start.anchor,
				  event->data.sequence_start.tag);
		return code ? code : guard_nest(guard, event);
	case YAML_MAPPING_START_EVENT:
		code = guard_node(guard, event, event->data.mapping_start.anchor,
				  event->data.mapping_start.tag);
		return code ? code : guard_nest(guard, event);
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		guard->depth--;
		return 0;
	default:
		return 0;
	}
}

/* One pass over the events, before any tree is built, so that no tree can grow out of bounds. */
static int guard_events(struct guard *guard, const char *text, size_t size)
{
	yaml_parser_t parser;
	bool end = false;
	int code = 0;

	if (!yaml_parser_initialize(&parser))
		return arq_error_set(guard->error, -ENOMEM, "%s: out of memory",
				     guard->document->path);
	yaml_parser_set_input_string(&parser, (const unsigned char *)text, size);
	while (!end && !code) {
		yaml_event_t event;
		if (!yaml_parser_parse(&parser, &event)) {
			code = parser_failed(guard->document, &parser, guard->error);
			break;
		}
		code = guard_event(guard, &event);
		end = event.type == YAML_STREAM_END_EVENT;
		yaml_event_delete(&event);
	}
	yaml_parser_delete(&parser);
	return code;
}

int arq_document_parse(struct arq_document *document, const char *path, const char *text,
		       size_t size, struct arq_error *error)
{
	struct guard guard = {.document = document, .error = error};
	yaml_parser_t parser;

	document->path = path;
	int code = guard_events(&guard, text, size);
	if (code)
		return code;
	if (guard.nodes == 0)
		return arq_error_set(error, -EINVAL,
				     "%s:1:1: yaml: the file is empty; start from quickstart.yaml",
				     path);

	if (!yaml_parser_initialize(&parser))
		return arq_error_set(error, -ENOMEM, "%s: out of memory", path);
	yaml_parser_set_input_string(&parser, (const unsigned char *)text, size);
	if (!yaml_parser_load(&parser, &document->yaml))
		code = parser_failed(document, &parser, error);
	yaml_parser_delete(&parser);
	return code;
}

void arq_document_release(struct arq_document *document)
{
	yaml_document_delete(&document->yaml);
}

/* --- check against the schema ----------------------------------------------------------------- */

struct walk {
	struct arq_document *document;
	struct arq_error *error;
	size_t length;
	char field[ARQ_FIELD_MAX];
};

static int check_value(struct walk *walk, yaml_node_t *node, const cyaml_schema_value_t *schema);

static yaml_node_t *node_at(struct arq_document *document, int index)
{
	return yaml_document_get_node(&document->yaml, index);
}

static const char *scalar_text(const yaml_node_t *node)
{
	return (const char *)node->data.scalar.value;
}

/* Appends to the path and returns its former length, for walk_back. */
__attribute__((format(printf, 2, 3))) static size_t walk_into(struct walk *walk, const char *format,
							      ...)
{
	size_t before = walk->length;
	va_list arguments;

	va_start(arguments, format);
	int added =
		vsnprintf(walk->field + before, sizeof(walk->field) - before, format, arguments);
	va_end(arguments);
	walk->length += added > 0 ? (size_t)added : 0;
	if (walk->length >= sizeof(walk->field))
		walk->length = sizeof(walk->field) - 1;
	return before;
}

static void walk_back(struct walk *walk, size_t length)
{
	walk->length = length;
	walk->field[length] = '\0';
}

__attribute__((format(printf, 3, 4))) static int
fail_node(struct walk *walk, const yaml_node_t *node, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	int code = fail_at(walk->document, walk->error, node->start_mark,
			   walk->length ? walk->field : "file", format, arguments);
	va_end(arguments);
	return code;
}

static const char *node_kind(const yaml_node_t *node)
{
	switch (node->type) {
	case YAML_MAPPING_NODE:
		return "a mapping";
	case YAML_SEQUENCE_NODE:
		return "a list";
	default:
		return "a single value";
	}
}

static int check_number(struct walk *walk, const yaml_node_t *node,
			const cyaml_schema_value_t *schema)
{
	const char *text = scalar_text(node);
	uint64_t max = schema->data_size >= 4 ? UINT32_MAX : UINT16_MAX;
	size_t digits = strspn(text, "0123456789");

	/* No signs, no hexadecimal, no leading zero that would make libcyaml read octal. */
	if (digits == 0 || text[digits] || (digits > 1 && text[0] == '0'))
		return fail_node(walk, node, "'%.40s' is no number; write a whole decimal number",
				 text);
	if (digits > 10 || strtoull(text, NULL, 10) > max)
		return fail_node(walk, node, "%.40s is too large; the most is %" PRIu64, text, max);
	return 0;
}

static int check_bool(struct walk *walk, const yaml_node_t *node)
{
	const char *text = scalar_text(node);

	if (strcmp(text, "true") != 0 && strcmp(text, "false") != 0)
		return fail_node(walk, node, "'%.40s' is neither true nor false; write one of them",
				 text);
	return 0;
}

static int check_word(struct walk *walk, const yaml_node_t *node,
		      const cyaml_schema_value_t *schema)
{
	char words[256] = "";
	size_t used = 0;

	for (uint32_t i = 0; i < schema->enumeration.count; i++) {
		const char *word = schema->enumeration.strings[i].str;
		if (strcmp(scalar_text(node), word) == 0)
			return 0;
		if (used < sizeof(words))
			used += (size_t)snprintf(words + used, sizeof(words) - used, "%s%s",
						 i ? ", " : "", word);
	}
	return fail_node(walk, node, "'%.40s' is not known; write %s%s", scalar_text(node),
			 schema->enumeration.count > 1 ? "one of: " : "", words);
}

static int check_string(struct walk *walk, const yaml_node_t *node,
			const cyaml_schema_value_t *schema)
{
	size_t length = node->data.scalar.length;

	if (strlen(scalar_text(node)) != length)
		return fail_node(walk, node, "has a zero byte in it; remove it");
	if (length < schema->string.min)
		return fail_node(walk, node, "is empty; give it a value or remove the key");
	if (length > schema->string.max)
		return fail_node(walk, node, "is %zu bytes long; the most is %u", length,
				 schema->string.max);
	return 0;
}

static int check_scalar(struct walk *walk, const yaml_node_t *node,
			const cyaml_schema_value_t *schema)
{
	if (node->type != YAML_SCALAR_NODE)
		return fail_node(walk, node, "is %s; write a single value", node_kind(node));
	if (schema->type == CYAML_STRING)
		return check_string(walk, node, schema);
	if (node->data.scalar.length == 0)
		return fail_node(walk, node, "is empty; give it a value or remove the key");

	switch (schema->type) {
	case CYAML_UINT:
		return check_number(walk, node, schema);
	case CYAML_BOOL:
		return check_bool(walk, node);
	case CYAML_ENUM:
		return check_word(walk, node, schema);
	default:
		return fail_node(walk, node, "has a type that the reader does not know");
	}
}

static bool is_plain(const cyaml_schema_value_t *schema)
{
	return schema->type != CYAML_MAPPING && schema->type != CYAML_SEQUENCE &&
	       schema->type != CYAML_FLAGS;
}

/*
 * Entries of a list that are mappings with a single required key may be written as that key's value
 * alone. Returns the key's field, or NULL.
 */
static const cyaml_schema_field_t *short_form(const cyaml_schema_value_t *entry)
{
	const cyaml_schema_field_t *only = NULL;

	if (entry->type != CYAML_MAPPING)
		return NULL;
	for (const cyaml_schema_field_t *field = entry->mapping.fields; field->key; field++) {
		if (field->value.flags & CYAML_FLAG_OPTIONAL)
			continue;
		if (only || !is_plain(&field->value))
			return NULL;
		only = field;
	}
	return only;
}

/* Of a list of flags, the entries are words; elsewhere the schema names its entry. */
static int check_entry(struct walk *walk, yaml_node_t *node, const cyaml_schema_value_t *schema)
{
	const cyaml_schema_field_t *only;

	if (schema->type != CYAML_FLAGS && node->type == YAML_SCALAR_NODE &&
	    node->data.scalar.length > 0 && (only = short_form(schema->sequence.entry)))
		return check_value(walk, node, &only->value);
	if (schema->type != CYAML_FLAGS)
		return check_value(walk, node, schema->sequence.entry);
	if (node->type != YAML_SCALAR_NODE)
		return fail_node(walk, node, "is %s; write a single value", node_kind(node));
	return check_word(walk, node, schema);
}

static int check_list(struct walk *walk, yaml_node_t *node, const cyaml_schema_value_t *schema)
{
	bool flags = schema->type == CYAML_FLAGS;
	uint32_t min = flags ? 1 : schema->sequence.min;
	uint32_t max = flags ? schema->enumeration.count : schema->sequence.max;

	if (node->type == YAML_SCALAR_NODE && node->data.scalar.length > 0 &&
	    (flags || is_plain(schema->sequence.entry) || short_form(schema->sequence.entry)))
		return check_entry(walk, node, schema);
	if (node->type != YAML_SEQUENCE_NODE)
		return fail_node(walk, node, "is %s; write a list ('- ' before each entry)",
				 node->type == YAML_SCALAR_NODE && !node->data.scalar.length
					 ? "empty"
					 : node_kind(node));

	yaml_node_item_t *items = node->data.sequence.items.start;
	size_t count = (size_t)(node->data.sequence.items.top - items);
	if (count < min)
		return fail_node(walk, node, "is an empty list; give it an entry%s",
				 flags ? " or remove the key" : "");
	if (count > max)
		return fail_node(walk, node, "has %zu entries; the most is %u", count, max);

	for (size_t i = 0; i < count; i++) {
		size_t before = walk_into(walk, "[%zu]", i);
		int code = check_entry(walk, node_at(walk->document, items[i]), schema);
		if (code)
			return code;
		walk_back(walk, before);
	}
	return 0;
}

static int unknown_key(struct walk *walk, const yaml_node_t *key,
		       const cyaml_schema_field_t *fields)
{
	char keys[256] = "";
	size_t used = 0;

	for (const cyaml_schema_field_t *field = fields; field->key; field++) {
		if (used < sizeof(keys))
			used += (size_t)snprintf(keys + used, sizeof(keys) - used, "%s%s",
						 field == fields ? "" : ", ", field->key);
	}
	walk_into(walk, "%s%.40s", walk->length ? "." : "", scalar_text(key));
	return fail_node(walk, key, "unknown key; known here: %s", keys);
}

/* The same key earlier in the mapping? */
static bool key_repeats(struct walk *walk, const yaml_node_t *mapping, const yaml_node_pair_t *pair)
{
	const char *text = scalar_text(node_at(walk->document, pair->key));

	for (const yaml_node_pair_t *p = mapping->data.mapping.pairs.start; p < pair; p++) {
		if (strcmp(scalar_text(node_at(walk->document, p->key)), text) == 0)
			return true;
	}
	return false;
}

static int check_pair(struct walk *walk, const yaml_node_t *mapping, const yaml_node_pair_t *pair,
		      const cyaml_schema_field_t *fields)
{
	yaml_node_t *key = node_at(walk->document, pair->key);
	const cyaml_schema_field_t *field = fields;

	if (key->type != YAML_SCALAR_NODE)
		return fail_node(walk, key, "has %s as a key; write 'key: value'", node_kind(key));
	while (field->key && strcmp(field->key, scalar_text(key)) != 0)
		field++;
	if (!field->key)
		return unknown_key(walk, key, fields);

	size_t before = walk_into(walk, "%s%s", walk->length ? "." : "", field->key);
	if (key_repeats(walk, mapping, pair))
		return fail_node(walk, key, "is there twice; remove one");
	int code = check_value(walk, node_at(walk->document, pair->value), &field->value);
	if (!code)
		walk_back(walk, before);
	return code;
}

static yaml_node_t *mapping_get(struct arq_document *document, const yaml_node_t *mapping,
				const char *key, size_t length)
{
	const yaml_node_pair_t *pair = mapping->data.mapping.pairs.start;

	for (; pair < mapping->data.mapping.pairs.top; pair++) {
		const yaml_node_t *node = node_at(document, pair->key);
		if (node->type == YAML_SCALAR_NODE && node->data.scalar.length == length &&
		    memcmp(node->data.scalar.value, key, length) == 0)
			return node_at(document, pair->value);
	}
	return NULL;
}

static int check_mapping(struct walk *walk, yaml_node_t *node, const cyaml_schema_value_t *schema)
{
	const cyaml_schema_field_t *fields = schema->mapping.fields;

	if (node->type != YAML_MAPPING_NODE)
		return fail_node(walk, node, "is %s; write 'key: value' lines below it",
				 node->type == YAML_SCALAR_NODE && !node->data.scalar.length
					 ? "empty"
					 : node_kind(node));

	const yaml_node_pair_t *pair = node->data.mapping.pairs.start;
	for (; pair < node->data.mapping.pairs.top; pair++) {
		int code = check_pair(walk, node, pair, fields);
		if (code)
			return code;
	}
	for (const cyaml_schema_field_t *field = fields; field->key; field++) {
		if (field->value.flags & CYAML_FLAG_OPTIONAL)
			continue;
		if (mapping_get(walk->document, node, field->key, strlen(field->key)))
			continue;
		walk_into(walk, "%s%s", walk->length ? "." : "", field->key);
		return fail_node(walk, node, "is missing; add it");
	}
	return 0;
}

static int check_value(struct walk *walk, yaml_node_t *node, const cyaml_schema_value_t *schema)
{
	switch (schema->type) {
	case CYAML_MAPPING:
		return check_mapping(walk, node, schema);
	case CYAML_SEQUENCE:
	case CYAML_FLAGS:
		return check_list(walk, node, schema);
	default:
		return check_scalar(walk, node, schema);
	}
}

int arq_document_check(struct arq_document *document, const cyaml_schema_value_t *schema,
		       struct arq_error *error)
{
	struct walk walk = {.document = document, .error = error};

	return check_value(&walk, yaml_document_get_root_node(&document->yaml), schema);
}

/* --- store ------------------------------------------------------------------------------------ */

static void write_value(struct arq_document *document, FILE *out, yaml_node_t *node,
			const cyaml_schema_value_t *schema);

/* Decodes one character of the valid UTF-8 that libyaml gives out. */
static uint32_t next_character(const yaml_char_t **text)
{
	const yaml_char_t *in = *text;
	int more = *in < 0xc0 ? 0 : *in < 0xe0 ? 1 : *in < 0xf0 ? 2 : 3;
	uint32_t character = more ? *in & (0x3fu >> more) : *in;

	for (in++; more > 0 && *in; more--)
		character = character << 6 | (*in++ & 0x3fu);
	*text = in;
	return character;
}

/* Double-quoted; all but printable ASCII escaped, since YAML folds line breaks of many kinds. */
static void write_scalar(FILE *out, const yaml_node_t *node)
{
	const yaml_char_t *text = node->data.scalar.value;

	fputc('"', out);
	while (*text) {
		uint32_t c = next_character(&text);
		if (c < ' ' || c >= 0x7f)
			fprintf(out, "\\U%08" PRIx32, c);
		else if (c == '"' || c == '\\')
			fprintf(out, "\\%c", (char)c);
		else
			fputc((int)c, out);
	}
	fputc('"', out);
}

/* `entry`: its schema, or NULL for a flag. */
static void write_entry(struct arq_document *document, FILE *out, yaml_node_t *node,
			const cyaml_schema_value_t *entry)
{
	const cyaml_schema_field_t *only;

	if (!entry) {
		write_scalar(out, node);
	} else if (node->type == YAML_SCALAR_NODE && (only = short_form(entry))) {
		fprintf(out, "{\"%s\": ", only->key);
		write_scalar(out, node);
		fputc('}', out);
	} else {
		write_value(document, out, node, entry);
	}
}

static void write_list(struct arq_document *document, FILE *out, yaml_node_t *node,
		       const cyaml_schema_value_t *schema)
{
	const cyaml_schema_value_t *entry =
		schema->type == CYAML_FLAGS ? NULL : schema->sequence.entry;

	fputc('[', out);
	if (node->type == YAML_SCALAR_NODE) {
		write_entry(document, out, node, entry);
	} else {
		const yaml_node_item_t *item = node->data.sequence.items.start;
		for (; item < node->data.sequence.items.top; item++) {
			write_entry(document, out, node_at(document, *item), entry);
			fputs(",\n", out);
		}
	}
	fputc(']', out);
}

static void write_mapping(struct arq_document *document, FILE *out, yaml_node_t *node,
			  const cyaml_schema_value_t *schema)
{
	fputc('{', out);
	for (const cyaml_schema_field_t *field = schema->mapping.fields; field->key; field++) {
		yaml_node_t *value = mapping_get(document, node, field->key, strlen(field->key));
		if (!value)
			continue;
		fprintf(out, "\"%s\": ", field->key);
		write_value(document, out, value, &field->value);
		fputs(",\n", out);
	}
	fputc('}', out);
}

/*
 * The checked tree as YAML again, in the one form that leaves nothing to interpretation: lists and
 * mappings where the file had a single value for one, and every scalar quoted.
 */
static void write_value(struct arq_document *document, FILE *out, yaml_node_t *node,
			const cyaml_schema_value_t *schema)
{
	if (schema->type == CYAML_MAPPING)
		write_mapping(document, out, node, schema);
	else if (schema->type == CYAML_SEQUENCE || schema->type == CYAML_FLAGS)
		write_list(document, out, node, schema);
	else
		write_scalar(out, node);
}

/* Keeps the first line that libcyaml says, which is the cause; a backtrace follows it. */
__attribute__((format(printf, 3, 0))) static void keep_first(cyaml_log_t level, void *context,
							     const char *format, va_list arguments)
{
	char *line = context;

	(void)level;
	if (line[0])
		return;
	vsnprintf(line, sizeof(((struct arq_error *)0)->text), format, arguments);
	line[strcspn(line, "\n")] = '\0';
}

static cyaml_config_t cyaml_options(void *log_context)
{
	return (cyaml_config_t){
		.log_fn = log_context ? keep_first : NULL,
		.log_ctx = log_context,
		.mem_fn = cyaml_mem,
		.log_level = CYAML_LOG_ERROR,
		.flags = CYAML_CFG_NO_ALIAS,
	};
}

int arq_document_store(struct arq_document *document, const cyaml_schema_value_t *schema,
		       void **data, struct arq_error *error)
{
	char said[sizeof(error->text)] = "";
	cyaml_config_t options = cyaml_options(said);
	char *text = NULL;
	size_t size = 0;

	*data = NULL;
	FILE *out = open_memstream(&text, &size);
	if (!out)
		return arq_error_set(error, -ENOMEM, "%s: out of memory", document->path);
	write_value(document, out, yaml_document_get_root_node(&document->yaml), schema);
	bool written = !ferror(out);
	if (fclose(out) != 0 || !written) {
		free(text);
		return arq_error_set(error, -ENOMEM, "%s: out of memory", document->path);
	}

	cyaml_err_t result =
		cyaml_load_data((const uint8_t *)text, size, &options, schema, data, NULL);
	free(text);
	if (result == CYAML_OK)
		return 0;
	/* The check found nothing wrong, so there is no better place to name than the file. */
	return arq_error_set(error, result == CYAML_ERR_OOM ? -ENOMEM : -EINVAL,
			     "%s:1:1: yaml: %s (%s)", document->path, cyaml_strerror(result), said);
}

void arq_document_free(const cyaml_schema_value_t *schema, void *data)
{
	cyaml_config_t options = cyaml_options(NULL);

	cyaml_free(&options, schema, data, 0);
}

static char *to_text(const cyaml_schema_value_t *schema, const void *data, size_t *length)
{
	cyaml_config_t options = cyaml_options(NULL);
	char *text = NULL;

	if (cyaml_save_data(&text, length, &options, schema, data, 0) != CYAML_OK)
		return NULL;
	return text;
}

bool arq_document_same(const cyaml_schema_value_t *schema, const void *a, const void *b)
{
	size_t length_a, length_b;
	char *text_a = to_text(schema, a, &length_a), *text_b = to_text(schema, b, &length_b);
	bool same =
		text_a && text_b && length_a == length_b && memcmp(text_a, text_b, length_a) == 0;

	free(text_a);
	free(text_b);
	return same;
}

/* --- find ------------------------------------------------------------------------------------- */

static yaml_node_t *sequence_get(struct arq_document *document, const yaml_node_t *sequence,
				 size_t index)
{
	const yaml_node_item_t *items = sequence->data.sequence.items.start;

	if (index >= (size_t)(sequence->data.sequence.items.top - items))
		return NULL;
	return node_at(document, items[index]);
}

/* One step of a path, "key" or "[index]"; advances *field past it and a following dot. */
static yaml_node_t *step(struct arq_document *document, yaml_node_t *node, const char **field)
{
	yaml_node_t *next = NULL;

	if (**field == '[') {
		char *end;
		size_t index = strtoul(*field + 1, &end, 10);
		if (node->type == YAML_SEQUENCE_NODE)
			next = sequence_get(document, node, index);
		else if (node->type == YAML_SCALAR_NODE && index == 0)
			next = node; /* one value alone stands for a list of one */
		*field = end + (*end == ']');
	} else {
		size_t length = strcspn(*field, ".[");
		if (node->type == YAML_MAPPING_NODE)
			next = mapping_get(document, node, *field, length);
		*field += length;
	}
	*field += **field == '.';
	return next;
}

/* The field's node, or its nearest parent with *found false. */
static yaml_node_t *find(struct arq_document *document, const char *field, bool *found)
{
	yaml_node_t *node = yaml_document_get_root_node(&document->yaml);

	*found = true;
	while (*field) {
		yaml_node_t *next = step(document, node, &field);
		if (!next) {
			*found = false;
			return node;
		}
		node = next;
	}
	return node;
}

struct arq_field arq_field(const char *format, ...)
{
	struct arq_field field;
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(field.text, sizeof(field.text), format, arguments);
	va_end(arguments);
	return field;
}

bool arq_document_has(struct arq_document *document, struct arq_field field)
{
	bool found;

	find(document, field.text, &found);
	return found;
}

uint32_t arq_document_line(struct arq_document *document, struct arq_field field)
{
	bool found;

	return (uint32_t)find(document, field.text, &found)->start_mark.line + 1;
}

int arq_document_fail(struct arq_document *document, struct arq_error *error,
		      struct arq_field field, const char *format, ...)
{
	va_list arguments;
	bool found;
	yaml_mark_t mark = find(document, field.text, &found)->start_mark;

	va_start(arguments, format);
	int code = fail_at(document, error, mark, field.text, format, arguments);
	va_end(arguments);
	return code;
}
