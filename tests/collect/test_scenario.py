"""A scenario file becomes batches of messages, lazily and with its own times."""

import gzip
from pathlib import Path

import pytest
from data import recorded

from monitor.collect.scenario import Scenario, nanoseconds
from monitor.errors import InputError

START = 1_767_225_600.0


@pytest.fixture
def write(tmp_path: Path):
    def written(*rows: str | bytes, header: str = "offset,topic,payload") -> Path:
        path = tmp_path / "scenario.csv"
        path.write_bytes(b"\n".join(row if isinstance(row, bytes) else row.encode() for row in (header, *rows)) + b"\n")
        return path

    return written


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("0", 0),
        ("0s", 0),
        ("3.4731ms", 3_473_100),
        ("1m39.36s", 99_360_000_000),
        ("1h2m3s4ms5us6ns", 3_723_004_005_006),
        ("250µs", 250_000),
        ("250μs", 250_000),
        ("1.5h", 5_400_000_000_000),
        ("1.m", 60_000_000_000),
        ("0.0000000019s", 1),
    ],
)
def test_go_durations(text: str, found: int) -> None:
    assert nanoseconds(text) == found


@pytest.mark.parametrize("text", ["", "5", "-1s", "s", "1x", "1s ago", "1 s", "1.2.3s", "9" * 30 + "s", "9999999999h", "\u0661s"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no duration"):
        nanoseconds(text)


def test_rows_become_messages_with_their_times(write) -> None:
    path = write(
        '1.0006ms,a/b,"{""t"":{{timestamp_ms}},""v"":1}"',
        '999.999us,a/c,"{""t"":{{timestamp_ms}}}"',
        "2s,d,{{timestamp_ms}}{{timestamp_ms}}",
    )

    (batch,) = Scenario(path, START, span=60)

    assert batch.topics == [b"a/b", b"a/c", b"d"]
    assert batch.payloads == [b'{"t":1767225600001,"v":1}', b'{"t":1767225600000}', b"17672256020001767225602000"]
    assert batch.received.tolist() == [START + 0.0010006, START + 0.000999999, START + 2.0]


def test_a_start_between_milliseconds_counts_in_the_timestamp(write) -> None:
    (batch,) = Scenario(write("0.6ms,t,{{timestamp_ms}}"), START + 0.0005)

    assert batch.payloads == [b"1767225600001"]


def test_batches_are_bounded_in_number_and_span(write) -> None:
    path = write(*[f"{number * 100}ms,t,{number}" for number in range(25)], "2.4s,t,x", "1s,t,back")
    scenario = Scenario(path, START, most=7, span=0.5)

    batches = list(scenario)

    assert [payload for batch in batches for payload in batch.payloads] == [*(str(n).encode() for n in range(25)), b"x", b"back"]
    assert max(len(batch.topics) for batch in batches) == 6
    assert all(batch.received.max() - batch.received.min() <= 0.5 + 1e-6 for batch in batches)
    assert [len(batch.topics) for batch in Scenario(path, START, most=7, span=60)] == [7, 7, 7, 6]
    assert scenario.messages == 27


def test_reading_is_lazy_and_repeatable(write) -> None:
    scenario = Scenario(write(*["0s,t,x"] * 10, "bad"), START, most=2)

    next(iter(scenario))
    seen = scenario.messages
    twice = [sum(len(batch.topics) for batch in scenario) for _ in range(2)]

    assert seen <= 2
    assert twice == [10, 10]
    assert scenario.dropped == {"scenario_row": 1}


def test_broken_rows_are_counted_with_their_place(write) -> None:
    path = write("0s,t,good", "never,t,x", "1s,t", "1s,t,x,y", '1s,"t"x,y', "", "1s,t,fine", "2s," + "x" * 200_000 + ",y", "3s,t,last")

    scenario = Scenario(path, START)
    payloads = [payload for batch in scenario for payload in batch.payloads]

    assert payloads == [b"good", b"fine", b"last"]
    assert scenario.dropped == {"scenario_row": 5}
    assert scenario.faults[0] == f"{path}:3: offset 'never' is no duration; 1m39.36s or 3.4731ms would do"
    assert [fault.split(":")[1] for fault in scenario.faults] == ["3", "4", "5", "6", "9"]


def test_bytes_that_are_no_text_pass_unchanged(write) -> None:
    (batch,) = Scenario(write(b"0s,t\xff,\xfe{\x00"), START)

    assert (batch.topics, batch.payloads) == ([b"t\xff"], [b"\xfe{\x00"])


@pytest.mark.parametrize("header", ["time,topic,payload", "", "offset,topic", '"offset'])
def test_another_file_is_no_scenario(write, header: str) -> None:
    path = write("0s,t,x", header=header)

    with pytest.raises(InputError, match=rf"{path}:\d+: .*offset,topic,payload"):
        list(Scenario(path, START))


@pytest.mark.parametrize("begin", [b"\x1f\x8b\x08\x00", b"PAR1\x15\x04\x15", b"\xff\xfeo\x00f\x00", b"SQLite format 3\x00", b"offset\x00"])
def test_a_file_that_is_no_text_is_told_so(tmp_path: Path, begin: bytes) -> None:
    path = tmp_path / "scenario.csv"
    path.write_bytes(begin + bytes(range(256)) * 10)

    with pytest.raises(InputError, match="is no text") as error:
        list(Scenario(path, START))
    assert str(error.value).isprintable()
    assert ("gzip" in str(error.value)) == begin.startswith(b"\x1f\x8b")


def test_a_header_longer_than_what_is_looked_at_may_end_anywhere(tmp_path: Path) -> None:
    path = tmp_path / "scenario.csv"
    for count in (510, 511, 512):
        path.write_text("x" * count + "é,topic\n", encoding="utf-8")
        with pytest.raises(InputError, match="header is"):
            list(Scenario(path, START))


def test_a_compressed_file_reads_as_the_plain_one_as_often_as_asked(write) -> None:
    path = write("0s,t,x", "1s,t,y")
    packed = path.with_suffix(".csv.gz")
    packed.write_bytes(gzip.compress(path.read_bytes()))
    scenario = Scenario(packed, START, span=60)

    for _ in range(2):
        (batch,) = scenario
        assert batch.payloads == [b"x", b"y"]


@pytest.mark.parametrize("damage", ["cut", "plain", "broken"])
def test_a_damaged_compressed_file_is_an_input_error(write, damage: str) -> None:
    path = write(*(f"{number}s,t,{number * 7919 % 1000}" for number in range(5000)))
    packed = path.with_suffix(".csv.gz")
    whole = gzip.compress(path.read_bytes())
    middle = len(whole) // 2
    packed.write_bytes({"cut": whole[:-100], "plain": path.read_bytes(), "broken": whole[:middle] + b"\xff" * 99 + whole[middle:]}[damage])

    with pytest.raises(InputError, match="a whole gzip file would do"):
        list(Scenario(packed, START))


def test_a_missing_file_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        list(Scenario(tmp_path / "none.csv", START))


def test_the_recording_is_read_whole() -> None:
    scenario = Scenario(recorded("dsx-exchange", "dsx_exemplar.csv"), START)

    batches = list(scenario)

    assert scenario.messages == sum(len(batch.topics) for batch in batches) == 4_711
    assert scenario.dropped == {}
    assert batches[0].received[0] == START
    assert batches[-1].received[-1] == pytest.approx(START + 99.3675441)
    assert not any(b"{{" in payload for batch in batches for payload in batch.payloads)
