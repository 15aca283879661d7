"""A trend log with its map becomes readings, lazily, in the order of their times; nothing is lost unseen."""

import gzip
import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from data import recorded

from monitor.collect.recording import Batch
from monitor.collect.table import Table
from monitor.collect.table_map import load_map
from monitor.errors import ConfigError, InputError
from monitor.model import BAD, GOOD
from monitor.plant import Plant
from monitor.vocabulary import QUANTITIES, load

SETS = Path(__file__).parent.parent / "sets"
PLAIN = "time: {column: time}\nasset: {id: R1, kind: rack}\npoints:\n  flow: {quantity: liquid_flow, unit: L/min}\n"


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


@dataclass
class Read:
    """A table that was read to its end, with its readings as (time, point, value, quality)."""

    table: Table
    plant: Plant
    batches: list[Batch]

    @property
    def rows(self) -> list[tuple[float, str, float, int]]:
        return [
            (time, self.plant.points[point].path, value, quality)
            for batch in self.batches
            for readings in [batch.readings()]
            for point, time, value, quality in zip(
                readings.point.tolist(), readings.time.tolist(), readings.value.tolist(), readings.quality.tolist(), strict=True
            )
        ]

    @property
    def values(self) -> list[float]:
        return [value for _, _, value, _ in self.rows]

    @property
    def times(self) -> list[str]:
        return [datetime.fromtimestamp(time, UTC).strftime("%d %H:%M") for time, *_ in self.rows]

    @property
    def findings(self) -> dict[str, list[tuple[str, str, int]]]:
        found: dict[str, list[tuple[str, str, int]]] = {}
        for finding, count in self.plant.findings.all():
            found.setdefault(finding.code, []).append((finding.subject, finding.text, count))
        return found


def readings_of(path: Path, mapping: Path, tick: float = 1.0, vocabulary: dict = QUANTITIES) -> Read:
    table, plant = Table(path, load_map(mapping, vocabulary)), Plant()
    return Read(table, plant, list(table.read(plant, tick)))


