# SPDX-License-Identifier: BSD-3-Clause
"""The command line, and the demo it runs."""

from __future__ import annotations

import asyncio
import collections as collections_
import contextlib
import io
import os
import pathlib
import signal
import subprocess
import sys
import time
import typing
import uuid
from collections import abc as collections

import hikari
import pytest
import redis.asyncio
import rich.console
from _support import gateway
from _support import interrupts
from _support import own_cluster
from _support import own_sentinel
from _support import servers

import sake
from sake import cli
from sake import testing
from sake.cli import _backend
from sake.cli import _comparison
from sake.cli import _demo
from sake.cli import _screen
from sake.cli import _truth

DEADLINE: typing.Final = 30.0
PROCESSES: typing.Final = pathlib.Path("/proc")
SMALL: typing.Final = ("--guilds", "3", "--members", "300", "--seconds", "2", "--rate", "500")
ENDLESS: typing.Final = ("--guilds", "3", "--members", "300", "--seconds", "600", "--rate", "200")

needs_processes = pytest.mark.skipif(not PROCESSES.is_dir(), reason="looks for processes where Linux lists them")


def build_environment(**variables: str) -> dict[str, str]:
    """The environment without what would make the demo use another server or Discord."""
    kept = {name: value for name, value in os.environ.items() if name not in {"BOT_TOKEN", "REDIS_URL"}}
    return {**kept, "PYTHONWARNINGS": "error,ignore::DeprecationWarning", **variables}


class Running:
    """A demo that runs, and everything it has started."""

    def __init__(self, folder: pathlib.Path, *arguments: str, **variables: str) -> None:
        self.folder = folder
        self._mark = f"SAKE_TEST_MARK={uuid.uuid4().hex}"
        name, _, value = self._mark.partition("=")
        with interrupts.heeded():
            self._process = subprocess.Popen(
                [sys.executable, "-u", "-m", "sake", "demo", *arguments],
                env=build_environment(TMPDIR=str(folder), **{name: value}, **variables),
                # Ctrl-C reaches all processes in the foreground of a terminal: they are a group of their own here.
                start_new_session=True,
                stderr=subprocess.STDOUT,
                stdout=subprocess.PIPE,
                text=True,
            )
        self.output = ""

    def read_until(self, text: str) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.output += line
            if text in line:
                return

        pytest.fail(f"it ended without {text!r}:\n{self.output}")

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def signal_group(self, number: signal.Signals) -> None:
        os.killpg(self._process.pid, number)

    def find(self, *, running: str = "") -> list[int]:
        """Find what it has started and what is left of it, by the mark that children inherit."""
        found: list[int] = []
        for folder in PROCESSES.glob("[0-9]*"):
            # Processes come and go, and not all of them are ours.
            with contextlib.suppress(OSError):
                environment = (folder / "environ").read_bytes().split(b"\0")
                command = (folder / "cmdline").read_text().replace("\0", " ")
                if self._mark.encode() in environment and running in command:
                    found.append(int(folder.name))

        return found

    def wait(self) -> int:
        output, _ = self._process.communicate(timeout=DEADLINE)
        self.output += output
        return self._process.returncode

    def assert_nothing_left(self) -> None:
        deadline = time.monotonic() + DEADLINE
        while self.find() or list(self.folder.iterdir()):
            if time.monotonic() > deadline:
                pytest.fail(f"left behind: {self.find()}, {list(self.folder.iterdir())}\n{self.output}")

            time.sleep(0.02)


@pytest.fixture
def running(tmp_path: pathlib.Path) -> collections.Iterator[collections.Callable[..., Running]]:
    """Starts demos whose temporary files go to a folder of their own, and ends them."""
    started: list[Running] = []

    def start(*arguments: str, **variables: str) -> Running:
        folder = tmp_path / str(len(started))
        folder.mkdir()
        started.append(Running(folder, *arguments, **variables))
        return started[-1]

    yield start
    for demo in started:
        with contextlib.suppress(ProcessLookupError):
            demo.signal_group(signal.SIGKILL)

        demo.wait()
        for pid in demo.find():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


