"""What expressions are on a plant: derived points, states by name, sets, folds over related assets, peers."""

from pathlib import Path

import numpy as np
import pytest
from world import World, write

from monitor.detect import meaning, steps
from monitor.detect import rules as rule_files
from monitor.detect.nodes import Scope
from monitor.detect.syntax import parse
from monitor.errors import RuleError

UP = "applies_to: {kind}\nwhen: >-\n  {when}"
THERMAL = {
    "resistance": "applies_to: gpu\nunit: K/W\nvalue: (temperature - mean(tray.liquid_supply_temperature)) / power\n"
    "known_when: power > 0.5 kW\nuncertainty: 0.5 K / power",
}


def fired(world: World) -> dict[str, tuple[float | None, float | None]]:
    return {alert.asset: (alert.value, alert.limit) for alert in world.end()}


# --- derived points


def thermal(tmp_path: Path, **rules: str) -> tuple[World, list[int]]:
    """A tray with a supply temperature and two GPUs in it, and one GPU in no tray."""
    world = World(tmp_path, derived=THERMAL, **rules)
    world.plant.asset("R1", "rack")
    supply = world.point("t1", "liquid_supply_temperature", kind="tray")
    world.plant.asset("t1", parent="R1")
    points = [supply]
    for name in ("g1", "g2", "g3"):
        points += [world.point(name, "temperature", kind="gpu"), world.point(name, "power", unit="kW", kind="gpu")]
        if name != "g3":
            world.plant.asset(name, parent="t1")
    return world, points


def test_a_derived_point_is_read_by_its_name(tmp_path: Path) -> None:
    world, points = thermal(tmp_path, one=UP.format(kind="gpu", when="resistance > 0.02 K/W"))
    world.say(1001.0, dict(zip(points, [30, 60, 1.0, 45, 1.0, 90, 1.0], strict=True)))

    assert {asset: (value, limit) for asset, (value, limit) in fired(world).items()} == {"g1": (pytest.approx(0.03), pytest.approx(0.02))}


def test_a_derived_point_is_not_known_outside_of_its_load(tmp_path: Path) -> None:
    world, points = thermal(
        tmp_path, one=UP.format(kind="gpu", when="resistance > 0.02 K/W"), other=UP.format(kind="gpu", when="not resistance > 0.02 K/W")
    )
    world.say(1001.0, dict(zip(points, [30, 60, 0.5, 45, np.nan, 90, 1.0], strict=True)))

    assert world.end() == []


def test_a_derived_point_has_an_uncertainty(tmp_path: Path) -> None:
    world, points = thermal(tmp_path, one=UP.format(kind="gpu", when="resistance > 0.02 K/W + 3 * uncertainty(resistance)"))
    world.say(1001.0, dict(zip(points, [30, 51.4, 1.0, 51.6, 1.0, 90, 1.0], strict=True)))

    assert {asset: pytest.approx(limit) for asset, (_, limit) in fired(world).items()} == {"g2": 0.0215}


def test_a_rack_folds_the_derived_points_of_its_gpus(tmp_path: Path) -> None:
    world, points = thermal(
        tmp_path,
        one=UP.format(kind="rack", when="max(gpu.resistance) > 0.02 K/W"),
        two=UP.format(kind="rack", when="count(gpu.resistance > 0.01 K/W) >= 2"),
    )
    world.say(1001.0, dict(zip(points, [30, 60, 1.0, 45, 1.0, 90, 1.0], strict=True)))

    assert {alert.rule: alert.value for alert in world.end()} == {"cooling.one": pytest.approx(0.03), "cooling.two": 2.0}


