// SPDX-License-Identifier: BSD-2-Clause
#include "progs/firewall/trie.h"

#include "userspace/common/large.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* References count their lines with 26 bits. */
#define LINES_MAX (ARQ_LOOKUP_DIRECT_MASK + 1)

/* A direct node is at least a line, which has room for 4 bits. */
#define STRIDE_MIN 4
#define STRIDE_MAX 16

/*
 * A wide root has up to so many references for a prefix: more save steps, but each lies on a page
 * that the processor has to find the way to. Below the least bits, the ordinary root is nearer.
 */
#define WIDE_SPREAD 4
#define WIDE_MIN    19

/* Bits in common that are worth a path instead of direct nodes. ARQ_LOOKUP_STEPS_MAX counts on it.
 */
#define PATH_BITS_MIN 6

/*
 * Wide nodes make short ways. They begin with this spread; a table that gets larger than its
 * prefixes deserve is laid out anew, each time with a quarter of it.
 */
#define SPREAD_FIRST  4
#define LINES_A_PIECE 1
#define LINES_FREE    16384

static void build(struct arq_trie *trie, size_t first, size_t last, unsigned int depth,
		  uint32_t background, unsigned int steps, uint32_t *ref);

/* The 64 bits from `depth` on. */
static uint64_t bits_from(const struct arq_trie_item *item, unsigned int depth)
{
	if (depth == 0)
		return item->high;
	if (depth < 64)
		return item->high << depth | item->low >> (64 - depth);
	return depth < 128 ? item->low << (depth - 64) : 0;
}

static unsigned int common_bits(const struct arq_trie_item *a, const struct arq_trie_item *b)
{
	if (a->high != b->high)
		return (unsigned int)__builtin_clzll(a->high ^ b->high);
	return a->low == b->low ? 128 : 64 + (unsigned int)__builtin_clzll(a->low ^ b->low);
}

/* --- lines ------------------------------------------------------------------------------------ */

static int add_lines(struct arq_trie *trie, size_t count, size_t *first)
{
	if (trie->count + count > LINES_MAX || (trie->limit && trie->count + count > trie->limit))
		return -E2BIG;
	if (trie->count + count > trie->capacity) {
		size_t capacity = trie->capacity ? trie->capacity * 2 : 256;
		while (capacity < trie->count + count)
			capacity *= 2;
		void *lines =
			arq_large_grow(trie->lines, trie->count, capacity, sizeof(*trie->lines));
		if (!lines)
			return -ENOMEM;
		trie->lines = lines;
		trie->capacity = capacity;
	}
	memset(trie->lines + trie->count, 0, count * sizeof(*trie->lines));
	*first = trie->count;
	trie->count += count;
	return 0;
}

int arq_trie_add_line(struct arq_trie *trie, size_t *line)
{
	return add_lines(trie, 1, line);
}

/* Room for paths that belong together, in one line. Returns the first one's number. */
static size_t add_paths(struct arq_trie *trie, unsigned int count)
{
	if (trie->paths_used + count > ARQ_LOOKUP_LINE_PATHS) {
		trie->status = add_lines(trie, 1, &trie->paths_line);
		if (trie->status)
			return 0;
		trie->paths_used = 0;
	}
	size_t path = trie->paths_line * ARQ_LOOKUP_LINE_PATHS + trie->paths_used;
	trie->paths_used += count;
	return path;
}

/* --- nodes ------------------------------------------------------------------------------------ */

static uint32_t path_ref(size_t path)
{
	return (uint32_t)ARQ_LOOKUP_PATH << ARQ_LOOKUP_KIND_SHIFT | (uint32_t)path;
}

static void set_path(struct arq_trie *trie, size_t path, const struct arq_trie_item *item,
		     unsigned int depth, unsigned int bits, uint32_t match, uint32_t otherwise)
{
	uint64_t value = bits_from(item, depth) & ~0ull << (64 - bits);

	trie->lines[path / ARQ_LOOKUP_LINE_PATHS].paths[path % ARQ_LOOKUP_LINE_PATHS] =
		(struct arq_lookup_path){
			.value = value | bits,
			.match = match,
			.otherwise = otherwise,
		};
}

static void note_steps(struct arq_trie *trie, unsigned int steps)
{
	if (steps > trie->steps)
		trie->steps = steps;
}

static bool fits_short(unsigned int bits, uint32_t match, uint32_t otherwise)
{
	return bits <= ARQ_LOOKUP_SHORT_BITS_MAX && match <= ARQ_LOOKUP_SHORT_CLASS_MASK &&
	       otherwise <= ARQ_LOOKUP_SHORT_CLASS_MASK;
}

