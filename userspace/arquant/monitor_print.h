/* SPDX-License-Identifier: BSD-2-Clause */
/* How `arquant monitor` tells what it saw. */
#ifndef ARQUANT_MONITOR_PRINT_H
#define ARQUANT_MONITOR_PRINT_H

#include "userspace/arquant/monitor_slots.h"

#include <stdio.h>

/* A table for each interface, as of the last arq_monitor_read(). */
void arq_monitor_print_table(const struct arq_monitor *monitor, FILE *stream);

/* The same as one line of JSON; the keys are in monitor.schema.json. */
void arq_monitor_print_json(const struct arq_monitor *monitor, FILE *stream);

#endif
