"""Frame in, changes out. Python objects only for what changed."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from monitor.collect.frame import Frame
from monitor.detect import kernels
from monitor.detect.express import Lane
from monitor.detect.hold import Hold, advance
from monitor.detect.nodes import BOOLEAN, walk
from monitor.detect.plan import Plan
from monitor.detect.roster import NONE
from monitor.detect.rules import CompiledRule, RuleSet
from monitor.detect.steps import NEVER, Step, Table, Unusual
from monitor.model import F64, PHASES, Alert, Bool, Readings, Severity, State
from monitor.plant import Plant

Key = tuple[str, str, str]  # rule, asset, point
CHATTERS = 3  # firings within the rule's `chatter` that make an alert chatter (ISA-18.2)
CONTRIBUTORS = 3  # points of a novelty() that an alert names


@dataclass
class _Rung:
    """A severity above the rule's own, and who reached it."""

    severity: Severity
    wait: float
    when: Step
    hold: Hold = field(default_factory=Hold)


@dataclass
class _Checks:
    """One rule on its table: the timers, and the open alerts by row."""

    compiled: CompiledRule
    table: Table
    hold: Hold = field(default_factory=Hold)
    open: dict[int, Alert] = field(default_factory=dict)
    lane: Lane | None = None
    active: Bool = field(default_factory=lambda: np.zeros(0, np.bool_))  # in use, in an allowed phase, and of an allowed SKU
    whole: bool = True  # every row is active
    seen: int = NEVER  # version of the condition when it was judged last
    fires: dict[int, list[float]] = field(default_factory=dict)  # times of the last firings by row
    damped: dict[int, float] = field(default_factory=dict)  # s for which a chattering row has to be quiet

    def __post_init__(self) -> None:
        steps, compiled = self.table.steps, self.compiled
        self.when = steps[compiled.when]
        self.clear = None if compiled.clear is None else steps[compiled.clear]
        self.suspect = None if compiled.suspect is None else steps[compiled.suspect]
        self.sides = None if compiled.sides is None else (steps[compiled.sides[0]], steps[compiled.sides[1]])
        self.rungs = [_Rung(rung.severity, rung.for_, steps[node]) for rung, node in zip(compiled.rule.ladder, compiled.rungs, strict=True)]
        self.unusual = [step for node in walk(compiled.when) if isinstance(step := steps.get(node), Unusual)]
        self.allowed = np.array([phase in compiled.rule.phases for phase in PHASES])
        if compiled.rule.express:
            self.lane = Lane(compiled.when)

    def steps(self) -> list[Step | None]:
        return [self.when, self.clear, self.suspect, *(rung.when for rung in self.rungs)]

    def extend(self) -> None:
        self.seen = NEVER
        for hold in (self.hold, *(rung.hold for rung in self.rungs)):
            hold.extend(len(self.table))
        self.active = self.table.live & self.allowed[self.table.phase]
        applies = self.compiled.rule.applies_to
        if applies.sku or applies.not_sku:
            self.active &= self.table.roster.of_sku(applies.allows)
        self.whole = bool(self.active.all())

    def keep(self) -> float | F64:
        """Return how long `clear` has to hold, s, of all rows or of each."""
        keep = self.compiled.rule.keep
        if not self.damped:
            return keep
        each = np.full(len(self.table), keep)
        for row, quiet in self.damped.items():
            each[row] = max(keep, quiet)
        return each


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
        self._resumed: dict[Key, Alert] = {alert.key[:3]: alert for alert in open_alerts}
        self._episodes: dict[Key, int] = dict(episodes or {})
        self._acknowledged: set[Key] = set()  # of open alerts, those whose asset has not come back after a restart included
        self._express_points: Bool = np.zeros(0, np.bool_)
        self._strangers: list[tuple[Readings, F64]] = []  # readings of points that the plan does not know, and their order times
        self._judged: list[_Checks] = []  # those that can say anything on this plant
        self._opened: set[str] = set()  # rules of them that had an open alert when the plan was focused
        self._calm: F64 = np.zeros(0)  # value of each point that was last judged and no breach; it need not be judged again
        judged = [one for one in rules.rules if one.rule.status != "retired"]
        self.plan = Plan(judged, rules.limits, plant, tick)
        self._take([_Checks(one, self.plan.of_rule[one.id]) for one in judged])

    def _take(self, checks: list[_Checks]) -> None:
        self._checks = checks
        self._lanes = [one for one in checks if one.lane is not None]

    def reload(self, rules: RuleSet, time: float) -> list[Alert]:
        """Go on with other rules. What is judged as before keeps its timers, windows and alerts; returns what ended with its rule."""
        judged = [one for one in rules.rules if one.rule.status != "retired"]
        before = {checks.compiled.id: checks for checks in self._checks}
        self.plan = Plan(judged, rules.limits, self._plant, self._tick, self.plan)
        taken = []
        handed: dict[Key, Alert] = {}
        for one in judged:
            old = before.pop(one.id, None)
            fresh = _Checks(one, self.plan.of_rule[one.id])
            if old is not None and old.compiled.rule == one.rule and old.steps() == fresh.steps():
                old.compiled = one
                taken.append(old)
                continue
            handed |= {alert.key[:3]: alert for alert in old.open.values()} if old is not None else {}
            taken.append(fresh)
        self._resumed |= handed
        self._take(taken)
        self._express_points = self._express_points[:0]  # of the rules before
        self.extend()
        gone = [alert for checks in before.values() for alert in checks.open.values()]
        gone += [self._resumed.pop(key) for key in handed if key in self._resumed]  # the rule looks at something else now
        gone += self.orphans()
        self._acknowledged -= {alert.key[:3] for alert in gone}
        return [replace(alert, state=State.ENDED, ended=max(time, alert.fired)) for alert in gone]

    def acknowledge(self, rule: str, asset: str, point: str = "") -> bool:
        """Let a latched alert end once its condition is over; says whether it is open."""
        key = (rule, asset, point)
        is_open = key in self._resumed or any(
            alert.key[:3] == key for checks in self._checks if checks.compiled.id == rule for alert in checks.open.values()
        )
        if is_open:
            self._acknowledged.add(key)
        return is_open

    def is_acknowledged(self, alert: Alert) -> bool:
        return alert.key[:3] in self._acknowledged

    def look(self, rule: str) -> _Checks:
        """Return how one rule stands, for who explains it; nothing of it is to be changed."""
        return next(checks for checks in self._checks if checks.compiled.id == rule)

    @property
    def checks(self) -> int:
        """Number of checks: rules times the assets or points that they look at."""
        return sum(int(np.count_nonzero(checks.table.live)) for checks in self._checks)

    def open_alerts(self) -> list[Alert]:
        """Return what is open, that of assets that have not come back after a restart included."""
        return [*(alert for checks in self._checks for alert in checks.open.values()), *self._resumed.values()]

    def orphans(self) -> list[Alert]:
        """Forget and return resumed alerts whose rule is gone; nothing would ever end them here."""
        known = {checks.compiled.id for checks in self._checks}
        return [self._resumed.pop(key) for key in list(self._resumed) if key[0] not in known]

    def extend(self) -> None:
        """Bring the plan up to the plant; cheap when nothing changed."""
        changed = self.plan.extend()
        if not changed and len(self._express_points) == len(self._plant.points):
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
                checks.lane.bind(checks.table)
        self._express_points = np.zeros(len(self._plant.points), np.bool_)
        self._calm = np.full(len(self._plant.points), np.nan)
        for checks in self._lanes:
            assert checks.lane is not None
            self._express_points[checks.lane.points[checks.active[checks.lane.rows]]] = True
        self._judged = [checks for checks in self._checks if len(checks.table) and (checks.open or self.plan.speaks(checks.compiled))]
        self._focus()

    def _focus(self) -> None:
        self.plan.focus((checks.compiled, bool(checks.open)) for checks in self._judged)
        self._opened = {checks.compiled.id for checks in self._judged if checks.open}

    def _resume(self, checks: _Checks, rows: Iterable[int]) -> None:
        for row in rows:
            alert = self._resumed.pop(self._key(checks, row), None)
            if alert is not None:
                checks.open[row] = alert
                checks.hold.fire(row)

    def _key(self, checks: _Checks, row: int) -> Key:
        point = checks.table.points[row]
        return (checks.compiled.id, checks.table.assets[row].id, "" if point == NONE else self._plant.points[point].path)

    def express(self, readings: Readings, order: F64, frame: Frame) -> list[Alert]:
        """Judge the express rules on readings as they arrive, before their tick closes.

        Args:
            readings: a batch.
            order: (N,) order times, s since 1970 UTC.
            frame: what the last tick knew.

        Returns:
            Alerts that fired now; the tick's close may settle an earlier fire time or a lower severity. Readings of points that came after
            the last `extend` wait for `welcome`.

        """
        if not self._lanes:
            return []
        known = len(self._express_points)
        if readings.point.max(initial=-1) >= known:  # the plan has yet to learn of some points
            new = readings.point >= known
            self._strangers.append((readings.take(new), order[new]))
            readings, order = readings.take(~new), order[~new]
        rows = np.flatnonzero(self._express_points[readings.point])  # few of many
        rows = rows[readings.value[rows] != self._calm[readings.point[rows]]]
        if not len(rows):
            return []
        point, time, value = readings.point[rows], order[rows], readings.value[rows]
        chosen = (readings.quality[rows] == 0) & ~readings.snapshot[rows] & ~np.isnan(value)
        event = self._plant.event[point] & chosen
        chosen &= (time > frame.newest[point]) | event
        for row in np.flatnonzero(event).tolist():
            chosen[row] = not frame.came(int(point[row]), float(time[row]), float(value[row]))
        if not chosen.any():
            return []
        point, time, value = point[chosen], time[chosen], value[chosen]
        self._calm[point] = value
        fired: list[Alert] = []
        for checks in self._lanes:
            lane = checks.lane
            assert lane is not None
            breached = lane.judge(point, time, value, checks.table, checks.active)
            if len(breached):
                self._calm[point[np.isin(lane.row_of(point), breached)]] = np.nan
                fired += [
                    self._fire(checks, row, lane.since[row], lane.value[row], lane.limit(checks.table, row))
                    for row in breached.tolist()
                    if row not in checks.open and not checks.hold.firing[row]
                ]
        return fired

    def welcome(self, frame: Frame) -> list[Alert]:
        """Judge the express rules on what points said before the plan knew of them."""
        waited, self._strangers = self._strangers, []
        return [alert for readings, order in waited for alert in self.express(readings, order, frame)]

    def tick(self, frame: Frame) -> list[Alert]:
        """Judge every rule that is due on one closed tick; returns what changed, in the order of rules."""
        self.extend()
        due = self.plan.run(frame, round(frame.time / self._tick))
        changes: list[Alert] = []
        for checks in self._judged:
            if checks.table.every in due:
                changes += self._move(checks, frame.time)
        if self._opened != {checks.compiled.id for checks in self._judged if checks.open}:
            self._focus()
        return changes

    def _move(self, checks: _Checks, time: float) -> list[Alert]:
        hold, rule = checks.hold, checks.compiled.rule
        changes = self._settle(checks, time) if checks.lane is not None and checks.lane.waiting else []
        if hold.quiet and checks.when.version == checks.seen:
            return changes  # as it was the last time
        checks.seen = checks.when.version
        when = checks.when.out
        if not checks.whole:
            when = np.where(checks.active, when, np.int8(kernels.FALSE))
        if hold.quiet and when.max() != kernels.TRUE:
            return changes  # nothing open, no timer runs, nothing holds: as it is nearly always
        clear = kernels.opposite(checks.when.out) if checks.clear is None else checks.clear.out
        if rule.latch and checks.open:
            clear = clear.copy()
            clear[[row for row, alert in checks.open.items() if alert.key[:3] not in self._acknowledged]] = kernels.FALSE
        if not checks.table.live.all():  # what left the plant ends; what is only out of phase ends when it clears
            clear = np.where(checks.table.live, clear, np.int8(kernels.TRUE))
        fired, ended = advance(hold, when, clear, self._tick * checks.table.every, rule.for_, checks.keep())
        changes += [self._end(checks, row, time) for row in np.flatnonzero(ended).tolist()]
        changes += [
            self._fire(checks, row, time, *self._sides(checks, row), again=checks.open.get(row)) for row in np.flatnonzero(fired).tolist()
        ]
        return changes + self._climb(checks) if checks.rungs and checks.open else changes

    def _climb(self, checks: _Checks) -> list[Alert]:
        """Raise the severity of open alerts whose rung holds; it falls only with the alert."""
        changes = []
        for rung in checks.rungs:  # an express alert that is not yet settled waits
            when = np.where(checks.hold.firing, rung.when.out, np.int8(kernels.FALSE))
            never = np.full(len(when), kernels.UNKNOWN, np.int8)
            reached, _ = advance(rung.hold, when, never, self._tick * checks.table.every, rung.wait, 0.0)
            for row in np.flatnonzero(reached).tolist():
                alert = checks.open[row]
                if order(rung.severity) < order(alert.severity):
                    checks.open[row] = replace(alert, severity=rung.severity)
                    changes.append(checks.open[row])
        return changes

    def _settle(self, checks: _Checks, time: float) -> list[Alert]:
        """Give the express alerts of the closed ticks their final fire time and severity."""
        lane = checks.lane
        assert lane is not None
        changes = []
        for row in lane.settled(time).tolist():
            if checks.hold.firing[row]:
                continue
            checks.hold.fire(row)
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
            self._chatter(checks, row, time)
        asset = checks.table.assets[row]
        suspect = checks.suspect is not None and row < len(checks.suspect.out) and bool(checks.suspect.out[row] == kernels.TRUE)
        unit = checks.compiled.sides[0].unit if checks.compiled.sides else ""
        notes = [*(["sensor suspect"] if suspect else []), *(["chattering"] if row in checks.damped else [])]
        shares = [share for step in checks.unusual if len(step.inputs) > 1 for share in step.shares(row)]
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
            summary=summary(rule.title, value, limit, unit, notes, shares),
            phase=self._plant.phase(asset),
            told=rule.status == "stable",
        )
        checks.open[row] = alert
        return alert

    def _chatter(self, checks: _Checks, row: int, time: float) -> None:
        """Note a firing, and hold open for longer what fires again and again."""
        within = checks.compiled.rule.chatter
        if within:
            times = [one for one in checks.fires.get(row, ()) if time - one <= within]
            checks.fires[row] = [*times, time]
            if len(times) + 1 >= CHATTERS:
                checks.damped[row] = within

    def _end(self, checks: _Checks, row: int, time: float) -> Alert:
        alert = checks.open.pop(row)
        self._acknowledged.discard(alert.key[:3])
        checks.damped.pop(row, None)
        for rung in checks.rungs:
            rung.hold.drop(row)
        return replace(alert, state=State.ENDED, ended=max(float(time), alert.fired))  # a clock may have gone back over a restart


def order(severity: Severity) -> int:
    """Return the place of a severity, 0 for the worst."""
    return tuple(Severity).index(severity)


def summary(title: str, value: float, limit: float, unit: str, notes: Iterable[str] = (), shares: Iterable[tuple[str, float]] = ()) -> str:
    """Say what holds, with the two numbers that decided and what contributed most.

    >>> summary("Rack flow too low", 24.06, 31.2, "L/min")
    'Rack flow too low: 24.1 L/min against 31.2 L/min'
    """
    text = ", ".join((title, *notes))
    if not np.isnan(value) and (unit or value != limit):  # a state says nothing by its number
        tail = f" {unit}" if unit and unit != BOOLEAN else ""
        text += f": {value:.3g}{tail}" + ("" if np.isnan(limit) else f" against {limit:.3g}{tail}")
    most = [f"{name} {share:.0%}" for name, share in shares if share > 0][:CONTRIBUTORS]
    return f"{text}; by {', '.join(most)}" if most else text


def _or_none(number: float) -> float | None:
    return None if np.isnan(number) else float(number)
