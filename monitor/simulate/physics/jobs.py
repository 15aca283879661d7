"""What the GPUs are asked to do: one training job over all racks, in steps of compute and communication, with checkpoints."""

import numpy as np

from monitor.model import F64
from monitor.simulate.physics.change import closed
from monitor.simulate.physics.effects import Effects
from monitor.simulate.physics.parameters import Load


def busy(age: float, period: float, length: float) -> float:
    """Return for how long until `age` a pulse was on that begins each period and lasts `length`; negative before 0.

    >>> busy(25.0, 10.0, 4.0)
    12.0

    """
    whole, part = divmod(age, period)
    return whole * length + min(part, length)


class Jobs:
    """Level of each rack's GPUs between idle (0) and computing (1), shape (R,).

    `mean` is the one of the last step, which heats; `sampled` that of the last second of it, which a meter sees.
    """

    def __init__(self, racks: int, given: Load, window: float, random: np.random.Generator) -> None:
        self._given, self._window, self._random = given, window, random
        self.share = np.full(racks, float(given.running))  # of a job that has started
        self.mean: F64 = self.share * self._between(0.0, 1e4 * given.period)
        self.sampled = self.mean

    def step(self, age: float, seconds: float, effects: Effects) -> None:
        """Move to `age`, the end of a step of some seconds."""
        given = self._given
        wanted = np.where(np.isnan(effects.running), float(given.running), effects.running)
        for lag in np.unique(np.where(np.isnan(effects.ramp), given.ramp / 3, effects.ramp)):
            these = np.where(np.isnan(effects.ramp), given.ramp / 3, effects.ramp) == lag
            self.share = np.where(these, self.share + (wanted - self.share) * closed(seconds, float(lag)), self.share)
        level = self.share * effects.level
        self.mean = level * self._between(age - seconds, age)
        # Longer steps would sample the wave in a slow false rhythm; a meter there catches it at any instant.
        at = age - (self._random.uniform(0, given.period) if seconds > given.period else 0.0)
        self.sampled = level * self._between(at - min(self._window, seconds), at)

    def _between(self, begin: float, end: float) -> float:
        given = self._given
        compute = (busy(end, given.period, given.duty * given.period) - busy(begin, given.period, given.duty * given.period)) / (
            end - begin
        )
        first, every = given.checkpoint_first, given.checkpoint_every
        saving = sum(sign * busy(at - first, every, given.checkpoint_length) for sign, at in ((1, end), (-1, begin)) if at > first)
        share = saving / (end - begin)
        return (given.least + (1 - given.least) * compute) * (1 - share) + given.checkpoint_level * share
