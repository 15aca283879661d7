"""`dcmon bench`: what it costs, measured here and now."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from monitor import shipped
from monitor.bench import engine as engine_bench
from monitor.bench import ingest as ingest_bench
from monitor.bench import latency as latency_bench
from monitor.bench import replay as replay_bench
from monitor.bench import store as store_bench
from monitor.bench import workload, workload_ingest
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
    frames: Annotated[Path | None, typer.Option("--workload", help="Folder of workload W: its frames in place of DSX messages.")] = None,
    trouble: Annotated[str, typer.Option(help="With --workload, scored once more each: jitter, late, duplicate; or none.")] = "none",
    history: Annotated[
        bool, typer.Option(help="With --workload: keep the readings as Parquet, too, as far as the disk's writer keeps up.")
    ] = False,
    racks: Annotated[int, typer.Option(min=0, help="Frames of so many racks in real time through the daemon; 0 leaves it out.")] = 0,
    settle: Annotated[float, typer.Option(min=1, help="With --racks: s before the measurement.")] = 40.0,
    seconds: Annotated[float, typer.Option(min=5, help="With --racks: s of the measurement.")] = 60.0,
    pack: Annotated[str, typer.Option(help="With --racks: full for the shipped rules, w for the nine of workload W.")] = "full",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Messages from a real nats-server, QoS 0, through session, decode and rules, on one core. Exit code 1 when one was lost or an alert is wrong."""
    _check_pack(pack)
    if racks:
        found = latency_bench.latency(racks=racks, alerts=0, settle=settle, seconds=seconds, rules=pack)
        wrong = bool(found["dropped"])
    elif frames is not None:
        troubles = _troubles(trouble)
        found = workload_ingest.ingest(frames, repeat=repeat, troubles=troubles, baseline=baseline, history=history)
        scores = (found["score"], *found["trouble"].values())
        wrong = bool(found["lost"]) or any(score["missed"] or score["false"] for score in scores)
    else:
        checked = rule_files.load(rules or shipped.rules())
        found = ingest_bench.ingest(checked, topics=topics, messages=messages, paced=paced, repeat=repeat, baseline=baseline)
        wrong = bool(found["lost"] or found["reordered"])
    _print(found, as_json=as_json)
    if wrong:
        raise typer.Exit(1)


def _troubles(text: str) -> tuple[workload.Trouble, ...]:
    known: dict[str, workload.Trouble] = {one: one for one in workload_ingest.TROUBLES}
    words = [word.strip() for word in text.split(",") if word.strip() not in ("", "none")]
    for word in words:
        if word not in known:
            raise typer.BadParameter(f'--trouble "{word}" is unknown; {", ".join(known)} or none would do')
    return tuple(known[word] for word in words)


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
    _print(found, as_json=as_json)


@app.command()
def latency(
    racks: Annotated[int, typer.Option(min=1, help="Racks, a frame of 480 values each every 10 s.")] = 2000,
    alerts: Annotated[int, typer.Option(min=1, help="Faults that begin; ten in eleven are leaks.")] = 220,
    settle: Annotated[float, typer.Option(min=1, help="s before the measurement, in which all racks become known.")] = 40.0,
    seconds: Annotated[float, typer.Option(min=5, help="s of the measurement.")] = 50.0,
    pack: Annotated[str, typer.Option(help="full: the shipped rules; w: the nine of workload W.")] = "full",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """From a frame handed to the broker to its alert committed, under the load of a fleet, the daemon on one core. Exit code 1 when one is missing."""
    _check_pack(pack)
    found = latency_bench.latency(racks=racks, alerts=alerts, settle=settle, seconds=seconds, rules=pack)
    _print(found, as_json=as_json)
    if found["told"] < found["faults"]:
        raise typer.Exit(1)


@app.command()
def store(
    racks: Annotated[int, typer.Option(min=1, help="Racks of 480 points.")] = 100,
    minutes: Annotated[int, typer.Option(min=1, help="Minutes of history, a reading of each point every 10 s, a segment a minute.")] = 10,
    alerts: Annotated[int, typer.Option(min=1, help="Alerts committed one by one.")] = 500,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """The store alone: readings a second and bytes a reading, alerts committed a second, time of queries."""
    _print(store_bench.run(racks=racks, minutes=minutes, alerts=alerts), as_json=as_json)


@app.command()
def replay(
    racks: Annotated[int, typer.Option(min=1, help="Racks of the fleet.")] = 100,
    points: Annotated[int, typer.Option(min=100, help="Points a rack, with the whole pack.")] = 480,
    hours: Annotated[float, typer.Option(min=0.01, help="Hours that are replayed; day_s is what a day would take.")] = 0.5,
    ticks: Annotated[str, typer.Option(help="s a tick, several with commas; a table of 10 s rows is judged every 10 s.")] = "10",
    rules: Annotated[Path | None, typer.Option(help="Folder of rules; the shipped ones by default.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """A fleet's readings every 10 s through a replay, values in memory: the whole pack bound, and workload W's nine rules."""
    try:
        steps = tuple(float(word) for word in ticks.split(",") if word.strip())
    except ValueError:
        raise typer.BadParameter(f'--ticks "{ticks}" is no list of numbers; write for example 10,1') from None
    full, nine = rule_files.load(rules or shipped.rules()), rule_files.load(workload.RULES)
    _print(replay_bench.run(full, nine, racks=racks, points=points, hours=hours, ticks=steps), as_json=as_json)


def _check_pack(pack: str) -> None:
    if pack not in ("full", "w"):
        raise typer.BadParameter(f'"{pack}" is no pack; full or w would do')


def _print(found: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(found))
    else:
        Console().print_json(data=found)
