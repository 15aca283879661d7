"""Alerts to InfluxDB: a line leaves the outbox only when the server took it or refused it alone."""

import asyncio
import json
import logging
import os
import shutil
import socket
import subprocess
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote, urlencode

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from influx_stub import Stub, answer, hang, parse, serving
from stored_alerts import ENDED, FIRED, HOSTILE, START

from monitor.config import Influx
from monitor.model import Alert, Severity, State
from monitor.plant import Plant
from monitor.store import influx
from monitor.store.embedded import Embedded
from monitor.store.influx import Answer, asked_wait, judge, line, place


class Patient:
    """A clock whose sleepers do not wait, and that remembers what they asked for."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    def now(self) -> float:
        return START

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        await asyncio.sleep(0)


def test_a_line_holds_the_alert_and_the_time_of_its_transition() -> None:
    assert line(FIRED, "campus", "hall7", "rack1") == (
        "alert,asset=rack1,domain=cooling,hall=hall7,phase=watch,rack=rack1,rule=cooling.rack_flow_low,severity=critical,site=campus "
        'episode=1i,fired=1767225610.25,incident="",limit=31.2,value=24.06,state="firing",'
        'summary="Rack coolant flow too low: 24.1 L/min against 31.2 L/min",told=true,unit="L/min" 1767225610250000002'
    )
    ended = parse(line(ENDED))
    assert ended.time // 1000 == round((START + 75.5) * 1e6)
    assert (ended.fields["state"], ended.fields["fired"]) == ("ended", FIRED.fired)


def test_the_same_transition_is_the_same_point_and_another_one_another() -> None:
    """Even all at one instant; only a rewritten incident or summary may meet an older point."""
    moment = START + 1
    alerts = [
        replace(FIRED, episode=episode, fired=moment, ended=ended, state=state)
        for episode in range(1, 200)
        for state, ended in ((State.FIRING, None), (State.ENDED, moment))
    ]
    points = {(tuple(found.tags.items()), found.time) for found in (parse(line(alert)) for alert in alerts)}

    assert len(points) == len(alerts)
    assert line(FIRED) == line(replace(FIRED))


def test_what_is_unknown_is_left_out() -> None:
    found = parse(line(replace(FIRED, value=None, limit=float("nan"), point="")))

    assert not {"value", "limit"} & set(found.fields)
    assert not {"point", "site", "hall", "rack"} & set(found.tags)
    assert "value" not in parse(line(replace(FIRED, value=float("inf")))).fields


@given(name=st.text(min_size=1), other=st.text(min_size=1), summary=st.text())
def test_any_name_comes_back_from_the_line(name: str, other: str, summary: str) -> None:
    found = parse(line(replace(FIRED, asset=name, point=other, summary=summary), site=name, hall=other, rack=name))

    assert unquote(found.tags["asset"]) == unquote(found.tags["rack"]) == name
    assert unquote(found.tags["hall"]) == unquote(found.tags["point"]) == other
    if summary.isprintable():
        assert found.fields["summary"] == summary
    assert set(found.tags) == {"asset", "domain", "hall", "phase", "point", "rack", "rule", "severity", "site"}


@given(one=st.text("a%2540AFaf\\,= \n\x00", min_size=1), other=st.text("a%2540AFaf\\,= \n\x00", min_size=1))
def test_two_names_stay_two_names(one: str, other: str) -> None:
    assume(one != other)

    assert line(replace(FIRED, asset=one)) != line(replace(FIRED, asset=other))


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_stay_inside_their_tag(name: str) -> None:
    found = parse(line(replace(FIRED, asset=name, summary=name), rack=name))

    assert unquote(found.tags["asset"], errors="surrogatepass") == name
    assert found.fields["state"] == "firing"


@given(value=st.floats(allow_nan=False, allow_infinity=False), fired=st.floats(0, 4e9))
def test_numbers_come_back_exactly(value: float, fired: float) -> None:
    found = parse(line(replace(FIRED, value=value, fired=fired)))

    assert (found.fields["value"], found.fields["fired"]) == (value, fired)


def test_a_place_survives_a_loop_of_parents() -> None:
    plant = Plant()
    plant.asset("a", "rack", parent="b")
    plant.asset("b", "hall", parent="a")

    assert place(plant, "a") == {"rack": "a", "hall": "b"}
    assert place(plant, "nobody") == place(None, "a") == {}


@pytest.mark.parametrize(
    ("status", "means"),
    [
        (204, Answer.TAKEN),
        (201, Answer.TAKEN),
        (200, Answer.BARRED),
        (302, Answer.BARRED),
        (400, Answer.WRONG),
        (401, Answer.BARRED),
        (403, Answer.BARRED),
        (404, Answer.BARRED),
        (408, Answer.LATER),
        (413, Answer.WRONG),
        (422, Answer.WRONG),
        (429, Answer.LATER),
        (500, Answer.LATER),
        (503, Answer.LATER),
        (0, Answer.BARRED),
    ],
)
def test_every_status_has_its_meaning(status: int, means: Answer) -> None:
    assert judge(status) == means


@pytest.mark.parametrize(
    ("words", "wait"),
    [
        ("7", 7.0),
        ("0.5", 0.5),
        ("99999", 600.0),
        ("-3", 0.0),
        ("soon", 0.0),
        ("", 0.0),
        ("nan", 0.0),
        ("1e999", 0.0),
        ("Thu, 01 Jan 2026 00:00:30 GMT", 30.0),
        ("Wed, 31 Dec 2025 00:00:30 GMT", 0.0),
    ],
)
def test_retry_after_is_read_and_bounded(words: str, wait: float) -> None:
    assert asked_wait({"Retry-After": words}, START) == wait


@asynccontextmanager
async def draining(folder: Path, stub: Stub, clock: Patient | None = None, timeout: float = 10.0) -> AsyncIterator[Embedded]:
    (folder / "token").write_text("secret\n")
    settings = Influx(url=stub.url, org="org", bucket="alerts", token_file=folder / "token", timeout=timeout)
    async with Embedded(folder / "monitor.db", influx=True) as store:
        task = asyncio.create_task(influx.drain(store, settings, clock or Patient()))
        try:
            yield store
            assert not task.done()
        finally:
            task.cancel()
            await asyncio.wait([task])


async def emptied(store: Embedded, waiting: int = 0) -> None:
    async with asyncio.timeout(30):
        while store.waiting > waiting:
            await asyncio.sleep(0.005)


def many(count: int) -> list[Alert]:
    return [replace(FIRED, asset=f"rack{number}") for number in range(count)]


def assets(stub: Stub) -> set[str]:
    return {dict(tags)["asset"] for _, tags, _ in stub.stored}


async def test_alerts_arrive_and_leave_the_outbox(tmp_path: Path) -> None:
    async with serving(Stub()) as stub, draining(tmp_path, stub) as store:
        await store.append(many(50))
        await emptied(store)
        await store.append([FIRED, ENDED])
        await emptied(store)

        assert assets(stub) == {f"rack{number}" for number in range(50)}
        assert len(stub.stored) == 51  # rack1 had fired before; its end is the one new point


async def test_many_lines_go_in_batches_by_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(influx, "MOST_LINES", 20)
    async with serving(Stub()) as stub, draining(tmp_path, stub) as store:
        await store.append(many(95))
        await emptied(store)

        assert stub.requests == [20, 20, 20, 20, 15]


async def test_an_outage_loses_nothing_and_is_logged_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "monitor")
    stub = Stub(faults=[answer(503, "starting"), answer(500), answer(503), answer(429, "slow down", Retry_After="42")])
    clock = Patient()
    async with serving(stub), draining(tmp_path, stub, clock) as store:
        await store.append(many(30))
        await emptied(store)

        assert len(stub.stored) == 30
        await asyncio.sleep(0)
    assert len(clock.slept) == 4
    assert all(0 < wait <= 60 for wait in clock.slept)
    assert clock.slept[3] == 42.0
    messages = [record.getMessage() for record in caplog.records if record.name == "monitor.store.influx"]
    assert len(messages) == 2
    assert "503" in messages[0]
    assert "starting" in messages[0]
    assert "after 4 tries" in messages[1]


async def test_waits_grow_and_are_never_longer_than_the_longest(tmp_path: Path) -> None:
    stub = Stub(faults=[answer(503)] * 15)
    clock = Patient()
    async with serving(stub), draining(tmp_path, stub, clock) as store:
        await store.append([FIRED])
        await emptied(store)

    assert len(clock.slept) == 15
    assert 0.8 <= clock.slept[0] <= 1.6
    assert all(30 <= wait <= 60 for wait in clock.slept[9:])


async def test_nobody_listening_loses_nothing(tmp_path: Path) -> None:
    clock = Patient()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    async with draining(tmp_path, Stub(url=f"http://127.0.0.1:{port}"), clock) as store:
        await store.append([FIRED])
        async with asyncio.timeout(30):
            while len(clock.slept) < 3:
                await asyncio.sleep(0.005)

        assert store.waiting == 1


async def test_a_server_that_hangs_is_given_up_and_tried_again(tmp_path: Path) -> None:
    stub = Stub(faults=[hang])
    async with serving(stub), draining(tmp_path, stub, timeout=0.2) as store:
        await store.append([FIRED])
        await emptied(store)

        assert stub.hanging.is_set()
        assert len(stub.stored) == 1


async def test_a_wrong_line_is_set_aside_alone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    stub = Stub(wrong=lambda text: "asset=rack13," in text or "asset=rack77," in text)
    async with serving(stub), draining(tmp_path, stub) as store:
        await store.append(many(100))
        await emptied(store)

        assert assets(stub) == {f"rack{number}" for number in range(100)} - {"rack13", "rack77"}
        assert store.refused == 2
        assert len(stub.requests) < 40  # halves, not one by one
        assert len([record for record in caplog.records if "field type conflict" in record.getMessage()]) == 2

        stub.wrong = lambda _: False  # a person mends it
        await store.retry_refused()
        await emptied(store)
        assert len(stub.stored) == 100


async def test_a_body_that_is_too_large_goes_in_halves(tmp_path: Path) -> None:
    stub = Stub(faults=[answer(413, "too large"), answer(413, "too large")])
    async with serving(stub), draining(tmp_path, stub) as store:
        await store.append(many(8))
        await emptied(store)

        assert len(stub.stored) == 8
        assert store.refused == 0
        assert stub.requests == [8, 4, 2, 2, 4]


async def test_a_wrong_token_keeps_the_lines_until_the_file_is_right(tmp_path: Path) -> None:
    stub = Stub(token="new")
    clock = Patient()
    async with serving(stub), draining(tmp_path, stub, clock) as store:
        await store.append(many(5))
        async with asyncio.timeout(30):
            while not clock.slept:
                await asyncio.sleep(0.005)
        assert (store.waiting, store.refused) == (5, 0)
        assert 30 <= clock.slept[0] <= 60

        (tmp_path / "token").write_text("new")
        await emptied(store)
        assert len(stub.stored) == 5


async def test_a_missing_token_file_is_an_outage_not_a_crash(tmp_path: Path) -> None:
    async with serving(Stub()) as stub, draining(tmp_path, stub) as store:
        (tmp_path / "token").unlink()
        await store.append([FIRED])
        for _ in range(50):
            await asyncio.sleep(0.001)
        (tmp_path / "token").write_text("secret")
        await emptied(store)

        assert len(stub.stored) == 1


@pytest.mark.parametrize("fault", [answer(200, "<html>please log in</html>"), answer(302, Location="/login")])
async def test_a_login_page_is_not_taken_for_success(tmp_path: Path, fault: object) -> None:
    stub = Stub(faults=[fault])  # type: ignore[list-item]
    clock = Patient()
    async with serving(stub), draining(tmp_path, stub, clock) as store:
        await store.append([FIRED])
        await emptied(store)

        assert len(clock.slept) == 1
        assert len(stub.stored) == 1


async def test_lines_of_the_last_run_are_delivered_after_a_restart(tmp_path: Path) -> None:
    async with Embedded(tmp_path / "monitor.db", influx=True) as store:
        await store.append(many(7))
    async with serving(Stub()) as stub, draining(tmp_path, stub) as store:
        await emptied(store)

        assert len(stub.stored) == 7


@pytest.fixture
def victoria(tmp_path: Path) -> str:
    """A real server of the write API, by its URL."""
    program = shutil.which("victoria-metrics")
    if program is None:
        if os.environ.get("CI"):
            pytest.fail("victoria-metrics is missing; tests/check installs it")
        pytest.skip("victoria-metrics is not installed; apt-get install victoria-metrics")
    return program


@asynccontextmanager
async def real_server(program: str, folder: Path) -> AsyncIterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    process = subprocess.Popen(
        [program, f"-httpListenAddr=127.0.0.1:{port}", f"-storageDataPath={folder}", "-retentionPeriod=100y", "-search.latencyOffset=0s"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(30):
            while not await asyncio.to_thread(_get, f"{url}/health"):
                await asyncio.sleep(0.05)
        yield url
    finally:
        process.terminate()
        await asyncio.to_thread(process.wait)


def _get(url: str, **query: str) -> str:
    try:
        with urllib.request.urlopen(f"{url}?{urlencode(query)}", timeout=10) as answered:
            return answered.read().decode()
    except (urllib.error.URLError, OSError):
        return ""


async def test_a_real_server_takes_hostile_names(tmp_path: Path, victoria: str) -> None:
    names = [name for name in HOSTILE if len(name) < 1000]
    async with real_server(victoria, tmp_path / "data") as url:
        (tmp_path / "store").mkdir()
        async with draining(tmp_path / "store", Stub(url=url)) as store:
            await store.append([replace(FIRED, asset=name, severity=Severity.MAJOR) for name in names])
            await emptied(store)
            assert store.refused == 0
        async with asyncio.timeout(30):
            while True:
                await asyncio.to_thread(_get, f"{url}/internal/force_flush")
                text = await asyncio.to_thread(_get, f"{url}/api/v1/label/asset/values", start="0")
                kept = {unquote(name, errors="surrogatepass") for name in json.loads(text)["data"]}
                if len(kept) >= len(names):
                    break
                await asyncio.sleep(0.05)

    assert kept == set(names)
