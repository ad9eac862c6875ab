// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/arquantd/control.h"

#include "userspace/common/control.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* Operators and their scripts, not crowds. */
#define CLIENTS_MAX 8

/* A request is a flat object. */
#define DEPTH_MAX 4

struct client {
	int fd; /* -1: free */
	uint64_t since; /* the order in which they came */
	size_t received;
	char request[ARQ_CONTROL_REQUEST_MAX];
	char *answer; /* NULL until there is one */
	size_t length, sent;
};

struct arq_control {
	struct arq_control_options options;
	char *path;
	int listener, epoll;
	uint64_t arrivals;
	struct client clients[CLIENTS_MAX];
};

/* --- clients ---------------------------------------------------------------------------------- */

static void client_end(struct client *client)
{
	close(client->fd); /* and out of the epoll */
	free(client->answer);
	client->answer = NULL;
	client->fd = -1;
}

static struct client *place(struct arq_control *control)
{
	struct client *oldest = &control->clients[0];
	for (size_t i = 0; i < CLIENTS_MAX; i++) {
		struct client *client = &control->clients[i];
		if (client->fd < 0)
			return client;
		if (client->since < oldest->since)
			oldest = client;
	}
	client_end(oldest);
	return oldest;
}

static void accept_client(struct arq_control *control)
{
	int fd = accept4(control->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0)
		return;
	struct client *client = place(control);
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = client};
	client->fd = fd;
	client->since = control->arrivals++;
	client->received = client->length = client->sent = 0;
	if (epoll_ctl(control->epoll, EPOLL_CTL_ADD, fd, &event) < 0)
		client_end(client);
}

static void send_answer(struct arq_control *control, struct client *client)
{
	while (client->sent < client->length) {
		ssize_t count = send(client->fd, client->answer + client->sent,
				     client->length - client->sent, MSG_NOSIGNAL);
		if (count < 0 && errno == EINTR)
			continue;
		if (count < 0 && errno == EAGAIN) {
			struct epoll_event event = {.events = EPOLLOUT, .data.ptr = client};
			epoll_ctl(control->epoll, EPOLL_CTL_MOD, client->fd, &event);
			return;
		}
		if (count < 0)
			break;
		client->sent += (size_t)count;
	}
	client_end(client);
}

struct json_object *arq_control_error(const char *text)
{
	struct json_object *answer = json_object_new_object();
	json_object_object_add(answer, "ok", json_object_new_boolean(false));
	json_object_object_add(answer, "error", json_object_new_string(text));
	return answer;
}

static struct json_object *answer_line(struct arq_control *control, const char *line, size_t length)
{
	struct json_tokener *tokener = json_tokener_new_ex(DEPTH_MAX);
	if (!tokener)
		return NULL;
	struct json_object *request = json_tokener_parse_ex(tokener, line, (int)length);
	bool whole = json_tokener_get_error(tokener) == json_tokener_success &&
		     json_tokener_get_parse_end(tokener) == length;
	json_tokener_free(tokener);

	struct json_object *command = NULL, *answer;
	if (!whole || !json_object_object_get_ex(request, "command", &command) ||
	    !json_object_is_type(command, json_type_string))
		answer = arq_control_error("a request is one JSON object with a \"command\"");
	else
		answer = control->options.answer(control->options.user,
						 json_object_get_string(command), request);
	json_object_put(request);
	return answer;
}

static void answer_client(struct arq_control *control, struct client *client, size_t length)
{
	struct json_object *object = answer_line(control, client->request, length);
	const char *text =
		object ? json_object_to_json_string_length(
				 object, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE,
				 &client->length)
		       : NULL;
	if (text)
		client->answer = malloc(client->length + 1);
	if (client->answer) {
		memcpy(client->answer, text, client->length);
		client->answer[client->length++] = '\n';
	}
	json_object_put(object);
	if (client->answer)
		send_answer(control, client);
	else
		client_end(client);
}

