"""Hostile payloads: the short way through a batch equals the long one, and nothing ever raises or goes uncounted."""

import json
import random

import numpy as np
from dsx_bus import FLOW, START, Bus, metadata, value
from hypothesis import example, given, settings
from hypothesis import strategies as st

from monitor.collect.dsx_values import decode, decode_each, seconds

GOOD_PAYLOAD = b'{"value":33.521,"timestamp":1767225600000,"quality":1}'
PIECES = [
    GOOD_PAYLOAD,
    b'{"value":null,"timestamp":1767225600000,"quality":0}',
    b'{"quality":1,"timestamp":1767225600000,"value":-2e3}',
    b' {"value" : 7 , "timestamp" : 1 , "quality" : 1.0 } ',
    b'{"value":1',
    b'"quality":1}',
    b'"timestamp":2,"quality":1}',
    b'{"value":1,"timestamp":2',
    b'{"value":1,"timestamp":2,"quality":1},{"value":3,"timestamp":4,"quality":1}',
    b'{"value":1,"timestamp":2,"quality":1},',
    b',{"value":1,"timestamp":2,"quality":1}',
    b'{"value":1,"timestamp":2,"quality":1}]',
    b"[",
    b"]",
    b"{}",
    b"{",
    b"}",
    b"",
    b" ",
    b"null",
    b"[[[[",
    b'{"value":[{"value":1,"timestamp":2,"quality":1}],"timestamp":2,"quality":1}',
    b'{"value":1,"timestamp":2,"quality":1,"extra":{"a":[1,2,{"b":null}]}}',
    b'{"value":1,"timestamp":2,"quality":"1"}',
    b'{"value":1,"value":2,"timestamp":2,"quality":1}',
    b'{"v\\u0061lue":1,"timestamp":2,"quality":1}',
    b'{"value":true,"timestamp":2,"quality":1}',
    b'{"value":1e999,"timestamp":2,"quality":1}',
    b'{"value":NaN,"timestamp":2,"quality":1}',
    b'{"value":"\xff\xfe","timestamp":2,"quality":1}',
    b'{"value":1,"x":"' + b"y" * 70_000 + b'","timestamp":2,"quality":1}',
    b'{"value":' + b"1" * 5_000 + b',"timestamp":2,"quality":1}',
    b'{"value":' + b"[" * 5_000,
]
WORDS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=6), st.lists(st.integers(), max_size=3), st.just({"value": 1})
)
OBJECTS = st.dictionaries(st.sampled_from(["value", "timestamp", "quality", "unit", ""]), WORDS).map(lambda told: json.dumps(told).encode())
SPLIT = st.tuples(st.sampled_from(PIECES), st.integers(0, 60)).map(lambda cut: cut[0][: cut[1]])
PAYLOADS = st.lists(st.one_of(st.sampled_from(PIECES), OBJECTS, SPLIT, st.binary(max_size=20)), max_size=12)


def assert_same(payloads: list[bytes]) -> None:
    short, long = decode(payloads), decode_each(payloads)

    assert (np.arange(len(payloads)) if short.kept is None else short.kept).tolist() == long.kept.tolist()
    np.testing.assert_array_equal(short.value, long.value)
    np.testing.assert_array_equal(short.stamp, long.stamp)
    np.testing.assert_array_equal(short.good, long.good)
    assert short.dropped == long.dropped
    assert short.notes == long.notes


@settings(max_examples=500, deadline=None)
@given(PAYLOADS)
@example([b'{"value":1', b'"timestamp":2,"quality":1}', PIECES[8]])
@example([b'{"value":1', b'"quality":1}', PIECES[8], GOOD_PAYLOAD])
@example([PIECES[8], b""])
@example([])
def test_a_batch_equals_its_payloads_one_by_one(payloads: list[bytes]) -> None:
    assert_same(payloads)


