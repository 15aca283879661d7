"""The arithmetic of the plan: pure numpy, one function an operation, every asset at once.

Numbers are float64 with NaN for "not known". Conditions are int8: -1 false, 0 not known, 1 true; with these three numbers
Kleene's "and" is the least, "or" the greatest and "not" the negative.
"""

import operator
from collections.abc import Callable, Sequence

import numpy as np

from monitor.model import F64, I8, I32

FALSE, UNKNOWN, TRUE = -1, 0, 1
PEERS_LEAST = 4  # known peers below which a median says nothing; an estimate
PEERS_LEAST_SPREAD = 8  # known peers below which their spread says nothing; an estimate
NORMAL = 1.4826  # standard deviation over median absolute deviation of a normal distribution
LEANS = 0.05  # of the median load, by which a peer's load must differ to count for the trend; an estimate
HALF = 0.5  # share of members that must be known for max, min, mean and median; an estimate

Comparison = Callable[[F64, F64], I8]


def _between(holds: Callable[[F64, F64], np.ndarray], fails: Callable[[F64, F64], np.ndarray]) -> Comparison:
    """Return a comparison from two that are opposite but for NaN, of which neither is true."""

    def compared(left: F64, right: F64) -> I8:
        answer: I8 = holds(left, right).view(np.int8) - fails(left, right).view(np.int8)
        return answer

    return compared


def _differ(left: F64, right: F64) -> np.ndarray:
    return (left < right) | (left > right)


COMPARE: dict[str, Comparison] = {
    "<": _between(operator.lt, operator.ge),
    "<=": _between(operator.le, operator.gt),
    ">": _between(operator.gt, operator.le),
    ">=": _between(operator.ge, operator.lt),
    "==": _between(operator.eq, _differ),
    "!=": _between(_differ, operator.eq),
}


def compare(word: str, left: F64, right: F64) -> I8:
    """Compare; a side that is not known makes the answer not known.

    >>> compare("<", np.array([1.0, 3.0, np.nan]), np.array([2.0, 2.0, 2.0]))
    array([ 1, -1,  0], dtype=int8)
    """
    return COMPARE[word](left, right)


def every(parts: Sequence[I8]) -> I8:
    """Kleene "and": false where any is false, else not known where any is not known."""
    result = parts[0]
    for part in parts[1:]:
        result = np.minimum(result, part)
    return result


def some(parts: Sequence[I8]) -> I8:
    """Kleene "or"."""
    result = parts[0]
    for part in parts[1:]:
        result = np.maximum(result, part)
    return result


def opposite(part: I8) -> I8:
    return np.negative(part)


def among(parts: Sequence[F64]) -> I8:
    """Say whether the first equals any of the others; those that are not known (a label that a wire lacks) do not count beside others."""
    held = some([compare("==", parts[0], other) for other in parts[1:]])
    if not np.isnan(parts[1:]).any():
        return held
    known = ~np.isnan(parts[0]) & ~np.isnan(parts[1:]).all(axis=0)
    return np.where((held == UNKNOWN) & known, np.int8(FALSE), held)


def given(value: F64, held: I8) -> F64:
    """Keep a value where a condition is true, else it is not known."""
    return np.where(held == TRUE, value, np.nan)


def _finite(result: F64) -> F64:
    result[np.isinf(result)] = np.nan
    return result


ARITHMETIC: dict[str, Callable[..., F64]] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": lambda left, right: _finite(np.divide(left, right)),
    "neg": np.negative,
    "abs": np.abs,
    "sqrt": np.sqrt,
    "ln": lambda part: _finite(np.log(part)),
    "exp": lambda part: _finite(np.exp(part)),
    "pow": lambda part, power: _finite(np.where(np.isnan(part), np.nan, np.power(part, power))),  # numpy says 1 for NaN ** 0
    "least": np.minimum,
    "greatest": np.maximum,
}


def arithmetic(word: str, parts: Sequence[F64], *more: float) -> F64:
    """Compute a word of ARITHMETIC elementwise; `more` is the power of pow.

    What has no answer (a division by zero, the root of a negative) is not known, nor is a quotient, logarithm or power beyond what a
    float holds.
    """
    with np.errstate(all="ignore"):
        return ARITHMETIC[word](*parts, *more)


_WHOLE: dict[str, Callable[..., F64]] = {"max": np.max, "min": np.min, "sum": np.sum, "mean": np.mean}


