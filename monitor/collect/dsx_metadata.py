"""Metadata of the DSX BMS wire: one JSON object becomes one point's descriptor and what it says about assets.

Everything that differs from the contract is read as well as it can be and told as a lint; only metadata that does not
say whose point it is describes nothing.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from monitor.collect.dsx_topic import BMS, Topic, source
from monitor.collect.dsx_types import OBJECT_TYPES, OLD_POINT_TYPES, PHASES, POINT_TYPES, lint
from monitor.model import Point
from monitor.plant import OWN_KINDS, UNKNOWN
from monitor.units import canonical, conversion
from monitor.vocabulary import QUANTITIES

REPUBLISHED = 100.0  # s, an unchanged value comes again
HEARTBEAT = 10.0  # s
_HEARTBEATS = frozenset(name for name in POINT_TYPES if name.startswith("Heartbeat"))
_OWN_CLOCKS = frozenset({"HeartbeatTimestampBms", "HeartbeatTimestampIntegration"})
_AREAS = ("primary", "secondary", "inlet", "outlet", "supply", "return")  # what the contract recommends
# What a GenericPoint measures where a process area says so and its unit fits.
_GENERIC_AREAS = {
    "level": "liquid_level",
    "conductivity": "liquid_conductivity",
    "turbidity": "liquid_turbidity",
    "glycol": "liquid_glycol",
    "vibration": "vibration",
}
_LONGEST = 512  # of an id or a name
_MOST_TAGS, _MOST_STATES = 16, 256

Lints = list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Description:
    """What one metadata message says. Ids carry the bus prefix."""

    point: Point
    publisher: str  # who may publish the value
    kind: str  # of the point's asset; UNKNOWN where only its id is named
    name: str  # of the asset, "" where none was given
    serves: tuple[str, ...]  # assets that this one feeds
    scope: str | None  # of a heartbeat that is its publisher's own clock, "" = the whole source; None otherwise


def describe(topic: Topic, metadata: Mapping[str, Any]) -> tuple[Description | None, Lints]:
    """Read one metadata object.

    Returns:
        The description, None where the object does not say whose point it is; and (finding code, text) for whatever
        differs from the contract.

    """
    lints: Lints = []
    for key, said in (("objectType", topic.object_type), ("pointType", topic.point_type)):
        if metadata.get(key, said) != said:
            lints.append(("metadata_not_as_topic", f"{key} is {_shown(metadata[key])}, the topic says {_shown(said)}; the topic is used"))
    point_type = OLD_POINT_TYPES.get(topic.point_type, topic.point_type)
    if point_type != topic.point_type:
        lints.append(("point_type_old", f"{topic.point_type} is an old name of {point_type}"))
    lints += lint(topic.object_type, point_type, metadata)
    kind = _kind(topic.object_type)
    identity = _identity(topic.object_type, metadata, lints)
    if identity is None:
        return None, lints
    name_id, name, associated = identity
    publisher = _publisher(metadata, lints)
    quantity, setpoint = _quantity(point_type, metadata, lints)
    states = _states(metadata, lints)
    tags = {*_areas(metadata, lints), *_phase(metadata, lints), *([kind] if associated else [])}
    quantity, tags = _narrowed(point_type, quantity, tags, metadata)
    unit, scale, offset = _unit(point_type, quantity, metadata, states, lints)
    point = Point(
        source=source(topic.prefix, publisher),
        path=topic.path,
        asset=topic.prefix + name_id,
        quantity=quantity,
        unit=unit,
        scale=scale,
        offset=offset,
        tags=tuple(sorted(tags)),
        setpoint=setpoint,
        states=states,
        interval=HEARTBEAT if point_type in _HEARTBEATS else REPUBLISHED,
    )
    scope = (_text(metadata, "scope", lints) or "") if point_type in _OWN_CLOCKS else None
    serves = () if associated else tuple(topic.prefix + taker for taker in _serves(name_id, metadata, lints))
    return Description(point, publisher, UNKNOWN if associated else kind, name, serves, scope), lints


def _identity(object_type: str, metadata: Mapping[str, Any], lints: Lints) -> tuple[str, str, bool] | None:
    """Return (asset id, its name, whether the id is that of the asset which the object belongs to).

    The name stands in only for an id that is absent: in place of one that cannot be used it might be another asset's.
    """
    if object_type == "Rack":
        found = next((key for key in ("rackLocationId", "rackId", "rackID") if key in metadata), "rackLocationId")
        name = _text(metadata, "rackLocationName", lints) or _text(metadata, "rackName", lints)
        if found != "rackLocationId":
            lints.append(("rack_id_dialect", f"{found} in place of rackLocationId"))
        named = _text(metadata, found, lints)
    else:
        found = "objectId"
        name = _text(metadata, "objectName", lints)
        named = _text(metadata, found, lints)
    associate = _text(metadata, "associateId", lints)
    if named and associate:
        lints.append(("metadata_two_identities", f"its own id {_shown(named)} and associateId {_shown(associate)}; its own is used"))
    if named or associate:
        return named or associate, (name or named) if named else "", not named
    unusable = [key for key in (found, "associateId") if key in metadata]
    if unusable:
        text = f"{' and '.join(unusable)} cannot be used, and a name is no substitute; values of this point are not used"
        lints.append(("metadata_without_identity", text))
        return None
    if name:
        lints.append(("identity_by_name", "no id given; the name is used as id"))
        return name, name, False
    lints.append(("metadata_without_identity", "no rackLocationId, objectId or associateId; values of this point are not used"))
    return None


def _kind(object_type: str) -> str:
    known = OBJECT_TYPES.get(object_type)
    if known is not None:
        return known.kind
    kind = _snake(object_type)
    return "generic_object" if kind in OWN_KINDS or kind in {UNKNOWN, ""} else kind  # those words have a meaning of their own here


def _quantity(point_type: str, metadata: Mapping[str, Any], lints: Lints) -> tuple[str, bool]:
    """Return the quantity and whether the point is a set-point."""
    told = metadata.get("isSetpoint", False)
    if not isinstance(told, bool):
        lints.append(("metadata_field_type", f"isSetpoint is {_shown(told)}; true or false would do"))
        told = str(told).strip().lower() in {"true", "1"}
    stem = point_type.removesuffix("Sp")
    known = POINT_TYPES.get(point_type) or POINT_TYPES.get(stem)
    return known.quantity if known else _snake(stem) or "generic", told or stem != point_type


def _narrowed(point_type: str, quantity: str, tags: set[str], metadata: Mapping[str, Any]) -> tuple[str, set[str]]:
    """Return the narrower word that the process areas give a point of a general type, and the tags that still say something."""
    if point_type == "LiquidDifferentialPressure" and any(tag.startswith("filter") for tag in tags):
        return "filter_differential_pressure", tags
    area = next((tag for tag in sorted(tags) if tag in _GENERIC_AREAS), None) if point_type == "GenericPoint" else None
    if area is None:
        return quantity, tags
    try:
        conversion(str(metadata.get("engUnit", "")), QUANTITIES[_GENERIC_AREAS[area]].unit)
    except ValueError:
        return quantity, tags
    return _GENERIC_AREAS[area], tags - {area, "reservoir"}


def _unit(
    point_type: str, quantity: str, metadata: Mapping[str, Any], states: tuple[tuple[int, str], ...], lints: Lints
) -> tuple[str, float, float]:
    """Return the canonical unit with scale and offset; a unit that nobody knows stays as it is."""
    if point_type in _HEARTBEATS:
        return "s", 1e-3, 0.0
    known = POINT_TYPES.get(point_type)
    expected = QUANTITIES[quantity].unit if quantity in QUANTITIES else ""
    text = _text(metadata, "engUnit", lints)
    if text and states:
        lints.append(("metadata_unit_and_states", "both engUnit and stateText given; the unit is used"))
    if not text and (states or not expected):
        return "", 1.0, 0.0
    if not text and known is not None and known.unit:
        lints.append(("unit_missing", f"no engUnit; {known.unit} is taken, which the contract fixes"))
        text = known.unit
    if not text:
        lints.append(("unit_missing", f"neither engUnit nor stateText; the value stays a plain number, rules expect {expected}"))
        return "", 1.0, 0.0
    try:
        return expected, *conversion(text, expected)
    except ValueError as error:
        try:
            own = canonical(text)
            scale, offset = conversion(text, own)
        except ValueError:
            lints.append(("unit_unknown", f"{error}; the value stays as it is"))
            return text[:32], 1.0, 0.0
        if expected and not (own == "1/min" and quantity in {"pump_speed", "fan_speed"}):
            lints.append(("unit_unexpected", f"{error}; the value is kept in {own or 'no unit'}"))
        return own, scale, offset


def _states(metadata: Mapping[str, Any], lints: Lints) -> tuple[tuple[int, str], ...]:
    """Read labels for display; they never say which value is the bad one."""
    told = metadata.get("stateText", [])
    if not isinstance(told, list):
        lints.append(("metadata_field_type", "stateText is no list; left out"))
        return ()
    states = []
    for entry in told[:_MOST_STATES]:
        value, text = (entry.get("value"), entry.get("text")) if isinstance(entry, dict) else (None, None)
        if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**53 and isinstance(text, str):
            states.append((value, text[:_LONGEST]))
        else:
            lints.append(("metadata_field_type", f"stateText has {_shown(entry)}; an integer value and a text would do"))
    return tuple(states)


def _areas(metadata: Mapping[str, Any], lints: Lints) -> list[str]:
    """Read process areas as tags: lower case, inner spaces as underscores so that a rule can name them."""
    tags = []
    for text in _texts(metadata, "processArea", lints)[:_MOST_TAGS]:
        tag = "_".join(text.lower().split())[:64]
        meant = next((word for word in _AREAS if tag not in _AREAS and tag.isalpha() and _one_slip(tag, word)), None)
        if meant is not None:
            lints.append(("process_area_spelling", f"processArea {_shown(text)} is read as {meant}"))
        tags.append(meant or tag)
    return [tag for tag in tags if tag]


def _phase(metadata: Mapping[str, Any], lints: Lints) -> list[str]:
    if "phase" not in metadata:
        return []
    phase = _text(metadata, "phase", lints)
    if phase not in PHASES:
        lints.append(("phase_unknown", f"phase is {_shown(metadata['phase'])}; one of {', '.join(PHASES)} would do"))
    return [phase.lower()[:64]] if phase else []


def _serves(own: str, metadata: Mapping[str, Any], lints: Lints) -> list[str]:
    takers = _texts(metadata, "servesId", lints)
    if own in takers:
        lints.append(("serves_itself", "servesId names the object itself; left out"))
    return [taker for taker in takers if taker != own]


def _publisher(metadata: Mapping[str, Any], lints: Lints) -> str:
    integration = _text(metadata, "integration", lints)
    if integration and set(integration) & set("/+#"):
        lints.append(("integration_word", f"integration {_shown(integration)} cannot be a topic level; no value can come"))
    return integration or BMS


def _text(metadata: Mapping[str, Any], key: str, lints: Lints) -> str:
    """Read a text, "" where there is none; a number is read as its digits."""
    found = metadata.get(key)
    if found is None and key not in metadata:
        return ""
    if isinstance(found, str) and 0 < len(found) <= _LONGEST:
        return found
    lints.append(("metadata_field_type", f"{key} is {_shown(found)}; a text of 1 to {_LONGEST} characters would do"))
    return str(found) if isinstance(found, int) and not isinstance(found, bool) and abs(found) < 10**30 else ""


def _texts(metadata: Mapping[str, Any], key: str, lints: Lints) -> list[str]:
    """Read a list of texts; a bare text is read as a list of one."""
    found = metadata.get(key, [])
    if isinstance(found, str):
        lints.append(("metadata_field_type", f"{key} is a text; a list of texts would do"))
        found = [found]
    if not isinstance(found, list):
        lints.append(("metadata_field_type", f"{key} is {_shown(found)}; a list of texts would do"))
        return []
    return [text for text in (_text({key: entry}, key, lints) for entry in found) if text]


def _one_slip(word: str, meant: str) -> bool:
    """Tell whether one letter was added, left out, changed, or swapped with its neighbour."""
    if abs(len(word) - len(meant)) > 1:
        return False
    same = next((at for at, (a, b) in enumerate(zip(word, meant, strict=False)) if a != b), min(len(word), len(meant)))
    left, right = word[same:], meant[same:]
    return left[1:] == right or left == right[1:] or left[1:] == right[1:] or (left[1::-1] == right[:2] and left[2:] == right[2:])


def _snake(name: str) -> str:
    """Turn CamelCase into a word of the vocabulary's form, at most 64 characters.

    >>> _snake("CoolingTowerV2"), _snake("CDU")
    ('cooling_tower_v2', 'cdu')
    """
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name[:_LONGEST])
    return re.sub(r"[^a-z0-9]+", "_", words.lower()).strip("_")[:64]


def _shown(found: object) -> str:
    """Show what a publisher sent, short and on one line; a nested value or an endless number by its kind only."""
    if isinstance(found, list | dict):
        return f"a {'list' if isinstance(found, list) else 'JSON object'}"
    if isinstance(found, int) and abs(found) >= 10**30:
        return "a very long number"
    return repr(found[:60] if isinstance(found, str) else found)
