# SPDX-License-Identifier: BSD-3-Clause
"""Commands and entries as they go over the wire."""

from __future__ import annotations

import hypothesis
import orjson
from hypothesis import strategies

from sake.redis._model import keys as _keys
from sake.redis._model import kinds as _kinds
from sake.redis._model import wire as _wire

NAMES = strategies.text(strategies.characters(exclude_categories=["Cs"]))
PAYLOADS = strategies.dictionaries(NAMES, strategies.integers(0, 10**9) | NAMES)


@hypothesis.given(strategies.integers(0, 10**20 - 1).map(str), PAYLOADS)
def test_an_entry_is_the_two_arguments_of_a_command(entity: str, payload: dict[str, object]) -> None:
    packer = _wire.Packer(_keys.Keys("ns"), orjson.dumps)
    data = orjson.dumps(payload)
    for kind, name in ((_kinds.ROLES, entity), (_kinds.USERS, f"ns:user:{entity}")):
        entry = packer.pack(kind, entity, payload)
        assert entry == _wire.bulk(name) + _wire.bulk(data)
        assert _wire.name_of(entry) == _wire.bulk(name)
        assert _wire.data_of(entry) == data
        assert packer.pack_data(kind, entity, data) == entry
        assert packer.pack_all(kind, {entity: payload}) == {entity: entry}
        assert _wire.pack("HSET", "key", entries=[entry]) == _wire.pack("HSET", "key", name, data)
