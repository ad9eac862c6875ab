// SPDX-License-Identifier: BSD-2-Clause
#include "test_certificate.h"

#include <criterion/criterion.h>
#include <gnutls/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define HOUR 3600L

static void check(int code)
{
	cr_assert_geq(code, 0, "GnuTLS: %s", gnutls_strerror(code));
}

static void write_file(const char *path, gnutls_datum_t *content)
{
	FILE *file = fopen(path, "w");
	cr_assert_not_null(file, "%s", path);
	cr_assert_eq(fwrite(content->data, 1, content->size, file), content->size);
	cr_assert_eq(fclose(file), 0);
	gnutls_free(content->data);
}

static void fill(gnutls_x509_crt_t certificate, gnutls_x509_privkey_t key, const char *name)
{
	const unsigned char serial[] = {1};
	time_t now = time(NULL);
	check(gnutls_x509_crt_set_version(certificate, 3));
	check(gnutls_x509_crt_set_serial(certificate, serial, sizeof(serial)));
	check(gnutls_x509_crt_set_activation_time(certificate, now - HOUR));
	check(gnutls_x509_crt_set_expiration_time(certificate, now + 24 * HOUR));
	check(gnutls_x509_crt_set_dn_by_oid(certificate, GNUTLS_OID_X520_COMMON_NAME, 0, name,
					    (unsigned int)strlen(name)));
	check(gnutls_x509_crt_set_subject_alt_name(certificate, GNUTLS_SAN_DNSNAME, name,
						   (unsigned int)strlen(name), GNUTLS_FSAN_SET));
	check(gnutls_x509_crt_set_key(certificate, key));
	check(gnutls_x509_crt_sign2(certificate, certificate, key, GNUTLS_DIG_SHA256, 0));
}

void test_certificate_make(struct test_certificate *files, const char *name)
{
	gnutls_x509_privkey_t key;
	gnutls_x509_crt_t certificate;
	gnutls_datum_t pem;

	strcpy(files->directory, "/tmp/arquant-certificate-XXXXXX");
	cr_assert_not_null(mkdtemp(files->directory));
	snprintf(files->certificate, sizeof(files->certificate), "%s/crt", files->directory);
	snprintf(files->key, sizeof(files->key), "%s/key", files->directory);

	check(gnutls_x509_privkey_init(&key));
	check(gnutls_x509_privkey_generate(key, GNUTLS_PK_ECDSA,
					   GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0));
	check(gnutls_x509_crt_init(&certificate));
	fill(certificate, key, name);
	check(gnutls_x509_privkey_export2(key, GNUTLS_X509_FMT_PEM, &pem));
	write_file(files->key, &pem);
	check(gnutls_x509_crt_export2(certificate, GNUTLS_X509_FMT_PEM, &pem));
	write_file(files->certificate, &pem);
	gnutls_x509_crt_deinit(certificate);
	gnutls_x509_privkey_deinit(key);
}

void test_certificate_remove(const struct test_certificate *files)
{
	unlink(files->certificate);
	unlink(files->key);
	rmdir(files->directory);
}
