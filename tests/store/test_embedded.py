"""The main file: committed means kept, the same thing twice is one thing, and every loss is told."""

import asyncio
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from stored_alerts import ENDED, FIRED, HOSTILE, START

from monitor.clock import ManualClock
from monitor.errors import StoreFull, StoreLost
from monitor.model import Alert, Phase, Point, Severity, State
from monitor.plant import Plant
from monitor.store import Outbox, Store, embedded
from monitor.store.embedded import Embedded


def ask(path: Path, sql: str, *binds: object) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as base:
        return base.execute(sql, binds).fetchall()


def plant_of(count: int) -> Plant:
    plant = Plant()
    plant.asset("hall1", "hall")
    for number in range(count):
        plant.asset(f"rack{number}", "rack", parent="hall1", sku="gb200", serial=f"S{number}")
        plant.describe(Point("bus", f"BMS/{number}/flow", f"rack{number}", "liquid_flow", "L/min", tags=("primary",)))
    return plant


async def test_it_keeps_the_seams_promises(tmp_path: Path) -> None:
    """The type checker holds the class to both protocols."""
    async with Embedded(tmp_path / "monitor.db") as store:
        seams: tuple[Store, Outbox] = (store, store)
        assert seams


async def test_an_alert_comes_back_as_it_was(tmp_path: Path) -> None:
    trial = replace(FIRED, rule="power.psu_lost", point="psu3", value=None, limit=None, phase=Phase.SOAK, told=False)
    async with Embedded(tmp_path / "monitor.db") as store:
        assert await store.append([FIRED, trial]) == [FIRED, trial]

        assert store.open_alerts() == [FIRED, trial]


async def test_an_ended_alert_is_no_longer_open_and_its_episode_is_known(tmp_path: Path) -> None:
    again = replace(FIRED, episode=2, fired=START + 100)
    path = tmp_path / "monitor.db"
    async with Embedded(path) as store:
        await store.append([FIRED])
        await store.append([ENDED])
        await store.append([again])
    async with Embedded(path) as store:
        assert store.open_alerts() == [again]
        assert store.episodes() == {(FIRED.rule, FIRED.asset, FIRED.point): 2}


async def test_nan_is_kept_as_no_value_and_still_equals_itself(tmp_path: Path) -> None:
    odd = replace(FIRED, value=float("nan"), limit=float("inf"))
    async with Embedded(tmp_path / "monitor.db") as store:
        await store.append([odd])

        assert await store.append([odd]) == []
        assert store.open_alerts() == [replace(odd, value=None)]


async def test_the_same_batch_twice_is_stored_once(tmp_path: Path) -> None:
    path = tmp_path / "monitor.db"
    async with Embedded(path, influx=True) as store:
        await store.append([FIRED, ENDED])

        assert await store.append([FIRED, ENDED]) == []
        assert await store.append([FIRED]) == []
        assert store.waiting == 2
    assert ask(path, "SELECT count(*) FROM alerts") == [(1,)]
    assert ask(path, "SELECT state FROM alert_changes ORDER BY id") == [("firing",), ("ended",)]


async def test_a_replay_after_a_settled_fire_time_adds_nothing(tmp_path: Path) -> None:
    """An express alert is told at once and settled later; replaying both must not tell the first once more."""
    settled = replace(FIRED, fired=FIRED.fired - 0.5, severity=Severity.MAJOR)
    async with Embedded(tmp_path / "monitor.db") as store:
        assert await store.append([FIRED]) == [FIRED]
        assert await store.append([settled]) == [settled]

        assert await store.append([FIRED]) == []
        assert await store.append([settled]) == []
        assert store.open_alerts() == [settled]


async def test_an_episode_that_ended_never_opens_again(tmp_path: Path) -> None:
    async with Embedded(tmp_path / "monitor.db") as store:
        await store.append([ENDED])

        assert await store.append([replace(FIRED, summary="late news")]) == []
        assert store.open_alerts() == []


async def test_a_batch_is_stored_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "monitor.db"
    bad = replace(FIRED, asset="rack2", fired=None)  # type: ignore[arg-type]
    async with Embedded(path, influx=False) as store:
        with pytest.raises(StoreLost):
            await store.append([FIRED, bad])

        assert store.open_alerts() == []
        assert await store.append([FIRED]) == [FIRED]


