# SPDX-License-Identifier: BSD-3-Clause
"""Where payloads hold users. Pure."""

from __future__ import annotations

__all__ = ["User", "author_of", "in_interaction", "in_invite", "in_message", "is_whole"]

import typing
from collections import abc as collections

from ._codec import Payload
from ._codec import nested

User = dict[str, typing.Any]
"""The payload of a user."""


def is_whole(user: Payload, /) -> bool:
    """Return whether a payload is a whole user, not just an id with what has changed."""
    return "username" in user and "discriminator" in user and "avatar" in user and "id" in user


def author_of(message: Payload, /) -> User | None:
    """Return who wrote a message, unless that is a webhook, which has a name and a face but is no user.

    What an application says through the webhook of an interaction its bot says, who is a user.
    """
    author: User | None = message.get("author")
    webhook = message.get("webhook_id")
    if not author or not webhook or str(webhook) == str(message.get("application_id")):
        return author

    return None if str(author.get("id")) == str(webhook) else author


def in_message(message: Payload, /) -> collections.Iterator[User | None]:
    """Yield the users that a message holds."""
    yield author_of(message)
    for mention in message.get("mentions") or ():
        yield {name: value for name, value in mention.items() if name != "member"}
    yield nested(message, "interaction").get("user")
    yield from _in_metadata(message.get("interaction_metadata"))
    yield from nested(nested(message, "resolved"), "users").values()
    for snapshot in message.get("message_snapshots") or ():
        yield from in_message(nested(snapshot, "message"))
    if replied_to := message.get("referenced_message"):
        yield from in_message(replied_to)


def in_interaction(interaction: Payload, /) -> collections.Iterator[User | None]:
    """Yield the users that an interaction holds."""
    yield interaction.get("user")
    yield nested(interaction, "member").get("user")
    resolved = nested(nested(interaction, "data"), "resolved")
    yield from nested(resolved, "users").values()
    for message in nested(resolved, "messages").values():
        yield from in_message(message)
    if message := interaction.get("message"):
        yield from in_message(message)


def in_invite(invite: Payload, /) -> collections.Iterator[User | None]:
    """Yield the users that an invite holds."""
    yield invite.get("inviter")
    yield invite.get("target_user")
    yield nested(invite, "guild_scheduled_event").get("creator")


def _in_metadata(metadata: Payload | None, /) -> collections.Iterator[User | None]:
    while metadata:
        yield metadata.get("user")
        yield metadata.get("target_user")
        metadata = typing.cast("Payload | None", metadata.get("triggering_interaction_metadata"))
