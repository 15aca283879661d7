"""Which points the plant has: what each measures, how often it speaks, and how badly its sensor reads.

The errors are estimates: loop temperatures 0.05 K of noise and a bias within 0.2 K, flow 0.5 % and a gain within 2 %,
pressure 0.2 kPa, GPU temperature in steps of 1 K, bus voltage in steps of 10 mV, currents 0.5 %, powers 1 %.
"""

from dataclasses import dataclass

from monitor.model import Point
from monitor.vocabulary import QUANTITIES


@dataclass(frozen=True, slots=True)
class Signal:
    """One sensor on each asset of a place. Errors are in the point's unit."""

    name: str  # of the exact value, begins with the place
    quantity: str
    cadence: float  # s between two readings; next to never for an event, which nobody promises
    step: float = 0.0  # resolution, 0 for what is reported as it is
    noise: float = 0.0  # one sigma
    relative: float = 0.0  # noise as a share of the value, one sigma
    bias: float = 0.0  # bound of a constant offset
    gain: float = 0.0  # bound of a constant relative error
    tags: tuple[str, ...] = ()
    setpoint: bool = False
    states: tuple[str, ...] = ()
    label: str = ""  # in the path, where several points of an asset share all that they say

    @property
    def place(self) -> str:
        return self.name.partition(".")[0]

    def point(self, asset: str, source: str, dt: float) -> Point:
        """Return the descriptor on one asset; `dt` is the longest step, below which no point can speak."""
        tags = tuple(sorted(self.tags))
        return Point(
            source=source,
            path=self.path(asset),
            asset=asset,
            quantity=self.quantity,
            unit=QUANTITIES[self.quantity].unit,
            tags=tags,
            setpoint=self.setpoint,
            states=tuple(enumerate(self.states)),
            interval=max(self.cadence, dt),
        )

    def path(self, asset: str) -> str:
        tags = [*sorted(self.tags), *(["setpoint"] if self.setpoint else [])]
        return f"{asset}:{self.label or self.quantity}" + (f"[{', '.join(tags)}]" if tags else "")


def _loop(name: str, quantity: str, *tags: str) -> Signal:
    return Signal(name, quantity, 5, 0.1, noise=0.05, bias=0.2, tags=tags)


def _flow(name: str, *tags: str) -> Signal:
    return Signal(name, "liquid_flow", 1, 0.1, relative=0.005, gain=0.02, tags=tags)


def _pressure(name: str, quantity: str, *tags: str) -> Signal:
    return Signal(name, quantity, 1, 0.1, noise=0.2, tags=tags)


def _power(name: str, quantity: str, cadence: float = 1) -> Signal:
    return Signal(name, quantity, cadence, 0.001, relative=0.002, gain=0.005)


def _meter(place: str) -> list[Signal]:
    amps = [(f"phase_{phase}", "phase_current", (phase,)) for phase in "abc"]
    return [
        Signal(f"{place}.voltage", "voltage", 1, 0.1, noise=0.1, gain=0.002),
        Signal(f"{place}.power_factor", "power_factor", 1, 0.001, noise=0.0005),
        Signal(f"{place}.frequency", "frequency", 1, 0.01, noise=0.002),
        Signal(f"{place}.active_power", "active_power", 1, 0.1, relative=0.002, gain=0.005),
        Signal(f"{place}.apparent_power", "apparent_power", 1, 0.1, relative=0.002, gain=0.005),
        Signal(f"{place}.current", "current", 1, 0.1, relative=0.005, gain=0.005),
        *(Signal(f"{place}.{name}", quantity, 1, 0.1, relative=0.005, gain=0.005, tags=tags) for name, quantity, tags in amps),
        *(Signal(f"{place}.volts_{phase}", "phase_voltage", 1, 0.1, noise=0.1, gain=0.002, tags=(phase,)) for phase in "abc"),
        Signal(f"{place}.neutral", "neutral_current", 1, 0.1, relative=0.005, gain=0.005),
        Signal(f"{place}.current_limit", "current_limit", 60),
    ]


def _counters(place: str, *quantities: str) -> list[Signal]:
    return [Signal(f"{place}.{quantity}", quantity, 60) for quantity in quantities]


_ISOLATED = ("NotIsolated", "Isolated")
_LEAK = ("NoLeak", "Leak")
_SETPOINT_SUPPLY = Signal("cdu.supply_setpoint", "liquid_temperature", 60, tags=("secondary", "supply"), setpoint=True)

