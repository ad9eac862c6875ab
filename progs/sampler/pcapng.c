// SPDX-License-Identifier: BSD-2-Clause
#include "progs/sampler/pcapng.h"

#include "progs/program.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* draft-ietf-opsawg-pcapng, section 4 */
#define BLOCK_SECTION    0x0a0d0d0au
#define BLOCK_INTERFACE  1u
#define BLOCK_STATISTICS 5u
#define BLOCK_PACKET     6u

#define BYTE_ORDER_MAGIC  0x1a2b3c4du
#define LINKTYPE_ETHERNET 1u

/* Options; those of different blocks share numbers. */
#define OPT_END           0u
#define OPT_COMMENT       1u
#define OPT_SHB_USERAPPL  4u
#define OPT_IF_NAME       2u
#define OPT_IF_TSRESOL    9u
#define OPT_EPB_FLAGS     2u
#define OPT_EPB_DROPCOUNT 4u
#define OPT_EPB_QUEUE     6u
#define OPT_EPB_VERDICT   7u
#define OPT_ISB_STARTTIME 2u
#define OPT_ISB_ENDTIME   3u
#define OPT_ISB_IFRECV    4u
#define OPT_ISB_IFDROP    5u
#define OPT_ISB_USRDELIV  8u

#define TSRESOL_NANOSECONDS 9 /* 10^-9 */
#define FLAGS_INBOUND       1u
#define VERDICT_XDP         2 /* the value is an enum xdp_action */

/* The largest block: fixed parts, a whole packet, and less than 448 bytes of options. */
#define BLOCK_MAX (ARQ_SNAPLEN_MAX + 512)

/* Fills a pipe at once (64 KiB), and has room for a block beyond. */
#define BUFFER_SIZE (65536 + BLOCK_MAX)

struct interface {
	uint32_t ifindex;
	char name[IF_NAMESIZE];
	uint64_t first_ns; /* wall clock */
	uint64_t last_ns;
	uint64_t packets;
	uint64_t lost;
};

struct arq_pcapng {
	struct arq_pcapng_options options;
	uint64_t offset_ns; /* from monotonic to wall clock */
	bool begun; /* the section header is written */
	uint32_t interfaces_count;
	struct interface interfaces[ARQ_PCAPNG_INTERFACES_MAX];
	uint64_t written; /* bytes that left the buffer */
	size_t used;
	size_t block; /* where the block being written begins */
	uint8_t buffer[BUFFER_SIZE];
};

/* --- blocks in the buffer --------------------------------------------------------------------- */

static void put(struct arq_pcapng *writer, const void *data, size_t size)
{
	memcpy(writer->buffer + writer->used, data, size);
	writer->used += size;
}

static void put32(struct arq_pcapng *writer, uint32_t value)
{
	put(writer, &value, sizeof(value));
}

/* Times go as two halves, the upper first, in any byte order. */
static void put_time(struct arq_pcapng *writer, uint64_t time)
{
	put32(writer, (uint32_t)(time >> 32));
	put32(writer, (uint32_t)time);
}

/* Everything ends on a multiple of 4 bytes. */
static void pad(struct arq_pcapng *writer)
{
	while (writer->used % 4)
		writer->buffer[writer->used++] = 0;
}

static void put_option_head(struct arq_pcapng *writer, uint16_t code, uint16_t size)
{
	put(writer, &code, sizeof(code));
	put(writer, &size, sizeof(size));
}

static void put_option(struct arq_pcapng *writer, uint16_t code, const void *data, size_t size)
{
	put_option_head(writer, code, (uint16_t)size);
	put(writer, data, size);
	pad(writer);
}

static void put_option_time(struct arq_pcapng *writer, uint16_t code, uint64_t time)
{
	put_option_head(writer, code, sizeof(time));
	put_time(writer, time);
}

static void begin_block(struct arq_pcapng *writer, uint32_t type)
{
	writer->block = writer->used;
	put32(writer, type);
	put32(writer, 0); /* its length, known at the end */
}

static void end_block(struct arq_pcapng *writer)
{
	put_option_head(writer, OPT_END, 0);
	uint32_t length = (uint32_t)(writer->used + sizeof(length) - writer->block);
	put32(writer, length);
	memcpy(writer->buffer + writer->block + sizeof(uint32_t), &length, sizeof(length));
}

/* --- output ----------------------------------------------------------------------------------- */

