"""Faults in the coupled plant through the live path: what the shipped rules tell, on which asset, when."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from monitor.bench.score import Explained, Place
from monitor.config import Time
from monitor.detect import rules
from monitor.detect.core import Core
from monitor.detect.rules import RuleSet
from monitor.model import Alert, Phase
from monitor.plant import Plant
from monitor.simulate.physics import Fault, Parameters, Physics, run


@cache
def shipped() -> RuleSet:
    return rules.load(Path(__file__).parent.parent / "rules")


@dataclass(frozen=True)
class Story:
    """What was told, in its order; times of `Alert` are seconds since 1970, `start` is that of the plant."""

    plant: Plant
    start: float
    told: list[Alert]

    def text(self, alerts: Iterable[Alert] | None = None, since: float = 0.0) -> str:
        """Return a line an alert; times count from `since`, s after the plant's start."""
        lines = [
            f"{alert.fired - self.start - since:+8.0f} s {alert.rule:34} {alert.asset:16} {alert.summary}"
            for alert in (self.told if alerts is None else alerts)
        ]
        return "\n".join(["", *lines, "" if lines else "nothing"])

    def closure(self, alerts: Iterable[Alert]) -> set[Place]:
        """Return where what may be an effect of these alerts."""
        explained = Explained(shipped(), self.plant)
        return {place for alert in alerts for place in explained.by((alert.rule, alert.asset))}


def play(
    *faults: Fault,
    seconds: float,
    dt: float = 60.0,
    tick: float | None = None,
    seed: int = 3,
    racks: int = 9,
    detail: int = 1,
    parameters: Parameters | None = None,
) -> Story:
    """Run a plant with faults and return what the shipped rules tell; a rack that is worked on is in its phase for it.

    Args:
        faults: to inject.
        seconds: of event time.
        dt: step of the plant.
        tick: of the engine, `dt` where it is not given.
        seed: of all randomness.
        racks: 9 have the 8 peers that robust deviations need.
        detail: how many of them have trays, GPUs and supplies.
        parameters: of the plant.

    """
    physics = Physics(racks, seed=seed, detail=detail, parameters=parameters).inject(*faults)
    plant = Plant(shipped().vocabulary)
    rows = physics.describe(plant, dt)
    core = Core(plant, shipped(), Time(tick=tick or dt))
    planned = sorted((fault for fault in faults if fault.kind == "maintenance"), key=lambda fault: fault.begin)
    found: dict[tuple[str, str, str, int], Alert] = {}
    for readings in run(physics, seconds, dt, rows):
        while planned and physics.age >= planned[0].begin:  # somebody says so before the work begins
            plant.set_phase(planned.pop(0).where, Phase.MAINTENANCE)
        changes = [*core.ingest(readings), *core.close(physics.time)]
        found |= {change.key: change for change in changes}
    found |= {change.key: change for change in core.finish()}
    told = sorted((alert for alert in found.values() if alert.told), key=lambda alert: (alert.fired, alert.rule, alert.asset))
    return Story(plant, physics.start, told)
