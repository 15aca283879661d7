"""Pods that live side by side on one time: what stands where, what goes wrong with it, and the truth about that."""

import re
from collections.abc import Sequence
from dataclasses import replace
from math import inf, isfinite

import numpy as np

from monitor.errors import InputError
from monitor.model import F64, Bool
from monitor.simulate.injection import Injection, Truth, near
from monitor.simulate.physics import CONTROLS, FAULTS, SKUS, Fault, Parameters, Physics
from monitor.simulate.physics.kinds import FaultInfo
from monitor.simulate.physics.seen import EACH_RACK
from monitor.simulate.trouble import TROUBLES, Trouble

STEP = 1.0  # s of event time
_NAME = re.compile(r"[A-Za-z0-9_-]+")  # one level of a topic, and no character that a fault's text needs
_RACK = re.compile(r"[rR](\d+)(.*)")
_PLACES = ("cdu", "pump", "valve", "room", "pdu")


class Pod:
    """One pod and what it says since it was last advanced.

    `values` and `due`, shape (S,) of the plant's points: what is measured now, and who has spoken since; `events` are rows and codes.
    """

    def __init__(self, physics: Physics, troubles: Sequence[Trouble] = ()) -> None:
        self.physics, self.troubles = physics, tuple(troubles)
        self.values: F64 = physics.values
        self.due: Bool = np.zeros(len(self.values), np.bool_)
        self.events: list[tuple[int, int]] = []

    @property
    def name(self) -> str:
        return self.physics.layout.pod

    def begin(self) -> None:
        """Forget what was said before."""
        self.due = np.zeros(len(self.values), np.bool_)
        self.events = []

    def step(self, seconds: float) -> None:
        self.values, due = self.physics.step(seconds)
        self.due |= due
        self.events += self.physics.events()

    def skew(self, age: float) -> float:
        """Return by how many s the clock of the pod's source is ahead; a device's own clock is the device's."""
        return sum(one.size for one in self.troubles if one.kind == "clock_skew" and not one.words and one.holds(age))


