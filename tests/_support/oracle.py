# SPDX-License-Identifier: BSD-3-Clause
"""hikari's own cache as an oracle, and where sake differs from it on purpose."""

from __future__ import annotations

import dataclasses
import datetime
import typing
from collections import abc as collections

import hikari
import orjson
from hikari import impl
from hikari.internal import cache as cache_utility

from _support import gateway
from _support import models
from _support import snapshots
from sake import _names

Payload = dict[str, typing.Any]

_CLEAR: typing.Final = {name.list: name.clear_for_guild for name in _names.IN_GUILDS}
"""The list in a payload → what empties hikari's cache of that kind in a guild."""

_KNOWN_CHANNELS: typing.Final = frozenset(
    {
        hikari.ChannelType.GUILD_CATEGORY,
        hikari.ChannelType.GUILD_FORUM,
        hikari.ChannelType.GUILD_MEDIA,
        hikari.ChannelType.GUILD_NEWS,
        hikari.ChannelType.GUILD_STAGE,
        hikari.ChannelType.GUILD_TEXT,
        hikari.ChannelType.GUILD_VOICE,
    }
)

_MERGED: typing.Final = frozenset(
    {"attachments", "content", "edited_timestamp", "embeds", "is_pinned", "mentions_everyone"}
)
"""The fields of a message that hikari's cache updates as sake does."""


_IS_FORGETFUL: typing.Final = tuple(map(int, hikari.__version__.split(".")[:2])) < (2, 7)
"""Whether hikari forgets the record of a guild that has nothing but threads or stickers, which then stay for ever."""


class _GuildRecord(cache_utility.GuildRecord):
    __slots__ = ()

    def empty(self) -> bool:
        return super().empty() and not self.stickers and not self.threads


if _IS_FORGETFUL:
    cache_utility.GuildRecord = _GuildRecord


class Oracle:
    """hikari's cache, fed with copies of the same payloads, and put right where sake differs on purpose.

    `without` names differences that are left out, which shows that each of them is needed.
    """

    def __init__(self, *, without: collections.Collection[str] = ()) -> None:
        bot = gateway.make_bot(components=hikari.api.CacheComponents.ALL, max_messages=100_000)
        self.cache: typing.Final = typing.cast("impl.CacheImpl", bot.cache)
        self.factory: typing.Final = bot.entity_factory
        self.authors: set[str] = set()
        """Ids of the authors of messages that were deleted."""
        self.guild_ids: set[int] = set()
        self.messages: dict[str, Payload] = {}
        """Message id → payload with all updates, of messages that were not deleted."""
        self.updated: set[str] = set()
        """Ids of the messages that were updated."""
        self._differences = [row for row in DIFFERENCES if row.name not in without]
        self._feed = gateway.Feed(bot, gateway.Shard())

    def feed(self, name: str, payload: Payload, shard: gateway.Shard) -> None:
        """Give an event to hikari's cache."""
        if name.startswith("CHANNEL_") and name != "CHANNEL_PINS_UPDATE" and "guild_id" not in payload:
            # hikari raises an AssertionError for the channels of direct messages, which neither cache stores.
            return

        given: Payload = orjson.loads(orjson.dumps(payload))
        guild = given.get("guild_id") or (given.get("id") if name.startswith("GUILD_") else None)
        if guild:
            self.guild_ids.add(int(guild))

        rows = [row for row in self._differences if name in row.events]
        kept = [row.before(self, given, shard) if row.before else None for row in rows]
        self._feed(name, given, shard=shard)
        for row, what in zip(rows, kept, strict=True):
            if row.after:
                row.after(self, payload, what)
        self._note_message(name, payload)

    def _note_message(self, name: str, payload: Payload) -> None:
        if name == "MESSAGE_CREATE":
            self.messages[payload["id"]] = payload
            self.updated.discard(payload["id"])
        elif name == "MESSAGE_UPDATE" and payload["id"] in self.messages:
            self.messages[payload["id"]] = {**self.messages[payload["id"]], **payload}
            self.updated.add(payload["id"])
        elif name in {"MESSAGE_DELETE", "MESSAGE_DELETE_BULK"}:
            for message in payload.get("ids") or [payload["id"]]:
                if (deleted := self.messages.pop(message, None)) is not None:
                    self.authors.add(deleted["author"]["id"])

    def expectation(self) -> snapshots.Expectation:
        """Return what sake is expected to hold."""
        found = snapshots.of_hikari(self.cache, self.guild_ids)
        for row in self._differences:
            if row.view:
                row.view(self, found)

        return found

    def tolerated(self, kind: str, field: str, expected: object) -> bool:
        """Return whether a field may differ from what is expected."""
        return expected is None and any(row.unless_none == (kind, field) for row in self._differences)


