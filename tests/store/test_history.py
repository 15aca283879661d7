"""Telemetry history: exact, sorted, readable while it is written, and nothing lost without being counted."""

import asyncio
import itertools
import logging
import subprocess
import sys
import threading
from dataclasses import replace
from datetime import UTC, datetime
from errno import ENOSPC
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow.parquet as pq
import pytest
from stored_alerts import HOSTILE, START

from monitor.clock import ManualClock
from monitor.errors import StoreFull, StoreLost
from monitor.model import BAD, GOOD, Point, Readings
from monitor.plant import Plant
from monitor.store import segment
from monitor.store.history import DAY, History
from monitor.store.segment import GROUP_ROWS, segments


def plant_of(racks: int, points: int = 4) -> Plant:
    """Racks come in an order that is not that of their names."""
    plant = Plant()
    for number in range(racks):
        rack = f"rack{(number * 37) % racks:03d}"
        for point in range(points):
            tags = ("primary", "supply") if point else ()
            plant.describe(Point("bus", f"{rack}/{point}", rack, f"quantity{point % 3}", ("degC", "kW", "")[point % 3], tags=tags))
    return plant


def rows_of(directory: Path) -> list[dict[str, Any]]:
    return [row for found in segments(directory) for row in pq.read_table(found.path).to_pylist()]


async def test_readings_come_back_exactly_with_their_descriptors(tmp_path: Path) -> None:
    plant = plant_of(1, 2)
    moment = START + 0.123
    async with History(tmp_path, plant) as history:
        history.add(
            Readings.of([1, 0], [moment, moment], [0.1 + 0.2, -0.0], received=moment + 0.0015, quality=[BAD, GOOD], snapshot=[False, True])
        )
        await history.flush()

        first, second = rows_of(tmp_path)
        assert history.written == 2
    exact = datetime(2026, 1, 1, 0, 0, 0, 123_000, UTC)
    assert first == {
        "time": exact, "received": exact.replace(microsecond=124_500), "point": "rack000/0", "asset": "rack000", "quantity": "quantity0",
        "tags": "", "unit": "degC", "value": 0.0, "quality": 0, "snapshot": True,
    }  # fmt: skip
    assert (second["point"], second["tags"], second["unit"]) == ("rack000/1", "primary,supply", "kW")
    assert (second["value"], second["quality"], second["snapshot"]) == (0.1 + 0.2, 2, False)


async def test_every_millisecond_and_microsecond_of_a_source_is_exact(tmp_path: Path) -> None:
    milliseconds = np.arange(1_767_225_600_000, 1_767_225_602_000)
    microseconds = np.arange(1_767_225_610_000_000, 1_767_225_610_002_000)
    async with History(tmp_path, plant_of(1)) as history:
        history.add(Readings.of(np.zeros(2000, np.int32), milliseconds / 1e3, np.zeros(2000)))
        history.add(Readings.of(np.zeros(2000, np.int32), microseconds / 1e6, np.zeros(2000)))

    table = pq.read_table(next(tmp_path.glob("*.parquet")))
    assert table["time"].cast("int64").to_pylist() == [*(milliseconds * 1000).tolist(), *microseconds.tolist()]


async def test_a_reading_without_a_value_is_null_and_infinity_is_a_value(tmp_path: Path) -> None:
    async with History(tmp_path, plant_of(1)) as history:
        history.add(Readings.of([0, 0, 0], [START, START + 1, START + 2], [np.nan, np.inf, 1.0]))

    column = pq.read_table(next(tmp_path.glob("*.parquet")))["value"]
    assert column.to_pylist() == [None, np.inf, 1.0]
    assert column.null_count == 1


async def test_times_beyond_the_calendar_are_null_and_the_name_tells_of_the_rest(tmp_path: Path) -> None:
    times = [START, np.nan, np.inf, -5.0, 1e300, START * 1e6]
    async with History(tmp_path, plant_of(1)) as history:
        history.add(Readings.of([0] * 6, times, range(6), received=START + 1))

    [found] = segments(tmp_path)
    assert (found.start, found.end, found.received) == (START, START, START + 1)
    assert sorted((row["time"] is None, row["value"]) for row in rows_of(tmp_path)) == [
        (False, 0.0), (True, 1.0), (True, 2.0), (True, 3.0), (True, 4.0), (True, 5.0),
    ]  # fmt: skip


