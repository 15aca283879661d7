"""Kernel log lines of the trays' hosts, as rsyslog forwards them: RFC 5424 over UDP (RFC 5426), TCP (RFC 6587) or into a file.

The texts behind the codes are those of recorded lines; a code without one is told without words, which drivers do as well.
"""

import asyncio
import contextlib
from collections import deque
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from monitor.clock import iso
from monitor.errors import InputError
from monitor.simulate.devices.dcgm import BUS, hostname
from monitor.simulate.devices.readout import Readout

_KERNEL_WARNING = 4  # PRI: facility kernel (0), severity warning (4), as recorded kernel logs have it for NVRM lines
MOST_WAITING = 10_000  # lines for a receiver that is away; beyond it the oldest are lost, and counted
_RETRY = 1.0  # s between tries to reach a receiver
_NO_PROCESS = "pid='<unknown>', name=<unknown>, "

TEXTS = {
    13: f"{_NO_PROCESS}Graphics Exception: ESR 0x546fb0=0x11f000e 0x546fb4=0x24 0x546fa8=0xf81eb60 0x546fac=0x1174",
    31: "pid=1234",
    63: "Row remapping pending again",
    64: "Row remapping failure",
    79: f"{_NO_PROCESS}GPU has fallen off the bus.",
    94: "Contained ECC error",
    119: "pid=2024380, name=nvidia-smi, Timeout after 6s of waiting for RPC response from GPU GSP! Expected function 103 (GSP_RM_ALLOC) (0x2081 0x4).",
    144: "SAW_MVB Nonfatal XC0 i0 Link 00 (0x00000003 0x80000000 0x00000000 0x00000000 0x00000000 0x00000000)",
    145: "RLW_SRC_TRACK Nonfatal XC1 i0 Link 12 (0x040988e2 0x00000008 0x00000000 0x00000000 0x00000000 0x00000000)",
    149: "NETIR_LINK_EVT  Fatal   XC0 i0 Link 01 (0x021425c6 0x00000000 0x00000000 0x00000000 0x00000000 0x00000000)",
    154: "GPU recovery action changed from 0x0 (None) to 0x4 (Drain and Reset)",
}


def xid_line(code: int, number: int) -> str:
    """Write the driver's line about an Xid on one of a tray's GPUs, counted from 0.

    >>> xid_line(94, 1)
    'NVRM: Xid (PCI:0009:01:00): 94, Contained ECC error'

    """
    text = TEXTS.get(code)
    return f"NVRM: Xid (PCI:{BUS[number]}): {code}" + (f", {text}" if text else "")


def envelope(host: str, seconds: float, text: str) -> str:
    """Wrap a kernel's line as RFC 5424 has it.

    >>> envelope("r01-tray3", 1767225600.25, "x")
    '<4>1 2026-01-01T00:00:00.250Z r01-tray3 kernel - - - x'

    """
    return f"<{_KERNEL_WARNING}>1 {iso(seconds)} {host} kernel - - - {text}"


class Way(Protocol):
    """How lines leave."""

    async def open(self) -> None: ...

    def send(self, line: str) -> None:
        """Take a line; never waits."""
        ...

    async def shut(self) -> None: ...


class Datagrams:
    """One line a UDP datagram."""

    def __init__(self, host: str, port: int) -> None:
        self.lost = 0
        self._to = (host, port)
        self._transport: asyncio.DatagramTransport | None = None

    async def open(self) -> None:
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(asyncio.DatagramProtocol, remote_addr=self._to)

    def send(self, line: str) -> None:
        if self._transport is not None:
            self._transport.sendto(line.encode())

    async def shut(self) -> None:
        if self._transport is not None:
            self._transport.close()


class Connection:
    """Lines over TCP, each with its length before it; while nobody listens they wait."""

    def __init__(self, host: str, port: int) -> None:
        self.lost = 0
        self._to = (host, port)
        self._waiting: deque[bytes] = deque()
        self._more = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def open(self) -> None:
        self._task = asyncio.create_task(self._run(), name=f"syslog to {self._to[0]}:{self._to[1]}")

    def send(self, line: str) -> None:
        if len(self._waiting) >= MOST_WAITING:
            self._waiting.popleft()
            self.lost += 1
        octets = line.encode()
        self._waiting.append(b"%d %s" % (len(octets), octets))
        self._more.set()

    async def shut(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        while True:
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection(*self._to)
                try:
                    await self._pass_on(writer)
                finally:
                    writer.close()
                    await writer.wait_closed()
            await asyncio.sleep(_RETRY)

    async def _pass_on(self, writer: asyncio.StreamWriter) -> None:
        while True:
            await self._more.wait()
            while self._waiting:
                writer.write(self._waiting[0])
                await writer.drain()
                self._waiting.popleft()
            self._more.clear()


class File:
    """One line after the other at the end of a file, as a log that is followed."""

    def __init__(self, path: Path) -> None:
        self.lost = 0
        self._path = path

    async def open(self) -> None:
        try:
            self._path.open("a").close()
        except OSError as error:
            raise InputError(f"{self._path}: {error.strerror}; a file that can be written would do") from error

    def send(self, line: str) -> None:
        try:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(f"{line}\n")
        except OSError:
            self.lost += 1

    async def shut(self) -> None:
        return None


def way(target: str) -> Datagrams | Connection | File:
    """Return the way to a target: udp://HOST:PORT, tcp://HOST:PORT, or the path of a file.

    Raises:
        InputError: it is none of these.

    """
    if "://" not in target:
        return File(Path(target))
    try:
        parts = urlsplit(target)
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if parts.scheme not in {"udp", "tcp"} or not host or not port:
        raise InputError(f'syslog to "{target}"; udp://127.0.0.1:514, tcp://127.0.0.1:601 or a file would do')
    return Datagrams(host, port) if parts.scheme == "udp" else Connection(host, port)


class Hosts:
    """Tells what the plant's kernels log.

    Args:
        readout: of the plant.
        target: where to; see `way`.

    """

    def __init__(self, readout: Readout, target: str) -> None:
        self.target, self.sent = target, 0
        self._readout, self._way = readout, way(target)

    @property
    def lost(self) -> int:
        return self._way.lost

    async def open(self) -> None:
        await self._way.open()

    async def shut(self) -> None:
        await self._way.shut()

    def follow(self, events: list[tuple[int, int]]) -> None:
        """Log the events of the plant's last step; a host that is down logs nothing."""
        readout = self._readout
        for row, code in events:
            gpu = readout.asset(row)
            if readout.signal(row) != "gpu.xid":
                continue
            tray = readout.find(gpu)
            if readout.condition(tray).down:
                continue
            number = readout.below("gpu", tray).index(gpu)
            stamp = readout.physics.time + readout.condition(tray).ahead
            self._way.send(envelope(hostname(readout.name(tray)), stamp, xid_line(code, number)))
            self.sent += 1
