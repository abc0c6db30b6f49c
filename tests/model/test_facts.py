# SPDX-License-Identifier: BSD-3-Clause
"""Which guild an id belongs to: never a wrong one, and nothing stays of a guild that was left."""

from __future__ import annotations

import os
import random
import re
import typing

import pytest
from _support import deltas
from _support import gateway
from _support import keys
from _support import marks
from _support import samples

import sake
import sake.redis
from sake import testing
from sake.redis._model import delta as _delta
from sake.redis._model import facts as _facts_
from sake.redis._model import keys as _keys
from sake.redis._model import kinds as _kinds
from sake.redis._model import transaction as _transaction

if typing.TYPE_CHECKING:
    import hikari
    import redis.asyncio
    from _support import servers

CLASSES: typing.Final = {
    cls.__name__: cls
    for cls in vars(sake.redis).values()
    if isinstance(cls, type) and issubclass(cls, sake.redis.ResourceClient) and cls is not sake.redis.ResourceClient
}
GUILD: typing.Final = samples.GUILD


def _events(guild: dict[str, typing.Any]) -> list[tuple[str, dict[str, typing.Any]]]:
    """Return what fills every table of a guild, also those that entities of other kinds are found by."""
    make = testing.Payloads(seed=9)
    here = guild["id"]
    channels = [{**make.channel(), "guild_id": here} for _ in range(2)]
    talking = {state["user_id"] for state in guild["voice_states"]}
    users = [user for member in guild["members"] if (user := member["user"]["id"]) not in talking]
    return [
        ("GUILD_CREATE", guild),
        ("CHANNEL_CREATE", channels[0]),
        ("THREAD_CREATE", {**make.thread(parent_id=channels[0]["id"]), "guild_id": here}),
        ("INVITE_CREATE", make.invite(code=f"inv{here}", guild_id=here, channel_id=channels[0]["id"])),
        # Of a channel that was not heard of.
        ("INVITE_CREATE", make.invite(code=f"other{here}", guild_id=here, channel_id=channels[1]["id"])),
        ("VOICE_STATE_UPDATE", make.voice_state(user_id=users[0], channel_id=channels[1]["id"], guild_id=here)),
        ("GUILD_ROLE_CREATE", {"guild_id": here, "role": make.role()}),
        ("PRESENCE_UPDATE", make.presence(user_id=users[0], guild_id=here, status="online")),
    ]


async def _of_guilds(*databases: redis.asyncio.Redis) -> dict[str, typing.Any]:
    """Return all that says anything of any guild."""
    found: dict[str, typing.Any] = {}
    for number, raw in enumerate(databases):
        for key in [key.decode() async for key in raw.scan_iter()]:
            use = keys.use_of(key)
            assert use, key
            if use == "guilds":
                found[f"{number} {key}"] = await raw.smembers(key)
            elif use == "guild-of" or "{" in key:
                found[f"{number} {key}"] = await raw.hgetall(key)
            elif use == "invite":
                found[f"{number} {key}"] = await raw.get(key)
    return found


async def _facts(raw: redis.asyncio.Redis) -> dict[str, str]:
    facts: dict[str, str] = {}
    for key in [key.decode() async for key in raw.scan_iter(keys.NAMESPACE + ":guild-of:*")]:
        bucket = {id_.decode(): guild.decode() for id_, guild in (await raw.hgetall(key)).items()}
        assert {keys.guild_of(id_) for id_ in bucket} == {key}
        facts |= bucket
    return facts


@pytest.mark.parametrize("way", ["told", "told of another process", "not told"])
@pytest.mark.parametrize("name", CLASSES)
async def test_nothing_stays_of_a_guild_that_was_left(
    make_cache: typing.Any, raw: redis.asyncio.Redis, name: str, way: str
) -> None:
    guild = samples.whole_guild()
    bot = gateway.make_bot()
    cache = await make_cache(CLASSES[name], bot=bot, database=0)
    feed = gateway.Feed(bot, gateway.Shard())
    feed.all(_events(guild))
    await cache.flush()
    stored = await _of_guilds(raw)
    assert bool(stored) == (sake.redis.ResourceIndex.REFERENCE in CLASSES[name](samples.ADDRESS, bot).all_indexes())
    if way != "told":
        await cache.close()
        bot = gateway.make_bot()
        cache = await make_cache(CLASSES[name], bot=bot, database=0)
        feed = gateway.Feed(bot, gateway.Shard())
    if way == "not told":
        feed("READY", {**testing.World(guilds=1, members=2).ready(), "guilds": []})
    else:
        feed("GUILD_DELETE", {"id": guild["id"]})
    await cache.flush()
    assert await _of_guilds(raw) == {}
    assert cache.statistics.skipped == 0


