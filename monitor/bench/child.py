"""Another process of a benchmark: it is started, told and heard line by line, and ends with the block."""

import asyncio
import json
import os
import resource
import sys
from collections.abc import Callable
from typing import Any, Self

from monitor.errors import MonitorError, SourceLost

STARTS = 180.0  # s until a child must be ready


class Child:
    """`python -m MODULE ARGUMENTS`, which writes one JSON object a line and reads lines."""

    def __init__(self, module: str, *arguments: object) -> None:
        self.name = module.rpartition(".")[2]
        self._command = [sys.executable, "-m", module, *map(str, arguments)]

    async def __aenter__(self) -> Self:
        pipe = asyncio.subprocess.PIPE
        self._process = await asyncio.create_subprocess_exec(*self._command, stdin=pipe, stdout=pipe)
        try:
            self.ready = await asyncio.wait_for(self.hear(), STARTS)
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()

    @property
    def pid(self) -> int:
        return self._process.pid

    def tell(self, line: str) -> None:
        assert self._process.stdin is not None
        if not self._process.stdin.is_closing():
            self._process.stdin.write(f"{line}\n".encode())

    async def hear(self) -> dict[str, Any]:
        """Return its next object.

        Raises:
            SourceLost: it has ended.

        """
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        if not line:
            raise SourceLost(f"the {self.name} of the benchmark ended before it was done")
        found: dict[str, Any] = json.loads(line)
        return found

    def close_input(self) -> None:
        """Let it see the end of its standard input, which ends it in order."""
        assert self._process.stdin is not None
        self._process.stdin.close()

    async def ended(self, within: float) -> None:
        await asyncio.wait_for(self._process.wait(), within)


def pin(core: int) -> None:
    """Keep this thread, and what it starts from now on, on one core where there are two."""
    cores = sorted(os.sched_getaffinity(os.getppid()))
    os.sched_setaffinity(0, {cores[core % len(cores)]})


def peak_rss_mb() -> float:
    """Return the peak memory of this process, MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def host_cpu_s() -> float:
    """Return the CPU seconds that the whole machine has used, of all its cores."""
    with open("/proc/stat") as file:  # noqa: PTH123
        numbers = [int(word) for word in file.readline().split()[1:9]]
    return (sum(numbers) - numbers[3] - numbers[4]) / os.sysconf("SC_CLK_TCK")


def say(**facts: object) -> None:
    """Write one object to whoever started this process."""
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()


def serve(name: str, main: Callable[[], None]) -> None:
    """Run a child's work; an error of ours is one line, and a starter that has gone is none."""
    try:
        main()
    except MonitorError as error:
        sys.exit(f"{name}: {error}")
    except (BrokenPipeError, KeyboardInterrupt):
        sys.exit(1)
