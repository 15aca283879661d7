"""What the monitor knows of its own links and sources, as points that rules read like any other."""

from enum import IntEnum

import numpy as np

from monitor.collect.frame import Frame
from monitor.collect.ticks import Ticks
from monitor.model import Point
from monitor.plant import Plant

NEVER = 86400.0 * 365 * 100  # s; own points do not go stale: they are put at every tick


class LinkState(IntEnum):
    """Value of a link's `link_state`."""

    CONNECTED = 0
    LOST = 1
    REFUSED = 2


class OwnPoints:
    """Puts the state of links and sources into the frame at every tick.

    Assets are `source/NAME` with `silence` (s) and `clock_offset` (s, positive ahead), and `link/NAME` with `link_state`.
    """

    def __init__(self, plant: Plant) -> None:
        self._plant = plant
        self._sources: dict[int, tuple[int, int]] = {}  # source row -> rows of silence and clock_offset
        self._links: dict[str, int] = {}
        self.states: dict[str, LinkState] = {}

    def link(self, name: str, state: LinkState) -> None:
        """Remember a link's state from now on."""
        self.states[name] = state
        if name not in self._links:
            self._links[name] = self._point("link", name, "link_state", "")

    def _point(self, kind: str, name: str, quantity: str, unit: str) -> int:
        asset = f"{kind}/{name}"
        self._plant.asset(asset, kind)
        return self._plant.describe(
            Point(source="monitor", path=f"{asset}/{quantity}", asset=asset, quantity=quantity, unit=unit, interval=NEVER)
        )

    def describe(self, frame: Frame) -> None:
        """Give every source that has spoken its asset; before the frame and the plan are extended."""
        for name, row in list(self._plant.sources.items()):
            if row not in self._sources and name != "monitor" and not np.isnan(frame.source_life(row)):
                self._sources[row] = (self._point("source", name, "silence", "s"), self._point("source", name, "clock_offset", "s"))

    def put(self, frame: Frame, ticks: Ticks) -> None:
        """Write this tick's values."""
        offsets = ticks.clocks.offsets()
        for row, (silence, offset) in self._sources.items():
            frame.put(silence, max(0.0, frame.time - frame.source_life(row)), frame.time)
            frame.put(offset, float(offsets[row]) if row < len(offsets) else np.nan, frame.time)
        for name, row in self._links.items():
            frame.put(row, float(self.states[name]), frame.time)
