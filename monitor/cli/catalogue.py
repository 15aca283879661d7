"""What a folder of rules watches, as the operator's catalogue: Markdown for people, one object for programs."""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from monitor.detect.derive import CompiledDerived
from monitor.detect.limits import DEFAULT
from monitor.detect.rules import CompiledRule, Rule, RuleSet
from monitor.detect.skus import Sku
from monitor.detect.wording import amount, span
from monitor.model import PHASES, Severity

_ABOUT = {
    "cooling": "Coolant, CDUs, air and leaks",
    "power": "Feeds, meters, supplies and protection",
    "it": "What servers, GPUs, switches and links say of themselves",
    "sensor": "Whether points, sources and clocks can be trusted",
    "fleet": "Racks against each other, and lots",
}
_MEANING = {
    Severity.CRITICAL: "minutes: danger to people or hardware",
    Severity.MAJOR: "this shift: capacity or redundancy",
    Severity.MINOR: "this week",
    Severity.INFO: "to know",
}
_STEP = re.compile(r"(?:^|\s)\d\.\s+")


def record(rules: RuleSet) -> dict[str, Any]:
    """Return the catalogue as plain data: durations in s, limits in their unit."""
    return {
        "rules": [_rule_record(one, rules) for one in rules.rules],
        "derived": [_derived_record(kinds, one) for kinds, one in _derived(rules)],
        "limits": [
            {
                "limit": name,
                "unit": unit,
                "values": {
                    sku: {"value": values[name], "source": rules.limits.sources[sku, name]}
                    for sku, values in rules.limits.values.items()
                    if name in values
                },
            }
            for name, unit in rules.limits.units.items()
        ],
        "skus": [_sku_record(one) for one in rules.skus.values()],
    }


def _rule_record(one: CompiledRule, rules: RuleSet) -> dict[str, Any]:
    rule = one.rule
    told: dict[str, Any] = rule.model_dump(mode="json", by_alias=True)
    told["do"] = steps(rule.do)
    told["explained_by"] = explained_by(rules, rule.id)
    return told


def _derived_record(kinds: Sequence[str], one: CompiledDerived) -> dict[str, Any]:
    return {**one.model.model_dump(mode="json"), "applies_to": list(kinds)}


def _sku_record(one: Sku) -> dict[str, Any]:
    return {
        "sku": one.name,
        "title": one.title,
        "structure": {kind: {"in": part.within, "count": part.count, "of_a_rack": one.count(kind)} for kind, part in one.structure.items()},
        "points": {kind: {_promised(point): point.interval for point in points} for kind, points in one.points.items()},
        "source": one.source,
    }


def markdown(rules: RuleSet) -> str:
    """Return the catalogue in Markdown."""
    return "\n".join([*_head(rules), *_folders(rules), *_points(rules), *_limits(rules), *_skus(rules), *_index(rules)]).rstrip() + "\n"


def counted(count: int, word: str) -> str:
    """Write a count with its noun.

    >>> counted(1, "rule"), counted(33, "rule"), counted(2, "SKU")
    ('1 rule', '33 rules', '2 SKUs')
    """
    return f"{count} {word}{'' if count == 1 else 's'}"


def summary(rules: RuleSet) -> str:
    """Say how much a folder holds."""
    return (
        f"{counted(len(rules.rules), 'rule')}, {counted(len(list(_derived(rules))), 'derived point')}, "
        f"{counted(len(rules.limits.units), 'limit')} and {counted(len(rules.skus), 'SKU')}"
    )


def derived_count(rules: RuleSet) -> int:
    return len(list(_derived(rules)))


def explained_by(rules: RuleSet, name: str) -> list[str]:
    """Return the rules whose alerts explain those of one."""
    return [one.id for one in rules.rules if name in one.rule.explains]


