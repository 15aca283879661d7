"""Rules that change while the monitor runs: what is judged as before goes on as if nothing had been."""

from pathlib import Path

import pytest
from world import LIMITS, World, write

from monitor.detect import rules as rule_files
from monitor.detect.rules import RuleSet
from monitor.model import Severity, State

HOT = "applies_to: rack\nwhen: liquid_temperature > limit.hot"
OTHER = "applies_to: rack\nwhen: power > 5 kW"


def test_an_unchanged_rule_keeps_its_timers(tmp_path: Path) -> None:
    world = World(tmp_path, hot=f"{HOT}\nfor: 10 s")
    point = world.point("R1", "liquid_temperature")
    world.play(point, a="70x6")
    world.reload(hot=f"{HOT}\nfor: 10 s", other=OTHER)
    world.play(point, a="70x6")

    assert world.times() == [(11, None)]


def test_an_unchanged_rule_keeps_its_windows(tmp_path: Path) -> None:
    rule = "applies_to: rack\nwhen: mean_over(liquid_temperature, 10 s) > limit.hot"
    world = World(tmp_path, hot=rule)
    point = world.point("R1", "liquid_temperature")
    world.play(point, a="70x6")
    world.reload(hot=rule, other=OTHER)
    world.play(point, a="70x6")

    assert world.times() == [(10, None)]


def test_a_window_that_two_rules_share_outlives_one_of_them(tmp_path: Path) -> None:
    rule = "applies_to: rack\nwhen: mean_over(liquid_temperature, 10 s) > {} degC"
    world = World(tmp_path, one=rule.format(60), two=rule.format(65))
    point = world.point("R1", "liquid_temperature")
    world.play(point, a="70x6")
    world.reload(two=rule.format(66))
    world.play(point, a="70x6")

    assert [(alert.rule, alert.fired) for alert in world.end()] == [("cooling.two", 1010.0)]


def test_an_unchanged_rule_keeps_its_open_alert_and_does_not_fire_anew(tmp_path: Path) -> None:
    world = World(tmp_path, hot=HOT)
    point = world.point("R1", "liquid_temperature")
    world.play(point, a="70x6")
    assert world.reload(hot=HOT, other=OTHER) == []
    world.play(point, a="70x6 20x3")
    world.settle()

    assert [(alert.state, alert.episode, alert.fired, alert.ended) for alert in world.changes] == [
        (State.FIRING, 1, 1001.0, None),
        (State.ENDED, 1, 1001.0, 1013.0),
    ]


def test_a_changed_rule_keeps_the_open_alert_and_goes_by_its_new_text(tmp_path: Path) -> None:
    world = World(tmp_path, hot=HOT)
    point = world.point("R1", "liquid_temperature")
    world.play(point, a="70x6")
    assert world.reload(hot=f"{HOT}\nclear: liquid_temperature < 30 degC\nseverity: minor") == []
    world.play(point, a="70x3 40x3 20x3 70x3")

    assert [(alert.episode, alert.fired, alert.ended, alert.severity) for alert in world.end()] == [
        (1, 1001.0, 1013.0, Severity.CRITICAL),
        (2, 1016.0, None, Severity.MINOR),
    ]


def test_a_severity_that_was_reached_stays_reached(tmp_path: Path) -> None:
    ladder = f"severity: minor\n{HOT}\nladder: [{{when: liquid_temperature > 80 degC, severity: major}}]"
    world = World(tmp_path, hot=ladder)
    point = world.point("R1", "liquid_temperature")
    world.play(point, a="85x3")
    world.reload(hot=f"{ladder}\nkeep: 1 s")
    world.play(point, a="65x3 85x3")

    assert [alert.severity for alert in world.end()] == [Severity.MAJOR]


def test_a_removed_or_retired_rule_ends_its_alerts(tmp_path: Path) -> None:
    world = World(tmp_path, hot=HOT, other=OTHER, third=HOT)
    point, power = world.point("R1", "liquid_temperature"), world.point("R1", "power", unit="kW")
    world.play(point, power, a="70x3", b="9x3")

    ended = world.reload(third=HOT, other=f"status: retired\n{OTHER}")

    assert [(alert.rule, alert.state, alert.ended) for alert in ended] == [
        ("cooling.hot", State.ENDED, 1003.0),
        ("cooling.other", State.ENDED, 1003.0),
    ]
    world.play(point, power, a="70x3", b="9x3")
    assert [alert.rule for alert in world.core.engine.open_alerts()] == ["cooling.third"]


def test_a_rule_that_comes_back_counts_its_episodes_on(tmp_path: Path) -> None:
    world = World(tmp_path, hot=HOT, other=OTHER)
    point = world.point("R1", "liquid_temperature")
    world.play(point, a="70x3")
    world.reload(other=OTHER)
    world.reload(hot=HOT, other=OTHER)
    world.play(point, a="70x3")

    assert [(alert.episode, alert.fired) for alert in world.end()] == [(1, 1001.0), (2, 1004.0)]


def test_a_new_rule_is_bound_at_once(tmp_path: Path) -> None:
    world = World(tmp_path, other=OTHER)
    point, leak = world.point("R1", "liquid_temperature"), world.point("R1", "leak", unit="")
    world.play(point, leak, a="70x3", b="0x3")
    world.reload(other=OTHER, hot=HOT, wet="applies_to: any\neach: leak\nexpress: true\nwhen: leak == 1")
    world.play(point, leak, a="70x3", b="0 1x2")

    assert {alert.rule: alert.fired for alert in world.end()} == {"cooling.hot": 1004.0, "cooling.wet": 1005.0}
    assert [alert.rule for alert in world.express] == ["cooling.wet"]


