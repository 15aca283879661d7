"""The DSX dialect: every rule about topics, values, time, quality and who may say what."""

import json

import numpy as np
import pytest
from data import recorded
from dsx_bus import FLOW, LEAK, START, Bus, metadata, value

from monitor.collect.scenario import Scenario
from monitor.model import BAD, GOOD, Readings


@pytest.fixture
def bus() -> Bus:
    made = Bus()
    made.describe()
    return made


def test_the_recorded_pod_is_read_whole() -> None:
    bus = Bus()
    scenario = Scenario(recorded("dsx-exchange", "dsx_exemplar.csv"), START)

    readings = Readings.join([bus.dsx.decode(batch.topics, batch.payloads, [], batch.received) for batch in scenario])

    assert bus.dsx.messages == 4_711
    assert len(bus.plant.rows) == 166
    assert len(readings) == 4_545
    assert bus.dsx.dropped == {}
    assert len(bus.plant.edges) == 24
    assert bus.plant.count_by_kind() == {"cdu": 1, "power_meter": 4, "rack": 6, "sensor": 1, "unknown": 15}
    assert bus.codes() == {"process_area_spelling"}
    assert (readings.quality == GOOD).all()
    assert not np.isnan(readings.value).any()
    assert np.abs(readings.time - readings.received).max() < 0.001
    assert bus.dsx.waiting() == {}


def test_a_value_becomes_a_reading(bus: Bus) -> None:
    readings = bus.send(value(80.5), received=START + 0.25)

    assert readings.point.tolist() == [bus.plant.rows[FLOW]]
    assert (readings.value[0], readings.time[0], readings.received[0]) == (80.5, START, START + 0.25)
    assert (readings.quality[0], readings.snapshot[0]) == (GOOD, False)
    assert bus.plant.points[0].source == "BMS/v1/PUB"


def test_one_received_time_a_message(bus: Bus) -> None:
    topic, payload = value()

    readings = bus.dsx.decode([topic.encode()] * 2, [json.dumps(payload).encode()] * 2, [0, 1], np.array([START, START + 1]))

    assert readings.received.tolist() == [START, START + 1]
    assert readings.snapshot.tolist() == [False, True]


def test_a_prefix_makes_another_source_and_another_asset(bus: Bus) -> None:
    bus.describe(prefix="cpc/7/")

    readings = bus.send(value(1.0, prefix="cpc/7/"), value(2.0))

    assert sorted(bus.plant.assets) == ["R5", "cpc/7/R5"]
    assert bus.plant.points[readings.point[0]].path == f"cpc/7/{FLOW}"
    assert bus.plant.points[readings.point[0]].source == "cpc/7/BMS/v1/PUB"
    assert readings.value.tolist() == [1.0, 2.0]


@pytest.mark.parametrize("tag", ["a/b/c/d/e/f/g/h", "Value/Metadata/PUB", "a//b", " ä.{}", "x/", "cpc/7/BMS/v1"])
def test_the_tag_path_is_opaque(tag: str) -> None:
    bus = Bus()
    path = f"Rack/RackLiquidFlow/{tag}"
    bus.describe(path)

    assert len(bus.send(value(path=path))) == 1
    assert list(bus.plant.rows) == [path]


@pytest.mark.parametrize(
    ("topic", "reason"),
    [
        (b"BMS/v1/PUB/Value/Rack/RackPower", "topic_shape"),
        (b"BMS/v1/PUB/Value/Rack/RackPower/", "topic_shape"),
        (b"BMS/v2/PUB/Value/Rack/RackPower/x", "topic_shape"),
        (b"bms/v1/PUB/Value/Rack/RackPower/x", "topic_shape"),
        (b"BMS/v1/PUB/Alarm/Rack/RackPower/x", "topic_shape"),
        (b"BMS/v1//Value/Rack/RackPower/x", "topic_shape"),
        (b"cpc//BMS/v1/PUB/Value/Rack/RackPower/x", "topic_shape"),
        (b"cpc/7", "topic_shape"),
        (b"", "topic_shape"),
        (b"BMS/v1/PUB/Value/Rack/RackPower/\xff", "topic_encoding"),
        (b"BMS/v1/PUB/Value/Rack/RackPower/" + b"x" * 2000, "topic_size"),
        (b"BMS/v1/NICO/Metadata/Rack/RackPower/x", "metadata_publisher"),
    ],
)
def test_a_topic_of_another_kind_is_counted(bus: Bus, topic: bytes, reason: str) -> None:
    readings = bus.send((topic, {"value": 1}))

    assert len(readings) == 0
    assert bus.dsx.dropped == {reason: 1}


