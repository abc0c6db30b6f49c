# SPDX-License-Identifier: BSD-3-Clause
"""A Redis Cluster: what its address may say, and what becomes of a cache while nodes come and go."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import pathlib
import re
import typing
from collections import abc as collections

import hikari
import pytest
import pytest_asyncio
import redis
from _support import gateway
from _support import keys
from _support import leaks
from _support import own_cluster
from _support import own_server
from _support import reader
from _support import samples
from _support import servers
from _support.town import Town

import sake
import sake.redis
from sake import testing
from sake.redis._client import client as _client

LAG: typing.Final = 3.0
"""Seconds within which others see what is not on a node that is away."""

NODES: typing.Final = "one.example:7000,two.example,[::1]:7002"
ADDRESS: typing.Final = f"redis+cluster://{NODES}"
OPERATING: typing.Final = pathlib.Path(__file__).parents[2] / "docs" / "guides" / "operating.md"


class Messages(sake.redis.MessageCache):
    """Messages alone, so that what is dropped can be counted."""


@pytest_asyncio.fixture(autouse=True)
async def nothing_left_behind(caplog: pytest.LogCaptureFixture) -> collections.AsyncIterator[None]:
    async with leaks.none(caplog):
        yield


@pytest.fixture(scope="module")
def six(binary: str) -> collections.Iterator[own_cluster.OwnCluster]:
    with own_cluster.running(binary, "--cluster-require-full-coverage", "no", replicas=1) as cluster:
        yield cluster


@pytest.fixture
def three(six: own_cluster.OwnCluster) -> collections.Iterator[own_cluster.OwnCluster]:
    """Three primaries with a replica each, which are all there when the test begins."""
    six.heal()
    six.clean()
    yield six
    six.heal()


# The door


@pytest.mark.parametrize(
    "address", ["redis+cluster://", "redis+cluster:///", "redis+cluster://,", "redis+cluster://a,,b"]
)
def test_an_address_without_nodes_is_refused_with_an_example(address: str) -> None:
    with pytest.raises(ValueError, match=r"must list servers, as in redis\+cluster://one:6379,two:6379"):
        samples.make_cache(address=address)


@pytest.mark.parametrize("address", [f"{ADDRESS}/1", f"{ADDRESS}?db=1", f"{ADDRESS}/x"])
def test_an_address_that_names_a_database_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match=r"database other than 0: a Redis Cluster has no others"):
        samples.make_cache(address=address)


@pytest.mark.parametrize("scheme", ["redis+cluster", "rediss+cluster", "valkey+cluster", "valkeys+cluster"])
@pytest.mark.parametrize("rest", ["", "/", "/0", "?db=0"])
def test_everything_is_in_the_only_database_of_a_cluster(scheme: str, rest: str) -> None:
    assert samples.make_cache(address=f"{scheme}://{NODES}{rest}").all_indexes() == {0}
    assert samples.make_cache(address=f"{scheme}://{NODES}{rest}", database=0).all_indexes() == {0}


@pytest.mark.parametrize("database", [1, 15])
def test_another_database_of_a_cluster_is_refused_by_name(database: int) -> None:
    with pytest.raises(ValueError, match=rf"^database={database} .*Redis Cluster has no database but 0"):
        samples.make_cache(address=ADDRESS, database=database)


def test_an_override_is_refused_by_name_for_a_cluster_and_nothing_changes() -> None:
    cache = samples.make_cache(address=ADDRESS)
    with pytest.raises(ValueError, match=r"override of ROLE .*Redis Cluster has no database but 0"):
        cache.with_index_override(sake.redis.ResourceIndex.ROLE, override=3)
    assert cache.get_index_override(sake.redis.ResourceIndex.ROLE) is None
    cache.with_index_override(sake.redis.ResourceIndex.ROLE, override=0)
    cache.with_index_override(sake.redis.ResourceIndex.ROLE)
    assert cache.all_indexes() == {0}


def test_neither_a_password_nor_a_user_is_shown() -> None:
    shown = repr(samples.make_cache(address=f"valkeys+cluster://someone:secret@{NODES}"))
    assert "secret" not in shown
    assert "someone" not in shown
    assert "one.example:7000,two.example:6379,[::1]:7002" in shown


async def _opened(url: str, **options: typing.Any) -> None:
    async with sake.redis.RedisCache(url, gateway.make_bot().rest, **options):
        pass


async def test_a_server_that_is_no_cluster_is_refused_by_name(binary: str) -> None:
    port = own_server.free_port()
    refused = pytest.raises(sake.BackendError, match=r"is no Redis Cluster: take '\+cluster' out of the address")
    with own_server.running(binary, "--port", str(port), "--bind", "127.0.0.1"), refused:
        await _opened(f"redis+cluster://127.0.0.1:{port}")


async def test_a_node_of_a_cluster_that_is_taken_for_a_server_is_refused_by_name(
    three: own_cluster.OwnCluster,
) -> None:
    url = three.url.replace("+cluster", "").partition(",")[0]
    for options in ({}, {"database": 0}):
        with pytest.raises(sake.BackendError, match=r"node of a Redis Cluster.* begin with redis\+cluster://"):
            await _opened(url, **options)


async def test_nobody_at_any_address_is_an_error_of_ours() -> None:
    ports = own_server.free_port(), own_server.free_port()
    url = ",".join(f"127.0.0.1:{port}" for port in ports)
    async with asyncio.timeout(10):
        with pytest.raises(sake.BackendError, match=f"127.0.0.1:{ports[0]},127.0.0.1:{ports[1]}") as caught:
            await _opened(f"redis+cluster://{url}")
    assert caught.value.exception is not None


async def test_one_node_that_answers_is_enough_to_find_the_others(three: own_cluster.OwnCluster) -> None:
    (*_, last) = three.url.split(",")
    async with sake.redis.RedisCache(
        f"redis+cluster://127.0.0.1:{own_server.free_port()},{last}", gateway.make_bot().rest
    ) as cache:
        for user in range(1, 50):
            await cache.set_user(testing.Payloads().user(id=str(user)))
        await cache.flush()
        assert await cache.iter_users().len() == 49
    assert all(node.do("DBSIZE") for node in three.primaries)


# A node is away


@pytest_asyncio.fixture
async def town(three: own_cluster.OwnCluster) -> collections.AsyncIterator[Town]:
    async with Town(three, guilds=30) as found:
        assert all(found.at(node) for node in three.nodes if node.is_primary)
        yield found


def _first(town: Town) -> tuple[own_cluster.Node, list[int], list[int]]:
    """Return a node that has neither the list of guilds nor what says how things are stored, its guilds, the others."""
    busy = {town.cluster.primary_of(keys.guilds()), town.cluster.primary_of(keys.meta())}
    node = next(node for node in town.cluster.nodes if node.is_primary and node not in busy)
    own = town.at(node)
    return node, own, [guild for guild in town.guilds if guild not in own]


@pytest.mark.parametrize("way", ["kill", "pause"])
async def test_nobody_waits_long_for_a_node_that_another_takes_the_place_of(town: Town, way: str) -> None:
    node, own, others = _first(town)
    await town.settled()
    async with town.busy(others) as lags:
        await _more(lags)
        getattr(node, way)()
        for guild in own:
            for role in town.roles(guild):
                town.rename(guild, role)
        await own_server.eventually(lambda: town.cluster.primary_of(keys.in_guild("role", own[0])) is not node)
        await town.caught_up()
        await _more(lags)

    _check_lags(lags)
    await town.complete()
    assert not town.cache.statistics.is_away
    assert town.cache.statistics.backlog == town.cache.statistics.dropped == town.cache.statistics.skipped == 0


async def _more(lags: list[float]) -> None:
    """Wait until others have seen more."""
    seen = len(lags)
    await own_server.eventually(lambda: len(lags) > seen + 20)


def _check_lags(lags: list[float]) -> None:
    # Some may be late since the machine is busy.
    assert sorted(lags)[len(lags) * 95 // 100] < LAG, sorted(lags)


@contextlib.contextmanager
def _without(town: Town, key: str, way: str = "pause") -> collections.Iterator[own_cluster.Node]:
    """Take all nodes away that have a key while a block lasts."""
    shard = town.cluster.shard_of(key)
    assert len(shard) == 2
    for node in shard:
        getattr(node, way)()
    try:
        yield shard[0]
    finally:
        for node in shard:
            node.revive()


@pytest.mark.parametrize("way", ["kill", "pause"])
async def test_guilds_of_other_nodes_do_not_wait_for_one_that_is_away(town: Town, way: str) -> None:
    _, own, others = _first(town)
    await town.settled()
    async with town.busy(others) as lags:
        await _more(lags)
        with _without(town, keys.in_guild("role", own[0]), way):
            role = town.roles(own[0])[0]
            name = town.rename(own[0], role)
            await own_server.eventually(lambda: town.cache.statistics.is_away)
            for _ in range(2):
                with pytest.raises(sake.BackendError):
                    await town.cache.flush()
                await _more(lags)
            assert town.cache.statistics.is_away
            assert town.cache.statistics.backlog
        await town.caught_up()

    _check_lags(lags)
    # One that was killed comes back with nothing but what waited for it and was written in the last seconds.
    await town.complete(others if way == "kill" else town.guilds)
    await town.arrives(own[0], role, name)
    assert not town.cache.statistics.is_away
    assert town.cache.statistics.backlog == town.cache.statistics.dropped == town.cache.statistics.skipped == 0


async def test_a_bot_reads_its_events_while_a_node_is_away(town: Town) -> None:
    _, own, _ = _first(town)
    await town.settled()
    with _without(town, keys.in_guild("role", own[0])):
        for _ in range(3):
            town.rename_all()
            assert await town.own_view() == town.names
            await asyncio.sleep(0.7)
        town.join(new := (len(town.guilds) + 1) << 22)
        town.guilds.append(new)
        assert await town.own_view() == town.names
    await town.complete()


@pytest.mark.timeout(60)
@pytest.mark.parametrize("away", ["guild", "invite"])
async def test_an_invite_of_which_one_of_two_places_is_away_waits_and_the_rest_goes_on(town: Town, away: str) -> None:
    _, own, others = _first(town)
    primary_of = town.cluster.primaries_by_key()
    in_guild = keys.in_guild("invite", own[0])
    codes = (f"code{number}" for number in itertools.count())
    code = next(code for code in codes if primary_of(keys.single("invite", code)) is not primary_of(in_guild))
    await town.settled()
    with _without(town, in_guild if away == "guild" else keys.single("invite", code)):
        invite = testing.Payloads(seed=3).invite(code=code, guild_id=str(own[0]), channel_id="5")
        town.feed("INVITE_CREATE", invite)
        town.rename(own[0], town.roles(own[0])[0])
        await own_server.eventually(lambda: town.cache.statistics.is_away)
        async with town.busy(others[:1] if away == "guild" else own[:1]) as lags:
            await _more(lags)
    await town.complete()
    # As with roles: a node that comes back may be replaced only then, and what it had is written once more.
    async with asyncio.timeout(20):
        while not await town.other.get_invites([code]):
            await town.caught_up()


def _guilds_without(town: Town, node: own_cluster.Node) -> list[int]:
    """Return guilds of which a node has nothing, so that nothing but their being listed waits for it."""
    primary_of = town.cluster.primaries_by_key()
    found: list[int] = []
    for guild in (number << 22 for number in itertools.count(101)):
        names = [keys.in_guild("role", guild), *(keys.guild_of(entity) for entity in (guild, *town.roles(guild)))]
        if all(primary_of(name) is not node for name in names):
            found.append(guild)
            if len(found) == 3:
                break
    return found


async def test_guilds_come_and_go_while_the_node_that_lists_them_is_away(town: Town) -> None:
    await town.settled()
    with _without(town, keys.guilds()) as node:
        own = town.at(node)
        left, rejoined = [guild for guild in town.guilds if guild not in own][:2]
        town.leave(left)
        town.leave(rejoined)
        town.join(rejoined)
        for guild in _guilds_without(town, node):
            town.join(guild)
        town.rename_all()
        assert await town.own_view() == town.names
        await own_server.eventually(lambda: town.cache.statistics.is_away)
        await asyncio.sleep(1)
    await town.complete()
    assert {guild.id async for guild in town.other.iter_guilds()} == {guild for guild, _ in town.names}
    listed = {int(guild) for guild in town.cluster.primary_of(keys.guilds()).do("SMEMBERS", keys.guilds())}
    # One that was left may stay listed where the node is replaced as it comes back, until the next READY.
    assert listed >= {guild for guild, _ in town.names}


async def test_nobody_waits_for_ready_while_the_node_that_lists_guilds_is_away(town: Town) -> None:
    await town.settled()
    with _without(town, keys.guilds()) as node:
        own = town.at(node)
        left, stays, *others = [guild for guild in town.guilds if guild not in own]
        (joined,) = _guilds_without(town, node)[:1]
        async with town.busy(others) as lags:
            await _more(lags)
            town.ready(guild for guild in town.guilds if guild != left)
            town.join(joined)
            await _more(lags)
            await own_server.eventually(lambda: town.cache.statistics.is_away)
            await _more(lags)
            assert await town.arrives(joined, town.roles(joined)[0], "name 0") < LAG
            assert await town.cache.iter_roles_for_guild(stays).len() == 3
    town.names = {place: name for place, name in town.names.items() if place[0] != left}
    await town.complete()
    names = town.cluster.keys()
    assert not [name for name in names if f"{{{left}}}" in name]


async def test_what_a_node_forgot_does_not_take_the_place_of_what_is_newer_and_waits_for_another(town: Town) -> None:
    first, second = [node for node in town.cluster.nodes if node.is_primary][:2]
    own, others = town.at(first), town.at(second)
    await town.settled()
    town.rename_all()
    await town.settled()
    with _without(town, keys.in_guild("role", own[0])):
        for guild in own:
            for role in town.roles(guild):
                town.rename(guild, role)
        await own_server.eventually(lambda: town.cache.statistics.is_away)
        # It comes back empty, and what was written a moment ago is written again.
        with _without(town, keys.in_guild("role", others[0]), "kill"):
            town.rename(others[0], town.roles(others[0])[0])
            await asyncio.sleep(0.3)
        await own_server.eventually(lambda: town.cache.statistics.rewinds)
    await town.complete()


@pytest.mark.parametrize("is_new", [True, False], ids=["new", "known"])
async def test_a_backlog_that_is_full_of_what_waits_for_a_node_is_bounded(
    three: own_cluster.OwnCluster, bot: hikari.GatewayBot, feed: gateway.Feed, is_new: bool
) -> None:
    limit = 400_000
    count = 3_000
    primary_of = three.primaries_by_key()
    node = primary_of(keys.meta())
    waiting = [number for number in range(count) if primary_of(keys.single("message", number)) is node]
    async with Messages(three.url, bot, bot.event_manager, backlog_limit=limit) as cache:
        if not is_new:
            feed(*samples.small_message(count))
            await cache.flush()
        for each in three.shard_of(keys.meta()):
            each.pause()
        feed(*samples.small_message(waiting.pop(0)))
        await own_server.eventually(lambda: cache.statistics.is_away)
        for number in range(count):
            feed(*samples.small_message(number))
            if number % 20 == 0:
                await asyncio.sleep(0.01)
                assert cache.statistics.backlog < 3 * limit
        await own_server.eventually(lambda: cache.statistics.is_away)
        for _ in range(2):
            with pytest.raises(sake.BackendError):
                await cache.flush()
        await own_server.eventually(lambda: cache.statistics.dropped)
        three.heal()
        await _flushed(cache)
        names = three.keys()
        stored = {int(name.rpartition(":")[2]) for name in names if ":message:" in name} - {count}
        # What was on its way to the node when that froze may have been given up, and be stored all the same.
        assert count - len(stored) <= cache.statistics.dropped
        assert count - 1 in stored
        assert is_new or stored >= {*range(count)} - {*waiting}


async def _flushed(cache: sake.redis.ResourceClient) -> None:
    async with asyncio.timeout(20):
        while True:
            with contextlib.suppress(sake.BackendError):
                return await cache.flush()
            await asyncio.sleep(0.02)


async def test_calls_that_are_cancelled_while_a_node_is_away_leave_nothing_behind(town: Town) -> None:
    _, own, _ = _first(town)
    await town.settled()
    with _without(town, keys.in_guild("role", own[0])):
        calls = [
            *(asyncio.create_task(_ignoring(town.other.get_role(role))) for role in town.roles(own[0])),
            asyncio.create_task(_ignoring(town.other.iter_roles().len())),
            asyncio.create_task(_ignoring(town.cache.iter_roles_for_guild(own[0]).len())),
            asyncio.create_task(_ignoring(town.cache.clear_roles_for_guild(own[1]))),
            asyncio.create_task(_ignoring(town.cache.flush())),
        ]
        await asyncio.sleep(0.05)
        for call in calls:
            call.cancel()
        await asyncio.wait(calls)
        assert all(call.cancelled() or call.exception() is None for call in calls)
    await town.caught_up()
    for place in [place for place in town.names if place[0] == own[1]]:
        del town.names[place]
    assert await town.stored() == town.names


async def _ignoring(call: collections.Awaitable[object]) -> None:
    with contextlib.suppress(sake.BackendError):
        await call


@pytest.mark.parametrize("way", ["kill", "pause"])
async def test_a_cache_is_closed_in_time_while_a_node_is_away_and_says_what_is_lost(
    three: own_cluster.OwnCluster, way: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_client, "_DRAIN_SECONDS", 2.0)
    async with Town(three, guilds=6) as town:
        await town.settled()
        with _without(town, keys.in_guild("role", town.guilds[0]), way) as node:
            own = town.at(node) or town.guilds[:1]
            role = town.roles(own[0])[0]
            town.rename(own[0], role)
            async with asyncio.timeout(10):
                await town.cache.close()
                await town.other.close()
    assert town.cache.statistics.dropped >= 1
    assert "Closed before everything was written" in caplog.text


# Slots are moved


async def test_nothing_is_lost_or_there_twice_after_slots_were_moved_under_load(town: Town) -> None:
    cluster = town.cluster
    primaries = [node for node in cluster.nodes if node.is_primary]
    primary_of = cluster.primaries_by_key()
    names = [keys.guilds(), keys.meta(), *(keys.guild_of(guild) for guild in town.guilds)]
    names += [keys.in_guild("role", guild) for guild in town.guilds]
    homes = {own_cluster.slot_of(name): primary_of(name) for name in names}
    sent = itertools.count()
    async with town.busy(town.guilds) as lags:
        await _more(lags)
        for is_back in (False, True):
            for slot, home in homes.items():
                other = primaries[primaries.index(home) - 1]
                await asyncio.to_thread(cluster.move, slot, *((other, home) if is_back else (home, other)))
                town.feed(*samples.small_message(number := next(sent)))
                assert await town.cache.get_role(town.roles(town.guilds[number % len(town.guilds)])[0])

    await town.complete()
    assert await town.own_view() == town.names
    assert await town.other.iter_roles().len() == len(town.names)
    found = cluster.keys()
    assert {name for name in found if ":message:" in name} == {
        keys.single("message", number) for number in range(next(sent))
    }
    there = [key for node in primaries for key in node.do("KEYS", "*")]
    assert len(there) == len(set(there))
    assert town.cache.statistics.skipped == town.cache.statistics.dropped == 0


# Readers


async def test_a_second_process_never_sees_half_a_guild_while_it_is_refreshed_500_times(
    three: own_cluster.OwnCluster, bot: hikari.GatewayBot, feed: gateway.Feed
) -> None:
    async with sake.redis.RedisCache(three.url, bot, bot.event_manager) as cache:
        feed("GUILD_CREATE", samples.guild(0, 12))
        await cache.flush()
        async with reader.reading(three.url, 12) as seen:
            for number in range(1, 501):
                feed("GUILD_CREATE", samples.guild(number, 12))
                await cache.flush()

        assert seen["faults"] == []
        assert len(seen["seen"]) > 20, "too few generations were read for this to mean anything"
        assert cache.statistics.skipped == 0


async def test_what_is_everywhere_is_iterated_counted_looked_up_and_cleared_at_once(town: Town) -> None:
    make = testing.Payloads(seed=2)
    cache, other = town.cache, town.other
    users = [await cache.set_user(make.user(id=str(number))) for number in range(1, 301)]
    assert len(users) == 300
    everything = [role for guild in town.guilds for role in town.roles(guild)]
    assert {guild.id async for guild in other.iter_guilds(window_size=7)} == set(town.guilds)
    assert [role.id async for role in other.iter_roles(window_size=5)] != []
    assert {role.id async for role in other.iter_roles(window_size=5)} == set(everything)
    assert await other.iter_roles().len() == len(everything)
    assert await other.iter_users(window_size=11).len() == 300
    assert len({user.id async for user in other.iter_users(window_size=11)}) == 300
    assert set(await other.get_users(range(1, 400))) == set(range(1, 301))
    assert set(await other.get_roles([*everything, 5])) == set(everything)
    for guild in town.guilds:
        assert await other.iter_roles_for_guild(guild).len() == 3

    await cache.clear_roles_for_guild(town.guilds[0])
    assert await other.iter_roles().len() == len(everything) - 3
    await cache.clear_users()
    assert await other.iter_users().len() == 0
    await cache.clear_roles()
    assert await other.iter_roles().len() == 0
    await cache.clear_guilds()
    assert await other.iter_guilds().len() == 0
    assert cache.statistics.lag < LAG
    assert cache.statistics.backlog == cache.statistics.failures == 0


async def test_a_cache_is_closed_and_opened_again(town: Town) -> None:
    for _ in range(3):
        await town.cache.close()
        with pytest.raises(sake.ClosedClient):
            await town.cache.get_role(town.roles(town.guilds[0])[0])
        await town.cache.open()
        town.rename_all()
        await town.cache.flush()
        assert await town.stored() == town.names


# Rights and secrets


def _documented_commands() -> list[str]:
    text = OPERATING.read_text(encoding="utf-8")
    return re.findall(r"`([A-Z]+)`", text.partition("<!-- commands -->")[2].partition("<!-- end of commands -->")[0])


async def test_a_user_who_may_do_what_is_documented_and_no_more_does_everything(
    three: own_cluster.OwnCluster, bot: hikari.GatewayBot, feed: gateway.Feed
) -> None:
    for node in three.nodes:
        node.do("ACL SETUSER", "bot", "reset", "on", ">open sesame", "~sake:*", "+cluster|slots", "+asking")
        for name in _documented_commands():
            # Not every server has all of them.
            with contextlib.suppress(redis.ResponseError):
                node.do("ACL SETUSER", "bot", f"+{name.lower()}")
    address = three.url.replace("://", "://bot:open%20sesame@")
    async with sake.redis.RedisCache(address, bot, bot.event_manager) as cache:
        world = testing.World(seed=3, guilds=3, members=20)
        feed("READY", world.ready())
        for guild in world.guilds:
            feed("GUILD_CREATE", world.guild_create(guild))
        await cache.flush()
        assert await cache.iter_guilds().len() == 3
        assert await cache.iter_members().len() > await cache.iter_users().len() > 0
        feed("GUILD_DELETE", {"id": next(iter(world.guilds))})
        await cache.flush()
        await cache.clear_users()
        assert await cache.iter_guilds().len() == 2
        assert cache.statistics.skipped == 0

    with pytest.raises(sake.BackendError, match="password") as caught:
        await _opened(three.url, password="other")
    assert "other" not in str(caught.value)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[pathlib.Path, pathlib.Path]:
    return own_server.make_certificate(tmp_path_factory.mktemp("certificate"), "node")


@pytest.fixture(scope="module")
def by_tls(binary: str, certificate: tuple[pathlib.Path, pathlib.Path]) -> collections.Iterator[own_cluster.OwnCluster]:
    names = ("--tls-cert-file", "--tls-key-file", "--tls-ca-cert-file")
    files = dict(zip(names, map(str, (*certificate, certificate[0])), strict=True))
    settings = ("--tls-cluster", "yes", "--tls-auth-clients", "no", *itertools.chain.from_iterable(files.items()))
    with own_cluster.running(servers.REDIS_SERVER, *settings) as cluster:
        yield cluster


async def test_a_cluster_is_reached_by_tls(
    by_tls: own_cluster.OwnCluster,
    certificate: tuple[pathlib.Path, pathlib.Path],
    bot: hikari.GatewayBot,
    feed: gateway.Feed,
) -> None:
    nodes = ",".join(f"127.0.0.1:{node.tls_port}" for node in by_tls.nodes[:2])
    options = {"ssl_ca_certs": str(certificate[0])}
    async with sake.redis.RedisCache(
        f"rediss+cluster://{nodes}", bot, bot.event_manager, connection_options=options
    ) as cache:
        world = testing.World(seed=3, guilds=6, members=12)
        for guild in world.guilds:
            feed("GUILD_CREATE", world.guild_create(guild))
        await cache.flush()
        assert await cache.iter_guilds().len() == 6
    with pytest.raises(sake.BackendError, match="certificate"):
        await _opened(f"rediss+cluster://{nodes}")
    assert all(node.do("DBSIZE") for node in by_tls.primaries)