async def test_what_is_deleted_leaves_no_fact_and_what_a_caller_deletes_is_found_when_it_is_told_of_again(
    make_cache: typing.Any, feed: gateway.Feed, raw: redis.asyncio.Redis, payloads: testing.Payloads
) -> None:
    cache, other = await make_cache(database=0), await make_cache(database=0, fed=False)
    role, channel = payloads.role(id="5"), {**payloads.channel(id="6"), "guild_id": GUILD}
    thread = {**payloads.thread(id="7", parent_id="6"), "guild_id": GUILD}
    events = [("GUILD_ROLE_CREATE", {"guild_id": GUILD, "role": role}), ("CHANNEL_CREATE", channel)]
    events.append(("THREAD_CREATE", thread))
    feed.all(events)
    await cache.flush()
    assert await _facts(raw) == dict.fromkeys("567", GUILD)

    feed("GUILD_ROLE_DELETE", {"guild_id": GUILD, "role_id": "5"})
    feed("THREAD_DELETE", thread)
    feed("CHANNEL_DELETE", channel)
    await cache.flush()
    assert await _facts(raw) == {}

    feed.all(events)
    await cache.flush()
    await other.delete_role(5)
    await other.delete_thread(7)
    feed("GUILD_ROLE_UPDATE", {"guild_id": GUILD, "role": role})
    feed("THREAD_UPDATE", thread)
    await cache.flush()
    assert (await other.get_role(5)).guild_id == (await other.get_thread(7)).guild_id == int(GUILD)


@pytest.mark.parametrize("options", [{"database": 0}, {}], ids=["one database", "a database each"])
async def test_no_id_is_ever_said_to_belong_to_another_guild_while_guilds_come_and_go(
    make_cache: typing.Any, raw_database: typing.Any, server: servers.Server, options: dict[str, typing.Any]
) -> None:
    """Two processes have a shard each and come and go, a third only reads."""
    draw = random.Random(7)
    world = testing.World(seed=11, guilds=6, members=12)
    arrivals = {guild_id: world.guild_create(guild_id) for guild_id in world.guilds}
    owners = {
        entity["id"]: guild_id
        for guild_id, guild in arrivals.items()
        for name in ("channels", "emojis", "roles", "stickers", "threads")
        for entity in guild[name]
    }
    reference = raw_database(0 if options else int(sake.redis.ResourceIndex.REFERENCE))
    reader = await make_cache(fed=False, **options)
    shards = [gateway.Shard(number, 2) for number in range(2)]
    fillers: list[tuple[typing.Any, hikari.GatewayBot]] = []
    for _ in shards:
        bot = gateway.make_bot()
        fillers.append((await make_cache(bot=bot, **options), bot))

    here: set[str] = set()
    for step in range(server.share(150)):
        guild_id = draw.choice(sorted(arrivals))
        number = (int(guild_id) >> 22) % 2
        cache, bot = fillers[number]
        feed = gateway.Feed(bot, shards[number])
        if guild_id in here and draw.random() < 0.6:
            feed("GUILD_DELETE", {"id": guild_id})
            here.discard(guild_id)
        elif guild_id in here and draw.random() < 0.3:
            roles = arrivals[guild_id]["roles"]
            feed("GUILD_ROLE_DELETE", {"guild_id": guild_id, "role_id": roles[-1]["id"]})
            feed("GUILD_ROLE_CREATE", {"guild_id": guild_id, "role": roles[-1]})
        else:
            feed("GUILD_CREATE", arrivals[guild_id])
            here.add(guild_id)
        if draw.random() < 0.1:
            await cache.close()
            bot = gateway.make_bot()
            fillers[number] = (await make_cache(bot=bot, **options), bot)
            mine = [guild for guild in here if (int(guild) >> 22) % 2 == number]
            ready = {**world.ready(), "guilds": [{"id": guild, "unavailable": True} for guild in mine]}
            gateway.Feed(bot, shards[number])("READY", {**ready, "shard": [number, 2]})
        if draw.random() < 0.5:
            for cache, _ in fillers:
                await cache.flush()
            facts = await _facts(reference)
            stored = {entity: guild for entity, guild in owners.items() if guild in here}
            assert stored.items() <= facts.items(), step
            assert all(owners.get(entity, guild) == guild for entity, guild in facts.items()), step
            assert set(facts.values()) <= here, step
            assert {guild.decode() for guild in await reference.smembers(keys.guilds())} == here, step
            found = await reader.get_guild_channels([int(entity) for entity in owners])
            assert {str(model.guild_id) for model in found.values()} == here, step


