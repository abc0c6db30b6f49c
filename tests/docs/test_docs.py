# SPDX-License-Identifier: BSD-3-Clause
"""The documentation says what the code does, and what it shows runs."""

from __future__ import annotations

import ast
import asyncio
import contextlib
import dataclasses
import importlib
import inspect
import os
import pathlib
import re
import signal
import subprocess
import sys
import typing
from collections import abc as collections

import hikari
import pytest
import redis.asyncio
from _support import interrupts
from _support import keys
from _support import own_server

import sake
import sake.abc
import sake.embedded
import sake.errors
import sake.redis
from sake import testing
from sake.redis._client import feed as _feed
from sake.redis._engine import currency as _currency
from sake.redis._engine import scans as _scans
from sake.redis._model import kinds as _kinds

ROOT = pathlib.Path(__file__).parents[2]
ARCHITECTURE = ROOT / "docs" / "architecture.md"
QUICKSTART = ROOT / "examples" / "quickstart_bot.py"
README = ROOT / "README.md"
PAGES = [README, ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
PUBLIC_MODULES = [sake.abc, sake.embedded, sake.errors, sake.redis, testing]

DEMO = "python -m pip install nox && python -m nox -s demo"
TESTS = "python -m pip install nox && python -m nox -s tests"

_MEMBERS = 6_000
_MOST_QUICKSTART_LINES = 20
_SECONDS = 60.0
_BLOCK = re.compile(r"^```(?:python|py)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_ROW = re.compile(r"^\| (.+) \|$", re.MULTILINE)
_CODE = re.compile(r"`([^`]+)`")

# Connects what a program makes to the Discord on this machine, and lets it be stopped as a person would stop it.
_STAGE = """
import os, runpy, sys
import hikari

class Bot(hikari.GatewayBot):
    def __init__(self, token, **options):
        super().__init__(token, **{"banner": None, "rest_url": os.environ["LOOPBACK"], **options})

    def run(self, **options):
        super().run(**{"check_for_updates": False, **options})

    async def start(self, **options):
        await super().start(**{"check_for_updates": False, **options})

class App(hikari.RESTApp):
    def __init__(self, **options):
        super().__init__(**{"url": os.environ["LOOPBACK"], **options})

hikari.GatewayBot = Bot
hikari.RESTApp = App
runpy.run_path(sys.argv[1], run_name="__main__")
"""


@dataclasses.dataclass(frozen=True)
class Block:
    """A block of Python in a page."""

    page: pathlib.Path
    number: int
    text: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.number}"

    @property
    def is_program(self) -> bool:
        """Whether it can be run as it is."""
        return self.text.startswith(("import ", "from ", "# SPDX")) and not self.is_test

    @property
    def is_test(self) -> bool:
        """Whether it is a module of tests."""
        return "def test_" in self.text


def _find_blocks() -> list[Block]:
    return [
        Block(page, page.read_text(encoding="utf-8")[: found.start()].count("\n") + 1, found[1])
        for page in PAGES
        for found in _BLOCK.finditer(page.read_text(encoding="utf-8"))
    ]


BLOCKS = _find_blocks()
PROGRAMS = [block for block in BLOCKS if block.is_program]
TEST_MODULES = [block for block in BLOCKS if block.is_test]
FRAGMENTS = [block for block in BLOCKS if not block.is_program and not block.is_test]


def _between(text: str, name: str) -> str:
    found = re.search(rf"<!-- {name}.*?-->\n(.*?)<!-- end of {name} -->", text, re.DOTALL)
    assert found, name
    return found[1].strip()


def _cells(table: str) -> list[list[str]]:
    return [row.split(" | ") for row in _ROW.findall(table)][1:]


def _lifetime(milliseconds: int | None) -> str:
    if milliseconds is None:
        return "until an event removes it"

    minutes = milliseconds // 60_000
    for size, name in ((1_440, "days"), (60, "hours"), (1, "minutes")):
        if minutes % size == 0 and milliseconds % 60_000 == 0:
            return f"{minutes // size} {name if minutes > size else name[:-1]}"
    if milliseconds % 1_000 == 0:
        return f"{milliseconds // 1_000} seconds"

    raise AssertionError(milliseconds)


_IDS: typing.Final = {
    _kinds.APPLICATIONS: "own",
    _kinds.AUTHORIZATIONS: "own",
    _kinds.ME: "me",
    _kinds.SESSIONS: "<shard>",
}


def _make_storage_table() -> str:
    lines = ["| Kind | Key | Beside it | Database | Kept |", "|---|---|---|---|---|"]
    found = [value for value in vars(_kinds).values() if isinstance(value, _kinds.Kind)]
    listed = set(_kinds.LISTS.values())
    for kind in sorted(found, key=lambda kind: kind.index):
        if kind in listed:
            continue
        stored = {
            _kinds.Shape.GUILD_BOUND: f"`HASH {keys.in_guild(kind.name, '<guild>')}`",
            _kinds.Shape.SINGLE: f"`STRING {keys.single(kind.name, _IDS.get(kind, '<id>'))}`",
        }[kind.shape]
        beside = []
        if kind.channel_of is not None:
            beside.append(f"`HASH {keys.channels(kind.name, '<guild>')}`")
        if kind in _kinds.LISTS:
            beside.append(f"`HASH {keys.in_guild(_kinds.LISTS[kind].name, '<guild>')}`")

        place = f"{int(kind.index)}, `{kind.index.name}`"
        tables = ", ".join(beside) or "none"
        lines.append(f"| {kind.name} | {stored} | {tables} | {place} | {_lifetime(kind.lifetime)} |")

    reference = "9, `REFERENCE`"
    lines += [
        f"| guilds | `SET {keys.guilds()}` | none | {reference} | until an event removes it |",
        f"| guild-of | `HASH {keys.NAMESPACE}:guild-of:<bucket>` | none | {reference} | until an event removes it |",
        f"| writers | `HASH {keys.NAMESPACE}:writers` | none | {reference} | for ever |",
        f"| meta | `STRING {keys.meta()}` | none | each | for ever |",
        f"| epoch | `STRING {keys.NAMESPACE}:epoch:<writer>` | none | each | 7 days |",
    ]
    return "\n".join(lines)


def test_the_storage_table_is_what_the_code_says() -> None:
    table = _make_storage_table()
    written = _between(ARCHITECTURE.read_text(encoding="utf-8"), "storage table")

    assert written == table, f"docs/architecture.md should have:\n{table}"


def test_the_event_table_is_what_the_code_says(bot: hikari.GatewayBot) -> None:
    cache = sake.RedisCache("redis://localhost", bot, bot.event_manager)
    found = {
        name: {handler.__qualname__.split(".")[0] for handler in handlers}
        for name, handlers in _feed.Feed(cache, sake.redis.Statistics()).handlers.items()
    }
    written = {
        name: set(_CODE.findall(classes))
        for names, classes, _ in _cells(_between(ARCHITECTURE.read_text(encoding="utf-8"), "event table"))
        for name in _CODE.findall(names)
    }

    assert written == found


def test_the_bounds_are_what_the_code_says() -> None:
    text = ARCHITECTURE.read_text(encoding="utf-8").partition("## What is bounded by what")[2].partition("\n## ")[0]
    rows = _cells(text)
    assert len(rows) > 10
    for what, bound, where in rows:
        module, constant = re.findall(r"`([\w.]+)\.(_\w+)`", where)[0]
        value = vars(importlib.import_module(f"sake.redis.{module}"))[constant]
        assert bound.split()[0] == f"{value:,}", what


def _rooms() -> list[list[str]]:
    text = ARCHITECTURE.read_text(encoding="utf-8").partition("## Rooms")[2]
    rooms = []
    for cell, _ in _cells(text):
        first, *others = _CODE.findall(cell)
        folder = first.rpartition("/")[0]
        rooms.append([first, *(name if "/" in name else f"{folder}/{name}" for name in others)])
    return rooms


def test_every_file_has_a_room() -> None:
    written = {name for names in _rooms() for name in names}
    package, implementation = ROOT / "sake", ROOT / "sake" / "redis"
    files = {*package.glob("*.py"), *implementation.rglob("*.py"), *implementation.rglob("*.lua")}
    found = {path.relative_to(ROOT).as_posix() for path in files if path.parent.name[0] != "_" or path.stem[0] != "_"}
    found |= {f"sake/{path.name}/" for path in package.iterdir() if (path / "__init__.py").exists()}

    assert found - written == {"sake/redis/"}
    assert not written - found


def _imported_by(path: pathlib.Path) -> collections.Iterator[str]:
    package = path.parent.relative_to(ROOT).parts
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            yield from (".".join((*base, *filter(None, [node.module]), alias.name)) for alias in node.names)


def _room_of(name: str, rooms: dict[str, int]) -> int | None:
    """Return the number of the room that a module of ours, or something in it, belongs to."""
    parts = name.split(".")
    folders = ("/".join(parts[:length]) for length in range(len(parts), 0, -1))
    spelt = (spelling for folder in folders for spelling in (f"{folder}.py", f"{folder}/", f"{folder}/__init__.py"))
    return next((rooms[file] for file in spelt if file in rooms), None)


def test_no_file_imports_from_a_room_above_its_own() -> None:
    rooms = {file: number for number, files in enumerate(_rooms()) for file in files}
    for path in (ROOT / "sake").rglob("*.py"):
        own = _room_of(".".join(path.relative_to(ROOT).with_suffix("").parts), rooms)
        assert own is not None
        for name in _imported_by(path):
            room = _room_of(name, rooms)
            assert (room is None) == (name.partition(".")[0] != "sake")
            assert room is None or room >= own, f"{path.relative_to(ROOT)} imports {name}"


_WINGS: typing.Final = {
    "redis": ("_caches", "_client", "_engine", "_model"),
    "testing": ("_rest", "_gateway", "_world", "_payloads"),
}


@pytest.mark.parametrize(("package", "wing"), [(package, wing) for package, wings in _WINGS.items() for wing in wings])
def test_no_wing_knows_one_above_it_and_the_model_is_pure(package: str, wing: str) -> None:
    paths = list((ROOT / "sake" / package / wing).glob("*.py"))
    assert paths
    known = {name for path in paths for name in _imported_by(path)}
    above = _WINGS[package][: _WINGS[package].index(wing)]
    assert not [name for name in known for other in above if name.startswith(f"sake.{package}.{other}")]
    assert wing != "_model" or not known & {"asyncio", "logging", "redis", "redis.asyncio", "socket"}


def _texts_of_code() -> str:
    return "\n".join(
        node.value
        for path in (ROOT / "sake").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )


def test_the_log_messages_are_those_of_the_code() -> None:
    operating = (ROOT / "docs" / "guides" / "operating.md").read_text(encoding="utf-8")
    rows = _cells(operating.partition("## Logs")[2].partition("\n## ")[0])
    code = _texts_of_code()
    assert len(rows) > 5
    for message, _, _ in rows:
        assert message.strip('"') in code


def test_the_statistics_are_those_of_the_code() -> None:
    operating = (ROOT / "docs" / "guides" / "operating.md").read_text(encoding="utf-8")
    rows = _cells(operating.partition("## What to watch")[2].partition("\n## ")[0])

    properties = {name for name, value in vars(sake.redis.Statistics).items() if isinstance(value, property)}
    fields = {field.name for field in dataclasses.fields(sake.redis.Statistics)}
    found = {name for name in fields | properties if not name.startswith("_")}
    assert {row[0].strip("`") for row in rows} == found


@pytest.mark.parametrize("module", PUBLIC_MODULES, ids=lambda module: module.__name__)
def test_every_public_name_appears_in_the_reference(module: typing.Any) -> None:
    page = ROOT / "docs" / "reference" / f"{module.__name__.partition('.')[2]}.md"
    text = page.read_text(encoding="utf-8")

    assert re.search(rf"^::: {re.escape(module.__name__)}$", text, re.MULTILINE)
    # All public names are shown unless the page says which.
    assert "members:" not in text.replace("inherited_members:", "")
    for name in module.__all__:
        public = getattr(module, name)
        assert not isinstance(public, type) or public.__module__ == module.__name__
        assert not callable(public) or inspect.getdoc(public)


def test_every_public_name_of_the_package_appears_in_the_reference() -> None:
    text = (ROOT / "docs" / "reference" / "index.md").read_text(encoding="utf-8")

    assert [name for name in sake.__all__ if f"`sake.{name}`" not in text] == []


def test_every_public_method_is_documented() -> None:
    undocumented = [
        f"{cls.__qualname__}.{name}"
        for module in (sake.abc, sake.redis)
        for cls in vars(module).values()
        if isinstance(cls, type) and cls.__module__ == module.__name__
        for name, member in vars(cls).items()
        if not name.startswith("_") and callable(member) and not inspect.getdoc(getattr(cls, name))
    ]

    assert undocumented == []


def test_every_extra_is_documented() -> None:
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for page in (README, ROOT / "docs" / "index.md"):
        text = page.read_text(encoding="utf-8")
        assert project["name"] in text
        assert [extra for extra in project["optional-dependencies"] if f"`{extra}`" not in text] == []


def test_the_sessions_are_those_of_the_noxfile() -> None:
    tree = ast.parse((ROOT / "noxfile.py").read_text(encoding="utf-8"))
    found = {
        node.name
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and any("session" in ast.unparse(mark) for mark in node.decorator_list)
    }
    rows = _cells((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").partition("## Sessions")[2])

    assert {row[0].strip("`").removeprefix("nox -s ") for row in rows} == found


def test_the_readme_names_the_two_commands() -> None:
    lines = README.read_text(encoding="utf-8").splitlines()

    assert DEMO in lines
    assert TESTS in lines


def test_the_quickstart_is_short_and_the_example() -> None:
    (quickstart,) = [block for block in PROGRAMS if block.page == README]

    assert len(quickstart.text.splitlines()) <= _MOST_QUICKSTART_LINES
    assert quickstart.text == QUICKSTART.read_text(encoding="utf-8")


@pytest.mark.parametrize("block", FRAGMENTS, ids=str)
def test_a_fragment_uses_what_there_is(block: Block) -> None:
    tree = ast.parse(block.text)
    compile(tree, str(block), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            _check_name(ast.unparse(node))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            _check_call(node)


def _check_name(dotted: str) -> None:
    head, _, rest = dotted.partition(".")
    found: typing.Any = {"cache": sake.RedisCache, "sake": sake}.get(head)
    if found is not None:
        for name in rest.split("."):
            if not name.isidentifier():
                return
            assert hasattr(found, name), dotted
            found = getattr(found, name)
            if head == "cache":
                return


def _check_call(call: ast.Call) -> None:
    called = ast.unparse(call.func)
    if re.fullmatch(r"cache\.\w+", called):
        signature = inspect.signature(getattr(sake.RedisCache, called.removeprefix("cache.")))
        signature.bind(None, *call.args, **{keyword.arg: keyword.value for keyword in call.keywords if keyword.arg})


@contextlib.asynccontextmanager
async def _program(
    block: Block, folder: pathlib.Path, **environment: str
) -> collections.AsyncIterator[asyncio.subprocess.Process]:
    (folder / "program.py").write_text(block.text, encoding="utf-8")
    (folder / "stage.py").write_text(_STAGE, encoding="utf-8")
    with interrupts.heeded():
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "stage.py", "program.py"),
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def _started(discord: testing.LoopbackDiscord) -> None:
    """Wait until a bot is ready, and its start has had turns of the event loop enough to come to its end."""
    await discord.wait_ready(within=_SECONDS)
    for _ in range(10):
        await discord.settle(within=_SECONDS)


async def _end(process: asyncio.subprocess.Process) -> None:
    async with asyncio.timeout(_SECONDS):
        output, _ = await process.communicate()

    assert process.returncode == 0, output.decode()
    assert b"Traceback" not in output, output.decode()


def _needs(block: Block) -> None:
    for node in ast.walk(ast.parse(block.text)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                pytest.importorskip(alias.name)


@pytest.mark.parametrize("block", PROGRAMS, ids=str)
async def test_a_program_runs(block: Block, tmp_path: pathlib.Path, redis_url: str) -> None:
    _needs(block)
    async with testing.LoopbackDiscord() as discord:
        environment = {"BOT_TOKEN": discord.token, "LOOPBACK": discord.rest_url, "REDIS_URL": redis_url}
        async with _program(block, tmp_path, **environment) as process:
            if ".run()" in block.text:
                await _started(discord)
                process.send_signal(signal.SIGINT)

            await _end(process)


async def test_the_quickstart_answers(tmp_path: pathlib.Path) -> None:
    (block,) = [block for block in PROGRAMS if block.page == README]
    async with (
        testing.LoopbackDiscord() as discord,
        _program(block, tmp_path, BOT_TOKEN=discord.token, LOOPBACK=discord.rest_url) as process,
    ):
        await _started(discord)
        guild = next(guild for guild in discord.world.guilds.values() if guild.available)
        channel = guild.text_channel_ids[0]
        message = testing.Payloads().message(content="hello", channel_id=channel, guild_id=guild.id)
        await discord.dispatch("MESSAGE_CREATE", message)
        await own_server.eventually(lambda: any(r.method == "POST" for r in discord.requests), within=_SECONDS)
        answer = discord.requests[-1].body["content"]
        process.send_signal(signal.SIGINT)
        await _end(process)

    roles, talking = len(guild.roles), len(guild.voice_states)
    assert answer == f"This server has {roles} roles, and {talking} people are in voice."


@pytest.mark.parametrize("block", TEST_MODULES, ids=str)
def test_a_module_of_tests_passes(block: Block, tmp_path: pathlib.Path) -> None:
    (tmp_path / "test_bot.py").write_text(block.text, encoding="utf-8")
    options = ["-p", "sake.testing.pytest_plugin", "-o", "asyncio_mode=auto", "-p", "no:cacheprovider", "-q"]
    process = subprocess.run(
        [sys.executable, "-m", "pytest", *options, "test_bot.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        check=False,
        text=True,
        timeout=_SECONDS,
    )

    assert process.returncode == 0, process.stdout
    assert f"{block.text.count('def test_')} passed" in process.stdout


def _documented_commands() -> set[str]:
    text = (ROOT / "docs" / "guides" / "operating.md").read_text(encoding="utf-8")
    return set(_CODE.findall(text.partition("<!-- commands -->")[2].partition("<!-- end of commands -->")[0]))


async def test_the_documented_commands_are_enough_and_all_needed() -> None:
    documented = _documented_commands()
    async with (
        testing.LoopbackDiscord(large_threshold=_MEMBERS) as discord,
        sake.embedded.EmbeddedServer() as server,
        redis.asyncio.Redis.from_url(server.url) as client,
    ):
        rights = [f"+{name.lower()}" for name in documented]
        await client.execute_command("ACL", "SETUSER", "sake", "on", ">secret", "~sake:*", *rights)
        await client.config_resetstat()
        await _use_everything(discord, server.url.replace("unix://", "unix://sake:secret@"))
        found = await client.info("commandstats")

    # What is refused was only asked for.
    used = {name.removeprefix("cmdstat_").upper() for name, counted in found.items() if counted["calls"]}
    assert used - documented <= {"AUTH", "CLIENT|SETINFO", "CONFIG|RESETSTAT"}
    assert documented - used <= {"MSET", "MSETEX"}


async def _use_everything(discord: testing.LoopbackDiscord, address: str) -> None:
    bot = discord.bot(cache_settings=hikari.impl.CacheSettings(components=hikari.api.CacheComponents.NONE))
    async with sake.RedisCache(address, bot, bot.event_manager, database=1) as cache, discord.running(bot):
        await discord.play(count=2_000)
        payloads = testing.Payloads()
        large = payloads.guild(members=[payloads.member() for _ in range(_MEMBERS)])
        await discord.dispatch("GUILD_CREATE", large)
        await discord.dispatch("THREAD_LIST_SYNC", {"guild_id": large["id"], "threads": [], "members": []})
        await discord.settle()
        await cache.flush()
        assert await cache.iter_members_for_guild(int(large["id"])).len() == _MEMBERS
        assert len(await cache.iter_members_for_guild(int(large["id"])).collect(list)) == _MEMBERS
        await _read_everything(cache)
        await discord.dispatch("GUILD_DELETE", {"id": large["id"]})
        await discord.settle()
        await cache.clear_invites()
        await cache.clear_messages()
        assert (cache.statistics.skipped, cache.statistics.failures, cache.statistics.dropped) == (0, 0, 0)


async def _read_everything(cache: sake.RedisCache) -> None:
    guilds = await cache.iter_guilds().collect(list)
    roles = await cache.iter_roles().collect(list)
    states = await cache.iter_voice_states().collect(list)
    users = await cache.iter_users().collect(list)
    assert guilds
    assert states
    assert await cache.get_role(roles[0].id)
    assert await cache.get_users([users[0].id])
    assert await cache.is_guild_available(guilds[0].id)
    for kind in (_kinds.ROLES, _kinds.MEMBERS, _kinds.USERS):
        await _currency.is_current_everywhere(cache._engine(), kind)
        await _currency.is_current(cache._engine(), kind, str(guilds[0].id))
    assert await _scans.count_guilds(cache._engine()) == len(guilds)
    assert await _currency.is_no_guild(cache._engine(), "404")
    assert await cache.iter_voice_states_for_channel(states[0].channel_id).collect(list)
