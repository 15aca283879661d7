"""`dcmon query`: what was alerted and what was measured, from the files of a store, also while the daemon writes them.

Exit codes: 0 rows were found, 1 none was, 2 wrong use, 3 the store cannot be read.
"""

import csv
import json
import math
import re
import sys
from collections.abc import Iterable, Iterator
from enum import StrEnum
from itertools import groupby, islice
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
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
# What a person scans for comes first, the long text last; the rest is in --json and --csv.
_SHOWN_ALERTS = ("fired", "ended", "severity", "rule", "asset", "point", "value", "limit", "unit", "phase", "summary")
_SHOWN_POINTS = ("time", "asset", "quantity", "tags", "value", "unit", "quality", "readings", "point")

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
    found = query.alerts(
        store / "monitor.db",
        since=moment(since, "--since"),
        until=moment(until, "--until"),
        rule=rule,
        asset=asset,
        severity=severity,
        firing_only=firing,
        limit=limit,
    )
    _print(found, _SHOWN_ALERTS, as_json=as_json, as_csv=as_csv)


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
    found = query.points(
        store / "history",
        asset=asset,
        quantity=quantity,
        path=point,
        since=moment(since, "--since"),
        until=moment(until, "--until"),
        every=None if every is None else duration(every, "--every"),
        aggregate=aggregate.value,
        limit=limit,
    )
    if plot:
        if as_json or as_csv:
            raise InputError("--plot is for people; leave out --json and --csv")
        _ended(_plot(found))
    else:
        _print(found, _SHOWN_POINTS, as_json=as_json, as_csv=as_csv)


def duration(text: str, option: str) -> float:
    """Return seconds of a duration.

    >>> duration("1.5h", "--every")
    5400.0

    Raises:
        InputError: it is none, or none above 0.

    """
    match = _DURATION.fullmatch(text.strip())
    seconds = float(match[1]) * _UNITS[match[2]] if match else 0.0
    if not 0 < seconds < math.inf:
        raise InputError(f'{option}: "{shown(text)}" is no duration; use a number with {", ".join(_UNITS)}, e.g. 10m')
    return seconds


def moment(text: str | None, option: str) -> float | None:
    """Return the time, s since 1970 UTC, of an age or of a time.

    Raises:
        InputError: it is neither.

    """
    if text is None:
        return None
    if _DURATION.fullmatch(text.strip()):
        return WallClock().now() - duration(text, option)
    try:
        seconds = parse_time(text.strip())
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


def _print(found: Rows, names: tuple[str, ...], *, as_json: bool, as_csv: bool) -> None:
    if as_json and as_csv:
        raise InputError("--json and --csv exclude each other; keep one")
    if as_json:
        _ended(_json(found))
    elif as_csv:
        _ended(_csv(found))
    else:
        _ended(_table(found, [name for name in names if name in found.columns]))


def _ended(count: int) -> None:
    if not count:
        typer.echo("nothing found", err=True)
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


def _table(found: Rows, names: list[str]) -> int:
    rows = list(islice(found.objects(), _TABLE_ROWS + 1))
    if rows:
        table = Table(box=None, pad_edge=False)
        for name in names:
            table.add_column(name, overflow="fold", justify="right" if name in ("value", "limit", "readings") else "left")
        for row in rows[:_TABLE_ROWS]:
            over = row.get("ended") is not None
            table.add_row(
                *(Text(_word(name, row[name])) for name in names), style="dim" if over else _COLORS.get(row.get("severity", ""), "")
            )
        Console().print(table)
    if len(rows) > _TABLE_ROWS:
        typer.echo(f"only the first {_TABLE_ROWS} rows are shown; --json and --csv give all, --every fewer", err=True)
    return len(rows)


def _word(name: str, value: Any) -> str:
    if value is None:
        return "firing" if name == "ended" else ""
    if name in _TIMES:
        return iso(value).replace("T", " ")
    return f"{value:.6g}" if isinstance(value, float) else shown(str(value))


def _plot(found: Rows) -> int:
    """Print a curve of each point over its readings, with its least, newest and greatest value."""
    table = Table(box=None, pad_edge=False)
    for name in ("asset", "quantity", "tags", "least", "", "greatest", "newest", "unit"):
        table.add_column(name, justify="right" if name in ("least", "newest") else "left", no_wrap=name == "")
    count = 0
    for _, rows in groupby(found.objects(), key=lambda row: row["point"]):
        count += 1
        table.add_row(*map(Text, _curve(rows)))
    if count:
        Console().print(table)
    return count


def _curve(rows: Iterator[dict[str, Any]]) -> list[str]:
    first = next(rows)
    values = [first["value"], *(row["value"] for row in rows)]
    known = [value for value in values if value is not None]
    numbers = [f"{number:.6g}" for number in (min(known), max(known), known[-1])] if known else ["", "", ""]
    words = [shown(first[name]) for name in ("asset", "quantity", "tags")]
    return [*words, numbers[0], spark(values), numbers[1], numbers[2], shown(first["unit"])]
