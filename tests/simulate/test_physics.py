"""The coupled plant obeys its physics, and its faults leave the traces that the fault catalogue names."""

import doctest
import importlib
import math
import pkgutil
from dataclasses import replace

import numpy as np
import pytest

from monitor.errors import InputError
from monitor.plant import Plant
from monitor.simulate import physics
from monitor.simulate.physics import CONTROLS, FAULTS, Fault, Parameters, Physics, dew_point, run
from monitor.simulate.physics.parameters import IDLE, SKUS, Load, Meter
from monitor.simulate.physics.supplies import losses

PG25 = 0.0668  # kW per L/min and K
SHARE = 0.87
EXACT = replace(Parameters(), meter=Meter(noise=False))
STEADY = replace(Parameters(), load=Load(duty=1.0, checkpoint_every=1e9, checkpoint_first=1e9))  # a job that only computes


def plant(*faults: Fault, racks: int = 2, seconds: float = 0.0, dt: float = 10.0, parameters: Parameters | None = None) -> Physics:
    made = Physics(racks, seed=1, parameters=parameters, detail=min(racks, 2)).inject(*faults)
    advance(made, seconds, dt)
    return made


def advance(of: Physics, seconds: float, dt: float = 10.0) -> None:
    for _ in range(round(seconds / dt)):
        of.step(dt)


def series(of: Physics, seconds: float, *paths: str, dt: float = 10.0) -> np.ndarray:
    """Return what points say step by step, shape (points, steps)."""
    rows = [of.row(path) for path in paths]
    return np.array([of.step(dt)[0][rows] for _ in range(round(seconds / dt))]).T


def number(of: Physics, signal: str) -> float:
    return float(of.exact[signal])


def column(of: Physics, signal: str) -> np.ndarray:
    return np.asarray(of.exact[signal])


# --- balances; the errors are those of the sensors, the greatest gain and offset of each, and 4 sigma of a mean's noise


def heat_error(rise: float, count: int = 1) -> float:
    """Return the greatest relative error of a measured heat flow: gain and noise of the flow, two offsets, a grid of 0.1 K."""
    return 0.02 + (2 * 0.2 + 0.1) / rise + 4 * math.hypot(0.005, math.sqrt(2) * 0.05 / rise) / math.sqrt(count)


def test_heat_goes_from_the_racks_through_the_cdu_to_the_primary_side() -> None:
    of = plant(racks=3, seconds=3600, parameters=STEADY)
    cool, given = of.coolant, SHARE * of.power
    carried = PG25 * cool.flow * (cool.rack_return - cool.rack_supply)
    secondary = PG25 * cool.total * (cool.mixed - cool.supply)
    primary = 0.0692 * cool.primary_flow * (cool.primary_return - cool.primary_supply)

    assert carried == pytest.approx(given, rel=1e-4)
    assert secondary == pytest.approx(given.sum(), rel=1e-4)
    assert primary == pytest.approx(given.sum(), rel=1e-4)


def test_measured_heat_closes_within_the_sensors_errors() -> None:
    of, count = plant(racks=3, seconds=1800, parameters=STEADY), 30
    paths = [
        f"R0{rack}:{quantity}"
        for quantity in ("power", "liquid_flow", "liquid_supply_temperature", "liquid_return_temperature")
        for rack in (1, 2, 3)
    ]
    loop = [f"CDU1:liquid_temperature[{side}]" for side in ("secondary, supply", "return, secondary")]
    outside = [f"CDU1:liquid_temperature[{side}]" for side in ("inlet, primary", "outlet, primary")]
    said = series(of, 10.0 * count, *paths, "CDU1:liquid_flow[secondary]", *loop, "CDU1:liquid_flow[primary]", *outside).mean(1)
    power, flow, cold, hot = said[:12].reshape(4, 3)
    electric = SHARE * power

    assert (abs(PG25 * flow * (hot - cold) / electric - 1) < 0.006 + heat_error(9.0, count)).all()
    assert abs(PG25 * said[12] * (said[14] - said[13]) / electric.sum() - 1) < 0.006 + heat_error(9.0, count)
    assert abs(0.0692 * said[15] * (said[17] - said[16]) / electric.sum() - 1) < 0.006 + heat_error(9.0, count)


def test_power_goes_from_the_feeds_through_shelves_and_joints_to_the_trays() -> None:
    of = plant(Fault("loose_joint", "R01/tray9", start=0.0, time=1.0), Fault("phase_loss", "R02-TAP-A", start=0.0), racks=3, seconds=300)
    tap, shelf, supplies = column(of, "tap.active_power"), column(of, "shelf.input_power"), of.supplies
    joints = (supplies.shelf_current**2 * supplies.shelf_joint).sum(1) + (supplies.tray_current**2 * supplies.tray_joint).sum(1)
    taken = supplies.tray_power.sum(1) + of.trays.switches() + joints / 1000

    assert column(of, "pdu.active_power") == pytest.approx(tap.sum(0) * 1.003)
    assert tap.sum(1) == pytest.approx(shelf.sum(1) * 1.003)
    assert column(of, "rack.power") == pytest.approx(shelf.sum(1))
    assert column(of, "psu.input_power").sum(2) == pytest.approx(shelf)
    assert column(of, "shelf.output_power").sum(1) == pytest.approx(taken, rel=1e-7)
    assert column(of, "tray.input_power").sum(1) == pytest.approx(supplies.tray_power.sum(1))


