"""What a device shows: the plant's newest values, seen through how the device itself is doing."""

from dataclasses import dataclass, field
from math import nan
from uuid import NAMESPACE_URL, uuid5

import numpy as np

from monitor.clock import Clock
from monitor.errors import InputError
from monitor.model import F64
from monitor.simulate.physics.plant import Physics
from monitor.vocabulary import QUANTITIES

METERED = ("gpu.power", "cpu.power", "psu.input_power", "psu.output_power")  # whose energy is counted
KEPT = ("gpu.remapped_rows_corrected", "gpu.remapped_rows_uncorrected")  # counts in memory that a reboot does not clear


@dataclass(frozen=True, slots=True)
class State:
    """What the plant measured at one time; the arrays are the plant's own and never change."""

    time: float  # event time, seconds since 1970 UTC
    values: F64  # shape (S,), in the order of the plant's points
    joules: dict[str, F64]  # energy so far by metered signal, in the order of its place
    xids: dict[int, float]  # newest code by row of an Xid point


@dataclass(slots=True)
class Condition:
    """How one device is doing. Times are event time, seconds since 1970 UTC, or s."""

    booted: float
    down: bool = False
    delay: float = 0.0  # before each answer
    ahead: float = 0.0  # of its clock
    frozen: State | None = None  # what it goes on showing
    base: State | None = None  # what counted before its last boot
    boots: int = 1


