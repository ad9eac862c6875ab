// SPDX-License-Identifier: BSD-2-Clause
/*
 * The configuration: what files give, and that each wrong file is refused with one line that names
 * the place, the field and the way out.
 */
#include "userspace/common/config.h"

#include <arquant/program.h>

#include <criterion/criterion.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char directory[] = "/tmp/arquant-test-config-XXXXXX";
static char path[sizeof(directory) + 16];

static void enter(void)
{
	cr_assert_not_null(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/a.yaml", directory);
}

static void leave(void)
{
	unlink(path);
	rmdir(directory);
}

TestSuite(config, .init = enter, .fini = leave);

static void write_file(const char *text, size_t size)
{
	FILE *file = fopen(path, "we");
	cr_assert_not_null(file);
	cr_assert_eq(fwrite(text, 1, size, file), size);
	cr_assert_eq(fclose(file), 0);
}

static struct arq_config *load(const char *text)
{
	struct arq_config *config = NULL;
	struct arq_error error = {0};

	write_file(text, strlen(text));
	int code = arq_config_load(path, &config, &error);
	cr_assert_eq(code, 0, "%s\n%s", error.text, text);
	cr_assert_not_null(config);
	return config;
}

/* Loads and expects the refusal; returns the message after "DIRECTORY/a.yaml:". */
static const char *refuse_bytes(const char *text, size_t size, int expected)
{
	static struct arq_error error;
	struct arq_config *config = (void *)1;

	arq_error_clear(&error);
	write_file(text, size);
	int code = arq_config_load(path, &config, &error);
	cr_assert_eq(code, expected, "%d instead of %d: %s\n%.200s", code, expected, error.text,
		     text);
	cr_assert_null(config);
	cr_assert_eq(strncmp(error.text, path, strlen(path)), 0, "%s", error.text);
	cr_assert_null(strchr(error.text, '\n'));
	cr_assert_lt(strlen(error.text), sizeof(error.text) - 1, "cut: %s", error.text);
	return error.text + strlen(path) + 1;
}

#define GATEWAY                               \
	"gateway:\n"                          \
	"  listeners:\n"                      \
	"    - name: edge\n"                  \
	"      address: \"127.0.0.1:4433\"\n" \
	"      certificates: [{certificate: a, key: b}]\n"
#define ROUTE "  routes: [{respond: {status: 200}}]\n"
#define POOL  "  pools: [{name: p, targets: [{address: \"127.0.0.1:1\"}]}]\n"

static const struct bad {
	const char *text;
	const char *place; /* "LINE:COLUMN: FIELD: " */
	const char *words; /* somewhere after it */
} bad_files[] = {
	/* YAML itself */
	{"", "1:1: yaml: ", "empty"},
	{"# only a comment\n", "1:1: yaml: ", "empty"},
	{"---\n...\n", "2:1: file: ", "is empty"},
	{"a: [1\nb: 2\n", "2:2: yaml: ", "check the indentation"},
	{"firewall:\n\tdefault: pass\n", "2:1: yaml: ", "cannot start any token"},
	{"sampler: {one_in: \"1\n", "2:1: yaml: ", "unexpected end of stream"},
	{"sampler: &x {one_in: 1}\n", "1:10: yaml: ", "anchor '&x' is not taken"},
	{"firewall:\n  default: *x\n", "2:12: yaml: ", "alias '*x' is not taken"},
	{"firewall: {default: !!str pass}\n", "1:21: yaml: ", "tag 'tag:yaml.org,2002:str'"},
	{"{}\n---\n{}\n", "2:1: yaml: ", "a second document"},
	{"a: [[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]\n", "1:19: yaml: ", "nested more than"},
	/* types */
	{"just words\n", "1:1: file: ", "is a single value; write 'key: value'"},
	{"- a\n", "1:1: file: ", "is a list"},
	{"firewall:\n", "1:10: firewall: ", "is empty"},
	{"firewall: yes\n", "1:11: firewall: ", "is a single value"},
	{"interfaces: {name: eth0}\n", "1:13: interfaces: ", "write a list"},
	{"interfaces:\n", "1:12: interfaces: ", "is empty; write a list"},
	{"firewall: {rules: [one]}\n", "1:20: firewall.rules[0]: ", "is a single value"},
	{"interfaces:\n  - [eth0]\n", "2:5: interfaces[0]: ", "is a list"},
	{"interfaces: [{name: [eth0]}]\n", "1:21: interfaces[0].name: ", "is a list"},
	{"interfaces: [{name: \"\"}]\n", "1:21: interfaces[0].name: ", "is empty"},
	{"interfaces: [{name: \"a\\0b\"}]\n", "1:21: interfaces[0].name: ", "zero byte"},
	{"interfaces: [{name: interface0123456}]\n",
	 "1:21: interfaces[0].name: ", "is 16 bytes long; the most is 15"},
	{"sampler: {one_in: many}\n", "1:19: sampler.one_in: ", "'many' is no number"},
	{"sampler: {one_in: -1}\n", "1:19: sampler.one_in: ", "'-1' is no number"},
	{"sampler: {one_in: 010}\n", "1:19: sampler.one_in: ", "'010' is no number"},
	{"sampler: {one_in: 0x10}\n", "1:19: sampler.one_in: ", "no number"},
	{"sampler: {one_in: 4294967296}\n", "1:19: sampler.one_in: ", "the most is 4294967295"},
	{"sampler: {one_in: }\n", "1:19: sampler.one_in: ", "is empty"},
	{"sampler: {[a]: 1}\n", "1:11: sampler: ", "has a list as a key"},
	/* keys and words */
	{"firewal: {}\n",
	 "1:1: firewal: ", "unknown key; known here: interfaces, firewall, sampler, gateway"},
	{"firewall:\n  default: pass\n  colour: red\n", "3:3: firewall.colour: ", "unknown key"},
	{"firewall:\n  fragment: drop\n", "2:3: firewall.fragment: ", "unknown key"},
	{"sampler:\n  one_in: 1\n  one_in: 2\n", "3:3: sampler.one_in: ", "is there twice"},
	{"interfaces:\n  - mode: auto\n", "2:5: interfaces[0].name: ", "is missing; add it"},
	{"interfaces: [{name: a, mode: fast}]\n",
	 "1:30: interfaces[0].mode: ", "'fast' is not known; write one of: auto, native, generic"},
	{"interfaces: [{name: a, programs: [firewall, bypass]}]\n",
	 "1:45: interfaces[0].programs[1]: ", "firewall, sampler, redirect"},
	{"interfaces: [{name: a, programs: [{name: sampler, priority: 5, chain_actions: []}]}]\n",
	 "1:79: interfaces[0].programs[0].chain_actions: ", "an empty list"},
	{"interfaces: [{name: a, programs: [{name: sampler, chain_actions: [pass, fail]}]}]\n",
	 "1:73: interfaces[0].programs[0].chain_actions[1]: ", "aborted, drop, pass, tx, redirect"},
	{"interfaces: [{name: a, programs: [{name: sampler, priority: 4000000000}]}]\n",
	 "1:61: interfaces[0].programs[0].priority: ", "out of range"},
	{"interfaces: [{name: a, programs: [{priority: 1}]}]\n",
	 "1:35: interfaces[0].programs[0].name: ", "is missing"},
	{"interfaces: [{name: a, programs: [sampler, {name: sampler}]}]\n",
	 "1:44: interfaces[0].programs[1]: ", "is there twice"},
	{"interfaces: [{name: a, programs: []}]\n",
	 "1:34: interfaces[0].programs: ", "an empty list"},
	{"firewall: {default: count}\n",
	 "1:21: firewall.default: ", "'count' is not known; write one of: pass, drop"},
	/* interfaces, firewall, sampler */
	{"interfaces:\n  - name: a\n  - name: a\n",
	 "3:11: interfaces[1].name: ", "'a' is the name of interfaces[0] already"},
	{"interfaces: [{name: a/b}]\n", "1:21: interfaces[0].name: ", "no interface's name"},
	{"firewall: {sets: [{name: s}]}\n", "1:19: firewall.sets[0]: ", "neither"},
	{"firewall: {sets: [{name: s, file: a, elements: []}]}\n",
	 "1:48: firewall.sets[0].elements: ", "empty list"},
	{"firewall: {sets: [{name: s, file: a, elements: ['::']}]}\n",
	 "1:19: firewall.sets[0]: ", "both 'file' and 'elements'"},
	{"firewall: {sets: [{name: \"@s\", file: a}]}\n",
	 "1:26: firewall.sets[0].name: ", "'@s' is no name"},
	{"firewall: {sets: [{name: s, file: a}, {name: s, file: b}]}\n",
	 "1:46: firewall.sets[1].name: ", "firewall.sets[0] already"},
	{"firewall:\n  sets:\n    - name: s\n      elements:\n        - 10.0.0.0/8\n"
	 "        - 10.0.0.0/33\n",
	 "6:11: firewall.sets[0].elements[1]: ", "the length of '10.0.0.0/33' is wrong"},
	{"firewall: {sets: [{name: s, elements: 10.0.0.1/8}]}\n",
	 "1:39: firewall.sets[0].elements[0]: ", "bits set past its length"},
	{"sampler: {one_in: 0}\n", "1:19: sampler.one_in: ", "from 1 to 4294967295"},
	{"sampler: {drops_one_in: 0}\n", "1:25: sampler.drops_one_in: ", "from 1 to 4294967295"},
	{"sampler: {sflow: {collectors: 192.0.2.9}}\n",
	 "1:31: sampler.sflow.collectors[0]: ", "no address with a port"},
	{"sampler: {sflow: {agent: eth0}}\n", "1:26: sampler.sflow.agent: ", "no IP address"},
	{"sampler: {sflow: {counters: 2h}}\n", "1:29: sampler.sflow.counters: ", "1s to 1h"},
	{"sampler: {snaplen: 1537}\n", "1:20: sampler.snaplen: ", "from 14 to 1536"},
	/* gateway */
	{"gateway: {}\n", "1:10: gateway.listeners: ", "is missing"},
	{"gateway: {listeners: []}\n", "1:22: gateway.listeners: ", "empty list"},
	{GATEWAY, "2:3: gateway.routes: ", "is missing"},
	{"gateway: {listeners: [{name: a, address: \"127.0.0.1:1\"}]}\n",
	 "1:23: gateway.listeners[0].certificates: ", "is missing"},
	{"gateway: {listeners: [{name: a, address: \"127.0.0.1:1\", certificates: []}]}\n",
	 "1:71: gateway.listeners[0].certificates: ", "empty list"},
	{"gateway: {listeners: [{name: a, address: \"127.0.0.1:1\", certificates: "
	 "[{certificate: a}]}]}\n",
	 "1:72: gateway.listeners[0].certificates[0].key: ", "is missing"},
	{"gateway:\n  listeners: [{name: a, address: localhost:1, certificates: "
	 "[{certificate: a, key: b}]}]\n" ROUTE,
	 "2:34: gateway.listeners[0].address: ", "'localhost:1' is no address with port"},
	{"gateway:\n  listeners: [{name: a, address: \"127.0.0.1:65536\", certificates: "
	 "[{certificate: a, key: b}]}]\n" ROUTE,
	 "2:34: gateway.listeners[0].address: ", "no address with port"},
	{GATEWAY "    - name: edge\n      address: \"127.0.0.1:4434\"\n"
		 "      certificates: [{certificate: a, key: b}]\n" ROUTE,
	 "6:13: gateway.listeners[1].name: ", "gateway.listeners[0] already"},
	{GATEWAY "    - name: other\n      address: \"127.0.0.1:4433\"\n"
		 "      certificates: [{certificate: a, key: b}]\n" ROUTE,
	 "7:16: gateway.listeners[1].address: ", "the address of gateway.listeners[0] already"},
	{GATEWAY "      io: udp\n      interface: eth0\n" ROUTE,
	 "7:18: gateway.listeners[0].interface: ", "means nothing with 'io: udp'"},
	{GATEWAY "      io: udp\n      copy_mode: auto\n" ROUTE,
	 "7:18: gateway.listeners[0].copy_mode: ", "means nothing with 'io: udp'"},
	{GATEWAY "      interface: eth1\n" ROUTE "interfaces: [{name: eth0}]\n",
	 "6:18: gateway.listeners[0].interface: ", "there is no interface 'eth1'"},
	{GATEWAY "      interface: e\n" ROUTE "interfaces: [{name: e, programs: sampler}]\n",
	 "6:18: gateway.listeners[0].interface: ", "has no redirect"},
	{GATEWAY "      client_certificates: {ca: x}\n" ROUTE,
	 "6:28: gateway.listeners[0].client_certificates: ", "add 'mode: optional'"},
	{GATEWAY "      client_certificates: {mode: required}\n" ROUTE,
	 "6:28: gateway.listeners[0].client_certificates: ", "needs 'ca'"},
	{GATEWAY "      client_certificates: {mode: always, ca: x}\n" ROUTE,
	 "6:35: gateway.listeners[0].client_certificates.mode: ", "off, optional, required"},
	{GATEWAY
	 "      early_data: true\n      client_certificates: {mode: optional, ca: x}\n" ROUTE,
	 "6:19: gateway.listeners[0].early_data: ", "does not go with client_certificates"},
	{GATEWAY "  connection_ids: {config_id: 7}\n" ROUTE,
	 "6:31: gateway.connection_ids.config_id: ", "from 0 to 6"},
	{GATEWAY "  connection_ids: {server_id: \"0a1\"}\n" ROUTE,
	 "6:31: gateway.connection_ids.server_id: ", "pairs of hexadecimal digits"},
	{GATEWAY "  connection_ids: {server_id: \"0x\"}\n" ROUTE,
	 "6:31: gateway.connection_ids.server_id: ", "pairs of hexadecimal digits"},
	{GATEWAY "  connection_ids: {nonce_length: 4}\n" ROUTE,
	 "6:34: gateway.connection_ids.nonce_length: ", "from 5 to 17"},
	{GATEWAY "  connection_ids: {server_id: aabb, nonce_length: 16}\n" ROUTE,
	 "6:51: gateway.connection_ids.nonce_length: ", "from 4 to 15"},
	{GATEWAY "  transport: {retry: sometimes}\n" ROUTE,
	 "6:22: gateway.transport.retry: ", "auto, always, never"},
	{GATEWAY "  transport: {retry: always, retry_threshold: 5}\n" ROUTE,
	 "6:47: gateway.transport.retry_threshold: ", "means nothing unless 'retry: auto'"},
	{GATEWAY "  transport: {congestion_control: reno}\n" ROUTE,
	 "6:35: gateway.transport.congestion_control: ", "cubic, bbr"},
	{GATEWAY "  workers: 0\n" ROUTE, "6:12: gateway.workers: ", "from 1 to 256"},
	{GATEWAY "  user: \"a b\"\n" ROUTE, "6:9: gateway.user: ", "is no name"},
	{GATEWAY "  limits: {idle_timeout: 30}\n" ROUTE,
	 "6:26: gateway.limits.idle_timeout: ", "'30' is no duration"},
	{GATEWAY "  limits: {idle_timeout: 2h}\n" ROUTE,
	 "6:26: gateway.limits.idle_timeout: ", "2h is out of range; write 1s to 3600s"},
	{GATEWAY "  limits: {newcomers: 101}\n" ROUTE, "6:23: gateway.limits.newcomers: ", "101"},
	{GATEWAY "  limits: {drain_timeout: 99999999999999999999s}\n" ROUTE,
	 "6:27: gateway.limits.drain_timeout: ", "out of range"},
	{GATEWAY "  limits: {header_size: 100}\n" ROUTE,
	 "6:25: gateway.limits.header_size: ", "from 1024 to 1048576"},
	{GATEWAY "  pools: [{name: p, targets: []}]\n" ROUTE,
	 "6:30: gateway.pools[0].targets: ", "empty list"},
	{GATEWAY "  pools: [{name: p, targets: [{address: \"0.0.0.0:1\"}]}]\n" ROUTE,
	 "6:41: gateway.pools[0].targets[0].address: ", "no address to connect to"},
	{GATEWAY "  pools: [{name: p, targets: [{address: \"[::1]:1\"}, {address: "
		 "\"[::1]:1\"}]}]\n" ROUTE,
	 "6:63: gateway.pools[0].targets[1].address: ", "target 0 of this pool already"},
	{GATEWAY "  resolver: {servers: [ns.test]}\n" ROUTE,
	 "6:24: gateway.resolver.servers[0]: ", "is no address"},
	{GATEWAY "  resolver: {min_interval: 10ms}\n" ROUTE,
	 "6:28: gateway.resolver.min_interval: ", "out of range"},
	{GATEWAY "  resolver: {min_interval: 1m, max_interval: 5s}\n" ROUTE,
	 "6:46: gateway.resolver.max_interval: ", "less than min_interval"},
	{GATEWAY "  resolver: {attempts: 0}\n" ROUTE,
	 "6:24: gateway.resolver.attempts: ", "from 1 to 10"},
	{GATEWAY
	 "  pools: [{name: p, targets: [{address: \"[::1]:1\", server_name: \"a b\"}]}]\n" ROUTE,
	 "6:65: gateway.pools[0].targets[0].server_name: ", "is no host name"},
	{GATEWAY
	 "  pools: [{name: p, targets: [{address: \"[::1]:1\"}], tls: {verify: nope}}]\n" ROUTE,
	 "6:68: gateway.pools[0].tls.verify: ", "neither true nor false"},
	{GATEWAY "  pools:\n    - name: p\n      targets: [{address: \"[::1]:1\"}]\n"
		 "      tls: {verify: false, ca: x}\n" ROUTE,
	 "9:32: gateway.pools[0].tls.ca: ", "means nothing with 'verify: false'"},
	{GATEWAY "  pools:\n    - {name: p, targets: [{address: \"[::1]:1\"}]}\n"
		 "    - {name: p, targets: [{address: \"[::1]:2\"}]}\n" ROUTE,
	 "8:14: gateway.pools[1].name: ", "gateway.pools[0] already"},
	{GATEWAY "  pools: [{name: p, targets: [{address: \"[::1]:1\"}], policy: best}]\n" ROUTE,
	 "6:62: gateway.pools[0].policy: ", "random, consistent-hash"},
	{GATEWAY POOL "  routes:\n    - {path: /, pool: q}\n",
	 "8:23: gateway.routes[0].pool: ", "there is no pool 'q'"},
	{GATEWAY POOL "  routes:\n    - path: /\n      pool: p\n      respond: {status: 200}\n",
	 "8:7: gateway.routes[0]: ", "more than one of 'pool', 'split'"},
	{GATEWAY "  routes:\n    - path: /\n",
	 "7:7: gateway.routes[0]: ", "none of 'pool', 'split'"},
	{GATEWAY "  routes: [{path: ping, respond: {status: 200}}]\n",
	 "6:19: gateway.routes[0].path: ", "does not begin with '/'"},
	{GATEWAY "  routes: [{path: /a*b, respond: {status: 200}}]\n",
	 "6:19: gateway.routes[0].path: ", "not at its end"},
	{GATEWAY "  routes: [{path: \"/a?b\", respond: {status: 200}}]\n",
	 "6:19: gateway.routes[0].path: ", "cannot be a path"},
	{GATEWAY "  routes: [{path: /\xc3\xa4, respond: {status: 200}}]\n",
	 "6:19: gateway.routes[0].path: ", "percent-encode"},
	{GATEWAY "  routes: [{host: \"https://a\", respond: {status: 200}}]\n",
	 "6:19: gateway.routes[0].host: ", "is no host"},
	{GATEWAY "  routes: [{host: \"a.*.com\", respond: {status: 200}}]\n",
	 "6:19: gateway.routes[0].host: ", "is no host"},
	{GATEWAY "  routes:\n    - {path: /a/*, respond: {status: 200}}\n"
		 "    - {path: /a/*, respond: {status: 404}}\n",
	 "8:7: gateway.routes[1]: ", "never reached: gateway.routes[0] comes first"},
	{GATEWAY POOL "  routes:\n    - {host: '*.a.test', path: /v1/*, pool: p}\n"
		      "    - {host: b.a.test, path: /v1/x, methods: GET, pool: p}\n",
	 "9:7: gateway.routes[1]: ", "never reached"},
	{GATEWAY POOL "  routes:\n    - {headers: x-a, pool: p}\n"
		      "    - {headers: [{name: X-A, prefix: b}, x-c], pool: p}\n",
	 "9:7: gateway.routes[1]: ", "never reached"},
	{GATEWAY POOL "  routes: [{path: /a, path_regex: /b.*, pool: p}]\n",
	 "7:35: gateway.routes[0].path_regex: ", "does not match '/a'"},
	{GATEWAY POOL "  routes: [{path_regex: 'a(b', pool: p}]\n",
	 "7:25: gateway.routes[0].path_regex: ", "missing closing parenthesis, at character 4"},
	{GATEWAY POOL "  routes: [{listeners: [edge, none], pool: p}]\n",
	 "7:31: gateway.routes[0].listeners[1]: ", "no listener 'none'"},
	{GATEWAY "  routes: [{early_data: all, respond: {status: 200}}]\n",
	 "6:25: gateway.routes[0].early_data: ", "means nothing without a pool"},
	{GATEWAY POOL "  routes: [{methods: 'G T', pool: p}]\n", "7:22: gateway.routes[0].methods",
	 "is no method"},
	{GATEWAY POOL "  routes: [{headers: [{name: a, value: b, prefix: c}], pool: p}]\n",
	 "7:23: gateway.routes[0].headers[0]: ", "keep one"},
	{GATEWAY POOL "  routes: [{headers: [Host], pool: p}]\n",
	 "7:23: gateway.routes[0].headers[0]: ", "use the route's 'host'"},
	{GATEWAY POOL "  routes: [{headers: ['a b'], pool: p}]\n",
	 "7:23: gateway.routes[0].headers[0]: ", "no name of a header field"},
	{GATEWAY POOL "  routes: [{query: [{name: a, regex: '['}], pool: p}]\n",
	 "7:21: gateway.routes[0].query[0]: ", "missing terminating ]"},
	{GATEWAY POOL "  routes: [{split: [p, p]}]\n",
	 "7:24: gateway.routes[0].split[1]: ", "add their weights"},
	{GATEWAY POOL "  routes: [{split: [{pool: p, weight: 0}]}]\n",
	 "7:39: gateway.routes[0].split[0].weight: ", "from 1 to"},
	{GATEWAY POOL "  routes: [{split: q}]\n", "7:20: gateway.routes[0].split", "no pool 'q'"},
	{GATEWAY POOL "  routes: [{split: p, pool: p}]\n", "7:12: gateway.routes[0]: ", "keep one"},
	{GATEWAY "  routes: [{redirect: {}}]\n",
	 "6:23: gateway.routes[0].redirect: ", "where they are"},
	{GATEWAY "  routes: [{redirect: {status: 304, path: /}}]\n",
	 "6:32: gateway.routes[0].redirect.status: ", "does not redirect"},
	{GATEWAY "  routes: [{redirect: {scheme: ftp}}]\n",
	 "6:32: gateway.routes[0].redirect.scheme: ", "https or http"},
	{GATEWAY "  routes: [{redirect: {prefix: /a}}]\n",
	 "6:23: gateway.routes[0].redirect: ", "write the path as /v1/*"},
	{GATEWAY "  routes: [{redirect: {host: 'a/b'}}]\n",
	 "6:23: gateway.routes[0].redirect: ", "no host"},
	{GATEWAY POOL "  routes: [{rewrite: {path: a}, pool: p}]\n",
	 "7:22: gateway.routes[0].rewrite: ", "begin with '/'"},
	{GATEWAY POOL "  routes: [{rewrite: {regex: a}, pool: p}]\n",
	 "7:22: gateway.routes[0].rewrite: ", "write both"},
	{GATEWAY POOL "  routes: [{rewrite: {regex: a, replace: $1}, pool: p}]\n",
	 "7:22: gateway.routes[0].rewrite: ", "names no group"},
	{GATEWAY "  routes: [{rewrite: {path: /}, respond: {status: 200}}]\n",
	 "6:22: gateway.routes[0].rewrite: ", "means nothing without a pool"},
	{GATEWAY POOL "  routes: [{pool: p, timeouts: {try: 5}}]\n",
	 "7:38: gateway.routes[0].timeouts.try: ", "is no duration"},
	{GATEWAY POOL "  routes: [{pool: p, timeouts: {wait: 5s}}]\n",
	 "7:33: gateway.routes[0].timeouts.wait: ", "unknown key"},
	{GATEWAY POOL "  routes: [{pool: p, retries: {attempts: 0}}]\n",
	 "7:42: gateway.routes[0].retries.attempts: ", "from 1 to 10"},
	{GATEWAY POOL "  routes: [{pool: p, limits: {rate: 100}}]\n",
	 "7:37: gateway.routes[0].limits.rate: ", "is no rate"},
	{GATEWAY POOL "  routes: [{pool: p, limits: {burst: 100}}]\n",
	 "7:38: gateway.routes[0].limits.burst: ", "without a rate"},
	{GATEWAY POOL "  routes: [{pool: p, limits: {rate: 1/s, burst: 0}}]\n",
	 "7:49: gateway.routes[0].limits.burst: ", "from 1 to 100000"},
	{GATEWAY POOL "  routes: [{pool: p, limits: {body: 9999999999999999}}]\n",
	 "7:37: gateway.routes[0].limits.body: ", "is too large"},
	{GATEWAY "  routes: [{limits: {body: 1}, respond: {status: 200}}]\n",
	 "6:28: gateway.routes[0].limits.body: ", "means nothing without a pool"},
	{GATEWAY "  routes: [{timeouts: {try: 1s}, respond: {status: 200}}]\n",
	 "6:23: gateway.routes[0].timeouts: ", "means nothing without a pool"},
	{GATEWAY POOL "  routes: [{request_headers: {set: [{name: TE, value: x}]}, pool: p}]\n",
	 "7:37: gateway.routes[0].request_headers.set", "not for a route to write"},
	{GATEWAY POOL "  routes: [{response_headers: {add: [{name: a, value: ' x'}]}, pool: p}]\n",
	 "7:38: gateway.routes[0].response_headers.add[0]: ", "cannot be a header's value"},
	{GATEWAY "  routes: [{respond: {status: 199}}]\n",
	 "6:31: gateway.routes[0].respond.status: ", "from 200 to 599"},
	{GATEWAY "  routes: [{respond: {status: 65536}}]\n",
	 "6:31: gateway.routes[0].respond.status: ", "the most is 65535"},
	{GATEWAY "  routes: [{respond: {body: x}}]\n",
	 "6:22: gateway.routes[0].respond.status: ", "is missing"},
	{GATEWAY "  routes: [{respond: {status: 204, body: x}}]\n",
	 "6:42: gateway.routes[0].respond.body: ", "has no body"},
	{GATEWAY "  routes: [{respond: {status: 200, content_type: \"a\\r\\nb\"}}]\n",
	 "6:50: gateway.routes[0].respond.content_type: ", "cannot be a header's value"},
	{GATEWAY "  admin: {port: 9464}\n" ROUTE, "6:11: gateway.admin.port: ", "unknown key"},
	{GATEWAY "  admin: {control: \"\"}\n" ROUTE, "6:20: gateway.admin.control: ", ""},
	{GATEWAY "  admin: {metrics: localhost}\n" ROUTE,
	 "6:20: gateway.admin.metrics: ", "is no address with port"},
	{GATEWAY "  admin: {metrics: 65536}\n" ROUTE,
	 "6:20: gateway.admin.metrics: ", "is no address with port"},
	{GATEWAY "  admin: {metrics: 100000}\n" ROUTE,
	 "6:20: gateway.admin.metrics: ", "is no address with port"},
	{GATEWAY "  routes: [{name: \"a b\", respond: {status: 200}}]\n",
	 "6:19: gateway.routes[0].name: ", "is no name"},
	{GATEWAY ROUTE "  forwarding: {via: 'a b'}\n",
	 "7:21: gateway.forwarding.via: ", "is no name"},
	{GATEWAY ROUTE "  forwarding: {request_id: drop}\n",
	 "7:28: gateway.forwarding.request_id: ", "pass, keep, make"},
	{GATEWAY ROUTE "  forwarding: {alt_svc: \"a\\nb\"}\n",
	 "7:25: gateway.forwarding.alt_svc: ", "cannot be a header's value"},
};

Test(config, refuses_each_wrong_file_in_one_line)
{
	for (size_t i = 0; i < sizeof(bad_files) / sizeof(bad_files[0]); i++) {
		const struct bad *bad = &bad_files[i];
		const char *said = refuse_bytes(bad->text, strlen(bad->text), -EINVAL);
		cr_expect_eq(strncmp(said, bad->place, strlen(bad->place)), 0,
			     "expected '%s' in: %s\n%s", bad->place, said, bad->text);
		cr_expect_not_null(strstr(said, bad->words), "expected '%s' in: %s\n%s", bad->words,
				   said, bad->text);
		cr_expect(strchr(said, ';') || strstr(said, "known here"), "no advice in: %s",
			  said);
	}
}

Test(config, refuses_bytes_that_are_no_text)
{
	static const char utf8[] = "sampler: {one_in: 1} # \xff\xfe\n";
	static const char zero[] = "sampler: {one_in: 1}\0\n";

	cr_expect_not_null(
		strstr(refuse_bytes(utf8, sizeof(utf8) - 1, -EINVAL), "1:1: yaml: invalid"));
	cr_expect_not_null(
		strstr(refuse_bytes(zero, sizeof(zero) - 1, -EINVAL), "control characters"));
}

Test(config, bounds_size_and_count)
{
	size_t size = (8u << 20) + 1;
	char *text = malloc(size);

	memset(text, '#', size);
	cr_expect_not_null(strstr(refuse_bytes(text, size, -EFBIG), "larger than 8 MiB"));

	memset(text, ' ', size);
	memcpy(text, "a: [", 4);
	for (size_t i = 4; i + 1 < 1000000; i += 2)
		text[i] = '1', text[i + 1] = ',';
	cr_expect_not_null(
		strstr(refuse_bytes(text, size - 1, -EINVAL), "more than 200000 values"));
	free(text);

	FILE *out = open_memstream(&text, &size);
	fputs("interfaces:\n", out);
	for (int i = 0; i < 65; i++)
		fprintf(out, "  - {name: a%d}\n", i);
	fclose(out);
	cr_expect_not_null(strstr(refuse_bytes(text, size, -EINVAL),
				  "2:3: interfaces: has 65 entries; the most is 64"));
	free(text);
}

Test(config, says_why_a_file_cannot_be_read)
{
	struct arq_config *config = NULL;
	struct arq_error error = {0};

	cr_assert_eq(arq_config_load("/nonexistent/a.yaml", &config, &error), -ENOENT);
	cr_assert_str_eq(error.text, "/nonexistent/a.yaml: cannot read the configuration: No such "
				     "file or directory; check the name");
	arq_error_clear(&error);
	cr_assert_eq(arq_config_load(directory, &config, &error), -EISDIR);
	cr_assert_not_null(strstr(error.text, "name the file in it"), "%s", error.text);
	cr_assert_null(config);
}

Test(config, fills_in_the_defaults)
{
	struct arq_config *config = load("interfaces: [{name: eth0}]\n" GATEWAY POOL ROUTE);
	const struct arq_config_gateway *gateway = &config->gateway;

	cr_expect_eq(config->interfaces[0].mode, ARQ_CONFIG_MODE_AUTO);
	cr_expect_eq(config->interfaces[0].programs, 1u << ARQ_PROGRAM_FIREWALL |
							     1u << ARQ_PROGRAM_SAMPLER |
							     1u << ARQ_PROGRAM_REDIRECT);
	cr_expect_eq(config->firewall.default_action, ARQ_RULE_PASS);
	cr_expect_eq(config->firewall.malformed, ARQ_CONFIG_DROP);
	cr_expect_eq(config->firewall.rules_count, 0);
	cr_expect_eq(config->sampler.one_in, 1000);
	cr_expect_eq(config->sampler.drops_one_in, 1000);
	cr_expect_eq(config->sampler.snaplen, 128);
	cr_expect_eq(gateway->workers, 1);
	cr_expect_null(gateway->user);
	cr_expect_null(gateway->static_secret_file);
	cr_expect_eq(gateway->transport.retry, ARQ_CONFIG_RETRY_AUTO);
	cr_expect_eq(gateway->transport.retry_threshold, 1024);
	cr_expect_eq(gateway->transport.congestion_control, ARQ_CONFIG_CUBIC);
	cr_expect_eq(gateway->connection_ids.server_id_length, 0);
	cr_expect_eq(gateway->connection_ids.nonce_length, 9);
	cr_expect_null(gateway->connection_ids.key_file);
	cr_expect_eq(gateway->listeners[0].io, ARQ_CONFIG_IO_AUTO);
	cr_expect_eq(gateway->listeners[0].copy_mode, ARQ_CONFIG_COPY_AUTO);
	cr_expect_eq(gateway->listeners[0].client_certificates.mode,
		     ARQ_CONFIG_CLIENT_CERTIFICATES_OFF);
	cr_expect_null(gateway->listeners[0].client_certificates.ca);
	cr_expect(!gateway->listeners[0].early_data);
	cr_expect_eq(gateway->pools[0].policy, ARQ_CONFIG_LEAST_REQUESTS);
	cr_expect(gateway->pools[0].tls.verify);
	cr_expect_null(gateway->pools[0].tls.ca);
	cr_expect_null(gateway->pools[0].targets[0].server_name);
	cr_expect_null(gateway->routes[0].host);
	cr_expect_null(gateway->routes[0].path);
	cr_expect_str_eq(gateway->routes[0].respond->body, "");
	cr_expect_str_eq(gateway->routes[0].respond->content_type, "text/plain; charset=utf-8");
	cr_expect_eq(gateway->resolver.servers_count, 0);
	cr_expect_eq(gateway->resolver.family, ARQ_CONFIG_FAMILY_ANY);
	cr_expect_eq(gateway->resolver.attempts, 2);
	cr_expect_eq(gateway->resolver.timeout_ns, 2000000000);
	cr_expect_eq(gateway->resolver.min_interval_ns, 5000000000);
	cr_expect_eq(gateway->resolver.max_interval_ns, 300000000000);
	cr_expect_eq(gateway->limits.max_connections, 10000);
	cr_expect_eq(gateway->limits.per_source, 0);
	cr_expect_eq(gateway->limits.memory_mib, 0);
	cr_expect_eq(gateway->limits.newcomers, 10);
	cr_expect_eq(gateway->limits.header_size, 16384);
	cr_expect_eq(gateway->limits.idle_timeout_ns, 30000000000);
	cr_expect_eq(gateway->limits.drain_timeout_ns, 10000000000);
	arq_config_destroy(config);

	config = load("{}\n");
	cr_expect_eq(config->interfaces_count, 0);
	cr_expect_eq(config->gateway.listeners_count, 0);
	cr_expect_eq(config->sampler.one_in, 1000);
	arq_config_destroy(config);
}

/* A program of a chain is its name, or a mapping with its place; an interface its name, likewise.
 */
Test(config, reads_chains)
{
	struct arq_config *config =
		load("interfaces:\n"
		     "  - name: a\n"
		     "    programs: [firewall, {name: redirect, priority: 5}, {name: sampler, "
		     "priority: 0,\n"
		     "               chain_actions: [pass, redirect]}]\n"
		     "  - b\n"
		     "  - { name: c, programs: sampler }\n");
	const struct arq_config_interface *interface = &config->interfaces[0];

	cr_assert_eq(config->interfaces_count, 3);
	cr_expect_eq(interface->programs, 7);
	cr_assert_eq(interface->chain_count, 3);
	cr_expect_eq(interface->chain[0].id, ARQ_PROGRAM_FIREWALL);
	cr_expect_eq(interface->chain[0].priority, 10);
	cr_expect_eq(interface->chain[0].chain_actions, 1u << XDP_PASS);
	cr_expect_eq(interface->chain[1].id, ARQ_PROGRAM_REDIRECT);
	cr_expect_eq(interface->chain[1].priority, 5);
	cr_expect_eq(interface->chain[2].priority, 0);
	cr_expect_eq(interface->chain[2].chain_actions, 1u << XDP_PASS | 1u << XDP_REDIRECT);
	cr_expect_str_eq(config->interfaces[1].name, "b");
	cr_expect_eq(config->interfaces[1].programs, 7);
	arq_config_destroy(config);
}

Test(config, reads_what_is_given)
{
	struct arq_config *config = load(
		"interfaces: [{name: e, mode: generic, programs: redirect}]\n"
		"sampler: {one_in: 1, snaplen: 1536}\n" GATEWAY
		"      io: xsk\n      interface: e\n      copy_mode: zero-copy\n"
		"      client_certificates: {mode: required, ca: /abs/ca.crt}\n"
		"  transport: {retry: auto, retry_threshold: 0, congestion_control: bbr}\n"
		"  workers: 4\n  user: nobody\n  static_secret_file: /abs/secret\n"
		"  connection_ids: {config_id: 6, server_id: 0aFF, nonce_length: 12, key_file: "
		"/abs/k}\n"
		"  limits: {max_connections: 5, newcomers: 100, memory: 64, per_source: 7, "
		"idle_timeout: 1500ms, "
		"drain_timeout: 0s}\n"
		"  pools:\n"
		"    - name: p\n      policy: round-robin\n"
		"      targets: [{address: '[::1]:1', server_name: own.test}, {address: "
		"'127.0.0.1:2'}]\n"
		"      tls: {server_name: pool.test, ca: ca.crt}\n"
		"  routes:\n"
		"    - {host: WWW.Example.COM., path: /v1/*, pool: p}\n"
		"    - {host: '*.example.com', path: /x, pool: p}\n"
		"    - {host: '[2001:DB8::1]', pool: p}\n"
		"    - {host: '*', respond: {status: 404, body: \"\\u0085\\xe4\\n\\\"\\\\\"}}\n");
	const struct arq_config_gateway *gateway = &config->gateway;
	union arq_address address;

	cr_expect_eq(config->interfaces[0].mode, ARQ_CONFIG_MODE_GENERIC);
	cr_expect_eq(config->interfaces[0].programs, 1u << ARQ_PROGRAM_REDIRECT);
	cr_expect_eq(config->sampler.drops_one_in, 1, "as those that pass");
	cr_expect_eq(config->sampler.snaplen, 1536);
	cr_expect_eq(gateway->listeners[0].io, ARQ_CONFIG_IO_XSK);
	cr_expect_eq(gateway->listeners[0].copy_mode, ARQ_CONFIG_ZERO_COPY);
	cr_expect_eq(gateway->listeners[0].client_certificates.mode,
		     ARQ_CONFIG_CLIENT_CERTIFICATES_REQUIRED);
	cr_expect_str_eq(gateway->listeners[0].client_certificates.ca, "/abs/ca.crt");
	arq_address_parse(&address, "127.0.0.1:4433");
	cr_expect(arq_address_equal(&gateway->listeners[0].address, &address));
	cr_expect_eq(gateway->workers, 4);
	cr_expect_str_eq(gateway->user, "nobody");
	cr_expect_str_eq(gateway->static_secret_file, "/abs/secret");
	cr_expect_eq(gateway->transport.retry_threshold, 0);
	cr_expect_eq(gateway->transport.congestion_control, ARQ_CONFIG_BBR);
	cr_expect_eq(gateway->connection_ids.config_id, 6);
	cr_expect_eq(gateway->connection_ids.server_id_length, 2);
	cr_expect_arr_eq(gateway->connection_ids.server_id, "\x0a\xff", 2);
	cr_expect_eq(gateway->connection_ids.nonce_length, 12);
	cr_expect_str_eq(gateway->connection_ids.key_file, "/abs/k");
	cr_expect_eq(gateway->limits.max_connections, 5);
	cr_expect_eq(gateway->limits.per_source, 7);
	cr_expect_eq(gateway->limits.memory_mib, 64);
	cr_expect_eq(gateway->limits.newcomers, 100);
	cr_expect_eq(gateway->limits.idle_timeout_ns, 1500000000);
	cr_expect_eq(gateway->limits.drain_timeout_ns, 0);
	cr_expect_eq(gateway->pools[0].policy, ARQ_CONFIG_ROUND_ROBIN);
	cr_expect_str_eq(gateway->pools[0].targets[0].server_name, "own.test");
	cr_expect_str_eq(gateway->pools[0].targets[1].server_name, "pool.test");
	cr_expect_eq(gateway->routes[0].pool, &gateway->pools[0]);
	cr_expect_str_eq(gateway->routes[0].host, "www.example.com");
	cr_expect_str_eq(gateway->routes[0].path, "/v1/");
	cr_expect(gateway->routes[0].path_is_prefix);
	cr_expect_not(gateway->routes[1].path_is_prefix);
	cr_expect_str_eq(gateway->routes[2].host, "[2001:db8::1]");
	cr_expect_null(gateway->routes[3].host);
	cr_expect_str_eq(gateway->routes[3].respond->body, "\xc2\x85\xc3\xa4\n\"\\");
	arq_config_destroy(config);
}

Test(config, takes_the_files_it_ships_with)
{
	struct arq_config *config = NULL;
	struct arq_error error = {0};

	cr_assert_eq(arq_config_load(ARQ_TEST_CONFIG "/arquant.yaml", &config, &error), 0, "%s",
		     error.text);
	cr_expect_eq(config->firewall.ruleset.rule_count, config->firewall.rules_count);
	cr_expect_str_eq(config->firewall.ruleset.sets[0].file, ARQ_TEST_CONFIG "/blocklist.txt");
	arq_config_destroy(config);

	cr_assert_eq(arq_config_load(ARQ_TEST_CONFIG "/quickstart.yaml", &config, &error), 0, "%s",
		     error.text);
	cr_expect_eq(config->gateway.listeners[0].io, ARQ_CONFIG_IO_UDP);
	cr_expect_str_eq(config->gateway.routes[0].respond->body, "pong\n");
	arq_config_destroy(config);
	arq_config_destroy(NULL);
}

/* arquant.yaml shows defaults: taking the options out must change nothing but what it must name. */
Test(config, shows_the_true_defaults)
{
	struct arq_config *shown = NULL;
	struct arq_error error = {0};

	cr_assert_eq(arq_config_load(ARQ_TEST_CONFIG "/arquant.yaml", &shown, &error), 0);
	struct arq_config *config = load("interfaces: [{name: eth0}]\n" GATEWAY POOL ROUTE);

	cr_expect_eq(shown->interfaces[0].mode, config->interfaces[0].mode);
	cr_expect_eq(shown->interfaces[0].programs, config->interfaces[0].programs);
	cr_expect_eq(shown->firewall.default_action, config->firewall.default_action);
	cr_expect_eq(shown->firewall.malformed, config->firewall.malformed);
	cr_expect_eq(shown->sampler.one_in, config->sampler.one_in);
	cr_expect_eq(shown->sampler.sflow.counters_ns, config->sampler.sflow.counters_ns);
	cr_expect_eq(config->sampler.sflow.collectors_count, 0);
	cr_assert_eq(shown->sampler.sflow.collectors_count, 1);
	cr_expect_eq(arq_address_port(&shown->sampler.sflow.addresses[0]), 6343);
	cr_expect_eq(shown->sampler.drops_one_in, config->sampler.drops_one_in);
	cr_expect_eq(shown->sampler.snaplen, config->sampler.snaplen);
	cr_expect_eq(shown->gateway.workers, config->gateway.workers);
	cr_expect_eq(shown->gateway.listeners[0].io, config->gateway.listeners[0].io);
	cr_expect_eq(shown->gateway.listeners[0].copy_mode, config->gateway.listeners[0].copy_mode);
	cr_expect_eq(shown->gateway.pools[0].policy, config->gateway.pools[0].policy);
	cr_expect_eq(shown->gateway.pools[0].tls.verify, config->gateway.pools[0].tls.verify);
	cr_expect_str_eq(shown->gateway.routes[2].respond->content_type,
			 config->gateway.routes[0].respond->content_type);
	cr_expect_eq(shown->gateway.resolver.family, config->gateway.resolver.family);
	cr_expect_eq(shown->gateway.resolver.attempts, config->gateway.resolver.attempts);
	cr_expect_eq(shown->gateway.resolver.timeout_ns, config->gateway.resolver.timeout_ns);
	cr_expect_eq(shown->gateway.resolver.min_interval_ns,
		     config->gateway.resolver.min_interval_ns);
	cr_expect_eq(shown->gateway.resolver.max_interval_ns,
		     config->gateway.resolver.max_interval_ns);
	cr_expect_eq(shown->gateway.limits.max_connections, config->gateway.limits.max_connections);
	cr_expect_eq(shown->gateway.limits.header_size, config->gateway.limits.header_size);
	cr_expect_eq(shown->gateway.limits.idle_timeout_ns, config->gateway.limits.idle_timeout_ns);
	cr_expect_eq(shown->gateway.limits.drain_timeout_ns,
		     config->gateway.limits.drain_timeout_ns);
	arq_config_destroy(config);
	arq_config_destroy(shown);
}

Test(config, reads_whom_names_are_asked_of)
{
	struct arq_config *config =
		load(GATEWAY "  resolver: { servers: [192.0.2.53, '[2001:db8::1]:5353'], family: "
			     "ipv4, min_interval: 10m }\n" ROUTE);
	const struct arq_config_resolver *resolver = &config->gateway.resolver;
	char text[ARQ_ADDRESS_TEXT_MAX];

	cr_assert_eq(resolver->servers_count, 2);
	cr_expect_str_eq(arq_address_format(&resolver->addresses[0], text), "192.0.2.53:53");
	cr_expect_str_eq(arq_address_format(&resolver->addresses[1], text), "[2001:db8::1]:5353");
	cr_expect_eq(resolver->family, ARQ_CONFIG_FAMILY_IPV4);
	cr_expect_eq(resolver->max_interval_ns, resolver->min_interval_ns);
	arq_config_destroy(config);
}

/* Every prefix of a good file, and every byte of it replaced: nothing may crash or leak. */
Test(config, survives_mutilated_files)
{
	static const char good[] =
		"firewall:\n  sets: [{name: s, elements: [::/0]}]\n"
		"  rules: [{name: r, not: {to_port: tcp/1}, action: count}]\n" GATEWAY POOL
		"  routes: [{host: '*.a', path: /*, pool: p}]\n";
	static const char replacements[] = {'\0', '\n', '[', '}', '*', '"', ':', ' ', '\xff'};
	char text[sizeof(good)];
	struct arq_config *config;

	for (size_t i = 0; i < sizeof(good) - 1; i++) {
		for (size_t j = 0; j <= sizeof(replacements); j++) {
			struct arq_error error = {0};
			memcpy(text, good, sizeof(good));
			if (j < sizeof(replacements))
				text[i] = replacements[j];
			write_file(text, j < sizeof(replacements) ? sizeof(good) - 1 : i);
			if (arq_config_load(path, &config, &error) == 0)
				arq_config_destroy(config);
			else
				cr_assert_not_null(strchr(error.text, ';'), "%s", error.text);
		}
	}
}

Test(duration, reads_number_and_unit)
{
	static const struct {
		const char *text;
		int code;
		uint64_t nanoseconds;
	} cases[] = {
		{"250us", 0, 250000},     {"500ms", 0, 500000000},
		{"30s", 0, 30000000000},  {"2m", 0, 120000000000},
		{"1h", 0, 3600000000000}, {"0s", 0, 0},
		{"", -EINVAL, 0},         {"s", -EINVAL, 0},
		{"5", -EINVAL, 0},        {"-5s", -EINVAL, 0},
		{" 5s", -EINVAL, 0},      {"5 s", -EINVAL, 0},
		{"5sec", -EINVAL, 0},     {"1.5s", -EINVAL, 0},
		{"876001h", -ERANGE, 0},  {"99999999999999999999s", -ERANGE, 0},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint64_t nanoseconds = 0;
		cr_expect_eq(arq_duration_parse(cases[i].text, &nanoseconds), cases[i].code, "%s",
			     cases[i].text);
		cr_expect_eq(nanoseconds, cases[i].nanoseconds, "%s", cases[i].text);
	}
}

Test(config, finds_the_control_socket_beside_it_or_at_the_usual_place)
{
	char wanted[sizeof(path)];
	struct arq_config *config = load(GATEWAY ROUTE);
	cr_expect_str_eq(config->gateway.admin.control, "/run/arquant/control.sock");
	cr_expect(!config->gateway.admin.control_named);
	arq_config_destroy(config);

	config = load(GATEWAY "  admin: {control: c.sock}\n" ROUTE);
	snprintf(wanted, sizeof(wanted), "%s/c.sock", directory);
	cr_expect_str_eq(config->gateway.admin.control, wanted);
	cr_expect(config->gateway.admin.control_named);
	arq_config_destroy(config);
}

Test(config, offers_metrics_where_it_says_on_loopback_for_a_port_alone)
{
	char text[ARQ_ADDRESS_TEXT_MAX];
	struct arq_config *config = load(GATEWAY ROUTE);
	cr_expect_null(config->gateway.admin.metrics_text);
	arq_config_destroy(config);

	config = load(GATEWAY "  admin: {metrics: 9464}\n" ROUTE);
	cr_expect_str_eq(arq_address_format(&config->gateway.admin.metrics, text),
			 "127.0.0.1:9464");
	arq_config_destroy(config);

	config = load(GATEWAY "  admin: {metrics: \"[::1]:9000\"}\n" ROUTE);
	cr_expect_str_eq(arq_address_format(&config->gateway.admin.metrics, text), "[::1]:9000");
	arq_config_destroy(config);
}

Test(config, calls_a_route_by_its_name_or_by_host_and_path_as_written)
{
	struct arq_config *config = load(
		GATEWAY
		"  pools: [{name: p, targets: [\"192.0.2.1:443\"]}]\n"
		"  routes: [{name: first, path: /a, pool: p}, {host: A.test, path: /v1/*, pool: p},"
		" {path_regex: '/v[12]', pool: p}, {host: a.test, pool: p}, {pool: p}]\n");
	static const char *const names[] = {"first", "A.test/v1/*", "~/v[12]", "a.test/*", "/*"};
	cr_assert_eq(config->gateway.routes_count, 5);
	for (size_t i = 0; i < 5; i++)
		cr_expect_str_eq(config->gateway.routes[i].name, names[i]);
	arq_config_destroy(config);
}

static bool same_pool(const char *a, const char *b)
{
	struct arq_config *first = load(a), *second = load(b);
	bool same = arq_config_same_pool(&first->gateway.pools[0], &second->gateway.pools[0]);
	arq_config_destroy(first);
	arq_config_destroy(second);
	return same;
}

Test(config, compares_pools_by_all_that_a_file_can_say)
{
#define ONE_POOL(rest)                                                        \
	GATEWAY "  pools: [{name: p, targets: [\"192.0.2.1:443\"" rest "}]\n" \
		"  routes: [{pool: p}]\n"
	const char *plain = ONE_POOL("]");
	cr_expect(same_pool(plain, plain));
	cr_expect(!same_pool(plain, ONE_POOL(", \"192.0.2.2:443\"]")));
	cr_expect(!same_pool(plain, ONE_POOL("], policy: round-robin")));
	cr_expect(!same_pool(plain, ONE_POOL("], tls: {verify: false}")));
	cr_expect(!same_pool(plain, ONE_POOL("], tls: {server_name: a.example}")));
	cr_expect(!same_pool(plain, ONE_POOL("], health: {path: /x}")));
#undef ONE_POOL
}
