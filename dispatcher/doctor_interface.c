// SPDX-License-Identifier: BSD-2-Clause
/* Findings about an interface. */
#include "dispatcher/doctor.h"

#include "dispatcher/chain.h"
#include "dispatcher/device.h"
#include "dispatcher/kernel.h"
#include "dispatcher/protocol.h"

#include <arquant/service.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <xdp/prog_dispatcher.h>

/* The kernel's own limit on the maps of a program (MAX_USED_MAPS). */
#define MAPS_MAX 64

/* Ethernet header and two VLAN tags. */
#define LINK_HEADERS (14 + 2 * 4)

/*
 * What fits in a page beside the room in front of a packet and the kernel's structure behind it;
 * drivers differ by a few bytes.
 */
#define MTU_PAGE (4096 - 256 - 320 - LINK_HEADERS)

/* What fits in a frame of arquantd's sockets, 2 KiB with 256 bytes of room in front. */
#define MTU_SOCKET (2048 - 256 - LINK_HEADERS)

/* Slots that the three programs take. */
#define SLOTS_OF_OURS 3

/*
 * What is known of drivers, for kernels before 6.3, which do not tell. (From 6.1's sources: those
 * with ndo_bpf, and those of them with XDP_SETUP_XSK_POOL.)
 */
static const struct known_driver {
	const char *name;
	bool zero_copy;
} known_drivers[] = {
	{"atlantic", false},  {"bnxt_en", false}, {"cpsw", false},       {"dpaa2-eth", false},
	{"ena", false},       {"fsl_dpa", false}, {"fsl_enetc", false},  {"gve", false},
	{"hv_netvsc", false}, {"i40e", true},     {"ice", true},         {"igb", false},
	{"igc", true},        {"ixgbe", true},    {"ixgbevf", false},    {"lan966x", false},
	{"mana", false},      {"mlx4_en", false}, {"mlx5_core", true},   {"mtk_soc_eth", false},
	{"mvneta", false},    {"mvpp2", false},   {"netsec", false},     {"netvsc", false},
	{"nfp", true},        {"nicvf", false},   {"octeontx2", false},  {"qede", false},
	{"sfc", false},       {"st_gmac", true},  {"stmmac", true},      {"tsnep", false},
	{"tun", false},       {"veth", false},    {"virtio_net", false}, {"vif", false},
};

struct subject {
	const char *name;
	struct arq_device device;
	struct arq_chain chain;
	bool has_chain; /* it could be read */
};

static const struct known_driver *find_driver(const char *name)
{
	for (size_t i = 0; i < sizeof(known_drivers) / sizeof(known_drivers[0]); i++) {
		if (strcmp(known_drivers[i].name, name) == 0)
			return &known_drivers[i];
	}
	return NULL;
}

static const char *driver_name(const struct subject *subject)
{
	return subject->device.driver[0] ? subject->device.driver : "unknown";
}

/* --- the driver ------------------------------------------------------------------------------- */

static void check_state(const struct subject *subject, struct arq_diagnosis *diagnosis)
{
	struct arq_finding *finding = arq_finding_add(diagnosis, "state", "up");

	arq_finding_say(finding, subject->device.up ? ARQ_FINDING_OK : ARQ_FINDING_WARNING, "%s",
			subject->device.up ? "up" : "down");
	if (!subject->device.up)
		arq_finding_advise(finding, "'ip link set dev %s up'", subject->name);
}

