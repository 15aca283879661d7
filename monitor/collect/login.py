"""What a session shows to its broker, read from its files anew each time."""

import ssl
from dataclasses import dataclass, field
from pathlib import Path

from monitor.config import MqttLink, Tls
from monitor.errors import SourceRefused

TOKEN_USER = "oauthtoken"  # noqa: S105  # DSX Exchange's user name for an access token in place of a password


@dataclass(frozen=True, slots=True)
class Login:
    username: str | None
    password: str | None = field(repr=False)
    tls: ssl.SSLContext | None


class _Socket(ssl.SSLSocket):
    """Closed at once where its handshake fails; paho would leave that to the garbage collector."""

    def do_handshake(self, block: bool = False) -> None:
        try:
            super().do_handshake(block)
        except BaseException:
            self.close()
            raise


def read_login(settings: MqttLink) -> Login:
    """Read token, password and certificates; blocks on the disk.

    Raises:
        SourceRefused: a file that cannot be read or used; named, its content never shown.

    """
    tls = None if settings.tls is None else _context(settings.name, settings.tls)
    if settings.token_file is not None:
        return Login(TOKEN_USER, _secret(settings.name, "token_file", settings.token_file), tls)
    if settings.password_file is not None:
        if settings.username is None:
            raise SourceRefused(f"{settings.name}: password_file is set without username; MQTT 3.1.1 knows no password alone")
        return Login(settings.username, _secret(settings.name, "password_file", settings.password_file), tls)
    return Login(settings.username, None, tls)


def _secret(name: str, key: str, path: Path) -> str:
    try:
        text = path.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        what = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise SourceRefused(f"{name}: {key} {path}: {what}") from None
    if not text:
        raise SourceRefused(f"{name}: {key} {path}: the file is empty")
    return text


def _context(name: str, tls: Tls) -> ssl.SSLContext:
    for path in (tls.ca, tls.cert, tls.key):
        if path is not None and not path.is_file():
            raise SourceRefused(f"{name}: tls: {path}: no such file")
    if tls.key is not None and tls.cert is None:
        raise SourceRefused(f"{name}: tls: key is set without cert; mutual TLS needs both")
    try:
        context = ssl.create_default_context(cafile=tls.ca)
        context.sslsocket_class = _Socket
        if tls.cert is not None:
            context.load_cert_chain(tls.cert, tls.key, password="")  # without one OpenSSL would ask on the terminal for an encrypted key
    except OSError as error:
        raise SourceRefused(f"{name}: tls: {tls.ca or 'system roots'}, {tls.cert}, {tls.key}: {error}") from None
    return context
