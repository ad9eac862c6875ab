// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/common/config_schema.h"

#include "userspace/common/config_firewall_guards.h"

#include <arquant/program.h>
#include <limits.h>
#include <linux/bpf.h>
#include <net/if.h>

/* How much of each there may be. Raise them where somebody needs more. */
#define INTERFACES_MAX 64
#define SETS_MAX       256
#define ELEMENTS_MAX   100000 /* longer lists are files */
#define RULES_MAX      4096
#define ADDRESSES_MAX  1024 /* of one rule; more are a set */
#define VALUES_MAX     256
#define COLLECTORS_MAX 8

#define VALUE_MAX_LENGTH  80 /* of a condition's entry: words and numbers */
#define PREFIX_MAX_LENGTH (ARQ_PREFIX_TEXT_MAX - 1)

/* --- interfaces ------------------------------------------------------------------------------- */

static const cyaml_strval_t modes[] = {
	{"auto", ARQ_CONFIG_MODE_AUTO},
	{"native", ARQ_CONFIG_MODE_NATIVE},
	{"generic", ARQ_CONFIG_MODE_GENERIC},
};

static const cyaml_strval_t programs[] = {
	{"firewall", ARQ_PROGRAM_FIREWALL},
	{"sampler", ARQ_PROGRAM_SAMPLER},
	{"redirect", ARQ_PROGRAM_REDIRECT},
};

static const cyaml_strval_t chain_actions[] = {
	{"aborted", 1 << XDP_ABORTED}, {"drop", 1 << XDP_DROP},         {"pass", 1 << XDP_PASS},
	{"tx", 1 << XDP_TX},           {"redirect", 1 << XDP_REDIRECT},
};

static const cyaml_schema_field_t program_fields[] = {
	CYAML_FIELD_ENUM("name", STRICT, struct arq_config_program, id, programs,
			 CYAML_ARRAY_LEN(programs)),
	CYAML_FIELD_UINT("priority", OPTIONAL, struct arq_config_program, priority),
	CYAML_FIELD_FLAGS("chain_actions", OPTIONAL | STRICT, struct arq_config_program,
			  chain_actions, chain_actions, CYAML_ARRAY_LEN(chain_actions)),
	CYAML_FIELD_END,
};

static const cyaml_schema_value_t program_entry = {
	CYAML_VALUE_MAPPING(REQUIRED, struct arq_config_program, program_fields),
};

static const cyaml_schema_field_t interface_fields[] = {
	STRING("name", REQUIRED, struct arq_config_interface, name, 1, IFNAMSIZ - 1),
	WORD("mode", struct arq_config_interface, mode, modes),
	LIST("programs", OPTIONAL, struct arq_config_interface, chain, &program_entry, 1,
	     CYAML_ARRAY_LEN(programs)),
	CYAML_FIELD_END,
};

static const cyaml_schema_value_t interface_entry = {
	CYAML_VALUE_MAPPING(REQUIRED, struct arq_config_interface, interface_fields),
};

/* --- firewall --------------------------------------------------------------------------------- */

static const cyaml_strval_t default_actions[] = {
	{"pass", ARQ_RULE_PASS},
	{"drop", ARQ_RULE_DROP},
};

static const cyaml_strval_t pass_or_drop[] = {
	{"pass", ARQ_CONFIG_PASS},
	{"drop", ARQ_CONFIG_DROP},
};

static const cyaml_strval_t rule_actions[] = {
	{"pass", ARQ_RULE_PASS},
	{"drop", ARQ_RULE_DROP},
	{"count", ARQ_RULE_COUNT},
	{"block", ARQ_RULE_BLOCK},
};

static const cyaml_strval_t fragments[] = {
	{"none", ARQ_FRAGMENT_NONE},
	{"first", ARQ_FRAGMENT_FIRST},
	{"later", ARQ_FRAGMENT_LATER},
};

static const cyaml_strval_t quic_types[] = {
	{"short", ARQ_QUIC_SHORT},
	{"initial", ARQ_QUIC_INITIAL},
	{"0-rtt", ARQ_QUIC_ZERO_RTT},
	{"handshake", ARQ_QUIC_HANDSHAKE},
	{"retry", ARQ_QUIC_RETRY},
	{"version-negotiation", ARQ_QUIC_VERSION_NEGOTIATION},
	{"unknown-version", ARQ_QUIC_UNKNOWN_VERSION},
};

static const cyaml_schema_value_t prefix_entry = {
	CYAML_VALUE_STRING(POINTER, char *, 1, PREFIX_MAX_LENGTH),
};

static const cyaml_schema_field_t set_fields[] = {
	STRING("name", REQUIRED, struct arq_config_set, name, 1, NAME_MAX_LENGTH),
	STRING("file", OPTIONAL, struct arq_config_set, file, 1, FILE_MAX_LENGTH),
	LIST("elements", OPTIONAL, struct arq_config_set, elements, &prefix_entry, 1, ELEMENTS_MAX),
	CYAML_FIELD_BOOL("track", OPTIONAL, struct arq_config_set, track),
	CYAML_FIELD_END,
};

