"""Every number of the plant's physics, each with its source or marked as an estimate.

"NVL72" stands for published descriptions of GB200/GB300 NVL72 racks and community models of them, "derived" for what
follows from such numbers. Powers in kW, flows in L/min, pressures in kPa, temperatures in degC, times in s.
"""

from dataclasses import dataclass, replace

TRAYS, GPUS, CPUS, NICS, LANES = 18, 4, 2, 4, 4  # compute trays a rack; on each tray; lanes of an optic (NVL72)
SHELVES, PSUS = 8, 6  # power shelves a rack, supplies a shelf (NVIDIA Mission Control, power shelves)
FEEDS, PHASES = ("A", "B"), ("a", "b", "c")


@dataclass(frozen=True, slots=True)
class Load:
    """One training job over all racks; 0 is idle, 1 the power of computing."""

    running: bool = True  # at the start; ramp_from_idle starts it where it is not
    period: float = 4.3  # of one training step (estimate: 1 to 10 s)
    duty: float = 0.75  # share of it that computes (estimate)
    least: float = 0.61  # level while communicating; with idle and compute power a depth of 39 % of the swing (estimate: 30 to 70 %)
    checkpoint_every: float = 1800.0  # (estimate: 15 to 60 min)
    checkpoint_length: float = 30.0  # (estimate: 10 to 60 s)
    checkpoint_first: float = 1000.0  # after the start
    checkpoint_level: float = 0.15  # (estimate)
    ramp: float = 15.0  # of a job's start and stop (estimate: 1 to 30 s)


@dataclass(frozen=True, slots=True)
class Gpu:
    idle: float = 0.15  # (estimate: 120 to 200 W)
    compute: float = 1.08  # in the busy part of a step; the mean of a step is then about 1 kW (derived)
    most: float = 1.2  # GB200: 1,200 W
    spread: float = 0.02  # of power between parts, one sigma (estimate)
    leakage: float = 0.003  # of the power a K (estimate)
    leakage_at: float = 60.0  # where `idle` and `compute` hold (estimate)
    # K/W over the tray's mean coolant at rated flow; with half of the tray's rise 0.031 K/W over its inlet (published
    # 0.027 to 0.035 K/W over the inlet for GB300-class cold plates)
    resistance: float = 0.026
    resistance_spread: float = 0.04  # between parts, one sigma (estimate)
    convective: float = 0.4  # share of it that goes with flow^-0.7 (estimate)
    fast: float = 0.4  # share of it in die and lid (estimate)
    fast_time: float = 3.0  # die and lid (estimate)
    slow_time: float = 18.0  # cold plate (estimate: 15 to 20 s)
    memory_rise: float = 10.0  # K, HBM over core at memory-bound load (estimate: 8 to 15 K)
    memory_spread: float = 1.0  # K, one sigma (estimate)
    slowdown: float = 87.0  # (published for H100: throttle near 88, shutdown near 90)
    slowdown_gain: float = 0.05  # of the clock a K beyond it (estimate)
    clock: float = 2.062e9  # Hz, boost (estimate)
    idle_clock: float = 0.345e9  # Hz (estimate)
    memory_clock: float = 3.996e9  # Hz (estimate)
    corrected: float = 2.0  # single-bit errors a day and GPU (a few a day)
    corrected_per_kelvin: float = 0.05  # growth of that with the HBM's temperature (estimate)


@dataclass(frozen=True, slots=True)
class Tray:
    cpu: float = 0.2  # each, at load; 36 of them a rack (derived)
    cpu_idle: float = 0.06  # (estimate)
    cpu_resistance: float = 0.12  # K/W, to the coolant (estimate)
    network: float = 0.1  # four NICs; 1.8 kW a rack (estimate)
    storage: float = 0.061  # 1.1 kW a rack (estimate)
    fans: float = 0.061  # 1.1 kW a rack at 50 % (estimate)
    fan_most: float = 35500.0  # 1/min (published BMC limit of GB200 trays)
    fan_spread: float = 0.01  # between fans at one demand, one sigma (estimate)
    standby: float = 0.03  # a tray whose host is shut down (estimate)
    switch_resistance: float = 0.08  # K/W of a switch chip to the coolant (estimate)
    conversion: float = 0.04  # lost between 48 V and the components (estimate)
    switch: float = 0.6  # each of nine NVLink switch trays at load (estimate)
    switch_idle: float = 0.35  # (estimate)
    switches: int = 9
    coolant: float = 6.0  # kJ/K of one tray's coolant and metal (estimate)
    joint: float = 10e-6  # ohm from bus bar to tray (5 to 15 uOhm, bolted copper)
    joint_spread: float = 0.2  # one sigma (estimate)
    joint_rise: float = 2.0  # K/W of a tray's or shelf's clip (estimate)
    joint_time: float = 600.0  # (estimate: 10 min)


