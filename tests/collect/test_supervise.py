"""Supervision by a clock that the test moves."""

import asyncio
import logging
import random
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Self

import pytest

from monitor.clock import ManualClock
from monitor.collect import Collector, supervise
from monitor.errors import SourceLost, SourceRefused
from monitor.model import Readings

Step = Readings | Exception | float  # what to yield, what to raise, or for how long to hold the link in silence

ROW = Readings.of([1], [2.0], [3.0])


class Scripted:
    """One link that enters or fails, then follows its steps; without a last error the source ends."""

    name = "bus"

    def __init__(self, clock: ManualClock, entry: Exception | None = None, steps: tuple[Step, ...] = ()) -> None:
        self.clock, self.entry, self.steps = clock, entry, steps
        self.left = 0
        self.closed = False

    async def __aenter__(self) -> Self:
        if self.entry is not None:
            raise self.entry
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.left += 1

    async def readings(self) -> AsyncIterator[Readings]:
        try:
            for step in self.steps:
                if isinstance(step, Exception):
                    raise step
                if isinstance(step, float):
                    await self.clock.sleep(step)
                else:
                    yield step
        finally:
            self.closed = True


class Run:
    """A supervisor over scripted links, with all it said."""

    def __init__(self, clock: ManualClock, links: list[Scripted]) -> None:
        self.clock = clock
        self.links = iter(links)
        self.taken: list[Readings] = []
        self.states: list[tuple[str, str, float]] = []
        self.task = asyncio.create_task(supervise.supervise(self.open, self.taken.append, clock, self.on_state))

    def open(self) -> Collector:
        return next(self.links)

    def on_state(self, name: str, state: str, reason: str, now: float) -> None:
        self.states.append((state, reason, now))

    async def settle(self) -> None:
        for _ in range(20):
            await asyncio.sleep(0)

    async def move(self, seconds: float) -> None:
        await self.settle()
        self.clock.move(seconds)
        await self.settle()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(1000.0)


@pytest.fixture(autouse=True)
def longest_jitter(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Jitter that always draws its bound, and the bounds it drew."""
    bounds: list[float] = []

    def draw(low: float, high: float) -> float:
        assert low == 0
        bounds.append(high)
        return high

    monkeypatch.setattr(random, "uniform", draw)
    return bounds


def lines(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    return [(record.levelname, record.getMessage()) for record in caplog.records if record.name == supervise.__name__]


async def test_readings_pass_in_order_and_the_end_of_the_source_is_the_end(clock: ManualClock) -> None:
    other = Readings.of([2], [2.0], [3.0])
    link = Scripted(clock, steps=(ROW, other))
    run = Run(clock, [link])
    await run.task

    assert run.taken == [ROW, other]
    assert run.states == [("connected", "", 1000.0)]
    assert link.left == 1


async def test_an_outage_has_one_line_and_its_end_one(clock: ManualClock, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    lost = SourceLost("bus: gone")
    run = Run(clock, [Scripted(clock, steps=(ROW, lost)), Scripted(clock, lost), Scripted(clock, lost), Scripted(clock, steps=(ROW,))])
    for _ in range(3):
        await run.move(60)
    await run.task

    assert lines(caplog) == [("WARNING", "bus: gone; retrying quietly"), ("INFO", "bus: back after 3 tries")]
    assert [state for state, _, _ in run.states] == ["connected", "lost", "lost", "lost", "connected"]
    assert len(run.taken) == 2


async def test_waits_grow_to_a_minute_and_no_further(clock: ManualClock, longest_jitter: list[float]) -> None:
    run = Run(clock, [Scripted(clock, SourceLost("x")) for _ in range(15)] + [Scripted(clock)])
    for _ in range(15):
        await run.move(60)
    await run.task

    assert longest_jitter[:3] == pytest.approx([1.6, 2.56, 4.096])
    assert longest_jitter[8:] == [60.0] * 7


async def test_a_link_that_flaps_keeps_its_back_off_and_one_that_held_starts_anew(clock: ManualClock, longest_jitter: list[float]) -> None:
    lost = SourceLost("x")
    run = Run(
        clock,
        [
            Scripted(clock, steps=(ROW, 59.0, lost)),
            Scripted(clock, steps=(ROW, 59.0, lost)),
            Scripted(clock, steps=(ROW, 60.0, lost)),
            Scripted(clock),
        ],
    )
    for seconds in (59, 60, 59, 60, 60, 60):
        await run.move(seconds)
    await run.task

    assert longest_jitter == pytest.approx([1.6, 2.56, 1.6])


async def test_a_refusal_waits_the_longest_and_asks_again(
    clock: ManualClock, longest_jitter: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    refused = SourceRefused("bus: login refused")
    run = Run(clock, [Scripted(clock, refused), Scripted(clock, refused), Scripted(clock, steps=(ROW,))])
    await run.move(59.9)
    assert len(run.states) == 1
    await run.move(0.1)
    assert len(run.states) == 2
    await run.move(60)
    await run.task

    assert longest_jitter == []
    assert run.states == [("refused", "bus: login refused", 1000.0), ("refused", "bus: login refused", 1060.0), ("connected", "", 1120.0)]
    assert [level for level, _ in lines(caplog)] == ["WARNING", "INFO"]
    assert "a person must act" in lines(caplog)[0][1]


async def test_an_outage_that_becomes_a_refusal_says_so_once(clock: ManualClock, caplog: pytest.LogCaptureFixture) -> None:
    lost, refused = SourceLost("gone"), SourceRefused("no")
    run = Run(clock, [Scripted(clock, error) for error in (lost, refused, lost, refused)] + [Scripted(clock)])
    for _ in range(4):
        await run.move(60)
    await run.task

    assert [text.partition(";")[0] for _, text in lines(caplog)] == ["gone", "no"]


async def test_a_defect_is_a_lost_link_and_its_traceback_is_logged_once(clock: ManualClock, caplog: pytest.LogCaptureFixture) -> None:
    links = [Scripted(clock, steps=(ROW, ZeroDivisionError("oops"))) for _ in range(3)]
    run = Run(clock, [*links, Scripted(clock)])
    for _ in range(3):
        await run.move(60)
    await run.task

    traced = [record for record in caplog.records if record.exc_info]
    assert len(traced) == 1
    assert [state for state, _, _ in run.states] == ["connected", "lost"] * 3 + ["connected"]
    assert run.states[1][1] == "bus: defect in the monitor: ZeroDivisionError: oops"
    assert all(link.left == 1 for link in links)


async def test_a_link_that_cannot_be_built_does_not_end_the_supervisor(clock: ManualClock) -> None:
    states: list[str] = []

    def broken() -> Collector:
        raise KeyError("kind")

    task = asyncio.create_task(supervise.supervise(broken, lambda _: None, clock, lambda _name, state, _reason, _now: states.append(state)))
    for _ in range(3):
        await asyncio.sleep(0)
        clock.move(60)
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert states[:2] == ["lost", "lost"]


@pytest.mark.parametrize("where", ["reading", "waiting"])
async def test_cancelling_passes_and_leaves_the_link(clock: ManualClock, where: str) -> None:
    link = Scripted(clock, steps=(ROW, 1000.0) if where == "reading" else (ROW, SourceLost("x")))
    run = Run(clock, [link])
    await run.settle()
    run.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run.task

    assert link.left == 1
    assert link.closed
    assert clock.now() == 1000.0
