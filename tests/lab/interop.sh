# shellcheck shell=bash
# SPDX-License-Identifier: BSD-2-Clause
#
# What the interoperability tests share: a gateway that listens over AF_XDP and over UDP sockets,
# gtlsclient as client, and the table of what worked. Sourced after main-job.sh.

INTEROP_FAILED=0
# Ports: AF_XDP, UDP sockets; more for listeners with other settings.
declare -A INTEROP_PORT=([xsk]=443 [udp]=8443 [xsk:early]=444 [udp:early]=8444)

# interop_listener NAME IO PORT EXTRA: for IPv4 and IPv6.
interop_listener() {
	cat <<-END
		    - { name: $1-4, address: "$LAB_GATEWAY4:$3", io: $2, certificates: [{ certificate: edge.crt, key: edge.key }]$4 }
		    - { name: $1-6, address: "[$LAB_GATEWAY6]:$3", io: $2, certificates: [{ certificate: edge.crt, key: edge.key }]$4 }
	END
}

interop_config() {
	local io
	cat <<-END
		interfaces:
		  - { name: client, programs: [firewall, sampler, redirect] }
		sampler: { one_in: 100 }
		gateway:
		  listeners:
	END
	for io in xsk udp; do
		interop_listener "$io" $io "${INTEROP_PORT[$io]}" ''
		interop_listener "$io-early" $io "${INTEROP_PORT[$io:early]}" ', early_data: true'
	done
	cat <<-END
		  pools:
		    - name: files
		      targets: [{ address: "$LAB_BACKEND4:$JOB_UPSTREAM_PORT" }]
		      tls: { ca: backend.crt, server_name: backend.example }
		  routes:
		    - { path: /ping, respond: { status: 200, body: "pong\n" } }
		    - { host: $JOB_HOST, pool: files }
	END
}

# interop_ask WAY[:SETTING] PATH OPTIONS...: WAY is xsk4, udp6 and so on (or from INTEROP_ADDRESS).
# Fetches, and compares when PATH is a file; the client's log is $LAB_DIR/client.log.
interop_ask() {
	local way=${1%%:*} setting='' path=$2 address=$LAB_GATEWAY4
	[ "$way" = "$1" ] || setting=:${1#*:}
	[ "${way#???}" = 4 ] || address=$LAB_GATEWAY6
	local port=${INTEROP_PORT[${way%?}$setting]-}
	if [ -n "${INTEROP_ADDRESS-}" ]; then
		address=${INTEROP_ADDRESS%:*} port=${INTEROP_ADDRESS##*:}
	fi
	shift 2
	rm -f "$LAB_DIR/got/$path"
	in_ns client gtlsclient --no-quic-dump --no-http-dump --exit-on-all-streams-close --timeout=30s \
		--download "$LAB_DIR/got" "$@" "$address" "$port" "https://$JOB_HOST/$path" \
		</dev/null >"$LAB_DIR/client.log" 2>&1 || true
	[ "$path" = ping ] || cmp -s "$LAB_DIR/files/$path" "$LAB_DIR/got/$path"
}

interop_logged() { grep -q -e "$1" "$LAB_DIR/client.log"; }

# interop_ticket WAY SETTING: a connection that leaves a session ticket in $LAB_DIR/session.
interop_ticket() {
	local way=$1
	[ "$2" != early ] || way=$1:early
	rm -f "$LAB_DIR/session" "$LAB_DIR/parameters"
	interop_ask "$way" 1k --wait-for-ticket --session-file="$LAB_DIR/session" \
		--tp-file="$LAB_DIR/parameters" && [ -s "$LAB_DIR/session" ]
}

# Bytes of the server's Handshake CRYPTO: with a certificate more than 500.
interop_flight() {
	awk '/frm rx .* Handshake CRYPTO/ { for (i = 1; i <= NF; i++) if (sub(/^len=/, "", $i)) n += $i }
		END { print n + 0 }' "$LAB_DIR/client.log"
}

# interop_table "WAYS" FUNCTION...: calls each function with each way and prints what became of it;
# the log of a cell that failed is kept as $LAB_DIR/failed-*.log and its end shown.
interop_table() {
	local ways=$1 way name cell
	shift
	printf '%-20s' ''
	for way in $ways; do printf '%-8s' "$way"; done
	echo
	for name in "$@"; do
		printf '%-20s' "$name"
		for way in $ways; do
			cell=ok
			"$name" "$way" || {
				cell=FAILED
				INTEROP_FAILED=$((INTEROP_FAILED + 1))
				cp "$LAB_DIR/client.log" "$LAB_DIR/failed-$name-$way.log" 2>/dev/null || true
			}
			printf '%-8s' "$cell"
		done
		echo
	done
	for name in "$LAB_DIR"/failed-*.log; do
		[ -e "$name" ] || continue
		echo "--- ${name##*/}" >&2
		grep -v -E 'frm [tr]x|cry |^0000' "$name" | tail -n 12 >&2 || true
	done
}