static void receive(struct arq_control *control, struct client *client)
{
	ssize_t count = recv(client->fd, client->request + client->received,
			     sizeof(client->request) - client->received, 0);
	if (count < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (count <= 0) {
		client_end(client);
		return;
	}
	client->received += (size_t)count;
	const char *end = memchr(client->request, '\n', client->received);
	if (end)
		answer_client(control, client, (size_t)(end - client->request));
	else if (client->received == sizeof(client->request))
		client_end(client);
}

void arq_control_serve(struct arq_control *control)
{
	struct epoll_event events[CLIENTS_MAX + 1];
	int count = epoll_wait(control->epoll, events, CLIENTS_MAX + 1, 0);
	bool arrival = false;
	for (int i = 0; i < count; i++) {
		struct client *client = events[i].data.ptr;
		if (!client)
			arrival = true;
		else if (client->answer)
			send_answer(control, client);
		else
			receive(control, client);
	}
	/* Last: a new one may take the place of one that has an event above. */
	if (arrival)
		accept_client(control);
}

/* --- the socket ------------------------------------------------------------------------------- */

/* A file there may be a daemon's that runs, or what one that was killed left. */
static int clear_path(const struct sockaddr_un *address)
{
	struct stat there;
	if (lstat(address->sun_path, &there) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(there.st_mode))
		return -EEXIST;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	int code = connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0
			   ? -EADDRINUSE
			   : -errno;
	close(fd);
	if (code != -ECONNREFUSED)
		return code;
	return unlink(address->sun_path) == 0 ? 0 : -errno;
}

/*
 * The file is born with its group: giving it away later would take CAP_CHOWN, which the service
 * does not have. Nobody else may connect in the moment before it has its mode.
 */
static int bind_as_group(int fd, const struct sockaddr_un *address, gid_t group)
{
	gid_t before = getegid();
	if (geteuid() == 0 && group != (gid_t)-1 && setegid(group) < 0)
		return -errno;
	mode_t mask = umask(0177);
	int code = bind(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 ? -errno : 0;
	umask(mask);
	if (getegid() != before && setegid(before) < 0)
		return -errno;
	return code;
}

static int bind_socket(struct arq_control *control)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	if (strlen(control->path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	strcpy(address.sun_path, control->path);
	int code = clear_path(&address);
	if (code != 0)
		return code;
	control->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (control->listener < 0)
		return -errno;
	code = bind_as_group(control->listener, &address, control->options.group);
	if (code != 0) {
		close(control->listener);
		control->listener = -1;
		return code;
	}
	if (chmod(address.sun_path, 0660) < 0 || listen(control->listener, CLIENTS_MAX) < 0)
		return -errno;
	return 0;
}

static int watch(struct arq_control *control)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
	control->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (control->epoll < 0 ||
	    epoll_ctl(control->epoll, EPOLL_CTL_ADD, control->listener, &event) < 0)
		return -errno;
	return 0;
}

static int cannot_open(const char *path, int code, struct arq_error *error)
{
	const char *advice = "name another in gateway.admin.control";
	if (code == -EADDRINUSE)
		advice = "another arquantd listens there; stop it, or name another in "
			 "gateway.admin.control";
	else if (code == -ENOENT)
		advice = "make its directory, or name another in gateway.admin.control";
	return arq_error_set(error, code, "control socket %s: %s; %s", path, strerror(-code),
			     advice);
}

int arq_control_open(const struct arq_control_options *options, struct arq_control **control,
		     struct arq_error *error)
{
	struct arq_control *made = calloc(1, sizeof(*made));
	if (!made)
		return arq_error_set(error, -ENOMEM, "out of memory");
	made->options = *options;
	made->listener = made->epoll = -1;
	for (size_t i = 0; i < CLIENTS_MAX; i++)
		made->clients[i].fd = -1;
	made->path = strdup(options->path);
	int code = made->path ? bind_socket(made) : -ENOMEM;
	if (code == 0)
		code = watch(made);
	if (code != 0) {
		arq_control_close(made);
		return cannot_open(options->path, code, error);
	}
	*control = made;
	return 0;
}

int arq_control_fd(const struct arq_control *control)
{
	return control->epoll;
}

void arq_control_close(struct arq_control *control)
{
	if (!control)
		return;
	for (size_t i = 0; i < CLIENTS_MAX; i++) {
		if (control->clients[i].fd >= 0)
			client_end(&control->clients[i]);
	}
	if (control->listener >= 0) {
		close(control->listener);
		/* After the privileges went this may be refused; the next start replaces it. */
		unlink(control->path);
	}
	if (control->epoll >= 0)
		close(control->epoll);
	free(control->path);
	free(control);
}
