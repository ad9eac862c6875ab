// SPDX-License-Identifier: BSD-2-Clause
/* The redirect: which packets are for a service, and which have a socket to go to. */
#include "progs/redirect/services.h"
#include "tests/unit/test_progs_fixture.h"

#include <arquant/service.h>
#include <bpf/bpf.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static struct fixture redirect;

static void load_redirect(void)
{
	const struct arq_program_options options = {.first = true};

	fixture_begin();
	fixture_load(&redirect, ARQ_PROGRAM_REDIRECT, &options, NULL, NULL);
}

static void unload_redirect(void)
{
	if (redirect.program)
		fixture_unload(&redirect);
}

TestSuite(progs_redirect, .init = load_redirect, .fini = unload_redirect);

static void add_service(const char *text)
{
	union arq_address address;
	struct arq_error error = {0};

	cr_assert_eq(arq_address_parse(&address, text), 0);
	cr_assert_eq(arq_service_add(fixture_map(&redirect, ".bss.services"), &address, &error), 0,
		     "%s", error.text);
}

static void remove_service(const char *text)
{
	union arq_address address;
	struct arq_error error = {0};

	cr_assert_eq(arq_address_parse(&address, text), 0);
	cr_assert_eq(arq_service_remove(fixture_map(&redirect, ".bss.services"), &address, &error),
		     0, "%s", error.text);
}

/* The map wants a socket, not a bound one; test runs come in by queue 0. */
static int enter_socket(void)
{
	uint32_t queue = 0;

	int xsk = socket(AF_XDP, SOCK_RAW, 0);
	cr_assert_geq(xsk, 0, "%s", strerror(errno));
	cr_assert_eq(bpf_map_update_elem(fixture_map(&redirect, "xsks"), &queue, &xsk, BPF_ANY), 0,
		     "%s", strerror(errno));
	return xsk;
}

/* Frames go to 192.0.2.1 and 2001:db8::1. */
static uint32_t run_to(uint8_t ip, uint16_t port)
{
	const struct frame_spec spec = {.ip = ip, .protocol = 17, .port = port};
	struct frame frame;

	frame_build(&frame, &spec);
	return fixture_run(&redirect, frame.bytes, frame.length, 1);
}

Test(progs_redirect, passes_everything_without_services)
{
	int xsk = enter_socket();

	for (size_t i = 0; i < frame_case_count; i++) {
		struct frame frame;
		frame_build(&frame, &frame_cases[i].spec);
		cr_assert_eq(fixture_run(&redirect, frame.bytes, frame.length, 1), XDP_PASS);
	}
	struct arq_counters counters = fixture_counters(&redirect);
	cr_assert_eq(counters.actions[XDP_PASS], frame_case_count);
	cr_assert_eq(counters.reasons[ARQ_REASON_SERVICE], 0);
	close(xsk);
}

Test(progs_redirect, redirects_an_address_and_port)
{
	int xsk = enter_socket();

	add_service("192.0.2.1:443");
	add_service("[2001:db8::1]:444");
	cr_assert_eq(run_to(4, 443), XDP_REDIRECT);
	cr_assert_eq(run_to(4, 444), XDP_PASS);
	cr_assert_eq(run_to(6, 443), XDP_PASS);
	cr_assert_eq(run_to(6, 444), XDP_REDIRECT);
	add_service("192.0.2.2:445");
	cr_assert_eq(run_to(4, 445), XDP_PASS, "another address");
	struct arq_counters counters = fixture_counters(&redirect);
	cr_assert_eq(counters.actions[XDP_REDIRECT], 2);
	cr_assert_eq(counters.actions[XDP_PASS], 3);
	cr_assert_eq(counters.reasons[ARQ_REASON_SERVICE], 2);
	cr_assert_eq(counters.reasons[ARQ_REASON_NO_SOCKET], 0);
	remove_service("192.0.2.1:443");
	cr_assert_eq(run_to(4, 443), XDP_PASS);
	close(xsk);
}

Test(progs_redirect, redirects_any_address_of_both_families)
{
	int xsk = enter_socket();

	add_service("0.0.0.0:853");
	cr_assert_eq(run_to(4, 853), XDP_REDIRECT);
	cr_assert_eq(run_to(6, 853), XDP_REDIRECT);
	cr_assert_eq(run_to(4, 854), XDP_PASS);
	remove_service("[::]:853");
	cr_assert_eq(run_to(6, 853), XDP_PASS, "0.0.0.0 and :: are the same service");
	close(xsk);
}

Test(progs_redirect, passes_when_there_is_no_socket)
{
	add_service("192.0.2.1:443");
	cr_assert_eq(run_to(4, 443), XDP_PASS);
	struct arq_counters counters = fixture_counters(&redirect);
	cr_assert_eq(counters.reasons[ARQ_REASON_NO_SOCKET], 1);
	cr_assert_eq(counters.actions[XDP_PASS], 1);

	int xsk = enter_socket();
	cr_assert_eq(run_to(4, 443), XDP_REDIRECT);
	/* A process that dies closes its socket like this. */
	close(xsk);
	cr_assert_eq(run_to(4, 443), XDP_PASS);
	counters = fixture_counters(&redirect);
	cr_assert_eq(counters.reasons[ARQ_REASON_NO_SOCKET], 2);
	cr_assert_eq(counters.reasons[ARQ_REASON_SERVICE], 1);
}

