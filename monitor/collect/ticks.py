"""When a tick of event time closes, and which readings it holds. Pure: time comes in with the readings."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from monitor.collect.clocks import SourceClocks, runs
from monitor.model import F64, I32, I64, U8, Bool, Readings

MOST_CUTS = 16  # of a batch into parts of one tick each
_NOTHING = (np.zeros(0, np.int32), np.zeros(0), np.zeros(0), np.zeros(0, np.uint8), np.zeros(0))


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
    first: int  # least and greatest of `due`
    last: int
    order: F64
    life: F64
    readings: Readings


class Ticks:
    """Sorts readings into site ticks.

    A tick closes when every source that is not idle has spoken of a time `lateness` beyond it; when all are idle, the
    receive clock takes over. A source that speaks seldom is idle between its messages: waiting for more of it would be for nothing. A reading whose tick has closed, or would have by its own source's word, is late: counted,
    and taken in by the next tick if it is its point's newest.

    Args:
        tick: s of event time a tick.
        lateness: s that a source may be out of order.
        idle: s without a message, now or before its newest one, after which a source holds no tick.
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
        self._newest: F64 = np.zeros(0)  # newest order time of each source, -inf before the first
        self._heard: F64 = np.zeros(0)  # newest receive time
        self._pause: F64 = np.zeros(0)  # s of receive time between its newest message and the one before

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
        received = float(readings.received.max())
        self.received = max(self.received, received)
        starts = runs(source)
        self._extend(int(source.max()) + 1)
        if holds:
            self._hear(source, readings.received, starts)
        due = self._in_time(int(source[0]), order) if len(starts) == 1 and not readings.snapshot.any() else None
        if due is None:
            due = self._sort_out(source, starts, order, readings.snapshot)
        self._keep(due, order, life, readings)
        return order

    def _keep(self, due: I64 | int, order: F64, life: F64, readings: Readings) -> None:
        """Let a batch wait, cut where its tick changes if that is seldom: a whole part is taken without a copy."""
        if isinstance(due, int):
            self._parts.append(_Part(due, due, due, order, life, readings))
            return
        cuts = np.flatnonzero(due[1:] != due[:-1]) + 1
        if len(cuts) > MOST_CUTS:
            self._parts.append(_Part(due, int(due.min()), int(due.max()), order, life, readings))
            return
        edges = [0, *cuts.tolist(), len(due)]
        for rows in (slice(start, end) for start, end in pairwise(edges)):
            number = int(due[rows.start])
            self._parts.append(_Part(number, number, number, order[rows], life[rows], readings.take(rows)))

    def _extend(self, sources: int) -> None:
        room = len(self._newest)
        if sources > room:
            more = np.full(max(sources - room, room), -np.inf)
            self._newest, self._heard = np.concatenate([self._newest, more]), np.concatenate([self._heard, more])
            self._pause = np.concatenate([self._pause, -more])

    def _hear(self, source: I32, received: F64, starts: I64) -> None:
        if len(starts) == 1:
            rows, latest = source[:1], received.max(keepdims=True)
        else:
            rows = np.unique(source[starts])
            newest = self._heard.copy()
            np.maximum.at(newest, source[starts], np.maximum.reduceat(received, starts))
            latest = newest[rows]
        news = latest > self._heard[rows]
        rows, latest = rows[news], latest[news]
        self._pause[rows] = latest - self._heard[rows]
        self._heard[rows] = latest

    def _in_time(self, row: int, order: F64) -> I64 | int | None:
        """Return the ticks of a batch of one source in which surely nothing is late, None where something may be."""
        assert self._closed is not None
        newest = max(float(self._newest[row]), float(order.max()))
        first = math.ceil(float(order.min()) / self.tick)
        if first <= max(self._closed, math.floor((newest - self.lateness) / self.tick)):
            return None
        self._newest[row] = newest
        if first == math.ceil(float(order.max()) / self.tick):
            return first
        return np.ceil(order / self.tick).astype(np.int64)

    def _sort_out(self, source: I32, starts: I64, order: F64, snapshot: Bool) -> I64:
        """Return the tick of each row; a late one is counted and goes to the next that closes.

        What its source said before closes ticks for a row; that is known from run to run, and looked at row by row where it matters.
        """
        assert self._closed is not None
        live = np.where(snapshot, -np.inf, order) if snapshot.any() else order
        greatest = np.maximum.reduceat(live, starts)
        before = self._before(source[starts], greatest)
        if live is order and (np.minimum.reduceat(order, starts) == greatest).all():  # frames: one time a run
            passed = self._gone(before)
            number = np.ceil(greatest / self.tick).astype(np.int64)
            late, sizes = number <= passed, np.diff(np.append(starts, len(order)))
            self.late += int(sizes[late].sum())
            return np.repeat(np.where(late, passed + 1, number), sizes)
        number = np.ceil(order / self.tick).astype(np.int64)
        passed = np.full(len(order), self._closed, np.int64)
        doubtful = np.minimum.reduceat(number, starts) <= self._gone(np.maximum(before, greatest))
        for at in np.flatnonzero(doubtful).tolist():
            rows = slice(int(starts[at]), int(starts[at + 1]) if at + 1 < len(starts) else len(order))
            seen = np.maximum.accumulate(np.concatenate((before[at : at + 1], live[rows])))[:-1]
            passed[rows] = np.where(snapshot[rows], self._closed, self._gone(seen))
        late = number <= passed
        self.late += int(np.count_nonzero(late & ~snapshot))
        return np.where(late, passed + 1, number)

    def _gone(self, seen: F64) -> I64:
        """Return the newest tick that is closed for a source that has said so much."""
        assert self._closed is not None
        gone = np.floor((seen - self.lateness) / self.tick)
        return np.maximum(np.where(np.isfinite(gone), gone, self._closed), self._closed).astype(np.int64)

    def _before(self, source: I32, greatest: F64) -> F64:
        """Return the newest time that the source of each run had said before it, (R,), and note what it says now."""
        by_source = np.argsort(source, kind="stable")
        grouped = source[by_source]
        begins = np.concatenate(([True], grouped[1:] != grouped[:-1]))
        earlier = np.concatenate(([-np.inf], greatest[by_source][:-1]))
        earlier[begins] = self._newest[grouped[begins]]
        # The greatest so far within a source: of ranks, each source's above those of the one before it, which is exact.
        ranked = np.argsort(earlier, kind="stable")
        rank = np.empty(len(ranked), np.int64)
        rank[ranked] = np.arange(len(ranked))
        base = np.cumsum(begins) * len(ranked)
        before = np.empty(len(ranked))
        before[by_source] = earlier[ranked[np.maximum.accumulate(rank + base) - base]]
        np.maximum.at(self._newest, source, greatest)
        return before

    def close(self, now: float) -> Iterator[Tick]:
        """Yield every tick that is due at receive time `now`, in order."""
        if self._closed is None:
            return
        speaking = self._newest[(now - self._heard <= self.idle) & (self._pause <= self.idle) & (self._newest > -np.inf)]
        reason = "watermark" if len(speaking) else "idle"
        mark = float(speaking.min()) if len(speaking) else now
        yield from self._close_to(math.floor((mark - self.lateness) / self.tick), reason)

    def skip(self, ticks: int) -> None:
        """Count so many ticks as closed without closing them: nothing is pending, and nobody could tell."""
        assert self._closed is not None
        assert not self._parts
        self._closed += max(0, ticks)

    def finish(self) -> Iterator[Tick]:
        """Yield every tick up to the one that holds the newest reading: the input has ended."""
        newest = float(self._newest.max(initial=-np.inf))
        if self._closed is not None and newest > -np.inf:
            yield from self._close_to(math.ceil(newest / self.tick), "end")

    def _close_to(self, number: int, reason: str) -> Iterator[Tick]:
        assert self._closed is not None
        while self._closed < number:
            self._closed += 1
            yield self._one(self._closed, reason)

    def _one(self, number: int, reason: str) -> Tick:
        taken: list[tuple[Readings, F64, F64]] = []
        left: list[_Part] = []
        for part in self._parts:
            if part.last <= number:
                taken.append((part.readings, part.order, part.life))
            elif part.first > number:
                left.append(part)
            else:
                assert not isinstance(part.due, int)
                due = part.due <= number
                stay = ~due
                taken.append((part.readings.take(due), part.order[due], part.life[due]))
                rest = part.due[stay]
                left.append(_Part(rest, int(rest.min()), part.last, part.order[stay], part.life[stay], part.readings.take(stay)))
        self._parts = left
        time = number * self.tick
        if not taken:
            return Tick(time, reason, *_NOTHING)
        columns = [(readings.point, order, readings.value, readings.quality, life) for readings, order, life in taken]
        if len(columns) == 1:
            return Tick(time, reason, *columns[0])
        point, order, value, quality, life = (np.concatenate(parts) for parts in zip(*columns, strict=True))
        return Tick(time, reason, point, order, value, quality, life)
