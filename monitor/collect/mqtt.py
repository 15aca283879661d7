"""The MQTT collector: a broker session whose messages a dialect turns into readings."""

from collections.abc import AsyncIterator, Sequence
from types import TracebackType
from typing import Protocol, Self

from monitor.clock import Clock
from monitor.collect.recording import Spoken
from monitor.collect.session import Session
from monitor.config import MqttLink
from monitor.model import F64, Readings
from monitor.plant import Plant


class Dialect(Spoken, Protocol):
    """What turns a link's messages into readings, and makes points and assets of the plant on the way."""

    plant: Plant

    def decode(self, topics: Sequence[bytes], payloads: Sequence[bytes], retained: Sequence[int], received: float | F64) -> Readings: ...


class Mqtt:
    """One broker link. The dialect outlives it: descriptors stay known over a reconnect.

    Raises:
        SourceLost, SourceRefused: see `Session`.
    """

    def __init__(self, settings: MqttLink, clock: Clock, dialect: Dialect) -> None:
        self.session = Session(settings, clock)
        self.dialect = dialect

    @property
    def name(self) -> str:
        return self.session.name

    async def __aenter__(self) -> Self:
        await self.session.__aenter__()
        for text in self.session.findings:
            self.dialect.plant.findings.add("session", self.name, text)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /) -> None:
        await self.session.__aexit__(kind, error, trace)

    async def readings(self) -> AsyncIterator[Readings]:
        """Yield a batch of readings per read of the socket; with QoS 1 it is acknowledged once the caller asks for the next."""
        async for batch in self.session.batches():
            flags: list[int] = []
            if batch.retained:
                flags = [0] * len(batch.topics)
                for row in batch.retained:
                    flags[row] = 1
            yield self.dialect.decode(batch.topics, batch.payloads, flags, batch.received)
            if batch.ack.ids:
                await self.session.acknowledge(batch)
