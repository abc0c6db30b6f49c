# SPDX-License-Identifier: BSD-3-Clause
"""Tanjun is told that something does not exist only by who hears of all that happens: nothing else is the last word."""

from __future__ import annotations

import asyncio
import collections as collections_
import contextlib
import itertools
import typing
from collections import abc as collections

import hikari
import pytest
import pytest_asyncio
import tanjun
from _support import gateway
from _support import marks
from _support import own_server
from _support import servers
from _support import tanjun_stage
from tanjun import conversion
from tanjun import dependencies

import sake
import sake.redis
from sake import testing
from sake.redis._client import shards as _shards

Payload = dict[str, typing.Any]
Sf, SfGuild = dependencies.SfCache, dependencies.SfGuildBound

FINAL, MISS = dependencies.EntryNotFound, dependencies.CacheMissError
UNHEARD = 5
"""An id that nothing is stored under: whether anything has it is what sessions tell."""

SESSION = "sake:session:0-1"
"""Where the session of the only shard is."""

AMOUNT = 10_000
"""How many answers a test hears."""

IN_GUILD = {
    "role": SfGuild[hikari.Role],
    "channel": SfGuild[hikari.PermissibleGuildChannel],
    "emoji": SfGuild[hikari.KnownCustomEmoji],
    "sticker": SfGuild[hikari.GuildSticker],
    "member": SfGuild[hikari.Member],
    "presence": SfGuild[hikari.MemberPresence],
    "voice state": SfGuild[hikari.VoiceState],
}
ANYWHERE = {
    "role": Sf[hikari.Role],
    "channel": Sf[hikari.PermissibleGuildChannel],
    "emoji": Sf[hikari.KnownCustomEmoji],
    "sticker": Sf[hikari.GuildSticker],
}

_Look = collections.Callable[[], collections.Awaitable[typing.Any]]


async def verdict(look: _Look, /) -> type[typing.Any]:
    """Return which of the two kinds of "not found" an answer is, or the class of what was found."""
    try:
        found: object = await look()
    except dependencies.CacheMissError as exc:
        found = exc
    return type(found)


class Asker:
    """Asks a client what Tanjun asks."""

    def __init__(self, cache: typing.Any, /) -> None:
        self._client = tanjun.Client.from_gateway_bot(cache.app, event_managed=False)
        cache.add_to_tanjun(self._client)

    def looks(self, guild: int | None, key: int = UNHEARD, /, *, kinds: collections.Collection[str]) -> list[_Look]:
        """Return look-ups of a key in a guild, or without one anywhere."""
        found: list[_Look] = []
        for kind, alias in (ANYWHERE if guild is None else IN_GUILD).items():
            adapter: typing.Any = self._client.get_type_dependency(alias, default=None)
            if adapter is None or kind not in kinds:
                continue
            found.append(
                (lambda adapter=adapter: adapter.get(key))
                if guild is None
                else (lambda adapter=adapter: adapter.get_from_guild(guild, key))
            )
        return found

    def guild(self, guild: int, /) -> _Look:
        """Return the look-up of a guild."""
        return lambda: self._client.get_type_dependency(Sf[hikari.Guild]).get(guild)


class Heard(collections_.Counter[type[typing.Any]]):
    """Answers, counted by what they were."""

    @property
    def are_final(self) -> bool:
        return self.keys() == {FINAL}

    @property
    def are_doubtful(self) -> bool:
        return self.keys() == {MISS}


async def hear(looks: collections.Sequence[_Look], amount: int, /) -> Heard:
    """Look so often, many at a time."""
    heard = Heard()
    turns = itertools.cycle(looks)
    while (count := min(amount - heard.total(), 250)) > 0:
        heard.update(await asyncio.gather(*(verdict(next(turns)) for _ in range(count))))
    return heard


