// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/arquantd/resolver.h"

#include "userspace/arquantd/dns.h"
#include "userspace/common/clock.h"
#include "userspace/common/log.h"
#include "userspace/proxy/hash.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

/* Names that are asked for at a time: a server that gets more in one moment drops some. */
#define ASKED_MAX 64

/* After failures it is asked again in times that double; but who is back is soon found. */
#define FAILURE_MAX UINT64_C(30000000000)

/* Addresses that a line of the log names. */
#define LOGGED_MAX 8

static const sa_family_t families_all[] = {AF_INET, AF_INET6};

#define FAMILIES (sizeof(families_all) / sizeof(families_all[0]))

struct arq_resolver {
	uint64_t min_interval, max_interval; /* ns */
	unsigned int families; /* that are asked for */
	struct arq_dns *dns; /* NULL while there are no names */
	int epoll; /* with that of `dns` in it, so that ours stays the same */
	struct arq_resolver_name **list;
	size_t count;
	size_t asked; /* names that are being asked for */
	bool changed;
	struct arq_proxy_names names;
	struct arq_resolver_counters counters;
};

/* A name that is being asked for, and what came of it so far. */
struct inquiry {
	struct arq_resolver *resolver;
	struct arq_resolver_name *name;
	size_t left; /* answers that are missing */
	struct answer {
		struct inquiry *inquiry;
		struct arq_dns_answer answer;
	} answers[FAMILIES];
};

/* --- what answers come to --------------------------------------------------------------------- */

static void format_addresses(const union arq_address *list, size_t count, char *text, size_t size)
{
	size_t length = 0;
	text[0] = '\0';
	for (size_t i = 0; i < count && i < LOGGED_MAX && length < size; i++) {
		char one[ARQ_ADDRESS_TEXT_MAX];
		int more = snprintf(text + length, size - length, "%s%s", i ? ", " : "",
				    arq_address_format_host(&list[i], one));
		length += more > 0 ? (size_t)more : 0;
	}
	if (count > LOGGED_MAX && length < size)
		snprintf(text + length, size - length, " and %zu more", count - LOGGED_MAX);
}

static void log_change(const struct arq_resolver_name *name, const union arq_address *before,
		       size_t before_count)
{
	char now[LOGGED_MAX * ARQ_ADDRESS_TEXT_MAX], then[LOGGED_MAX * ARQ_ADDRESS_TEXT_MAX];
	format_addresses(name->addresses, name->count, now, sizeof(now));
	format_addresses(before, before_count, then, sizeof(then));
	arq_log(ARQ_LOG_INFO, "name %s: %s%s%s%s", name->text, now, before_count ? " (was " : "",
		then, before_count ? ")" : "");
	if (name->left_out > 0)
		arq_log(ARQ_LOG_WARNING, "name %s: has more than %d addresses, %zu are left out",
			name->text, ARQ_CONFIG_NAME_ADDRESSES_MAX, name->left_out);
}

static bool same_addresses(const struct arq_resolver_name *name,
			   const struct arq_dns_answer *answer)
{
	bool same = name->count == answer->count;
	for (size_t i = 0; same && i < name->count; i++)
		same = arq_address_equal(&name->addresses[i], &answer->addresses[i]);
	return same;
}

static void take(struct arq_resolver *resolver, struct arq_resolver_name *name,
		 const struct arq_dns_answer *answer)
{
	union arq_address before[ARQ_CONFIG_NAME_ADDRESSES_MAX];
	size_t before_count = name->count;

	name->answered = arq_clock_now();
	name->ttl_ns = answer->ttl_ns;
	name->left_out = answer->left_out;
	if (same_addresses(name, answer))
		return;
	memcpy(before, name->addresses, sizeof(before));
	memcpy(name->addresses, answer->addresses, sizeof(name->addresses));
	name->count = answer->count;
	resolver->changed = true;
	resolver->counters.changes++;
	log_change(name, before, before_count);
}

