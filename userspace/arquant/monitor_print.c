// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/arquant/monitor_print.h"

#include "progs/program.h"
#include "userspace/arquant/grid.h"
#include "userspace/arquant/json.h"

#include <inttypes.h>

/* Packets a second between the last two reads. */
static double rate(const struct arq_monitor *monitor, const struct arq_monitor_program *program)
{
	uint64_t packets =
		arq_monitor_packets(&program->counts) - arq_monitor_packets(&program->before);

	return (double)packets / monitor->seconds;
}

/* --- for people ------------------------------------------------------------------------------- */

static void print_head(const struct arq_monitor_interface *interface, FILE *stream)
{
	const struct arq_chain *chain = &interface->chain;

	fprintf(stream, "%s: ", interface->name);
	if (!interface->ifindex)
		fprintf(stream, "not there");
	else if (chain->kind == ARQ_CHAIN_NONE)
		fprintf(stream, "no XDP program");
	else if (chain->kind == ARQ_CHAIN_SINGLE)
		fprintf(stream, "one program alone, mode %s", arq_chain_mode_name(chain));
	else
		fprintf(stream, "libxdp dispatcher %" PRIu32 ", mode %s", chain->id,
			arq_chain_mode_name(chain));
	if (interface->changes)
		fprintf(stream, ", changed %" PRIu64 " times", interface->changes);
	fputc('\n', stream);
}

static void add_counts(struct arq_grid *grid, const struct arq_monitor *monitor,
		       const struct arq_monitor_program *program)
{
	double time = arq_monitor_time(monitor, program);

	arq_grid_add_rate(grid, rate(monitor, program));
	arq_grid_add(grid, time < 0 ? "-" : "%.0f", time);
	for (uint32_t action = 0; action < ARQ_ACTIONS; action++)
		arq_grid_add(grid, "%llu", program->counts.actions[action]);
}

static void add_slot(struct arq_grid *grid, const struct arq_monitor *monitor,
		     const struct arq_chain *chain, unsigned int number)
{
	const struct arq_chain_slot *slot = &chain->slots[number];
	const struct arq_monitor_program *program = arq_monitor_find(monitor, slot->id);

	arq_grid_add(grid, "%u", number);
	arq_grid_add(grid, chain->kind == ARQ_CHAIN_DISPATCHER ? "%u" : "-", slot->priority);
	arq_grid_add(grid, "%" PRIu32, slot->id);
	arq_grid_add(grid, "%s", slot->name);
	arq_grid_add(grid, "%s", slot->program < 0 ? "foreign" : "own");
	if (program && (program->watch || !program->in_chain)) {
		add_counts(grid, monitor, program);
		return;
	}
	for (uint32_t column = 0; column < ARQ_ACTIONS + 2; column++)
		arq_grid_add(grid, "-");
}

static void print_slots(const struct arq_monitor *monitor, const struct arq_chain *chain,
			FILE *stream)
{
	static struct arq_grid grid;
	static const char *const titles[] = {"SLOT",  "PRIO",     "ID", "NAME",
					     "OWNER", "PACKET/S", "NS"};

	if (chain->slots_count == 0)
		return;
	arq_grid_begin(&grid, ">>><<>>>>>>>>");
	for (size_t i = 0; i < sizeof(titles) / sizeof(titles[0]); i++)
		arq_grid_add(&grid, "%s", titles[i]);
	arq_grid_add_actions(&grid);
	for (unsigned int i = 0; i < chain->slots_count; i++)
		add_slot(&grid, monitor, chain, i);
	arq_grid_print(&grid, stream);
	for (unsigned int i = 0; i < chain->slots_count; i++) {
		const struct arq_monitor_program *program =
			arq_monitor_find(monitor, chain->slots[i].id);
		if (program && program->error.text[0])
			fprintf(stream, "%s: %s\n", program->name, program->error.text);
	}
}

static void print_left(const struct arq_monitor_program *program, FILE *stream)
{
	fprintf(stream,
		"%s: %s (id %" PRIu32 ") left, after %" PRIu64 " packets:", program->interface,
		program->name, program->id, arq_monitor_packets(&program->counts));
	for (uint32_t action = 0; action < ARQ_ACTIONS; action++) {
		if (program->counts.actions[action])
			fprintf(stream, " %s %llu", arq_action_name(action),
				program->counts.actions[action]);
	}
	fputc('\n', stream);
}

