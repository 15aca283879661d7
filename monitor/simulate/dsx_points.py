"""Which DSX Exchange point each sensor of a pod is: topics and metadata of BMS 1.0. What is not in the table is not on that wire."""

import json
from collections.abc import Iterator
from dataclasses import dataclass

from monitor.simulate.physics import Layout, Physics
from monitor.simulate.physics.parameters import FEEDS
from monitor.simulate.physics.signals import SIGNALS

_LEAK = ("NoLeak", "Leak")
_ISOLATED = ("NotIsolated", "Isolated")


@dataclass(frozen=True, slots=True)
class DsxPoint:
    """One point on the wire. `row` is its place in the plant's values; `decimals` those of its resolution, `step` half of what a change is."""

    row: int
    asset: str
    value_topic: str
    metadata_topic: str
    metadata: bytes
    decimals: int
    step: float


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


def _meter(place: str) -> dict[str, _Said]:
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
        said[f"{place}.phase_{phase.lower()}"] = _Said("PowerMeter", "PhaseCurrent", f"current/phase{number}/value", "A", phase=phase)
    return said


def _air(name: str, point_type: str, unit: str, aisle: str) -> _Said:
    return _Said("Sensor", point_type, f"environment/{aisle}/{name}/feedback/value", unit, areas=(aisle[0].upper() + aisle[1:],))


_VALVE, _LEAKS = "energyValve", "leakDetection"
_SECONDARY, _PRIMARY = ("Secondary",), ("Primary",)

_TABLE: dict[str, _Said] = {
    "rack.liquid_supply": _Said("Rack", "RackLiquidSupplyTemperature", f"{_VALVE}/supplyTemperature/feedback/value", "C"),
    "rack.liquid_return": _Said("Rack", "RackLiquidReturnTemperature", f"{_VALVE}/returnTemperature/feedback/value", "C"),
    "rack.liquid_flow": _Said("Rack", "RackLiquidFlow", f"{_VALVE}/flow/feedback/value", "LPM"),
    "rack.drop": _Said("Rack", "RackLiquidDifferentialPressure", f"{_VALVE}/dp/feedback/value", "kPa"),
    "rack.drop_setpoint": _Said("Rack", "RackLiquidDifferentialPressureSp", f"{_VALVE}/dpSetpoint/rValue", "kPa", setpoint=True),
    "rack.valve": _Said("Rack", "RackControlValvePosition", f"{_VALVE}/positionSig/rValue", "%"),
    "rack.power": _Said("Rack", "RackPower", "info/power/power/value", "kW"),
    "rack.leak": _Said("Rack", "RackLeakDetect", f"{_LEAKS}/state/rValue", states=_LEAK),
    "rack.leak_sensor_fault": _Said("Rack", "RackLeakSensorFault", f"{_LEAKS}/deviceFail/rValue", states=("NoFault", "Fault")),
    "rack.liquid_isolation": _Said("Rack", "RackLiquidIsolationStatus", f"{_LEAKS}/liqIsolateFlag/rValue", states=_ISOLATED),
    "rack.electrical_isolation": _Said("Rack", "RackElectricalIsolationStatus", f"{_LEAKS}/elecIsolateFlag/rValue", states=_ISOLATED),
    **_meter("tap"),
    **_meter("pdu"),
    "cdu.supply": _Said("CDU", "LiquidTemperature", "secondary/supply/temperature/value", "C", areas=("Secondary", "Supply")),
    "cdu.return": _Said("CDU", "LiquidTemperature", "secondary/return/temperature/value", "C", areas=("Secondary", "Return")),
    "cdu.supply_setpoint": _Said(
        "CDU", "LiquidTemperature", "secondary/tempSetpoint/rValue", "C", areas=("Secondary", "Supply"), setpoint=True
    ),
    "cdu.flow": _Said("CDU", "LiquidFlow", "secondary/flow/feedback/value", "LPM", areas=_SECONDARY),
    "cdu.header": _Said("CDU", "LiquidDifferentialPressure", "secondary/dp/feedback/value", "kPa", areas=_SECONDARY),
    "cdu.header_setpoint": _Said(
        "CDU", "LiquidDifferentialPressure", "secondary/dpSetpoint/rValue", "kPa", areas=_SECONDARY, setpoint=True
    ),
    "cdu.supply_pressure": _Said("CDU", "LiquidPressure", "secondary/supply/pressure/value", "kPa", areas=("Secondary", "Supply")),
    "cdu.return_pressure": _Said("CDU", "LiquidPressure", "secondary/return/pressure/value", "kPa", areas=("Secondary", "Return")),
    "cdu.filter_1": _Said("CDU", "LiquidDifferentialPressure", "secondary/filter/filter1/dp/value", "kPa", areas=("Secondary", "Filter1")),
    "cdu.pump_1": _Said("CDU", "PumpSpeed", "secondary/pump/pump1/speed/value", "%", areas=_SECONDARY),
    "cdu.pump_2": _Said("CDU", "PumpSpeed", "secondary/pump/pump2/speed/value", "%", areas=_SECONDARY),
    "cdu.level": _Said("CDU", "GenericPoint", "secondary/reservoir/level/value", "%", areas=("Reservoir", "Level")),
    "cdu.primary_flow": _Said("CDU", "LiquidFlow", "primary/flow/feedback/value", "LPM", areas=_PRIMARY),
    "cdu.primary_inlet": _Said("CDU", "LiquidTemperature", "primary/inlet/temperature/value", "C", areas=("Primary", "Inlet")),
    "cdu.primary_outlet": _Said("CDU", "LiquidTemperature", "primary/outlet/temperature/value", "C", areas=("Primary", "Outlet")),
    "cdu.primary_pressure": _Said("CDU", "LiquidPressure", "primary/inlet/pressure/value", "kPa", areas=("Primary", "Inlet")),
    "cdu.valve": _Said("CDU", "ValvePosition", "primary/valve/valve1/positionSig/value", "%", areas=_PRIMARY),
    "room.cold": _air("temperature/temp01", "AirTemperature", "C", "coldAisle"),
    "room.hot": _air("temperature/temp01", "AirTemperature", "C", "hotAisle"),
    "room.humidity": _air("relativeHumidity/rH01", "AirRelativeHumidity", "%RH", "coldAisle"),
    "room.leak": _Said("Sensor", "LeakDetect", "leakStatus/state/rValue", states=_LEAK, areas=("Floor",)),
}