int arq_pcapng_flush(struct arq_pcapng *writer)
{
	size_t done = 0;

	while (done < writer->used) {
		ssize_t put_out =
			write(writer->options.fd, writer->buffer + done, writer->used - done);
		if (put_out < 0 && errno != EINTR)
			return -errno;
		if (put_out > 0)
			done += (size_t)put_out;
	}
	writer->written += writer->used;
	writer->used = 0;
	return 0;
}

static int make_room(struct arq_pcapng *writer)
{
	return sizeof(writer->buffer) - writer->used < BLOCK_MAX ? arq_pcapng_flush(writer) : 0;
}

/* --- the file --------------------------------------------------------------------------------- */

uint64_t arq_wall_clock_offset(void)
{
	struct timespec wall, monotonic;

	clock_gettime(CLOCK_REALTIME, &wall);
	clock_gettime(CLOCK_MONOTONIC, &monotonic);
	return (uint64_t)(wall.tv_sec - monotonic.tv_sec) * 1000000000u + (uint64_t)wall.tv_nsec -
	       (uint64_t)monotonic.tv_nsec;
}

int arq_pcapng_create(const struct arq_pcapng_options *options, struct arq_pcapng **writer)
{
	struct arq_pcapng *made = calloc(1, sizeof(*made));

	if (!made)
		return -ENOMEM;
	made->options = *options;
	made->offset_ns = arq_wall_clock_offset();
	*writer = made;
	return 0;
}

void arq_pcapng_destroy(struct arq_pcapng *writer)
{
	free(writer);
}

static void put_section(struct arq_pcapng *writer, const char *comment)
{
	const char *application = writer->options.application;
	static const uint16_t version[2] = {1, 0};
	static const uint64_t unknown_length = UINT64_MAX;

	begin_block(writer, BLOCK_SECTION);
	put32(writer, BYTE_ORDER_MAGIC);
	put(writer, version, sizeof(version));
	put(writer, &unknown_length, sizeof(unknown_length));
	if (comment[0])
		put_option(writer, OPT_COMMENT, comment, strlen(comment));
	put_option(writer, OPT_SHB_USERAPPL, application, strnlen(application, 64));
	end_block(writer);
}

static int begin(struct arq_pcapng *writer)
{
	if (writer->begun)
		return 0;
	int code = make_room(writer);
	if (code)
		return code;
	put_section(writer, "");
	writer->begun = true;
	return 0;
}

static void put_interface(struct arq_pcapng *writer, struct interface *interface)
{
	static const uint16_t link[2] = {LINKTYPE_ETHERNET, 0};
	static const uint8_t resolution = TSRESOL_NANOSECONDS;

	writer->options.interface_name(interface->ifindex, interface->name,
				       writer->options.context);
	begin_block(writer, BLOCK_INTERFACE);
	put(writer, link, sizeof(link));
	put32(writer, ARQ_SNAPLEN_MAX);
	put_option(writer, OPT_IF_NAME, interface->name,
		   strnlen(interface->name, sizeof(interface->name)));
	put_option(writer, OPT_IF_TSRESOL, &resolution, sizeof(resolution));
	end_block(writer);
}

/* The number of the interface in this file, with its block written; or a negative errno. */
static int find_interface(struct arq_pcapng *writer, uint32_t ifindex)
{
	for (uint32_t i = 0; i < writer->interfaces_count; i++) {
		if (writer->interfaces[i].ifindex == ifindex)
			return (int)i;
	}
	if (writer->interfaces_count == ARQ_PCAPNG_INTERFACES_MAX)
		return -E2BIG;
	int code = make_room(writer);
	if (code)
		return code;
	struct interface *interface = &writer->interfaces[writer->interfaces_count];
	interface->ifindex = ifindex;
	put_interface(writer, interface);
	return (int)writer->interfaces_count++;
}

/* "verdict=drop reason=rule rule=3 slot=..."; returns its length, cut off at the buffer's end. */
static size_t write_comment(char *comment, size_t size, const struct arq_sample *sample,
			    uint64_t lost, const char *rule_name)
{
	char rule[24] = "";

	if (sample->rule)
		snprintf(rule, sizeof(rule), " rule=%u", sample->rule);
	int length = snprintf(comment, size,
			      "verdict=%s reason=%s%s slot=%s one_in=%u lost=%llu cpu=%u "
			      "sequence=%llu%s%s",
			      arq_action_name(sample->verdict), arq_reason_name(sample->reason),
			      rule, arq_program_name(sample->program), sample->one_in,
			      (unsigned long long)lost, sample->cpu,
			      (unsigned long long)sample->sequence,
			      rule_name[0] ? " rule_name=" : "", rule_name);
	return length < 0 ? 0 : (size_t)length < size ? (size_t)length : size - 1;
}

