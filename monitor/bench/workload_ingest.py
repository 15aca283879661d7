"""Workload W from a real nats-server through session, frames, history and the nine rules, on one core; and the same by a hand-written loop."""

import asyncio
import statistics
import tempfile
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

import aiomqtt
import msgspec
import numpy as np

from monitor.bench import workload
from monitor.bench.child import Child, host_cpu_s, peak_rss_mb, pin
from monitor.bench.loop import Loop
from monitor.bench.workload import POINTS, Trouble
from monitor.clock import WallClock
from monitor.collect.frames import Frames
from monitor.collect.frames_map import load_frames
from monitor.collect.session import Session
from monitor.config import Config, MqttLink
from monitor.detect import rules as rule_files
from monitor.detect.core import Core
from monitor.detect.rules import RuleSet
from monitor.model import Alert
from monitor.plant import Plant
from monitor.simulate.broker import Address, demo_broker
from monitor.store.history import History

QUIET = 30.0  # s without a message after which what is missing is lost
STAGES = ("decode", "ingest", "history", "rules")


@dataclass
class Run:
    """What one run measured, from when every rack was described. CPU is this process's, all threads."""

    messages: int = 0
    readings: int = 0
    lost: int = 0
    dropped: int = 0
    late: int = 0
    elapsed: float = 0.0
    cpu: float = 0.0
    others_cpu: float = 0.0  # of the machine meanwhile, broker and publisher among them
    described_s: float = 0.0  # CPU of the first frames
    state_bytes: float = 0.0  # of engine and frame, a point
    stages: dict[str, float] = field(default_factory=lambda: dict.fromkeys(STAGES, 0.0))
    fired: list[tuple[str, str, float]] = field(default_factory=list)

    @property
    def rate(self) -> float:
        return self.readings / self.elapsed if self.elapsed else 0.0

    @property
    def cpu_us(self) -> float:
        """CPU a reading, us; the same number is CPU s a million."""
        return self.cpu / max(self.readings, 1) * 1e6


class EventClock:
    """Event time as far as the frames have told; at full speed it runs far faster than the host's."""

    def __init__(self) -> None:
        self.time = 0.0

    def now(self) -> float:
        return self.time

    def receive(self, payloads: list[bytes]) -> np.ndarray:
        """Return when each frame comes: at the newest time that any frame has told, (N,)."""
        times = np.maximum.accumulate(np.concatenate(([self.time], workload.stamps(payloads))))[1:]
        self.time = float(times[-1])
        return times


async def _run(folder: Path, rules: RuleSet, trouble: Trouble, *, history: bool) -> Run:
    run = Run()
    first = 2 * workload.load(folder).truth.racks
    async with AsyncExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="dcmon-bench-")))
        pin(1)  # broker and sender, as they start
        address = await stack.enter_async_context(demo_broker(scratch / "broker"))
        sender = await stack.enter_async_context(_sender(address, folder, trouble, first))
        pin(0)
        plant = Plant(rules.vocabulary)
        keeper = await stack.enter_async_context(History(scratch / "history", plant, keep_days=None))
        writer = asyncio.create_task(keeper.run(WallClock()))
        stack.callback(writer.cancel)
        core = Core(plant, rules, Config().time)
        frames = Frames(plant, load_frames(workload.MAP, rules.vocabulary))
        link = MqttLink(host=address.host, port=address.port, topics=frames.topics)
        session = await stack.enter_async_context(Session(link, WallClock()))
        await _consume(session, frames, core, keeper if history else None, sender, run, first)
        run.state_bytes = (core.engine.plan.bytes + core.frame.bytes) / max(len(plant.points), 1)
        run.dropped = sum(frames.dropped.values()) + sum(session.dropped.values()) + keeper.dropped
        run.late = core.ticks.late
    return run


def _sender(address: Address, folder: Path, trouble: Trouble, first: int) -> Child:
    options = {"host": address.host, "port": address.port, "workload": folder, "trouble": trouble, "first": first}
    return Child("monitor.bench.sender", *(word for key, value in options.items() for word in (f"--{key}", value)))


async def _consume(session: Session, frames: Frames, core: Core, history: History | None, sender: Child, run: Run, first: int) -> None:
    """Take the frames in as the daemon does; the first two rounds make the plant known and are not measured."""
    perf, thread = time.perf_counter, time.thread_time  # of this thread: history's writer has its own
    clock = EventClock()
    alerts: list[Alert] = []
    total: int = sender.ready["messages"]
    seen = readings_before = 0
    begun = cpu = host = 0.0
    start_cpu = time.process_time()
    batches = session.batches()
    sender.tell("0")
    while seen < total:
        try:
            batch = await asyncio.wait_for(anext(batches), QUIET)
        except TimeoutError:
            break
        start = thread()
        received = clock.receive(batch.payloads)
        readings = frames.decode(batch.topics, batch.payloads, [], received)
        decoded = thread()
        alerts += core.close(float(received[0]))
        closed = thread()
        alerts += core.ingest(readings)
        ingested = thread()
        if history is not None:
            history.add(readings)
        kept = thread()
        alerts += core.close(clock.time)
        judged = thread()
        seen += len(batch.topics)
        if not begun:
            if seen >= first:
                run.described_s = time.process_time() - start_cpu
                readings_before, run.messages = core.readings, -seen
                begun, cpu, host = perf(), time.process_time(), host_cpu_s()
                sender.tell(str(seen))
            continue
        for stage, spent in zip(
            STAGES, (decoded - start, ingested - closed, kept - ingested, judged - kept + closed - decoded), strict=True
        ):
            run.stages[stage] += spent
        sender.tell(str(seen))
    alerts += core.finish()
    run.elapsed, run.cpu, run.others_cpu = perf() - begun, time.process_time() - cpu, host_cpu_s() - host
    run.others_cpu -= run.cpu
    run.messages += seen
    run.readings = core.readings - readings_before
    run.lost = total - seen
    run.fired = workload.fired(alerts)


