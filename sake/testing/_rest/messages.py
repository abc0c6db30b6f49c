# SPDX-License-Identifier: BSD-3-Clause
"""The REST side: messages, and answers to interactions."""

from __future__ import annotations

__all__ = ["MessageRest"]

import itertools
import typing
from collections import abc as collections

import typing_extensions
from aiohttp import web

from .._payloads.source import Payload
from . import forms
from .rest import PREFIX
from .rest import Rest
from .rest import read_form
from .rest import reply
from .rest import unknown

if typing.TYPE_CHECKING:
    from .._world.guild import WorldGuild
    from .._world.world import World

_Publish: typing.TypeAlias = "collections.Callable[[str, Payload], collections.Awaitable[None]]"

_ORIGINAL: typing.Final = "@original"
_EPHEMERAL: typing.Final = 64
_LOADING: typing.Final = 128
_MESSAGE_RESPONSES: typing.Final = frozenset((4, 5))
_UPDATE_RESPONSES: typing.Final = frozenset((6, 7))
_WRITTEN: typing.Final = ("content", "embeds", "components", "flags", "tts", "nonce")
_CARRIED: typing.Final = ("attachments", "components", "content", "embeds", "poll", "sticker_ids")
_DEFAULT_LIMIT: typing.Final = 50
_FORWARD: typing.Final = 1
_MAX_LIMIT: typing.Final = 100
_RESPONSES: typing.Final = {2: {4, 5, 9}, 3: {4, 5, 6, 7, 9}, 4: {8}, 5: {4, 5}}


