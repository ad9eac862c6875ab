/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a rule matches, as a box: a set of values in each dimension of a packet. Values that a
 * packet does not have (ports of a fragment) are a value of their own, so that conditions and their
 * negations are plain sets. Boxes say too much rather than too little where dimensions hang
 * together: they hold combinations that no packet has.
 *
 * Inside the analysis; progs/firewall/analysis.h is its face.
 */
#ifndef ARQUANT_PROGS_FIREWALL_BOX_H
#define ARQUANT_PROGS_FIREWALL_BOX_H

#include "progs/firewall/space.h"
#include "userspace/common/rule.h"

/* In the order in which comparing them is cheap. */
enum arq_dimension {
	ARQ_DIMENSION_INTERFACE,
	ARQ_DIMENSION_PROTOCOL,
	ARQ_DIMENSION_TO_PORT,
	ARQ_DIMENSION_FROM_PORT,
	ARQ_DIMENSION_ICMP,
	ARQ_DIMENSION_ICMP6,
	ARQ_DIMENSION_TCP_FLAGS,
	ARQ_DIMENSION_LENGTH,
	ARQ_DIMENSION_TTL,
	ARQ_DIMENSION_DSCP,
	ARQ_DIMENSION_FRAGMENT,
	ARQ_DIMENSION_VLAN,
	ARQ_DIMENSION_QUIC,
	ARQ_DIMENSION_QUIC_VERSION,
	ARQ_DIMENSION_FROM,
	ARQ_DIMENSION_TO,
	ARQ_DIMENSIONS,
};

struct arq_box {
	const struct arq_space *spaces[ARQ_DIMENSIONS];
	uint32_t bounded; /* bits of the dimensions whose set is not everything */
};

/* What boxes are made with; zero at first, then arq_box_maker_init(). */
struct arq_box_maker {
	const struct arq_ruleset *ruleset;
	struct arq_arena arena; /* what lives as long as this */
	const struct arq_space *everything[ARQ_DIMENSIONS];
	const struct arq_space *parts[16]; /* that boxes are tightened by */
	struct arq_address_key *keys; /* where IPv6 prefixes begin or have ended, in order */
	size_t key_count;
	const struct arq_space **sets; /* of each set, once made */
	const char **interfaces; /* names that rules have */
	uint32_t interface_count;
};

/* Returns 0 or -ENOMEM; in either case arq_box_maker_clear() it. */
int arq_box_maker_init(struct arq_box_maker *maker, const struct arq_ruleset *ruleset);
void arq_box_maker_clear(struct arq_box_maker *maker);

/* Returns 0 or -ENOMEM. What the box refers to lives as long as the maker. */
int arq_box_make(struct arq_box_maker *maker, const struct arq_rule *rule, struct arq_box *box);

/*
 * Takes out values that no packet of the box has, since it has none of another dimension (the UDP
 * ports of a box of TCP). Returns 0 or -ENOMEM.
 */
int arq_box_tighten(const struct arq_box_maker *maker, struct arq_arena *arena,
		    struct arq_box *box);

bool arq_box_is_empty(const struct arq_box *box);
/* Are all its packets TCP? */
bool arq_box_is_tcp(const struct arq_box_maker *maker, const struct arq_box *box);
bool arq_box_overlaps(const struct arq_box *a, const struct arq_box *b);
bool arq_box_within(const struct arq_box *a, const struct arq_box *b);

#endif
