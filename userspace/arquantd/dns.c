// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/arquantd/dns.h"

#include <ares.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

/* Answers over UDP up to what no path has to fragment (DNS flag day 2020); beyond, TCP. */
#define EDNS_SIZE 1232

#define EVENTS_MAX 16

struct arq_dns {
	ares_channel channel;
	int epoll; /* of the channel's sockets */
};

struct question {
	void (*answer)(void *user, const struct arq_dns_answer *answer);
	void *user;
};

/* --- answers ---------------------------------------------------------------------------------- */

static int compare(const union arq_address *a, const union arq_address *b)
{
	if (a->sa.sa_family != b->sa.sa_family)
		return a->sa.sa_family == AF_INET ? -1 : 1;
	if (a->sa.sa_family == AF_INET)
		return memcmp(&a->in.sin_addr, &b->in.sin_addr, sizeof(a->in.sin_addr));
	return memcmp(&a->in6.sin6_addr, &b->in6.sin6_addr, sizeof(a->in6.sin6_addr));
}

void arq_dns_insert(struct arq_dns_answer *answer, const union arq_address *address)
{
	size_t i = 0;
	while (i < answer->count && compare(&answer->addresses[i], address) < 0)
		i++;
	if (i < answer->count && compare(&answer->addresses[i], address) == 0)
		return;
	if (answer->count == ARQ_CONFIG_NAME_ADDRESSES_MAX)
		answer->left_out++;
	else
		answer->count++;
	if (i == ARQ_CONFIG_NAME_ADDRESSES_MAX)
		return;
	memmove(&answer->addresses[i + 1], &answer->addresses[i],
		(answer->count - 1 - i) * sizeof(answer->addresses[0]));
	answer->addresses[i] = *address;
}

/* Some block lists answer so for what they keep from us; and a target is one host. */
static bool is_nobody(const union arq_address *address)
{
	if (address->sa.sa_family == AF_INET6)
		return arq_address_is_any(address) ||
		       IN6_IS_ADDR_MULTICAST(&address->in6.sin6_addr);
	/* 0/8, and 224/4 with all above it: RFC 6890, section 2.2.2. */
	uint32_t first = ntohl(address->in.sin_addr.s_addr) >> 24;
	return first == 0 || first >= 224;
}

static bool take_address(const struct ares_addrinfo_node *node, union arq_address *address)
{
	memset(address, 0, sizeof(*address));
	address->sa.sa_family = (sa_family_t)node->ai_family;
	if (arq_address_length(address) == 0 || node->ai_addrlen < arq_address_length(address))
		return false;
	memcpy(address, node->ai_addr, arq_address_length(address));
	if (address->sa.sa_family == AF_INET6)
		address->in6.sin6_scope_id = address->in6.sin6_flowinfo = 0;
	arq_address_set_port(address, 0);
	return !is_nobody(address);
}

static void shorten(uint64_t *ttl_ns, int seconds)
{
	uint64_t ttl = seconds > 0 ? (uint64_t)seconds * 1000000000u : 0;
	if (ttl < *ttl_ns)
		*ttl_ns = ttl;
}

static void take_all(const struct ares_addrinfo *info, struct arq_dns_answer *answer)
{
	const struct ares_addrinfo_node *node;
	const struct ares_addrinfo_cname *alias;
	union arq_address address;

	answer->ttl_ns = UINT64_MAX;
	for (node = info->nodes; node; node = node->ai_next) {
		shorten(&answer->ttl_ns, node->ai_ttl);
		if (take_address(node, &address))
			arq_dns_insert(answer, &address);
	}
	for (alias = info->cnames; alias; alias = alias->next)
		shorten(&answer->ttl_ns, alias->ttl);
	answer->result = answer->count > 0 ? ARQ_DNS_FOUND : ARQ_DNS_NONE;
	if (answer->count == 0)
		answer->reason = "it has no address that anybody could be reached at";
}

static void on_answer(void *user, int status, int timeouts, struct ares_addrinfo *info)
{
	struct question *question = user;
	struct arq_dns_answer answer = {.result = ARQ_DNS_FAILED, .reason = ares_strerror(status)};
	(void)timeouts;
	switch (status) {
	case ARES_SUCCESS:
		take_all(info, &answer);
		break;
	case ARES_ENODATA:
	case ARES_ENOTFOUND:
		answer.result = ARQ_DNS_NONE;
		break;
	case ARES_EDESTRUCTION:
	case ARES_ECANCELLED:
		answer.result = ARQ_DNS_CANCELLED;
		break;
	}
	ares_freeaddrinfo(info);
	question->answer(question->user, &answer);
	free(question);
}

void arq_dns_ask(struct arq_dns *dns, const char *name, sa_family_t family,
		 void (*answer)(void *user, const struct arq_dns_answer *answer), void *user)
{
	/* Which address is best is for the pool to find out, so none is connected to for that. */
	const struct ares_addrinfo_hints hints = {
		.ai_flags = ARES_AI_NOSORT,
		.ai_family = family,
		.ai_socktype = SOCK_DGRAM,
	};
	struct question *question = malloc(sizeof(*question));
	if (!question) {
		const struct arq_dns_answer failed = {.result = ARQ_DNS_FAILED,
						      .reason = "out of memory"};
		answer(user, &failed);
		return;
	}
	*question = (struct question){answer, user};
	ares_getaddrinfo(dns->channel, name, NULL, &hints, on_answer, question);
}

