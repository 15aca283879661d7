"""The map of frames: what it may say, and that every fault of a map is told in one run, with its line."""

from pathlib import Path

import pytest

from monitor.collect import frames_map
from monitor.collect.frames_map import FrameMap, fill, load_frames, template
from monitor.errors import ConfigError
from monitor.vocabulary import QUANTITIES, Quantity

HEAD = """frames:
  - name: rack
    topic: dc/{rack}/t
    asset: {field: rack, kind: rack}
    time: {field: ts, unit: ms}
    values: values
    interval: 10 s
    points:
"""


def load(tmp_path: Path, text: str, words: dict[str, Quantity] | None = None) -> FrameMap:
    path = tmp_path / "map.yaml"
    path.write_text(text)
    return load_frames(path, QUANTITIES | (words or {}))


def faults(tmp_path: Path, text: str) -> list[str]:
    with pytest.raises(ConfigError) as error:
        load(tmp_path, text)
    return [str(fault).replace(f"{tmp_path}/", "") for fault in error.value.faults]


def test_the_map_of_the_docstring_is_sound(tmp_path: Path) -> None:
    text = (frames_map.__doc__ or "").partition("```yaml\n")[2].partition("```")[0]

    (kind,) = load(tmp_path, text).kinds

    names = [key.name for key in kind.keys]
    supplies = kind.keys[2].members
    assert names[:3] == ["cool_flow", "gpu_temp", "psu_power"]
    assert names[3:75] == [f"gpu{number:02}.power" for number in range(72)]
    assert names[75:] == ["door", "xid"]
    assert (supplies[0].below, supplies[0].group, supplies[35].below) == ("shelf0/psu00", "shelf0", "shelf5/psu35")
    assert kind.filter == "dc/+/t"
    assert kind.keys[-1].event


def test_a_unit_becomes_scale_and_offset(tmp_path: Path) -> None:
    points = "      a: {quantity: temperature, unit: degF}\n      b: {quantity: power, unit: W, scale: 10}\n      c: {quantity: generic, unit: psi}\n"

    (kind,) = load(tmp_path, HEAD + points).kinds

    assert [(key.unit, key.scale) for key in kind.keys] == [("degC", 5 / 9), ("kW", 0.01), ("kPa", 6.894757293168361)]
    assert kind.keys[0].offset == -160 / 9


def test_words_of_the_rules_are_known(tmp_path: Path) -> None:
    (kind,) = load(tmp_path, HEAD + "      a: {quantity: hall_noise, unit: dBA}\n", {"hall_noise": Quantity("dB", "noise")}).kinds

    assert kind.keys[0].unit == "dB"


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("gpu", ("gpu",)),
        ("{n}", (("n", 1),)),
        ("shelf{g}/psu{n:02}", ("shelf", ("g", 1), "/psu", ("n", 2))),
    ],
)
def test_a_template_is_taken_apart(text: str, parts: tuple[object, ...]) -> None:
    assert template(text) == parts


@pytest.mark.parametrize(
    "text", ["{", "}", "{}", "{m}", "{n!r}", "{n.__class__}", "{n:>9}", "{n:2}", "{n:07}", "{0}", "{{n}}", "{n:{g}}", "{n:02", "a}{n}"]
)
def test_a_template_is_no_format_string(text: str) -> None:
    with pytest.raises(ValueError, match="found"):
        template(text)


def test_a_number_wider_than_its_digits_is_written_whole() -> None:
    assert fill(template("{n:02}-{g}"), 123, 7) == "123-7"


def test_k_counts_anew_in_each_group_in_ids_and_keys(tmp_path: Path) -> None:
    children = '{id: "tray{g}/gpu{k}", kind: gpu, count: 4, group: {size: 2, kind: tray, first: 1}}'

    (kind,) = load(tmp_path, HEAD + f'      "t{{g}}.{{k}}.{{n}}": {{quantity: leak, children: {children}}}\n').kinds

    assert [(key.name, key.members[0].below) for key in kind.keys] == [
        ("t1.0.0", "tray1/gpu0"),
        ("t1.1.1", "tray1/gpu1"),
        ("t2.0.2", "tray2/gpu0"),
        ("t2.1.3", "tray2/gpu1"),
    ]