void arq_monitor_print_table(const struct arq_monitor *monitor, FILE *stream)
{
	for (size_t i = 0; i < monitor->interfaces_count; i++) {
		print_head(&monitor->interfaces[i], stream);
		print_slots(monitor, &monitor->interfaces[i].chain, stream);
	}
	for (size_t i = 0; i < monitor->programs_count; i++) {
		if (!monitor->programs[i].in_chain)
			print_left(&monitor->programs[i], stream);
	}
	fputc('\n', stream);
}

/* --- for programs ----------------------------------------------------------------------------- */

static void add_program(struct json_object *object, const struct arq_monitor *monitor,
			const struct arq_monitor_program *program)
{
	double time = arq_monitor_time(monitor, program);

	arq_json_add_actions(object, "actions", program->counts.actions);
	arq_json_add_rates(object, "rates", program->counts.actions, program->before.actions,
			   monitor->seconds);
	arq_json_add_number(object, "packets", arq_monitor_packets(&program->counts));
	arq_json_add_real(object, "packets_per_second", rate(monitor, program));
	arq_json_add_number(object, "timed", program->counts.timed - program->before.timed);
	if (time >= 0)
		arq_json_add_real(object, "nanoseconds", time);
}

static struct json_object *json_slot(const struct arq_monitor *monitor,
				     const struct arq_chain *chain, unsigned int number)
{
	const struct arq_chain_slot *slot = &chain->slots[number];
	const struct arq_monitor_program *program = arq_monitor_find(monitor, slot->id);
	bool watched = program && program->watch;
	struct json_object *object = json_object_new_object();

	arq_json_add_number(object, "slot", number);
	arq_json_add_number(object, "id", slot->id);
	arq_json_add_text(object, "name", slot->name);
	if (chain->kind == ARQ_CHAIN_DISPATCHER)
		arq_json_add_number(object, "priority", slot->priority);
	arq_json_add_text(object, "owner", slot->program < 0 ? "foreign" : "own");
	arq_json_add_bool(object, "watched", watched);
	if (watched)
		add_program(object, monitor, program);
	else if (program)
		arq_json_add_text(object, "problem", program->error.text);
	return object;
}

static struct json_object *json_interface(const struct arq_monitor *monitor,
					  const struct arq_monitor_interface *interface)
{
	static const char *const kinds[] = {"none", "single", "dispatcher"};
	const struct arq_chain *chain = &interface->chain;
	struct json_object *object = json_object_new_object();
	struct json_object *slots = json_object_new_array();

	arq_json_add_text(object, "interface", interface->name);
	if (interface->ifindex)
		arq_json_add_number(object, "ifindex", interface->ifindex);
	arq_json_add_text(object, "attachment", kinds[chain->kind]);
	arq_json_add_text(object, "mode", arq_chain_mode_name(chain));
	if (chain->kind == ARQ_CHAIN_DISPATCHER)
		arq_json_add_number(object, "dispatcher", chain->id);
	arq_json_add_number(object, "changes", interface->changes);
	for (unsigned int i = 0; i < chain->slots_count; i++)
		json_object_array_add(slots, json_slot(monitor, chain, i));
	json_object_object_add(object, "slots", slots);
	return object;
}

static struct json_object *json_left(const struct arq_monitor *monitor)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < monitor->programs_count; i++) {
		const struct arq_monitor_program *program = &monitor->programs[i];
		if (program->in_chain)
			continue;
		struct json_object *object = json_object_new_object();
		arq_json_add_text(object, "interface", program->interface);
		arq_json_add_number(object, "id", program->id);
		arq_json_add_text(object, "name", program->name);
		arq_json_add_text(object, "owner", program->foreign ? "foreign" : "own");
		add_program(object, monitor, program);
		json_object_array_add(list, object);
	}
	return list;
}

void arq_monitor_print_json(const struct arq_monitor *monitor, FILE *stream)
{
	struct json_object *document = json_object_new_object();
	struct json_object *interfaces = json_object_new_array();

	arq_json_add_now(document);
	arq_json_add_real(document, "seconds", monitor->seconds);
	arq_json_add_real(document, "overhead_nanoseconds", monitor->overhead_ns);
	for (size_t i = 0; i < monitor->interfaces_count; i++)
		json_object_array_add(interfaces, json_interface(monitor, &monitor->interfaces[i]));
	json_object_object_add(document, "interfaces", interfaces);
	json_object_object_add(document, "left", json_left(monitor));
	arq_json_print(document, true, stream);
}
