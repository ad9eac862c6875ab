// SPDX-License-Identifier: BSD-2-Clause
#include "progs/firewall/lookup.h"

#include "progs/firewall/label_set.h"
#include "progs/firewall/trie.h"
#include "userspace/common/large.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define NONE UINT32_MAX

/* Prefixes around each other: one of each length. */
#define NESTED_MAX 129

/* An entry by its address; the bytes of which it consists are the order. */
struct sorted {
	uint64_t high;
	uint64_t low;
	uint32_t entry;
	uint8_t length;
};

struct classes {
	uint32_t count;
	size_t *first; /* of each class and one more */
	uint32_t *labels;
};

struct arq_lookup {
	int family;
	struct arq_trie trie;
	struct classes classes;
};

/* A table in the kernel, mapped. */
struct installed {
	uint32_t records;
	size_t size;
	struct arq_lookup_line *lines;
};

/* --- sorting ---------------------------------------------------------------------------------- */

static uint64_t load_bits(const uint8_t *bytes, size_t count)
{
	uint64_t value = 0;

	for (size_t i = 0; i < 8; i++)
		value = value << 8 | (i < count ? bytes[i] : 0);
	return value;
}

/* Digits from the least significant one on: the length, then the address from its end. */
#define DIGITS 17

static uint8_t digit_of(const struct sorted *item, unsigned int digit)
{
	if (digit == 0)
		return item->length;
	if (digit <= 8)
		return (uint8_t)(item->low >> 8 * (digit - 1));
	return (uint8_t)(item->high >> 8 * (digit - 9));
}

static bool in_order(const struct sorted *a, const struct sorted *b)
{
	if (a->high != b->high)
		return a->high < b->high;
	if (a->low != b->low)
		return a->low < b->low;
	return a->length <= b->length;
}

/*
 * Sorts by radix, leaving out digits that all have in common. Returns which of the two arrays has
 * the result.
 */
static struct sorted *sort(struct sorted *items, struct sorted *other, size_t count)
{
	size_t counts[256];
	size_t ordered = 1;

	while (ordered < count && in_order(&items[ordered - 1], &items[ordered]))
		ordered++;
	if (ordered >= count)
		return items;
	for (unsigned int digit = 0; digit < DIGITS; digit++) {
		memset(counts, 0, sizeof(counts));
		for (size_t i = 0; i < count; i++)
			counts[digit_of(&items[i], digit)]++;
		if (counts[digit_of(&items[0], digit)] == count)
			continue;
		size_t at = 0;
		for (size_t i = 0; i < 256; i++) {
			size_t next = at + counts[i];
			counts[i] = at;
			at = next;
		}
		for (size_t i = 0; i < count; i++)
			other[counts[digit_of(&items[i], digit)]++] = items[i];
		struct sorted *result = other;
		other = items;
		items = result;
	}
	return items;
}

/* --- what prefixes refer to ------------------------------------------------------------------- */

/* A prefix whose packets are counted, and the one around it. */
struct counted {
	uint32_t entry;
	uint64_t expires;
	uint32_t outer; /* index of the nested prefix around it, NONE: none */
};

/* A prefix on the way down to the one that is looked at. */
struct nested {
	uint64_t high;
	uint64_t low;
	uint8_t length;
	uint32_t set;
	uint32_t ref;
	uint32_t counted; /* index of the nearest nested prefix that is counted, NONE: none */
	struct counted self;
};

struct builder {
	const struct arq_lookup_entry *entries;
	struct arq_label_sets sets;
	struct arq_trie *trie;
	struct nested nested[NESTED_MAX]; /* the last one is innermost */
	unsigned int depth;
	unsigned int width;
};

static uint64_t expiry_of(const struct arq_lookup_entry *entry)
{
	return entry->expires ? entry->expires : ARQ_LABEL_FOREVER;
}

static int make_record(struct builder *builder, const struct arq_lookup_record *record,
		       uint32_t *ref)
{
	size_t line;

	int status = arq_trie_add_line(builder->trie, &line);
	if (status)
		return status;
	builder->trie->lines[line].record = *record;
	*ref = (uint32_t)ARQ_LOOKUP_RECORD << ARQ_LOOKUP_KIND_SHIFT | (uint32_t)line;
	return 0;
}

/*
 * Sets *ref for a set of labels, where packets of the nested prefix `counted` are counted (NONE: of
 * none): a class, or a record for each time at which something expires.
 */
