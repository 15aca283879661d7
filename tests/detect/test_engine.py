"""The engine through the live path: binding, extension, express lane, episodes."""

from pathlib import Path

import numpy as np
import pytest
from world import World, write

from monitor.detect import rules as rule_files
from monitor.errors import RuleError
from monitor.model import Phase, Point, Severity

HOT = "applies_to: rack\nwhen: liquid_temperature > limit.hot"
WET = "applies_to: any\neach: leak\nexpress: true\nwhen: leak == 1"


def test_assets_that_appear_are_judged_without_touching_the_others(tmp_path: Path) -> None:
    world = World(tmp_path, hot=f"{HOT}\nfor: 5 s")
    first = world.point("R1", "liquid_temperature")
    for second in range(4):
        world.say(100.0 + second, {first: 70})
    later = world.point("R2", "liquid_temperature")
    for second in range(4, 14):
        world.say(100.0 + second, {first: 70, later: 70})

    assert {alert.asset: alert.fired for alert in world.end()} == {"R1": 105.0, "R2": 109.0}


def test_limits_follow_the_sku(tmp_path: Path) -> None:
    world = World(tmp_path, hot=HOT)
    point = world.point("R1", "liquid_temperature")
    other = world.point("R2", "liquid_temperature")
    world.plant.asset("R2", sku="cool")
    world.say(100.0, {point: 55, other: 55})

    assert [(alert.asset, alert.limit) for alert in world.end()] == [("R2", 50.0)]
    assert [(finding.code, finding.subject) for finding, _ in world.plant.findings.all()] == [("sku_unknown", "R1")]


def test_an_ambiguous_name_is_a_finding_and_never_a_guess(tmp_path: Path) -> None:
    world = World(
        tmp_path,
        hot=HOT,
        hot2="applies_to: rack\nwhen: max(liquid_temperature) > limit.hot",
        hot3="applies_to: rack\nwhen: liquid_temperature[a] > limit.hot",
    )
    a, b = (world.point("R1", "liquid_temperature", tags=(tag,)) for tag in "ab")
    world.say(100.0, {a: 70, b: 10})

    assert sorted(alert.rule for alert in world.end()) == ["cooling.hot2", "cooling.hot3"]
    assert {finding.code for finding, _ in world.plant.findings.all()} == {"ambiguous", "sku_unknown"}
    world.plant.retire(world.plant.points[b].path)
    world.say(110.0, {a: 70})
    assert {finding.code for finding, _ in world.plant.findings.all()} == {"sku_unknown"}


def test_a_set_point_matches_only_where_asked(tmp_path: Path) -> None:
    world = World(tmp_path, hot=HOT, hot2="applies_to: rack\nwhen: liquid_temperature[setpoint] > limit.hot")
    point = world.point("R1", "liquid_temperature", setpoint=True)
    world.say(100.0, {point: 70})

    assert [alert.rule for alert in world.end()] == ["cooling.hot2"]


def test_phases_choose_what_fires_and_leaving_one_ends_nothing(tmp_path: Path) -> None:
    """Maintenance keeps new alerts away; what is open stays open until it clears."""
    world = World(tmp_path, hot=f"{HOT}\nphases: [soak]")
    point = world.point("R1", "liquid_temperature")
    world.say(100.0, {point: 70})
    world.say(103.0, {point: 70})
    assert not world.changes
    world.plant.set_phase("R1", Phase.SOAK)
    world.say(106.0, {point: 70})
    world.say(109.0, {point: 70})
    world.plant.set_phase("R1", Phase.MAINTENANCE)
    for second in range(112, 120):
        world.say(second, {point: 70})
    assert [alert.ended for alert in world.changes] == [None]
    world.say(120.0, {point: 20})
    world.say(124.0, {point: 70})
    world.say(128.0, {point: 70})

    assert [(alert.phase, alert.ended) for alert in world.end()] == [(Phase.SOAK, 120.0)]


def test_an_express_alert_is_told_on_arrival_and_settled_at_the_tick(tmp_path: Path) -> None:
    world = World(tmp_path, wet=WET)
    leak = world.point("R1", "leak", unit="")
    world.say(100.0, {leak: 0})
    world.say(101.7, {leak: 1})
    assert [alert.fired for alert in world.express] == [101.7]
    world.say(101.2, {leak: 1}, received=101.9)  # an earlier breach, later on the wire, inside the lateness
    world.say(106.0, {leak: 1})

    assert [(alert.fired, alert.episode) for alert in world.end()] == [(101.2, 1)]