class Scene:
    """A bot with some guilds, the client that it fills, and another one that only reads."""

    def __init__(self, server: servers.Server, feed: gateway.Feed, world: testing.World, *caches: typing.Any) -> None:
        self.askers = [Asker(cache) for cache in caches]
        self.cache, self.reader = caches
        self.feed = feed
        self.guilds = [int(guild) for guild in world.guilds]
        self.world = world
        self._server = server
        self._sessions = 0

    def connect(self) -> None:
        self._sessions += 1
        self.feed("READY", self.world.ready(session_id=f"session {self._sessions}"))

    def arrive(self, *guilds: int) -> None:
        for guild in guilds or self.guilds:
            self.feed("GUILD_CREATE", self.world.guild_create(str(guild)))

    def lose_connection(self) -> None:
        shard = typing.cast("hikari.api.GatewayShard", self.feed.shard)
        self.feed.bot.event_manager.dispatch(hikari.ShardDisconnectedEvent(app=self.feed.bot, shard=shard))

    async def session_is_stored(self) -> None:
        with contextlib.closing(self._server.blocking_client()) as client:
            await own_server.eventually(lambda: client.exists(SESSION))

    async def hear(
        self,
        guild: int | None,
        key: int = UNHEARD,
        /,
        *,
        kinds: collections.Collection[str] = IN_GUILD,
        part: float = 1,
    ) -> Heard:
        """Ask both clients of what nobody has heard, in a guild or without one anywhere."""
        await self.cache.flush()
        heard = Heard()
        for asker in self.askers:
            looks = asker.looks(guild, key, kinds=kinds)
            heard.update(await hear(looks, max(round(self._server.share(AMOUNT) * part / 2), len(looks))))
        return heard

    async def guild(self, guild: int, /) -> Heard:
        """Ask both clients of a guild."""
        await self.cache.flush()
        return Heard([await verdict(asker.guild(guild)) for asker in self.askers])

    async def assert_sure(self) -> None:
        """Assert that what does not exist is said not to: the last word is still given."""
        for guild in (*self.guilds, None):
            assert (await self.hear(guild, part=0.01)).are_final, guild
        assert (await self.guild(UNHEARD)).are_final


@pytest.fixture
def world() -> testing.World:
    return testing.World(seed=11, guilds=3, members=9)


@pytest_asyncio.fixture
async def scene(server: servers.Server, make_cache: typing.Any, feed: gateway.Feed, world: testing.World) -> Scene:
    return Scene(server, feed, world, await make_cache(database=0), await make_cache(fed=False, database=0))


async def test_before_a_shard_has_connected_nothing_is_known_not_to_exist(scene: Scene) -> None:
    for guild in (*scene.guilds, None):
        assert (await scene.hear(guild, part=0.25)).are_doubtful
    assert (await scene.guild(scene.guilds[0])).are_doubtful
    assert (await scene.guild(UNHEARD)).are_doubtful


async def test_what_ready_lists_and_has_not_arrived_may_exist_and_may_hold_anything(scene: Scene) -> None:
    scene.connect()
    for guild in (*scene.guilds, None):
        assert (await scene.hear(guild, part=0.25)).are_doubtful
    assert (await scene.guild(scene.guilds[0])).are_doubtful
    assert (await scene.guild(UNHEARD)).are_final
    scene.arrive()
    await scene.assert_sure()


async def test_what_ready_lists_may_exist_from_the_moment_that_the_session_begins(scene: Scene) -> None:
    asker = scene.askers[0]
    for moment in range(40):
        late = (moment + 1) << 40
        ready = {**scene.world.ready(), "guilds": [{"id": str(late), "unavailable": True}]}
        scene.feed("READY", ready)
        for _ in range(moment):
            await asyncio.sleep(0)
        looks = [asker.guild(late), *asker.looks(late, kinds=IN_GUILD), *asker.looks(None, kinds=ANYWHERE)]
        assert FINAL not in await asyncio.gather(*map(verdict, looks)), f"{moment} turns after READY"


