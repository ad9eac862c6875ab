/* SPDX-License-Identifier: BSD-2-Clause */
/* The compiler's part for addresses. Inside the compiler; compile.h is its face. */
#ifndef ARQUANT_PROGS_FIREWALL_COMPILE_ADDRESS_H
#define ARQUANT_PROGS_FIREWALL_COMPILE_ADDRESS_H

#include "progs/firewall/compile.h"
#include "progs/firewall/rows.h"

/*
 * Compiles the conditions on source (`direction` 0) or destination addresses (1): look-up tables,
 * and a row for each of their classes. Returns 0, or a negative errno, with `error` set if there is
 * more to say.
 */
int arq_compile_addresses(const struct arq_ruleset *ruleset, uint32_t direction,
			  struct arq_compiled *compiled, struct arq_rows_store *store,
			  struct arq_error *error);

#endif
