/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The control half that all programs share: a program is opened here, filled with its policy, and
 * handed as a libbpf object to whoever attaches it. Its pinned maps are found again here, for the
 * commands and the daemon.
 *
 * Life of a program on an interface:
 *
 *   arq_program_open()     object opened but not loaded; every map that has a pin or a content is
 *                          created and filled, so that the policy is in force from the first packet
 *   (attach)               libxdp or bpf_object__load() loads the object and attaches it
 *   arq_program_commit()   the pins stay and replace those of the program's predecessor, whose
 *                          place the new ones take that were pinned beside them (NAME_new) at open
 *   arq_program_close()    frees the object; without a commit before, whatever the open created
 *                          (maps, pins, directories) is gone and a predecessor's pins are untouched
 *   arq_program_unpin()    at unload
 *
 * When the program is already pinned there (it is being replaced), counters, those of the rules
 * among them, services and sockets (xsks) are kept: the new program takes over the pinned maps if
 * their sizes fit, so nothing is lost while both run. The firewall's tables and the live variables
 * are made anew and take the place of the old pins at commit.
 *
 * `pin_directory` is the interface's directory, "<bpffs>/arquant/NETNS-IFINDEX", and `packet_pin`
 * the metadata map, "<bpffs>/arquant/packet" (see arquant/program.h for the layout). Directories
 * that are missing are made, mode 0700; the caller sees to it that they are on a BPF file system.
 *
 * Everything here needs CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN (or root), except the name tables.
 * No function may be called by two threads on the same object. Two processes that open or unpin
 * programs of the same interface at once must be kept apart by the caller (a lock).
 */
#ifndef ARQUANT_PROGS_PROGRAM_H
#define ARQUANT_PROGS_PROGRAM_H

#include "userspace/common/error.h"

#include <arquant/counters.h>
#include <arquant/program.h>
#include <arquant/reason.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arq_guards; /* arquant/guards.h */
struct arq_program;
struct arq_ruleset; /* progs/firewall/rule.h */
struct bpf_object;

/* Bit of a program in a set of them. */
#define ARQ_PROGRAM_BIT(id) (1u << (id))

/* --- names ------------------------------------------------------------------------------------ */

/* Name of a reason ("rule") or what it means in words; "unknown" for a number not in the list. */
const char *arq_reason_name(uint32_t reason);
const char *arq_reason_meaning(uint32_t reason);

/* Name of an action of struct arq_counters.actions[]: "aborted", "drop", "pass", "tx", "redirect",
 * "invalid". */
const char *arq_action_name(uint32_t action);

/* Name of an action of a firewall rule (arquant/firewall.h): "drop". */
const char *arq_rule_action_name(uint32_t action);

/* "firewall"; "unknown" for a number not in the list. */
const char *arq_program_name(uint32_t id);

/* The program of that name, or -1. */
int arq_program_by_name(const char *name);

/* "arq_firewall": the BPF function, which is the name that slots show. */
const char *arq_program_function(enum arq_program_id id);

/* libxdp run priority unless the configuration says another; low runs first. */
int arq_program_priority(enum arq_program_id id);

/*
 * Does it parse packets, and read or write their metadata? Firewall, redirect and bundle do, the
 * sampler and the one that only passes do not.
 */
bool arq_program_parses(enum arq_program_id id);

/* --- a program to attach ---------------------------------------------------------------------- */

/* Zero is a good value for everything but `first` and `chain`. */
struct arq_program_options {
	/*
	 * First in its chain of those of our programs that parse: it must not trust metadata that
	 * it finds.
	 */
	bool first;
	/*
	 * Our programs on this interface, ARQ_PROGRAM_BIT of each. The firewall samples its drops
	 * when the sampler is among them. For the bundle: the parts that it runs (any of firewall,
	 * sampler, redirect; 0 for all).
	 */
	uint32_t chain;
	bool pass_malformed; /* firewall: count malformed packets with their reason, but pass them
			      */
	const struct arq_ruleset *ruleset; /* firewall: borrowed during the call; NULL: none */
	const char *interface; /* firewall: leave out rules for others; NULL: take all */
	const struct arq_guards *guards; /* firewall: borrowed during the call; NULL: none */
	uint32_t sample_one_in; /* take 1 packet in so many, 0: none; live: arq_sampler_set() */
	uint32_t drop_one_in; /* the same for packets that are dropped; 0: as sample_one_in */
	uint32_t snaplen; /* bytes of a packet in a sample, 0: 128; at most ARQ_SNAPLEN_MAX */
};

