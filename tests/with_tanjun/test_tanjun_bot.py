# SPDX-License-Identifier: BSD-3-Clause
"""Tanjun on a bot that is connected to a loopback Discord, with hikari's own cache off: features, example, guide."""

from __future__ import annotations

import asyncio
import functools
import importlib.util
import pathlib
import re
import types
import typing
from collections import abc as collections

import hikari
import pytest
import pytest_asyncio
import tanjun
from _support import own_server
from _support import servers
from _support import tanjun_stage
from tanjun import conversion
from tanjun import dependencies

import sake
from sake import testing

Payload = dict[str, typing.Any]

ROOT = pathlib.Path(__file__).parents[2]
P = hikari.Permissions
EVERYONE = P.VIEW_CHANNEL | P.SEND_MESSAGES
STAFF = P.MANAGE_CHANNELS | P.KICK_MEMBERS


class Place(typing.NamedTuple):
    """What the tests know of the guild they look at."""

    owner: str
    """The owner's id."""
    staff: str
    """Id of a member who has the staff role."""
    nobody: str
    """Id of a member without roles."""
    bot: str
    """The bot's own id, who has the staff role too."""
    role: str
    """The staff role's id."""
    plain: str
    """Id of a channel without overwrites."""
    locked: str
    """Id of a channel, NSFW, in which everyone may not send, staff may attach, and `nobody` may react."""
    thread: str
    """Id of a thread in that channel."""
    sibling: str
    """Id of a channel in the same category as `plain`."""
    elsewhere: str
    """Id of a channel in another category."""


def prepare(world: testing.World) -> Place:
    """Give the first guild permissions that can be told."""
    guild = next(iter(world.guilds.values()))
    others = [user for user in guild.members if user not in (guild.owner_id, world.me["id"])]
    staff, nobody, own = others[0], others[1], world.me["id"]
    role = next(role for role in guild.roles if role != guild.id)
    for id_ in guild.roles:
        permissions = EVERYONE if id_ == guild.id else STAFF if id_ == role else P.NONE
        position = 50 if id_ == role else min(guild.roles[id_]["position"], 40)
        guild.roles[id_] = {**guild.roles[id_], "permissions": str(int(permissions)), "position": position}
    low = next(id_ for id_ in guild.roles if id_ not in (guild.id, role))
    for user, roles in ((staff, [low, role]), (own, [role]), (nobody, [])):
        guild.members[user] = {**guild.members[user], "roles": roles, "communication_disabled_until": None}

    categories = guild.category_ids
    texts = guild.text_channel_ids[:4]
    for id_, category in zip(texts, (categories[0], categories[1], categories[0], categories[1]), strict=True):
        changes = {"type": 0, "parent_id": category, "permission_overwrites": [], "nsfw": False}
        guild.channels[id_] = {**guild.channels[id_], **changes}
    plain, locked, sibling, elsewhere = texts
    guild.channels[locked] |= {
        "nsfw": True,
        "permission_overwrites": [
            world.payloads.overwrite(id=guild.id, type=0, allow="0", deny=str(int(P.SEND_MESSAGES))),
            world.payloads.overwrite(id=role, type=0, allow=str(int(P.ATTACH_FILES)), deny="0"),
            world.payloads.overwrite(id=nobody, type=1, allow=str(int(P.ADD_REACTIONS)), deny="0"),
        ],
    }
    thread = world.draw_thread(guild, locked)
    guild.threads[thread["id"]] = thread
    return Place(guild.owner_id, staff, nobody, own, role, plain, locked, thread["id"], sibling, elsewhere)


