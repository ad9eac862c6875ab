/* SPDX-License-Identifier: BSD-2-Clause */
/* What the commands put into JSON objects of json-c. Without memory a key is left out. */
#ifndef ARQUANT_COMMAND_JSON_H
#define ARQUANT_COMMAND_JSON_H

#include <arquant/counters.h>
#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

void arq_json_add_number(struct json_object *object, const char *key, uint64_t value);
void arq_json_add_text(struct json_object *object, const char *key, const char *value);
void arq_json_add_bool(struct json_object *object, const char *key, bool value);

/* With three decimals. */
void arq_json_add_real(struct json_object *object, const char *key, double value);

/* RFC 3339, in UTC. `milliseconds` below 0: whole seconds. */
void arq_json_add_time(struct json_object *object, const char *key, time_t seconds,
		       int milliseconds);

/* The wall clock as "time". */
void arq_json_add_now(struct json_object *object);

/* Six numbers by the names of the actions. */
void arq_json_add_actions(struct json_object *object, const char *key,
			  const __u64 actions[ARQ_ACTIONS]);

/* Packets a second by action: what was added since `before` by `seconds`. */
void arq_json_add_rates(struct json_object *object, const char *key,
			const __u64 actions[ARQ_ACTIONS], const __u64 before[ARQ_ACTIONS],
			double seconds);

/* Prints the object and frees it; `line`: on one line. */
void arq_json_print(struct json_object *object, bool line, FILE *stream);

#endif
