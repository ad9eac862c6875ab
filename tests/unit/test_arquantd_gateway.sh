#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# test_arquantd_gateway.sh ARQUANTD READER
#
# The daemon on loopback UDP between real peers: Debian's gtlsclient and gtlsserver, and for what no
# client can be told to do, READER (test_arquantd_reader.c). Needs no root; when it has root, it runs
# in a network namespace of its own, so that no port is in the way. Cleans up after itself.
set -eu -o pipefail

if [ "$(id -u)" = 0 ] && [ -z "${ARQUANT_TEST_INSIDE-}" ]; then
	ARQUANT_TEST_INSIDE=1 exec unshare --net "$0" "$@"
fi
[ -z "${ARQUANT_TEST_INSIDE-}" ] || ip link set lo up

arquantd=$1
reader=$2
work=$(mktemp -d /tmp/arquant-gateway-XXXXXX)
port=$((20000 + $$ % 20000))
backend_port=$((port + 1))
declare -A pids=()
failures=0

cleanup() {
	local pid
	for pid in "${pids[@]}"; do
		kill -KILL "$pid" 2>/dev/null || true
		wait "$pid" 2>/dev/null || true
	done
	rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

ok() { echo "ok   $*"; }
bad() {
	echo "FAIL $*"
	failures=$((failures + 1))
}
fatal() {
	echo "FAIL $*"
	cat "$work"/*.log 2>/dev/null | tail -n 40
	exit 1
}

# expect NAME COMMAND...: the command must succeed.
expect() {
	local name=$1
	shift
	if "$@"; then ok "$name"; else bad "$name"; fi
}

# await NAME SECONDS COMMAND...: until the command succeeds.
await() {
	local name=$1 end=$((SECONDS + $2))
	shift 2
	until "$@"; do
		[ $SECONDS -lt $end ] || fatal "$name: waited too long"
		sleep 0.05
	done
}

says() { grep -q -s -- "$2" "$work/$1.log"; }

# --- peers and daemon -------------------------------------------------------------------------------

make_files() {
	mkdir "$work/www" "$work/got"
	: >"$work/www/empty"
	head -c 1024 /dev/urandom >"$work/www/kilo"
	head -c 1048576 /dev/urandom >"$work/www/mega"
	head -c 20971520 /dev/urandom >"$work/www/mega20"
	certtool --generate-privkey --key-type ecdsa --curve secp256r1 \
		--outfile "$work/key.pem" 2>/dev/null
	printf 'cn = localhost\ndns_name = localhost\nexpiration_days = 2\nsigning_key\n' \
		>"$work/template"
	certtool --generate-self-signed --load-privkey "$work/key.pem" \
		--template "$work/template" --outfile "$work/cert.pem" 2>/dev/null
}

# configure NAME WORKERS IDLE DRAIN: writes $work/NAME.yaml.
configure() {
	cat >"$work/$1.yaml" <<END
gateway:
  workers: $2
  limits: { idle_timeout: $3, drain_timeout: $4 }
  listeners:
    - name: test
      address: "127.0.0.1:$port"
      io: udp
      certificates: [{ certificate: cert.pem, key: key.pem }]
  pools:
    - name: up
      targets: [{ address: "127.0.0.1:$backend_port" }]
      tls: { verify: false }
    - name: down
      targets: [{ address: "127.0.0.1:1" }]
      tls: { verify: false }
  routes:
    - { path: /ping, respond: { status: 200, body: "pong\n" } }
    - { path: /down, pool: down }
    - { host: localhost, pool: up }
END
}

start_backend() {
	gtlsserver -q -d "$work/www" 127.0.0.1 $backend_port "$work/key.pem" "$work/cert.pem" \
		>"$work/backend.log" 2>&1 &
	pids[backend]=$!
}

stop_backend() {
	kill -KILL "${pids[backend]}"
	wait "${pids[backend]}" 2>/dev/null || true
	unset 'pids[backend]'
}

start_daemon() {
	rm -f "$work/daemon.log"
	"$arquantd" --config "$work/$1.yaml" 2>"$work/daemon.log" &
	pids[daemon]=$!
	await "start of the daemon" 10 says daemon "serves with"
}

# Signals the daemon and takes its exit status.
stop_daemon() {
	status=0
	kill -TERM "${pids[daemon]}"
	wait "${pids[daemon]}" || status=$?
	unset 'pids[daemon]'
}

client() { timeout 30 gtlsclient --exit-on-all-streams-close "$@"; }

# get PATH [OPTION...]: downloads to $work/got.
get() {
	local path=$1
	shift
	client -q --download="$work/got" "$@" 127.0.0.1 $port "https://localhost/$path" \
		>"$work/client.log" 2>&1
}

# status_of HOST PATH [OPTION...]: prints the response's status.
status_of() {
	local host=$1 path=$2
	shift 2
	client --no-quic-dump --no-http-dump "$@" 127.0.0.1 $port "https://$host$path" 2>&1 |
		sed -n 's/.*\[:status: \([0-9]*\)\].*/\1/p' | tail -n 1
}

fetches() {
	rm -f "$work/got/$1"
	get "$@" && cmp "$work/www/$1" "$work/got/$1"
}

answers() {
	local wanted=$1
	shift
	local status
	status=$(status_of "$@")
	[ "$status" = "$wanted" ] || {
		echo "     $2: status $status, not $wanted"
		false
	}
}

resident() { awk '/^VmRSS:/ { print $2 }' "/proc/${pids[daemon]}/status"; }

# start_reader REQUESTS PAUSE_AFTER: has REQUESTS transfers stop half-way.
start_reader() {
	rm -f "$work/reader.log"
	"$reader" 127.0.0.1:$port /mega20 "$1" "$2" >"$work/reader.log" 2>&1 &
	pids[reader]=$!
	await "a transfer that stopped" 10 says reader paused
}

# await_reader [SIGNAL]: until it has ended, after the signal.
await_reader() {
	[ $# = 0 ] || kill "-$1" "${pids[reader]}"
	wait "${pids[reader]}" || bad "reader: $(cat "$work/reader.log")"
	unset 'pids[reader]'
}

# --- tests ------------------------------------------------------------------------------------------

test_bodies() {
	for file in empty kilo mega mega20; do
		expect "body of $file is identical" fetches $file
	done
	expect "body of kilo is identical with QUIC version 2" fetches kilo -v v2
	expect "direct response" answers 200 localhost /ping
	get ping && expect "body of the direct response" \
		cmp "$work/got/ping" <(printf 'pong\n')
	expect "404 of the backend" answers 404 localhost /nope
	expect "404 without route" answers 404 other.test /kilo
	expect "HEAD" answers 200 localhost /kilo -m HEAD
	expect "upload of 20 MiB" answers 200 localhost /kilo -m POST -d "$work/www/mega20"
	expect "upload to a direct response" answers 200 localhost /ping -m POST \
		-d "$work/www/mega"
	many=$(client --no-quic-dump --no-http-dump -n 100 127.0.0.1 $port \
		https://localhost/kilo 2>&1 | grep -c ':status: 200' || true)
	expect "100 streams (got $many)" [ "$many" = 100 ]
	status=$(status_of localhost /down)
	expect "upstream down: $status" [ "${status#50}" != "$status" ]
}

test_slow_readers() {
	get mega20
	local before after
	before=$(resident)
	start_reader 10 1000000
	sleep 1
	after=$(resident)
	# 10 streams, each a window and what carries it; the files would be 200 MiB.
	expect "10 slow readers cost $((after - before)) KiB" [ $((after - before)) -lt 16384 ]
	expect "others are served meanwhile" fetches mega
	await_reader USR1
	expect "slow readers get all in the end" \
		[ "$(grep -c 'complete 200 20971520' "$work/reader.log")" = 10 ]
}

test_drain() {
	start_reader 1 500000
	kill -TERM "${pids[daemon]}"
	await "draining" 5 says daemon draining
	expect "no new connections while draining" [ -z "$(status_of localhost /ping --timeout=2s)" ]
	await_reader USR1
	expect "the transfer is completed" says reader "complete 200 20971520"
	status=0
	wait "${pids[daemon]}" || status=$?
	unset 'pids[daemon]'
	expect "exit status 0 after the drain" [ $status = 0 ]
	expect "counters in the log" says daemon "worker 0: rx"
}

test_second_signal() {
	start_daemon one
	start_reader 1 500000
	kill -TERM "${pids[daemon]}"
	await "draining" 5 says daemon draining
	local began=$SECONDS
	stop_daemon
	expect "a second signal ends at once" [ $((SECONDS - began)) -le 1 ]
	await_reader
	expect "and what was open is broken off visibly" says reader broken
}

test_drain_deadline() {
	start_daemon short
	start_reader 1 500000
	local began=$SECONDS
	stop_daemon
	expect "the drain ends at its deadline, exit status 0" \
		[ $((SECONDS - began)) -le 2 -a $status = 0 ]
	await_reader
	expect "and breaks off what is open" says reader broken
}

test_killed_backend() {
	start_daemon short
	start_reader 1 500000
	stop_backend
	await_reader USR1
	expect "a lost backend resets the stream: $(tail -n 1 "$work/reader.log")" \
		says reader "broken 200 .* 0x102"
	start_backend
	expect "and is used again when it is back" fetches kilo
	stop_daemon
	expect "exit status 0" [ $status = 0 ]
}

# Clients that move to another address mid-way may land on the socket of another worker.
test_several_workers() {
	start_daemon several
	for i in 1 2 3 4 5 6 7 8; do
		fetches mega20 --change-local-addr=20ms || bad "download $i with a moving client"
	done
	stop_daemon
	expect "exit status 0" [ $status = 0 ]
	local over
	over=$(sed -n 's/.*taken over \([0-9]*\).*/\1/p' "$work/daemon.log" |
		awk '{ sum += $1 } END { print sum }')
	expect "packets were handed over: $over" [ "$over" -gt 0 ]
	expect "none was lost" [ "$(grep -c '(lost 0)' "$work/daemon.log")" = 3 ]
}

# refuses NAME STATUS WORDS OPTION...: exit status, one line on stderr with the words.
refuses() {
	local name=$1 wanted=$2 words=$3
	shift 3
	status=0
	timeout 10 "$arquantd" "$@" >"$work/out.log" 2>"$work/refusal.log" || status=$?
	# The log lines of a start that goes wrong later are not the error.
	local lines
	lines=$(grep -c '^arquantd: ' "$work/refusal.log" || true)
	if [ $status = "$wanted" ] && [ "$lines" = 1 ] && says refusal "^arquantd: .*$words"; then
		ok "$name: $(grep '^arquantd: ' "$work/refusal.log" | sed "s|$work|DIR|g")"
	else
		bad "$name: exit $status, $(cat "$work/refusal.log")"
	fi
}

test_refusals() {
	expect "--check of a good configuration" "$arquantd" --check -c "$work/one.yaml"
	refuses "no such option" 2 "--help" --nonsense
	refuses "missing value" 2 "--help" --config
	refuses "stray argument" 2 "--help" stray
	refuses "no such file" 1 "none.yaml" -c "$work/none.yaml"
	sed 's/workers:/wrokers:/' "$work/one.yaml" >"$work/wrong.yaml"
	refuses "unknown key" 1 "wrokers" -c "$work/wrong.yaml"
	sed 's/cert.pem/lost.pem/' "$work/one.yaml" >"$work/wrong.yaml"
	refuses "missing certificate" 1 "lost.pem" -c "$work/wrong.yaml"
	refuses "missing certificate, --check" 1 "lost.pem" --check -c "$work/wrong.yaml"
	sed 's/127.0.0.1:'$port'/192.0.2.123:'$port'/' "$work/one.yaml" >"$work/wrong.yaml"
	refuses "address not on this host" 1 "192.0.2.123" -c "$work/wrong.yaml"
	sed 's/io: udp/io: xsk/' "$work/one.yaml" >"$work/wrong.yaml"
	refuses "AF_XDP without the redirect" 1 "io: udp" -c "$work/wrong.yaml"
	sed -e 's/io: udp/io: xsk\n      interface: nosuch0/' "$work/one.yaml" >"$work/wrong.yaml"
	refuses "unknown interface" 1 "nosuch0" -c "$work/wrong.yaml"
	for name in one several; do
		start_daemon one
		refuses "address in use ($name)" 1 "in use" -c "$work/$name.yaml"
		stop_daemon
	done
}

test_auto() {
	sed 's/io: udp/io: auto/' "$work/one.yaml" >"$work/auto.yaml"
	start_daemon auto
	expect "auto falls back to UDP sockets and says why" \
		says daemon "by UDP sockets, 1 workers (.*redirect\|by UDP sockets, 1 workers (.*privilege"
	expect "and serves" answers 200 localhost /ping
	stop_daemon
}

# The privileged start becomes an ordinary user, and what it opened goes on working.
test_user() {
	sed 's/  workers: 1/  workers: 1\n  user: nobody/' "$work/one.yaml" >"$work/user.yaml"
	if [ "$(id -u)" != 0 ]; then
		sed -i 's/user: nobody/user: root/' "$work/user.yaml"
		refuses "no privilege to change the user" 1 "run as root" -c "$work/user.yaml"
		return
	fi
	start_daemon user
	expect "it runs as nobody, without capabilities" [ "$(awk '
		/^Uid:/ { print $2, $3, $4, $5 } /^Groups:/ { print NF }
		/^Cap(Prm|Eff|Inh|Bnd|Amb):/ { print $2 }' "/proc/${pids[daemon]}/status" |
		sort -u | xargs)" = "0000000000000000 1 65534 65534 65534 65534" ]
	expect "and serves" fetches mega
	stop_daemon
	expect "exit status 0" [ $status = 0 ]
	sed 's/user: nobody/user: nosuchuser/' "$work/user.yaml" >"$work/wrong.yaml"
	refuses "unknown user" 1 "nosuchuser" -c "$work/wrong.yaml"
}

# What systemd is told, read by a socket of ours.
test_notification() {
	python3 - "$work" "$arquantd" <<'END' >"$work/notify.log" 2>&1
import os, signal, socket, subprocess, sys
work, arquantd = sys.argv[1:]
listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
listener.bind(work + "/notify")
listener.settimeout(10)
daemon = subprocess.Popen([arquantd, "-c", work + "/one.yaml"],
                          env=dict(os.environ, NOTIFY_SOCKET=work + "/notify"))
try:
    assert b"READY=1" in listener.recv(4096)
    daemon.send_signal(signal.SIGINT)
    assert b"STOPPING=1" in listener.recv(4096)
    assert daemon.wait(10) == 0
finally:
    daemon.kill()
END
}

make_files
configure one 1 30s 8s
configure short 1 2s 1s
configure several 3 30s 8s
test_refusals
start_backend
start_daemon one
test_bodies
test_slow_readers
test_drain
test_second_signal
test_drain_deadline
test_killed_backend
test_several_workers
test_auto
test_user
expect "systemd is told of readiness and stopping" test_notification
[ $failures = 0 ] || {
	echo "$failures failed"
	tail -n 20 "$work/daemon.log"
	exit 1
}
echo "all passed"
