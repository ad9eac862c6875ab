// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/proxy/forward.h"

#include "userspace/proxy/rewrite.h"

#include <errno.h>

int arq_forward_request(const struct arq_forward *forward, const struct arq_h3_request *request,
			struct arq_message_request **head)
{
	const struct arq_config_rewrite *rewrite = forward->route->config->rewrite;
	const struct arq_fields_request from = {forward->config, request, forward->client,
						forward->random};
	struct arq_h3_field fields[ARQ_FIELDS_SENT];
	struct arq_fields_texts texts;
	struct arq_rewrite_output output;
	struct arq_h3_request out = *request;

	if (request->field_count > ARQ_FIELDS_MAX)
		return -E2BIG;
	if (arq_fields_loop(forward->config, request->fields, request->field_count))
		return -ELOOP;
	if (rewrite) {
		int code = arq_rewrite_path(forward->route, rewrite, forward->scratch,
					    request->path, &output, &out.path);
		if (code != 0)
			return code;
		if (rewrite->host)
			out.authority = arq_h3_text(rewrite->host);
	}
	size_t count = arq_fields_of_request(&from, &texts, fields);
	out.fields = fields;
	out.field_count =
		arq_fields_change(&forward->route->config->request_headers, fields, count);
	*head = arq_message_request_copy(&out);
	return *head ? 0 : -ENOMEM;
}

size_t arq_forward_response(const struct arq_route *route,
			    const struct arq_config_forwarding *config,
			    const struct arq_h3_response *response, struct arq_fields_texts *texts,
			    struct arq_h3_field fields[ARQ_FIELDS_SENT])
{
	size_t count = arq_fields_of_response(config, response, texts, fields);
	return arq_fields_change(&route->config->response_headers, fields, count);
}
