"""The map of frames: plain JSON messages of many values, told by an operator. Every fault of a map in one run.

```yaml
frames:
  - name: rack                          # a word of its own; part of the source's name
    topic: dc/{rack}/t                  # an MQTT filter; {word} takes the place of + and captures that level
    asset: {field: rack, kind: rack}    # or {topic: rack, …}: the captured level, or {id: cdu1, …}: always the same
    time: {field: ts, unit: ms}         # s, ms, us, ns or iso; without it the receive time
    values: values                      # path of the object with the values, levels joined by a dot; without it the message itself
    interval: 10 s                      # between two frames of one asset
    serves: [R1, R2]                    # or {cdu1: [R1, R2]}; what the asset serves, where no plant file says so
    points:
      cool_flow: {quantity: liquid_flow, unit: L/min}
      gpu_temp: {quantity: temperature, unit: C, children: {id: "gpu{n:02}", kind: gpu, count: 72}}      # an array
      psu_power:
        quantity: output_power
        unit: W
        children: {id: "shelf{g}/psu{n:02}", kind: psu, count: 36, group: {size: 6, kind: power_shelf}}  # shelf0/psu00 … shelf5/psu35
      "gpu{n:02}.power": {quantity: power, unit: W, children: {id: "gpu{n:02}", kind: gpu, count: 72}}   # one key a child
      door: {quantity: status, states: {closed: 0, open: 1}}
      xid: {quantity: xid}              # an event: a code, a list of codes, or null
```

An asset below another is called `RACK/gpu07`. `{n}` is the number of a child and `{g}` that of its group, counted from `first` (0), and `{n:02}`
writes two digits. `{k}` counts anew in each group. A value that is null is a bad reading; a key that is not there says nothing.
"""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from monitor import refusal, units, yamlfile
from monitor.collect.table_map import FREE, Duration
from monitor.config import Settings
from monitor.errors import ConfigError, Fault
from monitor.vocabulary import KINDS, Quantity
from monitor.yamlfile import Document, KeyPath

MOST_KEYS = 2_000  # of one kind of frame, written out; looking a key up costs as many steps at worst
MOST_VALUES = 20_000  # of one frame (estimate); 2,000 racks of 480 points are some million points in all
PER_SECOND = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}

_PLACE = re.compile(r"\{([^{}]*)\}")
_NUMBER = re.compile(r"([ngk])(?::0([1-6]))?")
_LEVEL = re.compile(r"\{([a-z][a-z0-9_]*)\}")
Part = str | tuple[str, int]  # a text, or a number ("n", "g", "k") with its least count of digits


def template(text: str) -> tuple[Part, ...]:
    """Take an id or a key apart at its numbers.

    Raises:
        ValueError: a brace that is no {n}, {g}, {n:02} or {g:02}.

    >>> template("shelf{g}/psu{n:02}")
    ('shelf', ('g', 1), '/psu', ('n', 2))

    """
    parts: list[Part] = []
    at = 0
    for place in _PLACE.finditer(text):
        number = _NUMBER.fullmatch(place[1])
        if number is None:
            raise ValueError(f"found {refusal.shown(place[0])}; {{n}}, {{g}} and {{k}} are known, and {{n:02}} for two digits")
        parts += [text[at : place.start()], (number[1], int(number[2] or 1))]
        at = place.end()
    parts.append(text[at:])
    if any("{" in part or "}" in part for part in parts if isinstance(part, str)):
        raise ValueError(f"found {refusal.shown(text)}; a brace begins or ends a number, for example {{n}} or {{n:02}}")
    return tuple(part for part in parts if part)


def fill(parts: tuple[Part, ...], n: int, g: int, k: int = 0) -> str:
    """Write a template with its numbers.

    >>> fill(template("shelf{g}/psu{n:02}"), 7, 1)
    'shelf1/psu07'

    """
    return "".join(part if isinstance(part, str) else f"{ {'n': n, 'g': g, 'k': k}[part[0]]:0{part[1]}d}" for part in parts)


def _numbers(parts: tuple[Part, ...]) -> set[str]:
    return {part[0] for part in parts if not isinstance(part, str)}


def _path(text: str) -> str:
    if not text or not all(text.split(".")):
        raise ValueError(f"found {refusal.shown(text)}; a key is needed, or keys joined by a dot, for example data.values")
    return text


