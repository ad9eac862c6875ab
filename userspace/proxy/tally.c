// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/proxy/tally.h"

#include "userspace/proxy/hash.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* More series than that no metrics store likes; a row is under half a kilobyte. */
#define ROWS_MAX 8192

#define PLACES_MIN 64

/* Rows of one kind: in the order in which they came, and a hash table of them. */
struct rows {
	size_t size; /* of a row; it begins with a struct arq_tally_row */
	struct arq_tally_row **list;
	size_t count;
	struct arq_tally_row **places; /* open addressing, at most half full */
	size_t places_count; /* a power of two */
	struct arq_tally_row *other; /* for what does not fit; comes last, once it was used */
	bool other_used;
};

struct arq_tally {
	struct rows requests;
	struct rows targets;
	struct rows loads;
};

/* --- rows ---------------------------------------------------------------------------------------
 */

static struct arq_tally_row *row_create(size_t size, uint64_t hash,
					const char *const names[ARQ_TALLY_NAMES])
{
	size_t lengths[ARQ_TALLY_NAMES], all = size;
	for (size_t i = 0; i < ARQ_TALLY_NAMES; i++)
		all += lengths[i] = strlen(names[i]) + 1;
	struct arq_tally_row *row = calloc(1, all);
	if (!row)
		return NULL;
	char *text = (char *)row + size;
	for (size_t i = 0; i < ARQ_TALLY_NAMES; i++) {
		memcpy(text, names[i], lengths[i]);
		row->names[i] = text;
		text += lengths[i];
	}
	row->hash = hash;
	return row;
}

static struct arq_tally_row **place_of(const struct rows *rows, uint64_t hash,
				       const char *const names[ARQ_TALLY_NAMES])
{
	for (size_t i = hash;; i++) {
		struct arq_tally_row **place = &rows->places[i & (rows->places_count - 1)];
		if (!*place)
			return place;
		if ((*place)->hash != hash)
			continue;
		size_t same = 0;
		while (same < ARQ_TALLY_NAMES && strcmp((*place)->names[same], names[same]) == 0)
			same++;
		if (same == ARQ_TALLY_NAMES)
			return place;
	}
}

/* Twice as many places, and room in the list for the half of them. */
static bool grow(struct rows *rows)
{
	size_t count = rows->places_count ? 2 * rows->places_count : PLACES_MIN;
	struct arq_tally_row **list = realloc(rows->list, count / 2 * sizeof(*list));
	if (!list)
		return false;
	rows->list = list;
	struct arq_tally_row **places = calloc(count, sizeof(*places));
	if (!places)
		return false;
	free(rows->places);
	rows->places = places;
	rows->places_count = count;
	for (size_t i = 0; i < rows->count; i++)
		*place_of(rows, rows->list[i]->hash, rows->list[i]->names) = rows->list[i];
	return true;
}

static struct arq_tally_row *row_add(struct rows *rows, uint64_t hash,
				     const char *const names[ARQ_TALLY_NAMES])
{
	struct arq_tally_row *row = NULL;
	if (rows->count < ROWS_MAX && (rows->count < rows->places_count / 2 || grow(rows)))
		row = row_create(rows->size, hash, names);
	if (!row) {
		rows->other_used = true;
		return rows->other;
	}
	*place_of(rows, hash, names) = rows->list[rows->count++] = row;
	return row;
}

static struct arq_tally_row *row_of(struct rows *rows, const char *a, const char *b, const char *c)
{
	const char *const names[ARQ_TALLY_NAMES] = {a, b, c};
	uint64_t hash = 0;
	for (size_t i = 0; i < ARQ_TALLY_NAMES; i++)
		hash = arq_hash(names[i], strlen(names[i]), hash);
	struct arq_tally_row *row = *place_of(rows, hash, names);
	return row ? row : row_add(rows, hash, names);
}

static bool rows_init(struct rows *rows, size_t size, const char *third)
{
	const char *const names[ARQ_TALLY_NAMES] = {"other", "other", third};
	rows->size = size;
	rows->other = row_create(size, 0, names);
	return rows->other && grow(rows);
}

