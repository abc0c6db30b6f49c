# SPDX-License-Identifier: BSD-3-Clause
"""Bots' hours in seconds: a simulator that looks for what tests by hand do not think of.

A *story* is drawn from one number, the seed: one to three bots, each with a cache of its own, a server, what the bots
receive, what is asked of their caches by whom, what goes wrong and when. It is told in virtual time, by an event loop
that decides everything that asyncio leaves open. The code of sake and of redis-py runs as it is, on connections in
memory to fakeredis. What must always hold is checked all the time; a story that fails is made as short as it can be,
and is told again, the same to the last byte, by its number.

```sh
nox -s simulate -- --seeds 10000          # many
nox -s simulate -- --seed 4711 --trace    # one again, and what happened in it
```

| Module | What it does |
|---|---|
| `clock` | Time that passes only when nobody has anything to do, for everything that asks what time it is |
| `loop` | The event loop: order, hosts, what may be shuffled |
| `network` | Connections in memory: delay, width, and how they end |
| `server` | fakeredis behind RESP, and the states a server can be in |
| `faults` | What goes wrong |
| `stories` | Draws a story: plain data that can be cut |
| `events` | Draws what bots receive |
| `odd` | Draws what they should not receive |
| `clients` | Bots, their caches, and every call of one |
| `actions` | What is asked of a cache, and what the answers may be |
| `stage`, `real` | Where a story is told: in memory and virtual time, or on a real server |
| `world` | Tells a story |
| `expected` | What should be stored, and what may be seen |
| `invariants`, `sizes` | What must hold; how much really waits |
| `shrink` | Makes a story shorter while it still fails |
| `trace` | What happened, and its hash |
| `run` | Seeds one after the other, the command line |

Why an event loop of its own: `simloop` 0.2 and `simloom` 0.5, which do this for any program, need Python 3.12 while
sake is for 3.11; and they shuffle *all* callbacks that are ready, as their authors say. asyncio promises that what was
scheduled first runs first, hikari starts listeners in the order of their events by it, and sake is built on that: a
loop that breaks the promise finds faults that no bot has. See `loop` for what is shuffled instead.

What it does not model: TLS, unix sockets and Sentinel; a Cluster beyond a node that refuses; replication; bytes of
an old connection that arrive after those of a new one; the time that work takes (only that it takes some); kinds
that no list of a guild has, such as direct message channels and the application; Tanjun; more than one thread for
longer than a call. With two bots for one shard it asks for what converges, no more.
"""
