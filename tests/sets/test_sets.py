"""The data sets through `dcmon replay`: the required figures hold, and every map, rule and rule test of these folders is sound."""

from pathlib import Path

import evaluate
import pytest
from data import recorded

from monitor.collect.table_map import load_map
from monitor.detect import rule_tests

HERE = Path(__file__).parent
SETS = sorted(path.parent.name for path in HERE.glob("*/rules"))


def test_there_are_four_sets() -> None:
    assert sorted(evaluate.SETS) == SETS == ["lbnl_ahu", "nab", "skab", "smd"]


@pytest.mark.parametrize("name", SETS)
def test_maps_and_rules_of_a_set_are_sound(name: str) -> None:
    checked = rule_tests.check(HERE / name / "rules")
    maps = sorted((HERE / name).glob("*.yaml"))

    count, failed = rule_tests.run(checked)

    assert maps
    assert all(load_map(path, checked.vocabulary) for path in maps)
    assert count > 0
    assert failed == []


def test_every_set_says_what_was_reached() -> None:
    assert all("python tests/sets/evaluate.py" in (HERE / name / "README.md").read_text() for name in SETS)


@pytest.mark.timeout(600)
def test_skab_experiments() -> None:
    """Required: F1 at least 0.75, FAR at most 20 %, in the protocol of the data's README."""
    experiments = sorted(recorded("data", "skab").glob("*/*.gz"))

    figures = evaluate.skab_pooled([evaluate.skab_run(path) for path in experiments])

    assert len(experiments) == 11
    assert figures["F1"] >= 0.75  # type: ignore[operator]
    assert figures["FAR"] <= 0.20  # type: ignore[operator]


@pytest.mark.timeout(600)
def test_skab_without_a_fault() -> None:
    """Required: alarmed at most 5 % of the time while the loop warms up and drifts, in the mean of the starts."""
    path = recorded("data", "skab", "anomaly-free.csv.gz")

    shares = [evaluate.skab_run(path, start).share for start in (6000, 8000)]

    assert sum(shares) / len(shares) <= 0.05


def test_nab_series_finds_no_less_than_the_plain_ewma_with_no_more_false_alerts() -> None:
    recorded("data", "nab", "windows.json")

    figures = evaluate.beside_ewma(evaluate.nab_series("ec2_network_in_257a54"))

    ours, theirs = figures["ours"], figures["ewma"]
    assert ours["found"] == figures["windows"] == 1  # type: ignore[index]
    assert ours["false_alerts"] <= theirs["false_alerts"]  # type: ignore[index]


def test_lbnl_stuck_valve_is_found_and_a_normal_day_is_quiet() -> None:
    recorded("data", "lbnl_ahu", "data", "SZVAV.csv.gz")

    assert evaluate.lbnl_day("SZVAV", "2017-09-22")["alerts"]
    assert not evaluate.lbnl_day("SZVAV", "2017-09-24")["alerts"]
