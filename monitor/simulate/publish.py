"""The way of a fleet's messages to a broker: MQTT 3.1.1, QoS 0, on a connection of its own.

Many small messages leave in one write; a client library spends some 200 us on each (measured: 228 us with aiomqtt), which
would make the simulator and not the monitor what a benchmark measures.
"""

import asyncio
import logging
import ssl
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import floor
from types import TracebackType
from typing import Protocol, Self

from monitor.clock import Clock
from monitor.errors import SourceLost
from monitor.simulate.dsx import Spoken
from monitor.simulate.fleet import Fleet
from monitor.simulate.message import Message
from monitor.simulate.packets import connect, publish
from monitor.simulate.trouble import Bus

_AGAIN = 10.0  # s of event time between tries to reach a broker that went away
_PATIENCE = 10.0  # s of real time for connecting, and until the broker has taken a batch
_BATCH = 500  # messages a write
_REFUSED = {
    1: "it does not speak MQTT 3.1.1",
    2: "it refuses the client id",
    3: "it is not available",
    4: "wrong user or password",
    5: "not authorised",
}

log = logging.getLogger(__name__)

Told = Callable[[Spoken], None]


class Speaker(Protocol):
    """Says for one pod what is due."""

    spoken: Spoken

    def due(self) -> Iterable[Message]: ...

    def begin_anew(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Broker:
    """Where to publish, and as whom."""

    host: str = "127.0.0.1"
    port: int = 1883
    username: str | None = None
    password: str | None = None
    tls: ssl.SSLContext | None = None
    client: str = "dcmon-simulate"

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


class Link:
    """One connection with a clean session.

    Raises:
        SourceLost: on entering and sending; the broker cannot be reached, refuses or went away.

    """

    def __init__(self, broker: Broker) -> None:
        self._broker = broker

    async def __aenter__(self) -> Self:
        broker = self._broker
        try:
            async with asyncio.timeout(_PATIENCE):
                self._reader, self._writer = await asyncio.open_connection(broker.host, broker.port, ssl=broker.tls)
                self._writer.write(connect(broker.client.encode(), broker.username, broker.password))
                answer = await self._reader.readexactly(4)
        except (OSError, asyncio.IncompleteReadError) as error:
            raise SourceLost(f"{broker}: {error or 'no answer'}; is a broker listening there?") from error
        if answer[:2] != b"\x20\x02" or answer[3]:
            raise SourceLost(f"{broker}: refused: {_REFUSED.get(answer[3], f'code {answer[3]}')}")
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /) -> None:
        self._writer.write(b"\xe0\x00")  # DISCONNECT
        self._writer.close()

    async def send(self, messages: Sequence[Message]) -> None:
        try:
            for first in range(0, len(messages), _BATCH):
                self._writer.write(
                    b"".join(publish(one.topic.encode(), one.payload, retain=one.retain) for one in messages[first : first + _BATCH])
                )
                async with asyncio.timeout(_PATIENCE):
                    await self._writer.drain()
        except OSError as error:
            raise SourceLost(f"{self._broker}: {error or 'it takes nothing'}") from error
        if self._reader.at_eof():
            raise SourceLost(f"{self._broker}: the broker closed the connection")


async def run(
    fleet: Fleet,
    speakers: Sequence[Speaker],
    broker: Broker,
    clock: Clock,
    *,
    seconds: float | None = None,
    bus: Bus | None = None,
    told: Told | None = None,
) -> Spoken:
    """Publish a fleet, a step at a time, until cancelled.

    Late steps are taken, but only the newest is published, so that its timestamps stay true; `skipped` counts the others.

    Args:
        fleet: its start should be the clock's present time.
        speakers: what says for it what is due.
        broker: where to.
        clock: the one that the monitor goes by.
        seconds: of event time after which to end, None: never.
        bus: what goes wrong on the way.
        told: called after each step with the counts.

    Raises:
        SourceLost: the broker cannot be reached at the start; one that goes away later is tried again.

    """
    bus = bus or Bus(())
    connected, skipped = False, 0
    await clock.sleep(fleet.start - clock.now())
    while True:
        try:
            async with Link(broker) as link:
                if connected:
                    log.info("%s: back", broker)
                connected = True
                for speaker in speakers:
                    speaker.begin_anew()
                while True:
                    for speaker in speakers:
                        await link.send(bus.carry(speaker.due(), fleet.age))
                    spoken = sum((speaker.spoken for speaker in speakers), Spoken(skipped=skipped))
                    if told is not None:
                        told(spoken)
                    if seconds is not None and fleet.age + fleet.step > seconds:
                        await link.send(bus.rest())
                        return spoken
                    await clock.sleep(fleet.time + fleet.step - clock.now())
                    now = clock.now() if seconds is None else min(clock.now(), fleet.start + floor(seconds / fleet.step) * fleet.step)
                    skipped += max(0, fleet.advance(now) - 1)
        except SourceLost as error:
            if not connected:
                raise
            log.warning("%s; trying again", error)
        await clock.sleep(_AGAIN)
        fleet.advance(clock.now())
