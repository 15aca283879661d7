"""Scalar twins: what each kernel and each window is for one row, in plain Python that keeps everything."""

import math
import operator
import statistics
from collections.abc import Callable
from itertools import pairwise

from monitor.detect.kernels import FALSE, LEANS, NORMAL, PEERS_LEAST, TRUE, UNKNOWN
from monitor.detect.memory import SLOTS
from monitor.detect.windows import KNOWN, STILL

NAN = math.nan
COMPARE: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}


def known(*values: float) -> bool:
    return not any(map(math.isnan, values))


def there(values: list[float]) -> list[float]:
    return [value for value in values if known(value)]


# --- kernels


def compare(word: str, left: float, right: float) -> int:
    return UNKNOWN if not known(left, right) else TRUE if COMPARE[word](left, right) else FALSE


def _tried(function: Callable[..., float], *values: float) -> float:
    try:
        found = function(*values)
    except (ValueError, ZeroDivisionError, OverflowError):
        return NAN
    return found if math.isfinite(found) else NAN


ARITHMETIC: dict[str, Callable[..., float]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "least": min,
    "greatest": max,
    "neg": operator.neg,
    "abs": abs,
    "sqrt": math.sqrt,
    "ln": math.log,
    "exp": math.exp,
}


def among(value: float, *others: float) -> int:
    """What others are not known does not count, unless none is."""
    known = [other for other in others if not math.isnan(other)]
    if math.isnan(value) or not known:
        return 0
    return 1 if value in known else -1


def arithmetic(word: str, *values: float) -> float:
    return _tried(ARITHMETIC[word], *values) if known(*values) else NAN


def power(value: float, exponent: float) -> float:
    return _tried(math.pow, value, exponent) if known(value) else NAN


FOLDS: dict[str, Callable[[list[float]], float]] = {
    "max": max,
    "min": min,
    "sum": sum,
    "mean": statistics.fmean,
    "median": statistics.median,
}


def fold(word: str, values: list[float]) -> float:
    known_ones = there(values)
    if not known_ones or len(known_ones) < (len(values) if word in {"sum", "imbalance"} else len(values) / 2):
        return NAN
    if word == "imbalance":
        mean = statistics.fmean(known_ones)
        return NAN if mean <= 0 or len(known_ones) < 2 else 100 * max(abs(value - mean) for value in known_ones) / mean
    return FOLDS[word](known_ones)


def count(held: list[int]) -> float:
    return float(held.count(TRUE)) if TRUE in held or FALSE in held else NAN


def count_known(values: list[float]) -> float:
    return float(len(there(values))) if values else NAN


PEERS: dict[str, Callable[[list[float]], float]] = {
    "peer_median": statistics.median,
    "peer_min": min,
    "peer_max": max,
    "peer_mean": statistics.fmean,
}


def peer(word: str, group: list[float], least: int) -> float:
    """What the members of one group share."""
    members = there(group)
    return PEERS[word](members) if len(members) >= max(least, 1) else NAN


def peer_z(group: list[float], floors: list[float], least: int) -> list[float]:
    """The distance of each member of one group."""
    middle = peer("peer_median", group, least)
    spread = peer("peer_median", [abs(value - middle) for value in group], least)
    made = []
    for value, floor in zip(group, floors, strict=True):
        scale = NORMAL * max(spread, floor) if known(spread, floor) else NAN
        made.append(NAN if scale == 0 else (value - middle) / scale)
    return made


def without_trend(group: list[float], load: list[float], least: int) -> list[float]:
    """The values of one group without what their load explains."""
    pairs = [(value, on) if known(value, on) else (NAN, NAN) for value, on in zip(group, load, strict=True)]
    middle, usual = (peer("peer_median", [pair[at] for pair in pairs], least) for at in (0, 1))
    slopes = [(value - middle) / (on - usual) if abs(on - usual) > LEANS * abs(usual) else NAN for value, on in pairs]
    slope = peer("peer_median", slopes, PEERS_LEAST)
    slope = 0.0 if math.isnan(slope) else slope
    return [value - slope * (on - usual) for value, on in pairs]


