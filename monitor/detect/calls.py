"""What a call of a function means: its arguments, its unit, its node."""

from collections.abc import Callable

from monitor.detect import algebra, meaning, nodes
from monitor.detect.algebra import DIFFERENCE, NUMBER, PERCENT, TEMPERATURE
from monitor.detect.functions import ELEMENTWISE, FOLDS, FUNCTIONS, LIFE, NOVELTY, PEERS, WINDOWS
from monitor.detect.nodes import BOOLEAN, Node, Scope
from monitor.detect.syntax import Call, Constant, ExpressionError, Name, Operation, Tree, below, nearest
from monitor.vocabulary import KINDS

LEAST_DURATION, MOST_DURATION = 1.0, 90 * 86400.0  # s
MOST_POINTS = 64  # of one novelty()


def call(tree: Call, scope: Scope) -> Node:
    """Return the node of a call.

    Raises:
        ExpressionError: unknown function, wrong number or kind of arguments, units that do not meet.

    """
    name = tree.function
    if name not in PEERS and name not in NOVELTY and tree.options:
        raise ExpressionError(f'{name}() takes no "{tree.options[0][0]}:"', tree.column)
    if name in {"min", "max"} and len(tree.arguments) == 2:
        return _two(tree, scope)
    for words, make in _KINDS:
        if name in words:
            return make(tree, scope)
    raise ExpressionError(f'unknown function "{name}"{nearest(name, FUNCTIONS, otherwise="; LANGUAGE.md lists them")}', tree.column)


def _two(tree: Call, scope: Scope) -> Node:
    left, right = (meaning.value(part, scope) for part in tree.arguments)
    right = nodes.meet(tree.function, tree.column, left, right)
    return Node("least" if tree.function == "min" else "greatest", left.unit, (left, right))


def _arguments(tree: Call, count: int, example: str) -> tuple[Tree, ...]:
    if len(tree.arguments) != count:
        raise ExpressionError(f"{tree.function}() takes {example}", tree.column)
    return tree.arguments


def _duration(tree: Tree) -> float:
    found = algebra.seconds(tree.value, tree.unit) if isinstance(tree, Constant) else None
    if found is None or not LEAST_DURATION <= found <= MOST_DURATION:
        raise ExpressionError("the duration of a window is between 1 s and 90 d", tree.column)
    return found


# --- elementwise


def _elementwise(tree: Call, scope: Scope) -> Node:
    match tree.function:
        case "abs":
            (part,) = _arguments(tree, 1, "one value")
            inner = meaning.value(part, scope)
            return Node("abs", inner.unit, (inner,))
        case "sqrt":
            (part,) = _arguments(tree, 1, "one value")
            inner = meaning.value(part, scope)
            if inner.unit in {TEMPERATURE, *algebra.OPAQUE}:
                raise ExpressionError(f"the square root of {nodes.of(inner.unit)} has no meaning", tree.column)
            return Node("sqrt", algebra.root(inner.unit), (inner,))
        case "ln" | "exp":
            (part,) = _arguments(tree, 1, "one plain number")
            return Node(tree.function, NUMBER, (_plain(part, scope, tree.function),))
        case "pow":
            part, power = _arguments(tree, 2, "a plain number and a constant power, for example pow(liquid_flow / (130 L/min), 1.75)")
            exponent = meaning.value(power, scope)
            if exponent.operation != "constant" or exponent.unit != NUMBER:
                raise ExpressionError("the power is a plain constant number", power.column)
            return Node("pow", NUMBER, (_plain(part, scope, "pow"),), exponent.data)
        case "given":
            part, when = _arguments(tree, 2, "a value and a condition, for example given(power, power > 20 kW)")
            inner = meaning.value(part, scope)
            return Node("given", inner.unit, (inner, meaning.condition(when, scope)))
        case _:
            return _uncertainty(tree, scope)


def _plain(tree: Tree, scope: Scope, word: str) -> Node:
    inner = meaning.value(tree, scope)
    scale = None if inner.unit in algebra.OPAQUE else algebra.factor(inner.unit, NUMBER)
    if scale is None:
        raise ExpressionError(f"{word}() takes a plain number, this is {nodes.of(inner.unit)}; divide by a reference first", tree.column)
    return nodes.scaled(inner, scale, NUMBER)


def _uncertainty(tree: Call, scope: Scope) -> Node:
    (part,) = _arguments(tree, 1, "the name of a derived point")
    if isinstance(part, Name) and part.owner == scope.owner:
        found = scope.derived_of(part.name)
        if found is not None:
            return meaning.derived(found, scope, tree.column, uncertainty=True)
    raise ExpressionError("uncertainty() takes the name of a derived point", tree.column)


# --- over several points


def _owners(tree: Tree) -> set[str]:
    own = {tree.owner} if isinstance(tree, Name) else set()
    return own.union(*(_owners(part) for part in below(tree))) - {"limit"}


