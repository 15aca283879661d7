"""Where recorded data stands that the repository does not carry: the folder that DCMON_TEST_DATA names."""

import os
from pathlib import Path

import pytest


def recorded(*parts: str) -> Path:
    """Return the path of a recorded file; skip the test without it, or fail it where DCMON_REQUIRE_DATA=1."""
    root = os.environ.get("DCMON_TEST_DATA")
    reason = "DCMON_TEST_DATA names no folder with recorded data" if not root else ""
    path = Path(root or ".", *parts)
    if root and not path.exists():
        reason = f"DCMON_TEST_DATA has no {'/'.join(parts)}"
    if reason:
        if os.environ.get("DCMON_REQUIRE_DATA") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    return path
