/* SPDX-License-Identifier: BSD-2-Clause */
/* Credentials: what is wrong with a file is said; SNI chooses the certificate. */
#include "test_quic_lab.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct files {
	struct lab lab;
	struct test_certificate a, b; /* for a.example and *.b.example */
	char junk[128];
};

static void files_create(struct files *f)
{
	FILE *file;

	lab_create(&f->lab, NULL);
	test_certificate_make(&f->a, "a.example");
	test_certificate_make(&f->b, "*.b.example");
	snprintf(f->junk, sizeof(f->junk), "%s-junk", f->lab.certificate.directory);
	file = fopen(f->junk, "w");
	fputs("no certificate at all\n", file);
	fclose(file);
}

static void files_destroy(struct files *f)
{
	unlink(f->junk);
	test_certificate_remove(&f->a);
	test_certificate_remove(&f->b);
	lab_destroy(&f->lab);
}

static void expect_error(int expected, const char *certificate, const char *key, const char *named)
{
	struct arq_quic_certificate pair = {certificate, key};
	struct arq_quic_tls_options options = {.certificates = &pair, .count = 1};
	struct arq_quic_tls *tls = NULL;
	struct arq_error error = {0};

	cr_expect_eq(arq_quic_tls_create(&options, &tls, &error), expected, "%s", error.text);
	cr_expect_null(tls);
	cr_expect(strstr(error.text, named), "\"%s\" does not name %s", error.text, named);
	cr_expect_null(strchr(error.text, '\n'));
}

Test(quic_tls, errors_name_the_file)
{
	struct files f;
	struct arq_quic_tls *tls;
	struct arq_error error = {0};

	files_create(&f);
	expect_error(-ENOENT, "/nonexistent/x.crt", f.a.key, "/nonexistent/x.crt");
	expect_error(-ENOENT, f.a.certificate, "/nonexistent/x.key", "/nonexistent/x.key");
	expect_error(-EINVAL, f.junk, f.a.key, f.junk);
	expect_error(-EINVAL, f.a.certificate, f.junk, f.junk);
	expect_error(-EINVAL, f.a.certificate, f.b.key, f.b.key);
	cr_assert_eq(arq_quic_tls_create(&(struct arq_quic_tls_options){0}, &tls, &error), -EINVAL);
	files_destroy(&f);
}

Test(quic_tls, client_errors_name_the_file)
{
	struct files f;
	struct arq_quic_client_tls_options options = {.ca_file = "/nonexistent/ca.crt"};
	struct arq_quic_client_tls *tls;
	struct arq_error error = {0};

	files_create(&f);
	cr_assert_eq(arq_quic_client_tls_create(&options, &tls, &error), -ENOENT);
	cr_assert(strstr(error.text, "/nonexistent/ca.crt"));
	arq_error_clear(&error);
	options.ca_file = f.junk;
	cr_assert_eq(arq_quic_client_tls_create(&options, &tls, &error), -EINVAL);
	cr_assert(strstr(error.text, f.junk));
	files_destroy(&f);
}

/* --- SNI -------------------------------------------------------------------------------------- */

struct outcome {
	bool ready, closed;
};

static void sni_ready(struct arq_quic_connection *connection, void *user)
{
	(void)connection;
	((struct outcome *)user)->ready = true;
}

static void sni_closed(struct arq_quic_connection *connection, void *user,
		       const struct arq_quic_close *close)
{
	(void)connection;
	(void)close;
	((struct outcome *)user)->closed = true;
}

static const struct arq_quic_ops sni_ops = {.ready = sni_ready, .closed = sni_closed};

static bool decided(void *user)
{
	struct outcome *outcome = user;

	return outcome->ready || outcome->closed;
}

/* Connects as `name`, trusting only the certificate in `ca`: so it tells which one was shown. */
static bool shows(struct lab *lab, const char *name, const char *ca)
{
	struct arq_quic_client_tls_options trust = {.ca_file = ca};
	struct arq_quic_connect_options options = {
		.io = &lab->client_io.io, .server_name = name, .alpn = "x", .ops = &sni_ops};
	struct arq_quic_connection *connection;
	struct arq_quic_client_tls *tls;
	struct arq_error error = {0};
	struct outcome outcome = {0};

	cr_assert_eq(arq_quic_client_tls_create(&trust, &tls, &error), 0, "%s", error.text);
	options.tls = tls;
	options.user = &outcome;
	arq_quic_transport_default(&options.transport);
	lab_path(false, &options.path);
	cr_assert_eq(arq_quic_connect(lab->client, &options, lab->now, &connection, &error), 0);
	arq_quic_client_tls_put(tls); /* the connection has its own */
	lab_run(lab, 20 * LAB_SECOND, decided, &outcome);
	if (!outcome.closed)
		arq_quic_connection_close(connection, true, 0, NULL);
	lab_step(lab);
	cr_assert(outcome.closed);
	return outcome.ready;
}

