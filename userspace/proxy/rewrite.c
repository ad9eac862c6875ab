// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/proxy/rewrite.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

static int append(struct arq_rewrite_output *output, size_t *length, const char *data, size_t more)
{
	if (more > sizeof(output->text) - *length)
		return -E2BIG;
	if (more)
		memcpy(output->text + *length, data, more);
	*length += more;
	return 0;
}

/* What a group of an expression gave may be anything that a client sent. */
static bool is_path(const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		if (text[i] <= ' ' || text[i] >= 0x7f || text[i] == '#')
			return false;
	}
	return length > 0 && text[0] == '/';
}

int arq_rewrite_path(const struct arq_route *route, const struct arq_config_rewrite *rewrite,
		     struct arq_regex_scratch *scratch, struct arq_h3_text path,
		     struct arq_rewrite_output *output, struct arq_h3_text *rewritten)
{
	const char *question = path.length ? memchr(path.data, '?', path.length) : NULL;
	size_t bare = question ? (size_t)(question - path.data) : path.length;
	size_t length = 0;
	int code = 0;

	*rewritten = path;
	if (rewrite->path) {
		code = append(output, &length, rewrite->path, strlen(rewrite->path));
	} else if (rewrite->prefix) {
		size_t old = strlen(route->config->path);
		if (bare < old)
			return 0; /* "*" of OPTIONS: the route is for any path */
		code = append(output, &length, rewrite->prefix, strlen(rewrite->prefix));
		if (code == 0)
			code = append(output, &length, path.data + old, bare - old);
	} else if (rewrite->regex) {
		enum arq_regex_result result = arq_regex_replace(
			route->rewrite, scratch, path.data, bare, rewrite->replace, output->text,
			sizeof(output->text), &length);
		if (result == ARQ_REGEX_NO_MATCH)
			return 0;
		code = result == ARQ_REGEX_MATCH ? 0 : -E2BIG;
	} else {
		return 0;
	}
	if (code == 0 && !is_path(output->text, length))
		return -EINVAL;
	if (code == 0)
		code = append(output, &length, path.data + bare, path.length - bare);
	*rewritten = (struct arq_h3_text){output->text, length};
	return code;
}

int arq_rewrite_location(const struct arq_route *route, struct arq_regex_scratch *scratch,
			 const struct arq_h3_request *request, struct arq_rewrite_output *output,
			 struct arq_h3_text *location)
{
	const struct arq_config_redirect *redirect = route->config->redirect;
	struct arq_rewrite_output changed;
	struct arq_h3_text path;
	size_t length = 0;
	int code = arq_rewrite_path(route, &redirect->to, scratch, request->path, &changed, &path);

	if (code != 0)
		return code;
	struct arq_h3_text scheme =
		redirect->scheme ? arq_h3_text(redirect->scheme) : request->scheme;
	struct arq_h3_text authority =
		redirect->to.host ? arq_h3_text(redirect->to.host) : request->authority;
	code = append(output, &length, scheme.data, scheme.length);
	if (code == 0)
		code = append(output, &length, "://", 3);
	if (code == 0)
		code = append(output, &length, authority.data, authority.length);
	if (code == 0 && path.length && path.data[0] == '/') /* not the "*" of OPTIONS */
		code = append(output, &length, path.data, path.length);
	*location = (struct arq_h3_text){output->text, length};
	return code;
}
