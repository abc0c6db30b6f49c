# SPDX-License-Identifier: BSD-3-Clause
"""A Redis Cluster as one database: what goes to which node, and what becomes of it while nodes come and go."""

from __future__ import annotations

__all__ = ["Cluster"]

import asyncio
import contextlib
import itertools
import logging
import typing
from collections import abc as collections

import redis
import redis.asyncio.cluster
import redis.exceptions

from sake import errors

from .._model import rights
from .._model import wire
from .._model.epochs import Epochs
from .._model.meta import Meta
from .._model.replies import ReplyError
from .._model.wire import Parcel
from .database import Database

_LOGGER: typing.Final = logging.getLogger("sake.redis")

_ASKING: typing.Final = wire.pack("ASKING")

_PAUSES: typing.Final = (0.05, 0.1, 0.2, 0.4)
"""Seconds between attempts to reach a node that is away; the last one counts for all that follow."""

_LOOK_SECONDS: typing.Final = 0.25
"""So long is waited to hear whether another node has taken the place of one that does not answer."""

_REDIRECTIONS: typing.Final = 5
"""So often is what is sent sent again since it belongs to another node by now."""

_TAGS: typing.Final = 256
"""So many keys with different tags are spread over all nodes, as long as these are not too many."""

_TOPOLOGY_SECONDS: typing.Final = 2.0
"""So long may it take to hear which node has what."""

_Answers = list[typing.Any] | errors.BackendError