static uint32_t short_ref(const struct arq_trie_item *item, unsigned int depth, uint32_t match,
			  uint32_t otherwise)
{
	unsigned int rest = ARQ_LOOKUP_SHORT_BITS_MAX - (item->length - depth);
	uint32_t bits = (uint32_t)(bits_from(item, depth) >> (64 - ARQ_LOOKUP_SHORT_BITS_MAX));

	return (uint32_t)ARQ_LOOKUP_RECORD << ARQ_LOOKUP_KIND_SHIFT | ARQ_LOOKUP_SHORT |
	       (bits << 1 | 1u << rest) << ARQ_LOOKUP_SHORT_VALUE_SHIFT |
	       match << ARQ_LOOKUP_SHORT_MATCH_SHIFT | otherwise;
}

/* A single prefix, in as many paths as it has bits for. Returns its reference. */
static uint32_t build_single(struct arq_trie *trie, const struct arq_trie_item *item,
			     unsigned int depth, uint32_t match, uint32_t otherwise,
			     unsigned int steps)
{
	unsigned int bits = item->length - depth;
	unsigned int paths = (bits + ARQ_LOOKUP_PATH_BITS_MAX - 1) / ARQ_LOOKUP_PATH_BITS_MAX;

	if (fits_short(bits, match, otherwise)) {
		note_steps(trie, steps + 1);
		return short_ref(item, depth, match, otherwise);
	}
	size_t path = add_paths(trie, paths);
	if (trie->status)
		return 0;
	for (unsigned int i = 0; i < paths; i++) {
		unsigned int from = depth + i * ARQ_LOOKUP_PATH_BITS_MAX;
		bool end = i + 1 == paths;
		set_path(trie, path + i, item, from,
			 end ? item->length - from : ARQ_LOOKUP_PATH_BITS_MAX,
			 end ? match : path_ref(path + i + 1), otherwise);
	}
	note_steps(trie, steps + paths);
	return path_ref(path);
}

static bool contains(const struct arq_trie_item *outer, const struct arq_trie_item *inner)
{
	return outer->length < inner->length && common_bits(outer, inner) >= outer->length;
}

/* Two prefixes: the inner one behind the outer one, or one after the other. */
static uint32_t build_pair(struct arq_trie *trie, const struct arq_trie_item *pair,
			   unsigned int depth, uint32_t background, unsigned int steps)
{
	uint32_t second;

	if (contains(&pair[0], &pair[1])) {
		second = build_single(trie, &pair[1], pair[0].length, pair[1].ref, pair[0].ref,
				      steps + (pair[0].length - depth) / ARQ_LOOKUP_PATH_BITS_MAX +
					      1);
		return trie->status
			       ? 0
			       : build_single(trie, &pair[0], depth, second, background, steps);
	}
	size_t first = add_paths(trie, 1);
	if (trie->status)
		return 0;
	second = build_single(trie, &pair[1], depth, pair[1].ref, background, steps + 1);
	if (trie->status == 0)
		set_path(trie, first, &pair[0], depth, pair[0].length - depth, pair[0].ref, second);
	return path_ref(first);
}

static void build_common(struct arq_trie *trie, size_t first, size_t last, unsigned int depth,
			 unsigned int bits, uint32_t background, unsigned int steps, uint32_t *ref)
{
	uint32_t match;

	if (bits > ARQ_LOOKUP_PATH_BITS_MAX)
		bits = ARQ_LOOKUP_PATH_BITS_MAX;
	size_t path = add_paths(trie, 1);
	if (trie->status)
		return;
	build(trie, first, last, depth + bits, background, steps + 1, &match);
	if (trie->status)
		return;
	set_path(trie, path, &trie->items[first], depth, bits, match, background);
	*ref = path_ref(path);
}

/* Bits for so many prefixes, with `spread` references for each at the most. */
static unsigned int choose_stride(size_t count, unsigned int spread, unsigned int least,
				  unsigned int most)
{
	unsigned int stride = least;

	while (stride < most && (size_t)2 << stride <= count * spread)
		stride++;
	return stride < most ? stride : most;
}

static int add_refs(struct arq_trie *trie, unsigned int stride, size_t *line)
{
	size_t refs = (size_t)1 << stride;

	return add_lines(trie, (refs + ARQ_LOOKUP_LINE_REFS - 1) / ARQ_LOOKUP_LINE_REFS, line);
}

/* References of a direct node, which move with the lines; the root's do not. */
static uint32_t *direct_refs(struct arq_trie *trie, size_t line)
{
	return line == SIZE_MAX ? trie->root->refs : trie->lines[line].refs;
}

