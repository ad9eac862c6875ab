// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/arquant/gateway.h"

#include "userspace/arquant/command.h"
#include "userspace/arquant/options.h"
#include "userspace/common/config.h"

#include <inttypes.h>
#include <stdio.h>

#define VERB "gateway reload"

static const char help[] =
	"Usage: arquant gateway reload [OPTION...]\n"
	"\n"
	"Has arquantd read its configuration and all files that it names again, and waits until\n"
	"every worker has taken it. What is wrong with it is said here, and the old one stays in\n"
	"force. Requests in progress finish by the configuration that they began with; pools that\n"
	"did not change keep their connections. Workers, user and sockets need a restart.\n"
	"\n" ARQ_GATEWAY_PLACE_HELP "  -h, --help         print this\n";

static int reload(const struct arq_gateway_place *place)
{
	struct json_object *answer = NULL, *generation = NULL;
	struct arq_error error = {0};

	if (arq_gateway_ask(place, "reload", NULL, &answer, &error) != 0)
		return arq_command_fail(VERB, &error);
	json_object_object_get_ex(answer, "generation", &generation);
	printf("reloaded: generation %" PRId64 "\n", json_object_get_int64(generation));
	json_object_put(answer);
	return arq_command_finish(VERB);
}

int arq_gateway_reload(int argc, char **argv)
{
	struct arq_gateway_place place = {0};
	const struct arq_option own[] = {ARQ_GATEWAY_PLACE_OPTIONS(&place), {0}};
	struct arq_options read = {.verb = VERB, .help = help, .own = own};
	int code;

	if (!arq_options_read(&read, argc, argv, &code))
		return code;
	if (read.names_count > 0)
		return arq_command_usage(VERB, "'%.40s' is too much", read.names[0]);
	return reload(&place);
}
