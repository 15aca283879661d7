"""The controller of a power shelf, with the ids of a recorded Delta shelf (AHE50V660A33KWR), and as power equipment.

Of the recorded sensors these are missing, which the plant has nothing to show: hot-swap and standby outputs, the hot spot,
the controller's own rails and temperature, second fans and harmonics. Clip temperatures are the shelf's, on every supply.
"""

from monitor.simulate.devices.redfish.thermal import thermal
from monitor.simulate.devices.redfish.tree import (
    AMPS,
    CELSIUS,
    JOULES,
    OK,
    PERCENT,
    ROOT,
    RPM,
    VOLTS,
    WATTS,
    Branch,
    Json,
    Live,
    Measure,
    link,
    tidy,
)

RATED = 5500.0  # W a supply
_SUPPLY: tuple[tuple[str, str, Measure], ...] = (
    ("input_current", "input_current", AMPS),
    ("output_current", "output_current", AMPS),
    ("fan1", "fan_speed", RPM),
    ("input_power", "input_power", WATTS),
    ("output_power", "output_power", WATTS),
    ("temp_input", "inlet", CELSIUS),
    ("temp_output", "outlet", CELSIUS),
    ("input_voltage", "input_voltage", VOLTS),
    ("output_voltage", "output_voltage", VOLTS),
)


def add(branch: Branch) -> None:
    """Add a shelf to a tree, but for its manager."""
    shelf, tree = branch.device, branch.tree
    ordinal = int(shelf.rpartition("shelf")[2])
    uri = f"{ROOT}/Chassis/{branch.prefix}PowerShelf_0"
    branch.chassis(
        "PowerShelf_0",
        "RackMount",
        {
            "AssetTag": branch.readout.name(shelf),
            "Location": branch.location(ordinal, f"Power shelf {ordinal}"),
            "Manufacturer": "DELTA",
            "MaxPowerWatts": 33000,
            "Model": "AHE50V660A33KWR",
            "PowerSubsystem": link(f"{uri}/PowerSubsystem"),
            "SerialNumber": branch.readout.serial("shelf", shelf),
            "ThermalSubsystem": link(f"{uri}/ThermalSubsystem"),
        },
    )
    supplies = tree.collection(f"{uri}/PowerSubsystem/PowerSupplies", "PowerSupply", "PowerSupply Collection")
    tree.add(f"{uri}/PowerSubsystem", "PowerSubsystem.v1_1_3", "Power Subsystem", {"PowerSupplies": link(supplies), "Status": OK})
    whole = {"PhysicalContext": "Chassis"}
    branch.sensor(uri, "total_current_out", "shelf.output_current", shelf, AMPS, whole)
    power = branch.sensor(uri, "total_power_in", "shelf.input_power", shelf, WATTS, whole)
    branch.sensor(uri, "total_power_out", "shelf.output_power", shelf, WATTS, whole)
    branch.sensor(uri, "max_voltage_out", "shelf.output_voltage", shelf, VOLTS, whole)
    for phase in "abc":
        branch.sensor(uri, f"current_in_A_{phase.upper()}", f"shelf.phase_{phase}", shelf, AMPS, whole)
    inlets = [_supply(branch, uri, supplies, number, psu) for number, psu in enumerate(branch.readout.below("psu", shelf), 1)]
    load = branch.shown(uri, "power_load", _load(branch, len(inlets)), PERCENT, whole)
    thermal(branch, uri, inlets)
    _equipment(branch, uri, power, load)


def _load(branch: Branch, supplies: int) -> Live:
    out = branch.number("shelf.output_power", branch.device, 1000.0)

    def share() -> float | None:
        watts = out()
        return None if watts is None else tidy(100 * watts / (RATED * supplies))

    return share


