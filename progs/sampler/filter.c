// SPDX-License-Identifier: BSD-2-Clause
#include "progs/sampler/filter.h"

#include "progs/program.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const keys[ARQ_FILTER_KEYS] = {
	[ARQ_FILTER_SLOT] = "slot",       [ARQ_FILTER_VERDICT] = "verdict",
	[ARQ_FILTER_REASON] = "reason",   [ARQ_FILTER_RULE] = "rule",
	[ARQ_FILTER_SERVICE] = "service", [ARQ_FILTER_FROM] = "from",
	[ARQ_FILTER_TO] = "to",           [ARQ_FILTER_FLOW] = "flow",
	[ARQ_FILTER_PROTO] = "proto",
};

/* --- terms ------------------------------------------------------------------------------------ */

static int parse_word(struct arq_filter_value *value, const char *text, const char *what,
		      const char *(*name)(uint32_t number), uint32_t count, struct arq_error *error)
{
	for (uint32_t number = 0; number < count; number++) {
		if (strcmp(name(number), text) == 0) {
			value->number = number;
			return 0;
		}
	}
	return arq_error_set(error, -EINVAL, "'%.40s' is no %s", text, what);
}

static int parse_rule(struct arq_filter_value *value, const char *text, struct arq_error *error)
{
	size_t digits = strspn(text, "0123456789");

	if (strlen(text) >= sizeof(value->name))
		return arq_error_set(error, -EINVAL, "'%.40s...' is too long for a rule's name",
				     text);
	if (digits < 8 && !text[digits])
		value->number = (uint32_t)strtoul(text, NULL, 10);
	else
		snprintf(value->name, sizeof(value->name), "%s", text);
	return 0;
}

static int parse_value(enum arq_filter_key key, struct arq_filter_value *value, const char *text,
		       struct arq_error *error)
{
	int protocol;

	switch (key) {
	case ARQ_FILTER_SLOT:
		return parse_word(value, text, "slot that takes samples (firewall, sampler)",
				  arq_program_name, ARQ_PROGRAM_REDIRECT, error);
	case ARQ_FILTER_VERDICT:
		return parse_word(value, text, "verdict (aborted, drop, pass, tx, redirect)",
				  arq_action_name, ARQ_ACTION_INVALID, error);
	case ARQ_FILTER_REASON:
		return parse_word(value, text, "reason (see 'arquant status')", arq_reason_name,
				  ARQ_REASON_MAX, error);
	case ARQ_FILTER_RULE:
		return parse_rule(value, text, error);
	case ARQ_FILTER_SERVICE:
		if (arq_address_parse(&value->address, text))
			return arq_error_set(error, -EINVAL,
					     "'%.60s' is no service, as 192.0.2.1:443", text);
		return 0;
	case ARQ_FILTER_PROTO:
		protocol = arq_protocol_parse(text);
		value->number = (uint32_t)protocol;
		return protocol < 0
			       ? arq_error_set(error, -EINVAL, "'%.40s' is no IP protocol", text)
			       : 0;
	default:
		return arq_prefix_parse(&value->prefix, text, error);
	}
}

static int parse_values(struct arq_filter_term *term, const char *text, struct arq_error *error)
{
	char value[128];

	for (;;) {
		size_t length = strcspn(text, ",");
		if (term->values_count == ARQ_FILTER_VALUES_MAX)
			return arq_error_set(error, -E2BIG, "more than %d values of '%s'",
					     ARQ_FILTER_VALUES_MAX, keys[term->key]);
		if (length == 0 || length >= sizeof(value))
			return arq_error_set(error, -EINVAL, "'%s' has an empty or endless value",
					     keys[term->key]);
		memcpy(value, text, length);
		value[length] = '\0';
		int code =
			parse_value(term->key, &term->values[term->values_count++], value, error);
		if (code || !text[length])
			return code;
		text += length + 1;
	}
}

int arq_filter_add(struct arq_filter *filter, const char *text, struct arq_error *error)
{
	size_t length = strcspn(text, "=");

	if (filter->terms_count == ARQ_FILTER_TERMS_MAX)
		return arq_error_set(error, -E2BIG, "more than %d terms of a filter",
				     ARQ_FILTER_TERMS_MAX);
	for (unsigned int key = 0; text[length] && key < ARQ_FILTER_KEYS; key++) {
		if (strncmp(text, keys[key], length) != 0 || keys[key][length])
			continue;
		struct arq_filter_term *term = &filter->terms[filter->terms_count];
		*term = (struct arq_filter_term){.key = (enum arq_filter_key)key};
		int code = parse_values(term, text + length + 1, error);
		if (code == 0)
			filter->terms_count++;
		return code;
	}
	return arq_error_set(error, -EINVAL,
			     "'%.60s' is no KEY=VALUE of slot, verdict, reason, rule, service, "
			     "from, to, flow, proto",
			     text);
}

/* --- samples ---------------------------------------------------------------------------------- */

static bool is_rule(const struct arq_filter_value *value, const struct arq_sample *sample,
		    const struct arq_rule_names *names)
{
	if (!value->name[0])
		return sample->rule == value->number;
	return names && strcmp(arq_rule_name(names, sample->rule), value->name) == 0;
}

static bool is_service(const struct arq_filter_value *value, const struct arq_flow *flow)
{
	const union arq_address *address = &value->address;

	if (flow->protocol != IPPROTO_UDP || flow->family != address->sa.sa_family ||
	    flow->destination_port != arq_address_port(address))
		return false;
	if (arq_address_is_any(address))
		return true;
	return flow->family == AF_INET
		       ? memcmp(flow->destination, &address->in.sin_addr, 4) == 0
		       : memcmp(flow->destination, &address->in6.sin6_addr, 16) == 0;
}

static bool matches(enum arq_filter_key key, const struct arq_filter_value *value,
		    const struct arq_sample *sample, const struct arq_flow *flow,
		    const struct arq_rule_names *names)
{
	switch (key) {
	case ARQ_FILTER_SLOT:
		return sample->program == value->number;
	case ARQ_FILTER_VERDICT:
		return sample->verdict == value->number;
	case ARQ_FILTER_REASON:
		return sample->reason == value->number;
	case ARQ_FILTER_RULE:
		return is_rule(value, sample, names);
	case ARQ_FILTER_SERVICE:
		return is_service(value, flow);
	case ARQ_FILTER_FROM:
		return arq_flow_in_prefix(flow, flow->source, &value->prefix);
	case ARQ_FILTER_TO:
		return arq_flow_in_prefix(flow, flow->destination, &value->prefix);
	case ARQ_FILTER_FLOW:
		return arq_flow_in_prefix(flow, flow->source, &value->prefix) ||
		       arq_flow_in_prefix(flow, flow->destination, &value->prefix);
	case ARQ_FILTER_PROTO:
		return flow->family && flow->protocol == value->number;
	default:
		return false;
	}
}

bool arq_filter_passes(const struct arq_filter *filter, const struct arq_sample *sample,
		       const struct arq_flow *flow, const struct arq_rule_names *names)
{
	for (unsigned int i = 0; i < filter->terms_count; i++) {
		const struct arq_filter_term *term = &filter->terms[i];
		bool passes = false;
		for (unsigned int j = 0; !passes && j < term->values_count; j++)
			passes = matches(term->key, &term->values[j], sample, flow, names);
		if (!passes)
			return false;
	}
	return true;
}