static int refer(struct builder *builder, uint32_t set, uint32_t counted, uint32_t *ref)
{
	uint64_t until = arq_label_sets_expire(&builder->sets, set);
	struct arq_lookup_record record = {0};

	if (counted == NONE && builder->sets.sets[set].ref != NONE) {
		*ref = builder->sets.sets[set].ref;
		return 0;
	}
	if (counted != NONE) {
		const struct counted *self = &builder->nested[counted].self;
		const struct arq_prefix *prefix = &builder->entries[self->entry].prefix;
		if (self->expires < until)
			until = self->expires;
		record.flags = ARQ_LOOKUP_COUNTED;
		record.length = prefix->length;
		memcpy(record.address, prefix->address, sizeof(record.address));
	}
	record.expires = until;
	int status = arq_label_sets_class(&builder->sets, set, &record.class);
	if (status == 0 && until != ARQ_LABEL_FOREVER) {
		uint32_t later, after = counted;
		while (after != NONE && builder->nested[after].self.expires <= until)
			after = builder->nested[after].self.outer;
		status = arq_label_sets_after(&builder->sets, set, until, &later);
		if (status == 0)
			status = refer(builder, later, after, &record.otherwise);
	}
	*ref = record.class;
	if (status == 0 && (counted != NONE || until != ARQ_LABEL_FOREVER))
		status = make_record(builder, &record, ref);
	if (status == 0 && counted == NONE)
		builder->sets.sets[set].ref = *ref;
	return status;
}

/* Times at which something expires there, each of which takes a record. */
static unsigned int count_records(const struct builder *builder, uint32_t set, uint32_t counted)
{
	unsigned int records = arq_label_sets_expiring(&builder->sets, set);

	for (; counted != NONE; counted = builder->nested[counted].self.outer)
		records += builder->nested[counted].self.expires != ARQ_LABEL_FOREVER;
	return records;
}

static bool covers(const struct nested *outer, const struct sorted *item)
{
	if (outer->length == 0)
		return true;
	if (outer->length <= 64)
		return (outer->high ^ item->high) >> (64 - outer->length) == 0;
	return outer->high == item->high && (outer->low ^ item->low) >> (128 - outer->length) == 0;
}

/* Makes the nested prefix for sorted[0..count), which are all the same prefix. */
static int descend(struct builder *builder, const struct sorted *sorted, size_t count)
{
	struct nested *nested = builder->nested;

	while (builder->depth > 0 && !covers(&nested[builder->depth - 1], &sorted[0]))
		builder->depth--;
	const struct nested *outer = builder->depth > 0 ? &nested[builder->depth - 1] : NULL;
	struct nested *one = &nested[builder->depth];
	*one = (struct nested){
		.high = sorted->high,
		.low = sorted->low,
		.length = sorted->length,
		.set = outer ? outer->set : ARQ_LABEL_SET_EMPTY,
		.counted = outer ? outer->counted : NONE,
		.self.entry = NONE,
		.self.outer = outer ? outer->counted : NONE,
	};
	int status = 0;
	for (size_t i = 0; i < count && status == 0; i++) {
		const struct arq_lookup_entry *entry = &builder->entries[sorted[i].entry];
		status = arq_label_sets_add(&builder->sets, one->set, entry->label,
					    expiry_of(entry), &one->set);
		if (!entry->counted)
			continue;
		one->counted = builder->depth;
		one->self.entry = sorted[i].entry;
		if (expiry_of(entry) > one->self.expires)
			one->self.expires = expiry_of(entry);
	}
	if (status == 0 && count_records(builder, one->set, one->counted) > ARQ_LOOKUP_RECORDS_MAX)
		status = -E2BIG;
	if (status == 0)
		status = refer(builder, one->set, one->counted, &one->ref);
	builder->depth++;
	return status;
}

/*
 * Writes the prefixes that change something to `items`. Returns 0 and *kept.
 */
static int resolve(struct builder *builder, const struct sorted *sorted, size_t count,
		   struct arq_trie_item *items, size_t *kept)
{
	*kept = 0;
	for (size_t i = 0; i < count;) {
		size_t same = 1;
		while (i + same < count && sorted[i + same].high == sorted[i].high &&
		       sorted[i + same].low == sorted[i].low &&
		       sorted[i + same].length == sorted[i].length)
			same++;
		int status = descend(builder, &sorted[i], same);
		if (status)
			return status;
		const struct nested *one = &builder->nested[builder->depth - 1];
		uint32_t outer = builder->depth > 1 ? one[-1].ref : 0;
		i += same;
		if (one->ref != outer)
			items[(*kept)++] = (struct arq_trie_item){
				.high = one->high,
				.low = one->low,
				.ref = one->ref,
				.length = one->length,
			};
	}
	return 0;
}

