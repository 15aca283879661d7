"""What the racks draw; and the two ways in which anything here changes: a lag and a slow random walk."""

from math import expm1, sqrt

import numpy as np

from monitor.model import F64
from monitor.simulate import parameters


def closed(seconds: float, lag: float) -> float:
    """Return the share of a gap that a first-order lag of `lag` seconds closes in so many seconds."""
    return -expm1(-seconds / lag)


class Wander:
    """Slow random variation around 0: an Ornstein-Uhlenbeck process, exact for any step.

    Args:
        sigma: its standard deviation.
        time: its correlation time, s.

    """

    def __init__(self, shape: int | tuple[int, ...], sigma: float, time: float, random: np.random.Generator) -> None:
        self._sigma, self._time, self._random = sigma, time, random
        self.value: F64 = sigma * random.standard_normal(shape)

    def step(self, seconds: float) -> F64:
        keep = 1 - closed(seconds, self._time)
        self.value = keep * self.value + self._sigma * sqrt(1 - keep**2) * self._random.standard_normal(self.value.shape)
        return self.value


class Load:
    """Racks that train one model together: a wave of compute and communication, slow drift, and dips for checkpoints."""

    def __init__(self, racks: int, given: parameters.Load, random: np.random.Generator) -> None:
        self._given = given
        self._base = given.mean + given.spread * random.standard_normal(racks)
        self._drift = Wander(racks, given.drift, given.drift_time, random)
        self._begin = random.uniform(given.checkpoint_every / 3, given.checkpoint_every)  # of the first checkpoint
        self.power: F64 = self._wanted(0.0)  # kW, shape (R,)

    def step(self, age: float, seconds: float) -> F64:
        """Move to `age` seconds after the start; return the power of each rack, kW, shape (R,)."""
        self._drift.step(seconds)
        self.power = self.power + (self._wanted(age) - self.power) * closed(seconds, self._given.ramp)
        return self.power

    def _wanted(self, age: float) -> F64:
        given = self._given
        if (age - self._begin) % given.checkpoint_every < given.checkpoint_length and age >= self._begin:
            return np.full(self._base.shape, given.least)
        wave = given.wave * np.tanh(3 * np.sin(2 * np.pi * age / given.wave_period))  # nearly square
        wanted: F64 = np.clip(self._base + wave + self._drift.value, given.least, given.most)
        return wanted
