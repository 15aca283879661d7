"""`dcmon explain` on the store of a replay."""

import asyncio
import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from monitor import pipeline
from monitor.cli.explain import explain
from monitor.collect.recording import Messages
from monitor.collect.scenario import Scenario
from monitor.config import Config
from monitor.detect import rules as rule_files
from monitor.errors import InputError, StoreLost
from monitor.model import ActKind
from monitor.store import acts, query, rerun

START = 1_767_225_600.0
TOPIC = "BMS/v1/PUB/{}/Rack/{}/{}"
UNITS = {"RackLiquidFlow": "LPM", "RackPower": "kW"}
RULE = "cooling.rack_flow_low"
SAYS = "title: A rule for tests\nstatus: {status}\nseverity: critical\nsource: s\nblind: b\nwhy: The coolant carries the heat.\ndo: 1. Look. 2. Listen.\n"
FLOW_LOW = "applies_to: rack\nphases: [soak, watch]\nwhen: liquid_flow < {share} * limit.flow_per_kw * power and power > 20 kW\nfor: 15 s\nclear: liquid_flow > 0.95 * limit.flow_per_kw * power\nkeep: 60 s\n"
RULES = {
    RULE: FLOW_LOW.format(share=0.9),
    "cooling.pump": "applies_to: cdu\nwhen: liquid_flow < 20 L/min\n",
    "sensor.stale": "applies_to: any\neach: any\nwhen: age(it) > stale_after(it) and source_silence(it) < 150 s\n",
    "sensor.silent": "applies_to: source\nwhen: silence > 150 s\n",
}
FIRED = START + 36.0  # flow is too low from the 21st second on, for 15 s


def scenario(path: Path) -> Path:
    """Write two racks at 100 kW, a value a second; the flow of R1 falls from 80 to 50 L/min at 21 s and is back at 90 s."""
    rows = ["offset,topic,payload"]
    for rack in ("R1", "R2"):
        for kind, unit in UNITS.items():
            about = {"rackLocationId": rack, "engUnit": unit, "objectType": "Rack", "pointType": kind}
            rows.append(f"0s,{TOPIC.format('Metadata', kind, rack)}," + quoted(json.dumps(about)))
    for second in range(1, 181):
        for rack in ("R1", "R2"):
            for kind in UNITS:
                value = 100 if kind == "RackPower" else 50 if rack == "R1" and 21 <= second < 90 else 80
                text = f'{{"value": {value}, "timestamp": {{{{timestamp_ms}}}}, "quality": 1}}'
                rows.append(f"{second}s,{TOPIC.format('Value', kind, rack)}," + quoted(text))
    path.write_text("\n".join([*rows, ""]))
    return path


def written(folder: Path, status: str = "stable", **others: str) -> Path:
    """Write the rules, or in place of one of them another text."""
    (folder / "limits").mkdir(parents=True)
    (folder / "limits/default.yaml").write_text("title: t\nlimits:\n  flow_per_kw: {value: 0.67 L/min/kW, source: s}\n")
    for name, text in (RULES | {name.replace("__", "."): text for name, text in others.items()}).items():
        path = folder / f"{name.replace('.', '/')}.yaml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"id: {name}\n{SAYS.format(status=status)}{text}")
    return folder


def quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def replayed(folder: Path, tick: float = 1.0) -> Path:
    config = Config()
    config = config.model_copy(update={"time": config.time.model_copy(update={"tick": tick})})
    recording = Messages(Scenario(scenario(folder / "scenario.csv"), START))
    asyncio.run(pipeline.replay(recording, rule_files.load(written(folder / "rules")), config, store=folder / "data"))
    return folder / "data"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return replayed(tmp_path_factory.mktemp("explained"))


def ask(store: Path, *words: str, code: int = 0) -> Result:
    app = typer.Typer()
    app.command()(explain)
    result = CliRunner().invoke(app, [*words, "--store", str(store)], env={"COLUMNS": "80"})
    assert result.exit_code == code, (result.output, result.exception)
    return result


def refused(store: Path, *words: str) -> str:
    result = ask(store, *words, code=1)  # the root turns the error into exit code 2
    assert isinstance(result.exception, InputError)
    return str(result.exception)


def objects(store: Path, *words: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in ask(store, *words, "--json").stdout.splitlines()]


def number(store: Path) -> int:
    (found,) = query.named(store / "monitor.db", f"{RULE}/R1")
    return found.number


def test_an_alert_is_explained_by_its_number_or_its_name(store: Path) -> None:
    texts = {ask(store, name).stdout for name in (str(number(store)), f"{RULE}/R1", f"{RULE}/R1#1")}

    assert len(texts) == 1
    lines = texts.pop().splitlines()
    assert lines[0] == f"{RULE} on R1 at 2026-01-01 00:00:36 UTC: FIRES"
    assert "- it fires at this tick: the condition held for 15 s" in lines
    assert (
        "├── liquid_flow 50 L/min < 0.9 * limit.flow_per_kw (0.67 L/min/kW) * power 100 kW = 60.3 L/min → true, margin 10.3 L/min (17 %)"
        in lines
    )
    assert "└── for: held for 15 of 15 s" in lines
    assert any(line.startswith("why: The coolant carries") for line in lines)
    assert lines[-2:] == ["do: 1. Look.", "    2. Listen."]
    assert not any(line.startswith("note: ") for line in lines)


