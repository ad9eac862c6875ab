// SPDX-License-Identifier: BSD-2-Clause
#include "progs/firewall/generation.h"

#include "progs/firewall/block.h"
#include "progs/firewall/slots.h"
#include "userspace/common/clock.h"

#include <arquant/generation.h>
#include <arquant/guards.h>
#include <arquant/limit.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* The maps, as they are called in the object and pinned. */
enum map {
	MAP_LIVE,
	MAP_GENERATIONS,
	MAP_ROOTS,
	MAP_NODES,
	MAP_SLOTS,
	MAP_COUNTERS,
	MAP_SHADOW,
	MAP_LIMITS,
	MAP_GUARDS,
	MAP_BLOCKS_MANUAL,
	MAP_BLOCKS,
	MAP_BLOCK_STATE,
	MAP_COUNT,
};

static const struct {
	const char *name;
	const char *pin;
	size_t value_size; /* of what is mapped, 0: not mapped */
} maps[MAP_COUNT] = {
	[MAP_LIVE] = {".data.live", "live", sizeof(struct arq_generation_live)},
	[MAP_GENERATIONS] = {"generations", "generations", 0},
	[MAP_ROOTS] = {"lookup_roots", "lookup_roots", 0},
	[MAP_NODES] = {"lookup_nodes", "lookup_nodes", 0},
	[MAP_SLOTS] = {"rule_slots", "rule_slots", sizeof(struct arq_rule_slot)},
	[MAP_COUNTERS] = {"rule_counters", "rule_counters", sizeof(struct arq_rule_counters)},
	[MAP_SHADOW] = {"shadow_counters", "shadow_counters", 0},
	[MAP_LIMITS] = {".bss.limits", "limits", sizeof(struct arq_limit_state) * ARQ_LIMIT_SLOTS},
	[MAP_GUARDS] = {".bss.guards", "guards", sizeof(struct arq_guards) * ARQ_GENERATIONS},
	[MAP_BLOCKS_MANUAL] = {"blocks_manual", "blocks_manual", 0},
	[MAP_BLOCKS] = {"blocks", "blocks", 0},
	[MAP_BLOCK_STATE] = {".bss.blocks", "block_state", 0},
};

struct arq_generations {
	int maps[MAP_COUNT]; /* descriptors */
	void *memory[MAP_COUNT]; /* of those that are mapped */
	size_t sizes[MAP_COUNT];
	struct arq_generation_live *live;
	struct arq_guards *guards; /* by generation */
	struct arq_slots slots;
	struct arq_blocks *blocks;
};

/* --- opening ---------------------------------------------------------------------------------- */

static int map_memory(struct arq_generations *generations, enum map map)
{
	struct bpf_map_info info = {0};
	uint32_t size = sizeof(info);

	int status = bpf_map_get_info_by_fd(generations->maps[map], &info, &size);
	if (status)
		return status;
	if (info.value_size != maps[map].value_size)
		return -EINVAL;
	size_t length = (size_t)info.value_size * info.max_entries;
	void *memory =
		mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED, generations->maps[map], 0);
	if (memory == MAP_FAILED)
		return -errno;
	generations->memory[map] = memory;
	generations->sizes[map] = length;
	if (map == MAP_COUNTERS)
		generations->slots.cpus = info.max_entries;
	return 0;
}

static int map_all(struct arq_generations *generations, struct arq_error *error)
{
	for (enum map map = 0; map < MAP_COUNT; map++) {
		int status = maps[map].value_size ? map_memory(generations, map) : 0;
		if (status)
			return arq_error_set(error, status,
					     "cannot map the firewall's '%s': %s; if it is of "
					     "another version, load it again",
					     maps[map].pin, strerror(-status));
	}
	generations->live = generations->memory[MAP_LIVE];
	generations->slots.slots = generations->memory[MAP_SLOTS];
	generations->slots.counters = generations->memory[MAP_COUNTERS];
	generations->slots.limits = generations->memory[MAP_LIMITS];
	generations->guards = generations->memory[MAP_GUARDS];
	return 0;
}

static struct arq_generations *create(void)
{
	struct arq_generations *generations = calloc(1, sizeof(*generations));

	for (enum map map = 0; generations && map < MAP_COUNT; map++)
		generations->maps[map] = -1;
	return generations;
}

