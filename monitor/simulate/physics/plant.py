"""The coupled plant: load, IT, coolant, power and room in step, and what its sensors say."""

from math import log
from typing import Self

import numpy as np

from monitor.errors import InputError
from monitor.model import F64, I32, Bool
from monitor.plant import Plant
from monitor.simulate.physics.change import Wander
from monitor.simulate.physics.coolant import Coolant
from monitor.simulate.physics.effects import Effects
from monitor.simulate.physics.faults import Fault
from monitor.simulate.physics.jobs import Jobs
from monitor.simulate.physics.layout import Layout
from monitor.simulate.physics.links import Links
from monitor.simulate.physics.parameters import SKUS, Parameters
from monitor.simulate.physics.sensors import Sensors
from monitor.simulate.physics.supplies import Supplies
from monitor.simulate.physics.trays import Trays

_DAY = 86_400.0
_HOSTS = ("gpu", "cpu", "nic", "drive")  # whose points fall silent when the hosts of a rack are shut down


def dew_point(temperature: float, humidity: float) -> float:
    """Return the dew point of air in degC (Magnus formula, Alduchov and Eskridge 1996).

    >>> round(dew_point(24.0, 60.0), 1)
    15.8

    """
    gamma = log(humidity / 100) + 17.625 * temperature / (243.04 + temperature)
    return 243.04 * gamma / (17.625 - gamma)


