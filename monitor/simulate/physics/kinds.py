"""What a kind of fault is, and where one strikes."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from monitor.errors import InputError
from monitor.simulate.physics.effects import Effects
from monitor.simulate.physics.parameters import CPUS, FEEDS, GPUS, NICS, PSUS, SHELVES, TRAYS, Parameters
from monitor.simulate.physics.seen import Assets, itself

_ID = re.compile(r"R(\d+)(?:/tray(\d+)(?:/gpu(\d+)|/cpu(\d+)|/nic(\d+))?|/shelf(\d+)(?:/psu(\d+))?|-TAP-([AB]))?")


@dataclass(frozen=True, slots=True)
class Spot:
    """Where a fault strikes, as indices into the parts' arrays; a part that the target does not name is all of them."""

    rack: int | None = None
    tray: int | None = None
    gpu: int | None = None
    cpu: int | None = None
    nic: int | None = None
    shelf: int | slice | None = None
    psu: int | None = None

    @classmethod
    def of(cls, target: str, racks: int) -> "Spot":
        """Read an asset's id; "" and what is no part of a rack strike all racks.

        Raises:
            InputError: the plant has no such part.

        """
        match = _ID.fullmatch(target.partition(":")[0].partition(",")[0])
        if match is None:
            if re.match(r"R\d", target):
                raise InputError(
                    f'"{target}" is no part of a rack; R01, R01/tray3/gpu2, R01/tray3/nic1, R01/shelf1/psu4 or R01-TAP-A would do'
                )
            return cls()
        *numbers, feed = match.groups()
        parts: list[int | None] = []
        for number, most in zip(numbers, (racks, TRAYS, GPUS, CPUS, NICS, SHELVES, PSUS), strict=True):
            if number is not None and not 1 <= int(number) <= most:
                raise InputError(f'"{target}": there is none; the parts are numbered from 1 to {most}')
            parts.append(None if number is None else int(number) - 1)
        if feed is None:
            return cls(*parts)
        half = SHELVES // 2
        return cls(rack=parts[0], shelf=slice(0, half) if feed == FEEDS[0] else slice(half, SHELVES))

    def at(self, *parts: str) -> tuple[slice | int, ...]:
        """Return the index into an array over these parts."""
        found = (getattr(self, part) for part in parts)
        return tuple(slice(None) if part is None else part for part in found)


@dataclass(frozen=True, slots=True)
class Now:
    """One fault as it stands at one step."""

    effects: Effects
    spot: Spot
    target: str
    size: float
    time: float
    since: float  # s, at least 0

    @property
    def grown(self) -> float:
        """The share of its size that a fault has reached when it grows evenly over `time`."""
        return min(1.0, self.since / self.time) if self.time > 0 else 1.0


@dataclass(frozen=True, slots=True)
class FaultInfo:
    """One kind. `size` and `time` are its two numbers, said in `about`; times are seconds of event time."""

    catalogue: str  # id in the fault catalogue; of a control, what it could be confounded with
    about: str
    target: str  # by default
    apply: Callable[[Now], None]
    size: float = 0.0
    time: float = 0.0
    start: float = 600.0  # by default, after the plant's start
    seen: float = 900.0  # after the start, when a detector should have seen it; how long to watch a control
    dt: float = 10.0  # step to use
    parameters: Parameters = field(default_factory=Parameters)  # of the plant to inject it into
    rules: tuple[str, ...] = ()  # ids of the shipped rules that should see it, the named detector first; of a control none
    seen_on: Callable[[str], Assets] = itself  # assets on any of which they tell, by the target
