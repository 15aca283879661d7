"""Text of an expression to its tree; no meaning yet, only shape and places."""

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

from lark import Lark, Transformer, UnexpectedInput, v_args
from lark.exceptions import UnexpectedCharacters, UnexpectedEOF, UnexpectedToken

EXACTLY = "="  # leads a selector whose tags must be all that a point has


@dataclass(frozen=True)
class Constant:
    """A number with its unit as written, "" for a bare number."""

    value: float
    unit: str
    column: int = field(default=0, compare=False)


@dataclass(frozen=True)
class Text:
    """A quoted word: the label of a state."""

    text: str
    column: int = field(default=0, compare=False)


@dataclass(frozen=True)
class Name:
    """A point of the asset, `limit.x`, or `kind.x` of related assets; `selector` narrows by tags, EXACTLY leads those that are all."""

    owner: str  # "" for the asset itself
    name: str
    selector: tuple[str, ...]
    column: int = field(default=0, compare=False)


@dataclass(frozen=True)
class Call:
    function: str
    arguments: "tuple[Tree, ...]"
    options: "tuple[tuple[str, Tree], ...]"
    column: int = field(default=0, compare=False)


@dataclass(frozen=True)
class Operation:
    """`operator` is one of + - * / < <= > >= == != in and or not neg; `in` has its members as operands behind the first."""

    operator: str
    operands: "tuple[Tree, ...]"
    column: int = field(default=0, compare=False)


Tree = Constant | Text | Name | Call | Operation


class ExpressionError(Exception):
    """What is wrong with an expression and at which column of it, counted from 1."""

    def __init__(self, text: str, column: int = 1) -> None:
        super().__init__(text)
        self.text = text
        self.column = column


def nearest(word: str, known: Iterable[str], *, otherwise: str = "") -> str:
    """Return `; did you mean "x"?` for the known word that is closest, or `otherwise`."""
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f'; did you mean "{close[0]}"?' if close else otherwise


@v_args(inline=True)
class _Build(Transformer[Any, Tree]):
    def start(self, tree: Tree) -> Tree:
        return tree

    def any_of(self, *parts: Tree) -> Tree:
        return parts[0] if len(parts) == 1 else Operation("or", parts, parts[0].column)

    def all_of(self, *parts: Tree) -> Tree:
        return parts[0] if len(parts) == 1 else Operation("and", parts, parts[0].column)

    def negate(self, part: Tree) -> Tree:
        return Operation("not", (part,), part.column)

    def minus(self, part: Tree) -> Tree:
        return Operation("neg", (part,), part.column)

    def compare(self, left: Tree, operator: Any = None, right: Tree | None = None) -> Tree:
        return left if right is None else Operation(str(operator), (left, right), operator.column)

    def chain(self, first: Tree, *rest: Any) -> Tree:
        tree = first
        for operator, operand in zip(rest[::2], rest[1::2], strict=True):
            tree = Operation(str(operator), (tree, operand), operator.column)
        return tree

    def constant(self, token: Any) -> Tree:
        match = re.match(r"\d+(\.\d+)?([eE][+-]?\d+)?", token)
        assert match is not None
        return Constant(float(match[0]), token[match.end() :].strip(), token.column)

    def negative(self, token: Any) -> Tree:
        tree = self.constant(token)
        assert isinstance(tree, Constant)
        return Constant(-tree.value, tree.unit, tree.column)

    def text(self, token: Any) -> Tree:
        return Text(str(token)[1:-1], token.column)

    def among(self, operand: Tree, *members: Tree) -> Tree:
        return Operation("in", (operand, *members), operand.column)

    def selector(self, *names: Any) -> tuple[str, ...]:
        return tuple(str(name).strip('"') for name in names if name is not None)

    def name(self, *parts: Any) -> Tree:
        *names, selector = parts
        owner = str(names[0]) if len(names) == 2 else ""
        return Name(owner, str(names[-1]), tuple(sorted(selector or ())), names[0].column)

    def option(self, key: Any, value: Tree) -> tuple[str, Tree]:
        return (str(key), value)

    def call(self, function: Any, *arguments: Any) -> Tree:
        return Call(
            str(function),
            tuple(argument for argument in arguments if not isinstance(argument, tuple)),
            tuple(sorted((argument for argument in arguments if isinstance(argument, tuple)), key=lambda option: option[0])),
            function.column,
        )


@cache
def _parser() -> Lark:
    grammar = files("monitor.detect").joinpath("grammar.lark").read_text("utf-8")
    return Lark(grammar, parser="lalr", maybe_placeholders=True, transformer=_Build())


