"""Workload W and the benches that send frames: what they find and what they count, never how long it took."""

import json
import random
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from monitor.bench import store as store_bench
from monitor.bench import workload
from monitor.bench.frames_fleet import FAST, SLOW, Fleet
from monitor.bench.loop import Loop
from monitor.bench.workload import POINTS, Truth
from monitor.cli.bench import app
from monitor.collect.frames import Frames
from monitor.collect.frames_map import load_frames
from monitor.config import Time
from monitor.detect import rule_tests
from monitor.detect import rules as rule_files
from monitor.detect.core import Core
from monitor.errors import InputError
from monitor.plant import Plant

START = 1_767_225_600
RACKS, ROUNDS = 4, 40
EXPECTED = {  # fault -> the round in which it begins, and when its rule should fire
    ("gpu_temp_high", "r0000/gpu03"): (5, 60),
    ("ecc_increase", "r0000/gpu70"): (7, 0),
    ("nvlink_rate", "r0001/gpu00"): (3, 70),
    ("psu_imbalance", "r0001/psu13"): (6, 120),
    ("flow_low", "r0002"): (10, 30),
    ("delta_t", "r0002"): (25, 60),
    ("leak", "r0003"): (4, 0),
    ("absent", "r0003"): (10, 50),
}


def frame(chance: random.Random, rack: int, number: int) -> bytes | None:
    """Return a rack's frame of one round with its faults, as W has them; None where the rack is silent."""
    name = f"r{rack:04d}"

    def since(rule: str, asset: str) -> int:
        return number - EXPECTED[rule, asset][0] if asset.startswith(name) else -1

    values: dict[str, object] = {
        "gpu_temp": [round(60 + chance.gauss(0, 1), 1) for _ in range(72)],
        "gpu_power": [900.0] * 72,
        "gpu_mem_temp": [70.0] * 72,
        "gpu_ecc": [2] * 72,
        "gpu_nvlink": [100] * 72,
        "psu_power": [2800.0] * 36,
        "psu_current": [56.0] * 36,
        "psu_temp": [45.0] * 36,
    }
    cooling = {
        "supply_temp": 30.0,
        "return_temp": 40.0,
        "flow": 110.0,
        "pressure_in": 2.1,
        "pressure_out": 1.4,
        "leak": 0,
        "pump_speed": 3200.0,
    }
    cooling |= {"pump_power": 410.0, "valve_pos": 62.0, "ambient_temp": 27.0, "humidity": 45.0, "dew_point": 14.0}
    values |= {f"cool_{key}": value for key, value in cooling.items()}
    if 0 <= since("gpu_temp_high", "r0000/gpu03") < 20:
        values["gpu_temp"][3] = 91.0  # type: ignore[index]
    if since("ecc_increase", "r0000/gpu70") >= 0:
        values["gpu_ecc"][70] = 3  # type: ignore[index]
    if since("nvlink_rate", "r0001/gpu00") >= 0:
        values["gpu_nvlink"][0] = 100 + 40 * min(1 + since("nvlink_rate", "r0001/gpu00"), 20)  # type: ignore[index]
    if since("psu_imbalance", "r0001/psu13") >= 0:
        values["psu_power"][13] = 2100.0  # type: ignore[index]
    if since("flow_low", "r0002") >= 0:
        values["cool_flow"] = 70.0
    if since("delta_t", "r0002") >= 0:
        values["cool_return_temp"] = 48.0
    if since("leak", "r0003") == 0:
        values["cool_leak"] = 1
    if 0 <= since("absent", "r0003") < 9:
        return None
    return json.dumps({"ts": (START + 10 * number) * 1000, "rack": name, "values": values}, separators=(",", ":")).encode()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workload of four racks as W's generator writes it, with each fault once but gpu_temp_z, which goes with gpu_temp_high."""
    made = tmp_path_factory.mktemp("w")
    chance = random.Random(3)
    lines = [line for number in range(ROUNDS) for rack in range(RACKS) if (line := frame(chance, rack, number)) is not None]
    expected = [{"rule": rule, "entity": asset, "ts": START + 10 * at + wait} for (rule, asset), (at, wait) in EXPECTED.items()]
    hot = next(one for one in expected if one["rule"] == "gpu_temp_high")
    truth = {"racks": RACKS, "expected": [*expected, {**hot, "rule": "gpu_temp_z"}], "decoys": [{"rule": "leak", "entity": "r0000"}]}
    (made / "msgs.jsonl").write_bytes(b"\n".join(lines) + b"\n")
    (made / "truth.json").write_text(json.dumps(truth))
    return made


