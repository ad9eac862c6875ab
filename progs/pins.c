// SPDX-License-Identifier: BSD-2-Clause
#include "progs/pins.h"

#include <bpf/bpf.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* Tables last: by then everything else is known to work. */
const struct arq_map_role arq_map_roles[ARQ_MAP_ROLES_MAX] = {
	{".bss.arq_packet", ARQ_PIN_PACKET, ARQ_MAP_MACHINE},
	{"readers", "readers", ARQ_MAP_INTERFACE},
	{".bss.counters", "counters", ARQ_MAP_KEPT},
	{".bss.firewall", "counters_firewall", ARQ_MAP_KEPT},
	{".bss.sampler", "counters_sampler", ARQ_MAP_KEPT},
	{".bss.redirect", "counters_redirect", ARQ_MAP_KEPT},
	{".bss.services", "services", ARQ_MAP_KEPT},
	{"xsks", "xsks", ARQ_MAP_KEPT},
	{".bss.too_big", "too_big", ARQ_MAP_MACHINE},
	{".bss.limits", "limits", ARQ_MAP_KEPT},
	{"limit_sources", "limit_sources", ARQ_MAP_KEPT},
	{"quic_sources", "quic_sources", ARQ_MAP_KEPT},
	{"knock_progress", "knock_progress", ARQ_MAP_KEPT},
	{"knock_open", "knock_open", ARQ_MAP_KEPT},
	{".bss.blocks", "block_state", ARQ_MAP_KEPT},
	{"blocks", "blocks", ARQ_MAP_KEPT},
	{"blocks_manual", "blocks_manual", ARQ_MAP_KEPT},
	{".bss.guards", "guards", ARQ_MAP_RENEWED},
	{".data.arq_tunables", "data", ARQ_MAP_RENEWED},
	{"rule_slots", "rule_slots", ARQ_MAP_KEPT},
	{"rule_counters", "rule_counters", ARQ_MAP_KEPT},
	{"shadow_counters", "shadow_counters", ARQ_MAP_RENEWED},
	{"generations", "generations", ARQ_MAP_RENEWED},
	{"lookup_roots", "lookup_roots", ARQ_MAP_RENEWED},
	{"lookup_nodes", "lookup_nodes", ARQ_MAP_RENEWED},
	{".data.live", "live", ARQ_MAP_RENEWED},
};

static int __attribute__((format(printf, 2, 3)))
print_path(arq_pin_path path, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	int length = vsnprintf(path, PATH_MAX, format, arguments);
	va_end(arguments);
	return length < 0 || length >= PATH_MAX ? -ENAMETOOLONG : 0;
}

/* The metadata have their name from the caller; what else is the machine's lies beside them. */
static int locate_machine(arq_pin_path path, const struct arq_map_role *role,
			  const char *packet_pin)
{
	arq_pin_path directory;

	if (strcmp(role->pin, ARQ_PIN_PACKET) == 0)
		return print_path(path, "%s", packet_pin);
	arq_pin_parent(directory, packet_pin);
	return print_path(path, "%s/%s", directory, role->pin);
}

int arq_pin_locate(arq_pin_path path, const struct arq_map_role *role, enum arq_program_id id,
		   const char *pin_directory, const char *packet_pin)
{
	switch (role->life) {
	case ARQ_MAP_MACHINE:
		return packet_pin ? locate_machine(path, role, packet_pin) : -ENOENT;
	case ARQ_MAP_INTERFACE:
		return pin_directory ? print_path(path, "%s/%s", pin_directory, role->pin)
				     : -ENOENT;
	case ARQ_MAP_KEPT:
	case ARQ_MAP_RENEWED:
		return pin_directory ? print_path(path, "%s/%s/%s", pin_directory,
						  arq_program_name(id), role->pin)
				     : -ENOENT;
	}
	return -ENOENT;
}

int arq_pin_pending(arq_pin_path pending, const char *path)
{
	return print_path(pending, "%s" ARQ_PIN_PENDING, path);
}

void arq_pin_parent(arq_pin_path parent, const char *path)
{
	const char *slash = strrchr(path, '/');

	if (!slash)
		snprintf(parent, PATH_MAX, ".");
	else if (slash == path)
		snprintf(parent, PATH_MAX, "/");
	else
		snprintf(parent, PATH_MAX, "%.*s", (int)(slash - path), path);
}

/* Removes one pin. What is not there is no error. */
static int remove_pin(const char *path, struct arq_error *error)
{
	if (unlink(path) == 0 || errno == ENOENT || errno == ENOTDIR)
		return 0;
	int code = -errno;
	return arq_error_set(error, code, "cannot remove the pin %s: %s", path, strerror(-code));
}

/* Removes a directory when it is empty. */
static int remove_directory(const char *path, struct arq_error *error)
{
	if (rmdir(path) == 0 || errno == ENOENT || errno == ENOTDIR || errno == ENOTEMPTY ||
	    errno == EEXIST)
		return 0;
	int code = -errno;
	return arq_error_set(error, code, "cannot remove the directory %s: %s", path,
			     strerror(-code));
}

/* Does a directory contain directories? One that is not there does not. */
static bool has_directories(const char *path)
{
	bool found = false;

	DIR *directory = opendir(path);
	if (!directory)
		return false;
	for (struct dirent *entry; !found && (entry = readdir(directory));) {
		struct stat status;
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		found = fstatat(dirfd(directory), entry->d_name, &status, AT_SYMLINK_NOFOLLOW) ==
				0 &&
			S_ISDIR(status.st_mode);
	}
	closedir(directory);
	return found;
}

