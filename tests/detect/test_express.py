"""The express lane by itself: which readings breach, since when, and what is settled."""

from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.detect import meaning
from monitor.detect.express import Lane
from monitor.detect.kernels import FALSE, TRUE
from monitor.detect.nodes import Node, Scope, walk
from monitor.detect.roster import Roster
from monitor.detect.steps import Constant, Own, Table
from monitor.detect.syntax import parse

NOBODY = -1


def made(text: str, points: list[int], scope: Scope | None = None) -> tuple[Lane, Table]:
    """Return the lane of an expression over rows that read these points."""
    when = meaning.condition(parse(text), scope or Scope({}))
    table = Table(Roster(("rack",), None), 1)
    table.roster.assets = [None] * len(points)  # type: ignore[list-item]
    for node in walk(when):
        if node.operation == "own":
            own = Own(node, [])
            own.index = np.array(points, np.int64)
            table.steps[node] = own
        elif node.operation == "constant":
            step = Constant(node, [])
            step.out = np.full(len(points), float(node.data[0]))
            table.steps[node] = step
    return Lane(when), table


def judge(lane: Lane, table: Table, *readings: tuple[int, float, float], active: list[bool] | None = None) -> list[int]:
    """Let (point, time, value) come."""
    point, time, value = zip(*readings, strict=True)
    there = np.array(active if active is not None else [True] * len(table))
    return lane.judge(np.array(point, np.int32), np.array(time, float), np.array(value, float), table, there).tolist()


def lane_of(text: str, points: list[int]) -> tuple[Lane, Table]:
    lane, table = made(text, points)
    lane.bind(table)
    return lane, table


def test_a_point_belongs_to_the_row_that_reads_it_and_to_no_other() -> None:
    lane, _ = lane_of("power > 5 kW", [3, NOBODY, 0])

    assert lane.row_of(np.arange(6, dtype=np.int32)).tolist() == [2, NOBODY, NOBODY, 0, NOBODY, NOBODY]
    nobody, _ = lane_of("power > 5 kW", [NOBODY])
    assert nobody.row_of(np.arange(2, dtype=np.int32)).tolist() == [NOBODY, NOBODY]


def test_more_rows_keep_what_waits() -> None:
    lane, table = lane_of("power > 5 kW", [0, 1])
    judge(lane, table, (1, 10.0, 6.0))
    _, wider = made("power > 5 kW", [0, 1, 4])
    lane.bind(wider)

    np.testing.assert_array_equal(lane.since, [np.nan, 10.0, np.nan])
    assert lane.settled(10.0).tolist() == [1]


def test_the_first_row_of_all_is_judged_too() -> None:
    lane, table = lane_of("power > 5 kW", [0])

    assert judge(lane, table, (0, 10.0, 6.0)) == [0]
    assert lane.value[0] == 6.0
    assert lane.limit(table, 0) == 5.0


def test_readings_of_nobody_and_those_that_breach_nothing_leave_nothing_behind() -> None:
    lane, table = lane_of("power > 5 kW", [0, NOBODY])

    assert judge(lane, table, (2, 10.0, 6.0), (0, 10.0, 5.0), (0, 11.0, np.nan)) == []
    assert not lane.waiting
    assert np.isnan(lane.since).all()


def test_an_inactive_row_breaches_nothing() -> None:
    lane, table = lane_of("power > 5 kW", [0, 1])

    assert judge(lane, table, (0, 10.0, 6.0), (1, 10.0, 6.0), active=[False, True]) == [1]


def test_the_earliest_breach_counts_whatever_comes_first() -> None:
    lane, table = lane_of("power > 5 kW", [0])

    assert judge(lane, table, (0, 12.0, 7.0), (0, 11.0, 6.0), (0, 13.0, 8.0)) == [0]
    assert judge(lane, table, (0, 11.0, 9.0)) == [0]
    assert (lane.since[0], lane.value[0]) == (11.0, 6.0)


@pytest.mark.parametrize(("time", "rows"), [(9.9, []), (10.0, [0]), (10.5, [0]), (11.0, [0, 1])])
def test_what_lies_in_a_closed_tick_is_settled_and_forgotten(time: float, rows: list[int]) -> None:
    lane, table = lane_of("power > 5 kW", [0, 1, 2])
    judge(lane, table, (0, 10.0, 6.0), (1, 11.0, 7.0))

    assert lane.settled(time).tolist() == rows
    lane.forget(time)
    assert lane.settled(99.0).tolist() == [row for row in (0, 1) if row not in rows]
    assert np.isnan(lane.value[rows]).all()
    assert lane.waiting == (len(rows) < 2)


@pytest.mark.parametrize(
    ("text", "value", "told", "limit"),
    [
        ("power > 5 kW", 6.0, 6.0, 5.0),
        ("2 * power > 5 kW", 6.0, 12.0, 5.0),
        ("5 kW < power", 6.0, 5.0, np.nan),
        ("leak in {1, 2}", 2.0, 2.0, np.nan),
        ("not leak == 0", 2.0, 2.0, 0.0),
        ("leak > 0 and leak < 5", 2.0, 2.0, 0.0),
        ("xid in {79, 48}", 48.0, 48.0, np.nan),
        ("xid == 79", 79.0, 79.0, 79.0),
    ],
)
def test_the_two_sides_of_the_first_comparison_are_told(text: str, value: float, told: float, limit: float) -> None:
    lane, table = lane_of(text, [0])

    assert judge(lane, table, (0, 10.0, value)) == [0]
    np.testing.assert_array_equal([lane.value[0], lane.limit(table, 0)], [told, limit])


@dataclass
class Twin:
    """One row's lane."""

    since: float = np.nan
    value: float = np.nan
    waiting: list[tuple[float, float]] = field(default_factory=list)

    def judge(self, time: float, value: float) -> bool:
        if value > 5:
            self.waiting.append((time, value))
        return value > 5

    def first(self) -> tuple[float, float]:
        return min(self.waiting, key=lambda one: one[0], default=(np.nan, np.nan))


READING = st.tuples(st.integers(0, 4), st.integers(0, 9).map(float), st.sampled_from([4.0, 5.0, 5.5, 9.0, np.nan]))


@given(batches=st.lists(st.lists(READING, min_size=1, max_size=6), max_size=5), closes=st.integers(0, 9))
def test_a_lane_is_what_its_twins_say(batches: list[list[tuple[int, float, float]]], closes: int) -> None:
    points = [3, NOBODY, 0]
    lane, table = lane_of("power > 5 kW", points)
    twins = {row: Twin() for row, point in enumerate(points) if point != NOBODY}
    for batch in batches:
        breached = {row for point, time, value in batch for row, twin in twins.items() if points[row] == point and twin.judge(time, value)}

        assert judge(lane, table, *batch) == sorted(breached)

        for row, twin in twins.items():
            np.testing.assert_array_equal([lane.since[row], lane.value[row]], twin.first())
    assert lane.settled(closes).tolist() == [row for row, twin in twins.items() if twin.first()[0] <= closes]


def test_a_condition_is_one_of_three() -> None:
    lane, table = lane_of("power > 5 kW", [0])
    node: Node = lane.when

    assert lane._value(node, np.array([0, 0, 0]), np.array([6.0, 4.0, np.nan]), table).tolist() == [TRUE, FALSE, 0]
