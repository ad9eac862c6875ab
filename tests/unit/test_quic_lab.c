/* SPDX-License-Identifier: BSD-2-Clause */
#include "test_quic_lab.h"

#include <criterion/criterion.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* --- the wire --------------------------------------------------------------------------------- */

static struct lab_io *lab_io(struct arq_io *io)
{
	return (struct lab_io *)io;
}

static int wire_receive(struct arq_io *io, struct arq_rx_packet *packets, size_t count)
{
	struct lab_io *self = lab_io(io);
	size_t n = 0;

	while (n < count && self->head) {
		struct lab_datagram *datagram = self->head;

		self->head = datagram->next;
		if (!self->head)
			self->tail = &self->head;
		packets[n++] = (struct arq_rx_packet){
			.data = datagram->data,
			.length = datagram->length,
			.ecn = datagram->ecn,
			.path = datagram->path,
			.handle = (uintptr_t)datagram,
		};
	}
	return (int)n;
}

static void wire_release(struct arq_io *io, const struct arq_rx_packet *packets, size_t count)
{
	(void)io;
	for (size_t i = 0; i < count; i++)
		free((void *)(uintptr_t)packets[i].handle);
}

static bool wire_reserve(struct arq_io *io, struct arq_tx_slot *slot)
{
	struct lab_io *self = lab_io(io);
	struct lab_datagram *datagram;

	if (self->queue_length + self->open_slots >= self->slot_limit)
		return false;
	datagram = calloc(1, sizeof(*datagram));
	*slot = (struct arq_tx_slot){datagram->data, ARQ_IO_PAYLOAD_MAX, (uintptr_t)datagram};
	self->open_slots++;
	return true;
}

static void wire_commit(struct arq_io *io, struct arq_tx_slot *slot, uint32_t length,
			const struct arq_path *path, uint8_t ecn)
{
	struct lab_io *self = lab_io(io);
	struct lab_datagram *datagram = (struct lab_datagram *)(uintptr_t)slot->handle;

	cr_assert(length > 0 && length <= slot->capacity);
	datagram->length = length;
	datagram->ecn = ecn;
	datagram->path.local = path->remote;
	datagram->path.remote = path->local;
	*self->queued_tail = datagram;
	self->queued_tail = &datagram->next;
	self->queue_length++;
	self->open_slots--;
}

static void wire_cancel(struct arq_io *io, struct arq_tx_slot *slot)
{
	free((void *)(uintptr_t)slot->handle);
	lab_io(io)->open_slots--;
}

static bool is_lost(struct lab_io *self)
{
	return self->cut || (self->drop_every && self->sent % self->drop_every == 0);
}

static int wire_flush(struct arq_io *io)
{
	struct lab_io *self = lab_io(io);
	struct lab_datagram *datagram;

	while ((datagram = self->queued)) {
		self->queued = datagram->next;
		datagram->next = NULL;
		self->sent++;
		self->last_lengths[self->sent % 8] = datagram->length;
		if (self->tap)
			self->tap(self, datagram);
		if (is_lost(self)) {
			free(datagram);
			continue;
		}
		*self->peer->tail = datagram;
		self->peer->tail = &datagram->next;
	}
	self->queued_tail = &self->queued;
	self->queue_length = 0;
	return 0;
}

static size_t wire_pending(const struct arq_io *io)
{
	(void)io;
	return 0;
}

static const struct arq_io_ops wire_ops = {
	.kind = "lab",
	.receive = wire_receive,
	.release = wire_release,
	.reserve = wire_reserve,
	.commit = wire_commit,
	.cancel = wire_cancel,
	.flush = wire_flush,
	.pending = wire_pending,
};

static void wire_init(struct lab_io *io, struct lab_io *peer)
{
	*io = (struct lab_io){.io.ops = &wire_ops, .peer = peer, .slot_limit = 256};
	io->tail = &io->head;
	io->queued_tail = &io->queued;
}

static void wire_free(struct lab_io *io)
{
	cr_expect_eq(io->open_slots, 0, "%zu slots neither committed nor cancelled",
		     io->open_slots);
	for (struct lab_datagram *d = io->head, *next; d; d = next) {
		next = d->next;
		free(d);
	}
	io->head = NULL;
}

void lab_inject(struct lab_io *to, const uint8_t *data, size_t length)
{
	struct lab_datagram *datagram = calloc(1, sizeof(*datagram));

	memcpy(datagram->data, data, length);
	datagram->length = (uint32_t)length;
	lab_path(true, &datagram->path);
	*to->tail = datagram;
	to->tail = &datagram->next;
}

/* --- the laboratory --------------------------------------------------------------------------- */

