"""The few MQTT 3.1.1 packets that a raw publisher writes."""


def connect(name: bytes) -> bytes:
    """Clean session, no login, no keepalive."""
    return _packet(0x10, b"\x00\x04MQTT\x04\x02\x00\x00" + _text(name))


def publish(topic: bytes, payload: bytes, *, retain: bool = False) -> bytes:
    """QoS 0."""
    return _packet(0x31 if retain else 0x30, _text(topic) + payload)


def _packet(first: int, body: bytes) -> bytes:
    length, size = bytearray(), len(body)
    while True:
        size, low = divmod(size, 128)
        length.append(low | (0x80 if size else 0))
        if not size:
            return bytes([first, *length]) + body


def _text(value: bytes) -> bytes:
    return len(value).to_bytes(2, "big") + value
