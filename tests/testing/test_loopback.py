# SPDX-License-Identifier: BSD-3-Clause
"""The loopback Discord of `sake.testing`, mostly with a real bot on the other end."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import time
import typing

import aiohttp
import attr
import hikari
import orjson
import pytest
from hikari.api import shard as shard_api
from hikari.impl import config
from hikari.impl import shard as shard_impl

from sake import testing

pytest_plugins = ["sake.testing.pytest_plugin"]

Payload = dict[str, typing.Any]

COMPRESSIONS = {
    "none": None,
    "zlib-stream": shard_api.GatewayCompression.TRANSPORT_ZLIB_STREAM,
    "zstd-stream": shard_api.GatewayCompression.TRANSPORT_ZSTD_STREAM,
}


class Recorder:
    """Remembers what a bot receives."""

    def __init__(self, bot: hikari.GatewayBot) -> None:
        self.events: list[tuple[int, str, Payload]] = []
        bot.subscribe(hikari.ShardPayloadEvent, self._record)

    async def _record(self, event: hikari.ShardPayloadEvent) -> None:
        self.events.append((event.shard.id, event.name, dict(event.payload)))

    def names(self) -> list[str]:
        return [name for _, name, _ in self.events]

    def of(self, *names: str) -> list[Payload]:
        return [payload for _, name, payload in self.events if name in names]


async def _until(condition: collections.abc.Callable[[], bool]) -> None:
    for _ in range(1_000):
        if condition():
            return

        await asyncio.sleep(0.01)

    pytest.fail("what was waited for has not happened")


async def _listeners_done(bot: hikari.GatewayBot) -> None:
    while tasks := typing.cast("typing.Any", bot.event_manager)._dispatched_tasks:
        await asyncio.wait(list(tasks), timeout=10)


class RawClient:
    """A gateway client without hikari, to see and send single frames."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket

    async def send(self, opcode: int, data: typing.Any) -> None:
        await self.socket.send_str(orjson.dumps({"op": opcode, "d": data}).decode())

    async def read(self) -> Payload:
        message = await self.socket.receive(timeout=10)
        assert message.type is aiohttp.WSMsgType.TEXT, message
        return orjson.loads(message.data)

    async def close_code(self) -> int | None:
        while not self.socket.closed:
            await self.socket.receive(timeout=10)

        return self.socket.close_code

    async def identify(self, discord: testing.LoopbackDiscord, **changes: typing.Any) -> Payload:
        assert (await self.read())["op"] == 10
        await self.send(2, {"token": discord.token, "intents": int(hikari.Intents.ALL), **changes})
        return await self.read()

    async def read_until(self, name: str) -> list[Payload]:
        frames = [await self.read()]
        while frames[-1]["t"] != name:
            frames.append(await self.read())

        return frames


@contextlib.asynccontextmanager
async def raw_client(discord: testing.LoopbackDiscord) -> collections.abc.AsyncIterator[RawClient]:
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(f"{discord.gateway_url}?v=10&encoding=json", max_msg_size=0) as socket,
    ):
        yield RawClient(socket)


def _text_channel(world: testing.World) -> tuple[testing.WorldGuild, str]:
    guild = next(iter(world.guilds.values()))
    return guild, guild.text_channel_ids[0]


# Connecting


@pytest.mark.parametrize("compression", COMPRESSIONS)
async def test_a_real_bot_gets_everything_over_every_transport(
    compression: str, monkeypatch: pytest.MonkeyPatch, loopback_discord: testing.LoopbackDiscord
) -> None:
    defaults = shard_impl.GatewayShardImpl.__init__.__kwdefaults__
    monkeypatch.setitem(defaults, "compression", COMPRESSIONS[compression])
    bot = loopback_discord.bot()
    recorder = Recorder(bot)
    async with loopback_discord.running(bot):
        played = await loopback_discord.play(count=300)
        await loopback_discord.settle()
        await _listeners_done(bot)

    world = loopback_discord.world
    assert recorder.names()[0] == "READY"
    assert recorder.of("READY")[0]["user"] == world.me
    assert sum(played.values()) == 300
    counts = collections.Counter(recorder.names()[1:])
    assert counts.pop("GUILD_CREATE") >= 3
    played.pop("GUILD_CREATE", None)
    assert counts == played


@pytest.mark.parametrize("compression", ["zlib-stream", "zstd-stream", "none", "smoke-signals"])
async def test_a_transport_is_what_the_url_asks_for(
    compression: str, loopback_discord: testing.LoopbackDiscord
) -> None:
    query = "" if compression == "none" else f"?compress={compression}"
    async with aiohttp.ClientSession() as session:
        if compression == "smoke-signals":
            async with session.get(f"{loopback_discord.gateway_url.replace('ws', 'http', 1)}/{query}") as response:
                assert response.status == 400
                assert compression in await response.text()
        else:
            async with session.ws_connect(f"{loopback_discord.gateway_url}{query}") as socket:
                hello = await socket.receive(timeout=10)
                assert (hello.type is aiohttp.WSMsgType.TEXT) == (compression == "none")


