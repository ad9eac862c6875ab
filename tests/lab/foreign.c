// SPDX-License-Identifier: BSD-2-Clause
/*
 * lab_foreign attach IFACE OBJECT PRIORITY    prints the program's id
 * lab_foreign detach IFACE ID
 *
 * Somebody else's loader: puts the first program of an object file into the chain by plain libxdp,
 * or takes it out. It uses nothing of ours.
 */
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xdp/libxdp.h>

static int fail(const char *what, int code)
{
	fprintf(stderr, "lab_foreign: %s: %s\n", what, strerror(-code));
	return 1;
}

static int attach(unsigned int ifindex, const char *object, const char *priority)
{
	struct xdp_program *program = xdp_program__open_file(object, NULL, NULL);
	int code = (int)libxdp_get_error(program);
	if (code)
		return fail(object, code);
	xdp_program__set_run_prio(program, (unsigned int)atoi(priority));
	xdp_program__set_xdp_frags_support(program, true);
	code = xdp_program__attach(program, (int)ifindex, XDP_MODE_NATIVE, 0);
	if (code == 0)
		printf("%u\n", xdp_program__id(program));
	xdp_program__close(program);
	return code ? fail("attach", code) : 0;
}

static int detach(unsigned int ifindex, const char *id)
{
	struct xdp_program *program = xdp_program__from_id((unsigned int)atoi(id));
	int code = (int)libxdp_get_error(program);
	if (code)
		return fail(id, code);
	code = xdp_program__detach(program, (int)ifindex, XDP_MODE_NATIVE, 0);
	xdp_program__close(program);
	return code ? fail("detach", code) : 0;
}

int main(int argc, char **argv)
{
	unsigned int ifindex = argc > 2 ? if_nametoindex(argv[2]) : 0;

	if (argc == 5 && ifindex && strcmp(argv[1], "attach") == 0)
		return attach(ifindex, argv[3], argv[4]);
	if (argc == 4 && ifindex && strcmp(argv[1], "detach") == 0)
		return detach(ifindex, argv[3]);
	fprintf(stderr, "usage: lab_foreign attach IFACE OBJECT PRIORITY | detach IFACE ID\n");
	return 2;
}
