// SPDX-License-Identifier: BSD-2-Clause
/* The command around loader.h: options in, a table or JSON out. */
#include "tests/bench/loader.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECOND 1000000000.0

#define WATCHED_MAX 16

/* Nobody's flow control window in practice is larger; bulk on loopback wants it. */
#define WINDOW_DEFAULT (4 << 20)

static const char usage_text[] =
	"usage: load [OPTIONS] ADDRESS:PORT     an HTTP/3 server, IPv6 in brackets\n"
	"  --host NAME          asked for and sent as SNI (localhost); certificates are not "
	"checked\n"
	"  --path PATH          (/)\n"
	"  --key NAME           a header field with another value in each request\n"
	"  --connections N      open at a time (1)\n"
	"  --streams N          requests under way on each (1); 0: none, connections stay idle\n"
	"  --per-connection N   requests after which a connection makes way for a new one (never)\n"
	"  --handshakes         --per-connection 1 --streams 1: an answer shows that both ends are "
	"done\n"
	"  --sockets N          the connections are spread over, so source ports (1)\n"
	"  --requests N         ends after so many\n"
	"  --duration SECONDS   ends after that (5; with --requests 60)\n"
	"  --warm-up SECONDS    before anything counts (0)\n"
	"  --patience SECONDS   for handshakes, and for answers after the end (5)\n"
	"  --rate N             requests a second, evenly; latency counts from when one was due\n"
	"  --expect BYTES       an answer with another length is a failure\n"
	"  --window BYTES       a stream may send unasked (4194304)\n"
	"  --cpu PID            a process whose CPU time is put beside; may repeat\n"
	"  --json               for programs\n"
	"Exit status: 0 no failure, 1 failures or could not run, 2 wrong usage.\n";

struct command {
	struct load_options load;
	int watched[WATCHED_MAX];
	bool json;
};

static void __attribute__((noreturn)) wrong_usage(const char *what, const char *value)
{
	fprintf(stderr, "load: %s%s%s\n%s", what, value ? ": " : "", value ? value : "",
		usage_text);
	exit(2);
}

static double number(const char *text, double max)
{
	char *end;
	double value = strtod(text, &end);

	if (end == text || *end || !(value >= 0 && value <= max))
		wrong_usage("not a number in range", text);
	return value;
}

static uint32_t count(const char *text)
{
	return (uint32_t)number(text, UINT32_MAX / 2);
}

static uint64_t nanoseconds(const char *text)
{
	return (uint64_t)(number(text, 1e6) * SECOND);
}

/* --- options ---------------------------------------------------------------------------------- */

static const struct option long_options[] = {
	{"host", required_argument, NULL, 'h'},
	{"path", required_argument, NULL, 'p'},
	{"key", required_argument, NULL, 'k'},
	{"connections", required_argument, NULL, 'c'},
	{"streams", required_argument, NULL, 's'},
	{"per-connection", required_argument, NULL, 'P'},
	{"handshakes", no_argument, NULL, 'H'},
	{"sockets", required_argument, NULL, 'S'},
	{"requests", required_argument, NULL, 'n'},
	{"duration", required_argument, NULL, 'd'},
	{"warm-up", required_argument, NULL, 'w'},
	{"patience", required_argument, NULL, 't'},
	{"rate", required_argument, NULL, 'r'},
	{"expect", required_argument, NULL, 'e'},
	{"window", required_argument, NULL, 'W'},
	{"cpu", required_argument, NULL, 'C'},
	{"json", no_argument, NULL, 'j'},
	{"help", no_argument, NULL, '?'},
	{0},
};

static void take_load_option(struct load_options *load, int option)
{
	switch (option) {
	case 'c':
		load->connections = count(optarg);
		break;
	case 's':
		load->streams = count(optarg);
		break;
	case 'P':
		load->per_connection = count(optarg);
		break;
	case 'H':
		load->per_connection = load->streams = 1;
		break;
	case 'S':
		load->sockets = count(optarg);
		break;
	case 'n':
		load->requests = (uint64_t)number(optarg, 1e15);
		break;
	case 'd':
		load->duration_ns = nanoseconds(optarg);
		break;
	case 'w':
		load->warm_up_ns = nanoseconds(optarg);
		break;
	case 't':
		load->patience_ns = nanoseconds(optarg);
		break;
	case 'r':
		load->rate = number(optarg, 1e8);
		break;
	case 'e':
		load->expect = (int64_t)number(optarg, 1e15);
		break;
	default:
		load->window = count(optarg);
	}
}

