"""A YAML file that knows where each of its keys stands, checked against a model; `yamltext` says which YAML."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from monitor import refusal, yamltext
from monitor.errors import Fault, Faults
from monitor.yamltext import KeyPath, Place, name, scalar

__all__ = ["Document", "KeyPath", "Place", "load", "name", "parse", "read", "scalar", "validate"]

Model = TypeVar("Model", bound=BaseModel)

MOST_BYTES = 1_000_000

_WITHOUT_VALUE = {"extra_forbidden", "missing", "value_error", "assertion_error"}  # the words say it all


@dataclass(slots=True)
class Document:
    """One file's mapping and the place of each key in it.

    A path names a value from the root: `("links", 0, "host")`. What is not there has the place of its nearest parent.
    """

    file: str
    data: dict[str, Any]
    keys: dict[KeyPath, Place] = field(default_factory=dict)  # where each key, or item of a list, begins
    values: dict[KeyPath, Place] = field(default_factory=dict)  # where each single value begins

    def place(self, path: KeyPath, *, value: bool = False) -> Place:
        """Return where the key stands, or with `value` where its single value begins."""
        if value and path in self.values:
            return self.values[path]
        return next((self.keys[path[:length]] for length in range(len(path), 0, -1) if path[:length] in self.keys), Place(self.file, 1))

    def line(self, path: KeyPath) -> int:
        return self.place(path).line

    def column(self, path: KeyPath) -> int:
        return self.place(path).column

    def fault(self, path: KeyPath, text: str, *, value: bool = False) -> Fault:
        """Say something about a path: `monitor.yaml:7:3: store.path: TEXT`."""
        place = self.place(path, value=value)
        return place.fault(f"{name(path)}: {text}" if path else text)

    def get(self, path: KeyPath) -> Any:
        """Return the value at a path that is known to exist."""
        at: Any = self.data
        for element in path:
            at = at[element]
        return at

    def override(self, path: KeyPath, value: object, source: str) -> None:
        """Set one value from elsewhere, e.g. an environment variable; its faults then name that source.

        Missing mappings and lists on the way are made, and a list may grow by one item.
        """
        at: Any = self.data
        for element, following in zip(path, (*path[1:], None), strict=True):
            if not isinstance(at, list if isinstance(element, int) else dict):
                return  # the file has something else there, which is a fault of its own
            if isinstance(at, list) and element == len(at):
                at.append(None)
            if following is None:
                at[element] = value
            elif (at.get(element) if isinstance(at, dict) else at[element]) is None:
                at[element] = [] if isinstance(following, int) else {}
            at = at[element]
        for places in (self.keys, self.values):
            for old in [known for known in places if known[: len(path)] == path]:
                del places[old]
            places[path] = Place(source)


def load(path: Path | str) -> Document:
    """Read one file.

    Raises:
        Faults: it cannot be read, or is not one plain YAML mapping; all that is wrong in one go.

    """
    document, faults = read(path)
    if faults:
        raise Faults(faults)
    return document


def read(path: Path | str) -> tuple[Document, list[Fault]]:
    """Read one file as far as it can be read, for a caller that gathers faults; with faults, what they name is left out."""
    file = str(path)
    try:
        with Path(path).open("rb") as stream:
            raw = stream.read(MOST_BYTES + 1)
    except OSError as error:
        return Document(file, {}), [Fault(file, 0, f"cannot be read: {error.strerror or error}")]
    if len(raw) > MOST_BYTES:
        return Document(file, {}), [Fault(file, 0, f"is larger than {MOST_BYTES:,} bytes; split it")]
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        return Document(file, {}), [Fault(file, line, f"byte 0x{raw[error.start]:02x} is not UTF-8; save the file as UTF-8")]
    return parse(text, file)


def parse(text: str, file: str) -> tuple[Document, list[Fault]]:
    """Read a text as `read` does; `file` is what its faults call it. No text at all is an empty mapping."""
    parsed = yamltext.parse(text, file)
    root = parsed.root
    if root is None:  # no text, or no YAML
        return Document(file, {}), parsed.faults
    if isinstance(root, dict):
        return Document(file, root, parsed.keys, parsed.values), parsed.faults
    kind = "a list" if isinstance(root, list) else "a single value"
    return Document(file, {}), [*parsed.faults, Place(file, 1).fault(f"is {kind}; `key: value` lines are needed")]


def validate(document: Document, model: type[Model], prefix: KeyPath = (), *, context: object = None) -> tuple[Model | None, list[Fault]]:
    """Check one part of a file against a pydantic model.

    Args:
        document: the file.
        model: what the part must be; with `extra="forbid"` unknown keys are faults, each with the nearest known key.
        prefix: path of the part; () is the whole file.
        context: handed to the model's validators.

    Returns:
        The model and no fault, or None and every fault.

    """
    try:
        return model.model_validate(document.get(prefix), context=context), []
    except ValidationError as error:
        details = error.errors(include_url=False)
    refused: dict[KeyPath, list[tuple[str, str]]] = {}
    for detail in details:
        path, shapes = _locate(document, model, prefix, detail)
        text = refusal.need(detail, shapes)
        if detail["type"] not in _WITHOUT_VALUE:
            text = f"found {refusal.shown(detail['input'], name(path[-1:]))}; {text}"
        kind_and_text = (detail["type"], text)
        if kind_and_text not in refused.setdefault(path, []):
            refused[path].append(kind_and_text)
    faults = []
    for path, reasons in refused.items():
        deeper = any(other[: len(path)] == path and other != path for other in refused)
        if deeper and all(kind.endswith("_type") or kind == "too_short" for kind, _ in reasons):
            continue  # another branch of the union got further and says more, or a list counts only its good items
        first = reasons[0][1]
        found = first[: first.find("; ") + 2] if first.startswith("found ") else ""
        texts = [first, *(text.removeprefix(found) for _, text in reasons[1:])]
        faults.append(document.fault(path, " or ".join(dict.fromkeys(texts)), value=reasons[0][0] != "extra_forbidden"))
    return None, faults


def _locate(document: Document, model: type[BaseModel], prefix: KeyPath, detail: ErrorDetails) -> tuple[KeyPath, list[Any]]:
    """Return the path that pydantic speaks of, and what the value there (of a refused key: around it) may be.

    Pydantic's location also names branches of unions and validators, which are no places in the file.
    """
    path, shapes, around = prefix, [model], [model]
    at = document.get(prefix)
    for element in detail["loc"]:
        inside = (isinstance(at, dict) and element in at) or (isinstance(at, list) and isinstance(element, int) and element < len(at))
        if inside:
            at = at[element]
        elif detail["type"] != "missing" or element != detail["loc"][-1]:
            continue
        path, around, shapes = (*path, element), shapes, refusal.below(shapes, element)
    return path, around if detail["type"] == "extra_forbidden" else shapes
