"""The plant as tables: only what changed is written, in steps short enough that alerts may go between them."""

import json
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from monitor.model import Point
from monitor.plant import Asset, Plant
from monitor.store.text import storable

CHUNK = 2_000  # rows a step: some milliseconds on the event loop, some ten in the writer's thread

Step = Callable[[sqlite3.Connection], None]
Row = tuple[Any, ...]

_PUT_ASSET = "INSERT OR REPLACE INTO assets (id, kind, parent, attributes, phase) VALUES (?, ?, ?, ?, ?)"
_PUT_POINT = (
    'INSERT OR REPLACE INTO points (path, asset, quantity, unit, tags, setpoint, states, source, "interval") '
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_PUT_EDGE = "INSERT OR REPLACE INTO edges (giver, taker) VALUES (?, ?)"
_PUT_FINDING = "INSERT OR REPLACE INTO findings (code, subject, text, count) VALUES (?, ?, ?, ?)"
_DROP_POINT = "DELETE FROM points WHERE path = ?"
_DROP_EDGE = "DELETE FROM edges WHERE giver = ? AND taker = ?"
_DROP_FINDING = "DELETE FROM findings WHERE code = ? AND subject = ?"


class Snapshot:
    """What the file already holds of one plant."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Know nothing of the file any more: the next save empties it and writes all."""
        self._plant: Plant | None = None
        self._version = -1
        self._assets: set[int] = set()  # rows to write; the plant adds to it
        self._under_way: list[int] = []
        self._points: list[tuple[int, ...]] = []  # rows of the points that each asset has in the file
        self._edges: set[tuple[str, str]] = set()
        self._findings: dict[tuple[str, str], int] = {}

    def steps(self, plant: Plant) -> Iterator[Step]:
        """Yield the transactions that bring the file up to the plant; none when nothing changed.

        Take the next step only when the last is committed; after one that failed, start over: what was done is not done twice.
        """
        if plant is not self._plant:
            self.forget()
            yield _empty
            self._plant = plant
            self._assets = plant.watch()
        if plant.version != self._version:
            version = plant.version  # what changes between the steps belongs to the next save
            yield from self._asset_steps(plant)
            yield from self._edge_steps(plant)
            self._version = version
        if plant.findings.counts != self._findings:
            yield from self._finding_steps(plant)

    def _asset_steps(self, plant: Plant) -> Iterator[Step]:
        """Write the assets that changed, and the points that they got or lost."""
        self._assets.update(self._under_way)  # of a step that failed
        while self._assets:
            self._under_way = [self._assets.pop() for _ in range(min(CHUNK, len(self._assets)))]
            assets = [plant.by_row[row] for row in self._under_way]
            yield _many(_PUT_ASSET, [_asset(plant, asset) for asset in assets])
            self._points += [()] * (len(plant.by_row) - len(self._points))
            now = [(asset.row, asset.points) for asset in assets]
            yield from self._point_steps(plant, now)
            for row, points in now:
                self._points[row] = points
            self._under_way = []

    def _point_steps(self, plant: Plant, now: Sequence[tuple[int, tuple[int, ...]]]) -> Iterator[Step]:
        fresh: list[int] = []
        gone: list[str] = []
        for row, points in now:
            if points != self._points[row]:
                fresh += set(points).difference(self._points[row])
                lost = set(self._points[row]).difference(points)
                gone += [path for at in lost if (path := plant.points[at].path) not in plant.rows]
        fresh.sort()
        for start in range(0, len(fresh), CHUNK):
            yield _many(_PUT_POINT, [_point(plant.points[row]) for row in fresh[start : start + CHUNK]])
        yield from _chunks(_DROP_POINT, [(storable(path),) for path in gone])

    def _edge_steps(self, plant: Plant) -> Iterator[Step]:
        edges = plant.edges.copy()
        yield from _chunks(_PUT_EDGE, [(storable(giver), storable(taker)) for giver, taker in edges - self._edges])
        yield from _chunks(_DROP_EDGE, [(storable(giver), storable(taker)) for giver, taker in self._edges - edges])
        self._edges = edges

    def _finding_steps(self, plant: Plant) -> Iterator[Step]:
        counts, texts = plant.findings.counts.copy(), plant.findings.texts
        changed = [
            (storable(code), storable(subject), storable(texts[code, subject]), count)
            for (code, subject), count in counts.items()
            if self._findings.get((code, subject)) != count
        ]
        gone = [(storable(code), storable(subject)) for code, subject in self._findings.keys() - counts.keys()]
        yield from _chunks(_PUT_FINDING, changed)
        yield from _chunks(_DROP_FINDING, gone)
        self._findings = counts


def _empty(base: sqlite3.Connection) -> None:
    """Take out the last run's plant: what no longer says anything must not look alive."""
    for table in ("assets", "edges", "points", "findings"):
        base.execute(f"DELETE FROM {table}")  # noqa: S608 - names from the line above


def _chunks(sql: str, rows: Sequence[Row]) -> Iterator[Step]:
    for start in range(0, len(rows), CHUNK):
        yield _many(sql, rows[start : start + CHUNK])


def _many(sql: str, rows: Sequence[Row]) -> Step:
    def step(base: sqlite3.Connection) -> None:
        base.executemany(sql, rows)

    return step


def _asset(plant: Plant, asset: Asset) -> Row:
    parent = None if asset.parent is None else storable(asset.parent)
    return (storable(asset.id), storable(asset.kind), parent, json.dumps(dict(asset.attributes), sort_keys=True), plant.phase(asset).value)


def _point(point: Point) -> Row:
    return (
        storable(point.path), storable(point.asset), storable(point.quantity), storable(point.unit), json.dumps(point.tags),
        int(point.setpoint), json.dumps(point.states), storable(point.source), point.interval,
    )  # fmt: skip
