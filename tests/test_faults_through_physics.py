"""The demo injections and negative controls of the coupled plant, judged by the shipped rules through the live path.

Each fault is told first by the rule that the fault catalogue names, on the asset that is broken and in time, and all
else that is told is an effect of it. Controls and a healthy plant tell nothing.
"""

from dataclasses import dataclass, replace
from itertools import chain

import pytest
from through_physics import Story, play, shipped

from monitor.model import Alert
from monitor.simulate.physics import CONTROLS, FAULTS, Fault
from monitor.simulate.physics.parameters import IDLE, Parameters

HOUR = 3600.0
# What says that something is hot or short of coolant; a wrong sensor must not.
THERMAL = {
    "it.gpu_hot", "it.gpu_memory_hot", "it.gpu_throttled", "it.margin_low", "it.gpu_mount_poor", "it.tray_flow_blocked",
    "it.tray_coolant_rise_high", "it.cpu_hot", "it.switch_hot", "cooling.rack_flow_low", "cooling.rack_flow_lost",
    "cooling.rack_delta_t_high", "cooling.rack_supply_temperature_high", "cooling.rack_flow_unlike_peers",
    "cooling.rack_resistance_high", "cooling.cdu_supply_off_setpoint", "cooling.condensation_near", "cooling.rack_condensation_near",
}  # fmt: skip


@dataclass(frozen=True)
class Case:
    """One fault and what is told of it. None is as the fault's kind says."""

    rules: tuple[str, ...]  # the catalogue's first detector; several see the same thing at the same time
    asset: str
    start: float | None = None  # s after the plant's
    size: float | None = None
    time: float | None = None  # shorter where the kind's takes days
    within: float | None = None  # s from the start
    seconds: float | None = None  # after the start to look for more; None: until `within`
    dt: float = 60.0  # of plant and engine, s
    detail: int = 1
    causes: tuple[str, ...] = ()  # told later, and explains the first
    sensor: bool = False  # nothing thermal is told

    def fault(self, kind: str, target: str = "") -> Fault:
        return Fault(kind, target, start=self.start, size=self.size, time=self.time)

    def length(self, kind: str) -> float:
        within = self.within or FAULTS[kind].seen
        return self.fault(kind).begin + max(within, self.seconds or 0.0)


CASES = {
    "tim": Case(("it.gpu_mount_poor",), "R01/tray3/gpu2", start=300, seconds=450, within=400, dt=10),
    "quick_disconnect": Case(("it.tray_flow_blocked", "it.tray_coolant_rise_high"), "R01/tray5", start=300, within=180, seconds=420, dt=10),
    "hbm": Case(("it.gpu_contained_error",), "R01/tray3/gpu2", time=1800, within=1800, seconds=3900),
    "nvlink_ber": Case(("it.nvlink_error_rate_high",), "R01/tray7/gpu3"),
    "dirty_optic": Case(("it.optic_lane_dark",), "R01/tray4/nic2", within=600, seconds=2100),
    "filter_clog": Case(("cooling.filter_filling",), "CDU1", within=2.5 * HOUR, detail=0),
    "slow_leak": Case(("cooling.level_falling",), "CDU1", detail=0),
    "valve_stuck": Case(("cooling.supply_valve_stuck",), "CDU1", start=300, within=300, seconds=1000, dt=20, detail=0),
    "hunting": Case(("cooling.supply_hunting",), "CDU1", dt=20, detail=0),
    "humidity": Case(("cooling.condensation_near",), "CDU1", detail=0, causes=("cooling.room_humid",)),
    "loose_joint": Case(("power.shelf_joint_loose",), "R01/shelf3", time=3 * HOUR, within=3 * HOUR),
    "psu_loss": Case(("power.psu_no_output",), "R01/shelf2/psu3", start=100, seconds=300, dt=10),
    "psu_no_share": Case(("power.psu_no_output",), "R01/shelf4/psu5", start=100, seconds=600, within=120, dt=10),
    "phase_miswire": Case(("power.phase_imbalance",), "R02-TAP-A", dt=10, detail=0),
    "ab_swap": Case(("power.feed_unused",), "R02", seconds=1200, detail=0),
    "sensor_swap": Case(("cooling.rack_delta_t_reversed",), "R03", seconds=HOUR, sensor=True),
    "sensor_bias": Case(("sensor.rack_heat_unlike_peers",), "R03", sensor=True, detail=0),
    "sensor_stuck": Case(("sensor.rack_temperature_flat",), "R03", within=1860, seconds=2400, sensor=True),
}
# Several at once, each on assets of its own; the second seed of most.
TOGETHER = {
    "it and power": (10.0, ("tim", "quick_disconnect", "psu_loss", "psu_no_share"), {}),
    "slow ones": (
        60.0,
        ("hbm", "nvlink_ber", "dirty_optic", "filter_clog", "slow_leak", "loose_joint", "ab_swap", "phase_miswire", "sensor_bias", "sensor_stuck"),
        {"ab_swap": "R05", "phase_miswire": "R06/shelf1", "sensor_stuck": "R07:liquid_return_temperature"},
    ),
}  # fmt: skip
ASSETS = {"R05": "R05", "R06/shelf1": "R06-TAP-A", "R07:liquid_return_temperature": "R07"}


def named(story: Story, case: Case, asset: str) -> list[Alert]:
    return [alert for alert in story.told if alert.rule in case.rules and alert.asset == asset]


