"""The tree keeps its promise: data travels collect to web, and no import points back."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent / "monitor"
STAGES = ("collect", "detect", "gate", "incident", "lots", "notify", "store", "web")
NOUNS = {
    *("model", "plant", "units", "vocabulary", "vocabularyfile", "clock", "errors"),
    *("config", "environment", "yamlfile", "yamltext", "refusal", "shipped"),
}
ABOVE = {"pipeline", "cli", "bench", "__main__"}  # these know every stage
BESIDE = {"simulate"}  # speaks to the monitor over real wires only


def imported(source: str, module: str) -> Iterator[str]:
    """Yield the name below `monitor` that each import reaches; `module` is the importing module's dotted name."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            package = ".".join(module.split(".")[: -node.level]) if node.level else ""
            at = ".".join(filter(None, (package, node.module)))
            names = [f"{at}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            if name.startswith("monitor."):
                yield name.split(".")[1]


def allowed(home: str) -> set[str]:
    """Return what a module in this folder (or a single module of this name) may import."""
    if home in ABOVE:
        return NOUNS | ABOVE | BESIDE | set(STAGES)
    if home in STAGES:
        return NOUNS | {stage for stage in STAGES if stage <= home}
    return NOUNS | ({home} & BESIDE)


def reaches(path: Path, source: str) -> set[str]:
    """Return what a module imports and may not."""
    relative = path.relative_to(ROOT)
    module = ".".join(("monitor", *relative.with_suffix("").parts))
    return set(imported(source, module)) - allowed(relative.parts[0].removesuffix(".py"))


MODULES = sorted(ROOT.rglob("*.py"))


def test_stages_are_in_the_order_data_travels() -> None:
    assert list(STAGES) == sorted(STAGES)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_upstream(path: Path) -> None:
    home = path.relative_to(ROOT).parts[0].removesuffix(".py")

    assert home in {*STAGES, *NOUNS, *ABOVE, *BESIDE, "__init__"}, f"{home} is neither a stage nor a noun; say here which it is"
    assert not reaches(path, path.read_text()), f"{path.name} reaches into {sorted(reaches(path, path.read_text()))}"


@pytest.mark.parametrize(
    ("path", "source", "wrong"),
    [
        ("detect/engine.py", "from monitor.store import embedded", {"store"}),
        ("detect/engine.py", "def late():\n    import monitor.web.app", {"web"}),
        ("detect/engine.py", "from monitor import gate, model", {"gate"}),
        ("detect/engine.py", "from ..notify import outbox", {"notify"}),
        ("detect/engine.py", "from . import rules\nfrom monitor.collect.wire import x", set()),
        ("detect/engine.py", "from monitor import pipeline", {"pipeline"}),
        ("plant.py", "from monitor.detect.rules import Rule", {"detect"}),
        ("simulate/pod.py", "from monitor.collect import mqtt\nfrom monitor.simulate import physics", {"collect"}),
        ("cli/run.py", "from monitor.web import app\nfrom monitor import pipeline", set()),
    ],
)
def test_a_wrong_arrow_is_seen(path: str, source: str, wrong: set[str]) -> None:
    assert reaches(ROOT / path, source) == wrong