/*
 * Opens program `id`. NULL for `pin_directory`: nothing is pinned and every map is the program's
 * own (tests); `packet_pin` may be given nevertheless, or be NULL too.
 * Returns 0 and *program, or a negative errno with the reason in `error`: -E2BIG when the machine
 * has more than ARQ_MAX_CPUS possible CPUs or a table is too large, -EINVAL for options out of
 * range, -EEXIST when a pin is there that is none of ours.
 */
int arq_program_open(enum arq_program_id id, const struct arq_program_options *options,
		     const char *pin_directory, const char *packet_pin,
		     struct arq_program **program, struct arq_error *error);

/* The opened object, owned by the program. It has exactly one BPF program in section "xdp.frags".
 */
struct bpf_object *arq_program_object(const struct arq_program *program);

enum arq_program_id arq_program_kind(const struct arq_program *program);

/*
 * The program is attached: makes its pins permanent and replaces a predecessor's. Returns 0, or a
 * negative errno with the reason in `error`; then detach, and close. That is arq_program_keep() and
 * arq_program_settle() in one, for who need not survive its own death between the two.
 */
int arq_program_commit(struct arq_program *program, struct arq_error *error);

/* The program is attached to stay: closing it takes back nothing any more. */
void arq_program_keep(struct arq_program *program);

/*
 * Ends a change of the pins of program `id` that somebody began: those named NAME_new take the
 * place of NAME (`forward`), or go. Nothing to do is no error. Returns 0, or a negative errno with
 * the reason in `error`; to be called again then.
 */
int arq_program_settle(enum arq_program_id id, const char *pin_directory, bool forward,
		       struct arq_error *error);

/* Frees the program; NULL is fine. An attached program goes on running. */
void arq_program_close(struct arq_program *program);

/*
 * Removes the pins of program `id` on an interface; with the last program goes `pin_directory` and
 * the readers of samples, with the last interface `packet_pin` and its directory. What is not there
 * is no error; what is there but not ours stays. `packet_pin` may be NULL.
 * Returns 0, or a negative errno with the reason in `error`.
 */
int arq_program_unpin(enum arq_program_id id, const char *pin_directory, const char *packet_pin,
		      struct arq_error *error);

/* Removes what is pinned for the machine and its directory, unless an interface has pins there. */
int arq_program_unpin_machine(const char *packet_pin, struct arq_error *error);

/* --- programs that are loaded ----------------------------------------------------------------- */

/*
 * Has program `id` its pins in that directory, of a load that came to its end? (Whether it is
 * attached is the dispatcher's knowledge.)
 */
bool arq_program_pinned(enum arq_program_id id, const char *pin_directory);

/* Sets options.first of a loaded program. Returns 0, or a negative errno with `error` set. */
int arq_program_set_first(enum arq_program_id id, const char *pin_directory, bool first,
			  struct arq_error *error);

/*
 * Opens the pinned map "<pin_directory>/<name of program>/<name>". Returns a file descriptor that
 * the caller closes, or a negative errno with the reason in `error` (-ENOENT: not loaded).
 */
int arq_program_map_open(enum arq_program_id id, const char *pin_directory, const char *name,
			 struct arq_error *error);

struct arq_counters_view;

/*
 * Maps the counters of `program` for reading. For a part of the bundle name the bundle as `program`
 * and the part (ARQ_PROGRAM_FIREWALL, _SAMPLER, _REDIRECT) as `part`; else both are the same.
 * Returns 0 and *view, or a negative errno with the reason in `error` (-ENOENT: not loaded).
 */
int arq_counters_open(const char *pin_directory, enum arq_program_id program,
		      enum arq_program_id part, struct arq_counters_view **view,
		      struct arq_error *error);

/*
 * The same for a map that is already open, with the counters of that part; the descriptor may be
 * closed afterwards.
 */
int arq_counters_open_map(int map, enum arq_program_id part, struct arq_counters_view **view,
			  struct arq_error *error);

/* Sums up over all CPUs, without a system call. */
void arq_counters_read(const struct arq_counters_view *view, struct arq_counters *sum);

/* Of one CPU, below ARQ_MAX_CPUS; zero for one that the machine cannot have. */
void arq_counters_read_cpu(const struct arq_counters_view *view, uint32_t cpu,
			   struct arq_counters *counters);

void arq_counters_close(struct arq_counters_view *view);

#endif
