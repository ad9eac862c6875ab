/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where captured samples go as pcapng: a file, stdout, or a row of files that are changed by size
 * or by time. In a row "dir/name.pcapng" becomes "dir/name-000001.pcapng" and so on; each is whole
 * by itself, and the oldest beyond `keep` are removed. Files have mode 0600: captured packets are
 * nobody's business but the operator's. One thread.
 */
#ifndef ARQUANT_COMMAND_SAMPLER_FILE_H
#define ARQUANT_COMMAND_SAMPLER_FILE_H

#include "userspace/arquant/sampler.h"

struct arq_capture_file_options {
	const char *path; /* "-": stdout, which does not rotate */
	uint64_t rotate_bytes; /* a new file when this one has as many; 0: no limit */
	uint64_t rotate_ns; /* a new file when this one is as old; 0: no limit */
	uint64_t keep; /* files of the row; 0: all */
};

struct arq_capture_file;

/* Opens the first file. Returns 0 and *file, or a negative errno with the reason in `error`. */
int arq_capture_file_open(const struct arq_capture_file_options *options,
			  struct arq_capture_file **file, struct arq_error *error);

/*
 * Adds a sample, beginning a new file first if it is time. Returns 0, -EINVAL or -E2BIG when it
 * does not fit into the file's format (arq_pcapng_write) and was left out, or a negative errno:
 * -EPIPE when the reader of a pipe is gone; then only close is left to do.
 */
int arq_capture_file_write(struct arq_capture_file *file, const struct arq_watch_sample *seen);

/* Adds to what was lost on an interface. */
int arq_capture_file_lost(struct arq_capture_file *file, uint32_t ifindex, const char *interface,
			  uint64_t lost);

/* Writes out what is buffered, and changes files when it is time and nothing comes. */
int arq_capture_file_flush(struct arq_capture_file *file);

/* Ends the file with its statistics. */
int arq_capture_file_finish(struct arq_capture_file *file);

/* Files begun so far. */
uint64_t arq_capture_file_count(const struct arq_capture_file *file);

/* Frees it, finished or not; NULL is fine. Returns 0 or the negative errno of close(2). */
int arq_capture_file_close(struct arq_capture_file *file);

#endif
