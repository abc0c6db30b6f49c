# SPDX-License-Identifier: BSD-3-Clause
"""Deltas on their way to a server: well-formed calls, which leave what the changes come to and nothing else."""

from __future__ import annotations

import asyncio
import contextlib
import typing
from collections import abc as collections
from unittest import mock

import hypothesis
import orjson
import pytest
import redis
from _support import deltas
from _support import gateway
from _support import marks
from _support import servers
from hypothesis import strategies

import sake.redis
from sake.redis import _connections
from sake.redis import _delta
from sake.redis import _draft
from sake.redis import _keys
from sake.redis import _kinds
from sake.redis import _transaction
from sake.redis import _wire

GUILD, OTHER_GUILD, _ = deltas.GUILDS
CHANNEL, OTHER_CHANNEL = deltas.CHANNELS[GUILD]
DATABASE = 0
KEYS = _keys.Keys()

ALLOWED = {b"EVAL", b"HDEL", b"HSET", b"MSET", b"MSETEX", b"SADD", b"SET", b"SREM", b"UNLINK"}

SENT = {f"cmdstat_{name.decode().lower()}" for name in ALLOWED - {b"HSET", b"HDEL"}}

Stored = dict[str, typing.Any]


# On the wire


def _parse(data: bytes) -> tuple[list[bytes], bytes]:
    """Read one command as a server does; return it and what follows it."""
    head, _, rest = data.partition(b"\r\n")
    assert head[:1] == b"*", data[:40]
    arguments: list[bytes] = []
    for _ in range(int(head[1:])):
        head, _, rest = rest.partition(b"\r\n")
        assert head[:1] == b"$", data[:40]
        size = int(head[1:])
        arguments.append(rest[:size])
        assert rest[size : size + 2] == b"\r\n"
        rest = rest[size + 2 :]

    return arguments, rest


@hypothesis.given(
    strategies.lists(
        strategies.binary() | strategies.text(strategies.characters(exclude_categories=["Cs"])) | strategies.integers()
    )
)
def test_a_packed_command_reads_back_as_its_arguments(arguments: list[bytes | str | int]) -> None:
    parsed, rest = _parse(_wire.pack(*arguments))
    assert not rest
    assert parsed == [argument if isinstance(argument, bytes) else str(argument).encode() for argument in arguments]


def _scopes(delta: _delta.Delta) -> collections.Iterator[_transaction.Scope]:
    for kind, guilds in delta.kinds.items():
        for guild, found in guilds.items():
            scope = _transaction.Scope(kind, guild, found, kind.lifetime or 0, {}, [], {}, {})
            for entity, entry in found.entries.items():
                if entry is None:
                    scope.drops.append(entity)
                elif isinstance(entry, bytes):
                    scope.puts[entity] = entry
                else:
                    scope.amends[entity] = deltas.PACKER.pack(kind, entity, deltas.laid(entry.overs))

            yield scope


@deltas.SETTINGS
@hypothesis.given(deltas.streams(departures=False), strategies.booleans())
def test_a_transaction_is_as_many_whole_commands_as_it_says(changes: list[deltas.Change], has_msetex: bool) -> None:
    (delta,) = deltas.describe(changes)
    transaction = _transaction.Transaction(KEYS, has_msetex=has_msetex)
    for scope in _scopes(delta):
        transaction.add(scope)

    packed, about = transaction.finish()
    rest = b"".join(packed)
    commands: list[list[bytes]] = []
    while rest:
        command, rest = _parse(rest)
        commands.append(command)

    assert commands[0] == [b"MULTI"]
    assert commands[-1] == [b"EXEC"]
    assert len(commands) == len(about) + 2
    assert {command[0] for command in commands[1:-1]} <= ALLOWED


def test_a_delta_that_says_nothing_is_no_command() -> None:
    transaction = _transaction.Transaction(KEYS, has_msetex=False)
    _, about = transaction.finish()
    assert about == []


# On a server