def steps(text: str) -> list[str]:
    """Return the numbered steps of a `do`, the whole text as one where it has no numbers.

    >>> steps("1. Look. 2. Listen.")
    ['Look.', 'Listen.']
    """
    return [part.strip() for part in _STEP.split(text) if part.strip()]


def _head(rules: RuleSet) -> Iterator[str]:
    yield "# Rules"
    yield ""
    yield f"{summary(rules)}, written by `dcmon rules docs`."
    yield ""
    for folder, about in _ABOUT.items():
        if count := sum(one.id.startswith(f"{folder}.") for one in rules.rules):
            yield f"- [{folder}](#{folder}): {about} ({counted(count, 'rule')})"
    for title, there in (
        ("Derived points", rules.derived),
        ("Limits", rules.limits.units),
        ("SKUs", rules.skus),
        ("By severity", rules.rules),
    ):
        if there:
            yield f"- [{title}](#{anchor(title)})"
    yield ""


def anchor(title: str) -> str:
    """Return the fragment that Markdown gives a heading.

    >>> anchor("cooling.rack_flow_low"), anchor("By severity")
    ('coolingrack_flow_low', 'by-severity')
    """
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def _link(name: str) -> str:
    return f"[{name}](#{anchor(name)})"


def _folders(rules: RuleSet) -> Iterator[str]:
    for folder, about in _ABOUT.items():
        mine = [one for one in rules.rules if one.id.startswith(f"{folder}.")]
        if mine:
            yield from (f"## {folder}", "", f"{about}.", "")
        for one in mine:
            yield from _rule(one, rules)


def _rule(one: CompiledRule, rules: RuleSet) -> Iterator[str]:
    rule = one.rule
    yield from (f"### {rule.id}", "", f"**{_words(rule.title)}**", "")
    above = [f"{rung.severity} where `{_code(rung.when)}`{f' for {span(rung.for_)}' if rung.for_ else ''}" for rung in rule.ladder]
    trial = {"trial": " (judged and stored, nobody is told)", "retired": " (not judged)", "stable": ""}[rule.status]
    yield from _table(
        ("", ""),
        [
            ("severity", "; ".join([rule.severity, *above])),
            ("status", f"{rule.status}{trial}"),
            ("watches", watches(rule)),
            ("when", f"`{_code(rule.when)}`"),
            *([("for", span(rule.for_))] if rule.for_ else []),
            ("clear", f"`{_code(rule.clear)}`" if rule.clear is not None else "`when` no longer holds"),
            *([("keep", span(rule.keep))] if rule.keep else []),
            ("every", "on arrival of the reading" if rule.express else span(rule.every) if rule.every else "each tick"),
            *([("suspect", f"`{_code(rule.suspect)}`: one severity lower")] if rule.suspect is not None else []),
            *([("latch", "ends only after somebody acknowledged it")] if rule.latch else []),
        ],
    )
    yield from (f"**Why.** {_words(rule.why)}", "", "**Do.**", "")
    yield from (f"{number}. {_words(text)}" for number, text in enumerate(steps(rule.do), 1))
    yield from ("", f"**Source.** {_words(rule.source)}", "", f"**Blind.** {_words(rule.blind)}", "")
    known = {other.id for other in rules.rules}
    for word, names in (("Explains", rule.explains), ("Explained by", explained_by(rules, rule.id))):
        if names:
            yield from (f"**{word}** {', '.join(_link(name) if name in known else name for name in names)}.", "")


def watches(rule: Rule) -> str:
    """Say what a rule looks at: kinds, SKUs, points, phases."""
    applies = rule.applies_to
    words = ["every asset" if "any" in applies.kind else ", ".join(applies.kind)]
    if applies.sku:
        words.append(f"of SKU {', '.join(applies.sku)}")
    if applies.not_sku:
        words.append(f"but not of SKU {', '.join(applies.not_sku)}")
    if rule.each is not None:
        words.append("each point of it" if rule.each == "any" else f"each point {rule.each}")
    phases = "in any phase" if set(rule.phases) == set(PHASES) else f"in phase {', '.join(rule.phases)}"
    return f"{', '.join(words)}; {phases}"


