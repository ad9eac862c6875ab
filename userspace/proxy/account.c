// SPDX-License-Identifier: BSD-2-Clause
#include "userspace/proxy/account.h"

#include "userspace/proxy/state.h"

#include <stdlib.h>
#include <string.h>

/* --- the record ---------------------------------------------------------------------------------
 */

static struct arq_h3_text cut(struct arq_h3_text text)
{
	if (text.length > ARQ_RECORD_TEXT_MAX)
		text.length = ARQ_RECORD_TEXT_MAX;
	return text;
}

static const struct arq_h3_field *find(const struct arq_h3_request *request, const char *name)
{
	size_t length = strlen(name);
	for (size_t i = 0; i < request->field_count; i++) {
		const struct arq_h3_text *one = &request->fields[i].name;
		if (one->length == length && memcmp(one->data, name, length) == 0)
			return &request->fields[i];
	}
	return NULL;
}

/* Texts are borrowed, until record_create copies them. */
static void name_texts(const struct arq_tally_requests *row,
		       const struct arq_quic_connection *client, struct arq_h3_text *texts)
{
	for (size_t i = 0; i < ARQ_RECORD_TEXTS; i++)
		texts[i] = arq_h3_text("");
	for (size_t i = 0; i < ARQ_TALLY_NAMES; i++)
		texts[ARQ_RECORD_LISTENER + i] = cut(arq_h3_text(row->row.names[i]));
	texts[ARQ_RECORD_ALPN] = arq_h3_text(arq_quic_connection_alpn(client));
}

/* Returns how many there are with the headers'. */
static size_t request_texts(const struct arq_proxy *proxy, const struct arq_h3_request *request,
			    struct arq_h3_text *texts)
{
	const struct arq_config_access_log *config =
		&arq_view_shared(proxy->view)->gateway->access_log;
	size_t count = ARQ_RECORD_TEXTS;
	texts[ARQ_RECORD_METHOD] = cut(request->method);
	texts[ARQ_RECORD_SCHEME] = cut(request->scheme);
	texts[ARQ_RECORD_HOST] = cut(request->authority);
	texts[ARQ_RECORD_PATH] = cut(request->path);
	for (uint32_t i = 0; i < config->request_headers_count; i++) {
		const struct arq_h3_field *field = find(request, config->request_headers[i]);
		if (!field)
			continue;
		texts[count++] = cut(field->name);
		texts[count++] = cut(field->value);
	}
	return count;
}

/* Where the target's text is copied to once there is one: it may leave before the request ends. */
static char *target_room(struct arq_record *record)
{
	return (char *)(record + 1);
}

/* The record, and what its texts point to behind it. */
static struct arq_record *record_create(const struct arq_h3_text *texts, size_t count)
{
	size_t length = sizeof(struct arq_record);
	for (size_t i = 0; i < count; i++)
		length += texts[i].length;
	struct arq_record *record = malloc(length + ARQ_ADDRESS_TEXT_MAX);
	if (!record)
		return NULL;
	memset(record, 0, sizeof(*record));
	char *end = target_room(record) + ARQ_ADDRESS_TEXT_MAX;
	for (size_t i = 0; i < count; i++) {
		record->texts[i] = (struct arq_h3_text){end, texts[i].length};
		if (texts[i].length > 0)
			memcpy(end, texts[i].data, texts[i].length);
		end += texts[i].length;
	}
	record->headers = (uint8_t)((count - ARQ_RECORD_TEXTS) / 2);
	return record;
}

/* Without memory it is lost, and counted. */
static void begin_record(struct arq_account *account, const struct arq_proxy *proxy,
			 const struct arq_quic_connection *client, const struct arq_h3_text *texts,
			 size_t count)
{
	struct arq_record *record = account->record = record_create(texts, count);
	if (!record) {
		proxy->sink.take(proxy->sink.user, NULL);
		return;
	}
	record->client = arq_quic_connection_path(client)->remote;
	record->version = arq_quic_connection_version(client);
	record->rtt = arq_quic_connection_rtt(client);
	record->begun = account->begun;
	record->queue = record->connect = record->response = ARQ_RECORD_NONE;
}

