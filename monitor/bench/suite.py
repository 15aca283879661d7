"""One day in which everything goes wrong once: each fault and control of the plant, on assets and at times of their own."""

from collections.abc import Iterable

from monitor.errors import InputError
from monitor.simulate.injection import Injection
from monitor.simulate.physics import CONTROLS, FAULTS, Parameters
from monitor.simulate.physics.kinds import FaultInfo

SIZES = {"loose_joint": 300e-6}  # ohm; 110 uOhm are less than four sigma of an hour's slope at this load's swing of 29 A (computed)
FIRST = 3600.0  # s until the first fault: what learns has learned then
ON_DSX = frozenset(  # what shows on racks, meters, the CDU and the room as the building has them: no parts of racks, no pumps of their own
    (
        "filter_clog", "bypass_open", "valve_stuck", "hunting", "ct_ratio", "primary_loss", "pump_trip", "flow_sensor_dead", "humidity",
        "phase_miswire", "phase_loss", "ab_swap", "misbalance", "slow_leak", "leak", "flow_restricted", "sensor_swap", "sensor_bias",
        "sensor_stuck", "leak_sensor_fault", "unit_error", "seasonal_fws", "job_oscillation", "pump_swap", "maintenance",
    )
)  # fmt: skip
TOO_FAST = frozenset(("bus_swing",))  # swings with 17 s, which samples of 10 s do not show
BETWEEN = 3600.0  # s from one pod-wide fault's end to the next one's begin


def suite(pods: int, pod_racks: int, hours: float, kinds: Iterable[str] | None = None) -> list[Injection]:
    """Return orders for a fleet.

    A fault of a rack gets a rack of its own in one of the first pods; one of a whole pod, or of a plant with other
    parameters, follows the others of its kind in one of the last pods, and is repaired before the next.

    Args:
        pods: how many there are.
        pod_racks: racks of each.
        hours: of event time in all.
        kinds: names of faults and controls; None for all but those that steps of 10 s do not show.

    Raises:
        InputError: they do not fit into so many pods and hours.

    """
    known = FAULTS | CONTROLS
    chosen = [kind for kind in (known if kinds is None else kinds) if kind not in TOO_FAST]
    whole = [kind for kind in chosen if _whole(known[kind])]
    parts = sorted(
        (kind for kind in chosen if kind not in whole), key=lambda kind: "/" not in known[kind].target
    )  # detailed racks come first
    orders = []
    free = pods
    queues: dict[int, list[tuple[str, FaultInfo]]] = {}
    spent: dict[int, float] = {}
    for kind in sorted(whole, key=lambda kind: (known[kind].parameters != Parameters(), -known[kind].seen)):
        info = known[kind]
        length = max(info.seen * 1.25, 1800.0) + BETWEEN
        alone = info.parameters != Parameters()
        fitting = [pod for pod, used in spent.items() if not alone and used + length <= hours * 3600 and queues[pod]]
        if fitting:
            pod = min(fitting, key=lambda one: spent[one])
        else:
            free -= 1
            pod, spent[free], queues[free] = free, FIRST, []
        if alone:
            spent[pod] = hours * 3600  # nothing else fits into that plant
            orders.append(Injection(kind, f"Pod{pod + 1}-{info.target}" if info.target else f"Pod{pod + 1}", FIRST))
            continue
        begin = spent[pod]
        queues[pod].append((kind, info))
        spent[pod] = begin + length
        orders.append(Injection(kind, f"Pod{pod + 1}-{info.target}" if info.target else f"Pod{pod + 1}", begin, begin + length - BETWEEN))
    if free < 1 or len(parts) > free * pod_racks:
        raise InputError(f"{len(chosen)} faults do not fit into {pods} pods of {pod_racks} racks and {hours:g} h; more of each would do")
    for number, kind in enumerate(parts):
        info = known[kind]
        pod, rack = number % free, number // free
        tail = info.target[3:]
        last = hours * 3600 - info.seen * 1.25
        begin = min(FIRST + 1800.0 * rack, last)
        if begin < 0:
            raise InputError(f"{kind} takes {info.seen / 3600:g} h to be seen; more than {hours:g} h would do")
        orders.append(Injection(kind, f"Pod{pod + 1}-R{rack + 1:02}{tail}", begin if info.start else 0.0, size=SIZES.get(kind)))
    return orders


def _whole(info: FaultInfo) -> bool:
    """Tell whether a kind strikes a pod as a whole."""
    return not info.target.startswith("R0") or info.parameters != Parameters()