/* --- building --------------------------------------------------------------------------------- */

static int copy_classes(const struct arq_label_sets *sets, struct classes *classes)
{
	size_t total = 0;

	for (uint32_t i = 0; i < sets->class_count; i++)
		total += sets->sets[sets->classes[i]].count;
	classes->count = sets->class_count;
	classes->first = calloc((size_t)sets->class_count + 1, sizeof(*classes->first));
	classes->labels = calloc(total ? total : 1, sizeof(*classes->labels));
	if (!classes->first || !classes->labels)
		return -ENOMEM;
	size_t at = 0;
	for (uint32_t i = 0; i < sets->class_count; i++) {
		const struct arq_label_set *set = &sets->sets[sets->classes[i]];
		classes->first[i] = at;
		for (uint32_t member = 0; member < set->count; member++)
			classes->labels[at++] = sets->members[set->first + member].label;
	}
	classes->first[sets->class_count] = at;
	return 0;
}

static int collect(int family, const struct arq_lookup_entry *entries, size_t count,
		   struct sorted *items, size_t *collected, struct arq_error *error)
{
	bool v4 = family == AF_INET;

	*collected = 0;
	for (size_t i = 0; i < count; i++) {
		const struct arq_prefix *prefix = &entries[i].prefix;
		if (prefix->family != family)
			continue;
		if (!arq_prefix_valid(prefix) || entries[i].label >= ARQ_LOOKUP_LABELS_MAX)
			return arq_error_set(error, -EINVAL,
					     "entry %zu of a table of addresses is no prefix", i);
		items[(*collected)++] = (struct sorted){
			.high = load_bits(prefix->address, v4 ? 4 : 8),
			.low = v4 ? 0 : load_bits(prefix->address + 8, 8),
			.entry = (uint32_t)i,
			.length = prefix->length,
		};
	}
	return 0;
}

static int build(struct arq_lookup *lookup, struct builder *builder, struct sorted *items,
		 struct sorted *other, size_t count)
{
	_Static_assert(sizeof(struct arq_trie_item) <= sizeof(struct sorted),
		       "the items go into the spare array");
	size_t kept;

	struct sorted *sorted = sort(items, other, count);
	struct sorted *spare = sorted == items ? other : items;
	int status = arq_label_sets_init(&builder->sets);
	if (status == 0)
		status = resolve(builder, sorted, count, (struct arq_trie_item *)spare, &kept);
	if (status == 0)
		status = copy_classes(&builder->sets, &lookup->classes);
	arq_label_sets_free(&builder->sets);
	if (status == 0)
		status = arq_trie_build(&lookup->trie, (struct arq_trie_item *)spare, kept,
					builder->width);
	return status;
}

static size_t count_family(const struct arq_lookup_entry *entries, size_t count, int family)
{
	size_t found = 0;

	for (size_t i = 0; i < count; i++)
		found += entries[i].prefix.family == family;
	return found;
}

static int build_error(int status, struct arq_error *error)
{
	if (status == -E2BIG)
		return arq_error_set(error, status,
				     "the prefixes of sets overlap in too many ways to hold in "
				     "memory, or more than %d lists with entries that expire meet "
				     "on one address; use fewer sets",
				     ARQ_LOOKUP_RECORDS_MAX);
	return status ? arq_error_set(error, status, "no memory for a table of addresses: %s",
				      strerror(-status))
		      : 0;
}

int arq_lookup_build(int family, const struct arq_lookup_entry *entries, size_t count,
		     struct arq_lookup **lookup, struct arq_error *error)
{
	size_t wanted = count_family(entries, count, family);

