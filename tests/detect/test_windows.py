"""Every window against a twin that keeps all values, and the contract that every kind of window holds."""

import math

import numpy as np
import pytest
import twins
from hypothesis import given, settings
from hypothesis import strategies as st
from twins import INPUTS

from monitor.detect import tally
from monitor.detect.functions import WINDOWS
from monitor.detect.kernels import FALSE, TRUE, UNKNOWN
from monitor.detect.memory import SLOTS, State
from monitor.detect.windows import KNOWN, WORDS, window

NAN = math.nan
EVERY_WORD = sorted(WORDS)
SIZE = 10.0  # amplitude of swings
VALUE = st.one_of(st.just(NAN), st.integers(-50, 50).map(float))
STILL = st.one_of(st.just(NAN), st.sampled_from([0.0, 0.0, 0.0, 1.0]))  # moves little, for what counts changes and rests
CONDITION = st.sampled_from([-1.0, NAN, 1.0])


def values_of(word: str, offset: float = 0.0) -> st.SearchStrategy[tuple[float, ...]]:
    """Return what one push of a word takes, for one row."""
    one = CONDITION if word == "count_over" else st.one_of(VALUE, STILL).map(lambda value: value + offset)
    return st.tuples(*[one] * INPUTS.get(word, 1))


def columns(word: str, rows: list[tuple[float, ...]]) -> list[np.ndarray]:
    parts = [np.array([row[at] for row in rows], np.float64) for at in range(INPUTS.get(word, 1))]
    if word == "count_over":
        return [np.where(np.isnan(part), UNKNOWN, part).astype(np.int8) for part in parts]
    return parts


def answers(word: str, found: np.ndarray) -> list[float]:
    """Return what a window told, with NaN for not known."""
    return [NAN if one == UNKNOWN else float(one) for one in found] if word == "flat" else found.tolist()


def a_window(word: str, ticks: int, step: float, rows: int) -> State:
    made = window(word, ticks * step, step, SIZE)
    made.extend(rows)
    return made


def a_twin(word: str, ticks: int, step: float) -> twins.Window:
    return twins.WINDOWS[word](ticks * step, step, SIZE)


def pushed(made: State, *series: list[float]) -> list[float]:
    """Push one row's series."""
    made.extend(1)
    return [float(made.push(*(np.array([value]) for value in values))[0]) for values in zip(*series, strict=True)]


def near(found: list[float], wanted: list[float], offset: float = 0.0) -> None:
    assert found == pytest.approx(wanted, rel=1e-6, abs=1e-6 + 1e-12 * abs(offset), nan_ok=True)


# --- twins


def test_every_window_has_a_twin_and_every_word_of_the_language_a_window() -> None:
    assert set(twins.WINDOWS) == WORDS
    assert set(WINDOWS) | {"slope_against"} == WORDS


STORY = st.sampled_from(EVERY_WORD).flatmap(
    lambda word: st.tuples(
        st.just(word),
        st.sampled_from([0.0, 0.0, 1e6]),
        st.lists(st.lists(values_of(word), min_size=24, max_size=24), max_size=3),
    )
)
MIDST = st.lists(st.tuples(st.integers(0, 23), st.sampled_from(["extend", "forget"]), st.integers(0, 2)), max_size=3)


@settings(deadline=None, max_examples=300)
@given(story=STORY, ticks=st.integers(1, 9), step=st.sampled_from([1.0, 0.5, 10.0]), midst=MIDST)
def test_a_window_is_what_its_twin_says(
    story: tuple[str, float, list[list[tuple[float, ...]]]], ticks: int, step: float, midst: list[tuple[int, str, int]]
) -> None:
    """Rows come and forget in the midst; the others go on."""
    word, offset, rows = story
    made = a_window(word, ticks, step, len(rows))
    beside = [a_twin(word, ticks, step) for _ in rows]
    for number in range(24):
        for _, what, row in (one for one in midst if one[0] == number):
            if what == "extend" and rows:
                made.extend(len(beside) + 1)
                beside.append(a_twin(word, ticks, step))
            elif row < len(beside):
                made.forget(np.array([row]))
                beside[row].forget()
        now = [tuple(value + offset * (word != "count_over") for value in rows[row % len(rows)][number]) for row in range(len(beside))]

        found = answers(word, made.push(*columns(word, now)))

        near(found, [twin.push(number, *values) for twin, values in zip(beside, now, strict=True)], offset)


# --- the contract of all kinds


