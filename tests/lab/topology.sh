# shellcheck shell=bash
# SPDX-License-Identifier: BSD-2-Clause
#
# The lab that demo and tests share, to be sourced by bash with `set -eu`: network namespaces on
# veth pairs, processes in them, taps, certificates; and that all of it goes away again.
#
#     client                    gateway                        backend
#     [gateway] ◀─ veth, Q ─▶ [client]   [backend] ◀─ veth ─▶ [gateway]
#     192.0.2.2          192.0.2.1       198.51.100.1     198.51.100.2
#     2001:db8:1::2      2001:db8:1::1   2001:db8:2::1    2001:db8:2::2
#
# An interface is named after what is at its other end. Q receive queues on the client's link.
#
#     lab_isolate "$0" "$@"     first thing: own mount namespace, with an empty bpffs in it
#     lab_begin                 directory $LAB_DIR, and clean-up at any end
#     lab_topology 2            the picture above with two queues
#     in_ns gateway COMMAND...  run there, in the foreground
#     lab_start NAME gateway COMMAND...     in the background; ${LAB_PID[NAME]}, $LAB_DIR/NAME.log
#     lab_wait_for 5 "text" CONDITION...    until it holds, or fail saying what did not happen
#
# Processes are ended by the pids that were started here, never by name. Because pins and named
# namespaces live in mounts of our own, nothing stays behind even after SIGKILL.

LAB_HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
LAB_ROOT=$(cd "$LAB_HERE/../.." && pwd)
LAB_ID=lab$$
# Everything has so many times longer: the virtual machine is emulated and may share its host with
# others. Who runs slow builds sets it.
LAB_PATIENCE=${LAB_PATIENCE:-${ARQUANT_VM:+10}}
LAB_PATIENCE=${LAB_PATIENCE:-1}
LAB_NAMESPACES=()
LAB_DEFERRED=()
declare -A LAB_PID=()

LAB_CLIENT4=192.0.2.2 LAB_CLIENT6=2001:db8:1::2
LAB_GATEWAY4=192.0.2.1 LAB_GATEWAY6=2001:db8:1::1
LAB_UPSTREAM4=198.51.100.1 LAB_UPSTREAM6=2001:db8:2::1
LAB_BACKEND4=198.51.100.2 LAB_BACKEND6=2001:db8:2::2

lab_fail() {
	echo "${0##*/}: $*" >&2
	exit 1
}

# Runs the script again in a mount namespace of its own, once. The host's bpffs is not touched, and
# what is pinned in ours goes with its last process.
lab_isolate() {
	[ "$(id -u)" -eq 0 ] || lab_fail "must run as root: it makes network namespaces"
	if [ "${LAB_ISOLATED-}" != yes ]; then
		LAB_ISOLATED=yes exec unshare --mount --propagation private -- "$@"
	fi
	# Scripts that this one starts make a lab of their own.
	unset LAB_ISOLATED
	mount -t bpf -o mode=0700 bpf /sys/fs/bpf
	mkdir -p /run/netns
	mount -t tmpfs -o mode=0755 netns /run/netns
}

lab_begin() {
	LAB_DIR=$(mktemp -d "${TMPDIR:-/tmp}/arquant-lab.XXXXXX")
	trap lab_end EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
}

# COMMAND, given as one word of shell, runs at the end, the last deferred first.
lab_defer() {
	LAB_DEFERRED=("$1" "${LAB_DEFERRED[@]}")
}

lab_end() {
	local status=$? command name
	trap - EXIT
	trap '' INT TERM HUP
	set +e
	for command in "${LAB_DEFERRED[@]}"; do
		eval "$command"
	done
	for name in "${!LAB_PID[@]}"; do
		lab_stop "$name"
	done
	for name in "${LAB_NAMESPACES[@]}"; do
		ip netns del "$LAB_ID-$name"
	done
	rm -rf "$LAB_DIR"
	exit "$status"
}

