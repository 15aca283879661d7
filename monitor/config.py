"""The operator's file as frozen models. `deploy/monitor.yaml` says to an operator what each key does; a test keeps the two together."""

import os
import re
import ssl
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator

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


MOST_FILTER = 65_535  # bytes of a topic filter, MQTT 3.1.1 section 1.5.3


def _filter(text: str) -> str:
    """Refuse what is no MQTT topic filter."""
    levels = text.split("/")
    size = len(text.encode("utf-8", "surrogatepass"))
    wrong = ""
    if not text:
        wrong = "a topic filter is needed, for example BMS/v1/+/Value/#"
    elif "\0" in text:
        wrong = "a topic filter has no NUL character; take it out"
    elif size > MOST_FILTER:
        wrong = f"a topic filter has at most {MOST_FILTER:,} bytes, this one {size:,}"
    elif any("#" in level for level in levels[:-1]) or ("#" in levels[-1] and levels[-1] != "#"):
        wrong = '"#" stands alone as the last level; write for example a/#'
    elif any("+" in level and level != "+" for level in levels):
        wrong = '"+" stands alone between slashes; write for example a/+/b'
    if wrong:
        raise ValueError(f"found {refusal.shown(text)}; {wrong}")
    return text


def _host(text: str) -> str:
    """Refuse what is no name or address of one host."""
    scheme, _, rest = text.rpartition("://")
    name = re.split(r"[/?]", rest.rpartition("@")[2])[0]
    name = re.sub(r":\d*$", "", name) if name.count(":") == 1 else name
    alone = f"write the name alone, {name}" if name and len(name.split()) == 1 else "write the name alone"
    if not text.strip():
        raise ValueError(f"found {refusal.shown(text)}; the name or address of the broker is needed")
    if "@" in text:  # what stands before it may be a secret
        raise ValueError(f"holds a user name; {alone}, and put the user into username and password_file")
    if scheme:
        raise ValueError(f"found {refusal.shown(text)}; {alone}; `tls` makes the link encrypted")
    if re.search(r"[\s/?]", text):
        raise ValueError(f"found {refusal.shown(text)}; {alone}")
    if text.count(":") == 1:
        raise ValueError(f"found {refusal.shown(text)}; {alone}; `port` is a key of its own")
    return text


class MqttLink(Settings):
    """One MQTT 3.1.1 broker session."""

    name: str = Field(default="bus", min_length=1)
    host: Annotated[str, AfterValidator(_host)] = "127.0.0.1"
    port: int = Field(default=1883, ge=1, le=65535)
    dialect: Literal["dsx", "frames"] = "dsx"
    map: Path | None = None  # of the dialect frames: what its messages say, see monitor/collect/frames_map.py
    topics: tuple[Annotated[str, AfterValidator(_filter)], ...] = (
        "BMS/v1/PUB/Metadata/#",
        "BMS/v1/+/Value/#",
        "cpc/+/BMS/v1/PUB/Metadata/#",
        "cpc/+/BMS/v1/+/Value/#",
    )
    qos: Literal[0, 1] = 0
    client_id: str | None = None
    username: str | None = None
    password_file: Path | None = None  # with username; read anew at each connect
    token_file: Path | None = None  # OAuth2: username becomes "oauthtoken", the file's text the password; read anew at each connect
    tls: Tls | None = None
    keepalive: int = Field(default=60, ge=1, le=3600)  # s
    timeout: float = Field(default=10.0, gt=0)  # s, for connect and subscribe
    max_packet: int = Field(default=4_194_304, ge=1024)  # bytes; DSX brokers allow 4 MiB

    @field_validator("topics")
    @classmethod
    def _some_topics(cls, topics: tuple[str, ...]) -> tuple[str, ...]:
        if not topics:
            raise ValueError("is empty; give at least one topic filter, or remove the key")
        for topic in topics:
            if topics.count(topic) > 1:
                raise ValueError(f"{refusal.shown(topic)} stands here {topics.count(topic)} times; keep one")
        return topics

    @model_validator(mode="after")
    def _map_of_frames(self) -> Self:
        if self.dialect == "frames" and self.map is None:
            raise ValueError("dialect frames needs map: the file that says what its messages hold")
        if self.dialect == "dsx" and self.map is not None:
            raise ValueError(
                "map is for the dialect frames; the DSX wire says itself what its points are; remove it, or write dialect: frames"
            )
        return self

    @model_validator(mode="after")
    def _one_secret(self) -> Self:
        if self.password_file is not None and self.token_file is not None:
            raise ValueError("password_file and token_file exclude each other; keep one")
        if self.password_file is not None and not self.username:
            raise ValueError("password_file without username; add username")
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
    plant: Path | None = None  # assets and what serves what, where no wire says so; see monitor/collect/inventory.py
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


