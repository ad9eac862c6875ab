/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The daemon's end of the control socket (userspace/common/control.h): takes a line of JSON from
 * whoever may connect, has it answered, sends a line of JSON, and closes. Main thread only; nothing
 * blocks. A few connections at a time; who comes when all are in use takes the place of the oldest,
 * so that nobody who connects and says nothing is in the way.
 *
 * Who may connect is the file's mode: its owner and group, 0660. Anybody who can may reload and
 * drain, so neither is to be given away lightly.
 */
#ifndef ARQUANT_ARQUANTD_CONTROL_H
#define ARQUANT_ARQUANTD_CONTROL_H

#include "userspace/common/error.h"

#include <json-c/json.h>
#include <sys/types.h>

struct arq_control;

struct arq_control_options {
	const char *path;
	gid_t group; /* that the socket is given to, when we are root; (gid_t)-1: none */
	/*
	 * Answers a command. `request` is the whole object, borrowed. Returns an object that this
	 * takes over, or NULL for want of memory.
	 */
	struct json_object *(*answer)(void *user, const char *command, struct json_object *request);
	void *user;
};

/*
 * Makes the socket; a file that a dead daemon left is replaced. Returns 0 and *control, or a
 * negative errno with the reason in `error` (-EADDRINUSE: another daemon listens there).
 */
int arq_control_open(const struct arq_control_options *options, struct arq_control **control,
		     struct arq_error *error);

/* Readable when there is something to do. */
int arq_control_fd(const struct arq_control *control);

/* Does what there is to do. */
void arq_control_serve(struct arq_control *control);

/* {"ok": false, "error": text}; NULL for want of memory. */
struct json_object *arq_control_error(const char *text);

/* Closes and removes the socket, as far as we may. NULL is allowed. */
void arq_control_close(struct arq_control *control);

#endif
