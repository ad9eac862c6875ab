// SPDX-License-Identifier: BSD-2-Clause
#include "progs/program.h"

#include "progs/firewall/compile.h"
#include "progs/firewall/generation.h"
#include "progs/pins.h"
#include "progs/skeletons.h"

#include <arquant/packet.h>
#include <arquant/sample.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The root of our pins, the interface's directory, the program's. */
#define DIRECTORY_LEVELS 3

struct pin {
	struct bpf_map *map;
	arq_pin_path path;
	bool created; /* at open: to be removed again without a commit */
	bool pending; /* pinned beside its place, to be renamed at commit */
};

struct arq_program {
	enum arq_program_id id;
	arq_pin_path directory; /* of the interface; empty: nothing is pinned */
	struct arq_skeleton skeleton;
	struct pin pins[ARQ_MAP_ROLES_MAX];
	size_t pin_count;
	arq_pin_path made[DIRECTORY_LEVELS]; /* directories created at open, outermost first */
	size_t made_count;
	bool committed;
};

static const char *hint(int status)
{
	return status == -EPERM || status == -EACCES
		       ? "; run as root or with CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN"
		       : "";
}

static int check_options(const struct arq_program_options *options, struct arq_error *error)
{
	int cpus = libbpf_num_possible_cpus();
	if (cpus > ARQ_MAX_CPUS)
		return arq_error_set(error, -E2BIG,
				     "this machine may have %d CPUs, and the programs are built "
				     "for %d; build with a larger ARQ_MAX_CPUS",
				     cpus, ARQ_MAX_CPUS);
	if (options->snaplen > ARQ_SNAPLEN_MAX)
		return arq_error_set(error, -EINVAL, "snaplen %u is too large; at most %d bytes",
				     options->snaplen, ARQ_SNAPLEN_MAX);
	return 0;
}

/* --- directories ------------------------------------------------------------------------------ */

static int make_directory(struct arq_program *program, const char *path, struct arq_error *error)
{
	if (mkdir(path, 0700) == 0) {
		snprintf(program->made[program->made_count++], PATH_MAX, "%s", path);
		return 0;
	}
	if (errno == EEXIST)
		return 0;
	int code = -errno;
	return arq_error_set(error, code, "cannot make the directory %s: %s%s", path,
			     strerror(-code), hint(code));
}

static int make_directories(struct arq_program *program, const char *pin_directory,
			    struct arq_error *error)
{
	arq_pin_path path;

	arq_pin_parent(path, pin_directory);
	int status = make_directory(program, path, error);
	if (status == 0)
		status = make_directory(program, pin_directory, error);
	int length =
		snprintf(path, sizeof(path), "%s/%s", pin_directory, arq_program_name(program->id));
	if (length < 0 || (size_t)length >= sizeof(path))
		return arq_error_set(error, -ENAMETOOLONG, "the path of the pins is too long");
	return status ? status : make_directory(program, path, error);
}

/* --- maps ------------------------------------------------------------------------------------- */

/* What a map holds when it begins: the initial value of variables, nothing for others. */
static int fill_variables(int map, const struct bpf_map *from)
{
	uint32_t zero = 0;
	size_t size = 0;
	const void *value = bpf_map__initial_value(from, &size);

	return value ? bpf_map_update_elem(map, &zero, value, BPF_ANY) : 0;
}

/* A map of maps wants an example of what it may hold. */
static int create_map(struct bpf_map *map)
{
	LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = bpf_map__map_flags(map));
	struct bpf_map *inner = bpf_map__inner_map(map);
	int example = -1;

	if (inner) {
		LIBBPF_OPTS(bpf_map_create_opts, like, .map_flags = bpf_map__map_flags(inner));
		example = bpf_map_create(bpf_map__type(inner), NULL, bpf_map__key_size(inner),
					 bpf_map__value_size(inner), bpf_map__max_entries(inner),
					 &like);
		if (example < 0)
			return example;
		options.inner_map_fd = (uint32_t)example;
	}
	int made = bpf_map_create(bpf_map__type(map), bpf_map__name(map), bpf_map__key_size(map),
				  bpf_map__value_size(map), bpf_map__max_entries(map), &options);
	if (example >= 0)
		close(example);
	return made;
}

