"""How far an asset has left its own learned normal, from several of its points at once.

Every point is averaged over blocks of steps; the last RING blocks are its normal. Its centre is their median, its scale their
median absolute deviation and its sample noise. A warm-up drifts the blocks and so widens the scale by itself: no fault. A point
whose blocks move more from one to the next than its sample noise explains (a thermal one) may go on moving at that pace. Judged are
the newest blocks: their mean against the centre, and their noise against the blocks' noise. Two points that move together from
sample to sample are judged by their difference as well, so that a broken relation is seen while both are in their own ranges.

A level that lingers just within its limit creeps: its centre follows. A block that left the normal is taken in only now and then, so
a fault stays visible for long, and a step that stays becomes the new normal in bounded time: after LONGEST blocks. An excursion that went by on its own widens the scale, so that what an asset does every day is told once.

Sources: median absolute deviation and its factor for Gaussian noise, Huber, "Robust Statistics" (1981), 5.1; noise from successive
differences, von Neumann, Annals of Mathematical Statistics 12 (1941); the rest is reasoning, checked by tests/sets/evaluate.py.
"""

from dataclasses import dataclass, fields
from typing import Self

import numpy as np

from monitor.model import F64, I64, Bool

RING = 40  # blocks of the learned normal; an estimate
BLOCK = 10  # steps a block where `learn` is not given: 400 steps to learn, SKAB's protocol (data/skab/README.md)
BLOCK_LEAST = 5  # steps a block has at least where `learn` is given; an estimate
RECENT = 2  # whole blocks that are judged, besides the one that is filling; an estimate
KNOWN = 0.5  # share of the steps that must be known for a block to count; an estimate
LEVEL = 5.0  # scales that a level may be away; an estimate
SPREAD = 5.0  # scales that the logarithm of a noise variance may be away; an estimate
SPREAD_LEAST = 0.3  # least scale of that logarithm: about what RECENT blocks of Gaussian noise show
FINEST = 1e-3  # share of a point's own level that is no news; an estimate
TYPICAL = 0.9  # share of the ring's quietest blocks whose mean is the noise, times TYPICAL_GAIN for the rest; estimates
TYPICAL_GAIN = 1.1
THERMAL = 3.0  # a point that moves so many times its sample noise from block to block drifts; an estimate
GLITCH = 8.0  # standard deviations of noise at which a single jump is cut before it counts as noise; an estimate
SLOW = 4  # of so many blocks away from the normal one is taken in; an estimate
NEAR = 0.6  # share of its limit from which a level is near it; an estimate
LINGER = 2  # blocks in a row that end near the limit and within: the level creeps, a fault goes through; an estimate
CLEAR = 0.7  # an excursion is over below this (exit at 70 % of the limit: domain.md 7)
LESSON = 1.2  # of its limit to which a past excursion widens a channel: a repetition must be greater to be told; an estimate
LESSON_BLOCKS = 400.0  # blocks in which that fades to 1/e; an estimate
LONGEST = 60  # blocks after which an excursion is the new normal; an estimate
CROWD = 8  # channels beyond which chance alone would add up; an estimate
TOGETHER = 4  # exponent by which points add up: between the greatest alone and a sum of squares; an estimate
RELATED = 0.8  # correlation from sample to sample from which two points are watched together; an estimate
TWINS = 1 - 1e-9  # correlation beyond which a second point is the first one
CEILING = 100.0  # a point that never moved and now does is so far away
PATIENCE = 3.0  # usual steps without news until a step is counted all the same: nothing new is a step, too; an estimate
PACE = 0.1  # weight of the newest distance between steps; an estimate
GAUSSIAN = 1.4826  # standard deviations a median absolute deviation
LIMITS = np.array([LEVEL, SPREAD])[:, None, None]
_TINY = 1e-300  # keeps 0/0 from becoming a number


