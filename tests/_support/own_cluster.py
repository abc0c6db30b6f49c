# SPDX-License-Identifier: BSD-3-Clause
"""A Redis Cluster that a test may take nodes from, and give them back."""

from __future__ import annotations

import contextlib
import pathlib
import signal
import subprocess
import tempfile
import typing
from collections import abc as collections

import redis
import redis.crc

from . import own_server

SLOTS: typing.Final = 16_384
HOST: typing.Final = "127.0.0.1"
_SECONDS: typing.Final = 20.0


def slot_of(key: str, /) -> int:
    """Return the slot of a key."""
    return int(redis.crc.key_slot(key.encode()))


class Node:
    """One server of a cluster."""

    def __init__(self, binary: str, folder: pathlib.Path, *settings: str) -> None:
        self.port = own_server.free_port()
        # What the nodes tell each other goes through a port of its own: ten thousand higher may be taken, or too high.
        self.bus_port = own_server.free_port()
        self.tls_port = own_server.free_port() if "--tls-cluster" in settings else 0
        folder.mkdir()
        self._command = [
            *(binary, "--port", str(self.port), "--bind", HOST, "--cluster-port", str(self.bus_port)),
            *("--cluster-enabled", "yes", "--cluster-node-timeout", "600", "--cluster-config-file", "nodes.conf"),
            *("--save", "", "--appendonly", "no", "--dir", str(folder), "--loglevel", "warning"),
            *("--cluster-replica-validity-factor", "0", "--repl-diskless-sync-delay", "0", *settings),
            *(("--tls-port", str(self.tls_port)) if self.tls_port else ()),
        ]
        self._process: subprocess.Popen[bytes] | None = None
        self.is_up: bool = False
        """Whether it runs and answers."""

    def client(self) -> redis.Redis:
        """Make a client of this node alone."""
        return redis.Redis(host=HOST, port=self.port)

    def do(self, *command: typing.Any) -> typing.Any:
        """Send it a command."""
        with contextlib.closing(self.client()) as client:
            # Word by word, so that redis-py leaves the answer as it is.
            return client.execute_command(*str(command[0]).split(), *command[1:])

    @property
    def id(self) -> str:
        return str(self.do("CLUSTER MYID").decode())

    @property
    def is_primary(self) -> bool:
        """Whether it has slots, and not only copies of another's."""
        return typing.cast("list[typing.Any]", self.do("ROLE"))[0] == b"master"

    def start(self) -> None:
        """Start it, and wait until it listens."""
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL)
        own_server.wait_until(self._answers, within=_SECONDS)
        self.is_up = True

    def kill(self) -> None:
        """End it at once."""
        process, self._process, self.is_up = self._process, None, False
        if process is not None:
            process.kill()
            process.wait(_SECONDS)

    def pause(self) -> None:
        """Let it answer nothing, while connections stay."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        self.is_up = False

    def resume(self) -> None:
        """Let it answer again."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)
        self.is_up = True

    def revive(self) -> None:
        """Undo `kill` and `pause`."""
        if self._process is None:
            self.start()
        else:
            self.resume()

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, "the server ended"
        with contextlib.suppress(redis.ConnectionError):
            return bool(self.do("PING"))

        return False


