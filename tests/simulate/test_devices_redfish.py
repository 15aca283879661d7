"""The simulated controllers' Redfish: walked to the end by an HTTP client, compared with the plant and with recorded trees."""

import asyncio
import json
import tarfile
from collections.abc import AsyncIterator, Iterator
from typing import Any

import aiohttp
import pytest
from data import recorded
from served import LOGIN, Served, pod, refused

from monitor.simulate.devices import Options
from monitor.simulate.devices.redfish import events, service

ROOT = "/redfish/v1"
LEAK = f"{ROOT}/Chassis/Chassis_0/ThermalSubsystem/LeakDetection/LeakDetectors/Chassis_0_LeakDetector_0_ColdPlate"
UNITS = {"Cel", "W", "V", "A", "RPM", "%", "L/min", "kPa", "J", "mm/s"}
SUFFIXES = ("Celsius", "Watts", "Amps", "Voltage", "kPa", "PerMinute", "Percent", "Joules", "kWh")  # that name an excerpt's unit
TRAY = {  # sensor -> point and factor on the tray
    "Chassis_0/Sensors/Chassis_0_FAN_1_FRONT": ("tray3:fan_rotation", 1),
    "Chassis_0/Sensors/Chassis_0_FAN_1_PWM": ("tray3:fan_demand", 1),
    "Chassis_0/Sensors/Chassis_0_TotalHSC_Power_0": ("tray3:power", 1000),
    "Chassis_0/Sensors/Chassis_0_Front_IO_Temp_0": ("tray3:inlet_temperature", 1),
    "Chassis_0/Sensors/Chassis_0_Coolant_Return_Temp_0": ("tray3:liquid_return_temperature", 1),
    "PDB_0/Sensors/PDB_0_HSC_0_Volt_In_0": ("tray3:input_voltage", 1),
    "PDB_0/Sensors/PDB_0_Bus_Clip_Temp_0": ("tray3:joint_temperature[bus_clip]", 1),
    "NVME_M2_0/Sensors/NVME_M2_0_Temp_0": ("tray3/drive1:temperature", 1),
    "IO_Board_1/Sensors/IO_Board_1_CX_0_Transceiver_Temp_0": ("tray3/nic3:optical_temperature", 1),
    "HGX_CPU_1/Sensors/ProcessorModule_1_CPU_0_Power_0": ("tray3/cpu2:power", 1000),
    "HGX_CPU_1/Sensors/ProcessorModule_1_CPU_0_TempAvg_0": ("tray3/cpu2:temperature", 1),
    "HGX_GPU_2/Sensors/HGX_GPU_2_TEMP_0": ("tray3/gpu3:temperature", 1),
    "HGX_GPU_2/Sensors/HGX_GPU_2_TEMP_1": ("tray3/gpu3:temperature_margin", 1),
    "HGX_GPU_2/Sensors/HGX_GPU_2_DRAM_0_Temp_0": ("tray3/gpu3:memory_temperature", 1),
    "HGX_GPU_2/Sensors/HGX_GPU_2_Power_0": ("tray3/gpu3:power", 1000),
}
SHELF = {
    "total_power_in": ("shelf2:input_power", 1000),
    "total_power_out": ("shelf2:output_power", 1000),
    "total_current_out": ("shelf2:output_current", 1),
    "max_voltage_out": ("shelf2:output_voltage", 1),
    "current_in_A_B": ("shelf2:phase_current[b]", 1),
    "ps3_input_voltage": ("shelf2/psu3:input_voltage", 1),
    "ps3_input_current": ("shelf2/psu3:input_current", 1),
    "ps3_output_power": ("shelf2/psu3:output_power", 1000),
    "ps3_temp_output": ("shelf2/psu3:outlet_temperature", 1),
    "ps3_fan1": ("shelf2/psu3:fan_rotation", 1),
    "ps3_temp_clip_plus": ("shelf2:joint_temperature[bus_clip]", 1),
}
CDU = {
    "SecondarySupplyTemperature": "liquid_temperature[secondary, supply]",
    "SecondaryReturnTemperature": "liquid_temperature[return, secondary]",
    "SecondaryFlowLitersPerMinute": "liquid_flow[secondary]",
    "SecondaryDeltaPressure": "liquid_differential_pressure[secondary]",
    "PrimarySupplyTemperature": "liquid_temperature[inlet, primary]",
    "PrimaryValvePositionPercent": "valve_position[primary]",
    "FilterDeltaPressure": "filter_differential_pressure",
    "ReservoirLevel": "liquid_level",
}


