"""The physics closes, each fault moves what it should and nothing else, and a seed says everything."""

import numpy as np
import pytest

from monitor.errors import InputError
from monitor.simulate.faults import Injection
from monitor.simulate.pod import STEP, Pod

START = 1_767_225_600.0
PG25 = 0.0668  # kW per L/min and K
SHARE = 0.87  # of a rack's heat that goes into its coolant


def pod(*faults: str, racks: int = 6, seed: int = 1, seconds: float = 0.0) -> Pod:
    made = Pod(racks, start=START, seed=seed, faults=[Injection.parse(text) for text in faults])
    made.advance(START + seconds)
    return made


def exact(of: Pod, signal: str) -> np.ndarray:
    return of.exact[of.sensors.rows[signal]]


def series(of: Pod, seconds: int, *signals: str) -> dict[str, np.ndarray]:
    """Return what the sensors say step by step, shape (steps, places)."""
    found: dict[str, list[np.ndarray]] = {signal: [] for signal in signals}
    for _ in range(seconds):
        of.advance(of.time + STEP)
        for signal in signals:
            found[signal].append(of.read(signal))
    return {signal: np.array(values) for signal, values in found.items()}


def test_each_racks_heat_balance_closes_within_its_sensors_errors() -> None:
    """Flow within 2 %, power within 1 %, each temperature within 0.2 K of 12 K."""
    seen = series(pod(), 300, "rack.power", "rack.flow", "rack.supply_temperature", "rack.return_temperature")
    liquid = PG25 * seen["rack.flow"] * (seen["rack.return_temperature"] - seen["rack.supply_temperature"])

    ratio = liquid.mean(0) / (SHARE * seen["rack.power"].mean(0))

    assert (abs(ratio - 1) < 0.02 + 0.01 + 0.4 / 12 + 0.005).all()
    assert ratio.std() > 0.001  # the sensors do err


def test_what_the_racks_give_the_exchanger_takes() -> None:
    of = pod(seconds=300)
    given, taken = 0.0, 0.0
    stored = (of.loop.rack_return * of.parameters.cooling.rack_heat_capacity).sum()
    for _ in range(600):
        of.advance(of.time + STEP)
        given += SHARE * of.power.sum()
        taken += of.loop.rejected
    stored = (of.loop.rack_return * of.parameters.cooling.rack_heat_capacity).sum() - stored

    assert taken + stored == pytest.approx(given, rel=0.01)


def test_flows_and_pressures_close() -> None:
    of = pod("flow_restricted@Pod1-R02+10", seconds=200)
    cooling = of.parameters.cooling

    assert exact(of, "cdu.flow")[0] == pytest.approx(exact(of, "rack.flow").sum())
    branch = exact(of, "rack.pressure") + cooling.valve_k / (exact(of, "rack.valve") / 100) ** 2 * exact(of, "rack.flow") ** 2
    assert branch == pytest.approx(np.full(6, exact(of, "cdu.pressure")[0]), rel=0.03)
    mix = (of.loop.flow * of.loop.rack_return).sum() / of.loop.flow.sum()
    assert exact(of, "cdu.return_temperature")[0] == pytest.approx(mix, abs=0.3)
    assert exact(of, "cdu.supply_pressure")[0] - exact(of, "cdu.return_pressure")[0] == pytest.approx(exact(of, "cdu.pressure")[0])


def test_the_power_path_closes() -> None:
    of = pod("phase_loss@Pod1-R04-TAP-A+10", seconds=60)
    tap, bus = exact(of, "tap.active_power").reshape(2, 6), exact(of, "bus.active_power")
    amps = np.array([exact(of, f"tap.current_{phase}") for phase in "abc"])

    assert tap.sum(0) == pytest.approx(exact(of, "rack.power"))
    assert bus == pytest.approx(tap.sum(1) * 1.003)
    assert amps.mean(0) == pytest.approx(exact(of, "tap.current"))
    assert np.array([exact(of, f"bus.current_{phase}") for phase in "abc"]) == pytest.approx(amps.reshape(3, 2, 6).sum(2))
    sound = np.arange(12) != 3
    power = np.sqrt(3) * exact(of, "tap.voltage") * exact(of, "tap.current") * exact(of, "tap.power_factor") / 1000
    assert power[sound] == pytest.approx(tap.reshape(-1)[sound], rel=1e-6)


def test_load_varies_fast_and_slowly_within_its_bounds_and_dips_for_checkpoints() -> None:
    power = series(pod(), 1900, "rack.power")["rack.power"]

    assert power.min() > 55
    assert power.max() < 115
    assert abs(np.diff(power, axis=0)).max() > 3
    assert power[:600].mean(0).std() > 0.5
    assert (power < 70).all(1).sum() >= 20  # all racks of one job at once


