// SPDX-License-Identifier: BSD-2-Clause
#include "progs/skeletons.h"

#include "progs/firewall/classify.h"
#include "progs/lib/sampling.h"

#include <arquant/block.h>
#include <arquant/generation.h>
#include <arquant/guards.h>
#include <arquant/packet.h>
#include <arquant/service.h>
#include <arquant/trace.h>
#include <arquant/tunables.h>
#include <errno.h>

/* Generated from the BPF halves; the headers above define the types of their variables. */
#include "arq_bundle.skel.h"
#include "arq_firewall.skel.h"
#include "arq_pass.skel.h"
#include "arq_redirect.skel.h"
#include "arq_sampler.skel.h"

bool arq_skeleton_has(enum arq_program_id id, const struct arq_program_options *options,
		      enum arq_program_id part)
{
	if (id != ARQ_PROGRAM_BUNDLE)
		return id == part;
	return options->chain == 0 || options->chain & ARQ_PROGRAM_BIT(part);
}

bool arq_skeleton_samples(enum arq_program_id id, const struct arq_program_options *options)
{
	if (id == ARQ_PROGRAM_FIREWALL)
		return options->chain & ARQ_PROGRAM_BIT(ARQ_PROGRAM_SAMPLER);
	return arq_skeleton_has(id, options, ARQ_PROGRAM_SAMPLER);
}

static void tune(struct arq_tunables *tunables, const struct arq_program_options *options)
{
	tunables->first = options->first;
	tunables->sample_one_in = options->sample_one_in;
	tunables->drop_one_in =
		options->drop_one_in ? options->drop_one_in : options->sample_one_in;
	tunables->snaplen = options->snaplen ? options->snaplen : ARQ_SNAPLEN_DEFAULT;
}

static void destroy_firewall(void *self)
{
	arq_firewall_bpf__destroy(self);
}

static int open_firewall(const struct arq_program_options *options, struct arq_skeleton *skeleton)
{
	struct arq_firewall_bpf *self = arq_firewall_bpf__open();
	if (!self)
		return -errno;
	self->rodata->arq_pass_malformed = options->pass_malformed;
	self->rodata->arq_sample_drops = arq_skeleton_samples(ARQ_PROGRAM_FIREWALL, options);
	tune(&self->data_arq_tunables->arq_tunables, options);
	*skeleton = (struct arq_skeleton){self, self->obj, destroy_firewall};
	return 0;
}

static void destroy_sampler(void *self)
{
	arq_sampler_bpf__destroy(self);
}

static int open_sampler(const struct arq_program_options *options, struct arq_skeleton *skeleton)
{
	struct arq_sampler_bpf *self = arq_sampler_bpf__open();
	if (!self)
		return -errno;
	tune(&self->data_arq_tunables->arq_tunables, options);
	*skeleton = (struct arq_skeleton){self, self->obj, destroy_sampler};
	return 0;
}

static void destroy_redirect(void *self)
{
	arq_redirect_bpf__destroy(self);
}

static int open_redirect(const struct arq_program_options *options, struct arq_skeleton *skeleton)
{
	struct arq_redirect_bpf *self = arq_redirect_bpf__open();
	if (!self)
		return -errno;
	tune(&self->data_arq_tunables->arq_tunables, options);
	*skeleton = (struct arq_skeleton){self, self->obj, destroy_redirect};
	return 0;
}

static void destroy_bundle(void *self)
{
	arq_bundle_bpf__destroy(self);
}

static int open_bundle(const struct arq_program_options *options, struct arq_skeleton *skeleton)
{
	const enum arq_program_id id = ARQ_PROGRAM_BUNDLE;
	struct arq_bundle_bpf *self = arq_bundle_bpf__open();
	if (!self)
		return -errno;
	self->rodata->arq_with_firewall = arq_skeleton_has(id, options, ARQ_PROGRAM_FIREWALL);
	self->rodata->arq_with_sampler = arq_skeleton_has(id, options, ARQ_PROGRAM_SAMPLER);
	self->rodata->arq_with_redirect = arq_skeleton_has(id, options, ARQ_PROGRAM_REDIRECT);
	self->rodata->arq_pass_malformed = options->pass_malformed;
	self->rodata->arq_sample_drops = arq_skeleton_samples(id, options);
	tune(&self->data_arq_tunables->arq_tunables, options);
	*skeleton = (struct arq_skeleton){self, self->obj, destroy_bundle};
	return 0;
}

static void destroy_pass(void *self)
{
	arq_pass_bpf__destroy(self);
}

static int open_pass(struct arq_skeleton *skeleton)
{
	struct arq_pass_bpf *self = arq_pass_bpf__open();
	if (!self)
		return -errno;
	*skeleton = (struct arq_skeleton){self, self->obj, destroy_pass};
	return 0;
}

int arq_skeleton_open(enum arq_program_id id, const struct arq_program_options *options,
		      struct arq_skeleton *skeleton)
{
	switch (id) {
	case ARQ_PROGRAM_FIREWALL:
		return open_firewall(options, skeleton);
	case ARQ_PROGRAM_SAMPLER:
		return open_sampler(options, skeleton);
	case ARQ_PROGRAM_REDIRECT:
		return open_redirect(options, skeleton);
	case ARQ_PROGRAM_BUNDLE:
		return open_bundle(options, skeleton);
	case ARQ_PROGRAM_PASS:
		return open_pass(skeleton);
	default:
		return -EINVAL;
	}
}
