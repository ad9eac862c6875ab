// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/arquant/gateway.h"

#include "userspace/arquant/command.h"
#include "userspace/common/config.h"
#include "userspace/common/control.h"

static const struct arq_subcommand subcommands[] = {
	{"drain", arq_gateway_drain, "give a target no new requests"},
	{"reload", arq_gateway_reload, "have it read its configuration again"},
	{"status", arq_gateway_status, "show listeners, pools, targets and workers"},
	{0},
};

int arq_command_gateway(int argc, char **argv)
{
	static const struct arq_command_group group = {
		.verb = "gateway",
		.head = "Usage: arquant gateway WHAT [OPTION...]\n"
			"\n"
			"The arquantd that runs on this host.\n",
		.subcommands = subcommands,
	};

	return arq_command_run_group(&group, argc, argv);
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
