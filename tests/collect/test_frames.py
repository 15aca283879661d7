"""Frames against a scalar twin and against hostile publishers; growth, bounds, events and topics."""

import json
from pathlib import Path

import numpy as np
import pytest
from frames_twin import MAP, START, Bus, expected, frame, made
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from monitor.collect.frames import MESSAGE_REASONS, by_message
from monitor.collect.frames_map import FrameMap

GOOD = json.dumps(frame(flow=6.0, temp=[32, 50.5, None], watt=[1, 2, 3, 4], door="open")).encode()


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> FrameMap:
    return made(tmp_path_factory.mktemp("map"))


def test_a_frame_becomes_readings_of_the_asset_and_its_parts(frames: FrameMap) -> None:
    bus = Bus(frames)

    rows = bus.rows(bus.send(GOOD))

    assert [row[:2] + row[3:] for row in rows] == [
        ("rack:r1/flow", "r1", 100.0, 0),
        ("rack:r1/temp[0]", "r1/gpu00", pytest.approx(0.0), 0),
        ("rack:r1/temp[1]", "r1/gpu01", pytest.approx(10.2777777), 0),
        ("rack:r1/temp[2]", "r1/gpu02", "nan", 2),
        ("rack:r1/watt[0]", "r1/shelf0/psu0", 0.001, 0),
        ("rack:r1/watt[1]", "r1/shelf0/psu1", 0.002, 0),
        ("rack:r1/watt[2]", "r1/shelf1/psu2", 0.003, 0),
        ("rack:r1/watt[3]", "r1/shelf1/psu3", 0.004, 0),
        ("rack:r1/door", "r1", 1.0, 0),
    ]
    plant = bus.plant
    assert plant.count_by_kind() == {"gpu": 3, "power_shelf": 2, "psu": 4, "rack": 1}
    assert (plant.assets["r1/shelf1/psu3"].parent, plant.assets["r1/shelf1"].parent) == ("r1/shelf1", "r1")
    assert list(plant.sources) == ["rack:r1"]
    assert bus.frames.dropped == {}
    assert bus.codes() == set()


