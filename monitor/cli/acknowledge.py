"""`dcmon acknowledge`: somebody has seen an alert and takes it on."""

from pathlib import Path
from typing import Annotated

import typer

from monitor.cli.racks import user
from monitor.clock import WallClock
from monitor.errors import InputError
from monitor.model import ActKind, State
from monitor.store import acts, query
from monitor.store.query import Numbered
from monitor.store.text import shown


def acknowledge(
    alert: Annotated[str, typer.Argument(metavar="ALERT", help="Its number in `dcmon query alerts`, or RULE/ASSET[/POINT][#EPISODE].")],
    who: Annotated[str | None, typer.Option(help="Who takes it on; the user's name by default.")] = None,
    why: Annotated[str, typer.Option(help="What is done about it, for the record.")] = "",
    store: Annotated[Path, typer.Option("--store", envvar="DCMON_STORE", help="Folder of the store.")] = Path("dcmon-data"),
) -> None:
    """Record that somebody takes an alert on; one whose rule says `latch` ends only then. Exit code 1 when no such alert is firing."""
    found = the_one(query.named(store / "monitor.db", alert), alert)
    if found is None:
        typer.echo(f'no alert "{shown(alert)}" is known; `dcmon query alerts --firing` lists those that are firing', err=True)
        raise typer.Exit(1)
    if found.alert.state is State.ENDED:
        typer.echo(f"{shown(found.name)}: has ended; there is nothing to acknowledge", err=True)
        raise typer.Exit(1)
    name = who.strip() if who is not None and who.strip() else user("--who")
    number = acts.record(store / "acts.db", name, ActKind.ACKNOWLEDGE, found.alert.asset, acts.named(found.alert), why, WallClock().now())
    typer.echo(f"recorded as act {number}: {shown(found.name)} acknowledged by {shown(name)}{f': {shown(why)}' if why.strip() else ''}")
    typer.echo("a running daemon takes it up within a second")


def the_one(found: list[Numbered], name: str) -> Numbered | None:
    """Return the alert that a name means, None where there is none.

    Raises:
        InputError: it means alerts of several points.

    """
    if len(found) > 1:
        names = "\n".join(f"  {one.number}  {shown(one.name)}" for one in found[:20])
        raise InputError(f'"{shown(name)}" means {len(found)} alerts; take one of\n{names}')
    return found[0] if found else None