/* Keeps what was opened if all is well. */
static int finish(struct arq_generations *opened, int status, struct arq_generations **generations,
		  struct arq_error *error)
{
	if (status == 0)
		status = map_all(opened, error);
	if (status == 0)
		status = arq_blocks_open_maps(
			opened->maps[MAP_BLOCKS_MANUAL], opened->maps[MAP_BLOCKS],
			opened->maps[MAP_BLOCK_STATE], &opened->blocks, error);
	if (status) {
		arq_generations_close(opened);
		return status;
	}
	*generations = opened;
	return 0;
}

int arq_generations_open(enum arq_program_id id, const char *pin_directory,
			 struct arq_generations **generations, struct arq_error *error)
{
	int status = 0;

	*generations = NULL;
	struct arq_generations *opened = create();
	if (!opened)
		return arq_error_set(error, -ENOMEM, "no memory for the firewall's generations");
	for (enum map map = 0; map < MAP_COUNT && status == 0; map++) {
		opened->maps[map] = arq_program_map_open(id, pin_directory, maps[map].pin, error);
		status = opened->maps[map] < 0 ? opened->maps[map] : 0;
	}
	return finish(opened, status, generations, error);
}

int arq_generations_open_object(const struct bpf_object *object,
				struct arq_generations **generations, struct arq_error *error)
{
	int status = 0;

	*generations = NULL;
	struct arq_generations *opened = create();
	if (!opened)
		return arq_error_set(error, -ENOMEM, "no memory for the firewall's generations");
	for (enum map map = 0; map < MAP_COUNT && status == 0; map++) {
		int descriptor = bpf_object__find_map_fd_by_name(object, maps[map].name);
		opened->maps[map] = descriptor < 0 ? descriptor : dup(descriptor);
		if (opened->maps[map] < 0)
			status = arq_error_set(error, -ENOENT, "the program has no map '%s'",
					       maps[map].name);
	}
	return finish(opened, status, generations, error);
}

void arq_generations_close(struct arq_generations *generations)
{
	if (!generations)
		return;
	arq_blocks_close(generations->blocks);
	for (enum map map = 0; map < MAP_COUNT; map++) {
		if (generations->memory[map])
			munmap(generations->memory[map], generations->sizes[map]);
		if (generations->maps[map] >= 0)
			close(generations->maps[map]);
	}
	free(generations);
}

/* --- which is in force ------------------------------------------------------------------------ */

static uint64_t load_word(const struct arq_generations *generations)
{
	return __atomic_load_n(&generations->live->decides, __ATOMIC_ACQUIRE);
}

/* Everything that was written before is there for whoever reads the word. */
static void store_word(struct arq_generations *generations, uint64_t word)
{
	__atomic_store_n(&generations->live->decides, word, __ATOMIC_RELEASE);
}

void arq_generations_begin(struct arq_generations *generations, uint32_t number)
{
	store_word(generations, arq_generation_word(number ^ 1, 0));
}

uint32_t arq_generations_current(const struct arq_generations *generations)
{
	return arq_generation_at(load_word(generations), arq_clock_now());
}

uint64_t arq_generations_trial_end(const struct arq_generations *generations)
{
	uint64_t end = load_word(generations) >> 1;

	return end > arq_clock_now() ? end : 0;
}

int arq_generation_confirm(struct arq_generations *generations)
{
	if (!arq_generations_trial_end(generations))
		return -ENOENT;
	store_word(generations, arq_generation_word((uint32_t)load_word(generations) & 1, 0));
	return 0;
}

int arq_generation_revert(struct arq_generations *generations)
{
	if (!arq_generations_trial_end(generations))
		return -ENOENT;
	store_word(generations, arq_generation_word(~(uint32_t)load_word(generations) & 1, 0));
	return 0;
}

void arq_generation_commit(struct arq_generations *generations, uint64_t trial_ns)
{
	uint32_t next = arq_generations_current(generations) ^ 1;

	__atomic_store_n(&generations->live->shadow_until, 0, __ATOMIC_RELAXED);
	store_word(generations,
		   arq_generation_word(next, trial_ns ? arq_clock_now() + trial_ns : 0));
}

/* --- filling ---------------------------------------------------------------------------------- */

