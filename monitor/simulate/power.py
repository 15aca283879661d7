"""Two feeds of one pod: a bus each, a tap for every rack, three phases."""

from math import sqrt

import numpy as np

from monitor.model import F64, Bool
from monitor.simulate.load import Wander
from monitor.simulate.parameters import Power

_ROOT3 = sqrt(3.0)
# Line-to-line mean over normal when one of three legs lies at the neutral: one voltage stays, two fall to line-to-neutral.
_ONE_LOST = (_ROOT3 + 2) / (3 * _ROOT3)
_LOST = 2  # phase C is the one that a fault takes


class Feeds:
    """State after the last step, exact. Arrays have shape (2,) for buses and (2, R) for taps, phases behind.

    A rack's supplies are single-phase and share its load evenly over both feeds and all phases; those that lose their
    phase stop, and the others take over.
    """

    def __init__(self, racks: int, given: Power, random: np.random.Generator) -> None:
        self._given = given
        self._share = 1 + given.imbalance * random.standard_normal((2, racks, 3))
        self._volts = Wander(2, given.voltage_wander, 60.0, random)
        self._hertz = Wander(1, 0.01, 30.0, random)
        self.lost = np.zeros((2, racks), np.bool_)
        self.phase_power = np.zeros((2, racks, 3))  # kW

    def step(self, seconds: float, power: F64, lost: Bool) -> None:
        """Move on; `power` is that of each rack in kW, shape (R,), `lost` the taps with a lost phase, shape (2, R)."""
        self._volts.step(seconds)
        self._hertz.step(seconds)
        self.lost = lost
        share = self._share.copy()
        share[..., _LOST][lost] = 0.0
        self.phase_power = power[:, None] * share / share.sum((0, 2))[:, None]

    @property
    def frequency(self) -> float:
        return self._given.frequency + float(self._hertz.value[0])

    @property
    def bus_voltage(self) -> F64:
        """Line to line, V."""
        return self._given.voltage + self._volts.value

    @property
    def tap_voltage(self) -> F64:
        """Mean line to line, V."""
        voltage: F64 = (self.bus_voltage - self._given.tap_drop)[:, None] * np.where(self.lost, _ONE_LOST, 1.0)
        return voltage

    @property
    def tap_current(self) -> F64:
        """Of each phase, A, shape (2, R, 3)."""
        neutral = (self.bus_voltage - self._given.tap_drop)[:, None, None] / _ROOT3
        current: F64 = 1000 * self.phase_power / (neutral * self._given.power_factor)
        return current

    @property
    def tap_power(self) -> F64:
        """Active power, kW."""
        power: F64 = self.phase_power.sum(2)
        return power

    @property
    def bus_current(self) -> F64:
        """Of each phase, A, shape (2, 3)."""
        current: F64 = self.tap_current.sum(1)
        return current

    @property
    def bus_power(self) -> F64:
        """Active power, kW."""
        power: F64 = self.tap_power.sum(1) * (1 + self._given.bus_loss)
        return power