/* NULL: all is well. */
static void note_failure(struct arq_resolver_name *name, const char *reason)
{
	if (!reason) {
		if (name->failures > 0)
			arq_log(ARQ_LOG_INFO, "name %s: is answered again", name->text);
		name->failures = 0;
		name->reason[0] = '\0';
		return;
	}
	name->failures++;
	if (strcmp(name->reason, reason) == 0)
		return;
	snprintf(name->reason, sizeof(name->reason), "%s", reason);
	arq_log(ARQ_LOG_WARNING, "name %s: %s; %s", name->text, name->reason,
		name->count > 0 ? "the addresses that were known stay"
				: "it has no addresses, its targets get no requests");
}

/* Up to a tenth later, by chance enough. */
static uint64_t spread(uint64_t now, uint64_t time, const void *seed)
{
	return now + time + arq_hash_mix(now ^ (uintptr_t)seed) % (time / 10 + 1);
}

static uint64_t clamp(uint64_t value, uint64_t min, uint64_t max)
{
	return value < min ? min : value > max ? max : value;
}

static void schedule(const struct arq_resolver *resolver, struct arq_resolver_name *name,
		     bool found)
{
	uint64_t time = name->ttl_ns;
	if (!found) {
		time = resolver->min_interval;
		for (uint32_t n = 1; n < name->failures && time < FAILURE_MAX; n++)
			time *= 2;
		if (time > FAILURE_MAX)
			time = FAILURE_MAX;
	}
	time = clamp(time, resolver->min_interval, resolver->max_interval);
	name->due = spread(arq_clock_now(), time, name);
}

/* What of the name's addresses is of a family stays: nobody said otherwise. */
static void keep_family(const struct arq_resolver_name *name, sa_family_t family,
			struct arq_dns_answer *sum)
{
	for (size_t i = 0; i < name->count; i++) {
		if (name->addresses[i].sa.sa_family == family)
			arq_dns_insert(sum, &name->addresses[i]);
	}
}

static void add_answer(const struct arq_dns_answer *answer, struct arq_dns_answer *sum)
{
	for (size_t i = 0; i < answer->count; i++)
		arq_dns_insert(sum, &answer->addresses[i]);
	sum->left_out += answer->left_out;
	if (answer->ttl_ns < sum->ttl_ns)
		sum->ttl_ns = answer->ttl_ns;
}

static void conclude(struct inquiry *inquiry)
{
	struct arq_resolver *resolver = inquiry->resolver;
	struct arq_resolver_name *name = inquiry->name;
	struct arq_dns_answer sum = {.ttl_ns = UINT64_MAX};
	const char *failed = NULL, *none = "this host has no addresses of the families asked for";
	bool found = false;

	for (size_t i = 0; i < FAMILIES; i++) {
		const struct arq_dns_answer *answer = &inquiry->answers[i].answer;
		found |= answer->result == ARQ_DNS_FOUND;
		if (answer->result == ARQ_DNS_FOUND)
			add_answer(answer, &sum);
		else if (answer->result == ARQ_DNS_FAILED)
			keep_family(name, families_all[i], &sum);
		resolver->counters.failures += answer->result == ARQ_DNS_FAILED;
		if (answer->result == ARQ_DNS_FAILED)
			failed = answer->reason;
		else if (answer->result == ARQ_DNS_NONE && answer->reason)
			none = answer->reason;
	}
	resolver->counters.empty += !found && !failed;
	if (found)
		take(resolver, name, &sum);
	note_failure(name, failed ? failed : found ? NULL : none);
	name->tried = true;
	schedule(resolver, name, found);
}

static void on_answer(void *user, const struct arq_dns_answer *answer)
{
	struct answer *slot = user;
	struct inquiry *inquiry = slot->inquiry;
	bool cancelled = false;

	slot->answer = *answer;
	if (--inquiry->left > 0)
		return;
	for (size_t i = 0; i < FAMILIES; i++)
		cancelled |= inquiry->answers[i].answer.result == ARQ_DNS_CANCELLED;
	inquiry->resolver->asked--;
	if (cancelled)
		inquiry->name->due = 0;
	else
		conclude(inquiry);
	free(inquiry);
}

/* --- asking ----------------------------------------------------------------------------------- */

