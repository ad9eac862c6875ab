// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/arquantd/daemon.h"

#include "userspace/arquantd/metrics.h"
#include "userspace/common/config.h"
#include "userspace/common/control.h"
#include "userspace/common/error.h"
#include "userspace/common/log.h"

#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum exit_status {
	EXIT_DONE = 0,
	EXIT_FAILED = 1,
	EXIT_USAGE = 2,
};

struct options {
	const char *config;
	bool check, reload;
};

static const char help[] =
	"Usage: arquantd [--config FILE] [--check | --reload]\n"
	"       arquantd --metrics\n"
	"\n"
	"The QUIC gateway: accepts HTTP/3, routes requests to pools of HTTP/3 backends.\n"
	"\n"
	"  -c, --config FILE  configuration (default " ARQ_CONFIG_PATH ")\n"
	"      --check        read the configuration and its certificates, then exit\n"
	"      --reload       have the arquantd that runs read the configuration again\n"
	"      --metrics      list the metrics of gateway.admin.metrics: name, type, labels and\n"
	"                     meaning, with tabs between\n"
	"      --debug        log more\n"
	"  -h, --help         this text\n"
	"  -V, --version      the version\n"
	"\n"
	"Runs in the foreground and logs to stderr. SIGTERM or SIGINT drains: no new connections,\n"
	"open requests are finished (limits.drain_timeout at most); a second one ends at once.\n"
	"SIGHUP reads the configuration again: all of it takes effect, or nothing. SIGUSR1 opens\n"
	"the access log anew.\n"
	"Exit status: 0 done, 1 failed (one line on stderr says what, why and what to do),\n"
	"2 wrong usage.\n";

static int usage(const char *what, const char *argument)
{
	fprintf(stderr, "arquantd: %s%s; see 'arquantd --help'\n", what, argument);
	return EXIT_USAGE;
}

static int printed(void)
{
	if (!ferror(stdout) && fflush(stdout) == 0)
		return EXIT_DONE;
	fprintf(stderr, "arquantd: cannot write the output\n");
	return EXIT_FAILED;
}

static int print(const char *text)
{
	fputs(text, stdout);
	return printed();
}

static int list_metrics(void)
{
	arq_metrics_list(stdout);
	return printed();
}

/* Asks the daemon that runs, and says what it says. */
static int ask_reload(struct arq_config *config, struct arq_error *error)
{
	struct json_object *answer = NULL;
	int code =
		arq_control_command(config->gateway.admin.control, "reload", NULL, &answer, error);
	json_object_put(answer);
	arq_config_destroy(config);
	return code;
}

static int run(const struct options *options)
{
	struct arq_error error = {0};
	struct arq_config *config;
	int code = arq_config_load(options->config, &config, &error);
	if (code == 0 && options->reload)
		code = ask_reload(config, &error);
	else if (code == 0)
		code = options->check ? arq_daemon_check(config, &error)
				      : arq_daemon_run(config, &error);
	if (code != 0) {
		fprintf(stderr, "arquantd: %s\n", error.text[0] ? error.text : strerror(-code));
		return EXIT_FAILED;
	}
	return EXIT_DONE;
}

int main(int argc, char **argv)
{
	enum { OPTION_CHECK = 256, OPTION_DEBUG, OPTION_METRICS, OPTION_RELOAD };
	static const struct option long_options[] = {
		{"config", required_argument, NULL, 'c'},
		{"check", no_argument, NULL, OPTION_CHECK},
		{"debug", no_argument, NULL, OPTION_DEBUG},
		{"metrics", no_argument, NULL, OPTION_METRICS},
		{"reload", no_argument, NULL, OPTION_RELOAD},
		{"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, 'V'},
		{NULL, 0, NULL, 0},
	};
	struct options options = {.config = ARQ_CONFIG_PATH};

	opterr = 0;
	for (int option; (option = getopt_long(argc, argv, ":c:hV", long_options, NULL)) != -1;) {
		switch (option) {
		case 'c':
			options.config = optarg;
			break;
		case OPTION_CHECK:
			options.check = true;
			break;
		case OPTION_RELOAD:
			options.reload = true;
			break;
		case OPTION_METRICS:
			return list_metrics();
		case OPTION_DEBUG:
			arq_log_set_level(ARQ_LOG_DEBUG);
			break;
		case 'h':
			return print(help);
		case 'V':
			return print("arquantd " ARQUANT_VERSION "\n");
		case ':':
			return usage("no value for option ", argv[optind - 1]);
		default:
			return usage("unknown option ", argv[optind - 1]);
		}
	}
	if (optind < argc)
		return usage("unexpected argument ", argv[optind]);
	return run(&options);
}
