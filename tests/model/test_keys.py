# SPDX-License-Identifier: BSD-3-Clause
"""The names of keys, and which database each resource has."""

from __future__ import annotations

import collections
import string
import typing

import hypothesis
import pytest
from _support import keys
from hypothesis import strategies

import sake.redis
from sake import _names
from sake import testing
from sake.redis._model import keys as _keys
from sake.redis._model import kinds as _kinds

KINDS = tuple(kind for kind in vars(_kinds).values() if isinstance(kind, _kinds.Kind))
KIND_NAMES = sorted(kind.name for kind in KINDS)

NAMESPACE_CHARACTERS = string.ascii_letters + string.digits + "_.-"
NAMESPACES = strategies.sampled_from([*KIND_NAMES, "guilds", "guild-of", "meta"]) | strategies.text(
    NAMESPACE_CHARACTERS, min_size=1
)
SNOWFLAKES = strategies.integers(0, 2**64 - 1).map(str)
CODES = strategies.text(string.ascii_letters + string.digits + "-", min_size=2, max_size=12)

# Each draws the arguments of one key as (what the key is for, the key).
Named = tuple[tuple[str, ...], str]


def _hash_tag(key: str) -> str:
    return key[key.index("{") + 1 : key.index("}")]


@strategies.composite
def named_keys(draw: strategies.DrawFn, namespace: str) -> Named:
    """Draw a key as what it is used for and how it is called."""
    made = _keys.Keys(namespace)
    kind = draw(strategies.sampled_from(KINDS))
    one = draw(SNOWFLAKES if kind.numeric else CODES)
    other = draw(SNOWFLAKES)
    bucket = str((int(other) >> 22) % 65_536)
    options = [
        (("in_guild", other, kind.name), made.in_guild(kind.name, other)),
        (("single", kind.name, one), made.single(kind.name, one)),
        (("guilds",), made.guilds()),
        (("guild_of", bucket), made.guild_of(other)),
        (("meta",), made.meta()),
    ]
    if kind.channel_of is not None:
        options.append((("channels_in_guild", other, kind.name), made.channels_in_guild(kind.name, other)))
    return draw(strategies.sampled_from(options))


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


@hypothesis.given(NAMESPACES, strategies.data())
def test_every_key_begins_with_the_namespace_and_names_what_it_is_for(
    namespace: str, data: strategies.DataObject
) -> None:
    use, key = data.draw(named_keys(namespace))
    assert key.startswith(f"{namespace}:")
    assert use[-1] in key.removeprefix(f"{namespace}:")


@hypothesis.given(NAMESPACES, strategies.sampled_from(KIND_NAMES), SNOWFLAKES, SNOWFLAKES)
def test_keys_are_called_as_they_are_documented(namespace: str, kind: str, guild: str, entity: str) -> None:
    made = _keys.Keys(namespace)
    assert made.in_guild(kind, guild) == keys.in_guild(kind, guild, namespace)
    assert made.channels_in_guild(kind, guild) == keys.channels(kind, guild, namespace)
    assert made.single(kind, entity) == keys.single(kind, entity, namespace)
    assert made.guilds() == keys.guilds(namespace)
    assert made.guild_of(entity) == keys.guild_of(entity, namespace)
    assert made.meta() == keys.meta(namespace)


@hypothesis.given(NAMESPACES, strategies.sampled_from(KIND_NAMES), SNOWFLAKES)
def test_what_changes_together_in_a_guild_has_the_guild_as_its_hash_tag(namespace: str, kind: str, guild: str) -> None:
    made = _keys.Keys(namespace)
    assert _hash_tag(made.in_guild(kind, guild)) == guild
    assert _hash_tag(made.channels_in_guild(kind, guild)) == guild


@hypothesis.given(SNOWFLAKES)
def test_what_belongs_to_no_guild_has_no_hash_tag(entity: str) -> None:
    made = _keys.Keys()
    for key in (made.single("user", entity), made.guilds(), made.guild_of(entity), made.meta()):
        assert "{" not in key


def test_the_facts_of_many_ids_are_in_small_buckets_of_much_the_same_size() -> None:
    made = _keys.Keys()
    # Ids of one worker, a second apart, as those of a bot's guilds are that were made one after the other.
    counts = collections.Counter(made.guild_of(str((number * 1_000) << 22)) for number in range(100_000))
    assert max(counts.values()) <= 30


@hypothesis.given(strategies.lists(SNOWFLAKES, max_size=30), strategies.integers(1, 5))
def test_keys_are_grouped_by_their_places_and_keep_their_order(entities: list[str], places: int) -> None:
    made = _keys.Keys(slot_of=lambda key: len(key) % places)
    named = [made.single("user", entity) for entity in entities]
    groups = list(made.by_slot(named))
    assert [key for _, group in groups for key in group] == named
    assert all(made.slot_of(key) == slot for slot, group in groups for key in group)
    assert not made.is_one_place
    assert list(_keys.Keys().by_slot(named)) == [(0, named)]


def test_the_names_of_kinds_cannot_be_mixed_up_when_something_is_added_to_them() -> None:
    names = [*KIND_NAMES, *(f"{kind.name}-channel" for kind in KINDS if kind.channel_of is not None)]
    assert len(names) == len(set(names))
    assert not {"guilds", "guild-of", "meta"} & set(names)


@hypothesis.given(strategies.text(NAMESPACE_CHARACTERS, min_size=1, max_size=64))
def test_a_namespace_of_harmless_characters_is_kept(namespace: str) -> None:
    assert _keys.check_namespace(namespace) == namespace


def test_a_namespace_may_be_called_as_anything_that_is_stored() -> None:
    for name in (*KIND_NAMES, "guilds", "guild-of", "meta", "sake"):
        assert _keys.check_namespace(name) == name


@hypothesis.given(strategies.text(max_size=5), strategies.characters(exclude_characters=NAMESPACE_CHARACTERS))
def test_a_namespace_with_another_character_is_refused_by_name(rest: str, character: str) -> None:
    for namespace in (rest + character, character + rest):
        with pytest.raises(ValueError, match="namespace"):
            _keys.check_namespace(namespace)


@pytest.mark.parametrize("namespace", ["", "a b", "a:", "{1}", "a*", "a?", "[a]", "ä", "a\n", "a\\", None, 7])
def test_a_namespace_that_would_break_keys_or_patterns_is_refused(namespace: typing.Any) -> None:
    with pytest.raises(ValueError, match="namespace"):
        _keys.check_namespace(namespace)


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