/* All frames of the table are for port 443; whole, well-formed UDP datagrams go to the socket. */
Test(progs_redirect, redirects_whole_udp_datagrams_only)
{
	int xsk = enter_socket();

	add_service("0.0.0.0:443");
	for (size_t i = 0; i < frame_case_count; i++) {
		const struct frame_case *c = &frame_cases[i];
		struct frame frame;
		frame_build(&frame, &c->spec);
		bool wanted = c->expected.protocol == IPPROTO_UDP &&
			      !(c->expected.flags & (ARQ_PACKET_MALFORMED | ARQ_PACKET_FRAGMENT));
		cr_assert_eq(fixture_run(&redirect, frame.bytes, frame.length, 1),
			     (uint32_t)(wanted ? XDP_REDIRECT : XDP_PASS), "%s", c->name);
	}
	close(xsk);
}

Test(progs_redirect, lists_its_services)
{
	union arq_address addresses[4];
	struct arq_error error = {0};
	char text[ARQ_ADDRESS_TEXT_MAX];
	bool seen[3] = {false};
	static const char *const texts[] = {"192.0.2.1:443", "[2001:db8::1]:444", "[::]:853"};

	for (size_t i = 0; i < 3; i++) {
		add_service(texts[i]);
		add_service(texts[i]);
	}
	int services = fixture_map(&redirect, ".bss.services");
	cr_assert_eq(arq_service_list(services, addresses, 4, &error), 3, "%s", error.text);
	for (size_t i = 0; i < 3; i++) {
		for (size_t j = 0; j < 3; j++)
			seen[j] |= strcmp(arq_address_format(&addresses[i], text), texts[j]) == 0;
	}
	cr_assert(seen[0] && seen[1] && seen[2]);
	cr_assert_eq(arq_service_list(services, addresses, 1, &error), 3, "the number of all");
	cr_assert_eq(arq_service_remove(services, &addresses[0], &error), 0);
	cr_assert_eq(arq_service_remove(services, &addresses[0], &error), -ENOENT);
	cr_assert(strstr(error.text, "there is none"), "%s", error.text);
}

Test(progs_redirect, says_when_the_table_is_full)
{
	int services = fixture_map(&redirect, ".bss.services");
	struct arq_error error = {0};
	union arq_address address;
	char text[64];

	for (int i = 1; i < ARQ_SERVICE_SETS; i++) {
		snprintf(text, sizeof(text), "192.0.2.1:%d", i);
		add_service(text);
	}
	cr_assert_eq(arq_address_parse(&address, "192.0.2.1:9999"), 0);
	cr_assert_eq(arq_service_add(services, &address, &error), -E2BIG);
	cr_assert(strstr(error.text, "192.0.2.1:9999"), "%s", error.text);
	remove_service("192.0.2.1:7");
	add_service("192.0.2.1:9999");
	remove_service("192.0.2.1:9999");
	for (int i = 1; i <= ARQ_SERVICE_ADDRESSES; i++) {
		snprintf(text, sizeof(text), "192.0.2.%d:9999", i);
		add_service(text);
	}
	cr_assert_eq(arq_address_parse(&address, "203.0.113.1:9999"), 0);
	arq_error_clear(&error);
	cr_assert_eq(arq_service_add(services, &address, &error), -E2BIG);
	cr_assert_eq(arq_service_list(services, NULL, 0, &error),
		     ARQ_SERVICE_SETS - 2 + ARQ_SERVICE_ADDRESSES);
	union arq_address unix_address = {.sa = {.sa_family = AF_UNIX}};
	arq_error_clear(&error);
	cr_assert_eq(arq_service_add(services, &unix_address, &error), -EINVAL);
}

/* Every service but those removed is found, whatever the order they came and went in. */
Test(progs_redirect, finds_services_among_many)
{
	enum { PORTS = 20, ADDRESSES = 20 };
	bool there[PORTS][ADDRESSES] = {{false}};
	uint64_t random = 3;
	char text[64];
	int xsk = enter_socket();

	for (int i = 0; i < 3000; i++) {
		int port = (int)(random_next(&random) % PORTS);
		int host = (int)(random_next(&random) % ADDRESSES);
		snprintf(text, sizeof(text), "192.0.2.%d:%d", host, 1000 + port);
		if (there[port][host])
			remove_service(text);
		else
			add_service(text);
		there[port][host] = !there[port][host];
		/* The frames' address is host 1. */
		port = (int)(random_next(&random) % PORTS);
		cr_assert_eq(run_to(4, (uint16_t)(1000 + port)),
			     (uint32_t)(there[port][1] ? XDP_REDIRECT : XDP_PASS));
	}
	close(xsk);
}