class Laboratory:
    """A cache without events, whose writer is given deltas, and a client to look at what they leave."""

    def __init__(self, server: servers.Server, runner: asyncio.Runner, **options: typing.Any) -> None:
        bot = gateway.make_bot()
        self.cache = sake.redis.RedisCache(server.url, bot, database=DATABASE, **server.options, **options)
        self.raw = server.blocking_client(DATABASE)
        self.run = runner.run
        self.run(self.cache.open())
        self.engine = self.run(self._find_engine())

    async def _find_engine(self) -> typing.Any:
        return self.cache._engine()

    def close(self) -> None:
        self.run(self.cache.close())
        self.raw.close()

    @property
    def writer(self) -> typing.Any:
        return self.engine.writer

    def write(self, changes: collections.Iterable[deltas.Change], cuts: collections.Iterable[bool] = ()) -> None:
        """Write changes as one delta, or several where a cut says so; wait until the server has them."""
        self.run(self._write(list(changes), list(cuts)))

    async def _write(self, changes: list[deltas.Change], cuts: list[bool]) -> None:
        cut_at = dict(enumerate(cuts))
        for number, change in enumerate(changes):
            if isinstance(change, deltas.Depart) or cut_at.get(number):
                self.writer.cut()
            draft = self.writer.new_draft()
            change.describe(draft)
            self.writer.add(draft)

        await self.cache.flush()

    def stored(self) -> Stored:
        return {key.decode(): self._read(key) for key in self.raw.scan_iter()}

    def _read(self, key: bytes) -> typing.Any:
        kind = self.raw.type(key)
        if kind == b"hash":
            return {name.decode(): value for name, value in self.raw.hgetall(key).items()}
        if kind == b"set":
            return {member.decode() for member in self.raw.smembers(key)}

        assert kind == b"string", kind
        return self.raw.get(key)


@pytest.fixture
def laboratory(server: servers.Server) -> collections.Iterator[Laboratory]:
    with asyncio.Runner() as runner, contextlib.closing(Laboratory(server, runner)) as found:
        yield found


def _decoded(entries: dict[str, bytes]) -> dict[str, deltas.Payload]:
    return {entity: deltas.read(data) for entity, data in entries.items()}


def _text(entries: dict[str, bytes]) -> dict[str, str]:
    return {entity: data.decode() for entity, data in entries.items()}


def _check(stored: Stored, model: deltas.Model) -> None:
    """Compare everything that is stored with what the model says, taking away what is accounted for."""
    left = dict(stored)
    for kind in deltas.KINDS:
        if kind.in_guild:
            _check_guilds(left, kind, model)
        elif kind.shape is _kinds.Shape.HASH:
            assert _decoded(left.pop(KEYS.whole(kind.name), {})) == model.payloads().get((kind, ""), {}), kind.name
        elif kind.shape is _kinds.Shape.SET:
            assert left.pop(KEYS.whole(kind.name), set()) == set(model.of(kind, "")), kind.name
        else:
            _check_strings(left, kind, "", model)

    assert left == {}


def _check_guilds(left: Stored, kind: deltas.Kind, model: deltas.Model) -> None:
    owners: dict[str, str] = {}
    with_entities: set[str] = set()
    for guild in deltas.GUILDS:
        entities = model.payloads().get((kind, guild), {})
        if kind.shape is _kinds.Shape.STRING:
            _check_strings(left, kind, guild, model)
        else:
            assert _decoded(left.pop(KEYS.in_guild(kind.name, guild), {})) == entities, (kind.name, guild)
        if kind.channel_of is not None:
            _check_channels(left, kind, guild, entities)
        if kind.owned:
            owners |= dict.fromkeys(entities, guild)
        if entities:
            with_entities.add(guild)

    assert _text(left.pop(KEYS.owners(kind.name), {})) == owners, kind.name
    registered = left.pop(KEYS.guilds(kind.name), set())
    assert with_entities <= registered <= model.registered.get(kind, set()), kind.name


def _check_channels(left: Stored, kind: deltas.Kind, guild: str, entities: dict[str, deltas.Payload]) -> None:
    assert kind.channel_of is not None
    places = {entity: channel for entity, payload in entities.items() if (channel := kind.channel_of(payload))}
    assert _text(left.pop(KEYS.channels_in_guild(kind.name, guild), {})) == places, (kind.name, guild)
    for channel in deltas.CHANNELS[guild]:
        inside = {entity: guild for entity, place in places.items() if place == channel}
        assert _text(left.pop(KEYS.in_channel(kind.name, channel), {})) == inside, (kind.name, channel)


def _check_strings(left: Stored, kind: deltas.Kind, guild: str, model: deltas.Model) -> None:
    for entity, payload in model.payloads().get((kind, guild), {}).items():
        assert orjson.loads(left.pop(KEYS.single(kind.name, entity))) == payload, (kind.name, entity)


