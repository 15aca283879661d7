"""The operations of a plan: what each reads of the plant (`bind`) and what it computes a tick (`run`)."""

from bisect import insort
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from monitor.collect.frame import Frame
from monitor.detect import kernels, windows
from monitor.detect.binding import Names, Relations, written
from monitor.detect.kernels import FALSE, PEERS_LEAST, PEERS_LEAST_SPREAD, TRUE, UNKNOWN
from monitor.detect.limits import Limits
from monitor.detect.nodes import BOOLEAN, Node
from monitor.detect.novelty import Novelty
from monitor.detect.roster import NONE, Roster
from monitor.detect.tally import Tally
from monitor.model import F64, I8, I32, I64, Bool
from monitor.plant import OWN_KINDS, Asset, Plant

NEVER = -1
NOBODY: I64 = np.zeros(0, np.int64)


class Table:
    """The steps of all rules that look at the same things equally often, over the rows of a roster."""

    def __init__(self, roster: Roster, every: int) -> None:
        self.roster = roster
        self.every = every  # ticks between two judgements
        self.steps: dict[Node, Step] = {}

    def __len__(self) -> int:
        return len(self.roster.assets)

    @property
    def kinds(self) -> tuple[str, ...]:
        return self.roster.kinds

    @property
    def each(self) -> str | None:
        return self.roster.each

    @property
    def assets(self) -> list[Asset]:
        return self.roster.assets

    @property
    def points(self) -> list[int]:
        return self.roster.points

    @property
    def skus(self) -> list[str | None]:
        return self.roster.skus

    @property
    def phase(self) -> I8:
        return self.roster.phase

    @property
    def live(self) -> Bool:
        return self.roster.live


@dataclass(frozen=True)
class Site:
    """What binding asks: the plant, the limits, who belongs to whom, and what is called how."""

    plant: Plant
    limits: Limits
    relations: Relations
    names: Names


class Step:
    """One operation over all rows of a table. `out` is its newest result, shape (N,); `version` counts its changes."""

    still = False  # True: what it is changes with the plant only, and it is never run
    pure = False  # True: it remembers nothing, so it says the same while nothing that it reads has changed

    def __init__(self, node: Node, inputs: "Sequence[Step]") -> None:
        self.node = node
        self.inputs = inputs
        self.version = 0
        self.seen = NEVER  # sum of the versions of what it read when it ran last
        self.out: np.ndarray = np.zeros(0, np.int8 if node.unit == BOOLEAN else np.float64)

    def bind(self, table: Table, rows: Sequence[int], site: Site) -> I64:
        """Look up what the given rows read; returns those whose meaning changed."""
        return NOBODY

    def run(self, frame: Frame) -> None:
        raise NotImplementedError

    def turn(self, frame: Frame) -> None:
        """Run, if the result can differ from the last one; count it as a change, if it may be one."""
        if self.pure:
            found = self._found(frame)
            if found == self.seen:
                return
            self.seen = found
            self.run(frame)
        elif self.seen == frame.moved:  # no value has moved, so what goes by time mostly says the same
            before = self.out
            self.run(frame)
            if _same(self.out, before):
                return
        else:
            self.seen = frame.moved
            self.run(frame)
        self.version += 1

    def _found(self, frame: Frame) -> int:
        found = 0
        for part in self.inputs:
            found += part.version
        return found

    def rest(self, rows: int) -> None:
        """Say that nothing is known: nobody asks, or nothing could be said."""
        if not self.still:
            self.out = np.broadcast_to(np.int8(UNKNOWN) if self.node.unit == BOOLEAN else np.float64(np.nan), rows)

    def wake(self, rows: int) -> None:
        """Have memory for so many rows: somebody asks from now on."""

    def forget(self, rows: I64) -> None:
        """Start the memory of some rows anew."""

    @property
    def bytes(self) -> int:
        """Memory that the step keeps from tick to tick."""
        return self.out.nbytes


