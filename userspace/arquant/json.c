// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/arquant/json.h"

#include "progs/program.h"

/* "2026-11-21T01:02:03.004Z", and longer where years need it. */
#define TIME_TEXT_MAX 40

void arq_json_add_number(struct json_object *object, const char *key, uint64_t value)
{
	json_object_object_add(object, key, json_object_new_uint64(value));
}

void arq_json_add_text(struct json_object *object, const char *key, const char *value)
{
	json_object_object_add(object, key, json_object_new_string(value));
}

void arq_json_add_bool(struct json_object *object, const char *key, bool value)
{
	json_object_object_add(object, key, json_object_new_boolean(value));
}

void arq_json_add_real(struct json_object *object, const char *key, double value)
{
	char text[64];

	snprintf(text, sizeof(text), "%.3f", value);
	json_object_object_add(object, key, json_object_new_double_s(value, text));
}

void arq_json_add_time(struct json_object *object, const char *key, time_t seconds,
		       int milliseconds)
{
	char text[TIME_TEXT_MAX];
	struct tm utc;

	if (!gmtime_r(&seconds, &utc))
		return;
	size_t length = strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &utc);
	if (length == 0)
		return;
	if (milliseconds < 0)
		snprintf(text + length, sizeof(text) - length, "Z");
	else
		snprintf(text + length, sizeof(text) - length, ".%03dZ", milliseconds);
	arq_json_add_text(object, key, text);
}

void arq_json_add_now(struct json_object *object)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	arq_json_add_time(object, "time", now.tv_sec, (int)(now.tv_nsec / 1000000));
}

void arq_json_add_actions(struct json_object *object, const char *key,
			  const __u64 actions[ARQ_ACTIONS])
{
	struct json_object *list = json_object_new_object();

	for (uint32_t action = 0; action < ARQ_ACTIONS; action++)
		arq_json_add_number(list, arq_action_name(action), actions[action]);
	json_object_object_add(object, key, list);
}

void arq_json_add_rates(struct json_object *object, const char *key,
			const __u64 actions[ARQ_ACTIONS], const __u64 before[ARQ_ACTIONS],
			double seconds)
{
	struct json_object *list = json_object_new_object();

	for (uint32_t action = 0; action < ARQ_ACTIONS; action++)
		arq_json_add_real(list, arq_action_name(action),
				  (double)(actions[action] - before[action]) / seconds);
	json_object_object_add(object, key, list);
}

void arq_json_print(struct json_object *object, bool line, FILE *stream)
{
	int style = JSON_C_TO_STRING_NOSLASHESCAPE |
		    (line ? JSON_C_TO_STRING_PLAIN : JSON_C_TO_STRING_PRETTY);

	fprintf(stream, "%s\n", json_object_to_json_string_ext(object, style));
	json_object_put(object);
}
