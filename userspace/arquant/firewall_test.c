// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/arquant/firewall.h"

#include "dispatcher/kernel.h"
#include "progs/firewall/reference.h"
#include "progs/program.h"
#include "userspace/arquant/command.h"
#include "userspace/arquant/firewall_trial.h"
#include "userspace/arquant/options.h"
#include "userspace/arquant/policy.h"
#include "userspace/common/config.h"

#include <errno.h>
#include <inttypes.h>
#include <pcap/pcap.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define VERB "firewall test"

static const char help[] =
	"Usage: arquant firewall test --pcap FILE [OPTION...]\n"
	"\n"
	"Shows which rule of the configuration decides each packet of a capture (pcap or pcapng, "
	"of\n"
	"Ethernet): by the program in the kernel, which is run on them without any interface, and "
	"by\n"
	"an interpreter that goes through the rules one by one. Exits with status 1 where they\n"
	"differ. Blocks and limits begin with nothing; all packets come at once.\n"
	"\n"
	"  -p, --pcap FILE        the capture\n"
	"  -c, --config FILE      read this configuration instead of " ARQ_CONFIG_PATH "\n"
	"  -i, --interface IFACE  as if they came in there; without, rules of all interfaces "
	"count\n"
	"  -o, --offline          ask the interpreter only, without privileges\n"
	"  -j, --json             a line of JSON for each packet: \"packet\", \"length\", "
	"\"rule\", "
	"\"verdict\",\n"
	"                         \"reason\", \"counted_by\", \"interpreter\" (the same keys), "
	"\"differs\"\n"
	"  -v, --verbose          after a failure, show what libbpf and the kernel said\n"
	"  -h, --help             print this\n";

struct options {
	const char *pcap;
	const char *config;
	const char *interface;
	bool offline;
	bool json;
};

/* What one of the two says about a packet. */
struct opinion {
	bool drop;
	uint32_t reason;
	uint32_t rule; /* 0: the default, or something before the rules */
};

struct test {
	const struct options *options;
	const struct arq_config *config;
	struct arq_firewall_trial *trial; /* NULL: offline */
	struct arq_reference_question question;
	uint64_t packets, cut, differ;
};

/* --- asking ----------------------------------------------------------------------------------- */

static struct opinion ask_interpreter(struct test *test, const uint8_t *bytes, uint32_t length)
{
	static struct arq_reference_answer answer;

	arq_reference_decide(&test->question, bytes, length, &answer);
	return (struct opinion){answer.drop, answer.reason, answer.malformed ? 0 : answer.rule};
}

/* The interpreter knows rules and headers; not what packets before did, nor what guards do. */
static bool comparable(const struct opinion *kernel, const struct opinion *interpreter)
{
	return kernel->reason == ARQ_REASON_NONE || kernel->reason == ARQ_REASON_RULE ||
	       kernel->reason == ARQ_REASON_DEFAULT || kernel->reason == interpreter->reason;
}

static bool differs(const struct opinion *kernel, const struct opinion *interpreter)
{
	return comparable(kernel, interpreter) &&
	       (kernel->drop != interpreter->drop || kernel->reason != interpreter->reason ||
		kernel->rule != interpreter->rule);
}

/* --- showing ---------------------------------------------------------------------------------- */

static const char *rule_name(const struct test *test, const struct opinion *opinion)
{
	const struct arq_ruleset *ruleset = &test->config->firewall.ruleset;

	if (opinion->rule > 0 && opinion->rule <= ruleset->rule_count)
		return ruleset->rules[opinion->rule - 1].name;
	return opinion->reason == ARQ_REASON_NONE || opinion->reason == ARQ_REASON_DEFAULT
		       ? "(default)"
		       : "(before the rules)";
}

static struct json_object *json_opinion(const struct test *test, const struct opinion *opinion)
{
	struct json_object *object = json_object_new_object();

	json_object_object_add(object, "rule",
			       opinion->rule ? json_object_new_string(rule_name(test, opinion))
					     : NULL);
	json_object_object_add(object, "verdict",
			       json_object_new_string(opinion->drop ? "drop" : "pass"));
	json_object_object_add(object, "reason",
			       json_object_new_string(arq_reason_name(opinion->reason)));
	return object;
}

static void print_json(const struct test *test, uint32_t length, const struct opinion *kernel,
		       const struct opinion *interpreter, bool differ)
{
	struct json_object *object = json_object_new_object();

	json_object_object_add(object, "packet", json_object_new_uint64(test->packets));
	json_object_object_add(object, "length", json_object_new_uint64(length));
	json_object_object_add(object, "kernel", kernel ? json_opinion(test, kernel) : NULL);
	json_object_object_add(object, "interpreter", json_opinion(test, interpreter));
	json_object_object_add(object, "differs", json_object_new_boolean(differ));
	puts(json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN));
	json_object_put(object);
}

static void print_opinion(const struct test *test, const struct opinion *opinion)
{
	const struct arq_ruleset *ruleset = &test->config->firewall.ruleset;

	printf("%s  %s", opinion->drop ? "drop" : "pass", rule_name(test, opinion));
	if (opinion->rule > 0 && opinion->rule <= ruleset->rule_count)
		printf(" (line %" PRIu32 ")", ruleset->rules[opinion->rule - 1].line);
	if (opinion->reason != ARQ_REASON_NONE && opinion->reason != ARQ_REASON_RULE &&
	    opinion->reason != ARQ_REASON_DEFAULT)
		printf(": %s", arq_reason_name(opinion->reason));
}