def test_measured_power_closes_within_the_meters_errors() -> None:
    of, count = plant(seconds=300, parameters=STEADY), 30
    racks, shelves, trays = (f"R0{rack}" for rack in (1, 2)), range(1, 9), range(1, 19)
    for rack in racks:
        groups = [
            [f"{rack}-TAP-{feed}:active_power" for feed in "AB"],
            [f"{rack}/shelf{shelf}:input_power" for shelf in shelves],
            [f"{rack}/shelf{shelf}:output_power" for shelf in shelves],
            [f"{rack}/tray{tray}:input_power" for tray in trays],
            [f"{rack}:power"],
        ]
        taps, taken, given, used, power = (series(of, 10.0 * count, *paths).mean(1).sum() for paths in groups)
        switches = of.trays.switches()[0 if rack == "R01" else 1]

        noise = 4 * 0.002 / math.sqrt(count)
        assert taps == pytest.approx(taken * 1.003, rel=2 * 0.005 + noise)
        assert power == pytest.approx(taken, rel=2 * 0.005 + noise)
        assert given == pytest.approx(used + switches, rel=0.005 + 0.01 + 0.001 + noise)  # a thousandth in the joints
    pdus, taps = (
        series(of, 10.0 * count, *paths).mean(1).sum()
        for paths in (
            ["PDU-A:active_power", "PDU-B:active_power"],
            [f"R0{rack}-TAP-{feed}:active_power" for rack in (1, 2) for feed in "AB"],
        )
    )
    assert pdus == pytest.approx(taps * 1.003, rel=2 * 0.005 + noise)


@pytest.mark.parametrize("fault", ["quick_disconnect", "flow_restricted", "misbalance", "pump_trip", "cavitation", "bypass_open"])
def test_flow_goes_from_the_cdu_through_the_racks_to_trays_and_switches(fault: str) -> None:
    of = plant(Fault(fault, start=10.0, time=15.0), racks=3, seconds=30)
    cool = of.coolant
    switches = np.sqrt(cool.rack_drop / cool._restriction / cool._switch_k)
    beside = 0.15 * 3 * 130 * math.sqrt(cool.header / 130) if fault == "bypass_open" else 0.0

    assert cool.total == pytest.approx(cool.flow.sum() + beside)
    assert cool.flow == pytest.approx(cool.tray_flow.sum(1) + switches)


def test_measured_flows_close_within_the_meters_errors() -> None:
    of = plant(racks=3, seconds=300)
    said = series(of, 300.0, "CDU1:liquid_flow[secondary]", *(f"R0{rack}:liquid_flow" for rack in (1, 2, 3))).mean(1)

    assert said[0] == pytest.approx(said[1:].sum(), rel=2 * 0.02 + 4 * 0.005 / math.sqrt(30))


# --- coolant


def test_each_racks_heat_balance_closes_exactly_and_within_its_sensors_errors() -> None:
    of = plant(racks=3)
    carried, taken, measured = [], [], []
    for _ in range(60):
        of.step(10.0)
        carried.append(PG25 * of.coolant.flow * (of.coolant.rack_return - of.coolant.rack_supply))
        taken.append(SHARE * of.power)
        flow, cold, hot, power = (
            np.array([of.value(f"R0{rack}:{quantity}") for rack in (1, 2, 3)])
            for quantity in ("liquid_flow", "liquid_supply_temperature", "liquid_return_temperature", "power")
        )
        measured.append((PG25 * flow * (hot - cold), SHARE * power))
    liquid, electric = np.array(measured).mean(0)

    assert np.mean(carried, 0) == pytest.approx(np.mean(taken, 0), rel=0.01)
    assert (abs(liquid / electric - 1) < 0.02 + 0.005 + 0.4 / 9.5 + 0.01).all()


def test_what_the_racks_give_the_exchanger_passes_to_the_primary_side() -> None:
    of = plant()
    given, taken, primary = 0.0, 0.0, 0.0
    for _ in range(360):
        of.step(10.0)
        given += SHARE * of.power.sum()
        taken += of.coolant.rejected
        primary += 0.0692 * of.coolant.primary_flow * (of.coolant.primary_return - of.coolant.primary_supply)

    assert taken == pytest.approx(given, rel=0.01)
    assert primary == pytest.approx(taken, rel=1e-6)


def test_a_trays_outlet_balances_and_the_rack_is_their_mixture() -> None:
    of = plant(seconds=600)
    cool = of.coolant
    trays = (cool.tray_flow * (of.trays.outlet - cool.rack_supply[:, None])).sum(1)
    switches = cool.flow - cool.tray_flow.sum(1)
    rise = (cool.flow * (cool.rack_return - cool.rack_supply) - trays) / switches

    assert (rise > 2).all()
    assert (rise < 8).all()  # 5 kW into a fifth of what carries 77 kW


def test_flows_and_pressures_close() -> None:
    cool = plant(Fault("quick_disconnect", start=0.0), seconds=300).coolant
    given = cool._given

    assert cool.total == pytest.approx(cool.flow.sum())
    assert cool.tray_flow.sum(1)[1] == pytest.approx(given.tray_share * given.flow, rel=0.03)
    assert cool.rack_drop + given.valve_drop / given.flow**2 / cool.opening**2 * cool.flow**2 == pytest.approx([cool.header] * 2)
    assert cool.rack_drop == pytest.approx([given.rack_drop] * 2, rel=0.02)


def test_four_times_the_resistance_halves_a_trays_flow() -> None:
    sound, struck = plant(seconds=300).coolant, plant(Fault("quick_disconnect", "R01/tray5", start=0.0), seconds=300).coolant

    ratio = struck.tray_flow / sound.tray_flow
    assert ratio[0, 4] == pytest.approx(0.5, rel=0.02)
    assert np.delete(ratio[0], 4) == pytest.approx(np.ones(17), rel=0.02)
    assert struck.flow[0] / sound.flow[0] == pytest.approx(1 - 0.85 / 18 / 2, abs=0.006)


def test_a_blocked_branch_costs_its_rack_four_to_six_percent_of_its_flow() -> None:
    sound, struck = plant(seconds=300), plant(Fault("quick_disconnect", "R01/tray5", start=0.0, size=1e8), seconds=300)

    assert 0.04 < 1 - struck.coolant.flow[0] / sound.coolant.flow[0] < 0.06
    assert struck.coolant.flow[1] == pytest.approx(sound.coolant.flow[1], rel=0.005)


