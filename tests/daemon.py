"""The daemon in this process, for tests with real brokers."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from monitor import shipped
from monitor.clock import Clock
from monitor.collect.own import LinkState
from monitor.config import Config, MqttLink, Store
from monitor.detect import rules as rule_files
from monitor.model import Alert
from monitor.pipeline import Daemon

PATIENCE = 60.0  # s of real time


def settings(folder: Path, port: int, **link: object) -> Config:
    return Config(store=Store(path=folder), links=(MqttLink.model_validate({"port": port, **link}),))


@asynccontextmanager
async def running(config: Config, clock: Clock, alerts: list[Alert] | None = None) -> AsyncIterator[Daemon]:
    """Run the daemon; yields it once its link is up, ends it afterwards."""

    def told(news: Sequence[Alert]) -> None:
        if alerts is not None:
            alerts.extend(news)

    daemon = Daemon(config, rule_files.load(shipped.rules()), clock, told)
    task = asyncio.create_task(daemon.run())
    try:
        await until(lambda: task.done() or connected(daemon))
        if task.done():
            task.result()
        yield daemon
    finally:
        task.cancel()
        await asyncio.wait([task])


def connected(daemon: Daemon) -> bool:
    return daemon.core is not None and LinkState.CONNECTED in daemon.core.own.states.values()


async def until(true: object) -> None:
    """Wait until a condition holds; fails after PATIENCE."""
    assert callable(true)
    async with asyncio.timeout(PATIENCE):
        while not true():
            await asyncio.sleep(0.02)