MOST_CHARACTERS = 4000
DEEPEST = 60  # brackets
MOST_LEVELS = 150  # of the tree; Python's own stack ends at some 1000 calls, of which a level takes up to four


def parse(text: str) -> Tree:
    """Return the tree of an expression.

    Raises:
        ExpressionError: it does not parse; says what was found, what was expected, and the column.

    """
    if len(text) > MOST_CHARACTERS:
        raise ExpressionError(f"{len(text)} characters; an expression has at most {MOST_CHARACTERS}")
    depth = deepest = 0
    for character in text:
        depth += (character == "(") - (character == ")")
        deepest = max(deepest, depth)
    if deepest > DEEPEST:
        raise ExpressionError(f"{deepest} nested brackets; at most {DEEPEST}")
    flat = re.sub(r"\s", " ", text)
    try:
        tree = _parser().parse(flat)
    except UnexpectedEOF as error:
        raise ExpressionError(f"ends too early; expected {_expected(error.expected)}", len(flat) + 1) from None
    except UnexpectedToken as error:
        if error.token.type == "$END":
            raise ExpressionError(f"ends too early; expected {_expected(error.expected)}", len(flat) + 1) from None
        _hint(flat, error.pos_in_stream or 0, error.expected)
        if error.token.type == "COMPARE" and "$END" in error.expected:
            raise ExpressionError(f'found a second "{error.token}"; write a < b and b < c', error.column) from None
        raise ExpressionError(f'found "{error.token}"; expected {_expected(error.expected)}', error.column) from None
    except UnexpectedCharacters as error:
        _hint(flat, error.pos_in_stream or 0, error.allowed)
        raise ExpressionError(f'found "{error.char}"; expected {_expected(error.allowed)}', error.column) from None
    except UnexpectedInput as error:
        raise ExpressionError(str(error)) from None
    _bound(tree)  # type: ignore[arg-type]
    return tree  # type: ignore[return-value]


def below(tree: Tree) -> "tuple[Tree, ...]":
    """Return the trees that one is made of, in reading order."""
    if isinstance(tree, Operation):
        return tree.operands
    if isinstance(tree, Call):
        return (*tree.arguments, *(value for _, value in tree.options))
    return ()


def _bound(tree: Tree) -> None:
    """Refuse what is nested too deeply without brackets: a row of signs, of "not", or a very long sum."""
    level = [tree]
    for _ in range(MOST_LEVELS):
        level = [part for one in level for part in below(one)]
        if not level:
            return
    raise ExpressionError(f"more than {MOST_LEVELS} operations within each other; take it apart", level[0].column)


_OTHERWISE = {
    "=": "==",
    "=<": "<=",
    "=>": ">=",
    "<>": "!=",
    "&": "and",
    "&&": "and",
    "|": "or",
    "||": "or",
    "!": "not",
    "and": "and",
    "or": "or",
    "not": "not",
}  # as other languages write it, to what is written here


def _hint(text: str, at: int, expected: Iterable[str] | None) -> None:
    """Refuse in better words what stands at a place where another language's sign or word stands for one of this."""
    before = re.search(r"\b(AND|OR|NOT|And|Or|Not)\s+$", text[:at])  # taken for the unit of a number: `a > 5 AND b`
    at = before.start() if before else at - (text[max(0, at - 1) : at + 1] == "<>")
    match = re.compile(r"[A-Za-z]+|&&?|\|\|?|!(?!=)|<>|=[<>]|=").match(text, at)
    word = match[0] if match else ""
    wanted = _OTHERWISE.get(word.lower(), "")
    if not wanted or word == wanted or (word[0] == "=" and "COMPARE" not in set(expected or ())):
        return
    raise ExpressionError(f'found "{word}"; write {wanted}', at + 1)


_WORDS = {
    "NAME": "a name",
    "CONSTANT": "a number with its unit",
    "STRING": "a quoted state",
    "IN": '"in"',
    "LBRACE": '"{"',
    "RBRACE": '"}"',
    "LPAR": '"("',
    "RPAR": '")"',
    "COMPARE": "a comparison",
    "SIGN": "+ or -",
    "TIMES": "* or /",
    "MINUS": None,
    "LSQB": '"["',
    "RSQB": '"]"',
    "EXACTLY": '"="',
    "COMMA": '","',
    "DOT": '"."',
    "COLON": '":"',
    "AND": '"and"',
    "OR": '"or"',
    "NOT": '"not"',
    "$END": "the end",
}


def _expected(kinds: Iterable[str] | None) -> str:
    words = sorted({word for kind in kinds or () if (word := _WORDS.get(kind, kind))})
    return ", ".join(words) or "something else"