	*lookup = NULL;
	if (wanted > ARQ_LOOKUP_PREFIXES_MAX || count > UINT32_MAX)
		return arq_error_set(error, -E2BIG,
				     "more than %u prefixes of IPv%d; aggregate neighbouring ones",
				     ARQ_LOOKUP_PREFIXES_MAX, family == AF_INET ? 4 : 6);
	struct sorted *items = arq_large_alloc(wanted, sizeof(*items));
	struct sorted *other = arq_large_alloc(wanted, sizeof(*items));
	struct builder *builder = calloc(1, sizeof(*builder));
	struct arq_lookup *made = calloc(1, sizeof(*made));
	int status = -ENOMEM;
	if (items && other && builder && made) {
		made->family = family;
		builder->entries = entries;
		builder->trie = &made->trie;
		builder->width = family == AF_INET ? 32 : 128;
		status = collect(family, entries, count, items, &wanted, error);
		if (status == 0)
			status = build(made, builder, items, other, wanted);
	}
	free(items);
	free(other);
	free(builder);
	if (status) {
		arq_lookup_destroy(made);
		return build_error(status, error);
	}
	*lookup = made;
	return 0;
}

void arq_lookup_destroy(struct arq_lookup *lookup)
{
	if (!lookup)
		return;
	arq_trie_free(&lookup->trie);
	free(lookup->classes.first);
	free(lookup->classes.labels);
	free(lookup);
}

/* --- reading ---------------------------------------------------------------------------------- */

uint32_t arq_lookup_class_count(const struct arq_lookup *lookup)
{
	return lookup->classes.count;
}

size_t arq_lookup_class_labels(const struct arq_lookup *lookup, uint32_t class,
			       const uint32_t **labels)
{
	*labels = lookup->classes.labels + lookup->classes.first[class];
	return lookup->classes.first[class + 1] - lookup->classes.first[class];
}

size_t arq_lookup_size(const struct arq_lookup *lookup)
{
	return sizeof(struct arq_lookup_root) + lookup->trie.count * sizeof(struct arq_lookup_line);
}

unsigned int arq_lookup_steps(const struct arq_lookup *lookup)
{
	return lookup->trie.steps;
}

static void use_up(uint64_t *high, uint64_t *low, unsigned int bits)
{
	*high = *high << bits | *low >> (64 - bits);
	*low <<= bits;
}

static uint32_t follow(const struct arq_lookup_line *lines, uint32_t ref, uint64_t *high,
		       uint64_t *low, uint64_t now)
{
	uint32_t value = ref & ARQ_LOOKUP_VALUE_MASK;

	switch ((enum arq_lookup_kind)(ref >> ARQ_LOOKUP_KIND_SHIFT)) {
	case ARQ_LOOKUP_DIRECT: {
		unsigned int bits = 1 + (ref >> ARQ_LOOKUP_STRIDE_SHIFT & ARQ_LOOKUP_STRIDE_MASK);
		uint64_t entry = *high >> (64 - bits);
		use_up(high, low, bits);
		return lines[(ref & ARQ_LOOKUP_DIRECT_MASK) + entry / ARQ_LOOKUP_LINE_REFS]
			.refs[entry % ARQ_LOOKUP_LINE_REFS];
	}
	case ARQ_LOOKUP_PATH: {
		const struct arq_lookup_path *path =
			&lines[value / ARQ_LOOKUP_LINE_PATHS].paths[value % ARQ_LOOKUP_LINE_PATHS];
		unsigned int bits = path->value & ARQ_LOOKUP_PATH_MASK;
		if ((*high ^ path->value) >> (64 - bits))
			return path->otherwise;
		use_up(high, low, bits);
		return path->match;
	}
	case ARQ_LOOKUP_RECORD: {
		if (ref & ARQ_LOOKUP_SHORT)
			return arq_lookup_short(ref, *high);
		const struct arq_lookup_record *record = &lines[value].record;
		return now >= record->expires ? record->otherwise : record->class;
	}
	case ARQ_LOOKUP_CLASS:
		break;
	}
	return ref;
}

static uint32_t root_ref(const struct arq_lookup *lookup, uint64_t *high, uint64_t *low)
{
	const struct arq_lookup_root *root = lookup->trie.root;
	unsigned int bits = root->wide_bits ? root->wide_bits : ARQ_LOOKUP_ROOT_BITS;
	uint64_t entry = *high >> (64 - bits);

	use_up(high, low, bits);
	return root->wide_bits ? lookup->trie.lines[root->wide_line + entry / ARQ_LOOKUP_LINE_REFS]
					 .refs[entry % ARQ_LOOKUP_LINE_REFS]
			       : root->refs[entry];
}