def a_story(word: str, rows: int, length: int = 40) -> list[list[tuple[float, ...]]]:
    """Return pushes of rows that differ, with gaps."""
    chance = np.random.default_rng(3)
    made = chance.integers(-1, 2, (length, rows, 2)) if word == "count_over" else chance.integers(-30, 30, (length, rows, 2))
    told = np.where(chance.random((length, rows, 1)) < 0.05, NAN, made.astype(np.float64))
    if word == "count_over":
        told[told == 0] = -1.0
    return [[tuple(row[: INPUTS.get(word, 1)]) for row in push] for push in told.tolist()]


@pytest.mark.parametrize("word", EVERY_WORD)
def test_rows_are_independent(word: str) -> None:
    together, alone = a_window(word, 5, 1.0, 3), a_window(word, 5, 1.0, 1)
    for push in a_story(word, 3):
        near(answers(word, together.push(*columns(word, push)))[1:2], answers(word, alone.push(*columns(word, push[1:2]))))


@pytest.mark.parametrize("word", EVERY_WORD)
def test_without_rows_nothing_is_said(word: str) -> None:
    made = a_window(word, 5, 1.0, 0)
    for _ in range(12):
        assert len(made.push(*columns(word, []))) == 0
    made.forget(np.zeros(0, np.int64))
    made.extend(1)

    assert len(made.push(*columns(word, a_story(word, 1)[0]))) == 1


@pytest.mark.parametrize("word", EVERY_WORD)
def test_what_was_never_known_stays_not_known(word: str) -> None:
    made = a_window(word, 5, 1.0, 2)
    for _ in range(20):
        assert np.isnan(answers(word, made.push(*columns(word, [(NAN, NAN)] * 2)))).all()


@pytest.mark.parametrize("word", EVERY_WORD)
@pytest.mark.parametrize("many", [1, 100])
def test_more_rows_keep_what_the_first_ones_knew(word: str, many: int) -> None:
    grown, whole = a_window(word, 5, 1.0, 1), a_window(word, 5, 1.0, 1 + many)
    for number, push in enumerate(a_story(word, 1 + many)):
        if number == 12:
            grown.extend(1 + many)
        rows = push if number >= 12 else push[:1]
        near(answers(word, grown.push(*columns(word, rows)))[:1], answers(word, whole.push(*columns(word, push)))[:1])


@pytest.mark.parametrize("word", EVERY_WORD)
def test_a_row_that_comes_later_is_as_one_that_was_not_known_before(word: str) -> None:
    grown, whole = a_window(word, 5, 1.0, 1), a_window(word, 5, 1.0, 2)
    for number, push in enumerate(a_story(word, 2)):
        if number == 12:
            grown.extend(2)
        later = push[1] if number >= 12 else (NAN, NAN)
        found = answers(word, grown.push(*columns(word, [push[0], later][: grown.rows])))
        wanted = answers(word, whole.push(*columns(word, [push[0], later])))
        near(found, wanted[: grown.rows])


@pytest.mark.parametrize("word", EVERY_WORD)
def test_to_forget_starts_those_rows_alone_anew(word: str) -> None:
    made, beside = a_window(word, 5, 1.0, 2), a_window(word, 5, 1.0, 2)
    for number, push in enumerate(a_story(word, 2)):
        if number == 20:
            made.forget(np.array([0]))
        told = push if number >= 20 else [(NAN, NAN), push[1]]
        near(answers(word, made.push(*columns(word, push)))[1:], answers(word, beside.push(*columns(word, told)))[1:])

    near(answers(word, made.push(*columns(word, push))), answers(word, beside.push(*columns(word, push))))


@pytest.mark.parametrize("word", EVERY_WORD)
def test_memory_is_bounded_whatever_the_duration(word: str) -> None:
    made = a_window(word, 100_000, 1.0, 10)
    for push in a_story(word, 10, 300):
        made.push(*columns(word, push))

    assert 0 < made.bytes <= 10 * 8 * 8 * (SLOTS + 5)


# --- what a window promises


def test_a_window_is_known_after_its_whole_duration() -> None:
    near(pushed(window("min_over", 5, 1.0), [7.0] * 6), [NAN] * 4 + [7, 7])


def test_a_window_counts_ticks_of_the_site() -> None:
    near(pushed(window("mean_over", 60, 10.0), [1, 2, 3, 4, 5, 6]), [NAN] * 5 + [3.5])


def test_a_window_that_is_not_known_now_says_nothing() -> None:
    found = pushed(window("max_over", 5, 1.0), [7.0] * 10 + [NAN, 7.0])

    near(found[9:], [7, NAN, 7])


