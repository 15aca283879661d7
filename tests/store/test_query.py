"""What happened, asked of the files."""

import asyncio
import sqlite3
import subprocess
import sys
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from stored_alerts import ENDED, FIRED, HOSTILE, START

from monitor.errors import InputError, StoreLost
from monitor.model import BAD, DOUBTFUL, Alert, Phase, Point, Readings, Severity
from monitor.plant import Plant
from monitor.store import query, segment
from monitor.store.embedded import Embedded
from monitor.store.history import History

OTHER = replace(FIRED, rule="coolingx.other", asset="rack10", severity=Severity.MINOR, fired=START + 100)
BELOW = replace(FIRED, rule="it.gpu_hot", asset="rack1/tray3/gpu2", fired=START + 50)


def keep(path: Path, alerts: Sequence[Alert], plant: Plant | None = None) -> Path:
    async def run() -> None:
        async with Embedded(path) as store:
            await store.append(alerts)
            if plant is not None:
                await store.save_plant(plant)

    asyncio.run(run())
    return path


def log(directory: Path, plant: Plant, *batches: Readings) -> Path:
    async def run() -> None:
        async with History(directory, plant) as history:
            for batch in batches:
                history.add(batch)
                await history.flush()

    asyncio.run(run())
    return directory


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    return keep(tmp_path / "monitor.db", [ENDED, BELOW, OTHER])


def found(path: Path, **wanted: Any) -> list[str]:
    return [row["asset"] for row in query.alerts(path, **wanted).objects()]


def test_alerts_come_by_fire_time_with_all_their_columns(stored: Path) -> None:
    rows = list(query.alerts(stored).objects())

    assert [row["asset"] for row in rows] == ["rack1", "rack1/tray3/gpu2", "rack10"]
    assert rows[0] == {
        "rule": "cooling.rack_flow_low", "asset": "rack1", "point": "", "severity": "critical", "fired": START + 10.25,
        "ended": START + 75.5, "value": 24.06, "limit": 31.2, "unit": "L/min", "summary": FIRED.summary, "state": "ended",
        "phase": "watch", "episode": 1, "told": 1, "number": 1,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("wanted", "assets"),
    [
        ({"rule": "cooling"}, ["rack1"]),
        ({"rule": "cooling.rack_flow_low"}, ["rack1"]),
        ({"rule": "cool"}, []),
        ({"asset": "rack1"}, ["rack1", "rack1/tray3/gpu2"]),
        ({"asset": "rack1/tray3"}, ["rack1/tray3/gpu2"]),
        ({"asset": "rack"}, []),
        ({"severity": "minor"}, ["rack10"]),
        ({"firing_only": True}, ["rack1/tray3/gpu2", "rack10"]),
        ({"limit": 2}, ["rack1/tray3/gpu2", "rack10"]),
        ({"since": START + 75.5}, ["rack1", "rack1/tray3/gpu2", "rack10"]),
        ({"since": START + 75.6}, ["rack1/tray3/gpu2", "rack10"]),
        ({"until": START + 50}, ["rack1"]),
        ({"until": START + 50.1}, ["rack1", "rack1/tray3/gpu2"]),
        ({"since": START + 60, "until": START + 70}, ["rack1", "rack1/tray3/gpu2"]),
    ],
)
def test_alerts_are_chosen_by(stored: Path, wanted: dict[str, Any], assets: list[str]) -> None:
    assert found(stored, **wanted) == assets


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_wishes_find_nothing_and_break_nothing(stored: Path, tmp_path: Path, name: str) -> None:
    name = name.replace("\ud800", "")
    assert found(stored, asset=name) == found(stored, rule=name) == found(stored, severity=name) == []
    assert len(found(stored)) == 3

    plant = Plant()
    row = plant.describe(Point("bus", name, name, name, name, tags=(name,)))
    directory = log(tmp_path / "history", plant, Readings.of([row], [START], [1.0]))
    assert len(list(query.points(directory, asset=name, quantity=name, path=name).rows)) == 1
    assert list(query.points(directory, asset=name + "'").rows) == []


def test_a_missing_or_newer_store_is_told(stored: Path, tmp_path: Path) -> None:
    with pytest.raises(StoreLost, match="there is no store here"):
        query.alerts(tmp_path / "none.db")
    with pytest.raises(StoreLost, match="there is no telemetry here"):
        query.points(tmp_path / "none")
    with closing(sqlite3.connect(stored)) as base:
        base.execute("UPDATE meta SET value = '2' WHERE key = 'schema'")
        base.commit()
    with pytest.raises(StoreLost, match="newer monitor"):
        query.racks(stored)


