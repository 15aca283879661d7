"""Why a rule fired or did not: what every part of its condition was at the tick that was judged last. Pure; nothing is changed."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from monitor.clock import iso
from monitor.collect.frame import Frame
from monitor.detect import wording
from monitor.detect.binding import written
from monitor.detect.core import Core
from monitor.detect.kernels import FALSE, TRUE
from monitor.detect.nodes import BOOLEAN, Node
from monitor.detect.plan import Plan
from monitor.detect.roster import NONE
from monitor.detect.rules import ANY, CompiledRule, RuleSet
from monitor.detect.steps import Fold, FoldAssets, Group, Over, Own, Peer, Table, Unusual, elementwise
from monitor.detect.wording import Names, amount, span
from monitor.model import F64, PHASES, Alert
from monitor.plant import Asset, Plant

MOST_CAUSES = 6  # of what is not known, that are said in words
MOST_MEMBERS = 200  # of an aggregate or a group, those that decided first


@dataclass(frozen=True)
class Part:
    """One operation of a condition and what it was.

    text: as a rule writes it. said: the same with every value beside its name.
    value: in `unit`; None where it is not known, and of a condition. held: of a condition; None where it is not known.
    why: why it is not known, or how many members decided.
    margin: of a comparison of sizes, by how much it holds; below 0 by how much it fails. share: of the right side.
    source: path of the point, or id of the asset that is meant.
    """

    operation: str
    text: str
    said: str
    unit: str
    value: float | None = None
    held: bool | None = None
    why: str = ""
    margin: float | None = None
    share: float | None = None
    source: str = ""
    parts: "tuple[Part, ...]" = ()

    @property
    def known(self) -> bool:
        return self.held is not None if self.unit == BOOLEAN else self.value is not None


@dataclass(frozen=True)
class Timer:
    """How long the evidence has held, s; None while it does not. `gap`: s not known since it was last seen, which do not count."""

    word: str  # for, keep, or the severity of a rung
    held: float | None
    need: float
    gap: float = 0.0


@dataclass(frozen=True)
class Rung:
    """A severity above the rule's own."""

    severity: str
    condition: Part
    timer: Timer
    reached: bool


@dataclass(frozen=True)
class Explanation:
    """One rule on one asset or point at the last tick of a core."""

    rule: str
    title: str
    status: str
    severity: str  # as the alert stands, the rule's own where there is none
    asset: str
    point: str
    kind: str
    sku: str | None
    phase: str
    time: float  # of the tick, s since 1970 UTC
    verdict: str  # fires, firing, ends, waiting, false, unknown, excluded
    reasons: tuple[str, ...]  # sentences that say why
    when: Part | None = None
    clear: Part | None = None  # while the alert is open
    suspect: Part | None = None
    timer: Timer | None = None
    rungs: tuple[Rung, ...] = ()
    open_since: float | None = None
    why: str = ""
    do: str = ""
    notes: tuple[str, ...] = ()  # what limits the explanation


@dataclass
class Before:
    """What the timers of a rule showed before the last tick, which may have ended them."""

    rungs: list[F64] = field(default_factory=list)

    @classmethod
    def of(cls, core: Core, rule: str) -> "Before":
        checks = core.engine.look(rule)
        return cls([rung.hold.elapsed.copy() for rung in checks.rungs])


def names(rules: RuleSet) -> Names:
    """Return what derived points are called, by the node that each is made of; one that is only another name of a point has none."""
    found: dict[Node, str] = {}
    for one in rules.derived:
        if one.value.operation not in wording.LEAVES:
            found.setdefault(one.value, one.model.quantity)
        if one.uncertainty is not None and one.uncertainty.operation not in wording.LEAVES:
            found.setdefault(one.uncertainty, f"uncertainty({one.model.quantity})")
    return found


