// SPDX-License-Identifier: BSD-2-Clause
/* Targets by name: their addresses come and go, under requests. */
#include "test_proxy_lab.h"
#include "userspace/proxy/member.h"
#include "userspace/proxy/roster.h"

#include <criterion/criterion.h>
#include <string.h>

#define MIB    (UINT64_C(1) << 20)
#define SECOND UINT64_C(1000000000)

/* Addresses of the names b0.test to b2.test: the last octets of 127.0.0.0/8. */
static struct {
	uint8_t list[4];
	size_t count;
} known[LAB_BACKENDS];

static size_t addresses(void *user, const char *name, union arq_address *list)
{
	size_t i = (size_t)(name[1] - '0');
	(void)user;
	cr_assert_lt(i, LAB_BACKENDS, "%s", name);
	for (size_t j = 0; j < known[i].count; j++) {
		list[j] = (union arq_address){.in.sin_family = AF_INET};
		list[j].in.sin_addr.s_addr = htonl(0x7f000000u + known[i].list[j]);
	}
	return known[i].count;
}

static const struct arq_proxy_names names = {addresses, NULL};

static void know(size_t i, bool there)
{
	known[i].list[0] = 1;
	known[i].count = there;
}

static void set_up(void)
{
	lab_names = &names;
	for (size_t i = 0; i < LAB_BACKENDS; i++)
		known[i].count = 0;
}

TestSuite(names, .init = set_up);

/* Returns how many pools have other targets now. */
static int refresh(struct lab *lab)
{
	int changed = arq_proxy_shared_refresh(lab->shared, &names);
	cr_assert_geq(changed, 0);
	cr_assert_eq(arq_proxy_refresh(lab->proxy), 0);
	return changed;
}

static void expect(struct lab *lab, unsigned int status, struct lab_backend *backend)
{
	struct lab_call call = {0};
	size_t before = backend ? backend->count : 0;

	lab_call(lab, &call, "GET", "a.test", "/download/10", false);
	LAB_UNTIL(lab, call.response.closed);
	cr_expect_eq(call.response.status, status);
	if (backend)
		cr_expect_eq(backend->count, before + 1, "another backend has it");
}

Test(names, a_pool_without_addresses_answers_503_until_it_has_some)
{
	struct lab *lab = lab_start_with(1, "      policy: consistent-hash\n", NULL);

	expect(lab, 503, NULL);
	cr_expect_eq(refresh(lab), 0);
	know(0, true);
	cr_expect_eq(refresh(lab), 1);
	expect(lab, 200, &lab->backends[0]);
	cr_expect_eq(refresh(lab), 0, "nothing has changed");
	expect(lab, 200, &lab->backends[0]);
	cr_expect_eq(lab->backends[0].sessions, 1);
	lab_stop(lab);
}

Test(names, what_leaves_finishes_its_requests_and_what_stays_keeps_its_connection)
{
	struct lab_call slow = {.paused = true};
	know(0, true);
	know(1, true);
	struct lab *lab = lab_start_with(3, "", NULL);

	lab_call(lab, &slow, "GET", "a.test", "/download/3145728", false);
	LAB_UNTIL(lab, slow.response.length > 0);
	struct lab_backend *leaves = &lab->backends[lab->backends[1].count > 0];
	struct lab_backend *stays = &lab->backends[lab->backends[1].count == 0];
	expect(lab, 200, stays);

	know((size_t)(leaves - lab->backends), false);
	cr_expect_eq(refresh(lab), 1);
	expect(lab, 200, stays);
	expect(lab, 200, stays);
	cr_expect_not_null(leaves->session, "it has a request");
	know(2, true);
	cr_expect_eq(refresh(lab), 1);
	expect(lab, 200, NULL);
	expect(lab, 200, NULL);
	cr_expect_eq(lab->backends[2].count, 1, "in turn");
	cr_expect_eq(stays->sessions, 1);

	lab_resume(&slow);
	LAB_UNTIL(lab, slow.response.closed);
	cr_expect(slow.response.complete);
	cr_expect_eq(slow.response.sum, lab_sum(3 * MIB));
	LAB_UNTIL(lab, !leaves->session);
	LAB_UNTIL(lab, arq_proxy_upstream_connections(lab->proxy) ==
			       2 * lab->config->gateway.pools[0].connections.max);

	/* It comes back, as another. */
	know((size_t)(leaves - lab->backends), true);
	cr_expect_eq(refresh(lab), 1);
	for (size_t i = 0; i < 3; i++)
		expect(lab, 200, NULL);
	cr_expect_eq(leaves->sessions, 2);
	cr_expect_eq(stays->sessions, 1);
	lab_stop(lab);
}

Test(names, who_waits_for_what_leaves_goes_to_another)
{
	struct lab_call call = {0};
	know(0, true);
	struct lab *lab = lab_start_with(
		2, "      retries: { attempts: 1 }\n      connections: { max: 1 }\n", NULL);

	lab->backends[0].deaf = true;
	lab_call(lab, &call, "GET", "a.test", "/download/10", false);
	lab_rest(lab, 50);
	cr_assert_not(call.response.closed);
	know(0, false);
	know(1, true);
	refresh(lab);
	LAB_UNTIL(lab, call.response.closed);
	cr_expect_eq(call.response.status, 200);
	cr_expect_eq(lab->backends[1].count, 1);
	lab_stop(lab);
}