def root(layout: Layout, site: str) -> str:
    """Return the levels with which every tag path of a pod begins."""
    return f"{site}/{layout.pod}"


def points(physics: Physics, site: str = "demo") -> list[DsxPoint]:
    """Return every point that a pod has on this wire."""
    return list(_points(physics, site))


def _points(physics: Physics, site: str) -> Iterator[DsxPoint]:
    layout = physics.layout
    for signal in SIGNALS:
        if (said := _TABLE.get(signal.name)) is None or signal.name not in physics.sensors.slices:
            continue
        decimals = len(f"{signal.step:g}".partition(".")[2]) if not said.states else 0
        first = physics.sensors.slices[signal.name].start
        for index, asset in enumerate(layout.ids(signal.place)):
            address = f"{said.object_type}/{said.point_type}/{_tag(layout, site, signal.place, asset)}/{said.tag}"
            metadata = json.dumps(_metadata(layout, signal.place, asset, said), separators=(",", ":")).encode()
            yield DsxPoint(
                first + index, asset, f"BMS/v1/PUB/Value/{address}", f"BMS/v1/PUB/Metadata/{address}", metadata, decimals, signal.step
            )


def _tag(layout: Layout, site: str, place: str, asset: str) -> str:
    top = f"{root(layout, site)}/row1"
    if place == "room":
        return top
    if place in {"rack", "tap"}:
        rack, _, tap = asset.partition("-")
        return f"{top}/rack{rack.removeprefix('R')}" + (f"/{asset}" if tap else "")
    return f"{root(layout, site)}/{layout.name(asset)}"


def _metadata(layout: Layout, place: str, asset: str, said: _Said) -> dict[str, object]:
    found: dict[str, object] = {"objectType": said.object_type, "pointType": said.point_type}
    if said.unit:
        found["engUnit"] = said.unit
    if said.states:
        found["stateText"] = [{"value": value, "text": text} for value, text in enumerate(said.states)]
    name = layout.name(asset)
    if place == "rack":
        found |= {"rackLocationName": name, "rackLocationId": name}
    else:
        found |= {"objectName": name, "objectId": name}
        if serves := _serves(layout, place, asset):
            found["servesId"] = serves
    if said.areas:
        found["processArea"] = list(said.areas)
    if said.phase:
        found["phase"] = said.phase
    if said.setpoint:
        found["isSetpoint"] = True
    return found


def _serves(layout: Layout, place: str, asset: str) -> list[str]:
    """Return what an asset feeds with power or coolant; a room's sensors say nothing of that on this wire."""
    racks = layout.ids("rack")
    if place == "pdu":
        return [layout.name(f"{rack}-TAP-{feed}") for rack in racks for feed in FEEDS if asset.endswith(f"-{feed}")]
    if place == "tap":
        return [layout.name(asset.partition("-")[0])]
    return [layout.name(rack) for rack in racks] if place == "cdu" else []
