"""Plain JSON frames over MQTT: many values a message, by a map; what a publisher sends never raises.

A message is a frame of one asset and its parts, or is dropped and counted by reason (`MESSAGE_REASONS`). What cannot be used within a
frame is counted by its own reason while the rest is kept: `value_type`, `value_range`, `value_state` (such values are bad readings),
`array_length` (which child is missing cannot be known, so none of the array is read) and `key_unknown` (skipped).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import repeat
from struct import Struct
from struct import error as StructError  # noqa: N812

import numpy as np
from msgspec import UNSET

from monitor.collect.dsx import Heartbeat
from monitor.collect.frames_map import FrameMap, Key, Kind, Member
from monitor.collect.frames_read import Reader, Values
from monitor.model import BAD, F64, I32, Point, Readings
from monitor.plant import OWN_KINDS, Plant

MOST_ASSETS = 20_000  # that frames speak of, their parts left out (estimate); 2,000 racks and what serves them are one daemon's scope
MOST_POINTS = 1_000_000  # of the plant, as for DSX
MOST_TOPICS = 100_000  # whose kind is remembered; others are looked up each time
MOST_LAYOUTS = 1_000  # of a kind of frame that are remembered
MOST_EVENTS = 64  # codes of one key in one frame (estimate)
_MOST_ID = 200  # characters of an asset's id
_FIRST, _LAST = 946_684_800.0, 4_102_444_800.0  # a time is believed between 2000 and 2100

MESSAGE_REASONS = {
    "topic_unknown": "no kind of frame in the map has this topic",
    "payload_empty": "payload is empty",
    "payload_size": "payload is larger than 1 MiB",
    "payload_json": "payload is no JSON, or nested too deeply",
    "payload_object": "payload is no JSON object",
    "values_missing": "there is no object where the map says the values are",
    "asset_missing": "there is nothing where the map says the asset's id is",
    "asset_name": "the asset's id is no text of 1 to 200 printable characters and no whole number",
    "assets_full": f"more than {MOST_ASSETS:,} assets; the rest are left out",
    "points_full": f"more than {MOST_POINTS:,} points; the rest are left out",
}


@dataclass(slots=True, eq=False)
class Layout:
    """Which keys a frame has, and what turns its numbers into canonical values; shape (N,) in the order of the wire's keys."""

    keys: tuple[int, ...]
    count: int
    scale: F64
    offset: F64
    pack: Struct


@dataclass(slots=True)
class _Speaker:
    """One asset that sends frames of one kind, and the rows of its points."""

    asset: str
    source: str
    rows_of: dict[int, I32] = field(default_factory=dict)  # by key
    rows: dict[Layout, I32] = field(default_factory=dict)
    parts: set[str] = field(default_factory=set)  # assets below it that are known


class _Kind:
    """One kind of frame with what was learned of it."""

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self.name = kind.settings.name
        self.reader = Reader(kind)
        self.speakers: dict[str | int, _Speaker] = {}
        self.layouts: dict[tuple[int, ...], Layout] = {}
        self.events = [at for at, key in enumerate(kind.keys) if key.event]
        self.levels = kind.filter.split("/")
        self.captured = kind.captured()


@dataclass(slots=True)
class _Batch:
    """Columns of a batch on their way."""

    numbers: list[bytes] = field(default_factory=list)  # float64, as on the wire
    rows: list[I32] = field(default_factory=list)
    layouts: list[Layout] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    message: list[int] = field(default_factory=list)  # its place in the batch


