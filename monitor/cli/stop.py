"""Ends a command on Ctrl-C and SIGTERM."""

import asyncio
import signal


def on_signals() -> None:
    """Cancel the running task on SIGINT and SIGTERM."""
    task = asyncio.current_task()
    assert task is not None
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, task.cancel)
