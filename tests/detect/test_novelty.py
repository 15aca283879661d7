"""Novelty: what it stays quiet on, what it sees, whom it names, and how soon it forgives."""

import copy

import numpy as np
import pytest

from monitor.detect import novelty
from monitor.detect.novelty import BLOCK, LEVEL, PATIENCE, RECENT, RING, Novelty
from monitor.model import F64

LEARN = RING * BLOCK + 1  # pushes; the first one only tells what "new" is
SEEN = (RECENT + 1) * BLOCK  # pushes after which a step fills all that is judged


def noise(pushes: int, points: int, seed: int = 1) -> F64:
    """(T, P) of white noise about 50."""
    return 50 + np.random.default_rng(seed).normal(size=(pushes, points))


def run(values: F64, learn: float | None = None, tick: float = 1.0) -> tuple[Novelty, F64]:
    """Push (T, P) or (T, P, N) and return the detector and its scores, (T, N)."""
    values = values if values.ndim == 3 else values[:, :, None]
    detector = Novelty(values.shape[1], tick, learn)
    detector.extend(values.shape[2])
    return detector, np.array([detector.push(now) for now in values])


def alarms(scores: F64, wait: int = 10) -> int:
    """Count pushes at the end of `wait` in a row at or above the limit."""
    high = np.nan_to_num(scores[:, 0]) >= 1
    runs = np.convolve(high, np.ones(wait), "valid")
    return int((runs >= wait).sum())


def test_it_says_nothing_while_it_learns_and_a_number_ever_after() -> None:
    _, scores = run(noise(LEARN + 50, 2))

    assert np.isnan(scores[: LEARN - 1]).all()
    assert not np.isnan(scores[LEARN:]).any()


@pytest.mark.parametrize("points", [1, 8])
def test_white_noise_is_quiet(points: int) -> None:
    """Twenty assets, each for twice the learning time."""
    values = np.stack([noise(2 * LEARN, points, seed) for seed in range(20)], axis=2)

    _, scores = run(values)

    assert sum(alarms(scores[:, [row]]) for row in range(20)) < 20


def test_a_warm_up_is_quiet() -> None:
    time = np.arange(900)
    warm = noise(900, 2) * 0.1 + np.stack([20 * (1 - np.exp(-time / 1500)), 0.005 * time], axis=1)

    assert alarms(run(warm)[1]) == 0


def test_a_level_that_creeps_is_quiet() -> None:
    values = noise(1000, 1)
    values[LEARN:, 0] += 0.004 * np.arange(1000 - LEARN)

    assert alarms(run(values)[1]) == 0


def test_a_level_that_creeps_past_the_limit_at_once_is_not() -> None:
    values = noise(LEARN + 200, 1)
    values[LEARN:, 0] += 0.05 * np.arange(200)

    assert alarms(run(values)[1]) > 100


def test_gaps_are_quiet() -> None:
    values = noise(1000, 3)
    values[500:600] = np.nan
    values[650:900, 1] = np.nan
    values[::7, 2] = np.nan

    _, scores = run(values)

    assert np.isnan(scores[500:600]).all()
    assert alarms(scores) == 0


def test_constant_points_are_quiet_and_learn_all_the_same() -> None:
    values = np.zeros((int(LEARN * PATIENCE) + 60, 2))
    values[:, 1] = 7

    _, scores = run(values)

    assert np.nanmax(scores) == 0
    assert scores[-1] == 0


def test_a_constant_point_that_moves_is_seen() -> None:
    values = noise(LEARN + SEEN, 2)
    values[:, 1] = 7
    values[LEARN + 10 :, 1] = 8

    detector, scores = run(values)

    assert scores[-1] > 2
    assert detector.contributors(0)[0][0] == 1


def test_a_step_is_seen_and_its_point_named() -> None:
    """Six assets: a step up and one down of each of three points."""
    steps = [(point, size) for point in range(3) for size in (3.0, -3.0)]
    values = np.repeat(noise(LEARN + 100 + SEEN, 3)[:, :, None], len(steps), axis=2)
    for row, (point, size) in enumerate(steps):
        values[LEARN + 100 :, point, row] += size

    detector, scores = run(values)

    for row, (point, _) in enumerate(steps):
        assert alarms(scores[: LEARN + 100, [row]]) == 0
        assert scores[-1, row] > 1
        named = detector.contributors(row)
        assert named[0][0] == point
        assert named[0][1] > 0.9
        assert sum(share for _, share in named) == pytest.approx(1)


