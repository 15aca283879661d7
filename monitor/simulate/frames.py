"""Speaks for a simulated pod in plain JSON frames: all that one rack, meter, CDU or room says at one time in one message.

A frame is `{"ts": 1767225600000, "asset": "Pod1-R01", "values": {"rack.power": 93.1, "gpu.temperature": [61, ...], ...}}`; a key is
there when its points have spoken since the last frame, null is a sample that never came. `frame_map` and `plant_file`
say to the monitor what the wire does not.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import msgspec
import numpy as np

from monitor.model import I64
from monitor.plant import Plant
from monitor.simulate.dsx import Spoken
from monitor.simulate.fleet import Fleet, Pod
from monitor.simulate.message import Message
from monitor.simulate.physics.layout import KINDS
from monitor.simulate.physics.parameters import CPUS, GPUS, NICS, PSUS
from monitor.simulate.physics.signals import SIGNALS, Signal
from monitor.vocabulary import QUANTITIES

TOPIC = "dcmon/frames"
MAIN = ("rack", "tap", "pdu", "cdu", "room")  # places whose assets have frames of their own
_PARTS = {  # place within another's frames: of whose, its ids there, and how many each parent has
    "tray": ("rack", "tray{n}", 0, ""),
    "gpu": ("rack", "tray{g}/gpu{k}", GPUS, "tray"),
    "cpu": ("rack", "tray{g}/cpu{k}", CPUS, "tray"),
    "nic": ("rack", "tray{g}/nic{k}", NICS, "tray"),
    "drive": ("rack", "tray{g}/drive{k}", 1, "tray"),
    "switch": ("rack", "switch{n}", 0, ""),
    "shelf": ("rack", "shelf{n}", 0, ""),
    "psu": ("rack", "shelf{g}/psu{k}", PSUS, "power_shelf"),
    "pump": ("cdu", "pump{n}", 0, ""),
    "valve": ("cdu", "valve{n}", 0, ""),
}


@dataclass(frozen=True, slots=True)
class _Key:
    """One key of one asset's frames. `rows` are its points in the plant's values; an array where there are several or `array` is set."""

    name: str
    rows: I64
    array: bool
    event: bool


@dataclass(frozen=True, slots=True)
class _Asset:
    topic: str
    name: str
    keys: tuple[_Key, ...]


class Frames:
    """Decides what is due: a frame of each asset that has spoken since the last step."""

    def __init__(self, fleet: Fleet, pod: Pod) -> None:
        self.fleet, self.pod = fleet, pod
        self.spoken = Spoken()
        sensors = pod.physics.sensors
        self._coarse: I64 = np.zeros(sensors.size, np.int64)  # decimals
        for signal in SIGNALS:
            if signal.name in sensors.slices:
                self._coarse[sensors.slices[signal.name]] = (
                    max(0, len(f"{signal.step:.9f}".rstrip("0").partition(".")[2])) if signal.step else 12
                )
        self._assets = list(_assets(pod))

    def begin_anew(self) -> None:
        """Nothing is remembered of what was sent."""

    def due(self) -> Iterator[Message]:
        """Yield the frames of the fleet's present time."""
        values = self.pod.values.copy()
        for decimals in np.unique(self._coarse):
            mine = self._coarse == decimals
            values[mine] = np.round(values[mine], decimals)
        due = self.pod.due
        values[~due] = np.nan
        events: dict[int, list[int]] = {}
        for row, code in self.pod.events:
            events.setdefault(row, []).append(code)
        stamp = round((self.fleet.time + self.pod.skew(self.fleet.age)) * 1000)
        for asset in self._assets:
            said: dict[str, object] = {}
            for key in asset.keys:
                if not key.event and due[key.rows].any():
                    found = values[key.rows]
                    said[key.name] = found.tolist() if key.array else float(found[0])
                    self.spoken.readings += len(key.rows)
            yield from self._framed(asset, stamp, said)
            if events:
                yield from self._told(asset, stamp, events)

    def _told(self, asset: _Asset, stamp: int, events: Mapping[int, list[int]]) -> Iterator[Message]:
        """Yield frames of events alone; in each a point has one code at most."""
        for key in asset.keys:
            mine = [events.get(int(row), []) for row in key.rows] if key.event else []
            for number in range(max(map(len, mine), default=0)):
                codes = [codes[number] if number < len(codes) else None for codes in mine]
                self.spoken.readings += len(codes) - codes.count(None)
                yield from self._framed(asset, stamp, {key.name: codes if key.array else codes[0]})

    def _framed(self, asset: _Asset, stamp: int, said: Mapping[str, object]) -> Iterator[Message]:
        if said:
            self.spoken.frames += 1
            yield Message(asset.topic, msgspec.json.encode({"ts": stamp, "asset": asset.name, "values": said}), retain=False)


