"""The command line as a user has it: real processes, exit codes, JSON."""

import gzip
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import StartBroker
from data import recorded

KEYS = ["rule", "asset", "point", "severity", "fired", "ended", "value", "limit", "unit", "summary"]


def dcmon(*arguments: object, code: int = 0, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "monitor", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=100,
        env={**os.environ, **(environment or {})},
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done


def test_replay_tells_its_summary_and_writes_alerts(tmp_path: Path) -> None:
    source, out = recorded("dsx-exchange", "dsx_exemplar.csv"), tmp_path / "out.jsonl"
    summary = json.loads(dcmon("replay", source, "--alerts", out, "--json", "--store", tmp_path / "data").stdout)

    assert {key: summary[key] for key in ("messages", "points", "racks", "edges", "values_stored", "dropped", "late")} == {
        "messages": 4711, "points": 166, "racks": 6, "edges": 24, "values_stored": 4545, "dropped": {}, "late": 0,
    }  # fmt: skip
    alerts = [json.loads(line) for line in out.read_text().splitlines()]
    assert summary["alerts"] == len(alerts) > 0
    assert all(list(alert) == KEYS for alert in alerts)
    assert [(alert["fired"], alert["rule"], alert["asset"]) for alert in alerts] == sorted(
        (alert["fired"], alert["rule"], alert["asset"]) for alert in alerts
    )
    assert alerts[0]["fired"].startswith("2026-01-01T00:0")

    kept = [json.loads(line) for line in dcmon("query", "alerts", "--store", tmp_path / "data", "--json").stdout.splitlines()]
    assert len(kept) == len(alerts)
    points = dcmon(
        "query", "points", "--store", tmp_path / "data", "--asset", "Pod1C-E03", "--quantity", "liquid_flow", "--json"
    ).stdout.splitlines()
    assert len(points) == 94
    racks = [json.loads(line) for line in dcmon("racks", "list", "--store", tmp_path / "data", "--json").stdout.splitlines()]
    assert len(racks) == 6


def test_replay_for_people_names_findings_and_alerts() -> None:
    text = dcmon("replay", recorded("dsx-exchange", "dsx_exemplar.csv")).stdout

    assert "4,711 messages, 166 points" in text
    assert "Seccondary" in text
    assert "power.current_over_limit" in text.replace("\n", "")


FLOW = "BMS/v1/PUB/{}/Rack/RackLiquidFlow/p"
METADATA = '{""rackLocationId"":""R1"",""engUnit"":""LPM"",""objectType"":""Rack"",""pointType"":""RackLiquidFlow""}'
VALUE = '{""timestamp"":{{timestamp_ms}},""value"":30,""quality"":1}'


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """Two values before their metadata, of which the older is superseded."""
    rows = ["offset,topic,payload", *(f'{at}s,{FLOW.format("Value")},"{VALUE}"' for at in (0, 1))]
    path = tmp_path / "recording.csv"
    path.write_text("\n".join([*rows, f'2s,{FLOW.format("Metadata")},"{METADATA}"', f'3s,{FLOW.format("Value")},"{VALUE}"', ""]))
    return path


def test_a_replay_says_what_waited_for_metadata(recording: Path) -> None:
    assert "2 values, 1 superseded while they waited for metadata, 0 late" in dcmon("replay", recording).stdout


def test_a_second_replay_into_a_store_is_refused_unless_asked_for(recording: Path, tmp_path: Path) -> None:
    store = tmp_path / "data"
    dcmon("replay", recording, "--store", store)

    assert (
        "already holds 1 segment; give --store another folder, or --append" in dcmon("replay", recording, "--store", store, code=2).stderr
    )
    assert len(dcmon("query", "points", "--store", store, "--json").stdout.splitlines()) == 2
    dcmon("replay", recording, "--store", store, "--append")
    assert len(dcmon("query", "points", "--store", store, "--json").stdout.splitlines()) == 4


def test_a_replay_that_cannot_be_written_leaves_nothing_behind(recording: Path, tmp_path: Path) -> None:
    store, kept = tmp_path / "data", tmp_path / "kept.jsonl"
    kept.write_text("old")
    for alerts in (tmp_path / "none/out.jsonl", tmp_path):
        assert "cannot be written" in dcmon("replay", recording, "--store", store, "--alerts", alerts, code=2).stderr
    dcmon("replay", __file__, "--store", store, "--alerts", tmp_path / "out.jsonl", code=2)
    dcmon("replay", __file__, "--store", store, "--alerts", kept, code=2)

    assert not store.exists()
    assert not (tmp_path / "out.jsonl").exists()
    assert kept.read_text() == "old"


def test_a_replay_of_nothing_usable_is_exit_code_1(tmp_path: Path) -> None:
    (tmp_path / "empty.csv").write_text("offset,topic,payload\n0s,a/b,c\n")
    done = dcmon("replay", tmp_path / "empty.csv", code=1)

    assert "1 messages, 0 points; 0 edges" in done.stdout
    assert "no value of the recording could be used" in done.stderr
    assert json.loads(dcmon("replay", tmp_path / "empty.csv", "--json", code=1).stdout)["values_stored"] == 0


def test_a_replay_reads_standard_input_and_gzip(recording: Path, tmp_path: Path) -> None:
    with recording.open() as file:
        piped = subprocess.run([sys.executable, "-m", "monitor", "replay", "-"], stdin=file, capture_output=True, text=True)
    (tmp_path / "packed.csv.gz").write_bytes(gzip.compress(recording.read_bytes()))
    packed = dcmon("replay", tmp_path / "packed.csv.gz")

    assert piped.returncode == 0
    assert piped.stdout.splitlines()[0] == packed.stdout.splitlines()[0] == "4 messages, 1 points on 1 rack; 0 edges"


def test_the_phase_of_a_rack_of_a_replay_is_set_and_listed(recording: Path, tmp_path: Path) -> None:
    dcmon("replay", recording, "--store", tmp_path / "data")
    dcmon("racks", "phase", "R1", "soak", "--why", "filters changed", "--store", tmp_path / "data")

    assert json.loads(dcmon("racks", "list", "--json", "--store", tmp_path / "data").stdout)["phase"] == "soak"
    assert 'did you mean "R1"?' in dcmon("racks", "phase", "R11", "soak", "--why", "x", "--store", tmp_path / "data", code=2).stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["replay", "nowhere.csv"], "nowhere.csv"),
        (["replay", __file__], "offset,topic,payload"),
        (["replay", __file__, "--start", "soon"], "--start"),
        (["replay", __file__, "--rules", "nowhere"], "nowhere"),
        (["check", "nowhere.yaml"], "nowhere.yaml"),
        (["rules", "check", "nowhere"], "nowhere"),
        (["racks", "phase", "R1", "soak", "--why", "x", "--store", "nowhere"], "nowhere"),
        (["simulate", "--fault", "nonsense"], "nonsense"),
    ],
)
def test_wrong_use_says_what_was_found(arguments: list[str], words: str) -> None:
    done = dcmon(*arguments, code=2)

    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_a_store_that_is_not_there_is_said(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "monitor", "query", "alerts", "--store", tmp_path / "none"], capture_output=True, text=True
    )

    assert done.returncode in {2, 3}
    assert "none" in done.stderr


