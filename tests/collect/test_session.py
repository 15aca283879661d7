"""Sessions against real brokers."""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from conftest import StartBroker
from plant.broker import Broker, User
from plant.certificates import Authority
from plant.packets import packet
from plant.publisher import Publisher

from monitor.clock import WallClock
from monitor.collect import connection
from monitor.collect.session import Batch, Session
from monitor.config import MqttLink, Tls
from monitor.errors import SourceError, SourceLost, SourceRefused

TOPICS = [f"t/{number}" for number in range(200)]


def session(port: int, *, bulk: bool = True, **settings: object) -> Session:
    return Session(MqttLink(**{"port": port, "topics": ("t/#",), "timeout": 5, **settings}), WallClock(), bulk=bulk)


async def receive(entered: Session, count: int) -> list[Batch]:
    """Read batches until so many messages came."""
    batches: list[Batch] = []
    async with asyncio.timeout(30), contextlib.aclosing(entered.batches()) as stream:
        async for batch in stream:
            batches.append(batch)
            count -= len(batch.topics)
            if count <= 0:
                return batches
    raise AssertionError


def payloads(batches: list[Batch]) -> list[bytes]:
    return [payload for batch in batches for payload in batch.payloads]


async def enter(entered: Session) -> Session:
    """Try as a supervisor would, without its waits."""
    for _ in range(200):
        with contextlib.suppress(SourceLost):
            return await entered.__aenter__()
        await asyncio.sleep(0.02)
    raise AssertionError


@pytest.mark.parametrize("qos", [0, 1])
@pytest.mark.parametrize("bulk", [True, False], ids=["bulk", "callback"])
async def test_all_messages_arrive_in_the_order_of_their_topic(start_broker: StartBroker, broker_kind: str, bulk: bool, qos: int) -> None:
    """20,000 messages, on both paths alike."""
    broker = start_broker(broker_kind, ack_wait="30s")  # a second copy would be no fault, but another test's matter
    messages = [(TOPICS[number % 200], b'{"value":%d}' % number) for number in range(20_000)]
    async with session(broker.port, bulk=bulk, qos=qos) as entered, Publisher(broker.port) as publisher:
        publishing = asyncio.create_task(publisher.publish(messages, qos=qos))
        wanted, got = defaultdict(list), defaultdict(list)
        missing = len(messages)
        async with asyncio.timeout(60):
            async for batch in entered.batches():
                for topic, payload in zip(batch.topics, batch.payloads, strict=True):
                    got[topic.decode()].append(payload)
                assert len(batch.ack.ids) == len(batch.topics) * qos
                assert await entered.acknowledge(batch)
                missing -= len(batch.topics)
                if missing <= 0:
                    break
        await publishing

    for topic, payload in messages:
        wanted[topic].append(payload)
    assert got == wanted
    assert entered.bulk == bulk
    assert entered.dropped == {}
    assert entered.findings == []


async def test_a_consumer_that_pauses_loses_nothing(start_broker: StartBroker, broker_kind: str) -> None:
    """Until it reads, the messages wait in TCP and in the broker."""
    broker = start_broker(broker_kind)
    messages = [(TOPICS[number % 200], b"%0500d" % number) for number in range(20_000)]
    async with session(broker.port) as entered, Publisher(broker.port) as publisher:
        await publisher.publish(messages)
        assert entered._connection.cutter.topics == []
        got = payloads(await receive(entered, 20_000))

    assert sorted(got) == [payload for _, payload in messages]


@pytest.mark.parametrize("bulk", [True, False], ids=["bulk", "callback"])
async def test_a_killed_broker_is_a_lost_source_and_the_session_can_be_entered_again(
    start_broker: StartBroker, broker_kind: str, bulk: bool
) -> None:
    broker = start_broker(broker_kind)
    entered = await session(broker.port, bulk=bulk).__aenter__()
    broker.kill()
    with pytest.raises(SourceLost, match=f"bus \\(127.0.0.1:{broker.port}\\): "):
        await receive(entered, 1)
    await entered.__aexit__(None, None, None)

    with pytest.raises(SourceLost, match="refused"):
        await entered.__aenter__()
    broker.start()
    await enter(entered)
    async with Publisher(broker.port) as publisher:
        await publisher.publish([("t/1", b"back")])
    assert payloads(await receive(entered, 1)) == [b"back"]
    await entered.__aexit__(None, None, None)
    await entered.__aexit__(None, None, None)


