# SPDX-License-Identifier: BSD-3-Clause
"""The loopback Discord as the authors of bots meet it: closed, cut off, asked for what it has not, told nonsense."""

from __future__ import annotations

import asyncio
import collections as collections_
import gc
import json
import pathlib
import subprocess
import sys
import threading
import time
import typing
from collections import abc as collections

import aiohttp
import hikari
import hypothesis
import pytest
from hikari.impl import special_endpoints
from hypothesis import strategies

from sake import testing

pytest_plugins = ["sake.testing.pytest_plugin"]

GUIDE: typing.Final = pathlib.Path(__file__).parents[2] / "docs" / "guides" / "testing.md"
WITHIN: typing.Final = 10.0


class Answer(typing.NamedTuple):
    """What REST answered."""

    status: int
    headers: collections.Mapping[str, str]
    body: typing.Any


class Asker:
    """Asks the REST side as a bot does, but with what no bot's library would let through."""

    def __init__(self, discord: testing.LoopbackDiscord, session: aiohttp.ClientSession) -> None:
        self._discord = discord
        self._session = session

    async def __call__(self, method: str, path: str, body: object = None, **options: typing.Any) -> Answer:
        headers = {"Authorization": f"Bot {self._discord.token}"}
        if body is not None:
            options["data"] = body if isinstance(body, bytes) else json.dumps(body).encode()
            headers["Content-Type"] = "application/json"

        url = f"{self._discord.rest_url}{path}"
        async with self._session.request(method, url, **{"headers": headers, **options}) as response:
            text = await response.text()
            return Answer(response.status, response.headers, json.loads(text) if text else None)


@pytest.fixture
async def ask(loopback_discord: testing.LoopbackDiscord) -> collections.AsyncIterator[Asker]:
    async with aiohttp.ClientSession() as session:
        yield Asker(loopback_discord, session)


class Greetings:
    """Counts how often each shard of a bot was greeted."""

    def __init__(self, bot: hikari.GatewayBot) -> None:
        self.of: collections_.Counter[int] = collections_.Counter()
        bot.subscribe(hikari.ShardReadyEvent, self._count)

    async def _count(self, event: hikari.ShardReadyEvent) -> None:
        self.of[event.shard.id] += 1


def first_guild(discord: testing.LoopbackDiscord) -> testing.WorldGuild:
    return next(iter(discord.world.guilds.values()))


def worlds_in_memory() -> int:
    gc.collect()
    return sum(isinstance(thing, testing.World) for thing in gc.get_objects())


# Memory


async def test_a_discord_that_is_closed_leaves_nothing_in_memory() -> None:
    before = worlds_in_memory()
    for _ in range(3):
        async with testing.LoopbackDiscord() as discord, discord.running() as bot:
            await bot.rest.fetch_my_user()
            await discord.play(count=20)
            await discord.settle()

        del discord, bot
        # What the event loop still holds for a turn.
        await asyncio.sleep(0)

    assert worlds_in_memory() == before


# Sessions that end


@pytest.mark.parametrize("shards", [1, 3])
async def test_settle_waits_for_the_shard_whose_session_was_ended(shards: int) -> None:
    async with testing.LoopbackDiscord(shards=shards) as discord:
        bot = discord.bot()
        greetings = Greetings(bot)
        async with discord.running(bot):
            for count in (2, 3):
                await discord.invalidate(shards - 1)
                await discord.settle()
                assert discord.connected_shards == list(range(shards))
                assert greetings.of[shards - 1] == count


async def test_settle_waits_for_every_bot_whose_session_was_ended(loopback_discord: testing.LoopbackDiscord) -> None:
    bots = [loopback_discord.bot(), loopback_discord.bot()]
    async with loopback_discord.running(bots[0]), loopback_discord.running(bots[1]):
        await loopback_discord.invalidate(0)
        await loopback_discord.settle()
        identified = [command for command in loopback_discord.commands if command.opcode == 2]
        assert len(identified) == 4


