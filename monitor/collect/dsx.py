"""The DSX Exchange BMS 1.0 wire: topics and payloads in, readings out, what metadata says into the plant.

Nothing a publisher sends raises: what cannot be used is dropped and counted by reason, what differs from the contract
is read as well as it can be and reported as a finding. Every message ends as exactly one of: a reading, metadata,
waiting for its metadata, superseded while it waited, or dropped.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import NamedTuple

import numpy as np

from monitor.collect.dsx_metadata import Description, describe
from monitor.collect.dsx_topic import BMS, METADATA, Topic, covers, parse, value_topic
from monitor.collect.dsx_values import ABSURD, MISSING, UNIT_NAMES, Decoded, decode, read_object, seconds
from monitor.model import BAD, F64, GOOD, I32, Bool, Point, Readings
from monitor.plant import Plant

__all__ = ["Dsx", "Heartbeat", "covers"]

MOST_WAITING = 100_000  # topics whose newest value is kept until metadata comes
MOST_POINTS = 1_000_000
_NONE = -1

_DROP_TEXTS = {
    "payload_empty": "payload is empty",
    "payload_size": "payload is larger than 64 KiB",
    "payload_json": "payload is no JSON, or nested too deeply",
    "payload_object": "payload is no JSON object",
    "number_range": "a number is too large",
    "value_missing": "no value given; a number or null would do",
    "value_boolean": "value is true or false; the contract sends states as numbers",
    "value_type": "value is neither a number nor null",
}


class Heartbeat(NamedTuple):
    """A publisher's own clock. What it covers: points of `source` for which `covers(scope, path)`."""

    source: str
    scope: str


@dataclass(slots=True)
class _Waiting:
    """The newest value of a topic that no metadata has described yet."""

    topic: Topic
    since: float
    received: float
    value: float
    stamp: float
    good: bool
    snapshot: bool