@dataclasses.dataclass(frozen=True)
class Difference:
    """Where sake differs from hikari's cache, and why.

    `before` may change the payload that hikari is given, and returns what `after` needs to know. `after` gets the
    payload as it was sent. `view` changes what is expected. `unless_none` is a kind and the name of a field that is not
    compared where hikari's cache has None.
    """

    name: str
    reason: str
    events: tuple[str, ...] = ()
    before: collections.Callable[[Oracle, Payload, gateway.Shard], typing.Any] | None = None
    after: collections.Callable[[Oracle, Payload, typing.Any], None] | None = None
    view: collections.Callable[[Oracle, snapshots.Expectation], None] | None = None
    unless_none: tuple[str, str] | None = None


def _given(_: Oracle, given: Payload, __: gateway.Shard) -> Payload:
    return given


def _complete_lists(_: Oracle, given: Payload, __: gateway.Shard) -> None:
    if not given.get("unavailable"):
        for name in _CLEAR:
            given.setdefault(name, [])


def _complete_lists_of_update(_: Oracle, given: Payload, __: gateway.Shard) -> None:
    for name in ("emojis", "roles", "stickers"):
        given.setdefault(name, [])


def _clear_lists(oracle: Oracle, payload: Payload, given: Payload) -> None:
    if not payload.get("unavailable"):
        for name, clear in _CLEAR.items():
            known = [
                entity for entity in given.get(name) or () if name != "channels" or entity["type"] in _KNOWN_CHANNELS
            ]
            if payload.get(name) is not None and not known:
                getattr(oracle.cache, clear)(int(payload["id"]))


def _clear_lists_of_update(oracle: Oracle, payload: Payload, _: object) -> None:
    for name in ("emojis", "roles", "stickers"):
        if payload.get(name) == []:
            getattr(oracle.cache, _CLEAR[name])(int(payload["id"]))


def _set_aside_memberless(_: Oracle, given: Payload, __: gateway.Shard) -> list[Payload]:
    members = {member["user"]["id"] for member in given.get("members") or ()}
    states = given.get("voice_states") or []
    aside = [state for state in states if state["user_id"] not in members]
    if aside:
        given["voice_states"] = [state for state in states if state["user_id"] in members]

    return aside


def _set_memberless(oracle: Oracle, payload: Payload, aside: list[Payload]) -> None:
    guild = hikari.Snowflake(payload["id"])
    if aside and len(aside) == len(payload["voice_states"]):
        oracle.cache.clear_voice_states_for_guild(guild)
    for state in aside:
        oracle.cache.set_voice_state(oracle.factory.deserialize_voice_state(state, guild_id=guild))


def _forget_guild(oracle: Oracle, given: Payload, _: gateway.Shard) -> None:
    if not given.get("unavailable"):
        oracle.cache.delete_guild(int(given["id"]))


def _mark_unavailable(oracle: Oracle, payload: Payload, _: object) -> None:
    if payload.get("unavailable"):
        oracle.cache.set_guild_availability(int(payload["id"]), False)


def _remove_guild(oracle: Oracle, guild: int) -> None:
    oracle.cache.delete_guild(guild)
    oracle.cache.clear_invites_for_guild(guild)
    for clear in _CLEAR.values():
        getattr(oracle.cache, clear)(guild)


def _remove_departed(oracle: Oracle, payload: Payload, _: object) -> None:
    listed = {int(guild["id"]) for guild in payload["guilds"]}
    shard, count = payload["shard"]
    for guild in oracle.guild_ids - listed:
        if (guild >> 22) % count == shard:
            _remove_guild(oracle, guild)


def _remove_expired(oracle: Oracle, payload: Payload, _: object) -> None:
    created = datetime.datetime.fromisoformat(payload["created_at"])
    age = datetime.datetime.now(tz=datetime.UTC) - created
    if payload["max_age"] and age.total_seconds() >= payload["max_age"]:
        oracle.cache.delete_invite(payload["code"])


def _forget_invite(oracle: Oracle, given: Payload, _: gateway.Shard) -> None:
    oracle.cache.delete_invite(given["code"])


def _empty_channel(oracle: Oracle, payload: Payload, _: object) -> None:
    if "guild_id" not in payload:
        return

    guild, channel = int(payload["guild_id"]), int(payload["id"])
    oracle.cache.clear_invites_for_channel(guild, channel)
    for state in oracle.cache.get_voice_states_view_for_channel(guild, channel).values():
        oracle.cache.delete_voice_state(guild, state.user_id)


def _remove_unknown_channel(oracle: Oracle, payload: Payload, _: object) -> None:
    if "guild_id" in payload and payload["type"] not in _KNOWN_CHANNELS:
        oracle.cache.delete_guild_channel(int(payload["id"]))


