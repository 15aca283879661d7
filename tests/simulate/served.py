"""A small pod whose devices speak on loopback, on a clock that the test moves."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import aiohttp

from monitor.clock import ManualClock
from monitor.simulate.devices import Devices, Options, serve
from monitor.simulate.physics import Physics

LOGIN = {"Authorization": aiohttp.encode_basic_auth("monitor", "monitor")}


class Clock(ManualClock):
    """Knows how many wait for it."""

    def __init__(self, start: float) -> None:
        super().__init__(start)
        self.sleepers = 0

    async def sleep(self, seconds: float) -> None:
        self.sleepers += 1
        try:
            await super().sleep(seconds)
        finally:
            self.sleepers -= 1


@dataclass
class Served:
    physics: Physics
    clock: Clock
    devices: Devices

    def step(self, seconds: float = 1.0, events: list[tuple[int, int]] | None = None) -> None:
        """Move plant and clock, and let the devices know."""
        self.physics.step(seconds)
        self.clock.move(self.physics.time - self.clock.now())
        self.devices.follow([*self.physics.events(), *(events or [])])

    def put(self, path: str, value: float) -> None:
        """Let a point of the plant have a value until the next step."""
        values = self.physics.values.copy()
        values[self.physics.row(path)] = value
        self.physics.values = values
        self.devices.follow([])

    async def asleep(self) -> None:
        """Wait until somebody waits for the clock."""
        while not self.clock.sleepers:
            await asyncio.sleep(0.001)

    async def past(self, seconds: float, task: "asyncio.Task[Any]") -> Any:
        """Let so much time pass once a task waits for it, and return what comes of it."""
        await self.asleep()
        self.clock.move(seconds)
        return await task


@contextlib.asynccontextmanager
async def pod(*wires: str, options: Options | None = None, racks: int = 1, **given: Any) -> AsyncIterator[Served]:
    physics = Physics(racks, seed=1, detail=1, **given)
    physics.step(1.0)
    clock = Clock(physics.time)
    async with serve(physics, clock, wires, options=options) as devices:
        devices.follow(physics.events())
        yield Served(physics, clock, devices)


async def refused(address: str) -> bool:
    """Tell whether nobody listens at host:port."""
    host, _, port = address.removeprefix("http://").partition("/")[0].partition(":")
    try:
        _, writer = await asyncio.open_connection(host, int(port))
    except ConnectionRefusedError:
        return True
    except ConnectionResetError:  # it is about to close
        return False
    writer.close()
    return False