class Scene(typing.NamedTuple):
    """A running bot, and the guild it is in."""

    stage: tanjun_stage.Stage
    place: Place

    async def convert(self, converter: typing.Any, argument: str) -> typing.Any:
        """Convert an argument in the context of a command that the owner used."""
        ctx = await self.stage.context(channel=self.place.plain)
        return await ctx.call_with_async_di(converter, argument)

    async def check(self, check: typing.Any, *, channel: str, author: str) -> bool:
        """Return whether a check passes in the context of a command."""
        ctx = await self.stage.context(channel=channel, author=author)
        try:
            return bool(await ctx.call_with_async_di(check, ctx))
        except tanjun.CommandError:
            return False

    async def permissions(self, user: str, channel: str | None = None) -> hikari.Permissions:
        """Return the permissions that Tanjun finds for a member."""
        guild = hikari.Snowflake(self.stage.guild.id)
        member = await self.stage.cache.get_member(guild, int(user))
        return await tanjun.permissions.fetch_permissions(
            self.stage.client, member, channel=None if channel is None else hikari.Snowflake(channel)
        )


@pytest_asyncio.fixture
async def scene(server: servers.Server) -> collections.AsyncIterator[Scene]:
    """A bot whose Discord refuses every request from now on, and remembers those it gets."""
    world = testing.World(seed=11, guilds=1, members=30)
    place = prepare(world)
    async with (
        testing.LoopbackDiscord(world) as discord,
        tanjun_stage.running(discord, server, mention_prefix=True) as stage,
    ):
        await stage.cache.set_application(world.payloads.application(id=world.me["id"], owner=world.users[place.owner]))
        discord.refuse_rest()
        discord.requests.clear()
        yield Scene(stage, place)
        assert discord.requests == [], "everything was found in the cache"


# Converters


@pytest.mark.parametrize(
    ("converter", "table", "mention"),
    [
        (conversion.ToMember(), "members", "<@{}>"),
        (conversion.ToUser(), "members", "<@!{}>"),
        (conversion.ToRole(), "roles", "<@&{}>"),
        (conversion.ToChannel(), "channels", "<#{}>"),
        (conversion.ToChannel(), "threads", "<#{}>"),
        (conversion.ToEmoji(), "emojis", "<:x:{}>"),
        (conversion.ToPresence(), "presences", "<@{}>"),
        (conversion.ToVoiceState(), "voice_states", "<@{}>"),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, str) else value,
)
async def test_converters_find_what_is_in_the_guild(
    scene: Scene, converter: typing.Any, table: str, mention: str
) -> None:
    for key in list(getattr(scene.stage.guild, table))[:3]:
        for argument in (mention.format(key), key):
            found = await scene.convert(converter, argument)
            assert key in (str(getattr(found, "user_id", None)), str(getattr(found, "id", None)))


async def test_the_thread_converter_gives_threads(scene: Scene) -> None:
    found = await scene.convert(conversion.ToChannel(allowed_types=[hikari.GuildThreadChannel]), scene.place.thread)
    assert isinstance(found, hikari.GuildThreadChannel)
    assert found.parent_id == int(scene.place.locked)


async def test_the_guild_converter_finds_the_guild(scene: Scene) -> None:
    assert (await scene.convert(conversion.ToGuild(), scene.stage.guild.id)).id == int(scene.stage.guild.id)


async def test_f35_the_invite_converters_find_an_invite(scene: Scene) -> None:
    invite = scene.stage.discord.world.payloads.invite(guild_id=scene.stage.guild.id, channel_id=scene.place.plain)
    await scene.stage.discord.dispatch("INVITE_CREATE", invite)
    for converter in (conversion.ToInvite(), conversion.ToInviteWithMetadata()):
        found = await scene.convert(converter, invite["code"])
        assert isinstance(found, hikari.InviteWithMetadata)
        assert found.code == invite["code"]


async def test_the_message_converter_finds_a_message(scene: Scene) -> None:
    message = await scene.stage.write("something else", channel=scene.place.plain)
    assert (await scene.convert(conversion.ToMessage(), message["id"])).content == "something else"


async def test_the_channel_converter_finds_a_direct_message_channel(scene: Scene) -> None:
    interaction = scene.stage.discord.world.payloads.command_interaction(name="unknown")
    await scene.stage.discord.dispatch("INTERACTION_CREATE", interaction)
    assert await scene.stage.answer("/callback") == "Command not found"
    found = await scene.convert(conversion.ToChannel(), interaction["channel_id"])
    assert isinstance(found, hikari.DMChannel)