class OwnCluster:
    """Three primaries, each with as many replicas as asked for."""

    def __init__(self, binary: str, folder: pathlib.Path, /, *settings: str, replicas: int = 0) -> None:
        count = 3 * (1 + replicas)
        self.nodes: typing.Final = [Node(binary, folder / str(number), *settings) for number in range(count)]
        self.primaries: typing.Final = self.nodes[:3]
        """Those that were primaries at first."""
        self.url: typing.Final = "redis+cluster://" + ",".join(f"{HOST}:{node.port}" for node in self.primaries)

    def start(self) -> None:
        """Start all, and wait until they are one cluster."""
        for node in self.nodes:
            node.start()
        for number, node in enumerate(self.primaries):
            slots = range(SLOTS * number // 3, SLOTS * (number + 1) // 3)
            node.do("CLUSTER ADDSLOTS", *slots)
            node.do("CLUSTER SET-CONFIG-EPOCH", number + 1)
        first = self.nodes[0]
        for node in self.nodes[1:]:
            node.do("CLUSTER MEET", HOST, first.tls_port or first.port, first.bus_port)
        own_server.wait_until(lambda: all(self._knows(node, len(self.nodes)) for node in self.nodes), within=_SECONDS)
        for number, node in enumerate(self.nodes[3:]):
            node.do("CLUSTER REPLICATE", self.primaries[number % 3].id)
        own_server.wait_until(self.is_well, within=_SECONDS)

    def client(self) -> redis.RedisCluster:
        """Make a client of all of it."""
        return redis.RedisCluster(host=HOST, port=next(node.port for node in self.nodes if node.is_up))

    def primary_of(self, key: str) -> Node:
        """Return the node that has a key, as the others see it."""
        return self.primaries_by_key()(key)

    def primaries_by_key(self) -> collections.Callable[[str], Node]:
        """Return what tells which node has a key now."""
        asked = next(node for node in self.nodes if node.is_up)
        by_port = {node.port: node for node in self.nodes}
        ranges = [
            (range(first, last + 1), by_port[primary[1]])
            for first, last, primary, *_ in typing.cast("list[typing.Any]", asked.do("CLUSTER SLOTS"))
        ]

        def primary_of(key: str) -> Node:
            return next(node for slots, node in ranges if slot_of(key) in slots)

        return primary_of

    def shard_of(self, key: str) -> list[Node]:
        """Return all nodes that have a key: the primary, and then its replicas."""
        primary = self.primary_of(key)
        copies = [line.split() for line in primary.do("CLUSTER REPLICAS", primary.id)]
        ports = {int(words[1].partition(b"@")[0].rpartition(b":")[2]) for words in copies}
        return [primary, *(node for node in self.nodes if node.port in ports)]

    def heal(self) -> None:
        """Bring all nodes back, and wait until all is well."""
        for node in self.nodes:
            node.revive()
        own_server.wait_until(self.is_well, within=_SECONDS)

    def copied(self) -> bool:
        """Return whether replicas have all that their primaries have."""
        offsets: dict[str, set[int]] = {}
        for node in self.nodes:
            found = node.do("INFO", "replication")
            offsets.setdefault(found["master_replid"], set()).add(found["master_repl_offset"])
        return all(len(found) == 1 for found in offsets.values())

    def move(self, slot: int, source: Node, target: Node) -> None:
        """Move a slot, key by key, as `redis-cli --cluster reshard` does."""
        target.do("CLUSTER SETSLOT", slot, "IMPORTING", source.id)
        source.do("CLUSTER SETSLOT", slot, "MIGRATING", target.id)
        while found := source.do("CLUSTER GETKEYSINSLOT", slot, 1):
            source.do("MIGRATE", HOST, target.port, "", 0, 5_000, "KEYS", *found)
        for node in (target, source, *(node for node in self.nodes if node.is_primary)):
            node.do("CLUSTER SETSLOT", slot, "NODE", target.id)

    def clean(self) -> None:
        """Remove everything."""
        for node in self.nodes:
            if node.is_primary:
                node.do("FLUSHALL")

    def keys(self) -> set[str]:
        """Return all keys."""
        return {key.decode() for node in self.nodes if node.is_primary for key in node.do("KEYS", "*")}

    def is_well(self) -> bool:
        """Return whether all slots are served, and all replicas are up to date."""
        for node in self.nodes:
            if b"cluster_state:ok" not in typing.cast("bytes", node.do("CLUSTER INFO")):
                return False
            role = node.do("ROLE")
            if role[0] == b"slave" and role[3] != b"connected":
                return False

        return True

    def kill(self) -> None:
        """End all of them."""
        for node in self.nodes:
            node.kill()

    @staticmethod
    def _knows(node: Node, count: int) -> bool:
        lines = typing.cast("bytes", node.do("CLUSTER NODES")).decode().splitlines()
        return len(lines) == count and not any("handshake" in line for line in lines)


@contextlib.contextmanager
def running(binary: str, /, *settings: str, replicas: int = 0) -> collections.Iterator[OwnCluster]:
    """Run a cluster of a test's own."""
    with tempfile.TemporaryDirectory(prefix="sake-tests-") as folder:
        cluster = OwnCluster(binary, pathlib.Path(folder), *settings, replicas=replicas)
        try:
            cluster.start()
            yield cluster
        finally:
            cluster.kill()
