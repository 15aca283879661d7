"""The daemon as a process of its own that says when each alert was committed: `python -m monitor.bench.watcher CONFIG`.

On standard output it writes one JSON object a line: `{"ready": true}` once its link is up, `{"rule", "asset", "at"}` for each alert that fired,
after it is in the store (s of the monotonic clock), and its costs so far for each line on standard input. It ends with standard input.
"""

import asyncio
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from monitor import config
from monitor.bench.child import peak_rss_mb
from monitor.cli.run import rules_of
from monitor.collect.own import LinkState
from monitor.errors import MonitorError
from monitor.model import Alert, State
from monitor.pipeline import Daemon


def told(alerts: Sequence[Alert]) -> None:
    now = time.monotonic()
    for alert in alerts:
        if alert.state is State.FIRING:
            _tell(rule=alert.rule, asset=alert.asset, at=now)


async def watch(settings: Path) -> None:
    """Run the daemon until standard input ends."""
    loaded = config.load(settings, {})
    daemon = Daemon(loaded, rules_of(loaded), told=told)
    running = asyncio.create_task(daemon.run())
    while not running.done() and (daemon.core is None or LinkState.CONNECTED not in daemon.core.own.states.values()):
        await asyncio.sleep(0.05)
    if running.done():
        running.result()
    assert daemon.core is not None
    _tell(ready=True)
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while await reader.readline():
        core = daemon.core
        late, dropped = core.ticks.late, sum(count for dialect in daemon.dialects.values() for count in dialect.dropped.values())
        assert daemon.history is not None
        _tell(
            cpu_s=time.process_time(), at=time.monotonic(), readings=core.readings, points=len(daemon.plant.points), late=late,
            dropped=dropped + daemon.history.dropped, rss_mb=peak_rss_mb(), checks=core.engine.checks, ticks=core.closed,
        )  # fmt: skip
    running.cancel()
    await asyncio.wait([running])


def _tell(**facts: object) -> None:
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    try:
        asyncio.run(watch(Path(sys.argv[1])))
    except MonitorError as error:
        sys.exit(f"watcher: {error}")
    except (BrokenPipeError, KeyboardInterrupt):
        sys.exit(1)
