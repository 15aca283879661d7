"""A scalar twin of the frames' dialect: one value at a time, from the map's words alone."""

import json
import math
from pathlib import Path

from monitor.collect.frames import Frames
from monitor.collect.frames_map import FrameMap, Kind, load_frames
from monitor.model import Readings
from monitor.plant import Plant
from monitor.vocabulary import QUANTITIES

START = 1_767_225_600.0
MAP = """frames:
  - name: rack
    topic: dc/+/t
    asset: {field: rack, kind: rack}
    time: {field: ts, unit: ms}
    values: values
    interval: 10 s
    points:
      flow: {quantity: liquid_flow, unit: m3/h}
      temp: {quantity: temperature, unit: degF, children: {id: "gpu{n:02}", kind: gpu, count: 3}}
      watt: {quantity: output_power, unit: W, children: {id: "shelf{g}/psu{n}", kind: psu, count: 4, group: {size: 2, kind: power_shelf}}}
      door: {quantity: status, states: {closed: 0, open: 1, "true": 1}}
"""
Row = tuple[str, str, float, float, int]  # point, asset, time, value (NaN as None is not equal), quality


def made(tmp_path: Path, text: str = MAP) -> FrameMap:
    path = tmp_path / "map.yaml"
    path.write_text(text)
    return load_frames(path, QUANTITIES)


class Bus:
    """The dialect with a plant of its own."""

    def __init__(self, frames: FrameMap, **limits: int) -> None:
        self.plant = Plant()
        self.frames = Frames(self.plant, frames, **limits)

    def send(self, *payloads: object, topic: str = "dc/x/t", received: float = START, retained: int = 0) -> Readings:
        raw = [one if isinstance(one, bytes) else json.dumps(one).encode() for one in payloads]
        return self.frames.decode([topic.encode()] * len(raw), raw, [retained] * len(raw) if retained else [], received)

    def rows(self, readings: Readings) -> list[Row]:
        points = [self.plant.points[row] for row in readings.point.tolist()]
        columns = (readings.time.tolist(), readings.value.tolist(), readings.quality.tolist())
        return [
            (point.path, point.asset, time, "nan" if math.isnan(value) else value, quality)
            for point, time, value, quality in zip(points, *columns, strict=True)
        ]

    def codes(self) -> set[str]:
        return {finding.code for finding, _ in self.plant.findings.all()}


def frame(rack: object = "r1", ts: object = START * 1000, **values: object) -> dict[str, object]:
    return {"ts": ts, "rack": rack, "values": values}


def number(one: float) -> float:
    try:
        return float(one)
    except OverflowError:
        return math.inf


def expected(kind: Kind, payload: bytes, received: float) -> list[Row] | None:
    """Return the rows of one frame whose asset and values are told at the top, None where it is no frame."""
    try:
        told = json.loads(payload, parse_int=lambda digits: int(digits) if len(digits) < 400 else float(digits))
    except (ValueError, RecursionError):
        return None
    if not isinstance(told, dict) or not isinstance(told.get("values"), dict) or "rack" not in told:
        return None
    rack, ts = told["rack"], told.get("ts")
    if isinstance(rack, bool) or not isinstance(rack, str | int) or (isinstance(rack, int) and abs(rack) >= 10**18):
        return None
    rack = str(rack)
    if not 0 < len(rack) <= 200 or not rack.isprintable() or rack != rack.strip() or rack.startswith(("source/", "link/")):
        return None
    time = received
    if isinstance(ts, int | float) and not isinstance(ts, bool) and 946_684_800.0 <= number(ts) / 1e3 <= 4_102_444_800.0:
        time = number(ts) / 1e3
    rows: list[Row] = []
    for key in kind.keys:
        if key.name not in told["values"]:
            continue
        value = told["values"][key.name]
        if key.array and (not isinstance(value, list) or len(value) != len(key.members)):
            continue
        for place, (member, one) in enumerate(zip(key.members, value if key.array else [value], strict=True)):
            raw: float | None = None
            if isinstance(one, str | bool) and key.codes:
                raw = key.codes.get(str(one).lower() if isinstance(one, bool) else one)
            elif isinstance(one, int | float) and not isinstance(one, bool):
                raw = number(one)
            canonical = math.nan if raw is None else raw * key.scale + key.offset
            good = math.isfinite(canonical)
            path = f"rack:{rack}/{key.name}" + (f"[{place}]" if key.array else "")
            asset = f"{rack}/{member.below}" if member.below else rack
            rows.append((path, asset, time, canonical if good else "nan", 0 if good else 2))
    return rows
