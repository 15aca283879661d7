"""Parse, call one function, print.

Exit codes of every verb: 0 done, 1 done with a finding (a failed rule test, nothing found), 2 wrong use, file or
configuration, 3 a broker, store or disk that could not be reached, 130 interrupted.
"""

import sys
from importlib import import_module

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


GROUPS = ("query", "rules", "racks", "bench")
VERBS = ("demo", "run", "check", "replay", *GROUPS, "explain", "acknowledge", "simulate", "trial")
_MODULES = {"check": "run"}  # where the module has another name than the verb


def _register() -> None:
    """Make the verbs known; only the asked one's libraries are loaded, as all of them take a second."""
    for verb in [verb for verb in sys.argv[1:2] if verb in VERBS] or VERBS:
        module = import_module(f"monitor.cli.{_MODULES.get(verb, verb)}")
        if verb in GROUPS:
            app.add_typer(module.app, name=verb)
        else:
            app.command(verb)(getattr(module, verb))


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
