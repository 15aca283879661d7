"""Canonical units, and how a unit word from a wire becomes one.

Inside there is one unit a dimension (`CANONICAL`). The words that wires really use stand in a table, so nothing here
imports pint until somebody asks for a word that is not in it; pint takes about a second to load.
Factors are exact by definition or from NIST SP 811 (2008), appendix B.8; a water column is the conventional one (9.80665 Pa a mm).
"""

import re
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pint import UnitRegistry

CANONICAL = {
    "temperature": "degC",
    "temperature difference": "K",
    "flow": "L/min",
    "pressure": "kPa",
    "power": "kW",
    "apparent power": "kVA",
    "reactive power": "kvar",
    "current": "A",
    "voltage": "V",
    "frequency": "Hz",
    "ratio": "%",
    "time": "s",
    "speed": "1/min",
    "level": "dB",
    "power level": "dBm",
    "energy": "kWh",
    "charge": "Ah",
    "resistance": "ohm",
    "conductivity": "uS/cm",
    "velocity": "mm/s",
    "absolute humidity": "g/m3",
    "turbidity": "NTU",
    "data": "B",
    "data rate": "B/s",
    "number": "",
}
_DIMENSION = {unit: dimension for dimension, unit in CANONICAL.items()}

# Word on the wire -> dimension and scale to its canonical unit; offsets only for temperatures.
_FLOW = {
    ("LPM", "lpm", "l/min", "L/min", "L/m", "l/m", "ltr/min", "liter/min", "litre/min", "LiterPerMinute"): 1.0,
    ("L/s", "l/s", "LPS", "lps"): 60.0,
    ("L/h", "l/h", "LPH", "lph"): 1 / 60,
    ("mL/min", "ml/min"): 1e-3,
    ("m3/h", "m³/h", "m^3/h", "m3/hr", "m³/hr", "CMH", "cmh"): 1000 / 60,
    ("m3/min", "m³/min", "m^3/min", "CMM", "cmm"): 1000.0,
    ("m3/s", "m³/s", "m^3/s", "CMS"): 60000.0,
    ("GPM", "gpm", "gal/min", "USGPM", "[gal_us]/min"): 3.785411784,
    ("CFM", "cfm", "ft3/min", "ft³/min", "ft^3/min", "[cft_i]/min"): 28.316846592,
}
_PRESSURE = {
    ("kPa", "kpa", "KPA", "KPa", "kPaG", "kPag", "kPa(g)"): 1.0,
    ("Pa", "PA"): 1e-3,
    ("hPa", "hpa", "mbar", "mBar"): 0.1,
    ("MPa",): 1000.0,
    ("bar", "Bar", "BAR", "barg", "bar(g)"): 100.0,
    ("psi", "PSI", "psig", "PSIG", "psi(g)", "[psi]", "lbf/in2"): 6.894757293168361,
    ("atm",): 101.325,
    ("inH2O", "inWC", "in.w.c.", "in WC", "in.wc", "inwc", "inwg", "in wg", "[in_i'H2O]"): 0.249088910,
    ("mmH2O", "mmwc", "mm[H2O]"): 0.00980665,
    ("mH2O", "m[H2O]"): 9.80665,
    ("inHg", "[in_i'Hg]"): 3.386389,
    ("mmHg", "mm[Hg]", "Torr", "torr"): 0.1333224,
    ("ftH2O", "ft H2O", "[ft_i'H2O]"): 2.98906692,
}
_TABLE: dict[str, dict[tuple[str, ...], float]] = {
    "flow": _FLOW,
    "pressure": _PRESSURE,
    "power": {
        ("kW", "kw", "KW", "kilowatt", "kilowatts"): 1.0,
        ("W", "w", "watt", "watts", "Watts"): 1e-3,
        ("mW",): 1e-6,
        ("MW",): 1000.0,
        ("BTU/h", "Btu/h", "BTU/hr", "BTUH", "[Btu_IT]/h"): 0.00029307107017222,
        ("TR", "ton", "tonR", "TonsRef"): 3.5168528420667,
        ("hp", "HP", "[HP]"): 0.74569987158227,
    },
    "apparent power": {("kVA", "kva", "KVA"): 1.0, ("VA", "va", "V*A", "V.A"): 1e-3, ("MVA",): 1000.0},
    "reactive power": {("kvar", "kVAr", "kVAR", "KVAR"): 1.0, ("var", "VAr", "VAR"): 1e-3, ("Mvar", "MVAr", "MVAR"): 1000.0},
    "current": {("A", "amp", "amps", "Amps", "ampere", "amperes"): 1.0, ("mA",): 1e-3, ("uA", "µA", "μA"): 1e-6, ("kA",): 1000.0},
    "voltage": {("V", "v", "volt", "volts", "Volts", "VAC", "Vac", "VDC", "Vdc"): 1.0, ("mV",): 1e-3, ("kV", "KV"): 1000.0},
    "frequency": {("Hz", "hz", "HZ", "hertz"): 1.0, ("kHz",): 1e3, ("MHz",): 1e6, ("GHz",): 1e9, ("1/s",): 1.0},
    "ratio": {
        ("%", "percent", "Percent", "pct", "%RH", "% RH", "%rh", "RH%", "%r.h.", "%O", "%open"): 1.0,
        ("permille", "‰"): 0.1,
        ("ppm",): 1e-4,
    },
    "time": {
        ("s", "sec", "secs", "second", "seconds"): 1.0,
        ("ms", "msec"): 1e-3,
        ("us", "µs", "μs"): 1e-6,
        ("ns",): 1e-9,
        ("min", "mins", "minute", "minutes"): 60.0,
        ("h", "hr", "hrs", "hour", "hours"): 3600.0,
        ("d", "day", "days"): 86400.0,
    },
    "speed": {
        ("RPM", "rpm", "Rpm", "r/min", "rev/min", "{rev}/min", "{rpm}", "1/min", "/min", "min-1"): 1.0,
        ("rps", "r/s", "{rev}/s"): 60.0,
    },
    "level": {("dB", "db", "DB", "dBA", "dBa", "dB(A)", "dBSPL", "B[SPL]"): 1.0},
    "power level": {("dBm", "dBmW"): 1.0},
    "energy": {
        ("kWh", "kwh", "KWH", "kW.h", "kW*h"): 1.0,
        ("Wh", "wh", "W.h"): 1e-3,
        ("MWh", "MWH"): 1000.0,
        ("J",): 1 / 3.6e6,
        ("mJ",): 1 / 3.6e9,
        ("kJ",): 1 / 3600,
        ("MJ",): 1 / 3.6,
    },
    "charge": {("Ah", "A.h", "A*h"): 1.0, ("mAh",): 1e-3},
    "resistance": {("ohm", "Ohm", "Ω", "Ω"): 1.0, ("mohm", "mOhm", "mΩ"): 1e-3, ("uohm", "uOhm", "µΩ", "μΩ"): 1e-6},
    "conductivity": {("uS/cm", "µS/cm", "μS/cm"): 1.0, ("mS/cm",): 1000.0, ("S/m",): 10000.0},
    "velocity": {("mm/s",): 1.0, ("in/s", "[in_i]/s"): 25.4, ("m/s",): 1000.0},
    "absolute humidity": {("g/m3", "g/m³", "g/m^3"): 1.0},
    "turbidity": {("NTU", "{NTU}"): 1.0},
    "data": {("B", "By", "byte", "bytes"): 1.0, ("kB",): 1e3, ("MB",): 1e6, ("GB",): 1e9, ("KiB",): 2.0**10, ("MiB",): 2.0**20, ("GiB",): 2.0**30},
    "data rate": {("B/s", "By/s"): 1.0, ("kB/s",): 1e3, ("MB/s",): 1e6, ("GB/s",): 1e9, ("MiB/s",): 2.0**20, ("bit/s", "bps"): 0.125, ("Gbit/s", "Gbps"): 1.25e8},
    "number": {("", "1", "{count}", "count", "counts", "pH", "[pH]", "none", "None", "unitless"): 1.0},
}  # fmt: skip
_TEMPERATURE: dict[tuple[str, ...], tuple[float, float]] = {
    ("degC", "C", "c", "°C", "℃", "ºC", "deg C", "DegC", "degc", "Cel", "celsius", "Celsius", "deg. C"): (1.0, 0.0),
    ("degF", "F", "f", "°F", "℉", "ºF", "deg F", "DegF", "degf", "[degF]", "fahrenheit", "Fahrenheit", "deg. F"): (5 / 9, -160 / 9),
    ("K", "kelvin", "Kelvin", "degK", "°K"): (1.0, -273.15),
}


