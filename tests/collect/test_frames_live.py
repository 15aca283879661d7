"""Frames through real brokers: a session's batches, the daemon with its files, and what `dcmon check` says of them."""

import asyncio
import json
from pathlib import Path

import pytest
from conftest import StartBroker
from daemon import running, until
from frames_twin import MAP, START, Bus, frame, made
from plant.publisher import Publisher

from monitor.cli.run import check
from monitor.clock import WallClock
from monitor.collect.session import Session
from monitor.config import Config, MqttLink, Store
from monitor.errors import ConfigError
from monitor.model import Alert
from monitor.pipeline import Daemon
from monitor.store import query

RACKS = 20
ROUNDS = 30


def payload(rack: str, ts: float, **values: object) -> bytes:
    return json.dumps(frame(rack, round(ts * 1000), **values)).encode()


@pytest.mark.parametrize("qos", [0, 1])
async def test_frames_through_a_broker_equal_frames_without(start_broker: StartBroker, broker_kind: str, tmp_path: Path, qos: int) -> None:
    """Hostile ones in between; of each topic in order."""
    frames = made(tmp_path)
    broker = start_broker(broker_kind, ack_wait="30s")
    hostile = [b"", b"{", b'{"ts":1,"rack":"r1","values":' + b"[" * 3_000, b'{"rack":"r1","ts":1767225600000,"values":{"temp":[1]}}']
    messages = [
        (f"dc/r{rack}/t", payload(f"r{rack}", START + number, flow=number, temp=[rack, number, None], watt=[1, 2, 3, number], door="open"))
        for number in range(ROUNDS)
        for rack in range(RACKS)
    ]
    for at in range(0, len(messages), 7):
        messages.insert(at, ("dc/r1/t", hostile[at % len(hostile)]))
    wanted = Bus(frames)
    rows = sorted(str(row) for row in wanted.rows(wanted.send(*[one for _, one in messages])))
    bus, found, count = Bus(frames), [], 0
    link = MqttLink(port=broker.port, topics=bus.frames.topics, qos=qos)
    async with Session(link, WallClock()) as session, Publisher(broker.port) as publisher, asyncio.timeout(60):
        await publisher.publish(messages, qos=qos)
        async for batch in session.batches():
            found += bus.rows(bus.frames.decode(batch.topics, batch.payloads, [], batch.received))
            await session.acknowledge(batch)
            count += len(batch.topics)
            if count >= len(messages):
                break

    assert sorted(map(str, found)) == rows
    assert len(rows) == RACKS * ROUNDS * 9
    assert bus.frames.dropped == wanted.frames.dropped


MAP_FILE = MAP + "      leak: {quantity: leak}\n"
PLANT = """assets:
  cdu1: {kind: cdu, serves: [r1]}
  r1: {kind: rack, serial: "0042"}
"""


def configured(tmp_path: Path, port: int, plant: str = PLANT) -> Config:
    (tmp_path / "map.yaml").write_text(MAP_FILE)
    (tmp_path / "plant.yaml").write_text(plant)
    link = MqttLink(name="frames", port=port, dialect="frames", map=tmp_path / "map.yaml")
    return Config(store=Store(path=tmp_path / "store"), plant=tmp_path / "plant.yaml", links=(link,))


async def test_the_daemon_hears_frames_and_knows_the_plant_file(start_broker: StartBroker, broker_kind: str, tmp_path: Path) -> None:
    alerts: list[Alert] = []
    port = start_broker(broker_kind).port
    clock = WallClock(1.0, START)
    async with running(configured(tmp_path, port), clock, alerts) as daemon, Publisher(port) as publisher:
        for number in range(3):
            ts = clock.now()
            await publisher.publish([(f"dc/{rack}/t", payload(rack, ts, flow=6, leak=int(number > 1))) for rack in ("r1", "r2")])
            await publisher.publish([("dc/r1/t", b"{")])
            await asyncio.sleep(0.05)
        await until(lambda: len([alert for alert in alerts if alert.rule == "cooling.leak"]) == 2)
        await until(lambda: daemon.core is not None and daemon.core.readings == 12)
        assert daemon.plant.edges == {("cdu1", "r1")}
        assert "3 payload_json" in daemon.status()

    assert {(alert.asset, alert.point) for alert in alerts if alert.rule == "cooling.leak"} == {
        ("r1", "rack:r1/leak"),
        ("r2", "rack:r2/leak"),
    }
    assert len(list(query.points(tmp_path / "store" / "history").rows)) == 12


def test_a_map_or_plant_file_with_faults_does_not_start(tmp_path: Path) -> None:
    from monitor import shipped
    from monitor.detect import rules

    config = configured(tmp_path, 1)
    (tmp_path / "map.yaml").write_text(MAP_FILE.replace("liquid_flow", "liquid_flw"))

    with pytest.raises(ConfigError, match="liquid_flw"):
        Daemon(config, rules.load(shipped.rules()))


def test_check_tells_the_faults_of_map_and_plant_file_together(tmp_path: Path) -> None:
    configured(tmp_path, 1, PLANT.replace("kind: cdu", "kind: cdx"))
    (tmp_path / "map.yaml").write_text(MAP_FILE.replace("liquid_flow", "liquid_flw").replace("unit: W", "unit: bar"))
    settings = tmp_path / "monitor.yaml"
    settings.write_text(
        f"store: {{path: {tmp_path}/store}}\nplant: {tmp_path}/plant.yaml\nlinks:\n- {{dialect: frames, map: {tmp_path}/map.yaml}}\n"
    )

    with pytest.raises(ConfigError) as error:
        check(settings)

    assert [str(fault).replace(f"{tmp_path}/", "").partition("; ")[0] for fault in error.value.faults] == [
        'map.yaml:9:24: frames[0].points.flow.quantity: unknown quantity "liquid_flw"',
        'map.yaml:11:44: frames[0].points.watt.unit: "bar" measures pressure, not power',
        'plant.yaml:2:16: assets.cdu1.kind: unknown kind "cdx"',
    ]


def test_check_passes_a_sound_map(tmp_path: Path) -> None:
    configured(tmp_path, 1)
    settings = tmp_path / "monitor.yaml"
    settings.write_text(
        f"store: {{path: {tmp_path}/store}}\nplant: {tmp_path}/plant.yaml\nlinks:\n- {{dialect: frames, map: {tmp_path}/map.yaml}}\n"
    )

    check(settings)


@pytest.mark.parametrize(
    ("link", "words"),
    [
        ("dialect: frames", "dialect frames needs map"),
        ("map: x.yaml", "map is for the dialect frames"),
    ],
)
def test_map_and_dialect_go_together(link: str, words: str) -> None:
    key, _, value = link.partition(": ")

    with pytest.raises(ValueError, match=words):
        MqttLink.model_validate({key: value})