static void parse(struct command *command, int argc, char **argv)
{
	struct load_options *load = &command->load;
	int option;

	while ((option = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		switch (option) {
		case '?':
			wrong_usage("options", NULL);
		case 'h':
			load->host = optarg;
			break;
		case 'p':
			load->path = optarg;
			break;
		case 'k':
			load->key = optarg;
			break;
		case 'C':
			if (load->watched_count == WATCHED_MAX)
				wrong_usage("too many processes to watch", NULL);
			command->watched[load->watched_count++] = (int)count(optarg);
			break;
		case 'j':
			command->json = true;
			break;
		default:
			take_load_option(load, option);
		}
	}
	if (optind + 1 != argc)
		wrong_usage("one ADDRESS:PORT is needed", NULL);
	if (arq_address_parse(&load->server, argv[optind]))
		wrong_usage("not an address with a port", argv[optind]);
	if (load->connections == 0)
		wrong_usage("at least one connection is needed", NULL);
	if (load->duration_ns == 0)
		load->duration_ns = (load->requests ? 60 : 5) * (uint64_t)SECOND;
}

/* --- results ---------------------------------------------------------------------------------- */

static double per(double value, double count_of)
{
	return count_of > 0 ? value / count_of : 0;
}

static const struct {
	const char *name;
	double share;
} quantiles[] = {{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p99.9", 0.999}};

#define QUANTILES (sizeof(quantiles) / sizeof(quantiles[0]))

static void print_latency(const char *name, const struct histogram *histogram)
{
	if (histogram->total == 0)
		return;
	printf("%-12s mean %.1f", name, histogram_mean(histogram) / 1e3);
	for (size_t i = 0; i < QUANTILES; i++)
		printf("  %s %.1f", quantiles[i].name,
		       (double)histogram_quantile(histogram, quantiles[i].share) / 1e3);
	printf("  max %.1f us\n", (double)histogram->max / 1e3);
}

static void print_table(const struct command *command, const struct load_result *result)
{
	double gib = (double)result->bytes / (1 << 30);

	printf("requests     %" PRIu64 " answered, %" PRIu64 " failed, %" PRIu64
	       " asked again, in %.2f s: %.0f/s\n",
	       result->answered, result->failed, result->rejected, result->seconds,
	       per((double)result->answered, result->seconds));
	print_latency("latency", &result->latency);
	printf("bodies       %" PRIu64 " bytes, %.3f GB/s\n", result->bytes,
	       per((double)result->bytes / 1e9, result->seconds));
	printf("connections  %" PRIu64 " opened (%.0f/s), %" PRIu64 " not, %" PRIu64 " lost\n",
	       result->opened, per((double)result->opened, result->seconds), result->unopened,
	       result->lost);
	print_latency("handshake", &result->opening);
	if (command->load.watched_count)
		printf("cpu          %.2f s, %.2f us a request, %.0f us a connection, %.2f s a "
		       "GiB\n",
		       result->cpu_seconds,
		       per(result->cpu_seconds * 1e6, (double)result->answered),
		       per(result->cpu_seconds * 1e6, (double)result->opened),
		       per(result->cpu_seconds, gib));
	for (uint32_t i = 0; i < result->failure_count; i++)
		printf("failure      %s: %" PRIu64 "\n", result->failures[i].kind,
		       result->failures[i].count);
}

static void add_number(struct json_object *object, const char *key, uint64_t value)
{
	json_object_object_add(object, key, json_object_new_int64((int64_t)value));
}

static void add_real(struct json_object *object, const char *key, double value)
{
	char text[32];

	snprintf(text, sizeof(text), "%.3f", value);
	json_object_object_add(object, key, json_object_new_double_s(value, text));
}

static void add_latency(struct json_object *object, const char *key,
			const struct histogram *histogram)
{
	struct json_object *latency = json_object_new_object();

	add_real(latency, "mean", histogram_mean(histogram) / 1e3);
	for (size_t i = 0; i < QUANTILES; i++)
		add_real(latency, quantiles[i].name,
			 (double)histogram_quantile(histogram, quantiles[i].share) / 1e3);
	add_real(latency, "max", (double)histogram->max / 1e3);
	json_object_object_add(object, key, latency);
}

static void print_json(const struct command *command, const struct load_result *result)
{
	struct json_object *object = json_object_new_object();
	struct json_object *failures = json_object_new_object();

	add_real(object, "seconds", result->seconds);
	add_number(object, "answered", result->answered);
	add_number(object, "failed", result->failed);
	add_number(object, "rejected", result->rejected);
	add_number(object, "bytes", result->bytes);
	add_number(object, "opened", result->opened);
	add_number(object, "unopened", result->unopened);
	add_number(object, "lost", result->lost);
	add_real(object, "requests_per_second", per((double)result->answered, result->seconds));
	add_real(object, "handshakes_per_second", per((double)result->opened, result->seconds));
	add_real(object, "bytes_per_second", per((double)result->bytes, result->seconds));
	add_latency(object, "latency_us", &result->latency);
	add_latency(object, "handshake_us", &result->opening);
	if (command->load.watched_count)
		add_real(object, "cpu_seconds", result->cpu_seconds);
	for (uint32_t i = 0; i < result->failure_count; i++)
		add_number(failures, result->failures[i].kind, result->failures[i].count);
	json_object_object_add(object, "failures", failures);
	puts(json_object_to_json_string_ext(object, JSON_C_TO_STRING_PRETTY));
	json_object_put(object);
}

int main(int argc, char **argv)
{
	static struct load_result result; /* the histograms are large */
	struct arq_error error = {0};
	struct command command = {
		.load =
			{
				.host = "localhost",
				.path = "/",
				.connections = 1,
				.streams = 1,
				.sockets = 1,
				.patience_ns = 5 * (uint64_t)SECOND,
				.expect = -1,
				.window = WINDOW_DEFAULT,
			},
	};

	parse(&command, argc, argv);
	command.load.watched = command.watched;
	if (load_run(&command.load, &result, &error) < 0) {
		fprintf(stderr, "load: %s\n", error.text);
		return 1;
	}
	if (command.json)
		print_json(&command, &result);
	else
		print_table(&command, &result);
	return result.failed || result.unopened || result.lost;
}
