// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/arquant/trace_file.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* draft-ietf-opsawg-pcap: two magic numbers, by the resolution of times, in either byte order. */
#define PCAP_MAGIC_MICRO 0xa1b2c3d4u
#define PCAP_MAGIC_NANO  0xa1b23c4du
#define PCAP_HEADER      24
#define PCAP_RECORD      16
#define PCAP_LINKTYPE    0x0fffffffu /* the rest says something about the FCS */

/* draft-ietf-opsawg-pcapng: block types, and the magic of a section header. */
#define NG_SECTION         0x0a0d0d0au
#define NG_INTERFACE       1u
#define NG_SIMPLE_PACKET   3u
#define NG_ENHANCED_PACKET 6u
#define NG_MAGIC           0x1a2b3c4du
#define NG_BLOCK_MAX       (ARQ_TRACE_FILE_PACKET_MAX + 65536u) /* a packet and its options */

/* Interfaces of a section that we tell apart. */
#define NG_INTERFACES_MAX 4096

#define LINKTYPE_ETHERNET 1

struct arq_trace_file {
	FILE *stream;
	char name[128]; /* for messages */
	uint64_t offset; /* bytes read */
	uint64_t number; /* packets read */
	bool next_generation; /* pcapng */
	bool swapped; /* the other byte order */
	uint32_t link_types[NG_INTERFACES_MAX];
	uint32_t interface_count;
	uint8_t *buffer; /* NG_BLOCK_MAX bytes */
};

static int broken(const struct arq_trace_file *file, const char *what, struct arq_error *error)
{
	return arq_error_set(error, -EINVAL, "%s: byte %llu: %s", file->name,
			     (unsigned long long)file->offset, what);
}

static uint32_t number32(const struct arq_trace_file *file, const uint8_t *at)
{
	uint32_t value;

	memcpy(&value, at, sizeof(value));
	return file->swapped ? __builtin_bswap32(value) : value;
}

static uint16_t number16(const struct arq_trace_file *file, const uint8_t *at)
{
	uint16_t value;

	memcpy(&value, at, sizeof(value));
	return file->swapped ? __builtin_bswap16(value) : value;
}

/* Reads all `size` bytes. Returns 1, 0 when the file ends before the first, or an error. */
static int take(struct arq_trace_file *file, void *bytes, size_t size, struct arq_error *error)
{
	size_t count = fread(bytes, 1, size, file->stream);

	file->offset += count;
	if (count == size)
		return 1;
	if (ferror(file->stream))
		return arq_error_set(error, -EIO, "%s: cannot read: %s", file->name,
				     strerror(errno));
	return count ? broken(file, "the file ends in the middle of a packet", error) : 0;
}

/* The same in the middle of something: the end of the file is an error. */
static int take_rest(struct arq_trace_file *file, void *bytes, size_t size, struct arq_error *error)
{
	if (size == 0)
		return 1;
	int status = take(file, bytes, size, error);
	return status ? status : broken(file, "the file ends in the middle of a packet", error);
}

/* --- what a packet says of itself ------------------------------------------------------------- */

static int hand_out(struct arq_trace_file *file, uint32_t link_type, uint8_t *frame,
		    uint32_t captured, uint32_t length, struct arq_trace_file_packet *packet,
		    struct arq_error *error)
{
	file->number++;
	if (link_type != LINKTYPE_ETHERNET)
		return arq_error_set(error, -EINVAL,
				     "%s: packet %llu has link type %u; only Ethernet frames (1) "
				     "can be traced",
				     file->name, (unsigned long long)file->number, link_type);
	/* Some writers leave out the length, and none lets it be less. */
	if (length < captured)
		length = captured;
	if (length > ARQ_TRACE_FILE_PACKET_MAX)
		return broken(file, "a packet is larger than 256 KiB", error);
	memset(frame + captured, 0, length - captured);
	*packet = (struct arq_trace_file_packet){
		.number = file->number, .frame = frame, .length = length, .captured = captured};
	return 1;
}

/* --- pcap ------------------------------------------------------------------------------------- */

static int open_pcap(struct arq_trace_file *file, struct arq_error *error)
{
	uint8_t header[PCAP_HEADER - 4];

	int status = take_rest(file, header, sizeof(header), error);
	if (status < 0)
		return status;
	file->link_types[0] = number32(file, header + 16) & PCAP_LINKTYPE;
	file->interface_count = 1;
	return 0;
}

static int next_pcap(struct arq_trace_file *file, struct arq_trace_file_packet *packet,
		     struct arq_error *error)
{
	uint8_t record[PCAP_RECORD];

	int status = take(file, record, sizeof(record), error);
	if (status <= 0)
		return status;
	uint32_t captured = number32(file, record + 8);
	if (captured > ARQ_TRACE_FILE_PACKET_MAX)
		return broken(file, "a packet is larger than 256 KiB", error);
	status = take_rest(file, file->buffer, captured, error);
	return status < 0 ? status
			  : hand_out(file, file->link_types[0], file->buffer, captured,
				     number32(file, record + 12), packet, error);
}

/* --- pcapng ----------------------------------------------------------------------------------- */

/* The block's type was read; a section header also says the byte order of what follows. */
static int read_length(struct arq_trace_file *file, bool section, uint32_t *length,
		       struct arq_error *error)
{
	uint8_t bytes[8];

