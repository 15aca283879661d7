"""Nodes in words: what is read back from them is the node again."""

import pytest

from monitor import shipped
from monitor.detect import explain, meaning, rules, syntax, wording
from monitor.detect.nodes import Scope

RULES = rules.load(shipped.rules())
SCOPE = Scope(RULES.limits.units, vocabulary=RULES.vocabulary, derived=RULES.points())


@pytest.mark.parametrize("name", [one.id for one in RULES.rules])
def test_what_a_shipped_rule_says_is_written_as_it_would_be_read(name: str) -> None:
    one = RULES.of(name)
    scope = rules._inner(SCOPE, one.rule.each, one.rule.applies_to.kind)
    for node in one.nodes():
        text = wording.text(node, explain.names(RULES))
        if "Ω" not in text and " 1/" not in text:  # units that only a computation makes
            assert meaning.condition(syntax.parse(text), scope) == node, text


@pytest.mark.parametrize(
    "text",
    [
        "not (power > 20 kW or liquid_flow < 5 L/min) and leak == 1",
        "power - (liquid_flow * 2 kW*min/L - 3 kW) > -2 kW",
        "power / (100 kW / 2) >= 1.5",
        'breaker_state in {"open", "tripped"} or breaker_state != "closed"',
        "max(gpu.temperature) - mean(tray.liquid_supply_temperature) > 20 K",
        "count(tray.leak == 1) >= 2 and count(gpu.temperature) > 3",
        "sum(rack.liquid_flow * (rack.liquid_return_temperature - rack.liquid_supply_temperature)) > 5 K*L/min",
        "count_over(xid in {48, 63}, 10 min) >= 2 or xid == 79",
        "peer_z(power, within: cdu, floor: 2 kW, load: liquid_flow, least: 5) > 3",
        "peer_median(power, within: cdu, least: 6) > 3 kW",
        "novelty(power, liquid_flow, learn: 10 min) > 1",
        "swings(power, 5 kW, 30 min) > 2 and slope(power, liquid_flow, 1 h) > 2 kW*min/L",
        "cusum(power - 3 kW, 1 kW) > 30 kW*min",
        "pow(liquid_flow / (130 L/min), 1.75) > min(2, 3) and abs(power) > max(1 kW, 2 kW)",
        "given(power, power > 20 kW) < 3 kW and flat(power, 90 s)",
        "liquid_differential_pressure[=setpoint, filter] > 3 kPa",
        "age(power) > 2 * stale_after(power)",
        "age(power) > 90 min",
        "limit.flow_min * 90 % > liquid_flow",
    ],
)
def test_every_form_is_read_back_as_it_was(text: str) -> None:
    scope = rules._inner(SCOPE, None, ("rack",))
    node = meaning.condition(syntax.parse(text), scope)

    assert meaning.condition(syntax.parse(wording.text(node, {})), scope) == node
