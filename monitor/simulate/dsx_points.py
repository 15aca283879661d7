"""Which DSX Exchange point each sensor of a pod is: topics and metadata of BMS 1.0."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from monitor.model import I64
from monitor.simulate.layout import Layout, Place
from monitor.simulate.signals import SIGNALS

_LEAK = ("NoLeak", "Leak")
_ISOLATED = ("NotIsolated", "Isolated")
_OPEN = ("Closed", "Open")


@dataclass(frozen=True, slots=True)
class DsxPoint:
    """One point on the wire. `row` is that of its sensor; `decimals` those of its resolution."""

    row: int
    value_topic: str
    metadata_topic: str
    metadata: bytes
    decimals: int


@dataclass(frozen=True, slots=True)
class _Said:
    """What the metadata of one signal says beside its asset."""

    object_type: str
    point_type: str
    tag: str  # behind the asset's own tag path
    unit: str = ""
    states: tuple[str, ...] = ()  # labels of 0, 1, ...
    areas: tuple[str, ...] = ()
    phase: str = ""
    setpoint: bool = False
    associate: bool = False  # the point is on equipment that belongs to the asset


def _meter(place: Place) -> dict[str, _Said]:
    """Describe the signals of a three-phase power meter."""
    plain = {
        "voltage": ("Voltage", "voltage/voltage/value", "V"),
        "power_factor": ("PowerFactor", "power/powerFactor/value", ""),
        "frequency": ("Frequency", "frequency/value", "Hz"),
        "active_power": ("ActivePower", "power/activePower/value", "kW"),
        "apparent_power": ("ApparentPower", "power/apparentPower/value", "kVA"),
        "current": ("Current", "current/current/value", "A"),
        "current_limit": ("CurrentLimit", "info/capacity/rValue", "A"),
    }
    said = {f"{place}.{name}": _Said("PowerMeter", *words) for name, words in plain.items()}
    for number, phase in enumerate("ABC", 1):
        said[f"{place}.current_{phase.lower()}"] = _Said("PowerMeter", "PhaseCurrent", f"current/phase{number}/value", "A", phase=phase)
    return said


def _air(name: str, point_type: str, unit: str, aisle: str) -> _Said:
    return _Said("Sensor", point_type, f"environment/{aisle}/{name}/feedback/value", unit, areas=(aisle[0].upper() + aisle[1:],))


_VALVE, _LEAKS = "energyValve", "leakDetection"
_SECONDARY, _PRIMARY = ("Secondary",), ("Primary",)

_TABLE: dict[str, _Said] = {
    "rack.supply_temperature": _Said("Rack", "RackLiquidSupplyTemperature", f"{_VALVE}/supplyTemperature/feedback/value", "C"),
    "rack.return_temperature": _Said("Rack", "RackLiquidReturnTemperature", f"{_VALVE}/returnTemperature/feedback/value", "C"),
    "rack.flow": _Said("Rack", "RackLiquidFlow", f"{_VALVE}/flow/feedback/value", "LPM"),
    "rack.pressure": _Said("Rack", "RackLiquidDifferentialPressure", f"{_VALVE}/dp/feedback/value", "kPa"),
    "rack.pressure_setpoint": _Said("Rack", "RackLiquidDifferentialPressureSp", f"{_VALVE}/dpSetpoint/rValue", "kPa", setpoint=True),
    "rack.valve": _Said("Rack", "RackControlValvePosition", f"{_VALVE}/positionSig/rValue", "%"),
    "rack.power": _Said("Rack", "RackPower", "info/power/power/value", "kW"),
    "rack.leak": _Said("Rack", "RackLeakDetect", f"{_LEAKS}/state/rValue", states=_LEAK),
    "rack.leak_sensor_fault": _Said("Rack", "RackLeakSensorFault", f"{_LEAKS}/deviceFail/rValue", states=("NoFault", "Fault")),
    "rack.liquid_isolation": _Said("Rack", "RackLiquidIsolationStatus", f"{_LEAKS}/liqIsolateFlag/rValue", states=_ISOLATED),
    "rack.electrical_isolation": _Said("Rack", "RackElectricalIsolationStatus", f"{_LEAKS}/elecIsolateFlag/rValue", states=_ISOLATED),
    "rack.supply_valve": _Said("Valve", "ValvePosition", "supplyValve/position/rValue", states=_OPEN, areas=("Supply",), associate=True),
    "rack.return_valve": _Said("Valve", "ValvePosition", "returnValve/position/rValue", states=_OPEN, areas=("Return",), associate=True),
    **_meter(Place.TAP),
    "tap.shunt": _Said("Shunt", "Status", "shuntTrip/cmd/rValue", states=("Off", "On"), associate=True),
    **_meter(Place.BUS),
    "cdu.available": _Said("CDU", "Available", "availability/rValue", states=("NotAvailable", "Available")),
    "cdu.status": _Said("CDU", "Status", "cduStatus/rValue", states=("Off", "On")),
    "cdu.supply_temperature": _Said("CDU", "LiquidTemperature", "secondary/supply/temperature/value", "C", areas=("Secondary", "Supply")),
    "cdu.return_temperature": _Said("CDU", "LiquidTemperature", "secondary/return/temperature/value", "C", areas=("Secondary", "Return")),
    "cdu.supply_setpoint": _Said(
        "CDU", "LiquidTemperature", "secondary/tempSetpoint/rValue", "C", areas=("Secondary", "Supply"), setpoint=True
    ),
    "cdu.flow": _Said("CDU", "LiquidFlow", "secondary/flow/feedback/value", "LPM", areas=_SECONDARY),
    "cdu.pressure": _Said("CDU", "LiquidDifferentialPressure", "secondary/dp/feedback/value", "kPa", areas=_SECONDARY),
    "cdu.pressure_setpoint": _Said(
        "CDU", "LiquidDifferentialPressure", "secondary/dpSetpoint/rValue", "kPa", areas=_SECONDARY, setpoint=True
    ),
    "cdu.supply_pressure": _Said("CDU", "LiquidPressure", "secondary/supply/pressure/value", "kPa", areas=("Secondary", "Supply")),
    "cdu.return_pressure": _Said("CDU", "LiquidPressure", "secondary/return/pressure/value", "kPa", areas=("Secondary", "Return")),
    "cdu.filter_pressure": _Said(
        "CDU", "LiquidDifferentialPressure", "secondary/filter/filter1/dp/value", "kPa", areas=("Secondary", "Filter1")
    ),
    "cdu.pump_1": _Said("CDU", "PumpSpeed", "secondary/pump/pump1/speed/value", "%", areas=_SECONDARY),
    "cdu.pump_2": _Said("CDU", "PumpSpeed", "secondary/pump/pump2/speed/value", "%", areas=_SECONDARY),
    "cdu.level": _Said("CDU", "GenericPoint", "secondary/reservoir/level/value", "%", areas=("Reservoir", "Level")),
    "cdu.primary_flow": _Said("CDU", "LiquidFlow", "primary/flow/feedback/value", "LPM", areas=_PRIMARY),
    "cdu.primary_inlet": _Said("CDU", "LiquidTemperature", "primary/inlet/temperature/value", "C", areas=("Primary", "Inlet")),
    "cdu.primary_outlet": _Said("CDU", "LiquidTemperature", "primary/outlet/temperature/value", "C", areas=("Primary", "Outlet")),
    "cdu.primary_inlet_pressure": _Said("CDU", "LiquidPressure", "primary/inlet/pressure/value", "kPa", areas=("Primary", "Inlet")),
    "cdu.primary_valve": _Said("CDU", "ValvePosition", "primary/valve/valve1/positionSig/value", "%", areas=_PRIMARY),
    "room.cold_1": _air("temperature/temp01", "AirTemperature", "C", "coldAisle"),
    "room.cold_2": _air("temperature/temp02", "AirTemperature", "C", "coldAisle"),
    "room.hot_1": _air("temperature/temp01", "AirTemperature", "C", "hotAisle"),
    "room.hot_2": _air("temperature/temp02", "AirTemperature", "C", "hotAisle"),
    "room.humidity_1": _air("relativeHumidity/rH01", "AirRelativeHumidity", "%RH", "coldAisle"),
    "room.humidity_2": _air("relativeHumidity/rH02", "AirRelativeHumidity", "%RH", "coldAisle"),
    "room.leak": _Said("Sensor", "LeakDetect", "leakStatus/state/rValue", states=_LEAK, areas=("Floor",)),
}


def root(layout: Layout) -> str:
    """Return the levels with which every tag path of a pod begins."""
    return f"{layout.site}/{layout.pod}"


def points(layout: Layout, rows: Mapping[str, I64]) -> list[DsxPoint]:
    """Return every point of a pod.

    Args:
        layout: its names.
        rows: the rows of each signal, see `Sensors.rows`.

    """
    return list(_points(layout, rows))


def _points(layout: Layout, rows: Mapping[str, I64]) -> Iterator[DsxPoint]:
    for signal in SIGNALS:
        said = _TABLE[signal.name]
        decimals = len(f"{signal.step:g}".partition(".")[2]) if not said.states else 0
        for index, row in enumerate(rows[signal.name]):
            address = f"{said.object_type}/{said.point_type}/{_tag(layout, signal.place, index)}/{said.tag}"
            metadata = json.dumps(_metadata(layout, signal.place, index, said), separators=(",", ":")).encode()
            yield DsxPoint(int(row), f"BMS/v1/PUB/Value/{address}", f"BMS/v1/PUB/Metadata/{address}", metadata, decimals)


def _tag(layout: Layout, place: Place, index: int) -> str:
    if place is Place.ROOM:
        return f"{root(layout)}/row1"
    rack = f"row1/rack{index % layout.racks + 1:02}/" if place in {Place.RACK, Place.TAP} else ""
    name = "" if place is Place.RACK else layout.ids(place)[index]
    return f"{root(layout)}/{rack}{name}".rstrip("/")


def _metadata(layout: Layout, place: Place, index: int, said: _Said) -> dict[str, object]:
    found: dict[str, object] = {"objectType": said.object_type, "pointType": said.point_type}
    if said.unit:
        found["engUnit"] = said.unit
    if said.states:
        found["stateText"] = [{"value": value, "text": text} for value, text in enumerate(said.states)]
    asset = layout.ids(place)[index]
    if said.associate:
        found["associateId"] = asset
    elif place is Place.RACK:
        found |= {"rackLocationName": asset, "rackLocationId": asset}
    else:
        found |= {"objectName": asset, "objectId": asset}
        if serves := layout.serves(place, index):
            found["servesId"] = list(serves)
    if said.areas:
        found["processArea"] = list(said.areas)
    if said.phase:
        found["phase"] = said.phase
    if said.setpoint:
        found["isSetpoint"] = True
    return found