class MessageRest(Rest):
    """All of the REST side.

    What a bot writes, edits or deletes happens to the world too, and the gateway tells of it.

    Parameters
    ----------
    world
        What is true.
    token
        The token that bots have to use.
    shards
        The number of shards that bots are told to start.
    interactions
        The interactions that were sent, by token.
    publish
        Sends an event to the bots.
    """

    def __init__(
        self,
        world: World,
        /,
        *,
        token: str,
        shards: int,
        interactions: collections.Mapping[str, collections.Mapping[str, typing.Any]],
        publish: _Publish,
    ) -> None:
        super().__init__(world, token=token, shards=shards)
        self._interactions = interactions
        self._publish = publish
        self._responses: dict[str, dict[str, Payload]] = {}

    @typing_extensions.override
    def routes(self) -> list[web.RouteDef]:
        channel = f"{PREFIX}/channels/{{channel}}"
        webhook = f"{PREFIX}/webhooks/{{application}}/{{token}}"
        return [
            *super().routes(),
            web.get(f"{channel}/messages", self._list_messages),
            web.post(f"{channel}/messages", self._post_message),
            web.get(f"{channel}/messages/{{message}}", self._get_message),
            web.patch(f"{channel}/messages/{{message}}", self._patch_message),
            web.delete(f"{channel}/messages/{{message}}", self._delete_message),
            web.put(f"{channel}/messages/{{message}}/reactions/{{emoji}}/@me", self._accept),
            web.delete(f"{channel}/messages/{{message}}/reactions/{{emoji}}/@me", self._accept),
            web.post(f"{channel}/typing", self._accept),
            web.post(f"{PREFIX}/interactions/{{interaction}}/{{token}}/callback", self._post_callback),
            web.post(webhook, self._post_follow_up),
            web.get(f"{webhook}/messages/{{message}}", self._get_response),
            web.patch(f"{webhook}/messages/{{message}}", self._patch_response),
            web.delete(f"{webhook}/messages/{{message}}", self._delete_response),
        ]

    async def _accept(self, request: web.Request, /) -> web.Response:
        self.find_channel(request.match_info["channel"])
        return web.Response(status=204)

    def _find_message(self, request: web.Request, /) -> Payload:
        channel_id = request.match_info["channel"]
        _, guild = self.find_channel(channel_id)
        message = self._messages(guild).get(request.match_info["message"])
        if message is None or message["channel_id"] != channel_id:
            raise unknown("Message", 10_008)

        return message

    def _messages(self, guild: WorldGuild | None, /) -> dict[str, Payload]:
        return self.world.direct_messages if guild is None else guild.messages

    def _guild_of(self, message: collections.Mapping[str, typing.Any], /) -> WorldGuild | None:
        return self.world.guilds.get(message.get("guild_id", ""))

    async def _list_messages(self, request: web.Request, /) -> web.Response:
        channel_id = request.match_info["channel"]
        _, guild = self.find_channel(channel_id)
        written = [message for message in self._messages(guild).values() if message["channel_id"] == channel_id]
        return reply(_page(written, request.query))

    async def _get_message(self, request: web.Request, /) -> web.Response:
        return reply(self._find_message(request))

    async def _post_message(self, request: web.Request, /) -> web.Response:
        channel, guild = self.find_channel(request.match_info["channel"])
        message = self._write(channel["id"], guild, await _read_message(request))
        await self._tell("MESSAGE_CREATE", message)
        return reply(message)

    async def _patch_message(self, request: web.Request, /) -> web.Response:
        edit = await read_form(request, forms.check_message)
        message = self._edited(self._find_message(request), edit)
        await self._tell("MESSAGE_UPDATE", message)
        return reply(message)

    async def _delete_message(self, request: web.Request, /) -> web.Response:
        await self._delete(self._find_message(request))
        return web.Response(status=204)

    async def _delete(self, message: Payload, /) -> None:
        if self._messages(self._guild_of(message)).pop(message["id"], None) is not None:
            ids: Payload = {key: message[key] for key in ("id", "channel_id", "guild_id") if key in message}
            await self._publish("MESSAGE_DELETE", ids)

    async def _tell(self, event: str, message: Payload, /) -> None:
        guild = self._guild_of(message)
        if guild is None:
            self.world.direct_messages[message["id"]] = message
        else:
            guild.put_message(message)

        await self._publish(event, message)

    def _write(
        self,
        channel_id: str,
        guild: WorldGuild | None,
        body: collections.Mapping[str, typing.Any],
        /,
        **extras: typing.Any,
    ) -> Payload:
        me = self.world.me["id"]
        options: Payload = {
            "channel_id": channel_id,
            "guild_id": guild.id if guild is not None else None,
            "author": self.world.users[me],
            "member": guild.members.get(me) if guild is not None else None,
            "content": "",
            **self._written(body),
            **extras,
        }
        reference = body.get("message_reference")
        quoted = self._messages(guild).get(str(reference["message_id"])) if reference else None
        if quoted is not None:
            return self.world.payloads.reply(quoted, **options)

        return self.world.payloads.message(**options)

    def _written(self, body: collections.Mapping[str, typing.Any], /) -> Payload:
        written = {key: body[key] for key in _WRITTEN if body.get(key) is not None}
        if "components" in written:
            written["components"] = _numbered(written["components"], itertools.count(1))

        if body.get("attachments"):
            names = [attachment.get("filename", "file") for attachment in body["attachments"]]
            written["attachments"] = [self.world.payloads.attachment(filename=name) for name in names]

        return written

    def _edited(self, message: Payload, body: collections.Mapping[str, typing.Any], /) -> Payload:
        return {**message, **self._written(body), "edited_timestamp": self.world.payloads.timestamp()}

    async def _post_callback(self, request: web.Request, /) -> web.Response:
        token = request.match_info["token"]
        interaction = self._interactions.get(token)
        if interaction is None:
            raise unknown("interaction", 10_062)

        if token in self._responses:
            raise forms.ApiError(400, 40_060, "Interaction has already been acknowledged.")

        body: Payload = await read_form(request, forms.check_response)
        self._check_response(interaction, body)
        responses = self._responses[token] = {}
        message = await self._respond(interaction, body)
        resource: Payload = {"type": body["type"]}
        if message is not None:
            responses[_ORIGINAL] = message
            resource["message"] = message

        if request.query.get("with_response", "").lower() != "true":
            return web.Response(status=204)

        answered = {"id": interaction["id"], "type": interaction["type"]}
        return reply({"interaction": answered, "resource": resource})

    def _check_response(
        self, interaction: collections.Mapping[str, typing.Any], body: collections.Mapping[str, typing.Any], /
    ) -> None:
        fitting = _RESPONSES.get(interaction["type"], set[int]())
        if interaction.get("message") is not None:
            fitting = fitting | _UPDATE_RESPONSES

        forms.check_choice(body["type"], fitting, "type")
        forms.RESPONSE_CHECKS[body["type"]](body, "")
        if body["type"] == min(_MESSAGE_RESPONSES):
            _check_content(body["data"], has_files=False)

    async def _respond(
        self, interaction: collections.Mapping[str, typing.Any], body: collections.Mapping[str, typing.Any], /
    ) -> Payload | None:
        data: Payload = body.get("data") or {}
        if body["type"] in _MESSAGE_RESPONSES:
            flags = (data.get("flags") or 0) | (_LOADING if body["type"] != min(_MESSAGE_RESPONSES) else 0)
            return await self._write_response(interaction, {**data, "flags": flags})

        if body["type"] in _UPDATE_RESPONSES:
            message = self._edited(dict(interaction["message"]), data) if data else dict(interaction["message"])
            await self._tell_unless_hidden("MESSAGE_UPDATE", message)
            return message

        return None

    async def _write_response(
        self, interaction: collections.Mapping[str, typing.Any], data: collections.Mapping[str, typing.Any], /
    ) -> Payload:
        guild = self._guild_of(interaction)
        message = self._write(interaction["channel_id"], guild, data, application_id=interaction["application_id"])
        await self._tell_unless_hidden("MESSAGE_CREATE", message)
        return message

    async def _tell_unless_hidden(self, event: str, message: Payload, /) -> None:
        if not message.get("flags", 0) & _EPHEMERAL:
            await self._tell(event, message)

    def _find_response(self, request: web.Request, /) -> Payload:
        token, message_id = request.match_info["token"], request.match_info["message"]
        if token not in self._responses:
            raise unknown("Webhook", 10_015)

        message = self._responses[token].get(message_id)
        if message is None:
            raise unknown("Message", 10_008)

        return message

    async def _post_follow_up(self, request: web.Request, /) -> web.Response:
        token = request.match_info["token"]
        if token not in self._responses:
            raise unknown("Webhook", 10_015)

        message = await self._write_response(self._interactions[token], await _read_message(request))
        self._responses[token][message["id"]] = message
        return reply(message)

    async def _get_response(self, request: web.Request, /) -> web.Response:
        return reply(self._find_response(request))

    async def _patch_response(self, request: web.Request, /) -> web.Response:
        message = self._edited(self._find_response(request), await read_form(request, forms.check_message))
        message["flags"] &= ~_LOADING
        self._responses[request.match_info["token"]][request.match_info["message"]] = message
        await self._tell_unless_hidden("MESSAGE_UPDATE", message)
        return reply(message)

    async def _delete_response(self, request: web.Request, /) -> web.Response:
        message = self._find_response(request)
        del self._responses[request.match_info["token"]][request.match_info["message"]]
        await self._delete(message)
        return web.Response(status=204)