/* Removes the pins of one kind of life, and what a commit that was interrupted left. */
static int remove_roles(enum arq_map_life life, enum arq_program_id id, const char *pin_directory,
			const char *packet_pin, struct arq_error *error)
{
	int status = 0;

	for (size_t i = 0; i < ARQ_MAP_ROLES_MAX && status == 0; i++) {
		arq_pin_path path;
		const struct arq_map_role *role = &arq_map_roles[i];
		if (role->life != life || arq_pin_locate(path, role, id, pin_directory, packet_pin))
			continue;
		status = remove_pin(path, error);
		arq_pin_path pending;
		if (status == 0 && arq_pin_pending(pending, path) == 0)
			status = remove_pin(pending, error);
	}
	return status;
}

int arq_program_unpin(enum arq_program_id id, const char *pin_directory, const char *packet_pin,
		      struct arq_error *error)
{
	arq_pin_path path;

	int status = remove_roles(ARQ_MAP_KEPT, id, pin_directory, NULL, error);
	if (status == 0)
		status = remove_roles(ARQ_MAP_RENEWED, id, pin_directory, NULL, error);
	if (status == 0)
		status = print_path(path, "%s/%s", pin_directory, arq_program_name(id));
	if (status == 0)
		status = remove_directory(path, error);
	if (status || has_directories(pin_directory))
		return status;

	status = remove_roles(ARQ_MAP_INTERFACE, id, pin_directory, NULL, error);
	if (status == 0)
		status = remove_directory(pin_directory, error);
	if (status || !packet_pin)
		return status;
	return arq_program_unpin_machine(packet_pin, error);
}

int arq_program_unpin_machine(const char *packet_pin, struct arq_error *error)
{
	arq_pin_path path;

	arq_pin_parent(path, packet_pin);
	if (has_directories(path))
		return 0;
	/* They are of no program in particular. */
	int status = remove_roles(ARQ_MAP_MACHINE, ARQ_PROGRAM_FIREWALL, NULL, packet_pin, error);
	return status ? status : remove_directory(path, error);
}

/* Gives a pending pin the name that it is meant for, or removes it. */
static int settle_pin(const char *path, bool forward, struct arq_error *error)
{
	arq_pin_path pending;

	if (arq_pin_pending(pending, path))
		return 0;
	if (!forward)
		return remove_pin(pending, error);
	if (rename(pending, path) == 0 || errno == ENOENT || errno == ENOTDIR)
		return 0;
	int code = -errno;
	return arq_error_set(error, code, "cannot replace the pin %s: %s", path, strerror(-code));
}

int arq_program_settle(enum arq_program_id id, const char *pin_directory, bool forward,
		       struct arq_error *error)
{
	int status = 0;

	for (size_t i = 0; i < ARQ_MAP_ROLES_MAX && status == 0; i++) {
		arq_pin_path path;
		const struct arq_map_role *role = &arq_map_roles[i];
		bool own = role->life == ARQ_MAP_KEPT || role->life == ARQ_MAP_RENEWED;
		if (own && arq_pin_locate(path, role, id, pin_directory, NULL) == 0)
			status = settle_pin(path, forward, error);
	}
	return status;
}

bool arq_program_pinned(enum arq_program_id id, const char *pin_directory)
{
	/* The live variables are pinned at commit, if it has any. */
	const char *last = id == ARQ_PROGRAM_PASS ? "counters" : "data";
	arq_pin_path path;

	return print_path(path, "%s/%s/%s", pin_directory, arq_program_name(id), last) == 0 &&
	       access(path, F_OK) == 0;
}

int arq_program_map_open(enum arq_program_id id, const char *pin_directory, const char *name,
			 struct arq_error *error)
{
	arq_pin_path path;

	int status = print_path(path, "%s/%s/%s", pin_directory, arq_program_name(id), name);
	if (status)
		return arq_error_set(error, status, "the path of map '%s' is too long", name);
	int map = bpf_obj_get(path);
	if (map == -ENOENT)
		return arq_error_set(error, map,
				     "%s is not loaded here (no %s); load it by 'arquant load'",
				     arq_program_name(id), path);
	if (map < 0)
		return arq_error_set(error, map, "cannot open the map %s: %s%s", path,
				     strerror(-map),
				     map == -EPERM || map == -EACCES ? "; run as root" : "");
	return map;
}

int arq_tunables_map(enum arq_program_id id, const char *pin_directory,
		     struct arq_tunables **tunables, struct arq_error *error)
{
	struct bpf_map_info info = {0};
	uint32_t size = sizeof(info);

	int map = arq_program_map_open(id, pin_directory, "data", error);
	if (map < 0)
		return map;
	int status = bpf_map_get_info_by_fd(map, &info, &size);
	if (status == 0 && info.value_size != sizeof(**tunables))
		status = -EINVAL;
	void *memory = MAP_FAILED;
	if (status == 0) {
		memory = mmap(NULL, sizeof(**tunables), PROT_READ | PROT_WRITE, MAP_SHARED, map, 0);
		status = memory == MAP_FAILED ? -errno : 0;
	}
	close(map);
	if (status) {
		arq_error_set(error, status,
			      "cannot map the live variables of the loaded %s: %s; if it is of "
			      "another version, load it again",
			      arq_program_name(id), strerror(-status));
		return status;
	}
	*tunables = memory;
	return 0;
}

void arq_tunables_unmap(struct arq_tunables *tunables)
{
	munmap(tunables, sizeof(*tunables));
}

int arq_program_set_first(enum arq_program_id id, const char *pin_directory, bool first,
			  struct arq_error *error)
{
	struct arq_tunables *tunables;

	int status = arq_tunables_map(id, pin_directory, &tunables, error);
	if (status)
		return status;
	__atomic_store_n(&tunables->first, first, __ATOMIC_RELAXED);
	arq_tunables_unmap(tunables);
	return 0;
}