def _same(one: np.ndarray, other: np.ndarray) -> bool:
    """Tell whether two results are surely the same, NaN included."""
    if len(one) != len(other) or one.dtype != other.dtype or np.may_share_memory(one, other):
        return False
    bits = np.int64 if one.dtype == np.float64 else one.dtype  # as numbers no two NaN are the same
    return bool((one.view(bits) == other.view(bits)).all())


class Constant(Step):
    still = True

    def bind(self, table: Table, rows: Sequence[int], site: Site) -> I64:
        self.out = np.broadcast_to(np.float64(self.node.data[0]), len(table))  # takes no room
        return NOBODY

    @property
    def bytes(self) -> int:
        return 0


class Limit(Step):
    still = True

    def bind(self, table: Table, rows: Sequence[int], site: Site) -> I64:
        name = str(self.node.data[0])
        before = self.out
        self.out = np.full(len(table), np.nan)
        self.out[: len(before)] = before
        for row in rows:
            self.out[row] = site.limits.of(table.skus[row], name)
        return NOBODY


class _Read(Step):
    """What reads the frame alone."""

    pure = True
    always = False  # True: it reads the monitor's own points, which are written at every tick

    def _found(self, frame: Frame) -> int:
        return self.seen + 1 if self.always else frame.moved

    def turn(self, frame: Frame) -> None:
        before, version = self.out, self.version
        super().turn(frame)
        # Comparing costs about what one step does, and saves all that read this one.
        if frame.few and self.version != version and _same(self.out, before):
            self.version = version


class Own(_Read):
    """A point of the row's asset, or the row's own point (`it`)."""

    def __init__(self, node: Node, inputs: Sequence[Step]) -> None:
        super().__init__(node, inputs)
        self.index: I64 = np.zeros(0, np.int64)

    def bind(self, table: Table, rows: Sequence[int], site: Site) -> I64:
        self.always = not OWN_KINDS.isdisjoint(table.kinds)
        before = self.index
        self.out = np.broadcast_to(np.float64(np.nan), len(table))
        if self.node.operation == "it":
            found = [table.points[row] for row in rows]
        elif self.node.data[0] not in site.plant.quantities:  # most names, on most plants
            found = [NONE] * len(rows)
        else:
            found = [self._one(table.assets[row], site) for row in rows]
        chosen, points = np.asarray(rows, np.int64), np.asarray(found, np.int64)
        if (points == NONE).all() and (before == NONE).all():
            self.index = np.broadcast_to(np.int64(NONE), len(table))
            return NOBODY
        self.index = np.full(len(table), NONE, np.int64)
        self.index[: len(before)] = before
        self.index[chosen] = points
        old = chosen < len(before)
        former = before[chosen[old]]
        renewed: I64 = chosen[old][(former != NONE) & (former != points[old])]
        return renewed

    def _one(self, asset: Asset, site: Site) -> int:
        quantity, *selector = map(str, self.node.data)
        found = site.names.matching(asset, quantity, selector)
        findings = site.plant.findings
        if len(found) < 2 and not findings.has("ambiguous"):
            return found[0] if found else NONE
        subject = f"{asset.id} {written(quantity, selector)}"
        if len(found) > 1:
            names = ", ".join(site.plant.points[row].path for row in found[:3])
            findings.add(
                "ambiguous", subject,
                f"{len(found)} points match ({names}); use max(), min() or mean(), or narrow it with [tags]; the rule does not watch this asset",
            )  # fmt: skip
            return NONE
        findings.remove("ambiguous", subject)
        return found[0] if found else NONE

    def run(self, frame: Frame) -> None:
        self.out = frame.value[self.index]

    @property
    def bytes(self) -> int:
        return self.out.nbytes + self.index.nbytes


