// SPDX-License-Identifier: BSD-2-Clause
#include "dispatcher/protocol.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <unistd.h>

/* libxdp's dispatcher has a variable of this name; what it points to has so many elements. */
#define VERSION_VARIABLE "dispatcher_version"

static unsigned int version_of(const struct btf *btf)
{
	int id = btf__find_by_name_kind(btf, VERSION_VARIABLE, BTF_KIND_VAR);
	const struct btf_type *type = id > 0 ? btf__type_by_id(btf, (uint32_t)id) : NULL;

	type = type ? btf__type_by_id(btf, type->type) : NULL;
	type = type && btf_is_ptr(type) ? btf__type_by_id(btf, type->type) : NULL;
	return type && btf_is_array(type) ? btf_array(type)->nelems : 0;
}

unsigned int arq_dispatcher_protocol(uint32_t program)
{
	struct bpf_prog_info info = {0};
	__u32 length = sizeof(info);
	unsigned int version = 0;

	int descriptor = bpf_prog_get_fd_by_id(program);
	if (descriptor < 0)
		return 0;
	int code = bpf_obj_get_info_by_fd(descriptor, &info, &length);
	close(descriptor);
	struct btf *btf = code || !info.btf_id ? NULL : btf__load_from_kernel_by_id(info.btf_id);
	if (btf)
		version = version_of(btf);
	btf__free(btf);
	return version;
}
