// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/common/config_check.h"

#include <arquant/program.h>
#include <ctype.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdlib.h>
#include <string.h>

#define SECOND 1000000000ull

#define HOST_LABEL_MAX 63 /* RFC 1035, section 2.3.4 */

/* --- shared ----------------------------------------------------------------------------------- */

int arq_config_no_memory(const struct arq_config_check *check)
{
	return arq_error_set(check->error, -ENOMEM, "%s: out of memory", check->document->path);
}

int arq_config_check_name(const struct arq_config_check *check, struct arq_field field,
			  const char *name)
{
	for (const char *c = name; *c; c++) {
		if (!isascii(*c) || (!isalnum(*c) && !strchr("-_.", *c)))
			return arq_document_fail(check->document, check->error, field,
						 "'%.63s' is no name; use letters, digits, '-', "
						 "'_' and '.'",
						 name);
	}
	return 0;
}

int arq_config_check_number(const struct arq_config_check *check, struct arq_field field,
			    uint32_t *number, uint32_t absent, uint32_t min, uint32_t max)
{
	if (!arq_document_has(check->document, field)) {
		*number = absent;
		return 0;
	}
	if (*number < min || *number > max)
		return arq_document_fail(check->document, check->error, field,
					 "%u is out of range; write a number from %u to %u",
					 *number, min, max);
	return 0;
}

int arq_config_resolve(const struct arq_config_check *check, char **file)
{
	const char *path = check->document->path;
	const char *slash = strrchr(path, '/');

	if (!*file || (*file)[0] == '/' || !slash)
		return 0;

	size_t directory = (size_t)(slash - path) + 1;
	size_t size = strlen(*file) + 1;
	char *joined = malloc(directory + size);
	if (!joined)
		return arq_config_no_memory(check);
	memcpy(joined, path, directory);
	memcpy(joined + directory, *file, size);
	free(*file);
	*file = joined;
	return 0;
}

int arq_config_name_twice(const struct arq_config_check *check, struct arq_field field,
			  const char *name, struct arq_field first)
{
	return arq_document_fail(check->document, check->error, field,
				 "'%.63s' is the name of %s already; choose another", name,
				 first.text);
}

int arq_config_check_interface_name(const struct arq_config_check *check, struct arq_field field,
				    const char *name)
{
	/* What dev_valid_name() of the kernel refuses. */
	for (const char *c = name; *c; c++) {
		if (*c == '/' || *c == ':' || isspace((unsigned char)*c))
			return arq_document_fail(check->document, check->error, field,
						 "'%s' is no interface's name; see 'ip link'",
						 name);
	}
	return 0;
}

int arq_config_set_default(const struct arq_config_check *check, char **text, const char *absent)
{
	if (*text)
		return 0;
	*text = strdup(absent);
	return *text ? 0 : arq_config_no_memory(check);
}

int arq_config_check_address(const struct arq_config_check *check, struct arq_field field,
			     const char *text, union arq_address *address)
{
	if (arq_address_parse(address, text) == 0)
		return 0;
	return arq_document_fail(check->document, check->error, field,
				 "'%s' is no address with port; write it as 192.0.2.1:443 or "
				 "\"[2001:db8::1]:443\"",
				 text);
}

/* An absent text (NULL) stands for the default. */
int arq_config_check_duration(const struct arq_config_check *check, struct arq_field field,
			      const char *text, uint64_t *duration, uint64_t min, uint64_t max)
{
	if (!text)
		return 0;
	int code = arq_duration_parse(text, duration);
	if (code == -EINVAL)
		return arq_document_fail(check->document, check->error, field,
					 "'%s' is no duration; write a number and us, ms, s, m or "
					 "h, as 30s",
					 text);
	if (code || *duration < min || *duration > max)
		return arq_document_fail(check->document, check->error, field,
					 "%s is out of range; write %llus to %llus", text,
					 (unsigned long long)(min / SECOND),
					 (unsigned long long)(max / SECOND));
	return 0;
}

/* Letters, digits, '-' and '_' in labels of 1 to 63: what DNS names of hosts look like. */
bool arq_config_is_host(const char *text)
{
	while (*text) {
		size_t label = 0;
		while (isascii(text[label]) &&
		       (isalnum(text[label]) || text[label] == '-' || text[label] == '_'))
			label++;
		if (label == 0 || label > HOST_LABEL_MAX)
			return false;
		text += label;
		if (*text == '\0')
			return true;
		if (*text++ != '.')
			return false;
	}
	return false;
}