def test_pumps_keep_to_the_affinity_laws() -> None:
    """Flow over speed is the same on the same circuit at another head; head and power follow its square and cube."""
    one = plant(seconds=100)
    cool = one.coolant
    before = cool.total / cool.pump.max(), cool.header / cool.pump.max() ** 2
    speed = cool.pump.max()
    power = column(one, "pump.power")[0]
    cool._speeds = (0.8 * speed, 0.0)
    cool._hydraulics()

    assert (cool.total / cool.pump.max(), cool.header / cool.pump.max() ** 2) == pytest.approx(before)
    again = cool.exact(one.effects.rope, one.effects.shut)
    assert np.asarray(again["pump.power"])[0] / power == pytest.approx(0.8**3)
    assert 0.4 < speed < 0.8


def test_a_clogging_filter_grows_e_fold_at_the_same_flow_and_the_pump_works_harder() -> None:
    of = plant(seconds=100)
    drop, speed, flow = number(of, "cdu.filter"), of.coolant.pump.max(), of.coolant.total
    of.inject(Fault("filter_clog", start=of.age, time=1800.0))
    advance(of, 1800)

    assert of.coolant.total == pytest.approx(flow, rel=0.01)
    assert number(of, "cdu.filter") / of.coolant.total**2 / (drop / flow**2) == pytest.approx(math.e, rel=0.02)
    assert of.coolant.pump.max() > speed + 0.02


def test_the_level_follows_the_loops_temperature() -> None:
    """4.5e-4/K of 200 L of loop; the reservoir has 200 L."""
    of = Physics(2, seed=1, parameters=IDLE, detail=0)
    cold, level = 0.5 * (of.coolant.supply + of.coolant.mixed), of.coolant.level
    of.inject(Fault("ramp_from_idle", start=0.0))
    advance(of, 900)
    warmer = 0.5 * (of.coolant.supply + of.coolant.mixed) - cold

    assert warmer > 2
    assert of.coolant.level - level == pytest.approx(100 * 200 * 4.5e-4 * warmer / 200)


def test_a_slow_leak_lowers_level_and_static_pressure_is_made_up_and_wets_the_rope_late() -> None:
    of = plant(Fault("slow_leak", "R02", start=0.0, time=7000.0), seconds=3600, dt=30.0)
    assert of.coolant.level == pytest.approx(75 - 100 * 1.2 / 200, abs=0.05)
    assert of.coolant.static < 150 - 2 * 1.0
    assert of.value("R02:leak") == 0
    assert of.coolant.makeups == 0

    advance(of, 3600, 60.0)
    assert of.value("CDU1:makeup_count") == 1
    assert of.coolant.level > 74.5
    assert [of.value("R01:leak"), of.value("R02:leak")] == [0, 1]


@pytest.mark.parametrize("control", CONTROLS)
def test_the_supply_is_held_in_every_negative_control(control: str) -> None:
    info = CONTROLS[control]
    of = Physics(3, seed=1, parameters=info.parameters, detail=0).inject(Fault(control, start=60.0, time=min(info.time, 1500.0)))
    off = []
    for _ in range(round(min(info.seen, 2000.0) / info.dt)):
        of.step(info.dt)
        off.append(abs(of.coolant.supply - of.parameters.coolant.supply))

    assert max(off) < 2
    assert np.mean(off) < 0.5


def test_too_much_gain_swings_the_supply_by_more_than_a_kelvin_within_half_a_minute_to_ten() -> None:
    of = plant(Fault("hunting", start=60.0), seconds=1200, dt=5.0)
    off = series(of, 600, "CDU1:liquid_temperature[secondary, supply]", dt=5.0)[0] - 30
    spectrum = abs(np.fft.rfft(off - off.mean()))
    period = 600 / int(spectrum[1:].argmax() + 1)

    assert np.ptp(off) / 2 > 1
    assert 30 < period < 600


def test_a_stuck_valve_parts_from_its_demand_and_the_supply_drifts() -> None:
    of = plant(Fault("valve_stuck", start=60.0), seconds=1500)

    assert of.value("CDU1/valve1:valve_position") == 40
    assert of.value("CDU1/valve1:valve_demand") == 100
    assert of.coolant.supply > 32


def test_a_planned_pump_swap_dips_and_recovers() -> None:
    of = plant(Fault("pump_swap"), seconds=590)
    least, before = 1e9, of.coolant.total
    for _ in range(60):
        of.step(1.0)
        least = min(least, of.coolant.total)

    assert 0.6 < least / before < 0.95
    assert of.coolant.total == pytest.approx(before, rel=0.01)
    assert [of.value(f"CDU1/pump{pump}:pump_speed") > 20 for pump in (1, 2)] == [False, True]


# --- IT


def test_a_gpus_temperature_over_its_coolant_is_resistance_times_power_when_steady() -> None:
    of = plant(seconds=900)
    rise = np.zeros((2, 18, 4))
    power = rise.copy()
    for _ in range(60):
        of.step(10.0)
        rise += of.trays.temperature - of.trays.coolant[:, :, None]
        power += of.trays.power

    resistance = rise / power / 1000
    assert resistance.mean() == pytest.approx(0.026, rel=0.03)
    assert resistance.std() / resistance.mean() == pytest.approx(0.04, rel=0.3)
    assert 0.9 < (power / 60).mean() < 1.1


def test_a_step_of_power_warms_in_two_time_constants() -> None:
    of = plant(Fault("ramp_from_idle", start=0.0, time=0.03), parameters=replace(EXACT, load=IDLE.load), racks=1)
    begin = of.trays.temperature.mean() - of.trays.coolant.mean()
    seen = []
    for _ in range(120):
        of.step(1.0)
        seen.append(of.trays.temperature.mean() - of.trays.coolant.mean() - begin)

    final = np.mean(seen[-20:])
    assert 0.35 < np.mean(seen[3:5]) / final < 0.60  # the fast 40 % is there, a fifth of the slow part
    assert 0.80 < np.mean(seen[22:28]) / final < 0.95