ONE = st.one_of(
    st.none(),
    st.floats(allow_nan=False),
    st.integers(-(10**20), 10**20),
    st.booleans(),
    st.sampled_from(["open", "closed", "OPEN", "", "1", 10**400, -(10**400)]),
    st.just({"a": 1}),
)
PARTS = {
    "flow": ONE | st.lists(ONE, max_size=2),
    "temp": st.lists(ONE, min_size=2, max_size=4) | ONE,
    "watt": st.lists(st.floats(-1e300, 1e300), min_size=4, max_size=4) | st.lists(ONE, max_size=5),
    "door": ONE,
    "other": ONE,
    "x" * 300: ONE,
}
VALUES = st.fixed_dictionaries({}, optional=PARTS)
STAMP = st.one_of(
    st.just(START * 1000), st.integers(0, 5 * 10**12), st.floats(allow_nan=False), st.sampled_from(["x", None, True, [1], -(10**400)])
)
RACK = st.one_of(
    st.just("r1"), st.just(7), st.integers(), st.text(max_size=3), st.sampled_from(["link/bus", " r", "r\n", None, True, 1.5, ["r"]])
)
FRAME = st.fixed_dictionaries({}, optional={"ts": STAMP, "rack": RACK, "values": VALUES | ONE, "more": ONE}).map(
    lambda told: json.dumps(told).encode()
)
GOOD_FRAME = st.fixed_dictionaries({"ts": st.just(START * 1000), "rack": st.just("r1"), "values": VALUES}).map(
    lambda told: json.dumps(told).encode()
)
PIECES = [
    GOOD,
    b"",
    b"{",
    b"[]",
    b"null",
    b"\xff\xfe",
    b'{"ts":1767225600000,"rack":"r1","values":{"flow":NaN,"temp":[1,NaN,Infinity]}}',
    b'{"ts":1767225600000,"rack":"r1","values":{"flow":1,"flow":2,"temp":[1],"temp":[1,2,3]}}',
    b'{"ts":1767225600000,"rack":"r1","rack":"r2","values":{"flow":1},"values":{"door":"open"}}',
    b'{"ts":1767225600000,"rack":"r1","values":{"flow":1e999,"door":-1e999}}',
    b'{"ts":1767225600000,"rack":"r1","values":{"flow":' + b"9" * 5_000 + b"}}",
    b'{"ts":1767225600000,"rack":"r1","values":{"flow":' + b"9" * 19 + b"}}",
    b'{"ts":1767225600000,"rack":' + b"9" * 5_000 + b',"values":{"flow":1}}',
    b'{"ts":1767225600000,"rack":"r1","values":{"other":' + b"[" * 5_000 + b"]" * 5_000 + b',"flow":1}}',
    b'{"ts":1767225600000,"rack":"r1","values":' + b'{"a":' * 5_000 + b"1" + b"}" * 5_000 + b"}",
    b'{"ts":1767225600000,"rack":"\\ud800","values":{"flow":1}}',
    b' {"values" : {"door" : true , "flow" : -0.0 } , "rack" : "r1" , "ts" : 1767225600000 } ',
    b'{"ts":1767225600000,"rack":"r1","values":{}}',
    b'{"ts":1767225600000,"rack":"r1","values":{"flow":"6"}}',
]
SPLIT = st.tuples(st.sampled_from(PIECES[:1]), st.integers(0, len(GOOD))).map(lambda cut: cut[0][: cut[1]])
PAYLOADS = st.lists(st.one_of(st.sampled_from(PIECES), FRAME, GOOD_FRAME, SPLIT), max_size=10)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(PAYLOADS)
@example(PIECES)
@example([])
def test_a_batch_equals_the_twin_and_nothing_goes_uncounted(frames: FrameMap, payloads: list[bytes]) -> None:
    bus = Bus(frames)
    wanted = [expected(frames.kinds[0], payload, START + 5) for payload in payloads]

    readings = bus.send(*payloads, received=START + 5)

    assert bus.rows(readings) == [row for rows in wanted if rows is not None for row in rows]
    assert by_message(bus.frames.dropped) == wanted.count(None)
    assert bus.frames.messages == len(payloads)
    assert not readings.snapshot.any()


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(PAYLOADS)
@example(PIECES)
def test_the_typed_way_equals_the_way_key_by_key(frames: FrameMap, payloads: list[bytes]) -> None:
    """Also in what they count; the typed one meets each payload twice, so that it has learned which keys to skip."""
    fast, slow = Bus(frames), Bus(frames)
    for kind in slow.frames._kinds:
        kind.reader.read = kind.reader.read_each

    for _ in range(2):
        found, wanted = fast.rows(fast.send(*payloads)), slow.rows(slow.send(*payloads))

    assert found == wanted
    assert fast.frames.dropped == slow.frames.dropped


def test_the_typed_way_is_taken(frames: FrameMap) -> None:
    """Else the two tests above would compare one way with itself."""
    bus = Bus(frames)
    bus.send(frame(flow=1, other=2))

    def fail(payload: bytes) -> None:
        raise AssertionError(payload)

    bus.frames._kinds[0].reader.read_each = fail

    assert len(bus.send(GOOD, frame(flow=1, other=2))) == 10
    assert bus.frames.dropped == {"key_unknown": 2}


def test_a_frame_that_grows_later_adds_points(frames: FrameMap) -> None:
    bus = Bus(frames)
    first = bus.send(frame(flow=1))
    grown = bus.send(frame(flow=2, temp=[1, 2, 3]))
    again = bus.send(frame(temp=[1, 2, 3]))

    assert (len(first), len(grown), len(again)) == (1, 4, 3)
    assert grown.point[0] == first.point[0]
    assert again.point.tolist() == grown.point[1:].tolist()
    version = bus.plant.version
    bus.send(frame(flow=2, temp=[1, 2, 3]), frame(temp=[1, 2, 3]))
    assert bus.plant.version == version


def test_ten_thousand_new_assets_and_points_are_bounded(frames: FrameMap) -> None:
    bus = Bus(frames, most_assets=10, most_points=25)

    for number in range(10_000):
        bus.send(frame(rack=f"r{number}", flow=1, temp=[1, 2, 3]))

    assert len(bus.plant.points) == 24
    assert bus.frames.dropped == {"points_full": 4, "assets_full": 9_990}
    assert bus.plant.findings.counts[("assets_full", "rack")] == 9_990
    assert len(bus.frames._kinds[0].speakers) == 10


