"""`dcmon query` as a user and a script have it."""

import asyncio
import csv
import io
import json
import os
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from monitor.cli.query import app, duration, moment, spark
from monitor.errors import InputError, StoreLost
from monitor.model import Alert, Point, Readings, Severity, State
from monitor.plant import Plant
from monitor.store.embedded import Embedded
from monitor.store.history import History

START = 1767225600.0
BAD_NAME = "rack\x1b[2J\n[red]x"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("store")
    plant = Plant()
    rows = [plant.describe(Point("bus", f"{name}/flow", name, "liquid_flow", "L/min", tags=("supply",))) for name in ("rack1", BAD_NAME)]

    def alert(name: str, state: State, ended: float | None) -> Alert:
        return Alert(
            "cooling.low", name, "", 1, Severity.MAJOR, state, START + 1, ended, 24.06, 31.2, "L/min", f"low on {name}", told=False
        )

    async def fill() -> None:
        async with Embedded(folder / "monitor.db") as base, History(folder / "history", plant) as history:
            await base.append([alert("rack1", State.ENDED, START + 9), alert(BAD_NAME, State.FIRING, None)])
            for row in rows:
                history.add(Readings.of([row] * 61, [START + second for second in range(61)], [*range(59), float("nan"), float("inf")]))

    asyncio.run(fill())
    return folder


def ask(folder: Path, *words: str, code: int = 0) -> Result:
    result = CliRunner().invoke(app, [*words, "--store", str(folder)], env={"COLUMNS": "80"})
    assert result.exit_code == code, result.output
    return result


def test_alerts_as_json_have_the_keys_of_an_alert_file_first(store: Path) -> None:
    first, second = [json.loads(line) for line in ask(store, "alerts", "--json").stdout.splitlines()]

    assert (first["asset"], second["asset"]) == (BAD_NAME, "rack1")
    assert second == {
        "rule": "cooling.low", "asset": "rack1", "point": None, "severity": "major", "fired": "2026-01-01T00:00:01.000Z",
        "ended": "2026-01-01T00:00:09.000Z", "value": 24.06, "limit": 31.2, "unit": "L/min", "summary": "low on rack1",
        "state": "ended", "phase": "watch", "episode": 1, "told": False, "number": 1,
    }  # fmt: skip
    assert list(first)[:10] == ["rule", "asset", "point", "severity", "fired", "ended", "value", "limit", "unit", "summary"]
    assert first["ended"] is None


def test_a_table_obeys_no_name(store: Path) -> None:
    text = ask(store, "alerts").stdout

    assert "rack\\x1b[2J\\x0a[red]x" in text
    assert "\x1b[2J" not in text
    assert "2026-01-01 00:00:01 " in text
    assert "\\x1b" in ask(store, "points", "--limit", "3").stdout
    assert "\\x1b" in ask(store, "points", "--plot").stdout


def test_csv_is_one_row_a_row_whatever_the_names(store: Path) -> None:
    for verb, count in (("alerts", 2), ("points", 122)):
        header, *rows = csv.reader(io.StringIO(ask(store, verb, "--csv").stdout))
        assert len(rows) == count
        assert {len(row) for row in rows} == {len(header)}
        assert "\x1b" not in str(rows)


def test_alerts_are_chosen_by_options(store: Path) -> None:
    assert len(ask(store, "alerts", "--firing", "--json").stdout.splitlines()) == 1
    assert len(ask(store, "alerts", "--asset", "rack1", "--rule", "cooling", "--severity", "major", "--json").stdout.splitlines()) == 1
    assert len(ask(store, "alerts", "--since", "2026-01-01T00:00:20Z", "--json").stdout.splitlines()) == 1


def test_points_as_json_say_null_where_json_has_no_number(store: Path) -> None:
    rows = [json.loads(line) for line in ask(store, "points", "--asset", "rack1", "--json").stdout.splitlines()]

    assert [row["value"] for row in rows] == [*range(59), None, None]
    assert rows[1]["time"] == "2026-01-01T00:00:01.000Z"
    assert rows[0]["tags"] == "supply"


