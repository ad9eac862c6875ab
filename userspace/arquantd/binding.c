// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/arquantd/binding.h"

#include "dispatcher/pins.h"
#include "progs/redirect/services.h"
#include "userspace/common/log.h"

#include <arquant/service.h>
#include <errno.h>
#include <ifaddrs.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* --- which interface -------------------------------------------------------------------------- */

static bool same_host(const struct sockaddr *a, const union arq_address *b)
{
	if (!a || a->sa_family != b->sa.sa_family)
		return false;
	if (a->sa_family == AF_INET)
		return ((const struct sockaddr_in *)(const void *)a)->sin_addr.s_addr ==
		       b->in.sin_addr.s_addr;
	return memcmp(&((const struct sockaddr_in6 *)(const void *)a)->sin6_addr, &b->in6.sin6_addr,
		      sizeof(b->in6.sin6_addr)) == 0;
}

/* The interface that has an address. Returns 0, or -EADDRNOTAVAIL when none has. */
static int find_interface(const union arq_address *address, char name[IF_NAMESIZE])
{
	struct ifaddrs *list;
	if (getifaddrs(&list) < 0)
		return -errno;
	int code = -EADDRNOTAVAIL;
	for (const struct ifaddrs *each = list; each; each = each->ifa_next) {
		if (!same_host(each->ifa_addr, address))
			continue;
		strncpy(name, each->ifa_name, IF_NAMESIZE - 1);
		name[IF_NAMESIZE - 1] = '\0';
		code = 0;
		break;
	}
	freeifaddrs(list);
	return code;
}

/* The interface that a listener names or that has its address. */
static int listener_interface(const struct arq_config_listener *listener, char name[IF_NAMESIZE],
			      struct arq_error *error)
{
	if (listener->interface) {
		if (if_nametoindex(listener->interface) == 0)
			return arq_error_set(error, -ENODEV,
					     "there is no interface %s; see `ip link` for those "
					     "that are",
					     listener->interface);
		strncpy(name, listener->interface, IF_NAMESIZE - 1);
		name[IF_NAMESIZE - 1] = '\0';
		return 0;
	}
	if (arq_address_is_any(&listener->address))
		return arq_error_set(error, -EINVAL,
				     "AF_XDP needs one interface; name it (interface: NAME), or "
				     "set io: udp");
	int code = find_interface(&listener->address, name);
	if (code == -EADDRNOTAVAIL)
		return arq_error_set(error, code,
				     "no interface of this host has the address %s; add it to one "
				     "(ip address add), or correct it",
				     listener->address_text);
	return code ? arq_error_set(error, code, "addresses: %s", strerror(-code)) : 0;
}

/* --- which io --------------------------------------------------------------------------------- */

static int open_tables(struct arq_binding *binding, struct arq_error *error)
{
	char pins[PATH_MAX];
	struct arq_error cause = {0};
	int code = arq_pins_path(pins, if_nametoindex(binding->interface));
	if (code < 0)
		arq_error_set(&cause, code, "/proc/thread-self/ns/net: %s", strerror(-code));
	if (code == 0)
		code = binding->xsks = arq_xsks_open(pins, &cause);
	if (code >= 0)
		code = binding->services = arq_services_open(pins, &cause);
	if (code >= 0)
		return 0;

	if (binding->xsks >= 0)
		close(binding->xsks);
	binding->xsks = -1;
	if (code == -EPERM || code == -EACCES)
		return arq_error_set(error, code,
				     "no privilege to use AF_XDP on %s (%s); run with "
				     "CAP_NET_ADMIN, CAP_NET_RAW and CAP_BPF, or set io: udp",
				     binding->interface, cause.text);
	if (code == -ENOENT)
		return arq_error_set(error, code,
				     "the redirect is not loaded on %s; run `arquant load %s` "
				     "first, or set io: udp",
				     binding->interface, binding->interface);
	return arq_error_set(error, code, "redirect on %s: %s", binding->interface, cause.text);
}

