"""The simulated exporters' pages: read by Prometheus' own parser, compared with the plant and with a recorded page."""

import asyncio
import doctest
import re

import aiohttp
import pytest
from data import recorded
from prometheus_client import parser
from served import Served, pod, refused

from monitor.simulate.devices import Options, dcgm

PLANT = {  # sample -> point and factor of its quantity on the GPU
    "DCGM_FI_DEV_SM_CLOCK": ("core_clock", 1e-6),
    "DCGM_FI_DEV_MEM_CLOCK": ("memory_clock", 1e-6),
    "DCGM_FI_DEV_MEMORY_TEMP": ("memory_temperature", 1),
    "DCGM_FI_DEV_GPU_TEMP": ("temperature", 1),
    "DCGM_FI_DEV_POWER_USAGE": ("power", 1000),
    "DCGM_FI_DEV_GPU_UTIL": ("utilization", 1),
    "DCGM_FI_PROF_GR_ENGINE_ACTIVE": ("utilization", 0.01),
    "DCGM_FI_DEV_PCIE_REPLAY_COUNTER_total": ("pcie_replays", 1),
    "DCGM_FI_DEV_UNCORRECTABLE_REMAPPED_ROWS_total": ("remapped_rows_uncorrected", 1),
    "DCGM_FI_DEV_CORRECTABLE_REMAPPED_ROWS_total": ("remapped_rows_corrected", 1),
    "DCGM_FI_DEV_ROW_REMAP_FAILURE": ("row_remap_failed", 1),
    "DCGM_FI_DEV_ECC_SBE_VOL_TOTAL_total": ("corrected_errors", 1),
    "DCGM_FI_DEV_POWER_VIOLATION_total": ("power_throttle_time", 1e9),
    "DCGM_FI_DEV_GPU_TEMP_LIMIT": ("temperature_margin", 1),
    "DCGM_FI_DEV_PCIE_LINK_WIDTH": ("pcie_width", 1),
}
KUBERNETES = {"container", "namespace", "pod", "pod_uid"}


async def page(served: Served, tray: str = "R01/tray3") -> str:
    async with aiohttp.ClientSession() as session, session.get(served.devices.addresses.dcgm[tray]) as response:
        assert response.status == 200
        assert response.content_type == "text/plain"
        return await response.text()


