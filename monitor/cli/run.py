"""`dcmon run` and `dcmon check`: the daemon, and its file."""

import asyncio
import json
import logging
import os
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from monitor import config, shipped
from monitor.cli import show
from monitor.clock import WallClock, parse_time
from monitor.detect import rules as rule_files
from monitor.detect.limits import DEFAULT
from monitor.detect.rules import RuleSet
from monitor.errors import ConfigError, InputError, MonitorError, RuleError
from monitor.model import Alert
from monitor.pipeline import Daemon, Told, check_files

Settings = Annotated[Path | None, typer.Argument(help="The operator's file; without it, defaults and DCMON_ variables.")]


def check(settings: Settings = None, as_json: Annotated[bool, typer.Option("--json", help="Print the faults as JSON.")] = False) -> None:
    """Check a configuration, the files it names and its rules; print every fault with its place."""
    faults = config.check(settings, os.environ)
    if not faults:
        try:
            loaded = config.load(settings, os.environ)
            rules = rule_files.load(loaded.rules or shipped.rules())
        except RuleError as error:
            faults = list(error.faults)
        else:
            known = rules.limits.values.keys() - {DEFAULT}
            faults = config.unknown_skus(settings, os.environ, known) if known else []
            faults += check_files(loaded, rules.vocabulary)
    if as_json:
        typer.echo(json.dumps({"faults": [{"file": fault.file, "line": fault.line, "text": fault.text} for fault in faults]}))
        raise typer.Exit(2 if faults else 0)
    if faults:
        raise ConfigError(faults)
    typer.echo(f"{settings or 'the defaults'}: sound")


def run(
    settings: Settings = None,
    clock_rate: Annotated[float, typer.Option(help="Event seconds a real second, for tests and demonstrations.")] = 1.0,
    clock_start: Annotated[str | None, typer.Option(help="Event time at the start, ISO 8601; the host's time by default.")] = None,
    clock_at: Annotated[
        str | None, typer.Option(help="Host time at which event time is --clock-start, so that several commands agree; now by default.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print each alert change as one JSON object a line.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print no alerts; they are in the store.")] = False,
) -> None:
    """Watch the plant until told to stop (SIGTERM or Ctrl-C); SIGHUP reads the rules again."""
    loaded = config.load(settings, os.environ)
    logging.basicConfig(level=loaded.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("mqtt").setLevel(logging.WARNING)
    checked = rules_of(loaded)
    try:
        clock = WallClock(
            clock_rate, None if clock_start is None else parse_time(clock_start), None if clock_at is None else parse_time(clock_at)
        )
    except ValueError as error:
        raise InputError(f"--clock-rate {clock_rate} --clock-start {clock_start}: {error}") from None
    daemon = Daemon(loaded, checked, clock, None if quiet else printer(as_json=as_json), lambda: rules_of(loaded))
    links = ", ".join(f"{link.name} ({link.host}:{link.port})" for link in loaded.links)
    logging.getLogger("monitor").info("watching %s with %d rules; store in %s", links, len(checked.rules), loaded.store.path)
    asyncio.run(until_stopped(daemon))


def rules_of(loaded: config.Config) -> RuleSet:
    """Read the rules that a configuration names.

    Raises:
        RuleError: a fault in any file, or no rule at all.

    """
    folder = loaded.rules or shipped.rules()
    rules = rule_files.load(folder)
    if not rules.rules:
        raise RuleError([rule_files.empty(folder)])
    return rules


def printer(*, as_json: bool) -> Told:
    """Return what prints committed alerts as they come."""
    console = Console(highlight=False, soft_wrap=True)

    def told(alerts: Sequence[Alert]) -> None:
        for alert in alerts:
            if as_json:
                typer.echo(
                    json.dumps(
                        {**show.record(alert), "state": str(alert.state), "episode": alert.episode}, ensure_ascii=False, allow_nan=False
                    )
                )
            elif alert.told:
                console.print(show.line(alert))

    return told


async def until_stopped(daemon: Daemon) -> None:
    """Run the daemon until SIGTERM or SIGINT; leave in order."""
    loop = asyncio.get_running_loop()
    task = asyncio.current_task()
    assert task is not None
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, task.cancel)
    loop.add_signal_handler(signal.SIGHUP, daemon.reload)
    try:
        await daemon.run()
    except asyncio.CancelledError:
        return
    except BaseExceptionGroup as group:
        ours = group.subgroup(MonitorError)
        if ours is not None:
            raise _first(ours) from None
        raise


def _first(group: BaseExceptionGroup[MonitorError]) -> MonitorError:
    inner = group.exceptions[0]
    return _first(inner) if isinstance(inner, BaseExceptionGroup) else inner
