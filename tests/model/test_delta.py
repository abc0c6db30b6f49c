# SPDX-License-Identifier: BSD-3-Clause
"""Changes as data: merged in any way, they come to what they do one after the other."""

from __future__ import annotations

import itertools
import typing

import hypothesis
import orjson
import pytest
from _support import deltas
from hypothesis import strategies

from sake.redis._model import changes as _changes
from sake.redis._model import delta as _delta
from sake.redis._model import draft as _draft
from sake.redis._model import giving_up as _giving_up
from sake.redis._model import kinds as _kinds

GUILD, OTHER_GUILD, _ = deltas.GUILDS
CHANNEL, OTHER_CHANNEL = deltas.CHANNELS[GUILD]
Streams = list[list[deltas.Change]]


def _model(changes: list[deltas.Change]) -> deltas.Model:
    model = deltas.Model()
    for change in changes:
        change.happen(model)

    return model


def _joined(parts: list[_delta.Delta]) -> _delta.Delta:
    whole = _delta.Delta()
    for part in parts:
        whole.then(part, deltas.KINDS)

    return whole


def _is_true(
    delta: _delta.Delta, before: deltas.Model, after: deltas.Model, kind: deltas.Kind, guild: str, entity: str
) -> bool:
    found = delta.find(kind, guild, entity)
    payload = after.payload(kind, guild, entity)
    if found is _changes.UNKNOWN:
        return True
    if found is _changes.UNTOUCHED:
        return payload == before.payload(kind, guild, entity)
    if not isinstance(found, _changes.Patch):
        return payload == (None if found is None else deltas.read(found))
    if isinstance(found.base, bytes):
        return payload == deltas.laid((found.base, *found.overs))
    if found.base is None:
        return payload == (None if found.otherwise is None else deltas.laid(found.otherwise))

    # Only the server knows whether there is something to lay it over.
    if payload is None:
        return found.otherwise is None

    otherwise = None if found.otherwise is None else deltas.laid(found.otherwise)
    return payload == otherwise or payload.items() >= deltas.laid(found.overs).items()


@deltas.SETTINGS
@hypothesis.given(deltas.several_streams(2))
def test_a_delta_comes_to_what_its_changes_do_one_by_one(streams: Streams) -> None:
    before, changes = streams
    expected, found = _model(before + changes), _model(before)
    for delta in deltas.describe(changes):
        deltas.apply(delta, found)

    assert found.payloads() == expected.payloads()


@deltas.SETTINGS
@hypothesis.given(deltas.several_streams(4))
def test_joined_deltas_come_to_what_they_do_one_after_the_other(streams: Streams) -> None:
    before, *parts = streams
    expected, found = _model(before + list(itertools.chain.from_iterable(parts))), _model(before)
    deltas.apply(_joined([delta for part in parts for delta in deltas.describe(part)]), found)
    assert found.payloads() == expected.payloads()


@deltas.SETTINGS
@hypothesis.given(deltas.several_streams(4))
def test_it_does_not_matter_which_deltas_are_joined_first(streams: Streams) -> None:
    before, one, two, three = streams
    left, right = _model(before), _model(before)
    deltas.apply(_joined([_joined(deltas.describe(one + two)), *deltas.describe(three)]), left)
    deltas.apply(_joined([*deltas.describe(one), _joined(deltas.describe(two + three))]), right)
    assert left.payloads() == right.payloads()


@deltas.SETTINGS
@hypothesis.given(deltas.several_streams(2))
def test_lifetimes_are_those_of_the_last_change(streams: Streams) -> None:
    before, changes = streams
    expected, found = _model(before + changes), _model(before)
    deltas.apply(_joined(deltas.describe(changes)), found)
    assert {scope: entries for scope, entries in found.entries.items() if entries} == {
        scope: entries for scope, entries in expected.entries.items() if entries
    }


@deltas.SETTINGS
@hypothesis.given(deltas.several_streams(2))
def test_what_is_found_never_contradicts_what_happened(streams: Streams) -> None:
    before, changes = streams
    start = _model(before)
    now, delta = start.copy(), deltas.new()
    for change in changes:
        change.happen(now)
        delta.then(*_parts(change))
        for kind, guild in deltas.scopes():
            for entity in deltas.entities_of(kind, guild):
                assert _is_true(delta, start, now, kind, guild, entity), (change, kind.name, guild, entity)


def _parts(change: deltas.Change) -> tuple[_delta.Delta, tuple[deltas.Kind, ...]]:
    (delta,) = deltas.describe([change])
    return delta, deltas.KINDS


