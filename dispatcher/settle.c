// SPDX-License-Identifier: BSD-2-Clause
#include "dispatcher/settle.h"

#include "dispatcher/attach.h"
#include "dispatcher/record.h"
#include "progs/program.h"

#include <errno.h>
#include <string.h>

static int write_failed(const struct arq_chain *chain, int code, struct arq_error *error)
{
	return arq_error_set(error, code, "%s: cannot write down which programs are current: %s",
			     chain->interface, strerror(-code));
}

/* A directly attached program that is not in the record came there in its predecessor's place. */
static int adopt_direct(const struct arq_chain *chain, const char *directory,
			struct arq_record *record, struct arq_error *error)
{
	const struct arq_chain_slot *slot = &chain->slots[0];

	if (chain->kind != ARQ_CHAIN_SINGLE || slot->program < 0 ||
	    arq_record_has(record, slot->id))
		return 0;
	*record = (struct arq_record){.renew = 1};
	record->ids[slot->program] = slot->id;
	int code = arq_record_write(directory, record);
	return code ? write_failed(chain, code, error) : 0;
}

static int take_off_others(const struct arq_chain *chain, const struct arq_record *record,
			   struct arq_error *error)
{
	uint32_t ids[ARQ_CHAIN_SLOTS];
	size_t count = 0;

	for (unsigned int i = 0; i < chain->slots_count; i++) {
		const struct arq_chain_slot *slot = &chain->slots[i];
		if (slot->program >= 0 && !arq_record_has(record, slot->id))
			ids[count++] = slot->id;
	}
	return count ? arq_detach(chain->interface, ids, count, -1, error) : 0;
}

static int settle_pins(const struct arq_record *record, const char *directory,
		       struct arq_error *error)
{
	int code = 0;

	for (uint32_t id = 0; code == 0 && id < ARQ_PROGRAM_COUNT; id++) {
		if (record->ids[id])
			code = arq_program_settle((enum arq_program_id)id, directory,
						  record->renew != 0, error);
		else
			code = arq_program_unpin((enum arq_program_id)id, directory, NULL, error);
	}
	return code;
}

int arq_settle(const struct arq_chain *chain, const char *directory, struct arq_error *error)
{
	struct arq_record record;

	int code = arq_record_read(directory, &record);
	if (code == -ENOENT)
		return 0;
	if (code)
		return arq_error_set(error, code, "%s: cannot read which programs are current: %s",
				     chain->interface, strerror(-code));
	code = adopt_direct(chain, directory, &record, error);
	/* Before the pins: what is ours is known by them. */
	if (code == 0)
		code = take_off_others(chain, &record, error);
	if (code == 0)
		code = settle_pins(&record, directory, error);
	if (code == 0 && record.renew) {
		record.renew = 0;
		code = arq_record_write(directory, &record);
		if (code)
			write_failed(chain, code, error);
	}
	return code;
}
