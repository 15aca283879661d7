"""What one rule did, done again: its part of the plant and of the history through the live path, up to one tick."""

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from monitor.clock import iso
from monitor.collect.clocks import SourceClocks
from monitor.config import Time
from monitor.detect import explain, reach
from monitor.detect.binding import sku_of
from monitor.detect.core import Core
from monitor.detect.explain import Before, Explanation
from monitor.detect.rules import ANY, CompiledRule, RuleSet
from monitor.detect.wording import about
from monitor.model import F64, Act, ActKind, Alert, Phase, Point, Readings, State
from monitor.plant import UNKNOWN, Plant
from monitor.store import acts, query
from monitor.store.query import Numbered

GROWN = 5.0  # time constants after which an ewma has forgotten what was
MOST_ROWS = 20  # points of an asset that are explained at once
DAY = 86_400.0


@dataclass(frozen=True)
class Question:
    """What is asked: one rule on one asset, at a time.

    Args:
        rules: all of the folder, for what the rule's parts are called.
        rule: the one in question.
        asset: its id.
        time: s since 1970 UTC.
        point: path of one point in a rule on each; None for all.
        alert: the alert that is asked about; then `time` is when it fired.
        phase: of the asset at that time; None looks into the acts.
        back: s of history to run again; None takes what the rule looks back to.

    """

    rules: RuleSet
    rule: CompiledRule
    asset: str
    time: float
    point: str | None = None
    alert: Numbered | None = None
    phase: Phase | None = None
    back: float | None = None


@dataclass
class _Seen:
    """Stored readings as columns, by arrival."""

    point: list[str] = field(default_factory=list)
    columns: list[tuple[float, float, float, int, bool]] = field(default_factory=list)  # time, received, value, quality, snapshot


def times(facts: Mapping[str, str]) -> Time:
    """Return the settings of event time that a store remembers, the defaults where it remembers none."""
    told: dict[str, Any] = {}
    for name in Time.model_fields:
        try:
            told[name] = float(facts[name])
        except (KeyError, ValueError):
            continue
    return Time().model_copy(update=told)  # a replay's tick may be longer than a site's


def ask(
    store: Path,
    question: Question,
    lookback: Callable[[float], float],
    *,
    told: Callable[[str], None] | None = None,
    progress: Callable[[float], None] | None = None,
) -> list[Explanation]:
    """Run a rule again over what a store has and explain it; [] where the store knows neither the asset nor anything at that time.

    Args:
        store: the folder of `dcmon run` or of a replay.
        question: what is asked.
        lookback: s that a rule looks back, from the longest staleness of its points.
        told: called with what cannot be read.
        progress: called with the share that is done, 0 to 1.

    Raises:
        StoreLost: the store cannot be read.

    """
    again = _Rerun(store, question, lookback, told, progress)
    return again.run()


