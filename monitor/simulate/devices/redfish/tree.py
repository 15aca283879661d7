"""A Redfish tree whose leaves are read from the plant when somebody asks for them.

A resource is a template: where a value is a function, it is called for each answer.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import isfinite
from typing import Any

from monitor.simulate.devices.readout import Readout

Json = dict[str, Any]
Live = Callable[[], float | None]

ROOT = "/redfish/v1"
OK = {"Health": "OK", "State": "Enabled"}
ROLLUP = {"Conditions": [], "Health": "OK", "HealthRollup": "OK", "State": "Enabled"}
LOST = {"Health": None, "State": "UnavailableOffline"}  # of a sensor without a reading


@dataclass(frozen=True, slots=True)
class Measure:
    """What a sensor says of itself; `factor` turns the plant's canonical unit into the one here."""

    type: str  # ReadingType
    units: str  # ReadingUnits: UCUM, but for RPM, which recorded controllers write so
    factor: float = 1.0


CELSIUS = Measure("Temperature", "Cel")
WATTS = Measure("Power", "W", 1000.0)
VOLTS = Measure("Voltage", "V")
AMPS = Measure("Current", "A")
RPM = Measure("Rotational", "RPM")
PERCENT = Measure("Percent", "%")
LITRES = Measure("LiquidFlowLPM", "L/min")
KILOPASCAL = Measure("PressurekPa", "kPa")
LEVEL = Measure("LiquidLevel", "%")
JOULES = Measure("EnergyJoules", "J")


def link(uri: str) -> Json:
    return {"@odata.id": uri}


def tidy(value: float) -> float | None:
    """Return a number as JSON can say it: null where it is not known, and without the dust of binary fractions."""
    return round(value, 6) if isfinite(value) else None


class Tree:
    """Resources by their URI."""

    def __init__(self) -> None:
        self._templates: dict[str, Json] = {}
        self._members: dict[str, list[str]] = {}
        self.readings: dict[str, Live] = {}

    def __contains__(self, uri: str) -> bool:
        return uri in self._templates

    def __iter__(self) -> Iterator[str]:
        return iter(self._templates)

    def add(self, uri: str, kind: str, name: str, fields: Json | None = None) -> str:
        """Add a resource and return its URI; `kind` is its versioned type, for example Sensor.v1_7_0."""
        template = {"@odata.id": uri, "@odata.type": f"#{kind}.{kind.partition('.')[0]}", "Id": uri.rpartition("/")[2], "Name": name}
        self._templates[uri] = template | (fields or {})
        return uri

    def collection(self, uri: str, kind: str, name: str) -> str:
        """Add a collection, or find it where it is, and return its URI."""
        if uri not in self._templates:
            self._members[uri] = []
            self._templates[uri] = {"@odata.id": uri, "@odata.type": f"#{kind}Collection.{kind}Collection", "Name": name}
        return uri

    def member(self, uri: str, kind: str, name: str, fields: Json | None = None) -> str:
        """Add a resource to the collection that its URI is below."""
        self._members[uri.rpartition("/")[0]].append(uri)
        return self.add(uri, kind, name, fields)

    def remove(self, uri: str) -> None:
        self._templates.pop(uri, None)
        members = self._members.get(uri.rpartition("/")[0], [])
        if uri in members:
            members.remove(uri)

    def members(self, uri: str) -> list[str] | None:
        """Return the members of a collection, None of what is none."""
        return self._members.get(uri)

    def read(self, uri: str) -> Json:
        """Return a resource as it is now; of a collection, all members as links."""
        found = {key: _live(value) for key, value in self._templates[uri].items()}
        members = self._members.get(uri)
        if members is not None:
            found |= {"Members": [link(member) for member in members], "Members@odata.count": len(members)}
        return found

    def excerpt(self, uri: str) -> Json:
        """Return the template of an excerpt of a sensor."""
        return {"DataSourceUri": uri, "Reading": self.readings[uri]}


class Branch:
    """One device's part of a tree.

    Args:
        tree: to add to.
        readout: of the plant.
        device: whose part it is.
        prefix: of the ids of chassis, systems, managers and equipment, where several devices share a tree.

    """

    def __init__(self, tree: Tree, readout: Readout, device: str, prefix: str = "") -> None:
        self.tree, self.readout, self.device, self.prefix = tree, readout, device, prefix

    def chassis(self, ident: str, kind: str, fields: Json) -> str:
        """Add a chassis with an empty collection of sensors."""
        uri = f"{ROOT}/Chassis/{self.prefix}{ident}"
        sensors = self.tree.collection(f"{uri}/Sensors", "Sensor", "Sensors")
        own = {"ChassisType": kind, "PowerState": "On", "Sensors": link(sensors), "Status": ROLLUP}
        self.tree.collection(f"{ROOT}/Chassis", "Chassis", "Chassis Collection")
        return self.tree.member(uri, "Chassis.v1_22_0", ident, own | fields)

    def sensor(self, chassis: str, ident: str, signal: str, asset: str, measure: Measure, fields: Json | None = None) -> str:
        """Add a sensor that shows a signal of the plant, and return its URI."""
        return self.shown(chassis, ident, lambda: tidy(measure.factor * self.readout.number(signal, asset, self.device)), measure, fields)

    def shown(self, chassis: str, ident: str, value: Live, measure: Measure, fields: Json | None = None) -> str:
        """Add a sensor that shows what a function says, and return its URI."""
        uri = f"{chassis}/Sensors/{ident}"
        own: Json = {"Reading": value, "ReadingType": measure.type, "ReadingUnits": measure.units}
        self.tree.readings[uri] = value
        self.tree.member(
            uri, "Sensor.v1_7_0", ident.replace("_", " "), own | {"Status": lambda: OK if value() is not None else LOST} | (fields or {})
        )
        return uri

    def number(self, signal: str, asset: str, factor: float = 1.0) -> Live:
        return lambda: tidy(factor * self.readout.number(signal, asset, self.device))

    def energy(self, signal: str, asset: str) -> Live:
        return lambda: tidy(self.readout.energy(signal, asset, self.device))

    def raw(self, signal: str, asset: str) -> Live:
        """Return a function that reads a value too small to be rounded."""

        def read() -> float | None:
            value = self.readout.number(signal, asset, self.device)
            return value if isfinite(value) else None

        return read

    def count(self, signal: str, asset: str) -> Live:
        def counted() -> float | None:
            value = self.readout.count(signal, asset, self.device)
            return int(value) if isfinite(value) else None

        return counted

    def location(self, ordinal: int, label: str, kind: str = "Slot") -> Json:
        """Return where a device is: its rack by name, and its place in it counted from 1."""
        rack = self.readout.name(self.device.partition("/")[0])
        return {
            "PartLocation": {"LocationType": kind, "LocationOrdinalValue": ordinal, "ServiceLabel": label},
            "Placement": {"Rack": rack, "Row": self.readout.physics.layout.pod},
        }


def _live(value: Any) -> Any:
    if callable(value):
        return value()
    if isinstance(value, dict):
        return {key: _live(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_live(item) for item in value]
    return value
