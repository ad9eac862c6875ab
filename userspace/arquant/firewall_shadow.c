// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/arquant/firewall_shadow.h"

#include <errno.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static const char *rule_name(const struct arq_firewall_target *target, uint32_t slot)
{
	if (slot == ARQ_RULE_SLOT_DEFAULT || slot >= ARQ_RULE_SLOTS)
		return "(default)";
	return arq_generations_slot(target->generations, slot)->name;
}

/* Sleeps, or is woken by one of the signals that the process holds back. */
static void wait_for(uint64_t for_ns)
{
	const struct timespec time = {(time_t)(for_ns / 1000000000u), (long)(for_ns % 1000000000u)};
	sigset_t ends;

	sigemptyset(&ends);
	sigaddset(&ends, SIGINT);
	sigaddset(&ends, SIGTERM);
	sigaddset(&ends, SIGHUP);
	sigtimedwait(&ends, NULL, &time);
}

/* --- what differs ----------------------------------------------------------------------------- */

static void print_pair(const struct arq_firewall_target *target, const struct arq_shadow_key *key,
		       uint64_t packets)
{
	bool action = key->live_action != key->shadow_action;

	printf("%s: %" PRIu64 " packets %s: '%s' %s, would be '%s' %s\n", target->name, packets,
	       action ? "DIFFER" : "by another rule", rule_name(target, key->live),
	       arq_rule_action_name(key->live_action), rule_name(target, key->shadow),
	       arq_rule_action_name(key->shadow_action));
}

static struct json_object *json_pair(const struct arq_firewall_target *target,
				     const struct arq_shadow_key *key, uint64_t packets)
{
	struct json_object *object = json_object_new_object();

	json_object_object_add(object, "packets", json_object_new_uint64(packets));
	json_object_object_add(object, "rule",
			       json_object_new_string(rule_name(target, key->live)));
	json_object_object_add(object, "action",
			       json_object_new_string(arq_rule_action_name(key->live_action)));
	json_object_object_add(object, "shadow_rule",
			       json_object_new_string(rule_name(target, key->shadow)));
	json_object_object_add(object, "shadow_action",
			       json_object_new_string(arq_rule_action_name(key->shadow_action)));
	return object;
}

/* Returns how many packets would be dropped or passed otherwise, or a negative errno. */
static int64_t print_target(const struct arq_firewall_target *target, struct json_object *pairs)
{
	struct arq_shadow_key key = {0};
	uint64_t packets, differ = 0;
	bool first = true;
	int more;

	while ((more = arq_generation_shadow_next(target->generations, first, &key, &packets)) >
	       0) {
		first = false;
		differ += key.live_action != key.shadow_action ? packets : 0;
		if (pairs)
			json_object_array_add(pairs, json_pair(target, &key, packets));
		else
			print_pair(target, &key, packets);
	}
	if (more == 0 && !pairs)
		printf("%s: %" PRIu64 " packets would be decided otherwise\n", target->name,
		       differ);
	return more < 0 ? more : (int64_t)differ;
}

static int print_json(const struct arq_firewall_targets *targets)
{
	struct json_object *interfaces = json_object_new_array();
	struct json_object *object = json_object_new_object();
	int64_t differ = 0;

	for (size_t i = 0; i < targets->count && differ >= 0; i++) {
		struct json_object *one = json_object_new_object();
		struct json_object *pairs = json_object_new_array();
		differ = print_target(&targets->items[i], pairs);
		json_object_object_add(one, "name", json_object_new_string(targets->items[i].name));
		json_object_object_add(one, "differ", json_object_new_int64(differ));
		json_object_object_add(one, "differences", pairs);
		json_object_array_add(interfaces, one);
	}
	json_object_object_add(object, "interfaces", interfaces);
	if (differ >= 0)
		puts(json_object_to_json_string_ext(
			object, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(object);
	return differ < 0 ? (int)differ : 0;
}

static int print_all(const struct arq_firewall_targets *targets, bool json)
{
	int64_t differ = 0;

	if (json)
		return print_json(targets);
	for (size_t i = 0; i < targets->count && differ >= 0; i++)
		differ = print_target(&targets->items[i], NULL);
	return differ < 0 ? (int)differ : 0;
}

int arq_firewall_shadow(const struct arq_firewall_targets *targets, uint64_t for_ns, bool json,
			struct arq_error *error)
{
	int code = 0;

	for (size_t i = 0; code == 0 && i < targets->count; i++)
		code = arq_generation_shadow(targets->items[i].generations, for_ns);
	if (code)
		arq_error_set(error, code, "cannot begin the shadow evaluation: %s",
			      strerror(-code));
	else
		wait_for(for_ns);
	for (size_t i = 0; i < targets->count; i++)
		arq_generation_shadow(targets->items[i].generations, 0);
	if (code == 0) {
		code = print_all(targets, json);
		if (code)
			arq_error_set(error, code, "cannot read what differs: %s", strerror(-code));
	}
	for (size_t i = 0; i < targets->count; i++)
		arq_generation_drop(targets->items[i].generations);
	return code;
}