def test_a_derived_point_may_use_another_one(tmp_path: Path) -> None:
    derived = {
        "warming": "applies_to: rack\nunit: K\nvalue: liquid_return_temperature - liquid_supply_temperature",
        "duty": "applies_to: [rack, cdu]\nunit: kW\nvalue: warming_of_its_own * (1 kW/K)",
        "warming_of_its_own": "applies_to: [rack, cdu]\nunit: K\nvalue: 2 * (liquid_return_temperature - liquid_supply_temperature)",
    }
    world = World(tmp_path, derived=derived, one=UP.format(kind="rack", when="duty > 5 kW and warming > 2 K"))
    supply, back = (world.point("R1", f"liquid_{name}_temperature") for name in ("supply", "return"))
    world.say(1001.0, {supply: 30, back: 33})

    assert fired(world) == {"R1": (pytest.approx(6.0), 5.0)}


@pytest.mark.parametrize(
    ("derived", "words"),
    [
        ({"a": "applies_to: rack\nunit: kW\nvalue: a + power"}, "a -> a: a derived point cannot be made of itself"),
        (
            {"a": "applies_to: rack\nunit: kW\nvalue: b", "b": "applies_to: rack\nunit: kW\nvalue: 2 * a"},
            "a -> b -> a: a derived point cannot be made of itself",
        ),
        ({"a": "applies_to: rack\nunit: kW\nvalue: max(rack.a)"}, "a -> a: a derived point cannot be made of itself"),
        ({"a": "applies_to: rack\nunit: kW\nvalue: liquid_flow"}, "a is in L/min, its unit says kW"),
        ({"a": "applies_to: rack\nunit: kW\nvalue: power\nuncertainty: 2 K"}, "its unit says kW"),
        ({"a": "applies_to: rack\nunit: kW\nvalue: power\nknown_when: power"}, "not a condition"),
        ({"power": "applies_to: rack\nunit: kW\nvalue: power"}, "is a word of the vocabulary"),
        ({"a": "applies_to: rakc\nunit: kW\nvalue: power"}, 'did you mean "rack"?'),
        ({"a": "applies_to: rack\nunit: kWW\nvalue: power"}, "is no known unit"),
        ({"a": "applies_to: rack\nunit: kW\nvalue: power >"}, "ends too early"),
    ],
)
def test_a_wrong_derived_point_is_told_with_its_file(tmp_path: Path, derived: dict[str, str], words: str) -> None:
    with pytest.raises(RuleError) as caught:
        rule_files.load(write(tmp_path, derived=derived))

    assert words in str(caught.value)
    assert "derived/" in str(caught.value)


@pytest.mark.parametrize(
    ("when", "words"),
    [
        ("uncertainty(plain) > 1 kW", "plain has no uncertainty"),
        ("uncertainty(power) > 1 kW", "takes the name of a derived point"),
        ("plain[a] > 1 kW", "plain is a derived point and takes no [tags]"),
        ("of_a_cdu > 1 kW", "of_a_cdu is a derived point of cdu; write for example max(cdu.of_a_cdu)"),
    ],
)
def test_a_derived_point_is_used_as_what_it_is(tmp_path: Path, when: str, words: str) -> None:
    derived = {"plain": "applies_to: rack\nunit: kW\nvalue: power", "of_a_cdu": "applies_to: cdu\nunit: kW\nvalue: power"}

    with pytest.raises(RuleError) as caught:
        rule_files.load(write(tmp_path, derived=derived, wrong=UP.format(kind="rack", when=when)))

    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("power", "power"),
        ("power[b, a]", "power[a, b]"),
        ("2 * power", "power"),
        ("1 kW + 2 * power", "power"),
        ("max(phase_current)", "gather"),
        ("mean_over(power, 60 s) - 1 kW", "power"),
        ("2 * 3 kW", "*"),
    ],
)
def test_what_a_value_is_called_where_it_contributes(text: str, name: str) -> None:
    assert steps._named(meaning.value(parse(text), Scope({}))) == name


# --- states and sets


