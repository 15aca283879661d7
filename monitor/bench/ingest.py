"""DSX messages from a real nats-server through session, dialect, history and rules, on one core."""

import asyncio
import json
import os
import resource
import statistics
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import aiomqtt
import numpy as np

from monitor.clock import WallClock
from monitor.collect.dsx import Dsx
from monitor.collect.session import Session
from monitor.config import Config, MqttLink
from monitor.detect.core import Core
from monitor.detect.rules import RuleSet
from monitor.errors import SourceLost
from monitor.plant import Plant
from monitor.simulate.broker import Address, demo_broker
from monitor.store.history import History

WINDOW = 40_000  # messages that the publisher may be ahead; well below what the broker keeps for a slow consumer
QUIET = 30.0  # s without a message after which what is missing is lost


@dataclass
class Run:
    """What one run measured. CPU is this process's, all threads."""

    messages: int
    received: int = 0
    reordered: int = 0
    dropped: int = 0
    alerts: int = 0
    elapsed: float = 0.0
    cpu: float = 0.0
    described: float = 0.0  # peak memory when all points were known and no value had come, MB
    stages: dict[str, float] = field(default_factory=lambda: dict.fromkeys(("decode", "history", "ingest", "rules"), 0.0))

    @property
    def cpu_us(self) -> float:
        return self.cpu / max(self.received, 1) * 1e6

    @property
    def rate(self) -> float:
        return self.received / self.elapsed if self.elapsed else 0.0


class Publisher:
    """The publisher as a process of its own, which waits for `go` and for the consumer's progress."""

    def __init__(self, address: Address, topics: int, messages: int, rate: float) -> None:
        self._messages = messages
        self._told = -1
        options = {"host": address.host, "port": address.port, "topics": topics, "messages": messages, "rate": rate, "window": WINDOW}
        self._arguments = ["--hold", *(text for key, value in options.items() for text in (f"--{key}", str(value)))]

    async def __aenter__(self) -> Self:
        pipe = asyncio.subprocess.PIPE
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "monitor.bench.publisher", *self._arguments, stdin=pipe, stdout=pipe
        )
        assert self._process.stdout is not None
        if not await asyncio.wait_for(self._process.stdout.readline(), 120):
            raise SourceLost("the publisher ended before it began")
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()

    def tell(self, seen: int) -> None:
        """Let it go on to WINDOW messages beyond `seen`; once that is all, it needs no word and may be gone."""
        assert self._process.stdin is not None
        if self._told < max(1, self._messages - WINDOW):
            self._told = seen
            self._process.stdin.write(b"%d\n" % seen)


async def _consume(session: Session, dialect: Dsx, core: Core, history: History, publisher: Publisher, run: Run, topics: int) -> None:
    """Take in metadata, then the values, as the daemon does; count, time and check their order."""
    clock = time.perf_counter
    last = np.zeros(0)
    begun = 0.0
    cpu = 0.0
    batches = session.batches()
    while run.received < run.messages:
        try:
            batch = await asyncio.wait_for(anext(batches), QUIET)
        except TimeoutError:
            break
        start = clock()
        readings = dialect.decode(batch.topics, batch.payloads, [], batch.received)
        decoded = clock()
        run.alerts += len(core.ingest(readings))
        ingested = clock()
        history.add(readings)
        kept = clock()
        run.alerts += len(core.close(batch.received))
        judged = clock()
        if not begun:
            if dialect.metadata_seen < topics:
                continue
            core.close(batch.received)
            last = np.full(len(core.plant.points), -np.inf)
            publisher.tell(0)
            run.described = peak_rss_mb()
            begun, cpu = clock(), time.process_time()
            continue
        for stage, spent in zip(run.stages, (decoded - start, kept - ingested, ingested - decoded, judged - kept), strict=True):
            run.stages[stage] += spent
        for part in (slice(at, at + topics) for at in range(0, len(readings), topics)):  # no topic twice in a part
            point, stamp = readings.point[part], readings.time[part]
            run.reordered += int(np.count_nonzero(stamp <= last[point]))
            last[point] = stamp
        run.received += len(readings)
        publisher.tell(run.received)
    run.elapsed = clock() - begun
    run.cpu = time.process_time() - cpu
    run.dropped = sum(dialect.dropped.values()) + sum(session.dropped.values()) + history.dropped


