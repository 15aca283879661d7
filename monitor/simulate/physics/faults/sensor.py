"""Faults of sensors and meters: what is measured is in order, what is said is not."""

from monitor.simulate.physics.kinds import FaultInfo, Now

HOUR = 3600.0
_PSI = 0.145  # a kPa


def _bias(now: Now) -> None:
    now.effects.biased.append((now.target, now.size * now.grown))


def _stuck(now: Now) -> None:
    now.effects.stuck.append(now.target)


def _swapped(now: Now) -> None:
    one, comma, other = now.target.partition(",")
    now.effects.swapped.append((one, other) if comma else (f"{one}:liquid_supply_temperature", f"{one}:liquid_return_temperature"))


def _scaled(now: Now) -> None:
    now.effects.scaled.append((now.target, now.size))


def _fixed(now: Now) -> None:
    now.effects.fixed.append((now.target, now.size))


def _ratio(now: Now) -> None:
    now.effects.ratios.append((now.target, now.size))


FAULTS = {
    "sensor_swap": FaultInfo(
        "C12",
        "supply and return of a rack exchanged, or two points: PATH,PATH",
        "R03",
        _swapped,
        start=0.0,
        seen=600.0,
        rules=("cooling.rack_delta_t_reversed",),
    ),
    "sensor_bias": FaultInfo(
        "C11",
        "a point reads `size` (in its unit) too much, reached within `time`",
        "R03:liquid_return_temperature",
        _bias,
        0.8,
        start=0.0,
        seen=HOUR,
        rules=("sensor.rack_heat_unlike_peers",),
    ),
    "sensor_stuck": FaultInfo(
        "C13",
        "a point repeats its last value",
        "R03:liquid_return_temperature",
        _stuck,
        seen=1800.0,
        rules=("sensor.rack_temperature_flat",),
    ),
    "flow_sensor_dead": FaultInfo(
        "C13",
        "the CDU's secondary flow meter reads `size` with good quality while coolant flows",
        "CDU1:liquid_flow[secondary]",
        _fixed,
        0.0,
        seen=60.0,
        rules=("cooling.cdu_flow_low_for_pump", "sensor.cdu_flow_unlike_racks"),
    ),
    "leak_sensor_fault": FaultInfo(
        "C16",
        "a cut leak rope: its controller says so",
        "R02:leak_sensor_fault",
        _fixed,
        1.0,
        seen=60.0,
        rules=("cooling.leak_sensor_fault",),
    ),
    "unit_error": FaultInfo(
        "C25",
        "a point is in another unit: it reads `size` times its value, by default psi for kPa",
        "R03:liquid_differential_pressure",
        _scaled,
        _PSI,
        start=0.0,
        seen=300.0,
        rules=("cooling.rack_dp_unlike_peers", "sensor.rack_unit_wrong"),
    ),
    "ct_ratio": FaultInfo(
        "P10",
        "wrong ratio of current transformers: all powers and currents of a meter read `size` times their value",
        "PDU-A",
        _ratio,
        0.5,
        start=0.0,
        seen=1800.0,
        rules=("power.meters_below_exceed",),
    ),
}
