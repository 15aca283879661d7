"""What is taken for YAML, where each thing stands, and what a fault says."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field, field_validator

from monitor import refusal, yamlfile, yamltext
from monitor.errors import Faults
from monitor.yamlfile import load, parse, scalar, validate


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Color(StrEnum):
    RED = "red"
    BLUE = "blue"


class Leaf(Strict):
    amount: float = Field(default=1.0, gt=0)
    colors: tuple[Color, ...] = ()
    wait: str = Field(default="1 s", alias="for")


class Named(Strict):
    kind: Literal["named"] = "named"
    names: dict[str, Leaf] = {}


class Root(Strict):
    id: str
    leaf: Leaf | None = None
    leaves: list[Leaf] = []
    either: Named | float | None = None
    pair: tuple[int, Leaf] | None = None
    limit: Annotated[int | bool, "either"] = 1

    @field_validator("id")
    @classmethod
    def _dotted(cls, value: str) -> str:
        if "." not in value:
            raise ValueError(f'"{value}" has no dot; write folder.name')
        return value


def told(text: str) -> list[str]:
    """Return what is wrong with a text, as a text and as a Root."""
    document, faults = parse(text, "f.yaml")
    return [str(fault) for fault in faults or validate(document, Root)[1]]


def test_places_are_those_of_the_keys_and_of_single_values() -> None:
    document, faults = parse("# first\na:\n  b: [1, {c: 2}]\n  text: |\n    long\n", "f.yaml")

    assert faults == []
    assert document.data == {"a": {"b": [1, {"c": 2}], "text": "long\n"}}
    assert (document.line(("a",)), document.column(("a",))) == (2, 1)
    assert document.place(("a", "b", 1, "c")) == ("f.yaml", 3, 11)
    assert document.place(("a", "b", 1, "c"), value=True) == ("f.yaml", 3, 14)
    assert document.place(("a", "text"), value=True) == ("f.yaml", 4, 9)


def test_what_is_missing_has_the_place_of_its_nearest_parent() -> None:
    document, _ = parse("\na:\n  b: [1]\n", "f.yaml")

    assert document.line(("a", "b", 7, "x")) == 3
    assert document.line(("a", "none")) == 2
    assert document.line(("none",)) == 1
    assert str(document.fault(("a", "none"), "is missing", value=True)) == "f.yaml:2:1: a.none: is missing"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *[(text, None) for text in ("", "~", "null")],
        *[("true", True), ("False", False), ("0", 0), ("-12", -12), ("010", 10), ("0x1f", 31), ("0o17", 15)],
        *[("1.5", 1.5), ("1e3", 1000.0), (".5", 0.5), ("5.", 5.0), ("-1.5E-3", -0.0015)],
        *[
            (text, text)
            for text in ("on", "off", "yes", "no", "12:30:00", "2026-01-01", ".nan", ".inf", "1_000", "1e999", "0x", "9" * 41, "1 s")
        ],
    ],
)
def test_plain_values_mean_what_they_look_like(text: str, value: Any) -> None:
    assert (scalar(text), type(scalar(text))) == (value, type(value))
    assert parse(f"key: {text}", "f.yaml")[0].data == {"key": value}


def test_quoted_values_and_all_keys_are_text() -> None:
    document, faults = parse("0012: '5'\non: \"true\"\nnull: ''\n1.0: >\n  5\n", "f.yaml")

    assert (document.data, faults) == ({"0012": "5", "on": "true", "null": "", "1.0": "5\n"}, [])


@given(st.text(alphabet="0123456789+-.eExo_:~ntrufals ", max_size=50))
def test_a_plain_value_never_fails(text: str) -> None:
    value = scalar(text)

    assert value is None or isinstance(value, (str, int, float))
    assert value not in (float("inf"), float("-inf"))


@given(st.text(alphabet="ab:-[]{},'\"#&*!|>%@ \n\t?0", max_size=60))
def test_any_text_gives_a_mapping_or_faults(text: str) -> None:
    document, faults = parse(text, "f.yaml")

    assert isinstance(document.data, dict)
    assert document.data or faults or yamltext.parse(text, "").root in (None, {})
    for path in document.keys:
        document.get(path)


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n", "{}"])
def test_nothing_is_an_empty_mapping(text: str) -> None:
    assert parse(text, "f.yaml")[0].data == {}


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        ("- 1", ["f.yaml:1: is a list; `key: value` lines are needed"]),
        ("word", ["f.yaml:1: is a single value; `key: value` lines are needed"]),
        (
            "a: 1\nb: 2\na: 3\na: 4\n",
            ["f.yaml:3:1: a: key is already on line 1; keep one", "f.yaml:4:1: a: key is already on line 1; keep one"],
        ),
        ("x: {a: 1, a: [1]}\n", ["f.yaml:1:11: x.a: key is already on line 1; keep one"]),
        (
            "a: &big [1]\nb: *big\n",
            [
                'f.yaml:1:4: anchor "&big" is not taken; write the value out where it is needed',
                'f.yaml:2:4: alias "*big" is not taken; write the value out',
            ],
        ),
        (
            "a: !!python/object:os.system {}\n",
            ['f.yaml:1:4: tag "tag:yaml.org,2002:python/object:os.system" is not taken; write the plain value'],
        ),
        ("? [1, 2]\n: *x\n", ["f.yaml:1:3: a key must be plain text", 'f.yaml:2:3: alias "*x" is not taken; write the value out']),
        ("a: 1\n---\nb: 1\n", ["f.yaml:2:1: a second document begins here; one file holds one"]),
        ("a: [1\nb: 2\n", ["f.yaml:2:2: is no YAML: did not find expected ',' or ']' while parsing a flow sequence"]),
        ("a: 1\n\tb: 2\n", ["f.yaml:2:1: is no YAML: found a tab character that violates indentation while scanning a plain scalar"]),
        ("a: 1\nb: \x00\n", ["f.yaml:2: is no YAML: control characters are not allowed; remove the character"]),
        ("a: " + "[" * 60, ["f.yaml:1:54: is nested deeper than 50; write it flatter"]),
        ("[" * 500_000, ["f.yaml:1:52: is nested deeper than 50; write it flatter"]),
    ],
    ids=range(13),
)
def test_what_is_no_plain_mapping_is_refused(text: str, faults: list[str]) -> None:
    assert [str(fault) for fault in parse(text, "f.yaml")[1]] == faults


def test_a_file_of_other_bytes_is_refused_by_line(tmp_path: Path) -> None:
    path = tmp_path / "f.yaml"
    path.write_bytes("a: 1\nb: grün\n".encode("latin-1"))

    with pytest.raises(Faults, match=r"f\.yaml:2: byte 0xfc is not UTF-8; save the file as UTF-8"):
        load(path)


def test_a_byte_order_mark_is_no_part_of_the_first_key(tmp_path: Path) -> None:
    path = tmp_path / "f.yaml"
    path.write_bytes(b"\xef\xbb\xbfa: 1\n")

    assert load(path).data == {"a": 1}


def test_a_large_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "f.yaml"
    path.write_text("a: 1\n" + "#" * yamlfile.MOST_BYTES)

    with pytest.raises(Faults, match=r"f\.yaml: is larger than 1,000,000 bytes; split it"):
        load(path)


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Faults, match=r"cannot be read: Is a directory"):
        load(tmp_path)


def test_a_good_file_becomes_its_model() -> None:
    document, _ = parse("id: a.b\nleaf: {for: 2 s, colors: [red]}\neither: {names: {x: {}}}\npair: [1, {amount: 2}]\n", "f.yaml")

    root, faults = validate(document, Root)

    assert faults == []
    assert root is not None
    assert root.leaf == Leaf(**{"for": "2 s"}, colors=(Color.RED,))


def test_a_part_of_a_file_is_checked_with_its_whole_path() -> None:
    document, _ = parse("rules:\n- amount: 1\n- amont: 2\n", "f.yaml")

    assert validate(document, Leaf, ("rules", 0)) == (Leaf(), [])
    assert [str(fault) for fault in validate(document, Leaf, ("rules", 1))[1]] == [
        'f.yaml:3:3: rules[1].amont: unknown key; did you mean "amount"?'
    ]


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        ("leaf: {}\n", ["f.yaml:1: id: is missing; add it"]),
        ("id: ab\n", ['f.yaml:1:5: id: "ab" has no dot; write folder.name']),
        ("id: 5\n", ["f.yaml:1:5: id: found 5; text is needed, so put it in quotes"]),
        ("id: a.b\nleaf: {wait: 1 s}\n", ["f.yaml:2:8: leaf.wait: unknown key; known keys: amount, colors, for"]),
        ("id: a.b\nleaves:\n- {amount: 1, colors: [rod]}\n", ['f.yaml:3:24: leaves[0].colors[0]: found "rod"; did you mean "red"?']),
        ("id: a.b\npair: [1, {amout: 2}]\n", ['f.yaml:2:12: pair[1].amout: unknown key; did you mean "amount"?']),
        ("id: a.b\neither: {names: {x: {amout: 2}}}\n", ['f.yaml:2:22: either.names.x.amout: unknown key; did you mean "amount"?']),
        (
            "id: a.b\neither: many\n",
            ['f.yaml:2:9: either: found "many"; `key: value` lines are needed; known keys: kind, names or must be a valid number'],
        ),
        ("id: a.b\nlimit: x\n", ['f.yaml:2:8: limit: found "x"; must be a valid integer or must be a valid boolean']),
        ("id: a.b\nleaves: {}\n", ["f.yaml:2:1: leaves: found an empty mapping; a list is needed"]),
        ("id: a.b\nleaf: {amount: null}\n", ["f.yaml:2:16: leaf.amount: found null; must be a valid number"]),
        ('id: a.b\n"\\e[2J": 1\n', ["f.yaml:2:1: \\x1b[2J: unknown key; known keys: either, id, leaf, leaves, limit, pair"]),
    ],
    ids=range(12),
)
def test_a_fault_says_where_what_was_found_and_what_would_do(text: str, faults: list[str]) -> None:
    assert told(text) == faults


def test_long_values_and_passwords_in_addresses_are_cut() -> None:
    assert refusal.shown("x" * 100) == '"' + "x" * 59 + "…"
    assert refusal.shown("http://me:secret@host/") == '"http://***@host/"'
    assert refusal.shown("abc", "token_file") == "a value that is not shown"


def test_a_value_from_elsewhere_names_its_source() -> None:
    document, _ = parse("id: a.b\nleaves: [{amount: 1}]\n", "f.yaml")

    document.override(("leaf", "colors", 0), "red", "VAR_1")
    document.override(("leaves", 1, "amount"), -1, "VAR_2")
    document.override(("leaves", 0), {"amount": 0}, "VAR_3")
    document.override(("id", "x"), 1, "VAR_4")

    assert document.data == {"id": "a.b", "leaf": {"colors": ["red"]}, "leaves": [{"amount": 0}, {"amount": -1}]}
    assert [str(fault) for fault in validate(document, Root)[1]] == [
        "VAR_3: leaves[0].amount: found 0; must be greater than 0",
        "VAR_2: leaves[1].amount: found -1; must be greater than 0",
    ]
