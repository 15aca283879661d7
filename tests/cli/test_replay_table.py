"""`dcmon replay --map`: a table through the live path."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from data import recorded
from test_cli import KEYS, dcmon

SETS = Path(__file__).parent.parent / "sets"
MAP = "time: {column: time, unit: s}\nasset: {id_column: rack, kind: rack}\npoints:\n  leak: {quantity: leak}\n  P: {quantity: power, unit: kW}\n"


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Two racks at one row a minute, of which one leaks for a while."""
    rows = [f"{600 + 60 * at},{rack},{int(rack == 'R2' and 5 <= at < 9)},100" for at in range(20) for rack in ("R1", "R2")]
    path = tmp_path / "log.csv"
    path.write_text("\n".join(["time,rack,leak,P,more", *(f"{row},x" for row in rows), "soon,R1,0,1,x", ""]))
    (tmp_path / "map.yaml").write_text(MAP)
    return path


def test_a_table_alerts_as_a_bus_would(table: Path, tmp_path: Path) -> None:
    done = dcmon(
        "replay", table, "--map", tmp_path / "map.yaml", "--alerts", tmp_path / "out.jsonl", "--store", tmp_path / "data", "--json"
    )
    summary = json.loads(done.stdout)
    leak = next(alert for alert in map(json.loads, (tmp_path / "out.jsonl").read_text().splitlines()) if alert["rule"] == "cooling.leak")

    assert {key: summary[key] for key in ("messages", "points", "racks", "values_stored", "dropped", "late", "tick_s")} == {
        "messages": 41, "points": 4, "racks": 2, "values_stored": 80, "dropped": {"time": 1}, "late": 0, "tick_s": 60,
    }  # fmt: skip
    assert list(leak) == KEYS
    assert (leak["asset"], leak["fired"]) == ("R2", "1970-01-01T00:15:00.000Z")
    points = dcmon("query", "points", "--store", tmp_path / "data", "--asset", "R2", "--quantity", "power", "--json").stdout.splitlines()
    assert len(points) == 20


def test_people_are_told_of_rows_ticks_and_columns(table: Path, tmp_path: Path) -> None:
    text = dcmon("replay", table, "--map", tmp_path / "map.yaml").stdout

    assert "41 rows, 4 points on 2 rack; 0 edges; ticks of 60 s" in text
    assert f"{table}:42: time 'soon' is no number" in text
    assert "1 columns that the map does not name: more" in text


def test_the_tick_can_be_said(table: Path, tmp_path: Path) -> None:
    asked = dcmon("replay", table, "--map", tmp_path / "map.yaml", "--tick", "30s", "--json").stdout
    scenario = recorded("dsx-exchange", "dsx_exemplar.csv")

    assert json.loads(asked)["tick_s"] == 30
    assert json.loads(dcmon("replay", scenario, "--tick", "10 s", "--json").stdout)["tick_s"] == 10


def test_parquet_gives_the_same_alerts(table: Path, tmp_path: Path) -> None:
    rows = [line.split(",") for line in table.read_text().splitlines()[1:-1]]
    columns = {name: [float(row[at]) for row in rows] for at, name in ((0, "time"), (2, "leak"), (3, "P"))}
    pq.write_table(pa.table({**columns, "rack": [row[1] for row in rows]}), tmp_path / "log.parquet")
    for name in ("log.csv", "log.parquet"):
        dcmon("replay", tmp_path / name, "--map", tmp_path / "map.yaml", "--alerts", tmp_path / f"{name}.jsonl")

    assert (tmp_path / "log.csv.jsonl").read_text() == (tmp_path / "log.parquet.jsonl").read_text() != ""


def test_words_of_the_rules_are_words_of_the_map() -> None:
    folder = SETS / "skab"
    said = dcmon(
        "replay", recorded("data", "skab", "valve1", "0.csv.gz"), "--map", folder / "map.yaml", "--rules", folder / "rules", "--json"
    )

    assert json.loads(said.stdout)["values_stored"] == 9176


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["log.csv"], "any other table needs a map (--map)"),
        (["log.csv", "--map", "none.yaml"], "none.yaml: cannot be read"),
        (["log.csv", "--map", "bad.yaml"], 'bad.yaml:1:1: tme: unknown key; did you mean "time"?'),
        (["log.csv", "--map", "other.yaml"], 'has no column "Leak"; did you mean "leak"?'),
        (["log.csv", "--map", "map.yaml", "--start", "2026-01-01"], "--start is for scenarios"),
        (["log.csv", "--map", "map.yaml", "--tick", "60"], '--tick "60" is no duration'),
        (["log.csv", "--map", "map.yaml", "--tick", "0s"], "out of range"),
        (["log.csv", "--map", "map.yaml", "--tick", "2 d"], "out of range"),
    ],
)
def test_wrong_use_says_what_was_found(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], words: str
) -> None:
    (tmp_path / "bad.yaml").write_text(MAP.replace("time:", "tme:"))
    (tmp_path / "other.yaml").write_text(MAP.replace("  leak:", "  Leak:"))
    monkeypatch.chdir(tmp_path)

    done = dcmon("replay", *arguments, "--store", tmp_path / "data", code=2)

    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "data").exists()
