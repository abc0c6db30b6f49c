# SPDX-License-Identifier: BSD-3-Clause
"""Addresses, options, rights, Clusters and slow ways, as those meet them who only know the public names."""

from __future__ import annotations

import asyncio
import contextlib
import pathlib
import re
import socket
import threading
import time
import typing
from collections import abc as collections

import hikari
import orjson
import pytest
import redis
from _support import gateway
from _support import keys
from _support import own_server
from _support import samples

import sake
import sake.redis
from sake import testing
from sake.redis._engine import connections as _connections
from sake.redis._model import codec as _codec
from sake.redis._model import keys as _keys
from sake.redis._model import rights as _rights
from sake.redis._model import setup as _setup
from sake.redis._model import statistics as _statistics
from sake.redis._model import wire as _wire

_DOCUMENTED = pathlib.Path(__file__).parents[2] / "docs" / "guides" / "operating.md"


# Addresses

_SECRETS = [
    f"hunter{character}secret" for character in ("", "/", "@", "#", "?", "%", ":", "://", " ", "[", "=1&", "/1?")
]
_PLACES = [
    "redis://:{}@127.0.0.1:1/0",
    "redis://user:{}@127.0.0.1:1",
    "redis://{}@127.0.0.1:1",
    "redis://:1{}@127.0.0.1:1/0",
    "redis://127.0.0.1:1?password={}",
    "rediss://127.0.0.1:1?ssl_password={}&ssl_keyfile=x",
    "redis://127.0.0.1:1/0?socket_timeout={}",
    "redis://:1?{}=1@127.0.0.1:1",
    "valkey://user:{}@127.0.0.1:1/x",
    "redis://user:{}@127.0.0.1:port",
    "http://user:{}@127.0.0.1:1",
    "{}@127.0.0.1:1",
    "user:{}@127.0.0.1",
    "redis:user:{}@127.0.0.1",
    "unix://user:{}@/nowhere/x.sock",
    "unix://user:{}@",
    "unix://:{}@nowhere/x.sock",
    "unix:///nowhere/x.sock?password={}",
]


def _said(exc: BaseException | None) -> collections.Iterator[str]:
    seen: set[int] = set()
    while exc is not None and id(exc) not in seen:
        seen.add(id(exc))
        yield f"{exc} {exc!r}"
        exc = exc.__cause__ or exc.__context__


@pytest.mark.parametrize("place", _PLACES)
async def test_no_error_and_no_log_shows_any_part_of_a_password(place: str, caplog: pytest.LogCaptureFixture) -> None:
    bot = gateway.make_bot()
    for secret in _SECRETS:
        with pytest.raises((ValueError, sake.BackendError)) as caught:
            cache = sake.redis.RoleCache(place.format(secret), bot, bot.event_manager, event_managed=True)
            assert "hunter" not in repr(cache)
            await cache.open()
        texts = [*_said(caught.value), *(record.getMessage() for record in caplog.records)]
        shown = [text for text in texts if "hunter" in text or "secret" in text]
        assert not shown, shown


@pytest.mark.parametrize("secret", ["hunter%2Fsecret", "hunter%40secret", "hunter%23%3Fsecret", "hunter:secret"])
def test_a_password_that_is_escaped_is_understood(secret: str) -> None:
    address, database = _connections.check_address(f"redis://user:{secret}@host:6379/3")
    assert address.endswith(f"{secret}@host:6379/3")
    assert database == 3
    assert _connections.hide_password(address) == "redis://host:6379/3"


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("redis://localhost", "redis://localhost"),
        ("redis://localhost:6380/", "redis://localhost:6380"),
        ("rediss://[::1]:6380/4?password=x", "rediss://[::1]:6380/4"),
        ("valkey://u:p@host/4", "redis://host/4"),
        ("unix:///run/redis.sock?db=3", "unix:///run/redis.sock"),
        ("unix://u:p@/run/redis.sock", "unix:///run/redis.sock"),
    ],
)
def test_what_is_shown_of_an_address_is_where_it_leads(address: str, shown: str) -> None:
    assert _connections.hide_password(_connections.check_address(address)[0]) == shown


# Options


