"""`dcmon simulate --devices`: the racks' own wires beside the bus, and trouble that is ordered for a device."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import aiohttp
import pytest
import yaml

from monitor.cli import simulate
from monitor.clock import WallClock
from monitor.simulate import devices
from monitor.simulate.attend import Attendant
from monitor.simulate.broker import demo_broker
from monitor.simulate.fleet import Fleet
from monitor.simulate.injection import Injection


def test_the_command_knows_every_device_wire() -> None:
    assert simulate.DEVICE_WIRES == devices.WIRES


async def test_the_command_serves_what_it_says_and_writes_what_the_monitor_needs(tmp_path: Path) -> None:
    async with demo_broker(tmp_path / "broker") as address:
        words = [
            "simulate",
            "--racks",
            "1",
            "--wire",
            "dsx,frames",
            "--devices",
            "dcgm",
            "--port",
            address.port,
            "--write",
            tmp_path / "site",
        ]
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "monitor", *map(str, words), stderr=subprocess.PIPE, stdout=subprocess.PIPE
        )
        try:
            async with asyncio.timeout(60):
                while not (tmp_path / "site/addresses.json").exists() or not (tmp_path / "site/addresses.json").read_text():
                    await asyncio.sleep(0.05)
                found = json.loads((tmp_path / "site/addresses.json").read_text())
                async with aiohttp.ClientSession() as client, client.get(found["Pod1"]["dcgm"]["Pod1-R01/tray3"]) as answer:
                    page = await answer.text()
        finally:
            process.terminate()
            await process.communicate()
    checked = subprocess.run(
        [sys.executable, "-m", "monitor", "check", tmp_path / "site/monitor.yaml"], capture_output=True, text=True, check=False
    )

    assert "DCGM_FI_DEV_GPU_TEMP" in page
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert [link["dialect"] for link in yaml.safe_load((tmp_path / "site/monitor.yaml").read_text())["links"]] == ["dsx", "frames"]
    assert process.returncode == 0


async def test_a_controller_reboots_when_it_is_ordered_and_comes_back() -> None:
    clock = WallClock(20, 1_767_225_600.0)
    orders = [Injection.parse("bmc_reboot@r1/tray3+2~time=10"), Injection.parse("bmc_slow@r1/tray4+2-4")]
    fleet = Fleet(1, start=clock.now(), faults=orders, settle=10)
    (pod,) = fleet.pods
    async with (
        devices.serve(pod.physics, clock, ("dcgm",), options=devices.Options(dcgm_each=True)) as served,
        aiohttp.ClientSession() as client,
    ):
        attendant = Attendant(fleet, [served])
        page = served.addresses.dcgm["Pod1-R01/tray3"]

        async def answers() -> bool:
            try:
                async with client.get(page) as answer:
                    return answer.status == 200
            except aiohttp.ClientError:
                return False

        assert await answers()
        fleet.advance(fleet.start + 3)
        attendant.step()
        await asyncio.sleep(0.05)
        assert not await answers()
        async with asyncio.timeout(20):
            while not await answers():
                await asyncio.sleep(0.05)


@pytest.mark.parametrize("text", ["dcgm,telnet", "dcmg"])
def test_a_wire_that_is_none_is_named(text: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "monitor", "simulate", "--devices", text], capture_output=True, text=True, timeout=60, check=False
    )

    assert done.returncode == 2
    assert "no wire is called" in done.stderr
