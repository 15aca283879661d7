"""All device wires of a pod together: their addresses, their troubles, and what is refused."""

import asyncio
import json
import socket
from dataclasses import asdict

import aiohttp
import numpy as np
import pytest
from pymodbus.client import AsyncModbusTcpClient
from served import LOGIN, pod, refused

from monitor.clock import ManualClock
from monitor.errors import InputError
from monitor.simulate.devices import WIRES, Options, serve
from monitor.simulate.devices.readout import Readout
from monitor.simulate.physics import Physics


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


async def test_addresses_name_every_device_and_are_json() -> None:
    async with pod(*WIRES, racks=2, prefix="Pod1-") as served:
        told = json.loads(json.dumps(asdict(served.devices.addresses)))

        assert len(told["dcgm"]) == 18
        assert set(told["redfish"]) == {
            *(f"Pod1-R01/tray{number}" for number in range(1, 19)),
            *(f"Pod1-R01/shelf{number}" for number in range(1, 9)),
            *("Pod1-R01/switches", "Pod1-CDU1"),
        }
        assert set(told["modbus"]) == {"Pod1-CDU1", *(f"Pod1-R01/shelf{number}" for number in range(1, 9))}
        assert told["modbus_units"]["Pod1-R01/shelf2"]["202"] == "Pod1-R01/shelf2/psu3"
        assert set(told["snmp"]) == {"Pod1-R01-TAP-A", "Pod1-R02-TAP-A", "Pod1-PDU-A", "Pod1-PDU-B"}
        assert told["redfish_login"] == ["monitor", "monitor"]
        assert told["syslog"].endswith("kern.log")


async def test_only_the_wires_asked_for_are_there() -> None:
    async with pod("modbus") as served:
        told = asdict(served.devices.addresses)
        assert {key for key, value in told.items() if value and any(value)} == {"modbus", "modbus_units"}
        assert served.devices.counts() == {"syslog_sent": 0, "syslog_lost": 0, "redfish_events_lost": 0}


async def test_given_ports_are_taken_and_given_back() -> None:
    physics = Physics(1, seed=1)
    for _ in range(2):
        ports = {wire: free_port() for wire in ("dcgm", "redfish", "modbus", "snmp")}
        async with serve(physics, ManualClock(physics.time), ports=ports, options=Options(redfish_each=False)) as devices:
            told = devices.addresses
            assert f":{ports['dcgm']}/" in told.dcgm["R01/tray1"]
            assert told.redfish["R01/tray1"].endswith(f":{ports['redfish']}")
            assert told.modbus["CDU1"].endswith(f":{ports['modbus']}")
            assert told.snmp["R01-TAP-A"].endswith(f":{ports['snmp']}")
        for wire in ("dcgm", "redfish", "modbus"):
            assert await refused(f"127.0.0.1:{ports[wire]}")


@pytest.mark.parametrize("wire", ["dcgm", "redfish", "modbus", "snmp"])
async def test_a_taken_port_is_an_error_and_leaves_nothing_open(wire: str) -> None:
    physics = Physics(1, seed=1, detail=1)
    kind = socket.SOCK_DGRAM if wire == "snmp" else socket.SOCK_STREAM
    with socket.socket(socket.AF_INET, kind) as taken:
        taken.bind(("127.0.0.1", 0))
        if wire != "snmp":
            taken.listen()
        with pytest.raises(OSError, match=r"in use|address"):
            async with serve(physics, ManualClock(), [wire], ports={wire: taken.getsockname()[1]}, options=Options(redfish_each=False)):
                pass


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"wires": ["bacnet"]}, '"bacnet"; dcgm, redfish, modbus, snmp, syslog would do'),
        ({"ports": {"mqtt": 1}}, 'no device wire is called "mqtt"'),
        ({"options": Options(dcgm_fields="all")}, "default or early_life would do"),
        ({"ports": {"redfish": 5000}}, "redfish was given port 5000, but each device is to have its own"),
        ({"ports": {"dcgm": 5000}, "options": Options(dcgm_each=True)}, "dcgm was given port 5000"),
    ],
)
async def test_what_cannot_be_is_refused_in_words(given: dict[str, object], words: str) -> None:
    with pytest.raises(InputError, match=words):
        async with serve(Physics(1, seed=1), ManualClock(), **given):
            pass


