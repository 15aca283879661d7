"""Batches of many sources: what is late, what each tick takes, and the clocks, against a scalar twin."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.collect.clocks import SourceClocks, runs
from monitor.collect.ticks import Ticks
from monitor.model import Readings

START = 1_767_225_600.0
ROW = st.tuples(st.integers(0, 5), st.integers(-60, 60), st.booleans())  # source, time in fifths of a second, whether it is a snapshot
RUNS = st.lists(st.tuples(ROW, st.integers(1, 4)), min_size=1, max_size=12).map(
    lambda told: [row for row, times in told for _ in range(times)]
)
BATCHES = st.lists(RUNS, min_size=1, max_size=5)


def readings(rows: list[tuple[int, int, bool]]) -> tuple[Readings, np.ndarray]:
    source = np.array([row[0] for row in rows], np.int32)
    time = START + np.array([row[1] for row in rows]) / 5
    made = Readings.of(np.arange(len(rows)), time, np.arange(len(rows), dtype=float), received=START, snapshot=[row[2] for row in rows])
    return made, source


class Twin:
    """One row at a time."""

    def __init__(self, closed: int) -> None:
        self.closed, self.late = closed, 0
        self.newest: dict[int, float] = {}

    def due(self, source: int, order: float, snapshot: bool) -> int:
        passed = self.closed
        if not snapshot and source in self.newest:
            passed = max(passed, math.floor(self.newest[source] - 2.0))
        if not snapshot:
            self.newest[source] = max(order, self.newest.get(source, -math.inf))
        if math.ceil(order) > passed:
            return math.ceil(order)
        self.late += not snapshot
        return passed + 1


@settings(max_examples=400, deadline=None)
@given(BATCHES)
def test_every_row_goes_to_the_tick_of_the_scalar_twin(batches: list[list[tuple[int, int, bool]]]) -> None:
    ticks = Ticks(clock_limit=1e9)
    closed = math.floor(START) - 20
    ticks.start(closed + 2.0)
    twin = Twin(closed)
    wanted: dict[int, list[float]] = {}
    for number, rows in enumerate(batches):
        made, source = readings(rows)
        for row, value, order in zip(rows, made.value.tolist(), made.time.tolist(), strict=True):
            wanted.setdefault(twin.due(row[0], order, row[2]), []).append(number * 1000 + value)
        ticks.add(Readings.of(made.point, made.time, made.value + number * 1000, received=made.received, snapshot=made.snapshot), source)

    found = {round(tick.time): tick.value.tolist() for tick in ticks.close(START + 60.0) if len(tick.point)}

    assert found == wanted
    assert ticks.late == twin.late
    assert ticks.pending == 0


@settings(max_examples=200, deadline=None)
@given(BATCHES)
def test_a_batch_of_many_sources_equals_a_batch_a_source(batches: list[list[tuple[int, int, bool]]]) -> None:
    """The order of times, life signs and the least delay; not which delays are kept as samples."""
    together, apart = SourceClocks(2.0), SourceClocks(2.0)
    for rows in batches:
        made, source = readings(rows)
        order, life = together.order(made, source)
        for one in np.unique(source):
            mine = source == one
            alone = apart.order(made.take(mine), source[mine])
            np.testing.assert_array_equal(order[mine], alone[0])
            np.testing.assert_array_equal(life[mine], alone[1])


def test_each_source_has_its_own_offset() -> None:
    clocks = SourceClocks()
    source = np.repeat(np.arange(300, dtype=np.int32), 3)
    ahead = np.where(source % 3 == 0, 5.0, np.where(source % 3 == 1, -7.0, 0.0))
    for second in range(40):
        now = START + second
        clocks.order(Readings.of(np.arange(900), now + ahead, np.zeros(900), received=now), source)

    np.testing.assert_allclose(clocks.offsets(), [(5.0, -7.0, 0.0)[number % 3] for number in range(300)])


def test_runs_begin_where_the_source_changes() -> None:
    assert runs(np.array([4, 4, 4], np.int32)).tolist() == [0]
    assert runs(np.array([4, 1, 1, 4], np.int32)).tolist() == [0, 1, 3]


def test_a_source_that_spoke_last_within_the_idle_time_holds_the_tick() -> None:
    ticks = Ticks()
    source = np.array([0, 1, 2], np.int32)
    ticks.add(Readings.of([0, 1, 2], [START - 0.5] * 3, [0.0] * 3, received=START), source)
    ticks.add(Readings.of([0, 1, 2], [START, START + 0.5, START + 1.0], [0.0] * 3, received=START + 1.0), source)

    assert [round(tick.time - START) for tick in ticks.close(START + 1.5)] == [-2]
    assert [round(tick.time - START) for tick in ticks.close(START + 2.5)] == [-1, 0]


@pytest.mark.parametrize(("pause", "reached"), [(1.0, -2), (1.25, -1)])
def test_a_source_that_speaks_seldom_holds_no_tick_between_its_messages(pause: float, reached: int) -> None:
    ticks = Ticks()
    seldom, often = np.array([0], np.int32), np.array([1], np.int32)
    ticks.add(Readings.of([0], [START - pause], [0.0]), seldom)
    ticks.add(Readings.of([0], [START], [0.0]), seldom)
    ticks.add(Readings.of([1], [START + 0.25], [0.0]), often)
    ticks.add(Readings.of([1], [START + 1.0], [0.0]), often)

    assert [round(tick.time - START) for tick in ticks.close(START + 1.0)][-1] == reached
