// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/arquantd/access_log.h"

#include "userspace/arquantd/access_line.h"
#include "userspace/arquantd/record_ring.h"
#include "userspace/common/log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

/* Of each worker: some 8000 records, a tenth of a second of what a core can serve at most. */
#define RING_CAPACITY (4u << 20)

/* Written at once: some hundred lines. With room for one more line of any length. */
#define BUFFER_FULL 65536

/* ms in which lines gather before they are written: waking the thread for each costs more than all
 * the rest of it. */
#define GATHER 20

/* ns between two complaints about a file that takes nothing. */
#define COMPLAINT_INTERVAL 60000000000ull

struct source {
	struct arq_access_log *log;
	struct arq_record_ring *ring;
};

struct arq_access_log {
	const char *path;
	int fd;
	int wake; /* eventfd */
	pthread_t thread;
	bool started;
	_Atomic bool idle; /* the thread waits, or is about to */
	_Atomic bool urgent; /* it was told not to wait for more */
	_Atomic bool reopen;
	_Atomic bool end;
	_Atomic uint64_t written;
	_Atomic uint64_t lost_failed;
	bool torn; /* the thread's: the file ends within a line */
	uint64_t complained; /* the thread's: when it did last */
	uint16_t workers;
	struct source *sources; /* of each worker */
	size_t length; /* of what waits in the buffer */
	uint64_t lines; /* of it */
	char buffer[BUFFER_FULL + ARQ_ACCESS_LINE_MAX];
};

/* --- workers ------------------------------------------------------------------------------------
 */

static void wake(struct arq_access_log *log)
{
	uint64_t one = 1;
	ssize_t ignored = write(log->wake, &one, sizeof(one));
	(void)ignored; /* it is awake in any case */
}

static void take(void *user, const struct arq_record *record)
{
	struct source *source = user;
	struct arq_access_log *log = source->log;
	if (!record) {
		arq_record_ring_lost(source->ring);
		return;
	}
	arq_record_ring_put(source->ring, record);
	/* What was put in is visible before the thread is seen to be awake, or it sees it itself.
	 */
	atomic_thread_fence(memory_order_seq_cst);
	if (atomic_load_explicit(&log->idle, memory_order_relaxed) &&
	    atomic_exchange_explicit(&log->idle, false, memory_order_relaxed))
		wake(log);
	else if (arq_record_ring_half_full(source->ring) &&
		 !atomic_exchange_explicit(&log->urgent, true, memory_order_relaxed))
		wake(log);
}

struct arq_record_sink arq_access_log_sink(struct arq_access_log *log, uint16_t worker)
{
	return (struct arq_record_sink){take, &log->sources[worker]};
}

/* --- the file -----------------------------------------------------------------------------------
 */

/* A pipe that nobody reads must not hold the thread for ever; for files it means nothing. */
static int open_file(const char *path)
{
	int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0640);
	return fd < 0 ? -errno : fd;
}