def test_an_express_rule_does_not_take_a_retained_copy_or_a_replayed_reading_for_news(tmp_path: Path) -> None:
    world = World(tmp_path, wet=WET)
    leak = world.point("R1", "leak", unit="")
    world.say(100.0, {leak: 1})
    world.say(102.0, {leak: 0})
    world.say(106.0, {leak: 0})
    world.say(100.0, {leak: 1}, received=106.5)  # redelivered
    world.say(101.0, {leak: 1}, received=106.6, snapshot=True)
    world.say(112.0, {leak: 0})

    assert [(alert.fired, alert.ended) for alert in world.end()] == [(100.0, 102.0)]


def test_each_episode_of_a_point_is_an_alert_of_its_own(tmp_path: Path) -> None:
    world = World(tmp_path, wet=WET)
    leak = world.point("R1", "leak", unit="")
    for second, value in enumerate([0, 1, 0, 0, 1, 0, 0, 0]):
        world.say(100.0 + 3 * second, {leak: value})

    assert [(alert.fired, alert.ended, alert.episode) for alert in world.end()] == [(103.0, 106.0, 1), (112.0, 115.0, 2)]


def test_an_open_alert_goes_on_after_a_restart(tmp_path: Path) -> None:
    before = World(tmp_path, wet=WET)
    leak = before.point("R1", "leak", unit="")
    before.say(100.0, {leak: 1})
    world = World(tmp_path, tuple(before.express), wet=WET)
    leak = world.point("R1", "leak", unit="")
    world.say(200.0, {leak: 1})
    world.say(205.0, {leak: 0})
    world.say(210.0, {leak: 1})

    assert [(alert.fired, alert.ended, alert.episode) for alert in world.end()] == [(100.0, 205.0, 1), (210.0, None, 2)]


def test_silence_ends_nothing_and_fires_nothing(tmp_path: Path) -> None:
    world = World(tmp_path, hot=HOT, cold="applies_to: rack\nwhen: not liquid_temperature > limit.hot")
    point, other = world.point("R1", "liquid_temperature"), world.point("R2", "power", unit="kW")
    world.say(100.0, {point: 70, other: 1})
    for second in range(400):
        world.say(101.0 + second, {other: 1})

    assert [(alert.rule, alert.ended) for alert in world.end()] == [("cooling.hot", None)]


def test_a_changed_unit_starts_the_timer_anew(tmp_path: Path) -> None:
    world = World(tmp_path, hot=f"{HOT}\nfor: 5 s")
    point = world.point("R1", "liquid_temperature", "p")
    for second in range(5):
        world.say(100.0 + second, {point: 70})
    changed = world.plant.describe(Point("bus", "p", "R1", "liquid_temperature", "degC", scale=2.0))
    for second in range(5, 20):
        world.say(100.0 + second, {changed: 70})

    assert [alert.fired for alert in world.end()] == [110.0]


def test_related_assets_come_by_what_serves_what(tmp_path: Path) -> None:
    world = World(tmp_path, odd="applies_to: cdu\nwhen: liquid_temperature > mean(rack.liquid_temperature) + 5 K")
    own = world.point("C1", "liquid_temperature", kind="cdu")
    racks = [world.point(f"R{number}", "liquid_temperature") for number in range(3)]
    for number in range(3):
        world.plant.serve("C1", f"R{number}")
    world.say(100.0, {own: 40, racks[0]: 30, racks[1]: 32, racks[2]: 34})

    assert [(alert.asset, alert.value, alert.limit) for alert in world.end()] == [("C1", 40.0, 37.0)]


