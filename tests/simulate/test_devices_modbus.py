"""The simulated Modbus devices, read by pymodbus' client and decoded by hand; maps compared with Open Rack v3's."""

import asyncio
import contextlib
import json
import struct
from collections.abc import AsyncIterator

import pytest
from data import recorded
from pymodbus.client import AsyncModbusTcpClient
from served import Served, pod, refused

from monitor.simulate.devices.modbus import CDU_UNIT, FIRST_SUPPLY, RPU_UNIT
from monitor.simulate.devices.registers import CDU, INPUT, PSU, RPU, Register

SUPPLY = FIRST_SUPPLY + 2  # R01/shelf2/psu3
FAHRENHEIT = {0: "secondary, supply", 1: "return, secondary", 2: "inlet, primary", 3: "outlet, primary"}
TENTHS = {
    4: "liquid_pressure[secondary, supply]",
    5: "liquid_pressure[return, secondary]",
    6: "liquid_differential_pressure[secondary]",
    7: "filter_differential_pressure",
    8: "liquid_pressure[inlet, primary]",
    10: "valve_position[primary]",
    11: "pump1_speed[secondary]",
    12: "pump2_speed[secondary]",
}
FIXED = {  # Open Rack v3 register -> fraction bits, signed, quantity, factor
    69: (7, True, "inlet_temperature", 1),
    70: (7, True, "outlet_temperature", 1),
    79: (10, False, "output_voltage", 1),
    80: (6, False, "output_current", 1),
    82: (3, False, "output_power", 1000),
    87: (3, False, "input_power", 1000),
    88: (6, False, "input_voltage", 1),
    89: (10, False, "input_current", 1),
    67: (0, False, "fan_rotation", 1),
}


@contextlib.asynccontextmanager
async def client(served: Served, device: str) -> AsyncIterator[AsyncModbusTcpClient]:
    host, _, port = served.devices.addresses.modbus[device].partition(":")
    opened = AsyncModbusTcpClient(host, port=int(port), reconnect_delay=0, timeout=5, retries=0)
    assert await opened.connect()
    try:
        yield opened
    finally:
        opened.close()


async def held(bus: AsyncModbusTcpClient, unit: int, address: int, count: int = 1) -> list[int]:
    answer = await bus.read_holding_registers(address, count=count, device_id=unit)
    assert not answer.isError(), answer
    return answer.registers


async def measured(bus: AsyncModbusTcpClient, address: int, count: int = 1) -> list[int]:
    answer = await bus.read_input_registers(address, count=count, device_id=CDU_UNIT)
    assert not answer.isError(), answer
    return answer.registers


def signed(word: int) -> int:
    return word - (1 << 16) if word & 0x8000 else word


async def test_a_cdu_by_its_own_map_is_the_plants_values() -> None:
    async with pod("modbus") as served, client(served, "CDU1") as bus:
        served.step(60.0)
        value = served.physics.value
        words = await measured(bus, 0, 13)
        for address, tags in FAHRENHEIT.items():
            assert (signed(words[address]) / 10 - 32) / 1.8 == pytest.approx(value(f"CDU1:liquid_temperature[{tags}]"), abs=0.03)
        for address, path in TENTHS.items():
            assert signed(words[address]) / 10 == pytest.approx(value(f"CDU1:{path}"), abs=0.051), path
        assert words[9] / 100 == pytest.approx(value("CDU1:liquid_level"), abs=0.0051)

        low, high = await measured(bus, 20, 2)
        assert struct.unpack(">f", struct.pack(">HH", high, low))[0] == pytest.approx(value("CDU1:liquid_flow[secondary]"), rel=1e-6)
        high, low = await measured(bus, 24, 2)
        assert high << 16 | low == round(1000 * value("CDU1/pump1:pump_power"))
        setpoint = signed((await held(bus, CDU_UNIT, 0))[0])
        assert (setpoint / 10 - 32) / 1.8 == pytest.approx(value("CDU1:liquid_temperature[secondary, supply, setpoint]"), abs=0.03)
        high, low = await held(bus, CDU_UNIT, 10, 2)
        assert high << 16 | low == int(served.clock.now())