def _check_lifetimes(raw: redis.Redis, model: deltas.Model) -> None:
    for (kind, _), entries in model.entries.items():
        if kind.shape is not _kinds.Shape.STRING:
            continue
        for entity, (_, lifetime) in entries.items():
            left = raw.pttl(KEYS.single(kind.name, entity))
            expected = kind.lifetime if lifetime is None else lifetime
            assert left == -1 if not expected else expected - 30_000 < left <= expected, (kind.name, entity, left)

    for key in raw.scan_iter():
        assert raw.type(key) == b"string" or raw.pttl(key) == -1, key


def test_a_server_holds_what_the_changes_come_to_and_no_dangling_entry(
    laboratory: Laboratory, server: servers.Server
) -> None:
    @hypothesis.settings(deadline=None, max_examples=server.share(120))
    @hypothesis.given(data=strategies.data())
    def check(data: strategies.DataObject) -> None:
        before, changes = data.draw(deltas.several_streams(2))
        drawn = strategies.integers(0, 4).map(lambda number: number == 0)
        cuts = data.draw(strategies.lists(drawn, max_size=len(changes)))
        # What is written next is prepared while what came before it is on its way.
        in_one_go = data.draw(strategies.sampled_from([1, 1_000, laboratory.writer._exchange_bytes]))
        laboratory.raw.flushdb()
        model = deltas.Model()
        for change in (*before, *changes):
            change.happen(model)

        laboratory.write(before)
        in_one_transaction = data.draw(strategies.sampled_from([1, laboratory.writer._batch_bytes]))
        bounds = {"_batch_bytes": in_one_transaction, "_exchange_bytes": in_one_go}
        with mock.patch.multiple(laboratory.writer, **bounds):
            laboratory.write(changes, cuts)
        _check(laboratory.stored(), model)
        _check_lifetimes(laboratory.raw, model)
        assert laboratory.cache.statistics.skipped == 0

    check()


# Messages are removed one by one.
CLEARED = [(kind, guild) for kind, guild in deltas.scopes() if guild in {"", GUILD} and kind is not _kinds.MESSAGES]


@pytest.mark.parametrize(("kind", "guild"), CLEARED, ids=[kind.name for kind, _ in CLEARED])
@pytest.mark.parametrize("count", [1, 3])
def test_what_is_set_after_everything_was_removed_is_all_there_is(
    laboratory: Laboratory, kind: deltas.Kind, guild: str, count: int
) -> None:
    entities = deltas.entities_of(kind, guild)[:3]
    payload = {"a": 1, "parent_id": CHANNEL, "channel_id": CHANNEL}

    def sets(entity: str) -> deltas.Change:
        if kind is _kinds.UNAVAILABLE_GUILDS:
            return deltas.Mark(kind, guild, entity)
        return deltas.Put(kind, guild, entity, {**payload, "id": entity})

    model = deltas.Model()
    laboratory.write(sets(entity) for entity in entities)
    changes = [deltas.Drop(kind, guild, entities[0]), deltas.Clear(kind, guild), *map(sets, entities[:count])]
    for change in changes:
        change.happen(model)
    laboratory.write(changes)
    _check(laboratory.stored(), model)
    if kind not in deltas.ABOUT_GUILDS:
        laboratory.write([deltas.Clear(kind, guild)])
        assert laboratory.stored() == {}


