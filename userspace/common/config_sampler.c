// SPDX-License-Identifier: BSD-2-Clause
/* The sampler's part of the configuration. */
#include "userspace/common/config_check.h"

#include <arpa/inet.h>
#include <arquant/sample.h>
#include <errno.h>
#include <stdlib.h>

/* 1 in 1000 costs nothing that can be measured and shows every flow worth looking at. */
#define ONE_IN_DEFAULT 1000

/* All headers up to the QUIC connection IDs; at least the Ethernet header. */
#define SNAPLEN_DEFAULT 128
#define SNAPLEN_MIN     14

/* What collectors expect; sFlow's own default is 30 s. */
#define COUNTERS_DEFAULT 30000000000ull
#define COUNTERS_MIN     1000000000ull
#define COUNTERS_MAX     3600000000000ull

static int check_collectors(const struct arq_config_check *check)
{
	struct arq_config_sflow *sflow = &check->config->sampler.sflow;

	if (!sflow->collectors_count)
		return 0;
	sflow->addresses = calloc(sflow->collectors_count, sizeof(sflow->addresses[0]));
	if (!sflow->addresses)
		return arq_config_no_memory(check);
	for (uint32_t i = 0; i < sflow->collectors_count; i++) {
		if (arq_address_parse(&sflow->addresses[i], sflow->collectors[i]))
			return arq_document_fail(
				check->document, check->error,
				arq_field("sampler.sflow.collectors[%u]", i),
				"'%s' is no address with a port; write 192.0.2.9:6343 or "
				"\"[2001:db8::9]:6343\"",
				sflow->collectors[i]);
	}
	return 0;
}

static int check_sflow(const struct arq_config_check *check)
{
	struct arq_config_sflow *sflow = &check->config->sampler.sflow;

	int code = check_collectors(check);
	if (code)
		return code;
	if (sflow->agent_text && arq_config_parse_host(sflow->agent_text, &sflow->agent))
		return arq_document_fail(
			check->document, check->error, arq_field("sampler.sflow.agent"),
			"'%s' is no IP address; write 192.0.2.1 or 2001:db8::1", sflow->agent_text);
	sflow->counters_ns = COUNTERS_DEFAULT;
	if (sflow->counters_text &&
	    (arq_duration_parse(sflow->counters_text, &sflow->counters_ns) ||
	     sflow->counters_ns < COUNTERS_MIN || sflow->counters_ns > COUNTERS_MAX))
		return arq_document_fail(
			check->document, check->error, arq_field("sampler.sflow.counters"),
			"'%s' is no duration from 1s to 1h; write 30s", sflow->counters_text);
	return 0;
}

int arq_config_check_sampler(const struct arq_config_check *check)
{
	struct arq_config_sampler *sampler = &check->config->sampler;

	int code = arq_config_check_number(check, arq_field("sampler.one_in"), &sampler->one_in,
					   ONE_IN_DEFAULT, 1, UINT32_MAX);
	if (!code)
		code = arq_config_check_number(check, arq_field("sampler.drops_one_in"),
					       &sampler->drops_one_in, sampler->one_in, 1,
					       UINT32_MAX);
	if (!code)
		code = arq_config_check_number(check, arq_field("sampler.snaplen"),
					       &sampler->snaplen, SNAPLEN_DEFAULT, SNAPLEN_MIN,
					       ARQ_SNAPLEN_MAX);
	return code ? code : check_sflow(check);
}

int arq_config_parse_host(const char *text, union arq_address *address)
{
	*address = (union arq_address){0};
	if (inet_pton(AF_INET, text, &address->in.sin_addr) == 1) {
		address->in.sin_family = AF_INET;
		return 0;
	}
	if (inet_pton(AF_INET6, text, &address->in6.sin6_addr) != 1)
		return -EINVAL;
	address->in6.sin6_family = AF_INET6;
	return 0;
}
