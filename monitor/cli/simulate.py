"""`dcmon simulate`: pods of racks that speak as real ones do, with faults to order."""

import asyncio
import contextlib
import json
import ssl
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
import yaml
from rich.console import Console
from rich.table import Table

from monitor.cli import stop
from monitor.clock import WallClock, iso, parse_time
from monitor.errors import InputError
from monitor.simulate import frames, publish
from monitor.simulate.attend import Attendant
from monitor.simulate.dsx import Bms, Spoken
from monitor.simulate.fleet import Fleet
from monitor.simulate.injection import FORM, Injection
from monitor.simulate.physics import CONTROLS, FAULTS, SKUS
from monitor.simulate.publish import Broker, Speaker
from monitor.simulate.trouble import TROUBLES, Bus

app = typer.Typer()
DEVICE_WIRES = ("dcgm", "redfish", "modbus", "snmp", "syslog")  # of `simulate.devices`, which takes two seconds to load
WIRES: dict[str, Callable[..., Speaker]] = {"dsx": Bms, "frames": frames.Frames}


@app.command()
def simulate(
    racks: Annotated[int, typer.Option(min=1, max=2000, help="Racks in all.")] = 6,
    pod_racks: Annotated[int, typer.Option(min=1, max=40, help="Racks of a pod, behind one CDU.")] = 10,
    sku: Annotated[str, typer.Option(help=f"Of all racks: {', '.join(SKUS)}.")] = "gb200_nvl72",
    wire: Annotated[str, typer.Option(help="What is spoken to the broker: dsx, frames, or both as dsx,frames.")] = "dsx",
    detail: Annotated[
        int | None, typer.Option(min=0, help="Racks of each pod whose trays, GPUs and supplies have points; all by default.")
    ] = None,
    devices: Annotated[
        str,
        typer.Option(help=f"Serve the racks' own wires on loopback, too: {', '.join(DEVICE_WIRES)}, or all; addresses.json says where."),
    ] = "",
    syslog: Annotated[
        str, typer.Option(help="Where kernel logs go: udp://HOST:PORT, tcp://HOST:PORT or a file; with --devices syslog.")
    ] = "",
    fault: Annotated[list[str] | None, typer.Option(help=f"{FORM}; repeatable. --faults lists them.")] = None,
    faults: Annotated[bool, typer.Option("--faults", help="List all faults, controls and troubles, and end.")] = False,
    host: Annotated[str, typer.Option(help="The broker's name or address.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Its MQTT listener.")] = 1883,
    username: Annotated[str | None, typer.Option(help="Of the broker.")] = None,
    password_file: Annotated[Path | None, typer.Option(help="Whose text is the password.")] = None,
    tls: Annotated[bool, typer.Option("--tls", help="Speak TLS, by the system's roots or --ca.")] = False,
    ca: Annotated[Path | None, typer.Option(help="Certificates of the CA, PEM; implies --tls.")] = None,
    clock_rate: Annotated[float, typer.Option(help="Event seconds a real second.")] = 1.0,
    clock_start: Annotated[str | None, typer.Option(help="Event time at the start, ISO 8601; the host's time by default.")] = None,
    clock_at: Annotated[
        str | None, typer.Option(help="Host time at which event time is --clock-start, so that several commands agree; now by default.")
    ] = None,
    step: Annotated[
        float | None, typer.Option(min=0.1, max=60, help="Event seconds from one state to the next; 1, or 10 at clock rates above 20.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of all randomness; the same seed gives the same values.")] = 0,
    missing: Annotated[float, typer.Option(min=0, max=0.5, help="Share of samples that never come.")] = 0.0,
    seconds: Annotated[float | None, typer.Option(min=0, help="Event seconds after which to end; never by default.")] = None,
    name: Annotated[str, typer.Option(help="Begins the name of every pod, and so every id.")] = "Pod",
    write: Annotated[
        Path | None,
        typer.Option(help="Folder to write truth.json, plant.yaml, map.yaml and a monitor.yaml to, for `dcmon run`; then publish."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="At the end, print what was published and injected as one JSON object.")] = False,
) -> None:
    """Simulate liquid-cooled pods and publish them over MQTT, until Ctrl-C."""
    if faults:
        _list(as_json=as_json)
        return
    wires = [word.strip() for word in wire.split(",")]
    for word in wires:
        if word not in WIRES:
            raise InputError(f'--wire {wire}: no wire is called "{word}"; {", ".join(WIRES)} would do')
    try:
        clock = WallClock(
            clock_rate, None if clock_start is None else parse_time(clock_start), None if clock_at is None else parse_time(clock_at)
        )
    except ValueError as error:
        raise InputError(f"--clock-rate {clock_rate} --clock-start {clock_start}: {error}") from None
    orders = parse_faults(fault or [])
    broker = Broker(host, port, username, _secret(password_file), _tls(ca) if tls or ca else None)
    moving = step or (10.0 if clock_rate > 20 else 1.0)
    fleet = Fleet(
        racks,
        start=clock.now() if clock_at is None or clock_start is None else max(clock.now(), parse_time(clock_start)),
        seed=seed,
        faults=orders,
        name=name,
        pod_racks=pod_racks,
        sku=sku,
        detail=detail,
        step=moving,
        missing=missing,
    )
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    served = _device_wires(devices)
    if write is not None:
        _write(write, fleet, wires, broker, clock_rate)
        console.print(
            f"wrote {write}/truth.json, plant.yaml, map.yaml, monitor.yaml; dcmon run {write}/monitor.yaml watches it", markup=False
        )
    points = sum(pod.physics.sensors.size for pod in fleet.pods)
    console.print(
        f"{len(fleet.pods)} pods, {racks} racks, {points:,} points in the plant, as {' and '.join(wires)} to {host}:{port}; Ctrl-C ends it",
        markup=False,
    )
    speakers = [WIRES[word](fleet, pod) for pod in fleet.pods for word in wires]
    spoken = asyncio.run(_publish(fleet, speakers, broker, clock, seconds, console, seed, served, syslog, write))
    parts = (f"{count:,} {key}" for key, count in asdict(spoken).items() if count)
    console.print(f"{fleet.age:.0f} s: {', '.join(parts)}", markup=False)
    if as_json:
        told = {"pods": len(fleet.pods), "racks": racks, "seed": seed, "seconds": fleet.age, "points": points, **asdict(spoken)}
        typer.echo(json.dumps({**told, "faults": [one.record() for one in fleet.truth()]}))


