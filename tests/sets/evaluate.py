"""Judge the rules of these folders on real data, through `dcmon replay`: python tests/sets/evaluate.py [skab|nab|smd|lbnl_ahu] [--json].

The data is not in the repository; it lies in $DCMON_TEST_DATA/data, each set with a README of its source. Every file is replayed with
the set's map and rules, and its alerts are read back: a row is alarmed from `fired` until `ended`. Nothing else counts, so what is
measured is what an operator would have seen.

SKAB: F1, FAR and MAR over all rows of all experiments pooled; the first LEARN rows are in it and predicted normal (nothing can fire
there). A false alert begins in a row that is labelled normal. Alarm time on the anomaly-free run: over the rows after the first LEARN,
the run cut at several rows and learned anew from each.
NAB, SMD: a labelled window is found when an alert begins in it or up to SLACK samples behind it; an alert that begins elsewhere is
false, and one that is always on finds nothing. Beside it a plain adaptive EWMA of each point (mean and variance, |z| of the worst
point), with the same delay and the same end (below half of the threshold for KEEP samples) through the same counting: of all its
memories, thresholds and delays, the one with the fewest false alerts that finds at least as many.
"""

import csv
import gzip
import json
import os
import subprocess
import sys
import tempfile
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from monitor.detect.hold import Hold, advance
from monitor.detect.kernels import compare
from monitor.model import F64, Bool

HERE = Path(__file__).parent
LEARN = 400  # rows that are not judged: SKAB's protocol, and what novelty() takes by default
SLACK = 10  # samples after a labelled window in which an alert still tells of it
STARTS = range(0, 9000, 1000)  # rows of the anomaly-free run
KEEP = 10.0  # samples for which the EWMA's alarms are held
SPANS = (100, 400, 1600)  # samples of the EWMA's memory
WAITS = (0, 2)  # samples of the EWMA's delay
THRESHOLDS = (*np.arange(2, 6, 0.5), *range(6, 20), *range(20, 100, 8))
NAB_MAPS = {"cpu_utilization": "cpu", "disk_write": "disk_write", "network_in": "network_in", "ambient_temperature": "ambient_temperature"}

Figures = dict[str, object]
Windows = list[tuple[int, int]]  # first and last row


def folder() -> Path:
    return Path(os.environ["DCMON_TEST_DATA"]) / "data"


def lines(path: Path) -> list[str]:
    """Lines of a CSV file, packed or not, its head first."""
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as file:
        return file.read().splitlines()


def rows(path: Path, separator: str = ",") -> list[list[str]]:
    return list(csv.reader(lines(path), delimiter=separator))[1:]


