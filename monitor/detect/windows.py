"""Values over time, all rows at once: one class for each kind of memory, bounded whatever the duration.

`step` is the time between two pushes, s. What is counted within a duration is in `tally.py`.
"""

from collections.abc import Callable, Sequence

import numpy as np

from monitor.detect.kernels import FALSE, TRUE, UNKNOWN
from monitor.detect.memory import Slots, State
from monitor.detect.tally import Changes, Grown, Swings, Times
from monitor.model import F32, F64, I8, I32, I64, Bool

KNOWN = 0.8  # share of the slots that must be known; an estimate
BLOCK = 8_192  # rows whose slots are centred anew at a time: bounds what that takes of memory
ROUNDED = 1e-3  # of how far values lie from what they are counted from: a lesser spread could be the rounding of float32 (2.4e-4)
STILL = 1e-6  # relative spread below which a value did not move enough to take a slope against it; an estimate


class Watched(State):
    """How much of the window was known: each row has been watched for its whole length, and for most of it."""

    _known: np.ndarray  # (W, N) pushes of each slot in which something was known
    _share: np.ndarray  # (N,) slots in which something was
    _since: I64  # (N,) pushes since the row was first known

    def __init__(self, duration: float, step: float) -> None:
        super().__init__()
        self.slots = Slots(duration, step)
        self._column("_known", 0, self.slots.count, dtype=np.min_scalar_type(self.slots.every).type)
        self._column("_share", 0, dtype=np.int16)
        self._column("_since", 0, dtype=np.int32)

    def _watch(self, known: Bool) -> Bool:
        """Note who is known now, and return the rows whose window may be believed."""
        slot = self._known[self.slots.at]
        if self.slots.opens:
            self._share -= slot != 0
            slot[...] = known
            self._share += known
        else:
            self._share += known & (slot == 0)
            slot += known
        self._since += 1
        self._since[self._share == 0] = 0
        enough: Bool = known & (self._since >= self.slots.ticks) & (self._share >= KNOWN * self.slots.count)
        return enough

    def watched(self, row: int) -> tuple[float, float]:
        since = min(float(self._since[row]) / self.slots.ticks, 1.0)
        return since, float(self._share[row]) / self.slots.count / since if since else 0.0


class Extreme(Watched):
    """min_over and max_over, by van Herk's two halves: what the present block of slots has, and what is left of the block before."""

    _ring: F64  # (W, N) slots of the present block, behind them the extremes from each slot of the block before to its end
    _block: F64  # (N,) extreme of the filled slots of the present block

    def __init__(self, word: str, duration: float, step: float) -> None:
        super().__init__(duration, step)
        self._fold: np.ufunc = {"min_over": np.fmin, "max_over": np.fmax}[word]
        self._column("_ring", np.nan, self.slots.count)
        self._column("_block", np.nan)

    def push(self, *values: np.ndarray) -> F64:
        (value,) = values
        at = self.slots.at
        if self.slots.opens:
            if at == 0:
                backwards = self._ring[::-1]
                self._fold.accumulate(backwards, axis=0, out=backwards)
                self._block[...] = np.nan
            self._ring[at] = value
        else:
            self._fold(self._ring[at], value, out=self._ring[at])
        enough = self._watch(~np.isnan(value))
        result: F64 = self._fold(self._block, self._ring[at])
        if at + 1 < self.slots.count:
            self._fold(result, self._ring[at + 1], out=result)
        if self.slots.push():
            self._fold(self._block, self._ring[at], out=self._block)
        result[~enough] = np.nan
        return result


