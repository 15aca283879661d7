"""Every noun that stages hand to each other; frozen, no I/O, no clock. The words are those of README."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Self

import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
I32 = NDArray[np.int32]
I64 = NDArray[np.int64]
I8 = NDArray[np.int8]
U8 = NDArray[np.uint8]
Bool = NDArray[np.bool_]

GOOD, DOUBTFUL, BAD = 0, 1, 2


class Phase(StrEnum):
    """Where a rack is in its life."""

    EXPECTED = "expected"
    CHECKOUT = "checkout"
    SOAK = "soak"
    WATCH = "watch"
    ACCEPTED = "accepted"
    MAINTENANCE = "maintenance"
    REJECTED = "rejected"


PHASES = tuple(Phase)


class Severity(StrEnum):
    CRITICAL = "critical"
    MAJOR = "major"
    MINOR = "minor"
    INFO = "info"

    @property
    def below(self) -> "Severity":
        """The next severity below; info stays info."""
        order = tuple(Severity)
        return order[min(order.index(self) + 1, len(order) - 1)]


@dataclass(frozen=True, slots=True)
class Point:
    """What a wire says one measured or enumerated quantity is.

    Identity is (source, path); the rest is the descriptor. A reading's canonical value is raw * scale + offset.
    """

    source: str  # one clock: a bus prefix with its publisher, or one polled device
    path: str  # the wire's own name, opaque, unique within all sources
    asset: str
    quantity: str  # word of the vocabulary, e.g. "liquid_flow"
    unit: str  # canonical unit, "" for a state or a plain number
    scale: float = 1.0
    offset: float = 0.0
    tags: tuple[str, ...] = ()  # lower case, sorted: process areas, phase, the kind of associated equipment
    setpoint: bool = False
    states: tuple[tuple[int, str], ...] = ()  # (value, label), for display
    interval: float = 100.0  # s, the longest time between two readings that the wire promises
    express: bool = True  # False: the wire gives snapshots only


@dataclass(frozen=True, slots=True, eq=False)
class Readings:
    """Values as they arrived, one row each, in arrival order; every column has shape (N,)."""

    point: I32  # row in the plant's table
    time: F64  # source time, seconds since 1970 UTC, as the wire said it
    received: F64  # receive time, seconds since 1970 UTC
    value: F64  # canonical unit; NaN where the wire gave no value
    quality: U8  # 0 good, 1 doubtful, 2 bad
    snapshot: Bool  # True: a retained copy of the state, not news; never counts as a life sign or an event

    def __len__(self) -> int:
        return len(self.point)

    def take(self, rows: Bool | I64 | slice) -> Self:
        """Return the chosen rows, in order; of a slice they are no copies."""
        return type(self)(self.point[rows], self.time[rows], self.received[rows], self.value[rows], self.quality[rows], self.snapshot[rows])

    @classmethod
    def of(
        cls,
        point: Sequence[int] | I32,
        time: Sequence[float] | F64,
        value: Sequence[float] | F64,
        *,
        received: Sequence[float] | F64 | float | None = None,
        quality: Sequence[int] | U8 | int = GOOD,
        snapshot: Sequence[bool] | Bool | bool = False,
    ) -> Self:
        """Build from sequences; a scalar fills its column, `received` defaults to the source time."""
        times = np.asarray(time, np.float64)
        count = len(times)
        return cls(
            np.asarray(point, np.int32),
            times,
            times if received is None else np.broadcast_to(np.asarray(received, np.float64), count),
            np.asarray(value, np.float64),
            np.broadcast_to(np.asarray(quality, np.uint8), count),
            np.broadcast_to(np.asarray(snapshot, np.bool_), count),
        )

    @classmethod
    def join(cls, parts: Sequence["Readings"]) -> "Readings":
        """Put batches behind each other, in order."""
        if len(parts) == 1:
            return parts[0]
        return (
            Readings(
                *(
                    np.concatenate([getattr(part, name) for part in parts])
                    for name in ("point", "time", "received", "value", "quality", "snapshot")
                )
            )
            if parts
            else Readings.of([], [], [])
        )


class State(StrEnum):
    FIRING = "firing"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Alert:
    """A rule holding on one asset, as it stands after a change.

    Identity is (rule, asset, point, episode); `point` is "" for a rule on the whole asset.
    `value` and `limit` are the two sides of the first comparison of `when` at firing, None where there is none or unknown.
    """

    rule: str
    asset: str
    point: str
    episode: int
    severity: Severity
    state: State
    fired: float  # s since 1970 UTC
    ended: float | None
    value: float | None
    limit: float | None
    unit: str
    summary: str
    phase: Phase = Phase.WATCH
    told: bool = True  # False: the rule is on trial, the alert is stored and nobody is told

    @property
    def key(self) -> tuple[str, str, str, int]:
        return (self.rule, self.asset, self.point, self.episode)


class ActKind(StrEnum):
    PHASE = "phase"
    ACKNOWLEDGE = "acknowledge"


@dataclass(frozen=True, slots=True)
class Act:
    """What a person did, from the insert-only act log. `id` is its number there.

    `value` is the phase, or of an acknowledgement the alert on the asset: "RULE#EPISODE", behind a space its point where it has one.
    """

    id: int
    time: float
    who: str
    kind: ActKind
    asset: str
    value: str
    why: str


@dataclass(frozen=True, slots=True)
class Finding:
    """Something about a wire, a descriptor or a binding that a person should put right; no alert."""

    code: str
    subject: str
    text: str


@dataclass(slots=True)
class Findings:
    """Distinct findings with their counts, bounded; past the bound only `overflow` grows."""

    most: int = 10_000
    overflow: int = 0
    counts: dict[tuple[str, str], int] = field(default_factory=dict)
    texts: dict[tuple[str, str], str] = field(default_factory=dict)
    codes: Counter[str] = field(default_factory=Counter)  # subjects of each code

    def add(self, code: str, subject: str, text: str, count: int = 1) -> None:
        key = (code, subject)
        if key not in self.counts and len(self.counts) >= self.most:
            self.overflow += count
            return
        if key not in self.counts:
            self.codes[code] += 1
        self.counts[key] = self.counts.get(key, 0) + count
        self.texts[key] = text

    def remove(self, code: str, subject: str) -> None:
        if self.counts.pop((code, subject), None) is not None:
            self.codes[code] -= 1
        self.texts.pop((code, subject), None)

    def has(self, code: str) -> bool:
        return self.codes.get(code, 0) > 0

    def all(self) -> list[tuple[Finding, int]]:
        return [(Finding(code, subject, self.texts[code, subject]), count) for (code, subject), count in sorted(self.counts.items())]