async def test_a_guild_in_an_outage_that_the_bot_was_told_of_may_exist_from_that_moment_on(scene: Scene) -> None:
    scene.connect()
    scene.arrive()
    await scene.assert_sure()
    asker = scene.askers[0]
    for moment in range(40):
        late = (moment + 1) << 40
        scene.feed("GUILD_CREATE", {"id": str(late), "unavailable": True})
        for _ in range(moment):
            await asyncio.sleep(0)
        looks = [asker.guild(late), *asker.looks(late, kinds=IN_GUILD), *asker.looks(None, kinds=ANYWHERE)]
        assert FINAL not in await asyncio.gather(*map(verdict, looks)), f"{moment} turns after it was announced"


@pytest.mark.parametrize("options", [{}, {"database": 0}], ids=["databases", "database"])
async def test_while_guilds_arrive_nothing_in_them_is_said_not_to_exist(
    server: servers.Server, make_cache: typing.Any, feed: gateway.Feed, world: testing.World, options: Payload
) -> None:
    caches = [await make_cache(**options), await make_cache(fed=False, **options)]
    guilds = [number << 30 for number in range(1, 301)]
    feed("READY", {**world.ready(), "guilds": [{"id": str(guild), "unavailable": True} for guild in guilds]})
    is_there = asyncio.Event()

    async def arrive() -> None:
        for number, guild in enumerate(guilds):
            feed("GUILD_CREATE", arriving(world, guild))
            await asyncio.sleep(0.001 * (number % 7))
        is_there.set()

    async def ask(asker: Asker) -> Heard:
        heard, turns = Heard(), itertools.cycle(guilds)
        while not is_there.is_set() or heard.total() < server.share(AMOUNT) / 2:
            group = [next(turns) for _ in range(20)]
            looks = [asker.guild(guild) for guild in group]
            for place in (*group, None):
                looks += asker.looks(place, (place or group[0]) + 1, kinds={"role"})
            heard.update(await asyncio.gather(*map(verdict, looks)))
        return heard

    arriving_task = asyncio.create_task(arrive())
    for heard in await asyncio.gather(*(ask(Asker(cache)) for cache in caches)):
        assert heard[FINAL] == 0
        assert heard[hikari.Role] > 0
    await arriving_task
    await caches[0].flush()
    for cache in caches:
        asker = Asker(cache)
        assert (await hear([look for guild in guilds for look in asker.looks(guild, kinds=IN_GUILD)], 100)).are_final
        assert await verdict(asker.guild(UNHEARD)) is FINAL


async def test_while_one_of_two_shards_is_connected_only_its_own_guilds_are_known(scene: Scene) -> None:
    mine, other = UNHEARD << 30, (UNHEARD << 30) + (1 << 22)
    shards = [gateway.Shard(number, 2) for number in range(2)]
    for shard, guild in zip(shards, (mine, other), strict=True):
        if shard is shards[1]:
            for place in (other, None):
                assert (await scene.hear(place, part=0.45)).are_doubtful
            assert (await scene.guild(other)).are_doubtful
            assert (await scene.guild(other + (2 << 22))).are_doubtful
            assert (await scene.guild(mine + (2 << 22))).are_final
            assert (await scene.hear(mine, part=0.1)).are_final
        ready = {"guilds": [{"id": str(guild)}], "shard": [shard.id, 2]}
        scene.feed("READY", {**scene.world.ready(), **ready}, shard=shard)
        scene.feed("GUILD_CREATE", arriving(scene.world, guild), shard=shard)
    for place in (mine, other, None):
        assert (await scene.hear(place, part=0.01)).are_final
    assert (await scene.guild(other + (2 << 22))).are_final


