"""The operator's file as frozen models."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Settings(BaseModel):
    """Base of every part of the file: frozen, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Tls(Settings):
    """TLS of one link. With `cert` and `key` the link is mutual (mTLS). All files are read anew at each connect."""

    ca: Path | None = None  # None: the system's roots
    cert: Path | None = None
    key: Path | None = None


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
