// SPDX-License-Identifier: BSD-2-Clause
#include "progs/firewall/block.h"

#include "progs/program.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* What makes 128 bits of an IPv4 prefix. */
#define V4_BITS  96
#define V4_BYTES (V4_BITS / 8)

struct arq_blocks {
	int manual, automatic;
	int lock; /* the directory of pins, -1: none */
	struct arq_block_state *state;
};

static uint64_t now_ns(void)
{
	struct timespec now;

	/* The clock of the kernel half. */
	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* --- opening ---------------------------------------------------------------------------------- */

int arq_blocks_open_maps(int manual, int automatic, int state, struct arq_blocks **blocks,
			 struct arq_error *error)
{
	*blocks = calloc(1, sizeof(**blocks));
	if (!*blocks)
		return arq_error_set(error, -ENOMEM, "no memory for blocks");
	void *memory = mmap(NULL, sizeof(struct arq_block_state), PROT_READ | PROT_WRITE,
			    MAP_SHARED, state, 0);
	int status = memory == MAP_FAILED ? -errno : 0;
	(*blocks)->state = status ? NULL : memory;
	(*blocks)->lock = -1;
	(*blocks)->manual = fcntl(manual, F_DUPFD_CLOEXEC, 0);
	(*blocks)->automatic = fcntl(automatic, F_DUPFD_CLOEXEC, 0);
	if (status == 0 && ((*blocks)->manual < 0 || (*blocks)->automatic < 0))
		status = -errno;
	if (status == 0)
		return 0;
	arq_blocks_close(*blocks);
	*blocks = NULL;
	return arq_error_set(error, status, "cannot use the maps of blocks: %s", strerror(-status));
}

static void close_map(int map)
{
	if (map >= 0)
		close(map);
}

int arq_blocks_open(const char *pin_directory, struct arq_blocks **blocks, struct arq_error *error)
{
	enum arq_program_id id = arq_program_pinned(ARQ_PROGRAM_BUNDLE, pin_directory)
					 ? ARQ_PROGRAM_BUNDLE
					 : ARQ_PROGRAM_FIREWALL;
	int automatic = -1, state = -1, status = 0;

	*blocks = NULL;
	int manual = arq_program_map_open(id, pin_directory, "blocks_manual", error);
	if (manual >= 0)
		automatic = arq_program_map_open(id, pin_directory, "blocks", error);
	if (automatic >= 0)
		state = arq_program_map_open(id, pin_directory, "block_state", error);
	if (manual < 0 || automatic < 0 || state < 0)
		status = manual < 0 ? manual : automatic < 0 ? automatic : state;
	if (status == 0)
		status = arq_blocks_open_maps(manual, automatic, state, blocks, error);
	if (status == 0) {
		(*blocks)->lock = open(pin_directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if ((*blocks)->lock < 0) {
			status = arq_error_set(error, -errno, "cannot open %s: %s", pin_directory,
					       strerror(errno));
			arq_blocks_close(*blocks);
			*blocks = NULL;
		}
	}
	close_map(manual);
	close_map(automatic);
	close_map(state);
	return status;
}

void arq_blocks_close(struct arq_blocks *blocks)
{
	if (!blocks)
		return;
	if (blocks->state)
		munmap(blocks->state, sizeof(*blocks->state));
	close_map(blocks->manual);
	close_map(blocks->automatic);
	close_map(blocks->lock);
	free(blocks);
}

static void lock(const struct arq_blocks *blocks)
{
	if (blocks->lock >= 0) {
		while (flock(blocks->lock, LOCK_EX) && errno == EINTR)
			;
	}
}

static void unlock(const struct arq_blocks *blocks)
{
	if (blocks->lock >= 0)
		flock(blocks->lock, LOCK_UN);
}

/* --- keys ------------------------------------------------------------------------------------- */

static void make_key(struct arq_block_key *key, const struct arq_prefix *prefix)
{
	uint8_t *bytes = (uint8_t *)key->address;

	memset(key, 0, sizeof(*key));
	if (prefix->family == AF_INET6) {
		memcpy(bytes, prefix->address, 16);
		key->length = prefix->length;
		return;
	}
	bytes[V4_BYTES - 2] = 0xff;
	bytes[V4_BYTES - 1] = 0xff;
	memcpy(bytes + V4_BYTES, prefix->address, 4);
	key->length = V4_BITS + (uint32_t)prefix->length;
}

static void read_key(const struct arq_block_key *key, struct arq_prefix *prefix)
{
	static const uint8_t mapped[V4_BYTES] = {[V4_BYTES - 2] = 0xff, [V4_BYTES - 1] = 0xff};
	const uint8_t *bytes = (const uint8_t *)key->address;

	memset(prefix, 0, sizeof(*prefix));
	if (key->length < V4_BITS || memcmp(bytes, mapped, V4_BYTES) != 0) {
		prefix->family = AF_INET6;
		prefix->length = (uint8_t)key->length;
		memcpy(prefix->address, bytes, 16);
		return;
	}
	prefix->family = AF_INET;
	prefix->length = (uint8_t)(key->length - V4_BITS);
	memcpy(prefix->address, bytes + V4_BYTES, 4);
}

/* --- lengths in use --------------------------------------------------------------------------- */

/* Lets the program look for prefixes of this length. Returns its place, or -E2BIG. */
static int use_length(struct arq_block_lengths *lengths, uint32_t length)
{
	uint32_t count = lengths->count;

	for (uint32_t i = 0; i < count; i++) {
		if (lengths->bits[i] == length)
			return (int)i;
	}
	if (count >= ARQ_BLOCK_LENGTHS_MAX)
		return -E2BIG;
	lengths->generations[count] = 0;
	__atomic_store_n(&lengths->bits[count], (uint8_t)length, __ATOMIC_RELAXED);
	__atomic_store_n(&lengths->count, count + 1, __ATOMIC_RELEASE);
	return (int)count;
}

/*
 * Takes out the lengths that no block has and no rule makes. Those that stay keep their order, and
 * move forward before the count goes down, so that the program misses none meanwhile.
 */
static void drop_lengths(struct arq_block_lengths *lengths, const bool used[129])
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < lengths->count; i++) {
		uint8_t length = lengths->bits[i], generations = lengths->generations[i];
		if (length > 128 || (!used[length] && !generations))
			continue;
		lengths->generations[kept] = generations;
		__atomic_store_n(&lengths->bits[kept++], length, __ATOMIC_RELAXED);
	}
	__atomic_store_n(&lengths->count, kept, __ATOMIC_RELEASE);
}