def test_bad_interface_material_heats_one_gpu_and_nothing_else() -> None:
    sound, struck = plant(seconds=600), plant(Fault("cold_plate", "R01/tray3/gpu2", start=0.0), seconds=600)
    hotter = struck.trays.temperature - sound.trays.temperature

    assert hotter[0, 2, 1] > 9
    assert abs(np.delete(hotter.ravel(), 2 * 4 + 1)).max() < 0.1
    assert struck.trays.outlet[0] == pytest.approx(sound.trays.outlet[0], abs=0.2)
    assert struck.trays.counters["thermal_throttle_time"].sum() == 0


def test_a_half_mated_coupling_heats_the_four_gpus_of_its_tray() -> None:
    sound, struck = plant(seconds=600), plant(Fault("quick_disconnect", "R01/tray5", start=0.0), seconds=600)
    hotter = struck.trays.temperature - sound.trays.temperature

    assert (hotter[0, 4] > 9).all()
    assert abs(np.delete(hotter[0], 4, 0)).max() < 1
    assert struck.trays.outlet[0, 4] - sound.trays.outlet[0, 4] > 8


def test_a_gpu_that_gets_too_hot_slows_down_and_counts_it() -> None:
    of = plant(Fault("cold_plate", "R01/tray3/gpu2", start=0.0, size=3.0), seconds=600)

    assert of.value("R01/tray3/gpu2:thermal_throttle_time") > 100
    assert of.value("R01/tray3/gpu2:core_clock") < 0.95 * of.value("R01/tray3/gpu1:core_clock")
    assert 87 < of.value("R01/tray3/gpu2:temperature") < 100


def test_marginal_hbm_counts_many_errors_and_loses_rows_with_their_xids() -> None:
    of = plant(Fault("hbm", "R01/tray3/gpu2", start=0.0, size=200.0, time=1800.0), dt=60.0)
    told = []
    for _ in range(65):
        of.step(60.0)
        told += of.events()
    errors = of.trays.counters["corrected_errors"]

    assert errors[0, 2, 1] > 5 * np.partition(errors.ravel(), -2)[-2]
    assert of.value("R01/tray3/gpu2:uncorrected_errors") == 2
    assert of.value("R01/tray3/gpu2:remapped_rows_uncorrected") == 2
    assert of.value("R01/tray3/gpu2:row_remap_pending") == 1
    assert told == [(of.row("R01/tray3/gpu2:xid"), code) for code in (94, 63, 94, 63)]
    assert of.events() == []


def test_a_worn_cartridge_raises_the_error_rate_until_a_link_is_given_up() -> None:
    of = plant(Fault("nvlink_ber", "R01/tray7/gpu3", start=0.0, time=1200.0))
    told = []
    for _ in range(180):
        of.step(10.0)
        told += of.events()

    assert of.value("R01/tray7/gpu3:nvlink_links") == 17
    assert of.links.links.sum() == 2 * 72 * 18 - 1
    assert of.value("R01/tray7/gpu3:nvlink_recoveries") > 0
    assert of.value("R01/tray7/gpu3:symbol_errors") > 1000
    assert told == [(of.row("R01/tray7/gpu3:xid"), 145)]


def test_a_dirty_optic_dims_one_lane_and_flaps() -> None:
    of = plant(Fault("dirty_optic", "R01/tray4/nic2", start=0.0, time=600.0))
    up = series(of, 1300, "R01/tray4/nic2:link_up")[0]

    lanes = [of.value(f"R01/tray4/nic2:optical_receive_power[lane{lane}]") for lane in (1, 2, 3, 4)]
    assert np.mean(lanes[1:]) - lanes[0] == pytest.approx(4, abs=1.2)
    assert of.value("R01/tray4/nic2:raw_bit_error_rate") > 1e-5
    assert np.median(of.links.errors) < 1e-7
    assert (of.value("R01/tray4/nic2:link_downs"), (up == 0).sum()) == (2, 2)


def test_a_capped_node_draws_its_cap_at_a_lower_clock() -> None:
    of = plant(Fault("capped_node", "R01/tray8", start=0.0), seconds=300)

    assert (of.trays.power[0, 7] <= 0.7).all()
    assert of.value("R01/tray8/gpu1:power_throttle_time") > 100
    assert of.value("R01/tray9/gpu1:power_throttle_time") == 0
    assert of.value("R01/tray8/gpu1:core_clock") < 0.97 * of.value("R01/tray9/gpu1:core_clock")


def test_a_rack_in_maintenance_has_neither_hosts_nor_coolant_and_the_others_do_not_mind() -> None:
    of = plant(Fault("maintenance", "R02", start=0.0), seconds=3600)
    _, due = of.step(60.0)

    assert of.power[1] < 4  # supplies and controllers on standby
    assert of.coolant.flow[1] == 0
    assert of.value("R02:liquid_isolation") == 1
    assert math.isnan(of.value("R02/tray1/gpu1:temperature"))
    assert [due[of.row(f"R0{rack}/tray1/gpu1:temperature")] for rack in (1, 2)] == [True, False]
    assert due[[of.row("R02/tray1:input_voltage"), of.row("R02/switch1:temperature")]].all()
    assert of.coolant.flow[0] == pytest.approx(130, rel=0.02)
    assert of.value("R02:liquid_return_temperature") < 45


# --- power


def test_the_chain_of_power_closes() -> None:
    of = plant(seconds=300)
    tap, pdu = column(of, "tap.active_power"), column(of, "pdu.active_power")

    assert tap.sum(1) == pytest.approx(column(of, "rack.power") * 1.003)
    assert pdu == pytest.approx(tap.sum(0) * 1.003)
    assert column(of, "shelf.input_power").sum(1) == pytest.approx(column(of, "rack.power"))
    given = column(of, "shelf.output_power").sum(1)
    joints = (of.supplies.shelf_current**2 * of.supplies.shelf_joint).sum(1) / 1000
    taken = of.supplies.tray_power.sum(1) + of.trays.switches()
    assert given - joints == pytest.approx(taken, rel=1e-3)
    volts, amps = column(of, "tap.voltage"), column(of, "tap.current")
    assert math.sqrt(3) * volts * amps * 0.985 / 1000 == pytest.approx(tap)
    assert column(of, "tap.neutral").max() < 0.1 * amps.min()


