"""Keeps the device servers of a fleet up with it: what happened in each step, and the trouble that is ordered for devices."""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from monitor.simulate.fleet import Fleet, Pod
from monitor.simulate.trouble import Trouble

if TYPE_CHECKING:
    from monitor.simulate.devices import Devices


class Attendant:
    """Tells devices what their pods did; call `step` after each step, from the loop that serves.

    Args:
        fleet: whose pods these are.
        devices: of each pod, in their order.

    """

    def __init__(self, fleet: Fleet, devices: "Sequence[Devices]") -> None:
        self._fleet, self._devices = fleet, devices
        self._holding: set[Trouble] = set()
        self._reboots: set[asyncio.Task[None]] = set()

    def step(self) -> None:
        for pod, devices in zip(self._fleet.pods, self._devices, strict=True):
            devices.follow(pod.events)
            for trouble in pod.troubles:
                if trouble.words:
                    self._move(pod, devices, trouble)

    def _move(self, pod: Pod, devices: "Devices", trouble: Trouble) -> None:
        """Begin or end one trouble of a device."""
        holds = trouble.holds(self._fleet.age)
        if holds == (trouble in self._holding):
            return
        (self._holding.add if holds else self._holding.discard)(trouble)
        asset = pod.physics.layout.name(trouble.words)
        match trouble.kind:
            case "bmc_reboot" if holds:
                task = asyncio.create_task(devices.reboot(asset, trouble.time))
                self._reboots.add(task)
                task.add_done_callback(self._reboots.discard)
            case "bmc_slow":
                devices.slow(asset, trouble.size if holds else 0.0)
            case "clock_skew":
                devices.skew(asset, trouble.size if holds else 0.0)
