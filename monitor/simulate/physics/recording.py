"""A stretch of the plant's life as Readings, as a collector would hand them on."""

from collections.abc import Iterator

import numpy as np

from monitor.model import I32, Readings
from monitor.simulate.physics.plant import Physics


def run(physics: Physics, seconds: float, dt: float, rows: I32 | None = None) -> Iterator[Readings]:
    """Step the plant and yield what it says at each step, all with the step's time.

    Args:
        physics: the plant.
        seconds: of event time.
        dt: step, s.
        rows: of its points, from `Physics.describe`; None for their own order.

    """
    numbers = np.arange(physics.sensors.size, dtype=np.int32) if rows is None else rows
    for _ in range(round(seconds / dt)):
        values, due = physics.step(dt)
        events = physics.events()
        at = np.array([row for row, _ in events], np.int64)
        point = np.concatenate([numbers[due], numbers[at]])
        value = np.concatenate([values[due], [float(code) for _, code in events]])
        yield Readings.of(point, np.full(len(point), physics.time), value)
