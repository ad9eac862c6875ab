// SPDX-License-Identifier: BSD-2-Clause
/*
 * lab_service DIRECTORY add|remove ADDRESS:PORT, lab_service DIRECTORY list
 *
 * Changes or prints the services of a loaded redirect (or bundle), given the directory of its
 * interface's pins. The daemon does this in the field; tests of the chain run without one.
 */
#include "progs/redirect/services.h"

#include <arquant/service.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int list(int services, struct arq_error *error)
{
	static union arq_address addresses[ARQ_SERVICE_SETS * (ARQ_SERVICE_ADDRESSES + 1)];
	char text[ARQ_ADDRESS_TEXT_MAX];
	size_t capacity = sizeof(addresses) / sizeof(addresses[0]);

	int count = arq_service_list(services, addresses, capacity, error);
	for (int i = 0; i < count; i++)
		puts(arq_address_format(&addresses[i], text));
	return count < 0 ? count : 0;
}

static int change(int services, const char *verb, const char *text, struct arq_error *error)
{
	union arq_address address;

	if (arq_address_parse(&address, text))
		return arq_error_set(error, -EINVAL, "'%s' is no address and port", text);
	return strcmp(verb, "add") == 0 ? arq_service_add(services, &address, error)
					: arq_service_remove(services, &address, error);
}

int main(int argc, char **argv)
{
	struct arq_error error = {0};
	bool lists = argc == 3 && strcmp(argv[2], "list") == 0;
	bool changes = argc == 4 && (strcmp(argv[2], "add") == 0 || strcmp(argv[2], "remove") == 0);

	if (!lists && !changes) {
		fprintf(stderr, "usage: lab_service DIRECTORY add|remove ADDRESS:PORT\n"
				"       lab_service DIRECTORY list\n");
		return 2;
	}
	int services = arq_services_open(argv[1], &error);
	int status = services < 0 ? services
		     : lists      ? list(services, &error)
				  : change(services, argv[2], argv[3], &error);
	if (services >= 0)
		close(services);
	if (status < 0)
		fprintf(stderr, "lab_service: %s\n", error.text);
	return status < 0 ? 1 : 0;
}
