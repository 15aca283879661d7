"""Every kernel against a scalar twin, on random input with what is not known, with nothing, one and many."""

import inspect
import math
from collections.abc import Callable

import numpy as np
import pytest
import twins
from hypothesis import given
from hypothesis import strategies as st

from monitor.detect import kernels
from monitor.detect.kernels import FALSE, TRUE, UNKNOWN

NUMBER = st.one_of(st.just(math.nan), st.sampled_from([0.0, 1.0, -1.0, 2.0, 100.0]), st.floats(-1e6, 1e6))
ROUND = st.one_of(st.just(math.nan), st.integers(-9, 9).map(float))
NUMBERS = st.lists(NUMBER, max_size=8)
PAIRS = st.lists(st.tuples(NUMBER, NUMBER), max_size=8)
ANSWER = st.sampled_from([FALSE, UNKNOWN, TRUE])
ANSWERS = st.lists(ANSWER, min_size=3, max_size=3)
TWINS = {"compare", "every", "some", "opposite", "among", "given", "arithmetic", "fold", "count", "count_known", "peer", "peer_z"}


def column(values: list[float]) -> np.ndarray:
    return np.array(values, np.float64)


def same(found: np.ndarray, wanted: list[float], within: float = 1e-9) -> None:
    assert found.tolist() == pytest.approx(wanted, rel=within, abs=within, nan_ok=True)


def test_every_kernel_has_a_twin() -> None:
    public = {
        name for name, found in inspect.getmembers(kernels, inspect.isfunction) if name[0] != "_" and found.__module__ == kernels.__name__
    }

    assert public == TWINS


@given(pairs=PAIRS, word=st.sampled_from(list(twins.COMPARE)))
def test_compare(pairs: list[tuple[float, float]], word: str) -> None:
    found = kernels.compare(word, column([left for left, _ in pairs]), column([right for _, right in pairs]))

    assert found.dtype == np.int8
    assert found.tolist() == [twins.compare(word, *pair) for pair in pairs]


@pytest.mark.parametrize("word", list(twins.COMPARE))
def test_compare_at_equality_beside_it_and_unknown(word: str) -> None:
    pairs = [(1.0, 1.0), (1.0, 2.0), (2.0, 1.0), (math.nan, 1.0), (1.0, math.nan)]

    found = kernels.compare(word, column([left for left, _ in pairs]), column([right for _, right in pairs]))

    assert found.tolist() == [twins.compare(word, *pair) for pair in pairs]


def test_a_matrix_is_compared_with_a_number() -> None:
    found = kernels.compare(">", column([[1, 3], [math.nan, 2]]), np.float64(2))  # type: ignore[list-item]

    assert found.tolist() == [[FALSE, TRUE], [UNKNOWN, FALSE]]


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


@given(rows=st.lists(st.lists(ROUND, min_size=3, max_size=3), max_size=5))
def test_among(rows: list[list[float]]) -> None:
    parts = [column([row[at] for row in rows]) for at in range(3)]

    assert kernels.among(parts).tolist() == [twins.among(*row) for row in rows]


@given(pairs=st.lists(st.tuples(NUMBER, ANSWER), max_size=8))
def test_given(pairs: list[tuple[float, int]]) -> None:
    found = kernels.given(column([value for value, _ in pairs]), np.array([held for _, held in pairs], np.int8))

    same(found, [value if held == TRUE else math.nan for value, held in pairs])


@given(pairs=PAIRS, word=st.sampled_from(["+", "-", "*", "/", "least", "greatest"]))
def test_arithmetic_of_two(pairs: list[tuple[float, float]], word: str) -> None:
    left, right = column([one for one, _ in pairs]), column([one for _, one in pairs])
    before = left.copy(), right.copy()

    same(kernels.arithmetic(word, [left, right]), [twins.arithmetic(word, *pair) for pair in pairs])

    same(left, before[0].tolist())  # a kernel never writes into what it was given
    same(right, before[1].tolist())


@given(values=NUMBERS, word=st.sampled_from(["neg", "abs", "sqrt", "ln", "exp"]))
def test_arithmetic_of_one(values: list[float], word: str) -> None:
    same(kernels.arithmetic(word, [column(values)]), [twins.arithmetic(word, value) for value in values])


@given(values=NUMBERS, exponent=st.sampled_from([-1.0, 0.0, 0.5, 1.75, 2.0, 90.0]))
def test_a_power(values: list[float], exponent: float) -> None:
    same(kernels.arithmetic("pow", [column(values)], exponent), [twins.power(value, exponent) for value in values])


