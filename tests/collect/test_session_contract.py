"""What reading in bulk needs of paho and aiomqtt, without a broker: if this fails, sessions fall back to the slow path."""

import asyncio
import inspect
import socket
from collections import Counter
from collections.abc import AsyncIterator

import paho.mqtt.client as mqtt
import pytest
from plant.packets import packet, publish

from monitor.clock import WallClock
from monitor.collect.connection import contract_fault
from monitor.collect.cutter import Cutter
from monitor.collect.session import Session
from monitor.collect.wire import Wire
from monitor.config import MqttLink

CONNACK, PINGRESP = packet(0x20, b"\x00\x00"), packet(0xD0, b"")


class Peer:
    """The other end of a socket pair that keeps the borders of writes: one recv is one write."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock

    async def recv(self) -> bytes:
        async with asyncio.timeout(5):
            return await asyncio.get_running_loop().sock_recv(self.sock, 65_536)

    async def send(self, data: bytes) -> None:
        await asyncio.get_running_loop().sock_sendall(self.sock, data)

    async def accept(self, extra: bytes = b"") -> None:
        assert (await self.recv())[:1] == b"\x10"
        await self.send(CONNACK + extra)
        subscribe = await self.recv()
        assert subscribe[:1] == b"\x82"
        await self.send(PINGRESP + packet(0x90, subscribe[2:4] + b"\x01") + PINGRESP)


@pytest.fixture
async def peer(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Peer]:
    near, far = socket.socketpair(socket.AF_UNIX, getattr(request, "param", socket.SOCK_SEQPACKET))
    far.setblocking(False)
    monkeypatch.setattr(mqtt.Client, "_create_socket", lambda self: near)
    yield Peer(far)
    near.close()
    far.close()


def session() -> Session:
    return Session(MqttLink(topics=("t/#",), qos=1, client_id="c"), WallClock())


def test_private_names_are_as_needed() -> None:
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)

    assert contract_fault(client) == ""
    assert not inspect.signature(client._create_socket).parameters
    assert list(inspect.signature(client._packet_queue).parameters) == ["command", "packet", "mid", "qos", "info"]


async def test_the_wire_is_all_of_a_socket_that_paho_uses() -> None:
    near, far = socket.socketpair()
    with near, far:
        wire = Wire(near, Cutter(1024, Counter()), Counter(), asyncio.Event(), asyncio.get_running_loop())
        for name in ("recv", "send", "close", "fileno", "setblocking", "pending"):
            assert callable(getattr(wire, name))


async def test_connect_leaves_and_connack_comes_through_the_wire(peer: Peer) -> None:
    accepting = asyncio.create_task(peer.accept())
    async with session() as entered:
        await accepting
        assert entered.bulk
        assert entered.findings == []
        assert isinstance(entered._connection._paho.socket(), Wire)


async def test_several_control_packets_in_one_readable_event_are_all_consumed(peer: Peer) -> None:
    accepting = asyncio.create_task(peer.accept(PINGRESP + PINGRESP))
    async with session() as entered:
        await accepting
        assert not entered._connection.cutter.control

        await peer.send(PINGRESP + PINGRESP + publish(b"t/1", b"1") + PINGRESP)
        batch = await anext(entered.batches())
        assert (batch.topics, batch.payloads) == ([b"t/1"], [b"1"])
        assert not entered._connection.cutter.control
        assert not entered._connection.lost


async def test_the_pubacks_of_a_batch_leave_in_one_write(peer: Peer) -> None:
    accepting = asyncio.create_task(peer.accept())
    async with session() as entered:
        await accepting
        await peer.send(publish(b"t/1", b"1", qos=1, packet_id=258) + publish(b"t/2", b"2", qos=1, packet_id=7))
        batch = await anext(entered.batches())

        assert await entered.acknowledge(batch)
        assert await peer.recv() == b"\x40\x02\x01\x02\x40\x02\x00\x07"


async def test_messages_before_the_suback_are_kept(peer: Peer) -> None:
    """A resumed session brings them at once."""
    accepting = asyncio.create_task(peer.accept(publish(b"t/1", b"old", qos=1, packet_id=1)))
    async with session() as entered:
        await accepting
        assert (await anext(entered.batches())).payloads == [b"old"]


async def test_nothing_watches_the_socket_after_leaving(peer: Peer) -> None:
    accepting = asyncio.create_task(peer.accept())
    async with session() as entered:
        await accepting
        descriptor = entered._connection._wire.fileno()
    await asyncio.sleep(0)

    loop = asyncio.get_running_loop()
    assert not loop.remove_reader(descriptor)
    assert not loop.remove_writer(descriptor)
    assert await peer.recv() == packet(0xE0, b"")
    assert await peer.recv() == b""


@pytest.mark.parametrize("peer", [socket.SOCK_STREAM], indirect=True, ids=["stream"])  # paho reads byte by byte
async def test_without_the_contract_the_plain_path_runs_and_says_so(peer: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    create = mqtt.Client._create_socket
    monkeypatch.setattr(mqtt.Client, "_create_socket", lambda self, timeout=None: create(self))
    accepting = asyncio.create_task(peer.accept())
    async with session() as entered:
        await accepting
        assert not entered.bulk
        assert "_create_socket takes (timeout), not ()" in entered.findings[0]

        await peer.send(publish(b"t/1", b"1", qos=1, retain=True, packet_id=7))
        batch = await anext(entered.batches())
        assert (batch.topics, batch.payloads, batch.retained, batch.ack.ids) == ([b"t/1"], [b"1"], [0], [7])
        assert await entered.acknowledge(batch)
        assert await peer.recv() == b"\x40\x02\x00\x07"
