"""Why a rule fired or did not, as the parts of its condition say it."""

from pathlib import Path

import pytest
from world import LIMITS, World

from monitor.detect import explain
from monitor.detect import rules as rule_files
from monitor.detect.explain import Before, Explanation, Part
from monitor.model import Phase

LOW = "applies_to: rack\nwhen: liquid_flow < 0.5 * limit.per_kw * power and power > 20 kW\nfor: 15 s"
PER_KW = "title: t\nlimits:\n  per_kw: {value: 1 L/min/kW, source: s}\n  hot: {value: 60 degC, source: s}\n"


def told(world: World, name: str = "low", asset: str = "R1", point: str | None = None) -> Explanation:
    """Explain a rule at the last closed tick."""
    rules = rule_files.load(world.folder)
    core, rule = world.core, rules.of(f"cooling.{name}")
    (row,) = explain.rows(core, rule, asset, point)
    return explain.explain(core, rules, rule, row)


def every(part: Part) -> list[Part]:
    return [part, *(below for one in part.parts for below in every(one))]


def find(part: Part | None, text: str) -> Part:
    assert part is not None
    return next(one for one in every(part) if one.text == text)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setitem(LIMITS, "default", PER_KW)
    world = World(tmp_path, low=LOW)
    world.point("R1", "liquid_flow", unit="L/min")
    world.point("R1", "power", unit="kW")
    return world


def test_a_condition_that_fails_says_which_comparison_and_by_how_much(world: World) -> None:
    world.play(0, 1, flow="60x5", power="100x5")
    world.settle()

    one = told(world)

    assert (one.verdict, one.time) == ("false", 1005.0)
    assert one.reasons == (
        "the condition does not hold",
        "liquid_flow 60 L/min < 0.5 * limit.per_kw (1 L/min/kW) * power 100 kW = 50 L/min is false, short of it by 10 L/min (20 %)",
    )
    assert one.when is not None
    assert [part.held for part in one.when.parts] == [False, True]
    assert one.when.parts[1].said == "power 100 kW > 20 kW"
    assert (one.when.parts[1].margin, one.when.parts[1].share) == (80.0, 4.0)


def test_a_timer_that_runs_is_told_and_one_that_pauses(world: World) -> None:
    world.play(0, 1, flow="40x6", power="100x6")
    world.settle()
    assert told(world).reasons == ("the condition has held for 5 of 15 s",)

    for second in (1007.0, 1008.0, 1009.0):
        world.say(second, {0: 1.0}, quality=[2])
    world.settle()

    assert told(world).reasons[-1] == "the timer stands at 5 of 15 s; 3 s were not known and do not count"


def test_the_tick_of_firing_and_the_time_after(world: World) -> None:
    rules = rule_files.load(world.folder)
    world.play(0, 1, flow="40x15", power="100x15")
    world.settle()
    rule = rules.of("cooling.low")
    before = Before.of(world.core, rule.id)
    world.play(0, 1, flow="40", power="100")
    fired = world.core.finish()

    at = explain.explain(world.core, rules, rule, 0, fired, before)
    world.play(0, 1, flow="60", power="100")
    after = explain.explain(world.core, rules, rule, 0, world.core.finish())

    assert (at.verdict, at.reasons) == ("fires", ("it fires at this tick: the condition held for 15 s",))
    assert at.timer is not None
    assert at.timer.held == 15
    assert at.clear is None
    assert (at.severity, at.open_since) == ("critical", 1016.0)
    assert after.verdict == "ends"


def test_an_open_alert_says_what_would_end_it(tmp_path: Path) -> None:
    world = World(tmp_path, hot="applies_to: rack\nwhen: power > 50 kW\nclear: power < 40 kW\nkeep: 60 s")
    world.point("R1", "power", unit="kW")
    world.play(0, power="60x3 45x3")
    world.settle()
    between = told(world, "hot")
    world.play(0, power="30x11")
    world.settle()
    ending = told(world, "hot")

    assert between.verdict == "firing"
    assert between.reasons == ("firing since 1970-01-01T00:16:41.000Z; what ends it does not hold",)
    assert between.clear is not None
    assert between.clear.said == "power 45 kW < 40 kW"
    assert ending.reasons == ("firing since 1970-01-01T00:16:41.000Z; what ends it has held for 10 of 60 s",)