async def test_a_guild_in_an_outage_at_the_start_makes_nothing_else_uncertain_than_what_may_be_in_it(
    scene: Scene,
) -> None:
    away, *there = scene.guilds
    scene.connect()
    scene.arrive(*there)
    scene.feed("GUILD_DELETE", {"id": str(away), "unavailable": True})
    for place in (away, None):
        assert (await scene.hear(place, part=0.5)).are_doubtful
    assert (await scene.guild(away)).are_doubtful
    for guild in there:
        assert (await scene.hear(guild, part=0.01)).are_final
        assert await scene.reader.is_guild_current(guild)
    assert not await scene.reader.is_guild_current(away)
    scene.arrive(away)
    await scene.assert_sure()


async def test_after_the_writer_has_closed_nothing_is_known_not_to_exist_until_guilds_arrive_again(
    scene: Scene, make_cache: typing.Any
) -> None:
    scene.connect()
    scene.arrive()
    await scene.assert_sure()
    await scene.cache.close()
    readers = scene.askers[1:]
    scene.cache = await make_cache(database=0)
    scene.askers = [Asker(scene.cache), *readers]
    for say in (lambda: None, scene.connect):
        say()
        for place in (*scene.guilds, None):
            assert (await scene.hear(place, part=0.125)).are_doubtful
    assert await scene.reader.iter_roles().len() > 0
    scene.arrive()
    await scene.assert_sure()


async def test_what_a_client_stores_that_was_opened_after_ready_is_known_guild_by_guild(scene: Scene) -> None:
    one, *_ = scene.guilds
    scene.arrive(one)
    assert (await scene.hear(one, part=0.01)).are_final
    assert (await scene.hear(None, part=0.5)).are_doubtful
    assert (await scene.guild(UNHEARD)).are_doubtful


async def test_while_the_connection_is_lost_nothing_is_known_not_to_exist(scene: Scene) -> None:
    scene.connect()
    scene.arrive()
    await scene.assert_sure()
    scene.lose_connection()
    for place in (*scene.guilds, None):
        assert (await scene.hear(place, part=0.25)).are_doubtful
    assert (await scene.guild(UNHEARD)).are_doubtful
    scene.feed("GUILD_ROLE_CREATE", {"guild_id": str(scene.guilds[0]), "role": scene.world.payloads.role(id="77")})
    assert (await scene.hear(scene.guilds[0], part=0.01)).are_doubtful
    scene.feed("RESUMED", {})
    await scene.assert_sure()
    assert (await scene.reader.get_role(77)).id == 77


async def test_a_lost_session_is_not_renewed_and_one_that_goes_on_is(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, make_cache: typing.Any, raw: typing.Any
) -> None:
    await scene.cache.close()
    monkeypatch.setattr(_shards, "_RENEWAL_SECONDS", 0.01)
    scene.cache = await make_cache(database=0)
    scene.connect()
    scene.arrive()
    await scene.cache.flush()
    assert 0 < await raw.pttl(SESSION) <= 90_000
    await raw.delete(SESSION)
    await scene.session_is_stored()
    scene.lose_connection()
    await scene.cache.flush()
    written = scene.cache.statistics.batches
    await asyncio.sleep(0.1)
    assert not await raw.exists(SESSION)
    assert scene.cache.statistics.batches == written


async def test_after_another_ready_nothing_is_known_until_guilds_arrive_again(scene: Scene) -> None:
    scene.connect()
    scene.arrive()
    await scene.assert_sure()
    scene.connect()
    for place in (*scene.guilds, None):
        assert (await scene.hear(place, part=0.25)).are_doubtful
    scene.arrive()
    await scene.assert_sure()


async def test_a_server_that_was_emptied_under_a_running_bot_knows_nothing(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, make_cache: typing.Any, raw: typing.Any
) -> None:
    await scene.cache.close()
    monkeypatch.setattr(_shards, "_RENEWAL_SECONDS", 0.01)
    scene.cache = await make_cache(database=0)
    scene.askers = [Asker(scene.cache), *scene.askers[1:]]
    scene.connect()
    scene.arrive()
    await scene.assert_sure()
    await raw.flushdb()
    await scene.session_is_stored()
    for place in (*scene.guilds, None):
        assert (await scene.hear(place, part=0.25)).are_doubtful
    assert (await scene.guild(scene.guilds[0])).are_doubtful
    assert (await scene.guild(UNHEARD)).are_doubtful


