/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Messages as they go on: what fields.h says a proxy forwards and adds, and what the route changes
 * (rewrite.h, and fields added, set and removed, which have the last word).
 */
#ifndef ARQUANT_PROXY_FORWARD_H
#define ARQUANT_PROXY_FORWARD_H

#include "userspace/common/address.h"
#include "userspace/proxy/fields.h"
#include "userspace/proxy/message.h"
#include "userspace/proxy/route.h"

struct arq_forward {
	const struct arq_route *route;
	const struct arq_config_forwarding *config;
	struct arq_regex_scratch *scratch;
	const union arq_address *client;
	struct arq_fields_random *random;
};

/*
 * The request for the upstream, in one block of memory of the caller's (free(3)). Returns 0 and
 * *head; -ENOMEM; -ELOOP for one that came through here before; -E2BIG when it has too many fields
 * or its path cannot be rewritten for its length; -EINVAL when what the route makes of its path is
 * none.
 */
int arq_forward_request(const struct arq_forward *forward, const struct arq_h3_request *request,
			struct arq_message_request **head);

/*
 * The fields of a final response for the client, borrowed from the response, the configuration and
 * `texts`. Returns how many. (Interim ones just lose what is for this hop, see fields.h.)
 */
size_t arq_forward_response(const struct arq_route *route,
			    const struct arq_config_forwarding *config,
			    const struct arq_h3_response *response, struct arq_fields_texts *texts,
			    struct arq_h3_field fields[ARQ_FIELDS_SENT]);

#endif