static void check_native(const struct subject *subject, struct arq_diagnosis *diagnosis)
{
	const struct arq_device *device = &subject->device;
	struct arq_finding *finding =
		arq_finding_add(diagnosis, "driver mode", "XDP in the driver, with redirect");
	const char *driver = driver_name(subject);

	if (!device->has_xdp_features) {
		bool known = find_driver(device->driver) != NULL;
		arq_finding_say(finding, known ? ARQ_FINDING_OK : ARQ_FINDING_WARNING,
				known ? "driver %s has it (this kernel does not tell)"
				      : "driver %s is not known, and this kernel does not tell",
				driver);
		if (!known)
			arq_finding_advise(finding, "try '--mode native'; '--mode generic' works "
						    "with every driver, and is slower");
		return;
	}
	if (!(device->xdp_features & ARQ_XDP_BASIC)) {
		arq_finding_say(finding, ARQ_FINDING_WARNING,
				"driver %s has none: packets take the slower generic way", driver);
		arq_finding_advise(finding, "use a card whose driver has XDP; some, like "
					    "virtio_net, need a queue for each CPU to offer it");
		return;
	}
	bool redirects = device->xdp_features & ARQ_XDP_REDIRECT;
	arq_finding_say(finding, redirects ? ARQ_FINDING_OK : ARQ_FINDING_WARNING,
			redirects ? "driver %s has it" : "driver %s cannot redirect", driver);
	if (!redirects)
		arq_finding_advise(finding, "arquantd's AF_XDP sockets need redirect: load with "
					    "'--mode generic', or leave the redirect out");
}

static void check_zero_copy(const struct subject *subject, struct arq_diagnosis *diagnosis)
{
	const struct arq_device *device = &subject->device;
	struct arq_finding *finding = arq_finding_add(
		diagnosis, "zero-copy", "AF_XDP sockets without a copy, where the driver has it");
	const struct known_driver *known = find_driver(device->driver);
	bool tells = device->has_xdp_features;
	bool has = tells ? device->xdp_features & ARQ_XDP_ZEROCOPY : known && known->zero_copy;

	if (!tells && !known) {
		arq_finding_say(finding, ARQ_FINDING_WARNING,
				"driver %s is not known, and this kernel does not tell",
				driver_name(subject));
		return;
	}
	/* Either is fine: sockets fall back to copies by themselves. */
	arq_finding_say(finding, ARQ_FINDING_OK,
			has ? "driver %s has it" : "driver %s has none: packets are copied once",
			driver_name(subject));
}

/* --- queues ----------------------------------------------------------------------------------- */

static void check_queues(const struct subject *subject, struct arq_diagnosis *diagnosis)
{
	const struct arq_device *device = &subject->device;
	struct arq_finding *finding = arq_finding_add(
		diagnosis, "queues", "at most 256, and RSS over those that are served");

	if (device->rx_queues == 0) {
		arq_finding_say(finding, ARQ_FINDING_OK, "the driver does not tell");
		return;
	}
	if (device->rx_queues > ARQ_QUEUES_MAX) {
		arq_finding_say(finding, ARQ_FINDING_WARNING,
				"%u receive queues: those from %u on pass to the kernel",
				device->rx_queues, ARQ_QUEUES_MAX);
		arq_finding_advise(finding, "'ethtool -L %s combined %u'", subject->name,
				   ARQ_QUEUES_MAX);
		return;
	}
	if (device->rss_queues == 0) {
		arq_finding_say(finding, ARQ_FINDING_OK, "%u receive queue%s", device->rx_queues,
				device->rx_queues == 1 ? "" : "s");
		return;
	}
	bool all = device->rss_queues == device->rx_queues;
	arq_finding_say(finding, all ? ARQ_FINDING_OK : ARQ_FINDING_WARNING,
			"%u receive queues, RSS spreads over %u", device->rx_queues,
			device->rss_queues);
	if (!all)
		arq_finding_advise(finding,
				   "workers of the others stay idle; 'ethtool -X %s equal "
				   "%u' spreads over all",
				   subject->name, device->rx_queues);
}

/* --- offloads --------------------------------------------------------------------------------- */

static const char *switch_name(enum arq_device_switch value)
{
	static const char *const names[] = {"not there", "off", "on"};

	return names[value];
}

