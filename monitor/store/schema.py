"""The tables of the main file, and an alert as one of their rows."""

import math
import sqlite3
from pathlib import Path
from typing import Any

from monitor.errors import StoreLost
from monitor.model import Alert, Phase, Severity, State
from monitor.store.text import storable

VERSION = 1
BUSY_S = 5.0
FACT = "fact "  # leads the keys of `meta` that are about how the alerts came about
ALERT_COLUMNS = (
    "rule", "asset", "point", "episode", "severity", "state", "fired", "ended", "value", "limit", "unit", "summary", "phase", "told",
)  # fmt: skip

Row = tuple[Any, ...]

_ALERT = """
    rule TEXT NOT NULL, asset TEXT NOT NULL, point TEXT NOT NULL, episode INTEGER NOT NULL,
    severity TEXT NOT NULL, state TEXT NOT NULL, fired REAL NOT NULL, ended REAL, value REAL, "limit" REAL,
    unit TEXT NOT NULL, summary TEXT NOT NULL, phase TEXT NOT NULL, told INTEGER NOT NULL
"""
_TABLES = f"""
CREATE TABLE alerts ({_ALERT}, PRIMARY KEY (rule, asset, point, episode)) STRICT, WITHOUT ROWID;
CREATE INDEX alerts_fired ON alerts (fired);
CREATE INDEX alerts_firing ON alerts (fired) WHERE state = 'firing';
CREATE TABLE alert_changes (id INTEGER PRIMARY KEY, committed REAL NOT NULL, {_ALERT}) STRICT;
CREATE INDEX alert_changes_key ON alert_changes (rule, asset, point, episode);

CREATE TABLE assets (id TEXT PRIMARY KEY, kind TEXT NOT NULL, parent TEXT, attributes TEXT NOT NULL, phase TEXT NOT NULL)
    STRICT, WITHOUT ROWID;
CREATE TABLE edges (giver TEXT NOT NULL, taker TEXT NOT NULL, PRIMARY KEY (giver, taker)) STRICT, WITHOUT ROWID;
CREATE TABLE points (
    path TEXT PRIMARY KEY, asset TEXT NOT NULL, quantity TEXT NOT NULL, unit TEXT NOT NULL, tags TEXT NOT NULL,
    setpoint INTEGER NOT NULL, states TEXT NOT NULL, source TEXT NOT NULL, "interval" REAL NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX points_asset ON points (asset);
CREATE TABLE findings (code TEXT NOT NULL, subject TEXT NOT NULL, text TEXT NOT NULL, count INTEGER NOT NULL, PRIMARY KEY (code, subject))
    STRICT, WITHOUT ROWID;

CREATE TABLE influx_outbox (id INTEGER PRIMARY KEY AUTOINCREMENT, line TEXT NOT NULL) STRICT;
CREATE TABLE influx_refused (id INTEGER PRIMARY KEY, line TEXT NOT NULL, words TEXT NOT NULL, refused REAL NOT NULL) STRICT;
CREATE TABLE influx_counts (waiting INTEGER NOT NULL, refused INTEGER NOT NULL, dropped INTEGER NOT NULL) STRICT;
INSERT INTO influx_counts VALUES (0, 0, 0);
CREATE TRIGGER outbox_in AFTER INSERT ON influx_outbox BEGIN UPDATE influx_counts SET waiting = waiting + 1; END;
CREATE TRIGGER outbox_out AFTER DELETE ON influx_outbox BEGIN UPDATE influx_counts SET waiting = waiting - 1; END;
CREATE TRIGGER refused_in AFTER INSERT ON influx_refused BEGIN UPDATE influx_counts SET refused = refused + 1; END;
CREATE TRIGGER refused_out AFTER DELETE ON influx_refused BEGIN UPDATE influx_counts SET refused = refused - 1; END;

CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
INSERT INTO meta VALUES ('schema', '{VERSION}');
"""  # noqa: S608 - built from constants


def prepare(base: sqlite3.Connection, path: Path) -> None:
    """Set up the writer's connection and make the tables where there are none.

    Raises:
        StoreLost: a newer monitor wrote the file.

    """
    base.execute("PRAGMA journal_mode = WAL")
    base.execute("PRAGMA synchronous = FULL")
    base.execute("PRAGMA journal_size_limit = 67108864")  # what one long reader made the log grow to is given back
    if not base.execute("SELECT count(*) FROM sqlite_schema WHERE name = 'meta'").fetchone()[0]:
        base.executescript(f"BEGIN IMMEDIATE; {_TABLES} COMMIT;")
    check_version(base, path)


def check_version(base: sqlite3.Connection, path: Path) -> None:
    """Refuse a file whose tables this monitor does not know.

    Raises:
        StoreLost: a newer monitor wrote the file.

    """
    found = int(base.execute("SELECT value FROM meta WHERE key = 'schema'").fetchone()[0])
    if found > VERSION:
        raise StoreLost(f"{path}: written by a newer monitor (schema {found}, known is {VERSION}); upgrade this one")


def row_of(alert: Alert) -> Row:
    return (
        storable(alert.rule), storable(alert.asset), storable(alert.point), alert.episode, alert.severity.value, alert.state.value,
        alert.fired, alert.ended, _number(alert.value), _number(alert.limit), storable(alert.unit), storable(alert.summary),
        alert.phase.value, int(alert.told),
    )  # fmt: skip


def alert_of(row: Row) -> Alert:
    rule, asset, point, episode, severity, state, fired, ended, value, limit, unit, summary, phase, told = row
    return Alert(
        rule, asset, point, episode, Severity(severity), State(state), fired, ended, value, limit, unit, summary, Phase(phase), bool(told)
    )


def _number(value: float | None) -> float | None:
    """Return the number, None for NaN: SQLite has no NaN, and a row must equal itself when it is read back."""
    return None if value is None or math.isnan(value) else float(value)
