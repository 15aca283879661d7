"""Cells of a table to numbers and times."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone, tzinfo

import numpy as np

from monitor.model import F64, Bool

EARLIEST, LATEST = 0.0, 7_258_118_400.0  # 1970 to 2200; what lies outside is an empty date of some program, or another unit
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - naive on purpose: local times are measured from it
_MOST_TEXTS = 100  # distinct texts that are kept
_LONGEST = 40  # characters of a text that are kept
OTHER = "other texts"


class Numbers:
    """Turns one column's cells into numbers.

    Args:
        column: its name.
        codes: text -> number.
        missing: texts that mean the same as an empty cell.
        decimal: what stands before the decimals.

    Attributes:
        texts: how often each text was found that is no number.
        first: index of the row that had it first, as the caller numbers rows.

    """

    def __init__(self, column: str, codes: Mapping[str, float], missing: Sequence[str], decimal: str) -> None:
        self.column = column
        self.texts: Counter[str] = Counter()
        self.first: dict[str, int] = {}
        self.known = 0  # numbers so far
        self._codes = codes
        self._missing = frozenset(("", *missing))
        self._decimal = decimal
        self._plain = decimal == "." and len(self._missing) == 1 and not codes

    def of_texts(self, cells: Sequence[str], lines: Sequence[int]) -> tuple[F64, Bool]:
        """Return (number, bad), both (N,): NaN and not bad for an empty cell, NaN and bad for a text that is no number."""
        if self._plain and "_" not in "".join(cells):
            try:
                value = np.array(list(map(float, cells)), np.float64)
            except ValueError:
                pass
            else:
                if np.isfinite(value).all():
                    self.known += len(value)
                    return value, np.zeros(len(value), np.bool_)
        value = np.full(len(cells), np.nan)
        bad = np.zeros(len(cells), np.bool_)
        for at, cell in enumerate(cells):
            text = cell.strip()
            if text in self._missing:
                continue
            number = self._number(text)
            if number is None:
                bad[at] = True
                self._count(text, lines[at])
            else:
                value[at] = number
        self.known += int(np.count_nonzero(~np.isnan(value)))
        return value, bad

    def of_numbers(self, value: F64, null: Bool, lines: Sequence[int]) -> tuple[F64, Bool]:
        """Return the same of numbers (N,), some of them null; NaN and infinite ones are bad."""
        bad = ~np.isfinite(value) & ~null
        for at in np.flatnonzero(bad).tolist():
            self._count(str(value[at]), lines[at])
        value = np.where(bad | null, np.nan, value)
        self.known += int(np.count_nonzero(~np.isnan(value)))
        return value, bad

    def _number(self, text: str) -> float | None:
        if text in self._codes:
            return self._codes[text]
        if "_" in text:  # Python's own spelling of 1_000, nobody else's
            return None
        try:
            number = float(text if self._decimal == "." else text.replace(self._decimal, ".", 1))
        except ValueError:
            return None
        return number if math.isfinite(number) else None

    def _count(self, text: str, line: int) -> None:
        text = text[:_LONGEST]
        if text not in self.texts and len(self.texts) >= _MOST_TEXTS:
            text = OTHER
        self.texts[text] += 1
        self.first.setdefault(text, line)


class Times:
    """Turns one column's cells into times, s since 1970 UTC.

    A local time of the hour that is repeated when clocks go back is the first of the two, unless the asset has been later already.

    Args:
        zone: of times that do not say theirs.
        form: as of strptime; None reads ISO 8601.
        scale: s of one unit where cells are numbers, None where they are text.

    """

    def __init__(self, zone: tzinfo, form: str | None = None, scale: float | None = None) -> None:
        self._zone = zone
        self._fixed = isinstance(zone, timezone)
        self._form = form
        self._scale = scale
        self._last: dict[str, float] = {}  # asset -> its newest time, where a zone has repeated hours

    def read(self, cell: object, asset: str) -> float:
        """Return the time of one cell.

        Raises:
            ValueError: it is none; the text says what was found and what would do.

        """
        found = self._read(cell, asset)
        if not EARLIEST <= found < LATEST:
            raise ValueError(f"time {_shown(cell)} is not between 1970 and 2200")
        return found

    def _read(self, cell: object, asset: str) -> float:
        if self._scale is not None:
            try:
                return float(str(cell)) * self._scale
            except ValueError:
                raise ValueError(f"time {_shown(cell)} is no number") from None
        if isinstance(cell, datetime):
            moment = cell
        else:
            text = str(cell).strip()
            try:
                moment = datetime.fromisoformat(text) if self._form is None else datetime.strptime(text, self._form)  # noqa: DTZ007
            except ValueError:
                wrong = "ISO 8601; time.format of the map says another form" if self._form is None else f'of the form "{self._form}"'
                raise ValueError(f"time {_shown(cell)} is not {wrong}") from None
        if moment.tzinfo is not None:
            return moment.timestamp()
        if self._fixed:
            return moment.replace(tzinfo=self._zone).timestamp()
        return self._local(moment, asset)

    def _local(self, moment: datetime, asset: str) -> float:
        first, second = (moment.replace(tzinfo=self._zone, fold=fold).utcoffset() for fold in (0, 1))
        assert first is not None
        assert second is not None
        if first < second:
            raise ValueError(
                f"time {_shown(moment)} never was in {self._zone}: clocks went forward; a zone without summer time may be meant"
            )
        since = (moment - _EPOCH).total_seconds()
        found = since - first.total_seconds()
        last = self._last.get(asset, -math.inf)
        if first > second and found < last:
            found = since - second.total_seconds()
        self._last[asset] = max(last, found)
        return found


def _shown(cell: object) -> str:
    return ascii(str(cell)[:_LONGEST])
