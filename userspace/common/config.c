// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/common/config.h"

#include "userspace/common/config_check.h"
#include "userspace/common/config_document.h"
#include "userspace/common/config_schema.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A configuration that people write has kilobytes; lists of prefixes are files of their own. */
#define FILE_SIZE_MAX (8u << 20)

static const char *advice(int code)
{
	switch (code) {
	case -ENOENT:
	case -ENOTDIR:
		return "check the name";
	case -EACCES:
	case -EPERM:
		return "run as a user who may read it";
	case -EISDIR:
		return "name the file in it";
	default:
		return "check the file and its disk";
	}
}

static int cannot_read(const char *path, int code, struct arq_error *error)
{
	return arq_error_set(error, code, "%s: cannot read the configuration: %s; %s", path,
			     strerror(-code), advice(code));
}

static int read_descriptor(int fd, char *text, size_t room, size_t *size)
{
	*size = 0;
	while (*size < room) {
		ssize_t got = read(fd, text + *size, room - *size);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (got == 0)
			break;
		*size += (size_t)got;
	}
	return 0;
}

static int read_file(const char *path, char **text, size_t *size, struct arq_error *error)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return cannot_read(path, -errno, error);

	/* One more than allowed tells a file that is too large from one that just fits. */
	*text = malloc(FILE_SIZE_MAX + 1);
	int code = *text ? read_descriptor(fd, *text, FILE_SIZE_MAX + 1, size) : -ENOMEM;
	close(fd);
	if (code)
		code = cannot_read(path, code, error);
	else if (*size > FILE_SIZE_MAX)
		code = arq_error_set(error, -EFBIG,
				     "%s: larger than %u MiB; put long lists into files of their "
				     "own and name them in it",
				     path, FILE_SIZE_MAX >> 20);
	if (code) {
		free(*text);
		*text = NULL;
	}
	return code;
}

static int complete(struct arq_document *document, struct arq_config *config,
		    struct arq_error *error)
{
	struct arq_config_check check = {document, config, error};

	config->path = strdup(document->path);
	if (!config->path)
		return arq_config_no_memory(&check);

	int code = arq_config_check_interfaces(&check);
	if (!code)
		code = arq_config_check_firewall(&check);
	if (!code)
		code = arq_config_check_sampler(&check);
	if (!code)
		code = arq_config_check_gateway(&check);
	return code;
}

int arq_config_parse(const char *path, const char *text, size_t size, struct arq_config **config,
		     struct arq_error *error)
{
	struct arq_document document;
	void *data = NULL;

	*config = NULL;
	int code = arq_document_parse(&document, path, text, size, error);
	if (code)
		return code;
	code = arq_document_check(&document, &arq_config_schema, error);
	if (!code)
		code = arq_document_store(&document, &arq_config_schema, &data, error);
	if (!code)
		code = complete(&document, data, error);
	arq_document_release(&document);
	if (code)
		arq_config_destroy(data);
	else
		*config = data;
	return code;
}

int arq_config_load(const char *path, struct arq_config **config, struct arq_error *error)
{
	char *text = NULL;
	size_t size = 0;

	*config = NULL;
	int code = read_file(path, &text, &size, error);
	if (code)
		return code;
	code = arq_config_parse(path, text, size, config, error);
	free(text);
	return code;
}

void arq_config_destroy(struct arq_config *config)
{
	if (!config)
		return;

	/* What the checks added is unknown to the schema. */
	arq_ruleset_clear(&config->firewall.ruleset);
	free(config->firewall.guards);
	free(config->sampler.sflow.addresses);
	arq_config_gateway_clear(&config->gateway);
	free(config->path);
	arq_document_free(&arq_config_schema, config);
}

int arq_duration_parse(const char *text, uint64_t *nanoseconds)
{
	static const struct {
		const char *unit;
		uint64_t nanoseconds;
	} units[] = {
		{"us", 1000},
		{"ms", 1000000},
		{"s", 1000000000},
		{"m", 60 * 1000000000ull},
		{"h", 3600 * 1000000000ull},
	};
	/* A hundred years: far from overflow when added to a clock's reading. */
	const uint64_t max = 876000 * units[4].nanoseconds;
	size_t digits = strspn(text, "0123456789");

	if (digits == 0)
		return -EINVAL;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (strcmp(text + digits, units[i].unit) != 0)
			continue;
		errno = 0;
		unsigned long long value = strtoull(text, NULL, 10);
		if (errno || value > max / units[i].nanoseconds)
			return -ERANGE;
		*nanoseconds = value * units[i].nanoseconds;
		return 0;
	}
	return -EINVAL;
}

int arq_rate_parse(const char *text, uint64_t *packets, uint64_t *period_ns)
{
	const uint64_t packets_max = 1000000000, period_max = 24 * 3600 * 1000000000ull;
	size_t digits = strspn(text, "0123456789");
	char period[32];

	if (digits == 0 || text[digits] != '/')
		return -EINVAL;
	/* "/s" is short for "/1s". */
	const char *unit = text + digits + 1;
	int length = snprintf(period, sizeof(period), "%s%s", strspn(unit, "0123456789") ? "" : "1",
			      unit);
	if (length < 0 || (size_t)length >= sizeof(period))
		return -EINVAL;
	int code = arq_duration_parse(period, period_ns);
	if (code)
		return code;
	errno = 0;
	*packets = strtoull(text, NULL, 10);
	if (errno || *packets > packets_max || *period_ns > period_max)
		return -ERANGE;
	return *packets && *period_ns ? 0 : -EINVAL;
}
