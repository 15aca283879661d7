"""The store alone: readings into history, alerts into SQLite, and what asking for them takes."""

import asyncio
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from monitor.bench import workload
from monitor.bench.child import peak_rss_mb
from monitor.bench.replay import START, of_w
from monitor.bench.workload import STEP
from monitor.detect import rules as rule_files
from monitor.model import Alert, Readings, Severity, State
from monitor.store import query
from monitor.store.embedded import Embedded
from monitor.store.history import History

FLUSH = 60.0  # s of event time a segment, as the daemon's default
QUERIES = 5  # of each kind; the median counts


async def _history(folder: Path, racks: int, minutes: int) -> tuple[dict[str, Any], str]:
    plant, recording = of_w(rule_files.load(workload.RULES), racks)
    rows = recording._rows  # noqa: SLF001
    chance = np.random.default_rng(1)
    parts = int(FLUSH / STEP)
    elapsed = cpu = 0.0
    async with History(folder, plant, keep_days=None, flush_rows=10**9) as history:
        for minute in range(minutes):
            for number in range(parts):
                at = START + (minute * parts + number) * STEP
                base = recording._values[number % len(recording._values)]  # noqa: SLF001
                noisy = np.round(base * (1 + 1e-3 * chance.standard_normal(len(base)) * (base % 1 != 0)), 2)
                history.add(Readings.of(rows, np.full(len(rows), at), noisy, received=at + 0.05))
            begun, used = time.perf_counter(), time.process_time()
            await history.flush()
            elapsed += time.perf_counter() - begun
            cpu += time.process_time() - used
        written = history.written
    found = {
        "readings": written,
        "readings_per_s": round(written / elapsed),
        "cpu_s_per_million": round(cpu / written * 1e6, 4),
        "segments": minutes,
        "longest_write_s": round(elapsed / minutes, 3),
    }
    return found, plant.points[int(rows[0])].asset


async def _alerts(file: Path, count: int) -> dict[str, Any]:
    """Commit alerts one by one, each waited for, then a hundred at a time."""
    one = Alert(
        "cooling.leak", "r0001", "", 1, Severity.CRITICAL, State.FIRING, START, None, 1.0, 1.0, "", "Leak detected"
    )  # fmt: skip
    async with Embedded(file) as base:
        begun = time.perf_counter()
        for number in range(count):
            await base.append([replace(one, asset=f"r{number:04d}")])
        single = count / (time.perf_counter() - begun)
        begun = time.perf_counter()
        for number in range(count // 100 or 1):
            await base.append([replace(one, asset=f"s{number * 100 + at:05d}") for at in range(100)])
        batched = (count // 100 or 1) * 100 / (time.perf_counter() - begun)
    return {"alerts_committed_per_s": round(single), "alerts_committed_per_s_by_100": round(batched), "p50_ms": round(1e3 / single, 2)}


def _ms(ask: Callable[[], object]) -> float:
    times = []
    for _ in range(QUERIES):
        begun = time.perf_counter()
        ask()
        times.append(time.perf_counter() - begun)
    return round(statistics.median(times) * 1e3, 1)


def run(*, racks: int, minutes: int, alerts: int) -> dict[str, Any]:
    """Measure on a disk of this machine.

    Args:
        racks: of 480 points, each read every 10 s.
        minutes: of history, a segment each.
        alerts: committed one by one.

    """
    with tempfile.TemporaryDirectory(prefix="dcmon-bench-") as scratch:
        folder, file = Path(scratch) / "history", Path(scratch) / "monitor.db"
        history, asset = asyncio.run(_history(folder, racks, minutes))
        committed = asyncio.run(_alerts(file, alerts))
        size = sum(part.stat().st_size for part in folder.iterdir())
        history["bytes_per_reading"] = round(size / history["readings"], 2)
        end = START + minutes * 60
        queries = {
            "query_point_ms": _ms(lambda: len(list(query.points(folder, asset=asset, quantity="temperature").rows))),
            "query_rack_minute_means_ms": _ms(lambda: len(list(query.points(folder, asset="r0000", every=60.0).rows))),
            "query_last_minute_ms": _ms(lambda: len(list(query.points(folder, quantity="liquid_flow", since=end - 60).rows))),
            "query_alerts_ms": _ms(lambda: len(list(query.alerts(file, limit=100).rows))),
        }
    return {"name": "store", "racks": racks, **history, **committed, **queries, "rss_mb": round(peak_rss_mb())}