class Fleet:
    """Racks in pods, each behind a CDU of its own. The same seed says the same, whatever the faults leave alone.

    Args:
        racks: how many in all.
        start: event time of the start, seconds since 1970 UTC.
        seed: of all randomness.
        faults: what goes wrong, where and when.
        name: begins the name of every pod, and so every id.
        pod_racks: racks of a pod; the last one may have fewer.
        sku: of all racks; see `physics.SKUS`.
        detail: racks of a pod that have points of trays, GPUs and supplies, None for all.
        step: s of event time from one state to the next.
        signals: names of what is measured, None for all.
        missing: share of samples that never come.
        settle: s that the plant runs before its first reading; the parameters' own where it is None.

    Raises:
        InputError: a fault strikes nothing of this fleet, or a name is none.

    """

    def __init__(
        self,
        racks: int = 6,
        *,
        start: float,
        seed: int = 0,
        faults: Sequence[Injection] = (),
        name: str = "Pod",
        pod_racks: int = 10,
        sku: str = "gb200_nvl72",
        detail: int | None = None,
        step: float = STEP,
        signals: frozenset[str] | None = None,
        missing: float = 0.0,
        settle: float | None = None,
    ) -> None:
        if racks < 1:
            raise InputError(f"a fleet of {racks} racks; at least 1 would do")
        if not _NAME.fullmatch(name):
            raise InputError(f'"{name}" is no name of a pod; letters, digits, - and _ would do')
        if sku not in SKUS:
            raise InputError(f'no SKU is called "{sku}"; {", ".join(SKUS)} would do')
        self.start, self.step, self.faults = start, step, tuple(faults)
        self.steps = 0
        self._name, self._pod_racks = name, pod_racks
        self._sizes = [min(pod_racks, racks - first) for first in range(0, racks, pod_racks)]
        placed = [(one, *self._place(one)) for one in self.faults]
        self.pods = []
        for number, size in enumerate(self._sizes):
            mine = [(one, target) for one, pod, target in placed if pod == number]
            physics = Physics(
                size,
                sku=sku,
                seed=seed * 1009 + number,
                parameters=_parameters(sku, [one for one, _ in mine], missing, settle),
                detail=detail,
                start=start - step,  # its first step ends at the start
                pod=f"{name}{number + 1}",
                prefix=f"{name}{number + 1}-",
                signals=signals,
            )
            physics.inject(*(_fault(one, target, step) for one, target in mine if one.fault not in TROUBLES))
            self.pods.append(Pod(physics, [_trouble(one, target) for one, target in mine if one.fault in TROUBLES]))
        self._truth = [self._told(one, pod, target) for one, pod, target in placed]
        for pod in self.pods:
            pod.step(step)

    @property
    def age(self) -> float:
        """S of event time since the start."""
        return self.steps * self.step

    @property
    def time(self) -> float:
        """Event time of the present values, seconds since 1970 UTC."""
        return self.start + self.age

    @property
    def racks(self) -> int:
        return sum(self._sizes)

    def advance(self, to: float) -> int:
        """Take whole steps up to an event time; return how many there were."""
        count = max(0, int((to - self.time) // self.step))
        if count:
            for pod in self.pods:
                pod.begin()
        for _ in range(count):
            self.steps += 1
            for pod in self.pods:
                pod.step(self.step)
        return count

    def truth(self) -> list[Truth]:
        """Return what is injected: fault, where, when, and the rules that should see it."""
        return list(self._truth)

    def active(self) -> list[Injection]:
        """Return what holds now."""
        return [one for one, truth in zip(self.faults, self._truth, strict=True) if truth.time <= self.time < (truth.end or inf)]

    def _place(self, one: Injection) -> tuple[int, str]:
        """Return the pod of an order and the place within it, in the pod's own words."""
        where = one.where or (_info(one).target if one.fault not in TROUBLES else "")
        number = 0
        named = re.match(rf"{re.escape(self._name)}(\d+)-?", where, re.IGNORECASE)
        if named is not None:
            number, where = int(named[1]) - 1, where[named.end() :]
            if not 0 <= number < len(self._sizes):
                raise InputError(f'fault "{one}": there is no {self._name}{named[1]}; {self._name}1 to {self._name}{len(self._sizes)} are')
        rack = _RACK.fullmatch(where)
        if rack is not None and rack[2][:1] in {"", "/", "-", ":", ","}:
            counted = int(rack[1])
            if named is None:
                number = (counted - 1) // self._pod_racks
                counted -= number * self._pod_racks
            if number >= len(self._sizes) or not 1 <= counted <= self._sizes[number]:
                raise InputError(f'fault "{one}": there is no rack {rack[1]}; racks are numbered from 1 to {sum(self._sizes)}')
            where = f"R{counted:02}{rack[2]}"
        point = "" if one.fault in TROUBLES else _info(one).target.partition(":")[2]
        if point and where and ":" not in where and "," not in where:  # the point that this kind strikes by default
            where = f"{where}:{point}"
        return number, where

    def _told(self, one: Injection, pod: int, target: str) -> Truth:
        layout = self.pods[pod].physics.layout
        if one.fault in TROUBLES:
            trouble = TROUBLES[one.fault]
            rules, about = trouble.rules, trouble.about
            assets = [layout.name(rack) for rack in layout.ids("rack")] if not target else [layout.name(target)]
        else:
            info = _info(one)
            own = re.split("[:,]", target)[0]
            known = {asset for place in _PLACES for asset in layout.ids(place)}
            if own and not own.startswith("R0") and not _RACK.fullmatch(own) and own not in known:
                raise InputError(f'fault "{one}": nothing is called "{own}"; {near(own, sorted(known))}')
            about = info.about
            rules = info.rules if one.fault in FAULTS else ()
            seen = info.seen_on(target) if rules else (own or EACH_RACK,)
            assets = [layout.name(asset) for one_of in seen for asset in (layout.ids("rack") if one_of == EACH_RACK else [one_of])]
        end = self.start + one.end if isfinite(one.end) else None
        where = layout.name(target) if target else layout.pod
        return Truth(one.fault, where, self.start + one.start, end, tuple(rules), tuple(assets), about)


def _info(one: Injection) -> FaultInfo:
    return (FAULTS | CONTROLS)[one.fault]


def _fault(one: Injection, target: str, later: float) -> Fault:
    """Return the plant's own order; its times count from one step before the fleet's."""
    return Fault(one.fault, target, start=one.start + later, end=one.end + later, size=one.size, time=one.time)


def _trouble(one: Injection, target: str) -> Trouble:
    info = TROUBLES[one.fault]
    size, time = (info.size if one.size is None else one.size), (info.time if one.time is None else one.time)
    return Trouble(one.fault, target, one.start, one.end, size, time)


def _parameters(sku: str, orders: Sequence[Injection], missing: float, settle: float | None) -> Parameters:
    """Return those of the SKU, or of the plant that an ordered fault is for.

    Raises:
        InputError: two faults are for plants that differ.

    """
    usual = Parameters()
    wanted = {one.fault: found for one in orders if one.fault not in TROUBLES and (found := _info(one).parameters) != usual}
    if len(set(wanted.values())) > 1:
        raise InputError(f"{' and '.join(wanted)} are for different plants; order them in different pods")
    found = next(iter(wanted.values()), SKUS[sku])
    return replace(found, meter=replace(found.meter, missing=missing), settle=found.settle if settle is None else settle)