@pytest.mark.parametrize(
    ("when", "values"),
    [
        ('breaker_state == "tripped"', [2]),
        ('breaker_state == "Tripped"', [2]),
        ('breaker_state != "tripped"', [0, 1]),
        ('breaker_state in {"open", "tripped"}', [1, 2]),
        ('not breaker_state in {"open", "tripped"}', [0]),
        ("breaker_state in {1, 2}", [1, 2]),
        ("not breaker_state in {1, 2}", [0]),
        ('breaker_state in {"closed", 2}', [0, 2]),
        ('breaker_state == "burnt"', []),
        ('not breaker_state == "burnt"', []),
    ],
)
def test_a_state_is_asked_for_by_what_its_wire_calls_it(tmp_path: Path, when: str, values: list[int]) -> None:
    world = World(tmp_path, one=UP.format(kind="rack", when=when))
    points = {world.point(f"R{value}", "breaker_state", unit="", states=("closed", "Open", "TRIPPED")): value for value in range(3)}
    world.say(1001.0, points)

    assert sorted(fired(world)) == [f"R{value}" for value in values]


def test_each_wire_has_its_own_number_for_a_state(tmp_path: Path) -> None:
    world = World(tmp_path, one=UP.format(kind="rack", when='breaker_state == "trip coil open"'))
    one = world.point("R1", "breaker_state", unit="", states=("closed", "trip_coil_open"))
    other = world.point("R2", "breaker_state", unit="", states=("Trip Coil Open", "closed"))
    plain = world.point("R3", "breaker_state", unit="")
    world.say(1001.0, {one: 1, other: 1, plain: 1})
    world.say(1004.0, {one: 0, other: 0, plain: 0})

    assert {alert.asset: (alert.fired, alert.ended) for alert in world.end()} == {"R1": (1001.0, 1004.0), "R2": (1004.0, None)}


def test_a_state_is_looked_up_again_when_its_wire_says_other_labels(tmp_path: Path) -> None:
    world = World(tmp_path, one=UP.format(kind="rack", when='breaker_state == "tripped"'))
    world.say(1001.0, {world.point("R1", "breaker_state", "p", unit="", states=("closed", "tripped")): 0})
    world.settle()
    world.say(1004.0, {world.point("R1", "breaker_state", "p", unit="", states=("tripped", "closed")): 0})

    assert [alert.fired for alert in world.end()] == [1004.0]


def test_an_express_rule_may_ask_for_a_state_or_a_set(tmp_path: Path) -> None:
    world = World(tmp_path, one=UP.format(kind="rack", when='breaker_state in {"open", "tripped"}') + "\nexpress: true")
    state = world.point("R1", "breaker_state", unit="", states=("closed", "open", "tripped"))
    world.play(state, a="0x3 2")

    assert [alert.fired for alert in world.express] == [1004.0]


# --- counts and folds over related assets


def pod(tmp_path: Path, when: str, kind: str = "rack", trays: int = 4) -> tuple[World, list[int]]:
    world = World(tmp_path, one=UP.format(kind=kind, when=when))
    points = [world.point(f"t{number}", "liquid_temperature", kind="tray") for number in range(trays)]
    for number in range(trays):
        world.plant.asset(f"t{number}", parent="R1")
    world.plant.asset("R1", "rack")
    return world, points