def test_a_supplys_efficiency_is_the_published_one_at_three_loads() -> None:
    a, b, c = losses(Parameters().supplies.efficiency, 5.5)

    for share, efficiency in ((0.1, 0.94), (0.5, 0.975), (1.0, 0.965)):
        amps, out = 110 * share, 5.5 * share
        assert out / (out + a + b * amps + c * amps**2) == pytest.approx(efficiency)


def test_the_bus_droops_half_a_volt_from_no_to_full_load() -> None:
    of = plant(seconds=100)
    volts, amps = of.supplies.terminal, of.supplies.shelf_current / 6

    assert (of.supplies._open - volts) / amps == pytest.approx(np.full((2, 8), 4.5e-3 / 1), rel=1e-6)
    assert of.supplies._open.mean() == pytest.approx(50.5, abs=0.01)
    assert amps.mean() * 4.5e-3 == pytest.approx(0.5 * amps.mean() / 110, rel=0.02)


def test_the_others_of_a_shelf_take_over_from_a_supply_that_is_lost() -> None:
    sound, struck = plant(seconds=60), plant(Fault("psu_loss", "R01/shelf2/psu3", start=0.0), seconds=60)
    ratio = struck.supplies.current / sound.supplies.current

    assert ratio[0, 1, 2] == 0
    assert np.delete(ratio[0, 1], 2) == pytest.approx(np.full(5, 1.2), rel=0.02)
    assert np.delete(ratio[0], 1, 0) == pytest.approx(np.ones((7, 6)), rel=0.01)
    assert struck.value("R01/shelf2/psu3:status") == 1
    assert struck.value("R01/shelf2/psu3:output_voltage") == pytest.approx(0, abs=0.05)


def test_a_supply_that_does_not_share_says_ok() -> None:
    of = plant(Fault("psu_no_share", "R01/shelf4/psu5", start=0.0), seconds=60)

    assert of.value("R01/shelf4/psu5:output_current") == 0
    assert of.value("R01/shelf4/psu5:status") == 0
    assert of.value("R01/shelf4/psu5:output_voltage") > 49


@pytest.mark.parametrize(("target", "place"), [("R01/shelf3", "shelf"), ("R01/tray9", "tray")])
def test_a_loose_joint_drops_voltage_as_its_current_and_heats_as_its_square(target: str, place: str) -> None:
    of = plant(Fault("loose_joint", target, start=0.0, time=1.0), parameters=EXACT, seconds=3600, dt=60.0)
    at = (0, 2) if place == "shelf" else (0, 8)
    amps = (of.supplies.shelf_current if place == "shelf" else of.supplies.tray_current)[at]
    ohm = (of.supplies.shelf_joint if place == "shelf" else of.supplies.tray_joint)[at]
    drop = (of.supplies.terminal[at] - of.supplies.bus[0]) if place == "shelf" else (of.supplies.bus[0] - of.supplies.tray_voltage[at])

    assert 110e-6 < ohm < 130e-6
    assert drop == pytest.approx(ohm * amps, rel=1e-6)
    warm = column(of, f"{place}.clip")[0] - column(of, f"{place}.clip")[1].min()
    assert warm.argmax() == at[1]
    assert warm.max() == pytest.approx(2.0 * 110e-6 * amps**2, rel=0.25)


def test_the_slope_of_drop_against_current_finds_a_joint_without_knowing_offsets() -> None:
    of = plant(Fault("loose_joint", "R01/shelf3", start=0.0, time=1.0), racks=1)
    volts, bus, amps = series(of, 3600, "R01/shelf3:output_voltage", "R01/tray2:input_voltage", "R01/shelf3:output_current")

    slope = np.cov(volts - bus, amps)[0, 1] / amps.var()
    tray = 10e-6 * (104 / 210)  # in series, by the tray's share of the current
    assert slope == pytest.approx(120e-6 + tray, abs=35e-6)


def test_a_miswired_shelf_unbalances_its_tap_and_loads_the_neutral() -> None:
    of = plant(Fault("phase_miswire", "R02/shelf1", start=0.0), seconds=60)
    amps = np.array([column(of, f"tap.phase_{phase}")[1, 0] for phase in "abc"])

    assert 100 * abs(amps - amps.mean()).max() / amps.mean() == pytest.approx(25, abs=1)
    assert column(of, "tap.neutral")[1, 0] > 0.3 * amps.mean()
    assert column(of, "tap.neutral")[1, 1] < 1


def test_both_cords_on_one_feed_show_as_all_and_nothing_at_the_taps() -> None:
    of = plant(Fault("ab_swap", "R02"), seconds=60)

    assert column(of, "tap.active_power")[1] == pytest.approx([of.supplies.power[1] * 1.003, 0])
    assert column(of, "tap.active_power")[0] == pytest.approx([of.supplies.power[0] * 1.003 / 2] * 2, rel=0.01)


# --- the later kinds


def test_a_pump_that_trips_leaves_the_racks_dry_until_the_standby_runs() -> None:
    of = plant(Fault("pump_trip", start=11.0, time=20.0), seconds=10, dt=1.0)
    before = of.coolant.total
    flow, duty, standby = series(of, 60.0, "CDU1:liquid_flow[secondary]", "CDU1/pump1:pump_speed", "CDU1/pump2:pump_speed", dt=1.0)

    assert flow[10:20].max() < 0.2 * before
    assert flow[-10:].mean() > 0.97 * before
    assert (standby[:20] == 0).all()
    assert (duty[-1], standby[-1] > 50) == (0, True)


def test_a_burst_hose_empties_the_reservoir_and_no_more() -> None:
    of = plant(Fault("leak", "R02", start=0.0), seconds=60, dt=5.0)
    assert of.coolant.level == pytest.approx(75 - 100 * (10 - 2) / 200, abs=1)  # one pulse of the fill pump
    assert of.value("R02:leak") == 1

    advance(of, 3600)
    assert of.coolant.level < 2
    assert of.coolant.static == 0
    assert of.coolant.header < 0.9 * 130  # the pumps draw vapour


