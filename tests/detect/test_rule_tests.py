"""The notation of rule tests, and what a test says that fails or cannot be read."""

from pathlib import Path

import pytest

from monitor.detect import rule_tests, rules
from monitor.errors import RuleError
from monitor.model import BAD, GOOD

RULE = """\
id: cooling.hot
title: Too hot
status: trial
severity: minor
applies_to: rack
when: temperature > 50 degC
for: 2 s
why: w
do: d
source: s
blind: b
"""
TEST = """\
every: 1 s
cases:
  - {name: fires, points: {temperature: 40 60x5}, fires: 3 s, value: 60, limit: 50, severity: minor}
"""


def run(folder: Path, test: str | None, rule: str = RULE) -> tuple[int, list[str]]:
    (folder / "cooling").mkdir(exist_ok=True)
    (folder / "cooling/hot.yaml").write_text(rule)
    if test is not None:
        (folder / "cooling/hot.test.yaml").write_text(test)
    count, failed = rule_tests.run(rules.load(folder))
    return count, [str(fault).partition("hot.test.yaml")[2] for fault in failed]


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("5", [5]),
        ("-5.5", [-5.5]),
        ("5x3", [5, 5, 5, 5]),
        ("5+2x3", [5, 7, 9, 11]),
        ("5-0.5x2", [5, 4.5, 4]),
        ("1 2x1 _ 3", [1, 2, 2, None, 3]),
        ("_x3 1", [None, None, None, 1]),
        ("", []),
    ],
)
def test_a_series(text: str, values: list[float | None]) -> None:
    assert [None if sample is None else sample.value for sample in rule_tests.series(text)] == values


def test_a_bad_reading_is_a_sample_without_a_value() -> None:
    assert [sample.quality for sample in rule_tests.series("1 badx2") if sample] == [GOOD, BAD, BAD]


@pytest.mark.parametrize("text", ["x", "5x", "5y3", "stalex", "1,2", "5x3+2"])
def test_what_is_no_sample_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no sample; write 5, 5x3"):
        list(rule_tests.series(text))


def test_a_test_that_holds_says_nothing(tmp_path: Path) -> None:
    assert run(tmp_path, TEST) == (1, [])


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("fires: 3 s", "fires: 4 s", "fires at 3 s, not at 4 s"),
        ("fires: 3 s", "fires: never", "fires at 3 s, not never"),
        ("fires: 3 s", "fires: [3 s, 9 s]", "fires at 3 s, not at 3 s and at 9 s"),
        ("40 60x5", "40x5", "fires never, not at 3 s"),
        ("fires: 3 s", "fires: 3 s, ends: 5 s", "ends never, not at 5 s"),
        ("value: 60", "value: 61", "has value 60.0, not 61"),
        ("limit: 50", "limit: 51", "has limit 50.0, not 51"),
        ("severity: minor", "severity: major", "has severity minor, not major"),
    ],
)
def test_a_test_that_fails_says_what_came_instead(tmp_path: Path, old: str, new: str, said: str) -> None:
    _, failed = run(tmp_path, TEST.replace(old, new))

    assert len(failed) == 1
    assert failed[0].startswith(":3:5: cases[0]: fires: ")
    assert said in failed[0]


def test_a_longer_tick_judges_less_often(tmp_path: Path) -> None:
    test = TEST.replace("every: 1 s", "every: 1 s\ntick: 2 s").replace("fires: 3 s", "fires: 4 s")

    assert run(tmp_path, test) == (1, [])


def test_a_finding_is_told_with_the_failure(tmp_path: Path) -> None:
    _, failed = run(tmp_path, TEST.replace("40 60x5", "[40 60x5, 40 60x5]"))

    assert "2 points match" in failed[0]


@pytest.mark.parametrize(
    ("test", "said"),
    [
        (None, "hot.test.yaml: is missing; every rule has its tests beside it (cooling.hot)"),
        (
            TEST.replace("temperature:", "temperatur:"),
            '"temperatur" is no point; write quantity or quantity[tag, tag] with a known quantity',
        ),
        (TEST.replace("40 60x5", "40 6Ox5"), '"6Ox5" is no sample'),
        (TEST.replace("40 60x5", "0x5"), "text is needed, so put it in quotes"),
        (TEST.replace("fires: 3 s", "fire: 3 s"), 'did you mean "fires"?'),
        (TEST.replace("fires: 3 s", "fires: 3"), 'cases[0].fires: found 3; a duration has a unit, write for example "3 s"'),
        (TEST.replace("fires: 3 s", "ends: [3]"), "a duration has a unit"),
        (TEST.replace("every: 1 s", "every: 1"), "every: found 1; a duration has a unit"),
        (TEST.replace("every: 1 s", "every: 1 s\ntick: 5"), "tick: found 5; a duration has a unit"),
        ("every: 1 s\ncases: []\n", "cases: is empty; give at least a case that fires and one that stays quiet"),
        (TEST.replace("fires: 3 s", "fires: 3 kW"), '"3 kW" is no duration; write for example 15 s or 5 min'),
    ],
)
def test_a_test_that_cannot_be_read_is_a_fault(tmp_path: Path, test: str | None, said: str) -> None:
    with pytest.raises(RuleError) as caught:
        run(tmp_path, test)

    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("when: temperature > 50 degC", "when: 1 < 2", ":6:7: when: reads no point, so it never changes"),
        ("for: 2 s", "clear: limit.hot > 5 degC", 'clear: unknown limit "hot"'),
        ("for: 2 s", "for: 60", ':7:6: for: found 60; a duration has a unit, write for example "60 s"'),
        ("for: 2 s", "keep: 1.5", 'write for example "1.5 s"'),
        ("for: 2 s", 'keep: "60"', 'found "60"; a duration has a unit, write for example "60 s"'),
        ("why: w", 'why: ""', ":8:6: why: is empty; say the mechanism"),
        ("do: d", 'do: " "', "do: is empty; say the first three things to check"),
        ("source: s", 'source: ""', "source: is empty; say where each number comes from"),
        ("blind: b", 'blind: ""', "blind: is empty; say what the rule cannot see"),
        ("id: cooling.hot", "id: Cooling.Hot", ':1:5: id: found "Cooling.Hot"; an id is the folder, a dot and the file\'s name'),
    ],
)
def test_a_wrong_rule_is_told_in_words(tmp_path: Path, old: str, new: str, said: str) -> None:
    with pytest.raises(RuleError) as caught:
        run(tmp_path, TEST, RULE.replace(old, new))

    assert said in str(caught.value)


