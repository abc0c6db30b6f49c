# SPDX-License-Identifier: BSD-3-Clause
"""Addresses that lead to a server, addresses that do not, and what opening and closing leaves behind."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import pathlib
import socket
import tempfile
import threading
import typing
from collections import abc as collections

import pytest
import pytest_asyncio
from _support import gateway
from _support import keys
from _support import leaks
from _support import marks
from _support import own_server
from _support import samples
from _support import servers

import sake
import sake.redis
from sake import testing

Payload = dict[str, typing.Any]


@pytest_asyncio.fixture(autouse=True)
async def nothing_left_behind(caplog: pytest.LogCaptureFixture) -> collections.AsyncIterator[None]:
    async with leaks.none(caplog):
        yield


# Servers that cannot be reached


async def _refused(cache: typing.Any) -> sake.BackendError:
    tasks = asyncio.all_tasks()
    with pytest.raises(sake.BackendError) as caught:
        await cache.open()

    assert not cache.is_alive
    assert caught.value.exception is not None
    assert caught.value.__cause__ is caught.value.exception
    with pytest.raises(sake.ClosedClient):
        await cache.flush()
    await cache.close()
    left = asyncio.all_tasks() - tasks
    assert not left, left
    gc.collect()
    return caught.value


@pytest.mark.parametrize("database", [0, None])
async def test_a_server_that_does_not_listen_is_an_error_that_names_the_address(database: int | None) -> None:
    port = own_server.free_port()
    error = await _refused(samples.make_cache(address=f"redis://127.0.0.1:{port}", database=database))
    assert f"127.0.0.1:{port}" in str(error)


async def test_a_socket_that_is_not_there_is_an_error_that_names_it(tmp_path: pathlib.Path) -> None:
    error = await _refused(samples.make_cache(address=f"unix://{tmp_path}/none.sock"))
    assert "none.sock" in str(error)


async def test_a_host_that_does_not_exist_is_an_error_of_ours() -> None:
    error = await _refused(samples.make_cache(address="redis://no-such-host.invalid", database=0))
    assert "no-such-host.invalid" in str(error)


@contextlib.contextmanager
def _listening(answer: bytes | None) -> collections.Iterator[int]:
    """Listen on a port, say the same to everybody or nothing at all."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:

        def serve() -> None:
            with contextlib.suppress(OSError):
                while answer is not None:
                    connection, _ = listener.accept()
                    with connection:
                        connection.recv(1)
                        connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            thread.join(5)


@pytest.mark.parametrize("database", [0, None])
async def test_a_server_that_never_answers_is_an_error_within_the_timeout(database: int | None) -> None:
    with _listening(None) as port:
        address = f"redis://127.0.0.1:{port}?socket_timeout=0.2&socket_connect_timeout=0.2"
        async with asyncio.timeout(3):
            await _refused(samples.make_cache(address=address, database=database))


@pytest.mark.parametrize(
    "answer", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x15\x03\x01\x00\x02\x02", b"-\r\n", b"+\r\n"]
)
async def test_something_else_that_listens_is_an_error_of_ours(answer: bytes) -> None:
    with _listening(answer) as port:
        await _refused(samples.make_cache(address=f"redis://127.0.0.1:{port}?socket_timeout=1", database=0))


@pytest.fixture(scope="module")
def locked(binary: str) -> collections.Iterator[own_server.OwnServer]:
    with own_server.running(binary, "--requirepass", "open sesame", "--databases", "4") as server:
        yield server


@pytest.mark.parametrize("password", [None, "wrong", "geheim!"])
async def test_a_wrong_password_is_an_error_that_says_so_and_does_not_show_it(
    locked: own_server.OwnServer, password: str | None
) -> None:
    error = await _refused(samples.make_cache(address=locked.url, database=0, password=password))
    assert "password" in str(error)
    assert password is None or password not in str(error)


async def test_the_right_password_opens_whether_in_the_address_or_beside_it(locked: own_server.OwnServer) -> None:
    async with samples.make_cache(address=locked.url, database=0, password="open sesame"):
        pass
    async with samples.make_cache(address=f"unix://:open%20sesame@{locked.socket}", database=0):
        pass
    async with samples.make_cache(address=f"unix://:wrong@{locked.socket}", database=0, password="open sesame"):
        pass


