# SPDX-License-Identifier: BSD-3-Clause
"""Builders for users, members, presences and voice states."""

from __future__ import annotations

__all__ = ["PeoplePayloads"]

import typing
from collections import abc as collections

from .source import Payload
from .source import Source

_GAMES: typing.Final = ("Chess Deluxe", "Deep Harbor", "Kart Party", "Orbit Miner", "Tiny Castles", "Word Duel")
_STATUSES: typing.Final = ("online", "idle", "dnd")
_CLIENTS: typing.Final = ("desktop", "mobile", "web")


class PeoplePayloads(Source):
    """The part of `Payloads` that builds people and what they do."""

    __slots__ = ()

    def user(self, **overrides: typing.Any) -> Payload:
        """Build a user.

        Parameters
        ----------
        **overrides
            Keys to set on the result.

        Returns
        -------
        dict
            A whole user, without the fields only REST sends.
        """
        name = self.word()
        return {
            "id": self.snowflake(within_days=2_500),
            "username": name.replace("-", "_"),
            "global_name": name.replace("-", " ").title() if self.chance(0.8) else None,
            "discriminator": "0",
            "avatar": self.digest() if self.chance(0.7) else None,
            "avatar_decoration_data": None,
            "public_flags": 64 if self.chance(0.2) else 0,
            **overrides,
        }

    def own_user(self, **overrides: typing.Any) -> Payload:
        """Build the bot's own user, as READY and USER_UPDATE carry it.

        Parameters
        ----------
        **overrides
            Keys to set on the result.

        Returns
        -------
        dict
            A bot user with the fields that only its owner sees.
        """
        return {
            **self.user(username="loopback", global_name=None, public_flags=0),
            "bot": True,
            "verified": True,
            "mfa_enabled": True,
            "flags": 0,
            "email": None,
            **overrides,
        }

    def member(
        self,
        *,
        user: collections.Mapping[str, typing.Any] | None = None,
        roles: collections.Sequence[str] = (),
        **overrides: typing.Any,
    ) -> Payload:
        """Build a guild member, as GUILD_CREATE lists it: without `guild_id`.

        Parameters
        ----------
        user
            Who it is; a new user when not given. The mapping itself becomes part of the result.
        roles
            Ids of the member's roles, without @everyone.
        **overrides
            Keys to set on the result; `guild_id` makes it what GUILD_MEMBER_ADD carries.

        Returns
        -------
        dict
            A whole member.
        """
        return {
            "user": user if user is not None else self.user(),
            "nick": self.word() if self.chance(0.2) else None,
            "avatar": None,
            "banner": None,
            "roles": list(roles),
            "joined_at": self.timestamp(within_days=1_000),
            "premium_since": self.timestamp(within_days=90) if self.chance(0.03) else None,
            "deaf": False,
            "mute": False,
            "flags": 0,
            "pending": False,
            "communication_disabled_until": None,
            **overrides,
        }

    def activity(self, **overrides: typing.Any) -> Payload:
        """Build an activity of a presence.

        Parameters
        ----------
        **overrides
            Keys to set on the result.

        Returns
        -------
        dict
            A game, or a custom status.
        """
        created_at = self.milliseconds()
        activity: Payload
        if self.chance(0.3):
            activity = {"id": "custom", "name": "Custom Status", "type": 4, "state": self.sentence()[:60]}
        else:
            activity = {
                "id": f"{self.random.getrandbits(64):016x}",
                "name": self.pick(_GAMES),
                "type": 0,
                "application_id": self.snowflake(within_days=900),
                "timestamps": {"start": created_at - self.whole(1_000, 7_200_000)},
            }

        return {**activity, "created_at": created_at, **overrides}

    def presence(
        self,
        *,
        user_id: str | None = None,
        status: str | None = None,
        activities: collections.Sequence[collections.Mapping[str, typing.Any]] | None = None,
        **overrides: typing.Any,
    ) -> Payload:
        """Build a presence. Its `user` is only an id, as the gateway sends it.

        Parameters
        ----------
        user_id
            Whose presence it is; a new id when not given.
        status
            `online`, `idle`, `dnd` or `offline`; one of the first three when not given.
        activities
            What the user does; one activity or none when not given.
        **overrides
            Keys to set on the result; `guild_id` makes it what PRESENCE_UPDATE carries.

        Returns
        -------
        dict
            A presence. An offline one has no activities and no client.
        """
        status = status if status is not None else self.pick(_STATUSES)
        online = status != "offline"
        if activities is None:
            activities = [self.activity()] if online and self.chance(0.6) else []

        return {
            "user": {"id": self._id(user_id, within_days=2_500)},
            "status": status,
            "activities": list(activities),
            "client_status": {self.pick(_CLIENTS): status} if online else {},
            **overrides,
        }

    def voice_state(
        self, *, user_id: str | None = None, channel_id: str | None = None, **overrides: typing.Any
    ) -> Payload:
        """Build a voice state, as GUILD_CREATE lists it: without `guild_id` and `member`.

        Parameters
        ----------
        user_id
            Whose state it is; a new id when not given.
        channel_id
            The channel; a new id when not given. `left_voice_state` builds the state of somebody who left.
        **overrides
            Keys to set on the result; `guild_id` and `member` make it what VOICE_STATE_UPDATE carries.

        Returns
        -------
        dict
            A voice state.
        """
        return {
            "user_id": self._id(user_id, within_days=2_500),
            "channel_id": self._id(channel_id, within_days=1_000),
            "session_id": self.digest(),
            "deaf": False,
            "mute": False,
            "self_deaf": self.chance(0.1),
            "self_mute": self.chance(0.3),
            "self_video": False,
            "suppress": False,
            "request_to_speak_timestamp": None,
            **overrides,
        }

    def left_voice_state(self, *, user_id: str | None = None, **overrides: typing.Any) -> Payload:
        """Build the voice state of somebody who has left.

        Parameters
        ----------
        user_id
            Whose state it is; a new id when not given.
        **overrides
            Keys to set on the result.

        Returns
        -------
        dict
            A voice state whose `channel_id` is null.
        """
        state = self.voice_state(user_id=user_id)
        state["channel_id"] = None
        return {**state, **overrides}

    def ban(self, *, user: collections.Mapping[str, typing.Any] | None = None, **overrides: typing.Any) -> Payload:
        """Build a ban, as REST lists it.

        Parameters
        ----------
        user
            Who is banned; a new user when not given.
        **overrides
            Keys to set on the result; `guild_id` makes it what GUILD_BAN_ADD carries.

        Returns
        -------
        dict
            A ban.
        """
        return {"user": user if user is not None else self.user(), "reason": self.sentence(), **overrides}
