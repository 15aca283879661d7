"""`dcmon bench`: what it costs, measured here and now."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from monitor import shipped
from monitor.bench import engine as engine_bench
from monitor.bench import ingest as ingest_bench
from monitor.detect import rules as rule_files

app = typer.Typer(help="Measure what the monitor costs on this machine.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    pass


@app.command()
def ingest(
    topics: Annotated[int, typer.Option(min=256, help="DSX points, one topic each.")] = 20_000,
    messages: Annotated[int, typer.Option(min=10_000, help="Values of a run at full speed.")] = 1_000_000,
    paced: Annotated[int, typer.Option(min=100, help="Messages a second of the paced run.")] = 35_000,
    repeat: Annotated[int, typer.Option(min=1, help="Runs of each kind; the median counts.")] = 3,
    rules: Annotated[Path | None, typer.Option(help="Folder of rules; the shipped ones by default.")] = None,
    baseline: Annotated[bool, typer.Option(help="Measure the hand-written aiomqtt loop in the same run.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """DSX messages from a real nats-server, QoS 0, through session, decode, history and rules. Exit code 1 when one was lost or out of order."""
    found = ingest_bench.ingest(
        rule_files.load(rules or shipped.rules()), topics=topics, messages=messages, paced=paced, repeat=repeat, baseline=baseline
    )
    if as_json:
        typer.echo(json.dumps(found))
    else:
        Console().print_json(data=found)
    if found["lost"] or found["reordered"]:
        raise typer.Exit(1)


@app.command()
def engine(
    racks: Annotated[int, typer.Option(min=1, help="Racks of the fleet.")] = 500,
    points: Annotated[int, typer.Option(min=100, help="Points a rack.")] = 480,
    repeat: Annotated[int, typer.Option(min=1, help="Measurements of each kind; the median counts.")] = 5,
    scale: Annotated[
        str, typer.Option(help="Numbers of racks whose cost a reading is compared, first with last; empty leaves it out.")
    ] = "",
    rules: Annotated[Path | None, typer.Option(help="Folder of rules; the shipped ones by default.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Frame and rules with values in memory, on a plant where every rule binds. CPU time of one core."""
    try:
        compared = tuple(int(word) for word in scale.split(",") if word.strip())
    except ValueError:
        raise typer.BadParameter(f'--scale "{scale}" is no list of numbers; write for example 100,2000') from None
    found = engine_bench.engine(rule_files.load(rules or shipped.rules()), racks=racks, points=points, repeat=repeat, scale=compared)
    if as_json:
        typer.echo(json.dumps(found))
    else:
        Console().print_json(data=found)