static int plan_xsk(const struct arq_config_listener *listener, struct arq_binding *binding,
		    struct arq_error *error)
{
	*binding =
		(struct arq_binding){.xsk = true, .listener = listener, .xsks = -1, .services = -1};
	int code = listener_interface(listener, binding->interface, error);
	if (code == 0)
		code = open_tables(binding, error);
	if (code != 0)
		return code;
	int queues = arq_io_queue_count(binding->interface);
	if (queues < 0) {
		close(binding->xsks);
		close(binding->services);
		return arq_error_set(error, queues, "%s: cannot count its receive queues: %s",
				     binding->interface, strerror(-queues));
	}
	/* Packets of queues beyond the map pass to the kernel. */
	binding->workers = queues < ARQ_QUEUES_MAX ? (uint32_t)queues : ARQ_QUEUES_MAX;
	return 0;
}

static void plan_udp(const struct arq_config_gateway *gateway,
		     const struct arq_config_listener *listener, struct arq_binding *binding)
{
	*binding = (struct arq_binding){
		.listener = listener, .xsks = -1, .services = -1, .workers = gateway->workers};
}

static int plan_one(const struct arq_config_gateway *gateway,
		    const struct arq_config_listener *listener, struct arq_binding *binding,
		    struct arq_error *decision, struct arq_error *error)
{
	struct arq_error why = {0};
	const char *reason = "configured";
	if (listener->io == ARQ_CONFIG_IO_UDP) {
		plan_udp(gateway, listener, binding);
	} else {
		int code = plan_xsk(listener, binding, &why);
		if (code != 0 && listener->io == ARQ_CONFIG_IO_XSK)
			return arq_error_set(error, code, "listener %s: %s", listener->name,
					     why.text);
		if (code != 0)
			plan_udp(gateway, listener, binding);
		if (listener->io == ARQ_CONFIG_IO_AUTO)
			reason = code ? why.text : "the redirect is loaded";
	}
	if (binding->xsk)
		arq_error_set(decision, 0, "listener %s: %s by AF_XDP on %s, %u queues (%s)",
			      listener->name, listener->address_text, binding->interface,
			      binding->workers, reason);
	else
		arq_error_set(decision, 0, "listener %s: %s by UDP sockets, %u workers (%s)",
			      listener->name, listener->address_text, binding->workers, reason);
	return 0;
}

/* --- the whole plan --------------------------------------------------------------------------- */

static struct arq_binding *same_interface(struct arq_bindings *bindings, const char *interface)
{
	for (size_t i = 0; i < bindings->count; i++) {
		if (bindings->list[i].xsk && strcmp(bindings->list[i].interface, interface) == 0)
			return &bindings->list[i];
	}
	return NULL;
}

static void close_tables(struct arq_binding *binding)
{
	if (!binding->xsk)
		return;
	close(binding->xsks);
	close(binding->services);
}

static int add(struct arq_bindings *bindings, uint32_t listener, struct arq_error *error)
{
	const struct arq_config_gateway *gateway = bindings->gateway;
	struct arq_binding planned;
	int code = plan_one(gateway, &gateway->listeners[listener], &planned,
			    &bindings->decisions[listener], error);
	if (code != 0)
		return code;

	struct arq_binding *there =
		planned.xsk ? same_interface(bindings, planned.interface) : NULL;
	if (there) {
		close_tables(&planned);
		if (there->listener->copy_mode != gateway->listeners[listener].copy_mode)
			return arq_error_set(error, -EINVAL,
					     "listeners %s and %s share the sockets of %s: give "
					     "both the same copy_mode",
					     there->listener->name,
					     gateway->listeners[listener].name, there->interface);
		bindings->of_listener[listener] = (size_t)(there - bindings->list);
		return 0;
	}
	if (planned.workers > bindings->workers)
		bindings->workers = planned.workers;
	bindings->of_listener[listener] = bindings->count;
	bindings->list[bindings->count++] = planned;
	return 0;
}

