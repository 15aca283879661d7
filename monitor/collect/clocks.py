"""Every source's clock against ours, and the time by which its readings are ordered."""

import numpy as np

from monitor.model import F64, I32, Bool, Readings

_RECENT = 256  # delays kept a source; an estimate


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
        self._delays = np.empty((0, _RECENT))
        self._count = np.zeros(0, np.int64)
        self._offsets = np.zeros(0)
        self._stirred: set[int] = set()  # sources with delays since the last look at their offset

    def _extend(self, sources: int) -> None:
        more = sources - len(self._count)
        if more > 0:
            self._delays = np.concatenate([self._delays, np.full((more, _RECENT), np.nan)])
            self._count = np.concatenate([self._count, np.zeros(more, np.int64)])
            self._offsets = np.concatenate([self._offsets, np.full(more, np.nan)])

    def order(self, readings: Readings, source: I32) -> tuple[F64, F64]:
        """Return (order time, life-sign time) of each row, both (N,), s since 1970 UTC.

        A snapshot is ordered and gives a life sign at its own source time; it says nothing about the clock.
        """
        delay = readings.received - readings.time
        live = ~readings.snapshot
        skewed: Bool = delay < -self.limit
        for row in np.unique(source).tolist():
            self._extend(row + 1)
            mine = live & (source == row) if (source != row).any() else live
            self._remember(row, delay[mine])
            if np.nanmin(self._delays[row], initial=np.inf) > self.limit and self._count[row]:
                skewed = skewed | mine
        order = np.where(skewed, readings.received, readings.time)
        life = np.where(live & (delay > self.limit), readings.received, order)
        return order, life

    def _remember(self, row: int, delay: F64) -> None:
        recent = delay[-_RECENT:]
        at = int(self._count[row])
        self._delays[row, np.arange(at, at + len(recent)) % _RECENT] = recent
        self._count[row] += len(recent)
        if len(recent):
            self._stirred.add(row)

    def offsets(self) -> F64:
        """Return how far each source's clock is ahead, s, shape (sources,); negative is behind, NaN unknown.

        Ahead is the median (`domain.md` 4.7); behind is the least delay, which a repeated old stamp cannot move.
        """
        for row in self._stirred:
            delays = self._delays[row, : min(self._count[row], _RECENT)]
            median = float(np.median(delays))
            self._offsets[row] = -median if median < 0 else -max(0.0, float(delays.min()))
        self._stirred.clear()
        return self._offsets
