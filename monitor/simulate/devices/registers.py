"""Register maps of the plant's Modbus devices, one line a register.

`PSU` is Open Rack v3's map of a power supply and `RPU` its map of a rack's pumping unit (OpenBMC rackmon's register maps,
`orv3_psu.json` and `orv3_rpu.json`), as far as the plant has something to show; what a register cannot hold, it holds as its
greatest value. `CDU` is a map of our own with the habits of makers': no two have the same and none is published. It has
degF, tenths, two word orders, two functions, and 0x8000 or NaN for what is not known.

In a signal `@` stands for the device's own asset; without one, for the only asset of its place.
"""

import struct
from dataclasses import dataclass
from math import isfinite

HOLDING, INPUT = 3, 4  # function codes that read
UNKNOWN = 0x8000


@dataclass(frozen=True, slots=True)
class Register:
    """One value. Raw = value / scale + shift, value in `unit`, rounded.

    `factor` turns the plant's canonical unit into `unit`, before `offset` is added. `words` is 1 or 2; `order` tells which of two comes first.
    """

    address: int
    name: str
    signal: str  # of the plant; "=..." for what the device says of itself
    unit: str = ""
    scale: float = 1.0
    signed: bool = False
    factor: float = 1.0
    offset: float = 0.0
    kind: str = "int"  # int, float (IEEE 754, two words) or text
    words: int = 1
    order: str = "high"  # word that comes first: high or low
    function: int = HOLDING

    def encode(self, value: float) -> list[int]:
        """Return the words for a value in the plant's canonical unit; NaN as the map's sentinel."""
        if self.kind == "float":
            high, low = struct.unpack(">HH", struct.pack(">f", value * self.factor + self.offset))
        elif not isfinite(value):
            high, low = UNKNOWN, 0
        else:
            bits = 16 * self.words
            least, most = (-(1 << bits - 1), (1 << bits - 1) - 1) if self.signed else (0, (1 << bits) - 1)
            raw = min(most, max(least, round((value * self.factor + self.offset) / self.scale)))
            high, low = divmod(raw % (1 << bits), 1 << 16) if self.words == 2 else (raw % (1 << bits), 0)
        if self.words == 1:
            return [high]
        return [high, low] if self.order == "high" else [low, high]

    def text(self, words: str) -> list[int]:
        """Return an ASCII text, padded with NUL."""
        given = words.encode("ascii", "replace")[: 2 * self.words].ljust(2 * self.words, b"\0")
        return list(struct.unpack(f">{self.words}H", given))


def _fixed(address: int, name: str, signal: str, unit: str, precision: int, factor: float = 1.0, *, signed: bool = False) -> Register:
    """Return a FLOAT of rackmon: fixed point with so many bits behind it."""
    return Register(address, name, signal, unit, 2.0**-precision, signed, factor)


PSU = (
    Register(0, "PSU_FBPN", "=part", kind="text", words=8),
    Register(8, "PSU_MFR_Model", "=model", kind="text", words=8),
    Register(16, "PSU_MFR_Date", "=date", kind="text", words=8),
    Register(24, "PSU_MFR_Serial", "=serial", kind="text", words=16),
    Register(40, "PSU_Workorder", "=workorder", kind="text", words=4),
    Register(44, "PSU_HW_Revision", "=hardware", kind="text", words=4),
    Register(48, "PSU_FW_Revision", "=firmware", kind="text", words=4),
    Register(52, "Total_Up_Time", "=uptime", "s", words=2),
    Register(54, "Time_Since_Last_On", "=uptime", "s", words=2),
    Register(56, "AC_Power_Cycle_Counter", "=boots"),
    Register(57, "AC_Outage_Counter", "=zero"),
    Register(60, "General_Alarm_Status_Register", "=general_alarm"),
    Register(61, "PFC_Alarm_Status_Register", "=zero"),
    Register(62, "DCDC_Alarm_Status_Register", "=dcdc_alarm"),
    Register(63, "Temperature_Alarm_Status_Register", "=zero"),
    Register(64, "Communication_Alarm_Status_Register", "=communication"),
    Register(67, "PSU_RPM_Fan0", "psu.fan_speed@", "1/min"),
    _fixed(69, "PSU_Temp0_Inlet", "psu.inlet@", "degC", 7, signed=True),
    _fixed(70, "PSU_Temp1_Outlet", "psu.outlet@", "degC", 7, signed=True),
    Register(73, "PSU_Position_Number", "=position", words=2),
    Register(75, "CRC_Error_Counter", "=zero", words=2),
    Register(77, "Timeout_Error_Counter", "=zero", words=2),
    _fixed(79, "PSU_Output_Voltage", "psu.output_voltage@", "V", 10),
    _fixed(80, "PSU_Output_Current", "psu.output_current@", "A", 6),
    _fixed(82, "PSU_Output_Power", "psu.output_power@", "W", 3, 1000.0),
    _fixed(87, "PSU_Input_Power", "psu.input_power@", "W", 3, 1000.0),
    _fixed(88, "PSU_Input_Voltage_AC", "psu.input_voltage@", "V", 6),
    _fixed(89, "PSU_Input_Current_AC", "psu.input_current@", "A", 10),
    Register(90, "PSU_Fault_Counter", "psu.faults@"),
    Register(98, "Unix_Time", "=time", "s", words=2),
)

