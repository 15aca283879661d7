"""What the monitor knows of its own links and sources, as points that rules read like any other."""

from enum import IntEnum

import numpy as np

from monitor.collect.frame import Frame
from monitor.collect.ticks import Ticks
from monitor.model import I64, Point
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
        self._sources: I64 = np.zeros((3, 0), np.int64)  # row of each source, of its silence and of its clock_offset
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
        spoken = ~np.isnan(frame.source_life)
        spoken[self._sources[0]] = False
        fresh = set(np.flatnonzero(spoken).tolist())
        if fresh:
            names = [(name, row) for name, row in self._plant.sources.items() if row in fresh and name != "monitor"]
            rows = [
                (row, self._point("source", name, "silence", "s"), self._point("source", name, "clock_offset", "s")) for name, row in names
            ]
            self._sources = np.concatenate([self._sources, np.array(rows, np.int64).reshape(-1, 3).T], axis=1)

    def put(self, frame: Frame, ticks: Ticks) -> None:
        """Write this tick's values."""
        source, silence, offset = self._sources
        if len(source):
            offsets = np.full(len(frame.source_life), np.nan)
            known = ticks.clocks.offsets()[: len(offsets)]
            offsets[: len(known)] = known
            frame.put(silence, np.maximum(0.0, frame.time - frame.source_life[source]))
            frame.put(offset, offsets[source])
        if self._links:
            frame.put(np.array(list(self._links.values()), np.int64), np.array([float(self.states[name]) for name in self._links]))