def seconds(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def cut(source: Path, target: Path, keep: Callable[[int, str], bool]) -> Path:
    """Write the head and some of the rows of a table to another file."""
    head, *body = lines(source)
    target.write_text("\n".join([head, *(line for at, line in enumerate(body) if keep(at, line))]) + "\n")
    return target


def replay(source: Path, name: str, chart: str = "map") -> list[tuple[float, float]]:
    """Run `dcmon replay` on a table with the map and the rules of a set; when each alert fired and ended, s since 1970."""
    with tempfile.TemporaryDirectory() as scratch:
        alerts = Path(scratch) / "alerts.jsonl"
        words = ["replay", source, "--map", HERE / name / f"{chart}.yaml", "--rules", HERE / name / "rules", "--alerts", alerts]
        done = subprocess.run([sys.executable, "-m", "monitor", *map(str, words)], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"{source}: {done.stderr}")
        found = [json.loads(line) for line in alerts.read_text().splitlines()]
    return [(seconds(one["fired"]), seconds(one["ended"]) if one["ended"] else np.inf) for one in found]


def alarmed_rows(times: Sequence[float], spans: list[tuple[float, float]]) -> Bool:
    """Tell which rows of a table lie in [fired, ended) of an alert; times ascend."""
    result = np.zeros(len(times), np.bool_)
    for fired, ended in spans:
        result[bisect_left(times, fired) : bisect_left(times, ended)] = True
    return result


def begins(alarm: Bool) -> np.ndarray:
    return np.flatnonzero(alarm & ~np.concatenate([[False], alarm[:-1]]))


def rates(counts: np.ndarray) -> Figures:
    right, wrong, missed, quiet = (int(count) for count in counts)
    return {"F1": 2 * right / (2 * right + wrong + missed), "FAR": wrong / (wrong + quiet), "MAR": missed / (right + missed)}


def tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


# --- SKAB


@dataclass(frozen=True)
class Run:
    """One replayed SKAB file."""

    alarm: Bool
    labels: Bool

    @property
    def counts(self) -> np.ndarray:
        pairs = (self.alarm & self.labels, self.alarm & ~self.labels, ~self.alarm & self.labels, ~self.alarm & ~self.labels)
        return np.array([np.count_nonzero(pair) for pair in pairs])

    @property
    def false(self) -> int:
        return int((~self.labels[begins(self.alarm)]).sum())

    @property
    def share(self) -> float:
        return float(self.alarm[LEARN:].mean())

    @property
    def normal_hours(self) -> float:
        return float((~self.labels[LEARN:]).sum()) / 3600  # a row a second


def skab_run(path: Path, start: int = 0) -> Run:
    """Replay a SKAB file from one of its rows on."""
    with tempfile.TemporaryDirectory() as scratch:
        source = cut(path, Path(scratch) / "cut.csv", lambda at, _: at >= start) if start else path
        table = rows(source, ";")
        spans = replay(source, "skab")
    labels = np.array([len(row) > 9 and float(row[9]) > 0 for row in table])
    alarm = alarmed_rows([seconds(row[0]) for row in table], spans)
    alarm[:LEARN] = False
    return Run(alarm, labels)


def skab_pooled(runs: Sequence[Run]) -> Figures:
    hours = sum(run.normal_hours for run in runs)
    after = np.sum([Run(run.alarm[LEARN:], run.labels[LEARN:]).counts for run in runs], axis=0)
    return {
        **rates(np.sum([run.counts for run in runs], axis=0)),
        "false_alerts": sum(run.false for run in runs),
        "false_alerts_an_hour": sum(run.false for run in runs) / hours,
        "after_learning": rates(after),
    }


def skab() -> Figures:
    experiments = sorted((folder() / "skab").glob("*/*.gz"))
    runs = {f"{path.parent.name}/{path.name.split('.')[0]}": skab_run(path) for path in experiments}
    for name, run in runs.items():
        tell(f"{name:10} found {run.alarm[run.labels].mean():6.1%} of the anomalous rows, false alerts {run.false}")
    free = {str(start): skab_run(folder() / "skab" / "anomaly-free.csv.gz", start) for start in STARTS}
    every = list(runs.values())
    return {
        "pooled": skab_pooled(every),
        "every second experiment": {"first half": skab_pooled(every[::2]), "second half": skab_pooled(every[1::2])},
        "anomaly_free_alarm_time": {name: run.share for name, run in free.items()},
        "anomaly_free_alarm_time_mean": float(np.mean([run.share for run in free.values()])),
        "anomaly_free_false_alerts_an_hour": sum(run.false for run in free.values()) / sum(run.normal_hours for run in free.values()),
    }


# --- NAB and SMD


@dataclass(frozen=True)
class Series:
    """A table with its labelled windows and what our rule says of it."""

    name: str
    values: F64  # (T, P)
    windows: Windows
    alarm: Bool


def nab_series(only: str = "") -> list[Series]:
    result = []
    for name, spans in json.loads((folder() / "nab" / "windows.json").read_text()).items():
        if only not in name:
            continue
        path = folder() / "nab" / "data" / f"{name}.gz"
        table = rows(path)
        times = [seconds(row[0]) for row in table]
        edges = [(seconds(first), seconds(last)) for first, last in spans]
        chart = next(chart for part, chart in NAB_MAPS.items() if part in name)
        windows = [(bisect_left(times, first), bisect_right(times, last) - 1) for first, last in edges]
        alarm = alarmed_rows(times, replay(path, "nab", chart))
        result.append(Series(name, np.array([[float(row[1])] for row in table]), windows, alarm))
    return result


def smd_series() -> list[Series]:
    """Both halves of a machine are one series: what is normal is learned from the first one."""
    result = []
    labels = rows(folder() / "smd" / "anomalies.csv")
    for name in sorted({row[0] for row in labels}):
        train, test = (lines(folder() / "smd" / "data" / f"{name}_{half}.csv.gz") for half in ("train", "test"))
        offset = len(train) - 1
        with tempfile.TemporaryDirectory() as scratch:
            whole = Path(scratch) / "machine.csv"
            whole.write_text("\n".join([*train, *test[1:]]) + "\n")
            values = np.array(rows(whole), float)[:, 1:]
            spans = replay(whole, "smd")
        times = (seconds("2026-01-01T00:00:00") + 60.0 * np.arange(len(values))).tolist()
        windows = [(offset + int(first), offset + int(last)) for machine, first, last in labels if machine == name]
        result.append(Series(name, values, windows, alarmed_rows(times, spans)))
    return result


def ewma_scores(series: Sequence[Series]) -> F64:
    """|z| of the worst point against its mean and variance so far, (T, SPANS, N); NaN for the first LEARN and after an end."""
    length, points = max(len(one.values) for one in series), series[0].values.shape[1]
    values = np.full((length, points, len(series)), np.nan)
    for column, one in enumerate(series):
        values[: len(one.values), :, column] = one.values
    weight = 1 / np.array(SPANS)[:, None, None]
    mean = np.repeat(values[:1], len(SPANS), axis=0)
    variance = np.zeros_like(mean)
    scores = np.full((length, len(SPANS), len(series)), np.nan)
    for at, now in enumerate(values):
        change = now - mean
        if at >= LEARN:
            z = np.abs(change) / np.sqrt(np.maximum(variance, 1e-12))
            scores[at] = np.where(variance > 1e-12, z, np.where(np.isnan(z), np.nan, 0.0)).max(axis=1)
        change[np.isnan(change)] = 0
        mean += weight * change
        variance = (1 - weight) * (variance + weight * change**2)
    return scores


def held(scores: F64, wait: float) -> Bool:
    """Alarms of `score >= 1`, `clear: score < 0.5`, with a delay and KEEP in samples, along the first axis."""
    flat = scores.reshape(len(scores), -1)
    hold = Hold()
    hold.extend(flat.shape[1])
    limit = np.ones(flat.shape[1])
    result = np.zeros(flat.shape, np.bool_)
    for at, now in enumerate(flat):
        advance(hold, compare(">=", now, limit), compare("<", now, limit / 2), 1.0, wait, KEEP)
        result[at] = hold.firing
    return result.reshape(scores.shape)


@dataclass(frozen=True)
class Found:
    """What one detector found in one series."""

    hits: int
    false: int
    time: float  # share of the rows outside of the windows that are alarmed


def found(alarm: Bool, windows: Windows) -> Found:
    inside = np.zeros(len(alarm), np.bool_)
    starts = np.zeros(len(alarm), np.bool_)
    starts[begins(alarm)] = True
    for first, last in windows:
        inside[first : last + 1 + SLACK] = True
    hits = sum(bool(starts[first : last + 1 + SLACK].any()) for first, last in windows)
    return Found(hits, int((starts & ~inside).sum()), float(alarm[~inside].mean()))


def _together(parts: Sequence[Found]) -> Figures:
    return {
        "found": sum(part.hits for part in parts),
        "false_alerts": sum(part.false for part in parts),
        "alarm_time_outside": float(np.mean([part.time for part in parts])),
    }


def beside_ewma(series: list[Series]) -> Figures:
    """Our figures for each series and all, and those of the best plain EWMA that finds as many: in all, and in each series alone."""
    ours = [found(one.alarm, one.windows) for one in series]
    for one, part in zip(series, ours, strict=True):
        tell(f"{one.name:56} found {part.hits} of {len(one.windows)}, false {part.false}, alarm time outside {part.time:.1%}")
    scores = ewma_scores(series)
    sweep = []
    every = scores[..., None] / np.array(THRESHOLDS)
    for wait in WAITS:
        alarms = held(every, wait)
        for which, span in enumerate(SPANS):
            for at, threshold in enumerate(THRESHOLDS):
                parts = [found(alarms[: len(one.values), which, column, at], one.windows) for column, one in enumerate(series)]
                sweep.append(({"samples": span, "z": float(threshold), "delay": wait}, parts))

    def best(of: slice) -> Figures | None:
        hits = sum(part.hits for part in ours[of])
        enough = [(setting, parts[of]) for setting, parts in sweep if sum(part.hits for part in parts[of]) >= hits]
        if not enough:
            return None
        setting, parts = min(enough, key=lambda one: sum(part.false for part in one[1]))
        return {**setting, **_together(parts)}

    return {
        "windows": sum(len(one.windows) for one in series),
        "ours": _together(ours),
        "ewma": best(slice(None)),
        "series": {
            one.name: {"windows": len(one.windows), "ours": _together([part]), "ewma": best(slice(at, at + 1))}
            for at, (one, part) in enumerate(zip(series, ours, strict=True))
        },
    }


# --- LBNL


def lbnl_day(unit: str, day: str) -> Figures:
    """Replay one day of an air-handling unit on its own; days lie years apart."""
    with tempfile.TemporaryDirectory() as scratch:
        source = cut(folder() / "lbnl_ahu" / "data" / f"{unit}.csv.gz", Path(scratch) / "day.csv", lambda _, line: line.startswith(day))
        spans = replay(source, "lbnl_ahu", {"SZVAV": "map", "MZVAV-2-1": "mzvav"}[unit])
        alarm = alarmed_rows([seconds(row[0]) for row in rows(source)], spans)
    return {"alerts": len(spans), "alarm_time": float(alarm.mean())}


def lbnl_ahu() -> Figures:
    result: Figures = {}
    for unit in ("SZVAV", "MZVAV-2-1"):
        days = rows(folder() / "lbnl_ahu" / f"days_{unit}.csv")
        found = {day: {**lbnl_day(unit, day), "faulted": faulted == "1", "fault": fault} for day, _, faulted, fault in days}
        told = [(bool(one["alerts"]), one["faulted"]) for one in found.values()]
        result[unit] = {
            "faulted_days": sum(faulted for _, faulted in told),
            "found": sum(alert and faulted for alert, faulted in told),
            "normal_days": sum(not faulted for _, faulted in told),
            "normal_days_with_alert": sum(alert and not faulted for alert, faulted in told),
            "days": found,
        }
    return result


SETS: dict[str, Callable[[], Figures]] = {
    "skab": skab,
    "nab": lambda: beside_ewma(nab_series()),
    "smd": lambda: beside_ewma(smd_series()),
    "lbnl_ahu": lbnl_ahu,
}


def show(figures: object, indent: int = 0) -> None:
    """Print figures as an outline; a dict of plain values in one line."""
    for name, value in figures.items() if isinstance(figures, dict) else ():
        plain = not isinstance(value, dict) or not any(isinstance(part, dict) for part in value.values())
        parts = value.items() if isinstance(value, dict) else ()
        text = ", ".join(f"{key} {_short(part)}" for key, part in parts) if isinstance(value, dict) else _short(value)
        print(f"{' ' * indent}{name}: {text if plain else ''}".rstrip())
        if not plain:
            show(value, indent + 2)


def _short(value: object) -> str:
    return f"{value:.3f}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    chosen = [word for word in sys.argv[1:] if word != "--json"] or list(SETS)
    judged = {name: SETS[name]() for name in chosen}
    if "--json" in sys.argv:
        print(json.dumps(judged, indent=1))
    else:
        show(judged)