def test_layouts_and_keys_that_are_not_in_the_map_are_bounded(frames: FrameMap) -> None:
    bus = Bus(frames)
    for number in range(3_000):
        bus.send(frame(temp=[0.0] * (number % 500), flow=1, **{f"key{number}": 1}))

    reader = bus.frames._kinds[0].reader
    assert len(reader._ignored) == 256
    assert len(bus.frames._kinds[0].layouts) <= 2
    assert bus.frames.dropped == {"key_unknown": 3_000, "array_length": 2_994}
    assert bus.plant.findings.counts[("key_unknown", "rack")] == 3_000


def test_a_frame_larger_than_its_bound_is_dropped_unread(frames: FrameMap) -> None:
    bus = Bus(frames)

    assert len(bus.send(GOOD[:-1] + b" " * 1_048_576 + b"}")) == 0
    assert bus.frames.dropped == {"payload_size": 1}


def test_good_frames_survive_their_neighbours(frames: FrameMap) -> None:
    bus = Bus(frames)
    payloads = [payload for number in range(200) for payload in (PIECES[1 + number % 5], json.dumps(frame(flow=number)).encode())]

    readings = bus.send(*payloads)

    assert readings.value.tolist() == pytest.approx([number * 1000 / 60 for number in range(200)])


def test_a_retained_frame_is_a_snapshot(frames: FrameMap) -> None:
    bus = Bus(frames)

    assert bus.send(frame(flow=1, temp=[1, 2, 3]), retained=1).snapshot.tolist() == [True] * 4


def test_each_message_has_its_own_receive_time(frames: FrameMap) -> None:
    bus = Bus(frames)
    payloads = [json.dumps(frame(ts=None, flow=1)).encode(), b"", json.dumps(frame(ts="soon", temp=[1, 2, 3])).encode()]

    readings = bus.frames.decode([b"dc/x/t"] * 3, payloads, [], np.array([START, START + 1, START + 2]))

    assert readings.time.tolist() == readings.received.tolist() == [START, START + 2, START + 2, START + 2]
    assert "time_missing" in bus.codes()


@pytest.mark.parametrize(
    ("unit", "stamp", "time"),
    [
        ("s", 1_767_225_600.5, START + 0.5),
        ("ms", 1_767_225_600_500, START + 0.5),
        ("us", 1_767_225_600_500_000, START + 0.5),
        ("ns", 1_767_225_600_500_000_000, START + 0.5),
        ("iso", "2026-01-01T00:00:00.5Z", START + 0.5),
        ("iso", "2026-01-01T01:00:00.5+01:00", START + 0.5),
        ("iso", "2026-01-01 00:00:00.5", START + 0.5),
        ("iso", 1_767_225_600, START + 9),
        ("iso", "yesterday", START + 9),
        ("iso", "9999-12-31T23:59:59-23:59", START + 9),
        ("s", 1_767_225_600_500, START + 9),
        ("ms", 1_767_225_600, START + 9),
    ],
)
def test_the_time_is_read_in_its_unit(tmp_path: Path, unit: str, stamp: object, time: float) -> None:
    bus = Bus(made(tmp_path, MAP.replace("unit: ms", f"unit: {unit}")))

    readings = bus.send(frame(ts=stamp, flow=1), received=START + 9)

    assert readings.time.tolist() == [time]
    assert bool(bus.codes()) == (time == START + 9)


EVENTS = """frames:
  - name: gpu
    topic: ev/{host}/#
    asset: {topic: host, kind: rack}
    time: {field: at.sent, unit: s}
    interval: 10 s
    points:
      xid: {quantity: xid}
      sxids: {quantity: sxid, children: {id: "switch{n}", kind: switch, count: 3}}
      "gpu{n:02}.temp": {quantity: temperature, unit: C, children: {id: "gpu{n:02}", kind: gpu, count: 2, first: 1}}
  - name: cdu
    topic: cdu
    asset: {id: cdu1, kind: cdu}
    values: a.b
    interval: 1 s
    serves: {cdu1: [r1, r2]}
    points:
      q: {quantity: liquid_flow, unit: L/min, tags: [Secondary], interval: 5 s}
      q_sp: {quantity: liquid_flow, unit: L/min, setpoint: true}
"""


