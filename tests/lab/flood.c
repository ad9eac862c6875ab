// SPDX-License-Identifier: BSD-2-Clause
/*
 * flood [OPTIONS] INTERFACE ADDRESS:PORT
 *
 * QUIC Initials from spoofed sources, at an even rate, out of an interface, by BPF_PROG_TEST_RUN
 * with live frames (generator.h) on CPU 0, of which it takes a quarter: a test run cannot wait, and
 * spins until the next packet is due. Prints one line of JSON with what was sent. For test-flood.
 */
#include "tests/lab/flood.h"
#include "tests/bench/generator.h"
#include "userspace/common/address.h"
#include "userspace/io/checksum.h"
#include "userspace/io/frame.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <getopt.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define SECOND 1000000000ull

/* The scheduler's weight is a third of an ordinary process's. */
#define NICE 5

#define DCID_LENGTH 8
#define SCID_LENGTH 8
#define TAG_LENGTH  16

/* A forged token says by its first octet that it is of a Retry, and is as long as one. */
#define RETRY_TOKEN       0xc6
#define RETRY_TOKEN_BYTES 55

enum kind {
	RANDOM, /* the payload is noise */
	TOKEN, /* the same behind a forged Retry token */
	SEALED, /* encrypted with the right keys, and noise inside */
};

static const char *const kinds[] = {[RANDOM] = "random", [TOKEN] = "token", [SEALED] = "sealed"};

struct command {
	enum kind kind;
	double rate;
	double seconds;
	const char *object;
	const char *interface;
	uint8_t link[14];
	union arq_address to;
};

static const char usage_text[] =
	"usage: flood [OPTIONS] INTERFACE ADDRESS:PORT     IPv4\n"
	"  --kind KIND       random: noise (default); token: noise behind a forged Retry token;\n"
	"                    sealed: noise encrypted with an Initial's keys\n"
	"  --rate N          packets a second (200000); 0: none, at the same cost of CPU 0\n"
	"  --seconds S       (5)\n"
	"  --link FROM,TO    link addresses\n"
	"  --object FILE     of the program flood.bpf.o\n";

static void __attribute__((noreturn)) fail(const char *what, const char *why)
{
	fprintf(stderr, "flood: %s: %s\n", what, why);
	exit(1);
}

static void __attribute__((noreturn)) wrong_usage(const char *what)
{
	fprintf(stderr, "flood: %s\n%s", what, usage_text);
	exit(2);
}

/* --- options ---------------------------------------------------------------------------------- */

static enum kind kind_of(const char *name)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (strcmp(kinds[i], name) == 0)
			return (enum kind)i;
	}
	wrong_usage("no such kind");
}

/* "FROM,TO", as they stand the other way round in a frame. */
static void parse_link(uint8_t link[14], const char *text)
{
	uint8_t *from = link + 6, *to = link;

	if (sscanf(text, "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx,%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx",
		   &from[0], &from[1], &from[2], &from[3], &from[4], &from[5], &to[0], &to[1],
		   &to[2], &to[3], &to[4], &to[5]) != 12)
		wrong_usage("--link wants two link addresses");
	link[12] = 0x08; /* IPv4 */
}

static void parse(struct command *command, int argc, char **argv)
{
	static const struct option options[] = {
		{"kind", required_argument, NULL, 'k'},    {"rate", required_argument, NULL, 'r'},
		{"seconds", required_argument, NULL, 's'}, {"link", required_argument, NULL, 'l'},
		{"object", required_argument, NULL, 'o'},  {0},
	};

	*command = (struct command){.rate = 200000, .seconds = 5};
	for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
		if (option == 'k')
			command->kind = kind_of(optarg);
		else if (option == 'r')
			command->rate = strtod(optarg, NULL);
		else if (option == 's')
			command->seconds = strtod(optarg, NULL);
		else if (option == 'l')
			parse_link(command->link, optarg);
		else if (option == 'o')
			command->object = optarg;
		else
			wrong_usage("unknown option");
	}
	if (argc - optind != 2 || arq_address_parse(&command->to, argv[optind + 1]) != 0 ||
	    command->to.sa.sa_family != AF_INET || !command->link[12] || !command->object)
		wrong_usage("wrong arguments");
	command->interface = argv[optind];
}

