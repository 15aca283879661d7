"""The controller of a coolant distribution unit: thermal equipment as DMTF's schemas have it (no recording of one was found)."""

from monitor.simulate.devices.redfish.tree import CELSIUS, KILOPASCAL, LEVEL, LITRES, OK, PERCENT, ROOT, WATTS, Branch, Json, Measure, link

_VIBRATION = Measure("Vibration", "mm/s")  # a reading type of ours: the schema has none for a velocity


def add(branch: Branch) -> None:
    """Add a CDU to a tree, but for its manager."""
    cdu, tree = branch.device, branch.tree
    about: Json = {
        "AssetTag": branch.readout.name(cdu),
        "Location": {
            "PartLocation": {"LocationType": "Slot", "ServiceLabel": cdu},
            "Placement": {"Rack": branch.readout.name(cdu), "Row": branch.readout.physics.layout.pod},
        },
        "SerialNumber": branch.readout.serial("cdu", cdu),
    }
    units = tree.collection(f"{ROOT}/ThermalEquipment/CDUs", "CoolingUnit", "CDU Collection")
    tree.add(f"{ROOT}/ThermalEquipment", "ThermalEquipment.v1_1_0", "Cooling Equipment", {"CDUs": link(units), "Status": OK})
    uri = f"{units}/{branch.prefix}1"
    chassis = branch.chassis("CDU_0", "RackMount", about)
    parts = {
        "EnvironmentMetrics": "EnvironmentMetrics",
        **{name: name for name in ("Filters", "PrimaryCoolantConnectors", "Pumps", "Reservoirs", "SecondaryCoolantConnectors")},
    }
    tree.member(
        uri,
        "CoolingUnit.v1_3_0",
        "CDU",
        about
        | {
            "EquipmentType": "CDU",
            "Links": {"Chassis": [link(chassis)]},
            "Manufacturer": "Simulated",
            "Status": OK,
            **{key: link(f"{uri}/{name}") for key, name in parts.items()},
        },
    )
    _connectors(branch, uri, chassis)
    _pumps(branch, uri, chassis)
    filters = tree.collection(f"{uri}/Filters", "Filter", "Filter Collection")
    drop = branch.sensor(chassis, "FilterDeltaPressure", "cdu.filter", cdu, KILOPASCAL)
    tree.member(f"{filters}/1", "Filter.v1_0_2", "Filter", {"DeltaLiquidPressurekPa": tree.excerpt(drop), "Status": OK})
    reservoirs = tree.collection(f"{uri}/Reservoirs", "Reservoir", "Reservoir Collection")
    level = branch.sensor(chassis, "ReservoirLevel", "cdu.level", cdu, LEVEL)
    reservoir = {"FluidLevelPercent": tree.excerpt(level), "FluidLevelStatus": "OK", "ReservoirType": "Reserve", "Status": OK}
    tree.member(f"{reservoirs}/1", "Reservoir.v1_0_2", "Reservoir", reservoir)


def _connectors(branch: Branch, uri: str, chassis: str) -> None:
    """Add one primary and one secondary connector; a controller's set-point is a Control excerpt."""
    cdu, tree = branch.device, branch.tree

    def sensors(side: str, rows: dict[str, tuple[str, Measure]]) -> dict[str, Json]:
        return {
            name: tree.excerpt(branch.sensor(chassis, f"{side}{name.removesuffix('Celsius').removesuffix('kPa')}", signal, cdu, measure))
            for name, (signal, measure) in rows.items()
        }

    secondary = sensors(
        "Secondary",
        {
            "SupplyTemperatureCelsius": ("cdu.supply", CELSIUS),
            "ReturnTemperatureCelsius": ("cdu.return", CELSIUS),
            "FlowLitersPerMinute": ("cdu.flow", LITRES),
            "DeltaPressurekPa": ("cdu.header", KILOPASCAL),
            "SupplyPressurekPa": ("cdu.supply_pressure", KILOPASCAL),
            "ReturnPressurekPa": ("cdu.return_pressure", KILOPASCAL),
        },
    )
    secondary["SupplyTemperatureControlCelsius"] = {"SetPoint": branch.number("cdu.supply_setpoint", cdu)}
    secondary["DeltaPressureControlkPa"] = {"SetPoint": branch.number("cdu.header_setpoint", cdu)}
    primary = sensors(
        "Primary",
        {
            "SupplyTemperatureCelsius": ("cdu.primary_inlet", CELSIUS),
            "ReturnTemperatureCelsius": ("cdu.primary_outlet", CELSIUS),
            "FlowLitersPerMinute": ("cdu.primary_flow", LITRES),
            "SupplyPressurekPa": ("cdu.primary_pressure", KILOPASCAL),
            "ValvePositionPercent": ("cdu.valve", PERCENT),
        },
    )
    for name, fields in (("PrimaryCoolantConnectors", primary), ("SecondaryCoolantConnectors", secondary)):
        connectors = tree.collection(f"{uri}/{name}", "CoolantConnector", "Coolant Connector Collection")
        kind = {"CoolantConnectorType": "Pair", "Status": OK, "ValveStateReason": "Normal"}
        tree.member(f"{connectors}/1", "CoolantConnector.v1_1_0", "Coolant connector", kind | fields)


def _pumps(branch: Branch, uri: str, chassis: str) -> None:
    tree = branch.tree
    pumps = tree.collection(f"{uri}/Pumps", "Pump", "Pump Collection")
    watts = []
    for number, pump in enumerate(branch.readout.below("pump", branch.device), 1):
        speed = branch.sensor(chassis, f"Pump{number}Speed", "pump.speed", pump, PERCENT)
        power = branch.sensor(chassis, f"Pump{number}Power", "pump.power", pump, WATTS)
        branch.sensor(chassis, f"Pump{number}Vibration", "pump.vibration", pump, _VIBRATION)
        watts.append(tree.readings[power])
        fields = {
            "PumpSpeedPercent": tree.excerpt(speed),
            "PumpType": "Liquid",
            "SerialNumber": branch.readout.serial("pump", pump),
            "Status": OK,
        }
        tree.member(f"{pumps}/{number}", "Pump.v1_2_0", f"Pump {number}", fields)

    def total() -> float | None:
        found = [power() for power in watts]
        known = [power for power in found if power is not None]
        return round(sum(known), 6) if len(known) == len(found) else None

    tree.add(f"{uri}/EnvironmentMetrics", "EnvironmentMetrics.v1_3_0", "CDU Environment Metrics", {"PowerWatts": {"Reading": total}})