async def _baseline(folder: Path) -> Run:
    """Measure the loop behind aiomqtt's `async for` and msgspec's JSON."""
    run = Run()
    loop = Loop()
    first = 2 * workload.load(folder).truth.racks
    decode = msgspec.json.decode
    async with AsyncExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="dcmon-bench-")))
        pin(1)
        address = await stack.enter_async_context(demo_broker(scratch / "broker"))
        sender = await stack.enter_async_context(_sender(address, folder, "none", first))
        pin(0)
        client = await stack.enter_async_context(aiomqtt.Client(address.host, address.port))
        await client.subscribe("dc/+/t")
        total: int = sender.ready["messages"]
        seen = 0
        begun = cpu = 0.0
        sender.tell("0")
        async for message in client.messages:
            loop.take(decode(message.payload))
            seen += 1
            if seen == first:
                begun, cpu = time.perf_counter(), time.process_time()
            if seen == first or (seen > first and seen % 100 == 0):
                sender.tell(str(seen))
            if seen == total:
                break
        run.elapsed, run.cpu = time.perf_counter() - begun, time.process_time() - cpu
    run.messages = seen - first
    run.readings = run.messages * POINTS
    run.fired = [(rule, asset, at) for (rule, asset), at in loop.fired.items()]
    return run


def ingest(folder: Path, *, repeat: int, troubles: tuple[Trouble, ...], baseline: bool, history: bool = True) -> dict[str, Any]:
    """Measure W at full speed.

    Args:
        folder: of the workload.
        repeat: runs; the median counts.
        troubles: kinds of trouble under which W is sent once more each, for the score.
        baseline: run the hand-written loop, too.
        history: keep the readings, as the daemon does.

    """
    rules = rule_files.load(workload.RULES)
    truth = workload.load(folder).truth
    runs = [asyncio.run(_run(folder, rules, "none", history=history)) for _ in range(repeat)]
    middle = sorted(runs, key=lambda run: run.cpu_us)[len(runs) // 2]
    troubled = {trouble: asyncio.run(_run(folder, rules, trouble, history=history)) for trouble in troubles}
    stages = {stage: spent / max(middle.readings, 1) * 1e6 for stage, spent in middle.stages.items()}
    stages["rest"] = middle.cpu_us - sum(stages.values())
    result: dict[str, Any] = {
        "name": "ingest",
        "workload": "W",
        "racks": truth.racks,
        "rules": len(rules.rules),
        "history": history,
        "readings": middle.readings,
        "readings_per_s": round(statistics.median(run.rate for run in runs)),
        "readings_per_s_of_one_core": round(1e6 / middle.cpu_us),
        "cpu_s_per_million": round(middle.cpu_us, 4),
        "messages_per_s": round(statistics.median(run.messages / run.elapsed for run in runs)),
        "cpu_us_per_message": round(middle.cpu / max(middle.messages, 1) * 1e6, 2),
        "stages_s_per_million": {stage: round(spent, 4) for stage, spent in stages.items()},
        "others_cpu_share": round(middle.others_cpu / middle.elapsed, 2),
        "first_frames_cpu_s": round(middle.described_s, 2),
        "lost": sum(run.lost for run in (*runs, *troubled.values())),
        "dropped": sum(run.dropped for run in (*runs, *troubled.values())),
        "rss_mb": round(peak_rss_mb(), 1),
        "state_bytes_per_point": round(middle.state_bytes),
        "score": workload.score(middle.fired, truth),
        "trouble": {name: {"late": run.late, **workload.score(run.fired, truth)} for name, run in troubled.items()},
    }
    if baseline:
        loop = asyncio.run(_baseline(folder))
        result["baseline"] = {
            "readings_per_s": round(loop.rate),
            "cpu_s_per_million": round(loop.cpu_us, 4),
            "messages_per_s": round(loop.messages / loop.elapsed),
            "score": workload.score(loop.fired, truth),
        }
        result["ratio"] = round(loop.cpu_us / middle.cpu_us, 1)
    return result


TROUBLES: tuple[Trouble, ...] = tuple(one for one in get_args(Trouble) if one != "none")
