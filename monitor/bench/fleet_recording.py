"""A simulated fleet as a recording: what a replay reads without any wire in between."""

from collections.abc import Iterator, Mapping

import numpy as np

from monitor.collect.dsx import Heartbeat
from monitor.collect.recording import Batch
from monitor.model import Phase, Readings
from monitor.plant import Plant
from monitor.simulate.fleet import Fleet


class FleetRecording:
    """A recording of so many hours of a fleet. A rack that is worked on is in its phase for it, as somebody would say before."""

    def __init__(self, fleet: Fleet, hours: float) -> None:
        self._fleet, self._until = fleet, fleet.start + 3600 * hours
        self.messages = 0
        self.readings = 0
        self.superseded = 0

    @property
    def faults(self) -> list[str]:
        return []

    @property
    def dropped(self) -> Mapping[str, int]:
        return {}

    @property
    def heartbeats(self) -> Mapping[int, Heartbeat]:
        return {}

    def read(self, plant: Plant, tick: float) -> Iterator[Batch]:
        fleet = self._fleet
        rows = [pod.physics.describe(plant, fleet.step) for pod in fleet.pods]
        planned = sorted((one for one in fleet.truth() if one.fault == "maintenance"), key=lambda one: one.time, reverse=True)
        while True:
            while planned and fleet.time >= planned[-1].time - fleet.step:
                plant.set_phase(planned.pop().where, Phase.MAINTENANCE)
            point, value = [], []
            for pod, mine in zip(fleet.pods, rows, strict=True):
                due = np.flatnonzero(pod.due)
                at = np.array([row for row, _ in pod.events], np.int64)
                point += [mine[due], mine[at]]
                value += [pod.values[due], np.array([code for _, code in pod.events], np.float64)]
            points = np.concatenate(point)
            self.messages += len(fleet.pods)
            self.readings += len(points)
            found = Readings.of(points, np.full(len(points), fleet.time), np.concatenate(value))
            yield Batch(fleet.time, fleet.time, lambda found=found: found)  # type: ignore[misc]
            if fleet.time + fleet.step > self._until:
                return
            fleet.advance(fleet.time + fleet.step)

    def close(self) -> None:
        """Nothing is open."""
