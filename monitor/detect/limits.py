"""Limits per SKU: each number with its source, kept out of the rules."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import BeforeValidator

from monitor import yamlfile
from monitor.config import Settings
from monitor.detect import algebra
from monitor.detect.syntax import Constant, ExpressionError, Operation, parse
from monitor.errors import Fault
from monitor.model import F64

DEFAULT = "default"


def _text(value: object) -> object:
    return f"{value!r}" if isinstance(value, int | float) and not isinstance(value, bool) else value


class Limit(Settings):
    """One limit. `value` is written as in a rule, for example 0.67 L/min/kW, or 18 for a plain number."""

    value: Annotated[str, BeforeValidator(_text)]
    source: str


class LimitFile(Settings):
    title: str
    limits: dict[str, Limit]


@dataclass(frozen=True)
class Limits:
    """`units` of every limit, and `values` of each SKU in those units; "default" stands for a SKU that nobody told."""

    units: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    sources: Mapping[tuple[str, str], str] = field(default_factory=dict)

    def of(self, sku: str | None, name: str) -> float:
        """Return a limit for a SKU, the default where it has none of its own, NaN where nobody has one."""
        own = self.values.get(sku or DEFAULT, {})
        return own.get(name, self.values.get(DEFAULT, {}).get(name, np.nan))

    def column(self, skus: list[str | None], name: str) -> F64:
        return np.array([self.of(sku, name) for sku in skus], np.float64)


def quantity(text: str) -> tuple[float, str]:
    """Return a written constant, sign allowed, as (value, unit).

    Raises:
        ExpressionError: it is no constant.

    """
    tree = parse(text)
    sign = 1.0
    if isinstance(tree, Operation) and tree.operator == "neg":
        sign, tree = -1.0, tree.operands[0]
    if not isinstance(tree, Constant):
        raise ExpressionError(f'"{text}" is no number with a unit, for example 45 degC')
    try:
        return algebra.constant(sign * tree.value, tree.unit)
    except ValueError as error:
        raise ExpressionError(str(error)) from None


def load(directory: Path, faults: list[Fault]) -> Limits:
    """Read `directory`/limits/*.yaml; what is wrong is added to `faults`."""
    units: dict[str, str] = {}
    values: dict[str, dict[str, float]] = {}
    sources: dict[tuple[str, str], str] = {}
    files = sorted((directory / "limits").glob("*.yaml"), key=lambda path: (path.stem != DEFAULT, path.stem))
    for path in files:
        document, found = yamlfile.read(path)
        if found:
            faults.extend(found)
            continue
        model, found = yamlfile.validate(document, LimitFile)
        faults.extend(found)
        if model is None:
            continue
        mine = values.setdefault(path.stem, {})
        for name, limit in model.limits.items():
            place = ("limits", name, "value")
            if not limit.source.strip():
                faults.append(document.fault(("limits", name, "source"), "is empty; say where the number comes from", value=True))
            try:
                number, unit = quantity(limit.value)
            except ExpressionError as error:
                faults.append(document.fault(place, error.text))
                continue
            if path.stem == DEFAULT:
                units[name] = unit
            elif name not in units:
                faults.append(document.fault(place[:2], f'limit "{name}" is not in limits/default.yaml; add it there first'))
                continue
            scale = algebra.factor(unit, units[name])
            if scale is None:
                faults.append(document.fault(place, f"is in {unit or 'no unit'} where limits/default.yaml has {units[name] or 'no unit'}"))
                continue
            mine[name] = number * scale
            sources[path.stem, name] = limit.source
    return Limits(units, values, sources)
