"""GPUs and compute trays: power, temperature, clocks, memory errors, and the coolant that leaves each tray."""

import numpy as np

from monitor.model import F64, Bool
from monitor.simulate.physics.change import Wander, closed
from monitor.simulate.physics.effects import Effects
from monitor.simulate.physics.jobs import Jobs
from monitor.simulate.physics.parameters import CPUS, GPUS, TRAYS, Parameters

XID_REMAP, XID_LOST, XID_CONTAINED = 63, 79, 94
_AIR, _MOST = 90.0, 2.0  # s that a bubble stays where it is; sigmas that the largest has (estimates)
_DAY = 86_400.0
_LEAST_FLOW = 1e-3  # L/min, keeps quotients finite in a rack whose coolant is shut off

Event = tuple[str, int, int]  # signal, place in its flat array, code


def without(found: dict[str, F64], lost: Bool) -> dict[str, F64]:
    """Return what is measured, NaN where it belongs to a GPU that is lost; shape of `lost` is (R, T, G)."""
    if not lost.any():
        return found
    return {name: np.where(lost, np.nan, value) if name.startswith("gpu.") else value for name, value in found.items()}


class Trays:
    """State after the last step, exact. R racks, T trays, G GPUs, C CPUs; powers in kW.

    A GPU is a source behind two thermal resistances in series, each with its own time constant; the cold plate's
    convective part grows as flow^-0.7. The coolant that counts is the tray's mean, half its rise above the inlet.
    """

    def __init__(self, racks: int, given: Parameters, random: np.random.Generator) -> None:
        self._given, self._random = given, random
        each = (racks, TRAYS, GPUS)
        gpu = given.gpu
        self._part = 1 + gpu.spread * random.standard_normal(each)
        self._resistance = 1000 * gpu.resistance * (1 + gpu.resistance_spread * random.standard_normal(each))  # K/kW
        self._memory_rise = gpu.memory_rise + gpu.memory_spread * random.standard_normal(each)
        self._errors = np.exp(0.5 * random.standard_normal(each))  # parts differ in their rate of corrected errors
        self._cpu_part = 1 + 0.04 * random.standard_normal((racks, TRAYS, CPUS))
        self._switch_part = 1 + 0.05 * random.standard_normal((racks, 2 * given.tray.switches))
        self._fan_part = 1 + given.tray.fan_spread * random.standard_normal((racks, TRAYS))
        self._lid, self._plate = np.full(each, 11.0), np.full(each, 17.0)  # K over what lies behind
        self.outlet: F64 = np.full((racks, TRAYS), given.coolant.supply + 10.0)
        self.temperature: F64 = np.full(each, gpu.leakage_at)
        self.power: F64 = np.full(each, gpu.compute)  # mean over the step, heats
        self.sampled: F64 = self.power  # over the meter's window
        self.speed: F64 = np.ones(each)  # clock over boost
        self.fan = np.full((racks, TRAYS), 0.5)  # demand, 0 to 1
        self.counters = {
            name: np.zeros(each) for name in ("power_throttle_time", "thermal_throttle_time", "hardware_throttle_time", "power_brake_time")
        } | {name: np.zeros(each) for name in ("corrected_errors", "uncorrected_errors", "remapped_rows_uncorrected")}
        self._bubbles = Wander(each, 1.0, _AIR, random.spawn(1)[0])  # a stream of its own
        self._effects, self._lost = Effects(racks), np.zeros(each, np.bool_)
        self.level = np.ones(racks)
        self.events: list[Event] = []
        self.flow_part = 1 + given.coolant.tray_spread * random.standard_normal((racks, TRAYS))

    def step(self, seconds: float, jobs: Jobs, effects: Effects) -> None:
        """Draw power; `cool` follows when the coolant is known."""
        gpu = self._given.gpu
        throttle = np.clip(1 - gpu.slowdown_gain * (self.temperature - gpu.slowdown), 0.5, 1.0)
        alive = np.where(effects.off, 0.0, 1.0)
        working = alive[:, None, None] * ~effects.lost
        pace = effects.clock * effects.brake
        self._effects, self._off = effects, effects.off
        self.level = jobs.mean * alive
        leakage = 1 + gpu.leakage * (self.temperature - gpu.leakage_at)

        def drawn(level: F64) -> tuple[F64, F64]:
            wanted = (gpu.idle + (gpu.compute - gpu.idle) * level[:, None, None] * throttle * pace**2) * self._part * leakage
            limit = np.minimum(gpu.most, effects.cap)
            return np.minimum(wanted, limit) * working, wanted / limit

        self.power, over = drawn(jobs.mean)
        self.sampled, over_sampled = drawn(jobs.sampled)
        capped = np.where(over_sampled > 1, np.minimum(over_sampled, 2.0) ** -0.5, 1.0)  # power goes about with clock squared
        busy = jobs.sampled > 0.05
        self.speed = np.where(busy[:, None, None], throttle * capped * pace, gpu.idle_clock / gpu.clock)
        self.counters["power_throttle_time"] += seconds * (over > 1)
        self.counters["thermal_throttle_time"] += seconds * (throttle < 1)
        self.counters["hardware_throttle_time"] += seconds * (self.temperature > gpu.slowdown + 3)
        self.counters["power_brake_time"] += seconds * (effects.brake < 1)
        self._remember(seconds, effects)

    @property
    def cpu_power(self) -> F64:
        """Of each CPU, shape (R, T, C)."""
        tray = self._given.tray
        power: F64 = (tray.cpu_idle + (tray.cpu - tray.cpu_idle) * np.minimum(1.0, self.level)[:, None, None]) * self._cpu_part
        return power

    def drawn(self, power: F64) -> F64:
        """Return what each tray takes from its joint for that GPU power, shape (R, T)."""
        tray = self._given.tray
        parts = power.sum(2) + self.cpu_power.sum(2) + tray.network + tray.storage + tray.fans * (self.fan / 0.5) ** 3
        taken: F64 = np.where(self._off[:, None], tray.standby, parts) / (1 - tray.conversion - self._effects.brick)
        return taken

    def switches(self) -> F64:
        """Return what the NVLink switch trays of each rack take, shape (R,)."""
        tray = self._given.tray
        each = self._switch = tray.switch_idle + (tray.switch - tray.switch_idle) * np.minimum(1.0, self.level)
        taken: F64 = tray.switches * np.where(self._off, tray.standby, each) / (1 - tray.conversion)
        return taken

    def cool(self, seconds: float, heat: F64, flow: F64, supply: F64, air: float) -> None:
        """Move temperatures on.

        Args:
            seconds: of event time.
            heat: into each tray's coolant, kW, shape (R, T).
            flow: through each tray, L/min, shape (R, T).
            supply: coolant temperature at each rack, shape (R,).
            air: temperature of the cold aisle.

        """
        gpu, coolant, tray = self._given.gpu, self._given.coolant, self._given.tray
        carry = coolant.heat * np.maximum(flow, _LEAST_FLOW)
        steady = supply[:, None] + heat / carry
        self.outlet = self.outlet + (steady - self.outlet) * -np.expm1(-carry * seconds / tray.coolant)
        rated = coolant.flow * coolant.tray_share / TRAYS
        effects = self._effects
        plate = self._resistance * effects.resistance
        if effects.bubbles.any():
            plate = plate * (1 + effects.bubbles * np.clip(self._bubbles.step(seconds), 0.0, _MOST))
        plate = plate * (1 - gpu.convective + gpu.convective * (np.maximum(flow, 0.02 * rated) / rated)[:, :, None] ** -0.7)
        self._lid += (gpu.fast * plate * self.power - self._lid) * closed(seconds, gpu.fast_time)
        self._plate += ((1 - gpu.fast) * plate * self.power - self._plate) * closed(seconds, gpu.slow_time)
        self._supply = supply
        self.coolant = 0.5 * (self.outlet + supply[:, None])
        self.temperature = self.coolant[:, :, None] + self._lid + self._plate
        inside = air + effects.inlet + 8.0 / effects.fan  # K that the tray's air gains (an estimate)
        self.fan += (np.clip(0.5 + 0.03 * (inside - 32.0), 0.2, 1.0) - self.fan) * closed(seconds, 60.0)
        self.inside = inside

    def _remember(self, seconds: float, effects: Effects) -> None:
        """Count memory errors; a lost row is remapped, with its two Xids."""
        gpu, counters = self._given.gpu, self.counters
        warmth = np.exp(gpu.corrected_per_kelvin * (self.memory_temperature - gpu.leakage_at - gpu.memory_rise))
        rate = gpu.corrected / _DAY * self._errors * effects.corrected * np.minimum(warmth, 20.0)
        if (effects.lost & ~self._lost).any():
            self.events += [("gpu.xid", place, XID_LOST) for place in np.flatnonzero(effects.lost & ~self._lost).tolist()]
        self._lost = effects.lost
        counters["corrected_errors"] += self._random.poisson(rate * seconds)
        lost = effects.uncorrected - counters["uncorrected_errors"]
        if (lost > 0).any():
            for place in np.flatnonzero(lost > 0).tolist():
                self.events += [("gpu.xid", place, XID_CONTAINED), ("gpu.xid", place, XID_REMAP)]
            counters["uncorrected_errors"] = np.maximum(counters["uncorrected_errors"], effects.uncorrected)
            counters["remapped_rows_uncorrected"] = counters["uncorrected_errors"].copy()

    @property
    def memory_temperature(self) -> F64:
        """Of the HBM, shape (R, T, G)."""
        return self.temperature + self._memory_rise * (0.3 + 0.7 * np.minimum(1.0, self.level))[:, None, None]

    def exact(self) -> dict[str, F64]:
        """Return what there is to be measured, by signal."""
        gpu, tray = self._given.gpu, self._given.tray
        busy = np.broadcast_to((self.level > 0.05)[:, None, None], self.power.shape)
        lost = self.counters["uncorrected_errors"]
        nothing = np.zeros(self.power.shape)
        effects = self._effects
        found = {
            **{f"gpu.{name}": np.floor(count) for name, count in self.counters.items() if not name.endswith("_time")},
            **{f"gpu.{name}": count for name, count in self.counters.items() if name.endswith("_time")},
            "gpu.temperature": self.temperature,
            "gpu.memory_temperature": self.memory_temperature,
            "gpu.temperature_margin": gpu.slowdown - self.temperature,
            "gpu.power": self.sampled,
            "gpu.core_clock": gpu.clock * self.speed,
            "gpu.memory_clock": np.full(self.power.shape, gpu.memory_clock),
            "gpu.utilization": np.where(busy, 99.0, 0.0),
            "gpu.remapped_rows_corrected": nothing,
            "gpu.row_remap_pending": (lost > 0).astype(np.float64),
            "gpu.row_remap_failed": nothing,
            "cpu.temperature": self.coolant[:, :, None] + 1000 * tray.cpu_resistance * effects.cpu * self.cpu_power,
            "cpu.power": self.cpu_power,
            "switch.temperature": self._supply[:, None] + 3.0 + 500 * tray.switch_resistance * self._switch[:, None] * self._switch_part,
            "tray.liquid_return": self.outlet,
            "tray.fan_demand": 100 * self.fan,
            "tray.fan_speed": tray.fan_most * self.fan * self._fan_part * effects.fan,
            "drive.temperature": self.inside + 14.0 * (0.4 + 0.6 * np.minimum(1.0, self.level))[:, None],
            "tray.leak": np.zeros(self.outlet.shape),
            "nic.temperature": self.inside[:, :, None] + self._given.link.optic + effects.optic,
        }
        return without(found, effects.lost)