@pytest.mark.parametrize(("word", "values"), [("/", [[1, 0, -1], [0, 0, 0]]), ("ln", [[0, -1]]), ("exp", [[1e6]]), ("sqrt", [[-1]])])
def test_what_has_no_answer_is_not_known(word: str, values: list[list[float]]) -> None:
    found = kernels.arithmetic(word, [column(one) for one in values])

    assert np.isnan(found).all()


def matrix(rows: list[list[float]], fill: float = math.nan, dtype: type = np.float64) -> tuple[np.ndarray, np.ndarray]:
    made = np.full((len(rows), max(map(len, rows), default=0)), fill, dtype)
    for at, row in enumerate(rows):
        made[at, : len(row)] = row
    return made, np.array([len(row) for row in rows], np.int32)


FOLDS = ["max", "min", "mean", "sum", "median", "imbalance"]


@given(rows=st.lists(NUMBERS, max_size=6), word=st.sampled_from(FOLDS))
def test_fold(rows: list[list[float]], word: str) -> None:
    same(kernels.fold(word, *matrix(rows)), [twins.fold(word, row) for row in rows], 1e-6)


@given(rows=st.lists(st.lists(ROUND, max_size=4), max_size=6), word=st.sampled_from(FOLDS))
def test_fold_of_few(rows: list[list[float]], word: str) -> None:
    """Small numbers meet the edges: nothing known, just half of it, no load."""
    same(kernels.fold(word, *matrix(rows)), [twins.fold(word, row) for row in rows])


@pytest.mark.parametrize("word", FOLDS)
def test_a_fold_of_one_member_and_of_none(word: str) -> None:
    same(kernels.fold(word, *matrix([[7.0], [], [math.nan]])), [twins.fold(word, row) for row in ([7.0], [], [math.nan])])
    assert kernels.fold(word, *matrix([])).tolist() == []
    same(kernels.fold(word, *matrix([[], []])), [math.nan, math.nan])


@pytest.mark.parametrize(
    ("word", "row"),
    [(word, row) for word in FOLDS for row in ([1.0, math.nan], [1.0, math.nan, math.nan], [1.0, 3.0, math.nan, math.nan], [1.0, 3.0])],
)
def test_half_of_the_members_is_enough_for_all_but_sum_and_imbalance(word: str, row: list[float]) -> None:
    same(kernels.fold(word, *matrix([row])), [twins.fold(word, row)])


@pytest.mark.parametrize("row", [[0.0, 0.0], [1.0, -1.0], [-1.0, -2.0], [3.0], [1.0, 2.0]])
def test_there_is_no_imbalance_without_a_load_or_of_one(row: list[float]) -> None:
    same(kernels.fold("imbalance", *matrix([row, [5.0, 5.0]])), [twins.fold("imbalance", row), 0.0])


def test_a_fold_beyond_what_a_float_holds_is_not_known() -> None:
    assert np.isnan(kernels.fold("sum", *matrix([[1.7e308, 1.7e308]]))).all()


def test_the_imbalance_of_a_recorded_tap() -> None:
    found = kernels.fold("imbalance", np.array([[27.86, 33.52, 24.30]]), np.array([3], np.int32))

    assert found[0] == pytest.approx(17.4, abs=0.05)


@given(rows=st.lists(st.lists(ANSWER, max_size=5), max_size=6))
def test_count(rows: list[list[int]]) -> None:
    held, members = matrix(rows, UNKNOWN, np.int8)  # type: ignore[arg-type]

    same(kernels.count(held, members), [twins.count(row) for row in rows])


@given(rows=st.lists(NUMBERS, max_size=6))
def test_count_known(rows: list[list[float]]) -> None:
    same(kernels.count_known(*matrix(rows)), [twins.count_known(row) for row in rows])


def grouped(group: list[int]) -> tuple[np.ndarray, np.ndarray, list[list[int]]]:
    members = [[row for row, own in enumerate(group) if own == number] for number in range(3)]
    table, _ = matrix(members, -1, np.int32)  # type: ignore[arg-type]
    return np.array(group, np.int32), table, members


ROWS = st.integers(0, 24).flatmap(
    lambda count: st.tuples(
        st.lists(ROUND, min_size=count, max_size=count),
        st.lists(st.integers(-1, 2), min_size=count, max_size=count),
        st.lists(st.sampled_from([0.0, 1.0, 20.0, 21.0, 22.0, -5.0, math.nan]), min_size=count, max_size=count),
        st.lists(st.sampled_from([0.0, 0.5, 3.0, math.nan]), min_size=count, max_size=count),
    )
)


