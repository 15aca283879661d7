"""What one rule reads to judge some of its rows: points, and the assets that decide which points these are."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from monitor.detect.binding import Relations
from monitor.detect.nodes import Node, walk
from monitor.detect.plan import Plan
from monitor.detect.roster import NONE
from monitor.detect.rules import CompiledRule
from monitor.detect.steps import Fold, FoldAssets, Group, Own, Peer, Table
from monitor.plant import Asset, Plant

OWN_CLOCKS = frozenset({"heartbeat_timestamp_bms", "heartbeat_timestamp_integration"})  # a publisher's heartbeats cover its points


@dataclass
class Reach:
    """Rows of points and of assets."""

    points: set[int] = field(default_factory=set)
    assets: set[int] = field(default_factory=set)


def quantities(rule: CompiledRule) -> set[str]:
    """Return the quantities that a rule names; "any" for all."""
    found = {rule.rule.each} if rule.rule.each is not None else set()
    for node in _nodes(rule):
        if node.operation == "own":
            found.add(str(node.data[0]))
        if node.operation == "gather":
            found.add(str(node.data[1]))
    return found


def asks_life(rule: CompiledRule) -> bool:
    """Say whether a rule asks for the life signs of whole sources, which every point of theirs gives."""
    words = {str(node.data[0]) for node in _nodes(rule) if node.operation == "life"}
    return bool(words & {"source_silence", "heartbeat_age"} or quantities(rule) & {"silence", "clock_offset"})


def never_forgets(rule: CompiledRule) -> str:
    """Return the function by which a rule remembers all of an asset's past, "" where it has none."""
    for node in _nodes(rule):
        word = "novelty" if node.operation == "novelty" else str(node.data[0]) if node.operation == "window" else ""
        if word in {"novelty", "baseline", "cusum"}:
            return word
    return ""


def _nodes(rule: CompiledRule) -> Iterator[Node]:
    for top in rule.nodes():
        yield from walk(top)


def reach(plan: Plan, plant: Plant, rule: CompiledRule, rows: Iterable[int]) -> Reach:
    """Return what a rule reads for some rows of its table; the plan is bound to the plant."""
    found = Reach()
    relations = Relations(plant)
    seen: set[tuple[int, Node, int]] = set()

    def look(table: Table, node: Node, row: int) -> None:
        if (id(table), node, row) in seen:
            return
        seen.add((id(table), node, row))
        found.assets.add(table.assets[row].row)
        step = table.steps.get(node)  # none where a node is only part of another's step
        match step:
            case Own():
                found.points.add(int(step.index[row]))
            case Fold():
                found.points.update(step.members[row, : step.count[row]].tolist())
                related(table.assets[row], str(node.inputs[0].data[0]))
                return
            case FoldAssets():
                kind = str(node.data[1])
                theirs = plan.tables[(kind,), None, table.every]
                related(table.assets[row], kind)
                for member in step.members[row, : step.count[row]].tolist():
                    look(theirs, node.inputs[0], member)
                return
            case Peer():
                group = step.inputs[-1]
                assert isinstance(group, Group)
                related(table.assets[row], str(node.data[1]))
                if group.group[row] != NONE:
                    for member in group.groups[group.group[row]].tolist():
                        if member != NONE:
                            related(table.assets[member], str(node.data[1]))
                            for part in node.inputs:
                                look(table, part, member)
            case _:
                pass
        for part in node.inputs:
            look(table, part, row)

    def related(asset: Asset, kind: str) -> None:
        if kind:
            found.assets.update(one.row for one in relations.of(asset, kind))

    table = plan.of_rule[rule.id]
    for row in rows:
        found.assets.add(table.assets[row].row)
        found.points.add(table.points[row])
        for node in rule.nodes():
            look(table, node, row)
    found.points.discard(NONE)
    return found