@pytest.mark.parametrize(
    ("story", "why"),
    [
        ("nothing", "liquid_flow is not known: never seen in what was read"),
        ("bad", "liquid_flow is not known: bad or null since 1970-01-01T00:16:42.000Z"),
        ("stale", "liquid_flow is not known: stale since 1970-01-01T00:21:41.000Z, 5 min after its last life sign"),
    ],
)
def test_what_is_not_known_says_why(world: World, story: str, why: str) -> None:
    world.play(0, 1, flow="_" if story == "nothing" else "60", power="100")
    if story == "bad":
        world.say(1002.0, {0: 1.0}, quality=[2])
    if story == "stale":
        for second in (200, 400):
            world.say(1001.0 + second, {1: 100.0})
    world.settle()

    one = told(world)

    assert one.verdict == "unknown"
    assert one.reasons == ("the condition is not known, which neither fires nor ends an alert", why)


def test_a_point_that_is_not_there_or_several_times_is_said(tmp_path: Path) -> None:
    world = World(tmp_path, low="applies_to: rack\nwhen: liquid_flow < 5 L/min", two="applies_to: rack\nwhen: current > 5 A")
    for path in ("a", "b"):
        world.point("R1", "current", path, unit="A")
    world.say(1001.0, {0: 1.0, 1: 2.0})
    world.settle()

    assert told(world).reasons[1] == "liquid_flow is not known: R1 has no such point"
    assert told(world, "two").reasons[1].startswith("current is not known: 2 points match (a, b); use max()")


def test_phase_and_sku_that_exclude_an_asset_are_said(tmp_path: Path) -> None:
    world = World(tmp_path, low="applies_to: {kind: rack, sku: cool}\nphases: [soak]\nwhen: power > 5 kW")
    world.point("R1", "power", unit="kW")
    world.plant.set_phase("R1", Phase.MAINTENANCE)
    world.say(1001.0, {0: 60.0})
    world.settle()

    one = told(world)

    assert one.verdict == "excluded"
    assert one.reasons == (
        "R1 is in phase maintenance; the rule judges in soak",
        "R1 is of SKU that nobody told; the rule judges only cool",
    )
    assert one.when is not None
    assert one.when.held is True


def test_an_asset_of_another_kind_and_a_point_that_is_missing_are_said(tmp_path: Path) -> None:
    world = World(tmp_path, low="applies_to: rack\neach: leak\nwhen: it == 1")
    world.plant.asset("C1", "cdu")
    world.plant.asset("R1", "rack")
    world.core.engine.extend()
    rule = rule_files.load(tmp_path).of("cooling.low")
    reasons = [explain.excluded(world.core, rule, world.plant.assets[name], 1.0, None).reasons[0] for name in ("C1", "R1")]

    assert reasons == ["the rule is about rack; C1 is of kind cdu", "the rule judges each leak; R1 has no such point"]


def test_an_aggregate_names_what_decided_first(tmp_path: Path) -> None:
    world = World(tmp_path, hot="applies_to: rack\nwhen: max(gpu.temperature) > 80 degC and count(gpu.power > 1 kW) == 1")
    world.plant.asset("R1", "rack")
    for number, (temperature, power) in enumerate([(60, 0.5), (90, 1.5), (70, 0.2)]):
        world.plant.asset(f"g{number}", "gpu", parent="R1")
        world.say(1001.0, {world.point(f"g{number}", "temperature", kind="gpu"): temperature})
        world.say(1001.0, {world.point(f"g{number}", "power", kind="gpu", unit="kW"): power})
    world.point("g3", "temperature", kind="gpu")
    world.plant.asset("g3", parent="R1")
    world.settle()

    when = told(world, "hot").when

    found = find(when, "max(gpu.temperature)")
    assert (found.value, found.why) == (90.0, "3 of 4 known")
    assert [part.said for part in found.parts] == [
        "g1 temperature 90 degC",
        "g2 temperature 70 degC",
        "g0 temperature 60 degC",
        "g3 temperature not known",
    ]
    assert find(when, "count(gpu.power > 1 kW)").value == 1


def test_a_derived_point_and_a_window_say_what_they_are_made_of(tmp_path: Path) -> None:
    heat = "applies_to: rack\nunit: kW\nvalue: power - 1 kW\nknown_when: power > 5 kW"
    world = World(tmp_path, derived={"gain": heat}, low="applies_to: rack\nwhen: mean_over(gain, 10 s) > 20 kW")
    world.point("R1", "power", unit="kW")
    world.play(0, power="31x4")
    world.settle()
    short = told(world)
    world.play(0, power="31x8")
    world.settle()
    full = told(world)
    world.play(0, power="2")
    world.settle()
    below = told(world)

    assert short.reasons[1] == "mean_over(gain, 10 s) is not known: watched for 40% of 10 s so far"
    assert (full.verdict, find(full.when, "mean_over(gain, 10 s)").value) == ("firing", 30.0)
    assert find(full.when, "gain").said == "gain 30 kW"
    assert find(full.when, "gain").parts[0].parts[0].said == "power 31 kW - 1 kW"
    assert find(below.when, "power > 5 kW").held is False


