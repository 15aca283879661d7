"""A TCP port that speaks HTTP, and that a reboot can close."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol

from aiohttp import web

Answer = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class Door(Protocol):
    """What a device is reached by."""

    async def open(self) -> None:
        """Listen; on the same port as before, once there was one."""
        ...

    async def shut(self) -> None:
        """Refuse connections and break those that are open. Twice is harmless."""
        ...


class Listener:
    """One listening socket whose requests one function answers.

    Args:
        host: to listen on.
        answer: gives the response to a request.
        port: 0 for a free one; kept from the first opening on.

    """

    def __init__(self, host: str, answer: Answer, port: int = 0) -> None:
        self.host, self.port = host, port
        self._answer = answer
        self._server: web.Server | None = None
        self._socket: asyncio.Server | None = None

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    async def open(self) -> None:
        """Listen.

        Raises:
            OSError: the port is taken.

        """
        self._server = web.Server(self._answer, access_log=None, handler_cancellation=True)
        self._socket = await asyncio.get_running_loop().create_server(self._server, self.host, self.port)
        self.port = self._socket.sockets[0].getsockname()[1]

    async def shut(self) -> None:
        listening, server = self._socket, self._server
        self._socket = self._server = None
        if listening is not None:
            listening.close()
        if server is not None:
            for connection in list(server.connections):
                if connection.transport is not None:
                    connection.transport.abort()
            while server.connections:  # each is gone, and its answer cancelled, at one of the loop's next turns
                await asyncio.sleep(0)
            await server.shutdown(0)


def hang_up(request: web.BaseRequest) -> web.Response:
    """Break a connection in place of an answer."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=503)  # nobody reads it
