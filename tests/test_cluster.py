# SPDX-License-Identifier: BSD-3-Clause
"""A Redis Cluster: what its address may say, and what becomes of a cache while nodes come and go."""

from __future__ import annotations

import typing

import pytest
from _support import samples

import sake
import sake.redis

NODES: typing.Final = "one.example:7000,two.example,[::1]:7002"
ADDRESS: typing.Final = f"redis+cluster://{NODES}"


# The door


@pytest.mark.parametrize(
    "address", ["redis+cluster://", "redis+cluster:///", "redis+cluster://,", "redis+cluster://a,,b"]
)
def test_an_address_without_nodes_is_refused_with_an_example(address: str) -> None:
    with pytest.raises(ValueError, match=r"must list servers, as in redis\+cluster://one:6379,two:6379"):
        samples.make_cache(address=address)


@pytest.mark.parametrize("address", [f"{ADDRESS}/1", f"{ADDRESS}?db=1", f"{ADDRESS}/x"])
def test_an_address_that_names_a_database_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match=r"database other than 0: a Redis Cluster has no others"):
        samples.make_cache(address=address)


@pytest.mark.parametrize("scheme", ["redis+cluster", "rediss+cluster", "valkey+cluster", "valkeys+cluster"])
@pytest.mark.parametrize("rest", ["", "/", "/0", "?db=0"])
def test_everything_is_in_the_only_database_of_a_cluster(scheme: str, rest: str) -> None:
    assert samples.make_cache(address=f"{scheme}://{NODES}{rest}").all_indexes() == {0}
    assert samples.make_cache(address=f"{scheme}://{NODES}{rest}", database=0).all_indexes() == {0}


@pytest.mark.parametrize("database", [1, 15])
def test_another_database_of_a_cluster_is_refused_by_name(database: int) -> None:
    with pytest.raises(ValueError, match=rf"^database={database} .*Redis Cluster has no database but 0"):
        samples.make_cache(address=ADDRESS, database=database)


def test_an_override_is_refused_by_name_for_a_cluster_and_nothing_changes() -> None:
    cache = samples.make_cache(address=ADDRESS)
    with pytest.raises(ValueError, match=r"override of ROLE .*Redis Cluster has no database but 0"):
        cache.with_index_override(sake.redis.ResourceIndex.ROLE, override=3)
    assert cache.get_index_override(sake.redis.ResourceIndex.ROLE) is None
    cache.with_index_override(sake.redis.ResourceIndex.ROLE, override=0)
    cache.with_index_override(sake.redis.ResourceIndex.ROLE)
    assert cache.all_indexes() == {0}


def test_neither_a_password_nor_a_user_is_shown() -> None:
    shown = repr(samples.make_cache(address=f"valkeys+cluster://someone:secret@{NODES}"))
    assert "secret" not in shown
    assert "someone" not in shown
    assert "one.example:7000,two.example:6379,[::1]:7002" in shown