class Cluster:
    """The nodes of a Cluster. What is sent names the slot that it is about.

    Parameters
    ----------
    topology
        redis-py's client, which knows which node has which slots.
    make_node
        Returns the server at a host and port.
    name
        What the cluster is called in errors.
    limit
        How many connections a node has at most.
    meta
        Tells whether what is stored can be used; without one, nothing is told.
    """

    __slots__ = (
        "_away",
        "_epochs",
        "_is_closed",
        "_is_known",
        "_make_node",
        "_meta",
        "_nodes",
        "_probes",
        "_refreshing",
        "_tags",
        "_topology",
        "limit",
        "name",
        "turns",
    )

    def __init__(
        self,
        topology: redis.asyncio.cluster.RedisCluster,
        make_node: collections.Callable[[str, int], Database],
        name: str,
        limit: int,
        meta: Meta | None,
        /,
    ) -> None:
        self._epochs: Epochs | None = None
        self._tags: dict[str, int] = {}
        """What is in braces in keys, and the slots of such keys."""
        self._away: dict[str, errors.BackendError] = {}
        """What went wrong with each of the nodes that nothing is sent to, until they answer again."""
        self._is_closed = False
        self._is_known = False
        self._make_node = make_node
        self._meta = meta
        self._nodes: dict[str, Database] = {}
        self._probes: set[asyncio.Task[None]] = set()
        self._refreshing: asyncio.Task[None] | None = None
        self._topology = topology
        self.limit: typing.Final = limit
        self.name: typing.Final = name
        self.turns = 0
        """Is another number after what was away may not be any more."""

    def is_away(self, slot: int, /) -> bool:
        """Return whether nothing can be sent to the node that has a slot."""
        return bool(self._away) and self._name_of(slot) in self._away

    @property
    def has_away(self) -> bool:
        """Whether a part of the cluster cannot be reached."""
        return bool(self._away)

    async def send(
        self, parcels: collections.Sequence[Parcel], /, *, within: float | None = None, number: int | None = None
    ) -> collections.Sequence[_Answers]:
        """Send parcels to their nodes and return the replies to each, or what kept it from being sent or answered.

        Raises
        ------
        sake.errors.BackendError
            If no node of the cluster can be reached.
        """
        if not self._is_known:
            await self._refresh()

        results: dict[int, _Answers] = {}
        pending = list(range(len(parcels)))
        for _ in range(_REDIRECTIONS):
            groups: dict[str, list[int]] = {}
            for i in pending:
                groups.setdefault(self._name_of(parcels[i].slot), []).append(i)
            sending = [self._send(name, [parcels[i] for i in group], within, number) for name, group in groups.items()]
            answers = await asyncio.gather(*sending) if len(sending) > 1 else [await sending[0]]
            lost: set[str] = set()
            for (name, group), found in zip(groups.items(), answers, strict=True):
                results.update(zip(group, found, strict=True))
                lost |= {name} if isinstance(found[0], errors.BackendError) else set()

            for i in [i for i in pending if _code(results[i]) == "ASK"]:
                results[i] = await self._send_asking(parcels[i], results[i], within)
            moved = [i for i in pending if _code(results[i]) == "MOVED"]
            if moved or lost:
                await self._look_for(lost)
            pending = moved + [
                i for name in lost for i in groups[name] if self._name_of(parcels[i].slot) not in {name, *self._away}
            ]
            if not pending:
                break

        return [results[i] for i in range(len(parcels))]

    async def write(self, parcels: collections.Sequence[Parcel], number: int, /) -> collections.Sequence[_Answers]:
        """Send parcels of the batch with a number, as `send` does."""
        return await self.send(parcels, number=number)

    def number(self, epochs: Epochs, /) -> None:
        """Let batches be numbered at each node."""
        self._epochs, self._tags = epochs, {tag: epochs.slot_of(f"{{{tag}}}") for tag in map(str, range(_TAGS))}

    async def places(self) -> list[int]:
        """Return a slot of each primary."""
        if not self._is_known:
            await self._refresh()

        found: dict[str, int] = {}
        for slot, nodes in self._topology.nodes_manager.slots_cache.items():
            found.setdefault(nodes[0].name, slot)
        return list(found.values())

    async def has_msetex(self) -> bool:
        """Return that strings are set one by one: next to none are in one slot."""
        return False

    async def found(self) -> None:
        """Let the cluster say how things are stored in it, if it does not do so yet; as a database does."""
        if self._meta is None or ((node := self._node_of(self._meta)) and node.is_founded):
            return

        (said,) = await self.send([self._meta.founding])
        if isinstance(said, errors.BackendError):
            raise said
        if node := self._node_of(self._meta):
            node.hear_founding(*said)

    def _node_of(self, meta: Meta, /) -> Database | None:
        name = self._name_of(meta.founding.slot)
        return self._node(name) if name else None

    async def check(self, probes: collections.Sequence[rights.Probe], /) -> None:
        """Connect to all primaries, and find out whether what has to be done may be done; as a database does."""
        await self._refresh()
        names = {self._name_of(slot) for slot in await self.places()}
        await asyncio.gather(*(self._node(name).check(probes, is_node=True) for name in names))

    async def close(self) -> None:
        """Close the connections."""
        self._is_closed = True
        for task in (*self._probes, *([self._refreshing] if self._refreshing else ())):
            task.cancel()
            await asyncio.wait([task])
        nodes, self._nodes = list(self._nodes.values()), {}
        await asyncio.gather(*(node.close() for node in nodes))
        manager = self._topology.nodes_manager
        with contextlib.suppress(Exception):
            await manager.aclose()
            await manager.aclose("startup_nodes")

    def _name_of(self, slot: int, /) -> str:
        """Return the name of the node that has a slot, or nothing where none has."""
        nodes = self._topology.nodes_manager.slots_cache.get(slot)
        return nodes[0].name if nodes else ""

    def _node(self, name: str, /) -> Database:
        if self._is_closed:
            error_message = "The client was closed"
            raise errors.ClosedClient(error_message)
        if name not in self._nodes:
            host, _, port = name.rpartition(":")
            self._nodes[name] = self._make_node(host, int(port))
            self._number(name)
        return self._nodes[name]

    def _number(self, name: str, /) -> None:
        """Let batches be numbered at a node, under a key that it has."""
        tag = next((tag for tag, slot in self._tags.items() if self._name_of(slot) == name), None)
        if self._epochs is not None and tag is not None:
            self._nodes[name].number(self._epochs.of(0, tag))

    async def _send(
        self, name: str, parcels: list[Parcel], within: float | None, number: int | None = None, /
    ) -> list[_Answers]:
        if error := self._away.get(name):
            return [error] * len(parcels)
        if not name:
            error_message = f"{self.name} has no node for a part of what is stored"
            return [errors.BackendError(error_message)] * len(parcels)

        try:
            node = self._node(name)
            sending = node.send(parcels, within=within) if number is None else node.write(parcels, number)
            answers = await sending
            node.check_answers(answers)
        except errors.BackendError as exc:
            self._lose(name, exc)
            return [exc] * len(parcels)
        else:
            return [*answers]

    async def _send_asking(self, parcel: Parcel, refusal: _Answers, within: float | None, /) -> _Answers:
        """Send to a node what is about to belong to it."""
        (name,) = [str(answer).rpartition(" ")[2] for answer in _refusals(refusal) if answer.code == "ASK"][:1]
        asking = Parcel(parcel.slot, _ASKING + parcel.data, parcel.replies + 1)
        (answers,) = await self._send(name, [asking], within)
        return answers if isinstance(answers, errors.BackendError) else answers[1:]

    def _lose(self, name: str, exc: errors.BackendError, /) -> None:
        if name in self._away or self._is_closed:
            return

        self._away[name] = exc
        _LOGGER.error("A node of the cluster is away, and what it has waits for it: %s", exc)
        probe = asyncio.create_task(self._probe(name), name=f"sake cluster: {name} is away")
        self._probes.add(probe)
        probe.add_done_callback(self._probes.discard)

    async def _probe(self, name: str, /) -> None:
        """Find out when a node is back, or others have what it had."""
        for pause in itertools.chain(_PAUSES, itertools.repeat(_PAUSES[-1])):
            await asyncio.sleep(pause)
            with contextlib.suppress(errors.BackendError):
                await self._refresh(name)
                if name not in self._primaries():
                    await self._meet()
                    break
                await self._node(name).serve(_TOPOLOGY_SECONDS)
                break

        del self._away[name]
        self.turns += 1
        _LOGGER.warning("What a node of the cluster had that was away can be reached again: %s", name)

    async def watch(self, within: float, /) -> bool:
        """Find out whether the nodes still have what they said they have; as a database does."""
        nodes = [self._nodes[name] for name in self._nodes.keys() - self._away.keys()]
        if all(await asyncio.gather(*(_tells(node, within) for node in nodes))):
            return True

        # Another node may have taken the place of one that nothing was sent to.
        await self._refresh()
        await self._meet()
        return False

    async def _meet(self) -> None:
        """Hear from those that have the slots now what they have: it may be less than was written."""
        for name in self._primaries() - self._away.keys():
            await self._node(name).serve(_TOPOLOGY_SECONDS)

    async def _look_for(self, lost: collections.Set[str], /) -> None:
        """Hear where things are now, unless that takes long while nodes are lost: others may have what they had."""
        with contextlib.suppress(errors.BackendError, TimeoutError):
            async with asyncio.timeout(_LOOK_SECONDS if lost else None):
                await self._refresh(next(iter(lost), None))

    def _primaries(self) -> set[str]:
        return {nodes[0].name for nodes in self._topology.nodes_manager.slots_cache.values()}

    async def _refresh(self, failed: str | None = None, /) -> None:
        """Hear which node has what. Who asks meanwhile hears the same."""
        if self._refreshing is None or self._refreshing.done():
            self._refreshing = asyncio.create_task(self._hear(failed), name="sake cluster: topology")
        await asyncio.shield(self._refreshing)

    async def _hear(self, failed: str | None, /) -> None:
        manager = self._topology.nodes_manager
        try:
            async with asyncio.timeout(_TOPOLOGY_SECONDS):
                await manager.initialize(last_failed_node_name=failed)
        except (redis.RedisError, redis.exceptions.RedisClusterException, OSError) as exc:
            raise self._explain(exc) from exc

        self._is_known = True
        self.turns += 1
        for name in self._nodes.keys() - self._primaries() - self._away.keys():
            await self._nodes.pop(name).close()
        for name in self._nodes:
            self._number(name)

    def _explain(self, exc: Exception, /) -> errors.BackendError:
        text = str(exc) or type(exc).__name__
        what = f"{self.name} cannot be used: {text}"
        if "Cluster mode is not enabled" in text:
            what = f"{self.name} is no Redis Cluster: take '+cluster' out of the address"
        return errors.BackendError(what, exception=exc)


async def _tells(node: Database, within: float, /) -> bool:
    try:
        return await node.watch(within)
    except errors.BackendError:
        return False


def _refusals(answers: _Answers, /) -> list[ReplyError]:
    if isinstance(answers, errors.BackendError):
        return []

    return [answer for answer in answers if isinstance(answer, ReplyError)]


def _code(answers: _Answers, /) -> str:
    """Return whether something was not done, since it belongs to another node."""
    return next((answer.code for answer in _refusals(answers) if answer.code in {"ASK", "MOVED"}), "")