def test_a_seed_says_everything_however_time_passes() -> None:
    one, other = pod(), pod()
    one.advance(START + 40)
    for _ in range(400):
        other.advance(other.time + STEP / 10)
        other.advance(START + 40)

    assert one.age == other.age == 40
    assert np.array_equal(one.measured, other.measured)
    assert not np.array_equal(one.measured, pod(seed=2, seconds=40).measured)


@pytest.mark.parametrize("racks", [1, 40])
def test_any_number_of_racks_runs_steadily(racks: int) -> None:
    of = pod(racks=racks, seconds=120)

    assert exact(of, "rack.flow") == pytest.approx(np.full(racks, 100.0), rel=0.02)
    assert exact(of, "cdu.pump_1")[0] == pytest.approx(62, abs=1)


def test_a_restricted_rack_gets_too_little_flow_and_warms_and_its_neighbours_keep_theirs() -> None:
    of = pod("flow_restricted@Pod1-R02+60", seconds=60)
    before = exact(of, "rack.flow")
    of.advance(START + 80)
    seen = series(of, 300, "rack.flow", "rack.power", "rack.return_temperature", "rack.supply_temperature", "rack.valve")
    hot = seen["rack.return_temperature"] - seen["rack.supply_temperature"]

    assert (seen["rack.flow"][:, 1] < 0.9 * 0.67 * seen["rack.power"][:, 1]).all()
    assert hot[-1, 1] > 25
    assert seen["rack.valve"][-1, 1] == 100  # its control valve does what it can
    others = np.arange(6) != 1
    assert exact(of, "rack.flow")[others] == pytest.approx(before[others], rel=0.02)
    assert (hot[:, others] < 17).all()


def test_a_leak_wets_the_rope_and_drains_the_reservoir_until_it_is_repaired() -> None:
    of = pod("leak@Pod1-R03+30-120", seconds=29)
    assert not of.read("rack.leak").any()

    of.advance(START + 40)
    assert of.read("rack.leak").tolist() == [0, 0, 1, 0, 0, 0]

    of.advance(START + 200)
    assert not of.read("rack.leak").any()
    assert exact(of, "cdu.level")[0] == pytest.approx(75 - 100 * 1.5 / 200, abs=0.02)  # 1 L/min for 1.5 min out of 200 L


def test_a_tripped_pump_takes_all_flow_until_the_standby_runs_and_stays() -> None:
    of = pod("pump_trip@Pod1-CDU-1+60-200", seconds=60)
    seen = series(of, 240, "rack.flow", "cdu.pump_1", "cdu.pump_2", "cdu.pressure")

    assert (seen["rack.flow"][:10].min(0) < 36).all()
    assert (seen["cdu.pressure"][:10] < 10).any()
    assert (seen["rack.flow"][60:] > 90).all()
    assert (seen["cdu.pump_1"][30:] == 0).all()
    assert (seen["cdu.pump_2"][30:] > 50).all()


def test_a_lost_phase_shifts_the_load_to_the_other_supplies() -> None:
    sound, struck = pod(seconds=60), pod("phase_loss@Pod1-R04-TAP-A+30", seconds=60)
    ratio = {phase: exact(struck, f"tap.current_{phase}") / exact(sound, f"tap.current_{phase}") for phase in "abc"}

    assert ratio["c"][3] == 0
    assert [ratio["a"][3], ratio["b"][3], *(ratio[phase][9] for phase in "abc")] == pytest.approx([1.2] * 5, rel=0.01)
    assert exact(struck, "tap.voltage")[3] < 0.75 * exact(sound, "tap.voltage")[3]
    assert np.array_equal(exact(struck, "rack.power"), exact(sound, "rack.power"))
    others = np.array([number not in {3, 9} for number in range(12)])
    assert np.array_equal(exact(struck, "tap.current")[others], exact(sound, "tap.current")[others])


def test_a_dead_flow_meter_changes_its_own_reading_alone() -> None:
    sound, struck = pod(seconds=60), pod("flow_sensor_dead@Pod1-CDU-1+30", seconds=60)
    row = struck.sensors.rows["cdu.flow"][0]

    assert struck.measured[row] == 0
    assert np.array_equal(np.delete(struck.measured, row), np.delete(sound.measured, row))
    assert np.array_equal(struck.exact, sound.exact)


def test_sensors_report_on_their_own_grid() -> None:
    of = pod(seconds=5)
    step = of.sensors.step
    noisy = step > 0

    assert np.allclose(of.measured[noisy] / step[noisy], np.round(of.measured[noisy] / step[noisy]), atol=1e-6)
    assert np.array_equal(of.measured[~noisy], of.exact[~noisy])


def test_a_pod_names_what_it_cannot_be() -> None:
    with pytest.raises(InputError, match="at least 1"):
        pod(racks=0)
    with pytest.raises(InputError, match='"a/b" is no name'):
        Pod(1, start=START, name="a/b")
