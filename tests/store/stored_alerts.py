"""Alerts for the tests of the store."""

from dataclasses import replace

from monitor.model import Alert, Severity, State

START = 1767225600.0  # 2026-01-01T00:00:00Z

FIRED = Alert(
    rule="cooling.rack_flow_low",
    asset="rack1",
    point="",
    episode=1,
    severity=Severity.CRITICAL,
    state=State.FIRING,
    fired=START + 10.25,
    ended=None,
    value=24.06,
    limit=31.2,
    unit="L/min",
    summary="Rack coolant flow too low: 24.1 L/min against 31.2 L/min",
)
ENDED = replace(FIRED, state=State.ENDED, ended=START + 75.5)

HOSTILE = (
    "a,b=c d",
    'say "cheese"',
    "back\\slash\\",
    "two\nlines\r\n",
    "\x1b[2J\x00\x7f\x9b",
    "'; DROP TABLE alerts; --",
    "%0A",
    "x" * 5_000,
    "ключ 機 🔥\u2028\u202e",
    "\ud800 half",
    "=cmd()",
    "[red]markup[/red]",
)