class Dsx:
    """The dialect, fed batch by batch by whatever reads the bus; it makes points, assets and edges of the plant.

    Heartbeat readings hold the heartbeat's own time, in seconds since 1970 UTC (the wire's milliseconds divided by 1000).

    Attributes:
        dropped: messages that became nothing, by reason.
        superseded: values that a newer one replaced while both waited for metadata; not dropped.
        messages: all messages seen.
        metadata_seen: metadata messages used, unchanged ones included.
        metadata_unchanged: of those, the ones equal to the last one on their topic.
        heartbeats: publishers' own clocks by point row; echoes are plain points and not in here.

    """

    def __init__(self, plant: Plant, *, most_waiting: int = MOST_WAITING, most_points: int = MOST_POINTS) -> None:
        self.plant = plant
        self.dropped: dict[str, int] = {}
        self.superseded = 0
        self.messages = 0
        self.metadata_seen = 0
        self.metadata_unchanged = 0
        self.heartbeats: dict[int, Heartbeat] = {}
        self._most_waiting = most_waiting
        self._most_points = most_points
        self._rows: dict[bytes, int] = {}  # value topic -> row, for the one publisher that may give the value
        self._hashes: dict[bytes, int] = {}  # metadata topic -> hash of its last good payload
        self._accepted: dict[str, bytes] = {}  # path -> its value topic
        self._codes: dict[str, set[str]] = {}  # path -> codes of the findings that its metadata raised
        self._beats: set[int] = set()  # rows of all four heartbeat point types
        self._beat: Bool = np.zeros(0, np.bool_)  # the same as a mask; made anew when it is too short
        self._waiting: dict[str, dict[bytes, _Waiting]] = {}  # path -> value topic -> newest value
        self._waiting_count = 0
        self._due: list[tuple[int, _Waiting]] = []  # values whose metadata came in this batch

    def decode(self, topics: Sequence[bytes], payloads: Sequence[bytes], retained: Sequence[int], received: float | F64) -> Readings:
        """Turn a batch of messages into readings, in arrival order; values that waited come before the batch's own.

        Args:
            topics: raw topics, (N,).
            payloads: raw payloads, (N,).
            retained: 1 where the broker sent a retained copy, (N,); [] when none is.
            received: receive times, seconds since 1970 UTC; a scalar holds for all.

        """
        count = len(topics)
        self.messages += count
        times = np.broadcast_to(np.asarray(received, np.float64), count)
        snapshots = np.fromiter(retained, np.bool_, count) if len(retained) else np.zeros(count, np.bool_)
        rows = np.fromiter(map(self._rows.get, topics, repeat(_NONE)), np.int32, count)
        others = rows < 0
        if others.any():
            # Metadata may bind or unbind topics further on in the batch, so from the first odd one each is looked up anew.
            for at in range(int(others.argmax()), count):
                row = self._rows.get(topics[at], _NONE)
                if row < 0:
                    self._other(topics[at], payloads[at], float(times[at]), bool(snapshots[at]))
                rows[at] = row
            ours = np.flatnonzero(rows >= 0)
            rows, times, snapshots = rows[ours], times[ours], snapshots[ours]
            payloads = [payloads[at] for at in ours.tolist()]
        decoded = decode(payloads)
        if decoded.kept is not None:
            self._report(decoded, [self.plant.points[row] for row in rows.tolist()])
            rows, times, snapshots = rows[decoded.kept], times[decoded.kept], snapshots[decoded.kept]
        parts = [] if not self._due else [self._late()]
        parts.append(self._readings(rows, decoded.value, decoded.stamp, decoded.good, times, snapshots))
        return Readings.join(parts)

    def waiting(self) -> dict[str, float]:
        """Return the value topics without metadata, and when the first value of each came."""
        return {name.decode(): value.since for values in self._waiting.values() for name, value in values.items()}

    def _other(self, name: bytes, payload: bytes, received: float, snapshot: bool) -> None:
        """Take a message that is no value of a described point."""
        if self._hashes.get(name) == hash(payload):
            self.metadata_seen += 1
            self.metadata_unchanged += 1
            return
        topic = parse(name)
        if isinstance(topic, str):
            self._drop(topic, "DSX", f"last one {name[:120]!r}")
        elif topic.sort == METADATA:
            self._metadata(name, topic, payload)
        elif topic.path in self._accepted:
            owner = self.plant.points[self._rows[self._accepted[topic.path]]].source
            self._drop("wrong_publisher", topic.path, f"{topic.source} gave a value; metadata names {owner}")
        else:
            self._wait(name, topic, payload, received, snapshot)

    def _metadata(self, name: bytes, topic: Topic, payload: bytes) -> None:
        if topic.publisher != BMS:
            self._drop("metadata_publisher", topic.source, f"gave metadata for {topic.path}; only {BMS} may")
            return
        if not payload:
            self._drop("metadata_empty")  # the retained copy is deleted, which does not prove that the point is gone
            return
        metadata = read_object(payload)
        if isinstance(metadata, str):
            self._drop(f"metadata_{metadata}", topic.path, _DROP_TEXTS[metadata])
            return
        if topic.path not in self._accepted and len(self._accepted) >= self._most_points:
            self._drop("points_full", topic.source, f"more than {self._most_points} points; the rest are left out")
            return
        description, lints = describe(topic, metadata)
        self._lint(topic.path, lints)
        if description is None:
            self._drop("metadata_without_identity")
            return
        self._hashes[name] = hash(payload)
        self.metadata_seen += 1
        self._bind(topic, description)

    def _bind(self, topic: Topic, description: Description) -> None:
        point = description.point
        if description.name:
            self.plant.asset(point.asset, description.kind, name=description.name)
        row = self.plant.describe(point)
        self.plant.claim(point.path, point.asset, description.serves)
        former = self._accepted.get(point.path)
        if former is not None:
            old = self._rows.pop(former)
            self.heartbeats.pop(old, None)
            self._beats.discard(old)
            self._beat = np.zeros(0, np.bool_)
        accepted = value_topic(topic, description.publisher)
        self._accepted[point.path] = accepted
        self._rows[accepted] = row
        if point.quantity.startswith("heartbeat_"):
            self._beats.add(row)
            self._beat = np.zeros(0, np.bool_)
        if description.scope is not None:
            self.heartbeats[row] = Heartbeat(point.source, description.scope)
        for name, value in self._waiting.pop(point.path, {}).items():
            self._waiting_count -= 1
            if name == accepted:
                self._due.append((row, value))
            else:
                self._drop("wrong_publisher", point.path, f"{value.topic.source} gave a value; metadata names {point.source}")

    def _wait(self, name: bytes, topic: Topic, payload: bytes, received: float, snapshot: bool) -> None:
        """Keep the newest value of a topic until its metadata comes."""
        decoded = decode([payload])
        self._report(decoded, [topic])
        if decoded.dropped:
            return
        former = self._waiting.get(topic.path, {}).get(name)
        if former is None:
            if self._waiting_count >= self._most_waiting:
                self._drop("waiting_full")
                return
            self._waiting_count += 1
        else:
            self.superseded += 1
        since = received if former is None else former.since
        value, stamp, good = float(decoded.value[0]), float(decoded.stamp[0]), bool(decoded.good[0])
        self._waiting.setdefault(topic.path, {})[name] = _Waiting(topic, since, received, value, stamp, good, snapshot)

    def _late(self) -> Readings:
        """Return the values whose metadata has come, with their own times."""
        rows, values = zip(*self._due, strict=True)
        self._due = []
        return self._readings(
            np.array(rows, np.int32),
            np.array([value.value for value in values]),
            np.array([value.stamp for value in values]),
            np.array([value.good for value in values]),
            np.array([value.received for value in values]),
            np.array([value.snapshot for value in values]),
        )

    def _readings(self, rows: I32, value: F64, stamp: F64, good: Bool, received: F64, snapshot: Bool) -> Readings:
        """Make readings of wire columns, all of shape (N,)."""
        time, unit = seconds(stamp)
        if unit is not None:
            time = np.where(np.isnan(time), received, time)
            odd = (unit != 0) & (unit != MISSING)  # a missing one was told when it was read
            for (row, which), count in Counter(zip(rows[odd].tolist(), unit[odd].tolist(), strict=True)).items():
                self._odd_time(row, which, count)
        scaled = value * self.plant.scale[rows] + self.plant.offset[rows]
        if self._beats:
            if len(self._beat) < len(self.plant.points):
                self._beat = np.zeros(2 * len(self.plant.points), np.bool_)
                self._beat[list(self._beats)] = True
            beats = self._beat[rows]
            scaled[beats] = self._beat_times(rows[beats], value[beats])
        quality = np.where(good & ~np.isnan(scaled), GOOD, BAD).astype(np.uint8)
        return Readings(rows, time, received, scaled, quality, snapshot)

    def _beat_times(self, rows: I32, stamp: F64) -> F64:
        """Turn heartbeats' values into seconds by division, which scaling would not do exactly; NaN where it is no sensible time."""
        time, unit = seconds(stamp)
        if unit is not None:
            for row in rows[unit == ABSURD].tolist():
                self.plant.findings.add("heartbeat_absurd", self.plant.points[row].path, "the value is no time between 2000 and 2100")
        return time

    def _odd_time(self, row: int, unit: int, count: int) -> None:
        point = self.plant.points[row]
        if unit == ABSURD:
            text = f"timestamp is no time between 2000 and 2100; the receive time is used; last one {point.path}"
            self.plant.findings.add("timestamp_absurd", point.source, text, count)
        else:
            text = f"timestamps in {UNIT_NAMES[unit]}, the contract has milliseconds; converted; last one {point.path}"
            self.plant.findings.add("timestamp_unit", point.source, text, count)

    def _report(self, decoded: Decoded, senders: Sequence[Point | Topic]) -> None:
        """Count and report what was wrong, a finding a sender's source and kind of fault."""
        found = [(at, reason, _DROP_TEXTS[reason]) for at, reason in decoded.dropped] + decoded.notes
        for _, reason in decoded.dropped:
            self._drop(reason)
        counts = Counter((senders[at].source, code) for at, code, _ in found)
        last = {(senders[at].source, code): f"{text}; last one {senders[at].path}" for at, code, text in found}
        for (source, code), text in last.items():
            self.plant.findings.add(code, source, text, counts[source, code])

    def _lint(self, path: str, lints: list[tuple[str, str]]) -> None:
        """Replace the findings about one point's metadata."""
        for code in self._codes.pop(path, set()) - {code for code, _ in lints}:
            self.plant.findings.remove(code, path)
        for code, text in lints:
            self.plant.findings.add(code, path, text)
        if lints:
            self._codes[path] = {code for code, _ in lints}

    def _drop(self, reason: str, subject: str = "", text: str = "") -> None:
        self.dropped[reason] = self.dropped.get(reason, 0) + 1
        if text:
            self.plant.findings.add(reason, subject, text)
