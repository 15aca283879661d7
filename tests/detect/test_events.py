"""Events through the live path: true in their tick, counted once, express on arrival."""

from pathlib import Path

import pytest
from world import World

FATAL = "applies_to: gpu\nwhen: xid in {48, 63, 79}\nchatter: 0 s"
MANY = "applies_to: gpu\nwhen: count_over(xid in {48, 63}, 60 s) >= 3"


def gpu(world: World, name: str = "g1", quantity: str = "xid") -> int:
    return world.point(name, quantity, unit="", kind="gpu")


def test_an_event_is_true_in_its_tick_alone(tmp_path: Path) -> None:
    world = World(tmp_path, fatal=FATAL)
    xid = gpu(world)
    world.play(xid, a="_x3 13 79 13 _x3 63 48 13 _x2 13")

    assert world.times() == [(5, 6), (10, 12)]


def test_an_event_is_compared_with_codes_of_a_limit_and_of_arithmetic(tmp_path: Path) -> None:
    """The plant grows in the tick of the event, and the code is not yet computed for the new one."""
    world = World(tmp_path, one="applies_to: gpu\nwhen: xid == 70 + 9")
    world.play(gpu(world), a="13x3")
    world.settle()
    world.play(gpu(world, "g2"), a="79 13x4")

    assert [(alert.asset, alert.fired) for alert in world.end()] == [("g2", 1004.0)]


@pytest.mark.parametrize(("when", "fires"), [("xid == 79", [5]), ("xid != 79", [4, 6]), ("not xid == 13", [5]), ("xid >= 63", [5])])
def test_an_event_may_be_compared_in_all_ways(tmp_path: Path, when: str, fires: list[int]) -> None:
    """`not` of an event is true while none comes, too; it is asked with a second event here."""
    world = World(tmp_path, one=f"applies_to: gpu\nchatter: 0 s\nwhen: {when} and count_over(xid > 0, 2 s) > 0")
    world.play(gpu(world), a="_x3 13 79 13 _x9")

    assert [fired for fired, _ in world.times() if fired < 7] == fires


def test_without_an_event_point_nothing_is_known_of_events(tmp_path: Path) -> None:
    world = World(tmp_path, none="applies_to: gpu\nwhen: not xid == 79", few="applies_to: gpu\nwhen: count_over(xid == 79, 60 s) < 3")
    power = world.point("g1", "power", unit="kW", kind="gpu")
    world.play(power, a="1x5")

    assert world.end() == []


def test_an_event_point_owes_no_sign_of_life(tmp_path: Path) -> None:
    """A rule for any point asks for the newest state; an event has none, and may never come again."""
    stale = "applies_to: any\neach: any\nwhen: age(it) > stale_after(it)"
    world = World(tmp_path, stale=stale, named=stale.replace("any\nwhen", "xid\nwhen"))
    xid, power = gpu(world), gpu(world, quantity="power")
    world.play(xid, power, a="13 _x400", b="1x401")

    assert [(alert.rule, alert.point) for alert in world.end()] == [("cooling.named", world.plant.points[xid].path)]


def test_an_express_event_is_told_on_arrival_and_once(tmp_path: Path) -> None:
    world = World(tmp_path, fatal=f"{FATAL}\nexpress: true")
    xid = gpu(world)
    world.play(xid, a="13x3")
    world.say(1004.2, {xid: 79})
    assert [alert.fired for alert in world.express] == [1004.2]
    world.say(1004.2, {xid: 79}, received=1004.6)  # repeated before its tick closes
    world.play(xid, a="13x9")
    world.say(1004.2, {xid: 79}, received=1014.0)  # and long after
    world.say(1015.0, {xid: 13})

    assert [(alert.fired, alert.ended, alert.episode) for alert in world.end()] == [(1004.2, 1006.0, 1)]
    assert len(world.express) == 1


def test_the_same_code_with_another_stamp_is_another_event(tmp_path: Path) -> None:
    world = World(tmp_path, fatal=f"{FATAL}\nexpress: true")
    xid = gpu(world)
    world.play(xid, a="13x3 79 13x3 79 13x3")

    assert [alert.fired for alert in world.express] == [1004.0, 1008.0]
    assert [alert.fired for alert in world.end()] == [1004.0, 1008.0]


def test_a_late_event_is_told_although_a_newer_one_came(tmp_path: Path) -> None:
    world = World(tmp_path, fatal=FATAL, express=f"{FATAL}\nexpress: true")
    xid = gpu(world)
    world.play(xid, a="13x8")
    world.say(1003.5, {xid: 79}, received=1008.5)
    world.say(1015.0, {xid: 13})

    assert {alert.rule for alert in world.end()} == {"cooling.fatal", "cooling.express"}


