// SPDX-License-Identifier: BSD-2-Clause
#include "progs/redirect/services.h"

#include "progs/program.h"

#include <arpa/inet.h>
#include <arquant/service.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>

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

static int map_table(int map, struct arq_services **table, struct arq_error *error)
{
	struct bpf_map_info info = {0};
	uint32_t size = sizeof(info);

	int status = bpf_map_get_info_by_fd(map, &info, &size);
	if (status == 0 && info.value_size != sizeof(**table))
		status = -EINVAL;
	if (status == 0) {
		void *memory =
			mmap(NULL, sizeof(**table), PROT_READ | PROT_WRITE, MAP_SHARED, map, 0);
		*table = memory;
		status = memory == MAP_FAILED ? -errno : 0;
	}
	if (status)
		arq_error_set(error, status,
			      "cannot map the service table: %s; if the program is of another "
			      "version, load it again",
			      strerror(-status));
	return status;
}

static void unmap_table(struct arq_services *table)
{
	munmap(table, sizeof(*table));
}

/* Port and address as in the table. Returns -EINVAL for what can be no service. */
static int read_address(const union arq_address *from, __be16 *port,
			struct arq_service_address *address, struct arq_error *error)
{
	uint8_t *bytes = (uint8_t *)address;

	memset(address, 0, sizeof(*address));
	*port = htons(arq_address_port(from));
	if (from->sa.sa_family == AF_INET) {
		bytes[10] = bytes[11] = 0xff;
		memcpy(bytes + 12, &from->in.sin_addr, 4);
	} else if (from->sa.sa_family == AF_INET6) {
		memcpy(bytes, &from->in6.sin6_addr, sizeof(*address));
	}
	if (*port == 0)
		return arq_error_set(error, -EINVAL,
				     "a service needs an IPv4 or IPv6 address and a port");
	return 0;
}

static void write_address(union arq_address *to, __be16 port,
			  const struct arq_service_address *address)
{
	memset(to, 0, sizeof(*to));
	to->in6.sin6_family = AF_INET6;
	to->in6.sin6_port = port;
	memcpy(&to->in6.sin6_addr, address, sizeof(*address));
	if (IN6_IS_ADDR_V4MAPPED(&to->in6.sin6_addr)) {
		memset(to, 0, sizeof(*to));
		to->in.sin_family = AF_INET;
		to->in.sin_port = port;
		memcpy(&to->in.sin_addr, (const uint8_t *)address + 12, 4);
	}
}

/* The set of a port; NULL when it has none. */
static struct arq_service_set *find_set(struct arq_services *table, __be16 port)
{
	uint8_t index = table->set_of_port[port];

	return index ? &table->sets[index % ARQ_SERVICE_SETS] : NULL;
}

/* A free set, which is not hooked to its port yet; NULL when there is none. */
static struct arq_service_set *take_set(struct arq_services *table, __be16 port)
{
	for (size_t i = 1; i < ARQ_SERVICE_SETS; i++) {
		struct arq_service_set *set = &table->sets[i];
		if (set->port == 0) {
			memset(set, 0, sizeof(*set));
			set->port = port;
			return set;
		}
	}
	return NULL;
}

static void hook_set(struct arq_services *table, struct arq_service_set *set)
{
	__atomic_store_n(&table->set_of_port[set->port], (uint8_t)(set - table->sets),
			 __ATOMIC_RELEASE);
}

static void drop_set_if_empty(struct arq_services *table, struct arq_service_set *set)
{
	if (set->any || set->count)
		return;
	__atomic_store_n(&table->set_of_port[set->port], 0, __ATOMIC_SEQ_CST);
	__atomic_store_n(&set->port, 0, __ATOMIC_SEQ_CST);
}

/* Index of an address in a set, or -1. */
static int find_address(const struct arq_service_set *set,
			const struct arq_service_address *address)
{
	for (int i = 0; i < set->count; i++) {
		if (memcmp(&set->addresses[i], address, sizeof(*address)) == 0)
			return i;
	}
	return -1;
}

