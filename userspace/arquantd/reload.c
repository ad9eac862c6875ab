// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/arquantd/reload.h"

#include "userspace/common/log.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

/* Whoever wrote the configuration may read all that it names; we gave that up. */
static int explain(const struct arq_config *config, int code, struct arq_error *error)
{
	if (code != -EACCES || !config->gateway.user)
		return code;
	return arq_error_prefix(error, code,
				"user %s, as whom arquantd runs since its start, must be able to "
				"read it (chgrp %s FILE; chmod g+r FILE), or restart",
				config->gateway.user, config->gateway.user);
}

static int load(const struct arq_generation *now, struct arq_generation_secrets *secrets,
		struct arq_generation **next, struct arq_error *error)
{
	struct arq_config *config;
	int code = arq_config_load(now->config->path, &config, error);
	if (code == 0)
		code = arq_generation_create(config, now, secrets, next, error);
	if (code != 0)
		return explain(now->config, code, error);
	code = arq_generation_check_change(now, *next, error);
	if (code != 0)
		arq_generation_destroy(*next);
	return code;
}

static int switch_all(const struct arq_generation *next, struct arq_worker *const *workers,
		      size_t count, struct arq_error *error)
{
	int code = 0;
	size_t ready = 0;
	while (ready < count && code == 0) {
		code = arq_worker_prepare(workers[ready], next, error);
		if (code == 0)
			ready++;
	}
	for (size_t i = 0; i < ready; i++) {
		if (code == 0)
			arq_worker_switch(workers[i]);
		else
			arq_worker_discard(workers[i]);
	}
	return code;
}

int arq_reload(struct arq_generation **generation, struct arq_generation_secrets *secrets,
	       struct arq_worker *const *workers, size_t count, struct arq_error *error)
{
	struct arq_generation *next, *before = *generation;
	int code = load(before, secrets, &next, error);
	if (code != 0)
		return code;
	code = switch_all(next, workers, count, error);
	if (code == 0)
		*generation = next;
	arq_generation_destroy(code == 0 ? before : next);
	return code;
}

/* --- what can be known before ----------------------------------------------------------------- */

static const char *first_unreadable(const struct arq_config *config)
{
	const struct arq_config_gateway *gateway = &config->gateway;
	if (access(config->path, R_OK) < 0)
		return config->path;
	for (uint32_t i = 0; i < gateway->listeners_count; i++) {
		const struct arq_config_listener *listener = &gateway->listeners[i];
		for (uint32_t j = 0; j < listener->certificates_count; j++) {
			if (access(listener->certificates[j].certificate, R_OK) < 0)
				return listener->certificates[j].certificate;
			if (access(listener->certificates[j].key, R_OK) < 0)
				return listener->certificates[j].key;
		}
		if (listener->client_certificates.ca &&
		    access(listener->client_certificates.ca, R_OK) < 0)
			return listener->client_certificates.ca;
	}
	for (uint32_t i = 0; i < gateway->pools_count; i++) {
		const char *ca = gateway->pools[i].tls.ca;
		if (ca && access(ca, R_OK) < 0)
			return ca;
	}
	return NULL;
}

void arq_reload_warn_unreadable(const struct arq_config *config)
{
	const char *file = first_unreadable(config);
	int code = errno;
	if (!file)
		return;
	const char *user = config->gateway.user ? config->gateway.user : "our own";
	arq_log(ARQ_LOG_WARNING,
		"%s: %s for user %s, so a reload will be refused: let its group read it (chgrp "
		"%s, chmod g+r), and enter its directory",
		file, strerror(code), user, user);
}