@dataclass(frozen=True, slots=True)
class Link:
    links: int = 18  # NVLink 5 a GPU
    rate: float = 18 * 53.125e9 * 8  # bit/s a GPU (53,125 MB/s a link)
    error_rate: float = 1e-18  # of NVLink, effective, when healthy (below 1e-15)
    recovery_at: float = 1e-13  # error rate from which links retrain (estimate)
    recoveries: float = 1 / 60  # 1/s at ten times that (estimate)
    down_at: float = 5e-12  # error rate at which one link is given up (estimate)
    receive: float = 0.0  # dBm a lane (-3 to +3)
    receive_spread: float = 0.4  # dB between lanes, one sigma (estimate)
    pre_fec: float = 1e-8  # bit error rate before correction (up to 1e-6 is normal)
    pre_fec_spread: float = 1.0  # of its natural logarithm (estimate)
    pre_fec_per_db: float = 2.9  # growth of its natural logarithm with each dB that is lost (estimate; 4 dB make 1e-8 to 1e-3)
    replays: float = 0.2 / 3600  # PCIe replays a second and GPU (next to none)
    optic: float = 20.0  # K, module over the tray's air (estimate)


@dataclass(frozen=True, slots=True)
class Coolant:
    heat: float = 0.0668  # kW per L/min and K: density * heat capacity of PG25, +-0.2 % from 20 to 60 degC (CoolProp, MPG 25 %)
    water: float = 0.0692  # the same of water at 40 degC (CoolProp)
    liquid_share: float = 0.87  # of a rack's heat (NVL72)
    rated_heat: float = 82.0  # kW into the liquid of one rack (derived)
    flow: float = 130.0  # rated, a rack (estimate: with 100 kPa)
    rack_drop: float = 100.0  # across a rack at rated flow, and its valve's set-point (80 to 100 kPa)
    tray_share: float = 0.85  # of the flow goes through the compute trays (estimate)
    tray_spread: float = 0.03  # between the trays' resistances, one sigma (estimate)
    valve_drop: float = 12.0  # across the rack's open control valve at rated flow (estimate)
    valve_stroke: float = 75.0  # of every valve (60 to 90 s)
    valve_gain: float = 0.02  # of its stroke a second for a relative pressure error of 1 (estimate)
    header: float = 130.0  # pressure that the pumps hold across the racks (estimate: 50 to 300)
    unit_drop: float = 45.0  # exchanger and pipes of the CDU at rated flow (estimate)
    filter_drop: float = 15.0  # clean filter at rated flow (estimate: 5 to 25)
    pump_head: float = 500.0  # at full speed without flow; gives 68 % at rated flow (estimate: 40 to 80 %)
    pump_droop: float = 40.0  # of it lost inside the pump at rated flow (estimate)
    pump_power: float = 0.9  # kW a rack at full speed and rated flow (estimate)
    pump_lag: float = 2.0  # (estimate)
    vibration: float = 1.1  # mm/s at 68 % (below 1.8: ISO 10816-1 class I)
    supply: float = 30.0  # set-point of the secondary supply (30 to 35)
    exchanger: float = 0.3  # kW/K for each kW of rated heat (250 to 400 kW/K a MW)
    primary_supply: float = 25.0  # an approach of 5 K (3 to 5 K)
    primary_most: float = 175.0  # flow at the open primary valve, a rack (estimate)
    proportional: float = 0.085  # of the stroke a K (tuned here to a third of what makes the loop swing)
    integral: float = 0.0014  # of the stroke a K and second (tuned here: in a minute as much as the proportional part)
    exchanger_lag: float = 12.0  # of the exchanger and its metal (estimate)
    exchanger_transit: float = 8.0  # from it to the supply sensor (estimate)
    sensor_lag: float = 5.0  # of the thermowell that the controller reads (estimate)
    supply_transit: float = 10.0  # CDU to racks (estimate: 20 to 40 s in all)
    return_transit: float = 20.0  # racks to CDU
    rack_volume: float = 50.0  # L (estimate)
    loop_volume: float = 100.0  # L of pipes and CDU (estimate: 400 to 800 L for a row)
    expansion: float = 4.5e-4  # 1/K (derived from PG25's density)
    reservoir: float = 200.0  # L (estimate)
    level: float = 75.0  # % at the start (estimate: 60 to 90)
    makeup_at: float = 1.0  # % below the start at which the fill pump runs (estimate)
    makeup: float = 2.0  # L a pulse (estimate)
    makeup_rest: float = 60.0  # from one pulse to the next (estimate)
    static: float = 150.0  # at the pumps' suction (100 to 250)
    suction: float = 60.0  # at it, below which the pumps begin to draw vapour (estimate)
    cavitation: float = 0.6  # of their head and power lost where it has come down to the air's (estimate)
    stiffness: float = 2.0  # kPa a litre, of the expansion vessel (estimate)
    primary_pressure: float = 285.0  # (a recorded pod)


