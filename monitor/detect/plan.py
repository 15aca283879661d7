"""Rules x plant to index arrays: which rows of the frame each check reads, extended as assets appear."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from monitor.collect.frame import Frame
from monitor.detect import kernels
from monitor.detect.binding import matching, related, sku_of, written
from monitor.detect.kernels import Window
from monitor.detect.limits import Limits
from monitor.detect.meaning import Node
from monitor.detect.rules import ANY, CompiledRule
from monitor.model import I8, I32, I64, PHASES
from monitor.plant import OWN_KINDS, Asset, Plant

NONE = -1


@dataclass(slots=True)
class Table:
    """The checks of all rules that look at the same things: a row is an asset, or a point of `each`."""

    kinds: tuple[str, ...]
    sku: str | None
    each: str | None
    assets: list[Asset] = field(default_factory=list)
    points: list[int] = field(default_factory=list)  # row in the frame, -1 in a table of assets
    index: dict[tuple[int, int], int] = field(default_factory=dict)  # (asset row, point row) -> row
    rows_of: dict[int, list[int]] = field(default_factory=dict)  # asset row -> rows
    phase: I8 = field(default_factory=lambda: np.zeros(0, np.int8))
    live: np.ndarray = field(default_factory=lambda: np.zeros(0, np.bool_))  # False: the row is out of use
    steps: dict[Node, "Step"] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.assets)


class Step:
    """One operation over all rows of a table. `out` is its newest result, shape (N,)."""

    def __init__(self, node: Node, inputs: Sequence["Step"]) -> None:
        self.node = node
        self.inputs = inputs
        self.out: np.ndarray = np.zeros(0)

    def bind(self, table: Table, rows: Sequence[int], plant: Plant, limits: Limits) -> I64:
        """Look up what the given rows read; returns those whose meaning changed."""
        return np.zeros(0, np.int64)

    def run(self, frame: Frame) -> None:
        raise NotImplementedError


class Constant(Step):
    def bind(self, table: Table, rows: Sequence[int], plant: Plant, limits: Limits) -> I64:
        self.out = np.full(len(table), float(self.node.data[0]))
        return np.zeros(0, np.int64)

    def run(self, frame: Frame) -> None:
        pass


class Limit(Step):
    def bind(self, table: Table, rows: Sequence[int], plant: Plant, limits: Limits) -> I64:
        name = str(self.node.data[0])
        self.out = limits.column([sku_of(asset, plant) for asset in table.assets], name)
        return np.zeros(0, np.int64)

    def run(self, frame: Frame) -> None:
        pass


class Own(Step):
    """A point of the row's asset, or the row's own point (`it`)."""

    def __init__(self, node: Node, inputs: Sequence[Step]) -> None:
        super().__init__(node, inputs)
        self.index: I32 = np.zeros(0, np.int32)

    def bind(self, table: Table, rows: Sequence[int], plant: Plant, limits: Limits) -> I64:
        before = self.index
        self.index = np.full(len(table), NONE, np.int32)
        self.index[: len(before)] = before
        for row in rows:
            self.index[row] = table.points[row] if self.node.operation == "it" else self._one(table.assets[row], plant)
        return np.asarray([row for row in rows if row < len(before) and before[row] != NONE and before[row] != self.index[row]], np.int64)

    def _one(self, asset: Asset, plant: Plant) -> int:
        quantity, *selector = map(str, self.node.data)
        found = matching(asset, plant, quantity, selector)
        subject = f"{asset.id} {written(quantity, selector)}"
        if len(found) > 1:
            names = ", ".join(plant.points[row].path for row in found[:3])
            plant.findings.add(
                "ambiguous", subject,
                f"{len(found)} points match ({names}); use max(), min() or mean(), or narrow it with [tags]; the rule does not watch this asset",
            )  # fmt: skip
            return NONE
        plant.findings.remove("ambiguous", subject)
        return found[0] if found else NONE

    def run(self, frame: Frame) -> None:
        self.out = frame.value[self.index]


class Life(Step):
    """What is known about the life signs of a point."""

    def run(self, frame: Frame) -> None:
        point = self.inputs[0]
        assert isinstance(point, Own)
        index = point.index
        match self.node.data[0]:
            case "age":
                self.out = frame.time - frame.alive[index]
            case "stale_after":
                self.out = frame.stale_after[index]
            case "source_silence":
                self.out = frame.time - frame.source_alive[index]
            case "heartbeat_age":
                beat = frame.heartbeat[index]
                self.out = np.where(beat == NONE, 0.0, frame.time - frame.alive[beat])
            case "bad_for":
                since = frame.bad_since[index]
                self.out = np.where(np.isnan(since) & ~np.isnan(frame.alive[index]), 0.0, frame.time - since)
        self.out = np.maximum(self.out, 0.0)


class Fold(Step):
    """max, min, mean ... of several points: the asset's own, or those of related assets."""

    def __init__(self, node: Node, inputs: Sequence[Step]) -> None:
        super().__init__(node, ())
        self.members: I32 = np.zeros((0, 0), np.int32)
        self.count: I32 = np.zeros(0, np.int32)
        self._lists: list[list[int]] = []

    def bind(self, table: Table, rows: Sequence[int], plant: Plant, limits: Limits) -> I64:
        kind, quantity, *selector = map(str, self.node.inputs[0].data)
        again = range(len(table)) if kind else rows  # related assets may have changed beside the row
        for row in again:
            owners = related(table.assets[row], kind, plant) if kind else [table.assets[row]]
            found = [point for owner in owners for point in matching(owner, plant, quantity, selector)]
            if row < len(self._lists):
                self._lists[row] = found
            else:
                self._lists.append(found)
        most = max(map(len, self._lists), default=0)
        self.members = np.full((len(self._lists), most), NONE, np.int32)
        for row, found in enumerate(self._lists):
            self.members[row, : len(found)] = found
        self.count = np.fromiter(map(len, self._lists), np.int32, len(self._lists))
        return np.zeros(0, np.int64)  # members come and go; windows over a fold go on

    def run(self, frame: Frame) -> None:
        self.out = kernels.fold(str(self.node.data[0]), frame.value[self.members], self.count)