Test(names, checks_begin_and_end_with_the_addresses)
{
	know(0, true);
	struct lab *lab = lab_start_with(
		2, "      health: { path: /download/1, interval: 20ms, timeout: 10s }\n", NULL);

	LAB_UNTIL(lab, lab->backends[0].count >= 3);
	cr_expect_eq(lab->backends[0].sessions, 1);
	know(1, true);
	refresh(lab);
	LAB_UNTIL(lab, lab->backends[1].count >= 3);
	know(0, false);
	refresh(lab);
	LAB_UNTIL(lab, !lab->backends[0].session);
	size_t count = lab->backends[0].count, other = lab->backends[1].count;
	LAB_UNTIL(lab, lab->backends[1].count >= other + 3);
	cr_expect_eq(lab->backends[0].count, count);
	cr_expect_eq(lab->backends[1].sessions, 1, "what stays is checked on by its connection");
	lab_stop(lab);
}

/* --- rosters ---------------------------------------------------------------------------------- */

static char b0[] = "b0.test:443", host0[] = "b0.test", b1[] = "b1.test:443", host1[] = "b1.test";
static char fixed[] = "127.0.0.9:443";
static struct arq_config_health health;
static struct arq_config_target targets[] = {
	{.address_text = b0, .host = host0, .port = 443, .weight = 2, .server_name = host0},
	{.address_text = fixed, .weight = 1},
	{.address_text = b1, .host = host1, .port = 443, .weight = 3, .backup = true},
};
static struct arq_config_pool config = {
	.targets = targets,
	.targets_count = 3,
	.policy = ARQ_CONFIG_CONSISTENT_HASH,
	.health = &health,
};

static void know_all(size_t i, uint8_t a, uint8_t b, uint8_t c)
{
	const uint8_t all[] = {a, b, c};
	known[i].count = 0;
	for (size_t j = 0; j < sizeof(all); j++) {
		if (all[j])
			known[i].list[known[i].count++] = all[j];
	}
}

static struct arq_roster *make(const struct arq_roster *previous)
{
	struct arq_roster *roster;
	cr_assert_eq(arq_address_parse(&targets[1].address, fixed), 0);
	cr_assert_eq(arq_roster_create(&config, &names, previous, &roster), 0);
	return roster;
}

Test(names, each_address_is_a_target_once_by_what_says_it_first)
{
	know_all(0, 1, 2, 0);
	know_all(1, 2, 3, 9);
	struct arq_roster *roster = make(NULL);

	cr_assert_eq(roster->count, 4);
	static const char *const texts[] = {"127.0.0.1:443", "127.0.0.2:443", "127.0.0.9:443",
					    "127.0.0.3:443"};
	static const char *const configured[] = {b0, b0, fixed, b1};
	static const char *const server_names[] = {host0, host0, "127.0.0.9", "127.0.0.3"};
	static const uint32_t weights[] = {2, 2, 1, 3};
	for (size_t i = 0; i < 4; i++) {
		cr_expect_str_eq(roster->targets[i].text, texts[i]);
		cr_expect_str_eq(roster->targets[i].configured, configured[i]);
		cr_expect_str_eq(roster->targets[i].server_name, server_names[i]);
		cr_expect_eq(roster->targets[i].weight, weights[i]);
		cr_expect_eq(roster->targets[i].backup, i == 3);
	}
	cr_expect_not_null(roster->maglev);
	struct arq_roster *same = make(roster);
	cr_expect(arq_roster_same(roster, same));
	know_all(0, 2, 1, 0);
	struct arq_roster *turned = make(roster);
	cr_expect_not(arq_roster_same(roster, turned));
	arq_roster_put(same);
	arq_roster_put(turned);
	arq_roster_put(roster);
}

Test(names, what_is_known_of_an_address_stays_while_it_is_there)
{
	struct arq_member_status status;
	know_all(0, 1, 2, 0);
	struct arq_roster *before = make(NULL);
	arq_member_set_healthy(before->members, 1, false, SECOND);
	know_all(0, 2, 3, 0);
	struct arq_roster *after = make(before);

	arq_member_status(after->members, 0, SECOND, &status);
	cr_expect_str_eq(status.address, "127.0.0.2:443");
	cr_expect_not(status.healthy);
	arq_member_status(after->members, 1, SECOND, &status);
	cr_expect_str_eq(status.address, "127.0.0.3:443");
	cr_expect(status.healthy);

	/* Also what happens to it meanwhile, where somebody still has the former. */
	arq_member_set_healthy(before->members, 1, true, SECOND);
	cr_expect(arq_member_usable(after->members, 0, SECOND));
	arq_roster_put(before);
	cr_expect(arq_member_usable(after->members, 0, SECOND));
	arq_roster_put(after);
}

Test(names, a_drained_name_is_drained_with_the_addresses_that_come)
{
	know_all(0, 1, 2, 0);
	struct arq_roster *before = make(NULL);
	cr_assert_eq(arq_members_drain(before->members, "127.0.0.1:443", true, SECOND), 1);
	know_all(0, 1, 2, 3);
	struct arq_roster *after = make(before);
	cr_expect_not(arq_member_drained(after->members, 2), "only one of two is drained");
	arq_roster_put(before);

	cr_assert_eq(arq_members_drain(after->members, b0, true, SECOND), 3);
	cr_expect_not(arq_member_drained(after->members, 3));
	know_all(0, 4, 0, 0);
	before = after;
	after = make(before);
	cr_expect_eq(after->count, 2);
	cr_expect(arq_member_drained(after->members, 0));
	cr_assert_eq(arq_members_drain(after->members, b0, false, SECOND), 1);
	cr_expect(arq_member_usable(after->members, 0, SECOND));
	arq_roster_put(before);
	arq_roster_put(after);
}
