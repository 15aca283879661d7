"""When ticks close and what they hold."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as some

from monitor.collect.ticks import Tick, Ticks
from monitor.model import Readings

ONE = np.zeros(1, np.int32)


def feed(
    ticks: Ticks, time: float, *, received: float | None = None, source: int = 0, value: float = 0.0, snapshot: bool = False
) -> list[Tick]:
    closed = list(ticks.close(time if received is None else received))
    ticks.add(
        Readings.of([source], [time], [value], received=time if received is None else received, snapshot=snapshot),
        np.array([source], np.int32),
    )
    return closed + list(ticks.close(time if received is None else received))


def test_a_tick_closes_when_its_source_has_spoken_beyond_the_lateness() -> None:
    ticks = Ticks()
    feed(ticks, 100.5)

    assert [tick.time for tick in feed(ticks, 101.4)] == [99.0]  # nothing before 101 can come any more
    assert [(tick.time, len(tick.point)) for tick in feed(ticks, 103.2)] == [(100.0, 0), (101.0, 1)]


def test_the_slowest_speaking_source_holds_the_tick_and_a_silent_one_does_not() -> None:
    ticks = Ticks()
    feed(ticks, 100.0, source=0)
    feed(ticks, 100.0, source=1)
    held = [feed(ticks, 100.5 + step / 2, source=0, received=100.5 + step / 2) for step in range(10)]

    assert ticks.closed == 103.0  # source 1 has been idle since 101.0: newest 105.0 - lateness 2
    assert all(tick.time <= 98 for closed in held[:1] for tick in closed)


def test_when_all_are_silent_the_receive_clock_goes_on() -> None:
    ticks = Ticks()
    feed(ticks, 100.0)

    assert [tick.reason for tick in ticks.close(105.0)][-1] == "idle"
    assert ticks.closed == 103.0


def test_nothing_closes_before_the_first_reading_unless_started() -> None:
    ticks = Ticks()
    assert list(ticks.close(100.0)) == []

    ticks.start(100.0)
    assert [tick.time for tick in ticks.close(103.0)] == [99.0, 100.0, 101.0]


def test_a_reading_beyond_the_lateness_is_late_and_joins_the_next_tick() -> None:
    ticks = Ticks()
    for second in range(10):
        feed(ticks, 100.0 + second)
    feed(ticks, 103.0, received=109.0, value=7.0)

    assert ticks.late == 1
    closed = list(ticks.close(109.0)) + feed(ticks, 111.0)
    holder = next(tick for tick in closed if 7.0 in tick.value)
    assert holder.time == 108.0


def test_a_batch_is_late_by_the_same_readings_as_its_rows_one_by_one() -> None:
    times = np.array([100.0, 103.0, 100.2, 106.0, 103.9, 104.5, 101.0])
    whole, single = Ticks(), Ticks()
    whole.add(Readings.of(np.zeros(7, int), times, times, received=106.0), np.zeros(7, np.int32))
    for time in times:
        single.add(Readings.of([0], [time], [time], received=106.0), ONE)

    assert whole.late == single.late == 3


def test_the_end_closes_the_tick_of_the_newest_reading() -> None:
    ticks = Ticks()
    feed(ticks, 100.0)
    feed(ticks, 100.3)

    assert [tick.time for tick in ticks.finish()][-1] == 101.0
    assert ticks.pending == 0


def test_a_snapshot_holds_no_tick_and_is_never_late() -> None:
    ticks = Ticks()
    feed(ticks, 100.0)
    feed(ticks, 50.0, received=100.1, snapshot=True)

    assert ticks.late == 0
    assert [len(tick.point) for tick in feed(ticks, 104.0)] == [1, 1, 0, 0]  # the next tick takes it


def test_a_clock_far_ahead_is_ordered_by_receive_time_and_measured() -> None:
    ticks = Ticks()
    for second in range(20):
        feed(ticks, 220.0 + second, received=100.0 + second)

    assert ticks.closed == 117.0
    assert ticks.clocks.offsets()[0] == 120.0


def test_a_clock_far_behind_is_ordered_by_receive_time_and_measured() -> None:
    ticks = Ticks()
    for second in range(20):
        feed(ticks, 40.0 + second, received=100.0 + second)

    assert ticks.closed == 117.0
    assert ticks.clocks.offsets()[0] == -60.0


def test_repeats_with_old_stamps_do_not_make_a_clock_slow() -> None:
    ticks = Ticks()
    for second in range(20):
        feed(ticks, 100.0 + second)
        feed(ticks, 50.0, received=100.0 + second)

    assert ticks.clocks.offsets()[0] == 0.0


@settings(max_examples=150, deadline=None)
@given(some.data())
def test_any_order_inside_the_lateness_gives_the_same_ticks(data: some.DataObject) -> None:
    """Every row may arrive up to 2 s after its time; the ticks hold the same rows."""
    count = data.draw(some.integers(1, 40))
    times = np.sort(np.array(data.draw(some.lists(some.integers(0, 120), min_size=count, max_size=count)), float) / 4) + 1000
    delays = np.array(data.draw(some.lists(some.integers(0, 19), min_size=count, max_size=count)), float) / 10
    contents = []
    for received in (times, times + delays):
        ticks, held = Ticks(), {}
        for row in np.argsort(received, kind="stable"):
            for tick in feed(ticks, times[row], received=received[row], value=float(row)):
                held[tick.time] = sorted(tick.value)
        for tick in ticks.finish():
            held[tick.time] = sorted(tick.value)
        contents.append({time: rows for time, rows in held.items() if rows})
        assert ticks.late == 0

    assert contents[0] == contents[1]