def test_the_score_is_the_shift_in_scales() -> None:
    """Of white noise both are known: how far the means of blocks scatter, and the sample noise in what is judged."""
    values = noise(LEARN + 400, 1, seed=5)
    values[LEARN + 100 :] += 4

    _, scores = run(values)

    blocks = values[1 : LEARN + 100].reshape(-1, BLOCK)[-RING:].mean(axis=1)
    scale = novelty.GAUSSIAN * np.median(np.abs(blocks - np.median(blocks)))
    expected = 4 / LEVEL / np.sqrt(scale**2 + 1 / (RECENT + 0.5) / BLOCK)
    assert scores[LEARN + 100 + SEEN, 0] == pytest.approx(expected, rel=0.25)


def test_a_change_of_noise_is_seen() -> None:
    """Of two assets one falls silent and one becomes loud."""
    values = np.repeat(noise(LEARN + 200, 2)[:, :, None], 2, axis=2)
    values[LEARN + 100 :, 1] = 50 + np.array([0.05, 10.0]) * (values[LEARN + 100 :, 1] - 50)

    detector, scores = run(values)

    assert (scores[-1] > 1).all()
    assert [detector.contributors(row)[0][0] for row in range(2)] == [1, 1]


def test_one_glitch_does_not_count_as_noise() -> None:
    values = noise(LEARN + 200, 1)
    values[LEARN + 100] += 28

    assert np.nanmax(run(values)[1]) < 1


def test_a_broken_relation_is_seen_in_the_range_of_both() -> None:
    """Both points move together, or against each other, over a range of 10; then one stays 2 behind."""
    random = np.random.default_rng(3)
    load = 20 * random.uniform(size=LEARN + 100 + SEEN)
    other = random.normal(size=len(load))
    pairs = [np.stack([50 + load, 80 + sign * 2 * load, other], axis=1) for sign in (1, -1)]
    values = np.stack(pairs, axis=2) + random.normal(0, 0.1, (len(load), 3, 1))
    values[LEARN + 100 :, 1] -= 2

    detector, scores = run(values)

    for row in range(2):
        assert alarms(scores[: LEARN + 100, [row]]) == 0
        assert scores[-1, row] > 1
        named = detector.contributors(row)
        assert {point for point, _ in named[:2]} == {0, 1}
        assert named[1][1] > 0.3


def test_points_have_no_partner_before_they_have_learned() -> None:
    load = 20 * np.random.default_rng(3).uniform(size=LEARN)
    values = np.stack([50 + load, 80 + 2 * load], axis=1) + noise(LEARN, 2)
    early, _ = run(values[: LEARN - BLOCK])
    learned, _ = run(values)

    assert np.isnan(early._state.slope).all()
    assert learned._state.slope[:, 0] == pytest.approx([0.5, 2], rel=0.1)


