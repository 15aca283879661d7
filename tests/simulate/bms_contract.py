"""The published contract of DSX Exchange BMS 1.0 as a validator of whole messages."""

import json
import re
from functools import cache
from typing import Any

import yaml
from data import recorded
from jsonschema import Draft202012Validator


@cache
def _contract() -> dict[str, Any]:
    text = recorded("dsx-exchange", "asyncapi", "bms", "bms.yaml").read_text()
    return yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))


@cache
def _validators(channel: str, point_type: str) -> list[Draft202012Validator]:
    """Return validators of the payloads that a channel allows for a point type."""
    contract = _contract()
    found = []
    for reference in contract["channels"][channel]["messages"].values():
        name = reference["$ref"].rsplit("/", 1)[1]
        if name == "ValueMessage" or point_type in name or (point_type == "GenericPoint" and name.startswith("Generic")):
            schema = f"#/components/messages/{name}/payload"
            found.append(Draft202012Validator({"$ref": schema, "components": contract["components"]}))
    return found


@cache
def _channel(object_type: str, sort: str, point_type: str) -> str:
    begin = f"BMS/v1/PUB/{sort}/{object_type}/"
    channels = [name for name, channel in _contract()["channels"].items() if channel["address"].startswith(begin)]
    assert len(channels) == 1, f"no channel {begin}"
    assert point_type in _contract()["channels"][channels[0]]["parameters"]["pointType"]["enum"], f"no {point_type} on {begin}"
    return channels[0]


def check(topic: str, payload: bytes) -> dict[str, Any]:
    """Hold one message against the contract; return its payload."""
    match = re.fullmatch(r"BMS/v1/PUB/(Value|Metadata)/(\w+)/(\w+)/([\w./-]+)", topic)
    assert match, topic
    sort, object_type, point_type, _ = match.groups()
    message = json.loads(payload)
    validators = _validators(_channel(object_type, sort, point_type), point_type)
    assert any(validator.is_valid(message) for validator in validators), f"{topic}: {message}"
    if sort == "Metadata":
        assert (message["objectType"], message["pointType"]) == (object_type, point_type)
    return message
