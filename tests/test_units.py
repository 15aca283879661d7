"""Unit words of every wire become canonical units, and what is no unit is said so."""

import subprocess
import sys

import pytest

from monitor.units import CANONICAL, canonical, conversion, dimension, registry
from monitor.vocabulary import KINDS, QUANTITIES


@pytest.mark.parametrize(
    ("text", "unit", "raw", "value"),
    [
        ("C", "degC", 21.5, 21.5),
        ("Cel", "degC", -3.0, -3.0),
        ("°F", "degC", 212.0, 100.0),
        ("degF", "degC", -40.0, -40.0),
        ("K", "degC", 300.0, 26.85),
        ("degF", "K", 18.0, 10.0),
        ("C", "K", 10.0, 10.0),
        ("LPM", "L/min", 80.0, 80.0),
        ("GPM", "L/min", 10.0, 37.85411784),
        ("m3/h", "L/min", 6.0, 100.0),
        ("CFM", "L/min", 1.0, 28.316846592),
        ("Pa", "kPa", 25.0, 0.025),
        ("psi", "kPa", 10.0, 68.94757293168361),
        ("bar", "kPa", 1.5, 150.0),
        ("mbar", "kPa", 1013.25, 101.325),
        ("inH2O", "kPa", 4.0, 0.99635564),
        ("W", "kW", 5500.0, 5.5),
        ("MW", "kW", 1.2, 1200.0),
        ("mW", "kW", 1.0, 1e-6),
        ("VA", "kVA", 10.0, 0.01),
        ("mA", "A", 20.0, 0.02),
        ("kV", "V", 0.48, 480.0),
        ("RPM", "1/min", 3000.0, 3000.0),
        ("{rev}/min", "1/min", 12.0, 12.0),
        ("%RH", "%", 45.0, 45.0),
        ("%", "", 97.0, 0.97),
        ("dBA", "dB", 71.0, 71.0),
        ("ms", "s", 5.0, 0.005),
        ("min", "s", 2.0, 120.0),
        ("J", "kWh", 3.6e6, 1.0),
        ("MHz", "Hz", 1980.0, 1.98e9),
        (" kPa ", "kPa", 1.0, 1.0),
    ],
)
def test_a_raw_value_becomes_the_canonical_one(text: str, unit: str, raw: float, value: float) -> None:
    scale, offset = conversion(text, unit)

    assert raw * scale + offset == pytest.approx(value, rel=1e-12)


@pytest.mark.parametrize("unit", CANONICAL.values())
def test_a_canonical_unit_stays_itself(unit: str) -> None:
    assert conversion(unit, unit) == (1.0, 0.0)
    assert CANONICAL[dimension(unit)] == unit


@pytest.mark.parametrize(
    ("text", "unit", "said"),
    [
        ("psi", "degC", "measures pressure, not temperature; degC or degF"),
        ("furlongs per fortnight!", "L/min", "is no known unit; L/min or LPM"),
        ("kVA", "kW", "measures apparent power, not power"),
        ("", "%", "measures number, not ratio"),
        ("10**10**10", "s", "is no known unit"),
        ("x" * 10_000, "s", "is no known unit"),
        ("\x1b[31mC", "degC", "\\x1b[31mC"),
        ("rpm", "%", "measures speed, not ratio"),
    ],
)
def test_a_wrong_unit_says_what_was_found_and_what_would_do(text: str, unit: str, said: str) -> None:
    with pytest.raises(ValueError) as error:
        conversion(text, unit)

    assert said in str(error.value)
    assert len(str(error.value)) < 200


def test_no_canonical_unit_has_no_dimension() -> None:
    with pytest.raises(ValueError, match="no canonical unit"):
        dimension("psi")


@pytest.mark.parametrize(("text", "unit"), [("RPM", "1/min"), ("psi", "kPa"), ("GiB", "B"), ("1", "")])
def test_a_unit_word_has_a_canonical_unit_whatever_it_measures(text: str, unit: str) -> None:
    assert canonical(text) == unit


def test_a_rare_word_is_looked_up_in_pint() -> None:
    assert conversion("gallon/hour", "L/min")[0] == pytest.approx(3.785411784 / 60)
    assert conversion("degR", "degC") == pytest.approx((5 / 9, -273.15))
    assert canonical("dyn/cm^2") == "kPa"


def test_common_words_do_not_load_pint() -> None:
    """It takes a second, and the daemon needs it only for rare words and rules."""
    script = (
        "import sys; from monitor.units import conversion; "
        "[conversion(*pair) for pair in [('C','degC'),('LPM','L/min'),('%RH','%'),('RPM','1/min'),('Cel','degC')]]; "
        "sys.exit('pint' in sys.modules)"
    )

    assert subprocess.run([sys.executable, "-c", script]).returncode == 0


def test_the_registry_counts_turns_and_flows_plainly() -> None:
    units = registry()

    assert units is registry()
    assert units.Quantity(5.0, "rpm").to("1/min").magnitude == pytest.approx(5.0)
    assert units.Quantity(1.0, "cfm").to("L/min").magnitude == pytest.approx(28.316846592)
    assert units.Quantity(1.0, "gpm").to("L/min").magnitude == pytest.approx(3.785411784)


@pytest.mark.parametrize("unit", [unit for unit in CANONICAL.values() if unit not in {"g/m3", "Ah", "dB", "dBm"}])
def test_pint_knows_the_canonical_units(unit: str) -> None:
    assert registry().Unit(unit) is not None


@pytest.mark.parametrize("name", QUANTITIES)
def test_a_quantity_is_a_plain_word_with_a_canonical_unit(name: str) -> None:
    quantity = QUANTITIES[name]

    assert name.isidentifier()
    assert name == name.lower()
    assert quantity.unit in CANONICAL.values()
    assert quantity.about


def test_kinds_are_plain_words() -> None:
    assert all(kind.isidentifier() and kind == kind.lower() for kind in KINDS)
