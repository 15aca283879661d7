"""Faults of trays, GPUs, CPUs, fans and links."""

from math import log10

from monitor.simulate.physics.kinds import FaultInfo, Now
from monitor.simulate.physics.seen import gpus

HOUR = 3600.0
_GPU, _NIC, _CPU = ("rack", "tray", "gpu"), ("rack", "tray", "nic"), ("rack", "tray", "cpu")
_TOP = 4  # trays at the top of a rack that hot air comes back to (an estimate)


def _tim(now: Now) -> None:
    now.effects.resistance[now.spot.at(*_GPU)] *= now.size


def _quick_disconnect(now: Now) -> None:
    now.effects.branch[now.spot.at("rack", "tray")] *= now.size


def _air(now: Now) -> None:
    now.effects.bubbles[now.spot.at(*_GPU)] += now.size


def _hbm(now: Now) -> None:
    now.effects.corrected[now.spot.at(*_GPU)] *= now.size
    now.effects.uncorrected[now.spot.at(*_GPU)] += now.since // now.time


def _lost(now: Now) -> None:
    now.effects.lost[now.spot.at(*_GPU)] = True


def _slow(now: Now) -> None:
    now.effects.clock[now.spot.at(*_GPU)] *= now.size


def _brake(now: Now) -> None:
    now.effects.brake[now.spot.at(*_GPU)] *= now.size


def _nvlink(now: Now) -> None:
    now.effects.decades[now.spot.at(*_GPU)] += log10(now.size) * now.grown


def _dirty_optic(now: Now) -> None:
    where = now.spot.at(*_NIC)
    now.effects.dimmed[(*where, 0)] += now.size
    now.effects.flaps[where] += now.since // now.time


def _hot_optic(now: Now) -> None:
    now.effects.optic[now.spot.at(*_NIC)] += now.size * now.grown


def _flapping(now: Now) -> None:
    now.effects.flaps[now.spot.at(*_NIC)] += now.since // now.time


def _pcie(now: Now) -> None:
    now.effects.width[now.spot.at(*_GPU)] *= now.size
    now.effects.replays[now.spot.at(*_GPU)] += now.time


def _fan(now: Now) -> None:
    now.effects.fan[now.spot.at("rack", "tray")] *= 1 - (1 - now.size) * now.grown


def _frozen(now: Now) -> None:
    now.effects.frozen.append(now.target)


def _brick(now: Now) -> None:
    now.effects.brick[now.spot.at("rack", "tray")] += now.size


def _cpu(now: Now) -> None:
    now.effects.cpu[now.spot.at(*_CPU)] *= now.size


def _recirculation(now: Now) -> None:
    rack = now.spot.at("rack")
    now.effects.inlet[(*rack, slice(-_TOP, None))] += now.size * now.grown


