"""The table of contents: opens each stage in order, runs the path, closes in reverse."""

import asyncio
import logging
import time as real
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

from monitor.clock import Clock, WallClock
from monitor.collect import inventory
from monitor.collect.dsx import Dsx, covers
from monitor.collect.frames import Frames
from monitor.collect.frames_map import load_frames
from monitor.collect.mqtt import Dialect, Mqtt
from monitor.collect.own import LinkState
from monitor.collect.recording import Recording, Spoken
from monitor.collect.supervise import supervise
from monitor.config import Config, MqttLink
from monitor.detect import silence
from monitor.detect.core import Core
from monitor.detect.rules import RuleSet
from monitor.errors import ConfigError, Fault, Faults, MonitorError, StoreError, StoreLost
from monitor.model import ActKind, Alert, Phase, Readings, State
from monitor.plant import OWN_KINDS, Plant
from monitor.store import acts
from monitor.store.embedded import Embedded
from monitor.store.history import History
from monitor.store.influx import drain
from monitor.vocabulary import Quantity

log = logging.getLogger(__name__)

MOST_CHANGES = 100_000  # alerts that may wait for the store; beyond it the oldest waits no longer and is counted
SAVE_PLANT = 10.0  # s between looks at whether the stored snapshot of the plant is still right
POLL_ACTS = 1.0  # s
STATUS = 300.0  # s between two status lines
POLL_TICKS = 0.05  # s of real time between looks at whether a tick is due

Told = Callable[[Sequence[Alert]], None]
Changes = dict[tuple[str, str, str, int], Alert]  # by the alert's key: only how it stands is to be stored


@dataclass
class Summary:
    """What a replay did; the keys of `dcmon replay --json`."""

    messages: int = 0
    points: int = 0
    racks: int = 0
    edges: int = 0
    assets: dict[str, int] = field(default_factory=dict)
    values_stored: int = 0
    dropped: dict[str, int] = field(default_factory=dict)
    superseded: int = 0
    late: int = 0
    alerts: int = 0
    findings: int = 0
    tick_s: float = 1.0
    elapsed_s: float = 0.0
    readings_per_s: float = 0.0


class Coverage:
    """Keeps which points each heartbeat of a dialect speaks for."""

    def __init__(self, dialect: Spoken, core: Core) -> None:
        self._dialect = dialect
        self._core = core
        self._done = 0
        self._beats: dict[int, object] = {}

    def update(self) -> None:
        """Look at the points that came since the last call, or at all when a heartbeat came or went."""
        beats = self._dialect.heartbeats
        points = self._core.plant.points
        if beats != self._beats:
            self._beats = dict(beats)
            self._done = 0
        if not beats or self._done == len(points):
            return
        for row, beat in beats.items():
            mine = [
                at
                for at in range(self._done, len(points))
                if at == row or (points[at].source == beat.source and covers(beat.scope, points[at].path))
            ]
            if mine:
                self._core.cover(row, mine)
        self._done = len(points)


def plant_points(plant: Plant) -> list[int]:
    """Return the rows of the plant's points in use, the monitor's own left out."""
    return [row for row, point in plant.live_points() if plant.assets[point.asset].kind not in OWN_KINDS]


def summarise(core: Core, dialect: Spoken, alerts: int, elapsed: float) -> Summary:
    """Return what came out of a run so far."""
    plant = core.plant
    return Summary(
        messages=dialect.messages,
        points=len(plant_points(plant)),
        racks=plant.count_by_kind().get("rack", 0),
        edges=len(plant.edges),
        assets=plant.count_by_kind(),
        values_stored=core.readings,
        dropped=dict(sorted(dialect.dropped.items())),
        superseded=dialect.superseded,
        late=core.ticks.late,
        alerts=alerts,
        findings=len(plant.findings.counts),
        tick_s=core.ticks.tick,
        elapsed_s=round(elapsed, 3),
        readings_per_s=round(core.readings / elapsed) if elapsed > 0 else 0,
    )


@dataclass
class Replayed:
    """A finished replay: its summary, every alert as it stood at the end, and the plant."""

    summary: Summary
    alerts: list[Alert]
    plant: Plant


