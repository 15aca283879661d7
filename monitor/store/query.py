"""What happened, asked of the files: any process, while the daemon writes."""

import difflib
import json
import re
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import duckdb

from monitor.errors import InputError, StoreLost
from monitor.model import Alert
from monitor.store.schema import ALERT_COLUMNS, BUSY_S, FACT, Row, alert_of, check_version
from monitor.store.segment import Segment, segments
from monitor.store.text import shown, storable

Told = Callable[[str], None]
Aggregate = Literal["mean", "min", "max", "last"]
_FETCH = 10_000
_ENGINE: dict[str, str | bool | int | float | list[str]] = {"memory_limit": "1GB", "threads": 2}  # beside a daemon that must not starve
_READINGS = (
    "SELECT point, epoch_us(time) AS time, epoch_us(received) AS received, value, quality, snapshot, unit FROM read_parquet($files) "
    "WHERE list_contains({}, point) AND coalesce(time, received) BETWEEN make_timestamptz($since) AND make_timestamptz($until)"
)
_POINTS_OF = """
SELECT path, asset, quantity, unit, tags, setpoint, states, source, "interval" FROM points
WHERE quantity IN (SELECT value FROM json_each(:names)) OR source IN (SELECT value FROM json_each(:sources)) OR asset = :asset
ORDER BY asset, path
"""
_GLOB = frozenset("*?[{")
_NUMBER = re.compile(r"\d{1,18}")
_EXAMPLE = "cooling.rack_flow_low/Pod1-R03"

_COLUMNS = ", ".join(f'"{name}"' for name in ALERT_COLUMNS)
_FIRST = """(SELECT min(id) FROM alert_changes AS changes WHERE (changes.rule, changes.asset, changes.point, changes.episode)
    = (alerts.rule, alerts.asset, alerts.point, alerts.episode)) AS number"""  # of an alert's changes: it stays
