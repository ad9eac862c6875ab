/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Control of sampling on a loaded interface: rates and snap length, live, and the names of the
 * firewall's rules. `pin_directory` as in progs/program.h. Needs CAP_BPF or root.
 */
#ifndef ARQUANT_PROGS_SAMPLER_CONTROL_H
#define ARQUANT_PROGS_SAMPLER_CONTROL_H

#include "userspace/common/error.h"

#include <arquant/firewall.h>
#include <stdint.h>

struct arq_sampler_rates {
	uint32_t one_in; /* 1 packet in so many that pass becomes a sample; 0: none */
	uint32_t drop_one_in; /* the same for packets that the firewall drops */
	uint32_t snaplen; /* bytes of a packet in a sample, 1 to ARQ_SNAPLEN_MAX */
};

/*
 * From the next packet on, all programs of the interface that sample do it at these rates.
 * Returns 0, or a negative errno with the reason in `error`.
 */
int arq_sampler_set(const char *pin_directory, const struct arq_sampler_rates *rates,
		    struct arq_error *error);

/* The rates in force. Returns 0, or a negative errno with the reason in `error`. */
int arq_sampler_get(const char *pin_directory, struct arq_sampler_rates *rates,
		    struct arq_error *error);

/*
 * Opens the interface's array of readers' rings (arquant/sample.h), pinned as
 * "<pin_directory>/readers". Returns a file descriptor that the caller closes, or a negative errno
 * with the reason in `error`.
 */
int arq_readers_open(const char *pin_directory, struct arq_error *error);

/* Names of the rules of an interface's firewall, by their slots; live, as the firewall's own. */
struct arq_rule_names {
	uint32_t map_id; /* that they are in, 0 for none */
	uint32_t count;
	const struct arq_rule_slot *slots;
};

/*
 * Finds them, if there are others than those in `names` (zero at first). No firewall: no names, no
 * error.
 */
void arq_rule_names_read(const char *pin_directory, struct arq_rule_names *names);
void arq_rule_names_free(struct arq_rule_names *names);

/* The rule's name, "" for one that has none. */
const char *arq_rule_name(const struct arq_rule_names *names, uint32_t rule);

#endif
