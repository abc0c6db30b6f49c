# SPDX-License-Identifier: BSD-3-Clause
"""What is stored, compared with what is true: field by field, as the models that hikari builds of both."""

from __future__ import annotations

__all__ = ["Comparison", "Verdict", "find_differences"]

import collections as collections_
import dataclasses
import datetime
import typing
from collections import abc as collections

import attrs
import hikari

from sake import _names
from sake import errors
from sake.cli import _kinds

if typing.TYPE_CHECKING:
    import sake

_Models: typing.TypeAlias = collections.Mapping[typing.Any, object]
_Payload: typing.TypeAlias = collections.Mapping[str, typing.Any]
_Sequence: typing.TypeAlias = collections.Sequence[object]

_APPLICATION: typing.Final = frozenset(("app", "_app"))
_MISSING: typing.Final = "nothing"
_PLAIN: typing.Final = frozenset((bool, datetime.datetime, float, hikari.Snowflake, int, str))


@dataclasses.dataclass(slots=True)
class Verdict:
    """The outcome of comparing a part of what is stored."""

    compared: dict[str, int] = dataclasses.field(default_factory=dict[str, int])
    """Kind of entity → how many were as they should be, or were reported."""

    differences: list[str] = dataclasses.field(default_factory=list[str])
    """What is not as it should be, in words."""

    notes: list[str] = dataclasses.field(default_factory=list[str])
    """What is worth knowing and right, in words."""

    def count(self, kind: str, number: int, /) -> None:
        """Take note that entities of a kind were compared."""
        self.compared[kind] = self.compared.get(kind, 0) + number

    def add(self, other: Verdict, /) -> None:
        """Take over what another verdict found."""
        for kind, number in other.compared.items():
            self.count(kind, number)

        self.differences += other.differences
        self.notes += other.notes

    def judge(
        self,
        kind: str,
        expected: _Models,
        found: _Models,
        /,
        *,
        where: str = "",
        ignored: collections.Set[str] = frozenset(),
    ) -> None:
        """Compare entities of a kind by their ids, and each two models field by field.

        Parameters
        ----------
        kind
            What one of them is called.
        expected
            What should be stored.
        found
            What is.
        where
            Added to the name of an entity.
        ignored
            Names of fields that are not compared.
        """
        self.count(kind, len(expected))
        for key, model in expected.items():
            name = f"{kind} {key}{where}"
            if key not in found:
                self.differences.append(f"{name} is missing")
                continue

            self.differences += [
                f"{name}: {path.removeprefix('.')} should be {wanted!r}, is {got!r}"
                for path, wanted, got in find_differences(model, found[key], ignored=ignored)
            ]

        self.differences += [f"{kind} {key}{where} should not be there" for key in found if key not in expected]


