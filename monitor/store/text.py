"""Names from the wire, made safe for where they go."""

import re

# C0, DEL, C1, line and paragraph separators, and the marks that reorder or hide text on a terminal
_UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_FORMULA = ("=", "+", "-", "@")


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def shown(text: str) -> str:
    r"""Return text that cannot steer a terminal: control and invisible characters as backslash escapes.

    >>> shown("rack\x1b[2J\n")
    'rack\\x1b[2J\\x0a'
    """
    return _UNSEEN.sub(_escape, text)


def storable(text: str) -> str:
    """Return text that UTF-8 can hold: JSON may smuggle in halves of surrogate pairs, which SQLite and Arrow refuse."""
    return text if text.isascii() else _SURROGATE.sub(_escape, text)


def cell(text: str) -> str:
    """Return the text for one CSV cell: as `shown`, and never a formula to a spreadsheet.

    >>> cell("=cmd()")
    "'=cmd()"
    """
    safe = shown(text)
    return f"'{safe}" if safe.startswith(_FORMULA) else safe