@pytest.mark.parametrize("in_one_go", [1, 8_388_608])
def test_a_partial_update_builds_on_what_is_on_its_way_to_the_server(
    laboratory: Laboratory, in_one_go: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    exchange = _connections.Database.exchange

    async def exchange_writes_late(database: _connections.Database, commands: typing.Any, replies: int) -> typing.Any:
        if commands[0] == _wire.pack("MULTI"):
            await asyncio.sleep(0.01)
        return await exchange(database, commands, replies)

    monkeypatch.setattr(_connections.Database, "exchange", exchange_writes_late)
    kind, kept, dropped, new = _kinds.MESSAGES, "1", "2", "3"
    laboratory.write(deltas.Put(kind, "", message, {"id": message, "a": 0}) for message in (kept, dropped))
    changes: list[deltas.Change] = [
        deltas.Drop(kind, "", dropped),
        deltas.Lay(kind, "", dropped, {"a": 1}, None),
        deltas.Put(kind, "", new, {"id": new, "a": 0}),
        deltas.Lay(kind, "", new, {"a": 1}, None),
        deltas.Lay(kind, "", new, {"b": 2}, None),
        deltas.Lay(kind, "", kept, {"a": 1}, None),
        deltas.Lay(kind, "", kept, {"b": 2}, None),
    ]
    with mock.patch.multiple(laboratory.writer, _batch_bytes=1, _exchange_bytes=in_one_go):
        laboratory.write(changes, [True] * len(changes))

    assert {key: orjson.loads(data) for key, data in laboratory.stored().items()} == {
        KEYS.single(kind.name, message): {"id": message, "a": 1, "b": 2} for message in (kept, new)
    }


def test_an_entry_that_cannot_be_read_costs_only_its_own_update(laboratory: Laboratory) -> None:
    thread, other = deltas.entities_of(_kinds.THREADS, GUILD)[:2]
    payload = {"id": other, "parent_id": deltas.CHANNELS[GUILD][0]}
    laboratory.raw.hset(KEYS.in_guild("thread", GUILD), thread, b"no JSON")
    laboratory.writer._batch_bytes = 1
    changes: list[deltas.Change] = [
        deltas.ClearChannel(_kinds.THREADS, GUILD, deltas.CHANNELS[GUILD][1]),
        deltas.Put(_kinds.THREADS, GUILD, other, payload),
        deltas.Lay(_kinds.THREADS, GUILD, thread, {"a": 1}, None),
        deltas.Lay(_kinds.THREADS, GUILD, thread, {"a": 2}, {**payload, "id": thread}),
    ]
    laboratory.write(changes, [True] * len(changes))
    assert laboratory.raw.hgetall(KEYS.in_guild("thread", GUILD)) == {
        thread.encode(): b"no JSON",
        other.encode(): orjson.dumps(payload),
    }
    assert laboratory.cache.statistics.skipped == 2


def test_many_small_deltas_are_one_transaction(laboratory: Laboratory) -> None:
    written = laboratory.cache.statistics.batches
    changes = [deltas.Put(_kinds.MESSAGES, "", str(number), {"id": str(number)}) for number in range(500)]
    laboratory.write(changes, [True] * len(changes))
    assert len(laboratory.stored()) == 500
    assert laboratory.cache.statistics.batches == written + 1


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ([1_500_000] * 2, [2]),
        ([1_500_000, 3_000_000, 1_500_000], [1, 1, 1]),
        ([1_500_000] * 7, [5, 2]),
        ([400_000] * 4, [2]),
        ([9_000_000], [1]),
    ],
)
def test_what_is_sent_in_one_go_is_bounded_and_a_large_delta_goes_alone(
    laboratory: Laboratory, sizes: list[int], expected: list[int]
) -> None:
    for size in sizes:
        delta = _delta.Delta()
        delta.size = size
        laboratory.writer._closed.append(delta)

    found: list[int] = []
    while taken := laboratory.writer._take():
        found.append(len(taken))
    assert found == expected


class Unpacked(deltas.Drop):
    """What no draft lets through."""

    def describe(self, draft: _draft.Draft) -> None:
        draft.steps.append((_delta.Delta.drop, (self.kind, self.guild, self.entity)))


def test_what_cannot_be_packed_costs_none_of_its_neighbours_in_the_same_batch(
    laboratory: Laboratory, caplog: pytest.LogCaptureFixture
) -> None:
    puts = [deltas.Put(_kinds.ROLES, guild, "5", {"id": "5"}) for guild in deltas.GUILDS]
    laboratory.write([*puts[:1], Unpacked(_kinds.MESSAGES, "", "\ud800"), *puts[1:]])
    assert {KEYS.in_guild("role", guild) for guild in deltas.GUILDS} <= laboratory.stored().keys()
    assert laboratory.cache.statistics.skipped == 1
    assert sum("are skipped" in record.getMessage() for record in caplog.records) == 1


def test_a_delta_that_cannot_be_packed_costs_none_of_its_neighbours(
    laboratory: Laboratory, caplog: pytest.LogCaptureFixture
) -> None:
    laboratory.writer._batch_bytes = 1
    changes: list[deltas.Change] = [
        deltas.Put(_kinds.MESSAGES, "", "1", {"id": "1"}),
        Unpacked(_kinds.MESSAGES, "", "\ud800"),
        deltas.Put(_kinds.MESSAGES, "", "2", {"id": "2"}),
    ]
    laboratory.write(changes, [True] * len(changes))
    assert laboratory.stored().keys() == {KEYS.single("message", "1"), KEYS.single("message", "2")}
    assert laboratory.cache.statistics.skipped == 1
    assert sum("are skipped" in record.getMessage() for record in caplog.records) == 1


