"""Environment variables over a file: `DCMON_STORE__KEEP_DAYS=30` is `store.keep_days`, `DCMON_LINKS__0__HOST` the first link's host."""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from types import NoneType
from typing import Any, get_args, get_origin

from pydantic import BaseModel

from monitor import refusal
from monitor.errors import Fault
from monitor.yamlfile import Document, KeyPath, Place, parse, scalar

PREFIX = "DCMON_"
OF_THE_COMMAND_LINE = frozenset({"DCMON_CONFIG", "DCMON_STORE"})
RESERVED = OF_THE_COMMAND_LINE | {"DCMON_TEST_DATA", "DCMON_REQUIRE_DATA"}  # the latter of the tests


def overlay(document: Document, model: type[BaseModel], environment: Mapping[str, str]) -> list[Fault]:
    """Set in the document what the environment says; later faults of these values name the variable.

    Args:
        document: changed in place.
        model: what the document will be checked against; it says which variables exist.
        environment: only names that begin with DCMON_ are looked at.

    Returns:
        One fault for each variable that names nothing.

    """
    faults = []
    for variable in sorted((name for name in environment if name.startswith(PREFIX) and name not in RESERVED), key=_order):
        path, shapes = _find(variable, document, model)
        if path:
            document.override(path, _value(environment[variable], shapes), variable)
        else:
            near = difflib.get_close_matches(variable, sorted({*_variables(model), *OF_THE_COMMAND_LINE}), 1)
            hint = f"did you mean {near[0]}?" if near else "unset it, or see deploy/monitor.yaml for the keys"
            faults.append(Place(variable).fault(f"unknown variable; {hint}"))
    return faults


def _order(variable: str) -> list[tuple[int, str]]:
    """Sort numbers as numbers: a list grows by one, so item 10 must come after item 9."""
    return [(int(part), "") if _is_index(part) else (-1, part) for part in variable.split("__")]


def _is_index(part: str) -> bool:
    return part.isascii() and part.isdecimal() and len(part) < 5


def _find(variable: str, document: Document, model: type[BaseModel]) -> tuple[KeyPath, Sequence[Any]]:
    """Return the path that a variable names and the types its value may have; no path when it names nothing."""
    path: KeyPath = ()
    shapes: Sequence[Any] = [model]
    at: Any = document.data
    for part in variable.removeprefix(PREFIX).split("__"):
        element: str | int | None
        if _is_index(part) and int(part) <= (len(at) if isinstance(at, list) else 0):
            element = int(part)
        else:
            words = [*refusal.known(shapes), *(at if isinstance(at, dict) else ())]
            element = next((word for word in words if word.upper() == part), None)
        shapes = refusal.below(shapes, element) if element is not None else []
        if element is None or not shapes:
            return (), []
        path = (*path, element)
        if isinstance(at, dict):
            at = at.get(str(element))
        else:
            at = at[element] if isinstance(at, list) and isinstance(element, int) and element < len(at) else None
    return path, shapes


def _value(text: str, shapes: Sequence[Any]) -> Any:
    """Read one value as YAML would; where only text will do (a name "12", a path), quotes are not needed."""
    if text[:1] in ('"', "'") and text.isprintable():
        quoted, faults = parse(f"value: {text}", "")
        if not faults:
            return quoted.data["value"]
    value = scalar(text)
    if value is not None and not any(shape in (bool, int, float) or get_origin(shape) is not None for shape in shapes):
        return text
    return value


def _variables(model: type[BaseModel], before: str = PREFIX) -> Iterator[str]:
    """Yield the name of every variable, lists by their first item."""
    for key, annotation in refusal.fields(model).items():
        for shape in refusal.flat(annotation):
            name, inner = f"{before}{key.upper()}", shape
            if get_origin(shape) is tuple:
                name, inner = f"{name}__0", refusal.flat(get_args(shape)[0])[0]
            if isinstance(inner, type) and issubclass(inner, BaseModel):
                yield from _variables(inner, f"{name}__")
            elif inner is not NoneType and get_origin(inner) is None:
                yield name
