/* SPDX-License-Identifier: BSD-2-Clause */
/* The rules are made by the configuration and therefore at home there; see userspace/common/rule.h.
 */
#ifndef ARQUANT_PROGS_FIREWALL_RULE_H
#define ARQUANT_PROGS_FIREWALL_RULE_H

#include "userspace/common/rule.h"

#endif
