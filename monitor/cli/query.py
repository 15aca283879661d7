"""`dcmon query`: what was alerted and what was measured, from the files of a store, also while the daemon writes them.

Exit codes: 0 rows were found, 1 none was, 2 wrong use, 3 the store cannot be read.
"""

import csv
import json
import math
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from itertools import groupby, islice
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from monitor.clock import WallClock, iso, parse_time
from monitor.errors import InputError
from monitor.model import Severity
from monitor.store import query
from monitor.store.query import Rows
from monitor.store.text import cell, shown

app = typer.Typer(help="Ask for alerts and telemetry. Exit codes: 0 found, 1 nothing found, 2 wrong use, 3 no store.", no_args_is_help=True)

_TIMES = ("time", "received", "fired", "ended")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86_400.0, "w": 604_800.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|min|m|h|d|w)")
_TABLE_ROWS = 1_000  # of a table for people; --json, --csv and --limit give more
_PLOT_WIDTH = 60
_BARS = "▁▂▃▄▅▆▇█"
_COLORS = {"critical": "bold red", "major": "red", "minor": "yellow", "info": "cyan"}
_QUALITIES = {1: "doubtful", 2: "bad"}

Store = Annotated[Path, typer.Option("--store", envvar="DCMON_STORE", help="Folder of the store.")]
Since = Annotated[
    str | None, typer.Option(help="From here on: an age (90s, 10m, 1h, 7d) or a time (ISO 8601, UTC where no zone is given).")
]
Until = Annotated[str | None, typer.Option(help="Before this: an age or a time.")]
Limit = Annotated[int | None, typer.Option(min=1, help="Most rows.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]
AsCsv = Annotated[bool, typer.Option("--csv", help="CSV with a header, safe for spreadsheets.")]


class Aggregate(StrEnum):
    MEAN = "mean"
    MIN = "min"
    MAX = "max"
    LAST = "last"


@app.command()
def alerts(
    since: Since = None,
    until: Until = None,
    rule: Annotated[str | None, typer.Option(help="A rule, or a domain (cooling) for all its rules.")] = None,
    asset: Annotated[str | None, typer.Option(help="An asset and what is below it by id.")] = None,
    severity: Annotated[Severity | None, typer.Option(help="Severity.")] = None,
    firing: Annotated[bool, typer.Option("--firing", help="Only what has not ended.")] = False,
    limit: Limit = None,
    store: Store = Path("dcmon-data"),
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """List alerts by fire time: those that were firing between --since and --until, the newest where --limit cuts."""
    begin, end = window(since, until)
    found = query.alerts(
        store / "monitor.db",
        since=begin,
        until=end,
        rule=rule,
        asset=asset,
        severity=severity,
        firing_only=firing,
        limit=limit,
    )
    count = _print(found, _alert_lines, as_json=as_json, as_csv=as_csv)
    _ended(count, {"asset": asset, "rule": rule}, lambda: query.alert_names(store / "monitor.db"))


@app.command()
def points(
    asset: Annotated[str | None, typer.Option(help="An asset and what is below it by id.")] = None,
    quantity: Annotated[str | None, typer.Option(help="A quantity of the vocabulary, e.g. liquid_flow.")] = None,
    point: Annotated[str | None, typer.Option(help="One point by the wire's own name, its topic or path.")] = None,
    since: Since = None,
    until: Until = None,
    every: Annotated[str | None, typer.Option(help="One value a bucket of this width (10s, 1m, 1h), aligned to 1970.")] = None,
    aggregate: Annotated[Aggregate, typer.Option(help="Which value of a bucket.")] = Aggregate.MEAN,
    limit: Limit = None,
    store: Store = Path("dcmon-data"),
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    plot: Annotated[bool, typer.Option("--plot", help="One small curve a point.")] = False,
) -> None:
    """List readings by point and time, or one value a bucket of each point."""
    begin, end = window(since, until)
    found = query.points(
        store / "history",
        asset=asset,
        quantity=quantity,
        path=point,
        since=begin,
        until=end,
        every=None if every is None else duration(every, "--every"),
        aggregate=aggregate.value,
        limit=limit,
        told=lambda text: typer.echo(text, err=True),
    )
    if plot:
        if as_json or as_csv:
            raise InputError("--plot is for people; leave out --json and --csv")
        count = _plot(found)
    else:
        count = _print(found, _point_lines, as_json=as_json, as_csv=as_csv)
    _ended(count, {"asset": asset, "quantity": quantity}, lambda: query.point_names(store / "history"))


def duration(text: str, option: str) -> float:
    """Return seconds of a duration.

    >>> duration("1.5h", "--every")
    5400.0

    Raises:
        InputError: it is none, or none above 0.

    """
    seconds = _seconds(text)
    if seconds is None or not 0 < seconds < math.inf:
        raise InputError(f'{option}: "{shown(text)}" is no duration; use a number with {", ".join(_UNITS)}, e.g. 10m')
    return seconds


def _seconds(text: str) -> float | None:
    match = _DURATION.fullmatch(text.strip())
    return float(match[1]) * _UNITS[match[2]] if match else None


def window(since: str | None, until: str | None) -> tuple[float | None, float | None]:
    """Return the times of --since and --until.

    Raises:
        InputError: one is no time, or they are the wrong way round.

    """
    begin, end = moment(since, "--since"), moment(until, "--until")
    if begin is not None and end is not None and begin > end:
        raise InputError(f'--since "{shown(str(since))}" is later than --until "{shown(str(until))}"; swap them')
    return begin, end


def moment(text: str | None, option: str) -> float | None:
    """Return the time, s since 1970 UTC, of an age (0s is now) or of a time.

    Raises:
        InputError: it is neither.

    """
    if text is None:
        return None
    age = _seconds(text)
    try:
        seconds = WallClock().now() - age if age is not None else parse_time(text.strip())
    except (ValueError, OverflowError):
        seconds = math.nan
    if not math.isfinite(seconds):
        raise InputError(f'{option}: "{shown(text)}" is no time; use an age (1h) or ISO 8601 (2026-01-01T00:00:00Z)')
    return seconds


def spark(values: Iterable[float | None], width: int = _PLOT_WIDTH) -> str:
    """Draw a curve of at most `width` columns; each is the mean of its share, a blank one has no value.

    >>> spark([0.0, 1.0, None, 7.0])
    '▁▂ █'
    """
    series = list(values)
    columns = min(width, len(series))
    means: list[float | None] = []
    for column in range(columns):
        share = series[column * len(series) // columns : (column + 1) * len(series) // columns]
        known = [value for value in share if value is not None and math.isfinite(value)]
        means.append(sum(known) / len(known) if known else None)
    least = min((mean for mean in means if mean is not None), default=0.0)
    span = max((mean for mean in means if mean is not None), default=0.0) - least
    return "".join(" " if mean is None else _BARS[round((mean - least) / span * 7) if span else 0] for mean in means)


def aligned(rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> list[str]:
    """Return rows as lines, each column padded to its widest word; a column without any word in all rows but the first is left out.

    Nothing is cut. The first row is the header.

    Args:
        rows: words of each row, safe for a terminal.
        right: columns to align to the right.

    """
    columns = [column for column in range(len(rows[0])) if any(row[column] for row in rows[1:])]
    widths = {column: max(cell_len(row[column]) for row in rows) for column in columns}
    lines = []
    for row in rows:
        blanks = {column: " " * (widths[column] - cell_len(row[column])) for column in columns}
        words = (blanks[column] + row[column] if column in right else row[column] + blanks[column] for column in columns)
        lines.append("  ".join(words).rstrip())
    return lines


def write_lines(lines: Iterable[str], styles: Iterable[str]) -> None:
    """Print lines as they are, however wide; with colours only on a terminal."""
    console = Console(soft_wrap=True, highlight=False)
    for line, style in zip(lines, styles, strict=True):
        if console.is_terminal:
            console.print(Text(line, style=style))
        else:
            sys.stdout.write(line + "\n")


def _print(found: Rows, lines: Callable[[list[dict[str, Any]]], list[str]], *, as_json: bool, as_csv: bool) -> int:
    if as_json and as_csv:
        raise InputError("--json and --csv exclude each other; keep one")
    if as_json:
        return _json(found)
    return _csv(found) if as_csv else _table(found, lines)


def _ended(count: int, wanted: Mapping[str, str | None], known: Callable[[], Mapping[str, set[str]]]) -> None:
    """Exit with 1 where nothing was found, and name what is nearest to a filter that the store knows nothing of."""
    if count:
        return
    typer.echo("nothing found", err=True)
    asked = {option: word for option, word in wanted.items() if word is not None}
    names = known() if asked else {}
    for option, word in asked.items():
        if word not in names[option]:
            near = query.nearest(word, names[option])
            advice = f'; did you mean "{shown(near)}"?' if near is not None else ""
            typer.echo(f'--{option}: the store has no "{shown(word)}"{advice}', err=True)
    raise typer.Exit(1)


def _json(found: Rows) -> int:
    """Print rows as JSON; a number that JSON has not (infinity) is null."""
    count = 0
    for row in found.objects():
        count += 1
        sys.stdout.write(json.dumps({name: _plain(name, value) for name, value in row.items()}, allow_nan=False) + "\n")
    return count


def _plain(name: str, value: Any) -> Any:
    if name in _TIMES:
        return None if value is None else iso(value)
    if name == "told":
        return bool(value)
    if name == "point":
        return value or None
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _csv(found: Rows) -> int:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    count = 0
    for row in found.rows:
        if not count:
            writer.writerow(found.columns)
        count += 1
        writer.writerow(
            [cell(value) if isinstance(value, str) else _plain(name, value) for name, value in zip(found.columns, row, strict=True)]
        )
    return count


def _table(found: Rows, lines: Callable[[list[dict[str, Any]]], list[str]]) -> int:
    rows = list(islice(found.objects(), _TABLE_ROWS + 1))
    first = rows[:_TABLE_ROWS]
    if first:
        styles = ["dim" if row.get("ended") is not None else _COLORS.get(row.get("severity", ""), "") for row in first]
        write_lines(lines(first), ["bold", *styles])
    if len(rows) > _TABLE_ROWS:
        typer.echo(f"only the first {_TABLE_ROWS} rows are shown; --json and --csv give all, --every fewer", err=True)
    return len(rows)


def _alert_lines(rows: list[dict[str, Any]]) -> list[str]:
    words = [("fired (UTC)", "ended", "severity", "asset", "summary", "rule", "number")]
    for row in rows:
        over = "FIRING" if row["ended"] is None else iso(row["ended"])[:19].replace("T", " ")
        fired = iso(row["fired"])[:19].replace("T", " ")
        words.append((fired, over, row["severity"], shown(row["asset"]), shown(row["summary"]), shown(row["rule"]), str(row["number"])))
    return aligned(words, right=(6,))


def _point_lines(rows: list[dict[str, Any]]) -> list[str]:
    """Return readings as lines; a point's path only where its asset and quantity do not tell it from another."""
    several = _several((row["asset"], row["quantity"], row["tags"], row["point"]) for row in rows)
    numbers = ["no value" if row["value"] is None else f"{row['value']:.6g}" for row in rows]
    width = max(map(len, numbers))
    words = [("time (UTC)", "asset", "quantity", "value", "readings", "quality", "point")]
    for row, number in zip(rows, numbers, strict=True):
        words.append(
            (
                _time(row["time"]),
                shown(row["asset"]),
                _quantity(row),
                f"{number:>{width}} {shown(row['unit'])}" if row["value"] is not None else f"{number:>{width}}",
                str(row.get("readings", "")),
                _QUALITIES.get(row.get("quality", 0), ""),
                shown(row["point"]) if (row["asset"], row["quantity"], row["tags"]) in several else "",
            )
        )
    return aligned(words, right=(4,))


def _several(rows: Iterable[tuple[str, str, str, str]]) -> set[tuple[str, ...]]:
    """Return asset, quantity and tags that more than one point has."""
    return {key for key, count in Counter(row[:3] for row in set(rows)).items() if count > 1}


def _quantity(row: Mapping[str, Any]) -> str:
    return shown(f"{row['quantity']}[{row['tags']}]" if row["tags"] else row["quantity"])


def _time(seconds: float | None) -> str:
    """Write a time to the second, with milliseconds where there are any.

    >>> _time(1767225600.0), _time(1767225600.25), _time(None)
    ('2026-01-01 00:00:00', '2026-01-01 00:00:00.250', 'no time')
    """
    return "no time" if seconds is None else iso(seconds)[:-1].replace("T", " ").removesuffix(".000")


def _plot(found: Rows) -> int:
    """Print of each point a line with its least, greatest and newest value, and its curve below."""
    curves = [_curve(rows) for _, rows in groupby(found.objects(), key=lambda row: (row["asset"], row["point"]))]
    several = _several((row["asset"], row["quantity"], row["tags"], row["point"]) for row, _, _ in curves)
    for row, numbers, curve in curves:
        point = f"  {shown(row['point'])}" if (row["asset"], row["quantity"], row["tags"]) in several else ""
        write_lines([f"{shown(row['asset'])}  {_quantity(row)}  {numbers}{point}", f"  {curve}"], ["bold", ""])
    return len(curves)


def _curve(rows: Iterator[dict[str, Any]]) -> tuple[dict[str, Any], str, str]:
    """Return the first row of a point, its least, greatest and newest value in words, and its curve."""
    first = next(rows)
    values = [first["value"], *(row["value"] for row in rows)]
    known = [value for value in values if value is not None]
    if not known:
        return first, "no value", spark(values)
    numbers = f"{min(known):.6g} to {max(known):.6g}, newest {known[-1]:.6g} {shown(first['unit'])}".rstrip()
    return first, numbers, spark(values)