class Frames:
    """The dialect, fed batch by batch; it makes points and assets of the plant.

    Each (kind of frame, asset) is one source with one clock, called KIND:ASSET.

    Attributes:
        dropped: by reason, messages that became nothing and values or keys that could not be used.
        messages: all messages seen.
        superseded, heartbeats: none; frames describe themselves.

    """

    def __init__(self, plant: Plant, frames: FrameMap, *, most_assets: int = MOST_ASSETS, most_points: int = MOST_POINTS) -> None:
        self.plant = plant
        self.topics = frames.topics
        self.dropped: dict[str, int] = {}
        self.messages = 0
        self.superseded = 0
        self.heartbeats: dict[int, Heartbeat] = {}
        self._kinds = [_Kind(kind) for kind in frames.kinds]
        self._most_assets = most_assets
        self._most_points = most_points
        self._assets = 0
        self._routes: dict[bytes, tuple[_Kind, str | None] | None] = {}

    def decode(self, topics: Sequence[bytes], payloads: Sequence[bytes], retained: Sequence[int], received: float | F64) -> Readings:
        """Turn a batch of messages into readings, in arrival order.

        Args:
            topics: raw topics, (N,).
            payloads: raw payloads, (N,).
            retained: 1 where the broker sent a retained copy, (N,); [] when none is.
            received: receive times, s since 1970 UTC; a scalar holds for all.

        """
        self.messages += len(topics)
        batch = _Batch()
        routes = self._routes
        for at, (topic, payload) in enumerate(zip(topics, payloads, strict=True)):
            route = routes.get(topic)
            if route is None:
                route = self._route(topic)
                if route is None:
                    self._drop("topic_unknown", "frames", f"last one {topic[:120]!r}")
                    continue
            self._frame(batch, at, *route, payload)
        for kind in self._kinds:
            if kind.reader.told:
                self._report(kind)
        if not batch.rows:
            return Readings.of([], [], [])
        return self._readings(batch, np.broadcast_to(np.asarray(received, np.float64), len(topics)), retained)

    def _frame(self, batch: _Batch, at: int, kind: _Kind, captured: str | None, payload: bytes) -> None:
        """Take one frame in."""
        found = kind.reader.read(payload)
        if isinstance(found, str):
            self._drop(found, kind.name)
            return
        name = found.asset if captured is None else captured
        speaker = kind.speakers.get(name) if type(name) is str or type(name) is int else None  # a list would not hash, True is 1
        if speaker is None:
            speaker = self._speaker(kind, name)
            if speaker is None:
                return
        values = found.values
        if kind.events:
            values = self._events(batch, at, kind, speaker, values, found.time)
        shape = tuple([len(value) if type(value) is list else -1 if value is not UNSET else -2 for value in values])
        layout = kind.layouts.get(shape)
        if layout is None:
            layout, values = self._layout(kind, shape, values)
        rows = speaker.rows.get(layout)
        if rows is None:
            rows = self._rows(kind, speaker, layout)
            if rows is None:
                return
        numbers: list[float | None] = []
        for value in values:
            if type(value) is list:
                numbers += value
            elif value is not UNSET:
                numbers.append(value)
        try:
            packed = layout.pack.pack(*numbers)
        except StructError:  # None is a bad reading
            packed = layout.pack.pack(*(np.nan if number is None else number for number in numbers))
        batch.numbers.append(packed)
        batch.rows.append(rows)
        batch.layouts.append(layout)
        batch.times.append(found.time)
        batch.message.append(at)

    def _readings(self, batch: _Batch, received: F64, retained: Sequence[int]) -> Readings:
        """Put the frames of a batch behind each other."""
        first = batch.layouts[0]
        value = np.frombuffer(b"".join(batch.numbers), np.float64)
        with np.errstate(over="ignore"):
            if all(layout is first for layout in batch.layouts):
                value = (value.reshape(len(batch.layouts), first.count) * first.scale + first.offset).ravel()
            else:
                value = value * np.concatenate([one.scale for one in batch.layouts]) + np.concatenate([one.offset for one in batch.layouts])
        bad = ~np.isfinite(value)
        if bad.any():
            value[bad] = np.nan
        counts = np.array([layout.count for layout in batch.layouts])
        which = np.array(batch.message)
        came = received[which]
        time = np.array(batch.times)
        with np.errstate(invalid="ignore"):
            believed = (time >= _FIRST) & (time <= _LAST)
        if not believed.all():
            self._odd_times(batch, time)
            time = np.where(believed, time, came)
        snapshot = np.zeros(len(value), np.bool_)
        if len(retained) and any(retained):
            snapshot = np.repeat(np.asarray(retained, np.bool_)[which], counts)
        quality = bad.astype(np.uint8) * np.uint8(BAD)
        return Readings(np.concatenate(batch.rows), np.repeat(time, counts), np.repeat(came, counts), value, quality, snapshot)

    def _route(self, topic: bytes) -> tuple[_Kind, str | None] | None:
        """Return the first kind whose filter fits a topic, and the asset's id where the topic names it."""
        try:
            levels = topic.decode().split("/")
        except UnicodeDecodeError:
            return None
        for kind in self._kinds:
            if _fits(kind.levels, levels):
                route = (kind, None if kind.captured is None else levels[kind.captured])
                if kind.kind.settings.asset.id is not None:
                    route = (kind, kind.kind.settings.asset.id)
                if len(self._routes) < MOST_TOPICS:
                    self._routes[topic] = route
                return route
        return None

    def _speaker(self, kind: _Kind, name: object) -> _Speaker | None:
        """Make a new asset known."""
        if isinstance(name, bool) or not isinstance(name, str | int) or (isinstance(name, int) and abs(name) >= 10**18):
            self._drop("asset_name", kind.name)
            return None
        text = str(name)
        known = self.plant.assets.get(text)
        ours = any(text.startswith(f"{own}/") for own in OWN_KINDS)
        if not 0 < len(text) <= _MOST_ID or not text.isprintable() or text != text.strip() or ours:
            self._drop("asset_name", kind.name)
            return None
        if text in kind.speakers:  # written as a number once and as a text once
            speaker = kind.speakers[text]
        elif self._assets >= self._most_assets:
            self._drop("assets_full", kind.name)
            return None
        else:
            self._assets += 1
            speaker = kind.speakers[text] = _Speaker(text, f"{kind.name}:{text}")
            told = kind.kind.settings.asset
            attributes = {} if told.sku is None or (known is not None and "sku" in known.attributes) else {"sku": told.sku}
            self.plant.asset(text, told.kind, parent=told.parent, **attributes)
            serves = kind.kind.settings.serves
            for taker in serves.get(text, ()) if isinstance(serves, dict) else serves:
                self.plant.serve(text, taker)
        if isinstance(name, int):
            kind.speakers[name] = speaker
        return speaker

    def _layout(self, kind: _Kind, shape: tuple[int, ...], values: Values) -> tuple[Layout, Values]:
        """Return the layout of a shape that is new, and the values without arrays of a wrong length."""
        keys = kind.kind.keys
        wrong = [at for at, (size, key) in enumerate(zip(shape, keys, strict=True)) if size >= 0 and size != len(key.members)]
        if wrong:
            for at in wrong:
                text = f"{keys[at].name} has {shape[at]} values; the map says {len(keys[at].members)}; left out"
                self._drop("array_length", kind.name, text)
            values = tuple(UNSET if at in wrong else value for at, value in enumerate(values))
            shape = tuple(-2 if at in wrong else size for at, size in enumerate(shape))
            if (known := kind.layouts.get(shape)) is not None:
                return known, values
        there = tuple(at for at, size in enumerate(shape) if size != -2)
        counts = [len(keys[at].members) for at in there]
        count = sum(counts)
        made = Layout(
            there,
            count,
            np.repeat(np.array([keys[at].scale for at in there]), counts),
            np.repeat(np.array([keys[at].offset for at in there]), counts),
            Struct(f"={count}d"),
        )
        if len(kind.layouts) < MOST_LAYOUTS:
            kind.layouts[shape] = made
        return made, values

    def _rows(self, kind: _Kind, speaker: _Speaker, layout: Layout) -> I32 | None:
        """Return the rows of a layout, its points described where they are new."""
        if not self._describe(kind, speaker, layout.keys):
            return None
        rows = np.concatenate([speaker.rows_of[at] for at in layout.keys]) if layout.keys else np.zeros(0, np.int32)
        if len(speaker.rows) < 8:  # a publisher has a layout or two
            speaker.rows[layout] = rows
        return rows

    def _describe(self, kind: _Kind, speaker: _Speaker, keys: Sequence[int]) -> bool:
        """Describe the points of those keys that are new; says whether there was room for all."""
        fresh = [at for at in keys if at not in speaker.rows_of]
        if len(self.plant.points) + sum(len(kind.kind.keys[at].members) for at in fresh) > self._most_points:
            self._drop("points_full", kind.name)
            return False
        for at in fresh:
            key = kind.kind.keys[at]
            members = enumerate(key.members)
            rows = [self._point(speaker, key, member, f"[{number}]" if key.array else "") for number, member in members]
            speaker.rows_of[at] = np.array(rows, np.int32)
        return True

    def _point(self, speaker: _Speaker, key: Key, member: Member, index: str) -> int:
        """Describe one point, and the asset that it belongs to; returns its row."""
        asset = parent = speaker.asset
        if member.group:
            parent = f"{asset}/{member.group}"
            self._part(speaker, parent, key.group_kind, asset)
        if member.below:
            asset = f"{asset}/{member.below}"
            self._part(speaker, asset, key.kind, parent)
        asset = self.plant.assets[asset].id  # one text for all of its points
        path = f"{speaker.source}/{key.name}{index}"
        what = (key.quantity, key.unit, key.scale, key.offset, key.tags, key.setpoint, key.labels, key.interval)
        return self.plant.describe(Point(speaker.source, path, asset, *what))

    def _part(self, speaker: _Speaker, name: str, kind: str, parent: str) -> None:
        """Make a part known; where a plant file says what it is part of, that counts."""
        if name in speaker.parts:
            return
        speaker.parts.add(name)
        known = self.plant.assets.get(name)
        self.plant.asset(name, kind, parent=parent if known is None or known.parent is None else None)

    def _events(self, batch: _Batch, at: int, kind: _Kind, speaker: _Speaker, values: Values, time: float) -> Values:
        """Take the codes of event keys; null is none."""
        rest = list(values)
        for number in kind.events:
            value, rest[number] = rest[number], UNSET
            key = kind.kind.keys[number]
            codes = value if isinstance(value, list) else [] if value is UNSET else [value]
            if key.array and len(codes) != len(key.members):
                if value is not UNSET:
                    text = f"{key.name} has {len(codes)} values; the map says {len(key.members)}; left out"
                    self._drop("array_length", kind.name, text)
                continue
            if not key.array and len(codes) > MOST_EVENTS:
                self._drop("array_length", kind.name, f"{key.name} has {len(codes)} codes; the first {MOST_EVENTS} are taken")
                codes = codes[:MOST_EVENTS]
            if not self._describe(kind, speaker, (number,)):
                continue
            rows = speaker.rows_of[number].tolist()
            told = [(row, code) for row, code in zip(rows if key.array else repeat(rows[0]), codes, strict=False) if code is not None]
            if told:
                batch.numbers.append(Struct(f"={len(told)}d").pack(*(code for _, code in told)))
                batch.rows.append(np.array([row for row, _ in told], np.int32))
                batch.layouts.append(_plain((number,), len(told)))
                batch.times.append(time)
                batch.message.append(at)
        return tuple(rest)

    def _odd_times(self, batch: _Batch, time: F64) -> None:
        for number in np.flatnonzero(~np.isnan(time) & ~((time >= _FIRST) & (time <= _LAST))).tolist():
            source = self.plant.points[int(batch.rows[number][0])].source if len(batch.rows[number]) else "frames"
            text = "the time is not between 2000 and 2100, or its unit is not the map's; the receive time is used"
            self.plant.findings.add("timestamp_absurd", source.partition(":")[0], f"{text}; last one {source}")

    def _report(self, kind: _Kind) -> None:
        """Count and report what was wrong inside frames; the time's faults are findings alone."""
        for reason, (count, text) in kind.reader.take_told().items():
            if reason != "time_missing":
                self.dropped[reason] = self.dropped.get(reason, 0) + count
            if text:
                self.plant.findings.add(reason, kind.name, text, count)

    def _drop(self, reason: str, subject: str, text: str = "") -> None:
        self.dropped[reason] = self.dropped.get(reason, 0) + 1
        words = MESSAGE_REASONS.get(reason, "")
        self.plant.findings.add(reason, subject, f"{words}; {text}" if words and text else words or text)


def _plain(keys: tuple[int, ...], count: int) -> Layout:
    return Layout(keys, count, np.ones(count), np.zeros(count), Struct(f"={count}d"))


def _fits(pattern: Sequence[str], levels: Sequence[str]) -> bool:
    """Say whether a topic is one of a filter's (MQTT 3.1.1, 4.7).

    >>> _fits(["dc", "+", "#"], ["dc", "r1"]), _fits(["#"], ["$SYS", "x"])
    (True, False)

    """
    if levels[0].startswith("$") and pattern[0] in {"+", "#"}:
        return False
    if pattern[-1] == "#":
        pattern = pattern[:-1]
        levels = levels[: len(pattern)] if len(levels) >= len(pattern) else levels
    return len(pattern) == len(levels) and all(one in ("+", level) for one, level in zip(pattern, levels, strict=True))


def by_message(dropped: Mapping[str, int]) -> int:
    """Return how many messages became nothing."""
    return sum(count for reason, count in dropped.items() if reason in MESSAGE_REASONS)
