"""Simulated pods through a real broker: what is published arrives, on the clock that was given."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import aiomqtt
import pytest
from bms_contract import check

from monitor.clock import WallClock
from monitor.errors import SourceLost
from monitor.simulate import publish
from monitor.simulate.broker import Address, demo_broker
from monitor.simulate.dsx import Bms, Spoken
from monitor.simulate.dsx_points import points
from monitor.simulate.fleet import Fleet
from monitor.simulate.injection import Injection
from monitor.simulate.publish import Broker

START = 1_767_225_600.0


def made(racks: int, clock: WallClock, *faults: str) -> Fleet:
    return Fleet(racks, start=clock.now(), faults=[Injection.parse(text) for text in faults], detail=0)


async def published(
    fleet: Fleet, address: Address, clock: WallClock, seconds: float | None = None, told: publish.Told | None = None
) -> Spoken:
    return await publish.run(fleet, [Bms(fleet, pod) for pod in fleet.pods], Broker(*address), clock, seconds=seconds, told=told)


@asynccontextmanager
async def heard(address: Address, topic: str = "BMS/v1/#") -> AsyncIterator[list[aiomqtt.Message]]:
    """Collect every message while the block lasts."""
    messages: list[aiomqtt.Message] = []
    async with aiomqtt.Client(address.host, address.port) as client:
        await client.subscribe(topic)

        async def collect() -> None:
            async for message in client.messages:
                messages.append(message)  # noqa: PERF401  # the list is read meanwhile

        task = asyncio.create_task(collect())
        yield messages
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def until_settled(address: Address, messages: list[aiomqtt.Message]) -> None:
    """Wait until a message that was published after all others has come."""
    async with aiomqtt.Client(address.host, address.port) as client, asyncio.timeout(30):
        await client.publish("BMS/v1/last", "", qos=1)
        while not messages or messages[-1].topic.value != "BMS/v1/last":
            await asyncio.sleep(0.01)
    messages.pop()


async def test_all_that_is_published_arrives_with_the_stamps_of_the_given_clock(tmp_path: Path) -> None:
    clock = WallClock(50, START)
    fleet = made(2, clock, "leak@Pod1-R02+10")
    async with demo_broker(tmp_path) as address, heard(address) as messages:
        spoken = await published(fleet, address, clock, seconds=30)
        await until_settled(address, messages)

    assert len(messages) == spoken.metadata + spoken.values + spoken.heartbeats
    payloads = [json.loads(message.payload) for message in messages]
    stamps = [payload["timestamp"] for payload in payloads if "timestamp" in payload]
    assert stamps == sorted(stamps)
    assert stamps[0] == round(fleet.start * 1000)
    assert stamps[-1] == round((fleet.start + 30) * 1000)
    leaks = [
        payload["value"]
        for message, payload in zip(messages, payloads, strict=True)
        if message.topic.matches("BMS/v1/PUB/Value/Rack/RackLeakDetect/#")
    ]
    assert leaks == [0, 0, 1]


async def test_who_comes_late_gets_the_metadata(tmp_path: Path) -> None:
    clock = WallClock(50)
    fleet = made(1, clock)
    async with demo_broker(tmp_path) as address:
        await published(fleet, address, clock, seconds=2)
        async with heard(address, "BMS/v1/PUB/Metadata/#") as messages, asyncio.timeout(30):
            while len(messages) <= len(points(fleet.pods[0].physics)):
                await asyncio.sleep(0.01)

    assert all(message.retain for message in messages)
    for message in messages:
        check(message.topic.value, bytes(message.payload))


async def test_a_broker_that_went_away_is_found_again_and_told_everything(tmp_path: Path) -> None:
    clock = WallClock(50)
    fleet = made(1, clock)
    async with demo_broker(tmp_path / "one") as address:
        first = asyncio.Event()
        task = asyncio.create_task(published(fleet, address, clock, told=lambda _: first.set()))
        await first.wait()
    async with demo_broker(tmp_path / "two", address.port) as address, heard(address) as messages, asyncio.timeout(30):
        while sum(message.topic.matches("BMS/v1/PUB/Metadata/#") for message in messages) <= len(points(fleet.pods[0].physics)):
            await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.wait([task])

    assert task.cancelled()


async def test_a_broker_that_never_was_is_an_error_that_says_where() -> None:
    with pytest.raises(SourceLost, match=r"127\.0\.0\.1:1: .*is a broker listening there"):
        await published(made(1, WallClock()), Address("127.0.0.1", 1), WallClock())


def simulate(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "monitor.cli.simulate", *map(str, arguments)]


async def test_the_command_tells_what_it_published_and_injected(tmp_path: Path) -> None:
    async with demo_broker(tmp_path) as address:
        arguments = simulate(
            "--port", address.port, "--racks", 2, "--fault", "leak@P1-R01+0-5", "--name", "P", "--clock-rate", 20, "--seconds", 10, "--json"
        )
        done = await asyncio.to_thread(subprocess.run, arguments, capture_output=True, text=True, timeout=60, check=True)

    told = json.loads(done.stdout)
    assert (told["pods"], told["racks"], told["seconds"], told["heartbeats"]) == (1, 2, 10, 2)
    assert told["metadata"] >= told["values"] / 20 > 0
    assert [(fault["fault"], fault["where"], fault["rules"]) for fault in told["faults"]] == [("leak", "P1-R01", ["cooling.leak"])]
    assert "leak@P1-R01 begins" in done.stderr
    assert "leak@P1-R01 ends" in done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_ends_the_command_cleanly(number: signal.Signals, tmp_path: Path) -> None:
    async with demo_broker(tmp_path) as address, heard(address) as messages, asyncio.timeout(60):
        process = await asyncio.create_subprocess_exec(
            *simulate("--port", address.port, "--json"), stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        while not messages:
            await asyncio.sleep(0.01)
        process.send_signal(number)
        out, err = await process.communicate()

    assert process.returncode == 0, err.decode()
    assert json.loads(out)["values"] >= 0
    assert b"Traceback" not in err


def test_wrong_faults_are_all_named_at_once() -> None:
    arguments = [sys.executable, "-c", "from monitor.cli import simulate; simulate.simulate(fault=['leek@R1', 'leak@'])"]
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=60, env={**os.environ, "COLUMNS": "200"})

    assert 'fault "leek@R1": none is called "leek"; did you mean "leak"?' in done.stderr
    assert 'fault "leak@" has no place' in done.stderr