def test_what_a_wire_remembers_of_an_event_is_no_event(tmp_path: Path) -> None:
    world = World(tmp_path, fatal=FATAL, express=f"{FATAL}\nexpress: true", many=MANY)
    xid = gpu(world)
    world.play(xid, a="13x3")
    world.say(1004.0, {xid: 79}, snapshot=True)
    world.play(xid, a="13x3")

    assert world.end() == []


@pytest.mark.parametrize("columns", [{"quality": 2}, {"quality": 1}])
def test_a_bad_event_is_none(tmp_path: Path, columns: dict[str, int]) -> None:
    world = World(tmp_path, fatal=FATAL, express=f"{FATAL}\nexpress: true")
    xid = gpu(world)
    world.say(1001.0, {xid: 79}, **columns)
    world.say(1005.0, {xid: 13})

    assert world.end() == []


def test_events_are_counted_within_a_time(tmp_path: Path) -> None:
    world = World(tmp_path, many=f"{MANY}\nclear: count_over(xid in {{48, 63}}, 60 s) == 0")
    xid = gpu(world)
    world.play(xid, a="13 48 13x9 63 13x9 48 13x70")  # 1002, 1012, 1022

    assert world.times() == [(22, 82)]


def test_events_of_one_tick_are_counted_each_and_a_repeated_one_once(tmp_path: Path) -> None:
    world = World(tmp_path, many=MANY, two=f"{MANY}".replace(">= 3", ">= 2"))
    xid = gpu(world)
    world.play(xid, a="13x3")
    world.say(1003.2, {xid: 48})
    world.say(1003.4, {xid: 63})
    world.say(1003.4, {xid: 63}, received=1003.6)
    world.play(xid, a="13x5")

    assert [alert.rule for alert in world.end()] == ["cooling.two"]


def test_events_between_two_judgements_count(tmp_path: Path) -> None:
    world = World(tmp_path, slow=f"{FATAL}\nevery: 10 s", many=f"{MANY}\nevery: 10 s")
    xid = gpu(world)
    world.play(xid, a="13x2 48 13 63 48 13x30")

    assert {alert.rule: (alert.fired, alert.ended) for alert in world.end()} == {
        "cooling.slow": (1010.0, 1020.0),
        "cooling.many": (1010.0, None),
    }


def test_events_of_a_gpu_are_not_those_of_its_neighbour(tmp_path: Path) -> None:
    world = World(tmp_path, fatal=FATAL, many=MANY)
    one, other = gpu(world, "g1"), gpu(world, "g2")
    world.play(one, other, a="48 13 63 13 48 13x3", b="13x8")

    assert {alert.asset for alert in world.end()} == {"g1"}


def test_two_kinds_of_events_are_combined_by_their_counts(tmp_path: Path) -> None:
    world = World(tmp_path, both="applies_to: gpu\nwhen: count_over(xid == 79, 60 s) >= 1 and count_over(log_event == 5, 60 s) >= 1")
    xid, log = gpu(world), gpu(world, quantity="log_event")
    world.play(xid, log, a="_x3 79 _x9", b="5 _x11 1")

    assert world.times() == [(4, None)]


def test_a_rack_counts_the_gpus_with_an_event(tmp_path: Path) -> None:
    world = World(tmp_path, two="applies_to: rack\nwhen: count(gpu.xid in {48, 79}) >= 2")
    world.plant.asset("R1", "rack")
    points = [gpu(world, f"g{number}") for number in range(3)]
    for number in range(3):
        world.plant.asset(f"g{number}", parent="R1")
    world.play(*points, a="13 79 13x3", b="13x2 48 13 13", c="13x2 79 13x2")

    assert [(alert.asset, alert.fired) for alert in world.end()] == [("R1", 1003.0)]


def test_a_row_that_is_retired_counts_no_events_any_more(tmp_path: Path) -> None:
    world = World(tmp_path, fatal=FATAL)
    xid, other = gpu(world), gpu(world, "g2")
    world.play(xid, other, a="13x2", b="13x2")
    world.settle()
    world.plant.retire(world.plant.points[xid].path)
    world.play(xid, other, a="79x2", b="13x2")

    assert world.end() == []


def test_an_event_that_no_asset_of_a_rule_has_disturbs_nothing(tmp_path: Path) -> None:
    """The rule's kind is not there, or it has no such point."""
    world = World(tmp_path, none="applies_to: cdu\nwhen: trap == 5", other="applies_to: gpu\nwhen: sxid == 5", fatal=FATAL)
    world.play(gpu(world), a="_x3 79 13x3")

    assert [alert.rule for alert in world.end()] == ["cooling.fatal"]
