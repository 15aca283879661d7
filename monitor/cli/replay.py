"""`dcmon replay`: any recording through the live path, as fast as it goes."""

import asyncio
import json
import os
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from monitor import config, pipeline, shipped, units
from monitor.cli import show
from monitor.clock import iso, parse_time
from monitor.collect import inventory
from monitor.collect.recording import Messages, Recording
from monitor.collect.scenario import Scenario
from monitor.collect.table import Table
from monitor.collect.table_map import load_map
from monitor.detect import rules as rule_files
from monitor.detect.rules import RuleSet
from monitor.errors import InputError
from monitor.plant import Plant
from monitor.store.segment import segments

LEAST_TICK, MOST_TICK = 0.01, 86_400.0  # s
SAME = 3  # findings of one code that are printed


def replay(
    source: Annotated[
        Path,
        typer.Argument(
            help="A DSX scenario CSV (offset,topic,payload), or with --map a table: CSV or Parquet. Also .csv.gz; - for standard input."
        ),
    ],
    table: Annotated[Path | None, typer.Option("--map", help="YAML file that says what the columns of a table are.")] = None,
    rules: Annotated[Path | None, typer.Option(help="Folder of rules; the shipped ones by default.")] = None,
    alerts: Annotated[Path | None, typer.Option(help="Write one alert a line to this file, - for standard output.")] = None,
    start: Annotated[
        str | None, typer.Option(help="Time that offset 0 of a scenario stands for, ISO 8601; 2026-01-01T00:00:00Z by default.")
    ] = None,
    tick: Annotated[
        str | None,
        typer.Option(help="Event time from one judgement to the next, e.g. 60s; by default 1 s, or the step of a table with a longer one."),
    ] = None,
    plant: Annotated[Path | None, typer.Option(help="YAML file of assets known beforehand (SKU, parent, what serves what).")] = None,
    settings: Annotated[Path | None, typer.Option("--config", help="The operator's file; its `time` and `racks` count.")] = None,
    store: Annotated[Path | None, typer.Option(help="Keep alerts, plant and history in this folder, for `dcmon query`.")] = None,
    append: Annotated[bool, typer.Option("--append", help="Add to the history that --store already has.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as one JSON object.")] = False,
) -> None:
    """Run a recording through the live path and say what it would have alerted. Exit code 1 when no value could be used."""
    began, step = _times(start, tick, table)
    loaded = config.load(settings, os.environ)
    checked = rule_files.load(rules or loaded.rules or shipped.rules())
    known = inventory.load(plant) if plant is not None else Plant()
    if str(source) != "-" and not source.is_file():
        raise InputError(f"{source}: is no file; give a recording")
    if store is not None and not append:
        _check_empty(store)
    with closing(_recording(source, began, table, checked)) as recording:  # a file that is none is told before anything is written
        _run(recording, step, loaded, checked, known, alerts, store, as_json=as_json)


def _run(
    recording: Recording,
    step: float | None,
    loaded: config.Config,
    checked: RuleSet,
    known: Plant,
    alerts: Path | None,
    store: Path | None,
    *,
    as_json: bool,
) -> None:
    if step is None and isinstance(recording, Table):
        step = max(loaded.time.tick, recording.interval)
    if step is not None:
        loaded = loaded.model_copy(update={"time": loaded.time.model_copy(update={"tick": step})})
    if alerts is not None:
        _check_writable(alerts)
    console = Console(stderr=True)
    with Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as bar:
        task = bar.add_task("replaying")

        def progress(reached: float) -> None:
            bar.update(task, description=f"replaying {iso(reached)[:19]}")

        done = asyncio.run(
            pipeline.replay(recording, checked, loaded, store=store, plant=known, progress=progress if console.is_terminal else None)
        )
    if alerts is not None:
        _write(alerts, lambda file: show.write(done.alerts, file))  # type: ignore[arg-type]
    if as_json:
        typer.echo(json.dumps(asdict(done.summary)))
    else:
        _print(done, recording)
    if not done.summary.values_stored:
        typer.echo("no value of the recording could be used", err=True)
        raise typer.Exit(1)


