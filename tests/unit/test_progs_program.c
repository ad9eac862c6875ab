// SPDX-License-Identifier: BSD-2-Clause
/* Opening, pinning, replacing and unpinning programs, on a BPF file system of the test's own. */
#include "progs/firewall/generation.h"
#include "progs/program.h"
#include "progs/redirect/services.h"
#include "progs/sampler/control.h"
#include "tests/unit/test_firewall_rules.h"
#include "tests/unit/test_progs_fixture.h"

#include <arquant/tunables.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char root[64];
static char directory[64];
static char packet_pin[64];

static void begin(void)
{
	const char *mount = fixture_begin();

	snprintf(root, sizeof(root), "%s/arquant", mount);
	snprintf(directory, sizeof(directory), "%s/arquant/4026531840-7", mount);
	snprintf(packet_pin, sizeof(packet_pin), "%s/arquant/packet", mount);
}

TestSuite(progs_program, .init = begin);

static bool there(const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	return access(path, F_OK) == 0;
}

static uint32_t pinned_id(const char *name)
{
	char path[128];
	struct bpf_map_info info = {0};
	uint32_t size = sizeof(info);

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	int map = bpf_obj_get(path);
	cr_assert_geq(map, 0, "%s", path);
	cr_assert_eq(bpf_map_get_info_by_fd(map, &info, &size), 0);
	close(map);
	return info.id;
}

static struct arq_program *open_program(enum arq_program_id id,
					const struct arq_program_options *options)
{
	struct arq_error error = {0};
	struct arq_program *program;

	cr_assert_eq(arq_program_open(id, options, directory, packet_pin, &program, &error), 0,
		     "%s", error.text);
	return program;
}

static struct arq_program *load_program(enum arq_program_id id,
					const struct arq_program_options *options)
{
	struct arq_error error = {0};

	struct arq_program *program = open_program(id, options);
	cr_assert_eq(bpf_object__load(arq_program_object(program)), 0);
	cr_assert_eq(arq_program_commit(program, &error), 0, "%s", error.text);
	return program;
}

static struct arq_ruleset *one_rule(const char *source)
{
	struct arq_ruleset *ruleset = rules_create();

	rules_add_from(ruleset, "rule", ARQ_RULE_DROP, (const char *const[]){source, NULL});
	return ruleset;
}

Test(progs_program, leaves_nothing_without_commit)
{
	struct arq_program *programs[ARQ_PROGRAM_COUNT];

	for (int id = 0; id < ARQ_PROGRAM_COUNT; id++) {
		const struct arq_program_options options = {.first = true};
		programs[id] = open_program((enum arq_program_id)id, &options);
	}
	cr_assert_eq(access(packet_pin, F_OK), 0, "shared maps are shared before the commit");
	for (int id = ARQ_PROGRAM_COUNT; id-- > 0;)
		arq_program_close(programs[id]);
	cr_assert_neq(access(root, F_OK), 0);
}

Test(progs_program, directories_are_private)
{
	const struct arq_program_options options = {.first = true};
	struct stat status;

	struct arq_program *program = load_program(ARQ_PROGRAM_REDIRECT, &options);
	cr_assert_eq(stat(root, &status), 0);
	cr_assert_eq(status.st_mode & 0777, 0700);
	cr_assert_eq(stat(directory, &status), 0);
	cr_assert_eq(status.st_mode & 0777, 0700);
	arq_program_close(program);
}

Test(progs_program, rules_are_in_force_before_the_attach)
{
	struct arq_ruleset *ruleset = one_rule("198.51.100.9");
	const struct arq_program_options options = {.first = true, .ruleset = ruleset};
	struct arq_generations *generations;
	struct arq_error error = {0};

	struct arq_program *program = open_program(ARQ_PROGRAM_FIREWALL, &options);
	struct bpf_object *object = arq_program_object(program);
	cr_assert_eq(arq_generations_open_object(object, &generations, &error), 0, "%s",
		     error.text);
	uint32_t current = arq_generations_current(generations);
	uint32_t table;
	cr_assert_eq(bpf_map_lookup_elem(bpf_object__find_map_fd_by_name(object, "generations"),
					 &current, &table),
		     0, "before the object is loaded");
	cr_assert_str_eq(arq_generations_slot(generations, 1)->name, "rule");
	arq_generations_close(generations);
	arq_program_close(program);
	rules_destroy(ruleset);
}

