"""Columns that remember, and the slots in which a duration is held.

A duration is held in at most SLOTS slots of equal length; a window covers the last slots, the one that fills included, so its
length is the duration or up to a slot less.
"""

import numpy as np

from monitor.model import I64

SLOTS = 120  # beyond it a slot holds several pushes; an estimate, 1 % of the duration


class State:
    """Columns of shape (..., N) that grow together, with room for an eighth more so that few rows cost little."""

    def __init__(self) -> None:
        self.rows = 0
        self._room: dict[str, tuple[np.ndarray, float]] = {}

    def _column(self, name: str, fill: float, *shape: int, dtype: type[np.generic] = np.float64) -> None:
        room = np.full((*shape, 0), fill, dtype)
        self._room[name] = (room, fill)
        setattr(self, name, room)

    def extend(self, rows: int) -> None:
        """Have `rows` rows; new ones know nothing."""
        for name, (room, fill) in self._room.items():
            if rows > room.shape[-1]:
                wider = np.full((*room.shape[:-1], rows if not self.rows else rows + rows // 8), fill, room.dtype)
                wider[..., : self.rows] = room[..., : self.rows]
                self._room[name] = (wider, fill)
            setattr(self, name, self._room[name][0][..., :rows])
        self.rows = rows

    def forget(self, rows: I64) -> None:
        """Start anew for some rows: their point changed its meaning."""
        for name, (_, fill) in self._room.items():
            getattr(self, name)[..., rows] = fill

    @property
    def bytes(self) -> int:
        return sum(room.nbytes for room, _ in self._room.values())

    def watched(self, row: int) -> tuple[float, float]:
        """Return the share of its length for which a row has been watched so far, and the share of that which was known."""
        return 1.0, 1.0

    def push(self, *values: np.ndarray) -> np.ndarray:
        """Take in one value a row, (N,), and return what they make, (N,)."""
        raise NotImplementedError


class Slots:
    """Where a push falls in a ring of slots."""

    def __init__(self, duration: float, step: float, most: int = SLOTS) -> None:
        self.ticks = max(1, round(duration / step))
        self.every = -(-self.ticks // most)
        self.count = -(-self.ticks // self.every)
        self.at = 0
        self._filled = 0

    @property
    def opens(self) -> bool:
        """Whether the next push is the first of its slot."""
        return self._filled == 0

    def push(self) -> bool:
        """Count a push; say whether it filled its slot, and move on."""
        self._filled += 1
        if self._filled < self.every:
            return False
        self._filled = 0
        self.at = (self.at + 1) % self.count
        return True
