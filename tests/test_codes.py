"""Every driver code has one place: one rule, or the table of rules/it/README.md says that it is stored only."""

import re
from pathlib import Path

import pytest

from monitor.detect import rules

ROOT = Path(__file__).parent.parent
RULES = rules.load(ROOT / "rules")
STORED = "stored only"
XIDS = {  # NVIDIA's catalogue for Ampere and newer without its unused codes, those of its driver header, and those that DCGM adds
    *(13, 31, 32, 43, 44, 45, 46, 48, 54, 62, 63, 64, 69, 74, 79, 80, 92, 94, 95, 109, 110, 119, 120, 121, 136, 137, 140, 142, 143),
    *range(144, 152),
    *range(154, 177),
    *(38, 39, 42, 60, 61, 67, 73),
}
ALSO = {"it.gpu_double_bit_with_remap"}  # asks for codes that have their own rule, in company


def table() -> dict[str, list[tuple[int, str]]]:
    """Return (code, rule or "stored only") of each row, by the heading's word."""
    found: dict[str, list[tuple[int, str]]] = {}
    word = ""
    for line in (ROOT / "rules/it/README.md").read_text().splitlines():
        if line.startswith("## "):
            word = line.split()[1].lower()
        elif (row := re.match(r"\| ([\d ]+) \| `?([a-z0-9_. ]+?)`? \|", line)) is not None:
            found.setdefault(word, []).extend((int(code), row[2]) for code in row[1].split())
    return found


def asked(rule: str, word: str) -> set[int]:
    """Return the codes of the event point that a rule's `when` asks for, those it asks to be absent left out."""
    text = RULES.of(rule).rule.when
    sets = re.findall(rf"\b{word} (?:==|in) (\d+|{{[\d, ]+}})", text)
    return {int(code) for one in sets for code in re.findall(r"\d+", one)}


@pytest.mark.parametrize("word", ["xid", "sxid"])
def test_each_code_stands_once_in_the_table(word: str) -> None:
    codes = [code for code, _ in table()[word]]

    assert sorted(codes) == sorted(set(codes))


def test_the_table_has_every_xid() -> None:
    assert {code for code, _ in table()["xid"]} == XIDS


@pytest.mark.parametrize("word", ["xid", "sxid"])
def test_the_table_and_the_rules_say_the_same(word: str) -> None:
    told: dict[str, set[int]] = {}
    for code, rule in table()[word]:
        if rule != STORED:
            told.setdefault(rule, set()).add(code)
    found = {one.id: codes for one in RULES.rules if one.id not in ALSO and (codes := asked(one.id, word))}

    assert found == told
