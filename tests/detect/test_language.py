"""LANGUAGE.md cannot lie: every example on it is run, and every function is on it."""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from monitor import yamlfile
from monitor.detect import algebra, meaning, rule_tests, rules, syntax
from monitor.detect.functions import FUNCTIONS
from monitor.detect.nodes import BOOLEAN, Node, Scope
from monitor.detect.rule_tests import Case

ROOT = Path(__file__).parent.parent.parent
PAGE = ROOT / "monitor/detect/LANGUAGE.md"
RULES = rules.load(ROOT / "rules")
LOGIC = {"true": 1, "false": -1, "unknown": 0}
ERROR = re.compile(r"error (\d+): (.*)")


@dataclass(frozen=True)
class Example:
    """One line of the page: on which story it is run, and what it says."""

    line: int
    story: str
    each: bool
    expression: str
    result: str


def examples() -> list[Example]:
    found: list[Example] = []
    story, fence = "", ""
    for number, line in enumerate(PAGE.read_text().splitlines(), 1):
        if line.startswith("```"):
            fence = "" if fence else line[3:]
            if fence == "yaml":
                story = ""
        elif fence == "yaml":
            story += line + "\n"
        elif fence.startswith("expr"):
            expression, arrow, result = line.partition(" => ")
            assert arrow, f"{PAGE.name}:{number}: no =>"
            found.append(Example(number, story, fence == "expr each", expression.strip(), result.strip()))
    return found


EXAMPLES = examples()


def node_of(example: Example) -> Node:
    """Return the node, of a condition where the page says so, else of a value.

    Raises:
        ExpressionError: it has none.

    """
    tree = syntax.parse(example.expression)
    scope = Scope(RULES.limits.units, each=example.each, kinds=("rack",), derived=RULES.points())
    if ERROR.fullmatch(example.result):
        return meaning.condition(tree, scope)
    return meaning.understand(tree, scope)


@cache
def outcomes(story: str, *, each: bool) -> dict[Node, float]:
    """Play a story once for all of its examples; returns what each is at the end."""
    document, _ = yamlfile.parse(story, PAGE.name)
    case, faults = yamlfile.validate(document, Case)
    assert case is not None, faults
    nodes = [node_of(one) for one in EXAMPLES if (one.story, one.each) == (story, each) and not ERROR.fullmatch(one.result)]
    return rule_tests.measure(RULES, case, nodes, 1.0, each="any" if each else None)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda one: f"line {one.line}")
def test_an_example_is_what_the_page_says(example: Example) -> None:
    refused = ERROR.fullmatch(example.result)
    if refused:
        with pytest.raises(syntax.ExpressionError) as caught:
            node_of(example)
        assert (caught.value.column, caught.value.text) == (int(refused[1]), refused[2])
        return

    node = node_of(example)
    found = outcomes(example.story, each=example.each)[node]

    if node.unit == BOOLEAN:
        assert found == LOGIC[example.result]
    elif example.result == "unknown":
        assert np.isnan(found)
    else:
        number, _, unit = example.result.partition(" ")
        scale = algebra.factor(node.unit, unit)
        assert scale is not None, f"is in {node.unit}"
        assert found * scale == pytest.approx(float(number), rel=1e-3)


def test_every_function_is_on_the_page() -> None:
    shown = {name for one in EXAMPLES for name in re.findall(r"([a-z_]+)\(", one.expression) if not one.result.startswith("error")}

    assert set(FUNCTIONS) <= shown


def test_every_operator_is_on_the_page() -> None:
    text = " ".join(one.expression for one in EXAMPLES)

    assert [word for word in ("+", "-", "*", "/", "<", "<=", ">", ">=", "==", "!=", " and ", " or ", "not ") if word not in text] == []
