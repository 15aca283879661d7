"""Derived points: physics in the rule language, `rules/derived/NAME.yaml`."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, Field

from monitor import yamlfile
from monitor.config import Settings
from monitor.detect import algebra, meaning, syntax
from monitor.detect.nodes import Derived, Node, Scope
from monitor.detect.syntax import ExpressionError, Tree
from monitor.errors import Fault
from monitor.vocabulary import KINDS

FOLDER = "derived"


def _kinds(value: object) -> object:
    return (value,) if isinstance(value, str) else tuple(value) if isinstance(value, list) else value


class DerivedFile(Settings):
    """One derived point, in the order in which its file writes it."""

    quantity: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    title: str = Field(min_length=5, max_length=100)
    applies_to: Annotated[tuple[str, ...], BeforeValidator(_kinds)]
    unit: str
    value: str
    known_when: str | None = None  # not known elsewhere, such as below a load
    uncertainty: str | None = None  # one standard deviation, in `unit`
    source: str = Field(min_length=20)


@dataclass(frozen=True)
class CompiledDerived:
    """A derived point of one kind with the typed nodes of its expressions."""

    model: DerivedFile
    kind: str
    file: str
    point: Derived
    value: Node
    uncertainty: Node | None


def load(directory: Path, scope: Scope, faults: list[Fault]) -> tuple[dict[tuple[str, str], Derived], list[CompiledDerived]]:
    """Read `directory`/derived/*.yaml; what is wrong is added to `faults`.

    Returns:
        The derived points by (kind, name), and all of them compiled, kind by kind.

    """
    found: dict[tuple[str, str], Derived] = {}
    read: list[tuple[yamlfile.Document, DerivedFile]] = []
    for path in files(directory):
        document, wrong = yamlfile.read(path)
        model = None
        if not wrong:
            model, wrong = yamlfile.validate(document, DerivedFile)
        faults.extend(wrong)
        if model is None:
            continue
        before = len(faults)
        _names(model, path, document, scope, faults)
        point = _parsed(model, document, faults)
        if point is not None and len(faults) == before:
            read.append((document, model))
            found |= {(kind, model.quantity): point for kind in model.applies_to}
    whole = replace(scope, derived=found)
    compiled = [one for document, model in read for kind in model.applies_to if (one := _compiled(model, kind, document, whole, faults))]
    return found, compiled


def files(directory: Path) -> list[Path]:
    return sorted(path for path in (directory / FOLDER).glob("*.yaml") if not path.name.endswith(".test.yaml") and path.name[0] != ".")


def _names(model: DerivedFile, path: Path, document: yamlfile.Document, scope: Scope, faults: list[Fault]) -> None:
    if model.quantity != path.stem:
        faults.append(document.fault(("quantity",), f"is {model.quantity}; a derived point is named after its file: {path.stem}"))
    if model.quantity in scope.vocabulary:
        faults.append(
            document.fault(("quantity",), f"{model.quantity} is a word of the vocabulary; give the derived point a name of its own")
        )
    faults += [
        document.fault(("applies_to",), f'unknown kind "{kind}"{syntax.nearest(kind, KINDS)}')
        for kind in model.applies_to
        if kind not in KINDS
    ]


def _parsed(model: DerivedFile, document: yamlfile.Document, faults: list[Fault]) -> Derived | None:
    trees: dict[str, Tree | None] = {}
    for key in ("value", "known_when", "uncertainty"):
        text = getattr(model, key)
        try:
            trees[key] = None if text is None else syntax.parse(text)
        except ExpressionError as error:
            faults.append(_at(document, key, error))
    try:
        _, unit = algebra.constant(1.0, model.unit)
    except ValueError:
        faults.append(document.fault(("unit",), f'"{model.unit}" is no known unit; write for example K/W'))
        return None
    value = trees.get("value")
    if value is None or len(trees) < 3:
        return None
    return Derived(model.quantity, unit, value, trees["known_when"], trees["uncertainty"])


def _compiled(model: DerivedFile, kind: str, document: yamlfile.Document, scope: Scope, faults: list[Fault]) -> CompiledDerived | None:
    here = replace(scope, kinds=(kind,))
    point = scope.derived[kind, model.quantity]
    for key, made in (("value", replace(point, known_when=None)), ("known_when", replace(point, value=syntax.Constant(1.0, point.unit)))):
        try:
            meaning.derived(made, here)
        except ExpressionError as error:
            faults.append(_at(document, key, error))
            return None
    try:
        sigma = None if point.uncertainty is None else meaning.derived(point, here, uncertainty=True)
    except ExpressionError as error:
        faults.append(_at(document, "uncertainty", error))
        return None
    return CompiledDerived(model, kind, document.file, point, meaning.derived(point, here), sigma)


def _at(document: yamlfile.Document, key: str, error: ExpressionError) -> Fault:
    place = document.place((key,), value=True)
    return yamlfile.Place(place.file, place.line, place.column + error.column - 1).fault(f"{key}: {error.text}")