class State(Step):
    """The value that a point's wire calls by a label; not known where it has no such label."""

    still = True

    def bind(self, table: Table, rows: Sequence[int], site: Site) -> I64:
        point = self.inputs[0]
        assert isinstance(point, Own)
        before = self.out
        self.out = np.full(len(table), np.nan)
        self.out[: len(before)] = before
        for row in rows:
            index = point.index[row]
            labels = () if index == NONE else site.plant.points[index].states
            same = [value for value, label in labels if label.lower().replace(" ", "_") == self.node.data[0]]
            self.out[row] = same[0] if same else np.nan
        return NOBODY


class Life(Step):
    """What is known about the life signs of a point."""

    def run(self, frame: Frame) -> None:
        point = self.inputs[0]
        assert isinstance(point, Own)
        index = point.index
        match self.node.data[0]:
            case "age":
                self.out = frame.time - frame.alive[index]
            case "stale_after":
                self.out = frame.stale_after[index]
            case "source_silence":
                self.out = frame.time - frame.source_alive[index]
            case "heartbeat_age":
                beat = frame.heartbeat[index]
                covered = beat != NONE
                self.out = np.where(covered, frame.time - frame.alive[beat], 0.0) if covered.any() else np.zeros(len(index))
            case "bad_for":
                since = frame.bad_since[index]
                self.out = np.where(np.isnan(since) & ~np.isnan(frame.alive[index]), 0.0, frame.time - since)
        self.out = np.maximum(self.out, 0.0)


class _Members(Step):
    """Several things a row, as a matrix filled up with -1."""

    pure = True

    def __init__(self, node: Node, inputs: Sequence[Step]) -> None:
        super().__init__(node, inputs)
        self.members: I64 = np.zeros((0, 0), np.int64)
        self.count: I32 = np.zeros(0, np.int32)

    def _set(self, table: Table, found: dict[int, list[int]]) -> None:
        most = max(self.members.shape[1], *map(len, found.values())) if found else self.members.shape[1]
        members = np.full((len(table), most), NONE, np.int64)
        members[: len(self.members), : self.members.shape[1]] = self.members
        count = np.zeros(len(table), np.int32)
        count[: len(self.count)] = self.count
        for row, some in found.items():
            members[row] = NONE
            members[row, : len(some)] = some
            count[row] = len(some)
        most = int(count.max(initial=0))
        self.members, self.count = (members if most == members.shape[1] else np.ascontiguousarray(members[:, :most])), count

    @property
    def bytes(self) -> int:
        return self.out.nbytes + self.members.nbytes + self.count.nbytes


class Fold(_Members, _Read):
    """max, min, mean, count ... of several points: the asset's own, or those of related assets."""

    def bind(self, table: Table, rows: Sequence[int], site: Site) -> I64:
        kind, quantity, *selector = map(str, self.node.inputs[0].data)
        self.always = kind in OWN_KINDS or not OWN_KINDS.isdisjoint(table.kinds)
        found: dict[int, list[int]] = {row: [] for row in rows}
        for row in rows if quantity in site.plant.quantities else ():
            owners = site.relations.of(table.assets[row], kind) if kind else (table.assets[row],)
            found[row] = [point for owner in owners for point in site.names.matching(owner, quantity, selector)]
        self._set(table, found)
        return NOBODY  # members come and go; windows over a fold go on

    def run(self, frame: Frame) -> None:
        word, *asked = self.node.data
        values = frame.value[self.members]
        if word != "count":
            self.out = kernels.fold(str(word), values, self.count)
        elif asked:
            self.out = kernels.count(kernels.compare(str(asked[0]), values, np.full(1, asked[1])), self.count)
        else:
            self.out = kernels.count_known(values, self.count)


