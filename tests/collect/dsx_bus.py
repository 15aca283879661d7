"""A DSX bus without a broker: messages straight into the dialect."""

import json

from monitor.collect.dsx import Dsx
from monitor.model import Readings
from monitor.plant import Plant

START = 1_767_225_600.0
FLOW = "Rack/RackLiquidFlow/pod1/rack05/flow"
LEAK = "Rack/RackLeakDetect/pod1/rack05/leak"


class Bus:
    """A dialect with a plant of its own, fed message by message."""

    def __init__(self, **limits: int) -> None:
        self.plant = Plant()
        self.dsx = Dsx(self.plant, **limits)

    def send(self, *messages: tuple[str | bytes, object], retained: int = 0, received: float = START) -> Readings:
        """Send (topic, payload) pairs as one batch; an object is written as JSON, bytes go as they are."""
        topics = [topic.encode() if isinstance(topic, str) else topic for topic, _ in messages]
        payloads = [payload if isinstance(payload, bytes) else json.dumps(payload).encode() for _, payload in messages]
        return self.dsx.decode(topics, payloads, [retained] * len(topics), received)

    def describe(self, path: str = FLOW, prefix: str = "", **more: object) -> None:
        self.send(metadata(path, prefix, **more))

    def codes(self) -> set[str]:
        return {finding.code for finding, _ in self.plant.findings.all()}


def metadata(path: str = FLOW, prefix: str = "", **more: object) -> tuple[str, dict[str, object]]:
    object_type, point_type, _ = path.split("/", 2)
    told: dict[str, object] = {"objectType": object_type, "pointType": point_type}
    if object_type == "Rack":
        told |= {"rackLocationName": "Rack 5", "rackLocationId": "R5"}
    told |= {"engUnit": "LPM"} if point_type == "RackLiquidFlow" else {"stateText": [{"value": 0, "text": "NoLeak"}]}
    told |= more
    return f"{prefix}BMS/v1/PUB/Metadata/{path}", {key: value for key, value in told.items() if value is not None}


def value(
    number: object = 80.5, path: str = FLOW, *, publisher: str = "PUB", prefix: str = "", **more: object
) -> tuple[str, dict[str, object]]:
    told = {"value": number, "timestamp": int(START * 1000), "quality": 1} | more
    return f"{prefix}BMS/v1/{publisher}/Value/{path}", told
