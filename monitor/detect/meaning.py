"""A tree to typed nodes: names known, units checked, windows counted. Equal nodes are equal objects of the plan."""

from collections.abc import Mapping
from dataclasses import dataclass

from monitor.detect import algebra
from monitor.detect.algebra import DIFFERENCE, NUMBER, PERCENT, TEMPERATURE
from monitor.detect.syntax import Call, Constant, ExpressionError, Name, Operation, Tree, nearest
from monitor.vocabulary import KINDS, QUANTITIES

BOOLEAN = "yes or no"

FOLDS = {
    "max": "largest of several points",
    "min": "smallest of several points",
    "mean": "mean of several points",
    "sum": "sum of several points",
    "median": "median of several points",
    "imbalance": "100 * greatest deviation from the mean / mean, in % (NEMA MG-1)",
}
WINDOWS = {
    "min_over": "smallest value within a duration",
    "max_over": "largest value within a duration",
    "mean_over": "mean within a duration",
}
LIFE = {
    "age": "s since the point's last life sign",
    "stale_after": "s without a life sign after which the point is not known",
    "source_silence": "s since anything came from the point's source",
    "heartbeat_age": "s since the heartbeat that covers the point, 0 where none does",
    "bad_for": "s for which the point has had only bad or null readings",
}
PEERS = {"peer_median": "median over assets of the same kind behind the same `within`"}
ELEMENTWISE = {"abs": 1, "min": 2, "max": 2}


@dataclass(frozen=True)
class Node:
    """One operation of the plan. `unit` is canonical, or BOOLEAN; `data` is what the operation needs besides inputs."""

    operation: str
    unit: str
    inputs: "tuple[Node, ...]" = ()
    data: tuple[str | float, ...] = ()


@dataclass(frozen=True)
class Scope:
    """What an expression may speak of.

    `limits` gives each limit's unit. In a rule on each point (`each`), `it` is that point's quantity, "" for any.
    """

    limits: Mapping[str, str]
    it: str = ""
    each: bool = False
    quantities: Mapping[str, str] | None = None  # quantity -> canonical unit, beyond the shipped vocabulary

    def unit_of(self, quantity: str) -> str | None:
        if self.quantities and quantity in self.quantities:
            return self.quantities[quantity]
        found = QUANTITIES.get(quantity)
        return None if found is None else found.unit

    def words(self) -> list[str]:
        return [*QUANTITIES, *(self.quantities or ())]


def condition(tree: Tree, scope: Scope) -> Node:
    """Return the node of a condition.

    Raises:
        ExpressionError: unknown name, units that do not meet, or not a yes-or-no.

    """
    node = _node(tree, scope)
    if node.unit != BOOLEAN:
        raise ExpressionError(f"is {_of(node.unit)}, not a condition; compare it with something", tree.column)
    return node


def read(node: Node) -> bool:
    """Say whether a node needs a reading of any point; limits and numbers alone never change."""
    return node.operation in {"own", "it", "gather"} or any(read(part) for part in node.inputs)


def value(tree: Tree, scope: Scope) -> Node:
    """Return the node of a quantity.

    Raises:
        ExpressionError: unknown name, units that do not meet, or a yes-or-no.

    """
    node = _node(tree, scope)
    if node.unit == BOOLEAN:
        raise ExpressionError("is a condition where a value is needed", tree.column)
    return node


def _node(tree: Tree, scope: Scope) -> Node:
    match tree:
        case Constant():
            try:
                number, unit = algebra.constant(tree.value, tree.unit)
            except ValueError as error:
                raise ExpressionError(f"{error}; write for example 20 kW, 45 degC, 5 K, 30 L/min, 90 s", tree.column) from None
            return Node("constant", unit, (), (number,))
        case Name():
            return _name(tree, scope)
        case Call():
            return _call(tree, scope)
        case Operation(operator="and" | "or" | "not"):
            return Node(tree.operator, BOOLEAN, tuple(condition(part, scope) for part in tree.operands))
        case Operation(operator="neg"):
            part = value(tree.operands[0], scope)
            if part.operation == "constant":
                return Node("constant", part.unit, (), (-float(part.data[0]),))
            return Node("neg", part.unit, (part,))
        case Operation():
            left, right = (value(part, scope) for part in tree.operands)
            if tree.operator in {"*", "/"}:
                return _product(tree, left, right)
            if tree.operator in {"+", "-"}:
                return _sum(tree, left, right)
            return Node(tree.operator, BOOLEAN, (left, _meet(tree, left, right)))


