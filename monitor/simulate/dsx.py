"""Speaks for a simulated pod on DSX Exchange BMS 1.0: what a building management system publishes."""

import json
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from monitor.simulate.dsx_points import points, root
from monitor.simulate.fleet import Fleet, Pod
from monitor.simulate.message import Message

REPUBLISHED = 100.0  # s, metadata and unchanged values come again (the contract)
HEARTBEAT = 10.0  # s (the contract)


@dataclass(slots=True)
class Spoken:
    """What was published so far."""

    metadata: int = 0
    values: int = 0
    heartbeats: int = 0
    frames: int = 0
    readings: int = 0  # values, and numbers in frames
    skipped: int = 0  # steps that came too late and were passed over

    def __add__(self, other: "Spoken") -> "Spoken":
        return Spoken(*(getattr(self, name) + getattr(other, name) for name in self.__slots__))


def heartbeat(scope: str) -> tuple[str, str, bytes]:
    """Return value topic, metadata topic and metadata of the heartbeat for the tag paths that begin with `scope`."""
    address = f"System/HeartbeatTimestampBms/{scope}/heartbeat"
    said = {"objectType": "System", "pointType": "HeartbeatTimestampBms", "objectName": "BMS", "objectId": "BMS", "scope": scope}
    return f"BMS/v1/PUB/Value/{address}", f"BMS/v1/PUB/Metadata/{address}", json.dumps(said, separators=(",", ":")).encode()


def value_payload(value: float, decimals: int, time: float) -> bytes:
    """Write one value of good quality; `time` is in seconds since 1970 UTC."""
    return b'{"value":%s,"timestamp":%d,"quality":1}' % (f"{value:.{decimals}f}".encode(), round(time * 1000))


class Bms:
    """Decides what is due. Metadata: all at once at first, later each point in its turn of the period; values: on change and once a period."""

    def __init__(self, fleet: Fleet, pod: Pod, site: str = "demo") -> None:
        self.fleet, self.pod = fleet, pod
        self.points = points(pod.physics, site)
        self.spoken = Spoken()
        self._rows = np.array([point.row for point in self.points])
        self._step = np.array([point.step for point in self.points])
        self._beat, beat_metadata, metadata = heartbeat(root(pod.physics.layout, site))
        self._metadata = [(beat_metadata, metadata), *((point.metadata_topic, point.metadata) for point in self.points)]
        self.begin_anew()

    def begin_anew(self) -> None:
        """Forget what was sent, as after a lost connection: the broker may have forgotten it too."""
        self._sent = np.full(len(self.points), np.nan)
        self._sent_at = np.full(len(self.points), -np.inf)
        self._described = -np.inf  # event time up to which metadata was sent
        self._beaten = -np.inf

    def due(self) -> Iterator[Message]:
        """Yield what is due at the fleet's present time; metadata before values."""
        time = self.fleet.time
        stamp = time + self.pod.skew(self.fleet.age)
        for topic, payload in self._due_metadata(time):
            self.spoken.metadata += 1
            yield Message(topic, payload, retain=True)
        if time - self._beaten >= HEARTBEAT:
            self._beaten = time
            self.spoken.heartbeats += 1
            yield Message(self._beat, value_payload(round(stamp * 1000), 0, stamp), retain=False)
        value = self.pod.values[self._rows]
        # Values lie on the resolution's grid, so half a step of it is a change; so is NaN, that nothing was sent.
        changed = self.pod.due[self._rows] & ~(abs(value - self._sent) <= self._step / 2)
        again = time - self._sent_at > REPUBLISHED - self.fleet.step
        rows = np.flatnonzero((changed | again) & ~np.isnan(value))
        self._sent[rows], self._sent_at[rows] = value[rows], time
        self.spoken.values += len(rows)
        self.spoken.readings += len(rows)
        for row in rows:
            point = self.points[row]
            yield Message(point.value_topic, value_payload(value[row], point.decimals, stamp), retain=False)

    def _due_metadata(self, time: float) -> list[tuple[str, bytes]]:
        count = len(self._metadata)
        if not np.isfinite(self._described):
            self._described = time
            return self._metadata
        first, last = (int((at - self.fleet.start) / REPUBLISHED * count) for at in (self._described, time))
        self._described = time
        return [self._metadata[number % count] for number in range(max(first, last - count), last)]
