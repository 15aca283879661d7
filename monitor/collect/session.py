"""One MQTT 3.1.1 session whose messages come in batches of bytes."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from monitor.clock import Clock
from monitor.collect.connection import Connection
from monitor.collect.login import read_login
from monitor.config import MqttLink
from monitor.errors import SourceLost

POLL = 0.010  # s between reads: more messages a wake-up, at 35,000/s half the cost of reading at each event
BUSY_POLL = 0.020  # s while a read brings BUSY messages and more: what a batch costs by itself is then shared by twice as many
BUSY = 200  # 20,000 messages/s


@dataclass(frozen=True, slots=True)
class Ack:
    """Packet ids and the connection they came on; on another connection they mean other messages."""

    ids: list[int]
    connection: object


@dataclass(slots=True)
class Batch:
    """Messages in arrival order, row by row; the reader owns the lists. May hold nothing but ids of messages that were dropped."""

    topics: list[bytes]
    payloads: list[bytes]
    retained: list[int]  # rows that carried RETAIN: snapshots, not events
    ack: Ack
    received: float  # s since 1970 UTC, when the last of them was read


class Session:
    """A broker session; may be entered again after it was left: files are read anew, counts go on.

    Reading is pulled by the consumer of `batches`: while it works, TCP holds the broker. Longer than the keepalive (or than
    the broker's patience, 10 s on nats-server) loses the link. With QoS 1 the session is persistent, its client id fixed, and
    the broker sends again what was not acknowledged: nats-server after its `ack_wait`, mosquitto at the next connect.

    `bulk` is False where messages go through paho one by one, at some 30 times the cost: asked for, or because paho or
    aiomqtt are not those that reading in bulk was built for. `findings` then says so, and which filters got less than the
    QoS they asked for. `dropped` counts by reason: oversize, malformed, session_full.

    Args:
        settings: `timeout` is the deadline of connecting and of subscribing, each.
        clock: stamps batches; waits on the network are real time.
        bulk: False asks for the path through paho.

    """

    def __init__(self, settings: MqttLink, clock: Clock, *, bulk: bool = True) -> None:
        self.name = settings.name
        self.bulk = bulk
        self.findings: list[str] = []
        self.dropped: Counter[str] = Counter()
        self._settings = settings
        self._clock = clock
        self._wanted = bulk
        self._connection: Connection | None = None

    async def __aenter__(self) -> Self:
        """Connect, log in and subscribe.

        Raises:
            SourceRefused: a file, login, certificate or subscription was refused; the text names it.
            SourceLost: anything else that kept the link from coming up within its deadline.

        """
        if self._connection is not None:
            raise RuntimeError(f"session {self.name} is already entered")
        login = await asyncio.to_thread(read_login, self._settings)
        connection = Connection(self._settings, login, self.dropped, bulk=self._wanted)
        try:
            weaker = await connection.open()
        except BaseException:
            await connection.close()
            raise
        self._connection = connection
        self.bulk = connection.bulk
        self.findings = [
            f"{connection.where}: {topic} was granted QoS {qos}, not {self._settings.qos}: messages can be lost" for topic, qos in weaker
        ]
        if self._wanted and not self.bulk:
            self.findings.append(
                f"{connection.where}: messages are received one by one, at some 30 times the cost: {connection.fault}; "
                "install the versions of the lock file"
            )
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    async def batches(self) -> AsyncIterator[Batch]:
        """Yield what came, every 10 ms, or every 20 ms while much comes.

        Raises:
            SourceLost: the link is gone; everything that came before was yielded.

        """
        connection = self._connection
        if connection is None:
            raise RuntimeError(f"session {self.name} is not entered")
        loop = asyncio.get_running_loop()
        due, poll = loop.time(), POLL
        while True:
            await asyncio.sleep(max(0.0, due - loop.time()))
            due = loop.time() + poll
            if connection.pull():
                due = 0.0
            lost = connection.lost
            topics, payloads, retained, ids = connection.take()
            poll = BUSY_POLL if len(topics) >= BUSY else POLL
            if topics or ids:
                yield Batch(topics, payloads, retained, Ack(ids, connection), self._clock.now())
            if lost:
                raise SourceLost(f"{connection.where}: {await connection.reason()}")

    async def acknowledge(self, batch: Batch) -> bool:
        """Send the PUBACKs of a batch in one write. False: its connection is gone, and the broker will send it again."""
        connection = self._connection
        if connection is None or batch.ack.connection is not connection or connection.lost:
            return False
        await connection.acknowledge(batch.ack.ids)
        return True