async def replay(
    recording: Recording,
    rules: RuleSet,
    config: Config,
    *,
    store: Path | None = None,
    plant: Plant | None = None,
    progress: Callable[[float], None] | None = None,
) -> Replayed:
    """Run a recording through the live path as fast as it goes.

    Args:
        recording: messages that a dialect decodes, or a table.
        rules: the checked rules.
        config: its `time` and `racks` count.
        store: folder that keeps alerts, plant and history afterwards; None keeps nothing.
        plant: assets known beforehand.
        progress: called with the receive time reached, s since 1970 UTC.
    """
    began = real.perf_counter()
    plant = plant or Plant()
    plant.vocabulary = rules.vocabulary
    core = Core(plant, rules, config.time)
    coverage = Coverage(recording, core)
    remembered = silence.memory(rules)
    apply_racks(plant, config)
    alerts: dict[tuple[str, str, str, int], Alert] = {}
    if store is not None:
        _make(store)
    async with AsyncExitStack() as stack:
        history: History | None = None
        base: Embedded | None = None
        if store is not None:
            base = await stack.enter_async_context(Embedded(store / "monitor.db", plant=plant))
            history = await stack.enter_async_context(History(store / "history", plant, keep_days=None))

        def changed(changes: Iterable[Alert]) -> None:
            for change in changes:
                alerts[change.key] = change

        for batch in recording.read(plant, config.time.tick):
            changed(silence.pass_over(core, batch.first, config.time.stale_factor, remembered))
            changed(core.close(batch.first))
            readings = batch.readings()
            coverage.update()
            changed(core.ingest(readings))
            changed(core.close(batch.last))
            if history is not None:
                history.add(readings)
                if history.rows >= 400_000:
                    await history.flush()
            if progress is not None:
                progress(batch.last)
        changed(core.finish())
        found = sorted(alerts.values(), key=lambda alert: (alert.fired, alert.rule, alert.asset, alert.point, alert.episode))
        if base is not None:
            await base.remember(settings(rules, config))
            await base.append(found)
            await base.save_plant(plant)
    return Replayed(summarise(core, recording, len(found), real.perf_counter() - began), found, plant)


def settings(rules: RuleSet, config: Config) -> dict[str, str]:
    """Return what a store remembers of how its alerts came about, so that they can be explained."""
    folder = {"rules": str(Path(rules.rules[0].file).absolute().parent.parent)} if rules.rules else {}
    return {**{name: repr(value) for name, value in config.time.model_dump().items()}, **folder}


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreLost(f"{folder}: cannot be made ({error.strerror}); name a folder that can be written") from error


def apply_racks(plant: Plant, config: Config) -> None:
    """Make known what the operator's file says about racks."""
    for name, rack in config.racks.items():
        told = {key: value for key in ("sku", "serial", "lot") if (value := getattr(rack, key)) is not None}
        plant.asset(name, "rack", **told)
        if rack.phase is not None:
            plant.set_phase(name, rack.phase)


def _read(read_rules: Callable[[], RuleSet]) -> tuple[RuleSet | None, list[str]]:
    """Return the rules, or None with all that is wrong with them."""
    try:
        return read_rules(), []
    except Faults as error:
        return None, [str(fault) for fault in error.faults]
    except (MonitorError, OSError) as error:
        return None, [str(error)]


def dialect(link: MqttLink, plant: Plant) -> Dialect:
    """Return what speaks on a link.

    Raises:
        ConfigError: every fault of its map.

    """
    return Dsx(plant) if link.map is None else Frames(plant, load_frames(link.map, plant.vocabulary))


def check_files(config: Config, vocabulary: Mapping[str, Quantity]) -> list[Fault]:
    """Return every fault of the maps and the plant file that a sound configuration names; the words are those of its rules."""
    faults: list[Fault] = []
    try:
        if config.plant is not None:
            inventory.load(config.plant)
    except ConfigError as error:
        faults += error.faults
    for link in config.links:
        try:
            dialect(link, Plant(vocabulary))
        except ConfigError as error:
            faults += error.faults
    return faults