Test(quic_tls, sni_chooses_the_certificate)
{
	struct files f;
	struct outcome server = {0};
	const struct arq_quic_application application = {"x", &sni_ops, &server, 0};
	struct arq_quic_transport transport;
	struct arq_quic_certificate pairs[2];
	struct arq_quic_tls_options options = {.certificates = pairs, .count = 2};
	struct arq_error error = {0};
	struct arq_quic_tls *tls;

	files_create(&f);
	pairs[0] = (struct arq_quic_certificate){f.a.certificate, f.a.key};
	pairs[1] = (struct arq_quic_certificate){f.b.certificate, f.b.key};
	cr_assert_eq(arq_quic_tls_create(&options, &tls, &error), 0, "%s", error.text);
	lab_listen(&f.lab, &application, 1, NULL);
	arq_quic_transport_default(&transport);
	arq_quic_listener_update(f.lab.listener, tls, &transport);
	arq_quic_tls_put(tls); /* the listener has its own */
	cr_expect(shows(&f.lab, "a.example", f.a.certificate));
	cr_expect(shows(&f.lab, "www.b.example", f.b.certificate));
	cr_expect(!shows(&f.lab, "www.b.example", f.a.certificate));
	cr_expect(!shows(&f.lab, "c.example", f.b.certificate), "others get the first");
	files_destroy(&f);
}

static bool equal(const struct arq_quic_certificate *a, size_t a_count,
		  const struct arq_quic_certificate *b, size_t b_count)
{
	const struct arq_quic_tls_options one = {.certificates = a, .count = a_count};
	const struct arq_quic_tls_options other = {.certificates = b, .count = b_count};
	struct arq_quic_tls *first, *second;
	struct arq_error error = {0};

	cr_assert_eq(arq_quic_tls_create(&one, &first, &error), 0, "%s", error.text);
	cr_assert_eq(arq_quic_tls_create(&other, &second, &error), 0, "%s", error.text);
	bool same = arq_quic_tls_equal(first, second);
	arq_quic_tls_put(first);
	arq_quic_tls_put(second);
	return same;
}

Test(quic_tls, sets_are_equal_by_the_contents_of_their_files)
{
	struct files f;

	files_create(&f);
	const struct arq_quic_certificate ab[] = {{f.a.certificate, f.a.key},
						  {f.b.certificate, f.b.key}};
	const struct arq_quic_certificate ba[] = {ab[1], ab[0]};
	cr_expect(equal(ab, 2, ab, 2));
	cr_expect(!equal(ab, 2, ba, 2), "the first is the default");
	cr_expect(!equal(ab, 2, ab, 1));
	cr_expect(!equal(ab, 1, ba, 1));
	files_destroy(&f);
}

static bool trusts_equally(const char *a, const char *b)
{
	struct arq_quic_client_tls *first, *second;
	struct arq_error error = {0};
	const struct arq_quic_client_tls_options options[] = {
		{.ca_file = a, .insecure = !a},
		{.ca_file = b, .insecure = !b},
	};

	cr_assert_eq(arq_quic_client_tls_create(&options[0], &first, &error), 0, "%s", error.text);
	cr_assert_eq(arq_quic_client_tls_create(&options[1], &second, &error), 0, "%s", error.text);
	bool same = arq_quic_client_tls_equal(first, second);
	arq_quic_client_tls_put(first);
	arq_quic_client_tls_put(second);
	return same;
}

Test(quic_tls, trust_is_equal_by_the_authorities)
{
	struct files f;

	files_create(&f);
	cr_expect(trusts_equally(f.a.certificate, f.a.certificate));
	cr_expect(!trusts_equally(f.a.certificate, f.b.certificate));
	cr_expect(!trusts_equally(f.a.certificate, NULL), "one takes any certificate");
	cr_expect(trusts_equally(NULL, NULL));
	files_destroy(&f);
}