@pytest.mark.parametrize(
    "converter",
    [conversion.ToMember(), conversion.ToRole(), conversion.ToEmoji(), conversion.ToGuild()],
    ids=lambda converter: type(converter).__name__,
)
async def test_f16_what_does_not_exist_is_refused_without_asking_discord(scene: Scene, converter: typing.Any) -> None:
    with pytest.raises(ValueError, match="Couldn't find"):
        await scene.convert(converter, "5")


@pytest.mark.parametrize(
    ("converter", "path"),
    [
        (conversion.ToMember(), "/guilds/{guild}/members/5"),
        (conversion.ToRole(), "/guilds/{guild}/roles"),
        (conversion.ToUser(), "/users/5"),
        (conversion.ToEmoji(), "/guilds/{guild}/emojis/5"),
        (conversion.ToGuild(), "/guilds/5"),
        (conversion.ToChannel(), "/channels/5"),
    ],
    ids=lambda value: type(value).__name__,
)
async def test_f16_discord_is_asked_where_the_cache_is_not_trusted(
    server: servers.Server, converter: typing.Any, path: str
) -> None:
    async with (
        testing.LoopbackDiscord(testing.World(seed=11, guilds=1, members=5)) as discord,
        tanjun_stage.running(discord, server, trust_get_for=()) as stage,
    ):
        ctx = await stage.context()
        discord.requests.clear()
        with pytest.raises(ValueError, match="Couldn't find"):
            await ctx.call_with_async_di(converter, "5")
        assert [request.path for request in discord.requests] == [path.format(guild=stage.guild.id)]


async def test_discord_is_asked_for_a_member_of_a_guild_whose_list_is_not_complete(server: servers.Server) -> None:
    world = testing.World(seed=11, guilds=1, members=60)
    async with (
        testing.LoopbackDiscord(world, large_threshold=10) as discord,
        tanjun_stage.running(discord, server) as stage,
    ):
        guild = stage.guild
        assert not await stage.cache.is_member_list_complete(int(guild.id))
        stored = {str(member.id) async for member in stage.cache.iter_members_for_guild(int(guild.id))}
        hidden = next(user for user in guild.members if user not in stored)
        ctx = await stage.context()
        assert (await ctx.call_with_async_di(conversion.ToMember(), hidden)).id == int(hidden)
        assert discord.requests[-1].path == f"/guilds/{guild.id}/members/{hidden}"


# Permissions and checks


async def test_permissions_of_members_in_guild_channel_and_thread(scene: Scene) -> None:
    place = scene.place
    everything = P.all_permissions()
    for channel in (None, place.plain, place.locked, place.thread):
        assert await scene.permissions(place.owner, channel) == everything
    for user, role in ((place.staff, STAFF), (place.bot, STAFF), (place.nobody, P.NONE)):
        assert await scene.permissions(user) == EVERYONE | role
        assert await scene.permissions(user, place.plain) == EVERYONE | role
    for channel in (place.locked, place.thread):
        assert await scene.permissions(place.staff, channel) == P.VIEW_CHANNEL | STAFF | P.ATTACH_FILES
        assert await scene.permissions(place.nobody, channel) == P.VIEW_CHANNEL | P.ADD_REACTIONS


async def test_permissions_of_everyone_in_guild_channel_and_thread(scene: Scene) -> None:
    place, guild = scene.place, hikari.Snowflake(scene.stage.guild.id)
    fetch = tanjun.permissions.fetch_everyone_permissions
    assert await fetch(scene.stage.client, guild) == EVERYONE
    assert await fetch(scene.stage.client, guild, channel=hikari.Snowflake(place.plain)) == EVERYONE
    for channel in (place.locked, place.thread):
        assert await fetch(scene.stage.client, guild, channel=hikari.Snowflake(channel)) == P.VIEW_CHANNEL


