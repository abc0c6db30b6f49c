# SPDX-License-Identifier: BSD-3-Clause
"""Deltas on their way to a server: well-formed calls, which leave what the changes come to and nothing else."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import itertools
import re
import typing
import zlib
from collections import abc as collections
from collections import deque
from unittest import mock

import fakeredis
import hypothesis
import orjson
import pytest
import redis
from _support import deltas
from _support import gateway
from _support import keys
from _support import marks
from _support import servers
from hypothesis import strategies

import sake.redis
from sake.redis._engine import connections as _connections
from sake.redis._model import codec as _codec
from sake.redis._model import delta as _delta
from sake.redis._model import draft as _draft
from sake.redis._model import facts as _facts
from sake.redis._model import keys as _keys
from sake.redis._model import kinds as _kinds
from sake.redis._model import plan as _plan
from sake.redis._model import replies as _replies
from sake.redis._model import script as _script
from sake.redis._model import setup as _setup
from sake.redis._model import statistics as _statistics
from sake.redis._model import transaction as _transaction
from sake.redis._model import wire as _wire

GUILD, OTHER_GUILD, _ = deltas.GUILDS
CHANNEL, OTHER_CHANNEL = deltas.CHANNELS[GUILD]
DATABASE = 0
KEYS = _keys.Keys()
PLACES = 5
TAGS = {guild: number for number, guild in enumerate(deltas.GUILDS)}

ALLOWED = {b"EVAL", b"HDEL", b"HSET", b"MSET", b"MSETEX", b"SADD", b"SET", b"SREM", b"UNLINK"}

SENT = {f"cmdstat_{name.decode().lower()}" for name in ALLOWED - {b"HSET", b"HDEL"}}

# Steps of the script: how many keys each names, and how many arguments follow those; or a count and that many times.
STEPS = {
    b"check": (1, 1),
    b"clear": (2, 2),
    b"drop": (2, "n"),
    b"empty": (2, 1),
    b"put": (1, "n"),
    b"amend": (1, "n"),
    b"place": (2, "n"),
    b"renew": (1, 1),
    b"reset": (1, 2),
    b"expire": (1, 2),
    b"rename": (2, 0),
}

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


def _commands(data: bytes) -> list[list[bytes]]:
    found: list[list[bytes]] = []
    while data:
        command, data = _parse(data)
        found.append(command)

    return found


def _keys_of(command: list[bytes]) -> list[bytes]:
    """Return the keys that a command names, by what is documented of it."""
    name, *arguments = command
    if name in {b"MULTI", b"EXEC"}:
        return []
    if name == b"EVAL":
        return arguments[2 : 2 + int(arguments[1])]
    if name == b"MSET":
        return arguments[::2]
    if name == b"MSETEX":
        return arguments[1 : 1 + 2 * int(arguments[0]) : 2]
    if name in {b"UNLINK", b"MGET"}:
        return arguments

    return arguments[:1]


def _keys_of_steps(arguments: list[bytes]) -> set[int]:
    """Return the numbers of the keys that the steps of a script name."""
    left = iter(arguments)
    named: set[int] = set()
    for step in left:
        key_count, following = STEPS[step]
        numbers = [int(next(left)) for _ in range(key_count)]
        if following == "n":
            deque(itertools.islice(left, int(next(left))), maxlen=0)
        else:
            taken = [*itertools.islice(left, int(following))]
            if step == b"expire":
                numbers = [numbers[0] + further for further in range(int(taken[0]))]
        named |= {number for number in numbers if number}

    return named


@deltas.SETTINGS
@hypothesis.given(deltas.streams(departures=False), strategies.booleans(), strategies.booleans())
def test_a_transaction_is_as_many_whole_commands_as_it_says(
    changes: list[deltas.Change], has_msetex: bool, is_spread: bool
) -> None:
    (delta,) = deltas.describe(changes)
    named = _keys.Keys(slot_of=_slot_of) if is_spread else KEYS
    transaction = _transaction.Transaction(named, has_msetex=has_msetex)
    for scope in _scopes(delta):
        transaction.add(scope)

    for packed in transaction.finish():
        commands = _commands(packed.parcel.data)
        assert len(commands) == packed.parcel.replies
        assert packed.is_transaction == (len(packed.about) > 1) == (commands[0] == [b"MULTI"])
        if packed.is_transaction:
            assert commands.pop() == [b"EXEC"]
            del commands[0]
        assert len(commands) == len(packed.about)
        assert {command[0] for command in commands} <= ALLOWED
        for command in commands:
            found = _keys_of(command)
            assert {named.slot_of(key.decode()) for key in found} <= {packed.slot}
            assert all(keys.use_of(key) for key in found)
            if command[0] == b"EVAL":
                assert _keys_of_steps(command[3 + len(found) :]) == set(range(1, len(found) + 1))


def test_a_delta_that_says_nothing_is_no_command() -> None:
    assert _transaction.Transaction(KEYS, has_msetex=False).finish() == []


def test_the_steps_of_the_script_are_those_that_are_known_here() -> None:
    defined = re.findall(r"function run\.([a-z]+)", _script.SOURCE)
    assert {name.decode() for name in STEPS} == {*defined, "check"}


# On a model of a server, in several places


def _slot_of(key: str) -> int:
    """Spread keys over some places as a cluster does: by their tag if they have one, else by all of their name."""
    _, _, rest = key.partition("{")
    tag, end, _ = rest.partition("}")
    return zlib.crc32((tag if end and tag else key).encode()) % PLACES


class Places:
    """Servers in this process, one for each place, to each of which is sent only what is meant for it."""

    def __init__(self, slot_of: collections.Callable[[str], int]) -> None:
        self.clients = [
            fakeredis.FakeRedis(server=fakeredis.FakeServer(), db=DATABASE, protocol=2) for _ in range(PLACES)
        ]
        self._slot_of = slot_of

    def clean(self) -> None:
        for client in self.clients:
            client.flushall()

    def send(self, parcels: collections.Iterable[_wire.Parcel]) -> list[list[typing.Any]]:
        return [list(self._send(parcel)) for parcel in parcels]

    def _send(self, parcel: _wire.Parcel) -> collections.Iterator[typing.Any]:
        commands = _commands(parcel.data)
        for command in commands:
            assert {self._slot_of(key.decode()) for key in _keys_of(command)} <= {parcel.slot}, command
        client = self.clients[parcel.slot]
        if commands[0] == [b"MULTI"]:
            answers = [self._execute(client, command) for command in commands[1:-1]]
            yield from [b"OK", *[b"QUEUED"] * len(answers), answers]
        else:
            yield from (self._execute(client, command) for command in commands)

    def _execute(self, client: fakeredis.FakeRedis, command: list[bytes]) -> typing.Any:
        # Replies are wanted as they are on the wire.
        client.response_callbacks.clear()
        try:
            return client.execute_command(*command)
        except redis.ResponseError as exc:
            return _replies.ReplyError(str(exc))

    def stored(self) -> Stored:
        found: Stored = {}
        for number, client in enumerate(self.clients):
            for key in client.execute_command("KEYS", "*"):
                assert self._slot_of(key.decode()) == number
                found[key.decode()] = _read(client, key)
        return found


@dataclasses.dataclass
class Line:
    """Writes deltas to a model of a server as a writer does, but without an event loop."""

    places: Places
    keys: _keys.Keys

    def __post_init__(self) -> None:
        codec = _codec.Codec()
        self.facts = _facts.Facts(self.keys)
        self.setup = _setup.Setup(
            backlog_limit=1_000_000,
            codec=codec,
            keys=self.keys,
            layout=dict.fromkeys(deltas.KINDS, DATABASE),
            lifetimes={kind: kind.lifetime for kind in deltas.KINDS if kind.lifetime},
            packer=deltas.PACKER,
            read_timeout=1.0,
            reference=DATABASE,
            statistics=_statistics.Statistics(),
        )

    def write(self, batch: list[_delta.Delta], *, is_cut_off: bool = False) -> None:
        """Write deltas in one go; where it `is_cut_off`, the server is away before all that is useless is removed."""
        if batch[0].departures:
            self._depart(batch[0])
        packed, written = self.facts.write(batch, _is_never_away)
        self._send(packed)
        written()
        plan = _plan.Plan(self.setup, "token")
        for delta in batch:
            scopes = [
                (kind, guild, changes) for kind, guilds in delta.kinds.items() for guild, changes in guilds.items()
            ]
            plan.add(_plan.Share(delta, 0, scopes))
        self.facts.discard(batch, self._carry_out(plan))
        packed, removed = self.facts.remove(_is_never_away)
        if is_cut_off:
            self.facts.forget()
            return

        self._send(packed)
        removed()

    def _depart(self, delta: _delta.Delta) -> None:
        ((stored,),) = self.places.send([_wire.parcel(self.keys, "SMEMBERS", self.keys.guilds())])
        for guild in (name.decode() for name in stored):
            if any(departure.covers(guild) for departure in delta.departures):
                delta.vacate(guild, deltas.IN_GUILDS)
        delta.departures.clear()

    def _carry_out(self, plan: _plan.Plan) -> list[str]:
        steps, answers, gone = plan.steps(None, has_msetex=False), None, []
        while True:
            try:
                step = steps.send(answers)
            except StopIteration:
                return gone
            answers = None
            if isinstance(step, _plan.Ask):
                answers = [answer for (answer,) in self.places.send(step.commands)]
            elif isinstance(step, _plan.Send):
                gone += self._send(step.packed)

    def _send(self, packed: list[_transaction.Packed]) -> list[str]:
        told: list[str] = []
        for each, answers in zip(packed, self.places.send(one.parcel for one in packed), strict=True):
            results = answers[-1] if each.is_transaction else answers
            for result in results:
                assert not isinstance(result, _replies.ReplyError), result
                if isinstance(result, list):
                    failed, ids = result
                    assert not failed
                    told += [entity.decode() for entity in ids]
        return told


def _cut(drawn: strategies.DrawFn | typing.Any, parts: list[_delta.Delta]) -> list[list[_delta.Delta]]:
    """Draw which of some deltas are joined, and which are written in one go."""
    batches: list[list[_delta.Delta]] = []
    for part in filter(None, parts):
        choice = drawn(strategies.sampled_from(["join", "together", "apart"]))
        # Those who left are removed before anything else that is written in one go.
        if batches and choice == "join" and not (part.departures and len(batches[-1]) > 1):
            batches[-1][-1].then(part, deltas.IN_GUILDS)
        elif batches and choice == "together" and not part.departures:
            batches[-1].append(part)
        else:
            batches.append([part])

    return batches


@pytest.mark.parametrize("is_spread", [False, True], ids=["one place", "several places"])
def test_whatever_is_joined_and_cut_comes_to_what_the_changes_do_one_by_one(is_spread: bool) -> None:
    slot_of = _slot_of if is_spread else _only_place
    places = Places(slot_of)
    named = _keys.Keys(slot_of=slot_of) if is_spread else KEYS

    @hypothesis.settings(deadline=None, max_examples=150)
    @hypothesis.given(data=strategies.data())
    def check(data: strategies.DataObject) -> None:
        places.clean()
        line, model = Line(places, named), deltas.Model()
        parts: list[_delta.Delta] = []
        for changes in data.draw(deltas.several_streams(4)):
            parts += deltas.describe(changes)
            for change in changes:
                change.happen(model)
        with mock.patch.multiple(_plan, _TRANSACTION_ENTRIES=data.draw(strategies.sampled_from([2, 2_000]))):
            for batch in _cut(data.draw, parts):
                line.write(batch)
        _check(places.stored(), model)

    check()


def _is_never_away(_: int) -> bool:
    return False


def _only_place(_: str) -> int:
    return 0


def test_a_code_that_is_set_twice_lets_nothing_else_expire() -> None:
    places = Places(_only_place)
    line = Line(places, KEYS)
    (delta,) = deltas.describe(
        [
            deltas.Put(_kinds.INVITES, "", "abc", {"channel_id": None}),
            deltas.Put(_kinds.INVITES, GUILD, "abc", {"channel_id": CHANNEL}),
            deltas.Put(_kinds.INVITES, GUILD, "def", {"channel_id": CHANNEL}),
            deltas.Put(_kinds.ROLES, GUILD, "5", {"id": "5"}),
        ]
    )
    line.write([delta])
    (client, *_) = places.clients
    lifetimes = {key: client.execute_command("PTTL", key) for key in places.stored()}
    assert {key for key, lifetime in lifetimes.items() if lifetime != -1} == {
        keys.single("invite", "abc"),
        keys.single("invite", "def"),
    }


def test_a_guild_that_is_joined_again_just_after_it_was_left_is_listed_and_its_ids_are_known() -> None:
    places = Places(_only_place)
    line, model = Line(places, KEYS), deltas.Model()
    streams: list[list[deltas.Change]] = [
        [deltas.Put(_kinds.ROLES, GUILD, "5", {"id": "5"})],
        [deltas.Leave(_kinds.ROLES, GUILD)],
        [deltas.Put(_kinds.ROLES, GUILD, "6", {"id": "6"})],
    ]
    for change in itertools.chain.from_iterable(streams):
        change.happen(model)
    first, *others = [_delta for stream in streams for _delta in deltas.describe(stream)]
    line.write([first])
    line.write(others)
    _check(places.stored(), model)


def test_what_was_of_no_use_and_is_needed_again_before_it_could_be_removed_stays() -> None:
    places = Places(_only_place)
    line, model = Line(places, KEYS), deltas.Model()
    set_role = deltas.Put(_kinds.ROLES, GUILD, "5", {"id": "5"})
    line.write(deltas.describe([set_role]))
    (left,) = deltas.describe([deltas.Leave(_kinds.ROLES, GUILD)])
    line.write([left], is_cut_off=True)
    line.write(deltas.describe([set_role]))
    set_role.happen(model)
    _check(places.stored(), model)


# On a server


class Laboratory:
    """A cache without events, whose writer is given deltas, and a client to look at what they leave."""

    def __init__(self, server: servers.Server, runner: asyncio.Runner, *, is_spread: bool = False) -> None:
        bot = gateway.make_bot()
        self.cache = sake.redis.RedisCache(server.url, bot, database=DATABASE, **server.options)
        if is_spread:
            self.cache._blueprint.keys = _keys.Keys(slot_of=_slot_of)
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

    def clean(self) -> None:
        """Remove everything; the writer is told what a lost connection would tell it."""
        self.raw.flushdb()
        self.engine.facts.forget()
        # It is not to be missed either.
        for epoch in self.writer._epochs._epochs.values():
            epoch._numbers.clear()
            epoch._floor = 0

    def write(self, changes: collections.Iterable[deltas.Change], cuts: collections.Iterable[bool] = ()) -> None:
        """Write changes as one delta, or several where a cut says so; wait until the server has them."""
        self.run(self._write(list(changes), list(cuts)))

    async def _write(self, changes: list[deltas.Change], cuts: list[bool]) -> None:
        cut_at = dict(enumerate(cuts))
        for number, change in enumerate(changes):
            if isinstance(change, deltas.Depart) or cut_at.get(number):
                self.writer.cut()
            # As events are.
            change.describe(self.writer.draft)
            self.writer.add(self.writer.draft)

        await self.cache.flush()

    def stored(self) -> Stored:
        """Return all that is stored, but for how and when it was."""
        stored = [key for key in self.raw.scan_iter() if not keys.is_of_sake_itself(key)]
        return {key.decode(): _read(self.raw, key) for key in stored}


def _read(client: redis.Redis, key: bytes) -> typing.Any:
    kind = client.execute_command("TYPE", key)
    if kind in {b"hash", "hash"}:
        found = client.execute_command("HGETALL", key)
        pairs = found.items() if isinstance(found, dict) else zip(found[::2], found[1::2], strict=True)
        return {name.decode(): value for name, value in pairs}
    if kind in {b"set", "set"}:
        return {member.decode() for member in client.execute_command("SMEMBERS", key)}

    assert kind in {b"string", "string"}, kind
    return client.execute_command("GET", key)


MakeLaboratory = collections.Callable[..., Laboratory]


@pytest.fixture
def make_laboratory(server: servers.Server) -> collections.Iterator[MakeLaboratory]:
    with contextlib.ExitStack() as stack:
        runner = stack.enter_context(asyncio.Runner())
        yield lambda **options: stack.enter_context(contextlib.closing(Laboratory(server, runner, **options)))


@pytest.fixture
def laboratory(make_laboratory: MakeLaboratory) -> Laboratory:
    return make_laboratory()


def _decoded(entries: dict[str, bytes]) -> dict[str, deltas.Payload]:
    return {entity: deltas.read(data) for entity, data in entries.items()}


def _text(entries: dict[str, bytes]) -> dict[str, str]:
    return {entity: data.decode() for entity, data in entries.items()}


def _check(stored: Stored, model: deltas.Model) -> None:
    """Compare everything that is stored with what the model says, taking away what is accounted for."""
    left = dict(stored)
    for kind, guild in [*deltas.scopes(), *((_kinds.INVITES, "") for _ in range(1))]:
        entities = model.payloads().get((kind, guild), {})
        if kind.shape is _kinds.Shape.SINGLE:
            for entity, payload in entities.items():
                assert orjson.loads(left.pop(keys.single(kind.name, entity))) == payload, (kind.name, entity)
        else:
            assert _decoded(left.pop(keys.in_guild(kind.name, guild), {})) == entities, (kind.name, guild)
        if kind.channel_of is not None and guild:
            places = {entity: place for entity, payload in entities.items() if (place := kind.channel_of(payload))}
            assert _text(left.pop(keys.channels(kind.name, guild), {})) == places, (kind.name, guild)

    needed = model.here | {guild for _, guild in model.payloads() if guild}
    assert needed <= left.pop(keys.guilds(), set()) <= model.listed
    _check_facts(left, model)
    assert left == {}


def _check_facts(left: Stored, model: deltas.Model) -> None:
    facts: dict[str, str] = {}
    for key in [key for key in left if keys.use_of(key) == "guild-of"]:
        bucket = _text(left.pop(key))
        assert {keys.guild_of(entity) for entity in bucket} == {key}
        facts |= bucket
    assert model.needed_facts().items() <= facts.items() <= model.possible_facts().items()


def _check_lifetimes(raw: redis.Redis, model: deltas.Model) -> None:
    for (kind, _), entries in model.entries.items():
        if kind.shape is not _kinds.Shape.SINGLE:
            continue
        for entity, (_, lifetime) in entries.items():
            left = raw.pttl(keys.single(kind.name, entity))
            expected = kind.lifetime if lifetime is None else lifetime
            assert left == -1 if not expected else expected - 30_000 < left <= expected, (kind.name, entity, left)

    for key in raw.scan_iter():
        assert raw.type(key) == b"string" or raw.pttl(key) == -1, key


@pytest.mark.parametrize("is_spread", [False, True], ids=["one place", "several places"])
def test_a_server_holds_what_the_changes_come_to_and_no_dangling_entry(
    make_laboratory: MakeLaboratory, server: servers.Server, is_spread: bool
) -> None:
    laboratory = make_laboratory(is_spread=is_spread)

    @hypothesis.settings(deadline=None, max_examples=server.share(120))
    @hypothesis.given(data=strategies.data())
    def check(data: strategies.DataObject) -> None:
        before, changes = data.draw(deltas.several_streams(2))
        drawn = strategies.integers(0, 4).map(lambda number: number == 0)
        cuts = data.draw(strategies.lists(drawn, max_size=len(changes)))
        # What is written next is prepared while what came before it is on its way.
        in_one_go = data.draw(strategies.sampled_from([1, 1_000, laboratory.writer._exchange_bytes]))
        laboratory.clean()
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
            return deltas.Mark(kind, guild)
        return deltas.Put(kind, guild, entity, {**payload, "id": entity})

    model = deltas.Model()
    first = [sets(entity) for entity in entities]
    second = [deltas.Drop(kind, guild, entities[0]), deltas.Clear(kind, guild), *first[:count]]
    third = [deltas.Clear(kind, guild)]
    for changes in (first, second, third):
        for change in changes:
            change.happen(model)
        laboratory.write(changes)
        _check(laboratory.stored(), model)

    laboratory.write([deltas.Leave(kind, guild)])
    assert laboratory.stored() == {}


@pytest.mark.parametrize("in_one_go", [1, 8_388_608])
def test_a_partial_update_builds_on_what_is_on_its_way_to_the_server(
    laboratory: Laboratory, in_one_go: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    send = _connections.Database.send

    async def send_writes_late(
        database: _connections.Database, parcels: collections.Sequence[_wire.Parcel], /, **options: typing.Any
    ) -> typing.Any:
        if not any(b"MGET" in parcel.data for parcel in parcels):
            await asyncio.sleep(0.01)
        return await send(database, parcels, **options)

    monkeypatch.setattr(_connections.Database, "send", send_writes_late)
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
        keys.single(kind.name, message): {"id": message, "a": 1, "b": 2} for message in (kept, new)
    }


def test_an_entry_that_cannot_be_read_costs_only_its_own_update(laboratory: Laboratory) -> None:
    thread, other = deltas.entities_of(_kinds.THREADS, GUILD)[:2]
    payload = {"id": other, "parent_id": deltas.CHANNELS[GUILD][0]}
    laboratory.raw.hset(keys.in_guild("thread", GUILD), thread, b"no JSON")
    laboratory.writer._batch_bytes = 1
    changes: list[deltas.Change] = [
        deltas.ClearChannel(_kinds.THREADS, GUILD, deltas.CHANNELS[GUILD][1]),
        deltas.Put(_kinds.THREADS, GUILD, other, payload),
        deltas.Lay(_kinds.THREADS, GUILD, thread, {"a": 1}, None),
        deltas.Lay(_kinds.THREADS, GUILD, thread, {"a": 2}, {**payload, "id": thread}),
    ]
    laboratory.write(changes, [True] * len(changes))
    assert laboratory.raw.hgetall(keys.in_guild("thread", GUILD)) == {
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
    assert {keys.in_guild("role", guild) for guild in deltas.GUILDS} <= laboratory.stored().keys()
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
    assert laboratory.stored().keys() == {keys.single("message", "1"), keys.single("message", "2")}
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
    model = deltas.Model()
    model.learn(_kinds.THREADS, GUILD, thread, {"parent_id": channel})
    _check(laboratory.stored(), model)


def test_a_guild_that_was_left_does_not_lend_its_record_to_one_joined_later(laboratory: Laboratory) -> None:
    record = {"id": GUILD, "a": 1}
    laboratory.write([deltas.Put(_kinds.GUILDS, GUILD, GUILD, {"id": GUILD, "b": 2})])
    laboratory.write(
        [
            deltas.Depart(_kinds.GUILDS, "", _delta.Departure(1, 2, frozenset())),
            deltas.Lay(_kinds.GUILDS, GUILD, GUILD, record, record),
        ]
    )
    model = deltas.Model()
    model.set(_kinds.GUILDS, GUILD, GUILD, record)
    _check(laboratory.stored(), model)


def test_an_entity_deleted_by_somebody_else_meanwhile_is_not_brought_back_nor_indexed(
    laboratory: Laboratory, monkeypatch: pytest.MonkeyPatch
) -> None:
    thread = deltas.entities_of(_kinds.THREADS, GUILD)[0]
    payload = {"id": thread, "parent_id": deltas.CHANNELS[GUILD][int(thread) % 2]}
    message = {"id": "100", "content": "a"}
    laboratory.write(
        [deltas.Put(_kinds.THREADS, GUILD, thread, payload), deltas.Put(_kinds.MESSAGES, "", "100", message)]
    )
    send = _connections.Database.send

    async def delete_after_reading(
        database: _connections.Database, parcels: collections.Sequence[_wire.Parcel], /, **options: typing.Any
    ) -> typing.Any:
        found = await send(database, parcels, **options)
        sent = b"".join(parcel.data for parcel in parcels)
        if b"MGET" in sent and b"EXEC" not in sent:
            laboratory.raw.delete(keys.in_guild("thread", GUILD), keys.channels("thread", GUILD))
            laboratory.raw.delete(keys.single("message", 100))
            deleted.append(sent)
        return found

    deleted: list[bytes] = []
    monkeypatch.setattr(_connections.Database, "send", delete_after_reading)
    laboratory.write(
        [
            deltas.Lay(_kinds.THREADS, GUILD, thread, {**payload, "name": "b"}, {**payload, "name": "b"}),
            deltas.Lay(_kinds.MESSAGES, "", "100", {"content": "b"}, None),
        ]
    )
    assert deleted
    model = deltas.Model()
    model.learn(_kinds.THREADS, GUILD, thread, payload)
    _check(laboratory.stored(), model)


def test_a_voice_move_leaves_the_member_in_one_channel(laboratory: Laboratory) -> None:
    for channel in (CHANNEL, OTHER_CHANNEL):
        laboratory.write([deltas.Put(_kinds.VOICE_STATES, GUILD, "100", {"id": "100", "channel_id": channel})])

    stored = laboratory.stored()
    assert _text(stored[keys.channels("voice_state", GUILD)]) == {"100": OTHER_CHANNEL}


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
    laboratory.write([deltas.Leave(_kinds.ROLES, GUILD)])
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
        assert laboratory.raw.pttl(keys.in_guild("member", GUILD)) == -1


def test_more_users_than_a_batch_takes_are_all_written(laboratory: Laboratory) -> None:
    users = {str(number): {"id": str(number), "x": "x" * 600} for number in range(5_000)}
    laboratory.write([deltas.Put(_kinds.USERS, "", entity, payload) for entity, payload in users.items()])
    stored = laboratory.stored()
    assert {key.removeprefix("sake:user:"): orjson.loads(data) for key, data in stored.items()} == users
    assert all(0 < laboratory.raw.pttl(keys.single("user", entity)) <= 3_600_000 for entity in list(users)[::500])


@pytest.mark.parametrize("content", ["", "\x00\r\n$5\r\n", "ünï ☃ 😀", "[]", '{"a": []}'])
def test_any_text_is_stored_as_it_is(laboratory: Laboratory, content: str) -> None:
    payload = {"id": "100", "content": content, "embeds": [], "flags": 2**53 + 1, "big": 2**63 - 1}
    laboratory.write([deltas.Put(_kinds.MESSAGES, "", "100", payload)])
    laboratory.write([deltas.Lay(_kinds.MESSAGES, "", "100", {"pinned": True}, None)])
    assert orjson.loads(laboratory.raw.get(keys.single("message", 100))) == {**payload, "pinned": True}


@marks.needs_statistics
def test_one_transaction_and_one_for_facts_is_all_that_many_changes_cost(laboratory: Laboratory) -> None:
    laboratory.write([deltas.Put(_kinds.ROLES, GUILD, "11", {"id": "11"})])
    laboratory.raw.config_resetstat()
    laboratory.write(
        deltas.Put(kind, guild, entity, {"id": entity, "parent_id": None, "channel_id": None})
        for kind in deltas.OF_GUILDS
        for guild in deltas.GUILDS
        for entity in deltas.entities_of(kind, guild)
    )
    statistics = laboratory.raw.info("commandstats")
    assert statistics["cmdstat_exec"]["calls"] == 2
    assert sum(found["calls"] for name, found in statistics.items() if name in SENT) <= 20