def judged(found: workload.Workload, size: int) -> list[tuple[str, str, float]]:
    """Run a workload through frames and core, so many messages a batch."""
    rules = rule_files.load(workload.RULES)
    plant = Plant(rules.vocabulary)
    frames, core = Frames(plant, load_frames(workload.MAP, rules.vocabulary)), Core(plant, rules, Time())
    alerts = []
    for at in range(0, len(found.payloads), size):
        part = slice(at, at + size)
        readings = frames.decode(found.topics[part], found.payloads[part], [], found.sent[part])
        alerts += core.close(float(found.sent[at]))
        alerts += core.ingest(readings)
        alerts += core.close(float(found.sent[part][-1]))
    alerts += core.finish()
    assert frames.dropped == {}
    return workload.fired(alerts)


def perfect(score: dict[str, object]) -> bool:
    return (score["found"], score["missed"], score["false"], score["delay_s_max"], score["early"]) == (len(EXPECTED) + 1, [], [], 0.0, 0)


def test_each_rule_of_w_has_a_test_that_passes() -> None:
    count, faults = rule_tests.run(rule_files.load(workload.RULES))

    assert (count > 25, faults) == (True, [])
    assert len(rule_files.load(workload.RULES).rules) == 9


@pytest.mark.parametrize("trouble", ["none", "jitter", "duplicate"])
@pytest.mark.parametrize("size", [1, 3, 50])
def test_the_nine_rules_find_exactly_what_is_there(folder: Path, trouble: workload.Trouble, size: int) -> None:
    found = workload.load(folder, trouble, seed=5)

    assert perfect(workload.score(judged(found, size), found.truth))


@pytest.mark.parametrize("size", [1, 3, 50])
def test_late_frames_delay_what_they_decide_and_nothing_else(folder: Path, size: int) -> None:
    found = workload.load(folder, "late", seed=5)

    score = workload.score(judged(found, size), found.truth)

    assert (score["missed"], score["false"], score["early"]) == ([], [], 0)
    assert score["delay_s_p50"] == 0.0
    assert score["delay_s_max"] <= 10.0


def test_the_loop_finds_the_same(folder: Path) -> None:
    loop, found = Loop(), workload.load(folder)
    for payload in found.payloads:
        loop.take(json.loads(payload))

    assert perfect(workload.score([(rule, asset, at) for (rule, asset), at in loop.fired.items()], found.truth))


