"""Units of expressions: which may meet, and by what factor. Asked only when rules load."""

from functools import cache
from typing import Any

from monitor.units import registry

TEMPERATURE = "degC"
DIFFERENCE = "K"
PERCENT = "%"
NUMBER = ""
OPAQUE = frozenset({"dB", "dBm", "NTU"})  # logarithmic or by definition: they meet only themselves


@cache
def _unit(text: str) -> Any:
    words = {"": "dimensionless", "1/min": "1/minute"}
    return registry().parse_units(words.get(text, text).replace("m3", "m**3").replace("%", "percent"))


@cache
def factor(found: str, wanted: str) -> float | None:
    """Return the number that turns `found` into `wanted`, or None where they measure different things.

    >>> factor("V*A", "kW")
    0.001
    """
    if found == wanted:
        return 1.0
    if {found, wanted} & (OPAQUE | {TEMPERATURE}):
        return None
    try:
        return float(round(registry().Quantity(1.0, _unit(found)).to(_unit(wanted)).magnitude, 15))
    except Exception:  # noqa: BLE001  # pint has several errors for this; none of them tells the rule's author more
        return None


@cache
def product(left: str, right: str, *, divide: bool = False) -> str:
    """Return the unit of a product or quotient; "" where everything cancels."""
    if right == NUMBER and (not divide or left != NUMBER):
        return left
    if left == NUMBER and not divide:
        return right
    if divide and left == right:
        return NUMBER
    unit = _unit(left) / _unit(right) if divide else _unit(left) * _unit(right)
    return "" if str(unit) == "dimensionless" else f"{unit:~C}"


@cache
def root(unit: str) -> str:
    """Return the unit of a square root.

    >>> root("kPa*kPa")
    'kPa'
    """
    if unit == NUMBER:
        return unit
    made = _unit(unit) ** 0.5
    return "" if str(made) == "dimensionless" else f"{made:~C}"


@cache
def constant(value: float, unit: str) -> tuple[float, str]:
    """Return a written constant as (value, unit) with temperatures in degC and the rest as written.

    Raises:
        ValueError: the unit is unknown.

    """
    if unit in {"", PERCENT, TEMPERATURE, DIFFERENCE} or unit in OPAQUE:
        return value, unit
    if unit in {"C", "°C"}:
        return value, TEMPERATURE
    if unit in {"F", "°F", "degF"}:
        return (value - 32) / 1.8, TEMPERATURE
    try:
        _unit(unit)
    except Exception as error:
        raise ValueError(f'"{value:g} {unit}" has no known unit') from error
    return value, unit


def seconds(text_value: float, unit: str) -> float | None:
    """Return a duration in s, or None where it is none."""
    scale = factor(unit, "s")
    return None if scale is None or unit == NUMBER else text_value * scale
