"""The `table` collector: a trend log (CSV, .csv.gz or Parquet) with a map, as readings. A table is its own clock.

Rows are read lazily, some thousands at a time, and put into the order of their times as far as two such parts reach;
`sort: true` in the map reads the whole table first. An empty cell is a gap, a text where a number belongs is a bad reading.
"""

import csv
import gzip
import io
import math
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from monitor import refusal
from monitor.collect.dsx import Heartbeat
from monitor.collect.recording import Batch
from monitor.collect.scenario import no_text, opened
from monitor.collect.table_cells import OTHER, Numbers, Times
from monitor.collect.table_map import Column, Map, OneAsset, zone
from monitor.errors import ConfigError, InputError
from monitor.model import BAD, F64, GOOD, I64, Bool, Point, Readings
from monitor.plant import Plant

if TYPE_CHECKING:
    from _csv import Reader

    import pyarrow as pa

PARQUET = b"PAR1"
DEFAULT_INTERVAL = 100.0  # s, of a table whose first rows have no step
_CELLS = 200_000  # of the mapped columns that are read at a time
_MOST_ROWS = 5000  # read at a time
_MOST_LINE = 1_000_000  # characters
_MOST_FAULTS = 20
_MOST_ASSETS = 100_000
_MOST_HELD = 5_000_000  # readings that wait to be put in order
_NAMED = 8  # columns that one finding names
_LONGEST_ID = 200  # characters

ROW, TIME, ASSET, NAME, DUPLICATE = "table_row", "time", "asset", "point_name", "duplicate"


@dataclass(frozen=True, slots=True)
class _Part:
    """Some rows of a file, N of them; `lines` numbers them as a person would, (N,)."""

    lines: Sequence[int]
    texts: Callable[[str], Sequence[Any]]  # column -> its cells, (N,)
    numbers: Callable[[str, Numbers], tuple[F64, Bool]]  # column -> (number, bad), both (N,)


class _Csv:
    """A delimited text file, its header read."""

    def __init__(self, path: Path, table: Map, fault: Callable[[str, int, str], None]) -> None:
        settings = table.settings
        self._path = path
        self._fault = fault
        self._line = 0
        self._skip = settings.skip
        file = opened(path)
        text = self._text = io.TextIOWrapper(file, encoding=settings.encoding, errors="replace", newline="")
        try:
            if settings.encoding == "utf-8-sig" and (found := no_text(file)):
                raise InputError(f"{path}: {found}; a CSV or Parquet file would do, with `encoding` in the map where it is not UTF-8")
            self._rows: Reader = csv.reader(self._lines(text), delimiter=settings.delimiter, strict=False)
            header: list[str] = next(self._rows, [])
        except csv.Error as error:
            self.close()
            raise InputError(f"{path}:{self._line}: {error}; a header with the names of the columns would do") from error
        except BaseException:
            self.close()
            raise
        self.header = [name.strip() for name in header]

    def _lines(self, text: io.TextIOWrapper) -> Iterator[str]:
        """Yield lines; one that is too long is a fault, and only its begin is ever in memory."""
        first = True
        while line := text.readline(_MOST_LINE):
            self._line += 1
            if len(line) == _MOST_LINE and not line.endswith("\n"):
                while (rest := text.readline(_MOST_LINE)) and not rest.endswith("\n"):
                    pass
                self._fault(ROW, self._line, f"line is longer than {_MOST_LINE:,} characters")
                continue
            if self._line <= self._skip or (first and line.startswith("sep=")):  # Excel's own hint
                continue
            first = False
            yield line.replace("\0", "")

    def close(self) -> None:
        self._text.close()

    def parts(self, size: int) -> Iterator[_Part]:
        while True:
            lines: list[int] = []
            rows: list[list[str]] = []
            for line, row in islice(self._whole_rows(), size):
                lines.append(line)
                rows.append(row)
            if not rows:
                return
            yield self._part(lines, rows)

    def _part(self, lines: list[int], rows: list[list[str]]) -> _Part:
        place = {name: at for at, name in reversed(list(enumerate(self.header)))}

        def texts(name: str) -> list[str]:
            at = place[name]
            return [row[at] for row in rows]

        return _Part(lines, texts, lambda name, numbers: numbers.of_texts(texts(name), lines))

    def _whole_rows(self) -> Iterator[tuple[int, list[str]]]:
        width = len(self.header)
        while True:
            try:
                row = next(self._rows)
            except StopIteration:
                return
            except csv.Error as error:
                self._fault(ROW, self._line, str(error))
                continue
            if len(row) != width:
                if not row or (len(row) == 1 and not row[0].strip()):
                    continue  # a blank line
                if len(row) < width or any(cell.strip() for cell in row[width:]):
                    self._fault(ROW, self._line, f"{len(row)} fields, expected {width}")
                    continue
            yield self._line, row


