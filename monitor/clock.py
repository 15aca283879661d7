"""The only module that asks the time."""

import asyncio
import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Event time and waiting, both on one scale."""

    def now(self) -> float:
        """Return event time, seconds since 1970 UTC."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait for so many seconds of event time."""
        ...


class WallClock:
    """The host's clock, or a scaled one.

    With `start`, event time begins there at construction and runs `rate` times faster than real time
    (from the monotonic clock, so a step of the host's clock cannot reach it). Without, it is the host's.

    Args:
        rate: event seconds a real second, > 0.
        start: seconds since 1970 UTC, or None for the host's time.
        at: host time, seconds since 1970 UTC, at which event time is `start`, so that processes agree; None for now.

    """

    def __init__(self, rate: float = 1.0, start: float | None = None, at: float | None = None) -> None:
        if not rate > 0:
            raise ValueError(f"clock rate is {rate}; it must be above 0")
        self.rate = rate
        self._scaled = start is not None or rate != 1.0
        self._start = time.time() if start is None else start
        self._origin = time.monotonic() - (0.0 if at is None else time.time() - at)

    def now(self) -> float:
        if not self._scaled:
            return time.time()
        return self._start + (time.monotonic() - self._origin) * self.rate

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(0.0, seconds) / self.rate)


class ManualClock:
    """A clock that a test moves; sleepers wake when it passes their time."""

    def __init__(self, start: float = 0.0) -> None:
        self._now = start
        self._moved = asyncio.Event()

    def now(self) -> float:
        return self._now

    def move(self, seconds: float) -> None:
        self._now += seconds
        self._moved.set()
        self._moved = asyncio.Event()

    async def sleep(self, seconds: float) -> None:
        due = self._now + seconds
        while self._now < due:
            await self._moved.wait()


def iso(seconds: float) -> str:
    """Write a time as ISO 8601 UTC with milliseconds.

    >>> iso(1767225600.25)
    '2026-01-01T00:00:00.250Z'
    """
    return datetime.fromtimestamp(round(seconds, 3), UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def parse_time(text: str) -> float:
    """Read ISO 8601 (UTC where no zone is given) or seconds since 1970.

    >>> parse_time("2026-01-01T00:00:00Z")
    1767225600.0

    Raises:
        ValueError: neither form.

    """
    try:
        return float(text)
    except ValueError:
        moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