def rows(core: Core, compiled: CompiledRule, asset: str, point: str | None = None) -> list[int]:
    """Return the rows of a rule's table that look at an asset, or at one point of it."""
    table = core.engine.plan.of_rule[compiled.id]
    found = [row for row, one in enumerate(table.assets) if one.id == asset and table.live[row]]
    if point:
        found = [row for row in found if table.points[row] != NONE and core.plant.points[table.points[row]].path == point]
    return found


def excluded(core: Core, compiled: CompiledRule, asset: Asset, time: float, sku: str | None, point: str = "") -> Explanation:
    """Explain why a rule has nothing to judge on an asset."""
    rule, plant = compiled.rule, core.plant
    if asset.kind not in rule.applies_to.kind and ANY not in rule.applies_to.kind:
        reason = f"the rule is about {' and '.join(rule.applies_to.kind)}; {asset.id} is of kind {asset.kind}"
    elif rule.each is not None:
        wanted = "any point" if rule.each == ANY else rule.each
        reason = f"the rule judges each {wanted}; {asset.id} has no such point{f' {point}' if point else ''}"
    else:
        reason = f"the rule does not look at {asset.id}"
    return Explanation(
        rule.id, rule.title, rule.status, rule.severity.value, asset.id, point, asset.kind, sku, plant.phase(asset).value, time,
        "excluded", (reason,), why=rule.why, do=rule.do,
    )  # fmt: skip


def explain(
    core: Core, rules: RuleSet, compiled: CompiledRule, row: int, changes: Sequence[Alert] = (), before: Before | None = None
) -> Explanation:
    """Explain one row of a rule's table.

    Args:
        core: as the tick left it.
        rules: the set that names the derived points.
        compiled: the rule, which the core judges.
        row: of the rule's table.
        changes: what the tick changed.
        before: the timers before the tick.

    """
    rule, plant, plan = compiled.rule, core.plant, core.engine.plan
    checks, table = core.engine.look(rule.id), plan.of_rule[rule.id]
    asset, point_row = table.assets[row], table.points[row]
    point = "" if point_row == NONE else plant.points[point_row].path
    view = View(core.frame, plan, plant, names(rules))
    mine = [change for change in changes if change.key[:3] == (rule.id, asset.id, point)]
    fired = next((change for change in mine if change.ended is None), None)
    ended = next((change for change in mine if change.ended is not None), None)
    alert = checks.open.get(row)
    when = view.part(table, compiled.when, row)
    step = core.ticks.tick * table.every
    before = before or Before()
    if alert is None or fired is not None:
        timer = _timer("for", rule.for_, *checks.hold.timer(row))
        if fired is not None:
            timer = Timer("for", rule.for_, rule.for_)
        elif ended is not None:
            timer = Timer("keep", rule.keep, rule.keep)
    else:
        keep = checks.keep()
        need = float(keep if isinstance(keep, float) else keep[row])
        timer = _timer("keep", need, *checks.hold.timer(row))
    clear = None
    if (alert is not None and fired is None) or ended is not None:
        clear = view.part(table, compiled.clear or Node("not", BOOLEAN, (compiled.when,)), row)
    rungs = []
    for number, (rung, node) in enumerate(zip(checks.rungs, compiled.rungs, strict=True)):
        reached = alert is not None and tuple(type(rung.severity)).index(alert.severity) <= tuple(type(rung.severity)).index(rung.severity)
        held, _ = rung.hold.timer(row)
        if reached and np.isnan(held) and number < len(before.rungs) and row < len(before.rungs[number]):
            held = before.rungs[number][row] + step
        rungs.append(Rung(rung.severity.value, view.part(table, node, row), _timer(rung.severity.value, rung.wait, held, 0.0), reached))
    verdict, reasons = _verdict(compiled, table, row, when, timer, alert, fired, ended, active=bool(checks.active[row]))
    if alert is not None and rule.latch:
        told = (
            "was acknowledged, and ends once its condition is over"
            if core.engine.is_acknowledged(alert)
            else "ends only after somebody acknowledged it"
        )
        reasons.append(f"the alert is latched: it {told}")
    if row in checks.damped:
        reasons.append(
            f"it chatters: fired {len(checks.fires.get(row, ()))} times within {span(rule.chatter)}, so it is held open until quiet for as long"
        )
    suspect = None if compiled.suspect is None else view.part(table, compiled.suspect, row)
    if suspect is not None and suspect.held and alert is not None:
        reasons.append("its sensor is suspect, so it is one severity lower")
    return Explanation(
        rule=rule.id, title=rule.title, status=rule.status, severity=(alert or ended or rule).severity.value,
        asset=asset.id, point=point, kind=asset.kind, sku=table.skus[row], phase=PHASES[int(table.phase[row])].value,
        time=core.frame.time, verdict=verdict, reasons=tuple(reasons), when=when, clear=clear, suspect=suspect, timer=timer,
        rungs=tuple(rungs), open_since=None if alert is None else alert.fired, why=rule.why, do=rule.do,
    )  # fmt: skip