class Moments(Watched):
    """Sums of products over the window: mean, standard deviation, slope and correlation.

    Slots are float32 and hold values from `_first`, which is the first one known and then, with each round of slots, their mean, so that
    little is lost to rounding: about 1e-7 of how far a value has moved within a window or two. `_sum` is what the slots add up to.
    """

    _ring: F32  # (K, W, N)
    _sum: F64  # (K, N)
    _count: I32  # (N,) pushes in the window that were known
    _first: F64  # (P, N)

    def __init__(self, word: str, duration: float, step: float) -> None:
        super().__init__(duration, step)
        self._word = word
        self._step = step
        self._values = 2 if word in {"slope_against", "correlation"} else 1
        sums = {"mean_over": 1, "std_over": 2, "slope": 4, "slope_against": 5, "correlation": 5}[word]
        self._time = 0.0  # pushes since the last round began
        self._begun = False  # every row has a first value
        # A mean is compared with limits that it may just reach; what spreads or grows is not.
        self._column("_ring", 0.0, sums, self.slots.count, dtype=np.float64 if word == "mean_over" else np.float32)
        self._column("_sum", 0.0, sums)
        self._column("_count", 0, dtype=np.int32)
        self._column("_first", np.nan, self._values)

    def extend(self, rows: int) -> None:
        super().extend(rows)
        self._begun = False

    def forget(self, rows: I64) -> None:
        super().forget(rows)
        self._begun = False

    def push(self, *values: np.ndarray) -> F64:
        known = ~np.isnan(values[0])
        for value in values[1:]:
            known = known & ~np.isnan(value)
        if not self._begun:
            self._first[...] = np.where(np.isnan(self._first) & known, np.stack(values), self._first)
            self._begun = not np.isnan(self._first).any()
        at, opens = self.slots.at, self.slots.opens
        slot = self._ring[:, at]
        if opens:
            self._count -= self._known[at]
            if at == 0:
                slot[...] = 0
                self._round()
            else:
                self._sum -= slot
        products = self._products(known, values)
        if opens:
            slot[...] = products
            self._sum += slot
        else:
            before = slot.astype(np.float64)
            slot += products
            self._sum += slot - before
        enough = self._watch(known)
        self._count += known
        self._time += 1
        self.slots.push()
        with np.errstate(all="ignore"):
            result = self._result()
        if not enough.all():
            result[~enough] = np.nan
        return result

    def _round(self) -> None:
        """Count time from this round on and values from the window's mean, and add up what is left of the last one."""
        for start in range(0, self.rows, BLOCK):
            rows = slice(start, min(start + BLOCK, self.rows))
            count = self._known[:, rows].copy()
            count[0] = 0  # the slot that opens
            self._recentre(self._ring[:, :, rows], count, self._count[rows], self._first[:, rows])
        self._time = 0.0
        self._sum[...] = self._ring.sum(axis=1, dtype=np.float64)

    def _recentre(self, ring: F32, count: np.ndarray, left: I32, first: F64) -> None:
        values = [ring[at] for at in self._of_values()]
        known = np.maximum(left, 1)
        means = [value.sum(axis=0, dtype=np.float64) / known for value in values]
        first += means
        if self._word == "slope":
            time, value, square, product = ring
            product -= means[0] * time + self._time * (value - means[0] * count)
            square += self._time * (self._time * count - 2 * time)
            time -= self._time * count
        elif self._word != "mean_over":
            for at, (value, mean) in enumerate(zip(values, means, strict=True)):
                ring[self._values + at] -= mean * (2 * value - mean * count)
        if self._values == 2:
            ring[-1] -= means[0] * values[1] + means[1] * (values[0] - means[0] * count)
        for at, mean in zip(self._of_values(), means, strict=True):
            ring[at] -= mean * count

    def _of_values(self) -> range:
        """Return which of the sums are those of the values themselves."""
        return range(1, 2) if self._word == "slope" else range(self._values)

    def _products(self, known: Bool, values: Sequence[np.ndarray]) -> F64:
        """Return what a push adds to each of the sums, (K, N)."""
        found = np.empty(self._sum.shape)
        of_values = self._of_values()
        for at, value, first in zip(of_values, values, self._first, strict=True):
            np.subtract(value, first, out=found[at])
        if not known.all():
            found[of_values.start : of_values.stop, ~known] = 0.0
        if self._word == "slope":
            found[0] = self._time * known
            found[2] = self._time * found[0]
            np.multiply(found[0], found[1], out=found[3])
        elif self._word != "mean_over":
            np.multiply(found[: self._values], found[: self._values], out=found[self._values : 2 * self._values])
            if self._values == 2:
                np.multiply(found[0], found[1], out=found[4])
        return found

    def _result(self) -> F64:
        count = self._count
        if self._word == "mean_over":
            mean: F64 = self._first[0] + self._sum[0] / count
            return mean
        if self._word == "std_over":
            value, square = self._sum
            spread: F64 = np.sqrt(np.maximum(square / count - (value / count) ** 2, 0.0))
            return spread
        if self._word == "slope":
            time, value, square, product = self._sum
            slope: F64 = (count * product - time * value) / (count * square - time * time) / self._step
            return np.where(count >= 2, slope, np.nan)
        left, right, lefts, rights, product = self._sum
        spread_left = lefts / count - (left / count) ** 2
        spread_right = rights / count - (right / count) ** 2
        common = product / count - left * right / count**2
        moved = spread_right > (STILL * np.abs(self._first[1]) + ROUNDED * np.sqrt(rights / count)) ** 2
        if self._word == "slope_against":
            return np.where(moved, common / spread_right, np.nan)
        moved &= spread_left > (STILL * np.abs(self._first[0]) + ROUNDED * np.sqrt(lefts / count)) ** 2
        return np.where(moved, np.clip(common / np.sqrt(spread_left * spread_right), -1.0, 1.0), np.nan)