int arq_bindings_plan(const struct arq_config_gateway *gateway, struct arq_bindings *bindings,
		      struct arq_error *error)
{
	*bindings = (struct arq_bindings){.gateway = gateway};
	bindings->list = calloc(gateway->listeners_count, sizeof(*bindings->list));
	bindings->of_listener = calloc(gateway->listeners_count, sizeof(*bindings->of_listener));
	bindings->decisions = calloc(gateway->listeners_count, sizeof(*bindings->decisions));
	int code = bindings->list && bindings->of_listener && bindings->decisions ? 0 : -ENOMEM;
	for (uint32_t i = 0; code == 0 && i < gateway->listeners_count; i++)
		code = add(bindings, i, error);
	if (code != 0) {
		arq_bindings_close(bindings);
		return arq_error_set(error, code, "%s", strerror(-code));
	}
	return 0;
}

void arq_bindings_log(const struct arq_bindings *bindings)
{
	for (uint32_t i = 0; i < bindings->gateway->listeners_count; i++)
		arq_log(ARQ_LOG_INFO, "%s", bindings->decisions[i].text);
}

static void unregister(struct arq_bindings *bindings)
{
	while (bindings->registered > 0) {
		uint32_t i = --bindings->registered;
		const struct arq_binding *binding = &bindings->list[bindings->of_listener[i]];
		struct arq_error error = {0};
		/* -ENOENT: an unload or somebody else has removed it already. */
		if (binding->xsk &&
		    arq_service_remove(binding->services, &bindings->gateway->listeners[i].address,
				       &error) < 0)
			arq_log(ARQ_LOG_WARNING, "listener %s: %s",
				bindings->gateway->listeners[i].name, error.text);
	}
}

int arq_bindings_register(struct arq_bindings *bindings, struct arq_error *error)
{
	const struct arq_config_gateway *gateway = bindings->gateway;
	for (uint32_t i = 0; i < gateway->listeners_count; i++) {
		const struct arq_binding *binding = &bindings->list[bindings->of_listener[i]];
		int code = 0;
		if (binding->xsk)
			code = arq_service_add(binding->services, &gateway->listeners[i].address,
					       error);
		if (code < 0) {
			unregister(bindings);
			return arq_error_prefix(error, code, "listener %s",
						gateway->listeners[i].name);
		}
		bindings->registered = i + 1;
	}
	return 0;
}

void arq_bindings_close(struct arq_bindings *bindings)
{
	unregister(bindings);
	for (size_t i = 0; i < bindings->count; i++)
		close_tables(&bindings->list[i]);
	free(bindings->list);
	free(bindings->of_listener);
	free(bindings->decisions);
	*bindings = (struct arq_bindings){0};
}

/* --- sockets ---------------------------------------------------------------------------------- */

static int open_xsk(const struct arq_binding *binding, uint32_t queue, struct arq_io **io,
		    struct arq_error *error)
{
	static const enum arq_xsk_copy_mode modes[] = {
		[ARQ_CONFIG_COPY_AUTO] = ARQ_XSK_COPY_AUTO,
		[ARQ_CONFIG_COPY] = ARQ_XSK_COPY,
		[ARQ_CONFIG_ZERO_COPY] = ARQ_XSK_ZERO_COPY,
	};
	const struct arq_io_xsk_options options = {
		.interface = binding->interface,
		.queue = queue,
		.copy_mode = modes[binding->listener->copy_mode],
		.xsks_map_fd = binding->xsks,
	};
	return arq_io_xsk_create(&options, io, error);
}

/*
 * SO_REUSEPORT would let us share an address silently with another daemon of the same user, which
 * would then get half of our clients. Whoever holds it shows when we bind without.
 */
static int open_udp(const struct arq_binding *binding, uint32_t worker, struct arq_io **io,
		    struct arq_error *error)
{
	struct arq_io_udp_options options = {.bind = binding->listener->address, .offload = true};
	if (binding->workers > 1 && worker == 0) {
		int code = arq_io_udp_create(&options, io, error);
		if (code != 0)
			return code;
		arq_io_destroy(*io);
	}
	options.reuse_port = binding->workers > 1;
	return arq_io_udp_create(&options, io, error);
}

int arq_binding_open(const struct arq_binding *binding, uint32_t worker, struct arq_io **io,
		     struct arq_error *error)
{
	int code = binding->xsk ? open_xsk(binding, worker, io, error)
				: open_udp(binding, worker, io, error);
	return code ? arq_error_prefix(error, code, "listener %s", binding->listener->name) : 0;
}
