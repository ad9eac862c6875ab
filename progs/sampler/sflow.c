// SPDX-License-Identifier: BSD-2-Clause
#include "progs/sampler/sflow.h"

#include <arpa/inet.h>
#include <arquant/packet.h>
#include <arquant/reason.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define VERSION 5

/* Formats of enterprise 0. */
#define SAMPLE_FLOW_EXPANDED     3
#define SAMPLE_COUNTERS_EXPANDED 4
#define SAMPLE_DISCARDED         5
#define RECORD_RAW_HEADER        1
#define RECORD_GENERIC_COUNTERS  1

#define HEADER_ETHERNET  1
#define IF_TYPE_ETHERNET 6

/* The frame check sequence, which the standard counts and XDP never sees. */
#define FCS_BYTES 4

/* Of a packet at most; the rest of a datagram is room for what describes it. */
#define HEADER_MAX 1024

/* What the standard knows as the reasons of drops; those that we have a use for. */
enum sflow_drop {
	DROP_ACL = 258,
	DROP_IP_HEADER = 275,
	DROP_L2 = 284,
	DROP_L4 = 289,
};

/* A sample never needs more beside the packet's header. */
#define SAMPLE_ROOM 160

struct source {
	uint32_t ifindex;
	uint64_t turn; /* of the writer, when it was asked for last */
	uint32_t flows; /* sequences */
	uint32_t discards;
	uint32_t counters;
	uint32_t pool;
	uint32_t drops;
	uint64_t pools[ARQ_MAX_CPUS]; /* of the last sample of each CPU; 0: none yet */
};

/*
 * Discards go in datagrams of their own: there are collectors that know no discards and pass over
 * what follows one in the same datagram (pmacct 1.7).
 */
enum kind {
	KIND_FLOWS, /* and counters */
	KIND_DISCARDS,
	KINDS,
};

struct datagram {
	uint32_t samples;
	size_t numbers_at; /* where sequence, uptime and the number of samples go */
	size_t used;
	uint8_t bytes[ARQ_SFLOW_DATAGRAM_MAX];
};

struct arq_sflow {
	struct arq_sflow_options options;
	struct arq_sflow_totals totals;
	struct timespec start;
	uint32_t sequence;
	struct datagram datagrams[KINDS];
	uint64_t turn;
	unsigned int sources_count;
	struct source *sources[ARQ_SFLOW_INTERFACES_MAX];
};

_Static_assert(HEADER_MAX + SAMPLE_ROOM + 40 <= ARQ_SFLOW_DATAGRAM_MAX,
	       "a sample fits into an empty datagram");

/* --- XDR (RFC 4506) --------------------------------------------------------------------------- */

static void put32_at(struct datagram *to, size_t at, uint32_t value)
{
	value = htonl(value);
	memcpy(to->bytes + at, &value, sizeof(value));
}

static void put32(struct datagram *to, uint32_t value)
{
	put32_at(to, to->used, value);
	to->used += sizeof(value);
}

static void put64(struct datagram *to, uint64_t value)
{
	put32(to, (uint32_t)(value >> 32));
	put32(to, (uint32_t)value);
}

static void put_opaque(struct datagram *to, const uint8_t *data, uint32_t length)
{
	put32(to, length);
	memcpy(to->bytes + to->used, data, length);
	memset(to->bytes + to->used + length, 0, -length & 3u);
	to->used += (length + 3u) & ~3u;
}

/* A structure with its length before it: returns where it begins, for end_sized(). */
static size_t begin_sized(struct datagram *to, uint32_t format)
{
	put32(to, format);
	put32(to, 0);
	return to->used;
}

static void end_sized(struct datagram *to, size_t begin)
{
	put32_at(to, begin - sizeof(uint32_t), (uint32_t)(to->used - begin));
}

/* --- datagrams -------------------------------------------------------------------------------- */

static uint32_t uptime_ms(const struct arq_sflow *sflow)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint32_t)((now.tv_sec - sflow->start.tv_sec) * 1000 +
			  (now.tv_nsec - sflow->start.tv_nsec) / 1000000);
}

static void begin_datagram(const struct arq_sflow *sflow, struct datagram *to)
{
	const union arq_address *agent = &sflow->options.agent;
	bool v6 = agent->sa.sa_family == AF_INET6;

	to->used = 0;
	put32(to, VERSION);
	put32(to, v6 ? 2 : 1);
	if (v6)
		memcpy(to->bytes + to->used, &agent->in6.sin6_addr, 16);
	else
		memcpy(to->bytes + to->used, &agent->in.sin_addr, 4);
	to->used += v6 ? 16 : 4;
	put32(to, sflow->options.sub_agent);
	to->numbers_at = to->used;
	to->used += 3 * sizeof(uint32_t);
}

