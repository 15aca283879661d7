"""Typed operations, and how units meet in them. Equal nodes are one step of the plan."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from monitor.detect import algebra
from monitor.detect.algebra import DIFFERENCE, NUMBER, TEMPERATURE
from monitor.detect.syntax import ExpressionError, Operation, Tree
from monitor.vocabulary import QUANTITIES, Quantity

BOOLEAN = "yes or no"


@dataclass(frozen=True)
class Node:
    """One operation of the plan. `unit` is canonical, or BOOLEAN; `data` is what the operation needs besides inputs."""

    operation: str
    unit: str
    inputs: "tuple[Node, ...]" = ()
    data: tuple[str | float, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "_hash", hash((self.operation, self.unit, self.inputs, self.data)))

    def __hash__(self) -> int:  # asked for often; deep nodes would be walked each time
        return self._hash  # type: ignore[attr-defined,no-any-return]


@dataclass(frozen=True)
class Derived:
    """A derived point's trees. `value` and `uncertainty` are in `unit`; not known where `known_when` is not true."""

    quantity: str
    unit: str
    value: Tree
    known_when: Tree | None = None
    uncertainty: Tree | None = None


@dataclass(frozen=True)
class Scope:
    """What an expression may speak of.

    `limits` gives each limit's unit. In a rule on each point (`each`), `it` is that point's quantity, "" for any. `derived`
    has the derived points of each (kind, name). Inside an aggregate over related assets `owner` is their kind.
    """

    limits: Mapping[str, str]
    it: str = ""
    each: bool = False
    kinds: tuple[str, ...] = ()
    vocabulary: Mapping[str, Quantity] = field(default_factory=lambda: QUANTITIES)
    derived: Mapping[tuple[str, str], Derived] = field(default_factory=dict)
    owner: str = ""
    within: tuple[str, ...] = ()  # derived points that are being looked up

    def derived_of(self, name: str) -> Derived | None:
        """Return the derived point of that name that all kinds of the scope have."""
        found = {self.derived.get((kind, name)) for kind in self.kinds}
        return found.pop() if len(found) == 1 else None

    def words(self) -> list[str]:
        return [*self.vocabulary, *(name for kind, name in self.derived if kind in self.kinds)]


def walk(node: Node) -> Iterator[Node]:
    """Yield a node and all below it, inputs first."""
    for part in node.inputs:
        yield from walk(part)
    yield node


def read(node: Node) -> bool:
    """Say whether a node needs a reading of any point; limits and numbers alone never change."""
    return any(one.operation in {"own", "it", "gather"} for one in walk(node))


def of(unit: str) -> str:
    """Say what a unit measures, in a sentence."""
    return {
        NUMBER: "a plain number",
        TEMPERATURE: "a temperature (degC)",
        DIFFERENCE: "a temperature difference (K)",
        BOOLEAN: "a condition",
    }.get(unit, f"in {unit}")


def difference(unit: str) -> str:
    """Return the unit of a difference of two values."""
    return DIFFERENCE if unit == TEMPERATURE else unit


def constant(value: float, unit: str) -> Node:
    return Node("constant", unit, (), (value,))


def meet(word: str, column: int, left: Node, right: Node) -> Node:
    """Return `right` in the unit of `left`.

    Raises:
        ExpressionError: they measure different things, or one is a bare number.

    """
    for one, other in ((left, right), (right, left)):
        if one.operation == "constant" and one.unit == NUMBER and other.unit != NUMBER:
            raise ExpressionError(
                f"{one.data[0]:g} has no unit where the other side is {of(other.unit)}; write {one.data[0]:g} {other.unit}", column
            )
    scale = algebra.factor(right.unit, left.unit)
    if scale is None:
        raise ExpressionError(f"the left side of {word} is {of(left.unit)}, the right side {of(right.unit)}; they do not meet", column)
    return scaled(right, scale, left.unit)


def scaled(node: Node, scale: float, unit: str) -> Node:
    """Return a node in another unit, `scale` of which make one of its own."""
    if scale == 1.0:
        return node if node.unit == unit else Node(node.operation, unit, node.inputs, node.data)
    if node.operation == "constant":
        return constant(float(node.data[0]) * scale, unit)
    return Node("*", unit, (node, constant(scale, NUMBER)))


def total(tree: Operation, left: Node, right: Node) -> Node:
    """Return the sum or difference of two values."""
    absolute = (left.unit == TEMPERATURE, right.unit == TEMPERATURE)
    if tree.operator == "-" and all(absolute):
        return Node("-", DIFFERENCE, (left, right))
    if all(absolute):
        raise ExpressionError("degC + degC is no temperature; add a difference in K", tree.column)
    if any(absolute):
        other = right if absolute[0] else left
        scale = algebra.factor(other.unit, DIFFERENCE)
        if scale is None or (tree.operator == "-" and absolute[1]):
            raise ExpressionError(
                f"{of(left.unit)} {tree.operator} {of(right.unit)} is no temperature; add or take a difference in K", tree.column
            )
        other = scaled(other, scale, DIFFERENCE)
        return Node(tree.operator, TEMPERATURE, (left, other) if absolute[0] else (other, right))
    return Node(tree.operator, left.unit, (left, meet(tree.operator, tree.column, left, right)))


def product(tree: Operation, left: Node, right: Node) -> Node:
    """Return the product or quotient of two values."""
    if TEMPERATURE in {left.unit, right.unit}:
        raise ExpressionError(f"{tree.operator} takes no temperature in degC; take a difference in K first", tree.column)
    for unit in (left.unit, right.unit):
        if unit in algebra.OPAQUE and NUMBER not in {left.unit, right.unit}:
            raise ExpressionError(f"{tree.operator} takes no value in {unit}", tree.column)
    return Node(tree.operator, algebra.product(left.unit, right.unit, divide=tree.operator == "/"), (left, right))
