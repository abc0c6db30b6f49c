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
        return redis.asyncio.RedisCluster(host=own_cluster.HOST, port=self.own.nodes[0].port)

    @typing_extensions.override
    def blocking_client(self, database: int = 0) -> typing.Any:
        return redis.RedisCluster(host=own_cluster.HOST, port=self.own.nodes[0].port)

    @typing_extensions.override
    def clean(self) -> None:
        self.own.clean()


@contextlib.contextmanager
def run(name: str, binary: str) -> collections.Iterator[ClusterServer]:
    """Run three primaries, in which a part that is missing does not stop the rest."""
    with own_cluster.running(binary, "--cluster-require-full-coverage", "no") as cluster:
        yield ClusterServer(name, cluster.url, cluster=cluster)
