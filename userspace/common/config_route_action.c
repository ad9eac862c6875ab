// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/common/config_check.h"
#include "userspace/common/regex.h"

#include <ctype.h>
#include <string.h>

#define CONTENT_TYPE_DEFAULT "text/plain; charset=utf-8"

/* RFC 9110, section 15.4.9: permanent, and a POST stays a POST. */
#define REDIRECT_STATUS_DEFAULT 308

#define WEIGHT_MAX 1000000

#define VIA_DEFAULT "arquant"

/* --- pools ------------------------------------------------------------------------------------ */

static int find_pool(const struct arq_config_check *check, struct arq_field field, const char *name,
		     const struct arq_config_pool **pool)
{
	const struct arq_config_gateway *gateway = &check->config->gateway;

	for (uint32_t i = 0; i < gateway->pools_count; i++) {
		if (strcmp(gateway->pools[i].name, name) == 0) {
			*pool = &gateway->pools[i];
			return 0;
		}
	}
	return arq_document_fail(check->document, check->error, field,
				 "there is no pool '%s'; define it under gateway.pools", name);
}

static int check_split(const struct arq_config_check *check, uint32_t i)
{
	struct arq_config_route *route = &check->config->gateway.routes[i];

	for (uint32_t j = 0; j < route->split_count; j++) {
		struct arq_config_share *share = &route->split[j];
		int code = find_pool(check, arq_field("gateway.routes[%u].split[%u].pool", i, j),
				     share->pool_name, &share->pool);
		if (!code)
			code = arq_config_check_number(
				check, arq_field("gateway.routes[%u].split[%u].weight", i, j),
				&share->weight, 1, 1, WEIGHT_MAX);
		for (uint32_t k = 0; !code && k < j; k++) {
			if (route->split[k].pool == share->pool)
				code = arq_document_fail(
					check->document, check->error,
					arq_field("gateway.routes[%u].split[%u]", i, j),
					"has the pool of split[%u]; add their weights", k);
		}
		if (code)
			return code;
	}
	return 0;
}

/* --- answers of our own ----------------------------------------------------------------------- */

static int check_respond(const struct arq_config_check *check, uint32_t i)
{
	struct arq_config_response *respond = check->config->gateway.routes[i].respond;
	struct arq_field type = arq_field("gateway.routes[%u].respond.content_type", i);

	if (respond->status < 200 || respond->status > 599)
		return arq_document_fail(check->document, check->error,
					 arq_field("gateway.routes[%u].respond.status", i),
					 "%u is no final status; write a number from 200 to 599",
					 respond->status);
	/* RFC 9110, sections 15.3.5, 15.3.6 and 15.4.5: these have no content. */
	if ((respond->status == 204 || respond->status == 205 || respond->status == 304) &&
	    respond->body && respond->body[0])
		return arq_document_fail(check->document, check->error,
					 arq_field("gateway.routes[%u].respond.body", i),
					 "a response with status %u has no body; remove it",
					 respond->status);
	int code = arq_config_check_header_value(check, type, respond->content_type);
	if (!code)
		code = arq_config_set_default(check, &respond->body, "");
	return code ? code
		    : arq_config_set_default(check, &respond->content_type, CONTENT_TYPE_DEFAULT);
}

/* --- rewriting -------------------------------------------------------------------------------- */

/* A host, with port or without. */
static int check_authority(const struct arq_config_check *check, struct arq_field field,
			   const char *authority)
{
	if (!authority)
		return 0;
	for (const char *c = authority; *c; c++) {
		if (!isascii(*c) || (!isalnum(*c) && !strchr("-_.:[]", *c)))
			return arq_document_fail(check->document, check->error, field,
						 "'%s' is no host; write it as www.example.com or "
						 "www.example.com:8443",
						 authority);
	}
	return 0;
}