@dataclass(frozen=True, slots=True)
class _Word:
    dimension: str
    scale: float
    offset: float = 0.0


_WORDS = {word: _Word(dimension, scale) for dimension, table in _TABLE.items() for words, scale in table.items() for word in words}
_WORDS |= {word: _Word("temperature", *numbers) for words, numbers in _TEMPERATURE.items() for word in words}

# A word that may reach pint: units and small powers joined by / * . and nothing that computes.
_PLAIN = re.compile(r"[A-Za-zµμΩ_°%]+(?:\^?-?[1-4])?(?:[/*. ][A-Za-zµμΩ_%]+(?:\^?-?[1-4])?){0,3}")
_LONGEST = 32
_DURATION = re.compile(r"(\d{1,12}(?:\.\d{1,9})?)\s*([A-Za-zµμ]{0,8})", re.ASCII)
# Dimensions that pint can tell apart from each other; K stands for no scale of its own, so temperatures come as degC.
_BY_PINT = (
    "temperature", "flow", "pressure", "power", "current", "voltage", "frequency", "time", "energy",
    "charge", "resistance", "conductivity", "velocity", "absolute humidity",
)  # fmt: skip
_PINT_NAME = {"g/m3": "g/m**3", "Ah": "ampere_hour"}


def conversion(text: str, unit: str) -> tuple[float, float]:
    """Return (scale, offset) so that a value in `unit` = raw * scale + offset.

    Args:
        text: the unit as the wire wrote it; spaces around it do not count.
        unit: one of `CANONICAL`; K takes every temperature word as a difference.

    Raises:
        ValueError: nobody knows the word, or it measures something else; the text says what would do.

    >>> conversion("GPM", "L/min")
    (3.785411784, 0.0)
    >>> conversion("degF", "K")[1]
    0.0

    """
    found = _find(text.strip())
    wanted = dimension(unit)
    if found is not None and found.dimension == wanted:
        return found.scale, found.offset
    if found is not None and found.dimension == "temperature" and wanted == "temperature difference":
        return found.scale, 0.0
    if found is not None and found.dimension == "ratio" and wanted == "number":
        return found.scale / 100, 0.0
    would_do = f"{unit} or {', '.join(_examples(wanted))} would do" if unit else "no unit, 1 or % would do"
    if found is None:
        raise ValueError(f'"{_shown(text)}" is no known unit; {would_do}')
    raise ValueError(f'"{_shown(text)}" measures {found.dimension}, not {wanted}; {would_do}')