class Client:
    """One controller, asked with basic authentication."""

    def __init__(self, served: Served, device: str, session: aiohttp.ClientSession) -> None:
        self.base, self.session = served.devices.addresses.redfish[device], session

    async def ask(self, path: str, method: str = "GET", **given: Any) -> tuple[int, Any, Any]:
        async with self.session.request(method, self.base + path, **{"headers": LOGIN} | given) as response:
            text = await response.text()
            return response.status, json.loads(text) if text else None, response.headers

    async def get(self, path: str) -> Any:
        status, found, _ = await self.ask(path)
        assert status == 200, path
        return found

    async def walk(self) -> dict[str, Any]:
        """Read all that can be reached from the root; fail where a link leads nowhere."""
        found: dict[str, Any] = {}
        todo = [ROOT]
        while todo:
            uri = todo.pop()
            if uri not in found:
                found[uri] = await self.get(uri)
                todo += links(found[uri])
        return found


def links(value: Any) -> Iterator[str]:
    for key, item in pairs(value):
        if key in {"@odata.id", "DataSourceUri", "MetricProperty", "@odata.nextLink"} or key.endswith("nextLink"):
            yield item.partition("#")[0]


def pairs(value: Any) -> Iterator[tuple[str, Any]]:
    """Yield every key and value, however deep."""
    for item in value.values() if isinstance(value, dict) else value:
        if isinstance(item, dict | list):
            yield from pairs(item)
    if isinstance(value, dict):
        yield from value.items()


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as opened:
        yield opened


@pytest.mark.parametrize(("device", "least"), [("R01/tray3", 250), ("R01/shelf2", 90), ("CDU1", 40), ("R01/switches", 40)])
async def test_every_link_resolves_and_every_number_has_a_unit(device: str, least: int, session: aiohttp.ClientSession) -> None:
    async with pod("redfish") as served:
        served.step(60.0)
        tree = await Client(served, device, session).walk()

    assert len(tree) > least
    for uri, resource in tree.items():
        assert resource["@odata.id"] == uri
        assert resource["@odata.type"].startswith("#")
        if "#Sensor." in resource["@odata.type"]:
            assert resource["Reading"] is not None, uri
            assert resource["ReadingUnits"] in UNITS, uri
        for name, value in pairs(resource):
            rows = value if isinstance(value, list) else [value]
            for row in rows:
                if isinstance(row, dict) and "DataSourceUri" in row and "Reading" in row:
                    assert row["Reading"] == tree[row["DataSourceUri"]]["Reading"]
                    assert name.endswith(SUFFIXES), (uri, name)


async def test_the_readings_are_the_plants_values(session: aiohttp.ClientSession) -> None:
    async with pod("redfish") as served:
        served.step(60.0)
        value = served.physics.value
        tray, shelf, cdu = (Client(served, device, session) for device in ("R01/tray3", "R01/shelf2", "CDU1"))
        for uri, (path, factor) in TRAY.items():
            found = await tray.get(f"{ROOT}/Chassis/{uri}")
            assert found["Reading"] == pytest.approx(factor * value(f"R01/{path}"), abs=1e-6), uri
        for name, (path, factor) in SHELF.items():
            found = await shelf.get(f"{ROOT}/Chassis/PowerShelf_0/Sensors/{name}")
            assert found["Reading"] == pytest.approx(factor * value(f"R01/{path}"), abs=1e-6), name
        for name, path in CDU.items():
            found = await cdu.get(f"{ROOT}/Chassis/CDU_0/Sensors/{name}")
            assert found["Reading"] == pytest.approx(value(f"CDU1:{path}"), abs=1e-6), name

        connector = await cdu.get(f"{ROOT}/ThermalEquipment/CDUs/1/SecondaryCoolantConnectors/1")
        assert connector["SupplyTemperatureControlCelsius"]["SetPoint"] == value("CDU1:liquid_temperature[secondary, supply, setpoint]")
        metrics = await shelf.get(f"{ROOT}/Chassis/PowerShelf_0/PowerSubsystem/PowerSupplies/3/Metrics")
        assert metrics["RailVoltage"][0]["Reading"] == pytest.approx(value("R01/shelf2/psu3:output_voltage"))
        load = (await shelf.get(f"{ROOT}/PowerEquipment/PowerShelves/1/Metrics"))["PowerLoadPercent"]["Reading"]
        assert load == pytest.approx(100 * value("R01/shelf2:output_power") / 33, abs=1e-6)