def _delete_unknown_channel(oracle: Oracle, payload: Payload, _: object) -> None:
    _remove_unknown_channel(oracle, payload, None)
    if "guild_id" in payload:
        oracle.cache.clear_threads_for_channel(int(payload["guild_id"]), int(payload["id"]))


def _pin(oracle: Oracle, payload: Payload, _: object) -> None:
    pinned = payload.get("last_pin_timestamp")
    moment = datetime.datetime.fromisoformat(pinned) if pinned else None
    channel = oracle.cache.get_guild_channel(int(payload["channel_id"]))
    if channel is not None and hasattr(channel, "last_pin_timestamp"):
        channel.last_pin_timestamp = moment
        oracle.cache.set_guild_channel(channel)
    if (thread := oracle.cache.get_thread(int(payload["channel_id"]))) is not None:
        thread.last_pin_timestamp = moment
        oracle.cache.set_thread(thread)


def _own_thread_member(oracle: Oracle, given: Payload, _: gateway.Shard) -> hikari.ThreadMember | None:
    thread = oracle.cache.get_thread(int(given["id"]))
    return thread.member if thread else None


def _keep_own_thread_member(oracle: Oracle, payload: Payload, member: hikari.ThreadMember | None) -> None:
    if (thread := oracle.cache.get_thread(int(payload["id"]))) is not None:
        thread.member = member
        oracle.cache.set_thread(thread)


def _set_own_thread_member(oracle: Oracle, payload: Payload, _: object) -> None:
    if (thread := oracle.cache.get_thread(int(payload["id"]))) is not None:
        thread.member = oracle.factory.deserialize_thread_member(payload)
        oracle.cache.set_thread(thread)


def _remove_traces_of_member(oracle: Oracle, payload: Payload, _: object) -> None:
    guild, user = int(payload["guild_id"]), int(payload["user"]["id"])
    oracle.cache.delete_presence(guild, user)
    oracle.cache.delete_voice_state(guild, user)


def _forget_voice_state(oracle: Oracle, given: Payload, _: gateway.Shard) -> None:
    oracle.cache.delete_voice_state(int(given["guild_id"]), int(given["user_id"]))


def _set_member_of_voice_state(oracle: Oracle, payload: Payload, _: object) -> None:
    if (member := payload.get("member")) and payload["channel_id"] is not None:
        guild = hikari.Snowflake(payload["guild_id"])
        oracle.cache.set_member(oracle.factory.deserialize_member(member, guild_id=guild))


def _member_before(oracle: Oracle, given: Payload, _: gateway.Shard) -> hikari.Member | None:
    if "member" not in given:
        return None

    return oracle.cache.get_members_view_for_guild(int(given["guild_id"])).get(hikari.Snowflake(given["author"]["id"]))


def _restore_member(oracle: Oracle, _: Payload, member: hikari.Member | None) -> None:
    if member is not None:
        oracle.cache.set_member(member)


def _remove_offline(oracle: Oracle, payload: Payload, _: object) -> None:
    guild = int(payload.get("guild_id") or payload["id"])
    for presence in payload.get("presences") or ():
        if presence["status"] == "offline":
            oracle.cache.delete_presence(guild, int(presence["user"]["id"]))


def _set_lost_members(oracle: Oracle, payload: Payload, _: object) -> None:
    for member in payload.get("members") or ():
        guild, user = hikari.Snowflake(payload["id"]), member["user"]["id"]
        if user in oracle.authors and int(user) not in oracle.cache.get_members_view_for_guild(guild):
            oracle.cache.set_member(oracle.factory.deserialize_member(member, guild_id=guild))


def _hide_deleted(oracle: Oracle, expected: snapshots.Expectation) -> None:
    expected["messages"] = {
        message: fields for message, fields in expected["messages"].items() if str(message) in oracle.messages
    }


def _merge_updates(oracle: Oracle, expected: snapshots.Expectation) -> None:
    for message in oracle.updated & oracle.messages.keys():
        merged = models.plain(oracle.factory.deserialize_message(oracle.messages[message]))
        fields = expected["messages"][int(message)]
        fields.update({name: value for name, value in merged.items() if name not in _MERGED})