static int check_replacement(const struct arq_config_check *check, struct arq_field field,
			     const struct arq_config_rewrite *rewrite)
{
	struct arq_error ignored = {0};
	struct arq_regex *regex;

	if (!rewrite->regex != !rewrite->replace)
		return arq_document_fail(check->document, check->error, field,
					 "has one of 'regex' and 'replace'; write both");
	int code = arq_config_check_regex(check, field, rewrite->regex, NULL);
	if (code || !rewrite->regex)
		return code;
	code = arq_regex_create(rewrite->regex, false, &regex, &ignored);
	if (code)
		return arq_config_no_memory(check);
	code = arq_regex_check_replacement(regex, rewrite->replace);
	arq_regex_destroy(regex);
	return code ? arq_document_fail(check->document, check->error, field,
					"has a '$' in 'replace' that names no group of 'regex'; "
					"write $0 to $9, or $$ for a dollar sign")
		    : 0;
}

static int check_rewrite(const struct arq_config_check *check, struct arq_field field,
			 const struct arq_config_route *route,
			 const struct arq_config_rewrite *rewrite)
{
	if ((rewrite->path != NULL) + (rewrite->prefix != NULL) + (rewrite->regex != NULL) > 1)
		return arq_document_fail(check->document, check->error, field,
					 "has more than one of 'path', 'prefix' and 'regex'; keep "
					 "one");
	if (rewrite->prefix && !(route->path && route->path_is_prefix))
		return arq_document_fail(check->document, check->error, field,
					 "has a 'prefix', but the route's path is none that it "
					 "could take the place of; write the path as /v1/*");
	int code = check_authority(check, field, rewrite->host);
	if (!code)
		code = arq_config_check_path(check, field, rewrite->path);
	if (!code)
		code = arq_config_check_path(check, field, rewrite->prefix);
	return code ? code : check_replacement(check, field, rewrite);
}

static int check_redirect(const struct arq_config_check *check, uint32_t i)
{
	const struct arq_config_route *route = &check->config->gateway.routes[i];
	struct arq_config_redirect *redirect = route->redirect;
	struct arq_field field = arq_field("gateway.routes[%u].redirect", i);
	struct arq_field status = arq_field("gateway.routes[%u].redirect.status", i);

	if (!arq_document_has(check->document, status))
		redirect->status = REDIRECT_STATUS_DEFAULT;
	if (redirect->status != 301 && redirect->status != 302 && redirect->status != 303 &&
	    redirect->status != 307 && redirect->status != 308)
		return arq_document_fail(check->document, check->error, status,
					 "%u does not redirect; write 301, 302, 303, 307 or 308",
					 redirect->status);
	if (redirect->scheme && strcmp(redirect->scheme, "https") != 0 &&
	    strcmp(redirect->scheme, "http") != 0)
		return arq_document_fail(check->document, check->error,
					 arq_field("gateway.routes[%u].redirect.scheme", i),
					 "'%s' is no scheme of the web; write https or http",
					 redirect->scheme);
	const struct arq_config_rewrite *to = &redirect->to;
	if (!redirect->scheme && !to->host && !to->path && !to->prefix && !to->regex)
		return arq_document_fail(check->document, check->error, field,
					 "would send clients to where they are; write 'scheme', "
					 "'host', 'path', 'prefix', or 'regex' and 'replace'");
	return check_rewrite(check, field, route, to);
}

/* --- header fields ---------------------------------------------------------------------------- */

/* What HTTP/3 or the proxy itself decides on: RFC 9114 section 4.2, RFC 9110 section 7.6. */
static bool is_ours(const char *name)
{
	static const char *const names[] = {
		"connection", "keep-alive", "proxy-connection", "transfer-encoding",
		"upgrade",    "te",         "content-length",   "host",
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(name, names[i]) == 0)
			return true;
	}
	return false;
}

static int check_change(const struct arq_config_check *check, struct arq_field field,
			const struct arq_config_header *header)
{
	int code = arq_config_check_header_name(check, field, header->name);
	if (!code && is_ours(header->name))
		code = arq_document_fail(check->document, check->error, field,
					 "'%s' is not for a route to write; remove it",
					 header->name);
	return code ? code : arq_config_check_header_value(check, field, header->value);
}