@pytest.mark.parametrize("shards", [2, 3, 4])
async def test_every_shard_gets_its_own_guilds(shards: int) -> None:
    world = testing.World(guilds=9, members=90, shard_count=shards)
    async with testing.LoopbackDiscord(world, shards=shards) as discord:
        bot = discord.bot()
        recorder = Recorder(bot)
        async with discord.running(bot):
            await discord.wait_ready()
            assert discord.connected_shards == list(range(shards))
            await discord.play(count=400)
            await discord.settle()
            await _listeners_done(bot)
            assert len(bot.shards) == shards

    readies = {shard: payload["guilds"] for shard, name, payload in recorder.events if name == "READY"}
    assert sum(map(len, readies.values())) == 9
    for shard, name, payload in recorder.events:
        named_by_id = name in {"GUILD_CREATE", "GUILD_UPDATE", "GUILD_DELETE"}
        guild_id = payload["id"] if named_by_id else payload.get("guild_id")
        assert name == "READY" or shard == (world.shard_of(guild_id) if guild_id is not None else 0)


async def test_a_wrong_token_is_refused_with_4004(loopback_discord: testing.LoopbackDiscord) -> None:
    bot = loopback_discord.bot()
    async with raw_client(loopback_discord) as client:
        assert (await client.read())["op"] == 10
        await client.send(2, {"token": "wrong", "intents": 0})
        assert await client.close_code() == 4004

    shard = shard_impl.GatewayShardImpl(
        event_manager=bot.event_manager,
        event_factory=bot.event_factory,
        http_settings=config.HTTPSettings(),
        proxy_settings=config.ProxySettings(),
        intents=hikari.Intents.ALL,
        token="MTIz.wrong.token",
        url=loopback_discord.gateway_url,
        dumps=orjson.dumps,
        loads=orjson.loads,
    )
    with pytest.raises(hikari.GatewayServerClosedConnectionError) as caught:
        await asyncio.wait_for(shard.start(), 20)

    assert caught.value.code == 4004


async def test_a_wrong_token_gets_no_rest(loopback_discord: testing.LoopbackDiscord) -> None:
    bot = loopback_discord.bot(token="MTIz.wrong.token")
    with pytest.raises(hikari.UnauthorizedError):
        async with loopback_discord.running(bot):
            pytest.fail("a bot with a wrong token has started")


@pytest.mark.parametrize(
    ("opcode", "data", "code"),
    [(8, {"guild_id": "1"}, 4003), (2, {"token": None, "intents": 0, "shard": [2, 2]}, 4010)],
)
async def test_a_frame_out_of_place_is_refused(
    opcode: int, data: Payload, code: int, loopback_discord: testing.LoopbackDiscord
) -> None:
    if "token" in data:
        data = {**data, "token": loopback_discord.token}

    async with raw_client(loopback_discord) as client:
        await client.send(opcode, data)
        assert await client.close_code() == code


async def test_garbage_unknown_opcodes_and_a_second_identify_are_refused(
    loopback_discord: testing.LoopbackDiscord,
) -> None:
    for text in ("[not json", "[]", '{"d": 1}', '{"op": 2}', '{"op": 6, "d": {"token": "x"}}'):
        async with raw_client(loopback_discord) as client:
            await client.socket.send_str(text)
            assert await client.close_code() == 4002

    for opcode, code in ((99, 4001), (2, 4005)):
        async with raw_client(loopback_discord) as client:
            await client.identify(loopback_discord)
            await client.send(opcode, {"token": loopback_discord.token, "intents": 0})
            assert await client.close_code() == code


async def test_heartbeats_are_answered(loopback_discord: testing.LoopbackDiscord) -> None:
    async with raw_client(loopback_discord) as client:
        await client.read()
        await client.send(1, None)
        assert (await client.read())["op"] == 11


async def test_a_bot_outlives_many_heartbeats() -> None:
    async with testing.LoopbackDiscord(heartbeat_interval=0.05) as discord, discord.running() as bot:
        latencies = {bot.heartbeat_latency}
        await _until(lambda: latencies.add(bot.heartbeat_latency) or len(latencies) > 5)
        assert discord.connected_shards == [0]
        assert [command.opcode for command in discord.commands] == [2]


# Losing the connection


