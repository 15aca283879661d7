"""A fleet in real time through nats-server into the real daemon on one core: what it costs, and how long until an alert is committed."""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import numpy as np

from monitor import shipped
from monitor.bench import workload
from monitor.bench.child import Child, host_cpu_s, pin
from monitor.bench.frames_fleet import FAST, SLOW
from monitor.bench.workload import POINTS, STEP
from monitor.errors import SourceLost
from monitor.simulate.broker import demo_broker

SLOW_FOR = 30.0  # s, `for` of cooling.flow_low
RULES = {"cooling.leak": FAST, "cooling.flow_low": SLOW}  # of the shipped pack, and of W
GRACE = 20.0  # s after the last frame for alerts that are on their way


async def _measure(racks: int, faults: int, settle: float, seconds: float, rules: str) -> dict[str, Any]:
    async with AsyncExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="dcmon-bench-")))
        settings = scratch / "monitor.yaml"
        _rules(scratch / "rules", rules)
        pin(1)  # broker and sender, as they start
        address = await stack.enter_async_context(demo_broker(scratch / "broker"))
        options = {"port": address.port, "racks": racks, "seconds": settle + seconds, "faults": faults, "settle": settle}
        arguments = [word for key, value in options.items() for word in (f"--{key}", value)]
        sender = await stack.enter_async_context(Child("monitor.bench.sender", *arguments))
        settings.write_text(
            f"store: {{path: {scratch}/store}}\nrules: {scratch}/rules\nlog_level: error\n"
            f"links:\n- {{host: {address.host}, port: {address.port}, dialect: frames, map: {workload.MAP}}}\n"
        )
        pin(0)
        watcher = await stack.enter_async_context(Child("monitor.bench.watcher", settings))
        pin(1)
        return await _follow(sender, watcher, settle, faults)


def _rules(folder: Path, rules: str) -> None:
    """Put the rules together: the shipped pack, or W's, and W's low flow judged at each tick."""
    shutil.copytree(workload.RULES if rules == "w" else shipped.rules(), folder)
    slow = (workload.RULES / "cooling/flow_low.yaml").read_text()
    (folder / "cooling/flow_low.yaml").write_text(slow.replace("every: 10 s\n", ""))


async def _follow(sender: Child, watcher: Child, settle: float, faults: int) -> dict[str, Any]:
    """Start the sender, note what both tell until all faults were told of, and return the figures."""
    began: dict[tuple[str, str], float] = {}
    told: dict[tuple[str, str], float] = {}
    status: list[dict[str, Any]] = []
    ended: dict[str, Any] = {}
    host = [0.0, 0.0]

    async def from_watcher() -> None:
        async for found in _lines(watcher):
            if "rule" not in found:
                status.append(found)
            elif (fault := RULES.get(found["rule"])) is not None:
                told.setdefault((fault, found["asset"]), found["at"])

    async def from_sender() -> None:
        async for found in _lines(sender):
            if "fault" in found:
                began[found["fault"], found["rack"]] = found["at"]
            else:
                ended.update(found)
                return

    listening = asyncio.create_task(from_watcher())
    sender.tell("0")
    sending = asyncio.create_task(from_sender())
    await asyncio.sleep(settle)
    watcher.tell("")
    host[0] = host_cpu_s()
    await sending
    watcher.tell("")
    host[1] = host_cpu_s()
    for _ in range(int(GRACE / 0.1)):
        if began.keys() <= told.keys() and len(status) == 2:
            break
        await asyncio.sleep(0.1)
    watcher.close_input()
    await listening
    first, last = status
    span = last["at"] - first["at"]
    readings = last["readings"] - first["readings"]
    cpu = last["cpu_s"] - first["cpu_s"]
    delays = {fault: np.array([told[key] - at for key, at in began.items() if key[0] == fault and key in told]) for fault in (FAST, SLOW)}
    return {
        "messages": ended["messages"],
        "slip_s": ended["slip_s"],
        "points": last["points"],
        "checks": last["checks"],
        "readings": readings,
        "readings_per_s": round(readings / span),
        "core_share": round(cpu / span, 4),
        "cpu_s_per_million": round(cpu / max(readings, 1) * 1e6, 4),
        "first_frames_cpu_s": round(first["cpu_s"], 1),
        "others_cpu_share": round((host[1] - host[0] - cpu) / span, 2),
        "rss_mb": round(last["rss_mb"]),
        "state_bytes_per_point": round(last["rss_mb"] * 1e6 / max(last["points"], 1)),
        "late": last["late"],
        "dropped": last["dropped"],
        "faults": len(began),
        "told": len(told.keys() & began.keys()),
        "express": _percentiles(delays[FAST]),
        "tick_rule_beyond_for": _percentiles(delays[SLOW] - SLOW_FOR),
        **({"p50_ms": _percentiles(delays[FAST])["p50_ms"], "p99_ms": _percentiles(delays[FAST])["p99_ms"]} if faults else {}),
    }


async def _lines(child: Child) -> AsyncIterator[dict[str, Any]]:
    while True:
        try:
            yield await child.hear()
        except SourceLost:
            return


def _percentiles(delays: np.ndarray) -> dict[str, Any]:
    if not len(delays):
        return {"alerts": 0, "p50_ms": None, "p99_ms": None, "max_ms": None}
    p50, p99 = np.percentile(delays, [50, 99]) * 1e3
    return {
        "alerts": len(delays),
        "p50_ms": round(float(p50), 1),
        "p99_ms": round(float(p99), 1),
        "max_ms": round(float(delays.max()) * 1e3, 1),
    }


def latency(*, racks: int, alerts: int, settle: float, seconds: float, rules: str) -> dict[str, Any]:
    """Measure from the moment a frame is handed to the socket until its alert is committed, and what the daemon costs meanwhile.

    Args:
        racks: each sends a frame of 480 values every 10 s.
        alerts: faults that begin, most of them leaks for an express rule; 0 for the cost alone.
        settle: s before the measurement, in which all racks become known.
        seconds: of the measurement.
        rules: full (the shipped pack and W's low flow) or w (W's nine).

    """
    found = asyncio.run(_measure(racks, alerts, settle, seconds, rules))
    wanted = racks * POINTS / STEP
    return {"name": "latency" if alerts else "fleet", "racks": racks, "rules": rules, "wanted_readings_per_s": round(wanted), **found}