@pytest.mark.parametrize(
    ("when", "values", "value"),
    [
        ("count(tray.liquid_temperature > 60 degC) >= 2", [70, 80, 20, 20], 2.0),
        ("count(tray.liquid_temperature > 60 degC) >= 2", [70, 80, np.nan, np.nan], 2.0),
        ("count(tray.liquid_temperature > 60 degC) >= 2", [70, 60, 20, 20], None),
        ("count(tray.liquid_temperature > 60 degC) < 2", [np.nan] * 4, None),
        ("count(tray.liquid_temperature > 60 degC) == 0", [20, np.nan, np.nan, np.nan], 0.0),
        ("count(tray.liquid_temperature) == 2", [20, 20, np.nan, np.nan], 2.0),
        ("count(tray.liquid_temperature) == 0", [np.nan] * 4, 0.0),
        ("count(tray.liquid_temperature - limit.hot > 5 K) >= 2", [66, 70, 20, 20], 2.0),
        ("max(tray.liquid_temperature - limit.hot) > 5 K", [66, 50, 20, 20], 6.0),
        ("min(abs(tray.liquid_temperature - limit.hot)) > 5 K", [66, 40, 20, 20], 6.0),
        ("mean(tray.liquid_temperature) > 50 degC", [60, 80, np.nan, np.nan], 70.0),
        ("mean(tray.liquid_temperature) > 50 degC", [60, np.nan, np.nan, np.nan], None),
        ("median(2 * (tray.liquid_temperature - limit.hot)) > 5 K", [63, 64, 20, 90], 7.0),
        ("sum(tray.liquid_temperature - limit.hot) > 5 K", [61, 62, 63, 64], 10.0),
        ("sum(tray.liquid_temperature - limit.hot) > 5 K", [61, 62, 63, np.nan], None),
        ("imbalance(tray.liquid_temperature - limit.hot) > 5 %", [61, 61, 61, 65], 150.0),
        ("max(mean_over(tray.liquid_temperature, 1 s)) > 50 degC", [60, 20, 20, 20], 60.0),
    ],
)
def test_a_fold_of_what_the_trays_say(tmp_path: Path, when: str, values: list[float], value: float | None) -> None:
    world, points = pod(tmp_path, when)
    world.say(1001.0, dict(zip(points, values, strict=True)))

    assert fired(world).get("R1", (None,))[0] == (None if value is None else pytest.approx(value))


def test_nothing_is_counted_where_there_is_no_such_asset(tmp_path: Path) -> None:
    world, points = pod(tmp_path, "count(psu.power) == 0 or count(psu.power > 1 kW) == 0 or not max(2 * psu.power) > 1 kW")
    world.say(1001.0, dict.fromkeys(points, 20))

    assert world.end() == []


def test_what_an_asset_is_part_of_is_related_too(tmp_path: Path) -> None:
    world, points = pod(
        tmp_path, "liquid_temperature > mean(rack.liquid_temperature) + max(cdu.liquid_temperature - limit.hot)", kind="tray", trays=2
    )
    rack, cdu = world.point("R1", "liquid_temperature"), world.point("C1", "liquid_temperature", kind="cdu")
    world.plant.serve("C1", "R1")
    world.say(1001.0, {points[0]: 75, points[1]: 74, rack: 70, cdu: 64.5})

    assert fired(world) == {"t0": (75.0, 74.5)}


# --- peers


def peers(tmp_path: Path, when: str, skus: list[str | None], racks: list[str]) -> tuple[World, list[int]]:
    world = World(tmp_path, one=UP.format(kind="tray", when=when))
    for rack in sorted(set(racks)):
        world.plant.asset(rack, "rack")
    points = []
    for number, (sku, rack) in enumerate(zip(skus, racks, strict=True)):
        points += [world.point(f"t{number}", "liquid_temperature", kind="tray"), world.point(f"t{number}", "power", unit="kW", kind="tray")]
        world.plant.asset(f"t{number}", parent=rack, **({} if sku is None else {"sku": sku}))
    return world, points


def say(world: World, points: list[int], values: list[float], load: list[float] | None = None) -> None:
    world.say(world.now + 3, dict(zip(points, np.ravel(np.column_stack((values, load or [1.0] * len(values)))).tolist(), strict=True)))


UNLIKE = "abs(peer_z(liquid_temperature, within: rack, floor: 1 K)) > 5"


def test_one_unlike_its_peers_is_found(tmp_path: Path) -> None:
    world, points = peers(tmp_path, UNLIKE, [None] * 8, ["R1"] * 8)
    say(world, points, [30, 31, 32, 33, 34, 35, 36, 60])

    assert sorted(fired(world)) == ["t7"]