async def test_resume_after_a_lost_connection_replays_what_was_missed_in_order(
    loopback_discord: testing.LoopbackDiscord,
) -> None:
    guild, _ = _text_channel(loopback_discord.world)
    bot = loopback_discord.bot()
    recorder = Recorder(bot)
    async with loopback_discord.running(bot):
        await loopback_discord.dispatch("TEST_EVENT", {"guild_id": guild.id, "number": 0})
        await loopback_discord.drop(0)
        for number in range(1, 500):
            await loopback_discord.dispatch("TEST_EVENT", {"guild_id": guild.id, "number": number})

        await loopback_discord.settle()
        await _listeners_done(bot)

    assert [payload["number"] for payload in recorder.of("TEST_EVENT")] == list(range(500))
    assert recorder.names().count("READY") == 1
    assert recorder.names()[-1] == "RESUMED"


async def test_a_connection_lost_in_a_burst_loses_nothing(loopback_discord: testing.LoopbackDiscord) -> None:
    guild, _ = _text_channel(loopback_discord.world)
    bot = loopback_discord.bot()
    recorder = Recorder(bot)
    filling = "x" * 2_000
    events = [("TEST_EVENT", {"guild_id": guild.id, "number": n, "filling": filling}) for n in range(4_000)]
    async with loopback_discord.running(bot):
        await loopback_discord.dispatch_many(events[:3_000])
        await loopback_discord.drop(0)
        await loopback_discord.dispatch_many(events[3_000:])
        await loopback_discord.settle()
        await _listeners_done(bot)

    assert [payload["number"] for payload in recorder.of("TEST_EVENT")] == list(range(4_000))


async def test_a_bot_that_is_asked_to_reconnect_resumes(loopback_discord: testing.LoopbackDiscord) -> None:
    bot = loopback_discord.bot()
    recorder = Recorder(bot)
    async with loopback_discord.running(bot):
        await loopback_discord.reconnect(0)
        played = await loopback_discord.play(count=50)
        await loopback_discord.settle()
        await _listeners_done(bot)

    assert [command.opcode for command in loopback_discord.commands] == [2, 6]
    assert recorder.names().count("RESUMED") == 1
    assert len(recorder.names()) == 1 + 3 + sum(played.values()) + 1


async def test_an_invalidated_session_is_started_anew(loopback_discord: testing.LoopbackDiscord) -> None:
    bot = loopback_discord.bot()
    recorder = Recorder(bot)
    async with loopback_discord.running(bot):
        await loopback_discord.invalidate(0)
        await loopback_discord.wait_ready()
        await loopback_discord.settle()
        await _listeners_done(bot)

    assert recorder.names().count("READY") == 2
    assert recorder.names().count("GUILD_CREATE") == 6
    assert "RESUMED" not in recorder.names()


async def test_a_session_that_missed_more_than_is_kept_cannot_be_resumed() -> None:
    async with testing.LoopbackDiscord(replay_limit=10) as discord:
        async with raw_client(discord) as client:
            ready = await client.identify(discord)
            await discord.wait_ready()
            await discord.drop(0)

        for number in range(11):
            await discord.dispatch("TEST_EVENT", {"number": number})

        async with raw_client(discord) as client:
            await client.read()
            await client.send(6, {"token": discord.token, "session_id": ready["d"]["session_id"], "seq": 4})
            assert (await client.read()) == {"op": 9, "d": False, "s": None, "t": None}


async def test_resume_of_an_unknown_session_is_refused_and_with_a_wrong_token_too(
    loopback_discord: testing.LoopbackDiscord,
) -> None:
    async with raw_client(loopback_discord) as client:
        await client.read()
        await client.send(6, {"token": loopback_discord.token, "session_id": "unknown", "seq": 1})
        assert (await client.read())["op"] == 9

    async with raw_client(loopback_discord) as client:
        await client.read()
        await client.send(6, {"token": "wrong", "session_id": "unknown", "seq": 1})
        assert await client.close_code() == 4004


async def test_sequence_numbers_have_no_gap(loopback_discord: testing.LoopbackDiscord) -> None:
    async with raw_client(loopback_discord) as client:
        frames = [await client.identify(loopback_discord)]
        await loopback_discord.wait_ready()
        await loopback_discord.dispatch("TEST_EVENT", {})
        frames += await client.read_until("TEST_EVENT")

    assert [frame["s"] for frame in frames] == list(range(1, 6))
    assert [frame["t"] for frame in frames] == ["READY", *["GUILD_CREATE"] * 3, "TEST_EVENT"]


# What is sent


async def test_a_burst_arrives_in_order(loopback_discord: testing.LoopbackDiscord) -> None:
    bot = loopback_discord.bot()
    recorder = Recorder(bot)
    events = [(f"TEST_{number % 7}", {"number": number}) for number in range(10_000)]
    async with loopback_discord.running(bot):
        await loopback_discord.dispatch_many(events)
        await loopback_discord.settle()
        await _listeners_done(bot)

    assert [(name, payload) for _, name, payload in recorder.events if name.startswith("TEST_")] == events


