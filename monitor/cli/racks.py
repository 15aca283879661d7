"""`dcmon racks`: the racks that the monitor knows, and where each is in its life.

What people set stands in the act log; it counts over the daemon's snapshot, which is some seconds behind and may be a replay's.
"""

import getpass
import json
from itertools import repeat
from pathlib import Path
from typing import Annotated, Any

import typer

from monitor.cli.query import aligned, write_lines
from monitor.clock import WallClock, iso
from monitor.errors import InputError
from monitor.model import ActKind, Phase
from monitor.plant import UNKNOWN
from monitor.store import acts, query
from monitor.store.text import shown, storable

app = typer.Typer(help="List racks and set their phase.", no_args_is_help=True)
Store = Annotated[Path, typer.Option("--store", envvar="DCMON_STORE", help="Folder of the store.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]


@app.command("list")
def list_racks(store: Store = Path("dcmon-data"), as_json: AsJson = False) -> None:
    """List the racks with phase, SKU and what is firing on them. Exit code 1 when there is none."""
    found = query.racks(store / "monitor.db")
    rows = {row["id"]: row for row in found.objects()}
    told = acts.phases(store / "acts.db")
    for rack in told.keys() & _racks(_kinds(store), told):
        row = rows.setdefault(rack, {**dict.fromkeys(found.columns), "id": rack, "points": 0, "firing": 0})
        row["phase"] = told[rack]
    listed = [rows[rack] for rack in sorted(rows)]
    if as_json:
        for row in listed:
            typer.echo(json.dumps(row, ensure_ascii=False, default=str))
    elif listed:
        _table(
            found.columns, [["" if value is None else str(value) for value in row.values()] for row in listed], right=("points", "firing")
        )
    if not listed:
        raise typer.Exit(1)


@app.command()
def phase(
    rack: Annotated[str, typer.Argument(help="Id of the rack, as the wire gives it.")],
    to: Annotated[Phase, typer.Argument(metavar="PHASE", help="expected, checkout, soak, watch, accepted, maintenance or rejected.")],
    why: Annotated[str, typer.Option(help="The reason, for the record.")],
    by: Annotated[str | None, typer.Option(help="Who decided; the user's name by default.")] = None,
    new: Annotated[bool, typer.Option("--new", help="The rack is one that the store does not know yet.")] = False,
    store: Store = Path("dcmon-data"),
) -> None:
    """Record the phase of a rack: an act with who, when and why. A running daemon takes it up within a second."""
    if not store.is_dir():
        raise InputError(f"{store}: is no store; give --store the folder that `dcmon run` writes")
    if not why.strip():
        raise InputError("--why is empty; give the reason, it is kept with the act")
    if not rack.strip():
        raise InputError("RACK is empty; give the rack's id")
    known = _known(store, rack, may_be_new=new or to is Phase.EXPECTED)
    who = by.strip() if by is not None and by.strip() else user()
    number = acts.record(store / "acts.db", who, ActKind.PHASE, rack, str(to), why, WallClock().now())
    named = shown(rack) if known else f"{shown(rack)}, which the store does not know yet,"
    typer.echo(f"recorded as act {number}: {named} to {to}, by {shown(who)}: {shown(why)}")
    typer.echo("a running daemon takes it up within a second")


@app.command()
def history(
    rack: Annotated[str, typer.Argument(help="Id of the rack.")], store: Store = Path("dcmon-data"), as_json: AsJson = False
) -> None:
    """List what people decided on a rack, oldest first. Exit code 1 when nobody has decided anything."""
    if not store.is_dir():
        raise InputError(f"{store}: is no store; give --store the folder that `dcmon run` writes")
    done = [act for act in acts.of(store / "acts.db", rack) if act.kind is ActKind.PHASE]
    if not done:
        racks = _racks(_kinds(store), acts.phases(store / "acts.db"))
        near = query.nearest(rack, racks) if storable(rack) not in racks else None
        advice = f'; did you mean "{shown(near)}"?' if near is not None else ""
        typer.echo(f'no act on "{shown(rack)}" is recorded{advice}', err=True)
        raise typer.Exit(1)
    before: list[str | None] = [None, *(act.value for act in done[:-1])]
    if as_json:
        for former, act in zip(before, done, strict=True):
            told: dict[str, Any] = {"time": iso(act.time), "who": act.who, "from": former, "to": act.value, "why": act.why}
            typer.echo(json.dumps(told, ensure_ascii=False))
        return
    rows = [
        [iso(act.time)[:19].replace("T", " "), act.who, former or "(first act)", act.value, act.why]
        for former, act in zip(before, done, strict=True)
    ]
    _table(("time (UTC)", "who", "from", "to", "why"), rows)


def _known(store: Path, rack: str, *, may_be_new: bool) -> bool:
    """Tell whether a rack is known from the snapshot or from earlier acts.

    Raises:
        InputError: it is no rack, or nobody knows it and it may not be new; with its kind or the nearest known name.

    """
    kinds = _kinds(store)
    name = storable(rack)
    kind = kinds.get(name, UNKNOWN)
    if kind not in {"rack", UNKNOWN}:
        raise InputError(f"{shown(rack)}: is no rack but of kind {shown(kind)}; only racks have a phase")
    racks = _racks(kinds, acts.phases(store / "acts.db"))
    if name in racks or may_be_new:
        return name in racks
    near = query.nearest(rack, racks)
    advice = f'did you mean "{shown(near)}"?' if near is not None else "`dcmon racks list` shows the known ones."
    raise InputError(f"{shown(rack)}: the store knows no such rack; {advice} For one that is yet to come give --new")


def _kinds(store: Path) -> dict[str, str]:
    """Return the kind of each asset; none where no daemon or replay has written yet."""
    snapshot = store / "monitor.db"
    return query.kinds(snapshot) if snapshot.exists() else {}


def _racks(kinds: dict[str, str], told: dict[str, str]) -> set[str]:
    """Return the ids of the racks: by their kind, or by an act where their kind is not known yet."""
    return {asset for asset, kind in kinds.items() if kind == "rack"} | {asset for asset in told if kinds.get(asset, UNKNOWN) == UNKNOWN}


def user(option: str = "--by") -> str:
    """Return the user's name.

    Raises:
        InputError: there is none; names the option that says it.

    """
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user has no name
        raise InputError(f"the user has no name here; say with {option} who decided") from None


def _table(columns: tuple[str, ...], rows: list[list[str]], right: tuple[str, ...] = ()) -> None:
    lines = aligned([columns, *([shown(word) for word in row] for row in rows)], [columns.index(name) for name in right])
    write_lines(lines, ["bold", *repeat("", len(rows))])