async def test_settle_waits_for_a_bot_that_learns_late_that_its_session_was_ended(
    loopback_discord: testing.LoopbackDiscord,
) -> None:
    async with loopback_discord.running():
        await loopback_discord.drop(0)
        await loopback_discord.invalidate(0)
        await loopback_discord.settle()
        assert loopback_discord.connected_shards == [0]


async def test_what_happens_before_a_bot_starts_anew_is_in_what_it_is_told_then(
    loopback_discord: testing.LoopbackDiscord, payloads: testing.Payloads
) -> None:
    bot = loopback_discord.bot()
    async with loopback_discord.running(bot):
        await loopback_discord.invalidate(0)
        await loopback_discord.play(count=200)
        await loopback_discord.settle()
        cached = {str(guild_id) for guild_id in bot.cache.get_available_guilds_view()}
        assert cached == {id_ for id_, guild in loopback_discord.world.guilds.items() if guild.available}


async def test_a_bot_that_leaves_when_its_session_was_ended_is_not_waited_for(
    loopback_discord: testing.LoopbackDiscord,
) -> None:
    async with loopback_discord.running() as bot:
        await loopback_discord.invalidate(0)
        await loopback_discord.settle()
        await bot.close()
        with pytest.raises(RuntimeError, match="no bot"):
            await loopback_discord.settle()


async def test_a_bot_that_died_without_a_word_is_not_waited_for_when_it_is_started_anew() -> None:
    discord = testing.LoopbackDiscord()
    async with discord, aiohttp.ClientSession() as session:
        socket = await session.ws_connect(discord.gateway_url)
        await socket.send_json({"op": 2, "d": {"token": discord.token, "intents": 1, "shard": [0, 2]}})
        await socket.receive()
        while not discord.connected_shards:
            await socket.receive()

    async with discord, discord.running():
        assert discord.connected_shards == [0]


# Event loops


CALLS: typing.Final[dict[str, collections.Callable[[testing.LoopbackDiscord], typing.Any]]] = {
    "bot": lambda discord: discord.bot(),
    "dispatch": lambda discord: discord.dispatch("TEST_EVENT", {}),
    "play": lambda discord: discord.play(count=1),
    "rest_url": lambda discord: discord.rest_url,
    "running": lambda discord: discord.running(hikari.GatewayBot(discord.token, banner=None)).__aenter__(),
    "settle": lambda discord: discord.settle(),
    "wait_ready": lambda discord: discord.wait_ready(),
}


@pytest.mark.parametrize("call", CALLS)
def test_another_event_loop_than_the_one_it_was_started_in_is_refused(call: str) -> None:
    async def use() -> None:
        found = CALLS[call](discord)
        if asyncio.iscoroutine(found):
            await found

    discord = testing.LoopbackDiscord()
    with asyncio.Runner() as own, asyncio.Runner() as other:
        own.run(discord.start())
        with pytest.raises(RuntimeError, match="another event loop"):
            other.run(asyncio.wait_for(use(), WITHIN))

        own.run(discord.close())


