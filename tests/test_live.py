"""The whole path through real brokers: what a replay says, the live monitor says."""

import asyncio
import json
import random
import sqlite3
from pathlib import Path

import pytest
from conftest import StartBroker
from daemon import running, settings, until
from plant.publisher import Publisher
from recording import STAMP, START, Message, messages, run, topic_of, value

from monitor.clock import ManualClock, WallClock
from monitor.model import Alert
from monitor.store import query

RATE = 4.0  # the lateness of 2 s is then half a second of real time, which a busy machine still keeps


def value_alerts(alerts: list[Alert]) -> list[tuple[object, ...]]:
    """Return what must be equal: alerts that fired while the recording spoke, ends after it left out."""
    end = START + 100
    last = {alert.key: alert for alert in alerts}
    return sorted(
        (
            alert.key,
            round(alert.fired, 3),
            alert.ended if alert.ended is not None and alert.ended <= end else None,
            alert.value,
            alert.limit,
            alert.summary,
        )
        for alert in last.values()
        if alert.fired <= end
    )


def stored(folder: Path) -> list[tuple[object, ...]]:
    rows = query.points(folder / "history")
    at = [rows.columns.index(name) for name in ("point", "time", "value", "quality")]
    return sorted(tuple(row[index] for index in at) for row in rows.rows)


async def test_the_recording_through_a_broker_equals_its_replay(broker_kind: str, start_broker: StartBroker, tmp_path: Path) -> None:
    """Same messages, same stamps: the same value alerts and the same stored values."""
    pod = messages()
    leak = topic_of(pod, "RackLeakDetect/", "rack03", "leakStatus/state")
    pod = sorted([*pod, value(40.4, leak, 1)], key=lambda one: one.at)
    expected = await asyncio.to_thread(run, pod, tmp_path, store=tmp_path / "replayed")
    alerts: list[Alert] = []
    port = start_broker(broker_kind).port
    clock = WallClock(RATE, START - 5.0)
    async with running(settings(tmp_path / "live", port), clock, alerts) as daemon, Publisher(port) as publisher:
        begun = 0
        while begun < len(pod):
            await clock.sleep(START + pod[begun].at - clock.now())
            now = clock.now() - START
            due = begun
            while due < len(pod) and pod[due].at <= now:
                due += 1
            await publisher.publish([stamped(one) for one in pod[begun:due]])
            begun = due
        await until(lambda: daemon.core is not None and daemon.core.ticks.closed >= START + 100)
        assert daemon.core is not None
        assert daemon.core.ticks.late == 0

    assert value_alerts(alerts) == value_alerts(expected.alerts)
    assert stored(tmp_path / "live") == stored(tmp_path / "replayed")
    assert len(stored(tmp_path / "live")) == 4546


def stamped(message: Message) -> tuple[str, bytes]:
    return message.topic, message.payload.replace(STAMP, str(int((START + message.at) * 1000))).encode()


def hostile(seed: int) -> bytes:
    """Return a payload that no publisher should send."""
    chance = random.Random(seed)
    made = [
        b"",
        b"\xff\xfe" + chance.randbytes(40),
        b'{"value":NaN,"timestamp":1,"quality":1}',
        b'{"value":Infinity,"timestamp":1,"quality":1}',
        b'{"value":1e999,"timestamp":1,"quality":1}',
        b'{"value":"33","timestamp":1,"quality":1}',
        b'{"value":true,"timestamp":1767225600000,"quality":1}',
        b'{"value":[1],"timestamp":1,"quality":1}',
        b"[" * chance.randrange(1, 5000),
        b'{"a":' * 500 + b"1" + b"}" * 500,
        b'{"value":1' + b" " * 100_000,
        b'"quality":1},{"value":2,"timestamp":1767225600000,"quality":1}',
        b'{"timestamp":1767225600000,"quality":1}',
        b"null",
        b"123",
        b'{"value":' + b"9" * 400 + b',"timestamp":1,"quality":1}',
    ]
    return made[seed % len(made)]


async def test_a_thousand_hostile_messages_cost_nothing_good(start_broker: StartBroker, tmp_path: Path) -> None:
    """Between good values on the same and other topics: no crash, each counted by reason, all good values stored."""
    pod = messages()
    topic = topic_of(pod, "RackPower/", "rack03")
    metadata = [stamped(one) for one in pod if not one.value]
    clock = WallClock(1.0, START)
    story: list[tuple[str, bytes]] = []
    for number in range(1000):
        good = json.dumps({"value": number, "timestamp": round((START + 1 + number / 1000) * 1000), "quality": 1})
        story.append((topic, good.encode()))
        where = [topic, f"BMS/v1/PUB/Value/{'x/' * (number % 50)}y", f"BMS/v1/PUB/Metadata/Rack/RackPower/odd/{number}", "BMS/v1/x/Value"][
            number % 4
        ]
        story.append((where, hostile(number)))
    port = start_broker("mosquitto").port
    async with running(settings(tmp_path / "live", port), clock) as daemon, Publisher(port) as publisher:
        await publisher.publish(metadata)
        await publisher.publish(story)
        dialect = daemon.dialects["bus"]
        await until(lambda: dialect.messages >= len(metadata) + len(story))
        lost = sum(dialect.dropped.values()) + dialect.superseded + len(dialect.waiting())
        assert daemon.core is not None
        assert daemon.core.readings + lost + dialect.metadata_seen == dialect.messages
        assert dialect.dropped

    found = [row for row in stored(tmp_path / "live") if str(row[0]).endswith("rack03/info/power/power/value") and row[3] == 0]
    assert [row[2] for row in found] == [float(number) for number in range(1000)]