/* Is anything there? A deletion waits for all CPUs even if not. */
static bool holds(int map, uint32_t index)
{
	uint32_t inner;

	return bpf_map_lookup_elem(map, &index, &inner) == 0;
}

static int remove_all(struct arq_generations *generations, uint32_t number)
{
	struct arq_error unused = {0};
	int status = 0;

	if (holds(generations->maps[MAP_GENERATIONS], number))
		status = bpf_map_delete_elem(generations->maps[MAP_GENERATIONS], &number);
	for (uint32_t table = 0; table < ARQ_LOOKUP_TABLES && status == 0; table++) {
		uint32_t index = ARQ_LOOKUP_INDEX(number, table);
		if (holds(generations->maps[MAP_ROOTS], index) ||
		    holds(generations->maps[MAP_NODES], index))
			status = arq_lookup_remove(generations->maps[MAP_ROOTS],
						   generations->maps[MAP_NODES], index, &unused);
	}
	if (status == 0)
		arq_slots_release(&generations->slots, number);
	return status;
}

/*
 * Returns when no packet is under way any more that asked for the generation's number before: one
 * looks for the tables several times, and would meet some of the former rules and some of none, or
 * of the next. A change of a map in a map waits for all programs that run; here of one that only
 * serves this end.
 */
static int wait_for_programs(const struct arq_generations *generations)
{
	LIBBPF_OPTS(bpf_map_create_opts, options, .inner_map_fd = generations->maps[MAP_LIVE]);
	const uint32_t zero = 0;

	int map = bpf_map_create(BPF_MAP_TYPE_ARRAY_OF_MAPS, "arq_wait", sizeof(zero),
				 sizeof(uint32_t), 1, &options);
	if (map < 0)
		return map;
	int status = bpf_map_update_elem(map, &zero, &generations->maps[MAP_LIVE], BPF_ANY);
	close(map);
	return status;
}

int arq_generation_drop(struct arq_generations *generations)
{
	uint32_t current = arq_generations_current(generations);

	if (arq_generations_trial_end(generations))
		return -EBUSY;
	/* A trial that ended leaves its word, which says the same as this one. */
	store_word(generations, arq_generation_word(current, 0));
	__atomic_store_n(&generations->live->shadow_until, 0, __ATOMIC_RELAXED);
	int status = wait_for_programs(generations);
	return status ? status : remove_all(generations, current ^ 1);
}

/* Copies what of the image is in use. */
static int fill_map(int map, const struct arq_compiled *compiled)
{
	const struct arq_generation *image = compiled->image;
	const size_t head = offsetof(struct arq_generation, rows);

	struct arq_generation *memory =
		mmap(NULL, sizeof(*memory), PROT_READ | PROT_WRITE, MAP_SHARED, map, 0);
	if (memory == MAP_FAILED)
		return -errno;
	memcpy(memory, image, head);
	memcpy(memory->rows, image->rows, compiled->row_count * sizeof(*image->rows));
	memcpy(memory->blocks, image->blocks, compiled->block_count * sizeof(*image->blocks));
	munmap(memory, sizeof(*memory));
	return 0;
}

/* Does the program decide other than without any tables? */
static bool decides(const struct arq_generation *image)
{
	const struct arq_firewall_settings nothing = {.default_action = ARQ_RULE_PASS};

	return image->summary || memcmp(&image->settings, &nothing, sizeof(nothing)) != 0;
}

static int install_tables(struct arq_generations *generations, uint32_t number,
			  const struct arq_compiled *compiled, struct arq_error *error)
{
	LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = BPF_F_MMAPABLE);

	if (!decides(compiled->image))
		return 0;
	int map = bpf_map_create(BPF_MAP_TYPE_ARRAY, "generation", sizeof(uint32_t),
				 sizeof(struct arq_generation), 1, &options);
	int status = map < 0 ? map : fill_map(map, compiled);
	if (status == 0)
		status = bpf_map_update_elem(generations->maps[MAP_GENERATIONS], &number, &map,
					     BPF_ANY);
	if (map >= 0)
		close(map);
	return status ? arq_error_set(error, status, "cannot make the tables of the rules: %s",
				      strerror(-status))
		      : 0;
}

