"""The demo injections and negative controls of the coupled plant, judged by the shipped rules through the live path.

Each fault is told first by the rule that the fault catalogue names, on the asset that is broken and in time, and all
else that is told is an effect of it. Controls and a healthy plant tell nothing.
"""

from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

import pytest
from through_physics import Story, play, shipped

from monitor.model import Alert
from monitor.simulate.physics import CONTROLS, FAULTS, Fault
from monitor.simulate.physics.parameters import IDLE, Load, Parameters
from monitor.simulate.physics.seen import EACH_RACK

HOUR = 3600.0
# What says that something is hot or short of coolant; a wrong sensor must not.
THERMAL = {
    "it.gpu_hot", "it.gpu_memory_hot", "it.gpu_throttled", "it.margin_low", "it.gpu_mount_poor", "it.tray_flow_blocked",
    "it.tray_coolant_rise_high", "it.cpu_hot", "it.switch_hot", "cooling.rack_flow_low", "cooling.rack_flow_lost",
    "cooling.rack_delta_t_high", "cooling.rack_supply_temperature_high", "cooling.rack_flow_unlike_peers",
    "cooling.rack_resistance_high", "cooling.cdu_supply_off_setpoint", "cooling.condensation_near", "cooling.rack_condensation_near",
}  # fmt: skip


UNBROKEN = replace(Parameters(), load=replace(Load(), checkpoint_first=1e9))  # a job without checkpoints


@dataclass(frozen=True)
class Case:
    """How one fault is played and what else is told of it. None is as the fault's kind says."""

    start: float | None = None  # s after the plant's
    size: float | None = None
    time: float | None = None  # shorter where the kind's takes days
    within: float | None = None  # s from the start
    seconds: float | None = None  # after the start to look for more; None: until `within`
    dt: float = 60.0  # of plant and engine, s
    detail: int = 1
    racks: int = 9
    parameters: Parameters | None = None
    causes: tuple[str, ...] = ()  # told later or before, and explain what the kind's rules tell
    also: tuple[str, ...] = ()  # must be told too, whenever
    sensor: bool = False  # nothing thermal is told

    def fault(self, kind: str, target: str = "") -> Fault:
        return Fault(kind, target, start=self.start, size=self.size, time=self.time)

    def length(self, kind: str) -> float:
        within = self.within or FAULTS[kind].seen
        return self.fault(kind).begin + max(within, self.seconds or 0.0)


CASES = {
    # IT
    "cold_plate": Case(start=300, seconds=450, within=400, dt=10),
    "quick_disconnect": Case(start=300, within=180, seconds=420, dt=10),
    "trapped_air": Case(start=60, within=1700, dt=4, racks=2, parameters=UNBROKEN),
    "hbm": Case(time=1800, within=1800, seconds=3900),
    "gpu_lost": Case(start=300, dt=10, seconds=400),
    "slow_gpu": Case(seconds=1200, dt=30),
    "power_brake": Case(start=300, dt=10, seconds=600),
    "nvlink_ber": Case(),
    "dirty_optic": Case(within=600, seconds=2100),
    "hot_optic": Case(time=600, within=1500, seconds=2400),
    "link_flapping": Case(seconds=2400),
    "pcie_seating": Case(seconds=1200),
    "fan_bearing": Case(),
    "bmc_hang": Case(),
    "brick_loss": Case(start=4500),
    "cpu_mount": Case(dt=30),
    "recirculation": Case(within=1800, seconds=2400),
    # cooling
    "filter_clog": Case(within=2.5 * HOUR, detail=0),
    "cavitation": Case(start=4500, detail=0),
    "bearing": Case(time=1800, detail=0),
    "pump_trip": Case(start=90, dt=1, seconds=90, detail=0, also=("cooling.failover_failed",)),
    "valve_stuck": Case(start=300, within=300, seconds=1000, dt=20, detail=0),
    "hunting": Case(dt=20, detail=0),
    "misbalance": Case(detail=0, seconds=2400),
    "bypass_open": Case(detail=0),
    "slow_leak": Case(detail=0),
    "leak": Case(start=300, dt=10, seconds=600, detail=0, causes=("cooling.gross_leak",), also=("cooling.gross_leak",)),
    "humidity": Case(detail=0, causes=("cooling.room_humid",)),
    "primary_loss": Case(dt=20, seconds=600, detail=0),
    "flow_restricted": Case(start=300, seconds=600, dt=20, also=("cooling.rack_resistance_high",)),
    # power
    "loose_joint": Case(time=3 * HOUR, within=3 * HOUR),
    "psu_loss": Case(start=100, seconds=300, dt=10),
    "psu_no_share": Case(start=100, seconds=600, within=120, dt=10),
    "share_trim": Case(),
    "psu_efficiency": Case(time=600, within=4500),
    "psu_fan": Case(time=600, within=3600),
    "phase_miswire": Case(dt=10, detail=0),
    "phase_loss": Case(start=100, dt=10, detail=0),
    "ab_swap": Case(seconds=1200, detail=0),
    "bus_swing": Case(start=100, within=120, dt=2),
    # sensors
    "sensor_swap": Case(seconds=HOUR, sensor=True),
    "sensor_bias": Case(sensor=True, detail=0),
    "sensor_stuck": Case(within=1860, seconds=2400, sensor=True),
    "flow_sensor_dead": Case(start=120, dt=10, seconds=600, sensor=True, detail=0),
    "leak_sensor_fault": Case(start=120, dt=10, seconds=300, sensor=True, detail=0),
    "unit_error": Case(dt=20, seconds=900, sensor=True, detail=0),
    "ct_ratio": Case(sensor=True, detail=0),
}
# Several at once, each on assets of its own; the second seed of most.
TOGETHER = {
    "it and power": (10.0, ("cold_plate", "quick_disconnect", "psu_loss", "psu_no_share", "gpu_lost", "leak_sensor_fault"), {}),
    "slow ones": (
        60.0,
        (
            "hbm", "nvlink_ber", "dirty_optic", "filter_clog", "slow_leak", "loose_joint", "ab_swap", "phase_miswire", "sensor_bias", "sensor_stuck",
            "hot_optic", "link_flapping", "pcie_seating", "fan_bearing", "cpu_mount", "share_trim", "psu_fan", "psu_efficiency", "bearing",
        ),
        {"ab_swap": "R05", "phase_miswire": "R06/shelf1", "sensor_stuck": "R07:liquid_return_temperature"},
    ),
}  # fmt: skip