static void end_record(struct arq_account *account, const struct arq_proxy *proxy,
		       const struct arq_quic_connection *client, uint64_t duration)
{
	struct arq_record *record = account->record;
	record->duration = duration;
	record->received = account->received;
	record->sent = account->sent;
	record->status = (uint16_t)account->status;
	if (client)
		record->rtt = arq_quic_connection_rtt(client);
	proxy->sink.take(proxy->sink.user, record);
	free(record);
	account->record = NULL;
}

static const struct arq_quic_connection *connection_of(const struct arq_h3_stream *client)
{
	return arq_h3_session_connection(arq_h3_stream_session(client));
}

/* --- the account --------------------------------------------------------------------------------
 */

void arq_account_begin(struct arq_account *account, const struct arq_proxy *proxy,
		       struct arq_tally_requests *row, const struct arq_h3_stream *client,
		       const struct arq_h3_request *request)
{
	*account = (struct arq_account){.row = row, .begun = proxy->context.now};
	if (!proxy->sink.take)
		return;
	struct arq_h3_text texts[ARQ_RECORD_TEXTS + 2 * ARQ_CONFIG_LOG_HEADERS_MAX];
	name_texts(row, connection_of(client), texts);
	size_t count = request_texts(proxy, request, texts);
	begin_record(account, proxy, connection_of(client), texts, count);
	if (account->record)
		account->record->early = request->early;
}

void arq_account_begin_stream(struct arq_account *account, const struct arq_proxy *proxy,
			      struct arq_tally_requests *row,
			      const struct arq_quic_connection *client)
{
	*account = (struct arq_account){.row = row, .begun = proxy->context.now};
	if (!proxy->sink.take)
		return;
	struct arq_h3_text texts[ARQ_RECORD_TEXTS];
	name_texts(row, client, texts);
	texts[ARQ_RECORD_HOST] = cut(arq_h3_text(arq_quic_connection_server_name(client)));
	begin_record(account, proxy, client, texts, ARQ_RECORD_TEXTS);
	if (account->record)
		account->record->early = arq_quic_connection_early(client);
}

void arq_account_started(struct arq_account *account, const struct arq_proxy *proxy,
			 const struct arq_pool_ticket *ticket)
{
	struct arq_record *record = account->record;
	if (!record)
		return;
	record->connect = ticket->connect;
	record->queue = proxy->context.now - account->begun - ticket->connect;
	record->response = ARQ_RECORD_NONE;
	record->tries++;
	record->error_by = ARQ_RECORD_NOBODY;
	memccpy(target_room(record), arq_pool_ticket_target(ticket), 0, ARQ_ADDRESS_TEXT_MAX);
	record->texts[ARQ_RECORD_TARGET] = arq_h3_text(target_room(record));
}

void arq_account_answered(struct arq_account *account, const struct arq_proxy *proxy,
			  unsigned int status)
{
	struct arq_record *record = account->record;
	account->status = status;
	if (record && record->queue != ARQ_RECORD_NONE && record->response == ARQ_RECORD_NONE)
		record->response =
			proxy->context.now - account->begun - record->queue - record->connect;
}

void arq_account_failed(struct arq_account *account, enum arq_record_party by, uint64_t code)
{
	struct arq_record *record = account->record;
	if (!record || record->error_by != ARQ_RECORD_NOBODY)
		return;
	record->error_by = (uint8_t)by;
	record->error_code = code;
}

void arq_account_end(struct arq_account *account, const struct arq_proxy *proxy,
		     const struct arq_h3_stream *client)
{
	struct arq_tally_requests *row = account->row;
	uint64_t duration = proxy->context.now - account->begun;
	row->ended[arq_tally_class(account->status)]++;
	row->received += account->received;
	row->sent += account->sent;
	arq_histogram_observe(&row->duration, duration);
	if (account->record)
		end_record(account, proxy, connection_of(client), duration);
}

void arq_account_end_stream(struct arq_account *account, const struct arq_proxy *proxy,
			    const struct arq_quic_connection *client)
{
	if (!account->row)
		return;
	account->row->received += account->received;
	account->row->sent += account->sent;
	if (account->record)
		end_record(account, proxy, client, proxy->context.now - account->begun);
}
