"""A tree to typed nodes: names known, units checked, windows counted."""

from dataclasses import replace

from monitor.detect import algebra, calls, nodes
from monitor.detect.algebra import NUMBER
from monitor.detect.nodes import BOOLEAN, Derived, Node, Scope
from monitor.detect.syntax import Call, Constant, ExpressionError, Name, Operation, Text, Tree, nearest

COMPARE = ("<", "<=", ">", ">=", "==", "!=", "in")


def condition(tree: Tree, scope: Scope) -> Node:
    """Return the node of a condition.

    Raises:
        ExpressionError: unknown name, units that do not meet, or not a yes-or-no.

    """
    node = understand(tree, scope)
    if node.unit != BOOLEAN:
        raise ExpressionError(f"is {nodes.of(node.unit)}, not a condition; compare it with something", tree.column)
    return node


def value(tree: Tree, scope: Scope) -> Node:
    """Return the node of a quantity.

    Raises:
        ExpressionError: unknown name, units that do not meet, or a yes-or-no.

    """
    node = understand(tree, scope)
    if node.unit == BOOLEAN:
        raise ExpressionError("is a condition where a value is needed", tree.column)
    if isinstance(tree, Name) and _event(node, scope):
        raise ExpressionError(
            f"{tree.name} is an event, known only while it comes; write {tree.name} == 1 or {tree.name} in {{1, 2}}", tree.column
        )
    return node


def understand(tree: Tree, scope: Scope) -> Node:
    """Return the node of any tree."""
    match tree:
        case Constant():
            try:
                number, unit = algebra.constant(tree.value, tree.unit)
            except ValueError as error:
                raise ExpressionError(f"{error}; write for example 20 kW, 45 degC, 5 K, 30 L/min, 90 s", tree.column) from None
            return nodes.constant(number, unit)
        case Text():
            raise ExpressionError(f'"{tree.text}" is a state; compare a point with it by == or in', tree.column)
        case Name():
            return _name(tree, scope)
        case Call():
            return calls.call(tree, scope)
        case Operation(operator="and" | "or" | "not"):
            return Node(tree.operator, BOOLEAN, tuple(condition(part, scope) for part in tree.operands))
        case Operation(operator="neg"):
            part = value(tree.operands[0], scope)
            if part.operation == "constant":
                return nodes.constant(-float(part.data[0]), part.unit)
            return Node("neg", part.unit, (part,))
        case Operation() if tree.operator in COMPARE:
            return _compare(tree, scope)
        case Operation():
            left, right = (value(part, scope) for part in tree.operands)
            return (nodes.product if tree.operator in {"*", "/"} else nodes.total)(tree, left, right)


def _event(node: Node, scope: Scope) -> bool:
    """Say whether a node is an event point itself."""
    name = scope.it if node.operation == "it" else str(node.data[0]) if node.operation == "own" else ""
    return name in scope.vocabulary and scope.vocabulary[name].event


def _compare(tree: Operation, scope: Scope) -> Node:
    first, *others = tree.operands
    if isinstance(first, Text):
        raise ExpressionError(f'write the point on the left and the state "{first.text}" on the right', tree.column)
    left = understand(first, scope) if isinstance(first, Name) else value(first, scope)
    rights = []
    for other in others:
        if isinstance(other, Text):
            if left.operation not in {"own", "it"} or tree.operator not in {"==", "!=", "in"}:
                raise ExpressionError(f'only a point has states, and only == != in take one; found "{other.text}"', other.column)
            rights.append(Node("state", left.unit, (left,), (other.text.lower().replace(" ", "_"),)))
        else:
            rights.append(nodes.meet(tree.operator, tree.column, left, value(other, scope)))
    node = Node(tree.operator, BOOLEAN, (left, *rights))
    if not _event(left, scope):
        return node
    if any(nodes.read(right) for right in rights if right.operation != "state"):
        raise ExpressionError("an event is compared with codes only", tree.column)
    return Node("event", BOOLEAN, (node,))


def _name(tree: Name, scope: Scope) -> Node:
    if tree.owner == "limit":
        if tree.name not in scope.limits:
            raise ExpressionError(
                f'unknown limit "{tree.name}"{nearest(tree.name, scope.limits, otherwise="; add it to limits/default.yaml")}', tree.column
            )
        if tree.selector:
            raise ExpressionError(f"limit.{tree.name} takes no [tags]", tree.column)
        return Node("limit", scope.limits[tree.name], (), (tree.name,))
    if scope.owner and tree.owner != scope.owner:
        raise ExpressionError(
            f"{tree.name} is not of {scope.owner}; inside the brackets all names are of one kind, take it out or write {scope.owner}.{tree.name}",
            tree.column,
        )
    if tree.owner and not scope.owner:
        raise ExpressionError(
            f"{tree.owner}.{tree.name} speaks of several assets; put it in max(), min(), mean(), sum() or median()", tree.column
        )
    if tree.name == "it" and not scope.owner:
        if not scope.each:
            raise ExpressionError("`it` is known only in a rule with `each`", tree.column)
        if tree.selector:
            raise ExpressionError("`it` is one point already and takes no [tags]", tree.column)
        return Node("it", scope.vocabulary[scope.it].unit if scope.it in scope.vocabulary else NUMBER)
    if tree.name == scope.it and not tree.selector and not scope.owner:
        return Node("it", unit_of(tree, scope))
    found = scope.derived_of(tree.name)
    if found is not None:
        if tree.selector:
            raise ExpressionError(f"{tree.name} is a derived point and takes no [tags]", tree.column)
        return derived(found, scope, tree.column)
    return Node("own", unit_of(tree, scope), (), (tree.name, *tree.selector))


def derived(point: Derived, scope: Scope, column: int = 1, *, uncertainty: bool = False) -> Node:
    """Return what a derived point is made of, in its own unit, not known outside of `known_when`.

    Raises:
        ExpressionError: it is made of itself, has no uncertainty, or its unit is another one.

    """
    if point.quantity in scope.within:
        raise ExpressionError(f"{' -> '.join((*scope.within, point.quantity))}: a derived point cannot be made of itself", column)
    inner = replace(scope, it="", each=False, owner="", within=(*scope.within, point.quantity))
    tree = point.uncertainty if uncertainty else point.value
    if tree is None:
        raise ExpressionError(f"{point.quantity} has no uncertainty", column)
    node = value(tree, inner)
    wanted = nodes.difference(point.unit) if uncertainty else point.unit
    scale = algebra.factor(node.unit, wanted)
    if scale is None:
        raise ExpressionError(f"{point.quantity} is {nodes.of(node.unit)}, its unit says {wanted or 'a plain number'}", column)
    node = nodes.scaled(node, scale, wanted)
    return node if point.known_when is None else Node("given", wanted, (node, condition(point.known_when, inner)))


def unit_of(tree: Name, scope: Scope) -> str:
    """Return the unit of a name of the vocabulary.

    Raises:
        ExpressionError: nobody knows the name.

    """
    found = scope.vocabulary.get(tree.name)
    if found is not None:
        return found.unit
    kinds = sorted(kind for kind, name in scope.derived if name == tree.name)
    if kinds:
        raise ExpressionError(
            f"{tree.name} is a derived point of {', '.join(kinds)}; write for example max({kinds[0]}.{tree.name})", tree.column
        )
    raise ExpressionError(
        f'unknown quantity "{tree.name}"{nearest(tree.name, scope.words(), otherwise="; see `dcmon rules list --words`")}', tree.column
    )
