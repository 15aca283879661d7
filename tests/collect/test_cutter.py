"""The cutter against a reader by the book, on any stream in any pieces."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from plant.packets import length_bytes, packet, parse, publish

from monitor.collect.cutter import Cutter
from monitor.errors import SourceLost

MOST = 1024

topics = st.binary(min_size=1, max_size=40)
sizes = st.one_of(st.integers(0, 200), st.sampled_from([0, 110, 127, 128, 900, MOST - 60, MOST, 2 * MOST, 20_000]))
publishes = st.builds(
    lambda topic, size, qos, retain, dup, packet_id: publish(
        topic, b"v" * size, qos=qos, retain=retain, dup=dup and qos > 0, packet_id=packet_id
    ),
    topics,
    sizes,
    st.sampled_from([0, 0, 0, 1, 1, 2]),
    st.booleans(),
    st.booleans(),
    st.integers(1, 65_535),
)
controls = st.builds(packet, st.sampled_from([0x20, 0x40, 0x50, 0x62, 0x70, 0x90, 0xB0, 0xD0]), st.binary(max_size=MOST))
streams = st.lists(st.one_of(publishes, publishes, publishes, controls), max_size=30).map(list)


def rows(cutter: Cutter) -> list[tuple[bytes, bytes, bool]]:
    retained = set(cutter.retained)
    return [(topic, payload, row in retained) for row, (topic, payload) in enumerate(zip(cutter.topics, cutter.payloads, strict=True))]


@given(streams, st.data())
def test_any_split_gives_what_the_book_says(packets: list[bytes], data: st.DataObject) -> None:
    # an oversize QoS 2 packet is skipped, too: paho must not hold it
    packets = [one for one in packets if not (one[0] & 0xF6 == 0x34 and len(one) > MOST)]
    stream = b"".join(packets)
    pieces = data.draw(st.lists(st.one_of(st.integers(1, 3), st.integers(1, 5_000)), max_size=200))
    cutter = Cutter(MOST, dropped := Counter())

    at = 0
    for size in [*pieces, len(stream) + 1]:
        cutter.feed(stream[at : at + size])
        at += size

    wanted = parse(stream, MOST)
    assert rows(cutter) == wanted.messages
    assert cutter.ids == wanted.ids
    assert bytes(cutter.control) == wanted.control
    assert dropped == Counter(oversize=wanted.oversize)


@given(st.binary(max_size=2_000), st.integers(1, 40))
def test_noise_gives_messages_or_a_clear_end_but_no_other_error(noise: bytes, size: int) -> None:
    cutter = Cutter(MOST, Counter())
    try:
        for at in range(0, len(noise), size):
            cutter.feed(noise[at : at + size])
    except SourceLost:
        pass
    assert len(cutter.topics) == len(cutter.payloads)
    assert all(0 <= row < len(cutter.topics) for row in cutter.retained)


def test_take_starts_anew() -> None:
    cutter = Cutter(MOST, Counter())
    cutter.feed(publish(b"a", b"1", qos=1, retain=True, packet_id=7) + publish(b"b", b"2"))

    assert cutter.take() == ([b"a", b"b"], [b"1", b"2"], [0], [7])
    cutter.feed(publish(b"c", b"3", retain=True))
    assert cutter.take() == ([b"c"], [b"3"], [0], [])


def test_an_oversize_packet_is_not_held() -> None:
    """Four megabytes in small pieces: what is kept stays below a kilobyte."""
    cutter = Cutter(MOST, dropped := Counter())
    stream = publish(b"t", bytes(4_194_304), qos=1, packet_id=300) + publish(b"next", b"1")
    most = 0
    for at in range(0, len(stream), 500):
        cutter.feed(stream[at : at + 500])
        most = max(most, cutter._held)

    assert most < MOST
    assert (cutter.topics, cutter.ids, dropped) == ([b"next"], [300], Counter(oversize=1))


@pytest.mark.parametrize("at", range(1, 6))
def test_a_remaining_length_without_end_is_refused(at: int) -> None:
    cutter = Cutter(MOST, Counter())
    stream = publish(b"t", b"1") + b"\x30\xff\xff\xff\xff\x01"
    first = len(stream) - 6 + at
    cutter.feed(stream[:first]) if at < 5 else None

    with pytest.raises(SourceLost, match="within 4 bytes"):
        cutter.feed(stream[first:] if at < 5 else stream)
    assert cutter.topics == [b"t"]


def test_an_oversize_control_packet_is_refused() -> None:
    with pytest.raises(SourceLost, match="control packet of type 9"):
        Cutter(MOST, Counter()).feed(packet(0x90, bytes(MOST + 1)))


@pytest.mark.parametrize(
    "bad",
    [
        packet(0x30, b""),
        packet(0x30, b"\x00"),
        packet(0x30, b"\x00\x00no topic"),
        packet(0x30, b"\x00\x09beyond"),
        packet(0x31, b"\x00\x09beyond"),
        packet(0x32, b"\x00\x01t\x00"),
        packet(0x33, b"\x00\x01t"),
        packet(0x36, b"\x00\x01t\x00\x01qos 3"),
    ],
)
def test_a_malformed_publish_is_counted_and_its_neighbours_stay(bad: bytes) -> None:
    cutter = Cutter(MOST, dropped := Counter())

    cutter.feed(publish(b"a", b"1") + bad + publish(b"b", b"2"))

    assert (cutter.topics, dropped) == ([b"a", b"b"], Counter(malformed=1))


def test_a_length_may_take_more_bytes_than_it_needs() -> None:
    """The standard does not forbid 0x85 0x00 for 5."""
    cutter = Cutter(MOST, Counter())
    cutter.feed(b"\x30\x85\x80\x00" + b"\x00\x01tv1" + b"\x30" + length_bytes(3) + b"\x00\x01u")
    assert (cutter.topics, cutter.payloads) == ([b"t", b"u"], [b"v1", b""])