def test_a_suspect_alert_is_one_severity_lower(tmp_path: Path) -> None:
    world = World(tmp_path, wet=f"{WET}\nsuspect: leak_sensor_fault == 1")
    leak, fault = (world.point("R1", name, unit="") for name in ("leak", "leak_sensor_fault"))
    world.say(100.0, {fault: 1})
    world.say(104.0, {leak: 1, fault: 1})

    assert [(alert.severity, alert.summary) for alert in world.end()] == [(Severity.MAJOR, "A rule for tests, sensor suspect")]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("applies_to: rack\nwhen: liquid_flow > limit.hot", "they do not meet"),
        ("applies_to: rack\nwhen: liquid_flwo > 5 L/min", 'did you mean "liquid_flow"?'),
        ("applies_to: rack\nwhen: liquid_temperature > limit.hto", 'did you mean "hot"?'),
        ("applies_to: rakc\nwhen: power > 5 kW", 'did you mean "rack"?'),
        ("applies_to: rack\nexpress: true\nwhen: power > 5 kW and liquid_flow < 1 L/min", "reads one point"),
        ("applies_to: rack\nexpress: true\nfor: 5 s\nwhen: power > 5 kW", "no `for`"),
        ("applies_to: rack\nwhen: power > 5 kW\nexplains: [cooling.nobody]", 'no rule "cooling.nobody"'),
        ("applies_to: rack\nwhen: power > 5 kW\nfro: 5 s", 'did you mean "for"?'),
        ("applies_to: rack\nwhen: power >", "ends too early"),
    ],
)
def test_a_wrong_rule_is_told_with_its_place(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(RuleError) as caught:
        rule_files.load(write(tmp_path, wrong=text))

    assert words in str(caught.value)
    assert "cooling/wrong.yaml:" in str(caught.value)


def test_all_wrong_rules_are_told_in_one_run(tmp_path: Path) -> None:
    with pytest.raises(RuleError) as caught:
        rule_files.load(
            write(
                tmp_path,
                one="applies_to: rack\nwhen: x > 1",
                two="applies_to: rack\nwhen: y > 1",
                three="applies_to: rack\nwhen: power > 1 kW",
            )
        )

    assert [Path(fault.file).stem for fault in caught.value.faults] == ["one", "two"]


def test_cost_does_not_grow_with_quiet_assets_in_objects(tmp_path: Path) -> None:
    """A tick over a thousand quiet racks makes no alert and no Python object a rack: the columns are numpy's."""
    world = World(tmp_path, hot=HOT)
    points = [world.point(f"R{number}", "liquid_temperature") for number in range(1000)]
    world.say(100.0, dict.fromkeys(points, 20.0))
    world.say(103.0, dict.fromkeys(points, 20.0))
    table = next(iter(world.core.engine.plan.tables.values()))

    assert len(table) == 1000
    assert all(isinstance(step.out, np.ndarray) for step in table.steps.values())
    assert world.end() == []


def test_a_point_that_no_rule_looks_at_may_appear_at_any_time(tmp_path: Path) -> None:
    """Nothing is bound anew then, and express readings of old and new points still find their way."""
    world = World(tmp_path, wet="applies_to: rack\nexpress: true\nwhen: leak == 1")
    leaks = [world.point(f"R{number}", "leak", unit="") for number in range(10)]
    world.say(100.0, dict.fromkeys(leaks, 0))
    flow = world.point("C1", "liquid_flow", unit="L/min", kind="cdu")
    world.say(103.0, {flow: 1})
    world.say(106.0, {leaks[3]: 1})

    assert [alert.asset for alert in world.end()] == ["R3"]


def test_a_reading_that_is_calm_is_judged_again_once_the_rack_may_be_watched(tmp_path: Path) -> None:
    """A leak that stood while the phase kept it away fires with the first reading in an allowed phase."""
    world = World(tmp_path, wet="applies_to: rack\nexpress: true\nphases: [soak]\nwhen: leak == 1")
    leak = world.point("R1", "leak", unit="")
    world.say(100.0, {leak: 1})
    world.plant.set_phase("R1", Phase.SOAK)
    world.say(101.5, {leak: 1})

    assert [alert.fired for alert in world.express] == [101.5]


def test_what_only_ends_an_alert_is_computed_while_one_is_open_and_windows_in_it_miss_nothing(tmp_path: Path) -> None:
    ends = "applies_to: rack\nwhen: liquid_temperature > limit.hot\nclear: max_over(liquid_temperature, 10 s) < 55 degC and power < 5 kW"
    world = World(tmp_path, hot=ends)
    hot, power = world.point("R1", "liquid_temperature"), world.point("R1", "power", unit="kW")
    clear = world.core.engine.look("cooling.hot").clear
    assert clear is not None
    for second in range(12):
        world.say(100.0 + second, {hot: 50, power: 1})
    idle = clear.out.tolist()
    for second in range(12, 40):
        world.say(100.0 + second, {hot: 70 if second == 14 else 50, power: 1})
    (alert,) = world.end()

    assert idle == [0]  # not asked for
    assert (alert.fired, alert.ended) == (114.0, 124.0)
