// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/arquant/gateway.h"

#include "userspace/arquant/command.h"
#include "userspace/common/config.h"
#include "userspace/common/control.h"

#include <stdio.h>
#include <string.h>

static struct subcommand {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *summary;
	char verb[24]; /* for messages about options */
} subcommands[] = {
	{"drain", arq_gateway_drain, "give a target no new requests", "gateway drain"},
	{"reload", arq_gateway_reload, "have it read its configuration again", "gateway reload"},
	{"status", arq_gateway_status, "show listeners, pools, targets and workers",
	 "gateway status"},
	{NULL, NULL, NULL, ""},
};

static int print_help(void)
{
	printf("Usage: arquant gateway WHAT [OPTION...]\n"
	       "\n"
	       "The arquantd that runs on this host.\n"
	       "\n"
	       "What:\n");
	for (const struct subcommand *one = subcommands; one->name; one++)
		printf("  %-10s %s\n", one->name, one->summary);
	printf("\n"
	       "'arquant gateway WHAT --help' tells more.\n");
	return arq_command_finish("gateway");
}

int arq_command_gateway(int argc, char **argv)
{
	if (argc >= 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0))
		return print_help();
	if (argc < 2)
		return arq_command_usage("gateway", "what to do is missing");
	for (struct subcommand *one = subcommands; one->name; one++) {
		if (strcmp(argv[1], one->name) == 0) {
			argv[1] = one->verb;
			return one->run(argc - 1, argv + 1);
		}
	}
	return arq_command_usage("gateway", "'%.40s' is not known", argv[1]);
}

/*
 * A configuration that cannot be read (now that it is being changed, or by this user) does not hide
 * a daemon that listens at the usual place; one that was named must be right.
 */
int arq_gateway_ask(const struct arq_gateway_place *place, const char *command, const char *target,
		    struct json_object **answer, struct arq_error *error)
{
	const char *socket = place->socket;
	struct arq_config *config = NULL;
	struct arq_error why = {0};

	if (!socket) {
		int code = arq_config_load(place->config ? place->config : ARQ_CONFIG_PATH, &config,
					   &why);
		if (code != 0 && place->config)
			return arq_error_set(error, code, "%s", why.text);
		socket = config ? config->gateway.admin.control : ARQ_CONTROL_PATH;
	}
	int code = arq_control_command(socket, command, target, answer, error);
	arq_config_destroy(config);
	return code;
}
