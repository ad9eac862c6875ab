// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/common/control.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

/* A reload reads files and waits for every worker; more than that is a daemon that hangs. */
#define PATIENCE_SECONDS 30

static int cannot_connect(const char *path, int code, struct arq_error *error)
{
	const char *advice = "see gateway.admin.control of the configuration";

	if (code == -ENOENT || code == -ECONNREFUSED)
		advice = "arquantd does not run, or was told another gateway.admin.control";
	else if (code == -EACCES)
		advice = "be root, or of the group of arquantd's user";
	return arq_error_set(error, code, "control socket %s: %s; %s", path, strerror(-code),
			     advice);
}

static int open_socket(const char *path, struct arq_error *error)
{
	const struct timeval patience = {.tv_sec = PATIENCE_SECONDS};
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	if (strlen(path) >= sizeof(address.sun_path))
		return arq_error_set(error, -ENAMETOOLONG,
				     "control socket %s: the name is too long for a socket", path);
	strcpy(address.sun_path, path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return cannot_connect(path, -errno, error);
	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) < 0 ||
	    connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0) {
		int code = cannot_connect(path, -errno, error);
		close(fd);
		return code;
	}
	return fd;
}

static int send_line(int fd, const char *request)
{
	size_t length = strlen(request);
	char line[ARQ_CONTROL_REQUEST_MAX];

	if (length + 1 > sizeof(line))
		return -EMSGSIZE;
	memcpy(line, request, length);
	line[length++] = '\n';
	for (size_t sent = 0; sent < length;) {
		ssize_t count = send(fd, line + sent, length - sent, MSG_NOSIGNAL);
		if (count < 0 && errno != EINTR)
			return -errno;
		sent += count > 0 ? (size_t)count : 0;
	}
	return 0;
}

/* Up to the line break, or the end. */
static int read_line(int fd, char **answer)
{
	FILE *stream = fdopen(dup(fd), "re");
	size_t room = 0;

	*answer = NULL;
	if (!stream)
		return -errno;
	errno = 0;
	ssize_t length = getline(answer, &room, stream);
	int code = length > 0 ? 0 : errno ? -errno : -ECONNRESET;
	fclose(stream);
	if (code == 0)
		(*answer)[strcspn(*answer, "\n")] = '\0';
	else
		free(*answer);
	return code;
}

int arq_control_ask(const char *path, const char *request, char **answer, struct arq_error *error)
{
	int fd = open_socket(path, error);

	if (fd < 0)
		return fd;
	int code = send_line(fd, request);
	if (code == 0)
		code = read_line(fd, answer);
	close(fd);
	if (code == -EAGAIN)
		return arq_error_set(error, -ETIMEDOUT,
				     "arquantd did not answer on %s within %d s; see its log", path,
				     PATIENCE_SECONDS);
	if (code != 0)
		return arq_error_set(error, code,
				     "control socket %s: %s; the daemon ended, or had more to do "
				     "than it takes at once; try again",
				     path, strerror(-code));
	return 0;
}

/* What the daemon said, unless it is not what it should be. */
static int read_answer(const char *line, struct json_object **answer, struct arq_error *error)
{
	struct json_object *object = json_tokener_parse(line), *ok = NULL, *text = NULL;

	if (!json_object_object_get_ex(object, "ok", &ok)) {
		json_object_put(object);
		return arq_error_set(error, -EPROTO,
				     "the answer is not arquantd's; are both of one version?");
	}
	if (json_object_get_boolean(ok)) {
		*answer = object;
		return 0;
	}
	json_object_object_get_ex(object, "error", &text);
	int code = arq_error_set(error, -EREMOTEIO, "%s",
				 text ? json_object_get_string(text) : "arquantd refused");
	json_object_put(object);
	return code;
}

int arq_control_command(const char *path, const char *command, const char *target,
			struct json_object **answer, struct arq_error *error)
{
	struct json_object *request = json_object_new_object();
	char *line = NULL;

	json_object_object_add(request, "command", json_object_new_string(command));
	if (target)
		json_object_object_add(request, "target", json_object_new_string(target));
	int code = arq_control_ask(path,
				   json_object_to_json_string_ext(request, JSON_C_TO_STRING_PLAIN),
				   &line, error);
	json_object_put(request);
	if (code == 0)
		code = read_answer(line, answer, error);
	free(line);
	return code;
}
