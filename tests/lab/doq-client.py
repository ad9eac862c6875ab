#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""
doq-client.py ADDRESS PORT NAME QUERIES CONNECTIONS STREAMS

DNS over QUIC (RFC 9250) by aioquic: QUERIES for TXT records of nN.NAME over CONNECTIONS, STREAMS at
a time on each, the next as soon as one has ended. An answer must carry the record of its own
question. A line for every hundred that ended, then JSON: answered, failed by what became of them,
and how long after the start the first and the last failure came.
"""
import asyncio
import json
import ssl
import struct
import sys
import time

from aioquic.asyncio import QuicConnectionProtocol, connect
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import ConnectionTerminated, StopSendingReceived, StreamDataReceived, StreamReset

PATIENCE = 20  # seconds for one answer
CLASS_IN, TYPE_TXT = 1, 16


def question(name):
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    return labels + b"\0" + struct.pack("!HH", TYPE_TXT, CLASS_IN)


def message(name):
    # Message ids are 0 (section 4.2.1); one question, recursion not asked for.
    query = struct.pack("!HHHHHH", 0, 0, 1, 0, 0, 0) + question(name)
    return struct.pack("!H", len(query)) + query


def check(name, data):
    """What is wrong with an answer; None when nothing is."""
    if len(data) < 14 or struct.unpack("!H", data[:2])[0] != len(data) - 2:
        return f"{len(data)} bytes that are no message"
    _, flags, questions, answers = struct.unpack("!HHHH", data[2:10])
    if not flags & 0x8000 or flags & 0xF or questions != 1 or answers != 1:
        return f"flags {flags:#x}, {questions} questions, {answers} answers"
    asked = question(name)
    text = name.split(".")[0].encode()
    if data[14:14 + len(asked)].lower() != asked or not data.endswith(bytes([len(text)]) + text):
        return "the answer to another question"
    return None


class Client(QuicConnectionProtocol):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.open = {}  # stream: [future, bytes so far]

    def end(self, stream, result):
        waiting = self.open.pop(stream, None)
        if waiting and not waiting[0].done():
            waiting[0].set_result(result(waiting[1]))

    def quic_event_received(self, event):
        if isinstance(event, StreamDataReceived) and event.stream_id in self.open:
            self.open[event.stream_id][1] += event.data
            if event.end_stream:
                self.end(event.stream_id, lambda data: data)
        elif isinstance(event, StreamReset):
            self.end(event.stream_id, lambda _: f"reset {event.error_code:#x}")
        elif isinstance(event, StopSendingReceived):
            pass
        elif isinstance(event, ConnectionTerminated):
            for stream in list(self.open):
                self.end(stream, lambda _: f"connection ended {event.error_code:#x}")

    async def ask(self, name):
        stream = self._quic.get_next_available_stream_id()
        self.open[stream] = [asyncio.get_running_loop().create_future(), b""]
        future = self.open[stream][0]
        self._quic.send_stream_data(stream, message(name), end_stream=True)
        self.transmit()
        try:
            result = await asyncio.wait_for(future, PATIENCE)
        except asyncio.TimeoutError:
            self.open.pop(stream, None)
            return "no answer"
        return result if isinstance(result, str) else check(name, result)


async def main():
    address, port, name, queries, connections, streams = sys.argv[1:]
    numbers = iter(range(int(queries)))
    begun = time.monotonic()
    failures, times, count = {}, [], {"ended": 0, "answered": 0}

    async def work(client):
        for number in numbers:
            why = await client.ask(f"n{number}.{name}")
            if why:
                failures[why] = failures.get(why, 0) + 1
                times.append(time.monotonic() - begun)
            count["answered"] += why is None
            count["ended"] += 1
            if count["ended"] % 100 == 0:
                print(count["ended"], flush=True)

    async def one():
        configuration = QuicConfiguration(alpn_protocols=["doq"], is_client=True,
                                          server_name="localhost", verify_mode=ssl.CERT_NONE)
        async with connect(address, int(port), configuration=configuration,
                           create_protocol=Client) as client:
            await asyncio.gather(*(work(client) for _ in range(int(streams))))

    await asyncio.gather(*(one() for _ in range(int(connections))))
    print(json.dumps({"answered": count["answered"], "failed": sum(failures.values()),
                      "failures": failures, "first": min(times, default=0),
                      "last": max(times, default=0), "seconds": time.monotonic() - begun}))


asyncio.run(main())
