# SPDX-License-Identifier: BSD-3-Clause
"""What a cache is made of: addresses, settings, databases, lifetimes, and what is said about those that cannot be."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import gc
import json
import math
import pathlib
import socket
import tempfile
import threading
import typing
import warnings
import zlib
from collections import abc as collections

import hikari
import pytest
from _support import gateway
from _support import own_server
from _support import servers

import sake
import sake.redis
from sake import testing

Payload = dict[str, typing.Any]

ADDRESS = "redis://127.0.0.1:1"
NOT_POSITIVE = (0, -1, -0.5, -math.inf, datetime.timedelta(0), datetime.timedelta(seconds=-3))
NO_TIME = (True, False, "60", b"1")
GUILD = "41771983423143937"


class People(sake.redis.MemberCache, sake.redis.UserCache):
    """Members and users."""


class Roles(sake.redis.RoleCache):
    """Roles."""


def _make(cls: typing.Any = sake.redis.RedisCache, /, address: str = ADDRESS, **options: typing.Any) -> typing.Any:
    return cls(address, gateway.make_bot(), **options)


# Bad input


@pytest.mark.parametrize(
    "address",
    ["http://localhost", "localhost:6379", "localhost", "", "redis:localhost", "rediss//x", "unix:/run/redis.sock", "://x"],
)
def test_an_address_with_another_scheme_is_refused_by_name(address: str) -> None:
    with pytest.raises(ValueError, match=r"address.*redis://"):
        _make(address=address)


@pytest.mark.parametrize(
    "address",
    ["redis://localhost/x", "redis://localhost/-1", "redis://localhost:port", "redis://localhost:99999999", "unix://"],
)
def test_an_address_that_leads_nowhere_is_refused_by_name(address: str) -> None:
    with pytest.raises(ValueError, match="address"):
        _make(address=address)


def test_a_password_in_a_refused_address_is_not_shown() -> None:
    for address in ("http://user:hunter2@localhost", "redis://user:hunter2@localhost/x"):
        with pytest.raises(ValueError, match="address") as caught:
            _make(address=address)
        assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("expire", NOT_POSITIVE)
@pytest.mark.parametrize("name", ["with_user_expire", "with_message_expire", "with_invite_expire"])
def test_a_lifetime_that_is_not_positive_is_refused_and_the_old_one_stays(name: str, expire: typing.Any) -> None:
    cache = _make()
    getattr(cache, name)(60)
    before = dict(cache.config)
    with pytest.raises(ValueError, match="expire"):
        getattr(cache, name)(expire)
    assert cache.config == before


@pytest.mark.parametrize("expire", NO_TIME)
@pytest.mark.parametrize("name", ["with_user_expire", "with_message_expire", "with_invite_expire"])
def test_a_lifetime_that_is_no_time_is_refused(name: str, expire: typing.Any) -> None:
    cache = _make()
    with pytest.raises(TypeError, match="expire"):
        getattr(cache, name)(expire)
    assert cache.config == {}


@pytest.mark.parametrize("expire", NOT_POSITIVE)
def test_a_default_lifetime_that_is_not_positive_is_refused_by_name(expire: typing.Any) -> None:
    with pytest.raises(ValueError, match="default_expire"):
        _make(default_expire=expire)


@pytest.mark.parametrize("expire", NO_TIME)
def test_a_default_lifetime_that_is_no_time_is_refused_by_name(expire: typing.Any) -> None:
    with pytest.raises(TypeError, match="default_expire"):
        _make(default_expire=expire)


@pytest.mark.parametrize("number", [-1, -16])
def test_a_negative_override_is_refused_by_name_and_nothing_changes(number: int) -> None:
    cache = _make().with_index_override(sake.redis.ResourceIndex.ROLE, override=5)
    with pytest.raises(ValueError, match="override"):
        cache.with_index_override(sake.redis.ResourceIndex.ROLE, override=number)
    assert cache.get_index_override(sake.redis.ResourceIndex.ROLE) == 5


@pytest.mark.parametrize("options", [{"database": -1}, {"max_connections_per_db": 0}, {"backlog_limit": 0}, {"backlog_limit": -1}])
def test_a_number_out_of_its_range_is_refused_by_name(options: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        _make(**options)


@pytest.mark.parametrize("options", [{"database": "3"}, {"database": 1.5}, {"max_connections_per_db": None}, {"backlog_limit": "1"}])
def test_what_is_no_whole_number_is_refused_by_name(options: dict[str, typing.Any]) -> None:
    with pytest.raises((TypeError, ValueError), match=next(iter(options))):
        _make(**options)


@pytest.mark.parametrize("namespace", ["", "a b", "a:b", "*", "{x}", "ä", "a\n"])
def test_a_namespace_that_would_break_keys_is_refused_by_name(namespace: str) -> None:
    with pytest.raises(ValueError, match="namespace"):
        _make(namespace=namespace)


def test_being_managed_by_events_without_an_event_manager_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="event_managed.*event_manager"):
        _make(event_managed=True)


@pytest.mark.parametrize("address", [f"{ADDRESS}/3", f"{ADDRESS}?db=3", "unix:///run/x.sock?db=3"])
def test_two_databases_are_a_contradiction_that_names_both(address: str) -> None:
    with pytest.raises(ValueError, match="database=4.*3"):
        _make(address=address, database=4)
    assert _make(address=address, database=3).all_indexes() == {3}


def test_asking_for_members_needs_an_event_manager_and_the_intent() -> None:
    with pytest.raises(ValueError, match="event_manager"):
        _make().chunk_on_guild_create(gateway.make_bot())

    bot = gateway.make_bot(intents=hikari.Intents.ALL_UNPRIVILEGED)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", hikari.MissingIntentWarning)
        cache = sake.redis.MemberCache(ADDRESS, bot, bot.event_manager)
    with pytest.raises(ValueError, match="GUILD_MEMBERS"):
        cache.chunk_on_guild_create(bot)
    assert cache.config == {}


ITERATORS: dict[str, tuple[typing.Any, ...]] = {
    "iter_emojis": (),
    "iter_emojis_for_guild": (1,),
    "iter_guild_channels": (),
    "iter_guild_channels_for_guild": (1,),
    "iter_guilds": (),
    "iter_invites": (),
    "iter_members": (),
    "iter_members_for_guild": (1,),
    "iter_messages": (),
    "iter_presences": (),
    "iter_presences_for_guild": (1,),
    "iter_roles": (),
    "iter_roles_for_guild": (1,),
    "iter_stickers": (),
    "iter_stickers_for_guild": (1,),
    "iter_threads": (),
    "iter_threads_for_channel": (1,),
    "iter_threads_for_guild": (1,),
    "iter_users": (),
    "iter_voice_states": (),
    "iter_voice_states_for_channel": (1,),
    "iter_voice_states_for_guild": (1,),
}


def test_every_iterator_is_in_the_table_of_this_test() -> None:
    assert set(ITERATORS) == {name for name in dir(sake.redis.RedisCache) if name.startswith("iter_")}


@pytest.mark.parametrize("window_size", [0, -1])
@pytest.mark.parametrize("name", ITERATORS)
def test_a_window_without_room_is_refused_by_name_when_the_iterator_is_made(name: str, window_size: int) -> None:
    with pytest.raises(ValueError, match="window_size"):
        getattr(_make(), name)(*ITERATORS[name], window_size=window_size)


SETTERS: dict[str, tuple[typing.Any, ...]] = {
    "set_emoji": (1,),
    "set_guild": (),
    "set_guild_channel": (),
    "set_invite": (),
    "set_me": (),
    "set_member": (1,),
    "set_message": (),
    "set_presence": (),
    "set_role": (1,),
    "set_sticker": (1,),
    "set_thread": (),
    "set_user": (),
    "set_voice_state": (1,),
    "update_message": (),
}
KEY_NAMES = {"set_invite": "code", "set_voice_state": "user_id"}


def test_every_setter_is_in_the_table_of_this_test() -> None:
    names = {name for name in dir(sake.redis.RedisCache) if name.startswith(("set_", "update_"))}
    assert set(SETTERS) == names


@pytest.mark.parametrize("payload", [{}, {"name": "x"}, {"id": None, "code": None, "user_id": None}])
@pytest.mark.parametrize("name", SETTERS)
async def test_a_payload_without_an_id_is_refused_by_name_and_nothing_changes(
    make_cache: typing.Any, raw: typing.Any, name: str, payload: Payload
) -> None:
    cache = await make_cache(database=0)
    given = dict(payload)
    with pytest.raises(ValueError, match="payload") as caught:
        await getattr(cache, name)(*SETTERS[name], payload)
    assert KEY_NAMES.get(name, "id") in str(caught.value)
    await cache.flush()
    assert payload == given
    assert await raw.dbsize() == 0


@pytest.mark.parametrize("name", ["set_guild_channel", "set_thread", "set_presence"])
async def test_a_payload_without_its_guild_is_refused_by_name(
    make_cache: typing.Any, raw: typing.Any, name: str, payloads: testing.Payloads
) -> None:
    cache = await make_cache(database=0)
    payload = {"set_guild_channel": payloads.channel, "set_thread": payloads.thread, "set_presence": payloads.presence}[name]()
    payload.pop("guild_id", None)
    with pytest.raises(ValueError, match="payload.*guild_id"):
        await getattr(cache, name)(payload)
    assert await raw.dbsize() == 0


@pytest.mark.parametrize("expire", [*NOT_POSITIVE, *NO_TIME])
async def test_a_lifetime_of_one_entry_that_cannot_be_is_refused_by_name_and_nothing_changes(
    make_cache: typing.Any, raw: typing.Any, payloads: testing.Payloads, expire: typing.Any
) -> None:
    cache = await make_cache(database=0)
    for call in (
        cache.set_user(payloads.user(), expire_time=expire),
        cache.set_message(payloads.message(), expire_time=expire),
        cache.set_invite(payloads.invite(), expire_time=expire),
        cache.update_message(payloads.message(), expire_time=expire),
    ):
        with pytest.raises((TypeError, ValueError), match="expire_time"):
            await call
    assert await raw.dbsize() == 0


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
    error = await _refused(_make(address=f"redis://127.0.0.1:{port}", database=database))
    assert f"127.0.0.1:{port}" in str(error)


async def test_a_socket_that_is_not_there_is_an_error_that_names_it(tmp_path: pathlib.Path) -> None:
    error = await _refused(_make(address=f"unix://{tmp_path}/none.sock"))
    assert "none.sock" in str(error)


async def test_a_host_that_does_not_exist_is_an_error_of_ours() -> None:
    error = await _refused(_make(address="redis://no-such-host.invalid", database=0))
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
            await _refused(_make(address=address, database=database))


@pytest.mark.parametrize("answer", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x15\x03\x01\x00\x02\x02", b"-\r\n", b"+\r\n"])
async def test_something_else_that_listens_is_an_error_of_ours(answer: bytes) -> None:
    with _listening(answer) as port:
        await _refused(_make(address=f"redis://127.0.0.1:{port}?socket_timeout=1", database=0))


@pytest.fixture(scope="module")
def locked() -> collections.Iterator[own_server.OwnServer]:
    with own_server.running("--requirepass", "open sesame", "--databases", "4") as server:
        yield server


@pytest.mark.parametrize("password", [None, "wrong", "geheim!"])
async def test_a_wrong_password_is_an_error_that_says_so_and_does_not_show_it(
    locked: own_server.OwnServer, password: str | None
) -> None:
    error = await _refused(_make(address=locked.url, database=0, password=password))
    assert "password" in str(error)
    assert password is None or password not in str(error)


async def test_the_right_password_opens_whether_in_the_address_or_beside_it(locked: own_server.OwnServer) -> None:
    async with _make(address=locked.url, database=0, password="open sesame"):
        pass
    async with _make(address=f"unix://:open%20sesame@{locked.socket}", database=0):
        pass
    async with _make(address=f"unix://:wrong@{locked.socket}", database=0, password="open sesame"):
        pass


async def test_a_database_that_the_server_does_not_have_is_an_error_that_says_what_to_do(
    locked: own_server.OwnServer,
) -> None:
    error = await _refused(_make(address=locked.url, database=4, password="open sesame"))
    assert "database 4" in str(error)
    assert "override" in str(error)


async def test_a_failed_opening_leaves_no_connection(locked: own_server.OwnServer) -> None:
    with contextlib.closing(locked.client(password="open sesame")) as client:
        before = len(client.client_list())
        cache = _make(address=locked.url, password="open sesame")
        cache.with_index_override(sake.redis.ResourceIndex.EMOJI, override=99)
        await _refused(cache)
        await own_server.eventually(lambda: len(client.client_list()) == before)


async def test_a_cache_that_could_not_be_opened_can_be_opened_later(tmp_path: pathlib.Path) -> None:
    server = own_server.OwnServer(tmp_path)
    cache = _make(address=server.url, database=0)
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
async def test_a_server_is_reached_by_tcp(scheme: str, payloads: testing.Payloads) -> None:
    port = own_server.free_port()
    with own_server.running("--port", str(port), "--bind", "127.0.0.1") as server:
        async with _make(address=f"{scheme}://127.0.0.1:{port}/2") as cache:
            await cache.set_user(payloads.user(id="5"))
            assert cache.all_indexes() == {2}
        with contextlib.closing(server.client(db=2)) as client:
            assert client.exists("user:5")


async def test_a_server_is_reached_by_a_unix_socket(redis_url: str, payloads: testing.Payloads) -> None:
    assert redis_url.startswith("unix://")
    async with _make(address=f"{redis_url}?db=7") as cache:
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
        files = ("--tls-cert-file", str(certificate), "--tls-key-file", str(key), "--tls-ca-cert-file", str(certificate))
        with own_server.running(*settings, *files):
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
        async with _make(address=address, **options) as cache:
            await cache.set_user(payloads.user(id="5"))
            assert (await cache.get_user(5)).id == 5


async def test_a_wrong_authority_is_an_error_that_says_so(encrypted: tuple[str, pathlib.Path, pathlib.Path]) -> None:
    host, _, wrong = encrypted
    options = {"connection_options": {"ssl_ca_certs": str(wrong)}}
    error = await _refused(_make(address=f"rediss://{host}", database=0, **options))
    assert "certificate" in str(error).lower()
    assert host in str(error)


async def test_plain_words_to_a_server_that_wants_tls_are_an_error_of_ours(
    encrypted: tuple[str, pathlib.Path, pathlib.Path],
) -> None:
    await _refused(_make(address=f"redis://{encrypted[0]}?socket_timeout=2", database=0))


async def test_an_embedded_server_is_there_while_the_cache_is_open_and_leaves_nothing_behind(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, payloads: testing.Payloads
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    cache = _make(address="embedded://")
    for _ in range(2):
        async with cache:
            with pytest.raises(sake.EntryNotFound):
                await cache.get_user(5)
            await cache.set_user(payloads.user(id="5"))
            assert (await cache.get_user(5)).id == 5
            assert list(tmp_path.iterdir())
        assert list(tmp_path.iterdir()) == []


async def test_an_embedded_server_does_not_outlive_an_opening_that_failed(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    cache = _make(address="embedded://", database=99)
    with pytest.raises(sake.BackendError):
        await cache.open()
    assert not cache.is_alive
    await cache.close()
    assert list(tmp_path.iterdir()) == []


# Opening and closing


async def test_a_closed_cache_says_so_whatever_it_is_asked(payloads: testing.Payloads) -> None:
    cache = _make()
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


async def test_a_database_has_no_more_connections_than_it_may(make_cache: typing.Any, raw: typing.Any) -> None:
    before = len(await raw.client_list())
    cache = await make_cache(database=0, max_connections_per_db=2)
    for _ in range(5):
        await asyncio.gather(*(cache.iter_roles().len() for _ in range(50)), cache.get_users([1, 2]))
    assert len(await raw.client_list()) - before <= 2


# What a cache stores


def test_a_cache_is_what_it_is_mixed_of() -> None:
    assert _make(People).all_indexes() == {sake.redis.ResourceIndex.MEMBER, sake.redis.ResourceIndex.USER}
    assert hasattr(People, "get_me")
    assert not hasattr(People, "get_role")
    assert People.all_intents() == hikari.Intents.GUILDS | hikari.Intents.GUILD_MEMBERS
    assert _make(Roles).all_indexes() == {sake.redis.ResourceIndex.ROLE}


async def test_a_mixed_cache_stores_its_kinds_and_no_others(
    make_cache: typing.Any, feed: gateway.Feed, raw: typing.Any, payloads: testing.Payloads
) -> None:
    cache = await make_cache(People, database=0)
    guild = payloads.guild()
    feed("GUILD_CREATE", guild)
    feed("GUILD_ROLE_CREATE", {"guild_id": guild["id"], "role": payloads.role()})
    feed("MESSAGE_CREATE", payloads.message(guild_id=guild["id"]))
    await cache.flush()
    assert await cache.iter_members().len() == len(guild["members"])
    names = {key.decode().rpartition("}:")[2].partition(":")[0] for key in await raw.keys()}
    assert names == {"member", "member-guilds", "member-complete", "user"}


async def test_a_cache_without_users_stores_members_with_theirs(
    make_cache: typing.Any, raw: typing.Any, payloads: testing.Payloads
) -> None:
    cache = await make_cache(sake.redis.MemberCache, database=0)
    member = payloads.member()
    await cache.set_member(7, member)
    assert (await cache.get_member(7, int(member["user"]["id"]))).user.username == member["user"]["username"]
    assert not await raw.exists(f"user:{member['user']['id']}")


def test_a_missing_intent_is_a_warning_that_names_the_resource_and_the_intent() -> None:
    bot = gateway.make_bot(intents=hikari.Intents.ALL_UNPRIVILEGED)
    with pytest.warns(hikari.MissingIntentWarning) as caught:
        sake.redis.RedisCache(ADDRESS, bot, bot.event_manager)

    texts = sorted(str(warning.message) for warning in caught)
    assert len(texts) == 2
    assert "MemberCache" in texts[0]
    assert "GUILD_MEMBERS" in texts[0]
    assert "PresenceCache" in texts[1]
    assert "GUILD_PRESENCES" in texts[1]
    assert all(warning.filename == __file__ for warning in caught)


def test_no_missing_intent_is_no_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        bot = gateway.make_bot(intents=sake.redis.RedisCache.all_intents())
        sake.redis.RedisCache(ADDRESS, bot, bot.event_manager)
        few = gateway.make_bot(intents=hikari.Intents.GUILDS)
        sake.redis.RoleCache(ADDRESS, few, few.event_manager)
        sake.redis.RedisCache(ADDRESS, few)


def test_the_intents_of_everything_are_those_that_hikari_has_events_for() -> None:
    intents = sake.redis.RedisCache.all_intents()
    for needed in (
        hikari.Intents.GUILDS,
        hikari.Intents.GUILD_MEMBERS,
        hikari.Intents.GUILD_PRESENCES,
        hikari.Intents.GUILD_VOICE_STATES,
        hikari.Intents.GUILD_INVITES,
        hikari.Intents.GUILD_EMOJIS,
        hikari.Intents.GUILD_MESSAGES,
        hikari.Intents.DM_MESSAGES,
    ):
        assert intents & needed == needed


async def test_a_rest_client_is_enough_of_an_application(redis_url: str, payloads: testing.Payloads) -> None:
    rest = gateway.make_bot().rest
    async with sake.redis.RedisCache(redis_url, rest, database=0) as cache:
        await cache.set_user(payloads.user(id="5"))
        assert (await cache.get_user(5)).app.rest is rest


# Databases


def test_every_resource_has_a_database_of_its_own_unless_told_otherwise() -> None:
    everything = set(sake.redis.ResourceIndex) - {sake.redis.ResourceIndex.REFERENCE}
    assert _make().all_indexes() == everything
    cache = _make().with_index_override(sake.redis.ResourceIndex.ROLE, override=5)
    assert cache.all_indexes() == everything - {sake.redis.ResourceIndex.ROLE}
    assert cache.get_index_override(sake.redis.ResourceIndex.ROLE) == 5
    assert cache.get_index_override(sake.redis.ResourceIndex.EMOJI) is None


def test_an_override_is_unset_by_none_and_calls_are_chained() -> None:
    cache = _make(Roles)
    assert cache.with_index_override(sake.redis.ResourceIndex.ROLE, override=0) is cache
    assert cache.get_index_override(sake.redis.ResourceIndex.ROLE) == 0
    assert cache.all_indexes() == {0}
    assert cache.with_index_override(sake.redis.ResourceIndex.ROLE) is cache
    assert cache.get_index_override(sake.redis.ResourceIndex.ROLE) is None
    assert cache.all_indexes() == {sake.redis.ResourceIndex.ROLE}


def test_one_database_for_everything_may_have_exceptions() -> None:
    cache = _make(database=3).with_index_override(sake.redis.ResourceIndex.USER, override=4)
    assert cache.all_indexes() == {3, 4}


async def test_an_override_set_while_open_is_refused_by_name_and_nothing_changes(make_cache: typing.Any) -> None:
    cache = await make_cache()
    for override in (5, None):
        with pytest.raises(ValueError, match="ROLE"):
            cache.with_index_override(sake.redis.ResourceIndex.ROLE, override=override)
    assert cache.get_index_override(sake.redis.ResourceIndex.ROLE) is None
    await cache.close()
    cache.with_index_override(sake.redis.ResourceIndex.ROLE, override=5)
    assert cache.get_index_override(sake.redis.ResourceIndex.ROLE) == 5


DATABASES = {
    0: {"emoji", "emoji-guild", "emoji-guilds"},
    1: {"guild"},
    2: {"channel", "channel-guild", "channel-guilds"},
    4: {"member", "member-guilds", "member-complete"},
    5: {"presence", "presence-guilds"},
    6: {"role", "role-guild", "role-guilds"},
    7: {"user"},
    8: {"voice_state", "voice_state-channel", "voice_state-guilds"},
    9: set[str](),
    11: {"thread", "thread-channel", "thread-guild", "thread-guilds"},
    12: {"sticker", "sticker-guild", "sticker-guilds"},
}


async def _names(client: typing.Any) -> set[str]:
    return {key.decode().rpartition("}:")[2].partition(":")[0] for key in await client.keys()}


def _whole_guild(payloads: testing.Payloads) -> tuple[Payload, Payload]:
    world = testing.World(seed=3, guilds=1, members=20)
    (guild_id,) = world.guilds
    return world.guild_create(guild_id), payloads.guild()


async def test_by_default_every_resource_is_in_its_own_database_with_its_look_up_tables(
    make_cache: typing.Any, feed: gateway.Feed, raw_database: typing.Any, payloads: testing.Payloads
) -> None:
    cache = await make_cache()
    guild, _ = _whole_guild(payloads)
    assert all(guild[name] for name in ("channels", "emojis", "members", "presences", "roles", "stickers", "threads"))
    feed("GUILD_CREATE", guild)
    await cache.flush()
    for database, names in DATABASES.items():
        assert await _names(raw_database(database)) == names, database
    assert await cache.iter_threads().len() == len(guild["threads"])
    assert await cache.iter_users().len() >= len(guild["members"])


async def test_resources_are_where_their_overrides_say_and_may_share(
    make_cache: typing.Any, feed: gateway.Feed, raw_database: typing.Any, payloads: testing.Payloads, redis_url: str, bot: hikari.GatewayBot
) -> None:
    cache = sake.redis.RedisCache(redis_url, bot, bot.event_manager)
    for index in (sake.redis.ResourceIndex.USER, sake.redis.ResourceIndex.ROLE, sake.redis.ResourceIndex.MEMBER):
        cache.with_index_override(index, override=14)
    async with cache:
        guild, _ = _whole_guild(payloads)
        feed("GUILD_CREATE", guild)
        await cache.flush()
        assert await _names(raw_database(14)) == DATABASES[4] | DATABASES[6] | DATABASES[7]
        for database in (4, 6, 7):
            assert await _names(raw_database(database)) == set()
        for member in guild["members"]:
            assert (await cache.get_user(int(member["user"]["id"]))).username == member["user"]["username"]
        role = guild["roles"][0]
        assert (await cache.get_role(int(role["id"]))).name == role["name"]


async def test_all_resources_share_one_database(
    make_cache: typing.Any, feed: gateway.Feed, raw_database: typing.Any, payloads: testing.Payloads
) -> None:
    cache = await make_cache(database=9)
    guild, _ = _whole_guild(payloads)
    feed("GUILD_CREATE", guild)
    await cache.flush()
    assert await _names(raw_database(9)) == set().union(*DATABASES.values())
    for database in range(9):
        assert await raw_database(database).dbsize() == 0
    for kind, name in (("roles", "roles"), ("guild_channels", "channels"), ("members", "members"), ("emojis", "emojis")):
        assert await getattr(cache, f"iter_{kind}")().len() == len(guild[name])


# Config and lifetimes


def test_a_shared_config_is_kept_as_it_is() -> None:
    config: dict[str, typing.Any] = {}
    one, other = _make(config=config), _make(People, config=config)
    assert one.config is config
    assert other.config is config
    one.with_user_expire(60)
    assert other.config == one.config != {}


async def _lifetime(raw: typing.Any, key: str) -> float:
    milliseconds = await raw.pttl(key)
    assert milliseconds != -2, key
    return math.inf if milliseconds == -1 else milliseconds / 1_000


async def test_a_lifetime_in_a_shared_config_counts_for_every_cache(
    redis_url: str, raw: typing.Any, payloads: testing.Payloads
) -> None:
    config: dict[str, typing.Any] = {}
    _make(config=config).with_user_expire(77)
    async with _make(address=redis_url, database=0, config=config) as cache:
        await cache.set_user(payloads.user(id="5"))
        assert await _lifetime(raw, "user:5") == pytest.approx(77, abs=3)


DEFAULTS = {"user": 3_600, "message": 300, "invite": 2_592_000}


@pytest.mark.every_server
@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, DEFAULTS),
        ({"default_expire": 50}, dict.fromkeys(DEFAULTS, 50)),
        ({"default_expire": 50.5}, dict.fromkeys(DEFAULTS, 50.5)),
        ({"default_expire": datetime.timedelta(hours=2)}, dict.fromkeys(DEFAULTS, 7_200)),
        ({"default_expire": None}, dict.fromkeys(DEFAULTS, math.inf)),
        ({"default_expire": math.inf}, dict.fromkeys(DEFAULTS, math.inf)),
        ({"default_expire": math.nan}, dict.fromkeys(DEFAULTS, math.inf)),
    ],
)
async def test_lifetimes_on_the_server_are_in_real_units(
    make_cache: typing.Any, raw: typing.Any, payloads: testing.Payloads, options: dict[str, typing.Any], expected: dict[str, float]
) -> None:
    cache = await make_cache(database=0, **options)
    await cache.set_user(payloads.user(id="5"))
    await cache.set_message(payloads.message(id="6"))
    await cache.set_invite(payloads.invite(code="abc", max_age=0))
    for kind, key in (("user", "user:5"), ("message", "message:6"), ("invite", "invite:abc")):
        assert await _lifetime(raw, key) == pytest.approx(expected[kind], abs=3), kind


@pytest.mark.parametrize(
    ("expire", "expected"),
    [(40, 40), (0.5, 0.5), (datetime.timedelta(minutes=3), 180), (math.inf, math.inf), (math.nan, math.inf)],
)
async def test_a_lifetime_of_a_kind_takes_the_place_of_the_default(
    make_cache: typing.Any, raw: typing.Any, payloads: testing.Payloads, expire: typing.Any, expected: float
) -> None:
    cache = await make_cache(database=0, default_expire=999)
    await cache.close()
    assert cache.with_user_expire(expire).with_message_expire(expire).with_invite_expire(expire) is cache
    await cache.open()
    await cache.set_user(payloads.user(id="5"))
    await cache.set_message(payloads.message(id="6"))
    await cache.set_invite(payloads.invite(code="abc", max_age=0))
    for key in ("user:5", "message:6", "invite:abc"):
        assert await _lifetime(raw, key) == pytest.approx(expected, abs=0.5 if expected < 1 else 3), key
    cache.with_user_expire(None)
    await cache.set_user(payloads.user(id="7"))
    assert await _lifetime(raw, "user:7") == pytest.approx(999, abs=3)


async def test_a_lifetime_changed_while_open_counts_from_the_next_entry_on(
    make_cache: typing.Any, raw: typing.Any, feed: gateway.Feed, payloads: testing.Payloads
) -> None:
    cache = await make_cache(database=0)
    cache.with_message_expire(20)
    feed("MESSAGE_CREATE", payloads.message(id="6"))
    await cache.flush()
    assert await _lifetime(raw, "message:6") == pytest.approx(20, abs=3)


async def test_an_entry_may_have_a_lifetime_of_its_own(
    make_cache: typing.Any, raw: typing.Any, payloads: testing.Payloads
) -> None:
    cache = await make_cache(database=0)
    for number, (expire, expected) in enumerate(((30, 30), (math.inf, math.inf), (datetime.timedelta(days=1), 86_400), (None, 3_600))):
        await cache.set_user(payloads.user(id=f"5{number}"), expire_time=expire)
        assert await _lifetime(raw, f"user:5{number}") == pytest.approx(expected, abs=3)


async def test_an_update_keeps_the_time_that_a_message_has_left_unless_told_otherwise(
    make_cache: typing.Any, raw: typing.Any, feed: gateway.Feed, payloads: testing.Payloads
) -> None:
    cache = await make_cache(database=0)
    message = payloads.message(id="6")
    await cache.set_message(message, expire_time=50)
    feed("MESSAGE_UPDATE", {**message, "content": "by an event"})
    await cache.flush()
    assert await _lifetime(raw, "message:6") == pytest.approx(50, abs=3)
    assert await cache.update_message({"id": "6", "content": "by hand"})
    assert await _lifetime(raw, "message:6") == pytest.approx(50, abs=3)
    assert (await cache.get_message(6)).content == "by hand"
    assert await cache.update_message({"id": "6", "content": "longer"}, expire_time=500)
    assert await _lifetime(raw, "message:6") == pytest.approx(500, abs=3)
    assert (await cache.get_message(6)).content == "longer"
    assert not await cache.update_message({"id": "404", "content": "nothing"}, expire_time=500)
    assert not await raw.exists("message:404")


async def test_an_invite_goes_when_it_expires(
    make_cache: typing.Any, raw: typing.Any, feed: gateway.Feed, payloads: testing.Payloads
) -> None:
    cache = await make_cache(database=0)
    now = datetime.datetime.now(tz=datetime.UTC)
    created_at = (now - datetime.timedelta(seconds=600)).isoformat()
    feed("INVITE_CREATE", payloads.invite(code="live", max_age=1_800, created_at=created_at))
    feed("INVITE_CREATE", payloads.invite(code="dead", max_age=300, created_at=created_at))
    feed("INVITE_CREATE", payloads.invite(code="ever", max_age=0, created_at=created_at))
    await cache.flush()
    assert await _lifetime(raw, "invite:live") == pytest.approx(1_200, abs=5)
    assert await _lifetime(raw, "invite:ever") == pytest.approx(2_592_000, abs=5)
    assert not await raw.exists("invite:dead")
    assert {invite.code async for invite in cache.iter_invites()} == {"live", "ever"}


async def test_an_entry_is_gone_when_its_time_is_over(make_cache: typing.Any, payloads: testing.Payloads) -> None:
    cache = await make_cache(database=0)
    await cache.set_user(payloads.user(id="5"), expire_time=0.05)
    assert (await cache.get_user(5)).id == 5
    async with asyncio.timeout(5):
        while await cache.get_users([5]):
            await asyncio.sleep(0.01)
    assert await cache.iter_users().len() == 0


# Bytes of one's own


def _pack(payload: Payload) -> bytes:
    return zlib.compress(json.dumps(payload).encode())


def _unpack(data: bytes) -> Payload:
    return json.loads(zlib.decompress(data))


async def test_payloads_are_stored_with_the_functions_that_were_given(
    make_cache: typing.Any, raw: typing.Any, feed: gateway.Feed, payloads: testing.Payloads
) -> None:
    cache = await make_cache(database=0, dumps=_pack, loads=_unpack)
    message = payloads.message(id="6")
    feed("MESSAGE_CREATE", message)
    feed("MESSAGE_UPDATE", {"id": "6", "content": "one"})
    await cache.flush()
    feed("MESSAGE_UPDATE", {"id": "6", "content": "two"})
    assert (await cache.get_message(6)).content == "two"
    assert _unpack(await raw.get("message:6")) == {**message, "content": "two"}
    assert cache.load(cache.dump({"a": []})) == {"a": []}
    guild, _ = _whole_guild(payloads)
    feed("GUILD_CREATE", guild)
    assert await cache.iter_members().len() == len(guild["members"])
    assert {int(role.id) async for role in cache.iter_roles()} == {int(role["id"]) for role in guild["roles"]}


async def test_bytes_that_cannot_be_read_are_an_error_for_one_and_skipped_among_many(
    make_cache: typing.Any, raw: typing.Any, payloads: testing.Payloads
) -> None:
    cache = await make_cache(database=0)
    await cache.set_role(7, payloads.role(id="1"))
    await cache.set_role(7, payloads.role(id="2"))
    for data in (b"\x00", b"{}", b"[]", b"null", _pack({"id": "2"})):
        await raw.hset("{7}:role", "2", data)
        with pytest.raises(sake.InvalidDataFound, match="role 2") as caught:
            await cache.get_role(2)
        assert caught.value.exception is not None
        assert [role.id async for role in cache.iter_roles()] == [1]
        assert set(await cache.get_roles([1, 2])) == {1}
        assert set(await cache.get_roles([1, 2], guild_id=7)) == {1}


# Reading many


async def _round_trips(raw: typing.Any) -> dict[str, int]:
    statistics = await raw.info("commandstats")
    return {name.removeprefix("cmdstat_"): found["calls"] for name, found in statistics.items()}


async def _fill(cache: typing.Any, payloads: testing.Payloads) -> None:
    for number in range(1, 9):
        guild = 70 + number % 2
        await cache.set_role(guild, payloads.role(id=f"1{number}"))
        await cache.set_member(guild, payloads.member(user=payloads.user(id=f"2{number}")))
        await cache.set_message(payloads.message(id=f"3{number}"))
        await cache.set_invite(payloads.invite(code=f"code{number}"))


async def test_many_are_returned_in_the_order_asked_once_each_without_the_missing(
    make_cache: typing.Any, payloads: testing.Payloads
) -> None:
    cache = await make_cache(database=0)
    await _fill(cache, payloads)
    assert list(await cache.get_users([28, 404, 21, 28, 23])) == [28, 21, 23]
    assert list(await cache.get_members(71, [27, 22, 21, 27])) == [27, 21]
    assert list(await cache.get_messages([33, 31, 404])) == [33, 31]
    assert list(await cache.get_roles([18, 11, 404, 15, 12, 18])) == [18, 11, 15, 12]
    assert list(await cache.get_roles([18, 11, 15], guild_id=71)) == [11, 15]
    assert list(await cache.get_invites(["code3", "none", "code1"])) == ["code3", "code1"]
    for empty in (cache.get_users([]), cache.get_roles([]), cache.get_members(71, []), cache.get_invites([])):
        assert await empty == {}
    users = await cache.get_users(hikari.Snowflake(number) for number in (21, 22))
    assert all(isinstance(key, hikari.Snowflake) and user.id == key for key, user in users.items())


async def test_many_are_one_round_trip_where_their_place_is_known_and_two_where_it_is_not(
    make_cache: typing.Any, raw: typing.Any, payloads: testing.Payloads
) -> None:
    cache = await make_cache(database=0)
    await _fill(cache, payloads)
    for call, expected in (
        (lambda: cache.get_users([21, 22, 23, 404]), {"mget": 1}),
        (lambda: cache.get_messages([31, 32, 33]), {"mget": 1}),
        (lambda: cache.get_members(71, [21, 23, 404]), {"hmget": 1}),
        (lambda: cache.get_roles([11, 13, 404], guild_id=71), {"hmget": 1}),
        (lambda: cache.get_role(11, guild_id=71), {"hmget": 1}),
        (lambda: cache.get_roles([11, 12, 13, 404]), {"hmget": 3}),
    ):
        await raw.config_resetstat()
        await call()
        found = {name: calls for name, calls in (await _round_trips(raw)).items() if not name.startswith("config")}
        assert found == expected


async def test_what_is_asked_at_once_shares_a_round_trip(
    make_cache: typing.Any, raw: typing.Any, payloads: testing.Payloads
) -> None:
    cache = await make_cache(database=0)
    await _fill(cache, payloads)
    await raw.config_resetstat()
    members = await asyncio.gather(*(cache.get_member(71, number) for number in (21, 23, 25, 27)))
    users = await asyncio.gather(*(cache.get_user(number) for number in range(21, 29)))
    assert [member.id for member in members] == [21, 23, 25, 27]
    assert [user.id for user in users] == list(range(21, 29))
    found = await _round_trips(raw)
    assert (found["hmget"], found["mget"]) == (1, 1)


async def test_the_guild_of_an_entity_is_asked_for_once_and_a_hint_saves_even_that(
    make_cache: typing.Any, raw: typing.Any, payloads: testing.Payloads
) -> None:
    cache = await make_cache(database=0, fed=False)
    await _fill(cache, payloads)
    for number, expected in ((11, 2), (11, 1), (11, 1)):
        await raw.config_resetstat()
        assert (await cache.get_role(number)).id == number
        assert (await _round_trips(raw))["hmget"] == expected
    with pytest.raises(sake.EntryNotFound):
        await cache.get_role(11, guild_id=70)
    assert (await cache.get_role(11, guild_id=71)).id == 11


async def test_a_remembered_guild_does_not_hide_that_an_entity_is_gone_or_elsewhere(
    make_cache: typing.Any, payloads: testing.Payloads
) -> None:
    cache, other = await make_cache(database=0), await make_cache(database=0, fed=False)
    await cache.set_role(71, payloads.role(id="11", name="old"))
    assert (await cache.get_role(11)).name == "old"
    await other.delete_role(11)
    with pytest.raises(sake.EntryNotFound):
        await cache.get_role(11)
    await other.set_role(72, payloads.role(id="11", name="new"))
    found = await cache.get_role(11)
    assert (found.name, found.guild_id) == ("new", 72)


async def test_a_hint_of_the_wrong_guild_deletes_nothing(make_cache: typing.Any, payloads: testing.Payloads) -> None:
    cache = await make_cache(database=0)
    await cache.set_role(71, payloads.role(id="11"))
    await cache.delete_role(11, guild_id=72)
    assert (await cache.get_role(11)).id == 11
    await cache.delete_role(11, guild_id=71)
    assert await cache.get_roles([11]) == {}
    await cache.delete_role(11, guild_id=71)
    await cache.delete_role(11)


# Iterating


@pytest.mark.every_server
@pytest.mark.parametrize("window_size", [1, 2, 7, 1_000, 10**9])
async def test_iterators_return_each_entry_once_whatever_the_window(
    make_cache: typing.Any, feed: gateway.Feed, window_size: int
) -> None:
    cache = await make_cache(database=0)
    world = testing.World(seed=5, guilds=3, members=60)
    feed.all(("GUILD_CREATE", world.guild_create(guild_id)) for guild_id in world.guilds)
    guild = next(iter(world.guilds.values()))
    voice_channel = next(iter(guild.voice_states.values()))["channel_id"]
    in_channel = [state for state in guild.voice_states.values() if state["channel_id"] == voice_channel]
    for iterator, expected in (
        (cache.iter_guilds(window_size=window_size), len(world.guilds)),
        (cache.iter_members(window_size=window_size), sum(len(found.members) for found in world.guilds.values())),
        (cache.iter_members_for_guild(guild.id, window_size=window_size), len(guild.members)),
        (cache.iter_roles(window_size=window_size), sum(len(found.roles) for found in world.guilds.values())),
        (cache.iter_roles_for_guild(guild.id, window_size=window_size), len(guild.roles)),
        (cache.iter_users(window_size=window_size), len(set().union(*(found.members for found in world.guilds.values())))),
        (cache.iter_voice_states_for_channel(voice_channel, window_size=window_size), len(in_channel)),
        (cache.iter_voice_states_for_guild(guild.id, window_size=window_size), len(guild.voice_states)),
    ):
        assert await iterator.len() == expected
        found = [(getattr(model, "guild_id", None), getattr(model, "id", None) or model.user_id) async for model in iterator]
        assert len(found) == len(set(found)) == expected
        assert await iterator.len() == expected
        with pytest.raises(StopAsyncIteration):
            await anext(iterator)


async def test_iterators_over_nothing_are_empty(make_cache: typing.Any) -> None:
    cache = await make_cache()
    for name, arguments in ITERATORS.items():
        iterator = getattr(cache, name)(*arguments)
        assert await iterator.len() == 0, name
        assert await iterator == [], name


async def test_making_an_iterator_asks_the_server_for_nothing(make_cache: typing.Any, raw: typing.Any) -> None:
    cache = await make_cache(database=0)
    await raw.config_resetstat()
    for name, arguments in ITERATORS.items():
        getattr(cache, name)(*arguments)
    await asyncio.sleep(0)
    assert set(await _round_trips(raw)) <= {"info", "config|resetstat"}


async def test_iterators_have_the_methods_of_hikaris(make_cache: typing.Any, payloads: testing.Payloads) -> None:
    cache = await make_cache(database=0)
    for number in range(1, 10):
        await cache.set_role(7, payloads.role(id=str(number), hoist=number % 2 == 0))
    assert len(await cache.iter_roles().limit(4)) == 4
    assert sorted(await cache.iter_roles().filter(lambda role: role.is_hoisted).map(lambda role: int(role.id))) == [2, 4, 6, 8]