static const cyaml_schema_value_t set_entry = {
	CYAML_VALUE_MAPPING(REQUIRED, struct arq_config_set, set_fields),
};

/* A prefix, or '@' and the name of a set. */
static const cyaml_schema_value_t address_entry = {
	CYAML_VALUE_STRING(POINTER, char *, 1, NAME_MAX_LENGTH + 1),
};

static const cyaml_schema_value_t value_entry = {
	CYAML_VALUE_STRING(POINTER, char *, 1, VALUE_MAX_LENGTH),
};

static const cyaml_schema_value_t interface_name_entry = {
	CYAML_VALUE_STRING(POINTER, char *, 1, IFNAMSIZ - 1),
};

/* Conditions, in the rule itself and under its `not`. */
#define ADDRESSES(key, structure, member) \
	LIST(key, OPTIONAL, structure, member, &address_entry, 1, ADDRESSES_MAX)
#define VALUES(key, structure, member) \
	LIST(key, OPTIONAL, structure, member, &value_entry, 1, VALUES_MAX)
#define CONDITIONS(structure, prefix)                                                             \
	ADDRESSES("from", structure, prefix from), ADDRESSES("to", structure, prefix to),         \
		VALUES("proto", structure, prefix proto),                                         \
		VALUES("from_port", structure, prefix from_port),                                 \
		VALUES("to_port", structure, prefix to_port),                                     \
		VALUES("icmp", structure, prefix icmp), VALUES("icmp6", structure, prefix icmp6), \
		STRING("tcp_flags", OPTIONAL, structure, prefix tcp_flags, 1, VALUE_MAX_LENGTH),  \
		VALUES("length", structure, prefix length), VALUES("ttl", structure, prefix ttl), \
		VALUES("dscp", structure, prefix dscp), VALUES("vlan", structure, prefix vlan),   \
		VALUES("quic_version", structure, prefix quic_version)