static void ask(struct arq_resolver *resolver, struct arq_resolver_name *name)
{
	static const struct arq_dns_answer unasked = {.result = ARQ_DNS_NONE};
	struct inquiry *inquiry = calloc(1, sizeof(*inquiry));
	if (!inquiry) {
		note_failure(name, "out of memory");
		name->tried = true;
		schedule(resolver, name, false);
		return;
	}
	*inquiry = (struct inquiry){.resolver = resolver, .name = name, .left = FAMILIES};
	name->due = UINT64_MAX;
	resolver->asked++;
	/* The last answer frees it: it may come at once. */
	for (size_t i = 0; i < FAMILIES; i++) {
		struct answer *slot = &inquiry->answers[i];
		slot->inquiry = inquiry;
		if (!(resolver->families >> families_all[i] & 1)) {
			on_answer(slot, &unasked);
			continue;
		}
		resolver->counters.questions++;
		arq_dns_ask(resolver->dns, name->text, families_all[i], on_answer, slot);
	}
}

/* What is not wanted is not being asked for, either: see arq_resolver_configure. */
static bool is_waiting(const struct arq_resolver_name *name)
{
	return name->wanted && name->due != UINT64_MAX;
}

static void ask_due(struct arq_resolver *resolver)
{
	uint64_t now = arq_clock_now();
	for (size_t i = 0; i < resolver->count && resolver->asked < ASKED_MAX; i++) {
		if (is_waiting(resolver->list[i]) && resolver->list[i]->due <= now)
			ask(resolver, resolver->list[i]);
	}
}

int arq_resolver_fd(const struct arq_resolver *resolver)
{
	return resolver->epoll;
}

int arq_resolver_timeout(const struct arq_resolver *resolver)
{
	uint64_t now = arq_clock_now(), due = UINT64_MAX;
	if (!resolver->dns)
		return -1;
	uint64_t left = arq_dns_timeout(resolver->dns);
	for (size_t i = 0; i < resolver->count && resolver->asked < ASKED_MAX; i++) {
		if (is_waiting(resolver->list[i]) && resolver->list[i]->due < due)
			due = resolver->list[i]->due;
	}
	if (due != UINT64_MAX)
		due = due > now ? due - now : 0;
	if (left < due)
		due = left;
	/* Rounded up: who comes a little early would come again and again. */
	return due == UINT64_MAX ? -1 : (int)clamp((due + 999999) / 1000000, 0, 3600000);
}

bool arq_resolver_serve(struct arq_resolver *resolver)
{
	bool changed;
	if (resolver->dns) {
		arq_dns_serve(resolver->dns);
		ask_due(resolver);
	}
	changed = resolver->changed;
	resolver->changed = false;
	return changed;
}

static bool is_settled(const struct arq_resolver *resolver)
{
	bool settled = true;
	for (size_t i = 0; i < resolver->count; i++)
		settled &= resolver->list[i]->tried || !resolver->list[i]->wanted;
	return settled;
}

void arq_resolver_settle(struct arq_resolver *resolver, uint64_t patience_ns)
{
	uint64_t end = arq_clock_now() + patience_ns, now;
	bool changed = arq_resolver_serve(resolver);
	while (!is_settled(resolver) && (now = arq_clock_now()) < end) {
		struct pollfd waiting = {.fd = resolver->epoll, .events = POLLIN};
		int timeout = arq_resolver_timeout(resolver), rest = (int)((end - now) / 1000000);
		poll(&waiting, 1, timeout >= 0 && timeout < rest ? timeout : rest + 1);
		changed |= arq_resolver_serve(resolver);
	}
	resolver->changed = changed;
}

/* --- names ------------------------------------------------------------------------------------ */

static struct arq_resolver_name *find(const struct arq_resolver *resolver, const char *text)
{
	for (size_t i = 0; i < resolver->count; i++) {
		if (strcmp(resolver->list[i]->text, text) == 0)
			return resolver->list[i];
	}
	return NULL;
}

static size_t addresses(void *user, const char *text, union arq_address *list)
{
	const struct arq_resolver_name *name = find(user, text);
	if (!name)
		return 0;
	memcpy(list, name->addresses, name->count * sizeof(list[0]));
	return name->count;
}

static void name_free(struct arq_resolver_name *name)
{
	free(name->text);
	free(name);
}

