# SPDX-License-Identifier: BSD-3-Clause
"""One stream of events by hand, with every event there is and every awkward case."""

from __future__ import annotations

import typing

import hikari

from _support import gateway
from sake import _names
from sake import testing

Payload = dict[str, typing.Any]
Event = tuple[str, Payload]

EVENT_NAMES: typing.Final = (
    "APPLICATION_COMMAND_PERMISSIONS_UPDATE",
    "AUTO_MODERATION_ACTION_EXECUTION",
    "AUTO_MODERATION_RULE_CREATE",
    "AUTO_MODERATION_RULE_DELETE",
    "AUTO_MODERATION_RULE_UPDATE",
    "CHANNEL_CREATE",
    "CHANNEL_DELETE",
    "CHANNEL_INFO",
    "CHANNEL_PINS_UPDATE",
    "CHANNEL_UPDATE",
    "ENTITLEMENT_CREATE",
    "ENTITLEMENT_DELETE",
    "ENTITLEMENT_UPDATE",
    "GUILD_AUDIT_LOG_ENTRY_CREATE",
    "GUILD_BAN_ADD",
    "GUILD_BAN_REMOVE",
    "GUILD_CREATE",
    "GUILD_DELETE",
    "GUILD_EMOJIS_UPDATE",
    "GUILD_INTEGRATIONS_UPDATE",
    "GUILD_MEMBERS_CHUNK",
    "GUILD_MEMBER_ADD",
    "GUILD_MEMBER_REMOVE",
    "GUILD_MEMBER_UPDATE",
    "GUILD_ROLE_CREATE",
    "GUILD_ROLE_DELETE",
    "GUILD_ROLE_UPDATE",
    "GUILD_SCHEDULED_EVENT_CREATE",
    "GUILD_SCHEDULED_EVENT_DELETE",
    "GUILD_SCHEDULED_EVENT_UPDATE",
    "GUILD_SCHEDULED_EVENT_USER_ADD",
    "GUILD_SCHEDULED_EVENT_USER_REMOVE",
    "GUILD_STICKERS_UPDATE",
    "GUILD_UPDATE",
    "INTEGRATION_CREATE",
    "INTEGRATION_DELETE",
    "INTEGRATION_UPDATE",
    "INTERACTION_CREATE",
    "INVITE_CREATE",
    "INVITE_DELETE",
    "MESSAGE_CREATE",
    "MESSAGE_DELETE",
    "MESSAGE_DELETE_BULK",
    "MESSAGE_POLL_VOTE_ADD",
    "MESSAGE_POLL_VOTE_REMOVE",
    "MESSAGE_REACTION_ADD",
    "MESSAGE_REACTION_REMOVE",
    "MESSAGE_REACTION_REMOVE_ALL",
    "MESSAGE_REACTION_REMOVE_EMOJI",
    "MESSAGE_UPDATE",
    "PRESENCE_UPDATE",
    "RATE_LIMITED",
    "READY",
    "RESUMED",
    "STAGE_INSTANCE_CREATE",
    "STAGE_INSTANCE_DELETE",
    "STAGE_INSTANCE_UPDATE",
    "THREAD_CREATE",
    "THREAD_DELETE",
    "THREAD_LIST_SYNC",
    "THREAD_MEMBERS_UPDATE",
    "THREAD_MEMBER_UPDATE",
    "THREAD_UPDATE",
    "TYPING_START",
    "USER_UPDATE",
    "VOICE_CHANNEL_START_TIME_UPDATE",
    "VOICE_CHANNEL_STATUS_UPDATE",
    "VOICE_SERVER_UPDATE",
    "VOICE_STATE_UPDATE",
    "WEBHOOKS_UPDATE",
)
"""Every event that hikari knows, and THREAD_MEMBER_UPDATE, which only raw listeners get."""

UNKNOWN_TYPE: typing.Final = 99


