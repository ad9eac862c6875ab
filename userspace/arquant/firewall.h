/* SPDX-License-Identifier: BSD-2-Clause */
/* What the subcommands of `arquant firewall` share: one entry point each. */
#ifndef ARQUANT_COMMAND_FIREWALL_H
#define ARQUANT_COMMAND_FIREWALL_H

#include "progs/firewall/analysis.h"
#include "userspace/common/error.h"
#include "userspace/common/rule.h"

#include <json-c/json.h>

/* `argv[0]` is the name for messages, "firewall check". Return an exit status. */
int arq_firewall_apply(int argc, char **argv);
int arq_firewall_block(int argc, char **argv);
int arq_firewall_blocks(int argc, char **argv);
int arq_firewall_check(int argc, char **argv);
int arq_firewall_confirm(int argc, char **argv);
int arq_firewall_entries(int argc, char **argv);
int arq_firewall_import(int argc, char **argv);
int arq_firewall_show(int argc, char **argv);
int arq_firewall_test(int argc, char **argv);
int arq_firewall_unblock(int argc, char **argv);

/*
 * What the analysis found, as lines for people ("FILE:LINE: ...") or as an array for programs.
 * `path` is the file's name. The array is NULL without memory.
 */
void arq_firewall_print_findings(const char *path, const struct arq_ruleset *ruleset,
				 const struct arq_findings *findings);
struct json_object *arq_firewall_json_findings(const struct arq_ruleset *ruleset,
					       const struct arq_findings *findings);

#endif
