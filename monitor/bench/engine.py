"""The engine with values in memory: frame and rules, every rule of the set bound on every pod."""

import gc
import statistics
import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from monitor.bench import fleet as fleets
from monitor.bench.ingest import peak_rss_mb
from monitor.collect.own import LinkState
from monitor.config import Time
from monitor.detect.core import Core
from monitor.detect.rules import RuleSet
from monitor.model import Readings

START = 1_767_225_600.0  # 2026-01-01T00:00:00Z
WARM = 130  # ticks before the measurement: every rule is judged twice at least, every slow window has begun
ROUND = 60  # ticks of one measurement: a rule that is judged once a minute is judged once in each
SETS = 8  # different sets of values, in turn
LOOP = 200_000  # readings of the hand-written loop


@dataclass
class Fleet:
    """A plant under the engine, warmed up."""

    core: Core
    rows: np.ndarray
    values: np.ndarray
    at: int = 0

    def run(self, ticks: int, spread: int) -> tuple[int, float, float]:
        """Run ticks in which each point speaks every `spread` ticks; returns readings, CPU s of frame and rules, and CPU s of all."""
        core, count = self.core, len(self.rows)
        inner = [0.0]
        apply, judge = core.frame.apply, core.engine.tick

        def timed(call: Any) -> Any:
            def inside(*given: Any) -> Any:
                began = time.process_time()
                result = call(*given)
                inner[0] += time.process_time() - began
                return result

            return inside

        core.frame.apply, core.engine.tick = timed(apply), timed(judge)  # type: ignore[method-assign]
        readings = 0
        began = time.process_time()
        for number in range(self.at, self.at + ticks):
            part = slice(number % spread * count // spread, (number % spread + 1) * count // spread)
            rows = self.rows[part]
            core.ingest(Readings.of(rows, np.full(len(rows), START + number), self.values[number % SETS][part]))
            core.close(START + number)
            readings += len(rows)
        whole = time.process_time() - began
        core.frame.apply, core.engine.tick = apply, judge  # type: ignore[method-assign]
        self.at += ticks
        return readings, inner[0], whole


def made(rules: RuleSet, racks: int, points: int) -> tuple[Fleet, float]:
    """Return a warmed up fleet and the s that binding all of it took."""
    plant = fleets.fleet(rules, racks, points)
    core = Core(plant.plant, rules, Time())
    core.link("bench", LinkState.CONNECTED)
    began = time.process_time()
    core.engine.extend()
    bound = time.process_time() - began
    fleet = Fleet(core, np.array(plant.rows, np.int32), fleets.values(plant, SETS))
    fleet.run(WARM, 1)
    return fleet, bound


def loop(values: np.ndarray, checks: int) -> float:
    """Return readings per CPU s of a hand-written loop: a dict of states, and for each reading so many thresholds with a `for`."""
    state: dict[int, float] = {}
    since: dict[tuple[int, int], int] = {}
    limits = [1e12 + number for number in range(checks)]
    found = 0
    flat = values.ravel()[:LOOP].tolist()
    began = time.process_time()
    for number, value in enumerate(flat):
        point = number % 1000
        state[point] = value
        for check, limit in enumerate(limits):
            if value > limit:
                if number - since.setdefault((point, check), number) > 60:
                    found += 1
            else:
                since.pop((point, check), None)
    return len(flat) / (time.process_time() - began)


def engine(rules: RuleSet, *, racks: int, points: int, repeat: int, scale: tuple[int, ...]) -> dict[str, Any]:
    """Measure and return one object.

    Args:
        rules: the checked rules; the plant is made so that each of them binds.
        racks: of the fleet that counts.
        points: a rack.
        repeat: measurements of each kind; the median counts.
        scale: numbers of racks whose costs a reading are compared, the first with the last; none leaves it out.

    """
    fleet, bound = made(rules, racks, points)
    core, count = fleet.core, len(fleet.rows)
    runs = [fleet.run(ROUND, 1) for _ in range(repeat)]
    spread = [fleet.run(ROUND, 10) for _ in range(repeat)]
    plan = core.engine.plan
    state = plan.bytes + core.frame.bytes
    baseline = loop(fleet.values, round(core.engine.checks / count))
    alerts = len(core.engine.open_alerts())
    found: dict[str, Any] = {
        "name": "engine",
        "racks": racks,
        "points": count,
        "rules": len(rules.rules),
        "rules_bound": sum(plan.speaks(one) for one in rules.rules if one.id in plan.of_rule),
        "checks": core.engine.checks,
        "readings": sum(readings for readings, _, _ in runs),
        "readings_per_s": round(statistics.median(readings / inner for readings, inner, _ in runs)),
        "cpu_s_per_million": round(statistics.median(inner / readings for readings, inner, _ in runs) * 1e6, 4),
        "with_ticks_and_express": round(statistics.median(readings / whole for readings, _, whole in runs)),
        "every_10_s": round(statistics.median(readings / inner for readings, inner, _ in spread)),
        "every_10_s_with_ticks_and_express": round(statistics.median(readings / whole for readings, _, whole in spread)),
        "checks_per_reading": round(core.engine.checks / count, 2),
        "state_bytes_per_point": round(state / count),
        "bind_s": round(bound, 2),
        "alerts": alerts,
        "baseline": round(baseline),
        "ratio": round(statistics.median(readings / inner for readings, inner, _ in runs) / baseline, 1),
    }
    del fleet, core, plan
    if scale:
        found["scale"] = {}
        for number in scale:
            gc.collect()
            one, _ = made(rules, number, points)
            costs = [inner / readings for readings, inner, _ in (one.run(ROUND, 1) for _ in range(repeat))]
            found["scale"][str(number)] = round(statistics.median(costs) * 1e9, 2)  # CPU ns a reading
            del one
        first, last = (found["scale"][str(number)] for number in (scale[0], scale[-1]))
        found["scale_ratio"] = round(last / first, 3)
    found["rss_mb"] = round(peak_rss_mb())
    return found