class _Parquet:
    """A Parquet file; a row's line is its number, from 1."""

    def __init__(self, path: Path, needed: Sequence[str]) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        self._path = path
        try:
            self._file = pq.ParquetFile(path)
            self.header = list(self._file.schema_arrow.names)
        except (pa.ArrowException, OSError) as error:
            raise InputError(f"{path}: {str(error).splitlines()[0]}; a whole Parquet file would do") from error
        self._needed = [name for name in dict.fromkeys(needed) if name in self.header]

    def parts(self, size: int) -> Iterator[_Part]:
        import pyarrow as pa

        done = 0
        try:
            for batch in self._file.iter_batches(batch_size=size, columns=self._needed):
                yield self._part(batch, range(done + 1, done + 1 + len(batch)))
                done += len(batch)
        except (pa.ArrowException, OSError) as error:
            raise InputError(f"{self._path}: {str(error).splitlines()[0]}; a whole Parquet file would do") from error

    def close(self) -> None:
        self._file.close()

    def _part(self, batch: "pa.RecordBatch", lines: range) -> _Part:
        import pyarrow as pa

        def texts(name: str) -> list[Any]:
            column = batch.column(name)
            if pa.types.is_timestamp(column.type):  # nanoseconds are more than datetime can hold
                column = column.cast(pa.timestamp("us", column.type.tz), safe=False)
            return ["" if cell is None else cell for cell in column.to_pylist()]

        def numbers(name: str, into: Numbers) -> tuple[F64, Bool]:
            column = batch.column(name)
            kind = column.type
            if pa.types.is_boolean(kind) or pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
                null = column.is_null().to_numpy(zero_copy_only=False)
                if pa.types.is_boolean(kind):
                    column = column.cast(pa.int8())
                value = column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
                return into.of_numbers(value, null, lines)
            return into.of_texts([str(cell) for cell in texts(name)], lines)

        return _Part(lines, texts, numbers)


