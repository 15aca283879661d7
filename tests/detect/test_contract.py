"""What every function of the rule language holds, found by itself: a function without an example or a twin fails here."""

from pathlib import Path

import numpy as np
import pytest
import twins
from world import World

from monitor.detect.functions import ELEMENTWISE, FOLDS, FUNCTIONS, LIFE, NOVELTY, PEERS, WINDOWS
from monitor.model import Point

T = "liquid_temperature"
EXAMPLES = {
    "max": f"max({T}) > 50 degC",
    "min": f"min({T}) > 50 degC",
    "mean": f"mean({T}) > 50 degC",
    "sum": "sum(power) > 5 kW",
    "median": f"median({T}) > 50 degC",
    "imbalance": "imbalance(power) > 20 %",
    "count": f"count({T} > 50 degC) > 0",
    "abs": f"abs({T} - 40 degC) > 10 K",
    "sqrt": "sqrt(power * power) > 5 kW",
    "ln": "ln(power / (1 kW)) > 1.5",
    "exp": "exp(power / (1 kW)) > 150",
    "pow": "pow(power / (1 kW), 1.75) > 16",
    "given": f"given({T}, power > 5 kW) > 50 degC",
    "uncertainty": "uncertainty(level) > 50 K",
    "min_over": f"min_over({T}, 3 s) > 50 degC",
    "max_over": f"max_over({T}, 3 s) > 50 degC",
    "mean_over": f"mean_over({T}, 3 s) > 50 degC",
    "std_over": f"std_over({T}, 3 s) > 5 K",
    "slope": f"slope({T}, 3 s) > 1 K/s",
    "correlation": f"correlation({T}, power, 5 s) > 0.5",
    "increase": "increase(power, 5 s) > 5 kW",
    "rate": "rate(power, 5 s) > 1 kW/s",
    "changes": f"changes({T}, 5 s) >= 2",
    "swings": f"swings({T}, 5 K, 10 s) >= 2",
    "count_over": f"count_over({T} > 50 degC, 10 s) >= 1",
    "flat": f"flat({T}, 2 s)",
    "lag": f"lag({T}, 2 s) > 50 degC",
    "ewma": f"ewma({T}, 2 s) > 50 degC",
    "baseline": f"baseline({T}, 3 s) > 40 degC",
    "cusum": f"cusum({T} - 40 degC, 1 K) > 10 K*s",
    "age": f"age({T}) > 0.5 s",
    "stale_after": f"age({T}) + 299.5 s > stale_after({T})",
    "source_silence": f"source_silence({T}) > 0.5 s",
    "heartbeat_age": f"age({T}) > heartbeat_age({T}) + 0.5 s",
    "bad_for": f"bad_for({T}) > 0.5 s",
    "peer_median": f"{T} > peer_median({T}, within: cdu, least: 2)",
    "peer_min": f"{T} > peer_min({T}, within: cdu, least: 2)",
    "peer_max": f"{T} < peer_max({T}, within: cdu, least: 2)",
    "peer_mean": f"{T} > peer_mean({T}, within: cdu, least: 2)",
    "peer_z": f"peer_z({T}, within: cdu, floor: 1 K, least: 2) > 1",
    "novelty": f"novelty({T}, power, learn: 10 s) >= 1",
}
DERIVED = {"level": f"applies_to: rack\nunit: degC\nvalue: {T}\nuncertainty: {T} - 0 degC"}
OTHERWISE = {  # function -> where its twin is
    "imbalance": twins.fold,
    "count": twins.count,
    "given": "test_kernels.py",
    "pow": twins.power,
    "uncertainty": "test_expressions.py",
    "peer_z": twins.peer_z,
    "novelty": "test_novelty.py",
    **dict.fromkeys(LIFE, "test_contract.py"),
}
SHARED = {*PEERS}  # these read other rows, and say so


