/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The target of a request as a route changes it: for the upstream (`rewrite`), or for the client
 * to go to (`redirect`).
 */
#ifndef ARQUANT_PROXY_REWRITE_H
#define ARQUANT_PROXY_REWRITE_H

#include "userspace/common/regex.h"
#include "userspace/http3/http3.h"
#include "userspace/proxy/route.h"

/* Octets of a target that was changed, with its query: more than servers take. */
#define ARQ_REWRITE_MAX 8192

struct arq_rewrite_output {
	char text[ARQ_REWRITE_MAX];
};

/*
 * The path, with query, that `rewrite` makes of a request's; it points into `output` or, unchanged,
 * into the request. Returns 0, -E2BIG when the regular expression gave up or the result is too
 * long, -EINVAL when it is no path.
 */
int arq_rewrite_path(const struct arq_route *route, const struct arq_config_rewrite *rewrite,
		     struct arq_regex_scratch *scratch, struct arq_h3_text path,
		     struct arq_rewrite_output *output, struct arq_h3_text *rewritten);

/* The value of Location for a redirect; it points into `output`. Returns as above. */
int arq_rewrite_location(const struct arq_route *route, struct arq_regex_scratch *scratch,
			 const struct arq_h3_request *request, struct arq_rewrite_output *output,
			 struct arq_h3_text *location);

#endif