static int add_name(struct arq_resolver *resolver, const char *text)
{
	struct arq_resolver_name *name = find(resolver, text);
	if (name) {
		name->wanted = true;
		return 0;
	}
	struct arq_resolver_name **list =
		realloc(resolver->list, (resolver->count + 1) * sizeof(struct arq_resolver_name *));
	if (!list)
		return -ENOMEM;
	resolver->list = list;
	name = calloc(1, sizeof(*name));
	if (!name)
		return -ENOMEM;
	name->text = strdup(text);
	name->wanted = true;
	if (!name->text) {
		name_free(name);
		return -ENOMEM;
	}
	list[resolver->count++] = name;
	return 0;
}

static int want_names(struct arq_resolver *resolver, const struct arq_config_gateway *gateway)
{
	int code = 0;
	for (size_t i = 0; i < resolver->count; i++)
		resolver->list[i]->wanted = false;
	for (uint32_t i = 0; i < gateway->pools_count; i++) {
		const struct arq_config_pool *pool = &gateway->pools[i];
		for (uint32_t j = 0; code == 0 && j < pool->targets_count; j++) {
			if (pool->targets[j].host)
				code = add_name(resolver, pool->targets[j].host);
		}
	}
	return code;
}

void arq_resolver_forget(struct arq_resolver *resolver)
{
	size_t left = 0;
	for (size_t i = 0; i < resolver->count; i++) {
		if (resolver->list[i]->wanted)
			resolver->list[left++] = resolver->list[i];
		else
			name_free(resolver->list[i]);
	}
	resolver->count = left;
}

/* --- life ------------------------------------------------------------------------------------- */

int arq_resolver_create(struct arq_resolver **resolver)
{
	struct arq_resolver *made = calloc(1, sizeof(*made));
	if (!made)
		return -ENOMEM;
	made->names = (struct arq_proxy_names){addresses, made};
	made->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (made->epoll < 0) {
		int code = -errno;
		free(made);
		return code;
	}
	*resolver = made;
	return 0;
}

void arq_resolver_destroy(struct arq_resolver *resolver)
{
	if (!resolver)
		return;
	arq_dns_destroy(resolver->dns);
	for (size_t i = 0; i < resolver->count; i++)
		name_free(resolver->list[i]);
	free(resolver->list);
	close(resolver->epoll);
	free(resolver);
}

static unsigned int wanted_families(const struct arq_config_resolver *config, unsigned int families)
{
	if (config->family == ARQ_CONFIG_FAMILY_IPV4)
		return families & 1u << AF_INET;
	if (config->family == ARQ_CONFIG_FAMILY_IPV6)
		return families & 1u << AF_INET6;
	return families;
}

static int watch(const struct arq_resolver *resolver, const struct arq_dns *dns)
{
	struct epoll_event event = {.events = EPOLLIN};
	return epoll_ctl(resolver->epoll, EPOLL_CTL_ADD, arq_dns_fd(dns), &event) < 0 ? -errno : 0;
}

int arq_resolver_configure(struct arq_resolver *resolver, const struct arq_config_gateway *gateway,
			   unsigned int families, struct arq_error *error)
{
	struct arq_dns *dns = NULL;
	int code = want_names(resolver, gateway);
	bool wants = false;
	for (size_t i = 0; i < resolver->count; i++)
		wants |= resolver->list[i]->wanted;
	if (code == 0 && wants)
		code = arq_dns_create(&gateway->resolver, &dns, error);
	if (code == 0 && dns)
		code = watch(resolver, dns);
	if (code != 0) {
		arq_dns_destroy(dns);
		return arq_error_set(error, code, "%s", strerror(-code));
	}
	arq_dns_destroy(resolver->dns); /* questions to it are over now */
	resolver->dns = dns;
	resolver->min_interval = gateway->resolver.min_interval_ns;
	resolver->max_interval = gateway->resolver.max_interval_ns;
	resolver->families = wanted_families(&gateway->resolver, families);
	return 0;
}

const struct arq_proxy_names *arq_resolver_names(const struct arq_resolver *resolver)
{
	return &resolver->names;
}

const struct arq_resolver_name *arq_resolver_at(const struct arq_resolver *resolver, size_t i)
{
	return i < resolver->count ? resolver->list[i] : NULL;
}

struct arq_resolver_counters arq_resolver_read(const struct arq_resolver *resolver)
{
	return resolver->counters;
}