class Text:
    """A screen that is text."""

    def __init__(self) -> None:
        self._file = io.StringIO()
        self.screen = _screen.PlainScreen(rich.console.Console(file=self._file, highlight=False, soft_wrap=True))

    def __str__(self) -> str:
        return self._file.getvalue()

    async def wait_for(self, text: str) -> None:
        clock = asyncio.get_running_loop().time
        deadline = clock() + DEADLINE
        while text not in str(self):
            assert clock() < deadline, f"no {text!r} in time:\n{self}"
            await asyncio.sleep(0.02)


def make_settings(**overrides: typing.Any) -> _demo.Settings:
    options: dict[str, typing.Any] = {
        "cluster": False,
        "guilds": 3,
        "members": 120,
        "privileged": True,
        "rate": 300,
        "seconds": 0.5,
        "seed": 5,
        "shards": 1,
    }
    return _demo.Settings(**{**options, **overrides})


# The demo


def test_the_demo_finds_no_differences(running: collections.Callable[..., Running]) -> None:
    demo = running(*SMALL)
    assert demo.wait() == 0, demo.output
    demo.assert_nothing_left()
    lines = demo.output.splitlines()
    assert lines[-1].endswith("entities compared: no differences")
    assert int(lines[-1].split()[0].replace(",", "")) > 1_000
    figures = [line for line in lines if "events/s" in line]
    assert figures, demo.output
    assert all(word in figures[-1] for word in ("lag", "MiB", "reads/s, 0 errors", "3 guilds", "voice states"))
    assert "iter_roles_for_guild(" in demo.output
    assert "who talk are in" in demo.output


def test_a_cluster_of_its_own_has_no_differences(running: collections.Callable[..., Running]) -> None:
    demo = running("--cluster", *SMALL)
    demo.read_until("guilds, ")
    assert len(demo.find(running="_embedded_supervisor")) == 3
    assert demo.wait() == 0, demo.output
    demo.assert_nothing_left()
    lines = demo.output.splitlines()
    assert lines[-1].endswith("entities compared: no differences")
    figures = [line for line in lines if "events/s" in line]
    assert all(word in figures[-1] for word in ("lag", "MiB", "reads/s, 0 errors", "3 guilds", "voice states"))


def test_a_cluster_of_its_own_is_not_open_to_others() -> None:
    async def ask() -> None:
        async with _backend.Backend(None, cluster=True) as backend:
            assert backend.database == 0
            host, port = backend.url.rpartition("@")[2].split(",")[0].split(":")
            stranger = redis.asyncio.Redis(host=host, port=int(port))
            with pytest.raises(redis.AuthenticationError):
                await stranger.ping()
            await stranger.aclose()

    asyncio.run(ask())


def test_a_cluster_of_its_own_takes_the_place_of_no_given_server(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["sake", "demo", "--cluster"])
    monkeypatch.setenv("REDIS_URL", "redis://localhost")
    monkeypatch.setenv("NO_COLOR", "1")
    assert cli.main() == 2
    assert "REDIS_URL" in capsys.readouterr().err


@pytest.fixture
def given_cluster(binary: str) -> collections.Iterator[own_cluster.OwnCluster]:
    with own_cluster.running(binary) as cluster:
        yield cluster


def test_a_given_cluster_keeps_what_it_had_and_nothing_else(
    running: collections.Callable[..., Running], given_cluster: own_cluster.OwnCluster
) -> None:
    with contextlib.closing(given_cluster.client()) as client:
        for number in range(50):
            client.set(f"foreign:{number}", "1")
            client.set(f"sake-demo:message:{number}", "left by another demo")

        demo = running(*SMALL, REDIS_URL=given_cluster.url)
        assert demo.wait() == 0, demo.output
        demo.assert_nothing_left()
    assert given_cluster.keys() == {f"foreign:{number}" for number in range(50)}


@needs_processes
def test_a_given_cluster_is_tidied_up_by_the_second_process(
    running: collections.Callable[..., Running], given_cluster: own_cluster.OwnCluster
) -> None:
    demo = running(*ENDLESS, REDIS_URL=given_cluster.url)
    demo.read_until("guilds, ")
    assert len(given_cluster.keys()) > 10
    demo.signal(signal.SIGKILL)
    demo.wait()
    demo.assert_nothing_left()
    assert given_cluster.keys() == set()


