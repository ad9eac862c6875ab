// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/common/address.h"

#include <criterion/criterion.h>
#include <errno.h>

Test(address, keeps_what_it_parsed)
{
	static const char *const texts[] = {"192.0.2.1:443", "0.0.0.0:1", "[2001:db8::1]:65535",
					    "[::]:853"};
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		union arq_address address;
		char text[ARQ_ADDRESS_TEXT_MAX];
		cr_assert_eq(arq_address_parse(&address, texts[i]), 0, "%s", texts[i]);
		cr_assert_str_eq(arq_address_format(&address, text), texts[i]);
		cr_assert_eq(arq_address_length(&address), texts[i][0] == '['
								   ? sizeof(struct sockaddr_in6)
								   : sizeof(struct sockaddr_in));
	}
}

Test(address, refuses_what_is_no_address)
{
	static const char *const texts[] = {
		"",
		":",
		":443",
		"192.0.2.1",
		"192.0.2.1:",
		"192.0.2.1:0",
		"1.2.3.4:+5",
		"1.2.3.4:65536",
		"1.2.3.4: 5",
		"1.2.3.4:5 ",
		"[::1]",
		"[::1]443",
		"[::1:443",
		"::1:443",
		"[1.2.3.4]:443",
		"host:443",
		"1.2.3:443",
		"[::1]:000443",
		"1.2.3.4.5:443",
		"[]:443",
		"1.2.3.4:-1",
		"[2001:db8:1:2:3:4:5:6:7:8:9:10:11:12:13:14:15:16:17:18]:1"};
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		union arq_address address;
		cr_assert_eq(arq_address_parse(&address, texts[i]), -EINVAL, "%s", texts[i]);
	}
}

Test(address, compares_family_address_and_port)
{
	union arq_address a, b;
	arq_address_parse(&a, "192.0.2.1:443");
	arq_address_parse(&b, "192.0.2.1:443");
	cr_assert(arq_address_equal(&a, &b));
	arq_address_parse(&b, "192.0.2.1:444");
	cr_assert_not(arq_address_equal(&a, &b));
	arq_address_parse(&b, "192.0.2.2:443");
	cr_assert_not(arq_address_equal(&a, &b));
	arq_address_parse(&b, "[::ffff:192.0.2.1]:443");
	cr_assert_not(arq_address_equal(&a, &b));
	arq_address_parse(&a, "[::ffff:192.0.2.1]:443");
	cr_assert(arq_address_equal(&a, &b));
	cr_assert_not(arq_address_is_any(&a));
	arq_address_parse(&a, "[::]:443");
	cr_assert(arq_address_is_any(&a));
}