async def test_a_database_that_the_server_does_not_have_is_an_error_that_says_what_to_do(
    locked: own_server.OwnServer,
) -> None:
    error = await _refused(samples.make_cache(address=locked.url, database=4, password="open sesame"))
    assert "database 4" in str(error)
    assert "override" in str(error)


async def test_a_failed_opening_leaves_no_connection(locked: own_server.OwnServer) -> None:
    with contextlib.closing(locked.client(password="open sesame")) as client:
        before = len(client.client_list())
        cache = samples.make_cache(address=locked.url, password="open sesame")
        cache.with_index_override(sake.redis.ResourceIndex.EMOJI, override=99)
        await _refused(cache)
        await own_server.eventually(lambda: len(client.client_list()) == before)


async def test_a_cache_that_could_not_be_opened_can_be_opened_later(tmp_path: pathlib.Path, binary: str) -> None:
    server = own_server.OwnServer(binary, tmp_path)
    cache = samples.make_cache(address=server.url, database=0)
    with pytest.raises(sake.BackendError):
        await cache.open()
    try:
        server.start()
        async with cache:
            await cache.set_user(testing.Payloads().user(id="5"))
            assert (await cache.get_user(5)).id == 5
    finally:
        server.kill()


# Addresses that lead somewhere


@pytest.mark.parametrize("scheme", ["redis", "valkey"])
async def test_a_server_is_reached_by_tcp(scheme: str, binary: str, payloads: testing.Payloads) -> None:
    port = own_server.free_port()
    with own_server.running(binary, "--port", str(port), "--bind", "127.0.0.1") as server:
        async with samples.make_cache(address=f"{scheme}://127.0.0.1:{port}/2") as cache:
            await cache.set_user(payloads.user(id="5"))
            assert cache.all_indexes() == {2}
        with contextlib.closing(server.client(db=2)) as client:
            assert client.exists(keys.single("user", 5))


@pytest.mark.not_on("extra", reason="it may be anywhere")
async def test_a_server_is_reached_by_a_unix_socket(redis_url: str, payloads: testing.Payloads) -> None:
    assert redis_url.startswith("unix://")
    async with samples.make_cache(address=f"{redis_url}?db=7") as cache:
        await cache.set_user(payloads.user(id="5"))
        assert (await cache.get_user(5)).id == 5


@pytest.fixture(scope="module")
def encrypted() -> collections.Iterator[tuple[str, pathlib.Path, pathlib.Path]]:
    """A server's host and port, the authority it trusts, and one it does not."""
    if servers.REDIS_SERVER is None:
        pytest.skip("needs redis-server, for the bundled one has no TLS")

    port = own_server.free_port()
    with tempfile.TemporaryDirectory(prefix="sake-tests-") as name:
        folder = pathlib.Path(name)
        certificate, key = own_server.make_certificate(folder, "right")
        wrong, _ = own_server.make_certificate(folder, "wrong")
        settings = ("--tls-port", str(port), "--bind", "127.0.0.1", "--tls-auth-clients", "no")
        files = (
            "--tls-cert-file",
            str(certificate),
            "--tls-key-file",
            str(key),
            "--tls-ca-cert-file",
            str(certificate),
        )
        with own_server.running(servers.REDIS_SERVER, *settings, *files):
            yield f"127.0.0.1:{port}", certificate, wrong


@pytest.mark.parametrize("scheme", ["rediss", "valkeys"])
async def test_a_server_is_reached_by_tls(
    encrypted: tuple[str, pathlib.Path, pathlib.Path], payloads: testing.Payloads, scheme: str
) -> None:
    host, authority, _ = encrypted
    for address, options in (
        (f"{scheme}://{host}/1", {"connection_options": {"ssl_ca_certs": str(authority)}}),
        (f"{scheme}://{host}/1?ssl_ca_certs={authority}", {}),
    ):
        async with samples.make_cache(address=address, **options) as cache:
            await cache.set_user(payloads.user(id="5"))
            assert (await cache.get_user(5)).id == 5


async def test_a_wrong_authority_is_an_error_that_says_so(encrypted: tuple[str, pathlib.Path, pathlib.Path]) -> None:
    host, _, wrong = encrypted
    options = {"connection_options": {"ssl_ca_certs": str(wrong)}}
    error = await _refused(samples.make_cache(address=f"rediss://{host}", database=0, **options))
    assert "certificate" in str(error).lower()
    assert host in str(error)