@pytest.fixture
def write(tmp_path: Path):
    def written(text: str | bytes, name: str = "log.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return written


@pytest.fixture
def read(write):
    """Read a table written out in the test, with a map written out there too."""

    def reading(text: str | bytes, mapping: str = PLAIN, *, name: str = "log.csv", tick: float = 1.0) -> Read:
        return readings_of(write(text, name), write(mapping, "map.yaml"), tick)

    return reading


def faults(write, mapping: str) -> list[str]:
    path = write(mapping, "map.yaml")
    with pytest.raises(ConfigError) as error:
        load_map(path, QUANTITIES)
    return [str(fault).removeprefix(f"{path}:") for fault in error.value.faults]


# the map


def test_all_faults_of_a_map_come_at_once_with_their_places(write) -> None:
    found = faults(
        write,
        "delimeter: ';'\n"
        "time: {column: time, zone: Europe/Berlim}\n"
        "asset: {id: R1, kind: rock}\n"
        "points:\n"
        "  a: {quantity: liquid_flw, unit: L/min}\n"
        "  b: {quantity: liquid_flow, unit: bar}\n"
        "  c: {quantity: liquid_flow}\n"
        "  d: {quantity: liquid_flow, unit: L/min, scale: 0}\n",
    )

    unknown = 'unknown quantity "liquid_flw"; did you mean "liquid_flow"? else add it to vocabulary.yaml in the folder of the rules'
    assert found == [
        '1:1: delimeter: unknown key; did you mean "delimiter"?',
        '2:28: time.zone: found "Europe/Berlim", no known time zone; did you mean "Europe/Berlin"?',
        '3:23: asset.kind: unknown kind "rock"; did you mean "rack"?',
        f"5:17: points.a.quantity: {unknown}",
        '6:36: points.b.unit: "bar" measures pressure, not flow; L/min or LPM, L/s, L/h, mL/min would do',
        "7:3: points.c: unit is missing: liquid_flow is kept in L/min; write the unit that the table has, for example unit: L/min",
        "8:50: points.d.scale: a number that is not 0 is needed",
    ]


@pytest.mark.parametrize(
    ("part", "words"),
    [
        ("time: {}", "needs either column"),
        ("time: {column: t, row: 60 s, start: 2026-01-01}", "needs either column"),
        ("time: {row: 60 s}", "row and start go together"),
        ("time: {row: 60, start: 2026-01-01}", 'time.row: "60" is no duration'),
        ("time: {row: 60 s, start: soon}", 'found "soon"; write for example 2026-01-01T00:00:00Z'),
        ("time: {column: t, unit: s, format: '%Y'}", "format is for times written as text"),
        ("time: {row: 1 s, start: 2026-01-01, unit: s}", "unit is for a column of numbers"),
        ("asset: {kind: rack}", "needs either id"),
        ("asset: {id: a, id_column: b, kind: rack}", "needs either id"),
        ("asset: {id: a}", "asset.kind: is missing"),
        ("delimiter: ab", 'found "ab"; one character is needed'),
        ("decimal: ','", 'delimiter and decimal are both ","'),
        ("encoding: klingon", 'found "klingon"; utf-8, utf-16'),
        ("interval: 0 s", "more than 0 s and at most 90 d"),
        ("points: {}", "points: "),
        ("points: {a: {quantity: power, unit: kW, asset: {id: x, kind: rck}}}", 'unknown kind "rck"; did you mean "rack"?'),
    ],
)
def test_what_a_map_cannot_say(write, part: str, words: str) -> None:
    lines = ("time: {column: t}", "asset: {id: a, kind: rack}", "points: {a: {quantity: power, unit: kW}}")
    key = part.split(":", maxsplit=1)[0]

    found = faults(write, "\n".join([line for line in lines if not line.startswith(f"{key}:")] + [part]))

    assert len(found) == 1
    assert words in found[0]


def test_an_asset_is_needed_unless_each_point_names_its_own(write, read) -> None:
    assert "asset is missing" in faults(write, "time: {column: t}\npoints: {a: {quantity: power, unit: kW}}")[0]

    done = read(
        "time,P1,P2\n2026-01-01 00:00,1,2\n",
        "time: {column: time}\npoints:\n"
        "  P1: {quantity: power, unit: kW, asset: {id: R1, kind: rack, sku: gb200_nvl72, parent: Pod1}}\n"
        "  P2: {quantity: power, unit: kW, asset: {id: R2, kind: rack}}\n",
    )

    assert [path for _, path, _, _ in done.rows] == ["R1/P1", "R2/P2"]
    assert done.plant.assets["R1"].attributes == {"sku": "gb200_nvl72"}
    assert done.plant.assets["R1"].parent == "Pod1"


def test_columns_that_the_table_lacks_are_faults_of_the_map(write) -> None:
    path = write("when;Pressure;Flow\n")
    mapping = write(
        'delimiter: ";"\ntime: {column: time}\nasset: {id_column: rack, kind: rack}\npoints:\n  Presure: {quantity: liquid_pressure, unit: bar}\n',
        "map.yaml",
    )

    with pytest.raises(ConfigError) as error:
        Table(path, load_map(mapping, QUANTITIES))

    assert [str(fault).removeprefix(f"{mapping}:") for fault in error.value.faults] == [
        f'2:16: time.column: {path} has no column "time"; it has: when, Pressure, Flow',
        f'3:20: asset.id_column: {path} has no column "rack"; it has: when, Pressure, Flow',
        f'5:3: points.Presure: {path} has no column "Presure"; did you mean "Pressure"?',
    ]


def test_a_wrong_delimiter_is_guessed_at(write) -> None:
    with pytest.raises(ConfigError, match='its header is "time;flow", so `delimiter` may be another'):
        Table(write("time;flow\n"), load_map(write(PLAIN, "map.yaml"), QUANTITIES))


def test_a_column_that_is_there_twice_is_refused_if_the_map_names_it(write, read) -> None:
    with pytest.raises(ConfigError, match='has 2 columns "flow"'):
        Table(write("time,flow,flow\n"), load_map(write(PLAIN, "map.yaml"), QUANTITIES))

    assert read("time,x,flow,x\n2026-01-01,1,2,3\n").values == [2]


# values


def test_units_scales_tags_and_labels(read) -> None:
    done = read(
        "time,p,t,v,s,g\n2026-01-01 00:00,1.5,212,0.25,On,3000\n",
        "time: {column: time}\nasset: {id: A, kind: ahu}\npoints:\n"
        "  p: {quantity: liquid_pressure, unit: bar, tags: [Supply, primary]}\n"
        "  t: {quantity: air_temperature, unit: degF, setpoint: true}\n"
        '  v: {quantity: valve_position, unit: "%", scale: 100, interval: 5 min}\n'
        "  s: {quantity: status, states: {Off: 0, On: 1}}\n"
        "  g: {quantity: generic, unit: RPM}\n",
    )

    assert done.values == pytest.approx([150, 100, 25, 1, 3000])
    p, t, v, s, g = done.plant.points
    assert (p.tags, p.unit, p.setpoint, p.source, p.interval) == (("primary", "supply"), "kPa", False, "log.csv", 100)
    assert (t.setpoint, v.interval, s.states, g.unit) == (True, 300, ((0, "Off"), (1, "On")), "1/min")


def test_an_empty_cell_is_a_gap_and_a_text_a_bad_reading(read) -> None:
    cells = ["1", "", " ", "#VALUE!", "Bad", "NaN", "inf", "1_0", "2e1", "-9999", "Bad", "1e999"]
    rows = "".join(f"2026-01-01 00:00:{number:02},{cell}\n" for number, cell in enumerate(cells))
    done = read(f"time,flow\n{rows}", PLAIN + 'missing: ["-9999"]\n')

    assert [None if quality == BAD else value for _, _, value, quality in done.rows] == [1, None, None, None, None, None, 20, None, None]
    assert all(math.isnan(value) for _, _, value, quality in done.rows if quality == BAD)
    bad = {subject: (text, count) for subject, text, count in done.findings["cell_no_number"]}
    assert bad['flow: "Bad"'] == ("no number, kept as a bad reading; first at log.csv:6", 2)
    assert set(bad) == {f'flow: "{text}"' for text in ("#VALUE!", "Bad", "NaN", "inf", "1_0", "1e999")}
    assert done.table.dropped == {}


def test_decimal_commas(read) -> None:
    text = "time;flow\n2026-01-01 00:00;1,5\n2026-01-01 00:01;-2\n2026-01-01 00:02;1.234,5\n"
    done = read(text, 'delimiter: ";"\ndecimal: ","\n' + PLAIN)

    assert done.values[:2] == [1.5, -2]
    assert [quality for *_, quality in done.rows] == [GOOD, GOOD, BAD]


def test_a_column_without_any_number_is_told(read) -> None:
    assert "column_empty" in read("time,flow\n2026-01-01,\n2026-01-02,\n").findings
    assert "column_empty" not in read("time,flow\n2026-01-01,\n2026-01-02,1\n").findings


def test_columns_that_the_map_does_not_name_are_told_once(read) -> None:
    header = ",".join(f"c{number}" for number in range(10))
    done = read(f"time,flow,{header}\n2026-01-01,1{',0' * 10}\n")

    assert done.findings["column_not_mapped"] == [
        ("log.csv", "10 columns that the map does not name: c0, c1, c2, c3, c4, c5, c6, c7 and 2 more", 10)
    ]


# times


@pytest.mark.parametrize(
    ("time", "cells"),
    [
        ("{column: time}", ["2026-01-01 00:01", "2026-01-01T01:02:00+01:00", "2026-01-01T00:03:00Z"]),
        ("{column: time, zone: '+01:00'}", ["2026-01-01 01:01", "2026-01-01T00:02Z", "2026-01-01 01:03"]),
        ("{column: time, format: '%d.%m.%Y %H:%M'}", ["01.01.2026 00:01", "01.01.2026 00:02", "01.01.2026 00:03"]),
        ("{column: time, unit: s}", ["1767225660", "1767225720", "1767225780.0"]),
        ("{column: time, unit: ms}", ["1767225660000", "1767225720000", "1767225780000"]),
        ("{column: [time, flow2], zone: Asia/Tokyo}", ["2026-01-01,09:01", "2026-01-01,09:02", "2026-01-01,09:03"]),
        ("{row: 60 s, start: 2026-01-01T00:01:00Z}", ["x", "y", "z"]),
    ],
)
def test_times_of_every_form(read, time: str, cells: list[str]) -> None:
    cells = [cell if "," in cell else f"{cell}," for cell in cells]
    done = read("time,flow2,flow\n" + "".join(f"{cell},1\n" for cell in cells), PLAIN.replace("{column: time}", time))

    assert done.times == ["01 00:01", "01 00:02", "01 00:03"]
    assert done.table.interval == 60


@pytest.mark.parametrize("cell", ["", "soon", "12/31/2026", "1899-12-30", "9999-12-31", "2026-02-30"])
def test_a_time_that_cannot_be_read_is_dropped_with_its_place(read, cell: str) -> None:
    done = read(f"time,flow\n2026-01-01,1\n{cell},2\n2026-01-02,3\n")

    assert done.values == [1, 3]
    assert done.table.dropped == {"time": 1}
    assert done.table.faults[0].startswith(f"{done.table._path}:3: time '{cell}' is n")


def test_the_hour_that_clocks_repeat_is_read_twice(read) -> None:
    """2026-10-25 03:00 CEST is followed by 02:00 CET."""
    cells = ["01:30", "02:00", "02:30", "02:00", "02:30", "03:00"]
    done = read(
        "time,flow\n" + "".join(f"2026-10-25 {cell},1\n" for cell in cells),
        PLAIN.replace("{column: time}", "{column: time, zone: Europe/Berlin}"),
    )

    assert done.times == ["24 23:30", "25 00:00", "25 00:30", "25 01:00", "25 01:30", "25 02:00"]


def test_two_racks_repeat_the_hour_each_for_itself(read) -> None:
    rows = [(rack, cell) for cell in ("02:00", "02:30", "02:00") for rack in ("R2", "R1")]
    done = read(
        "time,rack,flow\n" + "".join(f"2026-10-25 {cell},{rack},1\n" for rack, cell in rows),
        PLAIN.replace("{column: time}", "{column: time, zone: Europe/Berlin}").replace("{id: R1", "{id_column: rack"),
    )

    assert done.times == ["25 00:00", "25 00:00", "25 00:30", "25 00:30", "25 01:00", "25 01:00"]


def test_an_hour_that_clocks_leave_out_never_was(read) -> None:
    done = read(
        "time,flow\n2026-03-29 01:59,1\n2026-03-29 02:30,2\n2026-03-29 03:00,3\n",
        PLAIN.replace("{column: time}", "{column: time, zone: Europe/Berlin}"),
    )

    assert done.times == ["29 00:59", "29 01:00"]
    assert "never was in Europe/Berlin" in done.table.faults[0]


# order


def test_rows_come_in_the_order_of_their_times_and_ticks(read) -> None:
    rows = [3, 1, 2, 2, 5, 4]
    done = read("time,flow\n" + "".join(f"2026-01-01 00:00:{row:02},{row}\n" for row in rows), tick=2.0)

    assert done.values == [1, 2, 3, 4, 5]
    assert [(batch.first - at("2026-01-01"), batch.last - at("2026-01-01")) for batch in done.batches] == [(1, 2), (3, 4), (5, 5)]
    assert done.table.dropped == {"duplicate": 1}
    assert done.table.messages == 6


def test_two_values_at_one_time_are_both_kept(read) -> None:
    assert read("time,flow\n2026-01-01,1\n2026-01-01,2\n").values == [1, 2]


def test_order_reaches_over_the_parts_that_are_read(read, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("monitor.collect.table._MOST_ROWS", 10)
    order = [number + (3 if number % 4 == 0 else -2) for number in range(100)]
    text = "time,flow\n" + "".join(f"{number + 1000},{number}\n" for number in order)
    done = read(text, PLAIN.replace("{column: time}", "{column: time, unit: s}"))

    assert done.values == sorted(set(order))
    assert "table_unordered" not in done.findings


def test_one_rack_after_the_other_needs_sort(read, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("monitor.collect.table._MOST_ROWS", 10)
    text = "time,rack,flow\n" + "".join(f"{1000 + number},{rack},{number}\n" for rack in ("R1", "R2") for number in range(50))
    mapping = PLAIN.replace("{column: time}", "{column: time, unit: s}").replace("{id: R1", "{id_column: rack")

    unsorted, done = read(text, mapping), read(text, mapping + "sort: true\n")

    assert len(unsorted.values) == len(done.values) == 100
    assert "sort: true" in unsorted.findings["table_unordered"][0][1]
    assert "table_unordered" not in done.findings
    assert done.values == sorted(done.values)
    assert len(done.batches) == 50


def test_reading_is_lazy(write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("monitor.collect.table._MOST_ROWS", 10)
    path = write("time,flow\n" + "".join(f"{number + 1000},1\n" for number in range(1000)))
    table = Table(path, load_map(write(PLAIN.replace("{column: time}", "{column: time, unit: s}"), "map.yaml"), QUANTITIES))

    next(table.read(Plant(), 1.0))
    table.close()

    assert table.messages <= 20


def test_the_interval_is_the_median_step_of_an_asset(read) -> None:
    text = "time,rack,flow\n" + "".join(f"{1000 + 30 * number},R{rack},1\n" for number in range(9) for rack in (1, 2))
    mapping = PLAIN.replace("{column: time}", "{column: time, unit: s}").replace("{id: R1", "{id_column: rack")

    assert read(text, mapping).table.interval == 30
    assert read(text, mapping + "interval: 5 min\n").plant.points[0].interval == 300
    assert read("time,rack,flow\n1000,R1,1\n", mapping).table.interval == 100


def test_points_are_made_where_there_are_values(read) -> None:
    done = read(
        "time,rack,flow,power\n1000,R1,1,\n1000,R2,2,3\n1001,,4,5\n",
        "time: {column: time, unit: s}\nasset: {id_column: rack, kind: rack}\npoints:\n"
        "  flow: {quantity: liquid_flow, unit: L/min}\n  power: {quantity: power, unit: W}\n",
    )

    assert [path for _, path, _, _ in done.rows] == ["R1/flow", "R2/flow", "R2/power"]
    assert done.values == [1, 2, 0.003]
    assert done.table.dropped == {"asset": 1}
    assert set(done.plant.assets) == {"R1", "R2"}


# files


def test_a_long_table_has_one_value_a_row(read) -> None:
    done = read(
        "time,rack,tag,value\n1000,R1,F,10\n1000,R1,P,Bad\n1000,R2,F,30\n1001,R1,X,1\n1001,R1,P,\n",
        "time: {column: time, unit: s}\nasset: {id_column: rack, kind: rack}\nlong: {point: tag, value: value}\npoints:\n"
        "  F: {quantity: liquid_flow, unit: L/min}\n  P: {quantity: power, unit: kW}\n",
    )

    assert sorted((path, quality) for _, path, _, quality in done.rows) == [("R1/F", GOOD), ("R1/P", BAD), ("R2/F", GOOD)]
    assert done.findings["column_not_mapped"] == [("log.csv", "1 points that the map does not name: X", 1)]


def test_rows_of_another_width_are_dropped_with_their_place(read) -> None:
    done = read('time,flow\n1000,1\n\n1001\n1002,2,\n1003,3,4\n"1004",5\n', PLAIN.replace("{column: time}", "{column: time, unit: s}"))

    assert done.values == [1, 2, 5]
    assert done.table.dropped == {"table_row": 2}
    assert [fault.split(":")[1] for fault in done.table.faults] == ["4", "6"]


def test_a_very_long_line_and_a_very_long_cell_are_dropped(read) -> None:
    text = "time,flow\n1000,1\n1001," + "9" * 3_000_000 + "\n1002," + "8" * 500_000 + "\n1003,4\n"
    done = read(text, PLAIN.replace("{column: time}", "{column: time, unit: s}"))

    assert done.values == [1, 4]
    assert done.table.dropped == {"table_row": 2}
    assert [fault.split(":")[1] for fault in done.table.faults] == ["3", "4"]


@pytest.mark.parametrize(
    ("data", "more"),
    [
        ("\ufefftime,flow\r\n1000,1\r\n".encode(), ""),
        (b"sep=,\ntime,flow\n1000,1\n", ""),
        (b"Report of today\n;;\ntime,flow\n1000,1\n", "skip: 2\n"),
        ("time,flow\n1000,1\n".encode("utf-16"), "encoding: utf-16\n"),
        (b"time\tflow\n1000\t1\n", 'delimiter: "\\t"\n'),
        (b' time , "flow" \n1000, 1\n', ""),
        ("t,°C,time,flow\n,,1000,1\n".encode("cp1252"), "encoding: cp1252\n"),
    ],
)
def test_what_programs_write_around_a_table(read, data: bytes, more: str) -> None:
    if b'"flow"' in data:
        data = data.replace(b' "flow"', b'"flow"')
    assert read(data, more + PLAIN.replace("{column: time}", "{column: time, unit: s}")).values == [1]


def test_a_compressed_table_reads_as_the_plain_one(read) -> None:
    text = b"time,flow\n1000,1\n1001,2\n"
    mapping = PLAIN.replace("{column: time}", "{column: time, unit: s}")

    assert read(gzip.compress(text), mapping, name="log.csv.gz").values == [1, 2]


@pytest.mark.parametrize(
    ("data", "name", "words"),
    [
        (gzip.compress(b"time,flow\n" + b"1000,1\n" * 9999)[:-20], "log.csv.gz", "a whole gzip file would do"),
        (b"plain", "log.csv.gz", "a whole gzip file would do"),
        (gzip.compress(b"time,flow\n"), "log.csv", "is no text but gzip; name it .gz"),
        (b"\x00\x01\x02", "log.csv", "is no text; a CSV or Parquet file would do"),
        (b"PAR1nonsense", "log.parquet", "a whole Parquet file would do"),
    ],
)
def test_a_file_that_is_no_table_is_an_input_error(read, data: bytes, name: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        read(data, PLAIN.replace("{column: time}", "{column: time, unit: s}"), name=name)


def test_a_missing_table_is_an_input_error(write, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        Table(tmp_path / "none.csv", load_map(write(PLAIN, "map.yaml"), QUANTITIES))


def test_an_empty_table_is_no_error(read) -> None:
    done = read("time,flow\n")

    assert (done.values, done.table.messages) == ([], 0)


def test_parquet_reads_as_the_text_of_it_would(tmp_path: Path, write) -> None:
    moments = [datetime(2026, 1, 1, 0, minute, tzinfo=UTC) for minute in range(4)]
    columns = {
        "time": pa.array(moments, pa.timestamp("ns", "UTC")),
        "rack": pa.array(["R1", "R2", "R1", "R2"]).dictionary_encode(),
        "flow": pa.array([1.5, None, math.nan, 4], pa.float32()),
        "power": pa.array(["1", "", "Bad", "2"]),
        "leak": pa.array([True, False, None, False]),
        "more": pa.array([[1], [2], [3], [4]]),
    }
    pq.write_table(pa.table(columns), tmp_path / "log.parquet", row_group_size=2)
    done = readings_of(
        tmp_path / "log.parquet",
        write(
            "time: {column: time}\nasset: {id_column: rack, kind: rack}\npoints:\n  flow: {quantity: liquid_flow, unit: L/min}\n"
            "  power: {quantity: power, unit: kW}\n  leak: {quantity: leak}\n",
            "map.yaml",
        ),
    )

    assert [(path, None if quality else value) for _, path, value, quality in done.rows] == [
        ("R1/flow", 1.5), ("R1/power", 1), ("R1/leak", 1), ("R2/leak", 0), ("R1/flow", None), ("R1/power", None),
        ("R2/leak", 0), ("R2/flow", 4), ("R2/power", 2),
    ]  # fmt: skip
    assert done.rows[-1][0] == at("2026-01-01 00:03")
    assert [subject for subject, _, _ in done.findings["cell_no_number"]] == ['flow: "nan"', 'power: "Bad"']


def test_parquet_with_local_times(tmp_path: Path, write) -> None:
    moments = [datetime(2026, 7, 1, hour) for hour in (2, 3)]  # noqa: DTZ001
    pq.write_table(pa.table({"time": pa.array(moments, pa.timestamp("us")), "flow": [1, 2]}), tmp_path / "log")
    done = readings_of(tmp_path / "log", write(PLAIN.replace("{column: time}", "{column: time, zone: Europe/Berlin}"), "map.yaml"))

    assert done.times == ["01 00:00", "01 01:00"]


# real data


def sets() -> Iterator[tuple[str, str, str, int, int, float]]:
    yield "skab/valve1/0.csv.gz", "skab", "map.yaml", 1147, 9176, 1
    yield "nab/data/realKnownCause/ambient_temperature_system_failure.csv.gz", "nab", "ambient_temperature.yaml", 7267, 7267, 3600
    yield "nab/data/realKnownCause/cpu_utilization_asg_misconfiguration.csv.gz", "nab", "cpu.yaml", 18050, 18050, 300
    yield "nab/data/realAWSCloudwatch/ec2_network_in_257a54.csv.gz", "nab", "network_in.yaml", 4032, 4032, 300
    yield "nab/data/realAWSCloudwatch/ec2_disk_write_bytes_1ef3de.csv.gz", "nab", "disk_write.yaml", 4730, 4719, 300  # 11 lines stand twice
    yield "smd/data/machine-2-2_test.csv.gz", "smd", "map.yaml", 23700, 924_300, 60
    yield "lbnl_ahu/data/SZVAV.csv.gz", "lbnl_ahu", "map.yaml", 15839, 220_566, 60
    yield "lbnl_ahu/data/MZVAV-2-1.csv.gz", "lbnl_ahu", "mzvav.yaml", 21600, 367_200, 60


@pytest.mark.parametrize(
    ("source", "folder", "mapping", "rows", "values", "interval"), list(sets()), ids=lambda value: Path(str(value)).name
)
def test_real_tables_are_read_whole(source: str, folder: str, mapping: str, rows: int, values: int, interval: float) -> None:
    vocabulary = {**QUANTITIES, **load(SETS / folder / "rules/vocabulary.yaml")}
    table, plant = Table(recorded("data", *source.split("/")), load_map(SETS / folder / mapping, vocabulary)), Plant()
    read = [batch.readings() for batch in table.read(plant, interval)]

    assert (table.messages, sum(map(len, read)), table.interval) == (rows, values, interval)
    assert table.dropped == ({"duplicate": rows - values} if values < rows else {})
    assert table.faults == []


def test_real_temperatures_and_their_one_bad_cell() -> None:
    done = readings_of(
        recorded("data", "lbnl_ahu", "data", "SZVAV.csv.gz"),
        SETS / "lbnl_ahu/map.yaml",
        60,
        {**QUANTITIES, **load(SETS / "lbnl_ahu/rules/vocabulary.yaml")},
    )
    first = {path: value for time, path, value, _ in done.rows[:14] if time == done.rows[0][0]}

    assert first["ahu1/AHU: Supply Air Temperature"] == pytest.approx((72.29 - 32) / 1.8)
    assert first["ahu1/AHU: Return Air Damper Control Signal"] == 100
    assert "ahu1/AHU: Supply Air Temperature Heating Set Point" not in first  # its cell is empty
    assert [(path, time) for time, path, _, quality in done.rows if quality == BAD] == [
        ("ahu1/AHU: Outdoor Air Temperature", at("2017-09-11 21:10"))
    ]
