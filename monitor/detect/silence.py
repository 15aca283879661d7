"""What a replay may leave out of a long silence, since no rule could say anything new in it."""

import math
from collections.abc import Callable

from monitor.detect.core import Core
from monitor.detect.hold import PAUSE_LEAST
from monitor.detect.memory import SLOTS
from monitor.detect.nodes import Node, walk
from monitor.detect.rules import RuleSet
from monitor.model import Alert
from monitor.plant import OWN_KINDS

FEW = 60  # ticks of silence that a replay always runs
SKIPPED = 720  # ticks that a replay leaves out at once; it has many divisors, so that windows whose slots hold several ticks stay in step


def memory(rules: RuleSet) -> Callable[[float], float]:
    """Return from a staleness the s of silence after which no tick can change what any of the rules says.

    That is the staleness, plus all durations of the rule that has the most of them: its windows, its timers, and every time that it
    compares with. A plain number in a rule about times (`age > 2 * stale_after`) may multiply all of it.
    """
    longest = {name: max((values.get(name, 0.0) for values in rules.limits.values.values()), default=0.0) for name in rules.limits.units}

    def span(node: Node) -> float:
        if node.operation == "limit":
            return longest.get(str(node.data[0]), 0.0) if node.unit == "s" else 0.0
        if node.operation == "constant" and node.unit != "s":
            return 0.0
        return sum(abs(float(value)) for value in node.data if isinstance(value, int | float))

    spans, times = 0.0, 1.0
    for one in rules.rules:
        nodes = {node for part in one.nodes() for node in walk(part)}
        timers = [one.rule.for_, one.rule.keep, one.rule.chatter, *(rung.for_ for rung in one.rule.ladder)]
        spans = max(spans, sum(map(span, nodes)) + sum(timers))
        if any(node.operation == "life" or "silence" in node.data for node in nodes):
            times = max([times, *(abs(float(node.data[0])) for node in nodes if node.operation == "constant" and not node.unit)])
    return lambda stale: times * (stale + spans + PAUSE_LEAST)


def pass_over(core: Core, until: float, stale_factor: float, remembered: Callable[[float], float]) -> list[Alert]:
    """Take the ticks of a long silence together, so that a gap of months in a recording does not cost minutes.

    Ticks run on until every point is stale and every rule has forgotten what was (`memory`); from there each is like the one before,
    only that the silence is longer. They run again as long before the next reading, so that windows over the silence itself are full.
    Live, every tick closes. Two things differ: a `cusum` over the silence itself misses what was skipped, and a window of more than
    SLOTS * SKIPPED ticks may lie off by a part of one slot.

    Args:
        core: what has been replayed so far.
        until: receive time of the next message, s since 1970 UTC.
        stale_factor: times a point's interval after which it is stale.
        remembered: what `memory` returned.

    Returns:
        What changed in the ticks that ran.

    """
    ticks = core.ticks
    silent = until - ticks.received
    if ticks.closed == -math.inf or silent <= FEW * ticks.tick:
        return []
    plant = core.plant
    stale = stale_factor * max(
        (point.interval for _, point in plant.live_points() if plant.assets[point.asset].kind not in OWN_KINDS), default=0.0
    )
    quiet = remembered(stale) + ticks.lateness + ticks.idle + 10 * ticks.tick
    at_once = 1 if quiet <= SLOTS * ticks.tick else SKIPPED
    if silent <= 2 * quiet + max(at_once, FEW) * ticks.tick:
        return []
    changes = core.close(ticks.received + quiet)
    if not ticks.pending:
        spare = int((until - quiet - ticks.closed) / ticks.tick)
        ticks.skip(spare - spare % at_once)
    return changes
