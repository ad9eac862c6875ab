/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The firewall's decision, for the program in its own slot and for the bundle: malformed packets,
 * then by the generation in force the guards, the rules, and the default verdict.
 */
#ifndef ARQUANT_PROGS_FIREWALL_BPF_H
#define ARQUANT_PROGS_FIREWALL_BPF_H

#include "progs/firewall/block.bpf.h"
#include "progs/firewall/classify.bpf.h"
#include "progs/firewall/guards.bpf.h"
#include "progs/firewall/limit.bpf.h"
#include "progs/lib/bounds.bpf.h"
#include "progs/lib/metadata.bpf.h"
#include "progs/lib/sample.bpf.h"
#include "progs/lib/verdict.bpf.h"

#include <arquant/firewall.h>
#include <arquant/generation.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <linux/bpf.h>
#include <linux/icmpv6.h>
#include <linux/udp.h>
#include <stdbool.h>

const volatile bool arq_pass_malformed = false; /* count them with their reason, but pass them */
const volatile bool arq_sample_drops = false; /* is there a sampler on this interface? */

volatile struct arq_generation_live arq_generation_live SEC(".data.live") = {};

struct arq_sampling arq_firewall_sampling[ARQ_MAX_CPUS];

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, ARQ_SHADOW_PAIRS_MAX);
	__type(key, struct arq_shadow_key);
	__type(value, __u64);
} shadow_counters SEC(".maps");

/* ICMPv6 messages without which there is no IPv6 (RFC 4890, 4.4.1): numbers of MLD (RFC 2710, RFC
 * 3810) and of neighbour discovery (RFC 4861). */
#define ARQ_MLD_QUERY     130
#define ARQ_MLD_DONE      132
#define ARQ_ND_FIRST      133
#define ARQ_ND_LAST       137
#define ARQ_MLD_REPORT_V2 143

/* Ports of DHCP (RFC 2131) and DHCPv6 (RFC 8415): a server's answer to a client. */
#define ARQ_DHCP_SERVER   67
#define ARQ_DHCP_CLIENT   68
#define ARQ_DHCPV6_SERVER 547
#define ARQ_DHCPV6_CLIENT 546

/* The number of the generation in force. Read once for a packet: all it meets is of one. */
static __always_inline __u32 arq_generation_number(void)
{
	__u64 word = arq_generation_live.decides;

	if (arq_likely(!arq_generation_on_trial(word)))
		return word;
	return arq_generation_at(word, bpf_ktime_get_ns());
}

/*
 * Is it a packet that the network needs to work at all? What is not IP (ARP before all), neighbour
 * discovery and multicast membership, and what a DHCP server answers: without these a host loses
 * its addresses and its neighbours, and its operator the host.
 */
static __always_inline bool arq_is_control(struct xdp_md *ctx, const struct arq_packet *packet)
{
	void *data = (void *)(long)ctx->data;
	void *end = (void *)(long)ctx->data_end;
	__be16 *l4;

	if (!(packet->flags & (ARQ_PACKET_IPV4 | ARQ_PACKET_IPV6)))
		return true;
	if (packet->protocol == IPPROTO_IGMP && packet->flags & ARQ_PACKET_IPV4)
		return true;
	if (packet->l4_offset == ARQ_OFFSET_NONE ||
	    !arq_at((void **)&l4, data, end, packet->l4_offset, 4))
		return false;
	if (packet->protocol == IPPROTO_UDP) {
		if (packet->flags & ARQ_PACKET_IPV4)
			return l4[0] == bpf_htons(ARQ_DHCP_SERVER) &&
			       l4[1] == bpf_htons(ARQ_DHCP_CLIENT);
		return l4[0] == bpf_htons(ARQ_DHCPV6_SERVER) &&
		       l4[1] == bpf_htons(ARQ_DHCPV6_CLIENT);
	}
	if (packet->protocol != IPPROTO_ICMPV6 || !(packet->flags & ARQ_PACKET_IPV6))
		return false;
	__u8 type = *(__u8 *)l4;
	return (type >= ARQ_MLD_QUERY && type <= ARQ_MLD_DONE) ||
	       (type >= ARQ_ND_FIRST && type <= ARQ_ND_LAST) || type == ARQ_MLD_REPORT_V2;
}

/* What follows from the rule (arq_classify()), or from the default when there is none. */
static __always_inline struct arq_consequence
arq_firewall_consequence(struct xdp_md *ctx, const struct arq_packet *packet,
			 const struct arq_generation *generation, __u32 rule)
{
	if (rule < ARQ_RULES_MAX)
		return generation->consequences[arq_index(rule) & (ARQ_RULES_MAX - 1)];
	struct arq_consequence consequence = {.slot = ARQ_RULE_SLOT_DEFAULT,
					      .action = ARQ_RULE_PASS};
	if (generation->settings.default_action == ARQ_RULE_DROP &&
	    (generation->settings.default_control || !arq_is_control(ctx, packet)))
		consequence.action = ARQ_RULE_DROP;
	return consequence;
}