async def test_plain_words_to_a_server_that_wants_tls_are_an_error_of_ours(
    encrypted: tuple[str, pathlib.Path, pathlib.Path],
) -> None:
    await _refused(samples.make_cache(address=f"redis://{encrypted[0]}?socket_timeout=2", database=0))


def _files(folder: pathlib.Path) -> list[pathlib.Path]:
    return list(folder.iterdir())


async def test_an_embedded_server_is_there_while_the_cache_is_open_and_leaves_nothing_behind(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, payloads: testing.Payloads
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    cache = samples.make_cache(address="embedded://")
    for _ in range(2):
        async with cache:
            with pytest.raises(sake.EntryNotFound):
                await cache.get_user(5)
            await cache.set_user(payloads.user(id="5"))
            assert (await cache.get_user(5)).id == 5
            assert _files(tmp_path)
        assert _files(tmp_path) == []


async def test_an_embedded_server_does_not_outlive_an_opening_that_failed(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    cache = samples.make_cache(address="embedded://", database=99)
    with pytest.raises(sake.BackendError):
        await cache.open()
    assert not cache.is_alive
    await cache.close()
    assert _files(tmp_path) == []


# Opening and closing


async def test_a_closed_cache_says_so_whatever_it_is_asked(payloads: testing.Payloads) -> None:
    cache = samples.make_cache()
    for call in (
        cache.get_user(1),
        cache.get_users([1]),
        cache.get_member(1, 2),
        cache.get_me(),
        cache.set_user(payloads.user()),
        cache.delete_role(1),
        cache.clear_messages(),
        cache.clear_voice_states_for_channel(1),
        cache.is_guild_available(1),
        cache.get_unavailable_guild_ids(),
        cache.is_member_list_complete(1),
        cache.update_message(payloads.message()),
        cache.flush(),
        cache.iter_users().len(),
        anext(cache.iter_roles_for_guild(1)),
        anext(cache.iter_voice_states_for_channel(1)),
    ):
        with pytest.raises(sake.ClosedClient):
            await call


async def test_an_iterator_that_outlives_its_cache_says_so(make_cache: typing.Any, payloads: testing.Payloads) -> None:
    cache = await make_cache(database=0)
    for _ in range(5):
        await cache.set_role(7, payloads.role())
    iterator = cache.iter_roles(window_size=2)
    await anext(iterator)
    await cache.close()
    with pytest.raises(sake.ClosedClient):
        while True:
            await anext(iterator)


async def test_opening_and_closing_twice_is_fine(make_cache: typing.Any) -> None:
    cache = await make_cache()
    await cache.open()
    assert cache.is_alive
    await asyncio.gather(cache.close(), cache.close())
    await cache.close()
    assert not cache.is_alive
    await asyncio.gather(cache.open(), cache.open())
    assert cache.is_alive


@marks.needs_closed_connections
async def test_closing_leaves_no_connection_and_no_task(
    make_cache: typing.Any, raw: typing.Any, feed: gateway.Feed, payloads: testing.Payloads
) -> None:
    tasks = asyncio.all_tasks()
    before = len(await raw.client_list())
    cache = await make_cache()
    feed("GUILD_CREATE", payloads.guild())
    await asyncio.gather(*(cache.get_users(range(i, i + 5)) for i in range(20)), cache.iter_roles().len())
    assert len(await raw.client_list()) > before
    await cache.close()
    await feed.settle()
    deadline = asyncio.get_running_loop().time() + 5
    while len(await raw.client_list()) > before:
        assert asyncio.get_running_loop().time() < deadline
    assert asyncio.all_tasks() - tasks == set()


@pytest.mark.not_on("fakeredis", reason="it answers at once, so that one connection is always enough")
async def test_a_database_has_no_more_connections_than_it_may(make_cache: typing.Any, raw: typing.Any) -> None:
    before = len(await raw.client_list())
    cache = await make_cache(database=0, max_connections_per_db=2)
    for _ in range(5):
        await asyncio.gather(*(cache.iter_roles().len() for _ in range(50)), cache.get_users([1, 2]))
    assert len(await raw.client_list()) - before <= 2
