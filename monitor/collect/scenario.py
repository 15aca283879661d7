"""A recorded DSX scenario: CSV rows `offset,topic,payload`, read as batches of messages.

`offset` is a Go duration since the start. The token `{{timestamp_ms}}` in a payload becomes start + offset in whole
milliseconds, cut off like the recording tool does it; the receive time of the message is start + offset, uncut.
"""

import codecs
import csv
import gzip
import io
import re
import zlib
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from monitor.errors import InputError
from monitor.model import F64

if TYPE_CHECKING:
    from _csv import Reader

HEADER = ["offset", "topic", "payload"]
_TOKEN = "{{timestamp_ms}}"  # noqa: S105 - a placeholder, no secret
_NANOSECONDS = {"ns": 1, "us": 10**3, "µs": 10**3, "μs": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}
_PART = re.compile(r"(\d{1,19})(?:\.(\d{0,18}))?(ns|us|µs|μs|ms|s|m|h)", re.ASCII)
_LONGEST = 2**63  # ns, what the recording tool can write
_MOST_FAULTS = 20
_PEEKED = 512  # bytes
_GZIP = b"\x1f\x8b"


@dataclass(frozen=True, slots=True, eq=False)
class Messages:
    """Messages in file order, each column of shape (N,)."""

    topics: list[bytes]
    payloads: list[bytes]
    received: F64  # seconds since 1970 UTC


@dataclass(slots=True)
class Scenario:
    """One scenario file; iterating reads it lazily, a batch at a time, as often as asked (standard input once).

    Bytes that are no UTF-8 pass through unchanged. A row that cannot be read is left out and counted.

    Args:
        path: the CSV file, compressed where its name ends with .gz; - for standard input.
        start: seconds since 1970 UTC that offset 0 stands for, kept to the microsecond.
        most: messages in a batch, at most.
        span: seconds between the least and the greatest receive time of a batch, at most.

    Raises:
        InputError: on iterating; there is no such file, it is no text, or its header is another.

    """

    path: Path
    start: float
    most: int = 1000
    span: float = 1.0
    messages: int = 0
    dropped: dict[str, int] = field(default_factory=dict)  # by reason; `scenario_row` for a row that cannot be read
    faults: list[str] = field(default_factory=list)  # the first of those rows, as file:line: what was found

    def __iter__(self) -> Generator[Messages, None, None]:
        self.messages, self.dropped, self.faults = 0, {}, []
        try:
            with opened(self.path) as file:
                if found := no_text(file):
                    would_do = f"a CSV file with the header {','.join(HEADER)} would do; any other table needs a map (--map)"
                    raise InputError(f"{self.path}: {found}; {would_do}")
                text = io.TextIOWrapper(file, encoding="utf-8-sig", errors="surrogateescape", newline="")
                yield from self._batches(csv.reader(text, strict=True))
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise InputError(f"{self.path}: {error}; a whole gzip file would do") from error
        except OSError as error:
            raise InputError(f"{self.path}: {error.strerror or error}; a scenario file would do") from error

    def _batches(self, reader: "Reader") -> Iterator[Messages]:
        try:
            header: list[str] = next(reader, [])
        except csv.Error as error:
            raise InputError(f"{self.path}:1: {error}; a header {','.join(HEADER)} would do") from error
        if [name.strip() for name in header] != HEADER:
            raise InputError(
                f"{self.path}:1: header is {','.join(header)[:80]!r}; {','.join(HEADER)} would do; any other table needs a map (--map)"
            )
        topics: list[bytes] = []
        payloads: list[bytes] = []
        offsets: list[int] = []
        least = greatest = 0
        for offset, topic, payload in self._rows(reader):
            if offsets:
                least, greatest = min(least, offset), max(greatest, offset)
                if len(offsets) >= self.most or greatest - least > self.span * 1e9:
                    yield self._messages(topics, payloads, offsets)
                    topics, payloads, offsets = [], [], []
            if not offsets:
                least = greatest = offset
            offsets.append(offset)
            topics.append(topic.encode(errors="surrogateescape"))
            payloads.append(self._stamped(payload, offset).encode(errors="surrogateescape"))
        if offsets:
            yield self._messages(topics, payloads, offsets)

    def _rows(self, reader: "Reader") -> Iterator[tuple[int, str, str]]:
        while True:
            try:
                row = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                self._fault(reader.line_num, str(error))
                continue
            if not row:
                continue  # a blank line
            if len(row) != len(HEADER):
                self._fault(reader.line_num, f"{len(row)} fields, expected {len(HEADER)}")
                continue
            try:
                yield nanoseconds(row[0]), row[1], row[2]
            except ValueError as error:
                self._fault(reader.line_num, str(error))

    def _messages(self, topics: list[bytes], payloads: list[bytes], offsets: list[int]) -> Messages:
        self.messages += len(topics)
        return Messages(topics, payloads, self.start + np.array(offsets, np.float64) / 1e9)

    def _stamped(self, payload: str, offset: int) -> str:
        if _TOKEN not in payload:
            return payload
        return payload.replace(_TOKEN, str((round(self.start * 1e6) * 1000 + offset) // 10**6))

    def _fault(self, line: int, text: str) -> None:
        self.dropped["scenario_row"] = self.dropped.get("scenario_row", 0) + 1
        if len(self.faults) < _MOST_FAULTS:
            self.faults.append(f"{self.path}:{line}: {text}")


def opened(path: Path) -> io.BufferedReader:
    """Open a file for reading, - for standard input; one whose name ends with .gz is unpacked.

    Raises:
        OSError: it cannot be opened.

    """
    if str(path) == "-":
        return open(0, "rb", closefd=False)
    if path.suffix == ".gz":
        return io.BufferedReader(gzip.GzipFile(path))  # type: ignore[type-var,unused-ignore]
    return path.open("rb")


def no_text(file: io.BufferedReader) -> str:
    """Say what is wrong with a file that is no text by the begin of its first line, "" for text; later bytes are not looked at."""
    first = file.peek(_PEEKED)[:_PEEKED].split(b"\n", 1)[0]
    try:
        codecs.getincrementaldecoder("utf-8")().decode(first)
        foreign = any(byte < 32 and byte not in b"\t\r" for byte in first)
    except UnicodeDecodeError:
        foreign = True
    if not foreign:
        return ""
    return "is no text but gzip; name it .gz" if first.startswith(_GZIP) else "is no text"


def nanoseconds(text: str) -> int:
    """Read a Go duration that is not negative; digits beyond a nanosecond are cut off.

    Raises:
        ValueError: it is none.

    >>> nanoseconds("1m39.36s"), nanoseconds("3.4731ms"), nanoseconds("0")
    (99360000000, 3473100, 0)

    """
    duration = text.strip()
    if duration == "0":
        return 0
    total = at = 0
    while (part := _PART.match(duration, at)) is not None:
        whole, decimals, unit = part[1], part[2] or "", _NANOSECONDS[part[3]]
        total += int(whole) * unit + int(decimals or "0") * unit // 10 ** len(decimals)
        at = part.end()
    if not duration or at != len(duration) or total >= _LONGEST:
        raise ValueError(f"offset {text[:40]!r} is no duration; 1m39.36s or 3.4731ms would do")
    return total