def test_points_in_buckets(store: Path) -> None:
    words = ["points", "--point", "rack1/flow", "--every", "30s", "--aggregate", "max", "--until", "2026-01-01T00:00:59Z", "--json"]
    rows = [json.loads(line) for line in ask(store, *words).stdout.splitlines()]

    assert [(row["time"], row["value"], row["readings"]) for row in rows] == [
        ("2026-01-01T00:00:00.000Z", 29.0, 30), ("2026-01-01T00:00:30.000Z", 58.0, 29),
    ]  # fmt: skip


def test_an_alert_is_one_line_that_is_never_cut(store: Path) -> None:
    header, bad, good = ask(store, "alerts").stdout.splitlines()

    assert header.split() == ["fired", "(UTC)", "ended", "severity", "asset", "summary", "rule", "number"]
    assert good.split("  ")[:3] == ["2026-01-01 00:00:01", "2026-01-01 00:00:09", "major"]
    assert good.endswith("  cooling.low       1")
    assert "  FIRING " in bad
    assert good.index("cooling.low") == bad.index("cooling.low") == header.index("rule")


def test_a_reading_is_one_line(tmp_path: Path) -> None:
    plant = Plant()
    paths = ("a very long path/" * 9 + "1", "2", "3")
    quantities = ("liquid_flow", "liquid_flow", "power")
    rows = [
        plant.describe(Point("bus", path, "rack1", quantity, "kW", tags=("supply",) if path != "3" else ()))
        for path, quantity in zip(paths, quantities, strict=True)
    ]

    async def fill() -> None:
        async with History(tmp_path / "history", plant) as history:
            history.add(Readings.of(rows, [START, START + 0.25, START + 1], [1.5, 22.0, float("nan")], quality=[0, 2, 1]))

    asyncio.run(fill())

    assert ask(tmp_path, "points", "--quantity", "power").stdout.splitlines() == [
        "time (UTC)           asset  quantity  value     quality",
        "2026-01-01 00:00:01  rack1  power     no value  doubtful",
    ]
    lines = ask(tmp_path, "points", "--quantity", "liquid_flow").stdout.splitlines()
    assert lines[1:] == [
        f"2026-01-01 00:00:00.250  rack1  liquid_flow[supply]   22 kW  bad      {paths[1]}",
        f"2026-01-01 00:00:00      rack1  liquid_flow[supply]  1.5 kW           {paths[0]}",
    ]
    assert ask(tmp_path, "points", "--quantity", "liquid_flow", "--every", "1m").stdout.splitlines()[1:] == [
        "2026-01-01 00:00:00  rack1  liquid_flow[supply]  1.5 kW         1"
    ]
    assert ask(tmp_path, "points", "--plot").stdout.splitlines() == [
        f"rack1  liquid_flow[supply]  22 to 22, newest 22 kW  {paths[1]}", "  ▁",
        "rack1  power  no value", "   ",
        f"rack1  liquid_flow[supply]  1.5 to 1.5, newest 1.5 kW  {paths[0]}", "  ▁",
    ]  # fmt: skip


def test_a_broken_file_of_the_history_is_told_and_left_out(store: Path, tmp_path: Path) -> None:
    shutil.copytree(store, tmp_path / "copy")
    bad = tmp_path / "copy/history/20260101T000000.000000_20260101T000001.000000_20260101T000001.000000.parquet"
    bad.write_bytes(b"PAR1")
    result = ask(tmp_path / "copy", "points", "--asset", "rack1", "--json")

    assert len(result.stdout.splitlines()) == 61
    assert bad.name in result.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["alerts", "--asset", "RACK1"], '--asset: the store has no "RACK1"; did you mean "rack1"?'),
        (["alerts", "--rule", "coling"], '--rule: the store has no "coling"; did you mean "cooling"?'),
        (["points", "--asset", "rak1"], '"rack1"?'),
        (["points", "--asset", "rack1", "--quantity", "Liquid_flw"], 'no "Liquid_flw"; did you mean "liquid_flow"?'),
        (["points", "--quantity", "zzz", "--json"], '--quantity: the store has no "zzz"\n'),
    ],
)
def test_a_mistyped_filter_gets_the_nearest_name(store: Path, words: list[str], said: str) -> None:
    result = ask(store, *words, code=1)

    assert result.stdout == ""
    assert result.stderr.startswith("nothing found\n")
    assert said in result.stderr
    assert result.stderr.count("the store has no") == 1


