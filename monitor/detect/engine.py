"""Frame in, changes out. Python objects only for what changed."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from monitor.collect.frame import Frame
from monitor.detect import kernels
from monitor.detect.express import Lane
from monitor.detect.hold import Hold, advance
from monitor.detect.meaning import BOOLEAN, Node
from monitor.detect.plan import NONE, Plan, Table
from monitor.detect.rules import CompiledRule, RuleSet
from monitor.model import F64, I64, PHASES, Alert, Bool, Readings, Severity, State
from monitor.plant import Plant

Key = tuple[str, str, str]  # rule, asset, point


@dataclass
class _Checks:
    """One rule on its table: the timers, and the open alerts by row."""

    compiled: CompiledRule
    table: Table
    allowed: Bool  # by phase
    hold: Hold = field(default_factory=Hold.empty)
    open: dict[int, Alert] = field(default_factory=dict)
    lane: Lane | None = None
    active: Bool = field(default_factory=lambda: np.zeros(0, np.bool_))  # in use and in an allowed phase
    whole: bool = True  # every row is active

    def __post_init__(self) -> None:
        steps, compiled = self.table.steps, self.compiled
        self.when = steps[compiled.when]
        self.clear = None if compiled.clear is None else steps[compiled.clear]
        self.suspect = None if compiled.suspect is None else steps[compiled.suspect]
        self.sides = None if compiled.sides is None else (steps[compiled.sides[0]], steps[compiled.sides[1]])

    def extend(self) -> None:
        self.hold.extend(len(self.table))
        self.active = self.table.live & self.allowed[self.table.phase]
        self.whole = bool(self.active.all())


class Engine:
    """Judges every rule on every asset of the plant, once a tick; express rules on arrival too.

    Args:
        rules: the checked rule set.
        plant: may grow between calls.
        tick: s a tick.
        open_alerts: alerts that were open when the monitor last stopped; they go on with their episode.
        episodes: last episode of each (rule, asset, point).

    """

    def __init__(
        self,
        rules: RuleSet,
        plant: Plant,
        tick: float = 1.0,
        *,
        open_alerts: Iterable[Alert] = (),
        episodes: Mapping[Key, int] | None = None,
    ) -> None:
        self._plant = plant
        self._tick = tick
        judged = [one for one in rules.rules if one.rule.status != "retired"]
        self.plan = Plan(judged, rules.limits, plant, tick)
        self._checks = [_Checks(one, self.plan.of_rule[one.id], np.array([phase in one.rule.phases for phase in PHASES])) for one in judged]
        for checks in self._checks:
            if checks.compiled.rule.express:
                checks.lane = Lane(checks.compiled.when)
        self._lanes = [checks for checks in self._checks if checks.lane is not None]
        self._resumed: dict[Key, Alert] = {alert.key[:3]: alert for alert in open_alerts}
        self._episodes: dict[Key, int] = dict(episodes or {})
        self._express_points: Bool = np.zeros(0, np.bool_)
        self._calm: F64 = np.zeros(0)  # value of each point that was last judged and no breach; it need not be judged again

    @property
    def checks(self) -> int:
        """Number of checks: rules times the assets or points that they look at."""
        return sum(int(np.count_nonzero(checks.table.live)) for checks in self._checks)

    def open_alerts(self) -> list[Alert]:
        return [alert for checks in self._checks for alert in checks.open.values()]

    def orphans(self) -> list[Alert]:
        """Return resumed alerts whose rule is gone; nothing will ever end them here."""
        known = {checks.compiled.id for checks in self._checks}
        return [alert for key, alert in self._resumed.items() if key[0] not in known]

    def extend(self) -> None:
        """Bring the plan up to the plant; cheap when nothing changed."""
        changed = self.plan.extend()
        if not changed:
            return
        renewed = {id(table): rows for table, rows in changed}
        for checks in self._checks:
            if id(checks.table) not in renewed:
                continue
            before = len(checks.hold.firing)
            checks.extend()
            rows = renewed[id(checks.table)]
            if len(rows):
                checks.hold.forget(rows)
            if self._resumed:
                self._resume(checks, range(before, len(checks.table)))
            if checks.lane is not None:
                checks.lane.bind(checks.table, len(self._plant.points))
        self._express_points = np.zeros(len(self._plant.points), np.bool_)
        self._calm = np.full(len(self._plant.points), np.nan)
        for checks in self._lanes:
            assert checks.lane is not None
            checks.lane.fit(len(self._plant.points))
            of_point = checks.lane.row_of
            self._express_points |= (of_point >= 0) & checks.active[of_point] if len(checks.table) else False

    def _resume(self, checks: _Checks, rows: Iterable[int]) -> None:
        for row in rows:
            alert = self._resumed.pop(self._key(checks, row), None)
            if alert is not None:
                checks.open[row] = alert
                checks.hold.firing[row] = True
                checks.hold.quiet = False

    def _key(self, checks: _Checks, row: int) -> Key:
        point = checks.table.points[row]
        return (checks.compiled.id, checks.table.assets[row].id, "" if point == NONE else self._plant.points[point].path)

    def express(self, readings: Readings, order: F64, newest: F64) -> list[Alert]:
        """Judge the express rules on readings as they arrive, before their tick closes.

        Args:
            readings: a batch.
            order: (N,) order times, s since 1970 UTC.
            newest: (S + 1,) order time of the newest reading of each point that the frame holds.

        Returns:
            Alerts that fired now; the tick's close may settle an earlier fire time or a lower severity.

        """
        self.extend()
        if not self._lanes:
            return []
        points = readings.point
        chosen = self._express_points[points] & (readings.value != self._calm[points])
        if not chosen.any():
            return []
        chosen = chosen & (readings.quality == 0) & ~readings.snapshot & ~np.isnan(readings.value) & (order > newest[points])
        if not chosen.any():
            return []
        point, time, value = points[chosen], order[chosen], readings.value[chosen]
        self._calm[point] = value
        fired: list[Alert] = []
        for checks in self._lanes:
            lane = checks.lane
            assert lane is not None
            breached = lane.judge(point, time, value, checks.table, checks.active)
            if len(breached):
                self._calm[point[np.isin(lane.row_of[point], breached)]] = np.nan
                fired += [
                    self._fire(checks, row, lane.since[row], lane.value[row], lane.limit(checks.table, row))
                    for row in breached.tolist()
                    if row not in checks.open and not checks.hold.firing[row]
                ]
        return fired

    def tick(self, frame: Frame) -> list[Alert]:
        """Judge every rule on one closed tick; returns what changed, in the order of rules."""
        self.extend()
        for table in self.plan.tables.values():
            if len(table):
                for step in table.steps.values():
                    step.run(frame)
        changes: list[Alert] = []
        for checks in self._checks:
            if len(checks.table):
                changes += self._move(checks, frame.time)
        return changes

    def _move(self, checks: _Checks, time: float) -> list[Alert]:
        hold, rule = checks.hold, checks.compiled.rule
        changes = self._settle(checks, time) if checks.lane is not None and checks.lane.waiting else []
        when = checks.when.out
        if not checks.whole:
            when = np.where(checks.active, when, np.int8(kernels.FALSE))
        if hold.quiet and when.max() != kernels.TRUE:
            return changes  # nothing open, no timer runs, nothing holds: as it is nearly always
        clear = kernels.opposite(checks.when.out) if checks.clear is None else checks.clear.out
        if not checks.table.live.all():  # what left the plant ends; what is only out of phase ends when it clears
            clear = np.where(checks.table.live, clear, np.int8(kernels.TRUE))
        fired, ended = advance(hold, when, clear, self._tick, rule.for_, rule.keep)
        changes += [self._end(checks, row, time) for row in np.flatnonzero(ended).tolist()]
        changes += [
            self._fire(checks, row, time, *self._sides(checks, row), again=checks.open.get(row)) for row in np.flatnonzero(fired).tolist()
        ]
        return changes

    def _settle(self, checks: _Checks, time: float) -> list[Alert]:
        """Give the express alerts of the closed ticks their final fire time and severity."""
        lane = checks.lane
        assert lane is not None
        changes = []
        for row in lane.settled(time).tolist():
            if checks.hold.firing[row]:
                continue
            checks.hold.firing[row] = True
            checks.hold.elapsed[row] = np.nan
            checks.hold.quiet = False
            told = checks.open.get(row)
            final = self._fire(checks, row, lane.since[row], lane.value[row], lane.limit(checks.table, row), again=told)
            if final != told:
                changes.append(final)
        lane.forget(time)
        return changes

    def _sides(self, checks: _Checks, row: int) -> tuple[float, float]:
        if checks.sides is None:
            return np.nan, np.nan
        value, limit = (float(side.out[row]) for side in checks.sides)
        return value, limit

    def _fire(self, checks: _Checks, row: int, time: float, value: float, limit: float, *, again: Alert | None = None) -> Alert:
        rule = checks.compiled.rule
        key = self._key(checks, row)
        if again is None:
            self._episodes[key] = self._episodes.get(key, 0) + 1
        asset = checks.table.assets[row]
        suspect = checks.suspect is not None and row < len(checks.suspect.out) and bool(checks.suspect.out[row] == kernels.TRUE)
        unit = checks.compiled.sides[0].unit if checks.compiled.sides else ""
        alert = Alert(
            rule=rule.id,
            asset=key[1],
            point=key[2],
            episode=self._episodes[key],
            severity=rule.severity.below if suspect else rule.severity,
            state=State.FIRING,
            fired=float(time),
            ended=None,
            value=_or_none(value),
            limit=_or_none(limit),
            unit=unit,
            summary=summary(rule.title, value, limit, unit, suspect=suspect),
            phase=self._plant.phase(asset),
            told=rule.status == "stable",
        )
        checks.open[row] = alert
        return alert

    def _end(self, checks: _Checks, row: int, time: float) -> Alert:
        alert = checks.open.pop(row)
        return replace(alert, state=State.ENDED, ended=max(float(time), alert.fired))  # a clock may have gone back over a restart


def summary(title: str, value: float, limit: float, unit: str, *, suspect: bool = False) -> str:
    """Say what holds, with the two numbers that decided.

    >>> summary("Rack flow too low", 24.06, 31.2, "L/min")
    'Rack flow too low: 24.1 L/min against 31.2 L/min'
    """
    text = title + (", sensor suspect" if suspect else "")
    if np.isnan(value) or (not unit and value == limit):  # a state says nothing by its number
        return text
    tail = f" {unit}" if unit and unit != BOOLEAN else ""
    return f"{text}: {value:.3g}{tail}" + ("" if np.isnan(limit) else f" against {limit:.3g}{tail}")


def _or_none(number: float) -> float | None:
    return None if np.isnan(number) else float(number)


__all__ = ["I64", "Engine", "Key", "Node", "Sequence", "Severity", "summary"]
