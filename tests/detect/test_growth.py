"""A plant that grows step by step is judged as one that was always as it is now.

After every step each operation of the grown plan says what the same operation of a plan built from scratch says on the same frame.
"""

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from world import write

from monitor.collect.frame import Frame
from monitor.detect import rules as rule_files
from monitor.detect.engine import Engine
from monitor.detect.kernels import TRUE
from monitor.detect.nodes import BOOLEAN, walk
from monitor.detect.plan import Plan
from monitor.detect.rules import RuleSet
from monitor.detect.steps import Fold, FoldAssets
from monitor.model import Point
from monitor.plant import Plant

KINDS = ("rack", "tray", "gpu", "cdu", "power_meter")
QUANTITIES = {"power": "kW", "liquid_temperature": "degC", "breaker_state": "", "xid": ""}
TAGS = ((), ("supply",), ("return",))
STATES = ((), ((0, "closed"), (1, "open")), ((1, "closed"), (0, "open")))
NAMES = [f"a{number}" for number in range(7)]
RULES = {
    "own": "applies_to: [rack, gpu]\nwhen: power > 5 kW",
    "own1": "applies_to: [rack, gpu]\nwhen: power > 5 kW and liquid_temperature[supply] > limit.hot",
    "own2": "applies_to: gpu\nwhen: max(power) > 5 kW or age(power) > 5 s or source_silence(power) > 5 s",
    "each": "applies_to: any\neach: power\nwhen: it > 3 kW",
    "every": "applies_to: any\neach: any\nwhen: age(it) > stale_after(it)",
    "state": 'applies_to: any\nwhen: breaker_state == "open"',
    "states": 'applies_to: [rack, cdu]\nwhen: breaker_state in {"open", 3}',
    "event": "applies_to: gpu\nwhen: xid in {48, 79}",
    "events": "applies_to: rack\nwhen: count(gpu.xid in {79}) >= 1",
    "below": "applies_to: rack\nwhen: max(gpu.power) > 3 kW",
    "count": "applies_to: [rack, cdu]\nwhen: count(gpu.power > 3 kW) >= 1 and count(tray.liquid_temperature) > 0",
    "folds": "applies_to: cdu\nwhen: sum(rack.power * 2) > 3 kW",
    "folds1": "applies_to: [tray, rack]\nwhen: mean(gpu.power - 1 kW) > 3 kW and max(cdu.liquid_temperature - limit.hot) > 1 K",
    "above": "applies_to: gpu\nwhen: power > mean(rack.power) or liquid_temperature > mean(tray.liquid_temperature)",
    "served": "applies_to: [rack, tray]\nwhen: max(power_meter.power) > 3 kW",
    "peers": "applies_to: gpu\nwhen: >-\n  power > peer_median(power, within: rack, least: 2)",
    "peers1": "applies_to: rack\nwhen: >-\n  abs(peer_z(power, within: cdu, floor: 1 kW, least: 2)) > 1 or power > peer_max(power - 1 kW, within: power_meter, least: 2)",
    "excess": "applies_to: gpu\nwhen: excess > 1 kW",
    "excess1": "applies_to: rack\nwhen: max(gpu.excess) > 1 kW",
}
EXCESS = "applies_to: gpu\nunit: kW\nvalue: power - mean(rack.power)\nknown_when: power > 1 kW"


@cache
def rules() -> RuleSet:
    with TemporaryDirectory() as folder:
        return rule_files.load(write(Path(folder), derived={"excess": EXCESS}, **RULES))


def grow(plant: Plant, what: str, one: str, other: str, number: int) -> None:
    """Take one step. A wire may say anything, in any order, and loops too."""
    quantity = list(QUANTITIES)[number % len(QUANTITIES)]
    path = f"{one}/{quantity}/{number % 2}"
    tags, states = TAGS[number % 3], STATES[number % len(STATES)]
    match what:
        case "kind":
            plant.asset(one, KINDS[number % len(KINDS)])
        case "parent" if one != other:
            plant.asset(one, parent=other)
        case "sku":
            plant.asset(one, sku=("cool", "default", "else")[number % 3])
        case "serve" if one != other:
            plant.claim(f"{one} {number % 2}", one, [other])
        case "unserve":
            plant.claim(f"{one} {number % 2}", one, [])
        case "point":
            plant.asset(one)
            plant.describe(Point(f"bus{number % 2}", path, one, quantity, QUANTITIES[quantity], tags=tags, states=states))
        case "other unit":
            plant.asset(one)
            plant.describe(Point("bus", path, one, quantity, "V" if number % 2 else QUANTITIES[quantity], setpoint=bool(number % 3)))
        case "retire":
            plant.retire(path)


WHAT = ["kind", "kind", "parent", "parent", "sku", "serve", "serve", "unserve", "point", "point", "point", "point", "other unit", "retire"]
STEPS = st.lists(
    st.tuples(st.sampled_from(WHAT), st.sampled_from(NAMES), st.sampled_from(NAMES), st.integers(0, 59)), min_size=8, max_size=24
)


def tick(plant: Plant, frame: Frame, time: float) -> None:
    """Say something of every other point, never the same."""
    frame.extend(plant.interval, plant.source_of, len(plant.sources), plant.event)
    rows = np.array([row for row, _ in plant.live_points() if (row + time) % 2], np.int32)
    value = np.where(plant.event[rows], 79.0, (rows * 7 + time) % 11)
    frame.apply(time, rows, np.full(len(rows), time), value, np.zeros(len(rows), np.uint8), np.full(len(rows), time))


