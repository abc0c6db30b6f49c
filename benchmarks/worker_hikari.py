# SPDX-License-Identifier: BSD-3-Clause
"""Measures hikari's own cache (`cacheimpl`), or one listener which does nothing (`listener`)."""

from __future__ import annotations

import contenders
import hikari
import jobs
import worker


class _Listener(contenders.Contender):
    async def open(self) -> None:
        await super().open()
        self.bot.event_manager.subscribe(hikari.ShardPayloadEvent, self._on_event)

    async def _on_event(self, _: hikari.ShardPayloadEvent, /) -> None:
        pass


async def _measure(order: worker.Order, /) -> jobs.Figures:
    if order.contender == "cacheimpl":
        return await jobs.do(contenders.Contender(hikari.api.CacheComponents.ALL), order)

    return await jobs.do(_Listener(), order)


if __name__ == "__main__":
    worker.run(_measure)
