/* SPDX-License-Identifier: BSD-2-Clause */
#include "userspace/quic/close.h"

#include <string.h>

static void forget_cids(struct arq_quic_endpoint *endpoint, const ngtcp2_cid *cids, size_t count,
			const struct cid_owner *owner)
{
	for (size_t i = 0; i < count; i++)
		cid_table_remove(endpoint->cids, cids[i].data, cids[i].datalen, owner);
}

void closing_begin(struct arq_quic_endpoint *endpoint, struct arq_io *io,
		   const struct arq_path *path, const ngtcp2_cid *cids, size_t cid_count,
		   const struct cid_owner *from, const uint8_t *packet, uint32_t length,
		   uint64_t deadline)
{
	struct closing *closing = NULL;

	if (endpoint->counters.closing < endpoint->options.max_connections)
		closing = arq_memory_malloc(sizeof(*closing) + cid_count * sizeof(*cids),
					    &endpoint->memory);
	if (closing && timer_reserve(&endpoint->timers)) {
		arq_memory_free(closing, &endpoint->memory);
		closing = NULL;
	}
	if (!closing) {
		forget_cids(endpoint, cids, cid_count, from);
		return;
	}
	*closing = (struct closing){
		.owner.kind = CID_CLOSING,
		.timer = {.owner = &closing->owner, .at = TIMER_NEVER},
		.io = io,
		.path = *path,
		.length = length,
		.cid_count = cid_count,
	};
	memcpy(closing->packet, packet, length);
	memcpy(closing->cids, cids, cid_count * sizeof(*cids));
	for (size_t i = 0; i < cid_count; i++) {
		/* An id of `from` that is in the table: replacing it needs no memory. */
		if (cid_table_find(endpoint->cids, cids[i].data, cids[i].datalen) == from)
			cid_table_insert(endpoint->cids, cids[i].data, cids[i].datalen,
					 &closing->owner, true);
	}
	LIST_INSERT_HEAD(&endpoint->closings, closing, entry);
	timer_set(&endpoint->timers, &closing->timer, deadline);
	endpoint->counters.closing++;
}

void closing_receive(struct arq_quic_endpoint *endpoint, struct closing *closing)
{
	struct arq_tx_slot slot;

	closing->received++;
	/* Powers of two only: the back-off that section 10.2.1 asks for. */
	if (closing->length == 0 || !closing->io || (closing->received & (closing->received - 1))) {
		endpoint->counters.dropped_closing++;
		return;
	}
	if (!endpoint_reserve(endpoint, closing->io, &slot))
		return;
	if (slot.capacity < closing->length) {
		arq_io_cancel(closing->io, &slot);
		return;
	}
	memcpy(slot.data, closing->packet, closing->length);
	endpoint_commit(endpoint, closing->io, &slot, closing->length, &closing->path, 0);
	endpoint->counters.close_repeated++;
}

void closing_end(struct arq_quic_endpoint *endpoint, struct closing *closing)
{
	forget_cids(endpoint, closing->cids, closing->cid_count, &closing->owner);
	timer_set(&endpoint->timers, &closing->timer, TIMER_NEVER);
	timer_unreserve(&endpoint->timers);
	LIST_REMOVE(closing, entry);
	endpoint->counters.closing--;
	arq_memory_free(closing, &endpoint->memory);
}
