"""One coolant loop: pumps, filter, exchanger, primary valve, header, rack valves, trays, reservoir. Steps of one second.

Hydraulic resistances k are in kPa/(L/min)^2: pressure = k * flow^2.
"""

from collections import deque
from math import exp, sin, sqrt, tau

import numpy as np

from monitor.model import F64, Bool
from monitor.simulate.physics.change import closed
from monitor.simulate.physics.effects import Effects
from monitor.simulate.physics.parameters import TRAYS, Parameters

_STEP = 1.0  # s
_LEAST_VALVE = 0.05  # of a rack valve's stroke
_LEAST_FLOW = 1e-3  # L/min, keeps quotients finite
_GULPS = ((3.7, 0.18), (2.3, 0.12))  # s and share of what it lacks, of the two pulses of a pump that draws vapour (an estimate)


def effectiveness(transfer: float, one: float, other: float) -> float:
    """Return the share of the greatest possible heat that a counter-flow exchanger passes on.

    Args:
        transfer: UA, kW/K.
        one: heat capacity flow of a side, kW/K.
        other: that of the other side.

    >>> round(effectiveness(10.0, 5.0, 5.0), 3)  # NTU 2, balanced: NTU / (1 + NTU)
    0.667

    """
    least, most = sorted((max(one, 1e-9), max(other, 1e-9)))
    units, ratio = transfer / least, least / most
    if ratio > 1 - 1e-6:
        return units / (1 + units)
    fading = exp(-min(500.0, units * (1 - ratio)))
    return (1 - fading) / (1 - ratio * fading)


