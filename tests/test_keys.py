# SPDX-License-Identifier: BSD-3-Clause
"""The names of keys, and which database each resource has."""

from __future__ import annotations

import itertools
import string

import hypothesis
import pytest
from hypothesis import strategies

import sake.redis
from sake import _names
from sake import testing
from sake.redis import _keys
from sake.redis import _kinds

KINDS = tuple(kind for kind in vars(_kinds).values() if isinstance(kind, _kinds.Kind))
KIND_NAMES = sorted(kind.name for kind in KINDS)

NAMESPACE_CHARACTERS = string.ascii_letters + string.digits + "_.-"
NAMESPACES = strategies.none() | strategies.sampled_from(KIND_NAMES) | strategies.text(NAMESPACE_CHARACTERS, min_size=1)
SNOWFLAKES = strategies.integers(0, 2**64 - 1).map(str)
CODES = strategies.text(string.ascii_letters + string.digits + "-", min_size=2, max_size=12)

# Each draws the arguments of one key as (what the key is for, the key).
Named = tuple[tuple[str, ...], str]


def _hash_tag(key: str) -> str:
    return key[key.index("{") + 1 : key.index("}")]


@strategies.composite
def named_keys(draw: strategies.DrawFn, namespace: str | None) -> Named:
    keys = _keys.Keys(namespace)
    kind = draw(strategies.sampled_from(KINDS))
    one = draw(SNOWFLAKES if kind.numeric else CODES)
    other = draw(SNOWFLAKES)
    return draw(
        strategies.sampled_from(
            [
                (("in_guild", kind.name, other), keys.in_guild(kind.name, other)),
                (("channels_in_guild", kind.name, other), keys.channels_in_guild(kind.name, other)),
                (("in_channel", kind.name, other), keys.in_channel(kind.name, other)),
                (("owners", kind.name), keys.owners(kind.name)),
                (("guilds", kind.name), keys.guilds(kind.name)),
                (("single", kind.name, one), keys.single(kind.name, one)),
                (("whole", kind.name), keys.whole(kind.name)),
            ]
        )
    )


@hypothesis.given(NAMESPACES.flatmap(lambda namespace: strategies.tuples(named_keys(namespace), named_keys(namespace))))
def test_two_keys_of_a_namespace_are_equal_only_if_they_are_for_the_same(pair: tuple[Named, Named]) -> None:
    (one_use, one), (other_use, other) = pair
    assert (one == other) == (one_use == other_use)


@hypothesis.given(strategies.data())
def test_no_key_of_one_namespace_is_a_key_of_another(data: strategies.DataObject) -> None:
    one, other = data.draw(strategies.lists(NAMESPACES, min_size=2, max_size=2, unique=True))
    _, one_key = data.draw(named_keys(one))
    _, other_key = data.draw(named_keys(other))
    assert one_key != other_key


@hypothesis.given(NAMESPACES.filter(lambda namespace: namespace is not None), strategies.data())
def test_every_key_begins_with_the_namespace_and_names_its_kind(namespace: str, data: strategies.DataObject) -> None:
    (_, kind, *_rest), key = data.draw(named_keys(namespace))
    assert key.startswith(f"{namespace}:")
    assert kind in key.removeprefix(f"{namespace}:")


@hypothesis.given(NAMESPACES, strategies.sampled_from(KIND_NAMES), SNOWFLAKES)
def test_what_changes_together_in_a_guild_has_the_guild_as_its_hash_tag(
    namespace: str | None, kind: str, guild: str
) -> None:
    keys = _keys.Keys(namespace)
    assert _hash_tag(keys.in_guild(kind, guild)) == guild
    assert _hash_tag(keys.channels_in_guild(kind, guild)) == guild


def test_the_names_of_kinds_cannot_be_mixed_up_when_something_is_added_to_them() -> None:
    suffixes = ("", "-guild", "-guilds", "-channel")
    names = [f"{kind}{suffix}" for kind, suffix in itertools.product(KIND_NAMES, suffixes)]
    assert len(names) == len(set(names))


@hypothesis.given(strategies.text(NAMESPACE_CHARACTERS, min_size=1, max_size=64))
def test_a_namespace_of_harmless_characters_is_kept(namespace: str) -> None:
    assert _keys.check_namespace(namespace, ()) == namespace


def test_no_namespace_is_fine() -> None:
    assert _keys.check_namespace(None, ()) is None
    assert _keys.Keys(None).prefix == ""


@hypothesis.given(strategies.text(max_size=5), strategies.characters(exclude_characters=NAMESPACE_CHARACTERS))
def test_a_namespace_with_another_character_is_refused_by_name(rest: str, character: str) -> None:
    for namespace in (rest + character, character + rest):
        with pytest.raises(ValueError, match="namespace"):
            _keys.check_namespace(namespace, ())


@pytest.mark.parametrize("namespace", ["", "a b", "a:", "{1}", "a*", "a?", "[a]", "ä", "a\n", "a\\"])
def test_a_namespace_that_would_break_keys_or_patterns_is_refused(namespace: str) -> None:
    with pytest.raises(ValueError, match="namespace"):
        _keys.check_namespace(namespace, ())


def test_the_indexes_are_databases_that_every_server_has() -> None:
    assert len({int(index) for index in sake.redis.ResourceIndex}) == len(sake.redis.ResourceIndex)
    assert all(0 <= index < 16 for index in sake.redis.ResourceIndex)


def test_the_old_indexes_are_where_they_were() -> None:
    old = [
        "EMOJI",
        "GUILD",
        "CHANNEL",
        "INVITE",
        "MEMBER",
        "PRESENCE",
        "ROLE",
        "USER",
        "VOICE_STATE",
        "REFERENCE",
        "MESSAGE",
    ]
    assert {name: int(sake.redis.ResourceIndex[name]) for name in old} == {name: i for i, name in enumerate(old)}


def test_every_kind_has_a_name_of_its_own() -> None:
    assert len(KINDS) >= 15
    assert len(set(KIND_NAMES)) == len(KINDS)


def test_the_table_of_names_is_that_of_the_kinds() -> None:
    stored = {kind.name: kind for kind in KINDS if kind.noun}
    assert {name.kind for name in _names.NAMES} == set(stored)
    listed = {name for name, kind in stored.items() if kind.in_guild and kind.numeric and kind is not _kinds.GUILDS}
    assert {name.kind for name in _names.IN_GUILDS} == listed


def test_the_table_of_names_knows_what_methods_and_lists_are_called() -> None:
    guild = testing.Payloads(seed=1).guild()
    for name in _names.IN_GUILDS:
        assert name.list in guild
        for method in (name.get, name.iter_all, name.iter_for_guild, name.clear_for_guild):
            assert callable(getattr(sake.RedisCache, method))
