"""The newest good value of every point at one tick."""

import numpy as np

from monitor.model import F64, I32, I64, U8, Bool

_NEVER = -np.inf
FEW = (
    32  # part of the points that has to speak in a tick for everything to be computed anew; at a tenth of them asking cost 10 % (measured)
)
ROUNDING = 1e-3  # s; times since 1970 are known to a microsecond
MOST_EVENTS_REMEMBERED = 10_000  # against repetition by the wire; so many at least, twice as many at most
_Event = tuple[int, float, float]  # point, time, code


class Frame:
    """The whole plant at one tick, as columns of shape (S + 1,) whose last entry is NaN: row -1 is "no such point".

    value: newest good value, NaN = not known (never seen, stale, bad or null). An event point is never known.
    least, greatest: extremes of the tick's good readings and `value` where there was none.
    newest: time of the newest reading applied, s since 1970 UTC, -inf before the first.
    alive: time of the last life sign, s since 1970 UTC, NaN before the first.
    bad_since: time since which only bad or null readings came, NaN while the newest is good.
    stale_after: s without a life sign after which a value is not known.
    heartbeat: row of the heartbeat point that covers the point, -1 for none.
    events: points (E,) and codes (E,) of the events that came in this tick, by time.
    moved: counts the ticks in which a value may have changed, those of the monitor's own points aside.
    few: whether only a small part of the points has spoken in this tick.
    """

    def __init__(self, stale_factor: float = 3.0) -> None:
        self._stale_factor = stale_factor
        self.size = 0
        self._room = 0
        self.time = _NEVER
        self.events: tuple[I64, F64] = (np.zeros(0, np.int64), np.zeros(0))
        self.moved = 0
        self.few = False
        self.repeated_events = 0
        self._remembered: tuple[set[_Event], set[_Event]] = (set(), set())  # newer and older ones
        self._source_alive = np.full(1, np.nan)  # the last entry stands for "no source"
        self._several: tuple[I64, F64, F64] | None = None  # points with several readings in this tick, and their extremes
        self._expires = np.inf  # no value is stale before this tick
        self._least_stale = np.inf  # s, the least of stale_after
        self._some_bad = self._some_stale = self._some_events = False
        self._grow(64)

    def _grow(self, room: int) -> None:
        def column(name: str, empty: float) -> F64:
            fresh = np.full(room + 1, empty)
            if self._room:
                fresh[: self.size] = getattr(self, name)[: self.size]
            return fresh

        self.value = column("value", np.nan)
        self._stale = column("_stale", np.nan)  # what a stale point's value was
        self.newest = column("newest", _NEVER)
        self.alive = column("alive", np.nan)
        self.bad_since = column("bad_since", np.nan)
        self.stale_after = column("stale_after", np.nan)
        self.heartbeat = column("heartbeat", -1).astype(np.int32)
        self._source = column("_source", -1).astype(np.int32)
        self._event = column("_event", 0).astype(np.bool_)
        self._last_row = np.zeros(room + 1, np.int32)
        self._room = room

    @property
    def source_alive(self) -> F64:
        """Newest life sign of each point's source, s since 1970 UTC, NaN before the first."""
        return self._source_alive[self._source]

    @property
    def bytes(self) -> int:
        columns = (self.value, self._stale, self.newest, self.alive, self.bad_since, self.stale_after)
        return sum(column.nbytes for column in (*columns, self.heartbeat, self._source, self._event, self._last_row))

    @property
    def source_life(self) -> F64:
        """Newest life sign of each source, s since 1970 UTC, NaN before the first, (sources,)."""
        return self._source_alive[:-1]

    def extend(self, intervals: F64, source: I32, sources: int, event: Bool | None = None) -> None:
        """Make room for all points.

        Args:
            intervals: (S,) promised seconds between two readings.
            source: (S,) row of each point's source.
            sources: how many sources there are.
            event: (S,) whose readings are events; none where not given.

        """
        more = sources + 1 - len(self._source_alive)
        if more > 0:
            self._source_alive = np.concatenate([self._source_alive[:-1], np.full(more + 1, np.nan)])
        count = len(intervals)
        if count > self._room:
            self._grow(max(count, 2 * self._room))
        self.stale_after[self.size : count] = intervals[self.size :] * self._stale_factor
        self._least_stale = float(np.nanmin(self.stale_after[:count], initial=np.inf))
        self._source[self.size : count] = source[self.size :]
        if event is not None:
            self._event[self.size : count] = event[self.size :]
            self._some_events = bool(self._event.any())
        self.size = count

    @property
    def least(self) -> F64:
        """Least good reading of the tick, and `value` where there was none, (S + 1,)."""
        return self._extreme(1)

    @property
    def greatest(self) -> F64:
        """Greatest good reading of the tick, and `value` where there was none, (S + 1,)."""
        return self._extreme(2)

    def _extreme(self, which: int) -> F64:
        if self._several is None:
            return self.value
        extreme = self.value.copy()
        extreme[self._several[0]] = self._several[which]
        return extreme

    def put(self, points: I64, values: F64) -> None:
        """Set some of the monitor's own points, (N,), for this tick."""
        self.value[points] = values
        self.newest[points] = self.alive[points] = self.time

    def apply(self, tick: float, points: I32, time: F64, value: F64, quality: U8, life: F64) -> None:
        """Close a tick: take in its readings and let go of what is stale.

        The result does not depend on the order of the rows. A reading not newer than the point's newest one moves
        nothing but the life sign. Rows (N,) of: points, order time, canonical value, quality, life-sign time.
        """
        self.time = tick
        self.few = FEW * len(points) < self.size
        self.moved += bool(len(points))
        self._several = None
        self.events = (np.zeros(0, np.int64), np.zeros(0))
        point = points.astype(np.int64)  # numpy takes these twice as fast
        place = _run(point)
        alone = isinstance(place, slice) or self._alone(point)  # mostly each point is there once, and nothing is to be sorted
        if len(point):
            self._live(place, life, alone=alone)
        if tick >= self._expires:
            self._expire(tick, np.arange(self.size, dtype=np.int64))
            alive = self.alive[: self.size][~np.isnan(self.value[: self.size])]
            self._expires = float(alive.min(initial=np.inf)) + self._least_stale - ROUNDING
        if self._some_events and (is_event := self._event[place]).any():
            self._come(point[is_event], time[is_event], value[is_event], quality[is_event])
            rest = ~is_event
            point, time, value, quality, life = point[rest], time[rest], value[rest], quality[rest], life[rest]
            place = point
        if len(point):
            self._take(place, point, time, value, quality, alone=alone)
            self._expires = min(self._expires, float(life.min()) + self._least_stale - ROUNDING)
            if tick >= self._expires or self._some_stale:
                self._revive(tick, point)
                self._expire(tick, point)

    def _live(self, place: I64 | slice, life: F64, *, alone: bool) -> None:
        """Note life signs of points and of their sources."""
        if alone:
            self.alive[place] = np.fmax(self.alive[place], life)
        else:
            assert not isinstance(place, slice)  # of points that follow each other each is there once
            np.fmax.at(self.alive, place, life)
        source = self._source[place]
        starts = np.flatnonzero(np.concatenate(([True], source[1:] != source[:-1])))  # few: a batch comes from one source
        np.fmax.at(self._source_alive, source[starts], np.maximum.reduceat(life, starts))

    def _expire(self, tick: float, points: I64) -> None:
        """Put away the values of those that are stale."""
        with np.errstate(invalid="ignore"):
            stale = ~(tick - self.alive[points] <= self.stale_after[points]) & ~np.isnan(self.value[points])
        gone = points[stale]
        if len(gone):
            self._stale[gone] = self.value[gone]
            self.value[gone] = np.nan
            self._some_stale = True
            self.moved += 1

    def _revive(self, tick: float, points: I64) -> None:
        """Bring back the values of those that show life again."""
        with np.errstate(invalid="ignore"):
            back = (tick - self.alive[points] <= self.stale_after[points]) & ~np.isnan(self._stale[points])
        alive = points[back]
        self.value[alive] = self._stale[alive]
        self._stale[alive] = np.nan

    def _come(self, point: I64, time: F64, code: F64, quality: U8) -> None:
        """Take events in, each once: a wire may repeat one."""
        kept = []
        for row in np.lexsort((code, point, time)).tolist():
            key = (int(point[row]), float(time[row]), float(code[row]))
            if quality[row] != 0 or np.isnan(code[row]):
                continue
            if self.came(*key):
                self.repeated_events += 1
                continue
            self._remembered[0].add(key)
            if len(self._remembered[0]) == MOST_EVENTS_REMEMBERED:
                self._remembered = (set(), self._remembered[0])
            kept.append(row)
        rows = np.asarray(kept, np.int64)
        self.events = (point[rows], code[rows])
        np.maximum.at(self.newest, point[rows], time[rows])

    def came(self, point: int, time: float, code: float) -> bool:
        """Say whether this event was taken in before."""
        newer, older = self._remembered
        return (point, time, code) in newer or (point, time, code) in older

    def _take(self, place: I64 | slice, point: I64, time: F64, value: F64, quality: U8, *, alone: bool) -> None:
        """Take readings in; `place` is where `point` is, as a slice where that can be."""
        good = np.where(quality == 0, value, np.nan) if quality.any() else value
        newer = time > self.newest[place]
        if not (alone and newer.all()):
            point, time, good, least, greatest = _newest(point[newer], time[newer], value[newer], quality[newer], good[newer])
            self._several = (point, least, greatest)
            place = point
        self.newest[place] = time
        self.value[place] = good
        bad = np.isnan(good)
        if self._some_bad or bad.any():
            since = self.bad_since[place]
            self.bad_since[place] = np.where(bad, np.where(np.isnan(since), time, since), np.nan)
            self._some_bad = True
        if self._some_stale:
            self._stale[place] = np.nan

    def _alone(self, point: I64) -> bool:
        """Say whether no point is there twice."""
        if (point[1:] > point[:-1]).all():
            return True
        numbers = np.arange(len(point), dtype=np.int32)
        self._last_row[point] = numbers
        return bool((self._last_row[point] == numbers).all())


def _run(point: I64) -> I64 | slice:
    """Return points that follow each other as a slice, which costs a fraction; others as they are."""
    if len(point) > 1 and point[-1] - point[0] == len(point) - 1 and (point[1:] > point[:-1]).all():
        return slice(int(point[0]), int(point[-1]) + 1)
    return point


def _newest(point: I64, time: F64, value: F64, quality: U8, good: F64) -> tuple[I64, F64, F64, F64, F64]:
    """Return each point once: its newest reading's time and good value, and the extremes of its good values.

    Ties end the same way however they arrived.
    """
    if not len(point):
        return point, time, good, good, good
    order = np.lexsort((value, quality, time, point))
    point, time, good = point[order], time[order], good[order]
    starts = np.flatnonzero(np.concatenate(([True], point[1:] != point[:-1])))
    last = np.concatenate((starts[1:], [len(point)])) - 1
    return point[starts], time[last], good[last], np.fmin.reduceat(good, starts), np.fmax.reduceat(good, starts)
