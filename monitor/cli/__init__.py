"""Parse, call one function, print.

Exit codes of every verb: 0 done, 1 done with a finding (a failed rule test, nothing found), 2 wrong use, file or
configuration, 3 a broker, store or disk that could not be reached, 130 interrupted.
"""

import sys

import typer

from monitor.errors import Faults, InputError, MonitorError, SourceError, StoreError

app = typer.Typer(
    name="dcmon",
    help="The data-center commissioning monitor: watches newly commissioned AI racks through their first ninety days.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        typer.echo(f"dcmon {version('dcmon')}")
        raise typer.Exit


@app.callback()
def _root(version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Print the version.")) -> None:
    pass


def _register() -> None:
    from monitor.cli import bench, demo, query, racks, replay, rules, run, simulate

    app.command("demo")(demo.demo)
    app.command("run")(run.run)
    app.command("check")(run.check)
    app.command("replay")(replay.replay)
    app.add_typer(query.app, name="query")
    app.add_typer(rules.app, name="rules")
    app.add_typer(racks.app, name="racks")
    app.command("simulate")(simulate.simulate)
    app.add_typer(bench.app, name="bench")


def main() -> None:
    """Run `dcmon`; every error of ours becomes one clear text and an exit code."""
    _register()
    try:
        app()
    except Faults as error:
        sys.stderr.write(f"{error}\n{len(error.faults)} fault{'s' if len(error.faults) > 1 else ''}\n")
        raise SystemExit(2) from None
    except InputError as error:
        sys.stderr.write(f"dcmon: {error}\n")
        raise SystemExit(2) from None
    except (SourceError, StoreError) as error:
        sys.stderr.write(f"dcmon: {error}\n")
        raise SystemExit(3) from None
    except MonitorError as error:
        sys.stderr.write(f"dcmon: {error}\n")
        raise SystemExit(2) from None
    except BrokenPipeError:
        sys.stderr.close()  # the reader has gone; a second complaint at exit would be noise
        raise SystemExit(0) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None
