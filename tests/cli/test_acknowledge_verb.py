"""`dcmon acknowledge` on a store that no daemon writes."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from monitor.cli.acknowledge import acknowledge
from monitor.errors import InputError
from monitor.model import ActKind, Alert, Severity, State
from monitor.store import acts, query
from monitor.store.embedded import Embedded

START = 1_767_225_600.0
FIRING = Alert("cooling.leak", "R1/tray3", "BMS/x#y", 2, Severity.CRITICAL, State.FIRING, START, None, None, None, "", "Leak")
OTHER = replace(FIRING, point="BMS/z", episode=1)
ENDED = replace(FIRING, rule="cooling.low", asset="R1", point="", state=State.ENDED, ended=START + 5)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    async def fill() -> None:
        async with Embedded(tmp_path / "monitor.db") as base:
            await base.append([FIRING, OTHER, ENDED])
            await base.append([replace(FIRING, severity=Severity.MAJOR)])

    asyncio.run(fill())
    return tmp_path


def run(store: Path, *words: str, code: int = 0) -> Result:
    app = typer.Typer()
    app.command()(acknowledge)
    result = CliRunner().invoke(app, [*words, "--store", str(store)])
    assert result.exit_code == code, (result.output, result.exception)
    return result


@pytest.mark.parametrize("name", ["1", "cooling.leak/R1/tray3/BMS/x#y", "cooling.leak/R1/tray3/BMS/x#y#2"])
def test_an_alert_is_named_by_number_or_by_what_it_is(store: Path, name: str) -> None:
    said = run(store, name, "--who", "ann", "--why", "on my way").stdout

    assert said.startswith("recorded as act 1: cooling.leak/R1/tray3/BMS/x#y#2 acknowledged by ann: on my way\n")
    (act,) = acts.after(store / "acts.db", 0)
    assert (act.kind, act.who, act.asset, act.why) == (ActKind.ACKNOWLEDGE, "ann", "R1/tray3", "on my way")
    assert acts.acknowledged_by(act, FIRING)
    assert not acts.acknowledged_by(act, OTHER)
    assert not acts.acknowledged_by(act, replace(FIRING, episode=3))


def test_the_number_of_an_alert_stays_when_it_changes(store: Path) -> None:
    rows = {(row["rule"], row["point"]): row["number"] for row in query.alerts(store / "monitor.db").objects()}

    assert rows == {("cooling.leak", "BMS/x#y"): 1, ("cooling.leak", "BMS/z"): 2, ("cooling.low", ""): 3}
    assert [one.alert.severity for one in query.named(store / "monitor.db", "4")] == [Severity.MAJOR]


def test_a_name_that_means_several_alerts_is_refused_with_all_of_them(store: Path) -> None:
    error = run(store, "cooling.leak/R1/tray3", "--who", "ann", code=1).exception

    assert isinstance(error, InputError)
    assert "means 2 alerts" in str(error)
    assert "1  cooling.leak/R1/tray3/BMS/x#y#2" in str(error)


def test_what_is_unknown_or_has_ended_is_exit_code_1_and_not_recorded(store: Path) -> None:
    assert "no alert" in run(store, "cooling.leak/R9", "--who", "ann", code=1).stderr
    assert "no alert" in run(store, "77", "--who", "ann", code=1).stderr
    assert "has ended" in run(store, "cooling.low/R1", "--who", "ann", code=1).stderr
    assert acts.after(store / "acts.db", 0) == []
