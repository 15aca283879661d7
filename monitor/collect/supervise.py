"""Every retry, back-off and outage log of the collectors."""

import logging
import random
from collections.abc import Callable
from typing import Any, Literal

from monitor.clock import Clock
from monitor.collect import Collector
from monitor.errors import SourceLost, SourceRefused
from monitor.model import Readings

LONGEST_WAIT = 60.0  # s
GROWTH = 1.6  # of the wait's bound, per failure; after nine it is beyond the longest wait

LinkState = Literal["connected", "lost", "refused"]
OnState = Callable[[str, LinkState, str, float], None]

log = logging.getLogger(__name__)


def _tell_nobody(name: str, state: LinkState, reason: str, now: float) -> None:
    pass


async def supervise(
    open_link: Callable[[], Collector], sink: Callable[[Readings], None], clock: Clock, on_state: OnState = _tell_nobody
) -> None:
    """Run one link for ever; return only when its source ends.

    A lost link is tried again after a random wait whose bound grows to 60 s, and is small again only after the link held for
    60 s; a refused one is tried again after 60 s each time, as tokens and certificates may have been renewed meanwhile.
    One log line an outage (one more where it turns out to be a refusal), one on return. An exception that no collector should
    raise counts as a lost link; its traceback is logged once for each place it comes from, so a defect neither ends the daemon
    nor fills its log.

    Args:
        open_link: gives the collector to enter; called before each try.
        sink: takes readings in arrival order, without waiting.
        clock: waits, and stamps states.
        on_state: called with (name, state, reason, s since 1970 UTC) at each connect and each failed try.

    """
    failures = 0
    logged: LinkState = "connected"
    traced: set[tuple[str, int]] = set()
    name = "source"
    while True:
        entered = None
        state: LinkState = "lost"
        try:
            link = open_link()
            name = link.name
            async with link:
                entered = clock.now()
                if logged != "connected":
                    log.info("%s: back after %d tries", name, failures)
                logged = "connected"
                on_state(name, "connected", "", entered)
                await _drain(link, sink)
                return
        except SourceRefused as error:
            state, reason = "refused", str(error)
        except SourceLost as error:
            reason = str(error)
        except Exception as error:
            reason = f"{name}: defect in the monitor: {type(error).__name__}: {error}"
            if (place := _place(error)) not in traced:
                traced.add(place)
                log.exception("%s: a defect in the monitor ended the link", name)
        now = clock.now()
        failures = 1 if entered is not None and now - entered >= LONGEST_WAIT else failures + 1
        if logged not in (state, "refused"):
            log.warning("%s; %s", reason, "a person must act; asking again each minute" if state == "refused" else "retrying quietly")
            logged = state
        on_state(name, state, reason, now)
        bound = min(LONGEST_WAIT, GROWTH ** min(failures, 9))  # the power of a failure count alone overflows in half a day
        await clock.sleep(LONGEST_WAIT if state == "refused" else random.uniform(0, bound))


async def _drain(link: Collector, sink: Callable[[Readings], None]) -> None:
    stream: Any = link.readings()
    try:
        async for readings in stream:
            sink(readings)
    finally:
        if hasattr(stream, "aclose"):  # a generator left half-way would keep what it holds until it is collected
            await stream.aclose()


def _place(error: BaseException) -> tuple[str, int]:
    """Return the file and line that raised."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return (trace.tb_frame.f_code.co_filename, trace.tb_lineno) if trace is not None else ("", 0)
