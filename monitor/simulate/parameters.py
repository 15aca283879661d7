"""Every number of the simulated pod. Numbers without a published source are marked as estimates."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Load:
    """Electrical load of a GB200-class rack that trains; all racks run one job."""

    mean: float = 92.0  # kW; 72 GPUs at 1 kW, 36 CPUs, 9 switch trays, network, storage, fans, 4 % conversion (estimate)
    least: float = 60.0  # kW, while a checkpoint is written (estimate)
    most: float = 110.0  # kW, a run at full power (estimate)
    spread: float = 2.0  # kW, between racks (estimate)
    wave: float = 8.0  # kW, half the swing between compute and communication as a rack's meter sees it (estimate)
    wave_period: float = 6.0  # s (estimate: 1 to 10 s)
    drift: float = 3.0  # kW, slow variation, one sigma (estimate)
    drift_time: float = 120.0  # s (estimate)
    checkpoint_every: float = 1800.0  # s (estimate: 15 to 60 min)
    checkpoint_length: float = 30.0  # s (estimate: 10 to 60 s)
    ramp: float = 2.0  # s, lag of the supplies (estimate)


@dataclass(frozen=True, slots=True)
class Cooling:
    """One coolant loop. Heat in kW, flow in L/min, pressure in kPa, so a hydraulic resistance k is in kPa/(L/min)^2."""

    heat: float = 0.0668  # kW per L/min and K: density * heat capacity of PG25, +-0.2 % from 20 to 60 degC (CoolProp, MPG 25 %)
    water: float = 0.0692  # the same of water at 40 degC (CoolProp)
    liquid_share: float = 0.87  # of a rack's heat, GB200 NVL72 (community model)
    rack_k: float = 100 / 130**2  # 100 kPa at 130 L/min (estimate)
    valve_k: float = 20 / 130**2  # of the open control valve (estimate)
    flow: float = 100.0  # L/min, set-point of each rack's valve (estimate; published sizings are 0.67 to 1.5 L/min per kW)
    valve_stroke: float = 60.0  # s from shut to open (estimate: 60 to 90 s)
    valve_gain: float = 0.1  # of the relative flow error, a second (estimate)
    rack_heat_capacity: float = 200.0  # kJ/K: 50 L of coolant at 4.0 kJ/(L K) (estimate)
    flow_lag: float = 2.0  # s, inertia of the coolant (estimate)
    pipe_lag: float = 15.0  # s, from the racks to the CDU's return sensor (estimate)
    header: float = 100.0  # kPa, set-point of the differential pressure across the racks (estimate)
    cdu_drop: float = 60.0  # kPa across exchanger, filter and pipes at the rated flow (estimate)
    filter_drop: float = 15.0  # kPa of it across the clean filter (estimate)
    pump_head: float = 416.0  # kPa at full speed; gives 62 % at the rated flow (estimate: 40 to 80 %)
    pump_lag: float = 2.0  # s, to follow its demand or to run down (estimate)
    failover: float = 8.0  # s from a pump's trip to the start of the standby (estimate: 5 to 10 s)
    static: float = 150.0  # kPa in the return (estimate: 100 to 250 kPa)
    supply: float = 30.0  # degC, set-point of the secondary supply (estimate: 30 to 35)
    supply_wander: float = 0.1  # K, one sigma (estimate)
    supply_lag: float = 20.0  # s (estimate)
    exchanger: float = 0.3  # kW/K of exchanger for each kW of rated heat (estimate: 250 to 400 kW/K per MW)
    primary_supply: float = 20.0  # degC (estimate)
    primary_rise: float = 8.0  # K, that the primary valve holds (estimate)
    primary_pressure: float = 285.0  # kPa at the inlet (a recorded pod)
    reservoir: float = 200.0  # L (estimate)
    level: float = 75.0  # % at the start (estimate: 60 to 90)


@dataclass(frozen=True, slots=True)
class Power:
    """Two feeds, each with its bus; a rack's shelves draw from both and from all three phases."""

    voltage: float = 415.0  # V line to line
    voltage_wander: float = 1.0  # V, one sigma (estimate)
    frequency: float = 60.0  # Hz
    power_factor: float = 0.985  # (a recorded pod)
    imbalance: float = 0.01  # share of a phase, one sigma (estimate)
    tap_drop: float = 0.5  # V from bus to tap (estimate)
    bus_loss: float = 0.003  # of the power, from bus to taps (estimate)
    tap_limit: float = 200.0  # A; one tap can carry the whole rack at 80 % of it


@dataclass(frozen=True, slots=True)
class Room:
    cold: float = 24.0  # degC in the cold aisle, +-1 K over the day (estimate)
    swing: float = 1.0
    rise: float = 6.0  # K from cold to hot aisle at the mean load (estimate)
    humidity: float = 45.0  # % (estimate)
    humidity_wander: float = 2.0  # %, one sigma (estimate)
    inlet_spread: float = 0.75  # K, half the difference between top and bottom (estimate)


@dataclass(frozen=True, slots=True)
class Severity:
    """How hard each fault strikes; all estimates."""

    restricted: float = 10.0  # times a rack's hydraulic resistance; leaves about 40 L/min with the control valve fully open
    leak: float = 1.0  # L/min
    rope_wets: float = 0.05  # L until the leak rope reports it


@dataclass(frozen=True, slots=True)
class Parameters:
    load: Load = Load()
    cooling: Cooling = Cooling()
    power: Power = Power()
    room: Room = Room()
    severity: Severity = Severity()
