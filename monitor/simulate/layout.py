"""Names of everything in one pod: a CDU, two power buses, and for each rack a tap on either bus."""

import re
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

from monitor.errors import InputError


class Place(StrEnum):
    """What a signal or a fault is on. Arrays over taps go through the racks on bus A, then through those on bus B."""

    RACK = "rack"
    TAP = "tap"
    BUS = "bus"
    CDU = "cdu"
    ROOM = "room"


FEEDS = ("A", "B")
_NAME = re.compile(r"[A-Za-z0-9_-]+")  # one level of a topic, and no character that a fault's text needs


@dataclass(frozen=True)
class Layout:
    """One pod. Ids are unique between pods of different names, tag paths between sites of different names."""

    pod: str = "Pod1"
    racks: int = 6
    site: str = "demo"

    def __post_init__(self) -> None:
        if self.racks < 1:
            raise InputError(f"a pod of {self.racks} racks; at least 1 would do")
        for name in (self.pod, self.site):
            if not _NAME.fullmatch(name):
                raise InputError(f'"{name}" is no name of a pod or site; letters, digits, - and _ would do')

    @cached_property
    def _ids(self) -> dict[Place, tuple[str, ...]]:
        racks = tuple(f"{self.pod}-R{number:02}" for number in range(1, self.racks + 1))
        return {
            Place.RACK: racks,
            Place.TAP: tuple(f"{rack}-TAP-{feed}" for feed in FEEDS for rack in racks),
            Place.BUS: tuple(f"{self.pod}-BUS-{feed}" for feed in FEEDS),
            Place.CDU: (f"{self.pod}-CDU-1",),
            Place.ROOM: (f"{self.pod}-ENV",),
        }

    def ids(self, place: Place) -> tuple[str, ...]:
        """Return the ids of all assets of a place, in the order of its arrays."""
        return self._ids[place]

    def serves(self, place: Place, index: int) -> tuple[str, ...]:
        """Return the ids that one asset feeds with power or coolant; nothing where it feeds nothing."""
        if place is Place.BUS:
            return self.ids(Place.TAP)[index * self.racks : (index + 1) * self.racks]
        if place is Place.TAP:
            return (self.ids(Place.RACK)[index % self.racks],)
        return self.ids(Place.RACK) if place is Place.CDU else ()
