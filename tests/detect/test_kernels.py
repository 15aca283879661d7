"""Every kernel against a scalar twin, on random input with what is not known, with nothing, one and many."""

import math
import operator
import statistics
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.detect import kernels
from monitor.detect.kernels import FALSE, TRUE, UNKNOWN

NUMBER = st.one_of(st.just(math.nan), st.sampled_from([0.0, 1.0, -1.0, 2.0, 100.0]), st.floats(-1e6, 1e6))
NUMBERS = st.lists(NUMBER, max_size=8)
PAIRS = st.lists(st.tuples(NUMBER, NUMBER), max_size=8)
ANSWERS = st.lists(st.sampled_from([FALSE, UNKNOWN, TRUE]), min_size=3, max_size=3)
COMPARE: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}
ARITHMETIC: dict[str, Callable[..., float]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": lambda a, b: a / b if b and not math.isinf(a / b) else math.nan,
    "least": min,
    "greatest": max,
    "neg": operator.neg,
    "abs": abs,
}


def column(values: list[float]) -> np.ndarray:
    return np.array(values, np.float64)


def known(*values: float) -> bool:
    return not any(map(math.isnan, values))


def same(found: np.ndarray, wanted: list[float]) -> None:
    assert found.tolist() == pytest.approx(wanted, rel=1e-9, abs=1e-9, nan_ok=True)


@given(pairs=PAIRS, word=st.sampled_from(list(COMPARE)))
def test_compare(pairs: list[tuple[float, float]], word: str) -> None:
    found = kernels.compare(word, column([left for left, _ in pairs]), column([right for _, right in pairs]))

    assert found.dtype == np.int8
    assert found.tolist() == [(TRUE if COMPARE[word](*pair) else FALSE) if known(*pair) else UNKNOWN for pair in pairs]


@given(parts=st.lists(ANSWERS, min_size=1, max_size=4))
def test_every_some_and_opposite(parts: list[list[int]]) -> None:
    columns = [np.array(part, np.int8) for part in parts]
    rows = list(zip(*parts, strict=True))

    assert kernels.every(columns).tolist() == [FALSE if FALSE in row else UNKNOWN if UNKNOWN in row else TRUE for row in rows]
    assert kernels.some(columns).tolist() == [TRUE if TRUE in row else UNKNOWN if UNKNOWN in row else FALSE for row in rows]
    assert kernels.opposite(columns[0]).tolist() == [{TRUE: FALSE, FALSE: TRUE, UNKNOWN: UNKNOWN}[one] for one in parts[0]]


@given(left=ANSWERS, right=ANSWERS)
def test_de_morgan(left: list[int], right: list[int]) -> None:
    one, other = np.array(left, np.int8), np.array(right, np.int8)

    assert kernels.opposite(kernels.every([one, other])).tolist() == kernels.some([kernels.opposite(one), kernels.opposite(other)]).tolist()


@given(pairs=PAIRS, word=st.sampled_from(["+", "-", "*", "/", "least", "greatest"]))
def test_arithmetic_of_two(pairs: list[tuple[float, float]], word: str) -> None:
    left, right = column([one for one, _ in pairs]), column([one for _, one in pairs])
    before = left.copy(), right.copy()

    same(kernels.arithmetic(word, [left, right]), [ARITHMETIC[word](*pair) if known(*pair) else math.nan for pair in pairs])

    same(left, before[0].tolist())  # a kernel never writes into what it was given
    same(right, before[1].tolist())


@given(values=NUMBERS, word=st.sampled_from(["neg", "abs"]))
def test_arithmetic_of_one(values: list[float], word: str) -> None:
    same(kernels.arithmetic(word, [column(values)]), [ARITHMETIC[word](value) for value in values])


def test_a_division_by_zero_is_not_known() -> None:
    same(kernels.arithmetic("/", [column([1, 0, -1]), column([0, 0, 0])]), [math.nan] * 3)


FOLDS: dict[str, Callable[[list[float]], float]] = {
    "max": max,
    "min": min,
    "sum": sum,
    "mean": statistics.fmean,
    "median": statistics.median,
}


def twin_fold(word: str, values: list[float], members: int) -> float:
    there = [value for value in values if not math.isnan(value)]
    if not there or len(there) < (members if word in {"sum", "imbalance"} else members / 2):
        return math.nan
    if word == "imbalance":
        mean = statistics.fmean(there)
        return math.nan if mean <= 0 or len(there) < 2 else 100 * max(abs(value - mean) for value in there) / mean
    return FOLDS[word](there)


@given(rows=st.lists(NUMBERS, max_size=6), word=st.sampled_from(["max", "min", "mean", "sum", "median", "imbalance"]))
def test_fold(rows: list[list[float]], word: str) -> None:
    most = max(map(len, rows), default=0)
    values = np.full((len(rows), most), np.nan)
    for at, row in enumerate(rows):
        values[at, : len(row)] = row

    found = kernels.fold(word, values, np.array([len(row) for row in rows], np.int32))

    wanted = [twin_fold(word, row, len(row)) for row in rows]
    for one, other in zip(found.tolist(), wanted, strict=True):
        assert one == pytest.approx(other, rel=1e-6, abs=1e-6, nan_ok=True)


def test_the_imbalance_of_a_recorded_tap() -> None:
    found = kernels.fold("imbalance", np.array([[27.86, 33.52, 24.30]]), np.array([3], np.int32))

    assert found[0] == pytest.approx(17.4, abs=0.05)


@given(
    values=st.lists(NUMBER, min_size=1, max_size=16),
    groups=st.lists(st.integers(-1, 2), min_size=16, max_size=16),
)
def test_peer_median(values: list[float], groups: list[int]) -> None:
    group = groups[: len(values)]
    members = [[row for row, own in enumerate(group) if own == number] for number in range(3)]
    table = np.full((3, max(map(len, members))), -1, np.int32)
    for number, rows in enumerate(members):
        table[number, : len(rows)] = rows

    found = kernels.peer_median(column(values), np.array(group, np.int32), table)

    wanted = []
    for own in group:
        there = [values[row] for row in members[own] if not math.isnan(values[row])] if own >= 0 else []
        wanted.append(statistics.median(there) if len(there) >= kernels.PEERS_LEAST else math.nan)
    same(found, wanted)


def test_without_groups_nobody_has_peers() -> None:
    found = kernels.peer_median(column([1, 2]), np.full(2, -1, np.int32), np.zeros((0, 0), np.int32))

    assert np.isnan(found).all()


@pytest.mark.parametrize(
    "call",
    [lambda: kernels.arithmetic("^", [column([1]), column([1])]), lambda: kernels.fold("mode", np.ones((1, 1)), np.ones(1, np.int32))],
)
def test_a_word_that_is_none_is_a_mistake(call: object) -> None:
    with pytest.raises(KeyError):
        call()  # type: ignore[operator]
