"""What one metadata object says about its point, its asset and the power or coolant path."""

import pytest

from monitor.collect.dsx import Dsx
from monitor.collect.dsx_metadata import Description, describe
from monitor.collect.dsx_topic import Topic, parse
from monitor.plant import Plant


def read(path: str, **metadata: object) -> tuple[Description | None, set[str]]:
    topic = parse(f"BMS/v1/PUB/Metadata/{path}/tag".encode())
    assert isinstance(topic, Topic)
    found, lints = describe(topic, {"objectType": topic.object_type, "pointType": topic.point_type} | metadata)
    return found, {code for code, _ in lints}


def clean(path: str, **metadata: object) -> Description:
    found, codes = read(path, **metadata)
    assert codes == set()
    assert found is not None
    return found


RACK = {"rackLocationId": "R5", "rackLocationName": "Rack 5"}
CDU = {"objectId": "C1", "objectName": "CDU 1"}


def test_a_rack_is_known_by_its_location() -> None:
    found = clean("Rack/RackPower", engUnit="kW", **RACK)

    assert (found.point.asset, found.kind, found.name) == ("R5", "rack", "Rack 5")
    assert (found.point.quantity, found.point.unit, found.publisher) == ("power", "kW", "PUB")


@pytest.mark.parametrize("key", ["rackId", "rackID"])
def test_an_older_rack_id_is_taken_with_a_lint(key: str) -> None:
    found, codes = read("Rack/RackPower", engUnit="kW", rackName="Rack 5", **{key: "R5"})

    assert found is not None
    assert (found.point.asset, found.name) == ("R5", "Rack 5")
    assert "rack_id_dialect" in codes


def test_a_meter_serves_what_it_says() -> None:
    found = clean("PowerMeter/PhaseCurrent", engUnit="A", phase="B", objectId="M", objectName="M", servesId=["T1", "T2"])

    assert (found.kind, found.serves, found.point.tags) == ("power_meter", ("T1", "T2"), ("b",))


def test_an_object_never_serves_itself() -> None:
    found, codes = read("CDU/Status", stateText=[], servesId=["C1", "R5"], **CDU)

    assert found is not None
    assert found.serves == ("R5",)
    assert codes == {"serves_itself"}


def test_an_associate_point_belongs_to_its_parent_and_says_its_kind() -> None:
    states = [{"value": 0, "text": "Closed"}, {"value": 1, "text": "Open"}]

    found = clean("Valve/ValvePosition", stateText=states, associateId="R5", processArea=["Return"])

    assert (found.point.asset, found.kind, found.name) == ("R5", "unknown", "")
    assert found.point.tags == ("return", "valve")
    assert found.point.states == ((0, "Closed"), (1, "Open"))
    assert (found.point.quantity, found.point.unit) == ("valve_position", "")


def test_two_identities_are_one_and_a_lint() -> None:
    found, codes = read("Valve/Available", stateText=[], associateId="R5", objectId="V1", objectName="V1")

    assert found is not None
    assert (found.point.asset, found.kind) == ("V1", "valve")
    assert codes == {"metadata_two_identities"}


def test_no_identity_describes_nothing() -> None:
    found, codes = read("CDU/Status", stateText=[])

    assert found is None
    assert "metadata_without_identity" in codes


def test_a_name_alone_is_an_identity_with_a_lint() -> None:
    found, codes = read("CDU/Status", stateText=[], objectName="CDU 1")

    assert found is not None
    assert found.point.asset == "CDU 1"
    assert "identity_by_name" in codes


@pytest.mark.parametrize("bad", ["", None, "x" * 513, ["R5"], {"id": "R5"}, 1.5, True])
@pytest.mark.parametrize(
    ("path", "key", "name"),
    [
        ("Rack/RackPower", "rackLocationId", "rackLocationName"),
        ("Rack/RackPower", "rackId", "rackName"),
        ("CDU/Status", "objectId", "objectName"),
        ("Valve/Status", "associateId", "objectName"),
    ],
)
def test_an_id_that_cannot_be_used_is_not_replaced_by_the_name(path: str, key: str, name: str, bad: object) -> None:
    found, codes = read(path, **{key: bad, name: "R7"})

    assert found is None
    assert {"metadata_field_type", "metadata_without_identity"} <= codes
    assert "identity_by_name" not in codes


def test_a_number_is_a_usable_id_and_an_associate_stands_for_a_bad_one_of_its_own() -> None:
    by_number, _ = read("CDU/Status", objectId=7, objectName="CDU 1")
    associated, _ = read("Valve/Status", objectId="", associateId="R5", objectName="V1")

    assert by_number is not None
    assert associated is not None
    assert (by_number.point.asset, associated.point.asset) == ("7", "R5")


def test_metadata_with_an_unusable_id_is_counted_and_found() -> None:
    plant = Plant()
    dsx = Dsx(plant)
    dsx.decode([b"BMS/v1/PUB/Metadata/CDU/Status/tag"], [b'{"objectId":"","objectName":"C1"}'], [], 0.0)

    assert plant.assets == {}
    assert dsx.dropped == {"metadata_without_identity": 1}
    assert "metadata_without_identity" in {code for code, _ in plant.findings.counts}


