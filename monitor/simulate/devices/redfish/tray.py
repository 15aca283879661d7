"""The BMC of a compute tray: chassis, sensors, leak detectors, GPUs and CPUs, with the ids of recorded GB300 trays.

Without a recording are the names of PDB_0's sensors and of the coolant's (a tray says these by other ways, if at all), and
the voltages of the leak detector. One fan and one leak detector stand for the tray's eight and four, as in the plant.
"""

from monitor.simulate.devices.redfish.processors import add_cpu, add_gpu
from monitor.simulate.devices.redfish.thermal import thermal
from monitor.simulate.devices.redfish.tree import AMPS, CELSIUS, OK, PERCENT, ROLLUP, ROOT, RPM, VOLTS, WATTS, Branch, Json, link

_DRY, _WET = 1.73, 0.9  # V of a leak detector; dry as recorded, wet below its recorded limit of 1.3 (estimate)
_FAN = {"ReadingRangeMax": 37400.0, "ReadingRangeMin": 0.0, "Thresholds": {"LowerCritical": {"Reading": 2204.0}}}
_AIR = {"UpperCaution": {"Reading": 40.0}, "UpperCritical": {"Reading": 43.0}, "UpperFatal": {"Reading": 45.0}}


def add(branch: Branch) -> None:
    """Add a tray to a tree, but for its manager."""
    chassis = _chassis(branch)
    _boards(branch)
    systems = branch.tree.collection(f"{ROOT}/Systems", "ComputerSystem", "Computer System Collection")
    tray, readout = branch.device, branch.readout
    about = {
        "Manufacturer": "NVIDIA",
        "PowerState": "On",
        "Status": ROLLUP,
        "SystemType": "Physical",
        "SerialNumber": readout.serial("tray", tray),
    }
    branch.tree.member(
        f"{systems}/{branch.prefix}System_0",
        "ComputerSystem.v1_22_0",
        "System_0",
        about
        | {"HostName": readout.name(tray).lower().replace("/", "-"), "Links": {"Chassis": [link(chassis)]}, "UUID": readout.uuid(tray)},
    )
    base = f"{systems}/{branch.prefix}HGX_Baseboard_0"
    parts = {"Memory": link(f"{base}/Memory"), "Processors": link(f"{base}/Processors")}
    branch.tree.member(base, "ComputerSystem.v1_22_0", "HGX_Baseboard_0", about | parts)
    branch.tree.collection(f"{base}/Processors", "Processor", "Processor Collection")
    branch.tree.collection(f"{base}/Memory", "Memory", "Memory Collection")
    for number, cpu in enumerate(readout.below("cpu", tray)):
        add_cpu(branch, base, number, cpu)
    for number, gpu in enumerate(readout.below("gpu", tray)):
        add_gpu(branch, base, number, gpu)