@pytest.mark.parametrize(("missing", "known"), [(1, True), (2, True), (3, False)])
def test_a_fifth_of_a_window_may_be_missing(missing: int, known: bool) -> None:
    values = [7.0] * 10 + [NAN] * missing + [7.0]

    assert math.isnan(pushed(window("max_over", 10, 1.0), values)[-1]) != known


def test_a_fifth_is_counted_in_slots() -> None:
    """With two pushes a slot one known push makes a slot known."""
    half = [7.0, NAN] * 120

    assert not math.isnan(pushed(window("mean_over", 240, 1.0), [*half, 7.0])[-1])
    assert pytest.approx(0.8) == KNOWN


def test_a_long_window_holds_several_ticks_a_slot_and_keeps_a_peak() -> None:
    """1,200 s are 120 slots of 10 ticks; a peak stays for the duration but for a slot at most."""
    found = pushed(window("max_over", 1200, 1.0), [9.0 if tick == 300 else 1.0 for tick in range(1600)])

    assert all(map(math.isnan, found[:1199]))
    assert set(found[1199 : 300 + 1190]) == {9.0}
    assert set(found[300 + 1200 :]) == {1.0}


@settings(max_examples=15)
@given(values=st.lists(st.integers(-50, 50).map(float), min_size=280, max_size=280), word=st.sampled_from(["min_over", "max_over"]))
def test_a_slotted_window_lies_between_the_values_that_it_must_and_may_hold(values: list[float], word: str) -> None:
    """With 2 ticks a slot it covers the last 240 ticks, or one fewer."""
    best = {"min_over": min, "max_over": max}[word]

    found = pushed(window(word, 240, 1.0), values)

    for tick in range(240, 280):
        assert found[tick] in {best(values[tick - 238 : tick + 1]), best(values[tick - 239 : tick + 1])}


def test_a_slope_is_per_second_and_a_line_correlates_with_another() -> None:
    line = [3.0 * number for number in range(30)]

    assert pushed(window("slope", 60, 10.0), line)[-1] == pytest.approx(0.3)
    assert pushed(window("slope", 2, 1.0), [1.0, 4.0])[-1] == pytest.approx(3)
    assert pushed(window("slope_against", 60, 10.0), line, [-2 * value for value in line])[-1] == pytest.approx(-0.5)
    assert pushed(window("correlation", 60, 10.0), line, [-2 * value for value in line])[-1] == -1.0


def test_nothing_has_a_slope_against_what_does_not_move() -> None:
    line, still = [float(number) for number in range(30)], [1e6 + 1e-3 * (number % 2) for number in range(30)]

    assert all(map(math.isnan, pushed(window("slope_against", 10, 1.0), line, still)))
    assert all(map(math.isnan, pushed(window("correlation", 10, 1.0), still, line)))
    assert not math.isnan(pushed(window("slope_against", 10, 1.0), still, line)[-1])


def test_a_counter_that_was_reset_grew_by_what_it_shows() -> None:
    assert pushed(window("increase", 100, 1.0), [90, 95, NAN, 97, 2, 2, 5])[-1] == 12
    assert pushed(window("rate", 100, 1.0), [90, 95, 97])[-1] == pytest.approx(0.07)


def test_a_turn_needs_the_whole_amplitude_back() -> None:
    wave = [0.0, 10.0, 0.1, 10.0, 0.0, 10.0, 0.0]

    assert pushed(window("swings", 60, 1.0, 10.0), wave)[-1] == 3  # at 10, at 0 and at 10; the dip to 0.1 is none
    assert pushed(window("swings", 60, 1.0, 9.9), wave)[-1] == 5


def test_flat_is_of_known_time() -> None:
    still = [5.0, 5.0, NAN, NAN, 5.0, 5.0, 6.0, 6.0]

    assert pushed(window("flat", 3, 1.0), still) == [FALSE, FALSE, UNKNOWN, UNKNOWN, FALSE, TRUE, FALSE, FALSE]


def test_a_smoothed_value_follows_by_its_time_constant() -> None:
    found = pushed(window("ewma", 10, 1.0), [0.0] * 20 + [1.0] * 10)

    assert math.isnan(found[8])
    assert found[9] == 0.0
    assert found[-1] == pytest.approx(1 - math.exp(-1))


def test_what_comes_after_the_first_duration_moves_no_baseline() -> None:
    near(pushed(window("baseline", 3, 1.0), [1, NAN, 2, 6, 100, NAN]), [NAN, NAN, NAN, 3, 3, 3])


def test_a_cusum_is_never_below_zero() -> None:
    assert pushed(window("cusum", 0.0, 2.0), [5, -100, 3, 3], [1, 1, 1, 1]) == [8, 0, 4, 8]


