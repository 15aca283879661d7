"""Which points and assets of the plant a name in a rule means."""

from collections.abc import Callable, Sequence

from monitor.detect.syntax import EXACTLY
from monitor.plant import Asset, Plant

MOST_LEVELS = 20  # of parents


class Names:
    """Which points of an asset a name in a rule means, looked up by quantity; good while the plant stays as it is."""

    def __init__(self, plant: Plant) -> None:
        self._plant = plant
        self._known: dict[int, dict[str, list[int]]] = {}

    def matching(self, asset: Asset, quantity: str, selector: Sequence[str]) -> list[int]:
        """Return the rows of an asset's points of that name whose tags hold all of the selector, or with EXACTLY are just those.

        `setpoint` in the selector asks for set-points; without it they never match. A point in a unit of another dimension
        than the vocabulary's (a pump's state where its speed is meant) never matches.
        """
        points = self._plant.points
        named = self._known.get(asset.row)
        if named is None:
            named = self._known[asset.row] = {}
            for row in asset.points:
                named.setdefault(points[row].quantity, []).append(row)
        rows = named.get(quantity)
        if rows is None:
            return []
        wanted = set(selector) - {"setpoint", EXACTLY}
        exactly, setpoint = EXACTLY in selector, "setpoint" in selector
        known = self._plant.vocabulary.get(quantity)
        return [
            row
            for row in rows
            if points[row].setpoint == setpoint
            and (wanted == set(points[row].tags) if exactly else wanted <= set(points[row].tags))
            and (known is None or points[row].unit == known.unit)
        ]

    def forget(self) -> None:
        self._known.clear()


class Relations:
    """Which assets of a kind belong to one, remembered until the plant changes.

    Those below it; else those it serves; else those that serve it; else the same for what it is part of: a tray's rack, and
    what serves the rack. Along each way only the first of the kind counts: a rack's power meters are its taps, not the bus
    behind them too.
    """

    def __init__(self, plant: Plant) -> None:
        self._plant = plant
        self._known: dict[tuple[int, str, bool], tuple[Asset, ...]] = {}

    def forget(self) -> None:
        self._known.clear()

    def of(self, asset: Asset, kind: str) -> tuple[Asset, ...]:
        key = (asset.row, kind, False)
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = self._beside(asset, kind) or self._above(asset.parent, kind, 0)
        return found

    def _beside(self, asset: Asset, kind: str) -> tuple[Asset, ...]:
        for towards in ("children", "serves", "served_by"):
            if getattr(asset, towards) and (found := _first(asset, kind, towards, self._plant)):
                return tuple(found)
        return ()

    def _above(self, name: str | None, kind: str, levels: int) -> tuple[Asset, ...]:
        if name is None or levels == MOST_LEVELS:  # a wire may say a loop
            return ()
        above = self._plant.assets[name]
        key = (above.row, kind, True)
        found = self._known.get(key)
        if found is None:
            found = (above,) if above.kind == kind else tuple(_first(above, kind, "served_by", self._plant))
            found = self._known[key] = found or self._above(above.parent, kind, levels + 1)
        return found


def affected(plant: Plant, changed: set[int]) -> list[int]:
    """Return the rows of all assets for which `Relations` may say something else once some changed, in order."""
    if len(changed) * 2 > len(plant.by_row):
        return list(range(len(plant.by_row)))
    served = _closure(plant, changed, lambda asset: asset.serves)
    below = _closure(plant, changed | served, lambda asset: asset.children)
    above = _closure(plant, changed, lambda asset: () if asset.parent is None else (asset.parent,))
    givers = _closure(plant, changed, lambda asset: asset.served_by)
    return sorted(changed | served | below | above | givers)


def _closure(plant: Plant, start: set[int], step: Callable[[Asset], tuple[str, ...]]) -> set[int]:
    seen = set(start)
    queue = list(start)
    while queue:
        for name in step(plant.by_row[queue.pop()]):
            row = plant.assets[name].row
            if row not in seen:
                seen.add(row)
                queue.append(row)
    return seen


def _first(asset: Asset, kind: str, towards: str, plant: Plant) -> list[Asset]:
    """Walk `towards` and return the first assets of the kind on every way, nearest first."""
    found: list[Asset] = []
    seen = {asset.id}
    queue = [asset]
    while queue:
        for name in getattr(queue.pop(0), towards):
            if name not in seen:
                seen.add(name)
                other = plant.assets[name]
                (found if other.kind == kind else queue).append(other)
    return found


def sku_of(asset: Asset, plant: Plant) -> str | None:
    """Return the SKU of an asset or of the nearest one above it that has one."""
    at: Asset | None = asset
    for _ in range(20):
        if at is None or "sku" in at.attributes:
            break
        at = plant.assets.get(at.parent) if at.parent is not None else None
    return None if at is None else at.attributes.get("sku")


def written(quantity: str, selector: Sequence[str]) -> str:
    exactly = EXACTLY if EXACTLY in selector else ""
    tags = [tag for tag in selector if tag != EXACTLY]
    return f"{quantity}[{exactly}{', '.join(tags)}]" if tags else quantity
