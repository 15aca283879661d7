"""Every source's clock against ours, and the time by which its readings are ordered."""

import numpy as np

from monitor.model import F64, I32, Bool, Readings

_RECENT = 256  # delays kept a source; an estimate
_SAMPLES = 8  # of them from one batch, at most
_BATCHES = 64  # whose least delay is kept


def distinct(source: I32) -> list[int]:
    """Return the different sources of a batch; nearly always it is one."""
    first = source[0]
    return [int(first)] if (source == first).all() else np.unique(source).tolist()


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
        self._delays = np.empty((0, _RECENT))  # samples
        self._least = np.empty((0, _BATCHES))  # least of each batch
        self._count = np.zeros(0, np.int64)
        self._batches = np.zeros(0, np.int64)
        self._offsets = np.zeros(0)
        self._stirred: set[int] = set()  # sources with delays since the last look at their offset

    def _extend(self, sources: int) -> None:
        more = sources - len(self._count)
        if more > 0:
            self._delays = np.concatenate([self._delays, np.full((more, _RECENT), np.nan)])
            self._least = np.concatenate([self._least, np.full((more, _BATCHES), np.inf)])
            self._count = np.concatenate([self._count, np.zeros(more, np.int64)])
            self._batches = np.concatenate([self._batches, np.zeros(more, np.int64)])
            self._offsets = np.concatenate([self._offsets, np.full(more, np.nan)])

    def order(self, readings: Readings, source: I32) -> tuple[F64, F64]:
        """Return (order time, life-sign time) of each row, both (N,), s since 1970 UTC; N > 0.

        A snapshot is ordered and gives a life sign at its own source time; it says nothing about the clock.
        """
        delay = readings.received - readings.time
        snapshots = readings.snapshot.any()
        if not snapshots and delay.min() >= -self.limit and delay.max() <= self.limit:  # all on time: as it nearly always is
            rows = distinct(source)
            for row in rows:
                self._remember(row, delay if len(rows) == 1 else delay[source == row])
            return readings.time, readings.time
        live = ~readings.snapshot
        skewed: Bool = delay < -self.limit
        for row in distinct(source):
            mine = live & (source == row)
            self._remember(row, delay[mine])
            if self._batches[row] and self._least[row].min() > self.limit:
                skewed = skewed | mine
        order = np.where(skewed, readings.received, readings.time)
        life = np.where(live & (delay > self.limit), readings.received, order)
        return order, life

    def _remember(self, row: int, delay: F64) -> None:
        self._extend(row + 1)
        if not len(delay):
            return
        sample = delay[:: -(-len(delay) // _SAMPLES)]
        at = int(self._count[row])
        self._delays[row, np.arange(at, at + len(sample)) % _RECENT] = sample
        self._count[row] += len(sample)
        self._least[row, self._batches[row] % _BATCHES] = delay.min()
        self._batches[row] += 1
        self._stirred.add(row)

    def offsets(self) -> F64:
        """Return how far each source's clock is ahead, s, shape (sources,); negative is behind, NaN unknown.

        Ahead is the median (`domain.md` 4.7); behind is the least delay, which a repeated old stamp cannot move.
        """
        for row in self._stirred:
            delays = np.sort(self._delays[row, : min(self._count[row], _RECENT)])
            median = float(delays[(len(delays) - 1) // 2] + delays[len(delays) // 2]) / 2  # np.median takes ten times as long
            self._offsets[row] = -median if median < 0 else -max(0.0, float(self._least[row].min()))
        self._stirred.clear()
        return self._offsets
