"""What people did: an insert-only file that any process may add to and the daemon reads."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from monitor.errors import StoreFull, StoreLost
from monitor.model import Act, ActKind, Alert
from monitor.store.text import storable

VERSION = 1
BUSY_S = 5.0

# A rollback journal, not WAL: acts are rare, and one plain file can be copied and kept as an audit log.
_SCHEMA = f"""
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS acts (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    time REAL NOT NULL, who TEXT NOT NULL, kind TEXT NOT NULL, asset TEXT NOT NULL, value TEXT NOT NULL, why TEXT NOT NULL
) STRICT;
CREATE TRIGGER IF NOT EXISTS acts_stay BEFORE UPDATE ON acts BEGIN SELECT RAISE(ABORT, 'acts are insert-only'); END;
CREATE TRIGGER IF NOT EXISTS acts_last BEFORE DELETE ON acts BEGIN SELECT RAISE(ABORT, 'acts are insert-only'); END;
PRAGMA user_version = {VERSION};
COMMIT;
"""


def record(path: Path, who: str, kind: ActKind, asset: str, value: str, why: str, time: float) -> int:
    """Add one act, done at `time` (s since 1970 UTC), and return its number once it is safe on disk.

    Raises:
        StoreFull, StoreLost: it was not stored.

    """
    words = [storable(word) for word in (who, kind.value, asset, value, why)]
    with _open(path, "rwc") as base:
        if base.execute("PRAGMA user_version").fetchone()[0] == 0:
            base.executescript(_SCHEMA)
        cursor = base.execute("INSERT INTO acts (time, who, kind, asset, value, why) VALUES (?, ?, ?, ?, ?, ?)", (time, *words))
        return int(cursor.lastrowid or 0)


def after(path: Path, last: int) -> list[Act]:
    """Return the acts with a number above `last`, in order; none where nobody has acted yet.

    Raises:
        StoreLost: the file cannot be read, or a newer monitor wrote it.

    """
    if not path.exists():
        return []
    # Not "ro": who finds the journal of a writer that was killed must be allowed to roll it back.
    with _open(path, "rw") as base:
        if base.execute("PRAGMA user_version").fetchone()[0] == 0:
            return []
        rows = base.execute("SELECT id, time, who, kind, asset, value, why FROM acts WHERE id > ? ORDER BY id", (last,)).fetchall()
    return [Act(number, time, who, ActKind(kind), asset, value, why) for number, time, who, kind, asset, value, why in rows]


def of(path: Path, asset: str) -> list[Act]:
    """Return the acts on one asset, in order.

    Raises:
        StoreLost: as `after`.

    """
    return [act for act in after(path, 0) if act.asset == storable(asset)]


def phases(path: Path) -> dict[str, str]:
    """Return the phase that the last act on each rack set, by id: what counts, whether or not a daemon has taken it up yet.

    Raises:
        StoreLost: as `after`.

    """
    return {act.asset: act.value for act in after(path, 0) if act.kind is ActKind.PHASE}


def named(alert: Alert) -> str:
    """Return the value of an act that acknowledges an alert."""
    return storable(f"{alert.rule}#{alert.episode} {alert.point}".rstrip())


def acknowledged_by(act: Act, alert: Alert) -> bool:
    """Say whether an act acknowledges this alert."""
    return act.kind is ActKind.ACKNOWLEDGE and act.asset == storable(alert.asset) and act.value == named(alert)


@contextmanager
def _open(path: Path, mode: str) -> Iterator[sqlite3.Connection]:
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode={mode}", uri=True, timeout=BUSY_S, isolation_level=None)) as base:
            base.execute("PRAGMA synchronous = EXTRA")  # the journal's removal is the commit; it must survive power loss too
            version = base.execute("PRAGMA user_version").fetchone()[0]
            if version > VERSION:
                raise StoreLost(f"{path}: written by a newer monitor (version {version}, known is {VERSION}); upgrade this one")
            yield base
    except sqlite3.Error as error:
        kind = StoreFull if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL else StoreLost
        raise kind(f"{path}: {error}") from error