def _topic(text: str) -> str:
    levels = text.split("/")
    captured = [found[1] for level in levels if (found := _LEVEL.fullmatch(level))]
    wrong = ""
    if not text or "\0" in text:
        wrong = "a topic filter is needed, for example dc/{rack}/t"
    elif any("#" in level for level in levels[:-1]) or ("#" in levels[-1] and levels[-1] != "#"):
        wrong = '"#" stands alone as the last level; write for example a/#'
    elif any("+" in level and level != "+" for level in levels):
        wrong = '"+" stands alone between slashes; write for example a/+/b'
    elif any(("{" in level or "}" in level) and not _LEVEL.fullmatch(level) for level in levels):
        wrong = "{word} takes a whole level and is small letters, digits and _; write for example dc/{rack}/t"
    elif len(captured) != len(set(captured)):
        wrong = "two levels have the same name; give each its own"
    if wrong:
        raise ValueError(f"found {refusal.shown(text)}; {wrong}")
    return text


FieldPath = Annotated[str, AfterValidator(_path)]
Name = Annotated[str, Field(min_length=1)]


class FrameAsset(Settings):
    """What a frame speaks of."""

    field: FieldPath | None = None
    topic: Name | None = None  # a captured level
    id: Name | None = None
    kind: str
    sku: Name | None = None
    parent: Name | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if [self.field, self.topic, self.id].count(None) != 2:
            raise ValueError("needs one of field (where the frame says its id), topic (the captured level that is its id) and id")
        return self


class FrameTime(Settings):
    """When its values were measured."""

    field: FieldPath
    unit: Literal["s", "ms", "us", "ns", "iso"]  # numbers since 1970 UTC, or ISO 8601


class Group(Settings):
    """What some children are part of: the part of their id before the last /."""

    size: int = Field(ge=1, le=MOST_VALUES)
    kind: str
    first: int = Field(default=0, ge=0, le=1_000_000)


class Children(Settings):
    """The assets that the elements of an array, or the keys of a template, belong to."""

    id: Name
    kind: str
    count: int = Field(ge=1, le=MOST_VALUES)
    first: int = Field(default=0, ge=0, le=1_000_000)
    group: Group | None = None

    @model_validator(mode="after")
    def _ids_differ(self) -> Self:
        above, slash, last = self.id.rpartition("/")
        if not {"n", "k"} & _numbers(template(last)):
            raise ValueError(f"id: found {refusal.shown(self.id)}; {{n}} is needed, behind the last /, for example gpu{{n:02}}")
        numbers = _numbers(template(above))
        if self.group is None and (slash or {"g", "k"} & _numbers(template(last))):
            raise ValueError(
                f"id: found {refusal.shown(self.id)}; add group, what stands before the / is an asset: "
                "group: {size: 6, kind: power_shelf}"
            )
        if self.group is not None and numbers != {"g"}:
            raise ValueError(
                f"id: found {refusal.shown(self.id)}; with group it begins with the group's own, for example shelf{{g}}/psu{{n}}"
            )
        return self


class FramePoint(Settings):
    """What one key of the values says."""

    quantity: str
    unit: str | None = None  # as the wire has it; needed where the quantity has one
    scale: float = 1.0  # by which numbers are multiplied before the unit counts
    tags: tuple[str, ...] = ()
    setpoint: bool = False
    event: bool | None = None  # whether each value is an event; the vocabulary says so, this only asks for it
    states: dict[str, float] = Field(default_factory=dict)  # text on the wire ("true" and "false", too) -> its code
    interval: Duration | None = None  # s; None: that of the frame
    children: Children | None = None


class FrameKind(Settings):
    """One kind of frame."""

    name: str = Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$")
    topic: Annotated[str, AfterValidator(_topic)]
    asset: FrameAsset
    time: FrameTime | None = None
    values: FieldPath | None = None
    interval: Duration
    serves: tuple[Name, ...] | dict[str, tuple[Name, ...]] = ()
    points: dict[str, FramePoint] = Field(min_length=1)


class FramesFile(Settings):
    """The whole file."""

    frames: tuple[FrameKind, ...] = Field(min_length=1)


@dataclass(frozen=True, slots=True)
class Member:
    """One value of a key: the asset it belongs to, below that of the frame; "" is the frame's own."""

    below: str = ""
    group: str = ""  # the asset between the two, "" for none


@dataclass(frozen=True, slots=True)
class Key:
    """One key of the values: a value in `unit` = number on the wire * scale + offset."""

    name: str
    quantity: str
    unit: str
    scale: float
    offset: float
    tags: tuple[str, ...]
    setpoint: bool
    event: bool
    codes: Mapping[str, float]  # text -> number; {} where the wire has numbers only
    labels: tuple[tuple[int, str], ...]
    interval: float
    array: bool
    members: tuple[Member, ...]
    kind: str  # of the members, "" where they are the frame's own asset
    group_kind: str