async def test_rows_are_sorted_so_that_one_assets_groups_lie_together(tmp_path: Path) -> None:
    plant = plant_of(100, 10)
    random = np.random.default_rng(1)
    count = 3 * GROUP_ROWS + 17
    async with History(tmp_path, plant) as history:
        for _ in range(3):
            size = count // 3 + 1
            history.add(
                Readings.of(random.integers(0, 1000, size).astype(np.int32), START + random.integers(0, 60_000, size) / 1e3, np.zeros(size))
            )

    file = pq.ParquetFile(next(tmp_path.glob("*.parquet")))
    groups = [file.metadata.row_group(number) for number in range(file.num_row_groups)]
    assert len(groups) == 4
    column = file.schema_arrow.get_field_index("asset")
    spans = [(group.column(column).statistics.min, group.column(column).statistics.max) for group in groups]
    assert all(before[1] <= after[0] for before, after in itertools.pairwise(spans))
    keys = [(row["asset"], plant.rows[row["point"]], row["time"]) for row in file.read(["asset", "point", "time"]).to_pylist()]
    assert keys == sorted(keys)
    value = file.schema_arrow.get_field_index("value")
    assert "BYTE_STREAM_SPLIT" in groups[0].column(value).encodings
    assert groups[0].column(value).compression == "ZSTD"


async def test_a_changed_descriptor_keeps_the_old_rows_words(tmp_path: Path) -> None:
    plant = plant_of(1)
    async with History(tmp_path, plant) as history:
        history.add(Readings.of([0], [START], [1.0]))
        row = plant.describe(replace(plant.points[0], unit="K"))
        plant.describe(Point("bus", "late", "a new asset", "flow", "L/min"))
        history.add(Readings.of([row, row + 1], [START + 1, START + 2], [2.0, 3.0]))

    assert [(found["value"], found["unit"], found["asset"]) for found in rows_of(tmp_path)] == [
        (3.0, "L/min", "a new asset"), (1.0, "degC", "rack000"), (2.0, "K", "rack000"),
    ]  # fmt: skip


async def test_hostile_names_are_only_names(tmp_path: Path) -> None:
    plant = Plant()
    rows = [plant.describe(Point(name, name, name, name, name, tags=(name,))) for name in HOSTILE]
    async with History(tmp_path, plant) as history:
        history.add(Readings.of(rows, [START] * len(rows), range(len(rows))))

    assert {row["asset"] for row in rows_of(tmp_path)} == {name.replace("\ud800", "\\ud800") for name in HOSTILE}


