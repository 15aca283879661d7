"""The demo injections and the negative controls: what each does, where, from when, and when a detector should have seen it.

A fault changes the physics or a sensor, never what a rule looks at. `FAULTS` have to be seen, `CONTROLS` must stay without an alert.
"""

from dataclasses import dataclass
from difflib import get_close_matches
from math import exp, inf, log10

from monitor.errors import InputError
from monitor.simulate.physics.effects import Effects
from monitor.simulate.physics.kinds import FaultInfo, Now, Spot
from monitor.simulate.physics.parameters import COLD_SUPPLY, IDLE, PHASES

HOUR = 3600.0


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault or control to inject. What is None or "" is as `FAULTS` or `CONTROLS` say.

    `size` and `time` scale it: a filter clogs within minutes with a `time` of 600 s.
    """

    kind: str
    target: str = ""
    start: float | None = None  # s after the plant's start
    end: float = inf
    size: float | None = None
    time: float | None = None

    @property
    def info(self) -> FaultInfo:
        """Return the kind.

        Raises:
            InputError: there is none of that name.

        """
        known = FAULTS | CONTROLS
        if self.kind not in known:
            close = get_close_matches(self.kind, known, 1, 0.5) or list(known)
            raise InputError(f'no fault is called "{self.kind}"; {", ".join(close)} would do')
        return known[self.kind]

    @property
    def where(self) -> str:
        return self.target or self.info.target

    @property
    def begin(self) -> float:
        return self.info.start if self.start is None else self.start

    def apply(self, effects: Effects, age: float) -> None:
        """Add what it does at `age` seconds after the plant's start, if it holds then."""
        info = self.info
        if self.begin <= age < self.end:
            size = info.size if self.size is None else self.size
            time = info.time if self.time is None else self.time
            info.apply(Now(effects, Spot.of(self.where, effects.racks), self.where, size, time, age - self.begin))


def _grown(now: Now) -> float:
    """Return the share of its size that a fault has reached when it grows evenly over `time`."""
    return min(1.0, now.since / now.time) if now.time > 0 else 1.0


def _tim(now: Now) -> None:
    now.effects.resistance[now.spot.at("rack", "tray", "gpu")] *= now.size


def _quick_disconnect(now: Now) -> None:
    now.effects.branch[now.spot.at("rack", "tray")] *= now.size


def _hbm(now: Now) -> None:
    now.effects.corrected[now.spot.at("rack", "tray", "gpu")] *= now.size
    now.effects.uncorrected[now.spot.at("rack", "tray", "gpu")] += now.since // now.time


def _nvlink(now: Now) -> None:
    now.effects.decades[now.spot.at("rack", "tray", "gpu")] += log10(now.size) * _grown(now)


def _dirty_optic(now: Now) -> None:
    where = now.spot.at("rack", "tray", "nic")
    now.effects.dimmed[(*where, 0)] += now.size
    now.effects.flaps[where] += now.since // now.time


def _filter(now: Now) -> None:
    now.effects.filter *= exp(min(now.size, now.since / now.time))


def _leak(now: Now) -> None:
    now.effects.leak[now.spot.at("rack")] += now.size
    now.effects.rope[now.spot.at("rack")] |= now.since >= now.time


def _valve_stuck(now: Now) -> None:
    now.effects.valve = now.size


def _hunting(now: Now) -> None:
    now.effects.gain *= now.size


def _humidity(now: Now) -> None:
    now.effects.humidity += now.size * _grown(now)


def _joint(now: Now) -> None:
    added = now.size * _grown(now)
    if "/shelf" in now.target:
        now.effects.shelf_joint[now.spot.at("rack", "shelf")] += added
    else:
        now.effects.tray_joint[now.spot.at("rack", "tray")] += added


def _no_share(now: Now) -> None:
    now.effects.idle[now.spot.at("rack", "shelf", "psu")] = True


def _psu_loss(now: Now) -> None:
    now.effects.dead[now.spot.at("rack", "shelf", "psu")] = True


def _miswire(now: Now) -> None:
    phase = now.effects.phase[now.spot.at("rack", "shelf")]
    phase[phase == len(PHASES) - 1] = 0


def _ab_swap(now: Now) -> None:
    now.effects.feed[now.spot.at("rack")] = 0