async def test_a_refused_login_is_a_refusal_that_does_not_show_the_secret(
    start_broker: StartBroker, broker_kind: str, tmp_path: Path
) -> None:
    broker = start_broker(broker_kind, users=[User("bms", "right")])
    secret = tmp_path / "password"
    secret.write_text("wrong-secret\n")
    entered = session(broker.port, username="bms", password_file=secret)
    with pytest.raises(SourceRefused, match="login refused") as caught:
        await entered.__aenter__()
    assert "wrong-secret" not in str(caught.value)

    secret.write_text("right\n")
    async with entered:
        pass


async def test_a_refused_subscription_names_the_filter(start_broker: StartBroker, tmp_path: Path) -> None:
    """On nats-server only: mosquitto's access file grants every subscription and then delivers nothing."""
    broker = start_broker("nats", users=[User("bms", "right", reads=("allowed/#",))])
    (tmp_path / "password").write_text("right")
    login = {"username": "bms", "password_file": tmp_path / "password"}
    with pytest.raises(SourceRefused, match="subscription refused: denied/#;"):
        await session(broker.port, topics=("allowed/#", "denied/#"), **login).__aenter__()
    async with session(broker.port, topics=("allowed/#",), **login):
        pass


async def test_a_token_is_read_anew_at_each_connect(start_broker: StartBroker, broker_kind: str, tmp_path: Path) -> None:
    broker = start_broker(broker_kind, users=[User("oauthtoken", "first")])
    token = tmp_path / "token"
    token.write_text("first\n")
    entered = session(broker.port, token_file=token)
    async with entered:
        broker.stop()
        broker.users = [User("oauthtoken", "second")]
        broker.start()
        with pytest.raises(SourceLost):
            await receive(entered, 1)
    with pytest.raises(SourceRefused):
        await entered.__aenter__()

    token.write_text("second\n")
    async with entered:
        pass


@pytest.mark.parametrize("content", [None, "", b"\xff\xfe"])
async def test_a_secret_that_cannot_be_read_is_a_refusal(tmp_path: Path, content: str | bytes | None) -> None:
    token = tmp_path / "token"
    if content is not None:
        token.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(SourceRefused, match="token_file"):
        await session(1, token_file=token).__aenter__()


@pytest.mark.parametrize("bulk", [True, False], ids=["bulk", "callback"])
async def test_tls(start_broker: StartBroker, broker_kind: str, authority: Authority, bulk: bool) -> None:
    cert, key = authority.issue("broker")
    broker = start_broker(broker_kind, cert=cert, key=key)
    async with session(broker.port, bulk=bulk, tls=Tls(ca=authority.ca)) as entered:
        async with tls_publisher(broker, authority) as publish:
            await publish(2_000)
        got = payloads(await receive(entered, 2_000))
        assert got == [b"%d" % number for number in range(2_000)]

        broker.kill()
        with pytest.raises(SourceLost):
            await receive(entered, 1)


@contextlib.asynccontextmanager
async def tls_publisher(broker: Broker, authority: Authority) -> AsyncIterator[Callable[[int], object]]:
    """Aiomqtt publishes here: what it sends over TLS is no concern of ours."""
    import aiomqtt

    async with aiomqtt.Client("127.0.0.1", broker.port, tls_params=aiomqtt.TLSParameters(ca_certs=str(authority.ca))) as client:

        async def publish(count: int) -> None:
            for number in range(count):
                await client.publish("t/1", b"%d" % number)

        yield publish


async def test_a_certificate_of_another_authority_is_a_refusal(
    start_broker: StartBroker, broker_kind: str, authority: Authority, tmp_path: Path
) -> None:
    cert, key = authority.issue("broker")
    broker = start_broker(broker_kind, cert=cert, key=key)
    stranger = Authority(tmp_path, "stranger")
    with pytest.raises(SourceRefused, match="CERTIFICATE_VERIFY_FAILED"):
        await session(broker.port, tls=Tls(ca=stranger.ca)).__aenter__()
    with pytest.raises(SourceRefused, match="no such file"):
        await session(broker.port, tls=Tls(ca=tmp_path / "absent.pem")).__aenter__()
    with pytest.raises(SourceRefused, match="tls"):
        await session(broker.port, tls=Tls(ca=key)).__aenter__()


