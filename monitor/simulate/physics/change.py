"""The two ways in which anything here changes: a lag and a slow random walk."""

from math import expm1, sqrt

import numpy as np

from monitor.model import F64


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
