"""A window against a twin that keeps all values."""

import math
import statistics
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.detect.kernels import Window

NUMBER = st.one_of(st.just(math.nan), st.integers(-50, 50).map(float))
WORDS: dict[str, Callable[[list[float]], float]] = {"min_over": min, "max_over": max, "mean_over": statistics.fmean}


class Twin:
    """One value's last `ticks` values; not known before that many ticks since the first known one, or with a fifth missing."""

    def __init__(self, word: str, ticks: int) -> None:
        self.word, self.ticks = word, ticks
        self.seen: list[float] = []

    def push(self, value: float) -> float:
        self.seen.append(value)
        last = self.seen[-self.ticks :]
        if all(map(math.isnan, last)):
            self.seen.clear()  # nothing is left; the watch starts anew
        there = [one for one in last if not math.isnan(one)]
        watched = len(self.seen) - next((at for at, one in enumerate(self.seen) if not math.isnan(one)), len(self.seen))
        if math.isnan(value) or watched < self.ticks or len(there) < Window.KNOWN * self.ticks:
            return math.nan
        return float(WORDS[self.word](there))


def pushed(window: Window, values: list[float]) -> list[float]:
    window.extend(1)
    return [float(window.push(np.array([value]))[0]) for value in values]


@given(
    columns=st.lists(st.lists(NUMBER, min_size=30, max_size=30), max_size=4),
    word=st.sampled_from(list(WORDS)),
    ticks=st.integers(1, 10),
)
def test_a_window_is_what_its_twin_says(columns: list[list[float]], word: str, ticks: int) -> None:
    window = Window(word, ticks, 1.0)
    window.extend(len(columns))
    twins = [Twin(word, ticks) for _ in columns]
    for tick in range(30):
        values = [values[tick] for values in columns]

        found = window.push(np.array(values))

        wanted = [twin.push(value) for twin, value in zip(twins, values, strict=True)]
        assert found.tolist() == pytest.approx(wanted, nan_ok=True)


def test_a_window_is_known_after_its_whole_duration() -> None:
    assert pushed(Window("min_over", 5, 1.0), [7.0] * 6) == pytest.approx([math.nan] * 4 + [7, 7], nan_ok=True)


def test_a_window_counts_ticks_of_the_site() -> None:
    assert pushed(Window("mean_over", 60, 10.0), [1, 2, 3, 4, 5, 6]) == pytest.approx([math.nan] * 5 + [3.5], nan_ok=True)


def test_a_window_that_is_not_known_now_says_nothing() -> None:
    found = pushed(Window("max_over", 5, 1.0), [7.0] * 10 + [math.nan, 7.0])

    assert found[9:] == pytest.approx([7, math.nan, 7], nan_ok=True)


@pytest.mark.parametrize(("missing", "known"), [(1, True), (2, True), (3, False)])
def test_a_fifth_of_a_window_may_be_missing(missing: int, known: bool) -> None:
    values = [7.0] * 10 + [math.nan] * missing + [7.0]

    assert math.isnan(pushed(Window("max_over", 10, 1.0), values)[-1]) != known


def test_a_long_window_holds_several_ticks_a_slot_and_keeps_a_peak() -> None:
    """1,200 s are 120 slots of 10 ticks; a peak stays for the duration but for a slot at most."""
    found = pushed(Window("max_over", 1200, 1.0), [9.0 if tick == 300 else 1.0 for tick in range(1600)])

    assert all(map(math.isnan, found[:1199]))
    assert set(found[1199 : 300 + 1190]) == {9.0}
    assert set(found[300 + 1200 :]) == {1.0}


@settings(max_examples=15)
@given(values=st.lists(st.integers(-50, 50).map(float), min_size=280, max_size=280), word=st.sampled_from(["min_over", "max_over"]))
def test_a_slotted_window_lies_between_the_values_that_it_must_and_may_hold(values: list[float], word: str) -> None:
    """With 2 ticks a slot it covers the last 240 ticks, or one fewer."""
    found = pushed(Window(word, 240, 1.0), values)

    for tick in range(240, 280):
        assert found[tick] in {WORDS[word](values[tick - 238 : tick + 1]), WORDS[word](values[tick - 239 : tick + 1])}


def test_to_forget_starts_the_watch_anew_for_those_rows_alone() -> None:
    window = Window("max_over", 3, 1.0)
    window.extend(2)
    for _ in range(5):
        window.push(np.array([7.0, 8.0]))

    window.forget(np.array([0]))

    assert window.push(np.array([1.0, 8.0])).tolist() == pytest.approx([math.nan, 8], nan_ok=True)
    window.push(np.array([1.0, 8.0]))
    assert window.push(np.array([1.0, 8.0])).tolist() == [1, 8]


def test_more_rows_keep_what_the_first_ones_knew() -> None:
    window = Window("max_over", 3, 1.0)
    window.extend(1)
    for _ in range(2):
        window.push(np.array([7.0]))

    window.extend(2)

    assert window.push(np.array([7.0, 7.0])).tolist() == pytest.approx([7, math.nan], nan_ok=True)


def test_a_word_that_is_none_is_a_mistake() -> None:
    window = Window("mode_over", 3, 1.0)
    window.extend(1)

    with pytest.raises(KeyError):
        window.push(np.array([7.0]))