def test_no_delay_needs_no_unit(tmp_path: Path) -> None:
    run(tmp_path, TEST, RULE.replace("for: 2 s", 'for: 0\nkeep: "0"'))

    assert rules.load(tmp_path).of("cooling.hot").rule.for_ == 0


def told(place: Path, folder: Path) -> list[str]:
    with pytest.raises(RuleError) as caught:
        rule_tests.check(place)
    return [str(fault).replace(f"{folder}/", "") for fault in caught.value.faults]


SKU = "title: A rack\nstructure: {tray: {in: rack, count: 3}}\npoints: {}\nsource: an example of nobody's rack\n"
DERIVED = "quantity: a\ntitle: Twice the power\napplies_to: rack\nunit: kW\nvalue: 2 * power\nsource: an example of nobody's rack\n"
DERIVED_TEST = "every: 1 s\ncases:\n  - {name: doubles, points: {power: 3x3}, value: 6}\n"
WORD = "hum: {unit: Hz, about: what a transformer hums at}\n"


def test_a_file_that_nothing_reads_is_a_fault(tmp_path: Path) -> None:
    run(tmp_path, TEST)
    read = {"skus/a.yaml": SKU, "derived/a.yaml": DERIVED, "derived/a.test.yaml": DERIVED_TEST, "vocabulary.yaml": WORD}
    for name in (".git/x.yaml", "cooling/.old.yaml", "README.md", "gates/a.yaml", *read):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(read.get(name, "a: b\n"))
    assert len(rule_tests.check(tmp_path).rules) == 1

    for name in ("mine/x.yaml", "cooling/x.yml", "cooling/gone.test.yaml", "cooling/deep/x.yaml", "top.yaml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("a: b\n")

    move = "is not read; move it: rules belong in it/ power/ cooling/ sensor/ fleet/, the rest in limits/ skus/ gates/ derived/"
    assert told(tmp_path, tmp_path) == [
        "cooling/deep/x.yaml: is not read; move it up, to cooling/x.yaml",
        "cooling/gone.test.yaml: is not read; it tests cooling/gone.yaml, which does not exist; name it after its rule, or remove it",
        "cooling/x.yml: is not read; rename it to x.yaml",
        f"mine/x.yaml: {move}",
        f"top.yaml: {move}",
    ]


def test_check_wants_tests_and_load_does_not(tmp_path: Path) -> None:
    run(tmp_path, TEST)
    (tmp_path / "cooling/hot.test.yaml").unlink()

    assert len(rules.load(tmp_path).rules) == 1
    assert told(tmp_path, tmp_path) == ["cooling/hot.test.yaml: is missing; every rule has its tests beside it (cooling.hot)"]


def test_one_rule_is_checked_alone(tmp_path: Path) -> None:
    (tmp_path / "limits").mkdir()
    (tmp_path / "limits/default.yaml").write_text("title: t\nlimits: {hot: {value: 50 degC, source: s}}\n")
    (tmp_path / "cooling").mkdir(exist_ok=True)
    (tmp_path / "cooling/hot.yaml").write_text(RULE.replace("50 degC", "limit.hot\nexplains: [cooling.broken]"))
    (tmp_path / "cooling/hot.test.yaml").write_text(TEST)
    (tmp_path / "cooling/broken.yaml").write_text("id: 5\n")

    assert [one.id for one in rule_tests.check(tmp_path / "cooling/hot.yaml").rules] == ["cooling.hot"]
    assert [one.id for one in rule_tests.check(tmp_path / "cooling/hot.test.yaml").rules] == ["cooling.hot"]
    assert told(tmp_path / "limits/default.yaml", tmp_path) == [
        "limits/default.yaml: is no rule: a rule is a .yaml file in it/ power/ cooling/ sensor/ fleet/; give the folder that holds these"
    ]
    assert told(tmp_path / "cooling/broken.yaml", tmp_path)[0].startswith("cooling/broken.test.yaml: is missing")


def test_a_heartbeat_covers_the_points_of_its_case(tmp_path: Path) -> None:
    rule = RULE.replace("temperature > 50 degC", "heartbeat_age(temperature) > 3 s").replace("for: 2 s\n", "")
    test = "every: 1 s\ncases:\n  - {name: n, points: {temperature: 40x9, heartbeat_timestamp_bms: 1+1x2 _x7}, fires: 6 s}\n"

    assert run(tmp_path, test, rule) == (1, [])
