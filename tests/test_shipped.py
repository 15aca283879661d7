"""The shipped rules are found in a checkout and after `pip install`."""

import subprocess
import sys
import venv
from pathlib import Path

import pytest

from monitor import shipped

ROOT = Path(__file__).parent.parent


def test_a_checkout_uses_its_own_rules() -> None:
    assert shipped.rules() == ROOT / "rules"


def test_a_neighbour_called_rules_is_not_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "rules").mkdir()
    monkeypatch.setattr(shipped, "__file__", str(tmp_path / "monitor" / "shipped" / "__init__.py"))

    assert shipped.rules() == tmp_path / "monitor" / "shipped" / "rules"


def test_a_wheel_carries_the_rules(tmp_path: Path) -> None:
    """Builds with the pinned hatchling of this environment and installs without dependencies, so no index is asked."""
    build = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--no-index",
        "--no-build-isolation",
        "--wheel-dir",
        tmp_path,
        ROOT,
    ]
    subprocess.run(build, check=True)
    [wheel] = tmp_path.glob("dcmon-*.whl")
    venv.create(tmp_path / "venv", with_pip=False)
    python = tmp_path / "venv" / "bin" / "python"
    subprocess.run([sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps", "--no-index", wheel], check=True)

    code = "from monitor import shipped; print(shipped.rules())"
    answer = subprocess.run([python, "-I", "-c", code], check=True, capture_output=True, text=True, cwd=tmp_path).stdout.strip()

    found = Path(answer)
    assert found.is_relative_to(tmp_path / "venv")
    ours = {str(file.relative_to(ROOT / "rules")) for file in (ROOT / "rules").rglob("*") if file.is_file()}
    assert {str(file.relative_to(found)) for file in found.rglob("*") if file.is_file()} == ours