Test(progs_program, unpin_removes_all_and_only_its_own)
{
	const struct arq_program_options options = {.first = true, .chain = 7};
	struct arq_error error = {0};
	char foreign[96];

	for (int id = 0; id < ARQ_PROGRAM_BUNDLE; id++)
		arq_program_close(load_program((enum arq_program_id)id, &options));
	cr_assert(there("readers") && there("firewall/counters") && there("sampler/data") &&
		  there("redirect/services") && there("redirect/xsks") &&
		  there("firewall/generations") && there("firewall/rule_counters"));
	cr_assert(arq_program_pinned(ARQ_PROGRAM_SAMPLER, directory));
	cr_assert_eq(arq_program_unpin(ARQ_PROGRAM_SAMPLER, directory, packet_pin, &error), 0);
	cr_assert_not(there("sampler"));
	cr_assert(there("readers"), "the firewall still writes to it");
	cr_assert_eq(arq_program_unpin(ARQ_PROGRAM_FIREWALL, directory, packet_pin, &error), 0);
	cr_assert_eq(access(packet_pin, F_OK), 0);
	cr_assert_eq(arq_program_unpin(ARQ_PROGRAM_REDIRECT, directory, packet_pin, &error), 0);
	cr_assert_neq(access(root, F_OK), 0);
	cr_assert_eq(arq_program_unpin(ARQ_PROGRAM_REDIRECT, directory, packet_pin, &error), 0,
		     "what is not there is no error");

	arq_program_close(load_program(ARQ_PROGRAM_FIREWALL, &options));
	snprintf(foreign, sizeof(foreign), "%s/firewall/foreign", directory);
	cr_assert_eq(mkdir(foreign, 0700), 0);
	cr_assert_eq(arq_program_unpin(ARQ_PROGRAM_FIREWALL, directory, packet_pin, &error), 0);
	cr_assert_eq(access(foreign, F_OK), 0);
	cr_assert_not(there("firewall/counters"));
	rmdir(foreign);
}

Test(progs_program, a_successor_keeps_counters_and_renews_tables)
{
	const struct frame_spec spec = {.ip = 4, .protocol = 17, .source = 9};
	struct arq_ruleset *old_rules = one_rule("198.51.100.9");
	struct arq_ruleset *new_rules = one_rule("198.51.100.10");
	const struct arq_program_options old_options = {.first = true, .ruleset = old_rules};
	const struct arq_program_options new_options = {.first = true, .ruleset = new_rules};
	struct arq_counters_view *view;
	struct arq_counters counters;
	struct arq_error error = {0};
	struct fixture old;
	struct frame frame;

	frame_build(&frame, &spec);
	fixture_load(&old, ARQ_PROGRAM_FIREWALL, &old_options, directory, packet_pin);
	cr_assert_eq(arq_program_commit(old.program, &error), 0);
	cr_assert_eq(fixture_run(&old, frame.bytes, frame.length, 10), XDP_DROP);
	uint32_t kept = pinned_id("firewall/counters");
	uint32_t table = pinned_id("firewall/generations");

	struct arq_program *failed = open_program(ARQ_PROGRAM_FIREWALL, &new_options);
	arq_program_close(failed);
	cr_assert_eq(pinned_id("firewall/counters"), kept);
	cr_assert_eq(pinned_id("firewall/generations"), table, "nothing half done");

	struct fixture new;
	fixture_load(&new, ARQ_PROGRAM_FIREWALL, &new_options, directory, packet_pin);
	cr_assert_eq(fixture_run(&old, frame.bytes, frame.length, 1), XDP_DROP, "still in force");
	cr_assert_eq(arq_program_commit(new.program, &error), 0);
	cr_assert_eq(fixture_run(&new, frame.bytes, frame.length, 1), XDP_PASS);
	cr_assert_eq(pinned_id("firewall/counters"), kept);
	cr_assert_neq(pinned_id("firewall/generations"), table);
	fixture_unload(&old);
	cr_assert(there("firewall/data"));

	cr_assert_eq(arq_counters_open(directory, ARQ_PROGRAM_FIREWALL, ARQ_PROGRAM_FIREWALL, &view,
				       &error),
		     0, "%s", error.text);
	arq_counters_read(view, &counters);
	cr_assert_eq(counters.actions[XDP_DROP], 11);
	cr_assert_eq(counters.actions[XDP_PASS], 1);
	arq_counters_close(view);
	fixture_unload(&new);
	rules_destroy(old_rules);
	rules_destroy(new_rules);
}

