"""The newest good value of every point at one tick."""

import numpy as np

from monitor.model import F64, I32, U8

_NEVER = -np.inf


class Frame:
    """The whole plant at one tick, as columns of shape (S + 1,) whose last entry is NaN: row -1 is "no such point".

    value: newest good value, NaN = not known (never seen, stale, bad or null).
    least, greatest: extremes of the tick's good readings and `value` where there was none.
    newest: time of the newest reading applied, s since 1970 UTC, -inf before the first.
    alive: time of the last life sign, s since 1970 UTC, NaN before the first.
    bad_since: time since which only bad or null readings came, NaN while the newest is good.
    stale_after: s without a life sign after which a value is not known.
    heartbeat: row of the heartbeat point that covers the point, -1 for none.
    """

    def __init__(self, stale_factor: float = 3.0) -> None:
        self._stale_factor = stale_factor
        self.size = 0
        self._room = 0
        self.time = _NEVER
        self._source_alive = np.full(1, np.nan)  # the last entry stands for "no source"
        self._grow(64)

    def _grow(self, room: int) -> None:
        def column(name: str, empty: float) -> F64:
            fresh = np.full(room + 1, empty)
            if self._room:
                fresh[: self.size] = getattr(self, name)[: self.size]
            return fresh

        self._held = column("_held", np.nan)
        self.value = column("value", np.nan)
        self.least = column("least", np.nan)
        self.greatest = column("greatest", np.nan)
        self.newest = column("newest", _NEVER)
        self.alive = column("alive", np.nan)
        self.bad_since = column("bad_since", np.nan)
        self.stale_after = column("stale_after", np.nan)
        self.heartbeat = column("heartbeat", -1).astype(np.int32)
        self._source = column("_source", -1).astype(np.int32)
        self._room = room

    @property
    def source_alive(self) -> F64:
        """Newest life sign of each point's source, s since 1970 UTC, NaN before the first."""
        return self._source_alive[self._source]

    def source_life(self, source: int) -> float:
        """Return the newest life sign of a source, NaN before the first."""
        return float(self._source_alive[source]) if source < len(self._source_alive) - 1 else np.nan

    def extend(self, intervals: F64, source: I32, sources: int) -> None:
        """Make room for all points.

        Args:
            intervals: (S,) promised seconds between two readings.
            source: (S,) row of each point's source.
            sources: how many sources there are.

        """
        more = sources + 1 - len(self._source_alive)
        if more > 0:
            self._source_alive = np.concatenate([self._source_alive[:-1], np.full(more + 1, np.nan)])
        count = len(intervals)
        if count > self._room:
            self._grow(max(count, 2 * self._room))
        self.stale_after[self.size : count] = intervals[self.size :] * self._stale_factor
        self._source[self.size : count] = source[self.size :]
        self.size = count

    def put(self, point: int, value: float, time: float) -> None:
        """Set one of the monitor's own points."""
        self._held[point] = self.value[point] = self.least[point] = self.greatest[point] = value
        self.newest[point] = self.alive[point] = time

    def apply(self, tick: float, point: I32, time: F64, value: F64, quality: U8, life: F64) -> None:
        """Close a tick: take in its readings and let go of what is stale.

        The result does not depend on the order of the rows. A reading not newer than the point's newest one moves
        nothing but the life sign. Rows (N,) of: point, order time, canonical value, quality, life-sign time.
        """
        self.time = tick
        touched = self._take(point, time, value, quality, life) if len(point) else None
        with np.errstate(invalid="ignore"):
            known = tick - self.alive <= self.stale_after
        np.copyto(self.value, self._held)
        self.value[~known] = np.nan
        self.least[...] = self.value
        self.greatest[...] = self.value
        if touched is not None:
            points, least, greatest = touched
            self.least[points] = np.fmin(least, self.value[points])
            self.greatest[points] = np.fmax(greatest, self.value[points])

    def _take(self, point: I32, time: F64, value: F64, quality: U8, life: F64) -> tuple[I32, F64, F64]:
        """Take readings in; returns the points that moved with the least and greatest of their good readings."""
        order = np.lexsort((value, quality, time, point))  # ties end the same way however they arrived
        point, time, life = point[order], time[order], life[order]
        starts = np.flatnonzero(np.concatenate(([True], point[1:] != point[:-1])))
        points = point[starts]
        last_life = np.maximum.reduceat(life, starts)
        self.alive[points] = np.fmax(self.alive[points], last_life)
        np.fmax.at(self._source_alive, self._source[points], last_life)
        newer = time > self.newest[point]
        if not newer.all():
            order, point, time = order[newer], point[newer], time[newer]
            if not len(point):
                return points[:0], time[:0], time[:0]
            starts = np.flatnonzero(np.concatenate(([True], point[1:] != point[:-1])))
            points = point[starts]
        last = np.concatenate((starts[1:], [len(point)])) - 1
        good = np.where(quality[order] == 0, value[order], np.nan)
        self.newest[points] = time[last]
        newest = good[last]
        self._held[points] = newest
        bad = np.isnan(newest)
        since = self.bad_since[points]
        self.bad_since[points] = np.where(bad, np.where(np.isnan(since), time[last], since), np.nan)
        return points, np.fmin.reduceat(good, starts), np.fmax.reduceat(good, starts)
