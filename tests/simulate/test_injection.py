"""Faults as text, and the truth about them."""

import math

import pytest

from monitor import shipped
from monitor.errors import InputError
from monitor.simulate.faults import FAULTS, Injection
from monitor.simulate.layout import Layout, Place
from monitor.simulate.pod import Pod

START = 1_767_225_600.0


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [("leak@Pod1-R03", 0, math.inf), ("leak@Pod1-R03+90", 90, math.inf), ("leak@Pod1-R03+1.5-300", 1.5, 300)],
)
def test_a_fault_is_read(text: str, start: float, end: float) -> None:
    assert Injection.parse(text) == Injection("leak", "Pod1-R03", start, end)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("leak", "has no place"),
        ("leak@+5", "has no place"),
        ("", "has no place"),
        ("leek@Pod1-R03", 'none is called "leek"; did you mean "leak"'),
        ("fire@Pod1-R03", "one of flow_restricted, leak"),
        ("leak@Pod1-R03+soon", '"soon" is no time'),
        ("leak@Pod1-R03+", '"" is no time'),
        ("leak@Pod1-R03+-5", "is no time"),
        ("leak@Pod1-R03+20-10", "is no time"),
        ("leak@Pod1-R03+nan", "is no time"),
        ("leak@Pod1-R03+inf", "is no time"),
    ],
)
def test_a_text_that_is_no_fault_says_what_would_do(text: str, said: str) -> None:
    with pytest.raises(InputError, match=said) as caught:
        Injection.parse(text)

    assert text in str(caught.value)


def test_a_place_that_the_pod_has_not_is_refused_at_once() -> None:
    with pytest.raises(InputError, match=r'strikes a rack, and none is called "Pod1-R33"; did you mean "Pod1-R0?3"'):
        Pod(6, start=START, faults=[Injection.parse("leak@Pod1-R33")])
    with pytest.raises(InputError, match="strikes a tap"):
        Pod(6, start=START, faults=[Injection.parse("phase_loss@Pod1-R03")])


def test_truth_says_what_where_when_and_who_should_see_it() -> None:
    texts = ["pump_trip@Pod1-CDU-1+60-200", "leak@Pod1-R02+90"]
    pump, leak = Pod(2, start=START, faults=[Injection.parse(text) for text in texts]).truth()

    assert (leak.fault, leak.where, leak.time, leak.end, leak.rules) == ("leak", "Pod1-R02", START + 90, None, ("cooling.leak",))
    assert leak.seen_by("cooling.leak", "Pod1-R02")
    assert not leak.seen_by("cooling.leak", "Pod1-R01")
    assert not leak.seen_by("cooling.rack_flow_low", "Pod1-R02")
    assert (pump.end, pump.assets) == (START + 200, ("Pod1-R01", "Pod1-R02"))
    assert leak.record()["about"]


def test_every_rule_that_should_see_a_fault_is_shipped() -> None:
    named = {rule for fault in FAULTS.values() for rule in fault.rules}

    assert {rule for rule in named if not (shipped.rules() / f"{rule.replace('.', '/')}.yaml").is_file()} == set()


@pytest.mark.parametrize("fault", FAULTS)
def test_every_fault_has_a_place_and_words(fault: str) -> None:
    assert Layout().ids(FAULTS[fault].place)
    assert FAULTS[fault].about
    assert FAULTS[fault].rules


def test_two_pods_share_no_id() -> None:
    one, other = Layout("Pod1", 3), Layout("Pod2", 3)

    assert not {name for place in Place for name in one.ids(place)} & {name for place in Place for name in other.ids(place)}
