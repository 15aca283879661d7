"""Thermal subsystem of a chassis."""

from monitor.simulate.devices.redfish.tree import OK, Branch, Json, link


def thermal(branch: Branch, chassis: str, temperatures: list[str], *, leaks: bool = False) -> None:
    """Add a chassis' thermal subsystem, with metrics of its temperatures."""
    tree, uri = branch.tree, f"{chassis}/ThermalSubsystem"
    fields: Json = {"Status": {**OK, "HealthRollup": "OK"}, "ThermalMetrics": link(f"{uri}/ThermalMetrics")}
    if leaks:
        fields["LeakDetection"] = link(f"{uri}/LeakDetection")
        found = {"LeakDetectors": link(f"{uri}/LeakDetection/LeakDetectors"), "Status": {**OK, "HealthRollup": "OK"}}
        tree.add(f"{uri}/LeakDetection", "LeakDetection.v1_0_0", "Leak Detection Systems", found)
    tree.add(uri, "ThermalSubsystem.v1_3_0", "Thermal Subsystem", fields)
    rows = [{**link(one), "DeviceName": one.rpartition("/")[2], **tree.excerpt(one)} for one in temperatures]
    tree.add(f"{uri}/ThermalMetrics", "ThermalMetrics.v1_0_0", "Chassis Thermal Metrics", {"TemperatureReadingsCelsius": rows})