class Daemon:
    """The monitor as a long-running process: links, engine, store.

    Args:
        config: the operator's file; the maps and the plant file that it names are read here.
        rules: the checked rules.
        clock: event time; stamps receive times, too.
        told: called with alerts after they are committed.
        read_rules: reads the rules again when `reload` is called; may take its time, it runs in a thread.

    Raises:
        ConfigError: every fault of a map or of the plant file.
    """

    def __init__(
        self,
        config: Config,
        rules: RuleSet,
        clock: Clock | None = None,
        told: Told | None = None,
        read_rules: Callable[[], RuleSet] | None = None,
    ) -> None:
        self.config = config
        self.clock = clock or WallClock()
        self.plant = inventory.load(config.plant) if config.plant is not None else Plant()
        self.plant.vocabulary = rules.vocabulary
        self.dialects = {link.name: dialect(link, self.plant) for link in config.links}
        self.core: Core | None = None
        self.history: History | None = None
        self.ready = asyncio.Event()
        self.coalesced = 0  # changes that replaced one of the same alert before it was committed
        self.dropped_changes = 0
        self._rules = rules
        self._told = told
        self._changes: Changes = {}
        self._waiting = asyncio.Event()
        self._saving: tuple[Changes, asyncio.Task[list[Alert]]] | None = None  # what is being committed
        self._last_act = 0
        self._read_rules = read_rules
        self._reload_asked = asyncio.Event()

    async def run(self) -> None:
        """Run until cancelled.

        Raises:
            StoreFull, StoreLost: the store cannot be opened.
        """
        config = self.config
        folder = config.store.path
        _make(folder)
        async with AsyncExitStack() as stack:
            base = await stack.enter_async_context(
                Embedded(
                    folder / "monitor.db", config.influx is not None, site=config.site, hall=config.hall, plant=self.plant, clock=self.clock
                )
            )
            self.history = await stack.enter_async_context(
                History(folder / "history", self.plant, config.store.flush, keep_days=config.store.keep_days)
            )
            self.core = Core(self.plant, self._rules, config.time, open_alerts=base.open_alerts(), episodes=base.episodes())
            self.core.ticks.start(self.clock.now())
            self._change(replace(alert, state=State.ENDED, ended=self.clock.now()) for alert in self.core.engine.orphans())
            await base.remember(settings(self._rules, config))
            apply_racks(self.plant, config)
            self._act(folder / "acts.db")
            stack.push_async_callback(self._last, base)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._commit(base), name="commit")
                tasks.create_task(self._tick(), name="tick")
                tasks.create_task(self._reload(), name="reload")
                tasks.create_task(self.history.run(self.clock), name="history")
                tasks.create_task(self._every(SAVE_PLANT, lambda: base.save_plant(self.plant)), name="plant")
                tasks.create_task(self._every(STATUS, self._report, first=STATUS), name="status")
                tasks.create_task(self._every(POLL_ACTS, lambda: self._read_acts(folder / "acts.db")), name="acts")
                if config.influx is not None:
                    tasks.create_task(drain(base, config.influx, self.clock), name="influx")
                for link in config.links:
                    tasks.create_task(self._link(link.name), name=f"link {link.name}")
                self.ready.set()

    async def _link(self, name: str) -> None:
        settings = next(link for link in self.config.links if link.name == name)
        dialect = self.dialects[name]
        if isinstance(dialect, Frames) and "topics" not in settings.model_fields_set:
            settings = settings.model_copy(update={"topics": dialect.topics})
        assert self.core is not None
        coverage = Coverage(dialect, self.core)
        core = self.core
        history = self.history
        assert history is not None

        def sink(readings: Readings) -> None:
            coverage.update()
            self._change(core.ingest(readings))
            history.add(readings)
            self._change(core.close(self.clock.now()))

        def on_state(link: str, state: str, reason: str, _now: float) -> None:
            core.link(link, LinkState[state.upper()])
            if state == "connected":
                log.info("%s: connected to %s:%d", link, settings.host, settings.port)
            if reason:
                self.plant.findings.add(f"link_{state}", link, reason)

        await supervise(lambda: Mqtt(settings, self.clock, dialect), sink, self.clock, on_state)

    def _change(self, changes: Iterable[Alert]) -> None:
        for change in changes:
            if change.key in self._changes:
                self.coalesced += 1
            elif len(self._changes) >= MOST_CHANGES:
                self.dropped_changes += 1
                self._changes.pop(next(iter(self._changes)))
            self._changes[change.key] = change
            self._waiting.set()

    async def _commit(self, base: Embedded) -> None:
        """Commit changes as they come; tell of them afterwards. A store that is lost is tried again; changes wait."""
        lost = False
        while True:
            await self._waiting.wait()
            self._waiting.clear()
            try:
                await self._write(base)
            except StoreError as error:
                if not lost:
                    log.warning("%s; alerts wait in memory", error)
                lost = True
                await asyncio.sleep(1.0)
                self._waiting.set()
                continue
            if lost:
                log.info("%s: written again", base.path)
                lost = False

    async def _write(self, base: Embedded) -> None:
        """Commit what waits and tell of what was news. A caller that is cancelled leaves the write to whoever comes next.

        Raises:
            StoreFull, StoreLost: the changes wait for the next try.
        """
        if self._saving is None:
            changes, self._changes = self._changes, {}
            self._saving = (changes, asyncio.create_task(base.append(list(changes.values()))))
        changes, saving = self._saving
        try:
            news = await asyncio.shield(saving)
        except StoreError:
            self._saving = None
            self._changes = {**changes, **self._changes}
            raise
        self._saving = None
        if self._told is not None and news:
            self._told(news)

    def reload(self) -> None:
        """Have the rules read again; asked for once more while they are read, they are read once more."""
        self._reload_asked.set()

    async def _reload(self) -> None:
        """Go on with the rules as they are now, each time somebody asks; where anything is wrong with them, with those before."""
        core = self.core
        assert core is not None
        while True:
            await self._reload_asked.wait()
            self._reload_asked.clear()
            if self._read_rules is None:
                continue
            rules, faults = await asyncio.to_thread(_read, self._read_rules)
            if rules is None:
                for fault in faults:
                    log.error("%s", fault)
                log.error("rules not reloaded, %d faults; the %d rules of before stay", len(faults), len(self._rules.rules))
                continue
            ended = core.reload(rules, self.clock.now())
            self._rules = rules
            self._change(ended)
            log.info("rules reloaded: %d rules, %d alerts ended with theirs", len(rules.rules), len(ended))

    async def _tick(self) -> None:
        assert self.core is not None
        while True:
            self._change(self.core.close(self.clock.now()))
            await asyncio.sleep(POLL_TICKS)

    async def _every(self, seconds: float, work: Callable[[], Awaitable[None]], *, first: float = 0.0) -> None:
        await asyncio.sleep(first)
        while True:
            try:
                await work()
            except StoreError as error:
                log.warning("%s", error)
            await asyncio.sleep(seconds)

    async def _report(self) -> None:
        log.info("%s", self.status())

    def status(self) -> str:
        """Return one line that says whether the monitor hears anything, and what it could not use."""
        core = self.core
        if core is None:
            return "starting"
        dropped: dict[str, int] = {}
        for dialect in self.dialects.values():
            for reason, count in dialect.dropped.items():
                dropped[reason] = dropped.get(reason, 0) + count
        counts = ", ".join(f"{count} {reason}" for reason, count in sorted(dropped.items())) or "none"
        open_alerts = core.engine.open_alerts()
        points = len(plant_points(self.plant))
        links = ", ".join(f"{name} {state.name.lower()}" for name, state in core.own.states.items())
        return (
            f"links: {links or 'none'}; {self.plant.count_by_kind().get('rack', 0)} racks, {points} points, {core.readings:,} readings, "
            f"{core.ticks.late} late, dropped: {counts}; {len(open_alerts)} alerts firing, {len(self.plant.findings.counts)} findings"
        )

    async def _read_acts(self, path: Path) -> None:
        self._act(path)

    def _act(self, path: Path) -> None:
        """Do what people asked for since the last look."""
        for act in acts.after(path, self._last_act):
            self._last_act = act.id
            if act.kind is ActKind.PHASE:
                self.plant.asset(act.asset)
                self.plant.set_phase(act.asset, Phase(act.value))
            if act.kind is ActKind.ACKNOWLEDGE and self.core is not None:
                for alert in self.core.engine.open_alerts():
                    if acts.acknowledged_by(act, alert):
                        self.core.engine.acknowledge(*alert.key[:3])

    async def _last(self, base: Embedded) -> None:
        """Commit what is left and leave a true snapshot behind."""
        log.info("stopping; %s", self.status())
        try:
            while self._saving is not None or self._changes:
                await self._write(base)
            await base.save_plant(self.plant)
        except StoreError as error:
            log.warning("%s; %d alert changes lost at the end", error, len(self._changes))
