"""A day of a simulated fleet with everything going wrong, scored against the truth: in memory as fast as it goes, or through broker and daemon."""

import asyncio
import json
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from math import exp
from pathlib import Path
from typing import Any

from monitor.bench.fleet_recording import FleetRecording
from monitor.bench.ingest import peak_rss_mb
from monitor.bench.score import score
from monitor.clock import WallClock
from monitor.config import Config, Time
from monitor.detect.rules import RuleSet
from monitor.errors import SourceLost
from monitor.model import ActKind, Alert, Phase, Severity, State
from monitor.pipeline import replay
from monitor.plant import Plant
from monitor.simulate.broker import demo_broker
from monitor.simulate.fleet import Fleet
from monitor.simulate.injection import Injection
from monitor.store import acts, query

START = 1_767_225_600.0  # 2026-01-01T00:00:00Z
SETTLED = 15.0  # s of real time until broker, daemon and simulator stand
LAST = 5.0  # s of real time for what is still under way

Told = Callable[[float], None]


def in_memory(fleet: Fleet, rules: RuleSet, hours: float, tick: float = 1.0, told: Told | None = None) -> dict[str, Any]:
    """Replay a fleet without any wire and score it.

    Args:
        fleet: at its start.
        rules: judged on every tick.
        hours: of event time.
        tick: s of event time.
        told: called with the event time reached.

    """
    recording = FleetRecording(fleet, hours)
    began, cpu = time.perf_counter(), time.process_time()
    done = asyncio.run(replay(recording, rules, Config(time=Time(tick=tick)), progress=told))
    found = score(fleet.truth(), done.alerts, rules, done.plant)
    return {
        "name": "trial",
        "wire": "memory",
        **_size(fleet, hours),
        "readings": recording.readings,
        "elapsed_s": round(time.perf_counter() - began, 1),
        "cpu_s": round(time.process_time() - cpu, 1),
        "rss_mb": round(peak_rss_mb()),
        **found,
    }


async def live(
    orders: Sequence[Injection],
    rules: RuleSet,
    *,
    racks: int,
    pod_racks: int,
    detail: int | None,
    wire: str,
    hours: float,
    rate: float,
    seed: int,
    told: Told | None = None,
) -> dict[str, Any]:
    """Let the simulator speak to a real broker and the daemon listen, each a process of its own, on one fast clock; score what is stored.

    Args:
        orders: what goes wrong.
        rules: the shipped ones, for the score.
        racks: in all.
        pod_racks: racks of a pod.
        detail: racks of a pod that have points of their parts.
        wire: dsx or frames.
        hours: of event time.
        rate: event seconds a real second.
        seed: of the fleet.
        told: called with the event time reached.

    Raises:
        SourceLost: one of the processes ended early.

    """
    step = 10.0 if rate > 20 else 1.0
    truth = Fleet(racks, start=START, seed=seed, faults=orders, pod_racks=pod_racks, detail=detail, step=step, settle=step)
    with tempfile.TemporaryDirectory(prefix="dcmon-trial-") as scratch:
        folder = Path(scratch)
        async with AsyncExitStack() as stack:
            broker = await stack.enter_async_context(demo_broker(folder / "broker"))
            at = time.time() + SETTLED + racks / 20
            clock = WallClock(rate, START, at)
            clocks = ["--clock-rate", f"{rate:g}", "--clock-start", f"{START:.0f}", "--clock-at", f"{at:.3f}"]
            fleet = [
                "--racks",
                racks,
                "--pod-racks",
                pod_racks,
                "--seed",
                seed,
                "--step",
                f"{step:g}",
                "--wire",
                wire,
                "--port",
                broker.port,
            ]
            more = [] if detail is None else ["--detail", detail]
            faults = [word for order in orders for word in ("--fault", order.text())]
            speaking = await stack.enter_async_context(
                _process(
                    folder / "simulate",
                    "simulate",
                    *fleet,
                    *more,
                    *clocks,
                    *faults,
                    "--seconds",
                    f"{hours * 3600:.0f}",
                    "--write",
                    folder / "site",
                    "--json",
                )
            )
            while not (folder / "site" / "monitor.yaml").exists():
                await _alive(speaking, folder / "simulate")
            watching = await stack.enter_async_context(
                _process(folder / "run", "run", folder / "site" / "monitor.yaml", *clocks, "--quiet")
            )
            store = folder / "site" / "store"
            planned = sorted((one for one in truth.truth() if one.fault == "maintenance"), key=lambda one: one.time, reverse=True)
            while speaking.returncode is None:
                await asyncio.sleep(0.2)
                if watching.returncode is not None:
                    raise SourceLost(f"the daemon ended: {_last(folder / 'run')}")
                if planned and clock.now() >= planned[-1].time - 300:
                    one = planned.pop()
                    acts.record(store / "acts.db", "trial", ActKind.PHASE, one.where, Phase.MAINTENANCE, "planned work", clock.now())
                if told is not None:
                    told(clock.now())
            if speaking.returncode:
                raise SourceLost(f"the simulator ended: {_last(folder / 'simulate')}")
            await asyncio.sleep(LAST)
            cpu, rss = _spent(watching.pid)
            watching.terminate()
            await watching.wait()
        said = json.loads((folder / "simulate.out").read_text())
        plant = Plant()
        for pod in truth.pods:
            pod.physics.layout.build(plant)
        until = START + hours * 3600  # the silence behind it is no fault
        found = score(truth.truth(), [alert for alert in _alerts(store / "monitor.db") if alert.fired <= until], rules, plant)
    del said["faults"]
    return {"name": "trial", "wire": wire, **_size(truth, hours), "clock_rate": rate, "spoken": said, "cpu_s": cpu, "rss_mb": rss, **found}