async def test_concurrent_dispatches_keep_their_order(loopback_discord: testing.LoopbackDiscord) -> None:
    bot = loopback_discord.bot()
    recorder = Recorder(bot)
    async with loopback_discord.running(bot):
        await asyncio.gather(*(loopback_discord.dispatch("TEST_EVENT", {"number": n}) for n in range(1_000)))
        await loopback_discord.settle()
        await _listeners_done(bot)

    assert [payload["number"] for payload in recorder.of("TEST_EVENT")] == list(range(1_000))


async def test_an_event_goes_to_the_shard_that_is_named_or_follows_from_it() -> None:
    async with testing.LoopbackDiscord(shards=2) as discord:
        bot = discord.bot()
        recorder = Recorder(bot)
        guild_id = next(id_ for id_ in discord.world.guilds if discord.world.shard_of(id_) == 1)
        async with discord.running(bot):
            await discord.dispatch("TEST_GUILD", {"guild_id": guild_id})
            await discord.dispatch("GUILD_UPDATE", discord.world.guild_update(guild_id))
            await discord.dispatch("TEST_DIRECT", {})
            await discord.dispatch("TEST_NAMED", {}, shard_id=1)
            await discord.dispatch("USER_UPDATE", discord.world.me)
            await discord.settle()
            await _listeners_done(bot)

    where = sorted((name, shard) for shard, name, _ in recorder.events if name not in {"READY", "GUILD_CREATE"})
    assert where == [
        ("GUILD_UPDATE", 1),
        ("TEST_DIRECT", 0),
        ("TEST_GUILD", 1),
        ("TEST_NAMED", 1),
        ("USER_UPDATE", 0),
        ("USER_UPDATE", 1),
    ]


async def test_a_payload_that_json_cannot_express_is_refused(loopback_discord: testing.LoopbackDiscord) -> None:
    async with loopback_discord.running():
        with pytest.raises(TypeError):
            await loopback_discord.dispatch("TEST_EVENT", {"what": object()})


async def test_no_event_overtakes_the_guild_create_of_its_guild() -> None:
    async with testing.LoopbackDiscord(testing.World(guilds=10, members=3_000)) as discord:
        bot = discord.bot()
        recorder = Recorder(bot)
        playing = asyncio.create_task(discord.play(duration=60, rate=3_000))
        async with discord.running(bot):
            await _until(lambda: recorder.names().count("MESSAGE_CREATE") > 50)
            playing.cancel()
            await asyncio.wait([playing])
            await discord.settle()
            await _listeners_done(bot)

    known: set[str] = set()
    for _, name, payload in recorder.events:
        if name == "GUILD_CREATE":
            known.add(payload["id"])
        else:
            assert payload.get("guild_id") is None or payload["guild_id"] in known


async def test_two_bots_hear_the_same(loopback_discord: testing.LoopbackDiscord) -> None:
    bots = [loopback_discord.bot(), loopback_discord.bot()]
    recorders = [Recorder(bot) for bot in bots]
    async with loopback_discord.running(bots[0]), loopback_discord.running(bots[1]):
        await loopback_discord.play(count=200)
        await loopback_discord.settle()
        for bot in bots:
            await _listeners_done(bot)

    heard = [[event for event in recorder.events if event[1] != "READY"] for recorder in recorders]
    assert heard[0] == heard[1]
    assert len(heard[0]) == 203


# Intents, members


async def test_without_presences_a_guild_comes_without_them_and_with_few_members() -> None:
    async with testing.LoopbackDiscord(testing.World(guilds=1, members=300)) as discord:
        async with raw_client(discord) as client:
            intents = int(hikari.Intents.ALL & ~hikari.Intents.GUILD_PRESENCES & ~hikari.Intents.GUILD_MEMBERS)
            await client.identify(discord, intents=intents)
            guild = (await client.read())["d"]
            truth = discord.world.guilds[guild["id"]]
            await discord.play(count=500)
            await discord.dispatch("GUILD_MEMBER_UPDATE", {"guild_id": guild["id"], "user": discord.world.me})
            await discord.dispatch("TEST_LAST", {})
            frames = await client.read_until("TEST_LAST")

        names = collections.Counter(frame["t"] for frame in frames)
        assert guild["presences"] == []
        assert {member["user"]["id"] for member in guild["members"]} >= {discord.world.me["id"]}
        assert len(guild["members"]) <= 1 + len(guild["voice_states"])
        assert guild["member_count"] == 300
        assert truth.presences
        assert not names.keys() & {"PRESENCE_UPDATE", "GUILD_MEMBER_ADD", "GUILD_MEMBER_REMOVE"}
        assert names["GUILD_MEMBER_UPDATE"] == 1
        assert names["MESSAGE_CREATE"] > 50


