"""rules/COVERAGE.md: every fault of the catalogue, with rules that exist."""

import re
from pathlib import Path

from monitor.detect import rules

FOLDER = Path(__file__).parent.parent / "rules"
ROWS = [
    [cell.strip() for cell in line.strip().strip("|").split("|")]
    for line in (FOLDER / "COVERAGE.md").read_text().splitlines()
    if line[:1] == "|"
]
FAULTS = {f"{domain}{number:02d}" for domain, count in (("I", 24), ("P", 18), ("C", 28)) for number in range(1, count + 1)}
KNOWN = {one.id for one in rules.load(FOLDER).rules}
LATER = re.compile(r"checkout|active|lots|gates|lab|incident")
NAME = re.compile(r"\b(?:it|power|cooling|sensor|fleet)\.[a-z0-9_]+")


def test_all_seventy_faults_have_one_row() -> None:
    named = [row[0] for row in ROWS if re.fullmatch(r"[IPC]\d\d", row[0])]

    assert len(FAULTS) == 70
    assert sorted(named) == sorted(FAULTS)


def test_a_row_names_rules_or_says_which_part_will() -> None:
    empty = [row[0] for row in ROWS if row[0] in FAULTS and not NAME.search(row[3]) and not LATER.search(row[4])]

    assert empty == []


def test_every_rule_of_a_row_exists() -> None:
    assert {name for row in ROWS for name in NAME.findall(" ".join(row))} - KNOWN == set()


def test_most_faults_are_shown_by_points() -> None:
    shown = {row[0] for row in ROWS if row[0] in FAULTS and NAME.search(row[3])}

    assert FAULTS - shown == {"I07", "I10", "I18"}