def test_a_pump_that_draws_vapour_takes_less_power_for_its_speed_and_the_flow_is_noisy() -> None:
    sound, struck = plant(seconds=60), plant(Fault("cavitation", start=0.0, time=60.0), seconds=60)
    pumps = [column(of, "pump.power")[0] / of.coolant.pump[0] ** 3 for of in (sound, struck)]
    noise = [np.std([of.step(10.0) and of.coolant.total for _ in range(30)]) for of in (sound, struck)]

    assert pumps[1] < 0.8 * pumps[0]
    assert noise[1] > 10 * noise[0]
    assert struck.coolant.pump[0] > sound.coolant.pump[0]


def test_a_bypass_takes_flow_past_the_racks_and_cools_the_return() -> None:
    sound, struck = plant(seconds=600), plant(Fault("bypass_open", start=0.0), seconds=600)

    assert struck.coolant.total / struck.coolant.flow.sum() == pytest.approx(1.15, abs=0.005)
    assert struck.coolant.mixed < sound.coolant.mixed - 0.8
    assert struck.coolant.flow == pytest.approx(sound.coolant.flow, rel=0.02)


def test_a_half_shut_rack_valve_leaves_a_third_of_the_flow() -> None:
    of = plant(Fault("flow_restricted", "R02", start=0.0), seconds=300)

    assert of.coolant.flow[1] / of.coolant.flow[0] == pytest.approx(1 / math.sqrt(10), rel=0.1)
    assert of.trays.temperature[1].min() > of.trays.temperature[0].mean()


def test_a_valve_set_to_less_holds_it() -> None:
    of = plant(Fault("misbalance", "R02", start=0.0), seconds=600)

    assert of.coolant.rack_drop == pytest.approx([100, 45], rel=0.02)
    assert of.value("R02:liquid_differential_pressure[setpoint]") == 45


def test_less_primary_flow_warms_the_supply_for_all() -> None:
    of = plant(Fault("primary_loss", start=0.0), seconds=900)

    assert of.coolant.primary_flow == pytest.approx(0.3 * 175 * 2 * of.coolant.valve)
    assert of.coolant.valve == 1
    assert of.coolant.supply > 33


def test_a_worn_bearing_shakes_its_pump_and_costs_power() -> None:
    sound, struck = plant(seconds=100), plant(Fault("bearing", start=0.0, time=10.0), seconds=100)

    assert struck.value("CDU1/pump1:vibration") == pytest.approx(3 * sound.value("CDU1/pump1:vibration"), rel=0.2)
    assert column(struck, "pump.power")[0] == pytest.approx(1.25 * column(sound, "pump.power")[0])
    with pytest.raises(InputError, match="CDU1/pump1 or CDU1/pump2 would do"):
        plant(Fault("bearing", "CDU1"))


def test_a_phase_that_is_lost_takes_its_supplies_and_the_others_take_over() -> None:
    sound, struck = plant(seconds=60), plant(Fault("phase_loss", "R01-TAP-A", start=0.0), seconds=60)
    gone = [column(struck, "psu.input_voltage")[0, shelf] < 1 for shelf in range(8)]

    assert np.array_equal(gone, [[False, False, True, False, False, True]] * 4 + [[False] * 6] * 4)
    assert column(struck, "tap.phase_c")[0] == pytest.approx([0, column(sound, "tap.phase_c")[0, 1]], rel=0.01)
    assert struck.supplies.power == pytest.approx(sound.supplies.power, rel=0.01)
    assert struck.supplies.current[0, 0, 0] == pytest.approx(1.5 * sound.supplies.current[0, 0, 0], rel=0.02)


def test_a_gpu_that_fell_off_the_bus_draws_nothing_and_says_it_once() -> None:
    of = plant(Fault("gpu_lost", "R01/tray9/gpu4", start=0.0), seconds=100)

    assert of.events() == [(of.row("R01/tray9/gpu4:xid"), 79)]
    assert of.trays.power[0, 8, 3] == 0
    assert math.isnan(of.value("R01/tray9/gpu4:temperature"))
    assert math.isnan(of.value("R01/tray9/gpu4:pcie_width"))
    assert of.value("R01/tray9/gpu3:temperature") > 50


def test_a_slow_gpu_has_no_flag_and_a_braked_one_has() -> None:
    of = plant(Fault("slow_gpu", "R01/tray2/gpu3", start=0.0), Fault("power_brake", "R02", start=0.0), seconds=300)
    sound = of.value("R01/tray2/gpu1:core_clock")

    assert of.value("R01/tray2/gpu3:core_clock") == pytest.approx(0.85 * sound, rel=0.02)
    assert of.value("R01/tray2/gpu3:power_brake_time") == of.value("R01/tray2/gpu3:thermal_throttle_time") == 0
    assert of.value("R02/tray1/gpu1:core_clock") == pytest.approx(0.5 * sound, rel=0.02)
    assert of.value("R02/tray1/gpu1:power_brake_time") == 300
    assert of.power[1] < 0.6 * of.power[0]


def test_a_worn_fan_falls_behind_its_demand_and_its_tray_warms() -> None:
    of = plant(Fault("fan_bearing", "R01/tray16", start=0.0, time=10.0), seconds=600)
    ratio = [of.value(f"R01/tray{tray}:fan_rotation") / of.value(f"R01/tray{tray}:fan_demand") for tray in (15, 16)]

    assert ratio[1] / ratio[0] == pytest.approx(0.8, abs=0.06)
    assert of.trays.inside[0, 15] == pytest.approx(of.trays.inside[0, 14] + 2)


