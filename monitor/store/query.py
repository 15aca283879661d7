"""What happened, asked of the files: any process, while the daemon writes."""

import difflib
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import duckdb

from monitor.errors import InputError, StoreLost
from monitor.store.schema import BUSY_S, Row, check_version
from monitor.store.segment import Segment, segments
from monitor.store.text import shown

Told = Callable[[str], None]
Aggregate = Literal["mean", "min", "max", "last"]
_FETCH = 10_000
_ENGINE: dict[str, str | bool | int | float | list[str]] = {"memory_limit": "1GB", "threads": 2}  # beside a daemon that must not starve
_GLOB = frozenset("*?[{")

_ALERTS = """
SELECT * FROM (
    SELECT rule, asset, point, severity, fired, ended, value, "limit", unit, summary, state, phase, episode, told FROM alerts
    WHERE (:until IS NULL OR fired < :until) AND (:since IS NULL OR ended IS NULL OR ended >= :since)
      AND (:rule IS NULL OR rule = :rule OR (rule >= :rule || '.' AND rule < :rule || '/'))
      AND (:asset IS NULL OR asset = :asset OR (asset >= :asset || '/' AND asset < :asset || '0'))
      AND (:severity IS NULL OR severity = :severity) AND (NOT :firing_only OR state = 'firing')
    ORDER BY fired DESC, rule DESC, asset DESC, point DESC LIMIT :most
) ORDER BY fired, rule, asset, point
"""
_RACKS = """
SELECT id, parent, phase, attributes ->> 'sku' AS sku, attributes ->> 'serial' AS serial, attributes ->> 'lot' AS lot,
    attributes ->> 'firmware' AS firmware, attributes ->> 'position' AS position,
    (SELECT count(*) FROM points WHERE asset = id OR (asset >= id || '/' AND asset < id || '0')) AS points,
    (SELECT count(*) FROM alerts WHERE state = 'firing' AND (asset = id OR (asset >= id || '/' AND asset < id || '0'))) AS firing
FROM assets WHERE kind = 'rack' ORDER BY id
"""
_TYPES = {
    "time": "TIMESTAMP WITH TIME ZONE", "received": "TIMESTAMP WITH TIME ZONE", "point": "VARCHAR", "asset": "VARCHAR",
    "quantity": "VARCHAR", "tags": "VARCHAR", "unit": "VARCHAR", "value": "DOUBLE", "quality": "UTINYINT", "snapshot": "BOOLEAN",
}  # fmt: skip
_WHERE = {
    "asset": "(asset = $asset OR (asset >= $asset || '/' AND asset < $asset || '0'))",
    "quantity": "quantity = $quantity",
    "path": "point = $path",
    "since": "time >= make_timestamptz($since)",
    "until": "time < make_timestamptz($until)",
}
_AGGREGATES: dict[Aggregate, str] = {"mean": "avg(value)", "min": "min(value)", "max": "max(value)", "last": "arg_max(value, time)"}


@dataclass(frozen=True, slots=True)
class Rows:
    """A table: names of its columns, and its rows, which may be read once and only as far as needed."""

    columns: tuple[str, ...]
    rows: Iterator[Row]

    def objects(self) -> Iterator[dict[str, Any]]:
        for row in self.rows:
            yield dict(zip(self.columns, row, strict=True))


def alerts(
    path: Path,
    *,
    since: float | None = None,
    until: float | None = None,
    rule: str | None = None,
    asset: str | None = None,
    severity: str | None = None,
    firing_only: bool = False,
    limit: int | None = None,
) -> Rows:
    """Return alerts as they stand, by fire time; the newest ones where `limit` cuts.

    Args:
        path: the main file.
        since: s since 1970 UTC; alerts that were firing then or later.
        until: alerts that fired before.
        rule: an id, or its first part for all of a domain.
        asset: an id; alerts of what is below it by id ("rack/tray3") count too.
        severity: of the alert as it stands.
        firing_only: leave out what has ended.
        limit: most rows; None for all.

    Raises:
        StoreLost: the file is missing or cannot be read.

    """
    binds = {"since": since, "until": until, "rule": rule, "asset": asset, "severity": severity, "firing_only": firing_only}
    return _sqlite(path, _ALERTS, {**binds, "most": -1 if limit is None else limit})


