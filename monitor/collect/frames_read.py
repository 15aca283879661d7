"""Payloads of one kind of frame: typed and fast where a frame is as its map says, else key by key; what is wrong is told, never raised."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from operator import attrgetter
from typing import Any

import msgspec
from msgspec import UNSET

from monitor.collect.frames_map import PER_SECOND, Key, Kind

MOST_BYTES = 1_048_576  # of one frame (estimate); 2,000 keys of 500 B, or 480 values in 3 kB as is usual
MOST_IGNORED = 256  # keys that the map does not have and that are skipped at full speed; frames with others are read key by key
_MOST_ID = 200  # characters

Values = tuple[Any, ...]  # of each key of the map: a number, None, a list of these, or UNSET where it was not there


@dataclass(slots=True)
class Found:
    """One frame: who, when, and what; `time` is s since 1970 UTC and NaN where the frame does not say it."""

    asset: object
    time: float
    values: Values


class Reader:
    """Reads one kind of frame.

    `read` tries the typed decoder, which takes a frame only if all of it is as the map says; any other is read again by `read_each`,
    which keeps what can be used. The two agree on whatever both take.

    Attributes:
        kind: what the map says.
        told: what was wrong since somebody last took it: reason -> (how often, words about the last one).

    """

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self.told: dict[str, tuple[int, str]] = {}
        frame = kind.settings
        self._names = {key.name: at for at, key in enumerate(kind.keys)}
        self._at_values = [] if frame.values is None else frame.values.split(".")
        self._at_asset = None if frame.asset.field is None else frame.asset.field.split(".")
        self._at_time = None if frame.time is None else frame.time.field.split(".")
        self._iso = frame.time is not None and frame.time.unit == "iso"
        self._per_second = 1.0 if frame.time is None or self._iso else PER_SECOND[frame.time.unit]
        self._special = [at for at, key in enumerate(kind.keys) if key.codes]
        depth = len(self._at_values)
        paths = [path for path in (self._at_asset, self._at_time) if path is not None]
        self._beside = {path[depth] for path in paths if path[:depth] == self._at_values}
        self._ignored: dict[str, int] = {}  # keys beside the map's, in the order of the decoder's fields
        self._build()

    def read(self, payload: bytes) -> Found | str:
        """Return what a frame says, or the reason why it says nothing."""
        if len(payload) > MOST_BYTES:
            return "payload_size"
        try:
            frame = self._decode(payload)
        except (ValueError, RecursionError):
            return self.read_each(payload)
        values: Values = msgspec.structs.astuple(self._values(frame))
        if self._ignored:
            count = len(self._names)
            ignored = values[count : count + len(self._ignored)]
            if unknown := len(ignored) - ignored.count(UNSET):
                self._tell("key_unknown", "", unknown)
        values = values[: len(self._names)]
        if self._special:
            values = self._coded(values)
        if self._time is None:
            time = float("nan")
        else:
            time = self._text_time(self._time(frame)) if self._iso else self._time(frame) / self._per_second
        return Found(None if self._asset is None else self._asset(frame), time, values)

    def read_each(self, payload: bytes) -> Found | str:
        """Return what a frame says key by key, or the reason why it says nothing; the twin of `read`."""
        if len(payload) > MOST_BYTES:
            return "payload_size"
        if not payload:
            return "payload_empty"
        try:
            frame = json.loads(payload, parse_int=_whole)  # takes NaN, which is no JSON but what Python programs write
        except (ValueError, RecursionError):
            return "payload_json"
        if not isinstance(frame, dict):
            return "payload_object"
        told = _at(frame, self._at_values)
        if not isinstance(told, dict):
            return "values_missing"
        asset = None if self._at_asset is None else _at(frame, self._at_asset)
        if self._at_asset is not None and asset is UNSET:
            return "asset_missing"
        unknown = told.keys() - self._names.keys() - self._beside
        if unknown:
            self._learn(unknown)
        values = tuple(self._clean(key, told.get(key.name, UNSET)) for key in self.kind.keys)
        return Found(asset, self._stamp(frame), values)

    def take_told(self) -> Mapping[str, tuple[int, str]]:
        """Hand over what was wrong, and start anew."""
        told, self.told = self.told, {}
        return told

    def _tell(self, reason: str, text: str, count: int = 1) -> None:
        before, last = self.told.get(reason, (0, ""))
        self.told[reason] = (before + count, text or last)

    def _learn(self, unknown: set[str]) -> None:
        """Count keys that the map does not have, and let the typed decoder skip them from now on."""
        shown = ", ".join(ascii(name[:40]) for name in sorted(unknown)[:8])
        self._tell("key_unknown", f"{shown} not in the map; left out", len(unknown))
        fresh = sorted(name for name in unknown if name not in self._ignored and len(name) <= _MOST_ID and name.isprintable())
        if fresh and len(self._ignored) + len(fresh) <= MOST_IGNORED:
            self._ignored |= dict.fromkeys(fresh, 0)
            self._build()

    def _stamp(self, frame: dict[str, Any]) -> float:
        if self._at_time is None:
            return float("nan")
        found = _at(frame, self._at_time)
        if self._iso and isinstance(found, str):
            return self._text_time(found)
        if not self._iso and isinstance(found, int | float) and not isinstance(found, bool):
            return float(found) / self._per_second
        text = "is missing" if found is UNSET else f"is no {'text as 2026-01-01T00:00:00Z' if self._iso else 'number'}"
        self._tell("time_missing", f"the time {text}; the receive time is used")
        return float("nan")

    def _text_time(self, text: str) -> float:
        try:
            found = datetime.fromisoformat(text)
            return (found if found.tzinfo is not None else found.replace(tzinfo=UTC)).timestamp()
        except (ValueError, OverflowError):
            self._tell("time_missing", f"the time {text[:40]!a} is not as 2026-01-01T00:00:00Z; the receive time is used")
            return float("nan")

    def _clean(self, key: Key, value: object) -> object:
        """Return what can be used of one key's value: numbers and None."""
        if value is UNSET:
            return UNSET
        if isinstance(value, list):
            if not key.array and not key.event:
                self._tell("value_type", f"{key.name} is a list; one number or null is needed")
                return None
            return [self._number(key, one) for one in value]
        if key.array:
            self._tell("value_type", f"{key.name} is no list of {len(key.members)} numbers; left out")
            return UNSET
        return self._number(key, value)

    def _number(self, key: Key, value: object) -> float | None:
        if value is None:
            return None
        if key.codes and isinstance(value, str | bool):
            return self._code(key, value)
        if isinstance(value, bool) or not isinstance(value, int | float):
            self._tell("value_type", f"{key.name} holds {type(value).__name__}; a number or null is needed")
            return None
        number = float(value)
        if number in (float("inf"), float("-inf")):
            self._tell("value_range", f"{key.name} holds a number that is too large")
            return None
        return None if number != number else number  # noqa: PLR0124  # only NaN differs from itself

    def _code(self, key: Key, value: str | bool) -> float | None:
        word = str(value).lower() if isinstance(value, bool) else value
        found = key.codes.get(word)
        if found is None:
            self._tell("value_state", f"{key.name} holds the state {word[:40]!a}, which the map does not know")
        return found

    def _coded(self, values: Values) -> Values:
        """Turn texts into codes where the map has some."""
        made = list(values)
        for at in self._special:
            value, key = values[at], self.kind.keys[at]
            if isinstance(value, list):
                made[at] = [self._code(key, one) if isinstance(one, str | bool) else one for one in value]
            elif isinstance(value, str | bool):
                made[at] = self._code(key, value)
        return tuple(made)

    def _build(self) -> None:
        """Make the typed decoder: a struct for each level on the way, and one with a field for each key at the values."""
        roles = {"values": self._at_values, "asset": self._at_asset, "time": self._at_time}
        at: dict[str, str] = {}
        root = self._struct("", {role: path for role, path in roles.items() if path is not None}, at)
        self._decode = msgspec.json.Decoder(root).decode
        self._values: Callable[[Any], Any] = attrgetter(at["values"]) if at["values"] else _itself
        self._asset: Callable[[Any], Any] | None = attrgetter(at["asset"]) if "asset" in at else None
        self._time: Callable[[Any], Any] | None = attrgetter(at["time"]) if "time" in at else None

    def _struct(self, above: str, roles: Mapping[str, list[str]], at: dict[str, str]) -> Any:
        """Return the type of one level; `at` gets where each role is found below the root, as attributes joined by dots."""
        names: list[str] = []
        fields: list[Any] = []
        here = roles.get("values") == []
        if here:
            at["values"] = above.removesuffix(".")
            names += [*self._names, *self._ignored]
            fields += [(f"f{number}", _type(key), UNSET) for number, key in enumerate(self.kind.keys)]
            fields += [(f"f{number}", msgspec.Raw, UNSET) for number in range(len(fields), len(names))]
        for name in dict.fromkeys(path[0] for path in roles.values() if path):
            below = {role: path[1:] for role, path in roles.items() if path and path[0] == name}
            attribute = f"f{len(names)}"
            leaf = next((role for role, path in below.items() if not path and role != "values"), None)
            if leaf is None:
                made = self._struct(f"{above}{attribute}.", below, at)
            else:
                at[leaf] = f"{above}{attribute}"
                made = str | int if leaf == "asset" else str if self._iso else float
            names.append(name)
            fields.append((attribute, made))
        rename = {field[0]: name for field, name in zip(fields, names, strict=True)}
        return msgspec.defstruct("Level", fields, rename=rename, forbid_unknown_fields=here, kw_only=True, gc=False)


def _type(key: Key) -> Any:
    one: Any = float | str | bool | None if key.codes else float | None
    if key.event and not key.array:
        return one | list[one]
    return list[one] if key.array else one


def _itself(frame: Any) -> Any:
    return frame


def _at(frame: object, path: list[str]) -> object:
    """Return what stands at a path, UNSET where there is nothing."""
    for name in path:
        if not isinstance(frame, dict) or name not in frame:
            return UNSET
        frame = frame[name]
    return frame


def _whole(digits: str) -> int | float:
    """Read a whole number; one beyond 64 bits as a float, since thousands of digits would take long."""
    return int(digits) if len(digits) <= 18 else float(digits)
