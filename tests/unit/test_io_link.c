// SPDX-License-Identifier: BSD-2-Clause
#include "tests/unit/test_io_link.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

void test_link_run(const char *format, ...)
{
	char command[512];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(command, sizeof(command), format, arguments);
	va_end(arguments);
	cr_assert_eq(system(command), 0, "%s", command);
}

void test_link_enter(int namespace)
{
	cr_assert_eq(setns(namespace, CLONE_NEWNET), 0);
}

/* Not close-on-exec: `ip` reaches the namespace as its own /proc/self/fd/N. */
static int new_namespace(void)
{
	cr_assert_eq(unshare(CLONE_NEWNET), 0);
	int fd = open("/proc/thread-self/ns/net", O_RDONLY);
	cr_assert_geq(fd, 0);
	test_link_run("ip link set lo up");
	/* No waiting for duplicate addresses: nobody else is on the link. */
	test_link_run("echo 0 > /proc/sys/net/ipv6/conf/default/accept_dad");
	test_link_run("echo 0 > /proc/sys/net/ipv6/conf/default/dad_transmits");
	return fd;
}

static void set_up_end(const char *interface, int host)
{
	/* Segments as they would come from a wire, with whole checksums and tags in the frame. */
	test_link_run("ethtool -K %s tx off gro off tso off gso off txvlan off >/dev/null 2>&1",
		      interface);
	test_link_run("ip address add 10.77.0.%d/24 dev %s", host, interface);
	test_link_run("ip address add fd77::%d/64 dev %s nodad", host, interface);
	test_link_run("ip link set %s up", interface);
}

void test_link_create(struct test_link *link, unsigned int queues)
{
	if (geteuid() != 0)
		cr_skip_test("needs root for network namespaces");
	link->peer = new_namespace();
	link->gateway = new_namespace();
	test_link_run("ip link add gw numrxqueues %u numtxqueues %u type veth peer name peer "
		      "numrxqueues %u numtxqueues %u netns /proc/self/fd/%d",
		      queues, queues, queues, queues, link->peer);
	set_up_end("gw", 1);
	test_link_enter(link->peer);
	set_up_end("peer", 2);
	test_link_enter(link->gateway);
}