async def test_a_gpus_counts_and_states_are_the_plants(session: aiohttp.ClientSession) -> None:
    put = {
        "pcie_replays": 5.0,
        "corrected_errors": 7.0,
        "remapped_rows_uncorrected": 2.0,
        "row_remap_pending": 1.0,
        "nvlink_links": 17.0,
        "symbol_errors": 11.0,
        "thermal_throttle_time": 1.25,
        "bit_error_rate": 3e-16,
    }
    async with pod("redfish") as served:
        for quantity, value in put.items():
            served.put(f"R01/tray3/gpu1:{quantity}", value)
        client, gpu = Client(served, "R01/tray3", session), f"{ROOT}/Systems/HGX_Baseboard_0/Processors/GPU_0"
        metrics = await client.get(f"{gpu}/ProcessorMetrics")
        assert metrics["PCIeErrors"]["ReplayCount"] == 5
        assert metrics["ThermalLimitThrottleDuration"] == "PT1.25S"
        assert metrics["OperatingSpeedMHz"] == pytest.approx(1e-6 * served.physics.value("R01/tray3/gpu1:core_clock"))
        assert (await client.get(f"{gpu}/MemorySummary/MemoryMetrics"))["LifeTime"]["CorrectableECCErrorCount"] == 7
        memory = (await client.get(f"{ROOT}/Systems/HGX_Baseboard_0/Memory/GPU_0_DRAM_0/MemoryMetrics"))["Oem"]["Nvidia"]
        assert memory["RowRemapping"]["UncorrectableRowRemappingCount"] == 2
        assert (memory["RowRemappingPending"], memory["RowRemappingFailed"]) == (True, False)
        ports = [await client.get(f"{gpu}/Ports/NVLink_{number}") for number in range(18)]
        assert [port["LinkStatus"] for port in ports] == ["LinkUp"] * 17 + ["LinkDown"]
        link = (await client.get(f"{gpu}/Ports/NVLink_0/Metrics"))["Oem"]["Nvidia"]
        assert (link["SymbolErrors"], link["EffectiveBER"]) == (11, 3e-16)

        await served.past(60.0, asyncio.create_task(served.devices.reboot("R01/tray3", 60.0)))
        assert (await client.get(f"{gpu}/ProcessorMetrics"))["PCIeErrors"]["ReplayCount"] == 0
        memory = (await client.get(f"{ROOT}/Systems/HGX_Baseboard_0/Memory/GPU_0_DRAM_0/MemoryMetrics"))["Oem"]["Nvidia"]
        assert memory["RowRemapping"]["UncorrectableRowRemappingCount"] == 2, "kept in the GPU itself"


async def test_a_device_says_where_it_is(session: aiohttp.ClientSession) -> None:
    async with pod("redfish", prefix="Pod1-") as served:
        chassis = await Client(served, "Pod1-R01/tray3", session).get(f"{ROOT}/Chassis/Chassis_0")
        shelf = await Client(served, "Pod1-R01/shelf2", session).get(f"{ROOT}/Chassis/PowerShelf_0")
        gpu = await Client(served, "Pod1-R01/tray3", session).get(f"{ROOT}/Chassis/HGX_GPU_1")
        supply = await Client(served, "Pod1-R01/shelf2", session).get(f"{ROOT}/Chassis/PowerShelf_0/PowerSubsystem/PowerSupplies/3")

    assert chassis["Location"]["Placement"] == {"Rack": "Pod1-R01", "Row": "Pod1"}
    assert chassis["Location"]["PartLocation"]["LocationOrdinalValue"] == 3
    assert (chassis["AssetTag"], shelf["AssetTag"]) == ("Pod1-R01/tray3", "Pod1-R01/shelf2")
    assert gpu["SerialNumber"] == "Pod1-gpu-00009"
    assert gpu["Location"]["PartLocation"]["ServiceLabel"] == "GPU_1"
    assert (supply["SerialNumber"], supply["Location"]["PartLocation"]["LocationOrdinalValue"]) == ("Pod1-psu-00008", 3)