@pytest.mark.parametrize("by", ["cache", "reader"])
@pytest.mark.parametrize("kind", IN_GUILD)
async def test_what_was_cleared_or_deleted_by_hand_may_exist_until_its_guild_arrives_again(
    scene: Scene, kind: str, by: str
) -> None:
    client, guild = getattr(scene, by), scene.guilds[0]
    name = {"channel": "guild_channel"}.get(kind, kind.replace(" ", "_"))
    there = int(next(iter(getattr(scene.world.guilds[str(guild)], f"{kind.replace(' ', '_')}s"))))
    others = set(IN_GUILD) - {kind}
    scene.connect()
    for forget in (
        getattr(client, f"clear_{name}s"),
        lambda: getattr(client, f"clear_{name}s_for_guild")(guild),
        lambda: getattr(client, f"delete_{name}")(*((there,) if kind in ANYWHERE else (guild, there))),
    ):
        scene.arrive()
        assert (await scene.hear(guild, kinds={kind}, part=0.002)).are_final
        await forget()
        await client.flush()
        for key in (there, UNHEARD):
            assert (await scene.hear(guild, key, kinds={kind}, part=0.01)).are_doubtful
            if kind in ANYWHERE:
                assert (await scene.hear(None, key, kinds={kind}, part=0.01)).are_doubtful
        assert (await scene.hear(guild, kinds=others, part=0.002)).are_final


@pytest.mark.parametrize("by", ["cache", "reader"])
async def test_a_guild_that_was_cleared_or_deleted_by_hand_may_exist(scene: Scene, by: str) -> None:
    client, guild = getattr(scene, by), scene.guilds[0]
    scene.connect()
    for forget in (client.clear_guilds, lambda: client.delete_guild(guild)):
        scene.arrive()
        await scene.cache.flush()
        assert await scene.reader.is_guild_current(guild)
        await forget()
        assert (await scene.guild(guild)).are_doubtful
        assert not await scene.reader.is_guild_current(guild)


class Some(sake.redis.RoleCache, sake.redis.EmojiCache, sake.redis.MemberCache):
    """Without guilds."""


async def test_a_client_without_guilds_is_no_less_careful(
    server: servers.Server, make_cache: typing.Any, feed: gateway.Feed, world: testing.World
) -> None:
    caches = await make_cache(Some, database=0), await make_cache(Some, fed=False, database=0)
    scene = Scene(server, feed, world, *caches)
    first, *others = scene.guilds
    for step in (lambda: None, scene.connect, lambda: scene.arrive(*others)):
        step()
        for place in (first, None):
            assert (await scene.hear(place, part=0.1)).are_doubtful
    for guild in others:
        assert (await scene.hear(guild, part=0.01)).are_final
    scene.arrive(first)
    for place in (*scene.guilds, None):
        assert (await scene.hear(place, part=0.01)).are_final
    scene.feed("GUILD_DELETE", {"id": str(first), "unavailable": True})
    for place in (first, None):
        assert (await scene.hear(place, part=0.1)).are_doubtful
    scene.arrive(first)
    scene.lose_connection()
    for place in (*scene.guilds, None):
        assert (await scene.hear(place, part=0.1)).are_doubtful


