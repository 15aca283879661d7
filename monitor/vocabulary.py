"""The words for what is measured and for what it is measured on; every collector and the rule language use these and no others."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Quantity:
    """One word of the vocabulary.

    `unit` is the canonical unit that its points are expected in, "" for a state, a code or a plain number. A point
    may still have another one where a wire's unit is free (a pump speed in 1/min, a valve that only knows open and closed).
    """

    unit: str
    about: str
    counter: bool = False  # only grows, until it is reset
    event: bool = False  # each reading is an event with its code as value, never a state to be held
    states: tuple[tuple[int, str], ...] = ()  # (value, label) where the word itself says what its codes mean


def load(path: Path) -> Mapping[str, Quantity]:
    """Read a `vocabulary.yaml`: words beside the shipped ones, for a site or a data set.

    Returns:
        The words of the file alone; `QUANTITIES | load(path)` is the whole vocabulary.

    Raises:
        ConfigError: every fault of it; a shipped word cannot be given another meaning.

    """
    from monitor.errors import ConfigError
    from monitor.vocabularyfile import read  # pydantic, which not every user of this table needs

    words, faults = read(path)
    if faults:
        raise ConfigError(faults)
    return words


QUANTITIES: dict[str, Quantity] = {
    # a rack's coolant, power and protection; also what a CDU, a tray or a coolant connector says of the same kind
    "liquid_flow": Quantity("L/min", "coolant flow"),
    "liquid_supply_temperature": Quantity("degC", "coolant temperature entering the asset"),
    "liquid_return_temperature": Quantity("degC", "coolant temperature leaving the asset"),
    "liquid_differential_pressure": Quantity("kPa", "coolant pressure drop"),
    "control_valve_position": Quantity("%", "opening of the rack's control valve"),
    "power": Quantity("kW", "electrical power taken"),
    "leak": Quantity("", "1 where liquid is detected, 0 where none is"),
    "leak_sensor_fault": Quantity("", "1 where the leak sensor itself is broken"),
    "tray_leak": Quantity("", "1 where a tray of the rack reports a leak; told by IT, for information"),
    "liquid_isolation": Quantity("", "1 where the rack's coolant is shut off"),
    "electrical_isolation": Quantity("", "1 where the rack's power is cut"),
    "liquid_isolation_request": Quantity("", "1 where IT asks for the coolant to be shut off, -1 unknown"),
    "electrical_isolation_request": Quantity("", "1 where IT asks for the power to be cut"),
    # power path
    "voltage": Quantity("V", "RMS line-to-line mean on an AC meter, the rail's voltage on DC"),
    "current": Quantity("A", "mean RMS current"),
    "current_limit": Quantity("A", "rated or set limit of the current"),
    "phase_current": Quantity("A", "RMS current of one phase, the phase is a tag"),
    "phase_voltage": Quantity("V", "RMS voltage of one phase to neutral, the phase is a tag"),
    "neutral_current": Quantity("A", "RMS current of the neutral"),
    "residual_current": Quantity("A", "RMS current that does not come back by phases and neutral"),
    "insulation_resistance": Quantity("ohm", "resistance of the insulation to earth"),
    "active_power": Quantity("kW", "active power"),
    "apparent_power": Quantity("kVA", "apparent power"),
    "reactive_power": Quantity("kvar", "reactive power"),
    "frequency": Quantity("Hz", "line frequency"),
    "power_factor": Quantity("", "active over apparent power, 0 to 1"),
    "energy": Quantity("kWh", "energy since the counter began", counter=True),
    "input_voltage": Quantity("V", "voltage at a supply's input"),
    "input_current": Quantity("A", "current at a supply's input"),
    "input_power": Quantity("kW", "power into a supply"),
    "output_voltage": Quantity("V", "voltage at a supply's output"),
    "output_current": Quantity("A", "current at a supply's output"),
    "output_power": Quantity("kW", "power out of a supply"),
    "current_harmonics": Quantity("%", "total harmonic distortion of the current"),
    "voltage_harmonics": Quantity("%", "total harmonic distortion of the voltage"),
    "load": Quantity("%", "load as a share of the rating"),
    "power_limit": Quantity("kW", "power the asset may take"),
    "power_capacity": Quantity("kW", "rated power"),
    "ac_outages": Quantity("", "outages of the AC input", counter=True),
    "faults": Quantity("", "faults counted by the device", counter=True),
    "communication_errors": Quantity("", "frames lost or failing their checksum on a device's bus", counter=True),
    "alarm_flags": Quantity("", "alarm word of a device, bits as its map says"),
    "breaker_state": Quantity("", "state of a breaker, codes as its source says"),
    "joint_temperature": Quantity("degC", "temperature of a joint that carries current: bus clip, lug, breaker pole; which is a tag"),
    # battery and UPS
    "battery_charge": Quantity("%", "state of charge"),
    "battery_health": Quantity("%", "state of health"),
    "battery_voltage": Quantity("V", "battery voltage"),
    "battery_current": Quantity("A", "battery current, negative while discharging"),
    "battery_temperature": Quantity("degC", "battery temperature"),
    "battery_cycles": Quantity("", "charge cycles", counter=True),
    "battery_time_left": Quantity("s", "estimated run time left"),
    "time_on_battery": Quantity("s", "time since the mains went"),
    "cell_voltage": Quantity("V", "voltage of one cell"),
    "output_source": Quantity("", "what feeds a UPS's output, codes of RFC 1628"),
    # mechanical plant
    "liquid_temperature": Quantity("degC", "liquid temperature, where is told by tags"),
    "liquid_temperature_request": Quantity("degC", "set-point of a liquid temperature that an integration asks for"),
    "liquid_temperature_difference": Quantity("K", "return minus supply"),
    "liquid_pressure": Quantity("kPa", "liquid pressure, where is told by tags"),
    "liquid_level": Quantity("%", "level of a reservoir or tank"),
    "liquid_conductivity": Quantity("uS/cm", "conductivity of the coolant"),
    "liquid_ph": Quantity("", "acidity of the coolant"),
    "liquid_turbidity": Quantity("NTU", "turbidity of the coolant"),
    "liquid_glycol": Quantity("%", "share of glycol in the coolant"),
    "filter_differential_pressure": Quantity("kPa", "pressure drop over a filter"),
    "makeup_count": Quantity("", "times the fill pump ran", counter=True),
    "heat": Quantity("kW", "heat removed"),
    "valve_position": Quantity("%", "opening of a valve; a state where the valve knows only open and closed"),
    "valve_demand": Quantity("%", "commanded opening of a valve"),
    "pump_speed": Quantity("%", "speed of a pump; 1/min where the wire counts turns, a state where it says on and off"),
    "pump_power": Quantity("kW", "electrical power of a pump"),
    "fan_speed": Quantity("%", "speed of a fan; 1/min where the wire counts turns, a state where it says on and off"),
    "fan_demand": Quantity("%", "commanded speed of a fan"),
    "fan_rotation": Quantity("1/min", "turns of a fan's rotor"),
    "damper_position": Quantity("%", "opening of a damper"),
    "vibration": Quantity("mm/s", "RMS velocity of vibration"),
    "service_time": Quantity("s", "hours run", counter=True),
    # room
    "air_temperature": Quantity("degC", "air temperature"),
    "air_flow": Quantity("L/min", "air flow"),
    "air_pressure": Quantity("kPa", "air pressure"),
    "air_differential_pressure": Quantity("kPa", "pressure between two rooms or over a filter"),
    "air_relative_humidity": Quantity("%", "relative humidity"),
    "air_absolute_humidity": Quantity("g/m3", "water in the air"),
    "dew_point": Quantity("degC", "dew point of the air"),
    "sound": Quantity("dB", "sound level"),
    # IT
    "temperature": Quantity("degC", "temperature of the asset itself"),
    "memory_temperature": Quantity("degC", "temperature of the asset's memory"),
    "temperature_margin": Quantity("K", "distance to the asset's own slowdown temperature"),
    "inlet_temperature": Quantity("degC", "air or liquid temperature at the asset's inlet"),
    "outlet_temperature": Quantity("degC", "air or liquid temperature at the asset's outlet"),
    "utilization": Quantity("%", "share of time in use"),
    "memory_utilization": Quantity("%", "share of time that memory was copied"),
    "tensor_activity": Quantity("%", "share of cycles that the tensor pipes were busy"),
    "dram_activity": Quantity("%", "share of cycles that memory was busy"),
    "memory_used": Quantity("B", "memory in use"),
    "memory_free": Quantity("B", "memory free"),
    "core_clock": Quantity("Hz", "clock of the cores"),
    "memory_clock": Quantity("Hz", "clock of the memory"),
    "power_throttle_time": Quantity("s", "time slowed by the power limit", counter=True),
    "thermal_throttle_time": Quantity("s", "time slowed by temperature", counter=True),
    "hardware_throttle_time": Quantity("s", "time slowed by the hardware's own protection", counter=True),
    "power_brake_time": Quantity("s", "time slowed by the power brake", counter=True),
    "sync_boost_time": Quantity("s", "time slowed to match other GPUs", counter=True),
    "power_smoothing_lifetime": Quantity("%", "life left of the circuit that smooths power"),
    "corrected_errors": Quantity("", "memory errors corrected", counter=True),
    "uncorrected_errors": Quantity("", "memory errors not corrected", counter=True),
    "remapped_rows_corrected": Quantity("", "rows remapped after correctable errors", counter=True),
    "remapped_rows_uncorrected": Quantity("", "rows remapped after uncorrectable errors", counter=True),
    "row_remap_pending": Quantity("", "1 where a reset is needed to remap"),
    "row_remap_failed": Quantity("", "1 where a row could not be remapped"),
    "pcie_replays": Quantity("", "PCIe replays", counter=True),
    "pcie_width": Quantity("", "PCIe lanes in use"),
    "nvlink_crc_errors": Quantity("", "NVLink CRC errors", counter=True),
    "nvlink_replays": Quantity("", "NVLink replays", counter=True),
    "nvlink_recoveries": Quantity("", "NVLink recoveries", counter=True),
    "nvlink_links": Quantity("", "NVLinks up"),
    "nvlink_bandwidth": Quantity("B/s", "NVLink traffic"),
    "c2c_replays": Quantity("", "replays of the link between CPU and GPU", counter=True),
    "bit_error_rate": Quantity("", "effective bit error rate of a link"),
    "raw_bit_error_rate": Quantity("", "bit error rate of a link before its error correction"),
    "symbol_errors": Quantity("", "symbol errors of a link", counter=True),
    "link_downs": Quantity("", "times a link went down", counter=True),
    "link_up": Quantity("", "1 while a link is up"),
    "optical_receive_power": Quantity("dBm", "light received by a module"),
    "optical_bias_current": Quantity("A", "laser bias of a module"),
    "optical_temperature": Quantity("degC", "temperature of an optical module"),
    "xid": Quantity("", "code of a GPU driver's Xid event", event=True),
    "sxid": Quantity("", "code of an NVSwitch driver's SXid event", event=True),
    "redfish_event": Quantity("", "code of a Redfish event", event=True),
    "log_event": Quantity("", "code of a log line that a map knows", event=True),
    "trap": Quantity("", "code of an SNMP trap", event=True),
    "host_state": Quantity("", "state of a host in its provisioning, codes as its source says"),
    "health": Quantity("", "0 OK, 1 warning, 2 critical"),
    # any asset
    "status": Quantity("", "state of the asset, codes as its source says"),
    "available": Quantity("", "1 while the asset is available"),
    "generic": Quantity("", "what the wire gave no word for; tags and unit say what it is"),
    # who lives; times in seconds since 1970 UTC
    "heartbeat_timestamp_bms": Quantity("s", "clock of the building management system"),
    "heartbeat_echo_bms": Quantity("s", "an integration's clock, echoed by the building management system"),
    "heartbeat_timestamp_integration": Quantity("s", "clock of an integration"),
    "heartbeat_echo_integration": Quantity("s", "the building management system's clock, echoed by an integration"),
    "online": Quantity("", "1 while a source says that it lives"),
    # the monitor's own links and sources
    "silence": Quantity("s", "time since anything came from the source"),
    "clock_offset": Quantity("s", "how far the source's clock is ahead of ours"),
    "link_state": Quantity("", "0 connected, 1 lost, 2 refused"),
}

KINDS: dict[str, str] = {
    "site": "the whole of what one owner watches",
    "hall": "one room of racks",
    "pod": "racks that share power and coolant",
    "rack": "one rack, known by its location",
    "tray": "a compute or switch tray of a rack",
    "gpu": "one GPU",
    "cpu": "one CPU",
    "dimm": "one memory module",
    "drive": "one drive",
    "nic": "one network adapter",
    "switch": "one switch chip",
    "psu": "one power supply",
    "power_shelf": "a shelf of power supplies",
    "power_meter": "anything that meters power: a bus, a tap, a PDU",
    "cdu": "coolant distribution unit",
    "cooling_tower": "cooling tower",
    "hx": "heat exchanger",
    "crah": "computer room air handler",
    "crac": "computer room air conditioner",
    "ahu": "air handling unit",
    "chiller": "chiller",
    "tank": "tank",
    "valve": "valve",
    "pump": "pump",
    "fan": "fan",
    "damper": "damper",
    "sensor": "a sensor or a group of them",
    "bess": "battery energy storage system",
    "ups": "uninterruptible power supply",
    "bbu": "battery unit of a rack",
    "ats": "automatic transfer switch",
    "generator": "generator",
    "shunt": "shunt trip",
    "breaker": "breaker",
    "system": "a publisher: the building management system or an integration",
    "generic_object": "what the wire gave no word for",
    "link": "a connection of the monitor's own",
    "source": "one clock of the monitor's own",
    "unknown": "named by something else, not yet described",
}
