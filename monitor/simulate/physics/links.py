"""NVLink, PCIe and the optics of the scale-out network: error rates, what they count up, and when a link goes down."""

import numpy as np

from monitor.model import F64
from monitor.simulate.physics.effects import Effects
from monitor.simulate.physics.parameters import GPUS, LANES, NICS, TRAYS, Parameters
from monitor.simulate.physics.trays import Event, without

XID_NVLINK = 145
_PER_KELVIN = 0.01  # growth of a laser's bias current with its temperature (an estimate)


class Links:
    """State after the last step, exact; shapes (R, T, G) and (R, T, N), lanes behind."""

    def __init__(self, racks: int, given: Parameters, random: np.random.Generator) -> None:
        self._given, self._random = given.link, random
        link = given.link
        gpus, nics = (racks, TRAYS, GPUS), (racks, TRAYS, NICS)
        self._healthy = link.error_rate * np.exp(0.5 * random.standard_normal(gpus))
        self._receive = link.receive + link.receive_spread * random.standard_normal((*nics, LANES))
        self._pre_fec = link.pre_fec * np.exp(link.pre_fec_spread * random.standard_normal(nics))
        self._bias = 0.0065 * (1 + 0.05 * random.standard_normal(nics))  # A, laser bias (an estimate)
        self.error_rate = self._healthy
        self.receive, self.errors = self._receive, self._pre_fec
        self.counters = {name: np.zeros(gpus) for name in ("symbol_errors", "nvlink_recoveries", "pcie_replays")}
        self._lost = np.zeros(gpus, np.bool_)
        self.downs = np.zeros(nics)
        self.down = np.zeros(nics, np.bool_)
        self.width, self.bias = np.full(gpus, 16.0), self._bias
        self.links = np.full(gpus, float(link.links))
        self.events: list[Event] = []

    def step(self, seconds: float, effects: Effects) -> None:
        link, counters = self._given, self.counters
        self.error_rate = self._healthy * 10**effects.decades
        counters["symbol_errors"] += self._random.poisson(np.minimum(self.error_rate * link.rate * seconds, 1e12))
        often = link.recoveries * np.maximum(0.0, np.log10(self.error_rate / link.recovery_at))
        recovered = self._random.poisson(often * seconds)
        for place in np.flatnonzero((counters["nvlink_recoveries"] == 0) & (recovered > 0)).tolist():
            self.events.append(("gpu.xid", place, XID_NVLINK))
        counters["nvlink_recoveries"] += recovered
        counters["pcie_replays"] += self._random.poisson((link.replays + effects.replays) * seconds)
        self.links = np.minimum(self.links, link.links - 1.0 * (self.error_rate > link.down_at))
        self.receive = self._receive - effects.dimmed
        self.errors = np.minimum(0.1, self._pre_fec * np.exp(link.pre_fec_per_db * effects.dimmed).mean(3))
        self._lost = effects.lost
        self.width, self.bias = 16.0 * effects.width, self._bias * (1 + _PER_KELVIN * effects.optic)
        self.down = effects.flaps > self.downs  # for this step
        self.downs = np.maximum(self.downs, effects.flaps)

    def exact(self) -> dict[str, F64]:
        """Return what there is to be measured, by signal."""
        found = {
            **{f"gpu.{name}": count for name, count in self.counters.items()},
            "gpu.bit_error_rate": self.error_rate,
            "gpu.nvlink_links": self.links,
            "gpu.pcie_width": self.width,
            **{f"nic.receive_{lane + 1}": self.receive[..., lane] for lane in range(LANES)},
            "nic.bias": self.bias,
            "nic.bit_error_rate": self.errors,
            "nic.link_downs": self.downs,
            "nic.link_up": 1.0 - self.down,
        }
        return without(found, self._lost)
