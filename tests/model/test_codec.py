# SPDX-License-Identifier: BSD-3-Clause
"""Payloads as bytes and back, and what is said when that cannot be done."""

from __future__ import annotations

import json
import typing
import zlib

import hikari
import hypothesis
import pytest
from hypothesis import strategies

import sake
from sake.redis._model import codec as _codec
from sake.redis._model import kinds as _kinds

Payload = dict[str, typing.Any]

SETTINGS = hypothesis.settings(deadline=None, max_examples=40)
TEXTS = strategies.text(strategies.characters(exclude_categories=["Cs"]), max_size=20)
LEAVES = (
    strategies.none()
    | strategies.booleans()
    | strategies.integers(-(2**63), 2**64 - 1)
    | strategies.floats(allow_nan=False, allow_infinity=False)
    | TEXTS
)
VALUES = strategies.recursive(
    LEAVES,
    lambda children: strategies.lists(children, max_size=4) | strategies.dictionaries(TEXTS, children, max_size=4),
    max_leaves=12,
)
PAYLOADS = strategies.dictionaries(TEXTS, VALUES, max_size=6)


def json_dumps(payload: Payload) -> bytes:
    return json.dumps(payload).encode()


def zlib_dumps(payload: Payload) -> bytes:
    return zlib.compress(json_dumps(payload))


def zlib_loads(data: bytes) -> Payload:
    return json.loads(zlib.decompress(data))


CODECS = {
    "default": _codec.Codec(),
    "json": _codec.Codec(json_dumps, json.loads),
    "zlib": _codec.Codec(zlib_dumps, zlib_loads),
}


@pytest.mark.parametrize("name", CODECS)
@SETTINGS
@hypothesis.given(PAYLOADS)
def test_a_payload_comes_back_as_it_was(name: str, payload: Payload) -> None:
    codec = CODECS[name]
    data = codec.dumps(payload)
    assert isinstance(data, bytes)
    assert codec.load(data, "key") == payload


@SETTINGS
@hypothesis.given(PAYLOADS)
def test_what_is_stored_by_default_is_a_json_document(payload: Payload) -> None:
    data = _codec.Codec().dumps(payload)
    assert data.startswith(b"{")
    assert json.loads(data) == payload


@pytest.mark.parametrize("name", CODECS)
@pytest.mark.parametrize("data", [b"", b"\xff\x00", b"{", b'{"a": }', zlib.compress(b"{")[:-1]])
def test_bytes_that_cannot_be_read_are_an_error_with_key_and_cause(name: str, data: bytes) -> None:
    with pytest.raises(sake.InvalidDataFound, match="role 5 of guild 7") as caught:
        CODECS[name].load(data, "role 5 of guild 7")

    assert caught.value.__cause__ is caught.value.exception
    assert caught.value.exception is not None


@SETTINGS
@hypothesis.given(strategies.binary())
def test_no_bytes_at_all_let_another_error_out(data: bytes) -> None:
    codec = CODECS["zlib"]
    try:
        codec.load(data, "key")
    except sake.InvalidDataFound as exc:
        assert exc.exception is not None


@pytest.mark.parametrize(
    "error",
    [
        KeyError("id"),
        TypeError("no"),
        ValueError("no"),
        LookupError("no"),
        RecursionError(),
        hikari.UnrecognisedEntityError("unknown type of channel"),
    ],
)
def test_a_payload_that_no_model_can_be_built_from_is_an_error_with_key_and_cause(error: Exception) -> None:
    def build(_: object) -> typing.NoReturn:
        raise error

    with pytest.raises(sake.InvalidDataFound, match="channel 5 of guild 7") as caught:
        _codec.Codec().build(build, b"{}", "channel 5 of guild 7")

    assert caught.value.__cause__ is error
    assert caught.value.exception is error
    assert type(error).__name__ in str(caught.value)


def test_a_key_error_says_which_key_is_missing() -> None:
    with pytest.raises(sake.InvalidDataFound, match="hoist"):
        _codec.Codec().build(lambda payload: payload["hoist"], b"{}", "role 5")


@pytest.mark.parametrize("data", [b"[]", b"null", b"5", b'"x"'])
def test_a_document_that_is_no_object_is_an_error_of_ours(data: bytes) -> None:
    with pytest.raises(sake.InvalidDataFound):
        _codec.Codec().build(lambda payload: payload["id"], data, "role 5")


@SETTINGS
@hypothesis.given(PAYLOADS)
def test_building_gets_the_payload_and_returns_the_model(payload: Payload) -> None:
    codec = _codec.Codec()
    assert codec.build(lambda found: ("model", found), codec.dumps(payload), "key") == ("model", payload)


def test_a_channel_that_is_not_one_of_a_guild_cannot_be_built(bot: hikari.GatewayBot, payloads: typing.Any) -> None:
    codec = _codec.Codec()
    data = codec.dumps(payloads.dm_channel())
    with pytest.raises(sake.InvalidDataFound):
        codec.build(lambda payload: _kinds.CHANNELS.build(bot.entity_factory, payload, "7"), data, "channel 5")


def test_every_kind_builds_its_model_from_what_is_stored(bot: hikari.GatewayBot, payloads: typing.Any) -> None:
    builders: dict[_kinds.Kind[typing.Any], tuple[Payload, type]] = {
        _kinds.CHANNELS: (payloads.channel(), hikari.PermissibleGuildChannel),
        _kinds.EMOJIS: (payloads.emoji(), hikari.KnownCustomEmoji),
        _kinds.GUILDS: (payloads.guild_fields(), hikari.GatewayGuild),
        _kinds.INVITES: (payloads.invite(), hikari.InviteWithMetadata),
        _kinds.ME: (payloads.own_user(), hikari.OwnUser),
        _kinds.MEMBERS: (payloads.member(), hikari.Member),
        _kinds.MESSAGES: (payloads.message(), hikari.Message),
        _kinds.PRESENCES: (payloads.presence(), hikari.MemberPresence),
        _kinds.ROLES: (payloads.role(), hikari.Role),
        _kinds.STICKERS: (payloads.sticker(), hikari.GuildSticker),
        _kinds.THREADS: (payloads.thread(), hikari.GuildThreadChannel),
        _kinds.USERS: (payloads.user(), hikari.User),
        _kinds.VOICE_STATES: (payloads.voice_state(), hikari.VoiceState),
    }
    codec = _codec.Codec()
    for kind, (payload, model) in builders.items():
        data = codec.dumps(payload)
        built = codec.build(lambda found, kind=kind: kind.build(bot.entity_factory, found, "777"), data, kind.name)
        assert isinstance(built, model), kind.name
        if kind.in_guild and kind not in (_kinds.INVITES, _kinds.GUILDS):
            assert built.guild_id == 777, kind.name