static void check_merging(const struct subject *subject, struct arq_diagnosis *diagnosis)
{
	const struct arq_device *device = &subject->device;
	struct arq_finding *finding = arq_finding_add(
		diagnosis, "LRO, GRO in hardware", "off: the card must not put packets together");
	bool lro = device->lro == ARQ_SWITCH_ON, gro = device->gro_hw == ARQ_SWITCH_ON;

	arq_finding_say(finding,
			lro   ? ARQ_FINDING_FAILED
			: gro ? ARQ_FINDING_WARNING
			      : ARQ_FINDING_OK,
			"LRO %s, GRO in hardware %s", switch_name(device->lro),
			switch_name(device->gro_hw));
	if (lro || gro)
		arq_finding_advise(finding, "'ethtool -K %s%s%s'", subject->name,
				   lro ? " lro off" : "", gro ? " rx-gro-hw off" : "");
}

static void check_vlan(const struct subject *subject, struct arq_diagnosis *diagnosis)
{
	struct arq_finding *finding = arq_finding_add(
		diagnosis, "VLAN offload", "off, where rules or services are behind VLAN tags");
	bool on = subject->device.rx_vlan == ARQ_SWITCH_ON;

	arq_finding_say(finding, on ? ARQ_FINDING_WARNING : ARQ_FINDING_OK, "%s%s",
			switch_name(subject->device.rx_vlan),
			on ? ": tags are taken out before a program sees the frame" : "");
	if (on)
		arq_finding_advise(finding,
				   "only if VLANs are used here: 'ethtool -K %s rxvlan "
				   "off'",
				   subject->name);
}

static void check_veth_peer(const struct subject *subject, struct arq_finding *finding)
{
	struct arq_error ignored = {0};
	struct arq_device peer = {0};
	char name[IF_NAMESIZE];

	if (!subject->device.peer || !if_indextoname(subject->device.peer, name) ||
	    arq_device_read(name, &peer, &ignored)) {
		arq_finding_say(finding, ARQ_FINDING_WARNING,
				"the other end of this veth is in another namespace");
		arq_finding_advise(finding, "there, 'ethtool -K PEER tx off': arquantd drops "
					    "datagrams whose checksum was left to a card");
		return;
	}
	bool on = peer.tx_checksum == ARQ_SWITCH_ON;
	arq_finding_say(finding, on ? ARQ_FINDING_WARNING : ARQ_FINDING_OK,
			on ? "the other end, %s, leaves them to a card that is not there"
			   : "the other end, %s, makes them",
			name);
	if (on)
		arq_finding_advise(finding,
				   "'ethtool -K %s tx off', or arquantd drops what its "
				   "sockets send",
				   name);
}

static void check_checksums(const struct subject *subject, struct arq_diagnosis *diagnosis)
{
	struct arq_finding *finding =
		arq_finding_add(diagnosis, "checksums", "whole, as arquantd checks them");

	if (strcmp(subject->device.driver, "veth") == 0) {
		check_veth_peer(subject, finding);
		return;
	}
	if (strcmp(subject->device.driver, "virtio_net") == 0 ||
	    strcmp(subject->device.driver, "tun") == 0) {
		arq_finding_say(finding, ARQ_FINDING_WARNING,
				"%s: datagrams from the same host may come without",
				subject->device.driver);
		arq_finding_advise(finding,
				   "where that happens (arquantd counts them), turn "
				   "transmit checksum offload off at the sender: 'ethtool -K IFACE "
				   "tx off'");
		return;
	}
	arq_finding_say(finding, ARQ_FINDING_OK, "from the wire");
}

/* --- the chain -------------------------------------------------------------------------------- */

/* Reads what libxdp wrote into its dispatcher. Returns false for one of another protocol. */
static bool read_config_map(uint32_t id, struct xdp_dispatcher_config *config)
{
	struct bpf_map_info info = {0};
	__u32 length = sizeof(info);
	const __u32 zero = 0;
	bool found = false;

	int map = bpf_map_get_fd_by_id(id);
	if (map < 0)
		return false;
	if (bpf_map_get_info_by_fd(map, &info, &length) == 0 && info.type == BPF_MAP_TYPE_ARRAY &&
	    info.value_size == sizeof(*config))
		found = bpf_map_lookup_elem(map, &zero, config) == 0 &&
			config->magic == XDP_DISPATCHER_MAGIC;
	close(map);
	return found;
}

