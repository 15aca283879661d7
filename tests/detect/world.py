"""A plant, a core with rules and time that a test moves: the live path without a wire."""

from collections.abc import Iterable
from pathlib import Path

from monitor.config import Time
from monitor.detect import rules as rule_files
from monitor.detect.core import Core
from monitor.model import Alert, Point, Readings
from monitor.plant import Plant

BASE = {"title": "A rule for tests", "status": "stable", "severity": "critical", "why": "w", "do": "d", "source": "s", "blind": "b"}
DERIVED = "quantity: {name}\ntitle: A derived point for tests\nsource: what a test needs and nothing else\n{text}\n"
LIMITS = {
    "default": "title: t\nlimits:\n  hot: {value: 60 degC, source: s}\n",
    "cool": "title: t\nlimits:\n  hot: {value: 50 degC, source: s}\n",
}


def write(folder: Path, *, derived: dict[str, str] | None = None, limits: dict[str, str] | None = None, **rules: str) -> Path:
    """Write a rule folder anew; what a rule says itself goes before what BASE says."""
    for name in ("cooling", "limits", "derived"):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for old in (folder / name).glob("*.yaml"):
            old.unlink()
    for name, text in (LIMITS | (limits or {})).items():
        (folder / f"limits/{name}.yaml").write_text(text)
    for name, text in rules.items():
        said = {line.partition(":")[0] for line in text.splitlines()}
        base = "".join(f"{key}: {value}\n" for key, value in BASE.items() if key not in said)
        (folder / f"cooling/{name}.yaml").write_text(f"id: cooling.{name}\n{base}{text}\n")
    for name, text in (derived or {}).items():
        (folder / f"derived/{name}.yaml").write_text(DERIVED.format(name=name, text=text))
    return folder


class World:
    """A plant, a core, and time that a test moves."""

    def __init__(self, folder: Path, open_alerts: tuple[Alert, ...] = (), derived: dict[str, str] | None = None, **rules: str) -> None:
        self.folder = folder
        self.plant = Plant()
        self.core = Core(
            self.plant,
            rule_files.load(write(folder, derived=derived, **rules)),
            Time(),
            open_alerts=open_alerts,
            episodes={a.key[:3]: a.episode for a in open_alerts},
        )
        self.changes: list[Alert] = []
        self.express: list[Alert] = []
        self.now = 1000.0

    def point(
        self,
        asset: str,
        quantity: str,
        path: str = "",
        *,
        unit: str = "degC",
        tags: tuple[str, ...] = (),
        setpoint: bool = False,
        kind: str = "rack",
        states: Iterable[str] = (),
    ) -> int:
        self.plant.asset(asset, kind)
        path = path or f"{asset}/{quantity}/{tags}"
        return self.plant.describe(
            Point("bus", path, asset, quantity, unit, tags=tags, setpoint=setpoint, states=tuple(enumerate(states)))
        )  # fmt: skip

    def say(self, time: float, values: dict[int, float], **columns: object) -> None:
        self.changes += self.core.close(time)
        arrived = self.core.ingest(Readings.of(list(values), [time] * len(values), list(values.values()), **columns))  # type: ignore[arg-type]
        self.express += arrived
        self.changes += arrived
        self.changes += self.core.close(time)
        self.now = time

    def play(self, *points: int, **series: str) -> None:
        """Say a value of each point a second, from the next one on: `a="20x3 70"`, by the points' order; _ says nothing."""
        columns = [
            [
                None if value == "_" else float(value)
                for word in text.split()
                for value, _, count in [word.partition("x")]
                for _ in range(int(count or 1))
            ]
            for text in series.values()
        ]
        for values in zip(*columns, strict=True):
            self.say(self.now + 1, {point: value for point, value in zip(points, values, strict=True) if value is not None})

    def settle(self) -> None:
        """Close every tick up to the newest reading."""
        self.changes += self.core.finish()

    def reload(self, **said: object) -> list[Alert]:
        """Go on with other rules."""
        self.settle()
        ended = self.core.engine.reload(rule_files.load(write(self.folder, **said)), self.now)  # type: ignore[arg-type]
        self.changes += ended
        return ended

    def end(self) -> list[Alert]:
        self.settle()
        return list({alert.key: alert for alert in self.changes}.values())

    def times(self, since: float = 1000.0) -> list[tuple[float, float | None]]:
        """Return when each alert fired and ended, s since the story began."""
        return [(alert.fired - since, None if alert.ended is None else alert.ended - since) for alert in self.end()]