/* Is the pinned map one that the program can use as its own? */
static bool fits(int pinned, const struct bpf_map *map)
{
	struct bpf_map_info info = {0};
	uint32_t size = sizeof(info);

	return bpf_map_get_info_by_fd(pinned, &info, &size) == 0 &&
	       info.type == bpf_map__type(map) && info.key_size == bpf_map__key_size(map) &&
	       info.value_size == bpf_map__value_size(map) &&
	       info.map_flags == bpf_map__map_flags(map) &&
	       info.max_entries == bpf_map__max_entries(map);
}

/*
 * Gives the object the map that is pinned at pin->path already. Returns 1 when it does, 0 when
 * there is none to take over, or a negative errno.
 */
static int take_over(struct pin *pin, enum arq_map_life life, struct arq_error *error)
{
	int pinned = bpf_obj_get(pin->path);
	if (pinned == -ENOENT)
		return 0;
	if (pinned < 0)
		return arq_error_set(error, pinned, "cannot open the pin %s: %s%s", pin->path,
				     strerror(-pinned), hint(pinned));
	int status = 0;
	if (fits(pinned, pin->map)) {
		status = bpf_map__reuse_fd(pin->map, pinned);
		status = status ? arq_error_set(error, status, "cannot use the map %s: %s",
						pin->path, strerror(-status))
				: 1;
	} else if (life == ARQ_MAP_KEPT) {
		pin->pending = true;
	} else {
		status = arq_error_set(error, -EEXIST,
				       "%s is a map of another kind (another version of "
				       "arquant?); unload what uses it, or remove it",
				       pin->path);
	}
	close(pinned);
	return status;
}

/* In its place, or beside it until the commit; there, what a killed process left goes. */
static int pin_now(struct pin *pin, int map, struct arq_error *error)
{
	arq_pin_path pending;
	const char *path = pin->pending ? pending : pin->path;

	int status = arq_pin_pending(pending, pin->path);
	if (status == 0 && pin->pending && unlink(pending) && errno != ENOENT)
		status = -errno;
	if (status == 0)
		status = bpf_obj_pin(map, path);
	pin->created = status == 0;
	return status ? arq_error_set(error, status,
				      "cannot pin %s: %s%s; is a BPF file system mounted there?",
				      pin->path, strerror(-status), hint(status))
		      : 0;
}

/* Creates the map, fills it with its variables, and hands it to the object. */
static int make_map(struct pin *pin, struct arq_error *error)
{
	const char *what = "create";

	int map = create_map(pin->map);
	int status = map < 0 ? map : 0;
	if (status == 0) {
		what = "fill";
		status = fill_variables(map, pin->map);
	}
	if (status == 0) {
		what = "use";
		status = bpf_map__reuse_fd(pin->map, map);
	}
	if (status)
		arq_error_set(error, status, "cannot %s the map '%s': %s%s", what,
			      bpf_map__name(pin->map), strerror(-status), hint(status));
	else if (pin->path[0])
		status = pin_now(pin, map, error);
	if (map >= 0)
		close(map);
	return status;
}

/* As long as this machine wants it: those that have an element for each CPU. */
static int size_map(const struct pin *pin, const char *name)
{
	if (strcmp(name, "rule_counters") != 0)
		return 0;
	int cpus = libbpf_num_possible_cpus();
	return cpus < 0 ? cpus : bpf_map__set_max_entries(pin->map, (uint32_t)cpus);
}

static int prepare_role(struct arq_program *program, const struct arq_map_role *role,
			const char *pin_directory, const char *packet_pin, struct arq_error *error)
{
	struct bpf_map *map = bpf_object__find_map_by_name(program->skeleton.object, role->map);
	if (!map)
		return 0;
	struct pin *pin = &program->pins[program->pin_count++];
	pin->map = map;
	int status = size_map(pin, role->map);
	if (status)
		return arq_error_set(error, status, "cannot size the map '%s': %s", role->map,
				     strerror(-status));
	status = arq_pin_locate(pin->path, role, program->id, pin_directory, packet_pin);
	if (status == -ENAMETOOLONG)
		return arq_error_set(error, status, "the path of pin '%s' is too long", role->pin);
	if (status == -ENOENT)
		pin->path[0] = '\0';
	pin->pending = pin->path[0] && role->life == ARQ_MAP_RENEWED;
	if (pin->path[0] && !pin->pending) {
		status = take_over(pin, role->life, error);
		if (status)
			return status < 0 ? status : 0;
	}
	return make_map(pin, error);
}