class Flat(State):
    """flat: whether a value has been the same for a duration of known time."""

    _last: F64
    _still: F64  # s of known time since it changed

    def __init__(self, duration: float, step: float) -> None:
        super().__init__()
        self._duration, self._step = duration, step
        self._column("_last", np.nan)
        self._column("_still", 0.0)

    def push(self, *values: np.ndarray) -> I8:
        (value,) = values
        known = ~np.isnan(value)
        same = value == self._last
        self._still[same] += self._step
        self._still[known & ~same] = 0.0
        self._last[known] = value[known]
        answer = np.where(self._still >= self._duration, TRUE, FALSE).astype(np.int8)
        answer[~known] = UNKNOWN
        return answer


class Lag(State):
    """lag: what a value was a duration ago, to a slot."""

    _ring: F64
    _then: F64

    def __init__(self, duration: float, step: float) -> None:
        super().__init__()
        self.slots = Slots(duration, step)
        self._column("_ring", np.nan, self.slots.count)
        self._column("_then", np.nan)

    def push(self, *values: np.ndarray) -> F64:
        (value,) = values
        at = self.slots.at
        if self.slots.opens:
            self._then[...] = self._ring[at]
        self._ring[at] = value
        self.slots.push()
        return self._then.copy()


class Smooth(State):
    """ewma: exponentially weighted mean, known after one time constant of known time (Roberts 1959)."""

    _mean: F64
    _known: F64  # s of known time

    def __init__(self, duration: float, step: float) -> None:
        super().__init__()
        self._duration, self._step = duration, step
        self._weight = -np.expm1(-step / duration)
        self._column("_mean", np.nan)
        self._column("_known", 0.0)

    def push(self, *values: np.ndarray) -> F64:
        (value,) = values
        known = ~np.isnan(value)
        first = known & np.isnan(self._mean)
        self._mean[first] = value[first]
        self._mean[known] += self._weight * (value - self._mean)[known]
        self._known += self._step * known
        return np.where(known & (self._known >= self._duration), self._mean, np.nan)

    def watched(self, row: int) -> tuple[float, float]:
        return min(float(self._known[row]) / self._duration, 1.0), 1.0


class Baseline(State):
    """baseline: mean of the first duration of known time, frozen from then on."""

    _sum: F64
    _count: F64

    def __init__(self, duration: float, step: float) -> None:
        super().__init__()
        self._need = max(1, round(duration / step))
        self._column("_sum", 0.0)
        self._column("_count", 0.0)

    def push(self, *values: np.ndarray) -> F64:
        (value,) = values
        learns = ~np.isnan(value) & (self._count < self._need)
        if learns.any():
            self._sum += np.where(learns, value, 0.0)
            self._count += learns
        with np.errstate(invalid="ignore"):
            return np.where(self._count >= self._need, self._sum / self._count, np.nan)

    def watched(self, row: int) -> tuple[float, float]:
        return min(float(self._count[row]) / self._need, 1.0), 1.0


class Cusum(State):
    """cusum: integral over time of value - slack, held at 0 from below (Page 1954). Time that is not known adds nothing."""

    _sum: F64

    def __init__(self, step: float) -> None:
        super().__init__()
        self._step = step
        self._column("_sum", 0.0)

    def push(self, *values: np.ndarray) -> F64:
        value, slack = values
        over = (value - slack) * self._step
        known = ~np.isnan(over)
        self._sum[known] = np.maximum(self._sum + over, 0.0)[known]
        return np.where(known, self._sum, np.nan)


_MAKE: dict[str, Callable[[str, float, float, float], State]] = {
    "min_over": lambda word, duration, step, _: Extreme(word, duration, step),
    "max_over": lambda word, duration, step, _: Extreme(word, duration, step),
    "mean_over": lambda word, duration, step, _: Moments(word, duration, step),
    "std_over": lambda word, duration, step, _: Moments(word, duration, step),
    "slope": lambda word, duration, step, _: Moments(word, duration, step),
    "slope_against": lambda word, duration, step, _: Moments(word, duration, step),
    "correlation": lambda word, duration, step, _: Moments(word, duration, step),
    "increase": lambda word, duration, step, _: Grown(word, duration, step),
    "rate": lambda word, duration, step, _: Grown(word, duration, step),
    "changes": lambda _, duration, step, __: Changes(duration, step),
    "swings": lambda _, duration, step, amplitude: Swings(duration, amplitude, step),
    "count_over": lambda _, duration, step, __: Times(duration, step),
    "flat": lambda _, duration, step, __: Flat(duration, step),
    "lag": lambda _, duration, step, __: Lag(duration, step),
    "ewma": lambda _, duration, step, __: Smooth(duration, step),
    "baseline": lambda _, duration, step, __: Baseline(duration, step),
    "cusum": lambda _, __, step, ___: Cusum(step),
}
WORDS = frozenset(_MAKE)


def window(word: str, duration: float, step: float, size: float = 0.0) -> State:
    """Return an empty window.

    Args:
        word: one of WORDS.
        duration: s.
        step: s between two pushes.
        size: amplitude of swings, in the value's unit.

    """
    return _MAKE[word](word, duration, step, size)
