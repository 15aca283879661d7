"""MQTT 3.1.1 bytes to columns of topics and payloads; what is no telemetry is left to the protocol engine."""

from collections import Counter

from monitor.errors import SourceLost

TOPIC_MOST = 65_535  # bytes, the 16-bit length before every MQTT string


class Cutter:
    """Cuts one connection's stream, however it was split on the way.

    PUBLISH of QoS 0 and 1 goes to `topics` and `payloads` (row by row, in arrival order), the rows that carried RETAIN to
    `retained`, packet ids to be acknowledged to `ids`. Every other packet goes whole and unchanged to `control`; its reader
    deletes what it took. Callers own the lists after `take`.

    Args:
        most: bytes of a packet behind its fixed header, at least 128; a longer PUBLISH is skipped without being held and
            counted as "oversize" (its id is still acknowledged, else it would hold its place in the broker's window for ever).
        dropped: counts by reason; "malformed" is a PUBLISH whose topic does not fit into it, or of QoS 3.

    """

    def __init__(self, most: int, dropped: Counter[str]) -> None:
        self.topics: list[bytes] = []
        self.payloads: list[bytes] = []
        self.retained: list[int] = []
        self.ids: list[int] = []
        self.control = bytearray()
        self._most = most
        self._dropped = dropped
        self._parts: list[bytes] = []  # the packet that is not yet whole, in pieces: joined once, not at each piece
        self._held = 0  # bytes in _parts
        self._need = 0  # bytes before another look is worth it
        self._skip = 0  # bytes of an oversize packet that are still to come

    def take(self) -> tuple[list[bytes], list[bytes], list[int], list[int]]:
        """Hand over topics, payloads, retained rows and packet ids, and start anew."""
        taken = self.topics, self.payloads, self.retained, self.ids
        self.topics, self.payloads, self.retained, self.ids = [], [], [], []
        return taken

    def put(self, topic: bytes, payload: bytes, *, retained: bool, packet_id: int | None) -> None:
        """Add one message that something else took off the wire."""
        if retained:
            self.retained.append(len(self.topics))
        if packet_id is not None:
            self.ids.append(packet_id)
        self.topics.append(topic)
        self.payloads.append(payload)

    def feed(self, data: bytes) -> None:
        """Take the next bytes of the stream.

        Raises:
            SourceLost: a remaining length of more than 4 bytes, or a control packet beyond the bound. Nothing after it can be
                understood; messages before it are in the lists.

        """
        if self._skip:
            skipped = min(self._skip, len(data))
            self._skip -= skipped
            data = data[skipped:]
        if self._held:
            self._parts.append(data)
            self._held += len(data)
            if self._held < self._need:
                return
            data = b"".join(self._parts)
            self._parts.clear()
            self._held = 0
        done = self._cut(data)
        if done < len(data):
            self._parts.append(data[done:])
            self._held = len(data) - done

    def _cut(self, data: bytes) -> int:
        """Cut whole packets; return where the first one that is not whole begins."""
        topic, payload, most = self.topics.append, self.payloads.append, self._most
        end = len(data)
        last = end - 1
        at = 0
        self._need = 0
        while at < last:
            first = data[at]
            length = data[at + 1]
            body = at + 2
            if length > 127:
                if body == end:
                    break
                more = data[body]
                if more < 128:
                    length += (more << 7) - 128
                    body += 1
                else:
                    length, body = _long_length(data, at, end)
                    if not body:
                        break
                if length > most:
                    at, whole = self._oversize(data, at, body, length)
                    if not whole:
                        break
                    continue
            stop = body + length
            if stop > end:
                self._need = stop - at
                break
            if first == 0x30 and length > 2:  # QoS 0, not retained: nearly all there is, so it goes the short way
                start = body + 2
                split = start + data[body + 1]
                if data[body]:  # a topic of more than 255 bytes
                    split += data[body] << 8
                if start < split <= stop:
                    topic(data[start:split])
                    payload(data[split:stop])
                else:
                    self._dropped["malformed"] += 1
            elif first & 0xF0 != 0x30 or first & 0x06 == 0x04:  # no PUBLISH, or one of QoS 2
                self.control += data[at:stop]
            else:
                start = body + 2
                split = start + (data[body] << 8) + data[body + 1] if length > 2 else stop + 1
                text = split + (first & 0x02)  # QoS 1 has a packet id before its payload
                if start < split and text <= stop and first & 0x06 != 0x06:
                    if first & 0x02:
                        self.ids.append(data[split] << 8 | data[split + 1])
                    if first & 0x01:
                        self.retained.append(len(self.topics))
                    topic(data[start:split])
                    payload(data[text:stop])
                else:
                    self._dropped["malformed"] += 1
            at = stop
        return at

    def _oversize(self, data: bytes, at: int, body: int, length: int) -> tuple[int, bool]:
        """Skip a packet beyond the bound; return where to go on, and False where its head is not whole yet."""
        first, end, stop = data[at], len(data), body + length
        if first & 0xF0 != 0x30:
            raise SourceLost(f"control packet of type {first >> 4} has {length} bytes; at most {self._most} are accepted")
        if first & 0x06 == 0x02:
            named = body + 2 + (int.from_bytes(data[body : body + 2], "big") if end >= body + 2 else 0)
            if end < named + 2 <= stop:
                self._need = named + 2 - at
                return at, False
            if named + 2 <= stop:
                self.ids.append(data[named] << 8 | data[named + 1])
        self._dropped["oversize"] += 1
        self._skip = max(0, stop - end)
        return min(stop, end), True


def _long_length(data: bytes, at: int, end: int) -> tuple[int, int]:
    """Read a remaining length of three or four bytes; return it and where the packet's body begins, 0 if it is not all there."""
    length = 0
    for place in range(4):
        here = at + 1 + place
        if here == end:
            return 0, 0
        length |= (data[here] & 127) << 7 * place
        if data[here] < 128:
            return length, here + 1
    raise SourceLost(f"remaining length {data[at + 1 : at + 5].hex(' ')} does not end within 4 bytes; the stream is no MQTT")
