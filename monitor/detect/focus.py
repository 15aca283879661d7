"""Which steps can say anything on this plant: a rule none of whose points exist here costs nothing."""

from collections.abc import Iterable
from enum import IntEnum

import numpy as np

from monitor.detect.nodes import BOOLEAN
from monitor.detect.roster import NONE
from monitor.detect.steps import Event, Fold, FoldAssets, Group, Own, Step


class Says(IntEnum):
    """The most that a step can say while the plant is as it is."""

    ALL = 0
    NOT_TRUE = 1  # a condition that may be false or not known
    NOTHING = 2  # never known


def says(steps: Iterable[Step]) -> dict[Step, Says]:
    """Return what each step can say at most; inputs come before what reads them."""
    found: dict[Step, Says] = {}
    for step in steps:
        found[step] = _one(step, [found[part] for part in step.inputs if part in found])
    return found


def _one(step: Step, parts: list[Says]) -> Says:
    match step:
        case Own():
            return Says.ALL if (step.index != NONE).any() else Says.NOTHING
        case Event():
            return Says.ALL if step.bound.any() else Says.NOTHING
        case Group():
            return Says.ALL if len(step.groups) else Says.NOTHING
        case Fold():
            return Says.ALL if step.count.any() else Says.NOTHING
        case FoldAssets():
            counts = step.node.data[0] == "count" and step.inputs[0].node.unit != BOOLEAN  # 0 of them are known
            return Says.NOTHING if not step.count.any() or (parts[0] is Says.NOTHING and not counts) else Says.ALL
    match step.node.operation:
        case "constant":
            return Says.ALL
        case "limit" | "state":
            return Says.NOTHING if np.isnan(step.out).all() else Says.ALL
        case "and":
            return max(parts) if min(parts) is Says.NOTHING else min(max(parts), Says.NOT_TRUE)
        case "or":
            return min(parts)
        case "in":
            return Says.NOTHING if Says.NOTHING in {parts[0], min(parts[1:])} else Says.ALL
        case "not":
            return Says.NOTHING if parts[0] is Says.NOTHING else Says.ALL
        case "given":
            return Says.NOTHING if parts[0] is Says.NOTHING or parts[1] is not Says.ALL else Says.ALL
        case "novelty":
            return min(parts)
        case "window" if step.node.data[0] == "count_over":
            return Says.NOTHING if parts[0] is Says.NOTHING else Says.ALL
    return Says.NOTHING if Says.NOTHING in parts else Says.ALL
