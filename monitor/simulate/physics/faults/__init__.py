"""The faults of early life and the negative controls: what each does, where, from when, and when a detector should have seen it.

A fault changes the physics or a sensor, never what a rule looks at. `FAULTS` have to be seen, `CONTROLS` must stay without an alert.
"""

from dataclasses import dataclass
from difflib import get_close_matches
from math import inf

from monitor.errors import InputError
from monitor.simulate.physics.effects import Effects
from monitor.simulate.physics.faults import controls, cooling, it, power, sensor
from monitor.simulate.physics.kinds import FaultInfo, Now, Spot

FAULTS: dict[str, FaultInfo] = {**it.FAULTS, **cooling.FAULTS, **power.FAULTS, **sensor.FAULTS}
CONTROLS: dict[str, FaultInfo] = controls.CONTROLS


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault or control to inject. What is None or "" is as `FAULTS` or `CONTROLS` say.

    `size` and `time` scale it: a filter clogs within minutes with a `time` of 600 s.
    """

    kind: str
    target: str = ""
    start: float | None = None  # s after the plant's start
    end: float = inf
    size: float | None = None
    time: float | None = None

    @property
    def info(self) -> FaultInfo:
        """Return the kind.

        Raises:
            InputError: there is none of that name.

        """
        known = FAULTS | CONTROLS
        if self.kind not in known:
            close = get_close_matches(self.kind, known, 1, 0.5) or list(known)
            raise InputError(f'no fault is called "{self.kind}"; {", ".join(close)} would do')
        return known[self.kind]

    @property
    def where(self) -> str:
        return self.target or self.info.target

    @property
    def begin(self) -> float:
        return self.info.start if self.start is None else self.start

    @property
    def seen_on(self) -> tuple[str, ...]:
        """Return the assets on any of which the kind's rules should tell."""
        return self.info.seen_on(self.where)

    def holds(self, age: float) -> bool:
        return self.begin <= age < self.end

    def apply(self, effects: Effects, age: float) -> None:
        """Add what it does at `age` seconds after the plant's start, if it holds then."""
        if self.holds(age):
            info = self.info
            size = info.size if self.size is None else self.size
            time = info.time if self.time is None else self.time
            info.apply(Now(effects, Spot.of(self.where, effects.racks), self.where, size, time, age - self.begin))
