/* SPDX-License-Identifier: BSD-2-Clause */
/* What the subcommands of `arquant gateway` share: one entry point each, and the way to arquantd.
 */
#ifndef ARQUANT_COMMAND_GATEWAY_H
#define ARQUANT_COMMAND_GATEWAY_H

#include "userspace/common/error.h"

#include <json-c/json.h>

/* `argv[0]` is the name for messages, "gateway reload". Return an exit status. */
int arq_gateway_drain(int argc, char **argv);
int arq_gateway_reload(int argc, char **argv);
int arq_gateway_status(int argc, char **argv);

/* Where to find arquantd, from the options that all have. */
struct arq_gateway_place {
	const char *config; /* NULL: the usual one, if it can be read */
	const char *socket; /* NULL: what the configuration says */
};

/* These options, for a table of options.h, and their part of a usage text. */
#define ARQ_GATEWAY_PLACE_OPTIONS(place)                                  \
	{.name = "config", .letter = 'c', .text = &(place)->config},      \
	{                                                                 \
		.name = "socket", .letter = 's', .text = &(place)->socket \
	}
#define ARQ_GATEWAY_PLACE_HELP                                                        \
	"  -c, --config FILE  of the arquantd to ask (default " ARQ_CONFIG_PATH ")\n" \
	"  -s, --socket PATH  its control socket (default: what the configuration says)\n"

/*
 * Has arquantd do a command, with `target` beside it (NULL: none). Returns 0 and *answer, an object
 * to json_object_put; or a negative errno with the reason in `error`.
 */
int arq_gateway_ask(const struct arq_gateway_place *place, const char *command, const char *target,
		    struct json_object **answer, struct arq_error *error);

#endif