def test_events_are_codes_lists_of_codes_or_nothing(tmp_path: Path) -> None:
    bus = Bus(made(tmp_path, EVENTS))
    at = {"at": {"sent": START}}

    rows = bus.rows(
        bus.send(
            {"xid": 79, **at},
            {"xid": [48, 63], "gpu01.temp": 40, "gpu02.temp": None, **at},
            {"xid": None, "sxids": [None, 5, None], **at},
            {"xid": [None], "sxids": [1, 2], **at},
            {"xid": list(range(100)), **at},
            topic="ev/r9/x/y",
        )
    )

    assert [(path, asset, value) for path, asset, _, value, _ in rows[:6]] == [
        ("gpu:r9/xid", "r9", 79.0),
        ("gpu:r9/xid", "r9", 48.0),
        ("gpu:r9/xid", "r9", 63.0),
        ("gpu:r9/gpu01.temp", "r9/gpu01", 40.0),
        ("gpu:r9/gpu02.temp", "r9/gpu02", "nan"),
        ("gpu:r9/sxids[1]", "r9/switch1", 5.0),
    ]
    assert [row[3] for row in rows[6:]] == list(range(64))
    assert bus.frames.dropped == {"array_length": 2}
    assert bus.plant.event[bus.plant.rows["gpu:r9/xid"]]
    assert {row[2] for row in rows} == {START}


def test_an_event_point_is_known_before_its_first_event(tmp_path: Path) -> None:
    """That none came is then no news, instead of a point that nobody has."""
    bus = Bus(made(tmp_path, EVENTS))

    assert len(bus.send({"xid": None, "at": {"sent": START}}, topic="ev/r9")) == 0
    assert "gpu:r9/xid" in bus.plant.rows


def test_an_asset_of_the_map_serves_what_the_map_says(tmp_path: Path) -> None:
    bus = Bus(made(tmp_path, EVENTS))

    readings = bus.send({"a": {"b": {"q": 60, "q_sp": 61}}}, topic="cdu")

    assert bus.plant.edges == {("cdu1", "r1"), ("cdu1", "r2")}
    point, setpoint = bus.plant.points
    assert (point.tags, point.interval, setpoint.setpoint, setpoint.interval) == (("secondary",), 5.0, True, 1.0)
    assert readings.time.tolist() == [START, START]
    assert bus.codes() == set()


@pytest.mark.parametrize(
    ("topic", "fits"),
    [
        ("ev/r9", True),
        ("ev/r9/a", True),
        ("ev/r9/a/b", True),
        ("ev", False),
        ("Ev/r9", False),
        ("ev/", False),
        ("cdu", True),
        ("cdu/x", False),
    ],
)
def test_a_topic_of_no_kind_is_dropped(tmp_path: Path, topic: str, fits: bool) -> None:
    bus = Bus(made(tmp_path, EVENTS))

    bus.send({"xid": 1, "at": {"sent": START}, "a": {"b": {"q": 1}}}, topic=topic)

    assert by_message(bus.frames.dropped) == (not fits)
    assert not set(bus.frames.dropped) - set(MESSAGE_REASONS) - {"key_unknown"}


def test_a_topic_that_is_no_text_and_a_thousand_topics(tmp_path: Path) -> None:
    bus = Bus(made(tmp_path, EVENTS))
    payload = b'{"xid":1,"at":{"sent":1767225600}}'

    bus.frames.decode([b"ev/\xff", b"ev/r\x00", b"$SYS/x"], [payload] * 3, [], START)

    assert bus.frames.dropped == {"topic_unknown": 2, "asset_name": 1}
    assert bus.frames.topics == ("ev/+/#", "cdu")


@pytest.mark.parametrize("path", ["source/rack:r1", "link/bus"])
def test_a_frame_cannot_pass_for_a_part_of_the_monitor(frames: FrameMap, path: str) -> None:
    bus = Bus(frames)

    assert len(bus.send(frame(rack=path, flow=1))) == 0
    assert path not in bus.plant.assets


def test_what_a_plant_file_says_of_a_part_stays(frames: FrameMap) -> None:
    bus = Bus(frames)
    bus.plant.asset("r1/gpu00", "gpu", parent="tray7")
    bus.plant.asset("r1", sku="gb300_nvl72")

    bus.send(frame(temp=[1, 2, 3]))

    assert bus.plant.assets["r1/gpu00"].parent == "tray7"
    assert bus.plant.assets["r1/gpu01"].parent == "r1"
    assert bus.plant.assets["r1"].attributes["sku"] == "gb300_nvl72"


def test_a_number_and_a_text_are_one_asset(frames: FrameMap) -> None:
    bus = Bus(frames)

    readings = bus.send(frame(rack=7, flow=1), frame(rack="7", flow=1))

    assert readings.point.tolist() == [0, 0]
    assert bus.plant.count_by_kind() == {"rack": 1}
