# SPDX-License-Identifier: BSD-3-Clause
"""Event loops that end in order, however they are told to."""

from __future__ import annotations

__all__ = ["INTERRUPTED", "TERMINATED", "run", "until_interrupted"]

import asyncio
import contextlib
import importlib
import importlib.util
import signal
import typing
from collections import abc as collections

INTERRUPTED: typing.Final = 128 + int(signal.SIGINT)
"""Exit code of a process that was ended by Ctrl-C."""

TERMINATED: typing.Final = 128 + int(signal.SIGTERM)
"""Exit code of a process that was told to terminate."""

_ENDING: typing.Final = ("SIGHUP", "SIGTERM")


def run(main: collections.Coroutine[typing.Any, typing.Any, int], /) -> int:
    """Run a coroutine in a new event loop, uvloop's where that is installed.

    When the process is interrupted or told to terminate the coroutine is cancelled, so that it can clean up.

    Parameters
    ----------
    main
        Returns the exit code.

    Returns
    -------
    int
        The exit code.
    """
    try:
        with asyncio.Runner(loop_factory=_find_loop_factory()) as runner:
            return runner.run(_until_terminated(main))
    except KeyboardInterrupt:
        return INTERRUPTED


async def until_interrupted(seconds: float, /) -> bool:
    """Wait for some time, or until Ctrl-C, which then interrupts nothing else.

    Parameters
    ----------
    seconds
        How long to wait at most.

    Returns
    -------
    bool
        Whether it was Ctrl-C.
    """
    interrupted = asyncio.Event()
    with _on_signal("SIGINT", interrupted.set):
        try:
            await asyncio.wait_for(interrupted.wait(), seconds)
        except TimeoutError:
            return False

        return True


def _find_loop_factory() -> collections.Callable[[], asyncio.AbstractEventLoop] | None:
    if importlib.util.find_spec("uvloop") is None:
        return None

    return typing.cast(
        "collections.Callable[[], asyncio.AbstractEventLoop]", importlib.import_module("uvloop").new_event_loop
    )


async def _until_terminated(main: collections.Coroutine[typing.Any, typing.Any, int], /) -> int:
    task = asyncio.ensure_future(main)
    terminated = False

    def terminate() -> None:
        nonlocal terminated
        terminated = True
        task.cancel()

    with contextlib.ExitStack() as stack:
        for name in _ENDING:
            stack.enter_context(_on_signal(name, terminate))

        try:
            return await task
        except asyncio.CancelledError:
            if terminated:
                return TERMINATED

            raise


@contextlib.contextmanager
def _on_signal(name: str, act: collections.Callable[[], None], /) -> collections.Generator[None, None, None]:
    loop = asyncio.get_running_loop()
    number = getattr(signal, name, None)
    previous = None if number is None else signal.getsignal(number)
    if previous is signal.SIG_IGN:
        number = None

    try:
        if number is not None:
            loop.add_signal_handler(number, act)
    except (NotImplementedError, RuntimeError, ValueError):
        # Not on Windows, and not in other threads than the main one.
        number = None

    try:
        yield
    finally:
        if number is not None:
            loop.remove_signal_handler(number)
            signal.signal(number, previous)
