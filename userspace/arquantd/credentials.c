// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/arquantd/credentials.h"

#include <errno.h>
#include <stdlib.h>

static const enum arq_quic_client_auth client_auth[] = {
	[ARQ_CONFIG_CLIENT_CERTIFICATES_OFF] = ARQ_QUIC_CLIENT_AUTH_OFF,
	[ARQ_CONFIG_CLIENT_CERTIFICATES_OPTIONAL] = ARQ_QUIC_CLIENT_AUTH_OPTIONAL,
	[ARQ_CONFIG_CLIENT_CERTIFICATES_REQUIRED] = ARQ_QUIC_CLIENT_AUTH_REQUIRED,
};

int arq_credentials_create(const struct arq_config_listener *listener, const uint8_t *secret,
			   struct arq_quic_replay **replay, struct arq_quic_tls **tls,
			   struct arq_error *error)
{
	struct arq_quic_certificate *files = calloc(listener->certificates_count, sizeof(*files));
	struct arq_quic_tls_options options = {
		.certificates = files,
		.count = listener->certificates_count,
		.secret = secret,
		.client_auth = client_auth[listener->client_certificates.mode],
		.client_ca = listener->client_certificates.ca,
	};
	if (!files)
		return arq_error_set(error, -ENOMEM, "listener %s: out of memory", listener->name);
	for (uint32_t i = 0; i < listener->certificates_count; i++)
		files[i] = (struct arq_quic_certificate){listener->certificates[i].certificate,
							 listener->certificates[i].key};
	int code = 0;
	if (listener->early_data && !*replay) {
		code = arq_quic_replay_create(replay);
		if (code != 0)
			arq_error_set(error, code, "no memory for the record of early data");
	}
	if (listener->early_data)
		options.replay = *replay;
	if (code == 0)
		code = arq_quic_tls_create(&options, tls, error);
	free(files);
	return code ? arq_error_prefix(error, code, "listener %s", listener->name) : 0;
}
