"""What a replay reads: the seam between a kind of recording and the path."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, islice
from typing import Protocol

from monitor.collect.dsx import Dsx, Heartbeat
from monitor.collect.scenario import Scenario
from monitor.model import F64, Readings
from monitor.plant import Plant


@dataclass(frozen=True, slots=True)
class Batch:
    """A part of a recording that lies within about a tick.

    Args:
        first, last: receive time of its first and last message, s since 1970 UTC.
        readings: decodes it; called once, after the ticks before `first` have closed, as it may change the plant.

    """

    first: float
    last: float
    readings: Callable[[], Readings]


class Spoken(Protocol):
    """What came over one wire so far."""

    @property
    def messages(self) -> int: ...  # messages of a wire, rows of a table

    @property
    def superseded(self) -> int: ...  # values that a newer one replaced while both waited for metadata

    @property
    def dropped(self) -> Mapping[str, int]: ...  # by reason

    @property
    def heartbeats(self) -> Mapping[int, Heartbeat]: ...  # publishers' own clocks by point row


class Recording(Spoken, Protocol):
    """A recording of any kind. What it holds is checked before `read`, so that a wrong file is told before anything is written."""

    @property
    def faults(self) -> list[str]: ...  # the first rows that could not be read, as file:line: what was found

    def read(self, plant: Plant, tick: float) -> Iterator[Batch]:
        """Yield it in arrival order, lazily, once; points and assets are described into the plant on the way.

        Args:
            plant: what the points belong to.
            tick: s of event time a tick.

        """
        ...

    def close(self) -> None:
        """Let go of the file; harmless when it is done already."""


class Messages:
    """A recording of messages that the DSX dialect decodes.

    Raises:
        InputError: the scenario's file is none.

    """

    def __init__(self, scenario: Scenario) -> None:
        self._scenario = scenario
        batches = iter(scenario)
        self._rest = batches
        self._first = list(islice(batches, 1))
        self._dialect: Dsx | None = None

    @property
    def faults(self) -> list[str]:
        return self._scenario.faults

    @property
    def messages(self) -> int:
        return 0 if self._dialect is None else self._dialect.messages

    @property
    def superseded(self) -> int:
        return 0 if self._dialect is None else self._dialect.superseded

    @property
    def dropped(self) -> Mapping[str, int]:
        return {**self._scenario.dropped, **({} if self._dialect is None else self._dialect.dropped)}

    @property
    def heartbeats(self) -> Mapping[int, Heartbeat]:
        return {} if self._dialect is None else self._dialect.heartbeats

    def read(self, plant: Plant, tick: float) -> Iterator[Batch]:
        dialect = self._dialect = Dsx(plant)
        for batch in chain(self._first, self._rest):
            received = batch.received

            def decode(topics: list[bytes] = batch.topics, payloads: list[bytes] = batch.payloads, received: F64 = received) -> Readings:
                return dialect.decode(topics, payloads, [], received)

            yield Batch(float(received[0]), float(received[-1]), decode)

    def close(self) -> None:
        self._rest.close()