/*
 * Classifies by the other generation, too, and counts the packet if it would decide by another rule
 * or otherwise. A function of its own: it runs only while somebody looks.
 */
__attribute__((noinline)) int arq_firewall_shadow(struct xdp_md *ctx, __u32 live, __u32 slot,
						  __u32 action)
{
	const struct arq_packet *packet = &arq_packet[arq_cpu()];
	const struct arq_generation *generation = arq_generation_find(live ^ 1);
	struct arq_shadow_key key = {.live = slot, .live_action = action};
	__u64 one = 1;

	if (!generation || bpf_ktime_get_ns() >= arq_generation_live.shadow_until)
		return 0;
	__u32 rule = arq_classify(ctx, live ^ 1, false);
	struct arq_consequence other = arq_firewall_consequence(ctx, packet, generation, rule);
	if (other.slot == slot && other.action == action)
		return 0;
	key.shadow = other.slot;
	key.shadow_action = other.action;
	__u64 *count = bpf_map_lookup_elem(&shadow_counters, &key);
	if (count)
		__sync_fetch_and_add(count, 1);
	else if (bpf_map_update_elem(&shadow_counters, &key, &one, BPF_NOEXIST)) {
		/* Another CPU was faster, or the map is full. */
		count = bpf_map_lookup_elem(&shadow_counters, &key);
		if (count)
			__sync_fetch_and_add(count, 1);
	}
	return 0;
}

/*
 * Is the packet within the limit of the rule with this slot? Takes it then. A global function, as
 * are those that classify.
 */
__attribute__((noinline)) int arq_firewall_within(struct xdp_md *ctx, const struct arq_limit *limit,
						  __u32 slot)
{
	if (!limit)
		return 0;
	return arq_limit_take(ctx, &arq_packet[arq_cpu()], slot, limit, bpf_ktime_get_ns());
}

/* What arq_firewall_count_on() says beside a rule's number: the packet is beyond its limit. */
#define ARQ_BEYOND (1u << 31)

/*
 * Takes the packet from the limit of rule `rule`, if it has one. Returns that rule's number when it
 * decides, with ARQ_BEYOND when the packet is beyond its limit; the next rule behind one that only
 * counts.
 */
__attribute__((noinline)) __u32 arq_firewall_count_on(struct xdp_md *ctx, __u32 number, __u32 rule)
{
	const struct arq_generation *generation = arq_generation_find(number);
	__u32 length = arq_packet[arq_cpu()].length;
	__u64 index = arq_index(rule);

	if (!generation || index >= ARQ_RULES_MAX)
		return rule;
	const struct arq_consequence *consequence = &generation->consequences[index];
	if (!consequence->limited)
		return rule;
	if (!arq_firewall_within(ctx, &generation->limits[index], consequence->slot))
		return rule | ARQ_BEYOND;
	if (consequence->action != ARQ_RULE_COUNT)
		return rule;
	arq_rules_count((struct arq_generation *)generation, rule / 64, 1ULL << (rule & 63),
			length);
	return arq_classify_after(number, rule, length);
}

/* The same until a rule decides. */
__attribute__((noinline)) __u32 arq_firewall_count_all(struct xdp_md *ctx, __u32 number, __u32 rule)
{
#pragma clang loop unroll(disable)
	for (int i = 0; i <= ARQ_LIMITED_COUNTS_MAX; i++) {
		__u32 next = arq_firewall_count_on(ctx, number, rule);
		if (next == rule || next & ARQ_BEYOND)
			return next;
		rule = next;
	}
	return rule;
}

/*
 * What the guards decide: action in the upper half, reason in the lower; 0: nothing. Called when
 * there are any.
 */
__attribute__((noinline)) __u32 arq_firewall_guards(struct xdp_md *ctx, __u32 number)
{
	__u64 index = arq_index(number) & (ARQ_GUARD_GENERATIONS - 1);
	struct arq_verdict verdict = {.action = XDP_PASS};

	if (!arq_guards_decide(ctx, &arq_packet[arq_cpu()], &arq_guards[index], &verdict))
		return 0;
	return verdict.action << 16 | (verdict.reason & 0xffff);
}