def test_rules_are_checked_tested_and_listed(tmp_path: Path) -> None:
    assert "sound" in dcmon("rules", "check").stdout
    assert len(dcmon("rules", "list", "--json").stdout.splitlines()) >= 12
    assert "liquid_flow" in dcmon("rules", "list", "--words").stdout
    (tmp_path / "cooling").mkdir()
    (tmp_path / "cooling/bad.yaml").write_text("id: cooling.bad\ntitle: Bad rule\nwhen: x >\n")
    assert "cooling/bad.yaml:" in dcmon("rules", "check", tmp_path, code=2).stderr


def test_check_knows_the_skus_of_its_rules(tmp_path: Path) -> None:
    (tmp_path / "monitor.yaml").write_text("racks:\n  R1: {sku: gb200_nvl27}\n")

    said = dcmon("check", tmp_path / "monitor.yaml", code=2).stderr

    assert 'monitor.yaml:2:13: racks.R1.sku: found "gb200_nvl27"; did you mean "gb200_nvl72"?' in said


def test_one_rule_file_is_checked_alone() -> None:
    assert dcmon("rules", "check", Path(__file__).parents[2] / "rules/cooling/leak.yaml").stdout == "cooling.leak is sound\n"


def test_a_failed_rule_test_is_exit_code_1(tmp_path: Path) -> None:
    (tmp_path / "cooling").mkdir()
    (tmp_path / "cooling/hot.yaml").write_text(
        "id: cooling.hot\ntitle: Too hot\nstatus: trial\nseverity: minor\napplies_to: rack\nwhen: power > 5 kW\nwhy: w\ndo: d\nsource: s\nblind: b\n"
    )
    (tmp_path / "cooling/hot.test.yaml").write_text("every: 1 s\ncases:\n  - {name: never, points: {power: 6x3}, fires: never}\n")

    assert "fires at 0 s, not never" in dcmon("rules", "test", tmp_path, code=1).stdout


def test_the_daemon_runs_takes_acts_and_stops_in_order(start_broker: StartBroker, tmp_path: Path) -> None:
    """SIGTERM ends it with 0; the phase that another process set is in the store."""
    broker = start_broker("mosquitto")
    config = tmp_path / "monitor.yaml"
    config.write_text(f"store: {{path: {tmp_path / 'data'}}}\nlinks: [{{port: {broker.port}}}]\n")
    dcmon("check", config)
    with subprocess.Popen(
        [sys.executable, "-m", "monitor", "run", config], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            deadline = time.monotonic() + 30
            while not (tmp_path / "data/monitor.db").exists() and time.monotonic() < deadline:
                time.sleep(0.05)
            dcmon("racks", "phase", "R1", "soak", "--new", "--why", "a test", "--by", "tester", "--store", tmp_path / "data")
            time.sleep(2.5)
            process.send_signal(signal.SIGTERM)
            _, words = process.communicate(timeout=30)
        finally:
            process.kill()

    assert process.returncode == 0, words
    assert "Traceback" not in words
    import sqlite3

    with sqlite3.connect(tmp_path / "data/monitor.db") as base:
        assert base.execute("SELECT phase FROM assets WHERE id = 'R1'").fetchall() == [("soak",)]
    base.close()


def test_two_daemons_on_one_store_are_refused(start_broker: StartBroker, tmp_path: Path) -> None:
    broker = start_broker("mosquitto")
    config = tmp_path / "monitor.yaml"
    config.write_text(f"store: {{path: {tmp_path / 'data'}}}\nlinks: [{{port: {broker.port}}}]\n")
    with subprocess.Popen([sys.executable, "-m", "monitor", "run", config, "--quiet"], stderr=subprocess.DEVNULL) as process:
        try:
            deadline = time.monotonic() + 30
            while not (tmp_path / "data/monitor.db").exists() and time.monotonic() < deadline:
                time.sleep(0.05)
            assert "Traceback" not in dcmon("run", config, code=3).stderr
        finally:
            process.terminate()
