"""One connection to a broker, owned by aiomqtt, from CONNECT until its socket is closed.

The private names of paho and aiomqtt that reading in bulk needs are used here only, and held by tests/collect/test_session_contract.py.
"""

import asyncio
import contextlib
import inspect
import logging
import socket
import ssl
import struct
from collections import Counter
from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar

import aiomqtt
import paho.mqtt.client as mqtt
from aiomqtt.exceptions import MqttConnectError
from paho.mqtt.reasoncodes import ReasonCode

from monitor.collect.cutter import Cutter
from monitor.collect.login import Login
from monitor.collect.wire import WAITING_MOST, Wire
from monitor.config import MqttLink
from monitor.errors import SourceError, SourceLost, SourceRefused

T = TypeVar("T")

TURN = 4_194_304  # bytes before the other tasks have their turn; by bytes, as through TLS a read may give 0.5 KB
GRACE = 0.25  # s for aiomqtt to say why, once its socket is closed
LEAVE = 1.0  # s for a DISCONNECT to leave
FAILURE = 0x80  # SUBACK: filter refused
UNAVAILABLE = 136  # CONNACK 3 as paho's reason code: the broker starts or stops, nobody was refused

_quiet = logging.getLogger("monitor.collect.connection.paho")
_quiet.setLevel(logging.CRITICAL + 1)  # what paho would log is the text of SourceLost, and the supervisor logs once