def test_values_before_metadata_wait_and_the_newest_is_applied() -> None:
    bus = Bus()
    waited = bus.send(value(1.0), value(2.0), received=START + 5)
    waiting = bus.dsx.waiting()

    readings = bus.send(metadata(), value(3.0), received=START + 60)

    assert len(waited) == 0
    assert waiting == {f"BMS/v1/PUB/Value/{FLOW}": START + 5}
    assert readings.value.tolist() == [2.0, 3.0]
    assert readings.received.tolist() == [START + 5, START + 60]
    assert (bus.dsx.superseded, bus.dsx.dropped, bus.dsx.waiting()) == (1, {}, {})


def test_a_waiting_snapshot_stays_one() -> None:
    bus = Bus()
    bus.send(value(1.0, quality=0), retained=1)

    readings = bus.send(metadata())

    assert readings.snapshot.tolist() == [True]
    assert readings.quality.tolist() == [BAD]


def test_waiting_values_are_bounded() -> None:
    bus = Bus(most_waiting=2)

    bus.send(*[value(path=f"Rack/RackPower/{number}") for number in (1, 2, 3, 2)])

    assert len(bus.dsx.waiting()) == 2
    assert bus.dsx.dropped == {"waiting_full": 1}
    assert bus.dsx.superseded == 1


def test_points_are_bounded() -> None:
    bus = Bus(most_points=1)
    bus.describe()
    bus.describe(LEAK)
    bus.describe(engUnit="GPM")  # a known point may still change

    assert bus.dsx.dropped == {"points_full": 1}
    assert len(bus.plant.rows) == 1


def test_a_value_and_its_metadata_in_one_batch(bus: Bus) -> None:
    readings = bus.send(value(0.0, LEAK), value(1.0), metadata(LEAK), value(1.0, LEAK))

    assert [bus.plant.points[row].quantity for row in readings.point] == ["leak", "liquid_flow", "leak"]
    assert readings.value.tolist() == [0.0, 1.0, 1.0]


def test_unchanged_metadata_is_only_counted(bus: Bus) -> None:
    version = bus.plant.version

    bus.send(metadata(), metadata())

    assert (bus.dsx.metadata_seen, bus.dsx.metadata_unchanged) == (3, 2)
    assert bus.plant.version == version


def test_changed_metadata_makes_a_new_row(bus: Bus) -> None:
    old = bus.send(value(10.0))
    new = bus.send(metadata(engUnit="GPM"), value(10.0))

    assert old.point[0] != new.point[0]
    assert new.value.tolist() == [pytest.approx(37.85411784)]
    assert bus.plant.rows == {FLOW: new.point[0]}


def test_an_emptied_retained_metadata_takes_nothing_away(bus: Bus) -> None:
    bus.send((metadata()[0], b""))

    assert bus.dsx.dropped == {"metadata_empty": 1}
    assert len(bus.send(value())) == 1


@pytest.mark.parametrize(("payload", "reason"), [(b"{", "metadata_payload_json"), (b"[]", "metadata_payload_object")])
def test_broken_metadata_leaves_the_point_as_it_was(bus: Bus, payload: bytes, reason: str) -> None:
    bus.send((metadata()[0], payload))

    assert bus.dsx.dropped == {reason: 1}
    assert len(bus.send(value())) == 1


def test_metadata_without_identity_is_counted_and_found() -> None:
    bus = Bus()

    bus.describe(rackLocationId=None, rackLocationName=None)

    assert bus.dsx.dropped == {"metadata_without_identity": 1}
    assert "metadata_without_identity" in bus.codes()
    assert bus.plant.assets == {}


def test_a_finding_ends_when_the_metadata_is_put_right() -> None:
    bus = Bus()
    bus.describe(engUnit="flux")

    bus.describe()

    assert bus.codes() == {"descriptor_changed"}


def test_only_the_named_integration_gives_the_value() -> None:
    bus = Bus()
    path = "Rack/RackLeakDetectTray/pod1/rack05/tray"
    bus.describe(path, integration="NICO")

    readings = bus.send(value(0.0, path, publisher="NICO"), value(1.0, path), value(1.0, path, publisher="EVIL"))

    assert readings.value.tolist() == [0.0]
    assert bus.plant.points[readings.point[0]].source == "BMS/v1/NICO"
    assert bus.dsx.dropped == {"wrong_publisher": 2}
    assert "wrong_publisher" in bus.codes()


def test_an_integration_cannot_spoof_a_leak() -> None:
    bus = Bus()
    bus.send(value(1.0, LEAK, publisher="EVIL"))  # even one that waited since before the metadata

    readings = bus.send(metadata(LEAK), value(1.0, LEAK, publisher="EVIL"))

    assert len(readings) == 0
    assert bus.dsx.dropped == {"wrong_publisher": 2}


def test_a_change_of_publisher_unbinds_the_old_one(bus: Bus) -> None:
    bus.describe(integration="NICO")

    readings = bus.send(value(1.0), value(2.0, publisher="NICO"))

    assert readings.value.tolist() == [2.0]
    assert bus.dsx.dropped == {"wrong_publisher": 1}
