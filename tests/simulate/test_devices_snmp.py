"""The simulated SNMP agents, asked by pysnmp's client; UPS-MIB compared with recordings of real agents."""

import asyncio
import contextlib
import gzip
from collections.abc import AsyncIterator
from typing import Any

import pytest
from data import recorded
from pysnmp.hlapi.v3arch.asyncio import (
    CommunityData,
    ContextData,
    ObjectIdentity,
    ObjectType,
    SnmpEngine,
    UdpTransportTarget,
    UsmUserData,
    bulk_walk_cmd,
    get_cmd,
    usmAesCfb128Protocol,
    usmHMACSHAAuthProtocol,
)
from pysnmp.proto.rfc1905 import NoSuchInstance, NoSuchObject
from served import Served, pod

PX = "1.3.6.1.4.1.13742.6"
UPS = "1.3.6.1.2.1.33.1"
UPTIME = "1.3.6.1.2.1.1.3.0"
TYPES = {
    "Integer32": "2",
    "Integer": "2",
    "OctetString": "4",
    "Counter32": "65",
    "Gauge32": "66",
    "TimeTicks": "67",
    "ObjectIdentifier": "6",
}


class Client:
    def __init__(self, address: str, engine: SnmpEngine, who: Any) -> None:
        self.address, self.engine, self.who = address, engine, who

    async def target(self) -> UdpTransportTarget:
        host, _, port = self.address.partition(":")
        return await UdpTransportTarget.create((host, int(port)), timeout=1, retries=0)

    async def ask(self, *oids: str) -> tuple[Any, list[Any]]:
        """Return the error, if there is one, and the values."""
        names = [ObjectType(ObjectIdentity(oid)) for oid in oids]
        error, _, _, found = await get_cmd(self.engine, self.who, await self.target(), ContextData(), *names, lookupMib=False)
        return error, [value for _, value in found]

    async def number(self, oid: str) -> int:
        error, (value,) = await self.ask(oid)
        assert error is None
        return int(value)

    async def walk(self, root: str, most: int = 25) -> dict[str, Any]:
        found = {}
        walk = bulk_walk_cmd(
            self.engine, self.who, await self.target(), ContextData(), 0, most, ObjectType(ObjectIdentity(root)), lookupMib=False
        )
        async for error, status, _, rows in walk:
            assert not error
            assert not status
            for name, value in rows:
                if str(name).startswith(f"{root}."):
                    assert str(name) not in found
                    found[str(name)] = value
        return found


@contextlib.asynccontextmanager
async def client(served: Served, device: str, who: Any = None) -> AsyncIterator[Client]:
    engine = SnmpEngine()
    try:
        yield Client(served.devices.addresses.snmp[device], engine, who or CommunityData("public"))
    finally:
        engine.close_dispatcher()
        await asyncio.sleep(0)


def user(name: str = "monitor", authentication: str = "monitor-auth", privacy: str = "monitor-priv") -> UsmUserData:
    return UsmUserData(name, authentication, privacy, usmHMACSHAAuthProtocol, usmAesCfb128Protocol)


async def test_a_rack_pdus_inlets_are_the_plants_meters() -> None:
    async with pod("snmp") as served, client(served, "R01-TAP-A") as agent:
        served.step(60.0)
        values, units, digits = [await agent.walk(f"{PX}.{part}") for part in ("5.2.3.1.4", "3.3.4.1.6", "3.3.4.1.7")]
        quantities = {
            1: ("current", 1, 2),
            4: ("voltage", 1, 1),
            5: ("active_power", 1000, 3),
            6: ("apparent_power", 1000, 4),
            7: ("power_factor", 1, -1),
            23: ("frequency", 1, 8),
        }
        assert len(values) == 12
        for pdu, feed in enumerate("AB", 1):
            for kind, (quantity, factor, unit) in quantities.items():
                index = f"{pdu}.1.{kind}"
                scale = 10 ** int(digits[f"{PX}.3.3.4.1.7.{index}"])
                found = int(values[f"{PX}.5.2.3.1.4.{index}"]) / scale
                expected = factor * served.physics.value(f"R01-TAP-{feed}:{quantity}")
                assert found == pytest.approx(expected, abs=0.51 / scale), quantity
                assert int(units[f"{PX}.3.3.4.1.6.{index}"]) == unit
                assert await agent.number(f"{PX}.5.2.3.1.6.{index}") == int(values[f"{PX}.5.2.3.1.4.{index}"])
            for line, phase in enumerate("abc", 1):
                amps = await agent.number(f"{PX}.5.2.4.1.4.{pdu}.1.{line}.1") / 10
                assert amps == pytest.approx(served.physics.value(f"R01-TAP-{feed}:phase_current[{phase}]"), abs=0.051)


