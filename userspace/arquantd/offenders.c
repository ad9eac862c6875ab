// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/arquantd/offenders.h"

#include "dispatcher/pins.h"
#include "progs/firewall/block.h"
#include "userspace/common/log.h"
#include "userspace/common/prefix.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <net/if.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const char reason[] = "arquantd: abuse of a connection";

#define REFUSALS_A_LINE 1000

/* What goes through the pipe: less than PIPE_BUF, so never in pieces. */
struct offence {
	size_t binding;
	union arq_address remote;
};

struct arq_offenders {
	int told[2]; /* pipe */
	size_t count;
	struct arq_blocks **blocks; /* by binding; NULL: no firewall is there */
	uint64_t blocked, refused;
	_Atomic uint64_t lost;
};

/* --- opening ---------------------------------------------------------------------------------- */

static void open_blocks(const struct arq_binding *binding, bool wanted, struct arq_blocks **blocks)
{
	struct arq_error error = {0};
	char pins[PATH_MAX];

	if (!binding->xsk)
		return;
	int code = arq_pins_path(pins, if_nametoindex(binding->interface));
	if (code == 0)
		code = arq_blocks_open(pins, blocks, &error);
	if (code < 0 && wanted)
		arq_log(ARQ_LOG_WARNING,
			"offenders on %s are not blocked (gateway.limits.block_abuse): %s",
			binding->interface,
			code == -ENOENT ? "no firewall is loaded there"
			: error.text[0] ? error.text
					: strerror(-code));
}

int arq_offenders_open(const struct arq_bindings *bindings, bool wanted,
		       struct arq_offenders **offenders)
{
	struct arq_offenders *made = calloc(1, sizeof(*made));

	*offenders = NULL;
	if (!made)
		return -ENOMEM;
	made->count = bindings->count;
	made->blocks = calloc(bindings->count ? bindings->count : 1, sizeof(struct arq_blocks *));
	made->told[0] = made->told[1] = -1;
	int code = made->blocks ? 0 : -ENOMEM;
	if (code == 0 && pipe2(made->told, O_CLOEXEC | O_NONBLOCK) < 0)
		code = -errno;
	if (code != 0) {
		arq_offenders_close(made);
		return code;
	}
	for (size_t i = 0; i < bindings->count; i++)
		open_blocks(&bindings->list[i], wanted, &made->blocks[i]);
	*offenders = made;
	return 0;
}

void arq_offenders_close(struct arq_offenders *offenders)
{
	if (!offenders)
		return;
	for (size_t i = 0; offenders->blocks && i < offenders->count; i++)
		arq_blocks_close(offenders->blocks[i]);
	free(offenders->blocks);
	for (int i = 0; i < 2; i++) {
		if (offenders->told[i] >= 0)
			close(offenders->told[i]);
	}
	free(offenders);
}

/* --- telling and blocking --------------------------------------------------------------------- */

void arq_offenders_tell(struct arq_offenders *offenders, size_t binding,
			const union arq_address *remote)
{
	struct offence offence;

	memset(&offence, 0, sizeof(offence));
	offence.binding = binding;
	offence.remote = *remote;
	if (write(offenders->told[1], &offence, sizeof(offence)) != (ssize_t)sizeof(offence))
		atomic_fetch_add_explicit(&offenders->lost, 1, memory_order_relaxed);
}

int arq_offenders_fd(const struct arq_offenders *offenders)
{
	return offenders->told[0];
}

static struct arq_prefix source_of(const union arq_address *remote)
{
	struct arq_prefix prefix = {.family = (uint8_t)remote->sa.sa_family, .length = 32};

	if (prefix.family == AF_INET) {
		memcpy(prefix.address, &remote->in.sin_addr, 4);
		return prefix;
	}
	prefix.length = ARQ_OFFENDERS_V6_LENGTH;
	memcpy(prefix.address, &remote->in6.sin6_addr, ARQ_OFFENDERS_V6_LENGTH / 8);
	return prefix;
}

static void block(struct arq_offenders *offenders, const struct offence *offence,
		  uint64_t duration_ns)
{
	struct arq_blocks *blocks =
		offence->binding < offenders->count ? offenders->blocks[offence->binding] : NULL;
	const struct arq_prefix prefix = source_of(&offence->remote);
	struct arq_blocked_manual there;
	struct arq_error error = {0};
	char text[ARQ_PREFIX_TEXT_MAX];

	arq_prefix_format(&prefix, text);
	if (!blocks) {
		offenders->refused++;
	} else if (arq_block_get(blocks, &prefix, &there) == 0) {
		return; /* somebody else's block, or of another of its connections, stays as it is
			 */
	} else if (arq_block_add(blocks, &prefix, duration_ns, reason, &error) < 0) {
		/* A full table is not to fill the log, too. */
		if (offenders->refused++ % REFUSALS_A_LINE == 0)
			arq_log(ARQ_LOG_WARNING, "%s abused a connection and is not blocked: %s",
				text, error.text);
	} else {
		offenders->blocked++;
		arq_log(ARQ_LOG_INFO, "%s abused a connection and is blocked for %.0f s", text,
			(double)duration_ns / 1e9);
	}
}

void arq_offenders_serve(struct arq_offenders *offenders, uint64_t duration_ns)
{
	struct offence offence;

	while (read(offenders->told[0], &offence, sizeof(offence)) == (ssize_t)sizeof(offence)) {
		if (duration_ns)
			block(offenders, &offence, duration_ns);
	}
}

struct arq_offenders_counters arq_offenders_read(const struct arq_offenders *offenders)
{
	return (struct arq_offenders_counters){
		.blocked = offenders->blocked,
		.lost = atomic_load_explicit(&offenders->lost, memory_order_relaxed),
		.refused = offenders->refused,
	};
}
