/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A self-signed certificate for a test: P-256, good for a day, in two PEM files below a temporary
 * directory of its own. Failures end the test by themselves.
 */
#ifndef ARQUANT_TEST_CERTIFICATE_H
#define ARQUANT_TEST_CERTIFICATE_H

struct test_certificate {
	char directory[64];
	char certificate[80]; /* file names */
	char key[80];
};

/* `name` is its subject and its one DNS name. */
void test_certificate_make(struct test_certificate *files, const char *name);

/* Removes files and directory. */
void test_certificate_remove(const struct test_certificate *files);

#endif
