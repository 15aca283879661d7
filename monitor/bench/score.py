"""What was injected against what was told: which rule found each fault and when, and which alerts are nobody's effect."""

from collections.abc import Iterable, Sequence
from math import inf
from typing import Any

from monitor.detect.rules import RuleSet
from monitor.model import Alert, Severity
from monitor.plant import OWN_KINDS, Plant
from monitor.simulate.injection import Truth

Place = tuple[str, str]  # rule, asset
Key = tuple[str, str, str, int]  # of an alert
GRACE = 600.0  # s after a repair in which a slow rule may still tell of what was


def score(truths: Sequence[Truth], alerts: Iterable[Alert], rules: RuleSet, plant: Plant) -> dict[str, Any]:
    """Compare truth and alerts.

    Args:
        truths: what was injected; those without rules are controls and trouble that must stay without an alert.
        alerts: as they stood at the end; those on trial and about the monitor itself are left out.
        rules: whose `explains` says what is an effect of what.
        plant: whose edges it follows.

    Returns:
        `faults`: for each one its rule, asset and `delay_s`, or null where it was missed; `found`, `missed`; `effects`: alerts that
        are explained by those that found; `strange`: all others, as objects; `strange_major`: how many of these are major or critical.

    """
    told = sorted(
        (alert for alert in alerts if alert.told and alert.asset.partition("/")[0] not in OWN_KINDS), key=lambda one: (one.fired, one.rule)
    )
    explained = Explained(rules, plant)
    faults, mine, reached = [], set(), []
    causes: set[Key] = set()  # told of what explains a fault's own alert: humid air of condensation
    for truth in truths:
        if not truth.rules:
            continue
        until = inf if truth.end is None else truth.end + GRACE
        within = [alert for alert in told if truth.time <= alert.fired <= until]
        found = [alert for alert in within if truth.seen_by(alert.rule, alert.asset)]
        places = {(alert.rule, alert.asset) for alert in found}
        mine |= {alert.key for alert in found}
        above = [alert for alert in within if explained.by((alert.rule, alert.asset)) & places]
        causes |= {alert.key for alert in above}
        reached += [(truth.time, explained.by(place)) for place in places | {(alert.rule, alert.asset) for alert in above}]
        first = found[0] if found else None
        faults.append(
            {
                "fault": truth.fault,
                "where": truth.where,
                "rule": None if first is None else first.rule,
                "asset": None if first is None else first.asset,
                "delay_s": None if first is None else round(first.fired - truth.time, 3),
            }
        )
    strange = [
        alert
        for alert in told
        if alert.key not in mine | causes
        and not any(begin <= alert.fired and (alert.rule, alert.asset) in effects for begin, effects in reached)
    ]
    return {
        "faults": faults,
        "found": sum(one["rule"] is not None for one in faults),
        "missed": sum(one["rule"] is None for one in faults),
        "controls": [f"{truth.fault}@{truth.where}" for truth in truths if not truth.rules],
        "alerts": len(told),
        "effects": len(told) - len(strange) - len(mine),
        "strange_major": sum(alert.severity in {Severity.MAJOR, Severity.CRITICAL} for alert in strange),
        "strange": [
            {
                "rule": one.rule,
                "asset": one.asset,
                "severity": str(one.severity),
                "fired": one.fired,
                "ended": one.ended,
                "summary": one.summary,
            }
            for one in strange
        ],
    }


class Explained:
    """What may be an effect of an alert: along `explains`, on the asset, what it serves, what is below these, and its parent, which counts its parts."""

    def __init__(self, rules: RuleSet, plant: Plant) -> None:
        self._rules, self._plant = rules, plant
        self._known: dict[Place, frozenset[Place]] = {}

    def by(self, place: Place) -> frozenset[Place]:
        if place not in self._known:
            found: set[Place] = set()
            queue = [place]
            while queue:
                rule, asset = queue.pop()
                for effect in self._rules.of(rule).rule.explains:
                    more = {(effect, reached) for reached in self._reach(asset)} - found
                    found |= more
                    queue += more
                    # A parent counts its parts; from there nothing goes on, or a rack would explain its neighbours.
                    found.add((effect, self._plant.assets[asset].parent or asset))
            self._known[place] = frozenset(found)
        return self._known[place]

    def _reach(self, asset: str) -> set[str]:
        found = {asset, *self._plant.assets[asset].serves}
        queue = list(found)
        while queue:
            more = set(self._plant.assets[queue.pop()].children) - found
            found |= more
            queue += more
        return found