async def test_states_follow_the_limits() -> None:
    state, critical, warning = f"{PX}.5.2.3.1.3.1.1.1", f"{PX}.3.3.4.1.23.1.1.1", f"{PX}.3.3.4.1.24.1.1.1"
    async with pod("snmp") as served, client(served, "R01-TAP-A") as agent:
        limit = served.physics.value("R01-TAP-A:current_limit")
        assert await agent.number(critical) == 10 * limit
        assert await agent.number(warning) == 8 * limit
        for value, expected in ((0.5, 4), (0.8, 4), (0.81, 5), (1.0, 5), (1.01, 6), (float("nan"), -1)):
            served.put("R01-TAP-A:current", value * limit)
            assert await agent.number(state) == expected


async def test_a_pdus_outside_sensors_are_the_racks_and_the_rooms() -> None:
    async with pod("snmp") as served, client(served, "R01-TAP-A") as agent:
        paths = ("R01:inlet_temperature[top]", "R01:inlet_temperature[bottom]", "Room1:air_relative_humidity[coldaisle]")
        for number, path in enumerate(paths, 1):
            digits = await agent.number(f"{PX}.3.6.3.1.17.1.{number}")
            raw = await agent.number(f"{PX}.5.5.3.1.4.1.{number}")
            assert raw / 10**digits == pytest.approx(served.physics.value(path), abs=0.051)
        assert [await agent.number(f"{PX}.3.6.3.1.16.1.{number}") for number in (1, 2, 3)] == [7, 7, 9]


async def test_a_ups_shows_its_feed() -> None:
    async with pod("snmp") as served, client(served, "PDU-B") as agent:
        value = served.physics.value
        found = await agent.walk(UPS)
        assert int(found[f"{UPS}.2.4.0"]) == 100
        assert int(found[f"{UPS}.4.1.0"]) == 3
        assert int(found[f"{UPS}.4.2.0"]) == pytest.approx(10 * value("PDU-B:frequency"), abs=0.51)
        for line, phase in enumerate("abc", 1):
            volts, amps = value(f"PDU-B:phase_voltage[{phase}]"), value(f"PDU-B:phase_current[{phase}]")
            assert int(found[f"{UPS}.4.4.1.2.{line}"]) == pytest.approx(volts, abs=0.51)
            assert int(found[f"{UPS}.4.4.1.3.{line}"]) == pytest.approx(10 * amps, abs=0.51)
            assert int(found[f"{UPS}.4.4.1.4.{line}"]) == pytest.approx(volts * amps * value("PDU-B:power_factor"), abs=0.51)
            assert int(found[f"{UPS}.4.4.1.5.{line}"]) == pytest.approx(100 * amps / value("PDU-B:current_limit"), abs=0.51)
        total = sum(int(found[f"{UPS}.4.4.1.4.{line}"]) for line in (1, 2, 3))
        assert total == pytest.approx(1000 * value("PDU-B:active_power"), rel=0.03)
        served.put("PDU-B:voltage", 0.0)
        assert await agent.number(f"{UPS}.4.1.0") == 2
        served.put("PDU-B:phase_current[a]", float("nan"))
        assert await agent.number(f"{UPS}.4.4.1.3.1") == -1