def test_a_spread_below_the_floor_is_not_believed(tmp_path: Path) -> None:
    world, points = peers(tmp_path, UNLIKE, [None] * 8, ["R1"] * 8)
    say(world, points, [30, 30, 30, 30, 30, 30, 30, 37.4])  # 5 * 1.4826 K = 7.413 K
    assert world.end() == []
    say(world, points, [30, 30, 30, 30, 30, 30, 30, 37.5])

    assert sorted(fired(world)) == ["t7"]


def test_peers_are_of_one_sku_and_behind_one_asset(tmp_path: Path) -> None:
    skus = ["a"] * 8 + ["b"] * 8 + ["a"] * 8
    world, points = peers(tmp_path, UNLIKE, skus, ["R1"] * 16 + ["R2"] * 8)  # type: ignore[arg-type]
    say(world, points, [30] * 8 + [60] * 7 + [30] + [90] * 7 + [60])

    assert sorted(fired(world)) == ["t15", "t23"]


def test_fewer_than_eight_known_peers_say_nothing_unless_the_rule_says_fewer(tmp_path: Path) -> None:
    for when, found in ((UNLIKE, []), (UNLIKE.replace("1 K)", "1 K, least: 7)"), ["t7"])):
        world, points = peers(tmp_path, when, [None] * 8, ["R1"] * 8)
        say(world, points, [np.nan, 30, 30, 30, 30, 30, 30, 60])

        assert sorted(fired(world)) == found


def test_what_the_load_explains_is_not_unlike(tmp_path: Path) -> None:
    load = [1.0, 1.2, 1.4, 1.6, 1.8, 2.0, 2.2, 2.4, 2.6]
    hot = [30 + 20 * one for one in load]
    for when, found in ((UNLIKE.replace("1 K)", "1 K, load: power)"), ["t4"]), (UNLIKE, [])):
        world, points = peers(tmp_path, when, [None] * 9, ["R1"] * 9)
        say(world, points, [value + 12 * (number == 4) for number, value in enumerate(hot)], load)

        assert sorted(fired(world)) == found


def test_a_peer_that_moves_to_another_rack_has_other_peers(tmp_path: Path) -> None:
    world, points = peers(tmp_path, UNLIKE, [None] * 17, ["R1"] * 9 + ["R2"] * 8)
    values = [30.0] * 9 + [60.0] * 8
    say(world, points, values)
    world.settle()
    assert world.changes == []
    world.plant.asset("t8", parent="R2")
    say(world, points, values)

    assert sorted(fired(world)) == ["t8"]


def test_a_tray_whose_sku_is_told_later_leaves_its_peers(tmp_path: Path) -> None:
    world, points = peers(tmp_path, UNLIKE, [None] * 9, ["R1"] * 9)
    for number in range(9):
        world.plant.asset(f"other{number}", "ups")
    values = [30.0] * 8 + [60.0]
    say(world, points, values)
    world.settle()
    world.plant.asset("t8", sku="else")
    say(world, points, values)

    assert {alert.asset: alert.ended for alert in world.end()} == {"t8": None}  # it has no peers now, which ends nothing
    world.changes.clear()
    checks = world.core.engine._checks[0]
    assert checks.when.out.tolist() == [-1] * 8 + [0]


def test_a_tray_in_no_rack_may_come_later(tmp_path: Path) -> None:
    world, points = peers(tmp_path, UNLIKE, [None] * 8, ["R1"] * 8)
    say(world, points, [30.0] * 7 + [60.0])
    world.settle()
    alone = world.point("alone", "liquid_temperature", kind="tray")
    world.say(world.now + 3, {alone: 90.0})

    assert sorted(fired(world)) == ["t7"]