def _bias(now: Now) -> None:
    now.effects.biased.append((now.target, now.size * _grown(now)))


def _stuck(now: Now) -> None:
    now.effects.stuck.append(now.target)


def _swapped(now: Now) -> None:
    one, comma, other = now.target.partition(",")
    now.effects.swapped.append((one, other) if comma else (f"{one}:liquid_supply_temperature", f"{one}:liquid_return_temperature"))


FAULTS: dict[str, FaultInfo] = {
    "tim": FaultInfo("I01", "bad interface material: the GPU's R_th times `size`", "R01/tray3/gpu2", _tim, 1.4, seen=600.0),
    "quick_disconnect": FaultInfo(
        "I02",
        "half-mated coupling: the tray's hydraulic resistance times `size`; 4 halves its flow",
        "R01/tray5",
        _quick_disconnect,
        4.0,
        seen=600.0,
    ),
    "hbm": FaultInfo(
        "I04",
        "marginal HBM: corrected errors times `size`; each `time` a row is remapped, with Xid 63 and 94",
        "R01/tray3/gpu2",
        _hbm,
        20.0,
        2 * HOUR,
        seen=4.5 * HOUR,
        dt=60.0,
    ),
    "nvlink_ber": FaultInfo(
        "I09",
        "worn cartridge contact: NVLink's bit error rate grows `size` times within `time`; retraining, Xid 145, at last a link less",
        "R01/tray7/gpu3",
        _nvlink,
        1e7,
        HOUR,
        seen=HOUR,
    ),
    "dirty_optic": FaultInfo(
        "I11",
        "dirty end-face: lane 1 receives `size` dB less; the link flaps each `time`",
        "R01/tray4/nic2",
        _dirty_optic,
        4.0,
        1800.0,
        seen=HOUR,
    ),
    "filter_clog": FaultInfo(
        "C01",
        "debris: the filter's resistance grows e-fold each `time`, exp(`size`)-fold at most",
        "CDU1",
        _filter,
        3.0,
        18 * HOUR,
        seen=4 * HOUR,
        dt=30.0,
    ),
    "slow_leak": FaultInfo(
        "C14", "dripping coupling: `size` L/min; the rope is wet after `time`", "R02", _leak, 0.02, 6 * HOUR, seen=2 * HOUR, dt=30.0
    ),
    "valve_stuck": FaultInfo("C06", "the primary valve stays at `size` of its stroke", "CDU1", _valve_stuck, 0.4, seen=1800.0),
    "hunting": FaultInfo("C07", "the supply control's gain times `size`", "CDU1", _hunting, 4.0, seen=1800.0, dt=5.0),
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
    ),
    "loose_joint": FaultInfo(
        "P06",
        "loose bus clip of a shelf or a tray: its joint grows by `size` ohm within `time` (3 days in the field)",
        "R01/shelf3",
        _joint,
        110e-6,
        6 * HOUR,
        seen=12 * HOUR,
        dt=60.0,
    ),
    "psu_loss": FaultInfo(
        "P01", "a supply fails: its siblings take over, its shelf is without redundancy", "R01/shelf2/psu3", _psu_loss, seen=120.0
    ),
    "psu_no_share": FaultInfo("P02", "a supply gives no current and says OK", "R01/shelf4/psu5", _no_share, seen=600.0),
    "phase_miswire": FaultInfo(
        "P08",
        "the supplies of phase C hang on phase A; target a shelf, or a tap for all of its shelves",
        "R02/shelf1",
        _miswire,
        start=0.0,
        seen=300.0,
    ),
    "ab_swap": FaultInfo("P09", "both cords of a rack on feed A", "R02", _ab_swap, start=0.0, seen=900.0),
    "sensor_swap": FaultInfo(
        "C12", "supply and return of a rack exchanged, or two points: PATH,PATH", "R03", _swapped, start=0.0, seen=600.0
    ),
    "sensor_bias": FaultInfo(
        "C11",
        "a point reads `size` (in its unit) too much, reached within `time`",
        "R03:liquid_return_temperature",
        _bias,
        0.8,
        start=0.0,
        seen=HOUR,
    ),
    "sensor_stuck": FaultInfo("C13", "a point repeats its last value", "R03:liquid_return_temperature", _stuck, seen=1800.0),
}


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
    now.effects.primary += now.size * _grown(now)


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
