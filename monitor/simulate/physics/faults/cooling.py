"""Faults of the coolant loop, its CDU, the primary side and the room."""

from math import exp

from monitor.errors import InputError
from monitor.simulate.physics.kinds import FaultInfo, Now
from monitor.simulate.physics.layout import CDU
from monitor.simulate.physics.parameters import COLD_SUPPLY
from monitor.simulate.physics.seen import cdu, cdu_and_racks

HOUR = 3600.0


def _filter(now: Now) -> None:
    now.effects.filter *= exp(min(now.size, now.since / now.time))


def _cavitation(now: Now) -> None:
    now.effects.suction += now.size * now.grown


def _bearing(now: Now) -> None:
    pumps = {f"{CDU}/pump1": 0, f"{CDU}/pump2": 1}
    if now.target not in pumps:
        raise InputError(f'"{now.target}" is no pump; {" or ".join(pumps)} would do')
    now.effects.vibration[pumps[now.target]] *= 1 + (now.size - 1) * now.grown
    now.effects.drag[pumps[now.target]] *= 1 + _DRAG * now.grown


_DRAG = 0.25  # of a pump's power that a worn bearing adds (an estimate)


def _trip(now: Now) -> None:
    now.effects.trip, now.effects.trip_time = now.since, now.time


def _valve_stuck(now: Now) -> None:
    now.effects.valve = now.size


def _hunting(now: Now) -> None:
    now.effects.gain *= now.size


def _balance(now: Now) -> None:
    now.effects.balance[now.spot.at("rack")] *= now.size


def _bypass(now: Now) -> None:
    now.effects.bypass += now.size


def _leak(now: Now) -> None:
    now.effects.leak[now.spot.at("rack")] += now.size
    now.effects.rope[now.spot.at("rack")] |= now.since >= now.time


def _humidity(now: Now) -> None:
    now.effects.humidity += now.size * now.grown


def _primary_loss(now: Now) -> None:
    now.effects.primary_flow *= now.size


def _restricted(now: Now) -> None:
    now.effects.restriction[now.spot.at("rack")] *= now.size


FAULTS = {
    "filter_clog": FaultInfo(
        "C01",
        "debris: the filter's resistance grows e-fold each `time`, exp(`size`)-fold at most",
        "CDU1",
        _filter,
        3.0,
        18 * HOUR,
        seen=4 * HOUR,
        dt=30.0,
        rules=("cooling.filter_filling",),
    ),
    "cavitation": FaultInfo(
        "C03",
        "clogged suction strainer: the pumps' suction loses `size` kPa within `time`, and they draw vapour",
        "CDU1",
        _cavitation,
        118.0,
        1800.0,
        start=2 * HOUR,
        seen=HOUR,
        rules=("cooling.pump_cavitating",),
    ),
    "bearing": FaultInfo(
        "C04",
        "worn bearing of a pump: its vibration grows `size` times within `time`, its power by a quarter (estimate)",
        "CDU1/pump1",
        _bearing,
        3.0,
        HOUR,
        seen=HOUR,
        rules=("cooling.pump_vibration",),
    ),
    "pump_trip": FaultInfo(
        "C05",
        "the duty pump trips; the standby starts `time` s later, too late, and stays the only one (estimate: 5 to 10 s are usual)",
        "CDU1",
        _trip,
        time=20.0,
        seen=60.0,
        dt=1.0,
        rules=("cooling.failover_failed", "cooling.rack_flow_lost"),  # the first needs the pumps' own points
        seen_on=cdu_and_racks,
    ),
    "valve_stuck": FaultInfo(
        "C06",
        "the primary valve stays at `size` of its stroke",
        "CDU1",
        _valve_stuck,
        0.4,
        seen=1800.0,
        rules=("cooling.supply_valve_stuck",),
    ),
    "hunting": FaultInfo(
        "C07",
        "the supply control's gain times `size`",
        "CDU1",
        _hunting,
        4.0,
        seen=1800.0,
        dt=5.0,
        rules=("cooling.supply_hunting",),
    ),
    "misbalance": FaultInfo(
        "C08",
        "a rack's valve was set to hold `size` of the pressure drop (estimate)",
        "R02",
        _balance,
        0.45,
        start=0.0,
        seen=1800.0,
        rules=("cooling.rack_flow_unlike_peers",),
    ),
    "bypass_open": FaultInfo(
        "C09",
        "the bypass of commissioning was left open: it takes `size` of the rated flow (estimate)",
        "CDU1",
        _bypass,
        0.15,
        start=0.0,
        seen=HOUR,
        dt=30.0,
        rules=("cooling.bypass_open",),
    ),
    "slow_leak": FaultInfo(
        "C14",
        "dripping coupling: `size` L/min; the rope is wet after `time`",
        "R02",
        _leak,
        0.02,
        6 * HOUR,
        seen=2 * HOUR,
        dt=30.0,
        rules=("cooling.level_falling",),
        seen_on=cdu,
    ),
    "leak": FaultInfo(
        "C15",
        "burst hose: `size` L/min until the reservoir is empty; the rope is wet at once (estimate)",
        "R03",
        _leak,
        10.0,
        seen=60.0,
        rules=("cooling.leak",),
    ),
    "humidity": FaultInfo(
        "C17",
        "damp air: relative humidity grows by `size` % within `time`; the plant is one with a supply of 18 degC",
        "Room1",
        _humidity,
        25.0,
        HOUR,
        seen=HOUR,
        dt=30.0,
        parameters=COLD_SUPPLY,
        rules=("cooling.condensation_near",),
        seen_on=cdu,
    ),
    "primary_loss": FaultInfo(
        "C21",
        "the facility's pump fails: the primary side gets `size` of its flow (estimate)",
        "CDU1",
        _primary_loss,
        0.3,
        start=1200.0,
        seen=300.0,
        rules=("cooling.primary_flow_lost",),
    ),
    "flow_restricted": FaultInfo(
        "C24",
        "half-shut valve in a rack: its hydraulic resistance times `size`",
        "R03",
        _restricted,
        10.0,
        seen=300.0,
        rules=("cooling.rack_flow_low", "cooling.rack_resistance_high"),
    ),
}