def test_what_a_controller_that_hangs_says_is_what_it_said() -> None:
    of = plant(Fault("bmc_hang", "R01/tray17", start=100.0), seconds=90)
    below = of.sensors.below("R01/tray17")
    before = of.values[below].copy()
    advance(of, 300)

    assert np.array_equal(of.values[below], before, equal_nan=True)
    assert not np.array_equal(of.values[of.sensors.below("R01/tray16")], before, equal_nan=True)
    with pytest.raises(InputError, match="has no points"):
        Physics(2, detail=1, parameters=replace(Parameters(), settle=10.0)).inject(Fault("bmc_hang", "R02/tray1"))


@pytest.mark.parametrize(
    ("kind", "path", "factor"),
    [
        ("ct_ratio", "PDU-A:active_power", 0.5),
        ("ct_ratio", "PDU-A:phase_current[b]", 0.5),
        ("ct_ratio", "PDU-A:voltage", 1.0),
        ("ct_ratio", "PDU-B:active_power", 1.0),
        ("unit_error", "R03:liquid_differential_pressure", 0.145),
        ("unit_error", "R02:liquid_differential_pressure", 1.0),
        ("flow_sensor_dead", "CDU1:liquid_flow[secondary]", 0.0),
        ("brick_loss", "R01/tray10:power", 1.032),
        ("share_trim", "R01/shelf5/psu2:output_current", 1.1),
        ("psu_fan", "R01/shelf7/psu1:fan_rotation", 0.76),
        ("cpu_mount", "R01/tray11/cpu1:temperature", 1.35),
        ("hot_optic", "R01/tray12/nic1:optical_temperature", 1.27),
        ("recirculation", "R01/tray18:inlet_temperature", 1.26),
        ("recirculation", "R01/tray14:inlet_temperature", 1.0),
        ("pcie_seating", "R01/tray14/gpu1:pcie_width", 0.5),
    ],
)
def test_a_point_reads_so_many_times_what_it_did(kind: str, path: str, factor: float) -> None:
    time = 3.0 if kind == "pcie_seating" else 1.0
    sound, struck = plant(racks=3, seconds=900, dt=30.0), plant(Fault(kind, start=0.0, time=time), racks=3, seconds=900, dt=30.0)

    assert struck.value(path) / sound.value(path) == pytest.approx(factor, rel=0.03)


def test_only_signals_that_are_asked_for_are_measured() -> None:
    short = replace(Parameters(), settle=60.0)
    names = frozenset({"rack.power", "gpu.temperature", "cdu.flow"})
    of, whole = Physics(2, parameters=short, signals=names), Physics(2, parameters=short)
    of.inject(Fault("hbm", start=0.0, time=10.0))  # its events have no point here
    values, due = of.step(10.0)
    whole.step(10.0)

    assert {signal.name for signal, _ in of.sensors.assets} == names
    assert len(values) == len(due) == 2 + 2 * 72 + 1
    assert of.events() == []
    assert of.exact["rack.power"] == pytest.approx(whole.exact["rack.power"])
    with pytest.raises(InputError, match=r"is called rack\.wind"):
        Physics(1, parameters=short, signals=frozenset({"rack.power", "rack.wind"}))
    with pytest.raises(InputError, match="no point is called"):
        of.inject(Fault("flow_sensor_dead", "R01:liquid_flow"))


# --- room and sensors


@pytest.mark.parametrize(("temperature", "humidity", "expected"), [(24, 60, 15.8), (27, 60, 18.6), (30, 60, 21.4)])
def test_the_dew_point_is_that_of_the_published_table(temperature: float, humidity: float, expected: float) -> None:
    assert dew_point(temperature, humidity) == pytest.approx(expected, abs=0.05)


def test_damp_air_takes_the_margin_of_a_cold_supply() -> None:
    info = FAULTS["humidity"]
    of = plant(Fault("humidity", start=0.0, time=1200.0), parameters=info.parameters)
    cold, dew = series(of, 1800, "R01:liquid_supply_temperature", "Room1:dew_point[coldaisle]")

    assert (cold - dew)[3] > 5
    assert (cold - dew)[-1] < 1
    assert abs(cold - 18).max() < 1.5


def test_swapped_biased_and_stuck_sensors_change_their_own_readings_alone() -> None:
    back, cold = "R02:liquid_return_temperature", "R02:liquid_supply_temperature"
    sound = plant(seconds=300)
    struck = {
        kind: plant(Fault(kind, target, start=100.0), seconds=300) for kind, target in {"sensor_swap": "R02", "sensor_bias": back}.items()
    }
    rows = [sound.row(back), sound.row(cold)]

    for of in struck.values():
        assert np.array_equal(np.delete(of.values, rows), np.delete(sound.values, rows), equal_nan=True)
    assert struck["sensor_swap"].values[rows].tolist() == sound.values[rows[::-1]].tolist()
    assert struck["sensor_bias"].value(back) == pytest.approx(sound.value(back) + 0.8)
    of = plant(Fault("sensor_stuck", back, start=100.0), seconds=200)
    assert len(set(series(of, 300, back)[0])) == 1
    assert len(set(series(sound, 300, back)[0])) > 1


def test_two_points_can_be_exchanged() -> None:
    one, other = "R01:liquid_return_temperature", "R02:liquid_return_temperature"
    sound, struck = plant(seconds=60), plant(Fault("sensor_swap", f"{one},{other}"), seconds=60)

    assert (struck.value(one), struck.value(other)) == (sound.value(other), sound.value(one))


def test_readings_are_on_their_sensors_grid() -> None:
    of = plant(seconds=20)

    for path, step in (("R01/tray1/gpu1:temperature", 1.0), ("R01/tray1:input_voltage", 0.01), ("R01:liquid_flow", 0.1)):
        assert of.value(path) / step == pytest.approx(round(of.value(path) / step), abs=1e-6)


def test_points_speak_at_their_cadence() -> None:
    of = plant(racks=1)
    spoken = np.zeros(of.sensors.size)
    for _ in range(120):
        spoken += of.step(1.0)[1]

    count = {path: spoken[of.row(path)] for path in ("R01:power", "R01/tray1/gpu1:temperature", "R01/tray1/gpu1:corrected_errors")}
    assert list(count.values()) == [120, 1 + 12, 1 + 2]  # and all at the first step
    assert spoken[of.row("R01/tray1/gpu1:xid")] == 0


