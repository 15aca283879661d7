"""What the faults that hold now do to the plant, as arrays that its parts read at each step."""

from dataclasses import dataclass, field

import numpy as np

from monitor.model import F64, I64, Bool
from monitor.simulate.physics.parameters import CPUS, GPUS, LANES, NICS, PSUS, SHELVES, TRAYS


def _phases(racks: int) -> I64:
    """Return the phase of each supply as planned: two of a shelf's six on each; shape (R, 8, 6)."""
    return np.broadcast_to(np.arange(PSUS) % 3, (racks, SHELVES, PSUS)).copy()


def _feeds(racks: int) -> I64:
    """Return the feed of each shelf as planned: the first four on A; shape (R, 8)."""
    return np.broadcast_to(np.arange(SHELVES) // (SHELVES // 2), (racks, SHELVES)).copy()


@dataclass(slots=True)
class Effects:
    """Without a fault everything is as made here. R racks, T trays, G GPUs, C CPUs, N NICs, H shelves, P supplies."""

    racks: int
    # IT
    resistance: F64 = field(init=False)  # times R_th, (R, T, G)
    corrected: F64 = field(init=False)  # times the rate of corrected memory errors, (R, T, G)
    uncorrected: F64 = field(init=False)  # rows that were lost so far, (R, T, G)
    decades: F64 = field(init=False)  # that NVLink's bit error rate has grown by, (R, T, G)
    dimmed: F64 = field(init=False)  # dB that a lane has lost, (R, T, N, 4)
    flaps: F64 = field(init=False)  # times a link went down so far, (R, T, N)
    cap: F64 = field(init=False)  # kW that a GPU may take, (R, T, G)
    clock: F64 = field(init=False)  # times its clock, without any flag, (R, T, G)
    brake: F64 = field(init=False)  # times its clock under a power brake, (R, T, G)
    lost: Bool = field(init=False)  # GPUs that fell off the bus, (R, T, G)
    bubbles: F64 = field(init=False)  # of R_th, that air in the plate makes it wander by, (R, T, G)
    width: F64 = field(init=False)  # times the lanes of a GPU's PCIe link, (R, T, G)
    replays: F64 = field(init=False)  # more of them a second, (R, T, G)
    optic: F64 = field(init=False)  # K that a module is hotter, (R, T, N)
    cpu: F64 = field(init=False)  # times a CPU's resistance to the coolant, (R, T, C)
    fan: F64 = field(init=False)  # times the speed that a tray's fan is asked for, (R, T)
    brick: F64 = field(init=False)  # of a tray's power that its conversion loses more, (R, T)
    inlet: F64 = field(init=False)  # K that a tray's air is warmer, (R, T)
    level: F64 = field(init=False)  # of the job, times; (R,)
    running: F64 = field(init=False)  # 1 the job runs, 0 it does not, NaN as it began; (R,)
    ramp: F64 = field(init=False)  # s, time constant of the job's start, NaN the job's own; (R,)
    off: Bool = field(init=False)  # racks whose hosts are shut down; their controllers live on standby power; (R,)
    # cooling
    branch: F64 = field(init=False)  # times a tray's hydraulic resistance, (R, T)
    shut: Bool = field(init=False)  # racks whose coolant is isolated, (R,)
    leak: F64 = field(init=False)  # L/min, (R,)
    rope: Bool = field(init=False)  # wet, (R,)
    restriction: F64 = field(init=False)  # times the hydraulic resistance of a rack, in series with its trays, (R,)
    balance: F64 = field(init=False)  # times the pressure drop that a rack's valve holds, (R,)
    vibration: F64 = field(init=False)  # times that of each pump, (2,)
    drag: F64 = field(init=False)  # times the power of each pump, (2,)
    filter: float = 1.0  # times its resistance
    bypass: float = 0.0  # of the rated flow, at the header's set-point
    suction: float = 0.0  # kPa that the pumps' suction lacks
    trip: float | None = None  # s since the duty pump tripped
    trip_time: float = 20.0  # s from there to the start of the standby
    primary_flow: float = 1.0  # times what the primary valve lets through
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
    unfed: Bool = field(init=False)  # supplies without input, (R, H, P)
    share: F64 = field(init=False)  # times a supply's share of its shelf's current, (R, H, P)
    loss: F64 = field(init=False)  # times a supply's loss, (R, H, P)
    blower: F64 = field(init=False)  # times the speed of a supply's fan, (R, H, P)
    bus: F64 = field(init=False)  # V on all shelves of a rack, (R,)
    phase: I64 = field(init=False)  # that a supply is wired to, (R, H, P)
    feed: I64 = field(init=False)  # that a shelf is wired to, (R, H)
    # sensors; points by path
    biased: list[tuple[str, float]] = field(default_factory=list)
    swapped: list[tuple[str, str]] = field(default_factory=list)
    stuck: list[str] = field(default_factory=list)
    scaled: list[tuple[str, float]] = field(default_factory=list)
    fixed: list[tuple[str, float]] = field(default_factory=list)
    ratios: list[tuple[str, float]] = field(default_factory=list)  # times all currents and powers of a meter, by asset
    frozen: list[str] = field(default_factory=list)  # assets whose points and those below them repeat

    def __post_init__(self) -> None:
        racks = self.racks
        each_gpu, each_tray, each_psu = (racks, TRAYS, GPUS), (racks, TRAYS), (racks, SHELVES, PSUS)
        self.resistance, self.corrected, self.clock, self.brake, self.width = (np.ones(each_gpu) for _ in range(5))
        self.uncorrected, self.decades, self.bubbles, self.replays = (np.zeros(each_gpu) for _ in range(4))
        self.dimmed, self.flaps, self.optic = (
            np.zeros((*each_tray, NICS, LANES)),
            np.zeros((*each_tray, NICS)),
            np.zeros((*each_tray, NICS)),
        )
        self.cap, self.lost, self.cpu = np.full(each_gpu, np.inf), np.zeros(each_gpu, np.bool_), np.ones((*each_tray, CPUS))
        self.branch, self.fan, self.brick, self.inlet = np.ones(each_tray), np.ones(each_tray), np.zeros(each_tray), np.zeros(each_tray)
        self.level, self.running, self.ramp = np.ones(racks), np.full(racks, np.nan), np.full(racks, np.nan)
        self.off, self.shut, self.rope = (np.zeros(racks, np.bool_) for _ in range(3))
        self.leak, self.restriction, self.balance = np.zeros(racks), np.ones(racks), np.ones(racks)
        self.vibration, self.drag = np.ones(2), np.ones(2)
        self.shelf_joint, self.tray_joint = np.zeros((racks, SHELVES)), np.zeros(each_tray)
        self.idle, self.dead, self.unfed = (np.zeros(each_psu, np.bool_) for _ in range(3))
        self.share, self.loss, self.blower, self.bus = np.ones(each_psu), np.ones(each_psu), np.ones(each_psu), np.zeros(racks)
        self.phase, self.feed = _phases(racks), _feeds(racks)

    @property
    def paths(self) -> list[str]:
        """What points the faults of sensors name."""
        pairs = [*self.biased, *self.scaled, *self.fixed]
        return [*self.stuck, *(path for path, _ in pairs), *(path for pair in self.swapped for path in pair)]

    @property
    def assets(self) -> list[str]:
        """What assets they name."""
        return [*self.frozen, *(asset for asset, _ in self.ratios)]
