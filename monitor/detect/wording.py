"""Nodes, values and durations in words: as a rule writes them, in canonical units."""

from collections.abc import Mapping

from monitor.detect.binding import written
from monitor.detect.nodes import BOOLEAN, Node, difference

Names = Mapping[Node, str]  # what derived points are called

_LEVEL = {"or": 1, "and": 2, "not": 3, "+": 5, "-": 5, "*": 6, "/": 6, "neg": 7}  # how tightly an operation binds
_COMPARE = 4
_ATOM = 9
_SAID = {"least": "min", "greatest": "max"}
_SPANS = ((86_400.0, "d"), (3600.0, "h"), (60.0, "min"))
LEAVES = frozenset({"constant", "limit", "own", "it", "state"})
CALLS = frozenset({"abs", "sqrt", "ln", "exp", "pow", "least", "greatest"})
INLINE = frozenset({"+", "-", "*", "/", "neg"}) | CALLS  # what a line says with its inputs' values


def span(seconds: float) -> str:
    """Write a duration as a rule does.

    >>> span(90.0), span(600.0), span(86400.0)
    ('90 s', '10 min', '1 d')
    """
    for length, unit in _SPANS:
        if seconds >= length and seconds % length == 0:
            return f"{seconds / length:g} {unit}"
    return f"{seconds:g} s"


def about(seconds: float) -> str:
    """Write a length of time to two or three digits.

    >>> about(87395.0), about(1035.0), about(78.0)
    ('24 h', '17 min', '78 s')
    """
    for length, unit in _SPANS:
        if seconds >= 2 * length:
            return f"{seconds / length:.3g} {unit}" if seconds < 10 * length else f"{seconds / length:.0f} {unit}"
    return f"{seconds:.3g} s"


def amount(value: float, unit: str) -> str:
    """Write a value with its unit.

    >>> amount(60.3004, "L/min"), amount(0.5, "")
    ('60.3 L/min', '0.5')
    """
    text = f"{value:.4g}"
    if "e+" in text and abs(value) < 1e15:
        text = f"{value:.0f}"
    return text if unit in {"", BOOLEAN} else f"{text} {unit.replace('**', '^')}"


def converts(node: Node) -> bool:
    """Say whether a node only turns its first input into another unit, which nobody wrote."""
    return node.operation == "*" and node.inputs[1].operation == "constant" and not node.inputs[1].unit and node.unit != node.inputs[0].unit


def level(node: Node, names: Names) -> int:
    """Return how tightly the outermost operation of a node's text binds."""
    if converts(node) and node not in names:
        return level(node.inputs[0], names)
    if node in names:
        return _ATOM
    if node.operation == "event":
        return _COMPARE
    if node.operation == "constant" and ("/" in node.unit or "*" in node.unit):
        return _LEVEL["/"]
    return _LEVEL.get(node.operation, _COMPARE if node.operation in {"<", "<=", ">", ">=", "==", "!=", "in"} else _ATOM)


def text(node: Node, names: Names, owner: str = "") -> str:
    """Return a node as a rule writes it; `owner` is the kind in front of every point, inside an aggregate over related assets."""
    if node in names:
        return f"{owner}.{names[node]}" if owner and not names[node].endswith(")") else names[node]

    def inner(part: Node, least: int = 0) -> str:
        said = text(part, names, owner)
        return f"({said})" if level(part, names) < least else said

    parts = node.inputs
    if converts(node):
        return text(parts[0], names, owner)
    match node.operation:
        case "constant":
            if node.unit == "s":
                return span(float(node.data[0]))
            return f"{float(node.data[0]):.12g} {node.unit.replace('**', '^')}".strip()
        case "limit":
            return f"limit.{node.data[0]}"
        case "own":
            name = written(str(node.data[0]), [str(tag) for tag in node.data[1:]])
            return f"{owner}.{name}" if owner else name
        case "state":
            return f'"{node.data[0]}"'
        case "and" | "or":
            mine = _LEVEL[node.operation]
            return f" {node.operation} ".join(inner(part, mine) for part in parts)
        case "not":
            return f"not {inner(parts[0], 3)}"
        case "neg":
            return f"-{inner(parts[0], 7)}"
        case "+" | "-" | "*" | "/":
            mine = _LEVEL[node.operation]
            return f"{inner(parts[0], mine)} {node.operation} {inner(parts[1], mine + 1)}"
        case "<" | "<=" | ">" | ">=" | "==" | "!=":
            return f"{inner(parts[0])} {node.operation} {inner(parts[1])}"
        case "in":
            return f"{inner(parts[0])} in {{{', '.join(map(inner, parts[1:]))}}}"
        case "event":
            return inner(parts[0])
        case "fold":
            return _fold(node, names)
        case _:
            return _call(node, [inner(part) for part in parts])


def call(node: Node, parts: list[str]) -> str:
    """Return a call of a function over parts that are texts already."""
    return _call(node, parts)


def _fold(node: Node, names: Names) -> str:
    word, gathered = str(node.data[0]), node.inputs[0]
    if gathered.operation != "gather":
        return f"{word}({text(gathered, names, str(node.data[1]))})"
    kind, quantity, *tags = map(str, gathered.data)
    asked = f" {node.data[1]} {amount(float(node.data[2]), gathered.unit)}" if len(node.data) > 1 else ""
    return f"{word}({f'{kind}.' if kind else ''}{written(quantity, tags)}{asked})"


def _call(node: Node, parts: list[str]) -> str:
    word = str(node.data[0]) if node.data else node.operation
    match node.operation:
        case "window":
            word = "slope" if word == "slope_against" else word
            if word == "cusum":
                return f"cusum({', '.join(parts)})"
            size = [amount(float(one), difference(node.inputs[0].unit)) for one in node.data[2:]]
            return f"{word}({', '.join([*parts, *size, span(float(node.data[1]))])})"
        case "life":
            return f"{word}({parts[0]})"
        case "peer":
            options = [f"within: {node.data[1]}", *(f"{name} {part}" for name, part in zip(("floor:", "load:"), parts[1:], strict=False))]
            options += [f"least: {float(node.data[2]):g}"] if node.data[2] else []
            return f"{word}({', '.join([parts[0], *options])})"
        case "novelty":
            learn = [f"learn: {span(float(node.data[0]))}"] if node.data[0] else []
            return f"novelty({', '.join([*parts, *learn])})"
        case "pow":
            return f"pow({parts[0]}, {float(node.data[0]):g})"
        case "it":
            return "it"
        case _:
            return f"{_SAID.get(node.operation, node.operation)}({', '.join(parts)})"
