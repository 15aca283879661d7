"""On which assets a fault shows, by its target."""

from monitor.simulate.physics.layout import CDU
from monitor.simulate.physics.parameters import FEEDS, GPUS, SHELVES

Assets = tuple[str, ...]
EACH_RACK = "R*"  # stands for all racks of the pod


def itself(target: str) -> Assets:
    """Return the asset that is struck, or the one whose point is.

    >>> itself("R03:liquid_flow")
    ('R03',)

    """
    return (target.partition(",")[0].partition(":")[0],)


def cdu(_: str) -> Assets:
    return (CDU,)


def tap(target: str) -> Assets:
    """Return the tap that feeds a shelf as planned, or the tap itself.

    >>> tap("R02/shelf1")
    ('R02-TAP-A',)

    """
    rack, shelf, number = target.partition("/shelf")
    return (f"{rack}-TAP-{FEEDS[(int(number) - 1) * len(FEEDS) // SHELVES]}",) if shelf else (target,)


def tap_and_shelves(target: str) -> Assets:
    """Return a tap and the shelves that it feeds as planned.

    >>> tap_and_shelves("R02-TAP-B")[:2]
    ('R02-TAP-B', 'R02/shelf5')

    """
    rack = target.partition("-TAP-")[0].partition("/")[0]
    found = tap(target)
    return (*found, *(shelf for number in range(SHELVES) if tap(shelf := f"{rack}/shelf{number + 1}") == found))


def gpus(tray: str) -> Assets:
    return tuple(f"{tray}/gpu{number + 1}" for number in range(GPUS))


def cdu_and_racks(_: str) -> Assets:
    return (CDU, EACH_RACK)
