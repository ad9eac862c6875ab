# shellcheck shell=bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Servers on a core of their own and load from the other, for tests/bench/quic and gateway. Sourced
# after tests/lab/topology.sh; the functions that start something need lab_begin.

# BENCH_BUILD: of programs that were built elsewhere, or before.
BENCH_ELSEWHERE=${BENCH_BUILD-}
BENCH_BUILD=${BENCH_BUILD:-$LAB_ROOT/build/release}
BENCH_BIN=$BENCH_BUILD/bin
# What the unit sets for arquantd; so for "serve", which has the same rooms.
mapfile -t BENCH_ENVIRONMENT < <(sed -n 's/^Environment=//p' "$LAB_ROOT/packaging/systemd/arquantd.service")
BENCH_SERVER_CPU=1
BENCH_CLIENT_CPU=0

bench_build() {
	[ "${LAB_ISOLATED-}" != yes ] && [ -z "$BENCH_ELSEWHERE" ] || return 0
	cd "$LAB_ROOT"
	[ -f "$BENCH_BUILD/build.ninja" ] || cmake --preset release >/dev/null
	cmake --build "$BENCH_BUILD" --target arquant arquantd load serve >/dev/null
}

# So many letters, the same each time.
bench_body() { printf '%*s' "$1" '' | tr ' ' x; }

# bench_offload NAMESPACE INTERFACE on|off: segmentation of UDP by whoever takes the packet.
bench_offload() {
	in_ns "$1" ethtool -K "$2" tx "$3" tx-udp-segmentation "$3" tso "$3" gso "$3" >/dev/null 2>&1 ||
		lab_fail "ethtool cannot turn offloads $3 on $2"
}

# bench_threads NAMESPACE INTERFACE 0|1 CPU: whether it receives by a thread of its own, on that CPU.
# BENCH_THREADS are the process ids of those on the server's.
BENCH_THREADS=()
bench_threads() {
	local namespace=$1 interface=$2 on=$3 cpu=$4 pid
	in_ns "$namespace" ethtool -K "$interface" gro "$([ "$on" = 1 ] && echo on || echo off)"
	in_ns "$namespace" unshare --mount sh -c "mount -t sysfs sysfs /sys
		cd /sys/class/net/$interface && { [ \$(cat threaded) = $on ] || echo $on >threaded; }" ||
		lab_fail "no threaded NAPI on $interface"
	[ "$cpu" != "$BENCH_SERVER_CPU" ] || BENCH_THREADS=()
	[ "$on" = 1 ] || return 0
	pid=$(pgrep -n -x "napi/$interface-[0-9]*") || lab_fail "$interface has no thread that receives"
	taskset -cp "$cpu" "$pid" >/dev/null
	[ "$cpu" != "$BENCH_SERVER_CPU" ] || BENCH_THREADS=("$pid")
}

# The name is what lab_stop takes.
bench_start() {
	local name=$1 namespace=$2
	shift 2
	lab_start "$name" "$namespace" taskset -c "$BENCH_SERVER_CPU" "$@"
}

bench_gtlsserver() {
	local name=$1 namespace=$2 address=$3 port=$4 certificate=$5 files=$6
	bench_start "$name" "$namespace" gtlsserver --quiet --no-quic-dump --no-http-dump \
		--max-dyn-length=1G --htdocs "$files" "$address" "$port" \
		"$LAB_DIR/$certificate.key" "$LAB_DIR/$certificate.crt"
	lab_wait_for 20 "gtlsserver listens" lab_udp_bound "$namespace" "$port"
}

bench_arquantd() {
	bench_start "$1" "$2" env "${BENCH_ENVIRONMENT[@]}" "$BENCH_BIN/arquantd" --config "$3"
	lab_wait_for 20 "arquantd serves" lab_logged "$1" ' serves with '
}

# bench_serve NAME NAMESPACE ADDRESS:PORT CERTIFICATE [xsk]
bench_serve() {
	local interface
	interface=${5:+--xsk client}
	# shellcheck disable=SC2086
	bench_start "$1" "$2" env "${BENCH_ENVIRONMENT[@]}" "$BENCH_BUILD/bench/serve" $interface "$3" "$LAB_DIR/$4.crt" "$LAB_DIR/$4.key"
	lab_wait_for 20 "serve listens" lab_logged "$1" '^serves'
}

# bench_load NAMESPACE ADDRESS:PORT OPTIONS...: JSON; the CPU time is that of the process "server",
# of its core's ksoftirqd, and of its thread that receives. Failures are in the JSON.
bench_load() {
	local namespace=$1 address=$2 pid watched=()
	shift 2
	for pid in "${LAB_PID[server]}" "$(pgrep -x "ksoftirqd/$BENCH_SERVER_CPU")" "${BENCH_THREADS[@]}"; do
		watched+=(--cpu "$pid")
	done
	in_ns "$namespace" taskset -c "$BENCH_CLIENT_CPU" "$BENCH_BUILD/bench/load" --json \
		"${watched[@]}" "$@" "$address" || true
}

# bench_median N: lines whose first N words name a row, then numbers; the median of each column,
# the last one (failures) summed. Rows in the order of their first line.
bench_median() {
	awk -v words="$1" '
		{
			key = $1
			for (i = 2; i <= words; i++) key = key " " $i
			if (!(key in count)) order[++rows] = key
			n = ++count[key]
			columns = NF
			for (i = words + 1; i < NF; i++) value[key, i, n] = $i
			sum[key] += $NF
		}
		END {
			for (r = 1; r <= rows; r++) {
				key = order[r]
				line = key
				for (i = words + 1; i < columns; i++) {
					n = count[key]
					for (a = 1; a <= n; a++) sorted[a] = value[key, i, a] + 0
					for (a = 2; a <= n; a++)
						for (b = a; b > 1 && sorted[b] < sorted[b - 1]; b--) {
							t = sorted[b]; sorted[b] = sorted[b - 1]; sorted[b - 1] = t
						}
					line = line " " (n % 2 ? sorted[(n + 1) / 2] : (sorted[n / 2] + sorted[n / 2 + 1]) / 2)
				}
				print line, sum[key]
			}
		}'
}