def test_every_function_has_an_example_and_a_twin() -> None:
    twinned = {*twins.FOLDS, *twins.ARITHMETIC, *twins.WINDOWS, *twins.PEERS, *OTHERWISE}

    assert set(EXAMPLES) == set(FUNCTIONS) == {*FOLDS, *ELEMENTWISE, *WINDOWS, *LIFE, *PEERS, *NOVELTY}
    assert set(FUNCTIONS) <= twinned


def rules(name: str) -> dict[str, str]:
    """Return the example, and its opposite: what is not known makes neither true."""
    when = EXAMPLES[name]
    return {
        "yes": f"applies_to: rack\nchatter: 0 s\nwhen: >-\n  {when}",
        "no": f"applies_to: rack\nchatter: 0 s\nwhen: >-\n  not ({when})",
    }


def pod(tmp_path: Path, name: str, racks: int) -> tuple[World, list[int]]:
    """Racks behind one CDU; each has a temperature and a power, and for folds a second power."""
    world = World(tmp_path, derived=DERIVED, **rules(name))
    points: list[int] = []
    world.plant.asset("C1", "cdu")
    for number in range(racks):
        points += [world.point(f"R{number}", T), world.point(f"R{number}", "power", unit="kW")]
        if name == "imbalance":
            points.append(world.point(f"R{number}", "power", unit="kW", tags=("b",)))
        world.plant.serve("C1", f"R{number}")
    return world, points


def story(points: int, length: int = 40) -> np.ndarray:
    """Return a walk of each point about 50, with steps, rests and gaps."""
    chance = np.random.default_rng(5)
    walk = np.cumsum(chance.integers(-9, 10, (length, points)), axis=0) + 50.0
    walk[10:14] = walk[9]
    walk[:, 1::2] = np.abs(walk[:, 1::2]) / 10
    walk[chance.random(walk.shape) < 0.1] = np.nan
    return walk


def tell(world: World, points: list[int], values: np.ndarray) -> list[tuple[str, str, float, float | None]]:
    for number, row in enumerate(values):
        said = {point: value for point, value in zip(points, row.tolist(), strict=True) if (number + point) % 7}
        world.say(1001.0 + number, said, quality=[2 if np.isnan(value) else 0 for value in said.values()])
    return sorted((alert.rule, alert.asset, alert.fired, alert.ended) for alert in world.end())


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_an_example_holds_and_fails_in_the_story(tmp_path: Path, name: str) -> None:
    """Else the contract below would say nothing."""
    world, points = pod(tmp_path, name, 6)

    told = {rule for rule, *_ in tell(world, points, story(len(points)))}

    assert told == {"cooling.yes", "cooling.no"} or name in {"novelty", "source_silence"}  # rare: tested by themselves


@pytest.mark.parametrize("name", sorted(set(FUNCTIONS) - SHARED))
def test_an_asset_is_judged_by_its_own_points_alone(tmp_path: Path, name: str) -> None:
    many, points = pod(tmp_path / "many", name, 6)
    one, few = pod(tmp_path / "one", name, 1)
    values = story(len(points))

    mine = [told for told in tell(many, points, values) if told[1] == "R0"]

    assert mine == tell(one, few, values[:, : len(few)])


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_without_assets_nothing_is_judged(tmp_path: Path, name: str) -> None:
    world = World(tmp_path, derived=DERIVED, **rules(name))
    other = world.point("X", "power", unit="kW", kind="ups")
    world.play(other, a="1x20")

    assert world.end() == []


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_what_was_never_known_is_never_an_alert(tmp_path: Path, name: str) -> None:
    world, _ = pod(tmp_path, name, 6)
    other = world.point("X", "power", unit="kW", kind="ups")
    world.play(other, a="1x40")

    fired = world.end()

    assert fired == [] or name == "source_silence"  # the source lives, it is the points that do not


