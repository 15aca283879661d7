"""Tests of rules, beside the rules: short series in promtool's notation through the live path."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal, TypeVar

import numpy as np
from pydantic import BeforeValidator, Field, field_validator

from monitor import yamlfile
from monitor.config import Settings, Time
from monitor.detect import derive
from monitor.detect import rules as rule_folder
from monitor.detect.core import Core
from monitor.detect.derive import CompiledDerived
from monitor.detect.limits import Limits
from monitor.detect.nodes import BOOLEAN, Node
from monitor.detect.rules import ANY, FOLDERS, TEST, CompiledRule, Duration, Rule, RuleSet, duration
from monitor.errors import Fault, RuleError
from monitor.model import BAD, GOOD, Alert, Phase, Point, Readings, Severity
from monitor.plant import Plant

START = 1_767_225_600.0  # 2026-01-01T00:00:00Z
IT = "it"  # the asset under test
_ITEM = re.compile(r"(?P<gap>_|bad|stale)(?:x(?P<times>\d+))?|(?P<first>-?\d+(?:\.\d+)?)(?:(?P<step>[+-]\d+(?:\.\d+)?)?x(?P<more>\d+))?")
_NAME = re.compile(r"(?P<quantity>[a-z_][a-z0-9_]*)(?:\[(?P<tags>[^\[\]]+)\])?")
_MOST = 100_000  # samples a series
HEARTBEATS = frozenset({"heartbeat_timestamp_bms", "heartbeat_timestamp_integration"})  # of a case cover all points of it


def _listed(value: object) -> object:
    return () if value == "never" else (value,) if isinstance(value, str | int | float) else value


Times = Annotated[tuple[Duration, ...], BeforeValidator(_listed)]  # one time, a list of times, or never


class Series(Settings):
    """An asset beside the one under test, by how it hangs together with it."""

    kind: str
    serves: str | None = None
    served_by: str | None = None
    parent: str | None = None
    sku: str | None = None
    copies: int = Field(1, ge=1, le=1000)  # NAME1, NAME2 ... where more than 1
    points: dict[str, str | tuple[str, ...]] = Field(default_factory=dict)


class Story(Settings):
    """What some assets say, sample by sample."""

    name: str
    kind: str | None = None  # default: the first kind that the rule applies to, a rack for "any"
    sku: str | None = None
    phase: Phase | None = None
    parent: str | None = None
    serves: str | None = None
    served_by: str | None = None
    points: dict[str, str | tuple[str, ...]] = Field(default_factory=dict)
    states: dict[str, tuple[str, ...]] = Field(default_factory=dict)  # labels of a quantity's values 0, 1, 2 ...
    assets: dict[str, Series] = Field(default_factory=dict)


class Case(Story):
    """One story and what the rule must say. Times count from the first sample."""

    acknowledged: Annotated[float, BeforeValidator(duration)] | None = None  # when somebody acknowledges the alert
    watch: str = IT  # the asset whose alerts count
    fires: Times = ()
    ends: Times = ()
    severity: Severity | None = None
    value: float | None = None
    limit: float | None = None


class TestFile(Settings):
    """The tests of one rule: a sample `every` so often, judged at each `tick`; a longer tick makes a slow rule's tests fast."""

    every: Duration
    tick: Annotated[float, BeforeValidator(duration), Field(gt=0, le=3600)] = 1.0
    cases: tuple[Case, ...]

    @field_validator("cases")
    @classmethod
    def _some(cls, cases: tuple[Case, ...]) -> tuple[Case, ...]:
        if not cases:
            raise ValueError("is empty; give at least a case that fires and one that stays quiet")
        return cases


class DerivedCase(Story):
    """One story and what a derived point is at its end, in its own unit."""

    value: float | Literal["unknown"]
    uncertainty: float | Literal["unknown"] | None = None


class DerivedTestFile(Settings):
    """The tests of one derived point."""

    every: Duration
    tick: Annotated[float, BeforeValidator(duration), Field(gt=0, le=3600)] = 1.0
    cases: tuple[DerivedCase, ...] = Field(min_length=1)


@dataclass(frozen=True)
class Sample:
    """One sample: a value, a bad reading (value NaN, bad), or nothing (None in its series)."""

    value: float
    quality: int