def test_an_express_rule_that_is_gone_judges_nothing(tmp_path: Path) -> None:
    """Not even where the only one that is left looks at nothing of the plant."""
    wet = "applies_to: {}\nexpress: true\nwhen: leak == 1"
    world = World(tmp_path, wet=wet.format("rack"))
    leak = world.point("R1", "leak", unit="")
    world.play(leak, a="0x3")
    world.reload(damp=wet.format("cdu"))
    world.play(leak, a="0x3 1x3")

    assert world.end() == []


def test_an_express_alert_that_waits_for_its_tick_is_settled_by_the_rules_that_follow(tmp_path: Path) -> None:
    wet = "applies_to: rack\nexpress: true\nwhen: leak == 1"
    for after in (wet, f"{wet}\nkeep: 1 s"):
        world = World(tmp_path, wet=wet)
        leak = world.point("R1", "leak", unit="")
        world.play(leak, a="0x3 1")  # the tick of 1004 is still open
        world.core.engine.reload(world_rules(world, wet=after), 1003.0)
        world.play(leak, a="1x3 0x4")

        assert [(alert.episode, alert.fired, alert.ended) for alert in world.end()] == [(1, 1004.0, 1008.0 + after.count("keep"))]


def world_rules(world: World, **rules: str) -> RuleSet:
    return rule_files.load(write(world.folder, **rules))


def test_changed_limits_hold_at_once(tmp_path: Path) -> None:
    world = World(tmp_path, hot=HOT)
    point = world.point("R1", "liquid_temperature")
    world.play(point, a="55x3")
    world.reload(hot=HOT, limits={"default": LIMITS["default"].replace("60", "50")})
    world.play(point, a="55x3")

    assert [(alert.fired, alert.limit) for alert in world.end()] == [(1004.0, 50.0)]


def test_an_alert_that_is_open_goes_on_under_changed_limits(tmp_path: Path) -> None:
    world = World(tmp_path, hot=HOT)
    point = world.point("R1", "liquid_temperature")
    world.play(point, a="65x3")
    assert world.reload(hot=HOT, limits={"default": LIMITS["default"].replace("60", "63")}) == []
    world.play(point, a="65x3 61x3")

    assert world.times() == [(1, 7)]


@pytest.mark.parametrize("key", ["when", "clear", "suspect"])
def test_a_changed_derived_point_changes_every_rule_that_uses_it(tmp_path: Path, key: str) -> None:
    """The rule's own text stays the same; only what its words mean is another thing."""
    level = "applies_to: rack\nunit: degC\nvalue: liquid_temperature + {} K"
    rule = {
        "when": "applies_to: rack\nwhen: level > 80 degC",
        "clear": "applies_to: rack\nwhen: liquid_temperature > 69 degC\nclear: level > 80 degC",
        "suspect": "applies_to: rack\nwhen: liquid_temperature > 71 degC\nsuspect: level > 80 degC",
    }[key]
    world = World(tmp_path, hot=rule, derived={"level": level.format(0)})
    point = world.point("R1", "liquid_temperature")
    world.play(point, a="70x3")
    world.reload(hot=rule, derived={"level": level.format(20)})
    world.play(point, a="70 72x3")

    assert [(alert.fired, alert.ended, alert.severity) for alert in world.end()] == {
        "when": [(1004.0, None, Severity.CRITICAL)],
        "clear": [(1001.0, 1004.0, Severity.CRITICAL), (1005.0, 1006.0, Severity.CRITICAL), (1007.0, None, Severity.CRITICAL)],
        "suspect": [(1005.0, None, Severity.MAJOR)],
    }[key]


def test_an_alert_of_what_the_rule_no_longer_looks_at_ends(tmp_path: Path) -> None:
    world = World(tmp_path, hot=HOT, wet="applies_to: any\neach: leak\nwhen: leak == 1")
    point, leak = world.point("R1", "liquid_temperature"), world.point("R1", "leak", unit="")
    world.play(point, leak, a="70x3", b="1x3")

    ended = world.reload(hot=HOT.replace("rack", "cdu"), wet="applies_to: rack\nwhen: leak == 1")

    assert [(alert.rule, alert.ended) for alert in ended] == [("cooling.hot", 1003.0), ("cooling.wet", 1003.0)]
    assert world.core.engine.open_alerts() == []
    assert world.core.engine.orphans() == []


def test_a_rule_that_is_judged_at_another_pace_keeps_its_alert(tmp_path: Path) -> None:
    world = World(tmp_path, hot=HOT)
    point = world.point("R1", "liquid_temperature")
    world.play(point, a="70x3")
    assert world.reload(hot=f"{HOT}\nevery: 10 s") == []
    world.play(point, a="20x30")

    assert world.times() == [(1, 10)]


def test_events_that_came_since_the_last_judgement_outlive_a_reload(tmp_path: Path) -> None:
    rule = "applies_to: gpu\nevery: 10 s\nwhen: count_over(xid == 79, 60 s) >= 2"
    world = World(tmp_path, many=rule)
    xid = world.point("g1", "xid", unit="", kind="gpu")
    world.play(xid, a="79 13x10 79 13")
    world.reload(many=rule, other=OTHER)
    world.play(xid, a="13x10")

    assert world.times() == [(20, None)]


def test_assets_that_come_after_a_reload_are_bound_once(tmp_path: Path) -> None:
    world = World(tmp_path, hot=HOT)
    world.play(world.point("R1", "liquid_temperature"), a="20x3")
    world.reload(hot=HOT, other=OTHER)
    later = world.point("R2", "liquid_temperature")
    world.play(later, a="70x3")

    assert [alert.asset for alert in world.end()] == ["R2"]
    assert len(world.plant.watchers) == 1
