/* SPDX-License-Identifier: BSD-2-Clause */
/* The worker's part: options, counters, memory. */
#include "userspace/http3/session.h"

#include <errno.h>
#include <stdlib.h>

/* Of control and QPACK streams: their frames are small and consumed at once. */
#define UNI_STREAM_WINDOW (64ULL << 10)

/* RFC 9114 section 6.2 asks for three; the others are for greasing, which some clients do. */
#define UNI_STREAMS 8

/* Full request bodies that a server's client may have under way without being read. */
#define SERVER_WINDOWS 4

void arq_h3_options_default(struct arq_h3_options *options)
{
	*options = (struct arq_h3_options){
		.max_field_section = 16 << 10,
		.max_fields = 100,
		.max_fields_sent = 100,
		.send_buffer = 256 << 10,
		.stream_window = 256 << 10,
		.max_streams = 100,
		.pool_spare = 256,
	};
}

int arq_h3_create(const struct arq_h3_options *options, struct arq_h3 **made)
{
	struct arq_h3 *h3;

	if (options->max_fields == 0 || options->max_fields_sent == 0 ||
	    options->max_field_section == 0 || options->send_buffer == 0 ||
	    options->stream_window == 0 || options->max_streams == 0)
		return -EINVAL;
	h3 = calloc(1, sizeof(*h3));
	if (!h3)
		return -ENOMEM;
	h3->options = *options;
	h3->pool.spare_max = options->pool_spare;
	h3->allocator = (nghttp3_mem){&h3->memory, arq_memory_malloc, arq_memory_free,
				      arq_memory_calloc, arq_memory_realloc};
	h3->nv = calloc(options->max_fields_sent + NV_EXTRA, sizeof(*h3->nv));
	h3->fields = calloc(options->max_fields, sizeof(*h3->fields));
	if (!h3->nv || !h3->fields) {
		arq_h3_destroy(h3);
		return -ENOMEM;
	}
	*made = h3;
	return 0;
}

void arq_h3_destroy(struct arq_h3 *h3)
{
	if (!h3)
		return;
	arq_send_pool_free(&h3->pool);
	free(h3->nv);
	free(h3->fields);
	arq_memory_trim(&h3->memory);
	free(h3);
}

void arq_h3_set_max_field_section(struct arq_h3 *h3, size_t bytes)
{
	h3->options.max_field_section = bytes;
}

void arq_h3_counters_read(const struct arq_h3 *h3, struct arq_h3_counters *counters)
{
	*counters = h3->counters;
	counters->slabs = h3->pool.in_use;
	counters->slabs_peak = h3->pool.in_use_peak;
	counters->slabs_spare = h3->pool.spare_count + h3->pool.small_spare_count;
	counters->memory = h3->memory.used;
}

void arq_h3_transport(const struct arq_h3 *h3, bool server, struct arq_quic_transport *transport)
{
	const struct arq_h3_options *options = &h3->options;
	uint64_t windows = server ? SERVER_WINDOWS : options->max_streams;

	arq_quic_transport_default(transport);
	transport->max_data = windows * options->stream_window + UNI_STREAMS * UNI_STREAM_WINDOW;
	/* Requests run on streams that the client opens, and only on those. */
	transport->max_stream_data_bidi_local = server ? 0 : options->stream_window;
	transport->max_stream_data_bidi_remote = server ? options->stream_window : 0;
	transport->max_stream_data_uni = UNI_STREAM_WINDOW;
	transport->max_streams_bidi = server ? options->max_streams : 0;
	transport->max_streams_uni = UNI_STREAMS;
}
