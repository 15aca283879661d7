"""The socket that paho is given: telemetry is cut out of the stream, the rest is paho's."""

import asyncio
import socket
import ssl
from collections import Counter

from monitor.collect.cutter import Cutter
from monitor.errors import SourceLost

READ = 262_144  # bytes a read; 64 KB and 1 MB were both slower
RECORD = 16_384  # bytes, the most that one TLS record holds
WAITING_MOST = 67_108_864  # bytes that may wait for the consumer; only before it reads can so much come


class Wire:
    """paho's SocketLike around a connected socket; one a connection, so half packets never outlive it.

    paho calls `recv` where it would read its socket. Telemetry then waits in `cutter`; paho gets the control packets, or
    BlockingIOError where there are none. `fault` says why the stream was ended from this side, "" if it was not;
    `alert` is the far side's TLS alert.
    """

    def __init__(
        self, sock: socket.socket, cutter: Cutter, dropped: Counter[str], closed: asyncio.Event, loop: asyncio.AbstractEventLoop
    ) -> None:
        self.bytes_read = 0
        self.fault = ""
        self.alert = ""
        self.cutter = cutter
        self._sock = sock
        self._dropped = dropped
        self._closed = closed
        self._loop = loop
        self._ended = False
        self._waiting = 0

    def recv(self, size: int) -> bytes:
        control = self.cutter.control
        if not control:
            goes_on = not self._ended and self._read()
            if not control:
                if goes_on:
                    raise BlockingIOError
                return b""
        given = bytes(control[:size])
        del control[:size]
        return given

    def _read(self) -> bool:
        """Read and cut once; False at the end of the stream."""
        data = self._records(self._sock) if isinstance(self._sock, ssl.SSLSocket) else self._sock.recv(READ)
        self.bytes_read += len(data)
        self._waiting += len(data)
        try:
            self.cutter.feed(data)
        except SourceLost as error:
            self.fault = str(error)
            self._ended = True
        if self._waiting > WAITING_MOST:
            self._dropped["session_full"] += len(self.cutter.topics)
            self.take()
        return bool(data) and not self._ended

    def _records(self, sock: ssl.SSLSocket) -> bytes:
        """Join TLS records before they are cut: nats-server puts three messages into one, and a look at each costs more than they do."""
        records: list[bytes] = []
        size = 0
        try:
            while size < READ and (record := sock.recv(RECORD)):
                records.append(record)
                size += len(record)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            if not records:
                raise
        except OSError as error:
            if isinstance(error, ssl.SSLError):
                self.alert = error.reason or str(error)
            if not records:
                raise
            self.fault = self.alert or str(error)
            self._ended = True
        return b"".join(records)

    def take(self) -> tuple[list[bytes], list[bytes], list[int], list[int]]:
        """Hand over what was cut."""
        self._waiting = 0
        return self.cutter.take()

    def send(self, data: bytes) -> int:
        return self._sock.send(data)

    def pending(self) -> int:
        """Bytes that can be had without the socket becoming readable: two control packets in one read raise one event only."""
        if self.cutter.control:
            return len(self.cutter.control)
        return self._sock.pending() if isinstance(self._sock, ssl.SSLSocket) else 0

    def fileno(self) -> int:
        return self._sock.fileno()

    def setblocking(self, flag: bool) -> None:
        self._sock.setblocking(flag)

    def shutdown(self, how: int) -> None:
        """Let the next read be the end of the stream."""
        self._ended = True
        self.cutter.control.clear()
        self._sock.shutdown(how)

    def close(self) -> None:
        """Close behind what is already scheduled: aiomqtt may have an add_writer of this descriptor in the loop's queue."""
        try:
            self._loop.call_soon_threadsafe(self._close)
        except RuntimeError:  # the loop is closed, so nothing is scheduled
            self._sock.close()

    def _close(self) -> None:
        if self._sock.fileno() >= 0:
            self._loop.remove_writer(self._sock.fileno())
            self._loop.remove_reader(self._sock.fileno())
            self._sock.close()
        self._closed.set()
