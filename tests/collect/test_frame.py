"""The frame against a scalar twin, and its promises."""

import math
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from monitor.collect.frame import Frame

POINTS = 4
INTERVAL = 10.0  # s; stale after 30


@dataclass
class Twin:
    """One point, one reading at a time."""

    interval: float = INTERVAL
    bad_since: float = math.nan
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
        if self.seen:  # a tick is judged by its newest reading
            self.bad_since = math.nan if not math.isnan(self.held) else self.newest if math.isnan(self.bad_since) else self.bad_since
        self.seen.clear()
        value = self.held if time - self.alive <= 3 * self.interval else math.nan
        known = [one for one in (*good, value) if not math.isnan(one)]
        return value, min(known, default=math.nan), max(known, default=math.nan)


TICK = 1.0  # s between two ticks of the random stories
INTERVALS = (1.0, 2.5, 10.0, 1000.0)  # s; stale after three of them
ROW = some.tuples(
    some.integers(0, POINTS - 1),
    some.sampled_from([0.0, 0.0, 0.25, 0.5, 1.0, 1.25, 2.0, 4.0, 6.0]),  # s before the tick
    some.sampled_from([1.0, 2.0, -3.0, math.nan]),
    some.sampled_from([0, 0, 0, 2]),
    some.sampled_from([0.0, 0.0, 0.5, 4.0]),  # s by which the life sign is younger than the reading
)
Row = tuple[int, float, float, int, float]
STORY = some.lists(some.lists(ROW, max_size=6), min_size=1, max_size=20)


def apply(frame: Frame, time: float, rows: list[Row]) -> None:
    point, before, value, quality, younger = list(zip(*rows, strict=True)) or [()] * 5
    order = time - np.array(before, float)
    frame.apply(
        time, np.array(point, np.int32), order, np.array(value, float), np.array(quality, np.uint8), order + np.array(younger, float)
    )


def of_point(point: int, time: float, rows: list[Row]) -> list[tuple[float, float, int, float]]:
    """Return what a twin takes in a tick."""
    return [(time - before, value, quality, time - before + younger) for at, before, value, quality, younger in rows if at == point]


@settings(max_examples=150, deadline=None)
@given(STORY, some.randoms(), some.lists(some.sampled_from(INTERVALS), min_size=POINTS, max_size=POINTS))
def test_the_frame_equals_its_scalar_twin_in_any_order(ticks: list[list[Row]], chance: "object", intervals: list[float]) -> None:
    """Each point has its own promised interval; what is stale is let go of in passing, and the twin looks at each tick."""
    frame, twins = Frame(), [Twin(interval) for interval in intervals]
    frame.extend(np.array(intervals), np.zeros(POINTS, np.int32), 1)
    for number, rows in enumerate(ticks):
        time = 1000.0 + TICK * number
        shuffled = list(rows)
        chance.shuffle(shuffled)  # type: ignore[attr-defined]
        apply(frame, time, shuffled)
        for point, twin in enumerate(twins):
            expected = twin.tick(time, of_point(point, time, rows))
            found = [frame.value[point], frame.least[point], frame.greatest[point]]
            stale = not time - twin.alive <= 3 * twin.interval  # nobody asks for the extremes of what is not known
            np.testing.assert_array_equal(found[:1] if stale else found, expected[:1] if stale else expected)
            np.testing.assert_array_equal([frame.newest[point], frame.alive[point]], [twin.newest, twin.alive])
            np.testing.assert_array_equal(frame.bad_since[point], twin.bad_since)


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


# --- put


def test_what_is_put_is_known_at_once_and_as_old_as_the_tick() -> None:
    frame = frame_of_one()
    quiet(frame, 1.0)

    frame.put(np.array([0]), np.array([4.0]))

    assert (frame.value[0], frame.least[0], frame.greatest[0], frame.newest[0], frame.alive[0]) == (4.0, 4.0, 4.0, 1.0, 1.0)
    quiet(frame, 31.0)
    assert frame.value[0] == 4.0
    assert np.isnan(frame.value[-1])


def test_a_put_number_that_is_not_known_is_not_known() -> None:
    frame = frame_of_one()
    for value in (4.0, np.nan):
        frame.put(np.array([0]), np.array([value]))

    assert np.isnan(frame.value[0])


# --- events


def frame_of_events(points: int = 3) -> Frame:
    """Points 0 and 1 are events, the others are not."""
    frame = Frame()
    frame.extend(np.full(points, INTERVAL), np.zeros(points, np.int32), 1, np.arange(points) < 2)
    return frame