static void send_datagram(struct arq_sflow *sflow, struct datagram *datagram)
{
	if (!datagram->samples)
		return;
	put32_at(datagram, datagram->numbers_at, ++sflow->sequence);
	put32_at(datagram, datagram->numbers_at + 4, uptime_ms(sflow));
	put32_at(datagram, datagram->numbers_at + 8, datagram->samples);
	sflow->options.send(datagram->bytes, datagram->used, sflow->options.context);
	sflow->totals.datagrams++;
	datagram->samples = 0;
}

void arq_sflow_flush(struct arq_sflow *sflow)
{
	for (int kind = 0; kind < KINDS; kind++)
		send_datagram(sflow, &sflow->datagrams[kind]);
}

/* The datagram that the next sample, with so many bytes of a packet, goes into. */
static struct datagram *make_room(struct arq_sflow *sflow, enum kind kind, size_t header)
{
	struct datagram *to = &sflow->datagrams[kind];

	if (to->samples && to->used + header + SAMPLE_ROOM > sizeof(to->bytes))
		send_datagram(sflow, to);
	if (!to->samples)
		begin_datagram(sflow, to);
	to->samples++;
	return to;
}

int arq_sflow_create(const struct arq_sflow_options *options, struct arq_sflow **sflow)
{
	*sflow = calloc(1, sizeof(**sflow));
	if (!*sflow)
		return -ENOMEM;
	(*sflow)->options = *options;
	clock_gettime(CLOCK_MONOTONIC, &(*sflow)->start);
	return 0;
}

void arq_sflow_destroy(struct arq_sflow *sflow)
{
	if (!sflow)
		return;
	for (unsigned int i = 0; i < sflow->sources_count; i++)
		free(sflow->sources[i]);
	free(sflow);
}

void arq_sflow_read_totals(const struct arq_sflow *sflow, struct arq_sflow_totals *totals)
{
	*totals = sflow->totals;
}

/* --- sources ---------------------------------------------------------------------------------- */

/* The one that was not asked for the longest: of many interfaces, most are gone. */
static struct source *oldest_source(const struct arq_sflow *sflow)
{
	struct source *oldest = sflow->sources[0];

	for (unsigned int i = 1; i < sflow->sources_count; i++) {
		if (sflow->sources[i]->turn < oldest->turn)
			oldest = sflow->sources[i];
	}
	return oldest;
}

/* A new one. NULL when there is no memory: then the interface is left out. */
static struct source *make_source(struct arq_sflow *sflow, uint32_t ifindex)
{
	struct source *source = sflow->sources_count == ARQ_SFLOW_INTERFACES_MAX
					? oldest_source(sflow)
					: calloc(1, sizeof(*source));

	if (!source)
		return NULL;
	if (sflow->sources_count < ARQ_SFLOW_INTERFACES_MAX)
		sflow->sources[sflow->sources_count++] = source;
	*source = (struct source){.ifindex = ifindex};
	return source;
}

static struct source *find_source(struct arq_sflow *sflow, uint32_t ifindex)
{
	struct source *source = NULL;

	for (unsigned int i = 0; !source && i < sflow->sources_count; i++) {
		if (sflow->sources[i]->ifindex == ifindex)
			source = sflow->sources[i];
	}
	if (!source)
		source = make_source(sflow, ifindex);
	if (source)
		source->turn = ++sflow->turn;
	return source;
}

/*
 * What the sample was drawn from since the CPU's last one. Of the first, and of one whose program
 * was loaded anew, nothing is known but the rate.
 */
static void add_to_pool(struct source *source, const struct arq_sample *sample)
{
	uint64_t last = source->pools[sample->cpu];

	if (last && sample->pool > last)
		source->pool += (uint32_t)(sample->pool - last);
	else
		source->pool += sample->one_in;
	source->pools[sample->cpu] = sample->pool;
}

/* --- samples ---------------------------------------------------------------------------------- */

int arq_sflow_drop_reason(uint32_t reason)
{
	switch (reason) {
	case ARQ_REASON_ETH_TRUNCATED:
	case ARQ_REASON_VLAN_DEPTH:
		return DROP_L2;
	case ARQ_REASON_IPV4_TRUNCATED:
	case ARQ_REASON_IPV4_VERSION:
	case ARQ_REASON_IPV4_HEADER_LENGTH:
	case ARQ_REASON_IPV4_TOTAL_LENGTH:
	case ARQ_REASON_IPV6_TRUNCATED:
	case ARQ_REASON_IPV6_VERSION:
	case ARQ_REASON_IPV6_PAYLOAD_LENGTH:
	case ARQ_REASON_IPV6_EXTENSION:
		return DROP_IP_HEADER;
	case ARQ_REASON_L4_TRUNCATED:
	case ARQ_REASON_UDP_LENGTH:
	case ARQ_REASON_TCP_HEADER_LENGTH:
		return DROP_L4;
	case ARQ_REASON_RULE:
		return DROP_ACL;
	default:
		return -1;
	}
}

