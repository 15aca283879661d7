"""Names from the wire are shown, never obeyed."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stored_alerts import HOSTILE

from monitor.store.text import cell, shown, storable


@given(st.text())
def test_nothing_shown_can_steer_a_terminal(text: str) -> None:
    assert not [character for character in shown(text) if ord(character) < 0x20 or 0x7F <= ord(character) < 0xA0]
    assert not set(shown(text)) & set("\u202a\u202b\u202d\u202e\u2066\u2067\u2068\u2069\u200f\u2028")


def test_plain_words_of_any_language_stay_as_they_are() -> None:
    assert shown("Pod1C-E03 größe 機 °C") == "Pod1C-E03 größe 機 °C"


@pytest.mark.parametrize("text", HOSTILE)
def test_everything_storable_is_utf8(text: str) -> None:
    assert storable(text).encode().decode() == text.replace("\ud800", "\\ud800")


@given(st.text())
def test_a_cell_is_one_cell_and_no_formula(text: str) -> None:
    file = io.StringIO()
    csv.writer(file).writerow([cell(text), "end"])

    [row] = csv.reader(io.StringIO(file.getvalue()))
    assert row == [cell(text), "end"]
    assert not row[0].startswith(("=", "+", "-", "@"))