def _list(*, as_json: bool) -> None:
    """Print all that can be ordered."""
    rows = [
        *(("fault", kind, info.catalogue, info.target, info.about) for kind, info in FAULTS.items()),
        *(("control", kind, info.catalogue, info.target, info.about) for kind, info in CONTROLS.items()),
        *(("trouble", kind, "", "", trouble.about) for kind, trouble in TROUBLES.items()),
    ]
    if as_json:
        typer.echo(json.dumps([dict(zip(("what", "name", "catalogue", "where", "about"), row, strict=True)) for row in rows]))
        return
    table = Table("", "name", "catalogue", "by default on", "what it is", box=None, header_style="bold")
    for row in rows:
        table.add_row(*row)
    Console().print(table)


def parse_faults(texts: list[str]) -> list[Injection]:
    """Read all faults, so that all that is wrong is said at once."""
    found, wrong = [], []
    for text in texts:
        try:
            found.append(Injection.parse(text))
        except InputError as error:
            wrong.append(str(error))
    if wrong:
        raise InputError("\n".join(wrong))
    return found


def _secret(file: Path | None) -> str | None:
    if file is None:
        return None
    try:
        return file.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"--password-file {file}: cannot be read ({error}); a text file is needed") from None


def _tls(ca: Path | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca)
    except (OSError, ssl.SSLError) as error:
        raise InputError(f"--ca {ca}: cannot be loaded ({error}); certificates in PEM are needed") from None