# --- recorded trees


def archive(name: str) -> dict[str, Any]:
    """Return the resources of a recorded tree, by URI."""
    with tarfile.open(recorded("data", "redfish", name)) as tar:
        found = {}
        for member in tar:
            file = tar.extractfile(member)
            if file is not None and member.name.endswith("index.json"):
                resource = json.load(file)
                found[resource.get("@odata.id", "")] = resource
        return found


async def test_a_tray_has_the_ids_units_and_keys_of_a_recorded_one(session: aiohttp.ClientSession) -> None:
    recording = archive("gb300_part.tar.gz")
    async with pod("redfish") as served:
        ours = await Client(served, "R01/tray3", session).walk()

    both = [uri for uri in ours if uri in recording and "Members" not in ours[uri] and uri != ROOT]
    assert len([uri for uri in both if "/Sensors/" in uri]) >= 10
    assert len(both) >= 60
    added = {"AssetTag", "Location", "UUID", "Manufacturer", "Metrics", "Status", "Oem", "Name", "ProcessorType", "Ports", "SerialNumber"}
    for uri in both:
        extra = set(ours[uri]) - set(recording[uri]) - added
        assert not extra, (uri, extra)
        for key in ("ReadingType", "ReadingUnits", "ReadingBasis", "Id", "LeakDetectorType", "@odata.type", "PhysicalContext"):
            assert ours[uri].get(key) == recording[uri].get(key), (uri, key)
    assert ours[LEAK] | {"Status": 0} == recording[LEAK] | {"Status": 0}
    ours_report = ours[f"{ROOT}/TelemetryService/MetricReports/HGX_PlatformEnvironmentMetrics_0"]
    report = recording[f"{ROOT}/TelemetryService/MetricReports/HGX_PlatformEnvironmentMetrics_0"]
    assert set(ours_report) == set(report)
    assert set(ours_report["MetricValues"][0]) == set(report["MetricValues"][0])
    known = {row["MetricProperty"] for row in report["MetricValues"]}
    assert {row["MetricProperty"] for row in ours_report["MetricValues"]} <= known


async def test_a_shelf_has_the_sensors_of_a_recorded_one(session: aiohttp.ClientSession) -> None:
    recording = archive("lambda_powershelf_delta.tar.gz")
    sensors = {one["Id"]: one for one in recording[f"{ROOT}/Chassis/PowerShelf_0/Sensors"]["Members"]}
    supplies = recording[f"{ROOT}/Chassis/PowerShelf_0/PowerSubsystem/PowerSupplies"]["Members"]
    async with pod("redfish") as served:
        client = Client(served, "R01/shelf2", session)
        ours = (await client.get(f"{ROOT}/Chassis/PowerShelf_0/Sensors?$expand=.($levels=1)"))["Members"]
        supply = await client.get(f"{ROOT}/Chassis/PowerShelf_0/PowerSubsystem/PowerSupplies/1")

    assert len(ours) > 80
    for one in ours:
        assert one["Id"] in sensors
        for key in ("ReadingType", "ReadingUnits", "PhysicalContext"):
            assert one[key] == sensors[one["Id"]][key], one["Id"]
    assert set(supply) <= set(supplies[0])


# --- the service


