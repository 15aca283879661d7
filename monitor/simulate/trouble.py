"""What goes wrong on the way: messages late, twice, out of order or lost, and sources whose clock or name is wrong.

The plant knows nothing of it. All of it is seeded, and each of these holds for one pod, or for one rack where that is named.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from heapq import heappop, heappush
from math import inf

import numpy as np

from monitor.simulate.message import Message

MOST_WAITING = 1_000_000  # late messages; beyond it the next ones are lost, and counted


@dataclass(frozen=True, slots=True)
class TroubleInfo:
    """One kind. `size` and `time` are its two numbers, said in `about`."""

    about: str
    size: float = 0.0
    time: float = 0.0
    rules: tuple[str, ...] = ()  # that should tell of it; none: nobody needs to be told
    source: bool = False  # strikes what a source says of itself, not its messages


TROUBLES: dict[str, TroubleInfo] = {
    "late": TroubleInfo("a share `size` of the values comes up to `time` s late", 0.05, 1.5),
    "duplicate": TroubleInfo("a share `size` of the values comes twice, the second up to `time` s later", 0.05, 1.0),
    "reorder": TroubleInfo("the values of each step leave in any order"),
    "lost": TroubleInfo("a share `size` of the values never comes", 0.02),
    "silent": TroubleInfo("no value comes at all", rules=("sensor.source_silent", "sensor.heartbeat_lost", "sensor.point_stale")),
    "bmc_reboot": TroubleInfo("a controller is away for `time` s; then its counters and its uptime begin at 0", time=120.0, source=True),
    "bmc_slow": TroubleInfo("a controller waits `size` s before each answer", 5.0, source=True),
    "clock_skew": TroubleInfo(
        "the clock of the source is `size` s ahead", 30.0, rules=("sensor.clock_skew", "sensor.clock_off"), source=True
    ),
}


@dataclass(frozen=True, slots=True)
class Trouble:
    """One trouble that was ordered. Times are s after the start."""

    kind: str
    words: str  # in the topic or asset of what it strikes, "" for all
    begin: float
    end: float
    size: float
    time: float

    def holds(self, age: float) -> bool:
        return self.begin <= age < self.end

    def strikes(self, message: Message) -> bool:
        return not message.retain and (not self.words or self.words in message.topic)


class Bus:
    """The way to the broker: what leaves now of what is said now and of what is still under way.

    Args:
        troubles: those that strike messages.
        seed: of which message is struck.

    """

    def __init__(self, troubles: Iterable[Trouble], seed: int = 0) -> None:
        self._troubles = [one for one in troubles if not TROUBLES[one.kind].source]
        self._random = np.random.default_rng(seed)
        self._waiting: list[tuple[float, int, Message]] = []
        self._number = 0
        self.struck = dict.fromkeys((one.kind for one in self._troubles), 0)

    def carry(self, messages: Iterable[Message], age: float) -> list[Message]:
        """Return what leaves at `age`, s after the start; infinity lets all go that waits."""
        holding = [one for one in self._troubles if one.holds(age)]
        leaving = [message for message in messages if self._leaves(message, holding, age)] if holding else list(messages)
        if any(one.kind == "reorder" for one in holding):
            values = [number for number, message in enumerate(leaving) if not message.retain]
            shuffled = self._random.permutation(values)
            moved = {old: leaving[new] for old, new in zip(values, shuffled, strict=True)}
            leaving = [moved.get(number, message) for number, message in enumerate(leaving)]
            self.struck["reorder"] += len(values)
        while self._waiting and self._waiting[0][0] <= age:
            leaving.append(heappop(self._waiting)[2])
        return leaving

    def rest(self) -> list[Message]:
        """Return all that is still under way."""
        return self.carry((), inf)

    def _leaves(self, message: Message, holding: list[Trouble], age: float) -> bool:
        for one in holding:
            if one.kind == "reorder" or not one.strikes(message):
                continue
            if one.kind != "silent" and self._random.random() >= one.size:
                continue
            self.struck[one.kind] += 1
            if one.kind in {"late", "duplicate"} and len(self._waiting) < MOST_WAITING:
                self._number += 1
                heappush(self._waiting, (age + one.time * self._random.random(), self._number, message))
            if one.kind != "duplicate":
                return False
        return True