def test_a_known_filter_that_finds_nothing_gets_no_advice(store: Path) -> None:
    assert ask(store, "points", "--asset", "rack1", "--since", "0s", code=1).stderr == "nothing found\n"
    assert ask(store, "alerts", "--asset", "rack1", "--since", "0s", code=1).stderr == "nothing found\n"


def test_a_plot_is_two_lines_a_point(store: Path) -> None:
    lines = ask(store, "points", "--asset", "rack1", "--plot").stdout.splitlines()

    assert len(lines) == 2
    assert "▁▁▁" in lines[1]
    assert "█" in lines[1]


def test_nothing_found_is_exit_code_1(store: Path) -> None:
    assert "nothing found" in ask(store, "alerts", "--asset", "nobody", code=1).output
    assert ask(store, "points", "--asset", "nobody", "--json", code=1).stdout == ""
    ask(store, "points", "--asset", "nobody", "--csv", code=1)
    ask(store, "points", "--asset", "nobody", "--plot", code=1)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["alerts", "--since", "yesterday"], "--since"),
        (["alerts", "--until", "nan"], "--until"),
        (["points", "--every", "often"], "--every"),
        (["points", "--every", "0s"], "--every"),
        (["alerts", "--since", "1h", "--until", "2h"], '--since "1h" is later than --until "2h"'),
        (["points", "--since", "2026-01-02", "--until", "2026-01-01"], "is later than"),
        (["alerts", "--json", "--csv"], "--csv"),
        (["points", "--json", "--plot"], "--plot"),
    ],
)
def test_wrong_wishes_are_refused_with_the_option(store: Path, words: list[str], said: str) -> None:
    result = CliRunner().invoke(app, [*words, "--store", str(store)])

    assert isinstance(result.exception, InputError)
    assert said in str(result.exception)


@pytest.mark.parametrize(
    "words", [["alerts", "--severity", "bad"], ["points", "--aggregate", "median"], ["alerts", "--limit", "0"], ["nothing"]]
)
def test_wrong_use_is_exit_code_2(store: Path, words: list[str]) -> None:
    assert CliRunner().invoke(app, words).exit_code == 2


def test_no_store_is_told(tmp_path: Path) -> None:
    for verb in ("alerts", "points"):
        assert isinstance(CliRunner().invoke(app, [verb, "--store", str(tmp_path / "none")]).exception, StoreLost)


def test_the_store_comes_from_the_environment(store: Path) -> None:
    assert CliRunner().invoke(app, ["alerts", "--json"], env={**os.environ, "DCMON_STORE": str(store)}).exit_code == 0


def test_a_long_table_is_cut_and_says_so(tmp_path: Path) -> None:
    plant = Plant()
    row = plant.describe(Point("bus", "p", "rack1", "flow", "L/min"))

    async def fill() -> None:
        async with History(tmp_path / "history", plant) as history:
            history.add(Readings.of([row] * 1001, [START + number for number in range(1001)], range(1001)))

    asyncio.run(fill())
    result = ask(tmp_path, "points")

    assert len(result.stdout.splitlines()) == 1001  # with the header
    assert "only the first 1000" in result.stderr


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90.0), ("1.5h", 5400.0), ("10 min", 600.0), ("250ms", 0.25), ("7d", 604_800.0)])
def test_durations(text: str, seconds: float) -> None:
    assert duration(text, "--every") == seconds


def test_moments() -> None:
    assert moment(None, "--since") is None
    assert moment("2026-01-01T01:00:00+01:00", "--since") == START
    assert moment("2026-01-01", "--since") == START
    day, hour = moment("1d", "--since"), moment("1h", "--since")
    assert day is not None
    assert hour is not None
    assert 82_799 <= hour - day <= 82_801


def test_a_curve_has_holes_where_nothing_is_known() -> None:
    assert spark([]) == ""
    assert spark([None, None]) == "  "
    assert spark([5.0, 5.0]) == "▁▁"
    assert spark([0.0, float("nan"), 7.0]) == "▁ █"
    assert len(spark(list(map(float, range(1000))))) == 60