SIGNALS: tuple[Signal, ...] = (
    _flow("rack.liquid_flow"),
    _loop("rack.liquid_supply", "liquid_supply_temperature"),
    _loop("rack.liquid_return", "liquid_return_temperature"),
    _pressure("rack.drop", "liquid_differential_pressure"),
    Signal("rack.drop_setpoint", "liquid_differential_pressure", 60, setpoint=True),
    Signal("rack.valve", "control_valve_position", 5, 0.1),
    Signal("rack.power", "power", 1, 0.1, relative=0.002, gain=0.005),
    Signal("rack.leak", "leak", 5, states=_LEAK),
    Signal("rack.leak_sensor_fault", "leak_sensor_fault", 5, states=("NoFault", "Fault")),
    Signal("rack.liquid_isolation", "liquid_isolation", 5, states=_ISOLATED),
    Signal("rack.electrical_isolation", "electrical_isolation", 5, states=_ISOLATED),
    Signal("rack.inlet_top", "inlet_temperature", 60, 0.1, noise=0.05, bias=0.2, tags=("top",)),
    Signal("rack.inlet_bottom", "inlet_temperature", 60, 0.1, noise=0.05, bias=0.2, tags=("bottom",)),
    _loop("tray.liquid_supply", "liquid_supply_temperature"),
    _loop("tray.liquid_return", "liquid_return_temperature"),
    Signal("tray.input_voltage", "input_voltage", 10, 0.01, noise=0.005, bias=0.02),
    Signal("tray.input_current", "input_current", 10, 0.1, relative=0.005, gain=0.005),
    Signal("tray.input_power", "input_power", 10, 0.001, relative=0.005, gain=0.01),
    Signal("tray.clip", "joint_temperature", 10, 0.5, noise=0.2, bias=0.5, tags=("bus_clip",)),
    Signal("tray.power", "power", 10, 0.001, relative=0.005, gain=0.01),
    Signal("tray.inlet", "inlet_temperature", 10, 0.5, noise=0.2, bias=0.5),
    Signal("tray.fan_speed", "fan_rotation", 10, 10.0, relative=0.003),
    Signal("tray.fan_demand", "fan_demand", 10, 1.0),
    Signal("tray.leak", "leak", 10, states=("OK", "Leak")),
    Signal("gpu.temperature", "temperature", 10, 1.0, noise=0.1),
    Signal("gpu.memory_temperature", "memory_temperature", 10, 1.0, noise=0.1),
    Signal("gpu.temperature_margin", "temperature_margin", 10, 1.0, noise=0.1),
    Signal("gpu.power", "power", 1, 0.001, noise=0.0005, relative=0.002, gain=0.01),
    Signal("gpu.core_clock", "core_clock", 10, 15e6, noise=2e6),
    Signal("gpu.memory_clock", "memory_clock", 60),
    Signal("gpu.utilization", "utilization", 10, 1.0, relative=0.005),
    Signal("gpu.nvlink_links", "nvlink_links", 60),
    Signal("gpu.pcie_width", "pcie_width", 60),
    Signal("gpu.bit_error_rate", "bit_error_rate", 60, relative=0.1),
    Signal("gpu.row_remap_pending", "row_remap_pending", 60),
    Signal("gpu.row_remap_failed", "row_remap_failed", 60),
    *(
        Signal(f"gpu.{quantity}", quantity, 10)
        for quantity in ("power_throttle_time", "thermal_throttle_time", "hardware_throttle_time", "power_brake_time")
    ),
    *_counters("gpu", "corrected_errors", "uncorrected_errors", "remapped_rows_corrected", "remapped_rows_uncorrected"),
    *_counters("gpu", "pcie_replays", "nvlink_recoveries", "symbol_errors"),
    Signal("gpu.xid", "xid", 1e9),
    Signal("drive.temperature", "temperature", 60, 1.0, noise=0.3, bias=1.0),
    Signal("switch.temperature", "temperature", 10, 1.0, noise=0.2),
    Signal("cpu.temperature", "temperature", 10, 1.0, noise=0.2),
    Signal("cpu.power", "power", 10, 0.001, relative=0.005, gain=0.01),
    Signal("nic.temperature", "optical_temperature", 60, 0.5, noise=0.2, bias=1.0),
    *(Signal(f"nic.receive_{lane}", "optical_receive_power", 60, 0.01, noise=0.05, tags=(f"lane{lane}",)) for lane in (1, 2, 3, 4)),
    Signal("nic.bias", "optical_bias_current", 60, 1e-5, relative=0.002),
    Signal("nic.bit_error_rate", "raw_bit_error_rate", 60, relative=0.1),
    Signal("nic.link_downs", "link_downs", 60),
    Signal("nic.link_up", "link_up", 60),
    *(_power(f"shelf.{quantity}", quantity, 5) for quantity in ("input_power", "output_power")),
    Signal("shelf.output_current", "output_current", 5, 0.1, relative=0.005, gain=0.005),
    Signal("shelf.output_voltage", "output_voltage", 5, 0.01, noise=0.005, bias=0.02),
    Signal("shelf.clip", "joint_temperature", 10, 0.5, noise=0.2, bias=0.5, tags=("bus_clip",)),
    *(Signal(f"shelf.phase_{phase}", "phase_current", 5, 0.1, relative=0.005, gain=0.005, tags=(phase,)) for phase in "abc"),
    Signal("psu.input_voltage", "input_voltage", 5, 0.1, noise=0.1, gain=0.002),
    Signal("psu.input_current", "input_current", 5, 0.01, relative=0.005, gain=0.005),
    *(_power(f"psu.{quantity}", quantity, 5) for quantity in ("input_power", "output_power")),
    Signal("psu.output_voltage", "output_voltage", 5, 0.01, noise=0.005, bias=0.02),
    Signal("psu.output_current", "output_current", 5, 0.1, relative=0.005, gain=0.005),
    Signal("psu.inlet", "inlet_temperature", 10, 0.5, noise=0.2, bias=0.5),
    Signal("psu.outlet", "outlet_temperature", 10, 0.5, noise=0.2, bias=0.5),
    Signal("psu.fan_speed", "fan_rotation", 10, 10.0, relative=0.003),
    Signal("psu.status", "status", 5, states=("OK", "Fault")),
    Signal("psu.faults", "faults", 60),
    *_meter("tap"),
    *_meter("pdu"),
    _loop("cdu.supply", "liquid_temperature", "secondary", "supply"),
    _loop("cdu.return", "liquid_temperature", "secondary", "return"),
    _SETPOINT_SUPPLY,
    _flow("cdu.flow", "secondary"),
    _pressure("cdu.header", "liquid_differential_pressure", "secondary"),
    Signal("cdu.header_setpoint", "liquid_differential_pressure", 60, tags=("secondary",), setpoint=True),
    _pressure("cdu.filter", "filter_differential_pressure"),
    _pressure("cdu.filter_1", "filter_differential_pressure", "filter1", "secondary"),  # the same as the DSX wire says it
    _pressure("cdu.supply_pressure", "liquid_pressure", "secondary", "supply"),
    _pressure("cdu.return_pressure", "liquid_pressure", "secondary", "return"),
    Signal("cdu.level", "liquid_level", 10, 0.01, noise=0.05),
    Signal("cdu.makeup_count", "makeup_count", 10),
    _flow("cdu.primary_flow", "primary"),
    _loop("cdu.primary_inlet", "liquid_temperature", "primary", "inlet"),
    _loop("cdu.primary_outlet", "liquid_temperature", "primary", "outlet"),
    _pressure("cdu.primary_pressure", "liquid_pressure", "primary", "inlet"),
    Signal("cdu.valve", "valve_position", 5, 0.1, tags=("primary",)),
    Signal("cdu.pump_1", "pump_speed", 1, 0.1, tags=("secondary",), label="pump1_speed"),
    Signal("cdu.pump_2", "pump_speed", 1, 0.1, tags=("secondary",), label="pump2_speed"),
    Signal("pump.speed", "pump_speed", 1, 0.1),
    Signal("pump.power", "pump_power", 5, 0.001, relative=0.01, gain=0.01),
    Signal("pump.vibration", "vibration", 10, 0.01, relative=0.03),
    Signal("valve.position", "valve_position", 5, 0.1),
    Signal("valve.demand", "valve_demand", 5, 0.1),
    Signal("room.cold", "air_temperature", 60, 0.1, noise=0.05, bias=0.2, tags=("coldaisle",)),
    Signal("room.hot", "air_temperature", 60, 0.1, noise=0.05, bias=0.2, tags=("hotaisle",)),
    Signal("room.humidity", "air_relative_humidity", 60, 0.1, noise=0.1, bias=1.0, tags=("coldaisle",)),
    Signal("room.dew_point", "dew_point", 60, 0.1, noise=0.05, bias=0.3, tags=("coldaisle",)),
    Signal("room.leak", "leak", 5, states=_LEAK, tags=("floor",)),
)
