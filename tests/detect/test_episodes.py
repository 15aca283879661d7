"""An alert's life through the live path: how often it is judged, ladders, latches, chatter, and for which SKU."""

from pathlib import Path

import pytest
from world import World

from monitor.model import Severity, State

HOT = "applies_to: rack\nwhen: liquid_temperature > limit.hot"
CRITICAL, MAJOR, MINOR = Severity.CRITICAL, Severity.MAJOR, Severity.MINOR


def told(world: World) -> list[tuple[float, str, str]]:
    """Return every change: when it was of the story's time, its severity and its state."""
    world.settle()
    return [((alert.ended or alert.fired) - 1000, alert.severity.value, alert.state.value) for alert in world.changes]


# --- every


def test_a_rule_of_every_ten_seconds_is_judged_at_their_multiples(tmp_path: Path) -> None:
    world = World(tmp_path, slow=f"{HOT}\nevery: 10 s", fast=HOT)
    point = world.point("R1", "liquid_temperature")
    world.play(point, a="20x3 70x12 20x20")  # hot from 1004 to 1015

    assert {alert.rule: (alert.fired, alert.ended) for alert in world.end()} == {
        "cooling.slow": (1010.0, 1020.0),
        "cooling.fast": (1004.0, 1016.0),
    }


def test_what_holds_only_between_two_judgements_is_not_seen(tmp_path: Path) -> None:
    world = World(tmp_path, slow=f"{HOT}\nevery: 10 s")
    point = world.point("R1", "liquid_temperature")
    world.play(point, a="20x10 70x9 20x20")

    assert world.end() == []


def test_timers_of_a_rule_that_is_judged_seldom_count_its_own_steps(tmp_path: Path) -> None:
    world = World(tmp_path, slow=f"{HOT}\nevery: 10 s\nfor: 20 s\nkeep: 30 s")
    point = world.point("R1", "liquid_temperature")
    world.play(point, a="20x3 70x40 20x60")  # hot from 1004 to 1043

    assert world.times() == [(30.0, 80.0)]


@pytest.mark.parametrize(("word", "value", "limit"), [("max_over", 90, ">"), ("min_over", -10, "<")])
def test_a_spike_between_two_judgements_counts_for_extremes(tmp_path: Path, word: str, value: int, limit: str) -> None:
    edge = 80 if value > 0 else 0
    world = World(tmp_path, slow=f"applies_to: rack\nevery: 10 s\nwhen: {word}(liquid_temperature, 30 s) {limit} {edge} degC")
    point = world.point("R1", "liquid_temperature")
    world.play(point, a=f"20x42 {value} 20x60")  # the spike at 1043

    assert world.times() == [(50.0, 80.0)]


def test_a_spike_of_the_tick_counts_although_a_newer_reading_hides_it(tmp_path: Path) -> None:
    world = World(tmp_path, fast="applies_to: rack\nwhen: max_over(liquid_temperature, 3 s) > 80 degC")
    point = world.point("R1", "liquid_temperature")
    world.play(point, a="20x5")
    world.say(1005.2, {point: 90})
    world.say(1005.4, {point: 20})
    world.now = 1006.0
    world.play(point, a="20x6")

    assert world.times() == [(6.0, 9.0)]


def test_a_spike_before_the_plant_grew_still_counts(tmp_path: Path) -> None:
    world = World(tmp_path, slow="applies_to: rack\nevery: 10 s\nwhen: max_over(liquid_temperature, 30 s) > 80 degC")
    point = world.point("R1", "liquid_temperature")
    world.play(point, a="20x42 90 20x2")
    world.settle()
    world.point("R2", "liquid_temperature")
    world.play(point, a="20x60")

    assert world.times() == [(50.0, 80.0)]


def test_a_spike_of_what_the_point_was_before_does_not_count(tmp_path: Path) -> None:
    world = World(tmp_path, slow="applies_to: rack\nevery: 10 s\nwhen: max_over(liquid_temperature, 30 s) > 80 degC")
    point = world.point("R1", "liquid_temperature", "p")
    world.play(point, a="20x42 90 20x2")
    world.settle()
    renewed = world.point("R1", "liquid_temperature", "p", tags=("supply",))
    world.play(renewed, a="20x60")

    assert world.times() == []


