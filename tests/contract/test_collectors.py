"""What every kind of collector keeps; a kind that joins the table without a peer here fails."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib import import_module

import pytest
from conftest import StartBroker
from plant.publisher import Publisher

from monitor.clock import WallClock
from monitor.collect import KINDS, Collector
from monitor.collect.dsx import Dsx
from monitor.config import MqttLink
from monitor.errors import SourceLost
from monitor.model import Readings
from monitor.plant import Plant

BURST = 5000


@dataclass
class Peer:
    """A real far side: `open_link` gives a collector to it, `say` makes it send BURST readings, `die` ends it."""

    open_link: Callable[[], Collector]
    say: Callable[[], Awaitable[None]]
    die: Callable[[], None]


@asynccontextmanager
async def mqtt(start_broker: StartBroker) -> AsyncIterator[Peer]:
    broker = start_broker("mosquitto")
    dialect = Dsx(Plant())
    of = import_module("monitor.collect.mqtt").Mqtt
    metadata = {"objectType": "Rack", "pointType": "RackPower", "engUnit": "kW", "rackLocationName": "R1", "rackLocationId": "R1"}

    async def say() -> None:
        now = WallClock().now()
        values = [json.dumps({"value": number, "timestamp": int(now * 1000) + number, "quality": 1}).encode() for number in range(BURST)]
        async with Publisher(broker.port) as publisher:
            await publisher.publish([("BMS/v1/PUB/Metadata/Rack/RackPower/x", json.dumps(metadata).encode())])
            await publisher.publish(("BMS/v1/PUB/Value/Rack/RackPower/x", value) for value in values)

    yield Peer(lambda: of(MqttLink(port=broker.port), WallClock(), dialect), say, broker.kill)


PEERS = {"mqtt": mqtt}


def test_every_kind_has_a_peer_here() -> None:
    assert set(PEERS) == set(KINDS)


@pytest.fixture(params=sorted(KINDS))
async def peer(request: pytest.FixtureRequest, start_broker: StartBroker) -> AsyncIterator[Peer]:
    async with PEERS[request.param](start_broker) as found:
        yield found


async def take(stream: AsyncIterator[Readings], count: int) -> int:
    seen = 0
    async with asyncio.timeout(30):
        async for readings in stream:
            seen += len(readings)
            if seen >= count:
                break
    return seen


async def test_a_burst_loses_nothing(peer: Peer) -> None:
    async with peer.open_link() as link:
        stream = link.readings()
        saying = asyncio.create_task(peer.say())
        assert await take(stream, BURST) == BURST
        await saying


async def test_leaving_twice_is_harmless_and_a_new_link_works(peer: Peer) -> None:
    link = peer.open_link()
    async with link:
        assert link.name
    await link.__aexit__(None, None, None)
    async with peer.open_link() as again:
        saying = asyncio.create_task(peer.say())
        assert await take(again.readings(), BURST) == BURST
        await saying


async def test_a_lost_peer_raises_source_lost(peer: Peer) -> None:
    with pytest.raises(SourceLost):
        async with peer.open_link() as link:
            peer.die()
            await take(link.readings(), 1)
    with pytest.raises(SourceLost):
        async with peer.open_link():
            pass


async def test_cancelled_in_the_middle_leaves_no_task_behind(peer: Peer, caplog: pytest.LogCaptureFixture) -> None:
    before = asyncio.all_tasks()

    async def read() -> None:
        async with peer.open_link() as link:
            await take(link.readings(), BURST)

    task = asyncio.create_task(read())
    await asyncio.sleep(0.3)
    task.cancel()
    await asyncio.wait([task])
    await asyncio.sleep(0.1)

    assert task.cancelled()
    assert asyncio.all_tasks() <= before
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]