def named(story: Story, kind: str, target: str = "") -> list[Alert]:
    """Return what the kind's rules told on the assets where they should."""
    assets = set(Fault(kind, target).seen_on)
    if EACH_RACK in assets:
        assets |= {name for name, asset in story.plant.assets.items() if asset.kind == "rack"}
    return [alert for alert in story.told if alert.rule in FAULTS[kind].rules and alert.asset in assets]


def late(story: Story, case: Case, kind: str, found: list[Alert]) -> str:
    """Say what is wrong with when the kind's rules told."""
    begin, within = case.fault(kind).begin, case.within or FAULTS[kind].seen
    if not found:
        return f"none of {', '.join(FAULTS[kind].rules)} on {', '.join(Fault(kind).seen_on)}; told: {story.text(since=begin)}"
    at = found[0].fired - story.start - begin
    return "" if 0 <= at <= within else f"{found[0].rule} at {at:+.0f} s, not within {within:.0f} s; told: {story.text(since=begin)}"


def test_every_fault_of_the_plant_has_its_rules_and_they_exist() -> None:
    assert set(CASES) == set(FAULTS)
    assert [kind for kind in FAULTS if not FAULTS[kind].rules] == []
    told = {rule for kind, case in CASES.items() for rule in (*FAULTS[kind].rules, *case.causes, *case.also)}
    assert told | THERMAL <= {one.id for one in shipped().rules if one.rule.status == "stable"}


def test_the_coverage_of_a_faults_row_names_its_rules() -> None:
    """rules/COVERAGE.md says for each row of the catalogue which rules show it."""
    text = (Path(__file__).parent.parent / "rules" / "COVERAGE.md").read_text()
    rows = {line.split("|")[1].strip(): line for line in text.splitlines() if line.startswith("|")}

    assert {kind: info.rules for kind, info in FAULTS.items() if not any(rule in rows[info.catalogue] for rule in info.rules)} == {}
    assert len({info.catalogue for info in FAULTS.values()}) >= 32


@pytest.mark.parametrize("kind", CASES)
def test_a_fault_is_told_first_by_its_rule_and_all_else_is_its_effect(kind: str) -> None:
    case = CASES[kind]
    fault = case.fault(kind)
    story = play(
        fault,
        seconds=case.length(kind),
        dt=case.dt,
        seed=1,
        detail=case.detail,
        racks=case.racks,
        parameters=case.parameters or FAULTS[kind].parameters,
    )
    found = named(story, kind)

    assert late(story, case, kind, found) == ""
    assert set(case.also) <= {alert.rule for alert in story.told}, story.text(since=fault.begin)
    effects = story.closure(found)
    earlier = [alert for alert in story.told if alert.fired < found[0].fired and alert.rule not in case.causes]
    assert not earlier, f"others are earlier: {story.text(since=fault.begin)}"
    others = [alert for alert in story.told if alert not in found and (alert.rule, alert.asset) not in effects]
    causes = [alert for alert in others if alert.rule in case.causes]
    assert all((found[0].rule, found[0].asset) in story.closure([cause]) for cause in causes)
    effects |= story.closure(causes)
    strange = [alert for alert in others if alert not in causes and (alert.rule, alert.asset) not in effects]
    assert not strange, f"no effect of {found[0].rule}: {story.text(strange, since=fault.begin)}"
    if case.sensor:
        assert {alert.rule for alert in story.told} & THERMAL == set()


@pytest.mark.parametrize("name", TOGETHER)
def test_faults_at_once_are_each_told_by_their_own_rule(name: str) -> None:
    dt, kinds, moved = TOGETHER[name]
    targets = {kind: moved.get(kind, "") for kind in kinds}
    faults = [CASES[kind].fault(kind, targets[kind]) for kind in kinds]
    story = play(*faults, seconds=max(CASES[kind].length(kind) for kind in kinds), dt=dt, seed=5)
    found = {kind: named(story, kind, targets[kind]) for kind in kinds}

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
@pytest.mark.parametrize("kind", sorted(set(CASES) - {kind for _, kinds, _ in TOGETHER.values() for kind in kinds}))
def test_a_fault_that_stands_alone_is_told_in_another_plant_too(kind: str) -> None:
    case = CASES[kind]
    parameters = case.parameters or FAULTS[kind].parameters
    seconds = case.fault(kind).begin + (case.within or FAULTS[kind].seen)
    story = play(case.fault(kind), seconds=seconds, dt=case.dt, seed=5, detail=case.detail, racks=case.racks, parameters=parameters)

    assert late(story, case, kind, named(story, kind)) == ""
    first = {alert.rule for alert in story.told if alert.fired == story.told[0].fired}
    assert first & {*FAULTS[kind].rules, *case.causes}


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
