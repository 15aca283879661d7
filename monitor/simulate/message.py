"""One message on its way to the broker."""

from typing import NamedTuple


class Message(NamedTuple):
    topic: str
    payload: bytes
    retain: bool
