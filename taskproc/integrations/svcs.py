"""svcs: ``TaskProcessor(resolver=resolver(registry))``; each execution has a container of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from svcs import Container, Registry
from svcs.exceptions import ServiceNotFoundError

from taskproc.context import TaskContext
from taskproc.options import Resolver


def resolver(registry: Registry) -> Resolver:
    """Take services from a registry, which stays the caller's. Its factories may get the ``TaskContext``."""

    async def scope(ctx: TaskContext) -> AsyncIterator[Container]:
        async with Container(registry) as container:
            container.register_local_value(TaskContext, ctx)
            yield container

    async def resolve(wanted: Any, ctx: TaskContext) -> Any:
        try:
            return await (await ctx.get(scope)).aget(wanted)
        except ServiceNotFoundError as error:
            raise LookupError(str(error)) from error

    return resolve
