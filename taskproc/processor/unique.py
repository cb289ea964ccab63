"""A processor's calls that find tasks by what makes them unique."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec, TypeVar, overload

from taskproc.call_options import NO_OPTIONS, CallOptions
from taskproc.model import TaskId
from taskproc.processor.connected import Connected
from taskproc.unique import lock_fields
from taskproc.values import tenant_name

P = ParamSpec("P")
R = TypeVar("R")


class UniqueTasks(Connected):
    """What is asked with the same arguments as a unique task was enqueued."""

    @overload
    async def find_unique(
        self, tenant: str, handler: Callable[P, Coroutine[Any, Any, R]], /, *args: P.args, **kwargs: P.kwargs
    ) -> TaskId[R] | None: ...
    @overload
    async def find_unique(
        self, tenant: str, handler: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs
    ) -> TaskId[R] | None: ...
    async def find_unique(
        self, tenant: str, handler: Callable[..., Any], /, *args: Any, **kwargs: Any
    ) -> TaskId[Any] | None:
        """The id of the unique task that an equal call would be answered with now; None where it would be stored."""
        return await self._find_unique(NO_OPTIONS, tenant, handler, args, kwargs)

    async def cancel_unique(self, tenant: str, handler: Callable[P, object], /, *args: P.args, **kwargs: P.kwargs) -> bool:
        """Cancel the unique task that an equal call would be answered with; False where there is none."""
        return await self._cancel_unique(NO_OPTIONS, tenant, handler, args, kwargs)

    async def _find_unique(
        self, options: CallOptions, tenant: str, handler: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> TaskId[Any] | None:
        found, payload = self._maker.call(handler, args, kwargs)
        sealer = self._options.sealer
        lock = lock_fields(options, found, tenant_name(tenant), sealer, args, kwargs, payload, default=True).get("u")
        holder = None if lock is None else await self._store.locks.find(str(lock))
        return None if holder is None else TaskId(holder)

    async def _cancel_unique(
        self, options: CallOptions, tenant: str, handler: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> bool:
        holder = await self._find_unique(options, tenant, handler, args, kwargs)
        return holder is not None and await self._store.tasks.cancel(holder, tenant)
