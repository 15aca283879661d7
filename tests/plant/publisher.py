"""A publisher of raw packets, as fast as a broker takes them."""

import asyncio
from collections.abc import Iterable
from types import TracebackType
from typing import Self

from plant.packets import connect, packet, publish


class Publisher:
    """One plain connection with a clean session."""

    def __init__(self, port: int, username: str | None = None, password: str | None = None) -> None:
        self.port = port
        self._login = [None if part is None else part.encode() for part in (username, password)]
        self._ids = 0

    async def __aenter__(self) -> Self:
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self.port)
        self._writer.write(connect(b"publisher", *self._login))
        assert await self._read(4) == b"\x20\x02\x00\x00"
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._writer.close()
        await asyncio.wait([asyncio.ensure_future(self._writer.wait_closed())], timeout=5)

    async def publish(self, messages: Iterable[tuple[str, bytes]], *, qos: int = 0, retain: bool = False) -> None:
        """Send all and return when the broker has taken them."""
        answers = 0
        for number, (topic, payload) in enumerate(messages, 1):
            self._ids = self._ids % 65_535 + 1
            self._writer.write(publish(topic.encode(), payload, qos=qos, retain=retain, packet_id=self._ids))
            answers = number
            if number % 500 == 0:
                await self._writer.drain()
        if not qos:  # nothing is acknowledged, but a ping is answered in its turn
            self._writer.write(packet(0xC0, b""))
            assert await self._read(2) == b"\xd0\x00"
            return
        for _ in range(answers):
            assert (await self._read(4))[:2] == b"\x40\x02"

    async def _read(self, size: int) -> bytes:
        async with asyncio.timeout(30):
            return await self._reader.readexactly(size)
