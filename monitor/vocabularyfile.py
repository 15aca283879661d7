"""`vocabulary.yaml` of a rule folder: words for what is measured that the shipped vocabulary does not have.

```yaml
accelerometer_1: {unit: mm/s, about: RMS of the first accelerometer}
mode: {about: what the unit is told to do, states: {0: off, 1: heating, 2: cooling}}
```
"""

import re
from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from monitor import refusal, units, yamlfile
from monitor.config import Settings
from monitor.errors import Fault
from monitor.vocabulary import KINDS, QUANTITIES, Quantity

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_TAKEN = {"and", "or", "not", "in", "limit", "in_service", *KINDS}  # words that mean something else in an expression
_MOST = 10_000  # words


class Word(Settings):
    """One entry of the file; what `Quantity` says, as a person writes it."""

    unit: str = ""
    about: str = Field(min_length=1)
    counter: bool = False
    event: bool = False
    states: dict[str, str] = Field(default_factory=dict)  # code -> label

    @model_validator(mode="after")
    def _codes(self) -> Self:
        for code in self.states:
            if not re.fullmatch(r"-?\d{1,9}", code):
                raise ValueError(
                    f"states: found {refusal.shown(code)}; each line is `code: label` with a whole number, for example 1: open"
                )
        if self.states and self.unit:
            raise ValueError(f'has states and the unit "{self.unit}"; a state has no unit, remove one of the two')
        if self.counter and self.event:
            raise ValueError("is a counter and an event; keep one")
        return self


def read(path: Path) -> tuple[dict[str, Quantity], list[Fault]]:
    """Read a file for a caller that gathers faults.

    Returns:
        The words of the file that are sound, and every fault.

    """
    document, faults = yamlfile.read(path)
    words: dict[str, Quantity] = {}
    if len(document.data) > _MOST:
        return {}, [*faults, document.fault((), f"has {len(document.data):,} words; at most {_MOST:,} can be used")]
    for name in document.data:
        if wrong := _wrong_name(name):
            faults.append(document.fault((name,), wrong))
            continue
        word, found = yamlfile.validate(document, Word, (name,))
        faults += found
        if word is None:
            continue
        try:
            unit = units.canonical(word.unit)
        except ValueError as error:
            faults.append(document.fault((name, "unit"), str(error), value=True))
            continue
        if word.unit.strip() in units.CANONICAL.values():
            unit = word.unit.strip()  # K stands for a difference, which `canonical` cannot know
        elif units.conversion(word.unit, unit) != (1.0, 0.0):
            faults.append(document.fault((name, "unit"), f'"{word.unit}" is not what values are kept in; write {unit}', value=True))
            continue
        states = tuple(sorted((int(code), label) for code, label in word.states.items()))
        words[name] = Quantity(unit, word.about, word.counter, word.event, states)
    return words, faults


def _wrong_name(name: str) -> str:
    """Return why a name cannot be a new word, "" where it can."""
    if name in QUANTITIES:
        return f"is a shipped word ({QUANTITIES[name].about}) and keeps its meaning; use it as it is, or another name"
    if not _NAME.fullmatch(name):
        return "is no name for a word; small letters, digits and _, a letter first, would do"
    if name in _TAKEN:
        return "means something else in a rule; use another name"
    return ""
