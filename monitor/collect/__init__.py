"""Wire to readings: the seam that every collector keeps, and the table of kinds."""

from collections.abc import AsyncIterator
from types import TracebackType
from typing import Protocol, Self

from monitor.model import Readings

KINDS = {"mqtt": "monitor.collect.mqtt:Mqtt"}
"""Import path by kind: a protocol's library loads only where it is used."""


class Collector(Protocol):
    """One link to one source. Entering connects. `readings` yields until the source ends, or raises SourceLost (the supervisor
    reconnects) or SourceRefused (a person must act). It never retries, backs off, logs or swallows; a bad value goes out as
    quality 2, not as an exception. Every await on the network has a deadline; leaving twice is harmless.
    """

    @property
    def name(self) -> str: ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /) -> None: ...

    def readings(self) -> AsyncIterator[Readings]: ...
