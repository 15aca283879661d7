"""The arithmetic of the plan: pure numpy, one function an operation, every asset at once.

Numbers are float64 with NaN for "not known". Conditions are int8: -1 false, 0 not known, 1 true; with these three numbers
Kleene's "and" is the least, "or" the greatest and "not" the negative.
"""

import operator
import warnings
from collections.abc import Callable

import numpy as np

from monitor.model import F64, I8, I32

FALSE, UNKNOWN, TRUE = -1, 0, 1
PEERS_LEAST = 4  # known peers below which a median says nothing; an estimate
HALF = 0.5  # share of members that must be known for max, min, mean and median; an estimate

_COMPARE: dict[str, tuple[Callable[[F64, F64], np.ndarray], Callable[[F64, F64], np.ndarray]]] = {
    "<": (operator.lt, operator.ge),
    "<=": (operator.le, operator.gt),
    ">": (operator.gt, operator.le),
    ">=": (operator.ge, operator.lt),
}


def compare(word: str, left: F64, right: F64) -> I8:
    """Compare; a side that is not known makes the answer not known.

    >>> compare("<", np.array([1.0, 3.0, np.nan]), np.array([2.0, 2.0, 2.0]))
    array([ 1, -1,  0], dtype=int8)
    """
    if word in {"==", "!="}:
        same, other = left == right, (left < right) | (left > right)
        held, fails = (same, other) if word == "==" else (other, same)
    else:
        yes, no = _COMPARE[word]
        held, fails = yes(left, right), no(left, right)
    answer: I8 = held.view(np.int8) - fails.view(np.int8)  # NaN is neither
    return answer


def every(parts: list[I8]) -> I8:
    """Kleene "and": false where any is false, else not known where any is not known."""
    result = parts[0]
    for part in parts[1:]:
        result = np.minimum(result, part)
    return result


def some(parts: list[I8]) -> I8:
    """Kleene "or"."""
    result = parts[0]
    for part in parts[1:]:
        result = np.maximum(result, part)
    return result


def opposite(part: I8) -> I8:
    return np.negative(part)


def arithmetic(word: str, parts: list[F64]) -> F64:
    """Compute + - * / neg abs least greatest elementwise; a division by zero, or beyond what a float holds, is not known."""
    with np.errstate(all="ignore"):
        match word:
            case "+":
                result = parts[0] + parts[1]
            case "-":
                result = parts[0] - parts[1]
            case "*":
                result = parts[0] * parts[1]
            case "/":
                result = parts[0] / parts[1]
            case "neg":
                result = -parts[0]
            case "abs":
                result = np.abs(parts[0])
            case "least":
                result = np.minimum(parts[0], parts[1])
            case "greatest":
                result = np.maximum(parts[0], parts[1])
            case _:
                raise KeyError(word)
    if word == "/":
        result[np.isinf(result)] = np.nan
    return result


def fold(word: str, values: F64, members: I32) -> F64:
    """Reduce each row's members to one number.

    max, min, mean and median need half of the members known, sum and imbalance all of them; a row without members is
    not known.

    Args:
        word: max, min, mean, sum, median or imbalance.
        values: (N, M), NaN where not known and where there is no member.
        members: (N,) number of members of each row.

    """
    known = np.count_nonzero(~np.isnan(values), axis=1)
    enough = (known > 0) & (known >= (members if word in {"sum", "imbalance"} else members * HALF))
    result = np.full(len(values), np.nan)
    if not enough.any():
        return result
    some_rows = values[enough]
    with np.errstate(all="ignore"):
        match word:
            case "max":
                found = np.fmax.reduce(some_rows, axis=1)
            case "min":
                found = np.fmin.reduce(some_rows, axis=1)
            case "sum":
                found = np.nansum(some_rows, axis=1)
            case "mean":
                found = np.nansum(some_rows, axis=1) / known[enough]
            case "median":
                found = _median(some_rows, known[enough])
            case "imbalance":
                mean = np.nansum(some_rows, axis=1) / known[enough]
                found = 100 * np.fmax.reduce(np.abs(some_rows - mean[:, None]), axis=1) / mean
                found[(mean <= 0) | (known[enough] < 2)] = np.nan  # no load, or nothing to compare
            case _:
                raise KeyError(word)
    result[enough] = np.where(np.isinf(found), np.nan, found)
    return result