class Table:
    """A recording that is a table with a map. Read once.

    Args:
        path: CSV (- for standard input), .csv.gz, or Parquet by its first bytes.
        table: its checked map.

    Attributes:
        messages: rows read.
        dropped: by reason; rows that could not be read, times, names of assets and points, and repeated readings.
        faults: the first of those rows, as file:line: what was found.
        interval: s, the promised step of the table's rows.

    Raises:
        InputError: it is no table, or cannot be read.
        ConfigError: the map names columns that it lacks.

    """

    def __init__(self, path: Path, table: Map) -> None:
        self.messages = 0
        self.superseded = 0
        self.dropped: dict[str, int] = {}
        self.heartbeats: Mapping[int, Heartbeat] = {}
        self.faults: list[str] = []
        self._path = path
        self._map = table
        self._settings = table.settings
        self._times = Times(zone(self._settings.time.zone), self._settings.time.format, self._settings.time.scale)
        self._numbers = [Numbers(column.name, column.codes, self._settings.missing, self._settings.decimal) for column in table.columns]
        self._assets: dict[str, int] = {}
        self._names: list[str] = []  # of assets, by index
        self._points = np.full((0, len(table.columns)), -1, np.int32)  # row of the plant by asset and column
        self._unnamed: dict[str, int] = {}  # points of a long table that the map does not name
        self._number = 0  # rows so far, for times by row number
        self._behind = 0
        try:
            self._file = self._opened()
        except (OSError, EOFError, zlib.error) as error:
            raise self._unreadable(error) from error
        try:
            self._check(self._file.header)
            parts = self._read(max(1, min(_MOST_ROWS, _CELLS // len(table.columns))))
            first = [self._timed(part) for part in islice(parts, 1)]
        except BaseException:
            self.close()
            raise
        self.interval = self._settings.interval or self._settings.time.row or _step(first)
        self._parts = chain(first, map(self._timed, parts))

    def close(self) -> None:
        self._file.close()

    def _opened(self) -> "_Csv | _Parquet":
        path = self._path
        if str(path) != "-":
            with path.open("rb") as file:
                if file.read(len(PARQUET)) == PARQUET:
                    return _Parquet(path, [name for _, name in self._map.needed()])
        return _Csv(path, self._map, self._fault)

    def _read(self, size: int) -> Iterator[_Part]:
        try:
            yield from self._file.parts(size)
        except (OSError, EOFError, zlib.error) as error:
            raise self._unreadable(error) from error

    def _unreadable(self, error: Exception) -> InputError:
        if isinstance(error, gzip.BadGzipFile | EOFError | zlib.error):
            return InputError(f"{self._path}: {error}; a whole gzip file would do")
        return InputError(f"{self._path}: {getattr(error, 'strerror', None) or error}; a table would do")

    def _check(self, header: list[str]) -> None:
        """Refuse a table that lacks a column of the map, or has one twice."""
        document, faults = self._map.document, []
        known = [name for name in dict.fromkeys(header) if name]
        for path, name in self._map.needed():
            if name in known:
                if header.count(name) > 1:
                    faults.append(
                        document.fault(path, f'{self._path} has {header.count(name)} columns "{name}"; give them different names')
                    )
                continue
            near = refusal.advice(name, known, "it has") if len(known) <= 40 or not known else refusal.advice(name, known, "")
            near = near if near.startswith(("did", "it has")) else f"it has {', '.join(known[:_NAMED])} and {len(known) - _NAMED} more"
            if len(known) <= 1:
                near = f"its header is {refusal.shown(','.join(known))}, so `delimiter` may be another"
            faults.append(document.fault(path, f'{self._path} has no column "{name}"; {near}', value=path[0] != "points"))
        if faults:
            raise ConfigError(faults)

    def _fault(self, reason: str, line: int, text: str, count: int = 1) -> None:
        self.dropped[reason] = self.dropped.get(reason, 0) + count
        if len(self.faults) < _MOST_FAULTS:
            self.faults.append(f"{self._path}:{line}: {text}")

    def _timed(self, part: _Part) -> "_Timed":
        """Read the times and assets of some rows; what has none is dropped and counted."""
        count = len(part.lines)
        self.messages += count
        asset = self._settings.asset
        if asset is None:
            ids: Sequence[Any] = [""] * count
        elif asset.id is not None:
            ids = [asset.id] * count
        else:
            assert asset.id_column is not None
            ids = [str(cell).strip() for cell in part.texts(asset.id_column)]
        settings = self._settings.time
        time = np.full(count, np.nan)
        of = np.full(count, -1, np.int64)
        if settings.column is None:
            assert settings.row is not None
            assert settings.start is not None
            time = settings.start + settings.row * np.arange(self._number, self._number + count, dtype=np.float64)
            self._number += count
            cells: list[Any] = []
        else:
            columns = [part.texts(name) for name in settings.column]
            cells = list(columns[0]) if len(columns) == 1 else [" ".join(map(str, row)) for row in zip(*columns, strict=True)]
        for at, name in enumerate(ids):
            index = self._assets.get(name)
            if index is None:
                index = self._new_asset(name, part.lines[at])
                if index is None:
                    continue
            if cells:
                try:
                    time[at] = self._times.read(cells[at], name)
                except (ValueError, OverflowError) as error:
                    self._fault(TIME, part.lines[at], str(error))
                    continue
            of[at] = index
        return _Timed(part, time, of)

    def _new_asset(self, name: str, line: int) -> int | None:
        if self._settings.asset is not None and not name:
            self._fault(ASSET, line, "the row names no asset")
            return None
        if len(name) > _LONGEST_ID or len(self._names) >= _MOST_ASSETS:
            self._fault(ASSET, line, f"asset {name[:40]!a} is one too many, or its name is longer than {_LONGEST_ID} characters")
            return None
        self._names.append(name)
        self._points = np.concatenate([self._points, np.full((1, len(self._map.columns)), -1, np.int32)])
        return self._assets.setdefault(name, len(self._assets))

    def read(self, plant: Plant, tick: float) -> Iterator[Batch]:
        """Yield the table tick by tick, see `Recording`; at its end the plant has the findings about it."""
        newest = -math.inf
        with closing(self):
            for readings in self._in_order(self._readings(timed, plant) for timed in self._parts):
                self._behind += int(np.count_nonzero(readings.time < newest))
                newest = max(newest, float(readings.time[-1]))
                number = np.ceil(readings.time / tick)
                ends = [*(np.flatnonzero(number[1:] != number[:-1]) + 1).tolist(), len(readings)]
                for start, end in pairwise([0, *ends]):
                    yield Batch(float(readings.time[start]), float(readings.time[end - 1]), partial(_slice, readings, start, end))
            self._tell(plant)

    def _readings(self, timed: "_Timed", plant: Plant) -> Readings:
        """Return the readings of some rows, by column."""
        usable = timed.asset >= 0
        entries = self._long(timed, usable) if self._settings.long is not None else self._wide(timed, usable)
        points, times, values, bads = [np.zeros(0, np.int32)], [np.zeros(0)], [np.zeros(0)], [np.zeros(0, np.bool_)]
        for at, rows, value, bad in entries:
            column = self._map.columns[at]
            asset = timed.asset[rows]
            for index in np.unique(asset[self._points[asset, at] < 0]).tolist():
                self._points[index, at] = plant.describe(self._point(plant, self._names[index], column))
            points.append(self._points[asset, at])
            times.append(timed.time[rows])
            values.append(value * column.scale + column.offset)
            bads.append(bad)
        bad = np.concatenate(bads)
        quality = np.where(bad, np.uint8(BAD), np.uint8(GOOD))
        return Readings.of(np.concatenate(points), np.concatenate(times), np.concatenate(values), quality=quality)

    def _wide(self, timed: "_Timed", usable: Bool) -> Iterator[tuple[int, I64, F64, Bool]]:
        for at, numbers in enumerate(self._numbers):
            value, bad = timed.part.numbers(numbers.column, numbers)
            rows = np.flatnonzero(usable & (bad | ~np.isnan(value)))
            if len(rows):
                yield at, rows, value[rows], bad[rows]

    def _long(self, timed: "_Timed", usable: Bool) -> Iterator[tuple[int, I64, F64, Bool]]:
        long = self._settings.long
        assert long is not None
        of_name = {column.name: at for at, column in enumerate(self._map.columns)}
        names = [str(cell).strip() for cell in timed.part.texts(long.point)]
        cells = [str(cell) for cell in timed.part.texts(long.value)]
        index = np.fromiter((of_name.get(name, -1) for name in names), np.int64, len(names))
        for row in np.flatnonzero(index < 0).tolist():
            name = names[row] if names[row] in self._unnamed or len(self._unnamed) < _MOST_ASSETS else OTHER
            self._unnamed[name] = self._unnamed.get(name, 0) + 1
        for at, numbers in enumerate(self._numbers):
            chosen = np.flatnonzero(usable & (index == at))
            if len(chosen):
                mine = chosen.tolist()
                value, bad = numbers.of_texts([cells[row] for row in mine], [timed.part.lines[row] for row in mine])
                told = bad | ~np.isnan(value)
                yield at, chosen[told], value[told], bad[told]

    def _point(self, plant: Plant, name: str, column: Column) -> Point:
        general = self._settings.asset
        asset: OneAsset | None = column.asset
        if asset is None:
            assert general is not None
            asset = OneAsset.model_construct(id=name, kind=general.kind, sku=general.sku, parent=general.parent)
        plant.asset(asset.id, asset.kind, parent=asset.parent, **({} if asset.sku is None else {"sku": asset.sku}))
        return Point(
            source=self._settings.source or self._path.name,
            path=f"{asset.id}/{column.name}",
            asset=asset.id,
            quantity=column.quantity,
            unit=column.unit,
            scale=column.scale,
            offset=column.offset,
            tags=column.tags,
            setpoint=column.setpoint,
            states=column.labels,
            interval=column.interval or self.interval,
        )

    def _in_order(self, parts: Iterator[Readings]) -> Iterator[Readings]:
        """Put readings in the order of their times as far as two parts reach, or all of them; of equal ones keep the first."""
        held: list[Readings] = []
        for part in parts:
            held.append(part)
            if self._settings.sort:
                continue
            joined = self._sorted(held)
            held = [joined]
            if len(joined) < 2:
                continue
            cut = int(np.searchsorted(joined.time, joined.time[len(joined) // 2]))  # readings of one time stay together
            if len(joined) > _MOST_HELD:
                cut = len(joined)
            if cut:
                yield _slice(joined, 0, cut)
                held = [_slice(joined, cut, len(joined))]
        joined = self._sorted(held)
        if len(joined):
            yield joined

    def _sorted(self, parts: list[Readings]) -> Readings:
        joined = Readings.join(parts)
        joined = joined.take(np.lexsort((joined.value, joined.quality, joined.point, joined.time)))
        same = (
            (joined.point[1:] == joined.point[:-1])
            & (joined.time[1:] == joined.time[:-1])
            & (joined.quality[1:] == joined.quality[:-1])
            & ((joined.value[1:] == joined.value[:-1]) | (np.isnan(joined.value[1:]) & np.isnan(joined.value[:-1])))
        )
        if not same.any():
            return joined
        self.dropped[DUPLICATE] = self.dropped.get(DUPLICATE, 0) + int(np.count_nonzero(same))
        return joined.take(np.concatenate(([True], ~same)))

    def _tell(self, plant: Plant) -> None:
        """Add to the plant's findings what a person should know about the table."""
        findings, subject = plant.findings, self._path.name
        used = {name for _, name in self._map.needed()}
        unused = list(self._unnamed) if self._settings.long else [name for name in self._file.header if name and name not in used]
        if unused:
            more = f" and {len(unused) - _NAMED} more" if len(unused) > _NAMED else ""
            what = "points" if self._settings.long else "columns"
            named = ", ".join(unused[:_NAMED])
            findings.add("column_not_mapped", subject, f"{len(unused)} {what} that the map does not name: {named}{more}", len(unused))
        for numbers in self._numbers:
            for text, count in numbers.texts.items():
                place = f"{self._path.name}:{numbers.first[text]}"
                shown = text if text == OTHER else f'"{text}"'
                findings.add("cell_no_number", f"{numbers.column}: {shown}", f"no number, kept as a bad reading; first at {place}", count)
            if not numbers.known and self.messages:
                findings.add("column_empty", numbers.column, "no number in the whole table; look at the map's column, decimal and missing")
        if self._behind:
            text = "values are older than what was judged before them, so they are late; `sort: true` in the map puts the table in order"
            findings.add("table_unordered", subject, text, self._behind)


@dataclass(frozen=True, slots=True)
class _Timed:
    """Rows with their times, s since 1970 UTC, and their assets' indices, -1 for a row that cannot be used; both (N,)."""

    part: _Part
    time: F64
    asset: I64


def _step(first: Sequence[_Timed]) -> float:
    """Return the median step of an asset's rows, s, to the millisecond."""
    steps = [
        np.diff(np.unique(timed.time[timed.asset == index]))
        for timed in first
        for index in np.unique(timed.asset[timed.asset >= 0])[:100].tolist()
    ]
    found = np.concatenate([np.zeros(0), *steps])
    return max(round(float(np.median(found)), 3), 0.001) if len(found) else DEFAULT_INTERVAL


def _slice(readings: Readings, start: int, end: int) -> Readings:
    rows = slice(start, end)
    return Readings(
        readings.point[rows],
        readings.time[rows],
        readings.received[rows],
        readings.value[rows],
        readings.quality[rows],
        readings.snapshot[rows],
    )
