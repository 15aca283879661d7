"""What a rack of each SKU is made of, and which points its parts promise: `rules/skus/NAME.yaml`."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, Field

from monitor import units, yamlfile
from monitor.config import Settings
from monitor.detect import syntax
from monitor.errors import Fault
from monitor.vocabulary import KINDS, QUANTITIES

RACK = "rack"  # what a SKU describes; everything in `structure` is in it, or in something that is
_POINT = re.compile(r"(?P<quantity>[a-z_][a-z0-9_]*)(?:\[(?P<tags>[a-z0-9_, -]+)\])?")
_LONGEST = 86400.0  # s, a promise that says less than once a day is none

Interval = Annotated[float, BeforeValidator(units.seconds), Field(gt=0, le=_LONGEST)]


class Part(Settings):
    """So many assets of a kind in each asset of the kind `in` that has such parts (a switch tray has no GPUs)."""

    within: str = Field(alias="in")
    count: int = Field(ge=1, le=10_000)


class SkuFile(Settings):
    title: str = Field(min_length=5, max_length=100)
    structure: dict[str, Part]
    points: dict[str, dict[str, Interval]]  # kind -> "quantity" or "quantity[tag, tag]" -> at least one reading so often
    source: str = Field(min_length=20)


@dataclass(frozen=True, slots=True)
class Promised:
    """One point that each asset of a kind has, and how often it speaks at least."""

    quantity: str
    tags: frozenset[str]
    setpoint: bool
    interval: float  # s


@dataclass(frozen=True)
class Sku:
    """One SKU; `points` has the kinds of `structure` and the rack itself."""

    name: str
    title: str
    structure: Mapping[str, Part]
    points: Mapping[str, tuple[Promised, ...]]
    source: str

    def count(self, kind: str) -> int:
        """Return how many assets of a kind one rack has; 1 for the rack, 0 for what it has not.

        In a rack of 18 trays with 4 GPUs each, count("gpu") is 72.
        """
        if kind == RACK:
            return 1
        part = self.structure.get(kind)
        return 0 if part is None else part.count * self.count(part.within)


def load(directory: Path, faults: list[Fault]) -> dict[str, Sku]:
    """Read `directory`/skus/*.yaml; what is wrong is added to `faults`, and such a SKU is left out."""
    found: dict[str, Sku] = {}
    for path in sorted((directory / "skus").glob("*.yaml")):
        document, wrong = yamlfile.read(path)
        model = None
        if not wrong:
            model, wrong = yamlfile.validate(document, SkuFile)
        if model is not None:
            wrong = [*_structure(model, document), *_points(model, document)]
        faults.extend(wrong)
        if model is not None and not wrong:
            points = {kind: tuple(_promised(text, every) for text, every in named.items()) for kind, named in model.points.items()}
            found[path.stem] = Sku(path.stem, model.title, model.structure, points, model.source)
    return found


def _structure(model: SkuFile, document: yamlfile.Document) -> Iterable[Fault]:
    within = {kind: part.within for kind, part in model.structure.items()}
    for kind, holder in within.items():
        if kind not in KINDS:
            yield document.fault(("structure", kind), f'unknown kind "{kind}"{syntax.nearest(kind, KINDS)}')
        if kind == RACK:
            yield document.fault(("structure", kind), "is what the whole file describes; remove it")
        elif holder != RACK and holder not in within:
            text = f'"{holder}" is no part of the rack{syntax.nearest(holder, {RACK, *within})}'
            yield document.fault(("structure", kind, "in"), text, value=True)
        elif _circles(kind, within):
            yield document.fault(("structure", kind, "in"), f"{kind} is in itself; what holds it ends at the rack", value=True)


def _circles(kind: str, within: Mapping[str, str]) -> bool:
    """Return whether the way up from a kind comes back to it."""
    at = within[kind]
    for _ in within:
        if at == kind:
            return True
        at = within.get(at, RACK)
    return False


def _points(model: SkuFile, document: yamlfile.Document) -> Iterable[Fault]:
    for kind, named in model.points.items():
        if kind != RACK and kind not in model.structure:
            yield document.fault(("points", kind), f'"{kind}" is no part of the rack{syntax.nearest(kind, {RACK, *model.structure})}')
        seen: dict[Promised, str] = {}
        for text in named:
            path = ("points", kind, text)
            match = _POINT.fullmatch(text)
            if match is None:
                yield document.fault(path, "is no point; write quantity or quantity[tag, tag]")
                continue
            quantity = match["quantity"]
            if quantity not in QUANTITIES:
                yield document.fault(path, f'unknown quantity "{quantity}"{syntax.nearest(quantity, QUANTITIES)}')
            elif QUANTITIES[quantity].event:
                yield document.fault(path, "is an event, which nobody can promise; remove it")
            same = seen.setdefault(_promised(text, 0.0), text)
            if same != text:
                yield document.fault(path, f"is {same} too; keep one of them")


def _promised(text: str, interval: float) -> Promised:
    match = _POINT.fullmatch(text)
    assert match is not None  # `_points` refused it
    tags = frozenset(tag for tag in re.split(r"[, ]+", match["tags"] or "") if tag)
    return Promised(match["quantity"], tags - {"setpoint"}, "setpoint" in tags, interval)
