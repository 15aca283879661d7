"""EVERYTHING TO DISK: alerts and the plant to SQLite, telemetry to Parquet, alerts on to InfluxDB, and the way to ask for them again.

DIR/monitor.db      alerts, their changes, the plant, what waits for InfluxDB   `embedded`, one writer, many readers
DIR/acts.db         what people did, insert-only, written by any process        `acts`
DIR/history/        telemetry as Parquet segments                               `history`
"""

from asyncio import Event
from collections.abc import Mapping, Sequence
from typing import Protocol

from monitor.model import Alert
from monitor.plant import Plant


class Store(Protocol):
    """Keeps alerts and the plant. Reads see every append that returned before them. Writes raise StoreFull or StoreLost."""

    async def append(self, alerts: Sequence[Alert]) -> Sequence[Alert]:
        """Return, once all are safe on disk, those that were news. All or nothing; the same batch twice is stored once."""
        ...

    async def save_plant(self, plant: Plant) -> None:
        """Make the stored snapshot equal the plant; cheap when nothing changed."""
        ...

    def open_alerts(self) -> Sequence[Alert]: ...

    def episodes(self) -> Mapping[tuple[str, str, str], int]:
        """Return the newest episode of each (rule, asset, point)."""
        ...


class Outbox(Protocol):
    """Lines that wait for InfluxDB, oldest first. A line leaves only by `done` or `refuse`; raises StoreFull or StoreLost."""

    filled: Event  # set when a line was put in; whoever waits for it clears it first

    async def take(self, most_lines: int, most_bytes: int) -> Sequence[tuple[int, str]]:
        """Return (id, line) of the oldest lines, at least one where there is one; they stay in the box."""
        ...

    async def done(self, ids: Sequence[int]) -> None: ...

    async def refuse(self, ids: Sequence[int], words: str) -> None:
        """Set lines aside with the words of the server that refused them."""
        ...
