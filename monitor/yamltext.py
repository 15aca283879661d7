"""Text to plain data and the place of everything in it.

A stricter and smaller language than YAML 1.1: keys are text as written (`0012:`, `on:`), plain values are null, true, false,
decimal, hexadecimal or octal (0o17) integers, decimals, or text, as in YAML 1.2; so `off`, `12:30` and a date stay text.
Anchors, aliases, tags, repeated keys and a second document are refused: what is written is what is meant.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import yaml

from monitor.errors import Fault

KeyPath = tuple[str | int, ...]

MOST_DEPTH = 50
_LONGEST_NUMBER = 40  # characters; longer digits are a serial number or an attack, and stay text

_INTEGER = re.compile(r"[-+]?[0-9]+|0x[0-9a-fA-F]+|0o[0-7]+")
_DECIMAL = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_WORDS = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # C where the wheel has it: ten times as fast, the same events


class Place(NamedTuple):
    """Where something was said; line and column count from 1, and 0 means the file as a whole."""

    file: str
    line: int = 0
    column: int = 0

    def fault(self, text: str) -> Fault:
        """Say something about this place; what a terminal would act on is escaped."""
        return Fault(self.file, self.line, "".join(c if c.isprintable() else repr(c)[1:-1] for c in text), self.column)


@dataclass(slots=True)
class Parsed:
    """What a text holds; a path names a value from the root, `("links", 0, "host")`."""

    file: str
    root: Any = None
    keys: dict[KeyPath, Place] = field(default_factory=dict)  # where each key, or item of a list, begins
    values: dict[KeyPath, Place] = field(default_factory=dict)  # where each single value begins
    faults: list[Fault] = field(default_factory=list)


def name(path: KeyPath) -> str:
    """Write a path as people do.

    >>> name(("links", 0, "host"))
    'links[0].host'
    """
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).removeprefix(".")


def scalar(text: str) -> Any:
    """Return what one plain value means.

    >>> [scalar(text) for text in ("5", "1e3", "0x1F", "true", "off", "2026-01-01", "~")]
    [5, 1000.0, 31, True, 'off', '2026-01-01', None]
    """
    if text in _WORDS:
        return _WORDS[text]
    if len(text) > _LONGEST_NUMBER:
        return text
    if _INTEGER.fullmatch(text):
        return int(text, {"0x": 16, "0o": 8}.get(text[:2], 10))
    if _DECIMAL.fullmatch(text):
        number = float(text)
        return number if abs(number) != float("inf") else text
    return text


def parse(text: str, file: str) -> Parsed:
    """Read a text as far as it can be read; what its faults name is left out, and a text that is no YAML has no root."""
    parsed = Parsed(file)
    try:
        parsed.root = _Builder(parsed).build(text)
    except _Refused as refused:
        parsed.faults.append(refused.fault)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = _at(file, mark) if mark else Place(file)
        parsed.faults.append(place.fault(" ".join(filter(None, ("is no YAML:", error.problem, error.context)))))
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1 if isinstance(error.position, int) else 0
        parsed.faults.append(Place(file, line).fault(f"is no YAML: {error.reason}; remove the character"))
    return parsed


def _at(file: str, mark: Any) -> Place:
    return Place(file, mark.line + 1, mark.column + 1)


class _Refused(Exception):
    def __init__(self, fault: Fault) -> None:
        super().__init__()
        self.fault = fault


class _Builder:
    """Events to plain data. Faults that leave the rest readable are gathered; the others raise."""

    def __init__(self, parsed: Parsed) -> None:
        self.file = parsed.file
        self.faults = parsed.faults
        self.keys = parsed.keys
        self.values = parsed.values

    def build(self, text: str) -> Any:
        root: Any = None
        documents = 0
        events: Iterator[yaml.Event] = yaml.parse(text, Loader=_LOADER)
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise _Refused(self._fault(event, "a second document begins here; one file holds one"))
            elif not isinstance(event, (yaml.StreamStartEvent, yaml.StreamEndEvent, yaml.DocumentEndEvent)):
                root = self._node(event, events, ())
        return root

    def _fault(self, event: yaml.Event, text: str) -> Fault:
        return self._place(event).fault(text)

    def _place(self, event: yaml.Event) -> Place:
        return _at(self.file, event.start_mark)

    def _node(self, event: yaml.Event, events: Iterator[yaml.Event], path: KeyPath) -> Any:
        if len(path) > MOST_DEPTH:
            raise _Refused(self._fault(event, f"is nested deeper than {MOST_DEPTH}; write it flatter"))
        self.keys.setdefault(path, self._place(event))
        if isinstance(event, yaml.AliasEvent):
            self.faults.append(self._fault(event, f'alias "*{event.anchor}" is not taken; write the value out'))
            return None
        anchor = getattr(event, "anchor", None)
        if anchor:
            self.faults.append(self._fault(event, f'anchor "&{anchor}" is not taken; write the value out where it is needed'))
        tag = getattr(event, "tag", None)
        if tag not in (None, "!"):
            self.faults.append(self._fault(event, f'tag "{tag}" is not taken; write the plain value'))
        if isinstance(event, yaml.MappingStartEvent):
            return self._mapping(events, path)
        if isinstance(event, yaml.SequenceStartEvent):
            return [self._node(item, events, (*path, index)) for index, item in enumerate(_until(yaml.SequenceEndEvent, events))]
        assert isinstance(event, yaml.ScalarEvent)
        self.values[path] = self._place(event)
        return scalar(event.value) if event.implicit[0] else event.value

    def _mapping(self, events: Iterator[yaml.Event], path: KeyPath) -> dict[str, Any]:
        mapping: dict[str, Any] = {}
        for event in _until(yaml.MappingEndEvent, events):
            key = event.value if isinstance(event, yaml.ScalarEvent) else None
            if key is None:
                self.faults.append(self._fault(event, "a key must be plain text"))
                self._skip(event, events, path)
                self._skip(next(events), events, path)
            elif key in mapping:
                first = self.keys[*path, key].line
                self.faults.append(self._fault(event, f"{name((*path, key))}: key is already on line {first}; keep one"))
                self._skip(next(events), events, path)
            else:
                self.keys[*path, key] = self._place(event)
                mapping[key] = self._node(next(events), events, (*path, key))
        return mapping

    def _skip(self, event: yaml.Event, events: Iterator[yaml.Event], path: KeyPath) -> None:
        """Read past a node that has no place in the data; its own faults still count."""
        beside = _Builder(Parsed(self.file, faults=self.faults))
        beside._node(event, events, (*path, "?"))


def _until(end: type[yaml.Event], events: Iterator[yaml.Event]) -> Iterator[yaml.Event]:
    for event in events:
        if isinstance(event, end):
            return
        yield event
