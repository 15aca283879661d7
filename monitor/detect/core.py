"""Readings in, alert changes out: the part of the path that is the same live and in a replay. No I/O, no clock."""

from collections.abc import Callable, Iterable, Mapping

import numpy as np

from monitor.collect.frame import Frame
from monitor.collect.own import LinkState, OwnPoints
from monitor.collect.ticks import Tick, Ticks
from monitor.config import Time
from monitor.detect.engine import Engine, Key
from monitor.detect.rules import RuleSet
from monitor.model import F64, Alert, Readings
from monitor.plant import Plant


class Core:
    """Frame, ticks and engine over one plant.

    Args:
        plant: collectors describe points into it.
        rules: the checked rules.
        time: tick, lateness, idle, clock limit and stale factor.
        open_alerts, episodes: what the store remembers from before.

    """

    def __init__(
        self,
        plant: Plant,
        rules: RuleSet,
        time: Time,
        *,
        open_alerts: Iterable[Alert] = (),
        episodes: Mapping[Key, int] | None = None,
    ) -> None:
        self.plant = plant
        self.frame = Frame(time.stale_factor)
        self.ticks = Ticks(time.tick, time.lateness, time.idle, time.clock_limit)
        self.engine = Engine(rules, plant, time.tick, open_alerts=open_alerts, episodes=episodes)
        self.own = OwnPoints(plant)
        self.readings = 0
        self.closed = 0
        self.on_tick: Callable[[Tick], None] | None = None
        self._version = -1
        self._bound = -1  # version of the plant that the plan knows
        self._extended = -1  # ticks that had closed when readings made the plan grow

    def _extend(self) -> None:
        """Make room for the plant's points."""
        if self.plant.version != self._version:
            self.own.describe(self.frame)
            self._version = self.plant.version
            self.frame.extend(self.plant.interval, self.plant.source_of, len(self.plant.sources), self.plant.event)

    def _grow(self) -> list[Alert]:
        """Bring the plan up to the plant; returns what express rules say of points that it did not know yet."""
        self._extend()
        if self._bound == self._version:
            return []
        self._bound = self._version
        self.engine.extend()
        return self.engine.welcome(self.frame)

    def ingest(self, readings: Readings) -> list[Alert]:
        """Take a batch in; returns what express rules changed at once."""
        if not len(readings):
            return []
        self._extend()
        changes: list[Alert] = []
        if self._extended != self.closed:  # once a tick: thousands of points may come one by one
            self._extended = self.closed
            changes = self._grow()
        self.readings += len(readings)
        if readings.snapshot.any():  # what a wire remembers of an event is no news
            readings = readings.take(~(readings.snapshot & self.plant.event[readings.point]))
        order = self.ticks.add(readings, self.plant.source_of.take(readings.point, mode="clip"))
        return changes + self.engine.express(readings, order, self.frame)

    def link(self, name: str, state: LinkState) -> None:
        self.own.link(name, state)

    def close(self, now: float) -> list[Alert]:
        """Close what is due at receive time `now`; returns what changed."""
        return [change for tick in self.ticks.close(now) for change in self._tick(tick)]

    def finish(self) -> list[Alert]:
        """Close every tick up to the newest reading: the input has ended."""
        return [change for tick in self.ticks.finish() for change in self._tick(tick)]

    def take(self, time: float, readings: Readings, order: F64, life: F64) -> list[Alert]:
        """Close the tick at `time` over readings whose order and life-sign times, (N,), are known: a re-run of what was stored."""
        self._grow()
        express = self.engine.express(readings, order, self.frame) if len(readings) else []
        return express + self._tick(Tick(time, "again", readings.point, order, readings.value, readings.quality, life))

    def reload(self, rules: RuleSet, now: float) -> list[Alert]:
        """Go on with other rules at receive time `now`; returns what ended with its rule."""
        self.plant.vocabulary = rules.vocabulary
        changes = self._grow()
        return changes + self.engine.reload(rules, now)

    def _tick(self, tick: Tick) -> list[Alert]:
        changes = self._grow()
        self.frame.apply(tick.time, tick.point, tick.order, tick.value, tick.quality, tick.life)
        self.closed += 1
        if self.plant.sources and len(tick.point):
            self.own.describe(self.frame)
            changes += self._grow()
        self.own.put(self.frame, self.ticks)
        if self.on_tick is not None:
            self.on_tick(tick)
        return changes + self.engine.tick(self.frame)

    def cover(self, heartbeat: int, points: Iterable[int]) -> None:
        """Say which points a heartbeat point speaks for."""
        self._extend()
        self.frame.heartbeat[np.fromiter(points, np.int64)] = heartbeat
