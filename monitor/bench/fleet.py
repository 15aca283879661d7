"""A plant of many racks on which every rule of a set binds, with values that keep the rules quiet."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from monitor.detect.nodes import Node
from monitor.detect.rules import ANY, CompiledRule, RuleSet
from monitor.model import F64, Point
from monitor.plant import Plant

RACKS_PER_CDU = 8
Wanted = tuple[str, tuple[str, ...], bool]  # quantity, tags, setpoint

IN_TRAY = ("nic", "switch", "cpu", "fan", "valve", "bbu", "breaker", "dimm", "drive")
BESIDE = {"cdu": RACKS_PER_CDU, "power_meter": 1, "sensor": RACKS_PER_CDU, "hx": RACKS_PER_CDU}  # one for so many racks


@dataclass
class Fleet:
    """The plant, and for each point its kind, quantity and whether it is a counter."""

    plant: Plant
    rows: list[int] = field(default_factory=list)
    quantities: list[str] = field(default_factory=list)


def wanted(rules: RuleSet) -> dict[str, set[Wanted]]:
    """Return which points the assets of each kind need so that every rule binds."""
    found: dict[str, set[Wanted]] = defaultdict(set)
    for compiled in rules.rules:
        for node in compiled.nodes():
            for kind, name, tags in _read(node, _kind(compiled), compiled.rule.each):
                found[kind].add((name, tuple(sorted(set(tags) - {"=", "setpoint"})), "setpoint" in tags))
    return found


def _kind(compiled: CompiledRule) -> str:
    kinds = compiled.rule.applies_to.kind
    return "rack" if ANY in kinds else kinds[0]


def _read(node: Node, kind: str, each: str | None) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    match node.operation:
        case "own":
            yield kind, str(node.data[0]), tuple(map(str, node.data[1:]))
        case "it" if each not in {None, ANY}:
            yield kind, str(each), ()
        case "gather":
            yield str(node.data[0]) or kind, str(node.data[1]), tuple(map(str, node.data[2:]))
        case "fold" if node.inputs[0].operation != "gather":
            yield from _read(node.inputs[0], str(node.data[1]), None)
        case _:
            for part in node.inputs:
                yield from _read(part, kind, each)


def fleet(rules: RuleSet, racks: int, points: int) -> Fleet:
    """Return a plant of so many racks, each with so many points, its share of what stands beside the racks left out.

    Args:
        rules: every one of them binds.
        racks: how many.
        points: a rack; GPUs are added until there are so many.

    """
    needs = wanted(rules)
    made = Fleet(Plant(rules.vocabulary))
    skus = [sku for sku in rules.limits.values if sku != "default"] or [""]
    made.plant.asset("hall", "hall")
    for number in range(racks):
        name = f"R{number:04d}"
        _rack(made, needs, name, skus[number % len(skus)], points)
        for kind, share in BESIDE.items():
            beside = f"{kind}{number // share}"
            if number % share == 0:
                made.plant.asset(beside, kind)
                _points(made, beside, needs.get(kind, set()))
            made.plant.serve(beside, name)
        if number % RACKS_PER_CDU == 0:
            loop = number // RACKS_PER_CDU
            made.plant.serve(f"sensor{loop}", f"cdu{loop}")
            _part(made, needs, f"cdu{loop}/pump1", "pump", f"cdu{loop}")
            made.plant.asset(f"bus{loop}", "power_meter")
            _points(made, f"bus{loop}", needs.get("power_meter", set()))
        made.plant.serve(f"bus{number // RACKS_PER_CDU}", f"power_meter{number}")
    for kind in sorted(set(needs) - _INSIDE - set(BESIDE) - {"link", "source", "pump"}):
        _part(made, needs, f"one-{kind}", kind, "hall")
    return made


_INSIDE = {"rack", "tray", "power_shelf", "psu", "gpu", *IN_TRAY}


def _rack(made: Fleet, needs: dict[str, set[Wanted]], name: str, sku: str, points: int) -> None:
    before = len(made.rows)
    made.plant.asset(name, "rack", **({"sku": sku} if sku else {}))
    _points(made, name, needs["rack"])
    for shelf in range(1):
        _part(made, needs, f"{name}/shelf{shelf}", "power_shelf", name)
        for psu in range(6):
            _part(made, needs, f"{name}/shelf{shelf}/psu{psu}", "psu", f"{name}/shelf{shelf}")
    for tray in range(TRAYS):
        _part(made, needs, f"{name}/tray{tray}", "tray", name)
    for kind in IN_TRAY:
        if needs.get(kind):
            _part(made, needs, f"{name}/tray0/{kind}0", kind, f"{name}/tray0")
    number = 0
    while needs["gpu"] and len(made.rows) - before + len(needs["gpu"]) <= points:
        holder = f"{name}/tray{number // GPUS}" if number < TRAYS * GPUS else name  # no tray is incomplete
        _part(made, needs, f"{holder}/gpu{number}", "gpu", holder)
        number += 1


def _part(made: Fleet, needs: dict[str, set[Wanted]], name: str, kind: str, parent: str) -> None:
    made.plant.asset(name, kind, parent=parent)
    _points(made, name, needs.get(kind, set()))


def _points(made: Fleet, asset: str, wants: set[Wanted]) -> None:
    plant = made.plant
    tagged = {(name, setpoint) for name, tags, setpoint in wants if tags}
    for name, tags, setpoint in sorted(wants):
        if not tags and (name, setpoint) in tagged:
            continue  # one with tags answers to the bare name too
        path = f"{asset}/{name}/{'.'.join(tags)}/{setpoint:d}"
        row = plant.describe(
            Point(
                "bench", path, asset, name, plant.vocabulary[name].unit,
                tags=tags, setpoint=setpoint, interval=INTERVAL, states=STATES.get(name, ()),
            )
        )  # fmt: skip
        if not plant.vocabulary[name].event:  # events come seldom
            made.rows.append(row)
            made.quantities.append(name)


def values(made: Fleet, ticks: int, seed: int = 1) -> F64:
    """Return values of a pod in order, with 0.1 % of noise on what is measured, (ticks, S)."""
    chance = np.random.default_rng(seed)
    vocabulary = made.plant.vocabulary
    level = np.array([_normal(made.plant, row) for row in made.rows])
    still = np.array([vocabulary[name].counter or not vocabulary[name].unit for name in made.quantities])
    noise = chance.standard_normal((ticks, len(level))) * 1e-3
    noise[:, still] = 0
    return level * (1 + noise)


def _normal(plant: Plant, row: int) -> float:
    point = plant.points[row]
    kind = "bus" if point.asset.startswith("bus") else plant.assets[point.asset].kind
    for name in (f"{kind}.{point.quantity}.{'.'.join(point.tags)}", f"{kind}.{point.quantity}", point.quantity):
        if name in NORMAL:
            return NORMAL[name]
    return 0.0


TRAYS, GPUS = 3, 4  # of a rack, of a tray
INTERVAL = 10.0  # s
STATES = {"breaker_state": ((0, "closed"), (1, "open"), (2, "tripped"))}
# A rack of 100 kW at 130 L/min, eight of them behind a CDU; quantity, kind.quantity, or kind.quantity.tags, in canonical units.
NORMAL = {
    "rack.power": 100, "liquid_flow": 130, "liquid_supply_temperature": 30, "liquid_return_temperature": 40.02,
    "liquid_differential_pressure": 100, "control_valve_position": 60,
    "cdu.liquid_flow.secondary": 1040, "cdu.liquid_flow.primary": 1200, "cdu.liquid_temperature.secondary.supply": 30,
    "cdu.liquid_temperature.return.secondary": 40.02, "cdu.liquid_temperature.inlet.primary": 26,
    "cdu.liquid_temperature.outlet.primary": 34.4, "cdu.liquid_differential_pressure": 120, "liquid_pressure": 150,
    "filter_differential_pressure": 12, "liquid_level": 75, "pump_speed": 60, "pump_power": 3, "vibration": 1,
    "liquid_conductivity": 2000, "liquid_ph": 9, "liquid_turbidity": 0.5, "liquid_glycol": 25, "valve_position": 50, "valve_demand": 50,
    "active_power": 100, "apparent_power": 101, "voltage": 415, "current": 140.5, "current_limit": 200, "phase_current": 140.5,
    "bus.active_power": 808, "bus.apparent_power": 816, "bus.current": 1135, "bus.current_limit": 1600, "bus.phase_current": 1135,
    "bus.neutral_current": 40, "phase_voltage": 240, "neutral_current": 5, "voltage_harmonics": 2, "residual_current": 0.05, "insulation_resistance": 1e6,
    "power_shelf.input_power": 30.8, "power_shelf.output_current": 600, "output_voltage": 50, "input_voltage": 230,
    "tray.input_voltage": 49.9, "tray.input_current": 120, "tray.power": 6, "joint_temperature": 38,
    "inlet_temperature": 26, "outlet_temperature": 40, "psu.outlet_temperature": 42, "fan_rotation": 9000, "fan_demand": 50,
    "output_current": 100, "output_power": 5, "psu.input_power": 5.13, "current_harmonics": 3,
    "gpu.temperature": 60, "memory_temperature": 70, "temperature_margin": 25, "gpu.power": 1.0, "utilization": 98, "core_clock": 1.9e9,
    "nvlink_links": 18, "pcie_width": 16, "power_smoothing_lifetime": 100, "cpu.temperature": 55, "cpu.power": 0.2,
    "drive.temperature": 45, "switch.temperature": 60, "link_up": 1, "optical_receive_power": -2, "optical_bias_current": 0.008,
    "optical_temperature": 50, "raw_bit_error_rate": 1e-8, "air_relative_humidity": 45, "air_temperature": 24, "dew_point": 11.3,
    "crah.air_temperature": 20, "air_differential_pressure": 0.1, "fan_speed": 60, "crah.valve_position": 40,
    "hx.liquid_flow": 60, "hx.liquid_supply_temperature": 20, "battery_charge": 100, "battery_health": 100, "cell_voltage": 3.3,
    "battery_time_left": 600, "output_source": 3,
}  # fmt: skip
