"""`dcmon explain`: the values, limits, margins and timers that decided, or why a rule did not fire.

Exit codes: 0 explained, 1 nothing to explain (no such alert, no data at that time), 2 wrong use, 3 the store cannot be read.
"""

import json
import math
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from monitor import shipped
from monitor.cli.acknowledge import the_one
from monitor.cli.query import duration, moment
from monitor.clock import iso
from monitor.detect import rules as rule_files
from monitor.detect import silence, syntax
from monitor.detect.explain import Explanation, Part, Timer, fails
from monitor.detect.nodes import BOOLEAN
from monitor.detect.rules import RuleSet
from monitor.detect.wording import INLINE, LEAVES, span
from monitor.errors import InputError
from monitor.model import Phase
from monitor.store import query, rerun
from monitor.store.query import Numbered
from monitor.store.rerun import Question
from monitor.store.text import shown

MOST_SHOWN = 5  # members of an aggregate that are printed; --json has more
_VERDICTS = {
    "fires": ("FIRES", "bold red"), "firing": ("FIRING", "bold red"), "ends": ("ENDS", "green"), "waiting": ("HOLDS, does not fire yet", "yellow"),
    "false": ("does not fire", "green"), "unknown": ("NOT KNOWN", "yellow"), "excluded": ("NOT JUDGED", "yellow"),
}  # fmt: skip
_COMPOSED = frozenset({"and", "or", "not", "event"})


def explain(
    what: Annotated[
        str,
        typer.Argument(
            metavar="ALERT|RULE", help="An alert: its number in `dcmon query alerts`, or RULE/ASSET[/POINT][#EPISODE]. Or a rule."
        ),
    ],
    asset: Annotated[str | None, typer.Argument(help="With a rule: the asset.")] = None,
    time: Annotated[str | None, typer.Argument(help="With a rule: when; an age (10m) or a time (ISO 8601).")] = None,
    point: Annotated[str | None, typer.Option(help="With a rule on each point: one of them, by the wire's own name.")] = None,
    phase: Annotated[Phase | None, typer.Option(help="With a rule: the asset's phase at that time, where the acts do not say it.")] = None,
    back: Annotated[
        str | None, typer.Option(help="Run again so much of the history before; by default what the rule looks back to.")
    ] = None,
    rules: Annotated[
        Path | None, typer.Option(help="Folder of rules; by default the one that wrote the store, else the shipped ones.")
    ] = None,
    store: Annotated[Path, typer.Option("--store", envvar="DCMON_STORE", help="Folder of the store.")] = Path("dcmon-data"),
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object for each point that was judged.")] = False,
) -> None:
    """Say why an alert fired, or why a rule did or did not fire on an asset at a time, from what the store has. Exit code 1 when there is nothing to explain."""
    reach = None if back is None else duration(back, "--back")
    if asset is None and time is None:
        if point is not None or phase is not None:
            raise InputError("--point and --phase go with RULE ASSET TIME; an alert has its own")
        found = the_one(query.named(store / "monitor.db", what), what)
        if found is None:
            typer.echo(f'no alert "{shown(what)}" is known; `dcmon query alerts` lists them with their numbers', err=True)
            raise typer.Exit(1)
        checked = _rules(rules, store)
        alert = found.alert
        question = Question(checked, _rule(checked, alert.rule), alert.asset, alert.fired, alert.point, found, back=reach)
    elif asset is None or time is None:
        raise InputError("give an ALERT, or RULE ASSET TIME, for example cooling.rack_flow_low Pod1-R03 10m")
    else:
        found = None
        when = moment(time, "TIME")
        assert when is not None
        checked = _rules(rules, store)
        question = Question(checked, _rule(checked, what), asset, when, point, None, phase, reach)
    with _progress() as progress:
        lookback = silence.memory(replace(checked, rules=(question.rule,)))
        said = rerun.ask(store, question, lookback, told=lambda text: typer.echo(text, err=True), progress=progress)
    if not said:
        _nothing(store, question)
        raise typer.Exit(1)
    for one in said:
        if as_json:
            typer.echo(json.dumps(record(one, found), ensure_ascii=False, allow_nan=False))
        else:
            _print(one, found)


