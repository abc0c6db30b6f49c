# SPDX-License-Identifier: BSD-3-Clause
"""The same stories on a real server, in real time: with the faults that can be had there."""

from __future__ import annotations

import asyncio
import contextlib
import pathlib
import random
import tempfile
import time
import typing
from collections import abc as collections

import redis
from _support import own_server

from simulation import clock as clock_
from simulation import stories
from simulation import trace as trace_

Args = tuple[typing.Any, ...]


class _Clock:
    """Real time."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    @property
    def now(self) -> float:
        return clock_.START + time.monotonic() - self._began


class _Network:
    """What nobody can make slow, or look into."""

    is_cut = False
    latency = (0.0, 0.0)

    def __init__(self) -> None:
        self.links: dict[typing.Any, str] = {}

    def cut(self) -> None:
        """Do nothing: what would take a proxy is not done here."""

    def mend(self) -> None:
        """Do nothing."""

    @property
    def width(self) -> float | None:
        return None

    @width.setter
    def width(self, _: float | None) -> None:
        pass


class _Server:
    """A server of one's own, with the states that a real one can be brought into."""

    def __init__(self, binary: str, folder: pathlib.Path) -> None:
        self._own = own_server.OwnServer(binary, folder)
        self._is_down = False
        self.is_cluster = False
        self.is_loading = False
        self.commands = 0
        self.sessions: dict[typing.Any, None] = {}
        self.on_change: typing.Any = None
        self._states = {"is_full": False, "is_replica": False, "is_frozen": False}

    @property
    def url(self) -> str:
        return self._own.url

    @property
    def is_well(self) -> bool:
        return not self._is_down and not any(self._states.values())

    @property
    def doom(self) -> str | None:
        return None

    @doom.setter
    def doom(self, doom: str | None) -> None:
        if doom is not None:
            self.kill_all()

    @property
    def is_full(self) -> bool:
        return self._states["is_full"]

    @is_full.setter
    def is_full(self, is_full: bool) -> None:
        self._states["is_full"] = is_full
        with contextlib.closing(self._own.client()) as client:
            client.config_set("maxmemory-policy", "noeviction")
            client.config_set("maxmemory", 1 if is_full else 0)

    @property
    def is_replica(self) -> bool:
        return self._states["is_replica"]

    @is_replica.setter
    def is_replica(self, is_replica: bool) -> None:
        self._states["is_replica"] = is_replica
        with contextlib.closing(self._own.client()) as client:
            client.execute_command("REPLICAOF", *(("127.0.0.1", "1") if is_replica else ("NO", "ONE")))

    def kill_all(self) -> None:
        """End all connections."""
        if not self._is_down and not self._states["is_frozen"]:
            with contextlib.closing(self._own.client()) as client:
                client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")

    def freeze(self) -> None:
        self._states["is_frozen"] = True
        self._own.pause()

    def thaw(self) -> None:
        self._states["is_frozen"] = False
        self._own.resume()

    def stop(self) -> None:
        """End; what there is now is what a restart with data brings back."""
        with contextlib.closing(self._own.client()) as client:
            client.save()
        self._is_down = True
        self._own.kill()

    def start(self, data: dict[typing.Any, typing.Any] | None) -> None:
        self._own.start()
        self._is_down = False
        if data is not None:
            with contextlib.closing(self._own.client()) as client:
                client.flushall()

    def snapshot(self) -> dict[typing.Any, typing.Any]:
        return {}

    def databases(self) -> collections.Iterator[tuple[int, dict[bytes, typing.Any]]]:
        """Yield nothing: this server is looked into by readers only."""
        return iter(())

    def evict(self, choose: collections.Callable[[list[bytes]], list[bytes]]) -> int:
        with contextlib.closing(self._own.client()) as client:
            keys = [key for key in client.scan_iter() if client.pttl(key) > 0]
            return sum(client.delete(key) for key in choose(keys))

    def begin(self) -> None:
        self._own.start()

    def end(self) -> None:
        if self._states["is_frozen"]:
            self.thaw()
        self._own.kill()


class Stage:
    """A real event loop, and a server of the story's own."""

    is_real: typing.Final = True

    def __init__(self, story: stories.Story, *, keep_trace: bool, binary: str) -> None:
        self.chance = random.Random(f"world {story.seed}")
        self.clock = _Clock()
        self.trace = trace_.Trace(self.clock, keep=keep_trace)
        self.network = _Network()
        self._folder = tempfile.TemporaryDirectory(prefix="sake-tests-")
        self.server = _Server(binary, pathlib.Path(self._folder.name))
        self.loop = asyncio.new_event_loop()
        has_long_faults = any(step.act == "fault" and step.args[0] == "frozen" for step in story.steps)
        self._patience = 13.0 if has_long_faults else 4.0

    @property
    def address(self) -> str:
        return self.server.url

    @staticmethod
    def other_loop() -> asyncio.AbstractEventLoop:
        """Make an event loop for another thread."""
        return asyncio.new_event_loop()

    @contextlib.contextmanager
    def entered(self) -> collections.Iterator[None]:
        """Run the server as long as a block lasts."""
        self.server.begin()
        try:
            yield
        finally:
            self.server.end()
            self._folder.cleanup()

    def patience(self, *, is_slow: bool) -> float:
        """Return how long others may wait to see what was received, once everything is well."""
        return self._patience


def binaries() -> dict[str, str]:
    """Return the servers that there are, by name."""
    return own_server.binaries()


def can_be_told(story: stories.Story) -> bool:
    """Return whether a story needs nothing that only a made-up server has."""
    return not story.setup.is_cluster and story.setup.width is None


Error = redis.RedisError