def test_the_prefix_is_part_of_every_id() -> None:
    plant = Plant()
    topic = b"cpc/7/BMS/v1/PUB/Metadata/CDU/Status/tag"

    Dsx(plant).decode([topic], [b'{"objectType":"CDU","pointType":"Status","objectId":"C1","servesId":["R5"]}'], [], 0.0)

    assert sorted(plant.assets) == ["cpc/7/C1", "cpc/7/R5"]
    assert plant.edges == {("cpc/7/C1", "cpc/7/R5")}


def test_an_unknown_parent_gets_its_kind_later() -> None:
    plant = Plant()
    dsx = Dsx(plant)
    dsx.decode([b"BMS/v1/PUB/Metadata/Valve/Available/v"], [b'{"associateId":"R5"}'], [], 0.0)
    before = plant.assets["R5"].kind

    dsx.decode([b"BMS/v1/PUB/Metadata/Rack/RackPower/p"], [b'{"rackLocationId":"R5","rackLocationName":"Rack 5"}'], [], 0.0)

    assert (before, plant.assets["R5"].kind) == ("unknown", "rack")
    assert plant.assets["R5"].attributes == {"name": "Rack 5"}
    assert len(plant.assets["R5"].points) == 2


@pytest.mark.parametrize(
    ("said", "tag", "lint"),
    [
        ("Secondary", "secondary", False),
        ("Seccondary", "secondary", True),
        ("Secondry", "secondary", True),
        ("suplpy", "supply", True),
        ("Inlets", "inlet", True),
        ("Supply2", "supply2", False),
        ("Cold  Aisle", "cold_aisle", False),
        ("Filter1", "filter1", False),
        ("Tertiary", "tertiary", False),
    ],
)
def test_process_areas_are_tags(said: str, tag: str, lint: bool) -> None:
    found, codes = read("CDU/LiquidFlow", engUnit="LPM", processArea=[said], **CDU)

    assert found is not None
    assert found.point.tags == (tag,)
    assert codes == ({"process_area_spelling"} if lint else set())


@pytest.mark.parametrize(
    ("path", "areas", "unit", "quantity", "tags", "in_unit"),
    [
        ("CDU/GenericPoint", ["Reservoir", "Level"], "%", "liquid_level", (), "%"),
        ("Tank/GenericPoint", ["Makeup", "Level"], "%", "liquid_level", ("makeup",), "%"),
        ("CDU/GenericPoint", ["Secondary", "Conductivity"], "mS/cm", "liquid_conductivity", ("secondary",), "uS/cm"),
        ("CDU/GenericPoint", ["Reservoir", "Level"], "mm", "generic", ("level", "reservoir"), "mm"),
        ("CDU/GenericPoint", ["Secondary"], "%", "generic", ("secondary",), ""),
        (
            "CDU/LiquidDifferentialPressure",
            ["Secondary", "Filter1"],
            "kPa",
            "filter_differential_pressure",
            ("filter1", "secondary"),
            "kPa",
        ),
        ("CDU/LiquidDifferentialPressure", ["Secondary"], "kPa", "liquid_differential_pressure", ("secondary",), "kPa"),
    ],
)
def test_a_process_area_narrows_a_general_type(
    path: str, areas: list[str], unit: str, quantity: str, tags: tuple[str, ...], in_unit: str
) -> None:
    found, _ = read(path, engUnit=unit, processArea=areas, **CDU)

    assert found is not None
    assert (found.point.quantity, found.point.tags, found.point.unit) == (quantity, tags, in_unit)


@pytest.mark.parametrize(
    ("path", "metadata", "quantity", "setpoint"),
    [
        ("Rack/RackLiquidDifferentialPressureSp", RACK | {"engUnit": "kPa"}, "liquid_differential_pressure", True),
        ("CDU/LiquidTemperature", CDU | {"engUnit": "C", "isSetpoint": True}, "liquid_temperature", True),
        ("CDU/LiquidTemperature", CDU | {"engUnit": "C", "isSetpoint": False}, "liquid_temperature", False),
        ("CDU/LiquidTemperatureSpRequest", CDU | {"engUnit": "C", "integration": "MEPAI"}, "liquid_temperature_request", False),
    ],
)
def test_set_points(path: str, metadata: dict[str, object], quantity: str, setpoint: bool) -> None:
    found = clean(path, **metadata)

    assert (found.point.quantity, found.point.setpoint) == (quantity, setpoint)


