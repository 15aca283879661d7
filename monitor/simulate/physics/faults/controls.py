"""What is usual in a plant's life, looks like a fault, and must stay without an alert."""

from monitor.simulate.physics.kinds import FaultInfo, Now
from monitor.simulate.physics.parameters import IDLE

HOUR = 3600.0


def _oscillation(now: Now) -> None:
    if now.since % now.time >= now.time / 2:
        now.effects.level[now.spot.at("rack")] *= now.size


def _pump_swap(now: Now) -> None:
    now.effects.swap, now.effects.swap_time = now.since, now.time


def _maintenance(now: Now) -> None:
    now.effects.running[now.spot.at("rack")] = 0.0
    now.effects.off[now.spot.at("rack")] |= now.since >= now.time
    now.effects.shut[now.spot.at("rack")] |= now.since >= now.time + 60


def _ramp(now: Now) -> None:
    now.effects.running[now.spot.at("rack")] = 1.0
    now.effects.ramp[now.spot.at("rack")] = now.time / 3


def _capped(now: Now) -> None:
    now.effects.cap[now.spot.at("rack", "tray", "gpu")] = now.size


def _primary(now: Now) -> None:
    now.effects.primary += now.size * now.grown


CONTROLS: dict[str, FaultInfo] = {
    "job_oscillation": FaultInfo(
        "C07", "the job's power falls to `size` of its level for half of each `time`", "", _oscillation, 0.6, 180.0, seen=HOUR, dt=5.0
    ),
    "pump_swap": FaultInfo(
        "C05", "planned change of pumps: the standby runs up within `time`", "CDU1", _pump_swap, time=8.0, seen=300.0, dt=1.0
    ),
    "maintenance": FaultInfo(
        "C24",
        "a rack stops its job, after `time` its hosts are shut down and a minute later its coolant is shut off; its phase is the caller's",
        "R02",
        _maintenance,
        time=300.0,
        seen=HOUR,
    ),
    "ramp_from_idle": FaultInfo("I01", "idle racks start their job; 95 % within `time`", "", _ramp, time=60.0, seen=HOUR, parameters=IDLE),
    "capped_node": FaultInfo("I06", "the GPUs of a tray may take `size` kW", "R01/tray8", _capped, 0.7, seen=HOUR),
    "seasonal_fws": FaultInfo(
        "C21", "the primary supply changes by `size` K within `time`", "CDU1", _primary, -6.0, 6 * HOUR, seen=7 * HOUR, dt=60.0
    ),
}
