"""Trials: what was told held against what was injected, in memory and through real processes."""

import json
import re
import subprocess
import sys
from dataclasses import replace

import pytest

from monitor import shipped
from monitor.bench import trial
from monitor.bench.score import score
from monitor.bench.suite import ON_DSX, TOO_FAST, suite
from monitor.detect import rules as rule_files
from monitor.detect.rules import RuleSet
from monitor.errors import InputError
from monitor.model import Alert, Severity, State
from monitor.plant import Plant
from monitor.simulate.fleet import Fleet
from monitor.simulate.injection import Injection, Truth
from monitor.simulate.physics import CONTROLS, FAULTS


@pytest.fixture(scope="module")
def rules() -> RuleSet:
    return rule_files.load(shipped.rules())


@pytest.fixture
def plant() -> Plant:
    made = Plant()
    Fleet(3, start=0.0, detail=1, settle=10).pods[0].physics.layout.build(made)
    return made


def told(rule: str, asset: str, fired: float) -> Alert:
    return Alert(rule, asset, "", 1, Severity.MAJOR, State.FIRING, fired, None, None, None, "", "")


TRUTH = Truth("flow_restricted", "Pod1-R01", 100.0, 900.0, ("cooling.rack_flow_low",), ("Pod1-R01",), "")


def test_a_fault_is_found_by_its_rule_on_its_asset_in_its_time(rules: RuleSet, plant: Plant) -> None:
    alerts = [
        told("cooling.rack_flow_low", "Pod1-R02", 110.0),
        told("cooling.rack_flow_low", "Pod1-R01", 90.0),
        told("cooling.rack_flow_low", "Pod1-R01", 130.0),
    ]
    found = score([TRUTH], [replace(one, episode=number) for number, one in enumerate(alerts)], rules, plant)

    assert found["faults"] == [
        {"fault": "flow_restricted", "where": "Pod1-R01", "rule": "cooling.rack_flow_low", "asset": "Pod1-R01", "delay_s": 30.0}
    ]
    assert (found["found"], found["missed"], len(found["strange"]), found["strange_major"]) == (1, 0, 2, 2)


def test_a_fault_that_nobody_told_is_missed(rules: RuleSet, plant: Plant) -> None:
    found = score([TRUTH], [told("cooling.rack_flow_low", "Pod1-R01", 2000.0)], rules, plant)

    assert (found["found"], found["missed"]) == (0, 1)
    assert found["faults"][0]["rule"] is None


def test_what_explains_says_is_an_effect(rules: RuleSet, plant: Plant) -> None:
    effects = [told("it.gpu_hot", "Pod1-R01/tray3/gpu2", 150.0), told("it.gpu_hot", "Pod1-R02/tray3/gpu2", 150.0)]
    plant.asset("Pod1-R02/tray3/gpu2", "gpu", parent="Pod1-R02")
    found = score([TRUTH], [told("cooling.rack_flow_low", "Pod1-R01", 130.0), *effects], rules, plant)

    assert [one["asset"] for one in found["strange"]] == ["Pod1-R02/tray3/gpu2"]
    assert found["effects"] == 1


def test_a_control_has_nothing_to_find(rules: RuleSet, plant: Plant) -> None:
    found = score([replace(TRUTH, rules=())], [told("cooling.rack_flow_low", "Pod1-R01", 130.0)], rules, plant)

    assert (found["faults"], found["controls"], len(found["strange"])) == ([], ["flow_restricted@Pod1-R01"], 1)


def test_trials_on_no_account_and_alerts_on_trial_do_not_count(rules: RuleSet, plant: Plant) -> None:
    assert score([], [replace(told("cooling.rack_flow_low", "Pod1-R01", 1.0), told=False)], rules, plant)["alerts"] == 0


def test_the_suite_has_every_fault_and_control_once_each_where_it_can_be() -> None:
    orders = suite(10, 10, 24)
    truth = Fleet(100, start=0.0, faults=orders, pod_racks=10, detail=7, settle=10).truth()

    assert {one.fault for one in orders} == (set(FAULTS) | set(CONTROLS)) - TOO_FAST
    racks = [re.split("[/:]", one.where)[0] for one in truth if re.search(r"-R\d", one.where)]
    assert len(racks) == len({rack.partition("-TAP")[0] for rack in racks})
    assert all(one.start + FAULTS[one.fault].seen <= 86_400 for one in orders if one.fault in FAULTS)
    assert set(FAULTS) > ON_DSX - set(CONTROLS)


def test_a_suite_that_does_not_fit_says_so() -> None:
    with pytest.raises(InputError, match="do not fit"):
        suite(2, 4, 24)


def test_in_memory_a_leak_and_a_tripped_pump_are_found_and_nothing_else_is_told(rules: RuleSet) -> None:
    orders = [Injection.parse("leak@r3+5min"), Injection.parse("pump_trip@Pod2-CDU1+10min")]
    fleet = Fleet(6, start=trial.START, seed=2, faults=orders, pod_racks=3, detail=0, step=10.0)
    found = trial.together([trial.in_memory(fleet, rules, 0.4)])

    assert (found["found"], found["missed"], found["strange"]) == (2, 0, [])
    assert {one["where"]: one["rule"] for one in found["faults"]}["Pod1-R03"] == "cooling.leak"
    assert found["rack_days"] == 0.1
    assert found["readings"] > 10_000


@pytest.mark.parametrize("wire", ["frames", "dsx"])
def test_through_broker_and_daemon_the_same_is_found(wire: str) -> None:
    words = ["trial", "--wire", wire, "--racks", "3", "--pod-racks", "3", "--detail", "1", "--hours", "0.2", "--clock-rate", "40"]
    done = subprocess.run(
        [sys.executable, "-m", "monitor", *words, "--fault", "leak@r3+4min", "--json"],
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout)
    assert [(one["rule"], one["asset"]) for one in found["faults"]] == [("cooling.leak", "Pod1-R03")]
    assert 0 <= found["faults"][0]["delay_s"] <= 30
    assert found["spoken"]["readings"] > 1000
    assert found["spoken"]["skipped"] < 30


def test_rates_have_a_bound() -> None:
    assert trial.rate(0, 600) == (0.0, 0.00499)
    assert trial.rate(3, 600)[1] == pytest.approx(0.01292, abs=1e-4)
