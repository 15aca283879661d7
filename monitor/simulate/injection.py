"""What a user orders to go wrong: a fault, a control, or trouble on the bus; where, and when. One line of text each."""

import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from difflib import get_close_matches
from math import inf, isfinite
from typing import Self

from monitor import units
from monitor.errors import InputError
from monitor.simulate.physics import CONTROLS, FAULTS
from monitor.simulate.trouble import TROUBLES

FORM = "FAULT[@WHERE][+FROM[-UNTIL]][~size=NUMBER][~time=DURATION]"
_NUMBER = re.compile(r"\d+(\.\d+)?")


@dataclass(frozen=True, slots=True)
class Injection:
    """One order. Times are s after the start of the fleet; None and "" are as the kind says."""

    fault: str
    where: str = ""
    start: float = 0.0
    end: float = inf
    size: float | None = None
    time: float | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read an order, for example cold_plate@r3/tray7/gpu2+10min or filter_clog@CDU1+1h-9h~time=2h.

        Raises:
            InputError: it names no fault, no place or no time.

        >>> Injection.parse("leak@Pod1-R03+90-5min").end
        300.0

        """
        body, *options = text.split("~")
        fault, at, rest = body.partition("@")
        if not at:
            fault, _, when = body.partition("+")
            rest = f"+{when}" if when else ""
        where, plus, when = rest.partition("+")
        if at and not where:
            raise InputError(f'fault "{text}" has no place behind @; {FORM} would do')
        if fault not in known():
            raise InputError(f'fault "{text}": none is called "{fault}"; {near(fault, known())}')
        start, end = _span(text, when) if plus else (0.0, inf)
        size, time = _options(text, options)
        return cls(fault, where, start, end, size, time)

    def __str__(self) -> str:
        return f"{self.fault}@{self.where}" if self.where else self.fault

    def text(self) -> str:
        """Return the whole order as `parse` reads it."""
        end = f"-{self.end!r}" if isfinite(self.end) else ""
        options = [f"~{name}={value!r}" for name, value in (("size", self.size), ("time", self.time)) if value is not None]
        return f"{self}+{self.start!r}{end}{''.join(options)}"


@dataclass(frozen=True, slots=True)
class Truth:
    """What was injected, for comparison with what was found. Times are seconds since 1970 UTC."""

    fault: str
    where: str
    time: float
    end: float | None  # None: nobody repairs it
    rules: tuple[str, ...]  # that should see it; none for what must stay without an alert
    assets: tuple[str, ...]  # on which they should see it
    about: str

    def seen_by(self, rule: str, asset: str) -> bool:
        """Tell whether an alert of that rule on that asset has found this fault."""
        return rule in self.rules and asset in self.assets

    def record(self) -> dict[str, object]:
        return asdict(self)


def known() -> list[str]:
    """Return the names of all that can be ordered."""
    return [*FAULTS, *CONTROLS, *TROUBLES]


def near(word: str, words: Iterable[str]) -> str:
    """Say what would have done."""
    names = list(words)
    close = get_close_matches(word, names, 1, 0.5)
    listed = ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")
    return f'did you mean "{close[0]}"? ({listed})' if close else f"one of {listed} would do"


def _span(text: str, when: str) -> tuple[float, float]:
    begin, dash, until = when.partition("-")
    try:
        start, end = _seconds(begin), _seconds(until) if dash else inf
    except ValueError:
        start, end = -1.0, inf
    if not (isfinite(start) and 0 <= start < end):
        raise InputError(f'fault "{text}": "{when}" is no time after the start; seconds (90), 10min, or a span (90-5min) would do')
    return start, end


def _seconds(text: str) -> float:
    return float(text) if _NUMBER.fullmatch(text) else units.seconds(text)


def _options(text: str, options: list[str]) -> tuple[float | None, float | None]:
    found: dict[str, float] = {}
    for option in options:
        key, _, value = option.partition("=")
        try:
            if key not in {"size", "time"}:
                raise ValueError  # the same words for each way to be wrong
            found[key] = float(value) if key == "size" else _seconds(value)
        except ValueError:
            raise InputError(f'fault "{text}": "{option}" is no option; ~size=1.5 or ~time=30min would do') from None
    return found.get("size"), found.get("time")