_ALERTS = f"""
SELECT * FROM (
    SELECT rule, asset, point, severity, fired, ended, value, "limit", unit, summary, state, phase, episode, told, {_FIRST}
    FROM alerts
    WHERE (:until IS NULL OR fired < :until) AND (:since IS NULL OR ended IS NULL OR ended >= :since)
      AND (:rule IS NULL OR rule = :rule OR (rule >= :rule || '.' AND rule < :rule || '/'))
      AND (:asset IS NULL OR asset = :asset OR (asset >= :asset || '/' AND asset < :asset || '0'))
      AND (:severity IS NULL OR severity = :severity) AND (NOT :firing_only OR state = 'firing')
    ORDER BY fired DESC, rule DESC, asset DESC, point DESC LIMIT :most
) ORDER BY fired, rule, asset, point
"""  # noqa: S608 - built from constants
_NUMBERED = f"SELECT {_FIRST}, {_COLUMNS} FROM alerts"  # noqa: S608 - built from constants
_BY_NUMBER = f"""
{_NUMBERED} WHERE (rule, asset, point, episode) = (SELECT rule, asset, point, episode FROM alert_changes WHERE id = :number)
"""  # noqa: S608 - built from constants
_BY_NAME = f"""
{_NUMBERED} WHERE rule = :rule AND (asset = :place OR asset || '/' || point = :place) AND (:episode IS NULL OR episode = :episode)
ORDER BY fired DESC, episode DESC
"""
_OF_RULE = f"""
{_NUMBERED} WHERE rule = :rule AND asset = :asset AND fired <= :until AND (ended IS NULL OR ended > :since) ORDER BY fired
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


@dataclass(frozen=True, slots=True)
class Numbered:
    """An alert as it stands, with the number that it keeps in its store."""

    number: int
    alert: Alert

    @property
    def name(self) -> str:
        """What finds it again by `named`."""
        return f"{'/'.join(filter(None, (self.alert.rule, self.alert.asset, self.alert.point)))}#{self.alert.episode}"


def named(path: Path, name: str) -> list[Numbered]:
    """Return the alerts that a name means, the newest episode of each point on the asset: a number, or RULE/ASSET[/POINT][#EPISODE].

    Raises:
        InputError: it is neither.
        StoreLost: the file is missing or cannot be read.

    """
    if _NUMBER.fullmatch(name):
        return [_numbered(row) for row in _sqlite(path, _BY_NUMBER, {"number": int(name)}).rows]
    rule, slash, place = storable(name).partition("/")
    if not slash or "." not in rule or not place:
        raise InputError(f'"{shown(name)}" names no alert; write its number, or RULE/ASSET or RULE/ASSET/POINT, for example {_EXAMPLE}')
    before, hash_, episode = place.rpartition("#")
    asked = [(place, None)] + ([(before, int(episode))] if hash_ and _NUMBER.fullmatch(episode) else [])
    for where, which in asked:
        found = [_numbered(row) for row in _sqlite(path, _BY_NAME, {"rule": rule, "place": where, "episode": which}).rows]
        if found:
            return list({one.alert.key[:3]: one for one in reversed(found)}.values())
    return []


def alerts_of(path: Path, rule: str, asset: str, since: float, until: float) -> list[Numbered]:
    """Return the alerts of one rule on one asset that were open within a span, s since 1970 UTC, by fire time.

    Raises:
        StoreLost: the file is missing or cannot be read.

    """
    binds = {"rule": rule, "asset": storable(asset), "since": since, "until": until}
    return [_numbered(row) for row in _sqlite(path, _OF_RULE, binds).rows]


def _numbered(row: Row) -> Numbered:
    return Numbered(int(row[0] or 0), alert_of(row[1:]))


def facts(path: Path) -> dict[str, str]:
    """Return what the store remembers of how its alerts came about, by name.

    Raises:
        StoreLost: the file is missing or cannot be read.

    """
    rows = _sqlite(
        path, "SELECT substr(key, length(:lead) + 1), value FROM meta WHERE substr(key, 1, length(:lead)) = :lead", {"lead": FACT}
    )
    return dict(rows.rows)


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


def readings(
    directory: Path, paths: Sequence[str], *, since: float, until: float, thin: Sequence[str] = (), told: Told | None = None
) -> Iterator[Row]:
    """Yield readings in the order of their arrival: point, time, received, value, quality, snapshot, unit.

    Times are s since 1970 UTC; `time` is None where there was no usable one, `value` where the wire gave none.

    Args:
        directory: where the segments are.
        paths: the wire's own names of the points.
        since: least source time, s since 1970 UTC.
        until: greatest source time.
        thin: points of which, all together, the newest reading of each second will do.
        told: called with one text a segment that cannot be read and is left out.

    Raises:
        StoreLost: the directory is missing, or a segment cannot be read.

    """
    files = [str(found.path) for found in _segments(directory) if found.end >= since and found.start <= until]
    binds = {"paths": list(paths), "since": _whole(since), "until": _whole(until)}
    union = ""
    if thin:
        binds["thin"] = list(thin)
        union = f"UNION ALL BY NAME {_READINGS.format('$thin')} QUALIFY row_number() OVER (PARTITION BY epoch(received)::BIGINT ORDER BY received DESC) = 1"
    sql = f"{_READINGS.format('$paths')} {union} ORDER BY received, time, point"
    if files and (paths or thin):
        for point, time, received, *rest in _duckdb(directory, sql, binds, files, told):
            yield (point, None if time is None else time / 1e6, received / 1e6, *rest)


def history_begins(directory: Path) -> float | None:
    """Return the least source time of the history, s since 1970 UTC, None where it has nothing.

    Raises:
        StoreLost: the directory is missing.

    """
    return min((found.start for found in _segments(directory)), default=None)


def plant_rows(path: Path, names: Iterable[str], sources: Iterable[str], asset: str) -> dict[str, list[Row]]:
    """Return the last snapshot's assets, edges and points: those of some quantities, of some sources, and of one asset.

    Raises:
        StoreLost: the file is missing or cannot be read.

    """
    asked = {"names": json.dumps(sorted(names)), "sources": json.dumps(sorted(sources)), "asset": storable(asset)}
    return {
        "assets": list(_sqlite(path, "SELECT id, kind, parent, attributes, phase FROM assets", {}).rows),
        "edges": list(_sqlite(path, "SELECT giver, taker FROM edges", {}).rows),
        "points": list(_sqlite(path, _POINTS_OF, asked).rows),
    }


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
