"""A replay's own ways: what it does where nothing was said for long."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest

from monitor import pipeline
from monitor.collect.recording import Batch
from monitor.config import Config
from monitor.detect import rules as rule_files
from monitor.detect import silence
from monitor.model import Alert, Point, Readings
from monitor.plant import Plant

START = 1_767_225_600.0
RULE = "title: A rule\nstatus: trial\nseverity: minor\nwhy: w\ndo: d\nsource: s\nblind: b\n"
RULES = {
    "hot": "applies_to: rack\nwhen: power > 5 kW\nfor: 10 min\nkeep: 10 min\n",
    "hot_for_hours": "applies_to: rack\nwhen: mean_over(power, 6 h) > 5 kW\n",
    "old": "applies_to: rack\nwhen: age(power) > 20 min\n",
    "silent": "applies_to: source\nwhen: silence > 90 min\nclear: silence < 5 min\n",
    "silent_of_late": "applies_to: source\nwhen: max_over(silence, 3 h) > 1 h\n",
}


class Log:
    """A recording of one point: (s since the start, kW)."""

    messages = superseded = 0
    dropped: Mapping[str, int] = MappingProxyType({})
    heartbeats: Mapping[int, object] = MappingProxyType({})
    faults: Sequence[str] = ()

    def __init__(self, rows: list[tuple[float, float]]) -> None:
        self.rows = rows

    def read(self, plant: Plant, tick: float) -> Iterator[Batch]:
        plant.asset("R1", "rack")
        point = plant.describe(Point("log", "R1/power", "R1", "power", "kW", interval=60))
        for at, value in self.rows:
            time = START + at
            yield Batch(time, time, lambda time=time, value=value: Readings.of([point], [time], [value]))

    def close(self) -> None:
        pass


@pytest.fixture
def rules(tmp_path: Path):
    (tmp_path / "sensor").mkdir()
    for name, text in RULES.items():
        (tmp_path / f"sensor/{name}.yaml").write_text(f"id: sensor.{name}\n{RULE}{text}")
    return rule_files.load(tmp_path)


def replay(rows: list[tuple[float, float]], rules: rule_files.RuleSet, tick: float = 60.0) -> tuple[list[dict[str, object]], int]:
    """Return the alerts and how many ticks ran."""
    config = Config()
    config = config.model_copy(update={"time": config.time.model_copy(update={"tick": tick})})
    ran = 0

    class Counting(pipeline.Core):
        def _tick(self, tick) -> list[Alert]:
            nonlocal ran
            ran += 1
            return super()._tick(tick)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipeline, "Core", Counting)
        done = asyncio.run(pipeline.replay(Log(rows), rules, config))
    return [asdict(alert) for alert in done.alerts], ran


def minutes(*spans: tuple[int, int, float]) -> list[tuple[float, float]]:
    """Return one row a minute over spans of (first, last, kW)."""
    return [(60.0 * at, value) for first, last, value in spans for at in range(first, last)]


@pytest.mark.parametrize("kind", ["days", "open alert", "many gaps", "a window cut in two"])
def test_long_silences_change_nothing_but_the_cost(rules, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    rows = {
        "days": minutes((0, 60, 1), (15_000, 15_500, 6), (15_500, 15_520, 1)),
        "open alert": minutes((0, 30, 6), (15_003, 15_030, 6), (15_030, 15_050, 1)),
        "many gaps": minutes((0, 90, 6), (9_001, 9_500, 7), (19_777, 20_300, 6)),
        "a window cut in two": minutes((0, 340, 6), (9_017, 9_050, 6), (9_050, 9_060, 1)),
    }[kind]
    with_skips, few = replay(rows, rules)
    monkeypatch.setattr(silence, "FEW", 10**9)
    all_ticks, many = replay(rows, rules)

    assert with_skips == all_ticks
    assert {alert["rule"] for alert in all_ticks} >= {"sensor.silent", "sensor.silent_of_late", "sensor.old"}
    assert few < many / 2


def test_a_gap_of_years_at_ticks_of_a_second_costs_seconds(rules) -> None:
    alerts, ticks = replay([(0.0, 1.0), (1.0, 1.0), (10 * 365 * 86_400.0, 1.0)], rules, 1.0)

    assert ticks < 200_000
    assert [alert["rule"] for alert in alerts] == ["sensor.old", "sensor.silent", "sensor.silent_of_late"]


def test_a_night_without_rows_is_passed_where_no_rule_looks_back_far(rules) -> None:
    few = replace(rules, rules=tuple(one for one in rules.rules if one.id == "sensor.hot"))

    alerts, ticks = replay(minutes((0, 60, 6), (700, 760, 6), (760, 800, 1)), few)

    assert ticks < 300
    assert [(alert["fired"] - START, alert["ended"] - START) for alert in alerts] == [(600, 770 * 60)]


def test_memory_is_what_the_rules_look_back_at(rules) -> None:
    assert silence.memory(rules)(180.0) == 180 + 6 * 3600 + rule_files.CHATTER + silence.PAUSE_LEAST
    assert np.isfinite(silence.memory(rules)(0.0))
