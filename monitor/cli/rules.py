"""`dcmon rules`: check, test, list and document rule files."""

import json
from collections.abc import Iterator
from itertools import repeat
from pathlib import Path
from typing import Annotated

import typer

from monitor import shipped
from monitor.cli import catalogue
from monitor.cli.query import aligned, write_lines
from monitor.detect import rule_tests
from monitor.detect import rules as rule_files
from monitor.detect.functions import ELEMENTWISE, FOLDS, LIFE, NOVELTY, PEERS, WINDOWS
from monitor.detect.rules import ANY, FOLDERS, RuleSet
from monitor.detect.syntax import nearest
from monitor.errors import InputError, RuleError
from monitor.model import Severity
from monitor.vocabulary import KINDS

app = typer.Typer(help="Check, test, list and document rules.", no_args_is_help=True)
Folder = Annotated[Path | None, typer.Argument(help="Folder of rules; the shipped ones by default.")]
Checked = Annotated[Path | None, typer.Argument(help="Folder of rules, or one rule's file; the shipped rules by default.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command()
def check(place: Checked = None, as_json: AsJson = False) -> None:
    """Read every rule, limit and test file; print every fault of every file. Exit code 2 on any."""
    checked = rule_tests.check(place or shipped.rules())
    counts = {
        "rules": len(checked.rules),
        "derived": catalogue.derived_count(checked),
        "limits": len(checked.limits.units),
        "skus": len(checked.skus),
    }
    if as_json:
        typer.echo(json.dumps(counts))
    elif place is not None and place.is_file():
        typer.echo(f"{checked.rules[0].id} is sound")
    else:
        typer.echo(f"{catalogue.summary(checked)} are sound")


@app.command()
def test(
    folder: Folder = None,
    only: Annotated[str | None, typer.Option("--rule", help="Only the tests of this rule, or derived.NAME of a derived point.")] = None,
    as_json: AsJson = False,
) -> None:
    """Run the tests beside the rules through the live path. Exit code 1 when one fails."""
    checked = rule_files.load(folder or shipped.rules())
    known = {one.id for one in checked.rules} | {f"derived.{one.model.quantity}" for one in checked.derived}
    if only is not None and only not in known:
        raise typer.BadParameter(f'no rule "{only}"{nearest(only, known)}')
    count, failed = rule_tests.run(checked, only)
    if as_json:
        typer.echo(json.dumps({"cases": count, "failed": [str(fault) for fault in failed]}))
    else:
        for fault in failed:
            typer.echo(str(fault))
        typer.echo(f"{count} cases, {len(failed)} failed")
    if failed:
        raise typer.Exit(1)


@app.command("list")
def list_rules(
    folder: Folder = None,
    only: Annotated[str | None, typer.Option("--folder", help=f"Only rules of one folder: {', '.join(FOLDERS)}.")] = None,
    severity: Annotated[Severity | None, typer.Option(help="Only rules of this severity.")] = None,
    kind: Annotated[
        str | None, typer.Option(help="Only rules that watch assets of this kind, and with --words only its derived points.")
    ] = None,
    words: Annotated[
        bool, typer.Option("--words", help="List what rules may name: quantities, derived points, limits and functions.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """List the rules, or the words they may use. Exit code 1 when there is none."""
    checked = rule_files.load(folder or shipped.rules())
    if only is not None and only not in FOLDERS:
        raise InputError(f'--folder: no folder "{only}"{nearest(only, FOLDERS)}; one of {", ".join(FOLDERS)}')
    if kind is not None and kind not in KINDS:
        known = ", ".join(sorted(KINDS))
        raise InputError(f'--kind: no kind "{kind}"{nearest(kind, KINDS, otherwise=f"; one of {known}")}')
    if words and (only is not None or severity is not None):
        raise InputError("--folder and --severity choose rules; leave them out with --words")
    rows = list(_words(checked, kind)) if words else list(_rules(checked, only, severity, kind))
    if as_json:
        for row in rows:
            typer.echo(json.dumps(row, ensure_ascii=False))
    elif rows:
        write_lines(aligned([list(rows[0]), *([str(word) for word in row.values()] for row in rows)]), ["bold", *repeat("", len(rows))])
    if not rows:
        typer.echo("no such rule", err=True)
        raise typer.Exit(1)


def _rules(checked: RuleSet, only: str | None, severity: Severity | None, kind: str | None) -> Iterator[dict[str, str]]:
    for one in checked.rules:
        rule = one.rule
        if only is not None and not one.id.startswith(f"{only}."):
            continue
        if severity is not None and rule.severity != severity:
            continue
        if kind is not None and kind not in rule.applies_to.kind and ANY not in rule.applies_to.kind:
            continue
        yield {
            "rule": one.id,
            "severity": str(rule.severity),
            "status": rule.status,
            "applies_to": ", ".join(rule.applies_to.kind),
            "title": rule.title,
        }


def _words(checked: RuleSet, kind: str | None) -> Iterator[dict[str, str]]:
    """Yield what an expression may name; `quantity` is the word as it is written."""
    for name, quantity in sorted(checked.vocabulary.items()):
        what = "event" if quantity.event else "counter" if quantity.counter else "quantity"
        yield {"quantity": name, "what": what, "unit": quantity.unit, "about": quantity.about}
    for one in sorted(checked.derived, key=lambda one: (one.model.quantity, one.kind)):
        if kind in {None, one.kind}:
            yield {"quantity": one.model.quantity, "what": f"derived, {one.kind}", "unit": one.model.unit, "about": one.model.title}
    for name, unit in sorted(checked.limits.units.items()):
        yield {"quantity": f"limit.{name}", "what": "limit", "unit": unit, "about": "of the SKU"}
    groups = (FOLDS, ELEMENTWISE, WINDOWS, LIFE, PEERS, NOVELTY)
    for name, about in sorted((name, about) for group in groups for name, about in group.items()):
        yield {"quantity": f"{name}()", "what": "function", "unit": "", "about": about}


@app.command()
def docs(
    folder: Folder = None,
    out: Annotated[Path | None, typer.Option(help="Write to this file; to standard output by default.")] = None,
    as_json: AsJson = False,
) -> None:
    """Write the operator's catalogue: every rule with its why and do, derived points, limits and SKUs. Markdown, or JSON."""
    checked = rule_files.load(folder or shipped.rules())
    if not checked.rules and not checked.derived:
        raise RuleError([rule_files.empty(folder or shipped.rules())])
    if as_json:
        text = json.dumps(catalogue.record(checked), ensure_ascii=False, indent=None if out is None else 1) + "\n"
    else:
        text = catalogue.markdown(checked)
    if out is None:
        typer.echo(text, nl=False)
        return
    try:
        out.write_text(text, "utf-8")
    except OSError as error:
        raise InputError(f"{out}: cannot be written ({error.strerror}); name a file in a folder that is there") from None
    typer.echo(f"{out}: {catalogue.summary(checked)}")