@dataclass(frozen=True, slots=True)
class Kind:
    """A checked kind of frame."""

    settings: FrameKind
    keys: tuple[Key, ...]

    @property
    def filter(self) -> str:
        """The MQTT filter to subscribe to."""
        return "/".join("+" if _LEVEL.fullmatch(level) else level for level in self.settings.topic.split("/"))

    def captured(self) -> int | None:
        """Return the number of the level that names the asset, None where a field or the map does."""
        if self.settings.asset.topic is None:
            return None
        return self.settings.topic.split("/").index(f"{{{self.settings.asset.topic}}}")


@dataclass(frozen=True, slots=True)
class FrameMap:
    """A checked map."""

    kinds: tuple[Kind, ...]

    @property
    def topics(self) -> tuple[str, ...]:
        """The filters to subscribe to, each once."""
        return tuple(dict.fromkeys(kind.filter for kind in self.kinds))


def load_frames(path: Path, vocabulary: Mapping[str, Quantity]) -> FrameMap:
    """Read a map.

    Args:
        path: the YAML file.
        vocabulary: the words that its points may use.

    Raises:
        ConfigError: every fault of it.

    """
    document, faults = yamlfile.read(path)
    if not document.data and faults:
        raise ConfigError(faults)
    settings, found = yamlfile.validate(document, FramesFile)
    faults = [*faults, *found]
    frames = document.data.get("frames")
    kinds: list[Kind] = []
    for at, frame in enumerate(frames if isinstance(frames, list) else ()):
        if not isinstance(frame, dict):
            continue
        place: KeyPath = ("frames", at)
        interval = settings.frames[at].interval if settings is not None else 1.0
        keys: list[Key] = []
        points = frame.get("points")
        for name in points if isinstance(points, dict) else ():
            point, _ = yamlfile.validate(document, FramePoint, (*place, "points", name))  # with a fault elsewhere, its words are looked at
            if point is not None:
                keys += _keys(document, (*place, "points", name), point, interval, vocabulary, faults)
        asset = frame.get("asset")
        if isinstance(asset, dict):
            faults += _unknown_kind(document, (*place, "asset", "kind"), asset.get("kind"))
        if settings is not None:
            faults += _clashes(document, place, settings.frames[at], keys)
            kinds.append(Kind(settings.frames[at], tuple(keys)))
    if settings is not None:
        names = [kind.name for kind in settings.frames]
        faults += [
            document.fault(("frames", at, "name"), f"found {refusal.shown(name)} twice; give each kind of frame its own", value=True)
            for at, name in enumerate(names)
            if name in names[:at]
        ]
    if faults or settings is None:
        raise ConfigError(faults)
    return FrameMap(tuple(kinds))