def test_every_fault_of_a_map_in_one_run(tmp_path: Path) -> None:
    text = """frames:
  - name: a rack
    topic: dc/{Rack}/t
    asset: {kind: rak}
    time: {field: ts.., unit: min}
    interval: 10
    points:
      a: {quantity: temperatur, unit: C}
      b: {quantity: power}
      c: {quantity: power, unit: bar}
      d: {quantity: leak, childs: 3}
      "e{n}": {quantity: leak}
      "f{m}": {quantity: leak}
      g: {quantity: leak, children: {id: gpu, kind: gpu, count: 4}}
      h: {quantity: leak, children: {id: "tray{g}/gpu{n}", kind: gpuu, count: 4}}
      i: {quantity: leak, children: {id: "tray/gpu{n}", kind: gpu, count: 4, group: {size: 0, kind: tray}}}
      j: {quantity: xid, event: false}
"""
    found = faults(tmp_path, text)

    wanted = {
        "2": "frames[0].name: ",
        "3": "small letters, digits and _",
        "4": "unknown kind",
        "5": "keys joined by a dot",
        "6": "is no duration",
        "8": 'did you mean "temperature"?',
        "9": "unit is missing: power is kept in kW",
        "10": "measures pressure, not power",
        "11": 'unknown key; did you mean "children"?',
        "12": "needs {n}, or {g} and {k}, and children",
        "13": "{n}, {g} and {k} are known",
        "14": "{n} is needed",
        "15": "add group",
        "16": "group.size",
        "17": "xid is an event in the vocabulary",
    }
    for line, words in wanted.items():
        assert any(fault.startswith(f"map.yaml:{line}:") and words in fault for fault in found), "\n".join([line, words, *found])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("field: rack, kind", "topic: rak, kind"), 'did you mean "rack"?'),
        (("field: rack, kind", "field: rack, id: x, kind"), "needs one of field"),
        (("field: rack, kind", "kind"), "needs one of field"),
        (("field: rack", "field: values"), "holds values"),
        (("field: rack", "field: values.a"), "holds values"),
        (("field: rack", "field: values.a.b"), "holds values"),
        (("field: rack", "field: ts.rack"), "the same field, or one is inside the other"),
        (("field: rack", "field: ts"), "the same field"),
        (("values: values", "values: ts"), "holds values"),
        (("values: values", "values: ts.values"), "holds values"),
        (("dc/{rack}/t", "dc/#/t"), '"#" stands alone as the last level'),
        (("dc/{rack}/t", "dc/{rack}/{rack}"), "two levels have the same name"),
        (("dc/{rack}/t", "dc/x{rack}/t"), "takes a whole level"),
        (("name: rack", "name: a/b"), "frames[0].name"),
    ],
)
def test_what_does_not_meet_is_a_fault(tmp_path: Path, change: tuple[str, str], words: str) -> None:
    (fault,) = faults(tmp_path, HEAD.replace(*change) + "      a: {quantity: leak}\n")

    assert words in fault
    assert fault.startswith("map.yaml:")


def test_a_field_beside_the_values_is_no_clash(tmp_path: Path) -> None:
    assert load(tmp_path, HEAD.replace("field: rack", "field: values.rack") + "      a: {quantity: leak}\n").topics == ("dc/+/t",)


def test_two_entries_for_one_key_and_too_many_keys_are_faults(tmp_path: Path) -> None:
    pattern = '      "g{n}": {quantity: leak, children: {id: "gpu{n}", kind: gpu, count: COUNT}}\n'

    (twice,) = faults(tmp_path, HEAD + pattern.replace("COUNT", "8") + "      g3: {quantity: leak}\n")
    (many,) = faults(tmp_path, HEAD + pattern.replace("COUNT", "2001"))
    (large,) = faults(
        tmp_path, HEAD + "".join(f"      k{at}: {{quantity: leak, children: {{id: 'g{{n}}', kind: gpu, count: 20000}}}}\n" for at in (1, 2))
    )

    assert '"g3" is meant by two entries' in twice
    assert "has 2,001 keys; at most 2,000" in many
    assert "more than 20,000 values" in large


def test_two_kinds_of_one_name_are_a_fault(tmp_path: Path) -> None:
    kind = (HEAD + "      a: {quantity: leak}\n").partition("\n")[2]

    (fault,) = faults(tmp_path, "frames:\n" + kind + kind)

    assert fault == 'map.yaml:10:11: frames[1].name: found "rack" twice; give each kind of frame its own'


def test_a_map_that_is_no_map_is_a_fault(tmp_path: Path) -> None:
    assert "is a list" in faults(tmp_path, "- a\n")[0]
    assert "frames: is missing" in faults(tmp_path, "frame: []\n")[0] + faults(tmp_path, "frame: []\n")[1]
    with pytest.raises(ConfigError, match="cannot be read"):
        load_frames(tmp_path / "none.yaml", QUANTITIES)
