"""The coolant loop of one pod: pumps, header, rack branches, exchanger. Flow in L/min, pressure in kPa, heat in kW."""

import numpy as np

from monitor.model import F64, Bool
from monitor.simulate.load import Wander, closed
from monitor.simulate.parameters import Parameters

_LEAST_VALVE = 0.1  # of the stroke; a control valve that shut a rack off would be a hazard
_LEAST_FLOW = 1e-3  # L/min, keeps quotients finite while the pumps stand


class Loop:
    """State after the last step, exact; every rack array has shape (R,).

    The pumps hold the header's differential pressure, each rack's control valve holds its own flow, the CDU holds its
    supply temperature. A branch takes flow = sqrt(pressure / k); the header sees head * speed^2 less what the CDU itself
    takes, k * flow^2. Control of the supply is a lag towards its set-point, as far as the exchanger reaches.
    """

    def __init__(self, racks: int, given: Parameters, heat: F64, random: np.random.Generator) -> None:
        self._given, self._size = given.cooling, racks
        cooling = given.cooling
        self._severity = given.severity
        self._rated = cooling.flow * racks
        self._cdu_k = cooling.cdu_drop / self._rated**2
        self._reach = cooling.exchanger * cooling.liquid_share * given.load.most * racks  # kW/K
        self._most_primary = 1.6 * cooling.liquid_share * given.load.most * racks / (cooling.water * cooling.primary_rise)
        self._wander = Wander(1, cooling.supply_wander, 60.0, random)
        valve_k = cooling.header / cooling.flow**2 - cooling.rack_k
        self.k = np.full(racks, cooling.rack_k)
        self.valve = np.full(racks, np.sqrt(cooling.valve_k / valve_k))  # opening, 0 to 1
        self.flow = np.full(racks, cooling.flow)
        self.pump = np.array([self._demand(self._conductance()), 0.0])  # speeds, 0 to 1; duty and standby
        self._duty = 0
        self._tripped = 0.0  # s since the duty pump stopped
        self.supply = cooling.supply
        self.rack_return = self.supply + heat / (cooling.heat * self.flow)
        self.mixed = self._mix()  # degC at the CDU's return sensor
        self.leaked = np.zeros(racks)  # L that the leak rope has seen
        self.volume = cooling.reservoir * cooling.level / 100  # L

    def step(self, seconds: float, heat: F64, restricted: Bool, leaking: Bool, tripped: bool) -> None:
        """Move on by some seconds, at most a few.

        Args:
            seconds: of event time.
            heat: into each rack's coolant, kW.
            restricted: racks whose resistance is raised.
            leaking: racks that lose coolant.
            tripped: the first pump cannot run.

        """
        given = self._given
        self.k = np.where(restricted, self._severity.restricted, 1.0) * given.rack_k
        self._pumps(seconds, tripped)
        self._flows(seconds)
        self._temperatures(seconds, heat)
        lost = np.where(leaking, self._severity.leak * seconds / 60, 0.0)
        self.leaked = np.where(leaking, self.leaked + lost, 0.0)  # a repaired rack's rope is dried
        self.volume = max(0.0, self.volume - float(lost.sum()))

    @property
    def total(self) -> float:
        """Secondary flow of the CDU: the sum of the racks' flows."""
        return float(self.flow.sum())

    @property
    def header(self) -> float:
        """Differential pressure across the racks."""
        return max(0.0, self._given.pump_head * float(self.pump.max()) ** 2 - self._cdu_k * self.total**2)

    @property
    def filter_drop(self) -> float:
        return self._given.filter_drop * (self.total / self._rated) ** 2

    @property
    def rack_drop(self) -> F64:
        """Differential pressure across each rack without its control valve."""
        drop: F64 = self.k * self.flow**2
        return drop

    @property
    def rejected(self) -> float:
        """Heat through the exchanger, kW."""
        return self._given.heat * self.total * (self.mixed - self.supply)

    @property
    def primary_flow(self) -> float:
        """What the primary valve lets through to hold its temperature rise."""
        return max(0.0, self.rejected) / (self._given.water * self._given.primary_rise)

    @property
    def primary_valve(self) -> float:
        """Opening, %."""
        return min(100.0, 100 * self.primary_flow / self._most_primary)

    @property
    def level(self) -> float:
        """Of the reservoir, %."""
        return 100 * self.volume / self._given.reservoir

    @property
    def wet(self) -> Bool:
        return self.leaked > self._severity.rope_wets

    def _resistance(self) -> F64:
        return self.k + self._given.valve_k / self.valve**2

    def _conductance(self) -> float:
        return float((1 / np.sqrt(self._resistance())).sum())

    def _demand(self, conductance: float) -> float:
        """Speed at which the header has its set-point."""
        return float(min(1.0, np.sqrt(self._given.header * (1 + self._cdu_k * conductance**2) / self._given.pump_head)))

    def _pumps(self, seconds: float, tripped: bool) -> None:
        self._tripped = self._tripped + seconds if tripped else 0.0
        if self._tripped > self._given.failover:
            self._duty = 1
        demand = np.zeros(2)
        if self._duty or not tripped:
            demand[self._duty] = self._demand(self._conductance())
        self.pump = self.pump + (demand - self.pump) * closed(seconds, self._given.pump_lag)

    def _flows(self, seconds: float) -> None:
        given = self._given
        conductance = self._conductance()
        pressure = given.pump_head * float(self.pump.max()) ** 2 / (1 + self._cdu_k * conductance**2)
        wanted = np.sqrt(pressure / self._resistance())
        self.flow = self.flow + (wanted - self.flow) * closed(seconds, given.flow_lag)
        error = 1 - self.flow / given.flow
        move = np.clip(given.valve_gain * np.where(abs(error) > 0.005, error, 0.0), -1 / given.valve_stroke, 1 / given.valve_stroke)
        self.valve = np.clip(self.valve + move * seconds, _LEAST_VALVE, 1.0)

    def _temperatures(self, seconds: float, heat: F64) -> None:
        given = self._given
        # C dT/dt = heat - carry (T - supply), solved exactly for a constant flow; without flow it is a ramp.
        carry = given.heat * np.maximum(self.flow, _LEAST_FLOW)
        change = -np.expm1(-carry * seconds / given.rack_heat_capacity)
        self.rack_return = self.rack_return + (self.supply + heat / carry - self.rack_return) * change
        self.mixed += (self._mix() - self.mixed) * closed(seconds, given.pipe_lag)
        reachable = given.primary_supply + max(0.0, self.rejected) / self._reach
        wanted = max(given.supply + float(self._wander.step(seconds)[0]), reachable)
        self.supply += (wanted - self.supply) * closed(seconds, given.supply_lag)

    def _mix(self) -> float:
        weight = np.maximum(self.flow, _LEAST_FLOW)
        return float((weight * self.rack_return).sum() / weight.sum())