async def test_a_refused_login_is_an_alert_that_ends_when_it_is_let_in(start_broker: StartBroker, tmp_path: Path) -> None:
    from plant.broker import User

    password = tmp_path / "password"
    password.write_text("wrong")
    port = start_broker("mosquitto", users=[User("monitor", "right")]).port
    config = settings(tmp_path / "live", port, username="monitor", password_file=str(password))
    alerts: list[Alert] = []
    clock = WallClock(60.0, START)
    from daemon import PATIENCE

    from monitor import shipped
    from monitor.detect import rules as rule_files
    from monitor.pipeline import Daemon

    daemon = Daemon(config, rule_files.load(shipped.rules()), clock, alerts.extend)
    task = asyncio.create_task(daemon.run())
    try:
        async with asyncio.timeout(PATIENCE):
            while not [alert for alert in alerts if alert.rule == "sensor.link_refused"]:
                await asyncio.sleep(0.02)
            password.write_text("right")
            while not [alert for alert in alerts if alert.rule == "sensor.link_refused" and alert.ended is not None]:
                await asyncio.sleep(0.02)
    finally:
        task.cancel()
        await asyncio.wait([task])


@pytest.mark.parametrize("sign", ["kill"])
async def test_alerts_survive_a_restart_and_go_on_with_their_episode(sign: str, start_broker: StartBroker, tmp_path: Path) -> None:
    """A leak open at the stop is the same alert afterwards, and ends when the point clears."""
    pod = messages()
    leak = topic_of(pod, "RackLeakDetect/", "rack03", "leakStatus/state")
    metadata = [stamped(one) for one in pod if not one.value]
    port = start_broker("mosquitto").port
    alerts: list[Alert] = []
    clock = WallClock(4.0, START)
    async with running(settings(tmp_path / "live", port), clock, alerts), Publisher(port) as publisher:
        await publisher.publish(metadata, retain=True)
        await publisher.publish([stamped(value(clock.now() - START, leak, 1))])
        await until(lambda: [alert for alert in alerts if alert.rule == "cooling.leak"])
    again: list[Alert] = []
    async with running(settings(tmp_path / "live", port), clock, again) as daemon, Publisher(port) as publisher:
        await until(lambda: daemon.dialects["bus"].metadata_seen == len(metadata))
        await publisher.publish([stamped(value(clock.now() - START, leak, 0))])
        await until(lambda: [alert for alert in again if alert.rule == "cooling.leak" and alert.ended is not None])

    assert {alert.episode for alert in (*alerts, *again) if alert.rule == "cooling.leak"} == {1}


async def test_a_stop_during_a_commit_loses_and_repeats_nothing(start_broker: StartBroker, tmp_path: Path) -> None:
    """Another process holds the database when the alert comes; the daemon is stopped while it waits for it."""
    pod = messages()
    leak = topic_of(pod, "RackLeakDetect/", "rack03", "leakStatus/state")
    port = start_broker("mosquitto").port
    alerts: list[Alert] = []
    clock = WallClock(1.0, START)
    async with running(settings(tmp_path / "live", port), clock, alerts) as daemon, Publisher(port) as publisher:
        await publisher.publish([stamped(one) for one in pod if not one.value])
        await until(lambda: daemon.plant.assets.get("Pod1C-E03") is not None)
        await asyncio.sleep(0.5)
        lock = sqlite3.connect(tmp_path / "live/monitor.db", isolation_level=None)
        lock.execute("BEGIN IMMEDIATE")
        await publisher.publish([stamped(value(clock.now() - START, leak, 1))])
        await asyncio.sleep(0.5)
        assert not [alert for alert in alerts if alert.rule == "cooling.leak"]
        asyncio.get_running_loop().call_later(1.0, lock.close)

    assert [alert.rule for alert in alerts if alert.rule == "cooling.leak"] == ["cooling.leak"]
    kept = query.alerts(tmp_path / "live/monitor.db")
    assert [row[kept.columns.index("rule")] for row in kept.rows].count("cooling.leak") == 1


def test_the_manual_clock_is_a_clock() -> None:
    clock = ManualClock(5.0)
    clock.move(2.0)

    assert clock.now() == 7.0