def series(text: str) -> Iterator[Sample | None]:
    """Yield the samples of a series; None is a gap.

    `5` one sample; `5x3` four equal ones; `5+2x3` 5 7 9 11; `_` a gap, `_x3` three; `bad` a bad reading, `badx3` three.

    >>> [sample.value if sample else None for sample in series("1 2x1 _ 4+1x2")]
    [1.0, 2.0, 2.0, None, 4.0, 5.0, 6.0]

    Raises:
        ValueError: a part is neither.

    """
    for part in text.split():
        match = _ITEM.fullmatch(part)
        if match is None:
            raise ValueError(f'"{part}" is no sample; write 5, 5x3, 5+2x3, _, _x3, bad or badx3')
        repeat = min(int(match["times"] or match["more"] or (0 if match["first"] else 1)), _MOST)
        if match["first"] is None:
            yield from [None if match["gap"] == "_" else Sample(np.nan, BAD)] * repeat
        else:
            for number in range(repeat + 1):
                yield Sample(float(match["first"]) + number * float(match["step"] or 0), GOOD)


def test_file(rule: CompiledRule) -> Path:
    """Return where the tests of a rule stand."""
    return Path(rule.file).with_suffix(TEST)


def check(place: Path) -> RuleSet:
    """Read a folder of rules, or one rule with the limits of its folder, as `rules.load` does, and the tests beside each rule.

    Raises:
        RuleError: a rule, limit or test file is wrong, a rule has no test, or nothing reads a YAML file of the folder.

    """
    faults: list[Fault] = []
    if place.is_file():
        path = place if len(place.parts) > 1 else place.absolute()
        path = path.with_name(path.name.removesuffix(TEST) + ".yaml") if path.name.endswith(TEST) else path
        directory, only, files = path.parent.parent, path, [path]
        if path.parent.name not in FOLDERS or path.suffix != ".yaml":
            folders = " ".join(f"{name}/" for name in FOLDERS)
            raise RuleError([Fault(str(place), 0, f"is no rule: a rule is a .yaml file in {folders}; give the folder that holds these")])
    else:
        directory, only, files = place, None, rule_folder.rule_files(place)
        faults += rule_folder.strays(place)
        if place.is_dir() and not files and not derive.files(place):
            faults.append(rule_folder.empty(place))
    try:
        checked = rule_folder.load(directory, only)
    except RuleError as error:
        checked, faults = RuleSet((), Limits()), [*faults, *error.faults]
    for path in files:
        faults += _read(path.with_suffix(TEST), f"{path.parent.name}.{path.stem}", TestFile)[2]
    for path in derive.files(directory) if only is None else ():
        faults += _read(path.with_suffix(TEST), f"{path.parent.name}.{path.stem}", DerivedTestFile)[2]
    if faults:
        raise RuleError(faults)
    return checked


_File = TypeVar("_File", bound=Settings)


def _read(path: Path, of: str, model: type[_File]) -> tuple[yamlfile.Document, _File | None, list[Fault]]:
    """Read the tests of one rule or derived point."""
    if not path.exists():
        return yamlfile.Document(str(path), {}), None, [Fault(str(path), 0, f"is missing; every rule has its tests beside it ({of})")]
    document, found = yamlfile.read(path)
    return document, *((None, found) if found else yamlfile.validate(document, model))


def run(rules: RuleSet, only: str | None = None) -> tuple[int, list[Fault]]:
    """Run the tests beside every rule and derived point (or one); returns how many cases ran and what failed.

    Raises:
        RuleError: a test file is missing or wrong.

    """
    wrong: list[Fault] = []
    failed: list[Fault] = []
    count = 0
    for compiled in rules.rules:
        if only is not None and compiled.id != only:
            continue
        document, tests, found = _read(test_file(compiled), compiled.id, TestFile)
        wrong += found
        if tests is None:
            continue
        one = replace(rules, rules=(compiled,))
        for number, case in enumerate(tests.cases):
            count += 1
            try:
                failed += [document.fault(("cases", number), f"{case.name}: {text}") for text in judge(one, case, tests.every, tests.tick)]
            except ValueError as error:
                wrong.append(document.fault(("cases", number), f"{case.name}: {error}"))
    for point in rules.derived:
        name = f"{derive.FOLDER}.{point.model.quantity}"
        if only not in {None, name}:
            continue
        document, measures, found = _read(Path(point.file).with_suffix(TEST), name, DerivedTestFile)
        wrong += found
        if measures is None:
            continue
        for number, told in enumerate(measures.cases):
            if (told.kind or point.model.applies_to[0]) != point.kind:
                continue
            count += 1
            try:
                failed += [
                    document.fault(("cases", number), f"{told.name}: {text}")
                    for text in measured(rules, point, told, measures.every, measures.tick)
                ]
            except ValueError as error:
                wrong.append(document.fault(("cases", number), f"{told.name}: {error}"))
    if wrong:
        raise RuleError(wrong)
    return count, failed


