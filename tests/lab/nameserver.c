// SPDX-License-Identifier: BSD-2-Clause
#include "nameserver.h"

#include <arpa/inet.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define HEADER              12
#define TYPE_A              1
#define TYPE_AAAA           28
#define SERVFAIL            2
#define NXDOMAIN            3
#define NAMESERVER_NAME_MAX 256
#define RECORD_MAX          28 /* pointer, type, class, TTL, length, an IPv6 address */

static uint16_t get16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static uint8_t *put16(uint8_t *at, unsigned int value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
	return at + 2;
}

/* The question's name with dots; returns the octets that it takes, 0 when it is none. */
static size_t read_name(const uint8_t *at, size_t left, char name[NAMESERVER_NAME_MAX])
{
	size_t used = 0, length = 0;
	while (used < left && at[used] > 0) {
		size_t label = at[used++];
		if (label > 63 || used + label >= left || length + label + 2 > NAMESERVER_NAME_MAX)
			return 0;
		memcpy(name + length, at + used, label);
		used += label;
		length += label;
		name[length++] = '.';
	}
	if (used >= left || length == 0)
		return 0;
	name[length - 1] = '\0';
	return used + 1;
}

static uint8_t *put_record(uint8_t *at, uint16_t type, unsigned int ttl, const char *value)
{
	size_t length = type == TYPE_A ? 4 : 16;
	at = put16(put16(put16(at, 0xc000 | HEADER), type), 1);
	at = put16(put16(put16(at, ttl >> 16), ttl & 0xffff), (unsigned int)length);
	if (inet_pton(type == TYPE_A ? AF_INET : AF_INET6, value, at) != 1)
		return NULL;
	return at + length;
}

/* What the zone says of a name. Returns the end of the answers; NULL: say nothing. */
static uint8_t *put_answers(const char *zone, const char *name, uint16_t type, uint8_t *at,
			    const uint8_t *end, unsigned int *count, unsigned int *code)
{
	char owner[NAMESERVER_NAME_MAX], kind[8], value[64];
	unsigned int ttl;
	*code = NXDOMAIN;
	*count = 0;
	for (; zone && *zone; zone = strchr(zone, '\n') ? strchr(zone, '\n') + 1 : NULL) {
		if (sscanf(zone, "%255s %7s %u %63s", owner, kind, &ttl, value) != 4 ||
		    strcasecmp(owner, name) != 0)
			continue;
		if (*code == NXDOMAIN)
			*code = 0;
		if (type != (strcmp(kind, "A") == 0 ? TYPE_A : TYPE_AAAA))
			continue;
		if (strcmp(value, "silent") == 0)
			return NULL;
		if (strcmp(value, "fail") == 0) {
			*code = SERVFAIL;
		} else if (end - at >= RECORD_MAX) {
			at = put_record(at, type, ttl, value);
			if (!at)
				return NULL;
			(*count)++;
		}
	}
	return at;
}

size_t nameserver_answer(const char *zone, const uint8_t *query, size_t length,
			 uint8_t reply[NAMESERVER_MESSAGE_MAX])
{
	char name[NAMESERVER_NAME_MAX];
	unsigned int count, code;
	if (length < HEADER || length > NAMESERVER_MESSAGE_MAX / 2 || get16(query + 4) != 1)
		return 0;
	size_t used = read_name(query + HEADER, length - HEADER, name);
	if (used == 0 || HEADER + used + 4 > length)
		return 0;
	size_t question = HEADER + used + 4;
	memcpy(reply, query, question);
	const uint8_t *end = put_answers(zone, name, get16(query + HEADER + used), reply + question,
					 reply + NAMESERVER_MESSAGE_MAX, &count, &code);
	if (!end)
		return 0;
	put16(put16(put16(put16(reply + 2, 0x8180 | code), 1), count), 0);
	put16(reply + 10, 0);
	return (size_t)(end - reply);
}