	int status = take_rest(file, bytes, section ? 8 : 4, error);
	if (status < 0)
		return status;
	if (section) {
		file->swapped = false;
		uint32_t magic = number32(file, bytes + 4);
		if (magic != NG_MAGIC && magic != __builtin_bswap32(NG_MAGIC))
			return broken(file, "a section without the byte order of pcapng", error);
		file->swapped = magic != NG_MAGIC;
		file->interface_count = 0;
	}
	*length = number32(file, bytes);
	uint32_t least = section ? 28 : 12;
	if (*length < least || *length % 4 || *length > NG_BLOCK_MAX)
		return broken(file, "a block of an impossible length", error);
	return 0;
}

static int add_interface(struct arq_trace_file *file, uint32_t size, struct arq_error *error)
{
	if (size < 8)
		return broken(file, "an interface block that is too short", error);
	if (file->interface_count == NG_INTERFACES_MAX)
		return broken(file, "more than 4096 interfaces", error);
	file->link_types[file->interface_count++] = number16(file, file->buffer);
	return 0;
}

static int read_enhanced(struct arq_trace_file *file, uint32_t size,
			 struct arq_trace_file_packet *packet, struct arq_error *error)
{
	if (size < 20)
		return broken(file, "a packet block that is too short", error);
	uint32_t interface = number32(file, file->buffer);
	uint32_t captured = number32(file, file->buffer + 12);
	if (interface >= file->interface_count)
		return broken(file, "a packet of an interface that was not described", error);
	if (captured > size - 20)
		return broken(file, "a packet that is longer than its block", error);
	return hand_out(file, file->link_types[interface], file->buffer + 20, captured,
			number32(file, file->buffer + 16), packet, error);
}

static int read_simple(struct arq_trace_file *file, uint32_t size,
		       struct arq_trace_file_packet *packet, struct arq_error *error)
{
	if (size < 4 || file->interface_count == 0)
		return broken(file, "a packet of an interface that was not described", error);
	uint32_t length = number32(file, file->buffer);
	uint32_t captured = length < size - 4 ? length : size - 4;
	return hand_out(file, file->link_types[0], file->buffer + 4, captured, length, packet,
			error);
}

/* Reads one block. Returns 1 with a packet, 0 at the end, -EAGAIN for a block of another kind. */
static int next_block(struct arq_trace_file *file, struct arq_trace_file_packet *packet,
		      struct arq_error *error)
{
	uint8_t bytes[4];
	uint32_t length = 0;

	int status = take(file, bytes, sizeof(bytes), error);
	if (status <= 0)
		return status;
	uint32_t type = number32(file, bytes);
	bool section = type == NG_SECTION; /* the same in both byte orders */
	status = read_length(file, section, &length, error);
	if (status < 0)
		return status;
	uint32_t size = length - (section ? 12 : 8); /* with the length at its end */
	status = take_rest(file, file->buffer, size, error);
	if (status < 0)
		return status;
	size -= 4;
	if (number32(file, file->buffer + size) != length)
		return broken(file, "a block whose two lengths differ", error);
	if (type == NG_ENHANCED_PACKET)
		return read_enhanced(file, size, packet, error);
	if (type == NG_SIMPLE_PACKET)
		return read_simple(file, size, packet, error);
	status = type == NG_INTERFACE ? add_interface(file, size, error) : 0;
	return status ? status : -EAGAIN;
}

/* --- both ------------------------------------------------------------------------------------- */

static int open_format(struct arq_trace_file *file, struct arq_error *error)
{
	uint8_t bytes[4];

	int status = take(file, bytes, sizeof(bytes), error);
	if (status < 0)
		return status;
	uint32_t magic = status ? number32(file, bytes) : 0;
	uint32_t other = __builtin_bswap32(magic);
	if (magic == NG_SECTION) {
		file->next_generation = true;
		uint32_t length;
		status = read_length(file, true, &length, error);
		if (status == 0)
			status = take_rest(file, file->buffer, length - 12, error);
		return status < 0 ? status : 0;
	}
	file->swapped = other == PCAP_MAGIC_MICRO || other == PCAP_MAGIC_NANO;
	if (file->swapped || magic == PCAP_MAGIC_MICRO || magic == PCAP_MAGIC_NANO)
		return open_pcap(file, error);
	return arq_error_set(error, -EINVAL, "%s: neither a pcap nor a pcapng file", file->name);
}

int arq_trace_file_open(const char *path, struct arq_trace_file **opened, struct arq_error *error)
{
	struct arq_trace_file *file = calloc(1, sizeof(*file));
	*opened = NULL;
	if (!file)
		return arq_error_set(error, -ENOMEM, "out of memory");
	bool standard = strcmp(path, "-") == 0;
	snprintf(file->name, sizeof(file->name), "%s", standard ? "stdin" : path);
	/* A packet may be longer on the wire than in its block. */
	file->buffer = malloc(NG_BLOCK_MAX + ARQ_TRACE_FILE_PACKET_MAX);
	file->stream = standard ? stdin : fopen(path, "rbe");
	int status = 0;
	if (!file->buffer)
		status = arq_error_set(error, -ENOMEM, "out of memory");
	else if (!file->stream)
		status = arq_error_set(error, -errno, "cannot open %s: %s", path, strerror(errno));
	else
		status = open_format(file, error);
	if (status) {
		arq_trace_file_close(file);
		return status;
	}
	*opened = file;
	return 0;
}

int arq_trace_file_next(struct arq_trace_file *file, struct arq_trace_file_packet *packet,
			struct arq_error *error)
{
	int status;

	if (!file->next_generation)
		return next_pcap(file, packet, error);
	do {
		status = next_block(file, packet, error);
	} while (status == -EAGAIN);
	return status;
}

void arq_trace_file_close(struct arq_trace_file *file)
{
	if (!file)
		return;
	if (file->stream && file->stream != stdin)
		fclose(file->stream);
	free(file->buffer);
	free(file);
}