RPU = (
    Register(6596, "RPU_FBPN", "=part", kind="text", words=8),
    Register(6604, "RPU_MFR_Model", "=model", kind="text", words=8),
    Register(6612, "RPU_MFR_Date", "=date", kind="text", words=4),
    Register(6616, "RPU_MFR_Serial", "=serial", kind="text", words=8),
    Register(6636, "Total_Up_Time", "=uptime", "s", words=2),
    Register(6639, "Time_Since_Last_On", "=uptime", "s", words=2),
    Register(0x9000, "RPU_Coolant_Flow_Rate_LPM", "cdu.flow@", "L/min", 0.1),
    Register(0x9001, "RPU_Coolant_Outlet_Temp_C", "cdu.supply@", "degC", 0.1),
    Register(0x9002, "RPU_Coolant_Inlet_Temp_C", "cdu.return@", "degC", 0.1),
    Register(0x9003, "RPU_Coolant_Outlet_Pressure_kPa", "cdu.supply_pressure@", "kPa", 0.1, signed=True),
    Register(0x9004, "RPU_Coolant_Inlet_Pressure_kPa", "cdu.return_pressure@", "kPa", 0.1, signed=True),
    Register(0x9008, "RPU_Air_Inlet_Temp_C", "room.cold", "degC", 0.1),
    Register(0x9009, "RPU_Pump_PWM_Pct", "cdu.pump_1@", "%"),
)


def _measured(address: int, name: str, signal: str, unit: str, scale: float, factor: float = 1.0, offset: float = 0.0) -> Register:
    return Register(address, name, signal, unit, scale, signed=True, factor=factor, offset=offset, function=INPUT)


def _fahrenheit(address: int, name: str, signal: str) -> Register:
    return _measured(address, name, signal, "degF", 0.1, 1.8, 32.0)


CDU = (
    _fahrenheit(0, "secondary_supply_temperature", "cdu.supply@"),
    _fahrenheit(1, "secondary_return_temperature", "cdu.return@"),
    _fahrenheit(2, "primary_supply_temperature", "cdu.primary_inlet@"),
    _fahrenheit(3, "primary_return_temperature", "cdu.primary_outlet@"),
    _measured(4, "secondary_supply_pressure", "cdu.supply_pressure@", "kPa", 0.1),
    _measured(5, "secondary_return_pressure", "cdu.return_pressure@", "kPa", 0.1),
    _measured(6, "secondary_differential_pressure", "cdu.header@", "kPa", 0.1),
    _measured(7, "filter_differential_pressure", "cdu.filter@", "kPa", 0.1),
    _measured(8, "primary_supply_pressure", "cdu.primary_pressure@", "kPa", 0.1),
    _measured(9, "reservoir_level", "cdu.level@", "%", 0.01),
    _measured(10, "primary_valve_position", "cdu.valve@", "%", 0.1),
    _measured(11, "pump_1_speed", "cdu.pump_1@", "%", 0.1),
    _measured(12, "pump_2_speed", "cdu.pump_2@", "%", 0.1),
    Register(20, "secondary_flow", "cdu.flow@", "L/min", kind="float", words=2, order="low", function=INPUT),
    Register(22, "primary_flow", "cdu.primary_flow@", "L/min", kind="float", words=2, order="low", function=INPUT),
    Register(24, "pump_1_power", "pump.power@/pump1", "W", factor=1000.0, words=2, function=INPUT),
    Register(26, "pump_2_power", "pump.power@/pump2", "W", factor=1000.0, words=2, function=INPUT),
    Register(28, "makeup_count", "cdu.makeup_count@", words=2, function=INPUT),
    Register(30, "operating_time", "=uptime", "s", words=2, function=INPUT),
    Register(0, "secondary_supply_temperature_setpoint", "cdu.supply_setpoint@", "degF", 0.1, signed=True, factor=1.8, offset=32.0),
    Register(1, "secondary_differential_pressure_setpoint", "cdu.header_setpoint@", "kPa", 0.1, signed=True),
    Register(10, "clock", "=time", "s", words=2),
)
