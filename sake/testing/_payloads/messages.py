# SPDX-License-Identifier: BSD-3-Clause
"""Builders for messages and what happens to them."""

from __future__ import annotations

__all__ = ["MessagePayloads", "without_user"]

import typing
from collections import abc as collections

from .people import PeoplePayloads
from .source import Payload

_CDN: typing.Final = "https://cdn.example.com"
_REPLY: typing.Final = 19


def without_user(member: collections.Mapping[str, typing.Any], /) -> Payload:
    """Make what a message carries of its author's member."""
    return {key: value for key, value in member.items() if key not in {"user", "guild_id"}}


class MessagePayloads(PeoplePayloads):
    """The part of `Payloads` that builds messages."""

    __slots__ = ()

    def message(
        self,
        *,
        channel_id: str | None = None,
        guild_id: str | None = None,
        author: collections.Mapping[str, typing.Any] | None = None,
        member: collections.Mapping[str, typing.Any] | None = None,
        content: str | None = None,
        **overrides: typing.Any,
    ) -> Payload:
        """Build a message, as MESSAGE_CREATE carries it.

        Parameters
        ----------
        channel_id
            Where it was written; a new id when not given.
        guild_id
            The guild. Without one, and without a member, it is a direct message.
        author
            The user who wrote it; the member's user, or else a new one, when not given.
        member
            The author as a member of the guild; a new member when only `guild_id` is given. It appears in the
            message without its user, as the gateway sends it.
        content
            What it says.
        **overrides
            Keys to set on the result.

        Returns
        -------
        dict
            A whole message, written now.
        """
        if author is None:
            author = member["user"] if member is not None else self.user()

        message: Payload = {
            "id": self.snowflake(),
            "type": 0,
            "channel_id": self._id(channel_id, within_days=1_000),
            "author": author,
            "content": content if content is not None else self.sentence(),
            "timestamp": self.timestamp(),
            "edited_timestamp": None,
            "tts": False,
            "pinned": False,
            "mention_everyone": False,
            "mentions": [],
            "mention_roles": [],
            "attachments": [],
            "embeds": [],
            "components": [],
            "flags": 0,
            "nonce": str(self.random.getrandbits(60)),
        }
        if guild_id is not None:
            message["guild_id"] = guild_id
            message["member"] = without_user(member if member is not None else self.member(user=author))

        return {**message, **overrides}

    def reply(self, to: collections.Mapping[str, typing.Any], /, **overrides: typing.Any) -> Payload:
        """Build a message that answers another one.

        Parameters
        ----------
        to
            The message it answers. Like the gateway, the reply carries it without `guild_id` and `member`.
        **overrides
            Parameters of `message`, or keys to set on the result.

        Returns
        -------
        dict
            A whole message in the same channel and guild, which mentions the author of the other one.
        """
        reference = {"type": 0, "channel_id": to["channel_id"], "message_id": to["id"]}
        if "guild_id" in to:
            reference["guild_id"] = to["guild_id"]

        quoted = {k: v for k, v in to.items() if k not in {"guild_id", "member", "referenced_message"}}
        options: Payload = {
            "type": _REPLY,
            "channel_id": to["channel_id"],
            "guild_id": to.get("guild_id"),
            "message_reference": reference,
            "referenced_message": quoted,
            "mentions": [to["author"]],
            **overrides,
        }
        return self.message(**options)

    def rich_message(self, **overrides: typing.Any) -> Payload:
        """Build a message with an embed, an attachment, mentions, a reaction and a button.

        Parameters
        ----------
        **overrides
            Parameters of `message`, or keys to set on the result.

        Returns
        -------
        dict
            A whole message.
        """
        extras: Payload = {
            "embeds": [self.embed()],
            "attachments": [self.attachment()],
            "mentions": [self.user()],
            "mention_roles": [self.snowflake(within_days=900)],
            "components": [self.button_row()],
            "reactions": [self.reaction()],
        }
        return self.message(**{**extras, **overrides})

    def message_update(self, message: collections.Mapping[str, typing.Any], /, **changes: typing.Any) -> Payload:
        """Build the partial payload of an edit.

        Parameters
        ----------
        message
            The message that is edited; it is not changed.
        **changes
            The keys that the edit carries beside the ids. Without any, a new `content` and `edited_timestamp`.

        Returns
        -------
        dict
            What MESSAGE_UPDATE carries: ids and changes, nothing else.
        """
        if not changes:
            changes = {"content": self.sentence(), "edited_timestamp": self.timestamp()}

        ids = {key: message[key] for key in ("id", "channel_id", "guild_id") if key in message}
        return {**ids, **changes}

    def embed(self, **overrides: typing.Any) -> Payload:
        """Build an embed.

        Parameters
        ----------
        **overrides
            Keys to set on the result.

        Returns
        -------
        dict
            An embed with an author, a footer, an image and two fields.
        """
        return {
            "type": "rich",
            "title": self.word(),
            "description": self.sentence(),
            "url": f"{_CDN}/{self.word()}",
            "color": self.random.getrandbits(24),
            "timestamp": self.timestamp(within_days=1),
            "author": {"name": self.word(), "icon_url": f"{_CDN}/{self.digest()}.png"},
            "footer": {"text": self.sentence()},
            "image": {"url": f"{_CDN}/{self.digest()}.png", "width": 640, "height": 480},
            "fields": [{"name": self.word(), "value": self.sentence(), "inline": inline} for inline in (True, False)],
            **overrides,
        }

    def attachment(self, **overrides: typing.Any) -> Payload:
        """Build an attachment.

        Parameters
        ----------
        **overrides
            Keys to set on the result.

        Returns
        -------
        dict
            An image.
        """
        url = f"{_CDN}/attachments/{self.digest()}/picture.png"
        return {
            "id": self.snowflake(),
            "filename": "picture.png",
            "size": self.whole(10_000, 2_000_000),
            "url": url,
            "proxy_url": url,
            "content_type": "image/png",
            "width": 640,
            "height": 480,
            **overrides,
        }

    def button_row(self, *, custom_id: str = "press", **overrides: typing.Any) -> Payload:
        """Build a row with one button.

        Parameters
        ----------
        custom_id
            What the bot knows the button by.
        **overrides
            Keys to set on the button.

        Returns
        -------
        dict
            An action row, as a message carries it.
        """
        button = {"id": 2, "type": 2, "style": 1, "label": "Press", "custom_id": custom_id, **overrides}
        return {"id": 1, "type": 1, "components": [button]}

    def reaction(self, **overrides: typing.Any) -> Payload:
        """Build the count of a reaction.

        Parameters
        ----------
        **overrides
            Keys to set on the result.

        Returns
        -------
        dict
            What `reactions` of a message lists.
        """
        count = self.whole(1, 20)
        return {
            "emoji": {"id": None, "name": "👍"},
            "count": count,
            "count_details": {"burst": 0, "normal": count},
            "burst_colors": [],
            "me": False,
            "me_burst": False,
            **overrides,
        }

    def reaction_event(
        self,
        message: collections.Mapping[str, typing.Any],
        /,
        *,
        member: collections.Mapping[str, typing.Any] | None = None,
        **overrides: typing.Any,
    ) -> Payload:
        """Build what MESSAGE_REACTION_ADD carries.

        Parameters
        ----------
        message
            The message that gets the reaction.
        member
            Who reacts. A new user when not given; the payload then has a `member` if the message is in a guild.
        **overrides
            Keys to set on the result.

        Returns
        -------
        dict
            A reaction with its ids. Without `member` it is what MESSAGE_REACTION_REMOVE carries.
        """
        member = member if member is not None else self.member()
        event: Payload = {
            "user_id": member["user"]["id"],
            "channel_id": message["channel_id"],
            "message_id": message["id"],
            "message_author_id": message["author"]["id"],
            "emoji": {"id": None, "name": "👍"},
            "type": 0,
            "burst": False,
        }
        if "guild_id" in message:
            event |= {"guild_id": message["guild_id"], "member": member}

        return {**event, **overrides}

    def typing_event(
        self,
        *,
        channel_id: str | None = None,
        guild_id: str | None = None,
        member: collections.Mapping[str, typing.Any] | None = None,
        **overrides: typing.Any,
    ) -> Payload:
        """Build what TYPING_START carries.

        Parameters
        ----------
        channel_id
            Where somebody types; a new id when not given.
        guild_id
            The guild. Without one it is a direct message channel.
        member
            Who types; somebody new when not given.
        **overrides
            Keys to set on the result.

        Returns
        -------
        dict
            Ids, a timestamp in seconds since 1970, and in a guild the member.
        """
        member = member if member is not None else self.member()
        event: Payload = {
            "channel_id": self._id(channel_id, within_days=1_000),
            "user_id": member["user"]["id"],
            "timestamp": self.milliseconds() // 1_000,
        }
        if guild_id is not None:
            event |= {"guild_id": guild_id, "member": member}

        return {**event, **overrides}
