"""When a tick of event time closes, and which readings it holds. Pure: time comes in with the readings."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from monitor.collect.clocks import SourceClocks, distinct
from monitor.model import F64, I32, I64, U8, Bool, Readings


@dataclass(frozen=True, slots=True, eq=False)
class Tick:
    """One closed tick. Rows (N,): the readings that it takes in, by order time."""

    time: float  # s since 1970 UTC; readings up to and including it belong
    reason: str  # "watermark", "idle" or "end"
    point: I32
    order: F64
    value: F64
    quality: U8
    life: F64


@dataclass(slots=True)
class _Part:
    due: I64 | int  # number of the tick that takes each row, or all of them
    order: F64
    life: F64
    readings: Readings


class Ticks:
    """Sorts readings into site ticks.

    A tick closes when every source that is not idle has spoken of a time `lateness` beyond it; when all are idle, the
    receive clock takes over. A reading whose tick has closed, or would have by its own source's word, is late: counted,
    and taken in by the next tick if it is its point's newest.

    Args:
        tick: s of event time a tick.
        lateness: s that a source may be out of order.
        idle: s without a message after which a source holds no tick.
        clock_limit: s of clock offset beyond which receive time orders.

    """

    def __init__(self, tick: float = 1.0, lateness: float = 2.0, idle: float = 1.0, clock_limit: float = 10.0) -> None:
        self.tick = tick
        self.lateness = lateness
        self.idle = idle
        self.clocks = SourceClocks(clock_limit)
        self.late = 0
        self.received = -math.inf  # newest receive time
        self._closed: int | None = None
        self._parts: list[_Part] = []
        self._newest: dict[int, float] = {}  # source -> newest order time
        self._heard: dict[int, float] = {}  # source -> newest receive time

    @property
    def closed(self) -> float:
        """Time of the last closed tick, -inf before the first."""
        return -math.inf if self._closed is None else self._closed * self.tick

    @property
    def pending(self) -> int:
        """Readings that wait for their tick."""
        return sum(len(part.order) for part in self._parts)

    def start(self, now: float) -> None:
        """Let ticks close from now on, whether or not anybody speaks; a live monitor counts silence too."""
        if self._closed is None:
            self._closed = math.floor((now - self.lateness) / self.tick)

    def add(self, readings: Readings, source: I32, *, holds: bool = True) -> F64:
        """Take a batch in; `source` (N,) is each row's source row. Returns each row's order time, (N,).

        Args:
            readings: any number of rows.
            source: row of each reading's source.
            holds: False for a polled source: it is stamped at the end of its poll and never holds a tick.

        """
        if not len(readings):
            return readings.time
        order, life = self.clocks.order(readings, source)
        if self._closed is None:
            news = order[~readings.snapshot]
            if not len(news):
                news = readings.received
            self._closed = math.ceil((float(news.min()) - self.lateness) / self.tick) - 1
        rows = distinct(source)
        received = float(readings.received.max())
        self.received = max(self.received, received)
        if holds:
            for row in rows:
                heard = received if len(rows) == 1 else float(readings.received[source == row].max())
                self._heard[row] = max(self._heard.get(row, -math.inf), heard)
        due = self._in_time(rows[0], order) if len(rows) == 1 and not readings.snapshot.any() else None
        if due is None:
            due = self._sort_out(rows, source, order, readings.snapshot)
        self._parts.append(_Part(due, order, life, readings))
        return order

    def _in_time(self, row: int, order: F64) -> I64 | int | None:
        """Return the ticks of a batch of one source in which surely nothing is late, None where something may be."""
        assert self._closed is not None
        newest = max(self._newest.get(row, -math.inf), float(order.max()))
        first = math.ceil(float(order.min()) / self.tick)
        if first <= max(self._closed, math.floor((newest - self.lateness) / self.tick)):
            return None
        self._newest[row] = newest
        if first == math.ceil(float(order.max()) / self.tick):
            return first
        return np.ceil(order / self.tick).astype(np.int64)

    def _sort_out(self, rows: list[int], source: I32, order: F64, snapshot: Bool) -> I64:
        """Return the tick of each row; a late one is counted and goes to the next that closes."""
        assert self._closed is not None
        number = np.ceil(order / self.tick).astype(np.int64)
        passed = np.full(len(order), self._closed, np.int64)
        for row in rows:
            self._watermark(row, (source == row) & ~snapshot, order, passed)
        late = number <= passed
        self.late += int(np.count_nonzero(late & ~snapshot))
        return np.where(late, passed + 1, number)

    def _watermark(self, row: int, mine: Bool, order: F64, passed: I64) -> None:
        """Raise `passed` to the ticks that this source's own earlier readings have closed."""
        times = order[mine]
        if not len(times):
            return
        before = self._newest.get(row, -math.inf)
        seen = np.maximum.accumulate(np.concatenate(([before], times)))
        self._newest[row] = float(seen[-1])
        with np.errstate(invalid="ignore"):
            gone = np.floor((seen[:-1] - self.lateness) / self.tick)
        gone[~np.isfinite(gone)] = self._closed or 0
        passed[mine] = np.maximum(passed[mine], gone.astype(np.int64))

    def close(self, now: float) -> Iterator[Tick]:
        """Yield every tick that is due at receive time `now`, in order."""
        if self._closed is None:
            return
        speaking = [self._newest[row] for row, heard in self._heard.items() if now - heard <= self.idle and row in self._newest]
        reason = "watermark" if speaking else "idle"
        mark = min(speaking) if speaking else now
        yield from self._close_to(math.floor((mark - self.lateness) / self.tick), reason)

    def skip(self, ticks: int) -> None:
        """Count so many ticks as closed without closing them: nothing is pending, and nobody could tell."""
        assert self._closed is not None
        assert not self._parts
        self._closed += max(0, ticks)

    def finish(self) -> Iterator[Tick]:
        """Yield every tick up to the one that holds the newest reading: the input has ended."""
        if self._closed is not None and self._newest:
            yield from self._close_to(math.ceil(max(self._newest.values()) / self.tick), "end")

    def _close_to(self, number: int, reason: str) -> Iterator[Tick]:
        assert self._closed is not None
        while self._closed < number:
            self._closed += 1
            yield self._one(self._closed, reason)

    def _one(self, number: int, reason: str) -> Tick:
        taken: list[tuple[Readings, F64, F64]] = []
        left: list[_Part] = []
        for part in self._parts:
            if isinstance(part.due, int):
                if part.due <= number:
                    taken.append((part.readings, part.order, part.life))
                else:
                    left.append(part)
                continue
            due = part.due <= number
            if due.all():
                taken.append((part.readings, part.order, part.life))
            elif not due.any():
                left.append(part)
            else:
                stay = ~due
                taken.append((part.readings.take(due), part.order[due], part.life[due]))
                left.append(_Part(part.due[stay], part.order[stay], part.life[stay], part.readings.take(stay)))
        self._parts = left
        joined = Readings.join([readings for readings, _, _ in taken])
        order = np.concatenate([part for _, part, _ in taken]) if taken else np.empty(0)
        life = np.concatenate([part for _, _, part in taken]) if taken else np.empty(0)
        return Tick(number * self.tick, reason, joined.point, order, joined.value, joined.quality, life)