/* --- Initials, RFC 9001 section 5 ------------------------------------------------------------- */

static void expand(const uint8_t *secret, const char *label, uint8_t *out, size_t length)
{
	uint8_t info[64];
	size_t label_length = strlen(label);
	const gnutls_datum_t key = {(uint8_t *)secret, 32};
	gnutls_datum_t whole = {info, (unsigned int)(10 + label_length)};

	info[0] = 0;
	info[1] = (uint8_t)length;
	info[2] = (uint8_t)(6 + label_length);
	memcpy(info + 3, "tls13 ", 6);
	memcpy(info + 9, label, label_length);
	info[9 + label_length] = 0;
	if (gnutls_hkdf_expand(GNUTLS_MAC_SHA256, &key, &whole, out, length))
		fail("HKDF", "GnuTLS refuses");
}

struct keys {
	uint8_t key[16], iv[12], mask[16];
};

static void derive(struct keys *keys, const uint8_t dcid[DCID_LENGTH])
{
	static const uint8_t salt_of_version_1[20] = {
		0x38, 0x76, 0x2c, 0xf7, 0xf5, 0x59, 0x34, 0xb3, 0x4d, 0x17,
		0x9a, 0xe6, 0xa4, 0xc8, 0x0c, 0xad, 0xcc, 0xbb, 0x7f, 0x0a,
	};
	const gnutls_datum_t id = {(uint8_t *)dcid, DCID_LENGTH};
	const gnutls_datum_t salt = {(uint8_t *)salt_of_version_1, sizeof(salt_of_version_1)};
	uint8_t initial[32], client[32];

	if (gnutls_hkdf_extract(GNUTLS_MAC_SHA256, &id, &salt, initial))
		fail("HKDF", "GnuTLS refuses");
	expand(initial, "client in", client, sizeof(client));
	expand(client, "quic key", keys->key, sizeof(keys->key));
	expand(client, "quic iv", keys->iv, sizeof(keys->iv));
	expand(client, "quic hp", keys->mask, sizeof(keys->mask));
}

/* Protects what follows the header: packet number 0, in one octet. */
static void seal(uint8_t *packet, size_t header)
{
	uint8_t plain[FLOOD_PAYLOAD], mask[16] = {0}, zero[16] = {0};
	size_t length = FLOOD_PAYLOAD - header;
	gnutls_aead_cipher_hd_t aead;
	gnutls_cipher_hd_t cipher;
	struct keys keys;

	derive(&keys, packet + FLOOD_DCID);
	const gnutls_datum_t key = {keys.key, sizeof(keys.key)};
	const gnutls_datum_t mask_key = {keys.mask, sizeof(keys.mask)};
	const gnutls_datum_t iv = {zero, sizeof(zero)};

	packet[header - 1] = 0;
	memcpy(plain, packet + header, length);
	/* CBC of one block is ECB, which GnuTLS does not have. */
	if (gnutls_aead_cipher_init(&aead, GNUTLS_CIPHER_AES_128_GCM, &key) ||
	    gnutls_aead_cipher_encrypt(aead, keys.iv, sizeof(keys.iv), packet, header, TAG_LENGTH,
				       plain, length - TAG_LENGTH, packet + header, &length) ||
	    gnutls_cipher_init(&cipher, GNUTLS_CIPHER_AES_128_CBC, &mask_key, &iv) ||
	    gnutls_cipher_encrypt2(cipher, packet + header + 3, 16, mask, 16))
		fail("AES", "GnuTLS refuses");
	packet[0] ^= mask[0] & 0x0f;
	packet[header - 1] ^= mask[1];
	gnutls_aead_cipher_deinit(aead);
	gnutls_cipher_deinit(cipher);
}

