"""`dcmon rules`: check, test and list rule files."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from monitor import shipped
from monitor.detect import rule_tests
from monitor.detect import rules as rule_files
from monitor.vocabulary import QUANTITIES

app = typer.Typer(help="Check, test and list rules.", no_args_is_help=True)
Folder = Annotated[Path | None, typer.Argument(help="Folder of rules; the shipped ones by default.")]
Checked = Annotated[Path | None, typer.Argument(help="Folder of rules, or one rule's file; the shipped rules by default.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command()
def check(place: Checked = None, as_json: AsJson = False) -> None:
    """Read every rule, limit and test file; print every fault of every file. Exit code 2 on any."""
    checked = rule_tests.check(place or shipped.rules())
    if as_json:
        typer.echo(json.dumps({"rules": len(checked.rules), "limits": len(checked.limits.units)}))
    else:
        rules = checked.rules[0].id if len(checked.rules) == 1 else f"{len(checked.rules)} rules"
        typer.echo(f"{rules} and {len(checked.limits.units)} limits are sound")


@app.command()
def test(
    folder: Folder = None,
    only: Annotated[str | None, typer.Option("--rule", help="Only the tests of this rule.")] = None,
    as_json: AsJson = False,
) -> None:
    """Run the tests beside the rules through the live path. Exit code 1 when one fails."""
    checked = rule_files.load(folder or shipped.rules())
    if only is not None and only not in {one.id for one in checked.rules}:
        raise typer.BadParameter(f'no rule "{only}"')
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
    words: Annotated[bool, typer.Option("--words", help="List the quantities that rules may name, with their units.")] = False,
    as_json: AsJson = False,
) -> None:
    """List the rules, or the words they may use."""
    if words:
        rows = [{"quantity": name, "unit": quantity.unit, "about": quantity.about} for name, quantity in sorted(QUANTITIES.items())]
    else:
        rows = [
            {
                "rule": one.id,
                "severity": str(one.rule.severity),
                "status": one.rule.status,
                "applies_to": ", ".join(one.rule.applies_to.kind),
                "title": one.rule.title,
            }
            for one in rule_files.load(folder or shipped.rules()).rules
        ]
    if as_json:
        for row in rows:
            typer.echo(json.dumps(row, ensure_ascii=False))
        return
    table = Table(box=None, pad_edge=False)
    for name in rows[0] if rows else ():
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*row.values())
    Console().print(table)