/* Blocks the packet's source, as the rule says. */
__attribute__((noinline)) int arq_firewall_block(struct xdp_md *ctx, __u32 number, __u32 rule)
{
	const struct arq_generation *generation = arq_generation_find(number);
	const struct arq_packet *packet = &arq_packet[arq_cpu()];
	__u64 index = arq_index(rule);

	if (!generation || index >= ARQ_RULES_MAX)
		return 0;
	__u32 family = packet->flags & ARQ_PACKET_IPV6 ? 1 : 0;
	const struct arq_consequence *consequence = &generation->consequences[index];
	arq_block_source(ctx, packet, consequence->slot, consequence->block_length[family],
			 generation->block_ns[index]);
	return 0;
}

static __always_inline void arq_firewall_rules(struct xdp_md *ctx, __u32 cpu,
					       const struct arq_packet *packet, __u32 number,
					       struct arq_verdict *verdict)
{
	const struct arq_generation *generation = arq_generation_find(number);
	bool beyond = false;

	if (!generation)
		return;
	__u32 rule = arq_classify(ctx, number, true);
	struct arq_consequence consequence =
		arq_firewall_consequence(ctx, packet, generation, rule);
	if (arq_unlikely(consequence.limited) && consequence.action != ARQ_RULE_COUNT) {
		__u64 index = arq_index(rule) & (ARQ_RULES_MAX - 1);
		beyond = !arq_firewall_within(ctx, &generation->limits[index], consequence.slot);
	} else if (arq_unlikely(consequence.limited)) {
		rule = arq_firewall_count_all(ctx, number, rule);
		beyond = rule & ARQ_BEYOND;
		rule &= ~ARQ_BEYOND;
		consequence = arq_firewall_consequence(ctx, packet, generation, rule);
	}
	struct arq_rule_counters *counters = bpf_map_lookup_elem(&rule_counters, &cpu);
	if (counters)
		arq_rule_count(counters, consequence.slot, packet->length);
	if (arq_unlikely(arq_generation_live.shadow_until))
		arq_firewall_shadow(ctx, number, consequence.slot, consequence.action);
	if (consequence.action == ARQ_RULE_BLOCK && !beyond)
		arq_firewall_block(ctx, number, rule);
	if (consequence.action == ARQ_RULE_DROP || consequence.action == ARQ_RULE_BLOCK || beyond) {
		verdict->action = XDP_DROP;
		verdict->reason = beyond                 ? ARQ_REASON_LIMIT
				  : rule < ARQ_RULES_MAX ? ARQ_REASON_RULE
							 : ARQ_REASON_DEFAULT;
		verdict->rule = consequence.slot;
	}
}

static __always_inline void arq_firewall_decide(struct xdp_md *ctx, __u32 cpu,
						const struct arq_packet *packet,
						struct arq_verdict *verdict)
{
	verdict->action = XDP_PASS;
	verdict->reason = ARQ_REASON_NONE;
	verdict->rule = 0;
	if (arq_unlikely(packet->flags & ARQ_PACKET_MALFORMED)) {
		verdict->reason = packet->reason;
		if (!arq_pass_malformed) {
			verdict->action = XDP_DROP;
			return;
		}
	}
	if (arq_block_decide(ctx, packet, verdict))
		return;
	__u32 number = arq_generation_number();
	__u64 index = arq_index(number) & (ARQ_GUARD_GENERATIONS - 1);
	__u32 decided = arq_guards[index].flags ? arq_firewall_guards(ctx, number) : 0;
	if (decided) {
		verdict->action = decided >> 16;
		verdict->reason = decided & 0xffff;
		return;
	}
	arq_firewall_rules(ctx, cpu, packet, number, verdict);
}

/* Samples a dropped packet; global as what classifies, or verifiers before 6.8 give up. */
__attribute__((noinline)) int arq_firewall_sample(struct xdp_md *ctx, struct arq_counters *counters,
						  __u32 reason, __u32 rule)
{
	const struct arq_verdict verdict = {.action = XDP_DROP, .reason = reason, .rule = rule};

	if (counters)
		arq_sample_take(ctx, counters, ARQ_PROGRAM_FIREWALL, &verdict,
				counters->actions[XDP_DROP]);
	return 0;
}

/* Decides, counts, samples what it drops. Returns the action. */
static __always_inline int arq_firewall_run(struct xdp_md *ctx, __u32 cpu,
					    const struct arq_packet *packet,
					    struct arq_counters *counters)
{
	struct arq_verdict verdict;

	arq_firewall_decide(ctx, cpu, packet, &verdict);
	arq_count(counters, &verdict);
	/* The bundle asks the same next: what passes pays nothing for the sampling of drops. */
	if (verdict.action == XDP_PASS)
		return XDP_PASS;
	if (arq_sample_drops && verdict.action == XDP_DROP &&
	    arq_sample_drop_due(counters, &arq_firewall_sampling[cpu]))
		arq_firewall_sample(ctx, counters, verdict.reason, verdict.rule);
	return verdict.action;
}

#endif