class Physics:
    """A pod of racks behind one CDU, two PDUs and in one room, in steady operation at its start.

    The same seed and the same steps give the same values, whatever the faults leave alone.

    Args:
        racks: how many; named R01, R02 ...
        sku: chooses the parameters where none are given, and is told to the plant.
        seed: of all randomness.
        parameters: every number of the physics.
        detail: how many racks, from the first, have points of trays, GPUs and supplies; None for all. All have the physics.
        start: event time of the start, seconds since 1970 UTC.
        pod: name of the pod.
        prefix: of every id in what `describe` tells; targets of faults and paths of points here go without.
        signals: names of what is measured, of `signals.SIGNALS`; None for all.

    Raises:
        InputError: there is no such SKU, or no rack.

    """

    def __init__(
        self,
        racks: int = 4,
        *,
        sku: str = "gb200_nvl72",
        seed: int = 0,
        parameters: Parameters | None = None,
        detail: int | None = None,
        start: float = 1_767_225_600.0,
        pod: str = "Pod1",
        prefix: str = "",
        signals: frozenset[str] | None = None,
    ) -> None:
        if racks < 1:
            raise InputError(f"a plant of {racks} racks; at least 1 would do")
        if sku not in SKUS:
            raise InputError(f'no SKU is called "{sku}"; {", ".join(SKUS)} would do')
        given = self.parameters = parameters or SKUS[sku]
        self.racks, self.start, self.age = racks, start, 0.0
        self.layout = Layout(racks, racks if detail is None else min(detail, racks), sku, pod, prefix)
        # Streams of their own, so that a changed part leaves the others' numbers as they were.
        streams = [np.random.default_rng(child) for child in np.random.SeedSequence(seed).spawn(6)]
        self.jobs = Jobs(racks, given.load, given.meter.window, streams[5])
        self.trays = Trays(racks, given, streams[0])
        self.links = Links(racks, given, streams[1])
        self.coolant = Coolant(racks, given, self.trays.flow_part)
        self.supplies = Supplies(racks, given, streams[2])
        self._humidity = Wander(1, given.room.wander, 1800.0, streams[3])
        self.sensors = Sensors(self.layout.ids, streams[4], given.meter.missing, given.meter.noise, signals)
        self.faults: list[Fault] = []
        self.effects, self._struck = Effects(racks), False
        self.exact: dict[str, F64 | float] = {}  # by signal, of all racks; see `signals.SIGNALS`
        self.values: F64 = np.full(self.sensors.size, np.nan)
        self._spoken = np.full(self.sensors.size, -np.inf)  # age at which each point spoke last
        self._events: list[tuple[int, int]] = []
        self._settle()

    @property
    def time(self) -> float:
        """Event time, seconds since 1970 UTC."""
        return self.start + self.age

    @property
    def power(self) -> F64:
        """What each rack takes from its feeds, kW, mean over the last step, shape (R,)."""
        return self._power

    def describe(self, plant: Plant, dt: float = 1.0) -> I32:
        """Add assets, edges and points to a plant.

        Args:
            plant: to add to.
            dt: longest step to come; a point cannot speak more often.

        Returns:
            The plant's row of each point, in the order of the values; shape (S,).

        """
        self.layout.build(plant)
        name = self.layout.name
        return np.array(
            [plant.describe(signal.point(name(asset), name(self.layout.source(asset)), dt)) for signal, asset in self.sensors.assets],
            np.int32,
        )

    def inject(self, *faults: Fault) -> Self:
        """Let faults strike; return the plant.

        Raises:
            InputError: there is no such fault, part or point.

        """
        for fault in faults:
            trial = Effects(self.racks)
            fault.apply(trial, max(fault.begin, 0.0))
            for path in trial.paths:
                self.row(path)
            for asset in trial.assets:
                self.sensors.below(asset)
            self.faults.append(fault)
        return self

    def row(self, path: str) -> int:
        """Return the row of a point in the values, by its path: R01:liquid_flow, CDU1:liquid_temperature[secondary, supply].

        Raises:
            InputError: there is no such point.

        """
        if path not in self.sensors.row:
            raise InputError(f'no point is called "{path}"; R01:liquid_flow or CDU1:liquid_temperature[secondary, supply] would do')
        return self.sensors.row[path]

    def value(self, path: str) -> float:
        """Return what a point measured at the last step."""
        return float(self.values[self.row(path)])

    def step(self, dt: float) -> tuple[F64, Bool]:
        """Move on by `dt` seconds, best 1 to 60.

        Returns:
            values: what every sensor measures now, canonical units, shape (S,); NaN for event points and hosts without power.
            due: which points speak at this step.

        """
        self._advance(dt)
        self._gather()
        effects = self.effects
        values = self.sensors.read(self.exact, effects, self.values)
        if self.layout.detailed and effects.off.any():
            for name, rows in self.sensors.slices.items():
                if name.partition(".")[0] in _HOSTS:
                    part = values[rows].reshape(self.layout.detailed, -1)
                    part[effects.off[: self.layout.detailed]] = np.nan
        due = ~np.isnan(values) & self.sensors.arrived()
        # All speak at the first step, then whenever a multiple of their cadence has gone by; the small number is for rounding.
        due &= np.floor((self.age + 1e-6) / self.sensors.cadence) > np.floor((self._spoken + 1e-6) / self.sensors.cadence)
        self._spoken[due] = self.age
        self.values = values
        return values, due

    def events(self) -> list[tuple[int, int]]:
        """Return what happened since this was asked last: the event point's place in the order of the values, and the code."""
        found, self._events = self._events, []
        return found

    def _settle(self) -> None:
        """Run until the plant is steady, then set clocks and counters to zero."""
        lasting = self.parameters.settle
        self.age = -lasting
        while self.age < 0:
            self._advance(min(10.0, -self.age))
        self._gather()
        self.age = 0.0
        self.coolant.settled()
        for counters in (self.trays.counters, self.links.counters):
            for count in counters.values():
                count[...] = 0.0
        self.trays.events.clear()
        self.links.events.clear()
        self._events.clear()

    def _advance(self, dt: float) -> None:
        self.age += dt
        holding = [fault for fault in self.faults if fault.holds(self.age)]
        if holding or self._struck:  # else they stay as made
            self.effects = Effects(self.racks)
            for fault in holding:
                fault.apply(self.effects, self.age)
        effects, self._struck = self.effects, bool(holding)
        share = self.parameters.coolant.liquid_share
        self.jobs.step(self.age, dt, effects)
        self.trays.step(dt, self.jobs, effects)
        self.links.step(dt, effects)
        others = self.trays.switches()
        mean, sampled = (self.trays.drawn(power) for power in (self.trays.power, self.trays.sampled))
        self.supplies.step(dt, sampled, others, effects)
        # The network was solved for the metered load; its losses go for the mean one too.
        ratio = self.supplies.power / (sampled.sum(1) + others)
        self._power: F64 = (mean.sum(1) + others) * ratio
        liquid = np.where(effects.shut, 0.0, share)  # what remains in a rack without coolant warms the air
        self.coolant.step(dt, liquid * self._power, effects)
        heat = (liquid * ratio)[:, None] * mean
        self.trays.cool(dt, heat, np.where(effects.shut[:, None], 0.0, self.coolant.tray_flow), self.coolant.rack_supply, self._air())
        self._humidity.step(dt)

    def _air(self) -> float:
        room = self.parameters.room
        return room.temperature + room.swing * float(np.sin(2 * np.pi * self.time / _DAY))

    def _gather(self) -> None:
        cold = self._air()
        room, effects = self.parameters.room, self.effects
        rated = self.parameters.coolant.rated_heat / self.parameters.coolant.liquid_share
        humidity = min(99.0, max(5.0, room.humidity + float(self._humidity.value[0]) + effects.humidity))
        racks = np.full(self.racks, cold)
        self.exact = {
            **self.trays.exact(),
            **self.links.exact(),
            **self.coolant.exact(effects.rope, effects.shut),
            **self.supplies.exact(cold),
            "rack.power": self.supplies.power,
            "rack.inlet_top": racks + room.spread / 2 + effects.inlet.max(1),
            "rack.inlet_bottom": racks - room.spread / 2,
            "tray.inlet": cold + effects.inlet,
            "room.cold": cold,
            "room.hot": cold + room.rise * float(self._power.mean()) / rated,
            "room.humidity": humidity,
            "room.dew_point": dew_point(cold, humidity),
            "room.leak": 0.0,
            "gpu.xid": np.nan,
        }
        for signal, place, code in [*self.trays.events, *self.links.events]:
            rows = self.sensors.slices.get(signal, slice(0, 0))
            if place < rows.stop - rows.start:  # a rack with full detail
                self._events.append((rows.start + place, code))
        self.trays.events.clear()
        self.links.events.clear()