@deltas.SETTINGS
@hypothesis.given(deltas.several_streams(2))
def test_what_has_changed_is_touched(streams: Streams) -> None:
    before, changes = streams
    start, end = _model(before), _model(before + changes)
    delta = _joined(deltas.describe(changes))
    for kind, guild in deltas.scopes():
        if start.of(kind, guild) != end.of(kind, guild):
            assert delta.touches(kind, guild)
            assert delta.touches(kind)
            assert delta


@deltas.SETTINGS
@hypothesis.given(deltas.streams(departures=False))
def test_the_guild_of_what_is_set_is_a_fact_and_so_is_that_of_its_channel(changes: list[deltas.Change]) -> None:
    delta, model = _joined(deltas.describe(changes)), _model(changes)
    assert model.needed_facts().items() <= delta.facts.items()
    assert not delta.useless.keys() & model.needed_facts()


@deltas.SETTINGS
@hypothesis.given(deltas.several_streams(3, departures=False))
def test_a_fact_is_of_no_use_only_if_its_entity_is_gone_in_the_end(streams: Streams) -> None:
    parts = [_joined(deltas.describe(part)) for part in streams]
    delta, model = _joined(parts), _model(list(itertools.chain.from_iterable(streams)))
    assert not delta.facts.keys() & delta.useless.keys()
    assert not delta.useless.keys() & model.needed_facts()
    assert not delta.left_for_good() & {guild for _, guild in model.payloads()}


@deltas.SETTINGS
@hypothesis.given(deltas.streams())
def test_the_size_covers_the_bytes_that_are_held(changes: list[deltas.Change]) -> None:
    delta = _joined(deltas.describe(changes))
    held = sum(
        len(entry)
        for guilds in delta.kinds.values()
        for found in guilds.values()
        for entry in found.entries.values()
        if isinstance(entry, bytes)
    )
    assert delta.size >= held
    delta.measure()
    assert delta.size >= held
    assert (delta.size > 0) == bool(delta)


@deltas.SETTINGS
@hypothesis.given(deltas.several_streams(2), strategies.floats(0, 1))
def test_what_is_given_up_of_a_guild_is_given_up_whole_and_the_guild_is_stale(streams: Streams, part: float) -> None:
    stored, changes = streams
    delta = _joined(deltas.describe(changes))
    delta.measure()
    limit, before = int(delta.size * part), _entries(delta)
    before_model = _model(stored)
    given_up, stale = _giving_up.give_up(
        delta, limit, (*deltas.KINDS, _kinds.STALE_GUILDS, _kinds.COMPLETE_MEMBER_LISTS)
    )
    after = _entries(delta)
    lost = {
        (kind, guild, entity)
        for (kind, guild, entity), entry in before.items()
        if entry is not None and after.get((kind, guild, entity)) is not entry
    }
    assert given_up >= len(lost)
    for kind, guild, entity in lost:
        assert not guild or guild in stale
        # Either the older one is still there, or nothing is.
        assert after.get((kind, guild, entity)) is None
        if guild:
            assert not any(after[k, g, e] is not None for k, g, e in after if (k, g) == (kind, guild))
            assert not delta.changes(kind, guild).cleared or not lost
    for guild in stale:
        assert delta.find(_kinds.STALE_GUILDS, guild, guild) == b""
    found = before_model.copy()
    deltas.apply(delta, found)
    for kind, guild, entity in lost:
        kept = found.payload(kind, guild, entity)
        assert kept is None or kept == before_model.payload(kind, guild, entity)


@pytest.mark.parametrize("is_patched", [False, True])
def test_a_list_that_is_given_up_leaves_the_older_one_and_is_not_called_complete(is_patched: bool) -> None:
    delta = deltas.new()
    delta.replace(_kinds.MEMBERS, GUILD, {str(number): {"nick": "x" * 100} for number in range(50)})
    if is_patched:
        delta.patch(_kinds.MEMBERS, GUILD, "3", {"nick": "y"})
    delta.mark(_kinds.COMPLETE_MEMBER_LISTS, GUILD)
    given_up, stale = _giving_up.give_up(delta.delta, 1_000, (_kinds.STALE_GUILDS, _kinds.COMPLETE_MEMBER_LISTS))
    assert given_up == 50
    assert stale == {GUILD}
    assert delta.find(_kinds.MEMBERS, GUILD, "3") is _changes.UNTOUCHED
    assert delta.find(_kinds.COMPLETE_MEMBER_LISTS, GUILD, GUILD) is None
    assert delta.find(_kinds.STALE_GUILDS, GUILD, GUILD) == b""


