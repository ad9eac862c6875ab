// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/proxy/account.h"

#include "userspace/proxy/state.h"

void arq_account_begin(struct arq_account *account, const struct arq_proxy *proxy,
		       struct arq_tally_requests *row)
{
	*account = (struct arq_account){.row = row, .begun = proxy->context.now};
}

void arq_account_end(const struct arq_account *account, const struct arq_proxy *proxy)
{
	struct arq_tally_requests *row = account->row;
	row->ended[arq_tally_class(account->status)]++;
	row->received += account->received;
	row->sent += account->sent;
	arq_histogram_observe(&row->duration, proxy->context.now - account->begun);
}