async def test_a_large_guild_comes_without_who_is_offline(loopback_discord: testing.LoopbackDiscord) -> None:
    async with raw_client(loopback_discord) as client:
        await client.identify(loopback_discord, large_threshold=5)
        guild = (await client.read())["d"]

    truth = loopback_discord.world.guilds[guild["id"]]
    shown = {member["user"]["id"] for member in guild["members"]}
    assert guild["large"] is True
    assert shown == {loopback_discord.world.me["id"], *truth.presences, *truth.voice_states}
    assert len(shown) < guild["member_count"] == len(truth.members)


async def test_a_bot_chunks_all_members_of_a_large_guild() -> None:
    async with testing.LoopbackDiscord(testing.World(guilds=1, members=2_500)) as discord:
        bot = discord.bot()
        recorder = Recorder(bot)
        async with discord.running(bot):
            await _listeners_done(bot)
            (guild,) = discord.world.guilds.values()
            cached = bot.cache.get_members_view_for_guild(int(guild.id))
            assert {str(id_) for id_ in cached} == set(guild.members)

    chunks = recorder.of("GUILD_MEMBERS_CHUNK")
    assert [len(chunk["members"]) for chunk in chunks] == [1_000, 1_000, 500]
    assert [(chunk["chunk_index"], chunk["chunk_count"]) for chunk in chunks] == [(0, 3), (1, 3), (2, 3)]
    assert len({chunk["nonce"] for chunk in chunks}) == 1


async def test_members_are_found_by_id_and_by_name(loopback_discord: testing.LoopbackDiscord) -> None:
    guild, _ = _text_channel(loopback_discord.world)
    online = next(id_ for id_ in guild.presences if id_ in guild.members)
    name = guild.members[online]["user"]["username"]
    bot = loopback_discord.bot()
    recorder = Recorder(bot)
    async with loopback_discord.running(bot):
        await bot.request_guild_members(int(guild.id), users=[int(online), 5], include_presences=True, nonce="ids")
        await bot.request_guild_members(int(guild.id), query=name.upper(), limit=3, nonce="name")
        await bot.request_guild_members(1, nonce="nowhere")
        await loopback_discord.settle()
        await _listeners_done(bot)

    by_id, by_name = recorder.of("GUILD_MEMBERS_CHUNK")
    assert by_id == {
        "guild_id": guild.id,
        "members": [guild.members[online]],
        "presences": [guild.presences[online]],
        "chunk_index": 0,
        "chunk_count": 1,
        "nonce": "ids",
        "not_found": ["5"],
    }
    assert guild.members[online] in by_name["members"]
    assert "presences" not in by_name


async def test_presence_and_voice_commands_are_taken_down(loopback_discord: testing.LoopbackDiscord) -> None:
    guild, _ = _text_channel(loopback_discord.world)
    async with loopback_discord.running() as bot:
        await bot.update_presence(status=hikari.Status.IDLE)
        await bot.update_voice_state(int(guild.id), int(guild.voice_channel_ids[0]))
        await bot.shards[0].request_channel_info(int(guild.id), fields=[shard_api.ChannelInfoField.STATUS])
        await loopback_discord.settle()

    commands = {command.opcode: command.data for command in loopback_discord.commands}
    assert commands[3]["status"] == "idle"
    assert commands[4]["channel_id"] == guild.voice_channel_ids[0]
    assert commands[43]["guild_id"] == guild.id


# The world behind it


def _plain(model: typing.Any, *without: str) -> Payload:
    left_out = {"app", "_app", *without}
    return attr.asdict(model, filter=lambda field, _: field.name not in left_out, retain_collection_types=False)


def _compare(
    cached: collections.abc.Mapping[typing.Any, typing.Any], true: dict[str, typing.Any], *without: str
) -> int:
    assert {str(key) for key in cached} == set(true)
    for key, model in cached.items():
        assert _plain(model, *without) == _plain(true[str(key)], *without)

    return len(true)


async def test_hikaris_own_cache_is_true_after_random_events() -> None:
    world = testing.World(seed=11, guilds=6, members=400, weights={"GUILD_DELETE": 0.2})
    async with testing.LoopbackDiscord(world) as discord, discord.running() as bot:
        await discord.play(count=2_000)
        await discord.settle()
        factory, own_id = bot.entity_factory, hikari.Snowflake(world.me["id"])
        assert {str(id_) for id_ in bot.cache.get_guilds_view()} == set(world.guilds)
        assert {str(id_) for id_ in bot.cache.get_unavailable_guilds_view()} == {
            id_ for id_, guild in world.guilds.items() if not guild.available
        }
        compared = 0
        for guild in world.guilds.values():
            id_ = hikari.Snowflake(guild.id)
            channels = {k: c for k, c in bot.cache.get_guild_channels_view().items() if c.guild_id == id_}
            compared += _compare(
                bot.cache.get_roles_view_for_guild(id_),
                {key: factory.deserialize_role(role, guild_id=id_) for key, role in guild.roles.items()},
            )
            # hikari does not follow pins.
            compared += _compare(
                channels,
                {key: factory.deserialize_channel(channel, guild_id=id_) for key, channel in guild.channels.items()},
                "last_pin_timestamp",
            )
            # Nor does it keep the own member when a thread changes.
            compared += _compare(
                bot.cache.get_threads_view_for_guild(id_),
                {
                    key: factory.deserialize_guild_thread(thread, guild_id=id_, user_id=own_id)
                    for key, thread in guild.threads.items()
                },
                "last_pin_timestamp",
                "member",
            )
            compared += _compare(
                bot.cache.get_emojis_view_for_guild(id_),
                {key: factory.deserialize_known_custom_emoji(e, guild_id=id_) for key, e in guild.emojis.items()},
            )
            compared += _compare(
                bot.cache.get_members_view_for_guild(id_),
                {key: factory.deserialize_member(member, guild_id=id_) for key, member in guild.members.items()},
            )
            assert bot.cache.get_guild(id_).name == guild.record["name"]

        assert compared > 500