@pytest.mark.parametrize("word", ["changes", "increase"])
def test_only_what_happened_is_kept(word: str) -> None:
    made = window(word, 600, 1.0)
    made.extend(1000)
    for _ in range(1200):
        made.push(np.ones(1000))
    quiet = made.bytes
    for _ in range(11):
        made.push(np.concatenate(([2.0], np.ones(999))))

    assert quiet < made.bytes <= quiet + 16
    for _ in range(700):
        made.push(np.concatenate(([2.0], np.ones(999))))
    assert made.bytes == quiet


def test_events_are_counted_for_a_duration() -> None:
    made = tally.Times(3, 1.0)
    made.extend(2)
    one, none = np.array([1]), np.zeros(0, np.int64)

    counts = [made.add(one, np.array([2.0])).tolist(), *(made.add(none, np.zeros(0)).tolist() for _ in range(3))]

    assert counts == [[0, 2], [0, 2], [0, 2], [0, 0]]


def test_to_forget_takes_back_what_was_counted_in_the_slot_that_is_open() -> None:
    """With two pushes a slot, an event of the open slot is forgotten like the others."""
    made = tally.Times(240, 1.0)
    made.extend(2)
    both = np.array([0, 1])
    made.add(both, np.ones(2))
    made.forget(np.array([0]))

    sums = [made.add(np.zeros(0, np.int64), np.zeros(0)).tolist() for _ in range(300)]

    assert sums[0] == [0, 1]
    assert sums[-1] == [0, 0]
    assert all(one[0] == 0 for one in sums)


def test_a_word_that_is_none_is_a_mistake() -> None:
    with pytest.raises(KeyError):
        window("mode_over", 3, 1.0)


# --- long runs


@pytest.mark.parametrize("word", EVERY_WORD)
@settings(deadline=None, max_examples=3)
@given(data=st.data(), ticks=st.sampled_from([120, 121, 240]), forgets=st.integers(0, 360), offset=st.sampled_from([0.0, 1e6]))
def test_a_window_of_several_pushes_a_slot_is_what_its_twin_says(
    word: str, data: st.DataObject, ticks: int, forgets: int, offset: float
) -> None:
    """Two rows over three rounds of slots, one of them mostly known, the other one forgotten on the way."""
    pool = data.draw(st.lists(values_of(word, 0.0 if word == "count_over" else offset), min_size=7, max_size=40))
    made = a_window(word, ticks, 1.0, 2)
    beside = [a_twin(word, ticks, 1.0) for _ in range(2)]
    for number in range(3 * ticks):
        if number == forgets:
            made.forget(np.array([1]))
            beside[1].forget()
        now = [pool[number * number % len(pool)], pool[(number + 3) % len(pool)]]

        found = answers(word, made.push(*columns(word, now)))

        if number % 7 == 0 or number in {ticks - 1, ticks}:
            near(found, [twin.push(number, *values) for twin, values in zip(beside, now, strict=True)], offset)
        else:
            for twin, values in zip(beside, now, strict=True):
                twin.note(number, *values)


@pytest.mark.parametrize("word", ["mean_over", "std_over", "slope", "slope_against", "correlation"])
def test_rounding_does_not_grow_over_many_rounds_at_a_large_offset(word: str) -> None:
    """15 rounds at 1e6 after a first value of 0, with a spike on the way; the last window is as exact as a fresh one."""
    chance = np.random.default_rng(7)
    noise = chance.normal(0, 5, (1801, 2)).round(3)
    series = 1e6 + noise
    series[0] = 0.0
    series[1201] = 1e9
    made, fresh = window(word, 120, 1.0), window(word, 120, 1.0)
    made.extend(1)
    fresh.extend(1)
    inputs = INPUTS.get(word, 1)
    for number in range(1801):
        now = [np.array([series[number, at]]) for at in range(inputs)]
        long = made.push(*now)[0]
        if number > 1680:
            short = fresh.push(*now)[0]

    assert long == pytest.approx(short, rel=1e-2)


@pytest.mark.parametrize("word", ["mean_over", "std_over", "slope"])
def test_what_left_the_window_leaves_no_rounding_behind_after_a_round(word: str) -> None:
    """A spike of 1e9 in any slot is gone for good once a round has passed."""
    wave = [float(number % 7) for number in range(500)]
    for at in (120, 121, 239):
        spiked = [*wave[:at], 1e9, *wave[at + 1 :]]

        near(pushed(window(word, 120, 1.0), spiked)[480:], pushed(window(word, 120, 1.0), wave)[480:])
