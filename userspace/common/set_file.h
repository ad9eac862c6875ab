/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Files of prefixes, one a line, up to millions of them:
 *
 *	192.0.2.0/24
 *	198.51.100.7	scanner			# a tag, which is shown with what the entry did
 *	2001:db8::/32	until=2026-12-31T23:59:59Z
 *	203.0.113.0/24	spam until=@1798761599	#tag=... in a comment is a tag, too
 *
 * An entry that is past its time stays in the set, which keeps the time; whoever uses the set
 * leaves it out. What follows a '#' is a comment. A bad line refuses the whole file.
 */
#ifndef ARQUANT_COMMON_SET_FILE_H
#define ARQUANT_COMMON_SET_FILE_H

#include "userspace/common/error.h"
#include "userspace/common/rule.h"

#include <stddef.h>

/* Entries of one file; prefixes of both families. */
#define ARQ_SET_ENTRIES_MAX (1u << 22)
#define ARQ_SET_TAG_MAX     64 /* with the final zero */

/* Called every some ten thousand lines, with the bytes done; NULL `report`: never. */
struct arq_set_progress {
	void (*report)(void *context, size_t done, size_t all);
	void *context;
};

/*
 * Reads `path` and appends what it says to the set's entries and tags. `progress` may be NULL.
 * Returns 0, or a negative errno with "path:line:column: reason" in `error`; then the set is as it
 * was.
 */
int arq_set_read_file(struct arq_set *set, const char *path,
		      const struct arq_set_progress *progress, struct arq_error *error);

/*
 * The bytes of a file of prefixes, "-" for standard input; free() them. Returns 0 and *text and
 * *size, or a negative errno with the reason in `error`.
 */
int arq_set_read_text(const char *path, char **text, size_t *size, struct arq_error *error);

/* The same from memory; `name` is for messages. The text needs no end mark. */
int arq_set_parse(struct arq_set *set, const char *name, const char *text, size_t size,
		  const struct arq_set_progress *progress, struct arq_error *error);

#endif
