"""The shipped rules: sources, outcomes of their tests, and that these tests notice when a rule is changed."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import pytest

from monitor import yamlfile
from monitor.detect import rule_tests, rules
from monitor.detect.derive import CompiledDerived
from monitor.detect.nodes import BOOLEAN, Node
from monitor.detect.rule_tests import Case
from monitor.detect.rules import CompiledRule, RuleSet
from monitor.model import Alert, Severity

FOLDER = Path(__file__).parent.parent / "rules"
RULES = rules.load(FOLDER)
IDS = [one.id for one in RULES.rules]
OPPOSITE = {"<": ">=", "<=": ">", ">": "<=", ">=": "<", "==": "!=", "!=": "=="}
SHIFT = 0.05  # of a limit, which a boundary has to notice
LOOSEST = {
    "flow_per_kw": min,
    "flow_min": min,
    "delta_t_max": max,
    "supply_temperature_max": max,
    "liquid_share": min,
    "cdu_flow_per_speed": min,
    "gpus_per_tray": min,
    "gpu_power": max,
    "gpu_temperature_max": max,
    "gpu_memory_temperature_max": max,
    "cpu_temperature_max": max,
    "switch_temperature_max": max,
    "optic_temperature_max": max,
    "drive_temperature_max": max,
    "nvlinks_per_gpu": min,
    "nvlink_error_rate_max": max,
    "pcie_replays_per_minute": max,
    "filter_drop_max": max,
    "suction_pressure_min": min,
    "static_pressure_max": max,
    "loop_per_reservoir": max,
    "vibration_max": max,
    "inlet_air_max": max,
    "psu_power": max,
    "psu_current": max,
    "bus_voltage_min": min,
    "bus_voltage_max": max,
    "residual_current_max": max,
    "insulation_min": min,
}


@cache
def written(name: str) -> rule_tests.TestFile:
    document, _ = yamlfile.read(rule_tests.test_file(RULES.of(name)))
    tests, faults = yamlfile.validate(document, rule_tests.TestFile)
    assert tests is not None, faults
    return tests


@dataclass(frozen=True)
class Played:
    """What one case says of a rule and of each of its mutants, by id."""

    case: Case
    faults: dict[str, list[str]]


@cache
def played(name: str) -> tuple[Played, ...]:
    """Play every case once, the rule and its mutants side by side."""
    rule = RULES.of(name)
    family = RuleSet((rule, *mutants(rule)), RULES.limits)
    tests = written(name)
    result = []
    for case in tests.cases:
        alerts, findings = rule_tests.play(family, case, tests.every, tests.tick)
        by_rule: dict[str, list[Alert]] = {one.id: [] for one in family.rules}
        for alert in alerts:
            by_rule[alert.rule].append(alert)
        result.append(Played(case, {one: list(rule_tests.compare(case, found, findings)) for one, found in by_rule.items()}))
    return tuple(result)


def mutants(rule: CompiledRule) -> Iterator[CompiledRule]:
    """Yield the rule with each comparison turned round, each part of an "and" or "or" left out, and its limit moved both ways."""
    changed = [*turned(rule.when), *thinned(rule.when), *moved(rule)]
    for number, (what, when) in enumerate(changed):
        if when != rule.when and not (rule.rule.express and rules.not_express(when)):
            renamed = rule.rule.model_copy(update={"id": f"{rule.id} {number} {what}"})
            yield replace(rule, rule=renamed, when=when, sides=rules.sides(when))
    for number, (what, clear) in enumerate(turned(rule.clear) if rule.clear else ()):
        renamed = rule.rule.model_copy(update={"id": f"{rule.id} {number} clear {what}"})
        yield replace(rule, rule=renamed, clear=clear)


def turned(node: Node) -> Iterator[tuple[str, Node]]:
    if node.operation in OPPOSITE:
        yield f"{node.operation} turned", replace(node, operation=OPPOSITE[node.operation])
    yield from inside(node, turned)


def thinned(node: Node) -> Iterator[tuple[str, Node]]:
    if node.operation in {"and", "or"}:
        for at, part in enumerate(node.inputs):
            rest = (*node.inputs[:at], *node.inputs[at + 1 :])
            yield f"without {part.operation}", rest[0] if len(rest) == 1 else replace(node, inputs=rest)
    yield from inside(node, thinned)


def inside(node: Node, change: Callable[[Node], Iterator[tuple[str, Node]]]) -> Iterator[tuple[str, Node]]:
    """Change one input of a node, and what is below it."""
    for at, part in enumerate(node.inputs):
        if node.operation == "given" and at == 1:
            continue  # when a derived point is known is for its own tests to say
        for what, other in change(part):
            yield what, replace(node, inputs=(*node.inputs[:at], other, *node.inputs[at + 1 :]))


def moved(rule: CompiledRule) -> Iterator[tuple[str, Node]]:
    """Move the right side of the first comparison down and up; a state or code that is asked for has no boundary, a number of times moves by one."""
    assert rule.sides is not None
    left, right = rule.sides
    first = next((node for node in rules.walk(rule.when) if node.inputs == (left, right) and node.unit == BOOLEAN), None)
    if first is None or first.operation in {"==", "!="}:
        return
    words = {"count_over", "changes", "swings", "count", *({"increase"} if right.operation == "constant" else ())}
    counts = left.operation in {"window", "fold"} and left.data[0] in words
    zero = right.operation == "constant" and right.data[0] == 0
    for way in (-1, 1):
        if counts:
            limit = Node("+", right.unit, (right, Node("constant", right.unit, (), (float(way),))))
        elif zero:
            limit = Node("constant", right.unit, (), (way * SHIFT,))
        else:
            limit = Node("*", right.unit, (right, Node("constant", "", (), (1 + way * SHIFT,))))
        yield f"limit {way:+d}", substituted(rule.when, first, replace(first, inputs=(left, limit)))


def substituted(node: Node, old: Node, new: Node) -> Node:
    return new if node == old else replace(node, inputs=tuple(substituted(part, old, new) for part in node.inputs))


@pytest.mark.parametrize("name", IDS)
def test_the_tests_beside_a_rule_pass(name: str) -> None:
    failed = [f"{one.case.name}: {fault}" for one in played(name) for fault in one.faults[name]]

    assert failed == []


@pytest.mark.parametrize("name", IDS)
def test_a_rule_that_is_changed_fails_its_tests(name: str) -> None:
    """Else a limit, a gate or a sign could be wrong and nobody would notice."""
    kept = {one for first in played(name)[:1] for one in first.faults if one != name}
    for one in played(name):
        kept -= {mutant for mutant, faults in one.faults.items() if faults}

    assert kept == set()


@pytest.mark.parametrize("name", IDS)
def test_the_tests_beside_a_rule_are_of_every_kind(name: str) -> None:
    cases = written(name).cases
    kinds = {
        "fires": any(case.fires for case in cases),
        "stays quiet": any(not case.fires and not gap(case) for case in cases),
        "a gap fires nothing": not RULES.of(name).rule.for_ or any(gap(case) and not case.fires for case in cases),
        "a gap ends nothing": any(gap(case) and case.fires and not case.ends for case in cases),
        "ends": any(case.ends for case in cases),
    }

    assert [kind for kind, found in kinds.items() if not found] == []


def gap(case: Case) -> bool:
    points = [case.points, *(asset.points for asset in case.assets.values())]
    texts = [text for named in points for given in named.values() for text in ([given] if isinstance(given, str) else given)]
    return any(re.search(r"(?:^|\s)_", text) for text in texts)


@pytest.mark.parametrize("name", IDS)
def test_a_rule_explains_itself(name: str) -> None:
    rule = RULES.of(name).rule

    assert [number for number in ("1. ", "2. ", "3. ") if number not in rule.do] == []
    assert min(len(rule.why), len(rule.source), len(rule.blind)) > 60
    assert not re.search(r"\b(TODO|TBD|XXX)\b|\bS\d+\b", f"{rule.why} {rule.do} {rule.source} {rule.blind}".replace("S45", ""))


@pytest.mark.parametrize("name", IDS)
def test_every_number_of_a_condition_is_spoken_of(name: str) -> None:
    """Each number of `when` but 0 and 1 stands in `source`, as it is or in percent of or below one; so does the delay, in s or min."""
    rule = RULES.of(name).rule
    numbers = [float(text) for text in re.findall(r"(?<![a-z0-9_.])\d+(?:\.\d+)?", re.sub(r"\[[^]]*\]", "", rule.when))]
    told = {float(text) for text in re.findall(r"\d+(?:\.\d+)?", rule.source)}
    missing = [number for number in numbers if number not in {0, 1} and not told & {number, number * 100, round(100 - number * 100, 6)}]
    if "half" in rule.source.lower():
        missing = [number for number in missing if number != 0.5]
    if rule.for_ and not told & {rule.for_, rule.for_ / 60}:
        missing.append(rule.for_)

    assert missing == []


def test_few_rules_are_critical() -> None:
    """Critical is what a person must answer within minutes; every rule adds to the flood of a bad hour."""
    critical = {one.id for one in RULES.rules if one.rule.severity == Severity.CRITICAL}

    assert critical == {
        "cooling.leak",
        "cooling.rack_leak",
        "cooling.racks_leak",
        "cooling.gross_leak",
        "cooling.isolated_at_power",
        "cooling.rack_flow_low",
        "cooling.rack_flow_lost",
        "cooling.rack_flow_lost_in_soak",
        "fleet.feed_ac_loss",
        "fleet.ups_on_battery",
    }


def test_every_test_file_has_its_rule() -> None:
    orphans = [path.name for path in FOLDER.glob("*/*.test.yaml") if not path.with_name(path.name.replace(".test.", ".")).exists()]

    assert orphans == []


def test_every_limit_has_a_source() -> None:
    sources = RULES.limits.sources

    assert {(sku, name) for sku, limits in RULES.limits.values.items() for name in limits} == set(sources)
    assert [place for place, text in sources.items() if len(text) < 20] == []


def test_the_default_of_a_limit_is_the_loosest() -> None:
    limits = RULES.limits

    assert set(limits.units) == set(LOOSEST)
    for name, loosest in LOOSEST.items():
        assert limits.of(None, name) == loosest(limits.of(sku, name) for sku in limits.values), name


def test_every_limit_is_used() -> None:
    used = {str(node.data[0]) for one in RULES.rules for node in rules.walk(one.when) if node.operation == "limit"}

    assert set(RULES.limits.units) == used


DERIVED = {f"{one.model.quantity} of {one.kind}": one for one in RULES.derived}


def told(point: CompiledDerived) -> tuple[rule_tests.DerivedTestFile, list[rule_tests.DerivedCase]]:
    """Return the tests beside a derived point, and those of its kind."""
    document, _ = yamlfile.read(Path(point.file).with_suffix(rules.TEST))
    tests, faults = yamlfile.validate(document, rule_tests.DerivedTestFile)
    assert tests is not None, faults
    return tests, [case for case in tests.cases if (case.kind or point.model.applies_to[0]) == point.kind]


@pytest.mark.parametrize("name", sorted(DERIVED))
def test_a_derived_point_is_what_its_tests_say(name: str) -> None:
    point = DERIVED[name]
    tests, cases = told(point)

    assert cases or point.kind != point.model.applies_to[0]
    assert [f"{case.name}: {text}" for case in cases for text in rule_tests.measured(RULES, point, case, tests.every, tests.tick)] == []


@pytest.mark.parametrize("name", sorted(name for name, one in DERIVED.items() if one.model.known_when))
def test_a_derived_point_that_is_always_known_fails_its_tests(name: str) -> None:
    """Else it could speak below its load."""
    point = DERIVED[name]
    tests, cases = told(point)
    if not cases:
        return  # another kind has the same formula, and its tests
    open_ended = replace(point, value=point.value.inputs[0])

    assert [text for case in cases for text in rule_tests.measured(RULES, open_ended, case, tests.every, tests.tick)]
