/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Questions to name servers, on c-ares: asynchronous, with the TTL of the answer, which the C
 * library's resolver does not tell. /etc/hosts is asked first. Names are complete; no domain is
 * searched. One thread; nothing blocks but reading these small files.
 */
#ifndef ARQUANT_ARQUANTD_DNS_H
#define ARQUANT_ARQUANTD_DNS_H

#include "userspace/common/address.h"
#include "userspace/common/config.h"
#include "userspace/common/error.h"

#include <stdint.h>

struct arq_dns;

enum arq_dns_result {
	ARQ_DNS_FOUND,
	ARQ_DNS_NONE, /* the name is not there, or has no address of the family */
	ARQ_DNS_FAILED, /* nobody could say */
	ARQ_DNS_CANCELLED, /* the question was taken back by arq_dns_destroy */
};

struct arq_dns_answer {
	enum arq_dns_result result;
	const char *reason; /* for people, unless FOUND; of static storage */
	/*
	 * Each once, in ascending order, port 0, and without those that nobody can be reached at;
	 * the first ones when there are more.
	 */
	union arq_address addresses[ARQ_CONFIG_NAME_ADDRESSES_MAX];
	size_t count;
	size_t left_out; /* of more, at least so many */
	uint64_t ttl_ns; /* for which they hold; 0: nobody says, as of /etc/hosts */
};

/*
 * Reads /etc/resolv.conf where the configuration names no servers. Returns 0 and *dns, or a
 * negative errno with the reason in `error`.
 */
int arq_dns_create(const struct arq_config_resolver *config, struct arq_dns **dns,
		   struct arq_error *error);

/* Questions that are out are answered by CANCELLED. NULL is allowed. */
void arq_dns_destroy(struct arq_dns *dns);

/*
 * Asks for the addresses of a name of one family (AF_INET, AF_INET6). `answer` is called once,
 * perhaps before this returns, and fills what is borrowed by it.
 */
void arq_dns_ask(struct arq_dns *dns, const char *name, sa_family_t family,
		 void (*answer)(void *user, const struct arq_dns_answer *answer), void *user);

/* Readable when there is something to do. */
int arq_dns_fd(const struct arq_dns *dns);

/* Nanoseconds until there is something to do all the same; UINT64_MAX: never. */
uint64_t arq_dns_timeout(const struct arq_dns *dns);

/* Does what there is to do. */
void arq_dns_serve(struct arq_dns *dns);

/* Puts an address where it belongs in an answer; drops the last when there is no room. */
void arq_dns_insert(struct arq_dns_answer *answer, const union arq_address *address);

#endif