def test_a_partial_update_after_its_channel_was_emptied_sets_the_entity_anew(laboratory: Laboratory) -> None:
    thread = deltas.entities_of(_kinds.THREADS, GUILD)[0]
    channel = deltas.CHANNELS[GUILD][int(thread) % 2]
    old = {"id": thread, "parent_id": channel, "a": 1}
    new = {"id": thread, "parent_id": channel, "b": 2}
    changes = [
        deltas.ClearChannel(_kinds.THREADS, GUILD, channel),
        deltas.Lay(_kinds.THREADS, GUILD, thread, new, new),
    ]
    model = deltas.Model()
    model.set(_kinds.THREADS, GUILD, thread, new)
    laboratory.write([deltas.Put(_kinds.THREADS, GUILD, thread, old)])
    laboratory.write(changes)
    _check(laboratory.stored(), model)


def test_a_partial_update_of_what_went_with_its_channel_leaves_nothing(laboratory: Laboratory) -> None:
    thread = deltas.entities_of(_kinds.THREADS, GUILD)[0]
    channel = deltas.CHANNELS[GUILD][int(thread) % 2]
    laboratory.write([deltas.Put(_kinds.THREADS, GUILD, thread, {"id": thread, "parent_id": channel})])
    laboratory.write(
        [
            deltas.ClearChannel(_kinds.THREADS, GUILD, channel),
            deltas.Lay(_kinds.THREADS, GUILD, thread, {"member": {}}, None),
        ]
    )
    _check(laboratory.stored(), _registered(_kinds.THREADS, GUILD))


def test_a_guild_that_was_left_does_not_lend_its_record_to_one_joined_later(laboratory: Laboratory) -> None:
    record = {"id": GUILD, "a": 1}
    laboratory.write([deltas.Put(_kinds.GUILDS, "", GUILD, {"id": GUILD, "b": 2})])
    laboratory.write(
        [
            deltas.Depart(_kinds.GUILDS, "", _delta.Departure(1, 2, frozenset())),
            deltas.Lay(_kinds.GUILDS, "", GUILD, record, record),
        ]
    )
    model = deltas.Model()
    model.set(_kinds.GUILDS, "", GUILD, record)
    _check(laboratory.stored(), model)


def _registered(kind: deltas.Kind, guild: str) -> deltas.Model:
    model = deltas.Model()
    model.registered[kind] = {guild}
    return model


def test_an_entity_deleted_by_somebody_else_meanwhile_is_not_brought_back_nor_indexed(
    laboratory: Laboratory, monkeypatch: pytest.MonkeyPatch
) -> None:
    thread = deltas.entities_of(_kinds.THREADS, GUILD)[0]
    payload = {"id": thread, "parent_id": deltas.CHANNELS[GUILD][int(thread) % 2]}
    message = {"id": "100", "content": "a"}
    laboratory.write(
        [deltas.Put(_kinds.THREADS, GUILD, thread, payload), deltas.Put(_kinds.MESSAGES, "", "100", message)]
    )
    exchange = _connections.Database.exchange

    async def delete_after_reading(database: typing.Any, commands: bytes | list[bytes], replies: int, /) -> typing.Any:
        found = await exchange(database, commands, replies)
        sent = commands if isinstance(commands, bytes) else b"".join(commands)
        if b"MGET" in sent and b"EXEC" not in sent:
            laboratory.raw.flushdb()
            deleted.append(sent)
        return found

    deleted: list[bytes] = []
    monkeypatch.setattr(_connections.Database, "exchange", delete_after_reading)
    laboratory.write(
        [
            deltas.Lay(_kinds.THREADS, GUILD, thread, {**payload, "name": "b"}, {**payload, "name": "b"}),
            deltas.Lay(_kinds.MESSAGES, "", "100", {"content": "b"}, None),
        ]
    )
    assert deleted
    assert laboratory.stored() == {}


def test_a_voice_move_leaves_the_member_in_one_channel(laboratory: Laboratory) -> None:
    for channel in (CHANNEL, OTHER_CHANNEL):
        laboratory.write([deltas.Put(_kinds.VOICE_STATES, GUILD, "100", {"id": "100", "channel_id": channel})])

    stored = laboratory.stored()
    assert KEYS.in_channel("voice_state", CHANNEL) not in stored
    assert _text(stored[KEYS.in_channel("voice_state", OTHER_CHANNEL)]) == {"100": GUILD}
    assert _text(stored[KEYS.channels_in_guild("voice_state", GUILD)]) == {"100": OTHER_CHANNEL}


