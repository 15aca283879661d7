"""The timers of a check against a scalar twin, and what they promise about time that is not known."""

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.detect.hold import PAUSE_LEAST, Hold, advance
from monitor.detect.kernels import FALSE, TRUE, UNKNOWN

ANSWERS = st.sampled_from([FALSE, UNKNOWN, TRUE])


@dataclass
class Twin:
    """One check, in plain words."""

    firing: bool = False
    elapsed: float | None = None
    gap: float = 0.0

    def advance(self, when: int, clear: int, step: float, wait: float, keep: float) -> str:
        evidence, need = (clear, keep) if self.firing else (when, wait)
        if evidence == FALSE:
            self.elapsed, self.gap = None, 0.0
            return ""
        if evidence == UNKNOWN:
            self.gap = 0.0 if self.elapsed is None else self.gap + step
            if self.gap > max(need, PAUSE_LEAST):
                self.elapsed = None
            return ""
        if self.elapsed is None:
            self.elapsed = 0.0
        elif self.gap == 0:
            self.elapsed += step
        self.gap = 0.0
        if self.elapsed < need:
            return ""
        self.firing, self.elapsed = not self.firing, None
        return "fired" if self.firing else "ended"


def hold_of(rows: int) -> Hold:
    hold = Hold()
    hold.extend(rows)
    return hold


def run(story: list[tuple[int, int]], wait: float, keep: float, step: float = 1.0) -> list[tuple[int, str]]:
    """Play one check; returns (tick, "fired" or "ended")."""
    hold = hold_of(1)
    changes = []
    for tick, (when, clear) in enumerate(story):
        fired, ended = advance(hold, np.array([when], np.int8), np.array([clear], np.int8), step, wait, keep)
        changes += [(tick, "fired")] * int(fired[0]) + [(tick, "ended")] * int(ended[0])
    return changes


@given(
    stories=st.lists(st.lists(st.tuples(ANSWERS, ANSWERS), min_size=40, max_size=40), max_size=5),
    wait=st.sampled_from([0.0, 1.0, 3.0, 120.0]),
    keep=st.sampled_from([0.0, 2.0, 5.0]),
    step=st.sampled_from([1.0, 0.5, 30.0]),
)
def test_every_check_moves_as_its_twin(stories: list[list[tuple[int, int]]], wait: float, keep: float, step: float) -> None:
    hold = hold_of(len(stories))
    twins = [Twin() for _ in stories]
    for tick in range(40):
        when = np.array([story[tick][0] for story in stories], np.int8)
        clear = np.array([story[tick][1] for story in stories], np.int8)

        fired, ended = advance(hold, when, clear, step, wait, keep)

        told = [twin.advance(*story[tick], step, wait, keep) for twin, story in zip(twins, stories, strict=True)]
        assert fired.tolist() == [one == "fired" for one in told]
        assert ended.tolist() == [one == "ended" for one in told]
        assert hold.firing.tolist() == [twin.firing for twin in twins]


@given(story=st.lists(st.tuples(ANSWERS, ANSWERS), max_size=60), wait=st.sampled_from([0.0, 5.0]), keep=st.sampled_from([0.0, 5.0]))
def test_nothing_changes_at_a_tick_that_is_not_known(story: list[tuple[int, int]], wait: float, keep: float) -> None:
    firing = False
    for tick, change in run(story, wait, keep):
        when, clear = story[tick]
        assert (clear if firing else when) == TRUE
        firing = change == "fired"


@given(
    before=st.integers(1, 14),
    gap=st.integers(1, 60),
    wait=st.just(15.0),
)
def test_a_gap_only_delays_by_its_length(before: int, gap: int, wait: float) -> None:
    """`before` ticks hold, then nothing is known, then it holds again: the timer goes on from where it stood."""
    story = [(TRUE, FALSE)] * before + [(UNKNOWN, UNKNOWN)] * gap + [(TRUE, FALSE)] * 40

    assert run(story, wait, 0) == [(15 + gap + 1, "fired")]  # the tick after a gap resumes, it does not count


@pytest.mark.parametrize(
    ("wait", "gap", "fired"), [(15, 60, 5 + 60 + 11), (15, 61, 5 + 61 + 15), (300, 300, 5 + 300 + 296), (300, 301, 5 + 301 + 300)]
)
def test_a_timer_starts_anew_after_a_gap_beyond_its_length_and_a_minute(wait: int, gap: int, fired: int) -> None:
    story = [(TRUE, FALSE)] * 5 + [(UNKNOWN, UNKNOWN)] * gap + [(TRUE, FALSE)] * 400

    assert run(story, wait, 1000)[0] == (fired, "fired")


def test_silence_never_ends_an_alert() -> None:
    story = [(TRUE, FALSE)] + [(UNKNOWN, UNKNOWN)] * 10_000

    assert run(story, 0, 0) == [(0, "fired")]


def test_an_alert_ends_by_clear_and_not_because_when_is_over() -> None:
    story = [(TRUE, FALSE)] + [(FALSE, FALSE)] * 100 + [(FALSE, TRUE)] * 10

    assert run(story, 0, 5) == [(0, "fired"), (106, "ended")]


def test_a_false_tick_starts_the_timer_anew() -> None:
    story = [(TRUE, FALSE)] * 14 + [(FALSE, TRUE)] + [(TRUE, FALSE)] * 20

    assert run(story, 15, 0) == [(30, "fired")]


def test_without_a_delay_a_check_fires_and_ends_at_once() -> None:
    assert run([(TRUE, FALSE), (FALSE, TRUE), (TRUE, FALSE)], 0, 0) == [(0, "fired"), (1, "ended"), (2, "fired")]


def test_to_forget_stops_a_timer_and_leaves_an_alert_open() -> None:
    hold = hold_of(2)
    yes, no = np.array([TRUE, TRUE], np.int8), np.array([FALSE, FALSE], np.int8)
    advance(hold, np.array([TRUE, FALSE], np.int8), no, 1, 0, 0)  # the first is open
    for _ in range(3):
        advance(hold, yes, no, 1, 5, 5)  # the second waits

    hold.forget(np.array([0, 1]))
    fired, ended = advance(hold, yes, no, 1, 5, 5)

    assert hold.firing.tolist() == [True, False]
    assert not fired.any()
    assert not ended.any()
    assert hold.elapsed[1] == 0


def test_more_rows_keep_what_the_first_ones_knew() -> None:
    hold = hold_of(1)
    advance(hold, np.array([TRUE], np.int8), np.array([FALSE], np.int8), 1, 3, 0)

    hold.extend(3)
    hold.extend(2)  # never fewer

    assert hold.firing.tolist() == [False] * 3
    assert hold.elapsed.tolist() == pytest.approx([0, np.nan, np.nan], nan_ok=True)
