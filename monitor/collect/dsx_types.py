"""What DSX Exchange BMS 1.0.0 allows: 23 object types, their point types, fields and publishers.

Read off `asyncapi/bms/bms.yaml`; a test compares every line with all 69 channels of that file.
Metadata channels allow the union of what the BMS and an integration may publish as values.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache


class Identity(StrEnum):
    """How metadata says whose point it is."""

    RACK = "rack"  # rackLocationName, rackLocationId
    METER = "meter"  # objectName, objectId, servesId
    EQUIPMENT = "equipment"  # objectName and objectId (servesId optional), or associateId alone
    SYSTEM = "system"  # objectName, objectId


class Measure(StrEnum):
    """What metadata says about the value."""

    UNIT = "engUnit"
    STATE = "stateText"
    EITHER = "engUnit or stateText"
    ANY = "at most one of engUnit and stateText"
    NOTHING = "neither engUnit nor stateText"


@dataclass(frozen=True, slots=True)
class PointType:
    """One point type; `unit` is the engUnit that the contract fixes, "" where it is free."""

    quantity: str
    measure: Measure
    unit: str = ""
    required: frozenset[str] = frozenset()  # beside objectType, pointType, identity and measure
    optional: frozenset[str] = frozenset()
    identity: Identity | None = None  # None: the object type's own


@dataclass(frozen=True, slots=True)
class ObjectType:
    kind: str
    identity: Identity
    bms: frozenset[str]  # point types whose values the BMS publishes
    integration: frozenset[str]  # point types whose values an integration publishes

    @property
    def points(self) -> frozenset[str]:
        return self.bms | self.integration


def _types(text: str) -> frozenset[str]:
    return frozenset(text.split())


_AREA = _types("processArea")
_GENERIC = PointType("generic", Measure.ANY, required=_AREA, optional=_types("phase isSetpoint integration"))
_MEASURED = _types("processArea isSetpoint")
_STATE = _types("processArea integration")

POINT_TYPES: dict[str, PointType] = {
    "RackLiquidSupplyTemperature": PointType("liquid_supply_temperature", Measure.UNIT, "C"),
    "RackLiquidReturnTemperature": PointType("liquid_return_temperature", Measure.UNIT, "C"),
    "RackLiquidFlow": PointType("liquid_flow", Measure.UNIT, "LPM"),
    "RackLiquidDifferentialPressure": PointType("liquid_differential_pressure", Measure.UNIT, "kPa"),
    "RackLiquidDifferentialPressureSp": PointType("liquid_differential_pressure", Measure.UNIT, "kPa", optional=_types("isSetpoint")),
    "RackControlValvePosition": PointType("control_valve_position", Measure.UNIT, "%"),
    "RackPower": PointType("power", Measure.UNIT, "kW"),
    "RackLeakDetect": PointType("leak", Measure.STATE),
    "RackLeakSensorFault": PointType("leak_sensor_fault", Measure.STATE),
    "RackLiquidIsolationStatus": PointType("liquid_isolation", Measure.STATE),
    "RackElectricalIsolationStatus": PointType("electrical_isolation", Measure.STATE),
    "RackLeakDetectTray": PointType("tray_leak", Measure.STATE, required=_types("integration")),
    "RackLiquidIsolationRequest": PointType("liquid_isolation_request", Measure.STATE, required=_types("integration")),
    "RackElectricalIsolationRequest": PointType("electrical_isolation_request", Measure.STATE, required=_types("integration")),
    "Voltage": PointType("voltage", Measure.UNIT),
    "PowerFactor": PointType("power_factor", Measure.NOTHING),
    "Frequency": PointType("frequency", Measure.UNIT),
    "ApparentPower": PointType("apparent_power", Measure.UNIT),
    "ActivePower": PointType("active_power", Measure.UNIT),
    "Current": PointType("current", Measure.UNIT),
    "CurrentLimit": PointType("current_limit", Measure.UNIT),
    "PhaseCurrent": PointType("phase_current", Measure.UNIT, required=_types("phase")),
    "LiquidTemperature": PointType("liquid_temperature", Measure.UNIT, "C", optional=_MEASURED),
    "AirTemperature": PointType("air_temperature", Measure.UNIT, "C", optional=_MEASURED),
    "LiquidDifferentialPressure": PointType("liquid_differential_pressure", Measure.EITHER, optional=_MEASURED),
    "LiquidFlow": PointType("liquid_flow", Measure.EITHER, optional=_MEASURED),
    "LiquidPressure": PointType("liquid_pressure", Measure.EITHER, optional=_MEASURED),
    "AirDifferentialPressure": PointType("air_differential_pressure", Measure.EITHER, optional=_MEASURED),
    "AirRelativeHumidity": PointType("air_relative_humidity", Measure.EITHER, optional=_MEASURED),
    "AirFlow": PointType("air_flow", Measure.EITHER, optional=_MEASURED),
    "AirPressure": PointType("air_pressure", Measure.EITHER, optional=_MEASURED),
    "ValvePosition": PointType("valve_position", Measure.EITHER, optional=_AREA),
    "PumpSpeed": PointType("pump_speed", Measure.EITHER, optional=_AREA),
    "FanSpeed": PointType("fan_speed", Measure.EITHER, optional=_AREA),
    "DamperPosition": PointType("damper_position", Measure.EITHER, optional=_AREA),
    "LeakDetect": PointType("leak", Measure.STATE, optional=_AREA),
    "Sound": PointType("sound", Measure.UNIT, optional=_AREA),
    "LiquidTemperatureSpRequest": PointType(
        "liquid_temperature_request", Measure.UNIT, "C", required=_types("integration"), optional=_AREA
    ),
    "Status": PointType("status", Measure.STATE, optional=_STATE),
    "Available": PointType("available", Measure.STATE, optional=_STATE),
    "GenericPoint": _GENERIC,
    "HeartbeatTimestampBms": PointType("heartbeat_timestamp_bms", Measure.NOTHING, optional=_types("scope"), identity=Identity.SYSTEM),
    "HeartbeatEchoBms": PointType("heartbeat_echo_bms", Measure.NOTHING, optional=_types("scope"), identity=Identity.SYSTEM),
    "HeartbeatTimestampIntegration": PointType(
        "heartbeat_timestamp_integration", Measure.NOTHING, required=_types("integration"), identity=Identity.SYSTEM
    ),
    "HeartbeatEchoIntegration": PointType(
        "heartbeat_echo_integration", Measure.NOTHING, required=_types("integration"), identity=Identity.SYSTEM
    ),
}

_ELECTRICAL = _types("Status Available GenericPoint")
_ENVIRONMENT = _types(
    "LiquidTemperature LiquidDifferentialPressure LiquidFlow LiquidPressure LeakDetect "
    "AirTemperature AirDifferentialPressure AirRelativeHumidity AirFlow AirPressure Available GenericPoint"
)
_MECHANICAL = _ENVIRONMENT | _types("Status ValvePosition PumpSpeed FanSpeed DamperPosition")
_ONLY_GENERIC = _types("GenericPoint")
_REQUESTS = _types("LiquidTemperatureSpRequest GenericPoint")


def _equipment(kind: str, bms: frozenset[str], integration: frozenset[str] = _ONLY_GENERIC) -> ObjectType:
    return ObjectType(kind, Identity.EQUIPMENT, bms, integration)


OBJECT_TYPES: dict[str, ObjectType] = {
    "Rack": ObjectType(
        "rack",
        Identity.RACK,
        _types(
            "RackLiquidSupplyTemperature RackLiquidReturnTemperature RackLiquidFlow RackLiquidDifferentialPressure "
            "RackLiquidDifferentialPressureSp RackControlValvePosition RackPower RackLeakDetect RackLeakSensorFault "
            "RackLiquidIsolationStatus RackElectricalIsolationStatus"
        ),
        _types("RackLeakDetectTray RackLiquidIsolationRequest RackElectricalIsolationRequest"),
    ),
    "PowerMeter": ObjectType(
        "power_meter",
        Identity.METER,
        _types("Voltage PowerFactor Frequency ApparentPower ActivePower Current CurrentLimit PhaseCurrent GenericPoint"),
        _ONLY_GENERIC,
    ),
    "BESS": _equipment("bess", _ELECTRICAL),
    "UPS": _equipment("ups", _ELECTRICAL),
    "ATS": _equipment("ats", _ELECTRICAL),
    "Generator": _equipment("generator", _ELECTRICAL),
    "Shunt": _equipment("shunt", _ELECTRICAL),
    "Breaker": _equipment("breaker", _ELECTRICAL),
    "CDU": _equipment("cdu", _MECHANICAL, _REQUESTS),
    "CoolingTower": _equipment("cooling_tower", _MECHANICAL),
    "HX": _equipment("hx", _MECHANICAL),
    "CRAH": _equipment("crah", _MECHANICAL),
    "CRAC": _equipment("crac", _MECHANICAL),
    "AHU": _equipment("ahu", _MECHANICAL),
    "Chiller": _equipment("chiller", _MECHANICAL),
    "Valve": _equipment("valve", _types("ValvePosition Available GenericPoint")),
    "Pump": _equipment("pump", _types("PumpSpeed Available GenericPoint")),
    "Fan": _equipment("fan", _types("FanSpeed Available GenericPoint")),
    "Damper": _equipment("damper", _types("DamperPosition Available GenericPoint")),
    "Sensor": _equipment("sensor", _ENVIRONMENT | _types("Sound")),
    "Tank": _equipment("tank", _MECHANICAL),
    "GenericObject": _equipment("generic_object", _MECHANICAL | _types("Sound"), _REQUESTS),
    "System": _equipment(
        "system",
        _types("HeartbeatTimestampBms HeartbeatEchoBms Status Available GenericPoint"),
        _types("HeartbeatTimestampIntegration HeartbeatEchoIntegration Status Available GenericPoint"),
    ),
}

PHASES = ("A", "B", "C", "1", "2", "3")

# Names from before 1.0 that publishers still send, and the misspelling of a published guide.
OLD_POINT_TYPES = {
    "LeakDetectRack": "RackLeakDetect",
    "LeakSensorFaultRack": "RackLeakSensorFault",
    "LeakDetectRackTray": "RackLeakDetectTray",
    "LeakResponseRackLiquidIsolationStatus": "RackLiquidIsolationStatus",
    "LeakResponseRackElectricalIsolationStatus": "RackElectricalIsolationStatus",
    "LeakResponseRackLiquidIsolationRequest": "RackLiquidIsolationRequest",
    "LeakResponseRackElectricalIsolationRequest": "RackElectricalIsolationRequest",
    "HearbeatTimestampIntegration": "HeartbeatTimestampIntegration",
}

_IDENTITY_FIELDS: dict[Identity, tuple[frozenset[str], ...]] = {
    Identity.RACK: (_types("rackLocationName rackLocationId"),),
    Identity.METER: (_types("objectName objectId servesId"),),
    Identity.EQUIPMENT: (_types("objectName objectId"), _types("associateId")),
    Identity.SYSTEM: (_types("objectName objectId"),),
}
_MEASURE_FIELDS: dict[Measure, tuple[frozenset[str], ...]] = {
    Measure.UNIT: (_types("engUnit"),),
    Measure.STATE: (_types("stateText"),),
    Measure.EITHER: (_types("engUnit"), _types("stateText")),
    Measure.ANY: (frozenset(), _types("engUnit"), _types("stateText")),
    Measure.NOTHING: (frozenset(),),
}


@dataclass(frozen=True, slots=True)
class Fields:
    """The fields of one metadata message: all of `required`, exactly one set of each choice, and any of `optional`."""

    required: frozenset[str]
    optional: frozenset[str]
    identity: tuple[frozenset[str], ...]
    measure: tuple[frozenset[str], ...]
    known: frozenset[str]  # all of them


@cache
def fields(object_type: str, point_type: str) -> Fields:
    """Return what metadata of that pair must and may have.

    Raises:
        KeyError: the contract does not know one of the names.

    """
    point = POINT_TYPES[point_type]
    identity = point.identity or OBJECT_TYPES[object_type].identity
    serves = _types("servesId") if identity is Identity.EQUIPMENT else frozenset()
    required, optional = _types("objectType pointType") | point.required, point.optional | serves
    choices = _IDENTITY_FIELDS[identity], _MEASURE_FIELDS[point.measure]
    return Fields(required, optional, *choices, required.union(optional, *choices[0], *choices[1]))


def lint(object_type: str, point_type: str, metadata: Mapping[str, object]) -> list[tuple[str, str]]:
    """Compare metadata with the contract; return (finding code, text) for each difference."""
    if object_type not in OBJECT_TYPES:
        return [("object_type_unknown", f"no object type {object_type!r} in the contract; it is taken as it is")]
    if point_type not in POINT_TYPES:
        return [("point_type_unknown", f"no point type {point_type!r} in the contract; it is taken as it is")]
    if point_type not in OBJECT_TYPES[object_type].points:
        return [("point_type_misplaced", f"the contract has no {point_type} on a {object_type}")]
    contract = fields(object_type, point_type)
    found: list[tuple[str, str]] = []
    present = frozenset(metadata)
    missing = contract.required - present
    for choice in (contract.identity, contract.measure):
        if not any(option <= present for option in choice):
            missing |= min(choice, key=lambda option: len(option - present)) - present
    if missing:
        found.append(("metadata_field_missing", f"{_listed(missing)} missing"))
    extra = present - contract.known
    if extra:
        found.append(("metadata_field_unknown", f"{_listed(extra)} not in the contract for {object_type}/{point_type}"))
    fixed = POINT_TYPES[point_type].unit
    if fixed and metadata.get("engUnit", fixed) != fixed:
        found.append(("metadata_unit_not_fixed", f"engUnit is {str(metadata['engUnit'])[:32]!r}, the contract fixes {fixed!r}"))
    return found


def _listed(names: Collection[str]) -> str:
    return ", ".join(repr(name[:40]) for name in sorted(names)[:8])