Test(progs_program, a_successor_keeps_services_and_sockets)
{
	const struct arq_program_options options = {.first = true};
	struct arq_error error = {0};
	union arq_address address;

	struct arq_program *old = load_program(ARQ_PROGRAM_REDIRECT, &options);
	int services = arq_services_open(directory, &error);
	cr_assert_geq(services, 0, "%s", error.text);
	cr_assert_eq(arq_address_parse(&address, "192.0.2.1:443"), 0);
	cr_assert_eq(arq_service_add(services, &address, &error), 0);
	close(services);
	uint32_t sockets = pinned_id("redirect/xsks");
	struct arq_program *new = load_program(ARQ_PROGRAM_REDIRECT, &options);
	arq_program_close(old);
	services = arq_services_open(directory, &error);
	cr_assert_eq(arq_service_list(services, NULL, 0, &error), 1);
	close(services);
	cr_assert_eq(pinned_id("redirect/xsks"), sockets);
	arq_program_close(new);
}

Test(progs_program, refuses_a_pin_of_another_kind)
{
	const struct arq_program_options options = {.first = true};
	struct arq_error error = {0};
	struct arq_program *program;

	cr_assert_eq(mkdir(root, 0700), 0);
	int map = bpf_map_create(BPF_MAP_TYPE_ARRAY, "foreign", 4, 8, 1, NULL);
	cr_assert_eq(bpf_obj_pin(map, packet_pin), 0);
	close(map);
	cr_assert_eq(arq_program_open(ARQ_PROGRAM_FIREWALL, &options, directory, packet_pin,
				      &program, &error),
		     -EEXIST);
	cr_assert(strstr(error.text, packet_pin), "%s", error.text);
	cr_assert_eq(access(packet_pin, F_OK), 0, "it stays");
	cr_assert_neq(access(directory, F_OK), 0, "nothing else was left");
}

Test(progs_program, refuses_absurd_options)
{
	struct arq_program_options options = {.snaplen = ARQ_SNAPLEN_MAX + 1};
	struct arq_error error = {0};
	struct arq_program *program;

	cr_assert_eq(arq_program_open(ARQ_PROGRAM_SAMPLER, &options, NULL, NULL, &program, &error),
		     -EINVAL);
	cr_assert_null(program);
	arq_program_close(NULL);
}

