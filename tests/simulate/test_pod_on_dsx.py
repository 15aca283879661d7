"""What a pod says on the wire: by the contract, in time, and as the monitor reads it."""

import json
from collections import Counter, defaultdict
from itertools import pairwise
from pathlib import Path

import pytest
from bms_contract import check
from recording import Message as Row
from recording import brief, run

from monitor.collect.dsx_metadata import describe
from monitor.collect.dsx_topic import Topic, parse
from monitor.model import Alert
from monitor.simulate import dsx_points
from monitor.simulate.dsx import Bms, Spoken
from monitor.simulate.dsx_points import points
from monitor.simulate.fleet import Fleet
from monitor.simulate.injection import Injection
from monitor.simulate.message import Message
from monitor.simulate.physics.signals import SIGNALS

START = 1_767_225_600.0


def speak(seconds: int, *faults: str, racks: int = 6, step: int = 1) -> tuple[Fleet, list[tuple[float, Message]]]:
    """Return what is published, with the event time at which."""
    fleet = Fleet(racks, start=START, faults=[Injection.parse(text) for text in faults], seed=3, detail=0)
    (pod,) = fleet.pods
    bms = Bms(fleet, pod)
    said = []
    for second in range(0, seconds, step):
        fleet.advance(START + second)
        said += [(fleet.time, message) for message in bms.due()]
    assert (bms.spoken.metadata + bms.spoken.values + bms.spoken.heartbeats) == len(said)
    return fleet, said


def test_every_message_keeps_the_contract() -> None:
    fleet, said = speak(20, "leak@R01", "pump_trip+5", "phase_loss@R02-TAP-A", "flow_sensor_dead", "flow_restricted@R03")
    described: set[str] = set()
    for time, message in said:
        if message.retain:
            check(message.topic, message.payload)
            described.add(message.topic.replace("/Metadata/", "/Value/"))
        else:
            payload = check(message.topic, message.payload)
            assert message.topic in described  # metadata comes first
            assert payload["quality"] == 1
            assert payload["timestamp"] == round(time * 1000)

    assert len(described) == len(points(fleet.pods[0].physics)) + 1


def test_the_monitor_reads_it_without_a_word_of_lint() -> None:
    _, said = speak(1)
    found = Counter()
    serves = set()
    for _, message in said:
        topic = parse(message.topic.encode())
        assert isinstance(topic, Topic)
        if not message.retain:
            continue
        description, lints = describe(topic, json.loads(message.payload))
        assert lints == []
        assert description is not None
        found[description.kind, description.point.asset] += 1
        serves |= {(description.point.asset, taker) for taker in description.serves}

    kinds = Counter(kind for kind, _ in found)
    assert (kinds["rack"], kinds["power_meter"], kinds["cdu"], kinds["system"]) == (6, 14, 1, 1)
    assert {("Pod1-PDU-A", "Pod1-R06-TAP-A"), ("Pod1-R06-TAP-B", "Pod1-R06"), ("Pod1-CDU1", "Pod1-R01")} < serves
    assert len(serves) == 12 + 12 + 6


def test_values_come_on_change_and_at_least_every_100_s() -> None:
    _, said = speak(301, racks=2)
    times: dict[str, list[float]] = defaultdict(list)
    values: dict[str, list[float]] = defaultdict(list)
    for time, message in said:
        if not message.retain and "Heartbeat" not in message.topic:
            times[message.topic].append(time)
            values[message.topic].append(json.loads(message.payload)["value"])

    for topic, at in times.items():
        gaps = [after - before for before, after in pairwise(at)]
        assert at[0] == START
        assert max(gaps) <= 100
        for gap, (before, after) in zip(gaps, pairwise(values[topic]), strict=True):
            assert before != after or gap >= 99, topic
    leak = next(topic for topic in times if "RackLeakDetect/" in topic)
    assert len(times[leak]) == 4
    assert len(times[next(topic for topic in times if "RackPower/" in topic)]) > 200


def test_metadata_is_retained_and_comes_again_every_100_s_in_turn() -> None:
    fleet, said = speak(301, racks=2)
    per_step = Counter(time for time, message in said if message.retain)
    per_topic = Counter(message.topic for _, message in said if message.retain)

    assert set(per_topic.values()) == {4}
    assert per_step[START] == len(points(fleet.pods[0].physics)) + 1
    assert max(count for time, count in per_step.items() if time > START) <= 4  # no burst


def test_the_heartbeat_is_the_clock_every_10_s() -> None:
    _, said = speak(101)
    beats = [(time, json.loads(message.payload)) for time, message in said if "Heartbeat" in message.topic and not message.retain]

    assert [time - START for time, _ in beats] == list(range(0, 101, 10))
    assert all(beat["value"] == beat["timestamp"] == time * 1000 for time, beat in beats)


def test_late_steps_are_taken_and_only_the_newest_is_said() -> None:
    fleet, said = speak(100, step=7)

    assert fleet.steps == 98
    assert {time - START for time, _ in said} == set(range(0, 100, 7))


def test_after_a_lost_connection_everything_is_said_anew() -> None:
    fleet = Fleet(2, start=START, detail=0)
    bms = Bms(fleet, fleet.pods[0])
    first = list(bms.due())
    bms.begin_anew()

    assert list(bms.due()) == first


def replayed(said: list[tuple[float, Message]], folder: Path) -> list[Alert]:
    rows = [Row(time - START + number * 1e-6, message.topic, message.payload.decode()) for number, (time, message) in enumerate(said)]
    return run(rows, folder).alerts


def test_a_sound_pod_raises_no_alert(tmp_path: Path) -> None:
    _, said = speak(120, racks=3)

    assert brief(replayed(said, tmp_path)) == set()


@pytest.mark.parametrize(
    "faults",
    [
        ("flow_restricted@Pod1-R01+1", "leak@Pod1-R02+30", "phase_loss@Pod1-R03-TAP-A+20", "flow_sensor_dead@Pod1-CDU1+70"),
        ("pump_trip@Pod1-CDU1+40",),
    ],
    ids=["at once", "pump"],
)
def test_the_shipped_rules_see_every_fault_where_they_should(faults: tuple[str, ...], tmp_path: Path) -> None:
    fleet, said = speak(190, *faults, racks=3)
    found = brief(replayed(said, tmp_path))

    for truth in fleet.truth():
        assert any((rule, asset) in found for rule in truth.rules for asset in truth.assets), truth


def test_a_clock_that_is_ahead_stamps_values_and_heartbeats() -> None:
    _, said = speak(10, "clock_skew~size=30+5".replace("~size=30+5", "+5~size=30"), racks=2)
    offsets = {json.loads(message.payload)["timestamp"] / 1000 - time for time, message in said if not message.retain and time >= START + 5}

    assert offsets == {30.0}


def test_every_line_of_the_table_is_a_signal_of_the_plant() -> None:
    assert set(dsx_points._TABLE) <= {signal.name for signal in SIGNALS}


def test_counts_of_several_add_up() -> None:
    assert Spoken(metadata=1, values=2) + Spoken(values=3, frames=4) == Spoken(1, 5, 0, 4)