async def _read_message(request: web.Request, /) -> Payload:
    body: Payload = await read_form(request, forms.check_message)
    has_files = request.content_type == "multipart/form-data" and len(await request.post()) > 1
    _check_content(body, has_files=has_files)
    return body


def _check_content(body: collections.Mapping[str, typing.Any], /, *, has_files: bool) -> None:
    reference: Payload = body.get("message_reference") or {}
    is_forward = reference.get("type") == _FORWARD
    if not (has_files or is_forward or any(body.get(name) for name in _CARRIED)):
        raise forms.ApiError(400, 50_006, "Cannot send an empty message")


def _page(written: list[Payload], query: collections.Mapping[str, str], /) -> list[Payload]:
    """Choose the messages that a page shows, the newest first."""
    limit = forms.read_whole(query, "limit", default=_DEFAULT_LIMIT, low=1, high=_MAX_LIMIT)
    around, before, after = (forms.read_whole(query, name, default=0) for name in ("around", "before", "after"))
    ordered = sorted(written, key=lambda message: int(message["id"]), reverse=True)
    if around:
        newer = sum(int(message["id"]) > around for message in ordered)
        first = max(0, newer - limit // 2)
        return ordered[first : first + limit]

    beside = [m for m in ordered if int(m["id"]) > after and (not before or int(m["id"]) < before)]
    # The page next to `after` is the oldest one, yet each page lists the newest message first.
    return beside[-limit:] if after else beside[:limit]


def _numbered(components: list[Payload], ids: collections.Iterator[int], /) -> list[Payload]:
    """Give components the ids that Discord fills in."""
    numbered: list[Payload] = []
    for component in components:
        copy: Payload = {"id": next(ids), **component}
        if "components" in copy:
            copy["components"] = _numbered(copy["components"], ids)

        if "accessory" in copy:
            copy["accessory"] = _numbered([copy["accessory"]], ids)[0]

        numbered.append(copy)

    return numbered
