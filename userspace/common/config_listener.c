// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/common/config_check.h"

#include <arquant/program.h>
#include <string.h>

/* An interface that the file configures must carry the redirect; others are loaded elsewhere. */
static int check_listener_interface(const struct arq_config_check *check, uint32_t i)
{
	const struct arq_config *config = check->config;
	const char *name = config->gateway.listeners[i].interface;
	struct arq_field field = arq_field("gateway.listeners[%u].interface", i);

	if (!name || config->interfaces_count == 0)
		return 0;
	for (uint32_t j = 0; j < config->interfaces_count; j++) {
		if (strcmp(config->interfaces[j].name, name) != 0)
			continue;
		if (config->interfaces[j].programs & 1u << ARQ_PROGRAM_REDIRECT)
			return 0;
		return arq_document_fail(check->document, check->error, field,
					 "interfaces[%u], '%s', has no redirect; add it to its "
					 "programs",
					 j, name);
	}
	return arq_document_fail(check->document, check->error, field,
				 "there is no interface '%s'; add it under interfaces", name);
}

static int check_listener_io(const struct arq_config_check *check, uint32_t i)
{
	const struct arq_config_listener *listener = &check->config->gateway.listeners[i];
	struct arq_field interface = arq_field("gateway.listeners[%u].interface", i);
	struct arq_field copy_mode = arq_field("gateway.listeners[%u].copy_mode", i);

	if (listener->io != ARQ_CONFIG_IO_UDP)
		return check_listener_interface(check, i);
	if (listener->interface)
		return arq_document_fail(check->document, check->error, interface,
					 "means nothing with 'io: udp'; remove it");
	if (arq_document_has(check->document, copy_mode))
		return arq_document_fail(check->document, check->error, copy_mode,
					 "means nothing with 'io: udp'; remove it");
	return 0;
}

static int check_listener_unique(const struct arq_config_check *check, uint32_t i)
{
	const struct arq_config_listener *listeners = check->config->gateway.listeners;

	for (uint32_t j = 0; j < i; j++) {
		if (strcmp(listeners[j].name, listeners[i].name) == 0)
			return arq_document_fail(check->document, check->error,
						 arq_field("gateway.listeners[%u].name", i),
						 "'%s' is the name of gateway.listeners[%u] "
						 "already; choose another",
						 listeners[i].name, j);
		if (arq_address_equal(&listeners[j].address, &listeners[i].address))
			return arq_document_fail(check->document, check->error,
						 arq_field("gateway.listeners[%u].address", i),
						 "%s is the address of gateway.listeners[%u] "
						 "already; choose another or add the certificates "
						 "there",
						 listeners[i].address_text, j);
	}
	return 0;
}

/* Who a client is must not rest on what can be recorded and repeated. */
static int check_listener_clients(const struct arq_config_check *check, uint32_t i)
{
	struct arq_config_listener *listener = &check->config->gateway.listeners[i];
	struct arq_config_client_certificates *clients = &listener->client_certificates;
	struct arq_field field = arq_field("gateway.listeners[%u].client_certificates", i);
	struct arq_field early = arq_field("gateway.listeners[%u].early_data", i);

	if (clients->mode == ARQ_CONFIG_CLIENT_CERTIFICATES_OFF && clients->ca)
		return arq_document_fail(check->document, check->error, field,
					 "has a 'ca' and asks no client for a certificate; add "
					 "'mode: optional' or 'mode: required'");
	if (clients->mode == ARQ_CONFIG_CLIENT_CERTIFICATES_OFF)
		return 0;
	if (!clients->ca)
		return arq_document_fail(check->document, check->error, field,
					 "needs 'ca'; add the file of those who sign clients' "
					 "certificates");
	if (listener->early_data)
		return arq_document_fail(check->document, check->error, early,
					 "does not go with client_certificates: early data can be "
					 "repeated by others; remove one of them");
	return arq_config_resolve(check, &clients->ca);
}

int arq_config_check_listener(const struct arq_config_check *check, uint32_t i)
{
	struct arq_config_listener *listener = &check->config->gateway.listeners[i];

	int code = arq_config_check_name(check, arq_field("gateway.listeners[%u].name", i),
					 listener->name);
	if (!code)
		code = arq_config_check_address(check,
						arq_field("gateway.listeners[%u].address", i),
						listener->address_text, &listener->address);
	if (!code)
		code = check_listener_unique(check, i);
	if (!code)
		code = check_listener_io(check, i);
	if (!code)
		code = check_listener_clients(check, i);
	if (!code)
		code = arq_config_check_listener_alpn(check, i);
	for (uint32_t j = 0; !code && j < listener->certificates_count; j++) {
		code = arq_config_resolve(check, &listener->certificates[j].certificate);
		if (!code)
			code = arq_config_resolve(check, &listener->certificates[j].key);
	}
	return code;
}