def racks(path: Path) -> Rows:
    """Return the racks of the last snapshot with their points and firing alerts, by id.

    Raises:
        StoreLost: the file is missing or cannot be read.

    """
    return _sqlite(path, _RACKS, {})


def points(
    directory: Path,
    *,
    asset: str | None = None,
    quantity: str | None = None,
    path: str | None = None,
    since: float | None = None,
    until: float | None = None,
    every: float | None = None,
    aggregate: Aggregate = "mean",
    limit: int | None = None,
    told: Told | None = None,
) -> Rows:
    """Return readings by point and time, or one value a bucket of each point.

    `time` and `received` are s since 1970 UTC; a bucket's time is its start. `value` is None where the wire gave none.
    Buckets leave out bad readings and those without a value or a usable source time; `readings` counts the rest.

    Args:
        directory: where the segments are.
        asset: an id; points of what is below it by id count too.
        quantity: a word of the vocabulary.
        path: the wire's own name of one point.
        since: least source time, s since 1970 UTC.
        until: source times before this.
        every: s, the width of a bucket; buckets begin at multiples of it since 1970.
        aggregate: of the values in a bucket.
        limit: most rows; None for all.
        told: called with one text a segment that cannot be read and is left out; None makes such a one an error.

    Raises:
        StoreLost: the directory is missing, or a segment cannot be read.
        InputError: the directory's name has glob characters, or `every` is below a microsecond.

    """
    files = [str(found.path) for found in _segments(directory) if _in_window(found, since, until)]
    microseconds = None if every is None else round(every * 1e6)
    if microseconds is not None and microseconds < 1:
        raise InputError(f"every is {every} s; it must be above 0")
    wanted = {"asset": asset, "quantity": quantity, "path": path, "since": _whole(since), "until": _whole(until)}
    binds: dict[str, Any] = {name: value for name, value in wanted.items() if value is not None}
    conditions = [_WHERE[name] for name in binds]
    names: tuple[str, ...]
    if microseconds is None:
        names = ("time", "received", "point", "asset", "quantity", "tags", "unit", "value", "quality", "snapshot")
        columns = f"epoch_us(time) / 1e6, epoch_us(received) / 1e6, {', '.join(names[2:])}"
        tail = "ORDER BY asset, point, time"
    else:
        names = ("time", "point", "asset", "quantity", "tags", "unit", "value", "readings")
        columns = f"epoch_us(time) // $every * $every / 1e6, {', '.join(names[1:6])}, {_AGGREGATES[aggregate]}, count(*)"
        tail = "GROUP BY 1, 2, 3, 4, 5, 6 ORDER BY asset, point, 1"
        conditions += ["quality < 2", "value IS NOT NULL", "time IS NOT NULL"]
        binds["every"] = microseconds
    if not files:
        return Rows(names, iter(()))
    where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
    if limit is not None:
        tail += " LIMIT $most"
        binds["most"] = limit
    sql = f"SELECT {columns} FROM read_parquet($files) {where} {tail}"  # noqa: S608 - every part is a constant of this module
    return Rows(names, _duckdb(directory, sql, binds, files, told))


def alert_names(path: Path) -> dict[str, set[str]]:
    """Return the assets and rules that a filter of `alerts` may name, with the first parts that stand for several.

    Raises:
        StoreLost: the file is missing or cannot be read.

    """
    rules = {str(rule) for (rule,) in _sqlite(path, "SELECT DISTINCT rule FROM alerts", {}).rows}
    assets = {str(asset) for (asset,) in _sqlite(path, "SELECT id FROM assets UNION SELECT asset FROM alerts", {}).rows}
    return {"rule": rules | {rule.split(".")[0] for rule in rules}, "asset": _with_parents(assets)}


def point_names(directory: Path) -> dict[str, set[str]]:
    """Return the assets and quantities that a filter of `points` may name; a file that cannot be read has none.

    Raises:
        StoreLost: the directory is missing.

    """
    files = [str(found.path) for found in _segments(directory)]
    sql = "SELECT DISTINCT asset, quantity FROM read_parquet($files)"
    rows = list(_duckdb(directory, sql, {}, files, lambda _: None)) if files else []
    return {"asset": _with_parents(asset for asset, _ in rows), "quantity": {quantity for _, quantity in rows}}


