"""Names of everything in the plant, and what is part of what and serves what."""

from collections.abc import Iterator

from monitor.plant import Plant
from monitor.simulate.physics.parameters import CPUS, FEEDS, GPUS, NICS, PSUS, SHELVES, TRAYS, Tray

CDU, ROOM = "CDU1", "Room1"
KINDS = {
    **{kind: kind for kind in ("rack", "tray", "gpu", "cpu", "nic", "drive", "switch", "psu", "cdu", "pump", "valve")},
    "shelf": "power_shelf",
    "tap": "power_meter",
    "pdu": "power_meter",
    "room": "sensor",
}
_LOT = 24  # GPUs or supplies of one lot follow each other (an estimate)


class Layout:
    """Ids of each place, in the order of its flattened arrays: racks outermost.

    Args:
        racks: how many.
        detailed: how many of them, from the first, have points of trays, GPUs, CPUs, NICs, shelves and supplies.
        sku: of all racks.
        pod: its name.
        prefix: of every id outside of the pod, so that two pods share none; inside it ids go without.

    """

    def __init__(self, racks: int, detailed: int, sku: str, pod: str = "Pod1", prefix: str = "") -> None:
        self.racks, self.detailed, self.sku, self.pod, self.prefix = racks, detailed, sku, pod, prefix
        names = [f"R{number:02}" for number in range(1, racks + 1)]
        full = names[:detailed]
        trays = [f"{rack}/tray{number + 1}" for rack in full for number in range(TRAYS)]
        shelves = [f"{rack}/shelf{number + 1}" for rack in full for number in range(SHELVES)]

        def below(parents: list[str], kind: str, count: int) -> list[str]:
            return [f"{parent}/{kind}{number + 1}" for parent in parents for number in range(count)]

        self._ids = {
            "rack": names,
            "tray": trays,
            "gpu": below(trays, "gpu", GPUS),
            "cpu": below(trays, "cpu", CPUS),
            "nic": below(trays, "nic", NICS),
            "drive": below(trays, "drive", 1),
            "switch": below(full, "switch", 2 * Tray().switches),
            "shelf": shelves,
            "psu": below(shelves, "psu", PSUS),
            "tap": [f"{rack}-TAP-{feed}" for rack in names for feed in FEEDS],
            "pdu": [f"PDU-{feed}" for feed in FEEDS],
            "cdu": [CDU],
            "pump": [f"{CDU}/pump1", f"{CDU}/pump2"],
            "valve": [f"{CDU}/valve1"],
            "room": [ROOM],
        }

    def ids(self, place: str) -> list[str]:
        return self._ids[place]

    def name(self, asset: str) -> str:
        """Return an asset's id as the world outside of the pod knows it."""
        return self.prefix + asset

    def source(self, asset: str) -> str:
        """Return the clock of an asset's readings: each tray's and each shelf's controller, one for all switches, else the building's system."""
        rack, slash, part = asset.partition("/")
        if not slash or not rack.startswith("R"):
            return "bms"
        return f"{rack}/switches" if part.startswith("switch") else f"{rack}/{part.partition('/')[0]}"

    def build(self, plant: Plant) -> None:
        """Add all assets and edges, as planned; wrong cabling does not show here."""
        plant.asset(self.pod, "pod")
        name = self.name
        for place, ids in self._ids.items():
            for number, asset in enumerate(ids):
                parent, slash, _ = asset.rpartition("/")
                plant.asset(name(asset), KINDS[place], parent=name(parent) if slash else self.pod)
                if place in {"gpu", "psu"}:
                    plant.asset(name(asset), lot=f"{place.upper()}-{number // _LOT + 1}", serial=f"{self.prefix}{place}-{number:05}")
        for rack in self._ids["rack"]:
            plant.asset(name(rack), sku=self.sku)
        for giver, taker in self._edges():
            plant.serve(name(giver), name(taker))

    def _edges(self) -> Iterator[tuple[str, str]]:
        for rack in self._ids["rack"]:
            yield CDU, rack
            yield ROOM, rack
            for feed in FEEDS:
                yield f"PDU-{feed}", f"{rack}-TAP-{feed}"
                yield f"{rack}-TAP-{feed}", rack
        yield ROOM, CDU
        for shelf in self._ids["shelf"]:
            rack, _, name = shelf.partition("/shelf")
            yield f"{rack}-TAP-{FEEDS[(int(name) - 1) * len(FEEDS) // SHELVES]}", shelf
            for number in range(TRAYS):
                yield shelf, f"{rack}/tray{number + 1}"