def test_servers_that_sentinels_watch_keep_nothing(running: collections.Callable[..., Running], binary: str) -> None:
    with own_sentinel.running(binary, password="open sesame") as watched:
        demo = running(*SMALL, REDIS_URL=f"{watched.url}?db=2")
        assert demo.wait() == 0, demo.output
        demo.assert_nothing_left()
        assert demo.output.splitlines()[-1].endswith("no differences")
        assert watched.primary.do("INFO", "keyspace") == {}


@pytest.mark.parametrize(
    "options",
    [
        {"guilds": 1, "members": 2, "rate": 50},
        {"guilds": 2, "members": 1_000, "seconds": 0},
        {"guilds": 7, "members": 60, "rate": 100_000, "seconds": 1.5, "seed": -3, "shards": 4},
    ],
    ids=["least", "large guilds and no events", "more shards than it needs, as fast as can be"],
)
def test_odd_options_find_no_differences(options: dict[str, typing.Any]) -> None:
    text = Text()
    assert _demo.run(make_settings(**options), text.screen, token=None, redis_url=None) == 0, str(text)
    assert str(text).splitlines()[-1].endswith("no differences")


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (("--guilds", "0"), "--guilds"),
        (("--guilds", "10", "--members", "19"), "--members"),
        (("--rate", "0"), "--rate"),
        (("--seconds", "nan"), "--seconds"),
        (("--seconds", "inf"), "--seconds"),
        (("--seconds", "-1"), "--seconds"),
        (("--shards", "0"), "--shards"),
        (("--sedonds", "1"), "--sedonds"),
    ],
)
def test_options_that_cannot_be_used_are_named(
    options: tuple[str, ...],
    named: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, "argv", ["sake", "demo", *options])
    monkeypatch.setenv("NO_COLOR", "1")
    assert cli.main() == 2
    assert named in capsys.readouterr().err


def test_the_version_is_shown() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "sake", "--version"], capture_output=True, check=True, text=True, timeout=60
    )
    assert done.stdout == f"sake {sake.__version__}\n"


@pytest.mark.parametrize("missing", ["rich", "typer"])
def test_without_the_extra_it_says_which_one_to_install(
    missing: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    assert cli.main() == 1
    assert 'pip install "sake-cache[cli]"' in capsys.readouterr().err


def test_importing_the_command_line_needs_no_extra() -> None:
    code = "import sys; sys.modules['rich'] = sys.modules['typer'] = None; import sake.cli"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


@pytest.mark.parametrize(
    ("url", "text"),
    [("http://127.0.0.1", "address"), ("redis://127.0.0.1:1", "127.0.0.1:1"), ("unix:///nowhere/at.all", "at.all")],
)
def test_a_server_that_cannot_be_used_is_said_in_one_line(url: str, text: str) -> None:
    shown = Text()
    assert _demo.run(make_settings(), shown.screen, token=None, redis_url=url) == 1
    assert text in str(shown).splitlines()[-1]
    assert "Traceback" not in str(shown)


def test_differences_make_it_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    def of_guild(world: testing.World, guild: testing.WorldGuild, /) -> dict[str, typing.Any]:
        truth = real_of_guild(world, guild)
        truth["roles"][1] = {**truth["roles"][1], "name": "not what was sent"}
        return truth

    real_of_guild = _truth.of_guild
    monkeypatch.setattr(_truth, "of_guild", of_guild)
    text = Text()
    assert _demo.run(make_settings(), text.screen, token=None, redis_url=None) == 1
    assert str(text).splitlines()[-1].endswith("entities compared: 3 differences")
    assert str(text).count("name should be 'not what was sent', is '") == 3


def test_a_payload_that_cannot_be_used_makes_it_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    def skip(*_: object) -> typing.NoReturn:
        raise LookupError("on purpose")

    monkeypatch.setattr(sake.RedisCache, "_plan_voice_state", skip)
    text = Text()
    settings = make_settings(rate=1_000)
    assert _demo.run(settings, text.screen, token=None, redis_url=None) == 1
    assert "payloads could not be used" in str(text)


# What is left of it


@needs_processes
@pytest.mark.parametrize("more", [(), ("--cluster",)], ids=["server", "cluster"])
@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -signal.SIGKILL)]
)
def test_whatever_ends_it_nothing_is_left(
    running: collections.Callable[..., Running], number: signal.Signals, code: int, more: tuple[str, ...]
) -> None:
    demo = running(*ENDLESS, *more)
    demo.read_until("guilds, ")
    assert len(demo.find()) >= 3
    demo.signal_group(number)
    assert demo.wait() == code
    demo.assert_nothing_left()
    assert "Traceback" not in demo.output


