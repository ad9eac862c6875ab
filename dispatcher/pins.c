// SPDX-License-Identifier: BSD-2-Clause
#include "dispatcher/pins.h"

#include "dispatcher/kernel.h"

#include "progs/program.h"

#include <arquant/program.h>

#include <bpf/bpf.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#define DIRECTORY_MODE 0700 /* maps are configuration: root's alone */

#define LOCK_WAIT_MS  30000
#define LOCK_PAUSE_MS 20

/* Our directories are three deep: root, interface, program. */
#define DEPTH_MAX 3

static int format_path(char path[PATH_MAX], const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static int format_path(char path[PATH_MAX], const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	int length = vsnprintf(path, PATH_MAX, format, arguments);
	va_end(arguments);
	return length < 0 || length >= PATH_MAX ? -ENAMETOOLONG : 0;
}

static int root_path(char path[PATH_MAX])
{
	return format_path(path, "%s/" ARQ_PIN_ROOT, arq_kernel_bpffs());
}

/*
 * Inode number of the calling thread's network namespace: what names it in our directories. The
 * link is read ("net:[4026531840]", namespaces(7)), not followed: AppArmor refuses that to whom it
 * confines, even where a profile only complains.
 */
static int namespace_number(uint64_t *number)
{
	char text[64];

	ssize_t length = readlink("/proc/thread-self/ns/net", text, sizeof(text) - 1);
	if (length < 0)
		return -errno;
	text[length] = '\0';
	return sscanf(text, "net:[%" SCNu64 "]", number) == 1 ? 0 : -EPROTO;
}

/*
 * Locks what is at `path` now. A descriptor of a directory that another process removed while we
 * waited locks nothing that anybody else would see. Returns it, -EAGAIN then, -EWOULDBLOCK when
 * another process holds it, or a negative errno.
 */
static int lock_directory(const char *path)
{
	struct stat held, now;

	int lock = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (lock < 0)
		return errno == ENOENT ? -EAGAIN : -errno;

	int code = 0;
	if (flock(lock, LOCK_EX | LOCK_NB) || fstat(lock, &held))
		code = errno == EWOULDBLOCK ? -EBUSY : -errno;
	else if (stat(path, &now) || held.st_ino != now.st_ino)
		code = -EAGAIN;
	if (code == 0)
		return lock;
	close(lock);
	return code;
}

/* Who holds the lock, as the kernel lists it; 0 when it is not found. */
static int lock_holder(const char *path)
{
	unsigned int major, minor;
	uint64_t inode;
	struct stat status;
	char line[256];
	int holder = 0, pid;

	FILE *locks = stat(path, &status) ? NULL : fopen("/proc/locks", "re");
	if (!locks)
		return 0;
	while (holder == 0 && fgets(line, sizeof(line), locks)) {
		if (sscanf(line, "%*u: FLOCK ADVISORY WRITE %d %x:%x:%" SCNu64, &pid, &major,
			   &minor, &inode) == 4 &&
		    inode == status.st_ino && makedev(major, minor) == status.st_dev)
			holder = pid;
	}
	fclose(locks);
	return holder;
}

/* The kernel has no flock() with a time limit. */
static int wait_for_lock(const char *path)
{
	const struct timespec pause = {.tv_nsec = LOCK_PAUSE_MS * 1000000L};

	for (int waited = 0;; waited += LOCK_PAUSE_MS) {
		int lock = -EAGAIN;
		/* Each turn means that another process has just finished its work. */
		while (lock == -EAGAIN) {
			if (mkdir(path, DIRECTORY_MODE) && errno != EEXIST)
				return -errno;
			lock = lock_directory(path);
		}
		if (lock != -EBUSY || waited >= LOCK_WAIT_MS)
			return lock;
		if (arq_kernel_interrupted())
			return -EINTR;
		nanosleep(&pause, NULL);
	}
}

int arq_pins_lock(struct arq_error *error)
{
	char path[PATH_MAX];

	int code = root_path(path);
	int lock = code ? code : wait_for_lock(path);
	if (lock >= 0)
		return lock;
	if (lock == -EINTR)
		return arq_error_set(error, lock,
				     "interrupted while another arquant (pid %d) was at "
				     "work; nothing was changed",
				     lock_holder(path));
	if (lock == -EBUSY)
		return arq_error_set(error, lock,
				     "another arquant (pid %d) has been changing programs for %d "
				     "seconds and holds the lock %s; wait for it, or end it",
				     lock_holder(path), LOCK_WAIT_MS / 1000, path);
	return arq_error_set(error, lock, "cannot lock %s: %s", path, strerror(-lock));
}

/* Is there a directory of any interface? When in doubt, yes. */
static bool root_in_use(const char *root)
{
	DIR *stream = opendir(root);
	if (!stream)
		return true;

	bool used = false;
	struct dirent *entry;
	while (!used && (entry = readdir(stream)))
		used = entry->d_type == DT_DIR && entry->d_name[0] != '.';
	closedir(stream);
	return used;
}

void arq_pins_unlock(int lock)
{
	char root[PATH_MAX], packet[PATH_MAX];
	struct arq_error ignored = {0};

	/* Some maps serve all interfaces: they go with the last. */
	if (root_path(root) == 0 && !root_in_use(root) && arq_pins_packet_path(packet) == 0)
		arq_program_unpin_machine(packet, &ignored);
	close(lock);
}

int arq_pins_path(char path[PATH_MAX], unsigned int ifindex)
{
	uint64_t number = 0;

	int code = namespace_number(&number);
	if (code)
		return code;
	return format_path(path, "%s/" ARQ_PIN_ROOT "/%" PRIu64 "-%u", arq_kernel_bpffs(), number,
			   ifindex);
}

uint32_t arq_pins_map_id(const char *directory, const char *name, const char *map)
{
	char path[PATH_MAX];
	if (format_path(path, "%s/%s/%s", directory, name, map))
		return 0;

	/* Also where the file system is read-only. */
	LIBBPF_OPTS(bpf_obj_get_opts, options, .file_flags = BPF_F_RDONLY);
	int descriptor = bpf_obj_get_opts(path, &options);
	if (descriptor < 0)
		return 0;

	struct bpf_map_info info = {0};
	__u32 length = sizeof(info);
	int code = bpf_obj_get_info_by_fd(descriptor, &info, &length);
	close(descriptor);
	return code ? 0 : info.id;
}

int arq_pins_packet_path(char path[PATH_MAX])
{
	return format_path(path, "%s/" ARQ_PIN_ROOT "/" ARQ_PIN_PACKET, arq_kernel_bpffs());
}

/* Empties a directory and removes it; `depth` bounds what could only be somebody's bind mount. */
static int remove_tree(const char *directory, int depth)
{
	DIR *stream = opendir(directory);
	if (!stream)
		return errno == ENOENT ? 0 : -errno;

	int code = depth > DEPTH_MAX ? -ELOOP : 0;
	struct dirent *entry;
	while (code == 0 && (entry = readdir(stream))) {
		char path[PATH_MAX];
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		code = format_path(path, "%s/%s", directory, entry->d_name);
		if (code == 0 && entry->d_type == DT_DIR)
			code = remove_tree(path, depth + 1);
		else if (code == 0 && unlink(path))
			code = -errno;
	}
	closedir(stream);
	if (code == 0 && rmdir(directory))
		code = -errno;
	return code;
}

int arq_pins_remove(const char *directory)
{
	return remove_tree(directory, 1);
}

/* Decimal digits only: strtoull alone would take signs and blanks. */
static bool parse_number(const char **text, uint64_t *number)
{
	char *end;

	if (**text < '0' || **text > '9')
		return false;
	errno = 0;
	*number = strtoull(*text, &end, 10);
	*text = end;
	return errno == 0;
}

bool arq_pins_parse(const char *name, const char *prefix, uint64_t *first, uint64_t *second)
{
	size_t length = strlen(prefix);

	if (strncmp(name, prefix, length) != 0)
		return false;
	name += length;
	return parse_number(&name, first) && *name++ == '-' && parse_number(&name, second) &&
	       *name == '\0';
}

int arq_pins_walk(int (*visit)(const char *directory, unsigned int ifindex, bool here,
			       void *context),
		  void *context)
{
	char root[PATH_MAX], path[PATH_MAX];
	uint64_t here = 0, number, ifindex;

	int code = namespace_number(&here);
	if (code == 0)
		code = root_path(root);
	if (code)
		return code;
	DIR *stream = opendir(root);
	if (!stream)
		return errno == ENOENT ? 0 : -errno;

	struct dirent *entry;
	while (code == 0 && (entry = readdir(stream))) {
		if (!arq_pins_parse(entry->d_name, "", &number, &ifindex) || ifindex > UINT_MAX)
			continue;
		code = format_path(path, "%s/%s", root, entry->d_name);
		if (code == 0)
			code = visit(path, (unsigned int)ifindex, number == here, context);
	}
	closedir(stream);
	return code;
}
