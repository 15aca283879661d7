"""A publisher of DSX messages as fast as a broker takes them: `python -m monitor.bench.publisher --port N --topics 20000 --messages M`.

It owns a raw socket and speaks MQTT 3.1.1, QoS 0. First comes the retained metadata of every topic: whole simulated pods, so
that rules bind. Then rounds of values, one of each topic, out of packets that were made beforehand; only the timestamps
are written into them as they leave.

What a consumer can check: the timestamps of one topic strictly increase, so nothing came twice or out of order; and of M messages the
first M % N topics have one more than the others, so nothing was lost.

On standard output it writes one JSON object a line: `{"ready": true, ...}` when the broker has the metadata, and the totals at the end.
On standard input it reads, one number a line, how many messages the consumer has seen (with --window), or any line as the
start of the values (with --hold). It ends when standard input closes in between.
"""

import argparse
import os
import select
import socket
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np

from monitor.bench import child
from monitor.errors import SourceLost
from monitor.model import I64, U8
from monitor.simulate.dsx import value_payload
from monitor.simulate.dsx_points import DsxPoint, points
from monitor.simulate.fleet import Fleet
from monitor.simulate.packets import connect, publish

RACKS = 40  # of a pod
_LEAST = 1000  # topics that each pod has at least
VARIANTS = 8  # rounds with values of their own; then they repeat, so no point looks stuck
_STAMP = b'"timestamp":'
_DIGITS = 13  # of a timestamp in ms, until the year 2286
_PING, _PONG = b"\xc0\x00", b"\xd0\x00"


@dataclass(frozen=True, slots=True)
class Round:
    """The packets of all topics behind each other. `end` is where each ends, `stamp` where the digits of its timestamp begin; shape (N,)."""

    packets: U8
    end: I64
    stamp: I64

    @classmethod
    def of(cls, packets: Sequence[bytes]) -> "Round":
        size = np.array([len(packet) for packet in packets], np.int64)
        end = np.cumsum(size)
        at = [packet.rindex(_STAMP) + len(_STAMP) for packet in packets]
        return cls(np.frombuffer(bytearray(b"".join(packets)), np.uint8), end, end - size + at)

    def chunk(self, first: int, last: int, stamp: int) -> memoryview:
        """Write a timestamp in ms into the packets from `first` to before `last` and return their bytes."""
        digits = np.frombuffer(b"%d" % stamp, np.uint8)
        self.packets[self.stamp[first:last, None] + np.arange(_DIGITS)] = digits
        begin = int(self.end[first - 1]) if first else 0
        return memoryview(self.packets)[begin : int(self.end[last - 1])]  # type: ignore[arg-type]