def unknown_skus(path: Path | None, environment: Mapping[str, str], known: Collection[str]) -> list[Fault]:
    """Return one fault for each rack of a sound configuration whose SKU is not among those that the limits know."""
    config, document, _ = _read(path, environment)
    racks = {} if config is None else config.racks
    return [
        document.fault(
            ("racks", name, "sku"), f"found {refusal.shown(rack.sku)}; {refusal.advice(rack.sku, sorted(known), 'known SKUs')}", value=True
        )
        for name, rack in racks.items()
        if rack.sku is not None and rack.sku not in known
    ]


def _read(path: Path | None, environment: Mapping[str, str]) -> tuple[Config | None, Document, list[Fault]]:
    document, faults = (Document("", {}), []) if path is None else yamlfile.read(path)
    readable = bool(document.data) or not faults
    unknown = overlay(document, Config, environment)
    config, refused = yamlfile.validate(document, Config) if readable else (None, [])
    return config, document, [*faults, *unknown, *refused]


def _unreadable(config: Config, document: Document) -> Iterator[Fault]:
    missing = set()
    for path, file in _named(config):
        if path == ("store", "path"):  # the one that the monitor makes
            if _blocked(file):
                yield document.fault(
                    path, f"{refusal.shown(str(file), most=4096)} is no folder, or below a file; name a folder", value=True
                )
            continue
        kind = "folder" if path == ("rules",) else "file"
        wrong = _wrong(file, kind)
        if wrong:
            missing.add(path)
            found = refusal.shown(str(file), "" if _like_a_path(str(file)) else str(path[-1]), most=4096)
            yield document.fault(path, f"{found} {wrong}; a {kind} that this user can read is needed", value=True)
    for path, tls in [
        *((("links", at, "tls"), link.tls) for at, link in enumerate(config.links)),
        (("influx", "tls"), _tls(config.influx)),
    ]:
        if tls is not None:
            for key, text in _unloadable(tls, {key for key in ("ca", "cert", "key") if (*path, key) not in missing}):
                yield document.fault((*path, key), f"{refusal.shown(str(getattr(tls, key)), most=4096)} {text}", value=True)


def _tls(influx: Influx | None) -> Tls | None:
    return None if influx is None else influx.tls


def _blocked(folder: Path) -> bool:
    """Say whether a folder can be neither used nor made, as a file stands in its way."""
    try:
        first = next((place for place in (folder, *folder.parents) if place.exists()), None)
        return first is not None and not first.is_dir()
    except OSError:  # a name too long, a folder above that may not be entered
        return True


_PATH = re.compile(r"(/|\.\./|~/).*|[^/]+\.(token|password|passwd|pass|pw|secret|txt|key|pem|json|yaml)")
_MOST_PART = 64  # characters; a longer name is likely a token


def _like_a_path(text: str) -> bool:
    """Say whether a text is a path, which is told, and no secret written where its file should be named, which is not."""
    parts = text.split("/")
    inside = len(parts) > 1 and parts[0] != "" and len(parts[0]) <= _MOST_PART and Path(parts[0]).is_dir()
    return max(map(len, parts)) <= _MOST_PART and (inside or _PATH.fullmatch(text) is not None)


def _unloadable(tls: Tls, readable: Collection[str]) -> Iterator[tuple[str, str]]:
    """Yield the keys whose files TLS cannot take, and why."""
    if tls.ca is not None and "ca" in readable:
        try:
            ssl.create_default_context(cafile=tls.ca)
        except (OSError, ValueError) as error:  # ssl's are both
            yield "ca", f"cannot be loaded ({_reason(error)}); certificates of the CA in PEM are needed"
    if tls.cert is None or tls.key is None or not {"cert", "key"} <= set(readable):
        return
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(cafile=tls.cert)
    except (OSError, ValueError) as error:
        yield "cert", f"cannot be loaded ({_reason(error)}); a certificate in PEM is needed"
        return
    asked = []

    def passphrase() -> str:
        asked.append(True)
        return "-"  # else ssl asks at the terminal

    try:
        context.load_cert_chain(tls.cert, tls.key, passphrase)
    except (OSError, ValueError) as error:
        if asked:
            yield "key", "is encrypted with a passphrase; a key without one is needed"
        else:
            yield "key", f"cannot be loaded ({_reason(error)}); the private key of `cert` in PEM is needed"


def _reason(error: Exception) -> str:
    """Return ssl's reason in words."""
    if isinstance(error, ssl.SSLError):
        return (error.reason or "no PEM found").replace("_", " ").lower()
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


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
