"""`dcmon trial`: everything goes wrong once on a simulated fleet, and what was told is held against the truth."""

import asyncio
import json
from contextlib import ExitStack
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from monitor import shipped
from monitor.bench import trial as trials
from monitor.bench.suite import ON_DSX, suite
from monitor.cli.simulate import parse_faults
from monitor.clock import iso
from monitor.detect import rules as rule_files
from monitor.errors import InputError
from monitor.simulate.fleet import Fleet
from monitor.simulate.injection import Injection
from monitor.simulate.physics import CONTROLS, FAULTS

WIRES = ("memory", "frames", "dsx")


def trial(
    racks: Annotated[int, typer.Option(min=1, max=2000, help="Racks in all.")] = 100,
    pod_racks: Annotated[int, typer.Option(min=1, max=40, help="Racks of a pod; robust deviations need 9.")] = 10,
    detail: Annotated[int, typer.Option(min=0, help="Racks of each pod whose trays, GPUs and supplies have points.")] = 7,
    hours: Annotated[float, typer.Option(min=0.1, help="Of event time.")] = 24.0,
    wire: Annotated[
        str, typer.Option(help="memory: a replay as fast as it goes; frames, dsx: through a real broker and the daemon.")
    ] = "memory",
    clock_rate: Annotated[float, typer.Option(min=1.0, help="Event seconds a real second, on a wire.")] = 60.0,
    tick: Annotated[float, typer.Option(min=0.1, max=60, help="S of event time a tick, in memory.")] = 1.0,
    fault: Annotated[list[str] | None, typer.Option(help="Orders as of `dcmon simulate`; by default every fault and control once.")] = None,
    healthy: Annotated[bool, typer.Option("--healthy", help="Nothing goes wrong: how often is anything told?")] = False,
    repeat: Annotated[int, typer.Option(min=1, help="Fleets of other seeds one after the other, in memory.")] = 1,
    seed: Annotated[int, typer.Option(min=0, help="Of all randomness.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Inject every fault once, and say which rule found it and when, and which alerts are nobody's effect. Exit code 1 when one was missed or an alert is strange."""
    if wire not in WIRES:
        raise InputError(f'--wire "{wire}" is none; {", ".join(WIRES)} would do')
    rules = rule_files.load(shipped.rules())
    orders = [] if healthy else parse_faults(fault) if fault else suite(-(-racks // pod_racks), pod_racks, hours, kinds=_on(wire))
    console = Console(stderr=True, highlight=False)
    found = []
    with ExitStack() as stack:
        status = stack.enter_context(console.status("starting")) if console.is_terminal else None
        for number in range(repeat):

            def told(time: float, number: int = number) -> None:
                if status is not None:
                    status.update(f"{number + 1} of {repeat}: {iso(time)[:19]}, {hours:g} h from {iso(trials.START)[:10]}")

            if wire == "memory":
                fleet = _fleet(racks, pod_racks, detail, seed + number, orders)
                found.append(trials.in_memory(fleet, rules, hours, tick, told))
            else:
                running = trials.live(
                    orders, rules, racks=racks, pod_racks=pod_racks, detail=0 if wire == "dsx" else detail, wire=wire, hours=hours,
                    rate=clock_rate, seed=seed + number, told=told,
                )  # fmt: skip
                found.append(asyncio.run(running))
    result = trials.together(found)
    if as_json:
        typer.echo(json.dumps(result))
    else:
        _show(result)
    if result["missed"] or result["strange"]:
        raise typer.Exit(1)


def _fleet(racks: int, pod_racks: int, detail: int, seed: int, orders: list[Injection]) -> Fleet:
    return Fleet(racks, start=trials.START, seed=seed, faults=orders, pod_racks=pod_racks, detail=detail, step=10.0)


def _on(wire: str) -> list[str]:
    """Return the kinds that a wire can show."""
    return [kind for kind in (*FAULTS, *CONTROLS) if wire != "dsx" or kind in ON_DSX]


def _show(result: dict[str, object]) -> None:
    console = Console(highlight=False)
    table = Table("fault", "where", "found by", "on", "after", box=None, header_style="bold")
    faults = result["faults"]
    assert isinstance(faults, list)
    for one in faults:
        delay = "" if one["delay_s"] is None else f"{one['delay_s']:,.0f} s"
        table.add_row(one["fault"], one["where"], one["rule"] or "[red]missed[/]", one["asset"] or "", delay)
    console.print(table)
    strange = result["strange"]
    assert isinstance(strange, list)
    for one in strange:
        console.print(
            f"nobody's effect: {iso(one['fired'])[:19]} {one['severity']} {one['rule']} {one['asset']} {one['summary']}", markup=False
        )
    facts = (
        "rack_days",
        "points",
        "alerts",
        "effects",
        "found",
        "missed",
        "strange_major",
        "false_per_rack_day",
        "false_per_rack_day_95",
        "cpu_s",
        "rss_mb",
    )
    console.print(", ".join(f"{key} {result[key]}" for key in facts if key in result))