def come(frame: Frame, tick: float, *events: tuple[int, float, float], quality: int = 0) -> list[tuple[int, float]]:
    """Let (point, time, code) come; returns the (point, code) that the tick has."""
    point, time, code = zip(*events, strict=True) if events else ((), (), ())
    frame.apply(
        tick,
        np.array(point, np.int32),
        np.array(time, float),
        np.array(code, float),
        np.full(len(events), quality, np.uint8),
        np.array(time, float),
    )
    return list(zip(*(column.tolist() for column in frame.events), strict=True))


def test_an_event_is_of_its_tick_alone_and_never_held() -> None:
    frame = frame_of_events()

    assert come(frame, 1.0, (0, 0.9, 79.0), (2, 1.0, 5.0)) == [(0, 79.0)]
    np.testing.assert_array_equal(frame.value[:3], [math.nan, math.nan, 5.0])
    assert np.isnan([frame.least[0], frame.greatest[0]]).all()
    assert (frame.newest[0], frame.alive[0]) == (0.9, 0.9)
    assert come(frame, 2.0) == []


def test_an_event_counts_once_although_the_wire_repeats_it() -> None:
    frame = frame_of_events()
    come(frame, 1.0, (0, 0.9, 79.0), (0, 0.9, 79.0))

    assert [code for _, code in come(frame, 1.5)] == []
    assert come(frame, 2.0, (0, 0.9, 79.0)) == []
    assert frame.repeated_events == 2
    assert frame.came(0, 0.9, 79.0)
    assert not frame.came(1, 0.9, 79.0)


def test_several_events_with_one_stamp_all_count_in_one_order() -> None:
    frame, other = frame_of_events(), frame_of_events()
    events = [(1, 0.5, 7.0), (0, 0.5, 9.0), (0, 0.5, 8.0), (0, 0.2, 9.0)]

    told = come(frame, 1.0, *events)

    assert told == [(0, 9.0), (0, 8.0), (0, 9.0), (1, 7.0)]
    assert come(other, 1.0, *reversed(events)) == told


def test_a_late_event_still_counts() -> None:
    frame = frame_of_events()
    come(frame, 10.0, (0, 9.9, 79.0))

    assert come(frame, 11.0, (0, 3.0, 48.0)) == [(0, 48.0)]
    assert frame.newest[0] == 9.9


def test_a_bad_event_is_none_and_is_not_remembered() -> None:
    frame = frame_of_events()

    assert come(frame, 1.0, (0, 0.9, 79.0), quality=2) == []
    assert come(frame, 2.0, (0, 0.9, np.nan)) == []
    assert come(frame, 3.0, (0, 0.9, 79.0)) == [(0, 79.0)]
    assert frame.repeated_events == 0


def test_events_and_readings_of_one_tick_do_not_disturb_each_other() -> None:
    frame = frame_of_events(4)

    assert come(frame, 1.0, (3, 1.0, 1.0), (1, 1.0, 2.0), (2, 1.0, 3.0), (3, 0.5, 4.0)) == [(1, 2.0)]
    np.testing.assert_array_equal(frame.value, [math.nan, math.nan, 3.0, 1.0, *[math.nan] * (len(frame.value) - 4)])
    assert (frame.least[3], frame.greatest[3]) == (1.0, 4.0)


def test_events_may_be_described_later() -> None:
    frame = frame_of_one()
    put(frame, 1.0, 1.0, 5.0)
    frame.extend(np.full(2, INTERVAL), np.zeros(2, np.int32), 1, np.array([False, True]))

    assert come(frame, 2.0, (1, 2.0, 79.0)) == [(1, 79.0)]
    assert frame.value[0] == 5.0


def test_what_is_remembered_against_repetition_is_bounded_and_the_oldest_goes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("monitor.collect.frame.MOST_EVENTS_REMEMBERED", 3)
    frame = frame_of_events()
    come(frame, 1.0, *((0, float(number), 1.0) for number in range(8)))

    assert [frame.came(0, float(number), 1.0) for number in range(8)] == [False] * 3 + [True] * 5


# --- sources


def test_a_source_lives_by_any_of_its_points() -> None:
    frame = Frame()
    frame.extend(np.full(3, INTERVAL), np.array([0, 0, 1], np.int32), 2)
    assert np.isnan(frame.source_life[0])
    come(frame, 1.0, (0, 1.0, 5.0), (1, 0.5, 5.0))
    frame.extend(np.full(4, INTERVAL), np.array([0, 0, 1, 2], np.int32), 3)

    np.testing.assert_array_equal(frame.source_life, [1.0, math.nan, math.nan])
    np.testing.assert_array_equal(frame.source_alive[:4], [1.0, 1.0, math.nan, math.nan])
    come(frame, 2.0, (3, 2.0, 5.0))
    assert frame.source_life[2] == 2.0