int arq_config_check_host(const struct arq_config_check *check, struct arq_field field,
			  const char *name)
{
	if (!name || arq_config_is_host(name))
		return 0;
	return arq_document_fail(check->document, check->error, field,
				 "'%s' is no host name; write it as www.example.com", name);
}

void arq_config_to_lower(char *text)
{
	for (; *text; text++)
		*text = (char)(isascii(*text) ? tolower(*text) : *text);
}

bool arq_config_is_token(const char *text)
{
	const char *c = text;
	while (*c && isascii(*c) && (isalnum(*c) || strchr("!#$%&'*+-.^_`|~", *c)))
		c++;
	return c > text && !*c;
}

int arq_config_check_header_name(const struct arq_config_check *check, struct arq_field field,
				 char *name)
{
	arq_config_to_lower(name);
	if (arq_config_is_token(name))
		return 0;
	return arq_document_fail(check->document, check->error, field,
				 "'%.63s' is no name of a header field; write it as x-request-id",
				 name);
}

int arq_config_check_header_value(const struct arq_config_check *check, struct arq_field field,
				  const char *value)
{
	for (const char *c = value; c && *c; c++) {
		bool blank = *c == ' ' || *c == '\t';
		if ((!blank && (*c < ' ' || *c >= 0x7f)) || (blank && (c == value || !c[1])))
			return arq_document_fail(check->document, check->error, field,
						 "cannot be a header's value; write it as "
						 "text/plain, without blanks around it");
	}
	return 0;
}

/* --- interfaces ------------------------------------------------------------------------------- */

/* Run priorities as the programs have them by themselves. */
#define PROGRAM_PRIORITY(number, constant, name, function, priority) [number] = (priority),
static const uint32_t priorities[] = {ARQ_PROGRAMS(PROGRAM_PRIORITY)};

/* libxdp keeps them in an int. */
#define PRIORITY_MAX INT32_MAX

static int check_program(const struct arq_config_check *check, uint32_t i, uint32_t j)
{
	struct arq_config_interface *interface = &check->config->interfaces[i];
	struct arq_config_program *program = &interface->chain[j];

	if (interface->programs & 1u << program->id)
		return arq_document_fail(check->document, check->error,
					 arq_field("interfaces[%u].programs[%u]", i, j),
					 "is there twice; remove one");
	interface->programs |= 1u << program->id;
	if (!program->chain_actions)
		program->chain_actions = 1u << XDP_PASS;
	return arq_config_check_number(
		check, arq_field("interfaces[%u].programs[%u].priority", i, j), &program->priority,
		priorities[program->id], 0, PRIORITY_MAX);
}

static int check_chain(const struct arq_config_check *check, uint32_t i)
{
	struct arq_config_interface *interface = &check->config->interfaces[i];
	int code = 0;

	for (uint32_t j = 0; code == 0 && j < interface->chain_count; j++)
		code = check_program(check, i, j);
	/* The schema lets no empty list pass. */
	if (interface->chain_count == 0)
		interface->programs = 1u << ARQ_PROGRAM_FIREWALL | 1u << ARQ_PROGRAM_SAMPLER |
				      1u << ARQ_PROGRAM_REDIRECT;
	return code;
}

static int check_interface(const struct arq_config_check *check, uint32_t i)
{
	struct arq_config_interface *interfaces = check->config->interfaces;
	struct arq_config_interface *interface = &interfaces[i];
	struct arq_field name = arq_field("interfaces[%u].name", i);

	int code = arq_config_check_interface_name(check, name, interface->name);
	if (code)
		return code;
	for (uint32_t j = 0; j < i; j++) {
		if (strcmp(interfaces[j].name, interface->name) == 0)
			return arq_config_name_twice(check, name, interface->name,
						     arq_field("interfaces[%u]", j));
	}
	return check_chain(check, i);
}

int arq_config_check_interfaces(const struct arq_config_check *check)
{
	for (uint32_t i = 0; i < check->config->interfaces_count; i++) {
		int code = check_interface(check, i);
		if (code)
			return code;
	}
	return 0;
}
