# shellcheck shell=bash
# SPDX-License-Identifier: BSD-2-Clause
#
# The main job, for demo and tests: an HTTP/3 request from Debian's gtlsclient through the chain
# into arquantd and on to Debian's gtlsserver. Sourced after topology.sh, once lab_begin has run.
#
#     job_prepare               files, certificates and configuration in $LAB_DIR
#     job_start_backend         gtlsserver in the backend namespace
#     job_load [--bundle]       the programs on the gateway's interface to the client
#     job_start_gateway         arquantd, until it serves
#     job_fetch PATH [ADDRESS]  by gtlsclient, into $LAB_DIR/got
#
# LAB_BIN names the directory of arquant and arquantd (default: the release preset's).

LAB_BIN=${LAB_BIN:-$LAB_ROOT/build/release/bin}
JOB_PORT=443
JOB_UPSTREAM_PORT=4433
JOB_HOST=edge.example
JOB_FILES="1k 1m 20m"

# Overridable parts of the configuration; set before job_prepare.
JOB_ONE_IN=${JOB_ONE_IN:-100}

arquant() { in_ns gateway "$LAB_BIN/arquant" "$@"; }

job_prepare() {
	local size
	mkdir -p "$LAB_DIR/files" "$LAB_DIR/got"
	for size in 1024:1k 1048576:1m 20971520:20m; do
		head -c "${size%:*}" /dev/urandom >"$LAB_DIR/files/${size#*:}"
	done
	lab_certificate edge "$JOB_HOST"
	lab_certificate backend backend.example
	job_write_config >"$LAB_DIR/arquant.yaml"
}

job_write_config() {
	cat <<-END
		interfaces:
		  - name: client
		    programs: [firewall, sampler, redirect]
		firewall:
		  sets:
		    - { name: blocklist, elements: [203.0.113.0/24, "2001:db8:bad::/48"] }
		  rules:
		    - { name: bad-sources, from: "@blocklist", action: drop }
		sampler: { one_in: $JOB_ONE_IN }
		gateway:
		  listeners:
		    - name: edge
		      address: "$LAB_GATEWAY4:$JOB_PORT"
		      io: xsk
		      certificates: [{ certificate: edge.crt, key: edge.key }]
		    - name: edge6
		      address: "[$LAB_GATEWAY6]:$JOB_PORT"
		      io: xsk
		      certificates: [{ certificate: edge.crt, key: edge.key }]
		  pools:
		    - name: files
		      targets: [{ address: "$LAB_BACKEND4:$JOB_UPSTREAM_PORT" }]
		      tls: { ca: backend.crt, server_name: backend.example }
		  routes:
		    - { path: /ping, respond: { status: 200, body: "pong\n" } }
		    - { host: $JOB_HOST, pool: files }
	END
}

job_start_backend() {
	lab_start backend backend gtlsserver --quiet --no-quic-dump --no-http-dump \
		--htdocs "$LAB_DIR/files" '*' "$JOB_UPSTREAM_PORT" \
		"$LAB_DIR/backend.key" "$LAB_DIR/backend.crt"
	lab_wait_for 20 "gtlsserver listens" lab_udp_bound backend "$JOB_UPSTREAM_PORT"
}

job_load() {
	arquant load client --config "$LAB_DIR/arquant.yaml" "$@"
	lab_defer 'arquant unload --all >/dev/null 2>&1'
}

job_start_gateway() {
	lab_start arquantd gateway "$LAB_BIN/arquantd" --config "$LAB_DIR/arquant.yaml"
	lab_wait_for "${1:-20}" "arquantd serves" job_serves
}

job_serves() {
	lab_running arquantd || { cat "$LAB_DIR/arquantd.log" >&2; lab_fail "arquantd ended"; }
	lab_logged arquantd ' serves with '
}

# The exit status of gtlsclient says little: compare what came.
job_fetch() {
	local path=$1 address=${2:-$LAB_GATEWAY4}
	rm -f "$LAB_DIR/got/$path"
	in_ns client gtlsclient --quiet --no-quic-dump --no-http-dump --exit-on-all-streams-close \
		--timeout=60s --download "$LAB_DIR/got" "$address" "$JOB_PORT" \
		"https://$JOB_HOST/$path" </dev/null >"$LAB_DIR/client.log" 2>&1 || true
	cmp -s "$LAB_DIR/files/$path" "$LAB_DIR/got/$path"
}

# job_counters PROGRAM KEY...: numbers from `arquant status --json`, on one line. A KEY is a name
# below the program's slot (or its part of the bundle), with dots: actions.redirect
job_counters() {
	local program=$1
	shift
	arquant status client --json | jq -r --arg program "$program" '
		[.interfaces[0].slots[] | ., .parts[]?] | map(select(.program == $program))[0] as $entry
		| [$ARGS.positional[] | split(".") as $path | $entry | getpath($path) // 0]
		| map(tostring) | join(" ")' --args "$@"
}

job_redirected() { job_counters redirect actions.redirect; }

# What the kernel's UDP in the gateway's namespace had to do with the service's port: packets that
# came up from the interface (a tap above native XDP), and datagrams to ports without a socket.
# With no socket bound to the port, the second counts all that UDP received for it.
job_kernel_saw() {
	echo "$(lab_tap_count kernel-tap) $(lab_snmp gateway Udp NoPorts) $(lab_snmp gateway Udp6 NoPorts)"
}

job_start_taps() {
	lab_tap client-tap client gateway out "udp dst port $JOB_PORT"
	lab_tap kernel-tap gateway client in "udp dst port $JOB_PORT"
}

# The tap writes behind the packets; the counter is exact at once.
job_all_redirected() { [ "$(lab_tap_count client-tap)" = "$(job_redirected)" ]; }