@dataclass(frozen=True, slots=True)
class Supplies:
    rating: float = 5.5  # kW a PSU
    open_voltage: float = 50.5  # V without load (48 to 51)
    droop: float = 4.5e-3  # ohm of a PSU: 0.5 V from no to full load
    trim: float = 1.5e-3  # V between shelves, one sigma (estimate; 0.75 mOhm make it 2 A)
    share: float = 0.01  # error of the current share within a shelf, one sigma (estimate)
    efficiency: tuple[tuple[float, float], ...] = ((0.1, 0.94), (0.5, 0.975), (1.0, 0.965))  # at shares of the rating (ORv3)
    joint: float = 10e-6  # ohm from shelf to bus bar (5 to 15 uOhm)
    joint_spread: float = 0.2  # one sigma (estimate)
    voltage: float = 415.0  # V line to line
    wander: float = 1.0  # V, one sigma (estimate)
    frequency: float = 60.0  # Hz
    power_factor: float = 0.985  # (a recorded pod)
    cable: float = 0.003  # of the power, from tap to shelves and from PDU to taps (estimate)
    tap_limit: float = 200.0  # A
    rise: float = 0.10  # K/W of a PSU's loss, outlet over inlet (estimate)


@dataclass(frozen=True, slots=True)
class Room:
    temperature: float = 24.0  # (estimate)
    swing: float = 1.0  # K over the day (estimate)
    rise: float = 8.0  # K from cold to hot aisle at rated load (estimate)
    humidity: float = 45.0  # % (estimate)
    wander: float = 2.0  # %, one sigma (estimate: within 8 %)
    spread: float = 1.5  # K, a rack's inlet at the top over the bottom (estimate)


@dataclass(frozen=True, slots=True)
class Meter:
    window: float = 1.0  # over which a power reading is averaged (DCGM: 1 s average)
    missing: float = 0.0  # share of samples that never come (0.2 % in the field, an estimate)
    noise: bool = True  # False: readings are exact but for their resolution


@dataclass(frozen=True, slots=True)
class Parameters:
    load: Load = Load()
    gpu: Gpu = Gpu()
    tray: Tray = Tray()
    link: Link = Link()
    coolant: Coolant = Coolant()
    supplies: Supplies = Supplies()
    room: Room = Room()
    meter: Meter = Meter()
    settle: float = 900.0  # run before the first reading, so that a plant begins in steady operation


SKUS = {
    "gb200_nvl72": Parameters(),
    "gb300_nvl72": Parameters(
        gpu=Gpu(compute=1.25, most=1.4),  # GB300: 1,400 W; its computing power is an estimate
        coolant=replace(Coolant(), liquid_share=0.9, rated_heat=97.0),  # 0.90 of the heat (NVL72)
    ),
}
COLD_SUPPLY = replace(Parameters(), coolant=replace(Coolant(), supply=18.0, primary_supply=13.0))
IDLE = replace(Parameters(), load=Load(running=False))
