"""A core between restarts and reloads, and a re-run of what was stored."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from world import World, write

from monitor.detect import rules as rule_files
from monitor.model import Readings, State

LATCHED = "applies_to: rack\nlatch: true\nwhen: power > 50 kW"


def firing(folder: Path) -> World:
    world = World(folder, hot=LATCHED)
    world.point("R1", "power", unit="kW")
    world.play(0, power="60x3")
    world.settle()
    return world


def test_an_alert_whose_asset_has_not_come_back_ends_with_its_rule_once(tmp_path: Path) -> None:
    (alert,) = firing(tmp_path / "before").core.engine.open_alerts()
    world = World(tmp_path / "after", open_alerts=(alert,), hot=LATCHED)
    other = rule_files.load(write(tmp_path / "after", cold="applies_to: rack\nwhen: power < 1 kW"))

    assert world.core.engine.open_alerts() == [alert]
    assert world.core.reload(other, 2000.0) == [replace(alert, state=State.ENDED, ended=2000.0)]
    assert world.core.reload(other, 3000.0) == []
    assert world.core.engine.open_alerts() == []


def test_an_alert_is_acknowledged_before_its_asset_comes_back(tmp_path: Path) -> None:
    (alert,) = firing(tmp_path / "before").core.engine.open_alerts()
    world = World(tmp_path / "after", open_alerts=(alert,), hot=LATCHED)
    assert world.core.engine.acknowledge("cooling.hot", "R1")

    world.point("R1", "power", unit="kW")
    world.play(0, power="10x3")

    assert [one.state for one in world.end()] == [State.ENDED]


def test_an_acknowledgement_outlives_a_reload_that_changes_the_rule(tmp_path: Path) -> None:
    world = firing(tmp_path)
    world.core.engine.acknowledge("cooling.hot", "R1")
    world.reload(hot=f"{LATCHED}\nkeep: 2 s")
    world.play(0, power="10x5")

    assert [one.state for one in world.end()] == [State.ENDED]


def test_readings_whose_times_are_known_close_a_tick_as_live_ones_do(tmp_path: Path) -> None:
    world = World(tmp_path, hot=LATCHED, wet="applies_to: rack\nexpress: true\nwhen: leak == 1")
    rows = [world.point("R1", "power", unit="kW"), world.point("R1", "leak", unit="")]
    readings = Readings.of(rows, [1000.5, 1000.7], [60.0, 1.0])

    changes = world.core.take(1001.0, readings, np.array([1000.5, 1000.7]), readings.time)

    assert {(one.rule, one.fired) for one in changes} == {("cooling.hot", 1001.0), ("cooling.wet", 1000.7)}