static int add_address(struct arq_service_set *set, const struct arq_service_address *address)
{
	if (find_address(set, address) >= 0)
		return 0;
	if (set->count >= ARQ_SERVICE_ADDRESSES)
		return -E2BIG;
	set->addresses[set->count] = *address;
	__atomic_store_n(&set->count, set->count + 1, __ATOMIC_RELEASE);
	return 0;
}

static int remove_address(struct arq_service_set *set, const struct arq_service_address *address)
{
	int index = find_address(set, address);
	if (index < 0)
		return -ENOENT;
	/* The last one takes its place, and is there twice for a moment. */
	set->addresses[index] = set->addresses[set->count - 1];
	__atomic_store_n(&set->count, set->count - 1, __ATOMIC_RELEASE);
	return 0;
}

static int add_service(struct arq_services *table, __be16 port, bool any,
		       const struct arq_service_address *address)
{
	int status = 0;

	struct arq_service_set *set = find_set(table, port);
	if (!set)
		set = take_set(table, port);
	if (!set)
		return -E2BIG;
	if (any)
		__atomic_store_n(&set->any, 1, __ATOMIC_RELEASE);
	else
		status = add_address(set, address);
	hook_set(table, set);
	return status;
}

static int remove_service(struct arq_services *table, __be16 port, bool any,
			  const struct arq_service_address *address)
{
	int status = 0;

	struct arq_service_set *set = find_set(table, port);
	if (!set || (any && !set->any))
		return -ENOENT;
	if (any)
		__atomic_store_n(&set->any, 0, __ATOMIC_RELEASE);
	else
		status = remove_address(set, address);
	drop_set_if_empty(table, set);
	return status;
}

int arq_service_add(int services, const union arq_address *address, struct arq_error *error)
{
	struct arq_service_address bytes;
	struct arq_services *table;
	char text[ARQ_ADDRESS_TEXT_MAX];
	__be16 port;

	int status = read_address(address, &port, &bytes, error);
	if (status == 0)
		status = map_table(services, &table, error);
	if (status)
		return status;
	status = add_service(table, port, arq_address_is_any(address), &bytes);
	unmap_table(table);
	return status ? arq_error_set(error, status,
				      "no room for service %s: at most %d ports, and %d addresses "
				      "on one; use address 0.0.0.0 for all of them",
				      arq_address_format(address, text), ARQ_SERVICE_SETS - 1,
				      ARQ_SERVICE_ADDRESSES)
		      : 0;
}

int arq_service_remove(int services, const union arq_address *address, struct arq_error *error)
{
	struct arq_service_address bytes;
	struct arq_services *table;
	char text[ARQ_ADDRESS_TEXT_MAX];
	__be16 port;

	int status = read_address(address, &port, &bytes, error);
	if (status == 0)
		status = map_table(services, &table, error);
	if (status)
		return status;
	status = remove_service(table, port, arq_address_is_any(address), &bytes);
	unmap_table(table);
	return status ? arq_error_set(error, status, "cannot remove service %s: there is none",
				      arq_address_format(address, text))
		      : 0;
}

static void list_one(union arq_address *addresses, size_t capacity, size_t *count, __be16 port,
		     const struct arq_service_address *address)
{
	if (*count < capacity)
		write_address(&addresses[*count], port, address);
	(*count)++;
}

int arq_service_list(int services, union arq_address *addresses, size_t capacity,
		     struct arq_error *error)
{
	const struct arq_service_address any = {{0, 0}};
	struct arq_services *table;
	size_t count = 0;

	int status = map_table(services, &table, error);
	if (status)
		return status;
	for (size_t i = 1; i < ARQ_SERVICE_SETS; i++) {
		const struct arq_service_set *set = &table->sets[i];
		if (set->port == 0)
			continue;
		if (set->any)
			list_one(addresses, capacity, &count, set->port, &any);
		for (size_t j = 0; j < set->count && j < ARQ_SERVICE_ADDRESSES; j++)
			list_one(addresses, capacity, &count, set->port, &set->addresses[j]);
	}
	unmap_table(table);
	return (int)count;
}
