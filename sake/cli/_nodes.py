# SPDX-License-Identifier: BSD-3-Clause
"""A Redis Cluster of bundled servers, for a demo."""

from __future__ import annotations

__all__ = ["Nodes"]

import asyncio
import contextlib
import itertools
import secrets
import socket
import typing

from sake import embedded
from sake import errors
from sake.redis._engine import connections as _connections
from sake.redis._model import wire as _wire

if typing.TYPE_CHECKING:
    import types

    import typing_extensions

_COUNT: typing.Final = 3
_HOST: typing.Final = "127.0.0.1"
_LONGEST: typing.Final = 20.0
"""Seconds that they may take to become one cluster."""

_PAUSE: typing.Final = 0.05
_SLOTS: typing.Final = 16_384


class Nodes:
    """Three bundled servers that are one Cluster, from `start` to `close`.

    Nodes of a Cluster have to listen on ports, so they ask for a password that only this process knows.
    """

    __slots__ = ("_exits", "_nodes", "_password")

    def __init__(self) -> None:
        self._exits: typing.Final = contextlib.AsyncExitStack()
        self._nodes: list[_Node] = []
        self._password = secrets.token_hex(16)

    @property
    def url(self) -> str:
        """What a cache takes as the cluster's address."""
        hosts = ",".join(f"{_HOST}:{node.port}" for node in self._nodes)
        return f"redis+cluster://:{self._password}@{hosts}"

    async def start(self) -> None:
        """Start them, and wait until they are one cluster.

        Raises
        ------
        sake.errors.BackendError
            If they cannot be started, or do not become one.
        """
        try:
            await asyncio.wait_for(self._start(), _LONGEST)
        except TimeoutError as error:
            await self.close()
            error_message = f"The bundled servers have not become a cluster within {_LONGEST:.0f} s"
            raise errors.BackendError(error_message, exception=error) from error
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """End them."""
        await self._exits.aclose()

    async def _start(self) -> None:
        for number in range(_COUNT):
            node = await self._exits.enter_async_context(_Node())
            await node.listen(self._password)
            await node.ask("CLUSTER", "ADDSLOTSRANGE", _first_slot(number), _first_slot(number + 1) - 1)
            await node.ask("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
            self._nodes.append(node)

        for node, other in itertools.combinations(self._nodes, 2):
            await node.ask("CLUSTER", "MEET", _HOST, other.port, other.bus_port)
        for node in self._nodes:
            await node.become_ready()


class _Node:
    """One of the servers, which is told by its private socket what to do."""

    def __init__(self) -> None:
        self.bus_port: typing.Final = _free_port()
        self.port: typing.Final = _free_port()
        config = {
            "cluster-announce-ip": _HOST,
            "cluster-config-file": "nodes.conf",
            "cluster-enabled": "yes",
            # For as long it hesitates to begin.
            "cluster-node-timeout": "2000",
            "cluster-port": str(self.bus_port),
        }
        self._exits: typing.Final = contextlib.AsyncExitStack()
        self._server: typing.Final = embedded.EmbeddedServer(config=config)
        self._database: _connections.Server | None = None

    async def __aenter__(self) -> typing_extensions.Self:
        await self._exits.enter_async_context(self._server)
        address, _ = _connections.check_address(self._server.url)
        connections = _connections.Connections(address, password=None, limit=1, options={})
        self._exits.push_async_callback(connections.close)
        self._database = connections.database(0)
        return self

    async def __aexit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: types.TracebackType | None,
        /,
    ) -> None:
        await self._exits.aclose()

    async def listen(self, password: str, /) -> None:
        """Let it listen on its port for those who know a password."""
        # The connection that says so needs none.
        await self.ask("CONFIG", "SET", "requirepass", password)
        await self.ask("CONFIG", "SET", "port", self.port)

    async def become_ready(self) -> None:
        """Wait until it knows who has which slots."""
        while b"cluster_state:ok" not in await self.ask("CLUSTER", "INFO"):  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(_PAUSE)

    async def ask(self, *words: str | int) -> bytes:
        """Send it a command, and return the answer.

        Raises
        ------
        sake.errors.BackendError
            If it cannot be asked, or refuses.
        """
        if self._database is None:
            error_message = "This node is not open"
            raise errors.BackendError(error_message)

        (answers,) = await self._database.send([_wire.Parcel(0, _wire.pack(*words))])
        if isinstance(answers, errors.BackendError):
            raise answers
        if isinstance(answers[0], _connections.ReplyError):
            error_message = f"A bundled server cannot be a node of a cluster: {answers[0]}"
            raise errors.BackendError(error_message, exception=answers[0])

        return bytes(answers[0])


def _first_slot(number: int, /) -> int:
    return _SLOTS * number // _COUNT


def _free_port() -> int:
    with socket.socket() as found:
        found.bind((_HOST, 0))
        return int(found.getsockname()[1])