def _supply(branch: Branch, chassis: str, supplies: str, number: int, psu: str) -> str:
    """Add a supply and its sensors; return its inlet's."""
    tree, own = branch.tree, {"PhysicalContext": "PowerSupply"}
    uris = {name: branch.sensor(chassis, f"ps{number}_{name}", f"psu.{signal}", psu, measure, own) for name, signal, measure in _SUPPLY}
    for side in ("plus", "minus"):
        branch.sensor(chassis, f"ps{number}_temp_clip_{side}", "shelf.clip", branch.device, CELSIUS, own)
    for name, signal in (("energy_in", "psu.input_power"), ("energy_out", "psu.output_power")):
        branch.shown(chassis, f"ps{number}_{name}", branch.energy(signal, psu), JOULES, own)
    failed = branch.number("psu.status", psu)

    def status() -> Json:
        found = failed()
        return {"Health": "Critical" if found else "OK", "State": "UnavailableOffline" if found is None else "Enabled"}

    uri = f"{supplies}/{number}"
    tree.member(
        uri,
        "PowerSupply.v1_6_0",
        f"PowerSupplyUnit {number}",
        {
            "FirmwareVersion": "01050105",
            "HotPluggable": True,
            "InputNominalVoltageType": "AC200To240V",
            "Location": {"PartLocation": {"LocationOrdinalValue": number, "LocationType": "Bay", "ServiceLabel": f"PSU Bay {number}"}},
            "Manufacturer": "Delta",
            "Metrics": link(f"{uri}/Metrics"),
            "Model": "ECD17020047",
            "PowerCapacityWatts": RATED,
            "PowerSupplyType": "DC",
            "SerialNumber": branch.readout.serial("psu", psu),
            "Status": status,
        },
    )
    excerpt = tree.excerpt
    tree.add(
        f"{uri}/Metrics",
        "PowerSupplyMetrics.v1_1_0",
        f"Metrics for Power Supply {number}",
        {
            "FanSpeedPercent": {"DataSourceUri": uris["fan1"], "SpeedRPM": tree.readings[uris["fan1"]]},
            "InputCurrentAmps": excerpt(uris["input_current"]),
            "InputPowerWatts": excerpt(uris["input_power"]),
            "InputVoltage": excerpt(uris["input_voltage"]),
            "OutputPowerWatts": excerpt(uris["output_power"]),
            "RailCurrentAmps": [excerpt(uris["output_current"])],
            "RailPowerWatts": [excerpt(uris["output_power"])],
            "RailVoltage": [excerpt(uris["output_voltage"])],
            "Status": status,
            "TemperatureCelsius": excerpt(uris["temp_output"]),
        },
    )
    return uris["temp_input"]


def _equipment(branch: Branch, chassis: str, power: str, load: str) -> None:
    tree = branch.tree
    shelves = tree.collection(f"{ROOT}/PowerEquipment/PowerShelves", "PowerDistribution", "Power Shelf Collection")
    uri = f"{shelves}/{branch.prefix}1"
    tree.add(f"{ROOT}/PowerEquipment", "PowerEquipment.v1_2_0", "DCIM Power Equipment", {"PowerShelves": link(shelves), "Status": OK})
    tree.member(
        uri,
        "PowerDistribution.v1_3_0",
        "Power shelf",
        {
            "AssetTag": branch.readout.name(branch.device),
            "EquipmentType": "PowerShelf",
            "Links": {"Chassis": [link(chassis)]},
            "Manufacturer": "DELTA",
            "Metrics": link(f"{uri}/Metrics"),
            "Model": "AHE50V660A33KWR",
            "PowerSupplies": link(f"{chassis}/PowerSubsystem/PowerSupplies"),
            "Sensors": link(f"{chassis}/Sensors"),
            "SerialNumber": branch.readout.serial("shelf", branch.device),
            "Status": OK,
        },
    )
    metrics = {"PowerLoadPercent": tree.excerpt(load), "PowerWatts": tree.excerpt(power)}
    tree.add(f"{uri}/Metrics", "PowerDistributionMetrics.v1_4_0", "Metrics of the power shelf", metrics)
