"""The main file: SQLite in WAL mode, one writer thread of one process, any number of readers."""

import asyncio
import fcntl
import logging
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import IO, Self, TypeVar

from monitor.clock import Clock, WallClock
from monitor.errors import StoreFull, StoreLost
from monitor.model import Alert, State
from monitor.plant import Plant
from monitor.store.influx import line, place
from monitor.store.schema import ALERT_COLUMNS, BUSY_S, FACT, Row, alert_of, prepare, row_of
from monitor.store.snapshot import Snapshot
from monitor.store.text import storable

log = logging.getLogger(__name__)
T = TypeVar("T")

MOST_WAITING = 1_000_000  # lines for InfluxDB; weeks of an outage. Beyond it the oldest go, counted; the alerts themselves stay here
MOST_REFUSED = 100_000
MOST_CALLERS = 64  # tasks whose write is under way; the next one waits

_COLUMNS = ", ".join(f'"{name}"' for name in ALERT_COLUMNS)
_MARKS = ", ".join("?" * len(ALERT_COLUMNS))
_SAME = " AND ".join(f'"{name}" IS ?' for name in ALERT_COLUMNS)
_STATE = "SELECT state FROM alerts WHERE rule = ? AND asset = ? AND point = ? AND episode = ?"
_KNOWN = f"SELECT 1 FROM alert_changes WHERE {_SAME}"  # noqa: S608 - all five are built from constants
_PUT = f"INSERT OR REPLACE INTO alerts ({_COLUMNS}) VALUES ({_MARKS})"  # noqa: S608
_LOG = f"INSERT INTO alert_changes (committed, {_COLUMNS}) VALUES (?, {_MARKS})"  # noqa: S608
_FIRING = f"SELECT {_COLUMNS} FROM alerts WHERE state = 'firing' ORDER BY fired, rule, asset"  # noqa: S608
_STATE_AT = ALERT_COLUMNS.index("state")
_BOUNDED = {
    table: (f"SELECT {count} FROM influx_counts", f"DELETE FROM {table} WHERE id IN (SELECT id FROM {table} ORDER BY id LIMIT ?)")  # noqa: S608
    for table, count in (("influx_outbox", "waiting"), ("influx_refused", "refused"))
}