def samples(text: str) -> dict[tuple[str, str], float]:
    """Return values by name and GPU, or CPU, as Prometheus' own parser reads them."""
    return {
        (sample.name, sample.labels.get("gpu", sample.labels.get("cpu", ""))): sample.value
        for family in parser.text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_the_names_in_docstrings_are_true() -> None:
    assert doctest.testmod(dcgm) == (0, 1)


@pytest.mark.parametrize("fields", ["default", "early_life"])
async def test_every_sample_is_the_plants_value_in_dcgms_unit(fields: str) -> None:
    async with pod("dcgm", options=Options(dcgm_fields=fields)) as served:
        served.step(600.0)
        found = samples(await page(served))

        compared = 0
        for (name, gpu), value in found.items():
            if name in PLANT:
                quantity, factor = PLANT[name]
                expected = factor * served.physics.value(f"R01/tray3/gpu{int(gpu) + 1}:{quantity}")
                assert value == pytest.approx(expected, abs=0.51 if float(value).is_integer() else 1e-6), name
                compared += 1
        assert compared == 4 * (11 if fields == "default" else 15)


async def test_types_and_families_are_those_of_the_counters_file() -> None:
    async with pod("dcgm") as served:
        text = await page(served)
    lines = text.splitlines()

    assert text.endswith("\n")
    kinds = dict(re.findall(r"# TYPE (\S+) (\S+)", text))
    assert kinds["DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION"] == "counter"
    assert kinds["DCGM_FI_DEV_GPU_TEMP"] == "gauge"
    assert list(kinds) == [field.name for field in dcgm.DEFAULT]
    for number, line in enumerate(lines):
        if line.startswith("# TYPE"):
            assert lines[number - 1].startswith(f"# HELP {line.split()[2]} ")


async def test_labels_and_number_forms_are_those_of_a_recorded_page() -> None:
    recording = recorded("data", "gpu", "dcgm", "h100_8gpu_metrics.prom").read_text().splitlines()

    def form(line: str) -> tuple[str, list[str], str, str]:
        match = re.fullmatch(r"(\w+)\{(.*)\} (\S+)", line)
        assert match
        labels = dict(re.findall(r'(\w+)="([^"]*)"', match[2]))
        return match[1], [key for key in labels if key not in KUBERNETES], match[3], labels["pci_bus_id"]

    def shape(value: str) -> str:
        return re.sub(r"\d+", "9", value) if "." not in value else f"9.{'9' * len(value.partition('.')[2])}"

    async with pod("dcgm") as served:
        ours = {found[0]: found for line in (await page(served)).splitlines() if "{" in line and (found := form(line))}
    compared = 0
    for name, keys, value, bus in map(form, recording):
        if name in ours:
            assert ours[name][1] == keys
            assert shape(ours[name][2]) == shape(value)
            assert shape(re.sub("[0-9A-F]", "0", ours[name][3])) == shape(re.sub("[0-9A-F]", "0", bus))
            compared += 1
    assert compared == 24  # temperature, power and utilization of eight GPUs


async def test_identity_of_a_gpu_is_stable_and_its_own() -> None:
    async with pod("dcgm") as served:
        first, again, other = [await page(served, tray) for tray in ("R01/tray3", "R01/tray3", "R01/tray4")]

    def uuids(text: str) -> set[str]:
        return set(re.findall(r'UUID="([^"]+)"', text))

    assert uuids(first) == uuids(again)
    assert len(uuids(first) | uuids(other)) == 8
    assert re.findall(r'Hostname="([^"]+)"', other)[0] == "r01-tray4"


async def test_energy_is_power_over_time_and_begins_anew_with_a_reboot() -> None:
    name = ("DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION_total", "1")
    async with pod("dcgm") as served:
        before, joules = samples(await page(served))[name], 0.0
        for _ in range(10):
            served.step(10.0)
            joules += 10 * 1000 * served.physics.value("R01/tray3/gpu2:power")
        after = samples(await page(served))[name]
        assert after - before == pytest.approx(1000 * joules, rel=1e-9)

        await served.past(60.0, asyncio.create_task(served.devices.reboot("R01/tray3", 60.0)))
        assert samples(await page(served))[name] == 0
        assert samples(await page(served, "R01/tray4"))[name] > 0


async def test_the_newest_xid_is_shown_until_a_reboot() -> None:
    async with pod("dcgm") as served:
        row = served.physics.row("R01/tray3/gpu2:xid")
        served.step(1.0, [(row, 94), (row, 63)])
        found = samples(await page(served))
        assert [found["DCGM_FI_DEV_XID_ERRORS", str(gpu)] for gpu in range(4)] == [0, 63, 0, 0]

        await served.past(60.0, asyncio.create_task(served.devices.reboot("R01/tray3", 60.0)))
        assert samples(await page(served))["DCGM_FI_DEV_XID_ERRORS", "1"] == 0
        served.step(1.0, [(row, 79)])
        assert samples(await page(served))["DCGM_FI_DEV_XID_ERRORS", "1"] == 79


async def test_a_gpu_without_values_is_left_out_and_a_host_without_power_does_not_answer() -> None:
    async with pod("dcgm") as served:
        served.put("R01/tray3/gpu2:power", float("nan"))
        assert {gpu for _, gpu in samples(await page(served))} == {"0", "2", "3"}

        for gpu in (1, 3, 4):
            served.put(f"R01/tray3/gpu{gpu}:power", float("nan"))
        with pytest.raises(aiohttp.ClientError):
            await page(served)


async def test_other_paths_and_methods_are_refused() -> None:
    async with pod("dcgm") as served, aiohttp.ClientSession() as session:
        url = served.devices.addresses.dcgm["R01/tray3"]
        for method, wrong, status in (("GET", url + "x", 404), ("GET", url.replace("/tray/R01", ""), 404), ("POST", url, 405)):
            async with session.request(method, wrong) as response:
                assert response.status == status


@pytest.mark.parametrize("each", [False, True])
async def test_a_reboot_is_an_outage_of_one_tray_alone(each: bool) -> None:
    async with pod("dcgm", options=Options(dcgm_each=each)) as served:
        urls = served.devices.addresses.dcgm
        assert len(set(urls.values())) == 18
        task = asyncio.create_task(served.devices.reboot("R01/tray3", 60.0))
        await served.asleep()

        assert await refused(urls["R01/tray3"]) == each
        with pytest.raises(aiohttp.ClientError):
            await page(served)
        assert await page(served, "R01/tray4")

        await served.past(60.0, task)
        assert served.devices.addresses.dcgm == urls
        assert await page(served)


async def test_a_frozen_exporter_repeats_itself_and_a_slow_one_makes_wait() -> None:
    async with pod("dcgm") as served:
        served.devices.freeze("R01/tray3/gpu2")
        before = await page(served)
        served.step(600.0)
        assert await page(served) == before
        served.devices.thaw("R01/tray3")
        assert await page(served) != before

        served.devices.slow("R01/tray3", 7.0)
        task = asyncio.create_task(page(served))
        await served.asleep()
        assert not task.done()
        assert await served.past(7.0, task)
