/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A place to run the command in: network and mount namespaces of the test's own, with a BPF file
 * system of its own at /sys/fs/bpf and one veth pair, "arq0" (where programs go) and "arq1" (where
 * packets come from). Criterion runs each test in a process of its own; all of it goes with that.
 * Failures end the test by themselves.
 */
#ifndef ARQUANT_TEST_COMMAND_LAB_H
#define ARQUANT_TEST_COMMAND_LAB_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LAB_IDS_MAX 64

struct lab_result {
	int status; /* exit status, or 128 + signal */
	char output[65536];
	char error[4096];
};

enum lab_as {
	LAB_AS_ROOT,
	LAB_AS_NOBODY,
	LAB_AS_INTERRUPTED, /* with SIGINT blocked and pending, as after Ctrl-C at the start */
};

/* Skips the test when it is not run by root. */
void lab_enter(void);

/* "arq0" and "arq1" again, after one of them was deleted. */
void lab_first_pair(void);

/* A second pair, "arq2" and "arq3". */
void lab_second_pair(void);

/* Runs "arquant" with these arguments (NULL ends them). The result is static. */
const struct lab_result *lab_run_as(enum lab_as as, const char *const *arguments);
#define lab_run(...) lab_run_as(LAB_AS_ROOT, (const char *const[]){__VA_ARGS__, NULL})

/* Writes a configuration file; returns its name, for lab_forget(). */
char *lab_config(const char *text);

/* Removes the file and frees its name; NULL is fine. */
void lab_forget(char *path);

/* Runs a program that must succeed. */
void lab_shell(const char *command);

/* The failure of a result: exit 1, nothing on stdout, one line on stderr with all of these words.
 */
void lab_assert_failed(const struct lab_result *result, const char *const *words);
#define lab_assert_fails(result, ...) \
	lab_assert_failed(result, (const char *const[]){__VA_ARGS__, NULL})

/* Number of entries below the BPF file system, at any depth. */
unsigned int lab_count_pins(void);

/* "status --json" of one interface, its element of "interfaces"; the caller puts it. */
struct json_object *lab_status(const char *interface);

/* A number at a path of keys below an object: lab_number(slot, "actions", "drop"). */
int64_t lab_number_at(struct json_object *object, const char *const *keys);
#define lab_number(object, ...) lab_number_at(object, (const char *const[]){__VA_ARGS__, NULL})

const char *lab_text(struct json_object *object, const char *key);

/* Element `index` of "slots"; fails the test if there is none. */
struct json_object *lab_slot(struct json_object *interface, size_t index);

/* Does this kernel chain programs? */
bool lab_kernel_chains(void);

/* Loads a trivial program and attaches it alone, without any dispatcher; returns its id. */
uint32_t lab_attach_foreign(const char *interface);

/* The program on an interface, 0 for none. */
uint32_t lab_attached(const char *interface);

/* The maps of a program. Returns how many. */
size_t lab_map_ids(uint32_t program, uint32_t ids[LAB_IDS_MAX]);

/* Waits for the kernel to free programs and maps, which it does a moment after the last use. */
void lab_assert_gone(const uint32_t *programs, size_t programs_count, const uint32_t *maps,
		     size_t maps_count);

/* Sends `count` UDP datagrams over IPv4 from `source` to 192.0.2.1 into arq0. */
void lab_send_udp(const char *source, uint16_t port, unsigned int count);

#endif
