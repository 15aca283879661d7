"""Assets, what serves what, sources and points; the only place where a name becomes a row number."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TypeVar

import numpy as np

from monitor.model import F64, I32, Bool, Findings, Phase, Point
from monitor.vocabulary import QUANTITIES, Quantity

T = TypeVar("T")
_NOTHING: Mapping[str, str] = MappingProxyType({})
OWN_KINDS = frozenset({"link", "source"})  # the monitor's own parts; never counted among the plant's assets
UNKNOWN = "unknown"


@dataclass(slots=True)
class Asset:
    """One thing of the plant. `kind` is "unknown" while only its id has been named."""

    row: int
    id: str
    kind: str = UNKNOWN
    parent: str | None = None
    attributes: Mapping[str, str] = field(default_factory=lambda: _NOTHING)  # name, sku, serial, lot, firmware, position
    phase: Phase | None = None  # None: nobody set it; see Plant.phase
    children: tuple[str, ...] = ()
    points: tuple[int, ...] = ()  # rows in use, in the order they were described
    serves: tuple[str, ...] = ()
    served_by: tuple[str, ...] = ()


class Column:
    """A growing numpy column; `values` is a view of the rows in use and is replaced when it grows."""

    def __init__(self, dtype: type[np.generic]) -> None:
        self._room = np.zeros(64, dtype)
        self.size = 0

    def append(self, value: float) -> None:
        if self.size == len(self._room):
            self._room = np.concatenate([self._room, np.zeros_like(self._room)])
        self._room[self.size] = value
        self.size += 1

    @property
    def values(self) -> np.ndarray:
        return self._room[: self.size]


class Plant:
    """The plant as columns and names.

    `version` grows with every change of shape (asset, kind, edge, point, attribute); whoever keeps a plan compares it.
    """

    def __init__(self, vocabulary: Mapping[str, Quantity] = QUANTITIES) -> None:
        self.vocabulary = vocabulary
        self.assets: dict[str, Asset] = {}
        self.by_row: list[Asset] = []
        self.edges: set[tuple[str, str]] = set()
        self._claims: dict[str, frozenset[tuple[str, str]]] = {}
        self._claimed: Counter[tuple[str, str]] = Counter()
        self.points: list[Point] = []
        self.rows: dict[str, int] = {}  # path -> newest row
        self.quantities: set[str] = set()  # of all points there ever were
        self.sources: dict[str, int] = {}
        self.findings = Findings()
        self.version = 0
        self.watchers: list[set[int]] = []  # each gets the rows of assets whose shape changed; its owner empties it
        self._asset = Column(np.int32)
        self._source = Column(np.int32)
        self._scale = Column(np.float64)
        self._offset = Column(np.float64)
        self._interval = Column(np.float64)
        self._event = Column(np.bool_)

    @property
    def asset_of(self) -> I32:
        """Row of each point's asset, shape (S,)."""
        return self._asset.values

    @property
    def source_of(self) -> I32:
        """Row of each point's source, shape (S,)."""
        return self._source.values

    @property
    def scale(self) -> F64:
        return self._scale.values

    @property
    def offset(self) -> F64:
        return self._offset.values

    @property
    def interval(self) -> F64:
        """Longest promised time between two readings of each point, s, shape (S,)."""
        return self._interval.values

    @property
    def event(self) -> Bool:
        """Whether each point's readings are events, shape (S,)."""
        return self._event.values

    def asset(self, name: str, /, kind: str | None = None, *, parent: str | None = None, **attributes: str) -> Asset:
        """Return the asset of that id, made or completed as said; a known kind is never made unknown again."""
        asset = self.assets.get(name)
        if asset is None:
            asset = self.assets[name] = Asset(len(self.by_row), name)
            self.by_row.append(asset)
            self._changed(asset)
        if kind is not None and kind != asset.kind:
            if asset.kind != UNKNOWN:
                self.findings.add("kind_changed", name, f"was {asset.kind}, is now called {kind}; the newer is used")
            asset.kind = kind
            self._changed(asset)
        if parent is not None and parent != asset.parent:
            if asset.parent is not None:
                before = self.assets[asset.parent]
                before.children = _without(before.children, name)
                self._changed(before)
            self.asset(parent).children += (name,)
            asset.parent = parent
            self._changed(asset)
        for key, value in attributes.items():
            if asset.attributes.get(key) != value:
                asset.attributes = {**asset.attributes, key: value}
                self._changed(asset)
        return asset

    def serve(self, giver: str, taker: str) -> None:
        """Record for good that power or coolant flows from one asset to another."""
        self.claim(f"{giver} serves {taker}", giver, (taker,))

    def claim(self, claimant: str, giver: str, takers: Iterable[str]) -> None:
        """Record which assets one is said to serve. What the same claimant said before and nobody else says is taken back."""
        before = self._claims.get(claimant, frozenset())
        now = frozenset((giver, taker) for taker in takers)
        if now == before:
            return
        self._claims[claimant] = now
        for edge in sorted(now - before):
            self._claimed[edge] += 1
            if self._claimed[edge] == 1:
                self.edges.add(edge)
                giving, taking = self.asset(edge[0]), self.asset(edge[1])
                giving.serves += (edge[1],)
                taking.served_by += (edge[0],)
                self._changed(giving)
                self._changed(taking)
        for edge in sorted(before - now):
            self._claimed[edge] -= 1
            if not self._claimed[edge]:
                del self._claimed[edge]
                self.edges.remove(edge)
                giving, taking = self.assets[edge[0]], self.assets[edge[1]]
                giving.serves = _without(giving.serves, edge[1])
                taking.served_by = _without(taking.served_by, edge[0])
                self._changed(giving)
                self._changed(taking)

    def watch(self) -> set[int]:
        """Return a set that from now on collects the rows of changed assets, all present ones included."""
        changed = set(range(len(self.by_row)))
        self.watchers.append(changed)
        return changed

    def _changed(self, asset: Asset) -> None:
        self.version += 1
        for watcher in self.watchers:
            watcher.add(asset.row)

    def phase(self, asset: Asset) -> Phase:
        """Return the phase of an asset: its own, else that of the nearest one above it, else `watch`."""
        seen = 0
        at: Asset | None = asset
        while at is not None and seen < 20:  # a wire may say a loop
            if at.phase is not None:
                return at.phase
            at = self.assets.get(at.parent) if at.parent is not None else None
            seen += 1
        return Phase.WATCH

    def source(self, name: str) -> int:
        """Return the row of a source, made on first use."""
        return self.sources.setdefault(name, len(self.sources))

    def describe(self, point: Point) -> int:
        """Return the row of a point. The same descriptor keeps its row; a changed one retires it and gets a new row."""
        row = self.rows.get(point.path)
        if row is not None:
            old = self.points[row]
            if old == point:
                return row
            former = self.by_row[self._asset.values[row]]
            former.points = _without(former.points, row)
            self._changed(former)
            changed = [
                name for name in ("asset", "quantity", "unit", "scale", "tags", "setpoint") if getattr(old, name) != getattr(point, name)
            ]
            self.findings.add(
                "descriptor_changed", point.path, f"{', '.join(changed) or 'labels'} changed; rule state of the point starts anew"
            )
        asset = self.asset(point.asset)
        row = len(self.points)
        self.points.append(point)
        self.quantities.add(point.quantity)
        self.rows[point.path] = row
        self._asset.append(asset.row)
        self._source.append(self.source(point.source))
        self._scale.append(point.scale)
        self._offset.append(point.offset)
        self._interval.append(point.interval)
        self._event.append(point.quantity in self.vocabulary and self.vocabulary[point.quantity].event)
        asset.points += (row,)
        self._changed(asset)
        return row

    def retire(self, path: str) -> None:
        """Take a point out of use; its row stays, nothing binds to it any more."""
        row = self.rows.pop(path, None)
        if row is not None:
            asset = self.by_row[self._asset.values[row]]
            asset.points = _without(asset.points, row)
            self._changed(asset)

    def live_points(self) -> Iterator[tuple[int, Point]]:
        """Yield (row, point) of every point in use."""
        for row in self.rows.values():
            yield row, self.points[row]

    def set_phase(self, name: str, phase: Phase) -> None:
        asset = self.asset(name)
        asset.phase = phase
        for below in (asset, *self.descendants(name)):
            self._changed(below)

    def count_by_kind(self) -> dict[str, int]:
        """Return the number of the plant's assets by kind, the monitor's own parts left out."""
        counts: dict[str, int] = {}
        for asset in self.by_row:
            if asset.kind not in OWN_KINDS:
                counts[asset.kind] = counts.get(asset.kind, 0) + 1
        return dict(sorted(counts.items()))

    def descendants(self, name: str) -> list[Asset]:
        """Return the assets below one by parent, nearest first."""
        return list(_walk(name, lambda at: self.assets[at].children, self.assets))

    def reach(self, name: str, *, downstream: bool) -> list[Asset]:
        """Return every asset that this one serves (or that serves it), nearest first, through any number of edges."""
        return list(_walk(name, lambda at: self.assets[at].serves if downstream else self.assets[at].served_by, self.assets))


def _without(some: tuple[T, ...], one: T) -> tuple[T, ...]:
    return tuple(other for other in some if other != one)


def _walk(start: str, step: Callable[[str], tuple[str, ...]], assets: dict[str, Asset]) -> Iterator[Asset]:
    seen = {start}
    queue = [start]
    while queue:
        at = queue.pop(0)
        for name in step(at):
            if name not in seen:
                seen.add(name)
                queue.append(name)
                yield assets[name]
