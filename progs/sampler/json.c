// SPDX-License-Identifier: BSD-2-Clause
#include "progs/sampler/json.h"

#include "progs/program.h"

#include <errno.h>
#include <inttypes.h>

void arq_json_string(FILE *file, const char *text)
{
	fputc('"', file);
	for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
		if (*c == '"' || *c == '\\')
			fprintf(file, "\\%c", *c);
		else if (*c < 0x20)
			fprintf(file, "\\u%04x", *c);
		else
			fputc(*c, file);
	}
	fputc('"', file);
}

static void print_number(FILE *file, const char *key, bool there, uint64_t value)
{
	if (there)
		fprintf(file, ",\"%s\":%" PRIu64, key, value);
	else
		fprintf(file, ",\"%s\":null", key);
}

static void print_decision(FILE *file, const struct arq_sample *sample,
			   const struct arq_sample_about *about)
{
	fprintf(file, ",\"slot\":\"%s\",\"verdict\":\"%s\",\"reason\":\"%s\"",
		arq_program_name(sample->program), arq_action_name(sample->verdict),
		arq_reason_name(sample->reason));
	print_number(file, "rule", sample->rule != 0, sample->rule);
	fputs(",\"rule_name\":", file);
	if (sample->rule && about->rule_name[0])
		arq_json_string(file, about->rule_name);
	else
		fputs("null", file);
}

static void print_address(FILE *file, const char *key, const struct arq_flow *flow,
			  const uint8_t *address)
{
	char text[INET6_ADDRSTRLEN];

	if (flow->family)
		fprintf(file, ",\"%s\":\"%s\"", key, arq_flow_address(flow, address, text));
	else
		fprintf(file, ",\"%s\":null", key);
}

static void print_flow(FILE *file, const struct arq_flow *flow)
{
	const char *protocol = flow->family ? arq_protocol_name(flow->protocol) : NULL;
	bool ports = flow->source_port || flow->destination_port;

	print_number(file, "vlan", flow->vlan != 0, flow->vlan);
	print_number(file, "ethertype", flow->ethertype != 0, flow->ethertype);
	if (protocol)
		fprintf(file, ",\"protocol\":\"%s\"", protocol);
	else
		print_number(file, "protocol", flow->family != 0, flow->protocol);
	print_address(file, "source", flow, flow->source);
	print_number(file, "source_port", ports, flow->source_port);
	print_address(file, "destination", flow, flow->destination);
	print_number(file, "destination_port", ports, flow->destination_port);
	print_number(file, "quic_version", flow->quic_version != 0, flow->quic_version);
}

int arq_sample_json(FILE *file, const struct arq_sample *sample, const struct arq_flow *flow,
		    const struct arq_sample_about *about, bool head)
{
	errno = 0;
	fprintf(file, "{\"time\":%" PRIu64 ".%09u,\"interface\":", about->time_ns / 1000000000u,
		(unsigned int)(about->time_ns % 1000000000u));
	arq_json_string(file, about->interface);
	fprintf(file, ",\"queue\":%" PRIu32 ",\"cpu\":%" PRIu32, sample->queue, sample->cpu);
	print_decision(file, sample, about);
	fprintf(file,
		",\"length\":%" PRIu32 ",\"captured\":%" PRIu32 ",\"one_in\":%" PRIu32
		",\"sequence\":%" PRIu64 ",\"lost\":%" PRIu64,
		sample->length, sample->captured, sample->one_in, (uint64_t)sample->sequence,
		about->lost);
	print_flow(file, flow);
	if (head) {
		fputs(",\"head\":\"", file);
		for (uint32_t i = 0; i < sample->captured; i++)
			fprintf(file, "%02x", sample->head[i]);
		fputc('"', file);
	}
	fputs("}\n", file);
	return ferror(file) ? -(errno ? errno : EIO) : 0;
}
