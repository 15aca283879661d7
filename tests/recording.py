"""The recorded pod as a list that a test may change, and its replay."""

import asyncio
import csv
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from data import recorded

from monitor import shipped
from monitor.collect.recording import Messages
from monitor.collect.scenario import Scenario, nanoseconds
from monitor.config import Config
from monitor.detect import rules as rule_files
from monitor.model import Alert
from monitor.pipeline import Replayed, replay

START = 1_767_225_600.0  # 2026-01-01T00:00:00Z
STAMP = "{{timestamp_ms}}"


@dataclass(frozen=True)
class Message:
    """One row: seconds since the start, topic, payload text."""

    at: float
    topic: str
    payload: str

    @property
    def value(self) -> bool:
        return "/Value/" in self.topic

    def has(self, *words: str) -> bool:
        return all(word in self.topic for word in words)


def messages() -> list[Message]:
    """Return the recorded pod, in order."""
    with recorded("dsx-exchange", "dsx_exemplar.csv").open(newline="") as file:
        return [Message(nanoseconds(row["offset"]) / 1e9, row["topic"], row["payload"]) for row in csv.DictReader(file)]


def value(at: float, topic: str, number: float | None, *, quality: int = 1, stamp: float | None = None) -> Message:
    """Make a Value message; `stamp` in seconds since the start, the receive time by default."""
    text = STAMP if stamp is None else str(round((START + stamp) * 1000))
    return Message(at, topic, json.dumps({"value": number, "timestamp": "STAMP", "quality": quality}).replace('"STAMP"', text))


def topic_of(found: Iterable[Message], *words: str) -> str:
    """Return the one Value topic that holds all words."""
    topics = {message.topic for message in found if message.value and message.has(*words)}
    assert len(topics) == 1, topics
    return topics.pop()


def change(found: Iterable[Message], chosen: Callable[[Message], bool], make: Callable[[Message], Message | None]) -> list[Message]:
    """Replace (or with None remove) the messages that `chosen` names."""
    made = (make(message) if chosen(message) else message for message in found)
    return [message for message in made if message is not None]


def scaled(message: Message, by: float) -> Message:
    """Return a Value message with its number multiplied."""
    fields: dict[str, Any] = json.loads(message.payload.replace(STAMP, '"STAMP"'))
    fields["value"] *= by
    return replace(message, payload=json.dumps(fields).replace('"STAMP"', STAMP))


def write(found: Iterable[Message], path: Path) -> Path:
    """Write a scenario; rows in the order of their times, as a bus would give them."""
    with path.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file:
        rows = csv.writer(file)
        rows.writerow(["offset", "topic", "payload"])
        rows.writerows((f"{message.at:.7f}s", message.topic, message.payload) for message in sorted(found, key=lambda message: message.at))
    return path


def run(found: Iterable[Message], folder: Path, **options: Any) -> Replayed:
    """Replay messages through the shipped rules."""
    return asyncio.run(
        replay(Messages(Scenario(write(found, folder / "scenario.csv"), START)), rule_files.load(shipped.rules()), Config(), **options)
    )


def brief(alerts: Iterable[Alert]) -> set[tuple[str, str]]:
    return {(alert.rule, alert.asset) for alert in alerts}


def extra(found: Iterable[Alert], base: Iterable[Alert]) -> list[Alert]:
    """Return the alerts that the base does not have, by rule, asset and point."""
    known = {alert.key[:3] for alert in base}
    return [alert for alert in found if alert.key[:3] not in known]