/* A table of addresses, which goes on from what the one in force has counted. */
static int install_lookup(struct arq_generations *generations, struct arq_lookup *lookup,
			  uint32_t number, uint32_t table, struct arq_error *error)
{
	int roots = generations->maps[MAP_ROOTS];
	int nodes = generations->maps[MAP_NODES];

	int status = arq_lookup_carry(lookup, roots, nodes, ARQ_LOOKUP_INDEX(number ^ 1, table));
	if (status)
		return arq_error_set(error, status, "cannot read what prefixes counted: %s",
				     strerror(-status));
	return arq_lookup_install(lookup, roots, nodes, ARQ_LOOKUP_INDEX(number, table), error);
}

/* Of what lengths the rules block prefixes. */
static int use_block_lengths(struct arq_generations *generations,
			     const struct arq_compiled *compiled, uint32_t number,
			     struct arq_error *error)
{
	bool wanted[2][129] = {{false}};

	for (uint32_t i = 0; i < compiled->rule_count; i++) {
		const struct arq_consequence *consequence = &compiled->image->consequences[i];
		if (consequence->action != ARQ_RULE_BLOCK)
			continue;
		for (int family = 0; family < 2; family++)
			wanted[family][consequence->block_length[family]] = true;
	}
	return arq_blocks_use_lengths(generations->blocks, number, wanted, error);
}

int arq_generation_prepare(struct arq_generations *generations, const struct arq_compiled *compiled,
			   const struct arq_guards *guards, struct arq_error *error)
{
	static const struct arq_guards none;

	if (arq_generations_trial_end(generations))
		return arq_error_set(error, -EBUSY,
				     "the rules in force are on trial; confirm them, or wait until "
				     "they are rolled back");
	int status = arq_generation_drop(generations);
	if (status)
		return arq_error_set(error, status, "cannot free the former rules: %s",
				     strerror(-status));
	uint32_t number = arq_generations_current(generations) ^ 1;
	generations->guards[number] = guards ? *guards : none;
	status = arq_slots_assign(&generations->slots, compiled, number);
	if (status)
		arq_error_set(error, status, "no memory for the rules' slots");
	for (uint32_t table = 0; table < ARQ_LOOKUP_TABLES && status == 0; table++) {
		if (compiled->lookups[table])
			status = install_lookup(generations, compiled->lookups[table], number,
						table, error);
	}
	if (status == 0)
		status = use_block_lengths(generations, compiled, number, error);
	if (status == 0)
		status = install_tables(generations, number, compiled, error);
	if (status)
		remove_all(generations, number);
	return status;
}

/* --- shadow, counters ------------------------------------------------------------------------- */

int arq_generation_shadow(struct arq_generations *generations, uint64_t for_ns)
{
	struct arq_shadow_key key;

	__atomic_store_n(&generations->live->shadow_until, 0, __ATOMIC_RELAXED);
	if (!for_ns)
		return 0;
	while (bpf_map_get_next_key(generations->maps[MAP_SHADOW], NULL, &key) == 0) {
		int status = bpf_map_delete_elem(generations->maps[MAP_SHADOW], &key);
		if (status && status != -ENOENT)
			return status;
	}
	__atomic_store_n(&generations->live->shadow_until, arq_clock_now() + for_ns,
			 __ATOMIC_RELEASE);
	return 0;
}

int arq_generation_shadow_next(const struct arq_generations *generations, bool first,
			       struct arq_shadow_key *key, uint64_t *packets)
{
	int map = generations->maps[MAP_SHADOW];
	struct arq_shadow_key next;

	int status = bpf_map_get_next_key(map, first ? NULL : key, &next);
	if (status)
		return status == -ENOENT ? 0 : status;
	*key = next;
	status = bpf_map_lookup_elem(map, key, packets);
	return status ? status : 1;
}

const struct arq_rule_slot *arq_generations_slot(const struct arq_generations *generations,
						 uint32_t slot)
{
	return &generations->slots.slots[slot];
}

struct arq_rule_count arq_generations_count(const struct arq_generations *generations,
					    uint32_t slot)
{
	struct arq_rule_count sum = {0};

	for (uint32_t cpu = 0; cpu < generations->slots.cpus; cpu++) {
		const volatile struct arq_rule_count *count =
			&generations->slots.counters[cpu].slots[slot];
		sum.packets += count->packets;
		sum.bytes += count->bytes;
	}
	return sum;
}
