"""Faults that can be injected: their names, where they may be, when, and which rules should see them.

A fault changes the physics or a sensor of the pod, never what a rule looks at.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from difflib import get_close_matches
from math import inf, isfinite
from typing import Self

import numpy as np

from monitor.errors import InputError
from monitor.model import Bool
from monitor.simulate.layout import Layout, Place


@dataclass(frozen=True, slots=True)
class Fault:
    """One kind of fault."""

    place: Place  # what it strikes
    about: str
    rules: tuple[str, ...]  # ids of the shipped rules that should see it
    downstream: bool = False  # they see it on what the struck asset serves


FAULTS: dict[str, Fault] = {
    "flow_restricted": Fault(
        Place.RACK,
        "half-shut valve or blocked quick disconnect: the rack's hydraulic resistance is ten times as high",
        ("cooling.rack_flow_low", "cooling.rack_delta_t_high"),
    ),
    "leak": Fault(Place.RACK, "coolant drips until the rack's leak rope is wet; the reservoir's level falls", ("cooling.leak",)),
    "pump_trip": Fault(
        Place.CDU,
        "the duty pump stops; the standby starts some seconds later and stays the only one",
        ("cooling.rack_flow_lost",),
        downstream=True,
    ),
    "phase_loss": Fault(Place.TAP, "a fuse of phase C opens; the rack's other supplies take the load over", ("power.phase_imbalance",)),
    "flow_sensor_dead": Fault(
        Place.CDU,
        "the secondary flow meter reads 0 with good quality while coolant flows",
        ("cooling.cdu_flow_low_for_pump", "sensor.cdu_flow_unlike_racks"),
    ),
}
FORM = "FAULT@WHERE, FAULT@WHERE+SECONDS or FAULT@WHERE+FROM-UNTIL"


@dataclass(frozen=True, slots=True)
class Truth:
    """What was injected, for comparison with what was found. Times are seconds since 1970 UTC."""

    fault: str
    where: str
    time: float
    end: float | None  # None: nobody repairs it
    rules: tuple[str, ...]  # that should see it
    assets: tuple[str, ...]  # on which they should see it
    about: str

    def seen_by(self, rule: str, asset: str) -> bool:
        """Tell whether an alert of that rule on that asset has found this fault."""
        return rule in self.rules and asset in self.assets

    def record(self) -> dict[str, object]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Injection:
    """One fault somewhere; times are seconds since the pod's start."""

    fault: str
    where: str
    start: float = 0.0
    end: float = inf

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a fault from the command line.

        Raises:
            InputError: it names no fault, no place or no time.

        >>> Injection.parse("leak@Pod1-R03+90-300").end
        300.0

        """
        fault, at, rest = text.partition("@")
        where, plus, when = rest.partition("+")
        if not at or not where:
            raise InputError(f'fault "{text}" has no place; {FORM} would do')
        if fault not in FAULTS:
            raise InputError(f'fault "{text}": none is called "{fault}"; {_near(fault, FAULTS)}')
        start, end = _times(text, when) if plus else (0.0, inf)
        return cls(fault, where, start, end)

    def __str__(self) -> str:
        return f"{self.fault}@{self.where}"

    def active(self, age: float) -> bool:
        return self.start <= age < self.end

    def index(self, layout: Layout) -> int:
        """Return the place in its arrays.

        Raises:
            InputError: the pod has no such asset.

        """
        place = FAULTS[self.fault].place
        ids = layout.ids(place)
        if self.where not in ids:
            raise InputError(f'fault "{self}": it strikes a {place}, and none is called "{self.where}"; {_near(self.where, ids)}')
        return ids.index(self.where)

    def truth(self, layout: Layout, begin: float) -> Truth:
        """Return what this is in a pod that began at `begin`."""
        fault = FAULTS[self.fault]
        index = self.index(layout)
        assets = layout.serves(fault.place, index) if fault.downstream else (self.where,)
        end = begin + self.end if isfinite(self.end) else None
        return Truth(self.fault, self.where, begin + self.start, end, fault.rules, assets, fault.about)


def struck(injections: Iterable[Injection], fault: str, layout: Layout, age: float) -> Bool:
    """Return which assets of a fault's place have it now, in the order of the place."""
    mask = np.zeros(len(layout.ids(FAULTS[fault].place)), np.bool_)
    for injection in injections:
        if injection.fault == fault and injection.active(age):
            mask[injection.index(layout)] = True
    return mask


def _times(text: str, when: str) -> tuple[float, float]:
    begin, dash, until = when.partition("-")
    try:
        start, end = float(begin), float(until) if dash else inf
    except ValueError:
        start, end = -1.0, inf
    if not (isfinite(start) and 0 <= start < end):
        raise InputError(f'fault "{text}": "{when}" is no time after the start; seconds (90) or a span of seconds (90-300) would do')
    return start, end


def _near(word: str, known: Sequence[str] | dict[str, Fault]) -> str:
    """Say what would have done."""
    names = list(known)
    close = get_close_matches(word, names, 1, 0.5)
    listed = ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")
    return f'did you mean "{close[0]}"? ({listed})' if close else f"one of {listed} would do"