@dataclass(eq=False, slots=True)
class _State:
    """Everything remembered; the last axis is rows (N), C = 2 P channels: the points, then each point against its partner."""

    last: F64  # (P, N) newest known value, to tell news from a held value
    spoken: Bool  # (P, N) gave news since the last step
    idle: F64  # (N,) pushes since the last step
    quiet: F64  # (N,) pushes since the last step that news made
    pace: F64  # (N,) usual pushes between those
    age: F64  # (N,) pushes in the open block
    steps: F64  # (RECENT + 1, N) steps in the open block, then in the newest whole ones
    sums: F64  # (RECENT + 1, 4, C, N) likewise: samples, their sum, differences, half the sum of their squares
    before: F64  # (C, N) sample of the step before
    blocks: I64  # (N,) whole blocks so far
    means: F64  # (RING, C, N) of the blocks of the normal, newest first
    noises: F64  # (RING, C, N) noise variances likewise
    skipped: I64  # (C, N) blocks away from the normal, in a row
    centre: F64  # (C, N) median of `means`
    noise: F64  # (C, N) typical of `noises`
    scale: F64  # (2, C, N) of level, without sample noise, and of the noise's logarithm
    lesson: F64  # (2, C, N) what past excursions add to the scale
    peak: F64  # (2, C, N) of the present excursion
    out: Bool  # (2, C, N) in an excursion
    lingered: I64  # (C, N) blocks, in a row, that ended near the limit, but within
    joint: F64  # (P, P, N) sum of products of differences, while learning
    alarmed: I64  # (N,) blocks, in a row, that ended with a score at or above the limit
    partner: I64  # (P, N) the point that this one moves with, itself where there is none
    slope: F64  # (P, N) how much it moves with it, NaN where there is none
    share: F64  # (C, N) 1 at the limit of a channel, NaN where not judged

    @classmethod
    def blank(cls, points: int, rows: int) -> Self:
        channels = 2 * points

        def nothing(*shape: int) -> F64:
            return np.full((*shape, rows), np.nan)

        def zero(*shape: int) -> F64:
            return np.zeros((*shape, rows))

        return cls(
            last=nothing(points),
            spoken=np.zeros((points, rows), np.bool_),
            idle=zero(),
            quiet=zero(),
            pace=zero() + 1,
            age=zero(),
            steps=zero(RECENT + 1),
            sums=zero(RECENT + 1, 4, channels),
            before=nothing(channels),
            blocks=np.zeros(rows, np.int64),
            means=nothing(RING, channels),
            noises=nothing(RING, channels),
            skipped=np.zeros((channels, rows), np.int64),
            centre=nothing(channels),
            noise=nothing(channels),
            scale=nothing(2, channels),
            lesson=zero(2, channels),
            peak=zero(2, channels),
            out=np.zeros((2, channels, rows), np.bool_),
            lingered=np.zeros((channels, rows), np.int64),
            joint=zero(points, points),
            alarmed=np.zeros(rows, np.int64),
            partner=np.repeat(np.arange(points)[:, None], rows, axis=1),
            slope=nothing(points),
            share=nothing(channels),
        )