@given(rows=ROWS, word=st.sampled_from(list(twins.PEERS)), least=st.integers(0, 5))
def test_peer(rows: tuple[list[float], list[int], list[float], list[float]], word: str, least: int) -> None:
    values, own, _, _ = rows
    group, table, members = grouped(own)

    found = kernels.peer(word, column(values), group, table, least)

    shared = [twins.peer(word, [values[row] for row in mine], least) for mine in members]
    same(found, [shared[number] if number >= 0 else math.nan for number in own])


@given(rows=ROWS, least=st.integers(2, 5), loaded=st.booleans())
def test_peer_z(rows: tuple[list[float], list[int], list[float], list[float]], least: int, loaded: bool) -> None:
    values, own, load, floor = rows
    group, table, members = grouped(own)

    found = kernels.peer_z(column(values), column(floor), column(load) if loaded else None, group, table, least)

    wanted = [math.nan] * len(values)
    for mine in members:
        left = [values[row] for row in mine]
        left = twins.without_trend(left, [load[row] for row in mine], least) if loaded else left
        for row, distance in zip(mine, twins.peer_z(left, [floor[row] for row in mine], least), strict=True):
            wanted[row] = distance
    same(found, wanted)


def peers(count: int) -> tuple[np.ndarray, np.ndarray]:
    return np.zeros(count, np.int32), np.arange(count, dtype=np.int32)[None, :]


@pytest.mark.parametrize(("count", "known"), [(3, False), (4, True)])
def test_four_peers_make_a_median_unless_said_otherwise(count: int, known: bool) -> None:
    values = column([5.0] * count)

    assert np.isnan(kernels.peer("peer_median", values, *peers(count))).any() != known
    assert kernels.peer("peer_median", values, *peers(count), 3).tolist() == [5.0] * count


@pytest.mark.parametrize(("count", "known"), [(7, False), (8, True)])
def test_eight_peers_make_a_spread_unless_said_otherwise(count: int, known: bool) -> None:
    values, floor = column([float(at) for at in range(count)]), column([1.0] * count)

    assert np.isnan(kernels.peer_z(values, floor, None, *peers(count))).any() != known
    assert not np.isnan(kernels.peer_z(values, floor, None, *peers(count), 7)).any()


def test_what_the_load_explains_is_no_distance() -> None:
    """Nine GPUs, each 3 K a kW hotter, and one 5 K hotter than that."""
    load = column([1.0, 1.2, 1.4, 1.6, 1.8, 2.0, 2.2, 2.4, 2.6])
    values = 30 + 3 * load
    values[8] += 5

    found = kernels.peer_z(values, column([0.5] * 9), load, *peers(9))

    assert np.argmax(found) == 8
    assert found[8] == pytest.approx(5 / (kernels.NORMAL * 0.5))
    assert np.abs(np.delete(found, 8)).max() < 1e-9


def test_peers_with_one_load_have_no_trend() -> None:
    values, load, floor = column([float(at) for at in range(9)]), column([2.0] * 9), column([1.0] * 9)

    same(kernels.peer_z(values, floor, load, *peers(9)), kernels.peer_z(values, floor, None, *peers(9)).tolist())


def test_a_load_must_lean_by_more_than_a_twentieth_to_count() -> None:
    """A load exactly at the edge leans not; the trend would take the outlier away."""
    load = column([19.0] * 4 + [20.0] + [21.0] * 4)
    values = column([0.0] * 4 + [1.0] + [2.0] * 4)
    floor = column([1.0] * 9)

    assert kernels.LEANS * 20.0 == 1.0
    same(kernels.peer_z(values, floor, load, *peers(9)), kernels.peer_z(values, floor, None, *peers(9)).tolist())


@pytest.mark.parametrize("make", [lambda *a: kernels.peer("peer_max", *a), lambda v, *a: kernels.peer_z(v, v, v, *a)])
def test_without_groups_nobody_has_peers(make: Callable[..., np.ndarray]) -> None:
    found = make(column([1, 2]), np.full(2, -1, np.int32), np.zeros((0, 0), np.int32))

    assert np.isnan(found).all()
    assert len(found) == 2


@pytest.mark.parametrize(
    "call",
    [
        lambda: kernels.arithmetic("^", [column([1]), column([1])]),
        lambda: kernels.fold("mode", np.ones((1, 1)), np.ones(1, np.int32)),
        lambda: kernels.peer("peer_mode", column([1, 2]), *peers(2), 2),
    ],
)
def test_a_word_that_is_none_is_a_mistake(call: Callable[[], object]) -> None:
    with pytest.raises(KeyError):
        call()
