"""What the simulated hosts log: received over UDP and TCP and read from a file, compared with recorded lines."""

import asyncio
import contextlib
import csv
import doctest
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from data import recorded
from served import Served, pod

from monitor.errors import InputError
from monitor.simulate.devices import Options, syslog

RFC5424 = re.compile(r"<(\d{1,3})>1 (\S+) (\S+) (\S+) - - - (.*)", re.DOTALL)
XID = re.compile(r"NVRM: Xid \((?:PCI:)?([0-9a-fA-F:.]+)\): (\d+)")


class Datagrams(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.lines: asyncio.Queue[str] = asyncio.Queue()

    def datagram_received(self, data: bytes, addr: object) -> None:
        self.lines.put_nowait(data.decode())


@contextlib.asynccontextmanager
async def receiver() -> AsyncIterator[tuple[str, asyncio.Queue[str]]]:
    transport, protocol = await asyncio.get_running_loop().create_datagram_endpoint(Datagrams, local_addr=("127.0.0.1", 0))
    try:
        yield f"udp://127.0.0.1:{transport.get_extra_info('sockname')[1]}", protocol.lines
    finally:
        transport.close()


def strike(served: Served, gpu: str, *codes: int) -> None:
    row = served.physics.row(f"{gpu}:xid")
    served.step(1.0, [(row, code) for code in codes])


def test_the_lines_in_docstrings_are_true() -> None:
    assert doctest.testmod(syslog) == (0, 2)


async def test_an_xid_is_one_datagram_with_host_time_and_bus_address() -> None:
    async with receiver() as (target, lines), pod("syslog", options=Options(syslog=target), prefix="Pod1-") as served:
        strike(served, "R01/tray3/gpu4", 94, 63)
        first, second = await lines.get(), await lines.get()

        match = RFC5424.fullmatch(first)
        assert match
        assert match.groups() == (
            "4",
            "2026-01-01T00:00:02.000Z",
            "pod1-r01-tray3",
            "kernel",
            "NVRM: Xid (PCI:0019:01:00): 94, Contained ECC error",
        )
        assert XID.search(second).groups() == ("0019:01:00", "63")
        assert served.devices.counts()["syslog_sent"] == 2

        served.devices.skew("R01/tray3", 3600.0)
        strike(served, "R01/tray3/gpu1", 79)
        assert "T01:00:03.000Z" in await lines.get()


async def test_the_plants_own_events_are_told() -> None:
    async with receiver() as (target, lines), pod("syslog", options=Options(syslog=target)) as served:
        served.physics.trays.events.append(("gpu.xid", 9, 63))  # as the plant notes one: GPU 2 of tray 3 of the first rack
        served.step(1.0)
        assert "r01-tray3 kernel - - - NVRM: Xid (PCI:0009:01:00): 63," in await lines.get()
        assert lines.empty()


async def test_a_host_that_is_down_says_nothing() -> None:
    async with receiver() as (target, lines), pod("syslog", options=Options(syslog=target)) as served:
        task = asyncio.create_task(served.devices.reboot("R01/tray3", 60.0))
        await served.asleep()
        strike(served, "R01/tray3/gpu1", 79)
        strike(served, "R01/tray4/gpu1", 94)
        assert "r01-tray4" in await lines.get()
        await served.past(60.0, task)
        strike(served, "R01/tray3/gpu1", 119)
        assert "): 119, " in await lines.get()


async def test_over_tcp_lines_are_framed_and_wait_for_a_receiver(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(syslog, "MOST_WAITING", 3)
    monkeypatch.setattr(syslog, "_RETRY", 0.01)
    found: asyncio.Queue[bytes] = asyncio.Queue()
    ended = asyncio.Event()

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError):
            while True:
                length = int(await reader.readuntil(b" "))
                found.put_nowait(await reader.readexactly(length))
        writer.close()
        await writer.wait_closed()
        ended.set()

    server = await asyncio.start_server(take, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    async with pod("syslog", options=Options(syslog=f"tcp://127.0.0.1:{port}")) as served:
        for code in (13, 31, 63, 79, 94):
            strike(served, "R01/tray1/gpu1", code)
        assert served.devices.counts() == {"syslog_sent": 5, "syslog_lost": 2, "redfish_events_lost": 0}
        async with await asyncio.start_server(take, "127.0.0.1", port):
            codes = [XID.search((await found.get()).decode())[2] for _ in range(3)]
            assert codes == ["63", "79", "94"]
            strike(served, "R01/tray1/gpu1", 145)
            assert b"145, RLW_SRC_TRACK" in await found.get()
    await ended.wait()
    assert found.empty()


async def test_into_a_file_one_line_follows_the_other(tmp_path: Path) -> None:
    path = tmp_path / "kern.log"
    path.write_text("before\n")
    async with pod("syslog", options=Options(syslog=str(path))) as served:
        strike(served, "R01/tray1/gpu1", 63, 94)
    async with pod("syslog") as served:
        own = Path(served.devices.addresses.syslog)
        strike(served, "R01/tray1/gpu1", 63)
        assert len(own.read_text().splitlines()) == 1

    assert [XID.search(line)[2] if "Xid" in line else line for line in path.read_text().splitlines()] == ["before", "63", "94"]
    assert not own.exists(), "a file of its own goes with it"


def test_texts_are_those_of_recorded_lines() -> None:
    rows = csv.reader(
        recorded("data", "gpu", "kernel_log", "nvrm_lines.tsv").read_text().splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE
    )
    lines = [line for _, line in rows]

    def shape(text: str) -> str:
        text = re.sub(r"GPU\d* GSP", "GPU GSP", text)
        return re.sub(r"0x[0-9a-f]+|\d+", "0", re.sub(r"\s+", " ", text))

    known = {shape(line.partition("NVRM: ")[2]) for line in lines}
    for code in syslog.TEXTS:
        ours = shape(syslog.xid_line(code, 0).removeprefix("NVRM: "))
        assert any(ours.startswith(one.split(" 0x0 0x0 0x0")[0][:40]) or ours == one for one in known), code
        assert XID.search(syslog.xid_line(code, 0)).groups() == ("0008:01:00", str(code))
    assert syslog.xid_line(999, 1) == "NVRM: Xid (PCI:0009:01:00): 999"


@pytest.mark.parametrize("target", ["udp://127.0.0.1", "http://127.0.0.1:5", "tcp://:601", "udp://127.0.0.1:x", "tcp://127.0.0.1:99999"])
async def test_a_target_that_is_none_is_refused(target: str) -> None:
    with pytest.raises(InputError, match=r"udp://127\.0\.0\.1:514, tcp://127\.0\.0\.1:601 or a file would do"):
        async with pod("syslog", options=Options(syslog=target)):
            pass


async def test_a_file_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="a file that can be written would do"):
        async with pod("syslog", options=Options(syslog=str(tmp_path / "none" / "kern.log"))):
            pass
