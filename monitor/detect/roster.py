"""Which assets, or which of their points, are judged: the rows that all tables about the same things share."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np

from monitor.model import I8, I32, Bool
from monitor.plant import Asset

NONE = -1


@dataclass(slots=True)
class Roster:
    """A row is an asset of some kinds, or a point of one quantity of it. Rows are never taken out, only put out of use."""

    kinds: tuple[str, ...]
    each: str | None
    assets: list[Asset] = field(default_factory=list)
    points: list[int] = field(default_factory=list)  # row in the frame, NONE in a roster of assets
    skus: list[str | None] = field(default_factory=list)
    sku: I32 = field(default_factory=lambda: np.zeros(0, np.int32))  # place of each row's SKU among those known
    _known: dict[str | None, int] = field(default_factory=lambda: {None: 0})
    phase: I8 = field(default_factory=lambda: np.zeros(0, np.int8))
    live: Bool = field(default_factory=lambda: np.zeros(0, np.bool_))  # False: the row is out of use
    _row: I32 = field(default_factory=lambda: np.zeros(0, np.int32))  # of each asset, in a roster of assets
    _rows: dict[int, list[int]] = field(default_factory=dict)  # of each asset, in a roster of points

    def __len__(self) -> int:
        return len(self.assets)

    def rows(self, asset: int) -> list[int]:
        """Return the rows of an asset, those out of use included."""
        if self.each is not None:
            return self._rows.get(asset, [])
        row = self.row(asset)
        return [] if row == NONE else [row]

    def row(self, asset: int) -> int:
        """Return the row of an asset in a roster of assets, NONE where it has none."""
        return int(self._row[asset]) if asset < len(self._row) else NONE

    def add(self, asset: Asset, points: Iterable[int]) -> list[int]:
        """Return the rows of an asset's points, or with NONE its own; new ones where there are none."""
        found = []
        for point in points:
            row = self.row(asset.row) if self.each is None else self._of_point(asset.row, point)
            if row == NONE:
                row = len(self.assets)
                self.assets.append(asset)
                self.points.append(point)
                self.skus.append(None)
                self._note(asset.row, row)
            found.append(row)
        return found

    def _of_point(self, asset: int, point: int) -> int:
        return next((row for row in self._rows.get(asset, ()) if self.points[row] == point), NONE)

    def fit(self) -> None:
        """Have phase and life for every row; who adds rows says them, and the SKU."""
        more = len(self.assets) - len(self.live)
        if more:
            self.live = np.concatenate([self.live, np.ones(more, np.bool_)])
            self.phase = np.concatenate([self.phase, np.zeros(more, np.int8)])
            self.sku = np.concatenate([self.sku, np.zeros(more, np.int32)])

    def mark(self, row: int, sku: str | None, phase: int, *, live: bool) -> None:
        """Say how a row stands."""
        self.live[row], self.phase[row], self.skus[row] = live, phase, sku
        self.sku[row] = self._known.setdefault(sku, len(self._known))

    def of_sku(self, allows: Callable[[str | None], bool]) -> Bool:
        """Return whether each row is of an allowed SKU."""
        allowed = np.fromiter(map(allows, self._known), np.bool_, len(self._known))
        found: Bool = allowed[self.sku]
        return found

    def _note(self, asset: int, row: int) -> None:
        if self.each is not None:
            self._rows.setdefault(asset, []).append(row)
            return
        room = len(self._row)
        if asset >= room:
            self._row = np.concatenate([self._row, np.full(max(asset + 1 - room, room), NONE, np.int32)])
        self._row[asset] = row
