// SPDX-License-Identifier: BSD-2-Clause
#include "progs/redirect/services.h"

#include "progs/program.h"

#include <arquant/service.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>

static int open_table(const char *pin_directory, const char *name, struct arq_error *error)
{
	if (!arq_program_pinned(ARQ_PROGRAM_REDIRECT, pin_directory) &&
	    arq_program_pinned(ARQ_PROGRAM_BUNDLE, pin_directory))
		return arq_program_map_open(ARQ_PROGRAM_BUNDLE, pin_directory, name, error);
	return arq_program_map_open(ARQ_PROGRAM_REDIRECT, pin_directory, name, error);
}

int arq_services_open(const char *pin_directory, struct arq_error *error)
{
	return open_table(pin_directory, "services", error);
}

int arq_xsks_open(const char *pin_directory, struct arq_error *error)
{
	return open_table(pin_directory, "xsks", error);
}

static int make_key(const union arq_address *address, struct arq_service_key *key,
		    struct arq_error *error)
{
	memset(key, 0, sizeof(*key));
	if (address->sa.sa_family == AF_INET) {
		key->port = address->in.sin_port;
		if (!arq_address_is_any(address)) {
			key->address[10] = 0xff;
			key->address[11] = 0xff;
			memcpy(key->address + 12, &address->in.sin_addr, 4);
		}
	} else if (address->sa.sa_family == AF_INET6) {
		key->port = address->in6.sin6_port;
		memcpy(key->address, &address->in6.sin6_addr, sizeof(key->address));
	}
	if (key->port == 0)
		return arq_error_set(error, -EINVAL,
				     "a service needs an IPv4 or IPv6 address and a port");
	return 0;
}

static void read_key(const struct arq_service_key *key, union arq_address *address)
{
	memset(address, 0, sizeof(*address));
	address->in6.sin6_family = AF_INET6;
	address->in6.sin6_port = key->port;
	memcpy(&address->in6.sin6_addr, key->address, sizeof(key->address));
	if (IN6_IS_ADDR_V4MAPPED(&address->in6.sin6_addr)) {
		memset(address, 0, sizeof(*address));
		address->in.sin_family = AF_INET;
		address->in.sin_port = key->port;
		memcpy(&address->in.sin_addr, key->address + 12, 4);
	}
}

int arq_service_add(int services, const union arq_address *address, struct arq_error *error)
{
	const struct arq_service service = {0};
	struct arq_service_key key;
	char text[ARQ_ADDRESS_TEXT_MAX];

	int status = make_key(address, &key, error);
	if (status)
		return status;
	status = bpf_map_update_elem(services, &key, &service, BPF_ANY);
	if (status == -E2BIG)
		return arq_error_set(error, status,
				     "cannot add service %s: there are %d already; remove one",
				     arq_address_format(address, text), ARQ_SERVICES_MAX);
	return status ? arq_error_set(error, status, "cannot add service %s: %s",
				      arq_address_format(address, text), strerror(-status))
		      : 0;
}

int arq_service_remove(int services, const union arq_address *address, struct arq_error *error)
{
	struct arq_service_key key;
	char text[ARQ_ADDRESS_TEXT_MAX];

	int status = make_key(address, &key, error);
	if (status)
		return status;
	status = bpf_map_delete_elem(services, &key);
	return status ? arq_error_set(error, status, "cannot remove service %s: %s",
				      arq_address_format(address, text),
				      status == -ENOENT ? "there is none" : strerror(-status))
		      : 0;
}

int arq_service_list(int services, union arq_address *addresses, size_t capacity,
		     struct arq_error *error)
{
	struct arq_service_key key;
	const struct arq_service_key *previous = NULL;
	size_t count = 0;
	int status;

	/* While others change the table the walk may begin again: bounded by the table's size. */
	while (count < ARQ_SERVICES_MAX &&
	       (status = bpf_map_get_next_key(services, previous, &key)) == 0) {
		if (count < capacity)
			read_key(&key, &addresses[count]);
		count++;
		previous = &key;
	}
	if (count < ARQ_SERVICES_MAX && status != -ENOENT)
		return arq_error_set(error, status, "cannot list services: %s", strerror(-status));
	return (int)count;
}
