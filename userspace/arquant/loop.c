// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/arquant/loop.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

/* A signal handler can reach nothing else. */
static int stop_event = -1;

static void on_signal(int signal)
{
	uint64_t one = 1;
	int before = errno;

	(void)signal;
	ssize_t ignored = write(stop_event, &one, sizeof(one));
	(void)ignored;
	errno = before;
}

int arq_loop_catch_signals(struct arq_error *error)
{
	static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
	struct sigaction action = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};

	stop_event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (stop_event < 0)
		return arq_error_set(error, -errno, "cannot wait for signals: %s", strerror(errno));
	sigemptyset(&action.sa_mask);
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		sigaction(signals[i], &action, NULL);
	return stop_event;
}

uint64_t arq_loop_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

int arq_loop_time_left(uint64_t now_ns, const uint64_t *times_ns, size_t count)
{
	uint64_t first = UINT64_MAX;

	for (size_t i = 0; i < count; i++) {
		if (times_ns[i] && times_ns[i] < first)
			first = times_ns[i];
	}
	uint64_t left = now_ns < first ? (first - now_ns + 999999) / 1000000 : 0;
	return left < INT32_MAX ? (int)left : INT32_MAX;
}
