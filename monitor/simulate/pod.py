"""Physics of one liquid-cooled pod: racks that train, two power feeds, one coolant loop, a room. Event time is passed in."""

from collections.abc import Sequence

import numpy as np

from monitor.model import F64, Bool
from monitor.simulate.cooling import Loop
from monitor.simulate.faults import Injection, Truth, struck
from monitor.simulate.layout import Layout, Place
from monitor.simulate.load import Load, Wander
from monitor.simulate.parameters import Parameters
from monitor.simulate.power import Feeds
from monitor.simulate.signals import SIGNALS, Sensors

__all__ = ["STEP", "Injection", "Pod"]

STEP = 1.0  # s of event time
_DAY = 86_400.0


class Pod:
    """One pod, in steady operation at its start. The same seed gives the same values at the same age, whatever the faults leave alone.

    Args:
        racks: how many.
        start: event time of the first values, seconds since 1970 UTC.
        seed: of all randomness.
        faults: what goes wrong, where and when.
        name: begins every id.
        site: begins every tag path.
        parameters: every number of the physics.

    Raises:
        InputError: a fault strikes nothing of this pod, or a name is none.

    """

    def __init__(
        self,
        racks: int = 6,
        *,
        start: float,
        seed: int = 0,
        faults: Sequence[Injection] = (),
        name: str = "Pod1",
        site: str = "demo",
        parameters: Parameters | None = None,
    ) -> None:
        self.start = start
        self.layout = Layout(name, racks, site)
        self.parameters = parameters or Parameters()
        self.faults = tuple(faults)
        self._truth = [fault.truth(self.layout, start) for fault in self.faults]
        # Streams of their own, so that a changed part leaves the others' numbers as they were.
        streams = [np.random.default_rng(child) for child in np.random.SeedSequence(seed).spawn(5)]
        self._load = Load(racks, self.parameters.load, streams[0])
        self.loop = Loop(racks, self.parameters, self._heat(), streams[1])
        self.feeds = Feeds(racks, self.parameters.power, streams[2])
        self._humidity = Wander(1, self.parameters.room.humidity_wander, 600.0, streams[3])
        self.sensors = Sensors(self.layout, streams[4])
        self.steps = 0
        self.feeds.step(0.0, self._load.power, self._lost())
        self.exact = self._gather()
        self.measured = self._report()  # shape (S,), rows as in `sensors.rows`

    @property
    def time(self) -> float:
        """Event time of the present values, seconds since 1970 UTC."""
        return self.start + self.age

    @property
    def age(self) -> float:
        return self.steps * STEP

    @property
    def power(self) -> F64:
        """Electrical power of each rack, kW, shape (R,)."""
        return self._load.power

    def advance(self, to: float) -> int:
        """Take whole steps up to an event time; return how many there were."""
        begun = self.steps
        while self.time + STEP <= to:
            self._step()
        return self.steps - begun

    def read(self, signal: str) -> F64:
        """Return what the sensors of one signal report, in the order of its place."""
        return self.measured[self.sensors.rows[signal]]

    def truth(self) -> list[Truth]:
        """Return what is injected: fault, where, when, and the rules that should see it."""
        return list(self._truth)

    def active(self) -> list[Injection]:
        """Return the faults that hold now."""
        return [fault for fault in self.faults if fault.active(self.age)]

    def _step(self) -> None:
        self.steps += 1
        power = self._load.step(self.age, STEP)
        self.loop.step(
            STEP,
            self._heat(),
            self._struck("flow_restricted"),
            self._struck("leak"),
            bool(self._struck("pump_trip")[0]),
        )
        self.feeds.step(STEP, power, self._lost())
        self._humidity.step(STEP)
        self.exact = self._gather()
        self.measured = self._report()

    def _heat(self) -> F64:
        return self.parameters.cooling.liquid_share * self._load.power

    def _struck(self, fault: str) -> Bool:
        return struck(self.faults, fault, self.layout, self.age)

    def _lost(self) -> Bool:
        return self._struck("phase_loss").reshape(2, -1)

    def _report(self) -> F64:
        value = self.sensors.read(self.exact)
        value[self.sensors.rows["cdu.flow"][self._struck("flow_sensor_dead")]] = 0.0
        return value

    def _gather(self) -> F64:
        """Return the exact value behind every sensor, shape (S,)."""
        found = {
            "rack": self._racks(),
            "tap": self._meters(Place.TAP),
            "bus": self._meters(Place.BUS),
            "cdu": self._cdu(),
            "room": self._room(),
        }
        exact = np.empty(self.sensors.size)
        for signal in SIGNALS:
            place, _, name = signal.name.partition(".")
            exact[self.sensors.rows[signal.name]] = found[place][name]
        return exact

    def _racks(self) -> dict[str, F64 | float]:
        loop, given = self.loop, self.parameters.cooling
        return {
            "supply_temperature": loop.supply,
            "return_temperature": loop.rack_return,
            "flow": loop.flow,
            "pressure": loop.rack_drop,
            "pressure_setpoint": given.rack_k * given.flow**2,
            "valve": 100 * loop.valve,
            "power": self._load.power,
            "leak": loop.wet.astype(np.float64),
            "leak_sensor_fault": 0.0,
            "liquid_isolation": 0.0,
            "electrical_isolation": 0.0,
            "supply_valve": 1.0,
            "return_valve": 1.0,
        }

    def _meters(self, place: Place) -> dict[str, F64 | float]:
        feeds, given = self.feeds, self.parameters.power
        tap = place is Place.TAP
        amps = (feeds.tap_current if tap else feeds.bus_current).reshape(-1, 3)
        power = (feeds.tap_power if tap else feeds.bus_power).reshape(-1)
        return {
            "voltage": (feeds.tap_voltage if tap else feeds.bus_voltage).reshape(-1),
            "power_factor": given.power_factor,
            "frequency": feeds.frequency,
            "active_power": power,
            "apparent_power": power / given.power_factor,
            "current": amps.mean(1),
            **{f"current_{phase}": amps[:, number] for number, phase in enumerate("abc")},
            "current_limit": given.tap_limit * (1 if tap else self.layout.racks),
            "shunt": 0.0,
        }

    def _cdu(self) -> dict[str, F64 | float]:
        loop, given = self.loop, self.parameters.cooling
        return {
            "available": 1.0,
            "status": 1.0,
            "supply_temperature": loop.supply,
            "return_temperature": loop.mixed,
            "supply_setpoint": given.supply,
            "flow": loop.total,
            "pressure": loop.header,
            "pressure_setpoint": given.header,
            "supply_pressure": given.static + loop.header,
            "return_pressure": given.static,
            "filter_pressure": loop.filter_drop,
            "pump_1": 100 * loop.pump[0],
            "pump_2": 100 * loop.pump[1],
            "level": loop.level,
            "primary_flow": loop.primary_flow,
            "primary_inlet": given.primary_supply,
            "primary_outlet": given.primary_supply + given.primary_rise,
            "primary_inlet_pressure": given.primary_pressure,
            "primary_valve": loop.primary_valve,
        }

    def _room(self) -> dict[str, F64 | float]:
        given = self.parameters.room
        cold = given.cold + given.swing * np.sin(2 * np.pi * self.time / _DAY)
        rise = given.rise * float(self._load.power.mean()) / self.parameters.load.mean
        humidity = given.humidity + float(self._humidity.value[0])
        return {
            "cold_1": cold - given.inlet_spread,
            "cold_2": cold + given.inlet_spread,
            "hot_1": cold + rise - given.inlet_spread,
            "hot_2": cold + rise + given.inlet_spread,
            "humidity_1": humidity,
            "humidity_2": humidity,
            "leak": 0.0,
        }