uint32_t arq_lookup_find(const struct arq_lookup *lookup, const uint8_t *address, uint64_t now)
{
	bool v4 = lookup->family == AF_INET;
	uint64_t high = load_bits(address, v4 ? 4 : 8);
	uint64_t low = v4 ? 0 : load_bits(address + 8, 8);

	uint32_t ref = root_ref(lookup, &high, &low);
	while (ref >> ARQ_LOOKUP_KIND_SHIFT != ARQ_LOOKUP_CLASS)
		ref = follow(lookup->trie.lines, ref, &high, &low, now);
	return ref;
}

/* --- time ------------------------------------------------------------------------------------- */

uint64_t arq_lookup_deadline(uint32_t seconds)
{
	const uint64_t second = 1000000000;
	struct timespec real, monotonic;

	if (seconds == 0)
		return 0;
	clock_gettime(CLOCK_REALTIME, &real);
	clock_gettime(CLOCK_MONOTONIC, &monotonic);
	uint64_t passed = (uint64_t)real.tv_sec * second + (uint64_t)real.tv_nsec;
	uint64_t now = (uint64_t)monotonic.tv_sec * second + (uint64_t)monotonic.tv_nsec;
	return seconds * second <= passed ? 1 : seconds * second - passed + now;
}

/* --- maps ------------------------------------------------------------------------------------- */

static int make_root(const struct arq_lookup *lookup)
{
	uint32_t zero = 0;

	int map = bpf_map_create(BPF_MAP_TYPE_ARRAY, "lookup_root", sizeof(zero),
				 sizeof(struct arq_lookup_root), 1, NULL);
	if (map < 0)
		return map;
	int status = bpf_map_update_elem(map, &zero, lookup->trie.root, BPF_ANY);
	if (status)
		close(map);
	return status ? status : map;
}

static int make_nodes(const struct arq_lookup *lookup)
{
	LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = BPF_F_INNER_MAP | BPF_F_MMAPABLE);
	size_t count = lookup->trie.count;
	size_t size = count * sizeof(struct arq_lookup_line);

	int map = bpf_map_create(BPF_MAP_TYPE_ARRAY, "lookup_nodes", sizeof(uint32_t),
				 sizeof(struct arq_lookup_line), count ? (uint32_t)count : 1,
				 &options);
	if (map < 0 || count == 0)
		return map;
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, map, 0);
	if (memory == MAP_FAILED) {
		int code = -errno;
		close(map);
		return code;
	}
	memcpy(memory, lookup->trie.lines, size);
	munmap(memory, size);
	return map;
}

static int enter(int outer, uint32_t index, int inner)
{
	int status = inner < 0 ? inner : bpf_map_update_elem(outer, &index, &inner, BPF_ANY);

	if (inner >= 0)
		close(inner);
	return status;
}

int arq_lookup_install(const struct arq_lookup *lookup, int roots, int nodes, uint32_t index,
		       struct arq_error *error)
{
	struct arq_error unused = {0};

	int status = enter(nodes, index, make_nodes(lookup));
	if (status == 0)
		status = enter(roots, index, make_root(lookup));
	if (status == 0)
		return 0;
	arq_lookup_remove(roots, nodes, index, &unused);
	return arq_error_set(error, status,
			     "cannot put a table of %zu bytes for addresses into the kernel: %s",
			     arq_lookup_size(lookup), strerror(-status));
}

int arq_lookup_remove(int roots, int nodes, uint32_t index, struct arq_error *error)
{
	int status = bpf_map_delete_elem(roots, &index);

	if (status == 0 || status == -ENOENT)
		status = bpf_map_delete_elem(nodes, &index);
	if (status == 0 || status == -ENOENT)
		return 0;
	return arq_error_set(error, status, "cannot take a table of addresses out: %s",
			     strerror(-status));
}

/* --- what was counted ------------------------------------------------------------------------- */

/* Opens the map inside the map of maps. */
static int open_inner(int outer, uint32_t index)
{
	uint32_t id;

	int status = bpf_map_lookup_elem(outer, &index, &id);
	return status ? status : bpf_map_get_fd_by_id(id);
}

static int read_record_count(int roots, uint32_t index, uint32_t *records)
{
	uint32_t zero = 0;

	int map = open_inner(roots, index);
	if (map < 0)
		return map;
	struct arq_lookup_root *root = malloc(sizeof(*root));
	int status = root ? bpf_map_lookup_elem(map, &zero, root) : -ENOMEM;
	if (status == 0)
		*records = root->records;
	free(root);
	close(map);
	return status;
}

