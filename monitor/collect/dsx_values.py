"""Value payloads of the DSX BMS wire: a batch of JSON objects becomes columns; what is wrong with one is told, never raised."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np

from monitor.model import F64, I64, U8, Bool

MOST_BYTES = 65_536  # of one payload; the longest one of a recorded pod has 321

# A timestamp is believed between 2000 and 2100; in seconds, ms, us and ns those spans do not overlap.
_FIRST, _LAST = 946_684_800.0, 4_102_444_800.0
_PER_SECOND = (1e3, 1.0, 1e6, 1e9)
UNIT_NAMES = ("milliseconds", "seconds", "microseconds", "nanoseconds")
ABSURD = len(UNIT_NAMES)
MISSING = ABSURD + 1


class _Value(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """The contract's payload. Only numbers and null: a string type here would let a broken payload swallow its neighbour."""

    value: float | None
    timestamp: float
    quality: float


_one = msgspec.json.Decoder(_Value).decode
_many = msgspec.json.Decoder(list[_Value]).decode
_any = msgspec.json.Decoder().decode
_FIELDS = frozenset({"value", "timestamp", "quality"})
_BRACE = ord("{")


@dataclass(frozen=True, slots=True)
class Decoded:
    """Columns of the payloads that hold a value, shape (N,), and what was wrong with which payload."""

    kept: I64 | None  # positions in the batch, None: all of them
    value: F64  # as on the wire; NaN for null
    stamp: F64  # as on the wire, any unit; NaN where there is none
    good: Bool  # the wire's quality is 1
    dropped: list[tuple[int, str]] = field(default_factory=list)  # (position, reason)
    notes: list[tuple[int, str, str]] = field(default_factory=list)  # (position, finding code, text)


def decode(payloads: Sequence[bytes]) -> Decoded:
    """Decode a batch.

    The payloads are read as one array where that is exact: each begins with a brace, no field is unknown and the counts
    are equal. Otherwise a publisher could shift its neighbours' values to other topics; so then each is read alone.
    """
    count = len(payloads)
    lengths = np.fromiter(map(len, payloads), np.int64, count)
    if count and lengths.max() <= MOST_BYTES:
        text = b"[" + b",".join(payloads) + b"]"
        begins = np.cumsum(lengths + 1) - lengths  # where each payload stands in the text
        if (np.frombuffer(text, np.uint8)[begins] == _BRACE).all():
            try:
                read = _many(text)
            except (ValueError, RecursionError):  # one of them breaks the contract
                read = []
            if len(read) == count:
                return Decoded(None, *_columns(read))
    return decode_each(payloads)


def decode_each(payloads: Sequence[bytes]) -> Decoded:
    """Decode a batch one by one, leniently; the twin that `decode` must equal wherever that takes the short way."""
    read: list[_Value] = []
    kept: list[int] = []
    dropped: list[tuple[int, str]] = []
    notes: list[tuple[int, str, str]] = []
    for at, payload in enumerate(payloads):
        try:
            value = _one(payload) if len(payload) <= MOST_BYTES else "payload_size"
        except (ValueError, RecursionError):
            value = _lenient(payload, at, notes)
        if isinstance(value, str):
            dropped.append((at, value))
        else:
            read.append(value)
            kept.append(at)
    return Decoded(np.asarray(kept, np.int64), *_columns(read), dropped, notes)


def read_object(payload: bytes) -> dict[str, Any] | str:
    """Read a JSON object, or return the reason why it is none."""
    if not payload:
        return "payload_empty"
    if len(payload) > MOST_BYTES:
        return "payload_size"
    try:
        found = _any(payload)
    except msgspec.ValidationError:  # untyped, only a number too large for a float can be invalid
        return "number_range"
    except (ValueError, RecursionError):
        return "payload_json"
    return found if isinstance(found, dict) else "payload_object"


def seconds(stamp: F64) -> tuple[F64, U8 | None]:
    """Turn wire timestamps into seconds since 1970 UTC.

    Returns:
        Seconds, NaN where nothing sensible was said, and for each the index of its unit in `UNIT_NAMES`, `ABSURD` or
        `MISSING`; None in its place when all are milliseconds, as the contract has it.

    """
    if ((stamp >= _FIRST * 1e3) & (stamp <= _LAST * 1e3)).all():
        return stamp / 1e3, None
    unit = np.where(np.isnan(stamp), MISSING, ABSURD).astype(np.uint8)
    time = np.full(len(stamp), np.nan)
    for index, per_second in enumerate(_PER_SECOND):
        fits = (stamp >= _FIRST * per_second) & (stamp <= _LAST * per_second)
        unit[fits] = index
        time[fits] = stamp[fits] / per_second
    return time, unit


def _columns(read: list[_Value]) -> tuple[F64, F64, Bool]:
    count = len(read)
    return (
        np.fromiter([one.value for one in read], np.float64, count),  # numpy makes None a NaN
        np.fromiter([one.timestamp for one in read], np.float64, count),
        np.fromiter([one.quality for one in read], np.float64, count) == 1.0,
    )


def _lenient(payload: bytes, at: int, notes: list[tuple[int, str, str]]) -> _Value | str:
    """Read what publishers really send; a value must be a number or null.

    A boolean is no value: the contract sends states as numbers, and whether a site's `true` means a leak or a closed,
    healthy loop cannot be known here. A guess could clear a leak; a point that never reads is seen.
    """
    found = read_object(payload)
    if isinstance(found, str):
        return found
    if "value" not in found:
        return "value_missing"
    value = found["value"]
    if isinstance(value, bool):
        return "value_boolean"
    if value is not None:
        number = _number(value)
        if number is None:
            return "number_range" if isinstance(value, int) else "value_type"
        value = number
    stamp = _number(found.get("timestamp"))
    if stamp is None:
        text = "is no number" if "timestamp" in found else "is missing"
        notes.append((at, "timestamp_missing", f"timestamp {text}; the receive time is used"))
    unknown = found.keys() - _FIELDS
    if unknown:
        names = ", ".join(repr(name[:40]) for name in sorted(unknown)[:8])
        notes.append((at, "value_field_unknown", f"{names} not in the contract; left out"))
    quality, note = _quality(found)
    if note:
        notes.append((at, *note))
    return _Value(value, np.nan if stamp is None else stamp, quality)


def _quality(found: dict[str, Any]) -> tuple[float, tuple[str, str] | None]:
    quality = found.get("quality")
    if isinstance(quality, str) and quality.strip() == "1":
        return 1.0, ("quality_string", 'quality is the string "1"; taken as the number')
    number = _number(quality)
    if number is not None:
        return number, None
    if "quality" not in found:
        return 0.0, ("quality_missing", "quality is missing; the value is not trusted")
    return 0.0, ("quality_type", "quality is no number; the value is not trusted")


def _number(found: object) -> float | None:
    if isinstance(found, bool) or not isinstance(found, int | float):
        return None
    try:
        return float(found)
    except OverflowError:
        return None