def said(plan: Plan) -> dict[tuple[object, ...], float]:
    """Return what every operation says of every row that is in use, by what it is and whom it is of."""
    found = {}
    for key, table in plan.tables.items():
        rows = [row for row in range(len(table)) if table.live[row]]
        for node, step in table.steps.items():
            if node.operation != "group":
                assert len(step.out) == len(table), node
                assert step.out.dtype == (np.int8 if node.unit == BOOLEAN else np.float64)
                for row in rows:
                    found[key, node, table.assets[row].id, table.points[row]] = float(step.out[row])
    return found


def members(plan: Plan) -> dict[object, object]:
    return {
        (key, table.assets[row].id, table.points[row]): (int(table.phase[row]), table.skus[row])
        for key, table in plan.tables.items()
        for row in range(len(table))
        if table.live[row]
    }


def test_the_rules_of_this_test_have_all_operations_that_read_the_plant() -> None:
    operations = {node.operation for one in rules().rules for node in one.nodes() for node in walk(node)}

    assert operations >= {"own", "it", "gather", "fold", "limit", "state", "event", "life", "peer", "given", "in"}


@settings(deadline=None, max_examples=20, phases=[Phase.explicit, Phase.reuse, Phase.generate])  # shrinking takes minutes
@given(steps=STEPS, together=st.integers(1, 4))
def test_a_grown_plan_says_what_a_fresh_one_says(steps: list[tuple[str, str, str, int]], together: int) -> None:
    plant, frame = Plant(), Frame()
    grown = Plan(rules().rules, rules().limits, plant, 1.0)
    engine = Engine(rules(), plant)
    for number, step in enumerate(steps):
        grow(plant, *step)
        if number % together and number != len(steps) - 1:
            continue
        tick(plant, frame, 1000.0 + number)
        fresh = Plan(rules().rules, rules().limits, plant, 1.0)
        for plan in (grown, fresh):
            plan.extend()
            plan.focus((one, True) for one in rules().rules)
            plan.run(frame, number)
        fresh.close()

        assert members(grown) == members(fresh), step
        wanted, found = (said(plan) for plan in (fresh, grown))
        assert found.keys() == wanted.keys()
        wrong = {
            key: (found[key], value) for key, value in wanted.items() if found[key] != value and not np.isnan([found[key], value]).all()
        }
        assert wrong == {}, step
        engine.tick(frame)
        said(engine.plan)
        assert holds(engine.plan) == holds(fresh), step


def holds(plan: Plan) -> set[tuple[str, str, int]]:
    """Return the rules that hold, on whom: an engine leaves out what cannot hold on this plant, and that alone."""
    return {
        (one.id, table.assets[row].id, table.points[row])
        for one in rules().rules
        for table in [plan.of_rule[one.id]]
        for row in np.flatnonzero(table.steps[one.when].out == TRUE).tolist()
        if table.live[row]
    }


def test_a_matrix_of_members_narrows_once_they_leave() -> None:
    """Else one rack that once had many would cost all racks for good."""
    plant = Plant()
    pod(plant, 3)
    plan = Plan(rules().rules, rules().limits, plant, 1.0)
    plan.extend()

    def widths() -> set[int]:
        steps = (step for table in plan.tables.values() for step in table.steps.values())
        return {step.members.shape[1] for step in steps if isinstance(step, Fold | FoldAssets)}

    assert 4 in widths()
    for rack in range(3):
        for gpu in range(1, 4):
            plant.asset(f"R{rack}/g{gpu}", "tray")
    plan.extend()

    assert widths() == {0, 1}


def pod(plant: Plant, racks: int) -> None:
    for rack in range(racks):
        plant.asset(f"R{rack}", "rack", sku="cool")
        for gpu in range(4):
            plant.asset(f"R{rack}/g{gpu}", "gpu", parent=f"R{rack}")
            plant.describe(Point("bus", f"R{rack}/g{gpu}/power", f"R{rack}/g{gpu}", "power", "kW"))


def test_only_what_is_affected_is_bound_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """One more GPU of one rack of 30 binds the rows of that rack and its GPUs, not those of the others."""
    plant = Plant()
    pod(plant, 30)
    plan = Plan(rules().rules, rules().limits, plant, 1.0)
    plan.extend()
    bound: set[str] = set()
    for table in plan.tables.values():
        for step in table.steps.values():
            monkeypatch.setattr(
                step,
                "bind",
                lambda table, rows, site, bind=step.bind: (bound.update(table.assets[row].id for row in rows), bind(table, rows, site))[1],
            )

    plant.asset("R7/g4", "gpu", parent="R7")
    plant.describe(Point("bus", "R7/g4/power", "R7/g4", "power", "kW"))
    plan.extend()

    assert bound == {"R7", "R7/g4"}
    bound.clear()
    assert plan.extend() == []
    assert bound == set()
    plant.asset("R9", sku="else")
    plan.extend()
    assert bound == {"R9", *(f"R9/g{number}" for number in range(4))}


def test_equal_operations_of_rules_are_one_step() -> None:
    plan = Plan(rules().rules, rules().limits, Plant(), 1.0)

    assert plan.of_rule["cooling.own"] is plan.of_rule["cooling.own1"]
    steps = [node for node in plan.of_rule["cooling.own"].steps if node.operation == "own" and node.data == ("power",)]
    assert len(steps) == 1