class Embedded:
    """The Store and the Outbox of a daemon. Entering opens or makes the file and takes the writer's lock.

    Args:
        path: the main file; its directory is made.
        influx: put a line for InfluxDB beside each alert, in the same transaction.
        site: tag of the lines where the plant does not name the asset's.
        hall: likewise.
        plant: tells where an asset stands; given at the start, a replay writes the same lines.
        clock: stamps when a change was committed.

    Raises:
        StoreFull, StoreLost: on entering and from every write.

    """

    def __init__(
        self,
        path: Path,
        influx: bool = False,
        *,
        site: str = "",
        hall: str = "",
        plant: Plant | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.path = path
        self.filled = asyncio.Event()
        self.waiting = 0  # lines for InfluxDB
        self.refused = 0  # lines it refused
        self.dropped = 0  # lines beyond MOST_WAITING and MOST_REFUSED
        self._influx = influx
        self._site = site
        self._hall = hall
        self._plant = plant
        self._clock = clock or WallClock()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="store-writer")
        self._room = asyncio.Semaphore(MOST_CALLERS)
        self._saving = asyncio.Lock()
        self._base: sqlite3.Connection | None = None
        self._lock: IO[bytes] | None = None
        self._inode = 0
        self._snapshot = Snapshot()

    async def __aenter__(self) -> Self:
        try:
            await self._run(lambda _: None)
        except BaseException:
            await self.__aexit__(None, None, None)
            raise
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /) -> None:
        self._thread.submit(self._close)
        await asyncio.to_thread(self._thread.shutdown)

    async def append(self, alerts: Sequence[Alert]) -> list[Alert]:
        """Return, once all are committed, those that were news.

        An alert is no news when its episode was stored in just this form before, or has ended and the alert would open it again:
        so a batch that is tried again, or a journal that is replayed, adds nothing.
        """
        if not alerts:
            return []
        rows = [row_of(alert) for alert in alerts]
        lines = [self._line(alert) for alert in alerts] if self._influx else []
        now = self._clock.now()
        news = await self._run(lambda base: self._append(base, rows, lines, now))
        if lines and news:
            self.filled.set()
        return [alerts[index] for index in news]

    async def save_plant(self, plant: Plant) -> None:
        """Make the stored snapshot equal the plant as it is now, in steps of a few milliseconds between which alerts go first."""
        self._plant = plant
        async with self._saving:
            for step in self._snapshot.steps(plant):
                await self._run(step)

    async def remember(self, facts: Mapping[str, str]) -> None:
        """Keep words about how the alerts of this file come about, by name; `query.facts` has them."""
        rows = [(f"{FACT}{name}", text) for name, text in facts.items()]

        def put(base: sqlite3.Connection) -> None:
            base.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", rows)

        await self._run(put)

    def open_alerts(self) -> list[Alert]:
        """Return the alerts that are firing, by fire time."""
        return [alert_of(row) for row in self._read(_FIRING)]

    def episodes(self) -> dict[tuple[str, str, str], int]:
        """Return the newest episode of each (rule, asset, point)."""
        rows = self._read("SELECT rule, asset, point, max(episode) FROM alerts GROUP BY rule, asset, point")
        return {(rule, asset, point): episode for rule, asset, point, episode in rows}

    async def take(self, most_lines: int, most_bytes: int) -> list[tuple[int, str]]:
        """Return the oldest lines for InfluxDB, at least one where there is one."""

        def oldest(base: sqlite3.Connection) -> list[tuple[int, str]]:
            taken: list[tuple[int, str]] = []
            size = 0
            with closing(base.execute("SELECT id, line FROM influx_outbox ORDER BY id LIMIT ?", (most_lines,))) as rows:
                for number, text in rows:
                    size += len(text.encode()) + 1
                    if taken and size > most_bytes:
                        break
                    taken.append((number, text))
            return taken

        return await self._run(oldest)

    async def done(self, ids: Sequence[int]) -> None:
        """Forget lines that the server took."""

        def forget(base: sqlite3.Connection) -> None:
            base.executemany("DELETE FROM influx_outbox WHERE id = ?", [(number,) for number in ids])

        await self._run(forget)

    async def refuse(self, ids: Sequence[int], words: str) -> None:
        """Set lines aside with the server's words; `retry_refused` puts them back."""
        now = self._clock.now()

        def aside(base: sqlite3.Connection) -> None:
            said = storable(words)
            base.executemany(
                "INSERT INTO influx_refused SELECT id, line, ?, ? FROM influx_outbox WHERE id = ?", [(said, now, n) for n in ids]
            )
            base.executemany("DELETE FROM influx_outbox WHERE id = ?", [(number,) for number in ids])
            _bound(base, "influx_refused", MOST_REFUSED)

        await self._run(aside)

    async def retry_refused(self) -> None:
        """Give every line that was set aside another try, after a person mended what the server complained about."""

        def back(base: sqlite3.Connection) -> None:
            base.execute("INSERT INTO influx_outbox (line) SELECT line FROM influx_refused ORDER BY id")
            base.execute("DELETE FROM influx_refused")

        await self._run(back)
        self.filled.set()

    async def _run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run one transaction in the writer's thread. A caller that is cancelled leaves it to finish."""
        async with self._room:
            result, counts = await asyncio.get_running_loop().run_in_executor(self._thread, self._commit, work)
            self.waiting, self.refused, self.dropped = counts
            return result

    def _commit(self, work: Callable[[sqlite3.Connection], T]) -> tuple[T, tuple[int, int, int]]:
        try:
            base = self._opened()
            base.execute("BEGIN IMMEDIATE")
            try:
                result = work(base)
                counts = base.execute("SELECT waiting, refused, dropped FROM influx_counts").fetchone()
                base.execute("COMMIT")
            except BaseException:
                if base.in_transaction:
                    base.execute("ROLLBACK")
                raise
        except sqlite3.Error as error:
            kind = StoreFull if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL else StoreLost
            raise kind(f"{self.path}: {error}") from error
        except OSError as error:
            raise StoreLost(f"{self.path}: {error}") from error
        return result, counts

    def _opened(self) -> sqlite3.Connection:
        """Return the writer's connection, opened anew after a loss."""
        if self._base is not None:
            # SQLite writes on into a file that somebody deleted, and says that all is well.
            if self.path.exists() and self.path.stat().st_ino == self._inode:
                return self._base
            self._close()
            self._snapshot.forget()
            raise StoreLost(f"{self.path}: the file was taken away while the monitor ran; the next write starts a new one")
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = self._lock or _only_writer(self.path)
        base = sqlite3.connect(self.path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
        try:
            prepare(base, self.path)
        except BaseException:
            base.close()
            raise
        self._inode = self.path.stat().st_ino
        self._base = base
        return base

    def _close(self) -> None:
        if self._base is not None:
            self._base.close()
            self._base = None
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _line(self, alert: Alert) -> str:
        at = place(self._plant, alert.asset)
        return line(alert, at.get("site", self._site), at.get("hall", self._hall), at.get("rack", ""))

    def _append(self, base: sqlite3.Connection, rows: Sequence[Row], lines: Sequence[str], now: float) -> list[int]:
        news = []
        for index, row in enumerate(rows):
            stored = base.execute(_STATE, row[:4]).fetchone()
            if stored is not None and (
                (stored[0] == State.ENDED and row[_STATE_AT] == State.FIRING) or base.execute(_KNOWN, row).fetchone() is not None
            ):
                continue
            base.execute(_PUT, row)
            base.execute(_LOG, (now, *row))
            if lines:
                base.execute("INSERT INTO influx_outbox (line) VALUES (?)", (lines[index],))
            news.append(index)
        if lines and news and (gone := _bound(base, "influx_outbox", MOST_WAITING)):
            log.error("%s: %d of the oldest lines for InfluxDB dropped; the alerts stay in this file", self.path, gone)
        return news

    def _read(self, sql: str) -> list[Row]:
        try:
            with closing(sqlite3.connect(f"{self.path.absolute().as_uri()}?mode=ro", uri=True, timeout=BUSY_S)) as base:
                return base.execute(sql).fetchall()
        except sqlite3.Error as error:
            raise StoreLost(f"{self.path}: {error}") from error


def _only_writer(path: Path) -> IO[bytes]:
    """Take the writer's lock; the kernel gives it back when the process dies, however it dies."""
    handle = path.with_name(path.name + ".lock").open("ab")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        handle.close()
        raise StoreLost(f"{path}: another monitor writes here; stop it or choose another store directory") from error
    return handle


def _bound(base: sqlite3.Connection, table: str, most: int) -> int:
    """Delete the oldest rows beyond `most`, counted; return how many."""
    count, delete = _BOUNDED[table]
    excess = int(base.execute(count).fetchone()[0]) - most
    if excess <= 0:
        return 0
    base.execute(delete, (excess,))
    base.execute("UPDATE influx_counts SET dropped = dropped + ?", (excess,))
    return excess
