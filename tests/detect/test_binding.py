"""Which points a name means, and which assets belong to one."""

import pytest

from monitor.detect.binding import Names, Relations, sku_of, written
from monitor.model import Point
from monitor.plant import Plant


def point(plant: Plant, asset: str, path: str, quantity: str = "liquid_differential_pressure", unit: str = "kPa", **more: object) -> int:
    return plant.describe(Point("bus", path, asset, quantity, unit, **more))  # type: ignore[arg-type]


@pytest.fixture
def cdu() -> Plant:
    """The pressure drops of a recorded CDU: the loop's, its set-point, and a filter's."""
    plant = Plant()
    plant.asset("cdu", "cdu")
    point(plant, "cdu", "loop", tags=("secondary",))
    point(plant, "cdu", "set", tags=("secondary",), setpoint=True)
    point(plant, "cdu", "filter", tags=("filter1", "secondary"))
    return plant


@pytest.mark.parametrize(
    ("selector", "paths"),
    [
        ((), ["loop", "filter"]),
        (("secondary",), ["loop", "filter"]),
        (("=", "secondary"), ["loop"]),
        (("filter1",), ["filter"]),
        (("=", "filter1"), []),
        (("=", "filter1", "secondary"), ["filter"]),
        (("secondary", "setpoint"), ["set"]),
        (("=", "secondary", "setpoint"), ["set"]),
        (("=", "setpoint"), []),
        (("primary",), []),
    ],
)
def test_a_selector_means_points_that_have_its_tags_or_exactly_these(cdu: Plant, selector: tuple[str, ...], paths: list[str]) -> None:
    found = Names(cdu).matching(cdu.assets["cdu"], "liquid_differential_pressure", selector)

    assert [cdu.points[row].path for row in found] == paths


def test_a_point_in_a_unit_of_another_dimension_is_not_meant() -> None:
    plant = Plant()
    plant.asset("cdu", "cdu")
    point(plant, "cdu", "speed", "pump_speed", "%")
    point(plant, "cdu", "fill", "pump_speed", "")
    point(plant, "cdu", "turns", "pump_speed", "1/min")

    assert [plant.points[row].path for row in Names(plant).matching(plant.assets["cdu"], "pump_speed", ())] == ["speed"]


@pytest.mark.parametrize(
    ("selector", "text"),
    [((), "power"), (("a", "b"), "power[a, b]"), (("=", "a"), "power[=a]"), (("=", "a", "setpoint"), "power[=a, setpoint]")],
)
def test_a_name_is_written_as_in_a_rule(selector: tuple[str, ...], text: str) -> None:
    assert written("power", selector) == text


@pytest.fixture
def pod() -> Plant:
    """Two buses feed two taps, these a rack with two trays; a CDU serves it, and a rack nobody described yet."""
    plant = Plant()
    for name in ("bus1", "bus2", "tap1", "tap2"):
        plant.asset(name, "power_meter")
    plant.asset("rack", "rack", sku="gb300_nvl72")
    plant.asset("cdu", "cdu")
    for giver, taker in (("bus1", "tap1"), ("bus2", "tap2"), ("tap1", "rack"), ("tap2", "rack"), ("cdu", "rack"), ("cdu", "other")):
        plant.serve(giver, taker)
    for name in ("tray1", "tray2"):
        plant.asset(name, "tray", parent="rack")
        plant.asset(f"{name}/gpu", "gpu", parent=name)
    return plant


@pytest.mark.parametrize(
    ("asset", "kind", "found"),
    [
        ("rack", "tray", ["tray1", "tray2"]),
        ("rack", "gpu", ["tray1/gpu", "tray2/gpu"]),
        ("rack", "power_meter", ["tap1", "tap2"]),  # not the buses behind them
        ("rack", "cdu", ["cdu"]),
        ("cdu", "rack", ["rack"]),
        ("bus1", "power_meter", ["tap1"]),  # what it serves comes before what serves it
        ("bus1", "rack", ["rack"]),
        ("tap1", "power_meter", ["bus1"]),
        ("tray1", "rack", ["rack"]),
        ("tray1", "cdu", ["cdu"]),
        ("tray1/gpu", "power_meter", ["tap1", "tap2"]),
        ("rack", "ups", []),
        ("other", "cdu", ["cdu"]),
    ],
)
def test_related_assets_are_the_nearest_of_the_kind(pod: Plant, asset: str, kind: str, found: list[str]) -> None:
    assert [one.id for one in Relations(pod).of(pod.assets[asset], kind)] == found


def test_a_loop_that_a_wire_tells_ends(pod: Plant) -> None:
    pod.serve("rack", "bus1")

    assert [one.id for one in Relations(pod).of(pod.assets["rack"], "cdu")] == ["cdu"]
    assert Relations(pod).of(pod.assets["cdu"], "ups") == ()


def test_a_part_has_the_sku_of_what_it_is_in(pod: Plant) -> None:
    assert sku_of(pod.assets["tray1/gpu"], pod) == "gb300_nvl72"
    assert sku_of(pod.assets["cdu"], pod) is None
