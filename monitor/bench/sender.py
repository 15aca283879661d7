"""A publisher of frames as a process of its own: `python -m monitor.bench.sender --port N` with --workload DIR or --racks N.

With --workload it sends W's frames as fast as the broker takes them, at most a window ahead of the consumer. With --racks it speaks in real time
for a fleet: a frame of 480 values a rack every 10 s, the racks spread evenly over them, and faults in some, each of which it tells as it sends it.

On standard output it writes one JSON object a line: `{"ready": …}`, `{"fault": …, "rack": …, "at": …}` (s of the monotonic clock that all
processes of a machine share) and the totals at the end. On standard input it reads how many messages the consumer has seen, one number a line; the
first line also starts it. It ends when standard input closes.
"""

import argparse
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from monitor.bench import child, workload
from monitor.bench.frames_fleet import FAST, SLOW, Fleet
from monitor.bench.publisher import Link, Progress
from monitor.simulate.packets import publish

CHUNK = 16  # messages a send
SLOW_SHARE = 11  # of the faults one in so many is for the tick rule; they come first, as its `for` takes a while
QUIET = 2.0  # s at the end without a fault that begins


def main(arguments: Sequence[str] | None = None) -> None:
    given = _parse(arguments)
    progress = Progress(sys.stdin.fileno())
    link = Link(given.host, given.port, f"sender-{os.getpid()}")
    if given.workload is not None:
        child.say(**send_workload(link, progress, given.workload, given.trouble, given.first, given.window))
    else:
        child.say(**send_fleet(link, progress, given.racks, given.seconds, given.faults, given.settle))


def send_workload(link: Link, progress: Progress, folder: Path, trouble: workload.Trouble, first: int, window: int) -> dict[str, object]:
    """Send a workload: some at once, the rest when a line came, at most a window ahead of the consumer."""
    found = workload.load(folder, trouble)
    packets = [publish(topic, payload) for topic, payload in zip(found.topics, found.payloads, strict=True)]
    child.say(ready=True, messages=len(packets))
    progress.wait(None)
    link.send(b"".join(packets[:first]))
    while progress.open and progress.seen < first < len(packets):
        progress.wait(None)
    begun, cpu = time.monotonic(), time.process_time()
    sent = first
    while sent < len(packets):
        while progress.open and sent + CHUNK - progress.seen > window:
            progress.wait(None)
        if not progress.open:
            break
        link.send(b"".join(packets[sent : sent + CHUNK]))
        sent += CHUNK
    link.settle()
    return {"messages": min(sent, len(packets)), "elapsed_s": time.monotonic() - begun, "cpu_s": time.process_time() - cpu}


def send_fleet(link: Link, progress: Progress, racks: int, seconds: float, faults: int, settle: float) -> dict[str, object]:
    """Speak for a fleet in real time; faults begin after `settle` s, evenly spread over what is left."""
    fleet = Fleet(racks)
    child.say(ready=True, racks=racks)
    progress.wait(None)
    begun = time.monotonic()
    sent = told = 0
    slip = 0.0
    while progress.open:
        due = begun + sent * workload.STEP / racks
        if due - begun >= seconds:
            break
        if (wait := due - time.monotonic()) > 0:
            progress.wait(min(wait, 0.05))  # also sees the end of standard input
            if time.monotonic() < due:
                continue
        slip = max(slip, time.monotonic() - due)
        rack = sent % racks
        begins = told < faults and due - begun >= settle + told * (seconds - settle - QUIET) / faults and not fleet.ill(rack)
        fault = (SLOW if told < faults // SLOW_SHARE else FAST) if begins else ""
        packet = fleet.packet(rack, fault, time.time_ns() // 1_000_000)
        at = time.monotonic()
        link.send(packet)
        if fault:
            told += 1
            child.say(fault=fault, rack=fleet.name(rack), at=at)
        sent += 1
    link.settle()
    return {"messages": sent, "faults": told, "slip_s": round(slip, 3), "elapsed_s": time.monotonic() - begun}


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m monitor.bench.sender", description="Publish frames.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--workload", type=Path)
    parser.add_argument("--trouble", choices=get_args(workload.Trouble), default="none")
    parser.add_argument("--first", type=int, default=0, help="messages sent before the consumer says that they came")
    parser.add_argument("--window", type=int, default=2000, help="messages ahead of the consumer")
    parser.add_argument("--racks", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--faults", type=int, default=0)
    parser.add_argument("--settle", type=float, default=20.0, help="s before the first fault")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    child.serve("sender", main)