/* Fills the 2^stride references of the node at `line`; SIZE_MAX: the root. */
static void fill_direct(struct arq_trie *trie, size_t line, size_t first, size_t last,
			unsigned int depth, unsigned int stride, uint32_t background,
			unsigned int steps)
{
	for (size_t i = 0; i < (size_t)1 << stride; i++)
		direct_refs(trie, line)[i] = background;
	for (size_t i = first; i < last && trie->status == 0;) {
		const struct arq_trie_item *item = &trie->items[i];
		size_t slot = bits_from(item, depth) >> (64 - stride);
		if (item->length <= depth + stride) {
			size_t end = slot + ((size_t)1 << (depth + stride - item->length));
			for (; slot < end; slot++)
				direct_refs(trie, line)[slot] = item->ref;
			i++;
			continue;
		}
		size_t end = i + 1;
		while (end < last && bits_from(&trie->items[end], depth) >> (64 - stride) == slot)
			end++;
		uint32_t ref;
		build(trie, i, end, depth + stride, direct_refs(trie, line)[slot], steps, &ref);
		if (trie->status == 0)
			direct_refs(trie, line)[slot] = ref;
		i = end;
	}
}

static void build_direct(struct arq_trie *trie, size_t first, size_t last, unsigned int depth,
			 uint32_t background, unsigned int steps, uint32_t *ref)
{
	unsigned int left = trie->width - depth;
	unsigned int stride = choose_stride(last - first, trie->spread, STRIDE_MIN,
					    left < STRIDE_MAX ? left : STRIDE_MAX);
	size_t line;

	trie->status = add_refs(trie, stride, &line);
	if (trie->status)
		return;
	fill_direct(trie, line, first, last, depth, stride, background, steps + 1);
	*ref = (uint32_t)ARQ_LOOKUP_DIRECT << ARQ_LOOKUP_KIND_SHIFT |
	       (stride - 1) << ARQ_LOOKUP_STRIDE_SHIFT | (uint32_t)line;
}

/*
 * The node for items[first..last), which all lie in one region of `depth` bits; the rest of the
 * region refers to `background`. `steps` were taken until here. Sets *ref, or trie->status.
 */
static void build(struct arq_trie *trie, size_t first, size_t last, unsigned int depth,
		  uint32_t background, unsigned int steps, uint32_t *ref)
{
	const struct arq_trie_item *items = trie->items;

	if (first < last && items[first].length == depth)
		background = items[first++].ref;
	note_steps(trie, steps);
	*ref = background;
	if (first == last)
		return;
	if (last - first == 1) {
		*ref = build_single(trie, &items[first], depth, items[first].ref, background,
				    steps);
		return;
	}
	if (last - first == 2 && (items[first].length - depth <= ARQ_LOOKUP_PATH_BITS_MAX ||
				  contains(&items[first], &items[first + 1]))) {
		*ref = build_pair(trie, &items[first], depth, background, steps);
		return;
	}
	/* A prefix around all of them would be the first. */
	unsigned int common = common_bits(&items[first], &items[last - 1]);
	if (common > items[first].length)
		common = items[first].length;
	if (common >= depth + PATH_BITS_MIN)
		build_common(trie, first, last, depth, common - depth, background, steps, ref);
	else
		build_direct(trie, first, last, depth, background, steps, ref);
}

static int build_root(struct arq_trie *trie, size_t count)
{
	unsigned int stride = ARQ_LOOKUP_ROOT_BITS;
	uint32_t background = 0;
	size_t line = SIZE_MAX, first = 0;

	trie->status = 0;
	trie->steps = 0;
	trie->paths_used = ARQ_LOOKUP_LINE_PATHS;
	if (count > 0 && trie->items[0].length == 0)
		background = trie->items[first++].ref;
	trie->root->wide_bits = 0;
	trie->root->wide_line = 0;
	if (trie->width == 32)
		stride = choose_stride(count, WIDE_SPREAD, stride, ARQ_LOOKUP_WIDE_MAX);
	if (stride < WIDE_MIN) {
		stride = ARQ_LOOKUP_ROOT_BITS;
	} else {
		trie->status = add_refs(trie, stride, &line);
		if (trie->status)
			return trie->status;
		memset(trie->root->refs, 0, sizeof(trie->root->refs));
		trie->root->wide_bits = stride;
		trie->root->wide_line = (uint32_t)line;
	}
	fill_direct(trie, line, first, count, 0, stride, background, 0);
	return trie->status;
}

int arq_trie_build(struct arq_trie *trie, const struct arq_trie_item *items, size_t count,
		   unsigned int width)
{
	size_t before = trie->count;
	int status;

	if (!trie->root)
		trie->root = calloc(1, sizeof(*trie->root));
	if (!trie->root)
		return -ENOMEM;
	trie->root->records = (uint32_t)before;
	trie->items = items;
	trie->width = width;
	trie->spread = SPREAD_FIRST;
	do {
		/* The last attempt has what it needs. */
		trie->limit = trie->spread > 1 ? before + LINES_FREE + count * LINES_A_PIECE : 0;
		trie->count = before;
		status = build_root(trie, count);
		trie->spread /= 4;
	} while (status == -E2BIG && trie->spread > 0);
	trie->items = NULL;
	return status;
}

void arq_trie_free(struct arq_trie *trie)
{
	free(trie->root);
	free(trie->lines);
	*trie = (struct arq_trie){0};
}
