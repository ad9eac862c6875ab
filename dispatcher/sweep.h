/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Clearing away what is left of ours and no longer used (within this room). All functions want the
 * lock of pins.h to be held.
 *
 * What can be left: a process was killed between two steps, a tool took our program out of its
 * chain, an interface was deleted or moved to another namespace. A directory of ours is stale when
 * its interface exists and runs no program of ours, or when no program in the kernel uses its maps;
 * where programs of ours run, a change that was not brought to its end is (settle.h).
 *
 * libxdp's pins are touched in one case only: a dispatcher that is not attached to the interface it
 * was made for holds a program that uses maps of our directory of that interface. Then the pins of
 * that one program go (they may be all that keeps it alive), under libxdp's lock; what others have
 * in there stays for `xdp-loader clean`. Somebody may be building a dispatcher just now, with our
 * programs in it, that is not attached yet: while programs of ours are attached, only dispatchers
 * that are older than the one attached count as dead. (One that is being built to replace another
 * than the one attached will be refused by the kernel.)
 */
#ifndef ARQUANT_DISPATCHER_SWEEP_H
#define ARQUANT_DISPATCHER_SWEEP_H

#include <stdbool.h>

/*
 * Removes our stale directories. `gone_too`: those as well whose interface is gone from this
 * namespace while a dead dispatcher of libxdp keeps the programs alive; not by default, because it
 * may have been moved to another namespace and run there. What cannot be removed stays for the
 * next time.
 */
void arq_sweep(bool gone_too);

#endif