@pytest.mark.parametrize("address", [None, 5, b"redis://localhost"])
def test_an_address_that_is_no_text_is_refused_by_name(address: typing.Any) -> None:
    with pytest.raises(ValueError, match=r"address must be a text such as redis://localhost"):
        samples.make_cache(address=address)


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"connection_options": {"sokket_timeout": 1}}, "sokket_timeout"),
        ({"connection_options": {"ssl_ca_certs": "x"}}, "ssl_ca_certs"),
        ({"connection_options": {"socket_timeout": "1"}}, "socket_timeout"),
        ({"connection_options": {"socket_timeout": 0}}, "socket_timeout"),
        ({"connection_options": {"socket_timeout": True}}, "socket_timeout"),
        ({"connection_options": {"socket_connect_timeout": -1}}, "socket_connect_timeout"),
        ({"address": "redis://127.0.0.1:1?nothing=1"}, "nothing"),
        ({"address": "redis://127.0.0.1:1?socket_timeout=soon"}, "socket_timeout"),
        ({"address": "redis://127.0.0.1:1?socket_timeout=nan"}, "socket_timeout"),
        ({"address": "redis://127.0.0.1:1/?db=x"}, "database"),
        ({"address": "redis://127.0.0.1:0"}, "address"),
        ({"read_timeout": 0}, "read_timeout"),
        ({"read_timeout": "1"}, "read_timeout"),
        ({"read_timeout": None}, "read_timeout"),
    ],
)
def test_an_option_that_cannot_be_used_is_refused_by_name_when_the_cache_is_made(
    options: dict[str, typing.Any], name: str
) -> None:
    with pytest.raises(ValueError, match=name):
        samples.make_cache(**options)


def test_options_that_redis_has_are_taken() -> None:
    samples.make_cache(address="rediss://localhost?ssl_ca_certs=x", connection_options={"ssl_cert_reqs": "none"})
    samples.make_cache(address="unix:///x?socket_timeout=3", connection_options={"socket_timeout": None})
    samples.make_cache(address="redis://localhost?max_connections=3", connection_options={"socket_keepalive": False})
    samples.make_cache(address="embedded://", connection_options={"socket_timeout": 2})


# Rights and Clusters


def _documented_commands() -> set[str]:
    text = _DOCUMENTED.read_text().partition("<!-- commands -->")[2].partition("<!-- end of commands -->")[0]
    return set(re.findall(r"`([A-Z]+)`", text))


def test_every_documented_command_is_asked_for_when_a_cache_opens() -> None:
    cache = sake.redis.RedisCache("embedded://", gateway.make_bot(), database=0)
    asked = {name.partition(" ")[0] for name, _ in _rights.probes(_setup_of(cache), 0, writes=True)} - {""}
    assert asked | {"EXEC", "MSETEX", "PING", "SELECT"} == _documented_commands()


def _setup_of(cache: sake.redis.ResourceClient) -> _setup.Setup:
    return _setup.Setup(
        backlog_limit=1,
        codec=_codec.Codec(),
        keys=_keys.Keys(),
        layout=dict.fromkeys(cache._all_kinds(), 0),
        lifetimes={},
        packer=_wire.Packer(_keys.Keys(), orjson.dumps),
        read_timeout=1.0,
        reference=0,
        statistics=_statistics.Statistics(),
    )


async def _open(cache: sake.redis.RedisCache) -> None:
    async with cache:
        pass


@pytest.mark.parametrize(
    ("rule", "named"),
    [
        (["-hset"], "HSET"),
        (["-multi"], "MULTI"),
        (["-exec"], "EXEC"),
        (["-eval"], "EVAL"),
        (["-scan", "-hscan"], "HSCAN"),
        (["resetkeys", "~bot:*guild*"], "bot:{0}:role"),
    ],
)
async def test_a_right_that_is_missing_is_said_when_the_cache_opens(
    own: own_server.OwnServer, bot: hikari.GatewayBot, rule: list[str], named: str
) -> None:
    cache = sake.redis.RedisCache(own.url, bot, bot.event_manager, database=0, namespace="bot")
    with contextlib.closing(own.client()) as client:
        client.execute_command("ACL", "SETUSER", "default", *rule)
        with pytest.raises(sake.BackendError, match="does not allow this user") as caught:
            await _open(cache)
        client.execute_command("ACL", "SETUSER", "default", "allkeys", "+@all")
        assert named in str(caught.value) or "and" in str(caught.value)
        assert caught.value.exception is caught.value.__cause__ is not None
        await _open(cache)
        assert client.dbsize() == 0


async def test_a_server_that_would_do_what_it_is_only_asked_for_is_not_asked() -> None:
    received = bytearray()

    def serve(channel: socket.socket) -> None:
        while data := channel.recv(65_536):
            received.extend(data)
            if received.endswith(b"EXEC\r\n"):
                channel.sendall(b"+PONG\r\n+OK\r\n-ERR wrong number of arguments\r\n*0\r\n")

    async with _database(serve, 2) as database:
        setup = _setup_of(sake.redis.RoleCache("embedded://", gateway.make_bot()))
        await database.check(_rights.probes(setup, 0, writes=True))
    assert b"role" not in received