class _Rerun:
    def __init__(
        self,
        store: Path,
        question: Question,
        lookback: Callable[[float], float],
        told: Callable[[str], None] | None,
        progress: Callable[[float], None] | None,
    ) -> None:
        self._store = store
        self._base = store / "monitor.db"
        self._question = question
        self._lookback = lookback
        self._told = told
        self._progress = progress
        self._time = times(query.facts(self._base))
        self._notes: list[str] = []
        self._short = ""  # what to say where the history does not reach back far enough
        self._points: set[str] = set()  # paths that the rule reads
        rule = question.rule.rule
        if rule.status == "retired":
            rule = rule.model_copy(update={"status": "trial"})
            self._notes.append("the rule is retired: the monitor does not judge it; this is what it would have said")
        self._rule = replace(question.rule, rule=rule)
        self._alone = replace(question.rules, rules=(self._rule,))

    def run(self) -> list[Explanation]:
        question, time = self._question, self._time
        told = _rows(self._base, self._rule, question.asset)
        if not any(row[0] == question.asset for row in told["assets"]):
            return []
        plant = self._built(told)
        core = self._core(plant)
        asset = plant.assets[question.asset]
        rows = explain.rows(core, self._rule, question.asset, question.point)
        tick = (math.ceil if question.alert is not None else math.floor)(round(question.time / time.tick, 6))
        if not rows:
            return [explain.excluded(core, self._rule, asset, tick * time.tick, sku_of(asset, plant), question.point or "")]
        if len(rows) > MOST_ROWS:
            self._notes.append(f"the first {MOST_ROWS} of {len(rows)} points; --point asks for one")
        core = self._reduced(core, told, rows[:MOST_ROWS])
        begin, seen = self._read(core.plant, question.time)
        if not seen.point:
            return []
        open_before = self._open_before(begin)
        core = self._core(core.plant, open_before)
        every = core.engine.plan.of_rule[self._rule.id].every
        judged = tick - tick % every
        return self._play(core, seen, math.floor(begin / time.tick), judged)

    def _core(self, plant: Plant, open_alerts: Sequence[Numbered] = ()) -> Core:
        alerts = [replace(one.alert, state=State.FIRING, ended=None) for one in open_alerts]
        episodes = {alert.key[:3]: alert.episode for alert in alerts}
        if (asked := self._question.alert) is not None and asked.alert.key[:3] not in episodes:
            episodes[asked.alert.key[:3]] = asked.alert.episode - 1
        core = Core(plant, self._alone, self._time, open_alerts=alerts, episodes=episodes)
        core.engine.extend()
        return core

    def _built(self, told: Mapping[str, Sequence[Sequence[Any]]], assets: set[str] | None = None, points: set[str] | None = None) -> Plant:
        """Make a plant of the snapshot's rows, or of some of them."""
        plant = Plant(self._alone.vocabulary)
        for name, kind, parent, attributes, phase in told["assets"]:
            if assets is None or name in assets:
                known = parent if assets is None or parent in assets else None
                asset = plant.asset(name, None if kind == UNKNOWN else kind, parent=known)
                asset.attributes = {**asset.attributes, **json.loads(attributes)}
                asset.phase = Phase(phase)
        for giver, taker in told["edges"]:
            if assets is None or (giver in assets and taker in assets):
                plant.serve(giver, taker)
        for path, asset, quantity, unit, tags, setpoint, states, source, interval in told["points"]:
            if points is None or path in points:
                plant.describe(
                    Point(
                        source, path, asset, quantity, unit, tags=tuple(json.loads(tags)), setpoint=bool(setpoint),
                        states=tuple((int(value), label) for value, label in json.loads(states)), interval=interval,
                    )
                )  # fmt: skip
        plant.assets[self._question.asset].phase = self._phase(plant)
        return plant

    def _phase(self, plant: Plant) -> Phase:
        """Return the phase of the asset at the time in question."""
        question = self._question
        if question.alert is not None:
            return question.alert.alert.phase
        if question.phase is not None:
            return question.phase
        line: list[str] = []
        at = plant.assets.get(question.asset)
        while at is not None and len(line) < 20:
            line.append(at.id)
            at = plant.assets.get(at.parent) if at.parent is not None else None
        done = [act for act in acts.after(self._store / "acts.db", 0) if act.kind is ActKind.PHASE and act.asset in line]
        before = [act for act in done if act.time <= question.time]
        if before:
            nearest = min(before, key=lambda act: (line.index(act.asset), -act.id))
            return Phase(nearest.value)
        now = plant.phase(plant.assets[question.asset])
        if done:
            self._note(f"its phase was set by {done[0].who} only later ({iso(done[0].time)}); watch is assumed for this time")
            return Phase.WATCH
        return now

    def _note(self, text: str) -> None:
        if text not in self._notes:
            self._notes.append(text)

    def _reduced(self, core: Core, told: Mapping[str, Sequence[Sequence[Any]]], rows: Sequence[int]) -> Core:
        """Return a core over the part of the plant that decides about some rows; over all of it where the part would read something else."""
        plant = core.plant
        found = reach.reach(core.engine.plan, plant, self._rule, rows)
        points = {plant.points[row].path for row in found.points}
        kinds = {kind for kinds, _, _ in core.engine.plan.tables for kind in kinds}
        needed = {plant.by_row[row].id for row in found.assets}
        for name in list(needed):
            at = plant.assets[name].parent
            while at is not None and at not in needed:
                needed.add(at)
                at = plant.assets[at].parent
        if ANY not in kinds:
            needed |= {asset.id for asset in plant.by_row if asset.kind not in kinds}
        keep = points | self._thin(plant, points)
        small = self._core(self._built(told, needed | {row[1] for row in told["points"] if row[0] in keep}, keep))
        again = reach.reach(
            small.engine.plan,
            small.plant,
            self._rule,
            explain.rows(small, self._rule, self._question.asset, self._question.point)[:MOST_ROWS],
        )
        if {small.plant.points[row].path for row in again.points} == points:
            self._points = points
            return small
        self._points = points
        return core

    def _thin(self, plant: Plant, points: Iterable[str]) -> set[str]:
        """Return the points that a rule about life signs needs because their source speaks through them."""
        if not reach.asks_life(self._rule):
            return set()
        sources = {plant.points[plant.rows[path]].source for path in points} | {self._question.asset.removeprefix("source/")}
        return {point.path for point in plant.points if point.source in sources and point.source != "monitor"}

    def _read(self, plant: Plant, until: float) -> tuple[float, _Seen]:
        """Read the history from far enough before; returns from when, and what there was."""
        history = self._store / "history"
        first = query.history_begins(history)
        if first is None:
            return until, _Seen()
        stale = self._time.stale_factor * max(
            (plant.points[plant.rows[path]].interval for path in self._points if plant.points[plant.rows[path]].source != "monitor"),
            default=0.0,
        )
        word = reach.never_forgets(self._rule)
        back = self._question.back
        begin = until - (back if back is not None else self._lookback(stale) * (GROWN if "ewma(" in self._rule.rule.when else 1.0))
        if back is None and (word or reach.asks_life(self._rule)):
            begin = min(begin, first) if word else begin - DAY
        if word:
            self._notes.append(
                f"{word}() remembers all of an asset's past; here it begins {iso(max(begin, first))}, where the history that is left begins"
            )
        elif begin < first:
            self._short = f"the history begins {iso(first)}, {about(until - first)} before; the rule looks back {about(until - begin)}"
        begin = max(begin, first)
        sources: dict[str, list[str]] = {}
        for path in sorted(self._thin(plant, self._points) - self._points):
            sources.setdefault(plant.points[plant.rows[path]].source, []).append(path)
        found: list[tuple[float, str, tuple[float, float, float, int, bool]]] = []
        other = 0
        for paths, thin in [(sorted(self._points), []), *(([], theirs) for theirs in sources.values())]:
            for path, time, received, value, quality, snapshot, unit in query.readings(
                history, paths, since=begin, until=until + self._time.tick, thin=thin, told=self._told
            ):
                if plant.points[plant.rows[path]].unit != unit:
                    other += 1
                    continue
                row = (received if time is None else time, received, np.nan if value is None else value, quality, snapshot)
                found.append((received, path, row))
        if sources:
            found.sort(key=lambda one: one[0])
        seen = _Seen([path for _, path, _ in found], [row for _, _, row in found])
        if other:
            self._notes.append(f"{other} readings are left out: their point had another unit then")
        return begin, seen

    def _open_before(self, begin: float) -> list[Numbered]:
        """Return the alerts of the rule on the asset that were open when the re-run begins."""
        found = query.alerts_of(self._base, self._rule.id, self._question.asset, begin, begin)
        return [
            one for one in found if one.alert.fired < begin and (self._question.alert is None or one.number != self._question.alert.number)
        ]

    def _play(self, core: Core, seen: _Seen, first: int, last: int) -> list[Explanation]:
        plant, tick = core.plant, self._time.tick
        every = core.engine.plan.of_rule[self._rule.id].every
        readings, order, life, number = _ordered(plant, seen, self._time, core.ticks.clocks)
        starts = np.searchsorted(number, np.arange(first, last + 2))
        self._cover(core)
        done = [
            act for act in acts.after(self._store / "acts.db", 0) if act.kind is ActKind.ACKNOWLEDGE and act.asset == self._question.asset
        ]
        before = Before()
        changes: list[Alert] = []
        for at in range(first, last + 1):
            rows = slice(0 if at == first else int(starts[at - first]), int(starts[at - first + 1]))
            if rows.start == rows.stop and at % every:
                continue
            while done and done[0].time <= at * tick:
                self._acknowledge(core, done.pop(0))
            if at == last:
                before = Before.of(core, self._rule.id)
            index = np.arange(rows.start, rows.stop)
            changes = core.take(at * tick, readings.take(index), order[index], life[index])
            if self._progress is not None and not at % 256:
                self._progress((at - first) / max(1, last - first))
        asked = self._question.alert
        found = []
        for row in explain.rows(core, self._rule, self._question.asset, self._question.point)[:MOST_ROWS]:
            one = explain.explain(core, self._question.rules, self._rule, row, changes, before)
            notes = [*self._notes, *([self._short] if self._short and one.verdict != "fires" else []), *self._unlike(one)]
            found.append(replace(one, notes=tuple(notes), status=self._question.rule.rule.status))
        return [one for one in found if asked is None or one.point == asked.alert.point]

    def _unlike(self, one: Explanation) -> list[str]:
        """Say where the re-run and the stored alert differ."""
        asked = self._question.alert
        if asked is None or (one.verdict == "fires" or (one.verdict == "firing" and one.open_since == asked.alert.fired)):
            return []
        if one.verdict == "firing" and one.open_since is not None:
            return [
                f"in the re-run it fires {abs(asked.alert.fired - one.open_since):g} s {'earlier' if one.open_since < asked.alert.fired else 'later'}"
            ]
        told = " against ".join(
            f"{number:.4g} {asked.alert.unit}".strip() for number in (asked.alert.value, asked.alert.limit) if number is not None
        )
        return [f"the re-run of what is stored does not fire here; the alert itself says {told or asked.alert.summary}"]

    def _acknowledge(self, core: Core, act: Act) -> None:
        for alert in core.engine.open_alerts():
            if acts.acknowledged_by(act, alert):
                core.engine.acknowledge(*alert.key[:3])

    def _cover(self, core: Core) -> None:
        """Let heartbeats cover their source; the store does not keep a heartbeat's scope."""
        if not reach.asks_life(self._rule):
            return
        for beat, point in enumerate(core.plant.points):
            if point.quantity in reach.OWN_CLOCKS:
                core.cover(beat, [row for row, other in enumerate(core.plant.points) if other.source == point.source])
                self._note("each heartbeat is taken to cover its whole source; the store does not keep its scope")


