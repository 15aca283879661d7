"""One Parquet segment: its name, its columns, and how it comes to be.

A segment is named START_END_RECEIVED.parquet: the least and greatest source time and the greatest receive time of its rows, UTC to the
microsecond. A reader picks segments by name; retention looks at the receive time, which no far clock can forge.
"""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from monitor.model import F64, I64, Bool, Readings
from monitor.store.descriptors import Descriptors, Size

GROUP_ROWS = 50_000  # rows a row group: some 20 racks of 480 points at a few readings a point
LATEST = 253_402_300_799.0  # end of the year 9999, s since 1970; what a broken clock says beyond it is no time

_WORDS = pa.dictionary(pa.int32(), pa.string())
_MOMENT = pa.timestamp("us", tz="UTC")  # a float64 of seconds holds the microseconds of this century, so milliseconds are exact
SCHEMA = pa.schema(
    [
        ("time", _MOMENT), ("received", _MOMENT), ("point", _WORDS), ("asset", _WORDS), ("quantity", _WORDS), ("tags", _WORDS),
        ("unit", _WORDS), ("value", pa.float64()), ("quality", pa.uint8()), ("snapshot", pa.bool_()),
    ]
)  # fmt: skip
_ENCODINGS = {"time": "DELTA_BINARY_PACKED", "received": "DELTA_BINARY_PACKED", "value": "BYTE_STREAM_SPLIT"}

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_STAMP = "%Y%m%dT%H%M%S.%f"
_NAME = re.compile(r"(\d{8}T\d{6}\.\d{6})_(\d{8}T\d{6}\.\d{6})_(\d{8}T\d{6}\.\d{6})(?:-\d+)?\.parquet")


@dataclass(frozen=True, slots=True)
class Segment:
    """What a segment's name says; s since 1970 UTC. Rows without a usable source time are outside start and end."""

    path: Path
    start: float
    end: float
    received: float


def segments(directory: Path) -> list[Segment]:
    """Return the finished segments of a directory by start; other files are not looked at."""
    found = []
    for entry in os.scandir(directory):
        if match := _NAME.fullmatch(entry.name):
            start, end, received = (datetime.fromisoformat(stamp + "Z").timestamp() for stamp in match.groups())
            found.append(Segment(Path(entry.path), start, end, received))
    return sorted(found, key=lambda segment: (segment.start, segment.end, segment.path.name))


def write(directory: Path, parts: Sequence[Readings], descriptors: Descriptors, size: Size) -> Path:
    """Write readings as one segment, under its name only when it is whole and on disk.

    Raises:
        OSError, pyarrow.ArrowException: nothing is left under a segment's name.

    """
    descriptors.extend(size)
    readings = Readings.join(parts)
    time, timeless = _microseconds(readings.time)
    received, _ = _microseconds(readings.received)
    span = time[~timeless] if timeless.any() else time
    if not len(span):
        span = received
    directory.mkdir(exist_ok=True)  # not its parents: a disk that is not mounted must not be filled from below
    stem = "_".join(_stamp(int(moment)) for moment in (span.min(), span.max(), received.max()))
    part = directory / f".{stem}.tmp"
    try:
        with part.open("wb") as sink:
            _write(sink, readings, time, received, timeless, descriptors, size)
            sink.flush()
            os.fsync(sink.fileno())
        path = _free(directory, stem)
        part.rename(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    return path


def _write(sink: object, readings: Readings, time: I64, received: I64, timeless: Bool, descriptors: Descriptors, size: Size) -> None:
    order = descriptors.order(readings.point, time, size)
    words = ["point", "asset", "quantity", "tags", "unit"]
    with pq.ParquetWriter(
        sink, SCHEMA, compression="zstd", compression_level=1, use_dictionary=words, column_encoding=_ENCODINGS
    ) as writer:
        for start in range(0, len(order), GROUP_ROWS):
            rows = order[start : start + GROUP_ROWS]
            columns = {
                "time": pa.array(time[rows], _MOMENT, mask=timeless[rows]),
                "received": pa.array(received[rows], _MOMENT),
                **descriptors.columns(readings.point[rows], size),
                "value": pa.array(readings.value[rows], from_pandas=True),  # NaN here means "no value": null there
                "quality": pa.array(readings.quality[rows]),
                "snapshot": pa.array(readings.snapshot[rows]),
            }
            writer.write_table(pa.table(columns, SCHEMA), row_group_size=GROUP_ROWS)


def _microseconds(seconds: F64) -> tuple[I64, Bool]:
    """Return whole microseconds, and where there is no usable time (which reads 0)."""
    unusable = ~((seconds >= 0) & (seconds <= LATEST))
    return np.rint(np.where(unusable, 0.0, seconds) * 1e6).astype(np.int64), unusable


def _stamp(microseconds: int) -> str:
    return (_EPOCH + timedelta(microseconds=microseconds)).strftime(_STAMP).zfill(22)


def _free(directory: Path, stem: str) -> Path:
    """Return the first name that is not taken; there is one writer, so nobody takes it meanwhile."""
    names = (directory / (f"{stem}-{number}.parquet" if number else f"{stem}.parquet") for number in count())
    return next(path for path in names if not path.exists())