@pytest.mark.parametrize(
    ("asset", "device"),
    [
        ("R01/tray3/gpu2", "R01/tray3"),
        ("R01/tray3", "R01/tray3"),
        ("R01/shelf2/psu3", "R01/shelf2"),
        ("R01/switch4", "R01/switches"),
        ("R01/switches", "R01/switches"),
        ("CDU1/pump1", "CDU1"),
        ("R01-TAP-B", "R01-TAP-A"),
        ("PDU-B", "PDU-B"),
        ("Pod1-R01/tray3/nic1", "R01/tray3"),
    ],
)
def test_an_asset_is_shown_by_a_device(asset: str, device: str) -> None:
    physics = Physics(1, seed=1, prefix="Pod1-")
    assert Readout(physics, ManualClock()).find(asset) == device


@pytest.mark.parametrize("asset", ["R01", "R02/tray1", "R01/tray19", "Room1", "", "R01/tray3x"])
async def test_what_no_device_shows_has_no_troubles(asset: str) -> None:
    async with pod("dcgm") as served:
        for trouble in (served.devices.freeze, served.devices.thaw):
            with pytest.raises(InputError, match="no device is called"):
                trouble(asset)
        with pytest.raises(InputError, match="no device is called"):
            await served.devices.reboot(asset, 1.0)


async def test_a_tray_goes_with_its_host_and_its_bmc_and_comes_back_with_both() -> None:
    async with pod("dcgm", "redfish", options=Options(dcgm_each=True)) as served:
        told = served.devices.addresses
        first = asyncio.create_task(served.devices.reboot("R01/tray3", 60.0))
        await served.asleep()
        await served.devices.reboot("R01/tray3", 60.0)  # it is down already
        assert await refused(told.dcgm["R01/tray3"])
        assert await refused(told.redfish["R01/tray3"])
        assert not await refused(told.redfish["R01/tray4"])
        await served.past(60.0, first)
        async with aiohttp.ClientSession(headers=LOGIN) as session:
            for url in (told.dcgm["R01/tray3"], told.redfish["R01/tray3"] + "/redfish/v1/Systems"):
                async with session.get(url) as response:
                    assert response.status == 200


async def test_a_reboot_that_is_called_off_leaves_the_device_up_in_name() -> None:
    async with pod("dcgm") as served:
        task = asyncio.create_task(served.devices.reboot("R01/tray3", 60.0))
        await served.asleep()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        async with aiohttp.ClientSession() as session, session.get(served.devices.addresses.dcgm["R01/tray3"]) as response:
            assert response.status == 200


async def test_values_are_of_the_moment_also_where_nobody_followed_the_step() -> None:
    async with pod("modbus") as served:
        host, _, port = served.devices.addresses.modbus["CDU1"].partition(":")
        client = AsyncModbusTcpClient(host, port=int(port))
        await client.connect()
        served.physics.values = np.full(served.physics.values.shape, 42.0)
        answer = await client.read_input_registers(9, count=1, device_id=1)
        assert answer.registers == [4200]
        client.close()


async def test_a_plant_with_few_signals_is_served_as_far_as_it_goes() -> None:
    names = frozenset({"rack.power", "gpu.power", "gpu.temperature", "cdu.flow"})
    async with pod("dcgm", "redfish", "modbus", "snmp", signals=names) as served, aiohttp.ClientSession(headers=LOGIN) as session:
        async with session.get(served.devices.addresses.dcgm["R01/tray3"]) as response:
            page = await response.text()
        assert "DCGM_FI_DEV_GPU_TEMP{" in page
        assert "DCGM_FI_DEV_MEMORY_TEMP{" not in page
        base = served.devices.addresses.redfish["R01/tray3"]
        async with session.get(f"{base}/redfish/v1/Chassis/HGX_GPU_0/Sensors/HGX_GPU_0_DRAM_0_Temp_0") as response:
            assert (await response.json())["Reading"] is None