static int prepare_maps(struct arq_program *program, const struct arq_program_options *options,
			const char *pin_directory, const char *packet_pin, struct arq_error *error)
{
	for (size_t i = 0; i < ARQ_MAP_ROLES_MAX; i++) {
		const struct arq_map_role *role = &arq_map_roles[i];
		if (role->life == ARQ_MAP_INTERFACE && !arq_skeleton_samples(program->id, options))
			continue;
		int status = prepare_role(program, role, pin_directory, packet_pin, error);
		if (status)
			return status;
	}
	return 0;
}

/* --- rules ------------------------------------------------------------------------------------ */

/*
 * The number for the first generation of a program: the one that is not in force where the program
 * replaces another, as both name their rules in the same slots; else 0.
 */
static uint32_t first_generation(enum arq_program_id id, const char *pin_directory)
{
	struct arq_generations *former;
	struct arq_error unused = {0};

	if (!pin_directory || arq_generations_open(id, pin_directory, &former, &unused))
		return 0;
	uint32_t number = arq_generations_current(former) ^ 1;
	arq_generations_close(former);
	return number;
}

/* Puts the rules into force in the program that is to be loaded. */
static int prepare_rules(struct arq_program *program, const struct arq_program_options *options,
			 const char *pin_directory, struct arq_error *error)
{
	const struct arq_ruleset none = {.default_action = ARQ_RULE_PASS};
	struct arq_generations *generations;
	struct arq_compiled *compiled;

	if (!arq_skeleton_has(program->id, options, ARQ_PROGRAM_FIREWALL))
		return 0;
	int status = arq_compile(options->ruleset ? options->ruleset : &none, options->interface,
				 &compiled, error);
	if (status)
		return status;
	status = arq_generations_open_object(program->skeleton.object, &generations, error);
	if (status == 0) {
		arq_generations_begin(generations, first_generation(program->id, pin_directory));
		status = arq_generation_prepare(generations, compiled, options->guards, error);
		if (status == 0)
			arq_generation_commit(generations, 0);
		arq_generations_close(generations);
	}
	arq_compiled_destroy(compiled);
	return status;
}

/* --- the program ------------------------------------------------------------------------------ */

int arq_program_open(enum arq_program_id id, const struct arq_program_options *options,
		     const char *pin_directory, const char *packet_pin,
		     struct arq_program **program, struct arq_error *error)
{
	*program = NULL;
	int status = check_options(options, error);
	if (status)
		return status;
	struct arq_program *opened = calloc(1, sizeof(*opened));
	if (!opened)
		return arq_error_set(error, -ENOMEM, "no memory for program '%s'",
				     arq_program_name(id));
	opened->id = id;
	if (pin_directory)
		snprintf(opened->directory, sizeof(opened->directory), "%s", pin_directory);
	status = arq_skeleton_open(id, options, &opened->skeleton);
	if (status)
		arq_error_set(error, status, "cannot open the BPF object of '%s': %s",
			      arq_program_name(id), strerror(-status));
	if (status == 0 && pin_directory)
		status = make_directories(opened, pin_directory, error);
	if (status == 0)
		status = prepare_maps(opened, options, pin_directory, packet_pin, error);
	if (status == 0)
		status = prepare_rules(opened, options, pin_directory, error);
	if (status) {
		arq_program_close(opened);
		return status;
	}
	*program = opened;
	return 0;
}

struct bpf_object *arq_program_object(const struct arq_program *program)
{
	return program->skeleton.object;
}

enum arq_program_id arq_program_kind(const struct arq_program *program)
{
	return program->id;
}

void arq_program_keep(struct arq_program *program)
{
	program->committed = true;
}

int arq_program_commit(struct arq_program *program, struct arq_error *error)
{
	int status = 0;

	if (program->directory[0])
		status = arq_program_settle(program->id, program->directory, true, error);
	if (status == 0)
		arq_program_keep(program);
	return status;
}

void arq_program_close(struct arq_program *program)
{
	if (!program)
		return;
	for (size_t i = 0; i < program->pin_count && !program->committed; i++) {
		const struct pin *pin = &program->pins[i];
		arq_pin_path pending;
		if (pin->created && !pin->pending)
			unlink(pin->path);
		else if (pin->created && arq_pin_pending(pending, pin->path) == 0)
			unlink(pending);
	}
	for (size_t i = program->made_count; i > 0 && !program->committed; i--)
		rmdir(program->made[i - 1]);
	if (program->skeleton.destroy)
		program->skeleton.destroy(program->skeleton.self);
	free(program);
}