@pytest.mark.parametrize(
    ("intent", "kinds"),
    [
        (hikari.Intents.GUILD_EMOJIS, {"emoji", "sticker"}),
        (hikari.Intents.GUILD_MEMBERS, {"member"}),
        (hikari.Intents.GUILD_PRESENCES, {"presence"}),
        (hikari.Intents.GUILD_VOICE_STATES, {"voice state"}),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
@pytest.mark.filterwarnings("ignore:.*cannot be filled whole")
async def test_a_list_that_the_bot_is_not_told_of_is_never_complete(
    server: servers.Server, make_cache: typing.Any, world: testing.World, intent: hikari.Intents, kinds: set[str]
) -> None:
    intents = hikari.Intents.ALL & ~intent
    bot = gateway.make_bot(intents=intents)
    feed = gateway.Feed(bot, gateway.Shard(intents=intents))
    caches = await make_cache(bot=bot, database=0), await make_cache(bot=bot, fed=False, database=0)
    scene = Scene(server, feed, world, *caches)
    scene.connect()
    scene.arrive()
    guild = scene.guilds[0]
    assert (await scene.hear(guild, kinds=kinds, part=0.5)).are_doubtful
    if kinds & ANYWHERE.keys():
        assert (await scene.hear(None, kinds=kinds, part=0.5)).are_doubtful
    assert (await scene.hear(guild, kinds=IN_GUILD.keys() - kinds, part=0.01)).are_final
    assert (await scene.hear(None, kinds=ANYWHERE.keys() - kinds, part=0.01)).are_final


async def test_what_is_in_a_guild_whose_changes_were_given_up_may_exist_until_it_arrives_again(
    own: own_server.OwnServer, bot: hikari.GatewayBot, feed: gateway.Feed, world: testing.World
) -> None:
    server = servers.Server("valkey", own.url)
    async with (
        sake.RedisCache(own.url, bot, bot.event_manager, database=0, backlog_limit=2_000_000) as cache,
        sake.RedisCache(own.url, bot, database=0) as reader,
    ):
        scene = Scene(server, feed, world, cache, reader)
        scene.connect()
        scene.arrive()
        await scene.assert_sure()
        guild, *others = scene.guilds
        own.pause()
        number = 0
        while not cache.statistics.dropped:
            number += 1
            role = world.payloads.role(id=str(1_000 + number))
            feed("GUILD_ROLE_CREATE", {"guild_id": str(guild), "role": role})
            await asyncio.sleep(0)
        own.resume()
        await own_server.eventually(lambda: not cache.statistics.is_away)
        for place in (guild, None):
            assert (await scene.hear(place, kinds={"role"}, part=0.5)).are_doubtful
        assert await reader.is_guild_stale(guild)
        assert not await reader.is_guild_current(guild)
        for other in others:
            assert (await scene.hear(other, kinds={"role"}, part=0.01)).are_final
        scene.arrive(guild)
        await scene.assert_sure()


@marks.needs_statistics
async def test_discord_is_asked_only_while_the_connection_is_lost(server: servers.Server) -> None:
    world = testing.World(seed=11, guilds=2, members=5)
    async with testing.LoopbackDiscord(world) as discord, tanjun_stage.running(discord, server) as stage:
        ctx = await stage.context()
        converters = (conversion.ToMember(), conversion.ToRole(), conversion.ToEmoji(), conversion.ToGuild())

        async def asked() -> int:
            discord.requests.clear()
            for converter in converters:
                with pytest.raises(ValueError, match="Couldn't find"):
                    await ctx.call_with_async_di(converter, "5")
            return len(discord.requests)

        assert await asked() == 0
        shard = stage.bot.shards[0]
        stage.bot.event_manager.dispatch(hikari.ShardDisconnectedEvent(app=stage.bot, shard=shard))
        assert await asked() == len(converters)
        await discord.drop(0)
        await discord.wait_ready()
        await discord.settle()
        assert await asked() == 0


def arriving(world: testing.World, guild_id: int, /) -> Payload:
    """Build a guild with one role besides everyone's, of an id that is its own."""
    guild = world.guild_create(next(iter(world.guilds)))
    lists = ("channels", "emojis", "members", "presences", "stickers", "threads", "voice_states")
    roles = [{**guild["roles"][0], "id": str(guild_id)}, {**guild["roles"][0], "id": str(guild_id + 1)}]
    return {**guild, **dict.fromkeys(lists, ()), "id": str(guild_id), "roles": roles, "member_count": 0}