def _size(fleet: Fleet, hours: float) -> dict[str, Any]:
    points = sum(pod.physics.sensors.size for pod in fleet.pods)
    return {"racks": fleet.racks, "points": points, "hours": hours, "rack_days": round(fleet.racks * hours / 24, 3)}


@asynccontextmanager
async def _process(log: Path, *words: object) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a command of ours for as long as the block lasts; what it says goes to files."""
    with log.with_suffix(".out").open("wb") as out, log.with_suffix(".err").open("wb") as err:
        process = await asyncio.create_subprocess_exec(sys.executable, "-m", "monitor", *map(str, words), stdout=out, stderr=err)
        try:
            yield process
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()


async def _alive(process: asyncio.subprocess.Process, log: Path) -> None:
    await asyncio.sleep(0.05)
    if process.returncode is not None:
        raise SourceLost(f"it ended at once: {_last(log)}")


def _last(log: Path) -> str:
    lines = log.with_suffix(".err").read_text(errors="replace").strip().splitlines()
    return lines[-1] if lines else "it said nothing"


def _spent(pid: int) -> tuple[float, int]:
    """Return CPU s and peak memory in MB of a process that runs; zeros where the system does not tell."""
    try:
        words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0, 0
    peak = next((int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")), 0)
    return round((int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK"), 1), peak // 1024


def _alerts(path: Path) -> list[Alert]:
    found = query.alerts(path).objects()
    return [
        Alert(
            one["rule"], one["asset"], one["point"], int(one["episode"]), Severity(one["severity"]), State(one["state"]),
            one["fired"], one["ended"], one["value"], one["limit"], one["unit"], one["summary"], Phase(one["phase"]), bool(one["told"]),
        )
        for one in found
    ]  # fmt: skip


def rate(events: int, days: float, confidence: float = 0.95) -> tuple[float, float]:
    """Return the rate of rare events and its one-sided upper bound.

    The bound is that of a Poisson count: chi2(confidence, 2 (n + 1)) / (2 T) (Garwood 1936), solved here by bisection.

    >>> rate(0, 600)
    (0.0, 0.00499)
    >>> [round(one, 4) for one in rate(3, 600)]
    [0.005, 0.0129]

    """
    low, high = 0.0, 10.0 * (events + 5)
    for _ in range(200):
        middle = (low + high) / 2
        term = total = exp(-middle)
        for number in range(1, events + 1):
            term *= middle / number
            total += term
        low, high = (middle, high) if total > 1 - confidence else (low, middle)
    return events / days, round(high / days, 5)


def together(found: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Join the results of several fleets into one, with the rate of strange alerts at severity major and above and its 95 % bound."""
    result = dict(found[0])
    for other in found[1:]:
        for key in ("faults", "strange", "controls"):
            result[key] = [*result[key], *other[key]]
        for key in ("rack_days", "readings", "elapsed_s", "cpu_s", "found", "missed", "alerts", "effects", "strange_major"):
            if key in result:
                result[key] = round(result[key] + other[key], 3)
        result["rss_mb"] = max(result["rss_mb"], other["rss_mb"])
    result["fleets"] = len(found)
    result["false_per_rack_day"], result["false_per_rack_day_95"] = rate(result["strange_major"], result["rack_days"])
    return result
