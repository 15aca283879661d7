"""`dcmon racks`: the racks that the monitor knows, and where each is in its life."""

import getpass
import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from monitor.cli.show import plain
from monitor.clock import WallClock
from monitor.errors import InputError
from monitor.model import ActKind, Phase
from monitor.store import acts, query

app = typer.Typer(help="List racks and set their phase.", no_args_is_help=True)
Store = Annotated[Path, typer.Option("--store", envvar="DCMON_STORE", help="Folder of the store.")]


@app.command("list")
def list_racks(
    store: Store = Path("dcmon-data"), as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False
) -> None:
    """List the racks with phase, SKU and what is firing on them. Exit code 1 when there is none."""
    found = query.racks(store / "monitor.db")
    rows = [dict(zip(found.columns, row, strict=True)) for row in found.rows]
    if as_json:
        for row in rows:
            typer.echo(json.dumps(row, ensure_ascii=False, default=str))
    else:
        table = Table(box=None, pad_edge=False)
        for column in found.columns:
            table.add_column(column, overflow="fold")
        for row in rows:
            table.add_row(*("" if value is None else plain(str(value)) for value in row.values()))
        Console().print(table)
    if not rows:
        raise typer.Exit(1)


@app.command()
def phase(
    rack: Annotated[str, typer.Argument(help="Id of the rack, as the wire gives it.")],
    to: Annotated[Phase, typer.Argument(metavar="PHASE", help="expected, checkout, soak, watch, accepted, maintenance or rejected.")],
    why: Annotated[str, typer.Option(help="The reason, for the record.")],
    by: Annotated[str | None, typer.Option(help="Who decided; the user's name by default.")] = None,
    store: Store = Path("dcmon-data"),
) -> None:
    """Set the phase of a rack: an act with who, when and why, which the daemon takes up within a second."""
    if not store.is_dir():
        raise InputError(f"{store}: is no store; give --store the folder that `dcmon run` writes")
    who = by or getpass.getuser()
    number = acts.record(store / "acts.db", who, ActKind.PHASE, rack, str(to), why, WallClock().now())
    typer.echo(f"act {number}: {plain(rack)} is in {to}, by {plain(who)}: {plain(why)}")