static bool read_config(uint32_t dispatcher, struct xdp_dispatcher_config *config)
{
	uint32_t ids[MAPS_MAX];
	struct bpf_prog_info info = {.nr_map_ids = MAPS_MAX, .map_ids = (uintptr_t)ids};
	__u32 length = sizeof(info);
	bool found = false;

	int program = bpf_prog_get_fd_by_id(dispatcher);
	if (program < 0)
		return false;
	int code = bpf_prog_get_info_by_fd(program, &info, &length);
	close(program);
	for (uint32_t i = 0; code == 0 && !found && i < info.nr_map_ids && i < MAPS_MAX; i++)
		found = read_config_map(ids[i], config);
	return found;
}

static void check_holder(const struct subject *subject, struct arq_finding *finding)
{
	const struct arq_chain *chain = &subject->chain;
	const struct arq_chain_slot *holder = &chain->slots[0];

	if (holder->program >= 0) {
		arq_finding_say(finding, ARQ_FINDING_OK, "our '%s' (id %u) alone, mode %s",
				holder->name, holder->id, arq_chain_mode_name(chain));
		return;
	}
	if (chain->unreadable) {
		arq_finding_say(finding, ARQ_FINDING_FAILED,
				"a libxdp dispatcher (id %u) whose pins in %s/xdp cannot be read",
				chain->id, arq_kernel_bpffs());
		arq_finding_advise(finding,
				   "run this where that directory is seen, or 'xdp-loader "
				   "unload %s --all'",
				   subject->name);
		return;
	}
	arq_finding_say(finding, ARQ_FINDING_FAILED,
			"'%s' (id %u) alone, outside a dispatcher: nothing can be chained with it",
			holder->name, holder->id);
	arq_finding_advise(finding, "stop what loaded it, or 'ip link set dev %s %s off'",
			   subject->name, chain->mode == ARQ_CHAIN_GENERIC ? "xdpgeneric" : "xdp");
}

static void check_dispatcher(const struct subject *subject, struct arq_finding *finding)
{
	const struct arq_chain *chain = &subject->chain;
	unsigned int own = arq_chain_count_own(chain);
	unsigned int free_slots = ARQ_CHAIN_SLOTS - chain->slots_count;
	bool full = free_slots < SLOTS_OF_OURS;
	bool generic = chain->mode == ARQ_CHAIN_GENERIC;
	arq_finding_say(finding,
			full && !own      ? ARQ_FINDING_FAILED
			: full || generic ? ARQ_FINDING_WARNING
					  : ARQ_FINDING_OK,
			"libxdp dispatcher %u, protocol %u, mode %s: %u of ours, %u of others, %u "
			"free",
			chain->id, arq_dispatcher_protocol(chain->id), arq_chain_mode_name(chain),
			own, chain->slots_count - own, free_slots);
	if (full)
		arq_finding_advise(finding,
				   own ? "a load over ours needs free slots for a moment; "
					 "'arquant unload %s' first"
				       : "'xdp-loader status %s' shows whose programs "
					 "could go; '--bundle' takes one slot",
				   subject->name);
	else if (generic)
		arq_finding_advise(finding, "generic mode is slow; unload all programs and load "
					    "with '--mode native' where the driver can");
}

static void check_chain(const struct subject *subject, const struct arq_error *unreadable,
			struct arq_diagnosis *diagnosis)
{
	struct arq_finding *finding = arq_finding_add(
		diagnosis, "chain", "no program, or a libxdp dispatcher with 3 free slots");

	if (!subject->has_chain) {
		arq_finding_say(finding, ARQ_FINDING_WARNING, "unknown: %s", unreadable->text);
		return;
	}
	switch (subject->chain.kind) {
	case ARQ_CHAIN_NONE:
		arq_finding_say(finding, ARQ_FINDING_OK, "no XDP program");
		return;
	case ARQ_CHAIN_SINGLE:
		check_holder(subject, finding);
		return;
	case ARQ_CHAIN_DISPATCHER:
		check_dispatcher(subject, finding);
		return;
	}
}

