"""Power from two feeds through eight shelves of six supplies and a bus bar to the trays. Powers in kW, else V, A, ohm."""

from math import sqrt

import numpy as np

from monitor.model import F64
from monitor.simulate.physics.change import Wander, closed
from monitor.simulate.physics.effects import Effects
from monitor.simulate.physics.parameters import PSUS, SHELVES, TRAYS, Parameters

_NOMINAL = 50.0  # V, at full load


def losses(given: tuple[tuple[float, float], ...], rating: float) -> F64:
    """Return a, b, c of a supply's loss a + b I + c I^2 in kW that give three efficiencies at shares of its rating.

    >>> a, b, c = losses(((0.1, 0.94), (0.5, 0.975), (1.0, 0.965)), 5.5)
    >>> float(round(2.75 / (2.75 + a + b * 55 + c * 55**2), 4))
    0.975

    """
    share, efficiency = np.array(given).T
    amps = 1000 * rating * share / _NOMINAL
    return np.linalg.solve(np.vander(amps, 3, increasing=True), rating * share * (1 / efficiency - 1))


class Supplies:
    """State after the last step, exact. R racks, H shelves, P supplies, F feeds, phases behind.

    A shelf holds open_voltage - droop / 6 * current at its terminals, however many of its supplies work; these share
    evenly. Shelves share by that droop and by their joints to the bus bar.
    """

    def __init__(self, racks: int, given: Parameters, random: np.random.Generator) -> None:
        self._given, self._tray = given.supplies, given.tray
        supplies = given.supplies
        self._open = supplies.open_voltage + supplies.trim * random.standard_normal((racks, SHELVES))
        self._share = 1 + supplies.share * random.standard_normal((racks, SHELVES, PSUS))
        self._shelf_joint = supplies.joint * np.maximum(0.3, 1 + supplies.joint_spread * random.standard_normal((racks, SHELVES)))
        self._tray_joint = given.tray.joint * np.maximum(0.3, 1 + given.tray.joint_spread * random.standard_normal((racks, TRAYS)))
        self._loss = losses(supplies.efficiency, supplies.rating)
        self._fan_part = 1 + 0.01 * random.standard_normal((racks, SHELVES, PSUS))
        self._volts = Wander(2, supplies.wander, 60.0, random)
        self._hertz = Wander(1, 0.01, 30.0, random)
        self._warm = np.zeros((racks, SHELVES + TRAYS))  # K of the joints over the air
        self.faults = np.zeros((racks, SHELVES, PSUS))

    def step(self, seconds: float, trays: F64, others: F64, effects: Effects) -> None:
        """Solve the network.

        Args:
            seconds: of event time.
            trays: what each tray takes, kW, shape (R, T).
            others: what else hangs on each rack's bus bar, kW, shape (R,).
            effects: of the faults.

        """
        given = self._given
        self._volts.step(seconds)
        self._hertz.step(seconds)
        self.faults = np.maximum(self.faults, effects.dead)
        self.tray_joint = self._tray_joint + effects.tray_joint
        self.shelf_joint = self._shelf_joint + effects.shelf_joint
        silent = effects.dead | effects.unfed
        share = np.where(effects.idle | silent, 0.0, self._share * effects.share)
        alive = share.sum(2)
        behind = given.droop / PSUS + self.shelf_joint
        conductance = np.where(alive > 0, 1 / behind, 0.0)
        opened = self._open + effects.bus[:, None]
        total, short = conductance.sum(1), (opened * conductance).sum(1)
        self.tray_power, lost = trays, np.zeros(trays.shape)
        for _ in range(2):  # the trays' joints lose so little that a second pass settles it
            load = 1000 * (trays.sum(1) + others) + lost.sum(1)
            # total * V^2 - short * V + load = 0: the bus bar's voltage
            self.bus: F64 = (short + np.sqrt(np.maximum(0.0, short**2 - 4 * total * load))) / (2 * total)
            # A tray takes constant power through its joint: V = (bus + sqrt(bus^2 - 4 R P)) / 2.
            square = self.bus[:, None] ** 2
            self.tray_voltage = 0.5 * (self.bus[:, None] + np.sqrt(np.maximum(0.0, square - 4000 * self.tray_joint * trays)))
            self.tray_current = 1000 * trays / self.tray_voltage
            lost = self.tray_current**2 * self.tray_joint
        self.shelf_current: F64 = (opened - self.bus[:, None]) * conductance
        self.terminal = opened - given.droop / PSUS * self.shelf_current
        self.current = self.shelf_current[:, :, None] * share / np.where(alive > 0, alive, 1.0)[:, :, None]
        self.output = self.terminal[:, :, None] * self.current / 1000
        a, b, c = self._loss
        loss = np.where(silent, 0.0, (a + b * self.current + c * self.current**2) * effects.loss)
        self.input: F64 = self.output + loss
        heat = np.concatenate([self.shelf_current**2 * self.shelf_joint, lost], axis=1)
        self._warm += (self._tray.joint_rise * heat - self._warm) * closed(seconds, self._tray.joint_time)
        self._feeds(effects)
        self._effects = effects

    @property
    def power(self) -> F64:
        """What each rack takes from its feeds, kW, shape (R,)."""
        power: F64 = self.input.sum((1, 2))
        return power

    def _feeds(self, effects: Effects) -> None:
        feed, phase = effects.feed[:, :, None, None], effects.phase[:, :, :, None]
        on_phase = (self.input[..., None] * (phase == np.arange(3))).sum(2)  # (R, H, 3)
        self.shelf_phase = on_phase
        self.tap: F64 = np.stack([(on_phase * (feed[..., 0] == number)).sum(1) for number in (0, 1)], 1) * (
            1 + self._given.cable
        )  # (R, F, 3)
        self.pdu = self.tap.sum(0) * (1 + self._given.cable)  # (F, 3)

    def _meter(self, power: F64, volts: F64) -> dict[str, F64]:
        """Return what a meter of three phases reads; `power` has them behind."""
        given = self._given
        amps = 1000 * power / ((volts / sqrt(3.0))[..., None] * given.power_factor)
        a, b, c = amps[..., 0], amps[..., 1], amps[..., 2]
        active = power.sum(-1)
        return {
            "voltage": volts,
            "active_power": active,
            "apparent_power": active / given.power_factor,
            "power_factor": np.full(active.shape, given.power_factor),
            "frequency": np.full(active.shape, given.frequency + float(self._hertz.value[0])),
            "current": amps.mean(-1),
            "phase_a": a,
            "phase_b": b,
            "phase_c": c,
            **{f"volts_{phase}": volts / sqrt(3.0) for phase in "abc"},
            "neutral": np.sqrt(np.maximum(0.0, a**2 + b**2 + c**2 - a * b - b * c - c * a)),
        }

    def exact(self, air: float) -> dict[str, F64]:
        """Return what there is to be measured, by signal; `air` is the cold aisle's temperature."""
        given, effects = self._given, self._effects
        pdu = given.voltage + self._volts.value
        racks = self.bus.shape[0]
        volts = np.broadcast_to(pdu - 0.5, (racks, 2))
        neutral = np.where(effects.feed == 0, volts[:, :1], volts[:, 1:]) / sqrt(3.0)  # (R, H)
        input_voltage = np.where(effects.unfed, 0.0, neutral[:, :, None])
        silent = effects.dead | effects.unfed
        warm = 1000 * given.rise * (self.input - self.output) / effects.blower
        amps = 1000 * self.shelf_phase / (neutral[..., None] * given.power_factor)
        return {
            "psu.input_voltage": input_voltage,
            "psu.input_power": self.input,
            "psu.input_current": 1000 * self.input / (np.maximum(input_voltage, 1.0) * given.power_factor),
            "psu.output_voltage": np.where(silent, 0.0, self.terminal[:, :, None] - 0.1 * effects.idle),
            "psu.output_current": self.current,
            "psu.output_power": self.output,
            "psu.inlet": np.full(self.input.shape, air + 4.0),
            "psu.outlet": air + 4.0 + warm,
            "psu.fan_speed": (6000 + 250 * np.maximum(0.0, warm)) * self._fan_part * effects.blower * ~silent,
            "psu.status": silent.astype(np.float64),
            "psu.faults": self.faults,
            "shelf.input_power": self.input.sum(2),
            "shelf.output_power": self.output.sum(2),
            "shelf.output_current": self.shelf_current,
            "shelf.output_voltage": self.terminal,
            "shelf.clip": air + 4.0 + self._warm[:, :SHELVES],
            **{f"shelf.phase_{name}": amps[..., number] for number, name in enumerate("abc")},
            "tray.input_voltage": self.tray_voltage,
            "tray.input_current": self.tray_current,
            "tray.input_power": self.tray_voltage * self.tray_current / 1000,
            "tray.power": self.tray_power,
            "tray.clip": air + 4.0 + self._warm[:, SHELVES:],
            **{f"tap.{name}": value for name, value in self._meter(self.tap, volts).items()},
            "tap.current_limit": np.full((racks, 2), given.tap_limit),
            **{f"pdu.{name}": value for name, value in self._meter(self.pdu, pdu).items()},
            "pdu.current_limit": np.full(2, given.tap_limit * racks),
        }
