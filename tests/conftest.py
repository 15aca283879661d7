"""Fixtures that several stages share: real brokers and a certificate authority."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from plant.broker import Broker, Mosquitto, Nats
from plant.certificates import Authority

BROKERS: dict[str, type[Broker]] = {"nats": Nats, "mosquitto": Mosquitto}

StartBroker = Callable[..., Broker]


@pytest.fixture
def start_broker(tmp_path: Path) -> Iterator[StartBroker]:
    """Start a broker of a kind ("nats", "mosquitto") with options; all end with the test."""
    with ExitStack() as stack:

        def start(kind: str, **options: object) -> Broker:
            return stack.enter_context(BROKERS[kind](tmp_path / kind, **options))

        yield start


@pytest.fixture(params=list(BROKERS))
def broker_kind(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates"), "site-ca")
