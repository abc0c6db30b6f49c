# SPDX-License-Identifier: BSD-3-Clause
"""The servers that the tests run on."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import pathlib
import shutil
import subprocess
import tempfile
import time
import typing
from collections import abc as collections

import fakeredis
import redis
import redis.asyncio

from sake import embedded

REDIS_SERVER: typing.Final = shutil.which("redis-server")
EXTRA_URL: typing.Final = os.environ.get("SAKE_TEST_REDIS")

_START_SECONDS: typing.Final = 10.0


@dataclasses.dataclass(frozen=True)
class Server:
    """A server that a test has for itself while it runs."""

    name: str
    url: str
    fake: fakeredis.FakeServer | None = None

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

    def clean(self) -> None:
        """Remove everything, from all databases."""
        if self.fake is None:
            with contextlib.closing(redis.Redis.from_url(self.url)) as client:
                client.flushall()


def names(*, every_server: bool, fake: bool) -> list[str]:
    """Return the names of the servers that a test runs on."""
    found = ["valkey"]
    if every_server and REDIS_SERVER:
        found.append("redis7")
    if every_server and EXTRA_URL:
        found.append("extra")
    if fake:
        found.append("fakeredis")

    return found


@contextlib.contextmanager
def run_valkey() -> collections.Iterator[Server]:
    """Run the bundled server."""
    with embedded.EmbeddedServer() as server:
        yield Server("valkey", server.url)


@contextlib.contextmanager
def run_redis() -> collections.Iterator[Server]:
    """Run the machine's own `redis-server` on a private unix socket."""
    assert REDIS_SERVER
    with tempfile.TemporaryDirectory(prefix="sake-tests-") as folder:
        socket = pathlib.Path(folder) / "redis.sock"
        command = [REDIS_SERVER, "--port", "0", "--unixsocket", str(socket), "--save", "", "--appendonly", "no"]
        process = subprocess.Popen([*command, "--dir", folder], stdout=subprocess.DEVNULL)
        try:
            server = Server("redis7", f"unix://{socket}")
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