def _fold(tree: Call, scope: Scope) -> Node:
    name = tree.function
    (inner,) = _arguments(tree, 1, "one name or expression: a point, or kind.point of related assets")
    owners = _owners(inner) - {scope.owner} if scope.owner else _owners(inner)
    kinds = {owner for owner in owners if owner}
    for owner in kinds:
        if owner not in KINDS:
            raise ExpressionError(f'unknown kind "{owner}"{nearest(owner, KINDS)}', _first(inner).column)
    if scope.owner:
        raise ExpressionError(f"{name}() cannot stand inside another aggregate; make the inner one a derived point", tree.column)
    if len(kinds) > 1 or (kinds and "" in owners):
        raise ExpressionError(
            f"inside {name}() all names are of one kind; found {', '.join(sorted(kind or 'the asset itself' for kind in owners))}",
            tree.column,
        )
    kind = kinds.pop() if kinds else ""
    gathered = _gathered(tree, inner, kind, scope)
    if gathered is not None:
        return gathered
    if not kind:
        raise ExpressionError(f"{name}() takes one name: a point, or an expression over kind.point of related assets", tree.column)
    return _over_assets(tree, inner, kind, scope)


def _first(tree: Tree) -> Tree:
    """Return the leftmost name of a tree."""
    while not isinstance(tree, Name) and below(tree):
        tree = below(tree)[0]
    return tree


def _gathered(tree: Call, inner: Tree, kind: str, scope: Scope) -> Node | None:
    """Return the fold over all matching points where the argument is a plain name, or for count() a name compared with a number."""
    name = tree.function
    there = Scope(scope.limits, kinds=(kind,) if kind else scope.kinds, vocabulary=scope.vocabulary, derived=scope.derived)
    asked: tuple[str | float, ...] = ()
    if name == "count" and isinstance(inner, Operation) and inner.operator in {"<", "<=", ">", ">=", "==", "!="}:
        left, right = inner.operands
        if not isinstance(left, Name) or not isinstance(right, Constant) or there.derived_of(left.name) is not None:
            return None
        point = Node("own", meaning.unit_of(left, there))
        limit = nodes.meet(inner.operator, inner.column, point, meaning.value(right, scope))
        asked = (inner.operator, float(limit.data[0]))
        inner = left
    if not isinstance(inner, Name) or inner.owner == "limit" or there.derived_of(inner.name) is not None:
        return None
    unit = meaning.unit_of(inner, there)
    if scope.vocabulary[inner.name].event:
        raise ExpressionError(f"{inner.name} is an event; count it over time with count_over()", inner.column)
    gather = Node("gather", unit, (), (kind, inner.name, *inner.selector))
    return Node("fold", _fold_unit(tree, unit), (gather,), (name, *asked))


def _fold_unit(tree: Call, unit: str) -> str:
    match tree.function:
        case "count":
            return NUMBER
        case "imbalance":
            if unit == TEMPERATURE:
                raise ExpressionError("the imbalance of temperatures in degC has no meaning", tree.column)
            return PERCENT
        case "sum" if unit == TEMPERATURE:
            raise ExpressionError("the sum of temperatures in degC has no meaning", tree.column)
    return unit


def _over_assets(tree: Call, inner: Tree, kind: str, scope: Scope) -> Node:
    there = Scope(scope.limits, kinds=(kind,), vocabulary=scope.vocabulary, derived=scope.derived, owner=kind, within=scope.within)
    node = meaning.understand(inner, there)
    if node.unit == BOOLEAN and tree.function != "count":
        raise ExpressionError(f"{tree.function}() takes a value; only count() takes a condition", tree.column)
    return Node("fold", _fold_unit(tree, node.unit), (node,), (tree.function, kind))


# --- over time


def _window(tree: Call, scope: Scope) -> Node:
    name = tree.function
    if name == "count_over":
        asked, time = _arguments(tree, 2, "a condition and a duration, for example count_over(xid in {48, 63}, 10 min)")
        return Node("window", NUMBER, (meaning.condition(asked, scope),), (name, _duration(time)))
    if name == "correlation" or (name == "slope" and len(tree.arguments) == 3):
        return _against(tree, scope)
    if name == "swings":
        return _swings(tree, scope)
    if name == "cusum":
        return _cusum(tree, scope)
    part, time = _arguments(tree, 2, f"a value and a duration, for example {name}(power, 60 s)")
    duration = _duration(time)
    inner = meaning.value(part, scope)
    unit = {
        "std_over": nodes.difference(inner.unit),
        "slope": algebra.product(nodes.difference(inner.unit), "s", divide=True),
        "rate": algebra.product(nodes.difference(inner.unit), "s", divide=True),
        "increase": nodes.difference(inner.unit),
        "changes": NUMBER,
        "flat": BOOLEAN,
    }.get(name, inner.unit)
    return Node("window", unit, (inner,), (name, duration))