def fold(word: str, values: F64, members: I32) -> F64:
    """Reduce each row's members to one number.

    max, min, mean and median need half of the members known, sum and imbalance all of them; a row without members is
    not known.

    Args:
        word: max, min, mean, sum, median or imbalance.
        values: (N, M), NaN where not known and where there is no member.
        members: (N,) number of members of each row.

    """
    if values.shape[1] == 1 and word in {"max", "min", "sum", "mean", "median"}:
        return np.where(members > 0, values[:, 0], np.nan)
    gaps = np.isnan(values)
    if word in _WHOLE and len(values) and values.shape[1] and not gaps.any():  # all known, as nearly always
        with np.errstate(all="ignore"):
            return _finite(_WHOLE[word](values, axis=1))
    known = values.shape[1] - np.count_nonzero(gaps, axis=1)
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


def count(held: I8, members: I32) -> F64:
    """Count each row's members that are true; not known where none is known, and where there is no member.

    Args:
        held: (N, M), UNKNOWN where not known and where there is no member.
        members: (N,) number of members of each row.

    """
    known = (held != UNKNOWN).any(axis=1)
    return np.where(known & (members > 0), np.count_nonzero(held == TRUE, axis=1), np.nan)


def count_known(values: F64, members: I32) -> F64:
    """Count each row's members whose value is known; not known only where there is no member. Shapes as in `fold`."""
    return np.where(members > 0, np.count_nonzero(~np.isnan(values), axis=1), np.nan)


def peer(word: str, values: F64, group: I32, groups: I32, least: int = PEERS_LEAST) -> F64:
    """Give each row the median, min, max or mean of its group; not known below `least` known members or without a group.

    Args:
        word: peer_median, peer_min, peer_max or peer_mean.
        values: (N,).
        group: (N,) row of `groups`, -1 for none.
        groups: (G, M) rows of `values`, -1 filling up.
        least: known members that are needed.

    """
    if not len(groups):
        return np.full(len(values), np.nan)
    return _of_groups(word, np.concatenate((values, [np.nan]))[groups], least)[group]


def _of_groups(word: str, members: F64, least: int) -> F64:
    """Reduce each group, (G, M); the last of the G + 1 results is that of "no group"."""
    known = np.count_nonzero(~np.isnan(members), axis=1)
    result = np.full(len(members) + 1, np.nan)
    enough = known >= max(least, 1)
    if enough.any():
        some_groups, counts = members[enough], known[enough]
        match word:
            case "peer_median":
                found = _median(some_groups, counts)
            case "peer_min":
                found = np.fmin.reduce(some_groups, axis=1)
            case "peer_max":
                found = np.fmax.reduce(some_groups, axis=1)
            case "peer_mean":
                found = np.nansum(some_groups, axis=1) / counts
            case _:
                raise KeyError(word)
        result[:-1][enough] = found
    return result


def peer_z(values: F64, floor: F64, load: F64 | None, group: I32, groups: I32, least: int = PEERS_LEAST_SPREAD) -> F64:
    """Give each row its distance from its group's median, over 1.4826 times the median absolute deviation.

    With a load, the trend with it is taken out first: the median, over the members whose load differs from the median
    load by more than LEANS, of the slope through the median point.

    Args:
        values: (N,).
        floor: (N,) least deviation that is believed, in the values' unit.
        load: (N,) what the values depend on, or None.
        group: as in `peer`.
        groups: as in `peer`.
        least: as in `peer`.

    """
    if not len(groups):
        return np.full(len(values), np.nan)
    if load is not None:
        values = _without_trend(values, load, group, groups, least)
    members = np.concatenate((values, [np.nan]))[groups]
    middle = _of_groups("peer_median", members, least)
    spread = _of_groups("peer_median", np.abs(members - middle[:-1, None]), least)
    with np.errstate(all="ignore"):
        result: F64 = (values - middle[group]) / (NORMAL * np.maximum(spread[group], floor))
    result[np.isinf(result)] = np.nan
    return result


def _without_trend(values: F64, load: F64, group: I32, groups: I32, least: int) -> F64:
    known = ~(np.isnan(values) | np.isnan(load))
    values, load = np.where(known, values, np.nan), np.where(known, load, np.nan)
    there = [np.concatenate((column, [np.nan]))[groups] for column in (values, load)]
    middles = [_of_groups("peer_median", column, least) for column in there]
    rise, lean = (column - middle[:-1, None] for column, middle in zip(there, middles, strict=True))
    with np.errstate(all="ignore"):
        slopes = np.where(np.abs(lean) > LEANS * np.abs(middles[1][:-1, None]), rise / lean, np.nan)
    slope = _of_groups("peer_median", slopes, PEERS_LEAST)
    slope[np.isnan(slope)] = 0.0  # all carry the same load
    result: F64 = values - slope[group] * (load - middles[1][group])
    return result
