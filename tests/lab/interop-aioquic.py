# SPDX-License-Identifier: BSD-2-Clause
"""interop-aioquic.py [OPTIONS] ADDRESS PORT HOST PATH: an HTTP/3 client on aioquic.

Fetches PATH and says what it saw of the features that the options ask for. Certificates are not
checked. Used by tests/lab/interop-peers.
"""
import argparse
import asyncio
import ssl

from aioquic.asyncio.client import connect
from aioquic.asyncio.protocol import QuicConnectionProtocol
from aioquic.h3.connection import H3_ALPN, H3Connection
from aioquic.h3.events import DataReceived, HeadersReceived
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import StreamReset
from aioquic.quic.packet import QuicProtocolVersion
from aioquic.tls import CipherSuite

PATIENCE = 60  # seconds, for one answer
AT_A_TIME = 50  # requests; servers allow a hundred


class Client(QuicConnectionProtocol):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.http = H3Connection(self._quic)
        self.answers = {}

    def quic_event_received(self, event):
        if isinstance(event, StreamReset) and event.stream_id in self.answers:
            self.answers[event.stream_id][2].set_exception(ConnectionError("stream was reset"))
        for one in self.http.handle_event(event):
            answer = self.answers.get(one.stream_id)
            if answer is None:
                continue
            if isinstance(one, HeadersReceived):
                answer[0] = dict(one.headers).get(b":status", b"").decode()
            elif isinstance(one, DataReceived):
                answer[1] += one.data
            if one.stream_ended and not answer[2].done():
                answer[2].set_result(None)

    async def get(self, host, path):
        stream = self._quic.get_next_available_stream_id()
        self.answers[stream] = ["", bytearray(), asyncio.get_running_loop().create_future()]
        self.http.send_headers(
            stream,
            [(b":method", b"GET"), (b":scheme", b"https"), (b":authority", host.encode()),
             (b":path", path.encode())],
            end_stream=True,
        )
        self.transmit()
        await asyncio.wait_for(self.answers[stream][2], PATIENCE)
        status, body, _ = self.answers.pop(stream)
        if status != "200":
            raise ConnectionError("status " + status)
        return bytes(body)


async def visit(options, ticket, tickets):
    configuration = QuicConfiguration(
        is_client=True, alpn_protocols=H3_ALPN, server_name=options.host,
        verify_mode=ssl.CERT_NONE, session_ticket=ticket,
    )
    if options.version2:
        configuration.supported_versions = [QuicProtocolVersion.VERSION_2]
        configuration.original_version = QuicProtocolVersion.VERSION_2
    if options.chacha20:
        configuration.cipher_suites = [CipherSuite.CHACHA20_POLY1305_SHA256]
    early = options.early and ticket is not None
    async with connect(
        options.address, options.port, configuration=configuration, create_protocol=Client,
        session_ticket_handler=tickets.append, wait_connected=not early,
    ) as client:
        if options.key_update:
            await client.ping()
            client.request_key_update()
        body = await client.get(options.host, options.path)
        done = 1
        while done < options.requests:
            count = min(AT_A_TIME, options.requests - done)
            await asyncio.gather(*(client.get(options.host, options.path) for _ in range(count)))
            done += count
        await client.ping()
        quic = client._quic
        print(f"{done} answers")
        print(f"version {quic._version:#x}")
        print(f"cipher suite {quic.tls.key_schedule.cipher_suite.name}")
        if options.key_update and quic._cryptos[list(quic._cryptos)[-1]].key_phase:
            print("keys updated")
        if quic.tls.session_resumed:
            print("resumed")
        if quic.tls.early_data_accepted:
            print("early data accepted")
        for _ in range(50):  # tickets come after the handshake
            if tickets:
                break
            await asyncio.sleep(0.1)
    return body


async def main():
    parser = argparse.ArgumentParser()
    for flag in ("key-update", "again", "early", "version2", "chacha20"):
        parser.add_argument("--" + flag, action="store_true")
    parser.add_argument("--requests", type=int, default=1)
    parser.add_argument("--output", required=True)
    parser.add_argument("address")
    parser.add_argument("port", type=int)
    parser.add_argument("host")
    parser.add_argument("path")
    options = parser.parse_args()
    tickets = []
    body = await visit(options, None, tickets)
    if options.again:
        if not tickets:
            raise ConnectionError("no session ticket came")
        body = await visit(options, tickets[-1], tickets)
    with open(options.output, "wb") as file:
        file.write(body)


asyncio.run(main())
