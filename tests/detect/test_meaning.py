"""Names, units and functions: what meets, what does not, and what is said then."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.detect import algebra, meaning
from monitor.detect.nodes import BOOLEAN, Node, Scope
from monitor.detect.syntax import ExpressionError, parse
from monitor.vocabulary import QUANTITIES

SCOPE = Scope({"hot": "degC", "flow_per_kw": "L/min/kW", "share": "%"})
EACH_LEAK = Scope({}, it="leak", each=True)
EACH_ANY = Scope({}, each=True)


def value(text: str, scope: Scope = SCOPE) -> Node:
    return meaning.value(parse(text), scope)


def fault(text: str, scope: Scope = SCOPE) -> tuple[int, str]:
    with pytest.raises(ExpressionError) as caught:
        meaning.condition(parse(text), scope)
    return caught.value.column, caught.value.text


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        ("liquid_return_temperature - liquid_supply_temperature", "K"),
        ("liquid_supply_temperature + 5 K", "degC"),
        ("5 K + liquid_supply_temperature", "degC"),
        ("liquid_supply_temperature - 5 K", "degC"),
        ("limit.hot - 1 K", "degC"),
        ("limit.flow_per_kw * power", "L/min"),
        ("limit.share * power", "kW"),
        ("liquid_flow / power", "L/min/kW"),
        ("power / power", ""),
        ("voltage * current", "kW"),
        ("2 * power", "kW"),
        ("1 / power", "1/kW"),
        ("-power", "kW"),
        ("abs(power)", "kW"),
        ("max(power, 3 W)", "kW"),
        ("max(phase_current)", "A"),
        ("imbalance(phase_current)", "%"),
        ("mean(rack.liquid_return_temperature)", "degC"),
        ("max_over(liquid_supply_temperature, 60 s) - liquid_supply_temperature", "K"),
        ("age(power)", "s"),
        ("peer_median(power, within: cdu)", "kW"),
        ("leak", ""),
    ],
)
def test_a_value_has_its_unit(text: str, unit: str) -> None:
    assert algebra.factor(value(text).unit, unit) is not None


@pytest.mark.parametrize(
    ("text", "number", "unit"),
    [("113 degF", 45, "degC"), ("45 C", 45, "degC"), ("45 °C", 45, "degC"), ("5 K", 5, "K"), ("20 kW", 20, "kW"), ("-3 K", -3, "K")],
)
def test_a_constant(text: str, number: float, unit: str) -> None:
    node = value(text)

    assert (node.operation, node.unit) == ("constant", unit)
    assert node.data[0] == pytest.approx(number)


@pytest.mark.parametrize(
    ("text", "limit"), [("power > 500 W", 0.5), ("power > 1e-3 MW", 1), ("liquid_flow > 1 m^3/h", 1000 / 60), ("current > 5000 mA", 5)]
)
def test_the_right_side_is_converted_to_the_left_one(text: str, limit: float) -> None:
    right = meaning.condition(parse(text), SCOPE).inputs[1]

    assert right.data[0] == pytest.approx(limit)
    assert right.unit == meaning.condition(parse(text), SCOPE).inputs[0].unit


@pytest.mark.parametrize(
    ("text", "column", "words"),
    [
        # a temperature and a difference are two things
        ("liquid_supply_temperature + limit.hot > 5 K", 27, "degC + degC is no temperature; add a difference in K"),
        ("5 K - liquid_supply_temperature > 5 K", 5, "a temperature difference (K) - a temperature (degC) is no temperature"),
        ("liquid_supply_temperature > 5 K", 27, "the left side of > is a temperature (degC), the right side a temperature difference (K)"),
        ("liquid_supply_temperature * 2 > 5 K", 27, "* takes no temperature in degC; take a difference in K first"),
        ("power / limit.hot > 1", 7, "/ takes no temperature in degC; take a difference in K first"),
        ("sum(rack.liquid_supply_temperature) > 5 degC", 1, "the sum of temperatures in degC has no meaning"),
        ("imbalance(temperature) > 5 %", 1, "the imbalance of temperatures in degC has no meaning"),
        # units that do not meet
        (
            "liquid_flow > liquid_supply_temperature",
            13,
            "the left side of > is in L/min, the right side a temperature (degC); they do not meet",
        ),
        ("liquid_flow + power > 5 kW", 13, "the left side of + is in L/min, the right side in kW; they do not meet"),
        ("power > 5 kVA * 2 V", 7, "the left side of > is in kW, the right side in"),
        ("sound + 3 dB > sound * sound", 22, "* takes no value in dB"),
        ("min(power, 5 A) > 5 kW", 1, "the left side of min is in kW, the right side in A; they do not meet"),
        # numbers without units
        ("power > 20", 7, "20 has no unit where the other side is in kW; write 20 kW"),
        ("45 < liquid_supply_temperature", 4, "45 has no unit where the other side is a temperature (degC); write 45 degC"),
        ("imbalance(phase_current) > 10", 26, "10 has no unit where the other side is in %; write 10 %"),
        ("power + 5 > 20 kW", 7, "5 has no unit where the other side is in kW; write 5 kW"),
        ("power > 20 kWW", 9, '"20 kWW" has no known unit; write for example 20 kW, 45 degC, 5 K, 30 L/min, 90 s'),
        # conditions and values
        ("power", 1, "is in kW, not a condition; compare it with something"),
        ("leak", 1, "is a plain number, not a condition; compare it with something"),
        ("power > 5 kW and power", 18, "is in kW, not a condition; compare it with something"),
        ("(power > 5 kW) > 1", 8, "is a condition where a value is needed"),
        ("abs(power > 5 kW) > 1", 11, "is a condition where a value is needed"),
        # names
        ("liquid_flw > 5 L/min", 1, 'unknown quantity "liquid_flw"; did you mean "liquid_flow"?'),
        ("qqqq > 5 L/min", 1, 'unknown quantity "qqqq"; see `dcmon rules list --words`'),
        ("power > limit.flow_per_kv", 9, 'unknown limit "flow_per_kv"; did you mean "flow_per_kw"?'),
        ("power > limit.qqqq", 9, 'unknown limit "qqqq"; add it to limits/default.yaml'),
        ("power > limit.flow_per_kw[a]", 9, "limit.flow_per_kw takes no [tags]"),
        ("rack.power > 5 kW", 1, "rack.power speaks of several assets; put it in max(), min(), mean(), sum() or median()"),
        ("it > 5", 1, "`it` is known only in a rule with `each`"),
        # functions
        ("maximum(power) > 5 kW", 1, "unknown function"),
        ("mean_ovr(power, 5 s) > 5 kW", 1, 'unknown function "mean_ovr"; did you mean "mean_over"?'),
        ("qqqq(power) > 5 kW", 1, 'unknown function "qqqq"; LANGUAGE.md lists them'),
        ("max(rak.power) > 5 kW", 5, 'unknown kind "rak"; did you mean "rack"?'),
        ("max(limit.hot) > 5 degC", 1, "max() takes one name: a point, or an expression over kind.point of related assets"),
        ("max(2 * power) > 5 kW", 1, "max() takes one name: a point, or an expression over kind.point of related assets"),
        ("max(power, power, power) > 5 kW", 1, "max() takes one name"),
        ("max(power, within: cdu) > 5 kW", 1, 'max() takes no "within:"'),
        ("max_over(power) > 5 kW", 1, "max_over() takes a value and a duration, for example max_over(power, 60 s)"),
        ("max_over(power, 5 kW) > 5 kW", 17, "the duration of a window is between 1 s and 90 d"),
        ("max_over(power, 0.5 s) > 5 kW", 17, "the duration of a window is between 1 s and 90 d"),
        ("max_over(power, 91 d) > 5 kW", 17, "the duration of a window is between 1 s and 90 d"),
        ("max_over(power, 60) > 5 kW", 17, "the duration of a window is between 1 s and 90 d"),
        ("max_over(power > 5 kW, 60 s) > 1", 16, "is a condition where a value is needed"),
        ("age(max(power)) > 5 s", 1, "age() takes one point"),
        ("age(power, power) > 5 s", 1, "age() takes one point"),
        ("peer_median(power) > 5 kW", 1, "peer_median() takes a value and `within: KIND`, for example peer_median(power, within: cdu)"),
        ("peer_median(power, within: row) > 5 kW", 1, "peer_median() takes a value and `within: KIND`"),
        ("peer_median(power, within: cdu, among: rack) > 5 kW", 1, "peer_median() takes a value and `within: KIND`"),
    ],
)
def test_a_fault_says_where_what_and_what_would_do(text: str, column: int, words: str) -> None:
    found = fault(text)

    assert found[0] == column
    assert found[1].startswith(words)


def test_in_a_rule_on_each_point_its_quantity_is_the_point() -> None:
    assert meaning.condition(parse("leak == 1"), EACH_LEAK) == meaning.condition(parse("it == 1"), EACH_LEAK)
    assert value("leak", EACH_LEAK).operation == "it"
    assert value("leak[pan]", EACH_LEAK).operation == "own"
    assert value("power", EACH_LEAK).operation == "own"
    assert fault("it[pan] == 1", EACH_LEAK) == (1, "`it` is one point already and takes no [tags]")


def test_in_a_rule_on_any_point_it_has_no_unit() -> None:
    assert value("it", EACH_ANY).unit == ""
    assert value("age(it)", EACH_ANY).unit == "s"


def test_equal_expressions_are_equal_nodes() -> None:
    """The plan computes equal nodes once; where they stand does not matter, nor the order of tags."""
    one = value("max(liquid_temperature[secondary, supply])")

    assert one == value("  max( liquid_temperature[ supply,secondary ] )")
    assert one != value("max(liquid_temperature[=secondary, supply])")
    assert hash(one) == hash(value("max(liquid_temperature[supply, secondary])"))


def test_a_percentage_meets_a_number_as_its_hundredth() -> None:
    right = meaning.condition(parse("power_factor < 98 %"), SCOPE).inputs[1]

    assert right.data[0] == pytest.approx(0.98)


@pytest.mark.parametrize("name", sorted(QUANTITIES))
def test_every_word_of_the_vocabulary_may_be_compared_with_its_unit(name: str) -> None:
    unit = QUANTITIES[name].unit
    known = {"g/m3": "g/m^3", "1/min": "rpm"}.get(unit, unit)

    assert meaning.condition(parse(f"{name} > 5 {known}"), SCOPE).unit == BOOLEAN


@given(
    st.sampled_from(["degC", "K", "L/min", "kPa", "kW", "A", "%", "s", "dB", ""]),
    st.sampled_from(["degC", "K", "L/min", "kPa", "kW", "A", "%", "s", "dB", ""]),
)
def test_units_meet_both_ways_or_not_at_all(one: str, other: str) -> None:
    there, back = algebra.factor(one, other), algebra.factor(other, one)

    assert (there is None) == (back is None)
    assert there is None or back is None or there * back == pytest.approx(1)
    assert (there is None) == (one != other and {one, other} != {"%", ""})
