"""Every source's clock against ours, and the time by which its readings are ordered."""

import numpy as np

from monitor.model import F64, I32, I64, Bool, Readings

_RECENT = 256  # delays kept a source; an estimate
_SAMPLES = 8  # of them from one batch, at most
_BATCHES = 64  # whose least delay is kept


def runs(source: I32) -> I64:
    """Return where each run of rows of one source begins, (R,); R is 1 for a batch of one source, as nearly all are."""
    if (source == source[0]).all():
        return np.zeros(1, np.int64)
    return np.concatenate(([0], np.flatnonzero(source[1:] != source[:-1]) + 1))


class SourceClocks:
    """Watches the delay (receive time - source time) of every source.

    A reading from further ahead than `limit` is ordered by its receive time. So are all readings of a source whose
    least recent delay is above `limit`: nobody there is on time, so its clock is behind. One old reading alone is just
    late, because some publishers repeat an unchanged value with its first time stamp.

    Args:
        limit: s; `domain.md` I19 calls 10 s a failed clock.

    """

    def __init__(self, limit: float = 10.0) -> None:
        self.limit = limit
        self._delays = np.empty((0, _RECENT))  # samples, NaN where there is none yet
        self._least = np.empty((0, _BATCHES))  # least of each batch
        self._count = np.zeros(0, np.int64)
        self._batches = np.zeros(0, np.int64)
        self._offsets = np.zeros(0)
        self._stirred: Bool = np.zeros(0, np.bool_)  # sources with delays since the last look at their offset
        self._sources = 0

    def _extend(self, sources: int) -> None:
        self._sources = max(self._sources, sources)
        room = len(self._count)
        more = max(sources - room, room) if sources > room else 0
        if more:
            self._delays = np.concatenate([self._delays, np.full((more, _RECENT), np.nan)])
            self._least = np.concatenate([self._least, np.full((more, _BATCHES), np.inf)])
            self._count = np.concatenate([self._count, np.zeros(more, np.int64)])
            self._batches = np.concatenate([self._batches, np.zeros(more, np.int64)])
            self._offsets = np.concatenate([self._offsets, np.full(more, np.nan)])
            self._stirred = np.concatenate([self._stirred, np.zeros(more, np.bool_)])

    def order(self, readings: Readings, source: I32) -> tuple[F64, F64]:
        """Return (order time, life-sign time) of each row, both (N,), s since 1970 UTC; N > 0.

        A snapshot is ordered and gives a life sign at its own source time; it says nothing about the clock.
        """
        delay = readings.received - readings.time
        snapshots = readings.snapshot.any()
        self._extend(int(source.max()) + 1)
        if not snapshots and delay.min() >= -self.limit and delay.max() <= self.limit:  # all on time: as it nearly always is
            self._remember(source, delay)
            return readings.time, readings.time
        live = ~readings.snapshot
        self._remember(source[live], delay[live])
        behind = (self._batches > 0) & (self._least.min(axis=1) > self.limit)
        skewed: Bool = (delay < -self.limit) | (live & behind[source])
        order = np.where(skewed, readings.received, readings.time)
        life = np.where(live & (delay > self.limit), readings.received, order)
        return order, life

    def _remember(self, source: I32, delay: F64) -> None:
        """Keep a few delays of each source of a batch, and the least of all."""
        if not len(delay):
            return
        starts = runs(source)
        if len(starts) == 1:
            row = int(source[0])
            sample = delay[:: -(-len(delay) // _SAMPLES)]
            at = int(self._count[row])
            self._delays[row, np.arange(at, at + len(sample)) % _RECENT] = sample
            self._count[row] += len(sample)
            self._least[row, self._batches[row] % _BATCHES] = delay.min()
            self._batches[row] += 1
            self._stirred[row] = True
            return
        by_source = np.argsort(source[starts], kind="stable")
        sources = source[starts][by_source]
        begins = np.flatnonzero(np.concatenate(([True], sources[1:] != sources[:-1])))
        number = np.arange(len(sources)) - np.repeat(begins, np.diff(np.append(begins, len(sources))))  # of a run within its source
        few = number < _SAMPLES
        self._delays[sources[few], (self._count[sources[few]] + number[few]) % _RECENT] = delay[starts][by_source][few]
        rows = sources[begins]
        self._count[rows] += np.add.reduceat(few, begins, dtype=np.int64)
        self._least[rows, self._batches[rows] % _BATCHES] = np.minimum.reduceat(np.minimum.reduceat(delay, starts)[by_source], begins)
        self._batches[rows] += 1
        self._stirred[rows] = True

    def offsets(self) -> F64:
        """Return how far each source's clock is ahead, s, shape (sources,); negative is behind, NaN unknown.

        Ahead is the median (`domain.md` 4.7); behind is the least delay, which a repeated old stamp cannot move.
        """
        rows = np.flatnonzero(self._stirred)
        if len(rows):
            known = np.minimum(self._count[rows], _RECENT)
            delays = np.sort(self._delays[rows, : int(known.max())], axis=1)  # NaN goes to the end
            each = np.arange(len(rows))
            median = (delays[each, (known - 1) // 2] + delays[each, known // 2]) / 2  # np.median takes ten times as long
            self._offsets[rows] = np.where(median < 0, -median, -np.maximum(0.0, self._least[rows].min(axis=1)))
            self._stirred[rows] = False
        return self._offsets[: self._sources]
