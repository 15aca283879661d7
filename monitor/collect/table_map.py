"""The map of a table: which column says what, in which unit, of which asset and when. Every fault of a map in one run."""

import codecs
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, timedelta, timezone, tzinfo
from pathlib import Path
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from monitor import refusal, units, yamlfile
from monitor.clock import parse_time
from monitor.config import Settings
from monitor.errors import ConfigError, Fault
from monitor.vocabulary import KINDS, Quantity
from monitor.yamlfile import Document, KeyPath

FREE = "generic"  # the one quantity whose points may have any unit
_LONGEST = 90 * 86_400.0  # s
_OFFSET = re.compile(r"([+-])(\d\d):?(\d\d)")
_EPOCH = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}


def _duration(text: object) -> float:
    found = units.seconds(text)
    if not 0 < found <= _LONGEST:
        raise ValueError(f"found {refusal.shown(text)}; more than 0 s and at most 90 d would do")
    return found


def _one_character(text: str) -> str:
    if len(text) != 1 or text in '"\r\n':
        raise ValueError(f"found {refusal.shown(text)}; one character is needed, for example ; or , or a tab in double quotes")
    return text


def _encoding(text: str) -> str:
    try:
        found = codecs.lookup(text).name
        "a".encode(found)  # some codecs are no encodings of text
    except (LookupError, ValueError, TypeError):
        raise ValueError(f"found {refusal.shown(text)}; utf-8, utf-16, latin-1 or cp1252 would do") from None
    return "utf-8-sig" if found in {"utf-8", "utf-8-sig"} else found


def _start(text: object) -> float:
    try:
        return parse_time(str(text))
    except ValueError:
        raise ValueError(f"found {refusal.shown(text)}; write for example 2026-01-01T00:00:00Z") from None


def _zone(text: str) -> str:
    try:
        zone(text)
    except ValueError as error:
        raise ValueError(str(error)) from None
    return text


def _list(value: object) -> object:
    return (value,) if isinstance(value, str) else value


Duration = Annotated[float, BeforeValidator(_duration)]
Names = Annotated[tuple[Annotated[str, Field(min_length=1)], ...], BeforeValidator(_list), Field(min_length=1)]


class TimeOf(Settings):
    """When a row was: a column (or several, joined by a space), or the row's number times a step."""

    column: Names | None = None
    zone: Annotated[str, AfterValidator(_zone)] = "UTC"  # of times that do not say theirs
    format: str | None = None  # as of strptime; None: ISO 8601
    unit: Literal["s", "ms", "us", "ns"] | None = None  # of numbers since 1970
    row: Duration | None = None  # s from one row to the next
    start: Annotated[float, BeforeValidator(_start)] | None = None  # of the first row, s since 1970 UTC

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.column is None) == (self.row is None):
            raise ValueError("needs either column (where the time stands) or row (s from one row to the next) with start")
        if (self.row is None) != (self.start is None):
            raise ValueError("row and start go together, for example {row: 60 s, start: 2026-01-01T00:00:00Z}")
        if self.format is not None and (self.unit is not None or self.row is not None):
            raise ValueError("format is for times written as text; remove it, or unit and row")
        if self.unit is not None and self.row is not None:
            raise ValueError("unit is for a column of numbers; remove it, or row")
        return self

    @property
    def scale(self) -> float | None:
        """S of one unit of a number since 1970, None where times are text."""
        return None if self.unit is None else _EPOCH[self.unit]


class AssetOf(Settings):
    """What the points belong to: one asset, or the one that a column names in each row."""

    id: str | None = Field(default=None, min_length=1)
    id_column: str | None = Field(default=None, min_length=1)
    kind: str
    sku: str | None = Field(default=None, min_length=1)
    parent: str | None = Field(default=None, min_length=1)

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.id is None) == (self.id_column is None):
            raise ValueError("needs either id (its name) or id_column (the column that names it in each row)")
        return self


class OneAsset(Settings):
    """The asset of one column, where a table holds several side by side."""

    id: str = Field(min_length=1)
    kind: str
    sku: str | None = Field(default=None, min_length=1)
    parent: str | None = Field(default=None, min_length=1)


class PointOf(Settings):
    """What one column says."""

    quantity: str
    unit: str | None = None  # as the table has it; needed where the quantity has one
    scale: float = 1.0  # by which numbers are multiplied before the unit counts, for example 100 for a share in %
    tags: tuple[str, ...] = ()
    setpoint: bool = False
    states: dict[str, float] = Field(default_factory=dict)  # text in a cell -> its code
    interval: Duration | None = None  # s, the longest promised time between two values; None: that of the table
    asset: OneAsset | None = None


class LongOf(Settings):
    """A table with one value a row: which column names the point, and which holds its value."""

    point: str = Field(min_length=1)
    value: str = Field(min_length=1)


