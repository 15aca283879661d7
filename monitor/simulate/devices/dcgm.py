"""dcgm-exporter of every tray's host: Prometheus pages in its words, its units and its gaps.

Fields, help texts and labels are those of dcgm-exporter's `etc/default-counters.csv` and its page template. What the plant
does not have is left out, as the exporter leaves out what DCGM has no value for: the copy engine's, encoder's and decoder's
share, the frame buffer, the tensor and DRAM ratios and the PCIe rates; NVLINK_BANDWIDTH_TOTAL has no value on GB200. Error
rates of links are no fields here: the exporter prints six decimals, which makes each of them 0.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import isfinite

from aiohttp import web

from monitor.simulate.devices.listener import Answer, Listener, hang_up
from monitor.simulate.devices.readout import Readout

DRIVER = "580.105.08"  # as in a recorded page
BUS = ("0008:01:00", "0009:01:00", "0018:01:00", "0019:01:00")  # of a tray's four GPUs, seen in Xid lines of GB200 hosts
MODELS = {"gb200_nvl72": "NVIDIA GB200", "gb300_nvl72": "NVIDIA GB300"}
_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Field:
    """One line of the counters file. `factor` turns the plant's canonical unit into DCGM's."""

    name: str
    type: str
    help: str
    signal: str = ""  # "" for what is always 0
    factor: float = 1.0
    whole: bool = True  # an integer; else six decimals, as Go's %f prints

    @property
    def place(self) -> str:
        return self.signal.partition(".")[0] or "gpu"


DEFAULT = (
    Field("DCGM_FI_DEV_SM_CLOCK", "gauge", "SM clock frequency (in MHz).", "gpu.core_clock", 1e-6),
    Field("DCGM_FI_DEV_MEM_CLOCK", "gauge", "Memory clock frequency (in MHz).", "gpu.memory_clock", 1e-6),
    Field("DCGM_FI_DEV_MEMORY_TEMP", "gauge", "Memory temperature (in C).", "gpu.memory_temperature"),
    Field("DCGM_FI_DEV_GPU_TEMP", "gauge", "GPU temperature (in C).", "gpu.temperature"),
    Field("DCGM_FI_DEV_POWER_USAGE", "gauge", "Power draw (in W).", "gpu.power", 1e3, whole=False),
    Field("DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION", "counter", "Total energy consumption since boot (in mJ).", "gpu.energy", 1e3),
    Field("DCGM_FI_DEV_PCIE_REPLAY_COUNTER", "counter", "Total number of PCIe retries.", "gpu.pcie_replays"),
    Field("DCGM_FI_DEV_GPU_UTIL", "gauge", "GPU utilization (in %).", "gpu.utilization"),
    Field("DCGM_FI_DEV_XID_ERRORS", "gauge", "Value of the last XID error encountered.", "gpu.xid"),
    Field("DCGM_FI_DEV_VGPU_LICENSE_STATUS", "gauge", "vGPU License status"),
    Field(
        "DCGM_FI_DEV_UNCORRECTABLE_REMAPPED_ROWS",
        "counter",
        "Number of remapped rows for uncorrectable errors",
        "gpu.remapped_rows_uncorrected",
    ),
    Field(
        "DCGM_FI_DEV_CORRECTABLE_REMAPPED_ROWS", "counter", "Number of remapped rows for correctable errors", "gpu.remapped_rows_corrected"
    ),
    Field("DCGM_FI_DEV_ROW_REMAP_FAILURE", "gauge", "Whether remapping of rows has failed", "gpu.row_remap_failed"),
    Field(
        "DCGM_FI_PROF_GR_ENGINE_ACTIVE",
        "gauge",
        "Ratio of time the graphics engine is active.",
        "gpu.utilization",
        0.01,
        whole=False,
    ),
)
EARLY_LIFE = (  # what the default file has as comments, or not at all, and an operator would turn on for new racks
    Field("DCGM_FI_DEV_ECC_SBE_VOL_TOTAL", "counter", "Total number of single-bit volatile ECC errors.", "gpu.corrected_errors"),
    Field("DCGM_FI_DEV_ECC_DBE_VOL_TOTAL", "counter", "Total number of double-bit volatile ECC errors.", "gpu.uncorrected_errors"),
    Field("DCGM_FI_DEV_ROW_REMAP_PENDING", "gauge", "Whether remapping of rows is pending", "gpu.row_remap_pending"),
    Field(
        "DCGM_FI_DEV_POWER_VIOLATION", "counter", "Throttling duration due to power constraints (in ns).", "gpu.power_throttle_time", 1e9
    ),
    Field(
        "DCGM_FI_DEV_THERMAL_VIOLATION",
        "counter",
        "Throttling duration due to thermal constraints (in ns).",
        "gpu.thermal_throttle_time",
        1e9,
    ),
    Field(
        "DCGM_FI_DEV_CLOCKS_EVENT_REASON_HW_THERM_SLOWDOWN_NS",
        "counter",
        "Slowdown by the hardware's own thermal protection (in ns).",
        "gpu.hardware_throttle_time",
        1e9,
    ),
    Field(
        "DCGM_FI_DEV_CLOCKS_EVENT_REASON_HW_POWER_BRAKE_SLOWDOWN_NS",
        "counter",
        "Slowdown by the external power brake (in ns).",
        "gpu.power_brake_time",
        1e9,
    ),
    Field(
        "DCGM_FI_DEV_GPU_TEMP_LIMIT", "gauge", "Thermal margin temperature, distance to nearest slowdown (in C).", "gpu.temperature_margin"
    ),
    Field("DCGM_FI_DEV_PCIE_LINK_WIDTH", "gauge", "PCIe current link width.", "gpu.pcie_width"),
    Field("DCGM_FI_DEV_NVLINK_COUNT_RX_SYMBOL_ERRORS", "counter", "Number of errors in rx symbols.", "gpu.symbol_errors"),
    Field(
        "DCGM_FI_DEV_NVLINK_COUNT_LINK_RECOVERY_EVENTS",
        "counter",
        "Number of times link went from Up to recovery.",
        "gpu.nvlink_recoveries",
    ),
    Field("DCGM_FI_DEV_CPU_TEMP_CURRENT", "gauge", "Current temperature reported by the CPU (in C).", "cpu.temperature"),
    Field("DCGM_FI_DEV_CPU_POWER_UTIL_CURRENT", "gauge", "Power utilization of the CPU (in W).", "cpu.power", 1e3, whole=False),
)


def hostname(asset: str) -> str:
    """Return the name of a tray's host.

    >>> hostname("Pod1-R01/tray3")
    'pod1-r01-tray3'

    """
    return asset.lower().replace("/", "-")


class Exporters:
    """One exporter a tray: all behind one port by path, or each behind its own.

    With one port, `/tray/R01/tray3/metrics` is what the host of tray 3 would say at `:9400/metrics`; a tray that is down has
    its connections broken. With `each`, every tray has a port that a reboot closes.

    Args:
        readout: of the plant.
        host: to listen on.
        port: of the one socket, 0 for a free one; must be 0 with `each`.
        fields: of the counters file.
        each: a port a tray.
        label: under which a series names its host: Hostname, or hostname from dcgm-exporter 4.8 on.

    """

    def __init__(
        self,
        readout: Readout,
        host: str,
        port: int = 0,
        *,
        fields: tuple[Field, ...] = DEFAULT,
        each: bool = False,
        label: str = "Hostname",
    ) -> None:
        self._readout, self._fields, self._label = readout, fields, label
        self._labels: dict[str, str] = {}
        self._trays = readout.physics.layout.ids("tray")
        self._paths = {f"/tray/{readout.name(tray)}/metrics": tray for tray in self._trays}
        self.doors = {tray: Listener(host, self._own(tray)) for tray in self._trays} if each else {}
        self._shared = None if each else Listener(host, self._answer, port)

    async def open(self) -> None:
        for door in [*self.doors.values(), *([self._shared] if self._shared else [])]:
            await door.open()

    async def shut(self) -> None:
        for door in [*self.doors.values(), *([self._shared] if self._shared else [])]:
            await door.shut()

    def addresses(self) -> dict[str, str]:
        """Return the page of each tray, by the asset's outside id."""
        if self._shared is not None:
            return {self._readout.name(tray): f"{self._shared.url}{path}" for path, tray in self._paths.items()}
        return {self._readout.name(tray): f"{door.url}/metrics" for tray, door in self.doors.items()}

    def page(self, tray: str) -> str:
        """Write what one tray's exporter shows now; nothing of a GPU whose host has no power."""
        lines: list[str] = []
        for field in self._fields:
            if samples := list(self._samples(field, tray)):
                lines += [f"# HELP {field.name} {field.help}", f"# TYPE {field.name} {field.type}", *samples]
        return "\n".join(lines) + "\n"

    def _samples(self, field: Field, tray: str) -> Iterator[str]:
        readout = self._readout
        for number, asset in enumerate(readout.below(field.place, tray)):
            value = self._value(field, asset, tray)
            if not isfinite(value):
                continue
            yield f"{field.name}{{{self._labelled(number, asset, tray)}}} {round(value) if field.whole else format(value, '.6f')}"

    def _labelled(self, number: int, asset: str, tray: str) -> str:
        """Return the labels of an asset's series; they never change."""
        if asset not in self._labels:
            labels = {"cpu": str(number)} if "/cpu" in asset else self._gpu_labels(number, asset)
            labels |= {self._label: hostname(self._readout.name(tray)), "DCGM_FI_DRIVER_VERSION": DRIVER}
            self._labels[asset] = ",".join(f'{key}="{word}"' for key, word in labels.items())
        return self._labels[asset]

    def _gpu_labels(self, number: int, gpu: str) -> dict[str, str]:
        return {
            "gpu": str(number),
            "UUID": f"GPU-{self._readout.uuid(gpu)}",
            "pci_bus_id": f"0000{BUS[number]}.0",
            "device": f"nvidia{number}",
            "modelName": MODELS.get(self._readout.physics.layout.sku, "NVIDIA GPU"),
        }

    def _value(self, field: Field, asset: str, tray: str) -> float:
        readout = self._readout
        if not isfinite(readout.number("gpu.power" if field.place == "gpu" else "cpu.power", asset, tray)):
            return float("nan")  # the host is off
        if not field.signal:
            return 0.0
        if field.signal == "gpu.xid":
            return readout.xid(asset, tray)
        if field.signal == "gpu.energy":
            return field.factor * readout.energy("gpu.power", asset, tray)
        read = readout.count if field.type == "counter" else readout.number
        return field.factor * read(field.signal, asset, tray)

    def _own(self, tray: str) -> Answer:
        async def answer(request: web.BaseRequest) -> web.StreamResponse:
            return await self._serve(request, tray if request.path == "/metrics" else "")

        return answer

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        return await self._serve(request, self._paths.get(request.path, ""))

    async def _serve(self, request: web.BaseRequest, tray: str) -> web.StreamResponse:
        if not tray:
            return web.Response(status=404, text="404 page not found\n")
        if request.method not in {"GET", "HEAD"}:
            return web.Response(status=405)
        condition = self._readout.condition(tray)
        if condition.delay:
            await self._readout.clock.sleep(condition.delay)
        if condition.down or not self._powered(tray):
            return hang_up(request)
        return web.Response(text=self.page(tray), headers={"Content-Type": _TYPE})

    def _powered(self, tray: str) -> bool:
        return any(isfinite(self._readout.number("gpu.power", gpu, tray)) for gpu in self._readout.below("gpu", tray))
