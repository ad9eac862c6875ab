// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/arquantd/exporter.h"

#include <errno.h>
#include <limits.h>
#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Collectors, not crowds. */
#define CLIENTS_MAX 8

/* Seconds in which a client must say or take something. */
#define PATIENCE 10

/* Of one client: request line and headers, and ours. */
#define BUFFER_MAX 16384

struct arq_exporter {
	struct arq_exporter_options options;
	struct MHD_Daemon *daemon;
};

/* --- answering
 * ------------------------------------------------------------------------------------ */

/* Takes the response over. */
static enum MHD_Result send_response(struct MHD_Connection *connection, unsigned int status,
				     struct MHD_Response *response, const char *name,
				     const char *value)
{
	if (!response)
		return MHD_NO; /* closes the connection */
	enum MHD_Result result = MHD_YES;
	if (name)
		result = MHD_add_response_header(response, name, value);
	if (result == MHD_YES)
		result = MHD_queue_response(connection, status, response);
	MHD_destroy_response(response);
	return result;
}

static enum MHD_Result refuse(struct MHD_Connection *connection, unsigned int status,
			      const char *text, const char *name, const char *value)
{
	return send_response(connection, status,
			     MHD_create_response_from_buffer(strlen(text), (void *)(uintptr_t)text,
							     MHD_RESPMEM_PERSISTENT),
			     name, value);
}

static enum MHD_Result send_text(const struct arq_exporter *exporter,
				 struct MHD_Connection *connection)
{
	size_t length = 0;
	char *text = exporter->options.text(exporter->options.user, &length);
	if (!text)
		return refuse(connection, MHD_HTTP_SERVICE_UNAVAILABLE, "out of memory\n", NULL,
			      NULL);
	struct MHD_Response *response =
		MHD_create_response_from_buffer(length, text, MHD_RESPMEM_MUST_FREE);
	if (!response)
		free(text);
	return send_response(connection, MHD_HTTP_OK, response, MHD_HTTP_HEADER_CONTENT_TYPE,
			     exporter->options.type);
}

static enum MHD_Result handle(void *user, struct MHD_Connection *connection, const char *url,
			      const char *method, const char *version, const char *upload,
			      size_t *upload_size, void **state)
{
	(void)version;
	(void)upload;
	/* The first call comes before a body; the answer to the second closes nothing early. */
	if (!*state) {
		*state = connection;
		return MHD_YES;
	}
	*upload_size = 0;
	if (strcmp(url, "/metrics") != 0)
		return refuse(connection, MHD_HTTP_NOT_FOUND, "metrics are at /metrics\n", NULL,
			      NULL);
	if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
		return refuse(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "ask by GET\n",
			      MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
	return send_text(user, connection);
}

/* --- life ------------------------------------------------------------------------------------- */

static int open_listener(const union arq_address *address)
{
	const int yes = 1;
	int fd = socket(address->sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	/* A restart must not wait for the kernel to forget old connections. */
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) < 0 ||
	    bind(fd, &address->sa, arq_address_length(address)) < 0 ||
	    listen(fd, CLIENTS_MAX) < 0) {
		int code = -errno;
		close(fd);
		return code;
	}
	return fd;
}

static int cannot_open(const union arq_address *address, int code, struct arq_error *error)
{
	char text[ARQ_ADDRESS_TEXT_MAX];
	return arq_error_set(error, code,
			     "metrics on %s: %s; name an address of this host and a free port in "
			     "gateway.admin.metrics",
			     arq_address_format(address, text), strerror(-code));
}

int arq_exporter_open(const struct arq_exporter_options *options, struct arq_exporter **exporter,
		      struct arq_error *error)
{
	struct arq_exporter *made = calloc(1, sizeof(*made));
	if (!made)
		return arq_error_set(error, -ENOMEM, "out of memory");
	made->options = *options;
	int fd = open_listener(&options->address);
	if (fd < 0) {
		free(made);
		return cannot_open(&options->address, fd, error);
	}
	made->daemon = MHD_start_daemon(MHD_USE_EPOLL, 0, NULL, NULL, handle, made,
					MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT,
					(unsigned int)CLIENTS_MAX, MHD_OPTION_CONNECTION_TIMEOUT,
					(unsigned int)PATIENCE, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
					(size_t)BUFFER_MAX, MHD_OPTION_END);
	if (!made->daemon) {
		close(fd);
		free(made);
		return cannot_open(&options->address, -ENOMEM, error);
	}
	*exporter = made;
	return 0;
}

int arq_exporter_fd(const struct arq_exporter *exporter)
{
	return MHD_get_daemon_info(exporter->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
}

int arq_exporter_timeout(const struct arq_exporter *exporter)
{
	MHD_UNSIGNED_LONG_LONG timeout;
	if (MHD_get_timeout(exporter->daemon, &timeout) != MHD_YES)
		return -1;
	return timeout < INT_MAX ? (int)timeout : INT_MAX;
}

void arq_exporter_serve(struct arq_exporter *exporter)
{
	MHD_run(exporter->daemon);
}

void arq_exporter_close(struct arq_exporter *exporter)
{
	if (!exporter)
		return;
	MHD_stop_daemon(exporter->daemon); /* closes the listener, too */
	free(exporter);
}
