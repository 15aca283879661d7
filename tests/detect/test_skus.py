"""What a rack of each SKU is made of: what a file may say, what is wrong with it, and that the shipped ones are sound."""

from pathlib import Path

import pytest

from monitor.detect import limits, skus
from monitor.errors import Fault

ROOT = Path(__file__).parent.parent.parent
GOOD = """\
title: A small rack
structure:
  tray: {in: rack, count: 3}
  gpu: {in: tray, count: 4}
points:
  rack: {liquid_flow: 1 s, "liquid_differential_pressure[setpoint]": 5 min}
  gpu: {temperature: 10 s, "phase_current[a, b]": 60 s}
source: an example of nobody's rack
"""


def load(folder: Path, text: str) -> tuple[dict[str, skus.Sku], list[str]]:
    (folder / "skus").mkdir()
    (folder / "skus/small.yaml").write_text(text)
    faults: list[Fault] = []
    found = skus.load(folder, faults)
    return found, [str(fault).partition("small.yaml:")[2] for fault in faults]


def test_a_file_says_what_a_rack_is_made_of(tmp_path: Path) -> None:
    found, faults = load(tmp_path, GOOD)

    assert faults == []
    small = found["small"]
    assert (small.title, small.source) == ("A small rack", "an example of nobody's rack")
    assert {kind: (part.within, part.count) for kind, part in small.structure.items()} == {"tray": ("rack", 3), "gpu": ("tray", 4)}
    assert small.points == {
        "rack": (
            skus.Promised("liquid_flow", frozenset(), False, 1.0),
            skus.Promised("liquid_differential_pressure", frozenset(), True, 300.0),
        ),
        "gpu": (
            skus.Promised("temperature", frozenset(), False, 10.0),
            skus.Promised("phase_current", frozenset({"a", "b"}), False, 60.0),
        ),
    }


def test_parts_multiply(tmp_path: Path) -> None:
    found, _ = load(tmp_path, GOOD)

    assert [found["small"].count(kind) for kind in ("rack", "tray", "gpu", "psu")] == [1, 3, 12, 0]


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("title:", "titel:", '1:1: titel: unknown key; did you mean "title"?'),
        ("gpu: {in: tray", "gpuu: {in: tray", '4:3: structure.gpuu: unknown kind "gpuu"; did you mean "gpu"?'),
        ("in: tray", "in: try", '4:13: structure.gpu.in: "try" is no part of the rack; did you mean "tray"?'),
        ("in: rack", "in: gpu", "3:14: structure.tray.in: tray is in itself; what holds it ends at the rack"),
        ("in: rack", "in: tray", "3:14: structure.tray.in: tray is in itself; what holds it ends at the rack"),
        ("tray: {in: rack, count: 3}", "rack: {in: rack, count: 3}", "3:3: structure.rack: is what the whole file describes; remove it"),
        ("  gpu: {temp", "  gpv: {temp", '7:3: points.gpv: "gpv" is no part of the rack; did you mean "gpu"?'),
        ("  gpu: {temp", "  psu: {temp", '7:3: points.psu: "psu" is no part of the rack'),
        ("temperature:", "temprature:", '7:9: points.gpu.temprature: unknown quantity "temprature"; did you mean "temperature"?'),
        ("temperature:", "xid:", "7:9: points.gpu.xid: is an event, which nobody can promise; remove it"),
        ("temperature:", "Temperature!:", "7:9: points.gpu.Temperature!: is no point; write quantity or quantity[tag, tag]"),
        ("temperature:", '"phase_current[b, a]":', "is phase_current[b, a] too; keep one of them"),
        ("10 s", "10", '7:22: points.gpu.temperature: "10" is no duration; write for example 60 s or 5 min'),
        ("10 s", "0 s", "7:22: points.gpu.temperature"),
        ("count: 4", "count: 0", "4:26: structure.gpu.count"),
        ("count: 4", "count: 4, slot: 1", "4:29: structure.gpu.slot: unknown key; known keys: count, in"),
        ("source: an example of nobody's rack", "source: me", "8:9: source"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(tmp_path: Path, old: str, new: str, fault: str) -> None:
    found, faults = load(tmp_path, GOOD.replace(old, new, 1))

    assert found == {}
    assert any(fault in text for text in faults), faults


def test_a_file_that_is_no_yaml_is_told(tmp_path: Path) -> None:
    found, faults = load(tmp_path, "title: [")

    assert (found, len(faults)) == ({}, 1)


def test_without_a_folder_there_are_no_skus(tmp_path: Path) -> None:
    faults: list[Fault] = []

    assert (skus.load(tmp_path, faults), faults) == ({}, [])


def test_the_shipped_skus_are_sound_and_have_limits() -> None:
    faults: list[Fault] = []
    shipped = skus.load(ROOT / "rules", faults)
    known = limits.load(ROOT / "rules", faults)

    assert faults == []
    assert set(shipped) == set(known.values) - {limits.DEFAULT}
    assert {name: sku.count("gpu") for name, sku in shipped.items()} == {"gb200_nvl72": 72, "gb300_nvl72": 72, "hgx_air": 32}


def test_the_shipped_skus_agree_with_their_limits() -> None:
    """The same number stands in both, as a rule reads only limits."""
    shipped, known = skus.load(ROOT / "rules", []), limits.load(ROOT / "rules", [])

    for name, sku in shipped.items():
        assert sku.structure["gpu"].count == known.of(name, "gpus_per_tray"), name
