// SPDX-License-Identifier: BSD-2-Clause
/*
 * nameserver ADDRESS:PORT FILE
 *
 * Answers questions for addresses over UDP by the zone in FILE (nameserver.h), which is read again
 * for each: who replaces it changes the answers. Runs until it is killed.
 */
#include "nameserver.h"
#include "userspace/common/address.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

static void read_zone(const char *path, char *zone, size_t size)
{
	FILE *file = fopen(path, "re");
	size_t length = file ? fread(zone, 1, size - 1, file) : 0;
	zone[length] = '\0';
	if (file)
		fclose(file);
}

int main(int argc, char **argv)
{
	static char zone[65536];
	static uint8_t query[NAMESERVER_MESSAGE_MAX], reply[NAMESERVER_MESSAGE_MAX];
	union arq_address address, client;

	if (argc != 3 || arq_address_parse(&address, argv[1]) != 0) {
		fprintf(stderr, "usage: nameserver ADDRESS:PORT FILE\n");
		return 2;
	}
	int fd = socket(address.sa.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || bind(fd, &address.sa, arq_address_length(&address)) < 0) {
		perror("nameserver");
		return 1;
	}
	for (;;) {
		socklen_t size = sizeof(client);
		ssize_t length = recvfrom(fd, query, sizeof(query), 0, &client.sa, &size);
		if (length < 0) {
			perror("nameserver");
			return 1;
		}
		read_zone(argv[2], zone, sizeof(zone));
		size_t answer = nameserver_answer(zone, query, (size_t)length, reply);
		if (answer > 0)
			(void)!sendto(fd, reply, answer, 0, &client.sa, size);
	}
}