def _median(values: F64, known: np.ndarray) -> F64:
    """Median of the known members of each row; every row has at least one."""
    ordered = np.sort(values, axis=1)  # NaN last
    rows = np.arange(len(values))
    result: F64 = (ordered[rows, (known - 1) // 2] + ordered[rows, known // 2]) / 2
    return result


def peer_median(values: F64, group: I32, groups: I32) -> F64:
    """Give each row the median of its group; not known below PEERS_LEAST known members or without a group.

    Args:
        values: (N,).
        group: (N,) row of `groups`, -1 for none.
        groups: (G, M) rows of `values`, -1 filling up.

    """
    if not len(groups):
        return np.full(len(values), np.nan)
    padded = np.concatenate((values, [np.nan]))
    members = padded[groups]
    known = np.count_nonzero(~np.isnan(members), axis=1)
    medians = np.full(len(groups) + 1, np.nan)  # the last one stands for "no group"
    enough = known >= PEERS_LEAST
    if enough.any():
        medians[:-1][enough] = _median(members[enough], known[enough])
    return medians[group]


class Window:
    """The last `duration` seconds of a value as a ring of slots, shape (W, N).

    Not known until the value has been watched for the whole duration and was known for most of it.

    Args:
        word: min_over, max_over or mean_over.
        duration: s.
        tick: s a tick.

    """

    SLOTS = 120  # beyond it a slot holds several ticks; an estimate, 1 % of the duration
    KNOWN = 0.8  # share of the slots that must be known; an estimate

    def __init__(self, word: str, duration: float, tick: float) -> None:
        self.word = word
        ticks = max(1, round(duration / tick))
        self._every = -(-ticks // self.SLOTS)
        self._slots = -(-ticks // self._every)
        self._ring = np.full((self._slots, 0), np.nan)
        self._sum = np.zeros(0)
        self._count = np.zeros(0)
        self._watched = np.zeros(0, np.int64)  # ticks since the value was first known
        self._ticks = ticks
        self._at = 0
        self._step = 0

    def extend(self, rows: int) -> None:
        more = rows - self._ring.shape[1]
        if more > 0:
            self._ring = np.concatenate([self._ring, np.full((self._slots, more), np.nan)], axis=1)
            self._sum = np.concatenate([self._sum, np.zeros(more)])
            self._count = np.concatenate([self._count, np.zeros(more)])
            self._watched = np.concatenate([self._watched, np.zeros(more, np.int64)])

    def forget(self, rows: np.ndarray) -> None:
        """Start anew for some rows: their point changed its meaning."""
        self._ring[:, rows] = np.nan
        self._sum[rows] = self._count[rows] = self._watched[rows] = 0

    def push(self, value: F64) -> F64:
        """Take in one tick's values, (N,), and return the window's, (N,)."""
        known = ~np.isnan(value)
        slot = self._ring[self._at]
        if self._step == 0:
            slot[...] = np.nan
            self._sum[...] = 0
            self._count[...] = 0
        match self.word:
            case "min_over":
                np.fmin(slot, value, out=slot)
            case "max_over":
                np.fmax(slot, value, out=slot)
            case "mean_over":
                self._sum += np.where(known, value, 0.0)
                self._count += known
                with np.errstate(invalid="ignore"):
                    slot[...] = self._sum / self._count
            case _:
                raise KeyError(self.word)
        self._step = (self._step + 1) % self._every
        if self._step == 0:
            self._at = (self._at + 1) % self._slots
        share = np.count_nonzero(~np.isnan(self._ring), axis=0)
        self._watched = np.where(share > 0, self._watched + 1, 0)
        enough = known & (self._watched >= self._ticks) & (share >= self.KNOWN * self._slots)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            match self.word:
                case "min_over":
                    result = np.fmin.reduce(self._ring, axis=0)
                case "max_over":
                    result = np.fmax.reduce(self._ring, axis=0)
                case _:
                    result = np.nanmean(self._ring, axis=0)
        return np.where(enough, result, np.nan)
