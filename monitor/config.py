"""The operator's file as frozen models. `deploy/monitor.yaml` says to an operator what each key does; a test keeps the two together."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from monitor import refusal, yamlfile
from monitor.environment import overlay
from monitor.errors import ConfigError, Fault
from monitor.model import Phase
from monitor.yamlfile import Document, KeyPath


class Settings(BaseModel):
    """Base of every part of the file: frozen, unknown keys refused; a refused value, which may be a secret, is not echoed."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, hide_input_in_errors=True)


class Tls(Settings):
    """TLS of one link. With `cert` and `key` the link is mutual (mTLS). All files are read anew at each connect."""

    ca: Path | None = None  # None: the system's roots
    cert: Path | None = None
    key: Path | None = None

    @model_validator(mode="after")
    def _pair(self) -> Self:
        if (self.cert is None) != (self.key is None):
            raise ValueError("cert and key go together; give both or neither")
        return self


class MqttLink(Settings):
    """One MQTT 3.1.1 broker session."""

    name: str = "bus"
    host: str = "127.0.0.1"
    port: int = Field(default=1883, ge=1, le=65535)
    dialect: Literal["dsx"] = "dsx"
    topics: tuple[str, ...] = ("BMS/v1/PUB/Metadata/#", "BMS/v1/+/Value/#", "cpc/+/BMS/v1/PUB/Metadata/#", "cpc/+/BMS/v1/+/Value/#")
    qos: Literal[0, 1] = 0
    client_id: str | None = None
    username: str | None = None
    password_file: Path | None = None  # read anew at each connect
    token_file: Path | None = None  # OAuth2: username becomes "oauthtoken", the file's text the password; read anew at each connect
    tls: Tls | None = None
    keepalive: int = Field(default=60, ge=1, le=3600)  # s
    timeout: float = Field(default=10.0, gt=0)  # s, for connect and subscribe
    max_packet: int = Field(default=4_194_304, ge=1024)  # bytes; DSX brokers allow 4 MiB

    @model_validator(mode="after")
    def _one_secret(self) -> Self:
        if self.password_file is not None and self.token_file is not None:
            raise ValueError("password_file and token_file exclude each other; keep one")
        return self


class Influx(Settings):
    """One InfluxDB 2 bucket that alerts are written to."""

    url: str = Field(default="http://127.0.0.1:8086", pattern=r"^https?://")
    org: str = Field(min_length=1)
    bucket: str = Field(min_length=1)
    token_file: Path | None = None  # read anew at each connect
    timeout: float = Field(default=10.0, gt=0)  # s, for one write
    tls: Tls | None = None


class Store(Settings):
    """Where the monitor keeps what it saw and decided."""

    path: Path = Path("/var/lib/dcmon")  # a folder, made at the first start
    flush: float = Field(default=60.0, gt=0, le=3600)  # s, the longest time a reading waits in memory until history has it on disk
    keep_days: float = Field(default=14.0, gt=0)  # days of readings at full rate


class Time(Settings):
    """When one tick of the site closes."""

    tick: float = Field(default=1.0, gt=0, le=60)  # s of event time
    lateness: float = Field(default=2.0, ge=0, le=600)  # s that a reading may come after a newer one of its source
    idle: float = Field(default=1.0, gt=0, le=600)  # s without a message after which a source no longer holds a tick
    clock_limit: float = Field(default=10.0, gt=0)  # s of clock offset beyond which a source's readings go by receive time
    stale_factor: float = Field(default=3.0, ge=1)  # times a point's expected interval after which its value is unknown


class Rack(Settings):
    """What the wire does not say about a rack."""

    sku: str | None = Field(default=None, min_length=1)  # names its limits and expected points; None: default limits and a finding
    serial: str | None = Field(default=None, min_length=1)
    lot: str | None = Field(default=None, min_length=1)
    phase: Phase | None = None  # None: what was last set by `dcmon racks phase`, at first "watch"


class Config(Settings):
    """The whole file; every key has a default that works on one machine."""

    site: str = Field(default="site", min_length=1)  # a tag of every alert
    hall: str = Field(default="hall", min_length=1)  # a tag of every alert
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    rules: Path | None = None  # None: the shipped rules
    store: Store = Store()
    time: Time = Time()
    links: tuple[MqttLink, ...] = (MqttLink(),)
    influx: Influx | None = None
    racks: dict[str, Rack] = Field(default_factory=dict)  # by the id that the wire gives the rack

    @field_validator("links")
    @classmethod
    def _own_names(cls, links: tuple[MqttLink, ...]) -> tuple[MqttLink, ...]:
        if not links:
            raise ValueError("is empty; give at least one link")
        names = [link.name for link in links]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f'{names.count(name)} links are called "{name}"; give each a name of its own')
        return links


def load(path: Path | None, environment: Mapping[str, str]) -> Config:
    """Read the operator's file, then what the environment sets over it.

    Args:
        path: the file; None for defaults and environment alone.
        environment: the process's variables, see `monitor.environment`.

    Raises:
        ConfigError: every fault of both.

    """
    config, _, faults = _read(path, environment)
    if config is None or faults:
        raise ConfigError(faults)
    return config


def check(path: Path | None, environment: Mapping[str, str]) -> list[Fault]:
    """Return every fault that `load` would raise, and every file the configuration names that cannot be read here and now."""
    config, document, faults = _read(path, environment)
    if config is not None:
        faults = [*faults, *_unreadable(config, document)]
    return list(ConfigError(faults).faults)


def _read(path: Path | None, environment: Mapping[str, str]) -> tuple[Config | None, Document, list[Fault]]:
    document, faults = (Document("", {}), []) if path is None else yamlfile.read(path)
    readable = bool(document.data) or not faults
    unknown = overlay(document, Config, environment)
    config, refused = yamlfile.validate(document, Config) if readable else (None, [])
    return config, document, [*faults, *unknown, *refused]


def _unreadable(config: Config, document: Document) -> Iterator[Fault]:
    for path, file in _named(config):
        if path == ("store", "path"):
            continue  # the one that the monitor makes
        kind = "folder" if path == ("rules",) else "file"
        wrong = _wrong(file, kind)
        if wrong:
            found = refusal.shown(str(file), str(path[-1]), most=4096)  # a secret written where its file should be named is not shown
            yield document.fault(path, f"{found} {wrong}; a {kind} that this user can read is needed", value=True)


def _wrong(file: Path, kind: str) -> str:
    try:
        if not file.exists():
            return "does not exist"
        if file.is_dir() != (kind == "folder"):
            return f"is no {kind}"
    except OSError as error:  # a name too long, a folder above that may not be entered
        return f"cannot be read ({error.strerror})"
    return "" if os.access(file, os.R_OK) else "cannot be read by this user"


def _named(value: object, path: KeyPath = ()) -> Iterator[tuple[KeyPath, Path]]:
    """Yield every file and folder that settings name, with its place in them."""
    if isinstance(value, Path):
        yield path, value
    elif isinstance(value, Settings):
        for key in type(value).model_fields:
            yield from _named(getattr(value, key), (*path, key))
    elif isinstance(value, tuple):
        for index, item in enumerate(value):
            yield from _named(item, (*path, index))