# --- windows


class Window:
    """One row's window that keeps every push. Push n falls in slot n // every; the last `count` slots are seen."""

    def __init__(self, duration: float, step: float, size: float) -> None:
        self.duration, self.step, self.size = duration, step, size
        self.ticks = max(1, round(duration / step))
        self.every = math.ceil(self.ticks / SLOTS)
        self.count = math.ceil(self.ticks / self.every)
        self.forget()

    def forget(self) -> None:
        self.past: list[tuple[int, tuple[float, ...]]] = []
        self.happened: list[tuple[int, float]] = []
        self.watched = 0
        self.begin: tuple[float, ...] = ()  # the first that was known

    def push(self, number: int, *values: float) -> float:
        self.note(number, *values)
        return self.make(*values) if self.told else NAN

    def note(self, number: int, *values: float) -> None:
        """Take a push in without asking what it makes."""
        self.past.append((number, values))
        self.now = number // self.every
        self.told = self.tells(*values)
        self.happen(*values)

    def seen(self) -> list[tuple[int, tuple[float, ...]]]:
        return [(number, values) for number, values in self.past if number // self.every > self.now - self.count and known(*values)]

    def tells(self, *values: float) -> bool:
        """Whether what is known now and was known before is enough."""
        return known(*values)

    def happen(self, *values: float) -> None:
        pass

    def make(self, *values: float) -> float:
        raise NotImplementedError


class Watched(Window):
    """Known once watched for the whole duration with 4/5 of the slots known."""

    def tells(self, *values: float) -> bool:
        self.begin = self.begin or (values if known(*values) else ())
        self.past = [one for one in self.past if one[0] // self.every > self.now - self.count]
        slots = {number // self.every for number, _ in self.seen()}
        self.watched = self.watched + 1 if slots else 0
        return known(*values) and self.watched >= self.ticks and len(slots) >= KNOWN * self.count


class Least(Watched):
    def make(self, *values: float) -> float:
        return min((one for _, (one,) in self.seen()), default=NAN)


class Greatest(Watched):
    def make(self, *values: float) -> float:
        return max((one for _, (one,) in self.seen()), default=NAN)


class Mean(Watched):
    def make(self, *values: float) -> float:
        seen = [one for _, (one,) in self.seen()]
        return statistics.fmean(seen) if seen else NAN


class Deviation(Watched):
    def make(self, *values: float) -> float:
        seen = [one for _, (one,) in self.seen()]
        return statistics.pstdev(seen) if seen else NAN


class Slope(Watched):
    def make(self, *values: float) -> float:
        seen = self.seen()
        if len(seen) < 2:
            return NAN
        return statistics.linear_regression([number * self.step for number, _ in seen], [one for _, (one,) in seen]).slope


def moved(window: Window, side: int) -> bool:
    """Whether one of two values moved enough for a slope against it."""
    seen = [values[side] for _, values in window.seen()]
    begin = window.begin[side]
    size = math.sqrt(statistics.fmean((one - begin) ** 2 for one in seen))
    return statistics.pstdev(seen) > STILL * (abs(begin) + size)


class SlopeAgainst(Watched):
    def make(self, *values: float) -> float:
        seen = [values for _, values in self.seen()]
        if not seen or not moved(self, 1):
            return NAN
        return statistics.linear_regression([right for _, right in seen], [left for left, _ in seen]).slope


class Correlation(Watched):
    def make(self, *values: float) -> float:
        seen = [values for _, values in self.seen()]
        if not seen or not (moved(self, 0) and moved(self, 1)):
            return NAN
        return statistics.correlation([left for left, _ in seen], [right for _, right in seen])


class Tally(Window):
    """What happened in the slots that are seen."""

    def happen(self, *values: float) -> None:
        last = next((one for _, (one,) in reversed(self.past[:-1]) if known(one)), NAN)
        if known(*values) and (amount := self.happens(last, *values)):
            self.happened.append((self.past[-1][0], amount))

    def make(self, *values: float) -> float:
        return sum(amount for number, amount in self.happened if number // self.every > self.now - self.count)

    def happens(self, last: float, now: float) -> float:
        raise NotImplementedError


class Increase(Tally):
    def happens(self, last: float, now: float) -> float:
        return max(0.0, now - last if now >= last else now) if known(last) else 0.0


class Rate(Increase):
    def make(self, *values: float) -> float:
        return super().make(*values) / self.duration


class Changes(Tally):
    def happens(self, last: float, now: float) -> float:
        return float(known(last) and now != last)


class Times(Tally):
    """Values are -1, NaN for not known, 1."""

    def happens(self, last: float, now: float) -> float:
        return float((last, now) == (FALSE, TRUE))


class Swings(Tally):
    """A zigzag over all that was known; a turn counts when it is seen."""

    def happens(self, last: float, now: float) -> float:
        return float(len(zigzag(self.values(), self.size)) > len(zigzag(self.values()[:-1], self.size)))

    def values(self) -> list[float]:
        return [one for _, (one,) in self.past if known(one)]


def zigzag(values: list[float], amplitude: float) -> list[float]:
    """Return the turning points of a series."""
    turns: list[float] = []
    leg: list[float] = []  # since the last turn was seen, or since the start
    way = 0
    for value in values:
        leg.append(value)
        if way >= 0 and max(leg) - value >= amplitude:
            turns += [max(leg)] if way else []
            way, leg = -1, [value]
        elif way <= 0 and value - min(leg) >= amplitude:
            turns += [min(leg)] if way else []
            way, leg = 1, [value]
    return turns


class Flat(Window):
    def make(self, *values: float) -> float:
        seen = [one for _, (one,) in self.past if known(one)]
        run = 0
        for before, after in pairwise(seen):
            run = run + 1 if before == after else 0
        return TRUE if run * self.step >= self.duration else FALSE


class Lag(Window):
    def tells(self, *values: float) -> bool:
        return True

    def make(self, *values: float) -> float:
        then = (self.now - self.count + 1) * self.every - 1
        return next((one for number, (one,) in self.past if number == then), NAN)


class Ewma(Window):
    def make(self, *values: float) -> float:
        seen = [one for _, (one,) in self.past if known(one)]
        if len(seen) * self.step < self.duration:
            return NAN
        mean = seen[0]
        for one in seen[1:]:
            mean += (1 - math.exp(-self.step / self.duration)) * (one - mean)
        return mean


class Baseline(Window):
    def tells(self, *values: float) -> bool:
        return True

    def make(self, *values: float) -> float:
        seen = [one for _, (one,) in self.past if known(one)][: self.ticks]
        return statistics.fmean(seen) if len(seen) == self.ticks else NAN


class Cusum(Window):
    def make(self, *values: float) -> float:
        total = 0.0
        for _, pair in self.past:
            if known(*pair):
                total = max(0.0, total + (pair[0] - pair[1]) * self.step)
        return total


WINDOWS: dict[str, type[Window]] = {
    "min_over": Least,
    "max_over": Greatest,
    "mean_over": Mean,
    "std_over": Deviation,
    "slope": Slope,
    "slope_against": SlopeAgainst,
    "correlation": Correlation,
    "increase": Increase,
    "rate": Rate,
    "changes": Changes,
    "swings": Swings,
    "count_over": Times,
    "flat": Flat,
    "lag": Lag,
    "ewma": Ewma,
    "baseline": Baseline,
    "cusum": Cusum,
}
INPUTS = {"slope_against": 2, "correlation": 2, "cusum": 2}  # values a push; the others take one