@pytest.mark.parametrize(("size", "spoke", "few"), [(97, 3, True), (96, 3, False), (95, 3, False), (96, 0, True)])
def test_few_is_less_than_a_32nd_of_the_points(size: int, spoke: int, few: bool) -> None:
    frame = Frame()
    frame.extend(np.full(size, INTERVAL), np.zeros(size, np.int32), 1)
    come(frame, 1.0, *((point, 1.0, 5.0) for point in range(spoke)))

    assert frame.few is few
    assert frame.moved == min(spoke, 1)


def test_memory_grows_with_the_points() -> None:
    frame = frame_of_one()
    small = frame.bytes
    frame.extend(np.full(1000, INTERVAL), np.zeros(1000, np.int32), 1)

    assert small < frame.bytes < 200 * 1001


def test_a_batch_of_several_sources_gives_life_to_each() -> None:
    frame = Frame()
    frame.extend(np.full(6, INTERVAL), np.array([0, 0, 1, 1, 0, 2], np.int32), 3)

    come(frame, 5.0, *((point, time, 1.0) for point, time in enumerate([1.0, 3.0, 4.0, 2.0, 5.0, 0.5])))

    assert frame.source_life.tolist() == [5.0, 4.0, 0.5]
    come(frame, 6.0, (4, 4.5, 1.0), (3, 5.5, 1.0))
    assert frame.source_life.tolist() == [5.0, 5.5, 0.5]


@pytest.mark.parametrize("points", [[1, 2, 3], [3, 2, 1], [1, 3, 5], [1, 3, 2, 4], [2, 1, 4, 3], [1, 1, 3], [0, 5, 1, 3]])
def test_points_in_any_order_get_their_own_values(points: list[int]) -> None:
    """Points that follow each other take a shorter way."""
    frame = Frame()
    frame.extend(np.full(7, INTERVAL), np.zeros(7, np.int32), 1)
    time = np.arange(len(points)) / 8 + 1

    frame.apply(2.0, np.array(points, np.int32), time, np.arange(len(points)) + 10.0, np.zeros(len(points), np.uint8), time)

    wanted = {point: 10.0 + at for at, point in enumerate(points)}
    np.testing.assert_array_equal(frame.value[:7], [wanted.get(point, math.nan) for point in range(7)])
    np.testing.assert_array_equal(frame.alive[:7], [1 + (wanted[point] - 10) / 8 if point in wanted else math.nan for point in range(7)])


def test_a_stale_value_comes_back_with_a_life_sign_and_no_new_reading() -> None:
    frame = frame_of_one()
    put(frame, 1.0, 1.0, 5.0)
    quiet(frame, 40.0)
    assert np.isnan(frame.value[0])
    put(frame, 41.0, 0.5, 7.0, life=10.9)  # older, and too old a life sign
    assert np.isnan(frame.value[0])

    put(frame, 41.0, 0.5, 7.0, life=11.0)

    assert frame.value[0] == 5.0


def test_a_point_goes_stale_at_its_own_time() -> None:
    """At the very edge it is still known; the one with the shortest interval goes first."""
    frame = Frame()
    frame.extend(np.array([1.0, 2.0]), np.zeros(2, np.int32), 1)
    come(frame, 1.0, (0, 1.0, 5.0), (1, 1.0, 6.0))

    known = [[not np.isnan(frame.value[point]) for point in range(2)] for tick in (4.0, 4.5, 7.0, 7.5) if come(frame, tick) == []]

    assert known == [[True, True], [False, True], [False, True], [False, False]]


def test_a_point_that_is_there_twice_is_not_taken_for_its_neighbour() -> None:
    """1 1 3 is as long as 1 2 3, and point 2 is newer, of another source, and an event."""
    frame = Frame()
    frame.extend(np.full(4, INTERVAL), np.array([0, 0, 1, 0], np.int32), 2, np.array([False, False, True, False]))
    come(frame, 10.0, (2, 10.0, 79.0))

    assert come(frame, 11.0, (1, 2.0, 5.0), (1, 3.0, 6.0), (3, 4.0, 7.0)) == []

    assert frame.value[1] == 6.0
    assert frame.source_life.tolist() == [4.0, 10.0]


def test_another_value_with_the_stamp_of_the_newest_moves_nothing() -> None:
    frame = frame_of_one()
    put(frame, 1.0, 1.0, 5.0)
    put(frame, 2.0, 1.0, 7.0)

    assert frame.value[0] == 5.0