class Coolant:
    """State after the last step, exact. R racks, T trays; flow L/min, pressure kPa, heat kW, temperature degC."""

    def __init__(self, racks: int, given: Parameters, flow_part: F64) -> None:
        self._given, self._racks = given.coolant, racks
        cool = given.coolant
        self._rated = cool.flow * racks
        tray_flow = cool.flow * cool.tray_share / TRAYS
        self._tray_k = cool.rack_drop / tray_flow**2 * flow_part
        self._switch_k = cool.rack_drop / (cool.flow * (1 - cool.tray_share)) ** 2
        self._valve_k = cool.valve_drop / cool.flow**2
        self._transfer = cool.exchanger * cool.rated_heat * racks
        self.opening = np.full(racks, sqrt(cool.valve_drop / (cool.header - cool.rack_drop)))  # of the racks' valves
        self.k_filter = cool.filter_drop / self._rated**2
        self._speeds = (0.0, 0.0)  # of the pumps, 0 to 1
        self._primed, self._pulse, self._age = 1.0, 0.0, 0.0
        self._coasting = 0.0  # speed of a duty pump that tripped
        self._duty = 0.68  # speed that the header asks for
        self.integral = 0.57
        self.demand, self.valve = 0.57, 0.57  # of the primary valve
        self.primary_supply = cool.primary_supply
        self._outlet = cool.supply  # behind the exchanger, before its lag
        self.supply = cool.supply
        self.rack_supply = np.full(racks, cool.supply)
        rise = cool.rated_heat / (cool.heat * cool.flow)
        self.rack_return: F64 = np.full(racks, cool.supply + rise)
        self.mixed = cool.supply + rise  # at the CDU's return sensor
        self.sensed = cool.supply  # by the controller's thermowell
        self._from_exchanger = deque([cool.supply] * int(cool.exchanger_transit), int(cool.exchanger_transit))
        self._to_racks = deque([cool.supply] * int(cool.supply_transit), int(cool.supply_transit))
        self._from_racks = deque([self.mixed] * int(cool.return_transit), int(cool.return_transit))
        self.lost, self.added, self.makeups = 0.0, 0.0, 0
        self._rested = 0.0  # s since the fill pump's last pulse
        self._mean: float | None = None  # temperature at which the level is the one of the start
        self._resist(Effects(racks))
        self._hydraulics()
        self.rejected = self.heat(self.supply, self.mixed)

    def heat(self, supply: float, back: float) -> float:
        return self._given.heat * self.total * (back - supply)

    def settled(self) -> None:
        """Take the present state as the one in which the loop was filled."""
        self._mean = 0.5 * (self.supply + self.mixed)
        self.lost, self.added, self.makeups = 0.0, 0.0, 0

    def step(self, seconds: float, heat: F64, effects: Effects) -> None:
        """Move on; `heat` is what each rack gives to its coolant, shape (R,)."""
        whole = max(1, round(seconds / _STEP))
        self.primary_supply = self._given.primary_supply + effects.primary
        each = seconds / whole
        leaking = float(effects.leak.sum())
        self._resist(effects)
        for number in range(whole):
            self._pumps(each, effects, (whole - 1 - number) * each)
            self._gulp(each)
            self._hydraulics()
            self._valves(each, effects)
            self._temperatures(each, heat)
        self.rack_supply = np.full(self._racks, self._to_racks[0])
        if self.level > 0:
            self.lost += leaking * seconds / 60
        self._rested += seconds
        low = self.level < self._given.level - self._given.makeup_at and self._mean is not None
        if low and self._rested >= self._given.makeup_rest:
            self.added += self._given.makeup
            self.makeups += 1
            self._rested = 0.0

    @property
    def pump(self) -> F64:
        """Speeds of duty and standby pump, 0 to 1."""
        return np.array(self._speeds)

    @property
    def tray_flow(self) -> F64:
        """Through each compute tray, shape (R, T)."""
        flow: F64 = self._tray_g * np.sqrt(self.rack_drop / self._restriction)[:, None]
        return flow

    def _pumps(self, seconds: float, effects: Effects, left: float) -> None:
        """Hold the header's pressure; on a planned change the standby runs up before the duty pump runs down."""
        given = self._given
        conductance = self._conductance
        wanted = min(1.0, sqrt(given.header * (1 + self._inner * conductance**2) / (given.pump_head * self._primed)))
        self._duty += (wanted - self._duty) * closed(seconds, given.pump_lag)
        up = down = 0.0
        if effects.swap is not None:
            done = (effects.swap - left) / effects.swap_time
            up, down = min(1.0, max(0.0, done)), min(1.0, max(0.0, done - 0.6))
        if effects.trip is None:
            self._coasting = self._duty
            self._speeds = ((1 - down) * self._duty, up * self._duty)
        else:
            self._coasting *= 1 - closed(seconds, given.pump_lag)
            up = min(1.0, max(0.0, (effects.trip - left - effects.trip_time) / effects.swap_time))
            self._speeds = (self._coasting, up * self._duty)

    def _gulp(self, seconds: float) -> None:
        """Take head from pumps that draw vapour, in pulses, the more the lower the pressure at their suction."""
        given = self._given
        self._age += seconds
        lacking = 1 - self.static / given.suction
        if lacking <= 0:
            self._primed, self._pulse = 1.0, 0.0
            return
        self._primed = 1 - given.cavitation * lacking
        self._pulse = given.cavitation * lacking * sum(share * sin(tau * self._age / period) for period, share in _GULPS)

    def _resist(self, effects: Effects) -> None:
        """Set the resistances and set-points that a step does not change."""
        self._restriction, self._suction, self._primary_part = effects.restriction, effects.suction, effects.primary_flow
        self._rack_drop: F64 = self._given.rack_drop * effects.balance
        self._bypass_g = effects.bypass * self._rated / sqrt(self._given.header)
        self._vibration, self._drag = effects.vibration, effects.drag
        self._tray_g = 1 / np.sqrt(self._tray_k * effects.branch)
        rack_g = self._tray_g.sum(1) + 1 / sqrt(self._switch_k)
        self.rack_k: F64 = effects.restriction / rack_g**2
        given = self._given
        self.k_filter = given.filter_drop / self._rated**2 * effects.filter
        self._inner = given.pump_droop / self._rated**2 + given.unit_drop / self._rated**2 + self.k_filter
        self._open(effects)

    def _open(self, effects: Effects) -> None:
        """Set each rack's conductance after its valve has moved."""
        self._branch_g = np.where(effects.shut, 0.0, 1 / np.sqrt(self.rack_k + self._valve_k / self.opening**2))
        self._conductance = float(self._branch_g.sum()) + self._bypass_g

    def _hydraulics(self) -> None:
        given = self._given
        self.header = given.pump_head * (self._primed + self._pulse) * max(self._speeds) ** 2 / (1 + self._inner * self._conductance**2)
        root = sqrt(self.header)
        self.flow: F64 = self._branch_g * root
        self.rack_drop = self.rack_k * self.flow**2
        self._bypassed = self._bypass_g * root
        self.total = self._conductance * root

    def _valves(self, seconds: float, effects: Effects) -> None:
        """Racks hold their pressure drop; the CDU holds its supply by a PI controller on the primary valve."""
        given = self._given
        most = seconds / given.valve_stroke
        error = 1 - self.rack_drop / self._rack_drop
        moving = (abs(error) > 0.01) & ~effects.shut
        if moving.any():
            move = np.where(moving, np.clip(given.valve_gain * error * seconds, -most, most), 0.0)
            self.opening = np.clip(self.opening + move, _LEAST_VALVE, 1.0)
            self._open(effects)
        hot = self.sensed - given.supply
        proportional = given.proportional * effects.gain
        self.integral += given.integral * effects.gain * hot * seconds
        self.integral = min(1.0 - proportional * hot, max(-proportional * hot, self.integral))  # no wind-up
        self.demand = min(1.0, max(0.0, proportional * hot + self.integral))
        if effects.valve is not None:
            self.valve = effects.valve
        else:
            self.valve += min(most, max(-most, self.demand - self.valve))

    def _temperatures(self, seconds: float, heat: F64) -> None:
        given = self._given
        carry = given.heat * np.maximum(self.flow, _LEAST_FLOW)
        change = -np.expm1(-carry * seconds / (4.0 * given.rack_volume))  # 4.0 kJ/(L K)
        arriving = self._to_racks[0]
        self.rack_return = self.rack_return + (arriving + heat / carry - self.rack_return) * change
        carried = float(self.flow @ self.rack_return) + self._bypassed * self.supply
        mix = carried / self.total if self.total > _LEAST_FLOW else self.mixed
        self.mixed = self._from_racks[0]
        self._from_racks.append(mix)
        self._exchange()
        self.supply += (self._from_exchanger[0] - self.supply) * closed(seconds, given.exchanger_lag)
        self._from_exchanger.append(self._outlet)
        self.sensed += (self.supply - self.sensed) * closed(seconds, given.sensor_lag)
        self._to_racks.append(self.supply)

    def _exchange(self) -> None:
        """Pass heat to the primary side; UA falls with either flow^0.8."""
        given = self._given
        self.primary_flow = given.primary_most * self._racks * self.valve * self._primary_part
        secondary, primary = given.heat * self.total, given.water * self.primary_flow
        one, other = max(self.total / self._rated, 1e-3), max(self.primary_flow / self._rated, 1e-3)
        transfer = 2 * self._transfer / (one**-0.8 + other**-0.8)
        least = min(secondary, primary)
        self.rejected = effectiveness(transfer, secondary, primary) * least * (self.mixed - self.primary_supply)
        self._outlet = self.mixed - self.rejected / max(secondary, 1e-6)
        self.primary_return = self.primary_supply + self.rejected / max(primary, 1e-6)

    @property
    def volume_change(self) -> float:
        """L in the reservoir more than at the start: expansion, leak and make-up."""
        given = self._given
        loop = given.rack_volume * self._racks + given.loop_volume
        warmer = 0.0 if self._mean is None else 0.5 * (self.supply + self.mixed) - self._mean
        return loop * given.expansion * warmer - self.lost + self.added

    @property
    def level(self) -> float:
        """Of the reservoir, %."""
        return min(100.0, max(0.0, self._given.level + 100 * self.volume_change / self._given.reservoir))

    @property
    def static(self) -> float:
        """Pressure at the pumps' suction; no less than that of the air outside."""
        return max(0.0, self._given.static + self._given.stiffness * self.volume_change - self._suction)

    def exact(self, wet: Bool, shut: Bool) -> dict[str, F64 | float]:
        """Return what there is to be measured, by signal."""
        given = self._given
        relative = self.total / self._rated
        power = (
            given.pump_power * self._racks * self.pump**2 * (0.4 * self.pump + 0.6 * relative * (self.pump > 0)) * self._primed * self._drag
        )
        return {
            "rack.liquid_flow": self.flow,
            "rack.liquid_supply": self.rack_supply,
            "rack.liquid_return": self.rack_return,
            "rack.drop": self.rack_drop,
            "rack.drop_setpoint": self._rack_drop,
            "rack.valve": 100 * self.opening * ~shut,
            "rack.leak": wet.astype(np.float64),
            "rack.leak_sensor_fault": 0.0,
            "rack.liquid_isolation": shut.astype(np.float64),
            "rack.electrical_isolation": 0.0,
            "tray.liquid_supply": np.broadcast_to(self.rack_supply[:, None], self.tray_flow.shape),
            "tray.liquid_flow": self.tray_flow,
            "cdu.supply": self.supply,
            "cdu.return": self.mixed,
            "cdu.supply_setpoint": given.supply,
            "cdu.flow": self.total,
            "cdu.header": self.header,
            "cdu.header_setpoint": given.header,
            "cdu.filter": self.k_filter * self.total**2,
            "cdu.filter_1": self.k_filter * self.total**2,
            "cdu.supply_pressure": self.static + self.header,
            "cdu.return_pressure": self.static,
            "cdu.level": self.level,
            "cdu.makeup_count": float(self.makeups),
            "cdu.primary_flow": self.primary_flow,
            "cdu.primary_inlet": self.primary_supply,
            "cdu.primary_outlet": self.primary_return,
            "cdu.primary_pressure": given.primary_pressure,
            "cdu.valve": 100 * self.valve,
            "cdu.heat": self.rejected,
            "cdu.pump_1": 100 * self.pump[0],
            "cdu.pump_2": 100 * self.pump[1],
            "pump.speed": 100 * self.pump,
            "pump.power": power,
            "pump.vibration": np.maximum(0.05, given.vibration * (self.pump / 0.68) ** 2 * self._vibration * (2 - self._primed)),
            "valve.position": 100 * self.valve,
            "valve.demand": 100 * self.demand,
        }