async def test_ups_objects_have_the_types_of_recorded_agents() -> None:
    known: dict[str, set[str]] = {}
    for name in ("eaton-93e-80.snmprec.gz", "huawei-gse200m.snmprec.gz"):
        for line in gzip.decompress(recorded("data", "snmp", name).read_bytes()).decode().splitlines():
            oid, bar, rest = line.partition("|")
            if bar:  # else the second line of a text
                known.setdefault(oid, set()).add(rest.partition("|")[0].rstrip("x"))
    async with pod("snmp") as served, client(served, "PDU-A") as agent:
        found = await agent.walk("1.3.6.1.2.1")

    compared = [oid for oid in found if oid in known]
    assert len(compared) > 35
    assert set(found) - set(known) == set()
    for oid in compared:
        assert TYPES[type(found[oid]).__name__] in known[oid], oid


@pytest.mark.parametrize("most", [1, 7, 50])
async def test_a_walk_says_everything_once_and_in_order(most: int) -> None:
    async with pod("snmp") as served, client(served, "R01-TAP-A") as agent:
        found = list(await agent.walk("1.3.6.1", most))

    numbers = [tuple(map(int, oid.split("."))) for oid in found]
    assert numbers == sorted(numbers)
    assert len(numbers) > 150


async def test_version_3_reads_the_same_and_strangers_read_nothing() -> None:
    oid = f"{PX}.5.2.3.1.4.1.1.4"
    async with pod("snmp") as served:
        async with client(served, "R01-TAP-A") as agent:
            value = await agent.number(oid)
        async with client(served, "R01-TAP-A", user()) as agent:
            assert await agent.number(oid) == value
            assert len(await agent.walk(PX)) > 100
        strangers = (
            CommunityData("private"),
            user("nobody"),
            user(authentication="wrong-word"),
            user(privacy="wrong-word"),
            UsmUserData("monitor"),
        )
        for who in strangers:
            async with client(served, "R01-TAP-A", who) as agent:
                error, values = await agent.ask(oid)
                assert error is not None
                assert values == []


async def test_what_there_is_not_is_said_so() -> None:
    async with pod("snmp") as served, client(served, "R01-TAP-A") as agent:
        error, (instance, thing, there) = await agent.ask(f"{PX}.5.2.3.1.4.1.1.99", "1.3.6.1.2.1.2.1.0", UPTIME)

    assert error is None
    assert isinstance(instance, NoSuchInstance)
    assert isinstance(thing, NoSuchObject)
    assert int(there) == 100


async def test_a_reboot_is_silence_and_then_a_new_uptime_also_for_version_3() -> None:
    async with pod("snmp") as served:
        address = served.devices.addresses.snmp["R01-TAP-A"]
        served.clock.move(500.0)
        async with client(served, "R01-TAP-A", user()) as agent:
            assert await agent.number(UPTIME) == 50_100
            task = asyncio.create_task(served.devices.reboot("R01-TAP-B", 60.0))  # linked behind the first one's agent
            await served.asleep()
            assert (await agent.ask(UPTIME))[0] is not None
            await served.past(60.0, task)
            assert served.devices.addresses.snmp["R01-TAP-A"] == address
            if (await agent.ask(UPTIME))[0] is not None:  # the client may need to hear of the new boot first
                assert await agent.number(UPTIME) == 0
        async with client(served, "R01-TAP-A") as agent:
            assert await agent.number(UPTIME) == 0


async def test_a_frozen_agent_repeats_itself_and_a_slow_one_makes_wait() -> None:
    oid = f"{PX}.5.2.3.1.4.1.1.5"
    async with pod("snmp") as served, client(served, "R01-TAP-A") as agent:
        served.devices.freeze("R01-TAP-A")
        before = await agent.number(oid)
        served.step(600.0)
        assert await agent.number(oid) == before
        served.devices.thaw("R01-TAP-A")
        assert await agent.number(oid) != before

        served.devices.slow("R01-TAP-A", 0.5)
        task = asyncio.create_task(agent.number(oid))
        await served.asleep()
        assert not task.done()
        assert await served.past(0.5, task)