/* --- frames of more than a page --------------------------------------------------------------- */

/* Names of programs in the chain that do not take frames in several buffers. */
static void name_narrow(const struct arq_chain *chain, char *names, size_t size)
{
	struct xdp_dispatcher_config config;

	names[0] = '\0';
	if (!read_config(chain->id, &config))
		return;
	for (unsigned int i = 0; i < chain->slots_count; i++) {
		size_t length = strlen(names);
		if (!(config.program_flags[i] & BPF_F_XDP_HAS_FRAGS))
			snprintf(names + length, size - length, "%s%s", length ? ", " : "",
				 chain->slots[i].name);
	}
}

static void check_large(const struct subject *subject, struct arq_finding *finding)
{
	const struct arq_chain *chain = &subject->chain;
	const struct arq_device *device = &subject->device;
	char names[96];

	if (subject->has_chain && !arq_chain_takes_frags(chain)) {
		name_narrow(chain, names, sizeof(names));
		arq_finding_say(finding, ARQ_FINDING_FAILED,
				"%u, and not all of the chain take frames in several buffers: %s",
				device->mtu, names[0] ? names : "it does not tell who");
		arq_finding_advise(finding,
				   "'ip link set dev %s mtu %d'; or have every program declare it "
				   "(SEC(\"xdp.frags\")) and loaded by other means than xdp-loader "
				   "1.3, which forgets it",
				   subject->name, MTU_PAGE);
		return;
	}
	if (device->xdp_features & ARQ_XDP_BASIC && !(device->xdp_features & ARQ_XDP_RX_SG)) {
		arq_finding_say(finding, ARQ_FINDING_FAILED,
				"%u, and driver %s takes no frames in several buffers", device->mtu,
				driver_name(subject));
		arq_finding_advise(finding, "'ip link set dev %s mtu %d'", subject->name, MTU_PAGE);
		return;
	}
	arq_finding_say(finding, ARQ_FINDING_WARNING, "%u: frames come in several buffers",
			device->mtu);
	arq_finding_advise(finding,
			   "our programs take them, but what does not fit into arquantd's "
			   "sockets is lost: keep datagrams to it below %d bytes of IP",
			   MTU_SOCKET);
}

static void check_mtu(const struct subject *subject, struct arq_diagnosis *diagnosis)
{
	uint32_t mtu = subject->device.mtu;
	struct arq_finding *finding = arq_finding_add(
		diagnosis, "MTU", "a frame in one buffer, or a chain that takes several");

	if (mtu > MTU_PAGE) {
		check_large(subject, finding);
		return;
	}
	bool large = mtu > MTU_SOCKET;
	arq_finding_say(finding, large ? ARQ_FINDING_WARNING : ARQ_FINDING_OK, "%u", mtu);
	if (large)
		arq_finding_advise(finding,
				   "what does not fit into arquantd's sockets is lost: "
				   "keep datagrams to it below %d bytes of IP",
				   MTU_SOCKET);
}

int arq_doctor_interface(const char *interface, struct arq_diagnosis *diagnosis,
			 struct arq_error *error)
{
	struct subject subject = {.name = interface};
	struct arq_error unreadable = {0};

	int code = arq_device_read(interface, &subject.device, error);
	if (code)
		return code;
	code = arq_kernel_check_privileges(&unreadable);
	if (code == 0)
		code = arq_chain_read(interface, &subject.chain, &unreadable);
	subject.has_chain = code == 0;

	check_state(&subject, diagnosis);
	check_native(&subject, diagnosis);
	check_zero_copy(&subject, diagnosis);
	check_queues(&subject, diagnosis);
	check_merging(&subject, diagnosis);
	check_vlan(&subject, diagnosis);
	check_checksums(&subject, diagnosis);
	check_mtu(&subject, diagnosis);
	check_chain(&subject, &unreadable, diagnosis);
	return 0;
}