async def _run(rules: RuleSet, topics: int, messages: int, rate: float) -> tuple[Run, float]:
    """Run once; returns what was measured and the state's bytes a point."""
    run = Run(messages)
    with tempfile.TemporaryDirectory(prefix="dcmon-bench-") as scratch:
        async with AsyncExitStack() as stack:
            _pin(1)  # broker and publisher, as they start
            address = await stack.enter_async_context(demo_broker(Path(scratch) / "broker"))
            publisher = await stack.enter_async_context(Publisher(address, topics, messages, rate))
            _pin(0)
            plant = Plant()
            history = await stack.enter_async_context(History(Path(scratch) / "history", plant, keep_days=None))
            writer = asyncio.create_task(history.run(WallClock()))
            stack.callback(writer.cancel)
            core = Core(plant, rules, Config().time)
            session = await stack.enter_async_context(Session(MqttLink(host=address.host, port=address.port), WallClock()))
            before = peak_rss_mb()
            await _consume(session, Dsx(plant), core, history, publisher, run, topics)
            state = (run.described - before) * 1e6 / topics
    return run, state


async def _baseline(topics: int, messages: int) -> Run:
    """The loop that most teams would write: aiomqtt's `async for`, json, a dict of the newest values, one threshold."""
    run = Run(messages)
    with tempfile.TemporaryDirectory(prefix="dcmon-bench-") as scratch:
        async with AsyncExitStack() as stack:
            _pin(1)
            address = await stack.enter_async_context(demo_broker(Path(scratch) / "broker"))
            publisher = await stack.enter_async_context(Publisher(address, topics, messages, 0))
            _pin(0)
            client = await stack.enter_async_context(aiomqtt.Client(address.host, address.port))
            await client.subscribe("BMS/v1/PUB/Value/#")
            newest: dict[str, Any] = {}
            publisher.tell(0)
            begun, cpu = time.perf_counter(), time.process_time()
            async for message in client.messages:
                newest[message.topic.value] = found = json.loads(message.payload)
                run.alerts += found["quality"] == 1 and found["value"] > 1e9
                run.received += 1
                if run.received % 1000 == 0:
                    publisher.tell(run.received)
                if run.received == messages:
                    break
            run.elapsed, run.cpu = time.perf_counter() - begun, time.process_time() - cpu
    return run


def _pin(core: int) -> None:
    """Keep this thread, and what it starts from now on, on one core where there are two."""
    cores = sorted(os.sched_getaffinity(os.getppid()))
    os.sched_setaffinity(0, {cores[core % len(cores)]})


def peak_rss_mb() -> float:
    """Return the peak memory of this process, MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def ingest(rules: RuleSet, *, topics: int, messages: int, paced: int, repeat: int, baseline: bool) -> dict[str, Any]:
    """Measure at full speed and paced.

    Args:
        rules: judged on every tick.
        topics: DSX points, one topic each.
        messages: values of a run at full speed.
        paced: messages a second of the paced run, 10 s long.
        repeat: runs of each; the median counts.
        baseline: run the hand-written loop in between.
    """
    full = [asyncio.run(_run(rules, topics, messages, 0)) for _ in range(repeat)]
    slow = [asyncio.run(_run(rules, topics, paced * 10, paced)) for _ in range(repeat)]
    runs = [run for run, _ in (*full, *slow)]
    fast = sorted((run for run, _ in full), key=lambda run: run.cpu_us)[len(full) // 2]
    result: dict[str, Any] = {
        "name": "ingest",
        "topics": topics,
        "rules": len(rules.rules),
        "readings": fast.received,
        "readings_per_s": round(statistics.median(run.rate for run, _ in full)),
        "messages_per_s": round(statistics.median(run.rate for run, _ in full)),
        "messages_per_s_of_one_core": round(1e6 / fast.cpu_us),
        "cpu_us_per_message": round(fast.cpu_us, 2),
        "cpu_s_per_million": round(fast.cpu_us, 2),
        "stages_us": _stages(fast),
        "paced": {
            "messages_per_s": round(statistics.median(run.rate for run, _ in slow)),
            "cpu_us_per_message": round(statistics.median(run.cpu_us for run, _ in slow), 2),
            "stages_us": _stages(sorted((run for run, _ in slow), key=lambda run: run.cpu_us)[len(slow) // 2]),
        },
        "lost": sum(run.messages - run.received for run in runs),
        "reordered": sum(run.reordered for run in runs),
        "dropped": sum(run.dropped for run in runs),
        "rss_mb": round(peak_rss_mb(), 1),
        "state_bytes_per_point": round(max(state for _, state in full)),
    }
    if baseline:
        loop = asyncio.run(_baseline(topics, min(messages, 100_000)))
        result["baseline"] = {"messages_per_s": round(loop.rate), "cpu_us_per_message": round(loop.cpu_us, 2)}
        result["ratio"] = round(loop.cpu_us / fast.cpu_us, 1)
    return result


def _stages(run: Run) -> dict[str, float]:
    stages = {stage: spent / max(run.received, 1) * 1e6 for stage, spent in run.stages.items()}
    stages["receive"] = max(0.0, run.cpu_us - sum(stages.values()))
    return {stage: round(spent, 2) for stage, spent in stages.items()}
