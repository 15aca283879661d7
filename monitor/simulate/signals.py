"""What the pod's sensors report, and how badly: gain, bias, noise and resolution of each signal."""

from dataclasses import dataclass

import numpy as np

from monitor.model import F64, I64
from monitor.simulate.layout import Layout, Place


@dataclass(frozen=True, slots=True)
class Signal:
    """One sensor on each asset of a place; its name begins with the place. Errors are in the signal's own unit.

    The numbers are estimates: loop temperatures 0.05 K of noise and a bias within 0.2 K, flow 0.5 % and a gain within 2 %,
    pressure 0.2 kPa, current 0.5 %; resolutions are those of a recorded pod or coarser.
    """

    name: str
    step: float  # resolution, 0 for a set value that is reported as it is
    noise: float = 0.0  # one sigma
    relative: float = 0.0  # noise as a share of the value, one sigma
    bias: float = 0.0  # bound of a constant offset
    gain: float = 0.0  # bound of a constant relative error

    @property
    def place(self) -> Place:
        return Place(self.name.partition(".")[0])


def _temperature(name: str) -> Signal:
    return Signal(name, 0.1, noise=0.05, bias=0.2)


def _meter(place: Place) -> list[Signal]:
    """Return the signals of a three-phase power meter."""
    amps = [f"current_{phase}" for phase in "abc"]
    return [
        Signal(f"{place}.voltage", 0.1, noise=0.1, gain=0.002),
        Signal(f"{place}.power_factor", 0.001, noise=0.0005),
        Signal(f"{place}.frequency", 0.01, noise=0.002),
        Signal(f"{place}.active_power", 0.1, relative=0.002, gain=0.005),
        Signal(f"{place}.apparent_power", 0.1, relative=0.002, gain=0.005),
        *(Signal(f"{place}.{name}", 0.1, relative=0.005, gain=0.005) for name in ("current", *amps)),
        Signal(f"{place}.current_limit", 0.0),
    ]


SIGNALS: tuple[Signal, ...] = (
    _temperature("rack.supply_temperature"),
    _temperature("rack.return_temperature"),
    Signal("rack.flow", 0.1, relative=0.005, gain=0.02),
    Signal("rack.pressure", 0.1, noise=0.2),
    Signal("rack.pressure_setpoint", 0.0),
    Signal("rack.valve", 0.1),
    Signal("rack.power", 0.1, relative=0.002, gain=0.01),
    Signal("rack.leak", 0.0),
    Signal("rack.leak_sensor_fault", 0.0),
    Signal("rack.liquid_isolation", 0.0),
    Signal("rack.electrical_isolation", 0.0),
    Signal("rack.supply_valve", 0.0),
    Signal("rack.return_valve", 0.0),
    *_meter(Place.TAP),
    Signal("tap.shunt", 0.0),
    *_meter(Place.BUS),
    Signal("cdu.available", 0.0),
    Signal("cdu.status", 0.0),
    _temperature("cdu.supply_temperature"),
    _temperature("cdu.return_temperature"),
    Signal("cdu.supply_setpoint", 0.0),
    Signal("cdu.flow", 0.5, relative=0.005, gain=0.02),
    Signal("cdu.pressure", 0.1, noise=0.2),
    Signal("cdu.pressure_setpoint", 0.0),
    Signal("cdu.supply_pressure", 0.1, noise=0.2),
    Signal("cdu.return_pressure", 0.1, noise=0.2),
    Signal("cdu.filter_pressure", 0.1, noise=0.2),
    Signal("cdu.pump_1", 0.1),
    Signal("cdu.pump_2", 0.1),
    Signal("cdu.level", 0.1, noise=0.05),
    Signal("cdu.primary_flow", 0.5, relative=0.005, gain=0.02),
    _temperature("cdu.primary_inlet"),
    _temperature("cdu.primary_outlet"),
    Signal("cdu.primary_inlet_pressure", 0.1, noise=0.2),
    Signal("cdu.primary_valve", 0.1),
    *(Signal(f"room.{name}", 0.1, noise=0.05, bias=0.2) for name in ("cold_1", "cold_2", "hot_1", "hot_2")),
    *(Signal(f"room.{name}", 0.1, noise=0.1, bias=1.0) for name in ("humidity_1", "humidity_2")),
    Signal("room.leak", 0.0),
)


class Sensors:
    """Turns exact values into reported ones; a row is one sensor of one asset, signals in the order of the table."""

    def __init__(self, layout: Layout, random: np.random.Generator) -> None:
        counts = [len(layout.ids(signal.place)) for signal in SIGNALS]
        ends = np.cumsum(counts)
        self.rows: dict[str, I64] = {
            signal.name: np.arange(end - count, end) for signal, count, end in zip(SIGNALS, counts, ends, strict=True)
        }
        self.size = int(ends[-1])
        self._random = random

        def column(name: str) -> F64:
            return np.repeat([getattr(signal, name) for signal in SIGNALS], counts).astype(np.float64)

        self.step = column("step")
        self._noise, self._relative = column("noise"), column("relative")
        self._bias = column("bias") * random.uniform(-1, 1, self.size)
        self._gain = 1 + column("gain") * random.uniform(-1, 1, self.size)

    def read(self, exact: F64) -> F64:
        """Report exact values, shape (S,) for both."""
        noise = self._random.standard_normal(self.size)
        value = exact * self._gain * (1 + self._relative * noise) + self._bias + self._noise * noise
        step = np.where(self.step > 0, self.step, 1.0)
        return np.where(self.step > 0, np.round(value / step) * step + 0.0, exact)  # + 0.0: no -0.0 on the wire
