"""A running daemon takes up other rules and what people acknowledge: real processes, a real broker."""

import asyncio
import contextlib
import json
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from conftest import StartBroker
from daemon import PATIENCE
from plant.publisher import Publisher

from monitor.store import query

METADATA = "BMS/v1/PUB/Metadata/Rack/RackPower/R1"
VALUE = "BMS/v1/PUB/Value/Rack/RackPower/R1"
SAYS = "title: A rule for tests\nstatus: stable\nseverity: minor\napplies_to: rack\nwhy: w\ndo: d\nsource: s\nblind: b\n"


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / f"cooling/{name}.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"id: cooling.{name}\n{SAYS}{text}\n")
    return path


def alerts(store: Path) -> dict[str, tuple[str, int]]:
    """Return state and episode of each rule's newest alert."""
    if not (store / "monitor.db").exists():
        return {}
    return {row["rule"]: (row["state"], row["episode"]) for row in query.alerts(store / "monitor.db").objects()}


class Watched:
    """`dcmon run` and what it said on standard error."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.said = ""

    async def read(self) -> None:
        assert self.process.stderr is not None
        while line := await self.process.stderr.readline():
            self.said += line.decode()

    async def until(self, true: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not true():
            assert time.monotonic() < deadline, self.said
            assert self.process.returncode is None, self.said
            await asyncio.sleep(0.05)

    def hang_up(self) -> None:
        self.process.send_signal(signal.SIGHUP)


@contextlib.asynccontextmanager
async def running(config: Path) -> AsyncIterator[Watched]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "monitor", "run", str(config), "--quiet", stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
    )
    watched = Watched(process)
    reader = asyncio.create_task(watched.read())
    try:
        yield watched
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(PATIENCE):
            await reader
        assert await process.wait() == 0, watched.said
        assert "Traceback" not in watched.said
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def dcmon(*words: object) -> str:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "monitor", *map(str, words), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, error = await process.communicate()
    assert process.returncode == 0, error.decode()
    return out.decode()


async def test_a_daemon_reloads_its_rules_and_takes_acknowledgements(start_broker: StartBroker, tmp_path: Path) -> None:
    """Faulty rules change nothing; a removed rule ends its alerts; a latched alert ends after it was acknowledged; all can be explained."""
    rules, store = tmp_path / "rules", tmp_path / "data"
    hot = write(rules, "hot", "when: power > 50 kW")
    write(rules, "latched", "latch: true\nwhen: power > 50 kW")
    port = start_broker("mosquitto").port
    config = tmp_path / "monitor.yaml"
    config.write_text(f"store: {{path: {store}, flush: 0.5}}\nrules: {rules}\nlinks: [{{port: {port}}}]\n")
    about = {"rackLocationId": "R1", "engUnit": "kW", "objectType": "Rack", "pointType": "RackPower"}

    async with running(config) as watched, Publisher(port) as publisher:

        async def say(power: float) -> None:
            text = json.dumps({"value": power, "timestamp": round(time.time() * 1000), "quality": 1})
            await publisher.publish([(METADATA, json.dumps(about).encode()), (VALUE, text.encode())])

        await watched.until(lambda: "connected to" in watched.said)
        await say(60)
        await watched.until(lambda: alerts(store) == {"cooling.hot": ("firing", 1), "cooling.latched": ("firing", 1)})

        fresh = write(rules, "fresh", "when: power >")
        watched.hang_up()
        await watched.until(lambda: "rules not reloaded, 1 faults; the 2 rules of before stay" in watched.said)
        assert "fresh.yaml:10:14: when: ends too early" in watched.said
        assert {state for state, _ in alerts(store).values()} == {"firing"}

        write(rules, "fresh", "when: power > 55 kW")
        hot.unlink()
        watched.hang_up()
        await watched.until(lambda: alerts(store).get("cooling.fresh") == ("firing", 1))
        assert "rules reloaded: 2 rules, 1 alerts ended with theirs" in watched.said
        await watched.until(lambda: alerts(store)["cooling.hot"] == ("ended", 1))
        assert alerts(store)["cooling.latched"] == ("firing", 1)

        await say(10)
        await watched.until(lambda: alerts(store)["cooling.fresh"][0] == "ended")
        assert alerts(store)["cooling.latched"] == ("firing", 1)
        told = await dcmon("acknowledge", "cooling.latched/R1", "--who", "ann", "--why", "on my way", "--store", store)
        assert told.startswith("recorded as act 1: cooling.latched/R1#1 acknowledged by ann: on my way")
        await watched.until(lambda: alerts(store)["cooling.latched"] == ("ended", 1))
        assert fresh.exists()

    assert "FIRES" in (await dcmon("explain", "cooling.latched/R1", "--store", store)).splitlines()[0]


async def test_an_acknowledgement_counts_after_a_restart_too(start_broker: StartBroker, tmp_path: Path) -> None:
    """Given while no daemon runs; the alert ends once its rack speaks again and all is well."""
    rules, store = tmp_path / "rules", tmp_path / "data"
    write(rules, "latched", "latch: true\nwhen: power > 50 kW")
    port = start_broker("mosquitto").port
    config = tmp_path / "monitor.yaml"
    config.write_text(f"store: {{path: {store}}}\nrules: {rules}\nlinks: [{{port: {port}}}]\n")
    about = {"rackLocationId": "R1", "engUnit": "kW", "objectType": "Rack", "pointType": "RackPower"}

    async def say(publisher: Publisher, power: float) -> None:
        text = json.dumps({"value": power, "timestamp": round(time.time() * 1000), "quality": 1})
        await publisher.publish([(METADATA, json.dumps(about).encode()), (VALUE, text.encode())])

    async with running(config) as watched, Publisher(port) as publisher:
        await watched.until(lambda: "connected to" in watched.said)
        await say(publisher, 60)
        await watched.until(lambda: alerts(store) == {"cooling.latched": ("firing", 1)})
    await dcmon("acknowledge", "cooling.latched/R1", "--who", "ann", "--store", store)
    async with running(config) as watched, Publisher(port) as publisher:
        await watched.until(lambda: "connected to" in watched.said)
        await say(publisher, 10)
        await watched.until(lambda: alerts(store) == {"cooling.latched": ("ended", 1)})
