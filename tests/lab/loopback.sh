# shellcheck shell=bash
# SPDX-License-Identifier: BSD-2-Clause
#
# What tests of arquantd on loopback UDP share, in a network namespace of their own, with servers and
# clients of a Debian 13 tree (tests/lab/tree). To be sourced by bash with `set -eu`:
#
#     loopback_isolate "PACKAGE..." "$0" "$@"   first thing; $TREE has these
#     loopback_begin                    $work, at the same path inside the tree and outside
#     background NAME COMMAND...        ${pids[NAME]}, output to $work/NAME.log
#     await 10 "text" CONDITION...      until it holds, or fail saying what did not happen
#     in_tree COMMAND...                as in the tree
#
# Processes are ended by the pids that were started here.

lab_root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
bin=${LAB_BUILD:-$lab_root/build/release}/bin
declare -A pids=()

# The tree comes first: inside there is no network to make it from.
loopback_isolate() {
	if [ -z "${ARQUANT_TEST_INSIDE-}" ]; then
		[ "$(id -u)" = 0 ] || { echo "${0##*/}: must run as root" >&2; exit 1; }
		# The packages are words.
		# shellcheck disable=SC2086
		[ -n "${TREE-}" ] || TREE=$("$lab_root/tests/lab/tree" trixie $1)
		export TREE
		shift
		ARQUANT_TEST_INSIDE=1 exec unshare --net --mount --propagation private "$@"
	fi
	ip link set lo up
}

loopback_end() {
	local pid
	trap '' INT TERM HUP
	for pid in "${pids[@]}"; do
		kill -KILL "$pid" 2>/dev/null || true
		wait "$pid" 2>/dev/null || true
	done
	rm -rf "$work"
	umount --lazy "$TREE$work" && rmdir "$TREE$work"
}

loopback_begin() {
	work=$(mktemp -d "${TMPDIR:-/tmp}/arquant-lab.XXXXXX")
	chmod 755 "$work"
	trap loopback_end EXIT
	trap 'exit 130' INT TERM HUP
	mkdir -p "$TREE$work"
	mount --bind "$work" "$TREE$work"
	mount -t proc proc "$TREE/proc"
	mount --rbind /dev "$TREE/dev"
}

fail() {
	echo "${0##*/}: $*" >&2
	tail -n 20 "$work"/*.log >&2
	exit 1
}

in_tree() { chroot "$TREE" "$@" </dev/null; }

await() {
	local end=$((SECONDS + $1)) what=$2
	shift 2
	until "$@"; do
		[ $SECONDS -lt $end ] || fail "not within time: $what"
		sleep 0.05
	done
}

background() {
	local name=$1
	shift
	"$@" >"$work/$name.log" 2>&1 </dev/null &
	pids[$name]=$!
}

says() { grep -q -s -e "$2" "$work/$1.log"; }

# certificate NAME: $work/NAME.crt and .key for localhost.
certificate() {
	printf '%s\n' 'cn = localhost' 'dns_name = localhost' 'expiration_days = 2' signing_key \
		>"$work/template"
	certtool --generate-privkey --key-type ecdsa --curve secp256r1 --outfile "$work/$1.key"
	certtool --generate-self-signed --load-privkey "$work/$1.key" --template "$work/template" \
		--outfile "$work/$1.crt"
	chmod a+r "$work/$1.key"
} 2>/dev/null

# start_daemon: with $work/arquant.yaml.
start_daemon() {
	background daemon "$bin/arquantd" --config "$work/arquant.yaml"
	await 20 "arquantd serves" says daemon "serves with"
}

# ends_in_order: SIGTERM, and what it said at the end.
ends_in_order() {
	local status=0
	kill -TERM "${pids[daemon]}"
	wait "${pids[daemon]}" || status=$?
	unset "pids[daemon]"
	[ $status = 0 ] || fail "arquantd ended with status $status"
}
