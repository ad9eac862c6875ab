/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Asking a running arquantd over its control socket: a stream socket of the UNIX domain that takes
 * one line of JSON and answers with one line of JSON (ARCHITECTURE.md has the protocol).
 */
#ifndef ARQUANT_COMMON_CONTROL_H
#define ARQUANT_COMMON_CONTROL_H

#include "userspace/common/error.h"

#include <json-c/json.h>

/* Where arquantd makes it unless gateway.admin.control says otherwise. */
#define ARQ_CONTROL_PATH "/run/arquant/control.sock"

/* A request line, its line break included, at most. */
#define ARQ_CONTROL_REQUEST_MAX 4096

/*
 * Sends a request (JSON without line breaks) to the socket at `path` and waits for the answer, half
 * a minute at most. Returns 0 and *answer, a line to free(3); or a negative errno with the reason
 * in `error`.
 */
int arq_control_ask(const char *path, const char *request, char **answer, struct arq_error *error);

/*
 * Has `command` done, with `target` beside it (NULL: none). Returns 0 and *answer, an object to
 * json_object_put; or a negative errno with the reason in `error`: -EREMOTEIO when the daemon
 * refused, the reason is then its own.
 */
int arq_control_command(const char *path, const char *command, const char *target,
			struct json_object **answer, struct arq_error *error);

#endif