def test_a_point_that_wanders_more_than_its_noise_explains_may_go_on() -> None:
    """Blocks that move by two standard deviations of a sample: many times what ten samples explain, less than what one does."""
    random = np.random.default_rng(5)
    blocks = 50 + np.cumsum(random.choice([-2.0, 2.0], LEARN // BLOCK + 1))
    values = np.repeat(blocks, BLOCK)[:LEARN, None] + random.normal(size=(LEARN, 1))
    values = np.concatenate([values, values[-1:] + 45 + random.normal(size=(SEEN, 1))])

    assert np.nanmax(run(values)[1]) < 1


def test_unrelated_points_have_no_partner() -> None:
    detector, _ = run(noise(LEARN + 50, 3))

    assert np.isnan(detector._state.slope).all()


def test_a_step_that_goes_is_forgiven_at_once() -> None:
    values = noise(LEARN + 500, 1)
    values[LEARN + 100 : LEARN + 350] += 3

    _, scores = run(values)

    assert np.min(scores[LEARN + 100 + SEEN : LEARN + 350]) > 1
    assert np.max(scores[LEARN + 350 + SEEN :]) < 1


def test_a_step_that_stays_is_forgiven_within_the_bound() -> None:
    """After LONGEST blocks, not one later: no count of them is ever left standing."""
    values = noise(LEARN + 900, 1)
    values[LEARN + 100 :] += 10
    bound = novelty.LONGEST * BLOCK
    detector, before = run(values[: LEARN + 100])
    counted = []
    centres = []
    after = []
    for now in values[LEARN + 100 :, :, None]:
        after.append(detector.push(now))
        counted.append(int(detector._state.alarmed[0]))
        centres.append(float(detector._state.centre[0, 0]))
    scores = np.concatenate([before, after])

    assert max(counted) == novelty.LONGEST - 1
    assert abs(centres[bound + BLOCK] - 60) < 1
    assert np.min(scores[LEARN + 100 + SEEN : LEARN + 100 + bound]) > 1
    assert np.max(scores[LEARN + 100 + bound + SEEN :]) < 1


def test_a_repeated_excursion_is_told_less_and_a_greater_one_again() -> None:
    values = noise(LEARN + 550, 1)
    for begin, size in ((100, 2.5), (250, 2.5), (400, 8.0)):
        values[LEARN + begin : LEARN + begin + 100] += size

    _, scores = run(values)

    first, second, third = (np.max(scores[LEARN + begin : LEARN + begin + 150]) for begin in (100, 250, 400))
    assert first > 1
    assert second < 1
    assert third > 1


def test_several_points_together_count_more_than_one() -> None:
    values = np.repeat(noise(LEARN + 100 + SEEN, 4)[:, :, None], 2, axis=2)
    values[LEARN + 100 :, 0, 0] += 2
    values[LEARN + 100 :, :, 1] += 2

    one, all_four = run(values)[1][-1]

    assert all_four > 1.15 * one


def test_many_points_are_no_reason_by_themselves() -> None:
    """Forty points half way to their limits are no alarm."""
    assert novelty._together(np.full((40, 1), 0.9))[0] > novelty._together(np.full((1, 1), 0.9))[0]
    assert novelty._together(np.full((40, 1), 0.5))[0] < 1
    assert novelty._together(np.full((40, 1), 0.5))[0] == pytest.approx(novelty._together(np.full((novelty.CROWD, 1), 0.5))[0])


def test_a_point_that_is_not_known_contributes_nothing() -> None:
    values = noise(LEARN + 100 + SEEN, 2)
    values[LEARN + 100 :, 1] += 5
    values[-1, 1] = np.nan

    detector, scores = run(values)

    assert scores[-2] > 1
    assert scores[-1] < 1
    assert [point for point, _ in detector.contributors(0)] == [0]


def test_a_point_known_in_just_half_the_steps_counts() -> None:
    """The second point speaks at every second step, so that it is known in half of them whenever it is known."""
    values = noise(LEARN + 60, 2)
    values[1::2, 1] = np.nan
    values[LEARN + 30 :, 1] += 10

    detector, scores = run(values[:-1] if np.isnan(values[-1, 1]) else values)

    assert scores[-1] > 1
    assert detector.contributors(0)[0][0] == 1


@pytest.mark.parametrize(
    ("share", "lingers", "alarms", "away"),
    [(novelty.NEAR - 0.01, 0, 0, 0), (novelty.NEAR, 1, 0, 0), (0.999, 1, 0, 0), (1.0, 0, 1, 1), (1.5, 0, 1, 1)],
)
def test_a_block_ends_within_near_or_beyond_the_limit(share: float, lingers: int, alarms: int, away: int) -> None:
    """Near begins at NEAR, and the limit itself is beyond it."""
    detector, _ = run(noise(LEARN, 1))
    state = detector._state
    state.lingered[:] = state.alarmed[:] = state.skipped[:] = 0
    state.share[0] = share

    with np.errstate(all="ignore"):
        detector._close(np.array([0]))

    assert (state.lingered[0, 0], state.alarmed[0], state.skipped[0, 0]) == (lingers, alarms, away)


def test_a_level_near_its_limit_is_followed_after_linger_blocks() -> None:
    detector, _ = run(noise(LEARN, 1))
    state = detector._state
    state.share[0] = 0.8
    state.lingered[:] = 0
    counted = []
    for _ in range(novelty.LINGER + 1):
        with np.errstate(all="ignore"):
            detector._follow(np.array([0]))
        counted.append(int(state.lingered[0, 0]))

    assert counted == [*range(1, novelty.LINGER), 0, 1]


def test_what_said_nothing_lately_keeps_its_normal_when_all_is_centred_anew() -> None:
    detector, _ = run(noise(LEARN, 2))
    state = detector._state
    state.share[0] = 2.0
    state.alarmed[:] = novelty.LONGEST - 1
    state.sums[1:, :, 1] = 0.0  # of the second point nothing came
    before = state.means[:, 1].copy()

    with np.errstate(all="ignore"):
        detector._follow(np.array([0]))

    np.testing.assert_array_equal(state.means[:, 1], before)


def test_nothing_known_is_not_known() -> None:
    values = noise(LEARN + 20, 2)
    values[-1] = np.nan

    detector, scores = run(values)

    assert np.isnan(scores[-1]).all()
    assert detector.contributors(0) == []


def test_a_point_that_never_spoke_changes_nothing() -> None:
    values = noise(LEARN + 50, 2)
    with_silent = np.concatenate([values, np.full((len(values), 1), np.nan)], axis=1)

    assert np.allclose(run(values)[1], run(with_silent)[1], equal_nan=True)


def test_held_values_are_no_news() -> None:
    """Values every second push, held between: the same scores as without the holding."""
    values = noise(LEARN + 200, 2)
    values[LEARN + 100 :, 0] += 3

    plain = run(values)[1]
    held = run(np.repeat(values, 2, axis=0))[1]

    assert np.nanmax(np.abs(held[1::2][-50:] - plain[-50:])) < 0.5
    assert np.isnan(held[: LEARN * 2 - 20]).all()
    assert held[-1] > 1


def test_points_out_of_step_are_one_step() -> None:
    """Two points that speak every third push, not at once, make a step every third push."""
    values = noise(LEARN + 10, 2)
    held = np.repeat(values, 3, axis=0)
    held[1:, 1] = held[:-1, 1].copy()

    _, scores = run(held)

    assert np.isnan(scores[: LEARN * 3 - 30]).all()
    assert not np.isnan(scores[LEARN * 3 + 6 :]).any()


@pytest.mark.parametrize(("learn", "tick", "pushes"), [(480, 1.0, 480), (4800, 10.0, 480), (1.0, 1.0, 200)])
def test_the_time_to_learn_may_be_given(learn: float, tick: float, pushes: int) -> None:
    """A block has five steps at least, and the first push is none."""
    _, scores = run(noise(pushes + 10, 1), learn, tick)

    assert np.isnan(scores[: pushes - 1]).all()
    assert not np.isnan(scores[pushes + 1 :]).any()


def test_forgotten_rows_learn_anew_and_others_do_not_notice() -> None:
    values = np.stack([noise(LEARN + 5, 2, 1), noise(LEARN + 5, 2, 2)], axis=2)
    detector, first = run(values)
    twin = copy.deepcopy(detector)

    detector.forget(np.array([0]))

    now = np.full((2, 2), 51.0)
    found, wanted = detector.push(now), twin.push(now)
    assert np.isnan(found[0])
    assert found[1] == wanted[1]
    detector.forget(np.array([0]))
    again = np.array([detector.push(one) for one in values])
    assert np.allclose(again[:, 0], first[:, 0], equal_nan=True)


def test_new_rows_learn_while_others_go_on() -> None:
    values = noise(LEARN + 30, 1)
    detector, _ = run(values)

    detector.extend(3)

    found = detector.push(np.full((1, 3), 50.0))
    assert found[0] < 1
    assert np.isnan(found[1:]).all()
    detector.extend(2)
    assert detector.push(np.full((1, 3), 50.5)).shape == (3,)


def test_no_rows_are_no_scores() -> None:
    detector = Novelty(3, 1.0)

    assert detector.push(np.zeros((3, 0))).shape == (0,)


def test_rows_are_independent() -> None:
    random = np.random.default_rng(7)
    values = random.normal(size=(LEARN + 120, 2, 2)) * [1.0, 5.0] + 20
    values[LEARN + 30 :, 0, 1] += 20
    values[random.uniform(size=values.shape) < 0.2] = np.nan

    many, scores = run(values)

    one, alone = run(values[:, :, 1:])
    assert np.allclose(alone[:, 0], scores[:, 1], rtol=1e-9, equal_nan=True)
    assert one.contributors(0) == [(point, pytest.approx(share)) for point, share in many.contributors(1)]
    assert not np.allclose(scores[:, 0], scores[:, 1], equal_nan=True)