async def test_another_process_reads_while_segments_come(tmp_path: Path) -> None:
    """Every look sees whole segments only, and never fewer rows than the look before."""
    code = (
        "import duckdb, sys\n"
        "for line in sys.stdin:\n"
        "    print(*duckdb.execute('SELECT count(*), count(value) FROM read_parquet(?)', [sys.argv[1]]).fetchone(), flush=True)\n"
    )
    async with History(tmp_path, plant_of(50)) as history:
        history.add(Readings.of([0], [START], [0.0]))
        await history.flush()
        with subprocess.Popen(
            [sys.executable, "-c", code, f"{tmp_path}/*.parquet"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as reader:
            assert reader.stdin
            assert reader.stdout
            for number in range(1, 15):
                history.add(Readings.of(np.zeros(20_000, np.int32), np.full(20_000, START + number), np.ones(20_000)))
                writing = asyncio.create_task(history.flush())
                await asyncio.sleep(0)
                reader.stdin.write("\n")
                reader.stdin.flush()
                seen, values = map(int, (await asyncio.to_thread(reader.stdout.readline)).split())
                assert seen == values
                assert seen in (1 + 20_000 * (number - 1), 1 + 20_000 * number)
                await writing
            reader.stdin.close()


async def test_writes_go_by_a_thread_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = []
    monkeypatch.setattr(segment, "write", lambda *_: names.append(threading.current_thread().name))
    async with History(tmp_path, plant_of(1)) as history:
        history.add(Readings.of([0], [START], [0.0]))

    assert names == ["history-writer_0"]


async def test_two_segments_of_the_same_span_have_two_names(tmp_path: Path) -> None:
    async with History(tmp_path, plant_of(1)) as history:
        for _ in range(3):
            history.add(Readings.of([0], [START], [0.0]))
            await history.flush()

    assert len(segments(tmp_path)) == 3


async def test_an_empty_history_writes_no_file(tmp_path: Path) -> None:
    async with History(tmp_path / "history", plant_of(1)) as history:
        history.add(Readings.of([], [], []))
        await history.flush()

    assert list((tmp_path / "history").iterdir()) == []


class Wall:
    """A file in the place of the directory: no write can succeed."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def up(self) -> None:
        for file in self.directory.iterdir():
            file.unlink()
        self.directory.rmdir()
        self.directory.write_text("")

    def down(self) -> None:
        self.directory.unlink()


async def test_while_the_disk_is_gone_readings_wait_and_then_the_oldest_are_counted_out(tmp_path: Path) -> None:
    wall = Wall(tmp_path / "history")
    async with History(tmp_path / "history", plant_of(1), flush_rows=100, most_rows=300) as history:
        wall.up()
        for number in range(5):
            history.add(Readings.of([0] * 100, START + number + np.arange(100) / 1e3, [number] * 100))
            with pytest.raises(StoreLost):
                await history.flush()
        assert (history.rows, history.dropped, history.written) == (300, 200, 0)

        wall.down()
        await history.flush()
        assert (history.rows, history.dropped, history.written) == (0, 200, 300)
    assert {row["value"] for row in rows_of(tmp_path / "history")} == {2.0, 3.0, 4.0}


async def test_readings_that_never_reach_the_disk_are_counted_at_the_end(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    wall = Wall(tmp_path / "history")
    async with History(tmp_path / "history", plant_of(1)) as history:
        history.add(Readings.of([0] * 7, [START] * 7, [0] * 7))
        wall.up()

    assert history.dropped == 7
    assert "7 readings lost" in caplog.text


async def test_a_full_disk_says_so_and_leaves_no_half_segment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(ENOSPC, "No space left on device")

    async with History(tmp_path, plant_of(1)) as history:
        history.add(Readings.of([0], [START], [1.0]))
        monkeypatch.setattr(segment.os, "fsync", full)
        with pytest.raises(StoreFull, match="No space left"):
            await history.flush()
        assert list(tmp_path.iterdir()) == []

        monkeypatch.undo()
        await history.flush()
        assert len(rows_of(tmp_path)) == 1


async def test_a_flush_that_is_cancelled_writes_once(tmp_path: Path) -> None:
    async with History(tmp_path, plant_of(1)) as history:
        history.add(Readings.of([0], [START], [1.0]))
        flush = asyncio.create_task(history.flush())
        await asyncio.sleep(0)
        flush.cancel()
        with pytest.raises(asyncio.CancelledError):
            await flush
        history.add(Readings.of([0], [START + 1], [2.0]))

    assert [row["value"] for row in rows_of(tmp_path)] == [1.0, 2.0]
    assert history.written == 2


async def test_a_cancelled_flush_that_failed_is_made_good_by_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write, go = segment.write, threading.Event()

    def fail_once(*_: Any) -> Path:
        monkeypatch.setattr(segment, "write", write)
        go.wait()
        raise OSError(ENOSPC, "No space left on device")

    monkeypatch.setattr(segment, "write", fail_once)
    async with History(tmp_path, plant_of(1)) as history:
        history.add(Readings.of([0], [START], [1.0]))
        flush = asyncio.create_task(history.flush())
        await turns()
        flush.cancel()
        await asyncio.wait([flush])
        history.add(Readings.of([0], [START + 1], [2.0]))
        again = asyncio.create_task(history.flush())
        await turns()
        go.set()
        await again

        assert [row["value"] for row in rows_of(tmp_path)] == [1.0, 2.0]
        assert (history.written, history.rows, history.dropped) == (2, 0, 0)


async def test_a_segment_gets_its_name_only_when_it_is_whole_and_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fsync = segment.os.fsync
    whole = []

    def look(handle: int) -> None:
        fsync(handle)
        assert segments(tmp_path) == []
        whole.append((segment.os.fstat(handle).st_ino, segment.os.fstat(handle).st_size))

    monkeypatch.setattr(segment.os, "fsync", look)
    async with History(tmp_path, plant_of(1)) as history:
        history.add(Readings.of([0], [START], [1.0]))

    [found] = segments(tmp_path)
    assert whole == [(found.path.stat().st_ino, found.path.stat().st_size)]


def test_a_killed_writers_half_file_is_not_read_and_taken_away(tmp_path: Path) -> None:
    half = tmp_path / ".20260101T000000.000000_x.tmp"
    half.write_bytes(b"PAR1 half")
    (tmp_path / "notes.parquet").write_bytes(b"not ours")
    assert segments(tmp_path) == []

    async def run() -> None:
        async with History(tmp_path, plant_of(1)):
            pass

    asyncio.run(run())
    assert not half.exists()
    assert (tmp_path / "notes.parquet").exists()


async def turns() -> None:
    """Let other tasks run until each of them waits."""
    for _ in range(20):
        await asyncio.sleep(0)


async def settle(condition: Any) -> None:
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.002)


async def test_run_writes_when_the_interval_is_over(tmp_path: Path) -> None:
    clock = ManualClock(START)
    async with History(tmp_path, plant_of(1), flush_s=60) as history:
        task = asyncio.create_task(history.run(clock))
        history.add(Readings.of([0], [START], [1.0], received=START))
        await turns()
        clock.move(59)
        await turns()
        assert history.written == 0

        clock.move(1)
        await settle(lambda: history.written == 1)
        task.cancel()
        await asyncio.wait([task])


async def test_run_writes_at_once_when_there_are_enough_rows(tmp_path: Path) -> None:
    async with History(tmp_path, plant_of(1), flush_rows=100) as history:
        task = asyncio.create_task(history.run(ManualClock(START)))
        history.add(Readings.of([0] * 100, [START] * 100, [1.0] * 100))
        await settle(lambda: history.written == 100)
        task.cancel()
        await asyncio.wait([task])


async def test_run_outlives_a_lost_disk_and_tells_of_it_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "monitor")
    clock = ManualClock(START)
    wall = Wall(tmp_path / "history")
    async with History(tmp_path / "history", plant_of(1), flush_s=10) as history:
        wall.up()
        task = asyncio.create_task(history.run(clock))
        history.add(Readings.of([0], [START], [1.0], received=START))

        async def tick() -> None:
            for _ in range(5):
                clock.move(10)
                await asyncio.sleep(0.02)

        await tick()
        assert history.rows == 1
        wall.down()
        while not history.written:
            await tick()
        task.cancel()
        await asyncio.wait([task])

    assert ["wait in memory" in record.getMessage() for record in caplog.records] == [True, False]
    assert "written again" in caplog.records[1].getMessage()


async def test_retention_deletes_whole_segments_by_receive_time(tmp_path: Path) -> None:
    """A source whose clock runs a year ahead does not keep its segment for a year."""
    async with History(tmp_path, plant_of(1), keep_days=2) as history:
        for day in range(5):
            history.add(Readings.of([0], [START + 365 * DAY], [day], received=START + day * DAY))
            await history.flush()

        assert await history.retain(START + 4 * DAY) == 2
        assert await history.retain(START + 4 * DAY) == 0
    assert [row["value"] for row in rows_of(tmp_path)] == [2.0, 3.0, 4.0]


async def test_retention_of_none_keeps_all(tmp_path: Path) -> None:
    async with History(tmp_path, plant_of(1), keep_days=None) as history:
        history.add(Readings.of([0], [START], [1.0]))
        await history.flush()

        assert await history.retain(START + 9999 * DAY) == 0


async def test_run_enforces_retention(tmp_path: Path) -> None:
    clock = ManualClock(START + 10 * DAY)
    async with History(tmp_path, plant_of(1), keep_days=1) as history:
        history.add(Readings.of([0], [START], [1.0], received=START))
        task = asyncio.create_task(history.run(clock))
        await turns()
        clock.move(60)
        await settle(lambda: history.written == 1 and not segments(tmp_path))

        history.add(Readings.of([0], [START], [1.0], received=START))
        while segments(tmp_path) or history.written == 1:  # it looks again, later
            await turns()
            clock.move(60)
            await asyncio.sleep(0.002)
        task.cancel()
        await asyncio.wait([task])


async def test_duckdb_prunes_by_asset(tmp_path: Path) -> None:
    plant = plant_of(100, 10)
    count = 4 * GROUP_ROWS
    async with History(tmp_path, plant) as history:
        history.add(Readings.of(np.arange(count, dtype=np.int32) % 1000, START + np.arange(count) / 1e3, np.zeros(count)))

    [(plan,)] = duckdb.execute(
        "SELECT stats_min_value || stats_max_value FROM parquet_metadata(?) WHERE path_in_schema = 'asset' LIMIT 1",
        [f"{tmp_path}/*.parquet"],
    ).fetchall()
    assert plan == "rack000rack024"