async def test_the_author_permission_check_sees_roles_and_overwrites(scene: Scene) -> None:
    place = scene.place
    staff, attach = tanjun.checks.AuthorPermissionCheck(STAFF), tanjun.checks.AuthorPermissionCheck(P.ATTACH_FILES)
    for channel in (place.plain, place.locked, place.thread):
        assert await scene.check(staff, channel=channel, author=place.staff)
        assert await scene.check(staff, channel=channel, author=place.owner)
        assert not await scene.check(staff, channel=channel, author=place.nobody)
        assert await scene.check(attach, channel=channel, author=place.staff) is (channel != place.plain)


async def test_the_own_permission_check_sees_roles_and_overwrites(scene: Scene) -> None:
    place = scene.place
    may_send = tanjun.checks.OwnPermissionCheck(P.SEND_MESSAGES)
    for channel in (place.plain, place.locked, place.thread):
        assert await scene.check(may_send, channel=channel, author=place.nobody) is (channel == place.plain)
        assert await scene.check(tanjun.checks.OwnPermissionCheck(STAFF), channel=channel, author=place.nobody)
        assert not await scene.check(
            tanjun.checks.OwnPermissionCheck(P.BAN_MEMBERS), channel=channel, author=place.owner
        )


async def test_the_nsfw_and_sfw_checks_see_the_channel_also_of_a_thread(scene: Scene) -> None:
    place = scene.place
    for channel, is_nsfw in ((place.plain, False), (place.locked, True), (place.thread, True)):
        assert await scene.check(tanjun.checks.NsfwCheck(), channel=channel, author=place.nobody) is is_nsfw
        assert await scene.check(tanjun.checks.SfwCheck(), channel=channel, author=place.nobody) is not is_nsfw


async def test_the_owner_check_knows_the_application(scene: Scene) -> None:
    place = scene.place
    assert await scene.check(tanjun.checks.OwnerCheck(), channel=place.plain, author=place.owner)
    assert not await scene.check(tanjun.checks.OwnerCheck(), channel=place.plain, author=place.staff)
    team = {
        "id": "77",
        "name": "team",
        "icon": None,
        "owner_user_id": place.owner,
        "members": [
            {
                "membership_state": 2,
                "permissions": ["*"],
                "team_id": "77",
                "user": scene.stage.discord.world.users[place.staff],
            }
        ],
    }
    await scene.stage.cache.set_application(
        scene.stage.discord.world.payloads.application(id=scene.place.bot, team=team)
    )
    assert await scene.check(tanjun.checks.OwnerCheck(), channel=place.plain, author=place.staff)
    assert not await scene.check(tanjun.checks.OwnerCheck(), channel=place.plain, author=place.owner)


# Limiters


async def acquire(scene: Scene, resource: tanjun.BucketResource, uses: list[tuple[str, str]]) -> list[bool]:
    """Use a bucket with room for one, by (channel, author), and return which uses got through."""
    manager = tanjun.InMemoryCooldownManager().set_bucket("bucket", resource, 1, 60)
    passed: list[bool] = []
    for channel, author in uses:
        ctx = await scene.stage.context(channel=channel, author=author)
        try:
            async with manager.acquire("bucket", ctx):
                passed.append(True)
        except tanjun.CommandError:
            passed.append(False)
    return passed


async def test_cooldowns_by_parent_channel_know_categories_and_threads(scene: Scene) -> None:
    place = scene.place
    uses = [(channel, place.nobody) for channel in (place.plain, place.sibling, place.elsewhere, place.locked)]
    assert await acquire(scene, tanjun.BucketResource.PARENT_CHANNEL, uses) == [True, False, True, False]
    in_threads = [(place.thread, place.nobody), (place.thread, place.staff), (place.elsewhere, place.staff)]
    assert await acquire(scene, tanjun.BucketResource.PARENT_CHANNEL, in_threads) == [True, False, True]