# --- namespaces and links ---------------------------------------------------------------------

in_ns() {
	local namespace=$1
	shift
	# Not `ip netns exec`, which mounts another /sys and so hides the bpffs.
	nsenter --net="/run/netns/$LAB_ID-$namespace" -- "$@"
}

lab_namespace() {
	ip netns add "$LAB_ID-$1"
	LAB_NAMESPACES+=("$1")
	ip -n "$LAB_ID-$1" link set lo up
}

# lab_link A B [QUEUES]: a veth pair; in namespace A the interface is named B, and the reverse.
lab_link() {
	local a=$1 b=$2 queues=${3:-1} side
	ip link add name "$b" netns "$LAB_ID-$a" numrxqueues "$queues" numtxqueues "$queues" \
		type veth peer name "$a" netns "$LAB_ID-$b" \
		numrxqueues "$queues" numtxqueues "$queues"
	for side in "$a $b" "$b $a"; do
		lab_link_up $side
	done
}

lab_link_up() {
	# No duplicate address detection and no router solicitation: addresses work at once, and
	# nothing is sent that a test did not send.
	in_ns "$1" sh -c "echo 0 >/proc/sys/net/ipv6/conf/$2/accept_dad
		echo 0 >/proc/sys/net/ipv6/conf/$2/router_solicitations" 2>/dev/null || true
	# A datagram from a socket at the other end of a veth pair carries only a partial checksum;
	# who reads it from an AF_XDP socket must drop it. So every end fills checksums in.
	in_ns "$1" ethtool -K "$2" tx off >/dev/null
	ip -n "$LAB_ID-$1" link set "$2" up
}

# lab_address NAMESPACE INTERFACE ADDRESS/LENGTH...
lab_address() {
	local namespace=$1 interface=$2 address
	shift 2
	for address in "$@"; do
		case $address in
		*:*) ip -n "$LAB_ID-$namespace" address add "$address" dev "$interface" nodad ;;
		*) ip -n "$LAB_ID-$namespace" address add "$address" dev "$interface" ;;
		esac
	done
}

# Both ends know each other's link address: no ARP, no neighbour discovery on the link.
lab_prime() {
	local a=$1 b=$2 address mac
	mac=$(lab_mac "$b" "$a")
	shift 2
	for address in "$@"; do
		ip -n "$LAB_ID-$a" neighbour replace "$address" lladdr "$mac" dev "$b" nud permanent
	done
}

lab_mac() {
	ip -n "$LAB_ID-$1" -brief link show dev "$2" | awk '{ print $3 }'
}

# The picture at the top of this file; $1: receive queues of the client's link.
lab_topology() {
	local name
	for name in client gateway backend; do
		lab_namespace "$name"
	done
	lab_link client gateway "${1:-1}"
	lab_link gateway backend
	lab_address client gateway "$LAB_CLIENT4/24" "$LAB_CLIENT6/64"
	lab_address gateway client "$LAB_GATEWAY4/24" "$LAB_GATEWAY6/64"
	lab_address gateway backend "$LAB_UPSTREAM4/24" "$LAB_UPSTREAM6/64"
	lab_address backend gateway "$LAB_BACKEND4/24" "$LAB_BACKEND6/64"
	lab_prime client gateway "$LAB_GATEWAY4" "$LAB_GATEWAY6"
	lab_prime gateway client "$LAB_CLIENT4" "$LAB_CLIENT6"
	lab_prime gateway backend "$LAB_BACKEND4" "$LAB_BACKEND6"
	lab_prime backend gateway "$LAB_UPSTREAM4" "$LAB_UPSTREAM6"
}

# --- processes --------------------------------------------------------------------------------

# lab_start NAME NAMESPACE COMMAND...: in the background, output to $LAB_DIR/NAME.log.
lab_start() {
	local name=$1 namespace=$2
	shift 2
	in_ns_exec "$namespace" "$@" </dev/null >"$LAB_DIR/$name.log" 2>&1 &
	LAB_PID[$name]=$!
}