class MapFile(Settings):
    """The whole file."""

    delimiter: Annotated[str, AfterValidator(_one_character)] = ","
    decimal: Literal[".", ","] = "."
    encoding: Annotated[str, AfterValidator(_encoding)] = "utf-8-sig"
    skip: int = Field(default=0, ge=0, le=10_000)  # lines before the header
    missing: tuple[str, ...] = ()  # texts that mean the same as an empty cell, for example "-9999"
    sort: bool = False  # True: the whole table is read before its first row counts
    source: str | None = Field(default=None, min_length=1)  # name of the table's clock; None: the file's
    interval: Duration | None = None  # s between two rows of an asset; None: the median step of the first rows
    time: TimeOf
    asset: AssetOf | None = None
    long: LongOf | None = None
    points: dict[str, PointOf] = Field(min_length=1)

    @model_validator(mode="after")
    def _ways_meet(self) -> Self:
        if self.delimiter == self.decimal:
            raise ValueError(f'delimiter and decimal are both "{self.decimal}"; name the delimiter, for example ";"')
        if self.asset is None and any(point.asset is None for point in self.points.values()):
            raise ValueError("asset is missing; add for example asset: {id: loop1, kind: cdu}, or give each point its own")
        return self


@dataclass(frozen=True, slots=True)
class Column:
    """One checked entry of `points`: a value in `unit` = number in the cell * scale + offset."""

    name: str
    quantity: str
    unit: str
    scale: float
    offset: float
    tags: tuple[str, ...]
    setpoint: bool
    codes: Mapping[str, float]  # text in a cell -> number
    labels: tuple[tuple[int, str], ...]
    interval: float | None
    asset: OneAsset | None


@dataclass(frozen=True, slots=True)
class Map:
    """A checked map; `document` knows where each key stands."""

    settings: MapFile
    columns: tuple[Column, ...]
    document: Document

    def needed(self) -> Iterator[tuple[KeyPath, str]]:
        """Yield every column that the table must have, with the key that names it."""
        time, asset, long = self.settings.time, self.settings.asset, self.settings.long
        for at, name in enumerate(time.column or ()):
            yield ("time", "column", at) if len(time.column or ()) > 1 else ("time", "column"), name
        if asset is not None and asset.id_column is not None:
            yield ("asset", "id_column"), asset.id_column
        if long is not None:
            yield ("long", "point"), long.point
            yield ("long", "value"), long.value
        else:
            for column in self.columns:
                yield ("points", column.name), column.name


def load_map(path: Path, vocabulary: Mapping[str, Quantity]) -> Map:
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
    settings, found = yamlfile.validate(document, MapFile)
    faults = [*faults, *found]
    columns: list[Column] = []
    points = document.data.get("points")
    for name in points if isinstance(points, dict) else ():
        point, _ = yamlfile.validate(document, PointOf, ("points", name))  # with a fault elsewhere, its words are still looked at
        if point is not None:
            columns += _column(document, name, point, vocabulary, faults)
    asset = document.data.get("asset")
    if isinstance(asset, dict):
        faults += _unknown_kind(document, ("asset", "kind"), asset.get("kind"))
    if faults or settings is None:
        raise ConfigError(faults)
    return Map(settings, tuple(columns), document)


def _column(document: Document, name: str, point: PointOf, vocabulary: Mapping[str, Quantity], faults: list[Fault]) -> Iterator[Column]:
    """Yield the column where it is sound; what is not goes to `faults`."""
    before = len(faults)
    path: KeyPath = ("points", name)
    if point.asset is not None:
        faults += _unknown_kind(document, (*path, "asset", "kind"), point.asset.kind)
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
    if point.unit is None and quantity.unit:
        text = f"unit is missing: {point.quantity} is kept in {quantity.unit}; write the unit that the table has, for example "
        faults.append(document.fault(path, f"{text}unit: {quantity.unit}"))
    elif point.unit is not None:
        try:
            unit = units.canonical(point.unit) if point.quantity == FREE else quantity.unit
            scale, offset = units.conversion(point.unit, unit)
        except ValueError as error:
            faults.append(document.fault((*path, "unit"), str(error), value=True))
    codes = {label: float(code) for code, label in quantity.states} | point.states
    if len(faults) == before:
        yield Column(
            name,
            point.quantity,
            unit,
            scale * point.scale,
            offset,
            tuple(sorted({tag.lower() for tag in point.tags})),
            point.setpoint,
            codes,
            quantity.states or tuple(sorted((int(code), label) for label, code in point.states.items() if code == int(code))),
            point.interval,
            point.asset,
        )


def _unknown_kind(document: Document, path: KeyPath, kind: object) -> list[Fault]:
    if not isinstance(kind, str) or kind in KINDS:
        return []
    return [document.fault(path, f"unknown kind {refusal.shown(kind)}; {refusal.advice(kind, sorted(KINDS), 'one of')}", value=True)]


def zone(text: str) -> tzinfo:
    """Return a zone by its IANA name or its offset.

    Raises:
        ValueError: there is none; the text says what would do.

    >>> zone("+05:30").utcoffset(None)
    datetime.timedelta(seconds=19800)

    """
    if text.upper() in {"UTC", "Z"}:
        return UTC
    if (found := _OFFSET.fullmatch(text)) is not None and int(found[2]) < 24 and int(found[3]) < 60:
        offset = timedelta(hours=int(found[2]), minutes=int(found[3]))
        return timezone(-offset if found[1] == "-" else offset)
    try:
        return ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        near = refusal.advice(text, sorted(available_timezones()), "")
        near = near if near.startswith("did you mean") else "UTC, Europe/Berlin or +01:00 would do"
        raise ValueError(f"found {refusal.shown(text)}, no known time zone; {near}") from None