void lab_path(bool server, struct arq_path *path)
{
	union arq_address a = {0}, b = {0};

	arq_address_parse(&a, "192.0.2.1:443");
	arq_address_parse(&b, "198.51.100.2:40000");
	*path = (struct arq_path){.local = server ? a : b, .remote = server ? b : a};
}

void lab_create(struct lab *lab, const struct arq_quic_endpoint_options *server_options)
{
	struct arq_quic_endpoint_options options;
	struct arq_quic_client_tls_options trust = {0};
	struct arq_quic_certificate files;
	const struct arq_quic_tls_options tls = {.certificates = &files, .count = 1};
	struct arq_error error = {0};

	*lab = (struct lab){.now = 1000 * LAB_SECOND, .admissions = UINT_MAX};
	test_certificate_make(&lab->certificate, "localhost");
	files = (struct arq_quic_certificate){lab->certificate.certificate, lab->certificate.key};
	trust.ca_file = lab->certificate.certificate;
	cr_assert_eq(arq_quic_tls_create(&tls, &lab->tls, &error), 0, "%s", error.text);
	cr_assert_eq(arq_quic_client_tls_create(&trust, &lab->client_tls, &error), 0, "%s",
		     error.text);
	wire_init(&lab->server_io, &lab->client_io);
	wire_init(&lab->client_io, &lab->server_io);
	arq_quic_endpoint_options_default(&options);
	cr_assert_eq(arq_quic_endpoint_create(server_options ? server_options : &options,
					      &lab->server, &error),
		     0, "%s", error.text);
	arq_quic_endpoint_options_default(&options);
	cr_assert_eq(arq_quic_endpoint_create(&options, &lab->client, &error), 0);
}

void lab_destroy(struct lab *lab)
{
	arq_quic_endpoint_destroy(lab->client);
	arq_quic_endpoint_destroy(lab->server);
	arq_quic_tls_put(lab->tls);
	arq_quic_client_tls_put(lab->client_tls);
	wire_flush(&lab->server_io.io);
	wire_flush(&lab->client_io.io);
	wire_free(&lab->server_io);
	wire_free(&lab->client_io);
	test_certificate_remove(&lab->certificate);
}

void lab_listen(struct lab *lab, const struct arq_quic_application *applications, size_t count,
		const struct arq_quic_transport *transport)
{
	struct arq_quic_listener_options options = {
		.tls = lab->tls,
		.applications = applications,
		.application_count = count,
	};
	struct arq_error error = {0};
	struct arq_path path;

	lab_path(true, &path);
	options.address = path.local;
	if (transport)
		options.transport = *transport;
	else
		arq_quic_transport_default(&options.transport);
	cr_assert_eq(arq_quic_listen(lab->server, &options, &lab->listener, &error), 0, "%s",
		     error.text);
}

void lab_restart_server(struct lab *lab, const struct arq_quic_endpoint_options *options)
{
	struct arq_error error = {0};

	arq_quic_endpoint_destroy(lab->server);
	cr_assert_eq(arq_quic_endpoint_create(options, &lab->server, &error), 0, "%s", error.text);
}

static void take_in(struct lab *lab, struct arq_quic_endpoint *endpoint, struct lab_io *io)
{
	struct arq_rx_packet packets[ARQ_IO_BATCH];
	int count;

	while ((count = arq_io_receive(&io->io, packets, ARQ_IO_BATCH)) > 0) {
		arq_quic_receive(endpoint, &io->io, packets, (size_t)count, lab->now);
		arq_io_release(&io->io, packets, (size_t)count);
	}
}

void lab_step(struct lab *lab)
{
	lab->now += LAB_MILLISECOND;
	if (!lab->server_io.head && !lab->client_io.head) {
		uint64_t server = arq_quic_expiry(lab->server);
		uint64_t client = arq_quic_expiry(lab->client);
		uint64_t next = server < client ? server : client;

		if (next > lab->horizon)
			next = lab->horizon;
		if (next > lab->now)
			lab->now = next;
	}
	take_in(lab, lab->server, &lab->server_io);
	for (unsigned int i = 0; i < lab->admissions && arq_quic_admit(lab->server, lab->now);)
		i++;
	arq_quic_run(lab->server, lab->now);
	if (lab->before_client)
		lab->before_client(lab);
	take_in(lab, lab->client, &lab->client_io);
	arq_quic_run(lab->client, lab->now);
}

bool lab_run(struct lab *lab, uint64_t limit, bool (*done)(void *user), void *user)
{
	lab->horizon = lab->now + limit;
	while (!done(user)) {
		if (lab->now >= lab->horizon)
			return false;
		lab_step(lab);
	}
	return true;
}

struct arq_quic_counters lab_counters(const struct arq_quic_endpoint *endpoint)
{
	struct arq_quic_counters counters;

	arq_quic_counters_read(endpoint, &counters);
	return counters;
}
