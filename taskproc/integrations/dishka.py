"""dishka: ``TaskProcessor(resolver=resolver(container))``; each execution has a scope of the container's own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from dishka import AsyncContainer
from dishka.exceptions import NoFactoryError

from taskproc.context import TaskContext
from taskproc.options import Resolver


def resolver(container: AsyncContainer) -> Resolver:
    """Take services from a container, which stays the caller's. Its providers may ask for the ``TaskContext``."""

    async def scope(ctx: TaskContext) -> AsyncIterator[AsyncContainer]:
        async with container(context={TaskContext: ctx}) as opened:
            yield opened

    async def resolve(wanted: Any, ctx: TaskContext) -> Any:
        try:
            return await (await ctx.get(scope)).get(wanted)
        except NoFactoryError as error:
            raise LookupError(str(error)) from error

    return resolve