# Becomes the command, so that the pid of the background job is the command's own.
in_ns_exec() {
	local namespace=$1
	shift
	exec nsenter --net="/run/netns/$LAB_ID-$namespace" -- "$@"
}

lab_running() {
	kill -0 "${LAB_PID[$1]}" 2>/dev/null
}

# Ends a process by SIGTERM, and by SIGKILL when it does not go within 5 seconds. The status is the
# process's own.
lab_stop() {
	local pid=${LAB_PID[$1]-} tick
	[ -n "$pid" ] || return 0
	unset "LAB_PID[$1]"
	kill -TERM "$pid" 2>/dev/null
	for tick in {1..100}; do
		kill -0 "$pid" 2>/dev/null || break
		[ "$tick" -lt 100 ] || kill -KILL "$pid" 2>/dev/null
		sleep 0.05
	done
	wait "$pid" 2>/dev/null
}

lab_kill() {
	local pid=${LAB_PID[$1]}
	unset "LAB_PID[$1]"
	kill -KILL "$pid"
	wait "$pid" 2>/dev/null || true
}

# lab_wait_for SECONDS TEXT CONDITION...: polls until the command succeeds.
lab_wait_for() {
	local deadline=$((SECONDS + $1 * LAB_PATIENCE + 1)) text=$2
	shift 2
	until "$@"; do
		[ "$SECONDS" -lt "$deadline" ] || lab_fail "did not happen in time: $text"
		sleep 0.05
	done
}

# Conditions for lab_wait_for.
lab_logged() { grep -q -e "$2" "$LAB_DIR/$1.log" 2>/dev/null; }
lab_udp_bound() { in_ns "$1" ss -Hlun "sport = :$2" | grep -q .; }
lab_gone() { ! kill -0 "$1" 2>/dev/null; }

# --- taps -------------------------------------------------------------------------------------

# lab_tap NAME NAMESPACE INTERFACE in|out FILTER: counts the packets that match. On an interface
# with native XDP the tap sees what XDP passed to the kernel, and only that.
lab_tap() {
	local name=$1
	lab_start "$name" "$2" tcpdump -Z root -i "$3" -Q "$4" -n -s 64 -U --immediate-mode -B 16384 \
		-w "$LAB_DIR/$name.pcap" "$5"
	lab_wait_for 10 "tcpdump listens on $3" lab_logged "$name" 'listening on'
}

lab_tap_count() {
	tcpdump -r "$LAB_DIR/$1.pcap" --count 2>/dev/null | awk '{ print $1 }'
}

# --- certificates -----------------------------------------------------------------------------

# lab_certificate NAME HOST: $LAB_DIR/NAME.crt and .key, P-256, self-signed, for that host name.
lab_certificate() {
	local base=$LAB_DIR/$1
	printf '%s\n' "cn = \"$2\"" "dns_name = \"$2\"" tls_www_server signing_key \
		"expiration_days = 30" >"$base.template"
	certtool --generate-privkey --key-type ecdsa --curve secp256r1 --outfile "$base.key" \
		>/dev/null 2>&1
	certtool --generate-self-signed --load-privkey "$base.key" --template "$base.template" \
		--outfile "$base.crt" >/dev/null 2>&1
}

# --- numbers ----------------------------------------------------------------------------------

# lab_snmp NAMESPACE Udp|Udp6 FIELD: a counter of the namespace's UDP.
lab_snmp() {
	case $2 in
	Udp6) in_ns "$1" awk -v name="Udp6$3" '$1 == name { print $2 }' /proc/net/snmp6 ;;
	*) in_ns "$1" awk -v name="$3" '$1 == "Udp:" && !n { n = split($0, field); next }
		$1 == "Udp:" { for (i = 2; i <= n; i++) if (field[i] == name) print $i }' /proc/net/snmp ;;
	esac
}