static const cyaml_schema_field_t not_fields[] = {
	CONDITIONS(struct arq_config_match, ),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t limit_fields[] = {
	STRING("rate", REQUIRED, struct arq_config_limit, rate, 1, DURATION_MAX),
	CYAML_FIELD_UINT("burst", OPTIONAL, struct arq_config_limit, burst),
	STRING("per", OPTIONAL, struct arq_config_limit, per, 1, VALUE_MAX_LENGTH),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t rule_fields[] = {
	STRING("name", REQUIRED, struct arq_config_rule, name, 1, NAME_MAX_LENGTH),
	CONDITIONS(struct arq_config_rule, match.),
	CYAML_FIELD_MAPPING("not", OPTIONAL, struct arq_config_rule, not, not_fields),
	CYAML_FIELD_FLAGS("fragment", OPTIONAL | STRICT, struct arq_config_rule, fragment,
			  fragments, CYAML_ARRAY_LEN(fragments)),
	CYAML_FIELD_FLAGS("quic", OPTIONAL | STRICT, struct arq_config_rule, quic, quic_types,
			  CYAML_ARRAY_LEN(quic_types)),
	LIST("interface", OPTIONAL, struct arq_config_rule, interface, &interface_name_entry, 1,
	     INTERFACES_MAX),
	CYAML_FIELD_ENUM("action", STRICT, struct arq_config_rule, action, rule_actions,
			 CYAML_ARRAY_LEN(rule_actions)),
	STRING("block_for", OPTIONAL, struct arq_config_rule, block_for, 1, DURATION_MAX),
	STRING("block_per", OPTIONAL, struct arq_config_rule, block_per, 1, VALUE_MAX_LENGTH),
	CYAML_FIELD_MAPPING_PTR("limit", OPTIONAL, struct arq_config_rule, limit, limit_fields),
	CYAML_FIELD_END,
};

static const cyaml_schema_value_t rule_entry = {
	CYAML_VALUE_MAPPING(REQUIRED, struct arq_config_rule, rule_fields),
};

static const cyaml_strval_t fragment_policies[] = {
	{"pass", ARQ_CONFIG_FRAGMENTS_PASS},
	{"drop", ARQ_CONFIG_FRAGMENTS_DROP},
	{"packet-too-big", ARQ_CONFIG_FRAGMENTS_TOO_BIG},
};

static const cyaml_schema_field_t too_big_fields[] = {
	STRING("rate", OPTIONAL, struct arq_config_too_big, rate, 1, DURATION_MAX),
	CYAML_FIELD_UINT("burst", OPTIONAL, struct arq_config_too_big, burst),
	CYAML_FIELD_UINT("mtu", OPTIONAL, struct arq_config_too_big, mtu),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t rate_fields[] = {
	STRING("rate", REQUIRED, struct arq_config_limit, rate, 1, DURATION_MAX),
	CYAML_FIELD_UINT("burst", OPTIONAL, struct arq_config_limit, burst),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t quic_fields[] = {
	LIST("ports", REQUIRED, struct arq_config_quic, ports, &value_entry, 1, VALUES_MAX),
	WORD("fixed_bit", struct arq_config_quic, fixed_bit, pass_or_drop),
	WORD("short_dcid", struct arq_config_quic, short_dcid, pass_or_drop),
	CYAML_FIELD_MAPPING_PTR("initials", OPTIONAL, struct arq_config_quic, initials,
				limit_fields),
	CYAML_FIELD_MAPPING_PTR("all_initials", OPTIONAL, struct arq_config_quic, all_initials,
				rate_fields),
	CYAML_FIELD_MAPPING_PTR("unknown_versions", OPTIONAL, struct arq_config_quic,
				unknown_versions, rate_fields),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t knock_fields[] = {
	STRING("name", REQUIRED, struct arq_config_knock, name, 1, NAME_MAX_LENGTH),
	LIST("sequence", REQUIRED, struct arq_config_knock, sequence, &value_entry, 1,
	     ARQ_KNOCK_STEPS_MAX),
	STRING("window", REQUIRED, struct arq_config_knock, window, 1, DURATION_MAX),
	LIST("opens", REQUIRED, struct arq_config_knock, opens, &value_entry, 1,
	     ARQ_KNOCK_OPENS_MAX),
	STRING("for", REQUIRED, struct arq_config_knock, duration, 1, DURATION_MAX),
	CYAML_FIELD_END,
};

static const cyaml_schema_value_t knock_entry = {
	CYAML_VALUE_MAPPING(REQUIRED, struct arq_config_knock, knock_fields),
};

static const cyaml_schema_field_t firewall_fields[] = {
	WORD("default", struct arq_config_firewall, default_action, default_actions),
	WORD("malformed", struct arq_config_firewall, malformed, pass_or_drop),
	WORD("ipv4_options", struct arq_config_firewall, ipv4_options, pass_or_drop),
	WORD("evil_bit", struct arq_config_firewall, evil_bit, pass_or_drop),
	WORD("fragments", struct arq_config_firewall, fragments, fragment_policies),
	CYAML_FIELD_MAPPING_PTR("packet_too_big", OPTIONAL, struct arq_config_firewall,
				packet_too_big, too_big_fields),
	CYAML_FIELD_MAPPING_PTR("quic", OPTIONAL, struct arq_config_firewall, quic, quic_fields),
	LIST("knocks", OPTIONAL, struct arq_config_firewall, knocks, &knock_entry, 0,
	     ARQ_KNOCKS_MAX),
	LIST("sets", OPTIONAL, struct arq_config_firewall, sets, &set_entry, 0, SETS_MAX),
	LIST("rules", OPTIONAL, struct arq_config_firewall, rules, &rule_entry, 0, RULES_MAX),
	CYAML_FIELD_END,
};

/* --- sampler ---------------------------------------------------------------------------------- */

static const cyaml_schema_value_t collector_entry = {
	CYAML_VALUE_STRING(POINTER, char *, 1, ADDRESS_MAX_LENGTH),
};

static const cyaml_schema_field_t sflow_fields[] = {
	LIST("collectors", OPTIONAL, struct arq_config_sflow, collectors, &collector_entry, 0,
	     COLLECTORS_MAX),
	STRING("agent", OPTIONAL, struct arq_config_sflow, agent_text, 1, ADDRESS_MAX_LENGTH),
	STRING("counters", OPTIONAL, struct arq_config_sflow, counters_text, 1, DURATION_MAX),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t sampler_fields[] = {
	CYAML_FIELD_UINT("one_in", OPTIONAL, struct arq_config_sampler, one_in),
	CYAML_FIELD_UINT("drops_one_in", OPTIONAL, struct arq_config_sampler, drops_one_in),
	CYAML_FIELD_UINT("snaplen", OPTIONAL, struct arq_config_sampler, snaplen),
	CYAML_FIELD_MAPPING("sflow", OPTIONAL, struct arq_config_sampler, sflow, sflow_fields),
	CYAML_FIELD_END,
};

/* --- the file --------------------------------------------------------------------------------- */

static const cyaml_schema_field_t config_fields[] = {
	LIST("interfaces", OPTIONAL, struct arq_config, interfaces, &interface_entry, 0,
	     INTERFACES_MAX),
	CYAML_FIELD_MAPPING("firewall", OPTIONAL, struct arq_config, firewall, firewall_fields),
	CYAML_FIELD_MAPPING("sampler", OPTIONAL, struct arq_config, sampler, sampler_fields),
	CYAML_FIELD_MAPPING("gateway", OPTIONAL, struct arq_config, gateway,
			    arq_config_gateway_fields),
	CYAML_FIELD_END,
};

const cyaml_schema_value_t arq_config_schema = {
	CYAML_VALUE_MAPPING(POINTER, struct arq_config, config_fields),
};
