"""`dcmon simulate`: one pod of racks, published as a building management system publishes it."""

import asyncio
import contextlib
import json
import signal
from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console

from monitor.clock import WallClock, iso, parse_time
from monitor.errors import InputError
from monitor.simulate import dsx
from monitor.simulate.faults import FAULTS, FORM, Injection
from monitor.simulate.pod import Pod

app = typer.Typer()


@app.command()
def simulate(
    racks: Annotated[int, typer.Option(min=1, max=2000, help="Racks in the pod.")] = 6,
    host: Annotated[str, typer.Option(help="The broker's name or address.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Its MQTT listener, without TLS.")] = 1883,
    fault: Annotated[list[str] | None, typer.Option(help=f"{FORM}; repeatable. Faults: {', '.join(FAULTS)}.")] = None,
    clock_rate: Annotated[float, typer.Option(help="Event seconds a real second.")] = 1.0,
    clock_start: Annotated[str | None, typer.Option(help="Event time at the start, ISO 8601; the host's time by default.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of all randomness; the same seed gives the same values.")] = 0,
    seconds: Annotated[float | None, typer.Option(min=0, help="Event seconds after which to end; never by default.")] = None,
    name: Annotated[str, typer.Option(help="Of the pod; begins every id.")] = "Pod1",
    as_json: Annotated[bool, typer.Option("--json", help="At the end, print what was published and injected as one JSON object.")] = False,
) -> None:
    """Simulate a liquid-cooled pod and publish it on DSX Exchange BMS 1.0, until Ctrl-C."""
    try:
        clock = WallClock(clock_rate, None if clock_start is None else parse_time(clock_start))
    except ValueError as error:
        raise InputError(f"--clock-rate {clock_rate} --clock-start {clock_start}: {error}") from None
    pod = Pod(racks, start=clock.now(), seed=seed, faults=_parse(fault or []), name=name)
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    console.print(f"{name}: {racks} racks, to {host}:{port}; Ctrl-C ends it", markup=False)
    spoken = asyncio.run(_publish(pod, host, port, clock, seconds, console))
    console.print(f"{pod.age:.0f} s: {spoken.metadata} metadata, {spoken.values} values, {spoken.heartbeats} heartbeats")
    if as_json:
        faults = [one.record() for one in pod.truth()]
        told = {"pod": name, "racks": racks, "seed": seed, "seconds": pod.age, **asdict(spoken), "faults": faults}
        typer.echo(json.dumps(told))


def _parse(texts: list[str]) -> list[Injection]:
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


async def _publish(pod: Pod, host: str, port: int, clock: WallClock, seconds: float | None, console: Console) -> dsx.Spoken:
    """Publish until done, SIGINT or SIGTERM; tell on the way when faults begin and end."""
    task = asyncio.current_task()
    assert task is not None
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, task.cancel)
    held: set[Injection] = set()
    spoken = dsx.Spoken()

    def told(bms: dsx.Bms) -> None:
        nonlocal held, spoken
        now = set(pod.active())
        for verb, faults in (("begins", now - held), ("ends", held - now)):
            for fault in sorted(faults, key=str):
                console.print(f"{iso(pod.time)} {fault} {verb}", markup=False)
        held, spoken = now, bms.spoken
        if status is not None:
            status.update(f"{iso(pod.time)[:19]}  {spoken.values:,} values")

    with contextlib.ExitStack() as stack:
        status = stack.enter_context(console.status("connecting")) if console.is_terminal else None
        with contextlib.suppress(asyncio.CancelledError):
            await dsx.publish(pod, host, port, clock, seconds=seconds, told=told)
    return spoken


if __name__ == "__main__":
    app()