def test_a_test_whose_loop_is_not_its_fixtures_fails_and_says_why(tmp_path: pathlib.Path) -> None:
    (tmp_path / "test_bot.py").write_text(
        "import pytest\n\n"
        "@pytest.mark.asyncio(loop_scope='module')\n"
        "async def test_bot(loopback_discord):\n"
        "    async with loopback_discord.running():\n"
        "        pass\n"
    )
    options = ["-p", "sake.testing.pytest_plugin", "-p", "no:cacheprovider", "-q"]
    process = subprocess.run(
        [sys.executable, "-m", "pytest", *options, "test_bot.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert process.returncode == 1, process.stdout
    assert "another event loop" in process.stdout
    assert "1 failed" in process.stdout


async def test_a_bot_may_run_in_another_thread(loopback_discord: testing.LoopbackDiscord) -> None:
    def run() -> None:
        async def fetch() -> None:
            async with aiohttp.ClientSession() as session:
                ask = Asker(loopback_discord, session)
                answers.append(await ask("GET", "/users/@me"))

        asyncio.run(fetch())

    answers: list[Answer] = []
    thread = threading.Thread(target=run)
    thread.start()
    await asyncio.to_thread(thread.join, WITHIN)
    assert [answer.status for answer in answers] == [200]


def test_its_addresses_can_be_read_where_no_event_loop_runs() -> None:
    discord = testing.LoopbackDiscord()
    with asyncio.Runner() as runner:
        runner.run(discord.start())
        assert discord.rest_url.startswith("http://127.0.0.1:")
        runner.run(discord.close())


# What it does not have


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/voice/regions"), ("DELETE", "/guilds/1"), ("POST", "/nowhere"), ("PATCH", "/guilds/1/members/2")],
)
async def test_what_it_does_not_serve_is_answered_with_501_and_a_sentence(ask: Asker, method: str, path: str) -> None:
    answer = await ask(method, path, {})
    assert answer.status == 501
    assert answer.body["message"].startswith(f"LoopbackDiscord does not serve {method} {path}")


async def test_a_bot_does_not_take_a_missing_route_for_a_missing_entity(
    loopback_discord: testing.LoopbackDiscord,
) -> None:
    async with loopback_discord.running() as bot:
        with pytest.raises(hikari.InternalServerError, match="does not serve GET /voice/regions") as caught:
            await bot.rest.fetch_voice_regions()

        assert caught.value.status == 501


async def test_a_missing_route_needs_the_token_too(ask: Asker) -> None:
    assert (await ask("GET", "/voice/regions", headers={})).status == 401


async def test_it_lists_the_routes_it_serves(loopback_discord: testing.LoopbackDiscord) -> None:
    routes = loopback_discord.routes
    assert routes == sorted(set(routes), key=lambda route: route.split()[::-1])
    assert {"GET /guilds/{guild}/members/search", "POST /channels/{channel}/messages"} <= set(routes)
    assert not [route for route in routes if "/api/" in route or "*" in route]


async def test_the_guide_lists_the_routes_it_serves(loopback_discord: testing.LoopbackDiscord) -> None:
    _, _, rest = GUIDE.read_text(encoding="utf-8").partition("<!-- routes")
    lines, _, _ = rest.partition("<!-- end of routes -->")
    listed = [line.strip(" `*-") for line in lines.splitlines() if line.startswith("* `")]
    served = collections_.defaultdict[str, list[str]](list)
    for route in loopback_discord.routes:
        method, path = route.split()
        served[path].append(method)

    assert listed == [f"{', '.join(methods)} {path}" for path, methods in served.items()]


# Searching members


async def test_members_are_found_by_the_beginning_of_their_names(loopback_discord: testing.LoopbackDiscord) -> None:
    guild = first_guild(loopback_discord)
    member = guild.members[guild.owner_id]
    async with loopback_discord.running() as bot:
        found = await bot.rest.search_members(int(guild.id), member["user"]["username"][:6].upper())
        assert guild.owner_id in {str(one.id) for one in found}
        assert await bot.rest.search_members(int(guild.id), "nobody is called that") == []


@pytest.mark.parametrize("query", ["", "?limit=5", "?query=", "?query=a&limit=0", "?query=a&limit=1001"])
async def test_a_search_that_cannot_be_is_refused(
    loopback_discord: testing.LoopbackDiscord, ask: Asker, query: str
) -> None:
    answer = await ask("GET", f"/guilds/{first_guild(loopback_discord).id}/members/search{query}")
    assert (answer.status, answer.body["code"]) == (400, 50_035)


async def test_a_search_returns_one_member_unless_it_says_how_many(
    loopback_discord: testing.LoopbackDiscord, ask: Asker
) -> None:
    guild = first_guild(loopback_discord)
    path = f"/guilds/{guild.id}/members/search?query="
    letter = collections_.Counter(member["user"]["username"][0] for member in guild.members.values()).most_common(1)
    ((beginning, count),) = letter
    assert count > 1
    assert len((await ask("GET", f"{path}{beginning}")).body) == 1
    assert len((await ask("GET", f"{path}{beginning}&limit=1000")).body) >= count


# Bad input


BAD_REQUESTS: typing.Final = {
    "an id that is none": ("GET", "/guilds/abc", None),
    "an id that is too large": ("GET", f"/users/{1 << 64}", None),
    "an id with other digits": ("GET", "/users/\N{ARABIC-INDIC DIGIT ONE}", None),
    "a limit of members that is no number": ("GET", "/guilds/{guild}/members?limit=many", None),
    "a limit of members that is too high": ("GET", "/guilds/{guild}/members?limit=1001", None),
    "a limit of members that is too low": ("GET", "/guilds/{guild}/members?limit=0", None),
    "members after what is no id": ("GET", "/guilds/{guild}/members?after=x", None),
    "a limit of messages that is too high": ("GET", "/channels/{channel}/messages?limit=101", None),
    "messages before what is no id": ("GET", "/channels/{channel}/messages?before=-1", None),
    "messages around what is no id": ("GET", "/channels/{channel}/messages?around=x", None),
    "a channel without a recipient": ("POST", "/users/@me/channels", {}),
    "a channel without a body": ("POST", "/users/@me/channels", None),
    "a channel with a body that is no object": ("POST", "/users/@me/channels", [1]),
    "a channel with a recipient that is none": ("POST", "/users/@me/channels", {"recipient_id": {}}),
    "commands that are no list": ("PUT", "/applications/{me}/commands", {"name": "ping"}),
    "commands that are no objects": ("PUT", "/applications/{me}/commands", ["ping"]),
    "a command without a name": ("POST", "/applications/{me}/commands", {"description": "It does"}),
    "a command without a description": ("POST", "/applications/{me}/commands", {"name": "ping"}),
    "a command with too long a name": ("POST", "/applications/{me}/commands", {"name": "p" * 33, "description": "x"}),
    "a message that is a list": ("POST", "/channels/{channel}/messages", []),
    "a message that is a text": ("POST", "/channels/{channel}/messages", "hello"),
    "a message of another type": ("POST", "/channels/{channel}/messages", {"content": {"a": 1}}),
    "a message that is too long": ("POST", "/channels/{channel}/messages", {"content": "x" * 2_001}),
    "an embed that is none": ("POST", "/channels/{channel}/messages", {"embeds": ["x"]}),
    "embeds that are none": ("POST", "/channels/{channel}/messages", {"embeds": 5}),
    "too many embeds": ("POST", "/channels/{channel}/messages", {"embeds": [{"title": "x"}] * 11}),
    "a component without a type": ("POST", "/channels/{channel}/messages", {"components": [{}]}),
    "a row that is none": ("POST", "/channels/{channel}/messages", {"components": [{"type": 1, "components": 5}]}),
    "flags that are none": ("POST", "/channels/{channel}/messages", {"content": "x", "flags": "x"}),
    "an attachment that is none": ("POST", "/channels/{channel}/messages", {"content": "x", "attachments": [5]}),
    "a reference to nothing": ("POST", "/channels/{channel}/messages", {"content": "x", "message_reference": {}}),
    "a reference that is none": ("POST", "/channels/{channel}/messages", {"content": "x", "message_reference": 5}),
    "an edit that is a list": ("PATCH", "/channels/{channel}/messages/{message}", [1]),
}  # fmt: skip


@pytest.mark.parametrize("what", BAD_REQUESTS)
async def test_bad_input_is_refused_as_discord_does(
    what: str, loopback_discord: testing.LoopbackDiscord, ask: Asker
) -> None:
    method, path, body = BAD_REQUESTS[what]
    message = await post_message(loopback_discord, ask)
    ids = {"guild": first_guild(loopback_discord).id, "channel": message["channel_id"], "message": message["id"]}
    answer = await ask(method, path.format(me=loopback_discord.world.me["id"], **ids), body)
    assert (answer.status, answer.body["code"], answer.body["message"]) == (400, 50_035, "Invalid Form Body")
    assert '"_errors"' in json.dumps(answer.body["errors"])


async def post_message(discord: testing.LoopbackDiscord, ask: Asker) -> dict[str, typing.Any]:
    answer = await ask("POST", f"/channels/{first_guild(discord).text_channel_ids[0]}/messages", {"content": "hello"})
    assert answer.status == 200
    return typing.cast("dict[str, typing.Any]", answer.body)


@pytest.mark.parametrize("body", [None, {}, {"content": ""}, {"embeds": []}, {"flags": 4}])
async def test_an_empty_message_is_refused(body: object, loopback_discord: testing.LoopbackDiscord, ask: Asker) -> None:
    channel_id = first_guild(loopback_discord).text_channel_ids[0]
    answer = await ask("POST", f"/channels/{channel_id}/messages", body)
    assert (answer.status, answer.body["code"]) == (400, 50_006)


@pytest.mark.parametrize("data", [b"{", b"\xff", b'"\\ud800"', b"[" * 100_000, b"nan"])
async def test_what_is_not_json_is_refused(data: bytes, loopback_discord: testing.LoopbackDiscord, ask: Asker) -> None:
    channel_id = first_guild(loopback_discord).text_channel_ids[0]
    answer = await ask("POST", f"/channels/{channel_id}/messages", data)
    assert (answer.status, answer.body["code"]) == (400, 50_109)


@pytest.mark.parametrize("kind", ["multipart/form-data", "multipart/form-data; boundary=x"])
async def test_a_form_that_is_broken_is_refused(
    kind: str, loopback_discord: testing.LoopbackDiscord, ask: Asker
) -> None:
    headers = {"Authorization": f"Bot {loopback_discord.token}", "Content-Type": kind}
    path = f"/channels/{first_guild(loopback_discord).text_channel_ids[0]}/messages"
    assert (await ask("POST", path, headers=headers, data=b"no form at all")).status == 400


async def test_a_bot_sees_what_is_wrong_with_its_request(loopback_discord: testing.LoopbackDiscord) -> None:
    channel_id = int(first_guild(loopback_discord).text_channel_ids[0])
    async with loopback_discord.running() as bot:
        with pytest.raises(hikari.BadRequestError, match="2000 or fewer"):
            await bot.rest.create_message(channel_id, "x" * 2_001)

        with pytest.raises(hikari.BadRequestError, match="empty message"):
            await bot.rest.create_message(channel_id, "")


async def test_messages_around_another_are_the_ones_next_to_it(
    loopback_discord: testing.LoopbackDiscord, ask: Asker
) -> None:
    ids = [(await post_message(loopback_discord, ask))["id"] for _ in range(7)]
    channel_id = first_guild(loopback_discord).text_channel_ids[0]
    answer = await ask("GET", f"/channels/{channel_id}/messages?around={ids[3]}&limit=3")
    assert [message["id"] for message in answer.body] == [ids[4], ids[3], ids[2]]


NAMES: typing.Final = [
    "accessory",
    "attachments",
    "choices",
    "components",
    "content",
    "custom_id",
    "data",
    "description",
    "embeds",
    "fields",
    "filename",
    "flags",
    "message_id",
    "message_reference",
    "name",
    "options",
    "poll",
    "recipient_id",
    "title",
    "type",
    "value",
]

_LEAVES: typing.Final = strategies.none() | strategies.booleans() | strategies.integers(-5, 1 << 65)

DOCUMENTS: typing.Final = strategies.recursive(
    _LEAVES | strategies.floats() | strategies.text(max_size=10),
    lambda inner: (
        strategies.lists(inner, max_size=3) | strategies.dictionaries(strategies.sampled_from(NAMES), inner, max_size=6)
    ),
    max_leaves=12,
)


async def test_no_input_whatsoever_makes_it_fail(loopback_discord: testing.LoopbackDiscord, ask: Asker) -> None:
    """Every route, with documents that nobody would send: it answers, and never with a failure of its own."""

    async def hammer(route: str, body: object) -> None:
        method, template = route.split()
        message = await post_message(loopback_discord, ask)
        interaction = payloads.component_interaction(guild_id=guild.id, message=message)
        await loopback_discord.dispatch("INTERACTION_CREATE", interaction)
        ids = {
            **dict.fromkeys(("application", "guild", "id", "user", "code"), guild.id),
            "channel": message["channel_id"],
            "emoji": "x",
            "interaction": interaction["id"],
            "message": message["id"],
            "token": interaction["token"],
        }
        answer = await ask(method, template.format(**ids), json.dumps(body).encode())
        assert answer.status < 500, (route, body, answer)

    guild, payloads, runner = first_guild(loopback_discord), testing.Payloads(), asyncio.get_running_loop()

    @hypothesis.settings(max_examples=150, deadline=None, database=None)
    @hypothesis.given(strategies.sampled_from(loopback_discord.routes), DOCUMENTS)
    def run(route: str, body: object) -> None:
        asyncio.run_coroutine_threadsafe(hammer(route, body), runner).result(WITHIN)

    await asyncio.to_thread(run)


# Rate limits


@pytest.mark.parametrize("scope", ["user", "shared", "global"])
async def test_a_rate_limit_has_the_headers_that_discord_sends(
    scope: typing.Literal["user", "shared", "global"], loopback_discord: testing.LoopbackDiscord, ask: Asker
) -> None:
    loopback_discord.refuse_rest(429, times=1, retry_after=1.25, scope=scope)
    answer = await ask("GET", "/users/@me")
    assert answer.status == 429
    assert answer.body == {
        "message": "You are being rate limited.",
        "retry_after": 1.25,
        "global": scope == "global",
    }
    assert answer.headers["Retry-After"] == "2"
    assert answer.headers["X-RateLimit-Scope"] == scope
    assert answer.headers.get("X-RateLimit-Global") == ("true" if scope == "global" else None)
    assert ("X-RateLimit-Bucket" in answer.headers) is (scope != "global")
    if scope != "global":
        assert answer.headers["X-RateLimit-Remaining"] == "0"
        assert float(answer.headers["X-RateLimit-Reset-After"]) == 1.25
        assert float(answer.headers["X-RateLimit-Reset"]) == pytest.approx(time.time() + 1.25, abs=5)
        assert int(answer.headers["X-RateLimit-Limit"]) > 0

    assert (await ask("GET", "/users/@me")).status == 200


@pytest.mark.parametrize("scope", ["user", "shared"])
async def test_a_bot_waits_as_long_as_a_rate_limit_says_and_then_succeeds(
    scope: typing.Literal["user", "shared"], loopback_discord: testing.LoopbackDiscord
) -> None:
    async with loopback_discord.running() as bot:
        loopback_discord.refuse_rest(429, times=2, retry_after=0.2, scope=scope)
        began = time.monotonic()
        await bot.rest.fetch_my_user()
        assert time.monotonic() - began >= 0.4
        assert [request.path for request in loopback_discord.requests].count("/users/@me") == 3


async def test_a_bot_asks_again_after_a_limit_for_all_it_asks_for(loopback_discord: testing.LoopbackDiscord) -> None:
    async with loopback_discord.running() as bot:
        loopback_discord.refuse_rest(429, times=2, retry_after=0.2, scope="global")
        await bot.rest.fetch_my_user()
        assert [request.path for request in loopback_discord.requests].count("/users/@me") == 3


async def test_an_answer_to_an_interaction_that_is_limited_names_no_bucket(
    loopback_discord: testing.LoopbackDiscord, payloads: testing.Payloads, caplog: pytest.LogCaptureFixture
) -> None:
    answered = asyncio.Event()
    bot = loopback_discord.bot()

    @bot.listen()
    async def answer(event: hikari.CommandInteractionCreateEvent) -> None:
        await event.interaction.create_initial_response(4, "pong")
        answered.set()

    async with loopback_discord.running(bot):
        loopback_discord.refuse_rest(429, times=1, retry_after=0.1)
        guild = first_guild(loopback_discord)
        interaction = payloads.command_interaction(guild_id=guild.id, channel_id=guild.text_channel_ids[0])
        await loopback_discord.dispatch("INTERACTION_CREATE", interaction)
        await asyncio.wait_for(answered.wait(), WITHIN)

    assert "unexpected bucket" not in caplog.text


async def test_so_many_requests_are_refused_as_was_said(loopback_discord: testing.LoopbackDiscord, ask: Asker) -> None:
    loopback_discord.refuse_rest(404, times=2)
    assert [(await ask("GET", "/users/@me")).status for _ in range(3)] == [404, 404, 200]
    loopback_discord.refuse_rest(429)
    assert [(await ask("GET", "/users/@me")).status for _ in range(3)] == [429, 429, 429]
    loopback_discord.allow_rest()
    assert (await ask("GET", "/users/@me")).status == 200


@pytest.mark.parametrize("options", [{"times": 0}, {"retry_after": -1}, {"retry_after": float("nan")}, {"scope": "x"}])
def test_a_refusal_that_makes_no_sense_is_refused(options: dict[str, typing.Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        testing.LoopbackDiscord().refuse_rest(429, **options)


# Autocomplete and modals


async def test_what_is_being_typed_can_be_completed(
    loopback_discord: testing.LoopbackDiscord, payloads: testing.Payloads
) -> None:
    bot = loopback_discord.bot()
    heard: asyncio.Queue[hikari.AutocompleteInteraction] = asyncio.Queue()

    @bot.listen()
    async def complete(event: hikari.AutocompleteInteractionCreateEvent) -> None:
        option = event.interaction.options[0]
        await event.interaction.create_response([special_endpoints.AutocompleteChoiceBuilder(f"{option.value}o", "v")])
        heard.put_nowait(event.interaction)

    async with loopback_discord.running(bot):
        guild = first_guild(loopback_discord)
        member = guild.members[guild.owner_id]
        interaction = payloads.autocomplete_interaction(name="play", value="hell", guild_id=guild.id, member=member)
        await loopback_discord.dispatch("INTERACTION_CREATE", interaction)
        got = await asyncio.wait_for(heard.get(), WITHIN)
        assert (got.command_name, got.user.id) == ("play", int(guild.owner_id))
        assert [(option.value, option.is_focused) for option in got.options] == [("hell", True)]
        answer = loopback_discord.requests[-1].body
        assert answer == {"type": 8, "data": {"choices": [{"name": "hello", "value": "v"}]}}


@pytest.mark.parametrize("guild", [True, False])
async def test_a_modal_that_was_filled_in_can_be_answered(
    guild: bool, loopback_discord: testing.LoopbackDiscord, payloads: testing.Payloads
) -> None:
    bot = loopback_discord.bot()
    heard: asyncio.Queue[hikari.ModalInteraction] = asyncio.Queue()

    @bot.listen()
    async def answer(event: hikari.ModalInteractionCreateEvent) -> None:
        await event.interaction.create_initial_response(hikari.ResponseType.MESSAGE_CREATE, "thanks")
        heard.put_nowait(event.interaction)

    async with loopback_discord.running(bot):
        place = first_guild(loopback_discord)
        where = {"guild_id": place.id, "channel_id": place.text_channel_ids[0]} if guild else {}
        interaction = payloads.modal_interaction(custom_id="form", values={"name": "Ann", "why": ""}, **where)
        await loopback_discord.dispatch("INTERACTION_CREATE", interaction)
        got = await asyncio.wait_for(heard.get(), WITHIN)
        assert got.custom_id == "form"
        inputs = [component for row in got.components for component in row]
        assert [(component.custom_id, component.value) for component in inputs] == [("name", "Ann"), ("why", "")]
        assert (await got.fetch_initial_response()).content == "thanks"


async def test_a_modal_of_a_button_can_change_the_message_of_the_button(
    loopback_discord: testing.LoopbackDiscord, payloads: testing.Payloads
) -> None:
    bot = loopback_discord.bot()
    heard: asyncio.Queue[hikari.ModalInteraction] = asyncio.Queue()

    @bot.listen()
    async def answer(event: hikari.ModalInteractionCreateEvent) -> None:
        await event.interaction.create_initial_response(hikari.ResponseType.MESSAGE_UPDATE, "changed")
        heard.put_nowait(event.interaction)

    async with loopback_discord.running(bot):
        guild = first_guild(loopback_discord)
        message = payloads.message(channel_id=guild.text_channel_ids[0], guild_id=guild.id)
        guild.put_message(message)
        interaction = payloads.modal_interaction(message=message, guild_id=guild.id)
        assert interaction["channel_id"] == message["channel_id"]
        await loopback_discord.dispatch("INTERACTION_CREATE", interaction)
        await asyncio.wait_for(heard.get(), WITHIN)
        assert guild.messages[message["id"]]["content"] == "changed"


INTERACTIONS: typing.Final[dict[str, tuple[collections.Callable[[testing.Payloads], typing.Any], set[int]]]] = {
    "command": (lambda payloads: payloads.command_interaction(), {4, 5, 9}),
    "autocomplete": (lambda payloads: payloads.autocomplete_interaction(), {8}),
    "button": (lambda payloads: payloads.component_interaction(), {4, 5, 6, 7, 9}),
    "modal": (lambda payloads: payloads.modal_interaction(), {4, 5}),
    "modal of a button": (lambda payloads: payloads.modal_interaction(message=payloads.message()), {4, 5, 6, 7}),
}

DATA: typing.Final[dict[int, dict[str, typing.Any]]] = {
    8: {"choices": []},
    9: {"custom_id": "form", "title": "Form", "components": [{"type": 1, "components": []}]},
}


@pytest.mark.parametrize("what", INTERACTIONS)
async def test_an_interaction_takes_the_answers_that_fit_it_and_no_others(
    what: str, loopback_discord: testing.LoopbackDiscord, payloads: testing.Payloads, ask: Asker
) -> None:
    make, fitting = INTERACTIONS[what]
    taken: set[int] = set()
    for kind in (0, 2, 4, 5, 6, 7, 8, 9, 99):
        interaction = make(payloads)
        await loopback_discord.dispatch("INTERACTION_CREATE", interaction)
        path = f"/interactions/{interaction['id']}/{interaction['token']}/callback"
        answer = await ask("POST", path, {"type": kind, "data": DATA.get(kind, {"content": "x"})})
        if answer.status < 300:
            taken.add(kind)
        else:
            assert (answer.status, answer.body["code"]) == (400, 50_035)
            # A refused answer is none: the bot may give another.
            retry = min(fitting)
            again = await ask("POST", path, {"type": retry, "data": DATA.get(retry, {"content": "x"})})
            assert again.status == 204

    assert taken == fitting


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"custom_id": "x", "title": "x"},
        {"custom_id": "x", "title": "x" * 46, "components": [{"type": 1, "components": []}]},
        {"custom_id": "x" * 101, "title": "x", "components": [{"type": 1, "components": []}]},
        {"custom_id": "x", "title": "x", "components": []},
    ],
)
async def test_a_modal_that_cannot_be_shown_is_refused(
    data: object, loopback_discord: testing.LoopbackDiscord, payloads: testing.Payloads, ask: Asker
) -> None:
    interaction = payloads.command_interaction()
    await loopback_discord.dispatch("INTERACTION_CREATE", interaction)
    path = f"/interactions/{interaction['id']}/{interaction['token']}/callback"
    answer = await ask("POST", path, {"type": 9, "data": data})
    assert (answer.status, answer.body["code"]) == (400, 50_035)


@pytest.mark.parametrize(
    "choices", [None, 5, [{"name": "x"}], [{"name": "x" * 101, "value": 1}], [{"name": "x", "value": 1}] * 26]
)
async def test_choices_that_cannot_be_offered_are_refused(
    choices: object, loopback_discord: testing.LoopbackDiscord, payloads: testing.Payloads, ask: Asker
) -> None:
    interaction = payloads.autocomplete_interaction()
    await loopback_discord.dispatch("INTERACTION_CREATE", interaction)
    path = f"/interactions/{interaction['id']}/{interaction['token']}/callback"
    answer = await ask("POST", path, {"type": 8, "data": {"choices": choices}})
    assert (answer.status, answer.body["code"]) == (400, 50_035)
