// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/arquant/gateway.h"

#include "userspace/arquant/command.h"
#include "userspace/arquant/options.h"
#include "userspace/common/config.h"

#include <stdio.h>

#define VERB "gateway drain"

static const char help[] = "Usage: arquant gateway drain TARGET [OPTION...]\n"
			   "\n"
			   "Gives a target no new requests, in all pools that have it; those that "
			   "it has are finished.\n"
			   "TARGET is its address as the configuration writes it, 10.0.0.11:4433, "
			   "or a name with its\n"
			   "port, for all addresses that it has and gets. It holds until it is "
			   "taken back, or arquantd\n"
			   "ends; a reload does not change it.\n"
			   "\n"
			   "  -u, --undo         give it requests again\n" ARQ_GATEWAY_PLACE_HELP
			   "  -h, --help         print this\n";

int arq_gateway_drain(int argc, char **argv)
{
	struct arq_gateway_place place = {0};
	bool undo = false;
	const struct arq_option own[] = {
		ARQ_GATEWAY_PLACE_OPTIONS(&place),
		{.name = "undo", .letter = 'u', .flag = &undo},
		{0},
	};
	struct arq_options read = {.verb = VERB, .help = help, .own = own};
	struct json_object *answer = NULL;
	struct arq_error error = {0};
	int code;

	if (!arq_options_read(&read, argc, argv, &code))
		return code;
	if (read.names_count != 1)
		return arq_command_usage(VERB, "name one target");
	if (arq_gateway_ask(&place, undo ? "undrain" : "drain", read.names[0], &answer, &error) !=
	    0)
		return arq_command_fail(VERB, &error);
	json_object_put(answer);
	printf("%s: %s\n", read.names[0], undo ? "gets requests again" : "gets no new requests");
	return arq_command_finish(VERB);
}