def _times(start: str | None, tick: str | None, table: Path | None) -> tuple[float, float | None]:
    """Return the start, s since 1970 UTC, and the tick, s, None where nobody said it."""
    if start is not None and table is not None:
        raise InputError("--start is for scenarios; a table's times are in its columns, or `time.start` in the map says the first one")
    try:
        began = parse_time(start or "2026-01-01T00:00:00Z")
    except ValueError:
        raise InputError(f'--start "{start}" is no time; write for example 2026-01-01T00:00:00Z') from None
    if tick is None:
        return began, None
    try:
        step = units.seconds(tick)
    except ValueError as error:
        raise InputError(f"--tick {error}") from None
    if not LEAST_TICK <= step <= MOST_TICK:
        raise InputError(f'--tick "{tick}" is out of range; {LEAST_TICK:g} s to 1 d would do')
    return began, step


def _recording(source: Path, began: float, table: Path | None, rules: RuleSet) -> Recording:
    if table is None:
        return Messages(Scenario(source, began))
    return Table(source, load_map(table, rules.vocabulary))


def _check_empty(store: Path) -> None:
    """Refuse a folder whose history would then hold this recording beside another, or twice."""
    try:
        held = len(segments(store / "history"))
    except FileNotFoundError:
        return
    except OSError as error:
        raise InputError(f"{store / 'history'}: cannot be read ({error.strerror})") from error
    if held:
        raise InputError(
            f"{store}: its history already holds {held} segment{'s' if held > 1 else ''}; "
            "give --store another folder, or --append to add to it"
        )


def _check_writable(path: Path) -> None:
    """Open the file for writing and leave it as it was; what is no plain file (a pipe, a device) is not tried.

    Raises:
        InputError: it cannot be written.

    """
    if str(path) == "-" or (path.exists() and not path.is_file() and not path.is_dir()):
        return
    there = path.exists()
    try:
        path.open("ab").close()
        if not there:
            path.unlink()
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror})") from error


def _write(path: Path, write: Callable[[object], None]) -> None:
    if str(path) == "-":
        write(sys.stdout)
        return
    try:
        with path.open("w", encoding="utf-8") as file:
            write(file)
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror})") from error


def _print(done: pipeline.Replayed, recording: Recording) -> None:
    console = Console(soft_wrap=True, highlight=False)
    summary = done.summary
    assets = ", ".join(f"{count} {kind}" for kind, count in summary.assets.items())
    on = f" on {assets}" if assets else ""
    kind = "rows" if isinstance(recording, Table) else "messages"
    ticks = f"; ticks of {summary.tick_s:g} s" if isinstance(recording, Table) else ""
    console.print(f"{summary.messages:,} {kind}, {summary.points} points{on}; {summary.edges} edges{ticks}", highlight=False, markup=False)
    dropped = ", ".join(f"{count} {reason}" for reason, count in summary.dropped.items()) or "none"
    waited = f"{summary.superseded:,} superseded while they waited for metadata, " if summary.superseded else ""
    console.print(
        f"{summary.values_stored:,} values, {waited}{summary.late} late, dropped: {dropped}; {summary.elapsed_s:.2f} s", highlight=False
    )
    for text in recording.faults:
        console.print(show.plain(text), style="yellow", highlight=False, markup=False)
    _print_findings(console, done)
    for alert in done.alerts:
        console.print(show.line(alert, dated=True))
    console.print(f"{len(done.alerts)} alerts", highlight=False)


def _print_findings(console: Console, done: pipeline.Replayed) -> None:
    """Print the first findings of each code; a thousand racks may have the same one."""
    by_code: dict[str, list[str]] = {}
    for finding, count in done.plant.findings.all():
        times = f" ({count} times)" if count > 1 else ""
        by_code.setdefault(finding.code, []).append(
            f"finding {finding.code}: {show.plain(finding.subject)}: {show.plain(finding.text)}{times}"
        )
    for code, texts in by_code.items():
        for text in texts[:SAME]:
            console.print(text, style="yellow", highlight=False, markup=False)
        if len(texts) > SAME:
            console.print(f"finding {code}: {len(texts) - SAME} more", style="yellow", highlight=False, markup=False)
