// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/arquantd/generation.h"

#include "userspace/arquantd/credentials.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* --- making one ------------------------------------------------------------------------------- */

/* What was loaded before, of a listener of that name, with the same contents. */
static struct arq_quic_tls *unchanged(const struct arq_generation *previous, const char *name,
				      const struct arq_quic_tls *tls)
{
	for (uint32_t i = 0; previous && i < previous->config->gateway.listeners_count; i++) {
		if (strcmp(previous->config->gateway.listeners[i].name, name) == 0 &&
		    arq_quic_tls_equal(previous->tls[i], tls))
			return previous->tls[i];
	}
	return NULL;
}

static int create_tls(struct arq_generation *generation, const struct arq_generation *previous,
		      struct arq_generation_secrets *secrets, struct arq_error *error)
{
	const struct arq_config_gateway *gateway = &generation->config->gateway;
	generation->tls = calloc(gateway->listeners_count, sizeof(struct arq_quic_tls *));
	if (!generation->tls)
		return -ENOMEM;
	for (uint32_t i = 0; i < gateway->listeners_count; i++) {
		int code = arq_credentials_create(&gateway->listeners[i], secrets->secret,
						  &secrets->replay, &generation->tls[i], error);
		if (code != 0)
			return code;
		struct arq_quic_tls *there =
			unchanged(previous, gateway->listeners[i].name, generation->tls[i]);
		if (!there)
			continue;
		arq_quic_tls_put(generation->tls[i]);
		generation->tls[i] = arq_quic_tls_get(there);
	}
	return 0;
}

static void release_config(void *config)
{
	arq_config_destroy(config);
}

int arq_generation_create(struct arq_config *config, const struct arq_generation *previous,
			  struct arq_generation_secrets *secrets,
			  const struct arq_proxy_names *names, struct arq_generation **generation,
			  struct arq_error *error)
{
	struct arq_generation *made = calloc(1, sizeof(*made));
	if (!made) {
		arq_config_destroy(config);
		return arq_error_set(error, -ENOMEM, "out of memory");
	}
	made->config = config;
	made->number = previous ? previous->number + 1 : 1;

	int code = 0;
	if (config->gateway.listeners_count == 0)
		code = arq_error_set(error, -EINVAL, "%s: nothing to serve; add gateway.listeners",
				     config->path);
	if (code == 0)
		code = create_tls(made, previous, secrets, error);
	if (code == 0)
		code = arq_proxy_shared_create(&config->gateway, previous ? previous->proxy : NULL,
					       names, &made->proxy, error);
	if (code != 0) {
		code = arq_error_set(error, code, "%s", strerror(-code));
		arq_generation_destroy(made);
		arq_config_destroy(config);
		return code;
	}
	/* From here on the configuration goes with the last user of what was compiled from it. */
	arq_proxy_shared_on_release(made->proxy, release_config, config);
	*generation = made;
	return 0;
}

void arq_generation_destroy(struct arq_generation *generation)
{
	if (!generation)
		return;
	const struct arq_config_gateway *gateway = &generation->config->gateway;
	for (uint32_t i = 0; generation->tls && i < gateway->listeners_count; i++)
		arq_quic_tls_put(generation->tls[i]);
	free(generation->tls);
	arq_proxy_shared_put(generation->proxy);
	free(generation);
}

/* --- what only a restart changes -------------------------------------------------------------- */

static int refuse(struct arq_error *error, const char *field)
{
	return arq_error_set(error, -EBUSY,
			     "%s differs from what runs; only a restart can change it (systemctl "
			     "restart arquantd), everything else stays as it was",
			     field);
}

static bool same_text(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool same_ids(const struct arq_config_connection_ids *a,
		     const struct arq_config_connection_ids *b)
{
	return a->config_id == b->config_id && a->nonce_length == b->nonce_length &&
	       same_text(a->server_id_text, b->server_id_text) &&
	       same_text(a->key_file, b->key_file);
}

static bool same_alpn(const struct arq_config_listener *a, const struct arq_config_listener *b)
{
	bool same = a->alpn_count == b->alpn_count;

	for (uint32_t i = 0; same && i < a->alpn_count; i++)
		same = strcmp(a->alpn[i], b->alpn[i]) == 0;
	return same;
}

static bool same_listener(const struct arq_config_listener *a, const struct arq_config_listener *b)
{
	return strcmp(a->name, b->name) == 0 && arq_address_equal(&a->address, &b->address) &&
	       a->io == b->io && same_text(a->interface, b->interface) &&
	       a->copy_mode == b->copy_mode;
}

int arq_generation_check_change(const struct arq_generation *now, const struct arq_generation *next,
				struct arq_error *error)
{
	const struct arq_config_gateway *a = &now->config->gateway, *b = &next->config->gateway;

	if (a->workers != b->workers)
		return refuse(error, "gateway.workers");
	if (!same_text(a->user, b->user))
		return refuse(error, "gateway.user");
	if (!same_text(a->static_secret_file, b->static_secret_file))
		return refuse(error, "gateway.static_secret_file");
	if (!same_ids(&a->connection_ids, &b->connection_ids))
		return refuse(error, "gateway.connection_ids");
	if (!same_text(a->admin.control, b->admin.control))
		return refuse(error, "gateway.admin.control");
	if (!same_text(a->access_log.file, b->access_log.file))
		return refuse(error, "gateway.access_log.file");
	if (!same_text(a->admin.metrics_text, b->admin.metrics_text))
		return refuse(error, "gateway.admin.metrics");
	if (a->listeners_count != b->listeners_count)
		return refuse(error, "the number of gateway.listeners");
	for (uint32_t i = 0; i < a->listeners_count; i++) {
		if (!same_listener(&a->listeners[i], &b->listeners[i]))
			return refuse(error, "an address or io in gateway.listeners");
		if (!same_alpn(&a->listeners[i], &b->listeners[i]))
			return refuse(error, "alpn in gateway.listeners");
	}
	return 0;
}