def test_troubles_are_what_they_say(folder: Path) -> None:
    plain, jitter, late, twice = (workload.load(folder, trouble) for trouble in ("none", "jitter", "late", "duplicate"))

    own = workload.stamps(jitter.payloads)
    assert (np.diff(jitter.sent) >= 0).all()
    assert ((jitter.sent - own >= 0) & (jitter.sent - own <= 2)).all()
    assert jitter.payloads != plain.payloads
    assert sorted(jitter.payloads) == sorted(late.payloads) == sorted(plain.payloads)
    behind = late.sent - workload.stamps(late.payloads)
    assert ((behind == 0) | (behind >= 3)).all()
    assert (behind > 0).any()
    assert len(twice.payloads) == len(plain.payloads) + -(-len(plain.payloads) // 20)


def test_a_score_counts_what_is_missed_false_and_early() -> None:
    truth = Truth(1, {("a", "x"): 10.0, ("b", "x"): 20.0, ("c", "x"): 30.0}, frozenset({("a", "y")}))

    found = workload.score([("a", "x", 15.0), ("a", "x", 12.0), ("b", "x", 19.0), ("a", "y", 1.0), ("d", "z", 1.0)], truth)

    assert found == {
        "expected": 3, "found": 2, "missed": ["c:x"], "false": ["a:y", "d:z"], "decoys_fired": 1,
        "delay_s_p50": 0.5, "delay_s_max": 2.0, "early": 1,
    }  # fmt: skip


@pytest.mark.parametrize("text", ['{"racks": 1}', "[]", "{"])
def test_what_is_no_workload_is_told(tmp_path: Path, text: str) -> None:
    (tmp_path / "msgs.jsonl").write_text("{}\n")
    (tmp_path / "truth.json").write_text(text)

    with pytest.raises(InputError, match="is no workload"):
        workload.load(tmp_path)
    with pytest.raises(InputError, match="cannot be read"):
        workload.load(tmp_path / "none")


def test_the_fleet_speaks_frames_of_the_map() -> None:
    rules = rule_files.load(workload.RULES)
    plant, fleet = Plant(rules.vocabulary), Fleet(2)
    frames = Frames(plant, load_frames(workload.MAP, rules.vocabulary))
    payloads = [fleet.payload(rack, fault, START * 1000) for rack, fault in ((0, ""), (1, FAST), (1, ""), (0, SLOW), (0, ""))]

    readings = frames.decode([b"dc/x/t"] * 5, payloads, [], float(START))

    def values(quantity: str) -> list[float]:
        return [value for row, value in zip(readings.point, readings.value, strict=True) if plant.points[row].quantity == quantity]

    assert len(readings) == 5 * POINTS
    assert frames.dropped == {}
    assert values("leak") == [0, 1, 0, 0, 0]
    assert [flow < 80 for flow in values("liquid_flow")] == [False, False, False, True, True]
    assert (fleet.ill(0), fleet.ill(1)) == (True, True)


def said(*arguments: object) -> dict[str, object]:
    result = CliRunner().invoke(app, [*map(str, arguments), "--json"], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    found: dict[str, object] = json.loads(result.output)
    return found


KEYS = {"name", "readings", "readings_per_s", "cpu_s_per_million", "rss_mb", "state_bytes_per_point"}


def test_ingest_of_a_workload_counts_and_scores(folder: Path) -> None:
    found = said("ingest", "--workload", folder, "--repeat", 1, "--trouble", "duplicate", "--history")

    assert found.keys() >= KEYS | {"messages_per_s", "cpu_us_per_message", "baseline", "ratio"}
    messages = len(workload.load(folder).payloads) - 2 * RACKS
    assert found["readings"] == messages * POINTS
    assert (found["lost"], found["dropped"], found["rules"]) == (0, 0, 9)
    assert perfect(found["score"])
    assert perfect(found["baseline"]["score"])
    assert list(found["trouble"]) == ["duplicate"]
    assert perfect(found["trouble"]["duplicate"])


@pytest.mark.slow
def test_latency_tells_of_every_fault() -> None:
    found = said("latency", "--racks", 20, "--alerts", 11, "--settle", 6, "--seconds", 44, "--pack", "w")

    assert found.keys() >= KEYS | {"p50_ms", "p99_ms", "express", "tick_rule_beyond_for"}
    assert (found["faults"], found["told"], found["dropped"]) == (11, 11, 0)
    assert (found["express"]["alerts"], found["tick_rule_beyond_for"]["alerts"]) == (10, 1)


def test_a_fleet_in_real_time_is_heard_whole() -> None:
    found = said("ingest", "--racks", 30, "--settle", 5, "--seconds", 6, "--pack", "w")

    assert found.keys() >= KEYS | {"core_share"}
    assert (found["name"], found["messages"], found["dropped"]) == ("fleet", 33, 0)


def test_store_counts_what_it_wrote() -> None:
    found = store_bench.run(racks=2, minutes=2, alerts=20)

    assert found.keys() >= {
        "readings",
        "readings_per_s",
        "cpu_s_per_million",
        "bytes_per_reading",
        "alerts_committed_per_s",
        "query_point_ms",
    }
    assert (found["name"], found["readings"], found["segments"]) == ("store", 2 * 2 * 6 * POINTS, 2)


def test_replay_replays_both_packs() -> None:
    found = said("replay", "--racks", 2, "--hours", 0.05, "--ticks", "10,1")

    runs = found["runs"]
    assert found.keys() >= KEYS | {"day_s"}
    assert [(run["pack"], run["tick_s"]) for run in runs] == [("full", 10), ("w", 10), ("full", 1), ("w", 1)]
    assert runs[1]["readings"] == runs[3]["readings"] == 2 * 18 * POINTS
    assert runs[0]["rules"] > 200


@pytest.mark.parametrize(
    "arguments", [("replay", "--ticks", "a"), ("latency", "--pack", "x"), ("ingest", "--workload", "/none", "--trouble", "rain")]
)
def test_a_wrong_option_is_refused(arguments: tuple[str, ...]) -> None:
    assert CliRunner().invoke(app, list(arguments)).exit_code == 2
