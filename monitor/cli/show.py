"""Alerts as lines and rows: for people, for scripts, for files."""

import json
from collections.abc import Iterable
from typing import Any, TextIO

from monitor.clock import iso
from monitor.model import Alert

_COLORS = {"critical": "bold red", "major": "red", "minor": "yellow", "info": "cyan"}


def record(alert: Alert) -> dict[str, Any]:
    """Return an alert with the keys of an alert file, in their order; units canonical, times ISO 8601 UTC."""
    return {
        "rule": alert.rule,
        "asset": alert.asset,
        "point": alert.point or None,
        "severity": str(alert.severity),
        "fired": iso(alert.fired),
        "ended": None if alert.ended is None else iso(alert.ended),
        "value": alert.value,
        "limit": alert.limit,
        "unit": alert.unit,
        "summary": alert.summary,
    }


def write(alerts: Iterable[Alert], file: TextIO) -> None:
    """Write one alert a line, as JSON."""
    file.writelines(json.dumps(record(alert), ensure_ascii=False, allow_nan=False) + "\n" for alert in alerts)


def plain(text: str) -> str:
    """Return a text from a wire without what a terminal would act on."""
    return "".join(character if character.isprintable() else repr(character)[1:-1] for character in text)


def line(alert: Alert, *, dated: bool = False) -> str:
    """Return an alert as one line for a terminal, with rich's markup; with its date where it is not of today."""
    from rich.markup import escape

    color = _COLORS[alert.severity]
    state = "ended " if alert.ended is not None else "FIRING"
    when = iso(alert.fired if alert.ended is None or dated else alert.ended)[0 if dated else 11 : 19].replace("T", " ")
    return f"[dim]{when}[/] [{color}]{state} {alert.severity!s:8}[/] {escape(plain(alert.asset)):16} {escape(plain(alert.summary))} [dim]{alert.rule}{'' if alert.told else ' (trial)'}[/]"