# --- ladder

LADDER = f"severity: minor\n{HOT}\nladder:\n  - {{when: liquid_temperature > 70 degC, severity: major}}\n  - {{when: liquid_temperature > 80 degC, for: 5 s, severity: critical}}"


def test_a_severity_rises_at_once_and_after_its_time_and_never_falls(tmp_path: Path) -> None:
    world = World(tmp_path, hot=LADDER)
    point = world.point("R1", "liquid_temperature")
    world.play(point, a="20x3 65x3 75x3 85x9 65x3 20x5")
    world.settle()

    assert [(alert.severity, alert.state) for alert in world.changes] == [
        (MINOR, State.FIRING),
        (MAJOR, State.FIRING),
        (CRITICAL, State.FIRING),
        (CRITICAL, State.ENDED),
    ]
    assert {(alert.episode, alert.fired) for alert in world.changes} == {(1, 1004.0)}
    assert world.changes[-1].ended == 1022.0


def test_the_time_of_a_rung_starts_anew_when_it_breaks(tmp_path: Path) -> None:
    world = World(tmp_path, hot=LADDER)
    point = world.point("R1", "liquid_temperature")
    world.play(point, a="85x5 65 85x5 65x3")
    world.settle()

    assert [alert.severity for alert in world.changes] == [MINOR, MAJOR]


def test_a_rung_that_is_reached_at_the_rule_s_own_tick_lifts_it_there(tmp_path: Path) -> None:
    world = World(tmp_path, hot=f"{LADDER}\nfor: 3 s")
    point = world.point("R1", "liquid_temperature")
    world.play(point, a="75x10")

    assert [(alert.fired, alert.severity) for alert in world.end()] == [(1004.0, MAJOR)]


def test_the_time_of_a_rung_counts_from_the_firing(tmp_path: Path) -> None:
    """What held before the alert was open is no time of the alert."""
    world = World(tmp_path, hot=f"{LADDER}\nfor: 10 s")
    point = world.point("R1", "liquid_temperature")
    world.play(point, a="85x15")
    world.settle()
    assert [alert.severity for alert in world.changes] == [MINOR, MAJOR]
    world.play(point, a="85")
    world.settle()

    assert [alert.severity for alert in world.changes] == [MINOR, MAJOR, CRITICAL]


def test_the_next_episode_starts_below_again(tmp_path: Path) -> None:
    world = World(tmp_path, hot=f"{LADDER}\nchatter: 0 s")
    point = world.point("R1", "liquid_temperature")
    world.play(point, a="85x9 20x3 65x3 20x3 85x3 20x3 85x7")

    assert [(alert.episode, alert.severity) for alert in world.end()] == [(1, CRITICAL), (2, MINOR), (3, MAJOR), (4, CRITICAL)]


def test_each_asset_climbs_its_own_ladder(tmp_path: Path) -> None:
    world = World(tmp_path, hot=LADDER)
    points = [world.point(f"R{number}", "liquid_temperature") for number in range(3)]
    world.play(*points, a="65x9", b="75x9", c="85x9")

    assert {alert.asset: alert.severity for alert in world.end()} == {"R0": MINOR, "R1": MAJOR, "R2": CRITICAL}


def test_an_express_alert_never_falls_when_its_tick_settles_it(tmp_path: Path) -> None:
    """Its rung holds already while the alert still waits for its tick."""
    world = World(
        tmp_path,
        wet="severity: minor\napplies_to: rack\nexpress: true\nwhen: leak == 1\nladder: [{when: power > 5 kW, severity: critical}]",
    )
    leak, power, open_leak = world.point("R1", "leak", unit=""), world.point("R1", "power", unit="kW"), world.point("R2", "leak", unit="")
    world.play(leak, power, open_leak, a="0x5 1x5", b="9x10", c="1x10")
    world.settle()

    severities = [alert.severity for alert in world.changes if alert.asset == "R1"]
    assert severities == sorted(severities, key=[MINOR, CRITICAL].index)
    assert severities[-1] == CRITICAL


# --- latch