async def test_mutual_tls(start_broker: StartBroker, broker_kind: str, authority: Authority) -> None:
    cert, key = authority.issue("broker")
    own_cert, own_key = authority.issue("monitor")
    broker = start_broker(broker_kind, cert=cert, key=key, client_ca=authority.ca)
    async with session(broker.port, tls=Tls(ca=authority.ca, cert=own_cert, key=own_key)):
        pass
    # TLS 1.3 tells of a missing certificate after the handshake, and a reset may overtake the alert: then it reads as lost
    with pytest.raises(SourceError):
        await session(broker.port, tls=Tls(ca=authority.ca)).__aenter__()


async def test_a_half_open_link_is_noticed_by_keepalive(start_broker: StartBroker) -> None:
    broker = start_broker("nats")

    async def half_open(*, bulk: bool) -> None:
        async with proxy(broker.port) as (port, flowing), session(port, bulk=bulk, keepalive=1) as entered:
            flowing.clear()
            with pytest.raises(SourceLost, match=r"(?i)keep.?alive"):
                await receive(entered, 1)

    await asyncio.gather(half_open(bulk=True), half_open(bulk=False))


@contextlib.asynccontextmanager
async def proxy(target: int) -> AsyncIterator[tuple[int, asyncio.Event]]:
    """Forward bytes while the event is set; else hold both ends open and silent."""
    flowing = asyncio.Event()
    flowing.set()
    tasks: set[asyncio.Task[None]] = set()
    writers: list[asyncio.StreamWriter] = []

    async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while data := await source.read(65_536):
            await flowing.wait()
            sink.write(data)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        other_reader, other_writer = await asyncio.open_connection("127.0.0.1", target)
        writers.extend((writer, other_writer))
        tasks.add(asyncio.create_task(pump(reader, other_writer)))
        tasks.add(asyncio.create_task(pump(other_reader, writer)))

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1], flowing
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for writer in writers:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
        server.close()
        await server.wait_closed()


async def test_pings_keep_a_quiet_link(start_broker: StartBroker) -> None:
    async def quiet(kind: str) -> None:
        broker = start_broker(kind)
        async with session(broker.port, keepalive=3) as entered, Publisher(broker.port) as publisher:
            waiting = asyncio.create_task(receive(entered, 1))
            await asyncio.sleep(4.6)  # brokers wait 1.5 times the keepalive for a ping
            await publisher.publish([("t/1", b"still here")])
            assert payloads(await waiting) == [b"still here"]

    await asyncio.gather(quiet("nats"), quiet("mosquitto"))


async def read_by_the_broker(entered: Session) -> None:
    """Wait for an answer to something sent last: a new connection may overtake what the broker has not yet read of the old one."""
    asking = asyncio.create_task(entered._connection._client.subscribe("barrier"))
    while not asking.done():
        entered._connection.pull()
        await asyncio.sleep(0)
    await asking


@pytest.mark.parametrize("bulk", [True, False], ids=["bulk", "callback"])
async def test_qos_1_comes_again_until_it_is_acknowledged(start_broker: StartBroker, broker_kind: str, bulk: bool) -> None:
    broker = start_broker(broker_kind)
    wanted = {b"%d" % number for number in range(50)}
    entered = session(broker.port, bulk=bulk, qos=1)
    async with entered, Publisher(broker.port) as publisher:
        await publisher.publish((("t/1", payload) for payload in sorted(wanted)), qos=1)
        first = await receive(entered, 50)
        assert set(payloads(first)) == wanted

    async with entered:
        assert not await entered.acknowledge(first[0])  # its connection is gone
        again = await receive(entered, 50)
        assert set(payloads(again)) == wanted
        for batch in again:
            assert await entered.acknowledge(batch)
        await read_by_the_broker(entered)

    async with entered, Publisher(broker.port) as publisher:
        await publisher.publish([("t/1", b"new")], qos=1)
        late: list[Batch] = []
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1.5), contextlib.aclosing(entered.batches()) as stream:  # above ack_wait
                async for batch in stream:
                    late.append(batch)
                    await entered.acknowledge(batch)
        assert set(payloads(late)) == {b"new"}