class Peer(Step):
    """A median over the assets of this table that hang on the same asset of a kind."""

    def __init__(self, node: Node, inputs: Sequence[Step]) -> None:
        super().__init__(node, inputs)
        self._group: I32 = np.zeros(0, np.int32)
        self._groups: I32 = np.zeros((0, 0), np.int32)

    def bind(self, table: Table, rows: Sequence[int], plant: Plant, limits: Limits) -> I64:
        kind = str(self.node.data[1])
        groups: dict[tuple[str, ...], list[int]] = {}
        keys: list[tuple[str, ...]] = []
        for row, asset in enumerate(table.assets):
            key = tuple(sorted(one.id for one in related(asset, kind, plant)))
            keys.append(key)
            if key and table.live[row]:
                groups.setdefault(key, []).append(row)
        most = max(map(len, groups.values()), default=0)
        self._groups = np.full((len(groups), most), NONE, np.int32)
        number = {}
        for at, (key, members) in enumerate(groups.items()):
            self._groups[at, : len(members)] = members
            number[key] = at
        self._group = np.fromiter((number.get(key, NONE) for key in keys), np.int32, len(keys))
        return np.zeros(0, np.int64)

    def run(self, frame: Frame) -> None:
        self.out = kernels.peer_median(self.inputs[0].out, self._group, self._groups)


class Over(Step):
    """A value over a duration."""

    def __init__(self, node: Node, inputs: Sequence[Step], tick: float) -> None:
        super().__init__(node, inputs)
        self.window = Window(str(node.data[0]), float(node.data[1]), tick)

    def bind(self, table: Table, rows: Sequence[int], plant: Plant, limits: Limits) -> I64:
        self.window.extend(len(table))
        return np.zeros(0, np.int64)

    def run(self, frame: Frame) -> None:
        inner = self.inputs[0]
        value = inner.out
        if isinstance(inner, Own) and self.window.word in {"min_over", "max_over"}:
            value = (frame.least if self.window.word == "min_over" else frame.greatest)[inner.index]  # a spike between ticks counts
        self.out = self.window.push(value)


class Apply(Step):
    """Elementwise: arithmetic, comparison, logic."""

    def run(self, frame: Frame) -> None:
        self.out = elementwise(self.node.operation, [part.out for part in self.inputs])


def elementwise(word: str, parts: list[np.ndarray]) -> np.ndarray:
    match word:
        case "and":
            return kernels.every(parts)
        case "or":
            return kernels.some(parts)
        case "not":
            return kernels.opposite(parts[0])
        case "<" | "<=" | ">" | ">=" | "==" | "!=":
            return kernels.compare(word, parts[0], parts[1])
        case _:
            return kernels.arithmetic(word, parts)