def canonical(text: str) -> str:
    """Return the canonical unit for a unit word, whatever it measures.

    Raises:
        ValueError: nobody knows the word.

    >>> canonical("RPM"), canonical("psi")
    ('1/min', 'kPa')

    """
    found = _find(text.strip())
    if found is None:
        raise ValueError(f'"{_shown(text)}" is no known unit')
    return CANONICAL[found.dimension]


def dimension(unit: str) -> str:
    """Return what a canonical unit measures, a key of `CANONICAL`.

    Raises:
        ValueError: it is not a canonical unit.

    """
    try:
        return _DIMENSION[unit]
    except KeyError:
        raise ValueError(f'"{_shown(unit)}" is no canonical unit; one of {", ".join(filter(None, _DIMENSION))} is') from None


def seconds(text: object) -> float:
    """Return a written duration in s; a bare number but 0 is refused, as nobody could tell s from min.

    Raises:
        ValueError: it is none; the text says what would do.

    >>> seconds("5 min"), seconds("60s")
    (300.0, 60.0)

    """
    found = _DURATION.fullmatch(str(text).strip())
    if found is not None and (found[2] or float(found[1]) == 0):
        try:
            return float(found[1]) * (conversion(found[2], "s")[0] if found[2] else 1.0)
        except ValueError:
            pass
    raise ValueError(f'"{_shown(str(text))}" is no duration; write for example 60 s or 5 min')


@cache
def registry() -> "UnitRegistry[Any]":
    """Return the one shared pint registry, made on first use.

    It differs from pint's own in these words: rpm is a plain 1/min (pint counts radians); cfm, gpm and lpm are flows
    (pint reads cfm as centifermi); var and kvar, NTU and dBm exist.
    """
    import pint

    made: UnitRegistry[Any] = pint.UnitRegistry(on_redefinition="ignore")
    for definition in (
        "revolutions_per_minute = 1 / minute = rpm = RPM",
        "liter_per_minute = liter / minute = LPM = lpm",
        "gallon_per_minute = gallon / minute = GPM = gpm",
        "cubic_foot_per_minute = foot ** 3 / minute = CFM = cfm",
        "voltampere_reactive = volt * ampere = var",
        "NTU = []",
    ):
        made.define(definition)
    return made


def _find(word: str) -> _Word | None:
    found = _WORDS.get(word)
    return found if found is not None else _ask_pint(word)


@lru_cache(maxsize=4096)
def _ask_pint(word: str) -> _Word | None:
    """Look a rare word up in pint. Bounded, since publishers choose the words."""
    if len(word) > _LONGEST or not _PLAIN.fullmatch(word):
        return None
    from pint import PintError

    units = registry()
    try:
        one = units.Quantity(1.0, units.Unit(word))
    except (PintError, ValueError, TypeError, AttributeError, KeyError):
        return None
    for name in _BY_PINT:
        target = units.Unit(_PINT_NAME.get(CANONICAL[name], CANONICAL[name]))
        if one.is_compatible_with(target):
            zero = float(units.Quantity(0.0, one.units).to(target).magnitude)
            return _Word(name, float(one.to(target).magnitude) - zero, zero)
    return None


def _examples(wanted: str) -> list[str]:
    """Name a few words that a wire may use for one dimension."""
    table = _TEMPERATURE if wanted.startswith("temperature") else _TABLE[wanted]
    return [words[0] for words in table if words[0] != CANONICAL[wanted]][:4]


def _shown(text: str) -> str:
    """Shorten and escape what a publisher wrote."""
    return ascii(text[:_LONGEST])[1:-1]
