"""The few MQTT 3.1.1 packets that a raw publisher writes."""


def connect(name: bytes, username: str | None = None, password: str | None = None) -> bytes:
    """Clean session, no keepalive."""
    login = b"".join(_text(word.encode()) for word in (username, password) if word is not None)
    flags = 0x02 | (0x80 if username is not None else 0) | (0x40 if password is not None else 0)
    return _packet(0x10, b"\x00\x04MQTT\x04" + bytes([flags]) + b"\x00\x00" + _text(name) + login)


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