@pytest.mark.parametrize(
    ("second", "verdict", "reason"),
    [
        (
            10,
            "false",
            "liquid_flow 80 L/min < 0.9 * limit.flow_per_kw (0.67 L/min/kW) * power 100 kW = 60.3 L/min is false, short of it by 19.7 L/min (33 %)",
        ),
        (30, "waiting", "the condition has held for 9 of 15 s"),
        (36, "fires", "it fires at this tick: the condition held for 15 s"),
        (60, "firing", "firing since 2026-01-01T00:00:36.000Z; what ends it does not hold"),
        (100, "firing", "firing since 2026-01-01T00:00:36.000Z; what ends it has held for 10 of 60 s"),
        (150, "ends", "it ends at this tick: what ends it held for 1 min"),
        (170, "false", "liquid_flow 80 L/min"),
    ],
)
def test_a_rule_is_explained_at_any_time(store: Path, second: int, verdict: str, reason: str) -> None:
    (told,) = objects(store, RULE, "R1", str(START + second))

    assert (told["verdict"], told["asset"], told["point"]) == (verdict, "R1", None)
    assert any(reason in text for text in told["reasons"])  # type: ignore[attr-defined]


def test_the_object_has_the_tree_with_every_value(store: Path) -> None:
    (told,) = objects(store, f"{RULE}/R1")

    flow = told["when"]["parts"][0]  # type: ignore[index]
    assert (flow["held"], flow["parts"][0]["value"], flow["parts"][1]["value"]) == (True, 50.0, pytest.approx(60.3))
    assert flow["parts"][0]["source"] == "Rack/RackLiquidFlow/R1"
    assert told["timer"] == {"word": "for", "held": 15.0, "need": 15.0, "gap": 0.0}
    assert told["alert"] == number(store)


def test_a_short_history_is_said(store: Path) -> None:
    assert any(
        "the history begins 2026-01-01T00:00:01.000Z, 9 s before; the rule looks back" in str(note)
        for note in objects(store, RULE, "R1", str(START + 10))[0]["notes"]
    )  # type: ignore[attr-defined]


def test_as_much_history_as_asked_for_is_run_again(store: Path) -> None:
    (told,) = objects(store, RULE, "R1", str(START + 35), "--back", "5s")

    assert told["timer"]["held"] == 5  # type: ignore[index]


def test_the_phase_of_that_time_counts(store: Path) -> None:
    path = store / "acts.db"
    acts.record(path, "ann", ActKind.PHASE, "R2", "maintenance", "x", START + 50)

    (before,) = objects(store, RULE, "R2", str(START + 40))
    (after,) = objects(store, RULE, "R2", str(START + 60))
    (other,) = objects(store, RULE, "R2", str(START + 60), "--phase", "soak")

    assert before["phase"] == "watch"
    assert any("set by ann only later" in note for note in before["notes"])  # type: ignore[attr-defined]
    assert (after["verdict"], after["reasons"]) == ("excluded", ["R2 is in phase maintenance; the rule judges in soak, watch"])
    assert other["verdict"] == "false"


def test_a_rule_about_something_else_says_so(store: Path) -> None:
    (told,) = objects(store, "cooling.pump", "R1", str(START + 40))

    assert (told["verdict"], told["reasons"]) == ("excluded", ["the rule is about cdu; R1 is of kind rack"])


def test_each_point_of_a_rule_on_points_is_explained(store: Path) -> None:
    points = {str(told["point"]) for told in objects(store, "sensor.stale", "R1", str(START + 40))}
    (one,) = objects(store, "sensor.stale", "R1", str(START + 40), "--point", "Rack/RackPower/R1")

    assert points == {"Rack/RackPower/R1", "Rack/RackLiquidFlow/R1"}
    assert one["verdict"] == "false"


def test_the_silence_of_a_source_is_measured_by_all_that_it_says(store: Path) -> None:
    (told,) = objects(store, "sensor.silent", "source/BMS/v1/PUB", str(START + 40))

    assert told["verdict"] == "false"
    assert not any("never seen" in text for text in told["reasons"])  # type: ignore[attr-defined]


def test_nothing_to_explain_is_exit_code_1(store: Path) -> None:
    assert "no alert" in ask(store, f"{RULE}/R2", code=1).stderr
    assert "no alert" in ask(store, "999999", code=1).stderr
    assert "no reading" in ask(store, RULE, "R1", "2027-01-01T00:00:00Z", code=1).stderr
    assert 'did you mean "R1"?' in ask(store, RULE, "r1", str(START + 40), code=1).stderr


def test_wrong_use_is_told(store: Path) -> None:
    assert "RULE ASSET TIME" in refused(store, RULE, "R1")
    assert "names no alert" in refused(store, "R1")
    assert 'did you mean "cooling.rack_flow_low"?' in refused(store, "cooling.rack_flow_lo", "R1", "10m")
    assert "TIME" in refused(store, RULE, "R1", "soon")
    assert "--point" in refused(store, f"{RULE}/R1", "--point", "x")
    assert isinstance(ask(store / "none", "1", code=1).exception, StoreLost)


def test_the_tick_of_the_replay_counts(tmp_path: Path) -> None:
    store = replayed(tmp_path, 5.0)

    assert rerun.times(query.facts(store / "monitor.db")).tick == 5.0
    (told,) = objects(store, f"{RULE}/R1")
    assert (told["verdict"], told["time"]) == ("fires", "2026-01-01T00:00:40.000Z")


def test_the_rules_that_wrote_the_store_are_used_and_others_where_told(store: Path, tmp_path: Path) -> None:
    other = written(tmp_path / "rules", "retired", cooling__rack_flow_low=FLOW_LOW.format(share=0.7))

    (told,) = objects(store, f"{RULE}/R1", "--rules", str(other))

    assert told["verdict"] == "false"
    assert told["notes"][0].startswith("the rule is retired")  # type: ignore[index]
    assert told["notes"][-1].startswith(
        "the re-run of what is stored does not fire here; the alert itself says 50 L/min against 60.3 L/min"
    )  # type: ignore[index]
