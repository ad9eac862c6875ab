// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/proxy/roster.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void target_free(struct arq_roster_target *target)
{
	free(target->configured);
	free(target->server_name);
}

static void roster_free(struct arq_roster *roster)
{
	for (size_t i = 0; i < roster->count; i++)
		target_free(&roster->targets[i]);
	arq_members_destroy(roster->members);
	arq_maglev_destroy(roster->maglev);
	free(roster);
}

/* What a certificate is checked for where nobody says a name: the address. */
static char *name_of_address(const union arq_address *address)
{
	char text[ARQ_ADDRESS_TEXT_MAX];
	return strdup(arq_address_format_host(address, text));
}

/* Room was made. Targets that are there keep theirs: the first that says an address counts. */
static int add(struct arq_roster *roster, const struct arq_config_target *config,
	       const union arq_address *address)
{
	struct arq_roster_target *target = &roster->targets[roster->count];
	for (size_t i = 0; i < roster->count; i++) {
		if (arq_address_equal(&roster->targets[i].address, address))
			return 0;
	}
	*target = (struct arq_roster_target){
		.address = *address,
		.configured = strdup(config->address_text),
		.server_name = config->server_name ? strdup(config->server_name)
						   : name_of_address(address),
		.weight = config->weight,
		.backup = config->backup,
	};
	if (!target->configured || !target->server_name) {
		target_free(target);
		return -ENOMEM;
	}
	if (config->host)
		arq_address_format(address, target->text);
	else
		memccpy(target->text, config->address_text, 0, sizeof(target->text) - 1);
	roster->count++;
	return 0;
}

static int add_named(struct arq_roster **roster, const struct arq_config_target *config,
		     const struct arq_proxy_names *names)
{
	union arq_address list[ARQ_CONFIG_NAME_ADDRESSES_MAX];
	size_t count = names ? names->addresses(names->user, config->host, list) : 0;
	struct arq_roster *wider =
		realloc(*roster, sizeof(**roster) + ((*roster)->count + count) *
							    sizeof((*roster)->targets[0]));
	int code = 0;
	if (!wider)
		return -ENOMEM;
	*roster = wider;
	for (size_t i = 0; code == 0 && i < count; i++) {
		arq_address_set_port(&list[i], config->port);
		code = add(wider, config, &list[i]);
	}
	return code;
}

static int add_address(struct arq_roster **roster, const struct arq_config_target *config)
{
	struct arq_roster *wider = realloc(
		*roster, sizeof(**roster) + ((*roster)->count + 1) * sizeof((*roster)->targets[0]));
	if (!wider)
		return -ENOMEM;
	*roster = wider;
	return add(wider, config, &config->address);
}

static int create_maglev(const struct arq_config_pool *config, struct arq_roster *roster)
{
	if (config->policy != ARQ_CONFIG_CONSISTENT_HASH || roster->count == 0)
		return 0;
	struct arq_maglev_target *targets = calloc(roster->count, sizeof(*targets));
	if (!targets)
		return -ENOMEM;
	for (size_t i = 0; i < roster->count; i++)
		targets[i] = (struct arq_maglev_target){
			.name = roster->targets[i].text,
			.weight = roster->targets[i].weight,
		};
	int code = arq_maglev_create(targets, roster->count, &roster->maglev);
	free(targets);
	return code;
}

int arq_roster_create(const struct arq_config_pool *config, const struct arq_proxy_names *names,
		      const struct arq_roster *previous, struct arq_roster **roster)
{
	struct arq_roster *made = calloc(1, sizeof(*made));
	if (!made)
		return -ENOMEM;
	made->references = 1;

	int code = 0;
	for (uint32_t i = 0; code == 0 && i < config->targets_count; i++) {
		const struct arq_config_target *target = &config->targets[i];
		code = target->host ? add_named(&made, target, names) : add_address(&made, target);
	}
	if (code == 0)
		code = arq_members_create(
			&(struct arq_members_options){
				.targets = made->targets,
				.count = made->count,
				.ejection = config->ejection,
				.checked = config->health != NULL,
			},
			previous ? previous->members : NULL, &made->members);
	if (code == 0)
		code = create_maglev(config, made);
	if (code != 0) {
		roster_free(made);
		return code;
	}
	*roster = made;
	return 0;
}

struct arq_roster *arq_roster_get(struct arq_roster *roster)
{
	atomic_fetch_add_explicit(&roster->references, 1, memory_order_relaxed);
	return roster;
}

void arq_roster_put(struct arq_roster *roster)
{
	if (roster && atomic_fetch_sub_explicit(&roster->references, 1, memory_order_acq_rel) == 1)
		roster_free(roster);
}

bool arq_roster_same_target(const struct arq_roster_target *a, const struct arq_roster_target *b)
{
	return arq_address_equal(&a->address, &b->address) &&
	       strcmp(a->configured, b->configured) == 0 &&
	       strcmp(a->server_name, b->server_name) == 0 && a->weight == b->weight &&
	       a->backup == b->backup;
}

bool arq_roster_same(const struct arq_roster *a, const struct arq_roster *b)
{
	bool same = a->count == b->count;
	for (size_t i = 0; same && i < a->count; i++)
		same = arq_roster_same_target(&a->targets[i], &b->targets[i]);
	return same;
}
