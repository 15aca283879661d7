"""Telemetry history: readings gathered in memory, written as Parquet segments that any process may read meanwhile."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from errno import EDQUOT, ENOSPC
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from pyarrow import ArrowException

from monitor.clock import Clock
from monitor.errors import StoreError, StoreFull, StoreLost
from monitor.model import Readings
from monitor.plant import Plant
from monitor.store import segment
from monitor.store.descriptors import Descriptors, Size

log = logging.getLogger(__name__)
T = TypeVar("T")
DAY = 86_400.0
LOOK = 600.0  # s between looks for segments that are too old: a directory may hold many


class History:
    """Keeps readings in memory until a segment is due, then writes it in a thread of its own.

    Args:
        directory: where the segments are; made on entering.
        plant: its descriptors are read when a segment is written; a row's descriptor never changes.
        flush_s: longest time a reading waits, s of event time.
        flush_rows: readings that make a segment due at once.
        keep_days: age of its newest reading at which a segment is deleted; None keeps all.
        most_rows: readings kept in memory while the disk does not take them, 4 * flush_rows unless told;
            beyond it the oldest are dropped and counted.

    """

    def __init__(
        self,
        directory: Path,
        plant: Plant,
        flush_s: float = 60.0,
        flush_rows: int = 500_000,
        keep_days: float | None = 14.0,
        most_rows: int | None = None,
    ) -> None:
        self.directory = directory
        self.rows = 0  # in memory, those being written left out
        self.written = 0
        self.dropped = 0
        self._plant = plant
        self._flush_s = flush_s
        self._flush_rows = flush_rows
        self._keep_days = keep_days
        self._most_rows = 4 * flush_rows if most_rows is None else most_rows
        self._parts: deque[Readings] = deque()
        self._full = asyncio.Event()
        self._flushing = asyncio.Lock()
        self._writing: asyncio.Future[Path] | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="history-writer")
        self._descriptors = Descriptors(plant)

    async def __aenter__(self) -> Self:
        try:
            await self._in_thread(self._prepare)
        except OSError as error:
            self._thread.shutdown()
            raise self._lost(error) from error
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /) -> None:
        """Write what is left. What cannot be written is dropped, counted and logged."""
        try:
            await self.flush()
        except StoreError as lost:
            log.warning("%s; %d readings lost at the end", lost, self.rows)
            self.dropped += self.rows
            self.rows = 0
            self._parts.clear()
        finally:
            await asyncio.to_thread(self._thread.shutdown)

    def add(self, readings: Readings) -> None:
        """Take readings; their arrays belong to the history from here on. Call it on the event loop."""
        if len(readings):
            self._parts.append(readings)
            self.rows += len(readings)
            if self.rows >= self._flush_rows:
                self._full.set()
                self._bound()

    async def run(self, clock: Clock) -> None:
        """Write segments as they come due and delete old ones, for ever. One log line when the disk is lost, one when it is back."""
        failures = 0
        look = clock.now()
        while True:
            await self._due(clock, at_once=not failures)
            try:
                await self.flush()
                if clock.now() >= look:
                    await self.retain(clock.now())
                    look = clock.now() + LOOK
            except StoreError as error:
                if not failures:
                    log.warning("%s; readings wait in memory, the oldest beyond %d are dropped", error, self._most_rows)
                failures += 1
            else:
                if failures:
                    log.info("%s: written again after %d tries; %d readings dropped so far", self.directory, failures, self.dropped)
                failures = 0

    async def flush(self) -> None:
        """Write all that was added so far; return when it can be read. A caller that is cancelled leaves the write to finish.

        Raises:
            StoreFull, StoreLost: the readings are kept for the next try.

        """
        async with self._flushing:
            if self._writing is not None:  # left behind by a caller that was cancelled
                await asyncio.wait([self._writing])
                await asyncio.sleep(0)  # lets a failure put its readings back
            last = self._parts[-1] if self._parts else None
            while self._parts and last is not None:
                parts = self._take(last)
                if parts[-1] is last:
                    last = None
                await self._write(parts)

    def _take(self, last: Readings) -> list[Readings]:
        """Take the oldest parts up to `last`, of about a segment: writing one takes several times the memory that it has."""
        parts: list[Readings] = []
        rows = 0
        while self._parts and rows < self._flush_rows and (not parts or parts[-1] is not last):
            parts.append(self._parts.popleft())
            rows += len(parts[-1])
        self.rows -= rows
        if self.rows < self._flush_rows:
            self._full.clear()
        return parts

    async def _write(self, parts: list[Readings]) -> None:
        rows = sum(map(len, parts))
        size = Size.of(self._plant)
        self._writing = self._in_thread(partial(segment.write, self.directory, parts, self._descriptors, size))
        self._writing.add_done_callback(lambda done: self._settle(done, parts, rows))
        try:
            await asyncio.shield(self._writing)
        except (OSError, ArrowException) as error:
            raise self._lost(error) from error

    async def retain(self, now: float) -> int:
        """Delete the segments whose newest reading is older than `keep_days`; return how many.

        Args:
            now: s since 1970 UTC, on the scale of the receive times.

        Raises:
            StoreFull, StoreLost

        """
        if self._keep_days is None:
            return 0
        try:
            return await self._in_thread(partial(_delete, self.directory, now - self._keep_days * DAY))
        except OSError as error:
            raise self._lost(error) from error

    def _bound(self) -> None:
        while self.rows > self._most_rows and self._parts:
            oldest = self._parts.popleft()
            self.rows -= len(oldest)
            self.dropped += len(oldest)

    def _settle(self, done: asyncio.Future[Path], parts: list[Readings], rows: int) -> None:
        self._writing = None
        if done.cancelled() or done.exception() is not None:
            self._parts.extendleft(reversed(parts))
            self.rows += rows
            self._bound()
        else:
            self.written += rows

    async def _due(self, clock: Clock, *, at_once: bool) -> None:
        """Wait for the interval, or for enough rows unless the disk is known to be lost."""
        waits: set[asyncio.Future[object]] = {asyncio.ensure_future(clock.sleep(self._flush_s))}
        if at_once:
            waits.add(asyncio.ensure_future(self._full.wait()))
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
            await asyncio.gather(*waits, return_exceptions=True)

    def _in_thread(self, work: Callable[[], T]) -> asyncio.Future[T]:
        return asyncio.get_running_loop().run_in_executor(self._thread, work)

    def _prepare(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        for left in self.directory.glob(".*.tmp"):  # of a writer that was killed
            left.unlink()

    def _lost(self, error: Exception) -> StoreError:
        full = isinstance(error, OSError) and error.errno in (ENOSPC, EDQUOT)
        return (StoreFull if full else StoreLost)(f"{self.directory}: {error}")


def _delete(directory: Path, limit: float) -> int:
    old = [found for found in segment.segments(directory) if found.received < limit]
    for found in old:
        found.path.unlink(missing_ok=True)
    return len(old)
