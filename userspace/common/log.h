/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The daemon's log: one line a message on stderr, prefixed with "<N>" (syslog level) when
 * stderr is systemd's journal, which understands it. Any thread may call; a line is written by one
 * write(2). Never pass secrets or unescaped bytes from the wire.
 */
#ifndef ARQUANT_COMMON_LOG_H
#define ARQUANT_COMMON_LOG_H

enum arq_log_level { /* syslog(3) numbers */
		     ARQ_LOG_ERROR = 3,
		     ARQ_LOG_WARNING = 4,
		     ARQ_LOG_INFO = 6,
		     ARQ_LOG_DEBUG = 7,
};

/* Messages above this level are dropped. Default ARQ_LOG_INFO. */
void arq_log_set_level(enum arq_log_level level);
enum arq_log_level arq_log_level(void);

/* printf-like; no line break at the end. */
void arq_log(enum arq_log_level level, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#endif