def _derived(rules: RuleSet) -> Iterator[tuple[list[str], CompiledDerived]]:
    """Yield each derived point once, with the kinds that have it."""
    for file in dict.fromkeys(one.file for one in rules.derived):
        mine = [one for one in rules.derived if one.file == file]
        yield [one.kind for one in mine], mine[0]


def _points(rules: RuleSet) -> Iterator[str]:
    if not rules.derived:
        return
    yield from ("## Derived points", "")
    for kinds, one in _derived(rules):
        model = one.model
        yield from (f"### {model.quantity}", "", f"**{_words(model.title)}**", "")
        yield from _table(
            ("", ""),
            [
                ("of", ", ".join(kinds)),
                ("unit", model.unit or "a plain number"),
                ("formula", f"`{_code(model.value)}`"),
                ("known when", f"`{_code(model.known_when)}`" if model.known_when is not None else "its points are"),
                ("uncertainty", f"`{_code(model.uncertainty)}` (1 sigma)" if model.uncertainty is not None else "not stated"),
            ],
        )
        yield from (f"**Source.** {_words(model.source)}", "")


def _limits(rules: RuleSet) -> Iterator[str]:
    limits = rules.limits
    if not limits.units:
        return
    skus = [DEFAULT, *(sku for sku in limits.values if sku != DEFAULT)]
    yield from ("## Limits", "", "An empty cell is the default's, which stands for a SKU that nobody told too.", "")
    yield from _table(
        ("limit", "unit", *skus),
        [
            (f"`{name}`", unit, *(f"{amount(limits.values[sku][name], '')}" if name in limits.values.get(sku, {}) else "" for sku in skus))
            for name, unit in limits.units.items()
        ],
    )
    yield from ("Where each number comes from:", "")
    for name in limits.units:
        for sku in skus:
            if name in limits.values.get(sku, {}):
                yield f"- `{name}` ({sku}): {_words(limits.sources[sku, name])}"
    yield ""


def _skus(rules: RuleSet) -> Iterator[str]:
    if not rules.skus:
        return
    yield from ("## SKUs", "")
    for sku in rules.skus.values():
        yield from (f"### {sku.name}", "", f"**{_words(sku.title)}**", "")
        yield from _table(
            ("part", "in each", "count", "of a rack"),
            [(kind, part.within, str(part.count), str(sku.count(kind))) for kind, part in sku.structure.items()],
        )
        yield from _table(
            ("kind", "point", "at least every"),
            [(kind, f"`{_promised(point)}`", span(point.interval)) for kind, points in sku.points.items() for point in points],
        )
        yield from (f"**Source.** {_words(sku.source)}", "")


def _promised(point: Any) -> str:
    tags = [*sorted(point.tags), *(["setpoint"] if point.setpoint else [])]
    return f"{point.quantity}[{', '.join(tags)}]" if tags else str(point.quantity)


def _index(rules: RuleSet) -> Iterator[str]:
    if not rules.rules:
        return
    yield from ("## By severity", "")
    for severity in Severity:
        mine = [one for one in rules.rules if one.rule.severity == severity]
        if mine:
            yield from (f"**{severity}** ({_MEANING[severity]}; {counted(len(mine), 'rule')})", "")
            yield from (f"- {_link(one.id)}: {_words(one.rule.title)}" for one in mine)
            yield ""


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    for row in rows:
        yield f"| {' | '.join(text.replace('|', chr(92) + '|') for text in row)} |"
    yield ""


def _words(text: str) -> str:
    """Return a text on one line, with what Markdown would act on made plain."""
    return re.sub(r"([<>*_`\[\]])", r"\\\1", re.sub(r"\s+", " ", text).strip())


def _code(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()
