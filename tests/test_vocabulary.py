"""Words that a rule folder adds to the shipped ones."""

from pathlib import Path

import pytest

from monitor import vocabulary
from monitor.errors import ConfigError
from monitor.vocabulary import Quantity

SETS = Path(__file__).parent / "sets"


@pytest.fixture
def load(tmp_path: Path):
    def loading(text: str):
        (tmp_path / "vocabulary.yaml").write_text(text)
        return vocabulary.load(tmp_path / "vocabulary.yaml")

    return loading


def test_words_have_a_unit_and_say_what_they_are(load) -> None:
    assert load(
        'plain: {unit: "", about: a number}\n'
        "heat_loss: {unit: kW, about: heat lost}\n"
        "starts: {about: starts, counter: true}\n"
        "alarm: {about: code of an alarm, event: true}\n"
        "spread: {unit: K, about: a difference}\n"
        "mode: {about: what it does, states: {1: heat, 0: off}}\n"
    ) == {
        "plain": Quantity("", "a number"),
        "heat_loss": Quantity("kW", "heat lost"),
        "starts": Quantity("", "starts", counter=True),
        "alarm": Quantity("", "code of an alarm", event=True),
        "spread": Quantity("K", "a difference"),
        "mode": Quantity("", "what it does", states=((0, "off"), (1, "heat"))),
    }
    assert load("") == {}


def test_all_faults_come_at_once_with_their_places(load) -> None:
    with pytest.raises(ConfigError) as error:
        load(
            "a1: {unit: GPM, about: x}\n"
            "a2: {unit: squids, about: x}\n"
            "leak: {about: x}\n"
            "rack: {about: x}\n"
            "Mode: {about: x}\n"
            "a3: {about: x, conter: true}\n"
            "a4: {about: x, states: {x: on}}\n"
            "a5: {about: x, counter: true, event: true}\n"
            "a6: {unit: kW}\n"
            "a7: {unit: kW, about: x, states: {0: off}}\n"
        )

    found = [str(fault).split("vocabulary.yaml:")[1] for fault in error.value.faults]
    assert found == [
        '1:12: a1.unit: "GPM" is not what values are kept in; write L/min',
        '2:12: a2.unit: "squids" is no known unit',
        "3:1: leak: is a shipped word (1 where liquid is detected, 0 where none is) and keeps its meaning; use it as it is, or another name",
        "4:1: rack: means something else in a rule; use another name",
        "5:1: Mode: is no name for a word; small letters, digits and _, a letter first, would do",
        '6:16: a3.conter: unknown key; did you mean "counter"?',
        '7:1: a4: states: found "x"; each line is `code: label` with a whole number, for example 1: open',
        "8:1: a5: is a counter and an event; keep one",
        "9:1: a6.about: is missing; add it",
        '10:1: a7: has states and the unit "kW"; a state has no unit, remove one of the two',
    ]


@pytest.mark.parametrize("path", sorted(SETS.glob("*/rules/vocabulary.yaml")), ids=lambda path: path.parts[-3])
def test_the_words_of_the_data_sets_are_sound(path: Path) -> None:
    assert vocabulary.load(path)
