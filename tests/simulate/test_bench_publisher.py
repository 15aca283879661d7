"""The benchmark's publisher: valid, true to its word about sequences, and held back by its consumer."""

import asyncio
import json
import subprocess
import sys
import time
from collections import defaultdict
from itertools import pairwise
from pathlib import Path

import aiomqtt
import pytest
from bms_contract import check
from plant.packets import parse

from monitor.bench.publisher import VARIANTS, Plan
from monitor.simulate.broker import Address, demo_broker


def test_the_packets_are_valid_dsx_and_carry_the_stamp_they_are_given() -> None:
    plan = Plan(300, variants=2)
    metadata = parse(b"".join(plan.metadata()), 4096).messages
    values = parse(bytes(plan.rounds[1].chunk(0, 300, 1_767_225_600_123)), 4096).messages

    assert all(retained for _, _, retained in metadata)
    assert not any(retained for _, _, retained in values)
    for (described, said, _), (topic, payload, _) in zip(metadata, values, strict=True):
        check(described.decode(), said)
        assert check(topic.decode(), payload)["timestamp"] == 1_767_225_600_123
        assert topic == described.replace(b"/Metadata/", b"/Value/")
    assert len({topic for topic, _, _ in values}) == 300


def test_a_chunk_is_the_packets_asked_for_and_stamps_no_others() -> None:
    plan = Plan(100, variants=1)
    whole = bytes(plan.rounds[0].chunk(0, 100, 1_000_000_000_000))
    part = bytes(plan.rounds[0].chunk(40, 60, 1_767_225_600_123))

    assert [topic for topic, _, _ in parse(part, 4096).messages] == [topic for topic, _, _ in parse(whole, 4096).messages[40:60]]
    again = bytes(plan.rounds[0].packets)
    assert again.count(b"1767225600123") == 20
    assert again.count(b"1000000000000") == 80


def test_no_measured_point_repeats_one_value_for_ever() -> None:
    plan = Plan(256)
    values = defaultdict(set)
    for packets in plan.rounds:
        for topic, payload, _ in parse(bytes(packets.packets), 4096).messages:
            values[topic].add(json.loads(payload)["value"])

    moving = [topic for topic, seen in values.items() if len(seen) > 1]
    assert len(plan.rounds) == VARIANTS
    assert len(moving) > 150


class Consumer:
    """A publisher process and a subscriber that counts."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self.seen = 0
        self.stamps: dict[str, list[int]] = defaultdict(list)

    async def run(self, *arguments: object, window: int = 0) -> dict[str, object]:
        """Run the publisher to its end; return its last words once all it sent has come."""
        words = [
            "-m",
            "monitor.bench.publisher",
            "--port",
            self.address.port,
            "--hold",
            *arguments,
            *(["--window", window] if window else []),
        ]
        async with aiomqtt.Client(*self.address) as client, asyncio.timeout(60):
            process = await asyncio.create_subprocess_exec(
                sys.executable, *map(str, words), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
            )
            assert process.stdin is not None
            assert process.stdout is not None
            assert process.stderr is not None
            ready = await process.stdout.readline()
            assert ready, (await process.stderr.read()).decode()
            assert json.loads(ready)["ready"]
            await client.subscribe("BMS/v1/PUB/Value/#")
            process.stdin.write(b"0\n")
            last = asyncio.create_task(process.stdout.readline())
            messages = int(arguments[arguments.index("--messages") + 1])
            async for message in client.messages:
                payload = json.loads(message.payload)
                assert abs(payload["timestamp"] / 1000 - time.time()) < 30  # now, as well as a busy machine can say
                self.stamps[message.topic.value].append(payload["timestamp"])
                self.seen += 1
                if window and self.seen % 100 == 0:
                    process.stdin.write(b"%d\n" % self.seen)
                if self.seen == messages:
                    break
            done: dict[str, object] = json.loads(await last)
            assert await process.wait() == 0
            return done


@pytest.mark.parametrize(
    ("arguments", "window"), [((), 0), ((), 400), (("--rate", 5000), 0)], ids=["as fast as it goes", "window", "paced"]
)
async def test_nothing_is_lost_and_each_topics_stamps_increase(arguments: tuple[object, ...], window: int, tmp_path: Path) -> None:
    async with demo_broker(tmp_path) as address:
        consumer = Consumer(address)
        done = await consumer.run("--topics", 150, "--messages", 2000, "--chunk", 50, *arguments, window=window)

    assert done["messages"] == consumer.seen == 2000
    assert len(consumer.stamps) == 150
    assert sorted(map(len, consumer.stamps.values())) == [13] * 100 + [14] * 50
    for stamps in consumer.stamps.values():
        assert all(before < after for before, after in pairwise(stamps))


async def test_it_stays_within_the_window_and_ends_when_its_consumer_does(tmp_path: Path) -> None:
    async with demo_broker(tmp_path) as address, aiomqtt.Client(*address) as client, asyncio.timeout(60):
        await client.subscribe("BMS/v1/PUB/Value/#")
        words = ["--topics", 100, "--messages", 100_000, "--window", 350, "--chunk", 100, "--port", address.port]
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "monitor.bench.publisher", *map(str, words), stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert process.stdin is not None
        seen = 0
        async for _ in client.messages:
            seen += 1
            if seen == 300:  # three sends; a fourth would be past the window
                process.stdin.write(b"200\n")
            if seen == 500:
                process.stdin.close()
                break
        out, _ = await process.communicate()

    assert json.loads(out.splitlines()[-1])["messages"] == 500


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--port", "1", "--messages", "1", "--topics", "1"], "127.0.0.1:1: "),
        (["--port", "1", "--messages", "0"], "--messages is 0; at least 1 would do"),
        (["--port", "1", "--messages", "1", "--window", "10"], "--window 10 is less than one send of 500"),
    ],
)
def test_what_cannot_be_is_said(words: list[str], said: str) -> None:
    done = subprocess.run([sys.executable, "-m", "monitor.bench.publisher", *words], capture_output=True, text=True, timeout=60)

    assert done.returncode != 0
    assert said in done.stderr
    assert "Traceback" not in done.stderr
