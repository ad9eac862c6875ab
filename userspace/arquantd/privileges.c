// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/arquantd/privileges.h"

#include <cap-ng.h>
#include <errno.h>
#include <pwd.h>
#include <unistd.h>

int arq_privileges_drop(const char *user, struct arq_error *error)
{
	const struct passwd *entry = getpwnam(user);
	if (!entry)
		return arq_error_set(error, -ENOENT,
				     "gateway.user %s does not exist; add it (useradd --system %s) "
				     "or name another",
				     user, user);
	if (geteuid() == entry->pw_uid)
		return 0;
	if (geteuid() != 0)
		return arq_error_set(error, -EPERM,
				     "only root can become gateway.user %s; run as root, or remove "
				     "gateway.user",
				     user);
	capng_clear(CAPNG_SELECT_BOTH);
	int code = capng_change_id((int)entry->pw_uid, (int)entry->pw_gid,
				   CAPNG_DROP_SUPP_GRP | CAPNG_CLEAR_BOUNDING);
	if (code != 0)
		return arq_error_set(error, -EPERM, "cannot become gateway.user %s (capng %d)",
				     user, code);
	return 0;
}
