"""Rules x plant to index arrays: which rows of the frame each check reads, extended as assets appear."""

from collections.abc import Iterable

import numpy as np

from monitor.collect.frame import Frame
from monitor.detect.binding import Names, Relations, affected, sku_of
from monitor.detect.focus import Says, says
from monitor.detect.limits import Limits
from monitor.detect.nodes import Node
from monitor.detect.roster import NONE, Roster
from monitor.detect.rules import ANY, CompiledRule
from monitor.detect.steps import NEVER, SIMPLE, Apply, Event, Fold, FoldAssets, Over, Site, Step, Table, Unusual
from monitor.model import I64, PHASES
from monitor.plant import OWN_KINDS, Asset, Plant

Key = tuple[tuple[str, ...], str | None, int]  # kinds, each, every


class Plan:
    """All tables of a rule set on one plant; equal operations over the same assets are one step.

    Args:
        rules: what is to be judged.
        limits: per SKU.
        plant: may grow between calls of `extend`.
        tick: s a tick.
        former: the plan of the rules before a reload; steps that it has are taken over with what they remember.

    """

    def __init__(self, rules: Iterable[CompiledRule], limits: Limits, plant: Plant, tick: float, former: "Plan | None" = None) -> None:
        self._limits = limits
        self._plant = plant
        self._tick = tick
        self._changed = plant.watch()
        self._site = Site(plant, limits, Relations(plant), Names(plant))
        self._kinds: dict[int, str] = {}  # of the assets that have been looked at
        self._former = {} if former is None else {key: (table, table.steps) for key, table in former.tables.items()}
        self.rosters: dict[tuple[tuple[str, ...], str | None], Roster] = {} if former is None else former.rosters
        self.tables: dict[Key, Table] = {}
        self.of_rule: dict[str, Table] = {}
        self._order: list[tuple[Table, Step]] = []  # inputs first
        self._run: dict[int, list[Step]] = {}  # every -> steps that can say anything here
        self._observers: list[Event | Over] = []  # of them, those for which what happens between two judgements counts
        self._says: dict[Step, Says] = {}
        for compiled in rules:
            rule = compiled.rule
            every = 1 if rule.express else max(1, round(rule.every / tick))
            table = self._table(rule.applies_to.kind, rule.each, every)
            self.of_rule[compiled.id] = table
            for node in compiled.nodes():
                self._step(table, node)
        self._former.clear()
        if former is not None:
            former.close()

    def close(self) -> None:
        """Stop looking at the plant."""
        self._plant.watchers = [watcher for watcher in self._plant.watchers if watcher is not self._changed]

    def _table(self, kinds: tuple[str, ...], each: str | None, every: int) -> Table:
        key = (kinds, each, every)
        if key not in self.tables:
            roster = self.rosters.setdefault((kinds, each), Roster(kinds, each))
            table, _ = self._former.get(key, (Table(roster, every), {}))
            table.steps = {}
            self.tables[key] = table
        return self.tables[key]

    def _step(self, table: Table, node: Node) -> Step:
        step = table.steps.get(node)
        if step is None:
            made = self._make(table, node)
            _, former = self._former.get((table.kinds, table.each, table.every), (table, {}))
            step = former.get(node, made)
            table.steps[node] = step
            self._order.append((table, step))
        return step

    def _of_events(self, table: Table, node: Node) -> bool:
        """Say whether a node is an event point, which has no value to be looked up."""
        name = node.data[0] if node.operation == "own" else table.each if node.operation == "it" else None
        return name in self._plant.vocabulary and self._plant.vocabulary[str(name)].event

    def _make(self, table: Table, node: Node) -> Step:
        if node.operation == "fold" and node.inputs[0].operation == "gather":
            return Fold(node, [])
        if node.operation == "fold":
            theirs = self._table((str(node.data[1]),), None, table.every)
            return FoldAssets(node, [self._step(theirs, node.inputs[0])], theirs)
        parts = node.inputs[0].inputs if node.operation == "event" else node.inputs  # compared when an event comes, never before
        inputs = [self._step(table, part) for part in parts]
        match node.operation:
            case "window":
                return Over(node, inputs, self._tick, table.every)
            case "novelty":
                return Unusual(node, inputs, self._tick, table.every)
            case "peer":
                inputs.append(self._step(table, Node("group", "", (), (node.data[1],))))
        return SIMPLE.get(node.operation, Apply)(node, inputs)

    @property
    def bytes(self) -> int:
        """Memory of all steps."""
        return sum(step.bytes for table in self.tables.values() for step in table.steps.values())

    def run(self, frame: Frame, number: int) -> set[int]:
        """Compute the steps that are due at tick `number`; returns how often the tables judge that were."""
        for observer in self._observers:
            observer.observe(frame)
        due = {table.every for table in self.tables.values() if number % table.every == 0}
        with np.errstate(all="ignore"):
            for every in sorted(due & self._run.keys()):
                for step in self._run[every]:
                    if frame.few:
                        step.turn(frame)
                    else:  # nearly all has changed, and asking would cost more than it saves
                        step.run(frame)
                        step.version += 1
        return due

    def speaks(self, compiled: CompiledRule) -> bool:
        """Say whether a rule's condition can be true on this plant."""
        return self._says.get(self.of_rule[compiled.id].steps[compiled.when]) is Says.ALL

    def focus(self, rules: Iterable[tuple[CompiledRule, bool]]) -> None:
        """Compute from now on only what these rules ask; each comes with whether an alert of it is open, which alone asks for `clear`."""
        asked: set[Step] = set()
        for compiled, is_open in rules:
            steps = self.of_rule[compiled.id].steps
            for node in compiled.nodes():
                whole = _below(steps[node])
                if node is not compiled.clear or is_open:
                    asked |= whole
                else:
                    for step in whole:
                        if isinstance(step, Over | Event | Unusual):  # these remember, so they miss nothing
                            asked |= _below(step)
        self._run, self._observers = {}, []
        for table, step in self._order:
            step.seen = NEVER  # what it read may have moved
            if step not in asked:
                step.rest(len(table))
                continue
            step.wake(len(table))
            if not step.still and not self._of_events(table, step.node):
                self._run.setdefault(table.every, []).append(step)
            if isinstance(step, Event) or (isinstance(step, Over) and step.observes):
                self._observers.append(step)

    def extend(self) -> list[tuple[Table, I64]]:
        """Bring every table up to the plant; returns the rows of each whose points changed their meaning."""
        if not self._changed:
            return []
        changed = set(self._changed)
        self._changed.clear()
        self._site.relations.forget()
        self._site.names.forget()
        for row in sorted(changed):
            self._look_at_sku(self._plant.by_row[row])
        assets = [self._plant.by_row[row] for row in affected(self._plant, changed)]
        stands = {asset.row: (sku_of(asset, self._plant), PHASES.index(self._plant.phase(asset))) for asset in assets}
        of_kind: dict[str, list[Asset]] = {}
        strayed = []
        for asset in assets:
            of_kind.setdefault(asset.kind, []).append(asset)
            if self._kinds.setdefault(asset.row, asset.kind) != asset.kind:
                self._kinds[asset.row] = asset.kind
                strayed.append(asset)
        again = {}
        for key, roster in self.rosters.items():
            if ANY in roster.kinds:
                mine = [asset for asset in assets if asset.kind not in OWN_KINDS]
            else:
                mine = [asset for kind in roster.kinds for asset in of_kind.get(kind, ())]
                if len(roster.kinds) > 1:
                    mine.sort(key=lambda asset: asset.row)
            gone = [asset for asset in strayed if not _belongs(asset, roster) and roster.rows(asset.row)]
            again[key] = self._rows(roster, mine, gone, stands)
        result = []
        for table in self.tables.values():
            rows = again[table.kinds, table.each]
            if rows:
                renewed: set[int] = set()
                for step in table.steps.values():
                    renewed.update(step.bind(table, rows, self._site).tolist())
                fresh = np.asarray(sorted(renewed), np.int64)
                for step in table.steps.values():
                    if len(fresh):
                        step.forget(fresh)
                result.append((table, fresh))
        self._says = says(step for table, step in self._order if len(table))
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

    def _rows(self, roster: Roster, mine: list[Asset], gone: list[Asset], stands: dict[int, tuple[str | None, int]]) -> list[int]:
        """Add rows for new assets or points, take out those that no longer belong; return all rows of these assets."""
        rows: list[int] = []
        marked: list[tuple[int, bool, Asset]] = []
        for asset in mine:
            if roster.each is None:
                (row,) = roster.add(asset, (NONE,))
                rows.append(row)
                marked.append((row, True, asset))
                continue
            present = roster.add(asset, self._each(asset, roster.each))
            all_of_it = roster.rows(asset.row)
            rows += all_of_it
            marked += [(row, row in present, asset) for row in all_of_it]
        for asset in gone:
            rows += roster.rows(asset.row)
            marked += [(row, False, asset) for row in roster.rows(asset.row)]
        roster.fit()
        for row, lives, asset in marked:
            roster.mark(row, *stands[asset.row], live=lives)
        rows.sort()
        return rows

    def _each(self, asset: Asset, quantity: str) -> list[int]:
        """Return the points that a rule has a check for; `any` means those with a state, which set-points and events are not."""
        points, event = self._plant.points, self._plant.event
        return [
            row
            for row in asset.points
            if not points[row].setpoint and (quantity == points[row].quantity or (quantity == ANY and not event[row]))
        ]


def _belongs(asset: Asset, roster: Roster) -> bool:
    return asset.kind in roster.kinds or (ANY in roster.kinds and asset.kind not in OWN_KINDS)


def _below(step: Step) -> set[Step]:
    """Return a step and all that it reads."""
    found: set[Step] = set()
    stack = [step]
    while stack:
        step = stack.pop()
        if step not in found:
            found.add(step)
            stack += step.inputs
    return found
