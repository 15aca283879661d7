"""MQTT 3.1.1 packets by the book: a writer, and the simplest reader that could be right."""

from dataclasses import dataclass, field


def length_bytes(length: int) -> bytes:
    out = bytearray()
    while True:
        length, low = divmod(length, 128)
        out.append(low | (0x80 if length else 0))
        if not length:
            return bytes(out)


def packet(first: int, body: bytes) -> bytes:
    return bytes([first]) + length_bytes(len(body)) + body


def text(value: bytes) -> bytes:
    return len(value).to_bytes(2, "big") + value


def publish(topic: bytes, payload: bytes, *, qos: int = 0, retain: bool = False, dup: bool = False, packet_id: int = 1) -> bytes:
    head = text(topic) + (packet_id.to_bytes(2, "big") if qos else b"")
    return packet(0x30 | dup << 3 | qos << 1 | retain, head + payload)


def connect(client_id: bytes, username: bytes | None = None, password: bytes | None = None) -> bytes:
    flags = 0x02 | (0x80 if username is not None else 0) | (0x40 if password is not None else 0)
    logins = b"".join(text(part) for part in (username, password) if part is not None)
    return packet(0x10, text(b"MQTT") + bytes([4, flags]) + (0).to_bytes(2, "big") + text(client_id) + logins)


@dataclass
class Parsed:
    """What a stream of whole packets holds."""

    messages: list[tuple[bytes, bytes, bool]] = field(default_factory=list)  # topic, payload, retained
    ids: list[int] = field(default_factory=list)
    control: bytes = b""
    oversize: int = 0


def parse(stream: bytes, most: int) -> Parsed:
    """Read packet by packet."""
    parsed = Parsed()
    while stream:
        first, length, used = stream[0], 0, 1
        while True:
            length += (stream[used] & 0x7F) * 128 ** (used - 1)
            used += 1
            if stream[used - 1] < 128:
                break
        whole, body, stream = stream[: used + length], stream[used : used + length], stream[used + length :]
        qos = first >> 1 & 3
        if first >> 4 != 3 or (qos == 2 and length <= most):
            parsed.control += whole
            continue
        size = int.from_bytes(body[:2], "big")
        topic, rest = body[2 : 2 + size], body[2 + size :]
        if qos == 1:
            parsed.ids.append(int.from_bytes(rest[:2], "big"))
            rest = rest[2:]
        if length > most:
            parsed.oversize += 1
        else:
            parsed.messages.append((topic, rest, bool(first & 1)))
    return parsed
