/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which version of libxdp's protocol a dispatcher speaks. The library knows it and does not tell;
 * but every dispatcher carries it in its BTF types, where the library itself reads it. Needs root.
 * One thread.
 */
#ifndef ARQUANT_DISPATCHER_PROTOCOL_H
#define ARQUANT_DISPATCHER_PROTOCOL_H

#include <stdint.h>

/* Of the dispatcher program with that id; 0 when it cannot be read. */
unsigned int arq_dispatcher_protocol(uint32_t program);

#endif