async def test_hostile_names_are_only_names(tmp_path: Path) -> None:
    path = tmp_path / "monitor.db"
    alerts = [replace(FIRED, asset=name, point=name, summary=name, unit=name) for name in HOSTILE]
    plant = Plant()
    for name in HOSTILE:
        plant.asset(name, name, parent=name + "'", sku=name)
        plant.describe(Point(name, name, name, name, name, tags=(name,), states=((1, name),)))
        plant.findings.add(name, name, name)
    async with Embedded(path, influx=True, plant=plant) as store:
        await store.append(alerts)
        await store.save_plant(plant)

        kept = {alert.asset for alert in store.open_alerts()}
    assert kept == {name.replace("\ud800", "\\ud800") for name in HOSTILE}
    assert ask(path, "SELECT count(*) FROM points") == [(len(HOSTILE),)]
    assert ask(path, "SELECT count(*) FROM findings WHERE text = subject") == [(len(HOSTILE),)]


async def test_every_commit_carries_the_clocks_time(tmp_path: Path) -> None:
    path = tmp_path / "monitor.db"
    clock = ManualClock(START)
    async with Embedded(path, clock=clock) as store:
        await store.append([FIRED])
        clock.move(5)
        await store.append([ENDED])

    assert ask(path, "SELECT committed, state FROM alert_changes ORDER BY id") == [(START, "firing"), (START + 5, "ended")]


