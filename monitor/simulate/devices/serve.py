"""All device wires of a pod at once, in one event loop."""

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from monitor.clock import Clock
from monitor.errors import InputError
from monitor.simulate.devices.dcgm import DEFAULT, EARLY_LIFE, Exporters
from monitor.simulate.devices.listener import Door
from monitor.simulate.devices.modbus import Gateways
from monitor.simulate.devices.readout import Readout
from monitor.simulate.devices.redfish import Account, Controllers
from monitor.simulate.devices.snmp import Access, Agents
from monitor.simulate.devices.syslog import Hosts
from monitor.simulate.physics.plant import Physics

WIRES = ("dcgm", "redfish", "modbus", "snmp", "syslog")


@dataclass(frozen=True, slots=True)
class Options:
    """How the wires are laid.

    Attributes:
        dcgm_fields: "default" for the exporter's own counters file, "early_life" for that and what new racks should have on.
        dcgm_each: a port a tray, in place of one for all.
        redfish_each: a service and a port a controller, in place of one for the pod.
        redfish_page: members of a Redfish collection on one page, None for all.
        account: Redfish login.
        access: SNMP community and user.
        syslog: where log lines go: udp://HOST:PORT, tcp://HOST:PORT or a file; "" for a file of its own.

    """

    dcgm_fields: str = "default"
    dcgm_each: bool = False
    redfish_each: bool = True
    redfish_page: int | None = None
    account: Account = field(default_factory=Account)
    access: Access = field(default_factory=Access)
    syslog: str = ""


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where everything is, by outside asset ids; `dataclasses.asdict` makes it JSON."""

    dcgm: dict[str, str] = field(default_factory=dict)  # page of each tray's exporter
    redfish: dict[str, str] = field(default_factory=dict)  # base URL of each controller
    redfish_login: tuple[str, str] = ("", "")
    modbus: dict[str, str] = field(default_factory=dict)  # host:port of each CDU and shelf
    modbus_units: dict[str, dict[int, str]] = field(default_factory=dict)  # asset of each unit behind them
    snmp: dict[str, str] = field(default_factory=dict)  # host:port of each rack's PDUs and each feed's UPS
    snmp_community: str = ""
    snmp_user: tuple[str, str, str] = ("", "", "")  # v3: name, SHA pass phrase, AES-128 pass phrase
    syslog: str = ""  # where lines are sent


class Devices:
    """The servers while they run, and what can be done to them. Assets are named with the pod's prefix or without."""

    def __init__(self, readout: Readout, addresses: Addresses, doors: Mapping[str, list[Door]], wires: "_Wires") -> None:
        self.addresses = addresses
        self._readout, self._doors, self._wires = readout, doors, wires

    def follow(self, events: list[tuple[int, int]]) -> None:
        """Take in a step of the plant. Call it after each, with what `Physics.events` gave."""
        self._readout.follow(events)
        if self._wires.hosts is not None:
            self._wires.hosts.follow(events)
        if self._wires.controllers is not None:
            self._wires.controllers.follow()

    async def reboot(self, asset: str, seconds: float) -> None:
        """Take a device away for `seconds` of event time; then its counts and its uptime begin at 0.

        Ports of its own refuse connections meanwhile, shared ones break them. A tray goes with its host and its BMC. Nothing
        happens to a device that is down.

        Raises:
            InputError: there is no such device.
            OSError: somebody else has taken its port meanwhile.

        """
        device = self._readout.find(asset)
        condition = self._readout.condition(device)
        if condition.down:
            return
        condition.down = True
        doors = self._doors.get(device, [])
        try:
            for door in doors:
                await door.shut()
            await self._readout.clock.sleep(seconds)
        finally:
            self._readout.boot(device)
            condition.down = False
        for door in doors:
            await door.open()

    def slow(self, asset: str, seconds: float) -> None:
        """Let a device wait before each answer, `seconds` of event time; 0 ends it."""
        self._readout.condition(self._readout.find(asset)).delay = seconds

    def freeze(self, asset: str) -> None:
        """Let a device go on showing what it shows now, with the time of now, as a controller that hangs."""
        self._readout.freeze(self._readout.find(asset))

    def thaw(self, asset: str) -> None:
        """Let a device show what is."""
        self._readout.condition(self._readout.find(asset)).frozen = None

    def skew(self, asset: str, seconds: float) -> None:
        """Set a device's clock ahead; 0 sets it right."""
        self._readout.condition(self._readout.find(asset)).ahead = seconds

    def counts(self) -> dict[str, int]:
        """Return what was sent by the wires that send by themselves, and what they lost."""
        hosts, controllers = self._wires.hosts, self._wires.controllers
        return {
            "syslog_sent": hosts.sent if hosts else 0,
            "syslog_lost": hosts.lost if hosts else 0,
            "redfish_events_lost": controllers.lost if controllers else 0,
        }