async def test_a_cdu_by_the_pumping_units_map_is_the_same() -> None:
    async with pod("modbus") as served, client(served, "CDU1") as bus:
        value = served.physics.value
        flow, outlet, inlet, high, low = await held(bus, RPU_UNIT, 0x9000, 5)
        assert flow / 10 == pytest.approx(value("CDU1:liquid_flow[secondary]"), abs=0.051)
        assert outlet / 10 == pytest.approx(value("CDU1:liquid_temperature[secondary, supply]"), abs=0.051)
        assert inlet / 10 == pytest.approx(value("CDU1:liquid_temperature[return, secondary]"), abs=0.051)
        assert high / 10 == pytest.approx(value("CDU1:liquid_pressure[secondary, supply]"), abs=0.051)
        assert low / 10 == pytest.approx(value("CDU1:liquid_pressure[return, secondary]"), abs=0.051)
        assert (await held(bus, RPU_UNIT, 0x9009))[0] == round(value("CDU1:pump1_speed[secondary]"))


async def test_a_supply_is_the_plants_values_in_fixed_point() -> None:
    async with pod("modbus") as served, client(served, "R01/shelf2") as bus:
        served.step(60.0)
        for address, (bits, negative, quantity, factor) in FIXED.items():
            (word,) = await held(bus, SUPPLY, address)
            found = (signed(word) if negative else word) / 2**bits
            assert found == pytest.approx(factor * served.physics.value(f"R01/shelf2/psu3:{quantity}"), abs=0.51 / 2**bits), quantity
        text = struct.pack(">16H", *await held(bus, SUPPLY, 24, 16)).rstrip(b"\0")
        assert text == b"psu-00008"
        assert served.devices.addresses.modbus_units["R01/shelf2"][SUPPLY] == "R01/shelf2/psu3"


async def test_a_failed_supply_raises_its_alarm_bits_and_counts() -> None:
    async with pod("modbus") as served, client(served, "R01/shelf2") as bus:
        assert await held(bus, SUPPLY, 60, 5) == [0, 0, 0, 0, 1 << 8]
        served.put("R01/shelf2/psu3:status", 1.0)
        served.put("R01/shelf2/psu3:faults", 1.0)
        assert await held(bus, SUPPLY, 60, 5) == [1 << 9, 0, 1 << 8, 0, 1 << 8]
        assert await held(bus, SUPPLY, 90) == [1]
        assert await held(bus, SUPPLY + 1, 60) == [0]


@pytest.mark.parametrize(("registers", "file"), [(PSU, "orv3_psu.json"), (RPU, "orv3_rpu.json")])
def test_the_maps_are_those_of_open_rack(registers: tuple[Register, ...], file: str) -> None:
    book = {row["name"]: row for row in json.loads(recorded("data", "modbus", "orv3", file).read_text())["registers"]}

    for register in registers:
        row = book[register.name]
        assert (register.address, register.words) == (row["begin"], row["length"]), register.name
        assert register.signed == row.get("sign", False), register.name
        assert (register.kind == "text") == (row["format"] == "STRING")
        expected = row.get("scale", 1.0) * 2.0 ** -row["precision"] if row["format"] == "FLOAT" else 1.0
        assert register.scale == expected, register.name


def test_no_two_registers_of_a_map_overlap() -> None:
    for registers in (PSU, RPU, CDU):
        taken = [(one.function, one.address + word) for one in registers for word in range(one.words)]
        assert len(taken) == len(set(taken))


@pytest.mark.parametrize(
    ("register", "value", "words"),
    [
        (Register(0, "x", "", scale=0.1, signed=True), -40.0, [0xFE70]),
        (Register(0, "x", "", scale=0.1, signed=True), 1e9, [0x7FFF]),
        (Register(0, "x", "", scale=0.1, signed=True), -1e9, [0x8000]),
        (Register(0, "x", ""), -1.0, [0]),
        (Register(0, "x", ""), 1e9, [0xFFFF]),
        (Register(0, "x", "", words=2), 0x12345678, [0x1234, 0x5678]),
        (Register(0, "x", "", words=2, order="low"), 0x12345678, [0x5678, 0x1234]),
        (Register(0, "x", "", words=2, signed=True), -2.0, [0xFFFF, 0xFFFE]),
        (Register(0, "x", "", kind="float", words=2, order="low"), 1.5, [0, 0x3FC0]),
        (Register(0, "x", "", kind="float", words=2), float("nan"), [0x7FC0, 0]),
        (Register(0, "x", "", signed=True), float("nan"), [0x8000]),
        (Register(0, "x", "", words=2), float("nan"), [0x8000, 0]),
    ],
)
def test_a_value_becomes_words(register: Register, value: float, words: list[int]) -> None:
    assert register.encode(value) == words


