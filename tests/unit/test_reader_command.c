// SPDX-License-Identifier: BSD-2-Clause
/*
 * "arquant sampler" on a loaded interface: lines, pcapng, its end and its failures. By the chain
 * where the kernel has it, else by the bundle.
 */
#include "test_command_lab.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static char *config;

static const struct lab_result *load_programs(void)
{
	return lab_kernel_chains() ? lab_run("load", "--config", config)
				   : lab_run("load", "--bundle", "--config", config);
}

static void load(void)
{
	lab_enter();
	config = lab_config("interfaces: [{name: arq0}]\n"
			    "sampler: {one_in: 1, snaplen: 64}\n"
			    "firewall:\n"
			    "  rules: [{name: bad, from: 198.51.100.0/24, action: drop}]\n");
	const struct lab_result *result = load_programs();
	cr_assert_eq(result->status, 0, "%s", result->error);
}

static void forget(void)
{
	lab_forget(config);
}

/* Traffic for as long as a capture may take to see some of it: a hundred packets a second. */
static pid_t begin_traffic(void)
{
	static const struct timespec pause = {.tv_nsec = 10000000};
	pid_t child = fork();

	cr_assert_geq(child, 0);
	if (child)
		return child;
	for (int i = 0; i < 2000; i++) {
		lab_send_udp(i % 2 ? "198.51.100.1" : "203.0.113.1", 53, 1);
		nanosleep(&pause, NULL);
	}
	_exit(0);
}

static void end_traffic(pid_t child)
{
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
}

static unsigned int count_of(const char *text, const char *word)
{
	unsigned int count = 0;

	for (text = strstr(text, word); text; text = strstr(text + 1, word))
		count++;
	return count;
}

Test(capture, prints_a_line_for_each_packet, .init = load, .fini = forget)
{
	pid_t traffic = begin_traffic();
	const struct lab_result *result = lab_run("sampler", "capture", "--count", "12");
	end_traffic(traffic);

	cr_assert_eq(result->status, 0, "%s", result->error);
	cr_expect_eq(count_of(result->output, "\n"), 12, "%s", result->output);
	cr_expect_gt(count_of(result->output, " arq0 queue 0 pass (none) 203.0.113.1:40000 > "
					      "192.0.2.1:53 udp, length 74\n"),
		     3, "%s", result->output);
	cr_expect_gt(count_of(result->output, " arq0 queue 0 drop (rule bad) 198.51.100.1:40000 > "
					      "192.0.2.1:53 udp, length 74\n"),
		     3, "%s", result->output);
	cr_expect_str_eq(result->error, "arquant sampler capture: 12 packets captured, 0 lost\n");
}

Test(capture, writes_pcapng, .init = load, .fini = forget)
{
	static uint8_t content[65536];
	char *file = lab_config("");

	pid_t traffic = begin_traffic();
	const struct lab_result *result =
		lab_run("sampler", "capture", "arq0", "-w", file, "-d", "500ms");
	end_traffic(traffic);
	cr_assert_eq(result->status, 0, "%s", result->error);
	cr_expect_str_empty(result->output);

	int fd = open(file, O_RDONLY | O_CLOEXEC);
	ssize_t size = read(fd, content, sizeof(content));
	close(fd);
	lab_forget(file);
	cr_assert_gt(size, 1000);
	cr_expect_eq(memcmp(content, "\x0a\x0d\x0d\x0a", 4), 0);
	cr_expect_not_null(memmem(content, (size_t)size,
				  "verdict=drop reason=rule rule=1 slot=firewall one_in=1 lost=0",
				  61));
	cr_expect_not_null(memmem(content, (size_t)size,
				  "verdict=pass reason=none slot=sampler one_in=1 lost=0", 53));
}

