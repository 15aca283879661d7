"""Which points and assets of the plant a name in a rule means."""

from collections.abc import Sequence

from monitor.detect.syntax import EXACTLY
from monitor.plant import Asset, Plant
from monitor.vocabulary import QUANTITIES


def matching(asset: Asset, plant: Plant, quantity: str, selector: Sequence[str]) -> list[int]:
    """Return the rows of an asset's points of that name whose tags hold all of the selector, or with EXACTLY are just those.

    `setpoint` in the selector asks for set-points; without it they never match. A point in a unit of another dimension
    than the vocabulary's (a pump's state where its speed is meant) never matches.
    """
    wanted = set(selector) - {"setpoint", EXACTLY}
    exactly = EXACTLY in selector
    setpoint = "setpoint" in selector
    known = QUANTITIES.get(quantity)
    found = []
    for row in asset.points:
        point = plant.points[row]
        if (
            point.quantity == quantity
            and point.setpoint == setpoint
            and (wanted == set(point.tags) if exactly else wanted <= set(point.tags))
            and (known is None or point.unit == known.unit)
        ):
            found.append(row)
    return found


def related(asset: Asset, kind: str, plant: Plant) -> list[Asset]:
    """Return the assets of a kind that belong to one: below it; else those it serves; else those that serve it.

    Along each way only the first of the kind counts: a rack's power meters are its taps, not the bus behind them too.
    """
    for towards in ("children", "serves", "served_by"):
        if found := _first(asset, kind, towards, plant):
            return found
    at, seen = asset.parent, 0  # a tray's rack, and what serves the rack
    while at is not None and seen < 20:
        above = plant.assets[at]
        if above.kind == kind:
            return [above]
        if found := _first(above, kind, "served_by", plant):
            return found
        at, seen = above.parent, seen + 1
    return []


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