@needs_processes
def test_the_death_of_the_second_process_makes_it_fail(running: collections.Callable[..., Running]) -> None:
    demo = running("--guilds", "1", "--members", "10", "--seconds", "3", "--rate", "20")
    demo.read_until("guilds, ")
    (reader,) = demo.find(running="sake.cli._reader")
    os.kill(reader, signal.SIGKILL)
    assert demo.wait() == 1
    assert "second process" in demo.output.splitlines()[-1] + demo.output.splitlines()[-2]
    demo.assert_nothing_left()


@needs_processes
@pytest.mark.parametrize("number", [None, signal.SIGINT, signal.SIGTERM])
def test_a_given_server_keeps_what_it_had_and_nothing_else(
    running: collections.Callable[..., Running], server: servers.Server, redis_url: str, number: signal.Signals | None
) -> None:
    with contextlib.closing(server.blocking_client(4)) as client:
        client.mset({"foreign": "1", "sake-demonstration:role": "2", "sake-demo:message:5": "left by another demo"})
        options = ENDLESS if number else ("--guilds", "2", "--members", "40", "--seconds", "1", "--rate", "200")
        demo = running(*options, REDIS_URL=f"{redis_url}?db=4")
        if number:
            demo.read_until("guilds, ")
            assert len(client.keys("sake-demo:*")) > 10
            demo.signal_group(number)

        assert demo.wait() == (128 + number if number else 0), demo.output
        demo.assert_nothing_left()
        assert set(client.keys("*")) == {b"foreign", b"sake-demonstration:role"}
        assert set(client.info("keyspace")) == {"db4"}


# The comparison


@pytest.fixture
def world() -> testing.World:
    world = testing.World(seed=2, guilds=3, members=90)
    collections_.deque(world.steps(400), maxlen=0)
    return world


class Told:
    """A cache that was told everything, and what it should hold."""

    def __init__(self, cache: sake.RedisCache, world: testing.World, factory: hikari.api.EntityFactory) -> None:
        self.cache = cache
        self.world = world
        self.guild = next(guild for guild in world.guilds.values() if guild.available and guild.messages)
        self.guild_id = int(self.guild.id)
        self.role = next(iter(self.guild.roles.values()))
        self.member = self.guild.members[self.guild.owner_id]
        self.message = next(iter(self.guild.messages.values()))
        self._factory = factory

    async def compare(self) -> list[str]:
        verdict = _comparison.Verdict()
        comparison = _comparison.Comparison(self.cache, self._factory)
        for guild in self.world.guilds.values():
            verdict.add(await comparison.compare_guild(_truth.of_guild(self.world, guild)))

        verdict.add(await comparison.compare_rest(_truth.of_rest(self.world)))
        return verdict.differences


@pytest.fixture
async def told(cache: sake.RedisCache, world: testing.World, feed: gateway.Feed, bot: hikari.GatewayBot) -> Told:
    own_shard = gateway.Shard(user_id=hikari.Snowflake(world.me["id"]))
    feed("READY", world.ready(), shard=own_shard)
    for guild in world.guilds.values():
        available, guild.available = guild.available, True
        feed("GUILD_CREATE", world.guild_create(guild.id), shard=own_shard)
        guild.available = available
        if not available:
            feed("GUILD_DELETE", world.payloads.unavailable_guild(id=guild.id), shard=own_shard)

        for message in guild.messages.values():
            feed("MESSAGE_CREATE", message, shard=own_shard)

        for invite in guild.invites.values():
            feed("INVITE_CREATE", invite, shard=own_shard)

    for message in world.direct_messages.values():
        feed("MESSAGE_CREATE", message, shard=own_shard)

    await feed.settle()
    await cache.flush()
    return Told(cache, world, bot.entity_factory)


async def test_what_is_right_has_no_differences(told: Told) -> None:
    assert await told.compare() == []


