"""The express lane: a rule that reads one point is judged when the reading arrives."""

import numpy as np

from monitor.detect.kernels import TRUE
from monitor.detect.nodes import Node, walk
from monitor.detect.rules import sides
from monitor.detect.steps import Own, Table, by_point, elementwise, rows_of
from monitor.model import F64, I32, I64, Bool


class Lane:
    """One express rule's lane.

    since, value: order time and value of the earliest breach not yet settled, per row of the table, NaN for none.
    points, rows: the points that are judged, sorted, and the row of the table that each belongs to.
    """

    def __init__(self, when: Node) -> None:
        self.when = when
        self.point = next(node for node in walk(when) if node.operation in {"own", "it"})
        self._sides = sides(when)
        self.points: I64 = np.zeros(0, np.int64)
        self.rows: I64 = np.zeros(0, np.int64)
        self.waiting = False  # a breach is not yet settled
        self.since: F64 = np.zeros(0)
        self.value: F64 = np.zeros(0)

    def bind(self, table: Table) -> None:
        """Learn which point belongs to which row."""
        step = table.steps[self.point]
        assert isinstance(step, Own)
        self.points, self.rows = by_point(step.index)
        more = len(table) - len(self.since)
        self.since = np.concatenate([self.since, np.full(more, np.nan)])
        self.value = np.concatenate([self.value, np.full(more, np.nan)])

    def row_of(self, point: I32) -> I64:
        """Return the row that each point belongs to, (N,), -1 for none."""
        return rows_of(point, self.points, self.rows)

    def judge(self, point: I32, time: F64, value: F64, table: Table, active: Bool) -> I64:
        """Remember every breach; returns the rows that have one, each once.

        Args:
            point: (N,) point rows of good readings that are news.
            time: (N,) order times.
            value: (N,) canonical values.
            table: the rule's table.
            active: (rows,) False where the rule does not apply now.

        """
        row = self.row_of(point)
        mine = row >= 0
        if not mine.any():
            return np.zeros(0, np.int64)
        row, time, value = row[mine], time[mine], value[mine]
        breach = (self._value(self.when, row, value, table) == TRUE) & active[row]
        if not breach.any():
            return np.zeros(0, np.int64)
        self.waiting = True
        for at, when, what in zip(row[breach].tolist(), time[breach].tolist(), value[breach].tolist(), strict=True):
            if not self.since[at] <= when:  # NaN too
                self.since[at], self.value[at] = when, self._first(at, what, table)
        return np.unique(row[breach]).astype(np.int64)

    def _first(self, row: int, value: float, table: Table) -> float:
        """Return the left side of the first comparison for one reading."""
        if self._sides is None:
            return value
        return float(self._value(self._sides[0], np.array([row]), np.array([value]), table)[0])

    def limit(self, table: Table, row: int) -> float:
        """Return the right side of the first comparison, NaN where it is the reading itself."""
        if self._sides is None or any(node == self.point for node in walk(self._sides[1])):
            return float("nan")
        return float(self._value(self._sides[1], np.array([row]), np.array([np.nan]), table)[0])

    def _value(self, node: Node, row: np.ndarray, value: F64, table: Table) -> np.ndarray:
        if node == self.point:
            return value
        if node.operation == "event":
            return self._value(node.inputs[0], row, value, table)
        if node.operation in {"constant", "limit", "state"}:
            found: np.ndarray = table.steps[node].out[row]
            return found
        return elementwise(node, [self._value(part, row, value, table) for part in node.inputs])

    def settled(self, time: float) -> I64:
        """Return the rows whose earliest breach lies in a tick that has closed."""
        with np.errstate(invalid="ignore"):
            return np.flatnonzero(self.since <= time)

    def forget(self, time: float) -> None:
        with np.errstate(invalid="ignore"):
            gone = self.since <= time
        self.since[gone] = self.value[gone] = np.nan
        self.waiting = not np.isnan(self.since).all()