async def test_cooldowns_by_top_role_know_which_role_is_on_top(scene: Scene) -> None:
    place = scene.place
    guild = scene.stage.guild
    low = next(role for role in guild.members[place.staff]["roles"] if role != place.role)
    third, fourth = [user for user in guild.members if user not in place][:2]
    guild.members[third] = {**guild.members[third], "roles": [low]}
    guild.members[fourth] = {**guild.members[fourth], "roles": [place.role]}
    uses = [(place.plain, user) for user in (place.staff, fourth, third, place.nobody, place.staff)]
    assert await acquire(scene, tanjun.BucketResource.TOP_ROLE, uses) == [True, False, True, True, False]


# The client itself


async def test_a_mention_is_a_prefix_which_the_next_start_knows_from_the_cache(server: servers.Server) -> None:
    world = testing.World(seed=11, guilds=1, members=5)
    async with testing.LoopbackDiscord(world) as discord:
        async with tanjun_stage.running(discord, server, mention_prefix=True):
            assert "/users/@me" in [request.path for request in discord.requests]
        discord.refuse_rest()
        discord.requests.clear()
        async with tanjun_stage.running(discord, server, mention_prefix=True) as stage:
            assert {request.path for request in discord.requests} == {"/gateway/bot"}
            await stage.write(f"<@{world.me['id']}> context")
            async with asyncio.timeout(10):
                assert (await stage.contexts.get()).triggering_prefix == f"<@{world.me['id']}>"


async def test_global_commands_are_declared_without_asking_whose_they_are(server: servers.Server) -> None:
    world = testing.World(seed=11, guilds=1, members=5)
    async with testing.LoopbackDiscord(world) as discord:
        async with tanjun_stage.running(discord, server) as stage:
            assert await stage.client.fetch_rest_application_id() == int(world.me["id"])
            assert [request.path for request in discord.requests if "applications" in request.path] != []

        discord.requests.clear()
        async with tanjun_stage.running(discord, server, declare_global_commands=True) as stage:
            # Tanjun 2.17 cannot declare any command with hikari 2.7, so that there is none is what is declared.
            await stage.client.declare_global_commands(force=True)
            asked = [(request.method, request.path) for request in discord.requests if request.path != "/gateway/bot"]
            path = f"/applications/{world.me['id']}/commands"
            assert asked == [("GET", path), ("PUT", path)]


async def test_a_bot_whose_cache_cannot_be_opened_runs_on_without_commands(
    own: own_server.OwnServer, caplog: pytest.LogCaptureFixture
) -> None:
    own.kill()
    async with testing.LoopbackDiscord(testing.World(seed=11, guilds=1, members=5)) as discord:
        bot = tanjun_stage.uncached(discord)
        cache = sake.RedisCache(own.url, bot, bot.event_manager)
        client = tanjun.Client.from_gateway_bot(bot).add_prefix("!")
        cache.add_to_tanjun(client, tanjun_managed=True)
        async with discord.running(bot):
            errors = [record for record in caplog.records if record.name == "hikari.event_manager"]
            assert [type(record.exc_info[1]) for record in errors if record.exc_info] == [sake.BackendError]
            assert bot.event_manager.get_listeners(hikari.InteractionCreateEvent) == []
        assert not client.is_alive


# The example