Test(progs_program, live_variables_reach_the_programs)
{
	const struct arq_program_options options = {.first = false, .chain = 7};
	struct arq_error error = {0};
	struct fixture firewall;
	struct fixture sampler;
	struct arq_sampler_rates rates = {5, 6, 200};

	cr_assert_eq(arq_sampler_set(directory, &rates, &error), -ENOENT);
	cr_assert(strstr(error.text, "arquant load"), "%s", error.text);
	arq_error_clear(&error);
	fixture_load(&firewall, ARQ_PROGRAM_FIREWALL, &options, directory, packet_pin);
	fixture_load(&sampler, ARQ_PROGRAM_SAMPLER, &options, directory, packet_pin);
	cr_assert_eq(arq_program_commit(firewall.program, &error), 0);
	cr_assert_eq(arq_program_commit(sampler.program, &error), 0);
	cr_assert_eq(arq_program_set_first(ARQ_PROGRAM_FIREWALL, directory, true, &error), 0);
	cr_assert_eq(firewall.tunables->first, 1);
	cr_assert_eq(sampler.tunables->first, 0);
	cr_assert_eq(sampler.tunables->snaplen, ARQ_SNAPLEN_DEFAULT);
	cr_assert_eq(arq_sampler_set(directory, &rates, &error), 0, "%s", error.text);
	cr_assert_eq(firewall.tunables->sample_one_in, 5);
	cr_assert_eq(firewall.tunables->drop_one_in, 6);
	cr_assert_eq(sampler.tunables->snaplen, 200);
	memset(&rates, 0, sizeof(rates));
	cr_assert_eq(arq_sampler_get(directory, &rates, &error), 0);
	cr_assert_eq(rates.one_in, 5);
	cr_assert_eq(rates.drop_one_in, 6);
	cr_assert_eq(rates.snaplen, 200);
	rates.snaplen = ARQ_SNAPLEN_MAX + 1;
	cr_assert_eq(arq_sampler_set(directory, &rates, &error), -EINVAL);
	rates.snaplen = 0;
	cr_assert_eq(arq_sampler_set(directory, &rates, &error), -EINVAL);
	int readers = arq_readers_open(directory, &error);
	cr_assert_geq(readers, 0);
	close(readers);
	fixture_unload(&sampler);
	fixture_unload(&firewall);
}

Test(progs_program, tables_of_the_bundle_are_found)
{
	const struct arq_program_options options = {.first = true};
	struct arq_error error = {0};
	const struct arq_sampler_rates rates = {3, 4, 64};
	struct arq_counters_view *view;

	cr_assert_eq(arq_xsks_open(directory, &error), -ENOENT);
	arq_error_clear(&error);
	struct arq_program *bundle = load_program(ARQ_PROGRAM_BUNDLE, &options);
	int xsks = arq_xsks_open(directory, &error);
	cr_assert_geq(xsks, 0, "%s", error.text);
	close(xsks);
	cr_assert_eq(arq_sampler_set(directory, &rates, &error), 0, "%s", error.text);
	for (int part = 0; part <= ARQ_PROGRAM_BUNDLE; part++) {
		cr_assert_eq(arq_counters_open(directory, ARQ_PROGRAM_BUNDLE,
					       (enum arq_program_id)part, &view, &error),
			     0, "%s", error.text);
		arq_counters_close(view);
	}
	cr_assert_eq(arq_counters_open(directory, ARQ_PROGRAM_FIREWALL, ARQ_PROGRAM_FIREWALL, &view,
				       &error),
		     -ENOENT);
	cr_assert_null(view);
	arq_program_close(bundle);
	cr_assert_eq(arq_program_unpin(ARQ_PROGRAM_BUNDLE, directory, packet_pin, &error), 0);
	cr_assert_neq(access(root, F_OK), 0);
}

Test(progs_program, names)
{
	cr_assert_str_eq(arq_reason_name(ARQ_REASON_NO_SOCKET), "no-socket");
	cr_assert_str_eq(arq_reason_name(9999), "unknown");
	cr_assert_str_eq(arq_action_name(4), "redirect");
	cr_assert_str_eq(arq_program_name(ARQ_PROGRAM_SAMPLER), "sampler");
	cr_assert_eq(arq_program_by_name("bundle"), ARQ_PROGRAM_BUNDLE);
	cr_assert_eq(arq_program_by_name("nothing"), -1);
	cr_assert_eq(arq_program_priority(ARQ_PROGRAM_REDIRECT), 30);
	cr_assert(arq_program_parses(ARQ_PROGRAM_FIREWALL));
	cr_assert(arq_program_parses(ARQ_PROGRAM_REDIRECT));
	cr_assert(arq_program_parses(ARQ_PROGRAM_BUNDLE));
	cr_assert_not(arq_program_parses(ARQ_PROGRAM_SAMPLER));
	cr_assert_not(arq_program_parses(ARQ_PROGRAM_PASS));
}
