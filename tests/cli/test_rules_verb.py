"""`dcmon rules`: what a folder holds, for people and programs."""

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from monitor import shipped
from monitor.cli import catalogue
from monitor.cli.rules import app
from monitor.detect import rules as rule_files
from monitor.detect.functions import FUNCTIONS
from monitor.detect.rules import FOLDERS
from monitor.errors import InputError, RuleError

SAYS = "title: A | rule with <b>\nstatus: trial\nsource: where the *numbers* come from\nblind: b\nwhy: The mechanism.\ndo: 1. Look. 2. Listen.\n"
RULES = {
    "cooling.low": "severity: minor\napplies_to: {kind: rack, sku: big}\nphases: [soak]\nwhen: >-\n  liquid_flow\n  < limit.least\nfor: 15 s\nclear: liquid_flow > 2 * limit.least\nkeep: 1 min\nevery: 10 s\nladder: [{when: liquid_flow < 1 L/min, for: 5 s, severity: critical}]\nlatch: true\nexplains: [it.hot]\n",
    "it.hot": "severity: major\napplies_to: gpu\nwhen: warmth > 5 K\n",
    "sensor.wet": "severity: critical\napplies_to: any\neach: leak\nexpress: true\nwhen: it == 1\nsuspect: leak_sensor_fault == 1\n",
}
SOURCE = "a source of more than twenty letters"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in RULES.items():
        path = tmp_path / f"{name.replace('.', '/')}.yaml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"id: {name}\n{SAYS}{text}")
        path.with_suffix(".test.yaml").write_text("every: 1 s\ncases:\n  - {name: quiet, points: {}}\n")
    for name in ("limits", "skus", "derived"):
        (tmp_path / name).mkdir()
    (tmp_path / "limits/default.yaml").write_text(f"title: t\nlimits:\n  least: {{value: 20 L/min, source: {SOURCE}}}\n")
    (tmp_path / "limits/big.yaml").write_text(f"title: t\nlimits:\n  least: {{value: 40 L/min, source: {SOURCE} too}}\n")
    (tmp_path / "skus/big.yaml").write_text(
        f"title: A big rack\nstructure:\n  tray: {{in: rack, count: 18}}\n  gpu: {{in: tray, count: 4}}\n"
        f"points:\n  gpu: {{temperature: 10 s}}\nsource: {SOURCE}\n"
    )
    (tmp_path / "derived/warmth.yaml").write_text(
        "quantity: warmth\ntitle: Above the room\napplies_to: gpu\nunit: K\nvalue: temperature - 20 degC\nknown_when: power > 1 kW\n"
        f"uncertainty: 0.5 K\nsource: {SOURCE}\n"
    )
    (tmp_path / "derived/warmth.test.yaml").write_text("every: 1 s\ncases:\n  - {name: n, value: unknown}\n")
    (tmp_path / "vocabulary.yaml").write_text("hall_noise: {unit: dB, about: noise of the hall}\n")
    return tmp_path


def run(*words: object, code: int = 0) -> Result:
    result = CliRunner().invoke(app, [str(word) for word in words], env={"COLUMNS": "80"})
    assert result.exit_code == code, (result.output, result.exception)
    return result


def listed(*words: object) -> list[dict[str, str]]:
    return [json.loads(line) for line in run("list", *words, "--json").stdout.splitlines()]


def test_the_catalogue_says_all_of_a_rule(folder: Path) -> None:
    text = run("docs", folder).stdout
    rule = text[text.index("### cooling.low") : text.index("### sensor.wet")]

    for line in (
        "**A | rule with \\<b\\>**",
        "| severity | minor; critical where `liquid_flow < 1 L/min` for 5 s |",
        "| status | trial (judged and stored, nobody is told) |",
        "| watches | rack, of SKU big; in phase soak |",
        "| when | `liquid_flow < limit.least` |",
        "| for | 15 s |",
        "| clear | `liquid_flow > 2 * limit.least` |",
        "| keep | 1 min |",
        "| every | 10 s |",
        "| latch | ends only after somebody acknowledged it |",
        "**Why.** The mechanism.",
        "1. Look.",
        "2. Listen.",
        "**Source.** where the \\*numbers\\* come from",
        "**Explains** [it.hot](#ithot).",
    ):
        assert line in rule.splitlines()
    assert "**Explained by** [cooling.low](#coolinglow)." in text
    assert "| suspect | `leak_sensor_fault == 1`: one severity lower |" in text
    assert "| every | on arrival of the reading |" in text
    assert "| watches | every asset, each point leak; in phase checkout, soak, watch, accepted |" in text


def test_the_catalogue_has_derived_points_limits_and_skus(folder: Path) -> None:
    lines = run("docs", folder).stdout.splitlines()

    for line in (
        "3 rules, 1 derived point, 1 limit and 1 SKU, written by `dcmon rules docs`.",
        "| formula | `temperature - 20 degC` |",
        "| known when | `power > 1 kW` |",
        "| uncertainty | `0.5 K` (1 sigma) |",
        "| limit | unit | default | big |",
        "| `least` | L/min | 20 | 40 |",
        f"- `least` (big): {SOURCE} too",
        "| gpu | tray | 4 | 72 |",
        "| gpu | `temperature` | 10 s |",
        "**critical** (minutes: danger to people or hardware; 1 rule)",
        "- [sensor.wet](#sensorwet): A | rule with \\<b\\>",
    ):
        assert line in lines