class Novelty:
    """Distance of many assets from their own normal, one column an asset.

    Args:
        points: number of points of an asset, P.
        tick: s from push to push.
        learn: s of known time after which an asset's normal is known; without it RING * BLOCK steps, a step being a push at which
            a point that had already given news since the last step gives news again.

    >>> novelty = Novelty(2, 1.0)
    >>> novelty.extend(3)
    >>> novelty.push(np.zeros((2, 3)))
    array([nan, nan, nan])

    """

    def __init__(self, points: int, tick: float, learn: float | None = None) -> None:
        self._points = points
        self._block_pushes = 0.0 if learn is None else learn / tick / RING
        self._block_steps = BLOCK if learn is None else BLOCK_LEAST
        self._state = _State.blank(points, 0)

    @property
    def rows(self) -> int:
        return len(self._state.idle)

    def extend(self, rows: int) -> None:
        """Make room for `rows` assets in all; new ones begin to learn."""
        more = rows - len(self._state.idle)
        if more > 0:
            fresh = _State.blank(self._points, more)
            for field in fields(_State):
                both = (getattr(self._state, field.name), getattr(fresh, field.name))
                setattr(self._state, field.name, np.concatenate(both, axis=-1))

    def forget(self, rows: np.ndarray) -> None:
        """Let some assets begin to learn anew: a point changed its meaning, or the asset its parts."""
        fresh = _State.blank(self._points, 1)
        for field in fields(_State):
            getattr(self._state, field.name)[..., rows] = getattr(fresh, field.name)

    def push(self, values: F64) -> F64:
        """Take in one tick and return how far each asset is from its normal.

        Args:
            values: (P, N), NaN where not known; a value may be a held one.

        Returns:
            (N,), no unit: 1 is the limit. NaN while learning and where no point is known.

        """
        stepped = self._step(values)
        with np.errstate(all="ignore"):
            partners = values[self._state.partner, np.arange(values.shape[1])]
            channels = np.concatenate([values, values - self._state.slope * partners])
            known = ~np.isnan(channels)
            self._add(channels, known & stepped)
            self._judge(known, stepped)
            score = _together(self._state.share)
            due = (self._state.steps[0] >= self._block_steps) & (self._state.age >= self._block_pushes) & stepped
            if due.any():
                self._close(np.flatnonzero(due))
        return score

    def contributors(self, row: int) -> list[tuple[int, float]]:
        """Tell which points made the newest score of an asset.

        Returns:
            Point and its share, greatest first; shares add up to 1. Empty where the score is not known, or 0.

        """
        parts = np.nan_to_num(self._state.share[:, row]) ** TOGETHER
        own, pair = parts[: self._points], parts[self._points :] / 2  # a broken relation accuses both
        shares = own + pair
        np.add.at(shares, self._state.partner[:, row], pair)
        total = shares.sum()
        order = np.argsort(-shares, kind="stable")
        return [(int(point), float(shares[point] / total)) for point in order if shares[point] > 0]

    def _step(self, values: F64) -> Bool:
        """Tell for which rows this push is a step, (N,).

        The fastest point sets the pace; what the others say between two of its steps waits for the next.
        """
        state = self._state
        known = ~np.isnan(values)
        there = known.any(axis=0)
        news = known & (values != state.last)
        state.last = np.where(known, values, state.last)
        state.idle += there
        state.quiet += there
        state.age += there
        again = (news & state.spoken).any(axis=0)
        state.spoken = np.where(again, news, state.spoken | news)
        state.pace = np.where(again, state.pace + PACE * (state.quiet - state.pace), state.pace)
        stepped: Bool = again | (there & (state.idle >= PATIENCE * state.pace))
        state.idle[stepped] = 0
        state.quiet[again] = 0
        return stepped

    def _add(self, channels: F64, known: Bool) -> None:
        """Add a step's samples to the open block; `known` is false where there is no step."""
        state = self._state
        change = channels - state.before
        paired = known & ~np.isnan(change)
        change = np.where(paired, change, 0.0)
        bound = GLITCH * np.sqrt(2 * (state.noise + (FINEST * state.centre) ** 2))
        cut = np.fmax(np.fmin(change, bound), -bound)  # NaN while learning, which bounds nothing
        state.steps[0] += known.any(axis=0)
        state.sums[0] += np.stack([known, np.where(known, channels, 0.0), paired, cut**2 / 2])
        state.before = np.where(known, channels, state.before)
        learning = np.flatnonzero(state.blocks < RING)
        if len(learning):
            part = change[: self._points, learning]
            state.joint[:, :, learning] += part[:, None] * part[None]

    def _judge(self, known: Bool, stepped: Bool) -> None:
        """Set every channel's share of its limit, and learn from excursions that are over."""
        state = self._state
        samples, total, differences, squares = state.sums.sum(axis=0)
        least = _finest(state.centre)
        level = np.abs(total / samples - state.centre)
        spread = np.abs(np.log((squares / differences + least) / (state.noise + least)))
        away = np.stack([level, spread])
        scale = state.scale**2 + state.lesson**2
        scale[0] += state.noise / samples
        enough = known & (np.stack([samples, differences]) >= KNOWN * state.steps.sum(axis=0))
        share = np.where(enough, np.minimum(away / (LIMITS * np.sqrt(scale + _TINY)), CEILING), np.nan)
        state.share = np.fmax(share[0], share[1])
        state.out |= share >= 1
        state.peak = np.where(state.out & enough, np.fmax(state.peak, away), state.peak)
        fade = np.where(stepped, 1 - 1 / (LESSON_BLOCKS * np.maximum(state.steps[1], 1)), 1.0)
        state.lesson *= fade
        self._learn_from(state.out & (share < CLEAR))

    def _close(self, rows: np.ndarray) -> None:
        """Close the open block of some rows and take it into their normal."""
        state = self._state
        samples, total, differences, squares = state.sums[0][:, :, rows]
        usual = ~(state.share[:, rows] >= 1)  # a channel that is not judged yet learns
        state.skipped[:, rows] = np.where(usual, 0, state.skipped[:, rows] + 1)
        taken = (usual | (state.skipped[:, rows] % SLOW == 0)) & (samples >= KNOWN * state.steps[0, rows])
        for ring, newest in ((state.means, total / samples), (state.noises, squares / differences)):
            old = ring[:, :, rows]
            ring[:, :, rows] = np.where(taken, np.concatenate([newest[None], old[:-1]]), old)
        state.sums[1:, :, :, rows] = state.sums[:-1, :, :, rows]
        state.steps[1:, rows] = state.steps[:-1, rows]
        state.sums[0][:, :, rows] = 0
        state.steps[0, rows] = state.age[rows] = 0
        state.blocks[rows] += 1
        self._follow(rows)
        ready = state.blocks[rows] == RING
        if ready.any():
            self._relate(rows[ready])
        self._measure(rows)

    def _follow(self, rows: np.ndarray) -> None:
        """Take a level that creeps along near its limit for the new centre; and every level after an alarm of LONGEST blocks."""
        state = self._state
        share = state.share[:, rows]
        lingered = np.where((share >= NEAR) & (share < 1), state.lingered[:, rows] + 1, 0)
        alarmed = np.where(_together(share) >= 1, state.alarmed[rows] + 1, 0)
        enough = alarmed >= LONGEST
        crept = (lingered >= LINGER) | enough
        samples, total = state.sums[1:, :2][..., rows].sum(axis=0)
        state.means[:, :, rows] += np.where(crept & (samples > 0), total / samples - state.centre[:, rows], 0.0)
        state.lingered[:, rows] = np.where(crept, 0, lingered)
        state.alarmed[rows] = np.where(enough, 0, alarmed)
        self._learn_from(np.isin(np.arange(len(state.alarmed)), rows[enough]) & state.out)

    def _learn_from(self, over: Bool) -> None:
        """Widen the scales of channels whose excursion is over, (2, C, N)."""
        if not over.any():
            return
        state = self._state
        state.lesson = np.where(over, np.maximum(state.lesson, LESSON * state.peak / LIMITS), state.lesson)
        state.peak[over] = 0
        state.out &= ~over

    def _relate(self, rows: np.ndarray) -> None:
        """Give each point of some rows, which have just learned, the partner it moves with."""
        state, points = self._state, self._points
        joint = state.joint[:, :, rows]
        power = np.einsum("ppn->pn", joint)
        alike = np.nan_to_num(joint / np.sqrt(power[:, None] * power[None]))
        alike[np.arange(points), np.arange(points)] = 0
        alike[np.abs(alike) > TWINS] = 0
        partner = np.abs(alike).argmax(axis=0)
        best = np.take_along_axis(alike, partner[None], axis=0)[0]
        related = np.abs(best) >= RELATED
        slope = np.where(related, best * np.sqrt(power / np.take_along_axis(power, partner, axis=0)), np.nan)
        state.partner[:, rows] = np.where(related, partner, np.arange(points)[:, None])
        state.slope[:, rows] = slope
        means, before = state.means[:, :points, rows], state.before[:points, rows]
        state.means[:, points:, rows] = means - slope * np.take_along_axis(means, partner[None], axis=1)
        state.before[points:, rows] = before - slope * np.take_along_axis(before, partner, axis=0)
        state.noises[:, points:, rows] = state.noises[:, :points, rows] * (1 - best**2)

    def _measure(self, rows: np.ndarray) -> None:
        """Learn centre, noise and scales of some rows from their rings; NaN until a ring is full."""
        state = self._state
        means, noises = state.means[:, :, rows], state.noises[:, :, rows]
        centre = _median(means)
        quietest = np.sort(noises, axis=0)[: int(RING * TYPICAL)]
        noise = TYPICAL_GAIN * quietest.mean(axis=0)
        samples = np.maximum(state.steps[1:, rows].sum(axis=0) / np.count_nonzero(state.steps[1:, rows], axis=0), 1)
        pace = GAUSSIAN * _median(np.abs(np.diff(means, axis=0)))
        drift = np.where(pace > THERMAL * np.sqrt(2 * noise / samples), pace * RING / 2, 0.0)
        least = _finest(centre)
        level = np.sqrt((GAUSSIAN * _median(np.abs(means - centre))) ** 2 + drift**2 + least)
        logarithms = np.log(noises + least)
        spread = np.maximum(GAUSSIAN * _median(np.abs(logarithms - _median(logarithms))), SPREAD_LEAST)
        state.centre[:, rows], state.noise[:, rows] = centre, noise
        state.scale[0][:, rows], state.scale[1][:, rows] = level, spread


def _finest(centre: F64) -> F64:
    """Return the least variance of a point at its level, in the point's unit squared."""
    result: F64 = (FINEST * centre) ** 2 + _TINY
    return result


def _median(ring: F64) -> F64:
    """Return the median over the first axis; NaN where a member is."""
    ordered = np.sort(ring, axis=0)  # NaN last
    half = len(ring) // 2
    result: F64 = (ordered[half] + ordered[(len(ring) - 1) // 2]) / 2
    return np.where(np.isnan(ordered[-1]), np.nan, result)


def _together(share: F64) -> F64:
    """Combine channels, (C, N) to (N,): the greatest counts most, and several together count more than one."""
    known = ~np.isnan(share)
    count = np.count_nonzero(known, axis=0)
    total = (np.where(known, share, 0.0) ** TOGETHER).sum(axis=0)
    score: F64 = (total / np.maximum(count / CROWD, 1)) ** (1 / TOGETHER)
    return np.where(count > 0, score, np.nan)