def _rows(base: Path, rule: CompiledRule, asset: str) -> dict[str, list[Any]]:
    named = reach.quantities(rule) - {ANY}
    found = query.plant_rows(base, named, (), asset)
    if reach.asks_life(rule):
        sources = {row[7] for row in found["points"] if row[1] == asset} | {asset.removeprefix("source/")}
        found = query.plant_rows(base, named, sources - {"monitor"}, asset)
    return found


def _ordered(plant: Plant, seen: _Seen, time: Time, clocks: SourceClocks) -> tuple[Readings, F64, F64, np.ndarray]:
    """Return the readings by tick, with order times, life-sign times and tick numbers, as live ticks would take them in."""
    rows = np.array([plant.rows[path] for path in seen.point], np.int32)
    columns = np.array(seen.columns, np.float64).reshape(-1, 5)
    readings = Readings(rows, columns[:, 0], columns[:, 1], columns[:, 2], columns[:, 3].astype(np.uint8), columns[:, 4].astype(np.bool_))
    readings = readings.take(~(readings.snapshot & plant.event[readings.point]))
    order, life = np.empty(len(readings)), np.empty(len(readings))
    cuts = [0, *(np.flatnonzero(np.diff(np.floor(readings.received / time.tick))) + 1).tolist(), len(readings)]
    for start, stop in pairwise(cuts):
        if stop > start:
            batch = readings.take(np.arange(start, stop))
            order[start:stop], life[start:stop] = clocks.order(batch, plant.source_of[batch.point])
    number = np.ceil(np.round(order / time.tick, 9)).astype(np.int64)
    by_tick = np.argsort(number, kind="stable")
    return readings.take(by_tick), order[by_tick], life[by_tick], number[by_tick]
