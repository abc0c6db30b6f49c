# SPDX-License-Identifier: BSD-3-Clause
"""Clusters that the tests run on, beside the single servers."""

from __future__ import annotations

import contextlib
import dataclasses
import typing
from collections import abc as collections

import redis
import redis.asyncio
import typing_extensions

from . import own_cluster
from . import servers

_EVERYWHERE: typing.Final = {"CONFIG RESETSTAT", "CONFIG SET", "DBSIZE", "FLUSHALL", "FLUSHDB", "KEYS", "SCRIPT FLUSH"}
"""What a client that looks at all of a cluster has to ask of each node; redis-py asks one of them."""


class _Client(redis.asyncio.RedisCluster):
    @typing_extensions.override
    async def execute_command(self, *args: typing.Any, **kwargs: typing.Any) -> typing.Any:
        return await super().execute_command(*args, **_targets(args[0]), **kwargs)


class _BlockingClient(redis.RedisCluster):
    @typing_extensions.override
    def execute_command(self, *args: typing.Any, **kwargs: typing.Any) -> typing.Any:
        return super().execute_command(*args, **_targets(args[0]), **kwargs)


def _targets(name: str) -> dict[str, str]:
    return {"target_nodes": redis.RedisCluster.PRIMARIES} if name in _EVERYWHERE else {}


@dataclasses.dataclass(frozen=True)
class ClusterServer(servers.Server):
    """A cluster that a test has for itself while it runs. Whichever database is asked for, it has only one."""

    cluster: own_cluster.OwnCluster | None = None

    @property
    def own(self) -> own_cluster.OwnCluster:
        """The cluster itself."""
        assert self.cluster is not None
        return self.cluster

    @typing_extensions.override
    def client(self, database: int = 0) -> typing.Any:
        return _Client(host=own_cluster.HOST, port=self.own.nodes[0].port)

    @typing_extensions.override
    def blocking_client(self, database: int = 0) -> typing.Any:
        return _BlockingClient(host=own_cluster.HOST, port=self.own.nodes[0].port)

    @typing_extensions.override
    def clean(self) -> None:
        self.own.clean()


@contextlib.contextmanager
def run(name: str, binary: str) -> collections.Iterator[ClusterServer]:
    """Run three primaries, in which a part that is missing does not stop the rest."""
    with own_cluster.running(binary, "--cluster-require-full-coverage", "no") as cluster:
        yield ClusterServer(name, cluster.url, cluster=cluster)