def ready(user: Payload, guild_ids: list[str], *, shard: tuple[int, int] = (0, 1)) -> Payload:
    """Build what READY carries."""
    return {
        "v": 10,
        "user": user,
        "guilds": [{"id": guild, "unavailable": True} for guild in guild_ids],
        "session_id": "session",
        "resume_gateway_url": "wss://gateway.example.com",
        "shard": list(shard),
        "application": {"id": user["id"], "flags": 0},
    }


def guild_update(guild: Payload, **changes: typing.Any) -> Payload:
    """Build what GUILD_UPDATE carries of a guild."""
    absent = {
        "channels",
        "guild_scheduled_events",
        "joined_at",
        "large",
        "member_count",
        "members",
        "presences",
        "soundboard_sounds",
        "stage_instances",
        "threads",
        "unavailable",
        "voice_states",
    }
    return {**{name: value for name, value in guild.items() if name not in absent}, **changes}


class HandWritten:
    """Writes the stream: `events` is what it has come to."""

    def __init__(self, payloads: testing.Payloads) -> None:
        self.events: list[Event] = []
        self.payloads = payloads
        self._me = payloads.own_user(id=str(gateway.OWN_ID))
        self._people = [payloads.member(roles=[]) for _ in range(6)]
        self._own_member = payloads.member(user=dict(self._me), nick=None)
        self._guild = self._make_guild()
        self._id: str = self._guild["id"]
        self._text, self._voice, self._other_voice, self._forum, self._unknown = self._guild["channels"][1:6]
        self._other_guild = payloads.guild()
        self._left_guild = payloads.guild()
        for part in (
            self._start,
            self._guilds,
            self._roles,
            self._expressions,
            self._members,
            self._presences,
            self._voice_states,
            self._channels,
            self._threads,
            self._invites,
            self._messages,
            self._bystanders,
            self._outages,
            self._second_start,
        ):
            part()

    def _add(self, name: str, payload: Payload, /) -> None:
        self.events.append((name, payload))

    def _in_guild(self, payload: Payload, /, **changes: typing.Any) -> Payload:
        return {**payload, "guild_id": self._id, **changes}

    def _make_guild(self) -> Payload:
        p = self.payloads
        category = p.channel(type=hikari.ChannelType.GUILD_CATEGORY)
        channels = [
            category,
            p.channel(parent_id=category["id"], topic=None),
            p.channel(type=hikari.ChannelType.GUILD_VOICE, parent_id=category["id"]),
            p.channel(type=hikari.ChannelType.GUILD_VOICE),
            p.channel(type=hikari.ChannelType.GUILD_FORUM),
            p.channel(type=UNKNOWN_TYPE),
            p.channel(type=hikari.ChannelType.GUILD_STAGE),
            p.channel(type=hikari.ChannelType.GUILD_NEWS, topic=None),
            p.channel(type=hikari.ChannelType.GUILD_MEDIA),
        ]
        people = [member["user"]["id"] for member in self._people]
        return p.guild(
            members=[*self._people, self._own_member],
            channels=channels,
            threads=[
                p.thread(parent_id=channels[1]["id"], joined=True),
                p.thread(parent_id=channels[4]["id"]),
                p.thread(parent_id=channels[1]["id"], type=UNKNOWN_TYPE),
                p.thread(parent_id=channels[7]["id"], type=hikari.ChannelType.GUILD_NEWS_THREAD),
            ],
            presences=[
                *(p.presence(user_id=person) for person in people[:4]),
                p.presence(user_id=people[4], status="offline"),
            ],
            voice_states=[
                p.voice_state(user_id=people[0], channel_id=channels[2]["id"]),
                p.voice_state(user_id=people[1], channel_id=channels[3]["id"]),
                p.voice_state(user_id=p.snowflake(), channel_id=channels[2]["id"]),
            ],
            icon=None,
            member_count=70,
            large=True,
        )

    def _start(self) -> None:
        guilds = (self._guild, self._other_guild, self._left_guild)
        self._add("READY", ready(self._me, [guild["id"] for guild in guilds]))
        for guild in guilds:
            self._add("GUILD_CREATE", guild)
        self._add("RESUMED", {"_trace": []})
        self._me = {**self._me, "username": "renamed", "avatar": None}
        self._add("USER_UPDATE", self._me)

    def _guilds(self) -> None:
        p = self.payloads
        self._add("GUILD_CREATE", self._guild)
        self._add("GUILD_CREATE", {**self._other_guild, "member_count": 900, "large": True})
        self._add("GUILD_UPDATE", guild_update(self._guild, name="renamed", description=None))
        self._add("GUILD_UPDATE", guild_update(self._other_guild, emojis=[], roles=[], stickers=[]))
        self._add("GUILD_UPDATE", guild_update(p.guild(), name="never created"))
        bare = guild_update(self._other_guild, name="only itself")
        for name in ("emojis", "roles", "stickers"):
            del bare[name]
        self._add("GUILD_UPDATE", bare)
        joined = p.guild()
        del joined["unavailable"]
        self._add("GUILD_CREATE", joined)
        invite = p.invite(guild_id=joined["id"])
        self._add("INVITE_CREATE", invite)
        self._add("INVITE_CREATE", invite)
        self._add("GUILD_DELETE", {"id": joined["id"]})
        self._add("GUILD_DELETE", {"id": joined["id"]})
        self._add("GUILD_DELETE", {"id": p.snowflake()})
        partial = p.guild()
        for name in _names.LISTS:
            del partial[name]
        self._add("GUILD_CREATE", partial)

    def _roles(self) -> None:
        role = self.payloads.role()
        for name, fields in (
            ("GUILD_ROLE_CREATE", role),
            ("GUILD_ROLE_CREATE", role),
            ("GUILD_ROLE_UPDATE", {**role, "name": "renamed", "icon": None, "position": 4}),
            ("GUILD_ROLE_UPDATE", self.payloads.role()),
        ):
            self._add(name, {"guild_id": self._id, "role": fields})
        deleted = {"guild_id": self._id, "role_id": self._guild["roles"][1]["id"]}
        self._add("GUILD_ROLE_DELETE", deleted)
        self._add("GUILD_ROLE_DELETE", deleted)

    def _expressions(self) -> None:
        p, user = self.payloads, self._people[0]["user"]
        self._add("GUILD_EMOJIS_UPDATE", {"guild_id": self._id, "emojis": [p.emoji(user=user), p.emoji(name=None)]})
        self._add("GUILD_EMOJIS_UPDATE", {"guild_id": self._other_guild["id"], "emojis": []})
        stickers = [p.sticker(guild_id=self._id, user=user), p.sticker(guild_id=self._id, description=None)]
        self._add("GUILD_STICKERS_UPDATE", {"guild_id": self._id, "stickers": stickers})
        self._add("GUILD_STICKERS_UPDATE", {"guild_id": self._left_guild["id"], "stickers": []})

    def _members(self) -> None:
        p = self.payloads
        joined = p.member()
        self._add("GUILD_MEMBER_ADD", self._in_guild(joined))
        self._add("GUILD_MEMBER_UPDATE", self._in_guild(joined, nick="nick", roles=[self._guild["roles"][2]["id"]]))
        self._add("GUILD_MEMBER_UPDATE", self._in_guild(self._people[2], joined_at=None, nick=None, avatar=None))
        with_traces = self._people[3]["user"]
        state = p.voice_state(user_id=with_traces["id"], channel_id=self._voice["id"])
        self._add("VOICE_STATE_UPDATE", self._in_guild(state, member=self._people[3]))
        self._add("GUILD_MEMBER_REMOVE", {"guild_id": self._id, "user": with_traces})
        self._add("GUILD_MEMBER_REMOVE", {"guild_id": self._id, "user": with_traces})
        self._add("GUILD_MEMBER_REMOVE", {"guild_id": self._id, "user": joined["user"]})
        self._add("GUILD_MEMBER_ADD", self._in_guild(joined))
        chunk = [p.member() for _ in range(3)]
        presences = [
            p.presence(user_id=chunk[0]["user"]["id"]),
            p.presence(user_id=self._people[0]["user"]["id"], status="offline"),
        ]
        for index in range(2):
            members = chunk[index : index + 2]
            chunked = {"members": members, "chunk_index": index, "chunk_count": 2, "nonce": "nonce"}
            self._add("GUILD_MEMBERS_CHUNK", self._in_guild(chunked, presences=presences if index else []))
        empty = {"members": [], "chunk_index": 0, "chunk_count": 1, "not_found": [7]}
        self._add("GUILD_MEMBERS_CHUNK", self._in_guild(empty))

    def _presences(self) -> None:
        p, person = self.payloads, self._people[1]["user"]["id"]
        self._add("PRESENCE_UPDATE", self._in_guild(p.presence(user_id=person, status="idle")))
        whole = self._in_guild(p.presence(user_id=person), user=self._people[1]["user"])
        self._add("PRESENCE_UPDATE", whole)
        self._add("PRESENCE_UPDATE", whole)
        offline = self._in_guild(p.presence(user_id=self._people[2]["user"]["id"], status="offline"))
        self._add("PRESENCE_UPDATE", offline)
        self._add("PRESENCE_UPDATE", offline)

    def _voice_states(self) -> None:
        p = self.payloads
        for channel, member in (
            (self._voice, self._people[4]),
            (self._other_voice, self._people[4]),
            (self._voice, self._people[4]),
            (self._voice, self._people[5]),
        ):
            state = p.voice_state(user_id=member["user"]["id"], channel_id=channel["id"])
            self._add("VOICE_STATE_UPDATE", self._in_guild(state, member={**member, "nick": "spoken to"}))
        stranger = p.member()
        state = p.voice_state(user_id=stranger["user"]["id"], channel_id=self._voice["id"])
        self._add("VOICE_STATE_UPDATE", self._in_guild(state, member=stranger))
        memberless = p.voice_state(channel_id=self._other_voice["id"])
        self._add("VOICE_STATE_UPDATE", self._in_guild(memberless))
        elsewhere = {**p.voice_state(user_id=stranger["user"]["id"]), "guild_id": self._other_guild["id"]}
        self._add("VOICE_STATE_UPDATE", elsewhere)
        self._add("VOICE_STATE_UPDATE", {**elsewhere, "member": stranger})
        self._add("GUILD_CREATE", {**self._other_guild, "members": [stranger], "voice_states": [p.voice_state()]})
        left = self._in_guild(p.left_voice_state(user_id=self._people[5]["user"]["id"]), member=self._people[5])
        self._add("VOICE_STATE_UPDATE", left)
        self._add("VOICE_STATE_UPDATE", left)

    def _channels(self) -> None:
        p = self.payloads
        created = self._in_guild(p.channel())
        self._add("CHANNEL_CREATE", created)
        self._add("CHANNEL_CREATE", created)
        self._add("CHANNEL_UPDATE", {**created, "name": "renamed", "topic": None, "parent_id": None})
        self._add("CHANNEL_UPDATE", {**created, "type": UNKNOWN_TYPE})
        self._add("CHANNEL_CREATE", self._in_guild(p.channel(type=UNKNOWN_TYPE)))
        self._add("CHANNEL_CREATE", p.dm_channel())
        self._add("CHANNEL_UPDATE", self._in_guild(self._unknown, type=0, topic=None, nsfw=True))
        for pinned in (p.timestamp(), None, p.timestamp()):
            pins = {"guild_id": self._id, "channel_id": self._text["id"], "last_pin_timestamp": pinned}
            self._add("CHANNEL_PINS_UPDATE", pins)
        self._add("CHANNEL_PINS_UPDATE", {"channel_id": p.snowflake(), "last_pin_timestamp": None})
        self._delete_channels()

    def _delete_channels(self) -> None:
        p = self.payloads
        for doomed in (p.channel(type=hikari.ChannelType.GUILD_VOICE), p.channel(type=UNKNOWN_TYPE)):
            channel = self._in_guild(doomed)
            self._add("CHANNEL_CREATE", channel)
            self._add("THREAD_CREATE", self._in_guild(p.thread(parent_id=channel["id"])))
            self._add("INVITE_CREATE", p.invite(guild_id=self._id, channel_id=channel["id"]))
            state = p.voice_state(user_id=self._people[5]["user"]["id"], channel_id=channel["id"])
            self._add("VOICE_STATE_UPDATE", self._in_guild(state, member=self._people[5]))
            self._add("CHANNEL_DELETE", channel)
        self._add("CHANNEL_DELETE", self._in_guild(p.channel()))
        self._add("CHANNEL_DELETE", p.dm_channel())

    def _threads(self) -> None:
        p, own = self.payloads, str(gateway.OWN_ID)
        parent = self._text["id"]
        joined = self._in_guild(p.thread(parent_id=parent, joined=True))
        joined["member"] = p.thread_member(thread_id=joined["id"], user_id=own)
        self._add("THREAD_CREATE", {**joined, "newly_created": True})
        self._add("THREAD_CREATE", joined)
        update = {name: value for name, value in joined.items() if name != "member"}
        self._add("THREAD_UPDATE", {**update, "name": "renamed"})
        archived = {**update["thread_metadata"], "archived": True, "locked": True}
        self._add("THREAD_UPDATE", {**update, "thread_metadata": archived, "parent_id": self._forum["id"]})
        self._add("THREAD_UPDATE", self._in_guild(p.thread(parent_id=parent)))
        self._add("THREAD_MEMBER_UPDATE", self._in_guild(p.thread_member(thread_id=joined["id"], user_id=own, flags=4)))
        pins = {"guild_id": self._id, "channel_id": joined["id"], "last_pin_timestamp": p.timestamp()}
        self._add("CHANNEL_PINS_UPDATE", pins)
        counted = {"id": joined["id"], "guild_id": self._id, "member_count": 3}
        added = {**p.thread_member(thread_id=joined["id"]), "member": p.member(), "presence": None}
        self._add("THREAD_MEMBERS_UPDATE", {**counted, "added_members": [added]})
        self._add("THREAD_MEMBERS_UPDATE", {**counted, "removed_member_ids": [added["user_id"]]})
        self._add("THREAD_MEMBERS_UPDATE", {**counted, "removed_member_ids": [own]})
        self._sync_threads()

    def _sync_threads(self) -> None:
        p, parent = self.payloads, self._text["id"]
        synced = [p.thread(parent_id=parent) for _ in range(2)]
        member = p.thread_member(thread_id=synced[0]["id"], user_id=str(gateway.OWN_ID))
        sync = {"guild_id": self._id, "channel_ids": [parent], "threads": synced, "members": [member]}
        self._add("THREAD_LIST_SYNC", sync)
        deleted = {"id": synced[1]["id"], "guild_id": self._id, "parent_id": parent, "type": 11}
        self._add("THREAD_DELETE", deleted)
        self._add("THREAD_DELETE", deleted)
        whole = [p.thread(parent_id=self._forum["id"]), p.thread(parent_id=parent)]
        self._add("THREAD_LIST_SYNC", {"guild_id": self._id, "threads": whole, "members": []})
        self._add("THREAD_LIST_SYNC", {**sync, "threads": [], "members": []})

    def _invites(self) -> None:
        p = self.payloads
        invite = p.invite(guild_id=self._id, channel_id=self._text["id"], inviter=self._people[0]["user"])
        self._add("INVITE_CREATE", invite)
        self._add("INVITE_CREATE", invite)
        self._add("INVITE_CREATE", p.invite(guild_id=self._id, channel_id=self._voice["id"], max_age=0))
        self._add("INVITE_CREATE", p.invite(guild_id=self._left_guild["id"], target_type=1, target_user=p.user()))
        expired = p.invite(guild_id=self._id, channel_id=self._text["id"], created_at="2020-01-01T00:00:00+00:00")
        self._add("INVITE_CREATE", expired)
        self._add("INVITE_CREATE", {**invite, "created_at": "2020-01-01T00:00:00+00:00", "max_age": 60})
        last = p.invite(guild_id=self._id, channel_id=self._text["id"])
        self._add("INVITE_CREATE", last)
        deleted = {"code": last["code"], "guild_id": self._id, "channel_id": self._text["id"]}
        self._add("INVITE_DELETE", deleted)
        self._add("INVITE_DELETE", deleted)

    def _messages(self) -> None:
        p, place = self.payloads, {"guild_id": self._id, "channel_id": self._text["id"]}
        rich = p.rich_message(**place, member=self._people[0])
        self._add("MESSAGE_CREATE", rich)
        self._add("MESSAGE_CREATE", rich)
        empty = {"content": "", "embeds": [], "mentions": [], "mention_roles": [], "components": [], "flags": 4}
        self._add("MESSAGE_UPDATE", p.message_update(rich, **empty, edited_timestamp=p.timestamp()))
        answered = p.message(**place, member={**self._people[1], "nick": "as in the message"})
        self._add("MESSAGE_CREATE", answered)
        self._add("MESSAGE_CREATE", p.reply(answered, member=self._people[2]))
        self._add("MESSAGE_DELETE", {"id": answered["id"], **place})
        self._add("MESSAGE_UPDATE", p.message_update(answered))
        self._add("MESSAGE_CREATE", p.reply(p.message(**place), member=self._people[2]))
        self._add("MESSAGE_CREATE", p.reply(answered, member=self._people[2], referenced_message=None))
        self._add("MESSAGE_CREATE", p.message())
        stranger = p.message(**place)
        self._add("MESSAGE_CREATE", stranger)
        self._add("MESSAGE_UPDATE", {**stranger, "pinned": True, "reactions": [p.reaction()]})
        doomed = [p.message(**place) for _ in range(3)]
        for message in doomed:
            self._add("MESSAGE_CREATE", message)
        self._add("MESSAGE_DELETE_BULK", {"ids": [message["id"] for message in doomed[:2]] + [p.snowflake()], **place})
        self._add("MESSAGE_UPDATE", p.message_update(doomed[2], embeds=[p.embed()], attachments=[p.attachment()]))
        self._add("MESSAGE_UPDATE", p.message_update(p.message(**place)))
        hook = {"webhook_id": p.snowflake(), "author": p.user(bot=True), "application_id": p.snowflake()}
        self._add("MESSAGE_CREATE", p.message(channel_id=self._text["id"], **hook))

    def _bystanders(self) -> None:
        p, message = self.payloads, self.payloads.message(guild_id=self._id, channel_id=self._text["id"])
        reaction = p.reaction_event(message, member=self._people[0])
        self._add("MESSAGE_REACTION_ADD", reaction)
        for name in ("MESSAGE_REACTION_REMOVE", "MESSAGE_REACTION_REMOVE_EMOJI", "MESSAGE_REACTION_REMOVE_ALL"):
            self._add(name, {key: value for key, value in reaction.items() if key != "member"})
        self._add("MESSAGE_REACTION_ADD", p.reaction_event(p.message()))
        vote = {name: reaction[name] for name in ("user_id", "channel_id", "message_id", "guild_id")}
        self._add("MESSAGE_POLL_VOTE_ADD", {**vote, "answer_id": 1})
        self._add("MESSAGE_POLL_VOTE_REMOVE", {**vote, "answer_id": 1})
        self._add("TYPING_START", p.typing_event(guild_id=self._id, channel_id=self._text["id"], member=p.member()))
        self._add("TYPING_START", p.typing_event())
        self._add("INTERACTION_CREATE", p.command_interaction(guild_id=self._id))
        self._add("INTERACTION_CREATE", p.component_interaction(message=message))
        for name in ("GUILD_BAN_ADD", "GUILD_BAN_REMOVE"):
            self._add(name, self._in_guild(p.ban()))
        integration = p.integration(guild_id=self._id)
        self._add("INTEGRATION_CREATE", integration)
        self._add("INTEGRATION_UPDATE", {**integration, "enabled": False})
        self._add("INTEGRATION_DELETE", {"id": integration["id"], "guild_id": self._id})
        stage = p.stage_instance(guild_id=self._id)
        scheduled = p.scheduled_event(guild_id=self._id, creator=p.user())
        entitlement = p.entitlement(guild_id=self._id)
        for change in ("CREATE", "UPDATE", "DELETE"):
            self._add(f"STAGE_INSTANCE_{change}", stage)
            self._add(f"GUILD_SCHEDULED_EVENT_{change}", scheduled)
            self._add(f"ENTITLEMENT_{change}", entitlement)
            self._add(f"AUTO_MODERATION_RULE_{change}", p.auto_mod_rule(guild_id=self._id))
        self._add_the_rest(scheduled)

    def _add_the_rest(self, scheduled: Payload) -> None:
        p, here = self.payloads, {"guild_id": self._id}
        voice = {**here, "channel_id": self._voice["id"]}
        attendance = {**here, "guild_scheduled_event_id": scheduled["id"], "user_id": p.snowflake()}
        for name, payload in {
            "APPLICATION_COMMAND_PERMISSIONS_UPDATE": {**here, "id": "1", "application_id": "2", "permissions": []},
            "AUTO_MODERATION_ACTION_EXECUTION": {**here, "rule_id": "1", "user_id": "2", "content": ""},
            "CHANNEL_INFO": {**here, "channels": []},
            "GUILD_AUDIT_LOG_ENTRY_CREATE": p.audit_log_entry(guild_id=self._id),
            "GUILD_INTEGRATIONS_UPDATE": here,
            "GUILD_SCHEDULED_EVENT_USER_ADD": attendance,
            "GUILD_SCHEDULED_EVENT_USER_REMOVE": attendance,
            "GUILD_SOUNDBOARD_SOUND_CREATE": p.soundboard_sound(guild_id=self._id),
            "RATE_LIMITED": {"opcode": 8, "retry_after": 1.0, "meta": here},
            "VOICE_CHANNEL_START_TIME_UPDATE": {**here, "id": self._voice["id"], "voice_start_time": None},
            "VOICE_CHANNEL_STATUS_UPDATE": {**here, "id": self._voice["id"], "status": None},
            "VOICE_SERVER_UPDATE": {**here, "token": "token", "endpoint": None},
            "WEBHOOKS_UPDATE": voice,
        }.items():
            self._add(name, payload)

    def _outages(self) -> None:
        outage = {"id": self._id, "unavailable": True}
        self._add("GUILD_DELETE", outage)
        self._add("GUILD_CREATE", outage)
        empty = {name: [] for name in ("emojis", "members", "presences", "stickers", "threads", "voice_states")}
        back = {**self._guild, **empty, "member_count": 71, "channels": self._guild["channels"][:4], "roles": []}
        self._add("GUILD_CREATE", back)
        self._add("GUILD_CREATE", {**self._other_guild, "channels": []})
        self._add("GUILD_CREATE", {"id": self._other_guild["id"], "unavailable": True})
        self._add("GUILD_DELETE", {"id": self._left_guild["id"], "unavailable": True})

    def _second_start(self) -> None:
        self._add("READY", ready(self._me, [self._id, self._other_guild["id"]]))
        member = {**self.payloads.member(), "guild_id": self._id}
        self._add("GUILD_MEMBER_ADD", member)