/* Removes what has expired, and forgets lengths that are no longer in use. */
static void tidy(const struct arq_blocks *blocks)
{
	bool used[2][129] = {{false}};
	struct arq_block_key key, next;
	struct arq_blocked_manual value;
	struct arq_prefix prefix;
	uint64_t now = now_ns();

	int status = bpf_map_get_next_key(blocks->manual, NULL, &next);
	while (status == 0) {
		key = next;
		status = bpf_map_get_next_key(blocks->manual, &key, &next);
		if (bpf_map_lookup_elem(blocks->manual, &key, &value))
			continue;
		if (value.blocked.expires <= now) {
			bpf_map_delete_elem(blocks->manual, &key);
			continue;
		}
		read_key(&key, &prefix);
		if (key.length <= 128)
			used[prefix.family == AF_INET6][key.length] = true;
	}
	drop_lengths(&blocks->state->manual[0], used[0]);
	drop_lengths(&blocks->state->manual[1], used[1]);
}

/* --- changes ---------------------------------------------------------------------------------- */

static int add(const struct arq_blocks *blocks, const struct arq_block_key *key, bool v6,
	       const struct arq_blocked_manual *value)
{
	int status = use_length(&blocks->state->manual[v6], key->length);

	return status < 0 ? status : bpf_map_update_elem(blocks->manual, key, value, BPF_ANY);
}

int arq_block_get(const struct arq_blocks *blocks, const struct arq_prefix *prefix,
		  struct arq_blocked_manual *value)
{
	struct arq_block_key key;

	make_key(&key, prefix);
	if (bpf_map_lookup_elem(blocks->manual, &key, value) || value->blocked.expires <= now_ns())
		return -ENOENT;
	return 0;
}

int arq_block_add(struct arq_blocks *blocks, const struct arq_prefix *prefix, uint64_t duration_ns,
		  const char *reason, struct arq_error *error)
{
	struct arq_blocked_manual value = {0}, known;
	uint64_t now = now_ns();
	char text[ARQ_PREFIX_TEXT_MAX];
	struct arq_block_key key;

	if (!arq_prefix_valid(prefix) || duration_ns == 0)
		return arq_error_set(error, -EINVAL, "no prefix, or no time, to block for");
	make_key(&key, prefix);
	value.blocked.since = now;
	value.blocked.expires =
		duration_ns > ARQ_BLOCK_FOREVER - now ? ARQ_BLOCK_FOREVER : now + duration_ns;
	snprintf(value.reason, sizeof(value.reason), "%s", reason);
	lock(blocks);
	if (arq_block_get(blocks, prefix, &known) == 0) {
		value.blocked.since = known.blocked.since;
		value.blocked.hits = known.blocked.hits;
		value.blocked.last_seen = known.blocked.last_seen;
	}
	int status = add(blocks, &key, prefix->family == AF_INET6, &value);
	if (status == -E2BIG) {
		tidy(blocks);
		status = add(blocks, &key, prefix->family == AF_INET6, &value);
	}
	unlock(blocks);
	arq_prefix_format(prefix, text);
	if (status == -E2BIG)
		return arq_error_set(error, status,
				     "cannot block %s: %d prefixes, or %d different lengths of its "
				     "family, are blocked already; put them into a set",
				     text, ARQ_BLOCKS_MANUAL_MAX, ARQ_BLOCK_LENGTHS_MAX);
	return status ? arq_error_set(error, status, "cannot block %s: %s", text, strerror(-status))
		      : 0;
}

