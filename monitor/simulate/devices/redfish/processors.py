"""GPUs and CPUs of a compute tray: chassis, sensors, processors, memory and NVLinks, as on recorded GB300 trays.

What a GPU counts over all of its NVLinks is told on the first of them.
"""

from math import isfinite

from monitor.simulate.devices.dcgm import MODELS
from monitor.simulate.devices.redfish.thermal import thermal
from monitor.simulate.devices.redfish.tree import CELSIUS, JOULES, OK, ROLLUP, ROOT, WATTS, Branch, Json, link

_LINKS = 18  # NVLinks a GPU
_EPOCH = "1970-01-01T00:00:00.000+00:00"  # what recorded trays give as ReadingTime of a GPU's power: a clock that nobody set
_HEADROOM = {"LowerCaution": {"Reading": -0.05}, "LowerCritical": {"Reading": -4.0}, "LowerFatal": {"Reading": -5.0}}


def add_cpu(branch: Branch, base: str, number: int, cpu: str) -> None:
    label = f"CPU_{number}"
    chassis = branch.chassis(f"HGX_{label}", "Component", {"Manufacturer": "NVIDIA", "Location": _embedded(label, number)})
    name = f"ProcessorModule_{number}_CPU_0"
    temperature = branch.sensor(chassis, f"{name}_TempAvg_0", "cpu.temperature", cpu, CELSIUS, {"PhysicalContext": "CPU"})
    power = branch.sensor(chassis, f"{name}_Power_0", "cpu.power", cpu, WATTS, {"PhysicalContext": "CPU"})
    energy = branch.shown(chassis, f"{name}_Energy_0", branch.energy("cpu.power", cpu), JOULES, {"PhysicalContext": "CPU"})
    uri = f"{base}/Processors/{label}"
    branch.tree.member(
        uri,
        "Processor.v1_20_0",
        "Processor",
        {
            "EnvironmentMetrics": link(f"{uri}/EnvironmentMetrics"),
            "Links": {"Chassis": link(chassis)},
            "Manufacturer": "NVIDIA",
            "Model": "Grace A02P",
            "ProcessorType": "CPU",
            "SerialNumber": branch.readout.serial("cpu", cpu),
            "Status": OK,
            "TotalCores": 72,
        },
    )
    _environment(branch, uri, label, power, energy, temperature)