def test_racks_tell_their_phase_points_and_firing_alerts(tmp_path: Path) -> None:
    plant = Plant()
    for name in ("rack1", "rack10", "rack2"):
        plant.asset(name, "rack", parent="hall1", sku="gb200", lot="L7")
        plant.describe(Point("bus", f"{name}/flow", name, "liquid_flow", "L/min"))
    plant.describe(Point("bus", "gpu", "rack1/tray3/gpu2", "temperature", "degC"))
    plant.set_phase("rack2", Phase.SOAK)
    path = keep(tmp_path / "monitor.db", [ENDED, BELOW, OTHER], plant)

    rows = list(query.racks(path).objects())

    assert [(row["id"], row["phase"], row["points"], row["firing"]) for row in rows] == [
        ("rack1", "watch", 2, 1), ("rack10", "watch", 1, 1), ("rack2", "soak", 1, 0),
    ]  # fmt: skip
    assert (rows[0]["parent"], rows[0]["sku"], rows[0]["lot"], rows[0]["serial"]) == ("hall1", "gb200", "L7", None)


@pytest.fixture
def telemetry(tmp_path: Path) -> Path:
    plant = Plant()
    for asset in ("rack1", "rack1/tray3", "rack10"):
        for quantity in ("flow", "power"):
            plant.describe(Point("bus", f"{asset}:{quantity}", asset, quantity, "kW"))
    time = START + np.arange(120)
    batches = [Readings.of([row] * 120, time, time - START + row * 1000) for row in range(6)]
    odd = Readings.of([0] * 4, [START + 30.5] * 4, [1e9, np.nan, 1e9, -1e9], quality=[BAD, 0, BAD, DOUBTFUL])
    return log(tmp_path / "history", plant, *batches, odd)


def test_readings_come_by_point_and_time(telemetry: Path) -> None:
    rows = list(query.points(telemetry, asset="rack10", quantity="power", since=START + 10, until=START + 13).objects())

    assert [(row["time"], row["value"]) for row in rows] == [(START + 10, 5010.0), (START + 11, 5011.0), (START + 12, 5012.0)]
    assert rows[0] == {
        "time": START + 10, "received": START + 10, "point": "rack10:power", "asset": "rack10", "quantity": "power", "tags": "",
        "unit": "kW", "value": 5010.0, "quality": 0, "snapshot": False,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("wanted", "count"),
    [
        ({}, 724),
        ({"asset": "rack1"}, 484),
        ({"asset": "rack1/tray3"}, 240),
        ({"asset": "rack"}, 0),
        ({"quantity": "power"}, 360),
        ({"path": "rack1:flow"}, 124),
        ({"since": START + 119}, 6),
        ({"until": START + 1}, 6),
        ({"since": START + 1000}, 0),
        ({"since": -1e300, "until": 1e300}, 724),
        ({"limit": 5}, 5),
    ],
)
def test_readings_are_chosen_by(telemetry: Path, wanted: dict[str, Any], count: int) -> None:
    assert len(list(query.points(telemetry, **wanted).rows)) == count


@pytest.mark.parametrize(
    ("aggregate", "values"), [("mean", [9.5, 29.5]), ("min", [0.0, 20.0]), ("max", [19.0, 39.0]), ("last", [19.0, 39.0])]
)
def test_buckets_begin_at_multiples_since_1970(telemetry: Path, aggregate: query.Aggregate, values: list[float]) -> None:
    rows = list(query.points(telemetry, path="rack1:power", every=20, aggregate=aggregate, until=START + 40).objects())

    assert [row["time"] for row in rows] == [START, START + 20]
    assert [row["value"] - 1000 for row in rows] == values
    assert [row["readings"] for row in rows] == [20, 20]


def test_a_bucket_width_that_does_not_divide_the_day_is_aligned_too(telemetry: Path) -> None:
    times = [row["time"] for row in query.points(telemetry, path="rack1:power", every=7).objects()]

    assert times
    assert all(time % 7 == 0 for time in times)


