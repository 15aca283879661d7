"""What README says is so."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from monitor.clock import iso
from monitor.collect.table import Table
from monitor.collect.table_map import load_map
from monitor.detect import rule_tests
from monitor.detect import rules as rule_files
from monitor.plant import Plant
from monitor.vocabulary import QUANTITIES

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def test_the_rule_of_the_five_minutes_is_sound_and_its_test_passes(tmp_path: Path) -> None:
    rule, test, _ = re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)
    (tmp_path / "cooling").mkdir()
    (tmp_path / "cooling/rack_supply_cold.yaml").write_text(rule)
    (tmp_path / "cooling/rack_supply_cold.test.yaml").write_text(test)

    assert rule_tests.run(rule_files.load(tmp_path)) == (2, [])


def test_the_map_of_the_trend_log_reads_one(tmp_path: Path) -> None:
    (tmp_path / "map.yaml").write_text(re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)[2])
    (tmp_path / "log.csv").write_text("Zeit;Rack;Durchfluss;Leistung;Vorlauf;Leck\n2026-07-01 12:00;R1;3,6;90000;25,5;aus\n")

    table, plant = Table(tmp_path / "log.csv", load_map(tmp_path / "map.yaml", QUANTITIES)), Plant()
    ((time, values),) = [(batch.first, batch.readings().value.tolist()) for batch in table.read(plant, 1.0)]

    assert iso(time) == "2026-07-01T10:00:00.000Z"
    assert values == pytest.approx([60.0, 90.0, 25.5, 0.0])


@pytest.mark.parametrize("line", sorted({line.split("#")[0].strip() for line in README.splitlines() if line.startswith("dcmon ")}))
def test_every_command_of_the_readme_exists_with_its_options(line: str) -> None:
    words = line.split()[1:]
    verbs = []
    for word in words:
        if not re.fullmatch(r"[a-z]+", word) or len(verbs) == 2 or verbs[-1:] in (["run"], ["check"], ["replay"], ["simulate"]):
            break
        verbs.append(word)
    shown = subprocess.run(
        [sys.executable, "-m", "monitor", *verbs, "--help"], capture_output=True, text=True, check=True, env={"COLUMNS": "200", "PATH": ""}
    ).stdout

    for option in re.findall(r"--[a-z-]+", line):
        assert option in shown


def test_every_folder_of_the_layout_is_there() -> None:
    for folder in re.findall(r"^\| `(\w+)/` \|", README, re.MULTILINE):
        assert (ROOT / folder).is_dir()