static uint32_t header_length(const struct arq_sample *sample)
{
	return sample->captured < HEADER_MAX ? sample->captured : HEADER_MAX;
}

static void put_raw_header(struct datagram *to, const struct arq_sample *sample)
{
	put32(to, 1); /* one record */
	size_t record = begin_sized(to, RECORD_RAW_HEADER);
	put32(to, HEADER_ETHERNET);
	put32(to, sample->length + FCS_BYTES);
	put32(to, FCS_BYTES);
	put_opaque(to, sample->head, header_length(sample));
	end_sized(to, record);
}

static void put_flow(struct arq_sflow *sflow, struct source *source,
		     const struct arq_sample *sample)
{
	struct datagram *to = make_room(sflow, KIND_FLOWS, header_length(sample));
	size_t begin = begin_sized(to, SAMPLE_FLOW_EXPANDED);
	put32(to, ++source->flows);
	put32(to, 0); /* the source is an interface, */
	put32(to, source->ifindex); /* this one */
	put32(to, sample->one_in);
	put32(to, source->pool);
	put32(to, source->drops);
	put32(to, 0); /* came in by one interface, */
	put32(to, source->ifindex);
	put32(to, 0); /* and where it goes is not known */
	put32(to, 0);
	put_raw_header(to, sample);
	end_sized(to, begin);
	sflow->totals.flows++;
}

static void put_discard(struct arq_sflow *sflow, struct source *source,
			const struct arq_sample *sample)
{
	int reason = arq_sflow_drop_reason(sample->reason);

	if (reason < 0) {
		sflow->totals.unmapped++;
		return;
	}
	struct datagram *to = make_room(sflow, KIND_DISCARDS, header_length(sample));
	size_t begin = begin_sized(to, SAMPLE_DISCARDED);
	put32(to, ++source->discards);
	put32(to, 0);
	put32(to, source->ifindex);
	put32(to, source->drops);
	put32(to, source->ifindex); /* in */
	put32(to, 0); /* out: never */
	put32(to, (uint32_t)reason);
	put_raw_header(to, sample);
	end_sized(to, begin);
	sflow->totals.discards++;
}

void arq_sflow_sample(struct arq_sflow *sflow, const struct arq_sample *sample, uint64_t lost)
{
	struct source *source = find_source(sflow, sample->ifindex);

	if (!source || sample->captured > ARQ_SNAPLEN_MAX || sample->cpu >= ARQ_MAX_CPUS)
		return;
	source->drops += (uint32_t)lost;
	if (sample->verdict == XDP_DROP || sample->verdict == XDP_ABORTED) {
		put_discard(sflow, source, sample);
	} else {
		add_to_pool(source, sample);
		put_flow(sflow, source, sample);
	}
}

void arq_sflow_lost(struct arq_sflow *sflow, uint32_t ifindex, uint64_t lost)
{
	struct source *source = lost ? find_source(sflow, ifindex) : NULL;

	if (source)
		source->drops += (uint32_t)lost;
}

/* --- counters --------------------------------------------------------------------------------- */

#define UNKNOWN UINT32_MAX /* what the standard says where nothing is counted */

void arq_sflow_counters(struct arq_sflow *sflow, const struct arq_sflow_interface *interface)
{
	struct source *source = find_source(sflow, interface->ifindex);

	if (!source)
		return;
	struct datagram *to = make_room(sflow, KIND_FLOWS, 0);
	size_t begin = begin_sized(to, SAMPLE_COUNTERS_EXPANDED);
	put32(to, ++source->counters);
	put32(to, 0);
	put32(to, source->ifindex);
	put32(to, 1);
	size_t record = begin_sized(to, RECORD_GENERIC_COUNTERS);
	put32(to, source->ifindex);
	put32(to, IF_TYPE_ETHERNET);
	put64(to, interface->speed);
	put32(to, interface->direction);
	put32(to, (interface->admin_up ? 1u : 0u) | (interface->oper_up ? 2u : 0u));
	put64(to, interface->rx_bytes);
	put32(to, interface->rx_packets);
	put32(to, interface->rx_multicast);
	put32(to, UNKNOWN); /* broadcasts are among the unicasts */
	put32(to, interface->rx_dropped);
	put32(to, interface->rx_errors);
	put32(to, UNKNOWN); /* unknown protocols */
	put64(to, interface->tx_bytes);
	put32(to, interface->tx_packets);
	put32(to, UNKNOWN);
	put32(to, UNKNOWN);
	put32(to, interface->tx_dropped);
	put32(to, interface->tx_errors);
	put32(to, interface->promiscuous ? 1 : 2);
	end_sized(to, record);
	end_sized(to, begin);
	sflow->totals.counters++;
}