def _timer(word: str, need: float, held: float, gap: float) -> Timer:
    return Timer(word, None if np.isnan(held) else float(held), need, float(gap))


def _verdict(
    compiled: CompiledRule, table: Table, row: int, when: Part, timer: Timer,
    alert: Alert | None, fired: Alert | None, ended: Alert | None, *, active: bool,
) -> tuple[str, list[str]]:  # fmt: skip
    rule = compiled.rule
    if fired is not None:
        held = f" for {span(rule.for_)}" if rule.for_ else ""
        how = "on arrival of the reading" if rule.express else "at this tick"
        return "fires", [f"it fires {how}: the condition held{held}"]
    if ended is not None:
        return "ends", [f"it ends at this tick: what ends it held{f' for {span(timer.need)}' if timer.need else ''}"]
    if alert is not None:
        since = f"firing since {iso(alert.fired)}"
        if timer.held is not None:
            return "firing", [f"{since}; what ends it has held for {timer.held:g} of {timer.need:g} s"]
        return "firing", [f"{since}; what ends it does not hold" if when.known else f"{since}; whether it is over is not known"]
    if not active:
        return "excluded", _gates(compiled, table, row)
    if when.held is None:
        causes = unknowns(when)
        more = [f"{len(causes) - MOST_CAUSES} more parts are not known"] if len(causes) > MOST_CAUSES else []
        reasons = ["the condition is not known, which neither fires nor ends an alert", *causes[:MOST_CAUSES], *more]
        if timer.held is not None:
            reasons.append(f"the timer stands at {timer.held:g} of {timer.need:g} s; {timer.gap:g} s were not known and do not count")
        return "unknown", reasons
    if not when.held:
        return "false", ["the condition does not hold", *failing(when)]
    if timer.held is not None:
        return "waiting", [f"the condition has held for {timer.held:g} of {timer.need:g} s"]
    return "waiting", ["the condition holds"]


def _gates(compiled: CompiledRule, table: Table, row: int) -> list[str]:
    rule, asset = compiled.rule, table.assets[row]
    reasons = []
    phase = PHASES[int(table.phase[row])]
    if phase not in rule.phases:
        reasons.append(f"{asset.id} is in phase {phase}; the rule judges in {', '.join(rule.phases)}")
    sku = table.skus[row]
    if not rule.applies_to.allows(sku):
        only = f"only {', '.join(rule.applies_to.sku)}" if rule.applies_to.sku else f"all but {', '.join(rule.applies_to.not_sku)}"
        reasons.append(f"{asset.id} is of SKU {sku or 'that nobody told'}; the rule judges {only}")
    return reasons or ["the rule does not look at it now"]


def failing(part: Part) -> list[str]:
    """Return the comparisons because of which a condition is false."""
    if part.operation in {"and", "or"}:
        return [text for one in part.parts if one.held is False for text in failing(one)]
    return [f"{part.said} is false{fails(part)}"]


