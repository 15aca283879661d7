"""Heartbeats are clocks of their publishers, each with a scope."""

import numpy as np
import pytest
from dsx_bus import FLOW, START, Bus, metadata, value

from monitor.collect.dsx import covers
from monitor.model import BAD


def beat(point_type: str, tag: str = "bms", **more: object) -> tuple[str, dict[str, object]]:
    return metadata(f"System/{point_type}/{tag}", objectId="BMS1", objectName="BMS 1", stateText=None, **more)


def test_heartbeats_are_times_to_the_millisecond() -> None:
    bus = Bus()
    stamps = [int(START * 1000) + number for number in range(1000)]
    bus.send(beat("HeartbeatTimestampBms"), metadata())
    row = bus.plant.rows["System/HeartbeatTimestampBms/bms"]

    readings = bus.send(*[value(stamp, "System/HeartbeatTimestampBms/bms") for stamp in stamps], value(7.0))

    assert readings.value.tolist() == [*(stamp / 1000 for stamp in stamps), 7.0]
    assert bus.plant.assets["BMS1"].kind == "system"
    assert (bus.plant.points[row].unit, bus.plant.points[row].interval) == ("s", 10.0)
    assert bus.plant.points[bus.plant.rows[FLOW]].interval == 100.0


def test_a_heartbeat_that_is_no_time_is_bad() -> None:
    bus = Bus()
    bus.send(beat("HeartbeatEchoBms"))

    readings = bus.send(value(0, "System/HeartbeatEchoBms/bms"))

    assert np.isnan(readings.value[0])
    assert readings.quality.tolist() == [BAD]
    assert bus.codes() == {"heartbeat_absurd"}


def test_own_clocks_are_listed_with_their_scope() -> None:
    bus = Bus()
    bus.send(beat("HeartbeatTimestampBms", scope="BMS/v1/PUB/Value/Rack/#"), beat("HeartbeatEchoBms", "echo"))
    bus.send(beat("HeartbeatTimestampIntegration", "own", integration="NICO"))

    assert sorted(bus.dsx.heartbeats.values()) == [("BMS/v1/NICO", ""), ("BMS/v1/PUB", "BMS/v1/PUB/Value/Rack/#")]


def test_a_changed_heartbeat_is_listed_once() -> None:
    bus = Bus()
    bus.send(beat("HeartbeatTimestampBms"), beat("HeartbeatTimestampBms", scope="pod1"), beat("HeartbeatTimestampBms", scope="pod1", x=1))

    assert list(bus.dsx.heartbeats.values()) == [("BMS/v1/PUB", "pod1")]


@pytest.mark.parametrize(
    ("scope", "path", "inside"),
    [
        ("", FLOW, True),
        ("#", FLOW, True),
        ("BMS/v1/#", FLOW, True),
        ("BMS/v1/PUB", FLOW, True),
        ("BMS/v1/PUB/Value/Rack/#", FLOW, True),
        ("BMS/v1/PUB/Value/CDU/#", FLOW, False),
        ("BMS/v1/+/Value/+/RackLiquidFlow/#", FLOW, True),
        ("BMS/v1/PUB/Value/Rack/RackLiquidFlow/pod1/rack0", FLOW, False),
        ("BMS/v1/PUB/Value/Rack/RackLiquidFlow/pod1/rack05/", FLOW, True),
        ("Rack/#", FLOW, True),
        ("Rack/RackLiquid", FLOW, False),
        ("pod1/+/flow", FLOW, True),
        ("pod1", f"cpc/7/{FLOW}", True),
        ("cpc/7/BMS/v1/PUB/Value/Rack/#", f"cpc/7/{FLOW}", True),
        ("pod2/#", FLOW, False),
        (FLOW + "/below", FLOW, False),
        ("BMS/v2/#", FLOW, False),
    ],
)
def test_what_a_scope_covers(scope: str, path: str, inside: bool) -> None:
    assert covers(scope, path) is inside