@marks.needs_statistics
async def test_facts_take_no_more_than_thirty_bytes_each(raw: redis.asyncio.Redis, server: servers.Server) -> None:
    """A million facts are in 65,536 tables; what is measured here is a part of those, as full as that."""
    count = int(os.environ.get("SAKE_FACTS", "100_000"))
    tables = count * 65_536 // 1_000_000
    draw = random.Random(3)
    guilds = [str(draw.randrange(1 << 58, 1 << 60)) for _ in range(count // 100)]
    # What is made in one millisecond, sixty-five seconds after the other, is in one table.
    made = (((number // tables) << 16 | number % tables) + (5_000_000 << 16) for number in range(count))
    facts = {str(milliseconds << 22 | draw.randrange(1 << 22)): draw.choice(guilds) for milliseconds in made}
    assert len(facts) == count
    before = (await raw.info("memory"))["used_memory"]
    entities = list(facts)
    for start in range(0, count, 5_000):
        transaction = _transaction.Transaction(_keys.Keys())
        transaction.put_facts({entity: facts[entity] for entity in entities[start : start + 5_000]})
        for packed in transaction.finish():
            connection = await raw.connection_pool.get_connection()
            try:
                await connection.send_packed_command([packed.parcel.data])
                for _ in range(packed.parcel.replies):
                    await connection.read_response()
            finally:
                await raw.connection_pool.release(connection)
    assert await raw.dbsize() == tables
    assert await raw.hlen(keys.guild_of(entities[0])) in {count // tables, count // tables + 1}
    each = ((await raw.info("memory"))["used_memory"] - before) / count
    print(f"{server.name}: {count:,} facts take {each:.1f} B each")  # noqa: T201
    assert each <= 30, "bytes"


@pytest.mark.not_on("fakeredis", reason="it has no MONITOR")
async def test_every_key_that_a_script_touches_was_handed_to_it(
    make_cache: typing.Any, feed: gateway.Feed, raw: redis.asyncio.Redis
) -> None:
    cache = await make_cache(database=0)
    world = testing.World(seed=3, guilds=3, members=30)
    handed: list[str] = []
    touched: list[str] = []
    scripts = 0
    async with raw.monitor() as monitor:
        feed("READY", world.ready())
        for guild_id in world.guilds:
            feed("GUILD_CREATE", world.guild_create(guild_id))
        feed.all(list(world.steps(1_500)))
        await cache.flush()
        for guild_id in [*world.guilds]:
            feed("GUILD_DELETE", {"id": guild_id})
        await cache.flush()
        await cache.clear_invites()
        await cache.clear_roles_for_guild(1)
        await raw.echo("the end")
        while True:
            line = (await monitor.connection.read_response()).decode()
            # `1339518083.107412 [0 lua] "HSET" "key" "a\\"b" …`
            name, *arguments = re.findall(r'"((?:[^"\\]|\\.)*)"', line)
            if name.upper() == "EVAL":
                scripts += 1
                handed = arguments[2 : 2 + int(arguments[1])]
                assert all(keys.use_of(key) for key in handed)
            elif " lua] " in line:
                touched.append(name)
                assert arguments[0] in handed, (name, arguments[0])
                assert name.upper() != "RENAME" or arguments[1] in handed
            elif name.upper() == "ECHO":
                break
    assert scripts >= 5
    assert {"HSET", "HDEL", "UNLINK", "HKEYS", "HVALS", "SET"} <= {name.upper() for name in touched}


@pytest.mark.parametrize("first_away", [{0}, {1}, {0, 1}], ids=["list", "facts", "both"])
def test_what_belongs_to_a_place_that_is_away_waits_and_is_written_when_it_is_back(first_away: set[int]) -> None:
    facts = _facts_.Facts(_keys.Keys(slot_of=lambda key: int("guild-of" in key)))
    (delta,) = deltas.describe([deltas.Put(_kinds.ROLES, deltas.GUILDS[0], "5", {"id": "5"})])
    sent: set[int] = set()
    for away in (first_away, {0, 1}, set[int]()):
        packed, written = facts.write([delta], away.__contains__)
        sent |= {one.slot for one in packed}
        written()
        delta = _delta.Delta()
        assert facts.is_waiting == (sent != {0, 1})


def test_what_waits_is_not_written_of_a_guild_that_was_left_meanwhile() -> None:
    facts = _facts_.Facts(_keys.Keys())
    stream = [
        deltas.Put(_kinds.ROLES, deltas.GUILDS[0], "5", {"id": "5"}),
        deltas.Leave(_kinds.ROLES, deltas.GUILDS[0]),
    ]
    for change in stream:
        batch = deltas.describe([change])
        facts.write(batch, lambda _: True)[1]()
        facts.discard(batch, ())
    packed, _ = facts.write([_delta.Delta()], lambda _: False)
    assert packed == []
