"""`dcmon demo`: broker, simulated pod with an early-life fault, and the daemon, in one command."""

import asyncio
import contextlib
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from monitor import shipped
from monitor.cli.run import printer
from monitor.clock import WallClock
from monitor.collect.own import LinkState
from monitor.config import Config, MqttLink, Store
from monitor.detect import rules as rule_files
from monitor.model import Alert
from monitor.pipeline import Daemon
from monitor.simulate import publish
from monitor.simulate.broker import demo_broker
from monitor.simulate.dsx import Bms
from monitor.simulate.fleet import Fleet
from monitor.simulate.injection import Injection
from monitor.simulate.publish import Broker

FAULT = "flow_restricted@Pod1-R03+20"  # a half-shut valve in the loop of rack 3, the classic of a hand-over


def demo(
    once: Annotated[bool, typer.Option("--once", help="End when the injected fault was found: exit code 0, or 1 when it was not.")] = False,
    fault: Annotated[list[str] | None, typer.Option(help=f"Fault to inject, fault@where+seconds, repeatable; {FAULT} by default.")] = None,
    racks: Annotated[int, typer.Option(min=1, max=200, help="Racks in the pod.")] = 6,
    clock_rate: Annotated[float, typer.Option(min=0.1, max=20.0, help="Event seconds a real second.")] = 10.0,
    store: Annotated[Path | None, typer.Option(help="Keep the store in this folder; a temporary one by default.")] = None,
    patience: Annotated[float, typer.Option(min=1.0, help="With --once: real seconds to wait for the fault.")] = 90.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print each alert change as one JSON object a line.")] = False,
) -> None:
    """Start a broker, a simulated pod with one injected fault, and the monitor; print alerts as they come."""
    chosen = tuple(Injection.parse(text) for text in fault or [FAULT])
    with tempfile.TemporaryDirectory(prefix="dcmon-demo-") as scratch, _said(store):
        found = asyncio.run(
            _demo(Path(scratch), store or Path(scratch) / "store", chosen, racks, clock_rate, patience if once else None, as_json=as_json)
        )
    if once and not found:
        raise typer.Exit(1)


@contextlib.contextmanager
def _said(store: Path | None) -> Iterator[None]:
    """Say at Ctrl-C what remains."""
    try:
        yield
    except KeyboardInterrupt:
        remains = f"its store is in {store}" if store else "its store is gone; give --store DIR to keep one for `dcmon query`"
        typer.echo(f"\ndemo ended; {remains}", err=True)
        raise


async def _demo(
    scratch: Path, store: Path, faults: tuple[Injection, ...], racks: int, rate: float, patience: float | None, *, as_json: bool
) -> bool:
    """Run the demonstration; returns whether every injected fault was found by a rule that should see it."""
    console = Console(stderr=as_json, highlight=False, soft_wrap=True)
    clock = WallClock(rate, time.time())
    fleet = Fleet(racks, start=clock.now(), seed=7, faults=faults)
    truth = fleet.truth()
    open_truth = {id(one): one for one in truth}
    found = asyncio.Event()
    begun = time.monotonic()

    printed = printer(as_json=as_json)

    def told(alerts: Sequence[Alert]) -> None:
        printed(alerts)
        for alert in alerts:
            for one in list(open_truth.values()):
                if one.seen_by(alert.rule, alert.asset):
                    del open_truth[id(one)]
                    console.print(
                        f"[bold green]found[/] the injected {one.fault} on {one.where}, {alert.fired - one.time:.0f} s after it began, by {alert.rule}"
                    )
            if not open_truth:
                found.set()

    async with AsyncExitStack() as stack:
        host, port = await stack.enter_async_context(demo_broker(scratch / "broker"))
        console.print(f"broker     nats-server, MQTT on {host}:{port}")
        config = Config(store=Store(path=store), links=(MqttLink(name="demo", host=host, port=port),))
        checked = rule_files.load(shipped.rules())
        daemon = Daemon(config, checked, clock, told)
        console.print(f"monitor    {len(checked.rules)} rules, store in {store}")
        console.print(f"pod        {racks} racks speaking DSX Exchange BMS 1.0, {rate:g} times faster than real time")
        for one in truth:
            console.print(f"fault      {one.fault} on {one.where} after {one.time - fleet.start:.0f} s of event time")
        watching = asyncio.create_task(daemon.run(), name="daemon")
        stack.push_async_callback(_end, watching)
        while not _connected(daemon) and not watching.done():
            await asyncio.sleep(0.02)
        speaking = asyncio.create_task(publish.run(fleet, [Bms(fleet, pod) for pod in fleet.pods], Broker(host, port), clock), name="pod")
        stack.push_async_callback(_end, speaking)
        waiting = asyncio.create_task(found.wait())
        stack.push_async_callback(_end, waiting)
        left = None if patience is None else patience
        await asyncio.wait(
            {watching, speaking, *({waiting} if patience is not None else ())}, timeout=left, return_when=asyncio.FIRST_COMPLETED
        )
        for task in (watching, speaking):
            if task.done():
                task.result()
    if patience is not None and open_truth:
        console.print(
            f"[bold red]not found[/] within {time.monotonic() - begun:.0f} s: {', '.join(f'{one.fault} on {one.where}' for one in open_truth.values())}"
        )
    return not open_truth


def _connected(daemon: Daemon) -> bool:
    return daemon.core is not None and LinkState.CONNECTED in daemon.core.own.states.values()


async def _end(task: "asyncio.Task[object]") -> None:
    task.cancel()
    await asyncio.wait([task])
