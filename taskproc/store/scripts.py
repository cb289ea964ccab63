"""The scripts' contract: one typed method for each, checked against its header in ``lua/`` at import.

A method's parameters are the header's ARGV less the prefix: same names, same order, same types (``str``,
``int``, ``bytes``, ``Json``, and ``*name: bytes`` for a variadic one). Replies are what Redis answers; the
headers say what is in them, and the modules of ``taskproc.store`` make values of them.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any, NewType, Protocol, cast, get_type_hints

import orjson

from taskproc.store.lua import Script, load, names

Json = NewType("Json", bytes)
"""A JSON document."""

Reply = list[Any]
Run = Callable[[Script, tuple[Any, ...]], Awaitable[Any]]


def to_json(value: object) -> Json:
    """A JSON document of plain values."""
    return Json(orjson.dumps(value))


class Scripts(Protocol):
    """Every script, by its name."""

    async def batch_append(self, call: Json, batch: str, tenant: str, idem: str, lists: Json, *bodies: bytes) -> Reply: ...
    async def batch_cancel(self, call: Json, batch: str, tenant: str) -> Reply: ...
    async def batch_commit(
        self, call: Json, batch: str, tenant: str, label: str, idem: str, sizes: Json, *continuations: bytes
    ) -> Reply: ...
    async def batch_create(
        self, call: Json, batch: str, tenant: str, label: str, idem: str, lists: Json, continuations: int, *bodies: bytes
    ) -> Reply: ...
    async def batch_explain(self, batch: str) -> Reply: ...
    async def batch_get(self, watch: int, *batches: bytes) -> Reply: ...
    async def batch_list(self, tenant: str, skip: int, take: int, before: str) -> Reply: ...
    async def batch_prune(self, retention: int, limit: int) -> Reply: ...
    async def batch_running(self, batch: str, cursor: str) -> Reply: ...
    async def batch_stage(self, seg: str, chunk: int, stamp: int, lists: Json, *bodies: bytes) -> Reply: ...
    async def dead_batches(self, queue: str, skip: int, take: int) -> Reply: ...
    async def dead_discard(self, call: Json, tasks: Json) -> Reply: ...
    async def dead_retry(self, call: Json, tasks: Json, attempts: int) -> Reply: ...
    async def dead_tasks(self, batch: str, queue: str, skip: int, take: int) -> Reply: ...
    async def instance_open(self, schema: int) -> Reply: ...
    async def instance_pause(self, call: Json, pause: int) -> Reply: ...
    async def lease_renew(self, worker: str, info: str, lease: int, *members: bytes) -> Reply: ...
    async def queue_list(self) -> Reply: ...
    async def queue_mode(self, queue: str, mode: str) -> Reply: ...
    async def queue_read(self, *queues: bytes) -> Reply: ...
    async def queue_tasks(self, queue: str, skip: int, take: int) -> Reply: ...
    async def segment_commit(self, call: Json, batch: str, tenant: str, seg: str, idem: str, sizes: Json) -> Reply: ...
    async def stage_drop(self, seg: str) -> Reply: ...
    async def staging_prune(self, age: int, limit: int) -> Reply: ...
    async def step(self, schema: int, worker: str, seq: int, lease: int, want: int, queues: Json, groups: Json) -> Reply: ...
    async def task_cancel(self, call: Json, task: str, tenant: str, cursor: str) -> Reply: ...
    async def task_enqueue(
        self, call: Json, tenant: str, seed: str, idem: str, keep: int, lists: Json, local: str, *bodies: bytes
    ) -> Reply: ...
    async def task_read(self, task: str, cursor: str) -> Reply: ...
    async def tenant_list(self, skip: int, take: int) -> Reply: ...
    async def tenant_prune(self, retention: int, limit: int) -> Reply: ...
    async def tenant_read(self, *tenants: bytes) -> Reply: ...
    async def upkeep_promote(self, limit: int) -> Reply: ...
    async def upkeep_rescue(self, limit: int) -> Reply: ...
    async def worker_leave(self, worker: str) -> Reply: ...
    async def worker_list(self) -> Reply: ...


READS = frozenset({
    "batch_explain", "batch_get", "batch_list", "batch_running", "dead_batches", "dead_tasks", "instance_open", "queue_list",
    "queue_read", "queue_tasks", "task_read", "tenant_list", "tenant_read", "worker_list",
})  # fmt: skip
"""Scripts that change nothing that a caller would have to know: a lost answer is not an unknown outcome."""

KINDS = {"str": str, "int": int, "bytes": bytes, "json": Json}


def check(contract: type, script: Script) -> None:
    """Hold a method of a contract against its script's header.

    Raises TypeError naming the script and the first difference.
    """
    method = getattr(contract, script.name)
    hints = get_type_hints(method)
    parameters = [p for p in inspect.signature(method).parameters.values() if p.name != "self"]
    declared = [(p.name, hints[p.name], p.kind is inspect.Parameter.VAR_POSITIONAL) for p in parameters]
    header = [(a.name, KINDS.get(a.type), a.variadic) for a in script.header.argv]
    if header[:1] != [("prefix", str, False)]:
        raise TypeError(f"lua/{script.name}.lua: the first ARGV must be the prefix")
    if header[1:] != declared:
        raise TypeError(
            f"lua/{script.name}.lua: its header has {header[1:]}, {contract.__name__}.{script.name} has {declared}"
        )


def bind(run: Run, prefix: str, scripts: dict[str, Script] | None = None) -> Scripts:
    """The scripts as methods that call them through ``run``."""

    def method(script: Script) -> Callable[..., Awaitable[Any]]:
        def call(*args: Any) -> Awaitable[Any]:
            return run(script, (prefix, *args))

        return call

    return cast(Scripts, SimpleNamespace(**{name: method(script) for name, script in (scripts or SCRIPTS).items()}))


SCRIPTS: dict[str, Script] = {name: load(name) for name in names()}

for _script in SCRIPTS.values():
    check(Scripts, _script)