class Connection:
    """One use of one aiomqtt client; never opened twice.

    `fault` is "" where telemetry is cut out of the stream in bulk, else why it goes through paho message by message.
    Either way it waits in `cutter`.

    Args:
        settings: whom to reach; `timeout` is the deadline of connecting and of subscribing, each.
        login: what to show.
        dropped: counts by reason.
        bulk: False asks for the path through paho.

    """

    def __init__(self, settings: MqttLink, login: Login, dropped: Counter[str], *, bulk: bool) -> None:
        self.cutter = Cutter(settings.max_packet, dropped)
        self.where = f"{settings.name} ({settings.host}:{settings.port})"
        self._settings = settings
        self._dropped = dropped
        self._wire: Wire | None = None
        self._closed = asyncio.Event()
        self._connected = False
        self._leaving = False
        self._tls_fault = ""
        self._waiting = 0  # bytes that came through paho
        self._client = aiomqtt.Client(
            settings.host,
            settings.port,
            username=login.username,
            password=login.password,
            identifier=settings.client_id or (f"dcmon-{settings.name}" if settings.qos else None),
            protocol=aiomqtt.ProtocolVersion.V311,
            clean_session=settings.qos == 0,
            timeout=settings.timeout,
            keepalive=settings.keepalive,
            tls_context=login.tls,
            logger=_quiet,
        )
        paho = getattr(self._client, "_client", None)
        if not isinstance(paho, mqtt.Client):
            raise SourceRefused(f"{self.where}: this aiomqtt has no paho client inside; install the versions of the lock file")
        self._paho = paho
        paho.connect_timeout = settings.timeout
        paho.on_message = self._on_message
        paho.manual_ack_set(True)
        self._watch = paho.on_socket_open
        paho.on_socket_open = self._on_socket_open
        self.fault = contract_fault(paho) if bulk else "it was asked for"
        if not self.fault:
            self._wrap(paho)

    @property
    def bulk(self) -> bool:
        return not self.fault

    @property
    def lost(self) -> bool:
        return self._paho.socket() is None

    async def open(self) -> list[tuple[str, int]]:
        """Connect, log in and subscribe; return the filters that got a lower QoS than asked, with it.

        Raises:
            SourceRefused: a login, certificate or subscription was refused; the text names it.
            SourceLost: anything else that kept the link from coming up within its deadline.

        """
        try:
            await self._within(self._client.__aenter__())
            self._connected = True
            sock: Any = self._paho.socket()
            if self.bulk and sock is not self._wire:
                self.fault = "paho did not take the wrapped socket"
            granted = await self._subscribe()
        except aiomqtt.MqttError as error:
            raise self._failure(error) from None
        if self.bulk and self._wire is not None:
            asyncio.get_running_loop().remove_reader(self._wire.fileno())  # from here on it is `pull` that reads
        return granted

    def pull(self) -> bool:
        """Read into `cutter` until nothing is left, or a turn is over: then True."""
        wire = self._wire
        if wire is None or not self.bulk:
            return False
        limit = wire.bytes_read + TURN
        while not self.lost:
            before = wire.bytes_read
            self._paho.loop_read()
            if wire.bytes_read == before and not wire.cutter.control:
                return False
            if wire.bytes_read >= limit:
                return True
        return False

    def take(self) -> tuple[list[bytes], list[bytes], list[int], list[int]]:
        """Hand over topics, payloads, retained rows and packet ids."""
        self._waiting = 0
        return self.cutter.take() if self._wire is None else self._wire.take()

    async def acknowledge(self, ids: list[int]) -> None:
        """Queue one PUBACK an id, and let them leave."""
        if self.bulk and ids:
            words = [0x4002] * (2 * len(ids))  # PUBACK, 2 bytes follow
            words[1::2] = ids
            body = struct.pack(f">{len(words)}H", *words)
            self._paho._packet_queue(mqtt.PUBACK, body, 0, 1)  # noqa: SLF001  # never an own send: paho may hold half a packet
        else:
            for packet_id in ids:
                self._paho.ack(packet_id, 1)
        await asyncio.sleep(0)

    async def reason(self) -> str:
        """Say why a lost connection was lost; asking also marks aiomqtt's own error as seen."""
        text = "the connection was lost"
        try:
            async with asyncio.timeout(GRACE):
                await anext(self._client.messages)
        except aiomqtt.MqttError as error:
            said = str(error.__cause__ or error)
            if "Unspecified error" not in said:  # paho's word for an end of the stream
                text = said
        except TimeoutError:
            pass
        return (self._wire and (self._wire.fault or self._wire.alert)) or text

    async def close(self) -> None:
        """Close whatever is open, within about a second; harmless when called again."""
        if self._leaving:
            return
        self._leaving = True
        try:
            if self._connected and self.lost:
                await self.reason()
            elif self._connected:
                with contextlib.suppress(aiomqtt.MqttError, TimeoutError):
                    async with asyncio.timeout(LEAVE):
                        await self._client.__aexit__(None, None, None)
        finally:
            await self._cut_off()

    async def _cut_off(self) -> None:
        """Close a socket that did not close politely, through paho, so that aiomqtt's timer and watchers go with it."""
        if not self.lost:
            if not self._connected:
                self._paho.on_disconnect = None  # aiomqtt's would stumble over its own future, cancelled with the attempt
            self._paho.disconnect()  # an end that is wanted raises no error in aiomqtt
            for _ in range(4):  # turns of the loop: the writer is added, called, and closes
                await asyncio.sleep(0)
        sock: Any = self._wire or self._paho.socket()
        if sock is not None:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for _ in range(100):  # the end lies behind what the kernel still holds, some of which no longer matters
            if self.lost:
                break
            self._paho.loop_read()

    def _wrap(self, paho: mqtt.Client) -> None:
        """Let paho read through a Wire."""
        create = paho._create_socket  # noqa: SLF001
        loop = asyncio.get_running_loop()

        def wrapped() -> Any:  # runs in aiomqtt's thread
            try:
                sock: Any = create()
            except (ssl.SSLEOFError, ssl.SSLZeroReturnError):
                raise
            except ssl.SSLError as error:
                self._tls_fault = str(error)
                raise
            self._wire = Wire(sock, self.cutter, self._dropped, self._closed, loop)
            return self._wire

        paho._create_socket = wrapped  # type: ignore[method-assign]  # noqa: SLF001

    async def _within(self, work: Coroutine[Any, Any, T]) -> T:
        """Await until done, the deadline, or shortly after the socket closed (aiomqtt alone would wait for its whole timeout)."""
        task = asyncio.create_task(work, name=f"{self._settings.name}: connect")
        closed = asyncio.create_task(self._closed.wait(), name=f"{self._settings.name}: closed")
        try:
            await asyncio.wait({task, closed}, timeout=self._settings.timeout, return_when=asyncio.FIRST_COMPLETED)
            if closed.done():
                await asyncio.wait({task}, timeout=GRACE)
            if task.done():
                return task.result()
            raise aiomqtt.MqttError("the connection was closed" if closed.done() else f"no answer within {self._settings.timeout:g} s")
        finally:
            task.cancel()
            closed.cancel()
            await asyncio.gather(task, closed, return_exceptions=True)

    async def _subscribe(self) -> list[tuple[str, int]]:
        topics, qos = self._settings.topics, int(self._settings.qos)
        codes: Sequence[int | ReasonCode] = await self._within(self._client.subscribe([(topic, qos) for topic in topics]))
        granted = [(topic, code if isinstance(code, int) else code.value) for topic, code in zip(topics, codes, strict=True)]
        refused = ", ".join(topic for topic, code in granted if code >= FAILURE)
        if refused:
            raise SourceRefused(f"{self.where}: subscription refused: {refused}; grant it to this user, or take it out of `topics`")
        return [(topic, code) for topic, code in granted if code < qos]

    def _failure(self, error: aiomqtt.MqttError) -> SourceError:
        """Tell apart what a person must put right from what comes back by itself."""
        if isinstance(error, MqttConnectError):
            if isinstance(error.rc, ReasonCode) and error.rc.value == UNAVAILABLE:
                return SourceLost(f"{self.where}: not ready: {error.rc}")
            return SourceRefused(f"{self.where}: login refused: {error.rc}")
        alert = self._wire.alert if self._wire is not None else ""
        if not self._connected and (self._tls_fault or alert):
            return SourceRefused(f"{self.where}: TLS: {self._tls_fault or alert}")
        text = str((self._wire and self._wire.fault) or alert or error)
        if "refused" in text.lower():
            text += "; is a broker listening there?"
        elif self._wire is not None and not alert and self._settings.tls is None:
            text += "; does the port want TLS?"
        return SourceLost(f"{self.where}: {text}")

    def _on_socket_open(self, client: mqtt.Client, userdata: Any, sock: Any) -> None:
        """Refuse a socket that nobody waits for any more: aiomqtt connects in a thread, which a cancellation does not reach."""
        if self._leaving:
            sock.close()
            raise ConnectionAbortedError("left while connecting")
        if self._watch is not None:
            self._watch(client, userdata, sock)

    def _on_message(self, client: mqtt.Client, _userdata: Any, message: mqtt.MQTTMessage) -> None:
        """Take what paho parsed: everything where it reads itself, else QoS 2 alone."""
        if message.qos == 2:
            client.ack(message.mid, 2)
        try:
            topic = message.topic.encode()
        except UnicodeDecodeError:
            self._dropped["malformed"] += 1
            return
        packet_id = message.mid if message.qos == 1 else None
        size = len(topic) + len(message.payload)
        if 2 + size + (2 if message.qos else 0) > self._settings.max_packet:
            self._dropped["oversize"] += 1
            if packet_id is not None:
                self.cutter.ids.append(packet_id)
            return
        if self._waiting + size > WAITING_MOST:
            self._dropped["session_full"] += 1
            return
        self._waiting += size
        self.cutter.put(topic, bytes(message.payload), retained=message.retain, packet_id=packet_id)


def contract_fault(paho: mqtt.Client) -> str:
    """Name the first private name of paho that is not as the wrapper needs it; "" if all are."""
    needs = {"_create_socket": [], "_packet_queue": ["command", "packet", "mid", "qos", "info"]}
    for name, wanted in needs.items():
        try:
            found = list(inspect.signature(getattr(paho, name)).parameters)
        except (AttributeError, TypeError, ValueError):
            return f"paho has no {name}"
        if found != wanted:
            return f"paho's {name} takes ({', '.join(found)}), not ({', '.join(wanted)})"
    return ""
