"""Workload W: frames of racks with faults and near misses, the map and the nine rules that it is judged by, and the score.

W is a folder with `msgs.jsonl`, one frame a line in the order of event time, and `truth.json`, which says what each rule should find, when,
and which near misses (decoys) it should not. One frame of 480 values a rack every 10 s. Map and rules stand in `w/` beside this module.
"""

import json
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from monitor.errors import InputError
from monitor.model import F64, Alert

HERE = Path(__file__).resolve().parent / "w"
MAP, RULES = HERE / "map.yaml", HERE / "rules"
TOPIC = "dc/{}/t"
POINTS = 480  # a frame
STEP = 10.0  # s between two frames of a rack
JITTER = 2.0  # s, the default lateness
LATE = (3.0, 25.0)  # s by which late frames come after their time: beyond the lateness, some beyond the next frame
LATE_SHARE = 0.02  # of the frames (estimate)
EVERY_DUPLICATE = 20

Trouble = Literal["none", "jitter", "late", "duplicate"]
_STAMP = b'"ts":'
_DIGITS = 13  # of a time in ms, until the year 2286


@dataclass(frozen=True, slots=True)
class Workload:
    """Frames in the order in which they are sent.

    Attributes:
        payloads: (N,) raw frames.
        racks: (N,) the rack of each.
        sent: (N,) when each is sent, s of event time; never falls.

    """

    payloads: list[bytes]
    racks: list[str]
    sent: F64
    truth: "Truth"

    @property
    def topics(self) -> list[bytes]:
        return [TOPIC.format(rack).encode() for rack in self.racks]


@dataclass(frozen=True, slots=True)
class Truth:
    """(rule, asset) -> time at which it should fire, s since 1970 UTC; and what must not fire."""

    racks: int
    expected: dict[tuple[str, str], float]
    decoys: frozenset[tuple[str, str]]


def load(folder: Path, trouble: Trouble = "none", seed: int = 1) -> Workload:
    """Read a workload.

    Args:
        folder: with msgs.jsonl and truth.json.
        trouble: jitter (frames come up to 2 s after their time, so in another order), late (some come 3 to 25 s after it), duplicate
            (every 20th comes twice).
        seed: of the trouble.

    Raises:
        InputError: a file is missing or is none of W's.

    """
    try:
        lines = (folder / "msgs.jsonl").read_bytes().splitlines()
        told = json.loads((folder / "truth.json").read_bytes())
        expected = {(one["rule"], one["entity"]): float(one["ts"]) for one in told["expected"]}
        truth = Truth(told["racks"], expected, frozenset((one["rule"], one["entity"]) for one in told["decoys"]))
        racks = [_rack(line) for line in lines]
    except OSError as error:
        raise InputError(f"{error.filename}: cannot be read ({error.strerror}); give a folder with msgs.jsonl and truth.json") from error
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{folder}: is no workload ({error}); msgs.jsonl and truth.json of one run are needed") from error
    sent = stamps(lines)
    chance = random.Random(seed)
    if trouble == "jitter":
        sent = sent + np.array([chance.uniform(0, JITTER) for _ in lines])
    elif trouble == "late":
        sent = sent + np.array([chance.uniform(*LATE) if chance.random() < LATE_SHARE else 0.0 for _ in lines])
    order = np.argsort(sent, kind="stable")
    if trouble == "duplicate":
        order = np.repeat(order, np.where(np.arange(len(order)) % EVERY_DUPLICATE == 0, 2, 1))
    rows = order.tolist()
    return Workload([lines[row] for row in rows], [racks[row] for row in rows], sent[order], truth)


def stamps(payloads: Sequence[bytes]) -> F64:
    """Return the time of each frame, s since 1970 UTC, (N,), without decoding it."""
    found = (payload.index(_STAMP, 0, 64) + len(_STAMP) for payload in payloads)
    return np.array([int(payload[at : at + _DIGITS]) for payload, at in zip(payloads, found, strict=True)]) / 1e3


def _rack(line: bytes) -> str:
    at = line.index(b'"rack":"', 0, 128) + 8
    return line[at : line.index(b'"', at, at + 64)].decode()


def entity(asset: str) -> str:
    """Return what W calls an asset: it has no shelves between a rack and its supplies.

    >>> entity("r0001/shelf2/psu12"), entity("r0001")
    ('r0001/psu12', 'r0001')

    """
    first, _, rest = asset.partition("/")
    return f"{first}/{rest.rpartition('/')[2]}" if rest else first


def rule(name: str) -> str:
    """Return what W calls one of its rules."""
    return name.rpartition(".")[2]


def score(alerts: Iterable[tuple[str, str, float]], truth: Truth) -> dict[str, object]:
    """Compare what fired with what should have.

    Args:
        alerts: (rule, asset, time fired in s since 1970 UTC), as W calls them; the first of each rule and asset counts.
        truth: what was made.

    Returns:
        found, missed and false alerts (any that is not expected; of these the decoys), and the delay in s of event time behind the
        expected time: median, greatest, and how many came early.

    """
    first: dict[tuple[str, str], float] = {}
    for name, asset, time in alerts:
        key = (name, asset)
        first[key] = min(time, first.get(key, time))
    delays = np.array(sorted(first[key] - time for key, time in truth.expected.items() if key in first))
    false = sorted(key for key in first if key not in truth.expected)
    missed = sorted(key for key in truth.expected if key not in first)
    return {
        "expected": len(truth.expected),
        "found": len(delays),
        "missed": [":".join(key) for key in missed],
        "false": [":".join(key) for key in false],
        "decoys_fired": len(set(false) & truth.decoys),
        "delay_s_p50": round(float(np.median(delays)), 3) if len(delays) else None,
        "delay_s_max": round(float(delays[-1]), 3) if len(delays) else None,
        "early": int(np.count_nonzero(delays < 0)),
    }


def fired(alerts: Iterable[Alert]) -> list[tuple[str, str, float]]:
    """Return the alerts of W's rules as `score` takes them."""
    return [(rule(alert.rule), entity(alert.asset), alert.fired) for alert in alerts]