async def _rename_role(told: Told) -> str:
    await told.cache.set_role(told.guild_id, {**told.role, "name": "renamed"})
    return f"role {told.role['id']} of guild {told.guild_id}: name should be {told.role['name']!r}, is 'renamed'"


async def _delete_role(told: Told) -> str:
    await told.cache.delete_role(int(told.role["id"]))
    return f"role {told.role['id']} of guild {told.guild_id} is missing"


async def _add_emoji(told: Told) -> str:
    emoji = told.world.payloads.emoji()
    await told.cache.set_emoji(told.guild_id, emoji)
    return f"emoji {emoji['id']} of guild {told.guild_id} should not be there"


async def _add_role_nowhere(told: Told) -> str:
    await told.cache.set_role(5, told.role)
    return "1 roles belong to guilds that do not exist"


async def _change_member(told: Told) -> str:
    user = told.member["user"]["id"]
    await told.cache.set_member(told.guild_id, {**told.member, "nick": "renamed"})
    return f"member {user} of guild {told.guild_id}: nickname should be"


async def _change_user(told: Told) -> str:
    user = told.member["user"]
    await told.cache.set_user({**user, "global_name": "Somebody Else"})
    return f"user {user['id']}: global_name should be"


async def _delete_user(told: Told) -> str:
    await told.cache.delete_user(int(told.member["user"]["id"]))
    return f"user {told.member['user']['id']} is missing"


async def _edit_message(told: Told) -> str:
    author = {**told.message["author"], "username": "somebody-else"}
    await told.cache.set_message({**told.message, "author": author})
    await told.cache.set_user(told.message["author"])
    return f"message {told.message['id']}: author.username should be"


async def _delete_message(told: Told) -> str:
    await told.cache.delete_message(int(told.message["id"]))
    return f"message {told.message['id']} is missing"


async def _keep_message(told: Told) -> str:
    message = {**told.message, "id": told.world.payloads.snowflake()}
    await told.cache.set_message(message)
    return f"message {message['id']} of channel {message['channel_id']} should not be there"


async def _add_invite(told: Told) -> str:
    invite = told.world.payloads.invite(guild_id=told.guild.id)
    await told.cache.set_invite(invite)
    return f"invite {invite['code']} should not be there"


async def _change_guild(told: Told) -> str:
    await told.cache.set_guild({**told.guild.record, "member_count": 7})
    return f"guild {told.guild_id}: member_count should be {told.guild.record['member_count']}, is 7"


async def _add_guild(told: Told) -> str:
    await told.cache.set_guild({**told.guild.record, "id": "5"})
    return "guild 5 should not be there"


async def _lose_voice_member(told: Told) -> str:
    state = next(iter(told.guild.voice_states.values()))
    await told.cache.set_voice_state(told.guild_id, {**state, "guild_id": told.guild.id})
    return f"voice state {state['user_id']} of guild {told.guild_id}: it is stored without its member"


async def _clear_presences(told: Told) -> str:
    await told.cache.clear_presences_for_guild(told.guild_id)
    return f"presence {next(iter(told.guild.presences))} of guild {told.guild_id} is missing"


async def _rename_me(told: Told) -> str:
    await told.cache.set_me({**told.world.me, "username": "somebody-else"})
    return "own user : username should be"


async def _forget_me(told: Told) -> str:
    await told.cache.delete_me()
    return "own user  is missing"


@pytest.mark.parametrize(
    "tamper",
    [
        _add_emoji,
        _add_guild,
        _add_invite,
        _add_role_nowhere,
        _change_guild,
        _change_member,
        _change_user,
        _clear_presences,
        _delete_message,
        _delete_role,
        _delete_user,
        _edit_message,
        _forget_me,
        _keep_message,
        _lose_voice_member,
        _rename_me,
        _rename_role,
    ],
    ids=lambda tamper: tamper.__name__.strip("_").replace("_", " "),
)
async def test_what_is_wrong_is_a_difference(
    told: Told, tamper: collections.Callable[[Told], collections.Awaitable[str]]
) -> None:
    expected = await tamper(told)
    found = await told.compare()
    assert [difference for difference in found if difference.startswith(expected)], found