FAULTS = {
    "cold_plate": FaultInfo(
        "I01",
        "bad interface material: the GPU's R_th times `size`",
        "R01/tray3/gpu2",
        _tim,
        1.4,
        seen=600.0,
        rules=("it.gpu_mount_poor",),
    ),
    "quick_disconnect": FaultInfo(
        "I02",
        "half-mated coupling: the tray's hydraulic resistance times `size`; 4 halves its flow",
        "R01/tray5",
        _quick_disconnect,
        4.0,
        seen=600.0,
        rules=("it.tray_flow_blocked", "it.tray_coolant_rise_high"),
    ),
    "trapped_air": FaultInfo(
        "I03",
        "air in the cold plate: the GPU's R_th wanders up by `size` of itself, one sigma, as bubbles come and go (estimate)",
        "R01/tray6/gpu1",
        _air,
        0.35,
        seen=HOUR,
        dt=2.0,
        rules=("it.gpu_cooling_unsteady",),
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
        rules=("it.gpu_contained_error",),
    ),
    "gpu_lost": FaultInfo(
        "I05",
        "the GPU falls off the bus: Xid 79, no power, and its readings cease",
        "R01/tray9/gpu4",
        _lost,
        seen=60.0,
        rules=("it.gpu_lost",),
    ),
    "slow_gpu": FaultInfo(
        "I06",
        "wrong power profile: the GPU's clock is `size` of its peers', and no flag says so",
        "R01/tray2/gpu3",
        _slow,
        0.85,
        start=0.0,
        seen=900.0,
        rules=("it.gpu_clock_low",),
    ),
    "power_brake": FaultInfo(
        "I08",
        "the shelves' over-current signal is stuck: all GPUs of a rack run at `size` of their clock under a power brake (estimate)",
        "R01",
        _brake,
        0.5,
        seen=300.0,
        rules=("it.rack_power_brake",),
    ),
    "nvlink_ber": FaultInfo(
        "I09",
        "worn cartridge contact: NVLink's bit error rate grows `size` times within `time`; retraining, Xid 145, at last a link less",
        "R01/tray7/gpu3",
        _nvlink,
        1e7,
        HOUR,
        seen=HOUR,
        rules=("it.nvlink_error_rate_high",),
    ),
    "dirty_optic": FaultInfo(
        "I11",
        "dirty end-face: lane 1 receives `size` dB less; the link flaps each `time`",
        "R01/tray4/nic2",
        _dirty_optic,
        4.0,
        1800.0,
        seen=HOUR,
        rules=("it.optic_lane_dark",),
    ),
    "hot_optic": FaultInfo(
        "I12",
        "poor heat path of an optic's cage: the module grows hotter by `size` K within `time`, its laser's bias with it (estimate)",
        "R01/tray12/nic1",
        _hot_optic,
        14.0,
        1800.0,
        seen=1.5 * HOUR,
        rules=("it.optic_hotter_than_peers",),
    ),
    "link_flapping": FaultInfo(
        "I13",
        "bad cable: the link goes down for a moment each `time` (estimate)",
        "R01/tray15/nic4",
        _flapping,
        time=900.0,
        seen=1200.0,
        rules=("it.link_flapping",),
    ),
    "pcie_seating": FaultInfo(
        "I14",
        "badly seated riser: `size` of the lanes train, and `time` replays a second (estimate)",
        "R01/tray14/gpu1",
        _pcie,
        0.5,
        3.0,
        seen=600.0,
        rules=("it.pcie_width_low", "it.pcie_replays_high"),
    ),
    "fan_bearing": FaultInfo(
        "I17",
        "worn bearing: the tray's fan falls to `size` of the speed that it is asked for within `time` (estimate)",
        "R01/tray16",
        _fan,
        0.8,
        2 * HOUR,
        seen=1.5 * HOUR,
        dt=60.0,
        rules=("it.tray_fan_slow",),
    ),
    "bmc_hang": FaultInfo(
        "I20",
        "the tray's controller hangs: all its points repeat their last values",
        "R01/tray17",
        _frozen,
        seen=HOUR,
        rules=("it.gpu_readings_frozen",),
        seen_on=gpus,
    ),
    "brick_loss": FaultInfo(
        "I22",
        "a regulator's phase is lost: the tray's conversion loses `size` of its power more (estimate)",
        "R01/tray10",
        _brick,
        0.03,
        start=3 * HOUR,
        seen=1.5 * HOUR,
        dt=60.0,
        rules=("it.tray_conversion_loss",),
    ),
    "cpu_mount": FaultInfo(
        "I23",
        "bad mount of a CPU: its resistance to the coolant times `size` (estimate)",
        "R01/tray11/cpu1",
        _cpu,
        1.8,
        seen=1200.0,
        rules=("it.cpu_hotter_than_peers",),
    ),
    "recirculation": FaultInfo(
        "C26",
        "missing blanking: hot air comes back to the top four trays, `size` K warmer within `time` (estimate)",
        "R01",
        _recirculation,
        6.5,
        600.0,
        seen=HOUR,
        rules=("cooling.rack_inlet_uneven",),
    ),
}
