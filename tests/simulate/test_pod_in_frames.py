"""Frames of a simulated pod: what the monitor reads out of them with the map and the plant file that the simulator writes."""

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import yaml

from monitor.collect import inventory
from monitor.collect.frames import Frames as Dialect
from monitor.collect.frames_map import load_frames
from monitor.model import Readings
from monitor.plant import Plant
from monitor.simulate.fleet import Fleet
from monitor.simulate.frames import Frames, frame_map, plant_file
from monitor.simulate.injection import Injection
from monitor.vocabulary import QUANTITIES

START = 1_767_225_600.0


def made(*faults: str, racks: int = 4) -> Fleet:
    return Fleet(racks, start=START, seed=4, faults=[Injection.parse(text) for text in faults], pod_racks=2, detail=1, step=10.0, settle=10)


def written(fleet: Fleet, folder: Path) -> tuple[Plant, Dialect]:
    (folder / "map.yaml").write_text(yaml.safe_dump(frame_map(fleet.pods[0], fleet.step)))
    (folder / "plant.yaml").write_text(yaml.safe_dump(plant_file(fleet)))
    plant = inventory.load(folder / "plant.yaml")
    return plant, Dialect(plant, load_frames(folder / "map.yaml", QUANTITIES))


def decoded(dialect: Dialect, fleet: Fleet) -> Readings:
    messages = [message for pod in fleet.pods for message in Frames(fleet, pod).due()]
    return dialect.decode([one.topic.encode() for one in messages], [one.payload for one in messages], [], fleet.time)


def test_the_monitor_reads_out_of_frames_what_the_plant_measures(tmp_path: Path) -> None:
    """Every point by name, quantity, tags, unit and value; and nothing besides."""
    fleet = made()
    plant, dialect = written(fleet, tmp_path)
    readings = decoded(dialect, fleet)
    want = Plant()
    for pod in fleet.pods:
        pod.physics.describe(want, fleet.step)
    named = {
        (point.asset, point.quantity, point.tags, point.setpoint, point.unit): number
        for number, point in enumerate(want.points)
        if not QUANTITIES[point.quantity].event
    }
    expected = np.concatenate([pod.values for pod in fleet.pods])
    found: dict[tuple[object, ...], list[float]] = {}
    for row, value in zip(readings.point.tolist(), readings.value.tolist(), strict=True):
        point = plant.points[row]
        found.setdefault((point.asset, point.quantity, point.tags, point.setpoint, point.unit), []).append(value)

    assert set(found) == set(named)
    single = {key: number for key, number in named.items() if len(found[key]) == 1}
    assert len(single) > 0.9 * len(named)
    for key, number in single.items():
        assert found[key][0] == pytest.approx(expected[number], abs=1e-9, nan_ok=True), key
    assert dialect.dropped == {}
    assert plant.findings.all() == []


def test_the_plant_file_says_who_serves_whom_and_what_is_in_which_lot(tmp_path: Path) -> None:
    fleet = made()
    plant, _ = written(fleet, tmp_path)
    want = Plant()
    for pod in fleet.pods:
        pod.physics.layout.build(want)

    assert plant.edges == want.edges
    assert {name: (one.kind, one.parent, dict(one.attributes)) for name, one in plant.assets.items()} == {
        name: (one.kind, one.parent, dict(one.attributes)) for name, one in want.assets.items()
    }


def test_events_come_with_their_code_and_asset(tmp_path: Path) -> None:
    fleet = made("hbm@r1/tray3/gpu2~time=20")
    plant, dialect = written(fleet, tmp_path)
    codes: Counter[tuple[str, float]] = Counter()
    for _ in range(6):
        readings = decoded(dialect, fleet)
        for row, value in zip(readings.point.tolist(), readings.value.tolist(), strict=True):
            if plant.points[row].quantity == "xid":
                codes[plant.points[row].asset, value] += 1
        fleet.advance(fleet.time + fleet.step)

    assert set(codes) == {("Pod1-R01/tray3/gpu2", 63.0), ("Pod1-R01/tray3/gpu2", 94.0)}


def test_a_key_is_there_when_its_points_spoke() -> None:
    fleet = made()
    speaker = Frames(fleet, fleet.pods[0])
    list(speaker.due())
    fleet.advance(fleet.time + fleet.step)
    rack = next(json.loads(message.payload) for message in speaker.due() if message.topic.endswith("/rack"))

    assert rack["ts"] == (START + 10) * 1000
    assert "gpu.power" in rack["values"]  # each second
    assert "gpu.memory_clock" not in rack["values"]  # each minute
    assert len(rack["values"]["gpu.power"]) == 72


def test_a_sample_that_never_came_is_null() -> None:
    fleet = Fleet(1, start=START, seed=4, detail=1, step=10.0, settle=10, missing=0.3)
    rack = next(json.loads(message.payload) for message in Frames(fleet, fleet.pods[0]).due() if message.topic.endswith("/rack"))

    assert 0.1 < rack["values"]["gpu.power"].count(None) / 72 < 0.5