def test_an_edit_that_is_given_up_takes_the_message_with_it() -> None:
    delta = deltas.new()
    delta.patch(_kinds.MESSAGES, "", "5", {"content": "x" * 1_000})
    _giving_up.give_up(delta.delta, 1_000, ())
    assert delta.find(_kinds.MESSAGES, "", "5") is None


def test_deletions_are_given_up_last() -> None:
    delta = deltas.new()
    for number in range(10):
        delta.drop(_kinds.MESSAGES, "", str(number))
        delta.put(_kinds.USERS, "", str(number), {"username": "x" * 500})

    delta.measure()
    _giving_up.give_up(delta.delta, 2 * 700 + 10 * 250, ())
    assert not delta.changes(_kinds.USERS, "").entries
    assert len(delta.changes(_kinds.MESSAGES, "").entries) == 10
    _giving_up.give_up(delta.delta, 0, ())
    assert not delta.changes(_kinds.MESSAGES, "").entries


def _entries(delta: _delta.Delta) -> dict[tuple[deltas.Kind, str, str], object]:
    return {
        (kind, guild, entity): entry
        for kind, guilds in delta.kinds.items()
        for guild, found in guilds.items()
        for entity, entry in found.entries.items()
    }


def test_the_oldest_is_given_up_first() -> None:
    delta = deltas.new()
    for number in range(10):
        delta.put(_kinds.MESSAGES, "", str(number), {"content": "x" * 1_000})

    delta.measure()
    given_up, _ = _giving_up.give_up(delta.delta, delta.size // 2, ())
    assert 5 <= given_up <= 6
    assert list(delta.changes(_kinds.MESSAGES, "").entries) == [str(number) for number in range(given_up, 10)]


def test_a_shard_that_says_twice_which_guilds_it_has_takes_the_place_of_one() -> None:
    delta = deltas.new()
    for guilds in ({GUILD, OTHER_GUILD}, {OTHER_GUILD}, {OTHER_GUILD, "5"}):
        delta.then(*_parts(deltas.Depart(_kinds.GUILDS, "", _delta.Departure(0, 1, frozenset(guilds)))))

    (departure,) = delta.departures
    assert departure.guilds == {OTHER_GUILD}


def test_the_fact_of_what_is_gone_for_good_is_of_no_use() -> None:
    delta = deltas.new()
    delta.put(_kinds.ROLES, GUILD, "5", {"id": "5"})
    delta.drop(_kinds.ROLES, GUILD, "5")
    assert not delta.facts
    assert set(delta.useless) == {"5"}
    delta.put(_kinds.ROLES, GUILD, "5", {"id": "5"})
    assert delta.facts == {"5": GUILD}
    assert not delta.useless


def test_the_fact_of_what_a_caller_deletes_stays_since_discord_may_still_have_it() -> None:
    delta, draft = _delta.Delta(), _draft.Draft(deltas.PACKER, is_event=False)
    draft.drop(_kinds.ROLES, GUILD, "5")
    draft.clear(_kinds.ROLES, GUILD)
    draft.apply(delta)
    assert not delta.useless
    assert not delta.changes(_kinds.ROLES, GUILD).for_good


@pytest.mark.parametrize("kind", [_kinds.ROLES, _kinds.CHANNELS], ids=lambda kind: kind.name)
def test_the_fact_of_what_has_the_id_of_its_guild_stays(kind: deltas.Kind) -> None:
    delta = deltas.new()
    delta.drop(kind, GUILD, GUILD)
    assert not delta.useless


def test_what_is_gone_for_good_costs_memory_too() -> None:
    delta = deltas.new()
    for number in range(1_000):
        delta.drop(_kinds.ROLES, GUILD, str(number))

    delta.measure()
    before = delta.size
    delta.useless.clear()
    delta.measure()
    assert before - delta.size >= 100_000


def test_a_guild_that_was_left_is_left_for_good_unless_something_of_it_is_set_again() -> None:
    delta = deltas.new()
    delta.put(_kinds.ROLES, GUILD, "5", {"id": "5"})
    delta.leave(deltas.KINDS, GUILD)
    assert delta.left_for_good() == {GUILD}
    delta.drop(_kinds.ROLES, GUILD, "5")
    assert delta.left_for_good() == {GUILD}
    delta.put(_kinds.ROLES, GUILD, "5", {"id": "5"})
    assert delta.left_for_good() == set()


def test_lifetimes_count_from_the_change() -> None:
    first, later = deltas.new(), deltas.new()
    first.put(_kinds.INVITES, "", "a", {"channel_id": None}, 5_000)
    later.put(_kinds.INVITES, "", "b", {"channel_id": None}, 5_000)
    first.delta.since, later.delta.since = 100.0, 103.0
    first.then(later.delta, deltas.KINDS)
    assert first.end_of(_kinds.INVITES, "", "a", 0) == 105.0
    assert first.end_of(_kinds.INVITES, "", "b", 0) == 108.0


def test_a_new_delta_is_empty_and_knows_nothing() -> None:
    delta = deltas.new()
    assert not delta
    assert delta.count() == 0
    assert delta.size == 0
    assert not delta.touches(_kinds.ROLES)
    assert delta.find(_kinds.ROLES, GUILD, "1") is _changes.UNTOUCHED


def test_changes_of_one_entity_take_one_place_and_the_last_counts() -> None:
    delta = deltas.new()
    for number in range(100):
        delta.put(_kinds.MEMBERS, GUILD, "5", {"nick": str(number)})

    assert delta.count() == 1
    assert delta.find(_kinds.MEMBERS, GUILD, "5") == orjson.dumps({"nick": "99"})


def test_to_set_many_is_to_set_one_after_the_other() -> None:
    payloads = {str(number): {"id": str(number)} for number in range(3)}
    delta, expected = deltas.new(), deltas.new()
    for described in (delta, expected):
        described.put(_kinds.USERS, "", "1", {"id": "1", "username": "old"}, 5_000)
    delta.put_all(_kinds.USERS, "", payloads)
    for user, payload in payloads.items():
        expected.put(_kinds.USERS, "", user, payload)

    assert _entries(delta) == _entries(expected)
    assert delta.changes(_kinds.USERS, "").lifetimes == expected.changes(_kinds.USERS, "").lifetimes == {}
    assert delta.size == expected.size


def test_a_burst_of_partial_updates_ends_on_the_last() -> None:
    delta = deltas.new()
    delta.put(_kinds.MESSAGES, "", "5", {"id": "5", "content": "", "pinned": False})
    for number in range(10):
        delta.patch(_kinds.MESSAGES, "", "5", {"content": str(number)})

    model = deltas.Model()
    deltas.apply(delta, model)
    assert model.payload(_kinds.MESSAGES, "", "5") == {"id": "5", "content": "9", "pinned": False}


def test_a_partial_update_never_brings_back_what_was_deleted() -> None:
    delta = deltas.new()
    delta.drop(_kinds.MESSAGES, "", "5")
    delta.patch(_kinds.MESSAGES, "", "5", {"content": "again"})
    assert delta.find(_kinds.MESSAGES, "", "5") is None


def test_a_deletion_cancels_what_was_set_before() -> None:
    delta = deltas.new()
    delta.put(_kinds.ROLES, GUILD, "5", {"id": "5"})
    delta.drop(_kinds.ROLES, GUILD, "5")
    assert delta.find(_kinds.ROLES, GUILD, "5") is None


def test_replacing_drops_what_is_not_listed_and_says_so() -> None:
    delta = deltas.new()
    delta.replace(_kinds.ROLES, GUILD, {"5": {"id": "5"}})
    assert delta.find(_kinds.ROLES, GUILD, "5") == orjson.dumps({"id": "5"})
    assert delta.find(_kinds.ROLES, GUILD, "6") is None
    assert delta.find(_kinds.ROLES, OTHER_GUILD, "6") is _changes.UNTOUCHED


def test_emptying_a_channel_takes_those_that_were_set_in_it_and_not_those_that_left_it() -> None:
    delta = deltas.new()
    delta.put(_kinds.VOICE_STATES, GUILD, "5", {"channel_id": CHANNEL})
    delta.put(_kinds.VOICE_STATES, GUILD, "6", {"channel_id": CHANNEL})
    delta.put(_kinds.VOICE_STATES, GUILD, "6", {"channel_id": OTHER_CHANNEL})
    delta.clear_channel(_kinds.VOICE_STATES, GUILD, CHANNEL)
    assert delta.find(_kinds.VOICE_STATES, GUILD, "5") is None
    assert delta.find(_kinds.VOICE_STATES, GUILD, "6") == orjson.dumps({"channel_id": OTHER_CHANNEL})
    assert delta.find(_kinds.VOICE_STATES, GUILD, "7") is _changes.UNKNOWN


def test_nothing_is_certain_about_what_a_departure_may_have_taken() -> None:
    delta = deltas.new()
    delta.depart(_delta.Departure(0, 1, frozenset()))
    assert delta
    assert delta.touches(_kinds.ROLES, GUILD)
    assert delta.find(_kinds.ROLES, GUILD, "5") is _changes.UNKNOWN


@pytest.mark.parametrize(("shard_id", "covered"), [(0, OTHER_GUILD), (1, GUILD)])
def test_a_departure_covers_the_guilds_of_its_shard_that_are_not_listed(shard_id: int, covered: str) -> None:
    nothing_left = _delta.Departure(shard_id, 2, frozenset())
    assert nothing_left.covers(covered)
    assert not _delta.Departure(shard_id, 2, frozenset({covered})).covers(covered)
    assert not _delta.Departure(1 - shard_id, 2, frozenset()).covers(covered)


@deltas.SETTINGS
@hypothesis.given(strategies.lists(strategies.integers(0, 2**63 - 1).map(str), max_size=20), strategies.integers(1, 20))
def test_every_unlisted_guild_is_covered_by_exactly_one_shard(guilds: list[str], shard_count: int) -> None:
    departures = [_delta.Departure(shard_id, shard_count, frozenset()) for shard_id in range(shard_count)]
    for guild in guilds:
        assert sum(departure.covers(guild) for departure in departures) == 1


def test_a_payload_is_read_when_it_is_described_and_never_changed() -> None:
    payload: dict[str, typing.Any] = {"id": "5", "tags": {"bot_id": "7"}}
    delta = deltas.new()
    delta.put(_kinds.ROLES, GUILD, "5", payload)
    payload["tags"]["bot_id"] = "8"
    assert delta.find(_kinds.ROLES, GUILD, "5") == b'{"id":"5","tags":{"bot_id":"7"}}'
    assert payload == {"id": "5", "tags": {"bot_id": "8"}}


def test_what_cannot_be_encoded_changes_nothing() -> None:
    draft = _draft.Draft(deltas.PACKER)
    with pytest.raises(TypeError):
        draft.put(_kinds.ROLES, GUILD, "5", {"id": object()})

    assert not draft.steps


def test_what_cannot_be_encoded_in_a_list_is_left_out_alone() -> None:
    draft, delta = _draft.Draft(deltas.PACKER), deltas.new()
    assert draft.replace(_kinds.ROLES, GUILD, {"6": {"id": "6"}, "7": {"id": object()}, "x": {}}) == 1
    draft.apply(delta)
    assert len(draft.refused) == 2
    assert delta.find(_kinds.ROLES, GUILD, "6") == orjson.dumps({"id": "6"})
    assert delta.find(_kinds.ROLES, GUILD, "7") is None


_ODD: typing.Final = [
    "",
    "abc",
    "-1",
    "1.5",
    " 1",
    "1\n",
    "\ud800",
    "٣",
    "²",
    "9" * 21,
    "9" * 5_000,
    "None",
    "*",
]


@pytest.mark.parametrize("odd", _ODD)
def test_an_id_that_is_none_is_refused_at_the_door(odd: str) -> None:
    draft = _draft.Draft(deltas.PACKER)
    for describe in (
        lambda: draft.put(_kinds.ROLES, GUILD, odd, {}),
        lambda: draft.put(_kinds.ROLES, odd, "5", {}),
        lambda: draft.put(_kinds.MESSAGES, "", odd, {}),
        lambda: draft.patch(_kinds.MESSAGES, "", odd, {}),
        lambda: draft.drop(_kinds.USERS, "", odd),
        lambda: draft.mark(_kinds.UNAVAILABLE_GUILDS, odd),
        lambda: draft.clear(_kinds.ROLES, odd),
        lambda: draft.clear_channel(_kinds.THREADS, GUILD, odd),
        lambda: draft.unmark(_kinds.UNAVAILABLE_GUILDS, odd),
        lambda: draft.leave(deltas.KINDS, odd),
        lambda: draft.replace(_kinds.ROLES, odd, {}),
        lambda: draft.put(_kinds.THREADS, GUILD, "5", {"parent_id": odd}),
    ):
        with pytest.raises((TypeError, ValueError)):
            describe()

    assert not draft.steps


@pytest.mark.parametrize("odd", ["", "x:abc", "a b", "\ud800", "é", "x" * 65, "*"])
def test_a_code_that_is_none_is_refused_at_the_door(odd: str) -> None:
    with pytest.raises(ValueError, match="cannot be the id of invite entries"):
        _draft.Draft(deltas.PACKER).put(_kinds.INVITES, "", odd, {"channel_id": None})


def test_an_entry_that_is_too_large_is_refused() -> None:
    draft = _draft.Draft(deltas.PACKER)
    with pytest.raises(ValueError, match="takes 5000"):
        draft.put(_kinds.MESSAGES, "", "5", {"content": "x" * 5_000_000})