async def test_the_wrong_availability_is_a_difference(told: Told, feed: gateway.Feed) -> None:
    feed("GUILD_DELETE", told.world.payloads.unavailable_guild(id=told.guild.id))
    await feed.settle()
    assert await told.compare() == [
        f"guild {told.guild_id}: is_guild_available is False, it should be True",
        f"guild {told.guild_id} counts as unavailable, but it is not",
    ]


async def test_a_message_of_a_channel_that_is_gone_is_none(told: Told) -> None:
    await told.cache.set_message({**told.message, "id": "5", "channel_id": "6"})
    assert await told.compare() == []


# Members of large guilds


async def test_members_are_requested_while_the_bot_is_still_starting(server: servers.Server) -> None:
    world = testing.World(guilds=4, members=2_000, large_threshold=50)
    async with testing.LoopbackDiscord(world, large_threshold=50) as discord:
        bot = discord.bot(auto_chunk_members=False)
        cache = sake.RedisCache(server.url, bot, bot.event_manager, database=0, **server.options)
        cache.chunk_on_guild_create(bot)
        async with cache, discord.running(bot):
            await discord.settle()
            incomplete = [guild for guild in world.guilds if not await cache.is_member_list_complete(int(guild))]
            assert incomplete == []
            assert await cache.iter_members().len() == 2_000


# The real Discord, or what stands for it


class LoopbackBot(hikari.GatewayBot):
    """A bot that takes a Discord on this machine for the real one."""

    rest_url = ""

    def __init__(self, token: str, **options: typing.Any) -> None:
        super().__init__(token, **{**options, "rest_url": self.rest_url})


@pytest.fixture
async def real(monkeypatch: pytest.MonkeyPatch) -> collections.AsyncIterator[testing.LoopbackDiscord]:
    async with testing.LoopbackDiscord(testing.World(guilds=3, members=60)) as discord:
        monkeypatch.setattr(LoopbackBot, "rest_url", discord.rest_url)
        monkeypatch.setattr(hikari, "GatewayBot", LoopbackBot)
        yield discord


async def _run_real(discord: testing.LoopbackDiscord, text: Text, **settings: typing.Any) -> int:
    return await _demo._run_real(make_settings(**settings), text.screen, _backend.Backend(None), discord.token)


async def test_with_a_token_it_shows_the_real_discord(real: testing.LoopbackDiscord) -> None:
    text = Text()
    assert await _run_real(real, text, seconds=2.5) == 0
    assert "connected, Ctrl-C ends it" in str(text)
    assert "3 guilds" in str(text)
    assert "Asked by hand" in str(text)
    assert "compared" not in str(text)
    assert real.connected_shards == []


async def test_with_a_token_interrupting_it_is_the_end_not_an_error(real: testing.LoopbackDiscord) -> None:
    async def interrupt() -> None:
        await text.wait_for("connected, Ctrl-C ends it")
        os.kill(os.getpid(), signal.SIGINT)

    text = Text()
    with interrupts.heeded():
        async with asyncio.timeout(DEADLINE), asyncio.TaskGroup() as group:
            group.create_task(interrupt())
            assert await _run_real(real, text, seconds=600) == 0

        assert "Asked by hand" in str(text)
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.filterwarnings("ignore::hikari.MissingIntentWarning")
async def test_without_privileged_intents_it_asks_for_none(real: testing.LoopbackDiscord) -> None:
    text = Text()
    assert await _run_real(real, text, seconds=1.5, privileged=False) == 0
    intents = [command.data["intents"] for command in real.commands if command.opcode == 2]
    assert intents
    assert not any(intent & hikari.Intents.ALL_PRIVILEGED for intent in intents)


async def test_a_wrong_token_is_said_in_one_line(real: testing.LoopbackDiscord) -> None:
    with pytest.raises(hikari.UnauthorizedError) as caught:
        await _demo._run_real(make_settings(), Text().screen, _backend.Backend(None), "MTIz.not.it")

    assert _demo._explain(caught.value).startswith("UnauthorizedError: ")


def test_refused_intents_are_explained() -> None:
    error = hikari.GatewayServerClosedConnectionError("Disallowed intent(s).", 4014, can_reconnect=False)
    assert "developer portal" in _demo._explain(error)
