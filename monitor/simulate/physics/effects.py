"""What the faults that hold now do to the plant, as arrays that its parts read at each step."""

from dataclasses import dataclass, field

import numpy as np

from monitor.model import F64, I64, Bool
from monitor.simulate.physics.parameters import GPUS, LANES, NICS, PSUS, SHELVES, TRAYS


def _phases(racks: int) -> I64:
    """Return the phase of each supply as planned: two of a shelf's six on each; shape (R, 8, 6)."""
    return np.broadcast_to(np.arange(PSUS) % 3, (racks, SHELVES, PSUS)).copy()


def _feeds(racks: int) -> I64:
    """Return the feed of each shelf as planned: the first four on A; shape (R, 8)."""
    return np.broadcast_to(np.arange(SHELVES) // (SHELVES // 2), (racks, SHELVES)).copy()


@dataclass(slots=True)
class Effects:
    """Without a fault everything is as made here. R racks, T trays, G GPUs, N NICs, H shelves, P supplies."""

    racks: int
    # IT
    resistance: F64 = field(init=False)  # times R_th, (R, T, G)
    corrected: F64 = field(init=False)  # times the rate of corrected memory errors, (R, T, G)
    uncorrected: F64 = field(init=False)  # rows that were lost so far, (R, T, G)
    decades: F64 = field(init=False)  # that NVLink's bit error rate has grown by, (R, T, G)
    dimmed: F64 = field(init=False)  # dB that a lane has lost, (R, T, N, 4)
    flaps: F64 = field(init=False)  # times a link went down so far, (R, T, N)
    cap: F64 = field(init=False)  # kW that a GPU may take, (R, T, G)
    level: F64 = field(init=False)  # of the job, times; (R,)
    running: F64 = field(init=False)  # 1 the job runs, 0 it does not, NaN as it began; (R,)
    ramp: F64 = field(init=False)  # s, time constant of the job's start, NaN the job's own; (R,)
    off: Bool = field(init=False)  # racks whose hosts are shut down; their controllers live on standby power; (R,)
    # cooling
    branch: F64 = field(init=False)  # times a tray's hydraulic resistance, (R, T)
    shut: Bool = field(init=False)  # racks whose coolant is isolated, (R,)
    leak: F64 = field(init=False)  # L/min, (R,)
    rope: Bool = field(init=False)  # wet, (R,)
    filter: float = 1.0  # times its resistance
    gain: float = 1.0  # times the supply control's
    valve: float | None = None  # where the primary valve is stuck, 0 to 1
    primary: float = 0.0  # K on the primary supply
    swap: float | None = None  # s since the change to the standby pump began
    swap_time: float = 8.0  # s that it takes
    humidity: float = 0.0  # % on the room's
    # power
    shelf_joint: F64 = field(init=False)  # ohm on top, (R, H)
    tray_joint: F64 = field(init=False)  # ohm on top, (R, T)
    idle: Bool = field(init=False)  # supplies that give nothing and say OK, (R, H, P)
    dead: Bool = field(init=False)  # supplies that failed, (R, H, P)
    phase: I64 = field(init=False)  # that a supply is wired to, (R, H, P)
    feed: I64 = field(init=False)  # that a shelf is wired to, (R, H)
    # sensors; points by path
    biased: list[tuple[str, float]] = field(default_factory=list)
    swapped: list[tuple[str, str]] = field(default_factory=list)
    stuck: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        racks = self.racks
        each_gpu = (racks, TRAYS, GPUS)
        self.resistance, self.corrected = np.ones(each_gpu), np.ones(each_gpu)
        self.uncorrected, self.decades = np.zeros(each_gpu), np.zeros(each_gpu)
        self.dimmed, self.flaps = np.zeros((racks, TRAYS, NICS, LANES)), np.zeros((racks, TRAYS, NICS))
        self.cap = np.full(each_gpu, np.inf)
        self.level, self.running, self.ramp = np.ones(racks), np.full(racks, np.nan), np.full(racks, np.nan)
        self.off, self.shut, self.rope = (np.zeros(racks, np.bool_) for _ in range(3))
        self.branch, self.leak = np.ones((racks, TRAYS)), np.zeros(racks)
        self.shelf_joint, self.tray_joint = np.zeros((racks, SHELVES)), np.zeros((racks, TRAYS))
        self.idle, self.dead = (np.zeros((racks, SHELVES, PSUS), np.bool_) for _ in range(2))
        self.phase, self.feed = _phases(racks), _feeds(racks)