@pytest.mark.parametrize(("word", "value"), [("median", 31.5), ("min", 30.0), ("max", 90.0), ("mean", 45.75)])
def test_peers_share_a_number(tmp_path: Path, word: str, value: float) -> None:
    world, points = peers(tmp_path, f"peer_{word}(liquid_temperature, within: rack) > liquid_temperature + 1 K", [None] * 4, ["R1"] * 4)
    say(world, points, [30, 31, 32, 90])

    assert {number for number, _ in fired(world).values()} <= {value}
    assert ("t0" in fired(world)) == (word != "min")


def test_values_without_a_rack_have_no_peers(tmp_path: Path) -> None:
    world = World(tmp_path, one=UP.format(kind="tray", when="not " + UNLIKE))
    points = {world.point(f"t{number}", "liquid_temperature", kind="tray"): 30.0 for number in range(9)}
    world.say(1001.0, points)

    assert world.end() == []


# --- who belongs to whom, as it changes


def test_a_rack_that_is_recabled_counts_for_its_new_cdu(tmp_path: Path) -> None:
    world = World(
        tmp_path, one=UP.format(kind="cdu", when="sum(rack.power) > 5 kW"), two=UP.format(kind="cdu", when="max(2 * rack.power) > 10 kW")
    )
    power = world.point("R1", "power", unit="kW")
    for number in range(6):
        world.plant.asset(f"other{number}", "ups")
    for name in ("C1", "C2"):
        world.plant.asset(name, "cdu")
    world.plant.claim("C1 says", "C1", ["R1"])
    world.play(power, a="9x3")
    world.settle()
    world.plant.claim("C1 says", "C1", [])
    world.plant.claim("C2 says", "C2", ["R1"])
    world.play(power, a="9x3")
    world.settle()

    assert {(alert.rule, alert.asset) for alert in world.changes if alert.fired > 1003} == {("cooling.one", "C2"), ("cooling.two", "C2")}
    assert np.isnan(world.core.engine.plan.of_rule["cooling.one"].steps[rule_node(world, "one")].out[0])


def rule_node(world: World, name: str) -> object:
    checks = next(one for one in world.core.engine._checks if one.compiled.id == f"cooling.{name}")
    assert checks.compiled.sides is not None
    return checks.compiled.sides[0]


def test_a_tray_that_comes_later_counts_for_its_rack(tmp_path: Path) -> None:
    world = World(
        tmp_path,
        one=UP.format(kind="rack", when="count(tray.liquid_temperature > 60 degC) >= 2"),
        two=UP.format(kind="rack", when="max(2 * (tray.liquid_temperature - limit.hot)) > 30 K"),
    )
    for number in range(6):
        world.plant.asset(f"R{number}", "rack")
    first = world.point("t1", "liquid_temperature", kind="tray")
    world.plant.asset("t1", parent="R1")
    world.play(first, a="70x3")
    world.settle()
    assert world.changes == []
    second = world.point("t2", "liquid_temperature", kind="tray")
    world.plant.asset("t2", parent="R1")
    world.play(first, second, a="70x3", b="80x3")

    assert {(alert.rule, alert.asset, alert.fired) for alert in world.end()} == {
        ("cooling.one", "R1", 1004.0),
        ("cooling.two", "R1", 1004.0),
    }


def test_a_tray_that_moves_leaves_its_old_rack(tmp_path: Path) -> None:
    world = World(tmp_path, one=UP.format(kind="rack", when="max(tray.liquid_temperature) > 60 degC"))
    for number in range(6):
        world.plant.asset(f"R{number}", "rack")
    tray, other = (world.point(name, "liquid_temperature", kind="tray") for name in ("t1", "t2"))
    world.plant.asset("t1", parent="R1")
    world.plant.asset("t2", parent="R1")
    world.play(tray, other, a="70x3", b="20x3")
    world.settle()
    world.plant.asset("t1", parent="R2")
    world.play(tray, other, a="70x3", b="20x3")

    assert {alert.asset: (alert.fired, alert.ended) for alert in world.end()} == {"R1": (1001.0, 1004.0), "R2": (1004.0, None)}