static const struct arq_tally_row *row_at(const struct rows *rows, size_t i)
{
	if (i < rows->count)
		return rows->list[i];
	return i == rows->count && rows->other_used ? rows->other : NULL;
}

static void rows_free(struct rows *rows)
{
	for (size_t i = 0; i < rows->count; i++)
		free(rows->list[i]);
	free(rows->other);
	free(rows->list);
	free(rows->places);
}

/* --- the tally
 * ------------------------------------------------------------------------------------ */

int arq_tally_create(struct arq_tally **tally)
{
	struct arq_tally *made = calloc(1, sizeof(*made));
	if (!made)
		return -ENOMEM;
	if (!rows_init(&made->requests, sizeof(struct arq_tally_requests), "other") ||
	    !rows_init(&made->targets, sizeof(struct arq_tally_target), "") ||
	    !rows_init(&made->loads, sizeof(struct arq_tally_load), "other")) {
		arq_tally_destroy(made);
		return -ENOMEM;
	}
	*tally = made;
	return 0;
}

void arq_tally_destroy(struct arq_tally *tally)
{
	if (!tally)
		return;
	rows_free(&tally->requests);
	rows_free(&tally->targets);
	rows_free(&tally->loads);
	free(tally);
}

enum arq_tally_class arq_tally_class(unsigned int status)
{
	if (status < 200)
		return ARQ_TALLY_NO_RESPONSE;
	return status < 500 ? ARQ_TALLY_2XX + (status - 200) / 100 : ARQ_TALLY_5XX;
}

struct arq_tally_requests *arq_tally_requests(struct arq_tally *tally, const char *listener,
					      const char *route, const char *pool)
{
	return (struct arq_tally_requests *)row_of(&tally->requests, listener, route, pool);
}

struct arq_tally_target *arq_tally_target(struct arq_tally *tally, const char *pool,
					  const char *target)
{
	return (struct arq_tally_target *)row_of(&tally->targets, pool, target, "");
}

struct arq_tally_load *arq_tally_load(struct arq_tally *tally, const char *pool, const char *target,
				      const char *address)
{
	return (struct arq_tally_load *)row_of(&tally->loads, pool, target, address);
}

static void add_requests(struct arq_tally_requests *sum, const struct arq_tally_requests *other)
{
	for (size_t i = 0; i < ARQ_TALLY_CLASSES; i++)
		sum->ended[i] += other->ended[i];
	sum->received += other->received;
	sum->sent += other->sent;
	arq_histogram_add(&sum->duration, &other->duration);
}

static void add_target(struct arq_tally_target *sum, const struct arq_tally_target *other)
{
	sum->requests += other->requests;
	sum->retries += other->retries;
	sum->errors += other->errors;
	sum->broken += other->broken;
	sum->late += other->late;
	sum->connects += other->connects;
	sum->connects_failed += other->connects_failed;
	arq_histogram_add(&sum->answer, &other->answer);
}

void arq_tally_add(struct arq_tally *sum, const struct arq_tally *other)
{
	const struct arq_tally_requests *requests;
	const struct arq_tally_target *target;
	for (size_t i = 0; (requests = arq_tally_requests_at(other, i)); i++)
		add_requests(arq_tally_requests(sum, requests->row.names[0], requests->row.names[1],
						requests->row.names[2]),
			     requests);
	for (size_t i = 0; (target = arq_tally_target_at(other, i)); i++)
		add_target(arq_tally_target(sum, target->row.names[0], target->row.names[1]),
			   target);
}

const struct arq_tally_requests *arq_tally_requests_at(const struct arq_tally *tally, size_t i)
{
	return (const struct arq_tally_requests *)row_at(&tally->requests, i);
}

const struct arq_tally_target *arq_tally_target_at(const struct arq_tally *tally, size_t i)
{
	return (const struct arq_tally_target *)row_at(&tally->targets, i);
}

const struct arq_tally_load *arq_tally_load_at(const struct arq_tally *tally, size_t i)
{
	return (const struct arq_tally_load *)row_at(&tally->loads, i);
}