DIFFERENCES: typing.Final = (
    Difference(
        "absent lists",
        "hikari's cache fails where a list is absent. sake keeps what it has of that kind.",
        ("GUILD_CREATE",),
        before=_complete_lists,
    ),
    Difference(
        "absent lists of an update",
        "The same for the three lists of an update.",
        ("GUILD_UPDATE",),
        before=_complete_lists_of_update,
    ),
    Difference(
        "empty lists",
        "An empty list in a payload says that there are none. hikari's cache keeps what was there before, and also "
        "where it does not know the type of anything that is listed.",
        ("GUILD_CREATE",),
        before=_given,
        after=_clear_lists,
    ),
    Difference(
        "empty lists of an update",
        "The same for the three lists of an update.",
        ("GUILD_UPDATE",),
        after=_clear_lists_of_update,
    ),
    Difference(
        "voice state without a member",
        "hikari's cache drops the whole guild where a voice state's member is not listed. sake stores it without one.",
        ("GUILD_CREATE",),
        before=_set_aside_memberless,
        after=_set_memberless,
    ),
    Difference(
        "fresh guild",
        "hikari's cache keeps the first member count, join date and size for ever. GUILD_CREATE has the current ones.",
        ("GUILD_CREATE",),
        before=_forget_guild,
    ),
    Difference(
        "unavailable on create",
        "A guild which is sent as unavailable is. hikari's cache ignores the event.",
        ("GUILD_CREATE",),
        after=_mark_unavailable,
    ),
    Difference(
        "guilds left while away",
        "hikari's cache starts empty and cannot have guilds that READY does not list. A store that lasts can.",
        ("READY",),
        after=_remove_departed,
    ),
    Difference(
        "repeated invite",
        "hikari's cache counts an invite twice which it is sent twice, and then fails to remove its guild.",
        ("INVITE_CREATE",),
        before=_forget_invite,
    ),
    Difference(
        "expired invite",
        "An invite which has expired is not stored, and an older one with its code is gone.",
        ("INVITE_CREATE",),
        after=_remove_expired,
    ),
    Difference(
        "emptied channel",
        "With a channel go its invites, and the voice states in it. hikari's cache keeps both.",
        ("CHANNEL_DELETE",),
        after=_empty_channel,
    ),
    Difference(
        "channel that became unknown",
        "hikari's cache ignores a channel of a type it does not know, and so keeps what it was before.",
        ("CHANNEL_UPDATE", "CHANNEL_CREATE"),
        after=_remove_unknown_channel,
    ),
    Difference(
        "deleted channel of an unknown type",
        "hikari's cache ignores that too. It and its threads are gone all the same.",
        ("CHANNEL_DELETE",),
        after=_delete_unknown_channel,
    ),
    Difference(
        "pins",
        "hikari's cache does not keep the time of the last pin up to date.",
        ("CHANNEL_PINS_UPDATE",),
        after=_pin,
    ),
    Difference(
        "updated thread keeps the own member",
        "THREAD_UPDATE never carries the own member, which does not mean that the bot has left.",
        ("THREAD_UPDATE",),
        before=_own_thread_member,
        after=_keep_own_thread_member,
    ),
    Difference(
        "own thread member",
        "hikari does not know the event by which the own member of a thread changes.",
        ("THREAD_MEMBER_UPDATE",),
        after=_set_own_thread_member,
    ),
    Difference(
        "traces of a member",
        "A member who left has no presence and no voice state. hikari's cache waits for events that may not come.",
        ("GUILD_MEMBER_REMOVE",),
        after=_remove_traces_of_member,
    ),
    Difference(
        "member of a voice state",
        "The member in a voice state with a channel is whole, so it is stored. hikari's cache only refers to it.",
        ("VOICE_STATE_UPDATE",),
        after=_set_member_of_voice_state,
    ),
    Difference(
        "voice state that gets a member",
        "hikari's cache does not count the member of a voice state that had none before, and later loses the member.",
        ("VOICE_STATE_UPDATE",),
        before=_forget_voice_state,
    ),
    Difference(
        "member of a message",
        "With the intent for members, Discord sends every change of one. That in a message is no news.",
        ("MESSAGE_CREATE",),
        before=_member_before,
        after=_restore_member,
    ),
    Difference(
        "offline presence in a list",
        "An offline presence is none, also in a list.",
        ("GUILD_CREATE", "GUILD_MEMBERS_CHUNK"),
        after=_remove_offline,
    ),
    Difference(
        "deleted message with a reply",
        "A message that was deleted is not found any more. hikari's cache shows it as long as a reply refers to it. It "
        "counts down its author twice, and then loses a member who is listed when the guild is sent again.",
        ("GUILD_CREATE", "MESSAGE_CREATE", "MESSAGE_DELETE", "MESSAGE_UPDATE"),
        after=_set_lost_members,
        view=_hide_deleted,
    ),
    Difference(
        "merged message",
        "An update counts whole. hikari's cache takes some fields of it, and no list that became empty.",
        view=_merge_updates,
    ),
    Difference(
        "reply to an unknown message",
        "hikari's cache has no referenced message where the other message is not cached. sake has what was sent.",
        unless_none=("messages", "referenced_message"),
    ),
)