@pytest.mark.parametrize(
    ("path", "metadata", "unit", "scale", "codes"),
    [
        ("CDU/LiquidFlow", {"engUnit": "GPM"}, "L/min", 3.785411784, set()),
        ("CDU/PumpSpeed", {"engUnit": "RPM"}, "1/min", 1.0, set()),
        ("CDU/PumpSpeed", {"engUnit": "Hz"}, "Hz", 1.0, {"unit_unexpected"}),
        ("CDU/PumpSpeed", {"stateText": []}, "", 1.0, {"unit_missing"}),
        ("CDU/PumpSpeed", {"stateText": [{"value": 1, "text": "On"}]}, "", 1.0, set()),
        ("CDU/LiquidPressure", {"engUnit": "flux"}, "flux", 1.0, {"unit_unknown"}),
        ("CDU/LiquidPressure", {"engUnit": "V"}, "V", 1.0, {"unit_unexpected"}),
        ("CDU/LiquidPressure", {}, "", 1.0, {"metadata_field_missing", "unit_missing"}),
        ("CDU/LiquidTemperature", {}, "degC", 1.0, {"metadata_field_missing", "unit_missing"}),
        ("CDU/LiquidTemperature", {"engUnit": "degF"}, "degC", 5 / 9, {"metadata_unit_not_fixed"}),
        ("CDU/GenericPoint", {"engUnit": "psi", "processArea": ["x"]}, "kPa", 6.894757293168361, set()),
        ("CDU/GenericPoint", {"processArea": ["x"]}, "", 1.0, set()),
        ("CDU/LiquidFlow", {"engUnit": "LPM", "stateText": [{"value": 0, "text": "x"}]}, "L/min", 1.0, {"metadata_unit_and_states"}),
        ("CDU/LiquidFlow", {"engUnit": 7}, "7", 1.0, {"metadata_field_type", "unit_unknown"}),
    ],
)
def test_units(path: str, metadata: dict[str, object], unit: str, scale: float, codes: set[str]) -> None:
    found, told = read(path, **CDU, **metadata)

    assert found is not None
    assert (found.point.unit, found.point.scale) == (unit, scale)
    assert told == codes


@pytest.mark.parametrize(
    ("path", "quantity", "kind", "code"),
    [
        ("Toaster/BreadTemperatureSp", "bread_temperature", "toaster", "object_type_unknown"),
        ("CDU/LiquidFlowSp", "liquid_flow", "cdu", "point_type_unknown"),
        ("CDU/VibrationX2", "vibration_x2", "cdu", "point_type_unknown"),
        ("HTTPProxy/!", "generic", "http_proxy", "object_type_unknown"),
        ("Source/Status", "status", "generic_object", "object_type_unknown"),
        ("CDU/Voltage", "voltage", "cdu", "point_type_misplaced"),
        ("CDU/HearbeatTimestampIntegration", "heartbeat_timestamp_integration", "cdu", "point_type_old"),
    ],
)
def test_unknown_types_are_taken_as_they_are(path: str, quantity: str, kind: str, code: str) -> None:
    found, codes = read(path, **CDU)

    assert found is not None
    assert (found.point.quantity, found.kind) == (quantity, kind)
    assert code in codes


def test_an_old_rack_point_type_keeps_its_meaning() -> None:
    found, codes = read("Rack/LeakDetectRack", stateText=[], **RACK)

    assert found is not None
    assert (found.point.quantity, found.point.path) == ("leak", "Rack/LeakDetectRack/tag")
    assert codes == {"point_type_old"}


def test_the_topic_wins_over_the_payload() -> None:
    found, codes = read("Rack/RackPower", objectType="CDU", pointType="LiquidFlow", engUnit="kW", **RACK)

    assert found is not None
    assert (found.kind, found.point.quantity) == ("rack", "power")
    assert codes == {"metadata_not_as_topic"}


@pytest.mark.parametrize(
    "metadata",
    [
        {"stateText": [{"value": "0", "text": "x"}]},
        {"stateText": "On"},
        {"stateText": [7, None, {"value": 1}]},
        {"stateText": [], "processArea": "Secondary"},
        {"stateText": [], "processArea": [7, None, {}]},
        {"stateText": [], "isSetpoint": "true"},
        {"stateText": [], "servesId": {"a": 1}},
        {"stateText": [], "integration": ["NICO"]},
        {"stateText": [], "integration": ""},
        {"stateText": [], "objectName": "x" * 10_000},
    ],
)
def test_fields_of_a_wrong_type_are_told_and_survived(metadata: dict[str, object]) -> None:
    found, codes = read("CDU/Status", **(CDU | metadata))

    assert found is not None
    assert found.publisher == "PUB"
    assert "metadata_field_type" in codes


def test_an_integration_that_is_no_topic_level_is_told() -> None:
    assert "integration_word" in read("CDU/Status", stateText=[], integration="a/b", **CDU)[1]


@pytest.mark.parametrize("phase", ["A", "3", "L1"])
def test_a_phase_is_a_tag(phase: str) -> None:
    found, codes = read("CDU/GenericPoint", processArea=["x"], phase=phase, **CDU)

    assert found is not None
    assert phase.lower() in found.point.tags
    assert codes == ({"phase_unknown"} if phase == "L1" else set())