static int check_headers(const struct arq_config_check *check, uint32_t i, const char *which,
			 const struct arq_config_headers *headers)
{
	int code = 0;

	for (uint32_t j = 0; !code && j < headers->remove_count; j++)
		code = arq_config_check_header_name(
			check, arq_field("gateway.routes[%u].%s.remove[%u]", i, which, j),
			headers->remove[j]);
	for (uint32_t j = 0; !code && j < headers->set_count; j++)
		code = check_change(check, arq_field("gateway.routes[%u].%s.set[%u]", i, which, j),
				    &headers->set[j]);
	for (uint32_t j = 0; !code && j < headers->add_count; j++)
		code = check_change(check, arq_field("gateway.routes[%u].%s.add[%u]", i, which, j),
				    &headers->add[j]);
	return code;
}

int arq_config_check_forwarding(const struct arq_config_check *check)
{
	struct arq_config_forwarding *forwarding = &check->config->gateway.forwarding;
	struct arq_field via = arq_field("gateway.forwarding.via");
	int code = 0;

	if (!arq_document_has(check->document, arq_field("gateway.forwarding.x_forwarded")))
		forwarding->x_forwarded = true;
	forwarding->via_is_ours = forwarding->via;
	if (forwarding->via)
		code = arq_config_check_name(check, via, forwarding->via);
	if (!code)
		code = arq_config_set_default(check, &forwarding->via, VIA_DEFAULT);
	return code ? code
		    : arq_config_check_header_value(check, arq_field("gateway.forwarding.alt_svc"),
						    forwarding->alt_svc);
}

/* --- all of it -------------------------------------------------------------------------------- */

/* What changes a request means nothing where none is sent on. */
static int check_means_something(const struct arq_config_check *check, uint32_t i)
{
	static const char *const keys[] = {"rewrite", "request_headers", "timeouts",
					   "retries", "early_data",      "limits.body"};
	const struct arq_config_route *route = &check->config->gateway.routes[i];

	if (route->pool_name || route->split_count)
		return 0;
	for (size_t k = 0; k < sizeof(keys) / sizeof(keys[0]); k++) {
		struct arq_field field = arq_field("gateway.routes[%u].%s", i, keys[k]);
		if (arq_document_has(check->document, field))
			return arq_document_fail(check->document, check->error, field,
						 "means nothing without a pool; remove it");
	}
	return 0;
}

int arq_config_check_route_action(const struct arq_config_check *check, uint32_t i)
{
	struct arq_config_route *route = &check->config->gateway.routes[i];
	struct arq_field field = arq_field("gateway.routes[%u]", i);
	int actions = (route->pool_name != NULL) + (route->split_count > 0) +
		      (route->respond != NULL) + (route->redirect != NULL);

	if (actions != 1)
		return arq_document_fail(check->document, check->error, field,
					 "has %s of 'pool', 'split', 'respond' and 'redirect'; %s",
					 actions ? "more than one" : "none",
					 actions ? "keep one" : "add one");
	int code = check_means_something(check, i);
	if (!code && route->pool_name)
		code = find_pool(check, arq_field("gateway.routes[%u].pool", i), route->pool_name,
				 &route->pool);
	if (!code)
		code = check_split(check, i);
	if (!code && route->respond)
		code = check_respond(check, i);
	if (!code && route->redirect)
		code = check_redirect(check, i);
	if (!code && route->rewrite)
		code = check_rewrite(check, arq_field("gateway.routes[%u].rewrite", i), route,
				     route->rewrite);
	if (!code)
		code = check_headers(check, i, "request_headers", &route->request_headers);
	if (!code)
		code = check_headers(check, i, "response_headers", &route->response_headers);
	return code ? code : arq_config_check_route_limits(check, i);
}