def test_a_batch_equals_its_payloads_one_by_one_on_many_joined_pieces() -> None:
    """Short lists of mostly good pieces, so that the short way is really taken and really tempted."""
    generator = random.Random(5)
    taken = 0
    for _ in range(8_000):
        payloads = generator.choices(PIECES[:14], [20, 5, 5, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1], k=generator.randint(1, 5))

        assert_same(payloads)
        taken += decode(payloads).kept is None
    assert taken > 500


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["PUB/Value", "PUB/Metadata", "NICO/Value", "X/Metadata", "PUB"]),
            st.integers(0, 3),
            st.one_of(OBJECTS, st.sampled_from(PIECES)),
        ),
        max_size=20,
    )
)
def test_every_message_is_accounted_for(messages: list[tuple[str, int, bytes]]) -> None:
    bus = Bus(most_waiting=3, most_points=3)
    readings = 0
    for start in range(0, len(messages), 5):
        batch = messages[start : start + 5]
        readings += len(bus.send(*[(f"BMS/v1/{who}/Rack/RackPower/{tag}", payload) for who, tag, payload in batch]))
        readings += len(bus.send(metadata(f"Rack/RackPower/{start % 4}", integration="NICO" if start % 2 else None)))

    dsx = bus.dsx
    assert dsx.messages == readings + dsx.metadata_seen + dsx.superseded + len(dsx.waiting()) + sum(dsx.dropped.values())


def test_good_values_survive_a_thousand_malformed_neighbours() -> None:
    generator = random.Random(7)
    bus = Bus()
    bus.describe()
    topic, told = value()
    bad = [piece for piece in PIECES if decode_each([piece]).dropped]
    messages: list[tuple[str | bytes, object]] = []
    for number in range(1000):
        messages += [(topic, generator.choice(bad)), (topic, told | {"value": number})]

    readings = bus.send(*messages)

    assert readings.value.tolist() == list(range(1000))
    assert sum(bus.dsx.dropped.values()) == 1000


JSON = st.recursive(
    WORDS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3), max_leaves=8
)
FIELDS = ["objectType", "pointType", "engUnit", "stateText", "rackLocationId", "rackId", "objectId", "objectName", "servesId"]
FIELDS += ["associateId", "processArea", "phase", "isSetpoint", "integration", "scope"]


@settings(max_examples=250, deadline=None)
@given(
    st.sampled_from(["Rack/RackPower", "CDU/PumpSpeed", "System/HeartbeatTimestampBms", "PowerMeter/GenericPoint", "\x00/\u2028"]),
    st.dictionaries(st.sampled_from(FIELDS), JSON),
)
def test_no_metadata_raises(path: str, told: dict[str, object]) -> None:
    bus = Bus()

    bus.send((f"BMS/v1/PUB/Metadata/{path}/x", told), (f"BMS/v1/PUB/Value/{path}/x", GOOD_PAYLOAD))

    dsx = bus.dsx
    assert dsx.messages == 2
    assert dsx.metadata_seen + sum(dsx.dropped.values()) >= 1


def test_deep_metadata_does_not_raise() -> None:
    for depth in (100, 400, 700, 900, 950, 980, 5_000):
        nested = b"[" * depth + b"]" * depth
        bus = Bus()
        bus.send(
            (metadata()[0], b'{"rackLocationId":"R5","engUnit":' + nested + b',"stateText":' + nested + b',"servesId":[' + nested + b"]}")
        )

        assert bus.dsx.metadata_seen + sum(bus.dsx.dropped.values()) == 1


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True)))
def test_every_timestamp_is_a_time_or_nothing(stamps: list[float]) -> None:
    time, _ = seconds(np.array(stamps, np.float64))

    assert (np.isnan(time) | ((time >= 946_684_800.0) & (time <= 4_102_444_800.0))).all()


def test_a_known_topic_is_never_shifted_by_a_neighbour() -> None:
    """Three broken publishers that together look like three good messages."""
    bus = Bus()
    paths = [f"{FLOW}/{number}" for number in range(3)]
    bus.send(*[metadata(path) for path in paths])
    parts = [b'{"value":1', b'"timestamp":1767225600000,"quality":1}', GOOD_PAYLOAD + b"," + GOOD_PAYLOAD]

    readings = bus.send(*[(value(path=path)[0], part) for path, part in zip(paths, parts, strict=True)], received=START)

    assert len(readings) == 0
    assert bus.dsx.dropped == {"payload_json": 3}
