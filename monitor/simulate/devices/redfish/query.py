"""Query parameters of Redfish: $expand, $top and $skip, and pages of long collections (DSP0266, clause 7.3)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from monitor.simulate.devices.redfish.tree import Json, Tree, link

MOST_LEVELS = 6
_EXPAND = re.compile(r"([.*~])(?:\(\$levels=(\d{1,3})\))?")


class QueryError(Exception):
    """A query that is not answered; `key` is of the Base registry."""

    def __init__(self, status: int, key: str, text: str) -> None:
        super().__init__(text)
        self.status, self.key = status, key


@dataclass(frozen=True, slots=True)
class Query:
    expand: str = ""  # "." for what is part of a resource, "~" for its links, "*" for both
    levels: int = 0
    top: int | None = None
    skip: int = 0


def parse(words: Mapping[str, str]) -> Query:
    """Read the parameters of a request; those without $ are ignored, as the standard asks.

    Raises:
        QueryError: one with $ is not supported, or its value is out of range.

    """
    expanded, levels, top, skip = "", 0, None, 0
    for key, value in words.items():
        if key == "$expand":
            match = _EXPAND.fullmatch(value)
            if match is None:
                raise QueryError(400, "QueryParameterValueFormatError", f"$expand={value}: $expand=.($levels=1) would do.")
            expanded, levels = match[1], int(match[2] or 1)
            if not 1 <= levels <= MOST_LEVELS:
                raise QueryError(400, "QueryParameterOutOfRange", f"$levels={levels}: 1 to {MOST_LEVELS} would do.")
        elif key in {"$top", "$skip"}:
            if not (value.isascii() and value.isdigit() and len(value) < 10):
                raise QueryError(400, "QueryParameterValueTypeError", f"{key}={value}: a whole number would do.")
            top, skip = (int(value), skip) if key == "$top" else (top, int(value))
        elif key.startswith("$"):
            raise QueryError(501, "QueryNotSupported", f"{key} is not supported here.")
    return Query(expanded, levels, top, skip)


def page(tree: Tree, path: str, query: Query, most: int | None) -> Json:
    """Return a resource; of a collection the part that was asked for, at most `most` members, and where the next are."""
    found = tree.read(path)
    members = tree.members(path)
    if members is None:
        return found
    wanted = members[query.skip :] if query.top is None else members[query.skip : query.skip + query.top]
    shown = wanted if most is None else wanted[:most]
    found["Members"] = [link(member) for member in shown]
    if len(shown) < len(wanted):
        following: dict[str, str] = {"$skip": str(query.skip + len(shown))}
        if query.top is not None:
            following["$top"] = str(query.top - len(shown))
        if query.levels:
            following["$expand"] = f"{query.expand}($levels={query.levels})"
        found["Members@odata.nextLink"] = f"{path}?{urlencode(following, safe='$.()*~=')}"
    return found


def expand(tree: Tree, found: Json, which: str, levels: int) -> Json:
    """Put resources in place of links to them, `levels` deep."""

    def put(value: Any, inside: bool, own: bool) -> Any:
        if isinstance(value, list):
            return [put(item, inside, own) for item in value]
        if not isinstance(value, dict):
            return value
        wanted = which == "*" or inside == (which == "~")
        if not own and wanted and set(value) == {"@odata.id"} and value["@odata.id"] in tree:
            resource = tree.read(value["@odata.id"])
            return expand(tree, resource, which, levels - 1) if levels > 1 else resource
        return {key: put(item, inside or key in {"Links", "RelatedItem"}, False) for key, item in value.items()}

    expanded: Json = put(found, inside=False, own=True)
    return expanded
