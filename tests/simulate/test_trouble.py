"""Trouble on the way to the broker: nothing vanishes but what is meant to, and everything is counted."""

from collections import Counter
from math import inf

import pytest

from monitor.simulate.message import Message
from monitor.simulate.trouble import TROUBLES, Bus, Trouble

VALUES = [Message(f"demo/Pod{number % 2 + 1}/{number}", b"1", retain=False) for number in range(400)]
METADATA = Message("demo/Pod1/metadata", b"{}", retain=True)


def trouble(kind: str, words: str = "", begin: float = 0.0, end: float = inf) -> Trouble:
    return Trouble(kind, words, begin, end, TROUBLES[kind].size, TROUBLES[kind].time)


def carried(*troubles: Trouble, steps: int = 10) -> tuple[Bus, list[list[Message]]]:
    bus = Bus(troubles, seed=2)
    left = [bus.carry([METADATA, *VALUES], float(age)) for age in range(steps)]
    return bus, [*left, bus.rest()]


def test_without_trouble_everything_leaves_at_once_and_in_order() -> None:
    _, left = carried()

    assert left == [[METADATA, *VALUES]] * 10 + [[]]


@pytest.mark.parametrize("kind", [kind for kind, info in TROUBLES.items() if not info.source])
def test_metadata_is_never_struck(kind: str) -> None:
    _, left = carried(trouble(kind))

    assert [batch.count(METADATA) for batch in left[:-1]] == [1] * 10


def test_late_messages_come_later_and_each_once() -> None:
    bus, left = carried(trouble("late"))
    counts = Counter(message for batch in left for message in batch)

    assert counts == Counter([METADATA, *VALUES] * 10)
    assert 0.03 < bus.struck["late"] / 4000 < 0.07
    assert any(len(batch) > 401 for batch in left)


def test_duplicates_come_once_more() -> None:
    bus, left = carried(trouble("duplicate"))
    counts = Counter(message for batch in left for message in batch)

    assert sum(counts.values()) == 4010 + bus.struck["duplicate"]
    assert set(counts) == {METADATA, *VALUES}


def test_reordered_messages_are_the_same_in_another_order() -> None:
    _, left = carried(trouble("reorder"), steps=1)

    assert sorted(left[0]) == sorted([METADATA, *VALUES])
    assert left[0] != [METADATA, *VALUES]


def test_lost_messages_are_counted() -> None:
    bus, left = carried(trouble("lost"))

    assert sum(map(len, left)) == 4010 - bus.struck["lost"]
    assert bus.struck["lost"] > 30


def test_trouble_strikes_where_and_when_it_is_ordered() -> None:
    _, left = carried(trouble("silent", "Pod2", begin=3.0, end=5.0))

    assert [len(batch) for batch in left] == [401] * 3 + [201] * 2 + [401] * 5 + [0]
    assert {message.topic.split("/")[1] for message in left[3]} == {"Pod1"}
