// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/arquant/sampler_file.h"

#include "progs/sampler/pcapng.h"
#include "userspace/arquant/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct known {
	uint32_t ifindex;
	char name[IF_NAMESIZE];
};

struct arq_capture_file {
	struct arq_capture_file_options options;
	struct arq_pcapng *pcapng;
	int fd; /* -1 for stdout */
	uint64_t count; /* of files begun */
	uint64_t packets; /* in this file */
	uint64_t begun_ns; /* monotonic */
	/* Names of interfaces that were seen, for the interface blocks; later ones over older ones.
	 */
	uint64_t known_count;
	struct known known[ARQ_PCAPNG_INTERFACES_MAX];
};

/* --- names of interfaces ---------------------------------------------------------------------- */

static unsigned int known_places(const struct arq_capture_file *file)
{
	return file->known_count < ARQ_PCAPNG_INTERFACES_MAX ? (unsigned int)file->known_count
							     : ARQ_PCAPNG_INTERFACES_MAX;
}

static void learn_name(struct arq_capture_file *file, uint32_t ifindex, const char *name)
{
	struct known *known = NULL;

	for (unsigned int i = 0; !known && i < known_places(file); i++) {
		if (file->known[i].ifindex == ifindex)
			known = &file->known[i];
	}
	if (!known)
		known = &file->known[file->known_count++ % ARQ_PCAPNG_INTERFACES_MAX];
	known->ifindex = ifindex;
	snprintf(known->name, sizeof(known->name), "%s", name);
}

static void tell_name(uint32_t ifindex, char name[IF_NAMESIZE], void *context)
{
	const struct arq_capture_file *file = context;

	snprintf(name, IF_NAMESIZE, "if%u", ifindex);
	for (unsigned int i = 0; i < known_places(file); i++) {
		if (file->known[i].ifindex == ifindex)
			memcpy(name, file->known[i].name, IF_NAMESIZE);
	}
}

/* --- files ------------------------------------------------------------------------------------ */

static bool rotates(const struct arq_capture_file *file)
{
	return file->options.rotate_bytes || file->options.rotate_ns;
}

/* "dir/name.pcapng" and 7 make "dir/name-000007.pcapng". */
static int name_file(const struct arq_capture_file *file, uint64_t number, char path[PATH_MAX])
{
	const char *whole = file->options.path;
	const char *slash = strrchr(whole, '/');
	const char *dot = strrchr(slash ? slash : whole, '.');
	int length;

	if (!rotates(file))
		length = snprintf(path, PATH_MAX, "%s", whole);
	else if (dot)
		length = snprintf(path, PATH_MAX, "%.*s-%06llu%s", (int)(dot - whole), whole,
				  (unsigned long long)number, dot);
	else
		length = snprintf(path, PATH_MAX, "%s-%06llu", whole, (unsigned long long)number);
	return length < 0 || length >= PATH_MAX ? -ENAMETOOLONG : 0;
}

static int open_next(struct arq_capture_file *file)
{
	struct arq_pcapng_options options = {.fd = STDOUT_FILENO,
					     .interface_name = tell_name,
					     .context = file,
					     .application = "arquant " ARQUANT_VERSION};
	char path[PATH_MAX];

	file->count++;
	file->packets = 0;
	file->begun_ns = arq_loop_now_ns();
	if (strcmp(file->options.path, "-") != 0) {
		int code = name_file(file, file->count, path);
		if (code)
			return code;
		file->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
		if (file->fd < 0)
			return -errno;
		options.fd = file->fd;
	}
	return arq_pcapng_create(&options, &file->pcapng);
}

static int close_current(struct arq_capture_file *file)
{
	int fd = file->fd;

	arq_pcapng_destroy(file->pcapng);
	file->pcapng = NULL;
	file->fd = -1;
	return fd >= 0 && close(fd) ? -errno : 0;
}

static void remove_oldest(const struct arq_capture_file *file)
{
	char path[PATH_MAX];

	if (file->options.keep && file->count > file->options.keep &&
	    name_file(file, file->count - file->options.keep, path) == 0)
		unlink(path);
}

/* A file without a packet is not worth a new one. */
static bool is_time(const struct arq_capture_file *file)
{
	const struct arq_capture_file_options *options = &file->options;

	if (!file->packets)
		return false;
	if (options->rotate_bytes && arq_pcapng_size(file->pcapng) >= options->rotate_bytes)
		return true;
	return options->rotate_ns && arq_loop_now_ns() - file->begun_ns >= options->rotate_ns;
}

static int change_files(struct arq_capture_file *file)
{
	int code = arq_pcapng_finish(file->pcapng);
	int closed = close_current(file);

	if (!code)
		code = closed;
	if (!code)
		code = open_next(file);
	if (!code)
		remove_oldest(file);
	return code;
}

int arq_capture_file_open(const struct arq_capture_file_options *options,
			  struct arq_capture_file **file, struct arq_error *error)
{
	struct arq_capture_file *made = calloc(1, sizeof(*made));

	*file = NULL;
	if (!made)
		return arq_error_set(error, -ENOMEM, "no memory for the output");
	made->options = *options;
	made->fd = -1;
	int code = open_next(made);
	if (code) {
		arq_capture_file_close(made);
		return arq_error_set(error, code, "cannot write %s: %s; choose another file",
				     options->path, strerror(-code));
	}
	*file = made;
	return 0;
}

int arq_capture_file_write(struct arq_capture_file *file, const struct arq_watch_sample *seen)
{
	learn_name(file, seen->sample->ifindex, seen->interface);
	int code = rotates(file) && is_time(file) ? change_files(file) : 0;
	if (code)
		return code;
	code = arq_pcapng_write(file->pcapng, seen->sample, seen->lost, seen->rule_name);
	if (code == -E2BIG && rotates(file)) {
		code = change_files(file);
		if (!code)
			code = arq_pcapng_write(file->pcapng, seen->sample, seen->lost,
						seen->rule_name);
	}
	file->packets += code == 0;
	return code;
}

int arq_capture_file_lost(struct arq_capture_file *file, uint32_t ifindex, const char *interface,
			  uint64_t lost)
{
	learn_name(file, ifindex, interface);
	return lost ? arq_pcapng_lost(file->pcapng, ifindex, lost) : 0;
}

int arq_capture_file_flush(struct arq_capture_file *file)
{
	if (rotates(file) && is_time(file))
		return change_files(file);
	return arq_pcapng_flush(file->pcapng);
}

int arq_capture_file_finish(struct arq_capture_file *file)
{
	return arq_pcapng_finish(file->pcapng);
}

uint64_t arq_capture_file_count(const struct arq_capture_file *file)
{
	return file->count;
}

int arq_capture_file_close(struct arq_capture_file *file)
{
	if (!file)
		return 0;
	int code = close_current(file);
	free(file);
	return code;
}