def fails(part: Part) -> str:
    """Say by how much a comparison holds or fails."""
    if part.margin is None:
        return ""
    unit = part.parts[0].unit
    unit = "K" if unit == "degC" else unit
    share = f" ({abs(part.share) * 100:.0f} %)" if part.share is not None else ""
    return f", {'margin' if part.margin >= 0 else 'short of it by'} {amount(abs(part.margin), unit)}{share}"


def unknowns(part: Part) -> list[str]:
    """Return why a part is not known: the reasons that lie deepest, each once."""
    if part.known:
        return []
    below = [text for one in part.parts if not one.known for text in unknowns(one)]
    mine = [f"{part.text} is not known: {part.why}"] if part.why else []
    return list(dict.fromkeys(below or mine))


class View:
    """A plan's results at one tick, as parts."""

    def __init__(self, frame: Frame, plan: Plan, plant: Plant, derived: Names) -> None:
        self._frame = frame
        self._plan = plan
        self._plant = plant
        self._names = derived

    def part(self, table: Table, node: Node, row: int, owner: str = "") -> Part:
        """Return what a node is for one row, with all that it is made of."""
        step = table.steps.get(node)
        if step is None:
            number = self._computed(table, node, row, owner)
        else:
            number = float(step.out[row]) if row < len(step.out) else np.nan
        text = wording.text(node, self._names, owner)
        if node in self._names:
            return self._derived(table, node, row, number, text)
        if wording.converts(node):
            return replace(self.part(table, node.inputs[0], row, owner), unit=node.unit, value=None if np.isnan(number) else number)
        made = self._members(table, node, row) if node.operation == "fold" else None
        parts, why = made if made is not None else (tuple(self.part(table, one, row, owner) for one in node.inputs), "")
        source = ""
        if isinstance(step, Own):
            index = int(step.index[row])
            source = "" if index == NONE else self._plant.points[index].path
            why = "" if not np.isnan(number) else self._missing(index, table, node, row)
        if node.unit == BOOLEAN:
            held = None if number not in {TRUE, FALSE} else number == TRUE
            margin, share = self._margin(node, parts)
            why = why or (self._lacks(step, node, row) if held is None else "")
            return Part(node.operation, text, self._said(node, parts, text), BOOLEAN, None, held, why, margin, share, source, parts)
        value = None if np.isnan(number) else number
        why = why or (self._lacks(step, node, row, parts) if value is None else self._about(step, row))
        said = self._valued(node, parts, text, value)
        return Part(node.operation, text, said, node.unit, value, None, why, source=source, parts=parts)

    def _computed(self, table: Table, node: Node, row: int, owner: str) -> float:
        """Return what a node is that no step computes: the opposite of `when`, or the comparison of an event."""
        known = [self.part(table, one, row, owner) for one in node.inputs]
        arrays = [
            np.array([0 if one.held is None else TRUE if one.held else FALSE], np.int8)
            if one.unit == BOOLEAN
            else np.array([np.nan if one.value is None else one.value])
            for one in known
        ]
        return float(elementwise(node, arrays)[0])

    def _derived(self, table: Table, node: Node, row: int, number: float, text: str) -> Part:
        plain = View(self._frame, self._plan, self._plant, {one: name for one, name in self._names.items() if one != node})
        inner = plain.part(table, node, row)
        value = None if np.isnan(number) else number
        return Part("derived", text, f"{text} {_shown(value, node.unit)}", node.unit, value, None, "", parts=(inner,))

    def _said(self, node: Node, parts: Sequence[Part], text: str) -> str:
        """Write a condition with every value beside its name."""
        match node.operation:
            case "<" | "<=" | ">" | ">=" | "==" | "!=":
                return f"{_side(parts[0])} {node.operation} {_side(parts[1])}"
            case "in":
                return f"{_side(parts[0])} in {{{', '.join(part.text for part in parts[1:])}}}"
            case "event":
                return f"{parts[0].text} came" if parts else text
            case "and" | "or":
                return f" {node.operation} ".join(f"({part.said})" if part.operation in {"and", "or"} else part.said for part in parts)
            case "not":
                return f"not ({parts[0].said})"
            case _:
                return text

    def _valued(self, node: Node, parts: Sequence[Part], text: str, value: float | None) -> str:
        shown = _shown(value, node.unit)
        match node.operation:
            case "constant":
                return text
            case "limit":
                return f"{text} ({shown})"
            case "state":
                return f"{text} ({shown})"
            case "+" | "-" | "*" | "/":
                left, right = (f"({part.said})" if _loose(node, part, at) else part.said for at, part in enumerate(parts))
                return f"{left} {node.operation} {right}"
            case _ if node.operation in wording.CALLS:
                return wording.call(node, [part.said for part in parts])
            case "neg":
                return f"-({parts[0].said})" if parts[0].operation in {"+", "-"} else f"-{parts[0].said}"
            case _:
                return f"{text} {shown}"

    def _margin(self, node: Node, parts: Sequence[Part]) -> tuple[float | None, float | None]:
        if node.operation not in {"<", "<=", ">", ">="} or parts[0].value is None or parts[1].value is None:
            return None, None
        margin = parts[1].value - parts[0].value
        margin = margin if node.operation[0] == "<" else -margin
        scale = abs(parts[1].value)
        return margin, margin / scale if scale and parts[1].unit != "degC" else None

    def _members(self, table: Table, node: Node, row: int) -> tuple[tuple[Part, ...], str]:
        """Return what an aggregate was made of, what decided first, and how much of it was known."""
        step = table.steps[node]
        word = str(node.data[0])
        if isinstance(step, Fold):
            members = step.members[row, : step.count[row]].tolist()
            found = [self._point(member) for member in members]
            twice = {text for text, count in Counter(part.text for part in found).items() if count > 1}
            found = [self._point(member, by_path=part.text in twice) for member, part in zip(members, found, strict=True)]
        else:
            assert isinstance(step, FoldAssets)
            kind = str(node.data[1])
            theirs = self._plan.tables[(kind,), None, table.every]
            found = [self._of_asset(theirs, node.inputs[0], member, kind) for member in step.members[row, : step.count[row]].tolist()]
        known = sum(part.known for part in found)
        if not found:
            kind = str(node.inputs[0].data[0] or table.assets[row].kind) if isinstance(step, Fold) else str(node.data[1])
            return (), f"{table.assets[row].id} has no such point" if kind == table.assets[
                row
            ].kind else f"no such point of a {kind} belongs to {table.assets[row].id}"
        why = "" if known == len(found) else f"{known} of {len(found)} known"
        if known < len(found) and np.isnan(step.out[row]):
            why += {"sum": ", all are needed", "imbalance": ", all are needed", "count": ""}.get(word, ", half are needed")
        key: Callable[[Part], float] = lambda part: float(bool(part.held)) if part.unit == BOOLEAN else part.value or 0.0  # noqa: E731
        there = sorted((part for part in found if part.known), key=key, reverse=word != "min")
        return tuple([*there, *(part for part in found if not part.known)][:MOST_MEMBERS]), why

    def _point(self, row: int, *, by_path: bool = False) -> Part:
        point = self._plant.points[row]
        value = float(self._frame.value[row])
        known = None if np.isnan(value) else value
        text = f"{point.asset} {point.path if by_path else written(point.quantity, point.tags)}"
        why = "" if known is not None else self._silent(row)
        return Part("point", text, f"{text} {_shown(known, point.unit)}", point.unit, known, why=why, source=point.path)

    def _of_asset(self, theirs: Table, node: Node, row: int, kind: str) -> Part:
        inner = self.part(theirs, node, row, kind)
        name = theirs.assets[row].id
        shown = (
            ("true" if inner.held else "false" if inner.held is not None else "not known")
            if inner.unit == BOOLEAN
            else _shown(inner.value, inner.unit)
        )
        return Part("member", name, f"{name} {shown}", inner.unit, inner.value, inner.held, inner.why, source=name, parts=(inner,))

    def _missing(self, index: int, table: Table, node: Node, row: int) -> str:
        if index != NONE:
            return self._silent(index)
        asset = table.assets[row]
        if node.operation != "own":
            return "no such point"
        subject = f"{asset.id} {written(str(node.data[0]), [str(tag) for tag in node.data[1:]])}"
        return self._plant.findings.texts.get(("ambiguous", subject)) or f"{asset.id} has no such point"

    def _silent(self, row: int) -> str:
        """Say why a point is not known."""
        frame, point = self._frame, self._plant.points[row]
        if self._plant.event[row]:
            return "an event, known only while it comes"
        if point.source == "monitor":
            return "the monitor's own state, which the history does not keep"
        if np.isnan(frame.alive[row]):
            return "never seen in what was read"
        if not np.isnan(frame.bad_since[row]):
            return f"bad or null since {iso(float(frame.bad_since[row]))}"
        since = float(frame.alive[row] + frame.stale_after[row])
        return f"stale since {iso(since)}, {span(float(frame.stale_after[row]))} after its last life sign"

    def _lacks(self, step: object, node: Node, row: int, parts: Sequence[Part] = ()) -> str:
        """Say why a result is not known where its inputs do not say it."""
        if isinstance(step, Over):
            length, share = step.watched(row)
            duration = span(float(node.data[1])) if node.data[1] else ""
            if length < 1:
                return f"watched for {length:.0%} of {duration} so far"
            return f"only {share:.0%} of {duration} known" if share < 1 else ""
        if isinstance(step, Peer):
            group = step.inputs[-1]
            assert isinstance(group, Group)
            if group.group[row] == NONE:
                return f"it hangs on no {node.data[1]}, so it has no peers"
            values = step.inputs[0].out
            members = [member for member in group.groups[group.group[row]].tolist() if member != NONE]
            known = sum(not np.isnan(values[member]) for member in members)
            return f"{known} of {len(members)} peers known, {step.least} needed"
        if node.operation == "limit":
            return "the SKU has no such limit"
        if node.operation == "state":
            return "the wire has no state of that name"
        if node.operation == "novelty":
            return "its normal is not learned yet"
        if node.operation == "given" and parts and parts[0].known:
            return "known only where its condition holds"
        if node.operation in {"/", "ln", "sqrt", "pow", "exp"} and parts and all(part.known for part in parts):
            return "the operation has no answer"
        return ""

    def _about(self, step: object, row: int) -> str:
        if isinstance(step, Unusual):
            return ", ".join(f"{name} {share:.0%}" for name, share in step.shares(row)[:5])
        if isinstance(step, Peer):
            group = step.inputs[-1]
            assert isinstance(group, Group)
            values = np.array([step.inputs[0].out[member] for member in group.groups[group.group[row]].tolist() if member != NONE])
            known = values[~np.isnan(values)]
            unit = step.inputs[0].node.unit
            return f"among {len(known)} peers, {amount(float(known.min()), unit)} to {amount(float(known.max()), unit)}, median {amount(float(np.median(known)), unit)}"
        return ""


def _shown(value: float | None, unit: str) -> str:
    return "not known" if value is None else amount(value, unit)


def _side(part: Part) -> str:
    """Write one side of a comparison; a computed one with what it came to."""
    if part.operation in wording.INLINE:
        return f"{part.said} = {_shown(part.value, part.unit)}"
    return part.said


def _loose(node: Node, part: Part, at: int) -> bool:
    """Say whether a part needs brackets in a sum or product."""
    if part.operation in {"+", "-"}:
        return node.operation in {"*", "/"} or (at == 1 and node.operation == "-")
    return part.operation in {"*", "/"} and at == 1 and node.operation == "/"
