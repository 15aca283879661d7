"""Where the files that come with the monitor are; a wheel carries them in this folder, beside this file."""

from pathlib import Path


def rules() -> Path:
    """Return the folder of the shipped rules: the checkout's own `rules/`, else the copy inside the installed package."""
    here = Path(__file__).resolve().parent
    checkout = here.parent.parent / "rules"
    # Beside `monitor/` in site-packages another project's `rules` may lie; only a checkout has our pyproject.toml there.
    if checkout.is_dir() and (checkout.parent / "pyproject.toml").is_file():
        return checkout
    return here / "rules"