@dataclass(slots=True)
class Readout:
    """Values of the plant by device. Nothing is kept of them but the energy that they add up to.

    A device is what has a controller of its own: a tray, a shelf, a rack's switches, a CDU, a tap's or a feed's meter.
    Ids are those inside the pod; see `Layout.name`.
    """

    physics: Physics
    clock: Clock
    _place: dict[str, dict[str, int]] = field(default_factory=dict)
    _below: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    _conditions: dict[str, Condition] = field(default_factory=dict)
    _state: State = field(init=False)

    def __post_init__(self) -> None:
        joules = {name: np.zeros(rows.stop - rows.start) for name in METERED if (rows := self.physics.sensors.slices.get(name))}
        self._state = State(self.physics.time, self.physics.values, joules, {})

    def follow(self, events: list[tuple[int, int]]) -> None:
        """Take in a step of the plant and what happened in it, as `Physics.events` says it."""
        before, values = self._state, self.physics.values
        joules = before.joules
        if (seconds := self.physics.time - before.time) > 0:
            joules = {
                name: count + 1000 * seconds * np.nan_to_num(values[self.physics.sensors.slices[name]]) for name, count in joules.items()
            }
        xids = before.xids
        if codes := {row: float(code) for row, code in events if self.signal(row) == "gpu.xid"}:
            xids = xids | codes
        self._state = State(self.physics.time, values, joules, xids)

    def devices(self) -> list[str]:
        """Return all devices, in the order of the layout."""
        layout = self.physics.layout
        switches = dict.fromkeys(layout.source(switch) for switch in layout.ids("switch"))
        return [*layout.ids("tray"), *layout.ids("shelf"), *switches, *layout.ids("cdu"), *layout.ids("tap"), *layout.ids("pdu")]

    def find(self, name: str) -> str:
        """Return the device that an asset belongs to; `name` may have the pod's prefix.

        Raises:
            InputError: no device shows such an asset.

        """
        asset = name.removeprefix(self.physics.layout.prefix)
        known = set(self.devices())
        source = self.physics.layout.source(asset)
        if source in known:
            return source
        while asset and asset not in known:
            asset = asset.rpartition("/")[0]
        if not asset:
            raise InputError(
                f'no device is called "{name}"; {", ".join(self.physics.layout.name(one) for one in sorted(known)[:3])} ... are'
            )
        if asset in set(self.physics.layout.ids("tap")):  # the PDUs of a rack are linked; the first one speaks for all
            rack = asset.rpartition("-")[0]
            return next(tap for tap in self.physics.layout.ids("tap") if tap.rpartition("-")[0] == rack)
        return asset

    def condition(self, device: str) -> Condition:
        if device not in self._conditions:
            self._conditions[device] = Condition(self.physics.start)
        return self._conditions[device]

    def boot(self, device: str) -> None:
        """Begin a device's counts and its uptime anew; what was frozen is free."""
        condition = self.condition(device)
        condition.booted, condition.base, condition.frozen = self.clock.now(), self._state, None
        condition.boots += 1

    def freeze(self, device: str) -> None:
        """Let a device go on showing what it shows now."""
        self.condition(device).frozen = self._now(device)

    def number(self, signal: str, asset: str, device: str) -> float:
        """Return a measured value in its canonical unit; NaN where it is not known."""
        state = self._now(device)
        place = self._row(signal, asset)
        return nan if place is None else float(state.values[place])

    def count(self, signal: str, asset: str, device: str) -> float:
        """Return a count since the device's last boot; NaN where it is not known."""
        place, condition = self._row(signal, asset), self.condition(device)
        if place is None:
            return nan
        before = 0.0 if condition.base is None or signal in KEPT else np.nan_to_num(condition.base.values[place])
        return max(0.0, float(self._now(device).values[place] - before))

    def value(self, signal: str, asset: str, device: str) -> float:
        """Return a count where the signal is one, else what is measured now; NaN where it is not known."""
        row = self._row(signal, asset)
        if row is not None and QUANTITIES[self.physics.sensors.assets[row][0].quantity].counter:
            return self.count(signal, asset, device)
        return self.number(signal, asset, device)

    def energy(self, signal: str, asset: str, device: str) -> float:
        """Return J since the device's last boot; NaN where it is not metered."""
        base = self.condition(device).base
        joules = self._now(device).joules.get(signal)
        if joules is None:
            return nan
        number = self._index(signal)[asset]
        return float(joules[number] - (0.0 if base is None else base.joules[signal][number]))

    def xid(self, gpu: str, device: str) -> float:
        """Return the newest Xid since the device's last boot, 0 without."""
        row, base = self._row("gpu.xid", gpu), self.condition(device).base
        state = self._now(device)
        if row is None or (base is not None and state.xids is base.xids):
            return 0.0
        return state.xids.get(row, 0.0)

    def moment(self, device: str) -> float:
        """Return when the values were measured, by the device's clock."""
        return self._now(device).time + self.condition(device).ahead

    def now(self, device: str) -> float:
        """Return what the device takes for the time."""
        return self.clock.now() + self.condition(device).ahead

    def uptime(self, device: str) -> float:
        """Return s since the device's last boot."""
        return max(0.0, self.clock.now() - self.condition(device).booted)

    def signal(self, row: int) -> str:
        return self.physics.sensors.assets[row][0].name

    def asset(self, row: int) -> str:
        return self.physics.sensors.assets[row][1]

    def name(self, asset: str) -> str:
        """Return an asset's id as the world outside of the pod knows it."""
        return self.physics.layout.name(asset)

    def serial(self, place: str, asset: str) -> str:
        """Return an asset's serial number, the same that the layout tells of GPUs and supplies."""
        return f"{self.physics.layout.prefix}{place}-{self.physics.layout.ids(place).index(asset):05}"

    def uuid(self, asset: str) -> str:
        """Return an identifier that is the same in every run."""
        return str(uuid5(NAMESPACE_URL, self.name(asset)))

    def below(self, place: str, parent: str) -> list[str]:
        """Return the assets of a place that are parts of another asset."""
        if (place, parent) not in self._below:
            self._below[place, parent] = [asset for asset in self.physics.layout.ids(place) if asset.startswith(f"{parent}/")]
        return self._below[place, parent]

    def _now(self, device: str) -> State:
        frozen = self.condition(device).frozen
        if frozen is not None:
            return frozen
        if self._state.values is not self.physics.values:  # stepped, but not yet followed
            return State(self.physics.time, self.physics.values, self._state.joules, self._state.xids)
        return self._state

    def _row(self, signal: str, asset: str) -> int | None:
        rows = self.physics.sensors.slices.get(signal)
        return None if rows is None or rows.stop == rows.start else rows.start + self._index(signal)[asset]

    def _index(self, signal: str) -> dict[str, int]:
        place = signal.partition(".")[0]
        if place not in self._place:
            self._place[place] = {asset: number for number, asset in enumerate(self.physics.layout.ids(place))}
        return self._place[place]