class FoldAssets(_Members):
    """max, min, mean, count ... of an expression over related assets, which a table of theirs computes."""

    def __init__(self, node: Node, inputs: Sequence[Step], theirs: Table) -> None:
        super().__init__(node, inputs)
        self._theirs = theirs

    def bind(self, table: Table, rows: Sequence[int], site: Site) -> I64:
        kind = str(self.node.data[1])
        theirs = self._theirs.roster
        self._set(
            table,
            {row: [at for other in site.relations.of(table.assets[row], kind) if (at := theirs.row(other.row)) != NONE] for row in rows},
        )
        return NOBODY

    def run(self, frame: Frame) -> None:
        word = str(self.node.data[0])
        inner = self.inputs[0].out
        if inner.dtype == np.int8:
            self.out = kernels.count(np.concatenate((inner, np.zeros(1, np.int8)))[self.members], self.count)
            return
        values = np.concatenate((inner, [np.nan]))[self.members]
        self.out = kernels.count_known(values, self.count) if word == "count" else kernels.fold(word, values, self.count)


class Group(Step):
    """Which rows are peers: those of one SKU that hang on the same asset of a kind. Shared by all who ask for them."""

    still = True

    def __init__(self, node: Node, inputs: Sequence[Step]) -> None:
        super().__init__(node, inputs)
        self.group: I32 = np.zeros(0, np.int32)  # (N,) row of `groups`, -1 for none
        self.groups: I32 = np.zeros((0, 0), np.int32)  # (G, M) rows of the table, -1 filling up
        self._number: dict[tuple[str | None, ...], int] = {}  # row of `groups` by what its members share
        self._members: list[list[int]] = []

    def bind(self, table: Table, rows: Sequence[int], site: Site) -> I64:
        kind = str(self.node.data[0])
        group = np.full(len(table), NONE, np.int32)
        group[: len(self.group)] = self.group
        self.group = group
        changed: set[int] = set()
        for row in rows:
            behind = site.relations.of(table.assets[row], kind) if table.live[row] else ()
            number = self._of(table.skus[row], behind)
            before = int(group[row])
            if number != before:
                group[row] = number
                for one in (number, before):
                    if one != NONE:
                        changed.add(one)
                if before != NONE:
                    self._members[before].remove(row)
                if number != NONE:
                    insort(self._members[number], row)
        self._fill(changed)
        return NOBODY

    def _of(self, sku: str | None, behind: Sequence[Asset]) -> int:
        if not behind:
            return NONE
        number = self._number.setdefault((sku, *sorted(one.id for one in behind)), len(self._members))
        if number == len(self._members):
            self._members.append([])
        return number

    def _fill(self, changed: set[int]) -> None:
        """Write down the members of some groups."""
        most = max((len(self._members[number]) for number in changed), default=0)
        count, width = self.groups.shape
        if len(self._members) > count or most > width:
            groups = np.full((len(self._members), max(most, width)), NONE, np.int32)
            groups[:count, :width] = self.groups
            self.groups = groups
        for number in changed:
            members = self._members[number]
            self.groups[number] = NONE
            self.groups[number, : len(members)] = members

    @property
    def bytes(self) -> int:
        return self.group.nbytes + self.groups.nbytes


class Peer(Step):
    """Where a row stands among its peers."""

    pure = True

    def __init__(self, node: Node, inputs: Sequence[Step]) -> None:
        super().__init__(node, inputs)
        word, _, least = node.data
        self._word = str(word)
        self.least = int(least) or (PEERS_LEAST_SPREAD if word == "peer_z" else PEERS_LEAST)

    def run(self, frame: Frame) -> None:
        *steps, peers = self.inputs
        assert isinstance(peers, Group)
        parts = [part.out for part in steps]
        if self._word == "peer_z":
            load = parts[2] if len(parts) == 3 else None
            self.out = kernels.peer_z(parts[0], parts[1], load, peers.group, peers.groups, self.least)
        else:
            self.out = kernels.peer(self._word, parts[0], peers.group, peers.groups, self.least)


