"""The tables equal the published contract, channel by channel."""

from typing import Any, NamedTuple

import pytest
import yaml
from data import recorded

from monitor.collect.dsx_types import OBJECT_TYPES, OLD_POINT_TYPES, PHASES, POINT_TYPES, Measure, fields, lint
from monitor.vocabulary import KINDS, QUANTITIES

SECTIONS = {"PUB/Value": "bms", "PUB/Metadata": "points", "{integration}/Value": "integration"}


class Schema(NamedTuple):
    """One metadata schema, its $refs and allOfs resolved."""

    known: frozenset[str]
    required: frozenset[str]
    choices: frozenset[frozenset[frozenset[str]]]  # of each oneOf or anyOf, what its branches require
    words: dict[str, tuple[str, ...]]


@pytest.fixture(scope="module")
def contract() -> dict[str, Any]:
    return yaml.safe_load(recorded("dsx-exchange", "asyncapi", "bms", "bms.yaml").read_text(encoding="utf-8"))


def follow(contract: dict[str, Any], node: dict[str, Any]) -> dict[str, Any]:
    for part in node["$ref"].removeprefix("#/").split("/") if "$ref" in node else []:
        contract = contract[part]
    return contract if "$ref" in node else node


def resolve(contract: dict[str, Any], node: dict[str, Any]) -> Schema:
    node = follow(contract, node)
    properties = node.get("properties", {})
    branches = [[resolve(contract, branch) for branch in node[key]] for key in ("oneOf", "anyOf") if key in node]
    parts = [resolve(contract, part) for part in node.get("allOf", [])]
    words: dict[str, tuple[str, ...]] = {}
    for more in [part.words for part in parts] + [{key: tuple(value["enum"]) for key, value in properties.items() if "enum" in value}]:
        words.update(more)
    return Schema(
        frozenset(properties).union(*(part.known for part in parts), *(branch.known for group in branches for branch in group)),
        frozenset(node.get("required", ())).union(*(part.required for part in parts)),
        frozenset(frozenset(branch.required for branch in group) for group in branches).union(*(part.choices for part in parts)),
        words,
    )


def test_all_channels_have_their_point_types(contract: dict[str, Any]) -> None:
    seen = set()
    for channel in contract["channels"].values():
        _, _, publisher, sort, object_type, *_ = channel["address"].split("/")
        allowed = getattr(OBJECT_TYPES[object_type], SECTIONS[f"{publisher}/{sort}"])

        assert allowed == set(channel["parameters"]["pointType"]["enum"]), channel["address"]
        seen.add((publisher, sort, object_type))
    assert len(seen) == len(contract["channels"]) == 69
    assert {object_type for *_, object_type in seen} == set(OBJECT_TYPES)


def test_all_metadata_schemas_have_their_fields(contract: dict[str, Any]) -> None:
    checked = 0
    for channel in contract["channels"].values():
        if "/Metadata/" not in channel["address"]:
            continue
        object_type = channel["address"].split("/")[4]
        messages = set()
        for message in channel["messages"].values():
            schema = resolve(contract, follow(contract, message)["payload"])
            (point_type,) = schema.words["pointType"]
            table = fields(object_type, point_type)
            where = f"{object_type}/{point_type}"
            measure = POINT_TYPES[point_type].measure
            always = [choice[0] for choice in (table.identity, table.measure) if len(choice) == 1]
            choices = {frozenset(choice) for choice in (table.identity, table.measure) if len(choice) > 1 and choice is not table.measure}
            choices |= {frozenset(table.measure)} if measure is Measure.EITHER else set()

            assert schema.required == table.required.union(*always), where
            # GenericPoint's anyOf requires neither field and each branch forbids the other: Measure.ANY.
            assert {choice for choice in schema.choices if choice != {frozenset()}} == choices, where
            assert schema.known == table.known, where
            assert schema.words.get("engUnit", ("",)) == (POINT_TYPES[point_type].unit,), where
            assert schema.words.get("phase", PHASES) == PHASES, where
            assert object_type in schema.words.get("objectType", (object_type,)), where
            messages.add(point_type)
            checked += 1
        assert messages == OBJECT_TYPES[object_type].points
    assert checked == sum(len(known.points) for known in OBJECT_TYPES.values())


def test_every_name_has_a_word_of_the_vocabulary() -> None:
    assert {point.quantity for point in POINT_TYPES.values()} <= set(QUANTITIES)
    assert {known.kind for known in OBJECT_TYPES.values()} <= set(KINDS)
    assert set(OLD_POINT_TYPES.values()) <= set(POINT_TYPES)
    assert set().union(*(known.points for known in OBJECT_TYPES.values())) == set(POINT_TYPES)


RACK = {"objectType": "Rack", "pointType": "RackPower", "engUnit": "kW", "rackLocationName": "r", "rackLocationId": "r"}


@pytest.mark.parametrize(
    ("object_type", "point_type", "metadata", "code"),
    [
        ("Rack", "RackPower", RACK | {"colour": "red"}, "metadata_field_unknown"),
        ("Rack", "RackPower", {key: RACK[key] for key in RACK if key != "rackLocationName"}, "metadata_field_missing"),
        ("Rack", "RackPower", RACK | {"engUnit": "W"}, "metadata_unit_not_fixed"),
        ("Rack", "RackSmell", RACK, "point_type_unknown"),
        ("Toaster", "Status", RACK, "object_type_unknown"),
        ("Rack", "Voltage", RACK, "point_type_misplaced"),
    ],
)
def test_a_difference_from_the_contract_is_told(object_type: str, point_type: str, metadata: dict[str, str], code: str) -> None:
    assert [found for found, _ in lint(object_type, point_type, metadata)] == [code]


def test_metadata_of_the_contract_has_no_lint() -> None:
    valve = {"objectType": "Valve", "pointType": "ValvePosition", "stateText": [], "associateId": "r", "processArea": ["Return"]}

    assert lint("Rack", "RackPower", RACK) == []
    assert lint("Valve", "ValvePosition", valve) == []
