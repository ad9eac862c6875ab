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

/* Its names are known, as far as they can be, before requests go by them. */
static int learn_names(const struct arq_reload_parts *parts, const struct arq_config *config,
		       struct arq_error *error)
{
	int code = arq_resolver_configure(parts->resolver, &config->gateway,
					  arq_worker_families(parts->workers[0]), error);
	if (code == 0)
		arq_resolver_settle(parts->resolver, ARQ_RELOAD_NAMES_PATIENCE);
	return code;
}

static int load(const struct arq_generation *now, const struct arq_reload_parts *parts,
		struct arq_generation **next, struct arq_error *error)
{
	struct arq_config *config;
	int code = arq_config_load(now->config->path, &config, error);
	if (code != 0)
		return explain(now->config, code, error);
	code = learn_names(parts, config, error);
	if (code != 0) {
		arq_config_destroy(config);
		return code;
	}
	code = arq_generation_create(config, now, parts->secrets,
				     arq_resolver_names(parts->resolver), next, error);
	if (code != 0)
		return explain(now->config, code, error);
	code = arq_generation_check_change(now, *next, error);
	if (code != 0)
		arq_generation_destroy(*next);
	return code;
}

static int switch_all(const struct arq_generation *next, const struct arq_reload_parts *parts,
		      struct arq_error *error)
{
	int code = 0;
	size_t ready = 0;
	while (ready < parts->workers_count && code == 0) {
		code = arq_worker_prepare(parts->workers[ready], next, error);
		if (code == 0)
			ready++;
	}
	for (size_t i = 0; i < ready; i++) {
		if (code == 0)
			arq_worker_switch(parts->workers[i]);
		else
			arq_worker_discard(parts->workers[i]);
	}
	return code;
}

/* The names that are asked for from now on are those of the generation in force. */
static void settle_names(const struct arq_reload_parts *parts, const struct arq_generation *now,
			 bool changed)
{
	struct arq_error error = {0};
	if (!changed && arq_resolver_configure(parts->resolver, &now->config->gateway,
					       arq_worker_families(parts->workers[0]), &error) != 0)
		arq_log(ARQ_LOG_ERROR, "names of targets are asked for no more: %s", error.text);
	else
		arq_resolver_forget(parts->resolver);
}

int arq_reload(struct arq_generation **generation, const struct arq_reload_parts *parts,
	       struct arq_error *error)
{
	struct arq_generation *next = NULL, *before = *generation;
	int code = load(before, parts, &next, error);
	if (code == 0) {
		code = switch_all(next, parts, error);
		if (code == 0)
			*generation = next;
		arq_generation_destroy(code == 0 ? before : next);
	}
	settle_names(parts, *generation, code == 0);
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
