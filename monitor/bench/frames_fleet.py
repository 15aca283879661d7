"""A fleet that speaks W's frames: racks of 480 values that are in order, and two faults to time."""

import numpy as np

from monitor.bench.workload import POINTS, TOPIC
from monitor.model import F64
from monitor.simulate.packets import publish

FAST, SLOW = "leak", "flow_low"  # told by an express rule, and by a tick rule
GPUS, SUPPLIES = 72, 36
VARIANTS = 16  # different frames, in turn, so that no point looks stuck
_STAMP = 13  # digits
LEAK, FLOW = 0, 70.0  # of a rack in order: no leak; L/min at flow_low
_COOLING = {
    "supply_temp": (30.0, 0.2), "return_temp": (40.0, 0.3), "flow": (110.0, 1.0), "pressure_in": (2.1, 0.02), "pressure_out": (1.4, 0.02),
    "leak": (0.0, 0.0), "pump_speed": (3200.0, 8.0), "pump_power": (410.0, 3.0), "valve_pos": (62.0, 0.4), "ambient_temp": (27.0, 0.2),
    "humidity": (45.0, 0.5), "dew_point": (14.0, 0.2),
}  # fmt: skip
_GROUPS = {
    "gpu_temp": (GPUS, 63.0, 0.6, 1), "gpu_power": (GPUS, 950.0, 12.0, 1), "gpu_mem_temp": (GPUS, 69.0, 0.6, 1), "gpu_ecc": (GPUS, 2.0, 0.0, 0),
    "gpu_nvlink": (GPUS, 500.0, 0.0, 0), "psu_power": (SUPPLIES, 2660.0, 12.0, 1), "psu_current": (SUPPLIES, 53.2, 0.24, 2),
    "psu_temp": (SUPPLIES, 45.0, 0.8, 1),
}  # fmt: skip


class Fleet:
    """Racks and what ails them; a leak lasts one frame, a low flow for good.

    Args:
        racks: how many.
        seed: of the noise.

    """

    def __init__(self, racks: int, seed: int = 1) -> None:
        chance = np.random.default_rng(seed)
        self._count = racks
        self._ill: dict[int, str] = {}
        self._bodies = {fault: [_body(chance, fault) for _ in range(VARIANTS)] for fault in ("", FAST, SLOW)}
        self._turn = 0

    @staticmethod
    def name(rack: int) -> str:
        return f"r{rack:04d}"

    def ill(self, rack: int) -> bool:
        """Say whether a rack has had a fault."""
        return rack in self._ill

    def packet(self, rack: int, fault: str, stamp: int) -> bytes:
        """Return a rack's next frame as an MQTT packet; see `payload`."""
        return publish(TOPIC.format(self.name(rack)).encode(), self.payload(rack, fault, stamp))

    def payload(self, rack: int, fault: str, stamp: int) -> bytes:
        """Return a rack's next frame; `stamp` is ms since 1970 UTC, `fault` what begins with it, "" for nothing."""
        if fault:
            self._ill[rack] = fault
        shown = fault or (SLOW if self._ill.get(rack) == SLOW else "")
        self._turn += 1
        head = b'{"ts":%d,"rack":"%s","values":' % (stamp, self.name(rack).encode())
        return head + self._bodies[shown][self._turn % VARIANTS] + b"}"


def _body(chance: np.random.Generator, fault: str) -> bytes:
    groups = [
        f'"{name}":[{",".join(_written(value + noise * chance.standard_normal(count), decimals))}]'
        for name, (count, value, noise, decimals) in _GROUPS.items()
    ]
    cooling = {name: value + noise * float(chance.standard_normal()) for name, (value, noise) in _COOLING.items()}
    cooling["leak"] = 1.0 if fault == FAST else 0.0
    if fault == SLOW:
        cooling["flow"] = FLOW
    texts = [f'"cool_{name}":{value:.{0 if name == "leak" else 2}f}' for name, value in cooling.items()]
    return ("{" + ",".join([*groups, *texts]) + "}").encode()


def _written(values: F64, decimals: int) -> list[str]:
    return [f"{value:.{decimals}f}" for value in values.tolist()]


assert sum(count for count, *_ in _GROUPS.values()) + len(_COOLING) == POINTS
