# SPDX-License-Identifier: BSD-3-Clause
"""The embedded server where nobody looks after it: killed, forked, and in places that a socket cannot live in."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import typing
import urllib.parse
from collections import abc as collections

import hikari
import pytest
import redis
from _support import gateway
from _support import own_server

import sake
from sake import embedded
from sake import errors

WITHIN: typing.Final = 10.0

FORKED: typing.Final = """
import os, sys, traceback
import redis
from sake import embedded

def child(server):
    {child}

def main():
    with embedded.EmbeddedServer() as server:
        pid = os.fork()
        if not pid:
            code = 1
            try:
                child(server)
                code = 0
            except BaseException:
                traceback.print_exc()
            os._exit(code)

        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        assert server.is_alive
        assert redis.Redis.from_url(server.url).ping()

    assert not server.is_alive

main()
"""

CHILDREN: typing.Final = {
    "leaves the with block": "server.__exit__(None, None, None)",
    "closes it": "import asyncio; asyncio.run(server.close())",
    "closes it twice": "server.__exit__(None, None, None); server.__exit__(None, None, None)",
    "looks at it": "assert server.is_alive; assert redis.Redis.from_url(server.url).ping(); assert server.pid",
    "looks at it when it has closed it": "server.__exit__(None, None, None); assert not server.is_alive",
    "makes one of its own": (
        "url = server.url; server.__exit__(None, None, None)\n"
        "    with server: assert server.url != url; assert redis.Redis.from_url(server.url).ping()"
    ),
    "wants it to run": "import asyncio; assert not asyncio.run(server.ensure_running())",
    "forgets it": "del server",
}


def is_running(pid: int) -> bool:
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def folder_of(server: embedded.EmbeddedServer) -> pathlib.Path:
    return pathlib.Path(urllib.parse.unquote(urllib.parse.urlsplit(server.url).path)).parent


def server_of(cache: typing.Any) -> embedded.EmbeddedServer:
    return typing.cast("embedded.EmbeddedServer", cache._engine()._server)


async def kill(server: embedded.EmbeddedServer) -> None:
    os.kill(server.pid, signal.SIGKILL)
    await own_server.eventually(lambda: not server.is_alive)


def contents(folder: pathlib.Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def starts(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [r.getMessage() for r in caplog.records if r.name == "sake.embedded" and "started again" in r.getMessage()]


@pytest.fixture
def temporary(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


# Processes


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
@pytest.mark.parametrize("child", CHILDREN)
def test_the_server_stays_when_a_forked_child(child: str) -> None:
    script = FORKED.format(child=CHILDREN[child])
    process = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", script],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert process.returncode == 0, process.stderr


# A server that is killed


async def test_a_server_that_was_killed_is_started_again_at_the_same_address_and_empty(
    temporary: pathlib.Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with embedded.EmbeddedServer(config={"maxmemory": "64mb"}) as server:
        url, pid = server.url, server.pid
        with contextlib.closing(redis.Redis.from_url(url)) as client:
            client.set("name", "sake")
            await kill(server)
            assert await server.ensure_running()
            assert (server.url, server.is_alive) == (url, True)
            assert server.pid != pid
            assert client.dbsize() == 0
            assert client.config_get("maxmemory") == {"maxmemory": str(64 << 20)}
            assert folder_of(server).stat().st_mode & 0o777 == 0o700

        assert len(starts(caplog)) == 1
        assert "empty" in starts(caplog)[0]

    assert not contents(temporary)


async def test_a_server_that_runs_is_left_alone(caplog: pytest.LogCaptureFixture) -> None:
    async with embedded.EmbeddedServer() as server:
        pid = server.pid
        assert not await server.ensure_running()
        assert server.pid == pid

    assert not starts(caplog)


async def test_a_server_whose_supervisor_was_killed_too_is_started_again(temporary: pathlib.Path) -> None:
    async with embedded.EmbeddedServer() as server:
        pid = server.pid
        assert server._process
        server._process.kill()
        await own_server.eventually(lambda: not server.is_alive)
        assert await server.ensure_running()
        await own_server.eventually(lambda: not is_running(pid))
        with contextlib.closing(redis.Redis.from_url(server.url)) as client:
            assert client.ping()

    assert not contents(temporary)


async def test_all_who_want_it_to_run_get_one_start(caplog: pytest.LogCaptureFixture) -> None:
    async with embedded.EmbeddedServer() as server:
        await kill(server)
        assert sum(await asyncio.gather(*(server.ensure_running() for _ in range(20)))) == 1
        assert server.is_alive

    assert len(starts(caplog)) == 1


async def test_a_server_that_ends_again_and_again_is_not_started_all_the_time(
    caplog: pytest.LogCaptureFixture,
) -> None:
    began = time.monotonic()
    refused = 0
    async with embedded.EmbeddedServer() as server:
        while len(starts(caplog)) < 3:
            if server.is_alive:
                await kill(server)
            try:
                await server.ensure_running()
            except errors.BackendError as exc:
                assert "started again in" in str(exc)
                refused += 1
                await asyncio.sleep(0.05)

    assert refused
    assert time.monotonic() - began >= 3
    assert len(starts(caplog)) == 3


async def test_only_a_server_that_was_started_can_be_started_again() -> None:
    server = embedded.EmbeddedServer()
    with pytest.raises(errors.BackendError, match="not running"):
        await server.ensure_running()

    await server.start()
    await server.close()
    with pytest.raises(errors.BackendError, match="not running"):
        await server.ensure_running()

    assert not server.is_alive


@pytest.mark.parametrize("turns", [0, 1, 2, 5])
async def test_closing_it_while_it_is_started_again_leaves_nothing(temporary: pathlib.Path, turns: int) -> None:
    server = embedded.EmbeddedServer()
    await server.start()
    await kill(server)
    starting = asyncio.create_task(server.ensure_running())
    await asyncio.sleep(turns * 0.01)
    await server.close()
    with contextlib.suppress(errors.BackendError):
        await starting

    assert not server.is_alive
    assert not contents(temporary)
    async with server:
        assert server.is_alive


async def test_giving_up_on_it_while_it_is_started_again_does_no_harm(temporary: pathlib.Path) -> None:
    async with embedded.EmbeddedServer() as server:
        await kill(server)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(server.ensure_running(), 0.001)

        await own_server.eventually(lambda: server.is_alive)
        assert not await server.ensure_running()

    assert not contents(temporary)


async def test_a_place_that_somebody_else_took_meanwhile_is_not_used(temporary: pathlib.Path) -> None:
    async with embedded.EmbeddedServer() as server:
        folder = folder_of(server)
        await kill(server)
        await own_server.eventually(lambda: not folder.exists())
        folder.mkdir(mode=0o777)
        (folder / "trap").touch()
        with pytest.raises(errors.BackendError, match="File exists"):
            await server.ensure_running()

        assert not server.is_alive

    assert contents(folder) == ["trap"]
    shutil.rmtree(folder)


async def test_a_cache_goes_on_writing_when_its_server_was_killed(
    bot: hikari.GatewayBot, feed: gateway.Feed, caplog: pytest.LogCaptureFixture
) -> None:
    async with sake.redis.RoleCache("embedded://", bot, bot.event_manager) as cache:
        server = server_of(cache)
        await kill(server)
        role = {**ROLE, "name": "after"}
        feed("GUILD_ROLE_CREATE", {"guild_id": "1", "role": role})
        await feed.settle()
        await own_server.eventually(lambda: cache.statistics.batches > 0 and not cache.statistics.is_away)
        async with sake.redis.RoleCache(server.url, bot) as other:
            assert (await other.get_role(5, guild_id=1)).name == "after"

    assert len(starts(caplog)) == 1


async def test_a_cache_goes_on_reading_when_its_server_was_killed(bot: hikari.GatewayBot) -> None:
    async with sake.redis.RoleCache("embedded://", bot) as cache:
        await cache.set_role(1, ROLE)
        await kill(server_of(cache))
        with pytest.raises(errors.EntryNotFound):
            await cache.get_role(5, guild_id=1)


ROLE: typing.Final[dict[str, typing.Any]] = {
    "id": "5",
    "name": "role",
    "color": 0,
    "hoist": False,
    "icon": None,
    "unicode_emoji": None,
    "position": 1,
    "permissions": "0",
    "managed": False,
    "mentionable": False,
    "flags": 0,
    "colors": {"primary_color": 0, "secondary_color": None, "tertiary_color": None},
}


# Places


def long_path(folder: pathlib.Path) -> pathlib.Path:
    made = folder / ("l" * 60) / ("l" * 60)
    made.mkdir(parents=True)
    return made


async def test_the_next_place_is_tried_where_a_socket_cannot_live(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    short = pathlib.Path(tempfile.mkdtemp(prefix="s", dir="/tmp"))
    monkeypatch.setattr(tempfile, "tempdir", str(long_path(tmp_path)))
    monkeypatch.setattr(embedded, "_PLACES", (str(tmp_path / "missing"), str(tmp_path / "with space")))
    (tmp_path / "with space").mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(short))
    async with embedded.EmbeddedServer() as server:
        assert folder_of(server).parent == short

    assert not contents(short)
    assert not contents(tmp_path / "with space")
    shutil.rmtree(short)


async def test_it_says_which_places_it_tried_when_none_will_do(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(long_path(tmp_path)))
    monkeypatch.setattr(embedded, "_PLACES", ("/nonexistent",))
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    with pytest.raises(errors.BackendError, match=r"(?s)TMPDIR.*l{60}.*/nonexistent.*No such file"):
        await embedded.EmbeddedServer().start()


async def test_no_temporary_folder_at_all_is_no_reason_to_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> collections.Iterator[str]:
        raise FileNotFoundError(2, "No usable temporary directory found")

    monkeypatch.setattr(tempfile, "gettempdir", fail)
    async with embedded.EmbeddedServer() as server:
        assert server.is_alive


# Signals


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_the_supervisor_heeds_signals_that_its_parent_ignores(number: signal.Signals) -> None:
    before = signal.signal(number, signal.SIG_IGN)
    try:
        async with embedded.EmbeddedServer() as server:
            pid = server.pid
            assert server._process
            server._process.send_signal(number)
            await own_server.eventually(lambda: not server.is_alive)
            assert not is_running(pid)
    finally:
        signal.signal(number, before)
