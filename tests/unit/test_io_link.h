/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Two network namespaces with a veth pair between them, for one test process. They have no names
 * and go with the process, however it ends. Needs root; without it the test is skipped.
 *
 *	gateway side: interface "gw", 10.77.0.1/24, fd77::1/64
 *	peer side:    interface "peer", 10.77.0.2/24, fd77::2/64
 */
#ifndef ARQUANT_TESTS_UNIT_TEST_IO_LINK_H
#define ARQUANT_TESTS_UNIT_TEST_IO_LINK_H

struct test_link {
	int gateway; /* namespaces, for test_link_enter */
	int peer;
};

/* Leaves the calling thread in the gateway's namespace. `queues`: of each direction and end. */
void test_link_create(struct test_link *link, unsigned int queues);

/* Moves the calling thread into one of the link's namespaces. */
void test_link_enter(int namespace);

/* Runs a shell command in the namespace of the calling thread; it must succeed. */
void test_link_run(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