async def test_play_keeps_to_a_rate_and_a_duration(loopback_discord: testing.LoopbackDiscord) -> None:
    async with loopback_discord.running():
        began = time.monotonic()
        played = await loopback_discord.play(duration=0.5, rate=400)
        took = time.monotonic() - began

    assert 0.5 <= took < 5
    assert 0 < sum(played.values()) <= 400 * took + 1


@pytest.mark.parametrize("options", [{}, {"count": 1, "rate": 0}, {"duration": 1, "rate": -1}])
async def test_play_refuses_what_makes_no_sense(
    options: dict[str, typing.Any], loopback_discord: testing.LoopbackDiscord
) -> None:
    with pytest.raises(ValueError, match=r"play needs|rate"):
        await loopback_discord.play(**options)


@pytest.mark.parametrize("options", [{"shards": 0}, {"replay_limit": 0}, {"heartbeat_interval": 0}])
def test_a_discord_that_cannot_be_is_refused(options: dict[str, typing.Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        testing.LoopbackDiscord(**options)


async def test_settle_and_control_need_a_bot(loopback_discord: testing.LoopbackDiscord) -> None:
    with pytest.raises(RuntimeError, match="no bot"):
        await loopback_discord.settle()

    for control in (loopback_discord.drop, loopback_discord.reconnect):
        with pytest.raises(RuntimeError, match="shard 0"):
            await control(0)

    with pytest.raises(RuntimeError, match="shard 0"):
        await loopback_discord.invalidate(0)

    with pytest.raises(TimeoutError, match="a bot on each"):
        await loopback_discord.wait_ready(within=0.05)


async def test_settle_ends_while_more_is_being_sent(loopback_discord: testing.LoopbackDiscord) -> None:
    bot = loopback_discord.bot()
    recorder = Recorder(bot)
    async with loopback_discord.running(bot):
        playing = asyncio.create_task(loopback_discord.play(duration=60, rate=2_000))
        await _until(lambda: len(recorder.events) > 100)
        for number in range(20):
            await loopback_discord.dispatch("TEST_EVENT", {"number": number})
            await loopback_discord.settle()
            await _until(lambda number=number: len(recorder.of("TEST_EVENT")) == number + 1)
            assert not playing.done()

        playing.cancel()
        await asyncio.wait([playing])


async def test_settle_runs_into_its_deadline_when_a_bot_does_not_read(
    loopback_discord: testing.LoopbackDiscord,
) -> None:
    async with raw_client(loopback_discord) as client:
        await client.identify(loopback_discord)
        with pytest.raises(TimeoutError, match="have not received"):
            await loopback_discord.settle(within=0.1)


async def test_starting_twice_and_using_it_stopped_is_refused(loopback_discord: testing.LoopbackDiscord) -> None:
    with pytest.raises(RuntimeError, match="running already"):
        await loopback_discord.start()

    await loopback_discord.close()
    await loopback_discord.close()
    with pytest.raises(RuntimeError, match="not running"):
        loopback_discord.bot()


async def test_the_server_itself_costs_little() -> None:
    world = testing.World(guilds=5, members=500)
    events = list(world.steps(5_000))
    async with testing.LoopbackDiscord(world) as discord:
        costs: list[float] = []
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(f"{discord.gateway_url}?compress=zlib-stream", max_msg_size=0) as socket,
        ):
            data = {"token": discord.token, "intents": int(hikari.Intents.ALL)}
            await socket.send_str(orjson.dumps({"op": 2, "d": data}).decode())
            await discord.wait_ready()
            for start in range(0, 5_000, 1_000):
                began = time.process_time()
                await discord.dispatch_many(events[start : start + 1_000])
                costs.append((time.process_time() - began) / 1_000)

    # The budget is 30 µs; a shared machine gets some room.
    assert min(costs) < 90e-6


# REST


async def test_rest_answers_from_the_world(loopback_discord: testing.LoopbackDiscord) -> None:
    world = loopback_discord.world
    guild, channel_id = _text_channel(world)
    role_id, emoji_id = list(guild.roles)[1], next(iter(guild.emojis))
    async with loopback_discord.running() as bot:
        rest, id_ = bot.rest, hikari.Snowflake(guild.id)
        assert (await rest.fetch_my_user()).id == int(world.me["id"])
        assert (await rest.fetch_application()).id == int(world.me["id"])
        assert (await rest.fetch_user(int(guild.owner_id))).username == world.users[guild.owner_id]["username"]
        assert (await rest.fetch_guild(id_)).name == guild.record["name"]
        assert (await rest.fetch_guild(id_)).approximate_member_count == len(guild.members)
        assert len(await rest.fetch_roles(id_)) == len(guild.roles)
        assert (await rest.fetch_role(id_, int(role_id))).name == guild.roles[role_id]["name"]
        assert len(await rest.fetch_guild_channels(id_)) == len(guild.channels)
        assert (await rest.fetch_channel(int(channel_id))).name == guild.channels[channel_id]["name"]
        assert (await rest.fetch_emoji(id_, int(emoji_id))).name == guild.emojis[emoji_id]["name"]
        assert len(await rest.fetch_guild_emojis(id_)) == len(guild.emojis)
        assert len(await rest.fetch_guild_stickers(id_)) == len(guild.stickers)
        assert (await rest.fetch_member(id_, int(guild.owner_id))).user.id == int(guild.owner_id)
        assert {str(m.id) async for m in rest.fetch_members(id_)} == set(guild.members)
        for thread_id in guild.threads:
            assert (await rest.fetch_channel(int(thread_id))).id == int(thread_id)


async def test_rest_says_what_does_not_exist(loopback_discord: testing.LoopbackDiscord) -> None:
    guild, channel_id = _text_channel(loopback_discord.world)
    async with loopback_discord.running() as bot:
        rest, id_ = bot.rest, hikari.Snowflake(guild.id)
        for request, code in (
            (rest.fetch_guild(1), 10_004),
            (rest.fetch_channel(1), 10_003),
            (rest.fetch_user(1), 10_013),
            (rest.fetch_member(id_, 1), 10_007),
            (rest.fetch_role(id_, 1), 10_011),
            (rest.fetch_emoji(id_, 1), 10_014),
            (rest.fetch_message(int(channel_id), 1), 10_008),
            (rest.fetch_invite("nothing"), 10_006),
        ):
            with pytest.raises(hikari.NotFoundError) as caught:
                await request

            assert caught.value.code == code


async def test_messages_that_a_bot_writes_edits_and_deletes_happen(
    loopback_discord: testing.LoopbackDiscord,
) -> None:
    guild, channel_id = _text_channel(loopback_discord.world)
    bot = loopback_discord.bot()
    recorder = Recorder(bot)
    async with loopback_discord.running(bot):
        row = bot.rest.build_message_action_row().add_interactive_button(hikari.ButtonStyle.PRIMARY, "go", label="Go")
        message = await bot.rest.create_message(
            int(channel_id),
            "first",
            embed=hikari.Embed(title="title"),
            component=row,
            attachment=hikari.Bytes(b"x", "a.txt"),
        )
        assert (message.content, message.embeds[0].title) == ("first", "title")
        assert message.attachments[0].filename == "a.txt"
        assert message.components[0].components[0].custom_id == "go"
        answer = await message.respond("second", reply=True)
        assert answer.referenced_message.id == message.id
        edited = await message.edit("changed")
        assert edited.content == guild.messages[str(message.id)]["content"] == "changed"
        assert (await bot.rest.fetch_message(int(channel_id), message.id)).edited_timestamp is not None
        assert [m.id async for m in bot.rest.fetch_messages(int(channel_id))] == [answer.id, message.id]
        oldest_first = bot.rest.fetch_messages(int(channel_id), after=message.id - 1)
        assert [m.id async for m in oldest_first] == [message.id, answer.id]
        await message.add_reaction("👍")
        await bot.rest.trigger_typing(int(channel_id))
        await answer.delete()
        assert set(guild.messages) == {str(message.id)}
        await loopback_discord.settle()
        await _listeners_done(bot)

    names = [name for name in recorder.names() if name.startswith("MESSAGE")]
    assert names == ["MESSAGE_CREATE", "MESSAGE_CREATE", "MESSAGE_UPDATE", "MESSAGE_DELETE"]
    written = [request for request in loopback_discord.requests if request.method == "POST"]
    assert written[0].path == f"/channels/{channel_id}/messages"
    assert written[0].body["content"] == "first"


async def test_direct_messages_work(loopback_discord: testing.LoopbackDiscord) -> None:
    world = loopback_discord.world
    guild, _ = _text_channel(world)
    async with loopback_discord.running() as bot:
        channel = await bot.rest.create_dm_channel(int(guild.owner_id))
        assert (await bot.rest.create_dm_channel(int(guild.owner_id))).id == channel.id
        message = await channel.send("psst")

    assert world.direct_messages[str(message.id)]["content"] == "psst"


async def test_an_interaction_can_be_answered_edited_and_followed_up(
    loopback_discord: testing.LoopbackDiscord,
) -> None:
    world = loopback_discord.world
    guild, channel_id = _text_channel(world)
    bot = loopback_discord.bot()
    answered = asyncio.get_running_loop().create_future()

    async def answer(event: hikari.InteractionCreateEvent) -> None:
        interaction = event.interaction
        await interaction.create_initial_response(hikari.ResponseType.DEFERRED_MESSAGE_CREATE)
        edited = await interaction.edit_initial_response("pong")
        hidden = await interaction.execute("only you see this", flags=hikari.MessageFlag.EPHEMERAL)
        answered.set_result((edited, hidden, await interaction.fetch_initial_response()))

    bot.subscribe(hikari.InteractionCreateEvent, answer)
    recorder = Recorder(bot)
    async with loopback_discord.running(bot):
        interaction = world.payloads.command_interaction(
            guild_id=guild.id,
            channel_id=channel_id,
            application_id=world.me["id"],
            member=guild.members[guild.owner_id],
        )
        await loopback_discord.dispatch("INTERACTION_CREATE", interaction)
        edited, hidden, fetched = await asyncio.wait_for(answered, 10)
        assert (edited.content, fetched.content, hidden.content) == ("pong", "pong", "only you see this")
        with pytest.raises(hikari.BadRequestError):
            await bot.rest.create_interaction_response(
                int(interaction["id"]), interaction["token"], hikari.ResponseType.MESSAGE_CREATE, "again"
            )
        with pytest.raises(hikari.NotFoundError):
            await bot.rest.create_interaction_response(1, "unknown", hikari.ResponseType.MESSAGE_CREATE, "hi")
        await bot.rest.delete_interaction_response(int(world.me["id"]), interaction["token"])
        await loopback_discord.settle()
        await _listeners_done(bot)

    assert [name for name in recorder.names() if name.startswith("MESSAGE")] == [
        "MESSAGE_CREATE",
        "MESSAGE_UPDATE",
        "MESSAGE_DELETE",
    ]
    assert not guild.messages


async def test_a_button_can_change_its_message(loopback_discord: testing.LoopbackDiscord) -> None:
    world = loopback_discord.world
    guild, channel_id = _text_channel(world)
    bot = loopback_discord.bot()

    async def press(event: hikari.InteractionCreateEvent) -> None:
        assert isinstance(event.interaction, hikari.ComponentInteraction)
        await event.interaction.create_initial_response(hikari.ResponseType.MESSAGE_UPDATE, "pressed")

    bot.subscribe(hikari.InteractionCreateEvent, press)
    async with loopback_discord.running(bot):
        message = world.payloads.message(guild_id=guild.id, channel_id=channel_id)
        pressed = world.payloads.component_interaction(message=message, guild_id=guild.id)
        await loopback_discord.dispatch("INTERACTION_CREATE", pressed)
        await loopback_discord.settle()
        await _listeners_done(bot)

    assert guild.messages[message["id"]]["content"] == "pressed"


async def test_commands_are_registered(loopback_discord: testing.LoopbackDiscord) -> None:
    guild, _ = _text_channel(loopback_discord.world)
    me = int(loopback_discord.world.me["id"])
    async with loopback_discord.running() as bot:
        builder = bot.rest.slash_command_builder("ping", "Answers")
        assert [c.name for c in await bot.rest.set_application_commands(me, [builder])] == ["ping"]
        await bot.rest.create_slash_command(me, "more", "Does more", guild=int(guild.id))
        assert [c.name for c in await bot.rest.fetch_application_commands(me)] == ["ping"]
        assert [c.name for c in await bot.rest.fetch_application_commands(me, int(guild.id))] == ["more"]


async def test_rest_can_refuse_everything_but_what_a_start_needs(loopback_discord: testing.LoopbackDiscord) -> None:
    loopback_discord.refuse_rest()
    async with loopback_discord.running() as bot:
        with pytest.raises(hikari.ForbiddenError):
            await bot.rest.fetch_my_user()

        loopback_discord.allow_rest()
        await bot.rest.fetch_my_user()

    assert [request.path for request in loopback_discord.requests] == ["/gateway/bot", "/users/@me", "/users/@me"]
    with pytest.raises(ValueError, match="status"):
        loopback_discord.refuse_rest(200)


def test_the_fixture_of_the_plugin_builds_payloads(payloads: testing.Payloads) -> None:
    assert payloads.user()["discriminator"] == "0"
