"""Topics of the DSX BMS wire: what their segments say, and which points a heartbeat's scope covers."""

from typing import NamedTuple

BMS = "PUB"  # the publisher segment of the building management system
VALUE = "Value"
METADATA = "Metadata"
MOST_BYTES = 1024  # of a topic; the longest one of a recorded pod has 160


class Topic(NamedTuple):
    """One topic. `tag` is opaque: it may have any number of levels and nothing is read out of it."""

    prefix: str  # "" or "cpc/{id}/"
    publisher: str
    sort: str  # VALUE or METADATA
    object_type: str
    point_type: str
    tag: str

    @property
    def path(self) -> str:
        """The point's identity: the same for its metadata and for its value, whoever publishes that."""
        return f"{self.prefix}{self.object_type}/{self.point_type}/{self.tag}"

    @property
    def source(self) -> str:
        return source(self.prefix, self.publisher)


def source(prefix: str, publisher: str) -> str:
    """Return the name of one clock: a bus prefix and a publisher on it."""
    return f"{prefix}BMS/v1/{publisher}"


def parse(topic: bytes) -> Topic | str:
    """Read a topic, or return the reason why it is none of this wire."""
    if len(topic) > MOST_BYTES:
        return "topic_size"
    try:
        text = topic.decode()
    except UnicodeDecodeError:
        return "topic_encoding"
    prefix = ""
    if text.startswith("cpc/"):
        _, number, text = (*text.split("/", 2), "", "")[:3]
        if not number:
            return "topic_shape"
        prefix = f"cpc/{number}/"
    parts = text.split("/", 6)
    if len(parts) != 7 or parts[0] != "BMS" or parts[1] != "v1" or parts[3] not in {VALUE, METADATA} or not all(parts):
        return "topic_shape"
    return Topic(prefix, parts[2], parts[3], parts[4], parts[5], parts[6])


def value_topic(topic: Topic, publisher: str) -> bytes:
    """Return the one topic on which that publisher gives the value of a described point."""
    return f"{topic.prefix}BMS/v1/{publisher}/{VALUE}/{topic.object_type}/{topic.point_type}/{topic.tag}".encode()


def covers(scope: str, path: str) -> bool:
    """Tell whether a heartbeat's scope covers a point of the heartbeat's own source.

    Args:
        scope: free text of the BMS: an MQTT filter (with + or #) or a topic prefix of whole levels; either over the whole
            topic (BMS/v1/...), from the object type on, or over the tag path alone. Empty means the whole source.
        path: a `Point.path`; a cpc/{id}/ in front of either is left out.

    >>> covers("BMS/v1/PUB/Value/Rack/#", "Rack/RackPower/pod1/rack05")
    True
    >>> covers("pod2", "Rack/RackPower/pod1/rack05")
    False

    """
    levels = _without_prefix(path)
    asked = _without_prefix(scope.strip().strip("/"))
    if "#" in asked:
        asked = asked[: asked.index("#")]  # what is left is a prefix
    if asked in ([], [""]):
        return True
    if asked[0] == "BMS":
        return asked[1:2] in ([], ["v1"], ["+"]) and _begins(levels, asked[4:])
    return _begins(levels, asked) or _begins(levels[2:], asked)


def _without_prefix(text: str) -> list[str]:
    levels = text.split("/")
    return levels[2:] if levels[0] == "cpc" else levels


def _begins(levels: list[str], asked: list[str]) -> bool:
    return len(asked) <= len(levels) and all(word in {"+", level} for word, level in zip(asked, levels, strict=False))