async def test_holes_writes_and_absent_units_are_refused_as_devices_do() -> None:
    async with pod("modbus") as served, client(served, "R01/shelf2") as bus:
        for unit, address, count, code in ((SUPPLY, 58, 1, 2), (SUPPLY, 57, 2, 2), (SUPPLY, 200, 1, 2), (77, 0, 1, 11), (206, 79, 1, 11)):
            answer = await bus.read_holding_registers(address, count=count, device_id=unit)
            assert (answer.isError(), answer.exception_code) == (True, code)
        assert (await bus.write_register(79, 5, device_id=SUPPLY)).isError()
        assert (await held(bus, SUPPLY, 79))[0] > 40 * 1024
    async with pod("modbus") as served, client(served, "CDU1") as bus:
        assert {one.address for one in CDU if one.function == INPUT} >= {0, 20, 28}
        assert (await bus.read_input_registers(13, count=1, device_id=CDU_UNIT)).exception_code == 2
        assert (await bus.write_register(0, 5, device_id=CDU_UNIT)).isError()


async def test_what_is_not_known_has_its_sentinel() -> None:
    async with pod("modbus") as served, client(served, "CDU1") as bus:
        served.put("CDU1:liquid_temperature[secondary, supply]", float("nan"))
        served.put("CDU1:liquid_flow[secondary]", float("nan"))
        assert await measured(bus, 0) == [0x8000]
        _, high = await measured(bus, 20, 2)
        assert high & 0x7F80 == 0x7F80


async def test_a_reboot_refuses_connections_and_begins_uptime_and_counts_anew() -> None:
    async with pod("modbus") as served:
        address = served.devices.addresses.modbus["R01/shelf2"]
        served.clock.move(500.0)
        served.put("R01/shelf2/psu3:faults", 3.0)
        async with client(served, "R01/shelf2") as bus:
            assert await held(bus, SUPPLY, 52, 6) == [0, 501, 0, 501, 1, 0]
            task = asyncio.create_task(served.devices.reboot("R01/shelf2/psu3", 60.0))
            while not await refused(address):
                await asyncio.sleep(0.001)
            while bus.connected:
                await asyncio.sleep(0.001)
        async with client(served, "R01/shelf1") as bus:
            assert await held(bus, FIRST_SUPPLY, 79)
        await served.past(60.0, task)

        assert served.devices.addresses.modbus["R01/shelf2"] == address
        async with client(served, "R01/shelf2") as bus:
            assert await held(bus, SUPPLY, 52, 6) == [0, 0, 0, 0, 2, 0]
            assert await held(bus, SUPPLY, 90) == [0]


async def test_a_frozen_device_repeats_itself_a_slow_one_makes_wait_and_a_wrong_clock_shows() -> None:
    async with pod("modbus") as served, client(served, "R01/shelf2") as bus:
        served.devices.freeze("R01/shelf2")
        before = await held(bus, SUPPLY, 87, 4)
        served.step(60.0)
        assert await held(bus, SUPPLY, 87, 4) == before
        served.devices.thaw("R01/shelf2")
        assert await held(bus, SUPPLY, 87, 4) != before

        served.devices.skew("R01/shelf2", -3600.0)
        high, low = await held(bus, SUPPLY, 98, 2)
        assert high << 16 | low == int(served.clock.now()) - 3600
        served.devices.slow("R01/shelf2", 2.0)
        task = asyncio.create_task(held(bus, SUPPLY, 79))
        await served.asleep()
        assert not task.done()
        assert await served.past(2.0, task)
