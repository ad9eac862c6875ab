// SPDX-License-Identifier: BSD-2-Clause
/* How `arquant monitor` learns that a chain changed; tests/lab/test-monitor tests what it does. */
#include "test_command_lab.h"

#include "userspace/arquant/monitor_links.h"

#include <criterion/criterion.h>
#include <net/if.h>
#include <poll.h>
#include <string.h>

struct seen {
	unsigned int calls;
	uint32_t ifindex; /* of arq0, as of the last call about it */
	uint32_t program;
};

static void on_link(uint32_t ifindex, const char *name, uint32_t program, void *context)
{
	struct seen *seen = context;

	seen->calls++;
	if (strcmp(name, "arq0") != 0)
		return;
	seen->ifindex = ifindex;
	seen->program = program;
}

static struct arq_xdp_links *open_links(void)
{
	struct arq_error error = {0};
	struct arq_xdp_links *links = NULL;

	cr_assert_eq(arq_xdp_links_open(&links, &error), 0, "%s", error.text);
	return links;
}

/* The kernel tells before the change returns. */
static void read_changes(struct arq_xdp_links *links, struct seen *seen)
{
	struct pollfd fd = {.fd = arq_xdp_links_fd(links), .events = POLLIN};

	cr_assert_eq(poll(&fd, 1, 0), 1, "nothing was told");
	cr_assert_eq(arq_xdp_links_read(links, on_link, seen), 0);
	cr_assert_eq(poll(&fd, 1, 0), 0);
}

Test(links, tells_of_programs_and_of_the_end, .init = lab_enter)
{
	struct arq_xdp_links *links = open_links();
	struct seen seen = {0};
	uint32_t ifindex = if_nametoindex("arq0");

	cr_assert_eq(arq_xdp_links_read(links, on_link, &seen), 0);
	cr_assert_eq(seen.calls, 0, "nothing has changed yet");

	uint32_t foreign = lab_attach_foreign("arq0");
	read_changes(links, &seen);
	cr_assert_eq(seen.ifindex, ifindex);
	cr_assert_eq(seen.program, foreign);

	lab_shell("ip link set arq0 xdp off");
	read_changes(links, &seen);
	cr_assert_eq(seen.ifindex, ifindex);
	cr_assert_eq(seen.program, 0);

	lab_shell("ip link delete arq0");
	read_changes(links, &seen);
	cr_assert_eq(seen.ifindex, 0);
	arq_xdp_links_close(links);
}

Test(links, looks_round, .init = lab_enter)
{
	struct arq_xdp_links *links = open_links();
	struct seen seen = {0};

	cr_assert_eq(arq_xdp_links_scan(links, on_link, &seen), 0);
	cr_assert_eq(seen.calls, 3, "lo and the pair");
	cr_assert_eq(seen.ifindex, if_nametoindex("arq0"));
	cr_assert_eq(seen.program, 0);

	/* Nobody tells of an interface that is down. */
	lab_shell("ip link set arq0 down");
	cr_assert_eq(arq_xdp_links_read(links, on_link, &seen), 0);
	seen = (struct seen){0};
	uint32_t foreign = lab_attach_foreign("arq0");
	cr_assert_eq(arq_xdp_links_read(links, on_link, &seen), 0);
	cr_assert_eq(seen.program, 0);
	cr_assert_eq(arq_xdp_links_scan(links, on_link, &seen), 0);
	cr_assert_eq(seen.program, foreign);
	arq_xdp_links_close(links);
}

Test(links, finds_more_interfaces_than_a_message_holds, .init = lab_enter)
{
	struct arq_xdp_links *links = open_links();
	struct seen seen = {0};

	lab_shell("for i in $(seq 40); do echo link add many$i type veth peer name peer$i; done | "
		  "ip -batch -");
	cr_assert_eq(arq_xdp_links_scan(links, on_link, &seen), 0);
	cr_assert_eq(seen.calls, 83);
	arq_xdp_links_close(links);
}