def _write(folder: Path, fleet: Fleet, wires: list[str], broker: Broker, rate: float) -> None:
    """Write what the monitor needs to know, and the truth."""
    links: list[dict[str, object]] = []
    for word in wires:
        link: dict[str, object] = {"name": word, "host": broker.host, "port": broker.port, "dialect": word}
        links.append(link | {"map": "map.yaml"} if word == "frames" else link)
    racks = {
        pod.physics.layout.name(rack): {"sku": pod.physics.layout.sku} for pod in fleet.pods for rack in pod.physics.layout.ids("rack")
    }
    # Written, sent and read take real time, which a fast clock makes longer.
    wait = round(max(2.0, 0.3 * rate), 1)
    settings: dict[str, object] = {
        "time": {"tick": max(1.0, fleet.step / 5), "lateness": wait, "idle": wait},
        "links": links,
        "store": {"path": str(folder.absolute() / "store")},
        "racks": racks,
    }
    if "frames" in wires:
        settings["plant"] = str(folder.absolute() / "plant.yaml")
        for link in links:
            if "map" in link:
                link["map"] = str(folder.absolute() / "map.yaml")
    texts = {
        "truth.json": json.dumps([one.record() for one in fleet.truth()], indent=1) + "\n",
        "plant.yaml": yaml.safe_dump(frames.plant_file(fleet), sort_keys=False),
        "map.yaml": yaml.safe_dump(frames.frame_map(fleet.pods[0], fleet.step), sort_keys=False),
        "monitor.yaml": yaml.safe_dump(settings, sort_keys=False),
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            (folder / name).write_text(text)
    except OSError as error:
        raise InputError(f"--write {folder}: {error.strerror}; a folder that can be written would do") from error


def _device_wires(text: str) -> tuple[str, ...]:
    words = DEVICE_WIRES if text == "all" else tuple(word.strip() for word in text.split(",") if word.strip())
    for word in words:
        if word not in DEVICE_WIRES:
            raise InputError(f'--devices {text}: no wire is called "{word}"; all, or some of {", ".join(DEVICE_WIRES)} would do')
    return words


async def _publish(
    fleet: Fleet,
    speakers: list[Speaker],
    broker: Broker,
    clock: WallClock,
    seconds: float | None,
    console: Console,
    seed: int,
    served: tuple[str, ...],
    syslog: str,
    folder: Path | None,
) -> Spoken:
    """Publish until done, SIGINT or SIGTERM; tell on the way when faults begin and end, and when the machine cannot keep up."""
    stop.on_signals()
    held: set[Injection] = set()
    last = Spoken()
    warned = False
    first: int | None = None
    attendant: Attendant | None = None

    def told(spoken: Spoken) -> None:
        nonlocal held, last, warned, first
        if attendant is not None:
            attendant.step()
        now = set(fleet.active())
        for verb, orders in (("begins", now - held), ("ends", held - now)):
            for order in sorted(orders, key=str):
                console.print(f"{iso(fleet.time)} {order} {verb}", markup=False)
        held, last = now, spoken
        first = spoken.skipped if first is None else first  # what passed while everything was started
        if spoken.skipped > first + 10 and not warned:
            warned = True
            console.print(
                "this machine cannot keep up, so steps are left out: fewer racks, a longer --step or a lower --clock-rate would do"
            )
        if status is not None:
            status.update(f"{iso(fleet.time)[:19]}  {spoken.readings:,} readings")

    bus = Bus((trouble for pod in fleet.pods for trouble in pod.troubles), seed)
    async with contextlib.AsyncExitStack() as stack:
        status = stack.enter_context(console.status("connecting")) if console.is_terminal else None
        if served:
            from monitor.simulate.devices import Options, serve

            options = Options(syslog=syslog)
            running = [await stack.enter_async_context(serve(pod.physics, clock, served, options=options)) for pod in fleet.pods]
            attendant = Attendant(fleet, running)
            found = {pod.name: asdict(one.addresses) for pod, one in zip(fleet.pods, running, strict=True)}
            if folder is not None:
                (folder / "addresses.json").write_text(json.dumps(found, indent=1) + "\n")
            counts = {wire: sum(len(one[wire]) for one in found.values()) for wire in served if wire != "syslog"}
            console.print(
                f"devices on loopback: {', '.join(f'{count} {wire}' for wire, count in counts.items()) or served[0]}", markup=False
            )
        with contextlib.suppress(asyncio.CancelledError):
            await publish.run(fleet, speakers, broker, clock, seconds=seconds, bus=bus, told=told)
    return last


if __name__ == "__main__":
    app()