_STEPS: dict[str, type[Step]] = {"constant": Constant, "limit": Limit, "own": Own, "it": Own, "life": Life, "fold": Fold, "peer": Peer}


class Plan:
    """All tables of a rule set on one plant."""

    def __init__(self, rules: Iterable[CompiledRule], limits: Limits, plant: Plant, tick: float) -> None:
        self._limits = limits
        self._plant = plant
        self._tick = tick
        self._changed = plant.watch()
        self.tables: dict[tuple[tuple[str, ...], str | None, str | None], Table] = {}
        self.of_rule: dict[str, Table] = {}
        for compiled in rules:
            applies = compiled.rule.applies_to
            key = (applies.kind, applies.sku, compiled.rule.each)
            table = self.tables.setdefault(key, Table(*key))
            self.of_rule[compiled.id] = table
            for node in filter(None, (compiled.when, compiled.clear, compiled.suspect)):
                self._step(table, node)

    def _step(self, table: Table, node: Node) -> Step:
        step = table.steps.get(node)
        if step is None:
            inputs = [self._step(table, part) for part in node.inputs] if node.operation != "fold" else []
            step = Over(node, inputs, self._tick) if node.operation == "window" else _STEPS.get(node.operation, Apply)(node, inputs)
            table.steps[node] = step
        return step

    def extend(self) -> list[tuple[Table, I64]]:
        """Bring every table up to the plant; returns the rows of each whose points changed their meaning."""
        if not self._changed:
            return []
        changed = sorted(self._changed)
        self._changed.clear()
        for row in changed:
            self._look_at_sku(self._plant.by_row[row])
        result = []
        for table in self.tables.values():
            rows = self._rows(table, [self._plant.by_row[row] for row in changed])
            if not rows and not any(isinstance(step, Fold | Peer) for step in table.steps.values()):
                continue
            renewed: set[int] = set()
            for step in table.steps.values():
                renewed.update(step.bind(table, rows, self._plant, self._limits).tolist())
            again = np.asarray(sorted(renewed), np.int64)
            for step in table.steps.values():
                if isinstance(step, Over) and len(again):
                    step.window.forget(again)
            result.append((table, again))
        return result

    def _look_at_sku(self, asset: Asset) -> None:
        """Say which racks are judged by the loosest limits because nobody told their SKU, or told one without limits."""
        if asset.kind != "rack":
            return
        sku = asset.attributes.get("sku")
        if sku is not None and sku in self._limits.values:
            self._plant.findings.remove("sku_unknown", asset.id)
        else:
            told = "nobody told its SKU" if sku is None else f'there are no limits for SKU "{sku}"'
            self._plant.findings.add("sku_unknown", asset.id, f"{told}; limits/default.yaml is used")

    def _rows(self, table: Table, assets: list[Asset]) -> list[int]:
        """Add rows for new assets or points, take out those that no longer belong; return all rows of these assets."""
        rows: list[int] = []
        for asset in assets:
            belongs = (asset.kind in table.kinds or (ANY in table.kinds and asset.kind not in OWN_KINDS)) and (
                table.sku is None or sku_of(asset, self._plant) == table.sku
            )
            points = [NONE] if table.each is None else self._each(asset, table.each)
            present = {table.index[asset.row, point] for point in points if (asset.row, point) in table.index}
            if belongs:
                for point in points:
                    if (asset.row, point) not in table.index:
                        table.index[asset.row, point] = len(table.assets)
                        table.rows_of.setdefault(asset.row, []).append(len(table.assets))
                        present.add(len(table.assets))
                        table.assets.append(asset)
                        table.points.append(point)
            rows += present
            self._mark(table, asset, present if belongs else set())
        rows.sort()
        return rows

    def _each(self, asset: Asset, quantity: str) -> list[int]:
        points = self._plant.points
        return [row for row in asset.points if not points[row].setpoint and quantity in {ANY, points[row].quantity}]

    def _mark(self, table: Table, asset: Asset, present: set[int]) -> None:
        more = len(table.assets) - len(table.live)
        if more:
            table.live = np.concatenate([table.live, np.ones(more, np.bool_)])
            table.phase = np.concatenate([table.phase, np.zeros(more, np.int8)])
        phase = PHASES.index(self._plant.phase(asset))
        for row in table.rows_of.get(asset.row, ()):
            table.live[row] = row in present
            table.phase[row] = phase
