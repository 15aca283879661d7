"""What happened within a duration, counted: increase, changes, swings and the times of a condition.

`step` is the time between two pushes, s.
"""

from collections import deque

import numpy as np

from monitor.detect.kernels import FALSE, TRUE, UNKNOWN
from monitor.detect.memory import Slots, State
from monitor.model import F64, I8, I64


class Tally(State):
    """What was counted within a duration: cheap where little happens, since only what happened is kept."""

    _sum: F64

    def __init__(self, duration: float, step: float) -> None:
        super().__init__()
        self.slots = Slots(duration, step)
        self._number = 0
        self._happened: deque[tuple[int, I64, F64]] = deque()  # slot number, rows, amounts
        self._open: list[tuple[I64, F64]] = []
        self._column("_sum", 0.0)

    @property
    def bytes(self) -> int:
        return super().bytes + sum(rows.nbytes + amounts.nbytes for _, rows, amounts in self._happened)

    def forget(self, rows: I64) -> None:
        super().forget(rows)
        for here, amounts in [*self._open, *((there, amounts) for _, there, amounts in self._happened)]:
            amounts[np.isin(here, rows)] = 0

    def add(self, rows: I64, amounts: F64) -> F64:
        """Count amounts for some rows, each once, and return the sums, (N,)."""
        if self.slots.opens:
            while self._happened and self._happened[0][0] <= self._number - self.slots.count:
                _, old, gone = self._happened.popleft()
                self._sum[old] -= gone
            if not self._happened:
                self._sum[...] = 0.0  # no rounding is kept
        if len(rows):
            self._sum[rows] += amounts
            self._open.append((rows, amounts))
        if self.slots.push():
            if self._open:
                self._happened.append((self._number, *_merged(self._open)))
                self._open = []
            self._number += 1
        return self._sum


def _merged(parts: list[tuple[I64, F64]]) -> tuple[I64, F64]:
    """Return each row once, with the sum of its amounts."""
    if len(parts) == 1:
        return parts[0]
    rows, at = np.unique(np.concatenate([rows for rows, _ in parts]), return_inverse=True)
    sums: F64 = np.bincount(at, np.concatenate([amounts for _, amounts in parts]), len(rows)).astype(np.float64)
    return rows.astype(np.int64), sums


class Grown(Tally):
    """increase and rate: what a counter grew. A counter that falls was reset, and grew by what it shows."""

    _last: F64

    def __init__(self, word: str, duration: float, step: float) -> None:
        super().__init__(duration, step)
        self._scale = 1 / duration if word == "rate" else 1.0
        self._column("_last", np.nan)

    def push(self, *values: np.ndarray) -> F64:
        (value,) = values
        grown = value - self._last
        grown = np.where(grown < 0, value, grown)
        rows = np.flatnonzero(grown > 0)
        known = ~np.isnan(value)
        self._last[known] = value[known]
        return np.where(known, self.add(rows, grown[rows]) * self._scale, np.nan)


class Changes(Tally):
    """changes: how often a value is another one than it was."""

    _last: F64

    def __init__(self, duration: float, step: float) -> None:
        super().__init__(duration, step)
        self._column("_last", np.nan)

    def push(self, *values: np.ndarray) -> F64:
        (value,) = values
        known = ~np.isnan(value)
        rows = np.flatnonzero(known & ~np.isnan(self._last) & (value != self._last))
        self._last[known] = value[known]
        return np.where(known, self.add(rows, np.ones(len(rows))), np.nan)


class Swings(Tally):
    """swings: turning points whose swing is at least the amplitude, as a zigzag indicator finds them.

    A turn is seen once the value has come back by the amplitude from its farthest point.
    """

    _top: F64
    _bottom: F64
    _way: I8  # 1 rising, -1 falling, 0 not yet known

    def __init__(self, duration: float, amplitude: float, step: float) -> None:
        super().__init__(duration, step)
        self._amplitude = amplitude
        self._column("_top", np.nan)
        self._column("_bottom", np.nan)
        self._column("_way", 0, dtype=np.int8)

    def push(self, *values: np.ndarray) -> F64:
        (value,) = values
        known = ~np.isnan(value)
        np.fmax(self._top, value, out=self._top)
        np.fmin(self._bottom, value, out=self._bottom)
        falls = known & (self._top - value >= self._amplitude) & (self._way >= 0)
        rises = known & (value - self._bottom >= self._amplitude) & (self._way <= 0)
        turns = (falls & (self._way == 1)) | (rises & (self._way == -1))
        for turned, way in ((falls, -1), (rises, 1)):
            self._way[turned] = way
            self._top[turned] = self._bottom[turned] = value[turned]
        rows = np.flatnonzero(turns)
        return np.where(known, self.add(rows, np.ones(len(rows))), np.nan)


class Times(Tally):
    """count_over of a condition: how often it became true. What was not known in between does not count."""

    _last: I8

    def __init__(self, duration: float, step: float) -> None:
        super().__init__(duration, step)
        self._column("_last", UNKNOWN, dtype=np.int8)

    def push(self, *values: np.ndarray) -> F64:
        (held,) = values
        rows = np.flatnonzero((held == TRUE) & (self._last == FALSE))
        known = held != UNKNOWN
        self._last[known] = held[known]
        return np.where(known, self.add(rows, np.ones(len(rows))), np.nan)