def test_peers_say_how_many_they_are_and_where_they_stand(tmp_path: Path) -> None:
    world = World(tmp_path, odd='applies_to: rack\nwhen: "power > 2 * peer_median(power, within: cdu)"')
    for number in range(4):
        world.point(f"R{number}", "power", unit="kW")
        world.plant.serve("C1", f"R{number}")
    world.plant.asset("C1", "cdu")
    world.say(1001.0, {0: 9.0, 1: 3.0, 2: 4.0})
    world.settle()
    few = told(world, "odd", "R0")
    world.say(1002.0, {3: 5.0})
    world.settle()
    enough = told(world, "odd", "R0")

    assert few.reasons[1] == "peer_median(power, within: cdu) is not known: 3 of 4 peers known, 4 needed"
    assert find(enough.when, "peer_median(power, within: cdu)").why == "among 4 peers, 3 kW to 9 kW, median 4.5 kW"


def test_a_ladder_says_which_rung_was_reached(tmp_path: Path) -> None:
    text = "severity: minor\napplies_to: rack\nwhen: power > 10 kW\nladder: [{when: power > 20 kW, for: 5 s, severity: major}, {when: power > 90 kW, severity: critical}]"
    world = World(tmp_path, high=text)
    world.point("R1", "power", unit="kW")
    world.play(0, power="30x3")
    world.settle()
    first = told(world, "high")
    world.play(0, power="30x6")
    world.settle()
    then = told(world, "high")

    assert (first.severity, [rung.reached for rung in first.rungs]) == ("minor", [False, False])
    assert first.rungs[0].timer.held == 2
    assert (then.severity, [rung.reached for rung in then.rungs]) == ("major", [True, False])
    assert then.rungs[1].condition.said == "power 30 kW > 90 kW"


def test_a_latched_and_a_chattering_alert_say_so(tmp_path: Path) -> None:
    world = World(tmp_path, wet="applies_to: rack\nlatch: true\nwhen: power > 10 kW", noisy="applies_to: rack\nwhen: power > 10 kW")
    world.point("R1", "power", unit="kW")
    world.play(0, power="20 5 20 5 20 20")
    world.settle()

    latched = told(world, "wet").reasons
    world.core.engine.acknowledge("cooling.wet", "R1")

    assert latched[-1] == "the alert is latched: it ends only after somebody acknowledged it"
    assert told(world, "wet").reasons[-1] == "the alert is latched: it was acknowledged, and ends once its condition is over"
    assert told(world, "noisy").reasons[-1].startswith("it chatters: fired 3 times within 10 min")


def test_states_and_events_are_named(tmp_path: Path) -> None:
    world = World(
        tmp_path,
        open='applies_to: breaker\nwhen: breaker_state in {"open", "tripped"}',
        lost="applies_to: gpu\nwhen: count_over(xid in {48, 79}, 10 min) >= 2",
    )
    state = world.point("B1", "breaker_state", kind="breaker", unit="", states=("closed", "open", "tripped"))
    xid = world.point("g1", "xid", kind="gpu", unit="")
    world.say(1001.0, {state: 2, xid: 79})
    world.settle()

    assert told(world, "open", "B1").when is not None
    assert told(world, "open", "B1").when.said == 'breaker_state 2 in {"open", "tripped"}'  # type: ignore[union-attr]
    assert find(told(world, "lost", "g1").when, "count_over(xid in {48, 79}, 10 min)").value == 1


def test_one_point_of_many_is_explained_alone(tmp_path: Path) -> None:
    world = World(tmp_path, wet="applies_to: rack\neach: leak\nwhen: it == 1")
    for path in ("pan", "hose"):
        world.point("R1", "leak", path, unit="")
    world.say(1001.0, {0: 0, 1: 1})
    world.settle()

    assert told(world, "wet", point="hose").verdict == "firing"
    assert told(world, "wet", point="pan").verdict == "false"
    assert len(explain.rows(world.core, rule_files.load(tmp_path).of("cooling.wet"), "R1")) == 2