def test_a_latched_alert_ends_only_after_somebody_acknowledged_it(tmp_path: Path) -> None:
    world = World(tmp_path, hot=f"{HOT}\nlatch: true\nkeep: 2 s")
    point = world.point("R1", "liquid_temperature")
    world.play(point, a="70x3 20x20")
    world.settle()
    assert [alert.ended for alert in world.changes] == [None]

    assert world.core.engine.acknowledge("cooling.hot", "R1")
    world.play(point, a="20x5")

    assert world.times() == [(1.0, 26.0)]


def test_what_was_acknowledged_early_ends_when_its_condition_does(tmp_path: Path) -> None:
    world = World(tmp_path, hot=f"{HOT}\nlatch: true")
    point = world.point("R1", "liquid_temperature")
    world.play(point, a="70x3")
    world.settle()
    world.core.engine.acknowledge("cooling.hot", "R1")
    world.play(point, a="70x3 20x3")

    assert world.times() == [(1.0, 7.0)]


def test_an_acknowledgement_is_of_one_episode_and_one_asset(tmp_path: Path) -> None:
    world = World(tmp_path, hot=f"{HOT}\nlatch: true")
    one, other = (world.point(name, "liquid_temperature") for name in ("R1", "R2"))
    world.play(one, other, a="70x3", b="70x3")
    world.settle()
    world.core.engine.acknowledge("cooling.hot", "R1")
    world.play(one, other, a="20x3 70x3 20x3", b="20x9")

    assert [(alert.asset, alert.episode, alert.ended) for alert in world.end()] == [("R1", 1, 1004.0), ("R2", 1, None), ("R1", 2, None)]


def test_only_what_is_open_can_be_acknowledged(tmp_path: Path) -> None:
    world = World(tmp_path, hot=f"{HOT}\nlatch: true", wet="applies_to: rack\neach: leak\nlatch: true\nwhen: leak == 1")
    point, leak = world.point("R1", "liquid_temperature"), world.point("R1", "leak", "pan", unit="")
    world.play(point, leak, a="20x3", b="1x3")
    world.settle()
    engine = world.core.engine

    assert not engine.acknowledge("cooling.hot", "R1")
    assert not engine.acknowledge("cooling.nobody", "R1")
    assert not engine.acknowledge("cooling.wet", "R1")
    assert not engine.acknowledge("cooling.wet", "R2", "pan")
    assert engine.acknowledge("cooling.wet", "R1", "pan")


def test_a_latched_alert_of_what_left_the_plant_ends(tmp_path: Path) -> None:
    world = World(tmp_path, wet="applies_to: rack\neach: leak\nlatch: true\nwhen: leak == 1")
    leak, power = world.point("R1", "leak", "pan", unit=""), world.point("R1", "power", unit="kW")
    world.play(leak, power, a="1x3", b="1x3")
    world.settle()
    world.plant.retire("pan")
    world.play(power, b="1x3")

    assert world.times() == [(1.0, 4.0)]


# --- chatter


def chattering(world: World, gap: int, times: int = 5) -> int:
    point = world.point("R1", "liquid_temperature")
    for _ in range(times):
        world.play(point, a=f"70x2 20x{gap - 2}")
    return point


def test_the_third_firing_within_ten_minutes_is_held_open_until_quiet_as_long(tmp_path: Path) -> None:
    world = World(tmp_path, hot=HOT)
    point = chattering(world, 20)  # fires at 1001, 1021, 1041; at 1061 and 1081 it is open already
    world.play(point, a="20x700")
    alerts = world.end()

    assert [(alert.fired - 1000, alert.ended and alert.ended - 1000) for alert in alerts] == [(1, 3), (21, 23), (41, 83 + 600)]
    assert ["chattering" in alert.summary for alert in alerts] == [False, False, True]


def test_after_it_was_quiet_it_fires_and_ends_as_before(tmp_path: Path) -> None:
    world = World(tmp_path, hot=f"{HOT}\nchatter: 60 s")
    point = chattering(world, 20, 3)
    world.play(point, a="20x70 70x2 20x5")

    assert world.times()[2:] == [(41, 103), (131, 133)]
    assert "chattering" not in world.end()[-1].summary


@pytest.mark.parametrize(("gap", "held"), [(30, True), (31, False)])
def test_firings_count_for_the_time_that_the_rule_says(tmp_path: Path, gap: int, held: bool) -> None:
    """The first and the third of them are 60 or 62 s apart."""
    world = World(tmp_path, hot=f"{HOT}\nchatter: 60 s")
    chattering(world, gap, 3)

    assert ("chattering" in world.end()[-1].summary) == held


