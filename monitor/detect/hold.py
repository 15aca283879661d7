"""From breach to alert to end: the timers of every check of one rule. Pure: time is given."""

import numpy as np

from monitor.detect.kernels import FALSE, TRUE, UNKNOWN
from monitor.model import F64, I8, Bool

PAUSE_LEAST = 60.0  # s; a timer survives a gap up to max(its own length, this) (README, "time")


class Hold:
    """State of a rule's checks, columns of shape (N,).

    firing: the alert is open.
    elapsed: s of known evidence against the present state, NaN while there is none.
    gap: s not known since the evidence was last seen.
    quiet: no alert is open and no timer runs; a tick without a true `when` need not be told. Only then `elapsed` and `gap` take no room.
    """

    __slots__ = ("elapsed", "firing", "gap", "quiet")

    def __init__(self) -> None:
        self.firing: Bool = np.zeros(0, np.bool_)
        self.elapsed: F64 = np.zeros(0)
        self.gap: F64 = np.zeros(0)
        self.quiet = True

    def extend(self, rows: int) -> None:
        more = rows - len(self.firing)
        if more > 0:
            self.firing = np.concatenate([self.firing, np.zeros(more, np.bool_)])
            if not self.quiet:
                self.elapsed = np.concatenate([self.elapsed, np.full(more, np.nan)])
                self.gap = np.concatenate([self.gap, np.zeros(more)])

    def wake(self) -> None:
        """Have timers: one may run from now on."""
        if self.quiet:
            self.quiet = False
            self.elapsed, self.gap = np.full(len(self.firing), np.nan), np.zeros(len(self.firing))

    def rest(self) -> None:
        """Give the timers' room back where nothing is open and none runs."""
        if not self.quiet and not (self.firing.any() or (~np.isnan(self.elapsed)).any()):
            self.quiet = True
            self.elapsed = self.gap = self.elapsed[:0].copy()

    def timer(self, row: int) -> tuple[float, float]:
        """Return `elapsed` and `gap` of a row."""
        return (np.nan, 0.0) if self.quiet else (float(self.elapsed[row]), float(self.gap[row]))

    def fire(self, row: int) -> None:
        """Open the alert of a row."""
        self.wake()
        self.firing[row] = True
        self.elapsed[row] = np.nan

    def drop(self, row: int) -> None:
        """Close the alert of a row, and stop its timer."""
        self.firing[row] = False
        if not self.quiet:
            self.elapsed[row] = np.nan

    def forget(self, rows: np.ndarray) -> None:
        """Stop the timers of some rows; open alerts stay open."""
        if not self.quiet:
            self.elapsed[rows] = np.nan
            self.gap[rows] = 0


def advance(hold: Hold, when: I8, clear: I8, step: float, wait: float, keep: float | F64) -> tuple[Bool, Bool]:
    """Move every check one tick, in place.

    `when` pushes a quiet check toward firing, `clear` an open one toward its end. Time that is not known counts for
    neither: the timer pauses, and starts anew once the gap exceeds max(its length, PAUSE_LEAST). Silence moves nothing.

    Args:
        hold: the state before and, afterwards, after.
        when: (N,) -1 false, 0 not known, 1 true.
        clear: (N,) likewise; true ends.
        step: s since the tick before.
        wait: s that `when` must hold (`for`).
        keep: s that `clear` must hold, of all rows or (N,) of each.

    Returns:
        Rows that fired and rows that ended, both (N,).

    """
    hold.wake()
    evidence = np.where(hold.firing, clear, when)
    need = np.where(hold.firing, keep, wait)
    running = ~np.isnan(hold.elapsed)
    pushing = evidence == TRUE
    with np.errstate(invalid="ignore"):
        hold.elapsed = np.where(pushing, np.where(running, hold.elapsed + np.where(hold.gap > 0, 0.0, step), 0.0), hold.elapsed)
    hold.elapsed[evidence == FALSE] = np.nan
    lost = evidence == UNKNOWN
    hold.gap = np.where(lost & running, hold.gap + step, 0.0)
    hold.elapsed[hold.gap > np.maximum(need, PAUSE_LEAST)] = np.nan
    with np.errstate(invalid="ignore"):
        due = pushing & (hold.elapsed >= need)
    fired, ended = due & ~hold.firing, due & hold.firing
    hold.firing = hold.firing ^ due
    hold.elapsed[due] = np.nan
    hold.rest()
    return fired, ended