/* --- life ------------------------------------------------------------------------------------- */

/* c-ares opens, uses and closes a socket. */
static void on_socket(void *user, ares_socket_t socket, int readable, int writable)
{
	const struct arq_dns *dns = user;
	struct epoll_event event = {
		.events = (readable ? EPOLLIN : 0u) | (writable ? EPOLLOUT : 0u),
		.data.fd = socket,
	};
	if (event.events == 0)
		epoll_ctl(dns->epoll, EPOLL_CTL_DEL, socket, NULL);
	else if (epoll_ctl(dns->epoll, EPOLL_CTL_ADD, socket, &event) < 0 && errno == EEXIST)
		epoll_ctl(dns->epoll, EPOLL_CTL_MOD, socket, &event);
}

static int init_channel(struct arq_dns *dns, const struct arq_config_resolver *config)
{
	char lookups[] = "fb"; /* the file, then name servers */
	struct ares_options options = {
		.flags = ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES | ARES_FLAG_EDNS,
		.timeout = (int)(config->timeout_ns / 1000000),
		.tries = (int)config->attempts,
		.ndomains = 0,
		.lookups = lookups,
		.ednspsz = EDNS_SIZE,
		.sock_state_cb = on_socket,
		.sock_state_cb_data = dns,
	};
	int mask = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_DOMAINS |
		   ARES_OPT_LOOKUPS | ARES_OPT_EDNSPSZ | ARES_OPT_SOCK_STATE_CB;
#ifdef ARES_OPT_QUERY_CACHE
	/* Who asks knows when: c-ares from 1.31 on would answer from memory. */
	options.qcache_max_ttl = 0;
	mask |= ARES_OPT_QUERY_CACHE;
#endif
	return ares_init_options(&dns->channel, &options, mask);
}

static int set_servers(struct arq_dns *dns, const struct arq_config_resolver *config)
{
	char *list = NULL, text[ARQ_ADDRESS_TEXT_MAX];
	size_t size;
	if (config->servers_count == 0)
		return ARES_SUCCESS;
	FILE *out = open_memstream(&list, &size);
	if (!out)
		return ARES_ENOMEM;
	for (uint32_t i = 0; i < config->servers_count; i++)
		fprintf(out, "%s%s", i ? "," : "", arq_address_format(&config->addresses[i], text));
	int code = fclose(out) == 0 ? ares_set_servers_ports_csv(dns->channel, list) : ARES_ENOMEM;
	free(list);
	return code;
}

static int library_code = ARES_ENOTINITIALIZED;

static void library_init(void)
{
	library_code = ares_library_init(ARES_LIB_INIT_ALL);
}

int arq_dns_create(const struct arq_config_resolver *config, struct arq_dns **dns,
		   struct arq_error *error)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct arq_dns *made = calloc(1, sizeof(*made));
	if (!made)
		return arq_error_set(error, -ENOMEM, "out of memory");
	made->epoll = epoll_create1(EPOLL_CLOEXEC);
	pthread_once(&once, library_init);
	int code = library_code;
	if (code == ARES_SUCCESS)
		code = init_channel(made, config);
	if (code == ARES_SUCCESS)
		code = set_servers(made, config);
	if (code != ARES_SUCCESS || made->epoll < 0) {
		arq_dns_destroy(made);
		return arq_error_set(error, -EINVAL, "names cannot be resolved: %s",
				     code ? ares_strerror(code) : "no descriptors are left");
	}
	*dns = made;
	return 0;
}

void arq_dns_destroy(struct arq_dns *dns)
{
	if (!dns)
		return;
	if (dns->channel)
		ares_destroy(dns->channel);
	if (dns->epoll >= 0)
		close(dns->epoll);
	free(dns);
}

int arq_dns_fd(const struct arq_dns *dns)
{
	return dns->epoll;
}

uint64_t arq_dns_timeout(const struct arq_dns *dns)
{
	struct timeval time;
	const struct timeval *left = ares_timeout(dns->channel, NULL, &time);
	return left ? (uint64_t)left->tv_sec * 1000000000u + (uint64_t)left->tv_usec * 1000u
		    : UINT64_MAX;
}

void arq_dns_serve(struct arq_dns *dns)
{
	struct epoll_event events[EVENTS_MAX];
	int count = epoll_wait(dns->epoll, events, EVENTS_MAX, 0);
	for (int i = 0; i < count; i++) {
		bool readable = events[i].events & (EPOLLIN | EPOLLERR | EPOLLHUP);
		bool writable = events[i].events & EPOLLOUT;
		ares_process_fd(dns->channel, readable ? events[i].data.fd : ARES_SOCKET_BAD,
				writable ? events[i].data.fd : ARES_SOCKET_BAD);
	}
	if (count <= 0)
		ares_process_fd(dns->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD); /* what is late */
}