class Comparison:
    """Compares what a cache holds with what is true, guild by guild.

    Parameters
    ----------
    cache
        A cache of everything, which is only read.
    factory
        Builds the models of what is true.
    """

    __slots__ = ("_cache", "_channels", "_factory", "_found", "_invites", "_joined", "_messages", "_unavailable")

    def __init__(self, cache: sake.RedisCache, factory: hikari.api.EntityFactory, /) -> None:
        self._cache = cache
        self._factory = factory
        self._channels: set[hikari.Snowflake] = set()
        self._found: collections_.Counter[str] = collections_.Counter()
        self._invites: set[str] = set()
        self._joined: dict[hikari.Snowflake, hikari.GatewayGuild] = {}
        self._messages: set[hikari.Snowflake] = set()
        self._unavailable: set[hikari.Snowflake] = set()

    async def compare_guild(self, truth: _Payload, /) -> Verdict:
        """Compare a guild and everything in it.

        Parameters
        ----------
        truth
            What `sake.cli._truth.of_guild` made.

        Returns
        -------
        Verdict
            What was found.
        """
        verdict = Verdict()
        expected = self._factory.deserialize_gateway_guild(truth["record"], user_id=hikari.Snowflake(0)).guild()
        self._joined[expected.id] = expected
        self._channels |= {hikari.Snowflake(place["id"]) for name in ("channels", "threads") for place in truth[name]}
        verdict.judge("guild", {expected.id: expected}, await self._cache.get_guilds([expected.id]))
        await self._compare_availability(expected.id, available=truth["available"], verdict=verdict)
        for kind in _kinds.IN_GUILDS:
            found = await self._compare_kind(kind, expected.id, truth, verdict)
            if kind.name is _names.MEMBER:
                await self._compare_users(truth["members"], found, verdict)

        await self._compare_invites(truth["invites"], verdict)
        await self._compare_messages(truth["messages"], verdict)
        return verdict

    async def compare_rest(self, truth: _Payload, /) -> Verdict:
        """Compare what belongs to no guild, and look for what should not be there.

        Parameters
        ----------
        truth
            What `sake.cli._truth.of_rest` made. All guilds have to have been compared before.

        Returns
        -------
        Verdict
            What was found.
        """
        verdict = Verdict()
        try:
            stored_me = {"": await self._cache.get_me()}
        except errors.EntryNotFound:
            stored_me = {}

        verdict.judge("own user", {"": self._factory.deserialize_my_user(truth["me"])}, stored_me)
        await self._compare_messages(truth["direct_messages"], verdict)
        await self._find_surplus(verdict)
        return verdict

    async def _compare_availability(self, guild: hikari.Snowflake, /, *, available: bool, verdict: Verdict) -> None:
        if not available:
            self._unavailable.add(guild)

        try:
            stored = await self._cache.is_guild_available(guild)
        except errors.EntryNotFound:
            return

        if stored is not available:
            verdict.differences.append(f"guild {guild}: is_guild_available is {stored}, it should be {available}")

    async def _compare_kind(
        self, kind: _kinds.GuildKind[typing.Any], guild: hikari.Snowflake, truth: _Payload, verdict: Verdict, /
    ) -> _Models:
        expected = {kind.key(model): model for model in kind.build_all(self._factory, guild, truth)}
        found = {kind.key(model): model async for model in kind.read(self._cache, guild)}
        self._found[kind.name.words] += len(found)
        is_cut_short = kind.name is _names.MEMBER and not truth["available"]
        if is_cut_short and not await self._cache.is_member_list_complete(guild):
            verdict.notes.append(f"guild {guild} is in an outage that began before all of its members were received")
            expected = {user: member for user, member in expected.items() if user in found}

        verdict.judge(kind.name.words, expected, found, where=f" of guild {guild}", ignored=kind.ignored)
        if kind.check is not None:
            verdict.differences += [
                f"{kind.name.words} {key} of guild {guild}: {fault}"
                for key, model in found.items()
                if (fault := kind.check(model)) is not None
            ]

        return found

    async def _compare_users(
        self,
        members: collections.Iterable[_Payload],
        stored: collections.Container[hikari.Snowflake],
        verdict: Verdict,
        /,
    ) -> None:
        users = (self._factory.deserialize_user(member["user"]) for member in members)
        expected = {user.id: user for user in users if user.id in stored}
        verdict.judge("user", expected, await self._cache.get_users(expected))

    async def _compare_invites(self, invites: collections.Iterable[_Payload], verdict: Verdict, /) -> None:
        expected = {invite["code"]: self._factory.deserialize_invite_with_metadata(invite) for invite in invites}
        self._invites.update(expected)
        verdict.judge("invite", expected, await self._cache.get_invites(expected))

    async def _compare_messages(self, messages: collections.Iterable[_Payload], verdict: Verdict, /) -> None:
        expected = {message.id: message for message in map(self._factory.deserialize_message, messages)}
        self._messages.update(expected)
        verdict.judge("message", expected, await self._cache.get_messages(expected))

    async def _find_surplus(self, verdict: Verdict, /) -> None:
        """Look for what is stored though it does not exist."""
        cache = self._cache
        surplus = [f"guild {guild.id}" async for guild in cache.iter_guilds() if guild.id not in self._joined]
        surplus += [
            f"invite {invite.code}" async for invite in cache.iter_invites() if invite.code not in self._invites
        ]
        for guild in await cache.get_unavailable_guild_ids() - self._unavailable:
            verdict.differences.append(f"guild {guild} counts as unavailable, but it is not")

        for kind in _kinds.IN_GUILDS:
            stored = await kind.read_all(cache).len()
            if stored != self._found[kind.name.words]:
                number = stored - self._found[kind.name.words]
                verdict.differences.append(f"{number} {kind.name.plural} belong to guilds that do not exist")

        waiting = 0
        async for message in cache.iter_messages():
            if message.id in self._messages:
                continue

            if self._may_exist(message):
                surplus.append(f"message {message.id} of channel {message.channel_id}")
            else:
                waiting += 1

        verdict.differences += [f"{what} should not be there" for what in surplus]
        if waiting:
            verdict.notes.append(f"{waiting:,} messages of channels or guilds that are gone are kept until they expire")

    def _may_exist(self, message: hikari.Message, /) -> bool:
        """Return whether the gateway would have told of a message's deletion one by one."""
        if message.channel_id not in self._channels:
            return False

        joined = self._joined.get(hikari.Snowflake(message.guild_id or 0))
        return joined is None or joined.joined_at is None or message.created_at >= joined.joined_at


def find_differences(
    expected: object, found: object, /, *, ignored: collections.Set[str] = frozenset()
) -> list[tuple[str, object, object]]:
    """Compare two models field by field, since models themselves are equal as soon as their ids are.

    Parameters
    ----------
    expected
        What should be.
    found
        What is.
    ignored
        Names of the model's fields that are not compared.

    Returns
    -------
    list[tuple[str, object, object]]
        Where they differ, what should be there, and what is.
    """
    cls = type(expected)
    if type(found) is not cls:
        return [("", expected, found)]

    names = _FIELDS[cls]
    if names:
        parts = [(f".{name}", getattr(expected, name), getattr(found, name)) for name in names if name not in ignored]
    elif isinstance(expected, collections.Mapping):
        parts = _pair(typing.cast("_Models", expected), typing.cast("_Models", found))
    elif issubclass(cls, (list, tuple)):
        wanted_items, found_items = typing.cast("_Sequence", expected), typing.cast("_Sequence", found)
        parts = _pair(dict(enumerate(wanted_items)), dict(enumerate(found_items)))
    else:
        return [] if expected == found else [("", expected, found)]

    return [
        (f"{path}{deeper}", wanted, got)
        for path, one, other in parts
        # Most of what is compared is plain and the same: that is found out without a call.
        if not (one is other or (type(one) in _PLAIN and type(one) is type(other) and one == other))
        for deeper, wanted, got in find_differences(one, other)
    ]


def _pair(expected: _Models, found: _Models, /) -> list[tuple[str, object, object]]:
    keys = dict.fromkeys((*expected, *found))
    return [(f"[{key}]", expected.get(key, _MISSING), found.get(key, _MISSING)) for key in keys]


class _Fields(dict[type, tuple[str, ...]]):
    """Class → the names of the fields that its instances are compared by; none unless it is a model."""

    __slots__ = ()

    def __missing__(self, cls: type, /) -> tuple[str, ...]:
        names = tuple(field.name for field in attrs.fields(cls)) if attrs.has(cls) else ()
        found = self[cls] = tuple(name for name in names if name not in _APPLICATION)
        return found


_FIELDS: typing.Final = _Fields()