def _of(unit: str) -> str:
    return {
        NUMBER: "a plain number",
        TEMPERATURE: "a temperature (degC)",
        DIFFERENCE: "a temperature difference (K)",
        BOOLEAN: "a condition",
    }.get(unit, f"in {unit}")


def _meet(tree: Operation, left: Node, right: Node) -> Node:
    """Return `right` in the unit of `left`."""
    for one, other in ((left, right), (right, left)):
        if one.operation == "constant" and one.unit == NUMBER and other.unit != NUMBER:
            raise ExpressionError(
                f"{one.data[0]:g} has no unit where the other side is {_of(other.unit)}; write {one.data[0]:g} {other.unit}", tree.column
            )
    scale = algebra.factor(right.unit, left.unit)
    if scale is None:
        raise ExpressionError(
            f"the left side of {tree.operator} is {_of(left.unit)}, the right side {_of(right.unit)}; they do not meet", tree.column
        )
    return _scaled(right, scale, left.unit)


def _scaled(node: Node, scale: float, unit: str) -> Node:
    if scale == 1.0:
        return node if node.unit == unit else Node(node.operation, unit, node.inputs, node.data)
    if node.operation == "constant":
        return Node("constant", unit, (), (float(node.data[0]) * scale,))
    return Node("*", unit, (node, Node("constant", NUMBER, (), (scale,))))


def _sum(tree: Operation, left: Node, right: Node) -> Node:
    absolute = (left.unit == TEMPERATURE, right.unit == TEMPERATURE)
    if tree.operator == "-" and all(absolute):
        return Node("-", DIFFERENCE, (left, right))
    if all(absolute):
        raise ExpressionError("degC + degC is no temperature; add a difference in K", tree.column)
    if any(absolute):
        if DIFFERENCE not in {left.unit, right.unit} or (tree.operator == "-" and absolute[1]):
            raise ExpressionError(
                f"{_of(left.unit)} {tree.operator} {_of(right.unit)} is no temperature; add or take a difference in K", tree.column
            )
        return Node(tree.operator, TEMPERATURE, (left, right))
    return Node(tree.operator, left.unit, (left, _meet(tree, left, right)))


def _product(tree: Operation, left: Node, right: Node) -> Node:
    if TEMPERATURE in {left.unit, right.unit}:
        raise ExpressionError(f"{tree.operator} takes no temperature in degC; take a difference in K first", tree.column)
    for unit in (left.unit, right.unit):
        if unit in algebra.OPAQUE and NUMBER not in {left.unit, right.unit}:
            raise ExpressionError(f"{tree.operator} takes no value in {unit}", tree.column)
    return Node(tree.operator, algebra.product(left.unit, right.unit, divide=tree.operator == "/"), (left, right))


def _name(tree: Name, scope: Scope) -> Node:
    if tree.owner == "limit":
        if tree.name not in scope.limits:
            raise ExpressionError(
                f'unknown limit "{tree.name}"{nearest(tree.name, scope.limits, otherwise="; add it to limits/default.yaml")}', tree.column
            )
        if tree.selector:
            raise ExpressionError(f"limit.{tree.name} takes no [tags]", tree.column)
        return Node("limit", scope.limits[tree.name], (), (tree.name,))
    if tree.owner:
        raise ExpressionError(
            f"{tree.owner}.{tree.name} speaks of several assets; put it in max(), min(), mean(), sum() or median()", tree.column
        )
    if tree.name == "it":
        if not scope.each:
            raise ExpressionError("`it` is known only in a rule with `each`", tree.column)
        if tree.selector:
            raise ExpressionError("`it` is one point already and takes no [tags]", tree.column)
        return Node("it", scope.unit_of(scope.it) or NUMBER)
    if tree.name == scope.it and not tree.selector:
        return Node("it", _unit_of(tree, scope))
    return Node("own", _unit_of(tree, scope), (), (tree.name, *tree.selector))