def late(story: Story, case: Case, kind: str, found: list[Alert]) -> str:
    """Say what is wrong with when the named rule told."""
    begin, within = case.fault(kind).begin, case.within or FAULTS[kind].seen
    if not found:
        return f"none of {', '.join(case.rules)} on {case.asset}; told: {story.text(since=begin)}"
    at = found[0].fired - story.start - begin
    return "" if 0 < at <= within else f"{found[0].rule} at {at:+.0f} s, not within {within:.0f} s; told: {story.text(since=begin)}"


def test_every_fault_of_the_plant_has_its_rule() -> None:
    assert set(CASES) == set(FAULTS)
    assert {rule for case in CASES.values() for rule in (*case.rules, *case.causes)} | THERMAL <= {one.id for one in shipped().rules}


@pytest.mark.parametrize("kind", CASES)
def test_a_fault_is_told_first_by_its_rule_and_all_else_is_its_effect(kind: str) -> None:
    case = CASES[kind]
    fault = case.fault(kind)
    parameters = FAULTS[kind].parameters
    story = play(fault, seconds=case.length(kind), dt=case.dt, seed=1, detail=case.detail, parameters=parameters)
    found = named(story, case, case.asset)

    assert late(story, case, kind, found) == ""
    assert story.told[0].fired == found[0].fired, f"others are earlier: {story.text(since=fault.begin)}"
    effects = story.closure(found)
    others = [alert for alert in story.told if alert not in found and (alert.rule, alert.asset) not in effects]
    causes = [alert for alert in others if alert.rule in case.causes]
    assert all((found[0].rule, found[0].asset) in story.closure([cause]) for cause in causes)
    strange = [alert for alert in others if alert not in causes]
    assert not strange, f"no effect of {found[0].rule}: {story.text(strange, since=fault.begin)}"
    if case.sensor:
        assert {alert.rule for alert in story.told} & THERMAL == set()


@pytest.mark.parametrize("name", TOGETHER)
def test_faults_at_once_are_each_told_by_their_own_rule(name: str) -> None:
    dt, kinds, moved = TOGETHER[name]
    targets = {kind: moved.get(kind, "") for kind in kinds}
    faults = [CASES[kind].fault(kind, targets[kind]) for kind in kinds]
    story = play(*faults, seconds=max(CASES[kind].length(kind) for kind in kinds), dt=dt, seed=5)
    found = {kind: named(story, CASES[kind], ASSETS.get(targets[kind], CASES[kind].asset)) for kind in kinds}

    assert {kind: text for kind in kinds if (text := late(story, CASES[kind], kind, found[kind]))} == {}
    first = {kind: (alerts[0].fired, story.closure(alerts)) for kind, alerts in found.items()}
    named_ones = list(chain.from_iterable(found.values()))
    strange = [
        alert
        for alert in story.told
        if alert not in named_ones and not any(at <= alert.fired and (alert.rule, alert.asset) in effects for at, effects in first.values())
    ]
    assert not strange, f"no effect of any, or before its cause: {story.text(strange)}"


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["valve_stuck", "hunting", "humidity", "sensor_swap"])
def test_a_fault_that_stands_alone_is_told_in_another_plant_too(kind: str) -> None:
    case = CASES[kind]
    seconds = case.fault(kind).begin + (case.within or FAULTS[kind].seen)
    story = play(case.fault(kind), seconds=seconds, dt=case.dt, seed=5, detail=0, parameters=FAULTS[kind].parameters)

    assert late(story, case, kind, named(story, case, case.asset)) == ""
    assert story.told[0].rule in case.rules


# What is usual and must not be told; steps as coarse as the thing allows.
USUAL = {
    "job_oscillation": (Fault("job_oscillation", start=300.0), 2700.0, 30.0),
    "pump_swap": (Fault("pump_swap", start=120.0), 300.0, 4.0),
    "maintenance": (Fault("maintenance", start=300.0), 2400.0, 30.0),
    "ramp_from_idle": (Fault("ramp_from_idle", start=300.0), 1800.0, 30.0),
    "capped_node": (Fault("capped_node", start=300.0), 1800.0, 60.0),
    "seasonal_fws": (Fault("seasonal_fws", start=60.0, time=1.5 * HOUR), 2 * HOUR, 60.0),
}


@pytest.mark.parametrize("kind", USUAL)
def test_what_is_usual_is_not_told(kind: str) -> None:
    fault, seconds, dt = USUAL[kind]
    story = play(fault, seconds=fault.begin + seconds, dt=dt, seed=1, parameters=CONTROLS[kind].parameters)

    assert set(USUAL) == set(CONTROLS)
    assert story.told == [], story.text(since=fault.begin)


@pytest.mark.slow
def test_all_that_is_usual_at_once_is_not_told() -> None:
    faults = [
        Fault("ramp_from_idle", start=300.0),
        Fault("capped_node", "R01/tray8", start=1200.0, size=0.5),
        Fault("job_oscillation", start=1800.0, end=4500.0),
        Fault("seasonal_fws", start=1800.0, time=1.5 * HOUR),
        Fault("pump_swap", start=3000.0, time=60.0),
        Fault("maintenance", "R02", start=5400.0),
    ]
    parameters = replace(Parameters(), load=IDLE.load)
    story = play(*faults, seconds=2.5 * HOUR, dt=60.0, seed=5, parameters=parameters)

    assert story.told == [], story.text()


@pytest.mark.parametrize(("seed", "hours", "detail", "racks"), [(1, 2.5, 1, 9), (5, 0.5, 2, 2)])
def test_a_healthy_plant_is_quiet_for_hours(seed: int, hours: float, detail: int, racks: int) -> None:
    story = play(seconds=hours * HOUR, seed=seed, detail=detail, racks=racks)

    assert story.told == [], story.text()