static void print_packet(const struct test *test, uint32_t length, const struct opinion *kernel,
			 const struct opinion *interpreter, bool differ)
{
	if (test->options->json) {
		print_json(test, length, kernel, interpreter, differ);
		return;
	}
	printf("%6" PRIu64 "  %5" PRIu32 "  ", test->packets, length);
	print_opinion(test, kernel ? kernel : interpreter);
	if (differ) {
		printf("  BUT THE INTERPRETER: ");
		print_opinion(test, interpreter);
	}
	putchar('\n');
}

static int test_packet(struct test *test, const uint8_t *bytes, const struct pcap_pkthdr *header,
		       struct arq_error *error)
{
	struct arq_firewall_decision decision;
	struct opinion kernel;
	int code = 0;

	test->packets++;
	if (header->caplen < header->len || header->len < ARQ_FIREWALL_FRAME_MIN) {
		test->cut++;
		return 0;
	}
	struct opinion interpreter = ask_interpreter(test, bytes, header->len);
	if (test->trial)
		code = arq_firewall_trial_run(test->trial, bytes, header->len, &decision, error);
	if (code)
		return code;
	bool differ = false;
	if (test->trial) {
		kernel = (struct opinion){decision.drop, decision.reason, decision.rule};
		differ = differs(&kernel, &interpreter);
	}
	test->differ += differ;
	print_packet(test, header->len, test->trial ? &kernel : NULL, &interpreter, differ);
	return 0;
}

/* --- reading ---------------------------------------------------------------------------------- */

static int test_packets(struct test *test, pcap_t *capture, struct arq_error *error)
{
	struct pcap_pkthdr *header;
	const u_char *bytes;
	int read, code = 0;

	if (pcap_datalink(capture) != DLT_EN10MB)
		return arq_error_set(error, -EINVAL,
				     "%s is a capture of another link than Ethernet (%s); capture "
				     "on an Ethernet interface",
				     test->options->pcap,
				     pcap_datalink_val_to_name(pcap_datalink(capture)));
	while (!code && (read = pcap_next_ex(capture, &header, &bytes)) == 1)
		code = test_packet(test, bytes, header, error);
	if (!code && read == PCAP_ERROR)
		code = arq_error_set(error, -EINVAL,
				     "%s is no whole capture: %s, after packet %" PRIu64 "",
				     test->options->pcap, pcap_geterr(capture), test->packets);
	if (!code && !test->options->json)
		printf("%" PRIu64 " packets, %" PRIu64
		       " cut short by the capture and left out, %" PRIu64 " decided differently\n",
		       test->packets, test->cut, test->differ);
	return code;
}

static int open_capture(const char *path, pcap_t **capture, struct arq_error *error)
{
	char why[PCAP_ERRBUF_SIZE] = "";

	*capture = pcap_open_offline(path, why);
	if (!*capture)
		return arq_error_set(error, -EINVAL, "cannot read the capture %s: %s", path, why);
	return 0;
}

static int run(const struct options *options, struct arq_config *config, uint64_t *differ,
	       struct arq_error *error)
{
	struct test test = {
		.options = options,
		.config = config,
		.question =
			{
				.ruleset = &config->firewall.ruleset,
				.interface = options->interface,
				.now = (uint32_t)time(NULL),
				.pass_malformed = config->firewall.malformed == ARQ_CONFIG_PASS,
			},
	};
	pcap_t *capture = NULL;

	int code = open_capture(options->pcap, &capture, error);
	if (!code && !options->offline)
		code = arq_kernel_check_privileges(error);
	if (!code && !options->offline)
		code = arq_firewall_trial_open(config, options->interface, &test.trial, error);
	if (!code)
		code = test_packets(&test, capture, error);
	arq_firewall_trial_close(test.trial);
	if (capture)
		pcap_close(capture);
	*differ = test.differ;
	return code;
}

/* --- the command ------------------------------------------------------------------------------ */

int arq_firewall_test(int argc, char **argv)
{
	struct options options = {.config = ARQ_CONFIG_PATH};
	const struct arq_option own[] = {
		{.name = "pcap", .letter = 'p', .text = &options.pcap},
		{.name = "config", .letter = 'c', .text = &options.config},
		{.name = "interface", .letter = 'i', .text = &options.interface},
		{.name = "offline", .letter = 'o', .flag = &options.offline},
		{.name = "json", .letter = 'j', .flag = &options.json},
		ARQ_OPTION_VERBOSE,
		{0},
	};
	struct arq_options read = {.verb = VERB, .help = help, .own = own};
	struct arq_config *config = NULL;
	struct arq_error error = {0};
	uint64_t differ = 0;
	int code;

	if (!arq_options_read(&read, argc, argv, &code))
		return code;
	if (!options.pcap)
		return arq_command_usage(VERB, "the capture is missing: --pcap FILE");
	if (read.names_count > 0)
		return arq_command_usage(VERB, "'%.40s' is too much", read.names[0]);
	code = arq_config_load(options.config, &config, &error);
	if (!code)
		code = arq_policy_read_sets(&config->firewall.ruleset, NULL, &error);
	if (!code)
		code = run(&options, config, &differ, &error);
	arq_config_destroy(config);
	if (code)
		return arq_command_fail(VERB, &error);
	code = arq_command_finish(VERB);
	return code == ARQ_EXIT_DONE && differ ? ARQ_EXIT_FAILED : code;
}