def test_lists_longer_than_a_script_can_unpack_at_once_are_whole(laboratory: Laboratory) -> None:
    count = 9_000
    roles = {str(number): {"id": str(number)} for number in range(1_000, 1_000 + count)}
    states = {
        str(number): {"id": str(number), "channel_id": deltas.CHANNELS[GUILD][number % 2]} for number in range(count)
    }
    model = deltas.Model()
    laboratory.write([deltas.Replace(_kinds.ROLES, GUILD, roles), deltas.Replace(_kinds.VOICE_STATES, GUILD, states)])
    for kind, payloads in ((_kinds.ROLES, roles), (_kinds.VOICE_STATES, states)):
        for entity, payload in payloads.items():
            model.set(kind, GUILD, entity, payload)

    _check(laboratory.stored(), model)
    half = list(roles)[::2]
    laboratory.write(
        [
            *(deltas.Drop(_kinds.ROLES, GUILD, role) for role in half),
            deltas.ClearChannel(_kinds.VOICE_STATES, GUILD, CHANNEL),
        ]
    )
    for role in half:
        del model.of(_kinds.ROLES, GUILD)[role]
    model.clear_channel(_kinds.VOICE_STATES, GUILD, CHANNEL)
    _check(laboratory.stored(), model)
    laboratory.write([deltas.Clear(_kinds.ROLES, GUILD), deltas.Clear(_kinds.VOICE_STATES, GUILD)])
    assert laboratory.stored() == {}


def test_a_guild_larger_than_a_batch_replaces_the_old_one_whole(laboratory: Laboratory) -> None:
    def members(generation: int, count: int) -> dict[str, deltas.Payload]:
        return {str(number): {"id": str(number), "g": generation, "x": "x" * 600} for number in range(count)}

    for generation, count in ((1, 6_000), (2, 5_000), (3, 10)):
        model = deltas.Model()
        found = members(generation, count)
        for entity, payload in found.items():
            model.set(_kinds.MEMBERS, GUILD, entity, payload)
        laboratory.write([deltas.Replace(_kinds.MEMBERS, GUILD, found)])
        _check(laboratory.stored(), model)
        assert laboratory.raw.pttl(KEYS.in_guild("member", GUILD)) == -1


def test_more_users_than_a_batch_takes_are_all_written(laboratory: Laboratory) -> None:
    users = {str(number): {"id": str(number), "x": "x" * 600} for number in range(5_000)}
    laboratory.write([deltas.Put(_kinds.USERS, "", entity, payload) for entity, payload in users.items()])
    stored = laboratory.stored()
    assert {key.removeprefix("user:"): orjson.loads(data) for key, data in stored.items()} == users
    assert all(0 < laboratory.raw.pttl(f"user:{entity}") <= 3_600_000 for entity in list(users)[::500])


@pytest.mark.parametrize("content", ["", "\x00\r\n$5\r\n", "ünï ☃ 😀", "[]", '{"a": []}'])
def test_any_text_is_stored_as_it_is(laboratory: Laboratory, content: str) -> None:
    payload = {"id": "100", "content": content, "embeds": [], "flags": 2**53 + 1, "big": 2**63 - 1}
    laboratory.write([deltas.Put(_kinds.MESSAGES, "", "100", payload)])
    laboratory.write([deltas.Lay(_kinds.MESSAGES, "", "100", {"pinned": True}, None)])
    assert orjson.loads(laboratory.raw.get("message:100")) == {**payload, "pinned": True}


@marks.needs_statistics
def test_one_transaction_is_all_that_many_changes_cost(laboratory: Laboratory) -> None:
    laboratory.write([deltas.Put(_kinds.ROLES, GUILD, "11", {"id": "11"})])
    laboratory.raw.config_resetstat()
    laboratory.write(
        deltas.Put(kind, guild, entity, {"id": entity, "parent_id": None, "channel_id": None})
        for kind in deltas.OF_GUILDS
        for guild in deltas.GUILDS
        for entity in deltas.entities_of(kind, guild)
    )
    statistics = laboratory.raw.info("commandstats")
    assert statistics["cmdstat_exec"]["calls"] == 1
    assert sum(found["calls"] for name, found in statistics.items() if name in SENT) <= 20
