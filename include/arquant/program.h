/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The programs of the suite, their order in a chain, and where they are pinned.
 *
 * Pins, below the BPF file system (mode 0700 directories):
 *
 *   arquant/packet                        the metadata map, one for the machine
 *   arquant/too_big                       the rate of packet-too-big answers, one for the machine
 *   arquant/NETNS-IFINDEX/                one directory for each interface: inode number of its
 *                                         network namespace (ifindex is unique only inside one)
 *                                         and interface index, both decimal
 *   arquant/NETNS-IFINDEX/chain           which programs are the current ones (dispatcher/record.h)
 *   arquant/NETNS-IFINDEX/readers         rings of those who read samples (arquant/sample.h)
 *   arquant/NETNS-IFINDEX/PROGRAM/NAME    the maps of a program: "counters", "data" and its tables;
 *                                         the bundle also has "counters_PART" for each part;
 *                                         NAME_new while a successor is being loaded
 *
 * bpffs refuses names with a dot, and interface names may contain one: hence numbers.
 */
#ifndef ARQUANT_PROGRAM_H
#define ARQUANT_PROGRAM_H

/*	 number, constant, name, function (what slots show), run priority (libxdp: low runs first)
 */
#define ARQ_PROGRAMS(X)                                \
	X(0, FIREWALL, "firewall", "arq_firewall", 10) \
	X(1, SAMPLER, "sampler", "arq_sampler", 20)    \
	X(2, REDIRECT, "redirect", "arq_redirect", 30) \
	X(3, BUNDLE, "bundle", "arq_bundle", 10)       \
	X(4, PASS, "pass", "arq_pass", 90)

enum arq_program_id {
#define ARQ_PROGRAM_ENUM(number, constant, name, function, priority) \
	ARQ_PROGRAM_##constant = (number),
	ARQ_PROGRAMS(ARQ_PROGRAM_ENUM)
#undef ARQ_PROGRAM_ENUM
		ARQ_PROGRAM_COUNT,
};

#define ARQ_PIN_ROOT   "arquant"
#define ARQ_PIN_PACKET "packet"
#define ARQ_PIN_CHAIN  "chain"

/* What is to replace a pin is pinned under its name and this at open, and renamed at commit. */
#define ARQ_PIN_PENDING "_new"

#endif