int arq_block_remove(struct arq_blocks *blocks, const struct arq_prefix *prefix,
		     struct arq_error *error)
{
	char text[ARQ_PREFIX_TEXT_MAX];
	struct arq_block_key key;

	make_key(&key, prefix);
	lock(blocks);
	int manual = bpf_map_delete_elem(blocks->manual, &key);
	int automatic = bpf_map_delete_elem(blocks->automatic, &key);
	if (manual == 0)
		tidy(blocks);
	unlock(blocks);
	if (manual == 0 || automatic == 0)
		return 0;
	return arq_error_set(error, manual,
			     manual == -ENOENT ? "%s is not blocked here; 'arquant firewall "
						 "blocks' shows what is"
					       : "cannot unblock %s",
			     arq_prefix_format(prefix, text));
}

/* --- listing ---------------------------------------------------------------------------------- */

static int each(int map, bool manual, uint64_t now,
		int (*visit)(const struct arq_block_view *view, void *context), void *context)
{
	struct arq_block_key key, next;
	struct arq_blocked_manual value;

	int status = bpf_map_get_next_key(map, NULL, &next);
	while (status == 0) {
		struct arq_block_view view = {.manual = manual};
		key = next;
		memset(&value, 0, sizeof(value));
		bool found = bpf_map_lookup_elem(map, &key, &value) == 0;
		status = bpf_map_get_next_key(map, &key, &next);
		if (!found || value.blocked.expires <= now)
			continue;
		read_key(&key, &view.prefix);
		view.reason = value.reason;
		view.blocked = value.blocked;
		int stop = visit(&view, context);
		if (stop)
			return stop;
	}
	return status == -ENOENT ? 0 : status;
}

int arq_blocks_each(const struct arq_blocks *blocks,
		    int (*visit)(const struct arq_block_view *view, void *context), void *context,
		    struct arq_error *error)
{
	uint64_t now = now_ns();

	int status = each(blocks->manual, true, now, visit, context);
	if (status == 0)
		status = each(blocks->automatic, false, now, visit, context);
	return status < 0 && !error->text[0]
		       ? arq_error_set(error, status, "cannot read the blocks: %s",
				       strerror(-status))
		       : status;
}

/* --- lengths of what rules block -------------------------------------------------------------- */

static int note_length(const struct arq_block_view *view, void *context)
{
	bool(*used)[129] = context;
	struct arq_block_key key;

	make_key(&key, &view->prefix);
	used[view->prefix.family == AF_INET6][key.length] = true;
	return 0;
}

/* Forgets the lengths that only former rules blocked, once their blocks are over. */
static void tidy_automatic(const struct arq_blocks *blocks)
{
	bool used[2][129] = {{false}};

	if (each(blocks->automatic, false, now_ns(), note_length, used))
		return;
	drop_lengths(&blocks->state->automatic[0], used[0]);
	drop_lengths(&blocks->state->automatic[1], used[1]);
}

static int use_wanted(struct arq_block_lengths *lengths, const bool wanted[129], uint8_t bit)
{
	for (uint32_t length = 0; length <= 128; length++) {
		int place = wanted[length] ? use_length(lengths, length) : 0;
		if (place < 0)
			return place;
		if (wanted[length])
			lengths->generations[place] |= bit;
	}
	return 0;
}

int arq_blocks_use_lengths(struct arq_blocks *blocks, uint32_t generation,
			   const bool wanted[2][129], struct arq_error *error)
{
	struct arq_block_lengths *lengths = blocks->state->automatic;
	uint8_t bit = (uint8_t)(1u << generation);
	bool idle = false;
	int status = 0;

	for (int family = 0; family < 2; family++) {
		for (uint32_t i = 0; i < lengths[family].count; i++) {
			lengths[family].generations[i] &= (uint8_t)~bit;
			idle = idle || !lengths[family].generations[i];
		}
	}
	if (idle)
		tidy_automatic(blocks);
	for (int family = 0; family < 2 && status == 0; family++)
		status = use_wanted(&lengths[family], wanted[family], bit);
	return status ? arq_error_set(
				error, status,
				"rules block prefixes of more than %d different lengths of a "
				"family, with those in force and what they blocked; use fewer",
				ARQ_BLOCK_LENGTHS_MAX)
		      : 0;
}
