"""What is ordered to go wrong, as text; where it strikes, and the truth about it."""

import math

import pytest

from monitor import shipped
from monitor.errors import InputError
from monitor.simulate.fleet import Fleet
from monitor.simulate.injection import Injection, known
from monitor.simulate.physics import FAULTS
from monitor.simulate.trouble import TROUBLES

START = 1_767_225_600.0


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("leak@Pod1-R03", 0, math.inf),
        ("leak@Pod1-R03+90", 90, math.inf),
        ("leak@Pod1-R03+1.5-300", 1.5, 300),
        ("leak@Pod1-R03+10min-2h", 600, 7200),
    ],
)
def test_a_fault_is_read(text: str, start: float, end: float) -> None:
    assert Injection.parse(text) == Injection("leak", "Pod1-R03", start, end)


def test_size_and_time_may_be_given_and_the_place_left_out() -> None:
    assert Injection.parse("filter_clog+1h~size=2~time=30min") == Injection("filter_clog", "", 3600, size=2, time=1800)
    assert Injection.parse("filter_clog").where == ""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("leak@", "has no place"),
        ("leak@+5", "has no place"),
        ("", "one of"),
        ("leek@Pod1-R03", 'none is called "leek"; did you mean "leak"'),
        ("xyzzy@Pod1-R03", "one of .* would do"),
        ("leak@Pod1-R03+soon", '"soon" is no time'),
        ("leak@Pod1-R03+", '"" is no time'),
        ("leak@Pod1-R03+-5", "is no time"),
        ("leak@Pod1-R03+20-10", "is no time"),
        ("leak@Pod1-R03+nan", "is no time"),
        ("leak@Pod1-R03+inf", "is no time"),
        ("leak@Pod1-R03~size=big", '"size=big" is no option'),
        ("leak@Pod1-R03~colour=1", '"colour=1" is no option'),
    ],
)
def test_a_text_that_is_no_fault_says_what_would_do(text: str, said: str) -> None:
    with pytest.raises(InputError, match=said) as caught:
        Injection.parse(text)

    assert text in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("leak@Pod1-R33", "there is no rack 33"),
        ("leak@R13", "there is no rack 13"),
        ("leak@Pod9-R01", "there is no Pod9"),
        ("filter_clog@CDU7", 'nothing is called "CDU7"; did you mean "CDU1"'),
    ],
)
def test_a_place_that_the_fleet_has_not_is_refused_at_once(text: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        Fleet(12, start=START, faults=[Injection.parse(text)], pod_racks=6, detail=0, settle=10)


@pytest.mark.parametrize(
    ("where", "found"), [("r3", "Pod1-R03"), ("R7", "Pod2-R01"), ("Pod2-R03", "Pod2-R03"), ("pod1-r06", "Pod1-R06"), ("R12", "Pod2-R06")]
)
def test_racks_are_counted_through_or_named_with_their_pod(where: str, found: str) -> None:
    (truth,) = Fleet(12, start=START, faults=[Injection("leak", where)], pod_racks=6, detail=0, settle=10).truth()

    assert truth.where == found


def test_parts_of_racks_are_named_as_they_stand() -> None:
    (truth,) = Fleet(12, start=START, faults=[Injection.parse("psu_loss@r8/shelf2/psu3+5min")], pod_racks=6, detail=1, settle=10).truth()

    assert (truth.where, truth.assets, truth.time) == ("Pod2-R02/shelf2/psu3", ("Pod2-R02/shelf2/psu3",), START + 300)


def test_truth_says_what_where_when_and_who_should_see_it() -> None:
    texts = ["pump_trip@Pod1-CDU1+60-200", "leak@Pod1-R02+90", "pump_swap+10"]
    pump, leak, control = Fleet(2, start=START, faults=[Injection.parse(text) for text in texts], detail=0, settle=10).truth()

    assert (leak.fault, leak.where, leak.time, leak.end) == ("leak", "Pod1-R02", START + 90, None)
    assert leak.seen_by("cooling.leak", "Pod1-R02")
    assert not leak.seen_by("cooling.leak", "Pod1-R01")
    assert not leak.seen_by("cooling.rack_flow_low", "Pod1-R02")
    assert pump.end == START + 200
    assert leak.record()["about"]
    assert control.rules == ()


def test_every_rule_that_should_see_a_fault_is_shipped() -> None:
    named = {rule for info in (*FAULTS.values(), *TROUBLES.values()) for rule in info.rules}

    assert {rule for rule in named if not (shipped.rules() / f"{rule.replace('.', '/')}.yaml").is_file()} == set()


def test_no_name_stands_for_two_things() -> None:
    assert len(known()) == len(set(known()))


def test_two_pods_share_no_id_and_no_serial() -> None:
    fleet = Fleet(4, start=START, pod_racks=2, detail=1, settle=10)
    one, other = (pod.physics.layout for pod in fleet.pods)

    assert not {one.name(asset) for asset in one.ids("gpu")} & {other.name(asset) for asset in other.ids("gpu")}


def test_the_same_seed_says_the_same_however_time_passes() -> None:
    def values(steps: list[float]) -> list[float]:
        fleet = Fleet(2, start=START, seed=5, detail=0, settle=10)
        for to in steps:
            fleet.advance(START + to)
        found: list[float] = fleet.pods[0].values[:40].tolist()
        return found

    assert values([30.0]) == values([3.4, 11.0, 30.9])


def test_a_fleet_names_what_it_cannot_be() -> None:
    with pytest.raises(InputError, match="no name of a pod"):
        Fleet(2, start=START, name="a/b")
    with pytest.raises(InputError, match="at least 1"):
        Fleet(0, start=START)
    with pytest.raises(InputError, match="no SKU is called"):
        Fleet(1, start=START, sku="h100")
    with pytest.raises(InputError, match="for different plants"):
        Fleet(2, start=START, faults=[Injection("humidity"), Injection("ramp_from_idle")])
