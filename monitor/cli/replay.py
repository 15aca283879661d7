"""`dcmon replay`: any recording through the live path, as fast as it goes."""

import asyncio
import json
import os
import sys
from collections.abc import Callable
from dataclasses import asdict
from itertools import chain
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from monitor import config, pipeline, shipped
from monitor.cli import show
from monitor.clock import iso, parse_time
from monitor.collect import inventory
from monitor.collect.scenario import Scenario
from monitor.detect import rules as rule_files
from monitor.errors import InputError
from monitor.plant import Plant
from monitor.store.segment import segments

SAME = 3  # findings of one code that are printed


def replay(
    source: Annotated[Path, typer.Argument(help="A DSX scenario CSV (offset,topic,payload), also as .csv.gz; - for standard input.")],
    rules: Annotated[Path | None, typer.Option(help="Folder of rules; the shipped ones by default.")] = None,
    alerts: Annotated[Path | None, typer.Option(help="Write one alert a line to this file, - for standard output.")] = None,
    start: Annotated[str, typer.Option(help="Time that offset 0 stands for, ISO 8601.")] = "2026-01-01T00:00:00Z",
    plant: Annotated[Path | None, typer.Option(help="YAML file of assets known beforehand (SKU, parent, what serves what).")] = None,
    settings: Annotated[Path | None, typer.Option("--config", help="The operator's file; its `time` and `racks` count.")] = None,
    store: Annotated[Path | None, typer.Option(help="Keep alerts, plant and history in this folder, for `dcmon query`.")] = None,
    append: Annotated[bool, typer.Option("--append", help="Add to the history that --store already has.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as one JSON object.")] = False,
) -> None:
    """Run a recording through the live path and say what it would have alerted. Exit code 1 when no value could be used."""
    try:
        began = parse_time(start)
    except ValueError:
        raise InputError(f'--start "{start}" is no time; write for example 2026-01-01T00:00:00Z') from None
    loaded = config.load(settings, os.environ)
    checked = rule_files.load(rules or loaded.rules or shipped.rules())
    known = inventory.load(plant) if plant is not None else Plant()
    if str(source) != "-" and not source.is_file():
        raise InputError(f"{source}: is no file; give a recording")
    if store is not None and not append:
        _check_empty(store)
    scenario = Scenario(source, began)
    batches = iter(scenario)
    first = [batch for batch in (next(batches, None),) if batch is not None]  # a file that is none is told before anything is written
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
            pipeline.replay(
                chain(first, batches), checked, loaded, store=store, plant=known, progress=progress if console.is_terminal else None
            )
        )
    for reason, count in scenario.dropped.items():
        done.summary.dropped[reason] = done.summary.dropped.get(reason, 0) + count
    if alerts is not None:
        _write(alerts, lambda file: show.write(done.alerts, file))  # type: ignore[arg-type]
    if as_json:
        typer.echo(json.dumps(asdict(done.summary)))
    else:
        _print(done, scenario)
    if not done.summary.values_stored:
        typer.echo("no value of the recording could be used", err=True)
        raise typer.Exit(1)


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


def _print(done: pipeline.Replayed, scenario: Scenario) -> None:
    console = Console(soft_wrap=True, highlight=False)
    summary = done.summary
    assets = ", ".join(f"{count} {kind}" for kind, count in summary.assets.items())
    on = f" on {assets}" if assets else ""
    console.print(f"{summary.messages:,} messages, {summary.points} points{on}; {summary.edges} edges", highlight=False, markup=False)
    dropped = ", ".join(f"{count} {reason}" for reason, count in summary.dropped.items()) or "none"
    waited = f"{summary.superseded:,} superseded while they waited for metadata, " if summary.superseded else ""
    console.print(
        f"{summary.values_stored:,} values, {waited}{summary.late} late, dropped: {dropped}; {summary.elapsed_s:.2f} s", highlight=False
    )
    for text in scenario.faults:
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