static void make_initial(uint8_t packet[FLOOD_PAYLOAD], enum kind kind)
{
	static const uint8_t begin[] = {0xc0, 0, 0, 0, 1, DCID_LENGTH};
	size_t at = FLOOD_DCID + DCID_LENGTH;

	gnutls_rnd(GNUTLS_RND_NONCE, packet, FLOOD_PAYLOAD);
	memcpy(packet, begin, sizeof(begin));
	packet[at] = SCID_LENGTH;
	at += 1 + SCID_LENGTH;
	if (kind == TOKEN) {
		packet[at++] = 0x40;
		packet[at++] = RETRY_TOKEN_BYTES;
		packet[at] = RETRY_TOKEN;
		at += RETRY_TOKEN_BYTES;
	} else {
		packet[at++] = 0;
	}
	size_t rest = FLOOD_PAYLOAD - at - 2;
	packet[at++] = (uint8_t)(0x40 | rest >> 8);
	packet[at++] = (uint8_t)rest;
	if (kind == SEALED)
		seal(packet, at + 1);
	else
		memset(packet + FLOOD_DCID, 0, DCID_LENGTH); /* the program's */
}

static void fill(struct flood_payload *payloads, size_t count, enum kind kind)
{
	for (size_t i = 0; i < count; i++) {
		make_initial(payloads[i].bytes, kind);
		const uint16_t *words = (const uint16_t *)payloads[i].bytes;
		uint64_t sum = htons(IPPROTO_UDP); /* of the pseudo header */
		for (size_t word = 0; word < FLOOD_PAYLOAD / 2; word++)
			sum += words[word];
		payloads[i].sum = sum;
	}
}

/* --- sending ---------------------------------------------------------------------------------- */

static void *map_memory(const struct bpf_object *object, const char *name, size_t size)
{
	int fd = bpf_object__find_map_fd_by_name(object, name);
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (memory == MAP_FAILED)
		fail(name, strerror(errno));
	return memory;
}

static struct bpf_object *load(const struct command *command)
{
	struct bpf_object *object = bpf_object__open_file(command->object, NULL);

	if (!object || bpf_object__load(object))
		fail(command->object, strerror(errno));
	return object;
}

/* Source address, port and checksums are the program's. */
static void make_frame(struct generator *generator, const struct command *command)
{
	struct arq_path path = {.link_length = 14, .remote = command->to};
	uint8_t buffer[ARQ_FRAME_HEADERS_MAX + FLOOD_PAYLOAD] = {0};

	arq_address_parse(&path.local, "198.18.0.1:1024");
	memcpy(path.link, command->link, sizeof(path.link));
	uint32_t headers =
		arq_frame_prepend(buffer + ARQ_FRAME_HEADERS_MAX, FLOOD_PAYLOAD, &path, 0);
	generator->length = headers + FLOOD_PAYLOAD;
	memcpy(generator->frame, buffer + ARQ_FRAME_HEADERS_MAX - headers, generator->length);
}

static void wait_for(double seconds)
{
	struct timespec time = {(time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9)};

	while (nanosleep(&time, &time) != 0 && errno == EINTR)
		;
}

int main(int argc, char **argv)
{
	struct generator generator;
	struct command command;

	parse(&command, argc, argv);
	generator_bind_cpu("flood", 0);
	setpriority(PRIO_PROCESS, 0, NICE);
	struct bpf_object *object = load(&command);
	struct flood_state *state = map_memory(object, ".bss.flood", sizeof(*state));
	size_t count = command.kind == SEALED ? FLOOD_PAYLOADS_MAX : 1;
	fill(map_memory(object, "payloads", FLOOD_PAYLOADS_MAX * sizeof(struct flood_payload)),
	     count, command.kind);
	state->mask = (uint32_t)count - 1;
	state->random_ids = command.kind != SEALED;
	state->interval_ns = command.rate > 0 ? (uint64_t)(1e9 / command.rate) : 0;

	generator_init(&generator, "flood", command.interface);
	generator.program = bpf_program__fd(bpf_object__find_program_by_name(object, "send"));
	make_frame(&generator, &command);
	generator_start(&generator);
	generator_resume(&generator);
	wait_for(command.seconds);
	generator_finish(&generator);
	printf("{\"kind\": \"%s\", \"sent\": %" PRIu64 ", \"missed\": %" PRIu64 "}\n",
	       kinds[command.kind], (uint64_t)state->sent, (uint64_t)state->missed);
	return 0;
}