static uint64_t clock_of(clockid_t id)
{
	struct timespec now;
	clock_gettime(id, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void complain(struct arq_access_log *log, const char *what, int code)
{
	uint64_t now = clock_of(CLOCK_MONOTONIC);
	if (log->complained && now - log->complained < COMPLAINT_INTERVAL)
		return;
	log->complained = now;
	arq_log(ARQ_LOG_ERROR, "access log %s: %s: %s; records are lost until that is mended",
		log->path, what, strerror(code));
}

/* Returns how much of it was written. */
static size_t write_all(struct arq_access_log *log, const char *text, size_t length)
{
	size_t done = 0;
	while (done < length) {
		ssize_t count = write(log->fd, text + done, length - done);
		if (count < 0 && errno == EINTR)
			continue;
		if (count < 0) {
			complain(log, "cannot write", errno);
			break;
		}
		done += (size_t)count;
	}
	return done;
}

static void flush(struct arq_access_log *log)
{
	size_t done = 0;
	if (!log->torn || write_all(log, "\n", 1) == 1)
		done = write_all(log, log->buffer, log->length);
	bool whole = done == log->length;
	if (whole || done > 0)
		log->torn = !whole;
	atomic_fetch_add_explicit(whole ? &log->written : &log->lost_failed, log->lines,
				  memory_order_relaxed);
	log->length = 0;
	log->lines = 0;
}

/* Lines that were taken before go to the file as it was. */
static void open_anew(struct arq_access_log *log)
{
	if (!atomic_exchange_explicit(&log->reopen, false, memory_order_acquire))
		return;
	int fd = open_file(log->path);
	if (fd < 0) {
		arq_log(ARQ_LOG_ERROR,
			"access log %s: cannot open it anew: %s; the old file is "
			"written on",
			log->path, strerror(-fd));
		return;
	}
	close(log->fd);
	log->fd = fd;
	log->torn = false;
	arq_log(ARQ_LOG_INFO, "access log %s: opened anew", log->path);
}

/* --- the thread ---------------------------------------------------------------------------------
 */

/* Returns whether there was anything. */
static bool drain(struct arq_access_log *log)
{
	uint64_t offset = clock_of(CLOCK_REALTIME) - clock_of(CLOCK_MONOTONIC);
	struct arq_record record;
	bool any = false;
	for (uint16_t i = 0; i < log->workers; i++) {
		struct arq_record_ring *ring = log->sources[i].ring;
		while (arq_record_ring_peek(ring, &record)) {
			log->length += arq_access_line(&record, offset, log->buffer + log->length);
			arq_record_ring_drop(ring);
			log->lines++;
			any = true;
			if (log->length >= BUFFER_FULL)
				flush(log);
		}
	}
	if (log->length > 0)
		flush(log);
	return any;
}

static void wait_for_wake(struct arq_access_log *log)
{
	uint64_t count;
	ssize_t ignored = read(log->wake, &count, sizeof(count));
	(void)ignored; /* whatever it was: the flags say what is wanted */
}

/* Waits until there is something to do; at once when there is. */
static void wait_for_records(struct arq_access_log *log)
{
	atomic_store_explicit(&log->idle, true, memory_order_relaxed);
	atomic_thread_fence(memory_order_seq_cst);
	/* Whoever put something in before it could see that we are idle did not wake us. */
	if (!drain(log))
		wait_for_wake(log);
	atomic_store_explicit(&log->idle, false, memory_order_relaxed);
}

/* Until there are more, a ring fills up, or somebody wants something of us. */
static void gather(struct arq_access_log *log)
{
	struct pollfd waiting = {.fd = log->wake, .events = POLLIN};
	if (poll(&waiting, 1, GATHER) > 0)
		wait_for_wake(log);
	atomic_store_explicit(&log->urgent, false, memory_order_relaxed);
}

static void *run(void *argument)
{
	struct arq_access_log *log = argument;
	for (;;) {
		bool end = atomic_load_explicit(&log->end, memory_order_acquire);
		bool any = drain(log);
		open_anew(log);
		if (end)
			return NULL;
		if (!any)
			wait_for_records(log);
		gather(log);
	}
}

/* --- life ---------------------------------------------------------------------------------------
 */

static int create_sources(struct arq_access_log *log, uint16_t workers)
{
	log->sources = calloc(workers, sizeof(*log->sources));
	if (!log->sources)
		return -ENOMEM;
	for (; log->workers < workers; log->workers++) {
		struct source *source = &log->sources[log->workers];
		source->log = log;
		int code = arq_record_ring_create(RING_CAPACITY, &source->ring);
		if (code != 0)
			return code;
	}
	return 0;
}

int arq_access_log_create(const char *path, uint16_t workers, struct arq_access_log **log)
{
	struct arq_access_log *made = calloc(1, sizeof(*made));
	if (!made)
		return -ENOMEM;
	made->path = path;
	made->fd = -1;
	made->wake = eventfd(0, EFD_CLOEXEC);
	int code = made->wake < 0 ? -errno : create_sources(made, workers);
	if (code != 0) {
		arq_access_log_destroy(made);
		return code;
	}
	*log = made;
	return 0;
}

int arq_access_log_start(struct arq_access_log *log, struct arq_error *error)
{
	int code = log->fd = open_file(log->path);
	if (code >= 0)
		code = -pthread_create(&log->thread, NULL, run, log);
	if (code != 0)
		return arq_error_set(error, code,
				     "access log %s: %s; gateway.user must be able to write it, "
				     "and to make it anew in its directory",
				     log->path, strerror(-code));
	pthread_setname_np(log->thread, "access-log");
	log->started = true;
	return 0;
}

void arq_access_log_reopen(struct arq_access_log *log)
{
	atomic_store_explicit(&log->reopen, true, memory_order_release);
	wake(log);
}

void arq_access_log_read(const struct arq_access_log *log, struct arq_access_log_counters *counters)
{
	*counters = (struct arq_access_log_counters){
		.written = atomic_load_explicit(&log->written, memory_order_relaxed),
		.lost_failed = atomic_load_explicit(&log->lost_failed, memory_order_relaxed),
	};
	for (uint16_t i = 0; i < log->workers; i++)
		counters->lost_full += arq_record_ring_losses(log->sources[i].ring);
}

void arq_access_log_destroy(struct arq_access_log *log)
{
	if (!log)
		return;
	if (log->started) {
		atomic_store_explicit(&log->end, true, memory_order_release);
		wake(log);
		pthread_join(log->thread, NULL);
	}
	for (uint16_t i = 0; i < log->workers; i++)
		arq_record_ring_destroy(log->sources[i].ring);
	free(log->sources);
	if (log->fd >= 0)
		close(log->fd);
	if (log->wake >= 0)
		close(log->wake);
	free(log);
}