class Plan:
    """What is published: the metadata and the rounds of values of N topics."""

    def __init__(self, topics: int, variants: int = VARIANTS) -> None:
        described: list[DsxPoint] = []
        values: list[list[float]] = [[] for _ in range(variants)]
        fleet = Fleet(-(-topics // _LEAST) * RACKS, start=0.0, seed=1, pod_racks=RACKS, detail=0, settle=60.0)
        for pod in fleet.pods:
            described += points(pod.physics, "bench")
        for variant in values:
            for pod in fleet.pods:
                variant.extend(pod.values[[point.row for point in points(pod.physics, "bench")]].tolist())
            fleet.advance(fleet.time + 1)
        self.points = described[:topics]
        # A pod's points are in the order of their rows.
        self.rounds = [
            Round.of(
                [
                    publish(point.value_topic.encode(), value_payload(value, point.decimals, 1e9))
                    for point, value in zip(self.points, variant, strict=False)
                ]
            )
            for variant in values
        ]

    def metadata(self) -> Iterator[bytes]:
        for point in self.points:
            yield publish(point.metadata_topic.encode(), point.metadata, retain=True)


class Link:
    """One plain connection with a clean session."""

    def __init__(self, host: str, port: int, name: str) -> None:
        try:
            self.socket = socket.create_connection((host, port), timeout=60)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.send(connect(name.encode()))
            answer = self._read(4)
        except OSError as error:
            raise SourceLost(f"{host}:{port}: {error}") from error
        if answer != b"\x20\x02\x00\x00":
            raise SourceLost(f"{host}:{port}: the broker answered {answer.hex()} to CONNECT")

    def send(self, data: bytes | memoryview) -> None:
        self.socket.sendall(data)

    def settle(self) -> None:
        """Wait until the broker has read all: a ping is answered in its turn."""
        self.send(_PING)
        if self._read(2) != _PONG:
            raise SourceLost("the broker did not answer a ping")

    def _read(self, size: int) -> bytes:
        found = b""
        while len(found) < size:
            part = self.socket.recv(size - len(found))
            if not part:
                raise SourceLost("the broker closed the connection")
            found += part
        return found


class Progress:
    """How far the consumer is, from numbers on standard input."""

    def __init__(self, source: int) -> None:
        self._source, self._rest = source, b""
        self.seen = 0
        self.open = True

    def wait(self, timeout: float | None) -> bool:
        """Read what is there, waiting for it at most so long (None: for ever); return whether a line came."""
        if not select.select([self._source], [], [], timeout)[0]:
            return False
        data = os.read(self._source, 65_536)
        self.open = bool(data)
        *lines, self._rest = (self._rest + data).split(b"\n")
        numbers = [int(line) for line in lines if line.isdigit()]
        self.seen = max([self.seen, *numbers])
        return bool(lines)


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast the values leave.

    `rate` is in messages a second and `window` in messages ahead of the consumer, 0: no bound; `chunk` in messages a send.
    """

    rate: float
    window: int
    chunk: int


def publish_values(link: Link, plan: Plan, messages: int, pace: Pace, progress: Progress) -> int:
    """Send the values; return how many left, fewer only when standard input closed."""
    count = len(plan.points)
    stamps: dict[int, int] = {}  # last timestamp, by the first message of a chunk
    sent = 0
    due = time.monotonic()
    for rounds in range(-(-messages // count)):
        packets = plan.rounds[rounds % len(plan.rounds)]
        for first in range(0, min(count, messages - rounds * count), pace.chunk):
            last = min(first + pace.chunk, count, messages - rounds * count)
            while pace.window and sent + last - first - progress.seen > pace.window:
                progress.wait(None)
                if not progress.open:
                    return sent
            if pace.rate:
                due = max(due, time.monotonic() - 1)  # what was missed for longer is not made up for
                if (wait := due - time.monotonic()) > 0:
                    time.sleep(wait)
                due += (last - first) / pace.rate
            while (stamp := time.time_ns() // 1_000_000) <= stamps.get(first, 0):
                time.sleep(0.0002)  # a topic speaks at most once a millisecond
            stamps[first] = stamp
            link.send(packets.chunk(first, last, stamp))
            sent += last - first
    return sent


def main(arguments: Sequence[str] | None = None) -> None:
    given = _parse(arguments)
    plan = Plan(given.topics)
    progress = Progress(sys.stdin.fileno())
    link = Link(given.host, given.port, f"bench-{os.getpid()}")
    metadata = plan.metadata()
    while batch := b"".join(islice(metadata, 500)):
        link.send(batch)
    link.settle()
    child.say(ready=True, topics=len(plan.points))
    while given.hold and progress.open and not progress.wait(None):
        pass
    begun, cpu = time.monotonic(), time.process_time()
    sent = publish_values(link, plan, given.messages, Pace(given.rate, given.window, given.chunk), progress)
    link.settle()
    elapsed = time.monotonic() - begun
    child.say(
        messages=sent,
        elapsed_s=round(elapsed, 6),
        messages_per_s=round(sent / elapsed),
        cpu_us_per_message=round(1e6 * (time.process_time() - cpu) / max(sent, 1), 3),
    )


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m monitor.bench.publisher", description="Publish DSX values at a high rate.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--topics", type=int, default=20_000, help="points; whole pods and a part")
    parser.add_argument("--messages", type=int, required=True, help="values in all")
    parser.add_argument("--rate", type=float, default=0.0, help="values a second, 0: as fast as it goes")
    parser.add_argument("--window", type=int, default=0, help="values ahead of the consumer's count on standard input, 0: no bound")
    parser.add_argument("--chunk", type=int, help="values a send; by default 500, or what --rate asks for in 5 ms")
    parser.add_argument("--hold", action="store_true", help="wait for a line on standard input before the values")
    given = parser.parse_args(arguments)
    if given.chunk is None:
        given.chunk = max(1, min(500, round(given.rate / 200) or 500))
    for name in ("topics", "messages", "chunk"):
        if getattr(given, name) < 1:
            parser.error(f"--{name} is {getattr(given, name)}; at least 1 would do")
    if 0 < given.window < given.chunk:
        parser.error(f"--window {given.window} is less than one send of {given.chunk}")
    return given


if __name__ == "__main__":
    child.serve("publisher", main)