def measured(rules: RuleSet, point: CompiledDerived, case: DerivedCase, every: float, tick: float) -> Iterator[str]:
    """Yield what a derived point at the end of a story has against its promise."""
    nodes = [point.value, *([point.uncertainty] if point.uncertainty is not None else [])]
    found = measure(rules, case, nodes, every, tick, kind=point.kind)
    for word, wanted, node in (("value", case.value, point.value), ("uncertainty", case.uncertainty, point.uncertainty)):
        if wanted is None:
            continue
        number = np.nan if node is None else found[node]
        if wanted == "unknown" and not np.isnan(number):
            yield f"has {word} {number:.6g}, not unknown"
        elif wanted != "unknown" and not np.isclose(number, wanted, rtol=1e-3):
            yield f"has {word} {'unknown' if np.isnan(number) else f'{number:.6g}'}, not {wanted:g} {point.model.unit}"


def measure(
    rules: RuleSet, story: Story, nodes: list[Node], every: float, tick: float = 1.0, *, kind: str = "rack", each: str | None = None
) -> dict[Node, float]:
    """Play a story once; returns what some nodes are for `it` at its end: a number, NaN, or -1 0 1 of a condition."""
    made = tuple(_asking(number, node, kind, each) for number, node in enumerate(nodes))
    core, _ = stage(replace(rules, rules=made), Case.model_validate(story.model_dump(include=set(Story.model_fields))), every, tick)
    table = core.engine.plan.of_rule[made[0].id]
    row = next(at for at, asset in enumerate(table.assets) if asset.id == IT)
    return {node: float(table.steps[node].out[row]) for node in nodes}


def _asking(number: int, node: Node, kind: str, each: str | None) -> CompiledRule:
    """Return a rule that computes a node and says nothing."""
    when = node if node.unit == BOOLEAN else Node("==", BOOLEAN, (node, node))
    text = dict.fromkeys(("title", "when", "why", "do", "source", "blind"), "-----")
    told = {"id": f"example.n{number}", "status": "trial", "severity": "info", "applies_to": kind, "each": each}
    return CompiledRule(Rule.model_validate({**told, **text}), "", when, None, None, None)


def judge(rules: RuleSet, case: Case, every: float, tick: float = 1.0) -> Iterator[str]:
    """Yield what a case's outcome has against its promise.

    Raises:
        ValueError: the case itself cannot be read.

    """
    yield from compare(case, *play(rules, case, every, tick))


def compare(case: Case, alerts: list[Alert], findings: list[str]) -> Iterator[str]:
    """Yield what some alerts have against a case's promise."""
    fired = [round(alert.fired - START, 3) for alert in alerts]
    ended = [round(alert.ended - START, 3) for alert in alerts if alert.ended is not None]
    for word, wanted, found in (("fires", case.fires, fired), ("ends", case.ends, ended)):
        if list(wanted) != found:
            yield f"{word} {_times(found)}, not {_times(list(wanted))}" + (f" ({'; '.join(findings)})" if findings else "")
    if alerts:
        first = alerts[0]
        if case.severity is not None and first.severity != case.severity:
            yield f"has severity {first.severity}, not {case.severity}"
        for word, number, found_number in (("value", case.value, first.value), ("limit", case.limit, first.limit)):
            if number is not None and (found_number is None or not np.isclose(number, found_number)):
                yield f"has {word} {found_number}, not {number}"


def _times(times: list[float]) -> str:
    return " and ".join(f"at {time:g} s" for time in times) or "never"