def _assets(pod: Pod) -> Iterator[_Asset]:
    layout, sensors = pod.physics.layout, pod.physics.sensors
    for place in MAIN:
        for asset in layout.ids(place):
            keys = [
                _Key(signal.name, np.array(rows), signal.place != place, QUANTITIES[signal.quantity].event)
                for signal in SIGNALS
                if signal.name in sensors.slices and _owner(signal.place) == place and (rows := _rows(pod, signal, asset))
            ]
            yield _Asset(f"{TOPIC}/{layout.pod}/{place}", layout.name(asset), tuple(keys))


def _owner(place: str) -> str:
    return _PARTS[place][0] if place in _PARTS else place


def _rows(pod: Pod, signal: Signal, asset: str) -> list[int]:
    first = pod.physics.sensors.slices[signal.name].start
    ids = pod.physics.layout.ids(signal.place)
    return [first + number for number, one in enumerate(ids) if one == asset or one.startswith(f"{asset}/")]


def frame_map(pod: Pod, step: float) -> dict[str, object]:
    """Return the map that tells the monitor what is in the frames of such a pod.

    Args:
        pod: any of the fleet.
        step: s between two frames; no point speaks more often.

    """
    frames = []
    for place in MAIN:
        points: dict[str, object] = {}
        for signal in SIGNALS:
            if signal.name in pod.physics.sensors.slices and _owner(signal.place) == place:
                points[signal.name] = _point(pod, signal, step)
        frames.append(
            {
                "name": place,
                "topic": f"{TOPIC}/+/{place}",
                "asset": {"field": "asset", "kind": KINDS[place]},
                "time": {"field": "ts", "unit": "ms"},
                "values": "values",
                "interval": f"{step:g} s",
                "points": points,
            }
        )
    return {"frames": frames}


def _point(pod: Pod, signal: Signal, step: float) -> dict[str, object]:
    quantity = QUANTITIES[signal.quantity]
    said: dict[str, object] = {"quantity": signal.quantity}
    if quantity.unit:
        said["unit"] = quantity.unit
    if signal.tags:
        said["tags"] = list(signal.tags)
    if signal.setpoint:
        said["setpoint"] = True
    if signal.states:
        said["states"] = {label: number for number, label in enumerate(signal.states)}
    if not quantity.event:
        said["interval"] = f"{max(signal.cadence, step):g} s"
    if signal.place in _PARTS:
        owner, ids, size, kind = _PARTS[signal.place]
        count = len(pod.physics.layout.ids(signal.place)) // max(1, _detailed(pod, owner))
        children: dict[str, object] = {"id": ids, "kind": KINDS[signal.place], "count": count, "first": 1}
        if size:
            children["group"] = {"size": size, "kind": kind, "first": 1}
        said["children"] = children
    return said


def _detailed(pod: Pod, owner: str) -> int:
    layout = pod.physics.layout
    return layout.detailed if owner == "rack" else len(layout.ids(owner))


def plant_file(fleet: Fleet) -> dict[str, object]:
    """Return what a person knows beforehand: kinds, parents, lots, serials, and what serves what."""
    plant = Plant()
    for pod in fleet.pods:
        pod.physics.layout.build(plant)
    assets: dict[str, object] = {}
    for name, asset in plant.assets.items():
        said: dict[str, object] = {"kind": asset.kind}
        if asset.parent:
            said["parent"] = asset.parent
        if asset.serves:
            said["serves"] = sorted(asset.serves)
        attributes: Mapping[str, str] = asset.attributes
        said |= {key: attributes[key] for key in ("sku", "serial", "lot") if key in attributes}
        assets[name] = said
    return {"assets": assets}
