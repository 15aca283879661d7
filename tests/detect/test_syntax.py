"""Text to tree: shapes, places, and what a fault says."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.detect.syntax import DEEPEST, MOST_CHARACTERS, Call, Constant, ExpressionError, Name, Operation, nearest, parse

A, B, C = (Name("", name, ()) for name in "abc")


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("a", A),
        ("a > 1", Operation(">", (A, Constant(1, "")))),
        ("a + b * c", Operation("+", (A, Operation("*", (B, C))))),
        ("a - b - c", Operation("-", (Operation("-", (A, B)), C))),
        ("(a - b) / c", Operation("/", (Operation("-", (A, B)), C))),
        ("-a < b", Operation("<", (Operation("neg", (A,)), B))),
        ("not a and b or c", Operation("or", (Operation("and", (Operation("not", (A,)), B)), C))),
        ("not (a or b)", Operation("not", (Operation("or", (A, B)),))),
        ("a and b and c", Operation("and", (A, B, C))),
        ("limit.x", Name("limit", "x", ())),
        ("rack.power[b, a]", Name("rack", "power", ("a", "b"))),
        ("a[=b, setpoint]", Name("", "a", ("=", "b", "setpoint"))),
        ("f(a, 60 s)", Call("f", (A, Constant(60, "s")), ())),
        ("f(a, within: cdu)", Call("f", (A,), (("within", Name("", "cdu", ())),))),
        ("android", Name("", "android", ())),
        ("a\n  > 1", Operation(">", (A, Constant(1, "")))),
    ],
)
def test_a_text_has_its_tree(text: str, tree: object) -> None:
    assert parse(text) == tree


@pytest.mark.parametrize(
    ("text", "value", "unit"),
    [
        ("20 kW", 20, "kW"),
        ("20kW", 20, "kW"),
        ("1.5e3 W", 1500, "W"),
        ("10 %", 10, "%"),
        ("45 °C", 45, "°C"),
        ("0.67 L/min/kW", 0.67, "L/min/kW"),
        ("0.5 L/min/%", 0.5, "L/min/%"),
        ("0.0668 kW*min/(L*K)", 0.0668, "kW*min/(L*K)"),
        ("2 m^3", 2, "m^3"),
    ],
)
def test_a_constant_has_its_unit(text: str, value: float, unit: str) -> None:
    assert parse(text) == Constant(value, unit)


def test_a_unit_takes_no_bracket_that_is_not_its_own() -> None:
    assert parse("(a < 60 L/min)") == Operation("<", (A, Constant(60, "L/min")))
    assert parse("(a < 60 L/min) and b > 5 K") == Operation("and", (parse("a < 60 L/min"), parse("b > 5 K")))


def test_a_unit_ends_before_a_word_of_logic() -> None:
    assert parse("a > 20 and b > 5 or c > 1") == parse("(a > 20 and b > 5) or c > 1")


@pytest.mark.parametrize(
    ("text", "column", "fault"),
    [
        ("", 1, 'ends too early; expected "(", "not", a name, a number with its unit'),
        ("a >", 4, 'ends too early; expected "(", a name, a number with its unit'),
        ("(a > 1", 7, 'ends too early; expected ")"'),
        ("a > 1)", 6, 'found ")"; expected the end'),
        ("a[1] > 1", 3, 'found "1"; expected "=", a name'),
        ("a[] > 1", 3, 'found "]"; expected "=", a name'),
        ("a[=] > 1", 4, 'found "]"; expected a name'),
        ("1 < a < 2", 7, 'found a second "<"; write a < b and b < c'),
        ("a == 1 ; b", 8, 'found ";"; expected'),
        ("Power > 1", 1, 'found "P"; expected "(", "not", a name, a number with its unit'),
        ("f()", 3, 'found ")"; expected'),
        ("__import__('os')", 12, 'found "\'"; expected'),
        ("a.b.c > 1", 4, 'found "."; expected'),
        ("lambda: 1", 7, 'found ":"; expected'),
        ("a = 1", 3, 'found "="; write =='),
        ("a => 1", 3, 'found "=>"; write >='),
        ("a <> 1", 3, 'found "<>"; write !='),
        ("a[b=c] > 1", 4, 'found "="; expected ",", "]"'),
        ("a > 5 && b < 1", 7, 'found "&&"; write and'),
        ("a > 5 || b < 1", 7, 'found "||"; write or'),
        ("!a", 1, 'found "!"; write not'),
        ("a > 5 kW AND b < 1", 10, 'found "AND"; write and'),
        ("a > 5 AND b < 1", 7, 'found "AND"; write and'),
        ("a OR b", 3, 'found "OR"; write or'),
        ("NOT a", 1, 'found "NOT"; write not'),
        ("rack power > 1", 6, 'found "power"; expected "(", ")", ",", ".", "["'),
    ],
)
def test_a_fault_says_what_was_found_where_and_what_would_do(text: str, column: int, fault: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        parse(text)

    assert caught.value.column == column
    assert caught.value.text.startswith(fault)


def test_size_and_depth_are_bounded() -> None:
    with pytest.raises(ExpressionError, match=r"4001 characters; an expression has at most 4000"):
        parse("a" * (MOST_CHARACTERS + 1))
    with pytest.raises(ExpressionError, match=r"61 nested brackets; at most 60"):
        parse("(" * (DEEPEST + 1) + "a" + ")" * (DEEPEST + 1))
    assert parse("(" * DEEPEST + "a" + ")" * DEEPEST) == A


@pytest.mark.parametrize("text", ["not " * 900 + "a", "-" * 3000 + "a", "+".join("a" * 1500), "f(" * 59 + "-" * 100 + "a" + ")" * 59])
def test_levels_without_brackets_are_bounded(text: str) -> None:
    with pytest.raises(ExpressionError, match="more than 150 operations within each other; take it apart"):
        parse(text)


@given(
    st.text(max_size=200)
    | st.lists(st.sampled_from(["a", "not", "and", "-", "(", ")", "[", "]", "=", "<", "1 kW", "f", ",", ":", "."]), max_size=40).map(
        " ".join
    )
)
def test_no_text_does_more_than_be_refused(text: str) -> None:
    error: ExpressionError | None = None
    try:
        parse(text)
    except ExpressionError as caught:
        error = caught

    assert error is None or (error.text and 1 <= error.column <= len(text) + 1)


def test_the_nearest_word_is_suggested() -> None:
    assert nearest("liquid_flw", ["liquid_flow", "power"]) == '; did you mean "liquid_flow"?'
    assert nearest("xyz", ["liquid_flow"], otherwise="; see the list") == "; see the list"