async def test_who_only_reads_needs_no_right_to_write(
    own: own_server.OwnServer, bot: hikari.GatewayBot, payloads: testing.Payloads
) -> None:
    async with sake.redis.RedisCache(own.url, bot, bot.event_manager, database=0) as filler:
        await filler.set_role(1, payloads.role(id="2"))
    with contextlib.closing(own.client()) as client:
        client.execute_command("ACL", "SETUSER", "reader", "on", ">x", "~*", "+@read", "+ping", "+select", "+client")
    reader = sake.redis.RedisCache(own.url, bot, database=0, password="x", connection_options={"username": "reader"})
    async with reader:
        assert (await reader.get_role(2)).id == 2
        assert await reader.iter_roles().len() == 1


async def test_a_command_that_the_server_has_but_does_not_allow_is_not_needed(
    own: own_server.OwnServer, bot: hikari.GatewayBot, payloads: testing.Payloads
) -> None:
    with contextlib.closing(own.client()) as client:
        with contextlib.suppress(redis.ResponseError):  # of servers without it
            client.execute_command("ACL", "SETUSER", "default", "-msetex")
        async with sake.redis.RedisCache(own.url, bot, bot.event_manager, database=0) as cache:
            await cache.set_user(payloads.user(id="5"))
            assert cache.statistics.failures == cache.statistics.skipped == 0
            assert client.pttl(keys.single("user", 5)) > 0


@pytest.mark.parametrize("options", [{"database": 0}, {}], ids=["one database", "many databases"])
@pytest.mark.parametrize("slots", [True, False], ids=["with slots", "without slots"])
async def test_a_node_of_a_cluster_is_told_when_the_cache_opens(
    binary: str, bot: hikari.GatewayBot, options: dict[str, typing.Any], slots: bool
) -> None:
    with own_server.running(binary, "--cluster-enabled", "yes") as server:
        if slots:
            _give_all_slots(server)
        with pytest.raises(sake.BackendError, match=r"Cluster.*redis\+cluster://") as caught:
            await _open(sake.redis.RedisCache(server.url, bot, bot.event_manager, **options))
        assert caught.value.exception is not None


def _give_all_slots(server: own_server.OwnServer) -> None:
    with contextlib.closing(server.client()) as client:
        client.execute_command("CLUSTER", "ADDSLOTS", *range(16384))
        deadline = time.monotonic() + 10
        while b"cluster_state:ok" not in client.execute_command("CLUSTER", "INFO"):
            assert time.monotonic() < deadline
            time.sleep(0.02)


async def test_a_server_that_comes_back_as_a_node_of_a_cluster_is_away_and_nothing_is_skipped(
    binary: str, tmp_path: pathlib.Path, bot: hikari.GatewayBot, feed: gateway.Feed
) -> None:
    server = own_server.OwnServer(binary, tmp_path, "--cluster-enabled", "yes")
    cache = sake.redis.RedisCache(server.url, bot, bot.event_manager, database=0, event_managed=True)
    bot.event_manager.dispatch(hikari.StartingEvent(app=bot))
    await feed.settle()
    try:
        server.start()
        _give_all_slots(server)
        feed("GUILD_CREATE", samples.whole_guild())
        failures = cache.statistics.failures
        await own_server.eventually(lambda: cache.statistics.failures > failures + 1)
        with pytest.raises(sake.BackendError):
            await cache.flush()
        assert cache.statistics.is_away
        assert cache.statistics.skipped == 0
    finally:
        server.kill()
        await cache.close()


@pytest.mark.parametrize("namespace", ["BUSY-bot", "OOM", "READONLY.x", "LOADING"])
async def test_what_a_key_is_called_does_not_make_its_error_temporary(
    own: own_server.OwnServer, bot: hikari.GatewayBot, feed: gateway.Feed, namespace: str
) -> None:
    with contextlib.closing(own.client()) as client:
        client.set(keys.in_guild("role", 1, namespace), "foreign")
        async with sake.redis.RedisCache(own.url, bot, bot.event_manager, database=0, namespace=namespace) as cache:
            feed("GUILD_ROLE_CREATE", {"guild_id": "1", "role": testing.Payloads().role(id="2")})
            feed("GUILD_MEMBER_ADD", samples.member(3, "stored"))
            await own_server.eventually(lambda: cache.statistics.skipped > 0)
            await own_server.eventually(lambda: client.hexists(keys.in_guild("member", samples.GUILD, namespace), "3"))
            assert not cache.statistics.is_away


@pytest.mark.parametrize("text", ["OOM command not allowed", "@user_script: 12: -OOM command not allowed (SET x)"])
def test_an_error_is_known_by_how_it_begins(text: str) -> None:
    error = _connections.ReplyError(text)
    assert error.is_temporary
    assert error.is_full
    assert not _connections.ReplyError(f"WRONGTYPE (SADD {text})").is_temporary


