"""What the repository as a whole promises: its top level, its locks, and that it names nobody's machine."""

import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
LOCKS = (ROOT / "deploy" / "requirements.txt", ROOT / "deploy" / "requirements-test.txt")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
TOP = {"pyproject.toml", "monitor", "rules", "tests", "deploy", "README.md", "LICENSE"}
# Written so that this file does not hold what it looks for.
HOSTS = re.compile(r"pyp[i][.]org|pythonhos[t]ed|npm[j]s[.]|^--(?:extra-)?index-url|^--find-links", re.MULTILINE)
MACHINE = re.compile(r"(?<![A-Za-z0-9_./])/(?:work|farm|root|home/[a-z]+|Users/[a-z]+|tmp/lab)/")


def tracked() -> list[Path]:
    git = shutil.which("git")
    if git is None or not (ROOT / ".git").exists():
        pytest.skip("no git checkout")
    listed = subprocess.run([git, "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return [Path(name) for name in listed.split("\0") if name and (ROOT / name).is_file()]


def pins(lock: Path) -> dict[str, list[Requirement]]:
    """Return the requirements of a lock by name, each held by at least one hash."""
    found: dict[str, list[Requirement]] = {}
    for line in lock.read_text().replace("\\\n", " ").splitlines():
        if line.strip() and not line.startswith("#"):
            text, *hashes = line.split("--hash=")
            assert hashes, f"{lock.name}: {text} has no hash"
            assert all(re.fullmatch(r"sha256:[0-9a-f]{64}\s*", one) for one in hashes), f"{lock.name}: {text}"
            requirement = Requirement(text)
            assert [one.operator for one in requirement.specifier] == ["=="], f"{lock.name}: {text} is not pinned"
            found.setdefault(canonicalize_name(requirement.name), []).append(requirement)
    return found


def declared(*extras: str) -> list[Requirement]:
    project = PROJECT["project"]
    texts = [*PROJECT["build-system"]["requires"], *project["dependencies"]]
    texts += [text for extra in extras for text in project["optional-dependencies"][extra]]
    return [requirement for requirement in map(Requirement, texts) if requirement.name != project["name"]]


def test_the_top_level_is_the_agreed_one() -> None:
    top = {path.parts[0] for path in tracked()}

    assert {name for name in top if not name.startswith(".")} == TOP


def test_no_file_names_a_registry_or_a_machine() -> None:
    found = []
    for path in tracked():
        try:
            text = (ROOT / path).read_text()
        except UnicodeDecodeError:
            continue  # no text
        found += [f"{path}: {match[0]}" for pattern in (HOSTS, MACHINE) for match in pattern.finditer(text)]

    assert found == []


@pytest.mark.parametrize(
    ("lock", "extras"), [(LOCKS[0], ("demo",)), (LOCKS[1], ("demo", "test"))], ids=lambda value: getattr(value, "name", "")
)
def test_a_lock_holds_what_the_project_asks_for(lock: Path, extras: tuple[str, ...]) -> None:
    """A changed dependency without a new lock fails here; deploy/lock writes both."""
    pinned = pins(lock)

    for asked in declared(*extras):
        versions = [one for pin in pinned[canonicalize_name(asked.name)] for one in pin.specifier]
        assert all(asked.specifier.contains(one.version) for one in versions), f"{lock.name}: {asked}"


def test_the_test_lock_has_the_versions_that_are_deployed() -> None:
    deployed, tested = map(pins, LOCKS)

    assert {name: list(map(str, found)) for name, found in tested.items() if name in deployed} == {
        name: list(map(str, found)) for name, found in deployed.items()
    }


def test_the_changelog_has_an_entry_for_what_is_not_released() -> None:
    text = (ROOT / "deploy" / "CHANGELOG.md").read_text()
    unreleased = text.partition("\n## Unreleased\n")[2].partition("\n## ")[0]

    assert re.search(r"^- \S", unreleased, re.MULTILINE)


def test_the_commands_are_executable() -> None:
    for name in ("deploy/quickstart", "deploy/lock", "deploy/venv", "tests/check", ".ci/run"):
        assert (ROOT / name).stat().st_mode & 0o111, f"{name}: chmod +x"