@pytest.mark.parametrize("name", sorted(set(FUNCTIONS) - SHARED))
def test_an_asset_that_comes_later_leaves_the_others_as_they_are(tmp_path: Path, name: str) -> None:
    alone, points = pod(tmp_path / "alone", name, 1)
    grown, same = pod(tmp_path / "grown", name, 1)
    values = story(len(points))
    wanted = tell(alone, points, values)
    for number, row in enumerate(values):
        if number == 15:
            grown.settle()
            grown.point("R9", T)
        said = {point: value for point, value in zip(same, row.tolist(), strict=True) if (number + point) % 7}
        grown.say(1001.0 + number, said, quality=[2 if np.isnan(value) else 0 for value in said.values()])

    assert sorted((alert.rule, alert.asset, alert.fired, alert.ended) for alert in grown.end() if alert.asset == "R0") == wanted


@pytest.mark.parametrize("name", sorted(set(WINDOWS)))
def test_a_point_that_changes_its_meaning_starts_its_windows_anew(tmp_path: Path, name: str) -> None:
    """The story before the change leaves no trace in that row: it is told as if it had begun there."""
    late, points = pod(tmp_path / "late", name, 1)
    fresh, same = pod(tmp_path / "fresh", name, 1)
    values = story(len(points), 60)
    tell(late, points, values[:30])
    late.changes.clear()
    before = late.core.engine.open_alerts()
    point = late.plant.points[points[0]]
    power = late.plant.points[points[1]]
    renewed = [late.plant.describe(Point("bus", one.path, one.asset, one.quantity, one.unit, scale=2.0)) for one in (point, power)]
    for number, row in enumerate(values[30:]):
        for world, rows in ((late, renewed), (fresh, same)):
            world.say(1031.0 + number, dict(zip(rows, row.tolist(), strict=True)), quality=[2 if np.isnan(value) else 0 for value in row])
    late.settle()
    fresh.settle()

    steps = [world.core.engine.plan.of_rule["cooling.yes"].steps for world in (late, fresh)]
    assert before is not None
    for node, step in steps[0].items():
        if node.operation == "window":
            np.testing.assert_array_almost_equal(step.out, steps[1][node].out)


# --- life


def test_life_signs_are_counted_from_the_last_one(tmp_path: Path) -> None:
    world = World(
        tmp_path,
        old=f"applies_to: rack\nwhen: age({T}) >= 5 s",
        silent=f"applies_to: rack\nwhen: source_silence({T}) >= 5 s",
        bad=f"applies_to: rack\nwhen: bad_for({T}) >= 5 s",
        stale=f"applies_to: rack\nwhen: stale_after({T}) == 300 s and age({T}) > 1 s",
    )
    point, other = world.point("R1", T), world.point("R2", "power", unit="kW")
    for number in range(20):
        world.say(
            1001.0 + number,
            {point: np.nan, other: 1} if 3 <= number < 10 else {point: 20, other: 1} if number < 3 else {other: 1},
            quality=2 if 3 <= number < 10 else 0,
        )

    world.changes += world.core.close(1030.5)

    assert {alert.rule: alert.fired for alert in world.end()} == {
        "cooling.bad": 1009.0,
        "cooling.old": 1015.0,
        "cooling.stale": 1012.0,
        "cooling.silent": 1025.0,
    }


def test_a_heartbeat_is_as_old_as_its_last_beat(tmp_path: Path) -> None:
    world = World(tmp_path, lost=f"applies_to: rack\nwhen: heartbeat_age({T}) >= 5 s")
    point, beat, alone = world.point("R1", T), world.point("R1", "heartbeat", unit=""), world.point("R2", T)
    world.say(1001.0, {point: 20, beat: 1, alone: 20})
    world.core.cover(beat, [point])
    for number in range(2, 10):
        world.say(1000.0 + number, {point: 20, alone: 20})

    assert [(alert.asset, alert.fired) for alert in world.end()] == [("R1", 1006.0)]
