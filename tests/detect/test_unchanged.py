"""What has not changed is not computed again, and nobody can tell."""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pytest

from monitor import shipped
from monitor.bench.fleet_recording import FleetRecording
from monitor.collect.frame import Frame
from monitor.config import Time
from monitor.detect import rules as rule_files
from monitor.detect import steps
from monitor.detect.core import Core
from monitor.detect.rules import RuleSet
from monitor.model import Alert
from monitor.plant import Plant
from monitor.simulate.fleet import Fleet
from monitor.simulate.injection import Injection

FAULTS = (
    "leak@r2+100",
    "psu_loss@r1/shelf2/psu3+60-300",
    "pump_trip+200-400",
    "flow_sensor_dead+350",
    "gpu_lost@r1/tray9/gpu4+80",
    "maintenance@r3+100",
)


@pytest.fixture(scope="module")
def rules() -> RuleSet:
    return rule_files.load(shipped.rules())


def played(rules: RuleSet, step: float) -> Iterator[tuple[Core, list[Alert]]]:
    """Yield after each batch of a plant with faults, a rack of which is silent for a while."""
    orders = [Injection.parse(text) for text in FAULTS]
    fleet = Fleet(9, start=1_767_225_600.0, seed=6, faults=orders, pod_racks=9, detail=1, step=step, settle=60, missing=0.05)
    plant = Plant(rules.vocabulary)
    core = Core(plant, rules, Time(lateness=0.0))
    for number, batch in enumerate(FleetRecording(fleet, 0.2).read(plant, 1.0)):
        changes = core.close(batch.first)
        readings = batch.readings()
        if 150 <= number * step < 250:
            readings = readings.take(np.array([not plant.points[row].asset.startswith("Pod1-R04") for row in readings.point.tolist()]))
        yield core, [*changes, *core.ingest(readings)]


def outs(core: Core) -> list[np.ndarray]:
    return [step.out.copy() for table in core.engine.plan.tables.values() for step in table.steps.values()]


@pytest.mark.parametrize("step", [1.0, 7.0, 10.0])
def test_every_alert_and_every_result_is_as_if_all_were_computed(rules: RuleSet, step: float, monkeypatch: pytest.MonkeyPatch) -> None:
    found = [(changes, outs(core) if number % 9 == 0 else []) for number, (core, changes) in enumerate(played(rules, step))]

    def always(self: steps.Step, frame: Frame) -> None:
        self.run(frame)
        self.version += 1

    monkeypatch.setattr(steps.Step, "turn", always)
    monkeypatch.setattr(steps._Read, "turn", always)
    wanted = [(changes, outs(core) if number % 9 == 0 else []) for number, (core, changes) in enumerate(played(rules, step))]

    assert len({alert.rule for changes, _ in wanted for alert in changes}) >= 5
    for number, ((changes, some), (others, same)) in enumerate(zip(found, wanted, strict=True)):
        assert changes == others, number
        for one, other in zip(some, same, strict=True):
            np.testing.assert_array_equal(one, other)


def test_a_quiet_tick_runs_few_steps(rules: RuleSet) -> None:
    """The other half: it would hold if nothing was ever left out."""
    ran = []
    for core, _ in played(rules, 10.0):
        ran.append(sum(step.version for table in core.engine.plan.tables.values() for step in table.steps.values()))
    each = [after - before for before, after in pairwise(ran[10:])]
    steps_in_all = sum(len(table.steps) for table in core.engine.plan.tables.values())

    assert max(each) < 5 * steps_in_all  # ten ticks a batch