@pytest.mark.parametrize("bulk", [True, False], ids=["bulk", "callback"])
async def test_retained_messages_are_marked(start_broker: StartBroker, broker_kind: str, bulk: bool) -> None:
    broker = start_broker(broker_kind)
    async with Publisher(broker.port) as publisher:
        await publisher.publish([("t/meta", b"snapshot")], retain=True)
        async with session(broker.port, bulk=bulk) as entered:
            first = (await receive(entered, 1))[0]
            await publisher.publish([("t/meta", b"news")], retain=True)
            second = (await receive(entered, 1))[0]

    assert (first.payloads, first.retained) == ([b"snapshot"], [0])
    assert (second.payloads, second.retained) == ([b"news"], [])


@pytest.mark.parametrize("bulk", [True, False], ids=["bulk", "callback"])
async def test_an_oversize_message_is_counted_and_does_not_come_again(start_broker: StartBroker, broker_kind: str, bulk: bool) -> None:
    broker = start_broker(broker_kind)
    entered = session(broker.port, bulk=bulk, qos=1, max_packet=2_000)
    async with entered, Publisher(broker.port) as publisher:
        await publisher.publish([("t/1", b"a"), ("t/1", bytes(600_000)), ("t/1", b"b")], qos=1)
        batches = await receive(entered, 2)
        for batch in batches:
            assert await entered.acknowledge(batch)

    assert payloads(batches) == [b"a", b"b"]
    assert sum(len(batch.ack.ids) for batch in batches) == 3
    assert entered.dropped == {"oversize": 1}


async def test_the_callback_path_is_bounded(start_broker: StartBroker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "WAITING_MOST", 100)
    broker = start_broker("nats")
    async with session(broker.port, bulk=False) as entered, Publisher(broker.port) as publisher:
        await publisher.publish([("t/1", b"%08d" % number) for number in range(20)])
        await publisher.publish([("t/1", b"last")])
        while sum(entered.dropped.values()) + len(entered._connection.cutter.topics) < 21:
            await asyncio.sleep(0)
        kept = len(payloads(await receive(entered, 1)))

    assert kept == 9  # of 11 bytes each
    assert entered.dropped == {"session_full": 12}


@contextlib.asynccontextmanager
async def peer(answer: bytes, *, close: bool = False) -> AsyncIterator[int]:
    """A server that answers the first bytes with these, then closes or stays silent."""
    ended = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            await reader.read(1_000)
            writer.write(answer)
            if not close:
                await ended.wait()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        ended.set()
        server.close()
        await server.wait_closed()
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("bulk", [True, False], ids=["bulk", "callback"])
async def test_a_peer_that_does_not_answer_has_a_deadline(bulk: bool) -> None:
    async with peer(b"") as port:
        with pytest.raises(SourceLost, match=r"no answer within 0\.2 s"):
            await session(port, bulk=bulk, timeout=0.2).__aenter__()


async def test_a_peer_that_closes_before_it_answered_is_lost_at_once() -> None:
    async with peer(b"", close=True) as port:
        with pytest.raises(SourceLost, match="closed"):
            await session(port, timeout=30).__aenter__()


async def test_a_broker_that_starts_is_lost_not_refused() -> None:
    async with peer(packet(0x20, b"\x00\x03"), close=True) as port:
        with pytest.raises(SourceLost, match="not ready"):
            await session(port).__aenter__()


async def test_a_stream_that_is_no_mqtt_is_lost_with_its_reason() -> None:
    async with peer(b"\x30\xff\xff\xff\xff\xff") as port:
        with pytest.raises(SourceLost, match="within 4 bytes"):
            await session(port).__aenter__()


@pytest.mark.parametrize("turns", [1, 3, 10, 30, 100])
@pytest.mark.parametrize("bulk", [True, False], ids=["bulk", "callback"])
async def test_cancelling_an_entry_leaves_nothing_behind(start_broker: StartBroker, bulk: bool, turns: int) -> None:
    """At any moment: a socket left open would be a ResourceWarning, a watcher left behind an error in the loop."""
    broker = start_broker("nats")
    entering = asyncio.create_task(session(broker.port, bulk=bulk).__aenter__())
    for _ in range(turns):
        await asyncio.sleep(0)
    entering.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await (await entering).__aexit__(None, None, None)
    await asyncio.get_running_loop().shutdown_default_executor()
    await asyncio.sleep(0.01)
    assert not [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