def test_bad_readings_and_those_without_a_value_are_in_no_bucket(telemetry: Path) -> None:
    [row] = query.points(telemetry, path="rack1:flow", every=1, since=START + 30, until=START + 31, aggregate="min").objects()

    assert (row["value"], row["readings"]) == (-1e9, 2)  # the good one and the doubtful one


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25, deadline=None)
@given(every=st.sampled_from([0.5, 1.0, 7.0, 60.0, 3600.0]), since=st.integers(-10, 130), width=st.integers(1, 130))
def test_buckets_equal_their_scalar_twin(telemetry: Path, every: float, since: int, width: int) -> None:
    rows = query.points(telemetry, path="rack10:flow", every=every, since=START + since, until=START + since + width)
    twin: dict[float, list[float]] = {}
    for second in range(120):
        if since <= second < since + width:
            twin.setdefault((START + second) // every * every, []).append(4000.0 + second)

    assert [(row["time"], row["value"]) for row in rows.objects()] == [(time, sum(of) / len(of)) for time, of in sorted(twin.items())]


@pytest.mark.parametrize("every", [0.0, -1.0, 1e-9])
def test_a_bucket_without_a_width_is_refused(telemetry: Path, every: float) -> None:
    with pytest.raises(InputError, match="above 0"):
        query.points(telemetry, every=every)


def test_rows_are_fetched_only_as_far_as_they_are_read(telemetry: Path) -> None:
    rows = query.points(telemetry).rows

    assert next(rows)
    del rows


def test_a_broken_segment_is_named(telemetry: Path) -> None:
    file = min(telemetry.glob("*.parquet"))
    file.write_bytes(b"PAR1 this is none")

    with pytest.raises(StoreLost, match=file.name):
        list(query.points(telemetry).rows)


@pytest.mark.parametrize("kind", ["cut", "other bytes", "other columns", "other types", "empty"])
@pytest.mark.parametrize("first", [True, False])
def test_a_file_that_cannot_be_read_is_left_out_and_told(telemetry: Path, kind: str, first: bool) -> None:
    whole = max(telemetry.glob("*.parquet"))
    bad = telemetry / f"20260101T000000.00000{0 if first else 1}_20260101T000159.000000_20260101T000159.000000-9.parquet"
    if kind == "cut":
        bad.write_bytes(whole.read_bytes()[:-100])
    elif kind == "other columns":
        pq.write_table(pa.table({"a": [1]}), bad)
    elif kind == "other types":
        pq.write_table(pa.table({**{name: ["x"] for name in segment.SCHEMA.names}, "time": ["never"]}), bad)
    else:
        bad.write_bytes(b"" if kind == "empty" else b"PAR1 this is none PAR1")
    told: list[str] = []

    assert len(list(query.points(telemetry, told=told.append).rows)) == 724
    assert len(list(query.points(telemetry, asset="rack10", every=60, told=lambda _: None).rows)) == 4
    assert len(told) == 1
    assert bad.name in told[0]
    names = query.point_names(telemetry)
    assert names["asset"] >= {"rack1", "rack1/tray3", "rack10"}
    assert names["quantity"] >= {"flow", "power"}
    with pytest.raises(StoreLost) as error:
        list(query.points(telemetry).rows)
    assert "SELECT" not in str(error.value)


def test_a_store_of_broken_files_only_has_no_rows(telemetry: Path) -> None:
    told: list[str] = []
    files = list(telemetry.glob("*.parquet"))
    for file in files:
        file.write_bytes(b"no")

    assert list(query.points(telemetry, told=told.append).rows) == []
    assert len(told) == len(files)


def test_names_of_a_store(stored: Path) -> None:
    names = query.alert_names(stored)

    assert names["rule"] == {"cooling", "cooling.rack_flow_low", "coolingx", "coolingx.other", "it", "it.gpu_hot"}
    assert names["asset"] == {"rack1", "rack1/tray3", "rack1/tray3/gpu2", "rack10"}


@pytest.mark.parametrize(
    ("word", "near"), [("RACK-12", "Rack-12"), ("rack12", "Rack-12"), ("Rack-12", "Rack-12"), ("chiller", None), ("", None)]
)
def test_the_nearest_name(word: str, near: str | None) -> None:
    assert query.nearest(word, ["Rack-12", "CDU-1"]) == near


def test_a_directory_that_reads_as_a_pattern_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="may not hold"):
        query.points(tmp_path / "store[1]")


def test_an_empty_store_has_columns_and_no_rows(tmp_path: Path) -> None:
    found_rows = query.points(log(tmp_path / "history", Plant()), every=60)

    assert found_rows.columns[0] == "time"
    assert list(found_rows.rows) == []


async def test_another_process_asks_while_the_daemon_writes(tmp_path: Path) -> None:
    plant = Plant()
    plant.describe(Point("bus", "p", "rack1", "flow", "L/min"))
    code = (
        "import sys\nfrom pathlib import Path\nfrom monitor.store import query\n"
        "folder = Path(sys.argv[1])\n"
        "for line in sys.stdin:\n"
        "    print(len(list(query.alerts(folder / 'monitor.db').rows)), len(list(query.points(folder / 'history').rows)), flush=True)\n"
    )
    root = Path(__file__).parents[2]
    async with Embedded(tmp_path / "monitor.db") as store, History(tmp_path / "history", plant) as history:
        with subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path)], cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as reader:
            assert reader.stdin
            assert reader.stdout
            for number in range(10):
                await store.append([replace(FIRED, asset=f"rack{number}")])
                history.add(Readings.of([0], [START + number], [1.0]))
                await history.flush()
                reader.stdin.write("\n")
                reader.stdin.flush()
                assert await asyncio.to_thread(reader.stdout.readline) == f"{number + 1} {number + 1}\n"
            reader.stdin.close()