@dataclass(slots=True)
class _Wires:
    exporters: Exporters | None = None
    controllers: Controllers | None = None
    gateways: Gateways | None = None
    agents: Agents | None = None
    hosts: Hosts | None = None


@contextlib.asynccontextmanager
async def serve(
    physics: Physics,
    clock: Clock,
    wires: Sequence[str] = WIRES,
    host: str = "127.0.0.1",
    ports: Mapping[str, int] | None = None,
    options: Options | None = None,
) -> AsyncIterator[Devices]:
    """Let a pod's devices speak for as long as the block lasts.

    They read the plant at each request, so it may be stepped meanwhile in the same loop; see `Devices.follow`.

    Args:
        physics: the pod's plant.
        clock: event time, on the plant's scale.
        wires: which of `WIRES`.
        host: to listen on.
        ports: of a wire's first or only socket; 0 or none for a free one. Of syslog the port that UDP datagrams go to.
        options: how the wires are laid.

    Raises:
        InputError: there is no such wire or field list, or a port is given for a wire whose devices each have their own.
        OSError: a port is taken.

    """
    given, numbers = options or Options(), dict(ports or {})
    _check(wires, numbers, given)
    readout = Readout(physics, clock)
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(asyncio.sleep, 0)  # at last: sockets close at the loop's next turn
        made = _Wires()
        if "dcgm" in wires:
            fields = DEFAULT + (EARLY_LIFE if given.dcgm_fields == "early_life" else ())
            made.exporters = Exporters(readout, host, numbers.get("dcgm", 0), fields=fields, each=given.dcgm_each)
        if "redfish" in wires:
            made.controllers = Controllers(
                readout, host, numbers.get("redfish", 0), each=given.redfish_each, account=given.account, most=given.redfish_page
            )
        if "modbus" in wires:
            made.gateways = Gateways(readout, host, numbers.get("modbus", 0))
        if "snmp" in wires:
            made.agents = Agents(readout, host, numbers.get("snmp", 0), access=given.access)
        if "syslog" in wires:
            made.hosts = Hosts(readout, given.syslog or _log(host, numbers, stack))
        for one in (made.exporters, made.controllers, made.gateways, made.agents, made.hosts):
            if one is not None:
                stack.push_async_callback(one.shut)
                await one.open()
        devices = Devices(readout, _addresses(made, given), _doors(made), made)
        yield devices


def _check(wires: Sequence[str], ports: Mapping[str, int], options: Options) -> None:
    for wire in [*wires, *ports]:
        if wire not in WIRES:
            raise InputError(f'no device wire is called "{wire}"; {", ".join(WIRES)} would do')
    if options.dcgm_fields not in {"default", "early_life"}:
        raise InputError(f'no list of fields is called "{options.dcgm_fields}"; default or early_life would do')
    for wire, each in (("dcgm", options.dcgm_each), ("redfish", options.redfish_each)):
        if each and ports.get(wire):
            raise InputError(f"{wire} was given port {ports[wire]}, but each device is to have its own; leave one of the two out")


def _log(host: str, ports: Mapping[str, int], stack: contextlib.AsyncExitStack) -> str:
    if ports.get("syslog"):
        return f"udp://{host}:{ports['syslog']}"
    return str(Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="dcmon-devices-"))) / "kern.log")


def _doors(wires: _Wires) -> dict[str, list[Door]]:
    found: dict[str, list[Door]] = {}
    for owner in (wires.exporters, wires.controllers, wires.gateways, wires.agents):
        for device, door in (owner.doors if owner is not None else {}).items():
            found.setdefault(device, []).append(door)
    return found


def _addresses(wires: _Wires, options: Options) -> Addresses:
    given = options.access
    return Addresses(
        dcgm=wires.exporters.addresses() if wires.exporters else {},
        redfish=wires.controllers.addresses() if wires.controllers else {},
        redfish_login=(options.account.user, options.account.password) if wires.controllers else ("", ""),
        modbus=wires.gateways.addresses() if wires.gateways else {},
        modbus_units=wires.gateways.units() if wires.gateways else {},
        snmp=wires.agents.addresses() if wires.agents else {},
        snmp_community=given.community if wires.agents else "",
        snmp_user=(given.user, given.authentication, given.privacy) if wires.agents else ("", "", ""),
        syslog=wires.hosts.target if wires.hosts else "",
    )
