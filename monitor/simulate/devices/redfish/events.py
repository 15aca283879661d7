"""Events of Redfish services: what happened to leak detectors and power supplies, and who listens."""

import asyncio
from dataclasses import dataclass, field
from math import isnan

from monitor.clock import iso
from monitor.simulate.devices.readout import Readout
from monitor.simulate.devices.redfish.tree import ROOT, Json, link

_LEAK = {  # state before and after -> key, severity, text (Environmental registry 1.4)
    True: ("Environmental.1.4.LeakDetectedCritical", "Critical", "Leak detector '%s' reports a critical leak."),
    False: ("Environmental.1.4.LeakDetectedNormal", "OK", "Leak detector '%s' has returned to a no leaks detected state."),
}
_SUPPLY = {  # Power registry 1.2
    True: ("Power.1.2.PowerSupplyFailed", "Critical", "Power supply '%s' has failed."),
    False: ("Power.1.2.PowerSupplyRestored", "OK", "Power supply '%s' was restored."),
}
MOST_WAITING = 256  # events that a slow listener may be behind


@dataclass(slots=True)
class Stream:
    """What one listener is still to be sent."""

    _queue: asyncio.Queue[tuple[str, Json]] = field(default_factory=lambda: asyncio.Queue(MOST_WAITING))

    def put(self, ident: str, event: Json) -> int:
        """Add an event; return how many old ones went for it, because the listener is too slow."""
        lost = 0
        if self._queue.full():
            self._queue.get_nowait()
            lost = 1
        self._queue.put_nowait((ident, event))
        return lost

    async def get(self) -> tuple[str, Json]:
        return await self._queue.get()


class Watch:
    """Notices what a tray's or a shelf's controller would send an event about.

    Args:
        readout: of the plant.
        prefix: of a device's ids in its service.

    """

    def __init__(self, readout: Readout, prefixes: dict[str, str]) -> None:
        self._readout, self._prefixes = readout, prefixes
        self._before = dict(self._states())

    def look(self) -> list[tuple[str, Json]]:
        """Return device and record of each event since the last look."""
        found = []
        for key, state in self._states():
            before, self._before[key] = self._before.get(key), state
            if before is not None and before != state:
                found.append((key[0], self._record(*key, state)))
        return found

    def _states(self) -> list[tuple[tuple[str, str], bool]]:
        readout = self._readout
        rows = []
        for signal, place in (("tray.leak", "tray"), ("psu.status", "psu")):
            for asset in readout.physics.layout.ids(place):
                device = asset if place == "tray" else asset.rpartition("/")[0]
                if device not in self._prefixes or readout.condition(device).down:
                    continue
                value = readout.number(signal, asset, device)
                if not isnan(value):
                    rows.append(((device, asset), value > 0))
        return rows

    def _record(self, device: str, asset: str, state: bool) -> Json:
        chassis = f"{ROOT}/Chassis/{self._prefixes[device]}"
        if device == asset:
            name = "Chassis_0_LeakDetector_0_ColdPlate"
            origin = f"{chassis}Chassis_0/ThermalSubsystem/LeakDetection/LeakDetectors/{name}"
            key, severity, text = _LEAK[state]
        else:
            number = asset.rpartition("psu")[2]
            name, origin = f"PowerSupplyUnit {number}", f"{chassis}PowerShelf_0/PowerSubsystem/PowerSupplies/{number}"
            key, severity, text = _SUPPLY[state]
        return {
            "EventTimestamp": iso(self._readout.moment(device)).replace("Z", "+00:00"),
            "EventType": "Alert",
            "Message": text % name,
            "MessageArgs": [name],
            "MessageId": key,
            "MessageSeverity": severity,
            "OriginOfCondition": link(origin),
        }
