# SPDX-License-Identifier: BSD-3-Clause
"""What is read off the process and the server."""

from __future__ import annotations

__all__ = [
    "LongestCallback",
    "longest_callback",
    "peak_memory",
    "reset_peak_memory",
    "server_cpu",
    "server_info",
    "server_memory",
]

import asyncio
import contextlib
import pathlib
import resource
import socket
import sys
import time
import typing
import urllib.parse
from collections import abc as collections

_STATUS: typing.Final = pathlib.Path("/proc/self/status")
_CLEAR_REFERENCES: typing.Final = pathlib.Path("/proc/self/clear_refs")
_RESET_PEAK: typing.Final = "5"


class LongestCallback:
    """The longest time, in seconds of CPU, that one callback has kept the event loop."""

    __slots__ = ("longest",)

    def __init__(self) -> None:
        self.longest = 0.0

    def reset(self) -> None:
        """Begin anew."""
        self.longest = 0.0


@contextlib.contextmanager
def longest_callback() -> collections.Generator[LongestCallback]:
    """Time every callback of asyncio's own event loop."""
    gauge = LongestCallback()
    # The loop runs each callback, each step of a task included, through this method.
    name = "_run"
    run = getattr(asyncio.Handle, name)

    def timed(handle: asyncio.Handle) -> None:
        started = time.thread_time()
        run(handle)
        gauge.longest = max(gauge.longest, time.thread_time() - started)

    setattr(asyncio.Handle, name, timed)
    try:
        yield gauge
    finally:
        setattr(asyncio.Handle, name, run)


def reset_peak_memory() -> None:
    """Forget how much memory this process once took, where the system can."""
    with contextlib.suppress(OSError):
        _CLEAR_REFERENCES.write_text(_RESET_PEAK)


def peak_memory() -> int:
    """Return the most memory, in bytes, that this process has taken since the last reset."""
    # The kernel's resource usage survives fork and exec, so it would show the harness's peak.
    with contextlib.suppress(OSError):
        for line in _STATUS.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1_024

    unit = 1 if sys.platform == "darwin" else 1_024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def server_info(url: str, section: str, /) -> dict[str, str]:
    """Ask the server at a `unix://` address about itself, without any client library."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(urllib.parse.unquote(urllib.parse.urlsplit(url).path))
        connection.sendall(f"INFO {section}\r\n".encode())
        with connection.makefile("rb") as file:
            length = int(file.readline()[1:])
            text = file.read(length).decode()

    fields = (line.partition(":") for line in text.splitlines())
    return {name: value for name, separator, value in fields if separator}


def server_cpu(url: str, /) -> float:
    """Return the seconds of CPU the server has used; 0 where there is none."""
    if not url:
        return 0.0

    info = server_info(url, "cpu")
    return float(info["used_cpu_sys"]) + float(info["used_cpu_user"])


def server_memory(url: str, /) -> int:
    """Return the bytes that the server has allocated."""
    return int(server_info(url, "memory")["used_memory"])
