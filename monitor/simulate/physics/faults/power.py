"""Faults of feeds, supplies and the bus bar."""

from math import sin, tau

from monitor.simulate.physics.kinds import FaultInfo, Now
from monitor.simulate.physics.parameters import PHASES
from monitor.simulate.physics.seen import tap, tap_and_shelves

HOUR = 3600.0
_PSU = ("rack", "shelf", "psu")


def _joint(now: Now) -> None:
    added = now.size * now.grown
    if "/shelf" in now.target:
        now.effects.shelf_joint[now.spot.at("rack", "shelf")] += added
    else:
        now.effects.tray_joint[now.spot.at("rack", "tray")] += added


def _no_share(now: Now) -> None:
    now.effects.idle[now.spot.at(*_PSU)] = True


def _psu_loss(now: Now) -> None:
    now.effects.dead[now.spot.at(*_PSU)] = True


def _trim(now: Now) -> None:
    now.effects.share[now.spot.at(*_PSU)] *= now.size


def _efficiency(now: Now) -> None:
    now.effects.loss[now.spot.at(*_PSU)] *= 1 + (now.size - 1) * now.grown


def _fan(now: Now) -> None:
    now.effects.blower[now.spot.at(*_PSU)] *= 1 - (1 - now.size) * now.grown


def _miswire(now: Now) -> None:
    phase = now.effects.phase[now.spot.at("rack", "shelf")]
    phase[phase == len(PHASES) - 1] = 0


def _phase_loss(now: Now) -> None:
    where = now.spot.at("rack", "shelf")
    now.effects.unfed[where] |= now.effects.phase[where] == len(PHASES) - 1


def _ab_swap(now: Now) -> None:
    now.effects.feed[now.spot.at("rack")] = 0


def _swing(now: Now) -> None:
    now.effects.bus[now.spot.at("rack")] += now.size * sin(tau * now.since / now.time)


FAULTS = {
    "loose_joint": FaultInfo(
        "P06",
        "loose bus clip of a shelf or a tray: its joint grows by `size` ohm within `time` (3 days in the field)",
        "R01/shelf3",
        _joint,
        110e-6,
        6 * HOUR,
        seen=12 * HOUR,
        dt=60.0,
        rules=("power.shelf_joint_loose", "power.tray_joint_loose"),
    ),
    "psu_loss": FaultInfo(
        "P01",
        "a supply fails: its siblings take over, its shelf is without redundancy",
        "R01/shelf2/psu3",
        _psu_loss,
        seen=120.0,
        rules=("power.psu_no_output",),
    ),
    "psu_no_share": FaultInfo(
        "P02",
        "a supply gives no current and says OK",
        "R01/shelf4/psu5",
        _no_share,
        seen=600.0,
        rules=("power.psu_no_output",),
    ),
    "share_trim": FaultInfo(
        "P03",
        "wrong trim: a supply takes `size` times its part of the shelf's current (5 to 20 %)",
        "R01/shelf5/psu2",
        _trim,
        1.12,
        start=0.0,
        seen=1200.0,
        rules=("power.psu_share_off",),
    ),
    "psu_efficiency": FaultInfo(
        "P04",
        "a supply's loss grows `size` times within `time`; 2 is 3 points of efficiency",
        "R01/shelf6/psu4",
        _efficiency,
        2.0,
        3600.0,
        seen=3 * HOUR,
        dt=60.0,
        rules=("power.psu_efficiency_low",),
    ),
    "psu_fan": FaultInfo(
        "P05",
        "dust in a supply's fan: its speed falls to `size` of what it should be within `time` (estimate)",
        "R01/shelf7/psu1",
        _fan,
        0.7,
        1800.0,
        seen=HOUR,
        rules=("power.psu_fan_slow",),
    ),
    "phase_miswire": FaultInfo(
        "P08",
        "the supplies of phase C hang on phase A; target a shelf, or a tap for all of its shelves",
        "R02/shelf1",
        _miswire,
        start=0.0,
        seen=300.0,
        rules=("power.phase_imbalance",),
        seen_on=tap,
    ),
    "phase_loss": FaultInfo(
        "P15",
        "the fuse of phase C opens behind a tap's meter: its supplies are without input, the rack's others take over",
        "R02-TAP-A",
        _phase_loss,
        seen=300.0,
        rules=("power.phase_imbalance", "power.shelf_input_lost"),
        seen_on=tap_and_shelves,
    ),
    "ab_swap": FaultInfo(
        "P09",
        "both cords of a rack on feed A",
        "R02",
        _ab_swap,
        start=0.0,
        seen=900.0,
        rules=("power.feed_unused",),
    ),
    "bus_swing": FaultInfo(
        "P16",
        "the shelves' controls work against each other: the bus swings by `size` V up and down, once in `time` s (estimate)",
        "R01",
        _swing,
        0.8,
        17.0,
        seen=300.0,
        dt=2.0,
        rules=("power.bus_oscillation",),
    ),
}
