"""A day of a fleet through `pipeline.replay`, values in memory as columns: what a replay costs by itself, reading a file left out."""

import asyncio
import time
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from monitor.bench import fleet as fleets
from monitor.bench import workload
from monitor.bench.child import peak_rss_mb
from monitor.bench.frames_fleet import Fleet
from monitor.bench.workload import STEP
from monitor.collect.dsx import Heartbeat
from monitor.collect.frames import Frames
from monitor.collect.frames_map import load_frames
from monitor.collect.recording import Batch
from monitor.config import Config, Time
from monitor.detect.rules import RuleSet
from monitor.model import F64, I32, Readings
from monitor.pipeline import replay
from monitor.plant import Plant

START = 1_767_225_600.0  # 2026-01-01T00:00:00Z
SETS = 8  # different sets of values, in turn


class Columns:
    """A recording in memory: every point speaks every STEP s; receive time is source time, as in a table."""

    superseded = 0
    faults: list[str] = []  # noqa: RUF012  # a recording that cannot be wrong
    dropped: Mapping[str, int] = {}
    heartbeats: Mapping[int, Heartbeat] = {}

    def __init__(self, rows: I32, values: F64, rounds: int) -> None:
        self.messages = 0
        self._rows, self._values, self._rounds = rows, values, rounds

    def read(self, _plant: Plant, _tick: float) -> Iterator[Batch]:
        for number in range(self._rounds):
            self.messages += len(self._rows)
            at = START + number * STEP
            chosen = self._values[number % len(self._values)]

            def readings(at: float = at, values: F64 = chosen) -> Readings:
                return Readings.of(self._rows, np.full(len(self._rows), at), values)

            yield Batch(at, at, readings)

    def close(self) -> None:
        pass


def every_rule_binds(rules: RuleSet, racks: int, points: int) -> tuple[Plant, Columns]:
    """Return a plant on which each rule of a set binds, and what it says; the recording is empty until `rounds` are given."""
    made = fleets.fleet(rules, racks, points)
    return made.plant, Columns(np.array(made.rows, np.int32), fleets.values(made, SETS), 0)


def of_w(rules: RuleSet, racks: int) -> tuple[Plant, Columns]:
    """Return W's plant and what it says when it is in order."""
    plant = Plant(rules.vocabulary)
    frames, fleet = Frames(plant, load_frames(workload.MAP, rules.vocabulary)), Fleet(racks)
    names = [workload.TOPIC.format(fleet.name(rack)).encode() for rack in range(racks)]
    parts = [frames.decode(names, [fleet.payload(rack, "", round(START * 1e3)) for rack in range(racks)], [], START) for _ in range(SETS)]
    return plant, Columns(parts[0].point, np.array([part.value for part in parts]), 0)


def measure(plant: Plant, recording: Columns, rules: RuleSet, *, hours: float, tick: float) -> dict[str, Any]:
    """Replay so many hours and return what it cost."""
    recording._rounds = round(hours * 3600 / STEP)  # noqa: SLF001
    points = len(plant.points)
    config = Config(time=Time(tick=tick))
    begun, cpu = time.perf_counter(), time.process_time()
    done = asyncio.run(replay(recording, rules, config, plant=plant))
    elapsed, cpu = time.perf_counter() - begun, time.process_time() - cpu
    readings = done.summary.values_stored
    return {
        "rules": len(rules.rules),
        "hours": hours,
        "tick_s": tick,
        "points": points,
        "readings": readings,
        "readings_per_s": round(readings / elapsed),
        "cpu_s_per_million": round(cpu / max(readings, 1) * 1e6, 4),
        "elapsed_s": round(elapsed, 2),
        "day_s": round(elapsed * 24 / hours, 1),
        "late": done.summary.late,
        "alerts": done.summary.alerts,
        "rss_mb": round(peak_rss_mb()),
    }


def run(full: RuleSet, nine: RuleSet, *, racks: int, points: int, hours: float, ticks: tuple[float, ...]) -> dict[str, Any]:
    """Measure with the whole pack bound and with W's nine rules, at each tick.

    Args:
        full: the pack; the plant is made so that each of its rules binds.
        nine: W's.
        racks: of the fleet.
        points: a rack, with the pack.
        hours: of the recording.
        ticks: s; a table of rows every 10 s is judged every 10 s, a wire every second.

    """
    runs = []
    for tick in ticks:
        for name, rules in (("full", full), ("w", nine)):
            plant, recording = every_rule_binds(rules, racks, points) if name == "full" else of_w(rules, racks)
            runs.append({"pack": name, **measure(plant, recording, rules, hours=hours, tick=tick)})
    first = runs[0]
    return {
        "name": "replay",
        "source": "columns in memory",
        "racks": racks,
        **{key: first[key] for key in ("readings", "readings_per_s", "cpu_s_per_million", "day_s")},
        "state_bytes_per_point": round(peak_rss_mb() * 1e6 / max(first["points"], 1)),
        "rss_mb": round(peak_rss_mb()),
        "runs": runs,
    }
