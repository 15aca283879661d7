"""The frame against a scalar twin, and its promises."""

import math
from dataclasses import dataclass, field

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as some

from monitor.collect.frame import Frame

POINTS = 4
INTERVAL = 10.0  # s; stale after 30


@dataclass
class Twin:
    """One point, one reading at a time."""

    held: float = math.nan
    newest: float = -math.inf
    alive: float = math.nan
    seen: list[float] = field(default_factory=list)

    def tick(self, time: float, rows: list[tuple[float, float, int, float]]) -> tuple[float, float, float]:
        good: list[float] = []
        for stamp, value, quality, life in sorted(rows, key=lambda row: (row[0], row[2], math.isnan(row[1]), row[1])):
            self.alive = life if math.isnan(self.alive) else max(self.alive, life)
            if stamp > self.newest or (stamp == self.newest and stamp in self.seen):
                self.newest = stamp
                self.seen.append(stamp)
                self.held = value if quality == 0 else math.nan
                good.append(self.held)
        self.seen.clear()
        value = self.held if time - self.alive <= 3 * INTERVAL else math.nan
        known = [one for one in (*good, value) if not math.isnan(one)]
        return value, min(known, default=math.nan), max(known, default=math.nan)


ROW = some.tuples(
    some.integers(0, POINTS - 1),
    some.integers(0, 8).map(lambda quarter: quarter / 4),  # s before the tick
    some.sampled_from([1.0, 2.0, -3.0, math.nan]),
    some.sampled_from([0, 0, 0, 2]),
)


@settings(max_examples=200, deadline=None)
@given(some.lists(some.lists(ROW, max_size=8), min_size=1, max_size=12), some.randoms())
def test_the_frame_equals_its_scalar_twin_in_any_order(ticks: list[list[tuple[int, float, float, int]]], chance: "object") -> None:
    frame, twins = Frame(), [Twin() for _ in range(POINTS)]
    frame.extend(np.full(POINTS, INTERVAL), np.zeros(POINTS, np.int32), 1)
    for number, rows in enumerate(ticks):
        time = 1000.0 + 7 * number
        shuffled = list(rows)
        chance.shuffle(shuffled)  # type: ignore[attr-defined]
        columns = list(zip(*shuffled, strict=True)) or [(), (), (), ()]
        order = time - np.array(columns[1], float)
        frame.apply(time, np.array(columns[0], np.int32), order, np.array(columns[2], float), np.array(columns[3], np.uint8), order)
        for point, twin in enumerate(twins):
            mine = [(time - before, value, quality, time - before) for at, before, value, quality in rows if at == point]
            expected = twin.tick(time, mine)
            np.testing.assert_array_equal([frame.value[point], frame.least[point], frame.greatest[point]], expected)


def frame_of_one() -> Frame:
    frame = Frame()
    frame.extend(np.array([INTERVAL]), np.zeros(1, np.int32), 1)
    return frame


def put(frame: Frame, tick: float, time: float, value: float, quality: int = 0, life: float | None = None) -> None:
    frame.apply(
        tick,
        np.zeros(1, np.int32),
        np.array([time]),
        np.array([value]),
        np.array([quality], np.uint8),
        np.array([time if life is None else life]),
    )


def quiet(frame: Frame, tick: float) -> None:
    frame.apply(tick, np.zeros(0, np.int32), np.zeros(0), np.zeros(0), np.zeros(0, np.uint8), np.zeros(0))


def test_a_value_is_known_until_it_is_stale_and_no_longer() -> None:
    frame = frame_of_one()
    put(frame, 1.0, 1.0, 5.0)

    quiet(frame, 31.0)
    assert frame.value[0] == 5.0
    quiet(frame, 32.0)
    assert np.isnan(frame.value[0])


def test_a_repeat_with_the_first_time_stamp_is_a_life_sign() -> None:
    """Some publishers repeat an unchanged value with its old stamp."""
    frame = frame_of_one()
    put(frame, 1.0, 1.0, 5.0)
    put(frame, 40.0, 1.0, 5.0, life=40.0)

    assert frame.value[0] == 5.0


def test_a_bad_reading_is_not_known_at_once_and_counts_from_the_first_of_its_run() -> None:
    frame = frame_of_one()
    put(frame, 1.0, 1.0, 5.0)
    put(frame, 2.0, 2.0, 5.0, quality=2)
    put(frame, 3.0, 3.0, np.nan)

    assert np.isnan(frame.value[0])
    assert frame.bad_since[0] == 2.0
    put(frame, 4.0, 4.0, 6.0)
    assert (frame.value[0], np.isnan(frame.bad_since[0])) == (6.0, True)


def test_growing_keeps_what_is_known() -> None:
    frame = frame_of_one()
    put(frame, 1.0, 1.0, 5.0)
    frame.extend(np.full(500, INTERVAL), np.zeros(500, np.int32), 3)
    quiet(frame, 2.0)

    assert frame.value[0] == 5.0
    assert np.isnan(frame.value[1:]).all()
    assert np.isnan(frame.value[-1])