def kinds(path: Path) -> dict[str, str]:
    """Return the kind of every asset of the last snapshot, by id.

    Raises:
        StoreLost: the file is missing or cannot be read.

    """
    return dict(_sqlite(path, "SELECT id, kind FROM assets", {}).rows)


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the known name that is closest, whatever the case; None where none is close.

    >>> nearest("pod1c-e3", ["Pod1C-E03", "Pod2"])
    'Pod1C-E03'
    """
    names = {name.casefold(): name for name in sorted(known)}
    close = difflib.get_close_matches(word.casefold(), names, 1)
    return names[close[0]] if close else None


def _with_parents(assets: Iterable[str]) -> set[str]:
    found: set[str] = set()
    for asset in assets:
        words = asset.split("/")
        found.update("/".join(words[:count]) for count in range(1, len(words) + 1))
    return found


def _duckdb(directory: Path, sql: str, binds: dict[str, Any], files: Sequence[str], told: Told | None) -> Iterator[Row]:
    """Yield rows of all files; those that cannot be read are looked for only when the query fails."""
    begun = False
    try:
        with duckdb.connect(":memory:", config=_ENGINE) as base:
            result = base.execute(sql, {**binds, "files": list(files)})
            while rows := result.fetchmany(_FETCH):
                begun = True
                yield from rows
        return
    except duckdb.OutOfMemoryException as error:
        raise StoreLost(f"{directory}: so many readings do not fit in memory; ask for a shorter time or fewer points") from error
    except duckdb.Error as error:
        good = None if told is None or begun else _readable(sql, binds, files, told)
        if good is None or len(good) == len(files):
            raise StoreLost(f"{directory}: {_reason(error)}") from error
    if good:
        yield from _duckdb(directory, sql, binds, good, None)


def _readable(sql: str, binds: dict[str, Any], files: Sequence[str], told: Told) -> list[str]:
    """Return the files that answer alone and have a segment's columns; one that retention took meanwhile is not told of."""
    good = []
    for file in files:
        try:
            with duckdb.connect(":memory:", config=_ENGINE) as base:
                columns = base.execute("DESCRIBE SELECT * FROM read_parquet($files)", {"files": [file]}).fetchall()
                base.execute(sql, {**binds, "files": [file]}).fetchmany(1)
            fault = "" if _TYPES.items() <= {row[0]: row[1] for row in columns}.items() else "its columns are not those of a segment"
        except duckdb.Error:
            fault = "it is damaged or no segment"
        if not fault:
            good.append(file)
        elif Path(file).exists():
            told(f"{shown(file)}: left out; {fault}")
    return good


def _reason(error: Exception) -> str:
    """Return the first line of an error, without the query."""
    return shown(str(error).split("\n", 1)[0])


def _sqlite(path: Path, sql: str, binds: dict[str, Any]) -> Rows:
    if not path.exists():
        raise StoreLost(f"{path}: there is no store here; is the directory right, and has the daemon run?")
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=BUSY_S)) as base:
            check_version(base, path)
            cursor = base.execute(sql, binds)
            return Rows(tuple(column[0] for column in cursor.description), iter(cursor.fetchall()))
    except sqlite3.Error as error:
        raise StoreLost(f"{path}: {error}") from error


def _segments(directory: Path) -> Sequence[Segment]:
    if _GLOB & set(str(directory)):
        raise InputError(f"{directory}: the name of a store directory may not hold any of {' '.join(sorted(_GLOB))}")
    try:
        return segments(directory)
    except OSError as error:
        raise StoreLost(f"{directory}: there is no telemetry here ({error.strerror})") from error


def _in_window(segment: Segment, since: float | None, until: float | None) -> bool:
    return (since is None or segment.end >= since) and (until is None or segment.start < until)


def _whole(seconds: float | None) -> int | None:
    """Return microseconds that DuckDB can hold as a time."""
    return None if seconds is None else round(min(max(seconds, -1e10), 1e12) * 1e6)
