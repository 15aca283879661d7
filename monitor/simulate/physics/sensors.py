"""What the plant's sensors show: exact values with each sensor's errors, and what faulty ones make of them."""

from collections.abc import Callable

import numpy as np

from monitor.errors import InputError
from monitor.model import F64, I64, Bool
from monitor.simulate.physics.effects import Effects
from monitor.simulate.physics.signals import SIGNALS
from monitor.vocabulary import QUANTITIES

_BY_CURRENT = {"active_power", "apparent_power", "current", "phase_current", "neutral_current"}  # what a current transformer scales


class Sensors:
    """Turns exact values into readings; a row is one sensor of one asset, signals in the order of the table.

    Args:
        ids: of each place.
        random: of biases and noise.
        missing: share of the samples that never come.
        noisy: False for readings that are exact but for their resolution.
        signals: names of what is measured; None for all.

    Raises:
        InputError: there is no such signal, or none at all.

    """

    def __init__(
        self,
        ids: Callable[[str], list[str]],
        random: np.random.Generator,
        missing: float,
        noisy: bool,
        signals: frozenset[str] | None = None,
    ) -> None:
        chosen = [signal for signal in SIGNALS if signals is None or signal.name in signals]
        if not chosen or (signals is not None and len(chosen) < len(signals)):
            unknown = sorted(set(signals or ()) - {signal.name for signal in SIGNALS})
            raise InputError(f"no signal is called {', '.join(unknown) or 'so'}; {', '.join(one.name for one in SIGNALS[:3])} ... would do")
        self.assets = [(signal, asset) for signal in chosen for asset in ids(signal.place)]
        self.row = {signal.path(asset): number for number, (signal, asset) in enumerate(self.assets)}
        counts = [len(ids(signal.place)) for signal in chosen]
        ends = np.cumsum(counts)
        self.slices = {signal.name: slice(int(end - count), int(end)) for signal, count, end in zip(chosen, counts, ends, strict=True)}
        self.size = int(ends[-1])
        self._random, self._missing = random, missing

        def column(name: str) -> F64:
            return np.repeat([float(getattr(signal, name)) for signal in chosen], counts)

        self.cadence, step = column("cadence"), column("step")
        self.silent: Bool = np.repeat([QUANTITIES[signal.quantity].event for signal in chosen], counts)
        erring = 1.0 if noisy else 0.0
        self._noise, self._relative = erring * column("noise"), erring * column("relative")
        self._bias = erring * column("bias") * random.uniform(-1, 1, self.size)
        self._gain = 1 + erring * column("gain") * random.uniform(-1, 1, self.size)
        self._coarse = np.flatnonzero(step > 0)
        self._steps = step[self._coarse]
        self._exact = np.empty(self.size)
        self._below: dict[str, I64] = {}

    def read(self, found: dict[str, F64 | float], effects: Effects, before: F64) -> F64:
        """Return what the sensors show, shape (S,).

        Args:
            found: the exact value of each signal, of all racks.
            effects: of the faults.
            before: what they showed last; NaN before the first time.

        """
        exact = self._exact
        for name, rows in self.slices.items():
            value = found[name]
            exact[rows] = value if isinstance(value, float) or np.ndim(value) == 0 else np.ravel(value)[: rows.stop - rows.start]
        noise = self._random.standard_normal(self.size)
        shown = self._relative * noise
        shown += 1
        shown *= exact * self._gain
        shown += self._bias
        noise *= self._noise
        shown += noise
        for path, size in effects.biased:
            shown[self.row[path]] += size
        for path, size in effects.scaled:
            shown[self.row[path]] *= size
        for asset, size in effects.ratios:
            shown[[row for row in self.below(asset).tolist() if self.assets[row][0].quantity in _BY_CURRENT]] *= size
        shown[self._coarse] = np.round(shown[self._coarse] / self._steps) * self._steps + 0.0
        for one, other in effects.swapped:
            shown[[self.row[one], self.row[other]]] = shown[[self.row[other], self.row[one]]]
        for path, size in effects.fixed:
            shown[self.row[path]] = size
        held = [self.row[path] for path in effects.stuck] + [row for asset in effects.frozen for row in self.below(asset).tolist()]
        if held and np.isfinite(before).any():
            shown[held] = before[held]
        shown[self.silent] = np.nan
        return shown

    def below(self, asset: str) -> I64:
        """Return the rows of an asset's points and of those below it.

        Raises:
            InputError: it has none.

        """
        if asset not in self._below:
            rows = [row for row, (_, one) in enumerate(self.assets) if one == asset or one.startswith(f"{asset}/")]
            if not rows:
                raise InputError(f'"{asset}" has no points; R01/tray3 or PDU-A would do, with detail on the rack')
            self._below[asset] = np.array(rows, np.int64)
        return self._below[asset]

    def arrived(self) -> Bool:
        """Return which samples were not lost on the way."""
        return self._random.random(self.size) >= self._missing if self._missing else np.ones(self.size, np.bool_)
