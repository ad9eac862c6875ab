// SPDX-License-Identifier: BSD-2-Clause
/*
 * Any bytes as a configuration, aimed at the firewall's rules (the seeds are such files). What is
 * refused says where and what to do; what is taken keeps the promises of rule.h, and can be
 * analysed.
 */
#include "progs/firewall/analysis.h"
#include "userspace/common/config.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
	if (!holds)
		abort();
}

static void check_ranges(const struct arq_match_ranges *ranges, uint32_t max)
{
	check(ranges->count || !ranges->negate);
	for (uint32_t i = 0; i < ranges->count; i++)
		check(ranges->items[i].low <= ranges->items[i].high &&
		      ranges->items[i].high <= max);
}

static void check_addresses(const struct arq_match_addresses *addresses,
			    const struct arq_ruleset *ruleset)
{
	check(addresses->prefix_count || addresses->set_count || !addresses->negate);
	for (uint32_t i = 0; i < addresses->set_count; i++)
		check(addresses->sets[i] < ruleset->set_count);
}

static void check_ports(const struct arq_match_ports *ports)
{
	check(ports->count || !ports->negate);
	for (uint32_t i = 0; i < ports->count; i++)
		check(ports->items[i].low <= ports->items[i].high);
}

static void check_rule(const struct arq_rule *rule, const struct arq_ruleset *ruleset)
{
	check(rule->name[0] && memchr(rule->name, 0, sizeof(rule->name)) && rule->line > 0);
	check_addresses(&rule->from, ruleset);
	check_addresses(&rule->to, ruleset);
	check_ranges(&rule->protocols, 255);
	check_ranges(&rule->lengths, UINT32_MAX);
	check_ranges(&rule->ttls, 255);
	check_ranges(&rule->dscps, 63);
	check_ranges(&rule->vlans, ARQ_VLAN_NONE);
	check_ranges(&rule->quic_versions, UINT32_MAX);
	check_ports(&rule->from_ports);
	check_ports(&rule->to_ports);
	check(rule->tcp_flags.mask || !rule->tcp_flags.negate);
	check(!(rule->tcp_flags.value & ~rule->tcp_flags.mask));
	check((rule->action == ARQ_RULE_BLOCK) == (rule->block_ns > 0));
	check((rule->action == ARQ_RULE_BLOCK) == (rule->block_prefix_v4 > 0));
	check(rule->block_prefix_v4 <= 32 && rule->block_prefix_v6 <= 128);
	check(!rule->limit.rate || (rule->limit.burst > 0 && rule->limit.period_ns > 0 &&
				    rule->action == ARQ_RULE_PASS));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arq_config *config = NULL;
	struct arq_findings findings;
	struct arq_error error = {0};

	if (arq_config_parse("f.yaml", (const char *)data, size, &config, &error)) {
		check(!config);
		check(strncmp(error.text, "f.yaml:", 7) == 0 && strchr(error.text, ';'));
		return 0;
	}
	const struct arq_ruleset *ruleset = &config->firewall.ruleset;
	for (uint32_t i = 0; i < ruleset->rule_count; i++)
		check_rule(&ruleset->rules[i], ruleset);
	check(arq_ruleset_analyse(ruleset, &findings) == 0);
	check(findings.count <= ruleset->rule_count + ruleset->set_count);
	arq_findings_clear(&findings);
	arq_config_destroy(config);
	return 0;
}