async def test_a_login_is_needed_and_ends(session: aiohttp.ClientSession) -> None:
    sessions = f"{ROOT}/SessionService/Sessions"
    async with pod("redfish") as served:
        client = Client(served, "R01/tray3", session)
        assert (await client.ask(ROOT, headers={}))[0] == 200
        for headers in ({}, {"Authorization": "Basic !"}, {"Authorization": "Basic bW9uaXRvcjp3cm9uZw=="}, {"X-Auth-Token": "x"}):
            status, body, told = await client.ask(f"{ROOT}/Chassis", headers=headers)
            assert (status, told["WWW-Authenticate"]) == (401, "Basic")
            assert body["error"]["@Message.ExtendedInfo"][0]["MessageId"].endswith(".NoValidSession")
        for wrong in (b"[" * 4000, b"{}", b"[]", json.dumps({"UserName": "a" * 5000, "Password": "b"}).encode()):
            assert (await client.ask(sessions, "POST", data=wrong, headers={}))[0] == 400
        assert (await client.ask(sessions, "POST", json={"UserName": "monitor", "Password": "x"}, headers={}))[0] == 401

        async def log_in() -> tuple[dict[str, str], str]:
            status, _, told = await client.ask(sessions, "POST", json={"UserName": "monitor", "Password": "monitor"}, headers={})
            assert status == 201
            return {"X-Auth-Token": told["X-Auth-Token"]}, told["Location"]

        token, place = await log_in()
        assert (await client.ask(f"{ROOT}/Chassis", headers=token))[0] == 200
        assert (await client.ask(place, headers=token))[1]["UserName"] == "monitor"
        assert (await client.ask(place, "DELETE", headers=token))[0] == 204
        assert (await client.ask(f"{ROOT}/Chassis", headers=token))[0] == 401
        token, place = await log_in()
        served.clock.move(1799.0)
        assert (await client.ask(f"{ROOT}/Chassis", headers=token))[0] == 200
        served.clock.move(1801.0)
        assert (await client.ask(f"{ROOT}/Chassis", headers=token))[0] == 401
        assert (await client.ask(place))[0] == 404
        for _ in range(service.MOST_SESSIONS):
            await log_in()
        assert (await client.ask(sessions, "POST", json={"UserName": "monitor", "Password": "monitor"}, headers={}))[0] == 503


async def test_an_unchanged_resource_is_not_sent_again(session: aiohttp.ClientSession) -> None:
    uri = f"{ROOT}/Chassis/HGX_GPU_0/Sensors/HGX_GPU_0_Power_0"
    async with pod("redfish") as served:
        client = Client(served, "R01/tray3", session)
        tag = (await client.ask(uri))[2]["ETag"]
        status, body, told = await client.ask(uri, headers=LOGIN | {"If-None-Match": tag})
        assert (status, body, told["ETag"]) == (304, None, tag)
        served.step(1.0)
        assert (await client.ask(uri, headers=LOGIN | {"If-None-Match": tag}))[0] == 200