def _keys(
    document: Document, path: KeyPath, point: FramePoint, interval: float, vocabulary: Mapping[str, Quantity], faults: list[Fault]
) -> Iterator[Key]:
    """Yield the keys of one entry where it is sound; what is not goes to `faults`."""
    before = len(faults)
    name, children = str(path[-1]), point.children
    try:
        parts = template(name)
    except ValueError as error:
        faults.append(document.fault(path, str(error)))
        parts = (name,)
    numbers = _numbers(parts)
    if numbers and (children is None or not ("n" in numbers or {"g", "k"} <= numbers)):
        faults.append(
            document.fault(
                path, "a key with numbers needs {n}, or {g} and {k}, and children, for example children: {id: gpu{n}, kind: gpu, count: 8}"
            )
        )
    if children is not None:
        faults += _unknown_kind(document, (*path, "children", "kind"), children.kind)
        if children.group is not None:
            faults += _unknown_kind(document, (*path, "children", "group", "kind"), children.group.kind)
    quantity = vocabulary.get(point.quantity)
    if quantity is None:
        near = refusal.advice(point.quantity, sorted(vocabulary), "the vocabulary")
        near = f"{near} else " if near.startswith("did you mean") else ""
        text = f"unknown quantity {refusal.shown(point.quantity)}; {near}add it to vocabulary.yaml in the folder of the rules"
        faults.append(document.fault((*path, "quantity"), text, value=True))
        return
    scale, offset, unit = 1.0, 0.0, quantity.unit
    if not math.isfinite(point.scale) or point.scale == 0:
        faults.append(document.fault((*path, "scale"), "a number that is not 0 is needed", value=True))
    if point.event is not None and point.event != quantity.event:
        word = "an event" if quantity.event else "no event"
        faults.append(document.fault((*path, "event"), f"{point.quantity} is {word} in the vocabulary; take the line out", value=True))
    if point.unit is None and quantity.unit:
        text = f"unit is missing: {point.quantity} is kept in {quantity.unit}; write the unit that the frames have, for example "
        faults.append(document.fault(path, f"{text}unit: {quantity.unit}"))
    elif point.unit is not None:
        try:
            unit = units.canonical(point.unit) if point.quantity == FREE else quantity.unit
            scale, offset = units.conversion(point.unit, unit)
        except ValueError as error:
            faults.append(document.fault((*path, "unit"), str(error), value=True))
    if len(faults) > before:
        return
    labels = quantity.states or tuple(sorted((int(code), label) for label, code in point.states.items() if code == int(code)))
    codes = {label: float(code) for code, label in quantity.states} | point.states
    members = _members(children)
    group_kind = children.group.kind if children is not None and children.group is not None else ""
    common = (point.quantity, unit, scale * point.scale, offset, tuple(sorted({tag.lower() for tag in point.tags})), point.setpoint)
    rest = (quantity.event, codes, labels, point.interval or interval)
    kind = children.kind if children is not None else ""
    if not numbers:
        yield Key(name, *common, *rest, children is not None, tuple(member for *_, member in members), kind, group_kind)
        return
    for *counted, member in members:
        yield Key(fill(parts, *counted), *common, *rest, False, (member,), kind, group_kind)


def _members(children: Children | None) -> list[tuple[int, int, int, Member]]:
    """Return the numbers n, g and k and the asset of each child; the frame's own asset where there is none."""
    if children is None:
        return [(0, 0, 0, Member())]
    parts, above = template(children.id), template(children.id.rpartition("/")[0])
    found = []
    for at in range(children.count):
        n, g, k = children.first + at, 0, 0
        if children.group is not None:
            g, k = children.group.first + at // children.group.size, children.first + at % children.group.size
        found.append((n, g, k, Member(fill(parts, n, g, k), fill(above, n, g))))
    return found


def _clashes(document: Document, place: KeyPath, frame: FrameKind, keys: list[Key]) -> Iterator[Fault]:
    """Yield what the parts of one kind of frame say against each other."""
    asset, time = frame.asset, frame.time
    levels = [found[1] for level in frame.topic.split("/") if (found := _LEVEL.fullmatch(level))]
    if asset.topic is not None and asset.topic not in levels:
        text = f"found {refusal.shown(asset.topic)}; {refusal.advice(asset.topic, levels, 'captured levels')}"
        yield document.fault((*place, "asset", "topic"), text, value=True)
    names = [key.name for key in keys]
    if len(names) != len(set(names)):
        twice = next(name for at, name in enumerate(names) if name in names[:at])
        yield document.fault((*place, "points"), f"{refusal.shown(twice)} is meant by two entries; keep one")
    if len(names) > MOST_KEYS:
        yield document.fault((*place, "points"), f"has {len(names):,} keys; at most {MOST_KEYS:,} can be used, or arrays in their place")
    if sum(len(key.members) for key in keys) > MOST_VALUES:
        yield document.fault((*place, "points"), f"has more than {MOST_VALUES:,} values a frame; split the frame")
    prefix = [] if frame.values is None else frame.values.split(".")
    fields = {role: field.split(".") for role, field in (("time", time.field if time else None), ("asset", asset.field)) if field}
    for role, field in fields.items():
        above = field == prefix[: len(field)]
        if above or any(field[: len(prefix) + 1] == [*prefix, name] for name in names):
            text = f"found {refusal.shown('.'.join(field))}, which holds values; name another"
            yield document.fault((*place, role, "field"), text, value=True)
    if len(fields) == 2:
        shorter, longer = sorted(fields.values(), key=len)
        if longer[: len(shorter)] == shorter:
            yield document.fault((*place, "time", "field"), "time and asset are the same field, or one is inside the other", value=True)


def _unknown_kind(document: Document, path: KeyPath, kind: object) -> list[Fault]:
    if not isinstance(kind, str) or kind in KINDS:
        return []
    return [document.fault(path, f"unknown kind {refusal.shown(kind)}; {refusal.advice(kind, sorted(KINDS), 'one of')}", value=True)]
