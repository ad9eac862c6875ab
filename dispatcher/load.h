/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Loading inside a command that holds the lock of pins.h already (within this room): arq_chain_load
 * is this with the checks before it.
 */
#ifndef ARQUANT_DISPATCHER_LOAD_H
#define ARQUANT_DISPATCHER_LOAD_H

#include "dispatcher/chain.h"

int arq_load_locked(const struct arq_chain_request *requests, size_t count,
		    struct arq_error *error);

#endif