def test_chatter_of_zero_seconds_is_off(tmp_path: Path) -> None:
    world = World(tmp_path, hot=f"{HOT}\nchatter: 0 s")
    chattering(world, 4, 6)

    assert [ended - fired for fired, ended in world.times() if ended] == [2] * 6


def test_a_keep_that_is_longer_than_the_quiet_stays(tmp_path: Path) -> None:
    world = World(tmp_path, hot=f"{HOT}\nkeep: 5 s\nchatter: 60 s", long=f"{HOT}\nkeep: 90 s\nchatter: 20 s")
    point = chattering(world, 12, 3)
    world.play(point, a="20x200")

    assert {alert.rule: alert.ended for alert in world.end()} == {"cooling.hot": 1027.0 + 60, "cooling.long": 1027.0 + 90}


def test_a_rack_that_chatters_holds_no_other_one_open(tmp_path: Path) -> None:
    world = World(tmp_path, hot=HOT)
    one, other = (world.point(name, "liquid_temperature") for name in ("R1", "R2"))
    for number in range(4):
        world.play(one, other, a="70x2 20x8", b=("70x2" if number == 3 else "20x2") + " 20x8")

    assert [alert.ended for alert in world.end() if alert.asset == "R2"] == [1033.0]


def test_an_express_alert_that_chatters_is_held_open_too(tmp_path: Path) -> None:
    world = World(tmp_path, wet="applies_to: rack\nexpress: true\nchatter: 60 s\nwhen: leak == 1")
    leak = world.point("R1", "leak", unit="")
    for _ in range(5):
        world.play(leak, a="1 0x9")
    world.play(leak, a="0x80")

    assert world.times() == [(1, 2), (11, 12), (21, 42 + 60)]


# --- SKU


def fired_on(world: World) -> list[str]:
    return sorted(alert.asset for alert in world.end())


@pytest.mark.parametrize(
    ("where", "assets"),
    [
        ("{kind: gpu}", ["g1", "g2", "g3"]),
        ("{kind: gpu, sku: cool}", ["g1"]),
        ("{kind: gpu, sku: [cool, warm]}", ["g1", "g2"]),
        ("{kind: gpu, not_sku: [cool]}", ["g2", "g3"]),
        ("{kind: [gpu, tray], not_sku: cool}", ["g2", "g3"]),
    ],
)
def test_a_rule_asks_for_the_sku_of_what_an_asset_is_part_of(tmp_path: Path, where: str, assets: list[str]) -> None:
    world = World(
        tmp_path,
        hot=f"applies_to: {where}\nwhen: temperature > 60 degC",
        wet=f"applies_to: {where}\neach: leak\nexpress: true\nwhen: leak == 1",
    )
    points = {}
    for number, sku in ((1, {"sku": "cool"}), (2, {"sku": "warm"}), (3, {})):
        world.plant.asset(f"R{number}", "rack", **sku)
        world.plant.asset(f"t{number}", "tray", parent=f"R{number}")
        for quantity, unit in (("temperature", "degC"), ("leak", "")):
            point = world.point(f"g{number}", quantity, kind="gpu", unit=unit)
            points[point] = 70 if unit else 1
        world.plant.asset(f"g{number}", parent=f"t{number}")
    world.say(1001.0, points)

    assert fired_on(world) == sorted(assets * 2)


def test_a_sku_that_is_told_later_begins_and_ends_to_be_watched(tmp_path: Path) -> None:
    world = World(
        tmp_path,
        only="applies_to: {kind: gpu, sku: cool}\nwhen: temperature > 60 degC",
        other="applies_to: {kind: gpu, not_sku: cool}\nwhen: temperature > 60 degC",
    )
    world.plant.asset("R1", "rack")
    point = world.point("g1", "temperature", kind="gpu")
    world.plant.asset("g1", parent="R1")
    world.play(point, a="20x3")
    world.settle()
    world.plant.asset("R1", sku="cool")
    world.play(point, a="70x3")

    assert [(alert.rule, alert.fired) for alert in world.end()] == [("cooling.only", 1004.0)]
