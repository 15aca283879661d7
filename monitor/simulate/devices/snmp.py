"""SNMP agents, v2c and v3, of rack PDUs and of the feeds' UPS; values are read from the plant when they are asked for."""

import asyncio
import socket
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pysnmp.carrier.asyncio.dgram import udp
from pysnmp.entity import config
from pysnmp.entity.engine import SnmpEngine
from pysnmp.entity.rfc3413 import cmdrsp, context
from pysnmp.proto.rfc1902 import ObjectName, OctetString
from pysnmp.proto.rfc1905 import endOfMibView, noSuchInstance, noSuchObject
from pysnmp.smi.instrum import AbstractMibInstrumController

from monitor.simulate.devices.mibs import Entry, Oid, rack_pdu, ups
from monitor.simulate.devices.readout import Readout

_READ = (1, 3, 6, 1)  # all that may be read; nothing may be written
MOST_WAITING = 64  # requests that a slow agent holds; later ones are dropped, as its socket would


@dataclass(frozen=True, slots=True)
class Access:
    """Who may read: a v2c community, and a v3 user with SHA and AES-128."""

    community: str = "public"
    user: str = "monitor"
    authentication: str = "monitor-auth"
    privacy: str = "monitor-priv"


class _Table(AbstractMibInstrumController):  # type: ignore[misc]
    """A MIB as a sorted list of functions."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self.values = dict(entries)
        self.oids = sorted(self.values)

    def read_variables(self, *pairs: tuple[Any, Any], **_: object) -> list[tuple[Any, Any]]:
        return [(name, self._get(tuple(name))) for name, _ in pairs]

    def read_next_variables(self, *pairs: tuple[Any, Any], **_: object) -> list[tuple[Any, Any]]:
        found = []
        for name, _ in pairs:
            at = bisect_right(self.oids, tuple(name))
            found.append((ObjectName(self.oids[at]), self.values[self.oids[at]]()) if at < len(self.oids) else (name, endOfMibView))
        return found

    def _get(self, oid: Oid) -> Any:
        if oid in self.values:
            return self.values[oid]()
        at = bisect_right(self.oids, oid[:-1])
        known = at < len(self.oids) and self.oids[at][: len(oid) - 1] == oid[:-1]
        return noSuchInstance if known else noSuchObject


class _Socket(udp.UdpAsyncioTransport):  # type: ignore[misc]
    """A UDP socket behind which a device may be slow."""

    def __init__(self, readout: Readout, device: str) -> None:
        super().__init__(loop=asyncio.get_running_loop())
        self._readout, self._device = readout, device
        self._waiting: set[asyncio.Task[None]] = set()

    def datagram_received(self, datagram: bytes, transportAddress: Any) -> None:  # noqa: N803  # as the base class has it
        if not self._readout.condition(self._device).delay:
            super().datagram_received(datagram, transportAddress)
        elif len(self._waiting) < MOST_WAITING:
            task = asyncio.create_task(self._later(datagram, transportAddress), name=f"slow SNMP agent {self._device}")
            self._waiting.add(task)
            task.add_done_callback(self._waiting.discard)

    async def _later(self, datagram: bytes, address: Any) -> None:
        await self._readout.clock.sleep(self._readout.condition(self._device).delay)
        super().datagram_received(datagram, address)

    def drop(self) -> None:
        for task in self._waiting:
            task.cancel()


class Agent:
    """One agent on one UDP port.

    Args:
        readout: of the plant.
        device: whose agent it is; its uptime, clock and troubles.
        entries: of its MIB.
        access: who may read.
        host: to listen on.
        port: 0 for a free one; kept from the first opening on.

    """

    def __init__(self, readout: Readout, device: str, entries: Iterable[Entry], access: Access, host: str, port: int = 0) -> None:
        self.device, self.host, self.port = device, host, port
        self._readout, self._access, self._table = readout, access, _Table(entries)
        self._engine: SnmpEngine | None = None
        self._socket: _Socket | None = None

    async def open(self) -> None:
        """Listen.

        Raises:
            OSError: the port is taken.

        """
        bound = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            bound.bind((self.host, self.port))
            bound.setblocking(False)
        except OSError:
            bound.close()
            raise
        self.port = bound.getsockname()[1]
        self._engine = self._start()
        self._socket = _Socket(self._readout, self.device)
        config.add_transport(self._engine, udp.DOMAIN_NAME, self._socket.open_server_mode(sock=bound))

    async def shut(self) -> None:
        engine, self._engine = self._engine, None
        if engine is None or self._socket is None:
            return
        self._socket.drop()
        engine.close_dispatcher()
        await asyncio.sleep(0)  # the socket closes at the loop's next turn

    def _start(self) -> SnmpEngine:
        engine = SnmpEngine()
        ident, boots = engine.get_mib_builder().import_symbols("__SNMP-FRAMEWORK-MIB", "snmpEngineID", "snmpEngineBoots")
        name = self._readout.uuid(self.device).replace("-", "")[:16]
        ident.syntax = ident.syntax.clone(OctetString(hexValue="80001f8805" + name))  # RFC 3411: enterprise, octets, name
        boots.syntax = boots.syntax.clone(self._readout.condition(self.device).boots)
        engine.snmpEngineID = ident.syntax
        given = self._access
        config.add_v1_system(engine, "reader", given.community)
        config.add_vacm_user(engine, 2, "reader", "noAuthNoPriv", _READ)
        config.add_v3_user(engine, given.user, config.USM_AUTH_HMAC96_SHA, given.authentication, config.USM_PRIV_CFB128_AES, given.privacy)
        config.add_vacm_user(engine, 3, given.user, "authPriv", _READ)
        held = context.SnmpContext(engine)
        held.unregister_context_name(b"")
        held.register_context_name(b"", self._table)
        for responder in (cmdrsp.GetCommandResponder, cmdrsp.NextCommandResponder, cmdrsp.BulkCommandResponder):
            responder(engine, held)
        return engine


class Agents:
    """All agents of a pod: one a rack for the PDUs of both feeds, which are linked, and one a feed for its UPS.

    Args:
        readout: of the plant.
        host: to listen on.
        port: of the first rack's PDUs, 0 for a free one; all others have free ones.
        access: who may read.

    """

    def __init__(self, readout: Readout, host: str, port: int = 0, *, access: Access | None = None) -> None:
        self._readout, self.access = readout, access or Access()
        layout = readout.physics.layout
        self.doors: dict[str, Agent] = {}
        for number, rack in enumerate(layout.ids("rack")):
            taps = [tap for tap in layout.ids("tap") if tap.startswith(f"{rack}-")]
            entries = rack_pdu(readout, taps[0], taps, rack)
            self.doors[taps[0]] = Agent(readout, taps[0], entries, self.access, host, port if not number else 0)
        for feed in layout.ids("pdu"):
            self.doors[feed] = Agent(readout, feed, ups(readout, feed), self.access, host)

    async def open(self) -> None:
        for door in self.doors.values():
            await door.open()
            await asyncio.sleep(0)  # each takes some 0.15 s of computing

    async def shut(self) -> None:
        for door in self.doors.values():
            await door.shut()

    def addresses(self) -> dict[str, str]:
        """Return the address of each agent, by the outside id of the device; a rack's is named after its first PDU."""
        return {self._readout.name(device): f"{door.host}:{door.port}" for device, door in self.doors.items()}