async def test_a_query_expands_pages_or_is_refused(session: aiohttp.ClientSession) -> None:
    sensors = f"{ROOT}/Chassis/PowerShelf_0/Sensors"
    async with pod("redfish", options=Options(redfish_page=25)) as served:
        client = Client(served, "R01/shelf2", session)
        names, uri, pages = [], f"{sensors}?$expand=.($levels=1)", 0
        while uri:
            page = await client.get(uri)
            names += [member["Id"] for member in page["Members"]]
            uri, pages = page.get("Members@odata.nextLink", ""), pages + 1
            assert page["Members@odata.count"] > 80
        assert len(names) == len(set(names)) == page["Members@odata.count"]
        assert pages == -(-len(names) // 25)
        part = await client.get(f"{sensors}?$skip=3&$top=2")
        assert [row["@odata.id"].rpartition("/")[2] for row in part["Members"]] == names[3:5]
        assert "Members@odata.nextLink" not in part
        assert (await client.get(f"{sensors}?$skip=9999"))["Members"] == []

        chassis = await client.get(f"{ROOT}/Chassis/PowerShelf_0?$expand=.($levels=2)")
        assert chassis["PowerSubsystem"]["PowerSupplies"]["Members"][0].keys() == {"@odata.id"}
        chassis = await client.get(f"{ROOT}/Chassis/PowerShelf_0?$expand=.($levels=3)")
        assert chassis["PowerSubsystem"]["PowerSupplies"]["Members"][0]["Name"] == "PowerSupplyUnit 1"
        shelf = f"{ROOT}/PowerEquipment/PowerShelves/1"
        assert "Model" not in (await client.get(f"{shelf}?$expand=."))["Links"]["Chassis"][0]
        assert "Model" in (await client.get(f"{shelf}?$expand=~"))["Links"]["Chassis"][0]
        assert "Name" not in (await client.get(f"{shelf}?$expand=~"))["Metrics"]
        assert "Model" in (await client.get(f"{shelf}?$expand=*($levels=1)"))["Links"]["Chassis"][0]

        for query, status in (("$filter=x", 501), ("$expand=x", 400), ("$expand=.($levels=7)", 400), ("$top=-1", 400), ("$skip=²", 400)):
            assert (await client.ask(f"{sensors}?{query}"))[0] == status, query
        assert (await client.ask(f"{sensors}?only=x"))[0] == 200
        assert (await client.ask(f"{ROOT}/Chassis/nothing"))[0] == 404
        assert (await client.ask(sensors, "PATCH"))[0] == 405


async def test_a_leak_and_a_failed_supply_are_told_as_they_happen(session: aiohttp.ClientSession) -> None:
    async with pod("redfish") as served:

        async def listen(device: str) -> aiohttp.ClientResponse:
            root = await Client(served, device, session).get(f"{ROOT}/EventService")
            response = await session.get(served.devices.addresses.redfish[device] + root["ServerSentEventUri"], headers=LOGIN)
            assert response.content_type == "text/event-stream"
            assert await response.content.readuntil(b"\n\n") == b": \n\n"
            return response

        async def told(stream: aiohttp.ClientResponse) -> Any:
            text = (await stream.content.readuntil(b"\n\n")).decode()
            assert text.startswith("id: ")
            (event,) = json.loads(text.partition("data: ")[2])["Events"]
            return event

        tray, shelf = await listen("R01/tray3"), await listen("R01/shelf2")
        served.put("R01/tray3:leak", 1.0)
        event = await told(tray)
        assert event["MessageId"] == "Environmental.1.4.LeakDetectedCritical"
        assert (event["MessageSeverity"], event["OriginOfCondition"]) == ("Critical", {"@odata.id": LEAK})
        client = Client(served, "R01/tray3", session)
        assert (await client.get(LEAK))["DetectorState"] == "Critical"
        volts = await client.get(f"{ROOT}/Chassis/Chassis_0/Sensors/Chassis_0_LeakDetector_0_ColdPlate")
        assert volts["Reading"] < volts["Thresholds"]["LowerCritical"]["Reading"]
        served.put("R01/tray3:leak", 0.0)
        assert (await told(tray))["MessageId"] == "Environmental.1.4.LeakDetectedNormal"
        assert (await client.get(LEAK))["DetectorState"] == "OK"

        served.put("R01/shelf2/psu3:status", 1.0)
        event = await told(shelf)
        assert (event["MessageId"], event["MessageArgs"]) == ("Power.1.2.PowerSupplyFailed", ["PowerSupplyUnit 3"])
        supply = await Client(served, "R01/shelf2", session).get(event["OriginOfCondition"]["@odata.id"])
        assert supply["Status"]["Health"] == "Critical"

        for number in range(events.MOST_WAITING + 10):  # the listener does not get a turn
            served.put("R01/tray3:leak", float(number % 2 == 0))
        assert served.devices.counts()["redfish_events_lost"] == 10
        tray.close()
        shelf.close()


async def test_what_is_not_known_is_null(session: aiohttp.ClientSession) -> None:
    async with pod("redfish") as served:
        client = Client(served, "R01/tray3", session)
        served.put("R01/tray3/gpu1:temperature", float("nan"))
        served.put("R01/tray3:leak", float("nan"))
        sensor = await client.get(f"{ROOT}/Chassis/HGX_GPU_0/Sensors/HGX_GPU_0_TEMP_0")
        assert (sensor["Reading"], sensor["Status"]["State"]) == (None, "UnavailableOffline")
        assert (await client.get(LEAK))["DetectorState"] == "Unavailable"
        report = await client.get(f"{ROOT}/TelemetryService/MetricReports/HGX_PlatformEnvironmentMetrics_0")
        rows = {row["MetricProperty"]: row["MetricValue"] for row in report["MetricValues"]}
        assert rows[f"{ROOT}/Chassis/HGX_GPU_0/Sensors/HGX_GPU_0_TEMP_0"] == "nan"


async def test_one_service_for_the_pod_keeps_devices_apart(session: aiohttp.ClientSession) -> None:
    async with pod("redfish", options=Options(redfish_each=False)) as served:
        served.step(60.0)
        urls = served.devices.addresses.redfish
        assert len(set(urls.values())) == 1
        assert len(urls) == 18 + 8 + 1 + 1
        client = Client(served, "R01/tray3", session)
        members = {one["@odata.id"].rpartition("/")[2] for one in (await client.get(f"{ROOT}/Chassis"))["Members"]}
        assert {"R01_tray3_Chassis_0", "R01_tray18_HGX_GPU_3", "R01_shelf8_PowerShelf_0", "CDU1_CDU_0"} <= members
        for tray in (3, 11):
            found = await client.get(f"{ROOT}/Chassis/R01_tray{tray}_HGX_GPU_1/Sensors/HGX_GPU_1_Power_0")
            assert found["Reading"] == pytest.approx(1000 * served.physics.value(f"R01/tray{tray}/gpu2:power"))
        report = await client.get(f"{ROOT}/TelemetryService/MetricReports/R01_tray3_HGX_PlatformEnvironmentMetrics_0")
        assert len(report["MetricValues"]) == 4 * 5 + 2 * 3
        task = asyncio.create_task(served.devices.reboot("R01/tray3", 60.0))
        await served.asleep()
        assert (await client.ask(f"{ROOT}/Chassis/R01_tray3_HGX_GPU_1/Sensors"))[0] == 503
        assert (await client.ask(f"{ROOT}/Chassis/R01_tray11_HGX_GPU_1/Sensors"))[0] == 200
        assert (await client.ask(f"{ROOT}/Chassis"))[0] == 200
        await served.past(60.0, task)
        assert (await client.ask(f"{ROOT}/Managers/R01_tray3_BMC_0"))[1]["LastResetTime"] == "2026-01-01T00:02:01.000+00:00"
        for uri in links(await client.get(f"{ROOT}/Systems/R01_tray7_HGX_Baseboard_0/Processors/GPU_0")):
            await client.get(uri)


async def test_a_wrong_clock_a_hang_and_a_reboot_show_as_such(session: aiohttp.ClientSession) -> None:
    report = f"{ROOT}/TelemetryService/MetricReports/HGX_PlatformEnvironmentMetrics_0"
    manager = f"{ROOT}/Managers/BMC_0"
    async with pod("redfish") as served:
        client = Client(served, "R01/tray3", session)
        assert (await client.get(manager))["DateTime"] == "2026-01-01T00:00:01.000+00:00"
        served.devices.skew("R01/tray3", 3600.0)
        assert (await client.get(manager))["DateTime"] == "2026-01-01T01:00:01.000+00:00"
        assert (await client.get(report))["MetricValues"][0]["Timestamp"] == "2026-01-01T01:00:01.000+00:00"
        served.devices.skew("R01/tray3", 0.0)

        served.devices.freeze("R01/tray3")
        before = await client.get(report)
        served.step(60.0)
        assert await client.get(report) == before
        assert (await client.get(manager))["DateTime"] == "2026-01-01T00:01:01.000+00:00"

        stream = await session.get(client.base + f"{ROOT}/EventService/SSE", headers=LOGIN)
        task = asyncio.create_task(served.devices.reboot("R01/tray3", 60.0))
        await served.asleep()
        assert await refused(client.base)
        with pytest.raises(aiohttp.ClientError):
            await stream.content.readuntil(b"id: ")
        stream.close()
        await served.past(60.0, task)
        power = {row["MetricProperty"].rpartition("/")[2]: float(row["MetricValue"]) for row in (await client.get(report))["MetricValues"]}
        assert power["HGX_GPU_0_Power_0"] == pytest.approx(1000 * served.physics.value("R01/tray3/gpu1:power"))
        assert (await client.get(manager))["LastResetTime"] == (await client.get(manager))["DateTime"]

        served.devices.slow("R01/tray3", 5.0)
        slow = asyncio.create_task(client.get(manager))
        await served.asleep()
        assert not slow.done()
        assert await served.past(5.0, slow)
