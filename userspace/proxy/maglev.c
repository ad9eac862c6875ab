// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/proxy/maglev.h"

#include "userspace/proxy/hash.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FREE UINT16_MAX

struct arq_maglev {
	uint32_t size;
	uint16_t places[];
};

/* A target's way through the table, while it is built. */
struct claim {
	uint32_t at; /* the next place it would claim */
	uint32_t skip;
	uint64_t credit; /* of claims, in units of the largest weight */
};

static struct claim begin(const struct arq_maglev *maglev, const struct arq_maglev_target *target)
{
	size_t length = strlen(target->name);
	return (struct claim){
		.at = (uint32_t)(arq_hash(target->name, length, 1) % maglev->size),
		.skip = (uint32_t)(arq_hash(target->name, length, 2) % (maglev->size - 1)) + 1,
	};
}

/* There must be a free place. */
static void take_place(struct arq_maglev *maglev, struct claim *claim, size_t index)
{
	while (maglev->places[claim->at] != FREE)
		claim->at = (claim->at + claim->skip) % maglev->size;
	maglev->places[claim->at] = (uint16_t)index;
}

static void fill(struct arq_maglev *maglev, const struct arq_maglev_target *targets,
		 struct claim *claims, size_t count)
{
	uint32_t largest = 1;
	for (size_t i = 0; i < count; i++) {
		claims[i] = begin(maglev, &targets[i]);
		if (targets[i].weight > largest)
			largest = targets[i].weight;
	}
	memset(maglev->places, 0xff, maglev->size * sizeof(maglev->places[0]));
	for (size_t i = 0, taken = 0; taken < maglev->size; i = (i + 1) % count) {
		claims[i].credit += targets[i].weight;
		if (claims[i].credit < largest)
			continue;
		claims[i].credit -= largest;
		take_place(maglev, &claims[i], i);
		taken++;
	}
}

int arq_maglev_create(const struct arq_maglev_target *targets, size_t count,
		      struct arq_maglev **maglev)
{
	uint32_t size =
		count <= ARQ_MAGLEV_SMALL_TARGETS ? ARQ_MAGLEV_SIZE_SMALL : ARQ_MAGLEV_SIZE_LARGE;
	struct arq_maglev *made = malloc(sizeof(*made) + size * sizeof(made->places[0]));
	struct claim *claims = calloc(count, sizeof(*claims));
	if (!made || !claims) {
		free(made);
		free(claims);
		return -ENOMEM;
	}
	made->size = size;
	fill(made, targets, claims, count);
	free(claims);
	*maglev = made;
	return 0;
}

void arq_maglev_destroy(struct arq_maglev *maglev)
{
	free(maglev);
}

size_t arq_maglev_find(const struct arq_maglev *maglev, uint64_t key, size_t step)
{
	uint64_t at = arq_hash_mix(key) % maglev->size;
	/* The table's size is a prime: any stride but 0 comes to every place. */
	uint64_t stride = arq_hash_mix(~key) % (maglev->size - 1) + 1;
	return maglev->places[(at + step * stride) % maglev->size];
}