def test_rules_are_in_the_order_of_the_folders_and_all_links_lead_somewhere() -> None:
    rules = rule_files.load(shipped.rules())
    text = catalogue.markdown(rules)
    anchors = {catalogue.anchor(line.lstrip("# ")) for line in text.splitlines() if line.startswith("#")}
    headings = [line[3:] for line in text.splitlines() if line.startswith("## ")]

    assert headings[:5] == ["cooling", "power", "it", "sensor", "fleet"]
    assert sorted(headings[:5]) == sorted(FOLDERS)
    assert set(re.findall(r"\]\(#([^)]*)\)", text)) <= anchors
    assert all(f"### {one.id}" in text for one in rules.rules)


def test_the_catalogue_for_programs(folder: Path) -> None:
    told = json.loads(run("docs", folder, "--json").stdout)

    low = told["rules"][0]
    assert (low["id"], low["for"], low["do"], low["explained_by"]) == ("cooling.low", 15.0, ["Look.", "Listen."], [])
    assert told["rules"][1]["explained_by"] == ["cooling.low"]
    assert told["derived"][0]["uncertainty"] == "0.5 K"
    assert told["limits"][0]["values"]["big"] == {"value": 40.0, "source": f"{SOURCE} too"}
    assert told["skus"][0]["structure"]["gpu"] == {"in": "tray", "count": 4, "of_a_rack": 72}


def test_the_catalogue_goes_into_a_file(folder: Path, tmp_path: Path) -> None:
    said = run("docs", folder, "--out", tmp_path / "rules.md").stdout

    assert said == f"{tmp_path / 'rules.md'}: 3 rules, 1 derived point, 1 limit and 1 SKU\n"
    assert (tmp_path / "rules.md").read_text() == run("docs", folder).stdout
    assert isinstance(run("docs", folder, "--out", tmp_path / "no/rules.md", code=1).exception, InputError)


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ([], ["cooling.low", "it.hot", "sensor.wet"]),
        (["--folder", "cooling"], ["cooling.low"]),
        (["--severity", "critical"], ["sensor.wet"]),
        (["--kind", "rack"], ["cooling.low", "sensor.wet"]),
        (["--kind", "gpu", "--severity", "major"], ["it.hot"]),
    ],
)
def test_the_list_is_narrowed(folder: Path, words: list[str], found: list[str]) -> None:
    assert [row["rule"] for row in listed(folder, *words)] == found


def test_a_list_without_rows_is_exit_code_1_and_a_wrong_filter_is_told(folder: Path) -> None:
    assert "no such rule" in run("list", folder, "--kind", "cdu", "--folder", "it", code=1).stderr
    assert 'did you mean "cooling"?' in str(run("list", folder, "--folder", "coling", code=1).exception)
    assert 'did you mean "rack"?' in str(run("list", folder, "--kind", "rakc", code=1).exception)
    assert "--words" in str(run("list", folder, "--words", "--folder", "it", code=1).exception)


def test_the_words_are_those_of_the_folder_with_derived_points_limits_and_functions(folder: Path) -> None:
    rows = {row["quantity"]: row for row in listed(folder, "--words")}

    assert rows["hall_noise"] == {"quantity": "hall_noise", "what": "quantity", "unit": "dB", "about": "noise of the hall"}
    assert rows["warmth"] == {"quantity": "warmth", "what": "derived, gpu", "unit": "K", "about": "Above the room"}
    assert rows["xid"]["what"] == "event"
    assert rows["limit.least"]["unit"] == "L/min"
    assert {f"{name}()" for name in FUNCTIONS} <= set(rows)
    assert "warmth" not in {row["quantity"] for row in listed(folder, "--words", "--kind", "rack")}


def test_a_check_says_how_much_is_sound(folder: Path) -> None:
    assert run("check", folder).stdout == "3 rules, 1 derived point, 1 limit and 1 SKU are sound\n"
    assert json.loads(run("check", folder, "--json").stdout) == {"rules": 3, "derived": 1, "limits": 1, "skus": 1}
    assert run("check", folder / "it/hot.yaml").stdout == "it.hot is sound\n"


@pytest.mark.parametrize("verb", ["check", "docs"])
def test_an_empty_folder_is_refused(tmp_path: Path, verb: str) -> None:
    error = run(verb, tmp_path, code=1).exception

    assert isinstance(error, RuleError)
    assert "holds no rule; a rule is a .yaml file in it/ power/ cooling/ sensor/ fleet/" in str(error)


def test_a_limit_without_a_source_is_a_fault(folder: Path) -> None:
    (folder / "limits/default.yaml").write_text('title: t\nlimits:\n  least: {value: 20 L/min, source: " "}\n')

    assert "default.yaml:3:36: limits.least.source: is empty" in str(run("check", folder, code=1).exception)


def test_a_derived_point_is_tested_alone() -> None:
    done = CliRunner().invoke(app, ["test", "--rule", "derived.liquid_heat", str(shipped.rules())])
    misspelt = CliRunner().invoke(app, ["test", "--rule", "derived.liquid_heet", str(shipped.rules())])

    assert done.exit_code == 0
    assert re.search(r"[1-9]\d* cases, 0 failed", done.output)
    assert misspelt.exit_code == 2
    assert 'did you mean "derived.liquid_heat"?' in " ".join(re.findall(r"[^\s│╭╮╰╯─]+", misspelt.output))  # a box may wrap it