def play(rules: RuleSet, case: Case, every: float, tick: float = 1.0) -> tuple[list[Alert], list[str]]:
    """Run a case through the live path; returns the alerts on the watched asset as they stand at the end, and findings."""
    core, alerts = stage(rules, case, every, tick)
    found = sorted((alert for alert in alerts if alert.asset == case.watch), key=lambda alert: alert.fired)
    return found, [f"{finding.subject}: {finding.text}" for finding, _ in core.plant.findings.all()]


def stage(rules: RuleSet, case: Case, every: float, tick: float = 1.0) -> tuple[Core, list[Alert]]:
    """Run a case through the live path; returns the path as it stands at the end, and all alerts."""
    plant = Plant(rules.vocabulary)
    applies = rules.rules[0].rule.applies_to
    kind = case.kind or ("rack" if ANY in applies.kind else applies.kind[0])
    plant.asset(IT, kind, parent=case.parent, **_sku(case.sku or next(iter(applies.sku), None)))
    _join(plant, IT, case.serves, case.served_by)
    if case.phase is not None:
        plant.set_phase(IT, case.phase)
    played = _played(plant, case, every)
    core = Core(plant, rules, Time().model_copy(update={"tick": tick}))  # a site's tick is 60 s at most, a test's may be longer
    rows = [row for row, _ in played]
    for beat in (row for row in rows if plant.points[row].quantity in HEARTBEATS):
        core.cover(beat, rows)
    alerts: dict[tuple[str, str, str, int], Alert] = {}
    length = max((len(samples) for _, samples in played), default=0)
    for number in range(length):
        given = [(point, sample) for point, samples in played if number < len(samples) and (sample := samples[number]) is not None]
        time = START + number * every
        batch = Readings.of(
            [point for point, _ in given], [time] * len(given), [sample.value for _, sample in given],
            quality=[sample.quality for _, sample in given],
        )  # fmt: skip
        for change in (*core.close(time), *core.ingest(batch)):
            alerts[change.key] = change
        if case.acknowledged is not None and number * every >= case.acknowledged:
            for alert in core.engine.open_alerts():
                core.engine.acknowledge(alert.rule, alert.asset, alert.point)
    end = START + (length - 1) * every
    core.ticks.start(START)
    for change in core.close(end + core.ticks.lateness):
        alerts[change.key] = change
    for change in core.close(end + core.ticks.lateness + core.ticks.idle + 0.001):
        alerts[change.key] = change
    return core, list(alerts.values())


def _played(plant: Plant, case: Case, every: float) -> list[tuple[int, list[Sample | None]]]:
    """Describe all assets and points of a case; returns each point's row with its samples."""
    played = list(_describe(plant, IT, case, case.points, every))
    for name, beside in case.assets.items():
        for copy in [name] if beside.copies == 1 else [f"{name}{number + 1}" for number in range(beside.copies)]:
            plant.asset(copy, beside.kind, parent=beside.parent, **_sku(beside.sku))
            _join(plant, copy, beside.serves, beside.served_by)
            played += _describe(plant, copy, case, beside.points, every)
    return played


def _join(plant: Plant, name: str, serves: str | None, served_by: str | None) -> None:
    if serves:
        plant.serve(name, serves)
    if served_by:
        plant.serve(served_by, name)


def _sku(sku: str | None) -> dict[str, str]:
    return {} if sku is None else {"sku": sku}


def _describe(
    plant: Plant, asset: str, case: Case, points: dict[str, str | tuple[str, ...]], every: float
) -> Iterator[tuple[int, list[Sample | None]]]:
    for name, texts in points.items():
        match = _NAME.fullmatch(name)
        if match is None or match["quantity"] not in plant.vocabulary:
            raise ValueError(f'"{name}" is no point; write quantity or quantity[tag, tag] with a known quantity')
        tags = {tag.strip().strip('"') for tag in (match["tags"] or "").split(",") if tag.strip()}
        quantity = match["quantity"]
        for number, text in enumerate((texts,) if isinstance(texts, str) else texts):
            point = Point(
                source="test",
                path=f"{asset}/{name}/{number}",
                asset=asset,
                quantity=quantity,
                unit=plant.vocabulary[quantity].unit,
                tags=tuple(sorted(tags - {"setpoint"})),
                setpoint="setpoint" in tags,
                states=tuple(enumerate(case.states.get(quantity, ()))) or plant.vocabulary[quantity].states,
                interval=every,
            )
            yield plant.describe(point), list(series(text))