def _rules(folder: Path | None, store: Path) -> RuleSet:
    """Read the rules that are asked for, else those that wrote the store where they are still there, else the shipped ones."""
    if folder is None:
        told = Path(query.facts(store / "monitor.db").get("rules", ""))
        folder = told if told.is_absolute() and told.is_dir() else shipped.rules()
    return rule_files.load(folder)


def _rule(checked: RuleSet, name: str) -> rule_files.CompiledRule:
    known = {one.id: one for one in checked.rules}
    if name not in known:
        raise InputError(
            f'no rule "{shown(name)}"{syntax.nearest(name, known, otherwise="; `dcmon rules list` has them")}; --rules names another folder'
        )
    return known[name]


@contextmanager
def _progress() -> "Iterator[Any]":
    console = Console(stderr=True)
    with Progress(
        TextColumn("reading history"), BarColumn(), TimeElapsedColumn(), console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        task = bar.add_task("", total=1.0)
        yield (lambda share: bar.update(task, completed=share)) if console.is_terminal else None


def _nothing(store: Path, question: Question) -> None:
    kinds = query.kinds(store / "monitor.db")
    if question.asset not in kinds:
        near = query.nearest(question.asset, kinds)
        advice = f'; did you mean "{shown(near)}"?' if near is not None else ""
        typer.echo(f'the store knows no asset "{shown(question.asset)}"{advice}', err=True)
    else:
        typer.echo(
            f"no reading that {question.rule.id} needs for {shown(question.asset)} is in the history shortly before {iso(question.time)}: "
            "it has no such point (tags count), or did not speak then (a time without a zone is UTC); readings come into the history within "
            "a minute (store.flush), and leave it after store.keep_days",
            err=True,
        )


def record(one: Explanation, alert: Numbered | None) -> dict[str, Any]:
    """Return an explanation for JSON: times ISO 8601 UTC, null where nothing is known."""
    told = asdict(one)
    told["time"] = iso(one.time)
    told["open_since"] = None if one.open_since is None else iso(one.open_since)
    told["point"] = one.point or None
    told["alert"] = None if alert is None else alert.number
    return {key: _finite(value) for key, value in told.items()}


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _print(one: Explanation, alert: Numbered | None) -> None:
    console = Console(soft_wrap=True, highlight=False)
    word, style = _VERDICTS[one.verdict]
    head = Text()
    head.append(f"{one.rule}", "bold")
    head.append(
        f" on {shown(one.asset)}{f' point {shown(one.point)}' if one.point else ''} at {iso(one.time)[:19].replace('T', ' ')} UTC: "
    )
    head.append(word, style)
    console.print(head)
    about = [
        one.title,
        f"severity {one.severity}",
        *([f"status {one.status}"] if one.status != "stable" else []),
        f"{one.kind}, SKU {shown(one.sku or 'not told')}, phase {one.phase}",
    ]
    console.print(Text("; ".join(about)))
    if alert is not None:
        over = "still firing" if alert.alert.ended is None else f"ended {iso(alert.alert.ended)[:19].replace('T', ' ')}"
        console.print(Text(f"alert {alert.number}: {shown(alert.alert.summary)}; {over}"))
    for reason in one.reasons:
        console.print(Text(f"- {shown(reason)}"))
    trees: list[Branch] = []
    seen: set[str] = set()
    for name, part, timer in (("when", one.when, one.timer if one.clear is None else None), ("clear", one.clear, one.timer)):
        if part is not None:
            trees.append(_tree(name, part, timer, seen))
    trees += [
        _tree(f"{rung.severity}{', reached' if rung.reached else ''}", rung.condition, rung.timer if rung.timer.need else None, seen)
        for rung in one.rungs
    ]
    if one.suspect is not None:
        trees.append(_tree("suspect", one.suspect, None, seen))
    for tree in trees:
        for line in tree.lines():
            console.print(line)
    for note in one.notes:
        console.print(Text(f"note: {shown(note)}", "yellow"))
    console.print(Text(f"why: {one.why}".strip()))
    steps = [text.strip() for text in re.split(r"(?:^|\s)(?=\d\. )", one.do) if text.strip()]
    console.print(Text("do: " + "\n    ".join(steps)))


@dataclass
class Branch:
    """A line of the printed tree, and those below it."""

    line: Text
    below: "list[Branch]" = field(default_factory=list)

    def add(self, line: Text) -> "Branch":
        self.below.append(Branch(line))
        return self.below[-1]

    def lines(self, first: str = "", rest: str = "") -> Iterator[Text]:
        """Yield the lines however wide: a condition that is cut explains nothing."""
        yield Text(first, "dim") + self.line
        for number, branch in enumerate(self.below):
            last = number == len(self.below) - 1
            yield from branch.lines(f"{rest}{'└── ' if last else '├── '}", f"{rest}{'    ' if last else '│   '}")


def _tree(name: str, part: Part, timer: Timer | None, seen: set[str]) -> Branch:
    label = Text(f"{name}: ", "bold")
    tree = Branch(label + (Text(part.operation) + _state(part) if part.operation in _COMPOSED else _line(part)))
    _below(tree, part, seen)
    if timer is not None:
        tree.add(Text(told(timer), "cyan"))
    return tree


def told(timer: Timer) -> str:
    """Say how far a timer is."""
    if not timer.need:
        return f"{timer.word}: none needed"
    if timer.held is None:
        return f"{timer.word} {span(timer.need)}: not running"
    paused = f", paused for {timer.gap:g} s that were not known" if timer.gap else ""
    return f"{timer.word}: held for {timer.held:g} of {timer.need:g} s{paused}"


def _below(tree: Branch, part: Part, seen: set[str]) -> None:
    """Add what a part is made of, each thing once."""
    if part.operation in _COMPOSED:
        for one in part.parts:
            _below(tree.add(Text(one.operation) + _state(one) if one.operation in _COMPOSED else _line(one)), one, seen)
        return
    several = list({one.said: one for one in _details(part)}.values())
    for one in several[:MOST_SHOWN]:
        _again(tree, _line(one), one, seen)
    if len(several) > MOST_SHOWN:
        tree.add(Text(f"{len(several) - MOST_SHOWN} more", "dim"))
    for one in _gates(part):
        _again(tree, Text("known when: ") + _line(one), one, seen)


def _again(tree: Branch, line: Text, part: Part, seen: set[str]) -> None:
    """Add a line with what is below it; only the line where that was said before."""
    branch = Branch(line)
    if part.said not in seen or part.operation in {"member", "point"}:
        seen.add(part.said)
        _below(branch, part, seen)
    elif any(True for _ in _details(part)):
        branch.line += Text("  as above", "dim")
    tree.below.append(branch)


def _details(part: Part) -> Iterator[Part]:
    """Yield what a part's line does not say in full: what aggregates, windows and derived points are made of, and what is not known."""
    parts = part.parts[:1] if part.operation == "given" else part.parts
    if part.operation == "fold" and len(parts) == 1 and parts[0].known and parts[0].operation == "point":
        return
    for one in parts:
        if one.operation in INLINE or (part.operation == "derived" and one.operation == "given"):
            yield from _details(one)
        elif one.operation not in LEAVES or not one.known:
            yield one


def _gates(part: Part) -> Iterator[Part]:
    """Yield the conditions under which what a part's line says is known."""
    for one in part.parts:
        if one.operation == "given":
            yield one.parts[1]
        if one.operation in INLINE or one.operation == "given":
            yield from _gates(one)


def _detail(part: Part) -> Text:
    text = shown(part.said)
    if part.operation == "derived":
        inner = part.parts[0]
        text += f" = {shown((inner.parts[0] if inner.operation == 'given' else inner).said)}"
    return Text(text) + Text(f"  {shown(part.why)}" if part.why else "", "dim")


def _line(part: Part) -> Text:
    if part.unit != BOOLEAN:
        return _detail(part)
    return Text(shown(part.said)) + _state(part) + Text(fails(part)) + Text(f"  {shown(part.why)}" if part.why else "", "dim")


def _state(part: Part) -> Text:
    word, style = {True: ("true", "red"), False: ("false", "green"), None: ("not known", "yellow")}[part.held]
    return Text(" → ") + Text(word, style)


__all__: Sequence[str] = ["explain", "record", "told"]