/* Maps the records of a table for reading. Returns 0, -ENOENT when there are none, or an errno. */
static int installed_open(struct installed *installed, int roots, int nodes, uint32_t index)
{
	struct bpf_map_info info = {0};
	uint32_t size = sizeof(info);

	int status = read_record_count(roots, index, &installed->records);
	if (status)
		return status;
	if (installed->records == 0)
		return -ENOENT;
	int map = open_inner(nodes, index);
	if (map < 0)
		return map;
	status = bpf_map_get_info_by_fd(map, &info, &size);
	if (status == 0 &&
	    (info.value_size != sizeof(*installed->lines) || info.max_entries < installed->records))
		status = -EINVAL;
	installed->size = (size_t)installed->records * sizeof(*installed->lines);
	void *memory = MAP_FAILED;
	if (status == 0) {
		memory = mmap(NULL, installed->size, PROT_READ, MAP_SHARED, map, 0);
		status = memory == MAP_FAILED ? -errno : 0;
	}
	close(map);
	installed->lines = memory;
	return status;
}

int arq_lookup_each_counted(int roots, int nodes, uint32_t index,
			    int (*visit)(const struct arq_lookup_record *record, void *context),
			    void *context)
{
	struct installed installed = {0};

	int status = installed_open(&installed, roots, nodes, index);
	if (status)
		return status == -ENOENT ? 0 : status;
	for (uint32_t i = 0; i < installed.records && status == 0; i++) {
		const struct arq_lookup_record *record = &installed.lines[i].record;
		if (record->flags & ARQ_LOOKUP_COUNTED)
			status = visit(record, context);
	}
	munmap(installed.lines, installed.size);
	return status;
}

/* First record of each prefix in a table that is not installed yet, by a hash of the prefix. */
struct carry {
	struct arq_lookup_line *lines;
	uint32_t *slots; /* NONE: free */
	uint32_t mask;
};

/* Where the prefix of a record is, or where it should be. */
static uint32_t *carry_slot(const struct carry *carry, const struct arq_lookup_record *record)
{
	uint64_t hash = (load_bits(record->address, 8) ^ record->length) * 0x9e3779b97f4a7c15;
	hash = (hash ^ hash >> 32 ^ load_bits(record->address + 8, 8)) * 0x9e3779b97f4a7c15;
	uint32_t at = (uint32_t)(hash >> 32) & carry->mask;

	for (;; at = (at + 1) & carry->mask) {
		uint32_t line = carry->slots[at];
		if (line == NONE)
			return &carry->slots[at];
		const struct arq_lookup_record *there = &carry->lines[line].record;
		if (there->length == record->length &&
		    memcmp(there->address, record->address, sizeof(there->address)) == 0)
			return &carry->slots[at];
	}
}

static int carry_one(const struct arq_lookup_record *record, void *context)
{
	const struct carry *carry = context;

	uint32_t line = *carry_slot(carry, record);
	if (line == NONE)
		return 0;
	struct arq_lookup_record *to = &carry->lines[line].record;
	to->hits += __atomic_load_n(&record->hits, __ATOMIC_RELAXED);
	uint64_t last_seen = __atomic_load_n(&record->last_seen, __ATOMIC_RELAXED);
	if (last_seen > to->last_seen)
		to->last_seen = last_seen;
	return 0;
}

int arq_lookup_carry(struct arq_lookup *lookup, int roots, int nodes, uint32_t index)
{
	uint32_t records = lookup->trie.root->records;
	struct carry carry = {.lines = lookup->trie.lines, .mask = 1023};

	if (records == 0)
		return 0;
	while (carry.mask / 2 < records)
		carry.mask = carry.mask * 2 + 1;
	carry.slots = malloc(((size_t)carry.mask + 1) * sizeof(*carry.slots));
	if (!carry.slots)
		return -ENOMEM;
	memset(carry.slots, 0xff, ((size_t)carry.mask + 1) * sizeof(*carry.slots));
	for (uint32_t i = 0; i < records; i++) {
		const struct arq_lookup_record *record = &lookup->trie.lines[i].record;
		uint32_t *slot =
			record->flags & ARQ_LOOKUP_COUNTED ? carry_slot(&carry, record) : NULL;
		if (slot && *slot == NONE)
			*slot = i;
	}
	int status = arq_lookup_each_counted(roots, nodes, index, carry_one, &carry);
	free(carry.slots);
	return status;
}
