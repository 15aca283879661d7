"""The yardstick: W's nine rules as a loop over messages, with dicts, as most teams would write it."""

import math
from collections import deque
from collections.abc import Mapping
from typing import Any

from monitor.bench.frames_fleet import GPUS, SUPPLIES

SHELF = 6
Key = tuple[str, str]


class Loop:
    """All state in dicts by (rule, asset); `fired` holds each first alert and its event time in s."""

    def __init__(self) -> None:
        self.fired: dict[Key, float] = {}
        self._since: dict[Key, float] = {}
        self._firing: set[Key] = set()
        self._counters: dict[tuple[str, str], tuple[float, float, deque[tuple[float, float]]]] = {}
        self._seen: dict[str, float] = {}
        self._now = 0.0

    def take(self, frame: Mapping[str, Any]) -> None:
        """Judge one decoded frame."""
        now, rack, values = frame["ts"] / 1e3, frame["rack"], frame["values"]
        temperatures = values["gpu_temp"]
        total, squares = sum(temperatures), sum(value * value for value in temperatures)
        for number in range(GPUS):
            asset, value = f"{rack}/gpu{number:02d}", temperatures[number]
            self._judge("gpu_temp_high", asset, value > 87, now, 60)
            mean = (total - value) / (GPUS - 1)
            deviation = math.sqrt(max((squares - value * value) / (GPUS - 1) - mean * mean, 1e-12))
            self._judge("gpu_temp_z", asset, value - mean > 4 * deviation, now, 60)
            self._judge("ecc_increase", asset, self._grown("ecc", asset, values["gpu_ecc"][number], now, 600) > 0, now, 0)
            self._judge("nvlink_rate", asset, self._grown("nvlink", asset, values["gpu_nvlink"][number], now, 300) > 300, now, 0)
        for first in range(0, SUPPLIES, SHELF):
            powers = values["psu_power"][first : first + SHELF]
            mean = sum(powers) / SHELF
            for number, power in enumerate(powers, first):
                self._judge("psu_imbalance", f"{rack}/psu{number:02d}", abs(power - mean) > 0.1 * mean, now, 120)
        self._judge("flow_low", rack, values["cool_flow"] < 80, now, 30)
        self._judge("delta_t", rack, values["cool_return_temp"] - values["cool_supply_temp"] > 15, now, 60)
        self._judge("leak", rack, values["cool_leak"] == 1, now, 0)
        self._seen[rack] = now
        self._firing.discard(("absent", rack))
        if now > self._now:
            self._now = now
            for other, seen in self._seen.items():
                if now - seen >= 60 and ("absent", other) not in self._firing:
                    self._fire(("absent", other), now)

    def _judge(self, rule: str, asset: str, holds: bool, now: float, wait: float) -> None:
        key = (rule, asset)
        if holds:
            if now - self._since.setdefault(key, now) >= wait and key not in self._firing:
                self._fire(key, now)
        elif key in self._since:
            del self._since[key]
            self._firing.discard(key)

    def _fire(self, key: Key, now: float) -> None:
        self._firing.add(key)
        self.fired.setdefault(key, now)

    def _grown(self, counter: str, asset: str, value: float, now: float, span: float) -> float:
        """Return what a counter grew within a span; one that falls was reset and grew by what it shows."""
        key = (counter, asset)
        last, grown, past = self._counters.get(key) or (value, 0.0, deque())
        grown += value - last if value >= last else value
        past.append((now, grown))
        while past[0][0] < now - span:
            past.popleft()
        self._counters[key] = (value, grown, past)
        return grown - past[0][1]
