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

LAB_BIN=$(realpath -m "${LAB_BIN:-$LAB_ROOT/build/release/bin}")
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

# --- for tests ----------------------------------------------------------------------------------

# JOB_BUNDLE=--bundle, or empty for the chain beside xdp-filter; from a test's arguments.
job_mode() {
	case $* in
	'') JOB_BUNDLE='' ;;
	--bundle) JOB_BUNDLE=--bundle ;;
	*)
		echo "usage: $0 [--bundle]" >&2
		exit 2
		;;
	esac
}

# Namespaces, backend, xdp-filter (which drops UDP to port 9, to show that it works) and our programs.
job_setup() {
	lab_topology 2
	job_prepare
	job_start_backend
	if [ -z "$JOB_BUNDLE" ]; then
		in_ns gateway xdp-filter load client --features udp,ipv4
		lab_defer 'in_ns gateway xdp-filter unload client >/dev/null 2>&1'
		in_ns gateway xdp-filter port 9 --mode dst --proto udp
		JOB_FOREIGN=$(job_foreign)
		[ -n "$JOB_FOREIGN" ] || lab_fail "xdp-filter is not on the interface"
	fi
	job_load $JOB_BUNDLE >/dev/null
}

# Program ids by owner, own or foreign.
job_ids() {
	arquant status client --json |
		jq -r --arg owner "$1" '.interfaces[0].slots[] | select(.owner == $owner).id'
}
job_foreign() { job_ids foreign; }

# All kernel objects of ours on the interface: "prog ID" and "map ID" lines.
job_objects() {
	local id
	for id in $(job_ids own); do
		echo "prog $id"
		bpftool --json prog show id "$id" | jq -r '.map_ids[]? | "map \(.)"'
	done | sort -u
}

# The kernel frees objects a moment after their last use.
job_objects_gone() {
	local kind id
	while read -r kind id; do
		! bpftool "$kind" show id "$id" >/dev/null 2>&1 || return 1
	done <<<"$1"
}

# After `arquant unload`: nothing of ours, $1 being what job_objects said before; and xdp-filter
# works as it did.
job_check_unloaded() {
	lab_wait_for 10 "our programs and maps are freed" job_objects_gone "$1"
	[ ! -e /sys/fs/bpf/arquant ] || [ -z "$(find /sys/fs/bpf/arquant -mindepth 1)" ] ||
		lab_fail "pins are left: $(find /sys/fs/bpf/arquant)"
	[ -z "$(job_ids own)" ] || lab_fail "a program of ours is left in a slot"
	if [ -z "$JOB_BUNDLE" ]; then
		[ "$(job_foreign)" = "$JOB_FOREIGN" ] || lab_fail "the foreign program is gone or another"
		job_check_foreign
	elif [ "$(arquant status client --json | jq -r '.interfaces[0].attachment')" != none ]; then
		lab_fail "something is left on the interface"
	fi
}

# xdp-filter still drops what it was told to: a datagram to port 9 does not reach the kernel, one to
# port 10 does.
job_check_foreign() {
	local before=$(lab_snmp gateway Udp NoPorts)
	in_ns client bash -c "echo x >/dev/udp/$LAB_GATEWAY4/9; echo x >/dev/udp/$LAB_GATEWAY4/10"
	lab_wait_for 5 "the datagram to port 10 arrives" job_no_ports $((before + 1))
}
job_no_ports() { [ "$(lab_snmp gateway Udp NoPorts)" = "$1" ]; }