async def test_other_processes_read_while_the_writer_writes(tmp_path: Path) -> None:
    path = tmp_path / "monitor.db"
    code = (
        "import sqlite3, sys\n"
        "base = sqlite3.connect(f'file:{sys.argv[1]}?mode=ro', uri=True, timeout=5)\n"
        "for line in sys.stdin:\n"
        "    print(base.execute('SELECT count(*) FROM alerts').fetchone()[0], flush=True)\n"
    )
    async with Embedded(path) as store:
        with subprocess.Popen([sys.executable, "-c", code, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as reader:
            assert reader.stdin
            assert reader.stdout
            for number in range(20):
                await store.append([replace(FIRED, asset=f"rack{number}")])
                reader.stdin.write("\n")
                reader.stdin.flush()
                assert int(await asyncio.to_thread(reader.stdout.readline)) == number + 1
            reader.stdin.close()


def test_what_was_acknowledged_survives_kill_9(tmp_path: Path) -> None:
    path = tmp_path / "monitor.db"
    code = (
        "import asyncio, sys\n"
        "from dataclasses import replace\n"
        "from pathlib import Path\n"
        "from stored_alerts import FIRED\n"
        "from monitor.store.embedded import Embedded\n"
        "async def main():\n"
        "    async with Embedded(Path(sys.argv[1]), influx=True) as store:\n"
        "        for number in range(1_000_000):\n"
        "            await store.append([replace(FIRED, asset=f'rack{number}'), replace(FIRED, asset=f'twin{number}')])\n"
        "            print(number, flush=True)\n"
        "asyncio.run(main())\n"
    )
    paths = [str(Path(__file__).parent), str(Path(__file__).parents[2])]
    writer = subprocess.Popen(
        [sys.executable, "-c", f"import sys; sys.path[:0] = {paths!r}\n{code}", str(path)], stdout=subprocess.PIPE, text=True
    )
    with writer:
        assert writer.stdout
        acknowledged = [int(writer.stdout.readline()) for _ in range(50)]
        writer.send_signal(signal.SIGKILL)
        acknowledged += [int(line) for line in writer.stdout if line.endswith("\n")]

    async def left() -> tuple[set[str], int]:
        async with Embedded(path) as store:  # the dead writer's lock went with it
            return {alert.asset for alert in store.open_alerts()}, store.waiting

    kept, waiting = asyncio.run(left())
    assert {f"{name}{number}" for number in acknowledged for name in ("rack", "twin")} <= kept
    assert {name[4:] for name in kept if name.startswith("rack")} == {name[4:] for name in kept if name.startswith("twin")}
    assert waiting == len(kept)


async def test_a_second_writer_is_refused_in_plain_words(tmp_path: Path) -> None:
    async with Embedded(tmp_path / "monitor.db"):
        with pytest.raises(StoreLost, match="another monitor writes here"):
            async with Embedded(tmp_path / "monitor.db"):
                pass


async def test_a_newer_schema_is_refused_in_plain_words(tmp_path: Path) -> None:
    path = tmp_path / "monitor.db"
    async with Embedded(path):
        pass
    with closing(sqlite3.connect(path)) as base:
        base.execute("UPDATE meta SET value = '99' WHERE key = 'schema'")
        base.commit()

    with pytest.raises(StoreLost, match=r"newer monitor \(schema 99, known is 1\)"):
        async with Embedded(path):
            pass


async def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "monitor.db"
    path.write_bytes(b"no database" * 100)

    with pytest.raises(StoreLost, match="not a database"):
        async with Embedded(path):
            pass


async def test_a_full_disk_is_told_and_writing_goes_on_when_there_is_room(tmp_path: Path) -> None:
    async with Embedded(tmp_path / "monitor.db") as store:
        await store.append([FIRED])
        assert store._base
        store._base.execute("PRAGMA max_page_count = 1")  # below what is in use: SQLite keeps that, and no page more
        with pytest.raises(StoreFull, match="full"):
            await store.append([replace(FIRED, asset=f"rack{number}", summary="x" * 4000) for number in range(50)])
        assert store.open_alerts() == [FIRED]

        store._base.execute("PRAGMA max_page_count = 100000")
        await store.append([ENDED])
        assert store.open_alerts() == []


async def test_a_file_taken_away_is_told_and_a_new_one_begun(tmp_path: Path) -> None:
    path = tmp_path / "monitor.db"
    async with Embedded(path) as store:
        await store.save_plant(plant := plant_of(3))
        await store.append([FIRED])
        for file in tmp_path.iterdir():
            file.unlink()
        with pytest.raises(StoreLost, match="taken away"):
            await store.append([ENDED])

        await store.append([FIRED])
        await store.save_plant(plant)
        assert store.open_alerts() == [FIRED]
    assert ask(path, "SELECT count(*) FROM points") == [(3,)]


async def test_a_caller_that_is_cancelled_leaves_the_store_sound(tmp_path: Path) -> None:
    async with Embedded(tmp_path / "monitor.db") as store:
        task = asyncio.create_task(store.append([FIRED]))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

        await store.append([replace(FIRED, asset="rack2")])
        assert {alert.asset for alert in store.open_alerts()} >= {"rack2"}


async def test_many_callers_at_once_are_all_kept(tmp_path: Path) -> None:
    async with Embedded(tmp_path / "monitor.db") as store:
        await asyncio.gather(*(store.append([replace(FIRED, asset=f"rack{number}")]) for number in range(200)))

        assert len(store.open_alerts()) == 200


async def test_nothing_to_store_touches_nothing(tmp_path: Path) -> None:
    async with Embedded(tmp_path / "monitor.db") as store:
        assert await store.append([]) == []


async def test_the_plant_is_stored_and_follows_its_changes(tmp_path: Path) -> None:
    path = tmp_path / "monitor.db"
    plant = plant_of(5_000)  # more than one step
    plant.serve("rack1", "rack2")
    plant.findings.add("unit_unknown", "BMS/1/flow", "gpm2")
    async with Embedded(path) as store:
        await store.save_plant(plant)
        assert ask(path, "SELECT kind, parent, phase, attributes ->> 'serial' FROM assets WHERE id = 'rack4999'") == [
            ("rack", "hall1", "watch", "S4999")
        ]
        assert ask(path, "SELECT count(*) FROM assets") == [(5_001,)]

        plant.set_phase("hall1", Phase.SOAK)  # all below follow
        plant.describe(replace(plant.points[0], unit="kPa"))
        plant.retire("BMS/1/flow")
        plant.asset("rack7", serial="new")
        plant.findings.remove("unit_unknown", "BMS/1/flow")
        plant.findings.add("late", "bus", "2 s")
        await store.save_plant(plant)

    assert ask(path, "SELECT phase, count(*) FROM assets GROUP BY 1") == [("soak", 5_001)]
    assert ask(path, "SELECT unit, tags, source FROM points WHERE path = 'BMS/0/flow'") == [("kPa", '["primary"]', "bus")]
    assert ask(path, "SELECT count(*) FROM points") == [(4_999,)]
    assert ask(path, "SELECT attributes ->> 'serial' FROM assets WHERE id = 'rack7'") == [("new",)]
    assert ask(path, "SELECT giver, taker FROM edges") == [("rack1", "rack2")]
    assert ask(path, "SELECT code, count FROM findings") == [("descriptor_changed", 1), ("late", 1)]


async def test_an_unchanged_plant_costs_no_transaction(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plant = plant_of(10)
    async with Embedded(tmp_path / "monitor.db") as store:
        await store.save_plant(plant)

        def never(_: object) -> None:
            raise AssertionError("a transaction was begun")

        monkeypatch.setattr(store, "_commit", never)
        await store.save_plant(plant)


async def test_a_new_run_takes_the_last_runs_plant_out(tmp_path: Path) -> None:
    path = tmp_path / "monitor.db"
    async with Embedded(path) as store:
        await store.save_plant(plant_of(10))
    async with Embedded(path) as store:
        await store.save_plant(plant_of(2))

    assert ask(path, "SELECT count(*) FROM points") == [(2,)]


async def test_a_save_that_failed_half_way_is_finished_by_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "monitor.db"
    plant = plant_of(5_000)
    async with Embedded(path) as store:
        commit: Callable[..., object] = store._commit
        calls = 0

        def third_time_unlucky(work: object) -> object:
            nonlocal calls
            calls += 1
            if calls == 3:
                raise StoreFull("no room")
            return commit(work)

        monkeypatch.setattr(store, "_commit", third_time_unlucky)
        with pytest.raises(StoreFull):
            await store.save_plant(plant)
        await store.save_plant(plant)

    assert ask(path, "SELECT count(*) FROM assets") == [(5_001,)]
    assert ask(path, "SELECT count(*) FROM points") == [(5_000,)]


async def test_lines_are_taken_by_count_and_size_and_leave_when_done(tmp_path: Path) -> None:
    alerts = [replace(FIRED, asset=f"rack{number}") for number in range(10)]
    async with Embedded(tmp_path / "monitor.db", influx=True) as store:
        await store.append(alerts)
        lines = await store.take(100, 1 << 20)
        assert len(lines) == store.waiting == 10
        assert len(await store.take(3, 1 << 20)) == 3
        assert len(await store.take(100, len(lines[0][1]) * 2 + 2)) == 2
        assert len(await store.take(100, 1)) == 1

        await store.done([number for number, _ in lines[:4]])
        assert [number for number, _ in await store.take(100, 1 << 20)] == [number for number, _ in lines[4:]]


async def test_refused_lines_are_set_aside_and_may_be_tried_again(tmp_path: Path) -> None:
    path = tmp_path / "monitor.db"
    async with Embedded(path, influx=True) as store:
        await store.append([FIRED])
        [(number, line)] = await store.take(10, 1000)
        await store.refuse([number], "field type conflict\x1b")
        assert (store.waiting, store.refused) == (0, 1)
        assert ask(path, "SELECT line, words FROM influx_refused") == [(line, "field type conflict\x1b")]

        await store.retry_refused()
        assert (store.waiting, store.refused) == (1, 0)
        assert [text for _, text in await store.take(10, 1000)] == [line]


async def test_the_outbox_is_bounded_and_counts_what_it_drops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "MOST_WAITING", 5)
    path = tmp_path / "monitor.db"
    async with Embedded(path, influx=True) as store:
        for number in range(8):
            await store.append([replace(FIRED, asset=f"rack{number}")])
    async with Embedded(path, influx=True) as store:
        assert (store.waiting, store.dropped) == (5, 3)
        assert "asset=rack3," in (await store.take(1, 1))[0][1]
        assert len(store.open_alerts()) == 8


async def test_a_line_names_where_the_asset_stands(tmp_path: Path) -> None:
    plant = Plant()
    plant.asset("hall7", "hall", parent="campus")
    plant.asset("campus", "site")
    plant.asset("rack1", "rack", parent="hall7")
    plant.asset("rack1/tray3", "tray", parent="rack1")
    async with Embedded(tmp_path / "monitor.db", influx=True, site="set", hall="set", plant=plant) as store:
        await store.append([replace(FIRED, asset="rack1/tray3"), replace(FIRED, asset="nobody")])
        (_, known), (_, unknown) = await store.take(10, 10_000)

    assert ",hall=hall7," in known
    assert ",rack=rack1," in known
    assert ",site=campus " in known
    assert ",hall=set," in unknown
    assert ",site=set " in unknown
    assert ",rack=" not in unknown


async def test_without_influx_nothing_waits(tmp_path: Path) -> None:
    async with Embedded(tmp_path / "monitor.db") as store:
        await store.append([FIRED, Alert("it.x", "a", "", 1, Severity.INFO, State.FIRING, START, None, None, None, "", "")])

        assert store.waiting == 0