Test(capture, filters_and_prints_json, .init = load, .fini = forget)
{
	pid_t traffic = begin_traffic();
	const struct lab_result *result =
		lab_run("sampler", "capture", "--json", "--hex", "-c", "5", "-f", "rule=bad,worse",
			"-f", "verdict=drop", "-f", "from=198.51.100.0/24");
	end_traffic(traffic);
	cr_assert_eq(result->status, 0, "%s", result->error);
	cr_expect_eq(count_of(result->output, "\n"), 5, "%s", result->output);
	cr_expect_not_null(strstr(result->error, "5 packets captured, 0 lost, "));
	cr_expect_not_null(strstr(result->error, " not matching"), "%s", result->error);

	struct json_object *line = json_tokener_parse(result->output);
	cr_assert_not_null(line, "%s", result->output);
	cr_expect_str_eq(lab_text(line, "interface"), "arq0");
	cr_expect_str_eq(lab_text(line, "verdict"), "drop");
	cr_expect_str_eq(lab_text(line, "rule_name"), "bad");
	cr_expect_str_eq(lab_text(line, "source"), "198.51.100.1");
	cr_expect_eq(lab_number(line, "rule"), 1);
	cr_expect_eq(lab_number(line, "destination_port"), 53);
	cr_expect_eq(lab_number(line, "length"), 74);
	cr_expect_eq(strlen(lab_text(line, "head")), 128);
	json_object_put(line);
}

static pid_t begin_capture(const char *file)
{
	pid_t child = fork();

	cr_assert_geq(child, 0);
	if (child == 0) {
		int fd = open(file, O_WRONLY | O_TRUNC | O_CLOEXEC);
		dup2(fd, STDOUT_FILENO);
		execl(ARQ_TEST_COMMAND, "arquant", "sampler", "capture", "-c", "100", NULL);
		_exit(127);
	}
	return child;
}

Test(capture, takes_nothing_from_another, .init = load, .fini = forget)
{
	char *file = lab_config("");
	struct stat status;
	int code;

	pid_t traffic = begin_traffic();
	pid_t other = begin_capture(file);
	const struct lab_result *result = lab_run("sampler", "capture", "-c", "100");
	cr_assert_eq(waitpid(other, &code, 0), other);
	end_traffic(traffic);
	cr_expect_eq(code, 0);
	cr_expect_eq(result->status, 0);
	cr_expect_not_null(strstr(result->error, "100 packets captured, 0 lost"), "%s",
			   result->error);
	cr_assert_eq(stat(file, &status), 0);
	cr_expect_gt(status.st_size, 100 * 40);
	lab_forget(file);
}

