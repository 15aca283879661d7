"""`dcmon racks` on a store that no daemon writes, like that of a replay."""

import asyncio
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from monitor.cli.racks import app
from monitor.errors import InputError
from monitor.model import Point
from monitor.plant import Plant
from monitor.store import acts
from monitor.store.embedded import Embedded


@pytest.fixture
def store(tmp_path: Path) -> Path:
    plant = Plant()
    for name, kind in (("Pod1-R01", "rack"), ("Pod1-R02", "rack"), ("CDU-1", "cdu")):
        plant.asset(name, kind)
    plant.describe(Point("bus", "flow", "Pod1-R01", "liquid_flow", "L/min"))
    plant.describe(Point("bus", "valve", "Pod1-R09", "valve_position", ""))  # known by its id only

    async def fill() -> None:
        async with Embedded(tmp_path / "monitor.db") as base:
            await base.save_plant(plant)

    asyncio.run(fill())
    return tmp_path


def racks(store: Path, *words: str, code: int = 0) -> Result:
    result = CliRunner().invoke(app, [*words, "--store", str(store)], env={"COLUMNS": "80"})
    assert result.exit_code == code, result.output
    return result


def refused(store: Path, *words: str) -> str:
    result = racks(store, *words, code=1)  # the root turns the error into exit code 2
    assert isinstance(result.exception, InputError)
    assert acts.after(store / "acts.db", 0) == []
    return str(result.exception)


def listed(store: Path) -> dict[str, str]:
    return {row["id"]: row["phase"] for row in map(json.loads, racks(store, "list", "--json").stdout.splitlines())}


def test_a_phase_is_recorded_and_listed_before_a_daemon_takes_it_up(store: Path) -> None:
    assert listed(store) == {"Pod1-R01": "watch", "Pod1-R02": "watch"}

    text = racks(store, "phase", "Pod1-R01", "soak", "--why", "filters changed", "--by", "ann").stdout

    assert text == ("recorded as act 1: Pod1-R01 to soak, by ann: filters changed\na running daemon takes it up within a second\n")
    assert listed(store) == {"Pod1-R01": "soak", "Pod1-R02": "watch"}
    assert racks(store, "list").stdout.splitlines() == [
        "id        phase  points  firing",
        "Pod1-R01  soak        1       0",
        "Pod1-R02  watch       0       0",
    ]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["phase", "Pod1-R01", "soak", "--why", ""], "--why is empty"),
        (["phase", "Pod1-R01", "soak", "--why", " \t"], "--why is empty"),
        (["phase", " ", "expected", "--why", "x"], "RACK is empty"),
        (["phase", "pod1-r1", "soak", "--why", "x"], 'knows no such rack; did you mean "Pod1-R01"?'),
        (["phase", "zzz", "soak", "--why", "x"], "`dcmon racks list`"),
        (["phase", "Pod1-R09", "soak", "--why", "x"], "--new"),
        (["phase", "CDU-1", "soak", "--why", "x"], "is no rack but of kind cdu"),
        (["phase", "CDU-1", "expected", "--why", "x", "--new"], "is no rack but of kind cdu"),
    ],
)
def test_what_cannot_be_done_is_refused_and_not_recorded(store: Path, words: list[str], said: str) -> None:
    assert said in refused(store, *words)


@pytest.mark.parametrize("words", [["Pod1-R07", "expected"], ["Pod1-R07", "soak", "--new"], ["Pod1-R09", "soak", "--new"]])
def test_a_rack_that_is_yet_to_come(store: Path, words: list[str]) -> None:
    assert "which the store does not know yet" in racks(store, "phase", *words, "--why", "ordered").stdout
    assert listed(store)[words[0]] == words[1]
    assert "know yet" not in racks(store, "phase", words[0], "checkout", "--why", "it came").stdout
    assert listed(store)[words[0]] == "checkout"


def test_before_any_daemon_ran_only_new_racks_can_be_named(tmp_path: Path) -> None:
    assert "knows no such rack" in refused(tmp_path, "phase", "R1", "soak", "--why", "x")
    racks(tmp_path, "phase", "R1", "soak", "--why", "x", "--new")


def test_the_history_of_a_rack(store: Path) -> None:
    for to, why in (("soak", "filters\x1b[2J changed"), ("accepted", "[red]done")):
        racks(store, "phase", "Pod1-R01", to, "--why", why, "--by", "ann")
    rows = [json.loads(line) for line in racks(store, "history", "Pod1-R01", "--json").stdout.splitlines()]

    assert [list(row) for row in rows] == [["time", "who", "from", "to", "why"]] * 2
    assert [(row["who"], row["from"], row["to"]) for row in rows] == [("ann", None, "soak"), ("ann", "soak", "accepted")]
    header, first, second = racks(store, "history", "Pod1-R01").stdout.splitlines()
    assert header.split() == ["time", "(UTC)", "who", "from", "to", "why"]
    assert first.endswith("ann  (first act)  soak      filters\\x1b[2J changed")
    assert second.endswith("ann  soak         accepted  [red]done")


def test_no_history_is_exit_code_1(store: Path) -> None:
    assert racks(store, "history", "Pod1-R02", code=1).stderr == 'no act on "Pod1-R02" is recorded\n'
    assert 'did you mean "Pod1-R02"?' in racks(store, "history", "pod1-r2", "--json", code=1).stderr
    assert isinstance(racks(store / "none", "history", "R", code=1).exception, InputError)
