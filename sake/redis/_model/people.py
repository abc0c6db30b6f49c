# SPDX-License-Identifier: BSD-3-Clause
"""Where payloads hold users, and what becomes of those. Pure."""

from __future__ import annotations

__all__ = [
    "User",
    "author_of",
    "in_interaction",
    "in_invite",
    "in_message",
    "is_whole",
    "lay",
    "of",
    "put",
    "put_all_of",
    "put_each",
]

import typing
from collections import abc as collections

from .codec import Payload
from .codec import is_object
from .codec import nested
from .draft import Draft
from .kinds import USERS

User = dict[str, typing.Any]
"""The payload of a user."""


_WITH_OTHERS: typing.Final = frozenset(
    {"interaction", "interaction_metadata", "message_snapshots", "referenced_message", "resolved"}
)
"""What a message holds others in than who wrote it and who is mentioned."""


def is_whole(user: object, /) -> typing.TypeGuard[User]:
    """Return whether a payload is a whole user, not just an id with what has changed."""
    return is_object(user) and "username" in user and "discriminator" in user and "avatar" in user and "id" in user


def author_of(message: Payload, /) -> User | None:
    """Return who wrote a message, unless that is a webhook, which has a name and a face but is no user.

    What an application says through the webhook of an interaction its bot says, who is a user.
    """
    author: User | None = message.get("author")
    webhook = message.get("webhook_id")
    if not webhook or str(webhook) == str(message.get("application_id")):
        return author

    return None if str(nested(message, "author").get("id")) == str(webhook) else author


def in_message(message: Payload, /) -> list[User | None]:
    """Return the users that a message holds. For most messages that is its author, and known at once."""
    users = [author_of(message)]
    if mentions := message.get("mentions"):
        users += [_without_member(mention) for mention in mentions if is_object(mention)]
    if message.keys().isdisjoint(_WITH_OTHERS):
        return users

    users.append(nested(message, "interaction").get("user"))
    users += _in_metadata(nested(message, "interaction_metadata"))
    users += nested(nested(message, "resolved"), "users").values()
    for snapshot in message.get("message_snapshots") or ():
        users += in_message(nested(snapshot, "message")) if is_object(snapshot) else ()
    if replied_to := nested(message, "referenced_message"):
        users += in_message(replied_to)
    return users


def in_interaction(interaction: Payload, /) -> list[User | None]:
    """Return the users that an interaction holds."""
    resolved = nested(nested(interaction, "data"), "resolved")
    messages = [*nested(resolved, "messages").values(), interaction.get("message")]
    users = [interaction.get("user"), nested(interaction, "member").get("user"), *nested(resolved, "users").values()]
    return users + [user for message in messages if is_object(message) for user in in_message(message)]


def in_invite(invite: Payload, /) -> list[User | None]:
    """Return the users that an invite holds."""
    return [invite.get("inviter"), invite.get("target_user"), nested(invite, "guild_scheduled_event").get("creator")]


def _in_metadata(metadata: Payload, /) -> collections.Iterator[User | None]:
    while metadata:
        yield metadata.get("user")
        yield metadata.get("target_user")
        metadata = nested(metadata, "triggering_interaction_metadata")


def _without_member(mention: User, /) -> User:
    return {name: value for name, value in mention.items() if name != "member"} if "member" in mention else mention


def lay(draft: Draft, users: collections.Iterable[User | None], lifetime: int | None, /) -> None:
    """Lay users over those that are stored, where the payloads are whole but lack what users have elsewhere."""
    once = {str(user["id"]): user for user in users if is_whole(user)}
    draft.patch_all(USERS, "", once, lifetime)


def put(draft: Draft, user: User | None, /) -> None:
    """Set a user, where the payload is a whole one."""
    if is_whole(user):
        draft.put(USERS, "", str(user["id"]), user)


def put_each(draft: Draft, users: collections.Iterable[User | None], /) -> None:
    """Set a few users, where the payloads are whole ones; one that cannot be used is left out."""
    for user in filter(is_whole, users):
        try:
            put(draft, user)
        except Exception as exc:  # noqa: BLE001 - one bad user must not cost what names them
            draft.refuse(f"user {str(user['id'])!r}", exc)


def put_all_of(draft: Draft, items: collections.Iterable[object], /) -> None:
    """Set the users of many members, as `put_each` does."""
    users = {str(user["id"]): user for item in items if is_object(item) and is_whole(user := item.get("user"))}
    draft.put_all(USERS, "", users)


def of(items: collections.Iterable[object], name: str = "user", /) -> list[User | None]:
    """Return the users that emojis and other things have under a name."""
    return [item.get(name) for item in items if is_object(item)]
