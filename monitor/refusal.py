"""What pydantic refused, in words for the person who wrote the file."""

import difflib
import json
import re
import types
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import ErrorDetails

_SECRET = re.compile(r"password|passphrase|token|secret|credential", re.IGNORECASE)
_USERINFO = re.compile(r"//[^/@\s]*@")


def flat(annotation: Any) -> list[Any]:
    """Return the types that a value may have, unions and annotations taken apart.

    >>> flat(Annotated[int | None, "s"])
    [<class 'int'>, <class 'NoneType'>]
    """
    if hasattr(annotation, "__value__"):  # a `type X = ...`
        return flat(annotation.__value__)
    origin = get_origin(annotation)
    if origin is Annotated:
        return flat(get_args(annotation)[0])
    if origin in (Union, types.UnionType):
        return [shape for part in get_args(annotation) for shape in flat(part)]
    return [annotation]


def below(shapes: Sequence[Any], element: str | int) -> list[Any]:
    """Return the types that the value under a key or an index may have; none when no type has such a place."""
    found: list[Any] = []
    for shape in shapes:
        origin, arguments = get_origin(shape) or shape, get_args(shape)
        if not isinstance(origin, type):
            continue
        if issubclass(origin, BaseModel):
            found += [part for key, field in fields(origin).items() if key == element for part in flat(field)]
        elif issubclass(origin, Mapping) and isinstance(element, str) and arguments:
            found += flat(arguments[1])
        elif issubclass(origin, (Sequence, AbstractSet)) and isinstance(element, int) and arguments:
            same = origin is not tuple or arguments[-1] is Ellipsis
            found += flat(arguments[0]) if same else flat(arguments[element]) if element < len(arguments) else []
    return found


def fields(model: type[BaseModel]) -> dict[str, Any]:
    """Return key -> annotation of a model, the keys as a file writes them."""
    return {
        (field.validation_alias if isinstance(field.validation_alias, str) else field.alias or key): field.annotation
        for key, field in model.model_fields.items()
    }


def known(shapes: Sequence[Any]) -> list[str]:
    """Return the keys that a mapping of these types may have."""
    models = [shape for shape in shapes if isinstance(shape, type) and issubclass(shape, BaseModel)]
    return sorted({key for model in models for key in fields(model)})


def advice(word: str, words: Sequence[str], kind: str = "known keys") -> str:
    """Name the nearest word, or all of them when none is near.

    >>> advice("pth", ["flush", "path"])
    'did you mean "path"?'
    """
    near = difflib.get_close_matches(word, words, 1)
    if near:
        return f'did you mean "{near[0]}"?'
    return f"{kind}: {', '.join(words)}" if words else "remove it"


def shown(value: Any, key: str = "", most: int = 60) -> str:
    """Write a found value for a person, cut to so many characters; what may be a secret is not shown."""
    if isinstance(value, (dict, list)):
        kind = "mapping" if isinstance(value, dict) else "list"
        return f"a {kind}" if value else f"an empty {kind}"
    if value is not None and _SECRET.search(key):
        return "a value that is not shown"
    text = json.dumps(value, default=str, ensure_ascii=False)
    text = _USERINFO.sub("//***@", text)
    return text if len(text) <= most else f"{text[:most]}…"


def need(error: ErrorDetails, shapes: Sequence[Any]) -> str:
    """Say what would do in place of what was found.

    Args:
        error: one of pydantic's.
        shapes: the types that the mapping around the key may have, for an unknown key.

    """
    context = error.get("ctx", {})
    match error["type"]:
        case "extra_forbidden":
            return f"unknown key; {advice(str(error['loc'][-1]), known(shapes))}"
        case "missing":
            return "is missing; add it"
        case "value_error" | "assertion_error":
            return str(context["error"])
        case "literal_error" | "enum":
            words = re.findall(r"'([^']*)'", context["expected"])
            return advice(str(error["input"]), words, "use one of") if words else f"use {context['expected']}"
        case "string_type" if isinstance(error["input"], (bool, int, float)):
            return "text is needed, so put it in quotes"
        case "model_type" | "model_attributes_type" | "dict_type" | "dataclass_type":
            keys = ", ".join(known(shapes))
            return f"`key: value` lines are needed{f'; known keys: {keys}' if keys else ''}"
        case "path_type":
            return "the path of a file is needed, as text"
        case "tuple_type" | "list_type" | "set_type" | "frozen_set_type":
            return "a list is needed"
    return re.sub(r"^(Input|String|List|Tuple|Dictionary|Value|Set) (should|must) ", "must ", error["msg"]).split(", unable to")[0]