# Slow ways


@contextlib.contextmanager
def _served(serve: collections.Callable[[socket.socket], None]) -> collections.Iterator[str]:
    """Serve one connection on a thread."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
        listener.bind(("127.0.0.1", 0))
        listener.listen()

        def run() -> None:
            with contextlib.suppress(OSError):
                channel, _ = listener.accept()
                with channel:
                    serve(channel)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        yield f"redis://127.0.0.1:{listener.getsockname()[1]}"
        # Wakes who still accepts.
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        thread.join(10)
        assert not thread.is_alive()


@contextlib.asynccontextmanager
async def _database(
    serve: collections.Callable[[socket.socket], None], seconds: float
) -> collections.AsyncIterator[_connections.Database]:
    options = {"socket_timeout": seconds, "driver_info": None}
    with _served(serve) as address:
        connections = _connections.Connections(address, password=None, limit=1, options=options)
        try:
            yield connections.database(0)
        finally:
            await connections.close()


async def test_a_slow_way_has_time_as_long_as_it_takes_something() -> None:
    size = 24_000_000

    def serve(channel: socket.socket) -> None:
        left = size
        while left > 0 and (data := channel.recv(1_048_576)):
            left -= len(data)
            time.sleep(len(data) / 20_000_000)
        channel.sendall(b"+OK\r\n")
        channel.recv(1)

    async with _database(serve, 0.4) as database:
        started = time.monotonic()
        assert await database.exchange([_wire.pack("SET", "x", b"x" * size)], 1) == [b"OK"]
        assert time.monotonic() - started > 0.8


async def test_a_slow_server_has_time_as_long_as_it_answers_something() -> None:
    def serve(channel: socket.socket) -> None:
        channel.recv(1_024)
        for _ in range(6):
            time.sleep(0.15)
            channel.sendall(b"+OK\r\n")
        channel.recv(1)

    async with _database(serve, 0.4) as database:
        assert await database.exchange([_wire.pack("PING")] * 6, 6) == [b"OK"] * 6


async def test_a_server_that_takes_nothing_more_is_given_up_in_time() -> None:
    done = threading.Event()
    async with _database(lambda channel: typing.cast("None", done.wait(10)), 0.3) as database:
        started = time.monotonic()
        with pytest.raises(sake.BackendError, match="did not answer"):
            await database.exchange([_wire.pack("SET", "x", b"x" * 50_000_000)], 1)
        assert time.monotonic() - started < 2
        done.set()


async def test_nothing_that_the_system_has_taken_is_sent_after_it_was_given_up() -> None:
    given_up = threading.Event()
    outcome: list[int | str] = []

    def serve(channel: socket.socket) -> None:
        given_up.wait(10)
        total = 0
        try:
            while data := channel.recv(65_536):
                total += len(data)
        except ConnectionError:
            outcome.append("reset")
        outcome.append(total)

    async with _database(serve, 0.3) as database:
        with pytest.raises(sake.BackendError, match="did not answer"):
            await database.exchange([_wire.pack("SET", "x", b"x" * 4_000_000)], 1)
        await asyncio.sleep(0)
        given_up.set()
        await own_server.eventually(lambda: len(outcome) > 0 and isinstance(outcome[-1], int))
    # What its side has received by then it has; what waited on this side never comes.
    assert outcome[0] == "reset"
    assert typing.cast("int", outcome[-1]) < 1_000_000


async def test_time_in_which_the_event_loop_was_blocked_does_not_count() -> None:
    def serve(channel: socket.socket) -> None:
        channel.recv(1_024)
        time.sleep(0.1)
        channel.sendall(b"+PONG\r\n")
        channel.recv(1)

    async with _database(serve, 5) as database:
        reading = asyncio.create_task(database.exchange(_wire.pack("PING"), 1, within=0.2))
        await asyncio.sleep(0.02)
        time.sleep(0.6)  # noqa: ASYNC251 - a bot's own code that blocks
        assert await reading == [b"PONG"]


async def test_a_connection_that_is_in_use_when_all_are_closed_is_closed_when_it_is_given_back() -> None:
    def serve(channel: socket.socket) -> None:
        channel.recv(1_024)
        time.sleep(0.2)
        channel.sendall(b"+PONG\r\n")
        with contextlib.suppress(ConnectionError):
            assert channel.recv(1) == b""

    with _served(serve) as address:
        connections = _connections.Connections(address, password=None, limit=1, options={"driver_info": None})
        database = connections.database(0)
        using = asyncio.create_task(database.exchange(_wire.pack("PING"), 1))
        await asyncio.sleep(0.1)
        await connections.close()
        assert await using == [b"PONG"]
        with pytest.raises(sake.ClosedClient):
            connections.database(0)