class Over(Step):
    """Values over time."""

    def __init__(self, node: Node, inputs: Sequence[Step], tick: float, every: int) -> None:
        super().__init__(node, inputs)
        word, duration, *size = node.data
        self.word = str(word)
        self.window = windows.window(self.word, float(duration), tick * every, *map(float, size))
        point = inputs[0] if isinstance(inputs[0], Own) and self.word in {"min_over", "max_over"} else None
        self._point = point
        self.observes = point is not None and every > 1  # a spike between two judgements counts
        self._fold = np.fmin if self.word == "min_over" else np.fmax
        self._since: F64 = np.zeros(0)  # extreme since the last judgement

    def bind(self, table: Table, rows: Sequence[int], site: Site) -> I64:
        if self.window.rows:
            self.wake(len(table))
        return NOBODY

    def wake(self, rows: int) -> None:
        self.window.extend(rows)
        if len(self._since):
            self._since = np.concatenate((self._since, np.full(rows - len(self._since), np.nan)))

    def watched(self, row: int) -> tuple[float, float]:
        """Return the share of its length for which a row's window has been watched so far, and the share of that which was known."""
        return self.window.watched(row) if row < self.window.rows else (0.0, 1.0)

    def run(self, frame: Frame) -> None:
        inner = self.inputs[0]
        if self.word == "count_over" and isinstance(inner, Event):
            tally = self.window
            assert isinstance(tally, Tally)
            self.out = np.where(inner.bound, tally.add(*inner.counted), np.nan)
        elif self._point is not None:
            value = self._since if self.observes else self._extreme(frame)
            self._since = np.zeros(0)
            self.out = self.window.push(np.where(np.isnan(inner.out), np.nan, value))
        else:
            self.out = self.window.push(*(part.out for part in self.inputs))

    def observe(self, frame: Frame) -> None:
        """Keep the extreme since the last judgement."""
        value = self._extreme(frame)
        self._since = self._fold(self._since, value) if len(self._since) else value

    def _extreme(self, frame: Frame) -> F64:
        assert self._point is not None
        value: F64 = (frame.least if self.word == "min_over" else frame.greatest)[self._point.index]
        return value

    def forget(self, rows: I64) -> None:
        if self.window.rows:
            self.window.forget(rows)
        if len(self._since):
            self._since[rows] = np.nan

    @property
    def bytes(self) -> int:
        return self.out.nbytes + self.window.bytes


def by_point(index: I64) -> tuple[I64, I64]:
    """Return the points of an index in order, NONE left out, and the row that has each."""
    rows = np.flatnonzero(index != NONE)
    order = np.argsort(index[rows], kind="stable")
    return index[rows][order], rows[order]


def rows_of(point: np.ndarray, points: I64, rows: I64) -> I64:
    """Return the row of each point, (N,), NONE where it has none; see `by_point`."""
    if not len(points):
        return np.full(len(point), NONE, np.int64)
    at = np.minimum(np.searchsorted(points, point), len(points) - 1)
    return np.where(points[at] == point, rows[at], NONE)


class Event(Step):
    """Whether an event came since the last judgement: its inputs are the point and the codes. `counted` has the rows and how many; `bound` the rows that have such a point."""

    def __init__(self, node: Node, inputs: Sequence[Step]) -> None:
        super().__init__(node, inputs)
        self._points: I64 = NOBODY  # sorted, and the rows that they belong to
        self._rows: I64 = NOBODY
        self._came: list[tuple[I64, F64]] = []
        self.bound: Bool = np.zeros(0, np.bool_)
        self.counted: tuple[I64, F64] = (NOBODY, np.zeros(0))
        self._last: I64 = NOBODY
        self._compared = node.inputs[0]
        self._point, *self._codes = inputs

    def bind(self, table: Table, rows: Sequence[int], site: Site) -> I64:
        assert isinstance(self._point, Own)
        self.bound = self._point.index != NONE
        self._points, self._rows = by_point(self._point.index)
        self.out = np.where(self.bound, FALSE, UNKNOWN).astype(np.int8)
        self._last = NOBODY
        return NOBODY

    def observe(self, frame: Frame) -> None:
        """Take in the events of a tick."""
        if not len(frame.events[0]):
            return
        point, value = frame.events
        row = rows_of(point, self._points, self._rows)
        mine = row != NONE
        if mine.any():
            self._came.append((row[mine], value[mine]))

    def run(self, frame: Frame) -> None:
        self.out[self._last] = FALSE
        self.counted, self._last = (NOBODY, np.zeros(0)), NOBODY
        if self._came:
            rows, values = (np.concatenate(parts) for parts in zip(*self._came, strict=True))
            self._came = []
            held = elementwise(self._compared, [values, *(other.out[rows] for other in self._codes)])
            self._last, times = np.unique(rows[held == TRUE], return_counts=True)
            self.counted = (self._last, times.astype(np.float64))
            self.out[self._last] = TRUE