def _chassis(branch: Branch) -> str:
    tray, tree = branch.device, branch.tree
    ordinal = int(tray.rpartition("tray")[2])
    uri = f"{ROOT}/Chassis/{branch.prefix}Chassis_0"
    branch.chassis(
        "Chassis_0",
        "Shelf",
        {
            "AssetTag": branch.readout.name(tray),
            "EnvironmentMetrics": link(f"{uri}/EnvironmentMetrics"),
            "Location": branch.location(ordinal, "Chassis_0"),
            "Manufacturer": "NVIDIA",
            "Model": "GB NVL",
            "Oem": {"Nvidia": {"@odata.type": "#NvidiaChassis.v1_6_0.NvidiaChassis", "ComputeTrayIndex": ordinal - 1}},
            "PowerSubsystem": link(f"{uri}/PowerSubsystem"),
            "SerialNumber": branch.readout.serial("tray", tray),
            "ThermalSubsystem": link(f"{uri}/ThermalSubsystem"),
        },
    )
    system = {"RelatedItem": [link(f"{ROOT}/Systems/{branch.prefix}System_0")]}
    duty = branch.sensor(uri, "Chassis_0_FAN_1_PWM", "tray.fan_demand", tray, PERCENT, system)
    speed = branch.sensor(uri, "Chassis_0_FAN_1_FRONT", "tray.fan_speed", tray, RPM, system | _FAN)
    power = branch.sensor(
        uri, "Chassis_0_TotalHSC_Power_0", "tray.power", tray, WATTS, system | {"ReadingRangeMax": 7000.0, "ReadingRangeMin": -10.0}
    )
    inlet = branch.sensor(uri, "Chassis_0_Front_IO_Temp_0", "tray.inlet", tray, CELSIUS, system | {"Thresholds": _AIR})
    branch.sensor(uri, "Chassis_0_Coolant_Supply_Temp_0", "tray.liquid_supply", tray, CELSIUS, {"PhysicalContext": "LiquidInlet"})
    branch.sensor(uri, "Chassis_0_Coolant_Return_Temp_0", "tray.liquid_return", tray, CELSIUS, {"PhysicalContext": "LiquidOutlet"})
    fans = [
        {**link(one), "DataSourceUri": one, "DeviceName": f"Chassis Fan #{one.rpartition('/')[2]}", "SpeedRPM": tree.readings[one]}
        for one in (duty, speed)
    ]
    tree.add(
        f"{uri}/EnvironmentMetrics",
        "EnvironmentMetrics.v1_3_0",
        "Chassis Environment Metrics",
        {"FanSpeedsPercent": fans, "PowerWatts": tree.excerpt(power)},
    )
    thermal(branch, uri, [inlet], leaks=True)
    detectors = tree.collection(f"{uri}/ThermalSubsystem/LeakDetection/LeakDetectors", "LeakDetector", "Leak Detector Collection")
    _detector(branch, uri, detectors)
    supplies = tree.collection(f"{uri}/PowerSubsystem/PowerSupplies", "PowerSupply", "Power Supply Collection")
    tree.add(f"{uri}/PowerSubsystem", "PowerSubsystem.v1_1_0", "Power Subsystem", {"PowerSupplies": link(supplies), "Status": OK})
    return uri


def _detector(branch: Branch, chassis: str, detectors: str) -> None:
    wet = branch.number("tray.leak", branch.device)

    def volts() -> float | None:
        state = wet()
        return None if state is None else _WET if state else _DRY

    def status() -> Json:
        return {"Health": "Critical" if wet() else "OK", "State": "Enabled" if wet() is not None else "UnavailableOffline"}

    def state() -> str:
        found = wet()
        return "Unavailable" if found is None else "Critical" if found else "OK"

    name = "Chassis_0_LeakDetector_0_ColdPlate"
    limits = {"LowerCritical": {"Reading": 1.3}, "UpperCritical": {"Reading": 2.0}}
    branch.shown(chassis, name, volts, VOLTS, {"ReadingRangeMax": 3.3, "ReadingRangeMin": 0.0, "Thresholds": limits})
    fields = {"DetectorState": state, "LeakDetectorType": "Moisture", "Status": status}
    branch.tree.member(f"{detectors}/{name}", "LeakDetector.v1_1_0", name.replace("_", " "), fields)


def _boards(branch: Branch) -> None:
    """Add the power board, the network boards and the drive."""
    tray, readout = branch.device, branch.readout
    board = branch.chassis("PDB_0", "Module", {"Manufacturer": "NVIDIA"})
    branch.sensor(board, "PDB_0_HSC_0_Volt_In_0", "tray.input_voltage", tray, VOLTS)
    branch.sensor(board, "PDB_0_HSC_0_Cur_0", "tray.input_current", tray, AMPS)
    branch.sensor(board, "PDB_0_HSC_0_Pwr_0", "tray.input_power", tray, WATTS)
    branch.sensor(board, "PDB_0_Bus_Clip_Temp_0", "tray.clip", tray, CELSIUS)
    nics = readout.below("nic", tray)
    boards = [branch.chassis(f"IO_Board_{number}", "Module", {"Manufacturer": "NVIDIA"}) for number in range((len(nics) + 1) // 2)]
    for number, nic in enumerate(nics):
        name = f"IO_Board_{number // 2}_CX_{number % 2}_Transceiver_Temp_0"
        branch.sensor(boards[number // 2], name, "nic.temperature", nic, CELSIUS, {"PhysicalContext": "NetworkingDevice"})
    for number, drive in enumerate(readout.below("drive", tray)):
        module = branch.chassis(f"NVME_M2_{number}", "Module", {"Manufacturer": "NVIDIA"})
        branch.sensor(module, f"NVME_M2_{number}_Temp_0", "drive.temperature", drive, CELSIUS)
