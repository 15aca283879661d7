"""The controller of a rack's NVLink switch trays: one chassis a chip, with its temperature."""

from monitor.simulate.devices.redfish.tree import CELSIUS, Branch


def add(branch: Branch) -> None:
    """Add the switches of a rack to a tree, but for their manager."""
    rack = branch.device.rpartition("/")[0]
    for number, switch in enumerate(branch.readout.below("switch", rack)):
        chassis = branch.chassis(
            f"MGX_NVSwitch_{number}",
            "Component",
            {
                "AssetTag": branch.readout.name(switch),
                "Location": branch.location(number // 2 + 1, f"Switch tray {number // 2 + 1}"),
                "Manufacturer": "NVIDIA",
                "Model": "NVLink 5 switch",
                "SerialNumber": branch.readout.serial("switch", switch),
            },
        )
        branch.sensor(chassis, f"MGX_NVSwitch_{number}_Temp_0", "switch.temperature", switch, CELSIUS)