def load_example() -> types.ModuleType:
    spec = importlib.util.spec_from_file_location("tanjun_bot_example", ROOT / "examples" / "tanjun_bot.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Example(typing.NamedTuple):
    """The running example bot."""

    stage: tanjun_stage.Stage
    place: Place


@pytest_asyncio.fixture
async def example(redis_url: str, request: pytest.FixtureRequest) -> collections.AsyncIterator[Example]:
    world = testing.World(seed=11, guilds=2, members=60)
    place = prepare(world)
    async with testing.LoopbackDiscord(world) as discord:
        bot = tanjun_stage.uncached(discord)
        client = load_example().add_commands(bot, redis_url)
        cache = client.get_type_dependency(sake.RedisCache)
        async with discord.running(bot):
            await cache.set_application(world.payloads.application(id=world.me["id"], owner=world.users[place.owner]))
            await cache.flush()
            yield Example(tanjun_stage.Stage(discord, bot, cache, client), place)
    assert not cache.is_alive


def option_of(kind: hikari.OptionType, value: str) -> tuple[int, str]:
    return int(kind), value


async def test_the_example_declares_its_commands(example: Example) -> None:
    assert await example.stage.declared() == {"crowd", "holders", "permitted", "whereis"}


async def test_the_example_tells_in_which_voice_channel_somebody_is(example: Example) -> None:
    guild = example.stage.guild
    talking = next(iter(guild.voice_states))
    silent = next(user for user in guild.members if user not in guild.voice_states)
    where = guild.channels[guild.voice_states[talking]["channel_id"]]["name"]
    for user, expected in ((talking, f"is in {where}."), (silent, "is in no voice channel.")):
        member = {**guild.members[user], "permissions": "0"}
        resolved = {"users": {user: member.pop("user")}, "members": {user: member}}
        answer = await example.stage.interact(
            "whereis", member=option_of(hikari.OptionType.USER, user), resolved=resolved
        )
        assert answer == f"{example.stage.discord.world.users[user]['username']} {expected}"


async def test_the_example_counts_who_has_a_role(example: Example) -> None:
    guild, role = example.stage.guild, example.place.role
    count = sum(role in member["roles"] for member in guild.members.values())
    answer = await example.stage.interact("holders", role=option_of(hikari.OptionType.STRING, f"<@&{role}>"))
    assert answer == f"{count} members have {guild.roles[role]['name']}."


async def test_the_example_counts_who_is_in_a_voice_channel(example: Example) -> None:
    guild = example.stage.guild
    channel = next(iter(guild.voice_states.values()))["channel_id"]
    count = sum(state["channel_id"] == channel for state in guild.voice_states.values())
    name = guild.channels[channel]["name"]
    resolved = {"channels": {channel: {"id": channel, "name": name, "type": 2, "permissions": "0"}}}
    answer = await example.stage.interact(
        "crowd", channel=option_of(hikari.OptionType.CHANNEL, channel), resolved=resolved
    )
    assert answer == f"{count} in {name}."


@pytest.mark.parametrize(
    ("author", "own", "expected"),
    [
        (P.MANAGE_CHANNELS, P.MANAGE_CHANNELS, "Both of us may manage channels."),
        (P.NONE, P.MANAGE_CHANNELS, "You don't have the permissions required to use this command"),
        (P.MANAGE_CHANNELS, P.NONE, "Bot doesn't have the permissions required to run this command"),
    ],
)
async def test_the_example_checks_permissions_of_slash_commands(
    example: Example, author: hikari.Permissions, own: hikari.Permissions, expected: str
) -> None:
    permissions = {"author": str(int(author)), "own": str(int(own))}
    assert await example.stage.interact("permitted", permissions=permissions) == expected


async def test_the_example_lists_roles(example: Example) -> None:
    guild, place = example.stage.guild, example.place
    for user in (place.staff, place.nobody):
        names = sorted(guild.roles[role]["name"] for role in guild.members[user]["roles"])
        expected = f"{example.stage.discord.world.users[user]['username']}: {', '.join(names) or 'no roles'}"
        assert await example.stage.use(f"!roles <@{user}>") == expected
    assert "member" in await example.stage.use("!roles 5")


async def test_the_example_tells_channels_from_threads(example: Example) -> None:
    guild, place = example.stage.guild, example.place
    channel, thread = guild.channels[place.locked]["name"], guild.threads[place.thread]["name"]
    assert await example.stage.use(f"!channel <#{place.locked}>") == f"{channel} is a channel."
    assert await example.stage.use(f"!channel {place.thread}") == f"{thread} is a thread."


async def test_the_example_tells_how_often_an_invite_was_used(example: Example) -> None:
    stage = example.stage
    invite = stage.discord.world.payloads.invite(guild_id=stage.guild.id, channel_id=example.place.plain, uses=3)
    await stage.discord.dispatch("INVITE_CREATE", invite)
    assert await stage.use(f"!invite {invite['code']}") == f"{invite['code']} was used 3 times."


async def test_the_example_shows_settings_to_those_who_may_see_them(example: Example) -> None:
    stage, place = example.stage, example.place
    expected = f"{stage.guild.record['name']} belongs to <@{place.owner}>."
    assert await stage.use("!settings", author=place.owner) == expected
    refusal = "Only those who may manage the server may do that."
    assert await stage.use("!settings", author=place.nobody) == refusal


async def test_the_example_keeps_secrets_to_nsfw_channels_and_their_threads(example: Example) -> None:
    place = example.place
    for channel in (place.locked, place.thread):
        assert await example.stage.use("!secret", channel=channel) == "Nobody else can read this."
    assert await example.stage.use("!secret", channel=place.plain) == "Not here."


async def test_the_example_tells_its_owner_how_much_is_stored(example: Example) -> None:
    stage, place = example.stage, example.place
    mention = f"<@{place.bot}> stored"
    members = sum(len(guild.members) for guild in stage.discord.world.guilds.values())
    assert await stage.use(mention, author=place.owner) == f"2 guilds and {members} members are stored."
    assert await stage.use(mention, author=place.staff) == "Only the bot's owner may do that."


# The guide


def guide_code() -> str:
    text = (ROOT / "docs" / "guides" / "tanjun.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)
    assert len(blocks) == text.count("```python")
    return "\n\n".join(blocks)


async def test_the_guide_does_what_it_says(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    world = testing.World(seed=11, guilds=1, members=30)
    place = prepare(world)
    guild = next(iter(world.guilds.values()))
    async with testing.LoopbackDiscord(world) as discord:
        monkeypatch.setenv("BOT_TOKEN", discord.token)
        monkeypatch.setenv("REDIS_URL", redis_url)
        options = {"rest_url": discord.rest_url, "banner": None, "logs": None, "suppress_optimization_warning": True}
        monkeypatch.setattr(hikari, "GatewayBot", functools.partial(hikari.GatewayBot, **options))
        guide: dict[str, typing.Any] = {"__name__": "guide"}
        exec(compile(guide_code(), "tanjun.md", "exec", dont_inherit=True), guide)
        bot, cache, client = guide["bot"], guide["cache"], guide["client"]
        stage = tanjun_stage.Stage(discord, bot, cache, client)
        async with discord.running(bot):
            await cache.flush()
            role = guild.roles[place.role]
            answer = f"{role['name']} is at position 50."
            assert await stage.use(f"!position <@&{place.role}>", author=place.owner) == answer
            assert await stage.use(f"!position {place.role}", author=place.nobody) == "You may not manage roles."
            assert await stage.interact("talking") == f"{len(guild.voice_states)} are talking."
            assert await stage.declared() == {"talking"}

            roles = guide["careful"].get_type_dependency(dependencies.SfCache[hikari.Role])
            channels = guide["careful"].get_type_dependency(dependencies.SfCache[hikari.PermissibleGuildChannel])
            with pytest.raises(dependencies.EntryNotFound):
                await roles.get(5)
            with pytest.raises(dependencies.CacheMissError) as caught:
                await channels.get(5)
            assert type(caught.value) is dependencies.CacheMissError

            application = await cache.get_application()
            for user in (application.owner, await cache.get_user(int(place.nobody))):
                assert await guide["is_owner"](user, cache) is (user.id == application.owner.id)
            friend = await cache.get_user(int(place.nobody))
            assert (await guide["whisper"](friend, "psst", cache)).content == "psst"
            assert (await cache.get_dm_channel_for_user(friend.id)).recipient.id == friend.id

            count = await guide["injector"].call_with_async_di(guide["count_members"])
            assert count == len(guild.members)
        assert not cache.is_alive