static void put_packet_options(struct arq_pcapng *writer, const struct arq_sample *sample,
			       uint64_t lost, const char *rule_name)
{
	static const uint32_t flags = FLAGS_INBOUND;
	uint64_t verdict = sample->verdict;
	char comment[288];

	size_t length = write_comment(comment, sizeof(comment), sample, lost, rule_name);
	put_option(writer, OPT_COMMENT, comment, length);
	put_option(writer, OPT_EPB_FLAGS, &flags, sizeof(flags));
	put_option(writer, OPT_EPB_DROPCOUNT, &lost, sizeof(lost));
	put_option(writer, OPT_EPB_QUEUE, &sample->queue, sizeof(sample->queue));
	put_option_head(writer, OPT_EPB_VERDICT, 1 + sizeof(verdict));
	writer->buffer[writer->used++] = VERDICT_XDP;
	put(writer, &verdict, sizeof(verdict));
	pad(writer);
}

int arq_pcapng_write(struct arq_pcapng *writer, const struct arq_sample *sample, uint64_t lost,
		     const char *rule_name)
{
	if (sample->captured > ARQ_SNAPLEN_MAX || sample->captured > sample->length)
		return -EINVAL;
	int code = begin(writer);
	if (code)
		return code;
	int number = find_interface(writer, sample->ifindex);
	if (number < 0)
		return number;
	code = make_room(writer);
	if (code)
		return code;

	struct interface *interface = &writer->interfaces[number];
	uint64_t time = sample->time_ns + writer->offset_ns;
	if (interface->packets++ == 0 || time < interface->first_ns)
		interface->first_ns = time;
	if (time > interface->last_ns)
		interface->last_ns = time;
	interface->lost += lost;

	begin_block(writer, BLOCK_PACKET);
	put32(writer, (uint32_t)number);
	put_time(writer, time);
	put32(writer, sample->captured);
	put32(writer, sample->length);
	put(writer, sample->head, sample->captured);
	pad(writer);
	put_packet_options(writer, sample, lost, rule_name);
	end_block(writer);
	return 0;
}

int arq_pcapng_lost(struct arq_pcapng *writer, uint32_t ifindex, uint64_t lost)
{
	int code = begin(writer);
	int number = code ? code : find_interface(writer, ifindex);

	if (number < 0)
		return number;
	writer->interfaces[number].lost += lost;
	return 0;
}

uint64_t arq_pcapng_size(const struct arq_pcapng *writer)
{
	return writer->written + writer->used;
}

static void put_statistics(struct arq_pcapng *writer, uint32_t number)
{
	const struct interface *interface = &writer->interfaces[number];
	uint64_t received = interface->packets + interface->lost;

	begin_block(writer, BLOCK_STATISTICS);
	put32(writer, number);
	put_time(writer, interface->last_ns);
	put_option_time(writer, OPT_ISB_STARTTIME, interface->first_ns);
	put_option_time(writer, OPT_ISB_ENDTIME, interface->last_ns);
	put_option(writer, OPT_ISB_IFRECV, &received, sizeof(received));
	put_option(writer, OPT_ISB_IFDROP, &interface->lost, sizeof(interface->lost));
	put_option(writer, OPT_ISB_USRDELIV, &interface->packets, sizeof(interface->packets));
	end_block(writer);
}

/*
 * What was lost once more, for capinfos, which shows no numbers of the statistics: it shows
 * comments, and a section's comment can still be written at the end when it is one of a section of
 * its own.
 */
static void put_losses(struct arq_pcapng *writer, const struct interface *interface)
{
	char comment[IF_NAMESIZE + 80];

	if (!interface->lost)
		return;
	snprintf(comment, sizeof(comment), "%.*s: %llu samples captured, %llu lost", IF_NAMESIZE,
		 interface->name, (unsigned long long)interface->packets,
		 (unsigned long long)interface->lost);
	put_section(writer, comment);
}

int arq_pcapng_finish(struct arq_pcapng *writer)
{
	/* A file without a packet is a file nevertheless: its header says so. */
	int code = begin(writer);

	for (uint32_t i = 0; !code && i < writer->interfaces_count; i++) {
		code = make_room(writer);
		if (!code)
			put_statistics(writer, i);
	}
	for (uint32_t i = 0; !code && i < writer->interfaces_count; i++) {
		code = make_room(writer);
		if (!code)
			put_losses(writer, &writer->interfaces[i]);
	}
	return code ? code : arq_pcapng_flush(writer);
}
