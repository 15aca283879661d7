"""What people did: insert-only, many writers, one reader."""

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from stored_alerts import HOSTILE, START

from monitor.errors import StoreLost
from monitor.model import Act, ActKind
from monitor.store import acts


def test_acts_come_back_in_order_and_only_the_new_ones(tmp_path: Path) -> None:
    path = tmp_path / "acts.db"
    assert acts.after(path, 0) == []

    first = acts.record(path, "ann", ActKind.PHASE, "rack1", "soak", "checkout done", START)
    second = acts.record(path, "bob", ActKind.PHASE, "rack2", "watch", "", START + 1)

    assert acts.after(path, 0) == [
        Act(first, START, "ann", ActKind.PHASE, "rack1", "soak", "checkout done"),
        Act(second, START + 1, "bob", ActKind.PHASE, "rack2", "watch", ""),
    ]
    assert [act.id for act in acts.after(path, first)] == [second]
    assert acts.after(path, second) == []


@pytest.mark.parametrize("sql", ["UPDATE acts SET who = 'x'", "DELETE FROM acts"])
def test_an_act_can_be_neither_changed_nor_removed(tmp_path: Path, sql: str) -> None:
    path = tmp_path / "acts.db"
    acts.record(path, "ann", ActKind.PHASE, "rack1", "soak", "", START)

    with closing(sqlite3.connect(path)) as base, pytest.raises(sqlite3.IntegrityError, match="insert-only"):
        base.execute(sql)


def test_many_processes_insert_at_once(tmp_path: Path) -> None:
    path = tmp_path / "acts.db"
    code = (
        "import sys\nfrom pathlib import Path\nfrom monitor.model import ActKind\nfrom monitor.store import acts\n"
        "for number in range(15):\n    acts.record(Path(sys.argv[1]), sys.argv[2], ActKind.PHASE, str(number), 'soak', '', 0.0)\n"
    )
    writers = [subprocess.Popen([sys.executable, "-c", code, str(path), str(writer)], cwd=Path(__file__).parents[2]) for writer in range(4)]

    assert [writer.wait(60) for writer in writers] == [0] * 4
    found = acts.after(path, 0)
    assert sorted((act.who, int(act.asset)) for act in found) == [(str(writer), number) for writer in range(4) for number in range(15)]
    assert [act.id for act in found] == list(range(1, 61))


def test_hostile_words_are_only_words(tmp_path: Path) -> None:
    path = tmp_path / "acts.db"
    for word in HOSTILE:
        acts.record(path, word, ActKind.PHASE, word, word, word, START)

    assert [act.why for act in acts.after(path, 0)] == [word.replace("\ud800", "\\ud800") for word in HOSTILE]


def test_a_newer_file_and_a_broken_one_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "acts.db"
    acts.record(path, "ann", ActKind.PHASE, "rack1", "soak", "", START)
    with closing(sqlite3.connect(path)) as base:
        base.execute("PRAGMA user_version = 9")
    with pytest.raises(StoreLost, match="newer monitor"):
        acts.after(path, 0)
    with pytest.raises(StoreLost, match="newer monitor"):
        acts.record(path, "ann", ActKind.PHASE, "rack1", "soak", "", START)

    path.write_bytes(b"broken" * 1000)
    with pytest.raises(StoreLost, match="not a database"):
        acts.after(path, 0)


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(StoreLost, match="unable to open"):
        acts.record(tmp_path / "none" / "acts.db", "ann", ActKind.PHASE, "rack1", "soak", "", START)


def test_the_last_act_on_a_rack_is_its_phase_and_its_acts_come_in_order(tmp_path: Path) -> None:
    path = tmp_path / "acts.db"
    assert acts.phases(path) == {}
    assert acts.of(path, "rack1") == []
    for rack, to in (("rack1", "soak"), ("rack2", "watch"), ("rack1", "accepted")):
        acts.record(path, "ann", ActKind.PHASE, rack, to, "x", START)

    assert acts.phases(path) == {"rack1": "accepted", "rack2": "watch"}
    assert [act.value for act in acts.of(path, "rack1")] == ["soak", "accepted"]
