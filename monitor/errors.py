"""Every error that a caller may catch.

MonitorError
├── ConfigError      the operator's file or environment is wrong; carries every fault of one run
├── RuleError        rule, limit or test files are wrong; carries every fault of one run
├── SourceError
│   ├── SourceLost      the link broke; the supervisor reconnects
│   └── SourceRefused   the far side said no; a person must act, the supervisor asks again at its longest wait
├── StoreError
│   ├── StoreFull    no room on disk
│   └── StoreLost    the store cannot be reached or opened
└── InputError       a recording, a map or an argument is wrong
"""

from collections.abc import Sequence
from dataclasses import dataclass


class MonitorError(Exception):
    """Root of the tree."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong in a file: where, what was found, and what would do."""

    file: str
    line: int
    text: str
    column: int = 0

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{place}:{self.column}: {self.text}" if self.column else f"{place}: {self.text}"


class Faults(MonitorError):
    """All faults of all files of one run."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(sorted(faults, key=lambda fault: (fault.file, fault.line, fault.column, fault.text)))
        super().__init__("\n".join(map(str, self.faults)))


class ConfigError(Faults):
    pass


class RuleError(Faults):
    pass


class InputError(MonitorError):
    pass


class SourceError(MonitorError):
    pass


class SourceLost(SourceError):
    pass


class SourceRefused(SourceError):
    pass


class StoreError(MonitorError):
    pass


class StoreFull(StoreError):
    pass


class StoreLost(StoreError):
    pass