def _unit_of(tree: Name, scope: Scope) -> str:
    unit = scope.unit_of(tree.name)
    if unit is None:
        raise ExpressionError(
            f'unknown quantity "{tree.name}"{nearest(tree.name, scope.words(), otherwise="; see `dcmon rules list --words`")}', tree.column
        )
    return unit


def _call(tree: Call, scope: Scope) -> Node:
    name, arguments = tree.function, tree.arguments
    options = dict(tree.options)
    if name not in PEERS and options:
        raise ExpressionError(f'{name}() takes no "{next(iter(options))}:"', tree.column)
    if name in ELEMENTWISE and len(arguments) == ELEMENTWISE[name]:
        parts = [value(part, scope) for part in arguments]
        if len(parts) == 2:
            parts[1] = _meet(Operation(name, arguments, tree.column), *parts)
        return Node({"min": "least", "max": "greatest"}.get(name, name), parts[0].unit, tuple(parts))
    if name in FOLDS:
        return _fold(tree, scope)
    if name in WINDOWS:
        if len(arguments) != 2 or not isinstance(arguments[1], Constant):
            raise ExpressionError(f"{name}() takes a value and a duration, for example {name}(power, 60 s)", tree.column)
        duration = algebra.seconds(arguments[1].value, arguments[1].unit)
        if duration is None or not 1 <= duration <= 7 * 86400:
            raise ExpressionError("the duration of a window is between 1 s and 7 d", arguments[1].column)
        part = value(arguments[0], scope)
        return Node("window", part.unit, (part,), (name, duration))
    if name in LIFE:
        point = value(arguments[0], scope) if len(arguments) == 1 else None
        if point is None or point.operation not in {"own", "it"}:
            raise ExpressionError(f"{name}() takes one point", tree.column)
        return Node("life", "s", (point,), (name,))
    if name in PEERS:
        kind = options.pop("within", "")
        if len(arguments) != 1 or options or kind not in KINDS:
            raise ExpressionError(f"{name}() takes a value and `within: KIND`, for example {name}(power, within: cdu)", tree.column)
        part = value(arguments[0], scope)
        return Node("peer", part.unit, (part,), (name, kind))
    known = [*FOLDS, *WINDOWS, *LIFE, *PEERS, *ELEMENTWISE]
    raise ExpressionError(f'unknown function "{name}"{nearest(name, known, otherwise="; LANGUAGE.md lists them")}', tree.column)


def _fold(tree: Call, scope: Scope) -> Node:
    name = tree.function
    if len(tree.arguments) != 1 or not isinstance(tree.arguments[0], Name) or tree.arguments[0].owner == "limit":
        raise ExpressionError(f"{name}() takes one name: a point, or kind.point of related assets", tree.column)
    inner = tree.arguments[0]
    if inner.owner and inner.owner not in KINDS:
        raise ExpressionError(f'unknown kind "{inner.owner}"{nearest(inner.owner, KINDS)}', inner.column)
    unit = _unit_of(inner, scope)
    gather = Node("gather", unit, (), (inner.owner, inner.name, *inner.selector))
    if name == "imbalance":
        if unit == TEMPERATURE:
            raise ExpressionError("the imbalance of temperatures in degC has no meaning", tree.column)
        return Node("fold", PERCENT, (gather,), (name,))
    if name == "sum" and unit == TEMPERATURE:
        raise ExpressionError("the sum of temperatures in degC has no meaning", tree.column)
    return Node("fold", unit, (gather,), (name,))