Test(capture, changes_files, .init = load, .fini = forget)
{
	char directory[] = "/tmp/arquant-test-rotate-XXXXXX";
	char path[64], command[128];

	cr_assert_not_null(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/some.pcapng", directory);
	pid_t traffic = begin_traffic();
	const struct lab_result *result = lab_run("sampler", "capture", "-w", path, "--rotate-size",
						  "4K", "--keep", "2", "-c", "150");
	end_traffic(traffic);
	cr_assert_eq(result->status, 0, "%s", result->error);
	cr_expect_not_null(strstr(result->error, " files"), "%s", result->error);
	snprintf(command, sizeof(command), "test $(ls %s | wc -l) = 2", directory);
	lab_shell(command);
	snprintf(command, sizeof(command),
		 "for f in %s/some-00*.pcapng; do tcpdump -nr $f; done "
		 ">/dev/null 2>&1",
		 directory);
	lab_shell(command);
	snprintf(command, sizeof(command), "rm -r %s", directory);
	lab_shell(command);
}

/* Waits until capinfos says a number of this that is at least so large. Returns the number. */
static long wait_for(const char *file, const char *what, long least)
{
	static const struct timespec pause = {.tv_nsec = 100000000};
	char command[160];
	long number = 0;

	snprintf(command, sizeof(command),
		 "capinfos -M -c -I %s 2>/dev/null | sed -n 's/^%s: *//p'", file, what);
	for (int i = 0; i < 300 && number < least; i++) {
		FILE *said = popen(command, "r");
		if (fscanf(said, "%ld", &number) != 1)
			number = 0;
		pclose(said);
		nanosleep(&pause, NULL);
	}
	cr_assert_geq(number, least, "%s: %ld of %ld", what, number, least);
	return number;
}

/* Programs that are unloaded and loaded again, then an interface that is deleted and made anew. */
Test(capture, follows_its_interface, .init = load, .fini = forget, .timeout = 110)
{
	char *file = lab_config("");
	int status;

	pid_t child = fork();
	if (child == 0) {
		execl(ARQ_TEST_COMMAND, "arquant", "sampler", "capture", "arq0", "-w", file, NULL);
		_exit(127);
	}
	pid_t traffic = begin_traffic();
	wait_for(file, "Number of packets", 50);
	cr_assert_eq(lab_run("unload", "arq0")->status, 0);
	long before = wait_for(file, "Number of packets", 50);
	cr_assert_eq(load_programs()->status, 0);
	wait_for(file, "Number of packets", before + 50);
	end_traffic(traffic);

	lab_shell("ip link delete arq0");
	lab_first_pair();
	cr_assert_eq(load_programs()->status, 0);
	traffic = begin_traffic();
	wait_for(file, "Number of interfaces in file", 2);
	end_traffic(traffic);
	kill(child, SIGTERM);
	cr_assert_eq(waitpid(child, &status, 0), child);
	cr_expect_eq(status, 0);
	/* Two of the same name, each with its statistics at the end. */
	char command[160];
	snprintf(command, sizeof(command),
		 "test $(capinfos -I %s | grep -c -e ' Name = arq0$' "
		 "-e ' Number of stat entries = 1$') = 4",
		 file);
	lab_shell(command);
	lab_forget(file);
}

Test(top, estimates_rows, .init = load, .fini = forget)
{
	struct json_object *rows;

	pid_t traffic = begin_traffic();
	const struct lab_result *result =
		lab_run("sampler", "top", "--json", "-b", "reason", "-i", "3s", "-c", "1", "arq0");
	cr_assert_eq(result->status, 0, "%s", result->error);
	cr_expect_eq(count_of(result->output, "\n"), 1, "%s", result->output);
	struct json_object *line = json_tokener_parse(result->output);
	cr_assert_not_null(line, "%s", result->output);
	cr_assert(json_object_object_get_ex(line, "rows", &rows));
	cr_assert_eq(json_object_array_length(rows), 2, "%s", result->output);
	struct json_object *row = json_object_array_get_idx(rows, 0);
	cr_expect_eq(lab_number(row, "bytes"), lab_number(row, "packets") * 74);
	cr_expect_eq(lab_number(row, "bytes_error"), 0, "at 1 in 1");
	cr_expect_not_null(strstr(result->output, "\"key\":\"drop rule bad\""), "%s",
			   result->output);
	json_object_put(line);

	result = lab_run("sampler", "top", "-n", "1", "-i", "1s", "-c", "1");
	end_traffic(traffic);
	cr_expect_not_null(strstr(result->output, "> 192.0.2.1:53 udp"), "%s", result->output);
	cr_expect_not_null(strstr(result->output, "  all\n"), "%s", result->output);
}

Test(set, changes_rates_live, .init = load, .fini = forget)
{
	const struct lab_result *result = lab_run("sampler", "set", "--drops", "3", "-s", "99");
	cr_assert_eq(result->status, 0, "%s", result->error);
	cr_expect_str_eq(result->output, "arq0: 1 in 1, drops 1 in 3, 99 bytes of each\n");
	result = lab_run("sampler", "set", "arq0", "--one-in", "0", "--json");
	cr_expect_str_eq(result->output, "{\"interfaces\":[{\"name\":\"arq0\",\"one_in\":0,"
					 "\"drops_one_in\":3,\"snaplen\":99}]}\n");

	pid_t traffic = begin_traffic();
	result = lab_run("sampler", "capture", "--json", "-c", "20");
	end_traffic(traffic);
	cr_expect_eq(count_of(result->output, "\"verdict\":\"drop\""), 20, "passes: none");
	cr_expect_eq(count_of(result->output, "\"one_in\":3,"), 20);

	lab_assert_fails(lab_run("sampler", "set", "arq1"), "arq1: no sampler is loaded");
	result = lab_run("sampler", "set", "--snaplen", "13");
	cr_expect_eq(result->status, 2, "%s", result->error);
}

Test(capture, says_what_is_missing, .init = lab_enter)
{
	lab_assert_fails(lab_run("sampler", "capture"), "no interface has a sampler",
			 "arquant load");
	lab_assert_fails(lab_run("sampler", "capture", "arq0"), "arq0: no sampler is loaded",
			 "arquant load");
	lab_assert_fails(lab_run("sampler", "capture", "arq9"), "there is no interface 'arq9'",
			 "ip link");
	lab_assert_fails(
		lab_run_as(LAB_AS_NOBODY, (const char *const[]){"sampler", "capture", NULL}),
		"run as root");
}

Test(capture, says_when_it_cannot_write, .init = load, .fini = forget)
{
	lab_assert_fails(lab_run("sampler", "capture", "-w", "/nonexistent/file"),
			 "cannot write /nonexistent/file", "choose another file");
	lab_assert_fails(lab_run("sampler", "capture", "-w", "/dev/full", "-d", "10ms"),
			 "No space left on device", "make room");
}

Test(capture, tells_wrong_usage)
{
	static const char *const wrong[][4] = {
		{"sampler"},
		{"sampler", "record"},
		{"sampler", "capture", "--unknown"},
		{"sampler", "capture", "--count"},
		{"sampler", "capture", "--count=0"},
		{"sampler", "capture", "--count=1x"},
		{"sampler", "capture", "--duration=5"},
		{"sampler", "capture", "--duration=0s"},
		{"sampler", "capture", "--filter=verdict"},
		{"sampler", "capture", "--filter=verdict=maybe"},
		{"sampler", "capture", "--filter=from=10.0.0.1/8"},
		{"sampler", "capture", "--rotate-size=1M"},
		{"sampler", "capture", "--keep=3"},
		{"sampler", "capture", "--buffer=65537"},
		{"sampler", "capture", "--hex"},
		{"sampler", "capture", "--rotate-size=1"},
		{"sampler", "capture", "--sflow=192.0.2.9:6343"},
		{"sampler", "set", "--one-in=x"},
		{"sampler", "set", "--one-in=4294967296"},
		{"sampler", "set", "--snaplen=1537"},
		{"sampler", "set", "--filter=verdict=drop"},
		{"sampler", "top", "--by=colour"},
		{"sampler", "top", "--rows=1001"},
		{"sampler", "top", "-d", "5s"},
		{"sampler", "export", "--sflow=collector"},
		{"sampler", "export", "--agent=eth0"},
	};
	lab_enter();
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		const char *arguments[5] = {NULL};
		memcpy(arguments, wrong[i], sizeof(wrong[i]));
		const struct lab_result *result = lab_run_as(LAB_AS_ROOT, arguments);
		cr_expect_eq(result->status, 2, "%zu: %s", i, result->error);
		cr_expect_str_empty(result->output);
		cr_expect_eq(count_of(result->error, "\n"), 1, "%s", result->error);
		cr_expect_not_null(strstr(result->error, "--help"), "%s", result->error);
	}
}

Test(capture, explains_itself)
{
	static const struct {
		const char *name, *own;
		bool filter, duration;
	} subcommands[] = {
		{"capture", "--rotate-size SIZE", true, true},
		{"export", "--agent ADDR", true, true},
		{"set", "--snaplen BYTES", false, false},
		{"top", "--interval TIME", true, false},
	};
	lab_enter();
	for (size_t i = 0; i < sizeof(subcommands) / sizeof(subcommands[0]); i++) {
		/* Help is asked for, whatever stands beside it. */
		const struct lab_result *result =
			lab_run("sampler", subcommands[i].name, "--json", "-v", "--help", "arq9");
		cr_expect_eq(result->status, 0, "%s", result->error);
		cr_expect_str_empty(result->error);
		cr_expect_not_null(strstr(result->output, subcommands[i].own));
		cr_expect_eq(strstr(result->output, "--filter TERM") != NULL,
			     subcommands[i].filter);
		cr_expect_eq(strstr(result->output, "--duration TIME") != NULL,
			     subcommands[i].duration);
		cr_expect_not_null(strstr(result->output, "--json "));
		cr_expect_not_null(strstr(result->output, "--verbose "));
	}
}
