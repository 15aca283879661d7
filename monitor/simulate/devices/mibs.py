"""What the plant's SNMP agents show: OIDs, types and scales of PDU2-MIB (Raritan) and UPS-MIB (RFC 1628).

Branches of PDU2-MIB that only the maker's file could confirm are marked "(unverified)".
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import isfinite, nan, prod
from typing import Any

from pysnmp.proto.rfc1902 import Counter32, Gauge32, Integer32, ObjectIdentifier, OctetString, TimeTicks

from monitor.simulate.devices.readout import Readout

Oid = tuple[int, ...]
Value = Any  # one of the types imported above, which carry no types of Python
Read = Callable[[], float]
Entry = tuple[Oid, Callable[[], Value]]

SYSTEM: Oid = (1, 3, 6, 1, 2, 1, 1)
UPS: Oid = (1, 3, 6, 1, 2, 1, 33, 1)
PDU2: Oid = (1, 3, 6, 1, 4, 1, 13742, 6)
FREQUENCY = 23  # sensor type (unverified)
_CURRENT, _VOLTAGE, _ACTIVE, _APPARENT, _FACTOR = 1, 4, 5, 6, 7  # sensor types
_TEMPERATURE, _HUMIDITY = 10, 11  # of external sensors (unverified)
_V, _A, _W, _VA, _C, _HZ, _PERCENT, _NONE = 1, 2, 3, 4, 7, 8, 9, -1  # units
_UNAVAILABLE, _NORMAL, _ABOVE_WARNING, _ABOVE_CRITICAL = -1, 4, 5, 6  # states
_WARN = 0.8  # of the rated current (a breaker's continuous load, NEC 210.20)


@dataclass(frozen=True, slots=True)
class Gauge:
    """One sensor of a PDU: value = raw / 10**digits in `unit`; `factor` turns the plant's canonical unit into it."""

    type: int
    unit: int
    digits: int
    signal: str
    factor: float = 1.0


INLET = (
    Gauge(_CURRENT, _A, 1, "current"),
    Gauge(_VOLTAGE, _V, 1, "voltage"),
    Gauge(_ACTIVE, _W, 0, "active_power", 1000.0),
    Gauge(_APPARENT, _VA, 0, "apparent_power", 1000.0),
    Gauge(_FACTOR, _NONE, 3, "power_factor"),
    Gauge(FREQUENCY, _HZ, 2, "frequency"),
)
POLE = ((_CURRENT, _A, 1, "phase_"), (_VOLTAGE, _V, 1, "volts_"))  # phase behind
OUTSIDE = (
    Gauge(_TEMPERATURE, _C, 1, "rack.inlet_top"),
    Gauge(_TEMPERATURE, _C, 1, "rack.inlet_bottom"),
    Gauge(_HUMIDITY, _PERCENT, 1, "room.humidity"),
)


def system(readout: Readout, device: str, description: str, kind: Oid) -> Iterator[Entry]:
    """Yield the system group of an agent."""
    yield (*SYSTEM, 1, 0), lambda: OctetString(description)
    yield (*SYSTEM, 2, 0), lambda: ObjectIdentifier(kind)
    yield (*SYSTEM, 3, 0), lambda: TimeTicks(int(100 * readout.uptime(device)) % (1 << 32))
    yield (*SYSTEM, 5, 0), lambda: OctetString(readout.name(device))
    yield (*SYSTEM, 6, 0), lambda: OctetString(readout.physics.layout.pod)


def rack_pdu(readout: Readout, device: str, taps: list[str], rack: str) -> Iterator[Entry]:
    """Yield what the rack's PDUs show: one a feed, linked behind one agent, numbered from 1; sensors of the rack on the first."""
    yield from system(readout, device, "Raritan PX3 (simulated)", (*PDU2, 0))
    for pdu, tap in enumerate(taps, 1):
        plate = ("Raritan", "PX3", readout.serial("tap", tap))
        for column, text in enumerate(plate, 2):  # (unverified)
            yield (*PDU2, 3, 2, 1, 1, column, pdu), _always(OctetString(text))
        yield (*PDU2, 3, 2, 2, 1, 13, pdu), _always(OctetString(readout.name(tap)))  # pduName (unverified)
        limit = _reader(readout, "tap.current_limit", tap, device)
        for gauge in INLET:
            most = limit if gauge.type == _CURRENT else None
            index = (pdu, 1, gauge.type)
            yield from _sensor(gauge, _reader(readout, f"tap.{gauge.signal}", tap, device), (5, 2, 3, 1), (3, 3, 4, 1), index, most)
        for number, phase in enumerate("abc", 1):
            for kind, unit, digits, name in POLE:  # (unverified)
                gauge = Gauge(kind, unit, digits, name + phase)
                read = _reader(readout, f"tap.{gauge.signal}", tap, device)
                yield from _sensor(gauge, read, (5, 2, 4, 1), (3, 3, 6, 1), (pdu, 1, number, kind), limit if kind == _CURRENT else None)
    for number, gauge in enumerate(OUTSIDE, 1):
        place = gauge.signal.partition(".")[0]
        asset = rack if place == "rack" else readout.physics.layout.ids(place)[0]
        read = _reader(readout, gauge.signal, asset, device)
        yield (*PDU2, 3, 6, 3, 1, 2, 1, number), _always(Integer32(gauge.type))
        yield (*PDU2, 3, 6, 3, 1, 16, 1, number), _always(Integer32(gauge.unit))
        yield (*PDU2, 3, 6, 3, 1, 17, 1, number), _always(Gauge32(gauge.digits))
        yield (*PDU2, 5, 5, 3, 1, 3, 1, number), _state(read)
        yield (*PDU2, 5, 5, 3, 1, 4, 1, number), _signed(gauge, read)


