"""Metric reports: the readings of a device's sensors in one answer, as NVIDIA's controllers give them."""

from monitor.simulate.devices.readout import Readout
from monitor.simulate.devices.redfish.service import stamp
from monitor.simulate.devices.redfish.tree import ROOT, Json, Tree, link

_SERVICE = f"{ROOT}/TelemetryService"
_OEM = {"Nvidia": {"@odata.type": "#NvidiaMetricReport.v1_0_0.NvidiaMetricReport", "MetricValueStale": False}}


def add(readout: Readout, device: str, tree: Tree, prefix: str, sensors: list[str]) -> None:
    """Add the reports of one device: its own sensors, and those of its accelerators, whose chassis begin with HGX_."""
    reports = tree.collection(f"{_SERVICE}/MetricReports", "MetricReport", "Metric Report Collection")
    definitions = tree.collection(f"{_SERVICE}/MetricReportDefinitions", "MetricReportDefinition", "Metric Report Definition Collection")
    tree.add(
        _SERVICE,
        "TelemetryService.v1_2_1",
        "Telemetry Service",
        {"MetricReportDefinitions": link(definitions), "MetricReports": link(reports), "Status": {"State": "Enabled"}},
    )
    groups = {"PlatformEnvironmentMetrics_0": False, "HGX_PlatformEnvironmentMetrics_0": True}
    for name, accelerators in groups.items():
        mine = [uri for uri in sensors if (f"/{prefix}HGX_" in uri) == accelerators]
        if not mine:
            continue
        ident = f"{prefix}{name}"
        properties = [f"{uri}#/Reading" for uri in mine]
        about = {"MetricProperties": properties, "MetricReportDefinitionType": "Periodic", "Status": {"State": "Enabled"}}
        tree.member(f"{definitions}/{ident}", "MetricReportDefinition.v1_4_2", ident, about)
        tree.member(
            f"{reports}/{ident}",
            "MetricReport.v1_4_2",
            ident,
            {
                "MetricReportDefinition": link(f"{definitions}/{ident}"),
                "MetricValues": _values(readout, device, tree, mine),
                "Oem": {"Nvidia": {"@odata.type": "#NvidiaMetricReport.v1_0_0.NvidiaMetricReport", "SensingIntervalMilliseconds": 1000}},
            },
        )


def _values(readout: Readout, device: str, tree: Tree, sensors: list[str]) -> object:
    def read() -> list[Json]:
        time = stamp(readout.moment(device))
        rows = []
        for uri in sensors:
            value = tree.readings[uri]()
            text = "nan" if value is None else f"{value:.6f}"
            rows.append({"MetricProperty": uri, "MetricValue": text, "Oem": _OEM, "Timestamp": time})
        return rows

    return read