def _against(tree: Call, scope: Scope) -> Node:
    name = tree.function
    one, other, time = _arguments(tree, 3, f"two values and a duration, for example {name}(voltage, current, 10 min)")
    left, right = meaning.value(one, scope), meaning.value(other, scope)
    units = nodes.difference(left.unit), nodes.difference(right.unit)
    if set(units) & algebra.OPAQUE and name == "slope":
        raise ExpressionError(f"slope() takes no value in {' or '.join(sorted(algebra.OPAQUE))} against another", tree.column)
    unit = NUMBER if name == "correlation" else algebra.product(*units, divide=True)
    return Node("window", unit, (left, right), ("slope_against" if name == "slope" else name, _duration(time)))


def _swings(tree: Call, scope: Scope) -> Node:
    part, size, time = _arguments(tree, 3, "a value, an amplitude and a duration, for example swings(power, 5 kW, 30 min)")
    inner = meaning.value(part, scope)
    amplitude = meaning.value(size, scope)
    if amplitude.operation != "constant" or float(amplitude.data[0]) <= 0:
        raise ExpressionError("the amplitude is a constant above 0", size.column)
    amplitude = nodes.meet("swings", tree.column, Node("own", nodes.difference(inner.unit)), amplitude)
    return Node("window", NUMBER, (inner,), ("swings", _duration(time), float(amplitude.data[0])))


def _cusum(tree: Call, scope: Scope) -> Node:
    part, slack = _arguments(tree, 2, "a value and a slack in its unit, for example cusum(liquid_flow - lag(liquid_flow, 1 h), 1 L/min)")
    inner = meaning.value(part, scope)
    if inner.unit in {TEMPERATURE, *algebra.OPAQUE}:
        raise ExpressionError(f"cusum() takes no value that is {nodes.of(inner.unit)}; take a difference first", tree.column)
    allowed = nodes.meet("cusum", tree.column, inner, meaning.value(slack, scope))
    return Node("window", algebra.product(inner.unit, "s"), (inner, allowed), ("cusum", 0.0))


# --- the rest


def _life(tree: Call, scope: Scope) -> Node:
    point = meaning.understand(tree.arguments[0], scope) if len(tree.arguments) == 1 else None
    if point is None or point.operation not in {"own", "it"}:
        raise ExpressionError(f"{tree.function}() takes one point", tree.column)
    return Node("life", "s", (point,), (tree.function,))


def _peer(tree: Call, scope: Scope) -> Node:
    name = tree.function
    options = dict(tree.options)
    within = options.pop("within", None)
    least = options.pop("least", None)
    floor, load = options.pop("floor", None), options.pop("load", None)
    if name != "peer_z" and (floor is not None or load is not None):
        raise ExpressionError(f"only peer_z() takes floor: and load:, not {name}()", tree.column)
    if len(tree.arguments) != 1 or options or not isinstance(within, Name) or within.owner or within.name not in KINDS:
        raise ExpressionError(f"{name}() takes a value and `within: KIND`, for example {name}(power, within: cdu)", tree.column)
    inner = meaning.value(tree.arguments[0], scope)
    fewest = 0.0
    if least is not None:
        if not isinstance(least, Constant) or least.unit or not 2 <= least.value <= 1000:
            raise ExpressionError("least: is a plain number of peers from 2 on", least.column)
        fewest = least.value
    if name != "peer_z":
        return Node("peer", inner.unit, (inner,), (name, within.name, fewest))
    if floor is None:
        raise ExpressionError("peer_z() needs `floor:`, the least median deviation that is believed, for example floor: 1 K", tree.column)
    reference = Node("own", DIFFERENCE if inner.unit == TEMPERATURE else inner.unit)
    inputs = [inner, nodes.meet("floor:", tree.column, reference, meaning.value(floor, scope))]
    if load is not None:
        inputs.append(meaning.value(load, scope))
    return Node("peer", NUMBER, tuple(inputs), (name, within.name, fewest))


def _novelty(tree: Call, scope: Scope) -> Node:
    options = dict(tree.options)
    learn = options.pop("learn", None)
    if options or not tree.arguments:
        raise ExpressionError(
            "novelty() takes values and `learn: DURATION`, for example novelty(power, liquid_flow, learn: 10 min)", tree.column
        )
    if len(tree.arguments) > MOST_POINTS:
        raise ExpressionError(f"novelty() takes at most {MOST_POINTS} values, found {len(tree.arguments)}", tree.column)
    parts = tuple(meaning.value(part, scope) for part in tree.arguments)
    return Node("novelty", NUMBER, parts, (0.0 if learn is None else _duration(learn),))


_KINDS: tuple[tuple[dict[str, str], Callable[[Call, Scope], Node]], ...] = (
    (FOLDS, _fold),
    (ELEMENTWISE, _elementwise),
    (WINDOWS, _window),
    (LIFE, _life),
    (PEERS, _peer),
    (NOVELTY, _novelty),
)