class Unusual(Step):
    """novelty() of several values."""

    def __init__(self, node: Node, inputs: Sequence[Step], tick: float, every: int) -> None:
        super().__init__(node, inputs)
        learn = float(node.data[0])
        self.kernel = Novelty(len(inputs), tick * every, learn or None)

    def bind(self, table: Table, rows: Sequence[int], site: Site) -> I64:
        if self.kernel.rows:
            self.wake(len(table))
        return NOBODY

    def wake(self, rows: int) -> None:
        self.kernel.extend(rows)

    def run(self, frame: Frame) -> None:
        self.out = self.kernel.push(np.stack([part.out for part in self.inputs]))

    def forget(self, rows: I64) -> None:
        if self.kernel.rows:
            self.kernel.forget(rows)

    def shares(self, row: int) -> list[tuple[str, float]]:
        """Return what contributed to a row's score, by the points' names, greatest first."""
        return [(_named(self.inputs[at].node), share) for at, share in self.kernel.contributors(row)]


def _named(node: Node) -> str:
    if node.operation == "own":
        quantity, *selector = map(str, node.data)
        return written(quantity, selector)
    found = [_named(part) for part in node.inputs if part.operation != "constant"]
    return found[0] if found else node.operation


class Apply(Step):
    """Elementwise: arithmetic, comparison, logic."""

    pure = True

    def __init__(self, node: Node, inputs: Sequence[Step]) -> None:
        super().__init__(node, inputs)
        self._compute = computing(node)

    def run(self, frame: Frame) -> None:
        if len(self.inputs) == 2:  # nearly always, and there are hundreds of them in each tick
            left, right = self.inputs
            self.out = self._compute(left.out, right.out)
        else:
            self.out = self._compute(*[part.out for part in self.inputs])


def computing(node: Node) -> Callable[..., np.ndarray]:
    """Return what computes an elementwise operation from its parts; floating point errors are to be ignored around it."""
    match node.operation:
        case "and":
            return lambda *parts: kernels.every(parts)
        case "or":
            return lambda *parts: kernels.some(parts)
        case "not":
            return kernels.opposite
        case "in":
            return lambda *parts: kernels.among(parts)
        case "given":
            return kernels.given
        case "<" | "<=" | ">" | ">=" | "==" | "!=":
            return kernels.COMPARE[node.operation]
        case "pow":
            power = float(node.data[0])
            return lambda part: kernels.ARITHMETIC["pow"](part, power)
        case _:
            return kernels.ARITHMETIC[node.operation]


def elementwise(node: Node, parts: Sequence[np.ndarray]) -> np.ndarray:
    """Compute an elementwise operation once."""
    with np.errstate(all="ignore"):
        return computing(node)(*parts)


SIMPLE: dict[str, type[Step]] = {
    "constant": Constant,
    "limit": Limit,
    "own": Own,
    "it": Own,
    "state": State,
    "life": Life,
    "peer": Peer,
    "group": Group,
    "event": Event,
}
