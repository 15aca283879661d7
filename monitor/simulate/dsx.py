"""Speaks for a simulated pod on DSX Exchange BMS 1.0: what a building management system publishes, over MQTT."""

import asyncio
import json
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import aiomqtt
import numpy as np

from monitor.clock import Clock
from monitor.errors import SourceLost
from monitor.simulate.layout import Layout
from monitor.simulate.pod import STEP, Pod
from monitor.simulate.points import points, root

REPUBLISHED = 100.0  # s, metadata and unchanged values come again (the contract)
HEARTBEAT = 10.0  # s (the contract)
_AGAIN = 10.0  # s of event time between tries to reach a broker that went away
_PATIENCE = 3.0  # s of real time until a message must have left; a lost connection is noticed no sooner

log = logging.getLogger(__name__)


class Message(NamedTuple):
    topic: str
    payload: bytes
    retain: bool


@dataclass(slots=True)
class Spoken:
    """What was published so far."""

    metadata: int = 0
    values: int = 0
    heartbeats: int = 0


def heartbeat(layout: Layout) -> tuple[str, str, bytes]:
    """Return value topic, metadata topic and metadata of the heartbeat; its scope is the pod's tag paths."""
    address = f"System/HeartbeatTimestampBms/{root(layout)}/heartbeat"
    said = {"objectType": "System", "pointType": "HeartbeatTimestampBms", "objectName": "BMS", "objectId": "BMS", "scope": root(layout)}
    return f"BMS/v1/PUB/Value/{address}", f"BMS/v1/PUB/Metadata/{address}", json.dumps(said, separators=(",", ":")).encode()


def value_payload(value: float, decimals: int, time: float) -> bytes:
    """Write one value of good quality; `time` is in seconds since 1970 UTC."""
    return b'{"value":%s,"timestamp":%d,"quality":1}' % (f"{value:.{decimals}f}".encode(), round(time * 1000))


class Bms:
    """Decides what is due. Metadata: all at once at first, later each point in its turn of the period; values: on change and once a period."""

    def __init__(self, pod: Pod) -> None:
        self.pod = pod
        self.points = points(pod.layout, pod.sensors.rows)
        self.spoken = Spoken()
        self._rows = np.array([point.row for point in self.points])
        self._step = pod.sensors.step[self._rows]
        self._beat, beat_metadata, metadata = heartbeat(pod.layout)
        self._metadata = [(beat_metadata, metadata), *((point.metadata_topic, point.metadata) for point in self.points)]
        self.begin_anew()

    def begin_anew(self) -> None:
        """Forget what was sent, as after a lost connection: the broker may have forgotten it too."""
        self._sent = np.full(len(self.points), np.nan)
        self._sent_at = np.full(len(self.points), -np.inf)
        self._described = -np.inf  # event time up to which metadata was sent
        self._beaten = -np.inf

    def due(self) -> Iterator[Message]:
        """Yield what is due at the pod's present time; metadata before values."""
        time = self.pod.time
        for topic, payload in self._due_metadata(time):
            self.spoken.metadata += 1
            yield Message(topic, payload, retain=True)
        if time - self._beaten >= HEARTBEAT:
            self._beaten = time
            self.spoken.heartbeats += 1
            yield Message(self._beat, value_payload(round(time * 1000), 0, time), retain=False)
        value = self.pod.measured[self._rows]
        changed = ~(abs(value - self._sent) <= self._step / 2)  # values lie on the resolution's grid, so this is one step; true for NaN
        rows = np.flatnonzero(changed | (time - self._sent_at > REPUBLISHED - STEP))
        self._sent[rows], self._sent_at[rows] = value[rows], time
        for row in rows:
            self.spoken.values += 1
            point = self.points[row]
            yield Message(point.value_topic, value_payload(value[row], point.decimals, time), retain=False)

    def _due_metadata(self, time: float) -> list[tuple[str, bytes]]:
        count = len(self._metadata)
        if not np.isfinite(self._described):
            self._described = time
            return self._metadata
        first, last = (int((at - self.pod.start) / REPUBLISHED * count) for at in (self._described, time))
        self._described = time
        return [self._metadata[number % count] for number in range(max(first, last - count), last)]


async def publish(
    pod: Pod,
    host: str,
    port: int,
    clock: Clock,
    *,
    seconds: float | None = None,
    told: Callable[[Bms], None] | None = None,
) -> Spoken:
    """Publish a pod, a step a second of event time, until cancelled.

    Late steps are taken, but only the newest is published, so that its timestamps stay true.

    Args:
        pod: its start should be the clock's present time.
        host: of the broker.
        port: its plain MQTT listener.
        clock: the one that the monitor goes by.
        seconds: of event time after which to end, None: never.
        told: called after each step, with what decides and counts.

    Raises:
        SourceLost: the broker cannot be reached at the start; one that goes away later is tried again.

    """
    bms = Bms(pod)
    connected = False
    while True:
        try:
            async with aiomqtt.Client(host, port, timeout=10) as client:
                if connected:
                    log.info("%s:%d: back", host, port)
                connected = True
                client.pending_calls_threshold = len(bms.points) * 3  # else it warns of a step's messages on their way
                bms.begin_anew()
                while True:
                    # Together: waiting for each alone takes a turn of the loop a message.
                    due = [
                        client.publish(message.topic, message.payload, qos=0, retain=message.retain, timeout=_PATIENCE)
                        for message in bms.due()
                    ]
                    await asyncio.gather(*due)
                    if told is not None:
                        told(bms)
                    if seconds is not None and pod.age >= seconds:
                        return bms.spoken
                    await clock.sleep(pod.time + STEP - clock.now())
                    pod.advance(clock.now() if seconds is None else min(clock.now(), pod.start + seconds))
        except aiomqtt.MqttError as error:
            if not connected:
                raise SourceLost(f"{host}:{port}: {error}; is a broker listening there?") from error
            log.warning("%s:%d: %s; trying again", host, port, error)
        await clock.sleep(_AGAIN)
        pod.advance(clock.now())