def add_gpu(branch: Branch, base: str, number: int, gpu: str) -> None:
    label, tree, readout = f"GPU_{number}", branch.tree, branch.readout
    uri, name = f"{base}/Processors/{label}", f"HGX_GPU_{number}"
    chassis = f"{ROOT}/Chassis/{branch.prefix}{name}"
    model = MODELS.get(readout.physics.layout.sku, "NVIDIA GPU")
    serial = readout.serial("gpu", gpu)
    about: Json = {
        "Location": _embedded(label, number // 2),
        "Manufacturer": "NVIDIA",
        "Model": model,
        "SerialNumber": serial,
        "UUID": readout.uuid(gpu),
    }
    branch.chassis(
        name,
        "Component",
        about
        | {
            "EnvironmentMetrics": link(f"{chassis}/EnvironmentMetrics"),
            "Links": {"Processors": [link(uri)]},
            "ThermalSubsystem": link(f"{chassis}/ThermalSubsystem"),
        },
    )
    own = {"PhysicalContext": "GPU", "RelatedItem": [link(uri)]}
    core = branch.sensor(
        chassis, f"{name}_TEMP_0", "gpu.temperature", gpu, CELSIUS, own | {"Thresholds": {"UpperCaution": {"Reading": 87.0}}}
    )
    spare = branch.sensor(
        chassis, f"{name}_TEMP_1", "gpu.temperature_margin", gpu, CELSIUS, own | {"ReadingBasis": "Headroom", "Thresholds": _HEADROOM}
    )
    memory = branch.sensor(
        chassis, f"{name}_DRAM_0_Temp_0", "gpu.memory_temperature", gpu, CELSIUS, own | {"Thresholds": {"UpperCaution": {"Reading": 105.0}}}
    )
    power = branch.sensor(chassis, f"{name}_Power_0", "gpu.power", gpu, WATTS, own | {"ReadingTime": _EPOCH})
    energy = branch.shown(chassis, f"{name}_Energy_0", branch.energy("gpu.power", gpu), JOULES, own)
    thermal(branch, chassis, [memory, core, spare])
    _environment(branch, chassis, "Chassis", power, energy)
    tree.member(
        uri,
        "Processor.v1_20_0",
        "Processor",
        about
        | {
            "EnvironmentMetrics": link(f"{uri}/EnvironmentMetrics"),
            "Links": {"Chassis": link(chassis), "Memory": [link(f"{base}/Memory/{label}_DRAM_0")]},
            "MemorySummary": {"ECCModeEnabled": True, "Metrics": link(f"{uri}/MemorySummary/MemoryMetrics")},
            "Metrics": link(f"{uri}/ProcessorMetrics"),
            "Ports": link(f"{uri}/Ports"),
            "ProcessorType": "GPU",
            "Status": ROLLUP,
        },
    )
    _environment(branch, uri, label, power, energy, spare)  # recorded trays give the headroom as the GPU's temperature
    _metrics(branch, uri, base, label, gpu)
    _ports(branch, uri, gpu)


def _metrics(branch: Branch, uri: str, base: str, label: str, gpu: str) -> None:
    tree, number, count = branch.tree, branch.number, branch.count
    lasting = {
        "PowerLimitThrottleDuration": _duration(branch, "gpu.power_throttle_time", gpu),
        "ThermalLimitThrottleDuration": _duration(branch, "gpu.thermal_throttle_time", gpu),
    }
    oem = {
        "@odata.type": "#NvidiaProcessorMetrics.v1_4_0.NvidiaGPUProcessorMetrics",
        "HardwareViolationThrottleDuration": _duration(branch, "gpu.hardware_throttle_time", gpu),
        "SMUtilizationPercent": number("gpu.utilization", gpu),
    }
    metrics = {"OperatingSpeedMHz": number("gpu.core_clock", gpu, 1e-6), "PCIeErrors": {"ReplayCount": count("gpu.pcie_replays", gpu)}}
    tree.add(
        f"{uri}/ProcessorMetrics", "ProcessorMetrics.v1_6_1", f"{label} Processor Metrics", metrics | lasting | {"Oem": {"Nvidia": oem}}
    )
    errors = {
        "LifeTime": {
            "CorrectableECCErrorCount": count("gpu.corrected_errors", gpu),
            "UncorrectableECCErrorCount": count("gpu.uncorrected_errors", gpu),
        },
        "OperatingSpeedMHz": number("gpu.memory_clock", gpu, 1e-6),
    }
    tree.add(f"{uri}/MemorySummary/MemoryMetrics", "MemoryMetrics.v1_7_0", f"{label} Memory Summary Metrics", errors)
    module = f"{base}/Memory/{label}_DRAM_0"
    remapping = {
        "RowRemapping": {
            "CorrectableRowRemappingCount": count("gpu.remapped_rows_corrected", gpu),
            "UncorrectableRowRemappingCount": count("gpu.remapped_rows_uncorrected", gpu),
        },
        "RowRemappingFailed": _flag(branch, "gpu.row_remap_failed", gpu),
        "RowRemappingPending": _flag(branch, "gpu.row_remap_pending", gpu),
    }
    tree.member(module, "Memory.v1_20_0", f"{label}_DRAM_0", {"Metrics": link(f"{module}/MemoryMetrics"), "Status": OK})
    tree.add(f"{module}/MemoryMetrics", "MemoryMetrics.v1_7_0", f"{label}_DRAM_0 Memory Metrics", errors | {"Oem": {"Nvidia": remapping}})


def _ports(branch: Branch, uri: str, gpu: str) -> None:
    tree = branch.tree
    ports = tree.collection(f"{uri}/Ports", "Port", "NVLink Port Collection")
    up = branch.number("gpu.nvlink_links", gpu)
    for number in range(_LINKS):

        def linked(number: int = number) -> str:
            found = up()
            return "LinkUp" if found is None or number < found else "LinkDown"

        port = f"{ports}/NVLink_{number}"
        fields = {
            "LinkState": "Enabled",
            "LinkStatus": linked,
            "Metrics": link(f"{port}/Metrics"),
            "PortProtocol": "NVLink",
            "Status": ROLLUP,
        }
        tree.member(port, "Port.v1_4_0", f"NVLink_{number} Resource", fields)
        first = number == 0
        counts: Json = {
            "@odata.type": "#NvidiaPortMetrics.v1_6_0.NvidiaNVLinkPortMetrics",
            "EffectiveBER": branch.raw("gpu.bit_error_rate", gpu),
            "LinkErrorRecoveryCount": branch.count("gpu.nvlink_recoveries", gpu) if first else 0,
            "SymbolErrors": branch.count("gpu.symbol_errors", gpu) if first else 0,
        }
        tree.add(f"{port}/Metrics", "PortMetrics.v1_3_0", f"NVLink_{number} Port Metrics", {"Oem": {"Nvidia": counts}})


def _embedded(label: str, module: int) -> Json:
    return {
        "PartLocation": {"LocationType": "Embedded", "ServiceLabel": label},
        "PartLocationContext": f"HGX_Chassis_0/ProcessorModule_{module}",
    }


def _environment(branch: Branch, uri: str, label: str, power: str, energy: str, temperature: str = "") -> None:
    excerpt, joules = branch.tree.excerpt, branch.tree.readings[energy]

    def hours() -> float | None:
        found = joules()
        return None if found is None else found / 3.6e6

    fields: Json = {"EnergyJoules": excerpt(energy), "EnergykWh": {"Reading": hours}, "PowerWatts": excerpt(power)}
    if temperature:
        fields |= {"TemperatureCelsius": excerpt(temperature), "Id": "Environment Metrics"}  # the id as recorded, on processors only
    branch.tree.add(f"{uri}/EnvironmentMetrics", "EnvironmentMetrics.v1_3_0", f"{label} Environment Metrics", fields)


def _duration(branch: Branch, signal: str, gpu: str) -> object:
    def written() -> str | None:
        seconds = branch.readout.count(signal, gpu, branch.device)
        if not isfinite(seconds):
            return None
        text = f"{seconds:.9f}".rstrip("0").rstrip(".")
        return f"PT{text}S"

    return written


def _flag(branch: Branch, signal: str, gpu: str) -> object:
    return lambda: bool(branch.number(signal, gpu)() or 0)