def _sensor(gauge: Gauge, read: Read, measured: Oid, configured: Oid, index: Oid, limit: Read | None) -> Iterator[Entry]:
    at, of = (*PDU2, *measured), (*PDU2, *configured)
    yield (*at, 3, *index), _state(read, limit)
    yield (*at, 4, *index), _unsigned(gauge, read)
    yield (*at, 6, *index), _signed(gauge, read)
    yield (*of, 6, *index), _always(Integer32(gauge.unit))
    yield (*of, 7, *index), _always(Gauge32(gauge.digits))
    if limit is not None:
        for column, part in ((21, 0.0), (22, 0.0), (23, 1.0), (24, _WARN)):
            yield (*of, column, *index), _unsigned(gauge, _times(part, limit))


def ups(readout: Readout, device: str) -> Iterator[Entry]:
    """Yield a UPS of one feed. Its output is what the feed's meter says; the battery is full, its figures are estimates."""
    yield from system(readout, device, "UPS (simulated)", UPS[:-1])

    def read(name: str) -> Read:
        return _reader(readout, f"pdu.{name}", device, device)

    def number(part: Oid, value: int) -> Entry:
        return (*UPS, *part), _always(Integer32(value))

    for column, text in ((1, "Simulated"), (2, "UPS"), (5, readout.name(device))):
        yield (*UPS, 1, column, 0), _always(OctetString(text))
    yield from (number((2, 1, 0), 2), number((2, 2, 0), 0), number((2, 3, 0), 10), number((2, 4, 0), 100))  # normal, s, min, %
    yield from (number((2, 5, 0), 5400), number((2, 6, 0), 0), number((2, 7, 0), 25))  # 0.1 V, 0.1 A, degC
    yield (*UPS, 3, 1, 0), lambda: Counter32(0)
    yield from (number((3, 2, 0), 3), number((4, 3, 0), 3))
    factor, limit, hertz = read("power_factor"), read("current_limit"), read("frequency")
    for line, phase in enumerate("abc", 1):
        volts, amps = read(f"volts_{phase}"), read(f"phase_{phase}")

        watts, load = _product(volts, amps, factor), _share(amps, limit)
        columns: list[tuple[int, int, int, Read, float]] = [
            (3, 3, 2, hertz, 10),
            (3, 3, 3, volts, 1),
            (3, 3, 4, amps, 10),
            (3, 3, 5, watts, 1),
        ]
        columns += [(4, 4, 2, volts, 1), (4, 4, 3, amps, 10), (4, 4, 4, watts, 1), (4, 4, 5, load, 1)]
        for group, table, column, value, scale in columns:
            yield (*UPS, group, table, 1, column, line), _whole(_times(scale, value))
    yield (*UPS, 4, 1, 0), lambda: Integer32(3 if read("voltage")() > 0 else 2)  # normal or none
    yield (*UPS, 4, 2, 0), _whole(_times(10, hertz))
    yield (*UPS, 6, 1, 0), lambda: Gauge32(0)


def _reader(readout: Readout, signal: str, asset: str, device: str) -> Read:
    return lambda: readout.number(signal, asset, device)


def _raw(gauge: Gauge, value: float) -> int:
    return round(gauge.factor * value * 10**gauge.digits) if isfinite(value) else 0


def _always(value: Value) -> Callable[[], Value]:
    return lambda: value


def _unsigned(gauge: Gauge, read: Read) -> Callable[[], Value]:
    return lambda: Gauge32(max(0, _raw(gauge, read())))


def _signed(gauge: Gauge, read: Read) -> Callable[[], Value]:
    return lambda: Integer32(_raw(gauge, read()))


def _state(read: Read, limit: Read | None = None) -> Callable[[], Value]:
    def state() -> Value:
        value, most = read(), limit() if limit else nan
        if not isfinite(value):
            return Integer32(_UNAVAILABLE)
        if isfinite(most) and value > most:
            return Integer32(_ABOVE_CRITICAL)
        return Integer32(_ABOVE_WARNING if isfinite(most) and value > _WARN * most else _NORMAL)

    return state


def _whole(read: Read) -> Callable[[], Value]:
    def whole() -> Value:
        value = read()
        return Integer32(round(value) if isfinite(value) else -1)  # -1 for what is not known, as recorded agents have it

    return whole


def _times(factor: float, read: Read) -> Read:
    return lambda: factor * read()


def _product(*reads: Read) -> Read:
    return lambda: prod(read() for read in reads)


def _share(read: Read, limit: Read) -> Read:
    """Return a function that gives a value in % of its limit."""
    return lambda: 100 * read() / limit()