def test_a_share_of_the_samples_can_be_missing() -> None:
    of = Physics(1, seed=1, parameters=replace(Parameters(), meter=Meter(missing=0.1), settle=60.0))
    due = [of.step(60.0)[1].mean() for _ in range(10)]

    assert np.mean(due) == pytest.approx(0.9, abs=0.03)


# --- the plant as nouns


def test_describe_adds_assets_edges_and_points_with_words_of_the_vocabulary() -> None:
    of, nouns = Physics(2, seed=1, detail=1, parameters=replace(Parameters(), settle=10.0)), Plant()
    rows = of.describe(nouns, dt=10.0)

    assert len(rows) == len(set(rows.tolist())) == of.sensors.size == len(of.step(1.0)[0])
    assert nouns.findings.all() == []
    counts = nouns.count_by_kind()
    parts = ("rack", "tray", "gpu", "cpu", "nic", "switch", "power_shelf", "psu", "cdu")
    assert [counts[kind] for kind in parts] == [2, 18, 72, 36, 72, 18, 8, 48, 1]
    assert nouns.assets["R01/tray3/gpu2"].parent == "R01/tray3"
    assert nouns.assets["R01"].attributes["sku"] == "gb200_nvl72"
    assert {"CDU1", "R01-TAP-A", "R01-TAP-B", "Room1"} <= set(nouns.assets["R01"].served_by)
    point = nouns.points[rows[of.row("CDU1:liquid_temperature[secondary, supply, setpoint]")]]
    assert (point.quantity, point.tags, point.setpoint, point.unit) == ("liquid_temperature", ("secondary", "supply"), True, "degC")
    assert {nouns.points[row].interval for row in rows} == {10.0, 60.0, 1e9}
    assert np.array_equal(of.describe(nouns, dt=10.0), rows)
    assert Physics(1, parameters=replace(Parameters(), settle=10.0), detail=0).sensors.size < 150


def test_run_yields_readings_with_the_rows_of_the_plant() -> None:
    of, nouns = Physics(1, seed=1, detail=1).inject(Fault("hbm", start=0.0, time=30.0)), Plant()
    rows = of.describe(nouns)
    batches = list(run(of, 60.0, 10.0, rows))
    names = [nouns.points[row].quantity for batch in batches for row in batch.point]

    assert [batch.time[0] - of.start for batch in batches] == [10, 20, 30, 40, 50, 60]
    assert names.count("xid") == 4
    assert all(np.isfinite(batch.value).all() for batch in batches)


def test_a_seed_says_everything() -> None:
    one, other = plant(seconds=100), plant(seconds=100)

    assert np.array_equal(one.values, other.values, equal_nan=True)
    changed = Physics(2, seed=2)
    changed.step(10.0)
    assert not np.array_equal(changed.values, one.values, equal_nan=True)


def test_a_fault_leaves_the_rest_as_it_was() -> None:
    sound, struck = plant(seconds=300), plant(Fault("psu_no_share", "R01/shelf4/psu5"), seconds=300)

    assert np.array_equal(sound.trays.temperature, struck.trays.temperature)
    assert np.array_equal(sound.values, struck.values, equal_nan=True)  # it begins after 600 s


@pytest.mark.parametrize("kind", FAULTS | CONTROLS)
def test_every_fault_changes_what_is_measured_and_ends(kind: str) -> None:
    """By its defaults, on the plant that it asks for; repaired at once, it changes nothing before it."""
    info = (FAULTS | CONTROLS)[kind]
    made = [Physics(3, seed=1, parameters=replace(info.parameters, settle=60.0)) for _ in range(2)]
    made[1].inject(Fault(kind, start=30.0))
    same = [np.array_equal(made[0].step(30.0)[0], made[1].step(30.0)[0], equal_nan=True)]
    for _ in range(200):
        same.append(np.array_equal(made[0].step(60.0)[0], made[1].step(60.0)[0], equal_nan=True))
        if not same[-1]:
            break

    assert not all(same)
    assert info.about
    assert info.seen > 0
    assert info.dt <= 60


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (Fault("cold_plates"), "cold_plate would do"),
        (Fault("fire"), "no fault is called"),
        (Fault("cold_plate", "R09/tray1/gpu1"), "numbered from 1 to 2"),
        (Fault("cold_plate", "R01/tray19"), "numbered from 1 to 18"),
        (Fault("cold_plate", "R01/gpu1"), "is no part of a rack"),
        (Fault("sensor_stuck", "R01:nothing"), 'no point is called "R01:nothing"'),
    ],
)
def test_what_cannot_be_injected_is_refused_with_what_would_do(fault: Fault, said: str) -> None:
    with pytest.raises(InputError, match=said):
        Physics(2, parameters=replace(Parameters(), settle=10.0)).inject(fault)


def test_a_plant_names_what_it_cannot_be() -> None:
    with pytest.raises(InputError, match="at least 1"):
        Physics(0)
    with pytest.raises(InputError, match="gb200_nvl72, gb300_nvl72 would do"):
        Physics(1, sku="gb999")


@pytest.mark.parametrize("sku", SKUS)
@pytest.mark.parametrize("racks", [1, 12])
def test_any_number_of_racks_of_any_sku_runs_steadily(sku: str, racks: int) -> None:
    of = Physics(racks, sku=sku, seed=3, detail=0)
    advance(of, 300)

    assert of.coolant.supply == pytest.approx(30, abs=0.5)
    assert of.coolant.flow == pytest.approx(np.full(racks, 130), rel=0.02)
    assert 55 < of.trays.temperature.mean() < 80
    assert of.trays.counters["thermal_throttle_time"].sum() == 0


def test_the_examples_in_the_modules_are_true() -> None:
    failed = 0
    for module in pkgutil.walk_packages(physics.__path__, "monitor.simulate.physics."):
        failed += doctest.testmod(importlib.import_module(module.name)).failed

    assert failed == 0
