"""Payloads of values: what is kept, how good it is, and when it was."""

from typing import Any

import numpy as np
import pytest
from dsx_bus import START, Bus, value

from monitor.model import BAD, GOOD


@pytest.fixture
def bus() -> Bus:
    made = Bus()
    made.describe()
    return made


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", "payload_empty"),
        (b"[]", "payload_object"),
        (b"null", "payload_object"),
        (b"7", "payload_object"),
        (b'{"value":1', "payload_json"),
        (b'{"value":NaN,"timestamp":1,"quality":1}', "payload_json"),
        (b'{"value":Infinity,"timestamp":1,"quality":1}', "payload_json"),
        (b'{"value":1e999,"timestamp":1,"quality":1}', "number_range"),
        (b'{"value":' + b"9" * 400 + b',"timestamp":1,"quality":1}', "number_range"),
        (b'{"value":"80.5","timestamp":1,"quality":1}', "value_type"),
        (b'{"value":[1],"timestamp":1,"quality":1}', "value_type"),
        (b'{"value":true,"timestamp":1,"quality":1}', "value_boolean"),
        (b'{"timestamp":1,"quality":1}', "value_missing"),
        (b'{"value":1,"x":"\xff"}', "payload_json"),
        (b'{"value":1,"x":' + b"[" * 30_000 + b"]" * 30_000 + b"}", "payload_json"),
        (b'{"value":1,"x":"' + b"y" * 70_000 + b'"}', "payload_size"),
    ],
)
def test_a_payload_that_holds_no_value_is_counted(bus: Bus, payload: bytes, reason: str) -> None:
    topic, good = value()

    readings = bus.send((topic, good), (topic, payload), (topic, good))

    assert len(readings) == 2
    assert bus.dsx.dropped == {reason: 1}
    assert reason in bus.codes()


@pytest.mark.parametrize(
    ("told", "number", "quality", "code"),
    [
        ({"value": None}, np.nan, BAD, ""),
        ({"quality": 0}, 80.5, BAD, ""),
        ({"quality": 192}, 80.5, BAD, ""),
        ({"quality": 1.0}, 80.5, GOOD, ""),
        ({"quality": "1"}, 80.5, GOOD, "quality_string"),
        ({"quality": "good"}, 80.5, BAD, "quality_type"),
        ({"quality": True}, 80.5, BAD, "quality_type"),
        ({"quality": None}, 80.5, BAD, "quality_type"),
        ({"quality": ...}, 80.5, BAD, "quality_missing"),
        ({"unit": "LPM"}, 80.5, GOOD, "value_field_unknown"),
        ({"value": 12}, 12.0, GOOD, ""),
        ({"value": -0.0}, 0.0, GOOD, ""),
    ],
)
def test_quality_and_lenience(bus: Bus, told: dict[str, object], number: float, quality: int, code: str) -> None:
    topic, payload = value()
    changed: dict[str, Any] = {key: word for key, word in (payload | told).items() if word is not ...}

    readings = bus.send((topic, changed))

    np.testing.assert_array_equal(readings.value, [number])
    assert readings.quality.tolist() == [quality]
    assert bus.codes() == ({code} if code else set())


@pytest.mark.parametrize(
    ("stamp", "time", "code"),
    [
        (1_767_225_600_123, START + 0.123, ""),
        (1_767_225_600_123.0, START + 0.123, ""),
        (1_767_225_600, START, "timestamp_unit"),
        (1_767_225_600_123_000, START + 0.123, "timestamp_unit"),
        (1_767_225_600_123_000_000, START + 0.123, "timestamp_unit"),
        (-5, START + 9, "timestamp_absurd"),
        (0, START + 9, "timestamp_absurd"),
        (4_200_000_000_000, START + 9, "timestamp_absurd"),
        ("1767225600123", START + 9, "timestamp_missing"),
        (None, START + 9, "timestamp_missing"),
        (..., START + 9, "timestamp_missing"),
    ],
)
def test_timestamps_in_any_unit_become_seconds(bus: Bus, stamp: object, time: float, code: str) -> None:
    topic, payload = value(timestamp=stamp)
    changed = {key: word for key, word in payload.items() if word is not ...}

    readings = bus.send(value(1.0), (topic, changed), received=START + 9)

    assert readings.time.tolist() == [START, pytest.approx(time, abs=1e-6)]
    assert bus.codes() == ({code} if code else set())


def test_a_fahrenheit_sensor_is_converted() -> None:
    bus = Bus()
    path = "Sensor/AirTemperature/x"
    bus.describe(path, objectId="S1", objectName="S1", stateText=None, engUnit="degF")

    assert bus.send(value(212.0, path)).value.tolist() == [pytest.approx(100.0)]
