"""Modbus TCP: a CDU's controller, and a gateway to the supplies of each power shelf."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from math import isnan

from pymodbus.constants import ExcCodes
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice
from pymodbus.simulator.simdevice import SimAction

from monitor.simulate.devices.readout import Readout
from monitor.simulate.devices.registers import CDU, HOLDING, INPUT, PSU, RPU, Register

FIRST_SUPPLY = 200  # unit of the first supply of a shelf; Open Rack v3 has 200 to 205 for a shelf of six
CDU_UNIT, RPU_UNIT = 1, 12  # of a CDU by its own map, and by Open Rack v3's of a pumping unit


@dataclass(frozen=True, slots=True)
class Unit:
    """One Modbus unit: whose registers, by which map."""

    number: int
    place: str
    asset: str
    registers: tuple[Register, ...]


class Gateway:
    """One TCP port with units behind it, whose registers are read from the plant when they are asked for.

    Nothing can be written. A unit that is not there answers as a gateway does, with exception 11.

    Args:
        readout: of the plant.
        device: whose port it is.
        units: behind it.
        host: to listen on.
        port: 0 for a free one; kept from the first opening on.

    """

    def __init__(self, readout: Readout, device: str, units: list[Unit], host: str, port: int = 0) -> None:
        self.device, self.units, self.host, self.port = device, units, host, port
        self._readout = readout
        self._server: ModbusTcpServer | None = None

    async def open(self) -> None:
        """Listen.

        Raises:
            OSError: the port is taken.

        """
        devices = [self._build(unit) for unit in self.units] + [_absent()]
        server = ModbusTcpServer(devices, address=(self.host, self.port))
        try:
            await server.serve_forever(background=True)
        except RuntimeError as error:
            raise OSError(f"{self.host}:{self.port}: {error}") from error
        self._server, listening = server, server.transport
        assert isinstance(listening, asyncio.Server)
        self.port = listening.sockets[0].getsockname()[1]

    async def shut(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            await server.shutdown()  # type: ignore[no-untyped-call]

    def _build(self, unit: Unit) -> SimDevice:
        tables = {code: [one for one in unit.registers if one.function == code and self._has(one)] for code in (HOLDING, INPUT)}
        action = self._action(unit, tables)
        if not tables[INPUT]:
            return SimDevice(unit.number, _blocks(tables[HOLDING]), action=action)
        bits = [SimData(0, values=[False] * 16, datatype=DataType.BITS, readonly=True)]
        return SimDevice(unit.number, (bits, list(bits), _blocks(tables[HOLDING]), _blocks(tables[INPUT])), action=action)

    def _has(self, register: Register) -> bool:
        return register.signal.startswith("=") or register.signal.partition("@")[0] in self._readout.physics.sensors.slices

    def _action(self, unit: Unit, tables: dict[int, list[Register]]) -> SimAction:
        async def read(
            function: int, start: int, address: int, count: int, held: list[int], wanted: list[int] | list[bool] | None
        ) -> ExcCodes | None:
            condition = self._readout.condition(self.device)
            if condition.delay:
                await self._readout.clock.sleep(condition.delay)
            if wanted is not None:
                return ExcCodes.ILLEGAL_FUNCTION
            table = tables[INPUT] if function == INPUT and tables[INPUT] else tables[HOLDING]
            for register in table:
                if register.address < address + count and address < register.address + register.words:
                    at = register.address - start
                    held[at : at + register.words] = self._words(register, unit)
            return None

        return read

    def _words(self, register: Register, unit: Unit) -> list[int]:
        readout = self._readout
        if register.kind == "text":
            return register.text(self._text(register.signal, unit))
        if register.signal.startswith("="):
            return register.encode(_OWN[register.signal](self, unit))
        signal, at, below = register.signal.partition("@")
        asset = unit.asset + below if at else readout.physics.layout.ids(signal.partition(".")[0])[0]
        return register.encode(readout.value(signal, asset, self.device))

    def _text(self, word: str, unit: Unit) -> str:
        texts = {"=serial": self._readout.serial(unit.place, unit.asset), "=date": "20251124", "=firmware": "01050105", "=hardware": "S1"}
        models = {"psu": "ECD17020047", "cdu": "SIM-CDU"}
        return texts.get(word, models.get(unit.place, "") if word in {"=model", "=part"} else "")

    def uptime(self, _: Unit) -> float:
        return self._readout.uptime(self.device)

    def time(self, _: Unit) -> float:
        return self._readout.now(self.device)

    def boots(self, _: Unit) -> float:
        return float(self._readout.condition(self.device).boots)

    def position(self, unit: Unit) -> float:
        return float(unit.number)

    def failed(self, bit: int, unit: Unit) -> float:
        """Return an alarm word with one bit that tells of a failed supply."""
        status = self._readout.number("psu.status", unit.asset, self.device)
        return 0.0 if isnan(status) or not status else float(1 << bit)


_OWN: dict[str, Callable[[Gateway, Unit], float]] = {
    "=boots": Gateway.boots,
    "=communication": lambda _gateway, _unit: float(1 << 8),  # Modbus_Active
    "=dcdc_alarm": lambda gateway, unit: gateway.failed(8, unit),  # DCDC_Fail
    "=general_alarm": lambda gateway, unit: gateway.failed(9, unit),  # DCDC_Converter_Failure
    "=position": Gateway.position,
    "=time": Gateway.time,
    "=uptime": Gateway.uptime,
    "=zero": lambda _gateway, _unit: 0.0,
}


def _blocks(registers: list[Register]) -> list[SimData]:
    """Return what may be read: each register by itself, so that the holes between them stay holes."""
    return [
        SimData(one.address, count=one.words, datatype=DataType.REGISTERS, readonly=True)
        for one in sorted(registers, key=lambda one: one.address)
    ]


def _absent() -> SimDevice:
    async def refuse(*_: object) -> ExcCodes:
        return ExcCodes.GATEWAY_NO_RESPONSE

    return SimDevice(0, [SimData(0, count=65535, datatype=DataType.REGISTERS)], action=refuse)


class Gateways:
    """All Modbus ports of a pod: one a CDU, one a power shelf.

    Args:
        readout: of the plant.
        host: to listen on.
        port: of the first CDU, 0 for a free one; shelves always have free ones.

    """

    def __init__(self, readout: Readout, host: str, port: int = 0) -> None:
        self._readout = readout
        layout = readout.physics.layout
        self.doors: dict[str, Gateway] = {}
        for number, cdu in enumerate(layout.ids("cdu")):
            units = [Unit(CDU_UNIT, "cdu", cdu, CDU), Unit(RPU_UNIT, "cdu", cdu, RPU)]
            self.doors[cdu] = Gateway(readout, cdu, units, host, port if not number else 0)
        for shelf in layout.ids("shelf"):
            supplies = readout.below("psu", shelf)
            self.doors[shelf] = Gateway(
                readout, shelf, [Unit(FIRST_SUPPLY + number, "psu", psu, PSU) for number, psu in enumerate(supplies)], host
            )

    async def open(self) -> None:
        for door in self.doors.values():
            await door.open()

    async def shut(self) -> None:
        for door in self.doors.values():
            await door.shut()

    def addresses(self) -> dict[str, str]:
        """Return the port of each device, by its outside id."""
        return {self._readout.name(device): f"{door.host}:{door.port}" for device, door in self.doors.items()}

    def units(self) -> dict[str, dict[int, str]]:
        """Return the asset behind each unit, by the outside id of the device whose port it is."""
        name = self._readout.name
        return {name(device): {unit.number: name(unit.asset) for unit in door.units} for device, door in self.doors.items()}
